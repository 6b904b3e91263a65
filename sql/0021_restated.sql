-- 0021 restated: a restatement tells why and by which upload; changed coefficients restate standard coal and carbon dioxide.

-- A mark tells who made it, so that what follows from it can.
ALTER TABLE rollup_mark
    ADD COLUMN upload_id bigint,                        -- the upload whose readings (or own coefficient) it stands for
    ADD COLUMN cause text;                              -- NULL: readings; configuration, meter, repair, coefficient

ALTER TABLE restatement
    ALTER COLUMN old_n DROP NOT NULL,                   -- NULL: the value is as it was, its tce and co2 are not
    ALTER COLUMN new_n DROP NOT NULL,
    ADD COLUMN reason text NOT NULL DEFAULT '',         -- words in sql/README.md; '': not recorded
    ADD COLUMN old_tce numeric,                         -- of the item's energy account; NULL: no coefficient, or not what changed
    ADD COLUMN new_tce numeric,
    ADD COLUMN old_co2 numeric,
    ADD COLUMN new_co2 numeric;
ALTER TYPE restatement_in ADD ATTRIBUTE upload_id bigint, ADD ATTRIBUTE reason text;

-- An account whose tce or co2 changed by itself.
CREATE TYPE energy_moved AS (unit_id integer, ts timestamptz, energy text, usage text, reason text,
                             old_tce numeric, new_tce numeric, old_co2 numeric, new_co2 numeric);

-- They have more arguments now (sql/replace).
DROP FUNCTION IF EXISTS energy_day_refresh(integer[], timestamptz[]);
DROP FUNCTION IF EXISTS energy_day_write(unit_energy_day[]);
DROP FUNCTION IF EXISTS unit_coefficient_refresh(integer[], timestamptz[]);
