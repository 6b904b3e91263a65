-- energy day: from rows of rollup_day to unit_energy_day, unit_energy_month and unit_consumption_month. Called by the
-- rollup in its transaction, under the lock (2, unit); everything is computed whole, nothing is incremented.

-- tce per unit of base data for a coefficient item's 1. Its unit: '' or a unit of coal equivalent: per unit of base
-- data; 'kgce/kg': both sides are converted. NULL: a unit that says something else.
CREATE OR REPLACE FUNCTION own_coefficient_ratio(energy text, item_unit text, at date) RETURNS numeric
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
DECLARE
    above numeric := 1;
    below numeric := 1;
BEGIN
    IF item_unit <> '' THEN
        SELECT factor INTO above FROM public.measure_unit
        WHERE name = lower(split_part(item_unit, '/', 1)) AND measures = 'coal equivalent';
    END IF;
    IF position('/' IN item_unit) > 0 THEN
        below := (public.energy_measure(energy, split_part(item_unit, '/', 2), at)).ratio;
    END IF;
    RETURN above / below;
END $$;

-- Marks the days whose accounts depend on a coefficient or rule, to be called in the transaction that changes it.
-- [since, until): NULL is open. energy: 4 digits of base data, or 6 with the class; NULL: all. unit: NULL: all.
-- Days whose readings have expired are computed at once: a mark would find nothing to roll up. Gives the number of days.
CREATE OR REPLACE FUNCTION coefficient_remark(since date, until date, energy_type text DEFAULT NULL, unit integer DEFAULT NULL)
RETURNS bigint LANGUAGE plpgsql SET search_path = public, pg_catalog AS $$
DECLARE
    days bigint;
    frozen record;
BEGIN
    CREATE TEMP TABLE IF NOT EXISTS remark_day (unit_id integer, ts timestamptz, live boolean) ON COMMIT DELETE ROWS;
    TRUNCATE pg_temp.remark_day;
    INSERT INTO pg_temp.remark_day
    SELECT DISTINCT d.unit_id, d.ts, d.ts >= raw_from() AND to_regclass('reading_frame_' || to_char(d.ts, 'YYYYMM')) IS NOT NULL
    FROM unit_energy_day d
    WHERE (since IS NULL OR d.ts >= since::timestamptz) AND (until IS NULL OR d.ts < until::timestamptz)
      AND (energy_type IS NULL OR d.energy = energy_type OR substr(d.energy, 3) = energy_type)
      AND (unit IS NULL OR d.unit_id = unit);
    GET DIAGNOSTICS days = ROW_COUNT;
    INSERT INTO rollup_mark (unit_id, hour, cause) SELECT unit_id, ts, 'coefficient' FROM pg_temp.remark_day WHERE live;
    IF days > 0 THEN
        PERFORM pg_notify('nhjc_rollup', '');
    END IF;
    FOR frozen IN SELECT unit_id, array_agg(ts) AS ts FROM pg_temp.remark_day WHERE NOT live GROUP BY unit_id ORDER BY unit_id LOOP
        PERFORM pg_advisory_xact_lock(2, frozen.unit_id);
        PERFORM energy_day_refresh(array_fill(frozen.unit_id, ARRAY[cardinality(frozen.ts)]), frozen.ts, NULL,
                                   array_fill(true, ARRAY[cardinality(frozen.ts)]));
    END LOOP;
    RETURN days;
END $$;

-- The enterprises' own coefficients that begin on these days: the mean of the day's readings, else a value reported for
-- the day, month or year that begins then.
CREATE OR REPLACE FUNCTION unit_coefficient_compute(units integer[], days timestamptz[])
RETURNS TABLE (unit_id integer, energy text, ts timestamptz, value numeric)
LANGUAGE sql STABLE SET search_path = public, pg_catalog AS $$
    WITH k AS MATERIALIZED (SELECT DISTINCT x.u, x.d FROM unnest(units, days) x (u, d)),
    item AS MATERIALIZED (
        SELECT i.unit_id, i.slot, i.stat_type, i.aggregation, substr(i.data_code, 15, 2) AS usage,
               lpad((substr(i.data_code, 9, 2)::integer - 4)::text, 2, '0') || substr(i.data_code, 11, 4) AS energy, i.unit
        FROM (SELECT DISTINCT u FROM k) x JOIN collect_item i ON i.unit_id = x.u
        WHERE i.scope = 1 AND substr(i.data_code, 9, 2) IN ('05', '06', '07')),
    found AS (
        SELECT k.u, k.d, i.energy, i.unit, i.stat_type, i.usage, unscale(div_even(scaled(r.total[x.s], r.wide[x.s]), y.m)) AS value
        FROM k JOIN item i ON i.unit_id = k.u AND i.stat_type = 0
        JOIN rollup_day r ON r.unit_id = k.u AND r.page = i.slot / 128 AND r.ts = k.d
        CROSS JOIN LATERAL (SELECT i.slot % 128 + 1) x (s)
        CROSS JOIN LATERAL (SELECT coalesce(r.nd[x.s], r.n[x.s])) y (m)
        WHERE y.m > 0
        UNION ALL
        SELECT k.u, k.d, i.energy, i.unit, i.stat_type, i.usage, unscale(r.value[x.s])
        FROM k JOIN item i ON i.unit_id = k.u AND i.stat_type > 0
        JOIN reported_frame r ON r.unit_id = k.u AND r.page = i.slot / 128 AND r.stat_type = i.stat_type AND r.ts = k.d
        CROSS JOIN LATERAL (SELECT i.slot % 128 + 1) x (s)
        WHERE r.value[x.s] IS NOT NULL AND coalesce(r.flag[x.s], 0) & 1 = 0)
    SELECT DISTINCT ON (f.u, f.energy, f.d) f.u, f.energy, f.d, trim_scale(f.value * o.ratio)
    FROM found f CROSS JOIN LATERAL (SELECT own_coefficient_ratio(f.energy, f.unit, f.d::date)) o (ratio)
    WHERE f.value > 0 AND o.ratio > 0 ORDER BY f.u, f.energy, f.d, f.stat_type, f.usage
