/* caltime against the C library's calendar, and zones from small files written here. */
#include "unit.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/caltime.h"
#include "base/clock.h"
#include "base/mem.h"

#define SHANGHAI_US (INT64_C(28800) * USEC_PER_SEC)

static uint64_t random_state = 19491001;

static uint64_t next_random(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

/* An instant of the years 1 to 9999. */
static int64_t random_instant(void)
{
    int64_t first = INT64_C(-62135500000), last = INT64_C(253402200000);
    int64_t seconds = first + (int64_t)(next_random() % (uint64_t)(last - first));
    return seconds * USEC_PER_SEC + (int64_t)(next_random() % 1000000);
}

static void shanghai(void)
{
    ck_assert_msg(result_ok(caltime_set_zone("Asia/Shanghai")), "Asia/Shanghai refused");
}

static int64_t at(const char *text)
{
    int64_t us = 0;
    ENSURE_MSG(caltime_parse(text, strlen(text), &us), "%s refused", text);
    return us;
}

START_TEST(the_epoch_is_eight_in_the_morning_in_shanghai)
{
    char text[CALTIME_TEXT];
    shanghai();
    ck_assert_str_eq(caltime_zone(), "Asia/Shanghai");
    ck_assert_int_eq(caltime_offset_seconds(), 28800);
    ck_assert_str_eq(caltime_format(0, text), "1970-01-01 08:00:00");
    ck_assert_str_eq(caltime_format_iso(0, text), "1970-01-01T08:00:00+08:00");
    ck_assert_str_eq(caltime_format(-1, text), "1970-01-01 07:59:59");
}
END_TEST

START_TEST(civil_fields_agree_with_the_c_library_and_lead_back)
{
    shanghai();
    for (int i = 0; i < 50000; i++) {
        int64_t us = random_instant();
        struct civil c = caltime_civil(us);
        int64_t local = us + SHANGHAI_US;
        time_t seconds = (time_t)((local - (int64_t)c.micro) / USEC_PER_SEC);
        struct tm tm;
        gmtime_r(&seconds, &tm);
        ENSURE(c.year == tm.tm_year + 1900);
        ENSURE(c.month == tm.tm_mon + 1);
        ENSURE(c.day == tm.tm_mday);
        ENSURE(c.hour * 3600 + c.minute * 60 + c.second == tm.tm_hour * 3600 + tm.tm_min * 60 + tm.tm_sec);
        ENSURE(caltime_instant(&c) == us);
        ENSURE(caltime_valid(&c));
    }
}
END_TEST

START_TEST(every_date_of_four_centuries_exists_exactly_when_timegm_keeps_it)
{
    for (int year = 1896; year <= 2304; year++) {
        for (int month = 0; month <= 13; month++) {
            for (int day = 0; day <= 32; day++) {
                struct tm tm = {.tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = day, .tm_hour = 12};
                timegm(&tm);
                bool kept = tm.tm_year == year - 1900 && tm.tm_mon == month - 1 && tm.tm_mday == day;
                struct civil c = {.year = year, .month = month, .day = day};
                ENSURE_MSG(caltime_valid(&c) == kept, "%d-%d-%d", year, month, day);
            }
        }
    }
}
END_TEST

/* Period edges by the C library: the start found by clearing fields of struct tm, the next by adding to them. */
static int64_t slow_edge(enum granularity g, int64_t us, int further)
{
    struct civil c = caltime_civil(us);
    struct tm tm = {.tm_year = c.year - 1900, .tm_mon = c.month - 1, .tm_mday = c.day};
    timegm(&tm);
    if (g == GRAN_MINUTE || g == GRAN_HOUR) {
        tm.tm_hour = c.hour + (g == GRAN_HOUR ? further : 0);
        tm.tm_min = g == GRAN_MINUTE ? c.minute + further : 0;
    } else if (g == GRAN_DAY) {
        tm.tm_mday += further;
    } else if (g == GRAN_WEEK) {
        tm.tm_mday += 7 * further - (tm.tm_wday + 6) % 7;
    } else {
        tm.tm_mday = 1;
        int months = g == GRAN_MONTH ? 1 : g == GRAN_QUARTER ? 3 : 12;
        tm.tm_mon += months * further - tm.tm_mon % months;
    }
    return (int64_t)timegm(&tm) * USEC_PER_SEC - SHANGHAI_US;
}

START_TEST(periods_tile_time_and_begin_where_the_calendar_says)
{
    shanghai();
    for (int i = 0; i < 20000; i++) {
        int64_t us = random_instant();
        for (enum granularity g = GRAN_MINUTE; g <= GRAN_YEAR; g++) {
            int64_t start = period_start(g, us), next = period_next(g, start);
            ENSURE(start <= us && us < next);
            ENSURE(start == slow_edge(g, us, 0));
            ENSURE(next == slow_edge(g, us, 1));
            ENSURE(period_start(g, start) == start);
            ENSURE(period_start(g, next - 1) == start);
            ENSURE(period_start(g, next) == next);
        }
    }
}
END_TEST

START_TEST(known_periods_of_2026)
{
    char text[CALTIME_TEXT];
    shanghai();
    int64_t us = at("2026-11-20 10:16:02"); /* a Friday */
    static const char *const starts[] = {"2026-11-20 10:16:00", "2026-11-20 10:00:00", "2026-11-20 00:00:00",
                                         "2026-11-16 00:00:00", "2026-11-01 00:00:00", "2026-10-01 00:00:00",
                                         "2026-01-01 00:00:00"};
    for (size_t g = 0; g < ARRAY_LEN(starts); g++) {
        ck_assert_str_eq(caltime_format(period_start((enum granularity)g, us), text), starts[g]);
    }
    ck_assert_str_eq(caltime_format(period_start(GRAN_WEEK, at("2027-01-03 23:59:59")), text), "2026-12-28 00:00:00");
    ck_assert_str_eq(caltime_format(period_start(GRAN_WEEK, at("2027-01-04 00:00:00")), text), "2027-01-04 00:00:00");
    ck_assert_str_eq(caltime_format(period_next(GRAN_MONTH, at("2028-02-01 00:00:00")), text), "2028-03-01 00:00:00");
}
END_TEST

START_TEST(the_three_forms_name_the_same_instant)
{
    static const char *const same[] = {"2026-11-20 10:16:02",       "20261120101602",
                                       "2026-11-20T02:16:02Z",      "2026-11-20T10:16:02+08:00",
                                       "2026-11-19T21:16:02-05:00", "2026-11-20T07:46:02+05:30",
                                       "2026-11-20T16:16:02+14:00", "2026-11-20T02:16:02-00:00"};
    shanghai();
    for (size_t i = 0; i < ARRAY_LEN(same); i++) {
        ck_assert_msg(at(same[i]) == INT64_C(1795140962) * USEC_PER_SEC, "%s", same[i]);
    }
}
END_TEST

START_TEST(no_other_text_is_a_time)
{
    static const char *const texts[] = {
        "",
        "2026",
        "2026-11-20",
        "2026-11-20 10:16",
        "2026-11-20T10:16:02", /* ISO without an offset */
        "2026-11-20T10:16:02.000Z",
        "2026-11-20T10:16:02.5+08:00",
        "2026-11-20 10:16:02Z",
        "2026-11-20 10:16:02+08:00",
        "2026-11-20T10:16:02z",
        "2026-11-20t10:16:02Z",
        "2026-11-20T10:16:02+0800",
        "2026-11-20T10:16:02+08",
        "2026-11-20T10:16:02+14:01",
        "2026-11-20T10:16:02+08:60",
        "2026-11-20T10:16:02 08:00",
        "2026/11/20 10:16:02",
        "2026-11-20 10.16.02",
        "2026-11-20  10:16:02",
        " 2026-11-20 10:16:02",
        "2026-11-20 10:16:02 ",
        "2026-1-20 010:16:02",
        "2026-11-20 10:16:2x",
        "+026-11-20 10:16:02",
        "2026-02-29 00:00:00",
        "2100-02-29 00:00:00",
        "2026-13-01 00:00:00",
        "2026-00-01 00:00:00",
        "2026-04-31 00:00:00",
        "2026-04-00 00:00:00",
        "2026-11-20 24:00:00",
        "2026-11-20 23:60:00",
        "2026-12-31 23:59:60",
        "0000-01-01 00:00:00",
        "20261120101662",
        "2026112010160",
        "202611201016022",
        "2026112010160a",
        "99999999999999",
    };
    shanghai();
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        int64_t us = 42;
        ck_assert_msg(!caltime_parse(texts[i], strlen(texts[i]), &us), "\"%s\" was accepted", texts[i]);
        ck_assert_int_eq(us, 42);
    }
    int64_t us;
    ck_assert(!caltime_parse("2026-11-20\00010:16:02", 19, &us));
}
END_TEST

