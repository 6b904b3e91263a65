/* server/db against a real PostgreSQL: values, pipelines, errors, lost connections, COPY, notifications. */
#include "dbtest.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/caltime.h"
#include "base/log.h"
#include "base/mem.h"
#include "db/composite.h"

#define WIDE ((dec128)123456789012345678LL * 1000000000000000000LL + 42)

static struct db_params new_params(void)
{
    struct db_params p;
    db_params_init(&p);
    return p;
}

static void assert_same(dec128 a, dec128 b)
{
    ck_assert_msg(a == b, "%lld…%lld is not %lld…%lld", (long long)(a >> 64), (long long)a, (long long)(b >> 64),
                  (long long)b);
}

/* ---- values ---- */
START_TEST(every_bound_value_comes_back_as_it_went)
{
    struct db *db = open_db();
    struct db_params p = new_params();
    db_bind_bool(&p, true);
    db_bind_int2(&p, INT16_MIN);
    db_bind_int4(&p, INT32_MIN);
    db_bind_int8(&p, INT64_MIN);
    db_bind_text(&p, "煤炭 'quoted' \\ ");
    db_bind_bytea(&p, "\0\1\377", 3);
    db_bind_time(&p, INT64_C(1262275200000001));
    db_bind_date(&p, -1);
    db_bind_numeric(&p, -WIDE);
    db_bind_text_n(&p, "abcdef", 3);
    struct db_rows *r = ROWS(db, &p,
                             "SELECT $1::bool, $2::int2, $3::int4, $4::int8, $5::text, $6::bytea, $7::timestamptz,"
                             " $8::date, $9::numeric, $10::text");
    size_t n;
    ck_assert(db_get_bool(r, 0, 0));
    ck_assert_int_eq(db_get_int(r, 0, 1), INT16_MIN);
    ck_assert_int_eq(db_get_int(r, 0, 2), INT32_MIN);
    ck_assert_int_eq(db_get_int(r, 0, 3), INT64_MIN);
    ck_assert_str_eq(db_get_text(r, 0, 4), "煤炭 'quoted' \\ ");
    ck_assert_mem_eq(db_get_bytea(r, 0, 5, &n), "\0\1\377", 3);
    ck_assert_uint_eq(n, 3);
    ck_assert_int_eq(db_get_time(r, 0, 6), INT64_C(1262275200000001));
    ck_assert_int_eq(db_get_date(r, 0, 7), -1);
    assert_same(db_get_integer(r, 0, 8), -WIDE);
    ck_assert_str_eq(db_get_text(r, 0, 9), "abc");
    db_rows_free(&r);
    db_params_free(&p);
    db_close(&db);
}
END_TEST

START_TEST(null_is_null_for_every_type)
{
    struct db *db = open_db();
    struct db_params p = new_params();
    db_bind_text(&p, NULL);
    db_bind_bytea(&p, NULL, 0);
    db_bind_null(&p, OID_INT8);
    db_bind_null(&p, OID_INT8_ARRAY);
    db_bind_bytea(&p, "", 0);
    struct db_rows *r = ROWS(db, &p, "SELECT $1::text, $2::bytea, $3::int8, $4::int8[], $5::bytea");
    for (int col = 0; col < 4; col++) {
        ck_assert(db_is_null(r, 0, col));
    }
    ck_assert(!db_is_null(r, 0, 4));
    ck_assert_str_eq(db_get_text(r, 0, 0), "");
    ck_assert_int_eq(db_get_int(r, 0, 2), 0);
    db_rows_free(&r);
    db_params_free(&p);
    db_close(&db);
}
END_TEST

START_TEST(the_server_reads_times_and_dates_as_meant)
{
    struct db *db = open_db();
    struct db_params p = new_params();
    db_bind_time(&p, INT64_C(1262275200000000));
    db_bind_date(&p, 14610);
    struct db_rows *r = ROWS(db, &p, "SELECT $1::timestamptz::text, $2::date::text");
    ck_assert_str_eq(db_get_text(r, 0, 0), "2010-01-01 00:00:00+08");
    ck_assert_str_eq(db_get_text(r, 0, 1), "2010-01-01");
    db_rows_free(&r);
    db_params_free(&p);
    db_close(&db);
}
END_TEST

START_TEST(numeric_integers_keep_every_digit_both_ways)
{
    static const char *const texts[] = {"0",
                                        "1",
                                        "-1",
                                        "9999",
                                        "10000",
                                        "100000000",
                                        "-10001",
                                        "170141183460469231731687303715884105727",
                                        "99999999999999999999",
                                        "123400000000"};
    struct db *db = open_db();
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct db_params p = new_params();
        db_bind_text(&p, texts[i]);
        struct db_rows *r = ROWS(db, &p, "SELECT $1::text::numeric");
        db_params_reset(&p);
        db_bind_numeric(&p, db_get_integer(r, 0, 0));
        db_rows_free(&r);
        r = ROWS(db, &p, "SELECT $1::numeric::text");
        ck_assert_str_eq(db_get_text(r, 0, 0), texts[i]);
        db_rows_free(&r);
        db_params_free(&p);
    }
    db_close(&db);
}
END_TEST

START_TEST(decimals_are_scaled_and_rounded_half_to_even)
{
    static const struct {
        const char *text;
        int64_t scaled;
    } rows[] = {{"12.5", 12500000},
                {"0.0000005", 0},
                {"0.0000015", 2},
                {"0.0000025", 2},
                {"0.00000250000001", 3},
                {"-0.0000015", -2},
                {"-7.25", -7250000},
                {"0.000001", 1},
                {"1000000", 1000000000000},
                {"0.00000000000001", 0},
                {"99999.9999995", 100000000000},
                {"NaN", 0}};
    struct db *db = open_db();
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct db_params p = new_params();
        db_bind_text(&p, rows[i].text);
        struct db_rows *r = ROWS(db, &p, "SELECT $1::text::numeric");
        ck_assert_msg(db_get_numeric(r, 0, 0) == rows[i].scaled, "%s", rows[i].text);
        db_rows_free(&r);
        db_params_free(&p);
    }
    db_close(&db);
}
END_TEST

