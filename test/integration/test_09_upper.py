"""Forwarding to the upper platform: everything arrives exactly once, whatever stops meanwhile."""
import json
import os
import subprocess
import threading

import nhjc
from nhjc import SLOW
from stack import StackCase, main, run, wait
import compare
from testdata import BASIC, COUNTER, FACTOR, MEAN, POWER, SUM, in_folder, readings, slots


class Forwarded(StackCase):
    upper = True

    def setUp(self):
        self.above = self.stack.upper

    def forwarded(self, seconds=120):
        """Nothing is left to send, and the upper platform has rolled up what it got."""
        open_rows = ("SELECT (SELECT count(*) FROM outbox WHERE message IS NULL) + (SELECT count(*) FROM fep_message "
                     "WHERE state IN ('leased', 'waiting'))")
        wait(lambda: self.province.number(open_rows) == 0, seconds, what='the end of the outbox')
        self.above.rolled_up(seconds)

    def parked(self):
        return self.province.number("SELECT count(*) FROM fep_message WHERE state = 'parked'")

    def rows(self, platform, device, granularity='minute', codes=(), begin='2010-01-01 00:00:00', end='2030-01-01 00:00:00'):
        names = ('dataCode', 'statDate', 'value', 'min', 'max', 'avg', 'count', 'expected', 'completeness', 'source')
        return [[row.get(name) for name in names] for row in nhjc.query_rows(platform.client(), [device.enterprise], granularity, begin, end, codes)]

    def equal(self, device, granularities=('minute', 'hour', 'day', 'month', 'year')):
        self.province.rolled_up()
        self.forwarded()
        self.assertEqual(self.parked(), 0)
        for granularity in granularities:
            below = self.rows(self.province, device, granularity)
            self.assertTrue(below)
            self.assertEqual(self.rows(self.above, device, granularity), below, granularity)

    def test_a_simulated_works_has_the_oracles_totals_on_both(self):
        csv = in_folder(self.stack, 'upper-200.csv', days=9, seed=200, missing=0.02)
        code = self.stack.enterprise(200)
        summary = json.loads(run(*self.stack.simulator(code, '--csv', csv)).stdout)
        self.assertTrue(summary['complete'])
        self.assertEqual(summary['stored'], summary['readings'])
        self.province.rolled_up()
        self.forwarded()
        found, answers = compare.compare(csv, code, ['day', 'month', 'year'], env=self.stack.env)
        self.assertEqual(found, [])
        for source in ('province', 'province view', 'upper', 'upper view'):
            self.assertTrue(answers[source, 'year'], source)
        for platform in (self.province, self.above):
            platform.verified('--enterprise', code)

    def test_corrections_validity_and_rejections_travel(self):
        device = self.stack.device(201, BASIC)
        device.upload(readings(POWER, '2018-01-01 00:00', ['1', '2', 'x', '4']) + readings(FACTOR, '2018-01-01 00:00', ['50', '60', '70']))
        self.equal(device)
        device.upload(readings(POWER, '2018-01-01 00:00', ['1', '2.5']) + [nhjc.reading(FACTOR, '2018-01-01 00:15:00', '60', valid='false')])
        device.upload([nhjc.reading(POWER, '2010-01-01 00:00:00', '7')])
        self.equal(device)
        device.upload([nhjc.reading(FACTOR, '2018-01-01 00:15:00', '60')])
        self.equal(device)

    def test_configuration_goes_before_the_data_that_need_it(self):
        device = self.stack.device(202, [SUM])
        device.upload(readings(POWER, '2018-01-01 00:00', ['1']))
        self.code(device.configure([SUM, MEAN]), 0)
        device.upload(readings(FACTOR, '2018-01-01 00:00', ['50']))
        self.code(device.configure([dict(SUM, aggregation='mean'), MEAN]), 0)
        device.upload(readings(POWER, '2018-01-01 00:15', ['2']))
        self.equal(device)

    def test_what_only_the_admission_says_holds_above_too(self):
        code = nhjc.uscc(211)
        self.province.ctl('enterprise', 'admit', code, '--name', '试验企业211', '--region', '420100', '--industry', 'C3120', '--period', '300')
        device = self.stack.device(211)
        item = dict(SUM, period=None)
        self.finding(self.code(device.configure([item], region='430100'), 0), 3501, severity='warning')
        self.code(device.upload(readings(POWER, '2018-01-01 00:00', ['1', '2', '3', '4'], minutes=5)), 0)
        self.equal(device)
        self.assertEqual(len(self.rows(self.above, device)), 4)
        self.assertEqual(self.above.sql("SELECT region_code, period FROM unit WHERE code = '%s'" % code), [['420100', '300']])

    def test_reconciliation_finds_what_is_missing_above_and_queues_it_again(self):
        device = self.stack.device(212, BASIC)
        device.upload(readings(POWER, '2018-01-01 00:00', ['1', '2', '3']) + readings(FACTOR, '2018-01-02 00:00', ['50']))
        self.equal(device)
        name = self.province.sql('SELECT name FROM destination WHERE active')[0][0]
        words = ('outbox', 'reconcile', name, '--enterprise', device.enterprise, '--from', '2018-01-01', '--to', '2018-01-03', '--json')
        self.assertEqual(json.loads(self.province.ctl(*words).stdout or '[]'), [])
        self.above.sql("UPDATE reading_frame SET value[1] = NULL WHERE ts = '2018-01-01 00:15+08' AND unit_id = "
                       "(SELECT id FROM unit WHERE code = '%s')" % device.enterprise)
        self.above.sql("INSERT INTO rollup_mark (unit_id, hour) SELECT id, '2018-01-01 00:00+08' FROM unit WHERE code = '%s'" % device.enterprise)
        self.above.rolled_up()
        found = self.province.ctl(*words, '--requeue', check=False)
        self.assertEqual(found.returncode, 1, found.stderr)
        self.assertEqual([(row['dataCode'], row['ownCount'], row['ownValue'], row['count'], row['value']) for row in json.loads(found.stdout)],
                         [(POWER, 3, '6', 2, '4')])
        self.equal(device)
        self.province.ctl(*words)

    def test_reconciliation_looks_at_the_whole_first_day_and_tells_what_has_no_configuration(self):
        device = self.stack.device(213, BASIC)
        device.upload(readings(POWER, '2018-01-01 00:00', ['1', '2', '3']))
        self.equal(device)
        name = self.province.sql('SELECT name FROM destination WHERE active')[0][0]
        self.above.sql("DELETE FROM rollup_day WHERE unit_id = (SELECT id FROM unit WHERE code = '%s')" % device.enterprise)
        for end in ('2018-01-01 18:00:00', '2018-01-03'):
            found = self.province.ctl('outbox', 'reconcile', name, '--enterprise', device.enterprise, '--from', '2018-01-01 06:00:00', '--to', end,
                                      '--json', check=False)
            self.assertEqual(found.returncode, 1, found.stdout + found.stderr)
            self.assertEqual([(row['dataCode'], row['ownCount'], row['count']) for row in json.loads(found.stdout)], [(POWER, 3, 0)])
        found = self.province.ctl('outbox', 'reconcile', name, '--enterprise', self.stack.enterprise(214), '--from', '2018-01-01', '--to', '2018-01-03',
                                  check=False)
        self.assertEqual(found.returncode, 1)
        self.assertIn('尚无配置', found.stderr)

    def test_the_last_of_many_quick_corrections_wins_above_too(self):
        device = self.stack.device(203, BASIC)
        for i in range(60):
            device.upload([nhjc.reading(POWER, at, str(i)) for at in slots('2018-01-01 00:00', 4)])
        self.equal(device)
        self.assertEqual([row[2] for row in self.rows(self.above, device, 'minute', [POWER])], ['59'] * 4)

    def uploads_while_away(self, device, start, count=12):
        """Some messages; afterwards something must be waiting."""
        for i in range(count):
            self.code(device.upload([nhjc.reading(POWER, at, '%d.5' % i) for at in slots('%s %02d:00' % (start, i), 4)]), 0)

    def waiting(self):
        return self.province.number("SELECT count(*) FROM outbox WHERE message IS NULL OR message IN (SELECT id FROM fep_message WHERE state <> 'sent')")

    def test_everything_arrives_once_after_the_upper_platform_returns(self):
        device = self.stack.device(204, BASIC)
        self.uploads_while_away(device, '2018-01-01')
        self.equal(device)
        self.above.stop()
        try:
            self.uploads_while_away(device, '2018-01-02')
            self.assertGreater(self.waiting(), 0)
        finally:
            self.above.start()
        self.equal(device)
        self.stored_once(device, 2 * 12 * 4)

    def stored_once(self, device, count):
        """The upper platform stored each reading once: repeats were answered as duplicates, not stored as unchanged."""
        frames = self.above.number("SELECT count(v) FROM reading_frame f JOIN unit ON unit.id = f.unit_id, unnest(f.value) v WHERE code = '%s'" % device.enterprise)
        self.assertEqual(frames, count)
        corrections = self.above.number("SELECT count(*) FROM correction c JOIN unit ON unit.id = c.unit_id WHERE code = '%s'" % device.enterprise)
        self.assertEqual(corrections, 0)
        again = self.above.sql("SELECT message_id FROM upload GROUP BY sender_id, message_id HAVING count(*) > 1")
        self.assertEqual(again, [])

    def test_servers_killed_on_either_side_lose_and_double_nothing(self):
        device = self.stack.device(205, BASIC)
        for day, kill in (('2018-01-01', [self.above]), ('2018-01-02', [self.province]), ('2018-01-03', [self.province, self.above])):
            self.uploads_while_away(device, day)
            for platform in kill:
                platform.kill()
            for platform in kill:
                platform.start()
        self.equal(device)
        self.stored_once(device, 3 * 12 * 4)
        for platform in (self.province, self.above):
            platform.verified('--enterprise', device.enterprise)

    def test_the_upper_database_killed_while_data_flow(self):
        device = self.stack.device(206, BASIC)
        self.uploads_while_away(device, '2018-01-01')
        self.above.process('kill-db')
        self.uploads_while_away(device, '2018-01-02')
        self.above.process('start-db')
        self.equal(device)
        self.stored_once(device, 2 * 12 * 4)

    def test_a_simulator_run_while_the_upper_platform_comes_and_goes(self):
        csv = in_folder(self.stack, 'upper-207.csv', days=7, seed=207)
        code = self.stack.enterprise(207)
        process = subprocess.Popen(self.stack.simulator(code, '--csv', csv, '--per-upload', 24), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   text=True, env=self.stack.env)
        kills = 0
        try:
            while process.poll() is None:
                self.above.kill()
                self.above.start()
                kills += 1
            out, err = process.communicate(timeout=300 * SLOW)
        finally:
            if process.poll() is None:
                process.kill()
                process.communicate()
        self.assertEqual(process.returncode, 0, err[-2000:])
        self.assertGreater(kills, 0)
        self.assertTrue(json.loads(out)['complete'])
        self.province.rolled_up()
        self.forwarded()
        self.assertEqual(self.parked(), 0)
        found, _ = compare.compare(csv, code, ['day', 'month', 'year'], env=self.stack.env)
        self.assertEqual(found, [])

    def test_a_refusal_above_is_parked_and_does_not_block_others(self):
        refused, others = self.stack.device(208, BASIC), self.stack.device(209, BASIC)
        refused.upload(readings(POWER, '2018-01-01 00:00', ['1']))
        self.equal(refused)
        self.above.ctl('enterprise', 'suspend', refused.enterprise)
        sent = [1]

        def parked_after_one_more():  # the running server learns of the suspension a moment later
            refused.upload([nhjc.reading(POWER, slots('2018-01-01 00:00', sent[0] + 1)[-1], str(sent[0] + 1))])
            sent[0] += 1
            return self.parked()
        wait(parked_after_one_more, 60, every=0.5, what='the parked message')
        self.code(refused.configure(BASIC + [COUNTER]), 0)
        wait(lambda: self.province.number("SELECT count(*) FROM fep_message WHERE state = 'parked' AND kind = 1 AND response_text LIKE '%findings 1104%'"),
             60, what='the parked configuration with the finding')
        others.upload(readings(POWER, '2018-01-01 00:15', ['3']))
        wait(lambda: len(self.rows(self.above, others)) == 1, 60, what='the data of the other enterprise')
        listed = self.province.ctl('outbox', 'list', '--state', 'parked').stdout
        self.assertIn('1104', listed)
        self.above.ctl('enterprise', 'resume', refused.enterprise)

        def requeued():
            self.province.ctl('outbox', 'requeue', '--all')
            self.forwarded()
            return self.parked() == 0
        wait(requeued, 60, every=0.5, what='the end of the parked messages')
        self.equal(refused)
        self.equal(others)


