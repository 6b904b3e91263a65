/* One upload, one transaction, and what it adds up to: ingest and rollup against a real database. */
#include "dbtest.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/caltime.h"
#include "base/clock.h"
#include "base/mem.h"
#include "db/migrate.h"
#include "ingest/config_store.h"
#include "ingest/config_upload.h"
#include "ingest/ingest.h"
#include "rollup/rollup.h"
#include "validate/flags.h"

#define CODE "914201007581234560"
#define DEVICE "0123456789abcdef0123456789abcdef"

static void before(void)
{
    OK(caltime_set_zone("Asia/Shanghai"));
    payload_init();
    struct db *db = open_db();
    OK(db_exec(db, "DROP SCHEMA public CASCADE; CREATE SCHEMA public"));
    OK(db_migrate(db, NULL, NULL));
    OK(db_exec(db,
               "INSERT INTO unit (code, name, region_code, state) VALUES ('" CODE "', 'w', '420100', 'accepted');"
               "INSERT INTO device (unit_id, serial, device_id) SELECT id, 's', '" DEVICE "' FROM unit;"
               "INSERT INTO destination (name) VALUES ('upper');"
               "INSERT INTO collect_item (unit_id, slot, data_code, stat_type, name, aggregation, period, scope, "
               "input_type, config_version) SELECT u.id, s, lpad(s::text, 16, '0'), 0, 'i', a, 900, 1, 4, 1 "
               "FROM unit u, (VALUES (0, 0), (1, 1), (2, 2), (200, 0)) v(s, a);"
               "INSERT INTO collect_item (unit_id, slot, data_code, stat_type, name, aggregation, period, scope, "
               "input_type, config_version) SELECT u.id, 3, lpad('0', 16, '0'), 1, 'd', 0, 900, 1, 4, 1 FROM unit u;"
               "UPDATE unit SET next_slot = 201"));
    db_close(&db);
}

struct bench {
    struct db *db;
    struct registry *registry;
    struct ingest *ingest;
    struct arena *arena;
    struct unit *unit;
};

static struct bench open_bench(void)
{
    struct bench b = {.db = open_db(), .arena = arena_new(0)};
    OK(registry_open(b.db, &b.registry));
    OK(registry_unit(b.registry, b.db, CODE, &b.unit));
    ck_assert_ptr_nonnull(b.unit);
    struct ingest_config config = {.registry = b.registry,
                                   .limits = &PAYLOAD_LIMITS_DEFAULT,
                                   .max_plain = 1 << 26,
                                   .future_ms = 300000,
                                   .reported_tolerance_ppm = 50000,
                                   .late_grace_ms = 300000,
                                   .destinations = {1},
                                   .destination_count = 1};
    OK(ingest_new(&config, b.db, &b.ingest));
    return b;
}

static void close_bench(struct bench *b)
{
    unit_release(&b->unit);
    ingest_free(&b->ingest);
    registry_close(&b->registry);
    arena_free(&b->arena);
    db_close(&b->db);
}

static char *document(struct arena *a, const char *records)
{
    return arena_printf(a,
                        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<energyData xmlns=\"urn:nhjc:data:v1\" "
                        "enterpriseCode=\"" CODE "\" deviceId=\"" DEVICE
                        "\" uploadDate=\"2026-11-20 10:16:02\">\n%s</energyData>",
                        records);
}

static const char *record(struct arena *a, int slot, const char *date, const char *value, const char *more)
{
    return arena_printf(a,
                        "<data dataCode=\"%016d\" statType=\"0\" statDate=\"%s\" dataValue=\"%s\" inputType=\"4\" "
                        "scope=\"1\" %s/>\n",
                        slot, date, value, more);
}

static void upload(struct bench *b, const char *id, const char *xml, struct upload_answer *answer)
{
    unsigned char digest[32];
    char hex[65];
    OK(envelope_digest(DIGEST_SHA_256, xml, strlen(xml), digest));
    for (int i = 0; i < 32; i++)
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    struct upload_request q = {.via = VIA_DEVICE,
                               .sender_code = CODE,
                               .sender_id = b->unit->id,
                               .message_id = id,
                               .device_id = DEVICE,
                               .enterprise_code = CODE,
                               .content_encoding = "identity",
                               .encryption = "none",
                               .digest_method = "SHA-256",
                               .digest = arena_strdup(b->arena, hex),
                               .content = xml,
                               .content_len = strlen(xml),
                               .peer = "127.0.0.1:1"};
    ingest_upload(b->ingest, &q, b->arena, answer);
}

static void roll(struct bench *b)
{
    bool left = true;
    while (left)
        OK(rollup_slice(b->db, b->registry, b->unit->id, 16, &left));
}

static void check_clean(struct bench *b)
{
    struct buf report = BUF_INIT;
    int64_t differences = -1;
    OK(rollup_verify(b->db, b->registry, b->unit->id, INT64_MIN / 2, INT64_MAX / 2, NULL, &report, &differences));
    ck_assert_msg(differences == 0, "%s", buf_str(&report));
    buf_free(&report);
}

#define COUNT_IS(b, n, sql) ck_assert_int_eq(NUMBER((b)->db, sql), n)

START_TEST(an_upload_is_stored_once_and_a_replay_gets_the_first_answer)
{
    struct bench b = open_bench();
    struct upload_answer first, again;
    char *xml = document(b.arena, arena_printf(b.arena, "%s%s%s", record(b.arena, 0, "2024-03-01 00:00:00", "1.5", ""),
                                               record(b.arena, 200, "2024-03-01 00:00:00", "2", ""),
                                               record(b.arena, 77, "2024-03-01 00:00:00", "3", "")));
    upload(&b, "m1", xml, &first);
    ck_assert_msg(first.code == 2, "%d %s", first.code, first.message);
    ck_assert_int_eq(first.received, 3);
    ck_assert_int_eq(first.stored, 2);
    ck_assert_int_eq(first.rejected, 1);
    ck_assert_int_eq(first.findings.at[0].code, 3101);
    ck_assert_int_eq(first.findings.at[0].line, 5);
    upload(&b, "m1", xml, &again);
    ck_assert(again.duplicate);
    ck_assert_str_eq(again.upload_id, first.upload_id);
    ck_assert_int_eq(again.code, 2);
    ck_assert_int_eq(again.stored, 2);
    ck_assert_uint_eq(again.findings.count, first.findings.count);
    ck_assert_str_eq(again.findings.at[0].message, first.findings.at[0].message);
    COUNT_IS(&b, 2, "SELECT count(*) FROM reading_frame");
    COUNT_IS(&b, 1, "SELECT count(*) FROM upload");
    COUNT_IS(&b, 1, "SELECT count(*) FROM outbox");
    COUNT_IS(&b, 1, "SELECT count(*) FROM upload_payload WHERE rejected = '{2}'");
    close_bench(&b);
}
END_TEST

