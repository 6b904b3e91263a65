"""Data quality through the real server: QueryQuality, and the conformity report over fifteen days of a compressed clock."""
import datetime
import json
import os
import re
import shutil
import subprocess

import nhjc
from stack import StackCase, main, run, wait
from testdata import BASIC, FACTOR, MEAN, POWER, SUM, readings

DAY = datetime.timedelta(days=1)
COAL = '0000000001010010'  # plant, raw coal, purchase: entered by hand, once a day
COAL_ITEM = nhjc.collect_item(COAL, 'sum', '外购原煤日报', stat_type=1, unit='吨', inputType=5)


def midnight(text_or_date):
    return text_or_date.strftime('%Y-%m-%d 00:00:00')


class QueryQuality(StackCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.client = cls.province.client()
        cls.device = cls.stack.device(150, BASIC)
        values = [str(i) for i in range(96)]
        cls.device.upload(readings(POWER, '2018-01-01 00:00', values) + readings(FACTOR, '2018-01-01 00:00', values[:90])
                          + readings(FACTOR, '2018-01-01 22:30', ['x', 'y']) + readings(POWER, '2018-01-02 00:00', values[:50])
                          + readings(FACTOR, '2018-01-02 00:00', values[:50], valid='false'))
        cls.province.rolled_up()

    def ask(self, enterprise=None, begin='2018-01-01 00:00:00', end='2018-01-04 00:00:00', client=None, **more):
        return (client or self.client).call('query', 'QueryQuality', ('enterpriseCode', enterprise), ('from', begin), ('to', end), **more)

    def figures(self, answer):
        names = ('statDate', 'expected', 'received', 'onTime', 'late', 'rejected', 'successRate', 'completeness', 'continuousDays')
        return [tuple(row.get(name) for name in names) for row in answer.all('row')]

    def test_every_day_of_an_enterprise_has_its_figures(self):
        for version in ('1.1', '1.2'):
            answer = self.code(self.ask(self.device.enterprise, version=version), 0)
            self.assertEqual(self.figures(answer), [
                ('2018-01-01 00:00:00', '192', '188', '0', '186', '2', '0.989362', '0.96875', '1'),
                ('2018-01-02 00:00:00', '192', '100', '0', '100', '0', '0.5', '0.260417', '0'),
                ('2018-01-03 00:00:00', '192', '0', '0', '0', '0', '0', '0', '0')])
            self.assertEqual({row.get('enterpriseCode') for row in answer.all('row')}, {self.device.enterprise})

    def test_days_outside_the_range_and_before_the_first_reading_have_no_row(self):
        self.assertEqual(len(self.figures(self.ask(self.device.enterprise, '2010-01-01 00:00:00', '2018-01-02 00:00:00'))), 1)
        self.assertEqual(self.figures(self.ask(self.device.enterprise, '2018-01-02 00:00:01', '2018-01-03 00:00:00')), [])
        self.assertEqual(self.figures(self.ask(self.device.enterprise, '2018-01-04 00:00:00', '2018-01-01 00:00:00')), [])

    def test_what_is_sent_in_time_is_on_time(self):
        device = self.stack.device(151, BASIC)
        slot = datetime.datetime.fromtimestamp(int(datetime.datetime.now().timestamp()) // 900 * 900 - 900, datetime.timezone(datetime.timedelta(hours=8)))
        device.upload([nhjc.reading(POWER, slot, '1')])
        self.province.rolled_up()
        rows = self.ask(device.enterprise, midnight(slot), midnight(slot + DAY)).all('row')
        self.assertEqual([(row.get('received'), row.get('onTime'), row.get('late')) for row in rows], [('1', '1', '0')])

    def test_a_repetition_and_a_correction_change_no_count(self):
        device = self.stack.device(152, BASIC)
        device.upload(readings(POWER, '2018-03-01 00:00', ['1'] * 96))
        device.upload(readings(POWER, '2018-03-01 00:00', ['1'] * 48 + ['2'] * 48))
        self.province.rolled_up()
        rows = self.ask(device.enterprise, '2018-03-01 00:00:00', '2018-03-02 00:00:00').all('row')
        self.assertEqual([(row.get('received'), row.get('late'), row.get('completeness')) for row in rows], [('96', '96', '1')])

    def test_the_operator_sees_the_same_by_day_and_by_item(self):
        words = ('report', 'quality', self.device.enterprise, '--from', '2018-01-01', '--to', '2018-01-03', '--json')
        days = json.loads(self.province.ctl(*words).stdout)
        self.assertEqual([(d['statDate'], d['expected'], d['received'], d['rejected'], d['invalid'], d['continuousDays']) for d in days],
                         [('2018-01-01 00:00:00', 192, 188, 2, 0, 1), ('2018-01-02 00:00:00', 192, 100, 0, 50, 0)])
        items = json.loads(self.province.ctl(*words, '--items').stdout)
        self.assertEqual([(i['statDate'][:10], i['dataCode'], i['expected'], i['received'], i['rejected'], i['invalid'], i['completeness']) for i in items],
                         [('2018-01-01', POWER, 96, 96, 0, 0, 1), ('2018-01-01', FACTOR, 96, 92, 2, 0, 0.9375),
                          ('2018-01-02', POWER, 96, 50, 0, 0, 0.520833), ('2018-01-02', FACTOR, 96, 50, 0, 50, 0)])
        self.assertIn('no such enterprise', self.province.ctl('report', 'quality', nhjc.uscc(999995), check=False).stderr)

    def test_a_platform_asks_for_its_region_only(self):
        for code in ('420100', '420200'):
            self.province.ctl('pki', 'issue', '--platform', code, '--out', self.province.pki)
        city, neighbour = self.province.client('420100'), self.province.client('420200')
        other = self.stack.device(153, BASIC, region='420200')
        other.upload(readings(POWER, '2018-01-01 00:00', ['1']))
        self.province.rolled_up()
        seen = {row.get('enterpriseCode') for row in self.ask(client=city).all('row')}
        self.assertIn(self.device.enterprise, seen)
        self.assertNotIn(other.enterprise, seen)
        self.assertEqual({row.get('enterpriseCode') for row in self.ask(client=neighbour).all('row')}, {other.enterprise})
        self.fault(1103, self.ask, self.device.enterprise, client=neighbour)
        keys = [(row.get('enterpriseCode'), row.get('statDate')) for row in self.ask().all('row')]
        self.assertEqual(keys, sorted(keys))
        self.assertLess(4, len(keys))

    def test_an_unknown_enterprise_gives_no_rows_to_who_may_see_all_and_1103_to_others(self):
        self.assertEqual(self.ask(nhjc.uscc(999997)).all('row'), [])
        self.province.ctl('pki', 'issue', '--platform', '420100', '--out', self.province.pki)
        self.fault(1103, self.ask, nhjc.uscc(999997), client=self.province.client('420100'))

    def test_an_enterprise_does_not_ask_here_and_wrong_dates_are_2103(self):
        self.fault(1103, self.ask, self.device.enterprise, client=self.device.client)
        self.fault(2103, self.ask, self.device.enterprise, 'yesterday')
        self.fault(2103, self.ask, self.device.enterprise, end='2018-02-30 00:00:00')


class Conformity(StackCase):
    """Day 2 is spoiled; on day 7 the line is down and its data come a day later; so days 3 to 17 are fifteen good ones."""
    SPOILED, OUTAGE, LAST = 2, 7, 17

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        zone = datetime.timezone(datetime.timedelta(hours=8))
        today = datetime.datetime.now(zone).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
        cls.first, cls.zone = today - 40 * DAY, zone

    def day(self, i):
        return self.first + i * DAY

    @classmethod
    def tearDownClass(cls):
        cls.live_on(None)
        super().tearDownClass()

    @classmethod
    def live_on(cls, instant):
        """The server is started again on another day; None: today."""
        cls.province.stop()
        with open(cls.province.conf) as file:
            lines = [line for line in file if not line.startswith('clock_offset')]
        if instant:
            lines.insert(0, 'clock_offset = %ds\n' % (instant - datetime.datetime.now(cls.zone).replace(tzinfo=None)).total_seconds())
        with open(cls.province.conf, 'w') as file:
            file.writelines(lines)
        cls.province.start()

    def records(self, i):
        hundred = ['100'] * 96
        if i == self.SPOILED:
            return (readings(POWER, self.day(i), hundred[:48]) + readings(FACTOR, self.day(i), hundred[:48])
                    + readings(POWER, self.day(i) + DAY / 2, ['x'] * 20) + self.coal(i, '0.01'))
        return readings(POWER, self.day(i), hundred) + readings(FACTOR, self.day(i), hundred) + self.coal(i, '0.01')

    def coal(self, i, tonnes):
        return [nhjc.reading(COAL, self.day(i), tonnes, statType=1, inputType=5)]

    def upload(self, device, records):
        answer = device.upload(records, encoding='gzip')
        self.assertIn(answer.get('responseCode'), ('0', '2'), answer.get('responseMessage'))

    def report(self, days, *words, passed=False):
        """The report over the first days, as JSON; nhjcctl says by its exit status whether it is green."""
        self.province.rolled_up()
        done = self.province.ctl('report', 'conformity', self.code_of, '--from', midnight(self.first), '--to', midnight(self.day(days)), '--json', *words, check=False)
        self.assertEqual(done.returncode, 0 if passed else 1, done.stdout + done.stderr)
        answer = json.loads(done.stdout)
        self.assertEqual(answer['passed'], passed)
        return answer

    def red(self, answer):
        return [rule['key'] for rule in answer['rules'] if not rule['passed']]

    def names(self, *days):
        return [self.day(i).strftime('%Y-%m-%d') for i in days]

    def register(self):
        self.live_on(self.day(1) + datetime.timedelta(minutes=20))
        self.code_of = self.stack.enterprise(155, admit=False, certificate=False)
        self.step('apply', '--name', '试验企业', '--region', '420100', '--industry', 'C3120')
        self.step('approve')
        self.step('certify', '--out', self.province.pki)
        # One upload a night: what comes within a day of its interval is in time.
        self.province.sql("UPDATE unit SET upload_period = 86400 WHERE code = '%s'; SELECT pg_notify('nhjc_registry', '%s')" % (self.code_of, self.code_of))
        device = wait(self.registered, what='the server learning of the certificate')
        self.code(device.configure([SUM, MEAN, COAL_ITEM]), 0)
        self.step('trial', '--from', self.first.strftime('%Y-%m-%d'), '--reason', 'compressed clock')
        return device

    def registered(self):
        try:
            return nhjc.Device(self.province.client(self.code_of), self.code_of)
        except nhjc.Fault:
            return None

    def step(self, verb, *words, refused=False):
        """One step of the admission; refused: its words."""
        done = self.province.ctl('enterprise', verb, self.code_of, *words, check=False)
        self.assertEqual(done.returncode, 1 if refused else 0, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def beat(self, device, instant):
        self.code(device.client.call('access', 'Heartbeat', ('deviceId', device.id), ('deviceTime', instant.strftime('%Y-%m-%d %H:%M:%S'))), 0)

    def live_through(self, device):
        for i in range(self.LAST + 1):
            now = self.day(i + 1) + datetime.timedelta(minutes=10)  # the first interval of the day was due at 00:20
            self.live_on(now)
            if i == self.OUTAGE:
                continue
            self.upload(device, self.records(i))
            if i == self.OUTAGE + 1:
                before = self.report(i + 1)
                self.assertEqual((before['spoiledDays'], self.red(before)), (self.names(self.SPOILED, self.OUTAGE), ['continuousDays', 'makeUp', 'clock']))
                self.upload(device, self.records(self.OUTAGE))
                self.assertEqual(self.report(i + 1)['spoiledDays'], self.names(self.SPOILED))
            if i == self.LAST - 1:
                self.beat(device, now - datetime.timedelta(minutes=10))
                self.assertEqual(self.red(self.report(i + 1)), ['continuousDays', 'clock'])
                self.beat(device, now)
                self.assertEqual(self.red(self.report(i + 1)), ['continuousDays'])
                self.assertIn('Continuous days', self.step('accept', refused=True))

    def test_the_report_turns_green_on_the_fifteenth_good_day_and_names_the_spoiled_one(self):
        device = self.register()
        self.live_through(device)
        answer = self.report(self.LAST + 1, passed=True)
        self.assertEqual(answer['spoiledDays'], self.names(self.SPOILED))
        self.assertEqual((answer['window']['days'], answer['window']['first']), (15, midnight(self.day(3))))
        self.assertEqual((answer['window']['expected'], answer['window']['received'], answer['window']['late']), (15 * 193, 15 * 193, 193))
        spoiled = answer['days'][self.SPOILED]
        self.assertEqual([spoiled[n] for n in ('expected', 'received', 'onTime', 'late', 'rejected', 'completeness', 'continuousDays', 'spoiled')],
                         [193, 117, 97, 0, 20, 0.502591, 0, True])
        self.assertEqual([(o['from'], o['to'], o['expected'], o['madeUp']) for o in answer['outages']],
                         [(midnight(self.day(self.OUTAGE)), midnight(self.day(self.OUTAGE + 1)), 192, 192)])
        self.query_agrees(answer)
        self.step('accept')
        self.assertEqual(self.province.sql("SELECT state FROM unit WHERE code = '%s'" % self.code_of)[0][0], 'accepted')
        self.documents()
        self.what_makes_it_red_again(device)

    def query_agrees(self, answer):
        rows = self.province.client().call('query', 'QueryQuality', ('enterpriseCode', self.code_of), ('from', midnight(self.first)), ('to', midnight(self.day(self.LAST + 1)))).all('row')
        names = ('expected', 'received', 'onTime', 'late', 'rejected', 'continuousDays')
        self.assertEqual([[int(row.get(n)) for n in names] for row in rows], [[day[n] for n in names] for day in answer['days']])

    def documents(self):
        html, pdf = (os.path.join(self.stack.dir, 'report.' + kind) for kind in ('html', 'pdf'))
        self.report(self.LAST + 1, '--out', html, passed=True)
        with open(html, encoding='utf-8') as file:
            text = file.read()
        self.assertIn('数据接入符合性测试报告', text)
        self.assertIsNone(re.search(r'(?:src|href)=|url\(', text), 'the document needs something besides itself')
        for tool in ('weasyprint', 'pdftotext', 'pdffonts'):
            self.assertTrue(shutil.which(tool), '%s is missing: sh etc/packages.sh report test' % tool)
        self.report(self.LAST + 1, '--pdf', pdf, passed=True)
        words = run('pdftotext', '-layout', pdf, '-').stdout
        for expected in ('数据接入符合性测试报告', '✓ 合格', '试验企业', self.code_of) + tuple(self.names(self.SPOILED)):
            self.assertIn(expected, words)
        self.assertRegex(subprocess.run(['pdffonts', pdf], stdout=subprocess.PIPE, text=True, check=True).stdout,
                         r'(?i)(wenquanyi|noto.?sans.?cjk)', 'no font for Chinese is in the PDF')

    def what_makes_it_red_again(self, device):
        self.upload(device, self.coal(10, '100'))  # a correction: by hand, and more than a quarter of all energy
        self.assertEqual(self.red(self.report(self.LAST + 1)), ['metered'])
        self.upload(device, self.coal(10, '0.01'))
        self.report(self.LAST + 1, passed=True)
        self.typed_in_by_hand(device)
        self.province.ctl('pki', 'revoke', self.code_of)
        self.assertEqual(self.red(self.report(self.LAST + 1)), ['certificate'])

    def typed_in_by_hand(self, device):
        """Four of eighteen days of a metered item are replaced by hand: 22 %; the readings say so, the configuration does not."""
        for i in range(4, 8):
            self.upload(device, readings(POWER, self.day(i), ['101'] * 96, inputType=5))
        answer = self.report(self.LAST + 1)
        self.assertEqual(self.red(answer), ['metered'])
        power = {e['inputType']: (e['metered'], e['tce'], e['ownTypeTce']) for e in answer['energies'] if e['dataCode'] == POWER}
        self.assertEqual(power[5], (False, 4.766552, 4.766552))  # 4 days of 9,696 kWh: 1.191638 tce each
        self.assertEqual((power[4][0], power[4][2]), (True, 0))
        words = next(rule for rule in answer['rules'] if rule['key'] == 'metered')['reason']
        self.assertIn('4.766552 tce 按读数自带的 inputType', words)
        for i in range(4, 8):
            self.upload(device, readings(POWER, self.day(i), ['100'] * 96))
        self.report(self.LAST + 1, passed=True)

    def test_an_enterprise_without_anything_is_told_what_is_missing(self):
        code = self.stack.enterprise(156, certificate=False)
        done = self.province.ctl('report', 'conformity', code, check=False)
        self.assertEqual(done.returncode, 1)
        for words in ('没有有效的证书', '尚未上传采集配置', 'no end device is registered', '不合格 / not passed'):
            self.assertIn(words, done.stdout)
        self.assertIn('no such enterprise', self.province.ctl('report', 'conformity', nhjc.uscc(999996), check=False).stderr)
        self.assertEqual(self.province.ctl('report', 'conformity', check=False).returncode, 2)


if __name__ == '__main__':
    main()
