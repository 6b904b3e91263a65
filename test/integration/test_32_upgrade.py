"""An upgrade of a filled database: what an older version stored is there, adds up and is answered as before."""
import glob
import hashlib
import os
import shutil

import nhjc
from stack import SOURCE, StackCase, main, run, wait
from testdata import BASIC, COUNTER, FACTOR, POWER, REGISTER, readings

FIRST = 11  # steps 1 to 11 came out together, as the first version
SQL = os.path.join(SOURCE, 'sql')
REPLACE = os.path.join(SQL, 'replace')
# Filled by the steps themselves; with what they say an older database has them already.
SEEDED = ('base_data', 'measure_unit', 'energy_basis', 'energy_role', 'schema_step', 'schema_replace')
# Rows that a later step adds or changes on purpose.
CHANGED = {'rollup_mark': 13, 'base_data': 16, 'energy_role': 13, 'command': 15}
DENSE = 24  # with this step every month is packed again
DAY_VALUE = nhjc.collect_item(POWER, 'sum', '外购电量日值', stat_type=1, period=86400, unit='kWh')
# What only retention, lower platforms, an enterprise's own coefficients or a past that changes late would fill.
EMPTY = ('register_base', 'platform', 'unit_coefficient', 'restatement', 'rollup_mark', 'schema_replace')
UNSENT = "SELECT count(*) FROM outbox WHERE message IS NULL OR message IN (SELECT id FROM fep_message WHERE state <> 'sent')"
BOOK = '''CREATE TABLE schema_step (number integer PRIMARY KEY, name text NOT NULL, digest text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE schema_replace (name text PRIMARY KEY, digest text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now());'''


def steps():
    return {int(os.path.basename(path)[:4]): path for path in sorted(glob.glob(os.path.join(SQL, '[0-9]*.sql')))}


class Database:
    """One database of the stack's cluster."""

    def __init__(self, platform, name):
        self.env, self.name = dict(platform.stack.env, **platform.pg, PGTZ='Asia/Shanghai'), name

    def psql(self, *words, **more):
        return run('psql', '-XAtq', '-F', '\t', '-v', 'ON_ERROR_STOP=1', '-d', self.name, *words, env=self.env, **more)

    def sql(self, text, **more):
        return [line.split('\t') for line in self.psql('-f', '-', stdin=text, **more).stdout.splitlines()]

    def one(self, text):
        return self.sql(text)[0][0]

    def tables(self):
        """Name to columns of each table, partitions aside; a column that computes itself is no data."""
        rows = self.sql("SELECT c.relname, string_agg(a.attname, ',' ORDER BY a.attnum) FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid "
                        "WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition "
                        "AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' GROUP BY 1 ORDER BY 1")
        return {name: columns.split(',') for name, columns in rows}

    def partitions(self):
        return self.sql("SELECT i.inhparent::regclass, c.relname, pg_get_expr(c.relpartbound, c.oid) FROM pg_inherits i "
                        "JOIN pg_class c ON c.oid = i.inhrelid AND c.relkind = 'r' ORDER BY 2")

    def contents(self, tables):
        """Table to (rows, digest of all rows in these columns)."""
        one = "SELECT '%s', count(*), md5(coalesce(string_agg(t::text, ' ' ORDER BY t::text COLLATE \"C\"), '')) FROM (SELECT %s FROM %s) t"
        rows = self.sql(' UNION ALL '.join(one % (name, ', '.join(columns), name) for name, columns in tables.items()))
        return {name: seen for name, *seen in rows}


