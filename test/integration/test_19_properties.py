"""Random sequences of uploads against a simple model: readings, counts of every answer, corrections, quality figures, suspects.

NHJC_STEPS: uploads of the sequence (default 120); NHJC_SEED repeats a run; both are printed.
"""
import os
import random
import sys
import threading
from datetime import datetime, timedelta
from decimal import Decimal

import nhjc
from stack import StackCase, main, wait
import oracle

STEPS = int(os.environ.get('NHJC_STEPS', '120'))
SEED = int(os.environ.get('NHJC_SEED') or random.SystemRandom().randrange(10 ** 9))
CODES = ['00000000100%d0080' % n for n in range(1, 6)]
BEGIN = datetime(2022, 12, 29)
DAYS = 5


class Model:
    """What one enterprise has sent, in the order of the commits."""

    def __init__(self):
        self.values, self.corrections, self.rejected = {}, [], {}

    def take(self, record):
        kind, code, ts, value, valid = record
        if kind != 'good':
            self.rejected[ts.date()] = self.rejected.get(ts.date(), 0) + 1
            return 'rejected'
        new, key = (oracle.round6(Decimal(value)), valid), (code, ts)
        old = self.values.get(key)
        if old == new:
            return 'unchanged'
        self.values[key] = new
        if old is None:
            return 'stored'
        self.corrections.append((code, ts, old[0], new[0]))
        return 'corrected'


class Dice:
    def __init__(self, seed, codes=CODES):
        self.dice, self.codes, self.sent = random.Random(seed), codes, []

    def record(self):
        d = self.dice
        ts = BEGIN + timedelta(minutes=15 * d.randrange(96 * DAYS))
        kind = d.choice(['good'] * 20 + ['code', 'number', 'grid', 'scope'])
        if self.sent and d.random() < 0.35:  # a key that was there before: the same or another value
            old = d.choice(self.sent)
            return old if d.random() < 0.4 else ('good', old[1], old[2], self.value(), d.random() > 0.2)
        return (kind, d.choice(self.codes), ts, self.value(), d.random() > 0.1)

    def value(self):
        return self.dice.choice(('0', '1', '2.50', '-0.0000005', '%.4f' % (self.dice.random() * 1000), '12.3456785'))

    def upload(self):
        records = [self.record() for _ in range(self.dice.choice((0, 1, 3, 20, 150)))] or [self.record()]
        self.sent += [r for r in records if r[0] == 'good']
        return records


def element(record):
    kind, code, ts, value, valid = record
    wrong = {'code': {'dataCode': '0000000010990080'}, 'number': {'dataValue': '1e3'}, 'scope': {'scope': 2},
             'grid': {'statDate': (ts + timedelta(minutes=1)).strftime('%Y-%m-%d %H:%M:%S')}}.get(kind, {})
    return {**nhjc.reading(code, ts, value, valid='true' if valid else 'false'), **wrong}