START_TEST(the_same_message_id_with_other_content_is_2107)
{
    struct bench b = open_bench();
    struct upload_answer a;
    upload(&b, "m1", document(b.arena, record(b.arena, 0, "2024-03-01 00:00:00", "1", "")), &a);
    ck_assert_int_eq(a.code, 0);
    upload(&b, "m1", document(b.arena, record(b.arena, 0, "2024-03-01 00:00:00", "2", "")), &a);
    ck_assert_int_eq(a.code, 2107);
    ck_assert_str_eq(a.upload_id, "");
    COUNT_IS(&b, 1000000, "SELECT value[1] FROM reading_frame");
    close_bench(&b);
}
END_TEST

START_TEST(corrections_by_value_and_validity_are_logged_and_rolled_up)
{
    struct bench b = open_bench();
    struct upload_answer a;
    upload(&b, "m1",
           document(b.arena, arena_printf(b.arena, "%s%s", record(b.arena, 0, "2024-03-01 00:00:00", "1", ""),
                                          record(b.arena, 0, "2024-03-01 00:15:00", "2", ""))),
           &a);
    roll(&b);
    COUNT_IS(&b, 3000000, "SELECT total[1] FROM rollup_year WHERE page = 0");
    upload(&b, "m2",
           document(b.arena, arena_printf(b.arena, "%s%s%s", record(b.arena, 0, "2024-03-01 00:00:00", "1.000000", ""),
                                          record(b.arena, 0, "2024-03-01 00:15:00", "5", ""),
                                          record(b.arena, 1, "2024-03-01 00:15:00", "-7.5", ""))),
           &a);
    ck_assert_int_eq(a.unchanged, 1);
    ck_assert_int_eq(a.corrected, 1);
    ck_assert_int_eq(a.stored, 1);
    roll(&b);
    COUNT_IS(&b, 6000000, "SELECT total[1] FROM rollup_month WHERE page = 0");
    COUNT_IS(&b, 1, "SELECT count(*) FROM correction WHERE old_value = 2000000 AND new_value = 5000000");
    upload(&b, "m3", document(b.arena, record(b.arena, 0, "2024-03-01 00:15:00", "5", "valid=\"false\"")), &a);
    ck_assert_int_eq(a.corrected, 1);
    roll(&b);
    COUNT_IS(&b, 1000000, "SELECT total[1] FROM rollup_day WHERE page = 0");
    COUNT_IS(&b, 1, "SELECT bad[1] FROM rollup_day WHERE page = 0");
    check_clean(&b);
    close_bench(&b);
}
END_TEST

START_TEST(registers_are_recomputed_around_late_readings_gaps_and_resets)
{
    struct bench b = open_bench();
    struct upload_answer a;
    upload(&b, "m1",
           document(b.arena, arena_printf(b.arena, "%s%s%s", record(b.arena, 2, "2024-03-01 00:00:00", "100", ""),
                                          record(b.arena, 2, "2024-03-05 10:00:00", "160", ""),
                                          record(b.arena, 2, "2024-06-01 10:00:00", "20", ""))),
           &a);
    ck_assert_int_eq(a.stored, 3);
    roll(&b);
    COUNT_IS(&b, 60000000, "SELECT total[3] FROM rollup_year");
    COUNT_IS(&b, 3, "SELECT n[3] FROM rollup_year");
    COUNT_IS(&b, 1, "SELECT nd[3] FROM rollup_year");
    upload(&b, "m2", document(b.arena, record(b.arena, 2, "2024-04-01 00:00:00", "200", "")), &a);
    roll(&b); /* late: credited to April, and June's step is measured from it: still a reset */
    COUNT_IS(&b, 100000000, "SELECT total[3] FROM rollup_year");
    upload(&b, "m3", document(b.arena, record(b.arena, 2, "2024-05-01 00:00:00", "5", "")), &a);
    roll(&b); /* now June's 20 follows May's 5 */
    COUNT_IS(&b, 115000000, "SELECT total[3] FROM rollup_year");
    COUNT_IS(&b, 15000000, "SELECT total[3] FROM rollup_month WHERE ts = '2024-06-01 00:00:00+08'");
    check_clean(&b);
    close_bench(&b);
}
END_TEST

START_TEST(a_late_reading_changes_exactly_the_periods_it_touches)
{
    struct bench b = open_bench();
    struct upload_answer a;
    struct buf all = BUF_INIT;
    char date[32];
    for (int day = 1; day <= 28; day++) {
        snprintf(date, sizeof date, "2016-02-%02d 23:45:00", day);
        buf_append_str(&all, record(b.arena, 0, date, "1", ""));
    }
    upload(&b, "m1", document(b.arena, buf_str(&all)), &a);
    buf_free(&all);
    roll(&b);
    COUNT_IS(&b, 28, "SELECT count(*) FROM rollup_hour");
    upload(&b, "m2", document(b.arena, record(b.arena, 0, "2016-02-10 23:30:00", "0.000001", "")), &a);
    roll(&b);
    COUNT_IS(&b, 1, "SELECT count(*) FROM rollup_hour WHERE revision = 2");
    COUNT_IS(&b, 1, "SELECT count(*) FROM rollup_day WHERE revision = 2");
    COUNT_IS(&b, 28000001, "SELECT total[1] FROM rollup_year");
    COUNT_IS(&b, 0, "SELECT count(*) FROM rollup_mark");
    check_clean(&b);
    close_bench(&b);
}
END_TEST

static void configure(struct bench *b, unsigned char version, const char *unit)
{
    struct config_item item = {.data_code = "0000000002330060",
                               .scope = 1,
                               .input_type = 4,
                               .aggregation = AGG_SUM,
                               .period = 900,
                               .name = "i",
                               .unit = unit,
                               .counter_max = DECIMAL_UNSET,
                               .value_min = DECIMAL_UNSET,
                               .value_max = DECIMAL_UNSET,
                               .decimals = -1};
    struct checked_config checked = {.code = CODE, .name = "w", .period = 900, .items = &item, .item_count = 1};
    struct enterprise_config config = {0};
    struct config_write w = {.checked = &checked,
                             .config = &config,
                             .document = "",
                             .digest = {version},
                             .message_id = unit,
                             .now = clock_now()};
    OK(db_begin(b->db));
    OK(config_store(b->db, &w, b->arena));
    OK(config_remeasure(b->db, &w, 1, b->arena));
    OK(db_commit(b->db));
}

START_TEST(a_corrected_unit_changes_what_the_past_comes_to)
{
    struct bench b = open_bench();
    configure(&b, 1, "MWh");
    OK(db_exec(b.db, "SELECT partition_ensure('reading', '2024-06-01');"
                     "INSERT INTO reading_frame (unit_id, page, ts, value) SELECT unit_id, slot / 128, '2024-06-01', "
                     "array_fill(10000000::bigint, ARRAY[slot % 128 + 1]) FROM collect_item WHERE data_code = "
                     "'0000000002330060';"
                     "INSERT INTO rollup_mark (unit_id, hour) SELECT unit_id, ts FROM reading_frame"));
    roll(&b);
    COUNT_IS(&b, 1229000, "SELECT (tce * 1000000)::bigint FROM unit_consumption_month");
    configure(&b, 2, "kWh");
    roll(&b);
    COUNT_IS(&b, 1229, "SELECT (tce * 1000000)::bigint FROM unit_consumption_month");
    close_bench(&b);
}
END_TEST

