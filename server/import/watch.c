#include "import/watch.h"

#include <pthread.h>
#include <time.h>

#include "base/log.h"
#include "base/mem.h"

enum { LOOK_MS = 2000, LOOK_SELDOM_MS = 60000 };

struct watch {
    struct watch_config config;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool stop;
    struct import_told told;
};

/* False once told to stop. */
static bool rest(struct watch *w, int ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    pthread_mutex_lock(&w->lock);
    while (!w->stop && pthread_cond_timedwait(&w->wake, &w->lock, &until) == 0)
        continue;
    bool go_on = !w->stop;
    pthread_mutex_unlock(&w->lock);
    return go_on;
}

/* *left: files that stayed for another try. */
static RESULT look(struct watch *w, struct db *db, struct ingest *ingest, bool *left)
{
    struct import_config config = {.told = &w->told,
                                   .ingest = ingest,
                                   .registry = w->config.ingest.registry,
                                   .db = db,
                                   .max_plain = w->config.ingest.max_plain,
                                   .limits = w->config.ingest.limits};
    struct import_total total = {0};
    struct result r = import_spool(&config, w->config.folder, &total);
    *left = total.again > 0;
    return r;
}

static RESULT work(struct watch *w, struct db *db)
{
    struct ingest *ingest = NULL;
    TRY(ingest_new(&w->config.ingest, db, &ingest));
    struct result r;
    bool left = false;
    int ms = LOOK_MS;
    do {
        r = look(w, db, ingest, &left);
        ms = !left                     ? LOOK_MS
             : ms < LOOK_SELDOM_MS / 2 ? ms * 2
                                       : LOOK_SELDOM_MS; /* each look reads these files whole */
    } while (result_ok(r) && rest(w, ms));
    ingest_free(&ingest);
    return r;
}

static RESULT run_connected(struct watch *w)
{
    struct db *db = NULL;
    TRY(db_open(&w->config.db, &db));
    struct result r = work(w, db);
    db_close(&db);
    return r;
}

static void *run_thread(void *arg)
{
    struct watch *w = arg;
    bool failed = false;
    do {
        struct result r = run_connected(w);
        if (!result_ok(r))
            log_result(failed ? LOG_DEBUG : LOG_WARN, "import", "spool_failed", r);
        failed = !result_ok(r);
    } while (rest(w, LOOK_MS));
    return NULL;
}

RESULT watch_start(const struct watch_config *config, struct watch **watch)
{
    struct watch *w = mem_alloc(sizeof *w);
    w->config = *config;
    pthread_mutex_init(&w->lock, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&w->wake, &attr);
    pthread_condattr_destroy(&attr);
    pthread_create(&w->thread, NULL, run_thread, w);
    *watch = w;
    return RESULT_OK;
}

void watch_stop(struct watch **watch)
{
    struct watch *w = *watch;
    if (!w)
        return;
    pthread_mutex_lock(&w->lock);
    w->stop = true;
    pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->thread, NULL);
    pthread_cond_destroy(&w->wake);
    pthread_mutex_destroy(&w->lock);
    import_told_free(&w->told);
    mem_free(w);
    *watch = NULL;
}
