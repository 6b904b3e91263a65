#include "unit.h"

#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "payload/finding.h"

/* Contract section 5, written down a second time. */
static const struct {
    int code;
    enum finding_level level;
    enum finding_severity severity;
    bool retryable;
} CONTRACT[] = {
    {0, LEVEL_PLATFORM, SEVERITY_WARNING, false},         {2, LEVEL_PLATFORM, SEVERITY_WARNING, false},
    {1101, LEVEL_NETWORK, SEVERITY_ERROR, false},         {1102, LEVEL_NETWORK, SEVERITY_ERROR, false},
    {1103, LEVEL_NETWORK, SEVERITY_ERROR, false},         {1104, LEVEL_NETWORK, SEVERITY_ERROR, false},
    {1105, LEVEL_NETWORK, SEVERITY_ERROR, false},         {1106, LEVEL_NETWORK, SEVERITY_ERROR, true},
    {1107, LEVEL_NETWORK, SEVERITY_ERROR, false},         {2101, LEVEL_COMMUNICATION, SEVERITY_ERROR, false},
    {2102, LEVEL_COMMUNICATION, SEVERITY_ERROR, false},   {2103, LEVEL_COMMUNICATION, SEVERITY_ERROR, false},
    {2104, LEVEL_COMMUNICATION, SEVERITY_ERROR, false},   {2105, LEVEL_COMMUNICATION, SEVERITY_ERROR, false},
    {2106, LEVEL_COMMUNICATION, SEVERITY_ERROR, false},   {2107, LEVEL_COMMUNICATION, SEVERITY_ERROR, false},
    {2108, LEVEL_COMMUNICATION, SEVERITY_WARNING, false}, {2109, LEVEL_COMMUNICATION, SEVERITY_ERROR, false},
    {2110, LEVEL_COMMUNICATION, SEVERITY_WARNING, false}, {2111, LEVEL_COMMUNICATION, SEVERITY_ERROR, false},
    {2112, LEVEL_COMMUNICATION, SEVERITY_ERROR, false},   {3101, LEVEL_BUSINESS, SEVERITY_ERROR, false},
    {3102, LEVEL_BUSINESS, SEVERITY_ERROR, false},        {3103, LEVEL_BUSINESS, SEVERITY_ERROR, false},
    {3104, LEVEL_BUSINESS, SEVERITY_ERROR, false},        {3201, LEVEL_BUSINESS, SEVERITY_ERROR, false},
    {3202, LEVEL_BUSINESS, SEVERITY_ERROR, false},        {3203, LEVEL_BUSINESS, SEVERITY_WARNING, false},
    {3204, LEVEL_BUSINESS, SEVERITY_SUSPECT, false},      {3205, LEVEL_BUSINESS, SEVERITY_SUSPECT, false},
    {3206, LEVEL_BUSINESS, SEVERITY_ERROR, false},        {3207, LEVEL_BUSINESS, SEVERITY_SUSPECT, false},
    {3301, LEVEL_BUSINESS, SEVERITY_ERROR, false},        {3302, LEVEL_BUSINESS, SEVERITY_ERROR, false},
    {3303, LEVEL_BUSINESS, SEVERITY_ERROR, false},        {3304, LEVEL_BUSINESS, SEVERITY_ERROR, false},
    {3401, LEVEL_BUSINESS, SEVERITY_SUSPECT, false},      {3402, LEVEL_BUSINESS, SEVERITY_WARNING, false},
    {3501, LEVEL_BUSINESS, SEVERITY_ERROR, false},        {9101, LEVEL_PLATFORM, SEVERITY_ERROR, true},
    {9102, LEVEL_PLATFORM, SEVERITY_ERROR, true},
};

static bool has_chinese(const char *text)
{
    for (; *text; text++) {
        if ((unsigned char)*text >= 0xE4 && (unsigned char)*text <= 0xE9) {
            return true;
        }
    }
    return false;
}

