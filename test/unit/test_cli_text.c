#include "unit.h"

#include <string.h>

#include "base/caltime.h"
#include "base/clock.h"
#include "base/mem.h"
#include "cli/args.h"
#include "cli/table.h"

static const struct arg_spec SPECS[] = {
    {"name", "NAME", "", false}, {"limit", "N", "", false}, {"json", NULL, "", false}, {"from", "TIME", "", false}};
static const struct arg_spec NEEDED[] = {{"out", "DIR", "", true}};

#define PARSE(args, min, max, ...)                                                                                     \
    parse(args, SPECS, ARRAY_LEN(SPECS), min, max, (const char *[]){__VA_ARGS__},                                      \
          (int)(sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *)))

static struct result parse(struct args *args, const struct arg_spec *specs, size_t count, int min, int max,
                           const char *const *argv, int argc)
{
    return args_parse(args, specs, (int)count, min, max, argc, argv);
}

START_TEST(options_and_words_may_be_mixed)
{
    struct args a;
    ck_assert(result_ok(PARSE(&a, 1, 2, "first", "--name", "钢厂", "second", "--json")));
    ck_assert_int_eq(a.word_count, 2);
    ck_assert_str_eq(a.words[1], "second");
    ck_assert_str_eq(args_text(&a, "name"), "钢厂");
    ck_assert(args_given(&a, "json"));
    ck_assert(!args_given(&a, "limit"));
}
END_TEST

START_TEST(a_value_may_follow_an_equals_sign_and_begin_with_dashes)
{
    struct args a;
    ck_assert(result_ok(PARSE(&a, 0, 0, "--name=a=b")));
    ck_assert_str_eq(args_text(&a, "name"), "a=b");
    ck_assert(result_ok(PARSE(&a, 0, 0, "--name", "--json")));
    ck_assert_str_eq(args_text(&a, "name"), "--json");
    ck_assert(!args_given(&a, "json"));
}
END_TEST

START_TEST(two_dashes_end_the_options)
{
    struct args a;
    ck_assert(result_ok(PARSE(&a, 1, 1, "--", "--json")));
    ck_assert_str_eq(a.words[0], "--json");
    ck_assert(!args_given(&a, "json"));
}
END_TEST

START_TEST(wrong_use_is_refused_with_its_word)
{
    struct args a;
    static const struct {
        const char *at[3];
        int count;
        const char *word;
    } CASES[] = {{{"--nmae", "x"}, 2, "--nmae"},
                 {{"--name"}, 1, "--name"},
                 {{"--json=1"}, 1, "--json"},
                 {{"a", "b"}, 2, "b"},
                 {{"--nam", "x"}, 2, "--nam"}};
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct result r = parse(&a, SPECS, ARRAY_LEN(SPECS), 0, 1, CASES[i].at, CASES[i].count);
        ck_assert_int_eq(r.kind, ERR_SENDER);
        ck_assert_msg(strstr(r.text, CASES[i].word) != NULL, "%s", r.text);
    }
    ck_assert(!result_ok(PARSE(&a, 2, 2, "one")));
}
END_TEST

START_TEST(a_needed_option_is_asked_for_by_name)
{
    struct args a;
    const char *argv[] = {"--out", "x"};
    struct result r = parse(&a, NEEDED, 1, 0, 0, argv, 0);
    ck_assert_int_eq(r.kind, ERR_SENDER);
    ck_assert_ptr_nonnull(strstr(r.text, "--out DIR"));
    ck_assert(result_ok(parse(&a, NEEDED, 1, 0, 0, argv, 2)));
}
END_TEST

START_TEST(numbers_are_whole_and_bounded)
{
    struct args a;
    int64_t n;
    ck_assert(result_ok(PARSE(&a, 0, 0, "--limit", "10")));
    ck_assert(result_ok(args_int(&a, "limit", 1, 10, 5, &n)));
    ck_assert_int_eq(n, 10);
    ck_assert(!result_ok(args_int(&a, "limit", 1, 9, 5, &n)));
    ck_assert(!result_ok(args_int(&a, "limit", 11, 20, 5, &n)));
    static const char *const BAD[] = {"", "1x", "x", "1.5", "99999999999999999999"};
    for (size_t i = 0; i < ARRAY_LEN(BAD); i++) {
        ck_assert(result_ok(PARSE(&a, 0, 0, "--limit", BAD[i])));
        ck_assert(!result_ok(args_int(&a, "limit", 0, INT64_MAX, 5, &n)));
    }
    ck_assert(result_ok(PARSE(&a, 0, 0, "--json")));
    ck_assert(result_ok(args_int(&a, "limit", 1, 9, 5, &n)));
    ck_assert_int_eq(n, 5);
}
END_TEST

