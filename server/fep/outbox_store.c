#include "fep/outbox_store.h"

#include <string.h>

#include "base/mem.h"
#include "db/composite.h"
#include "fep/fep.h"

/* Advisory lock class of destinations; 1 is enterprises, 3 is partitions. */
static const struct db_stmt OWN = {"outbox.own", "SELECT pg_try_advisory_lock(6, $1)"};

/* A loose index scan: one index descent per enterprise, however many rows each has. */
static const struct db_stmt UNITS = {
    "outbox.units",
    "WITH RECURSIVE busy AS MATERIALIZED (SELECT o.unit_id FROM fep_message m JOIN outbox o ON o.message = m.id "
    " WHERE m.destination_id = $1 AND m.state IN ('leased', 'waiting')), "
    "ready (unit_id) AS ((SELECT o.unit_id FROM outbox o WHERE o.destination_id = $1 AND o.message IS NULL "
    "  AND o.unit_id > $2 ORDER BY o.unit_id LIMIT 1) "
    " UNION ALL SELECT (SELECT o.unit_id FROM outbox o WHERE o.destination_id = $1 AND o.message IS NULL "
    "  AND o.unit_id > r.unit_id ORDER BY o.unit_id LIMIT 1) FROM ready r WHERE r.unit_id IS NOT NULL) "
    "SELECT unit_id FROM ready WHERE unit_id <= $3 AND unit_id NOT IN (SELECT unit_id FROM busy) "
    "AND unit_id <> ALL ($4::integer[]) LIMIT $5"};
static const struct db_stmt ROWS = {
    "outbox.rows", "SELECT r.unit_id, u.code, o.id, o.kind, o.sender_id, o.upload_id, o.received_at, "
                   " row_number() OVER (PARTITION BY r.n ORDER BY o.id) AS turn, o.late "
                   "FROM unnest($2::integer[]) WITH ORDINALITY AS r (unit_id, n) JOIN unit u ON u.id = r.unit_id "
                   "CROSS JOIN LATERAL (SELECT id, kind, sender_id, upload_id, received_at, late FROM outbox x WHERE "
                   "x.destination_id = $1 "
                   " AND x.unit_id = r.unit_id AND x.message IS NULL ORDER BY x.id LIMIT $3) o ORDER BY turn, r.n"};
/* The running sum bounds what is fetched; octet_length of a stored bytea does not read it. */
static const struct db_stmt PAYLOADS = {
    "outbox.payloads",
    "SELECT found, encoding, cipher, digest, content, rejected, key FROM ("
    " SELECT r.n, p.upload_id IS NOT NULL AS found, p.encoding, p.cipher, p.digest, p.content, p.rejected, "
    "  sum(coalesce(octet_length(p.content), 0)) OVER (ORDER BY r.n) - coalesce(octet_length(p.content), 0) AS before, "
    "  CASE WHEN p.cipher <> 0 THEN coalesce((SELECT d.secret_key FROM upload u JOIN device d ON d.unit_id = u.unit_id "
    "    AND d.device_id = u.device_id WHERE u.sender_id = r.sender_id AND u.received_at = r.received_at "
    "    AND u.upload_id = r.upload_id), (SELECT f.secret_key FROM platform f WHERE f.id = r.sender_id)) END AS key "
    " FROM unnest($1::integer[], $2::bigint[], $3::timestamptz[]) WITH ORDINALITY AS r (sender_id, upload_id, "
    "  received_at, n) LEFT JOIN upload_payload p ON p.sender_id = r.sender_id AND p.received_at = r.received_at "
    "  AND p.upload_id = r.upload_id) s WHERE s.before < $4 ORDER BY s.n"};
static const struct db_stmt DOCUMENT = {
    "outbox.document",
    "SELECT d.content, u.region_code, u.period FROM config_document d JOIN unit u ON u.id = d.unit_id "
    "WHERE d.unit_id = $1 AND d.version = $2"};

