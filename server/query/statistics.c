#include "query/statistics.h"

#include <string.h>

#include "db/composite.h"

static const struct db_stmt STATISTICS = {"query.statistics",
                                          "SELECT * FROM energy_statistics($1, $2, $3, $4, $5, $6, $7, $8, $9)"};

static const char *const GROUPS[] = {"region", "industry", "energyType", "enterprise"};
static const char *const COMPARES[] = {"none", "yoy", "pop"};

static int find_name(const char *const *names, int count, const char *name)
{
    for (int i = 0; name && i < count; i++)
        if (strcmp(names[i], name) == 0)
            return i;
    return -1;
}

bool statistics_group_from_name(const char *name, enum statistics_group *group)
{
    int i = find_name(GROUPS, 4, name);
    *group = i < 0 ? GROUP_REGION : (enum statistics_group)i;
    return i >= 0;
}

bool statistics_compare_from_name(const char *name, enum statistics_compare *compare)
{
    int i = find_name(COMPARES, 3, name);
    *compare = i < 0 ? COMPARE_NONE : (enum statistics_compare)i;
    return i >= 0;
}

bool statistics_ratio(dec128 now, dec128 then, dec128 *ratio)
{
    if (then == 0)
        return false;
    dec128 difference = (now - then) * DECIMAL_SCALE;
    *ratio = then > 0 ? decimal_div(difference, then) : decimal_div(-difference, -then);
    return true;
}

/* Whole periods whose start lies in [from, to). */
static void whole_periods(const struct statistics_question *q, int64_t *lo, int64_t *hi)
{
    *lo = period_start(q->granularity, q->from);
    if (*lo < q->from)
        *lo = period_next(q->granularity, *lo);
    *hi = *lo < q->to ? period_next(q->granularity, period_start(q->granularity, q->to - 1)) : *lo;
}

static RESULT ask(struct db *db, const struct statistics_question *q, int64_t most, struct db_rows **rows)
{
    struct db_params p;
    int64_t lo = 0, hi = 0;
    whole_periods(q, &lo, &hi);
    db_params_init(&p);
    db_bind_text(&p, GROUPS[q->group]);
    db_bind_text(&p, q->region_prefix);
    db_bind_text(&p, q->industry_code ? q->industry_code : "");
    db_bind_text(&p, q->energy_type ? q->energy_type : "");
    db_bind_text(&p, granularity_name(q->granularity));
    db_bind_time(&p, lo);
    db_bind_time(&p, hi);
    db_bind_text(&p, COMPARES[q->compare]);
    db_bind_int8(&p, most + 1);
    struct result r = db_query(db, &STATISTICS, &p, rows);
    db_params_free(&p);
    return r;
}

static void read_row(const struct db_rows *r, size_t i, struct arena *a, struct statistics_row *row)
{
    enum { KEY, NAME, DATE, VALUE, UNIT, TCE, CO2, COMPARE };
    *row = (struct statistics_row){.key = arena_strdup(a, db_get_text(r, i, KEY)),
                                   .name = arena_strdup(a, db_get_text(r, i, NAME)),
                                   .stat_date = db_get_time(r, i, DATE),
                                   .has_value = !db_is_null(r, i, VALUE),
                                   .value = db_get_numeric(r, i, VALUE),
                                   .unit = arena_strdup(a, db_get_text(r, i, UNIT)),
                                   .tce = db_get_numeric(r, i, TCE),
                                   .co2 = db_get_numeric(r, i, CO2),
                                   .has_compare = !db_is_null(r, i, COMPARE),
                                   .compare_tce = db_get_numeric(r, i, COMPARE)};
    row->has_ratio = row->has_compare && statistics_ratio(row->tce, row->compare_tce, &row->ratio);
}

struct result statistics_query(struct db *db, const struct statistics_question *q, struct arena *arena,
                               struct statistics_list *answer)
{
    *answer = (struct statistics_list){0};
    int64_t most = q->most > 0 ? q->most : STATISTICS_MOST;
    struct db_rows *rows = NULL;
    if (q->granularity < GRAN_DAY)
        return result_error(ERR_SENDER, 2103,
                            "统计只按日、周、月、季、年 / statistics are by day, week, month, quarter or year");
    if (q->from >= q->to)
        return RESULT_OK;
    TRY(ask(db, q, most, &rows));
    size_t count = db_rows_count(rows);
    for (size_t i = 0; i < count && i < (size_t)most; i++)
        read_row(rows, i, arena, ARENA_PUSH(arena, answer->rows, answer->count, answer->cap));
    db_rows_free(&rows);
    return count <= (size_t)most
               ? RESULT_OK
               : result_error(ERR_LIMIT, 1107,
                              "结果超过%lld行，请缩小范围 / the answer has more than %lld rows: ask for less",
                              (long long)most, (long long)most);
}
