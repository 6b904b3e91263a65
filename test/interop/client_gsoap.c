/* The whole flow by a client that gSOAP generated: client_gsoap FOLDER 1.1|1.2. What FOLDER holds and what is printed:
 * README.md. The services have a set of functions for each SOAP version; their names differ by an underscore. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "DeviceAccessSoap11.nsmap"
#include "soapH.h"

static const char *folder;
static bool soap12;

#define CALL(ns, operation, soap, url, in, out)                                                                        \
    (soap12 ? soap_call___##ns##__##operation##_(soap, url, NULL, in, out)                                             \
            : soap_call___##ns##__##operation(soap, url, NULL, in, out))

static char *path_of(struct soap *soap, const char *name)
{
    size_t size = strlen(folder) + strlen(name) + 2;
    char *path = soap_malloc(soap, size);
    snprintf(path, size, "%s/%s", folder, name);
    return path;
}

static char *text(struct soap *soap, const char *name)
{
    FILE *file = fopen(path_of(soap, name), "rb");
    char *whole = soap_malloc(soap, 1 << 16);
    size_t len = file ? fread(whole, 1, (1 << 16) - 1, file) : 0;
    if (!file)
        exit(2);
    fclose(file);
    while (len > 0 && strchr("\r\n ", whole[len - 1]))
        len--;
    whole[len] = 0;
    return whole;
}

static void tell(const char *name, const char *value)
{
    printf("%s=%s\n", name, value ? value : "");
}

static void tell_number(const char *step, const char *field, long value)
{
    printf("%s.%s=%ld\n", step, field, value);
}

static void must(struct soap *soap, int error, const char *what)
{
    if (error == SOAP_OK)
        return;
    fprintf(stderr, "%s: ", what);
    soap_print_fault(soap, stderr);
    exit(1);
}

static struct soap *service(const char *who)
{
    struct soap *soap = soap_new1(SOAP_C_UTFSTRING | SOAP_IO_KEEPALIVE);
    char key_file[4096], pem[4096], line[4096];
    /* gSOAP wants certificate and key in one file */
    snprintf(key_file, sizeof key_file, "%s/%s.both", folder, who);
    FILE *both = fopen(key_file, "w");
    for (int i = 0; both && i < 2; i++) {
        snprintf(pem, sizeof pem, "%s/%s.%s", folder, who, i ? "key" : "pem");
        FILE *one = fopen(pem, "r");
        while (one && fgets(line, sizeof line, one))
            fputs(line, both);
        if (one)
            fclose(one);
    }
    if (both)
        fclose(both);
    if (soap_ssl_client_context(soap, SOAP_SSL_REQUIRE_SERVER_AUTHENTICATION | SOAP_TLSv1_2 | SOAP_TLSv1_3, key_file,
                                NULL, path_of(soap, "ca.pem"), NULL, NULL)) {
        soap_print_fault(soap, stderr);
        exit(1);
    }
    soap->connect_timeout = soap->send_timeout = soap->recv_timeout = 30;
    return soap;
}

/* The address of the platform that the WSDL came from; the file of the WSDL has it too. */
static const char *address(struct soap *soap, const char *name)
{
    const char *url = text(soap, "url");
    char *whole = soap_malloc(soap, strlen(url) + 32);
    sprintf(whole, "%s/services/%s", url, name);
    return whole;
}

static char *digest_of(struct soap *soap, const char *plain)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    char *hex = soap_malloc(soap, sizeof digest * 2 + 1);
    EVP_Digest(plain, strlen(plain), digest, &len, EVP_sha256(), NULL);
    for (unsigned i = 0; i < len; i++)
        sprintf(hex + 2 * i, "%02x", digest[i]);
    return hex;
}

static char *data_of(struct soap *soap, const char *device)
{
    char *model = text(soap, "data.xml"), *at = strstr(model, "@DEVICE@");
    char *plain = soap_malloc(soap, strlen(model) + strlen(device) + 1);
    sprintf(plain, "%.*s%s%s", (int)(at - model), model, device, at + strlen("@DEVICE@"));
    return plain;
}

