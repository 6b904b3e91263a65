#!/usr/bin/env python3
"""nhjcctl storage, storage expire and storage pack, as an operator and a script see them. Run under test/lib/pg.sh."""
import json
import os
import shutil
import subprocess
import tempfile
import unittest

CTL = os.path.join(os.environ['NHJC_BIN_DIR'], 'nhjcctl')


def sql(text):
    return subprocess.run(['psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-c', text], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


class Storage(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.conf = tempfile.NamedTemporaryFile('w', suffix='.conf')
        cls.addClassCleanup(cls.conf.close)
        cls.conf.write('database = "dbname=nhjc"\nretention_raw = 5y\n')
        cls.conf.flush()
        cls.ctl('db', 'migrate')
        sql("SELECT partition_horizon(now(), 3), partition_ensure('receipt', '2020-01-01'), partition_ensure('reading', '2020-01-01')")
        sql("DELETE FROM setting WHERE key LIKE 'made:%'")  # as if it had been made ahead, in 2019

    @classmethod
    def ctl(cls, *words, code=0):
        done = subprocess.run([CTL, '-c', cls.conf.name, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert done.returncode == code, '%s: %d\n%s%s' % (' '.join(words), done.returncode, done.stdout, done.stderr)
        return done.stdout

    def report(self, *words, code=0):
        return json.loads(self.ctl('storage', '--json', '--disk-size', '500G', *words, code=code))

    def test_1_the_report_has_every_section_and_agrees_with_the_database(self):
        report = self.report()
        self.assertEqual(set(report), {'tables', 'forecast', 'horizon', 'due', 'orphans'})
        kinds = {row['table']: row['kind'] for row in report['tables']}
        self.assertEqual((kinds['reading_frame'], kinds['upload_payload'], kinds['rollup_day']), ('raw', 'payload', 'rollup'))
        frames = next(row for row in report['tables'] if row['table'] == 'reading_frame')
        self.assertEqual(str(frames['bytes']), sql("SELECT sum(pg_total_relation_size(relid)) FROM pg_partition_tree('reading_frame') WHERE isleaf"))
        figures = {row['name']: row['value'] for row in report['forecast']}
        self.assertEqual(figures['bytes'], sum(row['bytes'] for row in report['tables']))
        self.assertEqual(figures['bytesFree'], 500 * 2 ** 30 - figures['bytes'])
        for days, check in ((100, self.assertEqual), (3000, self.assertGreater)):  # in eight years what is there now is gone
            size = str(figures['bytes'] + days * figures['bytesPerDay'] + figures['bytesPerDay'] // 2)  # autovacuum may add a page meanwhile
            left = {row['name']: row['value'] for row in json.loads(self.ctl('storage', '--json', '--disk-size', size))['forecast']}
            check(left['daysUntilFull'], days)

    def test_2_a_full_disk_ahead_and_missing_partitions_are_alarms(self):
        self.ctl('storage', '--json', '--disk-size', '1K', code=1)
        self.ctl('storage', '--disk-size', 'much', code=2)
        sql("DO $$ DECLARE p text; BEGIN FOR p IN SELECT part FROM storage_partitions() WHERE tbl = 'correction' AND upper_ts > now()"
            " LOOP EXECUTE format('DROP TABLE %I', p); END LOOP; END $$")
        horizon = {row['table']: row for row in self.report(code=1)['horizon']}
        self.assertNotEqual(horizon['correction']['alarm'], '')
        self.assertEqual(horizon['upload']['alarm'], '')
        sql('SELECT partition_horizon(now(), 3)')
        self.report()

    def test_2b_the_disk_is_the_one_that_the_database_lies_on(self):
        other = os.statvfs('/dev/shm') if os.path.isdir('/dev/shm') else None
        here = os.statvfs(os.environ['PGHOST'])
        if not other or other.f_blocks * other.f_frsize >= here.f_bavail * here.f_frsize:
            self.skipTest('no second disk that is smaller')
        folder = tempfile.mkdtemp(dir='/dev/shm')
        self.addCleanup(shutil.rmtree, folder, True)
        os.chown(folder, os.stat(os.path.join(os.environ['PGHOST'], 'data')).st_uid, -1)
        sql("CREATE TABLESPACE elsewhere LOCATION '%s'" % folder)
        sql('CREATE DATABASE elsewhere TABLESPACE elsewhere')
        with tempfile.NamedTemporaryFile('w', suffix='.conf') as conf:
            conf.write('database = "dbname=elsewhere"\n')
            conf.flush()
            for words in (['db', 'migrate'], ['storage', '--json']):
                done = subprocess.run([CTL, '-c', conf.name, *words], stdout=subprocess.PIPE, text=True)
        free = next(row['value'] for row in json.loads(done.stdout)['forecast'] if row['name'] == 'bytesFree')
        self.assertLessEqual(free, other.f_blocks * other.f_frsize)
        sql('DROP DATABASE elsewhere')
        sql('DROP TABLESPACE elsewhere')

    def test_3_expire_shows_first_and_drops_then(self):
        due = [row['partition'] for row in self.report()['due']]
        self.assertEqual(due, ['reading_frame_202001', 'upload_finding_202001', 'upload_payload_202001', 'audit_log_202001', 'upload_refused_202001'])
        shown = [row['partition'] for row in json.loads(self.ctl('storage', 'expire', '--dry-run', '--json'))]
        self.assertEqual(shown, due)
        self.assertEqual(sql("SELECT to_regclass('reading_frame_202001') IS NOT NULL"), 't')
        self.assertEqual([row['partition'] for row in json.loads(self.ctl('storage', 'expire', '--json'))], due)
        self.assertEqual(sql("SELECT count(*) FROM storage_partitions() WHERE part = ANY ('{%s}')" % ','.join(due)), '0')
        self.assertEqual(sql("SELECT count(*) FROM audit_log WHERE action = 'storage.expire' AND actor LIKE 'operator:%'"), '5')
        self.assertEqual(json.loads(self.ctl('storage', 'expire', '--json')), [])

    def test_3b_verify_does_not_vouch_for_what_has_expired(self):
        def note(*words):
            done = subprocess.run([CTL, '-c', self.conf.name, 'rollup', *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            self.assertEqual(done.returncode, 0, done.stderr)
            return done.stderr
        sql("INSERT INTO setting VALUES ('raw_from', '2020-01-31 16:00:00+00') ON CONFLICT (key) DO UPDATE SET value = excluded.value")
        self.assertIn('2020-02-01 00:00:00', note('verify'))
        self.assertIn('2020-02-01 00:00:00', note('repair', '--from', '2020-01-31'))
        self.assertEqual(note('verify', '--from', '2020-02-01'), '')
        sql("DELETE FROM setting WHERE key = 'raw_from'")
        self.assertEqual(note('verify'), '')

    def fill_days(self, since, until):
        """Rows of half a page of 40 enterprises, by day, as they come."""
        sql("SELECT partition_ensure('reading', '%s'); INSERT INTO unit (id, code, name, region_code, industry_code, state)"
            " SELECT g, 'U' || g, '', '420100', 'C3011', 'accepted' FROM generate_series(1, 40) g ON CONFLICT DO NOTHING;"
            " INSERT INTO rollup_day (unit_id, page, ts, total, vmin, vmax, n, revision) SELECT u, 0, d, array_fill(1::bigint, ARRAY[100]),"
            " array_fill(2::bigint, ARRAY[100]), array_fill(3::bigint, ARRAY[100]), array_fill(4, ARRAY[100]), 7"
            " FROM generate_series(timestamptz '%s', '%s', '1 day') d, generate_series(1, 40) u ORDER BY d, u" % (since, since, until))

    def jumps(self, since, until):
        return sql("SELECT sum(j.jumps) || '/' || sum(j.pairs) FROM unit u CROSS JOIN LATERAL storage_jumps(u.id, '%s', '%s') j" % (since, until))

    def test_4_pack_orders_the_day_rows_of_past_months_by_enterprise_once(self):
        content = "SELECT count(*), md5(string_agg(d::text, ',' ORDER BY unit_id, page, ts)) FROM rollup_day d"
        self.fill_days('2021-03-01', '2021-04-30')
        today = sql("SELECT date_trunc('day', now())")
        self.fill_days(today, today)
        before = sql(content)
        self.assertEqual(self.jumps('2021-03-01', '2021-04-01'), '1200/1200')
        said = self.ctl('storage', 'pack')
        self.assertIn('2021-03  1240 ', said)
        self.assertIn('2021-04  1200 ', said)
        self.assertIn('\n2 ', said)
        self.assertEqual(sql(content), before, 'the rows are the same, with their revision and time')
        for since, until in (('2021-03-01', '2021-04-01'), ('2021-04-01', '2021-05-01')):
            jumps, pairs = map(int, self.jumps(since, until).split('/'))
            self.assertLess(jumps, pairs / 10)
        self.assertTrue(self.ctl('storage', 'pack').startswith('0 '))
        self.assertEqual(sql("SELECT string_agg(object, ',' ORDER BY object) FROM audit_log WHERE action = 'storage.pack'"), '2021-03,2021-04')
        self.assertEqual(sql("SELECT vacuum_count > 0 FROM pg_stat_user_tables WHERE relname = 'rollup_day_2021'"), 't')

    def test_4b_pack_goes_on_where_it_was_under_the_lock_of_the_rollup(self):
        self.fill_days('2022-05-01', '2022-05-31')
        sql("DELETE FROM setting WHERE key LIKE 'packed:2022%'")
        step = "SELECT to_char(month, 'YYYYMM'), moved, finished FROM storage_pack(now(), 20)"
        self.assertEqual(sql("SELECT to_char(storage_pack_next(now()), 'YYYYMM')"), '202212')
        sql("INSERT INTO setting SELECT 'packed:2022' || to_char(m, 'FM00'), now()::text FROM generate_series(1, 12) m WHERE m <> 5")
        held = sql("BEGIN; " + step + "; SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = 2 AND objid BETWEEN 1 AND 20; ROLLBACK")
        self.assertEqual(held, '202205|620|f\n20')
        self.assertEqual(sql(step), '202205|620|f')
        self.assertEqual(sql(step), '202205|620|f')
        self.assertEqual(sql(step), '202205|0|t')
        self.assertEqual(sql(step), '|0|')

    def test_4c_a_month_that_late_readings_scattered_again_is_packed_again_after_30_days(self):
        self.assertEqual(sql("SELECT storage_pack_next(now())"), '')
        self.assertEqual(sql("SELECT to_char(storage_pack_next(now() + interval '31 days'), 'YYYY') >= '2021'"), 't')
        sql("INSERT INTO setting SELECT 'packed:2022' || to_char(m, 'FM00'), (now() - interval '31 days')::text FROM generate_series(5, 5) m"
            " ON CONFLICT (key) DO UPDATE SET value = excluded.value")
        self.assertEqual(sql("SELECT to_char(storage_pack_next(now()), 'YYYYMM')"), '202205')

    def test_4d_all_days_of_an_item_are_read_ahead(self):
        sql('ANALYZE rollup_day')
        said = subprocess.run(['psql', '-XAtq', '-c', "LOAD 'auto_explain'; SET auto_explain.log_min_duration = 0; SET auto_explain.log_nested_statements = on;"
                               " SET client_min_messages = log; SELECT count(*) FROM item_days(7, 0::smallint, 3, '2021-01-01', '2022-01-01')"],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=True)
        self.assertEqual(said.stdout.strip(), '61')
        self.assertIn('Bitmap Heap Scan on rollup_day_2021', said.stderr)
        self.assertEqual(sql("SELECT 'effective_io_concurrency=200' = ANY (proconfig) FROM pg_proc WHERE proname = 'item_days'"), 't')

    def fill_as_before_step_24(self):
        """Packed, but two rows to a page."""
        sql("SELECT partition_ensure('reading', '2023-02-01')")
        self.assertEqual(sql("SELECT 'toast_tuple_target=128' = ANY (reloptions) FROM pg_class WHERE relname = 'rollup_day_2023'"), 't')
        sql('ALTER TABLE rollup_day_2023 SET (toast_tuple_target = 8160)')
        self.fill_days('2023-02-01', '2023-02-28')
        self.assertIn('2023-02  1120 ', self.ctl('storage', 'pack'))
        sql('ALTER TABLE rollup_day_2023 SET (toast_tuple_target = 128)')

    def test_4d2_long_rows_are_three_to_a_page_old_ones_after_the_first_look(self):
        form = ("SELECT count(*), count(DISTINCT (ctid::text::point)[0]), count(pg_column_compression(n)), count(pg_column_compression(total))"
                " FROM rollup_day WHERE ts >= '2023-02-01' AND ts < '2023-03-01'")
        content = "SELECT md5(string_agg(d::text, ',' ORDER BY unit_id, page, ts)) FROM rollup_day d"
        self.fill_as_before_step_24()
        before = sql(content)
        self.assertEqual(sql(form), '1120|560|0|0')  # new pages, two to each
        sql("UPDATE setting SET value = (now() - interval '31 days')::text WHERE key = 'packed:202302'")
        self.ctl('storage', 'pack')
        self.assertEqual(sql(form), '1120|560|0|0', 'only the first look is for the form')
        sql("DELETE FROM setting WHERE key = 'packed:202302'")  # as the step does
        self.assertIn('2023-02  1120 ', self.ctl('storage', 'pack'))
        rows, pages, compressed, plain = map(int, sql(form).split('|'))
        self.assertEqual((rows, compressed, plain), (1120, 1120, 0))
        self.assertLess(pages, 450)
        self.assertEqual(sql(content), before)
        self.fill_days('2023-03-01', '2023-03-01')
        self.assertEqual(sql("SELECT count(DISTINCT (ctid::text::point)[0]) < 20, count(pg_column_compression(n)) FROM rollup_day"
                             " WHERE ts = '2023-03-01'"), 't|40')

    def test_4e_every_year_of_energy_accounts_can_be_read_by_time(self):
        self.assertEqual(sql("SELECT count(*) FROM storage_partitions() p WHERE p.tbl = 'unit_energy_day' AND NOT EXISTS (SELECT FROM pg_indexes x"
                             " WHERE x.tablename = p.part AND x.indexdef LIKE '%USING brin (ts)%autosummarize%')"), '0')

    def test_4f_statistics_by_day_are_summed_up_by_the_workers_of_a_parallel_query(self):
        sql("INSERT INTO unit_energy_day (unit_id, ts, energy, usage, quantity, measure, tce, co2, own, sign) SELECT u, d, '023300', '60', u, '万千瓦时',"
            " u * 1.229, u, false, 1 FROM generate_series(timestamptz '2021-03-01', '2021-04-30', '1 day') d, generate_series(1, 40) u; ANALYZE unit_energy_day; ANALYZE unit; ALTER TABLE unit SET (parallel_workers = 0)")
        said = subprocess.run(['psql', '-XAtq', '-c', "LOAD 'auto_explain'; SET auto_explain.log_min_duration = 0; SET auto_explain.log_nested_statements = on;"
                               ' SET client_min_messages = log; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0; SET enable_nestloop = off;'
                               " SELECT count(*), trim_scale(sum(tce)), trim_scale(sum(compare_tce)) FROM energy_statistics('energyType', '42', '', '', 'day', '2021-04-01', '2021-05-01', 'pop', 100)"],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=True)
        self.assertEqual(said.stdout.strip(), '30|30233.4|30233.4')
        self.assertIn('Partial ', said.stderr)
        filters = [line for line in said.stderr.splitlines() if 'Filter: ' in line and 'sign <> 0' in line]
        self.assertNotEqual(filters, [])
        self.assertEqual([line for line in filters if 'interval' in line], [], 'nothing is computed anew for each row')

    def test_5_what_does_not_belong_is_an_alarm(self):
        sql("INSERT INTO reading_frame VALUES (77, 0, now(), '{1}', NULL)")
        orphans = {row['name']: row for row in self.report(code=1)['orphans']}
        self.assertEqual((orphans['frames_of_unknown_unit']['found'], orphans['frames_of_unknown_unit']['example']), (1, '77'))


if __name__ == '__main__':
    unittest.main()
