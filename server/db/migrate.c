#include "db/migrate.h"

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "db/embedded.h"

#define AHEAD_MONTHS 3
#define SQL_LOCK "SELECT pg_advisory_lock(4, 0)"
#define SQL_UNLOCK "SELECT pg_advisory_unlock_all()" /* (4, 1) too where it was taken */
/* schema_step is history, one row per step; replaceable text has the digest applied last. */
#define SQL_BOOK                                                                                                       \
    "CREATE TABLE IF NOT EXISTS schema_step ("                                                                         \
    " number integer PRIMARY KEY, name text NOT NULL, digest text NOT NULL,"                                           \
    " applied_at timestamptz NOT NULL DEFAULT now());"                                                                 \
    "CREATE TABLE IF NOT EXISTS schema_replace ("                                                                      \
    " name text PRIMARY KEY, digest text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"

static const struct db_stmt HAVE_BOOK = {"have_book", "SELECT to_regclass('schema_step') IS NOT NULL"
                                                      " AND to_regclass('schema_replace') IS NOT NULL"};
static const struct db_stmt ENCODING = {
    "encoding", "SELECT pg_encoding_to_char(encoding) FROM pg_database WHERE datname = current_database()"};
static const struct db_stmt ALL_STEPS = {"all_steps", "SELECT number, name, digest FROM schema_step ORDER BY number"};
static const struct db_stmt ALL_REPLACED = {"all_replaced", "SELECT name, digest FROM schema_replace"};
static const struct db_stmt ADD_STEP = {"add_step",
                                        "INSERT INTO schema_step (number, name, digest) VALUES ($1, $2, $3)"};
static const struct db_stmt NOTE_REPLACED = {
    "note_replaced",
    "INSERT INTO schema_replace (name, digest) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE"
    " SET digest = EXCLUDED.digest, applied_at = now() WHERE schema_replace.digest <> EXCLUDED.digest"};
static const struct db_stmt USE = {"schema_use", "SELECT pg_try_advisory_lock_shared(4, 1)"};
static const struct db_stmt TAKE = {"schema_take", "SELECT pg_advisory_lock(4, 1)"};
static const struct db_stmt HORIZON = {"partition_horizon", "SELECT partition_horizon($1, $2)"};

struct migration {
    struct db *db;
    void (*say)(const char *line, void *arg);
    void *arg;
};

static void tell(const struct migration *m, const char *what, const char *name)
{
    if (m->say) {
        char *line = mem_printf("%s %s", what, name);
        m->say(line, m->arg);
        mem_free(line);
    }
}

/* ---- what the database has against what the program has ---- */
static const struct embedded_sql *step_of_program(int64_t number)
{
    for (size_t i = 0; i < EMBEDDED_SQL_COUNT; i++) {
        if (EMBEDDED_SQL[i].number != 0 && EMBEDDED_SQL[i].number == number) {
            return &EMBEDDED_SQL[i];
        }
    }
    return NULL;
}

/* Every recorded step must be one of ours, unchanged. */
static struct result check_recorded(const struct db_rows *steps)
{
    for (size_t i = 0; i < db_rows_count(steps); i++) {
        int64_t number = db_get_int(steps, i, 0);
        const struct embedded_sql *s = step_of_program(number);
        if (!s) {
            return result_error(ERR_SENDER, 0,
                                "数据库比程序新，请用新版程序 / "
                                "the database has schema step %lld (%s), which this program does not know: "
                                "it is newer than the program; run the newer program",
                                (long long)number, db_get_text(steps, i, 1));
        }
        if (strcmp(s->digest, db_get_text(steps, i, 2)) != 0) {
            return result_error(ERR_SENDER, 0,
                                "已执行的步骤被改动，须另加新步骤 / "
                                "schema step %lld (%s) was applied with other text than this program's: "
                                "an applied step must never be edited; add a new step",
                                (long long)number, s->name);
        }
    }
    return RESULT_OK;
}

static bool has_step(const struct db_rows *steps, int number)
{
    for (size_t i = 0; i < db_rows_count(steps); i++) {
        if (db_get_int(steps, i, 0) == number) {
            return true;
        }
    }
    return false;
}

static bool has_replaced(const struct db_rows *replaced, const struct embedded_sql *s)
{
    for (size_t i = 0; i < db_rows_count(replaced); i++) {
        if (strcmp(db_get_text(replaced, i, 0), s->name) == 0) {
            return strcmp(db_get_text(replaced, i, 1), s->digest) == 0;
        }
    }
    return false;
}

static struct result check_complete(const struct db_rows *steps, const struct db_rows *replaced)
{
    for (size_t i = 0; i < EMBEDDED_SQL_COUNT; i++) {
        const struct embedded_sql *s = &EMBEDDED_SQL[i];
        if (s->number ? !has_step(steps, s->number) : !has_replaced(replaced, s)) {
            return result_error(ERR_SENDER, 0,
                                "数据库版本较旧，请运行 nhjcctl db migrate / the database lacks %s of this program: "
                                "run nhjcctl db migrate",
                                s->name);
        }
    }
    return RESULT_OK;
}

