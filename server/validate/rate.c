#include "validate/rate.h"

#include <pthread.h>

#include "base/hash.h"
#include "base/mem.h"

enum { SWEEP_AT = 50000 }; /* identities in the table before quiet ones are looked for */

#define TELL_EVERY_NS INT64_C(60000000000)

struct bucket {
    int64_t level_ns; /* virtual time up to which requests are paid for */
    int64_t told_ns;  /* when a refusal was last to be recorded */
    bool told;
};

struct rate_limiter {
    pthread_mutex_t lock;
    struct hash *buckets;
    int64_t cost_ns, burst_ns;
    size_t sweep_at; /* twice what the last sweep left, so that sweeping stays cheap when all are busy */
};

struct rate_limiter *rate_new(int64_t per_minute)
{
    if (per_minute <= 0)
        return NULL;
    struct rate_limiter *r = mem_alloc(sizeof *r);
    pthread_mutex_init(&r->lock, NULL);
    r->buckets = hash_new();
    r->sweep_at = SWEEP_AT;
    r->burst_ns = INT64_C(60000000000);
    r->cost_ns = r->burst_ns / per_minute;
    return r;
}

static bool free_bucket(const char *key, void *value, void *arg)
{
    (void)key, (void)arg;
    mem_free(value);
    return true;
}

void rate_free(struct rate_limiter **r)
{
    if (!*r)
        return;
    hash_each((*r)->buckets, free_bucket, NULL);
    hash_free(&(*r)->buckets);
    pthread_mutex_destroy(&(*r)->lock);
    mem_free(*r);
    *r = NULL;
}

struct sweep {
    struct hash *kept;
    int64_t now_ns;
};

static bool keep_busy(const char *key, void *value, void *arg)
{
    struct sweep *s = arg;
    struct bucket *b = value;
    if (b->level_ns > s->now_ns)
        hash_put(s->kept, key, b);
    else
        mem_free(b);
    return true;
}

/* A bucket that is full again is the same as none. */
static void forget_quiet(struct rate_limiter *r, int64_t now_ns)
{
    struct sweep s = {hash_new(), now_ns};
    hash_each(r->buckets, keep_busy, &s);
    hash_free(&r->buckets);
    r->buckets = s.kept;
    size_t twice = hash_count(s.kept) * 2;
    r->sweep_at = twice > SWEEP_AT ? twice : SWEEP_AT;
}

static struct bucket *bucket_of(struct rate_limiter *r, const char *identity, int64_t now_ns)
{
    struct bucket *b = hash_get(r->buckets, identity);
    if (b)
        return b;
    if (hash_count(r->buckets) >= r->sweep_at)
        forget_quiet(r, now_ns);
    b = mem_alloc(sizeof *b);
    hash_put(r->buckets, identity, b);
    return b;
}

bool rate_allow(struct rate_limiter *r, const char *identity, int64_t now_ns, int *wait_s)
{
    if (!r)
        return true;
    pthread_mutex_lock(&r->lock);
    struct bucket *b = bucket_of(r, identity, now_ns);
    if (b->level_ns < now_ns)
        b->level_ns = now_ns;
    bool allowed = b->level_ns + r->cost_ns <= now_ns + r->burst_ns;
    if (allowed)
        b->level_ns += r->cost_ns;
    else
        *wait_s = (int)((b->level_ns + r->cost_ns - now_ns - r->burst_ns) / 1000000000) + 1;
    pthread_mutex_unlock(&r->lock);
    return allowed;
}

bool rate_tell(struct rate_limiter *r, const char *identity, int64_t now_ns)
{
    if (!r)
        return true;
    pthread_mutex_lock(&r->lock);
    struct bucket *b = bucket_of(r, identity, now_ns);
    bool tell = !b->told || now_ns - b->told_ns >= TELL_EVERY_NS;
    if (tell) {
        b->told = true;
        b->told_ns = now_ns;
    }
    pthread_mutex_unlock(&r->lock);
    return tell;
}
