-- 0017 receipts by time: they are kept for ever and lie in the order they came, so that a few pages of BRIN tell where those
-- of the last days are (storage_orphans).
CREATE INDEX receipt_received_at_idx ON receipt USING brin (received_at) WITH (autosummarize = on);
