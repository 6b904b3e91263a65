#include "query/dic_version.h"

#include <pthread.h>

#include "base/clock.h"
#include "base/mem.h"
#include "query/catalog.h"

#define KEPT_NS INT64_C(3000000000) /* a new dicVersion is told to devices this late at most */

struct dic_version {
    pthread_mutex_t lock;
    int32_t version;
    int64_t asked_at; /* monotonic ns, when the question began that gave version; 0: never */
};

struct dic_version *dic_version_new(void)
{
    struct dic_version *v = mem_alloc(sizeof *v);
    pthread_mutex_init(&v->lock, NULL);
    return v;
}

void dic_version_free(struct dic_version **v)
{
    if (*v) {
        pthread_mutex_destroy(&(*v)->lock);
        mem_free(*v);
        *v = NULL;
    }
}

static bool kept(struct dic_version *v, int64_t now, int32_t *version)
{
    pthread_mutex_lock(&v->lock);
    bool young = v->asked_at && now - v->asked_at <= KEPT_NS;
    *version = v->version;
    pthread_mutex_unlock(&v->lock);
    return young;
}

/* A question that began later sees all that an earlier one saw. */
static void keep(struct dic_version *v, int64_t asked_at, int32_t *version)
{
    pthread_mutex_lock(&v->lock);
    if (asked_at > v->asked_at) {
        v->asked_at = asked_at;
        v->version = *version;
    }
    *version = v->version;
    pthread_mutex_unlock(&v->lock);
}

RESULT dic_version_get(struct dic_version *v, struct db *db, bool newest, int32_t *version)
{
    int64_t now = clock_monotonic();
    if (kept(v, now, version) && !newest) {
        return RESULT_OK;
    }
    TRY(catalog_dic_version(db, version));
    keep(v, now, version);
    return RESULT_OK;
}
