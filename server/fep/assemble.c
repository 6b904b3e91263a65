/* From ready rows to a stored message: choose, open, pack, claim. */
#include <stdio.h>
#include <string.h>

#include "base/caltime.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "fep/fep_internal.h"

enum {
    MAX_UNITS = 512,
    MAX_ROWS = 1024,       /* looked at for one message */
    MAX_LOAD = 256,        /* payloads fetched together */
    MAX_DOCUMENTS = 100,   /* configurations in a message */
    LINGER_MS = 250,       /* live uploads gather this long, so that messages are not tiny */
    LEASE_EXTRA_MS = 60000 /* beyond the call's own limit */
};
static const int64_t LOAD_BYTES = 1 << 20;             /* compressed, beyond the first */
static const size_t CACHE_BYTES = (size_t)64 << 20;    /* opened */
static const size_t DATA_BYTES = (size_t)32 << 20;     /* XML of a message: half of what a receiver must take */
static const size_t DOCUMENTS_BYTES = (size_t)4 << 20; /* configuration is sent uncompressed */

struct basket {
    struct outbox_row *rows;
    size_t count;    /* chosen */
    size_t packed;   /* of these, in order */
    bool everything; /* nothing else is ready */
    enum pack_kind kind;
    struct pack *pack;
    char reason[200]; /* rows[0] cannot be packed */
};

static int64_t clamp(int64_t v, int64_t low, int64_t high)
{
    return v < low ? low : v > high ? high : v;
}

static int64_t lease_until(const struct lane *lane)
{
    return clock_now() + (int64_t)(lane->binding.timeout_ms + LEASE_EXTRA_MS) * 1000;
}

/* ---- choosing (claims held) ---- */

static size_t collect_reserved(const struct fep *f, int32_t **skip)
{
    size_t n = 0;
    for (int i = 0; i < FEP_LANES; i++)
        n += f->lanes[i].reserved_count;
    *skip = mem_array(n + 1, sizeof **skip);
    n = 0;
    for (int i = 0; i < FEP_LANES; i++)
        for (size_t k = 0; k < f->lanes[i].reserved_count; k++)
            (*skip)[n++] = f->lanes[i].reserved[k];
    return n;
}

static RESULT find_units(struct lane *lane, int64_t rows, int32_t *units, size_t *count)
{
    struct fep *f = lane->fep;
    int32_t *skip = NULL;
    size_t skipped = collect_reserved(f, &skip);
    size_t max = (size_t)clamp(rows, 16, MAX_UNITS);
    struct result r = outbox_units(lane->db, f->id, f->cursor, skip, skipped, max, units, count);
    mem_free(skip);
    return r;
}

static void reserve(struct lane *lane, const struct basket *b)
{
    lane->reserved = mem_array(b->count + 1, sizeof *lane->reserved);
    lane->reserved_count = 0;
    for (size_t i = 0; i < b->count; i++)
        if (b->rows[i].turn == 1)
            lane->reserved[lane->reserved_count++] = b->rows[i].unit_id;
}

static RESULT choose_rows(struct lane *lane, struct basket *b)
{
    struct fep *f = lane->fep;
    int32_t units[MAX_UNITS];
    size_t found = 0;
    int64_t wanted = clamp(2 * f->destination.batch_records / f->average, 16, MAX_ROWS);
    TRY(find_units(lane, wanted, units, &found));
    if (found == 0)
        return RESULT_OK;
    size_t used = plan_units(&f->aside, units, found);
    if (f->backlog && used == found) /* leave some to the other lane: both are needed */
        used = (used + FEP_LANES - 1) / FEP_LANES;
    size_t per_unit = (size_t)clamp(wanted / (int64_t)used, 1, MAX_ROWS);
    TRY(outbox_rows(lane->db, f->id, units, used, per_unit, &b->rows, &b->count));
    b->everything = used == found && found < (size_t)clamp(wanted, 16, MAX_UNITS);
    if (b->count && b->rows[b->count - 1].turn == (int)per_unit)
        b->everything = false;
    b->count = plan_rows(&f->aside, b->rows, b->count, &b->kind);
    reserve(lane, b);
    return RESULT_OK;
}

static RESULT choose(struct lane *lane, struct basket *b)
{
    struct fep *f = lane->fep;
    struct result r = RESULT_OK;
    pthread_mutex_lock(&f->claims);
    if (clock_monotonic() >= f->not_before)
        r = choose_rows(lane, b);
    pthread_mutex_unlock(&f->claims);
    return r;
}

