-- 0022 energy accounts by time: statistics of all enterprises over some days read the days' part of a year and not all of it.
-- Rows come by day, so a summary of every stretch of pages (brin) is enough, and costs nothing to keep.
CREATE INDEX unit_energy_day_ts_idx ON unit_energy_day USING brin (ts) WITH (pages_per_range = 32, autosummarize = on);
