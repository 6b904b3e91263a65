-- 0024 dense rollups: a day's row of 100 items took 2.9 KB, so two of them were a page and a quarter of it stayed empty. How
-- many readings there were is the same for most items: those arrays are compressed inside the row, and three rows are a page.
-- The sums and bounds stay as they are (plain), so that an element is read in place; compression would not shrink them.
DO $$
DECLARE
    t regclass;
    c text;
BEGIN
    FOR t IN SELECT unnest(ARRAY['rollup_day', 'rollup_month', 'rollup_year'])::regclass
             UNION ALL SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = 'rollup_day'::regclass LOOP
        FOR c IN SELECT unnest(ARRAY['total', 'vmin', 'vmax']) LOOP
            EXECUTE format('ALTER TABLE ONLY %s ALTER COLUMN %I SET STORAGE PLAIN', t, c);
        END LOOP;
        FOR c IN SELECT unnest(ARRAY['n', 'nd', 'bad', 'late', 'suspect', 'wide']) LOOP
            EXECUTE format('ALTER TABLE ONLY %1$s ALTER COLUMN %2$I SET STORAGE MAIN, ALTER COLUMN %2$I SET COMPRESSION lz4', t, c);
        END LOOP;
        -- Of every row that is longer than 2 KB all of these are compressed, and none leaves the row as long as it fits a page.
        IF t <> 'rollup_day'::regclass THEN -- its partitions have it; new ones get it from partition_make
            EXECUTE format('ALTER TABLE %s SET (toast_tuple_target = 128)', t);
        END IF;
    END LOOP;
END $$;
-- Every month is looked at by the packing again, which writes rows of the old form anew (storage_pack).
DELETE FROM setting WHERE key LIKE 'packed:%';
