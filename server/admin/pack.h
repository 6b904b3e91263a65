/* pack: day rows of months that are over are written again by enterprise, so that one item's days lie side by side.
 *
 * For:    the housekeeping thread (a few seconds a minute), nhjcctl storage pack.
 * Rules:  sql/replace/40_storage.sql "Packing". In steps of a few enterprises, each a transaction; nobody waits but the
 * rollup of an enterprise in hand. A month stopped half-way goes on where it was, whoever goes on. The partition of a
 * finished month is vacuumed by whoever owns it; otherwise autovacuum does it.
 * Errors: those of db. What was packed before an error stays packed.
 * Thread: as the connection. Units: milliseconds. */
#ifndef NHJC_ADMIN_PACK_H
#define NHJC_ADMIN_PACK_H

#include <stdbool.h>

#include "db/db.h"

struct pack_month {                /* a month that was finished */
    const char *month, *partition; /* "2025-03"; live during the call */
    int64_t rows;                  /* written again by this run */
};

/* Ends when all is done, or after the step in which `budget_ms` (0: none) were over. told: called for every month of
 * which this run wrote rows; NULL: nobody. */
RESULT pack_run(struct db *db, const char *actor, int64_t budget_ms,
                void (*told)(const struct pack_month *month, void *arg), void *arg);

#endif
