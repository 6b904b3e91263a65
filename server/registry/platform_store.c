#include "registry/platform_store.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/secret.h"
#include "db/composite.h"

#define COLUMNS "id, platform_id, state = 'suspended', secret_key"

static const struct db_stmt FIND = {"platform.find", "SELECT " COLUMNS " FROM platform WHERE code = $1"};
static const struct db_stmt REGISTER = {
    "platform.register", "INSERT INTO platform AS old (code, platform_id, name, software_version, last_seen) "
                         "VALUES ($1, $2, $3, coalesce($4, ''), $5) "
                         "ON CONFLICT (code) DO UPDATE SET name = excluded.name, "
                         "software_version = coalesce($4, old.software_version), last_seen = excluded.last_seen "
                         "WHERE old.state <> 'suspended'"};
static const struct db_stmt SEEN = {
    "platform.seen", "UPDATE platform SET last_seen = $2, pending_uploads = $3, oldest_pending = $4 WHERE id = $1"};

static void read_row(const struct db_rows *rows, struct platform_row *row)
{
    size_t n = 0;
    const void *key = db_get_bytea(rows, 0, 3, &n);
    row->id = (int32_t)db_get_int(rows, 0, 0);
    snprintf(row->platform_id, sizeof row->platform_id, "%s", db_get_text(rows, 0, 1));
    row->suspended = db_get_bool(rows, 0, 2);
    if (!db_is_null(rows, 0, 3) && n <= sizeof row->key) {
        memcpy(row->key, key, n);
        row->key_len = n;
    }
}

RESULT platform_find(struct db *db, const char *code, struct platform_row *row, bool *found)
{
    struct db_params p;
    struct db_rows *rows = NULL;
    *row = (struct platform_row){0};
    db_params_init(&p);
    db_bind_text(&p, code);
    struct result r = db_query(db, &FIND, &p, &rows);
    *found = result_ok(r) && db_rows_count(rows) > 0;
    if (*found)
        read_row(rows, row);
    db_rows_free(&rows);
    db_params_free(&p);
    return r;
}

RESULT platform_register(struct db *db, const char *code, const char *name, const char *software_version,
                         struct platform_row *row)
{
    char platform_id[33];
    bool found = false;
    struct db_params p;
    random_hex(platform_id, 16);
    db_params_init(&p);
    db_bind_text(&p, code);
    db_bind_text(&p, platform_id);
    db_bind_text(&p, name);
    db_bind_text(&p, software_version);
    db_bind_time(&p, clock_now());
    TRY(db_ask(db, &REGISTER, &p, NULL));
    TRY(platform_find(db, code, row, &found));
    return found ? RESULT_OK : result_error(ERR_INTERNAL, 0, "platform %s is not there after its registration", code);
}

RESULT platform_seen(struct db *db, int32_t id, int64_t pending_uploads, int64_t oldest_pending)
{
    struct db_params p;
    db_params_init(&p);
    db_bind_int4(&p, id);
    db_bind_time(&p, clock_now());
    db_bind_int8(&p, pending_uploads);
    if (oldest_pending == INT64_MIN)
        db_bind_null(&p, OID_TIMESTAMPTZ);
    else
        db_bind_time(&p, oldest_pending);
    struct result r = db_query(db, &SEEN, &p, NULL);
    db_params_free(&p);
    return r;
}
