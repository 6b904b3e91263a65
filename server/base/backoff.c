#include "base/backoff.h"

#define NEVER INT64_MIN

void backoff_init(struct backoff *b, int64_t min_ms, int64_t max_ms, int64_t stable_ms, uint64_t seed)
{
    *b = (struct backoff){
        .min_ms = min_ms > 0 ? min_ms : 1,
        .max_ms = max_ms > min_ms ? max_ms : min_ms,
        .stable_ms = stable_ms,
        .last_failure_ms = NEVER,
        .success_since_ms = NEVER,
        .random = seed,
    };
    if (b->max_ms < b->min_ms) {
        b->max_ms = b->min_ms;
    }
}

/* A splitmix64 step: spread matters here, secrecy does not. */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static void settle(struct backoff *b, int64_t now_ms)
{
    if (b->success_since_ms != NEVER && now_ms - b->success_since_ms >= b->stable_ms) {
        b->current_ms = 0;
    }
}

int64_t backoff_fail(struct backoff *b, int64_t now_ms)
{
    settle(b, now_ms);
    b->success_since_ms = NEVER;
    b->last_failure_ms = now_ms;
    if (b->current_ms == 0) {
        b->current_ms = b->min_ms;
    } else {
        b->current_ms = b->current_ms > b->max_ms / 2 ? b->max_ms : b->current_ms * 2;
    }
    return 1 + (int64_t)(next_random(&b->random) % (uint64_t)b->current_ms);
}

void backoff_success(struct backoff *b, int64_t now_ms)
{
    if (b->success_since_ms == NEVER) {
        b->success_since_ms = now_ms;
    }
    settle(b, now_ms);
}
