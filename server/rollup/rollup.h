/* rollup: marks -> hour -> day -> month -> year, each recomputed whole, never incremented (R1, R2, R8).
 *
 * Shape:  an upload appends marks (unit, hour) in its own transaction; a rollup thread takes the marks of a
 *         bounded number of hours, recomputes each from its frames under the unit's rollup lock, then the
 *         day from hours, the month from days, the year from months, and deletes exactly the marks it
 *         took, in one transaction. A mark that arrives meanwhile stays and is taken next.
 * Counter: the hour of the next reading after a recomputed hour is recomputed as well.
 * Live first: rollup_hint tells which unit was just marked; a backlog is worked in slices between. Other processes tell
 * by NOTIFY nhjc_rollup that there are marks. Thread: rollup_run is the body of a thread with its own connection;
 * rollup_hint any thread. */
#ifndef NHJC_ROLLUP_ROLLUP_H
#define NHJC_ROLLUP_ROLLUP_H

#include "base/buf.h"
#include "base/result.h"
#include "db/db.h"
#include "registry/registry.h"

struct rollup;

struct rollup_config {
    int threads;         /* units are dealt out by id */
    int hours_per_slice; /* bound of one transaction, default 256 */
    int64_t scan_ms;     /* default 10 s: looks for marks that nobody told of, of a run that was killed */
};

RESULT rollup_start(const struct rollup_config *config, const struct db_config *db, struct registry *registry,
                    struct rollup **rollup);
void rollup_hint(struct rollup *r, int32_t unit_id); /* never blocks */
void rollup_stop(struct rollup **rollup);
/* Marks not yet worked off, oldest age in ms (0: none). For metrics and tests. */
RESULT rollup_backlog(struct db *db, int64_t *marks, int64_t *oldest_ms);

/* One slice on the caller's connection: the marks of up to `hours` hours of one unit. *left: more remain. */
RESULT rollup_slice(struct db *db, struct registry *registry, int32_t unit_id, int hours, bool *left);

/* Recomputes everything of a unit in [from,to) from the readings and compares with what is stored, the energy accounts
 * included. report gets one line per difference, of very many the first and how many more; *differences counts.
 * repair NULL: that is all. Else what differs is marked, in one transaction with what `record` writes about it (NULL:
 * nothing; not called when nothing differs), and computed again. */
struct rollup_repair {
    struct result (*record)(struct db *db, const char *enterprise_code, int64_t differences, void *arg);
    void *arg;
};
RESULT rollup_verify(struct db *db, struct registry *registry, int32_t unit_id, int64_t from, int64_t to,
                     const struct rollup_repair *repair, struct buf *report, int64_t *differences);

#endif
