/* Admission, commands and base data in a real PostgreSQL. */
#include "dbtest.h"

#include <string.h>

#include "base/arena.h"
#include "base/caltime.h"
#include "base/clock.h"
#include "base/mem.h"
#include "db/migrate.h"
#include "registry/admission.h"
#include "registry/command_store.h"

#define STEEL "91420100000000000U"
#define DEVICE "0123456789abcdef0123456789abcdef"
#define OTHER "fedcba9876543210fedcba9876543210"
#define SECOND INT64_C(1000000)
#define DAY (86400 * SECOND)

static struct db *db;
static int64_t now;

static void put(const char *state)
{
    char *sql = mem_printf(
        "INSERT INTO unit (id, code, name, region_code, state, config_version, next_slot) VALUES (1, '" STEEL
        "', '钢厂', '420100', '%s', 1, 3);"
        "INSERT INTO device (unit_id, serial, device_id) VALUES (1, 'A', '" DEVICE "'), (1, 'B', '" OTHER "');"
        "INSERT INTO collect_item (unit_id, slot, data_code, stat_type, name, aggregation, period, scope, input_type,"
        " config_version) SELECT 1, s, lpad(s::text, 16, '0'), 0, 'i', 0, CASE s WHEN 2 THEN 86400 ELSE 900 END, 1, 4, "
        "1"
        " FROM generate_series(0, 2) s",
        state);
    OK(db_exec(db, sql));
    mem_free(sql);
}

static void begin(void)
{
    db = open_db();
    OK(caltime_set_zone("Asia/Shanghai"));
    OK(db_exec(db, "SET timezone = 'Asia/Shanghai'"));
    now = period_start(GRAN_DAY, INT64_C(1790000000) * SECOND) + 12 * 3600 * SECOND;
}

static void end(void)
{
    db_close(&db);
}

static void expect_text(struct db_rows *rows, const char *text)
{
    ck_assert_uint_eq(db_rows_count(rows), 1);
    ck_assert_str_eq(db_get_text(rows, 0, 0), text);
    db_rows_free(&rows);
}

/* ---------------------------------------------------------------- admission */
static struct result step(const char *verb, const char *reason)
{
    struct admission_step s = {.code = STEEL, .verb = verb, .reason = reason, .now = now, .trial_from = now - 15 * DAY};
    OK(db_begin(db));
    struct result r = admission_step(db, &s);
    if (result_ok(r)) {
        OK(db_commit(db));
    } else {
        db_rollback(db);
    }
    return r;
}

START_TEST(a_trial_lasts_fifteen_days_and_the_state_before_a_suspension_comes_back)
{
    begin();
    put("testing");
    ck_assert(!result_ok(step("trial", NULL))); /* it would begin before the tests did */
    expect_text(ROWS(db, NULL, "SELECT state FROM unit"), "testing");
    OK(step("trial", "their days count"));
    ck_assert_int_eq(NUMBER(db, "SELECT (extract(epoch FROM trial_until) * 1000000)::bigint FROM unit"), now);
    OK(step("suspend", NULL));
    expect_text(ROWS(db, NULL, "SELECT state || ' ' || state_before FROM unit"), "suspended trial");
    ck_assert(!result_ok(step("accept", NULL)));
    OK(step("resume", NULL));
    OK(step("accept", NULL));
    expect_text(ROWS(db, NULL, "SELECT state || state_before FROM unit"), "accepted");
    end();
}
END_TEST

START_TEST(only_the_first_registration_of_a_certified_enterprise_begins_the_tests)
{
    bool moved;
    begin();
    put("certified");
    OK(admission_registered(db, STEEL, now, &moved));
    ck_assert(moved);
    OK(admission_registered(db, STEEL, now, &moved));
    ck_assert(!moved);
    expect_text(ROWS(db, NULL, "SELECT state FROM unit"), "testing");
    end();
}
END_TEST

static bool bind_device(const char *device, const char *fingerprint, int64_t until)
{
    bool renewed;
    struct admission_certificate c = {STEEL, fingerprint, "01", "CN=ca", device, now + DAY, until};
    OK(admission_bind(db, &c, &renewed));
    return renewed;
}

static bool bind(const char *fingerprint, int64_t until)
{
    return bind_device(NULL, fingerprint, until);
}

