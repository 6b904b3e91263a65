"""What our own clients send, held against the schemas: every request of the forwarder and of nhjc-sim, envelope and payload.

A relay with the server's certificate stands between client and platform, keeps one request of each shape and passes it on."""
import base64
import gzip
import http.server
import json
import os
import re
import ssl
import threading
import xml.etree.ElementTree as ET

import messages
import nhjc
from stack import BUILD, StackCase, main, run, wait
from testdata import BASIC, POWER, in_folder, readings

NAMES = {'access': 'urn:nhjc:access:v1', 'exchange': 'urn:nhjc:exchange:v1', 'query': 'urn:nhjc:query:v1'}


class Relay:
    """Listens with `server`'s certificate and asks `platform` as the client `name`."""

    def __init__(self, platform, server, name, folder):
        self.recorder, self.plain, self.local = messages.Recorder(folder), set(), threading.local()
        self.lock, self.operations = threading.Lock(), set()
        self.reword = lambda answer: answer
        relay = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = 'HTTP/1.1'

            def do_POST(self):
                body = self.rfile.read(int(self.headers['Content-Length']))
                relay.keep(self.path.rpartition('/')[2], gzip.decompress(body) if self.headers.get('Content-Encoding') == 'gzip' else body)
                lines = {key: value for key, value in self.headers.items() if key.lower() in ('content-type', 'soapaction', 'content-encoding')}
                if not hasattr(relay.local, 'client'):
                    relay.local.client = platform.client(name)
                status, headers, answer = relay.local.client.request('POST', self.path, body, lines)
                answer = relay.reword(answer)
                self.send_response(status)
                self.send_header('Content-Type', headers['Content-Type'])
                self.send_header('Content-Length', str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *words):
                pass

        self.server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
        self.server.daemon_threads = True
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*platform.certificate(server))
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = 'https://127.0.0.1:%d' % self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def keep(self, service, body):
        with self.lock:
            self.recorder.keep(service, body)
            root = ET.fromstring(body)
            operation = root[-1][0]
            self.operations.add(operation.tag.rpartition('}')[2])
            content = operation.find('{%s}content' % NAMES[service])
            if content is not None:
                self.keep_content(operation, base64.b64decode(content.text), service)

    def keep_content(self, operation, content, service):
        encoding = operation.find('{%s}contentEncoding' % NAMES[service])
        content = gzip.decompress(content) if encoding is not None and encoding.text == 'gzip' else content
        kind = 'data' if b'urn:nhjc:data:v1' in content[:400] else 'config'
        path = os.path.join(self.recorder.folder, '%s-%d.payload' % (kind, len(self.plain)))
        with open(path, 'wb') as file:
            file.write(content)
        self.plain.add(path)

    def complaints(self):
        found = messages.complaints(self.recorder.folder)
        for kind in ('data', 'config'):
            files = sorted(path for path in self.plain if os.path.basename(path).startswith(kind))
            found += messages.lint(kind, files) if files else []
        return found

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Wire(StackCase):
    upper = True

    def relay(self, platform, server, name):
        relay = Relay(platform, server, name, os.path.join(self.stack.dir, 'sent-by-' + name))
        self.addCleanup(relay.close)
        return relay

    def test_a_reconciliation_compares_numbers_not_how_they_are_written(self):
        device = self.stack.device(2402, BASIC)
        device.upload(readings(POWER, '2018-01-01 00:00', ['1.5', '2']) + [nhjc.reading(POWER, '2018-01-02 00:00:00', '0')])
        days = "SELECT value FROM bv_infodb_energydata_province WHERE granularity = 'day' AND enterprise_code = '%s' ORDER BY stat_date" % device.enterprise
        self.province.rolled_up()
        wait(lambda: self.stack.upper.sql(days) == self.province.sql(days) != [], 60, what='both sides alike')
        relay = self.relay(self.stack.upper, 'upper', '420000')
        conf = os.path.join(os.path.dirname(self.province.conf), 'relayed.conf')
        with open(self.province.conf) as file, open(conf, 'w') as copy:
            copy.write(re.sub(r'(?m)^url = .*$', 'url = ' + relay.url, file.read()))
        words = ('outbox', 'reconcile', 'nation', '--enterprise', device.enterprise, '--from', '2018-01-01', '--to', '2018-01-03', '--json')
        for written, differ in (((b'3.5', b'0'), 0), ((b'+03.5000000', b'-0.0'), 0), ((b'3.500001', b'0'), 1), ((b'35', b'.0'), 1), ((b'3.5', b''), 1)):
            relay.reword = lambda answer: re.sub(b'(<[a-z0-9:]*value>)0<', lambda m: m[1] + written[1] + b'<',
                                                 re.sub(b'(<[a-z0-9:]*value>)3.5<', lambda m: m[1] + written[0] + b'<', answer))
            found = run(os.path.join(BUILD, 'bin', 'nhjcctl'), '-c', conf, *words, check=False, env=self.stack.env)
            self.assertEqual((found.returncode, len(json.loads(found.stdout))), (1 if differ else 0, differ), (written, found.stdout, found.stderr))

    def test_the_simulators_requests_keep_to_the_schemas(self):
        code = self.stack.enterprise(2400)
        relay = self.relay(self.province, 'province', code)
        words = self.stack.simulator(code, '--csv', in_folder(self.stack, 'wire.csv', days=1))
        words[words.index('--url') + 1] = relay.url
        summary = json.loads(run(*words, env=self.stack.env).stdout)
        self.assertEqual((summary['complete'], summary['stored']), (True, 576))
        self.assertLessEqual({'Register', 'UploadConfig', 'UploadData'}, relay.operations)
        self.assertEqual({os.path.basename(path).partition('-')[0] for path in relay.plain}, {'data', 'config'})
        self.assertEqual(relay.complaints(), [])

    def test_the_forwarders_requests_keep_to_the_schemas(self):
        relay = self.relay(self.stack.upper, 'upper', '420000')
        with open(self.province.conf) as file:
            text = file.read()
        self.province.stop()
        with open(self.province.conf, 'w') as file:
            file.write(re.sub(r'(?m)^url = .*$', 'url = ' + relay.url, text))
        self.province.start()
        device = self.stack.device(2401, BASIC)
        self.code(device.upload(readings(POWER, '2018-01-01 00:00', ['1', 'x', '2.0000005']) + [nhjc.reading(POWER, '2018-01-02 00:00:00', '-0', valid='false')]), 2)
        unsent = "SELECT (SELECT count(*) FROM outbox WHERE message IS NULL) + (SELECT count(*) FROM fep_message WHERE state IN ('leased', 'waiting'))"
        wait(lambda: self.province.number(unsent) == 0, 60, what='the end of the outbox')
        self.assertEqual(self.province.number("SELECT count(*) FROM fep_message WHERE state = 'parked'"), 0)
        wait(lambda: 'Heartbeat' in relay.operations, 90, what='a heartbeat')
        self.assertLessEqual({'RegisterPlatform', 'UploadEnterprises', 'UploadData', 'Heartbeat'}, relay.operations)
        self.assertEqual(relay.complaints(), [])


if __name__ == '__main__':
    main()
