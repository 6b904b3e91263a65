/* retention: drops the partitions whose time is over, whole, oldest first, one per transaction.
 *
 * For:    the housekeeping thread (daily), nhjcctl storage expire.
 * Rules:  sql/README.md "Retention". What is waited for by an upload waits at most LOCK_TIMEOUT; a partition that is in
 * use then, or must stay (readings not rolled up, late history, uploads not forwarded), is told and left for the next
 * time, with all younger ones of its table. Errors: those of db. What was dropped before an error stays dropped.
 * Thread: as the connection. Units: milliseconds. */
#ifndef NHJC_ADMIN_RETENTION_H
#define NHJC_ADMIN_RETENTION_H

#include <stdbool.h>

#include "db/db.h"

struct retention { /* how long each kind is kept */
    int64_t raw_ms, payload_ms, audit_ms;
};

struct retention_step {
    const char *kind, *table, *partition; /* live during the call */
    int64_t until, bytes;                 /* upper bound of the partition; its size */
    const char *held;                     /* why it stays; "": dropped, or would be */
};

/* told: called for every partition that is due; NULL: nobody. dry_run: nothing is dropped. */
RESULT retention_run(struct db *db, const struct retention *keep, const char *actor, bool dry_run,
                     void (*told)(const struct retention_step *step, void *arg), void *arg);
/* What lies before this instant is over. */
int64_t retention_cutoff(int64_t keep_ms);

#endif
