#include "query/page.h"

#include <string.h>

#include "query/page_token.h"

#define DEFAULT_SIZE 1000
#define LARGEST_SIZE 10000

struct result page_open(struct arena *a, const struct page_request *request, const struct buf *question,
                        struct page *page)
{
    *page = (struct page){.key = request->token_key, .question = question, .size = DEFAULT_SIZE};
    if (request->has_size) {
        if (request->size < 1 || request->size > LARGEST_SIZE) {
            return result_error(ERR_SENDER, 2103, "pageSize须在1至%d之间 / pageSize is not within 1 and %d",
                                LARGEST_SIZE, LARGEST_SIZE);
        }
        page->size = (size_t)request->size;
    }
    if (!request->token) {
        return RESULT_OK;
    }
    if (!request->token_key) {
        return result_error(ERR_INTERNAL, 0, "no key for page tokens");
    }
    const void *position;
    TRY(page_token_open(a, request->token_key, question->data, question->len, request->token, &position,
                        &page->position_len));
    page->position = position;
    return RESULT_OK;
}

struct result page_next(struct arena *a, const struct page *page, const struct buf *position, const char **token)
{
    *token = page->key ? page_token_make(a, page->key, page->question->data, page->question->len, position->data,
                                         position->len)
                       : NULL;
    return *token ? RESULT_OK : result_error(ERR_INTERNAL, 0, "no page token could be made");
}

void page_put_text(struct buf *b, const char *text)
{
    buf_append(b, text, strlen(text) + 1);
}

void page_put_number(struct buf *b, int64_t n)
{
    uint64_t v = __builtin_bswap64((uint64_t)n);
    buf_append(b, &v, sizeof v);
}

bool page_take_text(const struct page *page, size_t *at, const char **text)
{
    const uint8_t *start = page->position + *at;
    const uint8_t *end = *at < page->position_len ? memchr(start, 0, page->position_len - *at) : NULL;
    if (!end) {
        return false;
    }
    *text = (const char *)start;
    *at += (size_t)(end - start) + 1;
    return true;
}

bool page_take_number(const struct page *page, size_t *at, int64_t *n)
{
    uint64_t v;
    if (page->position_len - *at < sizeof v || *at > page->position_len) {
        return false;
    }
    memcpy(&v, page->position + *at, sizeof v);
    *n = (int64_t)__builtin_bswap64(v);
    *at += sizeof v;
    return true;
}
