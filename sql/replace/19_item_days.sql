-- item days: what a question about one item over months or years reads. Where the rows are not in memory each one is a page
-- somewhere else: they are asked for together (bitmap, with as many reads ahead as the disk takes) instead of one after the other.

-- Rows of rollup_day with readings in [since, until), one place of the page. All of them are read: not for a few of many.
-- In plpgsql, whose plans are kept.
CREATE OR REPLACE FUNCTION item_days(of_unit integer, of_page smallint, place integer, since timestamptz, until timestamptz)
RETURNS TABLE (ts timestamptz, n integer, nd integer, total bigint, wide numeric, vmin bigint, vmax bigint)
LANGUAGE plpgsql STABLE SET search_path = public, pg_catalog
SET enable_indexscan = off SET effective_io_concurrency = 200 SET jit = off AS $$
BEGIN
    RETURN QUERY SELECT r.* FROM (
        SELECT d.ts, d.n[place] AS n, d.nd[place], d.total[place], d.wide[place], d.vmin[place], d.vmax[place] FROM rollup_day d
        WHERE d.unit_id = of_unit AND d.page = of_page AND d.ts >= since AND d.ts < until OFFSET 0) r
    WHERE r.n > 0 ORDER BY r.ts;
END $$;
