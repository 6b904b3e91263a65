"""What the server sent, held against its own schemas.

Recorder keeps one answer of each shape while a stack runs; complaints() lets xmllint judge the bodies and looks at the faults itself. Every
test that talks through nhjc.Client takes part; Stack.down() asks.
"""
import base64
import itertools
import os
import re
import subprocess
import xml.etree.ElementTree as ET

SOAP11, SOAP12 = 'http://schemas.xmlsoap.org/soap/envelope/', 'http://www.w3.org/2003/05/soap-envelope'
SCHEMAS = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..', 'schema')


def shape(element):
    """The same for answers that differ in words and in how often something repeats."""
    inner = []
    for child in element:
        one = shape(child)
        if one not in inner[-2:]:
            inner.append(one)
    text = (element.text or '').strip()
    kind = text if re.fullmatch(r'\d{1,4}|true|false', text) and element.tag.endswith('}responseCode') else bool(text)
    return element.tag, kind, tuple(inner)


class Recorder:
    """keep() may be called by any thread."""

    def __init__(self, folder):
        self.folder, self.seen, self.numbers = folder, set(), itertools.count()
        os.makedirs(folder, exist_ok=True)

    def keep(self, service, body):
        try:
            root = ET.fromstring(body)
        except ET.ParseError:
            return  # an answer that is no SOAP; those who expect SOAP notice
        key = (service, shape(root))
        if key not in self.seen:
            self.seen.add(key)
            with open(os.path.join(self.folder, '%s-%05d.xml' % (service, next(self.numbers))), 'wb') as file:
                file.write(body)


def lint(schema, files):
    """xmllint's words about the files that break the schema."""
    found = []
    for at in range(0, len(files), 200):
        done = subprocess.run(['xmllint', '--noout', '--nonet', '--schema', os.path.join(SCHEMAS, schema + '.xsd')] + files[at:at + 200],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        found += [line for line in done.stdout.splitlines() if not line.endswith(' validates')]
    return found


def fault_complaints(fault, name):
    """The outer form of a fault (SOAP 1.1 section 4.4, SOAP 1.2 part 1 section 5.4): xmllint has no schema of the envelopes."""
    tags = [child.tag for child in fault]
    if fault.tag == '{%s}Fault' % SOAP11:
        right = ['faultcode', 'faultstring', 'detail']
    else:
        right = ['{%s}%s' % (SOAP12, word) for word in ('Code', 'Reason', 'Detail')]
    return [] if tags == right else ['%s: a fault of %s' % (name, tags)]


def body_of(path):
    """(what is judged by the schema, complaints about its wrapping)"""
    name, root = os.path.basename(path), ET.parse(path).getroot()
    namespace = root.tag[1:].partition('}')[0]
    bodies = root.findall('{%s}Body' % namespace)
    if namespace not in (SOAP11, SOAP12) or len(bodies) != 1 or len(bodies[0]) != 1:
        return None, ['%s: not one Body with one element' % name]
    content = bodies[0][0]
    if content.tag != '{%s}Fault' % namespace:
        return content, []
    wrong = fault_complaints(content, name)
    details = [child for part in content if part.tag.endswith('etail') for child in part]
    if len(details) != 1 or not details[0].tag.endswith('}ServiceFault'):
        return None, wrong + ['%s: no ServiceFault in the detail' % name]
    return details[0], wrong


def complaints(folder):
    """Everything that is wrong with the recorded answers."""
    wrong, bare = [], {}
    for name in sorted(os.listdir(folder)):
        if not name.endswith('.xml'):
            continue
        content, bad = body_of(os.path.join(folder, name))
        wrong += bad
        if content is None:
            continue
        path = os.path.join(folder, name[:-4] + '.body')
        ET.ElementTree(content).write(path, encoding='utf-8')
        bare.setdefault(name.partition('-')[0], []).append(path)
        stored = content.find('{urn:nhjc:access:v1}content') if content.tag.endswith('}DownloadEnterpriseResponse') else None
        if stored is not None and stored.text:
            document = path[:-5] + '.config'
            with open(document, 'wb') as file:
                file.write(base64.b64decode(stored.text))
            bare.setdefault('config', []).append(document)
    for schema, files in bare.items():
        wrong += lint(schema, files)
    return wrong
