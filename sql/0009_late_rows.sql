-- 0009 late rows: a parked message that is sent again must not leave older values behind at the other side.

-- Set when an operator sends a parked message again.
ALTER TABLE fep_message ADD COLUMN requeued_at timestamptz;

-- Younger rows of the enterprise may have been sent before this one: they become ready again when it is claimed.
ALTER TABLE outbox ADD COLUMN late boolean NOT NULL DEFAULT false;
