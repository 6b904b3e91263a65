#include "fep/link.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"

/* As long without a failure, and the next one waits only the shortest pause. */
enum { STABLE_MS = 30000 };

void link_init(struct link *l, const char *name, int64_t retry_min_ms, int64_t retry_max_ms, uint64_t seed)
{
    memset(l, 0, sizeof *l);
    pthread_mutex_init(&l->lock, NULL);
    l->name = name;
    backoff_init(&l->backoff, retry_min_ms, retry_max_ms, STABLE_MS, seed);
}

void link_free(struct link *l)
{
    pthread_mutex_destroy(&l->lock);
}

enum link_use link_use(struct link *l, int64_t now_ms, int64_t *wait_ms)
{
    pthread_mutex_lock(&l->lock);
    bool paused = now_ms < l->closed_until;
    *wait_ms = paused ? l->closed_until - now_ms : 0;
    enum link_use use = paused ? LINK_PAUSED : l->open ? LINK_OPEN : LINK_PROBE;
    pthread_mutex_unlock(&l->lock);
    return use;
}

static void log_opened(const struct link *l, int64_t now_ms)
{
    if (l->failures > 0)
        log_write(LOG_INFO, "fep", "link.open", "destination=%s failures=%lld closed_s=%lld", log_quote(l->name),
                  (long long)l->failures, (long long)((now_ms - l->closed_since) / 1000));
    else
        log_write(LOG_INFO, "fep", "link.open", "destination=%s", log_quote(l->name));
}

bool link_opened(struct link *l, int64_t now_ms, const char *reg_version, const char *dic_version)
{
    pthread_mutex_lock(&l->lock);
    bool outage = l->probes > 0;
    if (!l->open)
        log_opened(l, now_ms);
    l->open = true;
    l->alarmed = false;
    l->failures = 0;
    l->probes = 0;
    l->reason[0] = 0;
    snprintf(l->reg_version, sizeof l->reg_version, "%s", reg_version);
    snprintf(l->dic_version, sizeof l->dic_version, "%s", dic_version);
    pthread_mutex_unlock(&l->lock);
    return outage;
}

void link_worked(struct link *l, int64_t now_ms)
{
    pthread_mutex_lock(&l->lock);
    backoff_success(&l->backoff, now_ms);
    pthread_mutex_unlock(&l->lock);
}

void link_failed(struct link *l, int64_t now_ms, bool alarm, bool probe, const char *reason)
{
    pthread_mutex_lock(&l->lock);
    if (l->failures++ == 0)
        l->closed_since = now_ms;
    l->probes += probe;
    l->open = false;
    if (strncmp(l->reason, reason, sizeof l->reason - 1) != 0) {
        snprintf(l->reason, sizeof l->reason, "%s", reason);
        log_write(alarm ? LOG_ERROR : LOG_WARN, "fep", alarm ? "link.refused" : "link.closed",
                  "destination=%s failures=%lld reason=%s", log_quote(l->name), (long long)l->failures,
                  log_quote(reason));
    }
    l->alarmed = alarm;
    int64_t until = now_ms + backoff_fail(&l->backoff, now_ms);
    if (until > l->closed_until)
        l->closed_until = until;
    pthread_mutex_unlock(&l->lock);
}

void link_hold(struct link *l, int64_t now_ms, int64_t ms)
{
    pthread_mutex_lock(&l->lock);
    if (now_ms + ms > l->closed_until)
        l->closed_until = now_ms + ms;
    pthread_mutex_unlock(&l->lock);
}

void link_refresh(struct link *l)
{
    pthread_mutex_lock(&l->lock);
    l->open = false;
    pthread_mutex_unlock(&l->lock);
}

void link_versions(struct link *l, char reg_version[64], char dic_version[64])
{
    pthread_mutex_lock(&l->lock);
    memcpy(reg_version, l->reg_version, sizeof l->reg_version);
    memcpy(dic_version, l->dic_version, sizeof l->dic_version);
    pthread_mutex_unlock(&l->lock);
}
