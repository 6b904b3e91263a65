/* http_chunk: takes the chunked coding off a body, strictly.
 *
 * Why:    Debian builds http-parser without its strict checks: it takes any two bytes for the line end after
 *         a chunk. Two readers that see different bodies in the same bytes are how requests are smuggled, so
 *         the framing of chunks is read here by the letter of RFC 9112 section 7.1.
 * Limits: the decoded length; and what is not data (sizes, extensions, trailers) may cost at most
 *         `spare` bytes plus eight per decoded byte, so that nobody sends a gigabyte of chunk extensions.
 * Owner:  borrows everything. Thread: one at a time. No socket, no clock. */
#ifndef NHJC_NET_HTTP_CHUNK_H
#define NHJC_NET_HTTP_CHUNK_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

enum chunk_state {
    CHUNK_SIZE_FIRST,   /* before the first digit of a size */
    CHUNK_SIZE,         /* further digits */
    CHUNK_EXTENSION,    /* after ';', ignored up to the line's end */
    CHUNK_SIZE_LF,      /* CR of the size line seen */
    CHUNK_DATA,         /* `remaining` bytes of data follow */
    CHUNK_DATA_CR,      /* all data seen */
    CHUNK_DATA_LF,      /* CR after the data seen */
    CHUNK_TRAILER,      /* at the start of a trailer line; CR here ends the body */
    CHUNK_TRAILER_LINE, /* inside a trailer line, ignored */
    CHUNK_TRAILER_LF,   /* CR at the end of a trailer line seen */
    CHUNK_LAST_LF,      /* CR of the closing empty line seen */
    CHUNK_END           /* the body is complete */
};

enum chunk_event { CHUNK_MORE, CHUNK_COMPLETE, CHUNK_MALFORMED, CHUNK_TOO_LARGE, CHUNK_OVERHEAD };

struct http_chunk {
    enum chunk_state state;
    uint64_t remaining; /* of the current chunk */
    int digits;         /* of the current size */
    uint64_t overhead;  /* bytes so far that were not data */
    uint64_t spare;
    uint64_t max_body;
};

void chunk_init(struct http_chunk *c, size_t max_body, size_t spare);
/* Appends decoded bytes to body. *used: bytes taken; after CHUNK_COMPLETE the rest belongs to the next request. */
enum chunk_event chunk_feed(struct http_chunk *c, const uint8_t *bytes, size_t n, size_t *used, struct buf *body);

#endif
