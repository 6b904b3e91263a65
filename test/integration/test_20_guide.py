"""The integrator's guide (wsdl/README.md): every example is sent as printed, and the answer has the shape that is printed.

Replaced in what is sent: the deviceId of the guide by the one that was given, and in step with it content and digest. What differs from
call to call (times, ids, words) must be there, and is not compared.
"""
import base64
import hashlib
import os
import re
import subprocess
import unittest
import xml.etree.ElementTree as ET

import messages
import nhjc
from stack import SOURCE, StackCase, main, run

GUIDE = os.path.join(SOURCE, 'wsdl', 'README.md')
CODE = nhjc.uscc(1)
VARYING = {'platformTime', 'receivedAt', 'deviceId', 'commandId', 'secretKey', 'uploadId', 'uploadTime', 'url', 'responseMessage', 'message', 'clockOffsetMs',
           'dicVersion', 'faultcode', 'faultstring', 'Value', 'Text', 'tce', 'co2'}


def examples():
    """{name: {kind: text}} in the guide's order."""
    with open(GUIDE, encoding='utf-8') as file:
        text = file.read()
    found = {}
    for name, kind, block in re.findall(r'<!-- example: ([^\n>]+) (request|response|payload) -->\n```xml\n(.*?)```\n', text, re.S):
        found.setdefault(name, {})[kind] = block
    return text, found


TEXT, EXAMPLES = examples()
DEVICE, COMMAND = [re.search(name + '>([0-9a-f]{32})<', TEXT).group(1) for name in ('deviceId', 'commandId')]


def content(request):
    found = re.search(r'<content>\s*(.*?)\s*</content>', request, re.S)
    return found.group(1) if found else None


def local(tag):
    return tag.rpartition('}')[2]


def shape(element, path=''):
    """(path, text) of everything below, without prefixes and blanks."""
    name = local(element.tag)
    text = (element.text or '').strip()
    rows = [(path + name, '…' if name in VARYING and (text or name == 'uploadId') else text)]
    for child in element:
        rows += shape(child, path + name + '/')
    return rows


