/* past_store: reads what the rules of business_past want to know, inside the upload's transaction.
 * Thread: one at a time. Errors: those of db.h. Frames live in the arena. */
#ifndef NHJC_INGEST_PAST_STORE_H
#define NHJC_INGEST_PAST_STORE_H

#include "ingest/upload_store.h"
#include "validate/business_past.h"

/* Frames of the pages: `before` of each ahead of lo, and those in [lo, hi], PAST_FRAMES at most. */
enum { PAST_FRAMES = 20000 };
RESULT past_store_frames(struct upload_store *s, int32_t unit_id, const int16_t *pages, size_t page_count, int64_t lo,
                         int64_t hi, int before, struct arena *arena, struct frame_list *out);

/* What the platform computed for the period of a reported reading, from the real-time item of the same code: days of
 * quantities and means from the readings themselves, everything else from the stored days (which follow uploads within
 * seconds). */
RESULT past_store_computed(struct upload_store *s, const struct unit *unit, const struct reading *reported,
                           struct computed_value *out);

#endif
