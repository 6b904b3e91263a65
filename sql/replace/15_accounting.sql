-- accounting: from quantities to standard coal (tce) and carbon dioxide (tCO2). energy_coefficients alone knows where
-- coefficients come from; the view and the query service both ask it. Names are qualified instead of SET search_path,
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

-- The coefficient valid on the first day of a period.
CREATE OR REPLACE FUNCTION energy_coefficient(data_code text, item_unit text, at timestamptz, OUT tce numeric, OUT co2 numeric)
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
BEGIN
    SELECT k.tce, k.co2 INTO tce, co2 FROM public.energy_coefficients(data_code, item_unit) k
    WHERE k.valid_from <= at::date AND (k.valid_to IS NULL OR at::date < k.valid_to)
    ORDER BY k.valid_from DESC LIMIT 1;
END $$;

-- A quantity in standard coal and in carbon dioxide, six decimals; NULL when no coefficient is known.
CREATE OR REPLACE FUNCTION energy_tce(quantity numeric, data_code text, item_unit text, at timestamptz) RETURNS numeric
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE AS $$
BEGIN
    RETURN public.ratio6(quantity * (public.energy_coefficient(data_code, item_unit, at)).tce, 1);
END $$;

CREATE OR REPLACE FUNCTION energy_co2(quantity numeric, data_code text, item_unit text, at timestamptz) RETURNS numeric
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE AS $$
BEGIN
    RETURN public.ratio6(quantity * (public.energy_coefficient(data_code, item_unit, at)).co2, 1);
END $$;
