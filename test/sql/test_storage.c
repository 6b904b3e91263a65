/* Storage housekeeping against a real PostgreSQL: what is dropped, what must stay, and that what readings added up to
 * stays exact when they are gone. */
#include "dbtest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/retention.h"
#include "base/caltime.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "db/migrate.h"
#include "rollup/rollup.h"

#define DAY_MS INT64_C(86400000)

static const struct retention KEEP = {.raw_ms = 60 * DAY_MS, .payload_ms = 60 * DAY_MS, .audit_ms = 200 * DAY_MS};

static int64_t instant(const char *text)
{
    int64_t us;
    ck_assert_msg(caltime_parse(text, strlen(text), &us), "%s", text);
    return us;
}

/* Unit 1 with a quantity in slot 0 and a register in slot 1, read every hour from January to March 2026; it is 15
 * April. */
static void fresh(void)
{
    log_set_level(LOG_ERROR);
    OK(caltime_set_zone("Asia/Shanghai"));
    clock_set_fake(instant("2026-04-15 12:00:00"));
    struct db *db = open_db();
    OK(db_exec(db, "DROP SCHEMA public CASCADE; CREATE SCHEMA public"));
    OK(db_migrate(db, NULL, NULL));
    OK(db_exec(db, "INSERT INTO setting (key, value) SELECT 'token_key' || g, 'c0ffee' FROM generate_series(0, 50) g"));
    OK(db_exec(db, "INSERT INTO unit (id, code, name, region_code, state, next_slot) VALUES"
                   " (1, '91420100000000001A', '钢铁', '420100', 'trial', 2);"
                   "INSERT INTO collect_item (unit_id, slot, data_code, stat_type, name, aggregation, period, scope,"
                   " input_type, config_version) VALUES (1, 0, '0000000002330010', 0, '用电量', 0, 3600, 1, 4, 1),"
                   " (1, 1, '0000000002330011', 0, '电表', 2, 3600, 1, 4, 1);"
                   "SELECT partition_ensure(k, m) FROM unnest(ARRAY['reading', 'receipt']) k,"
                   " generate_series(timestamptz '2026-01-01', '2026-05-01', '1 month') m;"
                   "DELETE FROM setting WHERE key LIKE 'made:%'")); /* as if they had been made ahead */
    db_close(&db);
}

/* n hours from a time on: 1 of the quantity each; the register goes on by 2 an hour since 2026. */
static void readings(struct db *db, const char *from, int n)
{
    char sql[512];
    snprintf(sql, sizeof sql,
             "WITH f AS (INSERT INTO reading_frame (unit_id, page, ts, value) SELECT 1, 0, ts, ARRAY[1000000,"
             " (2000000 * extract(epoch FROM ts - timestamptz '2026-01-01') / 3600)::bigint] FROM"
             " generate_series(0, %d) h, LATERAL (SELECT timestamptz '%s' + h * interval '1 hour') t (ts)"
             " RETURNING unit_id, ts) INSERT INTO rollup_mark (unit_id, hour) SELECT unit_id, ts FROM f",
             n - 1, from);
    OK(db_exec(db, sql));
}

static void roll_up(struct db *db)
{
    struct registry *registry;
    bool left = true;
    OK(registry_open(db, &registry));
    while (left) {
        OK(rollup_slice(db, registry, 1, 2000, &left));
    }
    registry_close(&registry);
}

static int64_t verify(struct db *db)
{
    struct registry *registry;
    struct buf report = BUF_INIT;
    int64_t differences = -1;
    OK(registry_open(db, &registry));
    OK(rollup_verify(db, registry, 1, instant("2026-01-01 00:00:00"), instant("2027-01-01 00:00:00"), NULL, &report,
                     &differences));
    registry_close(&registry);
    buf_free(&report);
    return differences;
}

struct told {
    int count, held;
    char text[1024];
};

static void note(const struct retention_step *step, void *arg)
{
    struct told *t = arg;
    t->count++;
    t->held += *step->held != '\0';
    size_t len = strlen(t->text);
    snprintf(t->text + len, sizeof t->text - len, "%s%s%s ", step->partition, *step->held ? ":" : "", step->held);
}