$$;

-- Brings unit_coefficient up to date on these days. Days that a change reaches beyond those given are marked, with the upload of
-- the day on which it begins.
CREATE OR REPLACE FUNCTION unit_coefficient_refresh(units integer[], days timestamptz[], uploads bigint[]) RETURNS void
LANGUAGE plpgsql SET search_path = public, pg_catalog AS $$
DECLARE
    keys constant text[] := ARRAY(SELECT x.u || ' ' || x.d FROM unnest(units, days) WITH ORDINALITY x (u, d, n) ORDER BY x.n);
    changed record;
BEGIN
    FOR changed IN
        WITH k AS MATERIALIZED (SELECT DISTINCT x.u, x.d FROM unnest(units, days) x (u, d)),
        fresh AS MATERIALIZED (SELECT * FROM unit_coefficient_compute(units, days)),
        gone AS (
            DELETE FROM unit_coefficient t USING k WHERE t.unit_id = k.u AND t.ts = k.d
              AND NOT EXISTS (SELECT FROM fresh f WHERE f.unit_id = t.unit_id AND f.energy = t.energy AND f.ts = t.ts)
            RETURNING t.unit_id, t.energy, t.ts),
        put AS (
            INSERT INTO unit_coefficient AS t (unit_id, energy, ts, value) SELECT f.unit_id, f.energy, f.ts, f.value FROM fresh f
            ON CONFLICT (unit_id, energy, ts) DO UPDATE SET value = excluded.value WHERE t.value <> excluded.value
            RETURNING t.unit_id, t.energy, t.ts)
        SELECT * FROM gone UNION ALL SELECT * FROM put
    LOOP
        INSERT INTO rollup_mark (unit_id, hour, upload_id, cause)
        SELECT DISTINCT d.unit_id, d.ts, uploads[array_position(keys, changed.unit_id || ' ' || changed.ts)], 'coefficient'
        FROM unit_energy_day d
        WHERE d.unit_id = changed.unit_id AND d.ts >= changed.ts AND d.energy = changed.energy
          AND d.ts < coalesce((SELECT min(n.ts) FROM unit_coefficient n
                               WHERE n.unit_id = changed.unit_id AND n.energy = changed.energy AND n.ts > changed.ts), 'infinity')
          AND NOT EXISTS (SELECT FROM unnest(units, days) x (u, d2) WHERE x.u = d.unit_id AND x.d2 = d.ts);
        IF FOUND THEN
            PERFORM pg_notify('nhjc_rollup', '');
        END IF;
    END LOOP;
END $$;

-- What the rows of unit_energy_day of these enterprises and days must be. Nothing is rounded: that is done once, where a sum
-- of them is shown. Tables are asked key by key (LATERAL … OFFSET 0),
-- everything else is joined by hash: the planner cannot know how many keys there are, and a nested loop over them is quadratic.
-- The plan is kept by the session, perhaps from a day on which the tables were empty: no key is looked for in a whole table.
-- No jit: what is switched off counts as endlessly dear, and seconds of compiling would look worth it.
CREATE OR REPLACE FUNCTION energy_day_compute(units integer[], days timestamptz[])
RETURNS TABLE (unit_id integer, ts timestamptz, energy text, usage text, quantity numeric, measure text, tce numeric, co2 numeric,
               coefficient numeric, own boolean, sign smallint)