START_TEST(times_may_be_a_day_or_a_month)
{
    static const struct {
        const char *text, *means;
    } CASES[] = {{"2024-03", "2024-03-01 00:00:00"},
                 {"2024-02-29", "2024-02-29 00:00:00"},
                 {"2024-02-29 12:30:00", "2024-02-29 12:30:00"},
                 {"2024-02-29T04:30:00Z", "2024-02-29 12:30:00"}};
    struct args a;
    int64_t us;
    char text[CALTIME_TEXT];
    ck_assert(result_ok(caltime_set_zone("Asia/Shanghai")));
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        ck_assert(result_ok(PARSE(&a, 0, 0, "--from", CASES[i].text)));
        ck_assert(result_ok(args_time(&a, "from", 0, &us)));
        ck_assert_str_eq(caltime_format(us, text), CASES[i].means);
    }
    static const char *const BAD[] = {"2023-02-29", "2024-13", "yesterday", "", "2024-02-29 25:00:00"};
    for (size_t i = 0; i < ARRAY_LEN(BAD); i++) {
        ck_assert(result_ok(PARSE(&a, 0, 0, "--from", BAD[i])));
        ck_assert(!result_ok(args_time(&a, "from", 0, &us)));
    }
}
END_TEST

START_TEST(a_span_begins_before_it_ends)
{
    ck_assert(result_ok(caltime_set_zone("Asia/Shanghai")));
    ck_assert(result_ok(args_span(1, 2)));
    ck_assert(!result_ok(args_span(2, 2)));
    struct result r = args_span(3, 2);
    ck_assert_int_eq(r.kind, ERR_SENDER);
    ck_assert_ptr_nonnull(strstr(r.text, "1970-01-01 08:00:00"));
}
END_TEST

START_TEST(chinese_counts_two_columns)
{
    ck_assert_int_eq(text_width(""), 0);
    ck_assert_int_eq(text_width("abc"), 3);
    ck_assert_int_eq(text_width("钢厂 a"), 6);
    ck_assert_int_eq(text_width("（，）"), 6);
    ck_assert_int_eq(text_width("é"), 1);
}
END_TEST

static const struct table_column COLUMNS[] = {{"code", "代码", false}, {"n", "数", true}, {"note", "note", false}};

static struct table *sample_table(void)
{
    struct table *t = table_new(COLUMNS, ARRAY_LEN(COLUMNS));
    table_text(t, "钢厂");
    table_int(t, 7);
    table_text(t, NULL);
    table_text(t, "a\"b");
    table_int(t, -12345);
    table_text(t, "x");
    return t;
}

START_TEST(columns_are_aligned_by_their_width)
{
    struct table *t = sample_table();
    struct buf out = BUF_INIT;
    table_print(t, false, &out);
    ck_assert_str_eq(buf_str(&out), "代码      数  note\n"
                                    "钢厂       7  \n"
                                    "a\"b   -12345  x\n");
    ck_assert_uint_eq(table_rows(t), 2);
    buf_free(&out);
    table_free(&t);
}
END_TEST

START_TEST(json_quotes_texts_and_leaves_numbers_bare)
{
    struct table *t = sample_table();
    struct buf out = BUF_INIT;
    table_print(t, true, &out);
    ck_assert_str_eq(buf_str(&out), "[\n {\"code\": \"钢厂\", \"n\": 7, \"note\": null},\n"
                                    " {\"code\": \"a\\\"b\", \"n\": -12345, \"note\": \"x\"}\n]\n");
    buf_free(&out);
    table_free(&t);
    t = table_new(COLUMNS, ARRAY_LEN(COLUMNS));
    table_print(t, true, &out);
    ck_assert_str_eq(buf_str(&out), "[]\n");
    buf_free(&out);
    table_free(&t);
}
END_TEST

UNIT_MAIN("cli_text", options_and_words_may_be_mixed, a_value_may_follow_an_equals_sign_and_begin_with_dashes,
          two_dashes_end_the_options, wrong_use_is_refused_with_its_word, a_needed_option_is_asked_for_by_name,
          numbers_are_whole_and_bounded, times_may_be_a_day_or_a_month, a_span_begins_before_it_ends,
          chinese_counts_two_columns, columns_are_aligned_by_their_width, json_quotes_texts_and_leaves_numbers_bare)
