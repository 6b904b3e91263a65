/* decimal against the schoolbook: every property is compared with digit strings worked by hand rules. */
#include "unit.h"

#include <stdio.h>
#include <string.h>

#include "base/decimal.h"
#include "base/mem.h"

#define INT128_MOST ((dec128)(((unsigned __int128)1 << 127) - 1))

static enum decimal_status parse(const char *text, int64_t *out)
{
    return decimal_parse(text, strlen(text), out);
}

static uint64_t random_state = 20181231;

static uint64_t next_random(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static int below(int n)
{
    return (int)(next_random() % (uint64_t)n);
}

struct parse_case {
    const char *text;
    enum decimal_status status;
    int64_t value;
};

static const struct parse_case parse_cases[] = {
    {"0", DECIMAL_OK, 0},
    {"-0", DECIMAL_OK, 0},
    {"+0.000", DECIMAL_OK, 0},
    {"12.3456", DECIMAL_OK, 12345600},
    {"+7", DECIMAL_OK, 7000000},
    {"-7.5", DECIMAL_OK, -7500000},
    {"007.50", DECIMAL_OK, 7500000},
    {"0.000001", DECIMAL_OK, 1},
    {"1.0000000000000000000000000000000000000", DECIMAL_OK, 1000000},
    {"0000000000000000000000000000000000000001", DECIMAL_OK, 1000000},
    {"999999999999.999999", DECIMAL_OK, INT64_C(999999999999999999)},
    {"-999999999999.999999", DECIMAL_OK, -INT64_C(999999999999999999)},
    /* half to even, once, on the whole text */
    {"0.0000005", DECIMAL_ROUNDED, 0},
    {"0.0000015", DECIMAL_ROUNDED, 2},
    {"0.0000025", DECIMAL_ROUNDED, 2},
    {"-0.0000015", DECIMAL_ROUNDED, -2},
    {"-0.0000025", DECIMAL_ROUNDED, -2},
    {"0.00000250000000000000000000000000000000001", DECIMAL_ROUNDED, 3},
    {"0.0000024999999999999999999999999999999999", DECIMAL_ROUNDED, 2},
    {"0.00000149", DECIMAL_ROUNDED, 1}, /* not 1.5 first and 2 then */
    {"-0.0000001", DECIMAL_ROUNDED, 0},
    {"0.0000000000001", DECIMAL_ROUNDED, 0},
    {"9.9999999", DECIMAL_ROUNDED, 10000000},
    {"999999999999.9999994", DECIMAL_ROUNDED, INT64_C(999999999999999999)},
    /* 10^12 is reached by value or by rounding */
    {"1000000000000", DECIMAL_TOO_LARGE, 0},
    {"-1000000000000.0", DECIMAL_TOO_LARGE, 0},
    {"999999999999.9999995", DECIMAL_TOO_LARGE, 0},
    {"99999999999999999999999999999999999999999999999999", DECIMAL_TOO_LARGE, 0},
    {"00001000000000000", DECIMAL_TOO_LARGE, 0},
};

START_TEST(texts_become_the_nearest_multiple_of_a_millionth)
{
    for (size_t i = 0; i < ARRAY_LEN(parse_cases); i++) {
        int64_t value = 42;
        ck_assert_msg(parse(parse_cases[i].text, &value) == parse_cases[i].status, "status of %s", parse_cases[i].text);
        ck_assert_msg(value == parse_cases[i].value, "value of %s", parse_cases[i].text);
    }
}
END_TEST

START_TEST(anything_but_sign_digits_point_digits_is_malformed)
{
    static const char *const texts[] = {
        "",           "+",     "-",   ".",     ".5",
        "5.",         "-.5",   "+-1", "--1",   "1e3",
        "1E3",        "0x10",  " 1",  "1 ",    "1,5",
        "1..",        "1.2.3", "NaN", "inf",   "1_0",
        "1.-5",       "1.+5",  "１",  "1.5\n", "1000000000000x",
        "1.0000000x", "-",
    };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        int64_t value = 42;
        ck_assert_msg(parse(texts[i], &value) == DECIMAL_MALFORMED, "\"%s\" was accepted", texts[i]);
        ck_assert_int_eq(value, 0);
    }
}
END_TEST

START_TEST(only_len_bytes_are_read)
{
    int64_t value;
    ck_assert_int_eq(decimal_parse("12.5x", 4, &value), DECIMAL_OK);
    ck_assert_int_eq(value, 12500000);
    ck_assert_int_eq(decimal_parse("12\0", 3, &value), DECIMAL_MALFORMED);
    ck_assert_int_eq(decimal_parse("7", 0, &value), DECIMAL_MALFORMED);
}
END_TEST

/* Adds one to a digit string that has a leading zero to spare. */
static void increment(char *digits)
{
    size_t i = strlen(digits) - 1;
    while (digits[i] == '9') {
        digits[i--] = '0';
    }
    digits[i]++;
}

