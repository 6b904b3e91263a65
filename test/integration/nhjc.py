"""A minimal client of the platform's three services: Python standard library, nothing of the server.

Client: mutual TLS by http.client, SOAP 1.1 or 1.2, answers as Node (text and repeated children by name).
Payload: data() and config() write the XML payloads of contract section 3, sealed() packs them as UploadData takes them.
"""
import base64
import gzip
import hashlib
import http.client
import os
import ssl
import time
import urllib.parse
import uuid
import xml.etree.ElementTree as ET
from xml.sax.saxutils import escape, quoteattr

SOAP = {'1.1': 'http://schemas.xmlsoap.org/soap/envelope/', '1.2': 'http://www.w3.org/2003/05/soap-envelope'}
SERVICES = ('access', 'exchange', 'query')
SANITIZED = bool(os.environ.get('NHJC_SANITIZER'))
# By this deadlines stretch: the machine may have more to do than these tests. Who waits for a state does not wait longer for it.
SLOW = 10 if SANITIZED else 4


def namespace(service):
    return 'urn:nhjc:%s:v1' % service


class Node:
    """An element of an answer, without its namespaces."""

    def __init__(self, element):
        self.name = element.tag.rpartition('}')[2]
        self.own = element.text or ''
        self.children = [Node(child) for child in element]

    def all(self, name):
        return [child for child in self.children if child.name == name]

    def get(self, name, default=None):
        found = self.all(name)
        return found[0].own if found else default

    def number(self, name):
        return int(self.get(name))

    def find(self, name):
        """The first descendant of this name, or None."""
        for child in self.children:
            inner = child if child.name == name else child.find(name)
            if inner is not None:
                return inner
        return None


class Fault(Exception):
    """A SOAP fault: HTTP status, public code and words."""

    def __init__(self, status, body, headers=None):
        self.status, self.body, self.headers = status, body, headers
        detail = body.find('ServiceFault')
        self.code = detail.number('code') if detail is not None and detail.get('code') else None
        self.level = detail.get('level') if detail is not None else None
        self.text = (body.get('faultstring') or (body.find('Text').own if body.find('Text') is not None else '')
                     if detail is None else detail.get('message'))
        self.fault_code = body.get('faultcode') or (body.find('Value').own if body.find('Value') is not None else None)
        super().__init__('fault %s (HTTP %s): %s' % (self.code, status, self.text))


class HttpError(Exception):
    """An answer that is not SOAP."""

    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body
        super().__init__('HTTP %s' % status)


def tls_context(ca, cert=None, key=None, version=None):
    context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=ca)
    if cert:
        context.load_cert_chain(cert, key)
    if version:
        context.minimum_version = context.maximum_version = version
    return context


def envelope(body, version='1.1'):
    return ('<?xml version="1.0" encoding="UTF-8"?>\n<soap:Envelope xmlns:soap="%s"><soap:Body>%s</soap:Body></soap:Envelope>'
            % (SOAP[version], body)).encode()


def operation(service, name, fields):
    """fields: (name, value) in the contract's order; None is left out, bytes become base64, a list is repeated."""
    parts = []
    for key, value in fields:
        for one in value if isinstance(value, (list, tuple)) else [value]:
            if one is None:
                continue
            if isinstance(one, bytes):
                one = base64.b64encode(one).decode()
            parts.append('<%s>%s</%s>' % (key, escape(str(one)), key))
    return '<%s xmlns="%s">%s</%s>' % (name, namespace(service), ''.join(parts), name)


def content_type(version, service='', name=''):
    if version == '1.2':
        return 'application/soap+xml; charset=utf-8; action="%s#%s"' % (namespace(service), name)
    return 'text/xml; charset=utf-8'


def read_answer(status, headers, body):
    """The response element of an envelope, or Fault, or HttpError."""
    try:
        root = ET.fromstring(body)
        if root.tag not in ['{%s}Envelope' % uri for uri in SOAP.values()]:
            raise ET.ParseError
        content = Node(root).all('Body')[0].children[0]
    except (ET.ParseError, IndexError):
        raise HttpError(status, headers, body) from None
    if content.name == 'Fault':
        raise Fault(status, content, headers)
    return content


RECORDER = None  # of messages.py: keeps the answers of all clients, to be held against the schemas


