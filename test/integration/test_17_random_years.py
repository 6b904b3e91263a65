"""Random histories against the oracle, to the last digit, in all granularities.

Missing slots, any order of arrival, duplicates, corrections of value and validity, suspect values, register rollover and
reset, replaced meters, month and year ends, leap days, reported values, standard coal and CO2 with the enterprise's own
coefficients that come and change and with imported ones that hold from a day on, changed periods, aggregations and moduli. A
case is one item's history.

NHJC_CASES: how many (default 36); NHJC_SEED: repeats a run; both are printed. Thousands, in an hour or two, by one command:
    NHJC_CASES=3000 python3 test/integration/test_17_random_years.py
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
MODULI = (None, '1000', '100000', '999999.999999')
PERIODS = (60, 300, 900, 900, 900, 1800, 3600, 7200, 21600, 86400)
EDGES = ('2012-02-27', '2015-12-30', '2016-02-27', '2019-12-29', '2020-02-28', '2023-03-30', '2024-02-28', '2024-12-30', '2010-01-01')
FIELDS = ('statDate', 'value', 'min', 'max', 'avg', 'count', 'expected', 'completeness', 'source', 'tce', 'co2')
IMPORTS = 0.4  # of the enterprises see one

ENERGIES = {'023300': 'kWh', '010104': 'kg', '011500': 'm3', '021900': 't'}  # and the unit of its item


def any_day(dice):
    return datetime.strptime(dice.choice(EDGES), '%Y-%m-%d') + timedelta(days=dice.randint(0, 12))


class Table:
    """The platform's coefficients of the energies as they are now: [(first day, tce, tCO2, name)] without gaps. An import holds
    from its day until the next change that was there before; what is as it was already is no change."""

    def __init__(self):
        self.entries = {}
        for energy, (coal, carbon) in oracle.TABLE.items():
            days = sorted({since for since, _ in coal + carbon})
            self.entries[energy] = [(day, Decimal(oracle.valid_on(coal, day)), Decimal(oracle.valid_on(carbon, day)), '') for day in days]

    def change(self, energy, day, tce, co2):
        """tce or co2 None: as it was."""
        _, old_tce, old_co2, name = [entry for entry in self.entries[energy] if entry[0] <= day][-1]
        new = (old_tce if tce is None else tce, old_co2 if co2 is None else co2, energy)
        if new != (old_tce, old_co2, name):
            self.entries[energy] = sorted([entry for entry in self.entries[energy] if entry[0] != day] + [(day,) + new])

    def column(self, energy, number):
        return [(entry[0], entry[number]) for entry in self.entries[energy]]


class Own:
    """An enterprise's own coefficient of an energy, reported for days: the last of them that is valid holds until the next."""

    def __init__(self, dice, energy):
        self.dice, self.days = dice, {}
        self.code = '00000000%02d%s80' % (int(energy[:2]) + 4, energy[2:])

    def item(self):
        return nhjc.collect_item(self.code, 'mean', '折标系数', stat_type=1)

    def record(self):
        day = any_day(self.dice)
        value, valid = '%.*f' % (self.dice.randint(1, 6), 0.2 + self.dice.random()), self.dice.random() > 0.2
        self.days[day] = Decimal(value) if valid else None
        return nhjc.reading(self.code, day, value, statType=1, valid='true' if valid else 'false')

    def valid(self):
        return sorted((day, value) for day, value in self.days.items() if value)