LANGUAGE plpgsql STABLE SET search_path = public, pg_catalog
SET enable_nestloop = off SET enable_mergejoin = off SET enable_seqscan = off SET jit = off AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH k AS MATERIALIZED (SELECT DISTINCT x.u, x.d FROM unnest(units, days) x (u, d)),
    item AS MATERIALIZED (
        SELECT i.unit_id, i.slot, i.aggregation, i.unit, substr(i.data_code, 9, 6) AS energy, substr(i.data_code, 15, 2) AS usage
        FROM (SELECT DISTINCT k.u FROM k) x CROSS JOIN LATERAL (
            SELECT * FROM collect_item c WHERE c.unit_id = x.u AND c.scope = 1 AND c.stat_type = 0 AND c.aggregation <> 1
            AND substr(c.data_code, 9, 2) IN ('01', '02', '03', '05', '06', '07') AND substr(c.data_code, 9, 2) < '05' OFFSET 0) i),
    page AS MATERIALIZED (
        SELECT k.u, k.d, r.page, r.total, r.wide, r.n, r.nd FROM k CROSS JOIN LATERAL (
            SELECT * FROM rollup_day a WHERE a.unit_id = k.u AND a.ts = k.d OFFSET 0) r),
    part AS MATERIALIZED (
        SELECT r.u, r.d, i.energy, i.usage, i.unit, scaled(r.total[i.slot % 128 + 1], r.wide[i.slot % 128 + 1]) * 0.000001 AS total
        FROM page r JOIN item i ON i.unit_id = r.u AND i.slot / 128 = r.page
        WHERE coalesce(r.nd[i.slot % 128 + 1], r.n[i.slot % 128 + 1]) > 0),
    day AS MATERIALIZED (SELECT DISTINCT k.d, k.d::date AS date FROM k),
    month_page AS MATERIALIZED (
        SELECT m.u, m.month, r.page, r.n, r.nd FROM (SELECT DISTINCT k.u, date_trunc('month', k.d) AS month FROM k) m
        CROSS JOIN LATERAL (SELECT * FROM rollup_month a WHERE a.unit_id = m.u AND a.ts = m.month OFFSET 0) r),
    measured AS MATERIALIZED ( -- what has a value in the month: a gap of days must not change the basis
        SELECT DISTINCT r.u, r.month, i.energy, i.usage FROM month_page r JOIN item i ON i.unit_id = r.u AND i.slot / 128 = r.page
        WHERE coalesce(r.nd[i.slot % 128 + 1], r.n[i.slot % 128 + 1]) > 0),
    rate AS MATERIALIZED ( -- few: enterprises use the same energies in the same units
        SELECT e.energy, e.unit, e.d, c.tce, c.co2, m.measure, m.ratio
        FROM (SELECT DISTINCT p.energy, p.unit, p.d FROM part p) e
        CROSS JOIN LATERAL energy_measure(e.energy, e.unit, e.d::date) m
        LEFT JOIN LATERAL (SELECT * FROM energy_coefficients('00000000' || e.energy || '00', e.unit) c
                           WHERE c.valid_from <= e.d::date AND (c.valid_to IS NULL OR e.d::date < c.valid_to)
                           ORDER BY c.valid_from DESC LIMIT 1) c ON true),
    role AS MATERIALIZED (
        SELECT DISTINCT ON (d.d, b.code) d.d, b.code, b.role FROM day d JOIN base_data b ON b.list = 'data_usage'
            AND b.valid_from <= d.date AND (b.valid_to IS NULL OR d.date < b.valid_to) ORDER BY d.d, b.code, b.valid_from DESC),
    opens AS MATERIALIZED ( -- the best basis that a usage opens for an energy of that class
        SELECT r.d, r.code, c.class, min(b.rank) AS rank FROM role r JOIN energy_role o ON o.role = r.role AND o.opens
        JOIN energy_basis b ON b.basis = o.basis CROSS JOIN LATERAL unnest(b.classes) c (class) GROUP BY r.d, r.code, c.class),
    parent AS MATERIALIZED (
        SELECT DISTINCT ON (d.d, b.code) d.d, b.code, b.parent_code FROM day d JOIN base_data b ON b.list = 'energy_type'
            AND length(b.parent_code) = 4 AND b.valid_from <= d.date AND (b.valid_to IS NULL OR d.date < b.valid_to)
        ORDER BY d.d, b.code, b.valid_from DESC),
    chosen AS MATERIALIZED ( -- an energy's basis on a day, and the roles it is measured in
        SELECT k.u, k.d, m.energy, min(o.rank) AS rank, array_agg(r.role) AS roles
        FROM k JOIN measured m ON m.u = k.u AND m.month = date_trunc('month', k.d)
        LEFT JOIN role r ON r.d = k.d AND r.code = m.usage
        LEFT JOIN opens o ON o.d = k.d AND o.code = m.usage AND o.class = left(m.energy, 2) GROUP BY k.u, k.d, m.energy),
    opened AS MATERIALIZED (
        SELECT c.u, c.d, array_agg(substr(c.energy, 3)) AS energies FROM chosen c
        WHERE c.rank IS NOT NULL AND left(c.energy, 2) < '03' GROUP BY c.u, c.d),
    counted AS ( -- 原煤 holds its kinds; the total stands only where no energy is reported by itself
        SELECT p.*, c.rank, c.roles, left(p.energy, 2) = '03'
               OR NOT coalesce(a.parent_code = ANY (o.energies) OR g.parent_code = ANY (o.energies), false)
                  AND (substr(p.energy, 3) <> '0000' OR '0000' = ALL (o.energies)) AS counts
        FROM part p LEFT JOIN chosen c ON c.u = p.u AND c.d = p.d AND c.energy = p.energy
        LEFT JOIN opened o ON o.u = p.u AND o.d = p.d
        LEFT JOIN parent a ON a.d = p.d AND a.code = substr(p.energy, 3) LEFT JOIN parent g ON g.d = p.d AND g.code = a.parent_code)
    SELECT p.u, p.d, p.energy, p.usage, trim_scale(p.total * coalesce(r.ratio, 1)),
           CASE WHEN r.ratio IS NULL THEN p.unit ELSE r.measure END, trim_scale(p.total * f.tce), trim_scale(p.total * r.co2),
           trim_scale(round(f.tce / coalesce(r.ratio, 1), 12)), o.tce IS NOT NULL,
           CASE WHEN p.counts AND s.sign IS NOT NULL THEN s.sign ELSE 0::smallint END
    FROM counted p JOIN rate r ON r.energy = p.energy AND r.unit = p.unit AND r.d = p.d
    LEFT JOIN LATERAL (SELECT c.value * (energy_measure(p.energy, p.unit, c.ts::date)).ratio AS tce FROM unit_coefficient c
                       WHERE c.unit_id = p.u AND c.energy = p.energy AND c.ts <= p.d
                       ORDER BY c.ts DESC LIMIT 1) o ON true
    CROSS JOIN LATERAL (SELECT coalesce(o.tce, r.tce)) f (tce)
    LEFT JOIN role u ON u.d = p.d AND u.code = p.usage
    LEFT JOIN energy_basis b ON b.rank = p.rank
    LEFT JOIN energy_role s ON s.role = u.role AND s.basis = b.basis AND NOT coalesce(s.yields_to = ANY (p.roles), false);
