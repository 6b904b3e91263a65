/* http: frames one HTTP/1.1 request out of bytes. Knows limits and no sockets.
 *
 * For:    the server's connections; tests and fuzzing feed it bytes alone.
 * Shape:  the header block is collected and checked line by line while it arrives (lengths, line ends, names),
 *         then read once by http-parser; the body is counted off or de-chunked (http_chunk).
 * Strict: http-parser as Debian builds it lets bare line feeds, folded lines, blanks before the colon and
 *         broken chunk ends pass. Anything two readers could understand differently is refused here first.
 * Owner:  one struct http per request; it does not exist while a connection is idle.
 * Thread: one at a time. */
#ifndef NHJC_NET_HTTP_H
#define NHJC_NET_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/net.h"

struct http_limits {
    size_t header_bytes; /* request line, header lines and the empty line together */
    size_t header_lines; /* header lines */
    size_t body_bytes;   /* de-chunked */
};

enum http_event {
    FRAME_MORE,     /* everything was taken; more bytes are needed */
    FRAME_CONTINUE, /* the client waits for "100 Continue"; send it, then feed the rest */
    FRAME_COMPLETE, /* a whole request; see http_give. What was not taken belongs to the next one */
    FRAME_REFUSED   /* see http_refusal; the connection cannot be used any further */
};

enum http_phase { FRAME_HEADER, FRAME_BODY, FRAME_DONE };

struct http_refusal {
    int status;         /* HTTP status to answer */
    const char *reason; /* one word for logs and tests: "bare_lf", "ambiguous_length" */
};

struct http;

struct http *http_new(const struct http_limits *limits); /* borrows limits */
void http_free(struct http **h);
enum http_event http_feed(struct http *h, const uint8_t *bytes, size_t n, size_t *used);
enum http_phase http_phase(const struct http *h);
struct http_refusal http_refusal(const struct http *h);
size_t http_body_length(const struct http *h); /* bytes of the body held so far */
bool http_keep_alive(const struct http *h);    /* may the connection be used after this request? */
bool http_is_head(const struct http *h);       /* the answer must go without its body */
/* After FRAME_COMPLETE: gives texts and body to *r, which must be zeroed; http_request_clear frees them. */
void http_give(struct http *h, struct net_request *r);
void http_request_clear(struct net_request *r);

/* The line and header lines of an answer, up to and including the empty line. now: unix microseconds. headers: further
 * lines or NULL. */
void http_answer_head(struct buf *out, int64_t now, int status, const char *content_type, const char *headers,
                      size_t body_length, bool close);

#endif
