"""Too many requests (1106), limits configured, a reload that fails, a device's clock ahead of the platform's (2110)."""
import datetime
import os
import re
import signal
import subprocess
import threading
import time

import nhjc
from stack import StackCase, main, wait
from testdata import BASIC, POWER, readings


class Rate(StackCase):
    options = 'rate_per_minute = 20'

    def test_too_many_requests_are_1106_and_others_are_served(self):
        device = self.stack.device(90, BASIC)
        served = 0

        def ask():
            nonlocal served
            for _ in range(400):  # at a slow machine the rate allows some more meanwhile
                self.code(device.client.call('access', 'CheckVersion', ('deviceId', device.id)), 0)
                served += 1
        told = self.fault(1106, ask, status=429)
        self.assertEqual(told.headers['Retry-After'], re.search(r'in (\d+) s', told.text).group(1))
        self.assertGreaterEqual(served, 10)
        other = self.stack.device(91, BASIC)
        self.code(other.upload(readings(POWER, '2018-01-01 00:00', ['1'])), 0)
        self.assertTrue(self.province.number("SELECT count(*) FROM upload_refused WHERE code = 1106 AND sender_code = '%s'"
                                             % device.enterprise) >= 1)

    def test_refusing_costs_less_than_asking(self):
        """A wrong form does not come before the rate, and of many refusals few are written down."""
        device = self.stack.device(93, BASIC)
        statuses, begin = [], time.monotonic()
        while statuses.count(429) < 30 and len(statuses) < 300:  # at a slow machine the rate allows some more meanwhile
            statuses.append(device.client.post('access', b'x', headers={'Content-Type': 'text/plain'})[0])
        self.assertEqual(statuses.count(429), 30, statuses)
        rows = dict(self.province.sql("SELECT code, count(*) FROM upload_refused WHERE sender_code = '%s' GROUP BY code"
                                      % device.enterprise))
        self.assertIn(int(rows['1106']), range(1, 3 + int(time.monotonic() - begin) // 60))  # one a minute, however slow the machine
        self.assertLessEqual(int(rows.get('2101', 0)), len(statuses) - 30)


class Envelope(StackCase):
    options = 'depth = 10\nattributes = 40\ntag_bytes = 4K'

    def test_the_limits_configured_hold_for_envelopes_too(self):
        device = self.stack.device(94, BASIC)
        body = nhjc.envelope(nhjc.operation('access', 'CheckVersion', [('deviceId', device.id)])).decode()

        def post(header):
            text = body.replace('<soap:Body>', '<soap:Header>%s</soap:Header><soap:Body>' % header)
            return nhjc.read_answer(*device.client.post('access', text.encode()))
        self.code(post('<a>' * 8 + '</a>' * 8), 0)
        self.code(post('<a b="%s"/>' % ('x' * 4000)), 0)
        self.code(post('<a %s/>' % ' '.join('b%d=""' % i for i in range(40))), 0)
        self.fault(2106, post, '<a>' * 9 + '</a>' * 9)
        self.fault(2106, post, '<a b="%s"/>' % ('x' * 4096))
        self.fault(2106, post, '<a %s/>' % ' '.join('b%d=""' % i for i in range(41)))


class Lists(StackCase):
    def test_a_list_without_bound_is_2103(self):
        def ask(count):
            return self.province.client().call('query', 'QueryData', ('enterpriseCode', [self.stack.enterprise(95)]),
                                               ('dataCode', [POWER] * count), ('granularity', 'day'),
                                               ('from', '2018-01-01 00:00:00'), ('to', '2018-01-02 00:00:00'))
        self.code(ask(10000), 0)
        self.fault(2103, ask, 10001)


class Turns(StackCase):
    """Questions that take their time (here: until a lock is gone) leave workers to the others."""
    WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%platform%'"

    def lock(self):
        env = dict(self.stack.env, **self.province.pg)
        session = subprocess.Popen(['psql', '-XAtq'], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.addCleanup(session.communicate)
        session.stdin.write('BEGIN; LOCK TABLE platform; SELECT 1;\n')
        session.stdin.flush()
        self.assertEqual(session.stdout.readline(), '1\n')
        return session

    def test_slow_questions_of_one_caller_leave_workers_to_uploads(self):
        device = self.stack.device(96, BASIC)
        session, answers = self.lock(), []

        def ask():
            answers.append(self.province.client().call('query', 'QueryQuality', ('from', '2018-01-01 00:00:00'),
                                                       ('to', '2018-01-02 00:00:00')))
        threads = [threading.Thread(target=ask) for _ in range(6)]
        for thread in threads:
            thread.start()
        wait(lambda: self.province.number(self.WAITING) >= 2, what='two questions that wait for the lock')
        for hour in range(5):
            self.code(device.upload(readings(POWER, '2018-01-01 %02d:00' % hour, ['1'])), 0)
        self.assertEqual(self.province.number(self.WAITING), 2)  # half of four workers
        session.communicate('COMMIT;\n')
        for thread in threads:
            thread.join()
        self.assertEqual([answer.get('responseCode') for answer in answers], ['0'] * 6)


class Reload(StackCase):
    options = 'log_file = {folder}/server.log'

    def write(self, text):
        with open(self.province.conf, 'w') as file:
            file.write(text)

    def read(self, path):
        with open(path) as file:
            return file.read()

    def test_a_reload_that_fails_changes_nothing_but_reopens_the_log(self):
        log, other = os.path.join(self.stack.dir, 'server.log'), os.path.join(self.stack.dir, 'other.log')
        good = self.read(self.province.conf)
        self.assertIn('crl_file = ', good)
        for broken in (re.sub(r'(?m)^crl_file = .*$', 'crl_file = /nowhere.pem', good).replace(log, other),
                       good + '\nno_such_option = 1\n',
                       good.replace(log, '/nowhere/at/all.log')):
            os.rename(log, log + '.1')  # as a rotation does
            self.write(broken)
            os.kill(int(self.read(os.path.join(self.stack.dir, 'province', 'pid'))), signal.SIGHUP)
            wait(lambda: os.path.exists(log) and 'reload_refused' in self.read(log), what='the log opened anew')
            self.assertFalse(os.path.exists(other) and self.read(other))
        self.write(good.replace(log, other))
        self.province.ctl('reload')
        self.assertIn(' reloaded ', self.read(other))
        self.write(good.replace('log_file = ' + log, ''))  # where the end of the server is looked for
        self.province.ctl('reload')


class Clock(StackCase):
    def send(self, device, date):
        plain = nhjc.data(device.enterprise, device.id, readings(POWER, '2018-01-01 00:00', ['1']), upload_date=date)
        return device.send(plain)

    def test_an_upload_date_ahead_is_warned_about_and_an_old_one_is_not(self):
        device = self.stack.device(92, BASIC)
        ahead = (datetime.datetime.utcnow() + datetime.timedelta(hours=8, minutes=30)).strftime('%Y-%m-%d %H:%M:%S')
        answer = self.code(self.send(device, ahead), 0)
        self.finding(answer, 2110, severity='warning')
        answer = self.code(self.send(device, '2018-01-01 00:20:00'), 0)
        self.assertFalse(answer.all('finding'))


if __name__ == '__main__':
    main()
