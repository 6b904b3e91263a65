-- 0002 base data: the small tables of the standards that a platform needs from its first day. Larger and local tables
-- (regions, industries, processes, meter types …) are imported by the operator. Lists: sql/README.md.
SELECT nextval('dic_version_seq');

-- Collect classes 采集数据分类: digits 9-10 of a data code.
INSERT INTO base_data (list, code, name, remark, dic_version)
SELECT 'collect_class', code, name, remark, currval('dic_version_seq')
FROM (VALUES
    ('01', '一次能源', 'items: energy_type'),
    ('02', '二次能源', 'items: energy_type'),
    ('03', '耗能工质', 'items: working_substance'),
    ('04', '非能源类产品', 'items: product'),
    ('05', '一次能源折标系数', 'items as in class 01'),
    ('06', '二次能源折标系数', 'items as in class 02'),
    ('07', '耗能工质折标系数', 'items as in class 03'),
    ('08', '能效指标', 'items: efficiency_index'),
    ('09', '经营指标', 'items: business_index'),
    ('10', '其他数据', 'items: other_data')
) AS v (code, name, remark);

-- Energy types 能源品种: digits 11-14 of a data code. parent_code leads to the collect class that the energy belongs to.
-- coal_factor: tce per unit. GB/T 2589-2020 tables A.1, A.2 where it has the energy (a range: its midpoint as default),
-- else the reference coefficient of the statistical report form 205-1.
-- co2_factor: tCO2 per unit by GB/T 32151 (heating value × carbon content × oxidation rate × 44/12); heat: 0.11 t/GJ.
INSERT INTO base_data (list, code, name, parent_code, unit, precision, coal_factor, coal_factor_min, coal_factor_max,
                       co2_factor, remark, dic_version)
SELECT 'energy_type', code, name, parent, unit, 4, coal, low, high, co2, remark, currval('dic_version_seq')
FROM (VALUES
    ('0000', '综合能耗', '', '吨标准煤', 1.0, NULL::numeric, NULL::numeric, NULL::numeric, 'total, in coal equivalent'),
    ('0100', '原煤', '01', '吨', 0.7143, NULL, NULL, NULL, ''),
    ('0102', '无烟煤', '0100', '吨', 0.9428, NULL, NULL, 2.52151, ''),
    ('0103', '炼焦烟煤', '0100', '吨', 0.9000, NULL, NULL, NULL, ''),
    ('0104', '一般烟煤', '0100', '吨', 0.7143, NULL, NULL, 1.74175, ''),
    ('0105', '褐煤', '0100', '吨', 0.4286, NULL, NULL, 1.17286, ''),
    ('1500', '天然气（气态）', '01', '万立方米', 12.1500, 11.0000, 13.3000, 21.62189, 'midpoint of the range'),
    ('1800', '原油', '01', '吨', 1.4286, NULL, NULL, 3.02020, ''),
    ('0600', '洗精煤', '02', '吨', 0.9000, NULL, NULL, 2.20818, ''),
    ('0700', '其他洗煤', '02', '吨', 0.3571, 0.2857, 0.4286, 1.05194, 'midpoint of the range'),
    ('0800', '煤制品', '02', '吨', 0.5286, 0.5000, 0.7143, 1.93596, ''),
    ('0900', '焦炭', '02', '吨', 0.9714, NULL, NULL, 2.86042, ''),
    ('1000', '其他焦化产品', '02', '吨', 1.3000, 1.1000, 1.5000, NULL, ''),
    ('1100', '焦炉煤气', '02', '万立方米', 5.9280, 5.7140, 6.1430, 8.86381, 'midpoint of the range'),
    ('1200', '高炉煤气', '02', '万立方米', 1.2860, NULL, NULL, 8.48113, ''),
    ('1300', '转炉煤气', '02', '万立方米', 2.7140, NULL, NULL, 15.12403, ''),
    ('1400', '发生炉煤气', '02', '万立方米', 1.7860, NULL, NULL, 2.31483, ''),
    ('1600', '液化天然气（液态）', '02', '吨', 1.7572, NULL, NULL, 2.83126, ''),
    ('1700', '煤层气（煤田）', '02', '万立方米', 11.0000, NULL, NULL, NULL, 'low confidence: use the measured heating value'),
    ('1900', '汽油', '02', '吨', 1.4714, NULL, NULL, 2.92506, ''),
    ('2000', '煤油', '02', '吨', 1.4714, NULL, NULL, 3.03339, ''),
    ('2100', '柴油', '02', '吨', 1.4571, NULL, NULL, 3.09591, ''),
    ('2200', '燃料油', '02', '吨', 1.4286, NULL, NULL, 3.17046, ''),
    ('2300', '液化石油气', '02', '吨', 1.7143, NULL, NULL, 3.10133, ''),
    ('2400', '炼厂干气', '02', '吨', 1.5714, NULL, NULL, 3.03890, ''),
    ('2500', '石脑油', '02', '吨', 1.5000, NULL, NULL, 3.19807, ''),
    ('2600', '润滑油', '02', '吨', 1.4143, NULL, NULL, NULL, ''),
    ('2700', '石蜡', '02', '吨', 1.3648, NULL, NULL, NULL, ''),
    ('2800', '溶剂油', '02', '吨', 1.4672, NULL, NULL, NULL, ''),
    ('2900', '石油焦', '02', '吨', 1.0918, NULL, NULL, 3.21154, ''),
    ('3000', '石油沥青', '02', '吨', 1.3307, NULL, NULL, NULL, ''),
    ('3100', '其他石油制品', '02', '吨', 1.4000, NULL, NULL, 2.94876, ''),
    ('3200', '热力', '02', '吉焦', 0.03412, NULL, NULL, 0.11, 'calorific equivalent'),
    ('3400', '煤矸石用于燃料', '02', '吨', 0.2857, NULL, NULL, NULL, ''),
    ('3500', '城市生活垃圾用于燃料', '02', '吨', 0.2714, NULL, NULL, NULL, ''),
    ('3600', '生物质废料用于燃料', '02', '吨', 0.5000, NULL, NULL, 0, 'biogenic: no fossil carbon dioxide'),
    ('3700', '余热余压', '02', '吉焦', 0.03412, NULL, NULL, 0, 'no fuel of its own'),
    ('3800', '其他工业废料用于燃料', '02', '吨', 0.4285, NULL, NULL, NULL, ''),
    ('3900', '其他燃料', '02', '吨标准煤', 1.0000, NULL, NULL, NULL, 'reported in coal equivalent'),
    ('4000', '乙醇燃料', '02', '吨', 0.9144, NULL, NULL, 0, 'biogenic: no fossil carbon dioxide')
) AS v (code, name, parent, unit, coal, low, high, co2, remark);

