"""Who may call: certificates are judged in the handshake, identities before anything else is looked at."""
import json
import os
import shutil
import socket
import ssl
import warnings

import nhjc
from nhjc import SLOW
from stack import StackCase, main, run, wait, BUILD
from testdata import BASIC, POWER, readings

TLS12, TLS13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


RESET = 'reset'


def handshake(platform, version, cert=None, key=None):
    """None when the server took the certificate and answers a request, otherwise the name of its alert. A reset behind the request
    may swallow the alert: asked again then."""
    for _ in range(10):
        seen = handshake_once(platform, version, cert, key)
        if seen != RESET:
            break
    return seen


def handshake_once(platform, version, cert, key):
    parts = nhjc.urllib.parse.urlsplit(platform.url)
    context = nhjc.tls_context(platform.stack.env['NHJC_CA'], cert, key, version)
    with socket.create_connection((parts.hostname, parts.port), timeout=30 * SLOW) as plain:
        try:
            with context.wrap_socket(plain, server_hostname=parts.hostname) as tls:
                # TLS 1.3: the client has finished before the server judges its certificate
                tls.sendall(b'GET /services/access?wsdl HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
                line = tls.recv(12)
                return None if line == b'HTTP/1.1 200' else 'answered %r' % line
        except ssl.SSLEOFError:
            return RESET
        except ssl.SSLError as error:
            return error.reason
        except (ConnectionResetError, BrokenPipeError):
            return RESET


class Certificates(StackCase):
    """Contract 7.1: unknown_ca, certificate_expired, certificate_revoked, certificate_required."""

    def refused(self, alert, cert=None, key=None, tls12=None):
        self.assertEqual(handshake(self.province, TLS13, cert, key), alert)
        self.assertEqual(handshake(self.province, TLS12, cert, key), tls12 or alert)

    def issue(self, number, *words):
        """A certificate of its own folder: the enterprise's usual one stays as it is."""
        code, out = nhjc.uscc(number), os.path.join(self.stack.dir, 'odd-%d' % number)
        os.makedirs(out, exist_ok=True)
        self.province.ctl('pki', 'issue', '--enterprise', code, '--out', out, *words)
        return os.path.join(out, code + '.pem'), os.path.join(out, code + '.key')

    def other_ca(self, number, *words):
        """A certificate from a CA that nobody trusts, made with the same tool."""
        out = os.path.join(self.stack.dir, 'foreign-%d' % number)
        os.makedirs(out, exist_ok=True)
        conf = os.path.join(out, 'ca.conf')
        with open(conf, 'w') as file:
            file.write('pki_dir = %s/pki\ndatabase = host=/nonexistent\n' % out)
        ctl = [os.path.join(BUILD, 'bin', 'nhjcctl'), '-c', conf, 'pki']
        run(*ctl, 'init', *words)
        code = nhjc.uscc(number)
        run(*ctl, 'issue', '--enterprise', code, '--out', out)
        return os.path.join(out, code + '.pem'), os.path.join(out, code + '.key')

    def test_a_trusted_certificate_passes(self):
        code = self.stack.enterprise(1)
        for version in (TLS12, TLS13):
            self.assertIsNone(handshake(self.province, version, *self.province.certificate(code)))

    def test_no_certificate(self):
        self.refused('TLSV13_ALERT_CERTIFICATE_REQUIRED', tls12='SSLV3_ALERT_HANDSHAKE_FAILURE')
        self.audited(1101, 'certificate')

    def test_untrusted_certificate(self):
        self.refused('TLSV1_ALERT_UNKNOWN_CA', *self.other_ca(2))
        self.audited(1101, 'unknown_ca')

    def test_a_false_ca_of_the_same_name_is_not_believed(self):
        subject = run('openssl', 'x509', '-in', self.stack.env['NHJC_CA'], '-noout', '-subject', '-nameopt', 'multiline').stdout
        name = [line.partition('=')[2].strip() for line in subject.splitlines() if 'commonName' in line][0]
        cert, key = self.other_ca(3, '--name', name)
        issuer = run('openssl', 'x509', '-in', cert, '-noout', '-issuer').stdout
        self.assertIn(name, issuer)
        self.refused('TLSV1_ALERT_UNKNOWN_CA', cert, key)

    def test_expired_certificate(self):
        self.refused('SSLV3_ALERT_CERTIFICATE_EXPIRED', *self.issue(4, '--expired'))
        self.audited(1102, 'expired')

    def test_a_certificate_that_is_not_yet_valid(self):
        self.refused('SSLV3_ALERT_BAD_CERTIFICATE', *self.issue(6, '--not-before', '2099-01-01 00:00:00', '--not-after', '2099-12-31 00:00:00'))
        self.audited(1102, 'not_yet_valid')

    def test_a_servers_certificate_is_no_clients(self):
        self.refused('SSLV3_ALERT_UNSUPPORTED_CERTIFICATE', *self.province.certificate('province'))
        self.audited(1101, 'purpose')

    def test_an_expired_crl_refuses_everybody(self):
        """Nobody can tell any more who was revoked: closed until there is a new one (7.1)."""
        cert, key = self.province.certificate(self.stack.enterprise(1))
        ca, out = os.path.dirname(self.stack.env['NHJC_CA']), os.path.join(self.stack.dir, 'old-crl')
        os.makedirs(out)
        with open(os.path.join(out, 'conf'), 'w') as conf, open(os.path.join(out, 'index'), 'w'):
            conf.write('[ca]\ndefault_ca = old\n[old]\ndatabase = %s/index\ndefault_md = sha256\n' % out)
        current, old = os.path.join(ca, 'crl.pem'), os.path.join(out, 'crl.pem')
        run('openssl', 'ca', '-config', os.path.join(out, 'conf'), '-gencrl', '-cert', os.path.join(ca, 'ca.pem'), '-keyfile', os.path.join(ca, 'ca.key'),
            '-crl_lastupdate', '20200101000000Z', '-crl_nextupdate', '20200201000000Z', '-out', old)
        shutil.copy(current, os.path.join(out, 'current.pem'))
        try:
            shutil.copy(old, current)
            self.province.ctl('reload')
            wait(lambda: handshake(self.province, TLS13, cert, key), 20, what='the old CRL')
            self.refused('SSLV3_ALERT_CERTIFICATE_UNKNOWN', cert, key)
            self.audited(1102, 'crl_expired')
        finally:
            shutil.copy(os.path.join(out, 'current.pem'), current)
            self.province.ctl('reload')
        wait(lambda: handshake(self.province, TLS13, cert, key) is None, 20, what='the new CRL')

    def test_revoked_certificate(self):
        code = self.stack.enterprise(5)
        cert, key = self.province.certificate(code)
        self.assertIsNone(handshake(self.province, TLS13, cert, key))
        self.province.ctl('pki', 'revoke', code)
        self.province.ctl('reload')
        wait(lambda: handshake(self.province, TLS13, cert, key) == 'SSLV3_ALERT_CERTIFICATE_REVOKED', 20, what='the revocation')
        self.refused('SSLV3_ALERT_CERTIFICATE_REVOKED', cert, key)
        self.audited(1102, 'revoked')

    def test_what_is_done_with_the_demo_ca_is_on_record(self):
        self.assertIn('nhjcctl reload', self.province.ctl('pki', 'crl').stdout)
        done = [row[0] for row in self.province.sql("SELECT DISTINCT action FROM audit_log WHERE actor LIKE 'operator:%'")]
        self.assertTrue({'ca.init', 'crl.renew', 'certificate.issue'} <= set(done), done)

    def test_old_tls_is_not_spoken(self):
        context = nhjc.tls_context(self.stack.env['NHJC_CA'], *self.province.certificate(self.stack.enterprise(1)))
        context.set_ciphers('ALL:@SECLEVEL=0')
        with warnings.catch_warnings():
            warnings.simplefilter('ignore', DeprecationWarning)  # that they are deprecated is the point
            context.minimum_version = ssl.TLSVersion.TLSv1
            context.maximum_version = ssl.TLSVersion.TLSv1_1
        parts = nhjc.urllib.parse.urlsplit(self.province.url)
        with socket.create_connection((parts.hostname, parts.port), timeout=30 * SLOW) as plain:
            with self.assertRaises(ssl.SSLError) as caught:
                context.wrap_socket(plain, server_hostname=parts.hostname)
        self.assertEqual(caught.exception.reason, 'TLSV1_ALERT_PROTOCOL_VERSION')

    def test_no_session_is_resumed(self):
        """A resumed session would skip the certificate and the CRL (7.1)."""
        cert, key = self.province.certificate(self.stack.enterprise(1))
        parts = nhjc.urllib.parse.urlsplit(self.province.url)
        for version in (TLS12, TLS13):
            context, session = nhjc.tls_context(self.stack.env['NHJC_CA'], cert, key, version), None
            for _ in range(2):
                with socket.create_connection((parts.hostname, parts.port), timeout=30 * SLOW) as plain:
                    with context.wrap_socket(plain, server_hostname=parts.hostname, session=session) as tls:
                        tls.sendall(b'GET /services/access?wsdl HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
                        while tls.recv(65536):
                            pass
                        self.assertFalse(tls.session_reused)
                        session = tls.session


class Identities(StackCase):
    """What a trusted certificate may do: 1101, 1103, 1104."""

    def register(self, client, code):
        return client.call('access', 'Register', ('enterpriseCode', code), ('regionCode', '420100'), ('deviceSerial', 'x'))

    def test_a_certificate_without_identity_is_1101(self):
        out = os.path.join(self.stack.dir, 'nameless')
        os.makedirs(out, exist_ok=True)
        self.province.ctl('pki', 'issue', '--client', 'somebody', '--out', out)
        client = nhjc.Client(self.province.url, self.stack.env['NHJC_CA'], os.path.join(out, 'somebody.pem'), os.path.join(out, 'somebody.key'))
        fault = self.fault(1101, self.register, client, nhjc.uscc(1))
        self.assertEqual(fault.level, 'network')

    def test_a_certificate_with_two_identities_is_1101(self):
        """Whom it would act for is not for the platform to guess."""
        out, ca, codes = os.path.join(self.stack.dir, 'two'), os.path.dirname(self.stack.env['NHJC_CA']), [self.stack.enterprise(n) for n in (10, 11)]
        os.makedirs(out)
        key, request, cert, extensions = (os.path.join(out, name) for name in ('key', 'request', 'cert', 'extensions'))
        with open(extensions, 'w') as file:
            file.write('extendedKeyUsage = clientAuth\nauthorityKeyIdentifier = keyid\n')
        run('openssl', 'req', '-new', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', key, '-out', request,
            '-subj', '/CN=two/UID=%s/UID=%s' % tuple(codes))
        run('openssl', 'x509', '-req', '-in', request, '-CA', os.path.join(ca, 'ca.pem'), '-CAkey', os.path.join(ca, 'ca.key'), '-set_serial', '0x2a2a',
            '-days', '30', '-extfile', extensions, '-out', cert)
        client = nhjc.Client(self.province.url, self.stack.env['NHJC_CA'], cert, key)
        for code in codes:
            self.fault(1101, self.register, client, code)
        self.audited(1101, codes[1])

    def test_an_enterprise_acts_only_for_itself(self):
        own, other = self.stack.device(10, BASIC), self.stack.device(11, BASIC)
        self.fault(1103, self.register, own.client, other.enterprise)
        body = nhjc.data(other.enterprise, other.id, readings(POWER, '2018-01-01 00:00', ['1']))
        self.fault(1103, own.client.call, 'access', 'UploadData', *other.fields(body))
        self.assertEqual(self.province.number("SELECT count(*) FROM upload u JOIN unit ON unit.id = u.unit_id WHERE unit.code = '%s'"
                                              % other.enterprise), 0)

    def test_1103_is_the_same_for_enterprises_that_do_not_exist(self):
        own = self.stack.device(10, BASIC)
        known = self.fault(1103, self.register, own.client, self.stack.enterprise(11))
        unknown = self.fault(1103, self.register, own.client, nhjc.uscc(999999))
        self.assertEqual(known.text.replace(nhjc.uscc(11), ''), unknown.text.replace(nhjc.uscc(999999), ''))

    def test_an_enterprise_cannot_query_another(self):
        own, other = self.stack.device(10, BASIC), self.stack.device(11, BASIC)
        self.fault(1103, own.client.call, 'query', 'QueryData', ('enterpriseCode', other.enterprise), ('granularity', 'day'),
                   ('from', '2018-01-01 00:00:00'), ('to', '2018-02-01 00:00:00'))

    def test_an_enterprise_is_no_platform(self):
        own = self.stack.device(10, BASIC)
        self.fault(1103, own.client.call, 'exchange', 'RegisterPlatform', ('platformCode', '420100'), ('platformName', 'x'))
        self.audited(1103, own.enterprise)

    def test_not_admitted_is_1104(self):
        code = self.stack.enterprise(12, admit=False)
        self.fault(1104, self.register, self.province.client(code), code)

    def test_suspended_is_1104_and_comes_back(self):
        device = self.stack.device(13, BASIC)
        day = readings(POWER, '2018-01-01 00:00', ['1', '2'])
        self.province.ctl('enterprise', 'suspend', device.enterprise)
        refused = wait(lambda: self.refused_with(device, day), 10, what='the suspension')
        self.assertEqual(refused, 1104)
        self.province.ctl('enterprise', 'resume', device.enterprise)
        wait(lambda: self.refused_with(device, day) is None, 10, what='the reinstatement')

    def refused_with(self, device, records):
        try:
            device.upload(records)
        except nhjc.Fault as fault:
            return fault.code
        return None

    def test_refusals_are_audited(self):
        own, other = self.stack.device(10, BASIC), self.stack.enterprise(11)
        self.fault(1103, self.register, own.client, other)
        wait(lambda: self.province.number("SELECT count(*) FROM audit_log WHERE actor = '%s' AND code = 1103" % own.enterprise),
             10, what='the audit row')


class Devices(StackCase):
    """Certificates that name one end device of their enterprise by urn:nhjc:device:SERIAL (1103)."""

    def issued(self, code, serial, *words):
        """A client with the certificate that the demo CA issues for this device."""
        self.province.ctl('pki', 'issue', '--enterprise', code, '--device', serial, '--out', self.province.pki, *words)
        return self.client('%s-%s' % (code, serial))

    def client(self, name, folder=None):
        path = os.path.join(folder or self.province.pki, name)
        return nhjc.Client(self.province.url, self.stack.env['NHJC_CA'], path + '.pem', path + '.key')

    def odd(self, code, name, *names, subject=None):
        """A client whose certificate has these alternative names, which our own tool would never write."""
        folder, ca = os.path.join(self.stack.dir, 'san'), os.path.dirname(self.stack.env['NHJC_CA'])
        os.makedirs(folder, exist_ok=True)
        path = os.path.join(folder, name)
        with open(path + '.ext', 'w') as file:
            file.write('extendedKeyUsage = clientAuth\nauthorityKeyIdentifier = keyid\nsubjectAltName = @names\n[names]\n')
            file.writelines('%s\n' % line for line in names)
        run('openssl', 'req', '-new', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', path + '.key', '-out', path + '.csr',
            '-subj', subject or '/CN=%s/UID=%s' % (name, code))
        run('openssl', 'x509', '-req', '-in', path + '.csr', '-CA', os.path.join(ca, 'ca.pem'), '-CAkey', os.path.join(ca, 'ca.key'), '-days', '30',
            '-set_serial', str(0x7000 + len(os.listdir(folder))), '-extfile', path + '.ext', '-out', path + '.pem')
        return self.client(name, folder)

    def operations(self, device):
        """Every operation that takes a deviceId, with this device's."""
        now = [('deviceId', device.id)]
        body = nhjc.data(device.enterprise, device.id, readings(POWER, '2018-01-01 00:00', ['1']))
        return {'CheckVersion': now, 'DownloadBaseData': now, 'DownloadEnterprise': now,
                'UploadConfig': [('messageId', nhjc.new_id())] + now + [('enterpriseCode', device.enterprise), ('dicVersion', device.dic_version),
                                                                        ('content', nhjc.config(device.enterprise, BASIC))],
                'UploadData': device.fields(body),
                'QueryUploads': now + [('from', '2018-01-01 00:00:00'), ('to', '2018-02-01 00:00:00')],
                'Heartbeat': now + [('deviceTime', '2024-01-01 00:00:00')],
                'ReportCommand': now + [('commandId', '0' * 32), ('result', 'DONE')]}

    def refused(self, words, client, name, fields):
        fault = self.fault(1103, client.call, 'access', name, *fields)
        for word in words:
            self.assertIn(word, fault.text, name)
        return fault

    def register(self, code, serial):
        return ('enterpriseCode', code), ('regionCode', '420100'), ('deviceSerial', serial)

    def set_required(self, code, word):
        self.province.ctl('enterprise', 'thresholds', code, '--device-certificates', word)

    def test_a_certificate_is_good_for_its_own_device_in_every_operation(self):
        code = self.stack.enterprise(20)
        first, second = nhjc.Device(self.issued(code, 'gate-1'), code, 'gate-1'), nhjc.Device(self.issued(code, 'gate-2'), code, 'gate-2')
        self.assertNotEqual(first.id, second.id)
        self.code(first.configure(BASIC), 0)
        for name, fields in self.operations(first).items():
            with self.subTest(operation=name, of='its own'):
                if name == 'ReportCommand':  # there is no such command
                    self.fault(2103, first.client.call, 'access', name, *fields)
                else:
                    self.code(first.client.call('access', name, *fields), 0)
        before = self.province.sql("SELECT count(*), max(config_version) FROM upload u JOIN unit ON unit.id = u.unit_id WHERE code = '%s'" % code)
        words = ('端设备gate-2签发', 'for device gate-2', '使用该注册的deviceId', 'use the deviceId of that registration')
        for name, fields in self.operations(first).items():
            with self.subTest(operation=name, of="another's"):
                self.refused(words, second.client, name, fields)
                self.audited(1103, name)
        self.assertEqual(self.province.sql("SELECT count(*), max(config_version) FROM upload u JOIN unit ON unit.id = u.unit_id WHERE code = '%s'" % code), before)
        told = self.province.sql("SELECT DISTINCT operation FROM upload_refused WHERE code = 1103 AND sender_code = '%s' AND device_id = '%s'" % (code, first.id))
        self.assertEqual(sorted(row[0] for row in told), sorted(self.operations(first)))

    def test_register_takes_only_the_serial_that_the_certificate_names(self):
        code = self.stack.enterprise(21)
        client = self.issued(code, 'SN_1.a')
        for serial in ('SN_1.A', 'SN_1.a ', 'SN_1', 'it-1'):
            self.refused(('端设备SN_1.a签发', 'for device SN_1.a'), client, 'Register', self.register(code, serial))
        self.assertEqual(self.province.number("SELECT count(*) FROM device d JOIN unit u ON u.id = d.unit_id WHERE u.code = '%s'" % code), 0)
        own = nhjc.Device(client, code, 'SN_1.a')
        self.assertEqual(nhjc.Device(client, code, 'SN_1.a').id, own.id)
        self.audited(1103, 'Register')

    def test_a_device_that_is_nobodys_or_another_enterprises_is_2109_as_ever(self):
        """Whether it exists does not show (contract 7.4)."""
        code, other = self.stack.enterprise(22), self.stack.device(10, BASIC)
        client = self.issued(code, 'x')
        nhjc.Device(client, code, 'x')
        answers = [self.code(client.call('access', 'CheckVersion', ('deviceId', id)), 2109) for id in ('0' * 32, other.id)]
        self.assertEqual(*[answer.get('responseMessage') for answer in answers])
        self.fault(1103, client.call, 'access', 'Register', *self.register(other.enterprise, 'x'))

    def test_a_certificate_without_a_device_works_until_the_enterprise_requires_one(self):
        device = self.stack.device(23, BASIC)
        named = nhjc.Device(self.issued(device.enterprise, 'it-1'), device.enterprise, 'it-1')
        self.assertEqual(named.id, device.id)
        self.code(device.client.call('access', 'CheckVersion', ('deviceId', device.id)), 0)
        self.set_required(device.enterprise, 'required')

        def refusal():
            try:
                device.client.call('access', 'CheckVersion', ('deviceId', device.id))
            except nhjc.Fault as fault:
                return fault
            return None
        wait(refusal, 10, what='the setting')
        words = ('此证书没有指名', 'names none')
        for name, fields in {**self.operations(device), 'Register': self.register(device.enterprise, 'it-1')}.items():
            with self.subTest(operation=name):
                self.refused(words, device.client, name, fields)
        for name, fields in self.operations(named).items():
            if name != 'ReportCommand':
                self.code(named.client.call('access', name, *fields), 0)
        self.set_required(device.enterprise, 'optional')
        wait(lambda: refusal() is None, 10, what='the setting lifted')
        told = self.province.sql("SELECT detail FROM audit_log WHERE object = '%s' AND action = 'enterprise.thresholds' ORDER BY at" % device.enterprise)
        self.assertEqual([row[0] for row in told], ['device-certificates required', 'device-certificates optional'])
        done = self.province.ctl('enterprise', 'thresholds', device.enterprise, '--device-certificates', 'yes', check=False)
        self.assertEqual(done.returncode, 2)
        self.bilingual(done.stderr)

    def test_what_does_not_name_a_device_readably_is_refused_and_never_taken_for_none(self):
        code, prefix = self.stack.enterprise(24), 'urn:nhjc:device:'
        rows = {'empty': [prefix], 'case': ['URN:NHJC:DEVICE:x'], 'disguised': ['urn:nhjc:dev%69ce:x'], 'colon': ['urn:nhjc:device'],
                'nul': [prefix + 'x%00'], 'half': [prefix + 'x%4'], 'control': [prefix + 'x%0A'], 'not-utf8': [prefix + '%ff'],
                'long': [prefix + 'x' * 129], 'longer': [prefix + 'x' * 5000], 'blank': [prefix + 'x y'], 'two': [prefix + 'x', prefix + 'y'],
                'behind': ['a:%d' % n for n in range(6)] + [prefix + 'x%']}
        for name, uris in rows.items():
            with self.subTest(name):
                client = self.odd(code, name, *('URI.%d = %s' % (n, uri) for n, uri in enumerate(uris)))
                self.refused(('无法识别，或不止一个', 'cannot be read, or it names more than one'), client, 'Register', self.register(code, 'x'))
                self.refused((), client, 'CheckVersion', [('deviceId', '0' * 32)])
        self.assertEqual(self.province.number("SELECT count(*) FROM device d JOIN unit u ON u.id = d.unit_id WHERE u.code = '%s'" % code), 0)

    def test_a_serial_beyond_ascii_is_named_by_encoded_bytes_among_other_names(self):
        code = self.stack.enterprise(25)
        client = self.odd(code, 'encoded', 'DNS.1 = device.example.cn', 'URI.1 = urn:nhjc:site:7', 'URI.2 = urn:nhjc:device:%E7%BD%91%e5%85%b3%201')
        self.refused(('端设备网关 1签发', 'for device 网关 1'), client, 'Register', self.register(code, '网关1'))
        nhjc.Device(client, code, '网关 1')
        other = self.odd(code, 'others', 'URI.1 = urn:nhjc:devices:7', 'URI.2 = https://device.example.cn/urn:nhjc:device:7')
        nhjc.Device(other, code, 'anything')  # these name no device

    def test_a_platform_names_no_device(self):
        for service, name, fields in (('query', 'QueryEnterprises', ()), ('exchange', 'RegisterPlatform', (('platformCode', '420100'), ('platformName', 'x')))):
            client = self.odd(None, 'platform', 'URI.1 = urn:nhjc:device:420100', subject='/CN=platform/UID=420100')
            self.fault(1103, client.call, service, name, *fields)

    def test_a_renewed_certificate_goes_on_with_the_registration(self):
        code = self.stack.enterprise(26)
        first = nhjc.Device(self.issued(code, 'r-1'), code, 'r-1')
        self.code(first.configure(BASIC), 0)
        self.code(first.upload(readings(POWER, '2018-01-01 00:00', ['1'])), 0)
        with open(os.path.join(self.province.pki, code + '-r-1.pem')) as file:
            before = file.read()
        renewed = self.issued(code, 'r-1')
        with open(os.path.join(self.province.pki, code + '-r-1.pem')) as file:
            self.assertNotEqual(file.read(), before)
        self.code(renewed.call('access', 'CheckVersion', ('deviceId', first.id)), 0)
        self.code(first.upload(readings(POWER, '2018-01-01 00:15', ['2']), client=renewed), 0)
        self.assertEqual(nhjc.Device(renewed, code, 'r-1').id, first.id)
        self.code(first.upload(readings(POWER, '2018-01-01 00:30', ['3'])), 0)  # the one before holds until it is revoked or over

    def test_revoking_one_devices_certificate_leaves_the_others(self):
        code = self.stack.enterprise(27)
        clients = {serial: self.issued(code, serial) for serial in ('k-1', 'k-2')}
        devices = {serial: nhjc.Device(client, code, serial) for serial, client in clients.items()}
        said = self.province.ctl('pki', 'revoke', code, '--device', 'k-1').stdout
        self.assertIn('k-1', said)
        self.province.ctl('reload')
        paths = {name: [os.path.join(self.province.pki, name + end) for end in ('.pem', '.key')] for name in (code, code + '-k-1', code + '-k-2')}
        wait(lambda: handshake(self.province, TLS13, *paths[code + '-k-1']) == 'SSLV3_ALERT_CERTIFICATE_REVOKED', 20, what='the revocation')
        self.assertIsNone(handshake(self.province, TLS13, *paths[code + '-k-2']))
        self.assertIsNone(handshake(self.province, TLS13, *paths[code]))
        self.code(nhjc.Device(self.client(code + '-k-2'), code, 'k-2').client.call('access', 'CheckVersion', ('deviceId', devices['k-2'].id)), 0)
        self.assertEqual(self.province.ctl('pki', 'revoke', code, '--device', 'k-9', check=False).returncode, 1)
        again = nhjc.Device(self.issued(code, 'k-1'), code, 'k-1')
        self.assertEqual(again.id, devices['k-1'].id)
        listed = [(row['device'], row['revokedAt'] is not None) for row in json.loads(self.province.ctl('pki', 'list', '--json').stdout) if row['identity'] == code]
        self.assertEqual(sorted(listed), [('', False), ('k-1', False), ('k-1', True), ('k-2', False)])
        shown = json.loads(self.province.ctl('enterprise', 'show', code, '--json').stdout)
        self.assertEqual(sorted((row['device'], row['state'].split()[-1]) for row in shown['certificates']),
                         [('', 'usable'), ('k-1', 'revoked'), ('k-1', 'usable'), ('k-2', 'usable')])
        self.assertTrue(self.province.sql("SELECT 1 FROM audit_log WHERE action = 'certificate.revoke' AND object = '%s' AND detail LIKE '%%; device k-1'" % code))

    def test_each_device_of_a_certified_enterprise_has_its_own_binding(self):
        code = self.stack.enterprise(28)
        out = os.path.join(self.stack.dir, 'bound')
        certify = ('enterprise', 'certify', code)
        for serial in ('b-1', 'b-2'):
            self.province.ctl(*certify, '--device', serial, '--out', out)
        bound = {serial: nhjc.Device(self.client('%s-%s' % (code, serial), out), code, serial) for serial in ('b-1', 'b-2')
                 if wait(lambda serial=serial: self.passes(self.client('%s-%s' % (code, serial), out), code, serial), 10, what='the binding')}
        for client, serial in ((self.issued(code, 'b-1'), 'b-1'), (self.issued(code, 'b-3'), 'b-3'), (self.province.client(code), 'it-1')):
            self.refused(('bound to another certificate',), client, 'Register', self.register(code, serial))
        self.province.ctl(*certify, '--cert', os.path.join(self.province.pki, code + '-b-1.pem'), '--device', 'b-1', '--grace', '1')
        renewed = self.client(code + '-b-1')
        wait(lambda: self.passes(renewed, code, 'b-1'), 10, what='the renewal')
        self.assertTrue(self.passes(bound['b-1'].client, code, 'b-1'), 'within its grace')
        self.assertEqual(nhjc.Device(renewed, code, 'b-1').id, bound['b-1'].id)
        self.code(bound['b-2'].client.call('access', 'CheckVersion', ('deviceId', bound['b-2'].id)), 0)
        self.province.sql("UPDATE device_binding SET former_until = now() - interval '1 s'; NOTIFY nhjc_registry, '%s'" % code)
        wait(lambda: not self.passes(bound['b-1'].client, code, 'b-1'), 10, what='the end of the grace')
        self.assertTrue(self.passes(renewed, code, 'b-1'))
        states = {(row['device'], row['state']) for row in json.loads(self.province.ctl('enterprise', 'show', code, '--json').stdout)['certificates']}
        self.assertTrue({('b-1', '已绑定 bound'), ('b-1', '未绑定 not bound'), ('b-2', '已绑定 bound'), ('b-3', '未绑定 not bound'), ('', '未绑定 not bound')} <= states, states)
        wrong = self.province.ctl(*certify, '--cert', os.path.join(self.province.pki, code + '-b-3.pem'), '--device', 'b-1', check=False)
        self.assertEqual(wrong.returncode, 1)
        self.bilingual(wrong.stderr)

    def passes(self, client, code, serial):
        try:
            return bool(nhjc.Device(client, code, serial))
        except nhjc.Fault as fault:
            self.assertEqual(fault.code, 1103)
            return False

    def test_the_tool_refuses_serials_that_are_no_plain_words(self):
        code = self.stack.enterprise(29)
        for words in (('--enterprise', code, '--device', '../x'), ('--enterprise', code, '--device', 'a,URI:urn:nhjc:device:b'), ('--enterprise', code, '--device', ''),
                      ('--platform', '420100', '--device', 'x')):
            done = self.province.ctl('pki', 'issue', *words, '--out', self.stack.dir, check=False)
            self.assertIn(done.returncode, (1, 2), words)
            self.bilingual(done.stderr)


if __name__ == '__main__':
    main()
