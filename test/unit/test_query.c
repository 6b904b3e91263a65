#include "unit.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "payload/hmac.h"
#include "query/cells.h"
#include "query/page.h"
#include "query/page_token.h"
#include "query/statistics.h"

static const unsigned char KEY[32] = {1, 2, 3};
static const unsigned char OTHER_KEY[32] = {1, 2, 4};

static int64_t at(int year, int month, int day)
{
    struct civil c = {.year = year, .month = month, .day = day};
    return caltime_instant(&c);
}

/* RFC 4231, test case 2; given whole and in pieces. */
START_TEST(hmac_gives_the_published_value_however_the_bytes_are_cut)
{
    static const unsigned char expected[32] = {0x5b, 0xdc, 0xc1, 0x46, 0xbf, 0x60, 0x75, 0x4e, 0x6a, 0x04, 0x24,
                                               0x26, 0x08, 0x95, 0x75, 0xc7, 0x5a, 0x00, 0x3f, 0x08, 0x9d, 0x27,
                                               0x39, 0x83, 0x9d, 0xec, 0x58, 0xb9, 0x64, 0xec, 0x38, 0x43};
    unsigned char out[HMAC_SHA256_LEN];
    const struct hmac_piece whole = {"what do ya want for nothing?", 28};
    const struct hmac_piece pieces[] = {{"what do ya ", 11}, {"", 0}, {"want for nothing?", 17}};
    ck_assert(result_ok(hmac_sha256("Jefe", 4, &whole, 1, out)));
    ck_assert_mem_eq(out, expected, 32);
    memset(out, 0, sizeof out);
    ck_assert(result_ok(hmac_sha256("Jefe", 4, pieces, 3, out)));
    ck_assert_mem_eq(out, expected, 32);
}
END_TEST

START_TEST(a_token_gives_back_the_position_it_was_made_of)
{
    struct arena *a = arena_new(0);
    unsigned char bytes[70];
    for (size_t n = 0; n < sizeof bytes; n++) {
        memset(bytes, (int)(n * 37), sizeof bytes);
        char *token = page_token_make(a, KEY, "q", 1, bytes, n);
        const void *position;
        size_t len;
        ck_assert_uint_eq(strspn(token, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"),
                          strlen(token));
        ck_assert(result_ok(page_token_open(a, KEY, "q", 1, token, &position, &len)));
        ck_assert_uint_eq(len, n);
        ck_assert_mem_eq(position, bytes, n);
    }
    arena_free(&a);
}
END_TEST

static void assert_refused(struct arena *a, const unsigned char key[32], const char *question, const char *token)
{
    const void *position;
    size_t len;
    struct result r = page_token_open(a, key, question, strlen(question), token, &position, &len);
    ck_assert_int_eq(r.kind, ERR_SENDER);
    ck_assert_int_eq(r.code, 2103);
}

START_TEST(a_foreign_token_is_2103)
{
    struct arena *a = arena_new(0);
    char *token = page_token_make(a, KEY, "question", 8, "position", 8);
    assert_refused(a, OTHER_KEY, "question", token);
    assert_refused(a, KEY, "questions", token);
    assert_refused(a, KEY, "questio", page_token_make(a, KEY, "question", 8, "position", 8));
    /* a byte moved from the question to the position */
    assert_refused(a, KEY, "question", page_token_make(a, KEY, "questio", 7, "nposition", 9));
    arena_free(&a);
}
END_TEST

START_TEST(every_changed_character_of_a_token_is_2103)
{
    struct arena *a = arena_new(0);
    char *token = page_token_make(a, KEY, "q", 1, "position", 8);
    for (size_t i = 0; token[i]; i++) {
        char *forged = arena_strdup(a, token);
        forged[i] = forged[i] == 'A' ? 'B' : 'A';
        assert_refused(a, KEY, "q", forged);
        forged[i] = '\0';
        assert_refused(a, KEY, "q", forged);
        forged[i] = '=';
        assert_refused(a, KEY, "q", forged);
    }
    assert_refused(a, KEY, "q", "");
    assert_refused(a, KEY, "q", "AAAA");
    assert_refused(a, KEY, "q", "煤");
    assert_refused(a, KEY, "q", arena_printf(a, "%sA", token));
    char *huge = arena_alloc(a, 100001);
    memset(huge, 'A', 100000);
    assert_refused(a, KEY, "q", huge);
    arena_free(&a);
}
END_TEST

START_TEST(a_page_has_1000_rows_unless_told_and_1_to_10000)
{
    static const struct {
        bool has;
        int64_t size;
        size_t got; /* 0: refused */
    } rows[] = {{false, 0, 1000}, {true, 1, 1}, {true, 10000, 10000}, {true, 0, 0}, {true, 10001, 0}, {true, -1, 0}};
    struct arena *a = arena_new(0);
    struct buf question = BUF_INIT;
    page_put_text(&question, "q");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct page_request request = {.has_size = rows[i].has, .size = rows[i].size, .token_key = KEY};
        struct page page;
        struct result r = page_open(a, &request, &question, &page);
        ck_assert_int_eq(r.code, rows[i].got ? 0 : 2103);
        ck_assert(rows[i].got == 0 || page.size == rows[i].got);
    }
    buf_free(&question);
    arena_free(&a);
}
END_TEST

