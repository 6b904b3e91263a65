#include "rollup/rollup.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "rollup/slice.h"

#define CHANNEL "nhjc_rollup"

enum {
    UNITS_PER_SLICE = 64,
    LINGER_MS = 700, /* uploads of one enterprise that follow each other share a slice */
    IDLE_MS = 500,
    SCAN_MS = 10000, /* marks that nobody told of */
    RETRY_MS = 1000,
    ARENA_BYTES = 0
};

static struct metric slices = METRIC(METRIC_COUNTER, "nhjc_rollup_slices_total", NULL, "Rollup transactions");
static struct metric hours_done = METRIC(METRIC_COUNTER, "nhjc_rollup_hours_total", NULL, "Hours recomputed");
static struct metric failures =
    METRIC(METRIC_COUNTER, "nhjc_rollup_failures_total", NULL, "Rollup transactions that failed");
static struct metric slice_time = METRIC(METRIC_HISTOGRAM, "nhjc_rollup_slice_seconds", NULL, "Rollup transactions");

struct roller { /* one thread and the enterprises dealt to it */
    struct rollup *rollup;
    int part;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    int32_t *pending; /* in order of arrival, each once */
    size_t count, cap;
    unsigned char *listed; /* by unit id: is in pending */
    size_t listed_cap;
    int alone; /* so many further slices take one enterprise each, after a failure: a bad one must not stop its batch */
    bool stop;
};

struct rollup {
    struct rollup_config config;
    struct db_config db;
    struct registry *registry;
    struct roller *rollers;
};

/* ---- the list of enterprises with work ---- */

static void list_unit(struct roller *r, int32_t unit)
{
    size_t id = (size_t)unit;
    if (id >= r->listed_cap) {
        size_t cap = (id + 1) * 2;
        r->listed = mem_grow(r->listed, cap);
        memset(r->listed + r->listed_cap, 0, cap - r->listed_cap);
        r->listed_cap = cap;
    }
    if (r->listed[id])
        return;
    r->listed[id] = 1;
    if (r->count == r->cap) {
        r->cap = r->cap ? r->cap * 2 : 256;
        r->pending = mem_grow(r->pending, r->cap * sizeof *r->pending);
    }
    r->pending[r->count++] = unit;
}

static void add_units(struct roller *r, const int32_t *units, size_t count)
{
    pthread_mutex_lock(&r->lock);
    for (size_t i = 0; i < count; i++)
        list_unit(r, units[i]);
    pthread_mutex_unlock(&r->lock);
}

void rollup_hint(struct rollup *rollup, int32_t unit_id)
{
    struct roller *r = &rollup->rollers[unit_id % rollup->config.threads];
    pthread_mutex_lock(&r->lock);
    list_unit(r, unit_id);
    pthread_cond_signal(&r->wake);
    pthread_mutex_unlock(&r->lock);
}

static int compare_id(const void *a, const void *b)
{
    return *(const int32_t *)a < *(const int32_t *)b ? -1 : *(const int32_t *)a > *(const int32_t *)b;
}

static size_t take_units(struct roller *r, int32_t out[UNITS_PER_SLICE])
{
    pthread_mutex_lock(&r->lock);
    size_t most = r->alone > 0 ? 1 : UNITS_PER_SLICE;
    size_t n = r->count < most ? r->count : most;
    r->alone -= r->alone > 0;
    for (size_t i = 0; i < n; i++) {
        out[i] = r->pending[i];
        r->listed[out[i]] = 0; /* a hint that comes from now on lists it again */
    }
    if (n > 0) { /* pending is NULL until the first hint */
        memmove(r->pending, r->pending + n, (r->count - n) * sizeof *r->pending);
    }
    r->count -= n;
    pthread_mutex_unlock(&r->lock);
    qsort(out, n, sizeof *out, compare_id);
    return n;
}

static struct timespec in_ms(int64_t ms)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += ms / 1000;
    t.tv_nsec += (ms % 1000) * 1000000;
    if (t.tv_nsec >= 1000000000) {
        t.tv_sec++;
        t.tv_nsec -= 1000000000;
    }
    return t;
}

/* Sleeps up to ms; with until_work a hint ends it. False once stopped. */
static bool rest(struct roller *r, int64_t ms, bool until_work)
{
    struct timespec until = in_ms(ms);
    pthread_mutex_lock(&r->lock);
    while (!r->stop && !(until_work && r->count > 0))
        if (pthread_cond_timedwait(&r->wake, &r->lock, &until) != 0)
            break;
    bool go_on = !r->stop;
    pthread_mutex_unlock(&r->lock);
    return go_on;
}

/* ---- the thread ---- */

static RESULT scan(struct roller *r, struct rollup_store *store)
{
    int32_t *units = NULL;
    size_t count = 0;
    TRY(rollup_store_marked_units(store, r->part, r->rollup->config.threads, &units, &count));
    add_units(r, units, count);
    mem_free(units);
    return RESULT_OK;
}

/* Notices of other processes that there are marks, and of imported coefficients. A notice that came before a connection
 * was lost is lost with it: then *look as well. */
static RESULT take_notices(struct db *db, unsigned *listening, bool *look)
{
    char *channel = NULL, *payload = NULL;
    if (*listening != db_generation(db)) {
        TRY(db_exec(db, "LISTEN " CHANNEL));
        *listening = db_generation(db);
        *look = true;
    }
    do {
        mem_free(channel);
        mem_free(payload);
        TRY(db_wait_notify(db, 0, &channel, &payload));
        *look |= channel != NULL;
    } while (channel);
    return RESULT_OK;
}

