/* outbox_fill: what was uploaded before a destination was there, or did not arrive as it should, is queued again. */
#include "base/clock.h"
#include "base/mem.h"
#include "fep/outbox_store.h"

enum { SETS = 100 };

static const char SHARED_TABLE[] =
    "CREATE TEMP TABLE IF NOT EXISTS fill_shared (unit_id integer, sender_id integer, upload_id bigint, "
    "received_at timestamptz); CREATE INDEX IF NOT EXISTS fill_shared_idx ON fill_shared (unit_id); "
    "TRUNCATE fill_shared";

static const struct db_stmt FIND = {"fill.find",
                                    "SELECT id, active, coalesce((SELECT id FROM unit WHERE code = $2), 0) "
                                    "FROM destination WHERE name = $1"};
/* Uploads of somebody else than the enterprise: files, a lower platform's sets. */
static const struct db_stmt FOREIGN = {
    "fill.foreign", "INSERT INTO fill_shared (unit_id, sender_id, upload_id, received_at) "
                    "SELECT unit_id, sender_id, upload_id, received_at FROM upload WHERE received_at >= $1 "
                    "AND sender_id <> unit_id AND ($2 = 0 OR unit_id = $2)"};
static const struct db_stmt SHARED = {
    "fill.sets", "SELECT u.sender_id, u.upload_id, u.received_at FROM upload u WHERE u.upload_id > $1 "
                 "AND u.received_at >= $2 AND u.unit_id IS NULL ORDER BY u.upload_id LIMIT $3"};
static const struct db_stmt SHARE = {
    "fill.share", "INSERT INTO fill_shared (unit_id, sender_id, upload_id, received_at) SELECT u.id, $2, $3, $4 "
                  "FROM unit u WHERE u.code = ANY ($1::text[]) AND ($5 = 0 OR u.id = $5)"};
static const struct db_stmt UNITS = {
    "fill.units", "SELECT id FROM unit WHERE config_version > 0 AND ($1 = 0 OR id = $1) ORDER BY id"};
static const struct db_stmt LOCK = {"fill.lock", "SELECT pg_advisory_xact_lock(1, $1)"};
/* What the archive does not hold any more stays, to be parked with that reason. */
static const struct db_stmt REPLACE = {
    "fill.replace", "DELETE FROM outbox o WHERE o.unit_id = $1 AND o.destination_id = $2 AND o.message IS NULL "
                    "AND o.kind = 0 AND o.received_at >= $3 AND EXISTS (SELECT 1 FROM upload_payload p "
                    "WHERE p.sender_id = o.sender_id AND p.received_at = o.received_at AND p.upload_id = o.upload_id)"};
static const struct db_stmt CONFIGURE = {
    "fill.configure", "INSERT INTO outbox (destination_id, unit_id, kind, sender_id, upload_id, received_at) "
                      "SELECT $2, id, 1, id, config_version, $3 FROM unit WHERE id = $1"};
static const struct db_stmt QUEUE = {
    "fill.queue",
    "INSERT INTO outbox (destination_id, unit_id, kind, sender_id, upload_id, received_at) "
    "SELECT $2, $1, 0, x.sender_id, x.upload_id, x.received_at FROM ("
    " SELECT sender_id, upload_id, received_at FROM upload WHERE sender_id = $1 AND unit_id = $1 AND received_at >= $3 "
    " UNION ALL SELECT sender_id, upload_id, received_at FROM fill_shared WHERE unit_id = $1) x "
    "JOIN upload_payload p ON p.sender_id = x.sender_id AND p.received_at = x.received_at AND p.upload_id = "
    "x.upload_id "
    "ORDER BY x.received_at, x.upload_id"};
/* What QUEUE leaves out, so that nobody takes the number queued for all there was. */
static const struct db_stmt GONE = {
    "fill.gone",
    "SELECT count(*) FROM ("
    " SELECT sender_id, upload_id, received_at FROM upload WHERE sender_id = $1 AND unit_id = $1 AND received_at >= $2 "
    " UNION ALL SELECT sender_id, upload_id, received_at FROM fill_shared WHERE unit_id = $1) x "
    "LEFT JOIN upload_payload p ON p.sender_id = x.sender_id AND p.received_at = x.received_at AND p.upload_id = "
    "x.upload_id WHERE p.upload_id IS NULL"};

struct fill {
    int destination;
    int32_t only, unit; /* 0: all; in hand */
    int64_t from;
    int64_t rows, gone; /* of the enterprise in hand */
    struct outbox_filled *out;
};

static RESULT resolve(struct db *db, const char *destination, const char *unit_code, struct fill *f)
{
    struct db_params p;
    struct db_rows *rows = NULL;
    db_params_init(&p);
    db_bind_text(&p, destination);
    db_bind_text(&p, unit_code ? unit_code : "");
    TRY(db_ask(db, &FIND, &p, &rows));
    bool found = db_rows_count(rows) == 1 && db_get_bool(rows, 0, 1);
    f->destination = found ? (int)db_get_int(rows, 0, 0) : 0;
    f->only = found ? (int32_t)db_get_int(rows, 0, 2) : 0;
    db_rows_free(&rows);
    if (!found)
        return result_error(ERR_NOT_FOUND, 0, "没有该目标，或未启用 / no such destination, or it is not active");
    return unit_code && !f->only ? result_error(ERR_NOT_FOUND, 0, "没有该企业 / no such enterprise") : RESULT_OK;
}

