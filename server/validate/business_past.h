/* business_past: rules that hold a reading against the recent past and against its neighbours at the same instant.
 *
 * 3204 jump and 3205 stuck (only where thresholds are set), 3207 register backwards, 3401 process sum over plant, 3402
 * reported against computed. They never refuse: the reading is flagged suspect and counts (contract 6.4), 3402 only
 * warns. Judged are the readings of the upload, against what lies before them, and the stored readings that follow them
 * again: the flags of a series are those that its readings would have if they had come in order. Pure: the past is
 * given; ingest reads it under the enterprise's lock. Thread: any thread. Findings live in their arena. */
#ifndef NHJC_VALIDATE_BUSINESS_PAST_H
#define NHJC_VALIDATE_BUSINESS_PAST_H

#include "validate/business.h"
#include "validate/stored_frame.h"

/* Does any of these readings need the past at all? Most uploads do not, and cost nothing. */
bool past_needed(const struct reading *readings, size_t count);

struct past_key { /* a page of frames and an instant */
    int16_t page;
    int64_t ts;
};
struct past_gap { /* an item whose last or next readings the first answer did not hold */
    int32_t slot;
    int64_t ts;
    int32_t count; /* so many valid readings before ts, or after it, are wanted */
};
struct past_point { /* a valid stored reading */
    int32_t slot;
    int64_t ts, value;
    int16_t flag;
};
struct past_change { /* a stored reading whose place in its series is another one now */
    int32_t slot;
    int64_t ts, value;
    int16_t flag; /* of FLAG_SERIES_MASK: what it is from now on */
};

/* What the rules ask about one enterprise, and the answers. Two questions, because the first is cheap and nearly always
 * enough: the last few frames of a page serve all its items at once, but not one that is read less often than the
 * others or was silent for a while. Only for such an item is the second asked. */
struct past {
    const struct unit *unit;
    struct arena *arena;
    struct reading **ours; /* those a rule wants, by (slot, ts, line) */
    size_t our_count;
    struct past_key *before, *after, *at; /* frames wanted: `depth` before, after each of these, and those of at */
    size_t before_count, after_count, at_count;
    int depth;
    struct frame_list frames;          /* the first answer, any order, repetitions allowed */
    struct past_gap *gaps, *next_gaps; /* before, after */
    size_t gap_count, next_gap_count;
    struct past_point *points; /* the second answer, any order */
    size_t point_count, point_cap;
    const struct stored_frame **sorted; /* frames by (page, ts) */
    size_t sorted_count;
    bool incomplete; /* more was wanted than may be asked: readings after an unknown stretch are not judged,
                      * and stored ones not again */
    struct past_change *changes;
    size_t change_count, change_cap;
};

/* At most so many frames and second questions for one enterprise; so many frames before an instant. */
enum { PAST_FRAMES = 20000, PAST_GAPS = 200, PAST_DEPTH = 64 };

/* readings: of one enterprise, from any of its blocks; they outlive the past. Fills before, after, at and depth. */
void past_open(struct past *p, const struct unit *unit, struct reading **readings, size_t count, struct arena *arena);
/* After the first answer: fills gaps and next_gaps. */
void past_find_gaps(struct past *p);
/* After the second: judges, sets the flags in the readings, and fills changes. */
void past_check(struct past *p, struct findings *findings);

/* ---- 3402 ---- */
struct computed_value { /* what the platform computed for a reported reading's period */
    bool known;
    dec128 value;
};
/* tolerance: parts per million of the computed value. */
void past_check_reported(const struct reading *reading, const struct computed_value *computed, int64_t tolerance_ppm,
                         struct findings *findings);
struct stored_report {       /* a value that was reported before … */
    const struct item *item; /* of statType 1..3 */
    int64_t ts, value;
    const struct reading *by; /* … and the reading that changes what is computed for its period */
};
void past_check_stored_report(const struct stored_report *report, const struct computed_value *computed,
                              int64_t tolerance_ppm, struct findings *findings);

#endif
