#include "soap/engine.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/caltime.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "payload/envelope.h"
#include "payload/finding.h"
#include "soap/texts.h"

enum { GZIP_FROM = 1024, ARENA_LIMIT = 768 << 20 };

struct engine {
    struct engine_config config;
    struct soap *soap;
    struct arena *arena;
    struct buf unpacked;
    struct mime mime;
    struct wire_io io;
    bool nested;      /* see wire_guard */
    char headers[48]; /* of the answer last given */
};

struct engine *engine_new(const struct engine_config *config)
{
    struct engine *e = mem_alloc(sizeof *e);
    e->config = *config;
    e->soap = wire_open(config->max_body, WIRE_STRICT);
    e->arena = arena_new(ARENA_LIMIT);
    return e;
}

void engine_free(struct engine **engine)
{
    if (!*engine)
        return;
    wire_close(&(*engine)->soap);
    arena_free(&(*engine)->arena);
    buf_free(&(*engine)->unpacked);
    mem_free(*engine);
    *engine = NULL;
}

/* ---- plain HTTP ---- */

static void answer_text(struct soap_answer *answer, int status, const char *headers, const char *text)
{
    answer->status = status;
    answer->content_type = "text/plain; charset=utf-8";
    answer->headers = headers;
    buf_append_str(&answer->body, text);
}

static bool host_usable(const char *host)
{
    size_t n = 0;
    for (; host[n]; n++)
        if (!isalnum((unsigned char)host[n]) && !strchr(".-_:[]", host[n]))
            return false;
    return n > 0 && n < 256;
}

/* NULL: the Host header cannot be part of an address. */
static const char *base_url(struct engine *e, const struct net_request *request)
{
    const char *configured = e->config.public_url ? e->config.public_url : "";
    size_t n = strlen(configured);
    if (n > 0)
        return arena_strndup(e->arena, configured, configured[n - 1] == '/' ? n - 1 : n);
    return host_usable(request->host) ? arena_printf(e->arena, "https://%s", request->host) : NULL;
}

static void serve_wsdl(struct engine *e, const struct net_request *request, enum service_id service,
                       struct soap_answer *answer)
{
    const char *base = base_url(e, request);
    if (!base) {
        answer_text(answer, 400, NULL, "Host请求头无效 / unusable Host header\n");
        return;
    }
    answer->status = 200;
    answer->content_type = "text/xml; charset=utf-8";
    text_wsdl(text_find(SERVICES[service].name, ".wsdl"), base, &answer->body);
}

static void serve_schema(const char *name, struct soap_answer *answer)
{
    const struct text *text = text_find(name, ".xsd");
    if (!text) {
        answer_text(answer, 404, NULL, "没有此schema / no such schema\n");
        return;
    }
    answer->status = 200;
    answer->content_type = "text/xml; charset=utf-8";
    buf_append(&answer->body, text->bytes, text->len);
}

static void serve_get(struct engine *e, const struct net_request *request, enum service_id service,
                      struct soap_answer *answer)
{
    if (strcasecmp(request->query, "wsdl") == 0)
        serve_wsdl(e, request, service, answer);
    else if (strncasecmp(request->query, "xsd=", 4) == 0)
        serve_schema(request->query + 4, answer);
    else
        answer_text(
            answer, 405, "Allow: POST\r\n",
            "请以POST发送SOAP报文，或在地址后加?wsdl / send SOAP messages by POST, or add ?wsdl to the address\n");
}

static enum service_id service_of(const char *path)
{
    for (int s = 0; s < SERVICE_COUNT; s++)
        if (strcmp(SERVICES[s].path, path) == 0)
            return (enum service_id)s;
    return SERVICE_COUNT;
}

/* ---- faults ---- */

static void answer_fault(struct engine *e, struct engine_call *call, enum fault_party party, int code,
                         const char *message, struct soap_answer *answer)
{
    struct fault f = {.party = party, .code = code, .message = message};
    buf_clear(&answer->body);
    answer->status = fault_write(&f, call->service, call->version, &answer->body);
    answer->content_type = wire_content_type(call->version);
    if (code == 1106) { /* clients and proxies know this status; the fault says the rest */
        answer->status = 429;
        snprintf(e->headers, sizeof e->headers, "Retry-After: %d\r\n", call->retry_after > 0 ? call->retry_after : 1);
        answer->headers = e->headers;
    }
    if (e->config.refused)
        e->config.refused(call, code, message);
}

