"""Admission 接入 step by step, commands for devices, base data that devices load."""
import json
import os
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import nhjc
from stack import StackCase, main, wait
from testdata import BASIC, POWER, REGISTER, SUM, readings

STATES = ('applied', 'approved', 'certified', 'testing', 'trial', 'accepted', 'suspended', 'retired')


class AdmissionCase(StackCase):
    options = 'auto_reupload_every = 1s'

    def step(self, verb, code, *words, refused=False):
        done = self.province.ctl('enterprise', verb, code, *words, check=False)
        self.assertEqual(done.returncode != 0, refused, done.stdout + done.stderr)
        return done.stderr if refused else done.stdout

    def state(self, code):
        return self.province.sql("SELECT state FROM unit WHERE code = '%s'" % code)[0][0]

    def apply(self, number):
        code = nhjc.uscc(number)
        self.step('apply', code, '--name', '试验企业%d' % number, '--region', '420100', '--industry', 'C3120', '--contact', '张三 027-1')
        return code

    def certified(self, number):
        code = self.apply(number)
        self.step('approve', code)
        self.step('certify', code, '--out', self.province.pki)
        return code

    def registered(self, number):
        code = self.certified(number)
        return wait(lambda: self.try_register(code), what='the server learning of the certificate')

    def try_register(self, code):
        try:
            return nhjc.Device(self.province.client(code), code)
        except nhjc.Fault:
            return None

    def heartbeat(self, device, ahead=0):
        at = datetime.utcnow() + timedelta(hours=8, seconds=ahead)
        return self.code(device.client.call('access', 'Heartbeat', ('deviceId', device.id), ('deviceTime', at.strftime('%Y-%m-%d %H:%M:%S')),
                                            ('softwareVersion', '2.1'), ('pendingRecords', '7')), 0)

    def report(self, device, command_id, result='DONE', detail='好'):
        return device.client.call('access', 'ReportCommand', ('deviceId', device.id), ('commandId', command_id), ('result', result), ('detail', detail))


