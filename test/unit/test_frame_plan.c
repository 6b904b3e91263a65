#include <string.h>

#include "base/arena.h"
#include "ingest/frame_plan.h"
#include "ingest/ingest.h"
#include "unit.h"

static struct item items[300];
static const int32_t units[2] = {7, 9};

static void make_items(void)
{
    for (int i = 0; i < 300; i++)
        items[i] = (struct item){.slot = i, .stat_type = 0, .period = 900};
}

static struct reading reading(int slot, int64_t ts, int64_t value, int16_t flag)
{
    return (struct reading){.item = &items[slot], .ts = ts, .value = value, .flag = flag};
}

START_TEST(readings_of_one_instant_share_a_frame_per_page)
{
    make_items();
    struct arena *a = arena_new(0);
    struct reading r[] = {reading(0, 100, 1, 0), reading(127, 100, 2, 0), reading(128, 100, 3, 0),
                          reading(0, 200, 4, 0)};
    struct frame_plan plan;
    frame_plan_build(&plan, r, 4, units, a);
    ck_assert_uint_eq(plan.count, 3);
    ck_assert_uint_eq(plan.real_time, 3);
    ck_assert_int_eq(plan.frames[0].ts, 100);
    ck_assert_uint_eq(plan.frames[0].now.width, 128);
    ck_assert(plan.frames[0].now.missing[1]);
    ck_assert(!plan.frames[0].now.missing[127]);
    ck_assert_int_eq(plan.frames[1].ts, 200);
    ck_assert_int_eq(plan.frames[2].page, 1);
    ck_assert_int_eq(frame_plan_counts(&plan).stored, 4);
    arena_free(&a);
}
END_TEST

START_TEST(frames_are_sorted_whatever_the_order_of_the_document)
{
    make_items();
    struct arena *a = arena_new(0);
    struct reading r[200];
    for (int i = 0; i < 200; i++) {
        r[i] = reading((i * 37) % 300, (i * 13) % 50, i, 0);
        r[i].block = (uint32_t)i % 2;
    }
    struct frame_plan plan;
    frame_plan_build(&plan, r, 200, units, a);
    for (size_t i = 1; i < plan.count; i++) {
        const struct frame *x = &plan.frames[i - 1], *y = &plan.frames[i];
        bool before = x->unit_id < y->unit_id ||
                      (x->unit_id == y->unit_id && (x->page < y->page || (x->page == y->page && x->ts < y->ts)));
        ck_assert(before);
    }
    arena_free(&a);
}
END_TEST

START_TEST(same_key_twice_in_one_message_counts_in_line_order)
{
    make_items();
    struct arena *a = arena_new(0);
    struct reading r[] = {reading(3, 100, 10, 0), reading(3, 100, 10, 0), reading(3, 100, 11, 0)};
    struct frame_plan plan;
    frame_plan_build(&plan, r, 3, units, a);
    struct frame_counts c = frame_plan_counts(&plan);
    ck_assert_int_eq(c.stored, 1);
    ck_assert_int_eq(c.unchanged, 1);
    ck_assert_int_eq(c.corrected, 1);
    ck_assert_int_eq(plan.frames[0].now.value[3], 11);
    ck_assert_int_eq(plan.frames[0].corrections[0].old_value, 10);
    arena_free(&a);
}
END_TEST

START_TEST(merging_keeps_other_slots_and_logs_what_changed)
{
    make_items();
    struct arena *a = arena_new(0);
    struct reading r[] = {reading(0, 100, 5, 0), reading(1, 100, 6, 0), reading(2, 100, 7, FLAG_INVALID)};
    struct frame_plan plan;
    frame_plan_build(&plan, r, 3, units, a);
    int64_t value[5] = {5, 60, 7, 0, 99};
    bool missing[5] = {false, false, false, true, false};
    struct frame_slots stored = {value, NULL, missing, 5};
    frame_merge(&plan, &plan.frames[0], &stored);
    const struct frame *f = &plan.frames[0];
    ck_assert_int_eq(f->counts.unchanged, 1); /* slot 0 */
    ck_assert_int_eq(f->counts.corrected, 2); /* slot 1 by value, slot 2 by validity */
    ck_assert_int_eq(f->counts.stored, 0);
    ck_assert_uint_eq(f->now.width, 5);
    ck_assert_int_eq(f->now.value[4], 99);
    ck_assert(f->now.missing[3]);
    ck_assert_int_eq(f->now.flag[2] & FLAG_INVALID, FLAG_INVALID);
    ck_assert_ptr_nonnull(frame_flags(f));
    ck_assert_uint_eq(f->correction_count, 2);
    arena_free(&a);
}
END_TEST

