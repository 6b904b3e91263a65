/* The statement cache, single statements, transactions. PostgreSQL 15 libpq-async, protocol-flow. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "base/secret.h"
#include "db/db_internal.h"

const struct db_stmt DB_BEGIN = {"begin", "BEGIN ISOLATION LEVEL READ COMMITTED"};
const struct db_stmt DB_COMMIT = {"commit", "COMMIT"};
const struct db_stmt DB_ROLLBACK = {"rollback", "ROLLBACK"};

#define TRANSACTION_TRIES 5

/* ---- statement cache ---- */
static size_t slot_index(const struct db *db, const struct db_stmt *s)
{
    uint64_t h = (uint64_t)(uintptr_t)s * UINT64_C(0x9E3779B97F4A7C15);
    size_t i = (size_t)(h >> 32) & (db->slot_cap - 1);
    while (db->slots[i] && db->slots[i]->stmt != s) {
        i = (i + 1) & (db->slot_cap - 1);
    }
    return i;
}

static void grow_slots(struct db *db)
{
    struct stmt_slot **old = db->slots;
    size_t old_cap = db->slot_cap;
    db->slot_cap = old_cap ? old_cap * 2 : 64;
    db->slots = mem_array(db->slot_cap, sizeof(struct stmt_slot *));
    for (size_t i = 0; i < old_cap; i++) {
        if (old[i]) {
            db->slots[slot_index(db, old[i]->stmt)] = old[i];
        }
    }
    mem_free(old);
}

static void name_slot(struct db *db, struct stmt_slot *slot)
{
    snprintf(slot->name, sizeof(slot->name), "%.12s.%u.%u", slot->stmt->name, slot->number, db->plan_epoch);
}

struct stmt_slot *db_slot(struct db *db, const struct db_stmt *s)
{
    if (db->slot_count * 2 >= db->slot_cap) {
        grow_slots(db);
    }
    size_t i = slot_index(db, s);
    if (!db->slots[i]) {
        db->slots[i] = mem_alloc(sizeof(struct stmt_slot));
        db->slots[i]->stmt = s;
        db->slots[i]->number = (unsigned)db->slot_count++;
    }
    return db->slots[i];
}

void db_forget_plans(struct db *db)
{
    db->plan_epoch++; /* names of forgotten plans may still exist at the server */
    for (size_t i = 0; i < db->slot_cap; i++) {
        if (db->slots[i]) {
            db->slots[i]->prepared = false;
        }
    }
}

/* A plan keeps the parameter types of its first use; other types later would be read as garbage. */
struct result db_slot_check(struct db *db, struct stmt_slot *slot, const struct db_params *p)
{
    int count = p ? p->count : 0;
    if (count > DB_MAX_PARAMS) {
        return db_fail_own(db, ERR_INTERNAL, 0, "%s: more than %d parameters", slot->stmt->name, DB_MAX_PARAMS);
    }
    if (!slot->prepared) {
        return RESULT_OK;
    }
    if (count != slot->count) {
        return db_fail_own(db, ERR_INTERNAL, 0, "%s: %d parameters, prepared with %d", slot->stmt->name, count,
                           slot->count);
    }
    for (int i = 0; i < count; i++) {
        if (p->at[i].oid != slot->oids[i]) {
            return db_fail_own(db, ERR_INTERNAL, 0, "%s: $%d has type %u, prepared as %u", slot->stmt->name, i + 1,
                               p->at[i].oid, slot->oids[i]);
        }
    }
    return RESULT_OK;
}

void db_slot_prepared(struct stmt_slot *slot, const struct db_params *p)
{
    slot->prepared = true;
    slot->count = p ? p->count : 0;
    for (int i = 0; i < slot->count; i++) {
        slot->oids[i] = p->at[i].oid;
    }
}

int db_send_prepare(struct db *db, struct stmt_slot *slot, const struct db_params *p)
{
    Oid types[DB_MAX_PARAMS];
    int count = p ? p->count : 0;
    for (int i = 0; i < count; i++) {
        types[i] = p->at[i].oid;
    }
    name_slot(db, slot);
    return PQsendPrepare(db->conn, slot->name, slot->stmt->sql, count, types);
}

int db_send_run(struct db *db, struct stmt_slot *slot, const struct db_params *p)
{
    const char *values[DB_MAX_PARAMS];
    int lengths[DB_MAX_PARAMS], formats[DB_MAX_PARAMS];
    int count = p ? p->count : 0;
    for (int i = 0; i < count; i++) {
        lengths[i] = p->at[i].length;
        formats[i] = 1;
        values[i] = lengths[i] < 0 ? NULL : buf_str(&p->bytes) + (lengths[i] > 0 ? p->at[i].offset : 0);
    }
    return PQsendQueryPrepared(db->conn, slot->name, count, values, lengths, formats, 1);
}