START_TEST(positions_are_read_as_they_were_written_and_never_beyond_their_end)
{
    struct buf b = BUF_INIT;
    page_put_text(&b, "text");
    page_put_number(&b, -5);
    struct page page = {.position = b.data, .position_len = b.len};
    const char *text;
    int64_t number;
    size_t i = 0;
    ck_assert(page_take_text(&page, &i, &text) && page_take_number(&page, &i, &number));
    ck_assert_str_eq(text, "text");
    ck_assert_int_eq(number, -5);
    ck_assert(!page_take_number(&page, &i, &number) && !page_take_text(&page, &i, &text));
    page.position_len = 4; /* the text without its end */
    i = 0;
    ck_assert(!page_take_text(&page, &i, &text));
    buf_free(&b);
}
END_TEST

#define MICRO ((dec128)1000000000000) /* of a coefficient's unit, which is 10^18 */
static const struct {
    int64_t quantity;
    dec128 coefficient;
    int64_t product;
} PRODUCTS[] = {
    {1000000, 1000000 * MICRO, 1000000},                   /* 1 × 1 */
    {10000000000, 122900000 * (MICRO / 1000000), 1229000}, /* 10,000 kWh × 0.0001229 tce/kWh = 1.229 tce */
    {1, 500000 * MICRO, 0},                                /* 0.0000005: to even */
    {3, 500000 * MICRO, 2},                                /* 0.0000015: to even */
    {-3, 500000 * MICRO, -2},
    {5, 500000 * MICRO, 2}, /* 0.0000025 */
    {1, 500000 * MICRO + 1, 1},
    {-1, 500000 * MICRO + 1, -1},
    {1000000000000000001, 500000 * MICRO, 500000000000000000}, /* the half and its parity come from different parts */
    {1000000000000000003, 500000 * MICRO, 500000000000000002},
    {1000000000000000001, 7000000 * MICRO + 500000 * MICRO, 7500000000000000008},
    {987654321000000, 34123457000, 33702180}, /* kJ × 34.123457 kgce/GJ */
    {0, 714300 * MICRO, 0},
};

START_TEST(quantities_times_coefficients_are_rounded_half_to_even)
{
    for (size_t i = 0; i < ARRAY_LEN(PRODUCTS); i++) {
        dec128 got = multiply_coefficient(PRODUCTS[i].quantity, PRODUCTS[i].coefficient);
        ck_assert_msg(got == PRODUCTS[i].product, "row %zu: %lld", i, (long long)got);
    }
    dec128 wide = (dec128)INT64_MAX * 1000000; /* 9.2e18 */
    ck_assert(multiply_coefficient(wide, 13300000 * MICRO) == wide / 10 * 133);
}
END_TEST

static struct target one_item(int aggregation, int32_t period)
{
    static struct coefficient c[2];
    c[0] = (struct coefficient){.from = 18628, .to = INT32_MAX, .has_tce = true, .tce = 2000000 * MICRO};
    c[1] = (struct coefficient){
        .from = 14610, .to = 18628, .has_tce = true, .has_co2 = true, .tce = 1000000 * MICRO, .co2 = 3000000 * MICRO};
    struct target t = {.enterprise_code = "E", .data_code = "D"};
    t.live = (struct source){
        .present = true, .period = period, .aggregation = aggregation, .coefficients = c, .coefficient_count = 2};
    return t;
}

