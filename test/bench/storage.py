#!/usr/bin/env python3
"""Fills the database that PGHOST leads to, measures it, prints one table. Started by storage.sh; README.md explains."""
import argparse
import glob
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

BUILD = os.environ['NHJC_BUILD']
DAY_ROW, FRAME, HOUR_ROW = 28.0, 9.5, 28.0  # bytes per item, to see beforehand whether the disk has room


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


def explain(text, settings=''):
    plan = json.loads('\n'.join(row[0] for row in sql(settings + 'EXPLAIN (ANALYZE, FORMAT JSON) ' + text)))[0]
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
    return {'days of an enterprise, all years': explain('SELECT ts, total[8] FROM rollup_day WHERE unit_id = %d AND page = 0 AND %s ORDER BY ts' % (unit, span),
                                                        'SET enable_indexscan = off; SET effective_io_concurrency = 200; '),
            'days of an enterprise, one month': explain("SELECT ts, total[8] FROM rollup_day WHERE unit_id = %d AND page = 0 AND ts >= '%d-06-01' AND ts < '%d-07-01'" % (unit, last - 1, last - 1)),
            'readings of an enterprise, one day': explain("SELECT ts, value[8] FROM reading_frame WHERE unit_id = 1 AND page = 0 AND ts >= '%d-06-03' AND ts < '%d-06-04'" % (first, first))}


# The accounts by month of the energies that fill.c gave each enterprise as plant items, from their month rows.
ACCOUNTS = """INSERT INTO unit_energy_month SELECT r.unit_id, r.ts, i.energy, r.total[i.slot + 1] * 0.000001, i.unit,
        r.total[i.slot + 1] * 0.000001 * k.tce, r.total[i.slot + 1] * 0.000001 * coalesce(k.co2, 0)
    FROM (SELECT slot, data_code, unit, substr(data_code, 9, 6) AS energy FROM collect_item WHERE unit_id = 1 AND scope = 1 AND aggregation = 0) i
    CROSS JOIN LATERAL energy_coefficients(i.data_code, i.unit) k
    JOIN rollup_month r ON r.page = 0 AND r.ts >= k.valid_from AND (k.valid_to IS NULL OR r.ts < k.valid_to);
    INSERT INTO unit_consumption_month SELECT unit_id, ts, sum(tce), sum(co2) FROM unit_energy_month GROUP BY unit_id, ts"""

# The accounts by day of the last two years, for the questions by day and week; in order of time, as they come in life.
DAY_ACCOUNTS = """INSERT INTO unit_energy_day (unit_id, ts, energy, usage, quantity, measure, tce, co2, coefficient, own, sign)
    SELECT r.unit_id, r.ts, i.energy, i.usage, r.total[i.slot + 1] * 0.000001, i.unit, r.total[i.slot + 1] * 0.000001 * k.tce,
        r.total[i.slot + 1] * 0.000001 * coalesce(k.co2, 0), k.tce, false, 1
    FROM (SELECT slot, data_code, unit, substr(data_code, 9, 6) AS energy, substr(data_code, 15, 2) AS usage
          FROM collect_item WHERE unit_id = 1 AND scope = 1 AND aggregation = 0) i
    CROSS JOIN LATERAL energy_coefficients(i.data_code, i.unit) k
    JOIN rollup_day r ON r.page = 0 AND r.ts >= k.valid_from AND (k.valid_to IS NULL OR r.ts < k.valid_to)
    WHERE r.ts >= '%d-01-01' ORDER BY r.ts, r.unit_id"""


def restart():
    """Nothing of the tables is left in the database's own memory."""
    data = os.path.join(os.environ['PGHOST'], 'data')
    found = [os.environ.get('NHJC_PG_BIN', '')] + sorted(glob.glob('/usr/lib/postgresql/*/bin'))[::-1]
    words = [os.path.join(next(d for d in found if os.path.exists(os.path.join(d, 'pg_ctl'))), 'pg_ctl'), '-D', data, '-s', '-w', '-t', '120',
             '-m', 'fast', '-l', os.path.join(os.environ['PGHOST'], 'log'), 'restart']
    owner = os.stat(data)
    become = {'user': owner.st_uid, 'group': owner.st_gid, 'extra_groups': []} if os.getuid() == 0 else {}
    subprocess.run(words, check=True, cwd=os.environ['PGHOST'], stdout=subprocess.DEVNULL, **become)


OCCUPY = """CREATE UNLOGGED TABLE IF NOT EXISTS bench_other (x text) WITH (fillfactor = 10);
    TRUNCATE bench_other;
    INSERT INTO bench_other SELECT repeat('x', 1000) FROM pg_settings s, generate_series(1, 1.1 * s.setting::numeric)
    WHERE s.name = 'shared_buffers';"""


def occupy():
    """The database's own memory is full of another table (a row a page), as it is full of something after hours of life.
    Right after a restart, it is memory that the system has yet to give, page by page."""
    sql(OCCUPY)
    sql('CHECKPOINT')


def ask(args, filled, what, running=False):
    restart()
    if running:
        occupy()
    answer = json.loads(program('bench_storage', '--enterprises', filled['enterprises'], '--items', args.items, '--raw', args.raw,
                              '--from', filled['from'][:4], '--years', filled['years'], '--what', what))
    return {**answer, 'load': round(os.getloadavg()[0], 1)}


def ask_days(args, filled):
    return {**ask(args, filled, 0), 'runningMs': ask(args, filled, 0, running=True)['coldMs']}


