#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/caltime.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

static struct buf lines = BUF_INIT;

static void take_line(const char *line, void *arg)
{
    struct buf *to = arg;
    buf_append_str(to, line);
    buf_append_char(to, '\n');
}

/* Captures from here on, at 2026-11-20 10:16:02.345 in Shanghai. */
static void begin(void)
{
    buf_clear(&lines);
    ck_assert(result_ok(caltime_set_zone("Asia/Shanghai")));
    clock_set_fake(INT64_C(1795140962345678));
    log_set_level(LOG_INFO);
    log_capture(take_line, &lines);
}

static const char *end(void)
{
    log_capture(NULL, NULL);
    clock_set_real();
    return buf_str(&lines);
}

START_TEST(a_line_has_time_level_module_event_and_fields)
{
    begin();
    log_write(LOG_INFO, "net", "listen", "address=%s port=%d", "127.0.0.1", 8443);
    log_write(LOG_ERROR, "app", "stop", "%s", "");
    ck_assert_str_eq(end(), "2026-11-20T10:16:02.345+08:00 INFO net listen address=127.0.0.1 port=8443\n"
                            "2026-11-20T10:16:02.345+08:00 ERROR app stop\n");
}
END_TEST

START_TEST(no_field_can_end_the_line_or_steer_the_terminal)
{
    begin();
    log_write(LOG_WARN, "net", "peer", "name=%s", "a\nb\rc\x1b[31m\xc2\x9b\x7f\xe2\x80\xa8\xff\xe9\x92\xa2");
    const char *text = end();
    ck_assert_str_eq(strstr(text, "name="),
                     "name=a\\nb\\x0dc\\x1b[31m\\xc2\\x9b\\x7f\\xe2\\x80\\xa8\\xff\xe9\x92\xa2\n");
}
END_TEST

START_TEST(a_quoted_text_cannot_forge_a_field)
{
    ck_assert_str_eq(log_quote("x\" user=\"root"), "\"x\\\" user=\\\"root\"");
    ck_assert_str_eq(log_quote("back\\slash"), "\"back\\\\slash\"");
    ck_assert_str_eq(log_quote("line\nfeed"), "\"line\\nfeed\"");
    ck_assert_str_eq(log_quote(""), "\"\"");
    ck_assert_str_eq(log_quote(NULL), "\"\"");
    begin();
    log_write(LOG_INFO, "net", "peer", "name=%s", log_quote("a\nb\"c"));
    ck_assert_str_eq(strstr(end(), "name="), "name=\"a\\nb\\\"c\"\n");
}
END_TEST

START_TEST(a_quoted_text_is_cut_between_characters)
{
    char text[1000];
    memset(text, 'x', sizeof text);
    memcpy(text + 199, "钢", 3);
    text[999] = 0;
    const char *quoted = log_quote(text);
    ck_assert_uint_eq(strlen(quoted), 1 + 199 + 1 + 3);
    ck_assert_str_eq(quoted + 200, "\"...");
    memset(text, 1, 999);
    ck_assert_uint_eq(strlen(log_quote(text)), 1 + 200 * 4 + 1 + 3);
}
END_TEST

START_TEST(a_quoted_text_stays_while_eight_further_are_quoted)
{
    const char *first = log_quote("first");
    for (int i = 0; i < 8; i++) {
        log_quote("other");
    }
    ck_assert_str_eq(first, "\"first\"");
}
END_TEST

START_TEST(lines_below_the_level_are_not_written)
{
    begin();
    log_set_level(LOG_WARN);
    log_write(LOG_INFO, "a", "b", "%s", "x");
    log_result(LOG_DEBUG, "a", "b", RESULT_OK);
    ck_assert_str_eq(end(), "");
    log_set_level(LOG_INFO);
}
END_TEST

START_TEST(an_error_is_logged_with_kind_code_and_quoted_text)
{
    begin();
    log_result(LOG_ERROR, "db", "commit", result_error(ERR_TRANSIENT, 9102, "lost \"it\"\nall"));
    ck_assert_str_eq(strstr(end(), "db commit"), "db commit kind=transient code=9102 text=\"lost \\\"it\\\"\\nall\"\n");
}
END_TEST

START_TEST(a_line_too_long_is_cut_and_says_so)
{
    char *text = mem_alloc(10001);
    memset(text, '\n', 10000);
    begin();
    log_write(LOG_INFO, "a", "b", "x=%s", text);
    log_write(LOG_INFO, "a", "b", "y=%.3060s", text); /* fits before, but not after escaping */
    const char *got = end();
    for (const char *line = got; *line; line = strchr(line, '\n') + 1) {
        ck_assert_uint_lt(strcspn(line, "\n"), 4096);
        ck_assert(strncmp(line + strcspn(line, "\n") - 3, "...", 3) == 0);
    }
    mem_free(text);
}
END_TEST

START_TEST(logging_keeps_errno)
{
    begin();
    errno = ENOENT;
    log_write(LOG_INFO, "a", "b", "x=%d", 1);
    ck_assert_int_eq(errno, ENOENT);
    end();
}
END_TEST

