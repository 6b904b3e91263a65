/* The threads of one destination: start, the lanes' turn, stop. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/secret.h"
#include "fep/fep_internal.h"

enum { POLL_MS = 1000, STACK_BYTES = 4 << 20 };

/* ---- shared state ---- */

bool fep_stopping(struct fep *f)
{
    pthread_mutex_lock(&f->lock);
    bool v = f->stopping;
    pthread_mutex_unlock(&f->lock);
    return v;
}

bool fep_owner(struct fep *f)
{
    pthread_mutex_lock(&f->lock);
    bool v = f->owner;
    pthread_mutex_unlock(&f->lock);
    return v;
}

void fep_want_recovery(struct fep *f)
{
    pthread_mutex_lock(&f->lock);
    f->recover = true;
    pthread_mutex_unlock(&f->lock);
}

static struct timespec after_ms(int64_t ms)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    int64_t ns = t.tv_nsec + ms % 1000 * 1000000;
    t.tv_sec += (time_t)(ms / 1000 + ns / 1000000000);
    t.tv_nsec = (long)(ns % 1000000000);
    return t;
}

/* seen NULL: hints do not end the wait. */
static void wait_for(struct fep *f, int64_t ms, uint64_t *seen)
{
    struct timespec until = after_ms(ms);
    pthread_mutex_lock(&f->lock);
    int rc = 0;
    while (!f->stopping && rc != ETIMEDOUT && (!seen || *seen == f->hints))
        rc = pthread_cond_timedwait(&f->wake, &f->lock, &until);
    if (seen)
        *seen = f->hints;
    pthread_mutex_unlock(&f->lock);
}

void fep_sleep(struct fep *f, int64_t ms)
{
    wait_for(f, ms, NULL);
}

void fep_hint(struct fep *fep)
{
    if (!fep)
        return;
    pthread_mutex_lock(&fep->lock);
    fep->hints++;
    pthread_cond_broadcast(&fep->wake);
    pthread_mutex_unlock(&fep->lock);
}

/* ---- a lane's turn ---- */

/* How a lane is to spend the time until its next turn. */
struct pause {
    int64_t ms;       /* 0: none */
    bool undisturbed; /* hints do not end it */
};
static const struct pause NO_PAUSE = {0, false};
static const struct pause IDLE = {POLL_MS, false};

static bool bind_lane(struct lane *lane)
{
    struct fep *f = lane->fep;
    if (lane->bound)
        return true;
    struct result r = f->maker.make(&f->destination, f->maker.arg, &lane->binding);
    lane->bound = result_ok(r);
    if (!lane->bound)
        fep_fail_link(lane, true, false, r.text);
    return lane->bound;
}

static int64_t ms_until(int64_t monotonic)
{
    return (monotonic - clock_monotonic()) / 1000000 + 1;
}

/* Until what gathers may go, or what was put off is due; else until the next poll. */
static struct pause idle(struct fep *f)
{
    pthread_mutex_lock(&f->claims);
    int64_t gather = ms_until(f->not_before), retry = f->retry_at ? ms_until(f->retry_at) : POLL_MS;
    if (retry <= 0)
        f->retry_at = 0;
    pthread_mutex_unlock(&f->claims);
    struct pause p = gather > 0 && gather < POLL_MS ? (struct pause){gather, true} : IDLE;
    if (retry < p.ms)
        p.ms = retry > 0 ? retry : 1;
    return p;
}

static RESULT forward(struct lane *lane, struct pause *pause)
{
    bool worked = false;
    TRY(fep_take_due(lane));
    if (!lane->message.id)
        TRY(fep_assemble(lane, &worked));
    if (lane->message.id) {
        fep_deliver(lane);
        worked = true;
    }
    *pause = worked ? NO_PAUSE : idle(lane->fep);
    return RESULT_OK;
}

/* The first lane probes; the others are woken when the way is open. */
static void probe(struct lane *lane, struct pause *pause)
{
    *pause = lane->index == 0 ? NO_PAUSE : IDLE; /* a probe that fails sets the link's own pause */
    if (lane->index == 0 && fep_register(lane))
        fep_hint(lane->fep);
}

static RESULT turn(struct lane *lane, struct pause *pause)
{
    struct fep *f = lane->fep;
    *pause = IDLE;
    TRY(fep_session(lane));
    if (lane->index == 0)
        TRY(fep_housekeep(lane));
    if (!fep_owner(f))
        return RESULT_OK;
    int64_t wait = 0;
    enum link_use use = link_use(&f->link, fep_monotonic_ms(), &wait);
    if (use == LINK_PAUSED)
        *pause = (struct pause){wait < POLL_MS ? wait : POLL_MS, true};
    else if (!bind_lane(lane))
        *pause = NO_PAUSE; /* the link has its own now */
    else if (use == LINK_PROBE)
        probe(lane, pause);
    else
        return forward(lane, pause);
    return RESULT_OK;
}

/* ---- threads ---- */

/* Once per change of the reason, repeated ones counted. */
static void note_trouble(struct lane *lane, struct result r)
{
    lane->trouble_count++;
    if (strncmp(lane->trouble, r.text, sizeof lane->trouble - 1) == 0)
        return;
    snprintf(lane->trouble, sizeof lane->trouble, "%s", r.text);
    log_result(LOG_ERROR, "fep", "database", r);
}

