/* Micro benchmark of the SOAP side: an UploadData of 200 records (23 KB of XML as base64) from HTTP body to answer,
 * with an operation that does nothing. Prints one JSON object; the fastest of several rounds counts. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "soap/base64.h"
#include "soap/engine.h"
#include "soap/op_row.h"

enum { ROUNDS = 20, CALLS = 500, CONTENT = 23 * 1024 };

OP_SERIALIZERS(access, UploadData)

static size_t received;

static struct result swallow(struct engine_call *call, const void *request, void *response)
{
    const struct _access__UploadData *in = request;
    struct _access__UploadDataResponse *out = response;
    (void)call;
    received = in->content.len;
    out->recordsStored = 200;
    return RESULT_OK;
}

static const struct engine_op OPS[] = {OP_ROW(SERVICE_ACCESS, access, UploadData, swallow)};

static struct buf make_content(void)
{
    struct buf b = BUF_INIT;
    while (b.len < CONTENT)
        buf_printf(&b,
                   "<data dataCode=\"0000000002%04zu11\" statType=\"0\" statDate=\"2026-11-20 10:15:00\" "
                   "dataValue=\"%zu.%04zu\" inputType=\"4\" scope=\"1\"/>\n",
                   b.len % 10000, b.len % 977, b.len % 9973);
    return b;
}

static struct buf make_envelope(const struct buf *content)
{
    struct buf b = BUF_INIT;
    char *letters = mem_alloc(BASE64_LENGTH(content->len) + 1);
    base64_encode(content->data, content->len, letters);
    buf_printf(
        &b,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><soap:Envelope "
        "xmlns:soap=\"http://schemas.xmlsoap.org/soap/envelope/\"><soap:Body><UploadData "
        "xmlns=\"urn:nhjc:access:v1\"><messageId>%032d</messageId><deviceId>%032d</deviceId>"
        "<enterpriseCode>91420107MA004101X5</enterpriseCode><regVersion>1</regVersion><dicVersion>1</dicVersion>"
        "<contentEncoding>identity</contentEncoding><encryption>none</encryption><digestMethod>SHA-256</digestMethod>"
        "<digest>%064d</digest><content>",
        1, 2, 3);
    buf_append_str(&b, letters);
    buf_append_str(&b, "</content></UploadData></soap:Body></soap:Envelope>");
    mem_free(letters);
    return b;
}

static double serve_us(struct engine *engine, const struct buf *envelope)
{
    char path[] = "/services/access", type[] = "text/xml; charset=utf-8", none[] = "", host[] = "localhost";
    struct net_request request = {.method = NET_POST,
                                  .path = path,
                                  .query = none,
                                  .host = host,
                                  .content_type = type,
                                  .soap_action = none,
                                  .body = *envelope};
    int64_t start = clock_monotonic();
    for (int i = 0; i < CALLS; i++) {
        struct soap_answer answer;
        engine_serve(engine, &request, &answer);
        if (answer.status != 200 || received < CONTENT) {
            fprintf(stderr, "%s\n", buf_str(&answer.body));
            exit(1);
        }
        buf_free(&answer.body);
    }
    return (double)(clock_monotonic() - start) / 1000 / CALLS;
}

static double guard_us(const struct buf *envelope)
{
    int64_t start = clock_monotonic();
    for (int i = 0; i < CALLS; i++) {
        const uint8_t *text = envelope->data;
        size_t len = envelope->len;
        if (wire_guard(&WIRE_LIMITS_DEFAULT, &text, &len, NULL).code)
            exit(1);
    }
    return (double)(clock_monotonic() - start) / 1000 / CALLS;
}

static double decode_us(const struct buf *content)
{
    char *letters = mem_alloc(BASE64_LENGTH(content->len) + 1);
    uint8_t *bytes = mem_alloc(BASE64_ROOM(BASE64_LENGTH(content->len)));
    base64_encode(content->data, content->len, letters);
    int64_t start = clock_monotonic();
    for (int i = 0; i < CALLS; i++) {
        struct base64_decoder d = {.out = bytes};
        if (!base64_feed(&d, (const uint8_t *)letters, BASE64_LENGTH(content->len)))
            exit(1);
    }
    double us = (double)(clock_monotonic() - start) / 1000 / CALLS;
    mem_free(letters);
    mem_free(bytes);
    return us;
}

static double least(double a, double b)
{
    return a < b ? a : b;
}

int main(void)
{
    struct engine_config config = {
        .ops = OPS, .op_count = ARRAY_LEN(OPS), .limits = &WIRE_LIMITS_DEFAULT, .max_body = 64 << 20, .public_url = ""};
    struct engine *engine = engine_new(&config);
    struct buf content = make_content(), envelope = make_envelope(&content);
    double serve = 1e9, guard = 1e9, decode = 1e9;
    for (int i = 0; i < ROUNDS; i++) {
        serve = least(serve, serve_us(engine, &envelope));
        guard = least(guard, guard_us(&envelope));
        decode = least(decode, decode_us(&content));
    }
    printf("{\"requestBytes\": %zu, \"contentBytes\": %zu, \"serveUs\": %.1f, \"ofThisGuardUs\": %.1f, "
           "\"ofThisBase64Us\": %.1f}\n",
           envelope.len, content.len, serve, guard, decode);
    buf_free(&content);
    buf_free(&envelope);
    engine_free(&engine);
    return 0;
}