START_TEST(arrays_keep_values_nulls_and_emptiness)
{
    struct db *db = open_db();
    struct arena *a = arena_new(0);
    struct db_params p = new_params();
    const bool nulls[3] = {false, true, false};
    db_bind_int2_array(&p, (const int16_t[]){1, 2, -3}, nulls, 3);
    db_bind_int4_array(&p, (const int32_t[]){1, 2, INT32_MIN}, nulls, 3);
    db_bind_int8_array(&p, (const int64_t[]){1, 2, INT64_MAX}, NULL, 3);
    db_bind_int8_array(&p, NULL, NULL, 0);
    db_bind_text_array(&p, (const char *const[]){"电", "", "x,{}\""}, 3);
    db_bind_time_array(&p, (const int64_t[]){0, 1}, 2);
    struct db_rows *r = ROWS(db, &p,
                             "SELECT $1::int2[], $2::int4[], $3::int8[], $4::int8[], $5::text[],"
                             " ($6::timestamptz[])[2], '{1,NULL,170141183460469231731687303715884105727}'::numeric[]");
    int16_t *i2;
    int32_t *i4;
    int64_t *i8;
    dec128 *wide;
    const char **texts;
    bool *null;
    size_t n;
    db_get_int2_array(r, 0, 0, a, &i2, &null, &n);
    ck_assert(n == 3 && i2[0] == 1 && i2[2] == -3 && null[1] && !null[0]);
    db_get_int4_array(r, 0, 1, a, &i4, &null, &n);
    ck_assert(n == 3 && i4[2] == INT32_MIN && null[1] && !null[2]);
    db_get_int8_array(r, 0, 2, a, &i8, &null, &n);
    ck_assert(n == 3 && i8[1] == 2 && i8[2] == INT64_MAX && null == NULL);
    db_get_int8_array(r, 0, 3, a, &i8, &null, &n);
    ck_assert(n == 0 && !db_is_null(r, 0, 3));
    db_get_text_array(r, 0, 4, a, &texts, &n);
    ck_assert_uint_eq(n, 3);
    ck_assert_str_eq(texts[0], "电");
    ck_assert_str_eq(texts[1], "");
    ck_assert_str_eq(texts[2], "x,{}\"");
    ck_assert_int_eq(db_get_time(r, 0, 5), 1);
    db_get_integer_array(r, 0, 6, a, &wide, &null, &n);
    ck_assert(n == 3 && wide[0] == 1 && null[1]);
    assert_same(wide[2], (dec128)(((unsigned __int128)1 << 127) - 1));
    db_rows_free(&r);
    db_params_free(&p);
    arena_free(&a);
    db_close(&db);
}
END_TEST

START_TEST(composite_arrays_carry_rows_with_arrays_and_wide_totals)
{
    struct db *db = open_db();
    OK(db_exec(db, "CREATE TYPE thing AS (a int4, b int2, c timestamptz, d int8[], e numeric[], f text, g numeric,"
                   " h int2[], i int4[], j bytea, k int8)"));
    struct composite c = {0};
    const bool nulls[2] = {false, true};
    struct db_params p = new_params();
    OK(composite_begin(&c, db, "thing"));
    for (int row = 0; row < 3; row++) {
        composite_row(&c, 11);
        composite_int4(&c, row);
        composite_int2(&c, (int16_t)-row);
        composite_time(&c, 0);
        composite_int8_array(&c, (const int64_t[]){row, 7}, nulls, 2);
        composite_integer_array(&c, (const dec128[]){WIDE, 0}, nulls, 2);
        composite_text(&c, row == 2 ? NULL : "t");
        composite_numeric(&c, WIDE + row);
        composite_int2_array(&c, (const int16_t[]){1}, NULL, 1);
        composite_int4_array(&c, NULL, NULL, 0);
        composite_bytea(&c, "\0", 1);
        composite_null(&c, OID_INT8);
    }
    composite_bind(&c, &p);
    struct db_rows *r =
        ROWS(db, &p, "SELECT a, b, c, d, e[1], f, g, h, i, j, k FROM unnest($1::thing[]) ORDER BY a DESC");
    ck_assert_uint_eq(db_rows_count(r), 3);
    ck_assert_int_eq(db_get_int(r, 0, 0), 2);
    ck_assert_int_eq(db_get_int(r, 0, 1), -2);
    ck_assert_int_eq(db_get_time(r, 0, 2), 0);
    assert_same(db_get_integer(r, 0, 4), WIDE);
    ck_assert(db_is_null(r, 0, 5) && !db_is_null(r, 1, 5) && db_is_null(r, 0, 10));
    assert_same(db_get_integer(r, 0, 6), WIDE + 2);
    db_rows_free(&r);
    db_params_reset(&p);
    OK(composite_begin(&c, db, "thing"));
    composite_bind(&c, &p);
    r = ROWS(db, &p, "SELECT count(*) FROM unnest($1::thing[])");
    ck_assert_int_eq(db_get_int(r, 0, 0), 0);
    db_rows_free(&r);
    composite_free(&c);
    db_params_free(&p);
    db_close(&db);
}
END_TEST

START_TEST(a_type_that_does_not_exist_is_an_error_not_a_guess)
{
    struct db *db = open_db();
    uint32_t oid;
    ck_assert_int_eq(db_type_oid(db, "no_such_type", &oid).kind, ERR_INTERNAL);
    OK(db_type_oid(db, "int8", &oid));
    ck_assert_uint_eq(oid, OID_INT8);
    db_close(&db);
}
END_TEST

