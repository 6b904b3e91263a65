-- storage: what lies on the disk, how far the partitions reach, what retention drops. Asked by nhjcctl storage and by the
-- housekeeping thread.

-- The instant before which readings are gone: rollups of what lies before it are never computed again.
CREATE OR REPLACE FUNCTION raw_from() RETURNS timestamptz
LANGUAGE sql STABLE SET search_path = public, pg_catalog AS $$
    SELECT coalesce((SELECT value::timestamptz FROM setting WHERE key = 'raw_from'), '-infinity')
$$;

-- Autovacuum settings of a new partition: step 0010 tells why.
CREATE OR REPLACE FUNCTION partition_settings(parent text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN parent IN ('reading_frame', 'rollup_hour', 'rollup_day', 'reported_frame', 'unit_energy_day')
           THEN 'autovacuum_vacuum_insert_threshold = 100000, autovacuum_vacuum_insert_scale_factor = 0.1,'
                ' autovacuum_vacuum_scale_factor = 0.05'
           ELSE 'autovacuum_vacuum_insert_threshold = 100000, autovacuum_vacuum_insert_scale_factor = 0.1,'
                ' autovacuum_freeze_min_age = 0' END
$$;

-- Tables by what is kept how long. Kinds without retention are kept for ever.
CREATE OR REPLACE FUNCTION storage_kind(tbl text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN tbl = 'reading_frame' THEN 'raw'
                WHEN tbl IN ('upload_payload', 'upload_finding') THEN 'payload'
                WHEN tbl IN ('audit_log', 'upload_refused') THEN 'audit'
                WHEN tbl LIKE 'rollup_%' AND tbl <> 'rollup_mark' OR tbl IN ('reported_frame', 'unit_energy_day', 'unit_energy_month',
                     'unit_consumption_month', 'unit_coefficient') THEN 'rollup'
                WHEN tbl IN ('receipt', 'upload', 'correction', 'restatement') THEN 'receipt'
                WHEN tbl IN ('outbox', 'fep_message', 'rollup_mark') THEN 'queue'
                ELSE 'master' END
$$;

-- Partitions by range of time, with their bounds.
CREATE OR REPLACE FUNCTION storage_partitions()
RETURNS TABLE (tbl text, part text, lower_ts timestamptz, upper_ts timestamptz, bytes bigint, tuples double precision)
LANGUAGE sql STABLE SET search_path = public, pg_catalog AS $$
    SELECT p.relname::text, c.relname::text, b.at[1]::timestamptz, b.at[2]::timestamptz, pg_total_relation_size(c.oid),
           greatest(c.reltuples, 0)::double precision
    FROM pg_inherits i JOIN pg_class p ON p.oid = i.inhparent JOIN pg_class c ON c.oid = i.inhrelid
    JOIN pg_namespace n ON n.oid = p.relnamespace AND n.nspname = 'public'
    CROSS JOIN LATERAL (SELECT regexp_match(pg_get_expr(c.relpartbound, c.oid),
                        'FROM \(''([^'']+)''\) TO \(''([^'']+)''\)')) b (at)
    WHERE p.relkind = 'p' AND b.at IS NOT NULL
$$;

-- When data began to come: of what is kept by the time of receipt, and of readings (their first day). The first uploads lie on the
-- first page of their partition.
CREATE OR REPLACE FUNCTION storage_begun(OUT received timestamptz, OUT read timestamptz)
LANGUAGE sql STABLE SET search_path = public, pg_catalog AS $$
    SELECT (SELECT min(received_at) FROM upload WHERE ctid < '(1,0)'),
           (SELECT min(d.ts) FROM unit u CROSS JOIN LATERAL (
                SELECT r.ts FROM rollup_day r WHERE r.unit_id = u.id AND r.page = 0 ORDER BY r.ts LIMIT 1) d)
$$;

-- Every table with its size and its growth per day: of a table by time, what its partitions of the last 30 days hold (of the
-- days since data began to come, where they are fewer, but of one at least), each by the share of its time that lies in them; of
-- the receipts, as many rows as there were uploads.
CREATE OR REPLACE FUNCTION storage_tables(at timestamptz)
RETURNS TABLE (kind text, tbl text, parts bigint, tuples bigint, bytes bigint, bytes_per_day bigint)
LANGUAGE sql STABLE SET search_path = public, pg_catalog AS $$
    WITH since AS MATERIALIZED (
        SELECT k.receipts, least(greatest(k.begun, x.month), storage_tables.at - interval '1 day') AS at, k.begun > x.month AS young
        FROM storage_begun() b
        CROSS JOIN LATERAL (VALUES (true, b.received), (false, b.read)) k (receipts, begun)
        CROSS JOIN LATERAL (SELECT storage_tables.at - interval '30 days') x (month)),
    share AS (
        SELECT p.tbl, sum(p.bytes * s.part) AS bytes, sum(p.tuples * s.part) AS tuples,
               extract(epoch FROM storage_tables.at - min(w.at)) / 86400 AS days
        FROM storage_partitions() p JOIN since w ON w.receipts = (p.tbl IN (SELECT partition_tables('receipt')))
        CROSS JOIN LATERAL (SELECT least(p.upper_ts, storage_tables.at), greatest(p.lower_ts, w.at)) e (upper_ts, since)
        CROSS JOIN LATERAL (SELECT extract(epoch FROM e.upper_ts - e.since)
                   / extract(epoch FROM e.upper_ts - CASE WHEN w.young THEN e.since ELSE p.lower_ts END)) s (part)
        WHERE p.lower_ts < storage_tables.at AND p.upper_ts > w.at
        GROUP BY 1),
    sizes AS (
        SELECT c.relname::text AS tbl, count(*) FILTER (WHERE t.relid <> c.oid) AS parts,
               sum(greatest(l.reltuples, 0)) AS tuples, sum(pg_total_relation_size(t.relid))::bigint AS bytes
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = 'public'
        CROSS JOIN LATERAL (SELECT relid FROM pg_partition_tree(c.oid) WHERE isleaf
                            UNION ALL SELECT c.oid WHERE c.relkind = 'r') t
        JOIN pg_class l ON l.oid = t.relid
        WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition GROUP BY 1)
    SELECT storage_kind(z.tbl), z.tbl, z.parts, z.tuples::bigint, z.bytes,
           coalesce(CASE WHEN z.tbl = 'receipt' THEN (SELECT u.tuples / u.days FROM share u WHERE u.tbl = 'upload') * z.bytes / greatest(z.tuples, 1)
                ELSE s.bytes / s.days END, 0)::bigint
    FROM sizes z LEFT JOIN share s ON s.tbl = z.tbl
$$;

-- Bytes per reading with index, of the largest partition of readings; its first 2,000 frames tell how full they are.
CREATE OR REPLACE FUNCTION storage_bytes_per_reading() RETURNS numeric
LANGUAGE plpgsql STABLE SET search_path = public, pg_catalog AS $$
DECLARE p record; readings numeric;
BEGIN
    SELECT * INTO p FROM storage_partitions() s WHERE s.tbl = 'reading_frame' AND s.tuples > 0 ORDER BY s.bytes DESC LIMIT 1;
    IF p IS NULL THEN
        RETURN NULL;
    END IF;
    EXECUTE format('SELECT avg((SELECT count(v) FROM unnest(f.value) v)) FROM (SELECT value FROM %I LIMIT 2000) f', p.part)
        INTO readings;
    RETURN round(p.bytes / nullif(readings * p.tuples::numeric, 0), 2);
END $$;

-- How far the partitions of each table reach without a gap from the present on.
CREATE OR REPLACE FUNCTION storage_horizon(at timestamptz)
RETURNS TABLE (tbl text, oldest timestamptz, until timestamptz, days_ahead integer)
LANGUAGE sql STABLE SET search_path = public, pg_catalog AS $$
    WITH RECURSIVE p AS MATERIALIZED (SELECT * FROM storage_partitions()),
    reach AS (
        SELECT p.tbl, p.upper_ts FROM p WHERE p.lower_ts <= storage_horizon.at AND p.upper_ts > storage_horizon.at
        UNION ALL
        SELECT p.tbl, p.upper_ts FROM reach r JOIN p ON p.tbl = r.tbl AND p.lower_ts = r.upper_ts)
    SELECT c.relname::text, (SELECT min(p.lower_ts) FROM p WHERE p.tbl = c.relname), r.until,
           coalesce(extract(day FROM r.until - storage_horizon.at)::integer, 0)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = 'public'
    JOIN pg_partitioned_table k ON k.partrelid = c.oid AND k.partstrat = 'r'
    LEFT JOIN (SELECT reach.tbl, max(upper_ts) AS until FROM reach GROUP BY 1) r ON r.tbl = c.relname
    ORDER BY 1
$$;

-- Things that must not exist, with how many of each. since: uploads received before are not looked at.
CREATE OR REPLACE FUNCTION storage_orphans(since timestamptz)
RETURNS TABLE (name text, found bigint, example text)
LANGUAGE sql STABLE SET search_path = public, pg_catalog AS $$
    SELECT 'outbox_without_payload', count(*), min(o.unit_id || '/' || o.upload_id)
    FROM outbox o JOIN destination d ON d.id = o.destination_id AND d.active
    WHERE o.message IS NULL AND o.kind = 0 AND NOT EXISTS (SELECT 1 FROM upload_payload p
        WHERE p.sender_id = o.sender_id AND p.received_at = o.received_at AND p.upload_id = o.upload_id)
    UNION ALL
    SELECT 'payload_without_upload', count(*), min(p.sender_id || '/' || p.upload_id)
    FROM upload_payload p WHERE p.received_at >= since AND NOT EXISTS (SELECT 1 FROM upload u
        WHERE u.sender_id = p.sender_id AND u.received_at = p.received_at AND u.upload_id = p.upload_id)
    UNION ALL
    SELECT 'receipt_without_upload', count(*), min(r.sender_id || '/' || r.upload_id)
    FROM receipt r WHERE r.received_at >= since AND r.upload_id > 0 -- the others are of configurations
      AND NOT EXISTS (SELECT 1 FROM upload u
        WHERE u.sender_id = r.sender_id AND u.received_at = r.received_at AND u.upload_id = r.upload_id)
    UNION ALL
    SELECT 'slot_out_of_range', count(*), min(i.unit_id || '/' || i.slot)
    FROM collect_item i JOIN unit u ON u.id = i.unit_id WHERE i.slot >= u.next_slot
    UNION ALL
    SELECT 'frames_of_unknown_unit', count(*), min(f.unit_id::text) FROM (
        WITH RECURSIVE u AS ((SELECT unit_id FROM reading_frame ORDER BY unit_id LIMIT 1) UNION ALL
            SELECT (SELECT r.unit_id FROM reading_frame r WHERE r.unit_id > u.unit_id ORDER BY r.unit_id LIMIT 1)
            FROM u WHERE u.unit_id IS NOT NULL)
        SELECT unit_id FROM u WHERE unit_id IS NOT NULL) f
    WHERE NOT EXISTS (SELECT 1 FROM unit WHERE unit.id = f.unit_id)
$$;

-- Up to where partitions of a kind may go. Readings: history that arrives late is kept as long as live readings are
-- (partition_make notes when its partition was made), and what is younger waits for it, because raw_from is one
-- instant; otherwise a year of 2016 that is uploaded today would be frozen tonight, half of it rolled up. What lies
-- before raw_from is frozen already and holds nothing up.
CREATE OR REPLACE FUNCTION storage_until(of_kind text, cutoff timestamptz) RETURNS timestamptz
LANGUAGE sql STABLE SET search_path = public, pg_catalog AS $$
    SELECT least(cutoff, (SELECT min(p.lower_ts) FROM storage_partitions() p JOIN setting s ON s.key = 'made:' || p.part
                          WHERE of_kind = 'raw' AND p.upper_ts > raw_from() -- CASE: other settings are no instants
                            AND CASE WHEN s.key LIKE 'made:%' THEN s.value::timestamptz > cutoff END))
$$;

-- In how many days the disk is full, of which `room` bytes are left, when all grows on as now: what is past its retention by then is
-- gone, and so in its time what is still to come (a month goes whole, so up to 31 days later). What is due already and still there has
-- a reason to stay, and is not counted as room. NULL: never.
CREATE OR REPLACE FUNCTION storage_days_until_full(at timestamptz, room bigint, raw_ms bigint, payload_ms bigint, audit_ms bigint)
RETURNS bigint LANGUAGE sql STABLE SET search_path = public, pg_catalog AS $$
    WITH keep (kind, days) AS (VALUES ('raw', raw_ms / 86400000.0), ('payload', payload_ms / 86400000.0), ('audit', audit_ms / 86400000.0)),
    grow AS MATERIALIZED (
        SELECT k.days + 31 AS until, sum(t.bytes_per_day) AS per_day FROM storage_tables(storage_days_until_full.at) t
        LEFT JOIN keep k ON k.kind = t.kind GROUP BY 1),
    parts AS MATERIALIZED (SELECT p.*, storage_kind(p.tbl) AS kind, CASE WHEN s.key LIKE 'made:%' AND p.upper_ts > raw_from()
                           THEN s.value::timestamptz END AS made FROM storage_partitions() p LEFT JOIN setting s ON s.key = 'made:' || p.part),
    gone AS MATERIALIZED ( -- late history is kept longer, and what is younger waits for it (storage_until)
        SELECT k.days + extract(epoch FROM greatest(p.upper_ts, (SELECT max(m.made) FROM parts m WHERE p.kind = 'raw' AND m.lower_ts <= p.lower_ts))
                                           - storage_days_until_full.at) / 86400 AS day, p.bytes
        FROM parts p JOIN keep k ON k.kind = p.kind),
    points AS (SELECT 0.0 AS day UNION SELECT g.day FROM gone g WHERE g.day > 0 UNION SELECT w.until FROM grow w WHERE w.until IS NOT NULL),
    levels AS (
        SELECT p.day, lead(p.day) OVER (ORDER BY p.day) AS next, (SELECT sum(w.per_day) FROM grow w WHERE w.until > p.day OR w.until IS NULL) AS slope,
               room + coalesce((SELECT sum(g.bytes) FROM gone g WHERE g.day > 0 AND g.day <= p.day), 0)
               - (SELECT sum(w.per_day * least(p.day, w.until)) FROM grow w) AS space
        FROM points p)
    SELECT floor(min(l.day + l.space / l.slope))::bigint FROM levels l
    WHERE l.slope > 0 AND (l.space >= 0 OR l.day = 0) AND (l.next IS NULL OR l.day + l.space / l.slope <= l.next)
$$;

-- Partitions of a kind whose time is over before `cutoff`, oldest first. held: why the oldest of those that may not go has
-- to wait; without it one reading of 2010 would keep all readings longer, and nobody would know.
DROP FUNCTION IF EXISTS storage_due(text, timestamptz);
CREATE OR REPLACE FUNCTION storage_due(of_kind text, cutoff timestamptz)
RETURNS TABLE (part text, tbl text, upper_ts timestamptz, bytes bigint, held text)
LANGUAGE sql STABLE SET search_path = public, pg_catalog AS $$
    WITH p AS MATERIALIZED (SELECT * FROM storage_partitions() s WHERE storage_kind(s.tbl) = of_kind AND s.upper_ts <= cutoff),
    edge AS MATERIALIZED (SELECT storage_until(of_kind, cutoff) AS at)
    SELECT d.* FROM (
        SELECT p.part, p.tbl, p.upper_ts, p.bytes, '' FROM p, edge WHERE p.upper_ts <= edge.at
        UNION ALL
        (SELECT p.part, p.tbl, p.upper_ts, p.bytes, '补传的历史保留更久，较新的须等待 / late history is kept longer and younger ones wait' FROM p, edge
         WHERE p.upper_ts > edge.at ORDER BY p.upper_ts LIMIT 1)) d
    ORDER BY d.upper_ts, d.tbl
$$;

-- Remembers the last reading of every register in a partition (of the month that begins at lower_ts) that is about to
-- go. One probe of its index per register that was read in that month, as its rollup tells: for a silent one all frames
-- of its enterprise would be read in vain.
DROP FUNCTION IF EXISTS storage_keep_registers(text);
CREATE OR REPLACE FUNCTION storage_keep_registers(part text, lower_ts timestamptz) RETURNS void
LANGUAGE plpgsql SET search_path = public, pg_catalog AS $$
BEGIN
    EXECUTE format(
        'INSERT INTO register_base AS b (unit_id, slot, ts, value) '
        'SELECT i.unit_id, i.slot, f.ts, f.v FROM collect_item i CROSS JOIN LATERAL ('
        '  SELECT r.ts, r.value[i.slot %% 128 + 1] AS v FROM %I r WHERE r.unit_id = i.unit_id AND r.page = i.slot / 128'
        '  AND r.value[i.slot %% 128 + 1] IS NOT NULL AND coalesce(r.flag[i.slot %% 128 + 1], 0) & 1 = 0'
        '  ORDER BY r.ts DESC LIMIT 1) f WHERE i.stat_type = 0 AND i.aggregation = 2 AND EXISTS ('
        '  SELECT 1 FROM rollup_month m WHERE m.unit_id = i.unit_id AND m.page = i.slot / 128 AND m.ts = %L'
        '  AND m.n[i.slot %% 128 + 1] > 0) '
        'ON CONFLICT (unit_id, slot) DO UPDATE SET ts = excluded.ts, value = excluded.value WHERE b.ts <= excluded.ts',
        part, lower_ts);
END $$;

-- Whether hours before an instant are still to be rolled up from readings that are there.
CREATE OR REPLACE FUNCTION storage_marked(upper_ts timestamptz) RETURNS boolean
LANGUAGE sql VOLATILE SET search_path = public, pg_catalog AS $$
    SELECT EXISTS (SELECT 1 FROM rollup_mark WHERE hour < upper_ts AND hour >= raw_from())
$$;

-- Drops one partition whose time is over, in the caller's transaction, which sets lock_timeout. Gives '' when it is gone,
-- otherwise why it must stay for now: then the caller rolls back. With the owner's rights (roles.sql). Readings: whoever computes rollups holds (6, 0) shared,
-- so that none of them finds the readings gone without knowing it. Marks are looked for twice: before the registers are
-- read, because then their months' rollups are whole and cheap to tell; and under the locks, because uploads go on meanwhile.
CREATE OR REPLACE FUNCTION storage_drop(of_part text, cutoff timestamptz) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_catalog, pg_temp AS $$
DECLARE p record;
BEGIN
    SELECT * INTO p FROM storage_partitions() s WHERE s.part = of_part;
    IF p IS NULL THEN
        RETURN '没有该分区 / no such partition';
    ELSIF storage_kind(p.tbl) NOT IN ('raw', 'payload', 'audit') OR p.upper_ts > storage_until(storage_kind(p.tbl), cutoff) THEN
        RETURN '未到期 / not due';
    END IF;
    IF p.tbl = 'reading_frame' THEN
        PERFORM pg_advisory_xact_lock(6, 0);
        IF storage_marked(p.upper_ts) THEN
            RETURN '读数尚未汇总 / readings not rolled up yet';
        ELSIF p.upper_ts > raw_from() THEN -- it may take seconds: before the locks that uploads would wait for
            PERFORM storage_keep_registers(of_part, p.lower_ts);
        END IF;
    END IF;
    EXECUTE format('LOCK TABLE ONLY %I IN ACCESS EXCLUSIVE MODE', p.tbl); -- the parent first, as everybody does
    EXECUTE format('LOCK TABLE %I IN ACCESS EXCLUSIVE MODE', of_part);
    IF p.tbl = 'reading_frame' THEN
        IF storage_marked(p.upper_ts) THEN
            RETURN '读数尚未汇总 / readings not rolled up yet';
        END IF;
        INSERT INTO setting (key, value) VALUES ('raw_from', (p.upper_ts AT TIME ZONE 'UTC')::text || '+00')
        ON CONFLICT (key) DO UPDATE SET value = excluded.value WHERE setting.value::timestamptz < excluded.value::timestamptz;
    ELSIF p.tbl = 'upload_payload' AND EXISTS ( -- parked ones too: sent again, they may have to be packed anew
            SELECT 1 FROM outbox o JOIN destination d ON d.id = o.destination_id AND d.active
            LEFT JOIN fep_message m ON m.id = o.message WHERE o.kind = 0 AND (o.message IS NULL OR m.state <> 'sent')
            AND o.received_at >= p.lower_ts AND o.received_at < p.upper_ts) THEN
        RETURN '上传尚未转发 / uploads not forwarded yet';
    END IF;
    EXECUTE format('DROP TABLE %I', of_part);
    DELETE FROM setting WHERE key = 'made:' || of_part;
    RETURN '';
END $$;

REVOKE ALL ON FUNCTION storage_drop(text, timestamptz) FROM PUBLIC;

DROP FUNCTION IF EXISTS storage_packable(timestamptz);

-- Packing. Day rows lie by day, as they came, and far apart where there are many enterprises: an item's month is as many
-- pages. An enterprise's rows of a month that is over are written again, side by side, as deleted and inserted rows:
-- whoever reads sees the old ones or the new ones, nobody waits but the rollup of that enterprise, and no right of an
-- owner is needed. The place of the old ones is taken by later rows once it is vacuumed.

-- Rows of an enterprise in [since, until) that lie more than 64 KB from the one before, and all that have one before. loose:
-- long rows from before step 0024 count as well, of which nothing is compressed.
DROP FUNCTION IF EXISTS storage_jumps(integer, timestamptz, timestamptz);
CREATE OR REPLACE FUNCTION storage_jumps(of_unit integer, since timestamptz, until timestamptz, loose boolean DEFAULT false,
    OUT pairs bigint, OUT jumps bigint)
LANGUAGE sql STABLE SET search_path = public, pg_catalog AS $$
    SELECT count(d.step), count(*) FILTER (WHERE d.step > 8 OR loose AND d.step IS NOT NULL AND d.form IS NULL AND d.bytes > 2032) FROM (
        SELECT r.form, r.bytes, abs(r.block - lag(r.block) OVER (PARTITION BY r.page ORDER BY r.ts)) AS step
        FROM (SELECT page, ts, (ctid::text::point)[0] AS block, pg_column_compression(n) AS form, pg_column_size(a.*) AS bytes
              FROM rollup_day a WHERE unit_id = of_unit AND ts >= since AND ts < until OFFSET 0) r) d
$$;

-- Whether a month's rows are worth packing, by some of the enterprises.
DROP FUNCTION IF EXISTS storage_scattered(timestamptz, timestamptz);
CREATE OR REPLACE FUNCTION storage_scattered(since timestamptz, until timestamptz, loose boolean) RETURNS boolean
LANGUAGE sql STABLE SET search_path = public, pg_catalog AS $$
    SELECT coalesce(sum(j.jumps) > 0.25 * sum(j.pairs), false)
    FROM (SELECT id, row_number() OVER (ORDER BY id) AS place, count(*) OVER () AS units FROM unit) u
    CROSS JOIN LATERAL storage_jumps(u.id, since, until, loose) j
    WHERE u.place % greatest(u.units / 16, 1) = 0
$$;

-- Gives the number of rows written again; 0: they lie well. Under the lock of whoever writes rollups of the enterprise.
DROP FUNCTION IF EXISTS storage_pack_unit(integer, timestamptz, timestamptz);
CREATE OR REPLACE FUNCTION storage_pack_unit(of_unit integer, since timestamptz, until timestamptz, loose boolean) RETURNS integer
LANGUAGE plpgsql SET search_path = public, pg_catalog AS $$
DECLARE moved rollup_day[];
BEGIN
    PERFORM pg_advisory_xact_lock(2, of_unit);
    IF NOT (SELECT j.jumps > 0.25 * j.pairs FROM storage_jumps(of_unit, since, until, loose) j) THEN
        RETURN 0;
    END IF;
    SELECT array_agg(d::rollup_day ORDER BY d.page, d.ts) INTO moved FROM rollup_day d
    WHERE d.unit_id = of_unit AND d.ts >= since AND d.ts < until;
    DELETE FROM rollup_day WHERE unit_id = of_unit AND ts >= since AND ts < until;
    INSERT INTO rollup_day SELECT * FROM unnest(moved);
    RETURN cardinality(moved);
END $$;

-- The latest month to be looked at: over for a week, and not looked at for 30 days (setting, key packed:YYYYMM): late
-- readings may have scattered it again. Where packing does not help, no month is written oftener than that.
CREATE OR REPLACE FUNCTION storage_pack_next(at timestamptz) RETURNS timestamptz
LANGUAGE sql STABLE SET search_path = public, pg_catalog AS $$
    SELECT max(m.m) FROM storage_partitions() p
    CROSS JOIN LATERAL generate_series(p.lower_ts, p.upper_ts - interval '1 month', interval '1 month') m (m)
    LEFT JOIN setting s ON s.key = 'packed:' || to_char(m.m, 'YYYYMM')
    WHERE p.tbl = 'rollup_day' AND m.m + interval '1 month' <= at - interval '7 days'
      AND CASE WHEN s.key LIKE 'packed:%' THEN s.value::timestamptz < at - interval '30 days' ELSE true END
$$;

-- One step, in a transaction of its own: the next `most` enterprises of the month in hand (setting, key packing).
-- month NULL: there is nothing to do. finished: that month is done; moved: rows written again in this step.
CREATE OR REPLACE FUNCTION storage_pack(at timestamptz, most integer, OUT month timestamptz, OUT part text, OUT moved bigint, OUT finished boolean)
LANGUAGE plpgsql SET search_path = public, pg_catalog AS $$
DECLARE
    after integer;
    of_unit integer;
    units integer := 0;
    first_look boolean; -- only then rows of the old form are looked for: some stay as long when they are written again
BEGIN
    PERFORM pg_advisory_xact_lock(7, 0);
    moved := 0;
    SELECT (s.value::json ->> 'month')::timestamptz, (s.value::json ->> 'after')::integer INTO month, after
    FROM setting s WHERE s.key = 'packing';
    IF month IS NULL THEN
        month := storage_pack_next(at);
        IF month IS NULL THEN
            RETURN;
        END IF;
    END IF;
    first_look := NOT EXISTS (SELECT FROM setting s WHERE s.key = 'packed:' || to_char(month, 'YYYYMM'));
    IF after IS NULL AND NOT storage_scattered(month, month + interval '1 month', first_look) THEN
        most := 0;
    END IF;
    part := 'rollup_day_' || to_char(month, 'YYYY');
    FOR of_unit IN SELECT u.id FROM unit u WHERE u.id > coalesce(after, -1) ORDER BY u.id LIMIT most LOOP
        moved := moved + storage_pack_unit(of_unit, month, month + interval '1 month', first_look);
        after := of_unit;
        units := units + 1;
    END LOOP;
    finished := units < most OR most = 0;
    IF finished THEN
        DELETE FROM setting WHERE key = 'packing';
    END IF;
    INSERT INTO setting (key, value) VALUES
        (CASE WHEN finished THEN 'packed:' || to_char(month, 'YYYYMM') ELSE 'packing' END,
         CASE WHEN finished THEN (at AT TIME ZONE 'UTC')::text || '+00' ELSE json_build_object('month', month, 'after', after)::text END)
    ON CONFLICT (key) DO UPDATE SET value = excluded.value;
END $$;
