"""nhjcctl trace: one reading's life from the upload to the upper platform's answer."""
import re

import nhjc
from stack import StackCase, main, wait
from testdata import BASIC, POWER, readings


class Trace(StackCase):
    upper = True

    def trace(self, *words, check=True):
        return self.province.ctl('trace', self.device.enterprise, POWER, *words, check=check)

    def setUp(self):
        self.device = self.stack.device(80, BASIC)

    def test_every_station_of_a_reading_is_told(self):
        first = self.device.upload(readings(POWER, '2018-04-01 00:00', ['1', '2', 'x']))
        second = self.device.upload(readings(POWER, '2018-04-01 00:15', ['2.5']))
        self.device.upload(readings(POWER, '2018-04-02 00:15', ['9']))
        wait(lambda: self.stack.upper.number("SELECT count(*) FROM bv_infodb_energydata_province WHERE granularity = 'minute' AND "
                                       "enterprise_code = '%s' AND value = 2.5" % self.device.enterprise) == 1, 60, what='the forwarding')
        self.province.rolled_up()
        wait(lambda: 'sent' in self.trace('2018-04-01 00:15:00').stdout, 30, what='the settled message')
        told = self.trace('2018-04-01 00:15:00').stdout
        for part in ('value now: 2.5', 'corrections: 1', '2 → 2.5', 'upload %s' % first.get('uploadId'),
                     'upload %s' % second.get('uploadId'), '补传 late', 'to nation: sent'):
            self.assertIn(part, told)
        self.assertRegex(told, r'day\s+2018-04-01 00:00:00  值 value 3.5  个数 count 2/96')
        self.assertRegex(told, r'answer 0 upload \d+')
        self.assertEqual(len(re.findall(r'上传 upload \d', told)), 3)  # two carriers and one correction; the third upload is not among them

    def test_a_refused_record_is_told_with_its_finding(self):
        self.device.upload(readings(POWER, '2018-04-03 00:00', ['1', 'x']))
        told = self.trace('2018-04-03 00:15:00').stdout
        self.assertIn('value now: (无 none)', told)
        self.assertRegex(told, r'3201 error  行 line \d+')

    def test_a_record_of_an_item_nobody_configured_is_told_with_its_finding(self):
        unknown = '0000000002339910'
        upload = self.device.upload(readings(unknown, '2018-04-05 00:00', ['1']))
        told = self.province.ctl('trace', self.device.enterprise, unknown, '2018-04-05').stdout
        self.assertIn('not configured', told)
        self.assertIn('upload %s' % upload.get('uploadId'), told)
        self.assertRegex(told, r'3101 error  行 line \d+')
        self.device.upload([nhjc.reading(POWER, '2018-01-01 00:00:00', '1', statType=3)])
        self.assertRegex(self.trace('2018-01-01', '--stat-type', '3').stdout, r'3304 error')

    def test_uploads_refused_whole_are_told(self):
        self.device.upload(readings(POWER, '2018-04-06 00:00', ['1']), digest='0' * 64)
        self.assertRegex(self.trace('2018-04-06').stdout, r'refused whole meanwhile.*: \d+\n.*2104')

    def test_what_is_not_there_is_said(self):
        self.assertEqual(self.trace('2018-04-04 00:00:00').stdout.count('none'), 2)
        self.assertEqual(self.trace('yesterday', check=False).returncode, 2)
        self.assertEqual(self.province.ctl('trace', '91420100000000000X', POWER, '2018-04-04 00:00:00', check=False).returncode, 1)


if __name__ == '__main__':
    main()