static void object(struct engine *e, struct engine_call *call, struct objection o, struct soap_answer *answer)
{
    answer_fault(e, call, FAULT_SENDER, o.code, code_message(e->arena, o.code, o.zh, o.en), answer);
}

int engine_public_code(struct result r)
{
    return r.code && code_find(r.code) ? r.code : 9101;
}

/* The text of an error that is the caller's own doing helps the caller; of ours only the log learns. */
static void answer_error(struct engine *e, struct engine_call *call, struct result r, struct soap_answer *answer)
{
    bool ours = r.kind == ERR_INTERNAL || r.kind == ERR_TRANSIENT;
    int code = engine_public_code(r);
    if (r.kind == ERR_INTERNAL)
        log_result(LOG_ERROR, "soap", "operation_failed", r);
    const char *text = ours || !*r.text ? NULL : r.text;
    const char *message =
        call->refusal_zh ? code_message(e->arena, code, call->refusal_zh, text) : code_message_of(e->arena, code, text);
    answer_fault(e, call, ours ? FAULT_RECEIVER : FAULT_SENDER, code, message, answer);
}

/* gSOAP's errors that have a meaning of their own; the rest is a violation of the schema. */
static const struct {
    int error;
    enum fault_party party;
    struct objection objection;
} READ_ERRORS[] = {
    {SOAP_SYNTAX_ERROR, FAULT_SENDER, {2101, "SOAP报文不是格式良好的XML", "the envelope is not well-formed XML"}},
    {SOAP_EOF, FAULT_SENDER, {2103, "SOAP报文缺少Body", "the envelope holds no body"}}, /* tags are balanced */
    {SOAP_NAMESPACE, FAULT_SENDER, {2101, "命名空间前缀未声明", "a namespace prefix is not declared"}},
    {SOAP_UTF_ERROR, FAULT_SENDER, {2101, "SOAP报文不是UTF-8编码", "the envelope is not UTF-8"}},
    {SOAP_DUPLICATE_ID, FAULT_SENDER, {2103, "id重复", "an id occurs twice"}},
    {SOAP_NO_METHOD, FAULT_SENDER, {2112, "SOAP报文中没有操作", "the body holds no operation"}},
    {SOAP_LEVEL, FAULT_SENDER, {2106, "XML嵌套过深", "elements are nested too deeply"}},
    {SOAP_EOM, FAULT_SENDER, {2106, "SOAP报文超过限值", "the envelope exceeds a limit"}},
    {SOAP_VERSIONMISMATCH, FAULT_VERSION, {2103, "根元素不是SOAP Envelope", "the root element is no SOAP envelope"}},
    {SOAP_MUSTUNDERSTAND,
     FAULT_UNDERSTAND,
     {2103, "含有mustUnderstand的SOAP头本平台不支持", "a header block with mustUnderstand is not supported here"}},
    {SOAP_OCCURS, FAULT_SENDER, {2103, "缺少必填元素", "a required element is missing"}},
    {SOAP_LENGTH,
     FAULT_SENDER,
     {2103, "元素的长度或取值超出范围", "the length or value of an element is out of range"}},
    {SOAP_TYPE, FAULT_SENDER, {2103, "元素的取值不合类型", "the value of an element does not fit its type"}},
    {SOAP_HREF, FAULT_SENDER, {2103, "xop:Include所指的MIME分段不存在", "xop:Include names no MIME part"}},
    {SOAP_TAG_MISMATCH,
     FAULT_SENDER,
     {2103, "元素不属于此处，或重复出现", "an element does not belong here, or occurs twice"}},
};

static struct objection with_element(struct engine *e, struct objection o)
{
    const char *tag = finding_excerpt(e->arena, e->soap->tag);
    if (!*tag || o.code != 2103)
        return o;
    return OBJECT(o.code, arena_printf(e->arena, "%s（读到%s）", o.zh, tag),
                  arena_printf(e->arena, "%s (at %s)", o.en, tag));
}

static void answer_unreadable(struct engine *e, struct engine_call *call, struct soap_answer *answer)
{
    enum fault_party party = FAULT_SENDER;
    struct objection o = OBJECT(2103, "SOAP报文不符合schema", "the envelope violates the schema");
    for (size_t i = 0; i < ARRAY_LEN(READ_ERRORS); i++) {
        if (READ_ERRORS[i].error == e->soap->error) {
            party = READ_ERRORS[i].party;
            o = READ_ERRORS[i].objection;
        }
    }
    o = with_element(e, o);
    answer_fault(e, call, party, o.code, code_message(e->arena, o.code, o.zh, o.en), answer);
}

