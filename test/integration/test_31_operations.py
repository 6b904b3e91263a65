"""What an operator's machinery relies on: health, log rotation, upgrades, rights."""
import json
import os
import re

from stack import BUILD, SOURCE, StackCase, main, run, wait
from testdata import BASIC, POWER, readings


class Operations(StackCase):
    options = 'log_file = {folder}/province/log'

    def health(self, code=0):
        done = self.province.ctl('health', '--json', check=False)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return json.loads(done.stdout)

    def test_a_reload_opens_the_log_anew_even_when_the_configuration_is_broken(self):
        log, conf = os.path.join(self.stack.dir, 'province', 'log'), self.province.conf
        with open(conf) as file:
            good = file.read()
        self.addCleanup(self.write, conf, good)
        pid = int(self.server_pid())
        self.write(conf, good + '\nno_such_option = 1\n')
        os.rename(log, log + '.1')
        os.kill(pid, 1)  # SIGHUP, as logrotate sends it: nhjcctl would not read this file
        wait(lambda: os.path.exists(log), 30, what='the new log')

    def server_pid(self):
        for line in self.province.ctl('status').stdout.splitlines():
            if line.startswith('pid '):
                return line.split()[1]

    def write(self, path, text):
        with open(path, 'w') as file:
            file.write(text)

    def test_health_says_what_is_wrong(self):
        well = self.health()
        self.assertEqual((well['health'], well['database']), ('ok', 'ok'))
        self.assertGreater(well['certificate_days'], 0)
        self.assertGreaterEqual(well['crl_days'], 0)
        self.assertIn('outbox_oldest_ms', well)
        self.province.process('stop-db')
        try:
            wait(lambda: self.province.ctl('health', check=False).returncode == 1, 60, what='the alarm')
            self.assertEqual(self.health(1)['database'], 'away')
        finally:
            self.province.process('start-db')
        wait(lambda: self.province.ctl('health', check=False).returncode == 0, 60, what='the end of the alarm')

    def test_an_upgrade_waits_for_the_server_to_be_stopped(self):
        wait(lambda: self.province.number("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = 4 AND objid = 1") == 1)
        self.province.ctl('db', 'migrate')  # nothing to change: nothing in the way
        self.province.sql("DELETE FROM schema_replace WHERE name = '40_storage'")
        done = self.province.ctl('db', 'migrate', check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn('stop it first', done.stdout + done.stderr)
        self.province.stop()
        try:
            self.province.ctl('db', 'migrate')
        finally:
            self.province.start()


class Questions(StackCase):
    """An answer about nothing must not look like an answer that nothing is wrong."""
    options = Operations.options

    def refused(self, code, *words):
        done = self.province.ctl(*words, check=False)
        self.assertEqual(done.returncode, code, '%s: %s%s' % (' '.join(words), done.stdout, done.stderr))
        self.bilingual(done.stderr)

    def test_a_span_that_holds_nothing_is_wrong_usage(self):
        code = self.stack.enterprise(300)
        backwards = ('--from', '2026-02-01', '--to', '2026-01-01')
        for words in (('rollup', 'verify'), ('rollup', 'repair'), ('outbox', 'reconcile', 'nation'), ('upload', 'list'), ('audit', 'list'),
                      ('report', 'conformity', code), ('report', 'quality', code), ('stat',), ('stat', 'intensity', code), ('restated',)):
            self.refused(2, *words, *backwards)
            self.refused(2, *words, '--from', '2026-01-01', '--to', '2026-01-01')
        self.refused(2, 'rollup', 'verify', '--from', '2126-01-01')  # beyond what it ends with by itself
        self.province.verified('--from', '2026-01-01', '--to', '2026-01-02')

    def test_a_list_of_an_enterprise_or_state_that_does_not_exist_is_refused(self):
        code = self.stack.enterprise(301)
        for words in (('upload', 'list', '--enterprise'), ('command', 'list'), ('meter', 'list', '--enterprise'), ('restated', '--enterprise')):
            self.refused(1, *words, code[:-1] + 'x')
            self.province.ctl(*words, code)
        self.province.ctl('upload', 'list', '--refused', '--enterprise', code[:-1] + 'x')  # who was refused may be unknown
        self.refused(2, 'enterprise', 'list', '--state', 'acepted')
        self.assertIn(code, self.province.ctl('enterprise', 'list', '--state', 'accepted').stdout)

    def test_a_list_that_was_cut_says_so(self):
        device = self.stack.device(302, BASIC)
        for value in ('1', '2', '3'):
            self.code(device.upload(readings(POWER, '2018-01-01 00:00', [value])), 0)
            self.province.ctl('command', 'add', device.enterprise, 'COLLECT_NOW')
        for words, rows in ((('upload', 'list', '--enterprise', device.enterprise), 3), (('command', 'list', device.enterprise), 3),
                            (('audit', 'list', '--who', device.enterprise), None), (('restated',), None)):
            option = '--most' if words == ('restated',) else '--limit'
            self.assertEqual(self.province.ctl(*words, option, '1000').stderr, '')
            if rows:
                cut = self.province.ctl(*words, option, str(rows - 1), '--json')
                self.assertIn('raise ' + option, cut.stderr)
                self.assertEqual(len(json.loads(cut.stdout)), rows - 1)
        self.assertIn('raise --limit', self.province.ctl('audit', 'list', '--limit', '1').stderr)


class Configured(StackCase):
    """nhjcctl config check finds what a start would stumble over."""
    options = Operations.options

    def check(self, code, words, *replacements):
        with open(self.province.conf) as file:
            text = file.read() + '\n[destination above]\nurl = https://127.0.0.1:1\ncert_file = ../pki/420000.pem\nkey_file = ../pki/420000.key\nca_file = ../ca/ca.pem\n'
        for old, new in replacements:
            self.assertIn(old, text)
            text = text.replace(old, new)
        path = os.path.join(os.path.dirname(self.province.conf), 'checked.conf')
        with open(path, 'w') as file:
            file.write(text)
        done = run(os.path.join(BUILD, 'bin', 'nhjcctl'), '-c', path, 'config', 'check', check=False, env=self.stack.env)
        self.assertEqual(done.returncode, code, '%r: %s%s' % (replacements, done.stdout, done.stderr))
        self.assertIn(words, done.stderr)
        if done.stderr:
            self.bilingual(done.stderr)
        return done

    def test_a_check_opens_the_files_that_the_server_will_need(self):
        self.assertEqual(self.check(0, '').stderr, '')
        self.check(1, 'absent.pem: No such file', ('../pki/province.pem', '../pki/absent.pem'))
        self.check(1, 'upper.key', ('../pki/province.key', '../pki/upper.key'))
        self.check(1, 'CA bundle', ('ca_file = ../ca/ca.pem\ncrl_file', 'ca_file = ../ca/absent.pem\ncrl_file'))
        self.check(1, 'CRL', ('../ca/crl.pem', '../ca/ca.pem'))
        self.check(1, '[destination above]', ('../pki/420000.key', '../pki/absent.key'))
        self.check(0, '', ('../pki/420000.key', '../pki/absent.key\nactive = false'))  # nobody will open it
        self.check(1, 'malformed', ('database = "host=', 'database = "hst='))
        self.check(1, 'malformed', ('admin_socket', 'query_database = nothing=\nadmin_socket'))

    def test_what_a_start_survives_is_a_note(self):
        self.check(0, 'import_dir', ('admin_socket', 'import_dir = absent\nadmin_socket'))
        self.province.ctl('pki', 'issue', '--server', 'soon', '--days', '5', '--out', self.province.pki)
        os.chmod(os.path.join(self.province.pki, 'soon.key'), 0o644)
        done = self.check(0, 'days left', ('../pki/province.pem', '../pki/soon.pem'), ('../pki/province.key', '../pki/soon.key'))
        self.assertIn('open to other users', done.stderr)

    def test_a_malformed_connection_string_is_not_called_an_old_database(self):
        path = os.path.join(os.path.dirname(self.province.conf), 'malformed.conf')
        with open(self.province.conf) as file:
            text = file.read()
        with open(path, 'w') as file:
            file.write(re.sub('(?m)^admin_socket.*$', 'admin_socket = other.sock', text.replace('database = "host=', 'database = "hst=')))
        done = run(os.path.join(BUILD, 'bin', 'nhjcd'), '-c', path, check=False, env=self.stack.env, timeout=60)
        self.assertEqual(done.returncode, 1)
        self.assertIn('malformed', done.stderr)
        self.assertNotIn('migrate', done.stderr)


class Rights(StackCase):
    options = 'retention_raw = 3650d'  # a stack of its own

    def refused(self, role, text):
        done = self.psql(role, text)
        self.assertIn('permission denied' if 'DROP' not in text else 'must be owner', done.stderr)

    def psql(self, role, *words):
        env = dict(self.stack.env, **dict(self.province.pg, PGUSER=role))
        return run('psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', *(['-c', *words] if len(words) == 1 else words), check=False, env=env)

    def test_the_server_works_without_owning_a_table_and_reports_see_no_key(self):
        roles = os.path.join(SOURCE, 'sql', 'roles.sql')
        for _ in range(2):  # may be repeated
            self.assertEqual(self.psql(self.province.pg['PGUSER'], '-f', roles).stderr, '')
        self.province.stop()
        with open(self.province.conf) as file:
            conf = file.read()
        with open(self.province.conf, 'w') as file:
            file.write(re.sub(r'(database = ".*)user=\S+', r'\1user=nhjc_server', conf))
        self.province.sql("ALTER ROLE nhjc_server SET log_min_messages = 'info'")
        self.province.start()
        device = self.stack.device(95, BASIC)  # admits, registers, configures
        self.code(device.upload(readings(POWER, '2015-03-01 00:00', ['1'] * 8)), 0)  # its month is made now
        self.province.rolled_up()
        self.province.verified()
        self.assertEqual(self.province.number("SELECT count(*) FROM pg_stat_activity WHERE usename <> 'nhjc_server' AND application_name LIKE 'nhjcd%'"), 0)
        self.assertEqual(self.province.ctl('health', check=False).returncode, 0)
        self.province.sql("DELETE FROM setting WHERE key LIKE 'made:%'")
        self.assertIn('reading_frame_201503', self.province.ctl('storage', 'expire').stdout)
        self.assertEqual(self.province.number("SELECT (to_regclass('reading_frame_201503') IS NULL)::integer"), 1)
        self.refused('nhjc_server', 'DROP TABLE unit')
        self.refused('nhjc_server', 'DELETE FROM audit_log')
        part = self.province.sql("SELECT part FROM storage_partitions() WHERE tbl = 'audit_log' ORDER BY 1 DESC LIMIT 1")[0][0]
        self.refused('nhjc_server', 'DELETE FROM ' + part)
        self.assertEqual(self.psql('nhjc_report', "SELECT count(*) > 0 FROM bv_infodb_energydata_province WHERE granularity = 'year'").stdout.strip(), 't')
        for secret in ('SELECT secret_key FROM device', 'SELECT value FROM setting', 'SELECT content FROM upload_payload', 'SELECT detail FROM audit_log',
                       "SELECT storage_drop('rollup_hour_201503', now())", "SELECT partition_ensure('reading', now())", 'DELETE FROM rollup_year'):
            self.refused('nhjc_report', secret)


if __name__ == '__main__':
    main()
