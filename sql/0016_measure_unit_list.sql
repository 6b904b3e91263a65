-- 0016 measure unit list: units of measure 计量单位 as a list of the base data, so that devices load them and operators import them.
-- code: the unit; parent_code: the first unit of its kind; remark: how many of that it is. base_data_import keeps measure_unit.
-- Where there are devices already, they learn of it by a new version.
INSERT INTO base_data (list, code, name, parent_code, remark, dic_version)
SELECT 'measure_unit', u.name, u.name, (SELECT b.name FROM measure_unit b WHERE b.measures = u.measures AND b.factor = 1 ORDER BY b.name COLLATE "C" LIMIT 1),
       trim_scale(u.factor)::text, v.n
FROM measure_unit u, (SELECT CASE WHEN EXISTS (SELECT FROM device) THEN nextval('dic_version_seq') ELSE (SELECT max(dic_version) FROM base_data) END AS n) v
WHERE u.name !~ '\s';
