"""The whole flow by zeep: client_zeep.py FOLDER 1.1|1.2. What FOLDER holds and what is printed: README.md."""
import hashlib
import os
import sys
import warnings

import requests
import zeep

FOLDER, VERSION = sys.argv[1], sys.argv[2]


def text(name):
    with open(os.path.join(FOLDER, name), encoding='utf-8') as file:
        return file.read().strip()


def tell(name, value):
    print('%s=%s' % (name, str(value).lower() if isinstance(value, bool) else value))


def service(name, who):
    session = requests.Session()
    session.verify = os.path.join(FOLDER, 'ca.pem')
    session.cert = (os.path.join(FOLDER, who + '.pem'), os.path.join(FOLDER, who + '.key'))
    session.trust_env = False
    client = zeep.Client('%s/services/%s?wsdl' % (text('url'), name), transport=zeep.Transport(session=session))
    ports = next(iter(client.wsdl.services.values())).ports
    port = [key for key in ports if key.endswith('Soap' + VERSION.replace('.', ''))][0]
    return client.bind(port_name=port)


def upload(access, device, registered):
    plain = text('data.xml').replace('@DEVICE@', device).encode()
    return access.UploadData(messageId=text('message'), deviceId=device, enterpriseCode=text('enterprise'),
                             regVersion=registered.regVersion, dicVersion=registered.dicVersion, contentEncoding='identity',
                             encryption='none', digestMethod='SHA-256', digest=hashlib.sha256(plain).hexdigest(), content=plain)


def tell_upload(name, answer):
    for field in ('responseCode', 'duplicate', 'recordsReceived', 'recordsStored', 'recordsUnchanged', 'recordsRejected', 'uploadId'):
        tell('%s.%s' % (name, field), getattr(answer, field))
    tell(name + '.findings', ' '.join('%d@%d' % (f.code, f.line) for f in answer.finding))


def fault(name, call, **fields):
    try:
        call(**fields)
    except zeep.exceptions.Fault as error:
        tell(name + '.fault', error.detail.findtext('.//{*}code'))


def download(access, device):
    base = access.DownloadBaseData(deviceId=device)
    tell('base.responseCode', base.responseCode)
    tell('base.tables', len(base.table))


def devices(access):
    registered = access.Register(enterpriseCode=text('enterprise'), regionCode='420100', deviceSerial=text('serial'))
    device = registered.deviceId
    tell('register.responseCode', registered.responseCode)
    tell('register.deviceId', device)
    version = access.CheckVersion(deviceId=device)
    tell('version.responseCode', version.responseCode)
    tell('version.dicVersion', version.dicVersion == registered.dicVersion)
    config = access.UploadConfig(messageId=text('message') + '-c', deviceId=device, enterpriseCode=text('enterprise'),
                                 dicVersion=registered.dicVersion, content=text('config.xml').encode())
    tell('config.responseCode', config.responseCode)
    tell('config.configVersion', config.configVersion)
    tell_upload('upload', upload(access, device, registered))
    tell_upload('replay', upload(access, device, registered))
    records = access.QueryUploads(deviceId=device, **{'from': '2000-01-01 00:00:00', 'to': '2099-01-01 00:00:00'})
    tell('uploads.responseCode', records.responseCode)
    tell('uploads.messages', ' '.join(record.messageId for record in records.record))
    beat = access.Heartbeat(deviceId=device, deviceTime=registered.platformTime, pendingRecords=0)
    tell('heartbeat.responseCode', beat.responseCode)
    tell('heartbeat.uploadPeriod', beat.uploadPeriod)
    fault('base', download, access=access, device=device)
    fault('foreign', access.Register, enterpriseCode=text('other'), regionCode='420100', deviceSerial='x')


def platform(query):
    rows = query.QueryData(enterpriseCode=[text('enterprise')], granularity='minute',
                           **{'from': '2024-05-01 00:00:00', 'to': '2024-05-02 00:00:00'})
    tell('query.responseCode', rows.responseCode)
    tell('query.rows', ';'.join('%s %s %s' % (row.dataCode, row.statDate, row.value) for row in rows.row))


warnings.simplefilter('ignore')
devices(service('access', 'enterprise'))
platform(service('query', 'platform'))
