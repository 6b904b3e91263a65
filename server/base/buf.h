/* buf: a growable run of bytes.
 *
 * Owner:  a buf owns its bytes. buf_init or BUF_INIT first, buf_free last; buf_steal gives the bytes
 *         away. Data is always followed by one NUL byte that len does not count (once non-empty).
 * Thread: one at a time. */
#ifndef NHJC_BASE_BUF_H
#define NHJC_BASE_BUF_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
    uint8_t *data;
    size_t len;
    size_t cap;
};

#define BUF_INIT ((struct buf){0})

void buf_init(struct buf *b);
void buf_free(struct buf *b);                 /* frees the bytes, leaves an empty buf */
void buf_clear(struct buf *b);                /* len = 0, keeps the memory */
void buf_reserve(struct buf *b, size_t more); /* room for `more` further bytes */
void buf_append(struct buf *b, const void *bytes, size_t n);
void buf_append_str(struct buf *b, const char *text);
void buf_append_char(struct buf *b, char c);
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_vprintf(struct buf *b, const char *fmt, va_list args) __attribute__((format(printf, 2, 0)));
void buf_consume(struct buf *b, size_t n);      /* drops the first n bytes */
uint8_t *buf_steal(struct buf *b, size_t *len); /* gives the bytes (mem_free), leaves an empty buf */
void buf_append_hex(struct buf *b, const void *bytes, size_t n);
/* Text with & < > " ' and control characters made safe for XML content and attributes. */
void buf_append_xml(struct buf *b, const char *text);
/* Text as a quoted JSON string. */
void buf_append_json(struct buf *b, const char *text);
static inline const char *buf_str(const struct buf *b)
{
    return b->data ? (const char *)b->data : "";
}

#endif
