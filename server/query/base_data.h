/* base_data: the base data 基础信息 that is valid on a day, for DownloadBaseData.
 * Errors: those of db. Owner: rows and texts live in the caller's arena. Thread: as the connection. */
#ifndef NHJC_QUERY_BASE_DATA_H
#define NHJC_QUERY_BASE_DATA_H

#include "base/arena.h"
#include "db/db.h"

struct base_entry { /* "" or NULL: none */
    const char *code, *name, *parent_code, *unit, *industry_code, *remark;
    const char *coal_factor, *coal_factor_min, *coal_factor_max; /* plain decimals, NULL: none */
    int precision;                                               /* -1: none */
};

struct base_table {
    const char *name;
    struct base_entry *entries;
    size_t count;
};

struct base_tables {
    struct base_table *at;
    size_t count;
};

/* names: which lists, in this order, each once; one without entries is there, empty. count 0: all that have entries, by
 * name. day: since 1970-01-01, platform zone. */
RESULT base_data_query(struct db *db, const char *const *names, size_t count, int32_t day, struct arena *arena,
                       struct base_tables *out);

#endif