class Client:
    """One certificate; one kept connection, opened when needed."""

    connection = None

    def __init__(self, url, ca, cert=None, key=None, version='1.1', timeout=60, context=None):
        self.parts = urllib.parse.urlsplit(url)
        self.context = context or tls_context(ca, cert, key)
        self.version, self.timeout = version, timeout * SLOW

    def connect(self):
        if self.connection is None:
            self.connection = http.client.HTTPSConnection(self.parts.hostname, self.parts.port, timeout=self.timeout,
                                                          context=self.context)
            self.connection.connect()
        return self.connection

    def close(self):
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def __del__(self):
        self.close()

    def request(self, method, path, body=None, headers=None, chunked=False):
        """(status, headers, body), unpacked when the answer is gzip. A kept connection that ended is opened anew."""
        for attempt in (0, 1):
            fresh = self.connection is None
            try:
                connection = self.connect()
                connection.request(method, path, body=body, headers=headers or {}, encode_chunked=chunked)
                response = connection.getresponse()
                data = response.read()
                break
            except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError, ssl.SSLEOFError):
                self.close()
                if fresh or attempt:
                    raise
            except Exception:
                self.close()
                raise
        if response.will_close:
            self.close()
        if response.headers.get('Content-Encoding') == 'gzip':
            data = gzip.decompress(data)
        return response.status, response.headers, data

    def post(self, service, body, name='', version=None, headers=None, **more):
        version = version or self.version
        lines = {'Content-Type': content_type(version, service, name)}
        if version == '1.1':
            lines['SOAPAction'] = '"%s#%s"' % (namespace(service), name)
        lines.update(headers or {})
        answer = self.request('POST', '/services/' + service, body, lines, **more)
        if RECORDER:
            RECORDER.keep(service, answer[2])
        return answer

    def call(self, service, name, *fields, version=None, headers=None):
        body = envelope(operation(service, name, fields), version or self.version)
        return read_answer(*self.post(service, body, name, version, headers))

    def get(self, path):
        return self.request('GET', path)


# ---------------------------------------------------------------- payloads

def data(enterprise, device, records, upload_date='2024-01-01 00:00:00', namespaced=True):
    """records: dicts over the attributes of <data/>; one element per line, the first on line 2."""
    defaults = {'statType': 0, 'inputType': 4, 'scope': 1}
    lines = []
    for record in records:
        fields = {**defaults, **record}
        lines.append('<data %s/>' % ' '.join('%s=%s' % (k, quoteattr(str(v))) for k, v in fields.items() if v is not None))
    return ('<energyData%s enterpriseCode=%s deviceId=%s uploadDate=%s>\n%s\n</energyData>' % (
        ' xmlns="urn:nhjc:data:v1"' if namespaced else '', quoteattr(enterprise), quoteattr(device), quoteattr(upload_date),
        '\n'.join(lines))).encode()


def reading(code, ts, value, **more):
    return {'dataCode': code, 'statDate': ts if isinstance(ts, str) else ts.strftime('%Y-%m-%d %H:%M:%S'),
            'dataValue': value, **more}


def attributes(fields):
    return ' '.join('%s=%s' % (k, quoteattr(str(v).lower() if isinstance(v, bool) else str(v))) for k, v in fields.items() if v is not None)


def collect_item(code, aggregation='sum', name='item', stat_type=0, scope=None, **more):
    scope = scope or (4 if code[4:8] != '0000' else 3 if code[2:4] != '00' else 2 if code[0:2] != '00' else 1)
    return {'name': name, 'processCode': code[0:2], 'processUnitCode': code[2:4], 'equipmentCode': code[4:6],
            'equipmentUnitCode': code[6:8], 'energyClassCode': code[8:10], 'energyTypeCode': code[10:14],
            'dataUsageCode': code[14:16], 'inputType': 4, 'statType': stat_type, 'scope': scope, 'dataCode': code,
            'aggregation': aggregation, **more}


