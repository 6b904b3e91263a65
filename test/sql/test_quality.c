/* Data quality against a real PostgreSQL: each figure by hand, and all of them against a plain count over the readings.
 */
#include "dbtest.h"

#include <stdio.h>
#include <string.h>

#include "base/caltime.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "db/migrate.h"
#include "quality/conformity.h"
#include "registry/device_store.h"
#include "rollup/rollup.h"

#define UNIT_A "91420100000000001A"
#define UNIT_B "91420200000000002B"
#define POWER "0000000002330010"
#define LATER "0000000002330060"

struct bench {
    struct db *db;
    struct arena *arena;
    struct quality_list list;
};

static int64_t instant(const char *text)
{
    int64_t us;
    ck_assert_msg(caltime_parse(text, strlen(text), &us), "%s", text);
    return us;
}

static struct bench open_bench(void)
{
    return (struct bench){.db = open_db(), .arena = arena_new(0)};
}

static void close_bench(struct bench *b)
{
    arena_free(&b->arena);
    db_close(&b->db);
}

static void roll_up(struct db *db, int32_t unit)
{
    struct registry *registry;
    bool left = true;
    OK(db_exec(db, "INSERT INTO rollup_mark (unit_id, hour) SELECT DISTINCT unit_id, date_trunc('hour', ts) FROM "
                   "reading_frame"));
    OK(registry_open(db, &registry));
    while (left)
        OK(rollup_slice(db, registry, unit, 2000, &left));
    registry_close(&registry);
}

static void ask(struct bench *b, const char *code, const char *from, const char *to)
{
    struct quality_question q = {code, "", instant(from), instant(to)};
    b->list = (struct quality_list){0};
    OK(quality_query(b->db, &q, b->arena, &b->list));
}

/* The figures of a day as one line; "-" when it has no row. */
static const char *day(struct bench *b, const char *date)
{
    int64_t at = instant(date);
    for (size_t i = 0; i < b->list.count; i++) {
        const struct quality_counts *c = &b->list.at[i].counts;
        char success[DECIMAL_TEXT], complete[DECIMAL_TEXT];
        if (b->list.at[i].day == at)
            return arena_printf(b->arena, "%lld %lld=%lld+%lld+%lld s%lld %s %s %d", (long long)c->expected,
                                (long long)quality_received(c), (long long)quality_on_time(c), (long long)c->late,
                                (long long)c->rejected, (long long)c->suspect,
                                decimal_format(quality_success_rate(c), success),
                                decimal_format(quality_completeness(c), complete), b->list.at[i].continuous_days);
    }
    return "-";
}

/* One item with a period of 15 minutes, expected from 2026-03-01; the clock says April. */
static struct bench one_item(void)
{
    struct bench b = open_bench();
    OK(db_exec(
        b.db, "INSERT INTO unit (id, code, name, region_code, state, next_slot) VALUES"
              " (1, '" UNIT_A "', '钢铁', '420100', 'trial', 1), (2, '" UNIT_B "', '玻璃', '420200', 'trial', 1);"
              "INSERT INTO collect_item (unit_id, slot, data_code, stat_type, name, aggregation, period, scope,"
              " input_type, config_version, since) SELECT u, 0, '" POWER "', 0, '用电量', 0, 900, 1, 4, 1, '2026-03-01'"
              " FROM generate_series(1, 2) u"));
    clock_set_fake(instant("2026-04-20 12:00:00"));
    return b;
}

/* Readings of unit 1, one value and flag for each quarter of an hour of [from, to). */
static void quarters(struct db *db, const char *from, const char *to, int flag)
{
    char sql[512];
    snprintf(sql, sizeof sql,
             "INSERT INTO reading_frame (unit_id, page, ts, value, flag) SELECT 1, 0, ts, '{1000000}', '{%d}'"
             " FROM generate_series(timestamptz '%s', timestamptz '%s' - interval '1 second', '15 minutes') ts",
             flag, from, to);
    OK(db_exec(db, sql));
}

START_TEST(a_day_with_every_reading_in_time_is_complete)
{
    struct bench b = one_item();
    quarters(b.db, "2026-03-02", "2026-03-03", 0);
    roll_up(b.db, 1);
    ask(&b, UNIT_A, "2026-03-02 00:00:00", "2026-03-03 00:00:00");
    ck_assert_uint_eq(b.list.count, 1);
    ck_assert_str_eq(day(&b, "2026-03-02 00:00:00"), "96 96=96+0+0 s0 1 1 1");
    close_bench(&b);
}
END_TEST

START_TEST(a_day_begins_with_its_midnight_and_ends_before_the_next)
{
    struct bench b = one_item();
    quarters(b.db, "2026-03-02 23:45", "2026-03-03 00:15", 0);
    roll_up(b.db, 1);
    ask(&b, UNIT_A, "2026-03-02 00:00:00", "2026-03-05 00:00:00");
    ck_assert_uint_eq(b.list.count, 3);
    ck_assert_str_eq(day(&b, "2026-03-02 00:00:00"), "96 1=1+0+0 s0 1 0.010417 0");
    ck_assert_str_eq(day(&b, "2026-03-03 00:00:00"), "96 1=1+0+0 s0 1 0.010417 0");
    ck_assert_str_eq(day(&b, "2026-03-04 00:00:00"), "96 0=0+0+0 s0 0 0 0");
    close_bench(&b);
}
END_TEST

START_TEST(late_readings_fill_their_slots_and_are_counted_apart)
{
    struct bench b = one_item();
    quarters(b.db, "2026-03-02", "2026-03-02 18:00", 0);
    quarters(b.db, "2026-03-02 18:00", "2026-03-03", 32);
    roll_up(b.db, 1);
    ask(&b, UNIT_A, "2026-03-02 00:00:00", "2026-03-03 00:00:00");
    ck_assert_str_eq(day(&b, "2026-03-02 00:00:00"), "96 96=72+24+0 s0 1 1 1");
    close_bench(&b);
}
END_TEST

