#include "db/composite.h"

#include <string.h>

#include "db/db_internal.h"
#include "db/wire.h"

#define ARRAY_HEAD 20 /* dimensions, flags, element type, length, lower bound */

struct result composite_begin(struct composite *c, struct db *db, const char *type)
{
    buf_clear(&c->bytes);
    c->rows = 0;
    c->row_start = 0;
    TRY(db_type_pair(db, type, &c->element_oid, &c->array_oid));
    static const uint8_t zero[ARRAY_HEAD];
    buf_append(&c->bytes, zero, ARRAY_HEAD);
    return RESULT_OK;
}

static void close_row(struct composite *c)
{
    if (c->rows > 0) {
        wire_store32(c->bytes.data + c->row_start, (uint32_t)(c->bytes.len - c->row_start - 4));
    }
}

void composite_row(struct composite *c, int fields)
{
    close_row(c);
    c->rows++;
    c->row_start = c->bytes.len;
    wire_put32(&c->bytes, 0);
    wire_put32(&c->bytes, (uint32_t)fields);
}

static void field(struct composite *c, uint32_t oid, const void *bytes, size_t n)
{
    buf_reserve(&c->bytes, 8 + n);
    wire_put32(&c->bytes, oid);
    wire_put32(&c->bytes, (uint32_t)n);
    buf_append(&c->bytes, n > 0 ? bytes : "", n);
}

/* The last `width` bytes of v, big-endian. */
static void fixed(struct composite *c, uint32_t oid, uint64_t v, size_t width)
{
    uint8_t b[8];
    wire_store64(b, v);
    field(c, oid, b + 8 - width, width);
}

/* A field whose length is known only once written. */
static size_t open_field(struct composite *c, uint32_t oid)
{
    wire_put32(&c->bytes, oid);
    wire_put32(&c->bytes, 0);
    return c->bytes.len;
}

static void close_field(struct composite *c, size_t start)
{
    wire_store32(c->bytes.data + start - 4, (uint32_t)(c->bytes.len - start));
}

void composite_null(struct composite *c, uint32_t oid)
{
    wire_put32(&c->bytes, oid);
    wire_put32(&c->bytes, UINT32_MAX);
}

void composite_int2(struct composite *c, int16_t v)
{
    fixed(c, OID_INT2, (uint64_t)v, 2);
}

void composite_int4(struct composite *c, int32_t v)
{
    fixed(c, OID_INT4, (uint64_t)v, 4);
}

void composite_int8(struct composite *c, int64_t v)
{
    fixed(c, OID_INT8, (uint64_t)v, 8);
}

void composite_time(struct composite *c, int64_t us)
{
    fixed(c, OID_TIMESTAMPTZ, (uint64_t)wire_time(us), 8);
}

void composite_text(struct composite *c, const char *v)
{
    if (!v) {
        composite_null(c, OID_TEXT);
        return;
    }
    field(c, OID_TEXT, v, strlen(v));
}

void composite_bytea(struct composite *c, const void *v, size_t n)
{
    if (!v && n == 0) {
        composite_null(c, OID_BYTEA);
        return;
    }
    field(c, OID_BYTEA, v, n);
}

void composite_numeric(struct composite *c, dec128 integer)
{
    size_t at = open_field(c, OID_NUMERIC);
    wire_put_integer(&c->bytes, integer);
    close_field(c, at);
}

void composite_int2_array(struct composite *c, const int16_t *v, const bool *nulls, size_t n)
{
    size_t at = open_field(c, OID_INT2_ARRAY);
    wire_put_int2_array(&c->bytes, v, nulls, n);
    close_field(c, at);
}

void composite_int4_array(struct composite *c, const int32_t *v, const bool *nulls, size_t n)
{
    size_t at = open_field(c, OID_INT4_ARRAY);
    wire_put_int4_array(&c->bytes, v, nulls, n);
    close_field(c, at);
}

void composite_int8_array(struct composite *c, const int64_t *v, const bool *nulls, size_t n)
{
    size_t at = open_field(c, OID_INT8_ARRAY);
    wire_put_int8_array(&c->bytes, v, nulls, n);
    close_field(c, at);
}

void composite_integer_array(struct composite *c, const dec128 *v, const bool *nulls, size_t n)
{
    size_t at = open_field(c, OID_NUMERIC_ARRAY);
    wire_put_integer_array(&c->bytes, v, nulls, n);
    close_field(c, at);
}

void composite_bind(struct composite *c, struct db_params *p)
{
    close_row(c);
    uint8_t *head = c->bytes.data;
    wire_store32(head, c->rows > 0 ? 1 : 0);
    wire_store32(head + 4, 0);
    wire_store32(head + 8, c->element_oid);
    wire_store32(head + 12, c->rows);
    wire_store32(head + 16, 1);
    db_bind_raw(p, c->array_oid, head, c->rows > 0 ? c->bytes.len : 12);
    c->bytes.len = ARRAY_HEAD;
    c->rows = 0;
}

void composite_free(struct composite *c)
{
    buf_free(&c->bytes);
    c->rows = 0;
}