START_TEST(what_is_written_reads_back_in_both_forms)
{
    char text[CALTIME_TEXT];
    shanghai();
    for (int i = 0; i < 50000; i++) {
        int64_t us = random_instant() / USEC_PER_SEC * USEC_PER_SEC;
        ENSURE(at(caltime_format(us, text)) == us);
        ENSURE(at(caltime_format_iso(us, text)) == us);
    }
}
END_TEST

START_TEST(granularities_have_the_names_of_the_contract)
{
    static const char *const names[] = {"minute", "hour", "day", "week", "month", "quarter", "year"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        enum granularity g;
        ck_assert_str_eq(granularity_name((enum granularity)i), names[i]);
        ck_assert(granularity_from_name(names[i], &g));
        ck_assert_int_eq(g, i);
    }
    enum granularity g;
    ck_assert(!granularity_from_name("Minute", &g));
    ck_assert(!granularity_from_name("", &g));
}
END_TEST

/* ---- zones ---- */

static void put32(FILE *f, int32_t value)
{
    for (int shift = 24; shift >= 0; shift -= 8) {
        fputc((int)((uint32_t)value >> shift & 0xff), f);
    }
}

/* A zone file of version 1 (RFC 8536): one offset, and another one from `change` on unless that is 0. */
static void write_zone(const char *dir, const char *name, int offset, int32_t change, int later)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "we");
    ck_assert_ptr_nonnull(f);
    int changes = change != 0;
    fwrite("TZif", 1, 4, f);
    for (int i = 0; i < 16; i++) {
        fputc(0, f);
    }
    const int counts[] = {0, 0, 0, changes, 1 + changes, 4};
    for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
        put32(f, counts[i]);
    }
    if (changes) {
        put32(f, change);
        fputc(1, f);
    }
    put32(f, offset);
    fwrite("\0", 1, 2, f);
    if (changes) {
        put32(f, later);
        fwrite("\0", 1, 2, f);
    }
    fwrite("AAA", 1, 4, f);
    fclose(f);
}

