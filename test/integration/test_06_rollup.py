"""Rollups against the oracle, to the last digit, for every granularity, after any order of arrival."""
import random
from datetime import timedelta

import nhjc
from stack import StackCase, main
import oracle
from testdata import BASIC, COUNTER, FACTOR, MEAN, PERIOD, POWER, REGISTER, SUM, slots, ts

AGGREGATION = {POWER: 'sum', FACTOR: 'mean', REGISTER: 'counter'}
FIELDS = ('value', 'min', 'max', 'avg', 'count', 'expected', 'completeness', 'source')


class RollupCase(StackCase):
    def agrees(self, device, sent, granularities=oracle.GRANULARITIES, items=None):
        """sent: {code: [oracle.Reading …] in order of commit}. QueryData and the view give the oracle's rows."""
        self.province.rolled_up()
        client = self.province.client()
        for code, history in sent.items():
            item = (items or {}).get(code) or oracle.Item(code, AGGREGATION[code], PERIOD, 1000000 if code == REGISTER else None)
            dates = [reading.ts for reading in history]
            begin, end = oracle.period_start('year', min(dates)) - timedelta(days=7), max(dates) + timedelta(days=1)
            for granularity in granularities:
                wanted = [row.as_dict() for row in oracle.rows(item, history, granularity)]
                nodes = nhjc.query_rows(client, [device.enterprise], granularity, str(begin), str(end), [code])
                seen = [{name: node.get(name) for name in ('statDate',) + FIELDS} for node in nodes]
                self.assertEqual(len(seen), len(wanted), (code, granularity))
                for row, expected in zip(seen, wanted):
                    self.assertEqual(self.canonical(row), self.canonical(expected), (code, granularity, expected['statDate']))
                if granularity in ('minute', 'hour', 'day', 'month', 'year'):
                    self.view_agrees(device, code, granularity, wanted)
        self.province.verified('--enterprise', device.enterprise)

    def canonical(self, row):
        decimals = ('value', 'min', 'max', 'avg', 'completeness')
        return {name: (None if value is None else oracle.Decimal(value) if name in decimals else str(value)) for name, value in row.items()}

    def view_agrees(self, device, code, granularity, wanted):
        names = ', '.join(FIELDS)
        rows = self.province.sql("SELECT to_char(stat_date AT TIME ZONE 'Asia/Shanghai', 'YYYY-MM-DD HH24:MI:SS'), %s FROM bv_infodb_energydata_province "
                                 "WHERE enterprise_code = '%s' AND data_code = '%s' AND granularity = '%s' ORDER BY stat_date"
                                 % (names, device.enterprise, code, granularity))
        seen = [self.canonical(dict(zip(('statDate',) + FIELDS, [cell or None for cell in row]))) for row in rows]
        self.assertEqual(seen, [self.canonical(row) for row in wanted], ('view', code, granularity))

    def send(self, device, sent, code, values, chunk=500):
        """values: [(instant, text, valid)]; sent grows in the order of commit."""
        for i in range(0, len(values), chunk):
            part = values[i:i + chunk]
            answer = device.upload([nhjc.reading(code, at, value, **({} if valid else {'valid': 'false'})) for at, value, valid in part], encoding='gzip')
            self.assertEqual(answer.get('responseCode'), '0', answer.get('responseMessage'))
            sent.setdefault(code, []).extend(oracle.Reading(at, value, valid) for at, value, valid in part)


