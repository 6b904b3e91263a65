#include "admin/housekeeping.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "admin/alarm.h"
#include "admin/audit.h"
#include "admin/pack.h"
#include "base/backoff.h"
#include "base/caltime.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/queue.h"
#include "base/secret.h"
#include "base/utf8.h"
#include "db/migrate.h"
#include "fep/outbox_store.h"
#include "registry/command_store.h"
#include "rollup/rollup.h"

#define CHANNEL "nhjc_registry"
#define AUDIT_MAX 1024 /* handshakes waiting for the audit log */
#define WAKE_MS 250    /* how late a stop, a job or a refused handshake may be seen */
#define NEED_MS 60000  /* health: the database refused something for want of disk or memory so lately */
#define TELL_MS 10000  /* the same trouble again: one line in so long */
#define SECOND_MS INT64_C(1000)
#define CONTENT_KEEP_US (3600 * USEC_PER_SEC) /* bytes of forwarded messages: an hour to look at them */

static struct metric AUDIT_DROPPED =
    METRIC(METRIC_COUNTER, "nhjc_audit_dropped_total", NULL,
           "Entries not written to the audit log: queue full, or refused by the database");
static struct metric ROLLUP_MARKS = METRIC(METRIC_GAUGE, "nhjc_rollup_marks", NULL, "Hours waiting to be rolled up");
static struct metric ROLLUP_OLDEST =
    METRIC(METRIC_GAUGE, "nhjc_rollup_oldest_milliseconds", NULL, "Age of the oldest hour waiting to be rolled up");
static struct metric OUTBOX_PENDING =
    METRIC(METRIC_GAUGE, "nhjc_outbox_pending", NULL, "Uploads not yet forwarded, over all destinations");
static struct metric OUTBOX_PARKED =
    METRIC(METRIC_GAUGE, "nhjc_outbox_parked", NULL, "Messages refused for good by a destination");
static struct metric OUTBOX_OLDEST =
    METRIC(METRIC_GAUGE, "nhjc_outbox_oldest_milliseconds", NULL, "Age of the oldest upload not yet forwarded");
static struct metric JOBS_FAILED =
    METRIC(METRIC_COUNTER, "nhjc_housekeeping_failures_total", NULL, "Jobs of housekeeping that failed");
static struct metric REUPLOADS =
    METRIC(METRIC_COUNTER, "nhjc_reuploads_asked_total", NULL, "Gaps that devices were asked to upload again");

static const struct db_stmt HORIZON = {"housekeeping_horizon", "SELECT partition_horizon($1, $2)"};
static const struct db_stmt DESTINATIONS = {"housekeeping_destinations", "SELECT id FROM destination WHERE active"};
static const struct db_stmt PARENT =
    {/* autovacuum never looks at them; the one whose statistics are oldest */
     "housekeeping_parent",
     "SELECT c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = 'public' "
     "LEFT JOIN pg_stat_user_tables s ON s.relid = c.oid WHERE c.relkind = 'p' AND pg_has_role(c.relowner, 'USAGE') "
     "AND coalesce(s.last_analyze, '-infinity') < now() - interval '7 days' ORDER BY s.last_analyze NULLS FIRST, 1 "
     "LIMIT 1"};
static const struct db_stmt NEW_DAY = {"housekeeping_base_data", "SELECT base_data_new_day($1)"};

struct entry { /* one row of the audit log to be */
    char actor[256], peer[64], action[32], detail[256];
    int code;
};

struct housekeeping {
    struct housekeeping_config config;
    struct db *db;
    struct queue *audit;
    struct backoff backoff;
    int64_t reupload_due; /* monotonic ms */
    int *told;            /* by destination: alarm_destination */
    atomic_bool away;     /* the database, as of the last round */
    atomic_llong seen;    /* monotonic ms: the end of the last round */
    unsigned listening;   /* db_generation of the connection that listens; 0: none yet */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool stopping, in_job;
};

/* ---------------------------------------------------------------- audit entries of threads that must not wait */
/* The log is text: a foreign certificate may hold anything, and a cut must not fall inside a character. */
static void put(char *out, size_t size, const char *text)
{
    size_t left = text ? strlen(text) : 0, n = 0, len;
    uint32_t code;
    for (; left > 0; left -= len, text += len) {
        bool good = (len = utf8_next(text, left, &code)) > 0;
        len = good ? len : 1;
        if (n + len >= size) {
            break;
        }
        memcpy(out + n, good ? text : "?", len);
        n += len;
    }
    out[n] = '\0';
}

