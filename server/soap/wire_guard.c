#include "soap/wire_guard.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "base/utf8.h"

const struct wire_limits WIRE_LIMITS_DEFAULT = {.depth = 50, .attributes = 100, .tag_bytes = 65536, .names = 256};

static const struct objection MALFORMED = {2101, "SOAP报文不是格式良好的XML", "the envelope is not well-formed XML"};

enum { NAME_SLOTS = 2 * WIRE_NAMES_MAX }; /* a power of two */

struct name {
    const uint8_t *at; /* NULL: free */
    size_t len;
};

struct scan {
    const struct wire_limits *limits;
    const uint8_t *p, *end;
    size_t depth;
    bool root_seen, in_body, in_content, nested;
    size_t name_count;
    struct name names[NAME_SLOTS]; /* different attribute names so far, hashed */
};

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool starts(const struct scan *s, const char *what)
{
    size_t n = strlen(what);
    return (size_t)(s->end - s->p) >= n && memcmp(s->p, what, n) == 0;
}

/* ---- characters ---- */

/* Bytes from p on that are ASCII and no control character: eight at a time. */
static size_t plain_run(const uint8_t *p, size_t n)
{
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        uint64_t word;
        memcpy(&word, p + i, sizeof word);
        uint64_t low = word - UINT64_C(0x2020202020202020); /* borrows into bit 7 of a byte below 0x20 */
        if ((word | low) & UINT64_C(0x8080808080808080))
            break;
    }
    while (i < n && p[i] >= 0x20 && p[i] < 0x80)
        i++;
    return i;
}

static struct objection check_characters(const uint8_t *text, size_t len)
{
    for (size_t at = plain_run(text, len); at < len; at += plain_run(text + at, len - at)) {
        uint32_t code = 0;
        size_t n = utf8_next((const char *)text + at, len - at, &code);
        if (n == 0)
            return OBJECT(2101, "SOAP报文含有无效的UTF-8字节（多因以GBK编码发送）",
                          "the envelope holds bytes that are not UTF-8 (often because it was sent as GBK)");
        if ((code < 0x20 && !is_blank((uint8_t)code)) || code == 0xfffe || code == 0xffff)
            return OBJECT(2101, "SOAP报文含有XML不允许的控制字符",
                          "the envelope holds a character that XML does not allow");
        at += n;
    }
    return NO_OBJECTION;
}

static bool legal_reference(const char *digits, size_t n, unsigned base)
{
    uint32_t code = 0;
    for (size_t i = 0; i < n; i++) {
        const char *letters = "0123456789abcdef";
        const char *at = memchr(letters, digits[i] | (base == 16 ? 0x20 : 0), base);
        if (!at || code > 0x10ffff)
            return false;
        code = code * base + (uint32_t)(at - letters);
    }
    return n > 0 && (code >= 0x20 ? code < 0xd800 || (code >= 0xe000 && code <= 0x10ffff && (code | 1) != 0xffff)
                                  : is_blank((uint8_t)code) && code > 0);
}

/* The five names every XML has, and numbers of legal characters; anything else would need a DTD. */
static bool reference_ok(const char *p, size_t n)
{
    static const char *const NAMES[] = {"lt", "gt", "amp", "quot", "apos"};
    if (n > 1 && p[0] == '#')
        return p[1] == 'x' ? legal_reference(p + 2, n - 2, 16) : legal_reference(p + 1, n - 1, 10);
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++)
        if (strlen(NAMES[i]) == n && memcmp(NAMES[i], p, n) == 0)
            return true;
    return false;
}

static bool references_ok(const uint8_t *p, const uint8_t *end)
{
    while ((p = memchr(p, '&', (size_t)(end - p)))) {
        size_t left = (size_t)(end - p - 1);
        const uint8_t *close = memchr(p + 1, ';', left < 12 ? left : 12);
        if (!close || !reference_ok((const char *)p + 1, (size_t)(close - p - 1)))
            return false;
        p = close + 1;
    }
    return true;
}

/* ---- the declaration ---- */

struct span {
    const char *at;
    size_t len;
};