START_TEST(invalid_readings_are_received_and_fill_nothing)
{
    struct bench b = one_item();
    quarters(b.db, "2026-03-02", "2026-03-02 21:30", 0);
    quarters(b.db, "2026-03-02 21:30", "2026-03-03", 1 | 32);
    roll_up(b.db, 1);
    ask(&b, UNIT_A, "2026-03-02 00:00:00", "2026-03-03 00:00:00");
    ck_assert_str_eq(day(&b, "2026-03-02 00:00:00"), "96 96=86+10+0 s0 0.895833 0.895833 0");
    close_bench(&b);
}
END_TEST

START_TEST(suspect_readings_count_and_are_named)
{
    struct bench b = one_item();
    quarters(b.db, "2026-03-02", "2026-03-02 12:00", 2 | 32);
    quarters(b.db, "2026-03-02 12:00", "2026-03-03", 24);
    roll_up(b.db, 1);
    ask(&b, UNIT_A, "2026-03-02 00:00:00", "2026-03-03 00:00:00");
    ck_assert_str_eq(day(&b, "2026-03-02 00:00:00"), "96 96=48+48+0 s96 1 1 1");
    close_bench(&b);
}
END_TEST

#define REFUSED_ON_4TH(ordinal, code, severity, data_code, date)                                                       \
    "INSERT INTO upload_finding VALUES (1, 7, '2026-03-04 10:00', " ordinal ", " code ", " severity ", 2, '" data_code \
    "', 0, '" date "', 'm');"
static const char FINDINGS[] = "SELECT partition_ensure('receipt', '2026-03-04');" REFUSED_ON_4TH(
    "0", "3201", "2", POWER, "2026-03-02 10:00:00") REFUSED_ON_4TH("1", "3201", "2", POWER, "20260302101500")
    REFUSED_ON_4TH("2", "3201", "2", POWER, "2026-03-02T10:30:00+08:00") REFUSED_ON_4TH(
        "3", "3101", "2", "0000000002339999", "2026-03-02 10:00:00") REFUSED_ON_4TH("4", "3301", "2", POWER,
                                                                                    "yesterday")
        REFUSED_ON_4TH("5", "3302", "2", POWER, "2031-01-01 00:00:00") REFUSED_ON_4TH(
            "6", "3204", "1", POWER,
            "2026-03-02 10:45:00") "INSERT INTO upload_finding VALUES (1, 7, '2026-03-04 10:00', 7, 3201, 2, 2, '" POWER
                                   "', 2, '2026-03-01', 'm');"
                                   "INSERT INTO upload_finding VALUES (2, 7, '2026-03-04 10:00', 8, 3201, 2, 2, '" POWER
                                   "', 0,"
                                   " '2026-03-02 10:00:00', 'm')";

START_TEST(a_refused_record_belongs_to_the_day_it_was_meant_for_or_else_of_its_arrival)
{
    struct bench b = one_item();
    quarters(b.db, "2026-03-02", "2026-03-05", 0);
    OK(db_exec(b.db, FINDINGS));
    roll_up(b.db, 1);
    ask(&b, UNIT_A, "2026-03-02 00:00:00", "2026-03-05 00:00:00");
    ck_assert_str_eq(day(&b, "2026-03-02 00:00:00"), "96 100=96+0+4 s0 0.96 1 1");
    ck_assert_str_eq(day(&b, "2026-03-03 00:00:00"), "96 96=96+0+0 s0 1 1 2");
    ck_assert_str_eq(day(&b, "2026-03-04 00:00:00"), "96 98=96+0+2 s0 0.979592 1 3");
    close_bench(&b);
}
END_TEST

static void refuse(struct db *db, int ordinal, const char *code, const char *data_code, const char *date)
{
    char *sql =
        mem_printf("INSERT INTO upload_finding VALUES (1, 7, '2026-03-04 10:00', %d, %s, 2, 2, '%s', 0, '%s', 'm')",
                   ordinal, code, data_code, date);
    OK(db_exec(db, sql));
    mem_free(sql);
}

/* The first uploads of a device are those that are refused; what it sends of the days before its configuration, too. */
START_TEST(refused_records_of_days_before_the_configuration_are_told)
{
    struct bench b = one_item();
    OK(db_exec(b.db, "SELECT partition_ensure('receipt', '2026-03-04')"));
    refuse(b.db, 0, "3201", POWER, "2026-02-20 10:00:00");
    refuse(b.db, 1, "3101", "0000000002339999", "2026-02-27 10:00:00");
    ask(&b, UNIT_A, "2010-01-01 00:00:00", "2026-03-02 00:00:00");
    ck_assert_uint_eq(b.list.count, 3);
    ck_assert_str_eq(day(&b, "2026-02-20 00:00:00"), "0 1=0+0+1 s0 0 0 0");
    ck_assert_str_eq(day(&b, "2026-02-27 00:00:00"), "0 1=0+0+1 s0 0 0 0");
    ck_assert_str_eq(day(&b, "2026-03-01 00:00:00"), "96 0=0+0+0 s0 0 0 0");
    OK(db_exec(b.db, "UPDATE collect_item SET stat_type = 2")); /* no item of which anything is expected by the day */
    ask(&b, UNIT_A, "2026-02-20 12:00:00", "2026-03-02 00:00:00");
    ck_assert_uint_eq(b.list.count, 1);
    ck_assert_str_eq(day(&b, "2026-02-27 00:00:00"), "0 1=0+0+1 s0 0 0 0");
    close_bench(&b);
}
END_TEST

/* Whatever a record was refused for first, a day that cannot be is none. */
START_TEST(a_refused_record_of_an_impossible_day_belongs_to_the_day_of_its_arrival)
{
    struct bench b = one_item();
    quarters(b.db, "2026-03-02", "2026-03-06", 0);
    OK(db_exec(b.db, "SELECT partition_ensure('receipt', '2026-03-04')"));
    refuse(b.db, 0, "3101", "0000000002339999", "2099-01-01 00:00:00");
    refuse(b.db, 1, "3201", POWER, "2009-12-31 23:45:00");
    refuse(b.db, 2, "3304", POWER, "2026-03-06 00:00:00");
    refuse(b.db, 3, "3201", POWER, "2026-03-05 00:00:00"); /* a clock that is a little ahead at midnight */
    roll_up(b.db, 1);
    ask(&b, UNIT_A, "2026-03-04 00:00:00", "2026-03-06 00:00:00");
    ck_assert_str_eq(day(&b, "2026-03-04 00:00:00"), "96 99=96+0+3 s0 0.969697 1 3");
    ck_assert_str_eq(day(&b, "2026-03-05 00:00:00"), "96 97=96+0+1 s0 0.989691 1 4");
    close_bench(&b);
}
END_TEST

