#include "soap/wire.h"

#include <string.h>

#include "base/mem.h"

#define SOAP11 "http://schemas.xmlsoap.org/soap/envelope/"
#define SOAP12 "http://www.w3.org/2003/05/soap-envelope"

const struct service_row SERVICES[SERVICE_COUNT] = {
    [SERVICE_ACCESS] = {"access", "/services/access", "urn:nhjc:access:v1"},
    [SERVICE_EXCHANGE] = {"exchange", "/services/exchange", "urn:nhjc:exchange:v1"},
    [SERVICE_QUERY] = {"query", "/services/query", "urn:nhjc:query:v1"},
};

/* gSOAP wants the first four rows in this order; a * matches the versions of SOAP 1.2 and of XML Schema. Each
 * service knows its own namespace only, so that another service's operation is unknown here. */
#define COMMON_NAMESPACES                                                                                              \
    {"SOAP-ENV", SOAP11, "http://www.w3.org/*/soap-envelope", NULL},                                                   \
        {"SOAP-ENC", "http://schemas.xmlsoap.org/soap/encoding/", "http://www.w3.org/*/soap-encoding", NULL},          \
        {"xsi", "http://www.w3.org/2001/XMLSchema-instance", "http://www.w3.org/*/XMLSchema-instance", NULL},          \
        {"xsd", "http://www.w3.org/2001/XMLSchema", "http://www.w3.org/*/XMLSchema", NULL},                            \
    {                                                                                                                  \
        "xop", "http://www.w3.org/2004/08/xop/include", NULL, NULL                                                     \
    }

static const struct Namespace NAMESPACES[SERVICE_COUNT][7] = {
    {COMMON_NAMESPACES, {"access", "urn:nhjc:access:v1", NULL, NULL}, {NULL, NULL, NULL, NULL}},
    {COMMON_NAMESPACES, {"exchange", "urn:nhjc:exchange:v1", NULL, NULL}, {NULL, NULL, NULL, NULL}},
    {COMMON_NAMESPACES, {"query", "urn:nhjc:query:v1", NULL, NULL}, {NULL, NULL, NULL, NULL}},
};

/* The table gSOAP's library insists on linking to; every context gets its own instead. */
SOAP_NMAC struct Namespace namespaces[] = {{NULL, NULL, NULL, NULL}};

/* Small pieces: content is decoded beside gSOAP, and what was handed out before it was copied for nothing. */
enum { PIECE = 4096 };

static size_t read_memory(struct soap *soap, char *to, size_t n)
{
    struct wire_io *io = soap->user;
    size_t left = io->in_len - io->in_pos;
    if (n > left)
        n = left;
    if (n > PIECE)
        n = PIECE;
    memcpy(to, io->in + io->in_pos, n);
    io->in_pos += n;
    return n;
}

static int write_memory(struct soap *soap, const char *from, size_t n)
{
    struct wire_io *io = soap->user;
    buf_append(io->out, from, n);
    return SOAP_OK;
}

/* gSOAP looks for an HTTP header where XML does not begin; the guard let nothing of the kind pass. */
static int refuse_http(struct soap *soap)
{
    return soap->error = SOAP_SYNTAX_ERROR;
}

static SOAP_SOCKET refuse_socket(struct soap *soap, const char *endpoint, const char *host, int port)
{
    (void)endpoint;
    (void)host;
    (void)port;
    soap->error = SOAP_TCP_ERROR;
    return SOAP_INVALID_SOCKET;
}

static int close_nothing(struct soap *soap)
{
    (void)soap;
    return SOAP_OK;
}