START_TEST(reported_values_stay_apart)
{
    struct bench b = open_bench();
    struct upload_answer a;
    upload(&b, "m1",
           document(b.arena, "<data dataCode=\"0000000000000000\" statType=\"1\" statDate=\"2024-03-01 00:00:00\" "
                             "dataValue=\"9\" inputType=\"5\" scope=\"1\"/>"),
           &a);
    ck_assert_msg(a.code == 0, "%s", a.message);
    COUNT_IS(&b, 1, "SELECT count(*) FROM reported_frame");
    COUNT_IS(&b, 0, "SELECT count(*) FROM rollup_mark");
    upload(&b, "m2",
           document(b.arena, "<data dataCode=\"0000000000000000\" statType=\"1\" statDate=\"2024-03-01 00:00:00\" "
                             "dataValue=\"9.5\" inputType=\"5\" scope=\"1\"/>"),
           &a);
    ck_assert_int_eq(a.corrected, 1);
    COUNT_IS(&b, 9500000, "SELECT value[4] FROM reported_frame");
    close_bench(&b);
}
END_TEST

START_TEST(repair_puts_right_what_verify_finds)
{
    struct bench b = open_bench();
    struct upload_answer a;
    upload(&b, "m1", document(b.arena, record(b.arena, 0, "2024-03-01 00:00:00", "1", "")), &a);
    roll(&b);
    OK(db_exec(b.db, "UPDATE rollup_day SET total = '{7}'; DELETE FROM rollup_hour; UPDATE rollup_year SET n = '{5}'"));
    struct buf report = BUF_INIT;
    int64_t differences = 0;
    OK(rollup_verify(b.db, b.registry, b.unit->id, INT64_MIN / 2, INT64_MAX / 2, &(struct rollup_repair){NULL, NULL},
                     &report, &differences));
    ck_assert_int_eq(differences, 3);
    ck_assert_ptr_nonnull(strstr(buf_str(&report), "year"));
    buf_free(&report);
    check_clean(&b);
    close_bench(&b);
}
END_TEST

static bool has_finding(const struct upload_answer *a, int code, int64_t line)
{
    for (size_t i = 0; i < a->findings.count; i++)
        if (a->findings.at[i].code == code && a->findings.at[i].line == line)
            return true;
    return false;
}

START_TEST(registers_running_backwards_are_suspect_but_count)
{
    struct bench b = open_bench();
    struct upload_answer a;
    upload(&b, "m1", document(b.arena, record(b.arena, 2, "2024-03-01 00:00:00", "100", "")), &a);
    upload(&b, "m2", document(b.arena, record(b.arena, 2, "2024-03-01 00:15:00", "99", "")), &a);
    ck_assert_int_eq(a.code, 0);
    ck_assert_int_eq(a.suspect, 1);
    ck_assert(has_finding(&a, 3207, 3));
    COUNT_IS(&b, FLAG_BACKWARDS | FLAG_LATE, "SELECT flag[3] FROM reading_frame WHERE ts = '2024-03-01 00:15:00+08'");
    roll(&b);
    COUNT_IS(&b, 2, "SELECT n[3] FROM rollup_hour");
    upload(&b, "m2", document(b.arena, record(b.arena, 2, "2024-03-01 00:15:00", "99", "")), &a);
    ck_assert(a.duplicate && a.suspect == 1 && has_finding(&a, 3207, 3));
    close_bench(&b);
}
END_TEST

START_TEST(jumps_and_stuck_values_are_flagged_where_thresholds_are_set)
{
    struct db *db = open_db();
    OK(db_exec(db, "UPDATE unit SET jump_limit = 50000000; UPDATE collect_item SET stuck_count = 3 WHERE slot = 1"));
    db_close(&db);
    struct bench b = open_bench();
    struct upload_answer a;
    upload(&b, "m1",
           document(b.arena, arena_printf(b.arena, "%s%s%s", record(b.arena, 0, "2024-03-01 00:00:00", "1", ""),
                                          record(b.arena, 0, "2024-03-01 00:15:00", "51", ""),
                                          record(b.arena, 0, "2024-03-01 00:30:00", "101.000001", ""))),
           &a);
    ck_assert_int_eq(a.suspect, 1);
    ck_assert(has_finding(&a, 3204, 5));
    upload(&b, "m2",
           document(b.arena, arena_printf(b.arena, "%s%s", record(b.arena, 1, "2024-03-01 00:00:00", "7", ""),
                                          record(b.arena, 1, "2024-03-01 00:15:00", "7", ""))),
           &a);
    ck_assert_int_eq(a.suspect, 0);
    upload(&b, "m3", document(b.arena, record(b.arena, 1, "2024-03-01 00:30:00", "7.0", "")), &a);
    ck_assert_int_eq(a.suspect, 1);
    ck_assert(has_finding(&a, 3205, 3));
    close_bench(&b);
}
END_TEST

START_TEST(process_parts_beyond_the_plant_are_suspect)
{
    struct db *db = open_db();
    OK(db_exec(db,
               "UPDATE collect_item SET data_code = '0000000002330011' WHERE slot = 0;"
               "UPDATE collect_item SET data_code = '0100000002330011', scope = 2, aggregation = 0 WHERE slot = 1;"
               "UPDATE collect_item SET data_code = '0200000002330011', scope = 2, aggregation = 0 WHERE slot = 2"));
    db_close(&db);
    struct bench b = open_bench();
    struct upload_answer a;
#define PART(code, scope, value)                                                                                       \
    "<data dataCode=\"" code "\" statType=\"0\" statDate=\"2024-03-01 00:00:00\" dataValue=\"" value                   \
    "\" inputType=\"4\" scope=\"" scope "\"/>\n"
    upload(&b, "m1", document(b.arena, PART("0000000002330011", "1", "10") PART("0100000002330011", "2", "10")), &a);
    ck_assert_msg(a.code == 0 && a.suspect == 0, "%s", a.message);
    upload(&b, "m2", document(b.arena, PART("0200000002330011", "2", "0.000001")), &a);
    ck_assert_int_eq(a.suspect, 1);
    ck_assert(has_finding(&a, 3401, 3));
    close_bench(&b);
}
END_TEST

START_TEST(reported_values_far_from_computed_ones_are_warned_about)
{
    struct bench b = open_bench();
    struct upload_answer a;
    upload(&b, "m1", document(b.arena, record(b.arena, 0, "2024-03-01 00:00:00", "100", "")), &a);
#define DAY(value)                                                                                                     \
    "<data dataCode=\"0000000000000000\" statType=\"1\" statDate=\"2024-03-01 00:00:00\" dataValue=\"" value           \
    "\" inputType=\"5\" scope=\"1\"/>\n"
    upload(&b, "m2", document(b.arena, DAY("105")), &a);
    ck_assert(a.code == 0 && !has_finding(&a, 3402, 3));
    upload(&b, "m3", document(b.arena, DAY("105.000001")), &a);
    ck_assert(a.code == 0 && a.suspect == 0 && has_finding(&a, 3402, 3));
    close_bench(&b);
}
END_TEST

