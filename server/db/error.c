/* SQLSTATE -> result. PostgreSQL 15 appendix A, libpq PQresultErrorField. */
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "db/db_internal.h"

#define NEED_TELL_MS 10000

struct state_class {
    const char *prefix; /* of the SQLSTATE */
    enum err_kind kind;
    int code;
    bool lost; /* the connection is of no use any more */
};

static const struct state_class CLASSES[] = {
    {"40", ERR_TRANSIENT, 9101, false},    /* serialization failure, deadlock: repeat the transaction */
    {"08", ERR_TRANSIENT, 9102, true},     /* connection */
    {"57P", ERR_TRANSIENT, 9102, true},    /* shutdown, starting up */
    {"25P03", ERR_TRANSIENT, 9102, true},  /* the server ended a transaction that was idle too long, and the session */
    {"25006", ERR_TRANSIENT, 9102, true},  /* read-only: a failover left us on the standby */
    {"26000", ERR_TRANSIENT, 9101, false}, /* our prepared statement is gone (pooler, DISCARD) */
    {"53", ERR_TRANSIENT, 9102, false},    /* out of disk, memory, connections */
    {"58", ERR_TRANSIENT, 9102, false},    /* operating system error at the server */
    {"55P03", ERR_TRANSIENT, 9101, false}, /* lock_timeout */
    {"57014", ERR_TRANSIENT, 9101, false}, /* statement_timeout, cancelled */
    {"23505", ERR_CONFLICT, 0, false},
};
static const struct state_class OTHER = {"", ERR_INTERNAL, 0, false};

static const struct state_class *class_of(const char *state)
{
    for (size_t i = 0; i < ARRAY_LEN(CLASSES); i++) {
        if (strncmp(state, CLASSES[i].prefix, strlen(CLASSES[i].prefix)) == 0) {
            return &CLASSES[i];
        }
    }
    return &OTHER;
}

static const char *field(const PGresult *res, int code)
{
    const char *text = res ? PQresultErrorField(res, code) : NULL;
    return text ? text : "";
}

/* Class 22 (data exception) quotes the offending value in its primary message, detail and context
 * always may: only names of ours and words of the server pass. */
static void describe(const PGresult *res, const char *state, char *out, size_t size)
{
    bool quotes_values = strncmp(state, "22", 2) == 0;
    const char *constraint = field(res, PG_DIAG_CONSTRAINT_NAME);
    snprintf(out, size, "%s%s%s", quotes_values ? "data exception" : field(res, PG_DIAG_MESSAGE_PRIMARY),
             *constraint ? " constraint " : "", constraint);
}

/* A plan that lost its table's shape (a migration ran): new plans, and the caller repeats. */
static bool stale_plan(const PGresult *res, const char *state)
{
    return strcmp(state, "26000") == 0 ||
           (strcmp(state, "0A000") == 0 && strcmp(field(res, PG_DIAG_SOURCE_FUNCTION), "RevalidateCachedQuery") == 0);
}

static _Atomic int64_t need_seen, need_told; /* monotonic ms */

int64_t db_in_need(void)
{
    return atomic_load(&need_seen);
}

/* Callers answer "not now" to it, which looks like any other pause: that the server is full must stand in the log. */
static void note_need(const char *state, const char *text)
{
    if (strncmp(state, "53", 2) != 0 && strncmp(state, "58", 2) != 0) {
        return;
    }
    int64_t now = clock_monotonic() / 1000000, told = atomic_load(&need_told);
    atomic_store(&need_seen, now);
    if ((!told || now - told >= NEED_TELL_MS) && atomic_compare_exchange_strong(&need_told, &told, now)) {
        log_write(LOG_ERROR, "db", "server_in_need", "sqlstate=%s text=%s", state, log_quote(text));
    }
}

struct result db_fail_result(struct db *db, const PGresult *res, const char *what)
{
    const char *state = field(res, PG_DIAG_SQLSTATE);
    if (!*state) {
        return db_fail_lost(db, what);
    }
    snprintf(db->sqlstate, sizeof(db->sqlstate), "%s", state);
    const struct state_class *c = class_of(state);
    char text[300];
    describe(res, state, text, sizeof(text));
    note_need(state, text);
    if (c->lost) {
        db_mark_lost(db);
    }
    if (stale_plan(res, state)) {
        db_forget_plans(db);
        return result_error(ERR_TRANSIENT, 9101, "%s: %s (SQLSTATE %s)", what, text, state);
    }
    return result_error(c->kind, c->code, "%s: %s (SQLSTATE %s)", what, text, state);
}

struct result db_fail_lost(struct db *db, const char *what)
{
    char *text = db_scrub(db, db->conn ? PQerrorMessage(db->conn) : "");
    struct result r = result_error(ERR_TRANSIENT, 9102, "%s: database connection lost: %s", what, text);
    mem_free(text);
    memcpy(db->sqlstate, "08006", 6);
    db_mark_lost(db);
    return r;
}

struct result db_fail_own(struct db *db, enum err_kind kind, int code, const char *fmt, ...)
{
    char text[300];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    db->sqlstate[0] = '\0';
    return result_error(kind, code, "%s", text);
}

/* libpq's connection errors name host, user and database, all of which an operator wants to see; a
 * password must not pass even if a future libpq or the server's words held it. */
char *db_scrub(const struct db *db, const char *text)
{
    struct buf out = BUF_INIT;
    size_t secret = db->password ? strlen(db->password) : 0;
    for (const char *p = text; *p;) {
        if (secret > 0 && strncmp(p, db->password, secret) == 0) {
            buf_append_str(&out, "***");
            p += secret;
        } else {
            char blank = ' ';
            buf_append(&out, *p == '\n' ? &blank : p, 1);
            p++;
        }
    }
    while (out.len > 0 && out.data[out.len - 1] == ' ') {
        out.len--;
    }
    char *copy = mem_strndup(buf_str(&out), out.len);
    buf_free(&out);
    return copy;
}

const char *db_sqlstate(const struct db *db)
{
    return db->sqlstate;
}