static struct told expire_after(struct db *db, const struct retention *keep, bool dry_run)
{
    struct told t = {0};
    OK(retention_run(db, keep, "operator:test", dry_run, note, &t));
    return t;
}

static struct told expire(struct db *db, bool dry_run)
{
    return expire_after(db, &KEEP, dry_run);
}

#define THERE(db, name) (NUMBER(db, "SELECT (to_regclass('" name "') IS NOT NULL)::integer") == 1)

START_TEST(partitions_are_dropped_whole_and_only_when_their_last_instant_is_past)
{
    struct db *db = open_db();
    struct told t = expire(db, false);
    ck_assert_str_eq(t.text, "reading_frame_202601 upload_finding_202601 upload_payload_202601 ");
    ck_assert(!THERE(db, "reading_frame_202601"));
    ck_assert(THERE(db, "reading_frame_202602"));
    ck_assert(THERE(db, "rollup_hour_202601"));
    ck_assert(THERE(db, "upload_202601"));
    ck_assert(THERE(db, "correction_202601"));
    ck_assert(THERE(db, "audit_log_202601"));
    ck_assert_int_eq(NUMBER(db, "SELECT count(*) FROM audit_log WHERE action = 'storage.expire'"
                                " AND actor = 'operator:test' AND object = 'reading_frame_202601'"),
                     1);
    ck_assert_int_eq(NUMBER(db, "SELECT (raw_from() = '2026-02-01 00:00:00+08')::integer"), 1);
    db_close(&db);
}
END_TEST

START_TEST(a_dry_run_tells_and_drops_nothing)
{
    struct db *db = open_db();
    struct told t = expire(db, true);
    ck_assert_int_eq(t.count, 3);
    ck_assert(THERE(db, "reading_frame_202601"));
    ck_assert_int_eq(NUMBER(db, "SELECT (raw_from() = '-infinity')::integer"), 1);
    db_close(&db);
}
END_TEST

START_TEST(readings_not_yet_rolled_up_stay_and_so_do_younger_ones)
{
    struct db *db = open_db();
    readings(db, "2026-01-20 00:00:00", 3);
    clock_set_fake(instant("2026-05-15 12:00:00"));
    struct told t = expire(db, false);
    ck_assert_ptr_nonnull(strstr(t.text, "reading_frame_202601:读数尚未汇总 / readings not rolled up yet "
                                         "reading_frame_202602:须待更早的分区 / after an"));
    ck_assert(THERE(db, "reading_frame_202601"));
    ck_assert(THERE(db, "reading_frame_202602"));
    roll_up(db);
    expire(db, false);
    ck_assert(!THERE(db, "reading_frame_202601"));
    ck_assert(!THERE(db, "reading_frame_202602"));
    db_close(&db);
}
END_TEST

#define FOUND(db, name) NUMBER(db, "SELECT found FROM storage_orphans('2000-01-01') WHERE name = '" name "'")

START_TEST(uploads_that_wait_to_be_forwarded_keep_their_payload)
{
    struct db *db = open_db();
    OK(db_exec(db, "INSERT INTO destination (name) VALUES ('upper');"
                   "INSERT INTO outbox (destination_id, unit_id, kind, sender_id, upload_id, received_at)"
                   " VALUES (1, 1, 0, 1, 7, '2026-01-10')"));
    struct told t = expire(db, false);
    ck_assert_int_eq(t.held, 1);
    ck_assert(THERE(db, "upload_payload_202601"));
    OK(db_exec(db, "INSERT INTO fep_message (destination_id, message_id, kind, state, digest)"
                   " VALUES (1, 'm', 0, 'parked', ''); UPDATE outbox SET message = 1"));
    expire(db, false);
    ck_assert(THERE(db, "upload_payload_202601")); /* the operator may send it again */
    OK(db_exec(db, "UPDATE fep_message SET state = 'sent'"));
    expire(db, false);
    ck_assert(!THERE(db, "upload_payload_202601"));
    db_close(&db);
}
END_TEST

