#include "soap/mime.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "base/secret.h"

enum { BOUNDARY_MAX = 70 /* RFC 2046 */, HEADERS_MAX = 16384, ID_MAX = 256 };

static const struct objection BROKEN = {2101, "MIME分段无法识别", "the MIME parts cannot be told apart"};

struct cursor {
    const uint8_t *p, *end;
    char delimiter[BOUNDARY_MAX + 3]; /* "--boundary" */
    size_t delimiter_len;
};

static bool blank_or_line_end(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* The next delimiter at the beginning of a line; NULL: none. */
static const uint8_t *find_delimiter(const struct cursor *c, const uint8_t *begin)
{
    const uint8_t *p = c->p;
    while ((p = memmem(p, (size_t)(c->end - p), c->delimiter, c->delimiter_len))) {
        const uint8_t *after = p + c->delimiter_len;
        bool line = p == begin || p[-1] == '\n';
        bool whole = after == c->end || blank_or_line_end(*after) || *after == '-';
        if (line && whole)
            return p;
        p++;
    }
    return NULL;
}

/* Steps over the delimiter and the rest of its line. false: it was the closing one. */
static bool pass_delimiter(struct cursor *c, const uint8_t *at)
{
    c->p = at + c->delimiter_len;
    if (c->end - c->p >= 2 && c->p[0] == '-' && c->p[1] == '-')
        return false;
    const uint8_t *line_end = memchr(c->p, '\n', (size_t)(c->end - c->p));
    c->p = line_end ? line_end + 1 : c->end;
    return line_end != NULL;
}

static struct media_span header_value(const char *line, size_t n, const char *name)
{
    size_t k = strlen(name);
    if (n <= k || line[k] != ':' || strncasecmp(line, name, k) != 0)
        return (struct media_span){NULL, 0};
    const char *p = line + k + 1, *end = line + n;
    while (p < end && blank_or_line_end((uint8_t)*p))
        p++;
    while (end > p && blank_or_line_end((uint8_t)end[-1]))
        end--;
    return (struct media_span){p, (size_t)(end - p)};
}

static bool readable(struct media_span transfer_encoding)
{
    return media_span_is(transfer_encoding, "binary") || media_span_is(transfer_encoding, "8bit") ||
           media_span_is(transfer_encoding, "7bit");
}

static bool take_header(struct mime_part *part, const char *line, size_t n)
{
    struct media_span id = header_value(line, n, "Content-ID"), type = header_value(line, n, "Content-Type");
    struct media_span encoding = header_value(line, n, "Content-Transfer-Encoding");
    if (id.len >= 2 && id.at[0] == '<' && id.at[id.len - 1] == '>')
        id = (struct media_span){id.at + 1, id.len - 2};
    if (id.at)
        part->id = id;
    if (type.at)
        part->type = type;
    return !encoding.at || readable(encoding);
}

/* A header with its continuation lines; NULL when the text ends inside. */
static const uint8_t *header_end(const uint8_t *p, const uint8_t *end)
{
    while ((p = memchr(p, '\n', (size_t)(end - p)))) {
        p++;
        if (p == end || (*p != ' ' && *p != '\t'))
            return p;
    }
    return NULL;
}

static struct objection read_headers(struct cursor *c, struct mime_part *part)
{
    const uint8_t *limit = c->end - c->p > HEADERS_MAX ? c->p + HEADERS_MAX : c->end;
    for (;;) {
        const uint8_t *next = header_end(c->p, limit);
        if (!next)
            return limit == c->end ? BROKEN : OBJECT(2106, "MIME分段头过长", "the headers of a MIME part are too long");
        const char *line = (const char *)c->p;
        size_t n = (size_t)(next - c->p);
        c->p = next;
        if (n <= 2 && (line[0] == '\n' || line[0] == '\r'))
            return NO_OBJECTION;
        if (!take_header(part, line, n))
            return OBJECT(2101, "MIME分段的传输编码须为binary、8bit或7bit",
                          "a MIME part must be sent as binary, 8bit or 7bit");
    }
}

/* The line end before a delimiter belongs to the delimiter. */
static size_t part_length(const uint8_t *from, const uint8_t *delimiter)
{
    size_t n = (size_t)(delimiter - from);
    if (n > 0 && from[n - 1] == '\n')
        n--;
    if (n > 0 && from[n - 1] == '\r')
        n--;
    return n;
}

static struct objection read_part(struct cursor *c, struct mime *out)
{
    if (out->count == MIME_PARTS)
        return OBJECT(2106, "MIME分段过多", "too many MIME parts");
    struct mime_part *part = &out->parts[out->count++];
    *part = (struct mime_part){0};
    struct objection o = read_headers(c, part);
    if (o.code)
        return o;
    const uint8_t *next = find_delimiter(c, c->p);
    if (!next)
        return BROKEN;
    part->at = c->p;
    part->len = part_length(c->p, next);
    c->p = next;
    return NO_OBJECTION;
}

static struct objection find_root(struct mime *m, struct media_span start)
{
    if (m->count == 0)
        return BROKEN;
    if (start.len >= 2 && start.at[0] == '<')
        start = (struct media_span){start.at + 1, start.len - 2};
    for (size_t i = 0; start.at && i < m->count; i++) {
        struct media_span id = m->parts[i].id;
        if (id.at && id.len == start.len && memcmp(id.at, start.at, id.len) == 0) {
            m->root = i;
            return NO_OBJECTION;
        }
    }
    return start.at ? OBJECT(2101, "找不到start参数所指的MIME分段", "no MIME part is the one that start names")
                    : NO_OBJECTION;
}

struct objection mime_split(const char *content_type, const uint8_t *body, size_t len, struct mime *out)
{
    size_t header_len = strlen(content_type);
    struct media_span boundary = media_parameter(content_type, header_len, "boundary");
    out->count = out->root = 0;
    if (boundary.len == 0 || boundary.len > BOUNDARY_MAX)
        return BROKEN;
    struct cursor c = {.p = body, .end = body + len, .delimiter_len = boundary.len + 2};
    memcpy(c.delimiter, "--", 2);
    memcpy(c.delimiter + 2, boundary.at, boundary.len);
    const uint8_t *at = find_delimiter(&c, body);
    if (!at)
        return BROKEN;
    while (pass_delimiter(&c, at)) {
        struct objection o = read_part(&c, out);
        if (o.code)
            return o;
        at = c.p;
    }
    return find_root(out, media_parameter(content_type, header_len, "start"));
}

/* false: longer than any id we keep. */
static bool percent_decode(const char *text, char *out, size_t *len)
{
    size_t n = 0;
    for (; *text; text++) {
        if (n == ID_MAX)
            return false;
        unsigned char byte = (unsigned char)*text;
        bool encoded = *text == '%' && text[1] && text[2] && hex_decode(text + 1, 2, &byte);
        memcpy(&out[n++], &byte, 1);
        text += encoded ? 2 : 0;
    }
    *len = n;
    return true;
}

const struct mime_part *mime_find(const struct mime *m, const char *href)
{
    char id[ID_MAX];
    size_t len = 0;
    if (!m || strncmp(href, "cid:", 4) != 0 || !percent_decode(href + 4, id, &len))
        return NULL;
    for (size_t i = 0; i < m->count; i++)
        if (i != m->root && m->parts[i].id.len == len && len > 0 && memcmp(m->parts[i].id.at, id, len) == 0)
            return &m->parts[i];
    return NULL;
}
