#include "query/base_data.h"

#include <string.h>

static const struct db_stmt ENTRIES = {
    "base_data.entries",
    "SELECT list, code, name, parent_code, unit, coalesce(precision, -1)::int4, trim_scale(coal_factor)::text, "
    "  trim_scale(coal_factor_min)::text, trim_scale(coal_factor_max)::text, industry_code, remark "
    "FROM base_data WHERE (cardinality($1) = 0 OR list = ANY ($1)) AND valid_from <= $2 AND (valid_to IS NULL OR "
    "valid_to > $2) "
    "ORDER BY list, code, industry_code"};

static const char *text_or_null(const struct db_rows *rows, size_t i, int col, struct arena *a)
{
    return db_is_null(rows, i, col) ? NULL : arena_strdup(a, db_get_text(rows, i, col));
}

static void read_entry(const struct db_rows *rows, size_t i, struct arena *a, struct base_entry *e)
{
    e->code = arena_strdup(a, db_get_text(rows, i, 1));
    e->name = arena_strdup(a, db_get_text(rows, i, 2));
    e->parent_code = arena_strdup(a, db_get_text(rows, i, 3));
    e->unit = arena_strdup(a, db_get_text(rows, i, 4));
    e->precision = (int)db_get_int(rows, i, 5);
    e->coal_factor = text_or_null(rows, i, 6, a);
    e->coal_factor_min = text_or_null(rows, i, 7, a);
    e->coal_factor_max = text_or_null(rows, i, 8, a);
    e->industry_code = arena_strdup(a, db_get_text(rows, i, 9));
    e->remark = arena_strdup(a, db_get_text(rows, i, 10));
}

/* The table of this name, added when it is not there yet. */
static struct base_table *table_of(struct base_tables *t, const char *name, struct arena *a)
{
    for (size_t i = 0; i < t->count; i++) {
        if (strcmp(t->at[i].name, name) == 0) {
            return &t->at[i];
        }
    }
    t->at[t->count].name = arena_strdup(a, name);
    return &t->at[t->count++];
}

static size_t count_lists(const struct db_rows *rows)
{
    size_t n = 0;
    for (size_t i = 0; i < db_rows_count(rows); i++) {
        n += i == 0 || strcmp(db_get_text(rows, i, 0), db_get_text(rows, i - 1, 0)) != 0;
    }
    return n;
}

/* Rows of a list follow each other, so its entries lie in one piece. */
static void fill(const struct db_rows *rows, const char *const *names, size_t count, struct arena *a,
                 struct base_tables *out)
{
    size_t n = db_rows_count(rows);
    struct base_entry *entries = arena_array(a, n + 1, sizeof *entries);
    out->at = arena_array(a, count_lists(rows) + count + 1, sizeof *out->at);
    for (size_t i = 0; i < count; i++) {
        table_of(out, names[i], a);
    }
    struct base_table *table = NULL;
    for (size_t i = 0; i < n; i++) {
        const char *list = db_get_text(rows, i, 0);
        if (!table || strcmp(table->name, list) != 0) {
            table = table_of(out, list, a);
            table->entries = &entries[i];
        }
        read_entry(rows, i, a, &entries[i]);
        table->count++;
    }
}

RESULT base_data_query(struct db *db, const char *const *names, size_t count, int32_t day, struct arena *arena,
                       struct base_tables *out)
{
    struct db_params p;
    struct db_rows *rows = NULL;
    *out = (struct base_tables){0};
    db_params_init(&p);
    db_bind_text_array(&p, names, count);
    db_bind_date(&p, day);
    struct result r = db_query(db, &ENTRIES, &p, &rows);
    db_params_free(&p);
    if (result_ok(r)) {
        fill(rows, names, count, arena, out);
    }
    db_rows_free(&rows);
    return r;
}
