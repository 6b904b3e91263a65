#include "query/catalog.h"

#include <string.h>

#include "db/composite.h"
#include "query/page.h"

static const struct db_stmt DIC_VERSION = {"catalog.dic_version",
                                           "SELECT coalesce(max(dic_version), 0)::int4 FROM base_data"};
static const struct db_stmt DOCUMENT = {
    "catalog.document",
    "SELECT version, content FROM config_document WHERE unit_id = $1 ORDER BY version DESC LIMIT 1"};
/* One row more than the page: it tells whether there is a next one. */
static const struct db_stmt ENTERPRISES = {
    "catalog.enterprises",
    "SELECT code, name, region_code, industry_code, state, config_version, modified_at FROM unit "
    "WHERE starts_with(region_code, $1) AND starts_with(industry_code, $2) AND ($3::timestamptz IS NULL OR modified_at "
    ">= $3) "
    "AND code > $4 ORDER BY code LIMIT $5"};

RESULT catalog_dic_version(struct db *db, int32_t *version)
{
    struct db_rows *rows = NULL;
    TRY(db_query(db, &DIC_VERSION, NULL, &rows));
    *version = (int32_t)db_get_int(rows, 0, 0);
    db_rows_free(&rows);
    return RESULT_OK;
}

RESULT catalog_document(struct db *db, int32_t unit_id, struct arena *arena, struct stored_document *out)
{
    struct db_params p;
    struct db_rows *rows = NULL;
    *out = (struct stored_document){0, "", 0};
    db_params_init(&p);
    db_bind_int4(&p, unit_id);
    struct result r = db_query(db, &DOCUMENT, &p, &rows);
    db_params_free(&p);
    if (result_ok(r) && db_rows_count(rows) > 0) {
        const void *content = db_get_bytea(rows, 0, 1, &out->len);
        out->version = (int32_t)db_get_int(rows, 0, 0);
        out->content = out->len ? memcpy(arena_alloc(arena, out->len), content, out->len) : "";
    }
    db_rows_free(&rows);
    return r;
}

/* What a token belongs to: the same question, whatever the size of its pages. */
static void describe_question(const struct enterprise_question *q, struct buf *out)
{
    buf_printf(out, "enterprises\n%s\n%s\n%lld", q->region_prefix, q->industry_code ? q->industry_code : "",
               (long long)q->modified_since);
}

/* The position is the last code of the page before. */
static RESULT fetch(struct db *db, const struct enterprise_question *q, const struct page *page, struct db_rows **rows)
{
    struct db_params p;
    db_params_init(&p);
    db_bind_text(&p, q->region_prefix);
    db_bind_text(&p, q->industry_code ? q->industry_code : "");
    if (q->modified_since == INT64_MIN)
        db_bind_null(&p, OID_TIMESTAMPTZ);
    else
        db_bind_time(&p, q->modified_since);
    db_bind_text_n(&p, page->position ? (const char *)page->position : "", page->position_len);
    db_bind_int8(&p, (int64_t)page->size + 1);
    struct result r = db_query(db, &ENTERPRISES, &p, rows);
    db_params_free(&p);
    return r;
}

static void read_rows(const struct db_rows *rows, size_t count, struct arena *arena, struct enterprise_list *answer)
{
    answer->rows = arena_array(arena, count + 1, sizeof *answer->rows);
    answer->cap = count + 1;
    for (size_t i = 0; i < count; i++)
        answer->rows[answer->count++] =
            (struct enterprise_row){.code = arena_strdup(arena, db_get_text(rows, i, 0)),
                                    .name = arena_strdup(arena, db_get_text(rows, i, 1)),
                                    .region_code = arena_strdup(arena, db_get_text(rows, i, 2)),
                                    .industry_code = arena_strdup(arena, db_get_text(rows, i, 3)),
                                    .state = arena_strdup(arena, db_get_text(rows, i, 4)),
                                    .config_version = (int32_t)db_get_int(rows, i, 5),
                                    .modified_at = db_get_time(rows, i, 6)};
}

static RESULT next_token(const struct enterprise_list *list, const struct page *page, struct arena *arena,
                         const char **token)
{
    struct buf position = BUF_INIT;
    buf_append_str(&position, list->rows[list->count - 1].code);
    struct result r = page_next(arena, page, &position, token);
    buf_free(&position);
    return r;
}

static RESULT answer_question(struct db *db, const struct enterprise_question *q, const struct buf *question,
                              struct arena *arena, struct enterprise_list *answer)
{
    struct page page;
    struct db_rows *rows = NULL;
    TRY(page_open(arena, &q->page, question, &page));
    TRY(fetch(db, q, &page, &rows));
    size_t found = db_rows_count(rows), count = found > page.size ? page.size : found;
    read_rows(rows, count, arena, answer);
    db_rows_free(&rows);
    return found > count ? next_token(answer, &page, arena, &answer->next_token) : RESULT_OK;
}

RESULT catalog_enterprises(struct db *db, const struct enterprise_question *q, struct arena *arena,
                           struct enterprise_list *answer)
{
    struct buf question = BUF_INIT;
    *answer = (struct enterprise_list){0};
    describe_question(q, &question);
    struct result r = answer_question(db, q, &question, arena, answer);
    buf_free(&question);
    return r;
}
