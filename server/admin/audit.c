/* audit: one row, by the platform's clock. */
#include "admin/audit.h"

#include <string.h>

#include "base/clock.h"

static const struct db_stmt INSERT = {
    "audit_insert",
    "INSERT INTO audit_log (at, actor, peer, action, object, code, detail) VALUES ($1, $2, $3, $4, $5, $6, $7)"};
static const struct db_stmt MAKE_PARTITION = {"audit_partition", "SELECT partition_ensure('receipt', $1)"};

static RESULT insert(struct db *db, const struct db_params *p, int64_t now)
{
    struct result r = db_query(db, &INSERT, p, NULL);
    if (result_ok(r) || strcmp(db_sqlstate(db), "23514") != 0 || db_in_transaction(db)) {
        return r;
    }
    struct db_params month;
    db_params_init(&month);
    db_bind_time(&month, now);
    r = db_query(db, &MAKE_PARTITION, &month, NULL);
    db_params_free(&month);
    TRY(r);
    return db_query(db, &INSERT, p, NULL);
}

RESULT audit_write(struct db *db, const char *actor, const char *peer, const char *action, const char *object, int code,
                   const char *detail)
{
    int64_t now = clock_now();
    struct db_params p;
    db_params_init(&p);
    db_bind_time(&p, now);
    db_bind_text(&p, actor);
    db_bind_text(&p, peer);
    db_bind_text(&p, action);
    db_bind_text(&p, object);
    db_bind_int4(&p, code);
    db_bind_text(&p, detail);
    struct result r = insert(db, &p, now);
    db_params_free(&p);
    return r;
}