#define BOUND "SELECT cert_fingerprint || ' ' || cert_former FROM unit"

START_TEST(a_renewal_keeps_the_former_certificate_and_repeating_it_does_not_lose_it)
{
    begin();
    put("accepted");
    ck_assert(!bind("aa", now));
    ck_assert(bind("bb", now + DAY));
    expect_text(ROWS(db, NULL, BOUND), "bb aa");
    ck_assert(!bind("bb", now));
    expect_text(ROWS(db, NULL, BOUND), "bb aa");
    ck_assert(bind("cc", now));
    expect_text(ROWS(db, NULL, BOUND), "cc bb");
    ck_assert_int_eq(NUMBER(db, "SELECT count(*) FROM certificate"), 3);
    end();
}
END_TEST

#define BOUND_DEVICES                                                                                                  \
    "SELECT coalesce(string_agg(concat_ws(' ', serial, fingerprint, nullif(former, ''), former_until > "               \
    "to_timestamp(0)), "                                                                                               \
    "', ' ORDER BY serial), '') FROM device_binding"

START_TEST(each_device_has_a_certificate_of_its_own_and_a_renewal_of_one_leaves_the_others)
{
    begin();
    put("accepted");
    ck_assert(!bind("ee", now));
    ck_assert(!bind_device("7", "aa", now + DAY));
    ck_assert(!bind_device("8", "bb", now + DAY));
    expect_text(ROWS(db, NULL, BOUND_DEVICES), "7 aa, 8 bb");
    ck_assert(bind_device("7", "cc", now + DAY));
    ck_assert(bind_device("7", "cc", now)); /* again: the former one keeps its grace */
    expect_text(ROWS(db, NULL, BOUND_DEVICES), "7 cc aa t, 8 bb");
    expect_text(ROWS(db, NULL, BOUND), "ee ");
    ck_assert(bind("ff", now + DAY)); /* the enterprise's own knows nothing of the devices' */
    expect_text(ROWS(db, NULL, BOUND), "ff ee");
    expect_text(ROWS(db, NULL, "SELECT string_agg(fingerprint || device, ' ' ORDER BY fingerprint) FROM certificate"),
                "aa7 bb8 cc7 ee ff");
    end();
}
END_TEST

START_TEST(what_was_issued_for_a_device_before_its_binding_is_its_former_certificate_and_nobody_elses)
{
    begin();
    put("accepted");
    for (size_t i = 0; i < 3; i++) {
        static const char *const SERIAL[] = {"7", "8", NULL}, *const FINGERPRINT[] = {"a7", "a8", "a0"};
        struct admission_certificate c = {STEEL, FINGERPRINT[i], "01", "CN=ca", SERIAL[i], clock_now() + DAY, 0};
        OK(admission_note_certificate(db, &c));
    }
    ck_assert(bind_device("7", "b7", now + DAY));
    ck_assert(!bind_device("9", "b9", now + DAY));
    expect_text(ROWS(db, NULL, BOUND_DEVICES), "7 b7 a7 t, 9 b9");
    ck_assert(bind("b0", now + DAY));
    expect_text(ROWS(db, NULL, BOUND), "b0 a0");
    end();
}
END_TEST

/* ---------------------------------------------------------------- commands */
static void add(const char *device, char id[33])
{
    struct command_order o = {.unit_id = 1, .device_id = device, .created_by = "test", .now = now};
    struct command_row row = {.kind = "REREGISTER", .from = INT64_MIN, .to = INT64_MIN, .value = ""};
    OK(command_add(db, &o, &row, id));
}

static size_t take(const char *device, int64_t at)
{
    struct arena *a = arena_new(0);
    struct command_row *rows;
    size_t count;
    OK(command_take(db, 1, device, at, a, &rows, &count));
    arena_free(&a);
    return count;
}

static enum command_outcome tell(const char *device, const char *id, bool done)
{
    enum command_outcome outcome;
    OK(command_report(db, 1, device, id, done, "", now, &outcome));
    return outcome;
}

