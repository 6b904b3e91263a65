"""The oracle against examples worked by hand; it must be right before it may judge the server."""
import os
import sys
import unittest
from datetime import datetime, timedelta
from decimal import Decimal

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from oracle import Item, coefficients, month_coal, Reading, expected, period_next, period_start, plain, rows  # noqa: E402


def at(text):
    return datetime.strptime(text, '%Y-%m-%d %H:%M')


def series(start, minutes, values):
    begin = at(start)
    return [Reading(begin + timedelta(minutes=minutes * i), value) for i, value in enumerate(values)]


def shown(row):
    return [plain(x) for x in (row.value, row.min, row.max, row.avg)] + [row.count, row.expected, plain(row.completeness)]


class Periods(unittest.TestCase):
    def test_edges_belong_to_the_period_they_begin(self):
        self.assertEqual(period_start('day', at('2024-03-01 00:00')), at('2024-03-01 00:00'))
        self.assertEqual(period_start('month', at('2024-02-29 23:59')), at('2024-02-01 00:00'))
        self.assertEqual(period_start('quarter', at('2024-06-30 23:59')), at('2024-04-01 00:00'))

    def test_week_begins_on_monday_over_the_year(self):
        self.assertEqual(period_start('week', at('2025-01-01 12:00')), at('2024-12-30 00:00'))
        self.assertEqual(period_next('week', at('2024-12-30 00:00')), at('2025-01-06 00:00'))

    def test_expected_follows_leap_years(self):
        self.assertEqual(expected('month', at('2024-02-01 00:00'), 900), 29 * 96)
        self.assertEqual(expected('year', at('2024-01-01 00:00'), 86400), 366)
        self.assertEqual(expected('quarter', at('2023-01-01 00:00'), 3600), 90 * 24)


class Sums(unittest.TestCase):
    def test_sum_is_exact_and_average_half_to_even(self):
        got = rows(Item('x', 'sum', 900), series('2024-01-01 00:00', 15, ['0.1', '0.2', '0.0000005']), 'hour')
        self.assertEqual(shown(got[0]), ['0.3', '0', '0.2', '0.1', 3, 4, '0.75'])

    def test_average_of_a_tie_goes_to_the_even_digit(self):
        got = rows(Item('x', 'mean', 900), series('2024-01-01 00:00', 15, ['0.000001', '0.000002']), 'day')
        self.assertEqual(shown(got[0])[:4], ['0.000002', '0.000001', '0.000002', '0.000002'])

    def test_the_later_of_two_values_counts(self):
        readings = series('2024-01-01 00:00', 15, ['5', '6']) + [Reading(at('2024-01-01 00:00'), '7')]
        self.assertEqual(plain(rows(Item('x'), readings, 'day')[0].value), '13')

    def test_invalid_readings_leave_and_a_valid_one_brings_back(self):
        readings = series('2024-01-01 00:00', 15, ['5', '6']) + [Reading(at('2024-01-01 00:15'), '6', valid=False)]
        self.assertEqual(shown(rows(Item('x'), readings, 'hour')[0]), ['5', '5', '5', '5', 1, 4, '0.25'])
        readings.append(Reading(at('2024-01-01 00:15'), '6'))
        self.assertEqual(plain(rows(Item('x'), readings, 'hour')[0].value), '11')

    def test_a_period_without_a_valid_reading_has_no_row(self):
        self.assertEqual(rows(Item('x'), [Reading(at('2024-01-01 00:00'), '1', valid=False)], 'day'), [])

    def test_a_mean_is_not_a_mean_of_means(self):
        readings = series('2024-01-01 00:00', 15, ['10', '10', '10', '10']) + series('2024-01-01 01:00', 15, ['20'])
        self.assertEqual(plain(rows(Item('x', 'mean'), readings, 'day')[0].value), '12')

    def test_no_hour_rows_above_an_hour_of_period(self):
        readings = series('2024-01-01 00:00', 360, ['1', '2', '3', '4'])
        self.assertEqual(rows(Item('x', 'sum', 21600), readings, 'hour'), [])
        self.assertEqual(shown(rows(Item('x', 'sum', 21600), readings, 'day')[0])[4:], [4, 4, '1'])

    def test_from_and_to_cut_by_the_start_of_the_period(self):
        readings = series('2024-01-31 23:00', 60, ['1', '2', '3'])
        got = rows(Item('x', 'sum', 3600), readings, 'month', at('2024-01-02 00:00'), at('2024-02-01 00:01'))
        self.assertEqual([(row.start.month, plain(row.value)) for row in got], [(2, '5')])


