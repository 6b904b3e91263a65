/* Migration: the same schema however often and from wherever, history not edited, versions told apart. */
#include "dbtest.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"
#include "db/migrate.h"

static struct db *open_patient(const char *conninfo)
{
    return open_db_with(conninfo, 0, false);
}

/* The schema as pg_dump tells it; gives text. Newer versions of it add random \restrict keys: those lines are left out.
 */
static char *dump(const char *database)
{
    char command[200], line[4096];
    struct buf out = BUF_INIT;
    snprintf(command, sizeof command, "pg_dump --schema-only --no-owner -d %s", database);
    FILE *f = popen(command, "r");
    ck_assert_ptr_nonnull(f);
    while (fgets(line, sizeof line, f)) {
        if (!strstr(line, "restrict ")) {
            buf_append_str(&out, line);
        }
    }
    ck_assert_int_eq(pclose(f), 0);
    return (char *)buf_steal(&out, NULL);
}

static void count_line(const char *line, void *arg)
{
    ck_assert_uint_gt(strlen(line), 3);
    ++*(int *)arg;
}

static void assert_same_text(const char *a, const char *b)
{
    size_t same = 0;
    while (a[same] && a[same] == b[same]) {
        same++;
    }
    ck_assert_msg(a[same] == b[same], "differ at: %.200s", a + same);
}

START_TEST(a_database_migrated_twice_equals_a_fresh_one)
{
    struct db *admin = open_patient("");
    OK(db_exec(admin, "CREATE DATABASE once"));
    OK(db_exec(admin, "CREATE DATABASE twice"));
    struct db *db = open_patient("dbname=once"), *other = open_patient("dbname=twice");
    int lines = 0;
    OK(db_migrate(db, count_line, &lines));
    ck_assert_int_ge(lines, 4);
    OK(db_migrate(other, NULL, NULL));
    OK(db_migrate(other, NULL, NULL));
    char *once = dump("once"), *twice = dump("twice");
    ck_assert_uint_gt(strlen(once), 20000);
    assert_same_text(once, twice);
    ck_assert_int_eq(NUMBER(db, "SELECT count(*) FROM base_data"), NUMBER(other, "SELECT count(*) FROM base_data"));
    OK(db_check_version(db));
    OK(db_check_version(other));
    mem_free(once);
    mem_free(twice);
    db_close(&db);
    db_close(&other);
    OK(db_exec(admin, "DROP DATABASE once"));
    OK(db_exec(admin, "DROP DATABASE twice"));
    db_close(&admin);
}
END_TEST

START_TEST(a_second_migration_repeats_no_step)
{
    struct db *db = open_patient("");
    OK(db_migrate(db, NULL, NULL));
    OK(db_exec(db,
               "CREATE TABLE first_run AS SELECT * FROM schema_step; INSERT INTO unit (code, name, region_code, state)"
               " VALUES ('KEPT', 'n', '420000', 'trial')"));
    OK(db_migrate(db, NULL, NULL));
    ck_assert_int_eq(NUMBER(db, "SELECT count(*) FROM (TABLE schema_step EXCEPT TABLE first_run) x"), 0);
    ck_assert_int_ge(NUMBER(db, "SELECT count(*) FROM schema_step"), 2);
    ck_assert_int_eq(NUMBER(db, "SELECT count(*) FROM unit WHERE code = 'KEPT'"), 1);
    db_close(&db);
}
END_TEST

static void assert_refused(struct db *db, struct result r, const char *word)
{
    ck_assert_int_eq(r.kind, ERR_SENDER);
    ck_assert_msg(strstr(r.text, word) != NULL, "%s", r.text);
    ck_assert(!db_in_transaction(db));
}

START_TEST(an_empty_database_is_told_to_migrate)
{
    struct db *db = open_patient("");
    assert_refused(db, db_check_version(db), "db migrate");
    db_close(&db);
}
END_TEST

START_TEST(a_database_that_is_not_utf8_is_refused)
{
    struct db *admin = open_patient("");
    OK(db_exec(admin, "CREATE DATABASE ascii ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0"));
    struct db *db = open_patient("dbname=ascii");
    assert_refused(db, db_migrate(db, NULL, NULL), "SQL_ASCII");
    db_close(&db);
    OK(db_exec(admin, "DROP DATABASE ascii"));
    db_close(&admin);
}
END_TEST

