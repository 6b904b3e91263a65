/* server/admin against a real PostgreSQL: notices, lost connections, the audit log, partitions. */
#include "dbtest.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "admin/alarm.h"
#include "admin/audit.h"
#include "admin/housekeeping.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "db/migrate.h"
#include "registry/registry.h"

#define PATIENCE_MS 60000

static void fresh(void)
{
    log_set_level(LOG_ERROR);
    struct db *db = open_db();
    OK(db_exec(db, "DROP SCHEMA public CASCADE; CREATE SCHEMA public"));
    OK(db_migrate(db, NULL, NULL));
    OK(db_exec(db, "INSERT INTO unit (code, name, region_code, state) SELECT 'U' || g, 'unit', '420100', 'accepted'"
                   " FROM generate_series(1, 3) g"));
    db_close(&db);
}

struct scene {
    struct db *db;
    struct registry *registry;
    struct housekeeping *h;
};

static struct scene begin(void)
{
    struct scene s = {.db = open_db()};
    OK(registry_open(s.db, &s.registry));
    struct housekeeping_config config = {.db = {.conninfo = "", .application = "nhjc-housekeeping"},
                                         .registry = s.registry,
                                         .partitions_ahead = 3,
                                         .outbox_keep_ms = 86400000,
                                         .keep = {.raw_ms = INT64_C(1830) * 86400000,
                                                  .payload_ms = INT64_C(1830) * 86400000,
                                                  .audit_ms = INT64_C(1830) * 86400000}};
    OK(housekeeping_start(&config, &s.h));
    return s;
}

static void end(struct scene *s)
{
    housekeeping_stop(&s->h);
    registry_close(&s->registry);
    db_close(&s->db);
}

static void ignore_line(const char *line, void *arg)
{
    (void)line, (void)arg;
}

static enum unit_state state_of(struct scene *s, const char *code)
{
    struct unit *u;
    OK(registry_unit(s->registry, NULL, code, &u));
    ck_assert_ptr_nonnull(u);
    enum unit_state state = u->state;
    unit_release(&u);
    return state;
}

