"""etc/stack.sh and etc/demo.sh as people use them: blanks and symbolic links in names, twice at once, a watcher who goes away."""
import contextlib
import json
import os
import pty
import pwd
import re
import shutil
import signal
import subprocess
import tempfile
import unittest

from stack import BUILD, SLOW, SOURCE, guard, run, wait
from testdata import steel_csv

STACK = os.path.join(SOURCE, 'etc', 'stack.sh')
DEMO = os.path.join(SOURCE, 'etc', 'demo.sh')


def processes(*words):
    """What runs with one of these words in its command line, this test and its guardian aside."""
    found = {}
    for entry in os.listdir('/proc'):
        if entry.isdigit() and int(entry) != os.getpid():
            try:
                with open('/proc/%s/cmdline' % entry, 'rb') as file:
                    line = file.read().replace(b'\0', b' ').decode(errors='replace')
            except (FileNotFoundError, ProcessLookupError):
                continue
            if any(word in line for word in words) and 'test/lib/guard.sh' not in line:
                found[int(entry)] = line
    return found


def of_session(number):
    """The command lines of what runs in this session."""
    found = []
    for entry in os.listdir('/proc'):
        try:
            with open('/proc/%s/stat' % entry) as file:
                if int(file.read().rpartition(')')[2].split()[3]) == number:
                    with open('/proc/%s/cmdline' % entry, 'rb') as file:
                        found.append(file.read().replace(b'\0', b' ').decode(errors='replace'))
        except (OSError, ValueError):
            continue
    return found


# $1: the root, $2: the stack's folder, $3: stack.sh. What works in the root has its folder in the environment, a demo that waits for
# Ctrl-C nowhere else.
LAST = '''
of_ours() { grep -lzxF "NHJC_DEMO_DIR=$2" /proc/[0-9]*/environ 2>/dev/null | sed 's,/proc/\\([0-9]*\\)/.*,\\1,'; }
demo() { for pid in $(of_ours "$@"); do ! grep -qz 'demo\\.sh$' "/proc/$pid/cmdline" 2>/dev/null || echo "$pid"; done; }
kill $(demo "$@") 2>/dev/null
while [ -n "$(demo "$@")" ]; do sleep 0.2; done
sh "$3" down "$2" --purge
kill -9 $(of_ours "$@") 2>/dev/null
rm -rf "$1"'''


class Folder(unittest.TestCase):
    def setUp(self):
        self.root = os.path.realpath(tempfile.mkdtemp(prefix='nhjc scripts '))
        os.chmod(self.root, 0o755)
        self.dir = os.path.join(self.root, 'a stack')
        self.guard = guard(self.dir, 'sh', '-c', LAST, 'sh', self.root, self.dir, STACK)
        self.env = dict(os.environ, NHJC_BUILD=BUILD, NHJC_DEMO_DIR=self.dir)
        self.addCleanup(os.close, self.guard)
        self.addCleanup(self.remove)

    def remove(self):
        run('sh', STACK, 'down', self.dir, '--purge', check=False, env=self.env)
        for pid in processes(self.root):
            with contextlib.suppress(ProcessLookupError):  # it ended meanwhile
                os.kill(pid, signal.SIGKILL)
        shutil.rmtree(self.root, ignore_errors=True)

    def folders(self):
        """Every folder that processes of the stack are known by."""
        with open(os.path.join(self.dir, 'run.path')) as file:
            return [self.root, file.read().strip()]


