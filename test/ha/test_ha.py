"""What is promised about losing a disk or a machine, tried: by hand, sh etc/test-ha.sh.

Every test has a stack of its own; further clusters lie in the stack's database folder and are stopped at the end.
"""
import os
import pwd
import signal
import socket
import subprocess
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'integration'))
import nhjc  # noqa: E402
from stack import SOURCE, Stack, run, wait  # noqa: E402
from testdata import BASIC, POWER, readings  # noqa: E402


def pg_bin():
    return run('sh', '-c', 'for d in /usr/lib/postgresql/*/bin; do b=$d; done; echo $b').stdout.strip()


class Cluster:
    """A cluster beside the stack's own, with the stack's settings and a socket folder of its own."""

    def __init__(self, case, name):
        self.case, self.name = case, name
        stack = case.stack
        self.primary_socket = stack.env['PGHOST']
        self.primary = case.primary
        self.data = os.path.join(os.path.dirname(os.path.dirname(self.primary)), name, 'data')
        self.socket = os.path.join(os.path.dirname(self.primary_socket), 'pg-' + name)
        self.owner = pwd.getpwuid(os.stat(self.primary).st_uid)
        for folder in (os.path.dirname(self.data), self.socket):
            os.makedirs(folder)
            if os.getuid() == 0:
                os.chown(folder, self.owner.pw_uid, self.owner.pw_gid)

    def as_owner(self, *command, **more):
        if os.getuid() == 0:
            command = ('setpriv', '--reuid', self.owner.pw_name, '--regid', str(self.owner.pw_gid), '--clear-groups', 'env', '-C', '/') + command
        return run(*command, **more)

    def start(self, *settings):
        options = '-k %s -c unix_socket_directories=%s %s' % (self.socket, self.socket, ' '.join('-c ' + s for s in settings))
        self.case.addCleanup(self.stop)
        # Standard output must not be a pipe: the server would hold it open.
        with open(os.devnull, 'w') as nowhere:
            words = ['-D', self.data, '-l', os.path.join(os.path.dirname(self.data), 'log'), '-s', '-w', '-t', '120', 'start', '-o', options]
            command = [os.path.join(pg_bin(), 'pg_ctl')] + words
            if os.getuid() == 0:
                command = ['setpriv', '--reuid', self.owner.pw_name, '--regid', str(self.owner.pw_gid), '--clear-groups', 'env', '-C', '/'] + command
            subprocess.run(command, check=True, stdout=nowhere, stderr=nowhere, stdin=subprocess.DEVNULL)

    def stop(self):
        self.as_owner(os.path.join(pg_bin(), 'pg_ctl'), '-D', self.data, '-m', 'immediate', '-s', 'stop', check=False)

    def promote(self):
        self.as_owner(os.path.join(pg_bin(), 'pg_ctl'), '-D', self.data, '-s', '-w', 'promote')

    def sql(self, text):
        done = run('psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-h', self.socket, '-p', '5432', '-U', self.case.stack.env['PGUSER'], '-d', 'nhjc',
                   '-c', text)
        return done.stdout.strip()


class HaCase(unittest.TestCase):
    def setUp(self):
        self.stack = Stack()
        self.addCleanup(self.stack.down)
        self.province = self.stack.province
        self.primary = self.province.sql('SHOW data_directory')[0][0]
        self.repository = os.path.join(os.path.dirname(os.path.dirname(self.primary)), 'backup')

    def device(self, number):
        code = self.stack.enterprise(number)
        device = nhjc.Device(self.province.client(code), code)
        self.assertEqual(device.configure(BASIC).number('responseCode'), 0)
        return device

    def upload(self, device, day, count=96):
        """A day of quarters of an hour; patient, with the same message id, as a device is."""
        message, records = nhjc.new_id(), readings(POWER, day + ' 00:00', [str(1 + i) for i in range(count)])
        deadline = time.monotonic() + 120
        while True:
            try:
                answer = device.upload(records, message, client=self.province.client(device.enterprise))
                if answer.number('responseCode') < 9000:  # 9xxx: not now
                    self.assertEqual(answer.number('responseCode'), 0)
                    return count
            except (nhjc.Fault, nhjc.HttpError, OSError) as error:
                if isinstance(error, nhjc.Fault) and (error.code or 0) < 9000:
                    raise
            self.assertLess(time.monotonic(), deadline, 'not taken for two minutes')
            time.sleep(0.2)


FRAMES = "SELECT count(*) || ' ' || coalesce(sum(value[1]), 0) FROM reading_frame"


