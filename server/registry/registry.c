#include "registry/registry.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "registry/unit_load.h"

#define BATCH_UNITS 500
#define UNKNOWN_SECONDS 60   /* for what was admitted without a notification */
#define UNKNOWN_LIMIT 100000 /* codes come from outside: forgotten all at once beyond this */

struct entry {
    struct unit *unit;
    unsigned seen; /* number of the last complete load that had it */
};

struct registry {
    pthread_mutex_t loading; /* one load at a time: what was read earlier never replaces what was read later */
    pthread_rwlock_t lock;   /* of what follows */
    struct hash *by_code;
    struct entry *by_id;
    size_t id_cap;
    struct hash *unknown; /* code -> monotonic second of the look-up, plus one */
    unsigned load;
};

static struct unit *share(struct unit *u)
{
    if (u) {
        atomic_fetch_add_explicit(&u->references, 1, memory_order_relaxed);
    }
    return u;
}

static uintptr_t second_now(void)
{
    return (uintptr_t)(clock_monotonic() / INT64_C(1000000000)) + 1;
}

/* ---- publishing: lock held for writing ---- */
static struct entry *entry_of(struct registry *r, int32_t id)
{
    size_t need = (size_t)id + 1;
    if (need > r->id_cap) {
        size_t cap = r->id_cap ? r->id_cap : 1024;
        while (cap < need) {
            cap *= 2;
        }
        r->by_id = mem_grow(r->by_id, cap * sizeof(*r->by_id));
        memset(r->by_id + r->id_cap, 0, (cap - r->id_cap) * sizeof(*r->by_id));
        r->id_cap = cap;
    }
    return &r->by_id[id];
}

static void withdraw(struct registry *r, struct entry *e)
{
    if (e->unit) {
        hash_remove(r->by_code, e->unit->code);
        unit_release(&e->unit);
    }
}

static void publish(struct registry *r, struct unit *u) /* takes u */
{
    struct entry *e = entry_of(r, u->id);
    withdraw(r, e);
    e->unit = u;
    e->seen = r->load;
    hash_put(r->by_code, u->code, u);
    hash_remove(r->unknown, u->code);
}

static void publish_batch(struct registry *r, struct unit_batch *batch)
{
    pthread_rwlock_wrlock(&r->lock);
    for (size_t i = 0; i < batch->count; i++) {
        publish(r, batch->units[i]);
        batch->units[i] = NULL;
    }
    pthread_rwlock_unlock(&r->lock);
}

static void withdraw_code(struct registry *r, const char *code)
{
    pthread_rwlock_wrlock(&r->lock);
    struct unit *u = hash_get(r->by_code, code);
    if (u) {
        withdraw(r, entry_of(r, u->id));
    }
    hash_remove(r->unknown, code);
    pthread_rwlock_unlock(&r->lock);
}

static void forget_unknown(struct registry *r)
{
    hash_free(&r->unknown);
    r->unknown = hash_new();
}

static void note_unknown(struct registry *r, const char *code)
{
    pthread_rwlock_wrlock(&r->lock);
    if (hash_count(r->unknown) >= UNKNOWN_LIMIT) {
        forget_unknown(r);
    }
    hash_put(r->unknown, code, (void *)second_now());
    pthread_rwlock_unlock(&r->lock);
}

/* ---- loading ---- */
static void begin_load(struct registry *r)
{
    pthread_rwlock_wrlock(&r->lock);
    r->load++;
    forget_unknown(r);
    pthread_rwlock_unlock(&r->lock);
}

static size_t end_load(struct registry *r)
{
    pthread_rwlock_wrlock(&r->lock);
    for (size_t i = 0; i < r->id_cap; i++) {
        if (r->by_id[i].unit && r->by_id[i].seen != r->load) {
            withdraw(r, &r->by_id[i]);
        }
    }
    size_t count = hash_count(r->by_code);
    pthread_rwlock_unlock(&r->lock);
    return count;
}

static struct result load_all(struct registry *r, struct db *db)
{
    struct unit_batch batch;
    int32_t after = 0;
    begin_load(r);
    for (;;) {
        TRY(unit_load_after(db, after, BATCH_UNITS, &batch));
        size_t count = batch.count;
        after = count > 0 ? batch.units[count - 1]->id : after;
        publish_batch(r, &batch);
        unit_batch_free(&batch);
        if (count < BATCH_UNITS) {
            break;
        }
    }
    log_write(LOG_INFO, "registry", "loaded", "units=%zu", end_load(r));
    return RESULT_OK;
}

