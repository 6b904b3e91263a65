"""UploadData: what is accepted, what is refused whole, what is refused record by record, with code and line."""
import hashlib
import struct
import zlib
from datetime import datetime, timedelta

import nhjc
from stack import StackCase, main
from testdata import BASIC, COUNTER, FACTOR, POWER, REGISTER, SUM, readings, slots


def platform_now():
    return datetime.utcnow() + timedelta(hours=8)


class Whole(StackCase):
    """Communication level: the whole message is refused and uses up no messageId."""

    def setUp(self):
        self.device = self.stack.device(50, BASIC)
        self.records = readings(POWER, '2018-01-01 00:00', ['1.5', '2.5', '3.5'])
        self.plain = nhjc.data(self.device.enterprise, self.device.id, self.records)

    def refused(self, plain, code, line=None, **seal):
        """Refused with this code; the same messageId is free afterwards."""
        message_id = nhjc.new_id()
        answer = self.device.send(plain, message_id, **seal)
        self.code(answer, code)
        self.counts(answer, 0)
        found = self.finding(answer, code, line)
        self.assertEqual(found.get('level'), 'communication')
        self.code(self.device.send(self.plain, message_id), 0)
        return found

    def test_a_truncated_document_is_2101_where_it_ends(self):
        self.refused(self.plain[:-20], 2101, 4)
        self.refused(self.plain[:self.plain.index(b'dataValue="2.5')], 2101, 3)

    def test_gbk_bytes_are_2101_at_their_line(self):
        broken = self.plain.replace(b'dataValue="2.5"', b'dataValue="2.5" remark="' + '钢'.encode('gbk') + b'"')
        self.refused(broken, 2101, 3)

    def test_a_declared_encoding_other_than_utf8_is_2101(self):
        for head in (b'<?xml version="1.0" encoding="GBK"?>\n', b'<?xml version="1.0" encoding="ISO-8859-1"?>\n', b'<?xml version="1.1"?>\n'):
            self.refused(head + self.plain, 2101, 1)

    def test_a_byte_order_mark_and_instructions_are_accepted(self):
        answer = self.device.send(b'\xef\xbb\xbf<?xml version="1.0" encoding="utf-8"?>\n<?style x?>\n<!-- note -->\n' + self.plain)
        self.code(answer, 0)

    def test_a_dtd_is_2102_with_its_line(self):
        entity = b'<?xml version="1.0"?>\n<!DOCTYPE energyData [\n<!ENTITY a "1">\n]>\n'
        self.refused(entity + self.plain, 2102)
        self.refused(b'<!DOCTYPE energyData SYSTEM "file:///etc/passwd">\n' + self.plain, 2102, 1)
        bomb = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>\n' + self.plain.replace(b'"1.5"', b'"&b;"')
        self.refused(bomb, 2102, 1)

    def test_the_schema_is_kept_with_the_line(self):
        for old, new, line in ((b'statType="0"', b'', 2), (b'statType="0"', b'statType="9"', 2), (b'inputType="4"', b'inputType="8"', 2),
                               (b'scope="1"', b'scope="0"', 2), (b'scope="1"', b'scope="1" valid="yes"', 2),
                               (b'scope="1"', b'scope="1" surprise="1"', 2), (b'<data ', b'<datum ', 2),
                               (b'dataValue="1.5"', b'', 2), (b'uploadDate=', b'upload=', 1)):
            self.refused(self.plain.replace(old, new, 1), 2103, line)
        self.refused(self.plain.replace(b'urn:nhjc:data:v1', b'urn:nhjc:data:v2'), 2103, 1)
        self.refused(b'<other xmlns="urn:nhjc:data:v1"/>', 2103, 1)

    def test_words_of_the_envelope_are_checked(self):
        for name in ('contentEncoding', 'encryption', 'digestMethod'):
            fields = [(key, 'nonsense' if key == name else value) for key, value in self.device.fields(self.plain)]
            self.fault(2103, self.device.client.call, 'access', 'UploadData', *fields)

    def test_a_wrong_digest_is_2104(self):
        self.refused(self.plain, 2104, digest='0' * 64)
        self.refused(self.plain, 2104, digest='nonsense')
        self.refused(self.plain, 2104, digest=hashlib.sha256(self.plain[:-1]).hexdigest())
        self.refused(self.plain, 2104, method='SM3', digest=hashlib.sha256(self.plain).hexdigest())

    def test_digests_in_any_case_and_by_sm3(self):
        self.code(self.device.send(self.plain, digest=hashlib.sha256(self.plain).hexdigest().upper()), 0)
        self.code(self.device.send(self.plain, method='SM3'), 0)

    def test_encryption_without_a_key_is_2105(self):
        fields = [(key, 'SM4-CBC' if key == 'encryption' else value) for key, value in self.device.fields(self.plain)]
        answer = self.device.client.call('access', 'UploadData', *fields)
        self.code(answer, 2105)

    def test_what_is_not_gzip_is_2106(self):
        packed = nhjc.gzip.compress(self.plain)
        for content in (self.plain, packed[:-10], packed[:30], packed[:-8] + struct.pack('<II', 0, len(self.plain)), b'', zlib.compress(self.plain)):
            fields = [(key, content if key == 'content' else value) for key, value in self.device.fields(self.plain, encoding='gzip')]
            self.code(self.device.client.call('access', 'UploadData', *fields), 2106)

    def test_a_gzip_bomb_is_2106(self):
        self.refused(self.plain.replace(b'uploadDate', b' ' * (70 << 20) + b'uploadDate'), 2106, encoding='gzip')

    def test_too_deep_is_2103_at_the_first_wrong_element_and_too_many_attributes_are_2106(self):
        deep = b'<energyData xmlns="urn:nhjc:data:v1">' + b'<a>' * 100
        self.refused(deep, 2103, 1)
        wide = self.plain.replace(b'<data ', b'<data ' + b' '.join(b'a%d="1"' % i for i in range(200)) + b' ', 1)
        self.refused(wide, 2106, 2)

    def test_gzip_is_taken(self):
        answer = self.device.send(self.plain, encoding='gzip')
        self.code(answer, 0)
        self.assertEqual(answer.number('recordsReceived'), 3)

    def test_an_unknown_or_foreign_device_is_2109(self):
        other = self.stack.device(51, BASIC)
        answers = []
        for device_id in ('f' * 32, other.id):
            fields = [(key, device_id if key == 'deviceId' else value) for key, value in self.device.fields(self.plain)]
            answers.append(self.device.client.call('access', 'UploadData', *fields))
            self.code(answers[-1], 2109)
        self.assertEqual(answers[0].get('responseMessage').replace('f' * 32, ''), answers[1].get('responseMessage').replace(other.id, ''))

    def test_a_payload_of_another_enterprise_or_device_is_2111(self):
        other = self.stack.device(51, BASIC)
        self.refused(nhjc.data(other.enterprise, self.device.id, self.records), 2111, 1)
        self.refused(nhjc.data(self.device.enterprise, other.id, self.records), 2111, 1)

    def test_refusals_are_listed_for_the_operator(self):
        self.device.send(self.plain[:-20], 'listed-2101')
        rows = self.province.sql("SELECT code, operation FROM upload_refused WHERE message_id = 'listed-2101' AND sender_code = '%s'"
                                 % self.device.enterprise)
        self.assertEqual(rows, [['2101', 'UploadData']])