class Plain(RollupCase):
    def test_a_replaced_meter_is_told_by_the_operator(self):
        device = self.stack.device(61, [COUNTER])
        for at, register in zip(slots('2024-03-01 00:00', 4), ('990000', '990010', '5000', '5003')):
            device.upload([nhjc.reading(REGISTER, at, register)])
        total = "SELECT coalesce(value, 0)::integer FROM bv_infodb_energydata_province WHERE granularity = 'day' AND enterprise_code = '%s'" % device.enterprise
        self.province.rolled_up()
        self.assertEqual(self.province.number(total), 15003)  # taken for a rollover of the register
        where = (device.enterprise, REGISTER, '--at', '2024-03-01 00:35:00')
        self.province.ctl('meter', 'replace', *where, '--final-old', '990020.5', '--first-new', '4999.5')
        self.province.rolled_up()
        self.assertEqual(self.province.sql(total.replace('::integer', '')), [['24']])
        self.province.verified('--enterprise', device.enterprise)
        self.assertIn('990020.5', self.province.ctl('meter', 'list', '--enterprise', device.enterprise).stdout)
        self.province.ctl('meter', 'withdraw', *where)
        self.province.rolled_up()
        self.assertEqual(self.province.number(total), 15003)
        for wrong in (where[:1] + (POWER,) + where[2:], ('91420100MA0000000X',) + where[1:]):
            self.assertEqual(self.province.ctl('meter', 'replace', *wrong, '--final-old', '1', '--first-new', '1', check=False).returncode, 1)

    def test_repair_shows_first_and_then_puts_right_what_differs(self):
        device, sent, audited = self.stack.device(60, BASIC), {}, "SELECT count(*) FROM audit_log WHERE action = 'rollup.repair'"
        self.send(device, sent, POWER, [(at, '1.5', True) for at in slots('2024-02-28 00:00', 3 * 96)])
        self.province.rolled_up()
        unit = "(SELECT id FROM unit WHERE code = '%s')" % device.enterprise
        self.province.sql("UPDATE rollup_day SET total = '{7}' WHERE unit_id = %s AND ts = '2024-02-29 00:00:00+08'" % unit)
        self.province.sql("UPDATE unit_consumption_month SET tce = 7 WHERE unit_id = %s AND ts = '2024-03-01 00:00:00+08'" % unit)
        self.assertEqual(self.province.ctl('rollup', 'verify', '--enterprise', device.enterprise, check=False).returncode, 1)
        before = self.province.number(audited)
        shown = self.province.ctl('rollup', 'repair', '--enterprise', device.enterprise, '--dry-run')
        self.assertIn('2024-02-29', shown.stdout)
        self.assertIn('month', shown.stdout)
        self.assertEqual(self.province.number(audited), before)
        self.assertEqual(self.province.ctl('rollup', 'verify', '--enterprise', device.enterprise, check=False).returncode, 1)
        self.province.ctl('rollup', 'repair', '--enterprise', device.enterprise)
        self.assertEqual(self.province.number(audited), before + 1)
        self.agrees(device, sent)

    def test_sum_and_mean_over_the_end_of_a_year(self):
        device, sent, dice = self.stack.device(70, BASIC), {}, random.Random(70)
        instants = slots('2019-12-29 00:00', 6 * 96)
        self.send(device, sent, POWER, [(at, '%.4f' % dice.uniform(0, 150), True) for at in instants])
        self.send(device, sent, FACTOR, [(at, '%.7f' % dice.uniform(-5, 100), True) for at in instants if dice.random() > 0.1])
        self.agrees(device, sent)

    def test_a_leap_day_and_missing_slots(self):
        device, sent, dice = self.stack.device(71, BASIC), {}, random.Random(71)
        instants = [at for at in slots('2024-02-27 00:00', 4 * 96) if dice.random() > 0.4]
        self.send(device, sent, POWER, [(at, '%.6f' % dice.uniform(0, 1), True) for at in instants])
        self.agrees(device, sent)

    def test_large_totals_do_not_wrap(self):
        device, sent = self.stack.device(72, BASIC), {}
        self.send(device, sent, POWER, [(at, '999999999.999999', True) for at in slots('2018-01-01 00:00', 10000)], 5000)
        self.agrees(device, sent, ('day', 'month', 'year'))

    def test_averages_are_rounded_half_to_even_once(self):
        device, sent = self.stack.device(73, BASIC), {}
        self.send(device, sent, FACTOR, [(at, value, True) for at, value in zip(slots('2018-01-01 00:00', 6), ['0.000001', '0.000002', '0.000002', '0.000003', '1', '0'])])
        self.agrees(device, sent)


class Late(RollupCase):
    def snapshot(self, device):
        return {(table, row[0]): row[1] for table in ('hour', 'day', 'month', 'year')
                for row in self.province.sql("SELECT ts, r.revision || ' ' || r.computed_at FROM rollup_%s r JOIN unit ON unit.id = r.unit_id WHERE code = '%s'"
                                             % (table, device.enterprise))}

    def test_readings_of_2010_and_2016_change_exactly_the_periods_they_touch(self):
        device, sent, dice = self.stack.device(74, BASIC), {}, random.Random(74)
        for start in ('2010-01-01 00:00', '2016-02-28 12:00', '2018-06-30 00:00'):
            self.send(device, sent, POWER, [(at, '%.2f' % dice.uniform(0, 9), True) for at in slots(start, 2 * 96)])
        self.agrees(device, sent)
        before = self.snapshot(device)
        self.send(device, sent, POWER, [(ts('2016-02-29 23:45'), '7', True), (ts('2010-01-01 00:00'), '5', True)])
        self.agrees(device, sent)
        after = self.snapshot(device)
        changed = sorted(key for key in after if after[key] != before.get(key))
        self.assertEqual(changed, sorted([('hour', '2016-02-29 23:00:00+08'), ('day', '2016-02-29 00:00:00+08'), ('month', '2016-02-01 00:00:00+08'),
                                          ('year', '2016-01-01 00:00:00+08'), ('hour', '2010-01-01 00:00:00+08'), ('day', '2010-01-01 00:00:00+08'),
                                          ('month', '2010-01-01 00:00:00+08'), ('year', '2010-01-01 00:00:00+08')]))

    def test_any_order_of_arrival_gives_the_same_rows(self):
        dice = random.Random(75)
        instants = slots('2018-01-30 00:00', 3 * 96)
        device, sent = self.stack.device(75, BASIC), {}
        values = [(at, '%.3f' % dice.uniform(0, 9), True) for at in instants]
        shuffled = list(values)
        dice.shuffle(shuffled)
        self.send(device, sent, POWER, shuffled, 37)
        self.agrees(device, sent)
        for _ in range(200):  # corrections, invalidations and their return, in any order
            at = dice.choice(instants)
            self.send(device, sent, POWER, [(at, '%.3f' % dice.uniform(0, 9), dice.random() > 0.3)])
        self.agrees(device, sent)

    def test_a_changed_aggregation_rolls_up_the_whole_history_again(self):
        device, sent = self.stack.device(76, BASIC), {}
        self.send(device, sent, POWER, [(at, '2.5', True) for at in slots('2017-12-31 00:00', 3 * 96)])
        self.agrees(device, sent)
        self.code(device.configure([dict(SUM, aggregation='mean'), MEAN]), 0)
        self.agrees(device, sent, items={POWER: oracle.Item(POWER, 'mean', PERIOD)})

    def test_a_changed_period_changes_what_is_expected(self):
        device, sent = self.stack.device(77, BASIC), {}
        self.send(device, sent, POWER, [(at, '2.5', True) for at in slots('2017-12-31 00:00', 48, minutes=30)])
        self.code(device.configure([dict(SUM, period=1800), MEAN]), 0)
        self.agrees(device, sent, items={POWER: oracle.Item(POWER, 'sum', 1800)})


