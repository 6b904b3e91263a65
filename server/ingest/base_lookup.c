#include <stdio.h>

#include "base/hash.h"
#include "ingest/internal.h"

/* The day as well: an entry begins or ends to be valid without a new version. */
static const struct db_stmt VERSION = {
    "base.version", "SELECT coalesce(max(dic_version), 0), current_date - date '2000-01-01' FROM base_data"};
static const struct db_stmt ENTRIES = {"base.entries", "SELECT list, code FROM base_data WHERE valid_from <= "
                                                       "current_date AND (valid_to IS NULL OR valid_to > current_date) "
                                                       "GROUP BY list, code"};

static RESULT load(struct ingest *in)
{
    struct db_rows *rows = NULL;
    TRY(db_query(in->store.db, &ENTRIES, NULL, &rows));
    hash_free(&in->base_data);
    in->base_data = hash_new();
    char key[256];
    for (size_t i = 0; i < db_rows_count(rows); i++) {
        const char *list = db_get_text(rows, i, 0);
        snprintf(key, sizeof key, "%s/%s", list, db_get_text(rows, i, 1));
        hash_put(in->base_data, key, in);
        hash_put(in->base_data, list, in); /* the list is not empty */
    }
    db_rows_free(&rows);
    return RESULT_OK;
}

static bool in_base_data(const char *list, const char *code, void *arg)
{
    const struct ingest *in = arg;
    char key[256];
    snprintf(key, sizeof key, "%s/%s", list, code);
    return !hash_get(in->base_data, list) || hash_get(in->base_data, key);
}

RESULT ingest_config_context(struct ingest *in, struct config_context *ctx)
{
    struct db_rows *rows = NULL;
    TRY(db_query(in->store.db, &VERSION, NULL, &rows));
    int32_t version = (int32_t)db_get_int(rows, 0, 0), day = (int32_t)db_get_int(rows, 0, 1);
    db_rows_free(&rows);
    if (!in->base_data || version != in->dic_version || day != in->dic_day)
        TRY(load(in));
    in->dic_version = version;
    in->dic_day = day;
    ctx->in_base_data = in_base_data;
    ctx->arg = in;
    return RESULT_OK;
}
