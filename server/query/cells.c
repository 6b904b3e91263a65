#include "query/cells.h"

#include "base/clock.h"

#define COEFFICIENT_SCALE ((dec128)1000000000000000000)
#define DAY_US (INT64_C(86400) * USEC_PER_SEC)

void cells_from_rollups(const struct db_rows *rows, struct arena *a, struct cell_list *out)
{
    enum { TS, N, ND, TOTAL, WIDE, MIN, MAX };
    for (size_t i = 0; i < db_rows_count(rows); i++) {
        struct period_cell *c = ARENA_PUSH(a, out->at, out->count, out->cap);
        c->ts = db_get_time(rows, i, TS);
        c->n = db_get_int(rows, i, N);
        c->m = db_is_null(rows, i, ND) ? c->n : db_get_int(rows, i, ND); /* as it was computed: a row may be older than
                                                                            the item's aggregation, and frozen */
        c->total = db_is_null(rows, i, TOTAL) ? db_get_integer(rows, i, WIDE) : db_get_int(rows, i, TOTAL);
        c->min = db_get_int(rows, i, MIN);
        c->max = db_get_int(rows, i, MAX);
    }
}

void cells_from_values(const struct db_rows *rows, struct arena *a, struct cell_list *out)
{
    for (size_t i = 0; i < db_rows_count(rows); i++) {
        struct period_cell *c = ARENA_PUSH(a, out->at, out->count, out->cap);
        int64_t v = db_get_int(rows, i, 1);
        *c = (struct period_cell){.ts = db_get_time(rows, i, 0), .n = 1, .m = 1, .total = v, .min = v, .max = v};
    }
}

static void merge(struct period_cell *into, const struct period_cell *c)
{
    if (c->m > 0) {
        into->min = into->m > 0 && into->min < c->min ? into->min : c->min;
        into->max = into->m > 0 && into->max > c->max ? into->max : c->max;
        into->total += c->total;
    }
    into->n += c->n;
    into->m += c->m;
}

void cells_merge(const struct cell_list *days, enum granularity g, struct arena *a, struct cell_list *out)
{
    for (size_t i = 0; i < days->count; i++) {
        int64_t start = period_start(g, days->at[i].ts);
        if (out->count == 0 || out->at[out->count - 1].ts != start) {
            *ARENA_PUSH(a, out->at, out->count, out->cap) = (struct period_cell){.ts = start};
        }
        merge(&out->at[out->count - 1], &days->at[i]);
    }
}

void coefficients_from_rows(const struct db_rows *rows, struct arena *a, struct source *s)
{
    enum { FROM, TO, TCE, CO2 };
    s->coefficient_count = db_rows_count(rows);
    s->coefficients = arena_array(a, s->coefficient_count + 1, sizeof *s->coefficients);
    for (size_t i = 0; i < s->coefficient_count; i++) {
        s->coefficients[i] = (struct coefficient){
            .from = db_get_date(rows, i, FROM),
            .to = db_is_null(rows, i, TO) ? INT32_MAX : db_get_date(rows, i, TO),
            .has_tce = !db_is_null(rows, i, TCE),
            .has_co2 = !db_is_null(rows, i, CO2),
            .tce = db_get_integer(rows, i, TCE),
            .co2 = db_get_integer(rows, i, CO2),
        };
    }
}

dec128 multiply_coefficient(dec128 quantity, dec128 coefficient)
{
    /* The whole product may need more than 128 bits: both are split at 10^18, and only what lies below it leaves a
     * remainder. */
    dec128 low = quantity % COEFFICIENT_SCALE, product = low * (coefficient % COEFFICIENT_SCALE);
    dec128 sum = quantity / COEFFICIENT_SCALE * coefficient + low * (coefficient / COEFFICIENT_SCALE) +
                 product / COEFFICIENT_SCALE;
    dec128 rest = product % COEFFICIENT_SCALE, twice = (rest < 0 ? -rest : rest) * 2;
    if (twice > COEFFICIENT_SCALE || (twice == COEFFICIENT_SCALE && sum % 2 != 0)) {
        sum += rest < 0 ? -1 : 1;
    }
    return sum;
}

static int32_t civil_day(int64_t us)
{
    int64_t local = us + caltime_offset_seconds() * USEC_PER_SEC;
    return (int32_t)(local / DAY_US - (local % DAY_US < 0));
}

static void account(const struct source *s, struct data_row *row)
{
    int32_t day = civil_day(row->stat_date);
    for (size_t i = 0; i < s->coefficient_count; i++) {
        const struct coefficient *c = &s->coefficients[i];
        if (c->from <= day && day < c->to) {
            row->has_tce = c->has_tce;
            row->has_co2 = c->has_co2;
            row->tce = c->has_tce ? multiply_coefficient(row->value, c->tce) : 0;
            row->co2 = c->has_co2 ? multiply_coefficient(row->value, c->co2) : 0;
            return;
        }
    }
}

static int64_t expected_readings(enum granularity g, int64_t ts, int32_t period)
{
    return g == GRAN_MINUTE ? 1 : (period_next(g, ts) - ts) / USEC_PER_SEC / period;
}

static dec128 completeness(int64_t count, int64_t expected)
{
    if (expected <= 0 || count >= expected) {
        return expected > 0 ? DECIMAL_SCALE : 0;
    }
    return decimal_div((dec128)count * DECIMAL_SCALE, expected);
}

struct data_row row_of_cell(const struct target *t, enum granularity g, const struct period_cell *c)
{
    const struct source *s = &t->live;
    struct data_row row = {.enterprise_code = t->enterprise_code, .data_code = t->data_code, .stat_date = c->ts};
    row.count = c->n;
    row.expected = expected_readings(g, c->ts, s->period);
    row.completeness = completeness(row.count, row.expected);
    row.has_value = row.has_min = row.has_max = row.has_avg = c->m > 0;
    if (c->m > 0) {
        row.avg = decimal_div(c->total, c->m);
        row.value = s->aggregation == AGG_MEAN ? row.avg : c->total;
        row.min = c->min;
        row.max = c->max;
    }
    /* The minute row of a counter is a register, not a quantity. */
    bool quantity = s->aggregation == AGG_SUM || (s->aggregation == AGG_COUNTER && g != GRAN_MINUTE);
    if (row.has_value && quantity) {
        account(s, &row);
    }
    return row;
}

struct data_row row_of_reported(const struct target *t, enum granularity g, const struct period_cell *c)
{
    struct data_row row = {.enterprise_code = t->enterprise_code, .data_code = t->data_code, .stat_date = c->ts};
    row.reported = true;
    row.has_value = true;
    row.value = c->total;
    row.expected = expected_readings(g, c->ts, t->live.present ? t->live.period : t->reported.period);
    if (t->reported.aggregation == AGG_SUM) {
        account(&t->reported, &row);
    }
    return row;
}
