#include "db/wire.h"

#include "db/composite.h"

#define NUMERIC_NEGATIVE 0x4000
#define NUMERIC_NAN 0xC000
#define DEC128_MAX ((dec128)(((unsigned __int128)1 << 127) - 1))
#define INTEGER_GROUPS 10 /* 2^127 has 39 digits */

void wire_put16(struct buf *b, uint16_t v)
{
    v = __builtin_bswap16(v);
    buf_append(b, &v, 2);
}

void wire_put32(struct buf *b, uint32_t v)
{
    v = __builtin_bswap32(v);
    buf_append(b, &v, 4);
}

void wire_put64(struct buf *b, uint64_t v)
{
    v = __builtin_bswap64(v);
    buf_append(b, &v, 8);
}

int64_t wire_time(int64_t unix_us)
{
    if (unix_us == INT64_MAX || unix_us == INT64_MIN) {
        return unix_us;
    }
    return unix_us - WIRE_EPOCH_US;
}

int64_t wire_unix(int64_t pg_us)
{
    if (pg_us == INT64_MAX || pg_us == INT64_MIN) {
        return pg_us;
    }
    return pg_us + WIRE_EPOCH_US;
}

void wire_put_integer(struct buf *b, dec128 v)
{
    unsigned __int128 rest = v < 0 ? -(unsigned __int128)v : (unsigned __int128)v;
    uint16_t groups[INTEGER_GROUPS]; /* base 10000, lowest first */
    int n = 0, low = 0;
    for (; rest > 0; rest /= 10000) {
        groups[n++] = (uint16_t)(rest % 10000);
    }
    while (low < n && groups[low] == 0) {
        low++;
    }
    wire_put16(b, (uint16_t)(n - low));
    wire_put16(b, (uint16_t)(n > 0 ? n - 1 : 0));
    wire_put16(b, v < 0 ? NUMERIC_NEGATIVE : 0);
    wire_put16(b, 0);
    for (int i = n - 1; i >= low; i--) {
        wire_put16(b, groups[i]);
    }
}

/* The head of an array; an empty one has no dimension. Returns where the elements go. */
static uint8_t *array_head(struct buf *b, uint32_t oid, bool has_null, size_t n, size_t element_bytes)
{
    buf_reserve(b, 20 + n * element_bytes);
    wire_put32(b, n > 0 ? 1 : 0);
    wire_put32(b, has_null ? 1 : 0);
    wire_put32(b, oid);
    if (n > 0) {
        wire_put32(b, (uint32_t)n);
        wire_put32(b, 1);
    }
    return b->data + b->len;
}

static bool any_null(const bool *nulls, size_t n)
{
    return nulls && n > 0 && memchr(nulls, true, n) != NULL;
}

/* Fixed-width elements are stored straight into the reserved room: frames are the bulk of what we write. */
#define FIXED_ARRAY(name, type, width, oid, store)                                                                     \
    void name(struct buf *b, const type *v, const bool *nulls, size_t n)                                               \
    {                                                                                                                  \
        uint8_t *p = array_head(b, oid, any_null(nulls, n), n, 4 + (width));                                           \
        for (size_t i = 0; i < n; i++) {                                                                               \
            bool null = nulls && nulls[i];                                                                             \
            wire_store32(p, null ? UINT32_MAX : (width));                                                              \
            p += 4;                                                                                                    \
            if (!null) {                                                                                               \
                store(p, v[i]);                                                                                        \
                p += (width);                                                                                          \
            }                                                                                                          \
        }                                                                                                              \
        b->len = (size_t)(p - b->data);                                                                                \
    }