/* ---- uploads that hold more than one enterprise ---- */

static RESULT put_share(struct db *db, const struct fill *f, const struct outbox_row *row, const struct pack_view *view)
{
    size_t n = pack_view_blocks(view);
    const char **codes = mem_array(n + 1, sizeof *codes);
    for (size_t i = 0; i < n; i++)
        codes[i] = pack_view_enterprise(view, i);
    struct db_params p;
    db_params_init(&p);
    db_bind_text_array(&p, codes, n);
    db_bind_int4(&p, row->sender_id);
    db_bind_int8(&p, row->upload_id);
    db_bind_time(&p, row->received_at);
    db_bind_int4(&p, f->only);
    mem_free(codes);
    return db_ask(db, &SHARE, &p, NULL);
}

/* One that cannot be read any more is counted and left out: it could not be packed either. */
static RESULT share_one(struct db *db, const struct fill *f, const struct outbox_row *row)
{
    struct outbox_payloads payloads;
    struct pack_view *view = NULL;
    TRY(outbox_payloads(db, &row, 1, 1, &payloads));
    bool there = payloads.count == 1 && payloads.at[0].found;
    struct result opened = there ? pack_open(&payloads.at[0].source, &view) : RESULT_OK;
    outbox_payloads_free(&payloads);
    if (!view || !result_ok(opened)) {
        f->out->unreadable++;
        return RESULT_OK;
    }
    struct result r = put_share(db, f, row, view);
    pack_view_free(&view);
    return r;
}

static RESULT share_page(struct db *db, const struct fill *f, int64_t *after, size_t *count)
{
    struct db_params p;
    struct db_rows *rows = NULL;
    db_params_init(&p);
    db_bind_int8(&p, *after);
    db_bind_time(&p, f->from);
    db_bind_int8(&p, SETS);
    TRY(db_ask(db, &SHARED, &p, &rows));
    *count = db_rows_count(rows);
    struct result r = RESULT_OK;
    for (size_t i = 0; i < *count && result_ok(r); i++) {
        struct outbox_row row = {.sender_id = (int32_t)db_get_int(rows, i, 0),
                                 .upload_id = db_get_int(rows, i, 1),
                                 .received_at = db_get_time(rows, i, 2)};
        *after = row.upload_id;
        r = share_one(db, f, &row);
    }
    db_rows_free(&rows);
    return r;
}

static RESULT find_shared(struct db *db, const struct fill *f)
{
    struct db_params p;
    TRY(db_exec(db, SHARED_TABLE));
    db_params_init(&p);
    db_bind_time(&p, f->from);
    db_bind_int4(&p, f->only);
    TRY(db_ask(db, &FOREIGN, &p, NULL));
    int64_t after = 0;
    size_t count = SETS;
    while (count == SETS)
        TRY(share_page(db, f, &after, &count));
    return RESULT_OK;
}

/* ---- one enterprise ---- */

static RESULT step(struct db *db, const struct db_stmt *s, const struct fill *f, int64_t *affected)
{
    struct db_params p;
    struct db_rows *rows = NULL;
    db_params_init(&p);
    db_bind_int4(&p, f->unit);
    if (s != &LOCK) {
        db_bind_int2(&p, (int16_t)f->destination);
        db_bind_time(&p, s == &CONFIGURE ? clock_now() : f->from);
    }
    TRY(db_ask(db, s, &p, &rows));
    *affected = db_rows_affected(rows);
    db_rows_free(&rows);
    return RESULT_OK;
}

static RESULT count_gone(struct db *db, struct fill *f)
{
    struct db_params p;
    struct db_rows *rows = NULL;
    db_params_init(&p);
    db_bind_int4(&p, f->unit);
    db_bind_time(&p, f->from);
    TRY(db_ask(db, &GONE, &p, &rows));
    f->gone = db_get_int(rows, 0, 0);
    db_rows_free(&rows);
    return RESULT_OK;
}

/* All of it, in the order it came, also what is there already: the last word stays the last. */
static struct result fill_unit(struct db *db, void *arg)
{
    struct fill *f = arg;
    const struct db_stmt *const steps[] = {&LOCK, &REPLACE, &CONFIGURE, &QUEUE};
    for (size_t i = 0; i < ARRAY_LEN(steps); i++)
        TRY(step(db, steps[i], f, &f->rows));
    return count_gone(db, f);
}

static RESULT fill_units(struct db *db, struct fill *f)
{
    struct db_params p;
    struct db_rows *rows = NULL;
    db_params_init(&p);
    db_bind_int4(&p, f->only);
    TRY(db_ask(db, &UNITS, &p, &rows));
    struct result r = RESULT_OK;
    for (size_t i = 0; i < db_rows_count(rows) && result_ok(r); i++) {
        f->unit = (int32_t)db_get_int(rows, i, 0);
        r = db_transaction(db, fill_unit, f);
        f->out->uploads += result_ok(r) ? f->rows : 0;
        f->out->unreadable += result_ok(r) ? f->gone : 0;
        f->out->enterprises += result_ok(r);
    }
    db_rows_free(&rows);
    return r;
}

RESULT outbox_fill(struct db *db, const char *destination, const char *unit_code, int64_t from,
                   struct outbox_filled *filled)
{
    struct fill f = {.from = from, .out = filled};
    *filled = (struct outbox_filled){0};
    TRY(resolve(db, destination, unit_code, &f));
    TRY(find_shared(db, &f));
    return fill_units(db, &f);
}
