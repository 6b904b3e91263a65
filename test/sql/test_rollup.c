/* The slice itself: who gets a share of it, and registers across days that their rollup promises and that are gone. */
#include "dbtest.h"

#include <unistd.h>

#include "base/caltime.h"
#include "base/clock.h"
#include "db/migrate.h"
#include "rollup/rollup.h"
#include "rollup/slice.h"

static void before(void)
{
    OK(caltime_set_zone("Asia/Shanghai"));
    struct db *db = open_db();
    OK(db_exec(db, "DROP SCHEMA public CASCADE; CREATE SCHEMA public"));
    OK(db_migrate(db, NULL, NULL));
    OK(db_exec(db,
               "INSERT INTO unit (id, code, name, region_code, state, next_slot) SELECT u, 'U' || u, 'u', '420100', "
               "'accepted', 2 FROM generate_series(1, 3) u;"
               "INSERT INTO collect_item (unit_id, slot, data_code, stat_type, name, aggregation, period, scope, "
               "input_type, config_version) SELECT u, s, lpad(s::text, 16, '0'), 0, 'i', a, 3600, 1, 4, 1 "
               "FROM generate_series(1, 3) u, (VALUES (0, 0), (1, 2)) v (s, a);"
               "SELECT partition_ensure('reading', m) FROM generate_series(timestamptz '2024-03-01', '2024-04-01', '1 "
               "month') m"));
    db_close(&db);
}

/* One reading of 1 in each of so many hours up to an hour, with their marks. */
#define READ_HOURS(db, unit, count, last)                                                                              \
    OK(db_exec(db, "INSERT INTO reading_frame (unit_id, page, ts, value) SELECT " unit ", 0, timestamptz '" last       \
                   "' - h * interval '1 hour', '{1000000}' FROM generate_series(0, " count                             \
                   " - 1) h;INSERT INTO rollup_mark (unit_id, hour) SELECT unit_id, ts FROM reading_frame "            \
                   "WHERE unit_id = " unit))

static void one_slice(struct db *db, struct registry *registry, int max_hours, bool *left)
{
    static const int32_t UNITS[] = {1, 2, 3};
    struct rollup_store store;
    struct arena *arena = arena_new(0);
    size_t hours = 0;
    rollup_store_init(&store, db);
    OK(slice_run(&store, registry, UNITS, 3, max_hours, arena, left, &hours));
    ck_assert_uint_le(hours, (size_t)max_hours);
    rollup_store_free(&store);
    arena_free(&arena);
}

START_TEST(a_backlog_of_one_enterprise_does_not_keep_others_from_being_current)
{
    struct db *db = open_db();
    struct registry *registry;
    bool left = false;
    OK(registry_open(db, &registry));
    READ_HOURS(db, "1", "40", "2024-03-09 10:00");
    READ_HOURS(db, "2", "30", "2024-03-09 11:00");
    READ_HOURS(db, "3", "2", "2024-03-09 12:00");
    one_slice(db, registry, 12, &left);
    ck_assert(left);
    ck_assert_int_eq(NUMBER(db, "SELECT count(*) FROM rollup_mark WHERE unit_id = 3"), 0);
    ck_assert_int_eq(NUMBER(db, "SELECT count(*) FROM rollup_hour WHERE unit_id = 2 AND ts > '2024-03-09 07:00'"), 4);
    /* what the small one left of its share is used */
    ck_assert_int_eq(NUMBER(db, "SELECT count(*) FROM rollup_hour"), 12);
    ck_assert_int_eq(NUMBER(db, "SELECT count(*) FROM rollup_hour WHERE unit_id = 1 AND ts > '2024-03-09 04:00'"), 6);
    for (int slices = 1; left; slices++) {
        ck_assert_int_lt(slices, 10);
        one_slice(db, registry, 12, &left);
    }
    ck_assert_int_eq(NUMBER(db, "SELECT count(*) FROM rollup_mark"), 0);
    ck_assert_int_eq(NUMBER(db, "SELECT sum(total[1])::bigint FROM rollup_year"), 72000000);
    registry_close(&registry);
    db_close(&db);
}
END_TEST