class Backup(HaCase):
    def backup(self, verb, *words):
        return run('sh', os.path.join(SOURCE, 'etc', 'backup.sh'), verb, self.repository, *words, env=self.stack.env)

    def next_second(self):
        now = self.province.sql('SELECT clock_timestamp()')[0][0]
        wait(lambda: self.province.sql("SELECT clock_timestamp() > timestamptz '%s' + interval '1 s'" % now) == [['t']], 10, what='the next second')

    def test_a_restore_to_an_instant_has_what_was_acknowledged_then_and_nothing_later(self):
        device = self.device(1)
        self.backup('setup', self.primary, self.stack.env['PGHOST'], 5432, self.stack.env['PGUSER'])
        self.province.process('stop-db')
        self.province.process('start-db')
        self.backup('start')
        self.upload(device, '2024-03-01')
        self.backup('full')
        self.next_second()  # pgBackRest dates a backup by whole seconds: an instant in its last one would be before its end
        self.upload(device, '2024-03-02')
        self.province.rolled_up()
        then, expected = self.province.sql('SELECT clock_timestamp()')[0][0], self.province.sql(FRAMES)[0][0]
        rolled = self.province.sql('SELECT sum(total[1]) FROM rollup_day')[0][0]
        self.next_second()
        self.upload(device, '2024-03-03')
        self.province.sql('TRUNCATE rollup_month, rollup_day')  # the accident
        self.province.sql('SELECT pg_switch_wal()')
        self.backup('check')
        restored = Cluster(self, 'restored')
        os.rmdir(restored.data) if os.path.isdir(restored.data) else None
        self.backup('restore', restored.data, then)
        restored.start()
        wait(lambda: restored.sql('SELECT pg_is_in_recovery()') == 'f', 60, what='the end of the recovery')
        self.assertEqual(restored.sql(FRAMES), expected)
        self.assertEqual(restored.sql('SELECT sum(total[1]) FROM rollup_day'), rolled)
        self.assertEqual(restored.sql('SELECT count(*) > 0 FROM rollup_month'), 't')
        self.assertEqual(restored.sql('SELECT count(*) FROM upload'), '2')
        self.assertEqual(restored.sql('SHOW archive_mode'), 'off')


class TwoMachines(HaCase):
    def standby(self):
        """A second machine: a copy that follows, synchronously, so that acknowledged means on both."""
        standby = Cluster(self, 'standby')
        standby.as_owner(os.path.join(pg_bin(), 'pg_basebackup'), '-D', standby.data, '-R', '-X', 'stream', '-c', 'fast', '-h', standby.primary_socket,
                         '-p', '5432', '-U', self.stack.env['PGUSER'])
        standby.start('synchronous_standby_names=')
        wait(lambda: self.province.sql("SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'") == [['1']], 60, what='the standby')
        self.province.sql("ALTER SYSTEM SET synchronous_standby_names = '*'")
        self.province.sql('SELECT pg_reload_conf()')
        wait(lambda: self.province.sql("SELECT sync_state FROM pg_stat_replication") == [['sync']], 60, what='synchronous replication')
        return standby

    def two_hosts(self, standby):
        """The server knows both; it writes where writing is possible and asks its questions at the copy."""
        self.hosts('host=%s,%s port=5432,5432' % (standby.primary_socket, standby.socket))

    def hosts(self, words):
        """A new start with these databases."""
        conf = os.path.join(self.stack.dir, 'province', 'nhjcd.conf')
        hosts = '%s user=%s dbname=nhjc' % (words, self.stack.env['PGUSER'])
        with open(conf) as file:
            lines = [line for line in file if not line.startswith('database')]
        lines = ['database = "%s target_session_attrs=read-write"\n' % hosts,
                 'query_database = "%s target_session_attrs=prefer-standby"\n' % hosts] + lines
        self.province.stop()
        with open(conf, 'w') as file:
            file.writelines(lines)
        self.province.start()

    def rows(self, device):
        return nhjc.query_rows(self.province.client(), [device.enterprise], 'minute', '2024-03-01 00:00:00', '2024-04-01 00:00:00', [POWER])


class Failover(TwoMachines):
    def test_the_server_follows_a_failover_and_nothing_acknowledged_is_lost(self):
        device = self.device(2)
        standby = self.standby()
        self.two_hosts(standby)
        acknowledged = sum(self.upload(device, '2024-03-%02d' % day) for day in range(1, 4))
        self.assertEqual(wait(lambda: len(self.rows(device)), 20), acknowledged)
        asked_at_copy = standby.sql("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'nhjcd query'")
        self.assertNotEqual(asked_at_copy, '0', 'questions do not go to the replica')
        self.assertEqual(standby.sql("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'nhjcd worker'"), '0')
        counts = []
        uploads = threading.Thread(target=lambda: counts.extend(self.upload(device, '2024-03-%02d' % day) for day in range(4, 29)))
        uploads.start()
        wait(lambda: self.province.number('SELECT count(*) FROM upload') > 5, 30, every=0.02, what='uploads in flight')
        self.province.process('kill-db')  # as if the machine were gone, in the middle of uploads
        standby.promote()
        uploads.join()
        self.assertEqual(len(counts), 25)
        acknowledged += sum(counts)
        self.assertEqual(standby.sql('SELECT count(*) FROM reading_frame'), str(acknowledged))
        self.assertEqual(len(self.rows(device)), acknowledged)
        wait(lambda: standby.sql('SELECT count(*) FROM rollup_mark') == '0', 60, what='the rollups at the promoted one')
        self.assertEqual(standby.sql('SELECT count(*) FROM rollup_day'), '28')
        self.province.verified()


