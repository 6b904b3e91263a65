/* The view bv_infodb_energydata_province: columns, meanings by hand-made figures, and a plan that reaches only the
 * partitions and index ranges that a question needs. */
#include "energydata.h"

#include <string.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"

#define V "bv_infodb_energydata_province"

/* ---- meanings ---- */

/* Enterprise H: a sum and its reported values, a register, a mean; a few readings whose results are known by hand. */
static const char HAND[] =
    "INSERT INTO unit (id, code, name, region_code, state, next_slot) VALUES (9, 'H', 'h', '420100', 'trial', 6);"
    "INSERT INTO collect_item (unit_id, slot, data_code, stat_type, name, unit, aggregation, period, scope, input_type,"
    " counter_max, config_version) VALUES"
    " (9, 0, '0000000002330010', 0, 'power', 'kWh', 0, 900, 1, 4, NULL, 1),"
    " (9, 1, '0000000001150010', 0, 'gas', 'm3', 2, 900, 1, 4, 1000000000, 1),"
    " (9, 2, '0000000010020180', 0, 'factor', '', 1, 900, 1, 4, NULL, 1),"
    " (9, 3, '0000000002330010', 1, 'power day', 'kWh', 0, 86400, 1, 5, NULL, 1),"
    " (9, 4, '0000000001010010', 0, 'coal', 't', 0, 86400, 1, 4, NULL, 1),"
    " (9, 5, '0000000002330010', 2, 'power month', 'm3', 0, 86400, 1, 5, NULL, 1);"
    "SELECT partition_ensure('reading', '2024-02-01');"
    "INSERT INTO reading_frame (unit_id, page, ts, value, flag) VALUES"
    " (9, 0, '2024-02-10 08:00+08', '{1000000, 990000000, 1, NULL, 2000000}', NULL),"
    " (9, 0, '2024-02-10 08:15+08', '{2500000, 10000000, 2}', NULL),"       /* register rolls over: 20 */
    " (9, 0, '2024-02-10 08:30+08', '{7000000, 4000000, 2}', '{1, 0, 4}')," /* power invalid; register reset */
    " (9, 0, '2024-02-10 09:00+08', '{-1500000, 4500000, NULL}', NULL);"    /* 0.5 */
    "INSERT INTO reported_frame (unit_id, page, stat_type, ts, value, flag) VALUES"
    " (9, 0, 1, '2024-02-10+08', '{NULL, NULL, NULL, 9000000}', NULL)," /* a day with readings */
    " (9, 0, 1, '2024-02-11+08', '{NULL, NULL, NULL, 8000000}', NULL),"
    " (9, 0, 1, '2024-02-12+08', '{NULL, NULL, NULL, 7000000}', '{0, 0, 0, 1}')," /* reported as invalid */
    " (9, 0, 2, '2024-03-01+08', '{NULL, NULL, NULL, NULL, NULL, 5000000}', NULL);"
    "INSERT INTO rollup_mark (unit_id, hour) VALUES (9, '2024-02-10 08:00+08'), (9, '2024-02-10 09:00+08')";

/* The rows of one data code and granularity of H: one line each, nothing for NULL. */
static char *rows_of(struct db *db, const char *code, const char *granularity)
{
    struct db_params p;
    struct buf out = BUF_INIT;
    db_params_init(&p);
    db_bind_text(&p, code);
    db_bind_text(&p, granularity);
    struct db_rows *r = ROWS(db, &p,
                             "SELECT concat_ws(' ', to_char(stat_date, 'DD HH24:MI'), coalesce(value::text, '-'),"
                             " coalesce(min::text, '-'), coalesce(max::text, '-'), coalesce(avg::text, '-'), count,"
                             " expected, completeness, source, coalesce(tce::text, '-'), coalesce(co2::text, '-'))"
                             " FROM " V " WHERE enterprise_code = 'H' AND data_code = $1 AND granularity = $2"
                             " ORDER BY stat_date");
    for (size_t i = 0; i < db_rows_count(r); i++) {
        buf_printf(&out, "%s\n", db_get_text(r, i, 0));
    }
    db_rows_free(&r);
    db_params_free(&p);
    return (char *)buf_steal(&out, NULL);
}

static void assert_rows(const char *code, const char *granularity, const char *expected)
{
    struct db *db = open_db();
    char *got = rows_of(db, code, granularity);
    ck_assert_str_eq(got, expected);
    mem_free(got);
    db_close(&db);
}

