/* catalog: read-only questions about what is registered: enterprises, their stored document, the base data version.
 *
 * Errors: those of db; 2103 for a forged or foreign page token. Thread: as the connection. Rows live in the arena. */
#ifndef NHJC_QUERY_CATALOG_H
#define NHJC_QUERY_CATALOG_H

#include "query/query.h"

/* The current dicVersion, 0 where no base data was loaded. */
RESULT catalog_dic_version(struct db *db, int32_t *version);

struct stored_document {
    int32_t version; /* 0: none was ever uploaded; then content is empty */
    const void *content;
    size_t len;
};
/* The last configuration document of an enterprise, bytes as they were received. */
RESULT catalog_document(struct db *db, int32_t unit_id, struct arena *arena, struct stored_document *out);

struct enterprise_question {
    const char *region_prefix; /* "" all, "42", "4201" */
    const char *industry_code; /* NULL: all; "C31" finds C3110 too */
    int64_t modified_since;    /* microseconds; INT64_MIN: ever */
    struct page_request page;
};

struct enterprise_row {
    const char *code, *name, *region_code, *industry_code, *state;
    int32_t config_version;
    int64_t modified_at;
};

struct enterprise_list {
    struct enterprise_row *rows;
    size_t count, cap;
    const char *next_token; /* NULL: the end */
};
/* Ordered by code. */
RESULT catalog_enterprises(struct db *db, const struct enterprise_question *q, struct arena *arena,
                           struct enterprise_list *answer);

#endif
