#include "rollup/calc.h"
#include "unit.h"
#include "validate/flags.h"

#define HOUR (3600 * INT64_C(1000000))
static const int64_t MAX = 1000 * DECIMAL_SCALE; /* counterMax */

START_TEST(register_steps_follow_the_contract)
{
    const struct {
        int64_t before, now, max, difference;
        enum counter_step step;
    } rows[] = {
        {10, 15, 1000, 5, COUNTER_DIFFERENCE}, {10, 10, 1000, 0, COUNTER_DIFFERENCE},
        {990, 5, 1000, 15, COUNTER_ROLLOVER},  {600, 100, 1000, 500, COUNTER_ROLLOVER}, /* exactly half */
        {599, 100, 1000, 0, COUNTER_RESET},    {900, 500, 1000, 0, COUNTER_RESET},
        {1500, 100, 1000, 0, COUNTER_RESET}, /* beyond the modulus: nothing explains it */
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int64_t d = 0;
        enum counter_step s = counter_difference(rows[i].before * DECIMAL_SCALE, rows[i].now * DECIMAL_SCALE,
                                                 rows[i].max * DECIMAL_SCALE, &d);
        ck_assert_msg(s == rows[i].step, "row %zu", i);
        if (s != COUNTER_RESET)
            ck_assert_int_eq(d, rows[i].difference * DECIMAL_SCALE);
    }
    int64_t d = 0;
    ck_assert_int_eq(counter_difference(5, 4, DECIMAL_UNSET, &d), COUNTER_RESET);
}
END_TEST

START_TEST(totals_beyond_64_bits_do_not_wrap)
{
    struct cell year = {0}, day = {0};
    for (int i = 0; i < 60; i++)
        cell_add(&day, DECIMAL_LIMIT_REGISTER - 1);
    for (int i = 0; i < 366; i++)
        cell_merge(&year, &day);
    ck_assert(year.total == (dec128)(DECIMAL_LIMIT_REGISTER - 1) * 60 * 366);
    ck_assert_int_eq(year.m, 60 * 366);
    ck_assert_int_eq(year.vmax, DECIMAL_LIMIT_REGISTER - 1);
}
END_TEST

START_TEST(merging_an_empty_period_changes_neither_min_nor_max)
{
    struct cell a = {0}, empty = {0};
    cell_add(&a, 5);
    cell_merge(&a, &empty);
    ck_assert_int_eq(a.vmin, 5);
    cell_merge(&empty, &a);
    ck_assert_int_eq(empty.vmin, 5);
    ck_assert(cell_equal(&a, &empty));
}
END_TEST

/* ---- calc over frames kept in memory ---- */

static struct item item_table[3];
static struct item *slots[3] = {&item_table[0], &item_table[1], &item_table[2]};
static struct unit unit = {.id = 1, .items = item_table, .item_count = 3, .by_slot = slots, .slot_count = 3};
static int asked;
static int64_t base_value;

static struct result before(void *arg, int32_t u, int32_t slot, int64_t ts, bool *found, int64_t *when, int64_t *value)
{
    (void)arg, (void)u, (void)slot;
    *when = ts - 1;
    asked++;
    *found = base_value >= 0;
    *value = base_value;
    return RESULT_OK;
}

static void set_items(int aggregation, int32_t period)
{
    for (int i = 0; i < 3; i++)
        item_table[i] =
            (struct item){.slot = i, .aggregation = (int8_t)aggregation, .period = period, .counter_max = MAX};
    asked = 0;
    base_value = -1;
}

static void compute(struct arena *a, const struct stored_frame *frames, size_t count, struct row_list *hours,
                    struct row_list *coarse)
{
    struct unit *units[] = {&unit};
    struct calc c = {.arena = a, .units = units, .unit_count = 1, .before = before};
    struct range range = {1, 0, 24 * HOUR};
    struct range_list ranges = {&range, 1, 1};
    struct key_set wanted_hours = {0}, wanted_days = {0};
    for (int64_t h = 0; h < 24; h++)
        key_set_add(&wanted_hours, a, 1, h * HOUR);
    key_set_add(&wanted_days, a, 1, period_start(GRAN_DAY, 0));
    struct frame_list list = {(struct stored_frame *)frames, count, count};
    ck_assert(result_ok(calc_frames(&c, &list, &ranges, &wanted_hours, &wanted_days, hours, coarse)));
}