START_TEST(levels_are_found_by_name_in_any_case)
{
    ck_assert_int_eq(log_level_from_name("debug", LOG_ERROR), LOG_DEBUG);
    ck_assert_int_eq(log_level_from_name("WARN", LOG_ERROR), LOG_WARN);
    ck_assert_int_eq(log_level_from_name("loud", LOG_ERROR), LOG_ERROR);
    ck_assert_int_eq(log_level_from_name(NULL, LOG_INFO), LOG_INFO);
}
END_TEST

/* ---- files ---- */

static char path[64], moved[80];

static void make_path(void)
{
    snprintf(path, sizeof path, "/tmp/nhjc-log-XXXXXX");
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    close(fd);
    snprintf(moved, sizeof moved, "%s.1", path);
}

static void drop_paths(void)
{
    ck_assert(result_ok(log_open(NULL)));
    unlink(path);
    unlink(moved);
}

static size_t read_all(const char *name, struct buf *into)
{
    FILE *f = fopen(name, "re");
    ck_assert_ptr_nonnull(f);
    char chunk[4096];
    for (size_t n; (n = fread(chunk, 1, sizeof chunk, f)) > 0;) {
        buf_append(into, chunk, n);
    }
    fclose(f);
    return into->len;
}

START_TEST(reopening_follows_a_moved_file)
{
    make_path();
    ck_assert(result_ok(log_open(path)));
    log_write(LOG_INFO, "a", "first", "n=%d", 1);
    ck_assert_int_eq(rename(path, moved), 0);
    log_write(LOG_INFO, "a", "second", "n=%d", 2);
    ck_assert(result_ok(log_open(path)));
    log_write(LOG_INFO, "a", "third", "n=%d", 3);
    struct buf old = BUF_INIT, fresh = BUF_INIT;
    read_all(moved, &old);
    read_all(path, &fresh);
    ck_assert_ptr_nonnull(strstr(buf_str(&old), "first n=1\n"));
    ck_assert_ptr_nonnull(strstr(buf_str(&old), "second n=2\n"));
    ck_assert_ptr_nonnull(strstr(buf_str(&fresh), "third n=3\n"));
    ck_assert_ptr_null(strstr(buf_str(&fresh), "second"));
    buf_free(&old);
    buf_free(&fresh);
    drop_paths();
}
END_TEST

START_TEST(a_file_that_cannot_be_opened_leaves_the_log_where_it_was)
{
    make_path();
    ck_assert(result_ok(log_open(path)));
    ck_assert(!result_ok(log_open("/nonexistent/folder/log")));
    log_write(LOG_INFO, "a", "still_here", "n=%d", 1);
    struct buf text = BUF_INIT;
    ck_assert_uint_gt(read_all(path, &text), 0);
    ck_assert_ptr_nonnull(strstr(buf_str(&text), "still_here"));
    buf_free(&text);
    drop_paths();
}
END_TEST

enum { THREADS = 4, EACH = 500, ALL = THREADS * EACH };

static void *write_many(void *arg)
{
    for (int i = 0; i < EACH; i++) {
        log_write(LOG_INFO, "a", "event", "thread=%d text=%s", *(int *)arg,
                  log_quote("0123456789012345678901234567890"));
    }
    return NULL;
}

START_TEST(lines_of_many_threads_are_whole_also_while_reopening)
{
    make_path();
    ck_assert(result_ok(log_open(path)));
    pthread_t threads[THREADS];
    int numbers[THREADS];
    for (int i = 0; i < THREADS; i++) {
        numbers[i] = i;
        ck_assert_int_eq(pthread_create(&threads[i], NULL, write_many, &numbers[i]), 0);
    }
    for (int i = 0; i < 50; i++) {
        ck_assert(result_ok(log_open(path)));
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    struct buf text = BUF_INIT;
    read_all(path, &text);
    int count = 0;
    for (const char *line = buf_str(&text); *line; line = strchr(line, '\n') + 1, count++) {
        int thread, used = 0;
        sscanf(line, "%*s INFO a event thread=%d text=\"0123456789012345678901234567890\"%n", &thread, &used);
        ck_assert_int_gt(used, 0);
        ck_assert_int_eq(line[used], '\n');
    }
    ck_assert_int_eq(count, ALL);
    buf_free(&text);
    drop_paths();
}
END_TEST

UNIT_MAIN("log", a_line_has_time_level_module_event_and_fields, no_field_can_end_the_line_or_steer_the_terminal,
          a_quoted_text_cannot_forge_a_field, a_quoted_text_is_cut_between_characters,
          a_quoted_text_stays_while_eight_further_are_quoted, lines_below_the_level_are_not_written,
          an_error_is_logged_with_kind_code_and_quoted_text, a_line_too_long_is_cut_and_says_so, logging_keeps_errno,
          levels_are_found_by_name_in_any_case, reopening_follows_a_moved_file,
          a_file_that_cannot_be_opened_leaves_the_log_where_it_was,
          lines_of_many_threads_are_whole_also_while_reopening)