START_TEST(suspect_flags_alone_do_not_make_a_correction)
{
    make_items();
    struct arena *a = arena_new(0);
    struct reading r[] = {reading(0, 100, 5, FLAG_JUMP)};
    struct frame_plan plan;
    frame_plan_build(&plan, r, 1, units, a);
    int64_t value[1] = {5};
    struct frame_slots stored = {value, NULL, NULL, 1};
    frame_merge(&plan, &plan.frames[0], &stored);
    ck_assert_int_eq(plan.frames[0].counts.unchanged, 1);
    ck_assert_int_eq(plan.frames[0].now.flag[0], 0);
    arena_free(&a);
}
END_TEST

START_TEST(a_correction_keeps_whether_the_reading_came_in_time)
{
    make_items();
    struct arena *a = arena_new(0);
    struct reading r[] = {reading(0, 100, 5, FLAG_LATE), reading(1, 100, 6, 0), reading(2, 100, 7, FLAG_LATE)};
    struct frame_plan plan;
    frame_plan_build(&plan, r, 3, units, a);
    int64_t value[2] = {4, 4};
    int16_t flag[2] = {0, FLAG_LATE};
    struct frame_slots stored = {value, flag, NULL, 2};
    frame_merge(&plan, &plan.frames[0], &stored);
    const int16_t *now = plan.frames[0].now.flag;
    ck_assert_int_eq(now[0], 0);
    ck_assert_int_eq(now[1], FLAG_LATE);
    ck_assert_int_eq(now[2], FLAG_LATE); /* new */
    arena_free(&a);
}
END_TEST

START_TEST(reported_values_come_after_real_time_frames)
{
    make_items();
    items[5].stat_type = 1;
    struct arena *a = arena_new(0);
    struct reading r[] = {reading(5, 50, 1, 0), reading(0, 100, 2, 0)};
    struct frame_plan plan;
    frame_plan_build(&plan, r, 2, units, a);
    ck_assert_uint_eq(plan.real_time, 1);
    ck_assert_int_eq(plan.frames[0].stat_type, 0);
    ck_assert_int_eq(plan.frames[1].stat_type, 1);
    arena_free(&a);
}
END_TEST

START_TEST(message_ids_follow_the_contract)
{
    char full[65 * 3 + 1] = "";
    for (int i = 0; i < 64; i++)
        strcat(full, "表");
    ck_assert(message_id_valid("a"));
    ck_assert(message_id_valid("a b"));
    ck_assert(message_id_valid(full));
    strcat(full, "x");
    const char *const bad[] = {NULL,   "",         " a", "a ", "a\tb", "a\x7f", "\xc2\x85", "\xe3\x80\x80x",
                               "\xff", "\xc0\x80", full};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(!message_id_valid(bad[i]), "accepted bad id %zu", i);
}
END_TEST

START_TEST(message_id_keys_differ)
{
    unsigned char x[16], y[16];
    ck_assert(result_ok(message_id_hash("a", x)));
    ck_assert(result_ok(message_id_hash("b", y)));
    ck_assert_mem_ne(x, y, 16);
}
END_TEST

UNIT_MAIN("frame_plan", readings_of_one_instant_share_a_frame_per_page,
          frames_are_sorted_whatever_the_order_of_the_document, same_key_twice_in_one_message_counts_in_line_order,
          merging_keeps_other_slots_and_logs_what_changed, suspect_flags_alone_do_not_make_a_correction,
          a_correction_keeps_whether_the_reading_came_in_time, reported_values_come_after_real_time_frames,
          message_ids_follow_the_contract, message_id_keys_differ)
