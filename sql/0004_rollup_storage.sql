-- 0004 rollup storage: a full page of rollups is some 4 KB in four to six arrays, and a question about one item takes one
-- value out of each of thousands of rows.
-- Hours are many: kept in the row, compressed by lz4, which unpacks several times faster than pglz.
DO $$
DECLARE c text;
BEGIN
    FOR c IN SELECT unnest(ARRAY['total', 'vmin', 'vmax', 'n', 'nd', 'bad', 'wide']) LOOP
        EXECUTE format('ALTER TABLE rollup_hour ALTER COLUMN %1$I SET STORAGE MAIN, ALTER COLUMN %1$I SET COMPRESSION lz4', c);
    END LOOP;
END $$;
-- Days, months and years are few: kept in the row as they are, so that an element is read in place. Partitions of
-- rollup_day get the same from partition_make.
ALTER TABLE rollup_month SET (toast_tuple_target = 8160);
ALTER TABLE rollup_year SET (toast_tuple_target = 8160);
DO $$
DECLARE p regclass;
BEGIN
    FOR p IN SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = 'rollup_day'::regclass LOOP
        EXECUTE format('ALTER TABLE %s SET (toast_tuple_target = 8160)', p);
    END LOOP;
END $$;
