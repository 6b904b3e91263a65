/* fep_state: the life of what is forwarded, as a table of {from, event, to, action}.
 *
 * For:    outbox_next() is the only mover of an outbox row and of the message that carries it. The store
 *         asks it inside the transaction that locks the message and does what the action says.
 * Rules:  a receipt is taken in any state a message can be in, and nothing moves a sent message again: no
 *         timeout, refusal or lost lease that is reported late overwrites it (F6). Only an operator may have the
 *         rows of one that was taken in part packed anew. What has no line in the
 *         table changes nothing.
 * Thread: any thread; no state, no clock, no database. */
#ifndef NHJC_FEP_FEP_STATE_H
#define NHJC_FEP_FEP_STATE_H

#include <stdbool.h>

enum fep_state {
    FEP_READY,   /* outbox row without a message: waits to be packed */
    FEP_LEASED,  /* message stored, being sent */
    FEP_WAITING, /* a try failed for now: the same id and bytes again at next_at */
    FEP_SENT,    /* the other side has it: the end */
    FEP_PARKED,  /* refused for good: waits for an operator, others go on */
    FEP_STATES
};

enum fep_event {
    FEP_CLAIM,   /* ready rows were packed into a message */
    FEP_TAKE,    /* a waiting message is due */
    FEP_RECEIPT, /* the other side accepted it, now or in an earlier try */
    FEP_FAIL,    /* no answer, or "not now", or the link itself is refused */
    FEP_REFUSE,  /* refused for good, cannot be split further */
    FEP_SPLIT,   /* refused for good, but it carries more than one row: they are packed alone */
    FEP_ORPHAN,  /* the lease ran out, or its holder is gone: outcome unknown */
    FEP_REQUEUE, /* an operator wants it tried again */
    FEP_REMAKE,  /* the same, but it never had bytes, or younger data went out meanwhile: it is packed anew */
    FEP_RENEW,   /* an operator wants what was taken in part sent once more, under a new id */
    FEP_EVENTS
};

enum fep_action {
    FEP_KEEP,    /* nothing */
    FEP_STORE,   /* store id and bytes, then send */
    FEP_LEASE,   /* lease, count the attempt, send */
    FEP_SETTLE,  /* write the answer down */
    FEP_DELAY,   /* write the reason down, wait until next_at */
    FEP_PARK,    /* write the refusal down */
    FEP_RELEASE, /* rows become ready again, the message is removed */
    FEP_DUE,     /* send again at once */
    FEP_AGAIN,   /* the same, and remember that it was parked */
    FEP_REPACK,  /* as FEP_RELEASE, and what was sent after these rows is sent again after them */
    FEP_ACTIONS
};

struct fep_move {
    enum fep_state from;
    enum fep_event event;
    enum fep_state to;
    enum fep_action action;
    const char *why;
};

/* Never NULL; action FEP_KEEP and to == from when the event changes nothing. */
const struct fep_move *outbox_next(enum fep_state from, enum fep_event event);

const char *fep_state_name(enum fep_state state); /* as the database stores it; "ready" … */
bool fep_state_from_name(const char *name, enum fep_state *state);
const char *fep_event_name(enum fep_event event);

#endif
