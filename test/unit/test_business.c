/* The business rules: one table of records against one small configuration. */
#include "unit.h"

#include <stdio.h>
#include <string.h>

#include "base/caltime.h"
#include "base/mem.h"
#include "payload/datacode.h"
#include "validate/business.h"

#define SUM_CODE "0000000002330011"     /* 15 minutes, bounds 0.5 to 100 */
#define MEAN_CODE "0100000010000180"    /* 1 minute, process */
#define COUNTER_CODE "0101020302330020" /* hour, equipment */
#define RETIRED_CODE "0000000002330099"
#define DAY_CODE "0000000002330012" /* day, month and year only */

static struct item items[16];
static struct item *slots[16];
static struct unit unit;

static struct item *add(int slot, const char *code, int stat_type, enum aggregation aggregation, int period)
{
    struct item *item = &items[unit.item_count++];
    *item = (struct item){.slot = slot,
                          .stat_type = (int8_t)stat_type,
                          .aggregation = (int8_t)aggregation,
                          .scope = (int8_t)datacode_scope(code),
                          .input_type = 4,
                          .active = true,
                          .period = period,
                          .counter_max = DECIMAL_UNSET,
                          .value_min = DECIMAL_UNSET,
                          .value_max = DECIMAL_UNSET,
                          .name = "电力",
                          .unit = ""};
    strcpy(item->data_code, code);
    slots[slot] = item;
    return item;
}

/* Sorted by code and statType; the slots stand in another order. */
static void make_unit(void)
{
    ck_assert(result_ok(caltime_set_zone("Asia/Shanghai")));
    memset(&unit, 0, sizeof unit);
    struct item *sum = add(4, SUM_CODE, 0, AGG_SUM, 900);
    sum->value_min = DECIMAL_SCALE / 2;
    sum->value_max = 100 * DECIMAL_SCALE;
    add(0, DAY_CODE, 1, AGG_SUM, 900);
    add(1, DAY_CODE, 2, AGG_SUM, 900);
    add(2, DAY_CODE, 3, AGG_MEAN, 900);
    add(3, RETIRED_CODE, 0, AGG_SUM, 900)->active = false;
    add(5, MEAN_CODE, 0, AGG_MEAN, 60);
    add(6, COUNTER_CODE, 0, AGG_COUNTER, 3600);
    unit.items = items;
    unit.by_slot = slots;
    unit.slot_count = 7;
}

static int64_t instant(const char *text)
{
    int64_t us;
    ENSURE_MSG(caltime_parse(text, strlen(text), &us), "%s", text);
    return us;
}

static struct record make_record(const char *code, int stat_type, const char *date, const char *value)
{
    int scope = strlen(code) == DATACODE_LEN ? datacode_scope(code) : 1;
    return (struct record){.data_code = code,
                           .data_value = value,
                           .stat_date = date,
                           .data_code_len = (uint16_t)strlen(code),
                           .data_value_len = (uint16_t)strlen(value),
                           .stat_date_len = (uint16_t)strlen(date),
                           .stat_type = (int8_t)stat_type,
                           .scope = (int8_t)(scope ? scope : 1),
                           .input_type = 4,
                           .valid = true,
                           .line = 17};
}

struct outcome {
    struct arena *arena;
    struct findings findings;
    struct business_result result;
};

static struct outcome check(struct record *records, size_t count)
{
    struct outcome o = {.arena = arena_new(0)};
    const struct business_context ctx = {
        .now = instant("2026-11-20 10:16:02"), .future_ms = 300000, .earliest = instant("2010-01-01 00:00:00")};
    const struct energy_data block = {.records = records, .count = count};
    findings_init(&o.findings, o.arena);
    business_check(&ctx, &unit, &block, 3, 100, &o.findings, o.arena, &o.result);
    return o;
}