static int64_t differences(struct db *db, struct registry *registry)
{
    int64_t n = 0;
    struct buf report = BUF_INIT;
    OK(rollup_verify(db, registry, 1, 0, clock_now(), NULL, &report, &n));
    buf_free(&report);
    return n;
}

/* A register each day; a stretch of days becomes invalid at once: the difference across it is credited after it. */
START_TEST(a_difference_across_more_withdrawn_days_than_are_probed_is_not_lost)
{
    struct db *db = open_db();
    struct registry *registry;
    bool left = true;
    OK(registry_open(db, &registry));
    OK(db_exec(db, "INSERT INTO reading_frame (unit_id, page, ts, value, flag) SELECT 1, 0, timestamptz '2024-03-01' + "
                   "d * interval '1 day', ARRAY[NULL, d * 1000000], '{0,0}' FROM generate_series(0, 29) d;"
                   "INSERT INTO rollup_mark (unit_id, hour) SELECT unit_id, ts FROM reading_frame"));
    OK(rollup_slice(db, registry, 1, 256, &left));
    OK(db_exec(db, "UPDATE reading_frame SET flag = '{0,1}' WHERE ts >= '2024-03-02' AND ts < '2024-03-30';"
                   "INSERT INTO rollup_mark (unit_id, hour) SELECT unit_id, ts FROM reading_frame WHERE flag[2] = 1"));
    OK(rollup_slice(db, registry, 1, 256, &left));
    ck_assert(!left);
    ck_assert_int_eq(NUMBER(db, "SELECT total[2] FROM rollup_day WHERE ts = '2024-03-30'"), 29000000);
    ck_assert_int_eq(differences(db, registry), 0);
    OK(db_exec(db, "UPDATE reading_frame SET flag = '{0,1}' WHERE ts = '2024-03-30';"
                   "INSERT INTO reading_frame (unit_id, page, ts, value) VALUES (1, 0, '2024-04-02', "
                   "'{NULL,40000000}');"
                   "INSERT INTO rollup_mark (unit_id, hour) VALUES (1, '2024-03-30'), (1, '2024-04-02')"));
    OK(rollup_slice(db, registry, 1, 256, &left));
    ck_assert_int_eq(NUMBER(db, "SELECT total[2] FROM rollup_day WHERE ts = '2024-04-02'"), 40000000);
    ck_assert_int_eq(differences(db, registry), 0);
    registry_close(&registry);
    db_close(&db);
}
END_TEST

/* Days of slot 1 that item_values, item_total and the rollup do not agree on. */
#define DISAGREEING                                                                                                    \
    "SELECT count(*) FROM (SELECT d.ts, d.total[2]::numeric AS total, d.nd[2] AS number FROM rollup_day d "            \
    "WHERE d.unit_id = 1) d FULL JOIN (SELECT date_trunc('day', v.ts) AS ts, sum(v.value) AS total, "                  \
    "count(v.value) AS number FROM item_values(1, 1, '2024-02-01', '2024-05-01') v GROUP BY 1) v USING (ts), "         \
    "LATERAL item_total(1, 1, ts, ts + interval '1 day', NULL, 0) t, "                                                 \
    "LATERAL item_total(1, 1, ts, ts + interval '1 day', ARRAY[ts + interval '5 hours'], 1) k "                        \
    "WHERE (d.total, d.number) IS DISTINCT FROM (v.total, v.number) OR coalesce(d.total, 0) <> coalesce(t.total, 0) "  \
    "OR d.number IS DISTINCT FROM t.number OR t.total IS DISTINCT FROM k.total OR t.number IS DISTINCT FROM k.number"

/* A register of 24 hours a day for fifty days, by chance: gaps of hours and days, resets, rollovers, invalid readings,
 * meters replaced; and then what is marked but not rolled up yet. */