-- Electricity: 0.1229 kgce/kWh (calorific equivalent) is 1.229 tce per 万千瓦时, and a kWh is 0.0001 of that unit, so items
-- in kWh come out at 0.0001229 tce (measure_unit converts). Grid emission factors by year, as for enterprise reporting:
-- 0.6101 up to 2020, 0.5810 in 2021, 0.5703 tCO2/MWh from 2022.
INSERT INTO base_data (list, code, name, parent_code, unit, precision, coal_factor, co2_factor, remark, valid_from, valid_to,
                       dic_version)
SELECT 'energy_type', '3300', '电力', '02', '万千瓦时', 4, 1.229, co2, remark, since, until, currval('dic_version_seq')
FROM (VALUES
    (6.101, date '2010-01-01', date '2021-01-01', 'grid factor 2015'),
    (5.810, date '2021-01-01', date '2022-01-01', 'grid factor 2021'),
    (5.703, date '2022-01-01', NULL, 'grid factor 2022')
) AS v (co2, since, until, remark);

-- Data usages 数据用途: digits 15-16. An open list: usages of a region that are not here are not an error.
INSERT INTO base_data (list, code, name, role, dic_version)
SELECT 'data_usage', code, name, role, currval('dic_version_seq')
FROM (VALUES
    ('10', '购进', 'purchase'),
    ('11', '购进消费', 'consumption'),
    ('30', '产出', 'output'),
    ('60', '消费', 'consumption'),
    ('80', '其他参数', '')
) AS v (code, name, role);

INSERT INTO base_data (list, code, name, dic_version)
SELECT list, code, name, currval('dic_version_seq')
FROM (VALUES
    ('input_type', '1', '管理信息系统'),
    ('input_type', '2', '生产监控管理系统'),
    ('input_type', '3', '分布式控制系统(DCS)'),
    ('input_type', '4', '现场仪表'),
    ('input_type', '5', '手工填报'),
    ('input_type', '6', '能源供应单位'),
    ('input_type', '7', '其他'),
    ('stat_type', '0', '实时'),
    ('stat_type', '1', '日'),
    ('stat_type', '2', '月'),
    ('stat_type', '3', '年'),
    ('scope', '1', '全厂'),
    ('scope', '2', '生产工序'),
    ('scope', '3', '工序单元'),
    ('scope', '4', '重点耗能设备'),
    ('consumption_level', '1', '5000吨标准煤以下'),
    ('consumption_level', '2', '5000吨至1万吨标准煤'),
    ('consumption_level', '3', '1万吨至10万吨标准煤'),
    ('consumption_level', '4', '10万吨至50万吨标准煤'),
    ('consumption_level', '5', '50万吨至300万吨标准煤'),
    ('consumption_level', '6', '300万吨标准煤以上'),
    ('field', '100', '工业'),
    ('field', '200', '交通运输、仓储和邮政业'),
    ('field', '300', '住宿和餐饮业'),
    ('field', '400', '批发和零售业'),
    ('field', '500', '教育'),
    ('field', '600', '其他')
) AS v (list, code, name);