/* The code of the only finding, 0 when there is none. */
static int code_of(struct record record)
{
    struct outcome o = check(&record, 1);
    const struct findings *f = &o.findings;
    ENSURE(f->count <= 1);
    int code = f->count ? f->at[0].code : 0;
    bool refused = code && f->at[0].severity == SEVERITY_ERROR;
    ENSURE(o.result.count == (refused ? 0 : 1) && o.result.rejected_count == (refused ? 1 : 0));
    if (code) {
        ENSURE(f->at[0].line == 17 && f->at[0].stat_type == record.stat_type);
        ENSURE(strcmp(f->at[0].data_code, record.data_code) == 0 && strcmp(f->at[0].stat_date, record.stat_date) == 0);
        ENSURE(strstr(f->at[0].message, "第17行") && strstr(f->at[0].message, "line 17"));
    }
    if (refused) {
        ENSURE(o.result.rejected[0] == 100);
    }
    arena_free(&o.arena);
    return code;
}

static const struct {
    int code;
    const char *data_code;
    int stat_type;
    const char *date, *value;
} RULED[] = {
    {0, SUM_CODE, 0, "2026-11-20 10:00:00", "12.3456"},
    {3101, "0000000002330013", 0, "2026-11-20 10:00:00", "1"},
    {3101, RETIRED_CODE, 0, "2026-11-20 10:00:00", "1"},
    {3101, RETIRED_CODE, 1, "2026-11-20 00:00:00", "1"},
    {3304, SUM_CODE, 1, "2026-11-20 00:00:00", "1"},
    {3304, DAY_CODE, 0, "2026-11-20 10:00:00", "1"},
    {3102, "", 0, "2026-11-20 10:00:00", "1"},
    {3102, "00-00-0000023400-80", 0, "2026-11-20 10:00:00", "1"},
    {3201, SUM_CODE, 0, "2026-11-20 10:00:00", ""},
    {3201, SUM_CODE, 0, "2026-11-20 10:00:00", "1e3"},
    {3201, SUM_CODE, 0, "2026-11-20 10:00:00", "1,000"},
    {3201, SUM_CODE, 0, "2026-11-20 10:00:00", "NaN"},
    {3201, SUM_CODE, 0, "2026-11-20 10:00:00", " 1"},
    {3201, SUM_CODE, 0, "2026-11-20 10:00:00", "１"},
    {3202, SUM_CODE, 0, "2026-11-20 10:00:00", "0.499999"},
    {0, SUM_CODE, 0, "2026-11-20 10:00:00", "0.5"},
    {0, SUM_CODE, 0, "2026-11-20 10:00:00", "100"},
    {3202, SUM_CODE, 0, "2026-11-20 10:00:00", "100.000001"},
    {3203, SUM_CODE, 0, "2026-11-20 10:00:00", "100.0000005"}, /* judged after rounding, half to even */
    {3202, SUM_CODE, 0, "2026-11-20 10:00:00", "100.0000015"},
    {3206, SUM_CODE, 0, "2026-11-20 10:00:00", "-1"},
    {3206, COUNTER_CODE, 0, "2026-11-20 10:00:00", "-0.000001"},
    {3203, COUNTER_CODE, 0, "2026-11-20 10:00:00", "-0.0000001"}, /* zero once rounded */
    {0, MEAN_CODE, 0, "2026-11-20 10:00:00", "-0.000001"},
    {0, MEAN_CODE, 0, "2026-11-20 10:00:00", "-999999999.999999"},
    {3202, MEAN_CODE, 0, "2026-11-20 10:00:00", "-1000000000"},
    {3202, MEAN_CODE, 0, "2026-11-20 10:00:00", "1000000000"},
    {3202, MEAN_CODE, 0, "2026-11-20 10:00:00", "999999999.9999999"},
    {0, COUNTER_CODE, 0, "2026-11-20 10:00:00", "999999999999.999999"},
    {3202, COUNTER_CODE, 0, "2026-11-20 10:00:00", "1000000000000"},
    {3202, COUNTER_CODE, 0, "2026-11-20 10:00:00", "99999999999999999999999999999"},
    {3202, DAY_CODE, 1, "2026-11-20 00:00:00", "1000000000"},
    {3203, MEAN_CODE, 0, "2026-11-20 10:00:00", "1.2345678"},
    {0, MEAN_CODE, 0, "2026-11-20 10:00:00", "1.23456700"},
    {3301, SUM_CODE, 0, "", "1"},
    {3301, SUM_CODE, 0, "2026-11-31 10:00:00", "1"},
    {3301, SUM_CODE, 0, "2026/11/20 10:00:00", "1"},
    {3301, SUM_CODE, 0, "2026-11-20T10:00:00", "1"},
    {3301, SUM_CODE, 0, "2026-11-20 24:00:00", "1"},
    {3301, SUM_CODE, 0, "2026-11-20 10:01:00", "1"},
    {3301, SUM_CODE, 0, "2026-11-20 10:00:01", "1"},
    {3301, SUM_CODE, 0, "2026-11-20 09:59:59", "1"},
    {0, MEAN_CODE, 0, "2026-11-20 10:01:00", "1"},
    {3301, MEAN_CODE, 0, "2026-11-20 10:01:30", "1"},
    {3301, COUNTER_CODE, 0, "2026-11-20 09:30:00", "1"},
    {0, SUM_CODE, 0, "20261120100000", "1"},
    {0, SUM_CODE, 0, "2026-11-20T02:00:00Z", "1"},
    {0, SUM_CODE, 0, "2026-11-20T05:30:00+05:30", "1"},
    {3301, COUNTER_CODE, 0, "2026-11-20T00:00:00+05:30", "1"},
    {0, DAY_CODE, 1, "2026-11-20 00:01:00", "1"},
    {3301, DAY_CODE, 1, "2026-11-20 00:01:01", "1"},
    {0, DAY_CODE, 1, "2026-11-18 23:59:00", "1"},
    {3301, DAY_CODE, 1, "2026-11-18 23:58:59", "1"},
    {3301, DAY_CODE, 1, "2026-11-20 12:00:00", "1"},
    {0, DAY_CODE, 2, "2026-11-01 00:00:00", "1"},
    {3301, DAY_CODE, 2, "2026-11-02 00:00:00", "1"},
    {0, DAY_CODE, 3, "2026-01-01 00:00:30", "1"},
    {3301, DAY_CODE, 3, "2026-02-01 00:00:00", "1"},
    {0, MEAN_CODE, 0, "2026-11-20 10:21:00", "1"}, /* 4:58 ahead */
    {3302, MEAN_CODE, 0, "2026-11-20 10:22:00", "1"},
    {3302, SUM_CODE, 0, "2126-11-20 10:15:00", "1"},
    {3302, DAY_CODE, 1, "2026-11-21 00:00:00", "1"},
    {3302, DAY_CODE, 1, "2026-11-20 23:59:30", "1"}, /* meant as tomorrow's */
    {3302, DAY_CODE, 2, "2026-12-01 00:00:00", "1"},
    {3302, DAY_CODE, 3, "2027-01-01 00:00:00", "1"},
    {0, SUM_CODE, 0, "2010-01-01 00:00:00", "1"},
    {3303, SUM_CODE, 0, "2009-12-31 23:45:00", "1"},
    {3303, SUM_CODE, 0, "1969-12-31 23:45:00", "1"},
    {3303, SUM_CODE, 0, "1970-01-01 00:00:00", "1"},
    {0, DAY_CODE, 1, "2009-12-31 23:59:30", "1"}, /* 2010-01-01 */
    {3303, DAY_CODE, 3, "2009-01-01 00:00:00", "1"},
};