/* ---- the past that a reading is held against ---- */

static void minutes_of_slot_0(struct bench *b, const char *id, struct upload_answer *a)
{
    struct buf all = BUF_INIT;
    char date[32];
    for (int minute = 1; minute < 60; minute++) {
        snprintf(date, sizeof date, "2024-03-01 00:%02d:00", minute);
        buf_append_str(&all, record(b->arena, 0, date, "1", ""));
    }
    upload(b, id, document(b->arena, buf_str(&all)), a);
    buf_free(&all);
}

START_TEST(a_register_is_held_against_its_own_last_reading_among_those_of_a_shorter_period)
{
    struct db *db = open_db();
    OK(db_exec(db, "UPDATE collect_item SET period = 60 WHERE slot = 0;"
                   "UPDATE collect_item SET period = 3600, stuck_count = 3 WHERE slot = 2"));
    db_close(&db);
    struct bench b = open_bench();
    struct upload_answer a;
    upload(&b, "m1", document(b.arena, record(b.arena, 2, "2024-03-01 00:00:00", "100", "")), &a);
    minutes_of_slot_0(&b, "m2", &a);
    ck_assert_int_eq(a.stored, 59);
    upload(&b, "m3", document(b.arena, record(b.arena, 2, "2024-03-01 01:00:00", "99", "")), &a);
    ck_assert(a.suspect == 1 && has_finding(&a, 3207, 3));
    upload(&b, "m4", document(b.arena, record(b.arena, 2, "2024-03-01 02:00:00", "99", "")), &a);
    ck_assert_int_eq(a.suspect, 0);
    upload(&b, "m5", document(b.arena, record(b.arena, 2, "2024-03-01 03:00:00", "99", "")), &a);
    ck_assert(a.suspect == 1 && has_finding(&a, 3205, 3));
    close_bench(&b);
}
END_TEST

START_TEST(an_invalid_reading_hides_no_former_one)
{
    struct bench b = open_bench();
    struct upload_answer a;
    struct buf all = BUF_INIT;
    char date[32];
    upload(&b, "m1", document(b.arena, record(b.arena, 2, "2024-03-01 00:00:00", "100", "")), &a);
    for (int i = 1; i < 90; i++) { /* more of them than any look into the past takes frames */
        snprintf(date, sizeof date, "2024-03-01 %02d:%02d:00", i / 4, i % 4 * 15);
        buf_append_str(&all, record(b.arena, 2, date, "0", "valid=\"false\""));
    }
    upload(&b, "m2", document(b.arena, buf_str(&all)), &a);
    buf_free(&all);
    upload(&b, "m3", document(b.arena, record(b.arena, 2, "2024-03-01 23:00:00", "99", "")), &a);
    ck_assert(a.suspect == 1 && has_finding(&a, 3207, 3));
    close_bench(&b);
}
END_TEST

START_TEST(distant_times_in_one_message_each_have_their_own_past)
{
    struct db *db = open_db();
    OK(db_exec(db, "SELECT partition_ensure('reading', m) FROM generate_series(timestamptz '2024-01-01 00:00:00+08', "
                   "'2024-12-01 00:00:00+08', interval '1 month') m;" /* a register that was replaced in between */
                   "INSERT INTO reading_frame (unit_id, page, ts, value) SELECT u.id, 0, "
                   "timestamptz '2024-01-01 00:00:00+08' + i * interval '15 minutes', "
                   "ARRAY[NULL, NULL, (i + CASE WHEN i <= 20100 THEN 100000 ELSE 0 END) * 1000000] "
                   "FROM unit u, generate_series(1::bigint, 25000) i"));
    db_close(&db);
    struct bench b = open_bench();
    struct upload_answer a;
    upload(&b, "m1",
           document(b.arena, arena_printf(b.arena, "%s%s", record(b.arena, 2, "2024-01-01 00:00:00", "100000", ""),
                                          record(b.arena, 2, "2024-09-17 10:15:00", "25001", ""))),
           &a);
    ck_assert_msg(a.code == 0 && a.stored == 2, "%s", a.message);
    ck_assert_int_eq(a.suspect, 0);
    close_bench(&b);
}
END_TEST

static void upload_file(struct bench *b, const char *id, const char *blocks, struct upload_answer *answer)
{
    char *xml = arena_printf(b->arena,
                             "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<energyDataSet xmlns=\"urn:nhjc:data:v1\" "
                             "platformCode=\"420100\" uploadDate=\"2026-11-20 10:16:02\">\n%s</energyDataSet>",
                             blocks);
    unsigned char digest[32];
    char hex[65];
    OK(envelope_digest(DIGEST_SHA_256, xml, strlen(xml), digest));
    for (int i = 0; i < 32; i++)
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    struct upload_request q = {.via = VIA_FILE,
                               .sender_code = "file",
                               .message_id = id,
                               .content_encoding = "identity",
                               .encryption = "none",
                               .digest_method = "SHA-256",
                               .digest = arena_strdup(b->arena, hex),
                               .content = xml,
                               .content_len = strlen(xml),
                               .peer = "file"};
    ingest_upload(b->ingest, &q, b->arena, answer);
}

static char *block(struct arena *a, const char *records)
{
    return arena_printf(
        a, "<energyData enterpriseCode=\"" CODE "\" uploadDate=\"2026-11-20 10:16:02\">\n%s</energyData>\n", records);
}

START_TEST(blocks_of_one_enterprise_see_each_other)
{
    struct bench b = open_bench();
    struct upload_answer a;
    const char *later = arena_printf(b.arena, "%s%s", record(b.arena, 2, "2024-03-01 00:15:00", "90", ""),
                                     record(b.arena, 2, "2024-03-01 00:45:00", "95", ""));
    const char *earlier = arena_printf(b.arena, "%s%s", record(b.arena, 2, "2024-03-01 00:00:00", "100", ""),
                                       record(b.arena, 2, "2024-03-01 00:30:00", "96", ""));
    upload_file(&b, "m1", arena_printf(b.arena, "%s%s", block(b.arena, later), block(b.arena, earlier)), &a);
    ck_assert_msg(a.code == 0 && a.stored == 4, "%s", a.message);
    ck_assert_int_eq(a.suspect, 2);
    ck_assert(has_finding(&a, 3207, 4) && has_finding(&a, 3207, 5));
    close_bench(&b);
}
END_TEST

/* ---- reported values ---- */

START_TEST(reported_values_are_compared_with_what_the_same_upload_stores)
{
    struct bench b = open_bench();
    struct upload_answer a;
    upload(&b, "m1", document(b.arena, record(b.arena, 0, "2024-03-01 00:00:00", "100", "")), &a);
    const char *first = record(b.arena, 0, "2024-03-01 00:00:00", "200", "");
    upload(&b, "m2", document(b.arena, arena_printf(b.arena, "%s%s", first, DAY("200"))), &a);
    ck_assert_int_eq(a.corrected, 1);
    ck_assert_msg(a.findings.count == 0, "%s", a.findings.count ? a.findings.at[0].message : "");
    upload(&b, "m3", document(b.arena, DAY("100")), &a);
    ck_assert(has_finding(&a, 3402, 3));
    roll(&b);
    check_clean(&b);
    close_bench(&b);
}
END_TEST