static void tell_upload(const char *step, const struct _ns1__UploadDataResponse *a)
{
    tell_number(step, "responseCode", a->responseCode);
    printf("%s.duplicate=%s\n", step, a->duplicate ? "true" : "false");
    tell_number(step, "recordsReceived", a->recordsReceived);
    tell_number(step, "recordsStored", a->recordsStored);
    tell_number(step, "recordsUnchanged", a->recordsUnchanged);
    tell_number(step, "recordsRejected", a->recordsRejected);
    printf("%s.uploadId=%s\n%s.findings=", step, a->uploadId, step);
    for (int i = 0; i < a->__sizefinding; i++)
        printf("%s%d@%ld", i ? " " : "", a->finding[i].code, a->finding[i].line ? (long)*a->finding[i].line : 0L);
    printf("\n");
}

static void upload(struct soap *soap, const char *url, const struct _ns1__RegisterResponse *registered,
                   const char *step)
{
    char *plain = data_of(soap, registered->deviceId);
    struct _ns1__UploadData in = {.messageId = text(soap, "message"),
                                  .deviceId = registered->deviceId,
                                  .enterpriseCode = text(soap, "enterprise"),
                                  .regVersion = registered->regVersion,
                                  .dicVersion = registered->dicVersion,
                                  .contentEncoding = ns1__ContentEncoding__identity,
                                  .encryption = ns1__Encryption__none,
                                  .digestMethod = ns1__DigestMethod__SHA_256,
                                  .digest = digest_of(soap, plain),
                                  .content = {.__ptr = (unsigned char *)plain, .__size = (int)strlen(plain)}};
    struct _ns1__UploadDataResponse out = {0};
    must(soap, CALL(ns1, UploadData, soap, url, &in, &out), "UploadData");
    tell_upload(step, &out);
}

static void configure(struct soap *soap, const char *url, const struct _ns1__RegisterResponse *registered)
{
    char *document = text(soap, "config.xml"), id[100];
    snprintf(id, sizeof id, "%s-c", text(soap, "message"));
    struct _ns1__UploadConfig in = {.messageId = id,
                                    .deviceId = registered->deviceId,
                                    .enterpriseCode = text(soap, "enterprise"),
                                    .dicVersion = registered->dicVersion,
                                    .content = {.__ptr = (unsigned char *)document, .__size = (int)strlen(document)}};
    struct _ns1__UploadConfigResponse out = {0};
    must(soap, CALL(ns1, UploadConfig, soap, url, &in, &out), "UploadConfig");
    tell_number("config", "responseCode", out.responseCode);
    tell("config.configVersion", out.configVersion);
}

static int fault_code(struct soap *soap)
{
    soap_set_fault(soap);
    struct SOAP_ENV__Detail *detail = soap->fault ? soap->fault->detail : NULL;
    if (soap->fault && soap->fault->SOAP_ENV__Detail)
        detail = soap->fault->SOAP_ENV__Detail;
    return detail && detail->ns1__ServiceFault ? detail->ns1__ServiceFault->code : 0;
}

static void base_data(struct soap *soap, const char *url, char *device)
{
    struct _ns1__DownloadBaseData in = {.deviceId = device};
    struct _ns1__DownloadBaseDataResponse out = {0};
    int error = CALL(ns1, DownloadBaseData, soap, url, &in, &out);
    if (error != SOAP_OK) {
        tell_number("base", "fault", fault_code(soap));
        return;
    }
    tell_number("base", "responseCode", out.responseCode);
    tell_number("base", "tables", out.__sizetable);
}

static void foreign(struct soap *soap, const char *url)
{
    struct _ns1__Register in = {.enterpriseCode = text(soap, "other"), .regionCode = "420100", .deviceSerial = "x"};
    struct _ns1__RegisterResponse out = {0};
    int error = CALL(ns1, Register, soap, url, &in, &out);
    tell_number("foreign", "fault", error == SOAP_OK ? 0 : fault_code(soap));
}

