"""kill -9 of the server and of the database in the middle of a run: nothing acknowledged is lost, nothing doubled."""
import contextlib
import json
import os
import signal
import subprocess
import threading
import time
from datetime import timedelta

import nhjc
from nhjc import SLOW
from stack import StackCase, main, wait
import compare
from testdata import BASIC, POWER, in_folder, slots

NOT_DELIVERED = 'not delivered, again in'


class Simulated(StackCase):
    """A simulator run with a process killed while it goes on: totals equal the oracle's.
    Six days at this speed take nine seconds and a hundred messages."""

    def start(self, number, csv, *words):
        code = self.stack.enterprise(number)
        command = self.stack.simulator(code, '--csv', csv, '--per-upload', 30, '--speed', 60000, '--retry-min', 50, '--retry-max', 500, *words)
        with open(self.notes_file(code), 'a') as notes:
            return code, subprocess.Popen(command, stdout=subprocess.PIPE, stderr=notes, text=True, env=self.stack.env)

    def notes_file(self, code):
        return os.path.join(self.stack.dir, 'notes-' + code)

    def notes(self, code):
        """What the simulator said on its standard error."""
        with open(self.notes_file(code)) as file:
            return file.read()

    def uploads(self, code):
        return self.province.number("SELECT count(*) FROM upload JOIN unit ON unit.id = upload.unit_id WHERE code = '%s'" % code)

    def finish(self, process):
        out, _ = process.communicate(timeout=600 * SLOW)
        self.assertEqual(process.returncode, 0, out)
        summary = json.loads(out)
        self.assertTrue(summary['complete'])
        self.assertEqual(summary['rejected'], 0)
        return summary

    def exact(self, code, csv):
        self.province.rolled_up()
        found, answers = compare.compare(csv, code, ['day', 'month', 'year'], env=self.stack.env)
        self.assertEqual(found, [])
        self.assertTrue(answers['province', 'day'])
        self.province.verified('--enterprise', code)
        doubled = self.province.number("SELECT count(*) FROM (SELECT message_id FROM upload JOIN unit ON unit.id = upload.unit_id WHERE code = '%s' "
                                       "GROUP BY message_id HAVING count(*) > 1) x" % code)
        self.assertEqual(doubled, 0)

    @contextlib.contextmanager
    def transaction_held(self, process, table):
        """The run's next upload has come as far as this table in its transaction, and no further."""
        process.send_signal(signal.SIGSTOP)
        with self.province.held(table):
            process.send_signal(signal.SIGCONT)
            wait(lambda: process.poll() is not None or self.province.waits_for(table), 30, what='an upload to get there')
            self.assertIsNone(process.poll(), 'the run ended before the kill')
            yield

    def kill_in_the_middle(self, number, kill, start, tables):
        """Each time in the middle of a transaction; the simulator meets what is missing before it is started again."""
        csv = in_folder(self.stack, 'crash-%d.csv' % number, days=6, seed=number)
        code, process = self.start(number, csv)
        try:
            wait(lambda: process.poll() is not None or self.uploads(code) >= 8, 60, every=0.02, what='the first uploads')
            for table in tables:
                before = self.notes(code).count(NOT_DELIVERED)
                with self.transaction_held(process, table):
                    kill()
                wait(lambda: self.notes(code).count(NOT_DELIVERED) > before, 60, what='the simulator to notice')
                start()
            summary = self.finish(process)
        finally:
            if process.poll() is None:
                process.kill()
            process.stdout.close()
            process.wait()
        self.assertGreaterEqual(summary['retries'], len(tables))
        self.exact(code, csv)
        return summary

    def test_server_killed_three_times(self):
        self.kill_in_the_middle(100, self.province.kill, self.province.start, ('upload', 'reading_frame', 'rollup_mark'))

    def test_database_killed_twice(self):
        self.kill_in_the_middle(101, lambda: self.province.process('kill-db'), lambda: self.province.process('start-db'), ('reading_frame', 'upload'))

    def test_server_restarted_in_order(self):
        """What it has in hand is answered: the lock is given back while it stops."""
        csv = in_folder(self.stack, 'crash-102.csv', days=6, seed=102)
        code, process = self.start(102, csv)
        wait(lambda: process.poll() is not None or self.uploads(code) >= 8, 60, every=0.02, what='the first uploads')
        stopping = threading.Thread(target=self.province.stop)
        with self.transaction_held(process, 'upload'):
            stopping.start()
            wait(lambda: 'app stopping' in self.province.log(), 30, what='the beginning of the end')
        stopping.join()
        wait(lambda: NOT_DELIVERED in self.notes(code), 60, what='the simulator to notice')
        self.province.start()
        self.finish(process)
        self.exact(code, csv)

    def test_simulator_killed_goes_on_from_its_spool(self):
        csv = in_folder(self.stack, 'crash-103.csv', days=6, seed=103)
        for _ in range(3):
            code, process = self.start(103, csv)
            goal = self.uploads(code) + 10
            wait(lambda: process.poll() is not None or self.uploads(code) >= goal, 60, every=0.02, what='uploads to go on')
            process.kill()
            process.communicate()
        code, process = self.start(103, csv)
        summary = self.finish(process)
        self.assertEqual(summary['corrected'], 0)
        self.exact(code, csv)
        readings = self.province.number("SELECT sum(stored) FROM upload JOIN unit ON unit.id = upload.unit_id WHERE code = '%s'" % code)
        self.assertEqual(readings, 6 * 96 * 6)


