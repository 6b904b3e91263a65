"""HTTP and SOAP: what the two layers below the operations accept and how they refuse."""
import gzip
import xml.etree.ElementTree as ET

import nhjc
from stack import StackCase, main
from testdata import BASIC, POWER, readings


class Raw:
    """One TLS connection, bytes in and out."""

    def __init__(self, client):
        self.client = client
        self.socket = client.connect().sock
        self.file = self.socket.makefile('rb')

    def send(self, data):
        self.socket.sendall(data)
        return self

    def head(self):
        """(status, headers) of the next answer, its body unread."""
        status = int(self.file.readline().split()[1])
        headers = {}
        for line in iter(self.file.readline, b'\r\n'):
            name, _, value = line.decode().partition(':')
            headers[name.strip().lower()] = value.strip()
        return status, headers

    def answer(self):
        status, headers = self.head()
        return status, headers, self.file.read(int(headers.get('content-length', 0)))

    def closed(self):
        try:
            return self.file.read(1) == b''
        except OSError:
            return True


def request(body, extra='', path='/services/access', length=True, kind='text/xml; charset=utf-8'):
    head = 'POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: %s\r\nSOAPAction: ""\r\n%s' % (path, kind, extra)
    return (head + ('Content-Length: %d\r\n' % len(body) if length else '') + '\r\n').encode()


class Http(StackCase):
    def setUp(self):
        self.device = self.stack.device(20, BASIC)
        self.client = self.device.client
        self.body = nhjc.envelope(nhjc.operation('access', 'CheckVersion', [('deviceId', self.device.id)]))

    def raw(self):
        self.client.close()
        self.addCleanup(self.client.close)
        return Raw(self.client)

    def accepted(self, answer):
        self.assertEqual(nhjc.read_answer(*answer).get('responseCode'), '0')

    def test_one_connection_serves_many_requests(self):
        self.client.close()
        port = self.client.connect().sock.getsockname()[1]
        for _ in range(50):
            self.device.client.call('access', 'CheckVersion', ('deviceId', self.device.id))
        self.assertEqual(self.client.connect().sock.getsockname()[1], port)

    def test_requests_sent_ahead_are_answered_in_order(self):
        raw = self.raw().send((request(self.body) + self.body) * 3)
        for _ in range(3):
            self.accepted(raw.answer())

    def test_chunked_body(self):
        pieces = [self.body[i:i + 7] for i in range(0, len(self.body), 7)]
        chunks = b''.join(b'%x;name=value\r\n%s\r\n' % (len(piece), piece) for piece in pieces) + b'0\r\nTrailer: x\r\n\r\n'
        raw = self.raw().send(request(self.body, 'Transfer-Encoding: chunked\r\n', length=False) + chunks)
        self.accepted(raw.answer())
        self.accepted(raw.send(request(self.body) + self.body).answer())

    def test_expect_continue_is_answered_before_the_body(self):
        raw = self.raw().send(request(self.body, 'Expect: 100-continue\r\n'))
        self.assertEqual(raw.head()[0], 100)
        self.accepted(raw.send(self.body).answer())

    def test_gzip_request_and_answer(self):
        status, headers, data = self.client.request('POST', '/services/access', gzip.compress(self.body), {
            'Content-Type': 'text/xml', 'Content-Encoding': 'gzip', 'Accept-Encoding': 'gzip', 'SOAPAction': '""'})
        self.accepted((status, headers, data))

    def test_large_answers_are_packed_when_the_caller_wants(self):
        client = self.province.client()
        plain = client.request('GET', '/services/access?wsdl')
        packed = client.request('GET', '/services/access?wsdl', headers={'Accept-Encoding': 'gzip'})
        self.assertIsNone(plain[1].get('Content-Encoding'))
        self.assertEqual(packed[1].get('Content-Encoding'), 'gzip')
        self.assertLess(int(packed[1]['Content-Length']), int(plain[1]['Content-Length']))
        self.assertEqual(plain[2], packed[2])

    def test_a_body_that_unpacks_beyond_the_limit_is_1107(self):
        bomb = gzip.compress(b'<' + b' ' * (40 << 20))
        self.assertLess(len(bomb), 1 << 20)
        answer = self.client.request('POST', '/services/access', bomb, {'Content-Type': 'text/xml', 'Content-Encoding': 'gzip'})
        fault = self.fault(1107, nhjc.read_answer, *answer)
        self.assertEqual(fault.level, 'network')

    def test_a_body_announced_too_large_is_413_before_it_is_sent(self):
        raw = self.raw().send(request(b'', 'Content-Length: 40000000\r\n', length=False))
        status, headers, _ = raw.answer()
        self.assertEqual(status, 413)
        self.assertEqual(headers.get('connection'), 'close')

    def test_an_unknown_encoding_is_415(self):
        raw = self.raw().send(request(self.body, 'Content-Encoding: br\r\n') + self.body)
        self.assertEqual(raw.answer()[0], 415)

    def test_unreadable_framing_is_400_and_ends_the_connection(self):
        for bad in (b'NONSENSE\r\n\r\n', b'POST /services/access HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n',
                    b'POST /services/access HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n',
                    b'POST /services/access HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n'):
            raw = self.raw().send(bad)
            status, _, body = raw.answer()
            self.assertEqual(status, 400, bad)
            self.assertNotIn(b'Envelope', body)
            self.assertTrue(raw.closed(), bad)

    def test_a_header_of_too_many_lines_is_431(self):
        raw = self.raw().send(request(self.body, ''.join('X-%d: y\r\n' % i for i in range(150))) + self.body)
        self.assertEqual(raw.answer()[0], 431)

    def test_other_paths_and_methods_are_not_there(self):
        self.assertEqual(self.client.request('GET', '/')[0], 404)
        self.assertEqual(self.client.request('POST', '/services/other', self.body, {'Content-Type': 'text/xml'})[0], 404)
        self.assertIn(self.client.request('DELETE', '/services/access')[0], (405, 501))

    def test_nothing_tells_which_software_answers(self):
        for answer in (self.client.get('/services/access?wsdl'), self.client.get('/nothing'), self.client.post('access', b'<x/>')):
            head = '%s' % answer[1]
            self.assertNotIn('gSOAP', head)
            self.assertNotIn(b'gSOAP', answer[2])


