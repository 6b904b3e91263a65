/* COPY FROM STDIN. PostgreSQL 15 libpq-copy. */
#include "db/db_internal.h"

struct result db_copy_begin(struct db *db, const char *sql)
{
    TRY(db_ready(db, false));
    if (!PQsendQuery(db->conn, sql)) {
        return db_fail_lost(db, "copy");
    }
    PGresult *res = NULL;
    TRY(db_get_result(db, &res));
    struct result r = RESULT_OK;
    if (PQresultStatus(res) != PGRES_COPY_IN) {
        r = db_status_good(res) ? db_fail_own(db, ERR_INTERNAL, 0, "copy: not a COPY FROM STDIN")
                                : db_fail_result(db, res, "copy");
        db_drain(db);
        db_note_transaction(db);
    }
    PQclear(res);
    return r;
}

struct result db_copy_data(struct db *db, const void *bytes, size_t n)
{
    if (db->lost) {
        return db_ready(db, false);
    }
    int sent;
    while ((sent = PQputCopyData(db->conn, bytes, (int)n)) == 0) { /* the buffer is full */
        TRY(db_wait_writable(db));
    }
    /* Sent before the next piece is taken: libpq would keep what the socket does not take, grow without bound, and move
     * all of it at each further send. */
    return sent < 0 ? db_fail_lost(db, "copy data") : db_flush(db);
}

static struct result finish(struct db *db, const char *error)
{
    int sent;
    while ((sent = PQputCopyEnd(db->conn, error)) == 0) {
        TRY(db_wait_writable(db));
    }
    return sent < 0 ? db_fail_lost(db, "copy end") : RESULT_OK;
}

struct result db_copy_end(struct db *db, const char *error)
{
    if (db->lost) {
        return db_fail_lost(db, "copy end");
    }
    TRY(finish(db, error));
    PGresult *res = NULL;
    TRY(db_get_result(db, &res));
    /* Abandoning is answered by an error of the server: that is what was wanted. */
    struct result r = db_status_good(res) || error ? RESULT_OK : db_fail_result(db, res, "copy end");
    PQclear(res);
    db_drain(db);
    db_note_transaction(db);
    return r;
}
