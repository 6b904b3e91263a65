/* page: the two ends of every paged question: from the request to size and position, from the last row to the token.
 * Inside query only. Thread: any thread. */
#ifndef NHJC_QUERY_PAGE_H
#define NHJC_QUERY_PAGE_H

#include "base/buf.h"
#include "query/query.h"

struct page {
    const unsigned char *key;
    const struct buf *question; /* canonical bytes of all that is asked except the page; borrowed */
    size_t size;                /* rows of this page */
    const uint8_t *position;    /* NULL: the first page */
    size_t position_len;
};

/* SENDER 2103: size out of range, token forged or of another question. */
RESULT page_open(struct arena *a, const struct page_request *request, const struct buf *question, struct page *page);
RESULT page_next(struct arena *a, const struct page *page, const struct buf *position, const char **token);

/* Positions and questions are made of texts (ended by NUL) and big-endian numbers. */
void page_put_text(struct buf *b, const char *text);
void page_put_number(struct buf *b, int64_t n);
bool page_take_text(const struct page *page, size_t *at, const char **text);
bool page_take_number(const struct page *page, size_t *at, int64_t *n);

#endif
