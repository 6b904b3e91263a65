/* soap_fixture: an engine without platform: requests from memory, operations that write down what they were given. */
#ifndef NHJC_TEST_SOAP_FIXTURE_H
#define NHJC_TEST_SOAP_FIXTURE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "payload/envelope.h"
#include "soap/base64.h"
#include "soap/engine.h"
#include "soap/op_row.h"

static struct {
    int runs; /* of any operation */
    char message_id[256], encryption[64];
    unsigned char content[1 << 16];
    size_t content_len;
    int refusals, refused_code;
    struct result authorise, run; /* what the hooks answer */
    int response_code;
    size_t rows;     /* QueryData answers so many */
    int retry_after; /* what the hook says of 1106 */
    int authorised;  /* how often it was asked */
} seen;

OP_SERIALIZERS(access, UploadData)
OP_SERIALIZERS(access, CheckVersion)
OP_SERIALIZERS(access, DownloadEnterprise)
OP_SERIALIZERS(access, ReportCommand)
OP_SERIALIZERS(query, QueryData)

static struct result run_upload(struct engine_call *call, const void *request, void *response)
{
    const struct _access__UploadData *in = request;
    struct _access__UploadDataResponse *out = response;
    seen.runs++;
    call->message_id = in->messageId;
    snprintf(seen.message_id, sizeof seen.message_id, "%s", in->messageId);
    snprintf(seen.encryption, sizeof seen.encryption, "%s", in->encryption);
    seen.content_len = in->content.len;
    if (in->content.len && in->content.len <= sizeof seen.content)
        memcpy(seen.content, in->content.ptr, in->content.len);
    out->responseCode = seen.response_code;
    out->recordsReceived = 7;
    return seen.run;
}

static struct result run_check(struct engine_call *call, const void *request, void *response)
{
    struct _access__CheckVersionResponse *out = response;
    (void)request;
    seen.runs++;
    out->regVersion = arena_printf(call->arena, "<%s>", call->base_url ? call->base_url : "none");
    return seen.run;
}

static struct result run_download(struct engine_call *call, const void *request, void *response)
{
    struct _access__DownloadEnterpriseResponse *out = response;
    (void)call;
    (void)request;
    seen.runs++;
    out->content = (struct wire_bytes){(const unsigned char *)"any carnal pleas", 16};
    return RESULT_OK;
}

static struct result run_query(struct engine_call *call, const void *request, void *response)
{
    const struct _query__QueryData *in = request;
    struct _query__QueryDataResponse *out = response;
    seen.runs++;
    snprintf(seen.message_id, sizeof seen.message_id, "%d %s", in->__sizeenterpriseCode, in->granularity);
    out->row = arena_array(call->arena, seen.rows + 1, sizeof *out->row);
    out->__sizerow = (int)seen.rows;
    for (size_t i = 0; i < seen.rows; i++)
        out->row[i].statDate = arena_printf(call->arena, "row %zu", i);
    return RESULT_OK;
}

static const struct engine_op FIXTURE_OPS[] = {
    OP_ROW(SERVICE_ACCESS, access, UploadData, run_upload),
    OP_ROW(SERVICE_ACCESS, access, CheckVersion, run_check),
    OP_ROW(SERVICE_ACCESS, access, DownloadEnterprise, run_download),
    OP_ROW(SERVICE_ACCESS, access, ReportCommand, NULL),
    OP_ROW(SERVICE_QUERY, query, QueryData, run_query),
};

static struct result fixture_authorise(struct engine_call *call)
{
    call->retry_after = seen.retry_after;
    seen.authorised++;
    return seen.authorise;
}

static void fixture_refused(struct engine_call *call, int code, const char *message)
{
    (void)call;
    (void)message;
    seen.refusals++;
    seen.refused_code = code;
}

static struct engine *fixture_limited(const char *public_url, const struct wire_limits *limits)
{
    struct engine_config config = {.ops = FIXTURE_OPS,
                                   .op_count = ARRAY_LEN(FIXTURE_OPS),
                                   .limits = limits,
                                   .max_body = 8 << 20,
                                   .public_url = public_url,
                                   .authorise = fixture_authorise,
                                   .refused = fixture_refused};
    return engine_new(&config);
}

static struct engine *fixture_engine(const char *public_url)
{
    return fixture_limited(public_url, &WIRE_LIMITS_DEFAULT);
}

#define SOAP11 "http://schemas.xmlsoap.org/soap/envelope/"
#define SOAP12 "http://www.w3.org/2003/05/soap-envelope"
#define TYPE11 "text/xml; charset=utf-8"
#define TYPE12 "application/soap+xml; charset=utf-8; action=\"x\""

#define ENVELOPE(uri, body) "<e:Envelope xmlns:e=\"" uri "\"><e:Body>" body "</e:Body></e:Envelope>"
#define UPLOAD_WITH(id, encryption, content)                                                                           \
    "<UploadData xmlns=\"urn:nhjc:access:v1\"><messageId>" id "</messageId><deviceId>d</deviceId>"                     \
    "<enterpriseCode>914201007AAAAAAAAA</enterpriseCode><regVersion>1</regVersion><dicVersion>0</dicVersion>"          \
    "<contentEncoding>identity</contentEncoding><encryption>" encryption "</encryption>"                               \
    "<digestMethod>SHA-256</digestMethod><digest>00</digest>" content "</UploadData>"
#define UPLOAD(content) UPLOAD_WITH("m-1", "none", content)
#define CHECK "<CheckVersion xmlns=\"urn:nhjc:access:v1\"><deviceId>d</deviceId></CheckVersion>"

static struct net_request fixture_request(const char *path, const char *type, const void *body, size_t len)
{
    struct net_request request = {.method = NET_POST,
                                  .path = (char *)(uintptr_t)path,
                                  .query = (char *)(uintptr_t) "",
                                  .host = (char *)(uintptr_t) "province.example:8443",
                                  .content_type = (char *)(uintptr_t)type,
                                  .soap_action = (char *)(uintptr_t) ""};
    buf_append(&request.body, body, len);
    return request;
}

static struct soap_answer fixture_send(struct engine *engine, struct net_request request)
{
    struct soap_answer answer;
    engine_serve(engine, &request, &answer);
    buf_free(&request.body);
    return answer;
}

#endif
