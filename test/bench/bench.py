#!/usr/bin/env python3
"""Starts a stack, lets nhjc-sim --load upload for a while, and prints what it cost. README.md explains the numbers."""
import argparse
import json
import os
import platform as machine
import resource
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', 'integration'))
from stack import BUILD, Stack, run  # noqa: E402

TICK = os.sysconf('SC_CLK_TCK')
SIM = os.path.join(BUILD, 'bin', 'nhjc-sim')


def note(words):
    print('bench: ' + words, file=sys.stderr, flush=True)


# ---------------------------------------------------------------- CPU of processes

def stat(pid):
    with open('/proc/%d/stat' % pid) as file:
        return file.read().rpartition(')')[2].split()


def own_cpu(pid):
    """Seconds of user and system time of one process."""
    fields = stat(pid)
    return (int(fields[11]) + int(fields[12])) / TICK


def tree_cpu(pid):
    """Of a postmaster, its running children, and those it has buried; counted again when one was buried meanwhile, who would be in neither."""
    while True:
        fields = stat(pid)
        total = sum(int(x) for x in fields[11:15]) / TICK
        for entry in os.listdir('/proc'):
            if entry.isdigit():
                try:
                    if stat(int(entry))[1] == str(pid):
                        total += own_cpu(int(entry))
                except (FileNotFoundError, ProcessLookupError):
                    pass
        if stat(pid)[13:15] == fields[13:15]:
            return total


def resident_mb(pid):
    with open('/proc/%d/statm' % pid) as file:
        return int(file.read().split()[1]) * os.sysconf('SC_PAGE_SIZE') / 1e6


class Processes:
    """The server and the database of one platform."""

    def __init__(self, stack, platform, name):
        self.name = name
        with open(os.path.join(stack.dir, platform.part, 'pid')) as file:
            self.server = int(file.read())
        self.postmaster = int(platform.sql("SELECT split_part(pg_read_file('postmaster.pid'), E'\\n', 1)")[0][0])
        self.restart()

    def restart(self):
        self.before = self.now()

    def now(self):
        return own_cpu(self.server), tree_cpu(self.postmaster)

    def spent(self):
        return [after - before for after, before in zip(self.now(), self.before)]


# ---------------------------------------------------------------- rollups

class Lag(threading.Thread):
    """Samples the age of the oldest rollup mark while the load goes on."""

    def __init__(self, platform):
        super().__init__(daemon=True)
        self.platform, self.ended, self.ages, self.broken = platform, threading.Event(), [], None

    def run(self):
        try:
            while not self.ended.wait(1):
                self.ages.append(float(self.platform.sql("SELECT coalesce(extract(epoch FROM now() - min(marked_at)), 0) FROM rollup_mark")[0][0]))
        except Exception as error:
            self.broken = error

    def oldest(self):
        """Seconds. What could not be measured is no 0: it fails the run."""
        self.ended.set()
        self.join()
        if self.broken:
            raise SystemExit('bench: the age of the rollup marks is not known: %s' % self.broken)
        return max(self.ages, default=0)


def until_rolled_up(platform, limit=600):
    start = time.monotonic()
    while platform.number('SELECT count(*) FROM (SELECT 1 FROM rollup_mark LIMIT 1) x'):
        if time.monotonic() - start > limit:
            raise SystemExit('bench: rollup marks are left after %d s' % limit)
        time.sleep(0.05)
    return time.monotonic() - start


# ---------------------------------------------------------------- disk

TABLES = """SELECT c.relname, (SELECT coalesce(sum(pg_total_relation_size(relid)), pg_total_relation_size(c.oid))
    FROM pg_partition_tree(c.oid)) AS bytes FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND NOT c.relispartition"""


def table_bytes(platform):
    return {name: int(size) for name, size in platform.sql(TABLES)}


# ---------------------------------------------------------------- the run

ADMIT = """INSERT INTO unit (code, name, region_code, industry_code, period, state, upload_time)
    SELECT c, c, '420100', 'C3120', 60, 'accepted', time '00:00' + (('x' || substr(md5(c), 1, 6))::bit(24)::integer %% 21600) * interval '1 second'
    FROM unnest('{%s}'::text[]) c;
NOTIFY nhjc_registry;"""  # all of them at once


