-- restatement: periods that were over and have another value now, with words in place of numbers; for nhjcctl, reports and
-- whoever asks by SQL. What the reasons mean is in sql/README.md.
CREATE OR REPLACE VIEW bv_restatement AS
SELECT r.unit_id, r.slot, r.id, u.code AS enterprise_code, i.data_code, (ARRAY['day', 'month', 'year'])[r.granularity] AS granularity,
       r.ts AS stat_date, r.restated_at,
       CASE WHEN r.reason = '' AND r.upload_id IS NOT NULL THEN 'correction' ELSE r.reason END AS reason, -- older rows know no other
       r.upload_id, r.old_value, r.new_value, r.old_n AS old_count, r.new_n AS new_count,
       public.ratio6(r.old_tce, 1) AS old_tce, public.ratio6(r.new_tce, 1) AS new_tce,
       public.ratio6(r.old_co2, 1) AS old_co2, public.ratio6(r.new_co2, 1) AS new_co2
FROM public.restatement r JOIN public.unit u ON u.id = r.unit_id
JOIN public.collect_item i ON i.unit_id = r.unit_id AND i.slot = r.slot;

-- Items that are means now or no longer, in this transaction: rows show the mean where they showed the total, or the other way
-- round, before anything is rolled up again. Periods that ended more than a day ago are restated, years first, up to a bound. What a
-- register adds up to anew follows from the rollup. The lock first: a rollup that still took the item for what it was has
-- committed then.
CREATE OR REPLACE FUNCTION item_reaveraged(of_unit integer, slots integer[]) RETURNS void
LANGUAGE plpgsql STRICT SET search_path = public, pg_catalog SET jit = off AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(2, of_unit);
    INSERT INTO restatement (unit_id, granularity, ts, slot, reason, old_value, new_value, old_n, new_n)
    SELECT of_unit, v.granularity, v.ts, v.slot, 'configuration', CASE WHEN v.mean THEN v.total ELSE v.average END,
           CASE WHEN v.mean THEN v.average ELSE v.total END, v.n, v.n
    FROM (SELECT p.granularity, p.ts, p.slot, p.mean, p.n, unscale(p.total) AS total, unscale(div_even(p.total, p.m)) AS average
          FROM (SELECT r.granularity, r.ts, i.slot, i.aggregation = 1 AS mean, r.n[k] AS n, coalesce(r.nd[k], r.n[k]) AS m,
                       scaled(r.total[k], r.wide[k]) AS total
                FROM collect_item i CROSS JOIN LATERAL (SELECT i.slot % 128 + 1, (i.slot / 128)::smallint) x (k, page) CROSS JOIN LATERAL (
                    SELECT 3::smallint AS granularity, ts, n, nd, total, wide FROM rollup_year WHERE unit_id = of_unit AND page = x.page
                      AND ts + interval '1 year 1 day' <= now()
                    UNION ALL SELECT 2::smallint, ts, n, nd, total, wide FROM rollup_month WHERE unit_id = of_unit AND page = x.page
                      AND ts + interval '1 month 1 day' <= now()
                    UNION ALL SELECT 1::smallint, ts, n, nd, total, wide FROM rollup_day WHERE unit_id = of_unit AND page = x.page
                      AND ts + interval '2 days' <= now()) r
                WHERE i.unit_id = of_unit AND i.slot = ANY (slots) AND r.n[k] > 0) p
          WHERE p.m > 0) v
    WHERE v.total <> v.average ORDER BY v.granularity DESC, v.ts DESC, v.slot LIMIT 100000;
END $$;