/* The digest in the id: should a restored database count its messages again, no id comes twice with other bytes. */
static const struct db_stmt INSERT = {
    "outbox.insert",
    "WITH n AS (SELECT nextval(pg_get_serial_sequence('fep_message', 'id')) AS id) "
    "INSERT INTO fep_message (id, destination_id, message_id, kind, state, lease_until, attempts, digest, content, "
    "records, created_at, response_text, settled_at) OVERRIDING SYSTEM VALUE "
    "SELECT n.id, $1, $2 || '-' || n.id || '-' || left($3, 16), $4, $5, $6, $7, $3, $8, $9, $10, $11, $12 FROM n "
    "RETURNING id, message_id"};
static const struct db_stmt ASSIGN = {
    "outbox.assign", "UPDATE outbox o SET message = $1 FROM unnest($3::integer[], $4::bigint[]) AS r (unit_id, id) "
                     "WHERE o.unit_id = r.unit_id AND o.destination_id = $2 AND o.id = r.id AND o.message IS NULL"};
/* Place in the order of open messages: those that were parked come after all others. */
#define PLACE "m.id + CASE WHEN m.requeued_at IS NULL THEN 0 ELSE 4611686018427387904 END"
static const struct db_stmt DUE = {
    "outbox.due",
    "WITH carried AS MATERIALIZED (SELECT m.id, o.unit_id, " PLACE " AS place FROM fep_message m "
    " JOIN outbox o ON o.message = m.id WHERE m.destination_id = $1 AND m.state IN ('leased', 'waiting')), "
    "head AS MATERIALIZED (SELECT unit_id, min(place) AS place FROM carried GROUP BY unit_id) "
    "SELECT m.id, m.message_id, m.kind, m.attempts, m.records, m.digest, m.content, m.requeued_at IS NOT NULL, "
    "m.put_off "
    "FROM fep_message m WHERE m.destination_id = $1 AND m.state = 'waiting' AND m.next_at <= $2 "
    "AND NOT EXISTS (SELECT 1 FROM carried c JOIN head h ON h.unit_id = c.unit_id "
    " WHERE c.id = m.id AND h.place < c.place) ORDER BY m.id LIMIT 1 FOR UPDATE OF m SKIP LOCKED"};
/* Sent, or so long ago that housekeeping has removed the message and kept the row (outbox_prune). */
static const struct db_stmt OVERTAKEN = {
    "outbox.overtaken",
    "SELECT EXISTS (SELECT 1 FROM (SELECT destination_id, unit_id, min(id) AS id FROM outbox WHERE message = $1 "
    " GROUP BY destination_id, unit_id) s JOIN outbox o ON o.unit_id = s.unit_id AND o.destination_id = "
    "s.destination_id "
    " AND o.id > s.id AND o.message IS NOT NULL AND NOT EXISTS (SELECT 1 FROM fep_message m WHERE m.id = o.message "
    "  AND m.state <> 'sent'))"};
static const struct db_stmt RESEND = {
    "outbox.resend", "UPDATE outbox o SET message = NULL, late = false FROM unnest($2::integer[], $3::bigint[]) "
                     "AS r (unit_id, id) WHERE o.unit_id = r.unit_id AND o.destination_id = $1 AND o.id > r.id "
                     "AND o.message IS NOT NULL AND NOT EXISTS (SELECT 1 FROM fep_message m WHERE m.id = o.message "
                     "AND m.state <> 'sent')"};
static const struct db_stmt LOCK = {"outbox.lock", "SELECT state FROM fep_message WHERE id = $1 FOR UPDATE"};
static const struct db_stmt MOVE = {
    "outbox.move", "UPDATE fep_message SET state = $2, lease_until = $3, next_at = $4, attempts = attempts + $5, "
                   "settled_at = $6, requeued_at = coalesce($7, requeued_at) WHERE id = $1"};
static const struct db_stmt ANSWER = {"outbox.answer",
                                      "UPDATE fep_message SET response_code = $2, response_text = $3, "
                                      "put_off = CASE WHEN $2 >= 9000 THEN put_off + 1 ELSE 0 END, "
                                      "remote_upload_id = coalesce($4, remote_upload_id) WHERE id = $1"};
