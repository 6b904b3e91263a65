"""What an operator's machinery relies on: health, log rotation, upgrades, rights."""
import json
import os
import unittest

from stack import StackCase, main, wait


class Operations(StackCase):
    options = 'log_file = {folder}/nhjcd.log'

    def health(self, code=0):
        done = self.province.ctl('health', '--json', check=False)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return json.loads(done.stdout)

    def test_a_reload_opens_the_log_anew_even_when_the_configuration_is_broken(self):
        log, conf = os.path.join(self.stack.dir, 'nhjcd.log'), self.province.conf
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


if __name__ == '__main__':
    main()