START_TEST(minute_rows_are_the_valid_readings)
{
    assert_rows("0000000002330010", "minute",
                "10 08:00 1 1 1 1 1 1 1 computed 0.000123 0.00057\n"
                "10 08:15 2.5 2.5 2.5 2.5 1 1 1 computed 0.000307 0.001426\n"
                "10 09:00 -1.5 -1.5 -1.5 -1.5 1 1 1 computed -0.000184 -0.000855\n");
    /* registers, which are no quantities */
    assert_rows("0000000001150010", "minute",
                "10 08:00 990 990 990 990 1 1 1 computed - -\n10 08:15 10 10 10 10 1 1 1 computed - -\n"
                "10 08:30 4 4 4 4 1 1 1 computed - -\n10 09:00 4.5 4.5 4.5 4.5 1 1 1 computed - -\n");
}
END_TEST

START_TEST(hours_add_quantities_and_credit_registers_with_differences)
{
    assert_rows("0000000002330010", "hour",
                "10 08:00 3.5 1 2.5 1.75 2 4 0.5 computed 0.00043 0.001996\n"
                "10 09:00 -1.5 -1.5 -1.5 -1.5 1 4 0.25 computed -0.000184 -0.000855\n");
    assert_rows("0000000001150010", "hour",
                "10 08:00 20 20 20 20 3 4 0.75 computed 0.0243 0.043244\n"
                "10 09:00 0.5 0.5 0.5 0.5 1 4 0.25 computed 0.000608 0.001081\n");
}
END_TEST

START_TEST(a_mean_is_the_total_over_n_to_even_and_has_no_coal)
{
    /* (0.000001 + 0.000002 + 0.000002) / 3 = 0.0000016… */
    assert_rows("0000000010020180", "day", "10 00:00 0.000002 0.000001 0.000002 0.000002 3 96 0.03125 computed - -\n");
}
END_TEST

START_TEST(days_show_reported_values_only_without_valid_readings)
{
    assert_rows("0000000002330010", "day",
                "10 00:00 2 -1.5 2.5 0.666667 3 96 0.03125 computed 0.000246 0.001141\n"
                "11 00:00 8 - - - 0 96 0 reported 0.000983 0.004562\n");
    assert_rows("0000000002330010", "month",
                "01 00:00 2 -1.5 2.5 0.666667 3 2784 0.001078 computed 0.000246 0.001141\n"
                "01 00:00 5 - - - 0 2976 0 reported - -\n"); /* its unit, m3, is no unit of electricity */
    assert_rows("0000000002330010", "year",
                "01 00:00 2 -1.5 2.5 0.666667 3 35136 0.000085 computed 0.000246 0.001141\n");
}
END_TEST

START_TEST(a_daily_item_has_no_hours_and_whole_days)
{
    assert_rows("0000000001010010", "hour", "");
    assert_rows("0000000001010010", "day", "10 00:00 2 2 2 2 1 1 1 computed 1.4286 -\n");
}
END_TEST

START_TEST(the_columns_are_those_of_the_contract)
{
    struct db *db = open_db();
    struct db_rows *r =
        ROWS(db, NULL,
             "SELECT string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', ' ORDER BY attnum)"
             " FROM pg_attribute WHERE attrelid = '" V "'::regclass AND attnum > 0");
    ck_assert_str_eq(
        db_get_text(r, 0, 0),
        "enterprise_code text, data_code text, point_name text, granularity text, stat_date timestamp with time"
        " zone, value numeric, min numeric, max numeric, avg numeric, count integer, expected integer,"
        " completeness numeric, source text, tce numeric, co2 numeric");
    db_rows_free(&r);
    db_close(&db);
}
END_TEST

START_TEST(division_is_rounded_half_to_even)
{
    struct db *db = open_db();
    ck_assert_int_eq(NUMBER(db,
                            "SELECT count(*) FROM (VALUES (5, 2, 2), (7, 2, 4), (-5, 2, -2), (-7, 2, -4), (1, 3, 0),"
                            " (2, 3, 1), (-2, 3, -1), (0, 7, 0), (10, 4, 2), (6, 4, 2), (1, 2, 0), (3, 2, 2))"
                            " v(n, d, q) WHERE div_even(n, d) <> q"),
                     0);
    /* beyond double precision: …5 / 10 is a half exactly */
    ck_assert_int_eq(NUMBER(db, "SELECT (div_even(123456789012345678901234565, 10) = 12345678901234567890123456)::int"),
                     1);
    ck_assert_int_eq(NUMBER(db, "SELECT (ratio6(1, 3) = 0.333333)::int"), 1);
    db_close(&db);
}
END_TEST

