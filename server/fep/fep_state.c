#include "fep/fep_state.h"

#include <stddef.h>
#include <string.h>

static const struct fep_move MOVES[] = {
    {FEP_READY, FEP_CLAIM, FEP_LEASED, FEP_STORE, "packed"},
    {FEP_READY, FEP_REFUSE, FEP_PARKED, FEP_PARK, "cannot be packed"},
    {FEP_WAITING, FEP_TAKE, FEP_LEASED, FEP_LEASE, "due"},
    {FEP_LEASED, FEP_RECEIPT, FEP_SENT, FEP_SETTLE, "accepted"},
    {FEP_WAITING, FEP_RECEIPT, FEP_SENT, FEP_SETTLE, "accepted by an earlier try"},
    {FEP_PARKED, FEP_RECEIPT, FEP_SENT, FEP_SETTLE, "accepted after all"},
    {FEP_LEASED, FEP_FAIL, FEP_WAITING, FEP_DELAY, "not now"},
    {FEP_LEASED, FEP_REFUSE, FEP_PARKED, FEP_PARK, "refused"},
    {FEP_WAITING, FEP_REFUSE, FEP_PARKED, FEP_PARK, "an earlier try was refused"},
    {FEP_LEASED, FEP_SPLIT, FEP_READY, FEP_RELEASE, "refused as a whole"},
    {FEP_WAITING, FEP_SPLIT, FEP_READY, FEP_RELEASE, "an earlier try was refused as a whole"},
    {FEP_LEASED, FEP_ORPHAN, FEP_WAITING, FEP_DUE, "outcome unknown"},
    {FEP_PARKED, FEP_REQUEUE, FEP_WAITING, FEP_AGAIN, "operator"},
    {FEP_PARKED, FEP_REMAKE, FEP_READY, FEP_REPACK, "operator"},
    {FEP_WAITING, FEP_REMAKE, FEP_READY, FEP_REPACK, "younger data went first"},
    {FEP_SENT, FEP_RENEW, FEP_READY, FEP_REPACK, "operator, taken in part"},
};

static const struct fep_move STAY[FEP_STATES] = {
    {FEP_READY, FEP_EVENTS, FEP_READY, FEP_KEEP, "no change"},
    {FEP_LEASED, FEP_EVENTS, FEP_LEASED, FEP_KEEP, "no change"},
    {FEP_WAITING, FEP_EVENTS, FEP_WAITING, FEP_KEEP, "no change"},
    {FEP_SENT, FEP_EVENTS, FEP_SENT, FEP_KEEP, "no change"},
    {FEP_PARKED, FEP_EVENTS, FEP_PARKED, FEP_KEEP, "no change"},
};

static const char *const STATE_NAMES[FEP_STATES] = {"ready", "leased", "waiting", "sent", "parked"};
static const char *const EVENT_NAMES[FEP_EVENTS] = {"claim", "take",   "receipt", "fail",   "refuse",
                                                    "split", "orphan", "requeue", "remake", "renew"};

const struct fep_move *outbox_next(enum fep_state from, enum fep_event event)
{
    for (size_t i = 0; i < sizeof MOVES / sizeof MOVES[0]; i++)
        if (MOVES[i].from == from && MOVES[i].event == event)
            return &MOVES[i];
    return &STAY[from];
}

const char *fep_state_name(enum fep_state state)
{
    return STATE_NAMES[state];
}

bool fep_state_from_name(const char *name, enum fep_state *state)
{
    for (int i = 0; i < FEP_STATES; i++) {
        if (strcmp(name, STATE_NAMES[i]) == 0) {
            *state = (enum fep_state)i;
            return true;
        }
    }
    return false;
}

const char *fep_event_name(enum fep_event event)
{
    return EVENT_NAMES[event];
}
