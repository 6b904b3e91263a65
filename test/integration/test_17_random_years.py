"""Random histories against the oracle, to the last digit, in all granularities.

Missing slots, any order of arrival, duplicates, corrections of value and validity, suspect values, register rollover and
reset, month and year ends, leap days, reported values, changed periods and aggregations. A case is one item's history.
NHJC_CASES: how many (default 36); NHJC_SEED: repeats a run; both are printed.
"""
import os
import random
import sys
import unittest
from datetime import datetime, timedelta
from decimal import Decimal

import nhjc
from stack import StackCase, main
import oracle

CASES = int(os.environ.get('NHJC_CASES', '36'))
SEED = int(os.environ.get('NHJC_SEED') or random.SystemRandom().randrange(10 ** 9))
PER_DEVICE = 12
PERIODS = (60, 300, 900, 900, 900, 1800, 3600, 7200, 21600, 86400)
EDGES = ('2012-02-27', '2015-12-30', '2016-02-27', '2019-12-29', '2020-02-28', '2023-03-30', '2024-02-28', '2024-12-30', '2010-01-01')
FIELDS = ('statDate', 'value', 'min', 'max', 'avg', 'count', 'expected', 'completeness', 'source')


class Case:
    """One item: its configuration as it changes, and every accepted reading in the order of acceptance."""

    def __init__(self, dice, number):
        self.dice = dice
        self.code = '00000000%02d%04d%02d' % (10, 100 * (1 + number // 50) + number % 50, 80)
        self.aggregation = dice.choice(('sum', 'sum', 'mean', 'counter', 'counter'))
        self.period = dice.choice(PERIODS)
        self.counter_max = dice.choice((None, '1000', '100000', '999999.999999')) if self.aggregation == 'counter' else None
        self.reported_kinds = dice.sample((1, 2, 3), dice.randint(0, 2)) if self.aggregation != 'counter' else []
        self.accepted, self.reported = [], {1: [], 2: [], 3: []}
        self.begin = datetime.strptime(dice.choice(EDGES), '%Y-%m-%d') + timedelta(seconds=self.period * dice.randint(0, 86400 // self.period))
        self.count = min(dice.choice((20, 100, 400, 900)), 40 * 86400 // self.period + 5)

    def items(self):
        more = {'counterMax': self.counter_max} if self.counter_max and self.aggregation == 'counter' else {}
        yield nhjc.collect_item(self.code, self.aggregation, 'x', period=self.period, **more)
        for kind in self.reported_kinds:
            yield nhjc.collect_item(self.code, self.aggregation, 'x', stat_type=kind)

    def number(self):
        digits = self.dice.randint(0, 6)
        text = '%.*f' % (digits, self.dice.choice((1, 50, 10 ** 5, 9.9e8)) * self.dice.random())
        return '-' + text if self.aggregation == 'mean' and self.dice.random() < 0.3 else text

    def register_steps(self):
        limit = int(float(self.counter_max)) if self.counter_max else 10 ** 9
        register = self.dice.randrange(limit)
        for _ in range(self.count):
            register += self.dice.choice((0, 1, limit // 50, limit // 7))
            if register >= limit:
                register %= limit
            if self.dice.random() < 0.01:
                register = self.dice.randrange(limit)
            yield '%d.%d' % (register, self.dice.randint(0, 9)) if register + 1 < limit else '%d' % register

    def history(self):
        """Records in an arbitrary order: first values, then repetitions and corrections somewhere after."""
        values = list(self.register_steps()) if self.aggregation == 'counter' else [self.number() for _ in range(self.count)]
        slots = [(self.begin + timedelta(seconds=self.period * i), v) for i, v in enumerate(values) if self.dice.random() > 0.15]
        records = [(0, ts, v, self.dice.random() > 0.04) for ts, v in slots]
        if self.dice.random() < 0.5:
            self.dice.shuffle(records)
        for kind in self.reported_kinds:
            records += [(kind, ts, self.number(), self.dice.random() > 0.1) for ts in self.reported_starts(kind)]
        again = self.dice.sample(records, len(records) // 10)
        records += [(k, ts, v if self.dice.random() < 0.5 else self.number(), self.dice.random() > 0.3) for k, ts, v, _ in again]
        return records

    def reported_starts(self, kind):
        granularity = (None, 'day', 'month', 'year')[kind]
        end = self.begin + timedelta(seconds=self.period * self.count)
        start = oracle.period_start(granularity, self.begin) - timedelta(days=0)
        starts = []
        while start < end + timedelta(days=3):
            starts.append(start)
            start = oracle.period_next(granularity, start)
        return [s for s in starts if self.dice.random() < 0.6 and s.year >= 2010]

    def record(self, entry):
        kind, ts, value, valid = entry
        return nhjc.reading(self.code, ts, value, statType=kind, valid='true' if valid else 'false')

    def take(self, entry):
        kind, ts, value, valid = entry
        (self.accepted if kind == 0 else self.reported[kind]).append(oracle.Reading(ts, value, valid))

    def change(self):
        """A new period or aggregation applies to the whole history."""
        self.period = self.dice.choice([p for p in PERIODS if p != self.period])
        if self.aggregation != 'counter':
            self.aggregation = self.dice.choice(('sum', 'mean'))

    def expected(self, granularity):
        item = oracle.Item(self.code, self.aggregation, self.period, self.counter_max)
        kind = {'day': 1, 'month': 2, 'year': 3}.get(granularity)
        reported = self.reported[kind] if kind else ()
        return [[row.as_dict()[name] if name not in ('count', 'expected') else str(row.as_dict()[name]) for name in FIELDS]
                for row in oracle.rows(item, self.accepted, granularity, reported=reported)]


class RandomYears(StackCase):
    def upload(self, device, cases, dice):
        queue = [(case, entry) for case in cases for entry in case.history()]
        if dice.random() < 0.5:  # items mixed; each item's own order stays
            queue.sort(key=lambda pair: dice.random()) if dice.random() < 0.3 else queue.sort(key=lambda pair: pair[1][1])
        while queue:
            size = dice.choice((1, 40, 200, 3000, 3000))
            part, queue = queue[:size], queue[size:]
            answer = device.upload([case.record(entry) for case, entry in part])
            self.assertIn(answer.get('responseCode'), ('0', '2'), answer.get('responseMessage'))
            refused = {int(f.get('line')) for f in answer.all('finding') if f.get('severity') == 'error'}
            self.assertEqual((refused, answer.number('recordsRejected')), (set(), 0))
            for case, entry in part:
                case.take(entry)
            if dice.random() < 0.05:
                device.upload([case.record(entry) for case, entry in part])  # the same readings in another message
                for case, entry in part:
                    case.take(entry)

    def same(self, seen, expected, what):
        """Equal, or the first rows that differ."""
        for n, (a, b) in enumerate(zip(seen + [None] * len(expected), expected + [None] * len(seen))):
            self.assertEqual(a, b, '%s: row %d of %d, %d expected' % (what, n, len(seen), len(expected)))

    def compare(self, device, cases, what):
        self.province.rolled_up(120)
        client = self.province.client()
        for granularity in oracle.GRANULARITIES:
            rows = nhjc.query_rows(client, [device.enterprise], granularity, '2009-01-01 00:00:00', '2030-01-01 00:00:00', page=10000)
            seen = {}
            for row in rows:
                seen.setdefault(row.get('dataCode'), []).append([row.get(name) for name in FIELDS])
            for case in cases:
                self.same(seen.pop(case.code, []), case.expected(granularity),
                          'seed %d %s %s %s %s period %d' % (SEED, what, granularity, case.code, case.aggregation, case.period))
            self.assertFalse(seen)

    def test_every_row_equals_the_oracles(self):
        print('cases %d seed %d' % (CASES, SEED), file=sys.stderr, flush=True)
        dice, done, rows = random.Random(SEED), 0, 0
        while done < CASES:
            cases = [Case(dice, n) for n in range(min(PER_DEVICE, CASES - done))]
            device = self.stack.device(200 + done, [item for case in cases for item in case.items()])
            self.upload(device, cases, dice)
            self.compare(device, cases, 'after the uploads')
            for case in dice.sample(cases, len(cases) // 3):
                case.change()
            self.code(device.configure([item for case in cases for item in case.items()]), 0)
            self.compare(device, cases, 'after the change')
            self.province.verified('--enterprise', device.enterprise)
            done += len(cases)
            rows += sum(len(case.accepted) for case in cases)
        print('%d cases, %d accepted readings, no difference' % (done, rows), file=sys.stderr, flush=True)


if __name__ == '__main__':
    main()
