"""A running platform for the tests of one module: starts etc/stack.sh, knows its settings, stops it.

    from stack import StackCase
    class Something(StackCase):          # upper = True: with the upper platform
        def test_…(self): self.device(1) …

NHJC_BUILD chooses the build folder (sanitizer builds run the same tests). NHJC_KEEP=1 keeps the stack's folder.
Nothing here sleeps and hopes: wait() polls a question until a deadline and says what it saw last.
"""
import contextlib
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

import messages
import nhjc
from nhjc import SLOW

SOURCE = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..'))
BUILD = os.environ.get('NHJC_BUILD') or os.path.join(SOURCE, 'build')
sys.path.insert(0, os.path.join(SOURCE, 'test', 'oracle'))


def wait(question, seconds=30, every=0.1, what='it'):
    """Polls until question() is true and returns its value."""
    deadline = time.monotonic() + seconds * SLOW
    while True:
        seen = question()
        if seen:
            return seen
        if time.monotonic() > deadline:
            raise AssertionError('%s did not happen within %d s; last seen: %r' % (what, seconds * SLOW, seen))
        time.sleep(every)


def run(*command, check=True, env=None, stdin=None, timeout=300):
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, input=stdin,
                          env=env, timeout=timeout * SLOW, text=True)
    if check and done.returncode != 0:
        raise AssertionError('%s\nexit %d\n%s\n%s' % (' '.join(map(str, command)), done.returncode, done.stdout[-4000:], done.stderr[-4000:]))
    return done


