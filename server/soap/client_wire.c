#include "soap/client_wire.h"

#include <string.h>

#include "base/mem.h"
#include "soap/engine.h"
#include "soap/wire_guard.h"

struct client_wire {
    struct soap *soap;
    struct arena *arena;
    struct wire_io io;
};

#define SERIALIZERS(op, service, prefix, name)                                                                         \
    static int write_##prefix##_##name(struct soap *soap, const void *request, const char *tag)                        \
    {                                                                                                                  \
        return soap_out__##prefix##__##name(soap, tag, -1, request, NULL);                                             \
    }                                                                                                                  \
    static void *read_##prefix##_##name(struct soap *soap, const char *tag)                                            \
    {                                                                                                                  \
        return soap_in__##prefix##__##name##Response(soap, tag, NULL, NULL);                                           \
    }

#define ROW(op, service_, prefix, name)                                                                                \
    [op] = {.service = (service_),                                                                                     \
            .action = "\"urn:nhjc:" #prefix ":v1#" #name "\"",                                                         \
            .tag = #prefix ":" #name,                                                                                  \
            .response_tag = #prefix ":" #name "Response",                                                              \
            .write = write_##prefix##_##name,                                                                          \
            .read = read_##prefix##_##name},

#define OPERATIONS_OF_CLIENT(X)                                                                                        \
    X(CLIENT_REGISTER, SERVICE_ACCESS, access, Register)                                                               \
    X(CLIENT_CHECK_VERSION, SERVICE_ACCESS, access, CheckVersion)                                                      \
    X(CLIENT_DOWNLOAD_BASE_DATA, SERVICE_ACCESS, access, DownloadBaseData)                                             \
    X(CLIENT_UPLOAD_CONFIG, SERVICE_ACCESS, access, UploadConfig)                                                      \
    X(CLIENT_UPLOAD_DATA, SERVICE_ACCESS, access, UploadData)                                                          \
    X(CLIENT_HEARTBEAT, SERVICE_ACCESS, access, Heartbeat)                                                             \
    X(CLIENT_REPORT_COMMAND, SERVICE_ACCESS, access, ReportCommand)                                                    \
    X(CLIENT_REGISTER_PLATFORM, SERVICE_EXCHANGE, exchange, RegisterPlatform)                                          \
    X(CLIENT_UPLOAD_ENTERPRISES, SERVICE_EXCHANGE, exchange, UploadEnterprises)                                        \
    X(CLIENT_PLATFORM_UPLOAD_DATA, SERVICE_EXCHANGE, exchange, UploadData)                                             \
    X(CLIENT_PLATFORM_HEARTBEAT, SERVICE_EXCHANGE, exchange, Heartbeat)                                                \
    X(CLIENT_QUERY_DATA, SERVICE_QUERY, query, QueryData)

OPERATIONS_OF_CLIENT(SERIALIZERS)
static const struct client_op_row ROWS[CLIENT_OP_COUNT] = {OPERATIONS_OF_CLIENT(ROW)};

const struct client_op_row *client_op_row(enum client_op op)
{
    return &ROWS[op];
}

struct client_wire *client_wire_new(size_t max_answer)
{
    struct client_wire *w = mem_alloc(sizeof *w);
    w->soap = wire_open(max_answer ? max_answer : SOAP_BODY_LIMIT, WIRE_LENIENT);
    w->arena = arena_new(0);
    return w;
}

void client_wire_free(struct client_wire **wire)
{
    if (!*wire)
        return;
    wire_close(&(*wire)->soap);
    arena_free(&(*wire)->arena);
    mem_free(*wire);
    *wire = NULL;
}

struct arena *client_wire_arena(struct client_wire *wire)
{
    return wire->arena;
}

RESULT client_wire_write(struct client_wire *wire, enum client_op op, const void *request, struct buf *out)
{
    const struct client_op_row *row = &ROWS[op];
    wire_end(wire->soap);
    arena_reset(wire->arena);
    wire->io = (struct wire_io){.out = out};
    if (wire_write_message(wire->soap, &wire->io, row->service, 1, row->write, request, row->tag))
        return result_error(ERR_INTERNAL, 0, "gSOAP error %d while writing %s", wire->soap->error, row->tag);
    return RESULT_OK;
}

/* ---- answers ---- */

/* Kinds of HTTP answers that hold no SOAP message. */
static RESULT plain_http(int status)
{
    if (status == 401 || status == 403)
        return result_error(ERR_UNAUTHORISED, 0, "对方拒绝，HTTP状态%d / refused with HTTP status %d", status, status);
    if (status == 413)
        return result_error(ERR_LIMIT, 1107, "报文超过对方的上限 / the message is too large for the other side");
    return result_error(ERR_TRANSIENT, 0, "应答不是SOAP，HTTP状态%d / HTTP status %d without a SOAP answer", status,
                        status);
}

static enum err_kind kind_of_code(int code)
{
    if (code >= 9000)
        return ERR_TRANSIENT;
    return code >= 1000 && code < 2000 && code != 1107 ? ERR_UNAUTHORISED : ERR_SENDER;
}

/* The code our services put into the detail; 0: a fault of something else on the way. */
static int fault_code(const struct SOAP_ENV__Fault *f, const char **message)
{
    const struct SOAP_ENV__Detail *d = f->detail;
    if (d && d->access__ServiceFault) {
        *message = d->access__ServiceFault->message;
        return d->access__ServiceFault->code;
    }
    if (d && d->exchange__ServiceFault) {
        *message = d->exchange__ServiceFault->message;
        return d->exchange__ServiceFault->code;
    }
    return 0;
}

static RESULT read_fault(struct client_wire *w)
{
    const struct SOAP_ENV__Fault *f = soap_in_SOAP_ENV__Fault(w->soap, "SOAP-ENV:Fault", NULL, NULL);
    if (!f)
        return result_error(ERR_TRANSIENT, 0, "对方的Fault无法识别 / unreadable fault");
    const char *message = f->faultstring;
    int code = fault_code(f, &message);
    message = message ? message : "";
    if (code)
        return result_error(kind_of_code(code), code, "%s", message);
    bool sender = f->faultcode && strstr(f->faultcode, "Client");
    return result_error(sender ? ERR_SENDER : ERR_TRANSIENT, 0, "对方的Fault没有代码 / fault without a code: %s",
                        message);
}

/* gSOAP's lenient reading would take an absent responseCode for 0, which is "accepted". */
static bool has_response_code(const struct buf *answer)
{
    static const char NAME[] = "responseCode>";
    return memmem(answer->data, answer->len, NAME, sizeof NAME - 1) != NULL;
}

static RESULT read_response(struct client_wire *w, const struct client_op_row *row, const struct buf *answer,
                            const void **response)
{
    void *read = row->read(w->soap, row->response_tag);
    if (!read || wire_read_end(w->soap) || !has_response_code(answer))
        return result_error(ERR_TRANSIENT, 0, "应答不是%s / the answer is no %s", row->response_tag, row->response_tag);
    const struct response_head *head = read;
    if (head->responseCode >= 9000)
        return result_error(ERR_TRANSIENT, head->responseCode, "%s",
                            head->responseMessage ? head->responseMessage : "");
    *response = read;
    return RESULT_OK;
}

RESULT client_wire_read(struct client_wire *wire, enum client_op op, int status, const struct buf *answer,
                        const void **response)
{
    const struct client_op_row *row = &ROWS[op];
    const uint8_t *bytes = answer->data;
    size_t len = answer->len;
    wire_end(wire->soap);
    arena_reset(wire->arena);
    if (len == 0 || (status != 200 && status != 400 && status != 500))
        return plain_http(status);
    if (wire_guard(&WIRE_LIMITS_DEFAULT, &bytes, &len, NULL).code)
        return plain_http(status);
    wire->io = (struct wire_io){.in = bytes, .in_len = len};
    if (wire_read_begin(wire->soap, &wire->io, row->service))
        return plain_http(status);
    if (soap_match_tag(wire->soap, wire->soap->tag, "SOAP-ENV:Fault") == SOAP_OK)
        return read_fault(wire);
    return read_response(wire, row, answer, response);
}