class Steps(AdmissionCase):
    def test_from_application_to_acceptance(self):
        code = self.apply(140)
        self.assertEqual(self.state(code), 'applied')
        self.step('approve', code)
        self.step('certify', code, '--out', self.province.pki)
        self.assertEqual(self.state(code), 'certified')
        device = wait(lambda: self.try_register(code), what='Register')
        self.assertEqual(self.state(code), 'testing')
        self.assertIn('no configuration', self.step('trial', code, refused=True))
        self.code(device.configure(BASIC), 0)
        begin = (datetime.utcnow() + timedelta(hours=8) - timedelta(days=40)).strftime('%Y-%m-%d')
        until = (datetime.utcnow() + timedelta(hours=8) - timedelta(days=25)).strftime('%Y-%m-%d')
        self.assertIn('--reason', self.step('trial', code, '--from', begin, refused=True))
        self.assertIn('future', self.step('trial', code, '--from', '2099-01-01', refused=True))
        self.step('trial', code, '--from', begin, '--reason', '已试运行')
        days = self.province.sql("SELECT extract(day FROM trial_until - trial_from)::int, trial_from FROM unit WHERE code = '%s'" % code)[0]
        self.assertEqual((days[0], days[1][:10]), ('15', begin))
        refusal = self.step('accept', code, refused=True)
        self.assertIn('conformity', refusal)
        self.assertEqual(self.state(code), 'trial')
        self.step('accept', code, '--force', refused=True)  # without a reason
        self.step('accept', code, '--force', '--reason', '领导批示')
        self.assertEqual(self.state(code), 'accepted')
        history = [row[0] for row in self.province.sql("SELECT action || ': ' || detail FROM audit_log WHERE object = '%s' ORDER BY at" % code)
                   if row[0].startswith('enterprise.')]
        self.assertEqual([line.split(':')[0] for line in history], ['enterprise.' + verb for verb in
                         ('apply', 'approve', 'certify', 'testing', 'trial', 'accept')])
        self.assertIn('forced; 领导批示', history[-1])
        self.assertIn('first Register', history[3])
        self.assertEqual(history[4], 'enterprise.trial: testing -> trial; %s 00:00:00 .. %s 00:00:00; 已试运行' % (begin, until))

    def test_a_trial_that_is_not_over_is_not_accepted(self):
        device = self.registered(141)
        self.code(device.configure(BASIC), 0)
        self.step('trial', device.enterprise)
        self.assertIn('not over', self.step('accept', device.enterprise, refused=True))

    def test_every_step_that_the_table_does_not_have_is_refused_and_changes_nothing(self):
        code = self.certified(142)
        possible = {'applied': 'apply approve retire', 'approved': 'certify retire', 'certified': 'certify testing suspend retire',
                    'testing': 'certify trial suspend retire', 'trial': 'certify trial testing accept suspend retire',
                    'accepted': 'certify suspend retire', 'suspended': 'resume retire', 'retired': 'apply'}
        words = {'apply': ('--name', 'N', '--region', '420100', '--industry', 'C31'), 'certify': ('--out', self.stack.dir), 'retire': ('--reason', 'x'),
                 'accept': ('--force', '--reason', 'x')}
        quiet = {('suspended', 'suspend')} | {(state, 'resume') for state in STATES if state not in ('suspended', 'retired')}
        for state in STATES:
            self.province.sql("UPDATE unit SET state = '%s' WHERE code = '%s'" % (state, code))
            for verb in ('apply', 'approve', 'certify', 'testing', 'trial', 'accept', 'suspend', 'resume', 'retire'):
                if verb in possible[state].split() or (state, verb) in quiet:
                    continue
                with self.subTest(state=state, verb=verb):
                    said = self.step(verb, code, *words.get(verb, ()), refused=True)
                    self.assertIn('the enterprise is %s' % state, said)
                    self.assertIn('only: ' + possible[state], said)
                    self.assertEqual(self.state(code), state)

    def test_the_refusal_names_the_state(self):
        device = self.registered(143)
        for state, words in (('suspended', 'suspended'), ('retired', 'retired'), ('applied', 'not yet approved'),
                             ('approved', 'certificate not yet issued')):
            self.province.sql("UPDATE unit SET state = '%s' WHERE code = '%s'; NOTIFY nhjc_registry, '%s'" % (state, device.enterprise, device.enterprise))

            def refused():
                try:
                    device.client.call('access', 'CheckVersion', ('deviceId', device.id))
                except nhjc.Fault as fault:
                    return fault if words in fault.text else None
            fault = wait(refused, what=state)
            self.assertEqual(fault.code, 1104)

    def test_resume_returns_to_the_state_before(self):
        device = self.registered(144)
        self.step('suspend', device.enterprise, '--reason', '停产')
        self.assertIn('unchanged', self.step('suspend', device.enterprise))
        self.step('resume', device.enterprise)
        self.assertEqual(self.state(device.enterprise), 'testing')

    def test_a_renewed_certificate_and_the_former_one_within_its_grace(self):
        code = self.certified(145)
        folder = os.path.join(self.stack.dir, 'renewed')
        self.assertTrue(wait(lambda: self.try_register(code)))
        self.assertIn('stays good', self.step('certify', code, '--out', folder, '--grace', '1'))
        new = nhjc.Client(self.province.url, self.stack.env['NHJC_CA'], os.path.join(folder, code + '.pem'), os.path.join(folder, code + '.key'))

        def registers(client):
            try:
                return nhjc.Device(client, code)
            except nhjc.Fault:
                return None
        wait(lambda: registers(new), what='the new certificate')
        self.assertTrue(self.try_register(code), 'the former certificate within its grace')
        self.province.sql("UPDATE unit SET cert_former_until = now() - interval '1 s' WHERE code = '%s'; NOTIFY nhjc_registry, '%s'" % (code, code))
        wait(lambda: not self.try_register(code), what='the end of the grace')
        self.assertTrue(registers(new))
        said = self.step('certify', code, '--out', os.path.join(self.stack.dir, 'renewed-again'), '--grace', '0')
        self.assertIn('refused from now on', said)
        self.assertNotIn('stays good', said)
        wait(lambda: not registers(new), what='the end of one without grace')

    def test_a_certificate_of_another_is_not_bound(self):
        code, other = self.certified(146), self.certified(147)
        self.assertIn('another identity', self.step('certify', code, '--cert', self.province.certificate(other)[0], refused=True))
        self.step('certify', code, '--cert', self.province.certificate(code)[0])

    def test_the_certificate_of_an_outside_ca_is_known_from_its_device(self):
        device = self.registered(153)
        question = "SELECT fingerprint, not_after > now(), revoked_at IS NULL FROM certificate WHERE identity = '%s'" % device.enterprise
        before = self.province.sql(question)
        self.province.sql("DELETE FROM certificate WHERE identity = '%s'" % device.enterprise)  # as if nobody here had issued it
        self.assertTrue(self.try_register(device.enterprise))
        self.assertEqual(self.province.sql(question), before)
        self.province.ctl('pki', 'mark-revoked', before[0][0].upper(), '--reason', '换证')
        self.assertEqual([row[2] for row in self.province.sql(question)], ['f'])
        self.assertEqual(self.province.ctl('pki', 'mark-revoked', before[0][0], check=False).returncode, 1)

    def test_what_a_lower_platform_admits_is_not_admitted_here(self):
        code = self.apply(148)
        self.province.sql("INSERT INTO platform (code, platform_id, name) VALUES ('420100', repeat('0', 32), 'P');"
                          "UPDATE unit SET from_platform = (SELECT id FROM platform WHERE code = '420100') WHERE code = '%s'" % code)
        self.assertIn('lower platform', self.step('approve', code, refused=True))
        words = ('--name', 'N', '--region', '420200', '--industry', 'C31')
        self.assertIn('lower platform', self.step('admit', code, *words, refused=True))
        self.assertEqual(self.state(code), 'applied')
        self.step('admit', code, *words, '--reason', '改由省级直接接入')

    def test_the_short_way_to_acceptance_is_on_record(self):
        code = nhjc.uscc(152)
        words = ('--name', 'N', '--region', '420200', '--industry', 'C31')
        self.step('admit', code, *words)
        self.step('admit', code, *words)
        self.step('retire', code, '--reason', '关停')
        self.assertIn('retired', self.step('admit', code, *words, refused=True))
        self.assertEqual(self.state(code), 'retired')
        self.step('admit', code, *words, '--reason', '复产')
        self.assertEqual([row[0] for row in self.province.sql("SELECT detail FROM audit_log WHERE object = '%s' AND action = 'enterprise.admit' ORDER BY at" % code)],
                         ['- -> accepted; 420200', 'accepted -> accepted; 420200', 'retired -> accepted; 420200; 复产'])

    def test_everything_on_one_page(self):
        device = self.registered(149)
        self.code(device.configure(BASIC), 0)
        self.heartbeat(device)
        page = self.step('show', device.enterprise, '--items')
        for words in (device.enterprise, device.id, '试验企业', 'approved -> certified', 'bound', POWER, '张三'):
            self.assertIn(words, page)
        shown = json.loads(self.step('show', device.enterprise, '--json'))
        self.assertEqual([d['pending'] for d in shown['devices']], [7])
        self.step('certify', device.enterprise, '--out', os.path.join(self.stack.dir, 'short'), '--days', '20')
        self.assertIn('expires within 30 days', self.step('show', device.enterprise))
        self.step('show', nhjc.uscc(999), refused=True)

    def test_thresholds_reach_the_server(self):
        device = self.registered(150)
        self.code(device.configure([SUM]), 0)
        self.code(device.upload(readings(POWER, '2024-01-01 00:00', ['1'])), 0)
        self.step('thresholds', device.enterprise, '--item', POWER, '--jump', '5')
        self.step('thresholds', device.enterprise, '--upload-period', '600', '--stuck', '3')
        wait(lambda: self.heartbeat(device).get('uploadPeriod') == '600', what='the new upload period')
        answer = self.code(device.upload(readings(POWER, '2024-01-01 00:15', ['100'])), 0)
        self.finding(answer, 3204, severity='suspect')
        self.step('thresholds', device.enterprise, '--item', '1' * 16, '--jump', '5', refused=True)
        self.step('thresholds', device.enterprise, '--allow', '10.0.0.0/8')
        wait(lambda: not self.try_register(device.enterprise), what='the allow-list')
        self.step('thresholds', device.enterprise, '--allow', 'all')
        wait(lambda: self.try_register(device.enterprise), what='the allow-list lifted')

    def test_lists_of_ciphers_and_digest_methods_are_checked_shown_and_on_record(self):
        code = self.registered(151).enterprise
        for option, unknown in (('--digests', 'MD5'), ('--digests', 'SM3,sha-256'), ('--digests', 'SM3,,SHA-256'),
                                ('--digests', 'SM3,' * 400 + 'SM3'), ('--ciphers', 'DES')):
            done = self.province.ctl('enterprise', 'thresholds', code, option, unknown, check=False)
            self.assertEqual((done.returncode, done.stdout), (2, ''), (option, unknown))
            self.bilingual(done.stderr)
        self.assertIn('SM3 SHA-256', self.province.ctl('enterprise', 'thresholds', code, '--digests', 'MD5', check=False).stderr)
        self.assertEqual(self.province.ctl('enterprise', 'thresholds', code, '--item', POWER, '--digests', 'SM3', check=False).returncode, 2)
        self.assertEqual(self.values(code)['摘要 digests'], '*')
        self.step('thresholds', code, '--ciphers', 'none,SM4-CBC', '--digests', 'SM3,SHA-256')
        self.assertEqual((self.values(code)['加密 ciphers'], self.values(code)['摘要 digests']), ('none SM4-CBC', 'SM3 SHA-256'))
        self.step('thresholds', code, '--digests', 'SM3')
        self.step('thresholds', code, '--stuck', '0')  # leaves the lists alone
        self.assertEqual((self.values(code)['加密 ciphers'], self.values(code)['摘要 digests']), ('none SM4-CBC', 'SM3'))
        self.step('thresholds', code, '--digests', 'all')
        self.assertEqual(self.values(code)['摘要 digests'], '*')
        told = [row[0] for row in self.province.sql("SELECT detail FROM audit_log WHERE object = '%s' AND action = 'enterprise.thresholds' ORDER BY at" % code)]
        self.assertEqual(told, ['ciphers none SM4-CBC, digests SM3 SHA-256', 'digests SM3', 'stuck 0', 'digests all'])

    def values(self, code):
        return {row['key']: row['value'] for row in json.loads(self.step('show', code, '--json'))['enterprise']}


