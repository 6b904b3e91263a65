/* rollup_store: the statements of the rollup: marks, frames, rows of a level, registers around a gap.
 * Thread: one at a time. Errors: those of db.h. Rows live in the arena. */
#ifndef NHJC_ROLLUP_ROLLUP_STORE_H
#define NHJC_ROLLUP_ROLLUP_STORE_H

#include "db/composite.h"
#include "rollup/aggregate.h"
#include "validate/stored_frame.h"

struct rollup_store {
    struct db *db;
    struct db_params params;
    struct composite composite;
    int64_t raw_from; /* readings before are gone; INT64_MIN: none is. Set by begin and by rollup_store_raw_from */
};

struct mark {
    int32_t unit_id;
    int64_t hour, id;
    int64_t upload_id; /* 0: none made it */
    const char *cause; /* NULL: readings; else configuration, meter, repair, coefficient */
};
struct mark_list {
    struct mark *at;
    size_t count, cap;
};

struct meter_replacement { /* the old meter's last and the new one's first register */
    int32_t unit_id, slot;
    int64_t at, final_old, first_new;
};
struct replacement_list { /* sorted by (unit, slot, at) */
    struct meter_replacement *at;
    size_t count, cap;
};

struct range { /* [lo, hi) of one enterprise */
    int32_t unit_id;
    int64_t lo, hi;
};
struct range_list {
    struct range *at;
    size_t count, cap;
};

void rollup_store_init(struct rollup_store *s, struct db *db);
void rollup_store_free(struct rollup_store *s);

struct unit_version {
    int32_t unit_id, config_version;
    const char *code;
};

struct slice_start {
    struct mark_list marks;
    struct unit_version *versions; /* of the units that are there */
    size_t known;
    struct replacement_list replacements;
};
/* BEGIN, the rollup locks of the units (ascending), up to `limit` marks of each, newest hours first, and then the
 * configuration version and the meters' replacements that are in force: a mark is never worked off with older ones. */
RESULT rollup_store_begin(struct rollup_store *s, const int32_t *units, size_t count, int limit, struct arena *a,
                          struct slice_start *start);
RESULT rollup_store_replacements(struct rollup_store *s, int32_t unit, struct arena *a, struct replacement_list *out);
/* Reads raw_from alone, for whoever holds the lock (6, 0) shared otherwise. */
RESULT rollup_store_raw_from(struct rollup_store *s);
/* One pipeline: frames in `frames`, rows of hour, day, month in theirs; sorted by (unit, page, ts). */
RESULT rollup_store_read(struct rollup_store *s, const struct range_list *frames, const struct range_list levels[3],
                         struct arena *a, struct frame_list *out, struct row_list rows[3]);
/* The rows of one level in the ranges. level: 0 hour, 1 day, 2 month, 3 year. */
RESULT rollup_store_level(struct rollup_store *s, int level, const struct range_list *ranges, struct arena *a,
                          struct row_list *rows);
RESULT rollup_store_frames(struct rollup_store *s, const struct range_list *ranges, struct arena *a,
                           struct frame_list *out);

struct restatement { /* a period that was over has another value now */
    int32_t unit_id, slot;
    enum granularity granularity;
    int64_t ts;
    bool had_value, has_value;
    dec128 old_value, new_value;
    int32_t old_n, new_n;
    int64_t upload_id;  /* 0: none */
    const char *reason; /* of sql/README.md; corrections are found when it is written */
};
struct restatement_list {
    struct restatement *at;
    size_t count, cap;
};

struct account { /* a day whose energy accounts follow */
    int32_t unit_id;
    int64_t ts;
    int64_t upload_id; /* the last that it was marked for; 0: none */
    bool ruled;        /* marked for coefficients alone: its readings are as they were */
};
struct account_list {
    struct account *at;
    size_t count, cap;
};

struct slice_work {              /* what a slice leaves behind; all borrowed */
    const struct row_list *rows; /* of the four levels */
    const struct account_list *accounts;
    const struct restatement_list *restated;
    const struct mark_list *marks; /* worked off */
};
/* Writes the rows of all four levels that differ, the accounts and restatements, deletes the marks, COMMIT: one
 * pipeline. What a list of work is empty of costs no statement. */
RESULT rollup_store_finish(struct rollup_store *s, const struct slice_work *work);
/* What of an enterprise's own coefficients, accounts by day and accounts by month in [from, to) is not what it must be;
 * report gets one line each, days the instants to mark (periods with open marks are left out). Accounts and
 * coefficients of wrong_days (finished) are left out: they were compared with rows that are not right themselves, and
 * are put right with them. */
RESULT rollup_store_account_differences(struct rollup_store *s, int32_t unit, int64_t from, int64_t to,
                                        const struct key_set *wrong_days, struct buf *report, size_t most_lines,
                                        struct arena *a, struct key_set *days, int64_t *differences);
RESULT rollup_store_mark(struct rollup_store *s, int32_t unit, const int64_t *hours, size_t count);

/* The nearest valid reading of a slot before/after an instant (exclusive/inclusive). *found false: none. Whole days are
 * skipped by their rollup, so a slot without history costs a few rows. A reading whose day is still marked may be
 * missed: that day's recomputation brings the neighbour up to date. Before raw_from: the reading that was remembered
 * when the readings went (register_base). */
RESULT rollup_store_before(struct rollup_store *s, int32_t unit, int32_t slot, int64_t ts, bool *found, int64_t *when,
                           int64_t *value);
RESULT rollup_store_after(struct rollup_store *s, int32_t unit, int32_t slot, int64_t ts, bool *found, int64_t *when);

/* The first frames of every page from an instant on, NEXT_FRAMES of each at most: a page with fewer has no more. */
enum { NEXT_FRAMES = 4 };
RESULT rollup_store_next_frames(struct rollup_store *s, int32_t unit, int pages, int64_t from, struct arena *a,
                                struct frame_list *out);

/* Enterprises with marks, ascending by id, each once; thread `part` of `parts` sees its own. Gives ids (mem_free). */
RESULT rollup_store_marked_units(struct rollup_store *s, int part, int parts, int32_t **units, size_t *count);
/* First and last instant of an enterprise's readings; *found false: none. */
RESULT rollup_store_span(struct rollup_store *s, int32_t unit, bool *found, int64_t *first, int64_t *last);

#endif
