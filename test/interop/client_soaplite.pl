#!/usr/bin/perl
# The whole flow by SOAP::Lite: client_soaplite.pl FOLDER 1.1|1.2. What FOLDER holds and what is printed: README.md.
# Operations, their namespace, address, soapAction and the order of their parameters come from the WSDL.
use strict;
use warnings;
use Digest::SHA qw(sha256_hex);
use LWP::UserAgent;
use MIME::Base64 qw(encode_base64);
use SOAP::Lite;
use XML::Parser;

my ($folder, $version) = @ARGV;

sub text {
    my ($name) = @_;
    open my $file, '<:raw', "$folder/$name" or die "$name: $!";
    local $/;
    my $whole = <$file>;
    $whole =~ s/^\s+|\s+$//g;
    return $whole;
}

sub tell_value { my ($name, $value) = @_; print "$name=", defined $value ? $value : '', "\n"; return; }

sub tls {
    my ($who) = @_;
    return (SSL_ca_file => "$folder/ca.pem", SSL_cert_file => "$folder/$who.pem", SSL_key_file => "$folder/$who.key", verify_hostname => 1);
}

# What the WSDL says: address of the port, per operation soapAction and the names of the parameters in order.
sub read_wsdl {
    my ($name, $who) = @_;
    my $agent = LWP::UserAgent->new(ssl_opts => {tls($who)});
    my $response = $agent->get(text('url') . "/services/$name?wsdl");
    die $response->status_line if !$response->is_success;
    my ($soap, %wsdl, $operation, $element, $binding) = ($version eq '1.2' ? 'soap12' : 'soap');
    my $start = sub {
        my ($expat, $tag, %at) = @_;
        $wsdl{namespace} = $at{targetNamespace} if $tag eq 'wsdl:definitions';
        $operation = $at{name} if $tag eq 'wsdl:operation';
        $wsdl{action}{$operation} = $at{soapAction} if $tag eq "$soap:operation";
        $wsdl{address} = $at{location} if $tag eq "$soap:address";
        return if $tag !~ /:element$/;
        my $outer = grep { /:complexType$/ } $expat->context;
        if (!$outer) { $element = $at{name}; }
        elsif ($element) { push @{$wsdl{fields}{$element}}, $at{name}; }
    };
    my $end = sub { my ($expat, $tag) = @_; $element = undef if $tag =~ /:element$/ && !grep { /:element$/ } $expat->context; };
    XML::Parser->new(Handlers => {Start => $start, End => $end})->parse($response->decoded_content(charset => 'none'));
    return \%wsdl;
}

sub service {
    my ($name, $who) = @_;
    my $wsdl = read_wsdl($name, $who);
    SOAP::Lite->soapversion($version); # before there is a serializer, which keeps the namespaces of its birth
    my $soap = SOAP::Lite->new;
    $soap->proxy($wsdl->{address});
    $soap->transport->ssl_opts(tls($who));
    $soap->serializer->encodingStyle('');
    $soap->default_ns($wsdl->{namespace})->autotype(0);
    $soap->on_fault(sub { my ($self, $answer) = @_; return $answer; });
    return sub {
        my ($operation, $may_fail, %fields) = @_;
        $soap->on_action(sub { return qq("$wsdl->{action}{$operation}"); });
        my @data;
        for my $field (@{$wsdl->{fields}{$operation}}) {
            my $value = delete $fields{$field};
            next if !defined $value;
            push @data, map { SOAP::Data->name($field => $_)->type('') } ref $value ? @{$value} : $value;
        }
        die "no such parameter of $operation: @{[keys %fields]}" if %fields;
        my $answer = $soap->call($operation, @data);
        die "$operation: no answer\n" if !ref $answer;
        die "$operation: " . $answer->faultstring . "\n" if $answer->fault && !$may_fail;
        return $answer;
    };
}

