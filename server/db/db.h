/* db: one connection to PostgreSQL. libpq stops at this folder's door.
 *
 * For:    statements with bound binary parameters, prepared on first use; binary results; pipelines.
 * Owner:  db_open gives a connection, db_close takes it. One per thread, never shared, never across fork.
 * Thread: one at a time. db_cancel from any thread.
 * Errors: by SQLSTATE (db_sqlstate): class 40 -> TRANSIENT 9101 (repeat the whole transaction),
 *         class 08, 57P, 25P03 and a lost socket -> TRANSIENT 9102 (the next call reconnects; db_generation
 *         changes), 23505 -> CONFLICT, everything else -> INTERNAL. Texts carry no parameter values.
 *         Also not now: lock or statement timeout, stale plan -> 9101; server out of disk, memory or
 *         connections, or become read-only by a failover -> 9102. A malformed conninfo is SENDER.
 *         A connection lost inside a transaction: every call answers 9102 until db_rollback or db_begin,
 *         so that the rest of a transaction never runs by itself on a new connection.
 * Limits: connect_timeout, statement_timeout, lock_timeout, idle_in_transaction_session_timeout,
 *         tcp_user_timeout and keepalives are set on connect (P8). search_path and timezone are fixed.
 * Multi-host connection strings with target_session_attrs follow a failover. A server that is silent for twice
 * connect_timeout is asked by a second connection whether it is there at all; if not, the connection is lost (9102).
 * A host that let an attempt run into its connect_timeout is tried last for a minute. Of a read_only session read-write
 * means a primary and read-only a standby: the session itself is read-only everywhere. */
#ifndef NHJC_DB_DB_H
#define NHJC_DB_DB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/decimal.h"
#include "base/result.h"

/* Shared by connections whose callers must not wait for a database that does not answer: after a failed attempt they
 * answer 9102 at once, until one of them, in a while, has tried again. Zeroed before use. */
struct db_gate {
    _Atomic int64_t closed_until; /* monotonic ns; 0: open */
};

struct db_config {
    const char *conninfo;     /* libpq string or URI; password from PGPASSFILE or here, never logged */
    const char *application;  /* application_name */
    int statement_timeout_ms; /* 0: none (housekeeping) */
    bool read_only;           /* sessions for queries */
    struct db_gate *gate;     /* NULL: everybody tries for itself */
};

struct db;      /* a connection */
struct db_rows; /* a result */

/* A statement of the program: static, prepared once per connection under its address. */
struct db_stmt {
    const char *name; /* unique, for logs and pg_stat_activity */
    const char *sql;
};

RESULT db_open(const struct db_config *config, struct db **db); /* config strings are copied */
RESULT db_check_conninfo(const char *conninfo);                 /* SENDER: malformed; connects to nobody */
void db_close(struct db **db);
/* Before a piece of work: a connection that the server ended while it was idle (a restart, a failover) is replaced, so
 * that the first statement need not fail with 9102 to find out. For owners whose session holds nothing: no LISTEN, no
 * lock of the session. One poll where all is well; without a server nothing changes. */
void db_refresh(struct db *db);
/* When (monotonic ms) the server last refused a statement of this process because it is out of disk, memory or
 * connections, or its operating system failed; 0: never. Such refusals are logged, at most one line in ten seconds. Any
 * thread. */
int64_t db_in_need(void);
const char *db_sqlstate(const struct db *db); /* of the last error, "" if none */
unsigned db_generation(const struct db *db);  /* counts reconnects */
bool db_in_transaction(const struct db *db);
void db_cancel(struct db *db); /* asks the server to stop what runs (57014); may block while connecting, not longer */

/* ---- parameters: values in order of $1, $2 …, binary; reusable by db_params_reset ---- */
struct db_param {
    uint32_t oid;
    int length;    /* -1: NULL */
    size_t offset; /* in bytes */
};
#define DB_MAX_PARAMS 32
struct db_params {
    int count;
    struct db_param at[DB_MAX_PARAMS];
    struct buf bytes;
};
void db_params_init(struct db_params *p);
void db_params_reset(struct db_params *p);
void db_params_free(struct db_params *p);
void db_bind_null(struct db_params *p, uint32_t oid);
void db_bind_bool(struct db_params *p, bool v);
void db_bind_int2(struct db_params *p, int16_t v);
void db_bind_int4(struct db_params *p, int32_t v);
void db_bind_int8(struct db_params *p, int64_t v);
void db_bind_text(struct db_params *p, const char *v); /* NULL pointer: NULL */
void db_bind_text_n(struct db_params *p, const char *v, size_t n);
void db_bind_bytea(struct db_params *p, const void *v, size_t n);
void db_bind_time(struct db_params *p, int64_t us);       /* timestamptz from unix microseconds */
void db_bind_date(struct db_params *p, int32_t days);     /* days since 1970-01-01 */
void db_bind_numeric(struct db_params *p, dec128 scaled); /* the integer `scaled`, not divided */
/* One-dimensional arrays; nulls may be NULL (none). Lower bound 1. */
void db_bind_int2_array(struct db_params *p, const int16_t *v, const bool *nulls, size_t n);
void db_bind_int4_array(struct db_params *p, const int32_t *v, const bool *nulls, size_t n);
void db_bind_int8_array(struct db_params *p, const int64_t *v, const bool *nulls, size_t n);
void db_bind_time_array(struct db_params *p, const int64_t *us, size_t n);
void db_bind_text_array(struct db_params *p, const char *const *v, size_t n);
/* A value already in PostgreSQL's binary form (composite arrays, see db/composite.h). */
void db_bind_raw(struct db_params *p, uint32_t oid, const void *bytes, size_t n);