class Soap(StackCase):
    def setUp(self):
        self.device = self.stack.device(20, BASIC)
        self.client = self.device.client

    def post(self, body, **more):
        return nhjc.read_answer(*self.client.post('access', body, **more))

    def test_both_versions_answer_in_kind(self):
        for version in ('1.1', '1.2'):
            body = nhjc.envelope(nhjc.operation('access', 'CheckVersion', [('deviceId', self.device.id)]), version)
            status, headers, data = self.client.post('access', body, 'CheckVersion', version)
            self.assertEqual(status, 200)
            self.assertIn(nhjc.SOAP[version], data.decode())
            self.assertTrue(headers['Content-Type'].startswith('text/xml' if version == '1.1' else 'application/soap+xml'))
            self.assertEqual(nhjc.read_answer(status, headers, data).get('responseCode'), '0')

    def test_faults_follow_the_version(self):
        body = nhjc.operation('access', 'NoSuchOperation', [])
        old = self.fault(2112, self.post, nhjc.envelope(body), version='1.1')
        self.assertTrue(old.fault_code.endswith(':Client'))
        new = self.fault(2112, self.post, nhjc.envelope(body, '1.2'), version='1.2', status=400)
        self.assertTrue(new.fault_code.endswith(':Sender'))
        self.assertEqual(new.level, 'communication')

    def test_an_operation_of_another_service_is_not_here(self):
        self.fault(2112, self.post, nhjc.envelope(nhjc.operation('query', 'QueryData', [])))

    def test_a_dtd_is_2102(self):
        for dtd in (b'<!DOCTYPE x>', b'<!DOCTYPE x [<!ENTITY a "b">]>', b'<!DOCTYPE x SYSTEM "file:///etc/passwd">'):
            body = nhjc.envelope(nhjc.operation('access', 'CheckVersion', [('deviceId', self.device.id)]))
            self.fault(2102, self.post, body.replace(b'?>\n', b'?>\n' + dtd))

    def test_an_envelope_that_is_not_well_formed_is_2101(self):
        body = nhjc.envelope(nhjc.operation('access', 'CheckVersion', [('deviceId', self.device.id)]))
        for broken in (body[:-20], body.replace(b'</deviceId>', b''), body.replace(b'deviceId>', b'deviceId', 1), b'', b'{"a": 1}'):
            self.fault(2101, self.post, broken)

    def test_gbk_is_2101(self):
        body = nhjc.envelope(nhjc.operation('access', 'CheckVersion', [('deviceId', '武汉')])).decode()
        self.fault(2101, self.post, body.encode('gbk'))
        self.fault(2101, self.post, body.replace('UTF-8', 'GBK').encode('gbk'))
        ascii_only = nhjc.envelope(nhjc.operation('access', 'CheckVersion', [('deviceId', self.device.id)]))
        self.fault(2101, self.post, ascii_only.replace(b'UTF-8', b'GB2312'))
        self.fault(2101, self.post, ascii_only, headers={'Content-Type': 'text/xml; charset=gbk'})
        self.fault(2101, self.post, ascii_only.decode().encode('utf-16'))

    def test_a_missing_or_unknown_element_is_2103(self):
        def check(fields):
            return self.post(nhjc.envelope(nhjc.operation('access', 'CheckVersion', fields)))
        self.fault(2103, check, [])
        self.fault(2103, check, [('deviceId', self.device.id), ('more', '1')])
        self.fault(2103, check, [('deviceId', self.device.id), ('deviceId', self.device.id)])

    def test_a_nil_in_a_list_is_2103_and_harms_nobody(self):
        nil, own = ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:nil="true"/>', '<deviceId>%s</deviceId>' % self.device.id
        times = '<granularity>day</granularity><from>2018-01-01 00:00:00</from><to>2018-01-02 00:00:00</to>'
        one = '<enterpriseCode>%s</enterpriseCode>' % self.device.enterprise
        for client, service, name, fields in (
                (self.client, 'access', 'DownloadBaseData', own + '<table%s' % nil),
                (self.client, 'access', 'DownloadBaseData', own + '<table>region</table><table%s<table>region</table>' % nil),
                (self.province.client(), 'query', 'QueryData', one + '<enterpriseCode%s' % nil + times),
                (self.province.client(), 'query', 'QueryData', one + '<dataCode%s' % nil + times)):
            body = nhjc.envelope('<%s xmlns="%s">%s</%s>' % (name, nhjc.namespace(service), fields, name))
            self.fault(2103, lambda c=client, s=service, b=body: nhjc.read_answer(*c.post(s, b)))

    def test_a_message_id_of_the_wrong_form_is_2103(self):
        body = nhjc.data(self.device.enterprise, self.device.id, readings(POWER, '2018-01-01 00:00', ['1']))
        for bad in (' x', 'x ', 'a\tb', 'x' * 65, ''):
            fields = [(name, bad if name == 'messageId' else value) for name, value in self.device.fields(body)]
            self.fault(2103, self.client.call, 'access', 'UploadData', *fields)
        good = [(name, '电' * 64 if name == 'messageId' else value) for name, value in self.device.fields(body)]
        self.assertEqual(self.client.call('access', 'UploadData', *good).get('responseCode'), '0')

    def test_mtom_carries_the_content(self):
        plain = nhjc.data(self.device.enterprise, self.device.id, readings(POWER, '2018-03-01 00:00', ['1', '2']))
        fields = [(name, value) for name, value in self.device.fields(plain) if name != 'content']
        operation = nhjc.operation('access', 'UploadData', fields).replace(
            '</UploadData>', '<content><xop:Include xmlns:xop="http://www.w3.org/2004/08/xop/include" href="cid:content@x"/></content></UploadData>')
        for version, inner in (('1.1', 'text/xml'), ('1.2', 'application/soap+xml')):
            parts = [('application/xop+xml; charset=UTF-8; type="%s"' % inner, '<root@x>', nhjc.envelope(operation, version)),
                     ('application/octet-stream', '<content@x>', plain)]
            body = b''.join(b'--edge\r\nContent-Type: %s\r\nContent-Transfer-Encoding: binary\r\nContent-ID: %s\r\n\r\n%s\r\n' % (
                kind.encode(), cid.encode(), data) for kind, cid, data in parts) + b'--edge--\r\n'
            kind = 'multipart/related; type="application/xop+xml"; boundary=edge; start="<root@x>"; start-info="%s"' % inner
            answer = self.post(body, version=version, headers={'Content-Type': kind})
            self.code(answer, 0)
            self.assertEqual(answer.number('recordsReceived'), 2)
        missing = body.replace(b'<content@x>', b'<other@x>')
        self.fault(2103, self.post, missing, version='1.2', headers={'Content-Type': kind}, status=400)

    def test_the_wsdl_names_the_address_that_was_called(self):
        for service in nhjc.SERVICES:
            status, headers, text = self.client.request('GET', '/services/%s?wsdl' % service, headers={'Host': 'energy.example:9443'})
            self.assertEqual(status, 200)
            self.assertTrue(headers['Content-Type'].startswith('text/xml'))
            root = ET.fromstring(text)
            places = {e.get('location') for e in root.iter() if e.tag.endswith('}address')}
            self.assertEqual(places, {'https://energy.example:9443/services/' + service})
            self.assertEqual(root.get('targetNamespace'), nhjc.namespace(service))

    def test_the_schemas_are_served(self):
        for name in ('access', 'exchange', 'query', 'data', 'config'):
            found = [s for s in nhjc.SERVICES if self.client.get('/services/%s?xsd=%s' % (s, name))[0] == 200]
            self.assertTrue(found, name)
        self.assertEqual(self.client.get('/services/access?xsd=../../etc/passwd')[0], 404)

    def test_every_answer_begins_with_code_words_and_time(self):
        answer = self.client.call('access', 'CheckVersion', ('deviceId', self.device.id))
        self.assertEqual([child.name for child in answer.children[:3]], ['responseCode', 'responseMessage', 'platformTime'])
        self.assertRegex(answer.get('platformTime'), r'^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$')


if __name__ == '__main__':
    main()
