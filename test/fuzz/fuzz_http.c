/* Requests by bytes: whatever comes, however it is cut, limits hold and both ways of feeding agree. */
#include "fuzz.h"

#include <string.h>

#include "net/http.h"

static const struct http_limits limits = {2048, 20, 4096};

struct outcome {
    enum http_event event;
    struct http_refusal refusal;
    size_t used;
    struct net_request request;
};

static struct outcome feed(const uint8_t *bytes, size_t n, size_t step)
{
    struct outcome o = {.event = FRAME_MORE};
    struct http *h = http_new(&limits);
    while (o.used < n && (o.event == FRAME_MORE || o.event == FRAME_CONTINUE)) {
        size_t piece = n - o.used < step ? n - o.used : step, used = 0;
        o.event = http_feed(h, bytes + o.used, piece, &used);
        REQUIRE(used <= piece);
        REQUIRE(o.event != FRAME_MORE || used == piece);
        REQUIRE(http_body_length(h) <= limits.body_bytes);
        o.used += used;
    }
    o.refusal = http_refusal(h);
    if (o.event == FRAME_COMPLETE) {
        http_give(h, &o.request);
    }
    http_free(&h);
    return o;
}

static void require_same(const struct outcome *a, const struct outcome *b)
{
    REQUIRE(a->event == b->event || (a->event != FRAME_COMPLETE && a->event != FRAME_REFUSED &&
                                     b->event != FRAME_COMPLETE && b->event != FRAME_REFUSED));
    REQUIRE(a->refusal.status == b->refusal.status);
    if (a->event != FRAME_COMPLETE) {
        return;
    }
    REQUIRE(a->used == b->used);
    REQUIRE(strcmp(a->request.path, b->request.path) == 0);
    REQUIRE(strcmp(a->request.query, b->request.query) == 0);
    REQUIRE(strcmp(a->request.host, b->request.host) == 0);
    REQUIRE(a->request.body.len == b->request.body.len);
    REQUIRE(memcmp(buf_str(&a->request.body), buf_str(&b->request.body), a->request.body.len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) {
        return 0;
    }
    size_t step = (size_t)data[0] + 1;
    struct outcome whole = feed(data + 1, size - 1, size), cut = feed(data + 1, size - 1, step);
    require_same(&whole, &cut);
    if (whole.event == FRAME_REFUSED) {
        REQUIRE(whole.refusal.status >= 400 && whole.refusal.reason);
    }
    http_request_clear(&whole.request);
    http_request_clear(&cut.request);
    return 0;
}