START_TEST(a_statement_keeps_the_types_of_its_first_use)
{
    static const struct db_stmt s = {"typed", "SELECT $1::int8"};
    struct db *db = open_db();
    struct db_params p = new_params();
    db_bind_int8(&p, 1);
    OK(db_query(db, &s, &p, NULL));
    db_params_reset(&p);
    db_bind_int4(&p, 1);
    ck_assert_int_eq(db_query(db, &s, &p, NULL).kind, ERR_INTERNAL);
    db_bind_int4(&p, 1);
    ck_assert_int_eq(db_query(db, &s, &p, NULL).kind, ERR_INTERNAL);
    db_params_free(&p);
    db_close(&db);
}
END_TEST

START_TEST(more_parameters_than_there_is_room_for_are_refused)
{
    static const struct db_stmt s = {"many", "SELECT 1"};
    struct db *db = open_db();
    struct db_params p = new_params();
    for (int i = 0; i < DB_MAX_PARAMS + 5; i++) {
        db_bind_int4(&p, i);
    }
    ck_assert_int_eq(db_query(db, &s, &p, NULL).kind, ERR_INTERNAL);
    db_params_free(&p);
    db_close(&db);
}
END_TEST

/* ---- session ---- */
static void assert_setting(struct db *db, const char *name, const char *value)
{
    struct db_params p = new_params();
    db_bind_text(&p, name);
    struct db_rows *r = ROWS(db, &p, "SELECT current_setting($1)");
    ck_assert_str_eq(db_get_text(r, 0, 0), value);
    db_rows_free(&r);
    db_params_free(&p);
}

START_TEST(the_session_is_set_whatever_the_connection_string_says)
{
    struct db *db = open_db_with("options='-c search_path=elsewhere -c timezone=UTC -c work_mem=5MB'"
                                 " application_name=other",
                                 1500, true);
    assert_setting(db, "search_path", "public");
    assert_setting(db, "TimeZone", caltime_zone());
    assert_setting(db, "work_mem", "5MB");
    assert_setting(db, "application_name", "nhjc-test");
    assert_setting(db, "statement_timeout", "1500ms");
    assert_setting(db, "lock_timeout", "10s");
    assert_setting(db, "idle_in_transaction_session_timeout", "1min");
    assert_setting(db, "default_transaction_read_only", "on");
    assert_setting(db, "client_encoding", "UTF8");
    db_close(&db);
}
END_TEST

/* A session for questions is read-only by our own setting, by which libpq must not judge the host. */
START_TEST(a_session_for_questions_is_chosen_by_the_host_and_not_by_itself)
{
    static const struct {
        const char *attrs;
        bool reads, found;
    } CASES[] = {{"read-write", true, true}, {"read-write", false, true},    {"primary", true, true},
                 {"any", true, true},        {"prefer-standby", true, true}, {"read-only", true, false},
                 {"standby", true, false}};
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        char *conninfo = mem_printf("target_session_attrs=%s", CASES[i].attrs);
        struct db_config config = {.conninfo = conninfo, .application = "nhjc-test", .read_only = CASES[i].reads};
        struct db *db = NULL;
        struct result r = db_open(&config, &db);
        ck_assert_msg(result_ok(r) == CASES[i].found, "%s %d: %s", CASES[i].attrs, CASES[i].reads, r.text);
        if (db) {
            assert_setting(db, "default_transaction_read_only", CASES[i].reads ? "on" : "off");
        }
        db_close(&db);
        mem_free(conninfo);
    }
}
END_TEST

START_TEST(no_error_text_holds_the_password)
{
    static const char *const strings[] = {"password=hunter2 host", "postgresql://u:hunter2@[bad",
                                          "host=/nonexistent password=hunter2",
                                          "host=127.0.0.1 port=1 password=hunter2"};
    for (size_t i = 0; i < ARRAY_LEN(strings); i++) {
        struct db_config config = {.conninfo = strings[i], .application = "nhjc-test"};
        struct db *db = NULL;
        struct result r = db_open(&config, &db);
        ck_assert(!result_ok(r));
        ck_assert_ptr_null(db);
        ck_assert_ptr_null(strstr(r.text, "hunter2"));
        ck_assert_int_eq(r.kind, i < 2 ? ERR_SENDER : ERR_TRANSIENT);
    }
}
END_TEST

/* ---- errors ---- */
START_TEST(error_texts_hold_no_values)
{
    static const struct db_stmt cast = {"cast", "SELECT $1::text::int4"};
    static const struct db_stmt insert = {"insert", "INSERT INTO keyed VALUES ($1)"};
    struct db *db = open_db();
    OK(db_exec(db, "CREATE TABLE keyed (k text CONSTRAINT keyed_key PRIMARY KEY)"));
    struct db_params p = new_params();
    db_bind_text(&p, "topsecret");
    struct result r = db_query(db, &cast, &p, NULL);
    ck_assert_int_eq(r.kind, ERR_INTERNAL);
    ck_assert_str_eq(db_sqlstate(db), "22P02");
    ck_assert_ptr_null(strstr(r.text, "topsecret"));
    OK(db_query(db, &insert, &p, NULL));
    r = db_query(db, &insert, &p, NULL);
    ck_assert_int_eq(r.kind, ERR_CONFLICT);
    ck_assert_str_eq(db_sqlstate(db), "23505");
    ck_assert_ptr_nonnull(strstr(r.text, "keyed_key"));
    ck_assert_ptr_null(strstr(r.text, "topsecret"));
    db_params_free(&p);
    db_close(&db);
}
END_TEST

struct retry {
    struct db *other;
    int calls;
};

static const struct db_stmt READ_ONE = {"read_one", "SELECT v FROM serial_t"};
static const struct db_stmt ADD_ONE = {"add_one", "UPDATE serial_t SET v = v + 1"};

