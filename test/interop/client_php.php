<?php
// The whole flow by PHP's SoapClient: client_php.php FOLDER 1.1|1.2. What FOLDER holds and what is printed: README.md.
declare(strict_types=1);

[$folder, $version] = [$argv[1], $argv[2]];

function text(string $name): string
{
    global $folder;
    return trim(file_get_contents("$folder/$name"));
}

function tell(string $name, mixed $value): void
{
    echo $name, '=', is_bool($value) ? ($value ? 'true' : 'false') : $value, "\n";
}

/** A list of one arrives as its element, a list of none not at all. */
function every(object $answer, string $name): array
{
    $value = $answer->$name ?? [];
    return is_array($value) ? $value : [$value];
}

function service(string $name, string $who): SoapClient
{
    global $folder, $version;
    $ssl = ['cafile' => "$folder/ca.pem", 'local_cert' => "$folder/$who.pem", 'local_pk' => "$folder/$who.key"];
    return new SoapClient(text('url') . "/services/$name?wsdl", [
        'soap_version' => $version === '1.2' ? SOAP_1_2 : SOAP_1_1, 'stream_context' => stream_context_create(['ssl' => $ssl]),
        'cache_wsdl' => WSDL_CACHE_NONE, 'exceptions' => true, 'keep_alive' => true]);
}

function upload(SoapClient $access, string $device, object $registered): object
{
    $plain = str_replace('@DEVICE@', $device, text('data.xml'));
    return $access->UploadData([
        'messageId' => text('message'), 'deviceId' => $device, 'enterpriseCode' => text('enterprise'),
        'regVersion' => $registered->regVersion, 'dicVersion' => $registered->dicVersion, 'contentEncoding' => 'gzip',
        'encryption' => 'none', 'digestMethod' => 'SHA-256', 'digest' => hash('sha256', $plain), 'content' => gzencode($plain)]);
}

function tell_upload(string $name, object $answer): void
{
    foreach (['responseCode', 'duplicate', 'recordsReceived', 'recordsStored', 'recordsUnchanged', 'recordsRejected', 'uploadId'] as $field) {
        tell("$name.$field", $answer->$field);
    }
    tell("$name.findings", implode(' ', array_map(fn($f) => "$f->code@$f->line", every($answer, 'finding'))));
}

function fault(string $name, callable $call): void
{
    try {
        $call();
    } catch (SoapFault $error) {
        tell("$name.fault", $error->detail->ServiceFault->code);
    }
}

function download(SoapClient $access, string $device): void
{
    $base = $access->DownloadBaseData(['deviceId' => $device]);
    tell('base.responseCode', $base->responseCode);
    tell('base.tables', count(every($base, 'table')));
}

function devices(SoapClient $access): void
{
    $registered = $access->Register(['enterpriseCode' => text('enterprise'), 'regionCode' => '420100', 'deviceSerial' => text('serial')]);
    $device = $registered->deviceId;
    tell('register.responseCode', $registered->responseCode);
    tell('register.deviceId', $device);
    $versions = $access->CheckVersion(['deviceId' => $device]);
    tell('version.responseCode', $versions->responseCode);
    tell('version.dicVersion', $versions->dicVersion === $registered->dicVersion);
    $config = $access->UploadConfig(['messageId' => text('message') . '-c', 'deviceId' => $device, 'enterpriseCode' => text('enterprise'),
        'dicVersion' => $registered->dicVersion, 'content' => text('config.xml')]);
    tell('config.responseCode', $config->responseCode);
    tell('config.configVersion', $config->configVersion);
    tell_upload('upload', upload($access, $device, $registered));
    tell_upload('replay', upload($access, $device, $registered));
    $records = $access->QueryUploads(['deviceId' => $device, 'from' => '2000-01-01 00:00:00', 'to' => '2099-01-01 00:00:00']);
    tell('uploads.responseCode', $records->responseCode);
    tell('uploads.messages', implode(' ', array_map(fn($r) => $r->messageId, every($records, 'record'))));
    $beat = $access->Heartbeat(['deviceId' => $device, 'deviceTime' => $registered->platformTime, 'pendingRecords' => 0]);
    tell('heartbeat.responseCode', $beat->responseCode);
    tell('heartbeat.uploadPeriod', $beat->uploadPeriod);
    fault('base', fn() => download($access, $device));
    fault('foreign', fn() => $access->Register(['enterpriseCode' => text('other'), 'regionCode' => '420100', 'deviceSerial' => 'x']));
}

function platform(SoapClient $query): void
{
    $rows = $query->QueryData(['enterpriseCode' => [text('enterprise')], 'granularity' => 'minute',
        'from' => '2024-05-01 00:00:00', 'to' => '2024-05-02 00:00:00']);
    tell('query.responseCode', $rows->responseCode);
    tell('query.rows', implode(';', array_map(fn($r) => "$r->dataCode $r->statDate $r->value", every($rows, 'row'))));
}

devices(service('access', 'enterprise'));
platform(service('query', 'platform'));