def pack():
    """As the server does it by and by: a month's rows of an enterprise side by side."""
    before, start = int(sql(DAY_BYTES)[0][0]), time.monotonic()
    program('nhjcctl', '-c', '/dev/null', 'storage', 'pack')
    sql('CHECKPOINT')
    seconds = time.monotonic() - start
    months = int(sql("SELECT count(*) FROM audit_log WHERE action = 'storage.pack'")[0][0])
    note('%d months packed in %.0f s' % (months, seconds))
    return {'seconds': round(seconds), 'months': months, 'bytesBefore': before, 'bytes': int(sql(DAY_BYTES)[0][0])}


def storage(*words, retention='5y'):
    """What nhjcctl storage says, and how long it took; status 1 is an alarm, of no matter here."""
    with tempfile.NamedTemporaryFile('w', suffix='.conf') as conf:
        conf.write('retention_raw = %s\n' % retention)
        conf.flush()
        start = time.monotonic()
        done = subprocess.run([os.path.join(BUILD, 'bin', 'nhjcctl'), '-c', conf.name, 'storage', *words, '--json'], stdout=subprocess.PIPE, text=True)
        return json.loads(done.stdout), round(time.monotonic() - start, 2)


def housekeeping(filled):
    """The operator's report, then the oldest months of readings dropped: last of all, for what it takes away."""
    sql("DELETE FROM setting WHERE key LIKE 'made:%'")  # as if each month had been filled while it was the present
    report, seconds = storage('--disk-size', '1T')
    expired, took = storage('expire', retention='%dd' % max(1, (filled['years'] - 1) * 365))
    return {'reportSeconds': seconds, 'orphans': {row['name']: row['found'] for row in report['orphans'] if row['found']}, 'expireSeconds': took,
            'expired': sum(row['held'] == '' for row in expired), 'kept': sum(row['held'] != '' for row in expired),
            'expiredBytes': sum(row['bytes'] for row in expired if row['held'] == '')}


DAY_BYTES = "SELECT sum(pg_total_relation_size(relid)) FROM pg_partition_tree('rollup_day') WHERE isleaf"
LATE, STATISTICS = 1, range(2, 7)  # --what of bench_storage.c


def times_line(name, answer):
    cold = [answer['coldMs'], answer.get('runningMs')] if answer['cold'] else [None, None]
    shown = ['%10.1f' % times[key] if times else '%10s' % '-' for times in cold for key in ('median', 'p90')]
    return '%-58s %6d %s %10.1f %10.1f %6.1f' % (name, answer['rows'], ' '.join(shown), answer['warmMs']['median'], answer['warmMs']['p90'], answer['load'])


def table(result):
    filled, packed = result['filled'], result.get('packed')
    lines = ['filled      %d enterprises x %d items, %s .. %s (%d years): day, month and year rows of all' % (
        filled['enterprises'], filled['items'], filled['from'][:10], filled['to'][:10], filled['years']),
        '            readings every %d s and hour rows of %d enterprises: %s readings; %s item-days; %d s' % (
            filled['stepSeconds'], filled['rawEnterprises'], format(filled['readings'], ','), format(filled['itemDays'], ','), filled['seconds']),
        '', '%-14s %14s %16s %12s %18s' % ('table', 'rows', 'bytes', 'bytes/row', 'bytes/item value')]
    for name, row in result['tables'].items():
        lines.append('%-14s %14s %16s %12s %18s' % (name, format(row['rows'], ','), format(row['bytes'], ','), row['bytesPerRow'], row['bytesPerItemValue']))
    if packed:
        lines.append('packed         %d months in %d s, %.1f s each; rollup_day %s -> %s bytes' % (packed['months'], packed['seconds'],
                     packed['seconds'] / max(1, packed['months']), format(packed['bytesBefore'], ','), format(packed['bytes'], ',')))
    columns = ('rows', 'restarted', 'p90', 'from disk', 'p90', 'warm', 'p90', 'load')
    lines += ['', '%-58s %6s %10s %10s %10s %10s %10s %10s %6s' % ('question, ms (%d cores)' % os.cpu_count(), *columns),
              times_line('QueryData, one item, its days over all years, as they came', result['queryDataDays'])]
    if packed:
        lines.append(times_line('QueryData, one item, its days over all years, packed', packed['queryDataDays']))
    for answer in result['queryStatistics']:
        lines.append(times_line('QueryStatistics with yoy, %s' % answer['name'], answer))
    late = result.get('lateReading')
    if late:
        lines += ['', 'one late reading in the oldest year: stored in %.2f ms, rolled up in %.2f ms (median); rows written: hour %d, day %d, month %d, year %d'
                  % (late['storeMs']['median'], late['rollupMs']['median'], *late['rows'].values())]
    kept = result['housekeeping']
    lines += ['nhjcctl storage: %.2f s%s; storage expire: %d months of readings, %s bytes, in %.2f s%s' % (
        kept['reportSeconds'], ', orphans: %s' % kept['orphans'] if kept['orphans'] else '', kept['expired'], format(kept['expiredBytes'], ','),
        kept['expireSeconds'], ', %d kept' % kept['kept'] if kept['kept'] else '')]
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
    parser.add_argument('--no-pack', action='store_true', help='QueryData only with the day rows as they came')
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
    sql('VACUUM ANALYZE unit_energy_day')  # as autovacuum does: it sums up what lies where for the index by time
    sql('ANALYZE')
    sql('CHECKPOINT')
    result = {'filled': filled, 'tables': sizes(filled, args.items)}
    result['queryDataDays'] = ask_days(args, filled)
    result['queryStatistics'] = [ask(args, filled, what) for what in STATISTICS]
    if args.raw > 0:
        result['lateReading'] = ask(args, filled, LATE)
    result['plans'] = plans(filled)
    if not args.no_pack:
        result['packed'] = pack()
        result['packed']['queryDataDays'] = ask_days(args, filled)
    result['housekeeping'] = housekeeping(filled)
    print(json.dumps(result, ensure_ascii=False, indent=2) if args.json else table(result))


main()