START_TEST(a_command_for_nobody_in_particular_goes_to_the_first_who_asks)
{
    char id[33];
    begin();
    put("accepted");
    add(NULL, id);
    ck_assert_uint_eq(take(OTHER, now), 1);
    ck_assert_uint_eq(take(DEVICE, now + 10 * COMMAND_RESEND_S * SECOND), 0);
    ck_assert_uint_eq(take(OTHER, now + COMMAND_RESEND_S * SECOND - 1), 0);
    ck_assert_uint_eq(take(OTHER, now + COMMAND_RESEND_S * SECOND), 1);
    ck_assert_int_eq(tell(DEVICE, id, true), COMMAND_UNKNOWN);
    ck_assert_int_eq(tell(OTHER, id, true), COMMAND_SETTLED);
    ck_assert_int_eq(tell(OTHER, id, true), COMMAND_REPEATED);
    ck_assert_int_eq(tell(OTHER, id, false), COMMAND_OTHERWISE);
    ck_assert_uint_eq(take(OTHER, now + DAY), 0);
    end();
}
END_TEST

START_TEST(what_a_silent_device_took_goes_to_another_after_a_day_unless_it_was_meant_for_it)
{
    char open[33], meant[33];
    begin();
    put("accepted");
    add(NULL, open);
    add(DEVICE, meant);
    ck_assert_uint_eq(take(DEVICE, now), 2);
    ck_assert_uint_eq(take(OTHER, now + DAY - 1), 0);
    ck_assert_uint_eq(take(OTHER, now + DAY), 1);
    ck_assert_int_eq(tell(DEVICE, open, true), COMMAND_UNKNOWN);
    ck_assert_int_eq(tell(OTHER, open, true), COMMAND_SETTLED);
    ck_assert_int_eq(tell(DEVICE, meant, true), COMMAND_SETTLED);
    end();
}
END_TEST

START_TEST(a_heartbeat_carries_a_bounded_number_of_commands_oldest_first)
{
    char id[33];
    begin();
    put("accepted");
    for (int i = 0; i < COMMAND_BATCH + 3; i++, now++) {
        add(DEVICE, id);
    }
    ck_assert_uint_eq(take(DEVICE, now), COMMAND_BATCH);
    ck_assert_int_eq(NUMBER(db, "SELECT count(*) FROM command WHERE state = 'queued' AND created_at <= "
                                "(SELECT max(created_at) FROM command WHERE state = 'sent')"),
                     0);
    ck_assert_uint_eq(take(DEVICE, now), 3);
    end();
}
END_TEST

START_TEST(what_is_cancelled_is_not_given_and_what_is_finished_is_not_cancelled)
{
    char id[33], code[19];
    bool cancelled;
    begin();
    put("accepted");
    add(DEVICE, id);
    OK(command_cancel(db, id, "why", now, &cancelled, code));
    ck_assert(cancelled);
    ck_assert_str_eq(code, STEEL);
    ck_assert_uint_eq(take(DEVICE, now), 0);
    OK(command_cancel(db, id, "why", now, &cancelled, code));
    ck_assert(!cancelled);
    end();
}
END_TEST

/* ---------------------------------------------------------------- gaps */
/* Days 5 to 1 before today in full, but for slot 1, which begins on day 3 before at 06:00. */
static void put_rollups(void)
{
    struct db_params p;
    db_params_init(&p);
    db_bind_time(&p, period_start(GRAN_DAY, now));
    struct db_rows *rows =
        ROWS(db, &p, "SELECT partition_ensure('reading', $1) + partition_ensure('reading', $1 - interval '5 days')");
    db_rows_free(&rows);
    rows = ROWS(db, &p,
                "INSERT INTO rollup_hour (unit_id, page, ts, total, vmin, vmax, n) SELECT 1, 0, h, '{}', '{}', '{}',"
                " ARRAY[4, CASE WHEN h >= $1 - interval '66 hours' THEN 4 ELSE 0 END, CASE WHEN h = date_trunc('day', "
                "h) THEN 1 ELSE 0 END]"
                " FROM generate_series($1 - interval '5 days', $1 - interval '1 hour', interval '1 hour') h");
    db_rows_free(&rows);
    db_params_free(&p);
}

static void sum_days(void)
{
    OK(db_exec(db, "DELETE FROM rollup_day;"
                   "INSERT INTO rollup_day (unit_id, page, ts, total, vmin, vmax, n) SELECT 1, 0, date_trunc('day', "
                   "ts), '{}', '{}', '{}',"
                   " ARRAY[sum(n[1]), sum(n[2]), sum(n[3])]::integer[] FROM rollup_hour GROUP BY 3"));
}