END $$;

-- What is counted of these months: the sum of their days.
CREATE OR REPLACE FUNCTION energy_month_compute(units integer[], months timestamptz[]) RETURNS SETOF unit_energy_month
LANGUAGE plpgsql STABLE SET search_path = public, pg_catalog SET enable_seqscan = off SET jit = off AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT k.u, k.m, d.energy, sum(CASE d.sign WHEN 1 THEN d.quantity ELSE d.sign * d.quantity END),
           CASE WHEN min(d.measure) = max(d.measure) THEN min(d.measure) ELSE '' END,
           coalesce(sum(CASE d.sign WHEN 1 THEN d.tce ELSE d.sign * d.tce END), 0),
           coalesce(sum(CASE d.sign WHEN 1 THEN d.co2 ELSE d.sign * d.co2 END), 0)
    FROM unnest(units, months) k (u, m) CROSS JOIN LATERAL (
        SELECT * FROM unit_energy_day e WHERE e.unit_id = k.u AND e.ts >= k.m AND e.ts < k.m + interval '1 month' OFFSET 0) d
    WHERE d.sign <> 0 GROUP BY k.u, k.m, d.energy;
END $$;

-- Rows that are no more are rare: they are deleted by a statement of their own, one key after the other. Energy '': all of them.
CREATE OR REPLACE FUNCTION energy_month_refresh(units integer[], months timestamptz[]) RETURNS void
LANGUAGE plpgsql SET search_path = public, pg_catalog SET jit = off AS $$
DECLARE
    energies unit_energy_month[];
    stale record;
BEGIN
    SELECT array_agg(c::unit_energy_month) INTO energies FROM energy_month_compute(units, months) c;
    FOR stale IN
        (SELECT s.unit_id, s.ts, s.energy FROM unnest(units, months) k (u, m) CROSS JOIN LATERAL (
             SELECT * FROM unit_energy_month e WHERE e.unit_id = k.u AND e.ts = k.m OFFSET 0) s
         UNION ALL
         SELECT s.unit_id, s.ts, '' FROM unnest(units, months) k (u, m) CROSS JOIN LATERAL (
             SELECT * FROM unit_consumption_month e WHERE e.unit_id = k.u AND e.ts = k.m OFFSET 0) s)
        EXCEPT SELECT f.unit_id, f.ts, e.energy FROM unnest(energies) f CROSS JOIN LATERAL (VALUES (f.energy), ('')) e (energy)
    LOOP
        IF stale.energy = '' THEN
            DELETE FROM unit_consumption_month WHERE unit_id = stale.unit_id AND ts = stale.ts;
        ELSE
            DELETE FROM unit_energy_month WHERE unit_id = stale.unit_id AND ts = stale.ts AND energy = stale.energy;
        END IF;
    END LOOP;
    INSERT INTO unit_energy_month AS t SELECT * FROM unnest(energies)
    ON CONFLICT (unit_id, ts, energy) DO UPDATE SET quantity = excluded.quantity, measure = excluded.measure,
        tce = excluded.tce, co2 = excluded.co2
    WHERE (t.quantity, t.measure, t.tce, t.co2) IS DISTINCT FROM (excluded.quantity, excluded.measure, excluded.tce, excluded.co2);
    INSERT INTO unit_consumption_month AS t
    SELECT f.unit_id, f.ts, sum(f.tce), sum(f.co2) FROM unnest(energies) f GROUP BY f.unit_id, f.ts
    ON CONFLICT (unit_id, ts) DO UPDATE SET tce = excluded.tce, co2 = excluded.co2
    WHERE (t.tce, t.co2) IS DISTINCT FROM (excluded.tce, excluded.co2);
END $$;

-- The rows of unit_energy_day of these enterprises and days that are to be written; quantity NULL: to be deleted. added: there is
-- none of that energy and usage yet.
DROP FUNCTION IF EXISTS energy_day_changes(integer[], timestamptz[]);
CREATE FUNCTION energy_day_changes(units integer[], days timestamptz[]) RETURNS TABLE (account unit_energy_day, added boolean)
LANGUAGE plpgsql STABLE SET search_path = public, pg_catalog SET enable_seqscan = off SET jit = off AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT (unit_id, ts, energy, usage, f.quantity, f.measure, f.tce, f.co2, f.coefficient, f.own, f.sign)::unit_energy_day,
           s.quantity IS NULL
    FROM (SELECT e.* FROM (SELECT DISTINCT x.u, x.d FROM unnest(units, days) x (u, d)) k CROSS JOIN LATERAL (
              SELECT * FROM unit_energy_day t WHERE t.unit_id = k.u AND t.ts = k.d OFFSET 0) e) s
    FULL JOIN energy_day_compute(units, days) f USING (unit_id, ts, energy, usage) -- a full join is never a nested loop
    WHERE (s.quantity, s.measure, s.tce, s.co2, s.coefficient, s.own, s.sign) IS DISTINCT FROM
          (f.quantity, f.measure, f.tce, f.co2, f.coefficient, f.own, f.sign);
