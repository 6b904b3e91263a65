/* decimal: exact numbers with six decimals, as int64 scaled by 10^6; totals in 128 bits.
 *
 * For:    dataValue and everything computed from it. No floating point touches a reading.
 * Source: contract section 6.1; rounding half to even by GB/T 8170-2008.
 * Thread: any thread. */
#ifndef NHJC_BASE_DECIMAL_H
#define NHJC_BASE_DECIMAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef __int128 dec128; /* scaled by 10^6 like the readings it sums */

#define DECIMAL_SCALE INT64_C(1000000)
/* |value| < 10^9 for quantities and means, < 10^12 for registers (contract section 6.2), scaled. */
#define DECIMAL_LIMIT_QUANTITY (INT64_C(1000000000) * DECIMAL_SCALE)
#define DECIMAL_LIMIT_REGISTER (INT64_C(1000000000000) * DECIMAL_SCALE)

enum decimal_status {
    DECIMAL_OK,
    DECIMAL_ROUNDED,   /* more than six decimals that are not all zero; *out holds the rounded value */
    DECIMAL_MALFORMED, /* not [+-]?digits[.digits] */
    DECIMAL_TOO_LARGE  /* |value| >= 10^12 after rounding */
};

enum decimal_status decimal_parse(const char *text, size_t len, int64_t *out);

#define DECIMAL_TEXT 64
/* Plain text without trailing zeros: "12.5", "-3", "0". Returns out. */
char *decimal_format(dec128 scaled, char out[DECIMAL_TEXT]);

/* Two texts of the same number, of any length: "3.5", "+03.50". What is no decimal equals only its own bytes. */
bool decimal_text_equal(const char *a, const char *b);

/* num/den rounded half to even; den > 0. Mean: decimal_div(total, n). */
dec128 decimal_div(dec128 num, dec128 den);
/* a*b/10^6 rounded half to even: product of two scaled numbers. */
dec128 decimal_mul(dec128 a, dec128 b);

#endif