class Registers(RollupCase):
    def test_differences_rollover_reset_gaps_and_late_readings(self):
        device, sent = self.stack.device(78, [COUNTER]), {}
        values = [100, 110, 125, 999990, 5, 9, 400000, 3, 8]
        instants = slots('2018-01-31 22:00', len(values))
        self.send(device, sent, REGISTER, [(at, str(value), True) for at, value in zip(instants, values)])
        self.agrees(device, sent)
        self.send(device, sent, REGISTER, [(ts('2018-02-03 00:00'), '20', True)])
        self.agrees(device, sent)
        self.send(device, sent, REGISTER, [(ts('2018-02-01 12:00'), '12', True)])  # between: splits a difference
        self.agrees(device, sent)
        self.send(device, sent, REGISTER, [(ts('2018-02-01 12:00'), '12', False)])  # and joins it again
        self.agrees(device, sent)

    def test_a_month_of_registers_in_random_order(self):
        device, sent, dice = self.stack.device(79, [COUNTER]), {}, random.Random(79)
        register, values = 990000, []
        for at in slots('2018-01-25 00:00', 10 * 96):
            register = (register + dice.randint(0, 40)) % 1000000 if dice.random() > 0.003 else dice.randint(0, 10)
            if dice.random() > 0.2:
                values.append((at, str(register), dice.random() > 0.05))
        dice.shuffle(values)
        self.send(device, sent, REGISTER, values, 111)
        self.agrees(device, sent)


class Reported(RollupCase):
    def test_reported_values_show_only_where_nothing_was_computed(self):
        items = [SUM, nhjc.collect_item(POWER, 'sum', '日报', stat_type=1), nhjc.collect_item(POWER, 'sum', '月报', stat_type=2)]
        device, sent = self.stack.device(80, items), {}
        self.send(device, sent, POWER, [(at, '1', True) for at in slots('2018-05-01 00:00', 96)])
        days = [(d, v) for d, v in (('2018-05-01 00:00:00', '500'), ('2018-05-02 00:00:30', '600'), ('2018-05-03 00:00:00', '700'))]
        answer = device.upload([nhjc.reading(POWER, d, v, statType=1) for d, v in days] +
                               [nhjc.reading(POWER, '2018-04-01 00:00:00', '9000', statType=2), nhjc.reading(POWER, '2018-04-02 00:00:00', '1', statType=2)])
        self.code(answer, 2)
        self.finding(answer, 3301, 6)
        self.assertEqual(answer.number('recordsStored'), 4)
        self.province.rolled_up()
        client = self.province.client()
        rows = nhjc.query_rows(client, [device.enterprise], 'day', '2018-05-01 00:00:00', '2018-06-01 00:00:00', [POWER])
        self.assertEqual([(r.get('statDate'), r.get('value'), r.get('source'), r.get('count')) for r in rows],
                         [('2018-05-01 00:00:00', '96', 'computed', '96'), ('2018-05-02 00:00:00', '600', 'reported', '0'),
                          ('2018-05-03 00:00:00', '700', 'reported', '0')])
        self.assertEqual([rows[1].get(name) for name in ('min', 'max', 'avg')], [None, None, None])
        months = nhjc.query_rows(client, [device.enterprise], 'month', '2018-01-01 00:00:00', '2019-01-01 00:00:00', [POWER])
        self.assertEqual([(r.get('statDate'), r.get('value'), r.get('source')) for r in months],
                         [('2018-04-01 00:00:00', '9000', 'reported'), ('2018-05-01 00:00:00', '96', 'computed')])


if __name__ == '__main__':
    main()
