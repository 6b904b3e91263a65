/* calc: from frames to hour and day rows, the one place where readings become values.
 *
 * For:    the slice (writes) and verify (compares) alike, so that both mean the same.
 * Items with a period over an hour have no hour rows; their readings go straight into the day (contract 6.6).
 * Registers need the reading before a range: asked through a callback.
 * Thread: one at a time. Rows live in the arena. */
#ifndef NHJC_ROLLUP_CALC_H
#define NHJC_ROLLUP_CALC_H

#include "rollup/rollup_store.h"

struct calc {
    struct arena *arena;
    struct unit **units; /* sorted by id, borrowed: what the slots mean */
    size_t unit_count;
    struct replacement_list replacements; /* of these enterprises' meters, see below */
    /* The last valid register of a slot before ts, and when it was read. */
    struct result (*before)(void *arg, int32_t unit, int32_t slot, int64_t ts, bool *found, int64_t *when,
                            int64_t *value);
    void *arg;
};

const struct unit *calc_unit(const struct calc *c, int32_t unit_id); /* NULL: gone */
bool item_is_coarse(const struct item *item);                        /* period over an hour */

/* Replaced meters: a reading belongs to the new meter when its interval ends after the replacement. Between a reading
 * of the old and one of the new, what was used is the old meter's last register less the reading before, and the
 * reading after less the new one's first, each by the rule for differences (contract 6.9); credited as one difference.
 */

/* hours: rows for the hours in `wanted`; days: the coarse items' part of the days that hold them. frames sorted by
 * (unit, page, ts); ranges: the gapless stretches the frames were read for, sorted, so that a register knows where its
 * predecessor must be asked for. Every wanted hour that has a frame gets a row, possibly empty. */
RESULT calc_frames(struct calc *c, const struct frame_list *frames, const struct range_list *ranges,
                   const struct key_set *wanted_hours, const struct key_set *wanted_days, struct row_list *hours,
                   struct row_list *coarse_days);

#endif