START_TEST(coefficients_follow_class_unit_and_date)
{
    struct db *db = open_db();
#define TCE(code, unit) "SELECT (1000000 * energy_tce(0, 10000, '" code "', '" unit "', '2024-01-01'))::bigint"
    ck_assert_int_eq(NUMBER(db, TCE("0000000002330010", "kWh")), 1229000);
    ck_assert_int_eq(NUMBER(db, TCE("0000000002330010", "MWh")), 1229000000);
    ck_assert_int_eq(NUMBER(db, TCE("0000000002330010", "")), INT64_C(12290000000));
    ck_assert_int_eq(NUMBER(db, TCE("0000000001150010", "Nm3")), 12150000);
    ck_assert_int_eq(NUMBER(db, TCE("0000000001010010", "kg")), 7143000);
    ck_assert_int_eq(NUMBER(db, TCE("0102010301010410", "吨")), INT64_C(7143000000));
    ck_assert_int_eq(NUMBER(db, "SELECT (energy_tce(0, 1, '0000000001330010', 'kWh', now()) IS NULL)::int"), 1);
    ck_assert_int_eq(NUMBER(db, "SELECT (energy_tce(0, 1, '0000000004330010', 'kWh', now()) IS NULL)::int"), 1);
    ck_assert_int_eq(NUMBER(db, "SELECT (energy_tce(0, 1, '0000000002330010', 'm3', now()) IS NULL)::int"), 1);
    ck_assert_int_eq(NUMBER(db, "SELECT (energy_tce(0, NULL, '0000000002330010', 'kWh', now()) IS NULL)::int"), 1);
    ck_assert_int_eq(NUMBER(db, "SELECT (1000 * energy_co2(0, 10000, '0000000002330010', 'kWh', '2020-12-31'))::int"),
                     6101);
    ck_assert_int_eq(NUMBER(db, "SELECT (1000 * energy_co2(0, 10000, '0000000002330010', 'kWh', '2021-01-01'))::int"),
                     5810);
    ck_assert_int_eq(NUMBER(db, "SELECT (1000 * energy_co2(0, 10000, '0000000002330010', 'kWh', '2022-01-01'))::int"),
                     5703);
    db_close(&db);
}
END_TEST

/* ---- plans ---- */
/* A connection of its own: statements are known to a connection by their address. */
static char *plan_of(const char *where)
{
    struct db *db = open_db();
    struct buf out = BUF_INIT;
    char *sql = mem_printf(
        "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT stat_date, value FROM " V " WHERE %s", where);
    struct db_stmt stmt = {"explain", sql};
    struct db_rows *r;
    OK(db_query(db, &stmt, NULL, &r));
    for (size_t i = 0; i < db_rows_count(r); i++) {
        buf_printf(&out, "%s\n", db_get_text(r, i, 0));
    }
    db_rows_free(&r);
    db_close(&db);
    mem_free(sql);
    return (char *)buf_steal(&out, NULL);
}

static const struct {
    const char *granularity, *from, *to;
    const char *has[3], *lacks[6]; /* words of the plan */
} PLANS[] = {
    {"minute",
     "2026-02-03",
     "2026-02-04",
     {"reading_frame_202602_pkey"},
     {"reading_frame_202601", "reading_frame_202603", "rollup_", "reported_", "Seq Scan on reading_frame"}},
    {"minute",
     "2026-01-31 12:00",
     "2026-02-01 12:00",
     {"reading_frame_202601_pkey", "reading_frame_202602_pkey"},
     {"reading_frame_202512", "reading_frame_202603", "rollup_"}},
    {"hour",
     "2026-02-03",
     "2026-02-04",
     {"rollup_hour_202602_pkey"},
     {"rollup_hour_202601", "reading_frame", "rollup_day", "reported_", "Seq Scan on rollup_hour"}},
    {"day",
     "2026-02-03",
     "2026-03-04",
     {"rollup_day_2026_pkey", "reported_frame_2026_pkey"},
     {"rollup_day_2025", "reported_frame_2025", "reading_frame", "rollup_hour", "rollup_month", "rollup_year"}},
    {"month",
     "2026-01-01",
     "2026-03-01",
     {"rollup_month_pkey", "reported_frame_2026_pkey"},
     {"reported_frame_2025", "rollup_day", "rollup_year", "reading_frame"}},
    {"year",
     "2026-01-01",
     "2027-01-01",
     {"rollup_year_pkey", "reported_frame_2026_pkey"},
     {"reported_frame_2025", "rollup_day", "rollup_month", "reading_frame"}},
};

/* Does a line of the plan name the relation, and was it executed? Such lines say how many rows there were. */
static bool reaches(const char *plan, const char *relation)
{
    for (const char *p = strstr(plan, relation); p; p = strstr(p + 1, relation)) {
        const char *end = strchr(p, '\n');
        const char *ran = strstr(p, "(actual rows=");
        if (ran && ran < end) {
            return true;
        }
    }
    return false;
}

