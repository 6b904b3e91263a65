-- roles: least rights. No step: run by the administrator, by hand, as a superuser, after every
-- `nhjcctl db migrate` that brought a table (it may be repeated):
--     psql -v ON_ERROR_STOP=1 -f sql/roles.sql
--   who ran `db migrate`  owns the tables and is needed for upgrades only
--   nhjc_server           the server's and the operator's daily work: rows, and whole partitions through two functions
--   nhjc_report           reads values and who they belong to; no key, no payload, no audit log
-- Passwords, or certificates in pg_hba.conf, are the administrator's own.
DO $$
DECLARE r text;
BEGIN
    FOREACH r IN ARRAY ARRAY['nhjc_server', 'nhjc_report'] LOOP
        IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = r) THEN
            EXECUTE format('CREATE ROLE %I LOGIN', r);
        END IF;
        EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), r);
        EXECUTE format('GRANT USAGE ON SCHEMA public TO %I', r);
    END LOOP;
    IF NOT pg_has_role('nhjc_server', 'pg_read_all_settings', 'USAGE') THEN -- the folder whose free space the alarms measure
        GRANT pg_read_all_settings TO nhjc_server;
    END IF;
EXCEPTION WHEN insufficient_privilege THEN
    RAISE EXCEPTION 'roles and pg_read_all_settings are given by a superuser';
END $$;

-- Rows through the parents; of a partition itself only reading (storage_bytes_per_reading), those made later too.
DO $$
DECLARE t record;
BEGIN
    FOR t IN SELECT c.oid::regclass AS tbl FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = 'public'
             WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition LOOP
        EXECUTE format('GRANT INSERT, UPDATE, DELETE ON %s TO nhjc_server', t.tbl);
    END LOOP;
    EXECUTE format('ALTER DEFAULT PRIVILEGES FOR ROLE %I IN SCHEMA public GRANT SELECT ON TABLES TO nhjc_server',
                   (SELECT tableowner FROM pg_tables WHERE schemaname = 'public' AND tablename = 'unit'));
END $$;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO nhjc_server;
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO nhjc_server;
REVOKE INSERT, UPDATE, DELETE ON schema_step, schema_replace FROM nhjc_server;
REVOKE UPDATE, DELETE ON audit_log FROM nhjc_server; -- what was done stays written
GRANT EXECUTE ON FUNCTION partition_ensure(text, timestamptz), storage_drop(text, timestamptz) TO nhjc_server;

GRANT SELECT ON bv_infodb_energydata_province, bv_restatement, unit, collect_item, base_data, measure_unit, energy_basis, energy_role,
    reading_frame, reported_frame, rollup_hour, rollup_day, rollup_month, rollup_year, register_base, meter_replacement, restatement,
    unit_energy_day, unit_energy_month, unit_consumption_month, unit_coefficient TO nhjc_report;
