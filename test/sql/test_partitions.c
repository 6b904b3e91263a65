/* Partitions: ahead for the present, on demand for history, edges in the platform's zone, no waiting writers. */
#include "dbtest.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "db/migrate.h"

#define FRAME(ts) "INSERT INTO reading_frame VALUES (1, 0, '" ts "', ARRAY[1])"

START_TEST(a_migrated_database_takes_the_present_and_three_months_ahead)
{
    struct db *db = open_db();
    OK(db_exec(db, "INSERT INTO reading_frame SELECT 1, 0, now() + m * interval '1 month', ARRAY[1]"
                   " FROM generate_series(-2, 3) m"));
    OK(db_exec(db, "INSERT INTO rollup_day SELECT 1, 0, now() + m * interval '1 month', ARRAY[1], ARRAY[1], ARRAY[1],"
                   " ARRAY[1] FROM generate_series(-2, 3) m"));
    OK(db_exec(db, "INSERT INTO audit_log (actor, action) VALUES ('a', 'b')"));
    db_close(&db);
}
END_TEST

START_TEST(a_row_without_partition_is_23514_until_the_partition_is_made)
{
    struct db *db = open_db();
    ck_assert(!result_ok(db_exec(db, FRAME("2010-05-17 12:00:00+08"))));
    ck_assert_str_eq(db_sqlstate(db), "23514");
    ck_assert_int_eq(NUMBER(db, "SELECT partition_ensure('reading', '2010-05-17 12:00:00+08')"), 5);
    OK(db_exec(db, FRAME("2010-05-17 12:00:00+08")));
    OK(db_exec(db, "INSERT INTO rollup_hour VALUES (1, 0, '2010-05-17 12:00+08', '{1}', '{1}', '{1}', '{1}')"));
    OK(db_exec(db, "INSERT INTO rollup_day VALUES (1, 0, '2010-12-31 00:00+08', '{1}', '{1}', '{1}', '{1}')"));
    OK(db_exec(db, "INSERT INTO reported_frame VALUES (1, 0, 1, '2010-01-01 00:00+08', '{1}')"));
    ck_assert_int_eq(NUMBER(db, "SELECT partition_ensure('reading', '2010-05-01 00:00:00+08')"), 0);
    ck_assert_int_eq(NUMBER(db, "SELECT partition_ensure('reading', '2010-06-01 00:00:00+08')"), 2);
    db_close(&db);
}
END_TEST

START_TEST(months_begin_at_midnight_of_the_platform)
{
    struct db *db = open_db();
    OK(db_exec(db, "SELECT partition_ensure('reading', '2011-01-31 23:59:59.999999+08')"));
    OK(db_exec(db, FRAME("2011-01-31 23:59:59.999999+08")));
    ck_assert(!result_ok(db_exec(db, FRAME("2011-02-01 00:00:00+08"))));
    OK(db_exec(db, FRAME("2011-01-01 00:00:00+08")));
    ck_assert(!result_ok(db_exec(db, FRAME("2010-12-31 23:59:59.999999+08"))));
    ck_assert_int_eq(NUMBER(db, "SELECT count(*) FROM reading_frame_201101"), 2);
    db_close(&db);
}
END_TEST

START_TEST(receipt_tables_have_their_months)
{
    struct db *db = open_db();
    ck_assert_int_eq(NUMBER(db, "SELECT partition_ensure('receipt', '2012-03-15')"), 6);
    OK(db_exec(db, "INSERT INTO upload_refused VALUES ('2012-03-31 23:00+08', 's', 'p', 'o', 'm', 'd', 1104, 'x')"));
    OK(db_exec(db, "INSERT INTO correction VALUES (1, 1, '2012-03-01', 0, 0, 0, '2012-03-01', 1, 0, 2, 0)"));
    db_close(&db);
}
END_TEST

START_TEST(a_partition_has_the_keys_of_its_parent)
{
    struct db *db = open_db();
    OK(db_exec(db, "SELECT partition_ensure('reading', '2013-01-01'), partition_ensure('receipt', '2013-01-01')"));
    OK(db_exec(db, FRAME("2013-01-05")));
    ck_assert_int_eq(db_exec(db, FRAME("2013-01-05")).kind, ERR_CONFLICT);
    /* every index of a parent is complete, so each partition has its own attached to it */
    ck_assert_int_eq(NUMBER(db, "SELECT count(*) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid"
                                " WHERE c.relkind = 'I' AND NOT i.indisvalid"),
                     0);
    ck_assert_int_eq(NUMBER(db, "SELECT count(*) FROM pg_partitioned_table WHERE partdefid <> 0"), 0);
    db_close(&db);
}
END_TEST