static void unreserve(struct lane *lane)
{
    pthread_mutex_lock(&lane->fep->claims);
    mem_free(lane->reserved);
    lane->reserved = NULL;
    lane->reserved_count = 0;
    pthread_mutex_unlock(&lane->fep->claims);
}

/* ---- opening ---- */

static bool listed(const struct outbox_row *const *list, size_t count, const struct outbox_row *row)
{
    for (size_t i = 0; i < count; i++)
        if (list[i]->upload_id == row->upload_id && list[i]->sender_id == row->sender_id)
            return true;
    return false;
}

/* The uploads of the rows from `from` on that are not open yet, each once. */
static size_t uploads_to_load(struct lane *lane, const struct basket *b, size_t from, size_t max,
                              const struct outbox_row **list)
{
    size_t n = 0;
    for (size_t i = from; i < b->count && n < max; i++)
        if (!listed(list, n, &b->rows[i]) && !view_cache_find(&lane->views, &b->rows[i]))
            list[n++] = &b->rows[i];
    return n;
}

static RESULT load(struct lane *lane, const struct basket *b, size_t from)
{
    const struct outbox_row *list[MAX_LOAD];
    int64_t left = lane->fep->destination.batch_records - (int64_t)pack_records(b->pack);
    pthread_mutex_lock(&lane->fep->claims);
    size_t max = (size_t)clamp(left / lane->fep->average + 1, 1, MAX_LOAD);
    pthread_mutex_unlock(&lane->fep->claims);
    view_cache_trim(&lane->views, CACHE_BYTES);
    size_t n = uploads_to_load(lane, b, from, max, list);
    struct outbox_payloads payloads;
    TRY(outbox_payloads(lane->db, list, n, LOAD_BYTES, &payloads));
    for (size_t i = 0; i < payloads.count; i++)
        view_cache_add(&lane->views, list[i], &payloads.at[i]);
    outbox_payloads_free(&payloads);
    return RESULT_OK;
}

static RESULT open_row(struct lane *lane, const struct basket *b, size_t i, struct view_entry **entry)
{
    *entry = view_cache_find(&lane->views, &b->rows[i]);
    if (*entry)
        return RESULT_OK;
    TRY(load(lane, b, i));
    *entry = view_cache_find(&lane->views, &b->rows[i]);
    return *entry ? RESULT_OK : result_error(ERR_INTERNAL, 0, "archived payload was not loaded");
}

/* ---- packing ---- */

/* A row that cannot be packed ends the message before it; as the first one it goes to the operator alone. */
static void set_apart(struct basket *b, size_t i, const char *reason)
{
    if (i > 0)
        return;
    snprintf(b->reason, sizeof b->reason, "%s", reason);
    b->packed = 1;
}

static RESULT pack_row(struct lane *lane, struct basket *b, size_t i, bool *full)
{
    struct view_entry *e = NULL;
    TRY(open_row(lane, b, i, &e));
    *full = true;
    if (!e->view) {
        set_apart(b, i, e->reason);
        view_cache_done(&lane->views, &b->rows[i]);
        return RESULT_OK;
    }
    size_t n = pack_view_count(e->view, b->rows[i].unit_code), have = pack_records(b->pack);
    size_t batch = (size_t)lane->fep->destination.batch_records;
    if (have > 0 && have + n > batch)
        return RESULT_OK;
    pack_add_data(b->pack, e->view, b->rows[i].unit_code);
    view_cache_done(&lane->views, &b->rows[i]);
    b->packed++;
    *full = have + n >= batch || pack_bytes(b->pack) > DATA_BYTES;
    return RESULT_OK;
}

static RESULT pack_document(struct lane *lane, struct basket *b, size_t i, bool *full)
{
    struct outbox_document d;
    TRY(outbox_document(lane->db, &b->rows[i], &d));
    struct pack_admission admission = {d.region_code, d.period};
    struct result r = d.found ? pack_add_config(b->pack, d.content.data, d.content.len, &admission)
                              : result_error(ERR_NOT_FOUND, 0, "配置文档已不存在 / configuration document is gone");
    outbox_document_free(&d);
    *full = !result_ok(r) || pack_bytes(b->pack) > DOCUMENTS_BYTES || i + 1 == MAX_DOCUMENTS;
    if (result_ok(r))
        b->packed++;
    else
        set_apart(b, i, r.text);
    return RESULT_OK;
}

