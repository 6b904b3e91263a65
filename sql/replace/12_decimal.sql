-- decimal: exact arithmetic for the view, with the rounding of GB/T 8170 (half to even). PostgreSQL's round(numeric)
-- rounds half away from zero and must not be used for a figure that leaves the platform.

-- num / den as an integer, half to even; den > 0.
CREATE OR REPLACE FUNCTION div_even(num numeric, den numeric) RETURNS numeric
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    q numeric := div(num, den);             -- towards zero
    twice numeric := 2 * abs(num - q * den);
BEGIN
    IF twice > den OR (twice = den AND q % 2 <> 0) THEN
        RETURN q + sign(num);
    END IF;
    RETURN q;
END $$;

-- An integer scaled by 10^6 as the decimal it stands for, without trailing zeros.
CREATE OR REPLACE FUNCTION unscale(v numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT trim_scale(v * 0.000001) $$;

-- num / den to six decimals.
CREATE OR REPLACE FUNCTION ratio6(num numeric, den numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT public.unscale(public.div_even(num * 1000000, den)) $$;

-- A total that may have outgrown 64 bits.
CREATE OR REPLACE FUNCTION scaled(total bigint, wide numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT coalesce(total::numeric, wide) $$;