/* *linger: the work in hand is done; what comes next is better taken together. */
static RESULT one_slice(struct roller *r, struct rollup_store *store, struct arena *arena, bool *linger)
{
    int32_t units[UNITS_PER_SLICE];
    size_t hours = 0;
    bool left = false;
    size_t worked = take_units(r, units);
    if (worked == 0)
        return RESULT_OK;
    int64_t start = clock_monotonic();
    arena_reset(arena);
    struct result result =
        slice_run(store, r->rollup->registry, units, worked, r->rollup->config.hours_per_slice, arena, &left, &hours);
    if (left || !result_ok(result))
        add_units(r, units, worked);
    if (!result_ok(result) && worked > 1)
        r->alone = UNITS_PER_SLICE;
    metric_observe(&slice_time, (clock_monotonic() - start) / 1000);
    metric_add(&slices, 1);
    metric_add(&hours_done, (long long)hours);
    *linger = !left && worked < UNITS_PER_SLICE;
    return result;
}

static RESULT work(struct roller *r, struct rollup_store *store, struct arena *arena)
{
    int64_t next_scan = 0;
    unsigned listening = 0;
    while (rest(r, IDLE_MS, true)) {
        bool linger = false, look = false;
        int64_t now = clock_monotonic() / 1000000;
        TRY(take_notices(store->db, &listening, &look));
        if (look || now >= next_scan) {
            TRY(scan(r, store));
            next_scan = now + r->rollup->config.scan_ms;
        }
        TRY(one_slice(r, store, arena, &linger));
        if (linger && !rest(r, LINGER_MS, false))
            break;
    }
    return RESULT_OK;
}

static RESULT run_connected(struct roller *r, struct arena *arena)
{
    struct db *db = NULL;
    TRY(db_open(&r->rollup->db, &db));
    struct rollup_store store;
    rollup_store_init(&store, db);
    struct result result = work(r, &store, arena);
    rollup_store_free(&store);
    db_close(&db);
    return result;
}

static void *run_thread(void *arg)
{
    struct roller *r = arg;
    struct arena *arena = arena_new(ARENA_BYTES);
    bool failed = false;
    do {
        struct result result = run_connected(r, arena);
        if (!result_ok(result)) {
            metric_add(&failures, 1);
            log_result(failed ? LOG_DEBUG : LOG_ERROR, "rollup", "slice_failed", result);
        }
        failed = !result_ok(result);
    } while (rest(r, RETRY_MS, false));
    arena_free(&arena);
    return NULL;
}

static void start_roller(struct rollup *rollup, int part)
{
    struct roller *r = &rollup->rollers[part];
    r->rollup = rollup;
    r->part = part;
    pthread_mutex_init(&r->lock, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&r->wake, &attr);
    pthread_condattr_destroy(&attr);
    pthread_create(&r->thread, NULL, run_thread, r);
}

RESULT rollup_start(const struct rollup_config *config, const struct db_config *db, struct registry *registry,
                    struct rollup **rollup)
{
    struct rollup *r = mem_alloc(sizeof *r);
    r->config = *config;
    if (r->config.threads < 1)
        r->config.threads = 1;
    if (r->config.hours_per_slice < 1)
        r->config.hours_per_slice = 256;
    if (r->config.scan_ms < 1)
        r->config.scan_ms = SCAN_MS;
    r->db = *db;
    r->registry = registry;
    r->rollers = mem_array((size_t)r->config.threads, sizeof *r->rollers);
    for (int i = 0; i < r->config.threads; i++)
        start_roller(r, i);
    *rollup = r;
    return RESULT_OK;
}

static void stop_roller(struct roller *r)
{
    pthread_mutex_lock(&r->lock);
    r->stop = true;
    pthread_cond_signal(&r->wake);
    pthread_mutex_unlock(&r->lock);
    pthread_join(r->thread, NULL);
    pthread_cond_destroy(&r->wake);
    pthread_mutex_destroy(&r->lock);
    mem_free(r->pending);
    mem_free(r->listed);
}

void rollup_stop(struct rollup **rollup)
{
    if (!*rollup)
        return;
    for (int i = 0; i < (*rollup)->config.threads; i++)
        stop_roller(&(*rollup)->rollers[i]);
    mem_free((*rollup)->rollers);
    mem_free(*rollup);
    *rollup = NULL;
}

/* ---- for others ---- */

RESULT rollup_slice(struct db *db, struct registry *registry, int32_t unit_id, int hours, bool *left)
{
    struct rollup_store store;
    struct arena *arena = arena_new(ARENA_BYTES);
    rollup_store_init(&store, db);
    size_t done = 0;
    struct result r = slice_run(&store, registry, &unit_id, 1, hours, arena, left, &done);
    rollup_store_free(&store);
    arena_free(&arena);
    return r;
}

static const struct db_stmt BACKLOG = {
    "rollup.backlog",
    "SELECT count(*), coalesce((extract(epoch FROM now() - min(marked_at)) * 1000)::bigint, 0) FROM rollup_mark"};

RESULT rollup_backlog(struct db *db, int64_t *marks, int64_t *oldest_ms)
{
    struct db_rows *rows = NULL;
    TRY(db_query(db, &BACKLOG, NULL, &rows));
    *marks = db_get_int(rows, 0, 0);
    *oldest_ms = db_get_int(rows, 0, 1);
    db_rows_free(&rows);
    return RESULT_OK;
}