static void remember_refused(void *arg, const struct quality_item *item, int64_t at, const struct quality_counts *c)
{
    (void)at;
    *(int64_t *)arg += item && strcmp(item->data_code, POWER) == 0 ? c->rejected : 0;
}

START_TEST(a_refused_record_counts_with_its_item_in_whichever_form_its_code_was_sent)
{
    struct bench b = one_item();
    struct quality_unit unit = {1, UNIT_A, 900};
    int64_t refused = 0;
    OK(db_exec(b.db, "SELECT partition_ensure('receipt', '2026-03-04')"));
    refuse(b.db, 0, "3201", "00-00-0000-023300-10", "2026-03-02 10:00:00");
    refuse(b.db, 1, "3201", POWER, "2026-03-02 10:15:00");
    OK(quality_of_unit(b.db, &unit, instant("2026-03-02 00:00:00"), instant("2026-03-03 00:00:00"), b.arena,
                       remember_refused, &refused, &b.list));
    ck_assert_int_eq(refused, 2);
    close_bench(&b);
}
END_TEST

START_TEST(refused_records_beyond_those_named_are_counted_from_the_receipt)
{
    struct bench b = one_item();
    OK(db_exec(b.db,
               "SELECT partition_ensure('receipt', '2026-03-04');"
               "INSERT INTO upload (sender_id, upload_id, received_at, unit_id, message_id, response_code, received,"
               " stored, unchanged, corrected, suspect, rejected, findings)"
               " VALUES (1, 7, '2026-03-04 10:00', 1, 'm', 2, 1500, 0, 0, 0, 0, 1500, 1500);"
               "INSERT INTO upload_finding SELECT 1, 7, '2026-03-04 10:00', i, 3201, 2, i, '" POWER "', 0,"
               " '2026-03-02 10:00:00', 'm' FROM generate_series(0, 999) i"));
    ask(&b, UNIT_A, "2026-03-02 00:00:00", "2026-03-05 00:00:00");
    ck_assert_str_eq(day(&b, "2026-03-02 00:00:00"), "96 1000=0+0+1000 s0 0 0 0");
    ck_assert_str_eq(day(&b, "2026-03-04 00:00:00"), "96 500=0+0+500 s0 0 0 0");
    close_bench(&b);
}
END_TEST

/* Findings are dropped before the readings and the receipts are. */
START_TEST(refused_records_whose_findings_have_expired_are_counted_from_the_receipt)
{
    struct bench b = one_item();
    quarters(b.db, "2026-03-02", "2026-03-06", 0);
    OK(db_exec(b.db,
               "SELECT partition_ensure('receipt', '2026-03-04');"
               "INSERT INTO upload (sender_id, upload_id, received_at, unit_id, message_id, response_code, received,"
               " stored, unchanged, corrected, suspect, rejected, findings)"
               " VALUES (1, 7, '2026-03-04 10:00', 1, 'm', 2, 4, 0, 0, 0, 0, 4, 4),"
               " (1, 8, '2026-03-05 10:00', 1, 'n', 2, 4, 0, 0, 0, 0, 4, 4);"
               "INSERT INTO upload_finding SELECT 1, 8, '2026-03-05 10:00', i, 3201, 2, i, '" POWER "', 0,"
               " '2026-03-02 10:00:00', 'm' FROM generate_series(0, 3) i"));
    roll_up(b.db, 1);
    ask(&b, UNIT_A, "2026-03-02 00:00:00", "2026-03-06 00:00:00");
    ck_assert_str_eq(day(&b, "2026-03-02 00:00:00"), "96 100=96+0+4 s0 0.96 1 1");
    ck_assert_str_eq(day(&b, "2026-03-04 00:00:00"), "96 100=96+0+4 s0 0.96 1 3");
    ck_assert_str_eq(day(&b, "2026-03-05 00:00:00"), "96 96=96+0+0 s0 1 1 4");
    close_bench(&b);
}
END_TEST

START_TEST(good_days_are_counted_back_beyond_the_question_and_a_bad_one_begins_anew)
{
    struct bench b = one_item();
    OK(db_exec(b.db, "UPDATE collect_item SET since = '2025-06-01'"));
    OK(db_exec(b.db,
               "SELECT partition_ensure('reading', m) FROM generate_series(timestamptz '2025-06-01', '2026-03-01',"
               " '1 month') m"));
    quarters(b.db, "2025-06-02", "2026-03-10", 0);
    OK(db_exec(b.db, "DELETE FROM reading_frame WHERE ts >= '2026-03-05' AND ts < '2026-03-05 02:30'")); /* 86 of 96 */
    OK(db_exec(b.db, "DELETE FROM reading_frame WHERE ts >= '2026-03-07' AND ts < '2026-03-07 02:15'")); /* 87 of 96 */
    roll_up(b.db, 1);
    ask(&b, UNIT_A, "2026-03-04 00:00:00", "2026-03-10 00:00:00");
    ck_assert_str_eq(day(&b, "2026-03-04 00:00:00"), "96 96=96+0+0 s0 1 1 276");
    ck_assert_str_eq(day(&b, "2026-03-05 00:00:00"), "96 86=86+0+0 s0 1 0.895833 0");
    ck_assert_str_eq(day(&b, "2026-03-07 00:00:00"), "96 87=87+0+0 s0 1 0.90625 2");
    ck_assert_str_eq(day(&b, "2026-03-09 00:00:00"), "96 96=96+0+0 s0 1 1 4");
    close_bench(&b);
}
END_TEST