static struct span pseudo_attribute(struct span text, const char *name)
{
    size_t n = strlen(name);
    const char *end = text.at + text.len, *p = memmem(text.at, text.len, name, n);
    if (!p)
        return (struct span){NULL, 0};
    for (p += n; p < end && (is_blank((uint8_t)*p) || *p == '='); p++)
        ;
    const char *close = p < end && (*p == '"' || *p == '\'') ? memchr(p + 1, *p, (size_t)(end - p - 1)) : NULL;
    return close ? (struct span){p + 1, (size_t)(close - p - 1)} : (struct span){"", 0};
}

static bool span_is(struct span s, const char *text)
{
    return s.len == strlen(text) && strncasecmp(s.at, text, s.len) == 0;
}

static struct objection check_declaration(struct scan *s)
{
    if (!starts(s, "<?xml") || s->end - s->p < 6 || !is_blank(s->p[5]))
        return NO_OBJECTION;
    const uint8_t *close = memmem(s->p, (size_t)(s->end - s->p), "?>", 2);
    if (!close)
        return MALFORMED;
    struct span text = {(const char *)s->p + 5, (size_t)(close - s->p - 5)};
    struct span version = pseudo_attribute(text, "version"), encoding = pseudo_attribute(text, "encoding");
    if (version.at && !span_is(version, "1.0"))
        return OBJECT(2101, "XML声明的版本不是1.0", "the XML declaration names a version other than 1.0");
    if (encoding.at && !span_is(encoding, "UTF-8"))
        return OBJECT(2101, "XML声明的编码不是UTF-8", "the XML declaration names an encoding other than UTF-8");
    s->p = close + 2;
    return NO_OBJECTION;
}

/* ---- markup ---- */

static struct objection skip_past(struct scan *s, const char *close)
{
    size_t n = strlen(close);
    const uint8_t *at = memmem(s->p, (size_t)(s->end - s->p), close, n);
    if (!at)
        return MALFORMED;
    s->p = at + n;
    return NO_OBJECTION;
}

/* A second declaration could change the encoding on the way. */
static struct objection skip_instruction(struct scan *s)
{
    bool declaration = s->end - s->p > 5 && strncasecmp((const char *)s->p + 2, "xml", 3) == 0 &&
                       (is_blank(s->p[5]) || s->p[5] == '?');
    return declaration ? MALFORMED : skip_past(s, "?>");
}

static struct objection skip_declaration(struct scan *s)
{
    if (starts(s, "<!--")) {
        s->p += 4;
        return skip_past(s, "-->");
    }
    if (starts(s, "<![CDATA["))
        return s->depth > 0 ? skip_past(s, "]]>") : MALFORMED;
    return OBJECT(2102, "SOAP报文中含有DTD", "the envelope holds a DTD");
}

static bool name_start(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == ':' || c >= 0x80;
}

static struct objection end_tag(struct scan *s)
{
    const uint8_t *close = memchr(s->p, '>', (size_t)(s->end - s->p));
    if (!close || s->depth == 0 || memchr(s->p + 1, '<', (size_t)(close - s->p - 1)))
        return MALFORMED;
    s->depth--;
    s->p = close + 1;
    return NO_OBJECTION;
}

/* The name before ="…; tag is where the search ends. */
static struct name name_before(const uint8_t *tag, const uint8_t *quote)
{
    const uint8_t *end = quote;
    while (end > tag && (is_blank(end[-1]) || end[-1] == '='))
        end--;
    const uint8_t *at = end;
    while (at > tag && !is_blank(at[-1]) && at[-1] != '"' && at[-1] != '\'')
        at--;
    return (struct name){at, (size_t)(end - at)};
}

/* false: one name too many. The table never fills up, so probing ends; who makes names collide gains a few hundred
 * comparisons. */
static bool count_name(struct scan *s, struct name name)
{
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (size_t i = 0; i < name.len; i++)
        hash = (hash ^ name.at[i]) * 16777619u;
    size_t slot = hash % NAME_SLOTS;
    for (; s->names[slot].at; slot = (slot + 1) % NAME_SLOTS)
        if (s->names[slot].len == name.len && memcmp(s->names[slot].at, name.at, name.len) == 0)
            return true;
    s->names[slot] = name;
    return ++s->name_count <= s->limits->names;
}

