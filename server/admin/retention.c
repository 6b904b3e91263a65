#include "admin/retention.h"

#include <stdio.h>
#include <string.h>

#include "admin/audit.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

static const struct db_stmt DUE = {"storage.due", "SELECT part, tbl, upper_ts, bytes, held FROM storage_due($1, $2)"};
static const struct db_stmt DROP = {"storage.drop", "SELECT storage_drop($1, $2)"};

int64_t retention_cutoff(int64_t keep_ms)
{
    return clock_now() - keep_ms * 1000;
}

struct run {
    struct db *db;
    const char *actor;
    bool dry_run;
    void (*told)(const struct retention_step *step, void *arg);
    void *arg;
    int64_t cutoff;
};

static RESULT drop_inside(struct run *run, struct retention_step *step, char *held, size_t size)
{
    struct db_params p;
    db_params_init(&p);
    db_bind_text(&p, step->partition);
    db_bind_time(&p, run->cutoff);
    struct db_rows *rows = NULL;
    struct result r = db_exec(run->db, "SET LOCAL lock_timeout = '1s'");
    r = result_ok(r) ? db_query(run->db, &DROP, &p, &rows) : r;
    if (result_ok(r)) {
        snprintf(held, size, "%s", db_get_text(rows, 0, 0));
    }
    db_rows_free(&rows);
    db_params_free(&p);
    TRY(r);
    return *held ? RESULT_OK : audit_write(run->db, run->actor, "", "storage.expire", step->partition, 0, "");
}

/* One transaction. A partition somebody uses is no error: it is still there the next time. */
static RESULT drop(struct run *run, struct retention_step *step, char *held, size_t size)
{
    TRY(db_begin(run->db));
    struct result r = drop_inside(run, step, held, size);
    bool busy = !result_ok(r) && strcmp(db_sqlstate(run->db), "55P03") == 0;
    if (!result_ok(r)) {
        db_rollback(run->db);
        snprintf(held, size, "正被使用 / in use");
        return busy ? RESULT_OK : r;
    }
    if (*held) {
        db_rollback(run->db); /* what was prepared for the drop must not outlive it */
        return RESULT_OK;
    }
    return db_commit(run->db);
}

static void tell(const struct run *run, const struct retention_step *step)
{
    if (run->told) {
        run->told(step, run->arg);
    }
    if (run->dry_run) {
        return;
    }
    if (*step->held) {
        log_write(LOG_WARN, "admin", "partition_kept", "partition=%s reason=%s", step->partition,
                  log_quote(step->held));
    } else {
        log_write(LOG_INFO, "admin", "partition_expired", "partition=%s bytes=%lld", step->partition,
                  (long long)step->bytes);
    }
}

static RESULT drop_all(struct run *run, const char *kind, const struct db_rows *rows)
{
    char stuck[64] = ""; /* a table whose younger partitions must wait: readings go from the oldest on */
    for (size_t i = 0; i < db_rows_count(rows); i++) {
        char held[128] = "";
        struct retention_step step = {.kind = kind,
                                      .partition = db_get_text(rows, i, 0),
                                      .table = db_get_text(rows, i, 1),
                                      .until = db_get_time(rows, i, 2),
                                      .bytes = db_get_int(rows, i, 3),
                                      .held = held};
        snprintf(held, sizeof held, "%s", db_get_text(rows, i, 4));
        if (*held) {
            /* told as it is */
        } else if (strcmp(stuck, step.table) == 0) {
            snprintf(held, sizeof held, "须待更早的分区 / after an older one");
        } else if (!run->dry_run) {
            TRY(drop(run, &step, held, sizeof held));
        }
        if (*held) {
            snprintf(stuck, sizeof stuck, "%s", step.table);
        }
        tell(run, &step);
    }
    return RESULT_OK;
}

static RESULT run_kind(struct run *run, const char *kind, int64_t keep_ms)
{
    struct db_params p;
    run->cutoff = retention_cutoff(keep_ms);
    db_params_init(&p);
    db_bind_text(&p, kind);
    db_bind_time(&p, run->cutoff);
    struct db_rows *rows = NULL;
    struct result r = db_query(run->db, &DUE, &p, &rows);
    r = result_ok(r) ? drop_all(run, kind, rows) : r;
    db_rows_free(&rows);
    db_params_free(&p);
    return r;
}

RESULT retention_run(struct db *db, const struct retention *keep, const char *actor, bool dry_run,
                     void (*told)(const struct retention_step *step, void *arg), void *arg)
{
    struct run run = {.db = db, .actor = actor, .dry_run = dry_run, .told = told, .arg = arg};
    TRY(run_kind(&run, "raw", keep->raw_ms));
    TRY(run_kind(&run, "payload", keep->payload_ms));
    return run_kind(&run, "audit", keep->audit_ms);
}
