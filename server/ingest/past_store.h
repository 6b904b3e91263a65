/* past_store: reads what the rules of business_past want to know, inside the upload's transaction.
 * Thread: one at a time. Errors: those of db.h. Frames live in the arena. */
#ifndef NHJC_INGEST_PAST_STORE_H
#define NHJC_INGEST_PAST_STORE_H

#include "ingest/upload_store.h"
#include "validate/business_past.h"

/* Answers what past_open and past_find_gaps ask: the frames in one round trip, the gaps, if there are any, in another.
 */
RESULT past_store_answer(struct upload_store *s, struct past *past);

struct period_question {     /* a reported value's period */
    const struct item *item; /* of statType 1..3 */
    int64_t ts;
    const int64_t
        *touched; /* instants before the period's end at which the real-time item's value changes by this upload */
    size_t touched_count;
};
/* What the readings of the real-time item of the same code add up to: from the stored days, but from the readings
 * themselves on days that wait to be rolled up, this upload's (whose frames are written) included. *frames: so many
 * stored readings may be looked at, and are taken off; needs it more, the value is not known. */
RESULT past_store_computed(struct upload_store *s, const struct unit *unit, const struct period_question *question,
                           int64_t *frames, struct computed_value *out);

struct report_key { /* a period, and the reading that changes what is computed for it */
    const struct item *item;
    int64_t ts;
    const struct reading *by;
};
/* The valid values that are reported for these keys (items of statType 1..3), in their order, at most `most`. */
RESULT past_store_reports(struct upload_store *s, int32_t unit_id, const struct report_key *keys, size_t count,
                          int64_t most, struct arena *a, struct stored_report **found, size_t *found_count);
/* Moves each key of a real-time item to the next valid stored reading; those that have none are dropped. */
RESULT past_store_next(struct upload_store *s, int32_t unit_id, struct report_key *keys, size_t *count,
                       struct arena *a);

#endif