START_TEST(readings_asked_in_sql_add_up_to_what_is_rolled_up)
{
    struct db *db = open_db();
    struct registry *registry;
    bool left = true;
    OK(db_exec(db,
               "SELECT setseed(0.42);"
               "UPDATE collect_item SET counter_max = 1000000000 WHERE unit_id = 1 AND slot = 1;"
               "INSERT INTO reading_frame (unit_id, page, ts, value, flag) SELECT 1, 0, timestamptz '2024-03-02' + h * "
               "interval '1 hour', ARRAY[NULL, CASE WHEN random() < 0.1 THEN NULL WHEN random() < 0.1 THEN "
               "(random() * 1000000000)::bigint ELSE (h * 7000000::bigint) % 1000000000 END], ARRAY[0, (random() < "
               "0.1)::integer]::smallint[] FROM generate_series(0, 1200) h WHERE h % 240 > 60;"
               "INSERT INTO meter_replacement (unit_id, slot, at, final_old, first_new) SELECT 1, 1, timestamptz "
               "'2024-03-01' + random() * interval '50 days', random() * 1000000000, random() * 1000000000 FROM "
               "generate_series(1, 25);"
               "INSERT INTO rollup_mark (unit_id, hour) SELECT unit_id, ts FROM reading_frame"));
    OK(registry_open(db, &registry));
    OK(rollup_slice(db, registry, 1, 4000, &left));
    ck_assert_int_gt(NUMBER(db, "SELECT count(*) FROM rollup_day WHERE n[2] > 0"), 25);
    ck_assert_int_eq(NUMBER(db, DISAGREEING), 0);
    /* a month, and what it will be when the marks are worked off, or when a transaction has marked its hours */
    OK(db_exec(db, "UPDATE reading_frame SET value = ARRAY[NULL, 5000000] WHERE ts IN (SELECT max(ts) FROM "
                   "reading_frame WHERE ts < '2024-04-01' UNION SELECT '2024-03-15 01:00')"));
    ck_assert_int_eq(NUMBER(db, "SELECT (t.total IS NULL AND t.looked > 1)::integer FROM item_total(1, 1, "
                                "'2024-04-01', '2024-05-01', (SELECT array_agg(ts) FROM reading_frame), 1) t"),
                     1);
    int64_t month = NUMBER(db, "SELECT total FROM item_total(1, 1, '2024-04-01', '2024-05-01', (SELECT "
                               "ARRAY[max(ts)] FROM reading_frame WHERE ts < '2024-04-01'), 40)");
    OK(db_exec(db, "INSERT INTO rollup_mark (unit_id, hour) SELECT 1, max(ts) FROM reading_frame WHERE ts < "
                   "'2024-04-01' UNION SELECT 1, '2024-03-15 01:00'"));
    ck_assert_int_eq(NUMBER(db, "SELECT total FROM item_total(1, 1, '2024-04-01', '2024-05-01', NULL, 40)"), month);
    int64_t march = NUMBER(db, "SELECT total FROM item_total(1, 1, '2024-03-01', '2024-04-01', NULL, 40)");
    OK(rollup_slice(db, registry, 1, 4000, &left));
    ck_assert_int_eq(NUMBER(db, "SELECT total[2] FROM rollup_month WHERE ts = '2024-04-01'"), month);
    ck_assert_int_eq(NUMBER(db, "SELECT total[2] FROM rollup_month WHERE ts = '2024-03-01'"), march);
    ck_assert_int_eq(NUMBER(db, DISAGREEING), 0);
    registry_close(&registry);
    db_close(&db);
}
END_TEST