END $$;

-- Rows of days that were over whose tce or co2 is another one, though their readings may be the same: a coefficient changed, or
-- nothing but rules did (`ruled`) and the units of measure are what is left. Asked before they are written; at the live edge,
-- where everything is of today, it costs nothing.
CREATE OR REPLACE FUNCTION energy_moved_in(changed unit_energy_day[], units integer[], days timestamptz[], ruled boolean[])
RETURNS energy_moved[] LANGUAGE plpgsql STABLE SET search_path = public, pg_catalog SET jit = off AS $$
BEGIN
    IF (SELECT bool_or(c.ts + interval '2 days' <= now()) FROM unnest(changed) c) IS NOT TRUE THEN
        RETURN NULL;
    END IF;
    RETURN (
        WITH past AS MATERIALIZED (
            SELECT c.*, s.quantity AS old_quantity, s.tce AS old_tce, s.co2 AS old_co2, s.coefficient AS old_coefficient, s.own AS old_own
            FROM unnest(changed) c CROSS JOIN LATERAL (
                SELECT * FROM unit_energy_day t WHERE t.unit_id = c.unit_id AND t.ts = c.ts AND t.energy = c.energy AND t.usage = c.usage
                OFFSET 0) s
            WHERE c.quantity IS NOT NULL AND c.ts + interval '2 days' <= now() AND (s.tce, s.co2) IS DISTINCT FROM (c.tce, c.co2)),
        rule AS MATERIALIZED (SELECT DISTINCT x.u, x.d FROM unnest(units, days, ruled) x (u, d, r) WHERE x.r),
        why AS (
            SELECT p.*, CASE WHEN p.tce IS DISTINCT FROM p.old_tce AND (p.own OR p.old_own)
                                  AND (p.coefficient, p.own) IS DISTINCT FROM (p.old_coefficient, p.old_own) THEN 'own_coefficient'
                             WHEN p.coefficient IS DISTINCT FROM p.old_coefficient THEN 'base_data'
                             WHEN p.quantity = p.old_quantity THEN CASE WHEN p.co2 IS DISTINCT FROM p.old_co2 THEN 'base_data' ELSE 'repair' END
                             WHEN r.u IS NOT NULL THEN 'measure' END AS reason
            FROM past p LEFT JOIN rule r ON r.u = p.unit_id AND r.d = p.ts)
        SELECT array_agg((w.unit_id, w.ts, w.energy, w.usage, w.reason, w.old_tce, w.tce, w.old_co2, w.co2)::energy_moved)
        FROM why w WHERE w.reason IS NOT NULL);
END $$;

-- Restates the items of these accounts for their days, and for the months and years that are over: what the days add up to now, and
-- what they added up to before. The last restatement of a period for the same reason follows for a day, with the last upload: a
-- history of coefficients that arrives one by one would else restate every day behind it each time.
CREATE OR REPLACE FUNCTION energy_restate(moved energy_moved[], units integer[], days timestamptz[], uploads bigint[]) RETURNS void
LANGUAGE sql VOLATILE SET search_path = public, pg_catalog SET jit = off AS $$
    WITH upload AS MATERIALIZED (SELECT DISTINCT ON (x.u, x.d) x.u, x.d, x.id FROM unnest(units, days, uploads) x (u, d, id)
                                 WHERE x.id IS NOT NULL ORDER BY x.u, x.d, x.id DESC),
    day AS MATERIALIZED (
        SELECT m.*, i.slot, CASE WHEN m.reason = 'own_coefficient' THEN p.id END AS upload_id
        FROM unnest(moved) m JOIN collect_item i ON i.unit_id = m.unit_id AND i.scope = 1 AND i.stat_type = 0
            AND i.data_code = '00000000' || m.energy || m.usage
        LEFT JOIN upload p ON p.u = m.unit_id AND p.d = m.ts),
    change AS (
        SELECT d.unit_id, g.code, g.length, date_trunc(g.word, d.ts) AS ts, d.slot, d.energy, d.usage,
               (array_agg(d.reason ORDER BY d.ts DESC))[1] AS reason,
               (array_agg(d.upload_id ORDER BY d.ts DESC) FILTER (WHERE d.upload_id IS NOT NULL))[1] AS upload_id,
               sum(coalesce(d.new_tce, 0) - coalesce(d.old_tce, 0)) AS tce, sum(coalesce(d.new_co2, 0) - coalesce(d.old_co2, 0)) AS co2
        FROM day d CROSS JOIN (VALUES (2::smallint, 'month', interval '1 month'), (3::smallint, 'year', interval '1 year')) g (code, word, length)
        WHERE date_trunc(g.word, d.ts) + g.length + interval '1 day' <= now()
        GROUP BY d.unit_id, g.code, g.length, date_trunc(g.word, d.ts), d.slot, d.energy, d.usage),
    r AS MATERIALIZED (
        SELECT d.unit_id, 1::smallint AS granularity, d.ts, d.slot, d.reason, d.upload_id, d.old_tce, d.new_tce, d.old_co2, d.new_co2
        FROM day d
        UNION ALL
        SELECT c.unit_id, c.code, c.ts, c.slot, c.reason, c.upload_id, s.tce - c.tce, s.tce, s.co2 - c.co2, s.co2
        FROM change c CROSS JOIN LATERAL (
            SELECT sum(e.tce) AS tce, sum(e.co2) AS co2 FROM unit_energy_day e WHERE e.unit_id = c.unit_id AND e.ts >= c.ts
              AND e.ts < c.ts + c.length AND e.energy = c.energy AND e.usage = c.usage) s
        WHERE (c.tce, c.co2) <> (0, 0)),
    followed AS (
        UPDATE restatement t SET new_tce = r.new_tce, new_co2 = r.new_co2, upload_id = coalesce(r.upload_id, t.upload_id) FROM r
        WHERE t.unit_id = r.unit_id AND t.granularity = r.granularity AND t.ts = r.ts AND t.slot = r.slot AND t.reason = r.reason
          AND t.restated_at > now() - interval '1 day' AND t.id = (
              SELECT max(x.id) FROM restatement x WHERE x.unit_id = r.unit_id AND x.granularity = r.granularity AND x.ts = r.ts
                AND x.slot = r.slot AND x.new_n IS NULL)
        RETURNING t.unit_id, t.granularity, t.ts, t.slot)
    INSERT INTO restatement (unit_id, granularity, ts, slot, reason, upload_id, old_tce, new_tce, old_co2, new_co2)
    SELECT r.unit_id, r.granularity, r.ts, r.slot, r.reason, r.upload_id, r.old_tce, r.new_tce, r.old_co2, r.new_co2 FROM r
    WHERE (r.unit_id, r.granularity, r.ts, r.slot) NOT IN (SELECT f.unit_id, f.granularity, f.ts, f.slot FROM followed f)