START_TEST(of_the_running_day_only_what_is_due_is_expected_and_nothing_after_it)
{
    struct bench b = one_item();
    quarters(b.db, "2026-03-02", "2026-03-02 11:45", 0);
    roll_up(b.db, 1);
    clock_set_fake(instant("2026-03-02 12:04:00")); /* the interval from 11:30 was due at 12:05 */
    ask(&b, UNIT_A, "2026-03-02 00:00:00", "2026-03-09 00:00:00");
    ck_assert_uint_eq(b.list.count, 1);
    ck_assert_str_eq(day(&b, "2026-03-02 00:00:00"), "47 47=47+0+0 s0 1 1 1");
    clock_set_fake(instant("2026-03-02 12:50:00"));
    ask(&b, UNIT_A, "2026-03-02 00:00:00", "2026-03-09 00:00:00");
    ck_assert_str_eq(day(&b, "2026-03-02 00:00:00"), "50 47=47+0+0 s0 1 0.94 1");
    close_bench(&b);
}
END_TEST

static const char LATER_ITEM[] =
    "INSERT INTO collect_item (unit_id, slot, data_code, stat_type, name, aggregation, period, scope, input_type,"
    " config_version, active, since) VALUES (1, 1, '" LATER "', 0, '后加', 0, 3600, 1, 4, 2, true, '2026-03-03 12:30'),"
    " (1, 2, '0000000002330011', 0, '停用', 0, 3600, 1, 4, 1, false, '2026-03-01');"
    "INSERT INTO config_document VALUES (1, 1, '2026-03-01', 'a', '', ''), (1, 2, '2026-03-03 12:30', 'b', '', '')";

START_TEST(an_item_is_expected_from_its_configuration_until_it_is_retired)
{
    struct bench b = one_item();
    quarters(b.db, "2026-03-02", "2026-03-05", 0);
    OK(db_exec(b.db, LATER_ITEM));
    roll_up(b.db, 1);
    ask(&b, UNIT_A, "2026-03-02 00:00:00", "2026-03-05 00:00:00");
    ck_assert_str_eq(day(&b, "2026-03-02 00:00:00"), "120 96=96+0+0 s0 1 0.8 0");
    ck_assert_str_eq(day(&b, "2026-03-03 00:00:00"), "107 96=96+0+0 s0 1 0.897196 0");
    ck_assert_str_eq(day(&b, "2026-03-04 00:00:00"), "120 96=96+0+0 s0 1 0.8 0");
    close_bench(&b);
}
END_TEST

START_TEST(history_before_the_configuration_is_expected_from_the_first_reading_on)
{
    struct bench b = one_item();
    OK(db_exec(b.db, "UPDATE collect_item SET since = '2026-04-10'"));
    quarters(b.db, "2026-03-02 06:00", "2026-03-03", 0);
    roll_up(b.db, 1);
    ask(&b, UNIT_A, "2020-01-01 00:00:00", "2026-03-04 00:00:00");
    ck_assert_uint_eq(b.list.count, 2);
    ck_assert_str_eq(day(&b, "2026-03-02 00:00:00"), "96 72=72+0+0 s0 1 0.75 0");
    ck_assert_str_eq(day(&b, "2026-03-03 00:00:00"), "96 0=0+0+0 s0 0 0 0");
    close_bench(&b);
}
END_TEST

START_TEST(history_before_the_configuration_counts_the_same_when_looked_back_at)
{
    struct bench b = one_item();
    OK(db_exec(b.db, "UPDATE collect_item SET since = '2026-03-10'"));
    quarters(b.db, "2026-03-02", "2026-03-15", 0);
    OK(db_exec(b.db, "DELETE FROM reading_frame WHERE ts >= '2026-03-05 12:00' AND ts < '2026-03-06'"));
    roll_up(b.db, 1);
    ask(&b, UNIT_A, "2026-03-12 00:00:00", "2026-03-13 00:00:00");
    ck_assert_str_eq(day(&b, "2026-03-12 00:00:00"), "96 96=96+0+0 s0 1 1 7");
    ask(&b, UNIT_A, "2026-03-01 00:00:00", "2026-03-13 00:00:00");
    ck_assert_str_eq(day(&b, "2026-03-05 00:00:00"), "96 48=48+0+0 s0 1 0.5 0");
    ck_assert_str_eq(day(&b, "2026-03-12 00:00:00"), "96 96=96+0+0 s0 1 1 7");
    close_bench(&b);
}
END_TEST

START_TEST(a_question_without_enterprise_finds_those_of_the_region_in_order)
{
    struct bench b = one_item();
    quarters(b.db, "2026-03-02", "2026-03-03", 0);
    roll_up(b.db, 1);
    ask(&b, NULL, "2026-03-02 00:00:00", "2026-03-04 00:00:00");
    ck_assert_uint_eq(b.list.count, 4);
    ck_assert_str_eq(b.list.at[0].enterprise_code, UNIT_A);
    ck_assert_str_eq(b.list.at[3].enterprise_code, UNIT_B);
    struct quality_question q = {NULL, "4202", instant("2026-03-02 00:00:00"), instant("2026-03-03 00:00:00")};
    b.list = (struct quality_list){0};
    OK(quality_query(b.db, &q, b.arena, &b.list));
    ck_assert_uint_eq(b.list.count, 1);
    ck_assert_str_eq(b.list.at[0].enterprise_code, UNIT_B);
    ask(&b, "91420100000000009X", "2026-03-02 00:00:00", "2026-03-04 00:00:00");
    ck_assert_uint_eq(b.list.count, 0);
    ask(&b, UNIT_A, "2026-03-04 00:00:00", "2026-03-02 00:00:00");
    ck_assert_uint_eq(b.list.count, 0);
    close_bench(&b);
}
END_TEST

/* ---- all figures against a plain count ---- */

