/* QueryUploads: receipts in order of arrival. */
#include <stdio.h>
#include <string.h>

#include "query/page.h"

#define COLUMNS                                                                                                        \
    "x.upload_id, x.message_id, coalesce(u.code, ''), x.received_at, x.received, x.stored, x.unchanged, x.corrected,"  \
    " x.suspect, x.rejected, x.response_code"
/* In the order of the primary key, from the last row of the page before. */
#define OF_SENDER(sender)                                                                                              \
    "SELECT * FROM upload WHERE sender_id = " sender " AND received_at >= $2 AND received_at < $3"                     \
    " AND (received_at, upload_id) > ($4, $5) AND ($6::text IS NULL OR device_id = $6)"                                \
    " ORDER BY received_at, upload_id LIMIT $7"
#define JOIN_UNIT " x LEFT JOIN unit u ON u.id = x.unit_id ORDER BY x.received_at, x.upload_id LIMIT $7"

static const struct db_stmt BY_SENDER = {"query.uploads_of_sender",
                                         "SELECT " COLUMNS " FROM (" OF_SENDER("$1") ")" JOIN_UNIT};
static const struct db_stmt BY_ENTERPRISE = {"query.uploads_of_unit",
                                             "SELECT " COLUMNS " FROM unit s CROSS JOIN LATERAL (" OF_SENDER(
                                                 "s.id") ")"
                                                         " x LEFT JOIN unit u ON u.id = x.unit_id WHERE s.code = $1"
                                                         " ORDER BY x.received_at, x.upload_id LIMIT $7"};
static const struct db_stmt BY_REGION = {"query.uploads_of_region",
                                         "SELECT " COLUMNS " FROM (SELECT id FROM unit WHERE region_code ^@ $1"
                                         " UNION ALL SELECT id FROM platform WHERE code ^@ $1) s"
                                         " CROSS JOIN LATERAL (" OF_SENDER("s.id") ")" JOIN_UNIT};

static void describe_question(const struct upload_question *q, struct buf *out)
{
    page_put_text(out, "uploads");
    page_put_number(out, q->sender_id);
    page_put_number(out, q->enterprise_code != NULL);
    page_put_text(out, q->enterprise_code ? q->enterprise_code : "");
    page_put_text(out, q->region_prefix ? q->region_prefix : "");
    page_put_number(out, q->device_id != NULL);
    page_put_text(out, q->device_id ? q->device_id : "");
    page_put_number(out, q->from);
    page_put_number(out, q->to);
}

static const struct db_stmt *bind_sender(const struct upload_question *q, struct db_params *p)
{
    if (q->sender_id > 0) {
        db_bind_int4(p, q->sender_id);
        return &BY_SENDER;
    }
    if (q->enterprise_code) {
        db_bind_text(p, q->enterprise_code);
        return &BY_ENTERPRISE;
    }
    db_bind_text(p, q->region_prefix ? q->region_prefix : "");
    return &BY_REGION;
}

static RESULT read_position(const struct page *page, int64_t *received_at, int64_t *upload_id)
{
    size_t at = 0;
    *received_at = INT64_MIN; /* before everything */
    *upload_id = 0;
    if (page->position && (!page_take_number(page, &at, received_at) || !page_take_number(page, &at, upload_id))) {
        return result_error(ERR_SENDER, 2103, "pageToken不是本平台给出的 / pageToken is not one of this platform");
    }
    return RESULT_OK;
}

static void read_row(const struct db_rows *r, size_t i, struct arena *a, struct upload_row *row)
{
    enum { ID, MESSAGE, CODE, AT, RECEIVED, STORED, UNCHANGED, CORRECTED, SUSPECT, REJECTED, RESPONSE };
    snprintf(row->upload_id, sizeof row->upload_id, "%lld", (long long)db_get_int(r, i, ID));
    row->message_id = arena_strdup(a, db_get_text(r, i, MESSAGE));
    row->enterprise_code = arena_strdup(a, db_get_text(r, i, CODE));
    row->received_at = db_get_time(r, i, AT);
    row->received = (int)db_get_int(r, i, RECEIVED);
    row->stored = (int)db_get_int(r, i, STORED);
    row->unchanged = (int)db_get_int(r, i, UNCHANGED);
    row->corrected = (int)db_get_int(r, i, CORRECTED);
    row->suspect = (int)db_get_int(r, i, SUSPECT);
    row->rejected = (int)db_get_int(r, i, REJECTED);
    row->response_code = (int)db_get_int(r, i, RESPONSE);
}

static RESULT next_token(const struct db_rows *r, const struct page *page, struct arena *a, const char **token)
{
    struct buf position = BUF_INIT;
    page_put_number(&position, db_get_time(r, page->size - 1, 3));
    page_put_number(&position, db_get_int(r, page->size - 1, 0));
    struct result result = page_next(a, page, &position, token);
    buf_free(&position);
    return result;
}

static RESULT take_rows(const struct db_rows *r, const struct page *page, struct arena *a, struct upload_list *answer)
{
    size_t count = db_rows_count(r) < page->size ? db_rows_count(r) : page->size;
    for (size_t i = 0; i < count; i++) {
        read_row(r, i, a, ARENA_PUSH(a, answer->rows, answer->count, answer->cap));
    }
    return db_rows_count(r) > page->size ? next_token(r, page, a, &answer->next_token) : RESULT_OK;
}

static RESULT ask(struct db *db, const struct upload_question *q, const struct page *page, struct db_params *p,
                  struct db_rows **rows)
{
    int64_t received_at, upload_id;
    TRY(read_position(page, &received_at, &upload_id));
    const struct db_stmt *stmt = bind_sender(q, p);
    db_bind_time(p, q->from);
    db_bind_time(p, q->to);
    db_bind_time(p, received_at);
    db_bind_int8(p, upload_id);
    db_bind_text(p, q->device_id);
    db_bind_int8(p, (int64_t)page->size + 1);
    return db_query(db, stmt, p, rows);
}

static RESULT answer_question(struct db *db, const struct upload_question *q, const struct buf *question,
                              struct arena *a, struct upload_list *answer)
{
    struct page page;
    struct db_params p;
    struct db_rows *rows = NULL;
    TRY(page_open(a, &q->page, question, &page));
    if (q->from >= q->to) {
        return RESULT_OK;
    }
    db_params_init(&p);
    struct result r = ask(db, q, &page, &p, &rows);
    if (result_ok(r)) {
        r = take_rows(rows, &page, a, answer);
    }
    db_rows_free(&rows);
    db_params_free(&p);
    return r;
}

struct result query_uploads(struct db *db, const struct upload_question *q, struct arena *arena,
                            struct upload_list *answer)
{
    *answer = (struct upload_list){0};
    struct buf question = BUF_INIT;
    describe_question(q, &question);
    struct result r = answer_question(db, q, &question, arena, answer);
    buf_free(&question);
    return r;
}
