"""Registration and configuration of end devices."""
import nhjc
from stack import StackCase, main
from testdata import BASIC, FACTOR, GAS, MEAN, PERIOD, POWER, SUM, UNIT_POWER, readings


class Registration(StackCase):
    def test_the_same_device_gets_the_same_id(self):
        first = self.stack.device(30, serial='A')
        again = nhjc.Device(first.client, first.enterprise, 'A')
        other = nhjc.Device(first.client, first.enterprise, 'B')
        self.assertRegex(first.id, '^[0-9a-f]{32}$')
        self.assertEqual(again.id, first.id)
        self.assertNotEqual(other.id, first.id)

    def test_the_answer_holds_what_the_device_needs(self):
        answer = self.stack.device(30).registration
        self.code(answer, 0)
        self.assertRegex(answer.get('uploadTime'), r'^\d\d:\d\d:\d\d$')
        self.assertEqual(answer.get('uploadPeriod'), '900')
        self.assertIsNone(answer.get('secretKey'))
        self.assertEqual([(e.get('name'), e.get('url')) for e in answer.all('endpoint')],
                         [('access', self.province.url + '/services/access')])

    def test_upload_times_spread_over_the_enterprises(self):
        times = {self.stack.device(n).registration.get('uploadTime') for n in range(31, 37)}
        self.assertGreater(len(times), 1)

    def test_check_version(self):
        device = self.stack.device(30, BASIC)
        answer = device.client.call('access', 'CheckVersion', ('deviceId', device.id))
        self.code(answer, 0)
        self.assertEqual(answer.get('dicVersion'), device.dic_version)
        self.assertTrue(answer.get('configVersion'))

    def test_a_device_id_may_be_written_in_capitals(self):
        device = self.stack.device(30, BASIC, serial='capitals')
        device.id = device.id.upper()
        call = device.client.call
        self.code(call('access', 'CheckVersion', ('deviceId', device.id)), 0)
        self.code(device.configure(BASIC), 0)
        self.code(call('access', 'Heartbeat', ('deviceId', device.id), ('deviceTime', '2026-01-01 00:00:00')), 0)
        self.code(device.upload(readings(POWER, '2018-01-01 00:00', ['1'])), 0)
        self.assertEqual(self.province.number("SELECT count(*) FROM upload WHERE device_id = '%s'" % device.id.lower()), 1)

    def test_a_foreign_device_id_is_2109_like_one_that_nobody_has(self):
        device, other = self.stack.device(30, BASIC), self.stack.device(31, BASIC)
        answers = [device.client.call('access', 'CheckVersion', ('deviceId', device_id))
                   for device_id in (other.id, '0' * 32, 'nonsense')]
        for answer in answers:
            self.code(answer, 2109)
        self.assertEqual(len({answer.get('responseMessage').replace(other.id, '').replace('0' * 32, '').replace('nonsense', '')
                              for answer in answers}), 1)


