#include "soap/media_type.h"

#include <string.h>
#include <strings.h>

#include "base/mem.h"

static const struct {
    const char *type;
    int version;
} SOAP_TYPES[] = {{"text/xml", 1}, {"application/soap+xml", 2}};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* The length of p up to the next ';' that stands outside quotes. */
static size_t item_length(const char *p, size_t n)
{
    bool quoted = false;
    for (size_t i = 0; i < n; i++) {
        if (quoted && p[i] == '\\')
            i++;
        else if (p[i] == '"')
            quoted = !quoted;
        else if (p[i] == ';' && !quoted)
            return i;
    }
    return n;
}

static struct media_span trim(const char *p, size_t n)
{
    while (n > 0 && is_blank(*p)) {
        p++;
        n--;
    }
    while (n > 0 && is_blank(p[n - 1]))
        n--;
    return (struct media_span){p, n};
}

bool media_span_is(struct media_span s, const char *text)
{
    return s.at && s.len == strlen(text) && strncasecmp(s.at, text, s.len) == 0;
}

bool media_is(const char *header, size_t len, const char *type)
{
    return media_span_is(trim(header, item_length(header, len)), type);
}

static struct media_span value_of(const char *p, size_t n)
{
    struct media_span v = trim(p, n);
    if (v.len >= 2 && v.at[0] == '"' && v.at[v.len - 1] == '"')
        return (struct media_span){v.at + 1, v.len - 2};
    return v;
}

struct media_span media_parameter(const char *header, size_t len, const char *name)
{
    const char *end = header + len;
    for (const char *p = header + item_length(header, len); p < end; p += item_length(p, (size_t)(end - p))) {
        p++; /* the ';' */
        size_t n = item_length(p, (size_t)(end - p));
        const char *equals = memchr(p, '=', n);
        if (equals && media_span_is(trim(p, (size_t)(equals - p)), name))
            return value_of(equals + 1, (size_t)(p + n - equals - 1));
    }
    return (struct media_span){NULL, 0};
}

bool media_utf8(const char *header, size_t len)
{
    struct media_span charset = media_parameter(header, len, "charset");
    return !charset.at || media_span_is(charset, "utf-8");
}

/* start-info may itself carry parameters: application/soap+xml;action="…" */
static int version_of(struct media_span type)
{
    for (size_t i = 0; type.at && i < ARRAY_LEN(SOAP_TYPES); i++)
        if (media_is(type.at, type.len, SOAP_TYPES[i].type))
            return SOAP_TYPES[i].version;
    return 0;
}

int media_soap_version(const char *header, size_t len)
{
    if (!media_is(header, len, "multipart/related"))
        return version_of((struct media_span){header, len});
    int version = version_of(media_parameter(header, len, "start-info"));
    return version ? version : version_of(media_parameter(header, len, "type"));
}