START_TEST(a_question_reaches_only_its_partitions_by_their_keys)
{
    for (size_t i = 0; i < ARRAY_LEN(PLANS); i++) {
        char *where = mem_printf("enterprise_code = '" FIRST_UNIT "' AND granularity = '%s' AND stat_date >= '%s'"
                                 " AND stat_date < '%s'",
                                 PLANS[i].granularity, PLANS[i].from, PLANS[i].to);
        char *plan = plan_of(where);
        for (int j = 0; j < 3 && PLANS[i].has[j]; j++) {
            ck_assert_msg(reaches(plan, PLANS[i].has[j]), "%s lacks %s:\n%.4000s", where, PLANS[i].has[j], plan);
        }
        for (int j = 0; j < 6 && PLANS[i].lacks[j]; j++) {
            ck_assert_msg(!reaches(plan, PLANS[i].lacks[j]), "%s has %s:\n%.4000s", where, PLANS[i].lacks[j], plan);
        }
        mem_free(plan);
        mem_free(where);
    }
}
END_TEST

START_TEST(the_range_of_time_is_part_of_the_index_condition)
{
    char *plan =
        plan_of("enterprise_code = '" FIRST_UNIT "' AND data_code = '0000000002330010' AND granularity = 'minute'"
                " AND stat_date >= '2026-02-03' AND stat_date < '2026-02-04'");
    const char *condition = strstr(plan, "Index Cond: ((unit_id = ");
    ck_assert_msg(condition && strstr(condition, "ts >= "), "%.4000s", plan);
    ck_assert_ptr_nonnull(strstr(plan, "unit_code_key"));
    mem_free(plan);
}
END_TEST

static void before(void)
{
    log_set_level(LOG_ERROR);
    energydata_make();
    struct db *db = open_db();
    OK(db_exec(db, HAND));
    struct registry *registry;
    OK(registry_open(db, &registry));
    bool left = true;
    while (left) {
        OK(rollup_slice(db, registry, 9, 100, &left));
    }
    registry_close(&registry);
    /* A province of enterprises, so that choosing one is worth an index. */
    OK(db_exec(
        db, "INSERT INTO unit (id, code, name, region_code, state) SELECT g, 'X' || g, 'x', '420000', 'trial'"
            " FROM generate_series(100, 1600) g;"
            "INSERT INTO collect_item (unit_id, slot, data_code, stat_type, name, aggregation, period, scope,"
            " input_type, config_version) SELECT g, s, lpad(s::text, 16, '0'), s / 3, 'x', 0, 900, 1, 4, 1"
            " FROM generate_series(100, 1600) g, generate_series(0, 5) s;"
            "INSERT INTO reading_frame SELECT u, 0, ts, ARRAY[1, 2, 3] FROM generate_series(100, 140) u,"
            " generate_series(timestamptz '2025-12-20', '2026-03-05', '1 hour') ts;"
            "INSERT INTO rollup_hour SELECT u, 0, ts, '{1,2,3}', '{1,2,3}', '{1,2,3}', '{1,1,1}'"
            " FROM generate_series(100, 140) u, generate_series(timestamptz '2025-12-20', '2026-03-05', '1 hour') ts;"
            "INSERT INTO rollup_day SELECT u, 0, ts, '{1,2,3}', '{1,2,3}', '{1,2,3}', '{1,1,1}'"
            " FROM generate_series(100, 600) u, generate_series(timestamptz '2025-12-20', '2026-03-05', '1 day') ts;"
            "INSERT INTO reported_frame SELECT u, 0, 1, ts, '{NULL,NULL,NULL,1,2}'"
            " FROM generate_series(100, 600) u, generate_series(timestamptz '2025-12-20', '2026-03-05', '1 day') ts;"
            "INSERT INTO rollup_month SELECT u, 0, ts, '{1,2,3}', '{1,2,3}', '{1,2,3}', '{1,1,1}'"
            " FROM generate_series(100, 600) u, generate_series(timestamptz '2023-01-01', '2026-03-01', '1 month') ts;"
            "INSERT INTO rollup_year SELECT u, 0, ts, '{1,2,3}', '{1,2,3}', '{1,2,3}', '{1,1,1}'"
            " FROM generate_series(100, 1600) u, generate_series(timestamptz '2021-01-01', '2026-01-01', '1 year') ts;"
            "ANALYZE"));
    db_close(&db);
}

DBTEST_MAIN_ONCE("view", before, minute_rows_are_the_valid_readings,
                 hours_add_quantities_and_credit_registers_with_differences,
                 a_mean_is_the_total_over_n_to_even_and_has_no_coal,
                 days_show_reported_values_only_without_valid_readings, a_daily_item_has_no_hours_and_whole_days,
                 the_columns_are_those_of_the_contract, division_is_rounded_half_to_even,
                 coefficients_follow_class_unit_and_date, a_question_reaches_only_its_partitions_by_their_keys,
                 the_range_of_time_is_part_of_the_index_condition)