class Acknowledged(StackCase):
    """Writers that note every acknowledgement while the server dies again and again."""

    def test_every_acknowledged_reading_is_there(self):
        devices = [self.stack.device(110 + n, BASIC) for n in range(3)]
        stop, abandon, acknowledged, failures = threading.Event(), threading.Event(), [[] for _ in devices], []

        def answered(n, message_id, records):
            """True when this message was acknowledged; the same message is sent until then, or until the test has failed."""
            while not abandon.is_set():
                try:
                    answer = devices[n].upload(records, message_id)
                    code, words = int(answer.get('responseCode')), answer.get('responseMessage')
                except (OSError, nhjc.HttpError, nhjc.http.client.HTTPException):
                    devices[n].client.close()
                    code, words = 9102, ''
                except nhjc.Fault as fault:
                    code, words = fault.code, fault.text
                if code == 0:
                    return True
                if code < 9000:
                    failures.append('%s %s' % (code, words))
                    return False
                time.sleep(0.05)
            return False

        def write(n):
            begin, i = slots('2017-01-01 00:00', 1)[0], 0
            while not stop.is_set():
                records = [nhjc.reading(POWER, at, '%d.25' % (i % 1000)) for at in slots(begin + timedelta(minutes=15 * 20 * i), 20)]
                if not answered(n, 'w%d-%d' % (n, i), records):
                    return
                acknowledged[n].append(records)
                i += 1

        threads = [threading.Thread(target=write, args=(n,)) for n in range(len(devices))]
        for thread in threads:
            thread.start()
        try:
            for round_ in range(6):
                goal = sum(map(len, acknowledged)) + 15
                wait(lambda: failures or sum(map(len, acknowledged)) >= goal, 60, what='acknowledgements')
                if round_ % 3 == 2:
                    self.province.process('kill-db')
                    self.province.process('start-db')
                else:
                    self.province.kill()
                    self.province.start()
        except BaseException:
            abandon.set()
            raise
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        self.assertEqual(failures, [])
        self.province.rolled_up()
        client = self.province.client()
        for device, messages in zip(devices, acknowledged):
            rows = nhjc.query_rows(client, [device.enterprise], 'minute', '2017-01-01 00:00:00', '2018-01-01 00:00:00', [POWER])
            seen = {row.get('statDate'): row.get('value') for row in rows}
            wanted = {record['statDate']: record['dataValue'] for records in messages for record in records}
            self.assertEqual(seen, wanted)
            stored = self.province.number("SELECT sum(stored) FROM upload JOIN unit ON unit.id = upload.unit_id WHERE code = '%s'" % device.enterprise)
            self.assertEqual(stored, len(wanted))
        self.province.verified()


if __name__ == '__main__':
    main()