class StackScript(Folder):
    def stack(self, verb, *words, folder=None, **more):
        return run('sh', STACK, verb, folder or self.dir, *words, env=self.env, **more)

    def test_two_at_once_and_a_name_with_blanks_make_one_stack(self):
        ups = [subprocess.Popen(['sh', STACK, 'up', self.dir], env=self.env, stderr=subprocess.PIPE, text=True) for _ in range(2)]
        for up in ups:
            _, words = up.communicate(timeout=300 * SLOW)
            self.assertEqual((up.returncode, words), (0, ''))
        words = self.stack('status').stdout
        self.assertRegex(words, r'^province: 服务器 server 运行中 running, pid \d+, 数据库 database 运行中 running\n$')
        servers = [line for line in processes(self.dir + '/province/nhjcd.conf').values() if '/nhjcd ' in line]
        self.assertEqual(len(servers), 1, servers)
        folders = self.folders()
        with open('/proc/sys/net/ipv4/ip_local_port_range') as file:
            first = int(file.read().split()[0])
        with open(os.path.join(self.dir, 'province', 'port')) as file:
            self.assertLess(int(file.read()), first, 'a port that any client of this machine may be given')
        self.stack('down', '--purge')
        self.assertEqual(processes(*folders), {})
        self.assertEqual([os.path.exists(path) for path in [self.dir] + folders[1:]], [False, False])

    def test_ports_are_spread_over_all_there_are(self):
        """A port that many stacks choose is another's when a server is started again."""
        chosen = run('sh', '-c', 'eval "$(sed -n "/^free_port()/,/^}/p" "$1")"; for i in $(seq 60); do free_port; done', 'sh', STACK).stdout.split()
        self.assertEqual(len(chosen), 60)
        if chosen != ['0'] * 60:  # the system's choice: there is no room below what clients are given
            self.assertGreater(len(set(chosen)), 50, chosen)

    def test_a_stack_ends_through_another_name_of_its_folder(self):
        link = os.path.join(self.root, 'link')
        os.symlink(self.dir, link)
        os.mkdir(self.dir)
        self.stack('up')
        folders = self.folders()
        self.assertIn('server 运行中 running', self.stack('status', folder=link).stdout)
        self.stack('stop-server', folder=link)
        self.stack('start-server', folder=link)
        self.assertEqual(len([line for line in processes('/province/nhjcd.conf').values() if self.root in line and '/nhjcd ' in line]), 1)
        self.stack('down', '--purge', folder=link)
        self.assertEqual(processes(*folders), {})


class Demo(Folder):
    def begun(self, read):
        """Reads until the platforms run, the moment at which there is most to leave behind."""
        seen = ''
        while 'upper https' not in seen:
            piece = read()
            self.assertTrue(piece, seen + self.complaints())
            seen += piece

    def demo(self, *words, **more):
        """Runs with a pipe for what it says; what it complains about goes where nobody goes away."""
        with open(self.errors(), 'a') as errors:
            return subprocess.Popen(['sh', DEMO] + list(words), env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, **more)

    def errors(self):
        return os.path.join(self.root, 'errors')

    def complaints(self):
        if not os.path.exists(self.errors()):
            return ''
        with open(self.errors(), errors='replace') as file:
            return '\nstandard error:\n' + file.read()[-4000:]

    def ended(self, gone):
        wait(gone, 300, what='the end of the demo')
        wait(lambda: not processes(self.root), 60, what='the end of everything in %s' % self.root)

    def test_a_reader_that_goes_away_ends_it_all(self):
        demo = self.demo()
        self.begun(lambda: os.read(demo.stdout.fileno(), 4096).decode(errors='replace'))
        demo.stdout.close()
        self.ended(lambda: demo.poll() is not None)

    def test_a_terminal_that_goes_away_ends_it_all(self):
        pid, terminal = pty.fork()
        if pid == 0:
            os.execve('/bin/sh', ['sh', DEMO], dict(self.env, TERM='xterm'))
        self.begun(lambda: os.read(terminal, 4096).decode(errors='replace'))
        os.close(terminal)  # the hang-up
        self.ended(lambda: os.waitpid(pid, os.WNOHANG)[0] == pid)

    def test_it_ends_by_itself_after_the_table_and_says_what_it_measured(self):
        csv = steel_csv(os.path.join(self.root, 'own data.csv'))
        done = run('sh', DEMO, '--once', '--data', csv, env=self.env, timeout=600)
        words = done.stdout
        self.assertEqual(len(re.findall(r'^  2018(-\d\d)? .* =$', words, re.M)), 3, words)  # two months, one year
        self.assertEqual(len(re.findall(r'^  2024(-\d\d)? .* =$', words, re.M)), 39, words)  # glass: gas, electricity; office
        self.assertNotIn('≠', words)
        with open(os.path.join(self.dir, 'sim', 'oracle.txt')) as file:
            self.assertRegex(file.read(), r'^\d+ rows of 8 answers compared with the oracle: all equal\n$')
        self.assertIn('compared with the oracle: all equal', words)
        self.assertIn('both platforms agree to the last digit', words)
        sent = 0
        for name in os.listdir(os.path.join(self.dir, 'sim')):
            if name.endswith('.json'):
                with open(os.path.join(self.dir, 'sim', name)) as file:
                    sent += json.load(file)['readings']
        self.assertRegex(words, r'durable: %d 个读数 readings, \d+ 次上传 uploads, [\d.]+ s, 每秒 \d+ readings/s' % sent)
        self.assertEqual(processes(self.root), {})
        again = self.until_interrupted('--data', csv)
        self.assertRegex(again, r'durable: 0 个读数 readings, 0 次上传 uploads, ')  # of this run, not of all runs so far
        self.assertIn('both platforms agree to the last digit', again)

    def until_interrupted(self, *words):
        """The demo's words until it waits for Ctrl-C, which it then gets; nothing of its session stays."""
        demo = self.demo(*words, text=True, start_new_session=True)
        seen = ''
        while 'press Ctrl-C' not in seen:
            line = demo.stdout.readline()
            self.assertTrue(line, seen + self.complaints())
            seen += line
        wait(lambda: [line for line in of_session(demo.pid) if line.startswith('sleep')], 60, what='the demo waiting')
        os.kill(demo.pid, signal.SIGINT)
        self.assertEqual(demo.wait(timeout=300 * SLOW), 0, self.complaints())
        demo.stdout.close()
        self.assertEqual(of_session(demo.pid), [])
        return seen


