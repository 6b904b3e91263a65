-- 0007 quality: how many readings came late or are doubted is rolled up with the values, so that the figures of data
-- quality follow the readings as exactly as the totals do, and a year of them is 365 rows.
ALTER TABLE rollup_hour ADD COLUMN late integer[], ADD COLUMN suspect integer[];
ALTER TABLE rollup_day ADD COLUMN late integer[], ADD COLUMN suspect integer[];
ALTER TABLE rollup_month ADD COLUMN late integer[], ADD COLUMN suspect integer[];
ALTER TABLE rollup_year ADD COLUMN late integer[], ADD COLUMN suspect integer[];
ALTER TABLE rollup_hour ALTER COLUMN late SET STORAGE MAIN, ALTER COLUMN late SET COMPRESSION lz4,
                        ALTER COLUMN suspect SET STORAGE MAIN, ALTER COLUMN suspect SET COMPRESSION lz4;
ALTER TYPE rollup_in ADD ATTRIBUTE late integer[], ADD ATTRIBUTE suspect integer[];

-- An item is expected from the day it was configured, or from its first reading when that is earlier.
ALTER TABLE collect_item ADD COLUMN since timestamptz NOT NULL DEFAULT now();

-- What was rolled up before knows neither: hours with late (32) or doubted (2..16) readings are computed again.
INSERT INTO rollup_mark (unit_id, hour)
SELECT DISTINCT unit_id, date_trunc('hour', ts) FROM reading_frame
WHERE flag IS NOT NULL AND EXISTS (SELECT 1 FROM unnest(flag) f WHERE f & 62 <> 0);
