-- partitions: made ahead by housekeeping, for history on demand. Never a DEFAULT partition (P5).
-- CREATE TABLE LIKE + ATTACH takes only SHARE UPDATE EXCLUSIVE on the parent: inserts go on.

CREATE OR REPLACE FUNCTION partition_make(parent text, suffix text, lower_ts timestamptz, upper_ts timestamptz)
RETURNS boolean LANGUAGE plpgsql SET search_path = public, pg_catalog AS $$
DECLARE
    child text := parent || '_' || suffix;
    col record;
BEGIN
    IF to_regclass(child) IS NOT NULL THEN
        RETURN false;
    END IF;
    EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING STORAGE INCLUDING COMPRESSION)', child, parent);
    IF parent IN ('rollup_day', 'upload_payload') THEN -- compressed as far as may be (step 0024); in one piece (step 0006)
        EXECUTE format('ALTER TABLE %I SET (toast_tuple_target = %s)', child, CASE parent WHEN 'rollup_day' THEN 128 ELSE 8160 END);
    END IF;
    EXECUTE format('ALTER TABLE %I SET (%s)', child, partition_settings(parent));
    FOR col IN SELECT a.attname, a.attstattarget FROM pg_attribute a -- LIKE leaves them out (step 0023)
               WHERE a.attrelid = parent::regclass AND a.attnum > 0 AND NOT a.attisdropped AND a.attstattarget >= 0 LOOP
        EXECUTE format('ALTER TABLE %I ALTER COLUMN %I SET STATISTICS %s', child, col.attname, col.attstattarget);
    END LOOP;
    EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', parent, child, lower_ts, upper_ts);
    IF parent = 'reading_frame' AND upper_ts <= now() THEN -- for history: its retention begins now (storage_due)
        INSERT INTO setting (key, value) VALUES ('made:' || child, (now() AT TIME ZONE 'UTC')::text || '+00')
        ON CONFLICT (key) DO UPDATE SET value = excluded.value;
    END IF;
    RETURN true;
END $$;

-- Tables by month of their partition column, and by year.
CREATE OR REPLACE FUNCTION partition_tables(kind text) RETURNS SETOF text LANGUAGE sql IMMUTABLE AS $$
    SELECT unnest(CASE kind
        WHEN 'reading' THEN ARRAY['reading_frame', 'rollup_hour']
        WHEN 'receipt' THEN ARRAY['upload', 'upload_payload', 'upload_finding', 'upload_refused', 'correction', 'audit_log']
        WHEN 'year'    THEN ARRAY['rollup_day', 'reported_frame', 'unit_energy_day']
        ELSE ARRAY[]::text[] END)
$$;

-- The partitions that an instant needs. kind: 'reading' (also makes the year's) or 'receipt'.
-- Serialised by an advisory lock; months are those of the session's time zone (the platform's). With the owner's rights: a
-- server need not own the tables (roles.sql).
CREATE OR REPLACE FUNCTION partition_ensure(kind text, at timestamptz) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_catalog, pg_temp AS $$
DECLARE
    t text; made integer := 0;
    m timestamptz := date_trunc('month', at);
    y timestamptz := date_trunc('year', at);
BEGIN
    PERFORM pg_advisory_xact_lock(3, 0);
    FOR t IN SELECT partition_tables(kind) LOOP
        IF partition_make(t, to_char(m, 'YYYYMM'), m, m + interval '1 month') THEN made := made + 1; END IF;
    END LOOP;
    IF kind = 'reading' THEN
        FOR t IN SELECT partition_tables('year') LOOP
            IF partition_make(t, to_char(y, 'YYYY'), y, y + interval '1 year') THEN made := made + 1; END IF;
        END LOOP;
    END IF;
    RETURN made;
END $$;

REVOKE ALL ON FUNCTION partition_ensure(text, timestamptz) FROM PUBLIC;

-- Housekeeping: from two months back to `ahead` months ahead of `at`. A past month whose table that is kept for ever is there was
-- made before: what is missing beside it has expired, and would be made and dropped again every day.
CREATE OR REPLACE FUNCTION partition_horizon(at timestamptz, ahead integer) RETURNS integer
LANGUAGE plpgsql SET search_path = public, pg_catalog AS $$
DECLARE
    made integer := 0; m timestamptz; k record;
    present constant timestamptz := date_trunc('month', at);
BEGIN
    FOR m IN SELECT generate_series(present - interval '2 months', present + ahead * interval '1 month', interval '1 month') LOOP
        FOR k IN SELECT * FROM (VALUES ('reading', 'rollup_hour_'), ('receipt', 'upload_')) v (kind, kept) LOOP
            IF m >= present OR to_regclass(k.kept || to_char(m, 'YYYYMM')) IS NULL THEN
                made := made + partition_ensure(k.kind, m);
            END IF;
        END LOOP;
    END LOOP;
    RETURN made;
END $$;