/* Until the condition holds; the deadline only keeps a broken build from hanging. */
#define EVENTUALLY(condition)                                                                                          \
    do {                                                                                                               \
        int64_t deadline_ = clock_monotonic() + PATIENCE_MS * INT64_C(1000000);                                        \
        bool seen_ = false; /* once is enough: it may pass again */                                                    \
        while (!(seen_ = (condition)) && clock_monotonic() < deadline_) {                                              \
            usleep(5000);                                                                                              \
        }                                                                                                              \
        ck_assert_msg(seen_, "%s", #condition);                                                                        \
    } while (0)

#define LISTENERS                                                                                                      \
    "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'nhjc-housekeeping' AND state = 'idle'"

START_TEST(a_notice_reloads_the_unit_it_names_and_no_other)
{
    struct scene s = begin();
    EVENTUALLY(NUMBER(s.db, LISTENERS) == 1);
    /* every start reloads all, once: the second change is seen by its notice, so that is over by then */
    OK(db_exec(s.db, "UPDATE unit SET state = 'suspended' WHERE code = 'U2'; NOTIFY nhjc_registry, 'U2'"));
    EVENTUALLY(state_of(&s, "U2") == UNIT_SUSPENDED);
    OK(db_exec(s.db, "UPDATE unit SET state = 'accepted' WHERE code = 'U2'; NOTIFY nhjc_registry, 'U2'"));
    EVENTUALLY(state_of(&s, "U2") == UNIT_ACCEPTED);
    OK(db_exec(s.db, "UPDATE unit SET state = 'suspended'; NOTIFY nhjc_registry, 'U2'"));
    EVENTUALLY(state_of(&s, "U2") == UNIT_SUSPENDED);
    ck_assert_int_eq(state_of(&s, "U1"), UNIT_ACCEPTED);
    ck_assert_int_eq(state_of(&s, "U3"), UNIT_ACCEPTED);
    end(&s);
}
END_TEST

START_TEST(an_empty_notice_reloads_everything)
{
    struct scene s = begin();
    OK(db_exec(s.db, "UPDATE unit SET state = 'suspended'; NOTIFY nhjc_registry"));
    EVENTUALLY(state_of(&s, "U1") == UNIT_SUSPENDED && state_of(&s, "U3") == UNIT_SUSPENDED);
    end(&s);
}
END_TEST

START_TEST(what_changed_while_nobody_listened_is_seen_after_the_connection_returns)
{
    struct scene s = begin();
    EVENTUALLY(NUMBER(s.db, LISTENERS) == 1);
    OK(db_exec(s.db, "BEGIN; UPDATE unit SET state = 'suspended' WHERE code = 'U1';"
                     "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                     " WHERE application_name = 'nhjc-housekeeping'; COMMIT"));
    EVENTUALLY(state_of(&s, "U1") == UNIT_SUSPENDED);
    OK(db_exec(s.db, "UPDATE unit SET state = 'suspended' WHERE code = 'U2'; NOTIFY nhjc_registry, 'U2'"));
    EVENTUALLY(state_of(&s, "U2") == UNIT_SUSPENDED);
    end(&s);
}
END_TEST

START_TEST(refused_handshakes_are_written_with_what_is_known)
{
    struct scene s = begin();
    housekeeping_refused(1102, "certificate_expired", "203.0.113.7:51022", "UID=91420100,CN=钢厂", s.h);
    housekeeping_refused(1101, "certificate_required", "203.0.113.8:1", NULL, s.h);
    EVENTUALLY(NUMBER(s.db, "SELECT count(*) FROM audit_log") == 2);
    ck_assert_int_eq(NUMBER(s.db, "SELECT count(*) FROM audit_log WHERE action = 'tls.refused' AND code = 1102"
                                  " AND detail = 'certificate_expired' AND peer = '203.0.113.7:51022'"
                                  " AND actor = 'UID=91420100,CN=钢厂'"),
                     1);
    ck_assert_int_eq(NUMBER(s.db, "SELECT count(*) FROM audit_log WHERE code = 1101 AND actor = ''"), 1);
    end(&s);
}
END_TEST

START_TEST(entries_in_hand_at_the_end_are_written_before_it_ends)
{
    struct scene s = begin();
    for (int i = 0; i < 50; i++) {
        housekeeping_refused(1101, "unknown_ca", "203.0.113.7:1", "", s.h);
    }
    housekeeping_stop(&s.h);
    ck_assert_int_eq(NUMBER(s.db, "SELECT count(*) FROM audit_log"), 50);
    end(&s);
}
END_TEST

START_TEST(a_flood_of_refusals_neither_waits_nor_grows_without_bound)
{
    struct scene s = begin();
    EVENTUALLY(NUMBER(s.db, LISTENERS) == 1);
    OK(db_exec(s.db, "BEGIN; LOCK TABLE audit_log IN ACCESS EXCLUSIVE MODE"));
    for (int i = 0; i < 5000; i++) { /* one that waited for the table would wait for ever */
        housekeeping_refused(1101, "unknown_ca", "203.0.113.7:1", "", s.h);
    }
    OK(db_exec(s.db, "COMMIT"));
    housekeeping_stop(&s.h);
    int64_t written = NUMBER(s.db, "SELECT count(*) FROM audit_log");
    ck_assert_int_ge(written, 1024);
    ck_assert_int_lt(written, 5000);
    end(&s);
}
END_TEST

START_TEST(an_audit_row_makes_the_month_it_needs_unless_a_transaction_is_open)
{
    struct db *db = open_db();
    clock_set_offset(INT64_C(400) * 86400 * USEC_PER_SEC); /* beyond what was made ahead */
    OK(db_begin(db));
    struct result inside = audit_write(db, "operator:test", "", "test", "", 0, "");
    db_rollback(db);
    ck_assert_int_ne(inside.kind, ERR_NONE);
    OK(audit_write(db, "operator:test", "", "test", "", 0, ""));
    OK(db_begin(db));
    OK(audit_write(db, "operator:test", "", "test", "", 0, ""));
    OK(db_commit(db));
    ck_assert_int_eq(NUMBER(db, "SELECT count(*) FROM audit_log WHERE at > now() + interval '399 days'"), 2);
    clock_set_real();
    db_close(&db);
}
END_TEST

START_TEST(what_a_foreign_certificate_calls_itself_is_written_whatever_it_is)
{
    struct scene s = begin();
    char subject[400] = "CN="; /* characters of three bytes: a cut anywhere else than between two is no text */
    while (strlen(subject) < 390) {
        strcat(subject, "钢");
    }
    housekeeping_refused(1101, "unknown_ca", "203.0.113.7:1", subject, s.h);
    housekeeping_refused(1101, "unknown_ca", "203.0.113.8:1", "CN=\xb8\xd6", s.h);
    housekeeping_refused(1102, "certificate_expired", "203.0.113.9:1", "CN=U1", s.h);
    EVENTUALLY(NUMBER(s.db, "SELECT count(*) FROM audit_log") == 3);
    ck_assert_int_eq(NUMBER(s.db, "SELECT count(*) FROM audit_log WHERE actor = 'CN=' || repeat('钢', 84)"), 1);
    ck_assert_int_eq(NUMBER(s.db, "SELECT count(*) FROM audit_log WHERE actor ~ '^CN=[?]{2}$'"), 1);
    end(&s);
}
END_TEST

START_TEST(an_entry_the_database_refuses_is_given_up_and_keeps_nothing_waiting)
{
    struct db *db = open_db();
    OK(db_exec(db, "ALTER TABLE audit_log ADD CONSTRAINT none_of_these CHECK (code <> 1101)"));
    db_close(&db);
    log_capture(ignore_line, NULL);
    struct scene s = begin();
    housekeeping_refused(1101, "unknown_ca", "203.0.113.7:1", "CN=U1", s.h);
    housekeeping_refused(1102, "certificate_expired", "203.0.113.9:1", "CN=U1", s.h);
    EVENTUALLY(NUMBER(s.db, "SELECT count(*) FROM audit_log WHERE code = 1102") == 1);
    OK(db_exec(s.db, "UPDATE unit SET state = 'suspended' WHERE code = 'U2'; SELECT pg_notify('nhjc_registry', 'U2')"));
    EVENTUALLY(state_of(&s, "U2") == UNIT_SUSPENDED);
    end(&s);
    log_capture(NULL, NULL);
}
END_TEST

START_TEST(a_job_that_times_out_keeps_no_later_job_waiting)
{
    struct db *db = open_db();
    OK(db_exec(db,
               "SELECT partition_horizon(now(), 3), partition_ensure('reading', '2015-03-10');"
               "DELETE FROM setting WHERE key LIKE 'made:%';"
               "CREATE OR REPLACE FUNCTION partition_horizon(at timestamptz, ahead integer) RETURNS integer LANGUAGE"
               " plpgsql AS $$ BEGIN RAISE SQLSTATE '57014'; END $$"));
    db_close(&db);
    log_capture(ignore_line, NULL);
    struct scene s = begin();
    EVENTUALLY(NUMBER(s.db, "SELECT count(*) FROM audit_log WHERE action = 'storage.expire'"
                            " AND object = 'reading_frame_201503'") == 1);
    OK(db_exec(s.db, "UPDATE unit SET state = 'suspended' WHERE code = 'U2'; SELECT pg_notify('nhjc_registry', 'U2')"));
    EVENTUALLY(state_of(&s, "U2") == UNIT_SUSPENDED);
    end(&s);
    log_capture(NULL, NULL);
}
END_TEST

START_TEST(a_stop_does_not_wait_for_a_long_job)
{
    struct db *db = open_db();
    OK(db_exec(db,
               "SELECT partition_horizon(now(), 3);"
               "CREATE OR REPLACE FUNCTION partition_horizon(at timestamptz, ahead integer) RETURNS integer LANGUAGE"
               " plpgsql AS $$ BEGIN PERFORM pg_sleep(1000); RETURN 0; END $$"));
    db_close(&db);
    log_capture(ignore_line, NULL);
    struct scene s = begin();
    EVENTUALLY(NUMBER(s.db, "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'nhjc-housekeeping'"
                            " AND wait_event = 'PgSleep'") == 1);
    housekeeping_refused(1101, "unknown_ca", "203.0.113.7:1", "CN=U1", s.h);
    housekeeping_stop(&s.h); /* within the test's own limit */
    ck_assert_int_eq(NUMBER(s.db, "SELECT count(*) FROM audit_log"), 1);
    end(&s);
    log_capture(NULL, NULL);
}
END_TEST

START_TEST(a_job_that_fails_keeps_no_notice_waiting)
{
    struct db *db = open_db();
    OK(db_exec(db, "ALTER FUNCTION storage_due(text, timestamptz) RENAME TO storage_gone;"
                   "INSERT INTO setting (key, value) VALUES ('token_key', 'c0ffee')"));
    db_close(&db);
    log_capture(ignore_line, NULL);
    struct scene s = begin();
    OK(db_exec(s.db, "UPDATE unit SET state = 'suspended' WHERE code = 'U2'; SELECT pg_notify('nhjc_registry', 'U2')"));
    EVENTUALLY(state_of(&s, "U2") == UNIT_SUSPENDED);
    OK(db_exec(s.db, "UPDATE unit SET state = 'accepted' WHERE code = 'U2'; SELECT pg_notify('nhjc_registry', 'U2')"));
    EVENTUALLY(state_of(&s, "U2") == UNIT_ACCEPTED);
    end(&s);
    log_capture(NULL, NULL);
}
END_TEST

START_TEST(partitions_past_their_retention_go_by_themselves_and_younger_ones_stay)
{
    struct db *db = open_db();
    OK(db_exec(db, "SELECT partition_ensure('reading', '2015-03-10'), partition_ensure('reading', now());"
                   "DELETE FROM setting WHERE key LIKE 'made:%'")); /* as if it had been made ahead, in 2014 */
    db_close(&db);
    struct scene s = begin();
    EVENTUALLY(NUMBER(s.db, "SELECT count(*) FROM audit_log WHERE action = 'storage.expire' AND actor = 'nhjcd'"
                            " AND object = 'reading_frame_201503'") == 1);
    ck_assert_int_eq(NUMBER(s.db,
                            "SELECT (to_regclass('reading_frame_201503') IS NULL"
                            " AND to_regclass('rollup_hour_201503') IS NOT NULL"
                            " AND to_regclass('reading_frame_' || to_char(now(), 'YYYYMM')) IS NOT NULL)::integer"),
                     1);
    end(&s);
}
END_TEST

START_TEST(partitions_are_made_as_far_ahead_as_asked_and_by_our_clock)
{
    struct db *db = open_db();
    clock_set_offset(INT64_C(3650) * 86400 * USEC_PER_SEC);
    OK(housekeeping_partitions(db, 5));
    ck_assert_int_eq(NUMBER(db, "SELECT count(*) FROM generate_series(0, 5) m WHERE to_regclass('upload_' ||"
                                " to_char(now() + interval '3650 days' + m * interval '1 month', 'YYYYMM')) IS NULL"),
                     0);
    clock_set_real();
    db_close(&db);
}
END_TEST

static char heard[4096];
static pthread_mutex_t heard_lock = PTHREAD_MUTEX_INITIALIZER;

static void hear(const char *line, void *arg)
{
    (void)arg;
    pthread_mutex_lock(&heard_lock);
    size_t len = strlen(heard);
    snprintf(heard + len, sizeof heard - len, "%s\n", line);
    pthread_mutex_unlock(&heard_lock);
}

static long long figure(const char *metric)
{
    struct buf out = BUF_INIT;
    metrics_print(&out);
    const char *at = strstr(buf_str(&out), metric);
    ck_assert_msg(at != NULL, "%s", metric);
    long long value = strtoll(at + strlen(metric), NULL, 10);
    buf_free(&out);
    return value;
}

START_TEST(certificates_are_told_by_identity_and_a_renewed_one_is_not)
{
    struct db *db = open_db();
    OK(db_exec(db, "INSERT INTO certificate (fingerprint, identity, serial, issuer, not_after, revoked_at) VALUES"
                   " ('a', 'U1', '1', '', now() + interval '3.5 days', NULL),"
                   " ('b', 'U2', '2', '', now() + interval '29.5 days', NULL),"
                   " ('c', 'U3', '3', '', now() + interval '59.5 days', NULL),"
                   " ('d', 'RENEWED', '4', '', now() + interval '3.5 days', NULL),"
                   " ('e', 'RENEWED', '5', '', now() + interval '300 days', NULL),"
                   " ('f', 'REVOKED', '6', '', now() + interval '3.5 days', now()),"
                   " ('g', 'FAR', '7', '', now() + interval '61 days', NULL)"));
    OK(db_exec(db, "INSERT INTO certificate (fingerprint, identity, serial, issuer, not_after, device) VALUES"
                   " ('h', 'FAR', '8', '', now() + interval '5.5 days', 'gate 1'),"
                   " ('i', 'FAR', '9', '', now() + interval '90 days', 'gate 2'),"
                   " ('j', 'MOVED', '10', '', now() + interval '2.5 days', ''),"
                   " ('k', 'MOVED', '11', '', now() + interval '90 days', 'x');"
                   "INSERT INTO unit (code, name, region_code, industry_code, state, device_certificates)"
                   " VALUES ('MOVED', '', '420100', 'C31', 'accepted', true)"));
    log_capture(hear, NULL);
    log_set_level(LOG_WARN);
    OK(alarm_certificates(db));
    log_capture(NULL, NULL);
    ck_assert_ptr_nonnull(strstr(heard, "identity=\"U1\" days=3"));
    ck_assert_ptr_nonnull(strstr(heard, "identity=\"U2\" days=29"));
    ck_assert_ptr_nonnull(strstr(heard, "identity=\"U3\" days=59"));
    ck_assert_ptr_nonnull(strstr(heard, "identity=\"FAR\" days=5 device=\"gate 1\""));
    ck_assert_ptr_null(strstr(heard, "gate 2"));
    ck_assert_ptr_null(strstr(heard, "MOVED"));
    ck_assert_ptr_null(strstr(heard, "RENEWED"));
    ck_assert_ptr_null(strstr(heard, "REVOKED"));
    ck_assert_int_eq(figure("nhjc_certificates_expiring{days=\"60\"} "), 4);
    ck_assert_int_eq(figure("nhjc_certificates_expiring{days=\"30\"} "), 3);
    ck_assert_int_eq(figure("nhjc_certificates_expiring{days=\"7\"} "), 2);
    db_close(&db);
}
END_TEST

/* Whether partitions made ahead by one month, last on `made`, are an alarm on `day`. */
static bool alarm_on(struct db *db, int64_t made, int64_t day)
{
    heard[0] = '\0';
    clock_set_fake(made);
    OK(housekeeping_partitions(db, 1));
    clock_set_fake(day);
    log_capture(hear, NULL);
    OK(alarm_storage(db, 1));
    log_capture(NULL, NULL);
    clock_set_real();
    return strstr(heard, "partitions_end") != NULL;
}

START_TEST(a_month_ahead_is_enough_on_its_last_day_too)
{
    static const int64_t JANUARY_31 = INT64_C(1896062400) * USEC_PER_SEC; /* 2030-01-31 12:00 in China */
    struct db *db = open_db();
    ck_assert(!alarm_on(db, JANUARY_31, JANUARY_31));
    ck_assert(!alarm_on(db, JANUARY_31, JANUARY_31 + INT64_C(13) * 3600 * USEC_PER_SEC)); /* before that day's look */
    ck_assert(alarm_on(db, JANUARY_31, JANUARY_31 + INT64_C(2) * 86400 * USEC_PER_SEC));
    db_close(&db);
}
END_TEST

START_TEST(partitions_that_end_soon_are_an_alarm_and_the_disk_has_figures)
{
    struct db *db = open_db();
    log_capture(hear, NULL);
    OK(alarm_storage(db, 3));
    ck_assert_ptr_null(strstr(heard, "partitions_end"));
    OK(db_exec(db,
               "DO $$ DECLARE p text; BEGIN FOR p IN SELECT part FROM storage_partitions() WHERE tbl = 'correction' AND"
               " upper_ts > now() LOOP EXECUTE format('DROP TABLE %I', p); END LOOP; END $$"));
    OK(alarm_storage(db, 3));
    log_capture(NULL, NULL);
    ck_assert_ptr_nonnull(strstr(heard, "partitions_end"));
    ck_assert_int_lt(figure("\nnhjc_partition_days_ahead "), 32);
    ck_assert_int_gt(figure("\nnhjc_database_bytes "), 0);
    ck_assert_int_gt(figure("\nnhjc_database_disk_free_bytes "), 0); /* a superuser on the same machine */
    ck_assert_int_eq(figure("\nnhjc_archive_failing "), 0);
    db_close(&db);
}
END_TEST

START_TEST(partitioned_tables_get_statistics)
{
    struct scene s = begin();
    EVENTUALLY(NUMBER(s.db, "SELECT count(last_analyze) FROM pg_stat_user_tables t JOIN pg_class c ON c.oid = t.relid"
                            " WHERE c.relkind = 'p'") > 0);
    end(&s);
}
END_TEST

START_TEST(day_rows_of_a_past_month_are_packed_and_those_of_this_month_are_not)
{
    struct db *db = open_db();
    OK(db_exec(db,
               "INSERT INTO unit (code, name, region_code, state) SELECT 'U' || g, '', '420100', 'accepted'"
               " FROM generate_series(4, 40) g;"
               " SELECT partition_ensure('reading', m) FROM unnest(ARRAY[now(), now() - interval '2 months']) m;"
               " INSERT INTO rollup_day (unit_id, page, ts, total, vmin, vmax, n)"
               " SELECT u.id, 0, m + d * interval '1 day', t.v, t.v, t.v, array_fill(1, ARRAY[100])"
               " FROM unnest(ARRAY[date_trunc('month', now()), date_trunc('month', now()) - interval '2 months']) m,"
               " generate_series(0, 4) d, unit u, (SELECT array_fill(1::bigint, ARRAY[100]) AS v) t ORDER BY 3, 1"));
    db_close(&db);
    struct scene s = begin();
    EVENTUALLY(NUMBER(s.db, "SELECT count(*) FROM audit_log WHERE action = 'storage.pack' AND actor = 'nhjcd' AND"
                            " object = to_char(now() - interval '2 months', 'YYYY-MM')") == 1);
    ck_assert_int_eq(NUMBER(s.db, "SELECT sum(j.jumps) FROM unit u CROSS JOIN LATERAL storage_jumps(u.id,"
                                  " date_trunc('month', now()), 'infinity') j"),
                     4 * 40);
    ck_assert_int_lt(NUMBER(s.db, "SELECT sum(j.jumps) FROM unit u CROSS JOIN LATERAL storage_jumps(u.id, '-infinity',"
                                  " date_trunc('month', now())) j"),
                     40);
    end(&s);
}
END_TEST

START_TEST(no_upgrade_changes_the_tables_under_a_server)
{
    struct scene s = begin();
    EVENTUALLY(
        NUMBER(s.db, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = 4 AND objid = 1") == 1);
    OK(db_migrate(s.db, NULL, NULL)); /* nothing to change: nothing in the way */
    OK(db_exec(s.db, "DELETE FROM schema_replace WHERE name = '40_storage'"));
    ck_assert_int_eq(db_migrate(s.db, NULL, NULL).kind, ERR_CONFLICT);
    housekeeping_stop(&s.h);
    OK(db_migrate(s.db, NULL, NULL));
    end(&s);
}
END_TEST

DBTEST_MAIN("housekeeping", fresh, a_notice_reloads_the_unit_it_names_and_no_other, an_empty_notice_reloads_everything,
            what_changed_while_nobody_listened_is_seen_after_the_connection_returns,
            refused_handshakes_are_written_with_what_is_known, entries_in_hand_at_the_end_are_written_before_it_ends,
            a_flood_of_refusals_neither_waits_nor_grows_without_bound,
            an_audit_row_makes_the_month_it_needs_unless_a_transaction_is_open,
            what_a_foreign_certificate_calls_itself_is_written_whatever_it_is,
            an_entry_the_database_refuses_is_given_up_and_keeps_nothing_waiting,
            a_job_that_times_out_keeps_no_later_job_waiting, a_stop_does_not_wait_for_a_long_job,
            a_job_that_fails_keeps_no_notice_waiting, certificates_are_told_by_identity_and_a_renewed_one_is_not,
            a_month_ahead_is_enough_on_its_last_day_too, partitions_that_end_soon_are_an_alarm_and_the_disk_has_figures,
            partitioned_tables_get_statistics, day_rows_of_a_past_month_are_packed_and_those_of_this_month_are_not,
            no_upgrade_changes_the_tables_under_a_server,
            partitions_past_their_retention_go_by_themselves_and_younger_ones_stay,
            partitions_are_made_as_far_ahead_as_asked_and_by_our_clock)