static void receipts(struct soap *soap, const char *url, char *device)
{
    struct _ns1__QueryUploads in = {.deviceId = device, .from = "2000-01-01 00:00:00", .to = "2099-01-01 00:00:00"};
    struct _ns1__QueryUploadsResponse out = {0};
    must(soap, CALL(ns1, QueryUploads, soap, url, &in, &out), "QueryUploads");
    tell_number("uploads", "responseCode", out.responseCode);
    printf("uploads.messages=");
    for (int i = 0; i < out.__sizerecord; i++)
        printf("%s%s", i ? " " : "", out.record[i].messageId);
    printf("\n");
}

static void heartbeat(struct soap *soap, const char *url, const struct _ns1__RegisterResponse *registered)
{
    LONG64 pending = 0;
    struct _ns1__Heartbeat in = {
        .deviceId = registered->deviceId, .deviceTime = registered->platformTime, .pendingRecords = &pending};
    struct _ns1__HeartbeatResponse out = {0};
    must(soap, CALL(ns1, Heartbeat, soap, url, &in, &out), "Heartbeat");
    tell_number("heartbeat", "responseCode", out.responseCode);
    tell_number("heartbeat", "uploadPeriod", out.uploadPeriod);
}

static void devices(struct soap *soap)
{
    const char *url = address(soap, "access");
    struct _ns1__Register in = {
        .enterpriseCode = text(soap, "enterprise"), .regionCode = "420100", .deviceSerial = text(soap, "serial")};
    struct _ns1__RegisterResponse registered = {0};
    must(soap, CALL(ns1, Register, soap, url, &in, &registered), "Register");
    tell_number("register", "responseCode", registered.responseCode);
    tell("register.deviceId", registered.deviceId);
    struct _ns1__CheckVersion check = {.deviceId = registered.deviceId};
    struct _ns1__CheckVersionResponse versions = {0};
    must(soap, CALL(ns1, CheckVersion, soap, url, &check, &versions), "CheckVersion");
    tell_number("version", "responseCode", versions.responseCode);
    tell("version.dicVersion", strcmp(versions.dicVersion, registered.dicVersion) == 0 ? "true" : "false");
    configure(soap, url, &registered);
    upload(soap, url, &registered, "upload");
    upload(soap, url, &registered, "replay");
    receipts(soap, url, registered.deviceId);
    heartbeat(soap, url, &registered);
    base_data(soap, url, registered.deviceId);
    foreign(soap, url);
}

static void platform(struct soap *soap)
{
    const char *url = address(soap, "query");
    char *enterprise = text(soap, "enterprise");
    struct _ns2__QueryData in = {.__sizeenterpriseCode = 1,
                                 .enterpriseCode = &enterprise,
                                 .granularity = ns2__Granularity__minute,
                                 .from = "2024-05-01 00:00:00",
                                 .to = "2024-05-02 00:00:00"};
    struct _ns2__QueryDataResponse out = {0};
    must(soap, CALL(ns2, QueryData, soap, url, &in, &out), "QueryData");
    tell_number("query", "responseCode", out.responseCode);
    printf("query.rows=");
    for (int i = 0; i < out.__sizerow; i++)
        printf("%s%s %s %s", i ? ";" : "", out.row[i].dataCode, out.row[i].statDate, out.row[i].value);
    printf("\n");
}

static void end(struct soap *soap)
{
    soap_destroy(soap);
    soap_end(soap);
    soap_free(soap);
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    folder = argv[1];
    soap12 = strcmp(argv[2], "1.2") == 0;
    soap_ssl_init();
    struct soap *soap = service("enterprise");
    devices(soap);
    end(soap);
    soap = service("platform");
    platform(soap);
    end(soap);
    return 0;
}
