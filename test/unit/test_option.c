#include "unit.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/option.h"

struct peer {
    char *name;
    char *url;
    int64_t weight;
};

struct options {
    char *listen;
    char *folder;
    char *mode;
    char *password;
    int64_t workers, body, idle;
    bool verbose;
    void *peers;
    size_t peer_count;
};

#define AT(member) .offset = offsetof(struct options, member)

static const struct option_row rows[] = {
    {.name = "listen", .type = OPT_STRING, AT(listen), .fallback = "127.0.0.1:8443", .help = "Address and port."},
    {.name = "folder", .type = OPT_PATH, AT(folder), .fallback = "state", .help = "Where files go."},
    {.name = "mode", .type = OPT_ENUM, AT(mode), .fallback = "city", .choices = "province|city|relay", .help = "Role."},
    {.name = "password", .type = OPT_STRING, AT(password), .fallback = "hunter2", .secret = true, .help = "A secret."},
    {.name = "workers", .type = OPT_INT, AT(workers), .fallback = "4", .min = 1, .max = 64, .help = "Threads."},
    {.name = "body",
     .type = OPT_SIZE,
     AT(body),
     .fallback = "32M",
     .min = 1024,
     .max = INT64_C(1) << 40,
     .help = "Limit."},
    {.name = "idle", .type = OPT_DURATION_MS, AT(idle), .fallback = "120s", .reloadable = true, .help = "Idle time."},
    {.name = "verbose", .type = OPT_BOOL, AT(verbose), .fallback = "no", .help = "Say more."},
};
static const struct option_row peer_rows[] = {
    {.name = "url", .type = OPT_STRING, .offset = offsetof(struct peer, url), .help = "Where."},
    {.name = "weight", .type = OPT_INT, .offset = offsetof(struct peer, weight), .fallback = "1", .help = "Share."},
};
static const struct option_section sections[] = {
    {.kind = "peer",
     .rows = peer_rows,
     .row_count = ARRAY_LEN(peer_rows),
     .size = sizeof(struct peer),
     .items_offset = offsetof(struct options, peers),
     .count_offset = offsetof(struct options, peer_count)},
};
static const struct option_set set = {.rows = rows,
                                      .row_count = ARRAY_LEN(rows),
                                      .sections = sections,
                                      .section_count = ARRAY_LEN(sections),
                                      .size = sizeof(struct options)};

static struct options load(const char *text, const char *dir)
{
    struct options o = {0};
    struct result r = option_load_text(&set, text, dir, &o);
    ck_assert_msg(result_ok(r), "%s", r.text);
    return o;
}

START_TEST(defaults_fill_what_the_file_leaves_out)
{
    struct options o = {0};
    ck_assert(result_ok(option_load(&set, NULL, &o)));
    ck_assert_str_eq(o.listen, "127.0.0.1:8443");
    ck_assert_str_eq(o.folder, "state");
    ck_assert_str_eq(o.mode, "city");
    ck_assert_int_eq(o.workers, 4);
    ck_assert_int_eq(o.body, 32 << 20);
    ck_assert_int_eq(o.idle, 120000);
    ck_assert(!o.verbose);
    ck_assert_uint_eq(o.peer_count, 0);
    option_free(&set, &o);
    ck_assert_ptr_null(o.listen);
}
END_TEST

START_TEST(a_file_is_read_with_comments_quotes_and_blanks)
{
    struct options o = load("\xef\xbb\xbf# 注释\r\n"
                            "  listen=0.0.0.0:1 # all\r\n"
                            "folder = \"a \\\"b\\\" # \\\\c \"  # path\n"
                            "\tmode\t=\trelay\n"
                            "\n"
                            "password = a#b=c\n"
                            "verbose = Yes",
                            NULL);
    ck_assert_str_eq(o.listen, "0.0.0.0:1");
    ck_assert_str_eq(o.folder, "a \"b\" # \\c ");
    ck_assert_str_eq(o.mode, "relay");
    ck_assert_str_eq(o.password, "a#b=c");
    ck_assert(o.verbose);
    option_free(&set, &o);
}
END_TEST

START_TEST(sizes_and_times_have_suffixes)
{
    static const struct {
        const char *text;
        int64_t body, idle;
    } cases[] = {
        {"body=2048\nidle=7", 2048, 7},
        {"body=64K\nidle=500ms", 65536, 500},
        {"body=64k\nidle=10s", 65536, 10000},
        {"body=1M\nidle=5m", 1 << 20, 300000},
        {"body=2G\nidle=2h", INT64_C(2) << 30, 7200000},
        {"body=+1 M\nidle=7 d", 1 << 20, 604800000},
        {"body=1M\nidle=2y", 1 << 20, INT64_C(2) * 366 * 86400000},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct options o = load(cases[i].text, NULL);
        ck_assert_int_eq(o.body, cases[i].body);
        ck_assert_int_eq(o.idle, cases[i].idle);
        option_free(&set, &o);
    }
}
END_TEST

