-- 0003 thresholds: 3204 (sudden jump) and 3205 (unchanged for too long) are off unless set for the enterprise or the item.
ALTER TABLE unit ADD COLUMN jump_limit bigint;                       -- scaled by 10^6; NULL: off
ALTER TABLE unit ADD COLUMN stuck_count integer NOT NULL DEFAULT 0;  -- equal readings in a row; 0: off
