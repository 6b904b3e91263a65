/* link: is the way to a destination open, since when not, and when to try again.
 *
 * For:    the circuit breaker of a destination (F5), shared by its sender threads. A closed way is probed by
 *         registering, which costs the other side nothing and moves no message; messages wait as they are.
 * Logs:   a line when the way closes, one when the reason changes, one when it opens again with the number of
 *         tries in between; never a line per try.
 * Units:  milliseconds of any steady clock, given by the caller. Thread: any thread. */
#ifndef NHJC_FEP_LINK_H
#define NHJC_FEP_LINK_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/backoff.h"

struct link {
    pthread_mutex_t lock;
    const char *name; /* of the destination, borrowed */
    struct backoff backoff;
    bool open;    /* registered, and nothing failed since */
    bool alarmed; /* closed for a reason that an operator has to look into */
    int64_t closed_until;
    int64_t closed_since;
    int64_t failures; /* since it closed */
    int64_t probes;   /* of these, failed registrations: an outage, not one message's trouble */
    char reason[200];
    char reg_version[64], dic_version[64];
};

enum link_use { LINK_PAUSED, LINK_PROBE, LINK_OPEN };

void link_init(struct link *l, const char *name, int64_t retry_min_ms, int64_t retry_max_ms, uint64_t seed);
void link_free(struct link *l);

/* What may be done now. *wait_ms: until that may change (LINK_PAUSED). */
enum link_use link_use(struct link *l, int64_t now_ms, int64_t *wait_ms);
/* Registered. true: after an outage, messages that wait because of it may go at once. */
bool link_opened(struct link *l, int64_t now_ms, const char *reg_version, const char *dic_version);
/* A message got its answer: calm long enough, the pauses become short again. */
void link_worked(struct link *l, int64_t now_ms);
/* A call failed; alarm: the link itself is refused. */
void link_failed(struct link *l, int64_t now_ms, bool alarm, bool probe, const char *reason);
/* The other side asked for a pause (Retry-After): closed for as long at least. */
void link_hold(struct link *l, int64_t now_ms, int64_t ms);
/* Register again before the next message, without a pause. */
void link_refresh(struct link *l);
void link_versions(struct link *l, char reg_version[64], char dic_version[64]);

#endif