static int64_t ask(int64_t at, int per_unit)
{
    struct command_gap_limits limits = {at, 7, per_unit, 100};
    int64_t made;
    OK(command_reupload_gaps(db, &limits, &made));
    return made;
}

/* "hours before today's midnight: from-to codes" of what was asked, oldest gap first. */
static void expect_asked(const char *text)
{
    struct db_params p;
    db_params_init(&p);
    db_bind_time(&p, period_start(GRAN_DAY, now));
    expect_text(ROWS(db, &p,
                     "SELECT coalesce(string_agg((extract(epoch FROM $1 - from_ts) / 3600)::int || '-' ||"
                     " (extract(epoch FROM $1 - to_ts) / 3600)::int || ' ' || array_to_string(data_codes, '+'), ', '"
                     " ORDER BY from_ts), '') FROM command"),
                text);
    db_params_free(&p);
}

START_TEST(nothing_is_asked_for_where_nothing_is_missing)
{
    begin();
    put("accepted");
    put_rollups();
    sum_days();
    ck_assert_int_eq(ask(now, 4), 0);
    end();
}
END_TEST

START_TEST(a_gap_is_asked_for_once_until_a_day_after_its_end)
{
    char id[33] = "";
    begin();
    put("accepted");
    put_rollups();
    OK(db_exec(db, "UPDATE rollup_hour SET n[1] = 3 WHERE ts >= (SELECT min(ts) FROM rollup_hour) + interval '30 hours'"
                   " AND ts < (SELECT min(ts) FROM rollup_hour) + interval '33 hours'"));
    sum_days();
    ck_assert_int_eq(ask(now, 4), 1);
    expect_asked("90-87 0000000000000000");
    ck_assert_int_eq(ask(now, 4), 0);
    struct db_rows *rows = ROWS(db, NULL, "SELECT command_id FROM command");
    memcpy(id, db_get_text(rows, 0, 0), 32);
    db_rows_free(&rows);
    ck_assert_int_eq(tell(DEVICE, id, false), COMMAND_SETTLED);
    ck_assert_int_eq(ask(now + 3600 * SECOND, 4), 0);
    ck_assert_int_eq(ask(now + DAY, 4), 2); /* this one again, and the day that ended meanwhile without a reading */
    ck_assert_int_eq(NUMBER(db, "SELECT count(*) FROM command WHERE from_ts = (SELECT min(from_ts) FROM command)"), 2);
    end();
}
END_TEST

START_TEST(a_whole_outage_asks_for_everything_and_readings_sent_as_invalid_are_no_gap)
{
    begin();
    put("accepted");
    put_rollups();
    OK(db_exec(db, "DELETE FROM rollup_hour WHERE ts >= (SELECT max(ts) FROM rollup_hour) - interval '30 hours'"
                   " AND ts < (SELECT max(ts) FROM rollup_hour) - interval '20 hours';"
                   "UPDATE rollup_hour SET n[1] = 0, bad = ARRAY[4] WHERE ts = (SELECT max(ts) FROM rollup_hour)"));
    sum_days();
    OK(db_exec(db, "UPDATE rollup_day d SET bad = ARRAY[4] WHERE ts = (SELECT max(ts) FROM rollup_day)"));
    ck_assert_int_eq(ask(now, 4), 1);
    expect_asked("31-0 "); /* the item of a day's period lost its day, so the range reaches to the day's end */
    end();
}
END_TEST

START_TEST(requests_of_an_enterprise_are_bounded_newest_gaps_first)
{
    begin();
    put("accepted");
    put_rollups();
    OK(db_exec(db, "UPDATE rollup_hour SET n[1] = 0 WHERE extract(hour FROM ts) IN (3, 9)"));
    sum_days();
    ck_assert_int_eq(ask(now, 4), 4);
    expect_asked("45-44 0000000000000000, 39-38 0000000000000000, 21-20 0000000000000000, 15-14 0000000000000000");
    ck_assert_int_eq(ask(now, 4), 0);
    OK(db_exec(db, "UPDATE unit SET state = 'suspended'; DELETE FROM command"));
    ck_assert_int_eq(ask(now, 4), 0);
    end();
}
END_TEST

