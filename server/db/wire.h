/* wire: PostgreSQL's binary forms, written to a buf and read from bytes.
 * Source: the *_send and *_recv functions of PostgreSQL 15 (int8.c, numeric.c, arrayfuncs.c, timestamp.c).
 * Thread: any thread. */
#ifndef NHJC_DB_WIRE_H
#define NHJC_DB_WIRE_H

#include <stdbool.h>
#include <string.h>

#include "base/buf.h"
#include "base/decimal.h"

#define WIRE_EPOCH_US INT64_C(946684800000000) /* 2000-01-01 in unix microseconds */
#define WIRE_EPOCH_DAYS 10957                  /* 2000-01-01 in days since 1970-01-01 */

static inline void wire_store16(uint8_t *p, uint16_t v)
{
    v = __builtin_bswap16(v);
    memcpy(p, &v, 2);
}
static inline void wire_store32(uint8_t *p, uint32_t v)
{
    v = __builtin_bswap32(v);
    memcpy(p, &v, 4);
}
static inline void wire_store64(uint8_t *p, uint64_t v)
{
    v = __builtin_bswap64(v);
    memcpy(p, &v, 8);
}
static inline uint16_t wire_load16(const void *p)
{
    uint16_t v;
    memcpy(&v, p, 2);
    return __builtin_bswap16(v);
}
static inline uint32_t wire_load32(const void *p)
{
    uint32_t v;
    memcpy(&v, p, 4);
    return __builtin_bswap32(v);
}
static inline uint64_t wire_load64(const void *p)
{
    uint64_t v;
    memcpy(&v, p, 8);
    return __builtin_bswap64(v);
}

void wire_put16(struct buf *b, uint16_t v);
void wire_put32(struct buf *b, uint32_t v);
void wire_put64(struct buf *b, uint64_t v);
int64_t wire_time(int64_t unix_us); /* to PostgreSQL's epoch; the extremes mean infinity */
int64_t wire_unix(int64_t pg_us);
void wire_put_integer(struct buf *b, dec128 v); /* numeric without decimals */

/* Whole arrays of one dimension, lower bound 1; nulls may be NULL. */
void wire_put_int2_array(struct buf *b, const int16_t *v, const bool *nulls, size_t n);
void wire_put_int4_array(struct buf *b, const int32_t *v, const bool *nulls, size_t n);
void wire_put_int8_array(struct buf *b, const int64_t *v, const bool *nulls, size_t n);
void wire_put_time_array(struct buf *b, const int64_t *unix_us, size_t n);
void wire_put_text_array(struct buf *b, const char *const *v, size_t n);
void wire_put_integer_array(struct buf *b, const dec128 *v, const bool *nulls, size_t n);

/* numeric -> value * 10^decimals (0 or 6) rounded half to even; saturates, NaN is 0. */
dec128 wire_get_numeric(const void *bytes, size_t n, int decimals);

#endif
