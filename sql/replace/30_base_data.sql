-- base_data_import: makes a list equal to what is given, keeping what was valid before.
--
-- entries: objects whose keys are columns of base_data; what an object has no key for stays as it is. code names the entry,
-- with industry_code where the list has it. since: the day from which it holds; NULL: changes and removals from today on,
-- entries never heard of from the beginning (readings back to then may refer to them).
-- whole: entries that are not given end; otherwise they are left alone.
-- A row that is valid on the day and differs is closed there and followed by the new one up to where the old one ended; a row
-- that began on that very day is rewritten. Everything touched carries the new dicVersion. One import at a time: version
-- numbers are drawn in the order of commits; and none while the rollup writes accounts (it holds the lock shared): what was
-- computed from the old entries is there to be marked, and nothing more is until the new ones have committed.
-- Gives one row per change, and changes nothing unless apply.
CREATE OR REPLACE FUNCTION base_data_import(list_name text, entries jsonb, since date, today date, whole boolean, apply boolean)
RETURNS TABLE (change text, entry_code text, entry_industry text, entry_name text, version integer)
LANGUAGE plpgsql SET search_path = public, pg_catalog SET client_min_messages = warning AS $$
DECLARE
    given_day date := coalesce(since, today);
    new_version integer;
BEGIN
    PERFORM pg_advisory_xact_lock(5, 0);
    DROP TABLE IF EXISTS pg_temp.base_data_change;
    CREATE TEMP TABLE base_data_change ON COMMIT DROP AS
    WITH given AS MATERIALIZED (
        SELECT e, e ->> 'code' AS code, coalesce(e ->> 'industry_code', '') AS industry
        FROM jsonb_array_elements(entries) e),
    held AS MATERIALIZED (
        SELECT b FROM base_data b
        WHERE b.list = list_name AND b.valid_from <= given_day AND (b.valid_to IS NULL OR b.valid_to > given_day)),
    matched AS (
        SELECT g.e, (h.b).valid_from AS old_from, (h.b).valid_to AS old_to, h.b AS old, g.code, g.industry
        FROM given g LEFT JOIN held h ON (h.b).code = g.code AND (h.b).industry_code = g.industry),
    wanted AS (
        SELECT m.*, jsonb_populate_record(CASE WHEN old_from IS NULL THEN jsonb_populate_record(NULL::base_data,
                   '{"name": "", "parent_code": "", "unit": "", "industry_code": "", "role": "", "remark": ""}') ELSE old END, e) AS new
        FROM matched m)
    SELECT CASE WHEN old_from IS NULL THEN 'added' ELSE 'changed' END AS change, code, industry, old_from,
           CASE WHEN old_from IS NULL
                THEN (SELECT min(f.valid_from) FROM base_data f WHERE f.list = list_name AND f.code = w.code
                        AND f.industry_code = w.industry AND f.valid_from > given_day AND f.valid_to IS DISTINCT FROM f.valid_from)
                ELSE old_to END AS new_to,
           CASE WHEN old_from IS NOT NULL OR since IS NOT NULL
                     OR EXISTS (SELECT FROM base_data f WHERE f.list = list_name AND f.code = w.code AND f.industry_code = w.industry)
                THEN given_day ELSE date '2010-01-01' END AS new_from, new
    FROM wanted w WHERE old_from IS NULL OR new IS DISTINCT FROM old
    UNION ALL
    SELECT 'removed', b.code, b.industry_code, b.valid_from, NULL, given_day, b
    FROM base_data b
    WHERE whole AND b.list = list_name AND (b.valid_to IS NULL OR b.valid_to > given_day) AND b.valid_to IS DISTINCT FROM b.valid_from
      AND NOT EXISTS (SELECT FROM given g WHERE g.code = b.code AND g.industry = b.industry_code);

    IF apply AND EXISTS (SELECT FROM pg_temp.base_data_change) THEN
        new_version := nextval('dic_version_seq');
        UPDATE base_data b SET valid_to = greatest(b.valid_from, given_day), dic_version = new_version
        FROM pg_temp.base_data_change c
        WHERE b.list = list_name AND b.code = c.code AND b.industry_code = c.industry AND b.valid_from = c.old_from
          AND (c.change = 'removed' OR c.old_from < given_day);
        INSERT INTO base_data AS b
        SELECT list_name, c.code, (c.new).name, (c.new).parent_code, (c.new).unit, (c.new).precision, (c.new).coal_factor,
               (c.new).coal_factor_min, (c.new).coal_factor_max, (c.new).co2_factor, c.industry, (c.new).role, (c.new).remark,
               c.new_from, c.new_to, new_version
        FROM pg_temp.base_data_change c WHERE c.change <> 'removed'
        ON CONFLICT (list, code, industry_code, valid_from) DO UPDATE SET
            name = excluded.name, parent_code = excluded.parent_code, unit = excluded.unit, precision = excluded.precision,
            coal_factor = excluded.coal_factor, coal_factor_min = excluded.coal_factor_min, coal_factor_max = excluded.coal_factor_max,
            co2_factor = excluded.co2_factor, role = excluded.role, remark = excluded.remark, valid_to = excluded.valid_to,
            dic_version = excluded.dic_version;
        IF list_name IN ('energy_type', 'working_substance') THEN
            PERFORM base_data_remark();
        ELSIF list_name = 'data_usage' THEN
            PERFORM coefficient_remark(min(c.new_from), CASE WHEN bool_and(c.new_to IS NOT NULL) THEN max(c.new_to) END)
            FROM pg_temp.base_data_change c;
        ELSIF list_name = 'measure_unit' THEN
            PERFORM measure_unit_follow();
        END IF;
    END IF;
    RETURN QUERY SELECT c.change, c.code, c.industry, coalesce((c.new).name, ''), new_version
                 FROM pg_temp.base_data_change c ORDER BY c.code, c.industry;