START_TEST(an_older_database_is_told_to_migrate)
{
    struct db *db = open_patient("");
    OK(db_migrate(db, NULL, NULL));
    OK(db_exec(db, "UPDATE schema_replace SET digest = 'old' WHERE name = '20_energydata_view'"));
    assert_refused(db, db_check_version(db), "db migrate");
    OK(db_migrate(db, NULL, NULL));
    OK(db_check_version(db));
    OK(db_exec(db, "DELETE FROM schema_step WHERE number = 2"));
    assert_refused(db, db_check_version(db), "0002_base_data");
    db_close(&db);
}
END_TEST

START_TEST(a_newer_database_is_refused_by_check_and_by_migration)
{
    struct db *db = open_patient("");
    OK(db_migrate(db, NULL, NULL));
    OK(db_exec(db, "INSERT INTO schema_step (number, name, digest) VALUES (9999, '9999_future', 'x')"));
    assert_refused(db, db_check_version(db), "newer");
    assert_refused(db, db_migrate(db, NULL, NULL), "newer");
    db_close(&db);
}
END_TEST

START_TEST(an_edited_step_is_refused)
{
    struct db *db = open_patient("");
    OK(db_migrate(db, NULL, NULL));
    OK(db_exec(db, "UPDATE schema_step SET digest = 'edited' WHERE number = 1"));
    assert_refused(db, db_check_version(db), "0001_core");
    assert_refused(db, db_migrate(db, NULL, NULL), "0001_core");
    db_close(&db);
}
END_TEST

START_TEST(a_step_that_fails_leaves_nothing_and_names_itself)
{
    struct db *db = open_patient("");
    OK(db_exec(db, "CREATE TABLE setting (surprise integer)")); /* in the way of the first step, near its end */
    struct result r = db_migrate(db, NULL, NULL);
    ck_assert_int_eq(r.kind, ERR_INTERNAL);
    ck_assert_ptr_nonnull(strstr(r.text, "0001_core"));
    ck_assert_ptr_nonnull(strstr(r.text, "setting"));
    ck_assert(!db_in_transaction(db));
    ck_assert_int_eq(NUMBER(db, "SELECT count(*) FROM schema_step"), 0);
    ck_assert_int_eq(NUMBER(db, "SELECT count(*) FROM pg_class WHERE relname = 'unit'"), 0);
    OK(db_exec(db, "DROP TABLE setting"));
    OK(db_migrate(db, NULL, NULL));
    db_close(&db);
}
END_TEST

static void *migrate_once(void *arg)
{
    struct db *db = open_patient("");
    struct result r = db_migrate(db, NULL, NULL);
    *(bool *)arg = result_ok(r);
    db_close(&db);
    return NULL;
}

START_TEST(migrations_at_the_same_time_wait_for_each_other)
{
    pthread_t threads[3];
    bool ok[3] = {false};
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, migrate_once, &ok[i]), 0);
    }
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
        ck_assert(ok[i]);
    }
    struct db *db = open_patient("");
    OK(db_check_version(db));
    db_close(&db);
}
END_TEST

START_TEST(other_sessions_of_the_database_read_civil_times_of_the_platform)
{
    struct db *db = open_patient("");
    OK(db_migrate(db, NULL, NULL));
    FILE *f = popen("env -u PGTZ TZ=UTC psql -AtXc \"SELECT timestamptz '2026-01-01 00:00:00Z'\"", "r");
    char line[64] = "";
    ck_assert_ptr_nonnull(f);
    ck_assert_ptr_nonnull(fgets(line, sizeof line, f));
    ck_assert_int_eq(pclose(f), 0);
    ck_assert_str_eq(line, "2026-01-01 08:00:00+08\n");
    db_close(&db);
}
END_TEST

static void before(void)
{
    log_set_level(LOG_ERROR);
    struct db *db = open_patient("");
    OK(db_exec(db, "DROP SCHEMA public CASCADE; CREATE SCHEMA public"));
    db_close(&db);
}

DBTEST_MAIN("migrate", before, a_database_migrated_twice_equals_a_fresh_one, a_second_migration_repeats_no_step,
            an_empty_database_is_told_to_migrate, a_database_that_is_not_utf8_is_refused,
            an_older_database_is_told_to_migrate, a_newer_database_is_refused_by_check_and_by_migration,
            an_edited_step_is_refused, a_step_that_fails_leaves_nothing_and_names_itself,
            migrations_at_the_same_time_wait_for_each_other,
            other_sessions_of_the_database_read_civil_times_of_the_platform)