/* Slot 1 is a register by the hour. The old meter ends at 130 at 04:30; the new one begins at 7: 04:00 is its first. */
START_TEST(what_was_used_across_a_replaced_meter_is_each_meters_part)
{
    struct db *db = open_db();
    struct registry *registry;
    bool left = true;
    OK(registry_open(db, &registry));
    OK(db_exec(
        db, "INSERT INTO reading_frame (unit_id, page, ts, value) SELECT 1, 0, timestamptz '2024-03-01' + h * interval"
            " '1 hour', ARRAY[NULL, v * 1000000] FROM (VALUES (0, 100), (1, 110), (2, 120), (4, 9), (5, 500)) x (h, v);"
            "INSERT INTO rollup_mark (unit_id, hour) SELECT unit_id, ts FROM reading_frame"));
    OK(rollup_slice(db, registry, 1, 256, &left));
    ck_assert_int_eq(NUMBER(db, "SELECT total[2] FROM rollup_day"), 511000000); /* a reset, and what it missed */
    ck_assert_int_eq(NUMBER(db, "SELECT meter_replace(1, '0000000000000001', '2024-03-01 04:30', 130000000, "
                                "7000000)::integer"),
                     1);
    OK(rollup_slice(db, registry, 1, 256, &left));
    ck_assert_int_eq(NUMBER(db, "SELECT total[2] FROM rollup_hour WHERE ts = '2024-03-01 04:00'"), 12000000);
    ck_assert_int_eq(NUMBER(db, "SELECT total[2] FROM rollup_day"), 523000000);
    ck_assert_int_eq(NUMBER(db, "SELECT nd[2] FROM rollup_day"), 4);
    ck_assert_int_eq(differences(db, registry), 0);
    /* a new meter that begins higher is no consumption; a second one in the same gap counts too */
    ck_assert_int_eq(NUMBER(db, "SELECT meter_replace(1, '0000000000000001', '2024-03-01 05:10', 10000000, "
                                "498000000)::integer"),
                     1);
    OK(rollup_slice(db, registry, 1, 256, &left));
    ck_assert_int_eq(NUMBER(db, "SELECT total[2] FROM rollup_day"), 35000000);
    OK(db_exec(db, "UPDATE reading_frame SET flag = '{0,1}' WHERE ts = '2024-03-01 04:00';"
                   "INSERT INTO rollup_mark (unit_id, hour) VALUES (1, '2024-03-01 04:00')"));
    OK(rollup_slice(db, registry, 1, 256, &left));
    ck_assert_int_eq(NUMBER(db, "SELECT total[2] FROM rollup_day"), 35000000);
    ck_assert_int_eq(NUMBER(db, "SELECT nd[2] FROM rollup_day"), 3);
    ck_assert_int_eq(differences(db, registry), 0);
    ck_assert_int_eq(NUMBER(db, "SELECT meter_withdraw(1, '0000000000000001', '2024-03-01 05:10')::integer"), 1);
    ck_assert_int_eq(NUMBER(db, "SELECT meter_withdraw(1, '0000000000000001', '2024-03-01 05:10')::integer"), 0);
    ck_assert_int_eq(NUMBER(db, "SELECT meter_replace(1, '0000000000000000', '2024-03-01 05:10', 1, 1)::integer"), 0);
    OK(rollup_slice(db, registry, 1, 256, &left));
    ck_assert_int_eq(NUMBER(db, "SELECT total[2] FROM rollup_day"), 523000000);
    ck_assert_int_eq(differences(db, registry), 0);
    registry_close(&registry);
    db_close(&db);
}
END_TEST

START_TEST(frozen_rows_keep_their_values_when_the_aggregation_changes)
{
    struct db *db = open_db();
    struct registry *registry;
    bool left = true;
    OK(registry_open(db, &registry));
    OK(db_exec(db, "INSERT INTO reading_frame (unit_id, page, ts, value) SELECT 1, 0, ts, '{3000000,5000000}' FROM "
                   "generate_series(timestamptz '2024-03-31 22:00', '2024-04-01 01:00', '1 hour') ts;"
                   "INSERT INTO rollup_mark (unit_id, hour) SELECT unit_id, ts FROM reading_frame"));
    OK(rollup_slice(db, registry, 1, 256, &left));
    OK(db_exec(db, "DROP TABLE reading_frame_202403; INSERT INTO setting VALUES ('raw_from', '2024-04-01 00:00:00+08');"
                   "UPDATE collect_item SET aggregation = 2 WHERE slot = 0"));
    ck_assert_int_eq(NUMBER(db,
                            "SELECT value::integer FROM bv_infodb_energydata_province WHERE enterprise_code = 'U1' AND "
                            "data_code = '0000000000000000' AND granularity = 'month' AND stat_date = '2024-03-01'"),
                     6);
    ck_assert_int_eq(NUMBER(db,
                            "SELECT avg::integer FROM bv_infodb_energydata_province WHERE enterprise_code = 'U1' AND "
                            "data_code = '0000000000000000' AND granularity = 'day' AND stat_date = '2024-03-31'"),
                     3);
    registry_close(&registry);
    db_close(&db);
}
END_TEST