class Upgrade(StackCase):
    upper = True

    def fill(self):
        """Something in every table that a version has, through the doors through which it comes."""
        codes = [self.stack.enterprise(3200 + i) for i in range(2)]
        for i, code in enumerate(codes):
            self.device = self.stack.device(3200 + i, BASIC + [COUNTER, DAY_VALUE])
            for day in ('2024-02-29', '2024-03-01', '2025-01-01'):
                self.code(self.device.upload(readings(POWER, day + ' 00:00', [str(10 + i + n % 7) for n in range(96)])), 0)
                self.code(self.device.upload(readings(FACTOR, day + ' 00:00', ['0.9'] * 90)), 0)
                self.code(self.device.upload(readings(REGISTER, day + ' 00:00', [str(100 * (i + 1) + n) for n in range(96)])), 0)
            self.code(self.device.upload(readings(POWER, '2024-03-01 05:00', ['77', '78'])), 0)  # corrections
            self.code(self.device.upload([nhjc.reading(POWER, '2024-03-01 00:00:00', '1300', statType=1)]), 0)
            self.code(self.device.upload(readings(POWER, '2024-03-02 00:00', ['x', '1'])), 2)
            self.province.ctl('command', 'add', code, 'COLLECT_NOW')
        self.message = nhjc.new_id()
        self.replayed = readings(POWER, '2024-03-03 00:00', ['1', '2', '3'])
        self.code(self.device.upload(self.replayed, self.message), 0)
        self.device.send(b'<energyData', None)  # refused as a whole
        self.province.ctl('enterprise', 'thresholds', codes[0], '--item', POWER, '--jump', '1000')
        self.codes = codes
        self.province.rolled_up()
        self.province.verified()
        wait(lambda: self.province.number(UNSENT) == 0, 60, what='the end of the forwarding')
        self.stack.upper.stop()  # and something that is still to be sent
        self.code(self.device.upload(readings(POWER, '2024-03-04 00:00', ['4', '5'])), 0)
        self.province.rolled_up()

    def answers(self):
        """What platforms are told of all this, as far as it does not depend on the time of the question."""
        told = []
        for granularity, begin, end in (('minute', '2024-02-29', '2024-03-05'), ('hour', '2024-02-29', '2024-03-05'),
                                        ('day', '2024-01-01', '2025-02-01'), ('month', '2024-01-01', '2025-02-01'), ('year', '2024-01-01', '2026-01-01')):
            rows = nhjc.query_rows(self.province.client(), self.codes, granularity, begin + ' 00:00:00', end + ' 00:00:00')
            told += [[granularity] + [(child.name, child.own) for child in row.children] for row in rows]
        statistics = self.province.client().call('query', 'QueryStatistics', ('groupBy', 'enterprise'), ('granularity', 'month'),
                                                 ('from', '2024-01-01 00:00:00'), ('to', '2025-02-01 00:00:00'), ('compare', 'none'))
        return told + [[(child.name, child.own) for child in row.children] for row in statistics.all('row')]

    def make_older(self, newest, number):
        """A database as the version with this last step left it, with the rows of ours as far as it has the columns."""
        older = Database(self.province, 'older_%d' % number)
        newest.sql('CREATE DATABASE %s' % older.name)
        words = ['-c', BOOK]
        for step, path in steps().items():
            if step <= number:
                with open(path, 'rb') as file:
                    digest = hashlib.sha256(file.read()).hexdigest()
                words += ['-f', path, '-c', "INSERT INTO schema_step VALUES (%d, '%s', '%s')" % (step, os.path.basename(path)[:-4], digest)]
        older.psql('-1', *words)
        self.add_views(older)
        self.copy_rows(newest, older)
        older.sql("INSERT INTO base_data (list, code, name, role, dic_version) VALUES ('data_usage', '20', '供出', 'supply_out', 1)")
        return older

    @staticmethod
    def add_views(older):
        """Functions and views are in the way of a step that changes what they stand on. Of a view that needs later tables there was another text."""
        for path in sorted(glob.glob(os.path.join(REPLACE, '*.sql'))):
            older.psql('-1', '-c', 'SET check_function_bodies = off', '-f', path, check=False)

    @staticmethod
    def copy_rows(newest, older):
        there, here = newest.tables(), older.tables()
        have = set(name for _, name, _ in older.partitions())
        make = ['CREATE TABLE %s PARTITION OF %s %s' % (name, parent, bound) for parent, name, bound in newest.partitions()
                if parent in here and name not in have]
        folder = newest.one('SHOW data_directory')
        both = {name: ', '.join(column for column in columns if column in there[name]) for name, columns in here.items() if name not in SEEDED}
        newest.sql(''.join("COPY (SELECT %s FROM %s) TO '%s/%s.copy';" % (columns, name, folder, name) for name, columns in both.items()))
        older.sql('SET session_replication_role = replica; TRUNCATE setting; %s;' % '; '.join(make)
                  + ''.join("COPY %s (%s) FROM '%s/%s.copy';" % (name, columns, folder, name) for name, columns in both.items()))
        known = older.sql('SELECT sequencename FROM pg_sequences')
        for name, value in newest.sql('SELECT sequencename, last_value FROM pg_sequences WHERE last_value IS NOT NULL'):
            if [name] in known:
                older.sql("SELECT setval('%s', %s)" % (name, value))

    def on(self, database):
        """The server's configuration leads to this database."""
        with open(self.province.conf) as file:
            text = file.read()
        with open(self.province.conf, 'w') as file:
            file.write(text.replace('dbname=nhjc"', 'dbname=%s"' % database.name))
        self.addCleanup(shutil.copyfile, self.province.conf + '.kept', self.province.conf)
        self.province.pg['PGDATABASE'] = database.name

    def upgrade(self, newest, number):
        older = self.make_older(newest, number)
        tables = older.tables()
        older.sql("DELETE FROM setting WHERE key LIKE 'packed:%'")
        before = older.contents(tables)
        for name in tables:
            if number == FIRST and name not in EMPTY:
                self.assertNotEqual(before[name][0], '0', 'nothing in %s to be kept' % name)
        older.sql("INSERT INTO setting (key, value) VALUES ('packed:202401', now()::text)")
        self.on(older)
        self.province.ctl('db', 'migrate')
        self.assertEqual(older.one("SELECT count(*) FROM setting WHERE key LIKE 'packed:%'"), '0' if number < DENSE else '1')
        older.sql("DELETE FROM setting WHERE key LIKE 'packed:%'")
        after = older.contents({name: columns for name, columns in tables.items() if name not in ('schema_step', 'schema_replace')})
        for name, kept in after.items():
            if number >= CHANGED.get(name, 0):
                self.assertEqual(kept, before[name], 'rows of %s' % name)
            else:
                self.assertGreaterEqual(int(kept[0]), int(before[name][0]), 'rows of %s' % name)
        self.assertEqual(older.one("SELECT count(*) FROM base_data WHERE list = 'data_usage' AND code = '20' AND role = 'supply_out'"), '1')
        self.assertEqual(*[{name: sorted(columns) for name, columns in database.tables().items()} for database in (older, newest)])

    def goes_on(self, expected):
        """The server on the upgraded database: the same answers, sums that hold, a repeated message known, new readings taken."""
        self.province.rolled_up()
        self.province.verified()
        self.assertEqual(self.answers(), expected)
        again = self.device.upload(self.replayed, self.message, client=self.province.client(self.device.enterprise))
        self.assertEqual(again.get('duplicate'), 'true')
        self.code(self.device.upload(readings(POWER, '2024-03-05 00:00', ['6', '7']), client=self.province.client(self.device.enterprise)), 0)
        self.province.rolled_up()
        self.province.verified()
        waiting = self.province.number(UNSENT)
        self.assertGreaterEqual(waiting, 2)

    def test_a_filled_database_of_every_version_is_kept_and_goes_on(self):
        self.fill()
        expected = self.answers()
        self.assertGreater(len(expected), 500)
        self.province.stop()
        shutil.copyfile(self.province.conf, self.province.conf + '.kept')
        newest = Database(self.province, 'nhjc')
        for number in [n for n in steps() if n >= FIRST][:-1]:
            with self.subTest(step=number):
                self.upgrade(newest, number)
                self.province.start()
                self.goes_on(expected)
                self.province.stop()
                shutil.copyfile(self.province.conf + '.kept', self.province.conf)
        self.province.pg['PGDATABASE'] = 'nhjc'
        self.province.start()


if __name__ == '__main__':
    main()