def guard(folder, *command):
    """A guardian who runs the command when this process ends without cleaning up. The descriptor keeps it waiting."""
    end, ours = os.pipe()
    subprocess.run(['setsid', '-f', 'sh', os.path.join(SOURCE, 'test', 'lib', 'guard.sh'), folder] + list(command), stdin=end,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    os.close(end)
    return ours


def guard_stack(folder):
    """A guardian who takes this stack down."""
    last = 'sh "$1" down "$2" --purge; rm -rf "$2"' if os.environ.get('NHJC_KEEP') != '1' else 'sh "$1" down "$2"'
    return guard(folder, 'sh', '-c', last, 'sh', os.path.join(SOURCE, 'etc', 'stack.sh'), folder)


class Platform:
    """One of the platforms of a stack: province, upper or city."""

    def __init__(self, stack, part='province'):
        self.stack, self.part = stack, part
        word = '' if part == 'province' else part.upper()
        self.url, self.conf, self.pki = (stack.env['NHJC_%s%s' % (word and word + '_', name)] for name in ('URL', 'CONF', 'PKI'))
        self.pg = {name: stack.env[name.replace('PG', 'PG' + word)] for name in ('PGHOST', 'PGPORT', 'PGDATABASE')}
        self.pg['PGUSER'] = stack.env['PGUSER']
        self.killed = False  # by the test, and not started again

    def ctl(self, *words, **more):
        return run(os.path.join(BUILD, 'bin', 'nhjcctl'), '-c', self.conf, *words, env=self.stack.env, **more)

    def sql(self, text):
        """Rows as lists of texts."""
        env = dict(self.stack.env, **self.pg)
        done = run('psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-F', '\t', '-c', text, env=env)
        return [line.split('\t') for line in done.stdout.splitlines()]

    def number(self, text):
        return int(self.sql(text)[0][0])

    def certificate(self, name):
        return os.path.join(self.pki, name + '.pem'), os.path.join(self.pki, name + '.key')

    def client(self, name='000000', **more):
        cert, key = self.certificate(name)
        return nhjc.Client(self.url, self.stack.env['NHJC_CA'], cert, key, **more)

    # -- life of the processes

    def process(self, verb):
        """stop-server, kill-server (SIGKILL, as a power cut would), start-server, stop-db, kill-db, start-db."""
        self.stack.script(verb, self.part)
        if verb.endswith('-server'):
            self.killed = verb == 'kill-server'

    def kill(self):
        self.process('kill-server')

    def stop(self):
        self.process('stop-server')

    def start(self):
        self.process('start-server')

    def log(self):
        """What the server logged, in the order of the lines' times: standard error, and files that a test named DIR/….log."""
        lines = []
        for path in [os.path.join(os.path.dirname(self.conf), 'log')] + glob.glob(os.path.join(self.stack.dir, '*.log*')):
            with open(path, errors='replace') as file:
                lines += file.readlines()
        return ''.join(sorted(lines, key=lambda line: line[:23]))

    def ended_badly(self):
        """What is wrong with the way the stopped server ended; '' when it came to the end of its own."""
        if self.killed:
            return ''
        lines = self.log().splitlines(True)
        ends = [line for line in lines if ' app started ' in line or ' app stopped ' in line]
        return '' if ends and ' app stopped ' in ends[-1] else '%s: the server did not come to its end:\n%s' % (self.conf, ''.join(lines[-20:]))

    # -- uploads stopped half way

    def waits_for(self, table, granted=False):
        """Somebody has (granted) or waits for a lock on the table that keeps writers out, or is kept out himself."""
        return self.number("SELECT count(*) FROM pg_locks WHERE relation = '%s'::regclass AND %s" % (table, "mode = 'ExclusiveLock' AND granted" if granted else 'NOT granted'))

    @contextlib.contextmanager
    def held(self, table):
        """While it lasts no transaction of the server gets beyond its first line into this table."""
        holder = subprocess.Popen(['psql', '-XAtq'], env=dict(self.stack.env, **self.pg), stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        try:
            holder.stdin.write('BEGIN; LOCK TABLE %s IN EXCLUSIVE MODE;\n' % table)
            holder.stdin.flush()
            wait(lambda: self.waits_for(table, True), 30, what='the lock')
            yield
        finally:
            holder.kill()
            holder.communicate()

    def rolled_up(self, seconds=60):
        """Waits until no rollup mark is left."""
        wait(lambda: self.number('SELECT count(*) FROM rollup_mark') == 0, seconds, what='the end of the rollup marks')

    def verified(self, *words):
        """nhjcctl rollup verify finds no difference."""
        self.ctl('rollup', 'verify', *words)


class Stack:
    def __init__(self, upper=False, options='', city=False):
        """options: further lines of the configuration; {folder} is the stack's folder, {folder}/spool exists."""
        self.dir = tempfile.mkdtemp(prefix='nhjc-it-')
        os.chmod(self.dir, 0o755)
        os.mkdir(os.path.join(self.dir, 'spool'))
        self.guard = guard_stack(self.dir)
        self.province = self.upper = self.city = None
        self.env = dict(os.environ, NHJC_BUILD=BUILD)
        if options:
            self.env['NHJC_STACK_OPTIONS'] = options.format(folder=self.dir)
        self.with_upper = upper
        if not nhjc.RECORDER or not os.path.isdir(nhjc.RECORDER.folder):
            nhjc.RECORDER = messages.Recorder(os.path.join(self.dir, 'answers'))
        self.answers = nhjc.RECORDER.folder
        try:
            self.script('up', *(['--upper'] if upper else []), *(['--city'] if city else []))
            self.env = self.read_env()
            self.province = Platform(self)
            if upper:
                self.upper = Platform(self, 'upper')
            if city:
                self.city = Platform(self, 'city')
        except BaseException:
            try:
                self.down()
            except AssertionError:
                pass  # the first failure is the one to show
            raise

    def script(self, verb, *words):
        return run('sh', os.path.join(SOURCE, 'etc', 'stack.sh'), verb, self.dir, *words, env=self.env)

    def read_env(self):
        text = run('sh', '-c', 'set -a; . "$1/env"; env -0', 'sh', self.dir, env=self.env).stdout
        return dict(entry.split('=', 1) for entry in text.split('\0') if '=' in entry)

    def down(self):
        done = run('sh', os.path.join(SOURCE, 'etc', 'stack.sh'), 'down', self.dir, check=False, env=self.env)
        reports = self.reports() + ''.join(platform.ended_badly() for platform in self.platforms())
        wrong = messages.complaints(self.answers) if os.path.isdir(self.answers) else []
        if os.environ.get('NHJC_KEEP') != '1':
            run('sh', os.path.join(SOURCE, 'etc', 'stack.sh'), 'down', self.dir, '--purge', check=False, env=self.env)
            shutil.rmtree(self.dir, ignore_errors=True)
        os.close(self.guard)
        if wrong:
            raise AssertionError('answers that break the schemas:\n%s' % '\n'.join(wrong[:40]))
        if reports or done.returncode != 0:
            raise AssertionError('the servers did not end well: %s\n%s' % (done.stderr[-2000:], reports))

    def reports(self):
        """What sanitizers wrote into the servers' logs, also at their end (leaks)."""
        found = ''
        for name in ('city', 'province', 'upper'):
            path = os.path.join(self.dir, name, 'log')
            if os.path.exists(path):
                with open(path, errors='replace') as file:
                    text = file.read()
                at = re.search(r'Sanitizer: |runtime error: |Assertion .* failed', text)
                found += '%s: %s\n' % (path, text[max(0, at.start() - 300):at.start() + 4000]) if at else ''
        return found

    def platforms(self):
        return [platform for platform in (self.city, self.province, self.upper) if platform]

    # -- enterprises

    def enterprise(self, number, admit=True, certificate=True, region='420100', industry='C3120'):
        """A code that is admitted and has a certificate; asked again it is the same."""
        code = nhjc.uscc(number)
        if admit and not self.province.sql("SELECT 1 FROM unit WHERE code = '%s'" % code):
            self.province.ctl('enterprise', 'admit', code, '--name', '试验企业%d' % number, '--region', region, '--industry', industry)
        if certificate and not os.path.exists(self.province.certificate(code)[0]):
            self.province.ctl('pki', 'issue', '--enterprise', code, '--out', self.province.pki)
        return code

    def device(self, number, items=(), serial='it-1', **more):
        """Registered and configured."""
        code = self.enterprise(number, **more)
        device = nhjc.Device(self.province.client(code), code, serial)
        if items:
            answer = device.configure(items)
            if answer.number('responseCode') != 0:
                raise AssertionError('UploadConfig: %s %s' % (answer.get('responseCode'), answer.get('responseMessage')))
        return device

    def simulator(self, code, *words, spool=None):
        """The command line of nhjc-sim for this enterprise."""
        cert, key = self.province.certificate(code)
        return [os.path.join(BUILD, 'bin', 'nhjc-sim'), '--url', self.province.url, '--ca', self.env['NHJC_CA'], '--cert', cert,
                '--key', key, '--enterprise', code, '--spool', spool or os.path.join(self.dir, 'spool-' + code), '--json',
                '--progress', '0'] + [str(word) for word in words]


class StackCase(unittest.TestCase):
    """All classes of a module that want the same kind of stack share one."""
    upper = False
    city = False
    options = ''
    stacks = {}
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        key = (cls.upper, cls.options, cls.city)
        if key not in StackCase.stacks:
            StackCase.stacks[key] = Stack(*key)
            unittest.addModuleCleanup(StackCase.drop, key)
        cls.stack = StackCase.stacks[key]
        cls.province = cls.stack.province

    @staticmethod
    def drop(key):
        StackCase.stacks.pop(key).down()

    # -- assertions on answers

    LEVELS = {1: 'network', 2: 'communication', 3: 'business', 9: 'platform'}
    SEVERITIES = {**dict.fromkeys((2108, 2110, 3203, 3402), 'warning'), **dict.fromkeys((3204, 3205, 3207, 3401), 'suspect')}

    def bilingual(self, words):
        self.assertTrue(words and any(ord(c) > 0x4e00 for c in words) and any(c.isascii() and c.isalpha() for c in words),
                        'not in Chinese and English: %r' % words)

    def code(self, answer, expected, message=None):
        self.assertEqual(answer.get('responseCode'), str(expected), message or answer.get('responseMessage'))
        self.bilingual(answer.get('responseMessage'))
        return answer

    def counts(self, answer, received, stored=0, unchanged=0, corrected=0, rejected=0, suspect=0):
        names = ('Received', 'Stored', 'Unchanged', 'Corrected', 'Rejected', 'Suspect')
        seen = dict((name.lower(), answer.number('records' + name)) for name in names)
        self.assertEqual(seen, dict(received=received, stored=stored, unchanged=unchanged, corrected=corrected, rejected=rejected,
                                    suspect=suspect))
        self.assertEqual(received, stored + unchanged + corrected + rejected)

    def finding(self, answer, code, line=None, severity=None):
        """The finding of this code (and line), which must be there, with the level and the severity of the contract's table."""
        found = [f for f in answer.all('finding') if f.get('code') == str(code) and (line is None or f.get('line') == str(line))]
        shown = [(f.get('code'), f.get('line'), f.get('message')) for f in answer.all('finding')]
        self.assertTrue(found, 'no finding %s at line %s in %r' % (code, line, shown))
        self.assertEqual(found[0].get('severity'), severity or self.SEVERITIES.get(code, 'error'))
        self.assertEqual(found[0].get('level'), self.LEVELS[code // 1000])
        self.bilingual(found[0].get('message'))
        return found[0]

    def audited(self, code, words):
        """A row of the audit log with this code and these words."""
        wait(lambda: self.province.sql("SELECT 1 FROM audit_log WHERE code = %d AND concat_ws(' ', actor, action, object, detail) ILIKE '%%%s%%'"
                                       % (code, words)), 10, what='an audit row with %d %s' % (code, words))

    def fault(self, code, call, *args, status=500, **more):
        with self.assertRaises(nhjc.Fault) as caught:
            call(*args, **more)
        self.assertEqual(caught.exception.code, code, str(caught.exception))
        self.assertEqual(caught.exception.status, status)
        self.assertEqual(caught.exception.level, self.LEVELS[code // 1000])
        self.bilingual(caught.exception.text)
        return caught.exception


def main():
    unittest.main(verbosity=2)
