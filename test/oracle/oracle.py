#!/usr/bin/env python3
"""An independent computation of the rows that QueryData must give.

Written from the contract (sections 3 and 6) with the standard library alone; it shares no code and no table with the
server, so that both being wrong in the same way is unlikely. Exact: decimals, never floating point.

    oracle.py --csv FILE [--items FILE] [--granularity month] [--from T] [--to T] [--column NAME] [--json]

As a module: Item, Reading, rows().
"""
import argparse
import csv
import gzip
import io
import json
import sys
from datetime import datetime, timedelta
from decimal import Context, Decimal, ROUND_HALF_EVEN, localcontext

SIX = Decimal('0.000001')
WIDE = Context(prec=80, rounding=ROUND_HALF_EVEN)
GRANULARITIES = ('minute', 'hour', 'day', 'week', 'month', 'quarter', 'year')


def round6(number):
    """Half to even, once, to six decimals (contract 6.1)."""
    return number.quantize(SIX, rounding=ROUND_HALF_EVEN, context=WIDE)


def ratio(numerator, denominator):
    return round6(WIDE.divide(Decimal(numerator), Decimal(denominator)))


class Item:
    """One collect item: what its readings mean. coal, carbon: [(first day, coefficient or None)], tce and tCO2 per unit of
    the item, each until the next; nothing before the first. replacements: [(when, the old meter's last register, the new
    one's first)] of a register. accounted: coefficients are known, also where there are none."""

    def __init__(self, code, aggregation='sum', period=900, counter_max=None, name='', unit='', coal=(), carbon=(), replacements=(),
                 accounted=True):
        self.code, self.aggregation, self.period = code, aggregation, period
        self.counter_max = None if counter_max is None else Decimal(counter_max)
        self.name, self.unit = name, unit
        self.coal, self.carbon = sorted(coal), sorted(carbon)
        self.replacements, self.accounted = sorted(replacements), accounted


def valid_on(coefficients, day):
    """The last that began by then."""
    return next((value for since, value in reversed(coefficients) if since <= day), None)


def times(quantity, coefficient):
    """Exact; None where either is missing."""
    return None if quantity is None or coefficient is None else WIDE.multiply(quantity, coefficient)


class Reading:
    """The value of the interval that begins at `ts` (civil time of the platform)."""

    __slots__ = ('ts', 'value', 'valid')

    def __init__(self, ts, value, valid=True):
        self.ts, self.value, self.valid = ts, round6(Decimal(value)), valid


class Row:
    __slots__ = ('start', 'value', 'min', 'max', 'avg', 'count', 'expected', 'completeness', 'source', 'tce', 'co2')

    def __init__(self, start, value, low, high, avg, count, expected, source='computed'):
        self.start, self.value, self.min, self.max, self.avg = start, value, low, high, avg
        self.count, self.expected, self.source = count, expected, source
        self.completeness = min(Decimal(1), ratio(count, expected)) if expected else Decimal(0)  # 0..1, also after a period grew
        self.tce = self.co2 = None

    def account(self, item):
        """With the coefficients valid at the period's beginning."""
        for name, coefficients in (('tce', item.coal), ('co2', item.carbon)):
            exact = times(self.value, valid_on(coefficients, self.start))
            setattr(self, name, None if exact is None else round6(exact))
        return self

    def as_dict(self):
        return {'statDate': self.start.strftime('%Y-%m-%d %H:%M:%S'), 'value': plain(self.value), 'min': plain(self.min),
                'max': plain(self.max), 'avg': plain(self.avg), 'count': self.count, 'expected': self.expected,
                'completeness': plain(self.completeness), 'source': self.source}

    def with_coal(self):
        return dict(self.as_dict(), tce=plain(self.tce), co2=plain(self.co2))


def plain(number):
    """12.500000 -> '12.5', 0E-6 -> '0'; None stays None."""
    if number is None:
        return None
    text = format(number, 'f')
    if '.' in text:
        text = text.rstrip('0').rstrip('.')
    return '0' if text in ('-0', '') else text