START_TEST(a_sum_row_is_its_total_and_a_mean_row_its_total_over_n)
{
    struct period_cell c = {.ts = at(2026, 2, 1), .n = 3, .m = 3, .total = 10, .min = 1, .max = 6};
    struct target t = one_item(AGG_SUM, 900);
    struct data_row row = row_of_cell(&t, GRAN_MONTH, &c);
    ck_assert(row.has_value && row.value == 10 && row.avg == 3 && row.min == 1 && row.max == 6);
    ck_assert_int_eq(row.expected, 28 * 96);
    ck_assert_int_eq(row.completeness, 1116); /* 3 / 2688 */
    ck_assert(row.has_tce && row.tce == 20 && !row.has_co2 && !row.reported);
    t = one_item(AGG_MEAN, 900);
    c.total = 5;
    c.n = c.m = 2; /* 2.5 to even */
    row = row_of_cell(&t, GRAN_MONTH, &c);
    ck_assert(row.value == 2 && row.avg == 2 && !row.has_tce && !row.has_co2);
}
END_TEST

START_TEST(a_counter_without_a_difference_has_its_count_and_no_value)
{
    struct target t = one_item(AGG_COUNTER, 3600);
    struct period_cell c = {.ts = at(2026, 2, 1), .n = 1};
    struct data_row row = row_of_cell(&t, GRAN_HOUR, &c);
    ck_assert(!row.has_value && !row.has_min && !row.has_max && !row.has_avg && !row.has_tce);
    ck_assert(row.count == 1 && row.expected == 1 && row.completeness == DECIMAL_SCALE);
    c = (struct period_cell){.ts = at(2026, 2, 1), .n = 4, .m = 3, .total = 8, .min = 1, .max = 4};
    row = row_of_cell(&t, GRAN_DAY, &c);
    ck_assert(row.value == 8 && row.avg == 3 && row.count == 4); /* 8/3 */
    ck_assert(row.has_tce);
    row = row_of_cell(&t, GRAN_MINUTE, &c);
    ck_assert(row.has_value && !row.has_tce); /* a register is no quantity */
}
END_TEST

START_TEST(coefficients_are_those_valid_on_the_first_day_of_the_period)
{
    struct target t = one_item(AGG_SUM, 900);
    struct period_cell c = {.ts = at(2020, 12, 31), .n = 1, .m = 1, .total = 7};
    struct data_row row = row_of_cell(&t, GRAN_DAY, &c);
    ck_assert(row.tce == 7 && row.has_co2 && row.co2 == 21);
    c.ts = at(2021, 1, 1);
    row = row_of_cell(&t, GRAN_DAY, &c);
    ck_assert(row.tce == 14 && !row.has_co2);
    c.ts = at(2009, 12, 28); /* the week of the first accepted day begins before every coefficient */
    ck_assert(!row_of_cell(&t, GRAN_WEEK, &c).has_tce);
}
END_TEST

START_TEST(completeness_is_at_most_one)
{
    struct target t = one_item(AGG_SUM, 86400);
    struct period_cell c = {.ts = at(2026, 2, 1), .n = 96, .m = 96, .total = 7};
    struct data_row row = row_of_cell(&t, GRAN_DAY, &c);
    ck_assert(row.expected == 1 && row.count == 96 && row.completeness == DECIMAL_SCALE);
}
END_TEST

START_TEST(a_reported_row_says_so_and_counts_nothing)
{
    struct target t = one_item(AGG_SUM, 900);
    t.reported = t.live;
    t.reported.period = 86400;
    struct period_cell c = {.ts = at(2026, 3, 1), .n = 1, .m = 1, .total = 7, .min = 7, .max = 7};
    struct data_row row = row_of_reported(&t, GRAN_DAY, &c);
    ck_assert(row.reported && row.has_value && row.value == 7 && row.has_tce && row.tce == 14);
    ck_assert(!row.has_min && !row.has_max && !row.has_avg);
    ck_assert(row.count == 0 && row.completeness == 0 && row.expected == 96);
    t.live.present = false;
    ck_assert_int_eq(row_of_reported(&t, GRAN_DAY, &c).expected, 1);
}
END_TEST

