/* composite: builds one parameter that is an array of a composite type, in PostgreSQL's binary form.
 *
 * For:    bulk writes: INSERT … SELECT FROM unnest($1::frame_in[]) takes any number of rows in one
 *         statement, arrays inside rows included, which neither unnest of parallel arrays nor COPY
 *         (no conflict clause) can do.
 * Source: array_recv, record_recv (PostgreSQL 15 backend/utils/adt).
 * Use:    composite_begin; per row: composite_row(fields), then composite_<type> per field in order;
 *         composite_bind at the end.
 * Thread: one at a time. */
#ifndef NHJC_DB_COMPOSITE_H
#define NHJC_DB_COMPOSITE_H

#include "db/db.h"

struct composite {
    struct buf bytes;
    uint32_t element_oid;
    uint32_t array_oid;
    uint32_t rows;
    size_t row_start; /* offset of the open row's length word */
};

/* type: name of the composite; looks up its oid and the array's (once per connection generation). */
RESULT composite_begin(struct composite *c, struct db *db, const char *type);
void composite_row(struct composite *c, int fields);
void composite_null(struct composite *c, uint32_t oid);
void composite_int2(struct composite *c, int16_t v);
void composite_int4(struct composite *c, int32_t v);
void composite_int8(struct composite *c, int64_t v);
void composite_time(struct composite *c, int64_t us);
void composite_text(struct composite *c, const char *v); /* NULL: NULL */
void composite_bytea(struct composite *c, const void *v, size_t n);
void composite_numeric(struct composite *c, dec128 integer);
void composite_int2_array(struct composite *c, const int16_t *v, const bool *nulls, size_t n);
void composite_int4_array(struct composite *c, const int32_t *v, const bool *nulls, size_t n);
void composite_int8_array(struct composite *c, const int64_t *v, const bool *nulls, size_t n);
void composite_integer_array(struct composite *c, const dec128 *v, const bool *nulls, size_t n); /* numeric[] */
void composite_bind(struct composite *c, struct db_params *p); /* finishes; the composite may be begun anew */
void composite_free(struct composite *c);

/* OIDs of built-in types used by db_bind_null, composite_null (pg_type.dat). */
enum {
    OID_BOOL = 16,
    OID_BYTEA = 17,
    OID_INT8 = 20,
    OID_INT2 = 21,
    OID_INT4 = 23,
    OID_TEXT = 25,
    OID_DATE = 1082,
    OID_TIMESTAMPTZ = 1184,
    OID_NUMERIC = 1700,
    OID_INT2_ARRAY = 1005,
    OID_INT4_ARRAY = 1007,
    OID_INT8_ARRAY = 1016,
    OID_TEXT_ARRAY = 1009,
    OID_TIMESTAMPTZ_ARRAY = 1185,
    OID_NUMERIC_ARRAY = 1231
};

#endif