/* Items of all kinds: quantity, register, mean by the hour, one a day, a second page, a reported day value. */
static const char MIXED[] =
    "INSERT INTO unit (id, code, name, region_code, state, next_slot) VALUES (1, '" UNIT_A
    "', 'a', '420100', 'trial', 131);"
    "INSERT INTO collect_item (unit_id, slot, data_code, stat_type, name, aggregation, period, scope, input_type,"
    " counter_max, config_version, since) SELECT 1, s, c, t, 'n', a, p, 1, 4, m, 1, '2026-02-01' FROM (VALUES"
    " (0, '" POWER "', 0, 0, 900, NULL::bigint), (1, '0000000001150010', 0, 2, 900, 5000000000),"
    " (2, '0000000010020180', 0, 1, 3600, NULL), (3, '0000000004010030', 0, 0, 86400, NULL),"
    " (4, '" POWER "', 1, 0, 86400, NULL), (130, '0000000010010180', 0, 0, 3600, NULL)) v (s, c, t, a, p, m);"
    "CREATE FUNCTION h(ts timestamptz, slot integer) RETURNS bigint LANGUAGE sql IMMUTABLE AS"
    " $$ SELECT (hashint8extended(extract(epoch FROM ts)::bigint, slot) & 1048575) $$;"
    "CREATE FUNCTION f(ts timestamptz, slot integer) RETURNS smallint LANGUAGE sql IMMUTABLE AS"
    " $$ SELECT (CASE WHEN h(ts, slot + 500) % 3 = 0 THEN h(ts, slot + 700) & 63 ELSE 0 END)::smallint $$;"
    "INSERT INTO reading_frame (unit_id, page, ts, value, flag) SELECT 1, 0, ts, ARRAY["
    " CASE WHEN h(ts, 0) % 9 <> 0 THEN h(ts, 0) END, CASE WHEN h(ts, 1) % 7 <> 0 THEN h(ts, 1) END,"
    " CASE WHEN extract(minute FROM ts) = 0 AND h(ts, 2) % 5 <> 0 THEN h(ts, 2) END,"
    " CASE WHEN ts = date_trunc('day', ts) AND h(ts, 3) % 3 <> 0 THEN h(ts, 3) END],"
    " ARRAY[f(ts, 0), f(ts, 1), f(ts, 2), f(ts, 3)]"
    " FROM generate_series(timestamptz '2026-02-20', '2026-03-20', '15 minutes') ts;"
    "INSERT INTO reading_frame (unit_id, page, ts, value, flag) SELECT 1, 1, ts, ARRAY[NULL, NULL, h(ts, 9)],"
    " ARRAY[NULL, NULL, f(ts, 9)] FROM generate_series(timestamptz '2026-02-25', '2026-03-20', '1 hour') ts;"
    "INSERT INTO reported_frame (unit_id, page, stat_type, ts, value, flag) SELECT 1, 0, 1, ts,"
    " ARRAY[NULL, NULL, NULL, NULL, h(ts, 4)], ARRAY[NULL, NULL, NULL, NULL, f(ts, 4)]"
    " FROM generate_series(timestamptz '2026-02-20', '2026-03-10', '1 day') ts";

#define COUNTS                                                                                                         \
    "count(*), count(*) FILTER (WHERE f & 1 = 0), count(*) FILTER (WHERE f & 32 <> 0), count(*) FILTER (WHERE f & 30 " \
    "<> 0)"
/* One row of the model per day: readings, of them valid, late, doubted. */
#define MODEL                                                                                                          \
    "SELECT date_trunc('day', ts), " COUNTS                                                                            \
    " FROM (SELECT ts, v, coalesce(f, 0) AS f FROM (SELECT * FROM reading_frame UNION ALL"                             \
    " SELECT unit_id, page, ts, value, flag FROM reported_frame WHERE stat_type = 1) r,"                               \
    " unnest(value, flag) AS x (v, f)) y WHERE v IS NOT NULL AND ts < '2026-03-20' GROUP BY 1 ORDER BY 1"

START_TEST(the_figures_of_every_day_equal_a_count_over_its_readings)
{
    struct bench b = open_bench();
    OK(db_exec(b.db, MIXED));
    clock_set_fake(instant("2026-04-20 12:00:00"));
    roll_up(b.db, 1);
    ask(&b, UNIT_A, "2026-02-20 00:00:00", "2026-03-20 00:00:00");
    struct db_rows *model = ROWS(b.db, NULL, MODEL);
    ck_assert_uint_eq(b.list.count, 28);
    ck_assert_uint_eq(db_rows_count(model), 28);
    for (size_t i = 0; i < 28; i++) {
        const struct quality_counts *c = &b.list.at[i].counts;
        ck_assert_int_eq(b.list.at[i].day, db_get_time(model, i, 0));
        ck_assert_int_eq(c->expected, 96 + 96 + 24 + 1 + 1 + 24);
        ck_assert_int_eq(quality_received(c), db_get_int(model, i, 1));
        ck_assert_int_eq(c->valid, db_get_int(model, i, 2));
        ck_assert_int_eq(c->covered, c->valid);
        ck_assert_int_eq(c->late, db_get_int(model, i, 3));
        ck_assert_int_eq(c->suspect, db_get_int(model, i, 4));
    }
    db_rows_free(&model);
    close_bench(&b);
}
END_TEST

struct visits {
    size_t items;
    struct quality_counts sum;
};

static void visit(void *arg, const struct quality_item *item, int64_t at, const struct quality_counts *c)
{
    struct visits *v = arg;
    ck_assert(item != NULL && at >= instant("2026-03-01 00:00:00"));
    ck_assert_int_le(c->covered, c->expected);
    v->items++;
    quality_add(&v->sum, c);
}

START_TEST(the_items_of_a_day_add_up_to_the_day)
{
    struct bench b = open_bench();
    OK(db_exec(b.db, MIXED));
    clock_set_fake(instant("2026-04-20 12:00:00"));
    roll_up(b.db, 1);
    struct visits v = {0};
    struct quality_unit unit = {1, UNIT_A, 900};
    OK(quality_of_unit(b.db, &unit, instant("2026-03-01 00:00:00"), instant("2026-03-02 00:00:00"), b.arena, visit, &v,
                       &b.list));
    ck_assert_uint_eq(v.items, 6);
    ck_assert_uint_eq(b.list.count, 1);
    ck_assert_mem_eq(&v.sum, &b.list.at[0].counts, sizeof v.sum);
    close_bench(&b);
}
END_TEST