/* The other session changes the row between our snapshot and our write, once. */
static struct result collide_once(struct db *db, void *arg)
{
    struct retry *t = arg;
    t->calls++;
    TRY(db_exec(db, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"));
    TRY(db_query(db, &READ_ONE, NULL, NULL));
    if (t->calls == 1) {
        OK(db_query(t->other, &ADD_ONE, NULL, NULL));
    }
    return db_query(db, &ADD_ONE, NULL, NULL);
}

START_TEST(a_transaction_that_collides_is_repeated_as_a_whole)
{
    struct db *db = open_db();
    struct retry t = {open_db(), 0};
    OK(db_exec(db, "CREATE TABLE serial_t AS SELECT 0 AS v"));
    OK(db_transaction(db, collide_once, &t));
    ck_assert_int_eq(t.calls, 2);
    ck_assert_int_eq(NUMBER(db, "SELECT v FROM serial_t"), 2);
    ck_assert(!db_in_transaction(db));
    db_close(&t.other);
    db_close(&db);
}
END_TEST

static struct result always_collide(struct db *db, void *arg)
{
    struct retry *t = arg;
    t->calls++;
    return db_exec(db, "DO $$ BEGIN RAISE SQLSTATE '40P01'; END $$");
}

START_TEST(a_transaction_that_always_collides_gives_up_as_busy)
{
    struct db *db = open_db();
    struct retry t = {NULL, 0};
    struct result r = db_transaction(db, always_collide, &t);
    ck_assert_int_eq(r.kind, ERR_TRANSIENT);
    ck_assert_int_eq(r.code, 9101);
    ck_assert_int_eq(t.calls, 5);
    ck_assert(!db_in_transaction(db));
    db_close(&db);
}
END_TEST

START_TEST(timeouts_and_lack_of_means_are_not_now)
{
    static const struct {
        const char *state;
        int code;
    } rows[] = {{"55P03", 9101}, {"57014", 9101}, {"53100", 9102}, {"53300", 9102}, {"58030", 9102},
                {"40001", 9101}, {"57P01", 9102}, {"08006", 9102}, {"25006", 9102}, {"25P03", 9102}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct db *db = open_db();
        char sql[100];
        snprintf(sql, sizeof(sql), "DO $$ BEGIN RAISE SQLSTATE '%s'; END $$", rows[i].state);
        struct result r = db_exec(db, sql);
        ck_assert_str_eq(db_sqlstate(db), rows[i].state);
        ck_assert_int_eq(r.kind, ERR_TRANSIENT);
        ck_assert_int_eq(r.code, rows[i].code);
        ck_assert_int_eq(NUMBER(db, "SELECT 5"), 5);
        db_close(&db);
    }
}
END_TEST

/* A listener that takes connections and never says a word. */
static int silent_host(char *conninfo, size_t size)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    int s = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    ck_assert(s >= 0 && bind(s, (struct sockaddr *)&at, len) == 0 && listen(s, 8) == 0);
    ck_assert_int_eq(getsockname(s, (struct sockaddr *)&at, &len), 0);
    snprintf(conninfo, size, "host=127.0.0.1 port=%d connect_timeout=2 sslmode=disable", ntohs(at.sin_port));
    return s;
}

static int callers_of(int listener)
{
    int n = 0, fd;
    while ((fd = accept(listener, NULL, NULL)) >= 0) {
        close(fd);
        n++;
    }
    return n;
}

START_TEST(behind_a_gate_one_waits_for_a_silent_host_and_the_others_are_told_at_once)
{
    char conninfo[100];
    struct db_gate gate = {0};
    int listener = silent_host(conninfo, sizeof conninfo);
    struct db_config config = {.conninfo = conninfo, .application = "nhjc-test", .gate = &gate};
    for (int i = 0; i < 3; i++) {
        struct db *db = NULL;
        struct result r = db_open(&config, &db);
        ck_assert_int_eq(r.kind, ERR_TRANSIENT);
        ck_assert_int_eq(r.code, 9102);
    }
    ck_assert_int_eq(callers_of(listener), 1);
    close(listener);
}
END_TEST

START_TEST(a_gate_opens_when_the_host_is_back)
{
    struct db_gate gate = {.closed_until = 1}; /* closed long ago: the next one tries */
    struct db_config config = {.conninfo = "", .application = "nhjc-test", .gate = &gate};
    struct db *one = NULL, *two = NULL;
    OK(db_open(&config, &one));
    ck_assert_int_eq(gate.closed_until, 0);
    gate.closed_until = INT64_MAX; /* closed: who is connected already is not concerned */
    ck_assert_int_eq(NUMBER(one, "SELECT 1"), 1);
    ck_assert_int_eq(db_open(&config, &two).code, 9102);
    db_close(&one);
}
END_TEST

START_TEST(a_silent_host_before_the_right_one_is_waited_for_once)
{
    char silent[100], both[300];
    int listener = silent_host(silent, sizeof silent);
    const char *port = strstr(silent, "port=") + 5;
    snprintf(both, sizeof both, "host=127.0.0.1,%s port=%.*s,%s connect_timeout=2 sslmode=disable", getenv("PGHOST"),
             (int)strcspn(port, " "), port, getenv("PGPORT"));
    for (int i = 0; i < 3; i++) {
        struct db *db = open_db_with(both, 20000, false);
        ck_assert_int_eq(NUMBER(db, "SELECT 6"), 6);
        db_close(&db);
    }
    ck_assert_int_eq(callers_of(listener), 1);
    close(listener);
}
END_TEST

/* The postmaster and one of its children: as if the machine were gone, with every socket open. */
struct frozen {
    pid_t postmaster, child;
};

static struct frozen freeze(pid_t child)
{
    char path[300], line[30] = "";
    snprintf(path, sizeof path, "%s/data/postmaster.pid", getenv("PGHOST"));
    FILE *f = fopen(path, "re");
    ck_assert_msg(f && fgets(line, sizeof line, f), "%s", path);
    fclose(f);
    struct frozen out = {.postmaster = (pid_t)strtol(line, NULL, 10), .child = child};
    ck_assert_int_eq(kill(out.child, SIGSTOP), 0);
    ck_assert_int_eq(kill(out.postmaster, SIGSTOP), 0);
    return out;
}

static void thaw(struct frozen f)
{
    kill(f.postmaster, SIGCONT);
    kill(f.child, SIGCONT);
}

START_TEST(a_server_that_falls_silent_is_left_and_found_again)
{
    static const struct db_stmt ONE = {"one", "SELECT 1"};
    struct db *db = open_db_with("connect_timeout=2", 0, false); /* without a statement_timeout */
    struct frozen f = freeze((pid_t)NUMBER(db, "SELECT pg_backend_pid()"));
    struct result r = db_query(db, &ONE, NULL, NULL);
    struct result again = db_query(db, &ONE, NULL, NULL);
    thaw(f);
    ck_assert_int_eq(r.code, 9102);
    ck_assert_int_eq(again.code, 9102);
    while (!result_ok(db_query(db, &ONE, NULL, NULL))) {
        usleep(10000); /* until the pause between attempts is over */
    }
    db_close(&db);
}
END_TEST

START_TEST(a_statement_that_takes_long_is_no_silence)
{
    struct db *db = open_db_with("connect_timeout=2", 0, false);
    ck_assert_int_eq(NUMBER(db, "SELECT 7 FROM pg_sleep(5)"), 7);
    ck_assert_uint_eq(db_generation(db), 1);
    db_close(&db);
}
END_TEST

START_TEST(a_cancel_does_not_wait_for_a_silent_server)
{
    struct db *db = open_db_with("connect_timeout=2", 0, false);
    struct frozen f = freeze((pid_t)NUMBER(db, "SELECT pg_backend_pid()"));
    db_cancel(db);
    thaw(f);
    ck_assert_int_eq(NUMBER(db, "SELECT 8"), 8);
    db_close(&db);
}
END_TEST

START_TEST(a_slow_statement_is_stopped_by_the_server)
{
    struct db *db = open_db_with("", 100, false);
    struct result r = db_exec(db, "SELECT pg_sleep(30)");
    ck_assert_int_eq(r.code, 9101);
    ck_assert_str_eq(db_sqlstate(db), "57014");
    db_close(&db);
}
END_TEST

static void *cancel_soon(void *arg)
{
    struct db *watcher = open_db();
    while (NUMBER(watcher, "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'") == 0) {
        usleep(5000);
    }
    db_close(&watcher);
    db_cancel(arg);
    return NULL;
}

START_TEST(another_thread_can_cancel_a_statement)
{
    struct db *db = open_db();
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, cancel_soon, db), 0);
    struct result r = db_exec(db, "SELECT pg_sleep(600)");
    ck_assert_str_eq(db_sqlstate(db), "57014");
    ck_assert(!result_ok(r));
    pthread_join(thread, NULL);
    db_close(&db);
}
END_TEST