/* ---- the body on its way to gSOAP ---- */

static struct objection unpack(struct engine *e, const struct net_request *request, const uint8_t **bytes, size_t *len)
{
    *bytes = (const uint8_t *)buf_str(&request->body); /* never NULL */
    *len = request->body.len;
    if (!request->content_gzip)
        return NO_OBJECTION;
    buf_clear(&e->unpacked);
    struct result r = envelope_gunzip(*bytes, *len, e->config.max_body, &e->unpacked);
    *bytes = (const uint8_t *)buf_str(&e->unpacked);
    *len = e->unpacked.len;
    if (r.kind == ERR_LIMIT)
        return OBJECT(1107, "HTTP正文解压后超过上限", "the HTTP body unpacks to more than allowed");
    return result_ok(r) ? NO_OBJECTION : OBJECT(2106, "HTTP正文无法解压", "the HTTP body cannot be decompressed");
}

static struct objection take_parts(struct engine *e, const char *content_type, const uint8_t **bytes, size_t *len)
{
    e->io.mime = NULL;
    if (!media_is(content_type, strlen(content_type), "multipart/related"))
        return NO_OBJECTION;
    struct objection o = mime_split(content_type, *bytes, *len, &e->mime);
    if (o.code)
        return o;
    const struct mime_part *root = &e->mime.parts[e->mime.root];
    e->io.mime = &e->mime;
    *bytes = root->at;
    *len = root->len;
    if (root->type.at && !media_utf8(root->type.at, root->type.len))
        return OBJECT(2101, "MIME分段声明的字符集不是UTF-8", "the MIME part declares a charset other than UTF-8");
    return NO_OBJECTION;
}

static struct objection prepare(struct engine *e, const struct net_request *request)
{
    const uint8_t *bytes;
    size_t len;
    struct objection o = unpack(e, request, &bytes, &len);
    if (!o.code)
        o = take_parts(e, request->content_type, &bytes, &len);
    if (!o.code)
        o = wire_guard(e->config.limits, &bytes, &len, &e->nested);
    e->io.in = bytes;
    e->io.in_len = len;
    e->io.in_pos = 0;
    return o;
}

/* ---- the operation ---- */

static const struct engine_op *find_op(const struct engine *e, enum service_id service)
{
    for (size_t i = 0; i < e->config.op_count; i++) {
        const struct engine_op *op = &e->config.ops[i];
        if (op->service == service && soap_match_tag(e->soap, e->soap->tag, op->tag) == SOAP_OK)
            return op;
    }
    return NULL;
}

static void refuse_unknown(struct engine *e, struct engine_call *call, struct soap_answer *answer)
{
    const char *tag = finding_excerpt(e->arena, e->soap->tag);
    const char *name = call->op ? call->op->name : tag;
    struct objection o =
        OBJECT(2112, arena_printf(e->arena, "%s在%s没有或尚未开通", name, SERVICES[call->service].path),
               arena_printf(e->arena, "%s is unknown or not served at %s", name, SERVICES[call->service].path));
    object(e, call, o, answer);
}

static void write_response(struct engine *e, struct engine_call *call, void *response, struct soap_answer *answer)
{
    struct response_head *head = response;
    head->platformTime = caltime_format(clock_now(), arena_alloc(e->arena, CALTIME_TEXT));
    if (!head->responseMessage)
        head->responseMessage = code_message(e->arena, head->responseCode, NULL, NULL);
    e->io.out = &answer->body;
    answer->status = 200;
    answer->content_type = wire_content_type(call->version);
    if (wire_write_message(e->soap, &e->io, call->service, call->version, call->op->write, response,
                           call->op->response_tag)) {
        answer_error(e, call, result_error(ERR_INTERNAL, 0, "gSOAP error %d while writing", e->soap->error), answer);
        return;
    }
    if (head->responseCode != 0 && head->responseCode != 2 && e->config.refused)
        e->config.refused(call, head->responseCode, head->responseMessage);
}

static bool is_upload(const struct engine_op *op)
{
    return strncmp(op->name, "Upload", 6) == 0;
}

/* "Not now" is an answer to an upload like any other, wherever on the way the database was missed (contract section 5):
 * the sender finds the code where it always looks. */
static struct result not_now(const struct engine_op *op, struct result r, void *response)
{
    memset(response, 0, op->response_size);
    ((struct response_head *)response)->responseCode = engine_public_code(r);
    return RESULT_OK;
}

