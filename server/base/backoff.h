/* backoff: when to try again, as data that can be stepped without sleeping.
 *
 * A ceiling doubles from min to max; the delay is random between 1 ms and the ceiling (full jitter). The
 * ceiling returns to min only after a stable period of success, not at the first success.
 * Units:  milliseconds. Thread: one at a time. */
#ifndef NHJC_BASE_BACKOFF_H
#define NHJC_BASE_BACKOFF_H

#include <stdint.h>

struct backoff {
    int64_t min_ms, max_ms, stable_ms;
    int64_t current_ms;
    int64_t last_failure_ms;
    int64_t success_since_ms; /* the first success after the last failure */
    uint64_t random;
};

void backoff_init(struct backoff *b, int64_t min_ms, int64_t max_ms, int64_t stable_ms, uint64_t seed);
int64_t backoff_fail(struct backoff *b, int64_t now_ms); /* the delay before the next try */
void backoff_success(struct backoff *b, int64_t now_ms);

#endif