class Silence(TwoMachines):
    """A host that neither answers nor refuses: nothing tells the server that it is gone but its silence."""

    def mute(self):
        """An address that takes connections and never says a word; and one that lets every packet fall."""
        silent = socket.create_server(('127.0.0.1', 0), backlog=100)
        swallows = socket.create_server(('127.0.0.1', 0), backlog=0)
        self.addCleanup(silent.close)
        self.addCleanup(swallows.close)
        for _ in range(3):  # its queue is full from now on
            caller = socket.socket()
            caller.setblocking(False)
            caller.connect_ex(swallows.getsockname())
            self.addCleanup(caller.close)
        return [str(s.getsockname()[1]) for s in (silent, swallows)]

    def processes(self):
        """The primary's postmaster and all its children."""
        with open(os.path.join(self.primary, 'postmaster.pid')) as file:
            first = file.readline().strip()
        return [first] + run('pgrep', '-P', first).stdout.split()

    def freeze(self):
        frozen = [int(pid) for pid in self.processes()]
        self.addCleanup(self.signal_all, frozen, signal.SIGKILL)
        self.signal_all(frozen, signal.SIGSTOP)
        return frozen

    @staticmethod
    def signal_all(pids, number):
        for pid in pids:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass

    def refused_meanwhile(self, device):
        """The answer to an upload now must be: not now."""
        def answer():
            try:
                return self.upload_once(device, '2024-03-29', nhjc.new_id())
            except (nhjc.Fault, nhjc.HttpError, OSError) as error:
                return getattr(error, 'code', None)
        wait(lambda: answer() == 9102, 60, what='the answer 9102')

    def upload_once(self, device, day, message):
        records = readings(POWER, day + ' 00:00', [str(1 + i) for i in range(96)])
        return device.upload(records, message, client=self.province.client(device.enterprise)).number('responseCode')

    def test_hosts_that_do_not_answer_are_passed_over(self):
        device = self.device(3)
        self.hosts('host=127.0.0.1,127.0.0.1,%s port=%s,%s,5432' % (self.stack.env['PGHOST'], *self.mute()))
        self.assertEqual(self.upload(device, '2024-03-01'), 96)
        self.province.process('kill-db')
        self.refused_meanwhile(device)
        self.province.process('start-db')
        self.assertEqual(self.upload(device, '2024-03-02'), 96)
        self.province.rolled_up()
        self.assertEqual(len(self.rows(device)), 192)
        self.province.verified()

    def test_a_primary_that_falls_silent_is_left_and_nothing_acknowledged_is_lost(self):
        device = self.device(4)
        standby = self.standby()
        self.two_hosts(standby)
        counts = []
        uploads = threading.Thread(target=lambda: counts.extend(self.upload(device, '2024-03-%02d' % day) for day in range(1, 29)))
        uploads.start()
        wait(lambda: self.province.number('SELECT count(*) FROM upload') > 5, 30, every=0.02, what='uploads in flight')
        self.freeze()  # its sockets stay open, its machine still takes every packet
        self.refused_meanwhile(device)
        standby.promote()
        uploads.join()
        self.assertEqual(sum(counts), 28 * 96)
        self.assertEqual(standby.sql("SELECT count(*) FROM reading_frame WHERE ts < '2024-03-29'"), str(28 * 96))
        wait(lambda: standby.sql('SELECT count(*) FROM rollup_mark') == '0', 60, what='the rollups at the promoted one')
        self.assertEqual(standby.sql("SELECT count(*) FROM rollup_day WHERE ts < '2024-03-29'"), '28')
        self.province.verified()

    def test_a_database_that_falls_silent_for_a_while_goes_on_where_it_was(self):
        device = self.device(5)
        self.assertEqual(self.upload(device, '2024-03-01'), 96)
        frozen = self.freeze()
        self.refused_meanwhile(device)
        wait(lambda: self.province.ctl('health', check=False).returncode == 1, 60, what='health to tell')
        self.signal_all(frozen, signal.SIGCONT)
        self.assertEqual(self.upload(device, '2024-03-02'), 96)
        self.province.rolled_up()
        wait(lambda: self.province.ctl('health', check=False).returncode == 0, 60, what='health to tell')
        self.province.verified()

    def test_a_server_whose_database_is_silent_can_be_stopped(self):
        device = self.device(6)
        self.assertEqual(self.upload(device, '2024-03-01'), 96)
        frozen = self.freeze()
        self.province.stop()
        self.signal_all(frozen, signal.SIGCONT)
        self.province.start()
        self.assertEqual(self.upload(device, '2024-03-02'), 96)


if __name__ == '__main__':
    unittest.main()