class Counters(unittest.TestCase):
    def test_a_difference_belongs_to_the_period_of_the_later_reading(self):
        got = rows(Item('x', 'counter', 3600), series('2024-01-31 22:00', 60, ['100', '110', '125', '130']), 'month')
        self.assertEqual([shown(row)[:5] for row in got], [['10', '10', '10', '10', 2], ['20', '5', '15', '10', 2]])

    def test_a_single_register_reading_counts_without_a_value(self):
        got = rows(Item('x', 'counter', 3600), series('2024-01-01 00:00', 60, ['100']), 'day')
        self.assertEqual(shown(got[0])[:5], [None, None, None, None, 1])

    def test_rollover_up_to_half_the_modulus_is_a_rollover(self):
        item = Item('x', 'counter', 3600, counter_max=1000)
        self.assertEqual(plain(rows(item, series('2024-01-01 00:00', 60, ['990', '10']), 'day')[0].value), '20')
        self.assertEqual(plain(rows(item, series('2024-01-01 00:00', 60, ['600', '100']), 'day')[0].value), '500')

    def test_a_larger_decrease_is_a_reset_and_the_base_of_the_next(self):
        item = Item('x', 'counter', 3600, counter_max=1000)
        got = rows(item, series('2024-01-01 00:00', 60, ['600', '101', '104']), 'day')
        self.assertEqual(shown(got[0])[:5], ['3', '3', '3', '3', 3])

    def test_without_a_modulus_every_decrease_is_a_reset(self):
        got = rows(Item('x', 'counter', 3600), series('2024-01-01 00:00', 60, ['990', '10', '12']), 'day')
        self.assertEqual(plain(got[0].value), '2')

    def test_a_gap_is_credited_whole_to_the_later_reading(self):
        readings = series('2024-01-01 00:00', 60, ['100']) + series('2024-01-03 05:00', 60, ['160'])
        got = rows(Item('x', 'counter', 3600), readings, 'day')
        self.assertEqual([(row.start.day, plain(row.value), row.count) for row in got], [(1, None, 1), (3, '60', 1)])

    def test_what_was_used_across_a_replaced_meter_is_each_meters_part(self):
        readings = series('2024-03-01 00:00', 60, ['100', '110', '120']) + series('2024-03-01 04:00', 60, ['9', '500'])
        exchanged = (at('2024-03-01 04:30'), Decimal(130), Decimal(7))
        item = Item('x', 'counter', 3600, replacements=[exchanged])
        self.assertEqual([plain(row.value) for row in rows(item, readings, 'hour')], [None, '10', '10', '12', '491'])
        # its interval ends at that very time: the reading is still the old meter's, and lower than the one before
        item.replacements = [(at('2024-03-01 05:00'),) + exchanged[1:]]
        self.assertEqual([plain(row.value) for row in rows(item, readings, 'hour')], [None, '10', '10', None, '614'])

    def test_two_meters_in_a_gap_and_one_that_was_reset(self):
        readings = series('2024-03-01 00:00', 60, ['100']) + series('2024-03-01 04:00', 60, ['9'])
        two = [(at('2024-03-01 03:00'), Decimal(50), Decimal(5)), (at('2024-03-01 02:00'), Decimal(130), Decimal(40))]
        self.assertEqual([plain(row.value) for row in rows(Item('x', 'counter', 3600, replacements=two), readings, 'hour')], [None, '44'])
        lower = [(at('2024-03-01 03:00'), Decimal(90), Decimal(8))]
        self.assertEqual([plain(row.value) for row in rows(Item('x', 'counter', 3600, replacements=lower), readings, 'hour')], [None, '1'])

    def test_minute_rows_give_the_register(self):
        got = rows(Item('x', 'counter', 3600), series('2024-01-01 00:00', 60, ['100', '110']), 'minute')
        self.assertEqual([plain(row.value) for row in got], ['100', '110'])


class Coal(unittest.TestCase):
    ITEM = Item('x', 'sum', 3600, coal=[(at('2024-01-01 00:00'), Decimal('0.5')), (at('2024-01-02 00:00'), Decimal('0.0000005'))],
                carbon=[(at('2024-01-02 00:00'), Decimal(2))])

    def test_a_row_has_the_coefficient_of_its_beginning_rounded_once_to_even(self):
        readings = series('2024-01-01 23:00', 60, ['1', '3'])
        self.assertEqual([(plain(row.tce), plain(row.co2)) for row in rows(self.ITEM, readings, 'day')], [('0.5', None), ('0.000002', '6')])
        self.assertEqual([plain(row.tce) for row in rows(self.ITEM, readings, 'month')], ['2'])

    def test_a_months_account_is_the_exact_sum_of_its_days(self):
        readings = series('2024-01-01 23:00', 60, ['1', '3'])
        self.assertEqual(month_coal(self.ITEM, readings), {at('2024-01-01 00:00'): Decimal('0.5000015')})

    def test_the_delivered_table_by_the_items_unit(self):
        coal, carbon, known = coefficients('0000000002330010', 'kWh')
        self.assertEqual((coal[-1][1], carbon[-1][1], known), (Decimal('0.0001229'), Decimal('0.0005703'), True))
        self.assertEqual(coefficients('0000000010010180', 'kvarh'), ((), (), True))
        self.assertEqual(coefficients('0000000002330010', 'furlong'), ((), (), False))

    def test_means_and_registers_are_no_quantities(self):
        readings = series('2024-01-01 00:00', 60, ['1', '3'])
        coal = [(at('2024-01-01 00:00'), Decimal(1))]
        self.assertIsNone(rows(Item('x', 'mean', 3600, coal=coal), readings, 'day')[0].tce)
        self.assertIsNone(rows(Item('x', 'counter', 3600, coal=coal), readings, 'minute')[0].tce)
        self.assertEqual(plain(rows(Item('x', 'counter', 3600, coal=coal), readings, 'day')[0].tce), '2')


class Reported(unittest.TestCase):
    def test_reported_values_show_only_where_nothing_was_computed(self):
        reported = [Reading(at('2024-01-01 00:00'), '99'), Reading(at('2024-01-02 00:00'), '98')]
        got = rows(Item('x'), series('2024-01-01 00:00', 15, ['1']), 'day', reported=reported)
        self.assertEqual([(plain(row.value), row.source, row.count) for row in got], [('1', 'computed', 1), ('98', 'reported', 0)])
        self.assertIsNone(got[1].avg)
        self.assertEqual(got[1].completeness, Decimal(0))


if __name__ == '__main__':
    unittest.main()
