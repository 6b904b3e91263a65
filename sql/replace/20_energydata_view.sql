-- The seed's table bv_infodb_energydata_province as a view over frames: a row per enterprise, data code, granularity
-- (minute, hour, day, month, year) and period that has a valid reading or a reported value. Contract section 6 says
-- what each column means; server/query answers the same in C.
--
-- Speed: a filter on granularity leaves one branch; on enterprise_code finds the unit by its key; on stat_date reaches
-- the partitions and, with unit and page, the primary key. tce and co2 cost something only where they are asked for.
--
-- Aggregation: 0 sum, 1 mean, 2 counter. Arrays: element slot % 128 + 1 of page slot / 128.

-- Rows of one level of rollups differ in nothing but table, name and length of the period.
CREATE OR REPLACE FUNCTION energydata_rollup_sql(name text, tab text, seconds text, condition text) RETURNS text
LANGUAGE sql IMMUTABLE AS $f$
SELECT format($q$
    SELECT u.code, i.data_code, i.name, %1$L::text, r.ts,
        CASE WHEN i.aggregation = 1 THEN unscale(div_even(c.total, c.m)) ELSE unscale(c.total) END,
        unscale(c.vmin), unscale(c.vmax), unscale(div_even(c.total, c.m)),
        c.n, (%3$s / i.period)::integer, least(ratio6(c.n, %3$s / i.period), 1), 'computed'::text,
        CASE WHEN i.aggregation <> 1 THEN energy_tce(u.id, unscale(c.total), i.data_code, i.unit, r.ts) END,
        CASE WHEN i.aggregation <> 1 THEN energy_co2(u.id, unscale(c.total), i.data_code, i.unit, r.ts) END
    FROM unit u
    JOIN collect_item i ON i.unit_id = u.id AND i.stat_type = 0
    JOIN %2$s r ON r.unit_id = u.id AND r.page = i.slot / 128
    CROSS JOIN LATERAL (SELECT i.slot %% 128 + 1) x (k)
    CROSS JOIN LATERAL (SELECT r.n[x.k], coalesce(r.nd[x.k], r.n[x.k])) d (n, nd) -- nd: computed as a register
    CROSS JOIN LATERAL (SELECT d.n, nullif(d.nd, 0)) e (n, m)
    CROSS JOIN LATERAL (SELECT e.n, e.m,
        CASE WHEN e.m IS NOT NULL THEN scaled(r.total[x.k], r.wide[x.k]) END,
        CASE WHEN e.m IS NOT NULL THEN r.vmin[x.k] END,
        CASE WHEN e.m IS NOT NULL THEN r.vmax[x.k] END) c (n, m, total, vmin, vmax)
    WHERE c.n > 0 AND %4$s$q$, name, tab, seconds, condition)
$f$;

-- Values reported as such, shown where the same data code has no valid reading in the period. That is asked row by row
-- with the whole key, so that never more than one partition is touched; NOT EXISTS could become a join with all of them.
CREATE OR REPLACE FUNCTION energydata_reported_sql(name text, stat integer, tab text, seconds text) RETURNS text
LANGUAGE sql IMMUTABLE AS $f$
SELECT format($q$
    SELECT u.code, i.data_code, i.name, %1$L::text, r.ts,
        unscale(r.value[i.slot %% 128 + 1]), NULL::numeric, NULL::numeric, NULL::numeric,
        0, (%4$s / coalesce(t.period, i.period))::integer, 0::numeric, 'reported'::text,
        CASE WHEN i.aggregation = 0 THEN energy_tce(u.id, unscale(r.value[i.slot %% 128 + 1]), i.data_code, i.unit, r.ts) END,
        CASE WHEN i.aggregation = 0 THEN energy_co2(u.id, unscale(r.value[i.slot %% 128 + 1]), i.data_code, i.unit, r.ts) END
    FROM unit u
    JOIN collect_item i ON i.unit_id = u.id AND i.stat_type = %2$s
    JOIN reported_frame r ON r.unit_id = u.id AND r.page = i.slot / 128 AND r.stat_type = %2$s
    LEFT JOIN collect_item t ON t.unit_id = i.unit_id AND t.data_code = i.data_code AND t.stat_type = 0
    WHERE r.value[i.slot %% 128 + 1] IS NOT NULL
      AND coalesce(r.flag[i.slot %% 128 + 1], 0) & 1 = 0
      AND coalesce((SELECT c.n[t.slot %% 128 + 1] FROM %3$s c
                    WHERE c.unit_id = t.unit_id AND c.page = t.slot / 128 AND c.ts = r.ts), 0) = 0$q$,
    name, stat, tab, seconds)
$f$;

DO $$
DECLARE
    month constant text := 'extract(epoch FROM r.ts + interval ''1 month'' - r.ts)::integer';
    year constant text := 'extract(epoch FROM r.ts + interval ''1 year'' - r.ts)::integer';
BEGIN
    EXECUTE 'CREATE OR REPLACE VIEW bv_infodb_energydata_province (enterprise_code, data_code, point_name, granularity,'
        ' stat_date, value, min, max, avg, count, expected, completeness, source, tce, co2) AS '
        || $q$
    SELECT u.code, i.data_code, i.name, 'minute'::text, r.ts,
        unscale(r.value[x.k]), unscale(r.value[x.k]), unscale(r.value[x.k]), unscale(r.value[x.k]),
        1, 1, 1::numeric, 'computed'::text,
        CASE WHEN i.aggregation = 0 THEN energy_tce(u.id, unscale(r.value[x.k]), i.data_code, i.unit, r.ts) END,
        CASE WHEN i.aggregation = 0 THEN energy_co2(u.id, unscale(r.value[x.k]), i.data_code, i.unit, r.ts) END
    FROM unit u
    JOIN collect_item i ON i.unit_id = u.id AND i.stat_type = 0
    JOIN reading_frame r ON r.unit_id = u.id AND r.page = i.slot / 128
    CROSS JOIN LATERAL (SELECT i.slot % 128 + 1) x (k)
    WHERE r.value[x.k] IS NOT NULL AND coalesce(r.flag[x.k], 0) & 1 = 0 UNION ALL $q$
        || energydata_rollup_sql('hour', 'rollup_hour', '3600', 'i.period <= 3600') || ' UNION ALL '
        || energydata_rollup_sql('day', 'rollup_day', '86400', 'true') || ' UNION ALL '
        || energydata_rollup_sql('month', 'rollup_month', month, 'true') || ' UNION ALL '
        || energydata_rollup_sql('year', 'rollup_year', year, 'true') || ' UNION ALL '
        || energydata_reported_sql('day', 1, 'rollup_day', '86400') || ' UNION ALL '
        || energydata_reported_sql('month', 2, 'rollup_month', month) || ' UNION ALL '
        || energydata_reported_sql('year', 3, 'rollup_year', year);
END $$;

-- Of versions before: without the enterprise.
DROP FUNCTION IF EXISTS energy_tce(numeric, text, text, timestamptz);
DROP FUNCTION IF EXISTS energy_co2(numeric, text, text, timestamptz);
DROP FUNCTION IF EXISTS energy_coefficient(text, text, timestamptz);
DROP FUNCTION IF EXISTS energy_measure(text, text);
DROP FUNCTION IF EXISTS own_coefficient_ratio(text, text);