static void run_operation(struct engine *e, struct engine_call *call, struct soap_answer *answer)
{
    const struct engine_op *op = call->op;
    if (e->nested) {
        object(e, call, OBJECT(2103, "参数的值中含有元素", "there is an element inside the value of a parameter"),
               answer);
        return;
    }
    const void *request = op->read(e->soap, op->tag);
    if (!request || wire_read_end(e->soap)) {
        answer_unreadable(e, call, answer);
        return;
    }
    void *response = arena_alloc(e->arena, op->response_size);
    struct result r = op->run(call, request, response);
    if (!result_ok(r) && r.kind == ERR_TRANSIENT && is_upload(op))
        r = not_now(op, r, response);
    if (result_ok(r))
        write_response(e, call, response, answer);
    else
        answer_error(e, call, r, answer);
}

static void dispatch(struct engine *e, struct engine_call *call, struct soap_answer *answer)
{
    if (wire_read_begin(e->soap, &e->io, call->service)) {
        if (e->soap->error != SOAP_VERSIONMISMATCH && e->soap->version)
            call->version = e->soap->version;
        answer_unreadable(e, call, answer);
        return;
    }
    call->version = e->soap->version;
    call->op = find_op(e, call->service);
    if (!call->op || !call->op->run)
        refuse_unknown(e, call, answer);
    else
        run_operation(e, call, answer);
}

/* The content type decides how a fault is to be written before the envelope could be read. */
static struct objection check_content_type(struct engine_call *call)
{
    const char *type = call->request->content_type;
    int version = media_soap_version(type, strlen(type));
    call->version = version ? version : 1;
    if (!version)
        return OBJECT(2101, "Content-Type须为text/xml、application/soap+xml或multipart/related",
                      "Content-Type must be text/xml, application/soap+xml or multipart/related");
    if (!media_utf8(type, strlen(type)))
        return OBJECT(2101, "Content-Type声明的字符集不是UTF-8", "Content-Type declares a charset other than UTF-8");
    return NO_OBJECTION;
}

static void serve_post(struct engine *e, struct engine_call *call, struct soap_answer *answer)
{
    struct objection o = check_content_type(call);
    if (e->config.authorise) { /* first: what is refused for its form counts against the identity's rate as well */
        struct result r = e->config.authorise(call);
        if (!result_ok(r)) {
            answer_error(e, call, r, answer);
            return;
        }
    }
    if (!o.code)
        o = prepare(e, call->request);
    if (o.code)
        object(e, call, o, answer);
    else
        dispatch(e, call, answer);
}

/* ---- the whole ---- */

#define VARY "Vary: Accept-Encoding\r\n" /* the same address gives two forms */

static void pack_answer(const struct net_request *request, struct soap_answer *answer)
{
    struct buf packed = BUF_INIT;
    if (answer->body.len < GZIP_FROM)
        return;
    answer->headers = VARY;
    if (!request->accept_gzip)
        return;
    if (!result_ok(envelope_gzip(answer->body.data, answer->body.len, &packed))) {
        buf_free(&packed);
        return;
    }
    buf_free(&answer->body);
    answer->body = packed;
    answer->headers = "Content-Encoding: gzip\r\n" VARY;
}

static void serve(struct engine *e, struct net_request *request, struct soap_answer *answer)
{
    enum service_id service = service_of(request->path);
    if (service == SERVICE_COUNT) {
        answer_text(answer, 404, NULL, "没有此地址 / no such address\n");
    } else if (request->method == NET_GET) {
        serve_get(e, request, service, answer);
    } else if (request->method != NET_POST) {
        answer_text(answer, 405, "Allow: GET, POST\r\n", "只接受GET和POST / only GET and POST are served\n");
    } else {
        struct engine_call call = {.user = e->config.user,
                                   .request = request,
                                   .service = service,
                                   .version = 1,
                                   .arena = e->arena,
                                   .base_url = base_url(e, request)};
        serve_post(e, &call, answer);
    }
}

void engine_serve(struct engine *engine, struct net_request *request, struct soap_answer *answer)
{
    *answer = (struct soap_answer){0};
    serve(engine, request, answer);
    if (!answer->headers)
        pack_answer(request, answer);
    wire_end(engine->soap);
    arena_reset(engine->arena);
    enum { KEEP = 1 << 20 }; /* one large upload shall not hold its memory for ever */
    if (engine->unpacked.cap > KEEP)
        buf_free(&engine->unpacked);
}