START_TEST(sections_make_items_with_their_own_defaults)
{
    struct options o = load("workers = 2\n"
                            "[peer nation]\nurl = https://a\nweight = 3\n"
                            "[ peer  sister platform ] # comment\n"
                            "[peer third]\nurl=c\n",
                            NULL);
    const struct peer *peers = o.peers;
    ck_assert_int_eq(o.workers, 2);
    ck_assert_uint_eq(o.peer_count, 3);
    ck_assert_str_eq(peers[0].name, "nation");
    ck_assert_str_eq(peers[0].url, "https://a");
    ck_assert_int_eq(peers[0].weight, 3);
    ck_assert_str_eq(peers[1].name, "sister platform");
    ck_assert_str_eq(peers[1].url, "");
    ck_assert_int_eq(peers[1].weight, 1);
    ck_assert_str_eq(peers[2].url, "c");
    option_free(&set, &o);
    ck_assert_uint_eq(o.peer_count, 0);
}
END_TEST

struct bad_case {
    const char *text, *message;
};

static const struct bad_case bad_cases[] = {
    {"\nworkers = 65\n", "options:2: workers: 超出范围 / out of range 1..64"},
    {"workers = 0", "options:1: workers: 超出范围 / out of range 1..64"},
    {"workers = four", "options:1: workers: 须为整数 / expected a whole number"},
    {"workers = 4x", "options:1: workers: 须为整数 / expected a whole number"},
    {"workers = ", "options:1: workers: 须为整数 / expected a whole number"},
    {"workers = 99999999999999999999", "options:1: workers: 须为整数 / expected a whole number"},
    {"body = 9999999999999G", "options:1: body: 须为大小 / expected a size such as 512, 64K, 32M or 1G"},
    {"body = 1T", "options:1: body: 须为大小 / expected a size such as 512, 64K, 32M or 1G"},
    {"idle = 1 week", "options:1: idle: 须为时长 / expected a time such as 500ms, 10s, 5m, 1h or 7d"},
    {"verbose = maybe", "options:1: verbose: 须为 true 或 false / expected true or false"},
    {"mode = cit", "options:1: mode: 须为下列之一 / expected one of province|city|relay"},
    {"mode = city|relay", "options:1: mode: 须为下列之一 / expected one of province|city|relay"},
    {"mode =", "options:1: mode: 须为下列之一 / expected one of province|city|relay"},
    {"# x\n\nworker = 4", "options:3: 没有这个选项 / unknown option worker"},
    {"workers", "options:1: 须为 key = value / expected \"key = value\""},
    {"= 4", "options:1: 没有这个选项 / unknown option "},
    {"workers = 4\nworkers = 4", "options:2: workers: 重复 / given twice"},
    {"listen = \"x", "options:1: 缺少右引号 / closing quote is missing"},
    {"listen = \"x\" y", "options:1: 右引号后有多余内容 / text after the closing quote"},
    {"[peer]", "options:1: 小节 [peer] 缺少名称 / needs a name"},
    {"[pear x]", "options:1: 没有这种小节 / unknown section [pear]"},
    {"[peer x", "options:1: 须为 [kind name] / expected \"[kind name]\""},
    {"[", "options:1: 须为 [kind name] / expected \"[kind name]\""},
    {"[peer x]\n[peer x]", "options:2: 小节 [peer x] 重复 / given twice"},
    {"[peer x]\nworkers = 4", "options:2: 没有这个选项 / unknown option workers"},
    {"listen = \xb8\xd6\xb3\xa7", "options:1: 不是 UTF-8 / not UTF-8"},
};

START_TEST(a_bad_line_is_named_and_changes_nothing)
{
    for (size_t i = 0; i < ARRAY_LEN(bad_cases); i++) {
        struct options o, untouched;
        memset(&o, 0x5a, sizeof o);
        memset(&untouched, 0x5a, sizeof untouched);
        struct result r = option_load_text(&set, bad_cases[i].text, NULL, &o);
        ck_assert_int_eq(r.kind, ERR_SENDER);
        ck_assert_str_eq(r.text, bad_cases[i].message);
        ck_assert_mem_eq(&o, &untouched, sizeof o);
    }
}
END_TEST