$$;

-- units, days, uploads, ruled: what energy_day_refresh was given.
CREATE OR REPLACE FUNCTION energy_day_write(changed unit_energy_day[], units integer[], days timestamptz[], uploads bigint[], ruled boolean[])
RETURNS void LANGUAGE plpgsql SET search_path = public, pg_catalog SET jit = off AS $$
DECLARE
    moved constant energy_moved[] := energy_moved_in(changed, units, days, ruled);
    stale record;
BEGIN
    FOR stale IN SELECT * FROM unnest(changed) c WHERE c.quantity IS NULL LOOP
        DELETE FROM unit_energy_day WHERE unit_id = stale.unit_id AND ts = stale.ts AND energy = stale.energy AND usage = stale.usage;
    END LOOP;
    INSERT INTO unit_energy_day SELECT * FROM unnest(changed) c WHERE c.quantity IS NOT NULL
    ON CONFLICT (unit_id, ts, energy, usage) DO UPDATE SET quantity = excluded.quantity, measure = excluded.measure,
        tce = excluded.tce, co2 = excluded.co2, coefficient = excluded.coefficient, own = excluded.own, sign = excluded.sign;
    IF moved IS NOT NULL THEN
        PERFORM energy_restate(moved, units, days, uploads);
    END IF;
END $$;

-- Months of these rows in which no stored row has the energy and usage: asked before rows are written, what is new to a month;
-- after they were deleted, what is gone from it.
CREATE OR REPLACE FUNCTION energy_months_without(rows_of unit_energy_day[]) RETURNS TABLE (u integer, m timestamptz)
LANGUAGE sql VOLATILE SET search_path = public, pg_catalog SET jit = off AS $$
    SELECT DISTINCT k.unit_id, k.month FROM (
        SELECT DISTINCT c.unit_id, date_trunc('month', c.ts) AS month, c.energy, c.usage FROM unnest(rows_of) c) k
    WHERE NOT EXISTS (SELECT FROM unit_energy_day e WHERE e.unit_id = k.unit_id AND e.ts >= k.month
                      AND e.ts < k.month + interval '1 month' AND e.energy = k.energy AND e.usage = k.usage)
$$;

-- Brings the accounts of these enterprises and days (parallel arrays) up to date, and those of a whole month where a usage
-- is new to it or gone from it: that may change the basis of all its days. uploads: the last one that each day was marked for,
-- ruled: it was marked for rules and coefficients alone, its readings are as they were.
CREATE OR REPLACE FUNCTION energy_day_refresh(units integer[], days timestamptz[], uploads bigint[] DEFAULT NULL, ruled boolean[] DEFAULT NULL)
RETURNS void
LANGUAGE plpgsql SET search_path = public, pg_catalog SET enable_seqscan = off SET jit = off AS $$
DECLARE
    changed unit_energy_day[];
    added unit_energy_day[];
    gone unit_energy_day[];
    turned_units integer[];
    turned_months timestamptz[];
    more_units integer[];
    more_days timestamptz[];
