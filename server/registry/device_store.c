#include "registry/device_store.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/secret.h"
#include "db/composite.h"

/* A key, once given, stays; a device that registered before encryption was switched on gets one now. xmax tells an
 * insert (0) from an update. */
static const struct db_stmt REGISTER = {
    "device.register",
    "WITH d AS (INSERT INTO device AS old (unit_id, serial, device_id, manufacturer, model, software_version, "
    "secret_key, "
    "  registered_at, last_seen) "
    "  VALUES ($1, $2, $3, coalesce($4, ''), coalesce($5, ''), coalesce($6, ''), $7, $8, $8) "
    "  ON CONFLICT (unit_id, serial) DO UPDATE SET manufacturer = coalesce($4, old.manufacturer), "
    "  model = coalesce($5, old.model), software_version = coalesce($6, old.software_version), "
    "  secret_key = coalesce(old.secret_key, excluded.secret_key), last_seen = excluded.last_seen "
    "  RETURNING old.device_id, old.secret_key, "
    "  old.xmax = 0 OR coalesce(old.secret_key = $7, false) AS changed) "
    "SELECT d.device_id, d.secret_key, d.changed, to_char(u.upload_time, 'HH24:MI:SS'), u.upload_period "
    "FROM d, unit u WHERE u.id = $1"};
static const struct db_stmt NOTIFY = {"device.notify", "SELECT pg_notify('nhjc_registry', $1)"};
static const struct db_stmt SEEN = {
    "device.seen", "UPDATE device SET last_seen = $3, heartbeat_at = $3, clock_offset_ms = $4, pending_records = "
                   "coalesce($5, pending_records), "
                   "software_version = coalesce($6, software_version) WHERE unit_id = $1 AND device_id = $2"};

static void bind_registration(struct db_params *p, const struct device_registration *d)
{
    char device_id[33];
    unsigned char key[16];
    random_hex(device_id, 16);
    random_bytes(key, sizeof key);
    db_bind_int4(p, d->unit_id);
    db_bind_text(p, d->serial);
    db_bind_text(p, device_id);
    db_bind_text(p, d->manufacturer);
    db_bind_text(p, d->model);
    db_bind_text(p, d->software_version);
    if (d->want_key)
        db_bind_bytea(p, key, sizeof key);
    else
        db_bind_null(p, OID_BYTEA);
    db_bind_time(p, clock_now());
    secret_wipe(key, sizeof key);
}

static RESULT read_registered(const struct db_rows *rows, struct device_registered *out)
{
    if (db_rows_count(rows) != 1)
        return result_error(ERR_INTERNAL, 0, "device registration gave no row");
    size_t key_len = 0;
    const void *key = db_get_bytea(rows, 0, 1, &key_len);
    snprintf(out->device_id, sizeof out->device_id, "%s", db_get_text(rows, 0, 0));
    out->has_key = !db_is_null(rows, 0, 1) && key_len == sizeof out->key;
    if (out->has_key)
        memcpy(out->key, key, sizeof out->key);
    out->changed = db_get_bool(rows, 0, 2);
    snprintf(out->upload_time, sizeof out->upload_time, "%s", db_get_text(rows, 0, 3));
    out->upload_period = (int32_t)db_get_int(rows, 0, 4);
    return RESULT_OK;
}

static RESULT notify(struct db *db, const char *enterprise_code)
{
    struct db_params p;
    db_params_init(&p);
    db_bind_text(&p, enterprise_code);
    struct result r = db_query(db, &NOTIFY, &p, NULL);
    db_params_free(&p);
    return r;
}

RESULT device_register(struct db *db, const struct device_registration *d, struct device_registered *out)
{
    struct db_params p;
    struct db_rows *rows = NULL;
    *out = (struct device_registered){0};
    db_params_init(&p);
    bind_registration(&p, d);
    struct result r = db_query(db, &REGISTER, &p, &rows);
    if (result_ok(r))
        r = read_registered(rows, out);
    db_rows_free(&rows);
    db_params_free(&p);
    if (result_ok(r) && out->changed)
        r = notify(db, d->enterprise_code);
    return r;
}

RESULT device_seen(struct db *db, const struct device_sign *sign)
{
    struct db_params p;
    db_params_init(&p);
    db_bind_int4(&p, sign->unit_id);
    db_bind_text(&p, sign->device_id);
    db_bind_time(&p, clock_now());
    db_bind_int8(&p, sign->clock_offset_ms);
    if (sign->pending_records >= 0)
        db_bind_int8(&p, sign->pending_records);
    else
        db_bind_null(&p, OID_INT8);
    db_bind_text(&p, sign->software_version);
    struct result r = db_query(db, &SEEN, &p, NULL);
    db_params_free(&p);
    return r;
}
