-- accounting: from quantities to standard coal (tce) and carbon dioxide (tCO2). energy_coefficients knows the platform's
-- dated table, unit_energy_coefficients what holds for an enterprise; the view, the query service and the accounts all ask
-- them. Names are qualified instead of SET search_path,
-- which would keep the planner from merging the functions into the statements that call them.

-- tce and tCO2 per unit of quantity of an item, by date. The energy is named by collect class and item of the data code
-- (digits 9-14): primary and secondary energies (classes 01, 02), each only under its own class; the total (0000) belongs
-- to both; working substances (class 03), where they were imported with a coefficient.
-- item_unit '': the unit of the base data. A unit that measures something else: no coefficient.
CREATE OR REPLACE FUNCTION energy_coefficients(data_code text, item_unit text)
RETURNS TABLE (valid_from date, valid_to date, tce numeric, co2 numeric)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT e.valid_from, e.valid_to, trim_scale(e.coal_factor * k.ratio), trim_scale(e.co2_factor * k.ratio)
    FROM public.base_data e
    LEFT JOIN public.measure_unit have ON have.name = lower(item_unit)
    LEFT JOIN public.measure_unit want ON want.name = lower(e.unit)
    CROSS JOIN LATERAL (SELECT CASE WHEN item_unit = '' OR lower(item_unit) = lower(e.unit) THEN 1.0
                               WHEN have.measures = want.measures THEN have.factor / want.factor END) k (ratio)
    WHERE e.code = substr(data_code, 11, 4)
      AND CASE WHEN substr(data_code, 9, 2) IN ('01', '02') THEN e.list = 'energy_type'
               AND coalesce((SELECT p.parent_code FROM public.base_data p
                             WHERE p.list = 'energy_type' AND p.code = e.parent_code
                             ORDER BY p.valid_from DESC LIMIT 1), e.parent_code) IN (substr(data_code, 9, 2), '')
               ELSE e.list = 'working_substance' AND substr(data_code, 9, 2) = '03' END
      AND k.ratio IS NOT NULL
$$;

-- An item's unit in units of the energy's base data as it is valid on the day. Neither known to measure the other: NULL.
CREATE OR REPLACE FUNCTION energy_measure(energy text, item_unit text, at date, OUT measure text, OUT ratio numeric)
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
BEGIN
    SELECT e.unit INTO measure FROM public.base_data e
    WHERE e.list = CASE WHEN left(energy, 2) = '03' THEN 'working_substance' ELSE 'energy_type' END AND e.code = substr(energy, 3)
      AND e.valid_from <= at AND (e.valid_to IS NULL OR at < e.valid_to)
    ORDER BY e.valid_from DESC LIMIT 1;
    IF coalesce(measure, '') = '' THEN
        measure := item_unit; ratio := 1;
    ELSIF item_unit = '' OR lower(item_unit) = lower(measure) THEN
        ratio := 1;
    ELSE
        SELECT have.factor / want.factor INTO ratio FROM public.measure_unit have JOIN public.measure_unit want ON want.measures = have.measures
        WHERE have.name = lower(item_unit) AND want.name = lower(energy_measure.measure);
    END IF;
END $$;

-- The same for an enterprise: its own coefficient (unit_coefficient, per unit of base data of its first day) comes first,
-- from that day until its next one; one that says nothing about the item's unit (NULL) gives way to the table, not to the
-- one before it: what was measured last is the enterprise's word, and reference values stand in where it has none
-- (GB/T 2589). co2 is the table's. For items of any scope: what a fuel is worth does not depend on
-- where it is burnt.
CREATE OR REPLACE FUNCTION unit_energy_coefficients(of_unit integer, data_code text, item_unit text)
RETURNS TABLE (valid_from date, valid_to date, tce numeric, co2 numeric)
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM public.unit_coefficient c WHERE c.unit_id = of_unit AND c.energy = substr(data_code, 9, 6)) THEN
        RETURN QUERY SELECT * FROM public.energy_coefficients(data_code, item_unit);
        RETURN;
    END IF;
    RETURN QUERY
    WITH shared AS MATERIALIZED (SELECT * FROM public.energy_coefficients(data_code, item_unit)),
    own AS MATERIALIZED (
        SELECT c.ts::date AS since, trim_scale(c.value * m.ratio) AS tce
        FROM public.unit_coefficient c CROSS JOIN LATERAL public.energy_measure(c.energy, item_unit, c.ts::date) m
        WHERE c.unit_id = of_unit AND c.energy = substr(data_code, 9, 6)),
    change AS (SELECT s.valid_from AS at FROM shared s UNION SELECT s.valid_to FROM shared s WHERE s.valid_to IS NOT NULL
               UNION SELECT o.since FROM own o),
    stretch AS (SELECT c.at, lead(c.at) OVER w AS until, max(o.since) OVER w AS own_since
                FROM change c LEFT JOIN own o ON o.since = c.at WINDOW w AS (ORDER BY c.at))
    SELECT t.at, t.until, coalesce(o.tce, s.tce), s.co2
    FROM stretch t LEFT JOIN own o ON o.since = t.own_since
    LEFT JOIN shared s ON s.valid_from <= t.at AND (s.valid_to IS NULL OR t.at < s.valid_to)
    WHERE o.since IS NOT NULL OR s.valid_from IS NOT NULL;
END $$;

-- The coefficient valid on the first day of a period.
CREATE OR REPLACE FUNCTION energy_coefficient(of_unit integer, data_code text, item_unit text, at timestamptz, OUT tce numeric, OUT co2 numeric)
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
DECLARE own record;
BEGIN
    SELECT k.tce, k.co2 INTO tce, co2 FROM public.energy_coefficients(data_code, item_unit) k
    WHERE k.valid_from <= at::date AND (k.valid_to IS NULL OR at::date < k.valid_to)
    ORDER BY k.valid_from DESC LIMIT 1;
    SELECT c.value, c.ts INTO own FROM public.unit_coefficient c
    WHERE c.unit_id = of_unit AND c.energy = substr(data_code, 9, 6) AND c.ts <= at ORDER BY c.ts DESC LIMIT 1;
    IF FOUND THEN
        tce := coalesce(trim_scale(own.value * (public.energy_measure(substr(data_code, 9, 6), item_unit, own.ts::date)).ratio), tce);
    END IF;
END $$;

-- A quantity in standard coal and in carbon dioxide, six decimals; NULL when no coefficient is known.
CREATE OR REPLACE FUNCTION energy_tce(of_unit integer, quantity numeric, data_code text, item_unit text, at timestamptz) RETURNS numeric
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE AS $$
BEGIN
    RETURN public.ratio6(quantity * (public.energy_coefficient(of_unit, data_code, item_unit, at)).tce, 1);
END $$;

CREATE OR REPLACE FUNCTION energy_co2(of_unit integer, quantity numeric, data_code text, item_unit text, at timestamptz) RETURNS numeric
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE AS $$
BEGIN
    RETURN public.ratio6(quantity * (public.energy_coefficient(of_unit, data_code, item_unit, at)).co2, 1);
END $$;
