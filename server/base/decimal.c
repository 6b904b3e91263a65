#include "base/decimal.h"

#include <string.h>

#define SCALE_DIGITS 6
#define INTEGER_DIGITS 12 /* a 13th significant digit before the point is 10^12 or more */

typedef unsigned __int128 u128;

struct cursor {
    const char *at, *end;
};

static bool is_digit(const struct cursor *c)
{
    return c->at < c->end && (unsigned char)(*c->at - '0') <= 9;
}

/* Takes all digits. Returns their value while it has at most INTEGER_DIGITS significant ones. */
static int64_t take_integer(struct cursor *c, bool *too_large)
{
    int64_t value = 0;
    int significant = 0;
    for (; is_digit(c); c->at++) {
        significant += significant > 0 || *c->at != '0';
        if (significant <= INTEGER_DIGITS) {
            value = value * 10 + (*c->at - '0');
        }
    }
    *too_large = significant > INTEGER_DIGITS;
    return value;
}

/* Takes six decimals, present or not. */
static int64_t take_fraction(struct cursor *c)
{
    int64_t value = 0;
    for (int i = 0; i < SCALE_DIGITS; i++) {
        value *= 10;
        if (is_digit(c)) {
            value += *c->at++ - '0';
        }
    }
    return value;
}

/* Takes the decimals beyond the sixth. Says whether they weigh less than, exactly or more than a half. */
static int take_rest(struct cursor *c, bool *any)
{
    int first = is_digit(c) ? *c->at++ - '0' : 0;
    bool sticky = false;
    for (; is_digit(c); c->at++) {
        sticky = sticky || *c->at != '0';
    }
    *any = first > 0 || sticky;
    if (first != 5) {
        return first > 5 ? 1 : -1;
    }
    return sticky ? 1 : 0;
}

enum decimal_status decimal_parse(const char *text, size_t len, int64_t *out)
{
    struct cursor c = {text, text + len};
    *out = 0;
    bool negative = len > 0 && *text == '-';
    if (negative || (len > 0 && *text == '+')) {
        c.at++;
    }
    if (!is_digit(&c)) {
        return DECIMAL_MALFORMED;
    }
    bool too_large, rounded = false;
    int64_t value = take_integer(&c, &too_large) * DECIMAL_SCALE;
    if (c.at < c.end && *c.at == '.') {
        c.at++;
        if (!is_digit(&c)) {
            return DECIMAL_MALFORMED;
        }
        value += take_fraction(&c);
        int rest = take_rest(&c, &rounded);
        value += rest > 0 || (rest == 0 && (value & 1));
    }
    if (c.at != c.end) {
        return DECIMAL_MALFORMED;
    }
    if (too_large || value >= DECIMAL_LIMIT_REGISTER) {
        return DECIMAL_TOO_LARGE;
    }
    *out = negative ? -value : value;
    return rounded ? DECIMAL_ROUNDED : DECIMAL_OK;
}

/* A decimal without what does not count: sign of zero, leading zeros, trailing zeros behind the point. */
struct digits {
    bool negative;
    const char *whole, *part;
    size_t whole_len, part_len;
};

static bool read_digits(const char *text, struct digits *d)
{
    *d = (struct digits){.negative = *text == '-'};
    text += *text == '-' || *text == '+';
    size_t before = strspn(text, "0123456789"), leading = strspn(text, "0");
    const char *point = text + before;
    d->part = point + (*point == '.');
    d->part_len = *point == '.' ? strspn(d->part, "0123456789") : 0;
    bool good = before + d->part_len > 0 && d->part[d->part_len] == '\0';
    d->whole = text + leading;
    d->whole_len = before - leading;
    while (d->part_len > 0 && d->part[d->part_len - 1] == '0') {
        d->part_len--;
    }
    d->negative = d->negative && d->whole_len + d->part_len > 0;
    return good;
}

bool decimal_text_equal(const char *a, const char *b)
{
    struct digits x, y;
    if (!read_digits(a, &x) || !read_digits(b, &y)) {
        return strcmp(a, b) == 0;
    }
    return x.negative == y.negative && x.whole_len == y.whole_len && x.part_len == y.part_len &&
           memcmp(x.whole, y.whole, x.whole_len) == 0 && memcmp(x.part, y.part, x.part_len) == 0;
}

