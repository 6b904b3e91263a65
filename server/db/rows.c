/* Results in PostgreSQL's binary form. A getter on a column of another shape gives 0, "" or no elements:
 * the statements are ours and tested, so there is no error path for it. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "db/composite.h"
#include "db/db_internal.h"
#include "db/wire.h"

#define OID_JSONB 3802

struct db_rows {
    PGresult *res;
};

struct db_rows *db_rows_new(PGresult *res)
{
    struct db_rows *r = mem_alloc(sizeof(*r));
    r->res = res;
    return r;
}

void db_rows_free(struct db_rows **rows)
{
    if (*rows) {
        PQclear((*rows)->res);
        mem_free(*rows);
        *rows = NULL;
    }
}

size_t db_rows_count(const struct db_rows *r)
{
    return r ? (size_t)PQntuples(r->res) : 0;
}

int64_t db_rows_affected(const struct db_rows *r)
{
    return r ? strtoll(PQcmdTuples(r->res), NULL, 10) : 0;
}

bool db_is_null(const struct db_rows *r, size_t row, int col)
{
    return !r || PQgetisnull(r->res, (int)row, col) == 1;
}

static const uint8_t *cell(const struct db_rows *r, size_t row, int col, size_t *n)
{
    *n = 0;
    if (db_is_null(r, row, col)) {
        return NULL;
    }
    *n = (size_t)PQgetlength(r->res, (int)row, col);
    return (const uint8_t *)PQgetvalue(r->res, (int)row, col);
}

bool db_get_bool(const struct db_rows *r, size_t row, int col)
{
    size_t n;
    const uint8_t *p = cell(r, row, col, &n);
    return p && n == 1 && *p != 0;
}

int64_t db_get_int(const struct db_rows *r, size_t row, int col)
{
    size_t n;
    const uint8_t *p = cell(r, row, col, &n);
    if (!p) {
        return 0;
    }
    if (PQftype(r->res, col) == OID_NUMERIC) {
        return (int64_t)wire_get_numeric(p, n, 0);
    }
    switch (n) {
    case 1:
        return *p;
    case 2:
        return (int16_t)wire_load16(p);
    case 4:
        return (int32_t)wire_load32(p);
    case 8:
        return (int64_t)wire_load64(p);
    default:
        return 0;
    }
}

double db_get_double(const struct db_rows *r, size_t row, int col)
{
    size_t n;
    const uint8_t *p = cell(r, row, col, &n);
    if (p && n == 4) {
        uint32_t bits = wire_load32(p);
        float f;
        memcpy(&f, &bits, 4);
        return (double)f;
    }
    if (p && n == 8) {
        uint64_t bits = wire_load64(p);
        double d;
        memcpy(&d, &bits, 8);
        return d;
    }
    return 0;
}

const char *db_get_text(const struct db_rows *r, size_t row, int col)
{
    size_t n;
    const uint8_t *p = cell(r, row, col, &n);
    if (!p) {
        return "";
    }
    /* jsonb is its text behind a version byte; libpq ends every value with a NUL. */
    return (const char *)p + (n > 0 && PQftype(r->res, col) == OID_JSONB ? 1 : 0);
}

const void *db_get_bytea(const struct db_rows *r, size_t row, int col, size_t *n)
{
    return cell(r, row, col, n);
}

int64_t db_get_time(const struct db_rows *r, size_t row, int col)
{
    size_t n;
    const uint8_t *p = cell(r, row, col, &n);
    return p && n == 8 ? wire_unix((int64_t)wire_load64(p)) : 0;
}

int32_t db_get_date(const struct db_rows *r, size_t row, int col)
{
    size_t n;
    const uint8_t *p = cell(r, row, col, &n);
    return p && n == 4 ? (int32_t)wire_load32(p) + WIRE_EPOCH_DAYS : 0;
}

dec128 db_get_numeric(const struct db_rows *r, size_t row, int col)
{
    size_t n;
    const uint8_t *p = cell(r, row, col, &n);
    return p ? wire_get_numeric(p, n, 6) : 0;
}

dec128 db_get_integer(const struct db_rows *r, size_t row, int col)
{
    size_t n;
    const uint8_t *p = cell(r, row, col, &n);
    if (!p) {
        return 0;
    }
    return PQftype(r->res, col) == OID_NUMERIC ? wire_get_numeric(p, n, 0) : (dec128)db_get_int(r, row, col);
}

/* ---- arrays ---- */
struct array {
    const uint8_t *p, *end;
    size_t n;
    bool has_null;
};

/* Every element takes at least its length word, so a count beyond that is not an array of ours. */
static struct array open_array(const struct db_rows *r, size_t row, int col)
{
    size_t bytes;
    const uint8_t *p = cell(r, row, col, &bytes);
    struct array a = {0};
    if (!p || bytes < 20 || wire_load32(p) != 1 || wire_load32(p + 12) > (bytes - 20) / 4) {
        return a;
    }
    a.has_null = wire_load32(p + 4) != 0;
    a.n = wire_load32(p + 12);
    a.p = p + 20;
    a.end = p + bytes;
    return a;
}

/* The next element's bytes; NULL: SQL NULL (or a damaged array, which then ends). */
static const uint8_t *element(struct array *a, size_t *n)
{
    *n = 0;
    if (a->end - a->p < 4) {
        return NULL;
    }
    int32_t len = (int32_t)wire_load32(a->p);
    a->p += 4;
    if (len < 0 || len > a->end - a->p) {
        return NULL;
    }
    const uint8_t *at = a->p;
    a->p += len;
    *n = (size_t)len;
    return at;
}

// NOLINTBEGIN(bugprone-macro-parentheses): the argument is a type
#define ARRAY_GETTER(name, type, width, load)                                                                          \
    void name(const struct db_rows *r, size_t row, int col, struct arena *arena, type **v, bool **nulls, size_t *n)    \
    {                                                                                                                  \
        struct array a = open_array(r, row, col);                                                                      \
        *n = a.n;                                                                                                      \
        *v = a.n ? arena_array(arena, a.n, sizeof(type)) : NULL;                                                       \
        *nulls = a.n && a.has_null ? arena_array(arena, a.n, sizeof(bool)) : NULL;                                     \
        for (size_t i = 0; i < a.n; i++) {                                                                             \
            size_t len;                                                                                                \
            const uint8_t *p = element(&a, &len);                                                                      \
            if (p && ((width) == 0 || len == (width))) {                                                               \
                (*v)[i] = (load);                                                                                      \
            } else if (*nulls) {                                                                                       \
                (*nulls)[i] = true;                                                                                    \
            }                                                                                                          \
        }                                                                                                              \
    }
// NOLINTEND(bugprone-macro-parentheses)
ARRAY_GETTER(db_get_int2_array, int16_t, 2, (int16_t)wire_load16(p))
ARRAY_GETTER(db_get_int4_array, int32_t, 4, (int32_t)wire_load32(p))
ARRAY_GETTER(db_get_int8_array, int64_t, 8, (int64_t)wire_load64(p))
ARRAY_GETTER(db_get_integer_array, dec128, 0, wire_get_numeric(p, len, 0))

void db_get_text_array(const struct db_rows *r, size_t row, int col, struct arena *arena, const char ***v, size_t *n)
{
    struct array a = open_array(r, row, col);
    *n = a.n;
    *v = a.n ? arena_array(arena, a.n, sizeof(char *)) : NULL;
    for (size_t i = 0; i < a.n; i++) {
        size_t len;
        const uint8_t *p = element(&a, &len);
        (*v)[i] = arena_strndup(arena, p ? (const char *)p : "", len);
    }
}
