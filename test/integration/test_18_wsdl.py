"""The served WSDLs by the rules of WS-I Basic Profile 1.1, and one answer of every operation and kind against the schemas."""
import os
import re
import xml.etree.ElementTree as ET

import messages
import nhjc
from stack import StackCase, main
from testdata import BASIC, POWER, readings

WSDL, XSD = '{http://schemas.xmlsoap.org/wsdl/}', '{http://www.w3.org/2001/XMLSchema}'
BINDINGS = {'Soap11': '{http://schemas.xmlsoap.org/wsdl/soap/}', 'Soap12': '{http://schemas.xmlsoap.org/wsdl/soap12/}'}
TRANSPORT = 'http://schemas.xmlsoap.org/soap/http'


def local(name):
    return name.partition(':')[2]


class Wsdl(StackCase):
    """BP 1.1 rules by their numbers: R2201 to R2212 literal parts, R2303 order, R2304 names, R2401 bindings, R2701 to R2720 SOAP."""

    def each(self):
        for service in nhjc.SERVICES:
            status, _, text = self.province.client().get('/services/%s?wsdl' % service)
            self.assertEqual(status, 200)
            with self.subTest(service=service):
                yield service, ET.fromstring(text)

    def operations(self, root):
        return root.find(WSDL + 'portType').findall(WSDL + 'operation')

    def test_every_message_has_one_part_that_is_an_element(self):
        for service, root in self.each():
            elements = {e.get('name') for e in root.find(WSDL + 'types').iter(XSD + 'element') if e.get('name')}
            names = [m.get('name') for m in root.findall(WSDL + 'message')]
            self.assertEqual(len(names), len(set(names)))
            for message in root.findall(WSDL + 'message'):
                parts = message.findall(WSDL + 'part')
                self.assertEqual(len(parts), 1, message.get('name'))
                self.assertIsNone(parts[0].get('type'), 'R2204: an element, not a type')
                self.assertIn(local(parts[0].get('element')), elements)

    def test_operations_are_wrapped_and_their_names_unique(self):
        for service, root in self.each():
            parts = {m.get('name'): local(m.find(WSDL + 'part').get('element')) for m in root.findall(WSDL + 'message')}
            names = [operation.get('name') for operation in self.operations(root)]
            self.assertEqual(len(names), len(set(names)), 'R2304')
            self.assertTrue(names)
            for operation in self.operations(root):
                name = operation.get('name')
                self.assertEqual(parts[local(operation.find(WSDL + 'input').get('message'))], name, 'the wrapper has the name of the operation')
                self.assertEqual(parts[local(operation.find(WSDL + 'output').get('message'))], name + 'Response')
                self.assertEqual([parts[local(f.get('message'))] for f in operation.findall(WSDL + 'fault')], ['ServiceFault'])

    def test_the_bodies_have_signatures_of_their_own(self):
        """R2710: no two operations of a port look alike on the wire; over all services the namespace tells."""
        seen = set()
        for service, root in self.each():
            self.assertEqual(root.get('targetNamespace'), nhjc.namespace(service))
            for operation in self.operations(root):
                key = (root.get('targetNamespace'), operation.get('name'))
                self.assertNotIn(key, seen)
                seen.add(key)

    def test_both_bindings_are_document_literal_over_http_with_an_action(self):
        for service, root in self.each():
            bindings = root.findall(WSDL + 'binding')
            self.assertEqual(sorted(b.get('name')[-6:] for b in bindings), sorted(BINDINGS))
            for binding in bindings:
                soap = BINDINGS[binding.get('name')[-6:]]
                outer = binding.find(soap + 'binding')
                self.assertEqual((outer.get('style'), outer.get('transport')), ('document', TRANSPORT), 'R2702, R2705')
                operations = binding.findall(WSDL + 'operation')
                self.assertEqual([o.get('name') for o in operations], [o.get('name') for o in self.operations(root)], 'R2718')
                for operation in operations:
                    self.judge_operation(service, soap, operation)

    def judge_operation(self, service, soap, operation):
        inner = operation.find(soap + 'operation')
        self.assertEqual(inner.get('soapAction'), '%s#%s' % (nhjc.namespace(service), operation.get('name')), 'R2745')
        self.assertIn(inner.get('style'), (None, 'document'), 'R2705')
        for way in ('input', 'output'):
            body = operation.find(WSDL + way).find(soap + 'body')
            self.assertEqual(body.get('use'), 'literal', 'R2706')
            self.assertIsNone(body.get('namespace'), 'R2716')
            self.assertIsNone(body.get('encodingStyle'), 'R2707')
        fault = operation.find(WSDL + 'fault')
        self.assertEqual((fault.find(soap + 'fault').get('name'), fault.find(soap + 'fault').get('use')), (fault.get('name'), 'literal'), 'R2721')

    def test_each_binding_has_a_port_at_the_address_that_was_called(self):
        for service, root in self.each():
            ports = root.find(WSDL + 'service').findall(WSDL + 'port')
            self.assertEqual({local(p.get('binding')) for p in ports}, {b.get('name') for b in root.findall(WSDL + 'binding')})
            for port in ports:
                address = port.find(BINDINGS[local(port.get('binding'))[-6:]] + 'address')
                self.assertEqual(address.get('location'), self.province.url + '/services/' + service)

    def test_the_schema_inside_is_whole(self):
        """R2105: nothing is imported that a client would have to fetch."""
        for service, root in self.each():
            schemas = root.find(WSDL + 'types').findall(XSD + 'schema')
            self.assertFalse([i for s in schemas for i in s.iter(XSD + 'import') if i.get('schemaLocation')])
            for schema in schemas:
                self.assertTrue(schema.get('targetNamespace'), 'R2105')
                self.assertEqual(schema.get('elementFormDefault'), 'qualified')