END $$;

-- A unit of the list is one that accounts convert by: remark says how many of parent_code it is. One that was taken off the list
-- stays, for items that are counted in it.
CREATE OR REPLACE FUNCTION measure_unit_follow() RETURNS void LANGUAGE plpgsql SET search_path = public, pg_catalog AS $$
DECLARE touched integer;
BEGIN
    INSERT INTO measure_unit AS m (name, measures, factor)
    SELECT lower(c.code), coalesce(p.measures, nullif((c.new).parent_code, ''), c.code), (c.new).remark::numeric * coalesce(p.factor, 1)
    FROM pg_temp.base_data_change c LEFT JOIN measure_unit p
        ON p.name = lower(coalesce(nullif((c.new).parent_code, ''), c.code)) -- none: the first of its kind, maybe a known one
    WHERE c.change <> 'removed' AND (c.new).remark ~ '^[0-9]{1,12}(\.[0-9]{1,12})?$' AND (c.new).remark ~ '[1-9]'
    ON CONFLICT (name) DO UPDATE SET measures = excluded.measures, factor = excluded.factor
        WHERE (m.measures, m.factor) IS DISTINCT FROM (excluded.measures, excluded.factor);
    GET DIAGNOSTICS touched = ROW_COUNT;
    IF touched > 0 AND to_regprocedure('coefficient_remark(date,date,text,integer)') IS NOT NULL THEN
        PERFORM coefficient_remark(NULL, NULL);
    END IF;
END $$;

-- A changed coefficient changes the accounts of the days it covers; a database without daily accounts has nothing to mark.
CREATE OR REPLACE FUNCTION base_data_remark() RETURNS void LANGUAGE plpgsql SET search_path = public, pg_catalog AS $$
DECLARE c record;
BEGIN
    IF to_regprocedure('coefficient_remark(date,date,text,integer)') IS NULL THEN
        RETURN;
    END IF;
    FOR c IN SELECT code, min(new_from) AS new_from, CASE WHEN bool_and(new_to IS NOT NULL) THEN max(new_to) END AS new_to
             FROM pg_temp.base_data_change GROUP BY code LOOP
        EXECUTE 'SELECT coefficient_remark($1, $2, $3, NULL)' USING c.new_from, c.new_to, c.code;
    END LOOP;
END $$;

-- What begins or ends by the calendar is news to devices as an import is: entries whose first day or whose end came since the day
-- of the last look carry a new dicVersion, one for all. Gives how many.
CREATE OR REPLACE FUNCTION base_data_new_day(today date) RETURNS integer LANGUAGE plpgsql SET search_path = public, pg_catalog AS $$
DECLARE
    looked date;
    touched integer := 0;
BEGIN
    -- Nearly always there is nothing to do: rollups would queue behind a look that waits for the lock.
    IF (SELECT value::date FROM setting WHERE key = 'basedata_day') >= today THEN
        RETURN 0;
    END IF;
    PERFORM pg_advisory_xact_lock(5, 0);
    SELECT value::date INTO looked FROM setting WHERE key = 'basedata_day';
    IF looked >= today THEN
        RETURN 0;
    END IF;
    -- The first look of all: where there is no device nobody has missed anything.
    looked := coalesce(looked, CASE WHEN EXISTS (SELECT FROM device) THEN date '2010-01-01' ELSE today END);
    IF EXISTS (SELECT FROM base_data WHERE valid_to IS DISTINCT FROM valid_from
                 AND ((valid_from > looked AND valid_from <= today) OR (valid_to > looked AND valid_to <= today))) THEN
        WITH version AS MATERIALIZED (SELECT nextval('dic_version_seq') AS n)
        UPDATE base_data SET dic_version = version.n FROM version
        WHERE valid_to IS DISTINCT FROM valid_from
          AND ((valid_from > looked AND valid_from <= today) OR (valid_to > looked AND valid_to <= today));
        GET DIAGNOSTICS touched = ROW_COUNT;
    END IF;
    INSERT INTO setting AS s (key, value) VALUES ('basedata_day', today::text) ON CONFLICT (key) DO UPDATE SET value = excluded.value;
    RETURN touched;
END $$;