struct result registry_reload_all(struct registry *r, struct db *db)
{
    pthread_mutex_lock(&r->loading);
    struct result result = load_all(r, db);
    pthread_mutex_unlock(&r->loading);
    return result;
}

static struct result reload_code(struct registry *r, struct db *db, const char *code)
{
    struct unit_batch batch;
    TRY(unit_load_code(db, code, &batch));
    if (batch.count > 0) {
        publish_batch(r, &batch);
    } else {
        withdraw_code(r, code);
    }
    unit_batch_free(&batch);
    return RESULT_OK;
}

struct result registry_reload_unit(struct registry *r, struct db *db, const char *code)
{
    pthread_mutex_lock(&r->loading);
    struct result result = reload_code(r, db, code);
    pthread_mutex_unlock(&r->loading);
    return result;
}

struct result registry_open(struct db *db, struct registry **out)
{
    struct registry *r = mem_alloc(sizeof(*r));
    pthread_mutex_init(&r->loading, NULL);
    pthread_rwlock_init(&r->lock, NULL);
    r->by_code = hash_new();
    r->unknown = hash_new();
    struct result result = registry_reload_all(r, db);
    if (!result_ok(result)) {
        registry_close(&r);
    }
    *out = r;
    return result;
}

void registry_close(struct registry **registry)
{
    struct registry *r = *registry;
    *registry = NULL;
    if (!r) {
        return;
    }
    for (size_t i = 0; i < r->id_cap; i++) {
        unit_release(&r->by_id[i].unit);
    }
    mem_free(r->by_id);
    hash_free(&r->by_code);
    hash_free(&r->unknown);
    pthread_rwlock_destroy(&r->lock);
    pthread_mutex_destroy(&r->loading);
    mem_free(r);
}

/* ---- looking up ---- */
/* *known: the answer stands without asking the database. */
static struct unit *find_code(struct registry *r, const char *code, bool *known)
{
    pthread_rwlock_rdlock(&r->lock);
    struct unit *u = share(hash_get(r->by_code, code));
    uintptr_t looked = u ? 0 : (uintptr_t)hash_get(r->unknown, code);
    pthread_rwlock_unlock(&r->lock);
    *known = u || (looked && second_now() - looked < UNKNOWN_SECONDS);
    return u;
}

static struct unit *find_id(struct registry *r, int32_t id)
{
    pthread_rwlock_rdlock(&r->lock);
    struct unit *u = id >= 0 && (size_t)id < r->id_cap ? share(r->by_id[id].unit) : NULL;
    pthread_rwlock_unlock(&r->lock);
    return u;
}

/* Under the loading lock: a second thread that wanted the same code finds it, or its absence, here. */
static struct result look_up(struct registry *r, struct db *db, const char *code, struct unit **unit)
{
    bool known;
    *unit = find_code(r, code, &known);
    if (known) {
        return RESULT_OK;
    }
    TRY(reload_code(r, db, code));
    *unit = find_code(r, code, &known);
    if (!*unit) {
        note_unknown(r, code);
    }
    return RESULT_OK;
}

struct result registry_unit(struct registry *r, struct db *db, const char *code, struct unit **unit)
{
    bool known;
    *unit = find_code(r, code, &known);
    if (known || !db || strlen(code) >= sizeof((*unit)->code)) {
        return RESULT_OK;
    }
    pthread_mutex_lock(&r->loading);
    struct result result = look_up(r, db, code, unit);
    pthread_mutex_unlock(&r->loading);
    return result;
}

static struct result look_up_id(struct registry *r, struct db *db, int32_t id, struct unit **unit)
{
    struct unit_batch batch;
    TRY(unit_load_id(db, id, &batch));
    publish_batch(r, &batch);
    unit_batch_free(&batch);
    *unit = find_id(r, id);
    return RESULT_OK;
}

struct result registry_unit_by_id(struct registry *r, struct db *db, int32_t id, struct unit **unit)
{
    *unit = find_id(r, id);
    if (*unit || !db || id <= 0) {
        return RESULT_OK;
    }
    pthread_mutex_lock(&r->loading);
    struct result result = look_up_id(r, db, id, unit);
    pthread_mutex_unlock(&r->loading);
    return result;
}