BEGIN
    IF EXISTS (SELECT FROM collect_item i WHERE i.unit_id = ANY (units) AND i.scope = 1
               AND substr(i.data_code, 9, 2) IN ('01', '02', '03', '05', '06', '07') AND substr(i.data_code, 9, 2) > '04') THEN
        PERFORM unit_coefficient_refresh(units, days, uploads);
    END IF;
    SELECT array_agg(c.account), array_agg(c.account) FILTER (WHERE c.added), array_agg(c.account) FILTER (WHERE (c.account).quantity IS NULL)
    INTO changed, added, gone FROM energy_day_changes(units, days) c;
    IF added IS NOT NULL THEN -- mostly nothing is new or gone
        SELECT array_agg(w.u), array_agg(w.m) INTO turned_units, turned_months FROM energy_months_without(added) w;
    END IF;
    PERFORM energy_day_write(changed, units, days, uploads, ruled);
    IF gone IS NOT NULL THEN
        SELECT turned_units || array_agg(w.u), turned_months || array_agg(w.m) INTO turned_units, turned_months
        FROM energy_months_without(gone) w;
    END IF;
    IF turned_units IS NOT NULL THEN
        SELECT array_agg(e.unit_id), array_agg(e.ts) INTO more_units, more_days
        FROM (SELECT DISTINCT x.u, x.m FROM unnest(turned_units, turned_months) x (u, m)) t CROSS JOIN LATERAL (
            SELECT DISTINCT d.unit_id, d.ts FROM unit_energy_day d WHERE d.unit_id = t.u AND d.ts >= t.m AND d.ts < t.m + interval '1 month'
            OFFSET 0) e;
    END IF;
    IF more_units IS NOT NULL THEN
        PERFORM energy_day_write((SELECT array_agg(c.account) FROM energy_day_changes(more_units, more_days) c),
                                 units, days, uploads, ruled);
    END IF;
    PERFORM energy_month_refresh(array_agg(k.u), array_agg(k.m))
    FROM (SELECT DISTINCT x.u, date_trunc('month', x.d) AS m FROM unnest(units, days) x (u, d)) k;
END $$;

-- An item's unit was corrected, in this transaction: what was accounted for in the old one is accounted for again. The lock
-- first: a rollup that still read the old unit has committed then, and its rows are seen.
CREATE OR REPLACE FUNCTION item_remeasured(of_unit integer, slots integer[]) RETURNS void
LANGUAGE plpgsql STRICT SET search_path = public, pg_catalog AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(2, of_unit);
    PERFORM coefficient_remark(NULL, NULL, e.energy, of_unit)
    FROM (SELECT DISTINCT substr(i.data_code, 9, 6) AS energy FROM collect_item i
          WHERE i.unit_id = of_unit AND i.slot = ANY (slots) AND i.scope = 1 AND substr(i.data_code, 9, 2) IN ('01', '02', '03')) e;
    INSERT INTO rollup_mark (unit_id, hour, cause) -- a coefficient's days; the days that it holds for follow from them
    SELECT i.unit_id, r.ts, 'coefficient' FROM collect_item i JOIN rollup_day r ON r.unit_id = i.unit_id AND r.page = i.slot / 128
    WHERE i.unit_id = of_unit AND i.slot = ANY (slots) AND i.scope = 1 AND i.stat_type = 0
      AND substr(i.data_code, 9, 2) IN ('05', '06', '07') AND r.n[i.slot % 128 + 1] > 0
    UNION
    SELECT i.unit_id, r.ts, 'coefficient' FROM collect_item i JOIN reported_frame r ON r.unit_id = i.unit_id AND r.page = i.slot / 128
        AND r.stat_type = i.stat_type
    WHERE i.unit_id = of_unit AND i.slot = ANY (slots) AND i.scope = 1 AND i.stat_type > 0
      AND substr(i.data_code, 9, 2) IN ('05', '06', '07') AND r.value[i.slot % 128 + 1] IS NOT NULL;
END $$;