static void spoil(int hours_after_first)
{
    struct db_params p;
    db_params_init(&p);
    db_bind_int4(&p, hours_after_first);
    struct db_rows *rows = ROWS(db, &p,
                                "UPDATE rollup_hour SET n[1] = 0 WHERE ts = (SELECT min(ts) FROM rollup_hour) + $1 * "
                                "interval '1 hour'");
    db_rows_free(&rows);
    db_params_free(&p);
    sum_days();
}

/* "state detail" of the oldest request. */
static void expect_first(const char *text)
{
    expect_text(
        ROWS(db, NULL, "SELECT state || ' ' || detail FROM command ORDER BY created_at, from_ts, command_id LIMIT 1"),
        text);
}

START_TEST(a_request_whose_gap_was_filled_closes_although_nobody_reported_it)
{
    begin();
    put("accepted");
    put_rollups();
    spoil(30);
    ck_assert_int_eq(ask(now, 1), 1);
    ck_assert_uint_eq(take(DEVICE, now), 1);
    OK(db_exec(db, "UPDATE rollup_hour SET n[1] = 4"));
    spoil(60);
    ck_assert_int_eq(ask(now + SECOND, 1), 1); /* the place of the filled one is free again */
    expect_first("done 缺口已补 / gap filled");
    end();
}
END_TEST

START_TEST(a_request_that_a_replaced_device_took_does_not_block_the_enterprise)
{
    begin();
    put("accepted");
    put_rollups();
    spoil(30);
    ck_assert_int_eq(ask(now, 1), 1);
    ck_assert_uint_eq(take(DEVICE, now), 1);
    ck_assert_int_eq(ask(now + DAY - 1, 1), 0);
    ask(now + DAY, 1);
    expect_first("failed 一天内未报告结果 / no result within a day");
    ck_assert_int_eq(NUMBER(db, "SELECT count(*) FROM command WHERE state = 'queued'"), 1);
    ck_assert_uint_eq(take(OTHER, now + DAY), 1);
    end();
}
END_TEST

START_TEST(a_request_that_no_device_took_is_made_anew_each_day_and_ends_with_the_days_looked_at)
{
    begin();
    put("accepted");
    put_rollups();
    spoil(30);
    for (int day = 0; day < 3; day++) {
        ck_assert_int_ge(ask(now + day * DAY, 8), 1);
    }
    expect_first("failed 一天内未报告结果 / no result within a day");
    OK(db_exec(db, "UPDATE command SET state = 'queued', from_ts = from_ts - interval '30 days'"));
    ask(now, 0);
    expect_first("failed 超出补传期限 / older than the days looked at");
    end();
}
END_TEST

/* ---------------------------------------------------------------- base data */
/* How many rows changed; `since` NULL or a date. */
static int64_t import(const char *json, const char *since, bool whole)
{
    struct db_params p;
    db_params_init(&p);
    db_bind_text(&p, json);
    db_bind_text(&p, since);
    db_bind_bool(&p, whole);
    struct db_rows *rows = ROWS(
        db, &p,
        "SELECT count(*) FROM base_data_import('product', $1::text::jsonb, $2::text::date, '2026-11-20', $3, true)");
    int64_t changes = db_get_int(rows, 0, 0);
    db_rows_free(&rows);
    db_params_free(&p);
    return changes;
}

#define PRODUCT_A                                                                                                      \
    "SELECT string_agg(coal_factor::real::text || ' ' || valid_from || '..' || coalesce(valid_to::text, ''), ', '"     \
    " ORDER BY valid_from) FROM base_data WHERE list = 'product' AND code = 'a' AND valid_to IS DISTINCT FROM "        \
    "valid_from"
#define VERSION "SELECT max(dic_version) FROM base_data"

START_TEST(a_new_coefficient_closes_the_row_before_it)
{
    begin();
    ck_assert_int_eq(import("[{\"code\":\"a\",\"name\":\"A\",\"coal_factor\":1}]", NULL, true), 1);
    expect_text(ROWS(db, NULL, PRODUCT_A), "1 2010-01-01..");
    ck_assert_int_eq(import("[{\"code\":\"a\",\"coal_factor\":2}]", "2020-01-01", true), 1);
    expect_text(ROWS(db, NULL, PRODUCT_A), "1 2010-01-01..2020-01-01, 2 2020-01-01..");
    ck_assert_int_eq(import("[{\"code\":\"a\",\"coal_factor\":1.5}]", "2015-01-01", true), 1);
    expect_text(ROWS(db, NULL, PRODUCT_A), "1 2010-01-01..2015-01-01, 1.5 2015-01-01..2020-01-01, 2 2020-01-01..");
    ck_assert_int_eq(import("[{\"code\":\"a\",\"coal_factor\":3}]", "2020-01-01", true), 1);
    expect_text(ROWS(db, NULL, PRODUCT_A), "1 2010-01-01..2015-01-01, 1.5 2015-01-01..2020-01-01, 3 2020-01-01..");
    end();
}
END_TEST

