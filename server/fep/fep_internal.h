/* fep_internal: what the files of a running forwarder share: struct fep (one destination) and its lanes.
 *
 * Lanes:  FEP_LANES sender threads per destination, each with its own connection and binding. While one waits for
 *         an answer the other packs. The first lane also keeps house: ownership, recovery, heartbeat, gauges.
 * Order:  an enterprise is in at most one open message; `claims` makes choosing, storing and taking up one step
 *         for the lanes of this process, the claim transaction makes it so for everybody. */
#ifndef NHJC_FEP_FEP_INTERNAL_H
#define NHJC_FEP_FEP_INTERNAL_H

#include <pthread.h>

#include "base/clock.h"
#include "fep/fep_binding.h"
#include "fep/fep_metrics.h"
#include "fep/link.h"
#include "fep/plan.h"
#include "fep/verdict.h"
#include "fep/view_cache.h"

#define FEP_LANES 2

struct fep;

struct lane {
    struct fep *fep;
    int index;
    pthread_t thread;
    struct db *db;
    unsigned generation; /* of the connection that is set up */
    struct fep_binding binding;
    bool bound;
    struct view_cache views;
    uint64_t random;
    char trouble[200]; /* last database error logged */
    int64_t trouble_count;
    /* under fep->claims: */
    struct fep_message message; /* id 0: none in hand */
    int32_t alone;              /* the one enterprise in it, 0: several, or not known */
    int32_t *reserved;          /* enterprises that this lane is packing */
    size_t reserved_count;
};

struct fep {
    struct fep_destination destination; /* own copies */
    int id;
    struct db_config db;
    struct fep_binding_maker maker;
    char prefix[32]; /* of message ids */
    struct fep_metrics *metrics;
    struct link link;
    struct lane lanes[FEP_LANES];

    pthread_mutex_t lock; /* stopping, hints, owner, recover */
    pthread_cond_t wake;
    bool stopping;
    uint64_t hints;
    bool owner;   /* this process forwards to the destination */
    bool recover; /* a connection was lost: a claim may have been stored without being known here */

    pthread_mutex_t claims; /* what follows */
    struct aside aside;
    int32_t cursor;     /* enterprise after which the next turn begins */
    int64_t average;    /* records per row, for guessing how many rows to look at */
    bool backlog;       /* the last message was full: more waits than one lane can send */
    int64_t not_before; /* clock_monotonic: little was waiting, let it gather */
    int64_t retry_at;   /* clock_monotonic: a message put off here is due then, 0: none */

    /* first lane only */
    int64_t next_heartbeat, next_gauges, next_recovery; /* fep_monotonic_ms */
    bool no_heartbeat;                                  /* the other side does not know the operation */
};

bool fep_stopping(struct fep *f);
bool fep_owner(struct fep *f);
void fep_want_recovery(struct fep *f);
/* Until ms have passed or the forwarder is to stop. */
void fep_sleep(struct fep *f, int64_t ms);

/* assemble.c: packs and stores the next message of ready rows into lane->message. *worked: some rows moved; then
 * id 0 means that there is nothing to send (a row was parked). */
RESULT fep_assemble(struct lane *lane, bool *worked);
/* assemble.c: takes up a waiting message that is due. */
RESULT fep_take_due(struct lane *lane);
/* deliver.c: sends the message in hand and settles it; the lane's hands are empty afterwards. */
void fep_deliver(struct lane *lane);
/* deliver.c: a call failed; alarm: the link itself is refused, and the binding is made anew (a renewed certificate is
 * read from its file then). */
void fep_fail_link(struct lane *lane, bool alarm, bool probe, const char *reason);
/* deliver.c: registers; true when the link is open afterwards. */
bool fep_register(struct lane *lane);
/* housekeep.c: ownership, recovery, heartbeat, gauges. First lane only. */
RESULT fep_housekeep(struct lane *lane);
/* housekeep.c: a connection that is open and set up for what lanes ask. */
RESULT fep_session(struct lane *lane);

static inline int64_t fep_monotonic_ms(void)
{
    return clock_monotonic() / 1000000;
}

#endif
