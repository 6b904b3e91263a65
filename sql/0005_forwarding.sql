-- 0005 forwarding: what housekeeping and vacuum need when millions of rows wait after an outage.

-- The bytes of messages sent long enough ago are found without reading the table.
CREATE INDEX fep_message_content_idx ON fep_message (settled_at) WHERE state = 'sent' AND content IS NOT NULL;

-- Every row of the outbox is updated once: dead rows in front of the ready ones make each look at them longer, and an
-- old visibility map makes counting them slow.
ALTER TABLE outbox SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 5000,
                        autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_vacuum_insert_threshold = 20000,
                        autovacuum_vacuum_cost_delay = 0);
ALTER TABLE fep_message SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000,
                             autovacuum_vacuum_cost_delay = 0);
