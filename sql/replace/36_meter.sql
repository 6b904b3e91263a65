-- meter: replaced meters of registers, recorded by an operator (`nhjcctl meter`). What a replacement means is in
-- server/rollup/calc.h.

-- The slot of an enterprise's register; NULL: it has none of that data code.
CREATE OR REPLACE FUNCTION meter_slot(of_unit integer, code text) RETURNS integer
LANGUAGE sql STABLE SET search_path = public, pg_catalog AS $$
    SELECT i.slot FROM collect_item i WHERE i.unit_id = of_unit AND i.data_code = code AND i.stat_type = 0 AND i.aggregation = 2
$$;

-- The difference across the replacement is credited to the first valid reading of the new meter: its hour is computed again.
CREATE OR REPLACE FUNCTION meter_remark(of_unit integer, of_slot integer, replaced timestamptz) RETURNS void
LANGUAGE sql SET search_path = public, pg_catalog AS $$
    INSERT INTO rollup_mark (unit_id, hour, cause)
    SELECT i.unit_id, date_trunc('hour', f.ts), 'meter' FROM collect_item i CROSS JOIN LATERAL (
        SELECT r.ts FROM reading_frame r WHERE r.unit_id = i.unit_id AND r.page = i.slot / 128
          AND r.ts > replaced - i.period * interval '1 second'
          AND r.value[i.slot % 128 + 1] IS NOT NULL AND coalesce(r.flag[i.slot % 128 + 1], 0) & 1 = 0
        ORDER BY r.ts LIMIT 1) f
    WHERE i.unit_id = of_unit AND i.slot = of_slot;
    SELECT pg_notify('nhjc_rollup', '')
$$;

-- false: the enterprise has no such register.
CREATE OR REPLACE FUNCTION meter_replace(of_unit integer, code text, replaced timestamptz, old_value bigint, new_value bigint)
RETURNS boolean LANGUAGE plpgsql SET search_path = public, pg_catalog AS $$
DECLARE of_slot constant integer := meter_slot(of_unit, code);
BEGIN
    IF of_slot IS NULL THEN
        RETURN false;
    END IF;
    INSERT INTO meter_replacement (unit_id, slot, at, final_old, first_new) VALUES (of_unit, of_slot, replaced, old_value, new_value)
    ON CONFLICT (unit_id, slot, at) DO UPDATE SET final_old = excluded.final_old, first_new = excluded.first_new, recorded_at = now();
    PERFORM meter_remark(of_unit, of_slot, replaced);
    RETURN true;
END $$;

-- false: none was recorded at that time.
CREATE OR REPLACE FUNCTION meter_withdraw(of_unit integer, code text, replaced timestamptz)
RETURNS boolean LANGUAGE plpgsql SET search_path = public, pg_catalog AS $$
DECLARE of_slot constant integer := meter_slot(of_unit, code);
BEGIN
    DELETE FROM meter_replacement WHERE unit_id = of_unit AND slot = of_slot AND at = replaced;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM meter_remark(of_unit, of_slot, replaced);
    RETURN true;
END $$;
