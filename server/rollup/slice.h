/* slice: one transaction of the rollup: the marks of some enterprises, recomputed and deleted.
 *
 * Three round trips whatever the number of enterprises: locks and marks; frames and the rows around them; the new rows,
 * the marks' deletion and COMMIT. Registers cost a few more.
 * Thread: one at a time. Errors: those of db.h; then nothing has changed and the marks are still there. */
#ifndef NHJC_ROLLUP_SLICE_H
#define NHJC_ROLLUP_SLICE_H

#include "rollup/rollup_store.h"

/* units ascending, each once. *left: marks remain. *hours: how many hours were computed. */
RESULT slice_run(struct rollup_store *store, struct registry *registry, const int32_t *units, size_t count,
                 int max_hours, struct arena *arena, bool *left, size_t *hours);

#endif