struct result db_check_version(struct db *db)
{
    struct db_rows *rows = NULL, *replaced = NULL;
    TRY(db_query(db, &HAVE_BOOK, NULL, &rows));
    bool have = db_get_bool(rows, 0, 0);
    db_rows_free(&rows);
    if (!have) {
        return result_error(ERR_SENDER, 0,
                            "数据库中没有本程序的表，请运行 nhjcctl db migrate / the database has no schema of this "
                            "program: run nhjcctl db migrate");
    }
    TRY(db_query(db, &ALL_STEPS, NULL, &rows));
    struct result r = db_query(db, &ALL_REPLACED, NULL, &replaced);
    if (result_ok(r)) {
        r = check_recorded(rows);
    }
    if (result_ok(r)) {
        r = check_complete(rows, replaced);
    }
    db_rows_free(&rows);
    db_rows_free(&replaced);
    return r;
}

struct result db_use_schema(struct db *db)
{
    struct db_rows *rows = NULL;
    TRY(db_query(db, &USE, NULL, &rows));
    bool got = db_get_bool(rows, 0, 0);
    db_rows_free(&rows);
    return got ? db_check_version(db) : result_error(ERR_TRANSIENT, 9102, "a migration changes the database's tables");
}

/* A server that runs has statements for the tables as they are. Where nothing changes it may stay; one that has just
 * ended is waited for. */
static struct result alone(struct db *db)
{
    struct result r = db_check_version(db);
    if (result_ok(r)) {
        return r;
    }
    TRY(db_exec(db, "SET lock_timeout = '3s'"));
    r = db_query(db, &TAKE, NULL, NULL);
    bool busy = !result_ok(r) && strcmp(db_sqlstate(db), "55P03") == 0;
    TRY(db_exec(db, "RESET lock_timeout"));
    return !busy ? r
                 : result_error(ERR_CONFLICT, 0,
                                "有 nhjcd 正在使用此数据库，请先停止再升级 / a server works on this database: stop it "
                                "first");
}

/* ---- applying ---- */
static struct result record(struct db *db, const struct embedded_sql *s)
{
    struct db_params p;
    db_params_init(&p);
    if (s->number) {
        db_bind_int4(&p, s->number);
    }
    db_bind_text(&p, s->name);
    db_bind_text(&p, s->digest);
    struct result r = db_query(db, s->number ? &ADD_STEP : &NOTE_REPLACED, &p, NULL);
    db_params_free(&p);
    return r;
}

static struct result apply_text(struct db *db, const struct embedded_sql *s)
{
    struct result r = db_exec(db, s->text);
    if (!result_ok(r)) {
        return result_error(r.kind, r.code, "sql %s: %s", s->name, r.text);
    }
    return record(db, s);
}

static struct result finish_transaction(struct db *db, struct result r)
{
    if (result_ok(r)) {
        r = db_commit(db);
    }
    if (!result_ok(r)) {
        db_rollback(db);
    }
    return r;
}

static struct result apply_steps(const struct migration *m, const struct db_rows *steps)
{
    for (size_t i = 0; i < EMBEDDED_SQL_COUNT; i++) {
        const struct embedded_sql *s = &EMBEDDED_SQL[i];
        if (!s->number || has_step(steps, s->number)) {
            continue;
        }
        TRY(db_begin(m->db));
        TRY(finish_transaction(m->db, apply_text(m->db, s)));
        tell(m, "applied", s->name);
    }
    return RESULT_OK;
}

static struct result replace_all(struct db *db)
{
    for (size_t i = 0; i < EMBEDDED_SQL_COUNT; i++) {
        if (!EMBEDDED_SQL[i].number) {
            TRY(apply_text(db, &EMBEDDED_SQL[i]));
        }
    }
    return RESULT_OK;
}

static struct result make_partitions(struct db *db)
{
    struct db_params p;
    db_params_init(&p);
    db_bind_time(&p, clock_now());
    db_bind_int4(&p, AHEAD_MONTHS);
    struct result r = db_query(db, &HORIZON, &p, NULL);
    db_params_free(&p);
    return r;
}

/* In another encoding, SQL_ASCII above all, Chinese words are cut and compared wrongly, and it can never be changed. */
static struct result check_encoding(struct db *db)
{
    struct db_rows *rows = NULL;
    TRY(db_query(db, &ENCODING, NULL, &rows));
    struct result r = RESULT_OK;
    if (strcmp(db_get_text(rows, 0, 0), "UTF8") != 0) {
        r = result_error(ERR_SENDER, 0,
                         "数据库编码须为UTF8 / the database's encoding is %s: make it with ENCODING 'UTF8' TEMPLATE "
                         "template0",
                         db_get_text(rows, 0, 0));
    }
    db_rows_free(&rows);
    return r;
}

static struct result migrate_locked(const struct migration *m)
{
    struct db_rows *steps = NULL;
    TRY(check_encoding(m->db));
    TRY(alone(m->db));
    TRY(db_exec(m->db, SQL_BOOK));
    TRY(db_query(m->db, &ALL_STEPS, NULL, &steps));
    struct result r = check_recorded(steps);
    if (result_ok(r)) {
        r = apply_steps(m, steps);
    }
    db_rows_free(&steps);
    TRY(r);
    TRY(db_begin(m->db));
    TRY(finish_transaction(m->db, replace_all(m->db)));
    tell(m, "applied", "functions and views");
    TRY(make_partitions(m->db));
    tell(m, "made", "partitions for the present");
    return RESULT_OK;
}

struct result db_migrate(struct db *db, void (*say)(const char *line, void *arg), void *arg)
{
    struct migration m = {db, say, arg};
    TRY(db_exec(db, SQL_LOCK));
    struct result r = migrate_locked(&m);
    if (db_in_transaction(db)) {
        db_rollback(db);
    }
    struct result unlocked = db_exec(db, SQL_UNLOCK);
    return result_ok(r) ? unlocked : r;
}