/* The patterns of our schemas; an unknown one lets nothing pass, so that a new one cannot be forgotten here. */
static int check_pattern(struct soap *soap, const char *pattern, const char *text)
{
    static const struct {
        const char *pattern, *letters;
        size_t length;
    } PATTERNS[] = {{"[0-9]{6}", "0123456789", 6}, {"[0-9a-f]{32}", "0123456789abcdef", 32}};
    for (size_t i = 0; i < ARRAY_LEN(PATTERNS); i++)
        if (strcmp(PATTERNS[i].pattern, pattern) == 0 && strlen(text) == PATTERNS[i].length &&
            strspn(text, PATTERNS[i].letters) == PATTERNS[i].length)
            return SOAP_OK;
    return soap->error = SOAP_LENGTH;
}

struct soap *wire_open(size_t max_bytes, enum wire_reading reading)
{
    soap_mode mode = SOAP_C_UTFSTRING | SOAP_XML_TREE | (reading == WIRE_STRICT ? SOAP_XML_STRICT : 0);
    struct soap *soap = soap_new2(mode, mode);
    soap->frecv = read_memory;
    soap->fsend = write_memory;
    soap->fparse = refuse_http;
    soap->fopen = refuse_socket;
    soap->fclose = close_nothing;
    soap->fsvalidate = check_pattern;
    soap->recv_maxlength = max_bytes;
    soap->maxlength = 65536;
    soap->maxoccurs = 200000;
    soap->maxlevel = 60; /* the guard's limit comes first, with a code of its own */
    return soap;
}

void wire_close(struct soap **soap)
{
    if (!*soap)
        return;
    wire_end(*soap);
    soap_done(*soap);
    soap_free(*soap);
    *soap = NULL;
}

void wire_end(struct soap *soap)
{
    soap_destroy(soap);
    soap_end(soap);
    soap->user = NULL;
}

int wire_read_begin(struct soap *soap, struct wire_io *io, enum service_id service)
{
    soap->user = io;
    soap->error = SOAP_OK;
    soap->version = 0;
    soap_set_namespaces(soap, NAMESPACES[service]);
    if (soap_begin_recv(soap) || soap_envelope_begin_in(soap))
        return soap->error;
    if (soap->version == 0) /* gSOAP takes a bare element for a message of its REST style */
        return soap->error = SOAP_VERSIONMISMATCH;
    if (soap_recv_header(soap) || soap_body_begin_in(soap))
        return soap->error;
    return soap_peek_element(soap) == SOAP_NO_TAG ? (soap->error = SOAP_NO_METHOD) : soap->error;
}

int wire_read_end(struct soap *soap)
{
    if (soap_body_end_in(soap) || soap_envelope_end_in(soap) || soap_end_recv(soap))
        return soap->error;
    return SOAP_OK;
}

void wire_envelope_begin(struct buf *out, enum service_id service, int version)
{
    const struct service_row *s = &SERVICES[service];
    buf_printf(out,
               "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<SOAP-ENV:Envelope xmlns:SOAP-ENV=\"%s\" xmlns:%s=\"%s\">"
               "<SOAP-ENV:Body>",
               version == 2 ? SOAP12 : SOAP11, s->name, s->ns);
}

void wire_envelope_end(struct buf *out)
{
    buf_append_str(out, "</SOAP-ENV:Body></SOAP-ENV:Envelope>\n");
}

const char *wire_content_type(int version)
{
    return version == 2 ? "application/soap+xml; charset=utf-8" : "text/xml; charset=utf-8";
}

int wire_write_message(struct soap *soap, struct wire_io *io, enum service_id service, int version, wire_write write,
                       const void *element, const char *tag)
{
    soap->user = io;
    soap->error = SOAP_OK;
    soap->version = (short)version;
    soap->encodingStyle = NULL;
    wire_envelope_begin(io->out, service, version);
    if (soap_begin_send(soap))
        return soap->error;
    soap->ns = 1; /* declaration and namespaces are written: gSOAP adds none of its own */
    soap->part = SOAP_IN_BODY;
    if (write(soap, element, tag) || soap_end_send(soap))
        return soap->error;
    wire_envelope_end(io->out);
    return SOAP_OK;
}