START_TEST(a_destination_that_is_gone_keeps_no_payload)
{
    struct db *db = open_db();
    OK(db_exec(db, "INSERT INTO destination (name, active) VALUES ('upper', false);"
                   "INSERT INTO outbox (destination_id, unit_id, kind, sender_id, upload_id, received_at)"
                   " VALUES (1, 1, 0, 1, 7, '2026-01-10')"));
    expire(db, false);
    ck_assert(!THERE(db, "upload_payload_202601"));
    ck_assert_int_eq(FOUND(db, "outbox_without_payload"), 0);
    db_close(&db);
}
END_TEST

START_TEST(a_partition_in_use_is_left_for_the_next_time)
{
    struct db *db = open_db(), *reader = open_db();
    OK(db_begin(reader));
    OK(db_exec(reader, "SELECT count(*) FROM reading_frame_202601"));
    struct told t = expire(db, false);
    ck_assert_ptr_nonnull(strstr(t.text, "reading_frame_202601:正被使用 / in use"));
    ck_assert(!THERE(db, "upload_payload_202601")); /* what nobody uses went */
    db_rollback(reader);
    expire(db, false);
    ck_assert(!THERE(db, "reading_frame_202601"));
    db_close(&reader);
    db_close(&db);
}
END_TEST

START_TEST(rollups_stay_exact_when_readings_are_gone_registers_too)
{
    struct db *db = open_db();
    readings(db, "2026-01-30 00:00:00", 90); /* over the end of January */
    roll_up(db);
    ck_assert_int_eq(verify(db), 0);
    int64_t before = NUMBER(db, "SELECT sum(total[1] + total[2])::bigint FROM rollup_year");
    expire(db, false);
    ck_assert_int_eq(NUMBER(db, "SELECT count(*) FROM reading_frame WHERE ts < '2026-02-01'"), 0);
    ck_assert_int_eq(verify(db), 0);
    /* the first hour of February is computed again: its difference begins at a reading that is gone */
    OK(db_exec(db, "INSERT INTO rollup_mark (unit_id, hour) VALUES (1, '2026-02-01 00:00:00+08')"));
    roll_up(db);
    ck_assert_int_eq(NUMBER(db, "SELECT total[2] FROM rollup_hour WHERE ts = '2026-02-01 00:00:00+08'"), 2000000);
    ck_assert_int_eq(NUMBER(db, "SELECT sum(total[1] + total[2])::bigint FROM rollup_year"), before);
    ck_assert_int_eq(verify(db), 0);
    db_close(&db);
}
END_TEST

START_TEST(a_register_silent_since_before_the_expiry_goes_on_from_its_last_reading)
{
    struct db *db = open_db();
    readings(db, "2026-01-10 00:00:00", 2);
    roll_up(db);
    expire(db, false);
    readings(db, "2026-03-10 00:00:00", 1);
    roll_up(db);
    ck_assert_int_eq(NUMBER(db, "SELECT total[2] / 1000000 FROM rollup_hour WHERE ts = '2026-03-10 00:00:00+08'"),
                     2 * (59 * 24 - 1));
    ck_assert_int_eq(verify(db), 0);
    db_close(&db);
}
END_TEST

START_TEST(an_expiry_that_is_put_off_leaves_the_registers_as_they_were)
{
    struct db *db = open_db();
    readings(db, "2026-01-30 00:00:00", 29 * 24); /* to the end of February */
    roll_up(db);
    int64_t before = NUMBER(db, "SELECT sum(total[1] + total[2])::bigint FROM rollup_year");
    expire(db, false);
    ck_assert(!THERE(db, "reading_frame_202601"));
    OK(db_exec(db, "INSERT INTO rollup_mark (unit_id, hour) VALUES (1, '2026-02-01 00:00:00+08')"));
    clock_set_fake(instant("2026-05-15 12:00:00"));
    struct told t = expire(db, false);
    ck_assert_ptr_nonnull(strstr(t.text, "reading_frame_202602:读数尚未汇总 / readings not rolled up yet"));
    roll_up(db);
    ck_assert_int_eq(NUMBER(db, "SELECT total[2] FROM rollup_hour WHERE ts = '2026-02-01 00:00:00+08'"), 2000000);
    ck_assert_int_eq(NUMBER(db, "SELECT sum(total[1] + total[2])::bigint FROM rollup_year"), before);
    ck_assert_int_eq(verify(db), 0);
    db_close(&db);
}
END_TEST