static RESULT fill(struct lane *lane, struct basket *b)
{
    char date[CALTIME_TEXT];
    bool full = false;
    b->pack = pack_new(b->kind, lane->fep->destination.platform_code, caltime_format(clock_now(), date));
    for (size_t i = 0; i < b->count && !full; i++)
        TRY(b->kind == PACK_CONFIG ? pack_document(lane, b, i, &full) : pack_row(lane, b, i, &full));
    return RESULT_OK;
}

/* ---- claiming ---- */

/* The next message begins with the enterprise after the last one that had its turn. */
static void move_on(struct lane *lane, const struct basket *b)
{
    struct fep *f = lane->fep;
    size_t records = b->reason[0] ? 0 : pack_records(b->pack);
    for (size_t i = 0; i < b->packed && b->kind == PACK_DATA; i++)
        if (b->rows[i].turn == 1)
            f->cursor = b->rows[i].unit_id;
    if (b->kind == PACK_CONFIG || b->reason[0] || b->packed == 0)
        return;
    f->average = clamp((3 * f->average + (int64_t)(records / b->packed)) / 4, 1, 200000);
    f->backlog = b->packed < b->count || (int64_t)records >= f->destination.batch_records / 2;
    if (b->everything && !f->backlog)
        f->not_before = clock_monotonic() + (int64_t)LINGER_MS * 1000000;
}

/* Claims held: a message stored is in this lane's hands before anybody looks for lost leases. */
static RESULT claim(struct lane *lane, const struct basket *b, const struct outbox_claim *c)
{
    struct fep_message *m = &lane->message;
    TRY(outbox_claim(lane->db, c, &m->id, m->message_id));
    if (!m->id)
        return RESULT_OK;
    move_on(lane, b);
    m->kind = c->kind;
    m->records = c->records;
    m->attempts = 1;
    m->put_off = 0;
    lane->alone = b->rows[0].unit_id == b->rows[b->packed - 1].unit_id ? b->rows[0].unit_id : 0;
    snprintf(m->digest, sizeof m->digest, "%s", c->digest);
    return RESULT_OK;
}

static RESULT store(struct lane *lane, struct basket *b)
{
    struct fep *f = lane->fep;
    struct fep_message *m = &lane->message;
    char digest[65] = "";
    buf_clear(&m->content);
    if (!b->reason[0])
        TRY(pack_finish(b->pack, &m->content, digest));
    struct outbox_claim c = {.destination = f->id,
                             .prefix = f->prefix,
                             .kind = b->kind,
                             .records = b->reason[0] ? 0 : (int)pack_records(b->pack),
                             .digest = digest,
                             .content = b->reason[0] ? NULL : &m->content,
                             .reason = b->reason[0] ? b->reason : NULL,
                             .rows = b->rows,
                             .row_count = b->packed,
                             .now = clock_now(),
                             .lease_until = lease_until(lane)};
    pthread_mutex_lock(&f->claims);
    struct result r = claim(lane, b, &c);
    if (c.reason && result_ok(r)) {
        log_write(LOG_ERROR, "fep", "message.parked", "destination=%s enterprise=%s message=%s reason=%s",
                  log_quote(f->destination.name), b->rows[0].unit_code, m->message_id, log_quote(b->reason));
        fep_count(f->metrics, FEP_M_PARKED, m->id != 0);
        m->id = 0;
    }
    pthread_mutex_unlock(&f->claims);
    return r;
}

RESULT fep_assemble(struct lane *lane, bool *worked)
{
    struct basket b = {0};
    *worked = false;
    struct result r = choose(lane, &b);
    if (result_ok(r) && b.count > 0)
        r = fill(lane, &b);
    if (result_ok(r) && b.packed > 0) {
        r = store(lane, &b);
        *worked = result_ok(r);
    }
    unreserve(lane);
    pack_free(&b.pack);
    mem_free(b.rows);
    return r;
}

RESULT fep_take_due(struct lane *lane)
{
    struct fep *f = lane->fep;
    pthread_mutex_lock(&f->claims);
    lane->alone = 0;
    struct result r = outbox_take(lane->db, f->id, clock_now(), lease_until(lane), &lane->message);
    pthread_mutex_unlock(&f->claims);
    return r;
}
