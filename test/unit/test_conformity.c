/* The rules of the conformity test on made-up facts, and the documents made of them. */
#include "unit.h"

#include <string.h>

#include "base/arena.h"
#include "base/caltime.h"
#include "base/clock.h"
#include "quality/report.h"

#define DAY_US (INT64_C(86400) * USEC_PER_SEC)
#define EXPECTED 10000

static struct arena *arena;

static void open_arena(void)
{
    if (!arena) {
        ck_assert(result_ok(caltime_set_zone("Asia/Shanghai")));
        arena = arena_new(0);
    }
}

/* Days with so many of EXPECTED readings each; a negative number: the day has no row. */
static struct conformity days(const int *covered, size_t count)
{
    static const struct civil march = {.year = 2026, .month = 3, .day = 1};
    open_arena();
    struct conformity c = {
        .arena = arena, .from = caltime_instant(&march), .device_serial = "", .bound_certificate = ""};
    c.to = c.now = c.from + (int64_t)count * DAY_US;
    c.name = c.region = c.industry = c.state = "";
    c.unit.code = "91420100000000001A";
    for (size_t i = 0; i < count; i++)
        if (covered[i] >= 0)
            *ARENA_PUSH(arena, c.days.at, c.days.count, c.days.cap) =
                (struct quality_day){.day = c.from + (int64_t)i * DAY_US,
                                     .counts = {.expected = EXPECTED, .covered = covered[i], .valid = covered[i]}};
    conformity_choose_window(&c);
    return c;
}

/* Everything green: fifteen full days, and what else is asked for. */
static struct conformity fine(void)
{
    int full[CONFORMITY_DAYS];
    for (size_t i = 0; i < CONFORMITY_DAYS; i++)
        full[i] = EXPECTED;
    struct conformity c = days(full, CONFORMITY_DAYS);
    c.certificate_count = 1;
    c.certificate_until = c.now + 30 * DAY_US;
    c.config_version = 3;
    c.active_items = 7;
    c.has_device = c.has_heartbeat = true;
    c.heartbeat_at = c.to;
    *ARENA_PUSH(arena, c.outages, c.outage_count, c.outage_cap) =
        (struct conformity_outage){c.from, c.from + DAY_US, 96, 96};
    c.tce = (dec128)100 * DECIMAL_SCALE;
    c.metered_tce = (dec128)80 * DECIMAL_SCALE;
    return c;
}

/* Judges, and expects that nothing but this rule decides; RULE_COUNT: that all is green. */
static void expect_only(struct conformity *c, enum conformity_rule_id red)
{
    conformity_judge(c);
    for (int i = 0; i < RULE_COUNT; i++)
        ck_assert_msg(c->results[i].passed == (i != (int)red), "%s: %s", c->results[i].key, c->results[i].reason_en);
    ck_assert(c->passed == (red == RULE_COUNT));
}

static void expect_words(const struct conformity *c, enum conformity_rule_id rule, const char *zh, const char *en)
{
    ck_assert_msg(strstr(c->results[rule].reason_zh, zh) != NULL, "%s", c->results[rule].reason_zh);
    ck_assert_msg(strstr(c->results[rule].reason_en, en) != NULL, "%s", c->results[rule].reason_en);
}

START_TEST(what_meets_every_rule_passes)
{
    struct conformity c = fine();
    expect_only(&c, RULE_COUNT);
}
END_TEST

START_TEST(fourteen_days_are_not_fifteen)
{
    int run[16] = {[0 ... 13] = EXPECTED, [14] = EXPECTED * 9 / 10 - 1, [15] = EXPECTED};
    struct conformity c = days(run, 16);
    ck_assert_uint_eq(c.window_days, 14);
    conformity_judge(&c);
    ck_assert(!c.results[RULE_CONTINUOUS].passed);
    expect_words(&c, RULE_CONTINUOUS,
                 "最长连续 14 天（2026-03-01 至 2026-03-14），还差 1 天；不合格日：2026-03-15（完整率 89.99 %）",
                 "14 days in a row (2026-03-01 to 2026-03-14), 1 too few; spoiled: 2026-03-15 (completeness 89.99 %)");
}
END_TEST