static const struct db_stmt RELEASE = {"outbox.release", "UPDATE outbox SET message = NULL WHERE message = $1"};
static const struct db_stmt REPACK = {"outbox.repack",
                                      "UPDATE outbox SET message = NULL, late = true WHERE message = $1"};
static const struct db_stmt REMOVE = {"outbox.remove", "DELETE FROM fep_message WHERE id = $1"};
static const struct db_stmt SHARES = {
    "outbox.shares", "SELECT o.unit_id, u.code, max(o.id), count(*) FROM outbox o JOIN unit u ON u.id = o.unit_id "
                     "WHERE o.message = $1 GROUP BY o.unit_id, u.code ORDER BY o.unit_id"};
static const struct db_stmt LOST = {
    "outbox.lost", "SELECT id FROM fep_message WHERE destination_id = $1 AND state = 'leased' AND lease_until < $2 "
                   "AND id <> ALL ($3::bigint[]) ORDER BY id"};
static const struct db_stmt HASTEN = {
    "outbox.hasten",
    "UPDATE fep_message SET next_at = $2 WHERE destination_id = $1 AND state = 'waiting' AND next_at > $2"};
static const struct db_stmt LAG = {
    "outbox.lag",
    "WITH RECURSIVE carried AS MATERIALIZED (SELECT o.received_at FROM fep_message m JOIN outbox o ON o.message = m.id "
    " WHERE m.destination_id = $1 AND m.state IN ('leased', 'waiting')), "
    "head (unit_id, received_at) AS ((SELECT o.unit_id, o.received_at FROM outbox o WHERE o.destination_id = $1 "
    "  AND o.message IS NULL ORDER BY o.unit_id, o.id LIMIT 1) "
    " UNION ALL SELECT n.unit_id, n.received_at FROM head h CROSS JOIN LATERAL (SELECT o.unit_id, o.received_at "
    "  FROM outbox o WHERE o.destination_id = $1 AND o.message IS NULL AND o.unit_id > h.unit_id "
    "  ORDER BY o.unit_id, o.id LIMIT 1) n) "
    "SELECT (SELECT count(*) FROM outbox WHERE destination_id = $1 AND message IS NULL) "
    "  + (SELECT count(*) FROM carried), "
    " (SELECT count(*) FROM fep_message WHERE destination_id = $1 AND state = 'parked'), "
    " least((SELECT min(received_at) FROM head), (SELECT min(received_at) FROM carried)), "
    " (SELECT min(o.received_at) FROM fep_message m JOIN outbox o ON o.message = m.id WHERE m.destination_id = $1 "
    "  AND m.state = 'parked'), "
    " (SELECT count(*) FROM fep_message WHERE destination_id = $1 AND state IN ('leased', 'waiting') AND attempts >= "
    "$2)"};
static void copy_text(char *out, size_t size, const char *text)
{
    size_t n = strlen(text);
    n = n < size ? n : size - 1;
    memcpy(out, text, n);
    out[n] = 0;
}

static void bind_time_or_null(struct db_params *p, int64_t us)
{
    if (us)
        db_bind_time(p, us);
    else
        db_bind_null(p, OID_TIMESTAMPTZ);
}

RESULT outbox_own(struct db *db, int destination, bool *owner)
{
    struct db_params p;
    struct db_rows *rows = NULL;
    db_params_init(&p);
    db_bind_int4(&p, destination);
    TRY(db_ask(db, &OWN, &p, &rows));
    *owner = db_get_bool(rows, 0, 0);
    db_rows_free(&rows);
    return RESULT_OK;
}

/* ---- what waits ---- */

