#include "unit.h"

#include <string.h>

#include "base/mem.h"
#include "validate/communication.h"

#define STEEL "91420100000000000U"
#define GLASS "91110000100000000R"

static struct findings findings;
static struct arena *arena;

static int check(const struct energy_data_set *set, const char *enterprise, const char *device, const char *platform)
{
    findings_init(&findings, arena);
    return communication_check_data(set, enterprise, device, platform, &findings).code;
}

START_TEST(a_device_sends_its_own_data_or_gets_2111_with_the_line)
{
    arena = arena_new(0);
    struct energy_data block = {.enterprise_code = STEEL, .device_id = "0f0e", .line = 3};
    struct energy_data_set set = {.at = &block, .count = 1};
    ck_assert_int_eq(check(&set, STEEL, "0f0e", NULL), 0);
    ck_assert_int_eq(check(&set, STEEL, "0F0E", NULL), 0);
    ck_assert_int_eq(check(&set, NULL, NULL, NULL), 0);
    ck_assert_uint_eq(findings.count, 0);
    ck_assert_int_eq(check(&set, GLASS, "0f0e", NULL), 2111);
    ck_assert_uint_eq(findings.count, 1);
    ck_assert_int_eq(findings.at[0].code, 2111);
    ck_assert_int_eq(findings.at[0].line, 3);
    ck_assert(strstr(findings.at[0].message, STEEL) && strstr(findings.at[0].message, GLASS));
    ck_assert_int_eq(check(&set, STEEL, "0f0d", NULL), 2111);
    block.device_id = "";
    ck_assert_int_eq(check(&set, STEEL, "0f0e", NULL), 2111);
    arena_free(&arena);
}
END_TEST

START_TEST(a_set_is_held_against_the_platform_code_only)
{
    arena = arena_new(0);
    struct energy_data block = {.enterprise_code = STEEL, .device_id = ""};
    struct energy_data_set set = {.platform_code = "420000", .at = &block, .count = 1, .line = 2};
    ck_assert_int_eq(check(&set, NULL, NULL, "420000"), 0);
    ck_assert_int_eq(check(&set, NULL, NULL, "430000"), 2111);
    ck_assert_int_eq(findings.at[0].line, 2);
    arena_free(&arena);
}
END_TEST

START_TEST(a_clock_is_off_by_more_than_five_minutes_not_by_five)
{
    ck_assert(!communication_clock_off(0));
    ck_assert(!communication_clock_off(300000) && !communication_clock_off(-300000));
    ck_assert(communication_clock_off(300001) && communication_clock_off(-300001));
}
END_TEST

UNIT_MAIN("communication", a_device_sends_its_own_data_or_gets_2111_with_the_line,
          a_set_is_held_against_the_platform_code_only, a_clock_is_off_by_more_than_five_minutes_not_by_five)