START_TEST(a_day_that_is_not_over_is_not_compared)
{
    struct bench b = open_bench();
    struct upload_answer a;
    int64_t noon = 0;
    ck_assert(caltime_parse("2024-03-01 12:00:00", 19, &noon));
    clock_set_fake(noon);
    upload(&b, "m1", document(b.arena, record(b.arena, 0, "2024-03-01 00:00:00", "100", "")), &a);
    upload(&b, "m2", document(b.arena, DAY("240")), &a);
    ck_assert_msg(a.code == 0 && !has_finding(&a, 3402, 3), "%s", a.message);
    clock_advance(12 * 3600 * USEC_PER_SEC);
    upload(&b, "m3", document(b.arena, DAY("241")), &a);
    ck_assert(has_finding(&a, 3402, 3));
    clock_set_real();
    close_bench(&b);
}
END_TEST

/* The one 3402 of an answer as "line statType statDate message"; "": none, "many". */
static const char *compared(const struct bench *b, const struct upload_answer *a)
{
    const char *found = "";
    for (size_t i = 0; i < a->findings.count; i++) {
        const struct finding *f = &a->findings.at[i];
        if (f->code == 3402)
            found = *found ? "many"
                           : arena_printf(b->arena, "%lld %s %d %s %s", (long long)f->line, f->data_code, f->stat_type,
                                          f->stat_date, f->message);
    }
    return found;
}

#define TELLS(b, a, where, words)                                                                                      \
    do {                                                                                                               \
        const char *told_ = compared(b, a);                                                                            \
        ck_assert_msg(strstr(told_, where) == told_ && strstr(told_, words), "%s", told_);                             \
    } while (0)
#define SILENT(b, a) ck_assert_str_eq(compared(b, a), "")

/* "1": day, "2": month, "3": year of the item of a slot. */
#define REPORT(b, stat, slot, date, value)                                                                             \
    arena_printf((b)->arena,                                                                                           \
                 "<data dataCode=\"%016d\" statType=\"" stat "\" statDate=\"" date " 00:00:00\" dataValue=\"" value    \
                 "\" inputType=\"5\" scope=\"1\"/>\n",                                                                 \
                 slot)

static void send(struct bench *b, const char *id, const char *records, struct upload_answer *a)
{
    upload(b, id, document(b->arena, records), a);
    ck_assert_msg(a->code == 0 && a->rejected == 0 && a->suspect == 0, "%s", a->message);
}

START_TEST(late_readings_are_held_against_the_value_reported_before_them)
{
    struct bench b = open_bench();
    struct upload_answer a;
    send(&b, "m1", record(b.arena, 0, "2024-03-01 00:00:00", "100", ""), &a);
    send(&b, "m2", DAY("100"), &a);
    SILENT(&b, &a);
    send(&b, "m3", record(b.arena, 0, "2024-03-01 00:15:00", "5", ""), &a); /* five percent are allowed */
    SILENT(&b, &a);
    const char *other = record(b.arena, 1, "2024-03-01 00:30:00", "5", "");
    const char *late = record(b.arena, 0, "2024-03-01 00:30:00", "1.5", "");
    send(&b, "m4", arena_printf(b.arena, "%s%s", other, late), &a);
    TELLS(&b, &a, "4 0000000000000000 1 2024-03-01 00:00:00", "此前上报的日值 100 ");
    TELLS(&b, &a, "4 ", "106.5");
    TELLS(&b, &a, "4 ", "the day value 100 reported before");
    send(&b, "m5", late, &a);
    ck_assert_int_eq(a.unchanged, 1);
    SILENT(&b, &a);
    send(&b, "m6", record(b.arena, 0, "2024-03-01 00:45:00", "50", "valid=\"false\""), &a); /* counts for nothing */
    SILENT(&b, &a);
    send(&b, "m7", record(b.arena, 0, "2024-03-01 00:30:00", "0.5", ""), &a); /* back within what is allowed: 105.5 */
    TELLS(&b, &a, "3 ", "105.5");
    send(&b, "m8", record(b.arena, 0, "2024-03-01 00:30:00", "0.5", "valid=\"false\""), &a);
    SILENT(&b, &a);
    send(&b, "m9", record(b.arena, 0, "2024-03-01 00:00:00", "10", ""), &a);
    TELLS(&b, &a, "3 ", "15");
    const char *both = record(b.arena, 0, "2024-03-01 00:00:00", "20", "");
    send(&b, "m10", arena_printf(b.arena, "%s%s", both, DAY("99")), &a); /* the new value answers for itself */
    TELLS(&b, &a, "4 ", "上报 99，");
    COUNT_IS(&b, 4, "SELECT count(*) FROM upload_finding WHERE code = 3402");
    roll(&b);
    check_clean(&b);
    close_bench(&b);
}
END_TEST

static void more_reported(const char *sql)
{
    struct db *db = open_db();
    OK(db_exec(db, sql));
    OK(db_exec(db, "SELECT partition_ensure('reading', '2024-02-01'), partition_ensure('reading', '2024-01-01')"));
    db_close(&db);
}

#define REPORTED_ITEMS                                                                                                 \
    "INSERT INTO collect_item (unit_id, slot, data_code, stat_type, name, aggregation, period, scope, input_type, "    \
    "config_version) SELECT u.id, v.slot, lpad(v.of::text, 16, '0'), v.stat, 'r', 0, 86400, 1, 5, 1 FROM unit u, "     \
    "(VALUES (4, 0, 2), (5, 0, 3), (6, 2, 1), (7, 2, 2), (8, 1, 1)) v (slot, of, stat)"

START_TEST(late_readings_are_held_against_months_and_years_as_well)
{
    more_reported(REPORTED_ITEMS);
    struct bench b = open_bench();
    struct upload_answer a;
    send(&b, "m1", record(b.arena, 0, "2024-02-05 00:00:00", "100", ""), &a);
    roll(&b);
    send(&b, "m2", REPORT(&b, "2", 0, "2024-02-01", "300"), &a);
    TELLS(&b, &a, "3 0000000000000000 2", "computed 100");
    send(&b, "m3", record(b.arena, 0, "2024-02-06 00:00:00", "200", ""), &a); /* not rolled up yet, and yet counted */
    SILENT(&b, &a);
    send(&b, "m4", REPORT(&b, "3", 0, "2024-01-01", "300"), &a);
    SILENT(&b, &a);
    send(&b, "m5", record(b.arena, 0, "2024-02-05 00:00:00", "150", ""), &a);
    ck_assert_int_eq(a.findings.count, 2);
    ck_assert_int_eq(a.findings.at[0].stat_type, 2);
    ck_assert_int_eq(a.findings.at[1].stat_type, 3);
    ck_assert_ptr_nonnull(strstr(a.findings.at[0].message, "此前上报的月值 300 "));
    ck_assert_ptr_nonnull(strstr(a.findings.at[1].message, "此前上报的年值 300 "));
    ck_assert_str_eq(a.findings.at[1].stat_date, "2024-01-01 00:00:00");
    ck_assert_ptr_nonnull(strstr(a.findings.at[1].message, "350"));
    send(&b, "m6", record(b.arena, 0, "2024-03-05 00:00:00", "1000", ""), &a); /* the year's, but another month */
    TELLS(&b, &a, "3 0000000000000000 3", "1350");
    roll(&b);
    send(&b, "m7", REPORT(&b, "3", 0, "2024-01-01", "1350"), &a);
    SILENT(&b, &a);
    close_bench(&b);
}
END_TEST