class BackupScript(Folder):
    def test_the_settings_hold_from_any_folder_and_for_names_with_blanks(self):
        tools, data, repo = (os.path.join(self.root, name) for name in ('tools', 'my data', 'my backup'))
        for folder in (tools, data):
            os.mkdir(folder)
        with open(os.path.join(data, 'PG_VERSION'), 'w') as file:
            file.write('15\n')
        words = os.path.join(self.root, 'words')
        with open(os.path.join(tools, 'pgbackrest'), 'w') as file:  # says what it was called with
            file.write('#!/bin/sh\nprintf "%%s\\n" "$@" >"%s"\n' % words)
        os.chmod(os.path.join(tools, 'pgbackrest'), 0o755)
        owner = 'nobody' if os.getuid() == 0 else pwd.getpwuid(os.getuid()).pw_name
        shutil.chown(data, owner)
        env = dict(os.environ, PATH=tools + ':' + os.environ['PATH'])
        done = subprocess.run(['sh', os.path.join(SOURCE, 'etc', 'backup.sh'), 'setup', 'my backup', 'my data', '.'], cwd=self.root, env=env,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.assertEqual(done.returncode, 0, done.stdout)
        with open(os.path.join(repo, 'pgbackrest.conf')) as file:
            settings = dict(line.rstrip('\n').split('=', 1) for line in file if '=' in line)
        self.assertEqual((settings['pg1-path'], settings['pg1-socket-path'], settings['pg1-user']), (data, self.root, owner))
        with open(os.path.join(data, 'postgresql.auto.conf')) as file:
            command = re.search(r"^archive_command = '(.*)'$", file.read(), re.M).group(1)
        subprocess.run(['sh', '-c', command.replace('%p', 'pg_wal/0001')], env=env, check=True)
        with open(words) as file:
            self.assertEqual(file.read().split('\n')[:4], ['--config=%s/pgbackrest.conf' % repo, '--stanza=nhjc', 'archive-push', 'pg_wal/0001'])


class Bench(unittest.TestCase):
    def ask(self, *command):
        done = run(*command, env=dict(os.environ, NHJC_BUILD=BUILD), check=False)
        self.assertEqual(done.returncode, 0, done.stderr[-3000:])
        return json.loads(done.stdout)

    def test_the_benchmark_prints_what_its_readme_explains(self):
        seen = self.ask('sh', os.path.join(SOURCE, 'test', 'bench', 'run.sh'), '--devices', 2, '--seconds', 2, '--parallel', 2, '--bare')
        for path in ('uploadsPerSecond', 'readingsPerSecond', 'energyItems', 'latencyMs.p50', 'latencyMs.p99', 'cpu.shareOfMachine',
                     'cpu.perMillionReadings.provinceServer', 'cpu.perMillionReadings.provinceDatabase', 'machine.cores',
                     'disk.bytesPerReading', 'againstBare.parseUsPerReading', 'againstBare.copyUsPerReading', 'againstBare.ratio'):
            value = seen
            for word in path.split('.'):
                self.assertIn(word, value, path)
                value = value[word]
            self.assertGreater(value, 0, path)
        self.assertGreaterEqual(seen['rollup']['oldestMarkSeconds'], 0)
        self.assertRegex(seen['machine']['databaseFilesystem'], r'\w')
        self.assertTrue(seen['complete'])

    def test_idle_connections_are_counted_at_the_server(self):
        seen = self.ask('python3', '-B', os.path.join(SOURCE, 'test', 'bench', 'idle.py'), '--connections', 40)
        self.assertEqual((seen['connections'], seen['complete']), (40, True))
        self.assertGreaterEqual(seen['serverSockets'], 40)
        self.assertGreater(seen['serverMb'], seen['serverMbBefore'] / 2)


if __name__ == '__main__':
    unittest.main()
