"""SOAP stacks that nobody here wrote complete the whole flow from the served WSDL alone.

Each client gets a folder with certificates and payloads, and prints what it was answered as NAME=VALUE lines (README.md). A client whose
stack is not installed and cannot be had is skipped, and says so.
"""
import os
import shutil
import subprocess
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', 'integration'))
import nhjc  # noqa: E402
from stack import BUILD, SLOW, StackCase, run  # noqa: E402
from testdata import BASIC, FACTOR, POWER  # noqa: E402

OWN = 'interop'          # messageId of the upload
VERSIONS = ('1.1', '1.2')
RECORDS = [nhjc.reading(POWER, '2024-05-01 00:00:00', '12.5'), nhjc.reading(POWER, '2024-05-01 00:15:00', '12,5'),
           nhjc.reading(POWER, '2024-05-01 00:30:00', '13.25'), nhjc.reading(FACTOR, '2024-05-01 00:00:00', '96.5')]
ROWS = '%s 2024-05-01 00:00:00 12.5;%s 2024-05-01 00:30:00 13.25;%s 2024-05-01 00:00:00 96.5' % (POWER, POWER, FACTOR)


def required():
    """NHJC_INTEROP_REQUIRED=1: what cannot be had is a failure, not a skip."""
    return os.environ.get('NHJC_INTEROP_REQUIRED') == '1'


class Interop(StackCase):
    """The flow of contract section 2, the same for every stack."""
    numbers = iter(range(9000, 9100))

    def job(self, serial):
        """The folder a client works from; enterprise and serial are new each time."""
        number = next(Interop.numbers)
        code, other = self.stack.enterprise(number), self.stack.enterprise(9100)
        folder = os.path.join(self.stack.dir, 'job-%d' % number)
        os.mkdir(folder)
        shutil.copy(self.stack.env['NHJC_CA'], os.path.join(folder, 'ca.pem'))
        for who, name in (('enterprise', code), ('platform', '000000')):
            for path, kind in zip(self.province.certificate(name), ('pem', 'key')):
                shutil.copy(path, os.path.join(folder, '%s.%s' % (who, kind)))
        texts = {'url': self.province.url, 'enterprise': code, 'other': other, 'serial': serial, 'message': '%s-%d' % (OWN, number),
                 'config.xml': nhjc.config(code, BASIC, name='试验企业 & "互通"').decode(),
                 'data.xml': nhjc.data(code, '@DEVICE@', RECORDS).decode()}
        for name, text in texts.items():
            with open(os.path.join(folder, name), 'w', encoding='utf-8') as file:
                file.write(text)
        return folder, code

    def flow(self, version, *command, **environment):
        folder, code = self.job(os.path.basename(command[-1]) + ' ' + version)
        said = run(*command, folder, version, env=dict(os.environ, **environment), timeout=60).stdout
        seen = dict(line.partition('=')[::2] for line in said.splitlines())
        self.judge(seen, code, folder)

    def judge(self, seen, code, folder):
        device = self.province.sql("SELECT device_id FROM device d JOIN unit ON unit.id = d.unit_id WHERE code = '%s'" % code)[0][0]
        upload = self.province.sql("SELECT upload_id FROM upload u JOIN unit ON unit.id = u.unit_id WHERE code = '%s'" % code)
        self.assertEqual(len(upload), 1, 'one upload and its repetition are one')
        counts = {'responseCode': '2', 'recordsReceived': '4', 'recordsStored': '3', 'recordsUnchanged': '0', 'recordsRejected': '1',
                  'findings': '3201@3', 'uploadId': upload[0][0]}
        expected = {
            'register.responseCode': '0', 'register.deviceId': device,
            'version.responseCode': '0', 'version.dicVersion': 'true',
            'config.responseCode': '0', 'config.configVersion': '1',
            'uploads.responseCode': '0', 'uploads.messages': os.path.basename(folder).replace('job', OWN),
            'heartbeat.responseCode': '0', 'heartbeat.uploadPeriod': '900',
            'foreign.fault': '1103',
            'query.responseCode': '0', 'query.rows': ROWS,
            'upload.duplicate': 'false', 'replay.duplicate': 'true'}
        for name in ('upload', 'replay'):
            expected.update(('%s.%s' % (name, key), value) for key, value in counts.items())
        expected.update(self.base_data(code, device))
        self.assertEqual(seen, expected)

    def base_data(self, code, device):
        """What the minimal client of the other tests is answered: all tables of this platform."""
        answer = self.province.client(code).call('access', 'DownloadBaseData', ('deviceId', device))
        self.assertGreater(len(answer.all('table')), 5)
        return {'base.responseCode': '0', 'base.tables': str(len(answer.all('table')))}

    def without(self, what):
        if required():
            self.fail(what)
        print('SKIPPED: ' + what, file=sys.stderr)
        self.skipTest(what)


