"""Questions: QueryData, QueryUploads, QueryEnterprises, paging, who may ask."""
import nhjc
from stack import StackCase, main
from testdata import BASIC, FACTOR, POWER, readings


class Query(StackCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.first, cls.second = cls.stack.device(90, BASIC), cls.stack.device(91, BASIC)
        for device in (cls.first, cls.second):
            device.upload(readings(POWER, '2018-01-01 00:00', [str(i) for i in range(192)]) + readings(FACTOR, '2018-01-01 00:00', ['50'] * 192))
        cls.province.rolled_up()
        cls.client = cls.province.client()

    def ask(self, *more, enterprises=None, granularity='hour', begin='2018-01-01 00:00:00', end='2018-01-03 00:00:00', client=None):
        return (client or self.client).call('query', 'QueryData', ('enterpriseCode', enterprises or [self.first.enterprise]), *[f for f in more if f[0] == 'dataCode'],
                                            ('granularity', granularity), ('from', begin), ('to', end), *[f for f in more if f[0] != 'dataCode'])

    def keys(self, rows):
        return [(r.get('enterpriseCode'), r.get('dataCode'), r.get('statDate')) for r in rows]

    def test_rows_come_ordered_by_enterprise_code_and_time(self):
        both = [self.second.enterprise, self.first.enterprise]
        rows = self.ask(enterprises=both).all('row')
        self.assertEqual(len(rows), 2 * 2 * 48)
        self.assertEqual(self.keys(rows), sorted(self.keys(rows)))

    def test_pages_of_any_size_give_the_same_rows(self):
        both = [self.first.enterprise, self.second.enterprise]
        whole = self.keys(self.ask(enterprises=both).all('row'))
        for size in (1, 7, 48, 191, 192, 193):
            token, rows, pages = None, [], 0
            while True:
                answer = self.ask(('pageSize', size), ('pageToken', token), enterprises=both)
                self.assertLessEqual(len(answer.all('row')), size)
                rows += answer.all('row')
                pages += 1
                token = answer.get('pageToken')
                if not token:
                    break
            self.assertEqual(self.keys(rows), whole)
            self.assertLessEqual(pages, len(whole) // size + 1)

    def test_pages_stay_stable_while_readings_arrive(self):
        device = self.stack.device(92, BASIC)
        device.upload(readings(POWER, '2018-01-02 00:00', ['1'] * 96))
        self.province.rolled_up()
        first = self.ask(('pageSize', 10), enterprises=[device.enterprise])
        device.upload(readings(POWER, '2018-01-01 00:00', ['1'] * 96))
        self.province.rolled_up()
        second = self.ask(('pageSize', 1000), ('pageToken', first.get('pageToken')), enterprises=[device.enterprise])
        dates = [r.get('statDate') for r in first.all('row') + second.all('row')]
        self.assertEqual(dates, ['2018-01-02 %02d:00:00' % h for h in range(24)])

    def test_a_forged_foreign_or_old_token_is_2103(self):
        token = self.ask(('pageSize', 10)).get('pageToken')
        flipped = ('A' if token[0] != 'A' else 'B') + token[1:]
        for bad in ('x', '', flipped, token[:-2], token * 2):
            self.fault(2103, self.ask, ('pageSize', 10), ('pageToken', bad))
        self.fault(2103, self.ask, ('pageSize', 10), ('pageToken', token), granularity='day')
        self.fault(2103, self.ask, ('pageSize', 10), ('pageToken', token), enterprises=[self.second.enterprise])

    def test_a_page_size_out_of_range_is_2103(self):
        for size in (0, -1, 10001, 'x'):
            self.fault(2103, self.ask, ('pageSize', size))
        self.assertEqual(len(self.ask(('pageSize', 10000)).all('row')), 96)

    def test_from_is_included_to_is_not_and_backwards_is_empty(self):
        rows = self.ask(('dataCode', POWER), begin='2018-01-01 01:00:00', end='2018-01-01 03:00:00').all('row')
        self.assertEqual([r.get('statDate') for r in rows], ['2018-01-01 01:00:00', '2018-01-01 02:00:00'])
        self.assertEqual(self.ask(begin='2018-01-03 00:00:00', end='2018-01-01 00:00:00').all('row'), [])

    def test_wrong_words_are_2103(self):
        self.fault(2103, self.ask, granularity='fortnight')
        self.fault(2103, self.ask, begin='yesterday')

    def test_codes_may_be_dashed_and_unknown_ones_give_nothing(self):
        self.assertEqual(len(self.ask(('dataCode', '00-00-0000-023300-10')).all('row')), 48)
        self.assertEqual(self.ask(('dataCode', '0000000002330060')).all('row'), [])

    def test_an_unknown_enterprise_gives_no_rows_or_1103(self):
        try:
            self.assertEqual(self.ask(enterprises=[nhjc.uscc(999998)]).all('row'), [])
        except nhjc.Fault as fault:
            self.assertIn(fault.code, (1103, 1104))

    def test_week_and_quarter_come_from_days(self):
        week = self.ask(('dataCode', POWER), granularity='week', end='2018-02-01 00:00:00').all('row')
        self.assertEqual([(r.get('statDate'), r.get('value'), r.get('count'), r.get('expected')) for r in week], [('2018-01-01 00:00:00', '18336', '192', '672')])
        quarter = self.ask(('dataCode', POWER), granularity='quarter', end='2018-02-01 00:00:00').all('row')
        self.assertEqual([(r.get('statDate'), r.get('value'), r.get('expected')) for r in quarter], [('2018-01-01 00:00:00', '18336', '8640')])

    def test_a_lower_platform_sees_its_region_only(self):
        out = self.province.pki
        self.province.ctl('pki', 'issue', '--platform', '420100', '--out', out)
        self.province.ctl('pki', 'issue', '--platform', '420200', '--out', out)
        city, neighbour = self.province.client('420100'), self.province.client('420200')
        self.assertEqual(len(self.ask(client=city).all('row')), 96)
        self.fault(1103, self.ask, client=neighbour)

    def test_query_enterprises(self):
        answer = self.client.call('query', 'QueryEnterprises', ('regionCode', '420100'))
        self.assertEqual(answer.get('responseCode'), '0')
        codes = [e.get('code') or e.get('enterpriseCode') for e in answer.children if e.name not in ('responseCode', 'responseMessage', 'platformTime', 'pageToken')]
        self.assertIn(self.first.enterprise, codes)


class Uploads(StackCase):
    def test_a_device_pages_through_its_own_receipts(self):
        device, other = self.stack.device(93, BASIC), self.stack.device(94, BASIC)
        sent = [nhjc.new_id() for _ in range(7)]
        for i, message_id in enumerate(sent):
            device.upload(readings(POWER, '2018-01-%02d 00:00' % (i + 1), ['1', 'x' if i == 3 else '2']), message_id)
        other.upload(readings(POWER, '2018-01-01 00:00', ['1']))
        seen, token = [], None
        while True:
            answer = device.client.call('access', 'QueryUploads', ('deviceId', device.id), ('from', '2020-01-01 00:00:00'), ('to', '2099-01-01 00:00:00'),
                                        ('pageSize', 3), ('pageToken', token))
            self.code(answer, 0)
            seen += answer.all('record')
            token = answer.get('pageToken')
            if not token:
                break
        self.assertEqual(sorted(r.get('messageId') for r in seen), sorted(sent))
        odd = [r for r in seen if r.get('messageId') == sent[3]][0]
        self.assertEqual([odd.get(n) for n in ('recordsReceived', 'recordsStored', 'recordsRejected', 'responseCode')], ['2', '1', '1', '2'])
        self.assertRegex(odd.get('receivedAt'), r'^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$')

    def test_a_platform_lists_the_uploads_of_an_enterprise(self):
        device = self.stack.device(93, BASIC)
        message_id = nhjc.new_id()
        device.upload(readings(POWER, '2018-02-01 00:00', ['1']), message_id)
        answer = self.province.client().call('query', 'QueryUploads', ('enterpriseCode', device.enterprise), ('from', '2020-01-01 00:00:00'), ('to', '2099-01-01 00:00:00'))
        self.assertIn(message_id, [r.get('messageId') for r in answer.all('record')])


if __name__ == '__main__':
    main()