void housekeeping_audit(struct housekeeping *h, const char *actor, const char *peer, const char *action, int code,
                        const char *detail)
{
    struct entry *e = mem_alloc(sizeof *e);
    put(e->actor, sizeof e->actor, actor);
    put(e->peer, sizeof e->peer, peer);
    put(e->action, sizeof e->action, action);
    put(e->detail, sizeof e->detail, detail);
    e->code = code;
    if (!queue_push(h->audit, e)) {
        metric_add(&AUDIT_DROPPED, 1);
        mem_free(e);
    }
}

void housekeeping_refused(int code, const char *reason, const char *peer, const char *subject, void *arg)
{
    housekeeping_audit(arg, subject, peer, "tls.refused", code, reason);
}

/* The database is away; anything else is one statement's own trouble, though it may pass (a timeout, a full disk). */
static bool away(const struct housekeeping *h, struct result r)
{
    const char *state = db_sqlstate(h->db);
    return r.kind == ERR_TRANSIENT && r.code == 9102 && strncmp(state, "53", 2) != 0 && strncmp(state, "58", 2) != 0;
}

/* An entry that cannot be written now goes back into the queue, behind the others; one that never can is lost. */
static void keep_audit(struct housekeeping *h, struct entry *e, struct result r)
{
    if (r.kind == ERR_TRANSIENT && queue_push(h->audit, e)) {
        return;
    }
    metric_add(&AUDIT_DROPPED, 1);
    log_result(LOG_ERROR, "admin", "audit_dropped", r);
    mem_free(e);
}

static RESULT write_audit(struct housekeeping *h)
{
    struct entry *e;
    while ((e = queue_pop(h->audit, 0))) {
        struct result r = audit_write(h->db, e->actor, e->peer, e->action, "", e->code, e->detail);
        if (result_ok(r)) {
            mem_free(e);
            continue;
        }
        keep_audit(h, e, r);
        if (r.kind == ERR_TRANSIENT) {
            return r;
        }
    }
    return RESULT_OK;
}

/* ---------------------------------------------------------------- registry */
/* Also says to migrations that a server works here. */
static RESULT listen(struct housekeeping *h)
{
    if (h->listening && h->listening == db_generation(h->db)) {
        return RESULT_OK;
    }
    TRY(db_use_schema(h->db));
    TRY(db_exec(h->db, "LISTEN " CHANNEL));
    h->listening = db_generation(h->db);
    return registry_reload_all(h->config.registry, h->db); /* what was told while nobody listened */
}

static RESULT reload(struct housekeeping *h, const char *code)
{
    log_write(LOG_DEBUG, "admin", "registry_notice", "code=%s", log_quote(code));
    return *code ? registry_reload_unit(h->config.registry, h->db, code)
                 : registry_reload_all(h->config.registry, h->db);
}

static RESULT take_notices(struct housekeeping *h)
{
    char *channel = NULL, *payload = NULL;
    TRY(db_wait_notify(h->db, WAKE_MS, &channel, &payload));
    struct result r = channel ? reload(h, payload) : RESULT_OK;
    if (!result_ok(r)) {
        h->listening = 0; /* a notice taken but not followed: everything again after the pause */
    }
    mem_free(channel);
    mem_free(payload);
    return r;
}

/* ---------------------------------------------------------------- jobs */
RESULT housekeeping_partitions(struct db *db, int ahead)
{
    struct db_params p;
    db_params_init(&p);
    db_bind_time(&p, clock_now());
    db_bind_int4(&p, ahead);
    struct db_rows *rows = NULL;
    struct result r = db_query(db, &HORIZON, &p, &rows);
    if (result_ok(r) && db_get_int(rows, 0, 0) > 0) {
        log_write(LOG_INFO, "admin", "partitions", "made=%lld", (long long)db_get_int(rows, 0, 0));
    }
    db_rows_free(&rows);
    db_params_free(&p);
    return r;
}

static RESULT job_partitions(struct housekeeping *h)
{
    return housekeeping_partitions(h->db, h->config.partitions_ahead);
}

static RESULT job_prune(struct housekeeping *h)
{
    int64_t now = clock_now(), removed = 0, all = 0;
    bool more = false;
    for (int i = 0; i < 60 && (i == 0 || more); i++) {
        TRY(outbox_prune(h->db, now - CONTENT_KEEP_US, now - h->config.outbox_keep_ms * 1000, &removed, &more));
        all += removed;
    }
    if (all > 0) {
        log_write(LOG_INFO, "admin", "outbox_pruned", "removed=%lld", (long long)all);
    }
    return RESULT_OK;
}