/* ---- transactions ---- */
START_TEST(committing_a_failed_transaction_is_an_error)
{
    struct db *db = open_db();
    OK(db_begin(db));
    ck_assert(!result_ok(db_exec(db, "SELECT 1/0")));
    ck_assert_int_eq(db_commit(db).kind, ERR_INTERNAL);
    ck_assert(!db_in_transaction(db));
    ck_assert_int_eq(db_commit(db).kind, ERR_INTERNAL);
    db_close(&db);
}
END_TEST

START_TEST(begin_inside_a_transaction_is_refused_and_ends_it)
{
    struct db *db = open_db();
    OK(db_begin(db));
    ck_assert_int_eq(db_begin(db).kind, ERR_INTERNAL);
    ck_assert(!db_in_transaction(db));
    OK(db_begin(db));
    OK(db_commit(db));
    db_close(&db);
}
END_TEST

START_TEST(a_snapshot_does_not_see_later_changes)
{
    struct db *db = open_db(), *other = open_db();
    OK(db_exec(db, "CREATE TABLE snap AS SELECT 1 AS v"));
    OK(db_begin_snapshot(db));
    ck_assert_int_eq(NUMBER(db, "SELECT v FROM snap"), 1);
    OK(db_exec(other, "UPDATE snap SET v = 2"));
    ck_assert_int_eq(NUMBER(db, "SELECT v FROM snap"), 1);
    OK(db_commit(db));
    ck_assert_int_eq(NUMBER(db, "SELECT v FROM snap"), 2);
    db_close(&other);
    db_close(&db);
}
END_TEST

START_TEST(a_plan_whose_table_changed_is_made_anew)
{
    static const struct db_stmt all = {"all", "SELECT * FROM shape"};
    struct db *db = open_db(), *other = open_db();
    OK(db_exec(other, "CREATE TABLE shape AS SELECT 1 AS a"));
    OK(db_query(db, &all, NULL, NULL));
    OK(db_exec(other, "ALTER TABLE shape ADD b integer"));
    struct result r = db_query(db, &all, NULL, NULL);
    ck_assert_int_eq(r.kind, ERR_TRANSIENT);
    ck_assert_int_eq(r.code, 9101);
    OK(db_query(db, &all, NULL, NULL));
    OK(db_exec(db, "DEALLOCATE ALL"));
    ck_assert_int_eq(db_query(db, &all, NULL, NULL).code, 9101);
    OK(db_query(db, &all, NULL, NULL));
    db_close(&other);
    db_close(&db);
}
END_TEST