static RESULT units_between(struct db *db, int destination, int32_t after, int32_t upto, const int32_t *skip,
                            size_t skip_count, size_t max, int32_t *units, size_t *count)
{
    struct db_params p;
    struct db_rows *rows = NULL;
    db_params_init(&p);
    db_bind_int2(&p, (int16_t)destination);
    db_bind_int4(&p, after);
    db_bind_int4(&p, upto);
    db_bind_int4_array(&p, skip, NULL, skip_count);
    db_bind_int8(&p, (int64_t)(max - *count));
    TRY(db_ask(db, &UNITS, &p, &rows));
    for (size_t i = 0; i < db_rows_count(rows); i++)
        units[(*count)++] = (int32_t)db_get_int(rows, i, 0);
    db_rows_free(&rows);
    return RESULT_OK;
}

RESULT outbox_units(struct db *db, int destination, int32_t after, const int32_t *skip, size_t skip_count, size_t max,
                    int32_t *units, size_t *count)
{
    *count = 0;
    TRY(units_between(db, destination, after, INT32_MAX, skip, skip_count, max, units, count));
    if (*count < max && after > 0)
        TRY(units_between(db, destination, 0, after, skip, skip_count, max, units, count));
    return RESULT_OK;
}

static void read_row(const struct db_rows *rows, size_t i, struct outbox_row *r)
{
    r->unit_id = (int32_t)db_get_int(rows, i, 0);
    copy_text(r->unit_code, sizeof r->unit_code, db_get_text(rows, i, 1));
    r->id = db_get_int(rows, i, 2);
    r->kind = (int)db_get_int(rows, i, 3);
    r->sender_id = (int32_t)db_get_int(rows, i, 4);
    r->upload_id = db_get_int(rows, i, 5);
    r->received_at = db_get_time(rows, i, 6);
    r->turn = (int)db_get_int(rows, i, 7);
    r->late = db_get_bool(rows, i, 8);
}

RESULT outbox_rows(struct db *db, int destination, const int32_t *units, size_t count, size_t per_unit,
                   struct outbox_row **rows, size_t *row_count)
{
    struct db_params p;
    struct db_rows *found = NULL;
    db_params_init(&p);
    db_bind_int2(&p, (int16_t)destination);
    db_bind_int4_array(&p, units, NULL, count);
    db_bind_int8(&p, (int64_t)per_unit);
    TRY(db_ask(db, &ROWS, &p, &found));
    *row_count = db_rows_count(found);
    *rows = mem_array(*row_count + 1, sizeof **rows);
    for (size_t i = 0; i < *row_count; i++)
        read_row(found, i, &(*rows)[i]);
    db_rows_free(&found);
    return RESULT_OK;
}

static void bind_upload_keys(struct db_params *p, const struct outbox_row *const *rows, size_t count)
{
    int32_t *sender = mem_array(count, sizeof *sender);
    int64_t *upload = mem_array(count, sizeof *upload);
    int64_t *received = mem_array(count, sizeof *received);
    for (size_t i = 0; i < count; i++) {
        sender[i] = rows[i]->sender_id;
        upload[i] = rows[i]->upload_id;
        received[i] = rows[i]->received_at;
    }
    db_bind_int4_array(p, sender, NULL, count);
    db_bind_int8_array(p, upload, NULL, count);
    db_bind_time_array(p, received, count);
    mem_free(sender);
    mem_free(upload);
    mem_free(received);
}

static void read_payload(const struct outbox_payloads *p, size_t i, struct outbox_payload *out)
{
    const struct db_rows *r = p->rows;
    struct pack_source *s = &out->source;
    out->found = db_get_bool(r, i, 0);
    s->encoding = (int)db_get_int(r, i, 1);
    s->cipher = (int)db_get_int(r, i, 2);
    s->digest = db_get_bytea(r, i, 3, &s->digest_len);
    s->content = db_get_bytea(r, i, 4, &s->content_len);
    int32_t *rejected = NULL;
    bool *nulls = NULL;
    db_get_int4_array(r, i, 5, p->arena, &rejected, &nulls, &s->rejected_count);
    s->rejected = rejected;
    s->key = db_is_null(r, i, 6) ? NULL : db_get_bytea(r, i, 6, &s->key_len);
}