START_TEST(each_rule_gives_its_code_with_line_code_and_date)
{
    make_unit();
    for (size_t i = 0; i < ARRAY_LEN(RULED); i++) {
        int code = code_of(make_record(RULED[i].data_code, RULED[i].stat_type, RULED[i].date, RULED[i].value));
        ck_assert_msg(code == RULED[i].code, "row %zu (%s %s): %d, not %d", i, RULED[i].date, RULED[i].value, code,
                      RULED[i].code);
    }
}
END_TEST

START_TEST(the_scope_must_agree_with_the_zero_segments)
{
    make_unit();
    struct record r = make_record(SUM_CODE, 0, "2026-11-20 10:00:00", "1");
    for (int scope = 1; scope <= 4; scope++) {
        r.scope = (int8_t)scope;
        ck_assert_int_eq(code_of(r), scope == 1 ? 0 : 3103);
    }
    for (int scope = 1; scope <= 4; scope++) { /* a code that skips a level agrees with none */
        r = make_record("0000010102330011", 0, "2026-11-20 10:00:00", "1");
        r.scope = (int8_t)scope;
        ck_assert_int_eq(code_of(r), 3103);
    }
}
END_TEST

START_TEST(a_record_with_several_faults_gets_the_first_one_only)
{
    make_unit();
    struct record r = make_record("x", 0, "never", "much");
    ck_assert_int_eq(code_of(r), 3102);
    r = make_record("0000000002330013", 0, "never", "much");
    ck_assert_int_eq(code_of(r), 3101);
    r = make_record(SUM_CODE, 0, "never", "much");
    ck_assert_int_eq(code_of(r), 3201);
    r = make_record(SUM_CODE, 0, "never", "1.23456789");
    ck_assert_int_eq(code_of(r), 3301); /* and no warning about a value that is not kept */
}
END_TEST