class Properties(StackCase):
    def items(self):
        return [nhjc.collect_item(code, 'mean', 'x', period=900) for code in CODES]

    def send(self, device, model, records, client=None):
        fates = [model.take(r) for r in records]
        answer = device.upload([element(r) for r in records], client=client)
        seen = {name: answer.number('records' + name.capitalize()) for name in ('stored', 'unchanged', 'corrected', 'rejected')}
        expected = {name: fates.count(name) for name in seen}
        self.assertEqual(seen, expected, 'seed %d' % SEED)
        self.assertEqual(answer.number('recordsReceived'), len(records))
        self.assertEqual(answer.get('responseCode'), '2' if expected['rejected'] else '0')

    def stored(self, device):
        rows = nhjc.query_rows(self.province.client(), [device.enterprise], 'minute', '2022-01-01 00:00:00', '2024-01-01 00:00:00', page=997)
        return {(row.get('dataCode'), row.get('statDate')): row.get('value') for row in rows}

    def agree(self, device, models):
        values = {k: v for m in models for k, v in m.values.items()}
        expected = {(code, ts.strftime('%Y-%m-%d %H:%M:%S')): oracle.plain(v) for (code, ts), (v, valid) in values.items() if valid}
        self.assertEqual(self.stored(device), expected, 'seed %d' % SEED)
        lines = self.province.sql("SELECT i.data_code || ' ' || to_char(c.ts AT TIME ZONE 'Asia/Shanghai', 'YYYY-MM-DD HH24:MI') || ' ' || c.old_value "
                                  "|| ' ' || c.new_value FROM correction c JOIN unit u ON u.id = c.unit_id JOIN collect_item i ON i.unit_id = c.unit_id "
                                  "AND i.slot = c.slot WHERE u.code = '%s'" % device.enterprise)
        log = sorted(line[0] for line in lines)
        self.assertEqual(log, sorted('%s %s %d %d' % (code, ts.strftime('%Y-%m-%d %H:%M'), old.scaleb(6), new.scaleb(6))
                                     for m in models for code, ts, old, new in m.corrections))
        self.quality(device, models, values)

    def quality(self, device, models, values):
        self.province.rolled_up(120)
        answer = self.province.client().call('query', 'QueryQuality', ('enterpriseCode', device.enterprise),
                                             ('from', '2022-12-01 00:00:00'), ('to', '2023-02-01 00:00:00'))
        self.code(answer, 0)
        seen = {row.get('statDate')[:10]: row for row in answer.all('row')}
        # History sent before any configuration: an item is expected from the first day on which it has a valid reading.
        first = {code: min(k[1].date() for k in values if k[0] == code and values[k][1]) for code in {k[0] for k in values if values[k][1]}}
        run = 0
        for n in range(DAYS):
            day = (BEGIN + timedelta(days=n)).date()
            keys = [k for k in values if k[1].date() == day]
            valid = sum(1 for k in keys if values[k][1])
            refused = sum(m.rejected.get(day, 0) for m in models)
            row = seen[day.isoformat()]
            got = [row.number(name) for name in ('late', 'onTime', 'rejected', 'received')]
            self.assertEqual(got, [len(keys), 0, refused, len(keys) + refused], '%s seed %d' % (day, SEED))
            expected, covered = 0, 0
            for code in CODES:
                of_item = [values[k][1] for k in keys if k[0] == code]
                due = max(96 if code in first and day >= first[code] else 0, len(of_item))
                expected, covered = expected + due, covered + min(sum(of_item), due)
            run = run + 1 if expected and covered * 10 >= expected * 9 else 0
            self.assertEqual((row.number('expected'), row.get('completeness'), row.number('continuousDays')),
                             (expected, oracle.plain(oracle.ratio(covered, expected)) if expected else '0', run), '%s seed %d' % (day, SEED))
            self.assertEqual(row.get('successRate'), oracle.plain(oracle.ratio(valid, len(keys) + refused)))

    def test_a_long_sequence_equals_the_model(self):
        print('steps %d seed %d' % (STEPS, SEED), file=sys.stderr, flush=True)
        device, model, dice = self.stack.device(300, self.items()), Model(), Dice(SEED)
        for _ in range(STEPS):
            self.send(device, model, dice.upload())
        self.agree(device, [model])
        self.province.verified('--enterprise', device.enterprise)

    def test_concurrent_senders_of_different_items_do_not_disturb_each_other(self):
        device = self.stack.device(301, self.items())
        models, errors = [Model() for _ in CODES], []

        def run(n):
            try:
                dice, client = Dice(SEED + n, [CODES[n]]), self.province.client(device.enterprise)
                for _ in range(STEPS // 4):
                    self.send(device, models[n], dice.upload(), client)
            except BaseException as error:  # a thread's assertion is told by the test
                errors.append(error)

        threads = [threading.Thread(target=run, args=(n,)) for n in range(len(CODES))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(errors, [])
        self.agree(device, models)
        self.province.verified('--enterprise', device.enterprise)

    def test_concurrent_senders_of_the_same_items_lose_and_double_nothing(self):
        """Whose value comes last is not known beforehand; that every one of them is accounted for is."""
        device = self.stack.device(302, self.items())
        senders = [[] for _ in range(4)]  # of each: (records, answer)
        errors = []

        def run(n):
            try:
                dice, client = Dice(SEED + 100 + n, CODES[:2]), self.province.client(device.enterprise)
                for _ in range(STEPS // 6):
                    records = [r for r in dice.upload() if r[0] == 'good']
                    if records:
                        senders[n].append((records, self.code(device.upload([element(r) for r in records], client=client), 0)))
            except BaseException as error:  # a thread's assertion is told by the test
                errors.append(error)

        threads = [threading.Thread(target=run, args=(n,)) for n in range(len(senders))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(errors, [])
        self.accounted_for(device, [upload for sender in senders for upload in sender])
        last = {}
        for sender in senders:
            final = {(r[1], r[2].strftime('%Y-%m-%d %H:%M:%S')): r for records, _ in sender for r in records}
            for key, r in final.items():
                last.setdefault(key, set()).add(oracle.plain(oracle.round6(Decimal(r[3]))) if r[4] else None)
        stored = self.stored(device)
        for key, values in last.items():
            self.assertIn(stored.get(key), values, '%s seed %d' % (key, SEED))
        self.assertLessEqual(set(stored), set(last))
        self.province.rolled_up(120)
        self.province.verified('--enterprise', device.enterprise)

    def accounted_for(self, device, uploads):
        counts = {name: sum(answer.number('records' + name) for _, answer in uploads) for name in ('Received', 'Stored', 'Unchanged', 'Corrected')}
        keys = {(r[1], r[2]) for records, _ in uploads for r in records}
        self.assertEqual(counts['Received'], sum(len(records) for records, _ in uploads))
        self.assertEqual(counts['Received'], counts['Stored'] + counts['Unchanged'] + counts['Corrected'])
        self.assertEqual(counts['Stored'], len(keys), 'seed %d' % SEED)
        self.assertEqual(counts['Corrected'], self.province.number("SELECT count(*) FROM correction c JOIN unit u ON u.id = c.unit_id "
                                                                   "WHERE u.code = '%s'" % device.enterprise), 'seed %d' % SEED)


JUMP, STUCK, BACKWARDS = 2, 4, 8
PROBE = '0000000010090080'
SERIES = {'0000000010010080': ('counter', 900), '0000000010020080': ('mean', 900), '0000000010030080': ('mean', 300)}


class Places(StackCase):
    """3204, 3205 and 3207: whatever the order of arrival, the flags are those of readings that came in order."""
    MODULUS, LIMIT, RUN, HOURS = 1000, 300, 3, 60

    def items(self):
        return [nhjc.collect_item(code, kind, 'x', period=period, **({'counterMax': self.MODULUS} if kind == 'counter' else {}))
                for code, (kind, period) in SERIES.items()] + [nhjc.collect_item(PROBE, 'mean', 'x', period=900)]

    def device(self):
        device, tries = self.stack.device(303, self.items()), iter(range(96))
        self.province.ctl('enterprise', 'thresholds', device.enterprise, '--jump', str(self.LIMIT), '--stuck', str(self.RUN))

        def known():
            at = datetime(2021, 1, 1) + timedelta(hours=next(tries))
            return device.upload([nhjc.reading(PROBE, at, '1'), nhjc.reading(PROBE, at + timedelta(minutes=15), '999')]).number('recordsSuspect')
        wait(known, 20, what='the thresholds')
        return device

    def records(self, dice, sent):
        found = []
        for _ in range(dice.choice((1, 1, 2, 5, 40))):
            code = dice.choice(list(SERIES))
            ts = BEGIN + timedelta(seconds=SERIES[code][1] * dice.randrange(self.HOURS * 3600 // SERIES[code][1]))
            if sent and dice.random() < 0.3:
                old = dice.choice(sent)
                found.append(old if dice.random() < 0.6 else (old[0], old[1], self.value(dice), dice.random() > 0.3))
                continue
            found.append((code, ts, self.value(dice), dice.random() > 0.1))
        if dice.random() < 0.2:  # a stretch of one item, made up
            code = dice.choice(list(SERIES))
            begin = dice.randrange(self.HOURS * 3600 // SERIES[code][1] - 12)
            found += [(code, BEGIN + timedelta(seconds=SERIES[code][1] * (begin + i)), self.value(dice), True) for i in range(12)]
        return found

    def value(self, dice):
        return dice.choice(('10', '10', '10', '20', '150', '420', '990', '%d' % dice.randrange(1000)))

    def expected(self, code, values):
        """The flags of an item's readings in order of time."""
        flags, before, run = [], None, 0
        for ts in sorted(ts for c, ts in values if c == code):
            value, valid = values[code, ts]
            flag = 0
            if valid:
                run = run + 1 if before == value else 1
                if before is not None and abs(value - before) > self.LIMIT:
                    flag |= JUMP
                if before is not None and SERIES[code][0] == 'counter' and value < before and not 0 <= value - before + self.MODULUS <= self.MODULUS / 2:
                    flag |= BACKWARDS
                flag |= STUCK if run >= self.RUN else 0
                before = value
            flags.append((ts.strftime('%Y-%m-%d %H:%M'), flag))
        return flags

    def test_flags_are_those_of_readings_that_come_in_order(self):
        print('steps %d seed %d' % (STEPS, SEED), file=sys.stderr, flush=True)
        device, dice, values, sent, corrected = self.device(), random.Random(SEED), {}, [], 0
        for step in range(STEPS):
            records = self.records(dice, sent)
            answer = self.code(device.upload([element(('good', *r)) for r in records]), 0)
            for code, ts, value, valid in records:
                values[code, ts] = (int(value), valid)
            sent += records
            corrected += answer.number('recordsCorrected')
            self.assertEqual(answer.number('recordsReceived'), sum(answer.number('records' + n) for n in ('Stored', 'Unchanged', 'Corrected')))
            if step % 10 == 0:
                self.agree(device, values, 'step %d seed %d' % (step, SEED))
        self.agree(device, values, 'seed %d' % SEED)
        self.logged(device, corrected)
        self.province.rolled_up(120)
        self.province.verified('--enterprise', device.enterprise)

    def agree(self, device, values, what):
        for code in SERIES:
            rows = self.province.sql(
                "SELECT to_char(f.ts AT TIME ZONE 'Asia/Shanghai', 'YYYY-MM-DD HH24:MI'), coalesce(f.flag[i.slot + 1], 0) & 14 FROM unit u "
                "JOIN collect_item i ON i.unit_id = u.id JOIN reading_frame f ON f.unit_id = u.id AND f.page = 0 WHERE u.code = '%s' "
                "AND i.data_code = '%s' AND f.value[i.slot + 1] IS NOT NULL ORDER BY f.ts" % (device.enterprise, code))
            self.assertEqual([(ts, int(flag)) for ts, flag in rows], self.expected(code, values), '%s %s' % (code, what))

    def logged(self, device, corrected):
        """Each change of value, validity or verdict is in the log, and the log leads to what is stored."""
        log = ("FROM correction c JOIN unit u ON u.id = c.unit_id JOIN collect_item i ON i.unit_id = c.unit_id AND i.slot = c.slot "
               "WHERE u.code = '%s' AND i.data_code <> '%s' " % (device.enterprise, PROBE))
        changes = "(c.old_value <> c.new_value OR (c.old_flag # c.new_flag) & 1 = 1)"
        self.assertEqual(self.province.number('SELECT count(*) %s AND %s' % (log, changes)), corrected)
        self.assertEqual(self.province.number('SELECT count(*) %s AND NOT %s AND (c.old_flag # c.new_flag) & 14 = 0' % (log, changes)), 0)
        self.assertGreater(self.province.number('SELECT count(*) %s AND NOT %s' % (log, changes)), 0)
        self.assertEqual(self.province.number(
            'SELECT count(*) FROM (SELECT DISTINCT ON (c.slot, c.ts) c.slot, c.ts, c.unit_id, c.new_flag, c.new_value %s '
            'ORDER BY c.slot, c.ts, c.received_at DESC, c.ordinal DESC) c JOIN reading_frame f ON f.unit_id = c.unit_id AND f.page = 0 AND f.ts = c.ts '
            'WHERE f.value[c.slot + 1] <> c.new_value OR (coalesce(f.flag[c.slot + 1], 0) # c.new_flag) & 15 <> 0' % log), 0)


if __name__ == '__main__':
    main()