static RESULT job_retention(struct housekeeping *h)
{
    const struct retention *keep = &h->config.keep;
    bool wanted = keep->raw_ms > 0 && keep->payload_ms > 0 && keep->audit_ms > 0;
    return wanted ? retention_run(h->db, keep, "nhjcd", false, NULL, NULL) : RESULT_OK;
}

#define PACK_MS 3000 /* of a minute: notices and the other jobs wait so long, and for one vacuum a month */

static RESULT job_pack(struct housekeeping *h)
{
    return pack_run(h->db, "nhjcd", PACK_MS, NULL, NULL);
}

static RESULT measure_rollups(struct db *db)
{
    int64_t marks, oldest_ms;
    TRY(rollup_backlog(db, &marks, &oldest_ms));
    metric_set(&ROLLUP_MARKS, marks);
    metric_set(&ROLLUP_OLDEST, oldest_ms);
    return RESULT_OK;
}

static RESULT add_lag(struct db *db, int destination, struct outbox_lag *sum)
{
    struct outbox_lag lag;
    TRY(outbox_lag(db, destination, &lag));
    sum->pending += lag.pending;
    sum->parked += lag.parked;
    if (lag.oldest && (!sum->oldest || lag.oldest < sum->oldest)) {
        sum->oldest = lag.oldest;
    }
    return RESULT_OK;
}

static RESULT measure_outbox(struct db *db)
{
    struct outbox_lag sum = {0};
    struct db_rows *rows = NULL;
    TRY(db_query(db, &DESTINATIONS, NULL, &rows));
    struct result r = RESULT_OK;
    for (size_t i = 0; i < db_rows_count(rows) && result_ok(r); i++) {
        r = add_lag(db, (int)db_get_int(rows, i, 0), &sum);
    }
    db_rows_free(&rows);
    TRY(r);
    metric_set(&OUTBOX_PENDING, sum.pending);
    metric_set(&OUTBOX_PARKED, sum.parked);
    metric_set(&OUTBOX_OLDEST, sum.oldest ? (clock_now() - sum.oldest) / 1000 : 0);
    return RESULT_OK;
}

static RESULT job_gauges(struct housekeeping *h)
{
    TRY(measure_rollups(h->db));
    return measure_outbox(h->db);
}

static RESULT job_certificates(struct housekeeping *h)
{
    return alarm_certificates(h->db);
}

static RESULT job_storage(struct housekeeping *h)
{
    return alarm_storage(h->db, h->config.partitions_ahead);
}

/* One an hour, each weekly: it reads a sample of every partition. Without it the planner guesses about whole tables. */
static RESULT job_analyze(struct housekeeping *h)
{
    struct db_rows *rows = NULL;
    char sql[128] = "";
    TRY(db_query(h->db, &PARENT, NULL, &rows));
    if (db_rows_count(rows) == 1) {
        snprintf(sql, sizeof sql, "ANALYZE public.%s", db_get_text(rows, 0, 0));
    }
    db_rows_free(&rows);
    return *sql ? db_exec(h->db, sql) : RESULT_OK;
}

/* Base data that begins or ends by the calendar. */
static RESULT job_base_data(struct housekeeping *h)
{
    struct db_params p;
    struct db_rows *rows = NULL;
    db_params_init(&p);
    db_bind_date(&p, (int32_t)((clock_now() + caltime_offset_seconds() * USEC_PER_SEC) / (86400 * USEC_PER_SEC)));
    struct result r = db_query(h->db, &NEW_DAY, &p, &rows);
    if (result_ok(r) && db_get_int(rows, 0, 0) > 0) {
        log_write(LOG_INFO, "admin", "base_data_of_the_day", "entries=%lld", (long long)db_get_int(rows, 0, 0));
    }
    db_rows_free(&rows);
    db_params_free(&p);
    return r;
}

static int64_t monotonic_ms(void)
{
    return clock_monotonic() / 1000000;
}

#define REUPLOAD_MOST 1000 /* at once: the next round takes more */

/* Gaps of days that are over: what belongs to today may still be on its way. */
static RESULT job_reupload(struct housekeeping *h)
{
    if (!h->config.reupload_every_ms || monotonic_ms() < h->reupload_due) {
        return RESULT_OK;
    }
    struct command_gap_limits limits = {clock_now(), h->config.reupload_days, h->config.reupload_open, REUPLOAD_MOST};
    int64_t made = 0;
    TRY(command_reupload_gaps(h->db, &limits, &made));
    h->reupload_due = monotonic_ms() + h->config.reupload_every_ms;
    metric_add(&REUPLOADS, made);
    if (made > 0) {
        log_write(LOG_INFO, "admin", "reupload_asked", "gaps=%lld", (long long)made);
    }
    return RESULT_OK;
}

