"""nhjc-sim as integrators use it: what it prints, how it ends, what its spool keeps."""
import csv
import gzip
import json
import os
import re
import signal
import subprocess
import unittest

import nhjc
from nhjc import SLOW
from stack import BUILD, StackCase, main, run, wait
import compare
from testdata import POWER, SUM, in_folder, readings

SIM = os.path.join(BUILD, 'bin', 'nhjc-sim')


class Simulator(StackCase):
    def sim(self, number, *words, status=0, **more):
        code = self.stack.enterprise(number)
        done = run(*self.stack.simulator(code, *words, **more), check=False, env=self.stack.env)
        self.assertEqual(done.returncode, status, done.stderr[-2000:])
        return json.loads(done.stdout) if done.stdout else None, done.stderr

    def test_plain_and_gzip_files_give_the_same(self):
        csv = in_folder(self.stack, 'sim-400.csv', days=1)
        packed = csv + '.gz'
        with open(csv, 'rb') as file, gzip.open(packed, 'wb') as out:
            out.write(file.read())
        first, _ = self.sim(400, '--csv', csv)
        second, _ = self.sim(400, '--csv', packed)
        self.assertEqual((first['stored'], second['stored'], second['unchanged']), (576, 0, 576))

    def test_every_encoding_and_digest_is_taken(self):
        csv = in_folder(self.stack, 'sim-401.csv', days=1)
        for encoding in ('identity', 'gzip'):
            for digest in ('SHA-256', 'SM3'):
                summary, _ = self.sim(401, '--csv', csv, '--encoding', encoding, '--digest', digest, '--again')
                self.assertEqual(summary['readings'], 576)

    def test_a_finished_source_is_not_sent_again(self):
        csv = in_folder(self.stack, 'sim-402.csv', days=1)
        self.sim(402, '--csv', csv)
        summary, words = self.sim(402, '--csv', csv)
        self.assertEqual((summary['uploads'], summary['skippedSlots']), (0, 96))
        self.assertIn('was read up to 2018-01-29 23:45:00', words)
        summary, _ = self.sim(402, '--csv', csv, '--again')
        self.assertEqual((summary['unchanged'], summary['stored']), (576, 0))

    def test_files_of_the_same_name_are_both_sent_from_one_spool(self):
        for year in ('2018', '2017'):  # the later one first: its position lies behind all of the other
            os.mkdir(os.path.join(self.stack.dir, year))
            csv = in_folder(self.stack, os.path.join(year, 'data.csv'), start=year + '-01-29 00:00', days=1)
            self.assertEqual(self.sim(416, '--csv', csv)[0]['stored'], 576, year)
        again = os.path.join(self.stack.dir, '2018', 'data.csv')
        self.assertEqual(self.sim(416, '--csv', again)[0]['skippedSlots'], 96)

    def test_a_platform_made_anew_gets_everything_again(self):
        csv = in_folder(self.stack, 'sim-417.csv', days=2)
        code = nhjc.uscc(417)
        self.sim(417, '--csv', csv, '--to', '2018-01-30 00:00')
        self.province.stop()
        try:
            self.sim(417, '--csv', csv, '--give-up', 1, '--retry-min', 50, '--retry-max', 200, status=3)  # leaves messages in the spool
        finally:
            # what matters to the device of a platform that was purged: it is not known, and its readings are gone
            self.province.sql("DELETE FROM device WHERE unit_id = (SELECT id FROM unit WHERE code = '%s')" % code)
            self.province.sql("DELETE FROM reading_frame WHERE unit_id = (SELECT id FROM unit WHERE code = '%s')" % code)
            self.province.start()
        summary, words = self.sim(417, '--csv', csv)
        self.assertIn('another deviceId', words)
        self.assertEqual((summary['stored'], summary['skippedSlots'], summary['spoolMessages']), (2 * 576, 0, 0))

    def test_giving_up_counts_from_the_first_failure_not_from_the_last_success(self):
        path = os.path.join(self.stack.dir, 'sim-418.csv')
        with open(path, 'w') as file:
            file.write('ts,usage_kwh\n')
            for hour in range(0, 240, 2):
                file.write('2018-01-%02d %02d:00,1\n' % (1 + hour // 24, hour % 24))
        code = self.stack.enterprise(418)
        # a slot leaves every six seconds, so every failure comes later than five seconds after the last success
        words = ['--csv', path, '--speed', 1200, '--per-upload', 1, '--give-up', 5, '--retry-min', 50, '--retry-max', 100]
        process = subprocess.Popen(self.stack.simulator(code, *words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=self.stack.env)
        wait(lambda: self.province.number("SELECT count(*) FROM upload JOIN unit ON unit.id = upload.unit_id WHERE code = '%s'" % code) >= 1, 60,
             what='the first upload')
        self.province.stop()
        try:
            out, err = process.communicate(timeout=60 * SLOW)
        finally:
            self.province.start()
        self.assertEqual(process.returncode, 3, err)
        self.assertGreater(json.loads(out)['retries'], 3)

    def test_shapes_equal_their_printed_csv(self):
        for number, shape in ((403, 'steel'), (404, 'glass'), (405, 'office')):
            chosen = ['--shape', shape, '--from', '2024-02-27', '--to', '2024-03-03']
            path = os.path.join(self.stack.dir, shape + '.csv')
            with open(path, 'w') as file:
                subprocess.run([SIM] + chosen + ['--print-csv'], stdout=file, check=True)
            summary, _ = self.sim(number, *chosen)
            self.assertEqual(summary['rejected'], 0)
            self.province.rolled_up()
            found, answers = compare.compare(path, nhjc.uscc(number), ['day', 'month', 'year'], env=self.stack.env)
            self.assertEqual(found, [])
            self.assertEqual(len({date for _, date in answers['province', 'day']}), 5)

    def test_findings_are_shown_and_counted(self):
        path = os.path.join(self.stack.dir, 'sim-406.csv')
        with open(path, 'w') as file:
            file.write('ts,usage_kwh\n2018-01-01 00:00,1\n2018-01-01 00:15,x\n2018-01-01 00:30,-3\n')
        summary, words = self.sim(406, '--csv', path)
        self.assertEqual((summary['stored'], summary['rejected']), (1, 2))
        self.assertEqual(summary['findings'], {'3201': 1, '3206': 1})
        self.assertIn('finding 3201 error', words)

    def test_a_refusal_stops_with_the_platforms_words_and_keeps_the_spool(self):
        csv = in_folder(self.stack, 'sim-407.csv', days=1)
        code = nhjc.uscc(407)
        self.stack.enterprise(407, admit=False)
        done = run(*self.stack.simulator(code, '--csv', csv), check=False, env=self.stack.env)
        self.assertEqual(done.returncode, 1)
        summary = json.loads(done.stdout)
        self.assertEqual(summary['refused']['code'], 1104)
        self.assertRegex(summary['refused']['message'], r'[一-鿿].*[a-z]')
        self.assertFalse(summary['complete'])
        self.stack.enterprise(407)

        def admitted():  # whom it refused the server hears of soon, not at once
            again = run(*self.stack.simulator(code, '--csv', csv), check=False, env=self.stack.env)
            return json.loads(again.stdout) if again.returncode == 0 else None
        self.assertEqual(wait(admitted, 30, what='the admission')['stored'], 576)

    def test_another_enterprises_certificate_is_refused(self):
        csv = in_folder(self.stack, 'sim-408.csv', days=1)
        cert, key = self.province.certificate(self.stack.enterprise(409))
        summary, _ = self.sim(408, '--csv', csv, '--cert', cert, '--key', key, status=1)
        self.assertEqual(summary['refused']['code'], 1103)

    def test_a_server_that_is_not_trusted_is_refused(self):
        csv = in_folder(self.stack, 'sim-409.csv', days=1)
        own = os.path.join(self.stack.dir, 'other-ca.pem')  # a leaf, without the CA behind it
        with open(self.province.certificate(self.stack.enterprise(409))[0]) as file, open(own, 'w') as out:
            out.write(file.read().partition('-----END CERTIFICATE-----')[0] + '-----END CERTIFICATE-----\n')
        done = run(*self.stack.simulator(nhjc.uscc(409), '--csv', csv, '--ca', own), check=False, env=self.stack.env)
        self.assertEqual(done.returncode, 2, done.stderr)  # nobody refused: it is this side that does not trust
        summary = json.loads(done.stdout)
        self.assertEqual(summary['uploads'], 0)
        self.assertNotIn('refused', summary)
        self.assertIn('certificate', summary['failed'])
        self.assertIn('cannot go on', done.stderr)

    def test_an_outage_is_waited_for_and_the_spool_survives_a_stop(self):
        csv = in_folder(self.stack, 'sim-410.csv', days=2)
        self.sim(410, '--csv', csv, '--to', '2018-01-29 12:00')
        self.province.stop()
        try:
            summary, _ = self.sim(410, '--csv', csv, '--give-up', 1, '--retry-min', 50, '--retry-max', 200, status=3)
        finally:
            self.province.start()
        self.assertGreater(summary['spoolMessages'], 0)
        self.assertEqual(summary['uploads'], 0)
        ids = self.journal_ids(410)
        summary, _ = self.sim(410, '--csv', csv)
        self.assertEqual(summary['spoolMessages'], 0)
        sent = {row[0] for row in self.province.sql("SELECT message_id FROM upload JOIN unit ON unit.id = upload.unit_id WHERE code = '%s'" % nhjc.uscc(410))}
        self.assertTrue(ids <= sent, 'the messages of the spool must arrive under their own ids')
        self.province.rolled_up()
        found, _ = compare.compare(csv, nhjc.uscc(410), ['day', 'month', 'year'], env=self.stack.env)
        self.assertEqual(found, [])

    def journal_ids(self, number):
        with open(os.path.join(self.stack.dir, 'spool-' + nhjc.uscc(number), 'journal'), 'rb') as file:
            lines = file.read().split(b'\n')
        return {lines[i + 1][3:].decode() for i in range(len(lines) - 1) if lines[i].startswith(b'number=') and lines[i + 1].startswith(b'id=')}

    def test_a_signal_ends_the_run_in_order(self):
        csv = in_folder(self.stack, 'sim-411.csv', days=3)
        code = self.stack.enterprise(411)
        process = subprocess.Popen(self.stack.simulator(code, '--csv', csv, '--speed', 3600, '--per-upload', 12), stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True, env=self.stack.env)
        count = "SELECT count(*) FROM upload JOIN unit ON unit.id = upload.unit_id WHERE code = '%s'" % code
        wait(lambda: self.province.number(count) >= 2, 60, what='the first uploads')
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=60 * SLOW)
        self.assertEqual(process.returncode, 3, err)
        done = json.loads(out)
        self.assertGreater(done['uploads'], 0)
        self.assertLess(done['readings'], 3 * 576)
        self.sim(411, '--csv', csv)
        self.province.rolled_up()
        found, _ = compare.compare(csv, code, ['day', 'year'], env=self.stack.env)
        self.assertEqual(found, [])

    def test_commands_of_the_platform_are_obeyed_and_answered(self):
        csv = in_folder(self.stack, 'sim-419.csv', days=5)
        code = self.stack.enterprise(419)
        queued = (('REUPLOAD', ['--from', '2018-01-29 00:00:00', '--to', '2018-01-29 01:00:00']), ('COLLECT_NOW', []), ('SET_PERIOD', ['--value', 1800]),
                  ('REREGISTER', []), ('RELOAD_BASE_DATA', []))
        process = subprocess.Popen(self.stack.simulator(code, '--csv', csv, '--speed', 3600, '--per-upload', 60, '--heartbeat', 1),
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=self.stack.env)
        uploads = "SELECT count(*) FROM upload JOIN unit ON unit.id = upload.unit_id WHERE code = '%s'" % code
        states = "SELECT kind, c.state, detail FROM command c JOIN unit ON unit.id = c.unit_id WHERE code = '%s' ORDER BY kind" % code
        try:
            wait(lambda: self.province.number(uploads) >= 1, 60, what='the first upload')
            for kind, words in queued:
                self.province.ctl('command', 'add', code, kind, *words)
            wait(lambda: [row[1] for row in self.province.sql(states)] == ['done'] * len(queued), 60, what='the answers to all commands')
            answers = {row[0]: row[2] for row in self.province.sql(states)}
            # by its period of 1800 s a message now holds two slots, not ten
            wait(lambda: self.province.number(uploads + ' AND received = 12') >= 2, 60, what='messages of the new period')
        finally:
            process.send_signal(signal.SIGTERM)
            out, err = process.communicate(timeout=60 * SLOW)
        summary = json.loads(out)
        self.assertEqual(summary['commands'], len(queued), err)
        self.assertEqual(answers['REUPLOAD'], '4 个时刻 slots, 6 项 items')
        self.assertGreaterEqual(summary['unchanged'], 4 * 6)  # what was there already
        self.sim(419, '--csv', csv)
        self.province.rolled_up()
        found, _ = compare.compare(csv, code, ['day', 'year'], env=self.stack.env)
        self.assertEqual(found, [])

    def commanded(self, number, days, *commands):
        """A simulator that runs while the commands are queued one by one: how they were answered, the summary, what it said."""
        source = in_folder(self.stack, 'sim-%d.csv' % number, days=days)
        code = self.stack.enterprise(number)
        process = subprocess.Popen(self.stack.simulator(code, '--csv', source, '--speed', 3600, '--per-upload', 60, '--heartbeat', 1),
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=self.stack.env)
        uploads = "SELECT count(*) FROM upload JOIN unit ON unit.id = upload.unit_id WHERE code = '%s'" % code
        states = "SELECT c.state, detail FROM command c JOIN unit ON unit.id = c.unit_id WHERE code = '%s' ORDER BY c.created_at" % code
        try:
            wait(lambda: self.province.number(uploads) >= 1, 60, what='the first upload')
            for i, words in enumerate(commands):
                self.province.ctl('command', 'add', code, *words)
                wait(lambda: len([row for row in self.province.sql(states) if row[0] in ('done', 'failed')]) == i + 1, 60, what='the answer')
        finally:
            process.send_signal(signal.SIGTERM)
            out, err = process.communicate(timeout=60 * SLOW)
        return self.province.sql(states), json.loads(out), err

    def test_a_reupload_of_some_data_codes_sends_no_others(self):
        hour = ('REUPLOAD', '--from', '2018-01-29 00:00:00', '--to', '2018-01-29 01:00:00', '--code')
        lead, nothing_here = '0000000010010280', '0000000010020380'
        answers, summary, _ = self.commanded(423, 5, hour + (POWER,), hour + (POWER + ',' + lead,), hour + (nothing_here,))
        self.assertEqual(answers, [['done', '4 个时刻 slots, 1 项 items'], ['done', '4 个时刻 slots, 2 项 items'],
                                   ['failed', '没有这些采集项 / none of these items here']])
        self.assertEqual(summary['unchanged'], 4 + 8)
        again = "SELECT received, unchanged FROM upload JOIN unit ON unit.id = upload.unit_id WHERE code = '%s' AND unchanged > 0 ORDER BY received_at"
        self.assertEqual(self.province.sql(again % nhjc.uscc(423)), [['4', '4'], ['8', '8']])

    def base_data(self, code):
        with open(os.path.join(self.stack.dir, 'spool-' + code, 'base-data'), encoding='utf-8', newline='') as file:
            head, lines = file.readline(), list(csv.DictReader(file))
        self.assertEqual(int(re.search(r'entries=(\d+)$', head)[1]), len(lines))
        return re.match(r'# dicVersion=(\S+) ', head)[1], lines

    def test_base_data_are_downloaded_kept_and_brought_up_to_date(self):
        code = nhjc.uscc(424)
        answers, summary, words = self.commanded(424, 5, ('RELOAD_BASE_DATA',))
        version, lines = self.base_data(code)
        valid = "SELECT list, code, name, unit FROM base_data WHERE valid_from <= now() AND (valid_to IS NULL OR valid_to > now()) ORDER BY list, code, industry_code"
        self.assertEqual([[line[name] for name in ('table', 'code', 'name', 'unit')] for line in lines], self.province.sql(valid))
        self.assertEqual(answers, [['done', 'dicVersion %s, %d 条 entries' % (version, len(lines))]])
        self.assertEqual((summary['dicVersion'], summary['baseDataEntries']), (version, len(lines)))
        self.assertIn('基础信息 / base data: dicVersion %s' % version, words)

        table = os.path.join(self.stack.dir, 'region.csv')
        with open(table, 'w') as file:
            file.write('code,name,remark\n420100,武汉市,\n429998,"一个""新""区,其一","a\nb"\n')
        self.province.ctl('basedata', 'import', 'region', table, '--keep')
        source = in_folder(self.stack, 'sim-424.csv', days=5)
        wait(lambda: self.sim(424, '--csv', source)[0]['dicVersion'] != version, what='the new version')  # the server hears of an import soon, not at once
        newer, lines = self.base_data(code)
        self.assertNotEqual(newer, version)
        self.assertEqual([(line['name'], line['remark']) for line in lines if line['code'] == '429998'], [('一个"新"区,其一', 'a\nb')])
        os.unlink(os.path.join(self.stack.dir, 'spool-' + code, 'base-data'))
        summary, words = self.sim(424, '--csv', source)
        self.assertEqual(summary['baseDataEntries'], 0)  # only what was asked for once is kept up to date
        self.assertNotIn('base data', words)

    def test_a_refused_message_can_be_dropped_by_hand(self):
        csv = in_folder(self.stack, 'sim-421.csv', days=1)
        self.sim(421, '--csv', csv, '--to', '2018-01-29 01:00')
        self.province.stop()
        try:
            self.sim(421, '--csv', csv, '--to', '2018-01-29 03:00', '--give-up', 1, '--retry-min', 50, '--retry-max', 200, status=3)
        finally:
            self.province.start()
        summary, words = self.sim(421, '--csv', csv, '--drop-head')
        self.assertEqual((summary['droppedReadings'], summary['stored']), (48, 576 - 24 - 48))
        self.assertIn('given up', words)

    @unittest.skipUnless(os.getuid() == 0, 'only root can make a small disk')
    def test_a_full_disk_is_waited_for_and_nothing_is_lost(self):
        csv, disk = in_folder(self.stack, 'sim-422.csv', days=3), os.path.join(self.stack.dir, 'small disk')
        os.mkdir(disk)
        if run('mount', '-t', 'tmpfs', '-o', 'size=48k', 'none', disk, check=False).returncode != 0:
            self.skipTest('no mounts here')
        self.addCleanup(run, 'umount', disk)
        code, spool = self.stack.enterprise(422), os.path.join(disk, 'spool')
        run(*self.stack.simulator(code, '--csv', csv, '--to', '2018-01-29 01:00', spool=spool), env=self.stack.env)
        stone = os.path.join(disk, 'stone')
        with open(stone, 'wb') as file:
            try:
                while True:
                    os.write(file.fileno(), b'x' * 4096)
            except OSError:
                pass  # full
        process = subprocess.Popen(self.stack.simulator(code, '--csv', csv, spool=spool), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                   env=self.stack.env)
        seen = ''
        while 'disk is full' not in seen:
            line = process.stderr.readline()
            self.assertTrue(line, seen)
            seen += line
        os.unlink(stone)
        out, err = process.communicate(timeout=60 * SLOW)
        self.assertEqual(process.returncode, 0, seen + err)
        self.assertEqual(json.loads(out)['stored'], 3 * 576 - 24)

    def test_the_speed_is_kept(self):
        csv = in_folder(self.stack, 'sim-412.csv', days=1)
        summary, _ = self.sim(412, '--csv', csv, '--to', '2018-01-29 02:15', '--speed', 3600, '--per-upload', 6)
        self.assertEqual(summary['uploads'], 9)
        self.assertGreaterEqual(summary['seconds'], 2.0)  # the ninth slot is due 8 × 900 s / 3600 after the first

    def test_a_message_holds_whole_slots(self):
        csv = in_folder(self.stack, 'sim-413.csv', days=1)
        summary, _ = self.sim(413, '--csv', csv, '--per-upload', 200)
        self.assertEqual(summary['uploads'], 3)  # 33 slots of 6 readings, three times
        rows = self.province.sql("SELECT received FROM upload JOIN unit ON unit.id = upload.unit_id WHERE code = '%s' ORDER BY received_at" % nhjc.uscc(413))
        self.assertEqual(rows, [['198'], ['198'], ['180']])

    def test_items_may_be_overridden(self):
        path, items = os.path.join(self.stack.dir, 'sim-414.csv'), os.path.join(self.stack.dir, 'items-414.csv')
        with open(path, 'w') as file:
            file.write('ts,meter\n2018-01-01 00:00,100\n2018-01-01 01:00,130\n')
        with open(items, 'w') as file:
            file.write('column,dataCode,aggregation,name,unit\nmeter,%s,counter,总表,kWh\n' % POWER)
        self.sim(414, '--csv', path, '--items', items)
        self.province.rolled_up()
        rows = nhjc.query_rows(self.province.client(), [nhjc.uscc(414)], 'day', '2018-01-01 00:00:00', '2018-01-02 00:00:00')
        self.assertEqual([(r.get('value'), r.get('count')) for r in rows], [('30', '2')])

    def test_wrong_use_is_told_and_ends_with_2(self):
        for words in (['--nonsense'], ['--shape', 'cement', '--print-csv'], ['--csv', '/nonexistent', '--print-csv'], ['--csv', 'x', '--shape', 'glass']):
            done = run(SIM, *words, check=False)
            self.assertEqual(done.returncode, 2, words)
            self.assertTrue(done.stderr.startswith('nhjc-sim: '), done.stderr)


class Encrypted(StackCase):
    """Payload encryption with the key of the registration."""
    options = 'payload_encryption = true'

    def test_every_cipher_is_understood_and_the_archive_keeps_the_cipher_text(self):
        csv = in_folder(self.stack, 'sim-420.csv', days=1)
        code = self.stack.enterprise(420)
        for i, cipher in enumerate(('SM4-CBC', 'AES-256-CBC', 'AES-256-GCM')):
            words = ['--csv', csv, '--encryption', cipher, '--again'] + (['--encoding', 'identity'] if i else [])
            summary = json.loads(run(*self.stack.simulator(code, *words), env=self.stack.env).stdout)
            self.assertEqual((summary['readings'], summary['rejected'], summary['complete']), (576, 0, True))
        kinds = self.province.sql("SELECT cipher, bool_or(position('energyData'::bytea IN content) > 0) FROM upload_payload GROUP BY cipher ORDER BY cipher")
        self.assertEqual(kinds, [['1', 'f'], ['2', 'f'], ['3', 'f']])
        self.province.rolled_up()
        found, _ = compare.compare(csv, code, ['day'], env=self.stack.env)
        self.assertEqual(found, [])

    def test_a_wrong_key_or_a_changed_byte_is_2105(self):
        device = self.stack.device(421, [SUM])
        self.assertRegex(device.registration.get('secretKey'), '^[0-9a-f]{32}$')
        plain = nhjc.data(device.enterprise, device.id, readings(POWER, '2018-01-01 00:00', ['1']))
        for cipher in ('SM4-CBC', 'AES-256-CBC', 'AES-256-GCM'):
            for content in (os.urandom(160), os.urandom(159), b'', plain[:7]):
                fields = [(name, {'encryption': cipher, 'content': content}.get(name, value)) for name, value in device.fields(plain)]
                answer = device.client.call('access', 'UploadData', *fields)
                if len(content) == 160 and cipher != 'AES-256-GCM':  # one of 256 looks like the end of a text
                    self.assertIn(answer.get('responseCode'), ('2104', '2105'))
                else:
                    self.code(answer, 2105)

    def test_the_key_stands_in_no_log(self):
        device = self.stack.device(421, [SUM])
        with open(os.path.join(self.stack.dir, 'province', 'log')) as file:
            self.assertNotIn(device.registration.get('secretKey'), file.read().lower())


class Load(StackCase):
    def test_the_load_is_stored_to_the_last_reading(self):
        codes = run(SIM, '--print-enterprises', 3).stdout.split()
        for code in codes:
            self.province.ctl('enterprise', 'admit', code, '--name', '负载', '--region', '420100', '--industry', 'C3120')
            self.province.ctl('pki', 'issue', '--enterprise', code, '--out', self.province.pki)
        for items, per_upload in ((7, 20), (40, 10), (10, 10)):
            done = run(SIM, '--load', '--url', self.province.url, '--ca', self.stack.env['NHJC_CA'], '--pki', self.province.pki, '--devices', 3,
                       '--items', items, '--per-upload', per_upload, '--parallel', 2, '--seconds', 1, '--serial', 'load', '--from', '201%d-03-01' % (items % 9), env=self.stack.env)
            result = json.loads(done.stdout)
            self.assertEqual(result['errors'], [])
            self.assertEqual(result['energyItems'], (items + 9) // 10)
            self.assertGreater(result['uploads'], 0)
            self.assertEqual(result['stored'], result['uploads'] * per_upload)
            stored = self.province.number("SELECT sum(stored) FROM upload JOIN unit ON unit.id = upload.unit_id WHERE code IN ('%s')" % "','".join(codes))
            frames = self.province.number("SELECT count(v) FROM reading_frame f JOIN unit ON unit.id = f.unit_id, unnest(f.value) v WHERE code IN ('%s')" % "','".join(codes))
            self.assertEqual(frames, stored)
        self.province.rolled_up(120)
        self.assertEqual(self.province.number('SELECT count(DISTINCT energy) FROM unit_energy_day d JOIN unit ON unit.id = d.unit_id '
                                              "WHERE sign <> 0 AND code = '%s'" % codes[0]), 4, 'a load without energies measures no accounting')
        self.province.verified('--enterprise', codes[0])


if __name__ == '__main__':
    main()