START_TEST(ninety_per_cent_is_a_good_day)
{
    int run[1] = {EXPECTED * 9 / 10};
    struct conformity c = days(run, 1);
    ck_assert_uint_eq(c.window_days, 1);
}
END_TEST

START_TEST(a_day_without_a_row_ends_a_run)
{
    int run[5] = {EXPECTED, EXPECTED, -1, EXPECTED, EXPECTED};
    struct conformity c = days(run, 5);
    ck_assert_uint_eq(c.window_days, 2);
    ck_assert_uint_eq(c.window_first, 2); /* the later of equal runs */
    ck_assert_int_eq(c.window.expected, INT64_C(2) * EXPECTED);
    ck_assert_int_eq(c.period.expected, INT64_C(4) * EXPECTED);
}
END_TEST

START_TEST(the_longest_run_is_the_window)
{
    int run[9] = {EXPECTED, 0, EXPECTED, EXPECTED - 1, EXPECTED, 0, EXPECTED, EXPECTED, 0};
    struct conformity c = days(run, 9);
    ck_assert_uint_eq(c.window_days, 3);
    ck_assert_uint_eq(c.window_first, 2);
    ck_assert_int_eq(c.window.covered, 3 * EXPECTED - 1);
}
END_TEST

START_TEST(nothing_at_all_fails_every_rule_with_a_reason)
{
    struct conformity c = days(NULL, 0);
    conformity_judge(&c);
    ck_assert(!c.passed);
    for (int i = 0; i < RULE_COUNT; i++) {
        ck_assert_msg(!c.results[i].passed, "%s", c.results[i].key);
        ck_assert(*c.results[i].reason_zh && *c.results[i].reason_en);
    }
}
END_TEST

START_TEST(the_success_rate_is_judged_to_the_last_record)
{
    struct conformity c = fine();
    c.window.valid = 150000 - 150; /* 99.9 % of 150,000 */
    c.window.rejected = 150;
    c.window.covered = c.window.valid;
    expect_only(&c, RULE_COUNT);
    c.window.rejected++;
    expect_only(&c, RULE_SUCCESS);
    expect_words(&c, RULE_SUCCESS, "收到 150001 条，有效 149850，标记无效 0，拒绝 151", "150001 records received");
    c.window.rejected--;
    c.window.invalid++;
    expect_only(&c, RULE_SUCCESS);
}
END_TEST

START_TEST(completeness_is_judged_to_the_last_reading)
{
    struct conformity c = fine();
    c.window.covered = c.window.valid = 142500; /* 95 % of 150,000 */
    expect_only(&c, RULE_COUNT);
    c.window.covered = c.window.valid = 142499;
    expect_only(&c, RULE_COMPLETENESS);
    expect_words(&c, RULE_COMPLETENESS, "缺 7501 条", "7501 missing");
}
END_TEST

START_TEST(a_day_in_fifteen_may_come_late_but_not_two)
{
    struct conformity c = fine();
    c.window.late = EXPECTED;
    expect_only(&c, RULE_COUNT);
    c.window.late = INT64_C(2) * EXPECTED;
    expect_only(&c, RULE_ON_TIME);
}
END_TEST

START_TEST(make_up_needs_an_outage_that_was_filled)
{
    struct conformity c = fine();
    c.outages[0].arrived = 86; /* of 96 */
    expect_only(&c, RULE_MAKE_UP);
    expect_words(&c, RULE_MAKE_UP, "未补齐", "did not arrive in full");
    c.outages[0].arrived = 87;
    expect_only(&c, RULE_COUNT);
    expect_words(&c, RULE_MAKE_UP, "2026-03-01 00:00 至 2026-03-02 00:00 中断，87 条", "87 readings made up");
    c.outage_count = 0;
    expect_only(&c, RULE_MAKE_UP);
}
END_TEST