/* ---- lost connections ---- */
static void terminate(struct db *db)
{
    struct db *other = open_db();
    struct db_rows *r = ROWS(db, NULL, "SELECT pg_backend_pid()");
    struct db_params p = new_params();
    db_bind_int4(&p, (int32_t)db_get_int(r, 0, 0));
    db_rows_free(&r);
    r = ROWS(other, &p, "SELECT pg_terminate_backend($1, 5000)");
    ck_assert(db_get_bool(r, 0, 0));
    db_rows_free(&r);
    db_params_free(&p);
    db_close(&other);
}

static const struct db_stmt ONE = {"one", "SELECT 1"};

START_TEST(a_terminated_session_is_replaced_at_the_next_call)
{
    struct db *db = open_db();
    OK(db_query(db, &ONE, NULL, NULL));
    unsigned generation = db_generation(db);
    terminate(db);
    struct result r = db_query(db, &ONE, NULL, NULL);
    ck_assert_int_eq(r.kind, ERR_TRANSIENT);
    ck_assert_int_eq(r.code, 9102);
    ck_assert_str_eq(db_sqlstate(db), "57P01");
    OK(db_query(db, &ONE, NULL, NULL));
    ck_assert_uint_eq(db_generation(db), generation + 1);
    assert_setting(db, "search_path", "public");
    db_close(&db);
}
END_TEST

START_TEST(a_session_that_ended_while_idle_is_replaced_before_work_begins)
{
    struct db *db = open_db();
    OK(db_query(db, &ONE, NULL, NULL));
    unsigned generation = db_generation(db);
    db_refresh(db);
    ck_assert_uint_eq(db_generation(db), generation);
    terminate(db);
    db_refresh(db);
    ck_assert_uint_eq(db_generation(db), generation + 1);
    OK(db_query(db, &ONE, NULL, NULL));
    OK(db_begin(db));
    terminate(db);
    db_refresh(db); /* what was begun is lost, and is told */
    ck_assert_int_eq(db_query(db, &ONE, NULL, NULL).code, 9102);
    db_refresh(db);
    ck_assert_int_eq(db_query(db, &ONE, NULL, NULL).code, 9102);
    db_rollback(db);
    db_refresh(db);
    OK(db_query(db, &ONE, NULL, NULL));
    db_close(&db);
}
END_TEST

START_TEST(the_rest_of_a_lost_transaction_never_runs_by_itself)
{
    struct db *db = open_db();
    OK(db_exec(db, "CREATE TABLE rest (v integer)"));
    OK(db_begin(db));
    OK(db_exec(db, "INSERT INTO rest VALUES (1)"));
    terminate(db);
    ck_assert_int_eq(db_exec(db, "INSERT INTO rest VALUES (2)").code, 9102);
    ck_assert_int_eq(db_exec(db, "INSERT INTO rest VALUES (3)").code, 9102);
    ck_assert_int_eq(db_pipe_begin(db).code, 9102);
    ck_assert(db_in_transaction(db));
    ck_assert_int_eq(db_commit(db).code, 9102);
    ck_assert_int_eq(NUMBER(db, "SELECT count(*) FROM rest"), 0);
    OK(db_begin(db));
    terminate(db);
    ck_assert_int_eq(db_exec(db, "INSERT INTO rest VALUES (4)").code, 9102);
    db_rollback(db);
    OK(db_exec(db, "INSERT INTO rest VALUES (5)"));
    ck_assert_int_eq(NUMBER(db, "SELECT count(*) FROM rest"), 1);
    db_close(&db);
}
END_TEST

START_TEST(a_connection_lost_before_commit_says_so)
{
    struct db *db = open_db();
    OK(db_begin(db));
    terminate(db);
    struct result r = db_commit(db);
    ck_assert_int_eq(r.kind, ERR_TRANSIENT);
    ck_assert_int_eq(r.code, 9102);
    OK(db_begin(db));
    OK(db_commit(db));
    db_close(&db);
}
END_TEST

/* ---- pipelines ---- */
static const struct db_stmt ADD_ROW = {"add_row", "INSERT INTO pipe_t VALUES ($1) RETURNING v * 10"};

static void add_row(struct db *db, struct db_params *p, int v)
{
    db_params_reset(p);
    db_bind_int4(p, v);
    OK(db_pipe_add(db, &ADD_ROW, p));
}

START_TEST(a_pipeline_answers_each_statement_in_order)
{
    struct db *db = open_db();
    struct db_params p = new_params();
    struct db_rows *rows;
    OK(db_exec(db, "CREATE TABLE pipe_t (v integer PRIMARY KEY)"));
    OK(db_pipe_begin(db));
    OK(db_pipe_add(db, &DB_BEGIN, NULL));
    add_row(db, &p, 1);
    add_row(db, &p, 2);
    OK(db_pipe_add(db, &DB_COMMIT, NULL));
    OK(db_pipe_sync(db));
    OK(db_pipe_next(db, NULL));
    for (int i = 1; i <= 2; i++) {
        OK(db_pipe_next(db, &rows));
        ck_assert_int_eq(db_get_int(rows, 0, 0), 10 * i);
        ck_assert_int_eq(db_rows_affected(rows), 1);
        db_rows_free(&rows);
    }
    OK(db_pipe_next(db, NULL));
    OK(db_pipe_end(db));
    ck_assert(!db_in_transaction(db));
    ck_assert_int_eq(NUMBER(db, "SELECT count(*) FROM pipe_t"), 2);
    db_params_free(&p);
    db_close(&db);
}
END_TEST