static RESULT job_destinations(struct housekeeping *h)
{
    struct result first = RESULT_OK;
    for (size_t i = 0; i < h->config.destination_count; i++) {
        struct result r =
            h->config.destinations[i].active ? alarm_destination(&h->config.destinations[i], &h->told[i]) : RESULT_OK;
        first = result_ok(first) ? r : first; /* one file that cannot be read hides no other */
    }
    return first;
}

struct job {
    const char *name;
    int64_t every_ms;
    struct result (*run)(struct housekeeping *h);
};

static const int64_t JOB_RETRY_MS = 60 * SECOND_MS;
static const struct job JOBS[] = {
    {"gauges", 5 * SECOND_MS, job_gauges},
    {"partitions", 3600 * SECOND_MS, job_partitions},
    {"outbox_prune", 600 * SECOND_MS, job_prune},
    {"certificates", 86400 * SECOND_MS, job_certificates},
    {"analyze", 3600 * SECOND_MS, job_analyze},
    {"storage", 3600 * SECOND_MS, job_storage},
    {"retention", 86400 * SECOND_MS, job_retention},
    {"reupload", SECOND_MS, job_reupload},
    {"base_data", 60 * SECOND_MS, job_base_data},
    {"pack", 60 * SECOND_MS, job_pack},
    {"destinations", 3600 * SECOND_MS, job_destinations},
};

static bool stopping(struct housekeeping *h)
{
    pthread_mutex_lock(&h->lock);
    bool yes = h->stopping;
    pthread_mutex_unlock(&h->lock);
    return yes;
}

/* While a job is in hand, a stop cancels its statement. */
static void in_job(struct housekeeping *h, bool yes)
{
    pthread_mutex_lock(&h->lock);
    h->in_job = yes;
    pthread_mutex_unlock(&h->lock);
}

/* A job that fails by itself is told and tried again in a minute: notices and the other jobs do not wait for it. A
 * database that is away is another matter, and ends the round. No job takes more than a twentieth of the time. */
static RESULT run_job(struct housekeeping *h, const struct job *job, int64_t *due)
{
    int64_t begin = monotonic_ms();
    in_job(h, true);
    struct result r = job->run(h);
    in_job(h, false);
    bool failed = !result_ok(r);
    if (failed && away(h, r)) {
        return result_error(r.kind, r.code, "%s: %s", job->name, r.text);
    }
    if (failed) {
        metric_add(&JOBS_FAILED, 1);
        log_result(LOG_ERROR, "admin", job->name, r);
        db_rollback(h->db);
    }
    int64_t now = monotonic_ms(), pause = failed ? JOB_RETRY_MS : job->every_ms;
    *due = now + (pause > 20 * (now - begin) ? pause : 20 * (now - begin));
    return RESULT_OK;
}

static RESULT run_due_jobs(struct housekeeping *h, int64_t due[ARRAY_LEN(JOBS)])
{
    for (size_t i = 0; i < ARRAY_LEN(JOBS) && !stopping(h); i++) {
        if (monotonic_ms() >= due[i]) {
            TRY(run_job(h, &JOBS[i], &due[i]));
        }
    }
    return RESULT_OK;
}

/* ---------------------------------------------------------------- the thread */
static void pause_ms(struct housekeeping *h, int64_t ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += ms % 1000 * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_mutex_lock(&h->lock);
    while (!h->stopping && pthread_cond_timedwait(&h->wake, &h->lock, &until) == 0) {
    }
    pthread_mutex_unlock(&h->lock);
}

static RESULT round_of_work(struct housekeeping *h, int64_t due[ARRAY_LEN(JOBS)])
{
    TRY(listen(h));
    struct result r = write_audit(h);
    r = away(h, r) ? r : run_due_jobs(h, due); /* a job that fails keeps no notice waiting */
    TRY(take_notices(h));
    return r;
}