/* Registers that were silent in January, beside frames of others: nothing is read for them. */
START_TEST(a_register_that_was_silent_in_a_month_costs_no_search_when_it_goes)
{
    struct db *db = open_db();
    readings(db, "2026-01-01 00:00:00", 31 * 24);
    OK(db_exec(db, "INSERT INTO collect_item (unit_id, slot, data_code, stat_type, name, aggregation, period, scope,"
                   " input_type, config_version) SELECT 1, s, lpad(s::text, 16, '0'), 0, '表', 2, 3600, 1, 4, 1"
                   " FROM generate_series(2, 127) s; UPDATE unit SET next_slot = 128"));
    roll_up(db);
    OK(db_exec(
        db, "SELECT pg_stat_reset(); SET stats_fetch_consistency = none;"
            "SELECT storage_keep_registers('reading_frame_202601', '2026-01-01'); SELECT pg_stat_force_next_flush()"));
    ck_assert_int_eq(NUMBER(db, "SELECT count(*) FROM register_base"), 1);
    ck_assert_int_lt(NUMBER(db, "SELECT idx_scan FROM pg_stat_user_tables WHERE relname = 'reading_frame_202601'"), 10);
    db_close(&db);
}
END_TEST

START_TEST(a_reading_for_a_time_that_is_over_is_stored_and_changes_no_rollup)
{
    struct db *db = open_db();
    readings(db, "2026-01-30 00:00:00", 90);
    roll_up(db);
    expire(db, false);
    int64_t before = NUMBER(db, "SELECT sum(total[1] + total[2])::bigint FROM rollup_year");
    OK(db_exec(db, "SELECT partition_ensure('reading', '2026-01-31')"));
    readings(db, "2026-01-31 23:00:00", 1); /* the very last hour, with a register that would be a base */
    OK(db_exec(db, "UPDATE reading_frame SET value = '{9000000,1}' WHERE ts = '2026-01-31 23:00:00+08';"
                   "INSERT INTO rollup_mark (unit_id, hour) VALUES (1, '2026-02-01 00:00:00+08')"));
    roll_up(db);
    ck_assert_int_eq(NUMBER(db, "SELECT count(*) FROM rollup_mark"), 0);
    ck_assert_int_eq(NUMBER(db, "SELECT sum(total[1] + total[2])::bigint FROM rollup_year"), before);
    ck_assert_int_eq(verify(db), 0);
    expire(db, false); /* the late reading goes with its partition; the remembered register does not change */
    ck_assert(!THERE(db, "reading_frame_202601"));
    ck_assert_int_eq(verify(db), 0);
    db_close(&db);
}
END_TEST

START_TEST(history_is_kept_as_long_as_live_readings_and_what_is_younger_waits)
{
    struct db *db = open_db();
    OK(db_exec(db, "SELECT partition_ensure('reading', '2016-02-29');"
                   "INSERT INTO setting (key, value) VALUES ('another', 'no instant')"));
    readings(db, "2016-02-29 00:00:00", 3);
    roll_up(db);
    struct told t = expire(db, false);
    ck_assert_str_eq(
        t.text,
        "reading_frame_201602:补传的历史保留更久，较新的须等待 / late history is kept longer and younger ones wait "
        "upload_finding_202601 upload_payload_202601 ");
    ck_assert(THERE(db, "reading_frame_201602"));
    readings(db, "2016-02-29 03:00:00", 2); /* the rest of the import changes exactly what it touches */
    roll_up(db);
    ck_assert_int_eq(NUMBER(db, "SELECT n[1] FROM rollup_year WHERE ts = '2016-01-01 00:00:00+08'"), 5);
    OK(db_exec(db, "UPDATE setting SET value = '2026-01-15 00:00:00+08' WHERE key = 'made:reading_frame_201602'"));
    t = expire(db, false);
    ck_assert_str_eq(t.text, "reading_frame_201602 reading_frame_202601 ");
    ck_assert_int_eq(NUMBER(db, "SELECT count(*) FROM setting WHERE key LIKE 'made:%'"), 0);
    OK(db_exec(db, "SELECT partition_ensure('reading', '2016-02-29')")); /* frozen: holds nothing up any more */
    t = expire(db, false);
    ck_assert_str_eq(t.text, "reading_frame_201602 ");
    db_close(&db);
}
END_TEST