/* ---- the facts of the conformity test ---- */

static struct conformity facts(struct bench *b, const char *from, const char *to)
{
    struct conformity c;
    OK(conformity_read(b->db, UNIT_A, instant(from), instant(to), b->arena, &c));
    return c;
}

/* Electricity purchased (as in one_item) and consumed, the same in a process, all energy, coal by the month by hand. */
static const char ENERGY_ITEMS[] =
    "UPDATE collect_item SET unit = 'kWh';"
    "INSERT INTO collect_item (unit_id, slot, data_code, stat_type, name, unit, aggregation, period, scope, input_type,"
    " config_version, since) SELECT 1, s, c, t, 'n', w, 0, p, o, i, 1, '2026-03-01' FROM (VALUES"
    " (1, '0000000002330060', 0, 'kWh', 900, 1, 4), (2, '0100000002330060', 0, 'kWh', 900, 2, 4),"
    " (3, '0000000002000060', 0, '吨标准煤', 900, 1, 4), (4, '0000000001010010', 2, '吨', 86400, 1, 5),"
    " (5, '0000000001010010', 1, '吨', 86400, 1, 5), (6, '0000000001150010', 1, '万立方米', 86400, 1, 1))"
    " v (s, c, t, w, p, o, i);"
    "INSERT INTO reading_frame (unit_id, page, ts, value) SELECT 1, 0, ts,"
    " '{7000000000, 10000000000, 10000000000, 10000000000}' FROM generate_series(timestamptz '2026-03-02', '2026-03-11"
    " 23:00', '1 day') ts;"
    "INSERT INTO reported_frame (unit_id, page, stat_type, ts, value) VALUES"
    " (1, 0, 2, '2026-03-01', '{NULL, NULL, NULL, NULL, 31000000}'),"
    " (1, 0, 1, '2026-03-05', '{NULL, NULL, NULL, NULL, NULL, NULL, 100000}')";

START_TEST(energy_is_taken_once_by_consumption_and_what_is_typed_in_is_not_metered)
{
    struct bench b = one_item();
    OK(db_exec(b.db, ENERGY_ITEMS));
    roll_up(b.db, 1);
    struct conformity c = facts(&b, "2026-03-02 00:00:00", "2026-03-12 00:00:00");
    ck_assert_uint_eq(c.energy_count, 3);
    ck_assert_str_eq(c.energies[0].data_code, "0000000001010010");
    ck_assert(c.energies[0].tce == 7143000 && !c.energies[0].metered); /* ten of 31 days: 10 t of raw coal */
    ck_assert_str_eq(c.energies[1].energy, "天然气（气态）");
    ck_assert(c.energies[1].tce == 1215000 && c.energies[1].metered); /* 1,000 m3, reported by a system */
    ck_assert_str_eq(c.energies[2].data_code, "0000000002330060");
    ck_assert(c.energies[2].tce == 12290000 && c.energies[2].metered); /* ten times 10,000 kWh */
    ck_assert(c.tce == 20648000 && c.metered_tce == 13505000);
    close_bench(&b);
}
END_TEST

/* One line an energy and input type: code's usage or class, type, metered, tce, of it by the readings' own type. */
static const char *energies(struct bench *b, const struct conformity *c)
{
    const char *all = "";
    for (size_t i = 0; i < c->energy_count; i++) {
        const struct conformity_energy *e = &c->energies[i];
        char tce[DECIMAL_TEXT], own[DECIMAL_TEXT];
        all = arena_printf(b->arena, "%s%s %d %s %s %s;", all, e->data_code + 8, e->input_type,
                           e->metered ? "metered" : "typed", decimal_format(e->tce, tce),
                           decimal_format(e->own_tce, own));
    }
    return all;
}

/* 5 is by hand, 7 other; 4 a meter. */
START_TEST(a_reading_s_own_input_type_decides_before_the_configured_one)
{
    struct bench b = one_item();
    OK(db_exec(b.db, ENERGY_ITEMS));
    OK(db_exec(b.db,
               "UPDATE reading_frame SET flag = '{0, 1280, 0, 0}' WHERE ts IN ('2026-03-02', '2026-03-03', "
               "'2026-03-04');"
               "UPDATE reading_frame SET flag = '{0, 1825, 0, 0}' WHERE ts = '2026-03-05';" /* and suspect, late, bad */
               "UPDATE reading_frame SET flag = '{0, 1024, 0, 0}' WHERE ts = '2026-03-06';" /* configured since */
               "UPDATE reported_frame SET flag = '{0, 0, 0, 0, 1024}' WHERE stat_type = 2;"
               "UPDATE reported_frame SET flag = '{0, 0, 0, 0, 0, 0, 1792}' WHERE stat_type = 1"));
    roll_up(b.db, 1);
    struct conformity c = facts(&b, "2026-03-02 00:00:00", "2026-03-12 00:00:00");
    ck_assert_str_eq(energies(&b, &c), "01010010 4 metered 7.143 7.143;01150010 7 typed 1.215 1.215;"
                                       "02330060 4 metered 7.374 1.229;02330060 5 typed 3.687 3.687;");
    ck_assert(c.tce == 19419000 && c.metered_tce == 14517000 && c.own_tce == 13274000);
    close_bench(&b);
}
END_TEST

