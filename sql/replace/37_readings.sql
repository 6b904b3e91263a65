-- readings: what an item's readings add to its periods, asked from the readings themselves where a rollup cannot answer: one
-- by one (which inputType a quantity rests on), or with those that are not rolled up yet (3402). The rule for registers is
-- contract 6.9 and that of server/rollup/calc.h; test/sql/test_rollup.c holds the two against each other.

-- What a register says was used between two of its readings; NULL: it was reset.
CREATE OR REPLACE FUNCTION register_step(was numeric, now numeric, counter_max numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN now >= was THEN now - was
                WHEN now - was + counter_max BETWEEN 0 AND counter_max / 2 THEN now - was + counter_max END
$$;

-- The last valid reading of a register before an instant; no row: none. Days are skipped by their rollup, except while hours
-- before the instant still wait to be rolled up.
CREATE OR REPLACE FUNCTION register_before(of_unit integer, of_slot integer, before timestamptz)
RETURNS TABLE (ts timestamptz, value bigint) LANGUAGE plpgsql STABLE SET search_path = public, pg_catalog AS $$
DECLARE
    k constant integer := of_slot % 128 + 1;
    gone constant timestamptz := raw_from();
    hi timestamptz := before;
    lo timestamptz := date_trunc('day', before - interval '1 microsecond') - interval '1 day';
BEGIN
    WHILE hi > gone LOOP
        RETURN QUERY SELECT r.ts, r.value[k] FROM reading_frame r WHERE r.unit_id = of_unit AND r.page = of_slot / 128
            AND r.ts >= greatest(lo, gone) AND r.ts < hi AND r.value[k] IS NOT NULL AND coalesce(r.flag[k], 0) & 1 = 0
            ORDER BY r.ts DESC LIMIT 1;
        IF FOUND THEN
            RETURN;
        END IF;
        EXIT WHEN lo <= gone;
        hi := lo;
        SELECT max(d.ts) INTO lo FROM rollup_day d
        WHERE d.unit_id = of_unit AND d.page = of_slot / 128 AND d.ts < hi AND d.n[k] > 0;
        IF lo IS NULL THEN
            EXIT WHEN NOT EXISTS (SELECT FROM rollup_mark m WHERE m.unit_id = of_unit AND m.hour < hi);
            lo := gone;
        END IF;
    END LOOP;
    RETURN QUERY SELECT b.ts, b.value FROM register_base b WHERE b.unit_id = of_unit AND b.slot = of_slot AND b.ts < before;
END $$;

-- The valid readings of [since, until) and what each adds: a quantity or mean its value, a register the difference credited
-- to it (meters that were replaced in between included), NULL where it has none.
CREATE OR REPLACE FUNCTION item_values(of_unit integer, of_slot integer, since timestamptz, until timestamptz)
RETURNS TABLE (ts timestamptz, flag smallint, value numeric) LANGUAGE plpgsql STABLE SET search_path = public, pg_catalog AS $$
DECLARE
    k constant integer := of_slot % 128 + 1;
    begins constant timestamptz := greatest(since, raw_from());
    item collect_item;
BEGIN
    SELECT * INTO item FROM collect_item i WHERE i.unit_id = of_unit AND i.slot = of_slot;
    IF item.aggregation <> 2 THEN
        RETURN QUERY SELECT r.ts, coalesce(r.flag[k], 0::smallint), r.value[k]::numeric FROM reading_frame r
            WHERE r.unit_id = of_unit AND r.page = of_slot / 128 AND r.ts >= begins AND r.ts < until
            AND r.value[k] IS NOT NULL AND coalesce(r.flag[k], 0) & 1 = 0;
        RETURN;
    END IF;
    RETURN QUERY
    WITH v AS (
        SELECT r.ts, coalesce(r.flag[k], 0::smallint) AS flag, r.value[k] AS value FROM reading_frame r
        WHERE r.unit_id = of_unit AND r.page = of_slot / 128 AND r.ts >= begins AND r.ts < until
          AND r.value[k] IS NOT NULL AND coalesce(r.flag[k], 0) & 1 = 0
        UNION ALL SELECT b.ts, 0::smallint, b.value FROM register_before(of_unit, of_slot, begins) b),
    s AS (SELECT v.ts, v.flag, v.value, lag(v.ts) OVER w AS was_at, lag(v.value) OVER w AS was FROM v WINDOW w AS (ORDER BY v.ts)),
    e AS MATERIALIZED (SELECT m.at - item.period * interval '1 second' AS at, m.final_old, m.first_new FROM meter_replacement m
                       WHERE m.unit_id = of_unit AND m.slot = of_slot)
    SELECT s.ts, s.flag, (
        SELECT sum(register_step(x.was, x.now, item.counter_max)) FROM (
            SELECT coalesce(lag(e.first_new) OVER (ORDER BY e.at), s.was) AS was, e.final_old AS now
            FROM e WHERE e.at >= s.was_at AND e.at < s.ts
            UNION ALL
            SELECT coalesce((SELECT e.first_new FROM e WHERE e.at >= s.was_at AND e.at < s.ts ORDER BY e.at DESC LIMIT 1), s.was),
                   s.value) x)
    FROM s WHERE s.ts >= begins;
END $$;

-- The total of an item over whole days and of how many values: the rollup's days, but from the readings those that wait to be
-- rolled up and those `touched` (any instant of the day) by a transaction that will mark them when it ends. Days whose
-- readings are gone stay as they are. More than `most` days from the readings: no answer. looked: how many it were.
CREATE OR REPLACE FUNCTION item_total(of_unit integer, of_slot integer, since timestamptz, until timestamptz,
                                      touched timestamptz[], most bigint, OUT total numeric, OUT number bigint, OUT looked bigint)
LANGUAGE plpgsql STABLE SET search_path = public, pg_catalog AS $$
DECLARE
    k constant integer := of_slot % 128 + 1;
    register constant boolean := (SELECT i.aggregation = 2 FROM collect_item i WHERE i.unit_id = of_unit AND i.slot = of_slot);
    dirty timestamptz[];
BEGIN
    WITH d AS MATERIALIZED (
        SELECT DISTINCT greatest(date_trunc('day', x.ts), since - interval '1 day') AS ts FROM (
            SELECT unnest(touched)
            UNION ALL SELECT m.hour FROM rollup_mark m WHERE m.unit_id = of_unit AND m.hour >= since AND m.hour < until
            UNION ALL SELECT max(m.hour) FROM rollup_mark m WHERE m.unit_id = of_unit AND m.hour < since) x (ts)
        WHERE x.ts < until),
    n AS ( -- a register's first reading after such a day has another difference, too
        SELECT (SELECT min(r.ts) FROM rollup_day r WHERE r.unit_id = of_unit AND r.page = of_slot / 128
                AND r.ts > d.ts AND r.ts >= since AND r.ts < until AND r.n[k] > 0) AS ts FROM d WHERE register)
    SELECT array_agg(x.ts) INTO dirty FROM (SELECT d.ts FROM d UNION SELECT n.ts FROM n) x
    WHERE x.ts >= greatest(since, raw_from()) AND x.ts < until;
    looked := coalesce(cardinality(dirty), 0);
    IF looked > most THEN
        RETURN;
    END IF;
    SELECT sum(x.total), sum(x.number) INTO total, number FROM (
        SELECT scaled(r.total[k], r.wide[k]), coalesce(r.nd[k], r.n[k]) FROM rollup_day r
        WHERE r.unit_id = of_unit AND r.page = of_slot / 128 AND r.ts >= since AND r.ts < until AND r.n[k] > 0
          AND r.ts <> ALL (coalesce(dirty, '{}'))
        UNION ALL
        SELECT sum(v.value), count(v.value) FROM unnest(dirty) q (day), LATERAL item_values(of_unit, of_slot, q.day, q.day + interval '1 day') v
        ) x (total, number);
END $$;