START_TEST(a_register_s_correction_is_held_against_the_day_of_the_next_reading)
{
    more_reported(REPORTED_ITEMS);
    struct bench b = open_bench();
    struct upload_answer a;
    const char *first = record(b.arena, 2, "2024-03-01 22:00:00", "100", "");
    const char *second = record(b.arena, 2, "2024-03-01 23:00:00", "110", "");
    const char *next = record(b.arena, 2, "2024-03-04 08:00:00", "150", "");
    send(&b, "m1", arena_printf(b.arena, "%s%s%s", first, second, next), &a);
    roll(&b);
    send(&b, "m2", REPORT(&b, "1", 2, "2024-03-01", "10"), &a);
    send(&b, "m3", REPORT(&b, "1", 2, "2024-03-04", "40"), &a);
    send(&b, "m4", REPORT(&b, "2", 2, "2024-03-01", "50"), &a);
    SILENT(&b, &a);
    send(&b, "m5", record(b.arena, 2, "2024-03-01 23:00:00", "120", ""), &a); /* 20 and 30; the month stays 50 */
    ck_assert_int_eq(a.findings.count, 2);
    ck_assert_str_eq(a.findings.at[0].stat_date, "2024-03-01 00:00:00");
    ck_assert_str_eq(a.findings.at[1].stat_date, "2024-03-04 00:00:00");
    ck_assert_ptr_nonnull(strstr(a.findings.at[1].message, "40"));
    ck_assert_ptr_nonnull(strstr(a.findings.at[1].message, "30"));
    ck_assert_int_eq(a.findings.at[1].line, 3);
    send(&b, "m6", record(b.arena, 2, "2024-03-01 23:00:00", "110", ""), &a);
    SILENT(&b, &a);
    close_bench(&b);
}
END_TEST

START_TEST(a_mean_s_day_is_compared_as_a_mean_and_a_running_day_with_nothing)
{
    more_reported(REPORTED_ITEMS);
    struct bench b = open_bench();
    struct upload_answer a;
    int64_t noon = 0;
    ck_assert(caltime_parse("2024-03-01 12:00:00", 19, &noon));
    clock_set_fake(noon);
    send(&b, "m1", REPORT(&b, "1", 1, "2024-03-01", "10"), &a);
    send(&b, "m2", record(b.arena, 1, "2024-03-01 00:00:00", "10", ""), &a);
    send(&b, "m3", record(b.arena, 1, "2024-03-01 00:15:00", "20", ""), &a);
    SILENT(&b, &a);
    clock_advance(12 * 3600 * USEC_PER_SEC);
    send(&b, "m4", record(b.arena, 1, "2024-03-01 00:30:00", "30", ""), &a);
    TELLS(&b, &a, "3 0000000000000001 1", "20");
    send(&b, "m5", record(b.arena, 1, "2024-03-01 00:45:00", "-20", ""), &a);
    SILENT(&b, &a);
    clock_set_real();
    close_bench(&b);
}
END_TEST

/* ---- stored readings judged again ---- */

/* The series flags of a slot in order of time. */
static const char *flags_of(const struct bench *b, int slot)
{
    struct db_params p;
    db_params_init(&p);
    db_bind_int4(&p, slot);
    struct db_rows *rows =
        ROWS(b->db, &p,
             "SELECT string_agg((coalesce(flag[$1 % 128 + 1], 0) & 14)::text, ' ' ORDER BY ts) FROM reading_frame "
             "WHERE page = $1 / 128 AND value[$1 % 128 + 1] IS NOT NULL");
    const char *text = arena_strdup(b->arena, db_get_text(rows, 0, 0));
    db_rows_free(&rows);
    db_params_free(&p);
    return text;
}

START_TEST(a_register_s_stored_neighbour_is_judged_again)
{
    struct bench b = open_bench();
    struct upload_answer a;
    send(&b, "m1", record(b.arena, 2, "2024-03-01 00:00:00", "100", ""), &a);
    send(&b, "m2", record(b.arena, 2, "2024-03-01 03:00:00", "110", ""), &a);
    roll(&b);
    upload(&b, "m3", document(b.arena, record(b.arena, 2, "2024-03-01 01:00:00", "500", "")), &a);
    ck_assert(a.stored == 1 && a.suspect == 0 && a.corrected == 0); /* of the readings received none is doubted */
    ck_assert_int_eq(a.findings.count, 1);
    ck_assert_int_eq(a.findings.at[0].code, 3207);
    ck_assert_int_eq(a.findings.at[0].line, 3);
    ck_assert_str_eq(a.findings.at[0].stat_date, "2024-03-01 03:00:00");
    ck_assert_ptr_nonnull(strstr(a.findings.at[0].message, "此前入库的读数：表底由 500 退到 110"));
    ck_assert_str_eq(flags_of(&b, 2), "0 0 8");
    COUNT_IS(&b, 1,
             "SELECT count(*) FROM correction WHERE ts = '2024-03-01 03:00' AND old_value = new_value AND "
             "old_flag & 14 = 0 AND new_flag & 14 = 8 AND (old_flag # new_flag) = 8");
    COUNT_IS(&b, 1, "SELECT count(DISTINCT hour) FROM rollup_mark WHERE hour = '2024-03-01 03:00'");
    roll(&b);
    COUNT_IS(&b, 1, "SELECT suspect[3] FROM rollup_day");
    COUNT_IS(&b, 1, "SELECT count(*) FROM restatement WHERE granularity = 1");
    COUNT_IS(&b, 0, "SELECT count(*) FROM restatement WHERE reason = 'correction'");
    check_clean(&b);
    upload(&b, "m4", document(b.arena, record(b.arena, 2, "2024-03-01 02:00:00", "105", "")), &a); /* takes it over */
    ck_assert(a.suspect == 1 && has_finding(&a, 3207, 3) && a.findings.count == 1);
    ck_assert_str_eq(flags_of(&b, 2), "0 0 8 0");
    /* an invalid one is no neighbour, and what it hid is judged again */
    upload(&b, "m5", document(b.arena, record(b.arena, 2, "2024-03-01 01:00:00", "500", "valid=\"false\"")), &a);
    ck_assert(a.corrected == 1 && a.suspect == 0 && a.findings.count == 0);
    ck_assert_str_eq(flags_of(&b, 2), "0 0 0 0");
    roll(&b);
    COUNT_IS(&b, 0, "SELECT coalesce(suspect[3], 0) FROM rollup_day");
    check_clean(&b);
    COUNT_IS(&b, 5, "SELECT count(*) FROM outbox"); /* a verdict alone is nothing to forward */
    /* repeated together with a late one: unchanged, and yet in another place */
    const char *late = record(b.arena, 2, "2024-03-01 02:30:00", "900", "");
    const char *again = record(b.arena, 2, "2024-03-01 03:00:00", "110", "");
    upload(&b, "m6", document(b.arena, arena_printf(b.arena, "%s%s", late, again)), &a);
    ck_assert(a.stored == 1 && a.unchanged == 1 && a.corrected == 0 && a.suspect == 1);
    ck_assert_str_eq(flags_of(&b, 2), "0 0 0 0 8");
    close_bench(&b);
}
END_TEST