class Messages(StackCase):
    """One answer of every operation and of every kind of refusal, in both SOAP versions; the recorder holds all of them against the
    schemas, and this test shows what it says when one is wrong."""
    SPAN = [('from', '2018-01-01 00:00:00'), ('to', '2018-02-01 00:00:00')]
    SERVED = {'access': ('Register', 'CheckVersion', 'DownloadBaseData', 'DownloadEnterprise', 'UploadConfig', 'UploadData', 'QueryUploads',
                         'Heartbeat', 'ReportCommand'),
              'exchange': ('RegisterPlatform', 'CheckVersion', 'DownloadBaseData', 'UploadEnterprises', 'UploadData', 'Heartbeat'),
              'query': ('QueryEnterprises', 'QueryData', 'QueryStatistics', 'QueryQuality', 'QueryUploads')}

    def calls(self):
        """(client, service, operation, fields): the served ones first as they are right."""
        device = self.stack.device(1800, BASIC)
        platform, lower = self.province.client(), self.lower()
        plain = nhjc.data(device.enterprise, device.id, readings(POWER, '2018-01-01 00:00', ['1', 'x', '2.0000005']))
        me, code = ('deviceId', device.id), ('enterpriseCode', device.enterprise)
        return [
            (device.client, 'access', 'Register', [code, ('regionCode', '420100'), ('deviceSerial', 'it-1')]),
            (device.client, 'access', 'CheckVersion', [me]),
            (device.client, 'access', 'DownloadBaseData', [me]),
            (device.client, 'access', 'DownloadEnterprise', [me]),
            (device.client, 'access', 'UploadConfig', [('messageId', nhjc.new_id()), me, code, ('dicVersion', device.dic_version),
                                                       ('content', nhjc.config(device.enterprise, BASIC))]),
            (device.client, 'access', 'UploadConfig', [('messageId', nhjc.new_id()), me, code, ('dicVersion', device.dic_version),
                                                       ('content', b'<enterpriseConfig/>')]),
            (device.client, 'access', 'UploadData', device.fields(plain)),
            (device.client, 'access', 'UploadData', device.fields(plain, digest='0' * 64)),
            (device.client, 'access', 'QueryUploads', [me] + self.SPAN),
            (device.client, 'access', 'Heartbeat', [me, ('deviceTime', device.registration.get('platformTime'))]),
            (device.client, 'access', 'ReportCommand', [me, ('commandId', self.command(device)), ('result', 'DONE')]),
            (device.client, 'access', 'ReportCommand', [me, ('commandId', 'none'), ('result', 'DONE')]),
            (device.client, 'access', 'NoSuchOperation', []),
            (device.client, 'access', 'Register', [('enterpriseCode', nhjc.uscc(1801)), ('regionCode', '420100'), ('deviceSerial', 'x')]),
            (platform, 'query', 'QueryEnterprises', []),
            (platform, 'query', 'QueryData', [code, ('granularity', 'minute')] + self.SPAN),
            (platform, 'query', 'QueryData', [code, ('granularity', 'minute')] + self.SPAN + [('pageToken', 'forged')]),
            (platform, 'query', 'QueryStatistics', [('groupBy', 'enterprise'), ('granularity', 'month')] + self.SPAN + [('compare', 'none')]),
            (platform, 'query', 'QueryQuality', [code] + self.SPAN),
            (platform, 'query', 'QueryUploads', [code] + self.SPAN),
            (lower, 'exchange', 'RegisterPlatform', [('platformCode', '420100'), ('platformName', '武汉')]),
            (lower, 'exchange', 'CheckVersion', [('platformCode', '420100')]),
            (lower, 'exchange', 'DownloadBaseData', [('platformCode', '420100')]),
            (lower, 'exchange', 'Heartbeat', [('platformCode', '420100'), ('platformTime', '2024-01-01 00:00:00'), ('pendingUploads', 0)]),
            (lower, 'exchange', 'UploadEnterprises', [('messageId', nhjc.new_id()), ('platformCode', '420100'),
                                                      ('content', b'<enterpriseConfigSet xmlns="urn:nhjc:config:v1"/>')]),
            (lower, 'exchange', 'UploadData', [('messageId', nhjc.new_id()), ('platformCode', '420100'), ('regVersion', '1'), ('dicVersion', '1')] + nhjc.sealed(
                b'<energyDataSet xmlns="urn:nhjc:data:v1" platformCode="420100" uploadDate="2018-01-01 00:00:00"/>')),
        ] + [(device.client, 'access', name, [('deviceId', '0' * 32)]) for name in ('CheckVersion', 'DownloadEnterprise', 'DownloadBaseData')] + [
            (device.client, 'access', 'QueryUploads', [('deviceId', '0' * 32)] + self.SPAN),
            (device.client, 'access', 'Heartbeat', [('deviceId', '0' * 32), ('deviceTime', '2024-01-01 00:00:00')])]

    def answers(self, version):
        """The responses and faults of one version, by operation."""
        for client, service, name, fields in self.calls():
            body = nhjc.envelope(nhjc.operation(service, name, fields), version)
            yield service, name, client.post(service, body, name, version)

    NIL = ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:nil="true"/>'
    SPOILED = {'missing': '', 'empty': '<{0}/>', 'nil': '<{0}{2}', 'nil behind': '<{0}>{1}</{0}><{0}{2}', 'nil before': '<{0}{2}<{0}>{1}</{0}>',
               'nested': '<{0}><b>{1}</b></{0}>', 'twice': '<{0}>{1}</{0}><{0}>{1}</{0}>'}

    def parameters(self, service, name):
        root = ET.parse(os.path.join(messages.SCHEMAS, service + '.xsd')).getroot()
        return [e.get('name') for e in root.find("%selement[@name='%s']" % (XSD, name)).iter(XSD + 'element') if e.get('name') != name]

    def spoiled(self, service, name, fields):
        """(parameter, how, body): each parameter of the operation spoiled in each way, the others as they were."""
        for parameter in self.parameters(service, name):
            rest, own = [f for f in fields if f[0] != parameter], [f for f in fields if f[0] == parameter] or [(parameter, 'x')]
            value = nhjc.escape(ET.fromstring(nhjc.operation(service, name, own[:1]))[0].text or '')
            for how, form in self.SPOILED.items():
                text = nhjc.operation(service, name, [('messageId', nhjc.new_id()) if f[0] == 'messageId' else f for f in rest])
                yield parameter, how, nhjc.envelope(text.replace('</%s>' % name, form.format(parameter, value, self.NIL) + '</%s>' % name))

    def test_no_parameter_spoiled_in_its_form_gets_further_than_a_refusal(self):
        """The server lives, and nothing of our inside had to answer."""
        done, firsts = 0, {}
        for client, service, name, fields in self.calls():
            if name in self.SERVED[service]:
                firsts.setdefault((service, name), (client, fields))
        self.assertEqual(len(firsts), sum(map(len, self.SERVED.values())))
        for (service, name), (client, fields) in firsts.items():
            for parameter, how, body in self.spoiled(service, name, fields):
                try:
                    answer = nhjc.read_answer(*client.post(service, body, name))
                    code = answer.number('responseCode')
                except nhjc.Fault as fault:
                    code = fault.code
                self.assertLess(code, 9000, (service, name, parameter, how))
                if how == 'nested':
                    self.assertEqual(code, 2103, (service, name, parameter, how))
                done += 1
        self.assertGreater(done, 500)
        self.assertNotIn('operation_failed', self.province.log())

    def command(self, device):
        """A command that was given to the device and waits for its result."""
        number = self.province.ctl('command', 'add', device.enterprise, 'RELOAD_BASE_DATA').stdout.split()[0]
        device.client.call('access', 'Heartbeat', ('deviceId', device.id), ('deviceTime', device.registration.get('platformTime')))
        return number

    def lower(self):
        if not os.path.exists(self.province.certificate('420100')[0]):
            self.province.ctl('pki', 'issue', '--platform', '420100', '--out', self.province.pki)
        return self.province.client('420100')

    def test_every_operation_and_refusal_keeps_to_the_schema(self):
        folder = os.path.join(self.stack.dir, 'judged')
        recorder, served, faults = messages.Recorder(folder), set(), set()
        for version in ('1.1', '1.2'):
            for service, name, (status, headers, data) in self.answers(version):
                recorder.keep(service, data)
                try:
                    served.add((version, service, nhjc.read_answer(status, headers, data).name))
                except nhjc.Fault as fault:
                    faults.add((version, fault.code))
        self.assertEqual(messages.complaints(folder), [])
        for version in ('1.1', '1.2'):
            self.assertTrue({(version, code) for code in (1103, 2112)} <= faults)
            self.assertEqual({(version, service, name + 'Response') for service, names in self.SERVED.items() for name in names} -
                             served, set())

    def test_what_breaks_the_schema_is_noticed(self):
        folder = os.path.join(self.stack.dir, 'spoiled')
        device = self.stack.device(1800, BASIC)
        good = device.client.post('access', nhjc.envelope(nhjc.operation('access', 'CheckVersion', [('deviceId', device.id)])))[2]
        recorder = messages.Recorder(folder)
        for spoiled in (re.sub(rb'<access:dicVersion>.*</access:dicVersion>', b'', good), good.replace(b'<access:responseCode>0<', b'<access:responseCode>x<'),
                        good.replace(b'CheckVersionResponse', b'CheckResponse')):
            self.assertNotEqual(spoiled, good)
            recorder.keep('access', spoiled)
        self.assertEqual(len({line.partition(':')[0] for line in messages.complaints(folder) if 'Schemas validity error' in line}), 3)


if __name__ == '__main__':
    main()