class Commands(AdmissionCase):
    def add(self, device, *words):
        return self.province.ctl('command', 'add', device.enterprise, *words).stdout.split()[0]

    def row(self, command_id):
        return self.province.sql("SELECT state, times_sent, detail FROM command WHERE command_id = '%s'" % command_id)[0]

    def test_a_command_goes_with_the_heartbeat_and_comes_back_with_its_result(self):
        device = self.registered(160)
        first = self.add(device, 'REUPLOAD', '--from', '2024-01-01', '--to', '2024-01-02', '--code', POWER + ',' + REGISTER)
        second = self.add(device, 'SET_PERIOD', '--value', '300')
        given = self.heartbeat(device).all('command')
        self.assertEqual([(c.get('commandId'), c.get('kind'), c.get('from'), c.get('to'), c.get('value')) for c in given],
                         [(first, 'REUPLOAD', '2024-01-01 00:00:00', '2024-01-02 00:00:00', None), (second, 'SET_PERIOD', None, None, '300')])
        self.assertEqual(self.row(first)[:2], ['sent', '1'])
        self.assertEqual(self.heartbeat(device).all('command'), [], 'given twice')
        self.code(self.report(device, first), 0)
        self.code(self.report(device, first), 0)  # the first answer was lost
        self.code(self.report(device, second, 'FAILED', '不支持'), 0)
        self.assertEqual([self.row(first)[0], self.row(second)[0], self.row(second)[2]], ['done', 'failed', '不支持'])

    def test_a_command_without_a_result_is_given_again(self):
        device = self.registered(161)
        command = self.add(device, 'COLLECT_NOW')
        self.assertEqual(len(self.heartbeat(device).all('command')), 1)
        self.province.sql("UPDATE command SET sent_at = sent_at - interval '301 s' WHERE command_id = '%s'" % command)
        self.assertEqual([c.get('commandId') for c in self.heartbeat(device).all('command')], [command])
        self.assertEqual(self.row(command)[1], '2')

    def test_a_command_is_its_devices_own(self):
        device = self.registered(162)
        other = nhjc.Device(device.client, device.enterprise, 'second')
        command = self.add(device, 'REREGISTER', '--device', 'second')
        self.assertEqual(self.heartbeat(device).all('command'), [])
        self.fault(2103, self.report, device, command)
        self.assertEqual(len(self.heartbeat(other).all('command')), 1)
        foreign = self.registered(163)
        self.fault(2103, self.report, foreign, command)

    def test_a_cancelled_command_is_not_given(self):
        device = self.registered(164)
        command = self.add(device, 'RELOAD_BASE_DATA')
        self.province.ctl('command', 'cancel', command)
        self.assertEqual(self.heartbeat(device).all('command'), [])
        listed = json.loads(self.province.ctl('command', 'list', device.enterprise, '--json').stdout)
        self.assertEqual([(c['commandId'], c['state']) for c in listed], [(command, 'cancelled')])

    def test_a_clock_that_is_off_is_told_and_kept(self):
        device = self.registered(165)
        self.assertNotIn('2110', self.heartbeat(device).get('responseMessage'))
        answer = self.heartbeat(device, ahead=3600)
        self.assertIn('2110', answer.get('responseMessage'))
        self.assertIn(answer.number('clockOffsetMs'), range(-3600000, -3300000))  # less what the way took
        kept = self.province.sql("SELECT clock_offset_ms, pending_records, software_version FROM device WHERE device_id = '%s'" % device.id)[0]
        self.assertEqual((kept[0], kept[1:]), (answer.get('clockOffsetMs'), ['7', '2.1']))

    def test_a_gap_is_asked_for_once(self):
        device = self.registered(166)
        self.code(device.configure([SUM]), 0)
        day = (datetime.utcnow() + timedelta(hours=8)).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=2)
        values = [nhjc.reading(POWER, day + timedelta(minutes=15 * i), '1') for i in range(96 * 2) if not 24 <= i < 40]
        self.code(device.upload(values), 0)
        self.province.rolled_up()
        # what is missing of the day that ended meanwhile, when this runs at midnight, is another gap
        question = ("SELECT from_ts, to_ts, data_codes, created_by, command_id FROM command c JOIN unit u ON u.id = c.unit_id WHERE u.code = '%s' "
                    "AND from_ts < '%s+08'" % (device.enterprise, day + timedelta(days=2)))
        asked = wait(lambda: self.province.sql(question), what='REUPLOAD')
        wanted = [(day + timedelta(hours=h)).strftime('%Y-%m-%d %H:%M') for h in (6, 10)]
        self.assertEqual([[row[0][:16], row[1][:16]] + row[2:4] for row in asked], [wanted + ['{}', 'platform']])
        given = [command.get('commandId') for command in self.heartbeat(device).all('command')]
        self.assertIn(asked[0][4], given)
        self.code(device.upload([nhjc.reading(POWER, day + timedelta(minutes=15 * i), '1') for i in range(24, 40)]), 0)
        self.code(self.report(device, asked[0][4]), 0)
        self.province.rolled_up()
        self.a_later_gap_is_asked_for(day)
        self.assertEqual(len(self.province.sql(question)), 1)

    def a_later_gap_is_asked_for(self, day):
        """Another enterprise's gap: once it is asked for, a whole look at everybody has passed."""
        device = self.registered(167)
        self.code(device.configure([SUM]), 0)
        values = [nhjc.reading(POWER, day + timedelta(minutes=15 * i), '1') for i in range(96 * 2) if not 24 <= i < 40]
        self.code(device.upload(values), 0)
        wait(lambda: self.province.sql("SELECT 1 FROM command c JOIN unit u ON u.id = c.unit_id WHERE u.code = '%s'" % device.enterprise),
             what='the REUPLOAD of the other enterprise')