RESULT outbox_payloads(struct db *db, const struct outbox_row *const *rows, size_t count, int64_t max_bytes,
                       struct outbox_payloads *out)
{
    *out = (struct outbox_payloads){0};
    struct db_params p;
    db_params_init(&p);
    bind_upload_keys(&p, rows, count);
    db_bind_int8(&p, max_bytes);
    TRY(db_ask(db, &PAYLOADS, &p, &out->rows));
    out->arena = arena_new(0);
    out->count = db_rows_count(out->rows);
    out->at = arena_array(out->arena, out->count + 1, sizeof *out->at);
    for (size_t i = 0; i < out->count; i++)
        read_payload(out, i, &out->at[i]);
    return RESULT_OK;
}

void outbox_payloads_free(struct outbox_payloads *p)
{
    db_rows_free(&p->rows);
    arena_free(&p->arena);
    *p = (struct outbox_payloads){0};
}

RESULT outbox_document(struct db *db, const struct outbox_row *row, struct outbox_document *out)
{
    struct db_params p;
    struct db_rows *rows = NULL;
    *out = (struct outbox_document){0};
    db_params_init(&p);
    db_bind_int4(&p, row->unit_id);
    db_bind_int4(&p, (int32_t)row->upload_id);
    TRY(db_ask(db, &DOCUMENT, &p, &rows));
    out->found = db_rows_count(rows) == 1;
    if (out->found) {
        size_t n = 0;
        const void *bytes = db_get_bytea(rows, 0, 0, &n);
        buf_append(&out->content, bytes, n);
        copy_text(out->region_code, sizeof out->region_code, db_get_text(rows, 0, 1));
        out->period = (int32_t)db_get_int(rows, 0, 2);
    }
    db_rows_free(&rows);
    return RESULT_OK;
}

void outbox_document_free(struct outbox_document *d)
{
    buf_free(&d->content);
}

/* ---- claim ---- */

struct claiming {
    const struct outbox_claim *claim;
    int64_t id;
    char *message_id;
};

static void bind_message(struct db_params *p, const struct outbox_claim *c, const struct fep_move *move)
{
    bool leased = move->to == FEP_LEASED;
    db_bind_int2(p, (int16_t)c->destination);
    db_bind_text(p, c->prefix);
    db_bind_text(p, c->digest);
    db_bind_int2(p, (int16_t)c->kind);
    db_bind_text(p, fep_state_name(move->to));
    bind_time_or_null(p, leased ? c->lease_until : 0);
    db_bind_int4(p, leased ? 1 : 0);
    if (c->content)
        db_bind_bytea(p, c->content->data, c->content->len);
    else
        db_bind_null(p, OID_BYTEA);
    db_bind_int4(p, c->records);
    db_bind_time(p, c->now);
    db_bind_text(p, c->reason);
    bind_time_or_null(p, leased ? 0 : c->now);
}

static RESULT insert_message(struct db *db, struct claiming *k)
{
    const struct fep_move *move = outbox_next(FEP_READY, k->claim->content ? FEP_CLAIM : FEP_REFUSE);
    struct db_params p;
    struct db_rows *rows = NULL;
    db_params_init(&p);
    bind_message(&p, k->claim, move);
    TRY(db_ask(db, &INSERT, &p, &rows));
    k->id = db_get_int(rows, 0, 0);
    copy_text(k->message_id, FEP_MESSAGE_ID, db_get_text(rows, 0, 1));
    db_rows_free(&rows);
    return RESULT_OK;
}