class Records(StackCase):
    """Business level: a record is refused alone; the others are stored."""

    def setUp(self):
        self.device = self.stack.device(52, [SUM, BASIC[1], COUNTER])

    def refused(self, bad, code, good=2):
        """One bad record between good ones: its code and line, the others stored."""
        records = readings(POWER, '2018-02-01 00:00', ['1'] * (good + 1))
        answer = self.device.upload(records[:1] + [dict(records[good], **bad)] + records[1:good])
        self.code(answer, 2)
        self.assertEqual(answer.number('recordsRejected'), 1)
        self.assertEqual(answer.number('recordsReceived'), good + 1)
        self.assertEqual(sum(answer.number('records' + n) for n in ('Stored', 'Unchanged', 'Corrected')), good)
        found = self.finding(answer, code, 3)
        self.assertEqual(found.get('level'), 'business')
        return found

    def test_an_unknown_code_is_3101(self):
        found = self.refused({'dataCode': '0000000002330060'}, 3101)
        self.assertEqual(found.get('dataCode'), '0000000002330060')

    def test_a_malformed_code_is_3102(self):
        for code in ('', '000000000233001', '00000000023300100', '000000000233001x', '00-00-0000023400-80', ' 000000002330010'):
            self.refused({'dataCode': code}, 3102)

    def test_the_dashed_form_is_the_same_item(self):
        answer = self.device.upload(readings(POWER, '2018-02-02 00:00', ['4']))
        self.counts(answer, 1, stored=1)
        answer = self.device.upload(readings('00-00-0000-023300-10', '2018-02-02 00:00', ['4']))
        self.counts(answer, 1, unchanged=1)

    def test_a_scope_against_the_code_is_3103(self):
        for scope in (2, 3, 4):
            self.refused({'scope': scope}, 3103)

    def test_a_segment_that_does_not_exist_is_3104(self):
        answer = self.device.configure([SUM, nhjc.collect_item('0000000099330010', 'sum', '类别不存在', period=900)])
        self.code(answer, 3104)
        self.finding(answer, 3104, 4)

    def test_what_is_not_a_plain_decimal_is_3201(self):
        for value in ('', 'abc', '1e3', '1,5', '.5', '5.', '0x10', 'NaN', 'INF', '--1', '１２', '1 2', ' 1', '+'):
            self.refused({'dataValue': value}, 3201)

    def test_signs_leading_zeros_and_long_fractions_are_numbers(self):
        values = ['+1', '007.50', '0.0000005', '1.0000015', '3.1234565', '2']
        answer = self.device.upload(readings(FACTOR, '2018-02-03 00:00', values))
        self.assertEqual(answer.get('responseCode'), '0')
        rows = nhjc.query_rows(self.province.client(), [self.device.enterprise], 'minute', '2018-02-03 00:00:00', '2018-02-03 01:30:00', [FACTOR])
        self.assertEqual([row.get('value') for row in rows], ['1', '7.5', '0', '1.000002', '3.123456', '2'])

    def test_values_outside_the_limits_are_3202(self):
        for value in ('1000000000', '-1000000000', '999999999.9999999', '99999999999999999999999999'):
            self.refused({'dataValue': value}, 3202)
        answer = self.device.upload(readings(POWER, '2018-02-04 00:00', ['999999999.999999']))
        self.counts(answer, 1, stored=1)

    def test_registers_may_be_larger(self):
        answer = self.device.upload(readings(REGISTER, '2018-02-04 00:00', ['999999999999.999999', '1000000000000']))
        self.code(answer, 2)
        self.finding(answer, 3202, 3)
        self.assertEqual(answer.number('recordsStored'), 1)

    def test_configured_bounds_are_inclusive(self):
        device = self.stack.device(53, [dict(SUM, dataValueMin='1.5', dataValueMax='10')])
        answer = device.upload(readings(POWER, '2018-01-01 00:00', ['1.499999', '1.5', '10', '10.000001']))
        self.code(answer, 2)
        self.finding(answer, 3202, 2)
        self.finding(answer, 3202, 5)
        self.counts(answer, 4, stored=2, rejected=2)

    def test_a_negative_quantity_is_3206_and_a_negative_mean_is_fine(self):
        answer = self.device.upload(readings(POWER, '2018-02-05 00:00', ['-1']) + readings(FACTOR, '2018-02-05 00:00', ['-1']))
        self.assertEqual([f.get('code') for f in answer.all('finding')], ['3206'])
        self.assertEqual(answer.all('finding')[0].get('line'), '2')

    def test_what_is_not_a_time_or_off_the_grid_is_3301(self):
        for date in ('', '2018-02-30 00:00:00', '2018-02-01', '2018-02-01 24:00:00', '2018-02-01 00:00', '2018/02/01 00:00:00',
                     '2018-02-01 00:07:00', '2018-02-01 00:00:01', '2018-02-01T00:00:00', 'yesterday'):
            self.refused({'statDate': date}, 3301)

    def test_the_three_forms_of_a_time_mean_the_same(self):
        for i, date in enumerate(('2018-02-06 08:00:00', '20180206080000', '2018-02-06T00:00:00Z', '2018-02-06T08:00:00+08:00', '2018-02-05T19:00:00-05:00')):
            answer = self.device.upload([nhjc.reading(POWER, date, '9')])
            self.counts(answer, 1, **({'unchanged': 1} if i else {'stored': 1}))

    def test_the_future_is_3302(self):
        now = platform_now().replace(minute=0, second=0, microsecond=0)
        self.refused({'statDate': (now + timedelta(hours=2)).strftime('%Y-%m-%d %H:%M:%S')}, 3302)
        self.refused({'statDate': '2099-01-01 00:00:00'}, 3302)
        answer = self.device.upload([nhjc.reading(POWER, now - timedelta(hours=1), '1')])
        self.assertEqual(answer.get('responseCode'), '0')

    def test_before_2010_is_3303(self):
        self.refused({'statDate': '2009-12-31 23:45:00'}, 3303)
        answer = self.device.upload([nhjc.reading(POWER, '2010-01-01 00:00:00', '1')])
        self.assertEqual(answer.get('responseCode'), '0')

    def test_a_stat_type_without_item_is_3304(self):
        self.refused({'statType': 1, 'statDate': '2018-02-01 00:00:00'}, 3304)

    def test_counts_add_up_with_everything_at_once(self):
        self.device.upload(readings(POWER, '2018-02-07 00:00', ['1', '2', '3']))
        records = readings(POWER, '2018-02-07 00:00', ['1', '2', '4', '5', 'x']) + [nhjc.reading('x', '2018-02-07 00:00:00', '1')]
        answer = self.device.upload(records)
        self.code(answer, 2)
        self.counts(answer, 6, stored=1, unchanged=2, corrected=1, rejected=2)
        self.finding(answer, 3201, 6)
        self.finding(answer, 3102, 7)

    def test_a_message_of_bad_records_only_is_still_received(self):
        message_id = nhjc.new_id()
        answer = self.device.upload(readings(POWER, '2018-02-08 00:00', ['x', 'y']), message_id)
        self.code(answer, 2)
        self.counts(answer, 2, rejected=2)
        again = self.device.upload(readings(POWER, '2018-02-08 00:00', ['x', 'y']), message_id)
        self.assertEqual(again.get('duplicate'), 'true')

    def test_more_findings_than_reported_are_counted(self):
        answer = self.device.upload([nhjc.reading(POWER, '2018-02-09 00:00:00', 'x') for _ in range(1200)])
        self.code(answer, 2)
        self.counts(answer, 1200, rejected=1200)
        self.assertEqual(answer.get('findingsTruncated'), 'true')
        self.assertEqual(len(answer.all('finding')), 1000)

    def test_an_empty_message_is_accepted(self):
        self.counts(self.code(self.device.upload([]), 0), 0)

    def test_the_first_accepted_instant_in_any_form(self):
        for i, date in enumerate(('2009-12-31T16:00:00Z', '2010-01-01T00:00:00+08:00', '20100101000000')):
            answer = self.device.upload([nhjc.reading(FACTOR, date, '3')])
            self.counts(answer, 1, **({'unchanged': 1} if i else {'stored': 1}))
        answer = self.device.upload([nhjc.reading(FACTOR, date, '3') for date in ('2009-12-31T15:45:00Z', '2009-12-31T15:59:59Z')])
        self.finding(answer, 3303, 2)
        self.finding(answer, 3301, 3)

    def test_as_many_records_as_allowed_and_one_more(self):
        device = self.stack.device(55, [dict(SUM, period=60)])
        line = b'<data dataCode="%s" statType="0" statDate="%%s" dataValue="1" inputType="4" scope="1"/>' % POWER.encode()
        begin = datetime(2013, 1, 1)
        lines = [line % (begin + timedelta(minutes=i)).strftime('%Y-%m-%d %H:%M:%S').encode() for i in range(200001)]
        head, tail = nhjc.data(device.enterprise, device.id, []).split(b'\n\n')
        answer = device.send(head + b'\n' + b'\n'.join(lines) + b'\n' + tail, encoding='gzip')
        self.code(answer, 2106)
        answer = device.send(head + b'\n' + b'\n'.join(lines[:-1]) + b'\n' + tail, encoding='gzip')
        self.counts(answer, 200000, stored=200000)
        self.province.rolled_up()
        rows = nhjc.query_rows(self.province.client(), [device.enterprise], 'year', '2013-01-01 00:00:00', '2014-01-01 00:00:00')
        self.assertEqual([(row.get('value'), row.get('expected')) for row in rows], [('200000', '525600')])

    def test_large_messages_are_stored_whole(self):
        begin = slots('2014-01-01 00:00', 20000)
        answer = self.device.upload([nhjc.reading(POWER, at, '1.25') for at in begin], encoding='gzip')
        self.counts(answer, 20000, stored=20000)
        rows = nhjc.query_rows(self.province.client(), [self.device.enterprise], 'minute', '2014-01-01 00:00:00', '2015-01-01 00:00:00', [POWER])
        self.assertEqual(len(rows), 20000)


class Archive(StackCase):
    def test_the_upload_stays_as_it_arrived(self):
        device = self.stack.device(54, BASIC)
        plain = nhjc.data(device.enterprise, device.id, readings(POWER, '2018-01-01 00:00', ['1', 'x']))
        fields = device.fields(plain, encoding='gzip')
        answer = device.client.call('access', 'UploadData', *fields)
        rows = self.province.sql("SELECT encode(content, 'hex'), encoding, rejected FROM upload_payload WHERE upload_id = %s" % answer.get('uploadId'))
        self.assertEqual(rows, [[dict(fields)['content'].hex(), '1', '{1}']])
        findings = self.province.sql("SELECT code, line FROM upload_finding WHERE upload_id = %s" % answer.get('uploadId'))
        self.assertEqual(findings, [['3201', '3']])

    def test_the_operator_lists_uploads(self):
        device = self.stack.device(54, BASIC)
        device.upload(readings(POWER, '2018-01-01 01:00', ['1']), 'listed-by-operator')
        self.assertIn('listed-by-operator', self.province.ctl('upload', 'list', '--enterprise', device.enterprise).stdout)


if __name__ == '__main__':
    main()