START_TEST(the_table_is_section_5_of_the_contract)
{
    size_t count;
    const struct code_row *rows = code_table(&count);
    ck_assert_uint_eq(count, ARRAY_LEN(CONTRACT));
    for (size_t i = 0; i < count; i++) {
        ck_assert_int_eq(rows[i].code, CONTRACT[i].code);
        ck_assert_msg(rows[i].level == CONTRACT[i].level && rows[i].severity == CONTRACT[i].severity &&
                          rows[i].retryable == CONTRACT[i].retryable,
                      "row %d", rows[i].code);
        ck_assert_ptr_eq(code_find(rows[i].code), &rows[i]);
    }
}
END_TEST

START_TEST(no_other_number_is_a_code)
{
    static const int OTHERS[] = {-1, 1, 3, 1100, 1108, 2100, 2113, 3100, 3105, 3502, 9100, 9103, 100000};
    for (size_t i = 0; i < ARRAY_LEN(OTHERS); i++) {
        ck_assert_ptr_null(code_find(OTHERS[i]));
    }
}
END_TEST

START_TEST(every_row_speaks_chinese_and_english_and_says_what_to_do)
{
    size_t count;
    const struct code_row *rows = code_table(&count);
    for (size_t i = 0; i < count; i++) {
        ck_assert_msg(has_chinese(rows[i].zh) && utf8_valid(rows[i].zh, strlen(rows[i].zh)), "%d", rows[i].code);
        ck_assert_msg(rows[i].en[0] && !has_chinese(rows[i].en), "%d", rows[i].code);
        if (rows[i].code != 0) { /* nothing to do about success */
            ck_assert_msg(has_chinese(rows[i].zh_do) && rows[i].en_do[0] && !has_chinese(rows[i].en_do), "%d",
                          rows[i].code);
        }
    }
}
END_TEST

START_TEST(a_message_has_meaning_detail_and_advice_chinese_first)
{
    struct arena *a = arena_new(0);
    const struct code_row *row = code_find(3201);
    char *expected =
        arena_printf(a, "%s：第7行；处理：%s / %s: line 7; do: %s", row->zh, row->zh_do, row->en, row->en_do);
    ck_assert_str_eq(code_message(a, 3201, "第7行", "line 7"), expected);
    expected = arena_printf(a, "%s；处理：%s / %s; do: %s", row->zh, row->zh_do, row->en, row->en_do);
    ck_assert_str_eq(code_message(a, 3201, NULL, NULL), expected);
    ck_assert_str_eq(code_message(a, 0, NULL, NULL), "已接收 / accepted");
    arena_free(&a);
}
END_TEST

START_TEST(findings_are_counted_by_severity)
{
    struct arena *a = arena_new(0);
    struct findings f;
    findings_init(&f, a);
    finding_add(&f, 3201, NULL, NULL);
    finding_add(&f, 3203, NULL, NULL);
    finding_add(&f, 3204, NULL, NULL);
    finding_add(&f, 3206, NULL, NULL);
    ck_assert_uint_eq(f.errors, 2);
    ck_assert_uint_eq(f.warnings, 1);
    ck_assert_uint_eq(f.suspects, 1);
    ck_assert_uint_eq(f.count, 4);
    ck_assert_int_eq(f.at[2].code, 3204);
    ck_assert_int_eq(f.at[2].stat_type, -1);
    ck_assert_int_eq(f.at[2].severity, SEVERITY_SUSPECT);
    arena_free(&a);
}
END_TEST

START_TEST(beyond_a_thousand_findings_are_counted_and_cost_no_memory)
{
    struct arena *a = arena_new(0);
    struct findings f;
    findings_init(&f, a);
    for (int i = 0; i < FINDINGS_MAX; i++) {
        ENSURE(!findings_full(&f));
        finding_add(&f, 3101, "x", "x")->line = i + 1;
    }
    ck_assert(findings_full(&f));
    finding_add(&f, 3101, NULL, NULL)->line = -1;
    size_t used = arena_used(a);
    for (int i = 0; i < 100000; i++) {
        finding_add(&f, 3101, NULL, NULL)->line = -1;
    }
    ck_assert_uint_eq(arena_used(a), used);
    ck_assert_uint_eq(f.count, FINDINGS_MAX);
    ck_assert_uint_eq(f.dropped, 100001);
    ck_assert_uint_eq(f.errors, FINDINGS_MAX + 100001);
    ck_assert_int_eq(f.at[FINDINGS_MAX - 1].line, FINDINGS_MAX);
    arena_free(&a);
}
END_TEST

