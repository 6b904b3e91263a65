/* aggregate: mergeable parts of a period's value, and how readings and lower periods are added to them.
 *
 * Source: contract section 6: sum Σ; mean Σ and n (never a mean of means); counter Σ of non-negative differences,
 *         credited to the interval of the later reading, rollover explained by counterMax, else a reset.
 * Pure.   Totals in 128 bits, never wrap. Thread: any thread. */
#ifndef NHJC_ROLLUP_AGGREGATE_H
#define NHJC_ROLLUP_AGGREGATE_H

#include "base/arena.h"
#include "base/caltime.h"
#include "base/decimal.h"
#include "registry/registry.h"

struct cell { /* one item in one period */
    dec128 total;
    int64_t vmin, vmax; /* valid when m > 0 */
    int32_t n;          /* valid readings */
    int32_t m;          /* values in total: n, or the differences of a register */
    int32_t bad;        /* readings with valid=false */
    int32_t late;       /* of n and bad: came late (FLAG_LATE) */
    int32_t suspect;    /* of n and bad: doubted by the platform (FLAG_SUSPECT_MASK) */
    bool counter;
};

struct bucket_row { /* one page in one period */
    int32_t unit_id;
    int16_t page;
    int16_t width;
    int64_t ts;
    struct cell *cells;
};

void cell_add(struct cell *c, int64_t value); /* a quantity, mean or difference into total, min, max, m */
void cell_merge(struct cell *into, const struct cell *lower);
bool cell_equal(const struct cell *a, const struct cell *b);
bool row_empty(const struct bucket_row *r);
bool row_equal(const struct bucket_row *a, const struct bucket_row *b);
void row_widen(struct bucket_row *r, int width, struct arena *arena);
void row_merge(struct bucket_row *into, const struct bucket_row *lower, struct arena *arena);

enum counter_step { COUNTER_DIFFERENCE, COUNTER_ROLLOVER, COUNTER_RESET };
/* What the register did between two readings; *difference is set unless it was a reset. */
enum counter_step counter_difference(int64_t before, int64_t now, int64_t counter_max, int64_t *difference);

/* ---- sorted rows by (unit, page, ts) ---- */
struct row_list {
    struct bucket_row *at;
    size_t count, cap;
};
struct bucket_row *row_list_add(struct row_list *l, struct arena *a, int32_t unit, int page, int64_t ts, int width);
void row_list_sort(struct row_list *l);
struct bucket_row *row_list_find(const struct row_list *l, int32_t unit, int page, int64_t ts); /* sorted list */

/* ---- sets of (unit, instant) ---- */
struct bucket_key {
    int32_t unit_id;
    int64_t ts;
};
struct key_set {
    struct bucket_key *at;
    size_t count, cap;
};
void key_set_add(struct key_set *s, struct arena *a, int32_t unit, int64_t ts);
void key_set_finish(struct key_set *s);                              /* sorts, drops repetitions */
bool key_set_has(const struct key_set *s, int32_t unit, int64_t ts); /* finished set */

/* Merges lower rows into rows of the periods in `wanted` (finished set of starts of granularity g). Every page that
 * has a lower row in such a period gets a row. Appends to out, sorted. */
void rows_roll(const struct row_list *lower, const struct key_set *wanted, enum granularity g, struct row_list *out,
               struct arena *a);

#endif