START_TEST(nothing_expires_while_rollups_are_computed)
{
    struct db *db = open_db(), *other = open_db();
    OK(db_begin(other));
    OK(db_exec(other, "SELECT pg_advisory_xact_lock_shared(6, 0)"));
    struct told t = expire(db, false);
    ck_assert_ptr_nonnull(strstr(t.text, "reading_frame_202601:正被使用 / in use"));
    db_rollback(other);
    db_close(&other);
    db_close(&db);
}
END_TEST

START_TEST(what_has_expired_is_not_made_again_ahead_of_time)
{
    struct db *db = open_db();
    static const struct retention RELAY = {.raw_ms = DAY_MS, .payload_ms = DAY_MS, .audit_ms = 200 * DAY_MS};
    ck_assert_int_eq(expire_after(db, &RELAY, false).count, 9); /* January to March, three tables */
    ck_assert_int_eq(NUMBER(db, "SELECT partition_horizon('2026-04-15', 1)"), 0);
    struct told again = expire_after(db, &RELAY, false);
    ck_assert_msg(again.count == 0, "%s", again.text);
    ck_assert_int_gt(NUMBER(db, "SELECT partition_ensure('reading', '2026-03-15')"), 0); /* late readings */
    ck_assert(THERE(db, "reading_frame_202603"));
    db_close(&db);
}
END_TEST

START_TEST(what_does_not_belong_is_found)
{
    struct db *db = open_db();
    readings(db, "2026-03-01 00:00:00", 2);
    ck_assert_int_eq(NUMBER(db, "SELECT sum(found)::bigint FROM storage_orphans('2000-01-01')"), 0);
    OK(db_exec(db, "INSERT INTO destination (name) VALUES ('upper');"
                   "INSERT INTO outbox (destination_id, unit_id, kind, sender_id, upload_id, received_at)"
                   " VALUES (1, 1, 0, 1, 7, '2026-03-10');"
                   "INSERT INTO upload_payload (sender_id, upload_id, received_at, encoding, cipher, digest, content)"
                   " VALUES (1, 8, '2026-03-10', 0, 0, '', ''), (1, 9, '2026-03-11', 0, 0, '', '');"
                   "INSERT INTO receipt VALUES (1, gen_random_uuid(), 3, '2026-03-10', '');"
                   "UPDATE unit SET next_slot = 1;"
                   "INSERT INTO reading_frame VALUES (77, 0, '2026-03-10', '{1}', NULL)"));
    ck_assert_int_eq(FOUND(db, "outbox_without_payload"), 1);
    ck_assert_int_eq(FOUND(db, "payload_without_upload"), 2);
    ck_assert_int_eq(FOUND(db, "receipt_without_upload"), 1);
    ck_assert_int_eq(FOUND(db, "slot_out_of_range"), 1);
    ck_assert_int_eq(FOUND(db, "frames_of_unknown_unit"), 1);
    db_close(&db);
}
END_TEST

START_TEST(the_horizon_ends_at_the_first_gap)
{
    struct db *db = open_db();
    ck_assert_int_eq(NUMBER(db, "SELECT days_ahead FROM storage_horizon('2026-04-15') WHERE tbl = 'upload'"), 108);
    OK(db_exec(db, "DROP TABLE upload_202605"));
    ck_assert_int_eq(NUMBER(db, "SELECT days_ahead FROM storage_horizon('2026-04-15') WHERE tbl = 'upload'"), 16);
    OK(db_exec(db, "DROP TABLE upload_202604"));
    ck_assert_int_eq(NUMBER(db, "SELECT days_ahead FROM storage_horizon('2026-04-15') WHERE tbl = 'upload'"), 0);
    db_close(&db);
}
END_TEST

START_TEST(growth_is_what_the_partitions_of_the_last_month_hold)
{
    struct db *db = open_db();
    readings(db, "2026-03-01 00:00:00", 24 * 45);
    OK(db_exec(db, "ANALYZE"));
    int64_t bytes = NUMBER(db, "SELECT (pg_total_relation_size('reading_frame_202603') * 15 / 31"
                               " + pg_total_relation_size('reading_frame_202604')) / 30");
    int64_t told = NUMBER(db, "SELECT bytes_per_day FROM storage_tables('2026-04-16') WHERE tbl = 'reading_frame'");
    ck_assert_int_ge(told, bytes - 2);
    ck_assert_int_le(told, bytes + 2);
    ck_assert_int_eq(NUMBER(db, "SELECT (storage_bytes_per_reading() BETWEEN 20 AND 200)::integer"), 1);
    db_close(&db);
}
END_TEST

