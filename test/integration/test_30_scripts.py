"""etc/stack.sh and etc/demo.sh as people use them: blanks and symbolic links in names, twice at once, a watcher who goes away."""
import json
import os
import pty
import re
import shutil
import signal
import subprocess
import tempfile
import unittest

from stack import BUILD, SOURCE, run, wait
from testdata import steel_csv

STACK = os.path.join(SOURCE, 'etc', 'stack.sh')
DEMO = os.path.join(SOURCE, 'etc', 'demo.sh')


def processes(*words):
    """What runs with one of these words in its command line, this test aside."""
    found = {}
    for entry in os.listdir('/proc'):
        if entry.isdigit() and int(entry) != os.getpid():
            try:
                with open('/proc/%s/cmdline' % entry, 'rb') as file:
                    line = file.read().replace(b'\0', b' ').decode(errors='replace')
            except (FileNotFoundError, ProcessLookupError):
                continue
            if any(word in line for word in words):
                found[int(entry)] = line
    return found


class Folder(unittest.TestCase):
    def setUp(self):
        self.root = os.path.realpath(tempfile.mkdtemp(prefix='nhjc scripts '))
        os.chmod(self.root, 0o755)
        self.dir = os.path.join(self.root, 'a stack')
        self.env = dict(os.environ, NHJC_BUILD=BUILD, NHJC_DEMO_DIR=self.dir)
        self.addCleanup(self.remove)

    def remove(self):
        run('sh', STACK, 'down', self.dir, '--purge', check=False, env=self.env)
        for pid in processes(self.root):
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
            _, words = up.communicate(timeout=120)
            self.assertEqual((up.returncode, words), (0, ''))
        words = self.stack('status').stdout
        self.assertRegex(words, r'^province: server running, pid \d+, database running\n$')
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

    def test_a_stack_ends_through_another_name_of_its_folder(self):
        link = os.path.join(self.root, 'link')
        os.symlink(self.dir, link)
        os.mkdir(self.dir)
        self.stack('up')
        folders = self.folders()
        self.assertIn('server running', self.stack('status', folder=link).stdout)
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
            self.assertTrue(piece, seen)
            seen += piece

    def ended(self, demo):
        wait(lambda: demo.poll() is not None, 60, what='the end of the demo')
        wait(lambda: not processes(self.root), 20, what='the end of everything in %s' % self.root)

    def test_a_reader_that_goes_away_ends_it_all(self):
        demo = subprocess.Popen(['sh', DEMO], env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.begun(lambda: os.read(demo.stdout.fileno(), 4096).decode(errors='replace'))
        demo.stdout.close()
        self.ended(demo)

    def test_a_terminal_that_goes_away_ends_it_all(self):
        pid, terminal = pty.fork()
        if pid == 0:
            os.execve('/bin/sh', ['sh', DEMO], dict(self.env, TERM='xterm'))
        self.begun(lambda: os.read(terminal, 4096).decode(errors='replace'))
        os.close(terminal)  # the hang-up
        wait(lambda: os.waitpid(pid, os.WNOHANG)[0] == pid, 60, what='the end of the demo')
        wait(lambda: not processes(self.root), 20, what='the end of everything in %s' % self.root)

    def test_it_ends_by_itself_after_the_table_and_says_what_it_measured(self):
        csv = steel_csv(os.path.join(self.root, 'own data.csv'))
        done = run('sh', DEMO, '--once', '--data', csv, env=self.env)
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
        self.assertRegex(words, r'durable: %d readings in \d+ uploads, [\d.]+ s, \d+ readings/s over' % sent)
        self.assertEqual(processes(self.root), {})
        again = run('sh', DEMO, '--once', '--data', csv, env=self.env).stdout
        self.assertRegex(again, r'durable: 0 readings in 0 uploads, ')  # of this run, not of all runs so far
        self.assertIn('both platforms agree to the last digit', again)


if __name__ == '__main__':
    unittest.main()
