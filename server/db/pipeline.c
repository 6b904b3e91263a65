/* Several statements in one round trip. PostgreSQL 15 libpq-pipeline-mode; pitfall P7: non-blocking, and
 * whoever waits to send reads as well. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "db/db_internal.h"

static void push(struct pipe *pipe, enum pipe_kind kind, struct stmt_slot *slot)
{
    if (pipe->count == pipe->cap) {
        pipe->cap = pipe->cap ? pipe->cap * 2 : 32;
        pipe->entries = mem_grow(pipe->entries, pipe->cap * sizeof(*pipe->entries));
    }
    pipe->entries[pipe->count++] = (struct pipe_entry){kind, slot};
}

/* Error texts live in a short ring of the thread; a pipeline may outlive them. */
static struct result keep(struct result r, char *text, size_t size)
{
    snprintf(text, size, "%s", r.text);
    r.text = text;
    return r;
}

static struct result note_error(struct db *db, struct result r)
{
    struct pipe *pipe = &db->pipe;
    if (result_ok(pipe->segment)) {
        pipe->segment = keep(r, pipe->segment_text, sizeof(pipe->segment_text));
    }
    if (result_ok(pipe->first)) {
        pipe->first = keep(r, pipe->first_text, sizeof(pipe->first_text));
    }
    return r;
}

static struct result repeat_error(struct result r)
{
    return result_ok(r) ? r : result_error(r.kind, r.code, "%s", r.text);
}

struct result db_pipe_begin(struct db *db)
{
    if (db->pipe.open) { /* an owner returned early; what it left is of no use to anybody */
        struct result r = db_pipe_end(db);
        (void)r;
    }
    TRY(db_ready(db, false));
    if (!PQenterPipelineMode(db->conn)) {
        return db_fail_lost(db, "pipeline");
    }
    struct pipe *pipe = &db->pipe;
    pipe->open = true;
    pipe->head = pipe->count = 0;
    pipe->first = pipe->segment = RESULT_OK;
    return RESULT_OK;
}

struct result db_pipe_add(struct db *db, const struct db_stmt *s, const struct db_params *p)
{
    struct pipe *pipe = &db->pipe;
    if (!pipe->open) {
        return db_fail_own(db, ERR_INTERNAL, 0, "%s: no pipeline is open", s->name);
    }
    if (db->lost) {
        return repeat_error(pipe->first);
    }
    struct stmt_slot *slot = db_slot(db, s);
    struct result r = db_slot_check(db, slot, p);
    if (!result_ok(r)) {
        return note_error(db, r);
    }
    if (!slot->prepared) {
        if (!db_send_prepare(db, slot, p)) {
            return note_error(db, db_fail_lost(db, s->name));
        }
        push(pipe, PIPE_PREPARE, slot);
        db_slot_prepared(slot, p); /* taken back when the answer is not good */
    }
    if (!db_send_run(db, slot, p)) {
        return note_error(db, db_fail_lost(db, s->name));
    }
    push(pipe, PIPE_RUN, slot);
    return RESULT_OK;
}

struct result db_pipe_sync(struct db *db)
{
    struct pipe *pipe = &db->pipe;
    if (!pipe->open) {
        return db_fail_own(db, ERR_INTERNAL, 0, "sync: no pipeline is open");
    }
    if (db->lost) {
        return repeat_error(pipe->first);
    }
    if (!PQpipelineSync(db->conn)) {
        return note_error(db, db_fail_lost(db, "sync"));
    }
    push(pipe, PIPE_SYNC, NULL);
    struct result r = db_flush(db);
    return result_ok(r) ? r : note_error(db, r);
}

static bool synced(const struct pipe *pipe)
{
    return pipe->head == pipe->count || pipe->entries[pipe->count - 1].kind == PIPE_SYNC;
}