/* ---- results ---- */
struct result db_get_result(struct db *db, PGresult **res)
{
    *res = NULL;
    TRY(db_wait(db));
    *res = PQgetResult(db->conn);
    return RESULT_OK;
}

void db_drain(struct db *db)
{
    PGresult *res;
    while (!db->lost && result_ok(db_get_result(db, &res)) && res) {
        ExecStatusType s = PQresultStatus(res);
        PQclear(res);
        if (s == PGRES_COPY_IN || s == PGRES_COPY_OUT || s == PGRES_COPY_BOTH || PQstatus(db->conn) != CONNECTION_OK) {
            db_mark_lost(db); /* a state that only a new connection leaves */
        }
    }
}

bool db_status_good(const PGresult *res)
{
    switch (PQresultStatus(res)) {
    case PGRES_TUPLES_OK:
    case PGRES_COMMAND_OK:
    case PGRES_EMPTY_QUERY:
        return true;
    default:
        return false;
    }
}

/* The one result of a statement; later results of a multi-statement string replace earlier ones, the
 * first error stays. */
static struct result collect(struct db *db, const char *what, PGresult **out)
{
    struct result r = RESULT_OK;
    PGresult *res;
    *out = NULL;
    while (!db->lost) {
        TRY(db_get_result(db, &res));
        if (!res) {
            break;
        }
        if (!db_status_good(res) && result_ok(r)) {
            r = db_fail_result(db, res, what);
        }
        PQclear(*out);
        *out = res;
        if (PQresultStatus(res) == PGRES_COPY_IN || PQresultStatus(res) == PGRES_COPY_OUT) {
            db_mark_lost(db); /* COPY belongs into db_copy_begin; only a new connection leaves this state */
        }
    }
    db_note_transaction(db);
    return r;
}

static struct result run_simple(struct db *db, const char *what, const char *sql, char tag[32])
{
    if (!PQsendQuery(db->conn, sql)) {
        return db_fail_lost(db, what);
    }
    PGresult *res = NULL;
    struct result r = collect(db, what, &res);
    if (tag) {
        snprintf(tag, 32, "%s", res ? PQcmdStatus(res) : "");
    }
    PQclear(res);
    return r;
}

struct result db_exec(struct db *db, const char *sql)
{
    TRY(db_ready(db, false));
    return run_simple(db, "exec", sql, NULL);
}

static struct result prepare(struct db *db, struct stmt_slot *slot, const struct db_params *p)
{
    if (!db_send_prepare(db, slot, p)) {
        return db_fail_lost(db, slot->stmt->name);
    }
    PGresult *res = NULL;
    struct result r = collect(db, slot->stmt->name, &res);
    PQclear(res);
    if (result_ok(r)) {
        db_slot_prepared(slot, p);
    }
    return r;
}

struct result db_query(struct db *db, const struct db_stmt *s, const struct db_params *p, struct db_rows **rows)
{
    if (rows) {
        *rows = NULL;
    }
    TRY(db_ready(db, false));
    struct stmt_slot *slot = db_slot(db, s);
    TRY(db_slot_check(db, slot, p));
    if (!slot->prepared) {
        TRY(prepare(db, slot, p));
    }
    if (!db_send_run(db, slot, p)) {
        return db_fail_lost(db, s->name);
    }
    PGresult *res = NULL;
    struct result r = collect(db, s->name, &res);
    if (result_ok(r) && rows) {
        *rows = db_rows_new(res);
    } else {
        PQclear(res);
    }
    return r;
}

struct result db_ask(struct db *db, const struct db_stmt *s, struct db_params *p, struct db_rows **rows)
{
    struct result r = db_query(db, s, p, rows);
    db_params_free(p);
    return r;
}

/* ---- transactions ---- */
static struct result begin(struct db *db, const char *sql)
{
    TRY(db_ready(db, true));
    if (db->tx) { /* somebody's mistake: neither go on inside it nor stay stuck in it */
        db_rollback(db);
        return db_fail_own(db, ERR_INTERNAL, 0, "begin inside a transaction; it is rolled back");
    }
    return run_simple(db, "begin", sql, NULL);
}

struct result db_begin(struct db *db)
{
    return begin(db, DB_BEGIN.sql);
}

struct result db_begin_snapshot(struct db *db)
{
    return begin(db, "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY");
}