def period_start(granularity, ts):
    """The first instant of the period that holds ts; periods are left-closed."""
    if granularity == 'minute':
        return ts
    if granularity == 'hour':
        return ts.replace(minute=0, second=0, microsecond=0)
    day = ts.replace(hour=0, minute=0, second=0, microsecond=0)
    if granularity == 'day':
        return day
    if granularity == 'week':
        return day - timedelta(days=day.weekday())
    if granularity == 'month':
        return day.replace(day=1)
    if granularity == 'quarter':
        return day.replace(month=(day.month - 1) // 3 * 3 + 1, day=1)
    return day.replace(month=1, day=1)


def period_next(granularity, start):
    days = {'day': 1, 'week': 7}
    months = {'month': 1, 'quarter': 3, 'year': 12}
    if granularity == 'hour':
        return start + timedelta(hours=1)
    if granularity in days:
        return start + timedelta(days=days[granularity])
    index = start.year * 12 + start.month - 1 + months[granularity]
    return start.replace(year=index // 12, month=index % 12 + 1)


def expected(granularity, start, period):
    seconds = int((period_next(granularity, start) - start).total_seconds())
    return seconds // period


def latest(readings):
    """One reading per instant: the later in the sequence replaces the former (contract 4.2, 6.5)."""
    kept = {}
    for reading in readings:
        kept[reading.ts] = reading
    return [kept[ts] for ts in sorted(kept)]


def step_of(item, before, after):
    """What one meter counted between two registers; None for a reset."""
    step = after - before
    if step < 0:
        wrapped = None if item.counter_max is None else step + item.counter_max
        # a register that stood beyond its own modulus explains nothing: differences are never negative
        step = wrapped if wrapped is not None and 0 <= wrapped * 2 <= item.counter_max else None
    return step


def meters_between(item, previous, reading):
    """(first, last register) of each meter that counted between two readings. A reading is the new meter's when its interval
    ends after the replacement."""
    period, first = timedelta(seconds=item.period), previous.value
    for when, final_old, first_new in item.replacements:
        if previous.ts + period <= when < reading.ts + period:
            yield first, final_old
            first = first_new
    yield first, reading.value


def differences(item, valid):
    """(instant, difference or None) per valid register reading: None without a neighbour before, and for a reset. What several
    meters counted is one difference; one that was reset adds nothing to it."""
    previous = None
    for reading in valid:
        used = None
        if previous is not None:
            steps = [step_of(item, first, last) for first, last in meters_between(item, previous, reading)]
            known = [step for step in steps if step is not None]
            used = sum(known, Decimal(0)) if known else None
        yield reading.ts, used
        previous = reading


def parts(item, readings):
    """(instant, quantity or None) per valid reading; None counts as a reading and adds nothing."""
    valid = [reading for reading in latest(readings) if reading.valid]
    if item.aggregation == 'counter':
        return differences(item, valid)
    return ((reading.ts, reading.value) for reading in valid)


def make_row(item, granularity, start, quantities):
    numbers = [quantity for quantity in quantities if quantity is not None]
    total = low = high = avg = None
    if numbers:
        with localcontext(WIDE):
            total = sum(numbers, Decimal(0))
        low, high = min(numbers), max(numbers)
        avg = ratio(total, len(numbers))
    value = avg if item.aggregation == 'mean' else total
    return Row(start, value, low, high, avg, len(quantities), expected(granularity, start, item.period))


def minute_rows(readings):
    return [Row(reading.ts, reading.value, reading.value, reading.value, reading.value, 1, 1)
            for reading in latest(readings) if reading.valid]


def rows(item, readings, granularity, begin=None, end=None, reported=()):
    """All rows of an item, ordered, whose start lies in [begin, end). `reported`: values of this granularity that
    were reported as such; they show only where no valid reading exists and never enter another period."""
    if granularity == 'minute':
        made = minute_rows(readings)
    elif granularity == 'hour' and item.period > 3600:
        made = []
    else:
        groups = {}
        for ts, quantity in parts(item, readings):
            groups.setdefault(period_start(granularity, ts), []).append(quantity)
        made = [make_row(item, granularity, start, groups[start]) for start in groups]
    present = {row.start for row in made}
    for reading in latest(reported):
        if reading.valid and reading.ts not in present:
            made.append(Row(reading.ts, reading.value, None, None, None, 0,
                            expected(granularity, reading.ts, item.period), 'reported'))
    for row in made:
        if is_quantity(item, granularity, row):
            row.account(item)
    return sorted((row for row in made if (begin is None or row.start >= begin) and (end is None or row.start < end)),
                  key=lambda row: row.start)


def is_quantity(item, granularity, row):
    """Means are none, nor are registers as they were read."""
    return item.aggregation == 'sum' or (item.aggregation == 'counter' and granularity != 'minute' and row.source == 'computed')


def month_coal(item, readings):
    """{first of month: tce}, exact: the days' quantities, each with the coefficient of its day."""
    months = {}
    for row in rows(item, readings, 'day') if item.aggregation != 'mean' else ():
        exact = times(row.value, valid_on(item.coal, row.start))
        if exact is not None:
            month = period_start('month', row.start)
            months[month] = WIDE.add(months.get(month, Decimal(0)), exact)
    return months


# ---------------------------------------------------------------- coefficients as they are delivered

DAWN = datetime(2009, 12, 31)  # before any reading, so that an own coefficient of the first day comes after it

# class and energy -> tce and tCO2 per unit of the table (GB/T 2589, GB/T 32151, grid factors by year)
TABLE = {
    '023300': ([(DAWN, '1.229')], [(DAWN, '6.101'), (datetime(2021, 1, 1), '5.81'), (datetime(2022, 1, 1), '5.703')]),
    '010104': ([(DAWN, '0.7143')], [(DAWN, '1.74175')]),
    '011500': ([(DAWN, '12.15')], [(DAWN, '21.62189')]),
    '021900': ([(DAWN, '1.4714')], [(DAWN, '2.92506')]),
}
# energy -> {unit of an item: how many units of the table it is}; '' is the table's own
UNITS = {
    '023300': {'': '1', 'kWh': '0.0001', 'MWh': '0.1', '万千瓦时': '1'},
    '010104': {'': '1', 't': '1', 'kg': '0.001', '吨': '1'},
    '011500': {'': '1', 'm3': '0.0001', '万立方米': '1'},
    '021900': {'': '1', 't': '1', 'kg': '0.001', '吨': '1'},
}


def coefficients(code, unit):
    """(coal, carbon, known) of an item by the delivered table; energies and units that are not in it are not known, what is no
    energy has none."""
    energy = code[8:14]
    if energy[:2] not in ('01', '02', '03'):
        return (), (), True
    ratio_of = UNITS.get(energy, {}).get(unit)
    if ratio_of is None:
        return (), (), False
    return tuple([(since, Decimal(value) * Decimal(ratio_of)) for since, value in column] for column in TABLE[energy]) + (True,)


def account_by_table(item):
    item.coal, item.carbon, item.accounted = coefficients(item.code, item.unit)
    return item


# ---------------------------------------------------------------- CSV files as nhjc-sim takes them

KNOWN_COLUMNS = {
    'usage_kwh': ('0000000002330010', 'sum', 'kWh'), 'electricity_kwh': ('0000000002330010', 'sum', 'kWh'),
    'gas_m3': ('0000000001150010', 'sum', 'm3'), 'output_t': ('0000000004010030', 'sum'),
    'lag_kvarh': ('0000000010010180', 'sum'), 'lead_kvarh': ('0000000010010280', 'sum'),
    'co2_t': ('0000000010010380', 'sum'), 'water_m3': ('0000000010010480', 'sum'),
    'pf_lag': ('0000000010020180', 'mean'), 'pf_lead': ('0000000010020280', 'mean'),
    'temperature_c': ('0000000010020380', 'mean'),
}


def parse_time(text):
    for form in ('%Y-%m-%d %H:%M:%S', '%Y-%m-%d %H:%M'):
        try:
            return datetime.strptime(text, form)
        except ValueError:
            pass
    raise ValueError('not a time: %r' % text)


def open_text(path):
    with open(path, 'rb') as file:
        data = file.read()
    if data[:2] == b'\x1f\x8b':
        data = gzip.decompress(data)
    return io.StringIO(data.decode('utf-8-sig'))


def load_items(path):
    """column -> Item, from a CSV `column,dataCode,aggregation,name,unit`."""
    with open_text(path) as file:
        return {row['column']: Item(row['dataCode'], row['aggregation'], name=row.get('name') or '', unit=row.get('unit') or '')
                for row in csv.DictReader(file)}


def column_item(column, unknown):
    if column in KNOWN_COLUMNS:
        code, aggregation, *unit = KNOWN_COLUMNS[column]
        return Item(code, aggregation, name=column, unit=unit[0] if unit else '')
    unknown.append(column)
    return Item('00000000109%03d80' % len(unknown), 'sum', name=column)


def read_csv(path, items=None, begin=None, end=None):
    """[(column, Item, [Reading …])] in the order of the columns."""
    with open_text(path) as file:
        lines = csv.reader(file)
        columns = next(lines)[1:]
        table = [(parse_time(line[0].strip()), [cell.strip() for cell in line[1:]]) for line in lines if line]
    table = [(ts, cells) for ts, cells in table if (begin is None or ts >= begin) and (end is None or ts < end)]
    instants = sorted({ts for ts, _ in table})
    steps = [int((b - a).total_seconds()) for a, b in zip(instants, instants[1:])]
    period, unknown, result = min(steps) if steps else 900, [], []
    for index, column in enumerate(columns):
        item = (items or {}).get(column) or column_item(column, unknown)
        item.period = period
        account_by_table(item)
        readings = [Reading(ts, cells[index]) for ts, cells in table if index < len(cells) and cells[index] != '']
        result.append((column, item, readings))
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--csv', required=True)
    parser.add_argument('--items')
    parser.add_argument('--granularity', choices=GRANULARITIES, default='month')
    parser.add_argument('--from', dest='begin', type=parse_time)
    parser.add_argument('--to', dest='end', type=parse_time)
    parser.add_argument('--column', action='append')
    parser.add_argument('--json', action='store_true', help='one JSON object per row')
    args = parser.parse_args()
    items = load_items(args.items) if args.items else None
    for column, item, readings in read_csv(args.csv, items, args.begin, args.end):
        if args.column and column not in args.column:
            continue
        for row in rows(item, readings, args.granularity):
            fields = dict(column=column, dataCode=item.code, **row.as_dict())
            if args.json:
                print(json.dumps(fields))
            else:
                print('%-16s %s  %s  %18s  n %d/%d' % (column, item.code, fields['statDate'], fields['value'], row.count, row.expected))
    return 0


if __name__ == '__main__':
    sys.exit(main())