START_TEST(invalid_readings_are_counted_and_left_out)
{
    set_items(AGG_SUM, 900);
    struct arena *a = arena_new(0);
    int64_t v[3] = {10, 20, 30};
    int16_t flags[3] = {0, FLAG_INVALID, FLAG_JUMP};
    struct stored_frame f[] = {{1, 0, 3, 0, v, NULL, flags}, {1, 0, 3, HOUR / 4, v, NULL, NULL}};
    struct row_list hours = {0}, coarse = {0};
    compute(a, f, 2, &hours, &coarse);
    ck_assert_uint_eq(hours.count, 1);
    ck_assert(hours.at[0].cells[0].total == 20);
    ck_assert(hours.at[0].cells[1].total == 20);
    ck_assert_int_eq(hours.at[0].cells[1].n, 1);
    ck_assert_int_eq(hours.at[0].cells[1].bad, 1);
    ck_assert_int_eq(hours.at[0].cells[2].n, 2); /* suspect counts */
    arena_free(&a);
}
END_TEST

START_TEST(register_difference_is_credited_to_the_later_interval)
{
    set_items(AGG_COUNTER, 900);
    base_value = 100;
    struct arena *a = arena_new(0);
    int64_t v0[1] = {110}, v1[1] = {130};
    struct stored_frame f[] = {{1, 0, 1, 0, v0, NULL, NULL}, {1, 0, 1, 2 * HOUR, v1, NULL, NULL}};
    struct row_list hours = {0}, coarse = {0};
    compute(a, f, 2, &hours, &coarse);
    ck_assert_uint_eq(hours.count, 2);
    ck_assert(hours.at[0].cells[0].total == 10);
    ck_assert(hours.at[1].cells[0].total == 20); /* across the gap */
    ck_assert_int_eq(asked, 1);
    arena_free(&a);
}
END_TEST

START_TEST(first_register_ever_counts_but_has_no_difference)
{
    set_items(AGG_COUNTER, 900);
    struct arena *a = arena_new(0);
    int64_t v0[1] = {110};
    struct stored_frame f[] = {{1, 0, 1, 0, v0, NULL, NULL}};
    struct row_list hours = {0}, coarse = {0};
    compute(a, f, 1, &hours, &coarse);
    ck_assert_int_eq(hours.at[0].cells[0].n, 1);
    ck_assert_int_eq(hours.at[0].cells[0].m, 0);
    ck_assert(hours.at[0].cells[0].counter);
    arena_free(&a);
}
END_TEST

START_TEST(items_with_long_periods_go_straight_into_the_day)
{
    set_items(AGG_SUM, 86400);
    struct arena *a = arena_new(0);
    int64_t v[3] = {1, 2, 3};
    struct stored_frame f[] = {{1, 0, 3, 0, v, NULL, NULL}};
    struct row_list hours = {0}, coarse = {0};
    compute(a, f, 1, &hours, &coarse);
    ck_assert_uint_eq(coarse.count, 1);
    ck_assert(coarse.at[0].cells[2].total == 3);
    ck_assert(hours.count == 1 && row_empty(&hours.at[0]));
    arena_free(&a);
}
END_TEST

START_TEST(rows_roll_into_wanted_periods_only)
{
    struct arena *a = arena_new(0);
    struct row_list lower = {0}, out = {0};
    struct key_set wanted = {0};
    int64_t day = period_start(GRAN_DAY, 40 * 24 * HOUR);
    for (int i = 0; i < 3; i++) {
        struct bucket_row *r = row_list_add(&lower, a, 1, 0, day + i * 24 * HOUR, 2);
        cell_add(&r->cells[1], i + 1);
    }
    key_set_add(&wanted, a, 1, day + 24 * HOUR);
    rows_roll(&lower, &wanted, GRAN_DAY, &out, a);
    ck_assert_uint_eq(out.count, 1);
    ck_assert(out.at[0].cells[1].total == 2);
    arena_free(&a);
}
END_TEST

UNIT_MAIN("aggregate", register_steps_follow_the_contract, totals_beyond_64_bits_do_not_wrap,
          merging_an_empty_period_changes_neither_min_nor_max, invalid_readings_are_counted_and_left_out,
          register_difference_is_credited_to_the_later_interval, first_register_ever_counts_but_has_no_difference,
          items_with_long_periods_go_straight_into_the_day, rows_roll_into_wanted_periods_only)