struct result db_commit(struct db *db)
{
    if (db->tx_lost) {
        db->tx_lost = false;
        struct result r = db_fail_own(db, ERR_TRANSIENT, 9102, "commit: the connection was lost");
        memcpy(db->sqlstate, "08006", 6);
        return r;
    }
    TRY(db_ready(db, false));
    if (!db->tx) {
        return db_fail_own(db, ERR_INTERNAL, 0, "commit: no transaction is open");
    }
    char tag[32];
    struct result r = run_simple(db, "commit", DB_COMMIT.sql, tag);
    db->tx_lost = false;
    /* COMMIT of a failed transaction answers ROLLBACK, and no error. */
    if (result_ok(r) && strcmp(tag, "ROLLBACK") == 0) {
        return db_fail_own(db, ERR_INTERNAL, 0, "commit: the transaction had failed and was rolled back");
    }
    return r;
}

void db_rollback(struct db *db)
{
    if (db->pipe.open) {
        struct result r = db_pipe_end(db); /* its error was the reason to come here */
        (void)r;
    }
    if (db->tx && !db->lost) {
        struct result r = run_simple(db, "rollback", DB_ROLLBACK.sql, NULL);
        if (!result_ok(r)) {
            db_mark_lost(db); /* a transaction that cannot be ended ends with its connection */
        }
    }
    db->tx_lost = false;
}

/* Two transactions that collided would collide again at once. */
static void pause_before_retry(int attempt)
{
    unsigned char random;
    random_bytes(&random, 1);
    long ms = 1 + random % (8 << attempt);
    struct timespec t = {.tv_sec = 0, .tv_nsec = ms * 1000000};
    nanosleep(&t, NULL);
}

static bool worth_repeating(const struct db *db, struct result r)
{
    return r.kind == ERR_TRANSIENT && r.code == 9101 &&
           (strncmp(db->sqlstate, "40", 2) == 0 || strcmp(db->sqlstate, "26000") == 0 ||
            strcmp(db->sqlstate, "0A000") == 0);
}

struct result db_transaction(struct db *db, struct result (*fn)(struct db *db, void *arg), void *arg)
{
    struct result r = RESULT_OK;
    for (int attempt = 0; attempt < TRANSACTION_TRIES; attempt++) {
        if (attempt > 0) {
            pause_before_retry(attempt);
        }
        db->sqlstate[0] = '\0';
        TRY(db_begin(db));
        r = fn(db, arg);
        if (result_ok(r)) {
            r = db_commit(db);
        }
        if (result_ok(r)) {
            return r;
        }
        bool again = worth_repeating(db, r);
        db_rollback(db);
        if (!again) {
            return r;
        }
    }
    return r;
}

/* ---- types ---- */
static const struct db_stmt TYPE_OID = {"type_oid", "SELECT oid, typarray FROM pg_type WHERE oid = to_regtype($1)"};

static struct result find_type(struct db *db, const char *name, struct type_slot *out)
{
    struct db_params p;
    struct db_rows *rows = NULL;
    db_params_init(&p);
    db_bind_text(&p, name);
    struct result r = db_query(db, &TYPE_OID, &p, &rows);
    db_params_free(&p);
    if (result_ok(r) && db_rows_count(rows) == 0) {
        r = db_fail_own(db, ERR_INTERNAL, 0, "no type %s: the schema is not the program's", name);
    }
    if (result_ok(r)) {
        *out = (struct type_slot){mem_strdup(name), (uint32_t)db_get_int(rows, 0, 0), (uint32_t)db_get_int(rows, 0, 1)};
    }
    db_rows_free(&rows);
    return r;
}

struct result db_type_pair(struct db *db, const char *type, uint32_t *oid, uint32_t *array_oid)
{
    if (!db->pipe.open) {
        TRY(db_ready(db, false)); /* a new connection forgets */
    }
    size_t i = 0;
    while (i < db->type_count && strcmp(db->types[i].name, type) != 0) {
        i++;
    }
    if (i == db->type_count) {
        struct type_slot found;
        TRY(find_type(db, type, &found));
        if (db->type_count == db->type_cap) {
            db->type_cap = db->type_cap ? db->type_cap * 2 : 16;
            db->types = mem_grow(db->types, db->type_cap * sizeof(*db->types));
        }
        i = db->type_count++;
        db->types[i] = found;
    }
    *oid = db->types[i].oid;
    *array_oid = db->types[i].array_oid;
    return RESULT_OK;
}

struct result db_type_oid(struct db *db, const char *type, uint32_t *oid)
{
    uint32_t array_oid;
    return db_type_pair(db, type, oid, &array_oid);
}
