/* The rows of `destination`, which keep the ids stable, and what a destination that comes anew has to be told first. */
#include "base/clock.h"
#include "base/mem.h"
#include "fep/fep.h"

static const struct db_stmt FIND = {"destination.find", "SELECT id, active FROM destination WHERE name = $1"};
static const struct db_stmt ADD = {"destination.add",
                                   "INSERT INTO destination (name, active) VALUES ($1, false) ON CONFLICT DO NOTHING"};
static const struct db_stmt SET = {"destination.set",
                                   "UPDATE destination SET active = $2 WHERE id = $1 AND active <> $2"};
static const struct db_stmt RETIRE = {
    "destination.retire", "UPDATE destination SET active = false WHERE active AND name <> ALL ($1::text[])"};
/* Two statements: the second one sees what was committed while the first one waited for the locks. */
static const struct db_stmt LOCK_UNITS = {
    "destination.lock", "SELECT u.id, pg_advisory_xact_lock(1, u.id) FROM (SELECT id FROM unit WHERE id > $1 "
                        "AND config_version > 0 ORDER BY id LIMIT 500) u"};
static const struct db_stmt QUEUE = {
    "destination.queue", "INSERT INTO outbox (destination_id, unit_id, kind, sender_id, upload_id, received_at) "
                         "SELECT $1, u.id, 1, u.id, u.config_version, $2 FROM unit u WHERE u.config_version > 0 "
                         "AND u.id > $3 AND u.id <= $4 ORDER BY u.id"};

/* ---- configurations ---- */

struct filling {
    int destination;
    int32_t after, last; /* enterprises in hand */
    size_t count;
};

static RESULT lock_units(struct db *db, struct filling *f)
{
    struct db_params p;
    struct db_rows *rows = NULL;
    db_params_init(&p);
    db_bind_int4(&p, f->after);
    TRY(db_ask(db, &LOCK_UNITS, &p, &rows));
    f->count = db_rows_count(rows);
    f->last = f->count ? (int32_t)db_get_int(rows, f->count - 1, 0) : f->after;
    db_rows_free(&rows);
    return RESULT_OK;
}

static struct result queue_units(struct db *db, void *arg)
{
    struct filling *f = arg;
    struct db_params p;
    TRY(lock_units(db, f));
    db_params_init(&p);
    db_bind_int2(&p, (int16_t)f->destination);
    db_bind_time(&p, clock_now());
    db_bind_int4(&p, f->after);
    db_bind_int4(&p, f->last);
    return db_ask(db, &QUEUE, &p, NULL);
}

/* Without them the other side would know none of the enterprises, and refuse all that follows. */
static RESULT queue_configurations(struct db *db, int destination)
{
    struct filling f = {.destination = destination, .count = 1};
    while (f.count > 0) {
        TRY(db_transaction(db, queue_units, &f));
        f.after = f.last;
    }
    return RESULT_OK;
}

/* ---- rows ---- */

static RESULT find(struct db *db, const struct fep_destination *d, int *id, bool *active)
{
    struct db_params p;
    struct db_rows *rows = NULL;
    db_params_init(&p);
    db_bind_text(&p, d->name);
    TRY(db_ask(db, &FIND, &p, &rows));
    *id = db_rows_count(rows) ? (int)db_get_int(rows, 0, 0) : 0;
    *active = *id && db_get_bool(rows, 0, 1);
    db_rows_free(&rows);
    return RESULT_OK;
}

/* Found first, inserted only when new: an insert that meets a conflict would use up one of 32,767 ids. */
static RESULT find_or_add(struct db *db, const struct fep_destination *d, int *id, bool *active)
{
    TRY(find(db, d, id, active));
    if (*id)
        return RESULT_OK;
    struct db_params p;
    db_params_init(&p);
    db_bind_text(&p, d->name);
    TRY(db_ask(db, &ADD, &p, NULL));
    return find(db, d, id, active);
}

/* Active last: should this end in the middle, the next start queues the configurations again, which does no harm. */
static RESULT one_destination(struct db *db, const struct fep_destination *d, int *id)
{
    bool active = false;
    TRY(find_or_add(db, d, id, &active));
    if (d->active && !active)
        TRY(queue_configurations(db, *id));
    struct db_params p;
    db_params_init(&p);
    db_bind_int2(&p, (int16_t)*id);
    db_bind_bool(&p, d->active);
    return db_ask(db, &SET, &p, NULL);
}

static RESULT retire_others(struct db *db, const struct fep_destination *d, size_t count)
{
    const char **names = mem_array(count + 1, sizeof *names);
    for (size_t i = 0; i < count; i++)
        names[i] = d[i].name;
    struct db_params p;
    db_params_init(&p);
    db_bind_text_array(&p, names, count);
    mem_free(names);
    return db_ask(db, &RETIRE, &p, NULL);
}

RESULT fep_destinations(struct db *db, const struct fep_destination *d, size_t count, int *ids)
{
    TRY(retire_others(db, d, count));
    for (size_t i = 0; i < count; i++)
        TRY(one_destination(db, &d[i], &ids[i]));
    return RESULT_OK;
}