/* The answer to one prepare or run: *res is given when good. */
static struct result take_answer(struct db *db, const struct pipe_entry *e, PGresult **res)
{
    struct result r = db_get_result(db, res);
    if (result_ok(r) && !*res) {
        r = db_fail_lost(db, e->slot->stmt->name);
    }
    if (!result_ok(r)) {
        return note_error(db, r);
    }
    if (PQresultStatus(*res) == PGRES_PIPELINE_ABORTED) {
        r = repeat_error(db->pipe.segment);
    } else if (!db_status_good(*res)) {
        r = note_error(db, db_fail_result(db, *res, e->slot->stmt->name));
    }
    db_drain(db); /* to the NULL that ends each statement's results */
    if (!result_ok(r)) {
        PQclear(*res);
        *res = NULL;
    }
    return r;
}

static struct result take_sync(struct db *db)
{
    PGresult *res = NULL;
    struct result r = db_get_result(db, &res);
    if (result_ok(r) && PQresultStatus(res) != PGRES_PIPELINE_SYNC) {
        r = res ? db_fail_result(db, res, "sync") : db_fail_lost(db, "sync");
    }
    PQclear(res);
    db->pipe.segment = RESULT_OK;
    return result_ok(r) ? r : note_error(db, r);
}

/* Works off answers up to and including the next run; *res NULL with success: nothing left. */
static struct result next_answer(struct db *db, PGresult **res)
{
    struct pipe *pipe = &db->pipe;
    *res = NULL;
    while (!db->lost && pipe->head < pipe->count) {
        struct pipe_entry e = pipe->entries[pipe->head++];
        if (e.kind == PIPE_SYNC) {
            TRY(take_sync(db));
            continue;
        }
        struct result r = take_answer(db, &e, res);
        if (e.kind == PIPE_RUN) {
            return r;
        }
        if (!result_ok(r)) {
            e.slot->prepared = false;
        }
        PQclear(*res);
        *res = NULL;
    }
    return db->lost ? repeat_error(pipe->first) : RESULT_OK;
}

/* Not taken by name from the statement: COMMIT of a failed transaction says ROLLBACK without an error. */
static struct result check_commit(struct db *db, const struct stmt_slot *slot, const PGresult *res)
{
    if (slot->stmt != &DB_COMMIT || strcmp(PQcmdStatus((PGresult *)res), "ROLLBACK") != 0) {
        return RESULT_OK;
    }
    return note_error(db, db_fail_own(db, ERR_INTERNAL, 0, "commit: the transaction had failed and was rolled back"));
}

struct result db_pipe_next(struct db *db, struct db_rows **rows)
{
    struct pipe *pipe = &db->pipe;
    if (rows) {
        *rows = NULL;
    }
    if (!pipe->open) {
        return db_fail_own(db, ERR_INTERNAL, 0, "next: no pipeline is open");
    }
    if (!synced(pipe)) {
        TRY(db_pipe_sync(db));
    }
    PGresult *res = NULL;
    TRY(next_answer(db, &res));
    if (!res) {
        return db_fail_own(db, ERR_INTERNAL, 0, "next: no further answer in the pipeline");
    }
    struct result r = check_commit(db, pipe->entries[pipe->head - 1].slot, res);
    if (result_ok(r) && rows) {
        *rows = db_rows_new(res);
    } else {
        PQclear(res);
    }
    return r;
}

static void drain_pipe(struct db *db)
{
    struct pipe *pipe = &db->pipe;
    if (!synced(pipe) && !db->lost) {
        struct result r = db_pipe_sync(db);
        (void)r; /* noted */
    }
    while (!db->lost && pipe->head < pipe->count) {
        PGresult *res = NULL;
        struct result r = next_answer(db, &res); /* noted */
        (void)r;
        PQclear(res);
    }
}

struct result db_pipe_end(struct db *db)
{
    struct pipe *pipe = &db->pipe;
    if (!pipe->open) {
        return RESULT_OK;
    }
    bool tx_before = db->tx;
    drain_pipe(db);
    pipe->open = false;
    if (!db->lost && !PQexitPipelineMode(db->conn)) {
        note_error(db, db_fail_lost(db, "pipeline"));
    }
    db_note_transaction(db);
    /* A transaction that this pipeline began and that failed in it is of no use to anybody. */
    if (!db->lost && !tx_before && PQtransactionStatus(db->conn) == PQTRANS_INERROR) {
        db_rollback(db);
    }
    return repeat_error(pipe->first);
}