static void trouble_over(struct lane *lane)
{
    if (!lane->trouble[0])
        return;
    log_write(LOG_INFO, "fep", "database.back", "destination=%s failures=%lld", log_quote(lane->fep->destination.name),
              (long long)lane->trouble_count);
    lane->trouble[0] = 0;
    lane->trouble_count = 0;
}

static void close_lane(struct lane *lane)
{
    if (lane->bound)
        lane->binding.free(lane->binding.self);
    lane->bound = false;
    db_close(&lane->db);
    view_cache_free(&lane->views);
    fep_message_free(&lane->message);
}

static void *lane_main(void *arg)
{
    struct lane *lane = arg;
    struct fep *f = lane->fep;
    uint64_t seen = 0;
    while (!fep_stopping(f)) {
        struct pause pause = IDLE;
        struct result r = turn(lane, &pause);
        if (!result_ok(r)) {
            note_trouble(lane, r);
            pause = (struct pause){POLL_MS, true};
        } else {
            trouble_over(lane);
        }
        if (pause.ms > 0)
            wait_for(f, pause.ms, pause.undisturbed ? NULL : &seen);
    }
    close_lane(lane);
    return NULL;
}

/* ---- start and stop ---- */

static int64_t or_default(int64_t v, int64_t otherwise)
{
    return v > 0 ? v : otherwise;
}

static void copy_destination(struct fep *f, const struct fep_destination *d)
{
    f->destination = (struct fep_destination){.name = mem_strdup(d->name),
                                              .url = mem_strdup(d->url),
                                              .cert_file = mem_strdup(d->cert_file),
                                              .key_file = mem_strdup(d->key_file),
                                              .ca_file = mem_strdup(d->ca_file),
                                              .platform_code = mem_strdup(d->platform_code),
                                              .platform_name = mem_strdup(d->platform_name),
                                              .batch_records = or_default(d->batch_records, 20000),
                                              .retry_min_ms = or_default(d->retry_min_ms, 1000),
                                              .retry_max_ms = or_default(d->retry_max_ms, 300000),
                                              .active = d->active};
}

static void copy_database(struct fep *f, const struct db_config *c)
{
    f->db = *c;
    f->db.conninfo = mem_strdup(c->conninfo);
    f->db.application = mem_strdup(c->application);
}

static void init_locks(struct fep *f)
{
    pthread_mutex_init(&f->lock, NULL);
    pthread_mutex_init(&f->claims, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&f->wake, &attr);
    pthread_condattr_destroy(&attr);
}

static struct fep *make(const struct fep_destination *d, int id, const struct db_config *db,
                        const struct fep_binding_maker *maker)
{
    struct fep *f = mem_alloc(sizeof *f);
    uint64_t seed;
    random_bytes(&seed, sizeof seed);
    copy_destination(f, d);
    copy_database(f, db);
    init_locks(f);
    f->id = id;
    f->maker = *maker;
    f->average = 100;
    f->metrics = fep_metrics_of(d->name);
    snprintf(f->prefix, sizeof f->prefix, "%.12s-%d", d->platform_code, id);
    link_init(&f->link, f->destination.name, f->destination.retry_min_ms, f->destination.retry_max_ms, seed);
    for (int i = 0; i < FEP_LANES; i++)
        f->lanes[i] = (struct lane){.fep = f, .index = i, .random = seed + (uint64_t)i};
    return f;
}

static void unmake(struct fep *f)
{
    struct fep_destination *d = &f->destination;
    char *texts[] = {d->name, d->url, d->cert_file, d->key_file, d->ca_file, d->platform_code, d->platform_name};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        mem_free(texts[i]);
    mem_free((char *)f->db.conninfo);
    mem_free((char *)f->db.application);
    aside_free(&f->aside);
    link_free(&f->link);
    pthread_cond_destroy(&f->wake);
    pthread_mutex_destroy(&f->claims);
    pthread_mutex_destroy(&f->lock);
    mem_free(f);
}

static void stop_lanes(struct fep *f, int count)
{
    pthread_mutex_lock(&f->lock);
    f->stopping = true;
    pthread_cond_broadcast(&f->wake);
    pthread_mutex_unlock(&f->lock);
    for (int i = 0; i < count; i++)
        pthread_join(f->lanes[i].thread, NULL);
}

static RESULT start_lanes(struct fep *f)
{
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK_BYTES);
    int rc = 0, started = 0;
    while (started < FEP_LANES && rc == 0) {
        rc = pthread_create(&f->lanes[started].thread, &attr, lane_main, &f->lanes[started]);
        started += rc == 0;
    }
    pthread_attr_destroy(&attr);
    if (rc == 0)
        return RESULT_OK;
    stop_lanes(f, started);
    return result_error(ERR_INTERNAL, 0, "forwarder thread: %s", strerror(rc));
}

RESULT fep_start_over(const struct fep_destination *destination, int id, const struct db_config *db,
                      const struct fep_binding_maker *maker, struct fep **fep)
{
    *fep = NULL;
    if (!destination->active)
        return RESULT_OK;
    struct fep *f = make(destination, id, db, maker);
    struct result r = start_lanes(f);
    if (!result_ok(r))
        unmake(f);
    else
        *fep = f;
    return r;
}

void fep_stop(struct fep **fep)
{
    if (!*fep)
        return;
    stop_lanes(*fep, FEP_LANES);
    unmake(*fep);
    *fep = NULL;
}