static char zone_dir[64];

static void make_zone_dir(void)
{
    snprintf(zone_dir, sizeof zone_dir, "/tmp/nhjc-zones-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(zone_dir));
    write_zone(zone_dir, "Nine", 9 * 3600, 0, 0);
    write_zone(zone_dir, "West", -(3 * 3600 + 1800), 0, 0);
    write_zone(zone_dir, "Early", 9 * 3600, 1000000000, 8 * 3600); /* changed in 2001 */
    write_zone(zone_dir, "Late", 8 * 3600, 1420070400, 9 * 3600);  /* changes in 2015 */
    write_zone(zone_dir, "Odd", 8 * 3600 + 43, 0, 0);
    setenv("TZDIR", zone_dir, 1);
}

static void drop_zone_dir(void)
{
    static const char *const names[] = {"Nine", "West", "Early", "Late", "Odd"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        char path[256];
        snprintf(path, sizeof path, "%s/%s", zone_dir, names[i]);
        unlink(path);
    }
    rmdir(zone_dir);
    unsetenv("TZDIR");
    shanghai();
}

START_TEST(a_zone_is_taken_when_its_offset_never_changed_since_2010)
{
    char text[CALTIME_TEXT];
    make_zone_dir();
    ck_assert(result_ok(caltime_set_zone("Nine")));
    ck_assert_str_eq(caltime_format_iso(0, text), "1970-01-01T09:00:00+09:00");
    ck_assert(result_ok(caltime_set_zone("Early")));
    ck_assert_int_eq(caltime_offset_seconds(), 28800);
    ck_assert(result_ok(caltime_set_zone("West")));
    ck_assert_str_eq(caltime_format_iso(0, text), "1969-12-31T20:30:00-03:30");
    ck_assert_int_eq(at(text), 0);
    ck_assert_str_eq(caltime_format(period_start(GRAN_DAY, 0), text), "1969-12-31 00:00:00");
    drop_zone_dir();
}
END_TEST

START_TEST(a_zone_that_changes_or_does_not_exist_is_refused_and_changes_nothing)
{
    static const char *const refused[] = {"Late",           "Odd", "None",  "",      "../Nine",
                                          "/etc/localtime", ".",   ":Nine", "Nine\n"};
    make_zone_dir();
    ck_assert(result_ok(caltime_set_zone("Nine")));
    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        ck_assert_msg(caltime_set_zone(refused[i]).kind == ERR_SENDER, "\"%s\" was taken", refused[i]);
        ck_assert_str_eq(caltime_zone(), "Nine");
        ck_assert_int_eq(caltime_offset_seconds(), 32400);
    }
    ck_assert_int_eq(caltime_set_zone(NULL).kind, ERR_SENDER);
    drop_zone_dir();
}
END_TEST