START_TEST(relative_paths_start_at_the_folder_of_the_file)
{
    struct options o = load("folder = x/y", "/etc/nhjc");
    ck_assert_str_eq(o.folder, "/etc/nhjc/x/y");
    option_free(&set, &o);
    o = load("folder = /abs", "/etc/nhjc");
    ck_assert_str_eq(o.folder, "/abs");
    option_free(&set, &o);
    o = load("folder =", "/etc/nhjc");
    ck_assert_str_eq(o.folder, "");
    option_free(&set, &o);
    o = load("", "/etc/nhjc");
    ck_assert_str_eq(o.folder, "/etc/nhjc/state");
    option_free(&set, &o);
}
END_TEST

static void write_file(const char *path, const void *bytes, size_t n)
{
    FILE *f = fopen(path, "we");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(bytes, 1, n, f), n);
    fclose(f);
}

START_TEST(a_file_names_itself_and_its_line_in_errors)
{
    char path[64] = "/tmp/nhjc-option-XXXXXX", expected[128];
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    close(fd);
    struct options o = {0};
    write_file(path, "folder = f\nworkers = 7\n", 23);
    ck_assert(result_ok(option_load(&set, path, &o)));
    ck_assert_int_eq(o.workers, 7);
    ck_assert_str_eq(o.folder, "/tmp/f");
    option_free(&set, &o);
    write_file(path, "\nnothing = 1\n", 13);
    snprintf(expected, sizeof expected, "%s:2: 没有这个选项 / unknown option nothing", path);
    ck_assert_str_eq(option_load(&set, path, &o).text, expected);
    write_file(path, "workers = 7\0", 12);
    ck_assert_int_eq(option_load(&set, path, &o).kind, ERR_SENDER);
    write_file(path, "", 0);
    ck_assert(result_ok(option_load(&set, path, &o)));
    option_free(&set, &o);
    unlink(path);
    ck_assert_int_eq(option_load(&set, path, &o).kind, ERR_SENDER);
    ck_assert_int_eq(option_load(&set, "/tmp", &o).kind, ERR_SENDER);
}
END_TEST

START_TEST(the_sample_loads_and_means_the_defaults)
{
    char *sample = option_sample(&set);
    struct options o = load(sample, NULL), defaults = load("", NULL);
    ck_assert_str_eq(o.listen, defaults.listen);
    ck_assert_str_eq(o.folder, defaults.folder);
    ck_assert_str_eq(o.mode, defaults.mode);
    ck_assert_str_eq(o.password, defaults.password);
    ck_assert_int_eq(o.workers, defaults.workers);
    ck_assert_int_eq(o.body, defaults.body);
    ck_assert_int_eq(o.idle, defaults.idle);
    ck_assert_int_eq(o.verbose, defaults.verbose);
    ck_assert_uint_eq(o.peer_count, 0);
    option_free(&set, &o);
    option_free(&set, &defaults);
    mem_free(sample);
}
END_TEST

START_TEST(the_sample_names_every_option_and_no_secret)
{
    char *sample = option_sample(&set);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char key[64];
        snprintf(key, sizeof key, "%s = ", rows[i].name);
        ck_assert_msg(strstr(sample, key) && strstr(sample, rows[i].help), "%s", rows[i].name);
    }
    ck_assert_ptr_null(strstr(sample, "hunter2"));
    ck_assert_ptr_nonnull(strstr(sample, "#[peer name]\n"));
    ck_assert_ptr_nonnull(strstr(sample, "# Idle time.；可重载 reloadable\nidle = 120s\n"));
    ck_assert_ptr_nonnull(strstr(sample, "# Threads. [1..64]\nworkers = 4\n"));
    mem_free(sample);
}
END_TEST

START_TEST(any_text_is_answered_without_harm)
{
    static const char alphabet[] = "[]=\"\\# \tpeer workers=4\n\r\n\xe9\x92\xa2";
    uint64_t state = 7;
    for (int round = 0; round < 20000; round++) {
        char text[48];
        for (size_t i = 0; i + 1 < sizeof text; i++) {
            state = state * UINT64_C(6364136223846793005) + 1442695040888963407;
            text[i] = alphabet[(state >> 33) % (sizeof alphabet - 1)];
        }
        text[sizeof text - 1] = 0;
        struct options o = {0};
        if (result_ok(option_load_text(&set, text, "/d", &o))) {
            ck_assert_ptr_nonnull(o.listen);
            option_free(&set, &o);
        } else {
            ck_assert_ptr_null(o.listen);
        }
    }
}
END_TEST

UNIT_MAIN("option", defaults_fill_what_the_file_leaves_out, a_file_is_read_with_comments_quotes_and_blanks,
          sizes_and_times_have_suffixes, sections_make_items_with_their_own_defaults,
          a_bad_line_is_named_and_changes_nothing, relative_paths_start_at_the_folder_of_the_file,
          a_file_names_itself_and_its_line_in_errors, the_sample_loads_and_means_the_defaults,
          the_sample_names_every_option_and_no_secret, any_text_is_answered_without_harm)
