/* query: read-only questions with paging (contract section 2 PlatformQuery, section 6 rows).
 *
 * Paging: by key, not by offset: the token holds the last key, the question's digest and an HMAC, so pages are
 *         stable under concurrent uploads and a forged or foreign token is 2103.
 * Thread: one at a time per connection. Rows live in the arena. */
#ifndef NHJC_QUERY_QUERY_H
#define NHJC_QUERY_QUERY_H

#include "base/arena.h"
#include "base/caltime.h"
#include "base/decimal.h"
#include "registry/registry.h"

struct page_request {
    bool has_size;
    int64_t size;                   /* default 1000, 1..10000 else 2103 */
    const char *token;              /* NULL: first page */
    const unsigned char *token_key; /* 32 bytes of this installation */
};

struct data_question {
    const char *const *enterprise_codes; /* already authorised by the caller */
    size_t enterprise_count;
    const char *const *data_codes; /* count 0: all; 16 digits or dashed */
    size_t data_code_count;
    enum granularity granularity;
    int64_t from, to; /* [from, to) of the period starts */
    struct page_request page;
};

struct data_row {
    const char *enterprise_code, *data_code;
    int64_t stat_date;
    bool has_value, has_min, has_max, has_avg, has_tce, has_co2;
    dec128 value, min, max, avg, tce, co2; /* scaled by 10^6 */
    int64_t count, expected;
    dec128 completeness; /* scaled ratio 0..1 */
    bool reported;       /* source */
};

struct data_answer {
    struct data_row *rows;
    size_t count, cap;
    const char *next_token; /* NULL: the end */
};

RESULT query_data(struct db *db, struct registry *registry, const struct data_question *q, struct arena *arena,
                  struct data_answer *answer);

struct upload_question {
    int32_t sender_id;           /* 0: any, limited by region_prefix */
    const char *enterprise_code; /* NULL: all */
    const char *region_prefix;   /* "" all, "42", "4201" */
    const char *device_id;       /* NULL: all */
    int64_t from, to;
    struct page_request page;
};

struct upload_row {
    char upload_id[24];
    const char *message_id, *enterprise_code;
    int64_t received_at;
    int received, stored, unchanged, corrected, suspect, rejected, response_code;
};

struct upload_list {
    struct upload_row *rows;
    size_t count, cap;
    const char *next_token;
};
RESULT query_uploads(struct db *db, const struct upload_question *q, struct arena *arena, struct upload_list *answer);

#endif