START_TEST(jumps_and_stuck_values_around_a_late_reading_are_judged_again)
{
    struct db *db = open_db();
    OK(db_exec(db, "UPDATE collect_item SET jump_limit = 5000000, stuck_count = 3 WHERE slot = 1"));
    db_close(&db);
    struct bench b = open_bench();
    struct upload_answer a;
    const char *first = record(b.arena, 1, "2024-03-01 00:00:00", "1", "");
    const char *third = record(b.arena, 1, "2024-03-01 02:00:00", "10", "");
    upload(&b, "m1", document(b.arena, arena_printf(b.arena, "%s%s", first, third)), &a);
    ck_assert_int_eq(a.suspect, 1);
    ck_assert_str_eq(flags_of(&b, 1), "0 2");
    send(&b, "m2", record(b.arena, 1, "2024-03-01 01:00:00", "5.5", ""), &a); /* no jump any more */
    ck_assert_int_eq(a.findings.count, 0);
    ck_assert_str_eq(flags_of(&b, 1), "0 0 0");
    COUNT_IS(&b, 1, "SELECT count(*) FROM correction WHERE old_flag & 14 = 2 AND new_flag & 14 = 0");
    /* 10 10 _ 10 10: two are stuck, and the one between them decides about both */
    const char *four = "";
    for (int i = 1; i <= 4; i++)
        four = i == 2 ? four
                      : arena_printf(b.arena, "%s%s", four,
                                     record(b.arena, 1,
                                            arena_printf(b.arena, "2024-03-01 %02d:%02d:00", 2 + i / 4, 15 * i % 60),
                                            "10", ""));
    upload(&b, "m3", document(b.arena, four), &a);
    ck_assert_int_eq(a.suspect, 2);
    ck_assert_str_eq(flags_of(&b, 1), "0 0 0 0 4 4");
    send(&b, "m4", record(b.arena, 1, "2024-03-01 02:30:00", "12", ""), &a);
    ck_assert_str_eq(flags_of(&b, 1), "0 0 0 0 0 0 0");
    upload(&b, "m5", document(b.arena, record(b.arena, 1, "2024-03-01 02:30:00", "10", "")), &a);
    ck_assert(a.suspect == 1 && a.findings.count == 3);
    ck_assert_str_eq(flags_of(&b, 1), "0 0 0 0 4 4 4");
    roll(&b);
    check_clean(&b);
    close_bench(&b);
}
END_TEST

/* ---- a configuration that changes while an upload waits for its turn ---- */

struct waiting {
    pthread_t thread;
    struct bench *bench;
    const char *id, *xml;
    struct upload_answer answer;
};

static void *send_waiting(void *arg)
{
    struct waiting *w = arg;
    upload(w->bench, w->id, w->xml, &w->answer);
    return NULL;
}

#define WAIT_UNTIL(db, condition)                                                                                      \
    do {                                                                                                               \
        for (int tries_ = 0; NUMBER(db, "SELECT (" condition ")::int::bigint") == 0; tries_++) {                       \
            ck_assert_msg(tries_ < 3000, "never: %s", condition);                                                      \
            OK(db_exec(db, "SELECT pg_sleep(0.01)"));                                                                  \
        }                                                                                                              \
    } while (0)

START_TEST(readings_are_judged_by_the_configuration_in_force_when_they_are_stored)
{
    struct bench b = open_bench();
    struct db *other = open_db();
    struct waiting w = {
        .bench = &b,
        .id = "m1",
        .xml = document(b.arena, arena_printf(b.arena, "%s%s", record(b.arena, 0, "2024-03-01 00:00:00", "1", ""),
                                              record(b.arena, 200, "2024-03-01 00:00:00", "1", "")))};
    OK(db_exec(other, "BEGIN; SELECT pg_advisory_xact_lock(1, id) FROM unit"));
    pthread_create(&w.thread, NULL, send_waiting, &w);
    WAIT_UNTIL(other, "EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted)");
    OK(db_exec(other, "UPDATE collect_item SET active = false WHERE slot = 200;"
                      "UPDATE unit SET config_version = config_version + 1; COMMIT"));
    pthread_join(w.thread, NULL);
    ck_assert_msg(w.answer.code == 2, "%d %s", w.answer.code, w.answer.message);
    ck_assert_int_eq(w.answer.received, 2);
    ck_assert_int_eq(w.answer.stored, 1);
    ck_assert_int_eq(w.answer.rejected, 1);
    ck_assert_uint_eq(w.answer.findings.count, 1);
    ck_assert(has_finding(&w.answer, 3101, 4));
    COUNT_IS(&b, 1, "SELECT count(*) FROM reading_frame");
    COUNT_IS(&b, 1, "SELECT count(*) FROM receipt");
    db_close(&other);
    close_bench(&b);
}
END_TEST

/* ---- a connection lost between COMMIT and its answer ---- */

struct committing {
    pthread_t thread;
    atomic_bool done;
    struct waiting w;
};

static void *send_committing(void *arg)
{
    struct committing *c = arg;
    send_waiting(&c->w);
    atomic_store(&c->done, true);
    return NULL;
}

/* false: the commit was over without waiting. */
static bool waits_for_standby(struct committing *c, struct db *other)
{
    while (!atomic_load(&c->done)) {
        if (NUMBER(other, "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'") > 0)
            return true;
        OK(db_exec(other, "SELECT pg_sleep(0.01)"));
    }
    return false;
}

/* One upload after another until one waits: a commit does when PostgreSQL's checkpointer has read the setting, which no
 * session can see. Gives how many there were. */
static int commit_until_one_waits(struct committing *c, struct bench *b, struct db *other)
{
    for (int n = 1;; n++) {
        char date[32], id[16];
        ck_assert_msg(n < 2000, "no commit waits");
        snprintf(date, sizeof date, "2024-03-%02d %02d:%02d:00", 1 + n / 96, n / 4 % 24, n % 4 * 15);
        snprintf(id, sizeof id, "m%d", n);
        atomic_store(&c->done, false);
        c->w = (struct waiting){.bench = b,
                                .id = arena_strdup(b->arena, id),
                                .xml = document(b->arena, record(b->arena, 0, date, "2", ""))};
        pthread_create(&c->thread, NULL, send_committing, c);
        if (waits_for_standby(c, other))
            return n;
        pthread_join(c->thread, NULL);
    }
}

