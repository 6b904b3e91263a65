/* statistics: comprehensive energy consumption by region, industry, energy type or enterprise (contract section 2
 * QueryStatistics), with 同比 (yoy) and 环比 (pop).
 *
 * Source: sql/replace/17_statistics.sql over the accounts of the rollup; sql/README.md says what is counted.
 * Order:  by statDate, then key. A question with more than `most` rows is refused, not cut.
 * Errors: those of db; 2103 for a granularity below the day; 1107 for an answer that is too large.
 * Thread: as the connection. Rows live in the arena. */
#ifndef NHJC_QUERY_STATISTICS_H
#define NHJC_QUERY_STATISTICS_H

#include "query/query.h"

enum { STATISTICS_MOST = 100000 };
enum statistics_group { GROUP_REGION, GROUP_INDUSTRY, GROUP_ENERGY_TYPE, GROUP_ENTERPRISE };
enum statistics_compare { COMPARE_NONE, COMPARE_YOY, COMPARE_POP };
bool statistics_group_from_name(const char *name, enum statistics_group *group); /* "region" … as in the contract */
bool statistics_compare_from_name(const char *name, enum statistics_compare *compare);

struct statistics_question {
    enum statistics_group group;
    const char *region_prefix; /* "" all, "42", "4201": already authorised by the caller */
    const char *industry_code; /* NULL: all; "C31" holds C3110 too */
    const char *energy_type;   /* NULL: all; 4 digits of base data, 6 with the class */
    enum granularity granularity;
    int64_t from, to; /* [from, to) of the period starts */
    enum statistics_compare compare;
    int64_t most; /* rows; 0: STATISTICS_MOST */
};

struct statistics_row {
    const char *key, *name;
    int64_t stat_date;
    bool has_value, has_compare, has_ratio;
    dec128 value; /* of one energy, in `unit`; scaled by 10^6 like all */
    const char *unit;
    dec128 tce, co2, compare_tce;
    dec128 ratio; /* (tce - compare) / compare */
};

struct statistics_list {
    struct statistics_row *rows;
    size_t count, cap;
};
RESULT statistics_query(struct db *db, const struct statistics_question *q, struct arena *arena,
                        struct statistics_list *answer);

/* false: there is nothing to divide by. */
bool statistics_ratio(dec128 now, dec128 then, dec128 *ratio);

#endif
