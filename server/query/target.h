/* target: what one row series of an answer is made of: one data code of one enterprise. Inside query only. */
#ifndef NHJC_QUERY_TARGET_H
#define NHJC_QUERY_TARGET_H

#include "query/query.h"

struct coefficient { /* tce and tCO2 per unit of quantity, scaled by 10^18; valid for [from, to) days since 1970 */
    int32_t from, to;
    bool has_tce, has_co2;
    dec128 tce, co2;
};

/* A collect item as far as rows need it. Readings come from the item of statType 0, reported values from that of the
 * granularity's own statType. */
struct source {
    bool present;
    int32_t slot, period;
    int aggregation;
    const char *unit;
    struct coefficient *coefficients; /* latest first */
    size_t coefficient_count;
};

struct target {
    const char *enterprise_code, *data_code;
    int32_t unit_id;
    int64_t from; /* the first period start still wanted */
    struct source live, reported;
};

/* statType whose reported values belong to a granularity; 0: none. */
int reported_stat_type(enum granularity g);

/* The data codes of a unit that the question asks for and that can have rows at its granularity, in order of code.
 * codes: sorted, 16 digits; count 0: all. Texts and targets live in the arena. */
void targets_of_unit(const struct unit *u, const struct data_question *q, const char *const *codes, size_t count,
                     struct arena *a, struct target **targets, size_t *target_count);

#endif
