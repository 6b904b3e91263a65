"""Who may call: certificates are judged in the handshake, identities before anything else is looked at."""
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
        self.province.ctl('pki', 'crl')
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
        with socket.create_connection((parts.hostname, parts.port), timeout=30) as plain:
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
                with socket.create_connection((parts.hostname, parts.port), timeout=30) as plain:
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


if __name__ == '__main__':
    main()
