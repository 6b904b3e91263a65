"""Acknowledged once: repeats, at once from two connections, other content, corrections."""
import collections
import random
import sys
import threading

import nhjc
from nhjc import SLOW
from stack import StackCase, main
from testdata import BASIC, FACTOR, POWER, readings, slots


class Repeats(StackCase):
    def setUp(self):
        self.device = self.stack.device(60, BASIC)
        self.unit = "(SELECT id FROM unit WHERE code = '%s')" % self.device.enterprise

    def receipts(self, message_id):
        return self.province.number("SELECT count(*) FROM upload WHERE sender_id = %s AND message_id = '%s'" % (self.unit, message_id))

    def same_answer(self, first, again):
        names = ['responseCode', 'uploadId'] + ['records' + n for n in ('Received', 'Stored', 'Unchanged', 'Corrected', 'Suspect', 'Rejected')]
        self.assertEqual([first.get(n) for n in names], [again.get(n) for n in names])
        self.assertEqual([f.get('code') + f.get('line') for f in first.all('finding')], [f.get('code') + f.get('line') for f in again.all('finding')])

    def test_the_same_upload_twice_is_one(self):
        message_id = nhjc.new_id()
        records = readings(POWER, '2018-01-01 00:00', ['1', 'x', '3'])
        first = self.device.upload(records, message_id)
        again = self.device.upload(records, message_id)
        self.assertEqual(first.get('duplicate'), 'false')
        self.assertEqual(again.get('duplicate'), 'true')
        self.same_answer(first, again)
        self.assertEqual(self.receipts(message_id), 1)
        self.assertEqual(self.province.number("SELECT count(*) FROM upload_payload WHERE upload_id = %s" % first.get('uploadId')), 1)

    def test_a_repeat_may_be_packed_otherwise(self):
        message_id = nhjc.new_id()
        records = readings(POWER, '2018-01-02 00:00', ['1', '2'])
        first = self.device.upload(records, message_id)
        for more in ({'encoding': 'gzip'}, {'method': 'SM3'}):
            again = self.device.upload(records, message_id, **more)
            self.assertEqual(again.get('duplicate'), 'true')
            self.same_answer(first, again)

    def test_the_same_id_with_other_content_is_2107(self):
        message_id = nhjc.new_id()
        first = self.device.upload(readings(POWER, '2018-01-03 00:00', ['1']), message_id)
        self.code(first, 0)
        answer = self.device.upload(readings(POWER, '2018-01-03 00:00', ['2']), message_id)
        self.code(answer, 2107)
        self.counts(answer, 0)
        rows = nhjc.query_rows(self.province.client(), [self.device.enterprise], 'minute', '2018-01-03 00:00:00', '2018-01-03 00:15:00', [POWER])
        self.assertEqual([row.get('value') for row in rows], ['1'])
        self.same_answer(first, self.device.upload(readings(POWER, '2018-01-03 00:00', ['1']), message_id))

    def test_a_conflict_tells_of_nothing_but_the_conflict(self):
        message_id = nhjc.new_id()
        self.code(self.device.upload(readings(POWER, '2018-01-06 00:00', ['1']), message_id), 0)
        answer = self.device.upload(readings(POWER, '2018-01-06 00:00', ['x'] * 1200), message_id)  # more than are reported
        self.code(answer, 2107)
        self.assertEqual([(f.get('code'), f.get('line')) for f in answer.all('finding')], [('2107', None)])
        self.assertEqual(answer.get('findingsTruncated'), 'false')

    def test_ids_belong_to_their_sender(self):
        other = self.stack.device(61, BASIC)
        message_id = nhjc.new_id()
        self.assertEqual(self.device.upload(readings(POWER, '2018-01-04 00:00', ['1']), message_id).get('duplicate'), 'false')
        self.assertEqual(other.upload(readings(POWER, '2018-01-04 00:00', ['2']), message_id).get('duplicate'), 'false')

    def test_a_refused_message_does_not_use_up_its_id(self):
        message_id = nhjc.new_id()
        records = readings(POWER, '2018-01-05 00:00', ['1'])
        self.code(self.device.upload(records, message_id, digest='0' * 64), 2104)
        self.assertEqual(self.device.upload(records, message_id).get('duplicate'), 'false')

    def at_once(self, uploads):
        """Each (message id, records) over its own connection, all released together; the answers in order."""
        answers, barrier = [None] * len(uploads), threading.Barrier(len(uploads), timeout=60 * SLOW)

        def send(i):
            client = self.province.client(self.device.enterprise)
            client.connect()
            barrier.wait()
            try:
                answers[i] = self.device.upload(uploads[i][1], uploads[i][0], client=client)
            finally:
                client.close()
        threads = [threading.Thread(target=send, args=(i,)) for i in range(len(uploads))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertNotIn(None, answers)
        return answers

    def test_twice_at_once_from_two_connections_is_one(self):
        for day in range(1, 21):
            message_id = nhjc.new_id()
            records = readings(POWER, '2018-02-%02d 00:00' % day, ['%d.5' % i for i in range(96)])
            answers = self.at_once([(message_id, records)] * 2)
            self.assertEqual(sorted(a.get('duplicate') for a in answers), ['false', 'true'])
            self.same_answer(*answers)
            self.counts(answers[0], 96, stored=96)
            self.assertEqual(self.receipts(message_id), 1)
        self.province.rolled_up()
        rows = nhjc.query_rows(self.province.client(), [self.device.enterprise], 'day', '2018-02-01 00:00:00', '2018-02-21 00:00:00', [POWER])
        self.assertEqual([(row.get('value'), row.get('count')) for row in rows], [('4608', '96')] * 20)

    def test_other_content_at_once_under_one_id_is_refused_for_one(self):
        for day in range(1, 11):
            message_id = nhjc.new_id()
            answers = self.at_once([(message_id, [nhjc.reading(POWER, '2018-04-%02d 00:00:00' % day, value)]) for value in ('1', '2')])
            self.assertEqual(sorted(a.get('responseCode') for a in answers), ['0', '2107'])
            self.assertEqual(self.receipts(message_id), 1)
            winner = answers.index([a for a in answers if a.get('responseCode') == '0'][0])
            rows = nhjc.query_rows(self.province.client(), [self.device.enterprise], 'minute', '2018-04-%02d 00:00:00' % day, '2018-04-%02d 00:01:00' % day, [POWER])
            self.assertEqual([row.get('value') for row in rows], [('1', '2')[winner]])

    def test_random_messages_each_from_two_senders_at_once_are_counted_once(self):
        """Shared keys, repeated ids, partial refusals; the log of corrections leads from every first value to the last."""
        device = self.stack.device(64, BASIC)
        seed = random.SystemRandom().randrange(10 ** 9)
        print('seed', seed, file=sys.stderr, flush=True)
        dice, at = random.Random(seed), slots('2018-06-01 00:00', 40)
        messages = []
        for n in range(30):
            records = [nhjc.reading(dice.choice((POWER, FACTOR)), dice.choice(at), dice.choice(('x', '1', '2', str(n), '%d.5' % n)))
                       for _ in range(dice.choice((1, 5, 40)))]
            messages.append(('random-%d' % n, records))
        orders = [dice.sample(messages, len(messages)) for _ in range(4)]  # two pairs of senders with the same half each
        answers, wrong = {message_id: [] for message_id, _ in messages}, []

        def send(part):
            client = self.province.client(device.enterprise)
            try:
                for message_id, records in part:
                    answers[message_id].append(device.upload(records, message_id, client=client))
            except Exception as error:  # told below
                wrong.append(error)
        half = {message_id for message_id, _ in messages[:15]}
        threads = [threading.Thread(target=send, args=([m for m in order if (m[0] in half) == bool(n % 2)],)) for n, order in enumerate(orders)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(wrong, [])
        for pair in answers.values():
            self.assertEqual(sorted(a.get('duplicate') for a in pair), ['false', 'true'])
            self.same_answer(*pair)
        firsts = [a for pair in answers.values() for a in pair if a.get('duplicate') == 'false']
        sums = {name: sum(a.number('records' + name) for a in firsts) for name in ('Received', 'Stored', 'Corrected', 'Unchanged', 'Rejected')}
        good = [(r['dataCode'], r['statDate'], r['dataValue']) for _, records in messages for r in records if r['dataValue'] != 'x']
        keys = {key[:2] for key in good}
        self.assertEqual((sums['Received'], sums['Rejected'], sums['Stored']), (sum(len(r) for _, r in messages), sums['Received'] - len(good), len(keys)))
        self.assertEqual(sums['Stored'] + sums['Corrected'] + sums['Unchanged'], len(good))
        self.chained(device, keys, good, sums['Corrected'])
        self.province.rolled_up()
        self.province.verified('--enterprise', device.enterprise)

    def chained(self, device, keys, good, corrected):
        """Each correction took away what was there: put on end, they lead from one first value to what is stored."""
        rows = nhjc.query_rows(self.province.client(), [device.enterprise], 'minute', '2018-06-01 00:00:00', '2018-06-02 00:00:00')
        stored = {(row.get('dataCode'), row.get('statDate')): row.get('value') for row in rows}
        self.assertEqual(set(stored), keys)
        self.assertFalse([key for key, value in stored.items() if key + (value,) not in good])
        log = self.province.sql("SELECT i.data_code, to_char(c.ts AT TIME ZONE 'Asia/Shanghai', 'YYYY-MM-DD HH24:MI:SS'), old_value, new_value FROM correction c "
                                "JOIN unit u ON u.id = c.unit_id JOIN collect_item i ON i.unit_id = c.unit_id AND i.slot = c.slot "
                                "WHERE u.code = '%s'" % device.enterprise)
        self.assertEqual(len(log), corrected)
        for key in keys:
            steps = [line[2:] for line in log if tuple(line[:2]) == key]
            balance = collections.Counter(int(new) for _, new in steps)
            balance.subtract(collections.Counter(int(old) for old, _ in steps))
            left = {value: count for value, count in balance.items() if count}
            self.assertIn(sorted(left.values()), ([], [-1, 1]), '%s %s' % (key, steps))
            if left:
                self.assertEqual(left.get(int(float(stored[key]) * 10 ** 6)), 1, '%s %s' % (key, steps))

    def test_months_that_nobody_had_yet_are_made_for_many_at_once(self):
        """History on demand: every message needs other partitions, in another order."""
        months = ['%d-%02d-01 00:00:00' % (year, month) for year in range(2011, 2017) for month in (1, 5, 9)]
        uploads = [(nhjc.new_id(), [nhjc.reading(POWER, date, '1') for date in months[i:] + months[:i]]) for i in range(0, len(months), 3)]
        answers = self.at_once(uploads)
        self.assertEqual([a.get('responseCode') for a in answers], ['0'] * len(uploads))
        self.assertEqual(sum(a.number('recordsStored') for a in answers), len(months))
        self.assertEqual(sum(a.number('recordsUnchanged') for a in answers), len(months) * (len(uploads) - 1))

    def test_a_repeat_gets_the_first_answer_though_the_configuration_has_changed(self):
        device = self.stack.device(63, BASIC)
        message_id, records = nhjc.new_id(), readings(FACTOR, '2018-01-01 00:00', ['50', 'x'])
        first = device.upload(records, message_id)
        self.code(device.configure(BASIC[:1]), 0)
        again = device.upload(records, message_id)
        self.assertEqual(again.get('duplicate'), 'true')
        self.same_answer(first, again)

    def test_many_at_once_on_the_same_slots_lose_nothing(self):
        uploads = [(nhjc.new_id(), [nhjc.reading(POWER, at, '%d' % (i + 1)) for at in slots('2018-03-01 00:00', 96)] +
                    [nhjc.reading(FACTOR, at, '50') for at in slots('2018-03-01 00:00', 96)]) for i in range(6)]
        answers = self.at_once(uploads)
        stored = sum(a.number('recordsStored') for a in answers)
        corrected = sum(a.number('recordsCorrected') for a in answers)
        unchanged = sum(a.number('recordsUnchanged') for a in answers)
        self.assertEqual((stored, corrected, unchanged), (192, 5 * 96, 5 * 96))
        logged = self.province.number("SELECT count(*) FROM correction WHERE unit_id = %s AND ts >= '2018-03-01' AND ts < '2018-03-02'" % self.unit)
        self.assertEqual(logged, 5 * 96)
        self.province.rolled_up()
        rows = nhjc.query_rows(self.province.client(), [self.device.enterprise], 'day', '2018-03-01 00:00:00', '2018-03-02 00:00:00', [POWER])
        minutes = nhjc.query_rows(self.province.client(), [self.device.enterprise], 'minute', '2018-03-01 00:00:00', '2018-03-02 00:00:00', [POWER])
        self.assertEqual(len({row.get('value') for row in minutes}), 1, 'one upload must have won everywhere')
        self.assertEqual(rows[0].get('value'), str(96 * int(minutes[0].get('value'))))
        self.province.verified('--enterprise', self.device.enterprise)


class Corrections(StackCase):
    def setUp(self):
        self.device = self.stack.device(62, BASIC)

    def hour(self, date='2018-01-01 00:00:00'):
        self.province.rolled_up()
        rows = nhjc.query_rows(self.province.client(), [self.device.enterprise], 'hour', date, date[:14] + '59:59', [POWER])
        return [(row.get('value'), row.get('count')) for row in rows]

    def log(self, date):
        return self.province.sql("SELECT old_value, old_flag & 1, new_value, new_flag & 1 FROM correction c JOIN unit ON unit.id = c.unit_id "
                                 "WHERE code = '%s' AND ts = '%s+08' ORDER BY received_at, ordinal" % (self.device.enterprise, date))

    def test_another_value_replaces_and_the_former_stays_in_the_log(self):
        self.counts(self.device.upload(readings(POWER, '2018-01-01 00:00', ['1', '2'])), 2, stored=2)
        self.assertEqual(self.hour(), [('3', '2')])
        self.counts(self.device.upload(readings(POWER, '2018-01-01 00:00', ['1', '2.5'])), 2, unchanged=1, corrected=1)
        self.assertEqual(self.hour(), [('3.5', '2')])
        self.assertEqual(self.log('2018-01-01 00:15:00'), [['2000000', '0', '2500000', '0']])

    def test_equality_is_judged_after_rounding(self):
        self.device.upload(readings(POWER, '2018-01-01 02:00', ['1.5']))
        self.counts(self.device.upload(readings(POWER, '2018-01-01 02:00', ['1.5000004'])), 1, unchanged=1)
        self.counts(self.device.upload(readings(POWER, '2018-01-01 02:00', ['01.50'])), 1, unchanged=1)

    def test_validity_is_part_of_the_reading(self):
        date = '2018-01-01 04:00:00'
        self.device.upload(readings(POWER, '2018-01-01 04:00', ['1', '2']))
        self.assertEqual(self.hour(date), [('3', '2')])
        self.counts(self.device.upload([nhjc.reading(POWER, date, '1', valid='false')]), 1, corrected=1)
        self.assertEqual(self.hour(date), [('2', '1')])
        self.counts(self.device.upload([nhjc.reading(POWER, date, '1', valid='0')]), 1, unchanged=1)
        self.counts(self.device.upload([nhjc.reading(POWER, date, '1', valid='1')]), 1, corrected=1)
        self.assertEqual(self.hour(date), [('3', '2')])
        self.assertEqual(self.log(date), [['1000000', '0', '1000000', '1'], ['1000000', '1', '1000000', '0']])

    def test_a_period_whose_last_valid_reading_goes_has_no_row(self):
        date = '2018-01-01 06:00:00'
        self.device.upload([nhjc.reading(POWER, date, '1')])
        self.assertEqual(self.hour(date), [('1', '1')])
        self.device.upload([nhjc.reading(POWER, date, '1', valid='false')])
        self.assertEqual(self.hour(date), [])
        self.assertEqual(nhjc.query_rows(self.province.client(), [self.device.enterprise], 'minute', date, '2018-01-01 06:01:00', [POWER]), [])

    def test_twice_in_one_message_the_later_line_counts(self):
        date = '2018-01-01 08:00:00'
        answer = self.device.upload([nhjc.reading(POWER, date, '1'), nhjc.reading(POWER, date, '2'), nhjc.reading(POWER, date, '2')])
        self.counts(answer, 3, stored=1, corrected=1, unchanged=1)
        self.assertEqual(self.hour(date), [('2', '1')])


if __name__ == '__main__':
    main()
