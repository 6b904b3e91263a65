#!/usr/bin/env python3
"""Fills the database that PGHOST leads to, measures it, prints one table. Started by storage.sh; README.md explains."""
import argparse
import json
import os
import shutil
import subprocess
import sys
import time

BUILD = os.environ['NHJC_BUILD']
DAY_ROW, FRAME, HOUR_ROW = 41.5, 9.5, 28.0  # bytes per item, to see beforehand whether the disk has room


def note(words):
    print('storage: ' + words, file=sys.stderr, flush=True)


def program(name, *words):
    done = subprocess.run([os.path.join(BUILD, 'bin', name), *map(str, words)], stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise SystemExit('storage: %s ended with %d' % (name, done.returncode))
    return done.stdout


def sql(text):
    done = subprocess.run(['psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-F', '\t', '-c', text], stdout=subprocess.PIPE, text=True, check=True)
    return [line.split('\t') for line in done.stdout.splitlines()]


def expected_gb(args):
    days = args.years * 365.25 * args.items
    return (args.enterprises * days * DAY_ROW + args.raw * days * (86400 / args.step * FRAME + 24 * HOUR_ROW)) / 1e9


def fit(args):
    """As many enterprises as the disk holds."""
    room = min(args.disk, shutil.disk_usage(os.environ['PGHOST']).free / 1e9 * 0.6)
    while expected_gb(args) > room and args.enterprises > 10:
        args.enterprises = int(args.enterprises * 0.9)
        args.raw = min(args.raw, args.enterprises)
    note('%d enterprises x %d items x %d years, readings of %d every %d s: about %.1f GB of %.1f GB' % (
        args.enterprises, args.items, args.years, args.raw, args.step, expected_gb(args), room))


SIZES = """SELECT c.relname, t.bytes, t.parts FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    CROSS JOIN LATERAL (SELECT coalesce(sum(pg_total_relation_size(relid)) FILTER (WHERE isleaf), 0) AS bytes,
                        count(*) FILTER (WHERE isleaf) AS parts FROM pg_partition_tree(c.oid)) t
    WHERE n.nspname = 'public' AND c.relname IN ('reading_frame', 'rollup_hour', 'rollup_day', 'rollup_month', 'rollup_year')"""


def sizes(filled, items):
    found = {name: int(size) for name, size, _ in sql(SIZES)}
    plain = {'rollup_month': "pg_total_relation_size('rollup_month')", 'rollup_year': "pg_total_relation_size('rollup_year')"}
    for name, size in plain.items():
        found[name] = int(sql('SELECT ' + size)[0][0])
    result = {}
    for name, rows in filled['rows'].items():
        values = rows * items / max(1, -(-items // 128)) if rows else 0
        result[name] = {'rows': rows, 'bytes': found[name], 'bytesPerRow': round(found[name] / rows, 1) if rows else None,
                        'bytesPerItemValue': round(found[name] / values, 2) if values else None}
    return result


def explain(text):
    plan = json.loads('\n'.join(row[0] for row in sql('EXPLAIN (ANALYZE, FORMAT JSON) ' + text)))[0]
    nodes, scans = [plan['Plan']], []
    while nodes:
        node = nodes.pop(0)
        nodes += node.get('Plans', [])
        if 'Relation Name' in node and node['Actual Loops']:
            scans.append('%s %s%s' % (node['Node Type'], node['Relation Name'], ' by ' + node['Index Name'] if 'Index Name' in node else ''))
    return {'ms': round(plan['Execution Time'], 2), 'scans': scans}


def plans(filled):
    unit, last = filled['enterprises'] // 2 + 1, int(filled['to'][:4])
    span = "ts >= '%s' AND ts < '%s'" % (filled['from'][:10], filled['to'][:10])
    first = int(filled['from'][:4])
    return {'days of an enterprise, all years': explain('SELECT ts, total[8] FROM rollup_day WHERE unit_id = %d AND page = 0 AND %s ORDER BY ts' % (unit, span)),
            'days of an enterprise, one month': explain("SELECT ts, total[8] FROM rollup_day WHERE unit_id = %d AND page = 0 AND ts >= '%d-06-01' AND ts < '%d-07-01'" % (unit, last - 1, last - 1)),
            'readings of an enterprise, one day': explain("SELECT ts, value[8] FROM reading_frame WHERE unit_id = 1 AND page = 0 AND ts >= '%d-06-03' AND ts < '%d-06-04'" % (first, first))}


# The accounts by month of the energies that fill.c gave each enterprise as plant items, from their month rows.
ACCOUNTS = """INSERT INTO unit_energy_month SELECT r.unit_id, r.ts, i.energy, r.total[i.slot + 1] * 0.000001, i.unit,
        r.total[i.slot + 1] * 0.000001 * k.tce, r.total[i.slot + 1] * 0.000001 * coalesce(k.co2, 0)
    FROM (SELECT slot, data_code, unit, substr(data_code, 9, 6) AS energy FROM collect_item WHERE unit_id = 1 AND scope = 1 AND aggregation = 0) i
    CROSS JOIN LATERAL energy_coefficients(i.data_code, i.unit) k
    JOIN rollup_month r ON r.page = 0 AND r.ts >= k.valid_from AND (k.valid_to IS NULL OR r.ts < k.valid_to);
    INSERT INTO unit_consumption_month SELECT unit_id, ts, sum(tce), sum(co2) FROM unit_energy_month GROUP BY unit_id, ts"""

# The accounts by day of the last two years, for the questions by day and week.
DAY_ACCOUNTS = """INSERT INTO unit_energy_day (unit_id, ts, energy, usage, quantity, measure, tce, co2, coefficient, own, sign)
    SELECT r.unit_id, r.ts, i.energy, i.usage, r.total[i.slot + 1] * 0.000001, i.unit, r.total[i.slot + 1] * 0.000001 * k.tce,
        r.total[i.slot + 1] * 0.000001 * coalesce(k.co2, 0), k.tce, false, 1
    FROM (SELECT slot, data_code, unit, substr(data_code, 9, 6) AS energy, substr(data_code, 15, 2) AS usage
          FROM collect_item WHERE unit_id = 1 AND scope = 1 AND aggregation = 0) i
    CROSS JOIN LATERAL energy_coefficients(i.data_code, i.unit) k
    JOIN rollup_day r ON r.page = 0 AND r.ts >= k.valid_from AND (k.valid_to IS NULL OR r.ts < k.valid_to)
    WHERE r.ts >= '%d-01-01'"""


def ask(args, filled, *words):
    return json.loads(program('bench_storage', '--enterprises', filled['enterprises'], '--items', args.items, '--raw', args.raw,
                              '--from', filled['from'][:4], '--years', filled['years'], *words))


def pack():
    """Each year's day rows by enterprise instead of by day."""
    start = time.monotonic()
    for part, in sql("SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = 'rollup_day'::regclass"):
        sql('CLUSTER %s USING %s_pkey' % (part, part))
    sql('CHECKPOINT')
    note('packed in %.0f s' % (time.monotonic() - start))


def table(result):
    filled = result['filled']
    lines = ['filled      %d enterprises x %d items, %s .. %s (%d years): day, month and year rows of all' % (
        filled['enterprises'], filled['items'], filled['from'][:10], filled['to'][:10], filled['years']),
        '            readings every %d s and hour rows of %d enterprises: %s readings; %s item-days; %d s' % (
            filled['stepSeconds'], filled['rawEnterprises'], format(filled['readings'], ','), format(filled['itemDays'], ','), filled['seconds']),
        '', '%-14s %14s %16s %12s %18s' % ('table', 'rows', 'bytes', 'bytes/row', 'bytes/item value')]
    for name, row in result['tables'].items():
        lines.append('%-14s %14s %16s %12s %18s' % (name, format(row['rows'], ','), format(row['bytes'], ','), row['bytesPerRow'], row['bytesPerItemValue']))
    days, late = result['queryDataDays'], result.get('lateReading')
    lines += ['', 'QueryData, one item, its days over all years (%d rows): median %.1f ms, p90 %.1f, max %.1f; the same again %.1f ms'
              % (days['rows'], days['ms']['median'], days['ms']['p90'], days['ms']['max'], days['sameAgainMs']['median'])]
    if late:
        lines.append('one late reading in the oldest year: stored in %.2f ms, rolled up in %.2f ms (median); rows written: hour %d, day %d, month %d, year %d'
                     % (late['storeMs']['median'], late['rollupMs']['median'], *late['rows'].values()))
    for name, answer in result['queryStatistics'].items():
        lines.append('QueryStatistics, the province, %s, with yoy (%d rows): median %.1f ms, max %.1f'
                     % (name, answer['rows'], answer['ms']['median'], answer['ms']['max']))
    if 'packed' in result:
        packed = result['packed']['queryDataDays']
        lines.append('QueryData again, day rows ordered by enterprise: median %.1f ms, p90 %.1f, max %.1f; the same again %.1f ms'
                     % (packed['ms']['median'], packed['ms']['p90'], packed['ms']['max'], packed['sameAgainMs']['median']))
    for name, plan in result['plans'].items():
        lines.append('plan: %-36s %8.2f ms  %s' % (name, plan['ms'], '; '.join(plan['scans'])))
    return '\n'.join(lines)


def main():
    parser = argparse.ArgumentParser(prog='storage.sh', description=__doc__)
    for name, value, words in (('enterprises', 3000, 'enterprises'), ('items', 100, 'items of each'), ('years', 5, 'whole years back'),
                               ('raw', 10, 'enterprises with readings and hours as well'), ('step', 900, 'seconds between readings'),
                               ('seconds', 300, 'the fill ends at the year after which this would be exceeded')):
        parser.add_argument('--' + name, type=int, default=value, help='%s (%d)' % (words, value))
    parser.add_argument('--disk', type=float, default=24, help='GB that the database may take (24); never over 60 %% of what is free')
    parser.add_argument('--pack', action='store_true', help='also with the day rows ordered by enterprise (CLUSTER)')
    parser.add_argument('--json', action='store_true', help='one JSON object instead of the table')
    args = parser.parse_args()
    fit(args)
    program('nhjcctl', '-c', '/dev/null', 'db', 'migrate')
    start = time.monotonic()
    filled = json.loads(program('bench_fill', '--enterprises', args.enterprises, '--items', args.items, '--years', args.years, '--raw', args.raw,
                                '--step', args.step, '--seconds', args.seconds))
    note('filled in %.0f s' % (time.monotonic() - start))
    sql("SELECT partition_ensure('reading', m) FROM generate_series(timestamptz '%s', '%s', '1 month') m" % (filled['from'][:10], filled['to'][:10]))
    sql(ACCOUNTS)
    sql(DAY_ACCOUNTS % (int(filled['from'][:4]) + filled['years'] - min(2, filled['years'])))
    sql('ANALYZE unit_energy_day')
    sql('ANALYZE')
    sql('CHECKPOINT')
    result = {'filled': filled, 'tables': sizes(filled, args.items)}
    result.update(ask(args, filled))
    result['plans'] = plans(filled)
    if args.pack:
        pack()
        result['packed'] = ask(args, filled, '--only-days', 1)
    print(json.dumps(result, ensure_ascii=False, indent=2) if args.json else table(result))


main()