START_TEST(growth_of_a_young_platform_is_counted_by_its_own_days)
{
    struct db *db = open_db();
    readings(db, "2026-04-10 00:00:00", 24 * 5);
    roll_up(db);
    OK(db_exec(db, "INSERT INTO upload SELECT 1, g, timestamptz '2026-04-10' + g * interval '7 minutes', 1, '', 'm', 0,"
                   " 0, 1, 1, 0, 0, 0, 0 FROM generate_series(0, 1000) g; ANALYZE"));
#define OWN_DAYS(db)                                                                                                   \
    NUMBER(db, "SELECT count(*) FROM storage_tables('2026-04-15') s JOIN (VALUES ('upload', 'upload_202604'),"         \
               " ('reading_frame', 'reading_frame_202604'), ('rollup_day', 'rollup_day_2026')) v (tbl, part)"          \
               " USING (tbl) WHERE abs(bytes_per_day - pg_total_relation_size(part) / 5) < 2")
    ck_assert_int_eq(OWN_DAYS(db), 3);
    /* A history that was uploaded, too: readings are there of more than 30 days, uploads are not. */
    readings(db, "2026-01-02 00:00:00", 24);
    roll_up(db);
    ck_assert_int_eq(OWN_DAYS(db), 1);
    /* Of the first hours a day's growth is what came in them, not what a minute would grow to. */
    ck_assert_int_eq(NUMBER(db, "SELECT (bytes_per_day = (SELECT pg_total_relation_size('upload_202604')))::integer"
                                " FROM storage_tables('2026-04-10 01:00') WHERE tbl = 'upload'"),
                     1);
    db_close(&db);
}
END_TEST

START_TEST(the_forecast_knows_what_expires)
{
    struct db *db = open_db();
    readings(db, "2026-01-01 00:00:00", 24 * 104);
    OK(db_exec(db, "ANALYZE; CREATE VIEW grow AS SELECT sum(bytes_per_day) AS b, pg_total_relation_size("
                   "'reading_frame_202601') AS january FROM storage_tables('2026-04-15');"
                   "CREATE FUNCTION days(room numeric, raw integer) RETURNS bigint LANGUAGE sql AS $$ SELECT"
                   " storage_days_until_full('2026-04-15', room::bigint, raw * 86400000::bigint,"
                   " 36500 * 86400000::bigint, 36500 * 86400000::bigint) $$"));
    ck_assert_int_eq(NUMBER(db, "SELECT days(0, 9000)"), 0);
    ck_assert_int_eq(NUMBER(db, "SELECT days(25.5 * b, 9000) FROM grow"), 25);
    /* January goes on 1 May, 16 days from now: before that nothing changes, later there is its room */
    ck_assert_int_eq(NUMBER(db, "SELECT days(14.5 * b, 89) FROM grow"), 14);
    ck_assert_int_eq(NUMBER(db, "SELECT days(17.5 * b, 89) - floor(17.5 + january / b)::bigint FROM grow"), 0);
    /* In time all that is there now is gone, and readings stay as many as they are then. */
    ck_assert_int_gt(NUMBER(db, "SELECT days(120.5 * b, 89) FROM grow"), 130);
    /* What is due and still there has its reason, and is no room; nor is late history before its time. */
    ck_assert_int_eq(NUMBER(db, "SELECT days(9.5 * b, 60) FROM grow"), 9);
    OK(db_exec(db, "INSERT INTO setting VALUES ('made:reading_frame_202601', '2026-04-01 00:00:00+00')"));
    ck_assert_int_eq(NUMBER(db, "SELECT days(60.5 * b, 89) FROM grow"), 60);
    db_close(&db);
}
END_TEST

