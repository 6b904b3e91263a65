#!/usr/bin/env python3
"""Does the schema, and every statement of the server, obey the rules of Citus? Citus itself is not needed.

Run under test/lib/pg.sh: migrates the private database by nhjcctl, reads sql/citus.sql for what is distributed by which
column, and the statements (struct db_stmt) out of the sources of the server; of functions what the database has.
"""
import json
import os
import re
import subprocess
import tempfile
import unittest

TOP = os.environ['NHJC_SOURCE_DIR']
CTL = os.path.join(os.environ['NHJC_BIN_DIR'], 'nhjcctl')

# Statements that write a distributed table without its distribution column: allowed, because they write all shards.
ALLOWED = {
    'outbox.release': 'the rows of a message are found by its id, over the index on message; once per failure to pack',
    'outbox.repack': 'the same, when an operator sends a parked message again',
}

# The same of functions: they insert whole rows of the table's type, the distribution column among them.
WHOLE_ROWS = {
    'energy_day_write': ['unit_energy_day'],
    'energy_month_refresh': ['unit_consumption_month', 'unit_energy_month'],
    'storage_pack_unit': ['rollup_day'],
}


def run(*command, **more):
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, **more).stdout


def sql(text):
    return [line.split('\t') for line in run('psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-F', '\t', '-c', text).splitlines()]


class Plan:
    """What sql/citus.sql says about each table."""

    def __init__(self, text):
        self.reference = re.findall(r"^SELECT create_reference_table\('(\w+)'\)", text, re.M)
        calls = re.findall(r"^SELECT create_distributed_table\('(\w+)', '(\w+)'(?:, colocate_with => '(\w+)')?\)", text, re.M)
        self.column = {table: column for table, column, _ in calls}
        self.beside = {table: beside for table, _, beside in calls}
        self.order = [table for table, _, _ in calls]
        self.local = re.findall(r'^-- local: (\w+)\s+\S', text, re.M)


def plan_of_file():
    with open(os.path.join(TOP, 'sql', 'citus.sql'), encoding='utf-8') as file:
        return Plan(file.read())


LITERAL = r'"(?:[^"\\]|\\.)*"'


def statements(text):
    """(name, SQL) of every struct db_stmt in a preprocessed source."""
    found = []
    for body in re.findall(r'struct db_stmt\s+\w+\s*(?:\[[^]]*\])?\s*=\s*(\{.*?\})\s*;', text, re.S):
        for name, value, end in re.findall(r'\{\s*(%s)\s*,\s*((?:%s\s*)+)(.)' % (LITERAL, LITERAL), body):
            assert end in '},', '%s is not written in literals alone' % name
            words = ''.join(part[1:-1] for part in re.findall(LITERAL, value))
            found.append((name[1:-1], words.replace('\\"', '"').replace('\\n', ' ')))
    return found


WRITES = re.compile(r'\b(INSERT\s+INTO|UPDATE|DELETE\s+FROM|COPY)\s+(?:ONLY\s+)?(\w+)', re.I)


def broken_writes(statement, column):
    """Distributed tables that the statement writes without naming their distribution column."""
    broken = []
    writes = [w for w in WRITES.finditer(statement) if w.group(2) in column]
    for write in writes:
        rest = statement[write.end():]
        if write.group(1).upper().startswith('INSERT'):
            columns = re.match(r'\s*(?:AS\s+\w+\s*)?\(([^)]*)\)', rest)
            named = columns is not None and column[write.group(2)] in re.findall(r'\w+', columns.group(1))
        else:
            named = re.search(r'\b%s\b' % column[write.group(2)], rest) is not None
        if not named:
            broken.append(write.group(2))
    return broken


def sources():
    for folder, _, names in os.walk(os.path.join(TOP, 'server')):
        for name in sorted(names):
            path = os.path.join(folder, name)
            if name.endswith('.c'):
                with open(path, encoding='utf-8') as file:
                    if 'struct db_stmt' in file.read():
                        yield path


def without_libraries(path, to):
    """A copy in which only headers of ours are included: libraries hold no statements, and need not be there."""
    with open(path, encoding='utf-8') as file:
        text = re.sub(r'^\s*#\s*include\s*<.*', '', file.read(), flags=re.M)
    os.makedirs(os.path.dirname(to), exist_ok=True)
    with open(to, 'w', encoding='utf-8') as file:
        file.write(text)


def preprocessed():
    """The sources that hold statements, their macros expanded."""
    server = os.path.join(TOP, 'server')
    with tempfile.TemporaryDirectory() as copy:
        for folder, _, names in os.walk(server):
            for name in names:
                if name.endswith(('.c', '.h')):
                    path = os.path.join(folder, name)
                    without_libraries(path, os.path.join(copy, os.path.relpath(path, server)))
        for path in sources():
            source = os.path.join(copy, os.path.relpath(path, server))
            yield run('cc', '-E', '-P', '-I', copy, source)