class Exchange(StackCase):
    """PlatformExchange as another lower platform would call it."""
    upper = True

    def setUp(self):
        self.above = self.stack.upper
        if not os.path.exists(self.above.certificate('430000')[0]):
            self.above.ctl('pki', 'issue', '--platform', '430000', '--out', self.above.pki)
        self.client = self.above.client('430000')

    def register(self, client=None, code='430000'):
        return (client or self.client).call('exchange', 'RegisterPlatform', ('platformCode', code), ('platformName', '湖南省级平台'))

    def configure(self, *documents, code='430000', message_id=None):
        content = b'<enterpriseConfigSet xmlns="urn:nhjc:config:v1">' + b''.join(documents) + b'</enterpriseConfigSet>'
        return self.client.call('exchange', 'UploadEnterprises', ('messageId', message_id or nhjc.new_id()), ('platformCode', code), ('content', content))

    def upload(self, blocks, code='430000', message_id=None, client=None):
        plain = ('<energyDataSet xmlns="urn:nhjc:data:v1" platformCode="%s" uploadDate="2018-01-01 00:00:00">' % code).encode() + b''.join(blocks) + b'</energyDataSet>'
        return (client or self.client).call('exchange', 'UploadData', ('messageId', message_id or nhjc.new_id()), ('platformCode', code), ('regVersion', '1'), ('dicVersion', '1'),
                                *nhjc.sealed(plain))

    def test_a_platform_registers_sends_enterprises_and_data(self):
        first, again = self.register(), self.register()
        self.code(first, 0)
        self.assertRegex(first.get('platformId'), '^[0-9a-f]{32}$')
        self.assertEqual(first.get('platformId'), again.get('platformId'))
        one, two = nhjc.uscc(300, '91430100'), nhjc.uscc(301, '91430100')
        self.code(self.configure(*(nhjc.config(code, BASIC, region='430100') for code in (one, two))), 0)
        blocks = [nhjc.data(code, '', readings(POWER, '2018-01-01 00:00', ['1', 'x', '3'])).replace(b' deviceId=""', b'') for code in (one, two)]
        message_id = nhjc.new_id()
        answer = self.upload(blocks, message_id=message_id)
        self.code(answer, 2)
        self.counts(answer, 6, stored=4, rejected=2)
        self.assertEqual(self.upload(blocks, message_id=message_id).get('duplicate'), 'true')
        rows = nhjc.query_rows(self.above.client(), [one, two], 'minute', '2018-01-01 00:00:00', '2018-01-02 00:00:00')
        self.assertEqual([(r.get('enterpriseCode'), r.get('value')) for r in rows], [(c, v) for c in sorted((one, two)) for v in ('1', '3')])

    def test_opposite_orders_at_once_do_not_deadlock_and_count_exactly(self):
        """Each message holds the same two enterprises, half of them the other way round; every slot is fought over."""
        self.register()
        pair = [nhjc.uscc(310, '91430100'), nhjc.uscc(311, '91430100')]
        self.code(self.configure(*(nhjc.config(code, BASIC, region='430100') for code in pair)), 0)
        senders, rounds, slots_each = 6, 8, 20
        answers, wrong = [], []

        def send(n):
            client = self.above.client('430000')
            for i in range(rounds):
                values = ['%d.5' % (n * rounds + i)] * slots_each
                blocks = [nhjc.data(code, '', readings(POWER, '2018-05-01 00:00', values)).replace(b' deviceId=""', b'') for code in (pair if n % 2 else pair[::-1])]
                try:
                    answers.append(self.upload(blocks, client=client))
                except Exception as error:  # told below
                    wrong.append(error)
        threads = [threading.Thread(target=send, args=(n,)) for n in range(senders)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(wrong, [])
        for answer in answers:
            self.code(answer, 0)
        sums = [sum(answer.number('records' + name) for answer in answers) for name in ('Stored', 'Corrected', 'Unchanged', 'Received')]
        every = senders * rounds * 2 * slots_each
        self.assertEqual(sums, [2 * slots_each, every - 2 * slots_each, 0, every])
        self.above.rolled_up()
        for code in pair:
            rows = nhjc.query_rows(self.above.client(), [code], 'minute', '2018-05-01 00:00:00', '2018-05-02 00:00:00', [POWER])
            self.assertEqual((len(rows), len({row.get('value') for row in rows})), (slots_each, 1), 'one message must have won everywhere')
            self.above.verified('--enterprise', code)

    def test_versions_base_data_and_heartbeat_are_answered(self):
        registered, me = self.register(), ('platformCode', '430000')
        versions = self.code(self.client.call('exchange', 'CheckVersion', me), 0)
        self.assertEqual([versions.get(name) for name in ('regVersion', 'dicVersion')], [registered.get(name) for name in ('regVersion', 'dicVersion')])
        everything = self.code(self.client.call('exchange', 'DownloadBaseData', me), 0)
        self.assertEqual(everything.get('dicVersion'), versions.get('dicVersion'))
        names = [table.get('name') for table in everything.all('table')]
        self.assertGreater(len(names), 3)
        one = self.code(self.client.call('exchange', 'DownloadBaseData', me, ('table', names[1])), 0)
        self.assertEqual([table.get('name') for table in one.all('table')], names[1:2])
        self.assertEqual(len(one.find('table').all('entry')), len(everything.all('table')[1].all('entry')))
        nil = nhjc.envelope(nhjc.operation('exchange', 'DownloadBaseData', [me]).replace(
            '</DownloadBaseData>', '<table xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:nil="true"/></DownloadBaseData>'))
        self.fault(2103, lambda: nhjc.read_answer(*self.client.post('exchange', nil)))
        beat = self.client.call('exchange', 'Heartbeat', me, ('platformTime', '2018-01-01 00:00:00'), ('pendingUploads', 7), ('oldestPending', '2018-01-01 00:00:00'))
        self.code(beat, 0)
        for operation, *more in (('CheckVersion',), ('DownloadBaseData',), ('Heartbeat', ('platformTime', '2018-01-01 00:00:00'), ('pendingUploads', 0))):
            self.fault(1103, self.client.call, 'exchange', operation, ('platformCode', '420000'), *more)

    def test_enterprises_outside_the_region_are_1103(self):
        self.register()
        own, foreign = nhjc.uscc(302, '91430100'), nhjc.uscc(303, '91440100')
        answer = self.configure(nhjc.config(own, BASIC, region='430100'), nhjc.config(foreign, BASIC, region='440100'))
        self.assertEqual(answer.get('responseCode'), '1103', answer.get('responseMessage'))

    def test_an_enterprise_of_another_platform_keeps_its_configuration(self):
        device = self.stack.device(305, BASIC)
        self.code(device.upload(readings(POWER, '2018-01-01 00:00', ['1'])), 0)
        known = "SELECT config_version, region_code FROM unit WHERE code = '%s'" % device.enterprise
        wait(lambda: self.above.sql(known), 60, what='the enterprise at the upper platform')
        before = self.above.sql(known)
        self.register()
        answer = self.configure(nhjc.config(device.enterprise, [SUM], region='430100'))
        self.code(answer, 1103)
        self.finding(answer, 1103, line=1)
        self.assertEqual(self.above.sql(known), before)
        wait(lambda: self.above.sql("SELECT 1 FROM audit_log WHERE code = 1103 AND actor = '430000' AND object = 'UploadEnterprises'"), 10,
             what='the row of the audit log')

    def test_one_bad_document_refuses_the_set(self):
        self.register()
        codes = [nhjc.uscc(number, '91430100') for number in (306, 307, 308)]
        documents = [nhjc.config(code, BASIC, region='430100') for code in codes]
        documents[1] = nhjc.config(codes[1], [dict(SUM, period=700)], region='430100')
        answer = self.configure(*documents)
        self.code(answer, 3501)
        self.finding(answer, 3501)
        self.assertEqual(self.above.sql("SELECT code FROM unit WHERE code IN ('%s')" % "', '".join(codes)), [])
        self.code(self.configure(documents[0], documents[2]), 0)
        self.assertEqual(self.above.number("SELECT count(*) FROM unit WHERE config_version = 1 AND code IN ('%s')" % "', '".join(codes)), 2)

    def test_a_configuration_message_takes_effect_once(self):
        self.register()
        code, message_id = nhjc.uscc(309, '91430100'), nhjc.new_id()
        first, second = nhjc.config(code, [SUM], region='430100'), nhjc.config(code, BASIC, region='430100')
        self.code(self.configure(first, message_id=message_id), 0)
        self.code(self.configure(second), 0)
        self.code(self.configure(first, message_id=message_id), 0)
        self.assertEqual(self.above.number("SELECT config_version FROM unit WHERE code = '%s'" % code), 2)
        self.code(self.configure(second, message_id=message_id), 2107)

    def test_enterprises_that_are_not_known_are_1104(self):
        self.register()
        block = nhjc.data(nhjc.uscc(304, '91430100'), '', readings(POWER, '2018-01-01 00:00', ['1'])).replace(b' deviceId=""', b'')
        answer = self.upload([block])
        self.code(answer, 1104)
        self.counts(answer, 0)

    def test_another_platforms_code_is_1103(self):
        self.fault(1103, self.register, None, '420000')

    def test_enterprises_may_not_call_it(self):
        self.fault(1103, self.register, self.above.client(self.stack.enterprise(200)), '430000')

    def test_a_set_that_names_another_platform_is_2111(self):
        self.register()
        self.code(self.configure(nhjc.config(nhjc.uscc(300, '91430100'), BASIC, region='430100')), 0)
        block = nhjc.data(nhjc.uscc(300, '91430100'), '', readings(POWER, '2018-01-01 00:00', ['1'])).replace(b' deviceId=""', b'')
        plain = b'<energyDataSet xmlns="urn:nhjc:data:v1" platformCode="420000" uploadDate="2018-01-01 00:00:00">' + block + b'</energyDataSet>'
        answer = self.client.call('exchange', 'UploadData', ('messageId', nhjc.new_id()), ('platformCode', '430000'), ('regVersion', '1'), ('dicVersion', '1'), *nhjc.sealed(plain))
        self.code(answer, 2111)


if __name__ == '__main__':
    main()
