/* Parameter values in PostgreSQL's binary form. */
#include <string.h>

#include "db/composite.h"
#include "db/db.h"
#include "db/wire.h"

void db_params_init(struct db_params *p)
{
    p->count = 0;
    buf_init(&p->bytes);
}

void db_params_reset(struct db_params *p)
{
    p->count = 0;
    buf_clear(&p->bytes);
}

void db_params_free(struct db_params *p)
{
    p->count = 0;
    buf_free(&p->bytes);
}

/* Opens the next parameter; one too many is counted so that running the statement can refuse it. */
static struct db_param *next(struct db_params *p, uint32_t oid)
{
    static _Thread_local struct db_param spill;
    if (p->count >= DB_MAX_PARAMS) {
        p->count = DB_MAX_PARAMS + 1;
        return &spill;
    }
    struct db_param *param = &p->at[p->count++];
    *param = (struct db_param){oid, 0, p->bytes.len};
    return param;
}

static void close_param(struct db_params *p, struct db_param *param)
{
    param->length = (int)(p->bytes.len - param->offset);
}

void db_bind_null(struct db_params *p, uint32_t oid)
{
    next(p, oid)->length = -1;
}

void db_bind_raw(struct db_params *p, uint32_t oid, const void *bytes, size_t n)
{
    struct db_param *param = next(p, oid);
    buf_append(&p->bytes, n > 0 ? bytes : "", n);
    param->length = (int)n;
}

/* The last `width` bytes of v, big-endian. */
static void bind_fixed(struct db_params *p, uint32_t oid, uint64_t v, size_t width)
{
    uint8_t b[8];
    wire_store64(b, v);
    db_bind_raw(p, oid, b + 8 - width, width);
}

void db_bind_bool(struct db_params *p, bool v)
{
    bind_fixed(p, OID_BOOL, v, 1);
}

void db_bind_int2(struct db_params *p, int16_t v)
{
    bind_fixed(p, OID_INT2, (uint64_t)v, 2);
}

void db_bind_int4(struct db_params *p, int32_t v)
{
    bind_fixed(p, OID_INT4, (uint64_t)v, 4);
}

void db_bind_int8(struct db_params *p, int64_t v)
{
    bind_fixed(p, OID_INT8, (uint64_t)v, 8);
}

void db_bind_text(struct db_params *p, const char *v)
{
    if (!v) {
        db_bind_null(p, OID_TEXT);
        return;
    }
    db_bind_raw(p, OID_TEXT, v, strlen(v));
}

void db_bind_text_n(struct db_params *p, const char *v, size_t n)
{
    db_bind_raw(p, OID_TEXT, v, n);
}

void db_bind_bytea(struct db_params *p, const void *v, size_t n)
{
    if (!v && n == 0) {
        db_bind_null(p, OID_BYTEA);
        return;
    }
    db_bind_raw(p, OID_BYTEA, v, n);
}

void db_bind_time(struct db_params *p, int64_t us)
{
    bind_fixed(p, OID_TIMESTAMPTZ, (uint64_t)wire_time(us), 8);
}

void db_bind_date(struct db_params *p, int32_t days)
{
    bind_fixed(p, OID_DATE, (uint64_t)(days - WIRE_EPOCH_DAYS), 4);
}

void db_bind_numeric(struct db_params *p, dec128 scaled)
{
    struct db_param *param = next(p, OID_NUMERIC);
    wire_put_integer(&p->bytes, scaled);
    close_param(p, param);
}

void db_bind_int2_array(struct db_params *p, const int16_t *v, const bool *nulls, size_t n)
{
    struct db_param *param = next(p, OID_INT2_ARRAY);
    wire_put_int2_array(&p->bytes, v, nulls, n);
    close_param(p, param);
}

void db_bind_int4_array(struct db_params *p, const int32_t *v, const bool *nulls, size_t n)
{
    struct db_param *param = next(p, OID_INT4_ARRAY);
    wire_put_int4_array(&p->bytes, v, nulls, n);
    close_param(p, param);
}

void db_bind_int8_array(struct db_params *p, const int64_t *v, const bool *nulls, size_t n)
{
    struct db_param *param = next(p, OID_INT8_ARRAY);
    wire_put_int8_array(&p->bytes, v, nulls, n);
    close_param(p, param);
}

void db_bind_time_array(struct db_params *p, const int64_t *us, size_t n)
{
    struct db_param *param = next(p, OID_TIMESTAMPTZ_ARRAY);
    wire_put_time_array(&p->bytes, us, n);
    close_param(p, param);
}

void db_bind_text_array(struct db_params *p, const char *const *v, size_t n)
{
    struct db_param *param = next(p, OID_TEXT_ARRAY);
    wire_put_text_array(&p->bytes, v, n);
    close_param(p, param);
}