static RESULT assign_rows(struct db *db, const struct claiming *k)
{
    const struct outbox_claim *c = k->claim;
    int32_t *unit = mem_array(c->row_count, sizeof *unit);
    int64_t *id = mem_array(c->row_count, sizeof *id);
    for (size_t i = 0; i < c->row_count; i++) {
        unit[i] = c->rows[i].unit_id;
        id[i] = c->rows[i].id;
    }
    struct db_params p;
    struct db_rows *rows = NULL;
    db_params_init(&p);
    db_bind_int8(&p, k->id);
    db_bind_int2(&p, (int16_t)c->destination);
    db_bind_int4_array(&p, unit, NULL, c->row_count);
    db_bind_int8_array(&p, id, NULL, c->row_count);
    mem_free(unit);
    mem_free(id);
    TRY(db_ask(db, &ASSIGN, &p, &rows));
    bool all = db_rows_affected(rows) == (int64_t)c->row_count;
    db_rows_free(&rows);
    return all ? RESULT_OK
               : result_error(ERR_CONFLICT, 0,
                              "待发记录已被另一转发进程取走 / outbox rows were taken by another forwarder");
}

/* What was sent after a late row is older news there than here: it follows the row once more. */
static RESULT send_again_after(struct db *db, const struct outbox_claim *c)
{
    int32_t *unit = mem_array(c->row_count, sizeof *unit);
    int64_t *id = mem_array(c->row_count, sizeof *id);
    size_t n = 0;
    for (size_t i = 0; i < c->row_count; i++) {
        unit[n] = c->rows[i].unit_id;
        id[n] = c->rows[i].id;
        n += c->rows[i].late;
    }
    struct result r = RESULT_OK;
    if (n > 0) {
        struct db_params p;
        db_params_init(&p);
        db_bind_int2(&p, (int16_t)c->destination);
        db_bind_int4_array(&p, unit, NULL, n);
        db_bind_int8_array(&p, id, NULL, n);
        r = db_ask(db, &RESEND, &p, NULL);
    }
    mem_free(unit);
    mem_free(id);
    return r;
}

static struct result claim_rows(struct db *db, void *arg)
{
    struct claiming *k = arg;
    TRY(insert_message(db, k));
    TRY(assign_rows(db, k));
    return k->claim->content ? send_again_after(db, k->claim) : RESULT_OK;
}

RESULT outbox_claim(struct db *db, const struct outbox_claim *claim, int64_t *id, char message_id[FEP_MESSAGE_ID])
{
    struct claiming k = {.claim = claim, .message_id = message_id};
    struct result r = db_transaction(db, claim_rows, &k);
    *id = result_ok(r) ? k.id : 0;
    return r.kind == ERR_CONFLICT ? RESULT_OK : r;
}

/* ---- moving a message ---- */

/* What an action writes into the message; the rest of the columns is cleared. */
static const struct effect {
    bool lease, next, settled, answer, again;
    int attempts;
} EFFECTS[FEP_ACTIONS] = {
    [FEP_LEASE] = {.lease = true, .attempts = 1},
    [FEP_SETTLE] = {.settled = true, .answer = true},
    [FEP_DELAY] = {.next = true, .answer = true},
    [FEP_PARK] = {.settled = true, .answer = true},
    [FEP_DUE] = {.next = true},
    [FEP_AGAIN] = {.next = true, .again = true},
};

struct moving {
    int64_t id;
    const struct outbox_outcome *outcome;
    int64_t lease_until;
    enum fep_state to;
};

static RESULT release_message(struct db *db, int64_t id, const struct db_stmt *how)
{
    const struct db_stmt *const steps[] = {how, &REMOVE};
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        struct db_params p;
        db_params_init(&p);
        db_bind_int8(&p, id);
        TRY(db_ask(db, steps[i], &p, NULL));
    }
    return RESULT_OK;
}

static RESULT write_state(struct db *db, const struct moving *m, const struct fep_move *move)
{
    const struct effect *e = &EFFECTS[move->action];
    struct db_params p;
    db_params_init(&p);
    db_bind_int8(&p, m->id);
    db_bind_text(&p, fep_state_name(move->to));
    bind_time_or_null(&p, e->lease ? m->lease_until : 0);
    bind_time_or_null(&p, e->next ? (m->outcome->next_at ? m->outcome->next_at : m->outcome->now) : 0);
    db_bind_int4(&p, e->attempts);
    bind_time_or_null(&p, e->settled ? m->outcome->now : 0);
    bind_time_or_null(&p, e->again ? m->outcome->now : 0);
    return db_ask(db, &MOVE, &p, NULL);
}

