/* The functions soapcpp2 expects of a type with a custom serializer; their names and macros are gSOAP's. */
#include "soap/wire_bytes.h"

#include <string.h>

#include "soap/base64.h"
#include "soap/wire.h"

enum { LETTERS_AT_ONCE = 4096 };

/* The request's memory from the first byte that gSOAP has not consumed. */
struct text {
    struct soap *soap;
    const uint8_t *p, *end;
};

/* gSOAP holds back at most what it took by frecv and did not read. */
static bool text_begin(struct text *t, struct soap *soap)
{
    const struct wire_io *io = soap->user;
    size_t unread = soap->buflen - soap->bufidx;
    if (soap->ahead || unread > io->in_pos)
        return false;
    *t = (struct text){soap, io->in + io->in_pos - unread, io->in + io->in_len};
    return true;
}

/* gSOAP reads on from here. */
static void text_finish(const struct text *t)
{
    struct wire_io *io = t->soap->user;
    io->in_pos = (size_t)(t->p - io->in);
    t->soap->bufidx = t->soap->buflen = 0;
}

static bool starts(const struct text *t, const char *what)
{
    size_t n = strlen(what);
    return (size_t)(t->end - t->p) >= n && memcmp(t->p, what, n) == 0;
}

/* Steps past the next occurrence; the guard saw to it that there is one. */
static bool skip_past(struct text *t, const char *what)
{
    const uint8_t *at = memmem(t->p, (size_t)(t->end - t->p), what, strlen(what));
    if (at)
        t->p = at + strlen(what);
    return at != NULL;
}

/* Some libraries write the line ends of wrapped base64 as &#13; or &#xD;: any reference to an ASCII letter will do. */
static bool feed_reference(struct base64_decoder *d, const uint8_t **p, const uint8_t *end)
{
    char digits[10] = {0};
    const uint8_t *close = memchr(*p, ';', (size_t)(end - *p));
    size_t n = close ? (size_t)(close - *p) : sizeof digits + 2;
    if (n < 3 || n >= sizeof digits + 2 || (*p)[1] != '#')
        return false;
    memcpy(digits, *p + 2, n - 2);
    bool hex = digits[0] == 'x';
    unsigned long code = strtoul(digits + hex, NULL, hex ? 16 : 10);
    uint8_t letter = (uint8_t)code;
    *p = close + 1;
    return code < 128 && base64_feed(d, &letter, 1);
}

static bool feed_text(struct base64_decoder *d, const uint8_t *p, const uint8_t *end)
{
    while (p < end) {
        const uint8_t *reference = memchr(p, '&', (size_t)(end - p));
        const uint8_t *stop = reference ? reference : end;
        if (!base64_feed(d, p, (size_t)(stop - p)))
            return false;
        p = stop;
        if (reference && !feed_reference(d, &p, end))
            return false;
    }
    return true;
}

static bool feed_cdata(struct base64_decoder *d, struct text *t)
{
    t->p += strlen("<![CDATA[");
    const uint8_t *from = t->p;
    return skip_past(t, "]]>") && base64_feed(d, from, (size_t)(t->p - 3 - from));
}

/* Text, CDATA sections, comments and instructions up to the end tag. */
static bool decode(struct base64_decoder *d, struct text *t)
{
    while (t->p < t->end && !starts(t, "</")) {
        bool ok;
        if (*t->p != '<') {
            const uint8_t *stop = memchr(t->p, '<', (size_t)(t->end - t->p));
            ok = stop && feed_text(d, t->p, stop);
            t->p = stop;
        } else if (starts(t, "<![CDATA[")) {
            ok = feed_cdata(d, t);
        } else {
            ok = starts(t, "<!--") ? skip_past(t, "-->") : starts(t, "<?") && skip_past(t, "?>");
        }
        if (!ok)
            return false;
    }
    return base64_finish(d);
}