START_TEST(what_is_not_given_ends_and_may_come_back_on_the_same_day)
{
    begin();
    import("[{\"code\":\"a\",\"name\":\"A\",\"coal_factor\":1},{\"code\":\"b\",\"name\":\"B\"}]", NULL, true);
    ck_assert_int_eq(import("[{\"code\":\"b\"}]", NULL, false), 0);
    ck_assert_int_eq(import("[{\"code\":\"b\"}]", NULL, true), 1);
    expect_text(ROWS(db, NULL, PRODUCT_A), "1 2010-01-01..2026-11-20");
    ck_assert_int_eq(import("[{\"code\":\"a\",\"name\":\"A\",\"coal_factor\":1},{\"code\":\"b\"}]", NULL, true), 1);
    ck_assert_int_eq(import("[{\"code\":\"b\"}]", NULL, true), 1);
    expect_text(ROWS(db, NULL, PRODUCT_A), "1 2010-01-01..2026-11-20");
    end();
}
END_TEST

START_TEST(every_change_raises_the_version_and_nothing_else_does)
{
    begin();
    int64_t version = NUMBER(db, VERSION);
    import("[{\"code\":\"a\",\"name\":\"A\",\"coal_factor\":1.10}]", NULL, true);
    ck_assert_int_eq(NUMBER(db, VERSION), version + 1);
    ck_assert_int_eq(import("[{\"code\":\"a\",\"name\":\"A\",\"coal_factor\":1.1}]", NULL, true), 0);
    ck_assert_int_eq(import("[{\"code\":\"a\"}]", "2030-01-01", true), 0);
    ck_assert_int_eq(NUMBER(db, VERSION), version + 1);
    import("[{\"code\":\"b\",\"name\":\"B\"}]", NULL, true);
    ck_assert_int_eq(NUMBER(db, VERSION), version + 2);
    ck_assert_int_eq(NUMBER(db, "SELECT count(*) FROM base_data WHERE dic_version = (" VERSION ")"), 2);
    end();
}
END_TEST

START_TEST(entries_of_different_industries_share_a_code)
{
    begin();
    ck_assert_int_eq(import("[{\"code\":\"a\",\"name\":\"A\",\"industry_code\":\"C25\"},"
                            "{\"code\":\"a\",\"name\":\"A2\",\"industry_code\":\"C31\"}]",
                            NULL, true),
                     2);
    ck_assert_int_eq(import("[{\"code\":\"a\",\"name\":\"A\",\"industry_code\":\"C25\"},"
                            "{\"code\":\"a\",\"name\":\"A3\",\"industry_code\":\"C31\"}]",
                            NULL, true),
                     1);
    end();
}
END_TEST

/* The days that the coefficient covers are to be rolled up again: 2021-06-01 and later, for this energy alone. */
START_TEST(a_changed_coefficient_marks_the_days_it_covers)
{
    begin();
    put("accepted");
    OK(db_exec(db, "SELECT partition_ensure('reading', d), partition_ensure('reading', '2022-06-01') FROM (VALUES "
                   "('2021-05-01'::timestamptz)) v (d);"
                   "INSERT INTO unit_energy_day (unit_id, ts, energy, usage, quantity, measure, own, sign) VALUES"
                   " (1, '2022-06-01', '021900', '10', 1, 't', false, 1), (1, '2021-05-01', '021900', '10', 1, 't', "
                   "false, 1), (1, '2022-06-01', '022100', '10', 1, 't', false, 1)"));
    struct db_rows *rows =
        ROWS(db, NULL,
             "SELECT count(*) FROM base_data_import('energy_type',"
             " '[{\"code\":\"1900\",\"coal_factor\":1.5}]', '2021-06-01', '2026-11-20', false, true)");
    ck_assert_int_eq(db_get_int(rows, 0, 0), 1);
    db_rows_free(&rows);
    ck_assert_int_eq(NUMBER(db, "SELECT count(*) FROM rollup_mark"), 1);
    ck_assert_int_eq(NUMBER(db, "SELECT count(*) FROM rollup_mark WHERE hour = '2022-06-01'"), 1);
    end();
}
END_TEST

