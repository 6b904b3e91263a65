"""QueryStatistics: grouping, comparison, who sees what; nhjcctl stat and restated."""
import json

import nhjc
from stack import StackCase, main
from testdata import POWER, SUM, readings

COAL = '0000000001010410'  # plant, bituminous coal, purchase: sum
ITEMS = [SUM, nhjc.collect_item(COAL, 'sum', '烟煤', period=86400, unit='t')]


class Statistics(StackCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.first, cls.second = cls.stack.device(190, ITEMS), cls.stack.device(191, ITEMS)
        for year, kwh in (('2017', '100000'), ('2018', '150000')):
            cls.first.upload(readings(POWER, year + '-01-05 10:00', [kwh]) + readings(COAL, year + '-01-05 00:00', ['10']))
        cls.second.upload(readings(POWER, '2018-01-06 10:00', ['20000']) + readings(POWER, '2018-02-06 10:00', ['30000']))
        cls.province.rolled_up()
        cls.client = cls.province.client()

    def ask(self, group, granularity='month', begin='2018-01-01 00:00:00', end='2019-01-01 00:00:00', compare='none', client=None, **more):
        fields = [('groupBy', group)] + [(n, more[n]) for n in ('regionCode', 'industryCode', 'energyTypeCode') if n in more]
        answer = (client or self.client).call('query', 'QueryStatistics', *fields, ('granularity', granularity), ('from', begin), ('to', end), ('compare', compare))
        self.assertEqual(answer.get('responseCode'), '0')
        names = ('key', 'statDate', 'value', 'unit', 'tce', 'co2', 'compareTce', 'ratio')
        return [tuple(r.get(n) for n in names) for r in answer.all('row')]

    def test_by_enterprise_with_the_year_before(self):
        # 15 x 1.229 + 10 x 0.7143 = 25.578; a year before 12.29 + 7.143 = 19.433; grid factors of their years
        self.assertEqual(self.ask('enterprise', compare='yoy'), sorted([
            (self.first.enterprise, '2018-01-01 00:00:00', None, None, '25.578', '108.9325', '19.433', '0.316215'),
            (self.second.enterprise, '2018-01-01 00:00:00', None, None, '2.458', '12.202', None, None)]) +
            [(self.second.enterprise, '2018-02-01 00:00:00', None, None, '3.687', '18.303', None, None)])

    def test_by_region_with_the_period_before(self):
        self.assertEqual(self.ask('region', compare='pop'), [('420000', '2018-01-01 00:00:00', None, None, '28.036', '121.1345', None, None),
                                                             ('420000', '2018-02-01 00:00:00', None, None, '3.687', '18.303', '28.036', '-0.868491')])
        self.assertEqual([r[0] for r in self.ask('region', 'year', regionCode='420000')], ['420100'])
        self.assertEqual(self.ask('region', 'year', regionCode='430000'), [])

    def test_by_energy_type_with_quantity_and_unit(self):
        self.assertEqual(self.ask('energyType', 'quarter'), [('0104', '2018-01-01 00:00:00', '10', '吨', '7.143', '17.4175', None, None),
                                                             ('3300', '2018-01-01 00:00:00', '20', '万千瓦时', '24.58', '122.02', None, None)])
        self.assertEqual([r[4] for r in self.ask('enterprise', 'year', energyTypeCode='0104')], ['7.143'])

    def test_by_industry_from_section_to_class(self):
        for asked, key in ((None, 'C'), ('C', 'C31'), ('C31', 'C312'), ('C312', 'C3120'), ('C3120', 'C3120')):
            rows = self.ask('industry', 'year', **({'industryCode': asked} if asked else {}))
            self.assertEqual([(r[0], r[4]) for r in rows], [(key, '31.723')])
        self.assertEqual(self.ask('industry', 'year', industryCode='D'), [])

    def test_days_and_weeks(self):
        days = self.ask('region', 'day', begin='2018-01-06 00:00:00', end='2018-01-07 00:00:00', compare='pop')
        self.assertEqual([(r[1], r[4], r[6], r[7]) for r in days], [('2018-01-06 00:00:00', '2.458', '25.578', '-0.903902')])
        self.assertEqual([(r[1], r[4]) for r in self.ask('region', 'week', end='2018-02-01 00:00:00')], [('2018-01-01 00:00:00', '28.036')])
        self.assertEqual(self.ask('region', begin='2018-03-01 00:00:00', end='2018-01-01 00:00:00'), [])

    def test_wrong_words_are_2103(self):
        self.fault(2103, self.ask, 'enterprise', 'hour')
        self.fault(2103, self.ask, 'colour')
        self.fault(2103, self.ask, 'region', compare='maybe')

    def test_a_lower_platform_sees_its_region_only(self):
        for code in ('420100', '420200'):
            self.province.ctl('pki', 'issue', '--platform', code, '--out', self.province.pki)
        city, neighbour = self.province.client('420100'), self.province.client('420200')
        self.assertEqual([(r[0], r[4]) for r in self.ask('enterprise', 'year', client=city)], sorted([(self.first.enterprise, '25.578'), (self.second.enterprise, '6.145')]))
        self.assertEqual(self.ask('enterprise', 'year', client=neighbour), [])
        self.fault(1103, self.ask, 'region', regionCode='420100', client=neighbour)

    def test_the_operators_ranking(self):
        rows = json.loads(self.province.ctl('stat', '--per', 'year', '--from', '2018-01-01', '--to', '2019-01-01', '--json').stdout)
        self.assertEqual([(r['rank'], r['key'], r['tce'], r['ratio']) for r in rows],
                         [(1, self.first.enterprise, 25.578, 0.316215), (2, self.second.enterprise, 6.145, None)])

    def test_standard_coal_per_product_and_value(self):
        product, value = '0000000004010030', '0000000009000180'
        device = self.stack.device(193, ITEMS + [nhjc.collect_item(product, 'sum', '水泥', period=86400, unit='t'),
                                                 nhjc.collect_item(value, 'sum', '产值', stat_type=2, unit='万元')])
        device.upload(readings(COAL, '2015-05-05 00:00', ['10']) + readings(product, '2015-05-05 00:00', ['300'])
                      + [nhjc.reading(value, '2015-05-01 00:00:00', '50', statType=2)])
        self.province.rolled_up()
        ask = ('stat', 'intensity', device.enterprise, '--from', '2015-01', '--to', '2016-01')
        rows = json.loads(self.province.ctl(*ask, '--json').stdout)
        self.assertEqual([(r['month'], r['kind'], r['name'], r['quantity'], r['unit'], r['tce'], r['tcePerUnit']) for r in rows],
                         [('2015-05-01 00:00:00', '产品 product', '水泥', 300, 't', 7.143, 0.02381),
                          ('2015-05-01 00:00:00', '产值 value', '产值', 50, '万元', 7.143, 0.14286)])
        self.assertIn('单耗', self.province.ctl(*ask).stdout)
        self.assertIn('no such enterprise', self.province.ctl('stat', 'intensity', '91420100MA0000000X', check=False).stderr)

    def test_a_corrected_past_is_restated_with_its_upload(self):
        device = self.stack.device(192, ITEMS)
        device.upload(readings(COAL, '2016-05-05 00:00', ['10']))
        self.province.rolled_up()
        upload = device.upload(readings(COAL, '2016-05-05 00:00', ['12.5'])).get('uploadId')
        self.province.rolled_up()
        rows = json.loads(self.province.ctl('restated', '--enterprise', device.enterprise, '--json').stdout)
        self.assertEqual(sorted((r['granularity'], r['statDate'], r['oldValue'], r['newValue'], r['reason'], r['uploadId']) for r in rows),
                         [('day', '2016-05-05 00:00:00', 10, 12.5, 'correction', upload), ('month', '2016-05-01 00:00:00', 10, 12.5, 'correction', upload),
                          ('year', '2016-01-01 00:00:00', 10, 12.5, 'correction', upload)])
        self.assertIn('0 处差异', self.province.ctl('rollup', 'verify', '--enterprise', device.enterprise).stdout)

    def test_late_readings_and_own_coefficients_restate_with_their_upload(self):
        own = nhjc.collect_item('0000000005010480', 'mean', '烟煤折标系数', stat_type=1)
        device = self.stack.device(193, ITEMS + [own])
        device.upload(readings(COAL, '2016-05-05 00:00', ['10']))
        self.province.rolled_up()
        late = device.upload(readings(COAL, '2016-05-06 00:00', ['4'])).get('uploadId')
        self.province.rolled_up()
        answer = device.upload([nhjc.reading('0000000005010480', '2016-05-05 00:00:00', '0.5', statType=1)])
        self.code(answer, 0)
        better = answer.get('uploadId')
        self.province.rolled_up()
        rows = json.loads(self.province.ctl('restated', '--enterprise', device.enterprise, '--json').stdout)
        self.assertEqual([(r['granularity'], r['oldValue'], r['newValue'], r['uploadId']) for r in rows if r['reason'] == 'late'],
                         [('month', 10, 14, late), ('year', 10, 14, late)])
        self.assertEqual(sorted((r['granularity'], r['statDate'][:10], r['oldTce'], r['newTce'], r['oldValue'], r['uploadId']) for r in rows
                                if r['reason'] == 'own_coefficient'),
                         [('day', '2016-05-05', 7.143, 5, None, better), ('day', '2016-05-06', 2.8572, 2, None, better),
                          ('month', '2016-05-01', 10.0002, 7, None, better), ('year', '2016-01-01', 10.0002, 7, None, better)])
        self.assertIn('自有系数 own_coefficient', self.province.ctl('restated', '--enterprise', device.enterprise).stdout)
        asked = ('trace', device.enterprise, COAL, '2016-05-06')
        told = json.loads(self.province.ctl(*asked, '--json').stdout)['restated']
        self.assertEqual(sorted((r['reason'], r['granularity'], r['oldValue'], r['newValue'], r['oldTce'], r['newTce'], r['uploadId']) for r in told),
                         [('late', 'month', '10', '14', None, None, late), ('late', 'year', '10', '14', None, None, late),
                          ('own_coefficient', 'day', None, None, '2.8572', '2', better), ('own_coefficient', 'month', None, None, '10.0002', '7', better),
                          ('own_coefficient', 'year', None, None, '10.0002', '7', better)])
        self.assertRegex(self.province.ctl(*asked).stdout, 'month 2016-05-01 00:00:00  值 value 10 → 14  补传 late  上传 upload ' + late)


if __name__ == '__main__':
    main()