static int read_letters(struct soap *soap, struct text *t, struct wire_bytes *a)
{
    /* Room for the rest of the message: content comes last, and pages that stay untouched cost nothing. */
    struct base64_decoder d = {.out = soap_malloc(soap, BASE64_ROOM((size_t)(t->end - t->p)))};
    if (!d.out)
        return soap->error = SOAP_EOM;
    if (!decode(&d, t))
        return soap->error = SOAP_TYPE;
    text_finish(t);
    a->ptr = d.out;
    a->len = d.len;
    return SOAP_OK;
}

static int read_include(struct soap *soap, struct wire_bytes *a)
{
    const struct wire_io *io = soap->user;
    if (soap_element_begin_in(soap, "xop:Include", 0, NULL))
        return soap->error;
    const char *href = soap_attr_value(soap, "href", 0, 1);
    const struct mime_part *part = href ? mime_find(io->mime, href) : NULL;
    if (!part)
        return soap->error = SOAP_HREF;
    a->ptr = part->at;
    a->len = part->len;
    return soap->body ? soap_element_end_in(soap, "xop:Include") : SOAP_OK;
}

/* Is the first thing inside, white space apart, an element? */
static bool element_ahead(const struct text *t)
{
    const uint8_t *p = t->p;
    while (p < t->end && (*p == ' ' || *p == '\t' || *p == '\r' || *p == '\n'))
        p++;
    return t->end - p > 1 && p[0] == '<' && p[1] != '/' && p[1] != '!' && p[1] != '?';
}

static int read_body(struct soap *soap, struct wire_bytes *a)
{
    struct text t;
    if (!text_begin(&t, soap))
        return soap->error = SOAP_SYNTAX_ERROR;
    return element_ahead(&t) ? read_include(soap, a) : read_letters(soap, &t, a);
}

void soap_default_xsd__base64Binary(struct soap *soap, struct wire_bytes *a)
{
    (void)soap;
    *a = (struct wire_bytes){NULL, 0};
}

/* Nothing to mark: no id, no href in document/literal. */
void soap_serialize_xsd__base64Binary(struct soap *soap, const struct wire_bytes *a)
{
    (void)soap;
    (void)a;
}

static int write_letters(struct soap *soap, const struct wire_bytes *a)
{
    char letters[LETTERS_AT_ONCE];
    enum { STEP = LETTERS_AT_ONCE / 4 * 3 };
    for (size_t at = 0; at < a->len; at += STEP) {
        size_t n = a->len - at < STEP ? a->len - at : STEP;
        base64_encode(a->ptr + at, n, letters);
        if (soap_send_raw(soap, letters, BASE64_LENGTH(n)))
            return soap->error;
    }
    return SOAP_OK;
}

int soap_out_xsd__base64Binary(struct soap *soap, const char *tag, int id, const struct wire_bytes *a, const char *type)
{
    (void)id;
    if (soap_element_begin_out(soap, tag, -1, type) || write_letters(soap, a))
        return soap->error;
    return soap_element_end_out(soap, tag);
}

struct wire_bytes *soap_in_xsd__base64Binary(struct soap *soap, const char *tag, struct wire_bytes *a, const char *type)
{
    (void)type;
    if (soap_element_begin_in(soap, tag, 0, NULL))
        return NULL;
    if (!a && !(a = soap_malloc(soap, sizeof *a)))
        return NULL;
    soap_default_xsd__base64Binary(soap, a);
    if (!soap->body)
        return a; /* <content/> */
    if (read_body(soap, a) || soap_element_end_in(soap, tag))
        return NULL;
    return a;
}

/* As an attribute or inside a union the type does not occur in our schemas. */
const char *soap_xsd__base64Binary2s(struct soap *soap, struct wire_bytes a)
{
    (void)a;
    soap->error = SOAP_TYPE;
    return NULL;
}

int soap_s2xsd__base64Binary(struct soap *soap, const char *text, struct wire_bytes *a)
{
    (void)text;
    (void)a;
    return soap->error = SOAP_TYPE;
}