class Rules(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        run(CTL, '-c', '/dev/null', 'db', 'migrate')
        cls.plan = plan_of_file()

    def test_every_table_has_its_place(self):
        tables = [name for name, in sql("SELECT relname FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname = 'public'"
                                        " AND relkind IN ('r', 'p') AND NOT relispartition")]
        placed = self.plan.reference + self.plan.order + self.plan.local
        self.assertEqual(sorted(placed), sorted(tables))

    def test_unique_keys_hold_the_distribution_column_and_the_partition_column(self):
        rows = sql("""SELECT c.relname, i.indexrelid::regclass, (SELECT string_agg(a.attname, ',') FROM pg_attribute a
            WHERE a.attrelid = c.oid AND a.attnum = ANY (i.indkey)), coalesce((SELECT string_agg(a.attname, ',') FROM pg_attribute a
            JOIN pg_partitioned_table p ON p.partrelid = c.oid WHERE a.attrelid = c.oid AND a.attnum = ANY (p.partattrs)), '')
            FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE nspname = 'public' AND indisunique AND NOT c.relispartition""")
        seen = set()
        for table, index, columns, partition in rows:
            if table in self.plan.column:
                seen.add(table)
                self.assertIn(self.plan.column[table], columns.split(','), index)
                for column in filter(None, partition.split(',')):
                    self.assertIn(column, columns.split(','), index)
        self.assertEqual(seen, set(self.plan.column), 'a distributed table has no key')

    def test_foreign_keys_lead_where_they_may(self):
        for table, other, columns, others in sql("""SELECT conrelid::regclass, confrelid::regclass,
                (SELECT string_agg(attname, ',' ORDER BY k) FROM unnest(conkey) WITH ORDINALITY u (n, k) JOIN pg_attribute ON attrelid = conrelid AND attnum = n),
                (SELECT string_agg(attname, ',' ORDER BY k) FROM unnest(confkey) WITH ORDINALITY u (n, k) JOIN pg_attribute ON attrelid = confrelid AND attnum = n)
                FROM pg_constraint WHERE contype = 'f' AND conparentid = 0 AND connamespace = 'public'::regnamespace"""):
            name = '%s -> %s' % (table, other)
            if other in self.plan.column:
                self.assertIn(table, self.plan.column, name)
                pairs = list(zip(columns.split(','), others.split(',')))
                self.assertIn((self.plan.column[table], self.plan.column[other]), pairs, name)
            elif other in self.plan.local:
                self.assertIn(table, self.plan.local, name)

    def test_what_lies_together_is_distributed_by_the_same_type(self):
        types = {(table, column): kind for table, column, kind in sql(
            "SELECT attrelid::regclass, attname, atttypid::regtype FROM pg_attribute JOIN pg_class c ON c.oid = attrelid"
            " WHERE relnamespace = 'public'::regnamespace AND attnum > 0 AND NOT relispartition")}
        first = self.plan.order[0]
        for table in self.plan.order:
            self.assertEqual(types[table, self.plan.column[table]], 'integer', table)
            self.assertEqual(self.plan.beside[table], '' if table == first else first, table)

    def test_identities_of_distributed_tables_are_bigint(self):
        narrow = sql("SELECT attrelid::regclass FROM pg_attribute WHERE attidentity <> '' AND atttypid <> 'bigint'::regtype"
                     " AND attrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace)")
        self.assertEqual([table for table, in narrow if table in self.plan.column], [])

    def test_every_statement_that_writes_names_the_distribution_column(self):
        found, broken = 0, {}
        for source in preprocessed():
            for name, text in statements(source):
                found += 1
                tables = broken_writes(text, self.plan.column)
                if tables:
                    broken[name] = '%s: %s' % (', '.join(tables), text)
        self.assertGreater(found, 100, 'the statements were not found in the sources')
        self.assertEqual({name: text for name, text in broken.items() if name not in ALLOWED}, {})
        self.assertEqual(sorted(set(ALLOWED) - set(broken)), [], 'allowed, but obeys the rule or is gone')

    def test_every_function_that_writes_names_the_distribution_column(self):
        functions = json.loads(run('psql', '-XAtq', '-c', "SELECT json_agg(json_build_array(proname, prosrc)) FROM pg_proc"
                                                          " WHERE pronamespace = 'public'::regnamespace"))
        broken = {}
        for name, body in functions:
            for statement in re.sub(r'--[^\n]*', '', body).split(';'):
                for table in broken_writes(statement, self.plan.column):
                    broken.setdefault(name, set()).add(table)
        self.assertGreater(len(functions), 40)
        self.assertEqual({name: sorted(tables) for name, tables in broken.items()}, WHOLE_ROWS)

    def test_the_rules_themselves_find_what_breaks_them(self):
        column = {'upload': 'sender_id', 'outbox': 'unit_id'}
        self.assertEqual(broken_writes('UPDATE outbox SET late = true WHERE id = $1', column), ['outbox'])
        self.assertEqual(broken_writes('INSERT INTO upload (upload_id) SELECT $1', column), ['upload'])
        self.assertEqual(broken_writes('INSERT INTO upload SELECT * FROM x WHERE sender_id = 1', column), ['upload'])
        self.assertEqual(broken_writes('INSERT INTO upload AS u (sender_id, upload_id) VALUES ($1, $2)', column), [])
        self.assertEqual(broken_writes('WITH x AS (DELETE FROM outbox WHERE unit_id = $1 RETURNING id) SELECT 1', column), [])
        source = 'static const struct db_stmt A = {"a", "DELETE " "FROM outbox"}; static const struct db_stmt B[2] = {{"b", "x"}, {"c", "y"}};'
        self.assertEqual(statements(source), [('a', 'DELETE FROM outbox'), ('b', 'x'), ('c', 'y')])


if __name__ == '__main__':
    unittest.main()
