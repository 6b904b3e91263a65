/* rate: how many requests an identity may make (1106).
 *
 * A token bucket per identity: `per_minute` on average, a minute's worth at once. Identities that have been quiet long
 * enough to be full again are forgotten, so the table does not grow with the years.
 * Thread: any thread (one short lock). */
#ifndef NHJC_VALIDATE_RATE_H
#define NHJC_VALIDATE_RATE_H

#include <stdbool.h>
#include <stdint.h>

struct rate_limiter;

struct rate_limiter *rate_new(int64_t per_minute); /* 0 or less: gives NULL, which allows everything */
void rate_free(struct rate_limiter **r);
/* now_ns: monotonic. *wait_s: when refused, seconds until the next request is allowed. */
bool rate_allow(struct rate_limiter *r, const char *identity, int64_t now_ns, int *wait_s);
/* Shall this refusal be recorded? The first of an identity in a minute; the others are only counted, so that refusing
 * costs less than asking. */
bool rate_tell(struct rate_limiter *r, const char *identity, int64_t now_ns);

#endif