START_TEST(accepted_readings_carry_item_time_value_and_flags)
{
    make_unit();
    struct record records[] = {
        make_record(SUM_CODE, 0, "2026-11-20 10:00:00", "12.3456785"),
        make_record("x", 0, "2026-11-20 10:00:00", "1"),
        make_record("01-00-0000-100001-80", 0, "2026-11-20 10:07:00", "-3"),
        make_record(DAY_CODE, 2, "2026-10-31 23:59:10", "7"),
        make_record(SUM_CODE, 0, "2026-11-20 10:15:00", "-7"),
    };
    records[0].valid = false;
    records[2].input_type = 5;
    records[2].scope = 2;
    struct outcome o = check(records, ARRAY_LEN(records));
    ck_assert_uint_eq(o.result.count, 3);
    ck_assert_uint_eq(o.result.rejected_count, 2);
    ck_assert_int_eq(o.result.rejected[0], 101);
    ck_assert_int_eq(o.result.rejected[1], 104);
    const struct reading *r = o.result.readings;
    ck_assert_ptr_eq(r[0].record, &records[0]);
    ck_assert_ptr_eq(r[0].item, slots[4]);
    ck_assert_int_eq(r[0].ts, instant("2026-11-20 10:00:00"));
    ck_assert_int_eq(r[0].value, 12345678); /* half to even */
    ck_assert_int_eq(r[0].flag, FLAG_INVALID);
    ck_assert_uint_eq(r[0].block, 3);
    ck_assert_uint_eq(r[0].ordinal, 100);
    ck_assert_ptr_eq(r[1].item, slots[5]);
    ck_assert_int_eq(r[1].value, -3000000);
    ck_assert_int_eq(r[1].flag, 5 << FLAG_INPUT_SHIFT);
    ck_assert_uint_eq(r[1].ordinal, 102);
    ck_assert_ptr_eq(r[2].item, slots[1]);
    ck_assert_int_eq(r[2].ts, instant("2026-11-01 00:00:00")); /* the exact start */
    ck_assert_int_eq(r[2].flag, 0);
    ck_assert_uint_eq(o.findings.warnings, 1);
    ck_assert_uint_eq(o.findings.errors, 2);
    arena_free(&o.arena);
}
END_TEST