/* Drops the last `drop` digits, half to even. Says whether a digit other than 0 was dropped. */
static bool drop_half_even(char *digits, size_t drop)
{
    size_t keep = strlen(digits) - drop;
    char tail[300], half[300] = "5";
    snprintf(tail, sizeof tail, "%s", digits + keep);
    memset(half + 1, '0', sizeof half - 1);
    half[drop] = 0;
    digits[keep] = 0;
    int order = drop ? strcmp(tail, half) : -1;
    if (order > 0 || (order == 0 && (digits[keep - 1] - '0') % 2 == 1)) {
        increment(digits);
    }
    return strspn(tail, "0") != drop;
}

static dec128 value_of(const char *digits)
{
    dec128 value = 0;
    for (; *digits; digits++) {
        value = value * 10 + (*digits - '0');
    }
    return value;
}

static void random_digits(char *out, int count)
{
    static const char likely[] = "0000599912345678";
    for (int i = 0; i < count; i++) {
        out[i] = likely[below(16)];
    }
    out[count] = 0;
}

START_TEST(random_texts_agree_with_rounding_of_digit_strings)
{
    for (int round = 0; round < 200000; round++) {
        char whole[64], part[64], text[160], digits[300];
        random_digits(whole, 1 + below(13));
        random_digits(part, below(20));
        int sign = below(3);
        snprintf(text, sizeof text, "%s%s%s%s", (const char *[]){"-", "+", ""}[sign], whole, *part ? "." : "", part);
        snprintf(digits, sizeof digits, "0%s%s%s", whole, part, &"000000"[strlen(part) < 6 ? strlen(part) : 6]);
        bool dropped = drop_half_even(digits, strlen(part) > 6 ? strlen(part) - 6 : 0);
        dec128 expected = value_of(digits);
        int64_t value;
        enum decimal_status status = parse(text, &value);
        if (expected >= DECIMAL_LIMIT_REGISTER) {
            ENSURE_MSG(status == DECIMAL_TOO_LARGE, "%s", text);
            continue;
        }
        ENSURE_MSG(status == (dropped ? DECIMAL_ROUNDED : DECIMAL_OK), "status of %s", text);
        ENSURE_MSG(value == (int64_t)(sign == 0 ? -expected : expected), "value of %s", text);
    }
}
END_TEST

START_TEST(a_formatted_value_reads_back_as_itself)
{
    char text[DECIMAL_TEXT];
    for (int round = 0; round < 100000; round++) {
        int64_t value = (int64_t)(next_random() >> below(60)) % DECIMAL_LIMIT_REGISTER, back;
        value = below(2) ? value : -value;
        ENSURE(parse(decimal_format(value, text), &back) == DECIMAL_OK);
        ENSURE(back == value);
        ENSURE(strchr(text, '.') == NULL || text[strlen(text) - 1] != '0');
    }
}
END_TEST

START_TEST(format_writes_plain_text_up_to_128_bits)
{
    char text[DECIMAL_TEXT];
    ck_assert_str_eq(decimal_format(0, text), "0");
    ck_assert_str_eq(decimal_format(12500000, text), "12.5");
    ck_assert_str_eq(decimal_format(-3000000, text), "-3");
    ck_assert_str_eq(decimal_format(-1, text), "-0.000001");
    ck_assert_str_eq(decimal_format(100000000, text), "100");
    ck_assert_str_eq(decimal_format(1010000, text), "1.01");
    ck_assert_str_eq(decimal_format(INT128_MOST, text), "170141183460469231731687303715884.105727");
    ck_assert_str_eq(decimal_format(-INT128_MOST - 1, text), "-170141183460469231731687303715884.105728");
    ck_assert_str_eq(decimal_format((dec128)UINT64_MAX * 10, text), "184467440737095.51615");
}
END_TEST