class Script(Interop):
    """Stacks of scripting languages from Debian."""

    def both(self, *command, **environment):
        for version in VERSIONS:
            with self.subTest(soap=version):
                self.flow(version, *command, **environment)

    def test_python_zeep(self):
        self.both('/usr/bin/python3', '-B', os.path.join(HERE, 'client_zeep.py'))

    def test_php_soapclient(self):
        self.both('php', os.path.join(HERE, 'client_php.php'))

    def test_perl_soap_lite(self):
        self.both('perl', os.path.join(HERE, 'client_soaplite.pl'))


class Generated(Interop):
    """gSOAP: what wsdl2h and soapcpp2 make of the served WSDL, compiled."""

    def made(self):
        folder = os.path.join(self.stack.dir, 'gsoap')
        os.mkdir(folder)
        client = self.province.client()
        for service in ('access', 'query'):
            with open(os.path.join(folder, service + '.wsdl'), 'wb') as file:
                file.write(client.get('/services/%s?wsdl' % service)[2])
        build = 'cd "$1" && wsdl2h -c -s -o nhjc.h access.wsdl query.wsdl && soapcpp2 -c -C -L -x -w nhjc.h && ' \
                'cc -std=gnu11 -O0 -w -DWITH_OPENSSL -DWITH_GZIP -I. -o client "$2" soapC.c soapClient.c -lgsoapssl -lssl -lcrypto -lz'
        run('sh', '-c', build, 'sh', folder, os.path.join(HERE, 'client_gsoap.c'))
        return os.path.join(folder, 'client')

    def test_gsoap(self):
        program = self.made()
        for version in VERSIONS:
            with self.subTest(soap=version):
                self.flow(version, program)


class Npm(Interop):
    """The package soap comes from the npm registry, not from Debian; a computer without network skips it."""

    def package(self):
        folder = os.environ.get('NHJC_NPM_SOAP') or os.path.join(BUILD, 'npm')
        if os.path.isdir(os.path.join(folder, 'node_modules', 'soap')):
            return folder
        if not shutil.which('npm') or not shutil.which('node'):
            self.without('there is no npm here: the package soap was not tried')
        os.makedirs(folder, exist_ok=True)
        try:
            run('npm', 'install', '--prefix', folder, '--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error',
                '--fetch-retries=1', '--fetch-timeout=20000', 'soap@1', timeout=60 / SLOW)
        except (AssertionError, subprocess.TimeoutExpired) as error:
            shutil.rmtree(folder, ignore_errors=True)
            words = [line for line in str(error).splitlines() if line.lower().startswith('npm err')]
            self.without('npm cannot fetch the package soap: ' + (words[0] if words else 'no answer within a minute'))
        return folder

    def test_node_soap(self):
        modules = os.path.join(self.package(), 'node_modules')
        for version in VERSIONS:
            with self.subTest(soap=version):
                self.flow(version, 'node', os.path.join(HERE, 'client_node.js'), NODE_PATH=modules)


if __name__ == '__main__':
    unittest.main(verbosity=2)
