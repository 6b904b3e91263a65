#include "payload/guard.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

#define FAULT(code_, at_, zh_, en_) ((struct guard_fault){(code_), (at_), (zh_), (en_)})
#define NO_FAULT ((struct guard_fault){0})

/* ---- the declaration ---- */

static bool starts(const uint8_t *text, size_t len, const char *what, size_t n)
{
    return len >= n && memcmp(text, what, n) == 0;
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Other encodings show in the first bytes: every one of them writes '<' or its mark in a way of its own. */
static struct guard_fault foreign_encoding(const uint8_t *text, size_t len)
{
    static const struct {
        const char *bytes;
        size_t n;
    } MARKS[] = {{"\xFF\xFE", 2}, {"\xFE\xFF", 2}, {"\0\0", 2}, {"<\0", 2}, {"\0<", 2}};
    for (size_t i = 0; i < sizeof MARKS / sizeof MARKS[0]; i++) {
        if (starts(text, len, MARKS[i].bytes, MARKS[i].n)) {
            return FAULT(2101, text, "内容是UTF-16或UTF-32编码", "the content is UTF-16 or UTF-32");
        }
    }
    if (starts(text, len, "\x4C\x6F\xA7\x94", 4)) {
        return FAULT(2101, text, "内容是EBCDIC编码", "the content is EBCDIC");
    }
    if (starts(text, len, "\x1F\x8B", 2)) {
        return FAULT(2101, text, "内容是gzip数据，而contentEncoding不是gzip",
                     "the content is gzip data although contentEncoding is not gzip");
    }
    return NO_FAULT;
}

struct span {
    const char *at;
    size_t len;
};

/* Value of a pseudo attribute such as encoding="…" in the declaration; len 0: not found. */
static struct span pseudo_attribute(const char *from, const char *end, const char *name)
{
    size_t n = strlen(name);
    for (const char *p = from; p + n < end; p++) {
        if (!is_blank((uint8_t)p[-1]) || memcmp(p, name, n) != 0) {
            continue;
        }
        for (p += n; p < end && (is_blank((uint8_t)*p) || *p == '='); p++) {
        }
        const char *close = p < end && (*p == '"' || *p == '\'') ? memchr(p + 1, *p, (size_t)(end - p - 1)) : NULL;
        return close ? (struct span){p + 1, (size_t)(close - p - 1)} : (struct span){NULL, 0};
    }
    return (struct span){NULL, 0};
}

static bool span_is(struct span s, const char *text)
{
    return s.len == strlen(text) && strncasecmp(s.at, text, s.len) == 0;
}

struct guard_fault guard_declaration(const uint8_t **text, size_t *len)
{
    if (starts(*text, *len, "\xEF\xBB\xBF", 3)) {
        *text += 3;
        *len -= 3;
        if (starts(*text, *len, "\xEF\xBB\xBF", 3)) { /* libxml2 steps over it and reads a declaration unseen here */
            return FAULT(2101, *text, "开头有两个字节顺序标记（BOM）",
                         "there are two byte order marks at the beginning");
        }
    }
    struct guard_fault fault = foreign_encoding(*text, *len);
    if (fault.code || !starts(*text, *len, "<?xml", 5) || *len < 6 || !is_blank((*text)[5])) {
        return fault; /* without a declaration it is XML 1.0 in UTF-8 */
    }
    const char *from = (const char *)*text + 6;
    const char *end = memmem(from, *len - 6, "?>", 2);
    if (!end) {
        return NO_FAULT; /* not well-formed: the parser says so */
    }
    struct span version = pseudo_attribute(from, end, "version"), encoding = pseudo_attribute(from, end, "encoding");
    if (version.at && !span_is(version, "1.0")) {
        return FAULT(2101, *text, "XML声明的版本不是1.0", "the XML declaration names a version other than 1.0");
    }
    if (encoding.at && !span_is(encoding, "UTF-8")) {
        return FAULT(2101, *text, "XML声明的编码不是UTF-8", "the XML declaration names an encoding other than UTF-8");
    }
    return NO_FAULT;
}

/* ---- UTF-8 ---- */

/* Bytes of the sequence at p (p has bit 7 set), 0 when it is none. */
static size_t sequence(const uint8_t *p, size_t left)
{
    static const struct {
        uint8_t first_min, first_max, second_min, second_max, length;
    } FORMS[] = {/* RFC 3629 section 4 */
                 {0xC2, 0xDF, 0x80, 0xBF, 2}, {0xE0, 0xE0, 0xA0, 0xBF, 3}, {0xE1, 0xEC, 0x80, 0xBF, 3},
                 {0xED, 0xED, 0x80, 0x9F, 3}, {0xEE, 0xEF, 0x80, 0xBF, 3}, {0xF0, 0xF0, 0x90, 0xBF, 4},
                 {0xF1, 0xF3, 0x80, 0xBF, 4}, {0xF4, 0xF4, 0x80, 0x8F, 4}};
    for (size_t i = 0; i < sizeof FORMS / sizeof FORMS[0]; i++) {
        if (p[0] < FORMS[i].first_min || p[0] > FORMS[i].first_max) {
            continue;
        }
        size_t n = FORMS[i].length;
        if (left < n || p[1] < FORMS[i].second_min || p[1] > FORMS[i].second_max) {
            return 0;
        }
        bool good = (n < 3 || (p[2] & 0xC0) == 0x80) && (n < 4 || (p[3] & 0xC0) == 0x80);
        return good ? n : 0;
    }
    return 0;
}

static size_t ascii_run(const uint8_t *p, size_t left)
{
    size_t n = 0;
    for (; n + 32 <= left; n += 32) {
        uint64_t word[4];
        memcpy(word, p + n, sizeof word);
        if ((word[0] | word[1] | word[2] | word[3]) & UINT64_C(0x8080808080808080)) {
            break;
        }
    }
    while (n < left && p[n] < 0x80) {
        n++;
    }
    return n;
}

/* Chinese text in GBK is pairs with a first byte of 81..FE and a second of 40..FE: most high bytes near the
 * offending place pair up like that, while damaged UTF-8 keeps its valid sequences. */
static bool looks_like_gbk(const uint8_t *p, size_t left)
{
    size_t window = left < 64 ? left : 64, pairs = 0, utf8 = 0;
    for (size_t i = 0; i < window;) {
        if (p[i] < 0x80) {
            i++;
            continue;
        }
        size_t n = sequence(p + i, left - i);
        if (n > 2) { /* two-byte sequences are also pairs of GBK */
            utf8++;
            i += n;
        } else if (i + 1 < left && p[i] >= 0x81 && p[i] <= 0xFE && p[i + 1] >= 0x40 && p[i + 1] <= 0xFE &&
                   p[i + 1] != 0x7F) {
            pairs++;
            i += 2;
        } else {
            return false;
        }
    }
    return pairs > utf8;
}

struct guard_fault guard_utf8(const uint8_t *text, size_t len)
{
    size_t i = 0;
    const uint8_t *zero = memchr(text, 0, len); /* to libxml2 it would be the end of the document */
    if (zero) {
        return FAULT(2101, zero, "含有零字节", "there is a zero byte");
    }
    for (;;) {
        i += ascii_run(text + i, len - i);
        if (i == len) {
            return NO_FAULT;
        }
        size_t n = sequence(text + i, len - i);
        if (n == 0) {
            break;
        }
        i += n;
    }
    if (looks_like_gbk(text + i, len - i)) {
        return FAULT(2101, text + i, "字节不是UTF-8，很可能是GBK/GB2312编码",
                     "bytes that are not UTF-8, most likely GBK");
    }
    return FAULT(2101, text + i, "字节不是UTF-8", "bytes that are not UTF-8");
}

/* ---- tags ---- */

struct tag_scan {
    const uint8_t *at, *end;
    size_t tags;
};

static size_t left(const struct tag_scan *s)
{
    return s->at < s->end ? (size_t)(s->end - s->at) : 0;
}

static const uint8_t *next_bracket(const struct tag_scan *s)
{
    const uint8_t *p = memchr(s->at, '<', left(s));
    return p ? p : s->end;
}

/* Steps over `<!-- -->`, `<![CDATA[ ]]>`, `<? ?>`: text in which '<' means nothing. False: s->at is a real tag. */
static bool step_over_text(struct tag_scan *s)
{
    static const struct {
        const char *open, *close;
        size_t open_len, close_len;
    } KINDS[] = {{"<!--", "-->", 4, 3}, {"<![CDATA[", "]]>", 9, 3}, {"<?", "?>", 2, 2}};
    size_t n = left(s);
    for (size_t i = 0; i < sizeof KINDS / sizeof KINDS[0]; i++) {
        if (starts(s->at, n, KINDS[i].open, KINDS[i].open_len)) {
            const uint8_t *close =
                memmem(s->at + KINDS[i].open_len, n - KINDS[i].open_len, KINDS[i].close, KINDS[i].close_len);
            s->at = close ? close + KINDS[i].close_len : s->end;
            return true;
        }
    }
    return false;
}

/* A tag of n bytes needs no closer look: each attribute takes at least five (` a=""`). */
static bool surely_small(size_t n, const struct payload_limits *limits)
{
    return n <= limits->tag_bytes && n / 5 <= limits->attributes;
}

/* Measures the tag at p: up to its '>' outside quotes, or up to `end` when it has none. */
static struct guard_fault measure_tag(const uint8_t *p, const uint8_t *end, const struct payload_limits *limits)
{
    const uint8_t *tag = p;
    size_t attributes = 0;
    uint8_t quote = 0;
    for (; p < end && (quote || *p != '>'); p++) {
        if (quote) {
            quote = *p == quote ? 0 : quote;
        } else if (*p == '"' || *p == '\'') {
            quote = *p;
        } else if (*p == '=') {
            attributes++;
        }
        if (attributes > limits->attributes) {
            return FAULT(2106, tag, "一个标签的属性过多", "too many attributes in one tag");
        }
        if ((size_t)(p - tag) >= limits->tag_bytes) {
            return FAULT(2106, tag, "一个标签过长", "a tag is too long");
        }
    }
    return NO_FAULT;
}

struct guard_fault guard_tags(const uint8_t *text, size_t len, const struct payload_limits *limits, size_t *tags)
{
    struct tag_scan s = {.at = text, .end = text + len};
    struct guard_fault fault = NO_FAULT;
    for (s.at = next_bracket(&s); !fault.code && s.at < s.end; s.at = next_bracket(&s)) {
        if (left(&s) > 1 && (s.at[1] == '!' || s.at[1] == '?') && step_over_text(&s)) {
            continue;
        }
        const uint8_t *tag = s.at++;
        s.tags += left(&s) && *s.at != '/';
        /* well-formed tags hold no further '<', and at one that does the parser stops */
        s.at = next_bracket(&s);
        if (!surely_small((size_t)(s.at - tag), limits)) {
            fault = measure_tag(tag, s.at, limits);
        }
    }
    *tags = s.tags;
    return fault;
}