START_TEST(after_an_error_the_rest_of_the_pipeline_answers_with_it)
{
    struct db *db = open_db();
    struct db_params p = new_params();
    OK(db_exec(db, "CREATE TABLE pipe_t (v integer PRIMARY KEY)"));
    OK(db_pipe_begin(db));
    OK(db_pipe_add(db, &DB_BEGIN, NULL));
    add_row(db, &p, 1);
    add_row(db, &p, 1);
    add_row(db, &p, 2);
    OK(db_pipe_add(db, &DB_COMMIT, NULL));
    OK(db_pipe_sync(db));
    OK(db_pipe_next(db, NULL));
    OK(db_pipe_next(db, NULL));
    for (int i = 0; i < 3; i++) {
        struct result r = db_pipe_next(db, NULL);
        ck_assert_int_eq(r.kind, ERR_CONFLICT);
        ck_assert_ptr_nonnull(strstr(r.text, "pipe_t_pkey"));
    }
    ck_assert_int_eq(db_pipe_next(db, NULL).kind, ERR_INTERNAL);
    ck_assert_int_eq(db_pipe_end(db).kind, ERR_CONFLICT);
    ck_assert(!db_in_transaction(db));
    ck_assert_int_eq(NUMBER(db, "SELECT count(*) FROM pipe_t"), 0);
    db_params_free(&p);
    db_close(&db);
}
END_TEST

START_TEST(statements_after_a_sync_run_though_those_before_failed)
{
    struct db *db = open_db();
    struct db_params p = new_params();
    OK(db_exec(db, "CREATE TABLE pipe_t (v integer PRIMARY KEY); INSERT INTO pipe_t VALUES (1)"));
    OK(db_pipe_begin(db));
    add_row(db, &p, 1);
    OK(db_pipe_sync(db));
    add_row(db, &p, 2);
    OK(db_pipe_sync(db));
    ck_assert_int_eq(db_pipe_next(db, NULL).kind, ERR_CONFLICT);
    OK(db_pipe_next(db, NULL));
    ck_assert_int_eq(db_pipe_end(db).kind, ERR_CONFLICT);
    ck_assert_int_eq(NUMBER(db, "SELECT count(*) FROM pipe_t"), 2);
    db_params_free(&p);
    db_close(&db);
}
END_TEST

START_TEST(a_statement_that_could_not_be_prepared_in_a_pipeline_works_later)
{
    struct db *db = open_db();
    struct db_params p = new_params();
    OK(db_pipe_begin(db));
    add_row(db, &p, 1);
    ck_assert_int_eq(db_pipe_next(db, NULL).kind, ERR_INTERNAL);
    ck_assert_str_eq(db_sqlstate(db), "42P01");
    ck_assert(!result_ok(db_pipe_end(db)));
    OK(db_exec(db, "CREATE TABLE pipe_t (v integer PRIMARY KEY)"));
    OK(db_pipe_begin(db));
    add_row(db, &p, 1);
    OK(db_pipe_next(db, NULL));
    OK(db_pipe_end(db));
    db_params_free(&p);
    db_close(&db);
}
END_TEST

/* Both directions fill far beyond the socket buffers before the first answer is asked for. */
START_TEST(a_pipeline_heavy_both_ways_does_not_lock_up)
{
    static const struct db_stmt echo = {"echo", "SELECT repeat($1, 2)"};
    struct db *db = open_db();
    struct db_params p = new_params();
    struct buf big = BUF_INIT;
    for (int i = 0; i < 100000; i++) {
        buf_append_char(&big, 'x');
    }
    OK(db_pipe_begin(db));
    for (int i = 0; i < 200; i++) {
        db_params_reset(&p);
        db_bind_text(&p, buf_str(&big));
        OK(db_pipe_add(db, &echo, &p));
    }
    OK(db_pipe_sync(db));
    for (int i = 0; i < 200; i++) {
        struct db_rows *rows;
        size_t n;
        OK(db_pipe_next(db, &rows));
        db_get_bytea(rows, 0, 0, &n);
        ck_assert_uint_eq(n, 200000);
        db_rows_free(&rows);
    }
    OK(db_pipe_end(db));
    buf_free(&big);
    db_params_free(&p);
    db_close(&db);
}
END_TEST

START_TEST(a_session_that_dies_in_a_pipeline_answers_9102_everywhere)
{
    static const struct db_stmt die = {"die", "SELECT pg_terminate_backend(pg_backend_pid())"};
    struct db *db = open_db();
    OK(db_pipe_begin(db));
    OK(db_pipe_add(db, &die, NULL));
    OK(db_pipe_add(db, &ONE, NULL));
    OK(db_pipe_add(db, &ONE, NULL));
    OK(db_pipe_sync(db));
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(db_pipe_next(db, NULL).code, 9102);
    }
    ck_assert_int_eq(db_pipe_add(db, &ONE, NULL).code, 9102);
    ck_assert_int_eq(db_pipe_end(db).code, 9102);
    OK(db_query(db, &ONE, NULL, NULL));
    db_close(&db);
}
END_TEST

START_TEST(a_pipeline_left_open_does_not_poison_the_connection)
{
    struct db *db = open_db();
    OK(db_pipe_begin(db));
    OK(db_pipe_add(db, &DB_BEGIN, NULL));
    OK(db_pipe_add(db, &ONE, NULL));
    ck_assert_int_eq(db_query(db, &ONE, NULL, NULL).kind, ERR_INTERNAL);
    db_rollback(db);
    ck_assert(!db_in_transaction(db));
    OK(db_query(db, &ONE, NULL, NULL));
    OK(db_pipe_begin(db));
    OK(db_pipe_add(db, &ONE, NULL));
    OK(db_pipe_begin(db));
    OK(db_pipe_add(db, &ONE, NULL));
    OK(db_pipe_next(db, NULL));
    OK(db_pipe_end(db));
    db_close(&db);
}
END_TEST

