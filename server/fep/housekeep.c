/* What the first lane does between messages: ownership, recovery of lost leases, heartbeat, gauges. */
#include <stdio.h>

#include "base/log.h"
#include "base/mem.h"
#include "fep/fep_internal.h"

enum { HEARTBEAT_MS = 60000, GAUGES_MS = 10000, RECOVERY_MS = 10000, GAUGES_SHARE = 20 };

/* The store's statements walk indexes and stop early; a plan made while the tables were small must not scan them
 * for ever after. */
static const char SESSION[] = "SET enable_seqscan = off; SET enable_bitmapscan = off";

RESULT fep_session(struct lane *lane)
{
    struct fep *f = lane->fep;
    if (!lane->db)
        TRY(db_open(&f->db, &lane->db));
    else if (db_generation(lane->db) == lane->generation)
        return RESULT_OK;
    TRY(db_exec(lane->db, SESSION));
    lane->generation = db_generation(lane->db);
    fep_want_recovery(f); /* a claim whose commit was cut off may be stored */
    if (lane->index == 0) {
        pthread_mutex_lock(&f->lock);
        f->owner = false; /* the lock went with the connection */
        pthread_mutex_unlock(&f->lock);
    }
    return RESULT_OK;
}

static RESULT own(struct lane *lane)
{
    struct fep *f = lane->fep;
    bool mine = false;
    if (fep_owner(f))
        return RESULT_OK;
    TRY(outbox_own(lane->db, f->id, &mine));
    if (!mine)
        return RESULT_OK;
    pthread_mutex_lock(&f->lock);
    f->owner = true;
    f->recover = true;
    pthread_mutex_unlock(&f->lock);
    return RESULT_OK;
}

/* Whoever owns the destination holds every lease worth holding in its hands: all others are lost. `ahead`: those that
 * run out within so many microseconds. */
static RESULT recover_held(struct lane *lane, int64_t ahead)
{
    struct fep *f = lane->fep;
    int64_t mine[FEP_LANES], now = clock_now();
    size_t n = 0, count = 0;
    for (int i = 0; i < FEP_LANES; i++)
        if (f->lanes[i].message.id)
            mine[n++] = f->lanes[i].message.id;
    TRY(outbox_recover(lane->db, f->id, now + ahead, mine, n, now, &count));
    if (count)
        log_write(LOG_WARN, "fep", "leases.recovered", "destination=%s messages=%zu", log_quote(f->destination.name),
                  count);
    return RESULT_OK;
}

/* Asked for: every lease that is not in our hands. Else from time to time those that ran out: one may have become
 * visible only after the last question, its claim having been committed when nobody waited for it any more. */
static RESULT recover(struct lane *lane)
{
    static const int64_t ALL = INT64_C(365) * 86400 * USEC_PER_SEC;
    struct fep *f = lane->fep;
    pthread_mutex_lock(&f->lock);
    bool wanted = f->recover;
    f->recover = false;
    pthread_mutex_unlock(&f->lock);
    if (!wanted && fep_monotonic_ms() < f->next_recovery)
        return RESULT_OK;
    pthread_mutex_lock(&f->claims);
    struct result r = recover_held(lane, wanted ? ALL : 0);
    pthread_mutex_unlock(&f->claims);
    f->next_recovery = fep_monotonic_ms() + RECOVERY_MS;
    if (!result_ok(r) && wanted)
        fep_want_recovery(f);
    return r;
}

/* ---- gauges and heartbeat ---- */

static RESULT gauges(struct lane *lane, struct outbox_lag *lag)
{
    struct fep *f = lane->fep;
    TRY(outbox_lag(lane->db, f->id, lag));
    fep_gauge(f->metrics, FEP_M_PENDING, lag->pending);
    fep_gauge(f->metrics, FEP_M_PARKED_NOW, lag->parked);
    fep_gauge(f->metrics, FEP_M_STUCK, lag->stuck);
    int64_t now = clock_now();
    fep_gauge(f->metrics, FEP_M_PARKED_AGE, lag->parked_oldest ? (now - lag->parked_oldest) / USEC_PER_SEC : 0);
    fep_gauge(f->metrics, FEP_M_LAG, lag->oldest ? (now - lag->oldest) / USEC_PER_SEC : 0);
    return RESULT_OK;
}

/* Counting a week's backlog takes a while: it is done for at most a twentieth of the time. */
static RESULT due_gauges(struct lane *lane)
{
    struct fep *f = lane->fep;
    struct outbox_lag lag;
    int64_t start = fep_monotonic_ms();
    if (start < f->next_gauges)
        return RESULT_OK;
    TRY(gauges(lane, &lag));
    int64_t end = fep_monotonic_ms(), pause = (end - start) * GAUGES_SHARE;
    f->next_gauges = end + (pause > GAUGES_MS ? pause : GAUGES_MS);
    return RESULT_OK;
}

static void judge_heartbeat(struct lane *lane, struct result r, const struct fep_reply *reply)
{
    struct fep *f = lane->fep;
    if (r.kind == ERR_TRANSIENT)
        fep_fail_link(lane, false, false, r.text);
    if (!verdict_not_served(r, reply->code))
        return; /* accepted, or not now: the next one tells */
    f->no_heartbeat = true;
    log_write(LOG_INFO, "fep", "heartbeat.off", "destination=%s code=%d", log_quote(f->destination.name),
              result_ok(r) ? reply->code : r.code);
}

static RESULT due_heartbeat(struct lane *lane)
{
    struct fep *f = lane->fep;
    int64_t now = fep_monotonic_ms(), wait;
    if (now < f->next_heartbeat || f->no_heartbeat || !lane->bound || link_use(&f->link, now, &wait) != LINK_OPEN)
        return RESULT_OK;
    struct outbox_lag lag;
    TRY(gauges(lane, &lag));
    struct fep_reply reply = {0};
    struct result r = lane->binding.heartbeat(lane->binding.self, lag.pending, lag.oldest, &reply);
    f->next_heartbeat = fep_monotonic_ms() + HEARTBEAT_MS;
    judge_heartbeat(lane, r, &reply);
    return RESULT_OK;
}

RESULT fep_housekeep(struct lane *lane)
{
    TRY(own(lane));
    if (!fep_owner(lane->fep))
        return RESULT_OK;
    TRY(recover(lane));
    TRY(due_gauges(lane));
    return due_heartbeat(lane);
}