-- What of an enterprise's accounts in [since, until) is not what it must be: its own coefficients from their items, days from
-- rows of rollup_day, whole months from their days. Days and months with open marks are left out. what: the energy, with the
-- usage for a day; '' for all energies of a month.
CREATE OR REPLACE FUNCTION energy_differences(of_unit integer, since timestamptz, until timestamptz)
RETURNS TABLE (ts timestamptz, kind text, what text, stored text, computed text)
LANGUAGE sql STABLE SET search_path = public, pg_catalog SET jit = off AS $$
    WITH open AS MATERIALIZED (SELECT DISTINCT date_trunc('day', m.hour) AS ts FROM rollup_mark m WHERE m.unit_id = of_unit),
    item AS MATERIALIZED (SELECT DISTINCT i.slot / 128 AS page, i.stat_type FROM collect_item i WHERE i.unit_id = of_unit
                          AND i.scope = 1 AND substr(i.data_code, 9, 2) IN ('05', '06', '07')),
    day AS MATERIALIZED (
        SELECT array_agg(d.ts) AS ts, array_fill(of_unit, ARRAY[count(*)::integer]) AS u FROM (
            SELECT r.ts FROM rollup_day r WHERE r.unit_id = of_unit AND r.ts >= since AND r.ts < until
            UNION SELECT e.ts FROM unit_energy_day e WHERE e.unit_id = of_unit AND e.ts >= since AND e.ts < until
            UNION SELECT c.ts FROM unit_coefficient c WHERE c.unit_id = of_unit AND c.ts >= since AND c.ts < until
            UNION SELECT r.ts FROM item i JOIN reported_frame r ON r.unit_id = of_unit AND r.page = i.page AND r.stat_type = i.stat_type
                  AND r.ts >= since AND r.ts < until) d
        WHERE d.ts NOT IN (SELECT o.ts FROM open o)),
    month AS MATERIALIZED (
        SELECT array_agg(m.ts) AS ts, array_fill(of_unit, ARRAY[count(*)::integer]) AS u FROM (
            SELECT date_trunc('month', e.ts) AS ts FROM unit_energy_day e WHERE e.unit_id = of_unit AND e.ts >= since AND e.ts < until
            UNION SELECT e.ts FROM unit_energy_month e WHERE e.unit_id = of_unit
            UNION SELECT c.ts FROM unit_consumption_month c WHERE c.unit_id = of_unit) m
        WHERE m.ts >= since AND m.ts + interval '1 month' <= until AND m.ts NOT IN (SELECT date_trunc('month', o.ts) FROM open o)),
    coefficient AS (
        SELECT ts, 'coefficient' AS kind, energy AS what, s.value::text AS stored, f.value::text AS computed
        FROM (SELECT c.* FROM unit_coefficient c, day WHERE c.unit_id = of_unit AND c.ts = ANY (day.ts)) s
        FULL JOIN (SELECT c.* FROM day, unit_coefficient_compute(day.u, day.ts) c) f USING (ts, energy)
        WHERE s.value IS DISTINCT FROM f.value),
    account AS MATERIALIZED (
        SELECT ts, 'account', energy || '-' || usage,
               concat_ws(' ', s.quantity, s.measure, 'tce=' || s.tce, 'co2=' || s.co2, 'sign=' || s.sign),
               concat_ws(' ', f.quantity, f.measure, 'tce=' || f.tce, 'co2=' || f.co2, 'sign=' || f.sign)
        FROM (SELECT e.* FROM unit_energy_day e, day WHERE e.unit_id = of_unit AND e.ts = ANY (day.ts)) s
        FULL JOIN (SELECT c.* FROM day, energy_day_compute(day.u, day.ts) c) f USING (ts, energy, usage)
        WHERE (s.quantity, s.measure, s.tce, s.co2, s.coefficient, s.own, s.sign) IS DISTINCT FROM
              (f.quantity, f.measure, f.tce, f.co2, f.coefficient, f.own, f.sign)),
    sum_of_days AS MATERIALIZED (SELECT c.* FROM month, energy_month_compute(month.u, month.ts) c),
    monthly AS (
        SELECT ts, 'month', energy, concat_ws(' ', s.quantity, s.measure, 'tce=' || s.tce, 'co2=' || s.co2),
               concat_ws(' ', f.quantity, f.measure, 'tce=' || f.tce, 'co2=' || f.co2)
        FROM (SELECT e.ts, e.energy, e.quantity, e.measure, e.tce, e.co2 FROM unit_energy_month e, month
              WHERE e.unit_id = of_unit AND e.ts = ANY (month.ts)
              UNION ALL SELECT c.ts, '', NULL, NULL, c.tce, c.co2 FROM unit_consumption_month c, month
              WHERE c.unit_id = of_unit AND c.ts = ANY (month.ts)) s
        FULL JOIN (SELECT d.ts, d.energy, d.quantity, d.measure, d.tce, d.co2 FROM sum_of_days d
                   UNION ALL SELECT d.ts, '', NULL, NULL, sum(d.tce), sum(d.co2) FROM sum_of_days d GROUP BY d.ts) f USING (ts, energy)
        WHERE (s.quantity, s.measure, s.tce, s.co2) IS DISTINCT FROM (f.quantity, f.measure, f.tce, f.co2)
          AND ts NOT IN (SELECT date_trunc('month', a.ts) FROM account a)) -- it is put right with its days
    SELECT * FROM coefficient UNION ALL SELECT * FROM account UNION ALL SELECT * FROM monthly ORDER BY 1, 2, 3
$$;

-- Standard coal per unit of product (class 04, usage 30) and per unit of a business figure such as the output value
-- (class 09), by month. A month reported as such stands in where no reading was rolled up.
CREATE OR REPLACE FUNCTION unit_intensity(of_unit integer, first_month timestamptz, end_month timestamptz)
RETURNS TABLE (ts timestamptz, kind text, code text, name text, quantity numeric, measure text, tce numeric, tce_per_unit numeric)
LANGUAGE sql STABLE SET search_path = public, pg_catalog AS $$
    SELECT f.ts, CASE WHEN substr(f.data_code, 9, 2) = '04' THEN 'product' ELSE 'value' END, substr(f.data_code, 11, 4), f.name,
           unscale(f.total), f.unit, f.tce, ratio6(f.tce * 1000000, f.total)
    FROM (
        SELECT DISTINCT ON (c.ts, i.data_code) c.ts, c.tce, i.data_code, i.name, i.unit, q.total
        FROM unit_consumption_month c
        JOIN collect_item i ON i.unit_id = c.unit_id AND i.scope = 1 AND i.stat_type IN (0, 2) AND i.aggregation <> 1
            AND (substr(i.data_code, 9, 2) = '04' AND substr(i.data_code, 15, 2) = '30' OR substr(i.data_code, 9, 2) = '09')
        CROSS JOIN LATERAL (
            SELECT scaled(r.total[i.slot % 128 + 1], r.wide[i.slot % 128 + 1]) FROM rollup_month r
            WHERE i.stat_type = 0 AND r.unit_id = i.unit_id AND r.page = i.slot / 128 AND r.ts = c.ts AND r.n[i.slot % 128 + 1] > 0
            UNION ALL
            SELECT r.value[i.slot % 128 + 1] FROM reported_frame r
            WHERE i.stat_type = 2 AND r.unit_id = i.unit_id AND r.page = i.slot / 128 AND r.stat_type = 2 AND r.ts = c.ts
              AND coalesce(r.flag[i.slot % 128 + 1], 0) & 1 = 0) q (total)
        WHERE c.unit_id = of_unit AND c.ts >= first_month AND c.ts < end_month
        ORDER BY c.ts, i.data_code, i.stat_type) f
    WHERE f.total > 0 ORDER BY f.ts, f.data_code
$$;
