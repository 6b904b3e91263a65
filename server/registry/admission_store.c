/* admission in the database: every statement works on one row of unit. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "db/composite.h"
#include "registry/admission.h"

static const struct db_stmt READ = {
    "admission.read",
    "SELECT id, state, state_before, from_platform IS NOT NULL, config_version, trial_until, region_code, "
    "  (SELECT count(*) FROM collect_item i WHERE i.unit_id = u.id AND i.active), state_since "
    "FROM unit u WHERE code = $1 FOR UPDATE"};
static const struct db_stmt MOVE = {
    "admission.move",
    "UPDATE unit SET state_before = CASE WHEN $2 = 'suspended' THEN state ELSE '' END, "
    "  state_since = CASE WHEN state = $2 THEN state_since ELSE $3 END, state = $2, modified_at = $3, "
    "  trial_from = coalesce($4, trial_from), trial_until = coalesce($4 + $5 * interval '1 day', trial_until) "
    "WHERE id = $1"};
static const struct db_stmt REGISTERED = {
    "admission.registered",
    "UPDATE unit SET state = 'testing', state_since = $2, modified_at = $2 WHERE code = $1 AND state = 'certified' "
    "RETURNING 1"};
/* An enterprise that was never bound has what was issued for it last as its former certificate. */
static const struct db_stmt BIND = {
    "admission.bind",
    "UPDATE unit u SET cert_fingerprint = $2, modified_at = $5, "
    "  cert_former = CASE WHEN lower(u.cert_fingerprint) = $2 THEN u.cert_former ELSE f.former END, "
    "  cert_former_until = CASE WHEN lower(u.cert_fingerprint) = $2 THEN u.cert_former_until "
    "                           WHEN f.former <> '' THEN $3 END "
    "FROM (SELECT coalesce(nullif(x.cert_fingerprint, ''), (SELECT c.fingerprint FROM certificate c "
    "         WHERE c.identity = $1 AND c.device = '' AND c.revoked_at IS NULL AND c.fingerprint <> $2 "
    "           AND c.not_after > $4 ORDER BY c.created_at DESC LIMIT 1), '') AS former FROM unit x WHERE x.code = $1) "
    "f "
    "WHERE u.code = $1 RETURNING f.former <> '' AND lower(f.former) <> $2"};
/* The same for one device. */
static const struct db_stmt BIND_DEVICE = {
    "admission.bind_device",
    "INSERT INTO device_binding AS b (unit_id, serial, fingerprint, former, former_until) "
    "SELECT u.id, $5, $2, f.former, CASE WHEN f.former <> '' THEN $3 END FROM unit u, LATERAL (SELECT coalesce("
    "    (SELECT x.fingerprint FROM device_binding x WHERE x.unit_id = u.id AND x.serial = $5), "
    "    (SELECT c.fingerprint FROM certificate c WHERE c.identity = $1 AND c.device = $5 AND c.revoked_at IS NULL "
    "       AND c.fingerprint <> $2 AND c.not_after > $4 ORDER BY c.created_at DESC LIMIT 1), '') AS former) f "
    "WHERE u.code = $1 "
    "ON CONFLICT (unit_id, serial) DO UPDATE SET fingerprint = excluded.fingerprint, "
    "  former = CASE WHEN b.fingerprint = excluded.fingerprint THEN b.former ELSE excluded.former END, "
    "  former_until = CASE WHEN b.fingerprint = excluded.fingerprint THEN b.former_until "
    "                      ELSE excluded.former_until END "
    "RETURNING b.former <> ''"};
static const struct db_stmt RECORD = {
    "admission.certificate", "INSERT INTO certificate (fingerprint, identity, serial, issuer, not_after, device) "
                             "VALUES ($1, $2, $3, $4, $5, coalesce($6, '')) "
                             "ON CONFLICT (fingerprint) DO NOTHING"};
static const struct db_stmt NOTIFY = {"admission.notify", "SELECT pg_notify('nhjc_registry', $1)"};

