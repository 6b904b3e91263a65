-- 0013 energy roles: what is bought and burnt at once (购进消费, usage 11) is part of the consumption (消费, usage 60). Where
-- both are measured only the consumption counts; alone it stands for it.

ALTER TABLE energy_role ADD COLUMN yields_to text NOT NULL DEFAULT ''; -- counts only where the energy has no usage of that role

INSERT INTO energy_role (role, basis, sign, opens, remark, yields_to)
VALUES ('purchased_consumption', 'consumption', 1, true, '购进消费: part of the consumption', 'consumption');

UPDATE base_data SET role = 'purchased_consumption'
WHERE list = 'data_usage' AND code = '11' AND role = 'consumption';

-- An energy is counted on one basis a month now (before: a day), so everything is accounted for once more.
INSERT INTO rollup_mark (unit_id, hour)
SELECT DISTINCT unit_id, ts FROM unit_energy_day WHERE to_regclass('reading_frame_' || to_char(ts, 'YYYYMM')) IS NOT NULL;