START_TEST(shanghai_needs_no_tzdata)
{
    make_zone_dir(); /* a folder without Asia/Shanghai */
    ck_assert(result_ok(caltime_set_zone("Nine")));
    ck_assert(result_ok(caltime_set_zone("Asia/Shanghai")));
    ck_assert_int_eq(caltime_offset_seconds(), 28800);
    drop_zone_dir();
}
END_TEST

START_TEST(checking_a_zone_leaves_the_environment_as_it_was)
{
    make_zone_dir();
    setenv("TZ", "West", 1);
    tzset();
    ck_assert(result_ok(caltime_set_zone("Nine")));
    ck_assert_str_eq(getenv("TZ"), "West");
    time_t zero = 0;
    struct tm tm;
    localtime_r(&zero, &tm);
    ck_assert_int_eq(tm.tm_gmtoff, -(3 * 3600 + 1800));
    unsetenv("TZ");
    tzset();
    ck_assert(result_ok(caltime_set_zone("Nine")));
    ck_assert_ptr_null(getenv("TZ"));
    drop_zone_dir();
}
END_TEST

UNIT_MAIN("caltime", the_epoch_is_eight_in_the_morning_in_shanghai, civil_fields_agree_with_the_c_library_and_lead_back,
          every_date_of_four_centuries_exists_exactly_when_timegm_keeps_it,
          periods_tile_time_and_begin_where_the_calendar_says, known_periods_of_2026,
          the_three_forms_name_the_same_instant, no_other_text_is_a_time, what_is_written_reads_back_in_both_forms,
          granularities_have_the_names_of_the_contract, a_zone_is_taken_when_its_offset_never_changed_since_2010,
          a_zone_that_changes_or_does_not_exist_is_refused_and_changes_nothing, shanghai_needs_no_tzdata,
          checking_a_zone_leaves_the_environment_as_it_was)
