-- statistics: comprehensive energy consumption by region, industry, energy type or enterprise. Asked by server/query and the
-- operator's command. Months and longer periods come from rows by month, of all energies together where no energy is asked for.

-- group_by: region, industry, energyType, enterprise. region, industry: prefixes, '' for all; energy: 4 digits of base data,
-- or 6 with the class; '': all. [since, until) holds whole periods of the granularity. compare: none, yoy, pop.
-- The key of a region or industry is the next level below the one asked for; below a municipality the districts.
CREATE OR REPLACE FUNCTION energy_statistics(group_by text, region text, industry text, energy text, granularity text,
    since timestamptz, until timestamptz, compare text, most bigint)
RETURNS TABLE (key text, name text, stat_date timestamptz, value numeric, unit text, tce numeric, co2 numeric, compare_tce numeric)
LANGUAGE plpgsql STABLE SET search_path = public, pg_catalog SET jit = off SET work_mem = '64MB' AS $$
DECLARE
    by_energy constant boolean := group_by = 'energyType' OR energy <> '';
    daily constant boolean := granularity IN ('day', 'week');
    source text := 'unit_consumption_month';
    amount text := 'NULL::numeric, NULL::text, NULL::text, sum(e.tce), sum(e.co2)';
    energy_filter text := '';
    -- 市辖区, 县 of municipalities; counties directly under a province or autonomous region: no city between (GB/T 2260)
    WITHOUT_CITY constant text[] := '{1101,1102,1201,1202,3101,3102,5001,5002,4190,4290,4690,6590}';
    unit_key text;
    part_key text := 's.key';
    row_key text := 'a.key';
    shift interval;
BEGIN
    IF daily THEN
        source := 'unit_energy_day';
        amount := format('%s, coalesce(sum(CASE WHEN e.sign > 0 THEN e.tce ELSE -e.tce END), 0), coalesce(sum(CASE WHEN e.sign > 0 THEN e.co2 ELSE -e.co2 END), 0)',
            CASE WHEN by_energy THEN 'sum(CASE WHEN e.sign > 0 THEN e.quantity ELSE -e.quantity END), min(e.measure), max(e.measure)'
            ELSE 'NULL::numeric, NULL::text, NULL::text' END);
        energy_filter := ' AND e.sign <> 0';
    ELSIF by_energy THEN
        source := 'unit_energy_month';
        amount := 'sum(e.quantity), min(e.measure), max(e.measure), sum(e.tce), sum(e.co2)';
    END IF;
    IF energy <> '' THEN -- with its kinds: they are counted where it is not (sql/README.md)
        energy_filter := energy_filter || format(' AND e.energy = ANY (%L)', CASE WHEN length(energy) = 6 THEN ARRAY[energy]
            ELSE (WITH RECURSIVE kind AS (SELECT energy_statistics.energy AS code UNION
                      SELECT b.code FROM kind k JOIN base_data b ON b.list = 'energy_type' AND b.parent_code = k.code)
                  SELECT array_agg(c.class || k.code) FROM kind k CROSS JOIN (VALUES ('01'), ('02')) c (class)) END);
    END IF;
    unit_key := CASE group_by
        WHEN 'region' THEN CASE WHEN length(region) = 2 -- what no city holds stands beside the cities, itself
            THEN format('CASE WHEN left(u.region_code, 4) = ANY (%L) THEN u.region_code ELSE rpad(left(u.region_code, 4), 6, ''0'') END',
                        WITHOUT_CITY)
            ELSE format('rpad(left(u.region_code, %s), 6, ''0'')', least(length(region) + 2, 6)) END
        WHEN 'industry' THEN format('left(u.industry_code, CASE WHEN u.industry_code ~ ''^[A-Z]'' THEN %s ELSE %s END)',
            CASE length(industry) WHEN 0 THEN 1 WHEN 1 THEN 3 ELSE length(industry) + 1 END, greatest(length(industry) + 1, 2))
        ELSE 'u.code' END;
    IF group_by = 'energyType' THEN
        part_key := 'e.energy';
        row_key := 'CASE WHEN left(a.key, 2) = ''03'' THEN a.key ELSE substr(a.key, 3) END';
    END IF;
    shift := CASE WHEN compare = 'none' THEN NULL
                  WHEN compare = 'yoy' AND granularity = 'week' THEN interval '364 days'
                  WHEN compare = 'yoy' THEN interval '1 year'
                  WHEN granularity = 'quarter' THEN interval '3 months'
                  ELSE ('1 ' || granularity)::interval END;
    -- GROUP BY u.id: a key is computed once for each enterprise (it is the primary key: nothing is grouped), and unlike OFFSET 0 this lets
    -- workers of a parallel query join and sum up. Bounds come computed: an interval that is taken off for each row costs as much as summing it.
    RETURN QUERY EXECUTE format($q$
        WITH a (key, ts, quantity, low, high, tce, co2) AS MATERIALIZED ( -- by stored periods first: few are left for what costs more
            SELECT %9$s, e.ts, %4$s
            FROM (SELECT u.id, %1$s AS key FROM unit u WHERE u.region_code ^@ $1 AND u.industry_code ^@ $2 GROUP BY u.id) s
            JOIN %5$I e ON e.unit_id = s.id
            WHERE (e.ts >= $3 AND e.ts < $4 OR e.ts >= $7 AND e.ts < $8)%6$s GROUP BY 1, 2),
        t AS MATERIALIZED (
            SELECT %2$s AS key, date_trunc(%3$L, a.ts) AS d, sum(a.quantity) AS quantity, min(a.low) AS low, max(a.high) AS high,
                   sum(a.tce) AS tce, sum(a.co2) AS co2 FROM a GROUP BY 1, 2)
        SELECT t.key, coalesce(%7$s, t.key), t.d, CASE WHEN %8$L AND t.low = t.high AND t.low <> '' THEN trim_scale(t.quantity) END,
               CASE WHEN %8$L AND t.low = t.high AND t.low <> '' THEN t.low END, trim_scale(t.tce), trim_scale(t.co2), trim_scale(p.tce)
        FROM t LEFT JOIN t p ON p.key = t.key AND p.d = t.d - $5
            AND NOT (%3$L = 'day' AND $5 = interval '1 year' AND to_char(t.d, 'MMDD') = '0229')
        WHERE t.d >= $3 AND t.d < $4 ORDER BY t.d, t.key LIMIT $6$q$,
        unit_key, row_key, granularity, amount, source, energy_filter,
        CASE WHEN group_by = 'enterprise' THEN '(SELECT n.name FROM unit n WHERE n.code = t.key)'
             ELSE format('(SELECT b.name FROM base_data b WHERE b.list = %s ORDER BY b.valid_from DESC LIMIT 1)',
                  CASE group_by WHEN 'region' THEN '''region'' AND b.code = t.key' WHEN 'industry' THEN '''industry'' AND b.code = t.key'
                  ELSE 'CASE WHEN length(t.key) = 6 THEN ''working_substance'' ELSE ''energy_type'' END AND b.code = right(t.key, 4)' END) END,
        by_energy, part_key)
    USING region, industry, since, until, shift, most, since - shift, until - shift;
END $$;