static void fill(const struct db_rows *rows, struct admission_facts *f)
{
    f->id = (int32_t)db_get_int(rows, 0, 0);
    if (!unit_state_from_name(db_get_text(rows, 0, 1), &f->state)) {
        f->state = UNIT_SUSPENDED;
    }
    if (!unit_state_from_name(db_get_text(rows, 0, 2), &f->before)) {
        f->before = UNIT_ACCEPTED; /* suspended before the former state was kept */
    }
    f->from_platform = db_get_bool(rows, 0, 3);
    f->config_version = (int32_t)db_get_int(rows, 0, 4);
    f->trial_until = db_is_null(rows, 0, 5) ? INT64_MIN : db_get_time(rows, 0, 5);
    snprintf(f->region, sizeof f->region, "%s", db_get_text(rows, 0, 6));
    f->items = db_get_int(rows, 0, 7);
    f->state_since = db_get_time(rows, 0, 8);
}

RESULT admission_read(struct db *db, const char *code, struct admission_facts *facts)
{
    struct db_params p;
    struct db_rows *rows = NULL;
    *facts = (struct admission_facts){0};
    db_params_init(&p);
    db_bind_text(&p, code);
    struct result r = db_query(db, &READ, &p, &rows);
    db_params_free(&p);
    if (result_ok(r) && db_rows_count(rows) == 0) {
        r = result_error(ERR_NOT_FOUND, 0, "没有这个企业 / no such enterprise: %s", code);
    } else if (result_ok(r)) {
        fill(rows, facts);
    }
    db_rows_free(&rows);
    return r;
}

RESULT admission_notify(struct db *db, const char *code)
{
    struct db_params p;
    db_params_init(&p);
    db_bind_text(&p, code);
    struct result r = db_query(db, &NOTIFY, &p, NULL);
    db_params_free(&p);
    return r;
}

static RESULT move(struct db *db, const struct admission_step *s)
{
    struct db_params p;
    db_params_init(&p);
    db_bind_int4(&p, s->was.id);
    db_bind_text(&p, unit_state_name(s->to));
    db_bind_time(&p, s->now);
    if (strcmp(s->verb, "trial") == 0) {
        db_bind_time(&p, s->trial_from);
    } else {
        db_bind_null(&p, OID_TIMESTAMPTZ);
    }
    db_bind_int4(&p, ADMISSION_TRIAL_DAYS);
    struct result r = db_query(db, &MOVE, &p, NULL);
    db_params_free(&p);
    return r;
}

RESULT admission_step(struct db *db, struct admission_step *s)
{
    TRY(admission_read(db, s->code, &s->was));
    s->from = s->was.state;
    TRY(admission_judge(&s->was, s->verb, s->reason, s->forced, s->now, &s->to));
    if (strcmp(s->verb, "trial") == 0) {
        TRY(admission_judge_trial(&s->was, s->trial_from, s->reason, s->now));
    }
    TRY(move(db, s));
    return admission_notify(db, s->code);
}

RESULT admission_registered(struct db *db, const char *code, int64_t now, bool *moved)
{
    struct db_params p;
    struct db_rows *rows = NULL;
    *moved = false;
    db_params_init(&p);
    db_bind_text(&p, code);
    db_bind_time(&p, now);
    TRY(db_ask(db, &REGISTERED, &p, &rows));
    *moved = db_rows_count(rows) > 0;
    db_rows_free(&rows);
    return *moved ? admission_notify(db, code) : RESULT_OK;
}

RESULT admission_note_certificate(struct db *db, const struct admission_certificate *c)
{
    struct db_params p;
    db_params_init(&p);
    db_bind_text(&p, c->fingerprint);
    db_bind_text(&p, c->code);
    db_bind_text(&p, c->serial);
    db_bind_text(&p, c->issuer);
    db_bind_time(&p, c->not_after);
    db_bind_text(&p, c->device);
    struct result r = db_query(db, &RECORD, &p, NULL);
    db_params_free(&p);
    return r;
}

RESULT admission_bind(struct db *db, const struct admission_certificate *c, bool *renewed)
{
    struct db_params p;
    struct db_rows *rows = NULL;
    int64_t now = clock_now();
    TRY(admission_note_certificate(db, c));
    db_params_init(&p);
    db_bind_text(&p, c->code);
    db_bind_text(&p, c->fingerprint);
    db_bind_time(&p, c->former_until);
    db_bind_time(&p, now);
    bool device = c->device && *c->device;
    if (device) {
        db_bind_text(&p, c->device);
    } else {
        db_bind_time(&p, now);
    }
    TRY(db_ask(db, device ? &BIND_DEVICE : &BIND, &p, &rows));
    *renewed = db_rows_count(rows) > 0 && db_get_bool(rows, 0, 0);
    db_rows_free(&rows);
    return admission_notify(db, c->code);
}
