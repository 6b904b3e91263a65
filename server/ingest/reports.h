/* reports: 3402, the values reported for days, months and years against what the readings add up to.
 *
 * Both ways: a reported value is compared when it arrives, and a stored one when readings arrive that change what is
 *         computed for its period. Only periods that are over: a part says nothing about the whole.
 * Cost:   an upload of live readings asks nothing: their periods run, or nothing is reported beside their items. Else
 * one question which of the periods it touched have a reported value, and one for each that has; bounded per upload.
 * Order:  reports_open, once the plan is merged with what is stored, says whether there is anything to compare; then
 * the frames must be written; then reports_check. Thread: one at a time. Errors: those of db.h. Everything lives in the
 * plan's arena. */
#ifndef NHJC_INGEST_REPORTS_H
#define NHJC_INGEST_REPORTS_H

#include "ingest/upload_store.h"
#include "validate/business_past.h"

struct unit_report { /* a stored value and whose it is */
    const struct unit *unit;
    struct stored_report report;
};

struct reports {
    struct upload_store *store;
    const struct frame_plan *plan;
    const struct reading *readings; /* those the plan was built of */
    size_t reading_count;
    struct unit *const *units; /* by block */
    int64_t tolerance_ppm, now;
    /* filled by reports_open */
    struct unit_report *found;
    size_t found_count, found_cap;
};

/* *any: there is something to compare. */
RESULT reports_open(struct reports *r, bool *any);
RESULT reports_check(struct reports *r, struct findings *findings);

#endif