START_TEST(texts_of_one_number_are_equal_however_it_is_written)
{
    static const struct {
        const char *a, *b;
        bool equal;
    } rows[] = {
        {"3.5", "3.50", true},
        {"3.5", "+03.5000000", true},
        {"0", "-0.0", true},
        {"0", "-0", true},
        {"1", "1.", true},
        {"0.5", ".5", true},
        {"10", "1", false},
        {"3.5", "3.500001", false},
        {"3.5", "-3.5", false},
        {"0.5", "0.05", false},
        {"0.05", "0.5", false},
        {"", "0", false},
        {"", "", true},
        {".", "0", false},
        {"-", "0", false},
        {"1e3", "1000", false},
        {"1e3", "1e3", true},
        {"1 ", "1", false},
        {"0.1234567", "0.123456", false},
        {"123456789012345678901234567890.000001", "0123456789012345678901234567890.0000010", true},
        {"123456789012345678901234567890.000001", "123456789012345678901234567890.000002", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        ck_assert_msg(decimal_text_equal(rows[i].a, rows[i].b) == rows[i].equal, "'%s' '%s'", rows[i].a, rows[i].b);
        ck_assert_msg(decimal_text_equal(rows[i].b, rows[i].a) == rows[i].equal, "'%s' '%s'", rows[i].b, rows[i].a);
    }
}
END_TEST

START_TEST(division_gives_the_nearest_and_of_two_equally_near_the_even)
{
    for (int den = 1; den <= 24; den++) {
        for (int num = -150; num <= 150; num++) {
            dec128 q = decimal_div(num, den);
            int off = abs(num - (int)q * den);
            ENSURE_MSG(2 * off < den || (2 * off == den && (int)q % 2 == 0), "%d/%d", num, den);
        }
    }
    ENSURE(decimal_div(-5, 2) == -2);
    ENSURE(decimal_div(-7, 2) == -4);
    ENSURE(decimal_div(7, 2) == 4);
}
END_TEST

static dec128 random_wide(void)
{
    dec128 value = (dec128)(((unsigned __int128)next_random() << 64 | next_random()) >> (1 + below(126)));
    return below(2) ? value : -value;
}

START_TEST(division_of_wide_numbers_leaves_at_most_half_the_divisor)
{
    for (int round = 0; round < 100000; round++) {
        dec128 num = random_wide(), den = random_wide();
        den = den < 0 ? -den : den + 1;
        dec128 q = decimal_div(num, den);
        /* the product may lie outside the range by half a divisor; the rest never does */
        dec128 rest = (dec128)((unsigned __int128)num - (unsigned __int128)q * (unsigned __int128)den);
        rest = rest < 0 ? -rest : rest;
        ENSURE(rest < den - rest || (rest == den - rest && q % 2 == 0));
    }
    ENSURE(decimal_div(INT128_MOST, INT128_MOST) == 1);
    ENSURE(decimal_div(-INT128_MOST - 1, 1) == -INT128_MOST - 1);
    ENSURE(decimal_div(INT128_MOST / 2 + 1, INT128_MOST) == 1); /* 2^126 / (2^127 - 1), a little over a half */
    ENSURE(decimal_div(INT128_MOST / 2, INT128_MOST) == 0);
}
END_TEST

/* Digits of a magnitude, without the library under test. */
static void digits_of(dec128 value, char out[48])
{
    unsigned __int128 left = value < 0 ? -(unsigned __int128)value : (unsigned __int128)value;
    char turned[48];
    int n = 0;
    do {
        turned[n++] = (char)('0' + (int)(left % 10));
        left /= 10;
    } while (left > 0);
    for (int i = 0; i < n; i++) {
        out[i] = turned[n - 1 - i];
    }
    out[n] = 0;
}

/* Long multiplication of digit strings, with one leading zero to spare. */
static void multiply_digits(const char *a, const char *b, char out[128])
{
    size_t na = strlen(a), nb = strlen(b), n = na + nb + 1;
    int sum[128] = {0};
    for (size_t i = 0; i < na; i++) {
        for (size_t k = 0; k < nb; k++) {
            sum[i + k + 2] += (a[i] - '0') * (b[k] - '0');
        }
    }
    for (size_t i = n - 1; i > 0; i--) {
        sum[i - 1] += sum[i] / 10;
        sum[i] %= 10;
    }
    for (size_t i = 0; i < n; i++) {
        out[i] = (char)('0' + sum[i]);
    }
    out[n] = 0;
}

static const char *skip_zeros(const char *digits)
{
    while (*digits == '0' && digits[1]) {
        digits++;
    }
    return digits;
}

START_TEST(products_agree_with_long_multiplication_or_stop_at_the_end_of_the_range)
{
    int saturated = 0, wide = 0;
    for (int round = 0; round < 100000; round++) {
        dec128 a = random_wide(), b = random_wide(), got = decimal_mul(a, b), product;
        char da[48] = "", db[48] = "", digits[128], most[48], have[48];
        digits_of(a, da);
        digits_of(b, db);
        multiply_digits(da, db, digits);
        if (strlen(digits) < 8) {
            char padded[128];
            snprintf(padded, sizeof padded, "0000000%s", digits);
            snprintf(digits, sizeof digits, "%s", padded);
        }
        drop_half_even(digits, 6);
        const char *expected = skip_zeros(digits);
        digits_of(INT128_MOST, most);
        if (strlen(expected) > strlen(most) || (strlen(expected) == strlen(most) && strcmp(expected, most) > 0)) {
            expected = most;
            saturated++;
        } else if (__builtin_mul_overflow(a, b, &product)) {
            wide++;
        }
        digits_of(got, have);
        ENSURE_MSG(strcmp(have, expected) == 0, "%s instead of %s", have, expected);
        ENSURE(got == 0 || (got < 0) == ((a < 0) != (b < 0)));
    }
    ck_assert_int_gt(saturated, 100);
    ck_assert_int_gt(wide, 100);
}
END_TEST

UNIT_MAIN("decimal", texts_become_the_nearest_multiple_of_a_millionth,
          anything_but_sign_digits_point_digits_is_malformed, only_len_bytes_are_read,
          random_texts_agree_with_rounding_of_digit_strings, a_formatted_value_reads_back_as_itself,
          format_writes_plain_text_up_to_128_bits, texts_of_one_number_are_equal_however_it_is_written,
          division_gives_the_nearest_and_of_two_equally_near_the_even,
          division_of_wide_numbers_leaves_at_most_half_the_divisor,
          products_agree_with_long_multiplication_or_stop_at_the_end_of_the_range)