#define STORE16(p, v) wire_store16((p), (uint16_t)(v))
#define STORE32(p, v) wire_store32((p), (uint32_t)(v))
#define STORE64(p, v) wire_store64((p), (uint64_t)(v))
#define STORE_TIME(p, v) wire_store64((p), (uint64_t)wire_time(v))
FIXED_ARRAY(wire_put_int2_array, int16_t, 2, OID_INT2, STORE16)
FIXED_ARRAY(wire_put_int4_array, int32_t, 4, OID_INT4, STORE32)
FIXED_ARRAY(wire_put_int8_array, int64_t, 8, OID_INT8, STORE64)
static FIXED_ARRAY(put_times, int64_t, 8, OID_TIMESTAMPTZ, STORE_TIME)

    void wire_put_time_array(struct buf *b, const int64_t *unix_us, size_t n)
{
    put_times(b, unix_us, NULL, n);
}

void wire_put_text_array(struct buf *b, const char *const *v, size_t n)
{
    bool null = false;
    for (size_t i = 0; i < n; i++) {
        null = null || !v[i];
    }
    array_head(b, OID_TEXT, null, n, 24);
    for (size_t i = 0; i < n; i++) {
        size_t len = v[i] ? strlen(v[i]) : 0;
        wire_put32(b, v[i] ? (uint32_t)len : UINT32_MAX);
        buf_append(b, v[i] ? v[i] : "", len);
    }
}

void wire_put_integer_array(struct buf *b, const dec128 *v, const bool *nulls, size_t n)
{
    array_head(b, OID_NUMERIC, any_null(nulls, n), n, 24);
    for (size_t i = 0; i < n; i++) {
        if (nulls && nulls[i]) {
            wire_put32(b, UINT32_MAX);
            continue;
        }
        size_t at = b->len;
        wire_put32(b, 0);
        wire_put_integer(b, v[i]);
        wire_store32(b->data + at, (uint32_t)(b->len - at - 4));
    }
}

/* acc * factor + digit; false when it leaves 127 bits. */
static bool push(dec128 *acc, int factor, int digit)
{
    return !__builtin_mul_overflow(*acc, (dec128)factor, acc) && !__builtin_add_overflow(*acc, (dec128)digit, acc);
}

struct numeric { /* groups of base 10000; the first stands for 10000^weight */
    const uint8_t *digits;
    int count, weight;
};

static int group_at(const struct numeric *v, int exponent)
{
    int i = v->weight - exponent;
    return i >= 0 && i < v->count ? wire_load16(v->digits + (ptrdiff_t)2 * i) : 0;
}

static bool any_below(const struct numeric *v, int exponent)
{
    for (int e = exponent - 1; e > v->weight - v->count; e--) {
        if (group_at(v, e) != 0) {
            return true;
        }
    }
    return false;
}

/* Six decimals are one and a half groups: the last group taken is cut in the middle. */
static bool round_numeric(const struct numeric *v, int decimals, dec128 *acc)
{
    int last = decimals ? -2 : -1, unit = decimals ? 100 : 10000;
    for (int e = v->weight > 0 ? v->weight : 0; e > last; e--) {
        if (!push(acc, 10000, group_at(v, e))) {
            return false;
        }
    }
    int group = group_at(v, last), rest = group % unit;
    if (decimals && !push(acc, 100, group / unit)) {
        return false;
    }
    bool up = rest * 2 > unit || (rest * 2 == unit && (any_below(v, last) || (*acc & 1)));
    return !up || push(acc, 1, 1);
}

dec128 wire_get_numeric(const void *bytes, size_t n, int decimals)
{
    const uint8_t *p = bytes;
    int count = n >= 8 ? wire_load16(p) : 0;
    if (n < 8 || n < 8 + 2 * (size_t)count || (wire_load16(p + 4) & NUMERIC_NAN) == NUMERIC_NAN) {
        return 0;
    }
    struct numeric v = {p + 8, count, (int16_t)wire_load16(p + 2)};
    dec128 acc = 0;
    if (!round_numeric(&v, decimals, &acc)) {
        acc = DEC128_MAX;
    }
    return wire_load16(p + 4) == NUMERIC_NEGATIVE ? -acc : acc;
}