class Case:
    """One item: its configuration as it changes, and every accepted reading in the order of acceptance."""

    def __init__(self, dice, number, table):
        self.dice, self.table, self.replacements = dice, table, {}
        self.energy = sorted(ENERGIES)[number // 3] if number % 3 == 0 else None
        self.own = Own(dice, self.energy) if self.energy else None
        self.code = '00000000%s60' % self.energy if self.energy else '0000000010%04d80' % (100 * (1 + number // 50) + number % 50)
        self.unit = ENERGIES[self.energy] if self.energy else ''
        self.aggregation = dice.choice(('sum', 'sum', 'counter') if self.energy else ('sum', 'sum', 'mean', 'counter', 'counter'))
        self.period = dice.choice(PERIODS)
        self.counter_max = dice.choice(MODULI) if self.aggregation == 'counter' else None
        self.reported_kinds = dice.sample((1, 2, 3), dice.randint(0, 2)) if self.aggregation != 'counter' else []
        self.accepted, self.reported = [], {1: [], 2: [], 3: []}
        self.begin = datetime.strptime(dice.choice(EDGES), '%Y-%m-%d') + timedelta(seconds=self.period * dice.randint(0, 86400 // self.period))
        self.count = min(dice.choice((20, 100, 400, 900)), 40 * 86400 // self.period + 5)

    def items(self):
        more = {'counterMax': self.counter_max} if self.counter_max and self.aggregation == 'counter' else {}
        yield nhjc.collect_item(self.code, self.aggregation, 'x', period=self.period, unit=self.unit, **more)
        for kind in self.reported_kinds:
            yield nhjc.collect_item(self.code, self.aggregation, 'x', stat_type=kind, unit=self.unit)
        if self.own:
            yield self.own.item()

    def meter_words(self):
        """Words of `nhjcctl meter` after the enterprise: a replacement anywhere in the history, or one taken back."""
        if self.replacements and self.dice.random() < 0.3:
            when = self.dice.choice(sorted(self.replacements))
            del self.replacements[when]
            return ['withdraw'], ['--at', when.strftime('%Y-%m-%d %H:%M:%S')]
        when = self.begin + timedelta(seconds=self.dice.choice((self.period, 60, 1)) * self.dice.randint(-5, self.count + 5))
        limit = int(float(self.counter_max)) if self.counter_max else 10 ** 9
        final_old, first_new = ('%d.%d' % (self.dice.randrange(limit - 1), self.dice.randint(0, 9)) for _ in range(2))
        self.replacements[when] = (Decimal(final_old), Decimal(first_new))
        return ['replace'], ['--at', when.strftime('%Y-%m-%d %H:%M:%S'), '--final-old', final_old, '--first-new', first_new]

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
        """A new period, aggregation or modulus applies to the whole history."""
        self.period = self.dice.choice([p for p in PERIODS if p != self.period])
        self.aggregation = self.dice.choice(('sum', 'mean') if self.reported_kinds else ('sum', 'mean', 'counter'))
        self.counter_max = self.dice.choice(MODULI) if self.aggregation == 'counter' else None

    def item(self):
        coal = carbon = ()
        if self.energy:
            ratio, own = Decimal(oracle.UNITS[self.energy][self.unit]), self.own.valid()
            coal = [(since, value * ratio) for since, value in self.table.column(self.energy, 1) if not own or since < own[0][0]]
            coal += [(since, value * ratio) for since, value in own]
            carbon = [(since, value * ratio) for since, value in self.table.column(self.energy, 2)]
        return oracle.Item(self.code, self.aggregation, self.period, self.counter_max, coal=coal, carbon=carbon,
                           replacements=[(when,) + registers for when, registers in self.replacements.items()])

    def expected(self, granularity):
        kind = {'day': 1, 'month': 2, 'year': 3}.get(granularity)
        made = oracle.rows(self.item(), self.accepted, granularity, reported=self.reported[kind] if kind else ())
        fields = [row.with_coal() for row in made]
        return [[row[name] if name not in ('count', 'expected') else str(row[name]) for name in FIELDS] for row in fields]


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

    def replace_meters(self, device, cases, dice):
        for case in cases:
            while case.aggregation == 'counter' and dice.random() < 0.4:
                first, last = case.meter_words()
                self.province.ctl('meter', *first, device.enterprise, case.code, *last)

    def import_coefficients(self, table, dice):
        """One energy's, from some day on: tce, co2 or both."""
        energy, day = dice.choice(sorted(ENERGIES)), any_day(dice)
        tce, co2 = dice.choice(((True, False), (False, True), (True, True)))
        tce, co2 = ('%.*f' % (dice.randint(1, 6), 0.2 + dice.random()) if wanted else None for wanted in (tce, co2))
        columns = [(name, text) for name, text in (('coal_factor', tce), ('co2_factor', co2)) if text]
        path = os.path.join(self.stack.dir, 'energy.csv')
        with open(path, 'w', encoding='utf-8') as file:
            file.write('code,name,%s\n%s,%s,%s\n' % (','.join(name for name, _ in columns), energy[2:], energy, ','.join(text for _, text in columns)))
        self.province.ctl('basedata', 'import', 'energy_type', path, '--keep', '--valid-from', day.strftime('%Y-%m-%d'))
        table.change(energy, day, tce and Decimal(tce), co2 and Decimal(co2))

    def report_coefficients(self, device, cases):
        self.code(device.upload([case.own.record() for case in cases]), 0)

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
            for case in cases:
                if case.own:
                    seen.pop(case.own.code, None)
            self.assertFalse(seen)
        self.compare_accounts(device, cases, what)

    def compare_accounts(self, device, cases, what):
        """Every month's standard coal, exact: each day with its own coefficient."""
        rows = self.province.sql("SELECT e.energy, to_char(e.ts AT TIME ZONE 'Asia/Shanghai', 'YYYY-MM-DD'), trim_scale(e.tce)"
                                 " FROM unit_energy_month e JOIN unit u ON u.id = e.unit_id WHERE u.code = '%s'" % device.enterprise)
        seen = {(energy, month): Decimal(tce) for energy, month, tce in rows}
        wanted = {(case.energy, month.strftime('%Y-%m-%d')): tce for case in cases if case.energy
                  for month, tce in oracle.month_coal(case.item(), case.accepted).items()}
        self.assertEqual(seen, wanted, 'seed %d %s accounts' % (SEED, what))

    def test_every_row_equals_the_oracles(self):
        print('cases %d seed %d' % (CASES, SEED), file=sys.stderr, flush=True)
        dice, done, rows, table = random.Random(SEED), 0, 0, Table()
        while done < CASES:
            cases = [Case(dice, n, table) for n in range(min(PER_DEVICE, CASES - done))]
            device = self.stack.device(200 + done, [item for case in cases for item in case.items()])
            energies = [case for case in cases if case.own]
            self.report_coefficients(device, [case for case in energies if dice.random() < 0.7])
            if dice.random() < 0.3:
                self.replace_meters(device, cases, dice)
            self.upload(device, cases, dice)
            self.replace_meters(device, cases, dice)
            self.report_coefficients(device, energies)
            self.compare(device, cases, 'after the uploads')
            for _ in range(dice.randint(1, 4)):
                self.report_coefficients(device, energies)
            if dice.random() < IMPORTS:
                self.import_coefficients(table, dice)
            self.replace_meters(device, cases, dice)
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