def more_descriptors(connections):
    """As many for the generator and the server, which inherits it; only root may go beyond the hard limit."""
    wanted = connections + 600
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, max(hard, wanted)))
    return 'max_connections = %d' % max(20000, wanted)


def target(name):
    """A program of this folder, built on demand."""
    run('sh', os.path.join(HERE, '..', '..', 'etc', 'build.sh'), 'default', name, env=dict(os.environ, NHJC_BUILD=BUILD), timeout=1800)
    found = run('find', BUILD, '-name', name, '-type', 'f', '-perm', '-u+x').stdout.split()
    return found[0]


def admit(stack, count):
    """Thousands at once: one statement, and certificates by one process."""
    codes = run(SIM, '--print-enterprises', count).stdout.split()
    run('psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', env=stack.env, stdin=ADMIT % ','.join(codes))
    run(target('bench_pki'), os.path.join(stack.dir, 'ca'), stack.province.pki, stdin='\n'.join(codes) + '\n', timeout=3600)
    return codes


def load(stack, args, begins):
    """begins() is called when every device is registered and the uploads start."""
    command = [SIM, '--load', '--url', stack.province.url, '--ca', stack.env['NHJC_CA'], '--pki', stack.province.pki]
    for name in ('devices', 'items', 'per_upload', 'parallel', 'seconds', 'rate'):
        command += ['--' + name.replace('_', '-'), str(getattr(args, name))]
    if args.rate: # as devices do: of yesterday (in China) and today, not a past that is made up for
        command += ['--from', time.strftime('%Y-%m-%d', time.gmtime(time.time() + 8 * 3600 - 86400))]
    sim = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    for line in sim.stderr:
        sys.stderr.write(line)
        if 'load begins' in line:
            begins()
    result = sim.communicate()[0]  # one object, far smaller than a pipe
    if sim.returncode != 0:
        raise SystemExit('bench: nhjc-sim --load ended with %d' % sim.returncode)
    return json.loads(result)


def machine_figures(stack):
    folder = stack.province.sql('SHOW data_directory')[0][0]
    return {'cores': os.cpu_count(), 'kernel': machine.release(), 'databaseFilesystem': run('stat', '-f', '-c', '%T', folder).stdout.strip()}


def cpu_figures(watched, result):
    millions = result['readings'] / 1e6 or 1
    spent = {'generator': result['generatorCpuSeconds']}
    for processes in watched:
        server, database = processes.spent()
        spent[processes.name + 'Server'], spent[processes.name + 'Database'] = server, database
    platforms = sum(s for name, s in spent.items() if name != 'generator')
    return {'seconds': {name: round(s, 2) for name, s in spent.items()},
            'shareOfMachine': round(platforms / (result['seconds'] * os.cpu_count()), 4),
            'perMillionReadings': {name: round(s / millions, 3) for name, s in spent.items()},
            'totalPerMillionReadings': round(sum(spent.values()) / millions, 3)}


def disk_figures(platform, before, readings):
    platform.sql('CHECKPOINT')
    grown = {name: size - before.get(name, 0) for name, size in table_bytes(platform).items()}
    grown = {name: size for name, size in sorted(grown.items(), key=lambda entry: -entry[1]) if size > 8192}
    per = {name: round(size / readings, 2) for name, size in grown.items()} if readings else {}
    return {'bytesPerReading': per.get('reading_frame'), 'totalBytesPerReading': round(sum(per.values()), 2), 'byTable': per}


def stored_readings(platform):
    return platform.number('SELECT coalesce(sum(cardinality(value) - cardinality(array_positions(value, NULL))), 0) FROM reading_frame')


def upper_figures(stack, acknowledged):
    """How long the forwarder works on after the end, and whether everything is above."""
    start = time.monotonic()
    left = ("SELECT count(*) FROM (SELECT 1 FROM outbox WHERE message IS NULL UNION ALL "
            "SELECT 1 FROM fep_message WHERE state IN ('leased', 'waiting')) x")
    while stack.province.number(left) and time.monotonic() - start < 600:
        time.sleep(0.2)
    return {'secondsToForward': round(time.monotonic() - start, 2), 'storedAbove': stored_readings(stack.upper),
            'complete': stored_readings(stack.upper) == acknowledged}


