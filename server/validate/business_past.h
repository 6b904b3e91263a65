/* business_past: rules that hold a reading against the recent past and against its neighbours at the same instant.
 *
 * 3204 jump and 3205 stuck (only where thresholds are set), 3207 register backwards, 3401 process sum over plant, 3402
 * reported against computed. They never refuse: the reading is flagged suspect and counts (contract 6.4), 3402 only
 * warns. Pure:   the past is given as frames; ingest reads them under the enterprise's lock. Thread: any thread.
 * Findings live in their arena. */
#ifndef NHJC_VALIDATE_BUSINESS_PAST_H
#define NHJC_VALIDATE_BUSINESS_PAST_H

#include "validate/business.h"
#include "validate/stored_frame.h"

/* Does any of these readings (of one enterprise) need the past at all? Most uploads do not, and cost nothing. */
bool past_needed(const struct reading *readings, size_t count);
/* The pages whose frames the rules want: bit set by page in a bitmap of `pages` bits; returns how many. */
size_t past_pages(const struct unit *unit, const struct reading *readings, size_t count, int16_t *pages, size_t max);

/* past: frames of the unit from some readings before the earliest one up to the latest one, any order. Flags are set in
 * the readings. */
void past_check(const struct unit *unit, struct reading *readings, size_t count, const struct frame_list *past,
                struct findings *findings, struct arena *arena);

/* ---- 3402 ---- */
struct computed_value { /* what the platform computed for a reported reading's period */
    bool known;
    dec128 value;
};
/* tolerance: parts per million of the computed value. */
void past_check_reported(const struct reading *reading, const struct computed_value *computed, int64_t tolerance_ppm,
                         struct findings *findings);

#endif
