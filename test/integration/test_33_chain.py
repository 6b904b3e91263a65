"""Three levels: enterprise, city platform, province, upper platform. Whatever stops in between, all three have the same rows."""
import json
import os
import re
import subprocess

import nhjc
from stack import StackCase, main, run, wait
from testdata import BASIC, FACTOR, POWER, in_folder, readings

UNSENT = ("SELECT (SELECT count(*) FROM outbox WHERE message IS NULL) + (SELECT count(*) FROM fep_message WHERE state <> 'sent')")
ROWS = ("SELECT granularity, data_code, stat_date, value, min, max, avg, count, expected, completeness, source, tce, co2 "
        "FROM bv_infodb_energydata_province WHERE enterprise_code = '%s' ORDER BY 1, 2, 3")


class Chain(StackCase):
    upper = True
    city = True

    def setUp(self):
        self.levels = [self.stack.city, self.province, self.stack.upper]

    def enterprise(self, number):
        """Admitted by the city alone; those above learn of it by what the city sends."""
        code, city = nhjc.uscc(number), self.stack.city
        city.ctl('enterprise', 'admit', code, '--name', '市管企业%d' % number, '--region', '420106', '--industry', 'C3120')
        city.ctl('pki', 'issue', '--enterprise', code, '--out', city.pki)
        return code

    def device(self, number):
        code = self.enterprise(number)
        device = nhjc.Device(self.stack.city.client(code), code, 'chain-1')
        self.code(device.configure(BASIC, region='420106'), 0)
        return device

    def settled(self, seconds=180):
        for level in self.levels:  # from below: what is sent on was taken in before
            wait(lambda: level.number(UNSENT) == 0, seconds, what='the end of the outbox of ' + level.part)
            level.rolled_up(seconds)

    def equal(self, code):
        self.settled()
        rows = [level.sql(ROWS % code) for level in self.levels]
        self.assertTrue(rows[0])
        self.assertEqual(rows[1], rows[0], 'province against city')
        self.assertEqual(rows[2], rows[0], 'upper against city')
        return rows[0]

    def stored_once(self, code, count):
        for level in self.levels[1:]:
            self.assertEqual(level.number("SELECT count(v) FROM reading_frame f JOIN unit ON unit.id = f.unit_id, unnest(f.value) v WHERE code = '%s'" % code), count)
            self.assertEqual(level.number("SELECT count(*) FROM correction c JOIN unit ON unit.id = c.unit_id WHERE code = '%s'" % code), 0)

    def test_what_the_city_takes_in_is_the_same_on_three_levels(self):
        device = self.device(400)
        self.code(device.upload(readings(POWER, '2018-01-01 00:00', ['1', '2', 'x', '4']) + readings(FACTOR, '2018-01-01 00:00', ['50', '60'])), 2)
        self.code(device.upload(readings(POWER, '2018-01-01 00:00', ['1', '2.5'])), 0)  # a correction
        self.code(device.upload([nhjc.reading(FACTOR, '2018-01-01 00:15:00', '60', valid='false')]), 0)
        self.equal(device.enterprise)
        for level in self.levels:
            level.verified('--enterprise', device.enterprise)
            self.assertEqual(level.sql("SELECT region_code FROM unit WHERE code = '%s'" % device.enterprise), [['420106']])
        for level in self.levels:  # also where it never uploaded itself
            shown = level.ctl('enterprise', 'show', device.enterprise).stdout
            self.assertRegex(shown, r'last day with readings +2018-01-01\n')
        for level, destination in ((self.stack.city, 'province'), (self.province, 'nation')):
            self.assertEqual(json.loads(level.ctl('outbox', 'reconcile', destination, '--from', '2018-01-01', '--to', '2018-01-03', '--json').stdout or '[]'), [])

    def renew(self, days):
        city = self.stack.city
        city.ctl('pki', 'issue', '--platform', '420100', '--days', days, '--out', city.pki)
        city.stop()
        city.start()

    def left(self):
        found = re.search(r'(?m)^nhjc_fep_certificate_seconds_left\{destination="province"\} (\d+)$', self.stack.city.ctl('metrics').stdout)
        return int(found.group(1)) if found else 0

    def test_a_certificate_that_expires_at_the_destination_is_told_before(self):
        city = self.stack.city
        self.assertGreater(wait(self.left, 30, what='the gauge'), 365 * 86400)
        self.addCleanup(self.renew, 3650)
        self.renew(5)
        self.assertLess(wait(self.left, 30, what='the gauge'), 6 * 86400)
        # five whole days within the first second, four of them after it
        wait(lambda: re.search('certificate_expiring destination="?province"? days=[45]', city.log()), 30, what='the line')
        self.assertIn('province', city.ctl('config', 'check').stderr)

    def test_an_outage_in_the_middle_is_made_up(self):
        device = self.device(401)
        self.code(device.upload(readings(POWER, '2018-01-01 00:00', ['1'])), 0)
        self.equal(device.enterprise)
        self.province.stop()
        try:
            for day in range(2, 10):
                self.code(device.upload(readings(POWER, '2018-01-%02d 00:00' % day, ['1.5', '2', '3'])), 0)
            self.assertGreater(self.stack.city.number(UNSENT), 0)
        finally:
            self.province.start()
        self.equal(device.enterprise)
        self.stored_once(device.enterprise, 1 + 8 * 3)

    def test_kills_of_the_middle_while_data_flow_lose_and_double_nothing(self):
        code = self.enterprise(402)
        csv = in_folder(self.stack, 'chain-402.csv', days=20, seed=402, missing=0.01)
        certificate, key = self.stack.city.certificate(code)
        sim = subprocess.Popen([os.path.join(os.path.dirname(self.stack.simulator(code)[0]), 'nhjc-sim'), '--url', self.stack.city.url, '--ca', self.stack.env['NHJC_CA'],
                                '--cert', certificate, '--key', key, '--enterprise', code, '--spool', os.path.join(self.stack.dir, 'chain-402'), '--csv', csv,
                                '--per-upload', '40', '--json', '--progress', '0'], stdout=subprocess.PIPE, text=True)
        for _ in range(3):
            before = self.province.number('SELECT count(*) FROM upload')
            wait(lambda: sim.poll() is not None or self.province.number('SELECT count(*) FROM upload') > before, 60, what='an upload through the city')
            self.province.kill()
            self.province.start()
        summary = json.loads(sim.communicate()[0])
        self.assertEqual(sim.returncode, 0)
        self.assertEqual(summary['stored'], summary['readings'])
        self.equal(code)
        self.stored_once(code, summary['readings'])
        for level in self.levels:
            level.verified('--enterprise', code)


if __name__ == '__main__':
    main()
