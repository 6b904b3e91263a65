// The whole flow by the npm package soap: client_node.js FOLDER 1.1|1.2. What FOLDER holds and what is printed: README.md.
// NODE_PATH names the folder that holds the package.
'use strict';
const crypto = require('crypto');
const fs = require('fs');
const https = require('https');
const path = require('path');
const zlib = require('zlib');
const soap = require('soap');

const [folder, version] = process.argv.slice(2);
const text = (name) => fs.readFileSync(path.join(folder, name), 'utf8').trim();
const tell = (name, value) => console.log(`${name}=${value}`);
const every = (list) => (list === undefined || list === null ? [] : [].concat(list));

// The agent carries the certificate of the WSDL's download and of every call.
async function service(name, who) {
  const agent = new https.Agent({
    keepAlive: true, ca: text('ca.pem'), cert: text(`${who}.pem`), key: text(`${who}.key`),
  });
  const client = await soap.createClientAsync(`${text('url')}/services/${name}?wsdl`, {
    forceSoap12Headers: version === '1.2', wsdl_options: { httpsAgent: agent },
  });
  const one = Object.values(client.wsdl.definitions.services)[0];
  const port = Object.keys(one.ports).find((key) => key.endsWith(`Soap${version.replace('.', '')}`));
  client.setEndpoint(one.ports[port].location);
  return async (operation, fields) => {
    const [answer] = await client[`${operation}Async`](fields, { httpsAgent: agent });
    return answer;
  };
}

function upload(access, device, registered) {
  const plain = Buffer.from(text('data.xml').replace('@DEVICE@', device));
  return access('UploadData', {
    messageId: text('message'), deviceId: device, enterpriseCode: text('enterprise'), regVersion: registered.regVersion,
    dicVersion: registered.dicVersion, contentEncoding: 'gzip', encryption: 'none', digestMethod: 'SHA-256',
    digest: crypto.createHash('sha256').update(plain).digest('hex'), content: zlib.gzipSync(plain).toString('base64'),
  });
}

function tellUpload(name, answer) {
  for (const field of ['responseCode', 'duplicate', 'recordsReceived', 'recordsStored', 'recordsUnchanged', 'recordsRejected', 'uploadId']) {
    tell(`${name}.${field}`, answer[field]);
  }
  tell(`${name}.findings`, every(answer.finding).map((f) => `${f.code}@${f.line}`).join(' '));
}

async function fault(name, call) {
  try {
    await call();
  } catch (error) {
    if (!error.root) throw error;
    const words = error.root.Envelope.Body.Fault;
    tell(`${name}.fault`, (words.detail || words.Detail).ServiceFault.code);
  }
}

async function download(access, device) {
  const base = await access('DownloadBaseData', { deviceId: device });
  tell('base.responseCode', base.responseCode);
  tell('base.tables', every(base.table).length);
}

async function devices(access) {
  const registered = await access('Register', { enterpriseCode: text('enterprise'), regionCode: '420100', deviceSerial: text('serial') });
  const device = registered.deviceId;
  tell('register.responseCode', registered.responseCode);
  tell('register.deviceId', device);
  const versions = await access('CheckVersion', { deviceId: device });
  tell('version.responseCode', versions.responseCode);
  tell('version.dicVersion', versions.dicVersion === registered.dicVersion);
  const config = await access('UploadConfig', {
    messageId: `${text('message')}-c`, deviceId: device, enterpriseCode: text('enterprise'), dicVersion: registered.dicVersion,
    content: Buffer.from(text('config.xml')).toString('base64'),
  });
  tell('config.responseCode', config.responseCode);
  tell('config.configVersion', config.configVersion);
  tellUpload('upload', await upload(access, device, registered));
  tellUpload('replay', await upload(access, device, registered));
  const records = await access('QueryUploads', { deviceId: device, from: '2000-01-01 00:00:00', to: '2099-01-01 00:00:00' });
  tell('uploads.responseCode', records.responseCode);
  tell('uploads.messages', every(records.record).map((r) => r.messageId).join(' '));
  const beat = await access('Heartbeat', { deviceId: device, deviceTime: registered.platformTime, pendingRecords: 0 });
  tell('heartbeat.responseCode', beat.responseCode);
  tell('heartbeat.uploadPeriod', beat.uploadPeriod);
  await fault('base', () => download(access, device));
  await fault('foreign', () => access('Register', { enterpriseCode: text('other'), regionCode: '420100', deviceSerial: 'x' }));
}

async function platform(query) {
  const rows = await query('QueryData', {
    enterpriseCode: [text('enterprise')], granularity: 'minute', from: '2024-05-01 00:00:00', to: '2024-05-02 00:00:00',
  });
  tell('query.responseCode', rows.responseCode);
  tell('query.rows', every(rows.row).map((r) => `${r.dataCode} ${r.statDate} ${r.value}`).join(';'));
}

(async () => {
  await devices(await service('access', 'enterprise'));
  await platform(await service('query', 'platform'));
  process.exit(0);
})().catch((error) => {
  console.error(error);
  process.exit(1);
});
