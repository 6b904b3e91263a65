"""nhjcctl trace: one reading's life from the upload to the upper platform's answer."""
import json
import re

import nhjc
from stack import StackCase, main, wait
from testdata import BASIC, COUNTER, POWER, REGISTER, readings


class Trace(StackCase):
    upper = True

    def trace(self, *words, check=True):
        return self.province.ctl('trace', self.device.enterprise, POWER, *words, check=check)

    def document(self, *words, check=True):
        return json.loads(self.trace(*words, '--json', check=check).stdout)

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
        self.assertEqual(len(re.findall(r'(?m)^  [\d-]+ [\d:]+  上传 upload \d', told)), 3)  # two carriers and one correction; the third upload is not among them

    def test_a_reading_judged_again_says_so(self):
        device = self.stack.device(84, [COUNTER])
        for at, value in (('00:00', '100'), ('00:30', '150'), ('00:15', '400')):
            device.upload(readings(REGISTER, '2018-04-03 ' + at, [value]))
        told = self.province.ctl('trace', device.enterprise, REGISTER, '2018-04-03 00:30:00').stdout
        self.assertIn('corrections: 1', told)
        self.assertRegex(told, 'upload [0-9]+  因前面的读数变化重新判定 judged again, for readings before it changed:  .*3207')
        device.upload(readings(REGISTER, '2018-04-03 00:15', ['120']))
        self.assertIn('不再可疑 doubted no more', self.province.ctl('trace', device.enterprise, REGISTER, '2018-04-03 00:30:00').stdout)

    def test_every_station_is_in_one_json_document(self):
        first = self.device.upload(readings(POWER, '2018-05-01 00:00', ['1', '2']))
        second = self.device.upload(readings(POWER, '2018-05-01 00:15', ['1234567.000001']))
        wait(lambda: [f['state'] for u in self.document('2018-05-01 00:15:00')['uploads'] for f in u['forwarded']] == ['sent', 'sent'],
             60, what='the settled messages')
        self.province.rolled_up()
        told = self.document('2018-05-01 00:15:00')
        self.assertEqual((told['enterpriseCode'], told['dataCode'], told['statType'], told['statDate']),
                         (self.device.enterprise, POWER, 0, '2018-05-01 00:15:00'))
        self.assertEqual((told['item']['aggregation'], told['item']['period'], told['item']['active']), ('sum', 900, True))
        self.assertEqual(told['stored'], {'value': '1234567.000001', 'flags': ['late']})
        self.assertEqual([(c['uploadId'], c['oldValue'], c['newValue']) for c in told['corrections']], [(second.get('uploadId'), '2', '1234567.000001')])
        rows = {row['granularity']: row for row in told['rows']}
        self.assertEqual(list(rows), ['hour', 'day', 'month', 'year'])
        self.assertEqual((rows['day']['statDate'], rows['day']['value'], rows['day']['count'], rows['day']['expected']),
                         ('2018-05-01 00:00:00', '1234568.000001', 2, 96))
        self.assertIsInstance(rows['day']['completeness'], str)
        self.assertEqual([u['uploadId'] for u in told['uploads']], [first.get('uploadId'), second.get('uploadId')])
        self.assertEqual([(r['value'], r['valid']) for r in told['uploads'][1]['records']], [('1234567.000001', True)])
        answer = told['uploads'][1]['forwarded'][0]
        self.assertEqual((answer['destination'], answer['answer']['responseCode']), ('nation', 0))
        self.assertTrue(answer['answer']['uploadId'].isdigit())

    def test_whatever_words_stand_in_it_the_json_is_valid(self):
        self.province.sql("UPDATE collect_item SET name = E'a\"b\\\\c\\n<总表>' WHERE data_code = '%s' AND unit_id = "
                          "(SELECT id FROM unit WHERE code = '%s')" % (POWER, self.device.enterprise))
        self.device.upload(readings(POWER, '2018-05-03 00:00', ['1', '"x\\']))
        told = self.document('2018-05-03 00:15:00')
        self.assertEqual(told['item']['name'], 'a"b\\c\n<总表>')
        self.assertIsNone(told['stored'])
        self.assertEqual(told['uploads'][0]['records'][0]['value'], '"x\\')
        self.assertEqual([(f['code'], f['severity']) for f in told['uploads'][0]['findings']], [(3201, 'error')])
        self.device.upload(readings(POWER, '2018-05-04 00:00', ['1']), digest='0' * 64)
        told = self.document('2018-05-04')
        self.assertIn(2104, [r['code'] for r in told['refused']])
        self.assertEqual(told['refusedCount'], len(told['refused']))

    def test_the_json_of_what_is_not_there(self):
        told = self.document('2018-05-05')
        self.assertEqual((told['stored'], told['uploads'], told['corrections']), (None, [], []))
        unknown = self.province.ctl('trace', self.device.enterprise, '0000000002339910', '2018-05-05', '--json', check=False)
        self.assertEqual((unknown.returncode, json.loads(unknown.stdout)['item']), (1, None))
        nobody = self.province.ctl('trace', '91420100000000000X', POWER, '2018-05-05', '--json', check=False)
        self.assertEqual((nobody.returncode, nobody.stdout), (1, ''))

    def test_a_refused_record_is_told_with_its_finding(self):
        self.device.upload(readings(POWER, '2018-04-03 00:00', ['1', 'x']))
        told = self.trace('2018-04-03 00:15:00').stdout
        self.assertIn('value now: (无 none)', told)
        self.assertRegex(told, r'3201 错误 error  行 line \d+')

    def test_a_record_of_an_item_nobody_configured_is_told_with_its_finding(self):
        unknown = '0000000002339910'
        upload = self.device.upload(readings(unknown, '2018-04-05 00:00', ['1']))
        told = self.province.ctl('trace', self.device.enterprise, unknown, '2018-04-05').stdout
        self.assertIn('not configured', told)
        self.assertIn('upload %s' % upload.get('uploadId'), told)
        self.assertRegex(told, r'3101 错误 error  行 line \d+')
        self.device.upload([nhjc.reading(POWER, '2018-01-01 00:00:00', '1', statType=3)])
        self.assertRegex(self.trace('2018-01-01', '--stat-type', '3').stdout, r'3304 错误 error')

    def test_of_a_document_without_line_breaks_only_its_own_findings_are_told(self):
        plain = nhjc.data(self.device.enterprise, self.device.id, readings(POWER, '2018-04-07 00:00', ['x', '2', '3.1234567']))
        self.device.send(plain.replace(b'\n', b''))
        told = [self.document('2018-04-07 00:%02d:00' % minute)['uploads'] for minute in (0, 15, 30)]
        self.assertEqual([[(f['code'], f['line']) for u in uploads for f in u['findings']] for uploads in told], [[(3201, 1)], [], [(3203, 1)]])

    def test_uploads_that_cannot_be_looked_into_any_more_are_counted(self):
        device = self.stack.device(86, BASIC)
        upload = device.upload(readings(POWER, '2018-04-08 00:00', ['1'])).get('uploadId')
        device.upload(readings(POWER, '2018-04-09 00:00', ['1']))
        self.province.sql('DELETE FROM upload_payload WHERE upload_id = %s' % upload)  # as if its month had expired
        told = self.province.ctl('trace', device.enterprise, POWER, '2018-04-08').stdout
        self.assertRegex(told, r'uploads that carried it:\n.*归档已过期.* 1\n')
        self.assertNotIn('(无 none)', told)
        self.assertEqual(json.loads(self.province.ctl('trace', device.enterprise, POWER, '2018-04-08', '--json').stdout)['expiredUploads'], 1)

    def test_uploads_refused_whole_are_told(self):
        self.device.upload(readings(POWER, '2018-04-06 00:00', ['1']), digest='0' * 64)
        self.assertRegex(self.trace('2018-04-06').stdout, r'refused whole meanwhile.*: \d+\n.*2104')

    def test_what_is_not_there_is_said(self):
        self.assertEqual(self.trace('2018-04-04 00:00:00').stdout.count('none'), 2)
        self.assertEqual(self.trace('yesterday', check=False).returncode, 2)
        nothing = self.trace('2018-04-04', '--from', '2019-01-01', '--to', '2018-01-01', check=False)
        self.assertEqual((nothing.returncode, nothing.stdout), (2, ''))
        self.assertEqual(self.province.ctl('trace', '91420100000000000X', POWER, '2018-04-04 00:00:00', check=False).returncode, 1)


if __name__ == '__main__':
    main()