sub every { my ($answer, $path) = @_; return $answer->valueof("//Body/*/$path"); }
sub first { my ($answer, $path) = @_; my ($value) = every($answer, $path); return $value; }

sub upload {
    my ($access, $device, $registered) = @_;
    my $plain = text('data.xml');
    $plain =~ s/\@DEVICE\@/$device/;
    return $access->('UploadData', 0, messageId => text('message'), deviceId => $device, enterpriseCode => text('enterprise'),
        regVersion => first($registered, 'regVersion'), dicVersion => first($registered, 'dicVersion'), contentEncoding => 'identity',
        encryption => 'none', digestMethod => 'SHA-256', digest => sha256_hex($plain), content => encode_base64($plain, ''));
}

sub tell_upload {
    my ($name, $answer) = @_;
    tell_value("$name.$_", first($answer, $_))
        for qw(responseCode duplicate recordsReceived recordsStored recordsUnchanged recordsRejected uploadId);
    tell_value("$name.findings", join ' ', map { "$_->{code}\@$_->{line}" } every($answer, 'finding'));
    return;
}

sub download {
    my ($access, $device) = @_;
    my $base = $access->('DownloadBaseData', 1, deviceId => $device);
    return tell_value('base.fault', scalar $base->valueof('//ServiceFault/code')) if $base->fault;
    tell_value('base.responseCode', first($base, 'responseCode'));
    tell_value('base.tables', scalar(my @tables = every($base, 'table')));
    return;
}

sub devices {
    my ($access) = @_;
    my $registered = $access->('Register', 0, enterpriseCode => text('enterprise'), regionCode => '420100', deviceSerial => text('serial'));
    my $device = first($registered, 'deviceId');
    tell_value('register.responseCode', first($registered, 'responseCode'));
    tell_value('register.deviceId', $device);
    my $versions = $access->('CheckVersion', 0, deviceId => $device);
    tell_value('version.responseCode', first($versions, 'responseCode'));
    tell_value('version.dicVersion', first($versions, 'dicVersion') eq first($registered, 'dicVersion') ? 'true' : 'false');
    my $config = $access->('UploadConfig', 0, messageId => text('message') . '-c', deviceId => $device, enterpriseCode => text('enterprise'),
        dicVersion => first($registered, 'dicVersion'), content => encode_base64(text('config.xml'), ''));
    tell_value('config.responseCode', first($config, 'responseCode'));
    tell_value('config.configVersion', first($config, 'configVersion'));
    tell_upload('upload', upload($access, $device, $registered));
    tell_upload('replay', upload($access, $device, $registered));
    my $records = $access->('QueryUploads', 0, deviceId => $device, from => '2000-01-01 00:00:00', to => '2099-01-01 00:00:00');
    tell_value('uploads.responseCode', first($records, 'responseCode'));
    tell_value('uploads.messages', join ' ', map { $_->{messageId} } every($records, 'record'));
    my $beat = $access->('Heartbeat', 0, deviceId => $device, deviceTime => first($registered, 'platformTime'), pendingRecords => 0);
    tell_value('heartbeat.responseCode', first($beat, 'responseCode'));
    tell_value('heartbeat.uploadPeriod', first($beat, 'uploadPeriod'));
    download($access, $device);
    my $refused = $access->('Register', 1, enterpriseCode => text('other'), regionCode => '420100', deviceSerial => 'x');
    tell_value('foreign.fault', scalar $refused->valueof('//ServiceFault/code'));
    return;
}

sub platform {
    my ($query) = @_;
    my $rows = $query->('QueryData', 0, enterpriseCode => [text('enterprise')], granularity => 'minute',
        from => '2024-05-01 00:00:00', to => '2024-05-02 00:00:00');
    tell_value('query.responseCode', first($rows, 'responseCode'));
    tell_value('query.rows', join ';', map { "$_->{dataCode} $_->{statDate} $_->{value}" } every($rows, 'row'));
    return;
}

devices(service('access', 'enterprise'));
platform(service('query', 'platform'));