START_TEST(the_clock_may_be_five_minutes_off_either_way)
{
    struct conformity c = fine();
    c.clock_offset_ms = -300000;
    expect_only(&c, RULE_COUNT);
    c.clock_offset_ms = 300001;
    expect_only(&c, RULE_CLOCK);
    expect_words(&c, RULE_CLOCK, "偏差 300.001 秒", "off by 300.001 s");
    c.clock_offset_ms = 0;
    c.has_heartbeat = false;
    expect_only(&c, RULE_CLOCK);
    expect_words(&c, RULE_CLOCK, "心跳", "heartbeat");
}
END_TEST

START_TEST(a_device_that_was_not_heard_of_for_days_has_no_known_clock)
{
    struct conformity c = fine();
    c.heartbeat_at = c.to - 2 * DAY_US;
    expect_only(&c, RULE_COUNT);
    c.heartbeat_at--;
    expect_only(&c, RULE_CLOCK);
    expect_words(&c, RULE_CLOCK, "最近一次心跳在 2026-03-13 23:59", "the last heartbeat was at 2026-03-13 23:59");
}
END_TEST

START_TEST(good_days_of_long_ago_do_not_show_that_an_enterprise_still_sends)
{
    int run[19] = {[0 ... 15] = EXPECTED, [16] = 0, [17] = -1, [18] = 5};
    struct conformity c = days(run, 18);
    ck_assert(conformity_current(&c));
    c = days(run, 19);
    ck_assert_uint_eq(c.window_days, 16);
    ck_assert(!conformity_current(&c));
    c = days(NULL, 0);
    ck_assert(!conformity_current(&c));
}
END_TEST

START_TEST(four_fifths_of_the_energy_must_be_metered)
{
    struct conformity c = fine();
    c.metered_tce--;
    expect_only(&c, RULE_METERED);
    expect_words(&c, RULE_METERED, "计量 79.999999 tce，合计 100 tce", "79.999999 tce metered of 100 tce");
    expect_words(&c, RULE_METERED, "均按采集配置的 inputType", "all by the configured inputType");
    c.own_tce = (dec128)3 * DECIMAL_SCALE;
    conformity_judge(&c);
    expect_words(&c, RULE_METERED, "其中 3 tce 按读数自带的 inputType，其余按采集配置",
                 "3 tce of it by the readings' own inputType, the rest as configured");
    c.raw_from = c.from + DAY_US;
    conformity_judge(&c);
    expect_words(&c, RULE_METERED, "2026-03-02 之前的读数已过期，按采集配置",
                 "all as configured before 2026-03-02, whose readings have expired");
    c.tce = c.metered_tce = 0;
    expect_only(&c, RULE_METERED);
}
END_TEST

START_TEST(certificate_and_configuration_are_asked_for)
{
    struct conformity c = fine();
    c.certificate_count = 0;
    expect_only(&c, RULE_CERTIFICATE);
    c.certificate_count = 2;
    c.config_version = 0;
    expect_only(&c, RULE_CONFIGURATION);
    c.config_version = 1;
    c.active_items = 0;
    expect_only(&c, RULE_CONFIGURATION);
    c.active_items = 1;
    expect_only(&c, RULE_COUNT);
    expect_words(&c, RULE_CERTIFICATE, "剩余 30 天", "30 days left");
}
END_TEST

START_TEST(the_document_has_title_verdict_and_every_rule_and_trusts_no_name)
{
    struct buf html = BUF_INIT;
    struct conformity c = fine();
    c.name = "<script>钢铁 & \"co\"";
    conformity_judge(&c);
    report_html(&c, "湖北省级平台", &html);
    const char *text = buf_str(&html);
    ck_assert(strstr(text, REPORT_TITLE_ZH) && strstr(text, "✓ 合格") && strstr(text, "湖北省级平台"));
    ck_assert(!strstr(text, "<script>") && strstr(text, "&lt;script&gt;钢铁 &amp;"));
    ck_assert(!strstr(text, "http://") && !strstr(text, "https://")); /* needs nothing besides itself */
    for (int i = 0; i < RULE_COUNT; i++)
        ck_assert_msg(strstr(text, c.results[i].title_zh) && strstr(text, c.results[i].title_en), "%s",
                      c.results[i].key);
    c.passed = false;
    buf_clear(&html);
    report_html(&c, "", &html);
    ck_assert(strstr(buf_str(&html), "✗ 不合格") != NULL);
    buf_free(&html);
}
END_TEST

