-- 0010 retention: whole partitions are dropped when their time is over; what they added up to stays as it is.

-- The last valid reading of every register before `raw_from` (table setting): the base of the first difference after it,
-- when the readings themselves are gone.
CREATE TABLE register_base (
    unit_id         integer NOT NULL,
    slot            integer NOT NULL,
    ts              timestamptz NOT NULL,
    value           bigint NOT NULL,
    PRIMARY KEY (unit_id, slot)
);

-- Autovacuum. Tables that only grow: by inserted rows, and frozen at once, so that old partitions are never read again
-- for the sake of transaction numbers. Rows that are computed again: by a small share, so that restated ones do not pile up.
-- Partitions made from now on get the same from partition_settings.
DO $$
DECLARE p regclass; parent text;
BEGIN
    FOR p, parent IN SELECT i.inhrelid::regclass, i.inhparent::regclass::text FROM pg_inherits i
                     JOIN pg_class c ON c.oid = i.inhparent AND c.relkind = 'p' LOOP
        IF parent IN ('upload', 'upload_payload', 'upload_finding', 'upload_refused', 'correction', 'audit_log') OR parent = 'receipt' THEN
            EXECUTE format('ALTER TABLE %s SET (autovacuum_vacuum_insert_threshold = 100000,'
                           ' autovacuum_vacuum_insert_scale_factor = 0.1, autovacuum_freeze_min_age = 0)', p);
        ELSIF parent IN ('reading_frame', 'rollup_hour', 'rollup_day', 'reported_frame') THEN
            EXECUTE format('ALTER TABLE %s SET (autovacuum_vacuum_insert_threshold = 100000,'
                           ' autovacuum_vacuum_insert_scale_factor = 0.1, autovacuum_vacuum_scale_factor = 0.05)', p);
        END IF;
    END LOOP;
END $$;
ALTER TABLE rollup_month SET (autovacuum_vacuum_scale_factor = 0.05);
ALTER TABLE rollup_year SET (autovacuum_vacuum_scale_factor = 0.05);
ALTER TABLE command SET (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 1000);
