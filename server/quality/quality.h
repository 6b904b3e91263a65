/* quality: data quality 数据质量 of an enterprise by day, and by item and day: what was expected, what came, when, how
 * good.
 *
 * For:    QueryQuality, the conformity report, operators.
 * Rule:   figures are computed from what is stored (day rollups, reported day values, findings), never counted up, so
 *         that corrections, make-up uploads 补传 and repetitions need no bookkeeping. README.md defines each figure.
 * Errors: those of db; LIMIT 1107 for a question whose answer would be too large.
 * Owner:  rows and texts live in the caller's arena. Thread: as the connection. */
#ifndef NHJC_QUALITY_QUALITY_H
#define NHJC_QUALITY_QUALITY_H

#include "base/arena.h"
#include "base/decimal.h"
#include "db/db.h"

#define QUALITY_GOOD_DAY (DECIMAL_SCALE * 9 / 10) /* completeness of a day that continues a run */
#define QUALITY_GRACE_S 300                       /* as ingest: on time is interval end + upload period + this */
#define QUALITY_MAX_ROWS 50000 /* of one answer: 1,500 enterprises for a month, one for as long as one likes */

struct quality_counts {
    int64_t expected; /* intervals that were due */
    int64_t valid;    /* readings that are there and count */
    int64_t invalid;  /* readings that are there, sent with valid=false */
    int64_t covered;  /* of expected: filled by a valid reading (item by item, never more than expected) */
    int64_t late;     /* of valid and invalid: came late, among them make-up uploads */
    int64_t suspect;  /* of valid and invalid: doubted by a rule of the platform */
    int64_t rejected; /* records refused by a business rule */
};

/* received = onTime + late + rejected */
int64_t quality_received(const struct quality_counts *c);
int64_t quality_on_time(const struct quality_counts *c);
/* Ratios 0..1 scaled by 10^6, half to even; 0 where nothing was expected or received. */
dec128 quality_completeness(const struct quality_counts *c); /* covered / expected */
dec128 quality_success_rate(const struct quality_counts *c); /* valid / received */
dec128 quality_on_time_rate(const struct quality_counts *c); /* onTime / (onTime + late) */
bool quality_good_day(const struct quality_counts *c);
void quality_add(struct quality_counts *into, const struct quality_counts *more);

struct quality_item { /* a collect item of statType 0 or 1, as far as its figures need it */
    int32_t slot, period;
    int stat_type;
    const char *data_code, *name;
    int64_t since; /* expected from here on */
    int64_t until; /* retired on this day, which is not expected any more; INT64_MAX: in use */
};

/* Intervals of the item that are due on a day: begun at or after `since`, over by `cut`. */
int64_t quality_due(const struct quality_item *item, int64_t day, int64_t cut);

struct quality_day {
    const char *enterprise_code;
    int64_t day;
    struct quality_counts counts;
    int continuous_days; /* up to this day */
};

struct quality_list {
    struct quality_day *at;
    size_t count, cap;
};

struct quality_unit {
    int32_t id;
    const char *code;
    int32_t upload_period;
};

/* NOT_FOUND, in words for an operator. */
RESULT quality_find_unit(struct db *db, const char *code, struct arena *arena, struct quality_unit *out);

/* Called for every item of a day that expected or received something; NULL item: refused records of no known item. */
typedef void quality_visitor(void *arg, const struct quality_item *item, int64_t day, const struct quality_counts *c);

/* The days that begin in [from, to), not beyond today; days without anything expected or received are left out. */
RESULT quality_of_unit(struct db *db, const struct quality_unit *unit, int64_t from, int64_t to, struct arena *arena,
                       quality_visitor *visit, void *arg, struct quality_list *out);

struct quality_question {
    const char *enterprise_code; /* NULL: all under region_prefix; already authorised by the caller */
    const char *region_prefix;   /* "" all, "42", "4201" */
    int64_t from, to;
};
/* In order of enterprise code and day. Not inside a transaction of the caller. */
RESULT quality_query(struct db *db, const struct quality_question *q, struct arena *arena, struct quality_list *out);

#endif
