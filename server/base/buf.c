#include "base/buf.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/secret.h"
#include "base/utf8.h"

#define FIRST_CAP 64

void buf_init(struct buf *b)
{
    *b = BUF_INIT;
}

void buf_free(struct buf *b)
{
    mem_free(b->data);
    *b = BUF_INIT;
}

void buf_clear(struct buf *b)
{
    b->len = 0;
    if (b->data) {
        b->data[0] = 0;
    }
}

void buf_reserve(struct buf *b, size_t more)
{
    /* An impossible sum asks for all memory, which mem_grow answers in its own way. */
    size_t need = more > SIZE_MAX - b->len - 1 ? SIZE_MAX : b->len + more + 1;
    if (need <= b->cap) {
        return;
    }
    size_t cap = b->cap ? b->cap : FIRST_CAP;
    while (cap < need) {
        cap = cap > SIZE_MAX / 2 ? need : cap * 2;
    }
    b->data = mem_grow(b->data, cap);
    b->cap = cap;
    b->data[b->len] = 0;
}

void buf_append(struct buf *b, const void *bytes, size_t n)
{
    if (n == 0) {
        return;
    }
    buf_reserve(b, n);
    memcpy(b->data + b->len, bytes, n);
    b->len += n;
    b->data[b->len] = 0;
}

void buf_append_str(struct buf *b, const char *text)
{
    buf_append(b, text, strlen(text));
}

void buf_append_char(struct buf *b, char c)
{
    buf_append(b, &c, 1);
}

void buf_vprintf(struct buf *b, const char *fmt, va_list args)
{
    va_list again;
    va_copy(again, args);
    size_t room = b->cap - b->len;
    int n = vsnprintf(room ? (char *)b->data + b->len : NULL, room, fmt, args);
    if (n > 0 && (size_t)n >= room) {
        buf_reserve(b, (size_t)n);
        vsnprintf((char *)b->data + b->len, (size_t)n + 1, fmt, again);
    }
    va_end(again);
    if (n > 0) {
        b->len += (size_t)n;
    }
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    buf_vprintf(b, fmt, args);
    va_end(args);
}

void buf_consume(struct buf *b, size_t n)
{
    if (n >= b->len) {
        buf_clear(b);
        return;
    }
    if (n > 0) {
        memmove(b->data, b->data + n, b->len - n + 1);
        b->len -= n;
    }
}

uint8_t *buf_steal(struct buf *b, size_t *len)
{
    buf_reserve(b, 0); /* never NULL, and with its NUL byte, even when nothing was appended */
    uint8_t *data = b->data;
    if (len) {
        *len = b->len;
    }
    *b = BUF_INIT;
    return data;
}

void buf_append_hex(struct buf *b, const void *bytes, size_t n)
{
    buf_reserve(b, n * 2);
    hex_encode(bytes, n, (char *)b->data + b->len);
    b->len += n * 2;
}

/* Walks text and lets put write every character; what is not UTF-8 becomes U+FFFD, byte by byte. */
static void append_escaped(struct buf *b, const char *text, void (*put)(struct buf *, const char *, size_t, uint32_t))
{
    size_t len = strlen(text);
    buf_reserve(b, len);
    for (size_t at = 0; at < len;) {
        uint32_t code;
        size_t n = utf8_next(text + at, len - at, &code);
        if (n == 0) {
            put(b, "\xef\xbf\xbd", 3, 0xfffd);
            at++;
            continue;
        }
        put(b, text + at, n, code);
        at += n;
    }
}

/* XML 1.0 knows no way to write most control characters, not even as references. */
static bool xml_impossible(uint32_t code)
{
    return (code < 0x20 && code != '\t' && code != '\n' && code != '\r') || code == 0xfffe || code == 0xffff;
}

static void put_xml(struct buf *b, const char *text, size_t n, uint32_t code)
{
    static const char *const names[128] = {
        ['&'] = "&amp;",   ['<'] = "&lt;",  ['>'] = "&gt;",   ['"'] = "&quot;",
        ['\''] = "&apos;", ['\t'] = "&#9;", ['\n'] = "&#10;", ['\r'] = "&#13;",
    };
    if (code < 128 && names[code]) {
        buf_append_str(b, names[code]);
    } else if (xml_impossible(code)) {
        buf_append_str(b, "\xef\xbf\xbd");
    } else if (code >= 0x7f && code <= 0x9f) {
        buf_printf(b, "&#%u;", (unsigned)code);
    } else {
        buf_append(b, text, n);
    }
}

void buf_append_xml(struct buf *b, const char *text)
{
    append_escaped(b, text, put_xml);
}

static void put_json(struct buf *b, const char *text, size_t n, uint32_t code)
{
    static const char *const names[128] = {
        ['"'] = "\\\"", ['\\'] = "\\\\", ['\b'] = "\\b", ['\f'] = "\\f", ['\n'] = "\\n", ['\r'] = "\\r", ['\t'] = "\\t",
    };
    if (code < 128 && names[code]) {
        buf_append_str(b, names[code]);
    } else if (code < 0x20 || code == 0x7f || code == '<' || code == 0x2028 || code == 0x2029) {
        buf_printf(b, "\\u%04x", (unsigned)code); /* '<' and the two separators: safe inside a script element too */
    } else {
        buf_append(b, text, n);
    }
}

void buf_append_json(struct buf *b, const char *text)
{
    buf_append_char(b, '"');
    append_escaped(b, text, put_json);
    buf_append_char(b, '"');
}
