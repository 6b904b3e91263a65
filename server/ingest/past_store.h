/* past_store: reads what the rules of business_past want to know, inside the upload's transaction.
 * Thread: one at a time. Errors: those of db.h. Frames live in the arena. */
#ifndef NHJC_INGEST_PAST_STORE_H
#define NHJC_INGEST_PAST_STORE_H

#include "ingest/upload_store.h"
#include "validate/business_past.h"

/* Answers what past_open and past_find_gaps ask: the frames in one round trip, the gaps, if there are any, in another.
 */
RESULT past_store_answer(struct upload_store *s, struct past *past);

/* What the platform computed for the period of a reported reading, from the real-time item of the same code: days of
 * quantities and means from the readings themselves, everything else from the stored days (which follow uploads within
 * seconds). */
RESULT past_store_computed(struct upload_store *s, const struct unit *unit, const struct reading *reported,
                           struct computed_value *out);

#endif