/* ---- running ---- */
/* One or several statements without parameters; results are dropped. For DDL and SET. */
RESULT db_exec(struct db *db, const char *sql);
/* One statement; *rows may be NULL when not wanted. *rows: given, db_rows_free. */
RESULT db_query(struct db *db, const struct db_stmt *s, const struct db_params *p, struct db_rows **rows);
/* The same for parameters that serve once. p: taken, whatever comes. */
RESULT db_ask(struct db *db, const struct db_stmt *s, struct db_params *p, struct db_rows **rows);

RESULT db_begin(struct db *db);          /* READ COMMITTED */
RESULT db_begin_snapshot(struct db *db); /* REPEATABLE READ, READ ONLY */
RESULT db_commit(struct db *db);         /* TRANSIENT 9102: outcome unknown, look before repeating (P9) */
void db_rollback(struct db *db);         /* never fails: a broken connection is rolled back by the server */

/* ---- pipeline: several statements, one round trip. Non-blocking inside, never with COPY (P7). ----
 * db_pipe_begin; db_pipe_add …; db_pipe_sync; then db_pipe_next once per added statement, in order;
 * db_pipe_end. After an error all later statements up to the sync answer with the same error, and
 * db_pipe_end reports the first one. "BEGIN"/"COMMIT" may be added as statements. */
RESULT db_pipe_begin(struct db *db);
RESULT db_pipe_add(struct db *db, const struct db_stmt *s, const struct db_params *p);
RESULT db_pipe_sync(struct db *db);
RESULT db_pipe_next(struct db *db, struct db_rows **rows); /* rows may be NULL */
RESULT db_pipe_end(struct db *db);
extern const struct db_stmt DB_BEGIN, DB_COMMIT, DB_ROLLBACK;

/* ---- COPY in: binary rows made by the caller; never inside a pipeline ---- */
RESULT db_copy_begin(struct db *db, const char *sql); /* "COPY t (a,b) FROM STDIN (FORMAT binary)" */
RESULT db_copy_data(struct db *db, const void *bytes, size_t n);
RESULT db_copy_end(struct db *db, const char *error); /* error NULL: finish; else abandon */

/* ---- results ---- */
void db_rows_free(struct db_rows **rows); /* NULL inside is fine */
size_t db_rows_count(const struct db_rows *r);
int64_t db_rows_affected(const struct db_rows *r);
bool db_is_null(const struct db_rows *r, size_t row, int col);
bool db_get_bool(const struct db_rows *r, size_t row, int col);
int64_t db_get_int(const struct db_rows *r, size_t row, int col);      /* int2, int4, int8, oid */
double db_get_double(const struct db_rows *r, size_t row, int col);    /* float4, float8 */
const char *db_get_text(const struct db_rows *r, size_t row, int col); /* text types; "" if NULL; lives with r */
const void *db_get_bytea(const struct db_rows *r, size_t row, int col, size_t *n);
int64_t db_get_time(const struct db_rows *r, size_t row, int col); /* unix microseconds */
int32_t db_get_date(const struct db_rows *r, size_t row, int col); /* days since 1970-01-01 */
/* numeric × 10^6 rounded half to even (true decimals), or the integer itself (db_get_integer). */
dec128 db_get_numeric(const struct db_rows *r, size_t row, int col);
dec128 db_get_integer(const struct db_rows *r, size_t row, int col);
/* Arrays: elements in the arena; *nulls is NULL when none is NULL. NULL array: *n = 0. */
void db_get_int2_array(const struct db_rows *r, size_t row, int col, struct arena *a, int16_t **v, bool **nulls,
                       size_t *n);
void db_get_int4_array(const struct db_rows *r, size_t row, int col, struct arena *a, int32_t **v, bool **nulls,
                       size_t *n);
void db_get_int8_array(const struct db_rows *r, size_t row, int col, struct arena *a, int64_t **v, bool **nulls,
                       size_t *n);
/* numeric[] holding integers (wide totals). */
void db_get_integer_array(const struct db_rows *r, size_t row, int col, struct arena *a, dec128 **v, bool **nulls,
                          size_t *n);
void db_get_text_array(const struct db_rows *r, size_t row, int col, struct arena *a, const char ***v, size_t *n);

/* ---- LISTEN/NOTIFY ---- */
/* Waits up to timeout_ms for one notification; *channel and *payload are mem_free'd by the caller,
 * NULL when none came. */
RESULT db_wait_notify(struct db *db, int timeout_ms, char **channel, char **payload);

/* Runs fn inside a transaction; class 40 repeats it up to 5 times. fn must have no effect outside db. */
RESULT db_transaction(struct db *db, struct result (*fn)(struct db *db, void *arg), void *arg);

/* OID of a type of our schema ("frame_in"), looked up once per connection generation. */
RESULT db_type_oid(struct db *db, const char *type, uint32_t *oid);

#endif