class Configuration(StackCase):
    def version(self, answer):
        self.code(answer, 0)
        return int(answer.get('configVersion'))

    def refused(self, answer, code, line=None):
        self.code(answer, code)
        return self.finding(answer, code, line)

    def test_an_unchanged_document_keeps_its_version(self):
        device = self.stack.device(40)
        first = self.version(device.configure(BASIC))
        self.assertEqual(self.version(device.configure(BASIC)), first)
        self.assertEqual(self.version(device.configure(BASIC + [nhjc.collect_item(GAS, 'sum', '天然气', period=PERIOD)])), first + 1)

    def test_the_document_is_given_back_as_stored(self):
        device = self.stack.device(41)
        document = nhjc.config(device.enterprise, BASIC, name='甲 & 乙')
        self.code(device.configure_with(document), 0)
        answer = device.client.call('access', 'DownloadEnterprise', ('deviceId', device.id))
        self.code(answer, 0)
        self.assertEqual(nhjc.base64.b64decode(answer.get('content')), document)

    def test_names_keep_their_special_characters(self):
        device = self.stack.device(41)
        self.code(device.configure_with(nhjc.config(device.enterprise, [dict(SUM, name='A&B <"甲">')])), 0)
        self.assertEqual(self.province.sql("SELECT i.name FROM collect_item i JOIN unit ON unit.id = i.unit_id WHERE code = '%s' AND data_code = '%s'"
                                           % (device.enterprise, POWER)), [['A&B <"甲">']])

    def test_vanished_items_are_retired_and_come_back_in_their_slot(self):
        device = self.stack.device(42, [SUM, MEAN])
        question = ("SELECT slot, active FROM collect_item i JOIN unit ON unit.id = i.unit_id WHERE code = '%s' AND data_code = '%s'"
                    % (device.enterprise, FACTOR))
        slot = self.province.sql(question)
        self.code(device.upload(readings(FACTOR, '2018-01-01 00:00', ['50', '70'])), 0)
        self.code(device.configure([SUM]), 0)
        self.assertEqual(self.province.sql(question), [[slot[0][0], 'f']])
        answer = device.upload(readings(FACTOR, '2018-01-01 00:30', ['50']))
        self.code(answer, 2)
        self.finding(answer, 3101)
        self.code(device.configure([SUM, MEAN]), 0)
        self.assertEqual(self.province.sql(question), slot)
        self.code(device.upload(readings(FACTOR, '2018-01-01 00:30', ['50'])), 0)

    def test_a_broken_document_is_refused_whole_and_changes_nothing(self):
        device = self.stack.device(43)
        before = self.version(device.configure(BASIC))
        document = nhjc.config(device.enterprise, BASIC)
        self.refused(device.configure_with(document[:-30]), 2101)
        self.refused(device.configure_with(b'<!DOCTYPE x [<!ENTITY e "1">]>' + document), 2102)
        self.refused(device.configure_with(document.replace(b' typeCode="150"', b'')), 2103, 2)
        self.refused(device.configure_with(document.replace(b'aggregation="mean"', b'aggregation="median"')), 2103, 4)
        self.refused(device.configure_with(document.replace(b'scope="1" dataCode="%s"' % FACTOR.encode(), b'scope="2" dataCode="%s"' % FACTOR.encode())), 3103, 4)
        self.refused(device.configure_with(document.replace(b'</enterpriseConfig>', b'<odd/></enterpriseConfig>')), 2103)
        self.assertEqual(self.version(device.configure(BASIC)), before)

    def test_a_document_of_another_enterprise_is_refused(self):
        device, other = self.stack.device(43), self.stack.enterprise(44)
        answer = device.configure_with(nhjc.config(other, BASIC))
        self.code(answer, 2111)

    def test_contradictions_are_3501_with_the_line(self):
        device = self.stack.device(45)
        self.refused(device.configure([SUM, SUM]), 3501, 4)
        self.refused(device.configure([dict(SUM, period=7 * 60)]), 3501, 3)
        self.refused(device.configure([dict(SUM, dataUsageCode='11')]), 3501, 3)
        self.refused(device.configure([dict(SUM, dataValueMin='5', dataValueMax='4')]), 3501, 3)

    def test_items_fit_the_processes_and_units_of_the_document(self):
        device = self.stack.device(45)
        unit = nhjc.collect_item(UNIT_POWER, 'sum', '工序用电', period=PERIOD)
        objects = [('process', {'processCode': '01', 'processName': '炼钢'}),
                   ('processUnit', {'code': '03', 'name': '一号转炉', 'processCode': '01'})]
        self.refused(device.configure([SUM, unit], objects=objects), 3501, 6)
        objects[1][1]['processCode'] = '04'
        self.refused(device.configure([SUM], objects=objects), 3501, 4)
        objects[1][1].update(processCode='01', code='02')
        self.code(device.configure([SUM, unit], objects=objects), 0)
        answer = device.upload(readings(UNIT_POWER, '2018-01-01 00:00', ['5'], scope=3))
        self.code(answer, 0)


if __name__ == '__main__':
    main()