START_TEST(an_excerpt_ends_between_characters)
{
    struct arena *a = arena_new(0);
    ck_assert_str_eq(finding_excerpt(a, "12.5"), "12.5");
    /* 39 bytes and a character of three: it does not fit into 40 */
    const char *cut = finding_excerpt(a, "123456789012345678901234567890123456789水水");
    ck_assert_str_eq(cut, "123456789012345678901234567890123456789…");
    arena_free(&a);
}
END_TEST

START_TEST(levels_and_severities_have_the_names_of_the_wire)
{
    ck_assert_str_eq(finding_level_name(LEVEL_NETWORK), "network");
    ck_assert_str_eq(finding_level_name(LEVEL_COMMUNICATION), "communication");
    ck_assert_str_eq(finding_level_name(LEVEL_BUSINESS), "business");
    ck_assert_str_eq(finding_severity_name(SEVERITY_WARNING), "warning");
    ck_assert_str_eq(finding_severity_name(SEVERITY_SUSPECT), "suspect");
    ck_assert_str_eq(finding_severity_name(SEVERITY_ERROR), "error");
}
END_TEST

START_TEST(a_text_in_both_languages_goes_into_both_halves)
{
    struct arena *a = arena_new(0);
    struct findings f;
    findings_init(&f, a);
    const char *told = code_message_of(a, 1104, "企业已停用 / enterprise is suspended");
    const char *middle = strstr(told, " / ");
    ck_assert_ptr_nonnull(middle);
    ck_assert_ptr_nonnull(strstr(told, "：企业已停用"));
    ck_assert(strstr(told, "企业已停用") < middle && strstr(middle, ": enterprise is suspended") != NULL);
    ck_assert_ptr_null(strstr(middle, "企业已停用"));
    ck_assert_str_eq(finding_add_text(&f, 1104, "企业已停用 / enterprise is suspended")->message, told);
    ck_assert_str_eq(code_message_of(a, 1104, "a / b"), code_message(a, 1104, NULL, "a / b"));
    ck_assert_str_eq(code_message_of(a, 1104, NULL), code_message(a, 1104, NULL, NULL));
    arena_free(&a);
}
END_TEST

START_TEST(a_result_for_people_has_chinese_first_and_english_behind)
{
    struct arena *a = arena_new(0);
    ck_assert_str_eq(result_message(a, result_error(ERR_NOT_FOUND, 0, "没有 / none")), "没有 / none");
    ck_assert_str_eq(result_message(a, result_error(ERR_TRANSIENT, 0, "no answer")),
                     "暂时不可用，请稍后再试 / no answer");
    ck_assert_str_eq(
        result_message(a, result_error(ERR_TRANSIENT, 9102, "no socket")),
        "平台数据库暂不可用 / the platform's database is unavailable: no socket"); /* no messageId to resend here */
    const char *told = result_message(a, result_error(ERR_LIMIT, 1107, "ask in parts"));
    ck_assert_ptr_nonnull(strstr(told, ": ask in parts"));
    ck_assert_int_ge((unsigned char)*told, 0xe4);
    arena_free(&a);
}
END_TEST

UNIT_MAIN("finding", a_text_in_both_languages_goes_into_both_halves,
          a_result_for_people_has_chinese_first_and_english_behind, the_table_is_section_5_of_the_contract,
          no_other_number_is_a_code, every_row_speaks_chinese_and_english_and_says_what_to_do,
          a_message_has_meaning_detail_and_advice_chinese_first, findings_are_counted_by_severity,
          beyond_a_thousand_findings_are_counted_and_cost_no_memory, an_excerpt_ends_between_characters,
          levels_and_severities_have_the_names_of_the_wire)