/* 1 kWh is 0.0001229 tce: parts of a day that no six decimals hold. */
START_TEST(the_parts_of_a_day_add_up_to_it)
{
    struct bench b = one_item();
    OK(db_exec(b.db,
               "UPDATE collect_item SET unit = 'kWh';"
               "INSERT INTO reading_frame (unit_id, page, ts, value, flag) SELECT 1, 0, '2026-03-02'::timestamptz + "
               "h * interval '1 hour', '{4600}', ARRAY[CASE h % 3 WHEN 0 THEN 0 WHEN 1 THEN 1280 ELSE 1792 "
               "END]::smallint[] FROM generate_series(0, 23) h"));
    roll_up(b.db, 1);
    struct conformity c = facts(&b, "2026-03-02 00:00:00", "2026-03-03 00:00:00");
    ck_assert_str_eq(energies(&b, &c), "02330010 4 metered 0.000005 0;02330010 5 typed 0.000005 0.000005;"
                                       "02330010 7 typed 0.000004 0.000004;");
    ck_assert(c.tce == 14 && c.metered_tce == 5);
    close_bench(&b);
}
END_TEST

START_TEST(a_register_s_difference_is_metered_as_the_reading_it_is_credited_to)
{
    struct bench b = one_item();
    OK(db_exec(b.db, "UPDATE collect_item SET unit = 'kWh', aggregation = 2, period = 3600 WHERE unit_id = 1;"
                     "INSERT INTO reading_frame (unit_id, page, ts, value, flag) VALUES"
                     " (1, 0, '2026-02-27 23:00', '{100000000000}', '{1280}'), (1, 0, '2026-03-02 01:00', "
                     "'{110000000000}', NULL),"
                     " (1, 0, '2026-03-02 02:00', '{150000000000}', '{1280}'), (1, 0, '2026-03-03 02:00', "
                     "'{160000000000}', '{0}'),"
                     " (1, 0, '2026-03-03 03:00', '{180000000000}', '{1280}')"));
    roll_up(b.db, 1);
    struct conformity c = facts(&b, "2026-03-02 00:00:00", "2026-03-04 00:00:00");
    ck_assert_str_eq(energies(&b, &c), "02330010 4 metered 2.458 0;02330010 5 typed 7.374 7.374;");
    OK(db_exec(b.db, "INSERT INTO setting (key, value) VALUES ('raw_from', '2026-03-03 00:00:00+08');"
                     "INSERT INTO register_base VALUES (1, 0, '2026-03-02 02:00', 150000000000);"
                     "DELETE FROM reading_frame WHERE ts < '2026-03-03'"));
    c = facts(&b, "2026-03-02 00:00:00", "2026-03-04 00:00:00");
    ck_assert_str_eq(energies(&b, &c), "02330010 4 metered 7.374 0;02330010 5 typed 2.458 2.458;");
    conformity_judge(&c);
    ck_assert_ptr_nonnull(strstr(c.results[RULE_METERED].reason_en, "configured before 2026-03-03"));
    close_bench(&b);
}
END_TEST

START_TEST(an_outage_lies_between_hours_that_came_in_time)
{
    struct bench b = one_item();
    quarters(b.db, "2026-03-02", "2026-03-03", 32); /* history, sent afterwards */
    quarters(b.db, "2026-03-03", "2026-03-03 10:30", 0);
    quarters(b.db, "2026-03-03 10:30", "2026-03-03 14:30", 32);
    quarters(b.db, "2026-03-03 14:30", "2026-03-03 20:00", 0);
    quarters(b.db, "2026-03-03 21:00", "2026-03-03 21:30", 32); /* half made up */
    quarters(b.db, "2026-03-03 22:00", "2026-03-04", 0);
    quarters(b.db, "2026-03-04", "2026-03-05", 32); /* nothing in time follows */
    roll_up(b.db, 1);
    struct conformity c = facts(&b, "2026-03-02 00:00:00", "2026-03-05 00:00:00");
    ck_assert_uint_eq(c.outage_count, 2);
    ck_assert_int_eq(c.outages[0].from, instant("2026-03-03 11:00:00"));
    ck_assert_int_eq(c.outages[0].to, instant("2026-03-03 14:00:00"));
    ck_assert(c.outages[0].arrived == 12 && c.outages[0].expected == 12);
    ck_assert_int_eq(c.outages[1].from, instant("2026-03-03 20:00:00"));
    ck_assert(c.outages[1].arrived == 2 && c.outages[1].expected == 8);
    close_bench(&b);
}
END_TEST

START_TEST(the_last_hour_of_an_outage_does_not_prove_the_rest)
{
    struct bench b = one_item();
    quarters(b.db, "2026-03-02", "2026-03-03 08:00", 0);
    quarters(b.db, "2026-03-03 17:00", "2026-03-03 18:00", 32);
    quarters(b.db, "2026-03-03 18:00", "2026-03-04 03:00", 0);
    quarters(b.db, "2026-03-04 06:00", "2026-03-05", 0); /* lost for good: nothing was made up */
    roll_up(b.db, 1);
    struct conformity c = facts(&b, "2026-03-02 00:00:00", "2026-03-05 00:00:00");
    ck_assert_uint_eq(c.outage_count, 1);
    ck_assert_int_eq(c.outages[0].from, instant("2026-03-03 08:00:00"));
    ck_assert_int_eq(c.outages[0].to, instant("2026-03-03 18:00:00"));
    ck_assert(c.outages[0].arrived == 4 && c.outages[0].expected == 40);
    close_bench(&b);
}
END_TEST

START_TEST(an_enterprise_without_hourly_items_proves_make_up_by_days)
{
    struct bench b = one_item();
    OK(db_exec(b.db, "UPDATE collect_item SET period = 86400;"
                     "INSERT INTO reading_frame (unit_id, page, ts, value, flag) SELECT 1, 0, ts, '{1000000}',"
                     " ARRAY[CASE WHEN ts BETWEEN '2026-03-03' AND '2026-03-04' THEN 32 ELSE 0 END]::smallint[]"
                     " FROM generate_series(timestamptz '2026-03-02', '2026-03-06', '1 day') ts"));
    roll_up(b.db, 1);
    struct conformity c = facts(&b, "2026-03-02 00:00:00", "2026-03-07 00:00:00");
    ck_assert_uint_eq(c.outage_count, 1);
    ck_assert_int_eq(c.outages[0].from, instant("2026-03-03 00:00:00"));
    ck_assert_int_eq(c.outages[0].to, instant("2026-03-05 00:00:00"));
    ck_assert(c.outages[0].arrived == 2 && c.outages[0].expected == 2);
    close_bench(&b);
}
END_TEST