class Consistency(unittest.TestCase):
    """The guide by itself."""

    def test_an_answer_without_its_request_is_the_resend(self):
        self.assertEqual([name for name, kinds in EXAMPLES.items() if 'request' not in kinds], ['resend'])

    def test_every_xml_block_is_an_example_and_well_formed(self):
        blocks = [block for kinds in EXAMPLES.values() for block in kinds.values()]
        self.assertEqual(len(re.findall(r'^```xml$', TEXT, re.M)), len(blocks))
        self.assertGreaterEqual(len(blocks), 25)
        for block in blocks:
            ET.fromstring(block)

    def test_content_is_the_payload_shown_above_it_and_has_the_digest_shown(self):
        for name, kinds in EXAMPLES.items():
            if 'payload' in kinds:
                self.assertEqual(base64.b64decode(content(kinds['request'])).decode(), kinds['payload'], name)
            digest = re.search('<digest>(.*?)</digest>', kinds.get('request', ''))
            if digest and name != 'wrong digest':
                self.assertEqual(hashlib.sha256(base64.b64decode(content(kinds['request']))).hexdigest(), digest.group(1), name)

    def test_every_example_keeps_to_the_schemas(self):
        folder = subprocess.run(['mktemp', '-d'], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
        self.addCleanup(run, 'rm', '-rf', folder)
        for number, (name, kinds) in enumerate(EXAMPLES.items()):
            broken_on_purpose = 'ServiceFault' in kinds.get('response', '')
            for kind, block in kinds.items():
                if kind == 'payload':
                    schema = 'config' if 'enterpriseConfig' in block else 'data'
                    path = os.path.join(folder, '%s-%d.payload' % (schema, number))
                    with open(path, 'w', encoding='utf-8') as file:
                        file.write(block)
                    self.assertEqual(messages.lint(schema, [path]), [], name)
                elif kind == 'response' or not broken_on_purpose:
                    service = 'query' if 'urn:nhjc:query:v1' in block else 'access'
                    with open(os.path.join(folder, '%s-%d%s.xml' % (service, number, kind)), 'w', encoding='utf-8') as file:
                        file.write(block)
        self.assertEqual(messages.complaints(folder), [])

    def test_every_code_of_the_platform_is_in_the_table(self):
        with open(os.path.join(SOURCE, 'server', 'payload', 'finding_table.c'), encoding='utf-8') as file:
            known = re.findall(r'^    \{(\d+), [A-Z]+, [A-Z]+, ', file.read(), re.M)
        self.assertEqual(re.findall(r'^\| (\d+) \|', TEXT, re.M), known)


class Guide(StackCase):
    """A platform that gives keys, so that Register and the recipe are whole."""
    options = 'payload_encryption = true'

    def send(self, name, request):
        """The answer's envelope."""
        root = ET.fromstring(request)
        body = root[0][0]
        service = body.tag[1:].split(':')[2]
        version = '1.2' if root.tag.startswith('{%s}' % nhjc.SOAP['1.2']) else '1.1'
        client = self.province.client(CODE) if service == 'access' else self.province.client()
        status, headers, data = client.post(service, request.encode(), local(body.tag), version)
        self.assertTrue(headers['Content-Type'].startswith('text/xml' if version == '1.1' else 'application/soap+xml'), name)
        return ET.fromstring(data)

    def with_device(self, request, device):
        request = request.replace(DEVICE, device)
        packed = content(request)
        if packed:
            plain = base64.b64decode(packed).replace(DEVICE.encode(), device.encode())
            request = request.replace(packed, base64.b64encode(plain).decode())
            request = re.sub('<digest>(?!0000).*</digest>', '<digest>%s</digest>' % hashlib.sha256(plain).hexdigest(), request)
        return request

    def test_the_examples_are_answered_as_printed(self):
        self.stack.enterprise(1)
        device, command = DEVICE, COMMAND
        for name, kinds in EXAMPLES.items():
            with self.subTest(example=name):
                request = kinds.get('request') or EXAMPLES['upload']['request']  # sent once more
                if name == 'heartbeat':
                    command = self.province.ctl('command', 'add', CODE, 'REUPLOAD', '--from', '2024-05-01 10:00:00', '--to', '2024-05-01 11:00:00',
                                                '--code', '0000000002330010').stdout.split()[0]
                answer = self.send(name, self.with_device(request, device).replace(COMMAND, command))
                given = answer.find('.//{*}deviceId')
                device = given.text if given is not None else device
                self.assertEqual(shape(answer), shape(ET.fromstring(kinds['response'])))

    def test_the_recipe_makes_what_the_platform_reads(self):
        recipe = re.search(r'<!-- recipe -->\n```sh\n(.*?)```', TEXT, re.S).group(1)
        device = self.stack.device(2, nhjc_items())
        folder = os.path.join(self.stack.dir, 'recipe')
        os.mkdir(folder)
        plain = nhjc.data(device.enterprise, device.id, [nhjc.reading('0000000002330010', '2024-05-01 10:00:00', '1')])
        with open(os.path.join(folder, 'data.xml'), 'wb') as file:
            file.write(plain)
        run('sh', '-euc', 'cd "$1"; ' + recipe, 'sh', folder, env=dict(os.environ, SECRET=device.registration.get('secretKey')))

        def made(name):
            with open(os.path.join(folder, name), 'rb') as file:
                return file.read()
        self.assertEqual(base64.b64decode(made('content')), made('data.sm4'))
        for method, digest, encoding, cipher, name in (('SHA-256', 'sha256', 'gzip', 'none', 'data.gz'), ('SM3', 'sm3', 'gzip', 'SM4-CBC', 'data.sm4'),
                                                       ('SHA-256', 'sha256', 'gzip', 'AES-256-CBC', 'data.aes')):
            fields = {'contentEncoding': encoding, 'encryption': cipher, 'digestMethod': method, 'digest': made(digest).decode().strip(),
                      'content': made(name)}
            answer = device.client.call('access', 'UploadData', *[(key, fields.get(key, value)) for key, value in device.fields(plain)])
            self.code(answer, 0)


def nhjc_items():
    return [nhjc.collect_item('0000000002330010', 'sum', '外购电量', period=900)]


if __name__ == '__main__':
    main()
