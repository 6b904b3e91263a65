#include "admin/pack.h"

#include <stdio.h>
#include <string.h>

#include "admin/audit.h"
#include "base/clock.h"
#include "base/log.h"

#define UNITS_PER_STEP 32 /* some tenths of a second; their rollups wait so long */
#define NS_PER_MS INT64_C(1000000)

static const struct db_stmt STEP = {
    "storage.pack", "SELECT to_char(month, 'YYYY-MM'), part, moved, finished FROM storage_pack($1, $2)"};
static const struct db_stmt OWNER = {"storage.pack_owner",
                                     "SELECT coalesce((SELECT pg_has_role(c.relowner, 'USAGE') FROM pg_class c"
                                     " WHERE c.oid = to_regclass('public.' || quote_ident($1))), false)"};

struct step {
    char month[16], partition[64]; /* month "": there was nothing to do */
    int64_t moved;
    bool finished;
};

static RESULT take_step(struct db *db, struct step *step)
{
    struct db_params p;
    struct db_rows *rows = NULL;
    db_params_init(&p);
    db_bind_time(&p, clock_now());
    db_bind_int4(&p, UNITS_PER_STEP);
    struct result r = db_query(db, &STEP, &p, &rows);
    *step = (struct step){0};
    if (result_ok(r) && !db_is_null(rows, 0, 0)) {
        snprintf(step->month, sizeof step->month, "%s", db_get_text(rows, 0, 0));
        snprintf(step->partition, sizeof step->partition, "%s", db_get_text(rows, 0, 1));
        step->moved = db_get_int(rows, 0, 2);
        step->finished = db_get_bool(rows, 0, 3);
    }
    db_rows_free(&rows);
    db_params_free(&p);
    return r;
}

/* The next month takes the place of this one's old rows. Nothing is cut off the table's end: that would lock it. An
 * autovacuum of the same table gives way, being slow by design; one that must not is left to it. */
static RESULT vacuum(struct db *db, const char *partition)
{
    struct db_params p;
    struct db_rows *rows = NULL;
    char sql[128] = "";
    db_params_init(&p);
    db_bind_text(&p, partition);
    struct result r = db_query(db, &OWNER, &p, &rows);
    if (result_ok(r) && db_get_bool(rows, 0, 0)) {
        snprintf(sql, sizeof sql, "VACUUM (TRUNCATE FALSE) public.%s", partition);
    }
    db_rows_free(&rows);
    db_params_free(&p);
    TRY(r);
    r = *sql ? db_exec(db, sql) : RESULT_OK;
    bool busy = !result_ok(r) && strcmp(db_sqlstate(db), "55P03") == 0;
    return busy ? RESULT_OK : r;
}

static RESULT finish(struct db *db, const char *actor, const struct pack_month *month)
{
    log_write(LOG_INFO, "admin", "packed", "month=%s rows=%lld", month->month, (long long)month->rows);
    TRY(audit_write(db, actor, "", "storage.pack", month->month, 0, ""));
    return vacuum(db, month->partition);
}

RESULT pack_run(struct db *db, const char *actor, int64_t budget_ms,
                void (*told)(const struct pack_month *month, void *arg), void *arg)
{
    int64_t begin = clock_monotonic(), moved = 0;
    struct step step;
    do {
        TRY(take_step(db, &step));
        moved += step.moved;
        if (step.finished && moved > 0) {
            struct pack_month month = {step.month, step.partition, moved};
            TRY(finish(db, actor, &month));
            if (told) {
                told(&month, arg);
            }
            moved = 0;
        }
    } while (*step.month && (budget_ms == 0 || clock_monotonic() - begin < budget_ms * NS_PER_MS));
    return RESULT_OK;
}