START_TEST(days_are_merged_into_the_weeks_and_quarters_that_hold_them)
{
    struct arena *a = arena_new(0);
    struct period_cell days[] = {
        {.ts = at(2026, 3, 29), .n = 1, .m = 1, .total = 5, .min = 5, .max = 5}, /* Sunday */
        {.ts = at(2026, 3, 30), .n = 2, .m = 0},                                 /* Monday, no difference */
        {.ts = at(2026, 3, 31), .n = 3, .m = 2, .total = 9, .min = 2, .max = 7},
        {.ts = at(2026, 4, 1), .n = 4, .m = 4, .total = -8, .min = -6, .max = 1},
    };
    struct cell_list list = {.at = days, .count = 4}, weeks = {0}, quarters = {0};
    cells_merge(&list, GRAN_WEEK, a, &weeks);
    ck_assert_uint_eq(weeks.count, 2);
    ck_assert(weeks.at[0].ts == at(2026, 3, 23) && weeks.at[0].total == 5);
    ck_assert(weeks.at[1].ts == at(2026, 3, 30) && weeks.at[1].n == 9 && weeks.at[1].m == 6);
    ck_assert(weeks.at[1].total == 1 && weeks.at[1].min == -6 && weeks.at[1].max == 7);
    cells_merge(&list, GRAN_QUARTER, a, &quarters);
    ck_assert_uint_eq(quarters.count, 2);
    ck_assert(quarters.at[0].ts == at(2026, 1, 1) && quarters.at[0].total == 14 && quarters.at[0].min == 2);
    ck_assert(quarters.at[1].ts == at(2026, 4, 1) && quarters.at[1].n == 4);
    arena_free(&a);
}
END_TEST

START_TEST(a_ratio_is_the_change_over_what_was_before_half_even_and_absent_over_nothing)
{
    dec128 ratio = 7;
    ck_assert(!statistics_ratio(5, 0, &ratio));
    ck_assert(statistics_ratio(25578000, 19433000, &ratio) && ratio == 316215);
    ck_assert(statistics_ratio(3, 2000000, &ratio) && ratio == -999998);  /* -0.9999985 */
    ck_assert(statistics_ratio(1, 2000000, &ratio) && ratio == -1000000); /* -0.9999995 */
    ck_assert(statistics_ratio(-3000000, -2000000, &ratio) && ratio == 500000);
    ck_assert(statistics_ratio(1000000, -2000000, &ratio) && ratio == -1500000);
}
END_TEST

START_TEST(words_of_the_contract_are_the_only_ones)
{
    enum statistics_group group;
    enum statistics_compare compare;
    ck_assert(statistics_group_from_name("energyType", &group) && group == GROUP_ENERGY_TYPE);
    ck_assert(statistics_group_from_name("enterprise", &group) && group == GROUP_ENTERPRISE);
    ck_assert(!statistics_group_from_name("Region", &group) && !statistics_group_from_name(NULL, &group));
    ck_assert(statistics_compare_from_name("pop", &compare) && compare == COMPARE_POP);
    ck_assert(!statistics_compare_from_name("", &compare));
}
END_TEST

UNIT_MAIN("query", hmac_gives_the_published_value_however_the_bytes_are_cut,
          a_token_gives_back_the_position_it_was_made_of, a_foreign_token_is_2103,
          every_changed_character_of_a_token_is_2103, a_page_has_1000_rows_unless_told_and_1_to_10000,
          positions_are_read_as_they_were_written_and_never_beyond_their_end,
          quantities_times_coefficients_are_rounded_half_to_even,
          a_sum_row_is_its_total_and_a_mean_row_its_total_over_n,
          a_counter_without_a_difference_has_its_count_and_no_value,
          coefficients_are_those_valid_on_the_first_day_of_the_period, completeness_is_at_most_one,
          a_reported_row_says_so_and_counts_nothing, days_are_merged_into_the_weeks_and_quarters_that_hold_them,
          a_ratio_is_the_change_over_what_was_before_half_even_and_absent_over_nothing,
          words_of_the_contract_are_the_only_ones)