START_TEST(results_of_several_blocks_follow_each_other)
{
    make_unit();
    struct arena *arena = arena_new(0);
    struct findings findings;
    struct business_result result = {0};
    const struct business_context ctx = {.now = instant("2026-11-20 10:16:02"), .future_ms = 300000};
    findings_init(&findings, arena);
    struct record records[] = {make_record(SUM_CODE, 0, "2026-11-20 10:00:00", "1"),
                               make_record("x", 0, "2026-11-20 10:00:00", "1")};
    const struct energy_data block = {.records = records, .count = 2};
    for (uint32_t i = 0; i < 50; i++) {
        business_check(&ctx, &unit, &block, i, 2 * i, &findings, arena, &result);
    }
    ck_assert_uint_eq(result.count, 50);
    ck_assert_uint_eq(result.rejected_count, 50);
    for (uint32_t i = 0; i < 50; i++) {
        ENSURE(result.readings[i].block == i && result.readings[i].ordinal == 2 * i);
        ENSURE(result.rejected[i] == (int32_t)(2 * i + 1));
    }
    arena_free(&arena);
}
END_TEST

/* Items found by guess and by search must be the same ones, in whatever order the records come. */
START_TEST(every_order_of_records_finds_every_item)
{
    make_unit();
    unsigned state = 7;
    for (int round = 0; round < 2000; round++) {
        struct record records[12];
        const struct item *expected[12];
        for (size_t i = 0; i < ARRAY_LEN(records); i++) {
            state = state * 1103515245u + 12345u;
            const struct item *item = &items[(state >> 16) % unit.item_count];
            item = item->active ? item : &items[0];
            expected[i] = item;
            records[i] = make_record(item->data_code, item->stat_type,
                                     item->stat_type == 3 ? "2026-01-01 00:00:00" : "2026-11-01 00:00:00", "1");
        }
        struct outcome o = check(records, ARRAY_LEN(records));
        ENSURE(o.result.count == ARRAY_LEN(records));
        for (size_t i = 0; i < ARRAY_LEN(records); i++) {
            ENSURE(o.result.readings[i].item == expected[i]);
        }
        arena_free(&o.arena);
    }
}
END_TEST

START_TEST(an_enterprise_without_items_refuses_each_record)
{
    make_unit();
    unit.item_count = 0;
    unit.slot_count = 0;
    ck_assert_int_eq(code_of(make_record(SUM_CODE, 0, "2026-11-20 10:00:00", "1")), 3101);
}
END_TEST

START_TEST(a_hundred_thousand_bad_records_are_all_refused_and_a_thousand_reported)
{
    make_unit();
    size_t n = 100000;
    struct record *records = mem_array(n, sizeof *records);
    for (size_t i = 0; i < n; i++) {
        records[i] = make_record("x", 0, "2026-11-20 10:00:00", "1");
    }
    struct outcome o = check(records, n);
    ck_assert_uint_eq(o.result.rejected_count, n);
    ck_assert_uint_eq(o.findings.count, FINDINGS_MAX);
    ck_assert_uint_eq(o.findings.dropped, n - FINDINGS_MAX);
    ck_assert_uint_eq(o.findings.errors, n);
    arena_free(&o.arena);
    mem_free(records);
}
END_TEST

START_TEST(long_texts_of_the_sender_are_cut_in_findings)
{
    make_unit();
    char *code = mem_alloc(60001);
    memset(code, '7', 60000);
    struct record r = make_record(code, 0, "2026-11-20 10:00:00", "1");
    struct outcome o = check(&r, 1);
    ck_assert_int_eq(o.findings.at[0].code, 3102);
    ck_assert(strlen(o.findings.at[0].message) < 1000 && strlen(o.findings.at[0].data_code) < 50);
    arena_free(&o.arena);
    mem_free(code);
}
END_TEST

UNIT_MAIN("business", each_rule_gives_its_code_with_line_code_and_date, the_scope_must_agree_with_the_zero_segments,
          a_record_with_several_faults_gets_the_first_one_only, accepted_readings_carry_item_time_value_and_flags,
          results_of_several_blocks_follow_each_other, every_order_of_records_finds_every_item,
          an_enterprise_without_items_refuses_each_record,
          a_hundred_thousand_bad_records_are_all_refused_and_a_thousand_reported,
          long_texts_of_the_sender_are_cut_in_findings)