-- Enterprise types 单位类型: the national classification of registration types.
INSERT INTO base_data (list, code, name, parent_code, dic_version)
SELECT 'enterprise_type', code, name, parent, currval('dic_version_seq')
FROM (VALUES
    ('100', '内资企业', ''),
    ('110', '国有企业', '100'),
    ('120', '集体企业', '100'),
    ('130', '股份合作企业', '100'),
    ('140', '联营企业', '100'),
    ('141', '国有联营企业', '140'),
    ('142', '集体联营企业', '140'),
    ('143', '国有与集体联营企业', '140'),
    ('149', '其他联营企业', '140'),
    ('150', '有限责任公司', '100'),
    ('151', '国有独资公司', '150'),
    ('159', '其他有限责任公司', '150'),
    ('160', '股份有限公司', '100'),
    ('170', '私营企业', '100'),
    ('171', '私营独资企业', '170'),
    ('172', '私营合伙企业', '170'),
    ('173', '私营有限责任公司', '170'),
    ('174', '私营股份有限公司', '170'),
    ('190', '其他企业', '100'),
    ('200', '港、澳、台商投资企业', ''),
    ('210', '合资经营企业（港或澳、台资）', '200'),
    ('220', '合作经营企业（港或澳、台资）', '200'),
    ('230', '港、澳、台商独资经营企业', '200'),
    ('240', '港、澳、台商投资股份有限公司', '200'),
    ('300', '外商投资企业', ''),
    ('310', '中外合资经营企业', '300'),
    ('320', '中外合作经营企业', '300'),
    ('330', '外资企业', '300'),
    ('340', '外商投资股份有限公司', '300')
) AS v (code, name, parent);

-- Units of measure: how many of the first unit of the same kind one unit is. Powers of ten, so conversion is exact.
CREATE TABLE measure_unit (
    name            text PRIMARY KEY,                   -- lower case
    measures        text NOT NULL,
    factor          numeric NOT NULL CONSTRAINT measure_unit_factor_check CHECK (factor > 0)
);
INSERT INTO measure_unit (name, measures, factor) VALUES
    ('kwh', 'electricity', 1), ('千瓦时', 'electricity', 1), ('度', 'electricity', 1),
    ('mwh', 'electricity', 1000), ('兆瓦时', 'electricity', 1000), ('gwh', 'electricity', 1000000),
    ('万kwh', 'electricity', 10000), ('万千瓦时', 'electricity', 10000), ('万度', 'electricity', 10000),
    ('10^4 kwh', 'electricity', 10000),
    ('m3', 'volume', 1), ('m³', 'volume', 1), ('nm3', 'volume', 1), ('nm³', 'volume', 1), ('立方米', 'volume', 1),
    ('标准立方米', 'volume', 1), ('万m3', 'volume', 10000), ('万m³', 'volume', 10000), ('万nm3', 'volume', 10000),
    ('万立方米', 'volume', 10000), ('10^4 m3', 'volume', 10000),
    ('t', 'mass', 1), ('吨', 'mass', 1), ('kg', 'mass', 0.001), ('千克', 'mass', 0.001), ('公斤', 'mass', 0.001),
    ('万吨', 'mass', 10000),
    ('gj', 'heat', 1), ('吉焦', 'heat', 1), ('百万千焦', 'heat', 1), ('mj', 'heat', 0.001), ('兆焦', 'heat', 0.001),
    ('kj', 'heat', 0.000001), ('千焦', 'heat', 0.000001), ('tj', 'heat', 1000),
    ('tce', 'coal equivalent', 1), ('吨标准煤', 'coal equivalent', 1), ('吨标煤', 'coal equivalent', 1),
    ('kgce', 'coal equivalent', 0.001), ('千克标准煤', 'coal equivalent', 0.001), ('万吨标准煤', 'coal equivalent', 10000);