START_TEST(a_certificate_counts_while_it_is_bound_unrevoked_and_unexpired)
{
    struct bench b = one_item();
    OK(db_exec(b.db, "INSERT INTO certificate (fingerprint, identity, serial, issuer, not_after, revoked_at) VALUES"
                     " ('a', '" UNIT_A "', '1', 'ca', '2027-01-01', NULL), ('b', '" UNIT_A
                     "', '2', 'ca', '2026-04-01', NULL),"
                     " ('c', '" UNIT_A "', '3', 'ca', '2028-01-01', '2026-01-01'), ('d', '" UNIT_B "', '4', 'ca',"
                     " '2029-01-01', NULL)"));
    struct conformity c = facts(&b, "2026-03-02 00:00:00", "2026-03-05 00:00:00");
    ck_assert_int_eq(c.certificate_count, 1);
    ck_assert_int_eq(c.certificate_until, instant("2027-01-01 00:00:00"));
    OK(db_exec(b.db, "UPDATE unit SET cert_fingerprint = 'b' WHERE id = 1"));
    c = facts(&b, "2026-03-02 00:00:00", "2026-03-05 00:00:00");
    ck_assert_int_eq(c.certificate_count, 0);
    close_bench(&b);
}
END_TEST

/* A registration says nothing about the clock. */
START_TEST(a_clock_is_as_old_as_the_heartbeat_that_told_it)
{
    struct bench b = one_item();
    struct device_registration d = {.unit_id = 1, .enterprise_code = UNIT_A, .serial = "edge"};
    struct device_registered known;
    clock_set_fake(instant("2026-03-02 08:00:00"));
    OK(device_register(b.db, &d, &known));
    struct device_sign sign = {1, known.device_id, NULL, 1500, -1};
    OK(device_seen(b.db, &sign));
    clock_set_fake(instant("2026-04-20 12:00:00"));
    OK(device_register(b.db, &d, &known));
    struct conformity c = facts(&b, "2026-04-01 00:00:00", "2026-04-20 00:00:00");
    conformity_judge(&c);
    ck_assert(!c.results[RULE_CLOCK].passed);
    ck_assert_ptr_nonnull(strstr(c.results[RULE_CLOCK].reason_en, "heartbeat was at 2026-03-02 08:00"));
    OK(device_seen(b.db, &sign));
    c = facts(&b, "2026-04-01 00:00:00", "2026-04-20 00:00:00");
    conformity_judge(&c);
    ck_assert(c.results[RULE_CLOCK].passed);
    close_bench(&b);
}
END_TEST

START_TEST(the_running_day_is_no_part_of_the_conformity_test)
{
    struct bench b = one_item();
    quarters(b.db, "2026-03-02", "2026-03-05", 0);
    roll_up(b.db, 1);
    clock_set_fake(instant("2026-03-04 23:59:59"));
    struct conformity c = facts(&b, "2026-03-02 00:00:00", "2026-04-01 00:00:00");
    ck_assert_uint_eq(c.days.count, 2);
    ck_assert_uint_eq(c.window_days, 2);
    ck_assert_uint_eq(c.item_count, 1);
    ck_assert_int_eq(c.items[0].counts.valid, 192);
    ck_assert_int_eq(conformity_read(b.db, "nobody", 0, 1, b.arena, &c).kind, ERR_NOT_FOUND);
    close_bench(&b);
}
END_TEST

static void before(void)
{
    log_set_level(LOG_ERROR);
    OK(caltime_set_zone("Asia/Shanghai"));
    struct db *db = open_db_with("", 0, false);
    OK(db_exec(db, "DROP SCHEMA public CASCADE; CREATE SCHEMA public"));
    OK(db_migrate(db, NULL, NULL));
    OK(db_exec(db, "SELECT partition_ensure('reading', m) FROM generate_series(timestamptz '2026-02-01', '2026-03-01',"
                   " '1 month') m"));
    db_close(&db);
}

DBTEST_MAIN("quality", before, a_day_with_every_reading_in_time_is_complete,
            a_day_begins_with_its_midnight_and_ends_before_the_next,
            late_readings_fill_their_slots_and_are_counted_apart, invalid_readings_are_received_and_fill_nothing,
            suspect_readings_count_and_are_named,
            a_refused_record_belongs_to_the_day_it_was_meant_for_or_else_of_its_arrival,
            refused_records_of_days_before_the_configuration_are_told,
            a_refused_record_of_an_impossible_day_belongs_to_the_day_of_its_arrival,
            a_refused_record_counts_with_its_item_in_whichever_form_its_code_was_sent,
            refused_records_beyond_those_named_are_counted_from_the_receipt,
            refused_records_whose_findings_have_expired_are_counted_from_the_receipt,
            good_days_are_counted_back_beyond_the_question_and_a_bad_one_begins_anew,
            of_the_running_day_only_what_is_due_is_expected_and_nothing_after_it,
            an_item_is_expected_from_its_configuration_until_it_is_retired,
            history_before_the_configuration_is_expected_from_the_first_reading_on,
            history_before_the_configuration_counts_the_same_when_looked_back_at,
            a_question_without_enterprise_finds_those_of_the_region_in_order,
            the_figures_of_every_day_equal_a_count_over_its_readings, the_items_of_a_day_add_up_to_the_day,
            energy_is_taken_once_by_consumption_and_what_is_typed_in_is_not_metered,
            a_reading_s_own_input_type_decides_before_the_configured_one, the_parts_of_a_day_add_up_to_it,
            a_register_s_difference_is_metered_as_the_reading_it_is_credited_to,
            an_outage_lies_between_hours_that_came_in_time, the_last_hour_of_an_outage_does_not_prove_the_rest,
            an_enterprise_without_hourly_items_proves_make_up_by_days,
            a_certificate_counts_while_it_is_bound_unrevoked_and_unexpired,
            a_clock_is_as_old_as_the_heartbeat_that_told_it, the_running_day_is_no_part_of_the_conformity_test)
