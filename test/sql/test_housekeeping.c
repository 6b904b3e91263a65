/* server/admin against a real PostgreSQL: notices, lost connections, the audit log, partitions. */
#include "dbtest.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "admin/audit.h"
#include "admin/housekeeping.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "db/migrate.h"
#include "registry/registry.h"

#define PATIENCE_MS 20000

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

DBTEST_MAIN("housekeeping", fresh, a_notice_reloads_the_unit_it_names_and_no_other, an_empty_notice_reloads_everything,
            what_changed_while_nobody_listened_is_seen_after_the_connection_returns,
            refused_handshakes_are_written_with_what_is_known, entries_in_hand_at_the_end_are_written_before_it_ends,
            a_flood_of_refusals_neither_waits_nor_grows_without_bound,
            an_audit_row_makes_the_month_it_needs_unless_a_transaction_is_open,
            what_a_foreign_certificate_calls_itself_is_written_whatever_it_is,
            an_entry_the_database_refuses_is_given_up_and_keeps_nothing_waiting,
            a_job_that_times_out_keeps_no_later_job_waiting, a_stop_does_not_wait_for_a_long_job,
            a_job_that_fails_keeps_no_notice_waiting,
            partitions_past_their_retention_go_by_themselves_and_younger_ones_stay,
            partitions_are_made_as_far_ahead_as_asked_and_by_our_clock)
