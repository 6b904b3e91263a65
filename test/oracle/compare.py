#!/usr/bin/env python3
"""Holds the platforms' month and year totals, standard coal and CO2 against the oracle's, to the last digit.

    set -a; . DIR/env; python3 test/oracle/compare.py --csv FILE --enterprise CODE [--items FILE] [--granularity month,year] [--table]

Asked are QueryData of the province (NHJC_URL), QueryData of the upper platform (NHJC_UPPER_URL, when set) and the view
bv_infodb_energydata_province of each (PGHOST …, PGUPPERHOST …). tce and co2 are computed with the delivered coefficients; those of
an energy or a unit that the oracle does not know are not compared, which is told. Exit status: 0 all equal, 1 a difference, 2 no answer.
"""
import argparse
import os
import subprocess
import sys
from datetime import timedelta
from decimal import Decimal

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, '..', 'integration')]
import nhjc  # noqa: E402
import oracle  # noqa: E402

FIELDS = ('value', 'min', 'max', 'avg', 'count', 'expected', 'completeness', 'source', 'tce', 'co2')
DECIMALS = FIELDS[:4] + ('completeness', 'tce', 'co2')
NOT_KNOWN = '?'  # no coefficient to compare with


def expected_rows(path, items, granularity):
    """{(dataCode, statDate): fields}"""
    rows = {}
    for _, item, readings in oracle.read_csv(path, items):
        for row in oracle.rows(item, readings, granularity):
            fields = row.with_coal() if item.accounted else dict(row.as_dict(), tce=NOT_KNOWN, co2=NOT_KNOWN)
            rows[item.code, fields['statDate']] = {name: fields[name] for name in FIELDS}
    return rows


def window(rows):
    """[from, to) that holds every row, as texts."""
    dates = sorted(date for _, date in rows)
    end = oracle.parse_time(dates[-1]) + timedelta(seconds=1)
    return dates[0], end.strftime('%Y-%m-%d %H:%M:%S')


def same(name, wanted, seen):
    if wanted == NOT_KNOWN:
        return True
    if wanted is None or seen is None:
        return wanted is seen
    return Decimal(str(wanted)) == Decimal(str(seen)) if name in DECIMALS else str(wanted) == str(seen)


def differences(wanted, seen):
    """Words for each difference."""
    for key in sorted(set(wanted) | set(seen)):
        if key not in seen:
            yield '%s %s: no row' % key
        elif key not in wanted:
            yield '%s %s: a row too many: %r' % (key + (seen[key],))
        else:
            for name in FIELDS:
                if not same(name, wanted[key][name], seen[key][name]):
                    yield '%s %s: %s is %s, must be %s' % (key + (name, seen[key][name], wanted[key][name]))


def query_rows(client, enterprise, granularity, begin, end):
    rows = {}
    for node in nhjc.query_rows(client, [enterprise], granularity, begin, end, page=500):
        rows[node.get('dataCode'), node.get('statDate')] = {name: node.get(name) for name in FIELDS}
    return rows


def view_rows(host, port, database, enterprise, granularity, begin, end):
    """The same rows from the SQL view."""
    text = ("SELECT data_code, to_char(stat_date AT TIME ZONE 'Asia/Shanghai', 'YYYY-MM-DD HH24:MI:SS'), %s "
            "FROM bv_infodb_energydata_province WHERE enterprise_code = '%s' AND granularity = '%s' "
            "AND stat_date >= '%s+08' AND stat_date < '%s+08'" % (', '.join(FIELDS), enterprise, granularity, begin, end))
    done = subprocess.run(['psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-F', '\t', '-P', 'null=\\N', '-h', host, '-p', port, '-d', database, '-c', text],
                          stdout=subprocess.PIPE, check=True, text=True)
    rows = {}
    for line in done.stdout.splitlines():
        cells = [None if cell == '\\N' else cell for cell in line.split('\t')]
        rows[cells[0], cells[1]] = dict(zip(FIELDS, cells[2:]))
    return rows


def sources(env):
    """(name, function(enterprise, granularity, begin, end)) of everything that is asked."""
    if 'NHJC_URL' not in env:
        raise KeyError('NHJC_URL')
    made = []
    for name, part, pg in (('province', 'NHJC_', 'PG'), ('upper', 'NHJC_UPPER_', 'PGUPPER')):
        if part + 'URL' not in env:
            continue
        pki = env.get(part + 'PKI') or env['NHJC_PKI']
        ca = env.get(part + 'CA') or env['NHJC_CA']
        client = nhjc.Client(env[part + 'URL'], ca, os.path.join(pki, '000000.pem'), os.path.join(pki, '000000.key'))
        made.append((name, lambda *question, client=client: query_rows(client, *question)))
        if pg + 'HOST' in env:
            place = (env[pg + 'HOST'], env[pg + 'PORT'], env[pg + 'DATABASE'])
            made.append((name + ' view', lambda *question, place=place: view_rows(*place, *question)))
    return made


def compare(path, enterprise, granularities, items=None, env=os.environ):
    """[(source, granularity, words)] of all differences, and {(source, granularity): rows}."""
    found, answers = [], {}
    for granularity in granularities:
        wanted = expected_rows(path, items, granularity)
        answers['oracle', granularity] = wanted
        begin, end = window(wanted)
        for name, ask in sources(env):
            seen = ask(enterprise, granularity, begin, end)
            answers[name, granularity] = seen
            found += [(name, granularity, words) for words in differences(wanted, seen)]
    return found, answers


def print_table(answers, granularity):
    names = [name for name, g in answers if g == granularity]
    print('%-16s %-10s %s' % ('data code', granularity, ''.join('%18s' % name for name in names)))
    for key in sorted(answers['oracle', granularity]):
        cells = [answers[name, granularity].get(key, {}).get('value') for name in names]
        print('%-16s %-10s %s' % (key[0], key[1][:10], ''.join('%18s' % ('-' if c is None else c) for c in cells)))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--csv', required=True)
    parser.add_argument('--enterprise', required=True)
    parser.add_argument('--items')
    parser.add_argument('--granularity', default='month,year', help='comma-separated')
    parser.add_argument('--table', action='store_true', help='print the values of all sources side by side')
    args = parser.parse_args()
    items = oracle.load_items(args.items) if args.items else None
    try:
        found, answers = compare(args.csv, args.enterprise, args.granularity.split(','), items)
    except (OSError, nhjc.Fault, nhjc.HttpError, RuntimeError, KeyError, subprocess.CalledProcessError) as error:
        print('compare.py: no answer: %s: %s' % (type(error).__name__, error), file=sys.stderr)
        return 2
    if args.table:
        for granularity in args.granularity.split(','):
            print_table(answers, granularity)
    for source, granularity, words in found:
        print('DIFFERENT %s %s: %s' % (source, granularity, words))
    for code in sorted({key[0] for (name, _), rows in answers.items() for key, row in rows.items() if NOT_KNOWN in row.values()}):
        print('%s: no coefficient known for its energy and unit, tce and co2 not compared' % code)
    counted = sum(len(rows) for (name, _), rows in answers.items() if name != 'oracle')
    print('%d rows of %d answers compared with the oracle: %s' % (
        counted, len([1 for name, _ in answers if name != 'oracle']), '%d differences' % len(found) if found else 'all equal'))
    return 1 if found else 0


if __name__ == '__main__':
    sys.exit(main())
