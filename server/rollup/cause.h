/* cause: why a slice computes a period again: the marks it works off, and hours that follow from them.
 *
 * For:    restatements and energy accounts, which name the upload; a period has many marks, one is named.
 * Owner:  marks are copied, their words borrowed; the list lives in the arena.
 * Pure.   Thread: any thread. */
#ifndef NHJC_ROLLUP_CAUSE_H
#define NHJC_ROLLUP_CAUSE_H

#include "rollup/rollup_store.h"

struct cause_list { /* finished: sorted by (unit, hour, id) */
    struct mark *at;
    size_t count, cap;
};

void cause_add(struct cause_list *l, struct arena *a, const struct mark *mark);
void cause_finish(struct cause_list *l);

/* The mark made last of those in [from, to); NULL: none. Finished list.
 * Of a value: coefficients change none, so theirs only where there is no other. Of an account: theirs first. */
const struct mark *cause_of_value(const struct cause_list *l, int32_t unit, int64_t from, int64_t to);
const struct mark *cause_of_account(const struct cause_list *l, int32_t unit, int64_t from, int64_t to);
/* Marked, and for coefficients alone: no reading of [from, to) is another one. */
bool cause_is_ruled(const struct cause_list *l, int32_t unit, int64_t from, int64_t to);

#endif