class BaseData(AdmissionCase):
    def write(self, name, text):
        path = os.path.join(self.stack.dir, name)
        with open(path, 'wb') as f:
            f.write(text if isinstance(text, bytes) else text.encode())
        return path

    def load(self, name, text, *words, refused=False):
        done = self.province.ctl('basedata', 'import', name, self.write(name + '.csv', text), *words, check=False)
        self.assertEqual(done.returncode != 0, refused, done.stdout + done.stderr)
        return done.stderr if refused else done.stdout

    def version(self, device):
        return int(device.client.call('access', 'CheckVersion', ('deviceId', device.id)).get('dicVersion'))

    def tables(self, device, *names):
        answer = self.code(device.client.call('access', 'DownloadBaseData', ('deviceId', device.id), *[('table', n) for n in names]), 0)
        return answer, {t.get('name'): {e.get('code'): e for e in t.all('entry')} for t in answer.all('table')}

    def asked_at_once(self, device, count):
        """CheckVersion over so many connections at the same time: every worker has answered."""
        clients = [self.province.client(device.enterprise) for _ in range(count)]
        with ThreadPoolExecutor(count) as pool:
            return list(pool.map(lambda client: [client.call('access', 'CheckVersion', ('deviceId', device.id)).get('dicVersion') for _ in range(5)], clients))

    def test_a_version_once_told_is_told_by_every_worker(self):
        device = self.stack.device(187, BASIC)
        self.asked_at_once(device, 8)
        self.load('region', 'code,name\n420100,武汉市\n420187,一处县\n', '--keep')
        told = self.tables(device, 'region')[0].get('dicVersion')
        self.assertEqual({version for versions in self.asked_at_once(device, 8) for version in versions}, {told})

    def test_the_newest_version_is_never_called_outdated(self):
        device = self.stack.device(187, BASIC)
        for i in range(3):
            self.asked_at_once(device, 8)
            self.load('region', 'code,name\n420100,武汉市\n42019%d,又一县\n' % i, '--keep')
            device.dic_version = str(self.province.number('SELECT max(dic_version) FROM base_data'))
            answer = self.code(device.upload(readings(POWER, '2024-03-0%d 00:00' % (1 + i), ['1'])), 0)
            self.assertEqual([f.get('code') for f in answer.all('finding')], [])

    def test_a_change_reaches_the_device(self):
        device = self.registered(170)
        before = self.version(device)
        self.load('product', b'\xef\xbb\xbfcode,name,unit\r\n0100,"\xe4\xb9\x99\xe7\x83\xaf, \xe8\x81\x9a\xe5\x90\x88\xe7\xba\xa7",t\r\n0200,PE,t\r\n')
        after = wait(lambda: max(before, self.version(device)) - before, what='the new dicVersion') + before
        answer, tables = self.tables(device, 'product', 'nothing')
        self.assertEqual(answer.number('dicVersion'), after)
        self.assertEqual(sorted(tables), ['nothing', 'product'])
        self.assertEqual(tables['product']['0100'].get('name'), '乙烯, 聚合级')
        self.assertIn('added 0, 变更 changed 0', self.load('product', 'code,name,unit\n0100,"乙烯, 聚合级",t\n0200,PE,t\n'))
        self.load('product', 'code,name\n0100,"乙烯, 聚合级"\n')
        self.assertEqual(sorted(self.tables(device, 'product')[1]['product']), ['0100'])
        self.assertEqual(self.tables(device, 'product')[1]['product']['0100'].get('unit'), 't', 'a column that the file does not have')
        self.assertGreater(self.tables(device)[0].number('dicVersion'), after)

        def outdated():
            found = device.upload(readings(POWER, '2024-01-01 00:00', ['1'])).all('finding')
            return [f for f in found if (f.get('code'), f.get('severity')) == ('2108', 'warning')]
        wait(outdated, what='the warning that the device has an older dicVersion')

    def test_all_tables_hold_what_is_valid_today(self):
        device = self.registered(171)
        _, tables = self.tables(device)
        self.assertLess({'energy_type', 'data_usage', 'collect_class', 'field', 'enterprise_type'}, set(tables))
        power = tables['energy_type']['3300']
        self.assertEqual((power.get('name'), power.get('coalFactor'), power.get('parentCode')), ('电力', '1.229', '02'))

    def test_a_coefficient_from_a_date_on(self):
        day = '%d-12-01' % (datetime.utcnow().year + 1)
        self.load('energy_type', 'code,name,coal_factor\n1900,汽油,1.5\n', '--valid-from', day, '--keep')
        rows = self.province.sql("SELECT coal_factor, valid_from, valid_to, co2_factor FROM base_data WHERE list = 'energy_type' AND code = '1900' ORDER BY valid_from")
        self.assertEqual(rows, [['1.471400', '2010-01-01', day, '2.925060'], ['1.500000', day, '', '2.925060']])

    def test_errors_name_the_line_and_change_nothing(self):
        before = self.province.sql('SELECT max(dic_version), count(*) FROM base_data')
        for text, line, words in (('code,name\n1,a\n1,b\n', 3, 'line 2'), ('code,name\n1\n', 2, 'columns'), ('code,name\n,a\n', 2, 'empty'),
                                  ('code,name,coal_factor\n1,a,x\n', 2, 'not a number'), ('code,name\n1,"a\n', 2, 'quote'),
                                  ('code,name\n1,a\n2,\xff\n'.encode('latin-1'), 3, 'UTF-8'), ('a,b\n1,2\n', 1, 'needed')):
            with self.subTest(text=text):
                said = self.load('equipment_type', text, refused=True)
                self.assertIn('line %d' % line, said)
                self.assertIn(words, said)
        self.load('no_such_list', 'code,name\n1,a\n', refused=True)
        self.assertIn('试运行 dry run', self.load('equipment_type', 'code,name\n1,a\n', '--dry-run'))
        self.assertEqual(self.province.sql('SELECT max(dic_version), count(*) FROM base_data'), before)

    def test_an_import_with_json_writes_json_alone(self):
        for expected in ([('added', '7001')], []):
            for words in (('--dry-run',), ()):
                changes = json.loads(self.load('process_unit', 'code,name\n7001,甲\n', '--keep', '--json', *words))
                self.assertEqual([(row['change'], row['code']) for row in changes], expected, words)

    def test_the_list_counts_the_rows_that_history_shows(self):
        self.load('business_index', 'code,name\nA1,甲\n', '--valid-from', '2035-01-01')
        self.load('business_index', 'code,name\nA2,乙\n', '--valid-from', '2020-01-01')  # A1 ends before it began
        row, = (row for row in json.loads(self.province.ctl('basedata', 'list', '--json').stdout) if row['list'] == 'business_index')
        history = self.province.ctl('basedata', 'export', 'business_index', '--history').stdout.splitlines()[1:]
        self.assertEqual((row['entries'], row['rows'], row['latest']), (1, len(history), '2020-01-01'))

    def test_an_export_is_an_import_that_changes_nothing(self):
        text = self.province.ctl('basedata', 'export', 'data_usage').stdout
        self.assertIn('added 0, 变更 changed 0, 失效 removed 0', self.load('data_usage', text))
        self.assertIn('data_usage', self.province.ctl('basedata', 'list').stdout)

    def test_most_of_a_list_does_not_end_unasked(self):
        rows = ''.join('%d,器具%d\n' % (i, i) for i in range(1000, 1020))
        self.load('meter_type', 'code,name\n' + rows)
        before = self.province.sql('SELECT max(dic_version) FROM base_data')
        self.assertIn('--force', self.load('meter_type', 'code,name\n1000,器具1000\n', refused=True))
        self.assertEqual(self.province.sql('SELECT max(dic_version) FROM base_data'), before)
        self.assertIn('失效 removed 19', self.load('meter_type', 'code,name\n1000,器具1000\n', '--dry-run'))
        self.load('meter_type', 'code,name\n1000,器具1000\n', '--keep')
        self.assertIn('失效 removed 19', self.load('meter_type', 'code,name\n1000,器具1000\n', '--force'))
        self.province.sql("DELETE FROM base_data WHERE list = 'meter_type'")  # the other tests' meters are not among them

    def test_units_are_base_data_and_accounts_convert_by_them(self):
        device = self.registered(172)
        units = self.tables(device, 'measure_unit')[1]['measure_unit']
        self.assertEqual((units['万千瓦时'].get('parentCode'), units['万千瓦时'].get('remark')), ('kwh', '10000'))
        before = self.version(device)
        self.load('measure_unit', 'code,name,parent_code,remark\n千吨,千吨,t,1000\n', '--keep')
        self.assertEqual(self.province.sql("SELECT measures, factor FROM measure_unit WHERE name = '千吨'"), [['mass', '1000']])
        wait(lambda: self.version(device) > before, what='the new dicVersion')
        self.load('measure_unit', 'code,name,parent_code,remark\n吨,公吨,,1\n', '--keep')
        self.assertEqual(self.province.sql("SELECT measures, factor FROM measure_unit WHERE name = '吨'"), [['mass', '1']],
                         'a known unit without a parent keeps its kind')
        text = self.province.ctl('basedata', 'export', 'measure_unit').stdout
        self.assertIn('added 0, 变更 changed 0, 失效 removed 0', self.load('measure_unit', text))

    def test_thousands_of_regions_are_one_import(self):
        rows = ''.join('%06d,区划%d,%06d\n' % (420000 + i, i, 420000) for i in range(3355))
        self.load('region', 'code,name,parent\n' + rows)
        self.assertEqual(self.province.number("SELECT count(DISTINCT dic_version) FROM base_data WHERE list = 'region'"), 1)
        self.assertEqual(self.province.number("SELECT count(*) FROM base_data WHERE list = 'region' AND valid_to IS NULL"), 3355)
        self.province.sql("DELETE FROM base_data WHERE list = 'region'")  # the other tests' regions are not among them


if __name__ == '__main__':
    main()
