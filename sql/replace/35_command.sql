-- Gaps: hours of the days in [first_day, today) in which an item that the enterprise's devices do send has fewer readings than
-- its period gives, as ranges of hours. An item counts from its first reading in the window (before that nobody could send it)
-- and while it is active. Items with periods above an hour are judged by the day. sent with valid=false is no gap.
CREATE OR REPLACE FUNCTION command_gaps(first_day timestamptz, last_day timestamptz)
RETURNS TABLE (unit_id integer, from_ts timestamptz, to_ts timestamptz, codes text[])
LANGUAGE sql STABLE SET search_path = public, pg_catalog AS $$
    WITH item AS MATERIALIZED (
        SELECT i.unit_id, i.slot / 128 AS page, i.slot % 128 + 1 AS s, i.period, i.data_code
        FROM collect_item i JOIN unit u ON u.id = i.unit_id
        WHERE i.active AND i.stat_type = 0 AND u.from_platform IS NULL AND u.state IN ('testing', 'trial', 'accepted')),
    begun AS MATERIALIZED (                              -- the first day with a reading
        SELECT i.*, min(r.ts) AS since
        FROM item i JOIN rollup_day r ON r.unit_id = i.unit_id AND r.page = i.page AND r.ts >= first_day AND r.ts < last_day
        WHERE coalesce(r.n[i.s], 0) > 0 GROUP BY i.unit_id, i.page, i.s, i.period, i.data_code),
    short_day AS MATERIALIZED (                          -- cheap: one row a day and page
        SELECT b.*, d.ts AS day
        FROM begun b CROSS JOIN LATERAL generate_series(b.since, last_day - interval '1 day', interval '1 day') d (ts)
        LEFT JOIN rollup_day r ON r.unit_id = b.unit_id AND r.page = b.page AND r.ts = d.ts
        WHERE coalesce(r.n[b.s], 0) + coalesce(r.bad[b.s], 0) < 86400 / b.period),
    first_hour AS MATERIALIZED (                         -- on the first day nothing is missing before the first reading
        SELECT b.unit_id, b.page, b.s, min(r.ts) AS ts
        FROM begun b JOIN rollup_hour r ON r.unit_id = b.unit_id AND r.page = b.page AND r.ts >= b.since AND r.ts < b.since + interval '1 day'
        WHERE coalesce(r.n[b.s], 0) > 0 GROUP BY b.unit_id, b.page, b.s),
    missing AS (
        SELECT d.unit_id, d.data_code, h.ts AS from_ts, h.ts + interval '1 hour' AS to_ts
        FROM short_day d CROSS JOIN LATERAL generate_series(d.day, d.day + interval '23 hours', interval '1 hour') h (ts)
        LEFT JOIN rollup_hour r ON r.unit_id = d.unit_id AND r.page = d.page AND r.ts = h.ts
        LEFT JOIN first_hour f ON f.unit_id = d.unit_id AND f.page = d.page AND f.s = d.s
        WHERE d.period <= 3600 AND h.ts >= coalesce(f.ts, d.since)
          AND coalesce(r.n[d.s], 0) + coalesce(r.bad[d.s], 0) < 3600 / d.period
        UNION ALL
        SELECT unit_id, data_code, day, day + interval '1 day' FROM short_day WHERE period > 3600),
    numbered AS (                                        -- ranges that touch become one
        SELECT m.*, sum(CASE WHEN m.from_ts <= m.reach THEN 0 ELSE 1 END) OVER (PARTITION BY m.unit_id ORDER BY m.from_ts, m.to_ts) AS island
        FROM (SELECT x.*, max(x.to_ts) OVER (PARTITION BY x.unit_id ORDER BY x.from_ts, x.to_ts ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS reach
              FROM missing x) m)
    SELECT n.unit_id, min(n.from_ts), max(n.to_ts),
           CASE WHEN count(DISTINCT n.data_code) = (SELECT count(DISTINCT i.data_code) FROM item i WHERE i.unit_id = n.unit_id)
                THEN '{}'::text[] ELSE array_agg(DISTINCT n.data_code) END
    FROM numbered n GROUP BY n.unit_id, n.island
$$;

-- Closes the platform's own requests that would otherwise stay open for good: what they asked for has come, lies before the days
-- looked at, or was not reported within a day (the device was replaced, is silent or does not know the command).
-- One REUPLOAD for each gap that was not asked for: none open that overlaps it, none finished within a day, and not asked three
-- times already; a request that no device ever took does not count. At most `per_unit` open ones of the platform's own for an
-- enterprise, newest gaps first. Gives how many.
CREATE OR REPLACE FUNCTION command_reupload(first_day timestamptz, last_day timestamptz, at timestamptz, per_unit integer, most integer)
RETURNS integer LANGUAGE plpgsql SET search_path = public, pg_catalog SET client_min_messages = warning AS $$
DECLARE made integer;
BEGIN
    DROP TABLE IF EXISTS pg_temp.command_gap;
    CREATE TEMP TABLE command_gap ON COMMIT DROP AS SELECT * FROM command_gaps(first_day, last_day);

    UPDATE command c SET finished_at = at, state = CASE WHEN e.filled THEN 'done' ELSE 'failed' END,
        detail = CASE WHEN e.filled THEN '缺口已补 / gap filled'
                      WHEN c.from_ts < first_day THEN '超出补传期限 / older than the days looked at'
                      ELSE '一天内未报告结果 / no result within a day' END
    FROM (SELECT o.unit_id, o.command_id, o.from_ts >= first_day AND o.to_ts <= last_day AND NOT EXISTS (
              SELECT FROM pg_temp.command_gap g WHERE g.unit_id = o.unit_id AND g.from_ts < o.to_ts AND g.to_ts > o.from_ts) AS filled
          FROM command o WHERE o.automatic AND o.state IN ('queued', 'sent')) e
    -- once more: what a device reported while the row was waited for stays
    WHERE c.unit_id = e.unit_id AND c.command_id = e.command_id AND c.state IN ('queued', 'sent')
      AND (e.filled OR c.from_ts < first_day OR c.created_at <= at - interval '1 day');

    WITH wanted AS (
        SELECT g.*, row_number() OVER (PARTITION BY g.unit_id ORDER BY g.from_ts DESC) AS n,
               (SELECT count(*) FROM command c WHERE c.unit_id = g.unit_id AND c.automatic AND c.state IN ('queued', 'sent')) AS open
        FROM pg_temp.command_gap g
        WHERE NOT EXISTS (SELECT FROM command c WHERE c.unit_id = g.unit_id AND c.kind = 'REUPLOAD' AND c.from_ts < g.to_ts AND c.to_ts > g.from_ts
                            AND (c.state IN ('queued', 'sent') OR (c.device_id IS NOT NULL AND c.finished_at > at - interval '1 day')))
          AND (SELECT count(*) FROM command c WHERE c.unit_id = g.unit_id AND c.automatic AND c.device_id IS NOT NULL
                 AND c.from_ts < g.to_ts AND c.to_ts > g.from_ts) < 3)
    INSERT INTO command (command_id, unit_id, kind, from_ts, to_ts, data_codes, automatic, created_at, created_by)
    SELECT replace(gen_random_uuid()::text, '-', ''), w.unit_id, 'REUPLOAD', w.from_ts, w.to_ts, w.codes, true, at, 'platform'
    FROM wanted w WHERE w.n + w.open <= per_unit ORDER BY w.from_ts DESC LIMIT most;
    GET DIAGNOSTICS made = ROW_COUNT;
    RETURN made;
END $$;
