/* cells: from stored rows of a level to the rows of an answer. Inside query only. Pure but for reading results. */
#ifndef NHJC_QUERY_CELLS_H
#define NHJC_QUERY_CELLS_H

#include "query/target.h"

struct period_cell { /* one item in one period, as rollups keep it */
    int64_t ts;
    int64_t n; /* valid readings */
    int64_t m; /* values in total: n, or a register's differences */
    dec128 total;
    int64_t min, max;
};

struct cell_list {
    struct period_cell *at;
    size_t count, cap;
};

/* Rows of (ts, n, nd, total, wide, vmin, vmax), in order of ts. */
void cells_from_rollups(const struct db_rows *rows, struct arena *a, struct cell_list *out);
/* Rows of (ts, value): readings or reported values. */
void cells_from_values(const struct db_rows *rows, struct arena *a, struct cell_list *out);
/* Merges days, in order, into weeks or quarters. */
void cells_merge(const struct cell_list *days, enum granularity g, struct arena *a, struct cell_list *out);

/* Rows of (valid_from, valid_to, tce, co2), the last two as integers scaled by 10^18. */
void coefficients_from_rows(const struct db_rows *rows, struct arena *a, struct source *s);

struct data_row row_of_cell(const struct target *t, enum granularity g, const struct period_cell *c);
struct data_row row_of_reported(const struct target *t, enum granularity g, const struct period_cell *c);

/* quantity (scaled 10^6) × coefficient (scaled 10^18), scaled 10^6, half to even. */
dec128 multiply_coefficient(dec128 quantity, dec128 coefficient);

#endif