START_TEST(a_commit_whose_answer_was_lost_is_found_again_and_is_no_duplicate)
{
    struct bench b = open_bench();
    struct upload_answer a;
    upload(&b, "m0", document(b.arena, record(b.arena, 0, "2024-03-01 00:00:00", "1", "")), &a);
    struct db *other = open_db(); /* a COMMIT waits for a standby that never comes, when it has long committed here */
    OK(db_exec(b.db, "SET synchronous_commit = on"));
    OK(db_exec(other, "ALTER SYSTEM SET synchronous_standby_names = 'nobody'"));
    OK(db_exec(other, "SELECT pg_reload_conf()"));
    struct committing c;
    int uploads = commit_until_one_waits(&c, &b, other);
    OK(db_exec(other, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"));
    pthread_join(c.thread, NULL);
    OK(db_exec(other, "ALTER SYSTEM RESET synchronous_standby_names"));
    OK(db_exec(other, "SELECT pg_reload_conf()"));
    ck_assert_msg(c.w.answer.code == 0, "%d %s", c.w.answer.code, c.w.answer.message);
    ck_assert(!c.w.answer.duplicate);
    ck_assert_int_eq(c.w.answer.stored, 1);
    COUNT_IS(&b, 1 + uploads, "SELECT count(*) FROM receipt");
    db_close(&other);
    close_bench(&b);
}
END_TEST

/* ---- two connections ---- */

struct sender {
    pthread_t thread;
    const char *id;
    int first;
    struct upload_answer last;
    int stored, duplicates;
};

static void *send_twenty(void *arg)
{
    struct sender *s = arg;
    struct bench b = open_bench();
    for (int i = 0; i < 20; i++) {
        char date[32], id[32];
        int k = s->first ? 19 - i : i; /* opposite orders */
        snprintf(date, sizeof date, "2024-03-%02d 00:00:00", 1 + k);
        snprintf(id, sizeof id, "%s%d", s->id ? s->id : "", k);
        upload(&b, id, document(b.arena, record(b.arena, s->id ? 0 : s->first, date, "1", "")), &s->last);
        ck_assert_msg(s->last.code == 0, "%s", s->last.message);
        s->stored += s->last.stored;
        s->duplicates += s->last.duplicate;
    }
    close_bench(&b);
    return NULL;
}

START_TEST(the_same_uploads_at_once_from_two_connections_are_stored_once)
{
    struct sender s[2] = {{.id = "same", .first = 0}, {.id = "same", .first = 1}};
    for (int i = 0; i < 2; i++)
        pthread_create(&s[i].thread, NULL, send_twenty, &s[i]);
    for (int i = 0; i < 2; i++)
        pthread_join(s[i].thread, NULL);
    struct bench b = open_bench();
    ck_assert_int_eq(s[0].duplicates + s[1].duplicates, 20);
    COUNT_IS(&b, 20, "SELECT count(*) FROM receipt");
    COUNT_IS(&b, 20, "SELECT sum(stored)::bigint FROM upload");
    roll(&b);
    check_clean(&b);
    close_bench(&b);
}
END_TEST

START_TEST(what_was_accepted_keeps_its_answer_after_a_suspension)
{
    struct bench b = open_bench();
    struct upload_answer first, again;
    char *xml = document(b.arena, record(b.arena, 0, "2024-03-01 00:00:00", "1.5", ""));
    upload(&b, "m1", xml, &first);
    ck_assert_int_eq(first.code, 0);
    OK(db_exec(b.db, "UPDATE unit SET state = 'suspended'"));
    OK(registry_reload_unit(b.registry, b.db, CODE));
    upload(&b, "m1", xml, &again);
    ck_assert_int_eq(again.code, 0);
    ck_assert(again.duplicate);
    ck_assert_str_eq(again.upload_id, first.upload_id);
    ck_assert_int_eq(again.stored, 1);
    upload(&b, "m2", xml, &again);
    ck_assert_int_eq(again.code, 1104);
    COUNT_IS(&b, 1, "SELECT count(*) FROM upload");
    close_bench(&b);
}
END_TEST

/* A session looks at five plans of its own; a sixth means that it will look for one at every upload. */
START_TEST(no_statement_is_planned_for_every_upload)
{
    struct bench b = open_bench();
    for (int i = 0; i < 12; i++) {
        struct upload_answer a;
        const char *date = arena_printf(b.arena, "2024-03-%02d 10:00:00", i + 1);
        upload(&b, arena_printf(b.arena, "m%d", i), document(b.arena, record(b.arena, 0, date, "1.5", "")), &a);
        ck_assert_int_eq(a.code, 0);
        roll(&b);
    }
    COUNT_IS(&b, 12, "SELECT count(*) FROM reading_frame");
    COUNT_IS(&b, 1,
             "SELECT count(*) FROM pg_prepared_statements WHERE name LIKE 'upload.versi%' AND generic_plans > 0");
    COUNT_IS(&b, 0, "SELECT count(*) FROM pg_prepared_statements WHERE name LIKE 'upload.%' AND custom_plans > 5");
    close_bench(&b);
}
END_TEST

DBTEST_MAIN("ingest", before, an_upload_is_stored_once_and_a_replay_gets_the_first_answer,
            the_same_message_id_with_other_content_is_2107, corrections_by_value_and_validity_are_logged_and_rolled_up,
            registers_are_recomputed_around_late_readings_gaps_and_resets,
            a_late_reading_changes_exactly_the_periods_it_touches, a_corrected_unit_changes_what_the_past_comes_to,
            reported_values_stay_apart, repair_puts_right_what_verify_finds,
            registers_running_backwards_are_suspect_but_count,
            jumps_and_stuck_values_are_flagged_where_thresholds_are_set, process_parts_beyond_the_plant_are_suspect,
            reported_values_far_from_computed_ones_are_warned_about,
            a_register_is_held_against_its_own_last_reading_among_those_of_a_shorter_period,
            an_invalid_reading_hides_no_former_one, distant_times_in_one_message_each_have_their_own_past,
            blocks_of_one_enterprise_see_each_other, reported_values_are_compared_with_what_the_same_upload_stores,
            a_day_that_is_not_over_is_not_compared, late_readings_are_held_against_the_value_reported_before_them,
            late_readings_are_held_against_months_and_years_as_well,
            a_register_s_correction_is_held_against_the_day_of_the_next_reading,
            a_mean_s_day_is_compared_as_a_mean_and_a_running_day_with_nothing,
            a_register_s_stored_neighbour_is_judged_again,
            jumps_and_stuck_values_around_a_late_reading_are_judged_again,
            readings_are_judged_by_the_configuration_in_force_when_they_are_stored,
            a_commit_whose_answer_was_lost_is_found_again_and_is_no_duplicate,
            the_same_uploads_at_once_from_two_connections_are_stored_once,
            what_was_accepted_keeps_its_answer_after_a_suspension, no_statement_is_planned_for_every_upload)
