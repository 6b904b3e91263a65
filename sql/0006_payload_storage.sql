-- 0006 payload storage: XML that arrived uncompressed shrinks to a sixth by lz4, stays in its row, and saves what a
-- TOAST table costs per chunk: rows, index entries and WAL. What arrived as gzip is noticed as incompressible at once.
ALTER TABLE upload_payload ALTER COLUMN content SET STORAGE MAIN, ALTER COLUMN content SET COMPRESSION lz4;
DO $$
DECLARE p regclass;
BEGIN
    FOR p IN SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = 'upload_payload'::regclass LOOP
        EXECUTE format('ALTER TABLE %s ALTER COLUMN content SET STORAGE MAIN, ALTER COLUMN content SET COMPRESSION lz4', p);
        EXECUTE format('ALTER TABLE %s SET (toast_tuple_target = 8160)', p);
    END LOOP;
END $$;