def config(enterprise, items, name='试验企业', region='420100', industry='C3120', objects=()):
    """objects: (element, dict) placed before the collect items."""
    head = {'code': enterprise, 'name': name, 'typeCode': '150', 'typeName': '有限责任公司', 'industryCode': industry,
            'regionCode': region, 'center': False, 'corporationCode': enterprise, 'jgzh': False, 'energyConsumeLevel': 3,
            'latitude': '30.5800', 'longitude': '114.2900', 'phone': '027-80000000'}
    lines = ['<enterpriseConfig xmlns="urn:nhjc:config:v1">', '<enterprise %s/>' % attributes(head)]
    lines += ['<%s %s/>' % (element, attributes(fields)) for element, fields in objects]
    lines += ['<collectItem %s/>' % attributes(item) for item in items]
    return '\n'.join(lines + ['</enterpriseConfig>']).encode()


def sealed(plain, encoding='identity', method='SHA-256', digest=None):
    """The fields contentEncoding … content of UploadData."""
    if digest is None:
        digest = hashlib.new('sm3' if method == 'SM3' else 'sha256', plain).hexdigest()
    content = gzip.compress(plain) if encoding == 'gzip' else plain
    return [('contentEncoding', encoding), ('encryption', 'none'), ('digestMethod', method), ('digest', digest), ('content', content)]


class Device:
    """An enterprise's end device: registered once, then configure() and upload()."""

    def __init__(self, client, enterprise, serial='it-1', region='420100'):
        self.client, self.enterprise = client, enterprise
        self.registration = client.call('access', 'Register', ('enterpriseCode', enterprise), ('regionCode', region),
                                        ('deviceSerial', serial))
        self.id = self.registration.get('deviceId')
        self.reg_version, self.dic_version = self.registration.get('regVersion'), self.registration.get('dicVersion')

    def configure(self, items, message_id=None, **more):
        return self.configure_with(config(self.enterprise, items, **more), message_id)

    def configure_with(self, content, message_id=None):
        return self.client.call('access', 'UploadConfig', ('messageId', message_id or new_id()), ('deviceId', self.id),
                                ('enterpriseCode', self.enterprise), ('dicVersion', self.dic_version), ('content', content))

    def fields(self, plain, message_id=None, **seal):
        return [('messageId', message_id or new_id()), ('deviceId', self.id), ('enterpriseCode', self.enterprise),
                ('regVersion', self.reg_version), ('dicVersion', self.dic_version)] + sealed(plain, **seal)

    def send(self, plain, message_id=None, client=None, **seal):
        return (client or self.client).call('access', 'UploadData', *self.fields(plain, message_id, **seal))

    def upload(self, records, message_id=None, client=None, **seal):
        return self.send(data(self.enterprise, self.id, records), message_id, client, **seal)


def new_id():
    return uuid.uuid4().hex


def patiently(question, seconds=30):
    """Asks again while the answer is "not now" (9xxx), as contract section 5 tells a client to."""
    deadline = time.monotonic() + seconds * SLOW
    while True:
        try:
            return question()
        except Fault as fault:
            if (fault.code or 0) < 9000 or time.monotonic() > deadline:
                raise
        time.sleep(0.1)


def query_rows(client, enterprises, granularity, begin, end, codes=(), page=None):
    """All pages of QueryData as a list of Node."""
    token, rows = None, []
    while True:
        fields = [('enterpriseCode', list(enterprises)), ('dataCode', list(codes)), ('granularity', granularity), ('from', begin),
                  ('to', end), ('pageSize', page), ('pageToken', token)]
        answer = patiently(lambda: client.call('query', 'QueryData', *fields))
        if answer.number('responseCode') != 0:
            raise RuntimeError('QueryData: %s %s' % (answer.get('responseCode'), answer.get('responseMessage')))
        rows += answer.all('row')
        token = answer.get('pageToken')
        if not token:
            return rows


# ---------------------------------------------------------------- enterprise codes (GB 32100)

USCC_DIGITS = '0123456789ABCDEFGHJKLMNPQRTUWXY'
USCC_VALUES = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ'


def uscc(number, head='91420100'):
    """A valid unified social credit code: head, an organisation code with its own check digit (GB 11714), check digit."""
    body = 'MA%06d' % number
    total = sum(USCC_VALUES.index(c) * weight for c, weight in zip(body, (3, 7, 9, 10, 5, 8, 4, 2)))
    code = head + body + '0123456789X0'[11 - total % 11]
    total = sum(USCC_DIGITS.index(c) * pow(3, i, 31) for i, c in enumerate(code))
    return code + USCC_DIGITS[(31 - total % 31) % 31]