static RESULT write_answer(struct db *db, const struct moving *m)
{
    struct db_params p;
    db_params_init(&p);
    db_bind_int8(&p, m->id);
    if (m->outcome->code >= 0)
        db_bind_int4(&p, m->outcome->code);
    else
        db_bind_null(&p, OID_INT4);
    db_bind_text(&p, m->outcome->text);
    db_bind_text(&p, m->outcome->upload_id);
    return db_ask(db, &ANSWER, &p, NULL);
}

static RESULT apply(struct db *db, const struct moving *m, const struct fep_move *move)
{
    if (move->action == FEP_KEEP)
        return RESULT_OK;
    if (move->action == FEP_RELEASE)
        return release_message(db, m->id, &RELEASE);
    if (move->action == FEP_REPACK)
        return release_message(db, m->id, &REPACK);
    TRY(write_state(db, m, move));
    return EFFECTS[move->action].answer ? write_answer(db, m) : RESULT_OK;
}

static RESULT lock_state(struct db *db, int64_t id, enum fep_state *state)
{
    struct db_params p;
    struct db_rows *rows = NULL;
    db_params_init(&p);
    db_bind_int8(&p, id);
    TRY(db_ask(db, &LOCK, &p, &rows));
    if (!db_rows_count(rows) || !fep_state_from_name(db_get_text(rows, 0, 0), state))
        *state = FEP_READY;
    db_rows_free(&rows);
    return RESULT_OK;
}

static struct result move_locked(struct db *db, void *arg)
{
    struct moving *m = arg;
    enum fep_state from;
    TRY(lock_state(db, m->id, &from));
    m->to = from;
    if (from == FEP_READY) /* no such message any more */
        return RESULT_OK;
    const struct fep_move *move = outbox_next(from, m->outcome->event);
    m->to = move->to;
    return apply(db, m, move);
}

RESULT outbox_settle(struct db *db, int64_t id, const struct outbox_outcome *outcome, enum fep_state *to)
{
    struct moving m = {.id = id, .outcome = outcome};
    struct result r = db_transaction(db, move_locked, &m);
    *to = m.to;
    return r;
}

/* ---- take ---- */

struct taking {
    int destination;
    int64_t now, lease_until;
    struct fep_message *m;
};

static void read_message(const struct db_rows *rows, struct fep_message *m)
{
    m->id = db_get_int(rows, 0, 0);
    copy_text(m->message_id, sizeof m->message_id, db_get_text(rows, 0, 1));
    m->kind = (int)db_get_int(rows, 0, 2);
    m->attempts = (int)db_get_int(rows, 0, 3) + 1;
    m->put_off = (int)db_get_int(rows, 0, 8);
    m->records = (int)db_get_int(rows, 0, 4);
    copy_text(m->digest, sizeof m->digest, db_get_text(rows, 0, 5));
    size_t n = 0;
    const void *bytes = db_get_bytea(rows, 0, 6, &n);
    buf_clear(&m->content);
    buf_append(&m->content, bytes, n);
}

static RESULT find_due(struct db *db, const struct taking *t, bool *again)
{
    struct db_params p;
    struct db_rows *rows = NULL;
    t->m->id = 0;
    db_params_init(&p);
    db_bind_int2(&p, (int16_t)t->destination);
    db_bind_time(&p, t->now);
    TRY(db_ask(db, &DUE, &p, &rows));
    if (db_rows_count(rows)) {
        read_message(rows, t->m);
        *again = db_get_bool(rows, 0, 7);
    }
    db_rows_free(&rows);
    return RESULT_OK;
}

static RESULT overtaken(struct db *db, int64_t id, bool *yes)
{
    struct db_params p;
    struct db_rows *rows = NULL;
    db_params_init(&p);
    db_bind_int8(&p, id);
    TRY(db_ask(db, &OVERTAKEN, &p, &rows));
    *yes = db_get_bool(rows, 0, 0);
    db_rows_free(&rows);
    return RESULT_OK;
}