/* Names come from enterprises and devices: none of them becomes markup. */
START_TEST(no_name_of_an_item_an_energy_or_a_device_becomes_markup)
{
    struct buf html = BUF_INIT;
    struct conformity c = fine();
    struct quality_item item = {.data_code = "0000000002330010", .name = "<i>电</i>", .period = 900};
    c.device_serial = "<u>\"&'";
    *ARENA_PUSH(arena, c.items, c.item_count, c.item_cap) = (struct conformity_item){&item, c.window};
    *ARENA_PUSH(arena, c.energies, c.energy_count, c.energy_cap) =
        (struct conformity_energy){.data_code = "0000000002330010",
                                   .name = "<s>名",
                                   .energy = "<em>电力",
                                   .input_type = 4,
                                   .metered = true,
                                   .tce = (dec128)80 * DECIMAL_SCALE,
                                   .own_tce = (dec128)2 * DECIMAL_SCALE};
    conformity_judge(&c);
    report_html(&c, "<q>平台", &html);
    static const char *const MARKUP[] = {"<i>", "<u>", "<s>", "<em>", "<q>"};
    static const char *const TEXTS[] = {"&lt;i&gt;电", "&lt;u&gt;", "&lt;em&gt;电力", "&lt;q&gt;平台"};
    for (size_t i = 0; i < ARRAY_LEN(MARKUP); i++)
        ck_assert_msg(!strstr(buf_str(&html), MARKUP[i]), "%s", MARKUP[i]);
    for (size_t i = 0; i < ARRAY_LEN(TEXTS); i++)
        ck_assert_msg(strstr(buf_str(&html), TEXTS[i]) != NULL, "%s", TEXTS[i]);
    buf_free(&html);
}
END_TEST

START_TEST(json_names_the_spoiled_days_and_the_window)
{
    struct buf json = BUF_INIT;
    int run[4] = {EXPECTED, 17, EXPECTED, EXPECTED};
    struct conformity c = days(run, 4);
    c.name = "\"quoted\"";
    conformity_judge(&c);
    report_json(&c, &json);
    ck_assert(strstr(buf_str(&json), "\"spoiledDays\": [\n  \"2026-03-02\"]") != NULL);
    ck_assert(strstr(buf_str(&json), "\"window\": {\n  \"days\": 2,\n  \"first\": \"2026-03-03 00:00:00\"") != NULL);
    ck_assert(strstr(buf_str(&json), "\"name\": \"\\\"quoted\\\"\"") != NULL);
    buf_free(&json);
}
END_TEST

UNIT_MAIN("conformity", what_meets_every_rule_passes, fourteen_days_are_not_fifteen, ninety_per_cent_is_a_good_day,
          a_day_without_a_row_ends_a_run, the_longest_run_is_the_window, nothing_at_all_fails_every_rule_with_a_reason,
          the_success_rate_is_judged_to_the_last_record, completeness_is_judged_to_the_last_reading,
          a_day_in_fifteen_may_come_late_but_not_two, make_up_needs_an_outage_that_was_filled,
          the_clock_may_be_five_minutes_off_either_way, a_device_that_was_not_heard_of_for_days_has_no_known_clock,
          good_days_of_long_ago_do_not_show_that_an_enterprise_still_sends, four_fifths_of_the_energy_must_be_metered,
          certificate_and_configuration_are_asked_for, the_document_has_title_verdict_and_every_rule_and_trusts_no_name,
          no_name_of_an_item_an_energy_or_a_device_becomes_markup, json_names_the_spoiled_days_and_the_window)