# ---------------------------------------------------------------- against the least it can cost

def bare_figures(stack, watched, result, args):
    """Server and database against a bare SAX parse of such an upload and a binary COPY of the frames that came of them."""
    platform, folder = stack.province, os.path.join(stack.dir, 'bare')
    spent = result['cpu']['seconds']
    os.mkdir(folder)
    os.chmod(folder, 0o777)
    payload, frames = os.path.join(folder, 'payload.xml'), os.path.join(folder, 'frames')
    with open(payload, 'wb') as file:
        file.write(bytes.fromhex(platform.sql("SELECT encode(content, 'hex') FROM upload_payload WHERE encoding = 0 LIMIT 1")[0][0]))
    parse = float(run(target('bench_bare'), payload, 20000).stdout)
    platform.sql("COPY (SELECT * FROM reading_frame ORDER BY unit_id, page, ts) TO '%s' (FORMAT binary)" % frames)
    platform.sql('CREATE TABLE bare_frame (LIKE reading_frame INCLUDING ALL)')
    times = max(5, min(100, 20000000 // result['storedReadings']))  # long enough for the clock of /proc
    before = tree_cpu(watched[0].postmaster)
    platform.sql(';'.join(["TRUNCATE bare_frame", "COPY bare_frame FROM '%s' (FORMAT binary)" % frames] * times))
    copy = (tree_cpu(watched[0].postmaster) - before) * 1e6 / result['storedReadings'] / times
    platform.sql('DROP TABLE bare_frame')
    whole = (spent['provinceServer'] + spent['provinceDatabase']) * 1e6 / result['readings']
    return {'parseUsPerReading': round(parse, 3), 'copyUsPerReading': round(copy, 3), 'platformUsPerReading': round(whole, 3),
            'ratio': round(whole / (parse + copy), 2)}


def measure(stack, args):
    note('admitting %d enterprises' % args.devices)
    start = time.monotonic()
    admit(stack, args.devices)
    note('admitted, with certificates, after %.0f s' % (time.monotonic() - start))
    watched = [Processes(stack, stack.province, 'province')] + ([Processes(stack, stack.upper, 'upper')] if args.upper else [])
    before, lag = table_bytes(stack.province), Lag(stack.province)
    note('%d devices, %d in flight, %d s' % (args.devices, args.parallel, args.seconds))

    def begins():
        lag.start()
        for processes in watched:
            processes.restart()

    result = load(stack, args, begins)
    rolled_up = until_rolled_up(stack.province)
    result['rollup'] = {'secondsAfterEnd': round(rolled_up, 2), 'oldestMarkSeconds': round(lag.oldest(), 2)}
    if args.upper:  # forwarding is work of these platforms too, also what comes after the last upload
        result['upper'] = upper_figures(stack, result['stored'])
    result['cpu'] = cpu_figures(watched, result)
    result['machine'] = machine_figures(stack)
    result['serverResidentMb'] = round(resident_mb(watched[0].server), 1)
    stored = stored_readings(stack.province)
    result['disk'] = disk_figures(stack.province, before, stored)
    result['storedReadings'] = stored
    result['complete'] = stored == result['stored'] and result['stored'] + result['unchanged'] == result['readings']
    if args.bare:
        result['againstBare'] = bare_figures(stack, watched, result, args)
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--devices', type=int, default=32)
    parser.add_argument('--items', type=int, default=100)
    parser.add_argument('--per-upload', type=int, default=200)
    parser.add_argument('--parallel', type=int, default=16)
    parser.add_argument('--seconds', type=int, default=20)
    parser.add_argument('--rate', type=float, default=0, help='uploads per second in all; 0: as many as the platform takes')
    parser.add_argument('--upper', action='store_true', help='with an upper platform that everything is forwarded to')
    parser.add_argument('--bare', action='store_true', help='also CPU per reading against a bare SAX parse and a binary COPY of the same frames')
    args = parser.parse_args()
    stack = Stack(args.upper, more_descriptors(args.devices))
    try:
        result = measure(stack, args)
    finally:
        stack.down()
    print(json.dumps(result, indent=1, ensure_ascii=False))
    return 0 if result['complete'] and not result['errors'] else 1


if __name__ == '__main__':
    sys.exit(main())