static u128 magnitude(dec128 v)
{
    return v < 0 ? -(u128)v : (u128)v;
}

/* Digits of v written so that they end before `end`, at least `least` of them. Returns the first.
 * Nearly every number fits 64 bits, where division is several times faster. */
static char *digits_before(char *end, u128 v, int least)
{
    for (; v > UINT64_MAX; least--) {
        *--end = (char)('0' + (int)(v % 10));
        v /= 10;
    }
    for (uint64_t low = (uint64_t)v; low > 0 || least > 0; least--) {
        *--end = (char)('0' + (int)(low % 10));
        low /= 10;
    }
    return end;
}

char *decimal_format(dec128 scaled, char out[DECIMAL_TEXT])
{
    char text[DECIMAL_TEXT];
    char *end = text + sizeof text, *start = end;
    u128 whole = magnitude(scaled) / (u128)DECIMAL_SCALE;
    uint32_t part = (uint32_t)(magnitude(scaled) % (u128)DECIMAL_SCALE);
    if (part > 0) {
        int decimals = SCALE_DIGITS;
        for (; part % 10 == 0; part /= 10) {
            decimals--;
        }
        start = digits_before(start, part, decimals);
        *--start = '.';
    }
    start = digits_before(start, whole, 1);
    if (scaled < 0) {
        *--start = '-';
    }
    memcpy(out, start, (size_t)(end - start));
    out[end - start] = 0;
    return out;
}

/* Whether quotient q with this remainder goes one further from zero: half to even. */
static bool rounds_up(u128 q, u128 remainder, u128 den)
{
    u128 rest = den - remainder; /* compared instead of doubling, which could overflow */
    return remainder > rest || (remainder == rest && (q & 1));
}

dec128 decimal_div(dec128 num, dec128 den)
{
    u128 n = magnitude(num), d = (u128)den;
    u128 q = n / d;
    q += rounds_up(q, n % d, d);
    return num < 0 ? (dec128)-q : (dec128)q;
}

/* The 256-bit product of two magnitudes, most significant limb first. */
static void multiply(u128 a, u128 b, uint64_t limb[4])
{
    uint64_t al = (uint64_t)a, ah = (uint64_t)(a >> 64), bl = (uint64_t)b, bh = (uint64_t)(b >> 64);
    u128 low = (u128)al * bl, mid1 = (u128)ah * bl, mid2 = (u128)al * bh, high = (u128)ah * bh;
    u128 carry = (low >> 64) + (uint64_t)mid1 + (uint64_t)mid2;
    high += (mid1 >> 64) + (mid2 >> 64) + (carry >> 64);
    limb[0] = (uint64_t)(high >> 64);
    limb[1] = (uint64_t)high;
    limb[2] = (uint64_t)carry;
    limb[3] = (uint64_t)low;
}

/* Divides in place by a small number. Returns the remainder. */
static uint64_t divide_limbs(uint64_t limb[4], uint64_t den)
{
    uint64_t remainder = 0;
    for (int i = 0; i < 4; i++) {
        u128 part = (u128)remainder << 64 | limb[i];
        limb[i] = (uint64_t)(part / den);
        remainder = (uint64_t)(part % den);
    }
    return remainder;
}

static dec128 wide_mul(dec128 a, dec128 b)
{
    const u128 most = ((u128)1 << 127) - 1;
    uint64_t limb[4];
    multiply(magnitude(a), magnitude(b), limb);
    uint64_t remainder = divide_limbs(limb, DECIMAL_SCALE);
    u128 q = (u128)limb[2] << 64 | limb[3];
    q += rounds_up(q, remainder, DECIMAL_SCALE);
    if (limb[0] || limb[1] || q > most) {
        q = most;
    }
    return (a < 0) != (b < 0) ? -(dec128)q : (dec128)q;
}

dec128 decimal_mul(dec128 a, dec128 b)
{
    dec128 product;
    if (__builtin_mul_overflow(a, b, &product)) {
        return wide_mul(a, b);
    }
    return decimal_div(product, DECIMAL_SCALE);
}