/* The first of them is withdrawn while the days after it are already marked: the next reading is found behind them. */
START_TEST(the_reading_after_more_withdrawn_days_than_are_probed_is_found)
{
    struct db *db = open_db();
    struct rollup_store store;
    bool found = false;
    int64_t when = 0, value = 0, at = 0, last = 0;
    ck_assert(caltime_parse("2024-03-02 00:00:00", 19, &at));
    ck_assert(caltime_parse("2024-03-30 00:00:00", 19, &last));
    OK(db_exec(db,
               "INSERT INTO reading_frame (unit_id, page, ts, value, flag) SELECT 1, 0, timestamptz '2024-03-01' + "
               "d * interval '1 day', ARRAY[NULL, d * 1000000], CASE WHEN d BETWEEN 1 AND 28 THEN '{0,1}' ELSE "
               "'{0,0}' END::smallint[] FROM generate_series(0, 29) d;"
               "INSERT INTO rollup_day (unit_id, page, ts, total, vmin, vmax, n) SELECT 1, 0, ts, '{}', '{}', '{}', "
               "'{0,1}' FROM reading_frame"));
    rollup_store_init(&store, db);
    OK(rollup_store_after(&store, 1, 1, at, &found, &when));
    ck_assert(found);
    ck_assert_int_eq(when, last);
    OK(rollup_store_before(&store, 1, 1, last, &found, &when, &value));
    ck_assert(found);
    ck_assert_int_eq(value, 0);
    rollup_store_free(&store);
    db_close(&db);
}
END_TEST

static bool worked_off(struct db *db)
{
    int64_t deadline = clock_monotonic() + INT64_C(60000000000);
    while (NUMBER(db, "SELECT count(*) FROM rollup_mark") > 0)
        if (clock_monotonic() > deadline)
            return false;
        else
            usleep(5000);
    return true;
}

/* The scan that would find the marks without being told is an hour away. */
START_TEST(marks_of_another_process_wake_the_rollup)
{
    struct db *db = open_db();
    struct registry *registry;
    struct rollup *rollup;
    OK(registry_open(db, &registry));
    OK(db_exec(db, "INSERT INTO reading_frame (unit_id, page, ts, value) VALUES (1, 0, '2024-03-01', '{1,2}');"
                   "INSERT INTO rollup_mark (unit_id, hour) VALUES (1, '2024-03-01')"));
    struct db_config config = {.conninfo = "", .application = "t"};
    OK(rollup_start(&(struct rollup_config){.threads = 2, .scan_ms = 3600000}, &config, registry, &rollup));
    ck_assert(worked_off(db)); /* by the look at the beginning */
    OK(db_exec(db, "INSERT INTO reading_frame (unit_id, page, ts, value) VALUES (1, 0, '2024-03-02', '{1,2}');"
                   "INSERT INTO meter_replacement VALUES (1, 1, '2024-03-01 12:00', 3, 1); SELECT meter_remark(1, 1, "
                   "'2024-03-01 12:00')"));
    ck_assert_int_eq(NUMBER(db, "SELECT count(*) FROM meter_replacement"), 1);
    ck_assert(worked_off(db));
    ck_assert_int_eq(NUMBER(db, "SELECT count(*) FROM rollup_day WHERE ts = '2024-03-02'"), 1);
    rollup_stop(&rollup);
    registry_close(&registry);
    db_close(&db);
}
END_TEST

DBTEST_MAIN("rollup", before, a_backlog_of_one_enterprise_does_not_keep_others_from_being_current,
            a_difference_across_more_withdrawn_days_than_are_probed_is_not_lost,
            what_was_used_across_a_replaced_meter_is_each_meters_part,
            frozen_rows_keep_their_values_when_the_aggregation_changes,
            the_reading_after_more_withdrawn_days_than_are_probed_is_found,
            readings_asked_in_sql_add_up_to_what_is_rolled_up, marks_of_another_process_wake_the_rollup)