START_TEST(every_partition_made_has_settings_for_autovacuum)
{
    struct db *db = open_db();
    ck_assert_int_eq(NUMBER(db, "SELECT count(*) FROM storage_partitions() p JOIN pg_class c ON c.relname = p.part"
                                " WHERE coalesce(array_to_string(c.reloptions, ','), '') NOT LIKE '%autovacuum_%'"),
                     0);
    db_close(&db);
}
END_TEST

START_TEST(receipts_of_the_last_month_are_found_without_reading_all)
{
    struct db *db = open_db();
    OK(db_exec(
        db, "INSERT INTO receipt SELECT 1, gen_random_uuid(), g, '2026-01-01'::timestamptz + g * interval '1 minute',"
            " '' FROM generate_series(1, 100000) g; ANALYZE receipt; SET plan_cache_mode = force_generic_plan;"
            "CREATE FUNCTION plan() RETURNS text LANGUAGE plpgsql AS $$ DECLARE l text; p text := ''; BEGIN FOR l IN"
            " EXPLAIN SELECT count(*) FROM receipt WHERE received_at >= '2026-03-09' LOOP p := p || l; END LOOP;"
            " RETURN p; END $$"));
    ck_assert_int_eq(NUMBER(db, "SELECT (plan() LIKE '%receipt_0_received_at_idx%')::integer"), 1);
    db_close(&db);
}
END_TEST

/* The text of a step, to apply it again where what it repairs has been brought back. */
static void apply(struct db *db, const char *file)
{
    char path[512], text[8192];
    snprintf(path, sizeof path, "%s/sql/%s", getenv("NHJC_SOURCE_DIR"), file);
    FILE *f = fopen(path, "re");
    ck_assert_msg(f != NULL, "%s", path);
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    fclose(f);
    OK(db_exec(db, text));
}

START_TEST(partitions_made_by_an_upgrade_get_settings_for_autovacuum)
{
    struct db *db = open_db();
    OK(db_exec(db, "CREATE TABLE unit_energy_day_2015 PARTITION OF unit_energy_day FOR VALUES FROM ('2015-01-01 +8') TO"
                   " ('2016-01-01 +8')")); /* as step 0011 makes them beside those of rollup_day */
    apply(db, "0018_partition_settings.sql");
    ck_assert_int_eq(NUMBER(db,
                            "SELECT count(*) FROM storage_partitions() p JOIN pg_class c ON c.relname = p.part WHERE"
                            " array_to_string(c.reloptions, ', ') IS DISTINCT FROM (SELECT array_to_string("
                            "array_agg(replace(o, ' = ', '=') ORDER BY n), ', ') FROM regexp_split_to_table("
                            "partition_settings(p.tbl), ', *') WITH ORDINALITY x (o, n))"
                            " AND p.part = 'unit_energy_day_2015'"),
                     0);
    db_close(&db);
}
END_TEST

DBTEST_MAIN("storage", fresh, partitions_are_dropped_whole_and_only_when_their_last_instant_is_past,
            a_dry_run_tells_and_drops_nothing, readings_not_yet_rolled_up_stay_and_so_do_younger_ones,
            uploads_that_wait_to_be_forwarded_keep_their_payload, a_destination_that_is_gone_keeps_no_payload,
            a_partition_in_use_is_left_for_the_next_time, rollups_stay_exact_when_readings_are_gone_registers_too,
            a_register_silent_since_before_the_expiry_goes_on_from_its_last_reading,
            an_expiry_that_is_put_off_leaves_the_registers_as_they_were,
            a_register_that_was_silent_in_a_month_costs_no_search_when_it_goes,
            a_reading_for_a_time_that_is_over_is_stored_and_changes_no_rollup,
            history_is_kept_as_long_as_live_readings_and_what_is_younger_waits,
            nothing_expires_while_rollups_are_computed, what_has_expired_is_not_made_again_ahead_of_time,
            what_does_not_belong_is_found, the_horizon_ends_at_the_first_gap,
            growth_is_what_the_partitions_of_the_last_month_hold, growth_of_a_young_platform_is_counted_by_its_own_days,
            the_forecast_knows_what_expires, every_partition_made_has_settings_for_autovacuum,
            receipts_of_the_last_month_are_found_without_reading_all,
            partitions_made_by_an_upgrade_get_settings_for_autovacuum)
