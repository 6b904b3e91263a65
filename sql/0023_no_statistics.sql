-- 0023 no statistics of arrays and payloads: nothing is searched for by them, and ANALYZE counted every element of its sample, seconds
-- of CPU for each table that the rollup keeps changing. Partitions made from now on follow their parent (partition_make).
DO $$
DECLARE c record;
BEGIN
    FOR c IN
        SELECT a.attrelid::regclass AS parent, string_agg(format('ALTER COLUMN %I SET STATISTICS 0', a.attname), ', ' ORDER BY a.attnum) AS columns
        FROM pg_attribute a
        WHERE a.attrelid IN ('reading_frame'::regclass, 'reported_frame'::regclass, 'rollup_hour'::regclass, 'rollup_day'::regclass,
                             'rollup_month'::regclass, 'rollup_year'::regclass, 'upload_payload'::regclass)
          AND a.attnum > 0 AND NOT a.attisdropped AND (format_type(a.atttypid, NULL) LIKE '%[]' OR a.atttypid = 'bytea'::regtype)
        GROUP BY a.attrelid
    LOOP
        EXECUTE format('ALTER TABLE %s %s', c.parent, c.columns); -- and its partitions
    END LOOP;
END $$;