static void *body(void *arg)
{
    struct housekeeping *h = arg;
    int64_t due[ARRAY_LEN(JOBS)] = {0}, told = INT64_MIN / 2;
    while (!stopping(h)) {
        struct result r = round_of_work(h, due);
        /* SENDER: the tables are not this program's any more, no round does anything. */
        atomic_store(&h->away, away(h, r) || r.kind == ERR_SENDER);
        atomic_store(&h->seen, monotonic_ms());
        if (result_ok(r)) {
            backoff_success(&h->backoff, monotonic_ms());
            continue;
        }
        if (monotonic_ms() - told >= TELL_MS) {
            log_result(LOG_WARN, "admin", "housekeeping", r);
            told = monotonic_ms();
        }
        pause_ms(h, backoff_fail(&h->backoff, monotonic_ms()));
    }
    struct result r = write_audit(h);
    if (!result_ok(r)) {
        log_result(LOG_WARN, "admin", "audit_lost", r);
    }
    return NULL;
}

static void release(struct housekeeping *h)
{
    struct entry *e;
    while ((e = queue_pop(h->audit, 0))) {
        mem_free(e);
    }
    queue_free(&h->audit);
    mem_free(h->told);
    db_close(&h->db);
    pthread_cond_destroy(&h->wake);
    pthread_mutex_destroy(&h->lock);
    mem_free(h);
}

static struct housekeeping *prepare(const struct housekeeping_config *config)
{
    struct housekeeping *h = mem_alloc(sizeof *h);
    uint64_t seed;
    pthread_condattr_t attr;
    h->config = *config;
    h->seen = monotonic_ms();
    h->audit = queue_new(AUDIT_MAX);
    h->told = mem_array(config->destination_count + 1, sizeof *h->told);
    for (size_t i = 0; i < config->destination_count; i++) {
        h->told[i] = ALARM_UNTOLD;
    }
    random_bytes(&seed, sizeof seed);
    backoff_init(&h->backoff, 200, 10 * SECOND_MS, 30 * SECOND_MS, seed);
    pthread_mutex_init(&h->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&h->wake, &attr);
    pthread_condattr_destroy(&attr);
    return h;
}

RESULT housekeeping_start(const struct housekeeping_config *config, struct housekeeping **out)
{
    struct housekeeping *h = prepare(config);
    struct result r = db_open(&config->db, &h->db);
    if (result_ok(r) && pthread_create(&h->thread, NULL, body, h) != 0) {
        r = result_error(ERR_INTERNAL, 0, "cannot start the housekeeping thread");
    }
    if (!result_ok(r)) {
        release(h);
        return r;
    }
    *out = h;
    return RESULT_OK;
}

/* A job may take its time with a large database; a stop does not. What a cancelled job had begun is rolled back. */
static void cancel_job(struct housekeeping *h)
{
    pthread_mutex_lock(&h->lock);
    bool yes = h->in_job;
    pthread_mutex_unlock(&h->lock);
    if (yes) {
        db_cancel(h->db);
    }
}

static bool joined(struct housekeeping *h)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec++;
    return pthread_timedjoin_np(h->thread, NULL, &until) == 0;
}

void housekeeping_stop(struct housekeeping **out)
{
    struct housekeeping *h = *out;
    if (!h) {
        return;
    }
    pthread_mutex_lock(&h->lock);
    h->stopping = true;
    pthread_cond_signal(&h->wake);
    pthread_mutex_unlock(&h->lock);
    while (!joined(h)) {
        cancel_job(h);
    }
    release(h);
    *out = NULL;
}

void housekeeping_status(struct buf *out)
{
    static const struct {
        const char *key;
        struct metric *gauge;
    } LINES[] = {{"rollup_marks", &ROLLUP_MARKS},
                 {"rollup_oldest_ms", &ROLLUP_OLDEST},
                 {"outbox_pending", &OUTBOX_PENDING},
                 {"outbox_parked", &OUTBOX_PARKED},
                 {"outbox_oldest_ms", &OUTBOX_OLDEST}};
    for (size_t i = 0; i < ARRAY_LEN(LINES); i++) {
        buf_printf(out, "%s %lld\n", LINES[i].key, metric_value(LINES[i].gauge));
    }
}

bool housekeeping_health(struct housekeeping *h, struct buf *out)
{
    bool gone = atomic_load(&h->away);
    int64_t need = db_in_need();
    bool full = need && monotonic_ms() - need < NEED_MS;
    buf_printf(out, "database %s\nhousekeeping_age_s %lld\nhousekeeping_failures %lld\n",
               gone   ? "away"
               : full ? "full"
                      : "ok",
               (monotonic_ms() - atomic_load(&h->seen)) / SECOND_MS, metric_value(&JOBS_FAILED));
    housekeeping_status(out);
    return !gone && !full;
}
