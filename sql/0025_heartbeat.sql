-- 0025 heartbeats: the clock's offset is of a heartbeat, last_seen of whatever came last. A device that only registered anew passed
-- for one whose clock had just been looked at. Of the past the two cannot be told apart.
ALTER TABLE device ADD COLUMN heartbeat_at timestamptz;     -- when clock_offset_ms was told
UPDATE device SET heartbeat_at = last_seen WHERE clock_offset_ms IS NOT NULL;