/* *p at the opening quote; steps past the closing one. */
static bool quoted_value(const uint8_t **p, const uint8_t *end)
{
    const uint8_t *close = memchr(*p + 1, **p, (size_t)(end - *p - 1));
    if (!close || memchr(*p, '<', (size_t)(close - *p)) || !references_ok(*p, close))
        return false;
    *p = close + 1;
    return true;
}

static struct objection too_long(const struct scan *s, const uint8_t *end)
{
    return end == s->end ? MALFORMED : OBJECT(2106, "XML标签过长", "a tag is too long");
}

/* Of the start tag at p, without its prefix. */
static bool local_name_is(const uint8_t *p, const uint8_t *close, const char *name)
{
    const uint8_t *from = ++p;
    for (; p < close && !is_blank(*p) && *p != '/'; p++)
        from = *p == ':' ? p + 1 : from;
    return (size_t)(p - from) == strlen(name) && memcmp(from, name, strlen(name)) == 0;
}

/* Envelope 0, Body 1, operation 2, its parameters 3. */
static void note_place(struct scan *s, const uint8_t *close)
{
    if (s->depth == 1)
        s->in_body = local_name_is(s->p, close, "Body");
    else if (s->depth == 3)
        s->in_content = local_name_is(s->p, close, "content");
    else if (s->depth == 4 && s->in_body && !s->in_content)
        s->nested = true;
}

static struct objection open_element(struct scan *s, const uint8_t *close)
{
    if (s->depth == 0 && s->root_seen)
        return MALFORMED;
    s->root_seen = true;
    note_place(s, close);
    if (close[-1] != '/' && ++s->depth > s->limits->depth)
        return OBJECT(2106, "XML嵌套过深", "elements are nested too deeply");
    s->p = close + 1;
    return NO_OBJECTION;
}

static struct objection start_tag(struct scan *s)
{
    size_t left = (size_t)(s->end - s->p), attributes = 0;
    const uint8_t *end = left > s->limits->tag_bytes ? s->p + s->limits->tag_bytes : s->end, *p = s->p + 1;
    if (p == s->end || !name_start(*p))
        return MALFORMED;
    while (p < end && *p != '>') {
        if (*p == '<')
            return MALFORMED;
        if (*p != '"' && *p != '\'') {
            p++;
            continue;
        }
        if (++attributes > s->limits->attributes || !count_name(s, name_before(s->p, p)))
            return OBJECT(2106, "XML属性过多", "too many attributes");
        if (!quoted_value(&p, end))
            return memchr(p + 1, *p, (size_t)(end - p - 1)) ? MALFORMED : too_long(s, end);
    }
    return p < end ? open_element(s, p) : too_long(s, end);
}

static struct objection markup(struct scan *s)
{
    if (s->end - s->p < 2)
        return MALFORMED;
    switch (s->p[1]) {
    case '?':
        return skip_instruction(s);
    case '!':
        return skip_declaration(s);
    case '/':
        return end_tag(s);
    default:
        return start_tag(s);
    }
}

/* Text up to the next markup. Outside the root only white space may stand. */
static struct objection text_run(struct scan *s)
{
    const uint8_t *next = memchr(s->p, '<', (size_t)(s->end - s->p));
    if (!next)
        next = s->end;
    if (s->depth == 0) {
        for (; s->p < next; s->p++)
            if (!is_blank(*s->p))
                return MALFORMED;
        return NO_OBJECTION;
    }
    if (!references_ok(s->p, next))
        return OBJECT(2101, "SOAP报文含有未定义的实体引用", "the envelope holds an undefined entity reference");
    s->p = next;
    return NO_OBJECTION;
}

struct objection wire_guard(const struct wire_limits *limits, const uint8_t **text, size_t *len, bool *nested)
{
    if (*len >= 3 && memcmp(*text, "\xEF\xBB\xBF", 3) == 0) {
        *text += 3;
        *len -= 3;
    }
    struct scan s = {.limits = limits, .p = *text, .end = *text + *len};
    struct objection o = check_characters(*text, *len);
    if (!o.code)
        o = check_declaration(&s);
    while (!o.code && s.p < s.end)
        o = *s.p == '<' ? markup(&s) : text_run(&s);
    if (!o.code && (!s.root_seen || s.depth > 0))
        o = MALFORMED;
    if (nested)
        *nested = s.nested;
    return o;
}
