#!/usr/bin/env python3
"""nhjcctl storage and storage expire, as an operator and a script see them. Run under test/lib/pg.sh."""
import json
import os
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
        self.assertEqual(figures['daysUntilFull'], figures['bytesFree'] // figures['bytesPerDay'])

    def test_2_a_full_disk_ahead_and_missing_partitions_are_alarms(self):
        self.ctl('storage', '--json', '--disk-size', '1K', code=1)
        self.ctl('storage', '--disk-size', 'much', code=2)
        sql("DO $$ DECLARE p text; BEGIN FOR p IN SELECT part FROM storage_partitions() WHERE tbl = 'correction' AND lower_ts > now()"
            " LOOP EXECUTE format('DROP TABLE %I', p); END LOOP; END $$")
        horizon = {row['table']: row for row in self.report(code=1)['horizon']}
        self.assertNotEqual(horizon['correction']['alarm'], '')
        self.assertEqual(horizon['upload']['alarm'], '')
        sql('SELECT partition_horizon(now(), 3)')
        self.report()

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

    def test_4_pack_orders_the_day_rows_of_past_years_by_enterprise_once(self):
        sql("SELECT partition_ensure('reading', '2021-01-01')")
        sql("INSERT INTO rollup_day (unit_id, page, ts, total, vmin, vmax, n) SELECT u, 0, d, '{1}', '{1}', '{1}', '{1}'"
            " FROM generate_series(timestamptz '2021-01-01', '2021-12-31', '1 day') d, generate_series(1, 20) u ORDER BY d, u; ANALYZE rollup_day")
        order = 'SELECT md5(string_agg(unit_id || to_char(ts, %s), %s ORDER BY ctid)) FROM rollup_day_2021' % ("'YYYYMMDD'", "','")
        wanted = sql(order.replace('ctid', 'unit_id, page, ts'))
        self.assertNotEqual(sql(order), wanted)
        self.assertIn('rollup_day_2021', self.ctl('storage', 'pack'))
        self.assertEqual(sql(order), wanted)
        self.assertNotIn('rollup_day_2021', self.ctl('storage', 'pack'))
        self.assertEqual(sql("SELECT count(*) FROM audit_log WHERE action = 'storage.pack' AND object = 'rollup_day_2021'"), '1')

    def test_5_what_does_not_belong_is_an_alarm(self):
        sql("INSERT INTO reading_frame VALUES (77, 0, now(), '{1}', NULL)")
        orphans = {row['name']: row for row in self.report(code=1)['orphans']}
        self.assertEqual((orphans['frames_of_unknown_unit']['found'], orphans['frames_of_unknown_unit']['example']), (1, '77'))


if __name__ == '__main__':
    unittest.main()
