/* platform_store: lower platforms that forward to this one, in the database.
 *
 * Admission: a certificate with a platform code, issued by a CA of ours, is enough; the row is made by the first
 *         RegisterPlatform. An operator may suspend the row, which refuses everything (1104).
 * Errors: those of db. Thread: as the connection. */
#ifndef NHJC_REGISTRY_PLATFORM_STORE_H
#define NHJC_REGISTRY_PLATFORM_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "db/db.h"

struct platform_row {
    int32_t id;           /* shares one sequence with unit.id */
    char platform_id[33]; /* 32 hex */
    bool suspended;
    unsigned char key[32]; /* payload key configured between the two platforms */
    size_t key_len;        /* 0: none */
};

RESULT platform_find(struct db *db, const char *code, struct platform_row *row, bool *found);
/* Idempotent per code. A suspended platform stays as it is: look at row->suspended. */
RESULT platform_register(struct db *db, const char *code, const char *name, const char *software_version,
                         struct platform_row *row);
/* oldest_pending: microseconds, INT64_MIN: none. */
RESULT platform_seen(struct db *db, int32_t id, int64_t pending_uploads, int64_t oldest_pending);

#endif
