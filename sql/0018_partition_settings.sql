-- 0018 partitions of energy accounts that an upgrade made beside those of rollup_day: autovacuum settings as all others have
-- (partition_settings, step 0010).
DO $$
DECLARE p regclass;
BEGIN
    FOR p IN SELECT i.inhrelid::regclass FROM pg_inherits i WHERE i.inhparent = 'unit_energy_day'::regclass LOOP
        EXECUTE format('ALTER TABLE %s SET (autovacuum_vacuum_insert_threshold = 100000,'
                       ' autovacuum_vacuum_insert_scale_factor = 0.1, autovacuum_vacuum_scale_factor = 0.05)', p);
    END LOOP;
END $$;