static struct result take_due(struct db *db, void *arg)
{
    struct taking *t = arg;
    bool again = false, late = false;
    TRY(find_due(db, t, &again));
    if (!t->m->id)
        return RESULT_OK;
    if (again)
        TRY(overtaken(db, t->m->id, &late));
    struct outbox_outcome outcome = {.event = late ? FEP_REMAKE : FEP_TAKE, .now = t->now};
    struct moving m = {.id = t->m->id, .outcome = &outcome, .lease_until = t->lease_until};
    t->m->id = late ? 0 : t->m->id;
    return move_locked(db, &m);
}

RESULT outbox_take(struct db *db, int destination, int64_t now, int64_t lease_until, struct fep_message *m)
{
    struct taking t = {destination, now, lease_until, m};
    struct result r = db_transaction(db, take_due, &t);
    if (!result_ok(r))
        m->id = 0;
    return r;
}

void fep_message_free(struct fep_message *m)
{
    buf_free(&m->content);
    *m = (struct fep_message){0};
}

/* ---- shares, recovery, lag ---- */

RESULT outbox_shares(struct db *db, int64_t id, struct outbox_share **shares, size_t *count)
{
    struct db_params p;
    struct db_rows *rows = NULL;
    db_params_init(&p);
    db_bind_int8(&p, id);
    TRY(db_ask(db, &SHARES, &p, &rows));
    *count = db_rows_count(rows);
    *shares = mem_array(*count + 1, sizeof **shares);
    for (size_t i = 0; i < *count; i++) {
        struct outbox_share *s = &(*shares)[i];
        s->unit_id = (int32_t)db_get_int(rows, i, 0);
        copy_text(s->unit_code, sizeof s->unit_code, db_get_text(rows, i, 1));
        s->last_id = db_get_int(rows, i, 2);
        s->rows = db_get_int(rows, i, 3);
    }
    db_rows_free(&rows);
    return RESULT_OK;
}

RESULT outbox_recover(struct db *db, int destination, int64_t before, const int64_t *mine, size_t mine_count,
                      int64_t now, size_t *count)
{
    struct db_params p;
    struct db_rows *rows = NULL;
    *count = 0;
    db_params_init(&p);
    db_bind_int2(&p, (int16_t)destination);
    db_bind_time(&p, before);
    db_bind_int8_array(&p, mine, NULL, mine_count);
    TRY(db_ask(db, &LOST, &p, &rows));
    struct outbox_outcome outcome = {.event = FEP_ORPHAN, .now = now};
    struct result r = RESULT_OK;
    for (size_t i = 0; i < db_rows_count(rows) && result_ok(r); i++) {
        enum fep_state to;
        r = outbox_settle(db, db_get_int(rows, i, 0), &outcome, &to);
        *count += result_ok(r);
    }
    db_rows_free(&rows);
    return r;
}

RESULT outbox_hasten(struct db *db, int destination, int64_t now)
{
    struct db_params p;
    db_params_init(&p);
    db_bind_int2(&p, (int16_t)destination);
    db_bind_time(&p, now);
    return db_ask(db, &HASTEN, &p, NULL);
}

RESULT outbox_lag(struct db *db, int destination, struct outbox_lag *lag)
{
    struct db_params p;
    struct db_rows *rows = NULL;
    db_params_init(&p);
    db_bind_int2(&p, (int16_t)destination);
    db_bind_int4(&p, OUTBOX_STUCK_TRIES);
    TRY(db_ask(db, &LAG, &p, &rows));
    lag->pending = db_get_int(rows, 0, 0);
    lag->parked = db_get_int(rows, 0, 1);
    lag->oldest = db_is_null(rows, 0, 2) ? 0 : db_get_time(rows, 0, 2);
    lag->parked_oldest = db_is_null(rows, 0, 3) ? 0 : db_get_time(rows, 0, 3);
    lag->stuck = db_get_int(rows, 0, 4);
    db_rows_free(&rows);
    return RESULT_OK;
}