/* Of the parents, of partitions that a step found and of those made since: frames, rollups, payloads. */
#define GATHERED                                                                                                       \
    "SELECT count(*) FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid WHERE c.relkind IN ('r', 'p') "         \
    "AND c.relnamespace = 'public'::regnamespace AND a.attnum > 0 AND NOT a.attisdropped AND a.attstattarget <> 0 "    \
    "AND c.relname ~ '^(reading_frame|reported_frame|rollup_(hour|day|month|year)|upload_payload)' "                   \
    "AND (format_type(a.atttypid, NULL) LIKE '%[]' OR a.atttypid = 'bytea'::regtype)"

START_TEST(no_statistics_are_gathered_of_arrays_and_payloads)
{
    struct db *db = open_db();
    OK(db_exec(db, "SELECT partition_ensure('reading', '2009-01-01'), partition_ensure('receipt', '2009-01-01')"));
    ck_assert_int_eq(NUMBER(db, GATHERED), 0);
    OK(db_exec(db, "INSERT INTO reading_frame SELECT u, 0, '2009-01-05', ARRAY[1] FROM generate_series(1, 10) u"));
    OK(db_exec(db, "ANALYZE reading_frame_200901"));
    ck_assert_int_eq(NUMBER(db, "SELECT count(*) FROM pg_stats WHERE tablename = 'reading_frame_200901'"
                                " AND attname IN ('value', 'flag')"),
                     0);
    ck_assert_int_eq(NUMBER(db, "SELECT count(*) FROM pg_stats WHERE tablename = 'reading_frame_200901'"
                                " AND attname IN ('unit_id', 'page', 'ts')"),
                     3);
    db_close(&db);
}
END_TEST

START_TEST(a_writer_in_the_midst_of_a_transaction_does_not_hold_up_a_new_partition)
{
    struct db *writer = open_db(), *db = open_db();
    OK(db_exec(db, "SELECT partition_ensure('reading', '2014-01-01')"));
    OK(db_begin(writer));
    OK(db_exec(writer, FRAME("2014-01-05")));
    OK(db_exec(db, "SET lock_timeout = '3s'"));
    OK(db_exec(db, "SELECT partition_ensure('reading', '2014-02-01')"));
    OK(db_exec(db, FRAME("2014-02-05")));
    OK(db_commit(writer));
    db_close(&writer);
    db_close(&db);
}
END_TEST

static void *ensure_years(void *arg)
{
    struct db *db = open_db();
    *(bool *)arg = result_ok(db_exec(db, "SELECT partition_ensure('reading', m) FROM"
                                         " generate_series(timestamptz '2015-01-01', '2015-12-01', '1 month') m"));
    db_close(&db);
    return NULL;
}

START_TEST(the_same_partitions_can_be_wanted_at_the_same_time)
{
    pthread_t threads[4];
    bool ok[4] = {false};
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, ensure_years, &ok[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        ck_assert(ok[i]);
    }
    struct db *db = open_db();
    ck_assert_int_eq(NUMBER(db, "SELECT count(*) FROM pg_class WHERE relname LIKE 'reading\\_frame\\_2015__'"), 12);
    db_close(&db);
}
END_TEST

static void before(void)
{
    log_set_level(LOG_ERROR);
    struct db *db = open_db_with("", 0, false);
    OK(db_migrate(db, NULL, NULL));
    db_close(&db);
}

DBTEST_MAIN_ONCE("partitions", before, a_migrated_database_takes_the_present_and_three_months_ahead,
                 a_row_without_partition_is_23514_until_the_partition_is_made, months_begin_at_midnight_of_the_platform,
                 receipt_tables_have_their_months, a_partition_has_the_keys_of_its_parent,
                 no_statistics_are_gathered_of_arrays_and_payloads,
                 a_writer_in_the_midst_of_a_transaction_does_not_hold_up_a_new_partition,
                 the_same_partitions_can_be_wanted_at_the_same_time)
