"""The harness itself: nothing of a stack outlives its test, and a server that ends badly turns its test red."""
import glob
import os
import signal
import subprocess
import sys
import unittest

import stack
from stack import SOURCE, Stack, main, wait


def processes(word):
    """The numbers of the processes with this word in their command line."""
    found = []
    for path in glob.glob('/proc/[0-9]*/cmdline'):
        try:
            with open(path, 'rb') as file:
                if word.encode() in file.read():
                    found.append(int(path.split('/')[2]))
        except OSError:
            pass  # it ended meanwhile
    return found


class Harness(unittest.TestCase):
    def nothing_is_left(self, folder):
        wait(lambda: not os.path.exists(folder) and not processes(folder), 60, what='the end of %s' % folder)

    def started(self, *command):
        """A process and the line that it prints when everything is up."""
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True, cwd=os.path.dirname(stack.__file__))
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        return process, process.stdout.readline().strip()

    def test_a_killed_test_leaves_no_server_and_no_database(self):
        process, folder = self.started(sys.executable, '-B', '-c', 'import stack; print(stack.Stack(upper=True).dir, flush=True); input()')
        self.assertGreater(len(processes(folder)), 3)
        process.kill()
        self.nothing_is_left(folder)

    def test_a_test_killed_while_its_stack_starts_leaves_nothing(self):
        process, folder = self.started(sys.executable, '-B', '-c', 'import stack, tempfile\n'
                                       'make = tempfile.mkdtemp\n'
                                       'def mkdtemp(**more):\n'
                                       '    folder = make(**more)\n'
                                       '    print(folder, flush=True)\n'
                                       '    return folder\n'
                                       'tempfile.mkdtemp = mkdtemp\n'
                                       'stack.Stack()')
        wait(lambda: glob.glob(os.path.join(folder, 'pg', 'province', 'data', 'postmaster.pid')), 60, every=0.01, what='the database')
        process.kill()
        self.nothing_is_left(folder)

    def test_a_killed_test_of_the_scripts_leaves_neither_a_stack_nor_a_demo(self):
        make = ('import sys, subprocess, test_30_scripts as t\n'
                'case = t.Folder()\n'
                'case.setUp()\n'
                '%s\n'
                'print(case.root, flush=True)\n'
                'input()')
        for begin in ("t.run('sh', t.STACK, 'up', case.dir, env=case.env)",
                      "log = open(case.root + '/words', 'w')\n"  # where nobody goes away: it would wait for Ctrl-C
                      "demo = subprocess.Popen(['sh', t.DEMO], env=case.env, stdin=subprocess.DEVNULL, stdout=log, start_new_session=True)\n"
                      "t.wait(lambda: t.processes(case.dir + '/province/nhjcd.conf'), 60)"):
            with self.subTest(begin=begin):
                process, root = self.started(sys.executable, '-B', '-c', make % begin)
                found = self.by_environment(root)
                self.assertTrue(found)
                process.kill()
                self.nothing_is_left(root)
                wait(lambda: not self.by_environment(root), 60, what='the end of what works for %s' % root)

    @staticmethod
    def by_environment(root):
        found = []
        for path in glob.glob('/proc/[0-9]*/environ'):
            try:
                with open(path, 'rb') as file:
                    if b'NHJC_DEMO_DIR=' + root.encode() in file.read():
                        found.append(int(path.split('/')[2]))
            except OSError:
                pass  # it ended meanwhile
        return found

    def test_a_killed_database_test_leaves_no_database(self):
        process, folder = self.started('sh', os.path.join(SOURCE, 'test', 'lib', 'pg.sh'), 'sh', '-c', 'echo $PGHOST; read x')
        self.assertTrue(processes(folder))
        process.kill()
        process.stdin.close()
        process.stdin = None
        self.nothing_is_left(folder)

    def test_a_server_that_crashes_at_its_end_is_noticed(self):
        crashed = Stack()
        with open(os.path.join(crashed.dir, 'province', 'pid')) as file:
            os.kill(int(file.read()), signal.SIGSEGV)
        with self.assertRaisesRegex(AssertionError, 'did not come to its end'):
            crashed.down()
        self.nothing_is_left(crashed.dir)

    def test_a_server_that_hangs_at_its_end_is_noticed_and_killed(self):
        hanging = Stack()
        hanging.env['NHJC_STOP_SECONDS'] = '1'
        with open(os.path.join(hanging.dir, 'province', 'pid')) as file:
            os.kill(int(file.read()), signal.SIGSTOP)
        with self.assertRaisesRegex(AssertionError, 'does not stop'):
            hanging.down()
        self.nothing_is_left(hanging.dir)


if __name__ == '__main__':
    main()