/* ---- COPY, LISTEN ---- */
START_TEST(binary_copy_writes_all_rows_or_none)
{
    static const uint8_t data[] = "PGCOPY\n\377\r\n\0"
                                  "\0\0\0\0\0\0\0\0"
                                  "\0\1\0\0\0\4\0\0\0\7"
                                  "\0\1\0\0\0\4\0\0\0\10"
                                  "\377\377";
    struct db *db = open_db();
    OK(db_exec(db, "CREATE TABLE copy_t (v integer PRIMARY KEY)"));
    OK(db_copy_begin(db, "COPY copy_t FROM STDIN (FORMAT binary)"));
    OK(db_copy_data(db, data, 20));
    OK(db_copy_data(db, data + 20, sizeof(data) - 1 - 20));
    OK(db_copy_end(db, NULL));
    ck_assert_int_eq(NUMBER(db, "SELECT sum(v) FROM copy_t"), 15);
    OK(db_copy_begin(db, "COPY copy_t FROM STDIN (FORMAT binary)"));
    OK(db_copy_data(db, data, sizeof(data) - 1));
    ck_assert_int_eq(db_copy_end(db, NULL).kind, ERR_CONFLICT);
    OK(db_copy_begin(db, "COPY copy_t FROM STDIN (FORMAT binary)"));
    OK(db_copy_end(db, "changed my mind"));
    ck_assert(!result_ok(db_copy_begin(db, "SELECT 1")));
    ck_assert(!result_ok(db_copy_begin(db, "COPY nowhere FROM STDIN")));
    ck_assert_int_eq(NUMBER(db, "SELECT count(*) FROM copy_t"), 2);
    db_close(&db);
}
END_TEST

START_TEST(a_copy_outside_its_functions_costs_the_connection_not_the_program)
{
    struct db *db = open_db();
    OK(db_exec(db, "CREATE TABLE copy_u (v integer)"));
    ck_assert(!result_ok(db_exec(db, "COPY copy_u FROM STDIN")));
    ck_assert_int_eq(NUMBER(db, "SELECT count(*) FROM copy_u"), 0);
    db_close(&db);
}
END_TEST

START_TEST(a_notification_arrives_with_its_payload)
{
    struct db *db = open_db(), *other = open_db();
    char *channel, *payload;
    OK(db_exec(db, "LISTEN nhjc_registry"));
    OK(db_wait_notify(db, 10, &channel, &payload));
    ck_assert_ptr_null(channel);
    OK(db_exec(other, "NOTIFY nhjc_registry, '914201007000000000'; NOTIFY nhjc_registry"));
    OK(db_wait_notify(db, 10000, &channel, &payload));
    ck_assert_str_eq(channel, "nhjc_registry");
    ck_assert_str_eq(payload, "914201007000000000");
    mem_free(channel);
    mem_free(payload);
    OK(db_wait_notify(db, 10000, &channel, &payload));
    ck_assert_str_eq(payload, "");
    mem_free(channel);
    mem_free(payload);
    terminate(db);
    ck_assert_int_eq(db_wait_notify(db, 10000, &channel, &payload).code, 9102);
    db_close(&other);
    db_close(&db);
}
END_TEST

/* Tests share one database: each begins with an empty schema. */
static void fresh(void)
{
    log_set_level(LOG_ERROR);
    struct db *db = open_db();
    OK(db_exec(db, "DROP SCHEMA public CASCADE; CREATE SCHEMA public"));
    db_close(&db);
}

DBTEST_MAIN("db", fresh, every_bound_value_comes_back_as_it_went, null_is_null_for_every_type,
            the_server_reads_times_and_dates_as_meant, numeric_integers_keep_every_digit_both_ways,
            decimals_are_scaled_and_rounded_half_to_even, arrays_keep_values_nulls_and_emptiness,
            composite_arrays_carry_rows_with_arrays_and_wide_totals, a_type_that_does_not_exist_is_an_error_not_a_guess,
            a_statement_keeps_the_types_of_its_first_use, more_parameters_than_there_is_room_for_are_refused,
            the_session_is_set_whatever_the_connection_string_says,
            a_session_for_questions_is_chosen_by_the_host_and_not_by_itself, no_error_text_holds_the_password,
            error_texts_hold_no_values, a_transaction_that_collides_is_repeated_as_a_whole,
            a_transaction_that_always_collides_gives_up_as_busy, timeouts_and_lack_of_means_are_not_now,
            behind_a_gate_one_waits_for_a_silent_host_and_the_others_are_told_at_once,
            a_gate_opens_when_the_host_is_back, a_silent_host_before_the_right_one_is_waited_for_once,
            a_server_that_falls_silent_is_left_and_found_again, a_statement_that_takes_long_is_no_silence,
            a_cancel_does_not_wait_for_a_silent_server, a_slow_statement_is_stopped_by_the_server,
            another_thread_can_cancel_a_statement, committing_a_failed_transaction_is_an_error,
            begin_inside_a_transaction_is_refused_and_ends_it, a_snapshot_does_not_see_later_changes,
            a_plan_whose_table_changed_is_made_anew, a_terminated_session_is_replaced_at_the_next_call,
            a_session_that_ended_while_idle_is_replaced_before_work_begins,
            the_rest_of_a_lost_transaction_never_runs_by_itself, a_connection_lost_before_commit_says_so,
            a_pipeline_answers_each_statement_in_order, after_an_error_the_rest_of_the_pipeline_answers_with_it,
            statements_after_a_sync_run_though_those_before_failed,
            a_statement_that_could_not_be_prepared_in_a_pipeline_works_later,
            a_pipeline_heavy_both_ways_does_not_lock_up, a_session_that_dies_in_a_pipeline_answers_9102_everywhere,
            a_pipeline_left_open_does_not_poison_the_connection, binary_copy_writes_all_rows_or_none,
            a_copy_outside_its_functions_costs_the_connection_not_the_program, a_notification_arrives_with_its_payload)
