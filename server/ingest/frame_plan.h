/* frame_plan: which frames an upload touches, and what merging with the stored ones does.
 *
 * For:    readings in the order of the document -> frames sorted by key (P2) -> merged arrays, counts and
 *         corrections. Pure: no database, no clock; the same function serves new and existing frames.
 * Rules:  new beats old per slot; the same value and validity is "unchanged"; another value or validity is a
 *         correction with the former value logged (contract sections 4.2, 6.4, 6.5); the same key twice in one
 *         message counts in line order.
 * Owner:  everything lives in the arena. Thread: one at a time. */
#ifndef NHJC_INGEST_FRAME_PLAN_H
#define NHJC_INGEST_FRAME_PLAN_H

#include "base/arena.h"
#include "validate/business.h"

struct plan_change { /* a stored reading that is judged anew (FLAG_SERIES_MASK) */
    int32_t unit_id, slot;
    int64_t ts;
    int16_t flag;
};

struct slot_write { /* one accepted reading on its way into a frame, or a new verdict on a stored one */
    int32_t unit_id;
    int16_t page, index;
    int8_t stat_type;
    int16_t flag;
    bool verdict; /* flag alone is written, and only to a reading that is there */
    bool placed;  /* of a reading: as there; repeated, it is a verdict on the stored one */
    uint32_t order;
    int64_t ts, value;
};

struct frame_slots { /* the content of a frame */
    int64_t *value;
    int16_t *flag;
    bool *missing;
    size_t width;
};

struct frame_counts {
    int stored, unchanged, corrected;
    int judged; /* new verdicts: they are logged like corrections and rolled up, but no reading was received */
};

struct plan_correction {
    int32_t unit_id, slot;
    int8_t stat_type;
    int64_t ts, old_value, new_value;
    int16_t old_flag, new_flag;
    uint32_t order;
};

struct frame {
    int32_t unit_id;
    int16_t page;
    int8_t stat_type;
    int64_t ts;
    const struct slot_write *writes;
    size_t write_count;
    struct frame_slots now; /* to be written */
    bool *changed;          /* as wide as now: slots whose valid value is another than before, none included */
    struct frame_counts counts;
    struct plan_correction *corrections;
    size_t correction_count;
};

struct frame_plan {
    struct arena *arena;
    struct frame *frames; /* real-time frames first, then reported ones; each part sorted by key */
    size_t count;
    size_t real_time; /* how many of them are stat_type 0 */
};

/* unit_ids: by block index of the readings. */
void frame_plan_build(struct frame_plan *plan, const struct reading *readings, size_t count, const int32_t *unit_ids,
                      struct arena *arena);
/* The same with verdicts on stored readings. */
void frame_plan_build_with(struct frame_plan *plan, const struct reading *readings, size_t count,
                           const int32_t *unit_ids, const struct plan_change *changes, size_t change_count,
                           struct arena *arena);
/* Is there anything to be written into the frame? */
static inline bool frame_changes(const struct frame *f)
{
    return f->counts.stored + f->counts.corrected + f->counts.judged > 0;
}
/* (Re)computes now, counts and corrections of a frame on top of what is stored; NULL: nothing is. */
void frame_merge(struct frame_plan *plan, struct frame *frame, const struct frame_slots *stored);
struct frame_counts frame_plan_counts(const struct frame_plan *plan);
/* NULL when no present slot has a flag. */
const int16_t *frame_flags(const struct frame *frame);

#endif