static int64_t new_day(const char *day)
{
    struct db_params p;
    db_params_init(&p);
    db_bind_text(&p, day);
    struct db_rows *rows = ROWS(db, &p, "SELECT base_data_new_day($1::text::date)");
    int64_t touched = db_get_int(rows, 0, 0);
    db_rows_free(&rows);
    db_params_free(&p);
    return touched;
}

START_TEST(the_version_rises_on_the_day_on_which_an_entry_begins_or_ends)
{
    begin();
    import("[{\"code\":\"a\",\"name\":\"A\",\"coal_factor\":1},{\"code\":\"b\",\"name\":\"B\"}]", NULL, true);
    int64_t fresh = NUMBER(db, VERSION);
    new_day("2026-11-20"); /* of the shipped entries some began after 2010, but nobody has loaded them yet */
    ck_assert_int_eq(NUMBER(db, VERSION), fresh);
    import("[{\"code\":\"a\",\"coal_factor\":2}]", "2026-12-01", false);
    int64_t version = NUMBER(db, VERSION);
    ck_assert_int_eq(new_day("2026-11-20"), 0);
    ck_assert_int_eq(new_day("2026-11-30"), 0);
    ck_assert_int_eq(NUMBER(db, VERSION), version);
    ck_assert_int_eq(new_day("2026-12-02"), 2); /* the row that ended and the one that follows it */
    ck_assert_int_eq(NUMBER(db, VERSION), version + 1);
    ck_assert_int_eq(new_day("2026-12-03"), 0);
    ck_assert_int_eq(new_day("2026-11-25"), 0); /* a clock that was set back tells nothing twice */
    ck_assert_int_eq(new_day("2026-12-03"), 0);
    ck_assert_int_eq(NUMBER(db, VERSION), version + 1);
    end();
}
END_TEST

static void fresh_schema(void)
{
    struct db *fresh = open_db();
    OK(db_exec(fresh, "DROP SCHEMA public CASCADE; CREATE SCHEMA public"));
    OK(db_migrate(fresh, NULL, NULL));
    db_close(&fresh);
}

DBTEST_MAIN("admission", fresh_schema, a_trial_lasts_fifteen_days_and_the_state_before_a_suspension_comes_back,
            only_the_first_registration_of_a_certified_enterprise_begins_the_tests,
            a_renewal_keeps_the_former_certificate_and_repeating_it_does_not_lose_it,
            each_device_has_a_certificate_of_its_own_and_a_renewal_of_one_leaves_the_others,
            what_was_issued_for_a_device_before_its_binding_is_its_former_certificate_and_nobody_elses,
            a_command_for_nobody_in_particular_goes_to_the_first_who_asks,
            what_a_silent_device_took_goes_to_another_after_a_day_unless_it_was_meant_for_it,
            a_heartbeat_carries_a_bounded_number_of_commands_oldest_first,
            what_is_cancelled_is_not_given_and_what_is_finished_is_not_cancelled,
            nothing_is_asked_for_where_nothing_is_missing, a_gap_is_asked_for_once_until_a_day_after_its_end,
            a_whole_outage_asks_for_everything_and_readings_sent_as_invalid_are_no_gap,
            requests_of_an_enterprise_are_bounded_newest_gaps_first,
            a_request_whose_gap_was_filled_closes_although_nobody_reported_it,
            a_request_that_a_replaced_device_took_does_not_block_the_enterprise,
            a_request_that_no_device_took_is_made_anew_each_day_and_ends_with_the_days_looked_at,
            the_version_rises_on_the_day_on_which_an_entry_begins_or_ends, a_new_coefficient_closes_the_row_before_it,
            what_is_not_given_ends_and_may_come_back_on_the_same_day,
            every_change_raises_the_version_and_nothing_else_does, entries_of_different_industries_share_a_code,
            a_changed_coefficient_marks_the_days_it_covers)
