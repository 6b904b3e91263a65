#include "unit.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "admin/admin.h"
#include "base/mem.h"

static char path[64];
static atomic_bool done;

static struct result say_hello(void *arg, struct buf *out)
{
    buf_printf(out, "hello %s\nsecond line\n", (const char *)arg);
    return RESULT_OK;
}

static struct result refuse(void *arg, struct buf *out)
{
    (void)arg;
    (void)out;
    return result_error(ERR_SENDER, 0, "not today");
}

static struct result say_much(void *arg, struct buf *out)
{
    (void)arg;
    for (int i = 0; i < 100000; i++) {
        buf_append_str(out, "0123456789\n");
    }
    return RESULT_OK;
}

static const struct admin_command COMMANDS[] = {
    {"hello", say_hello, "greets"}, {"refuse", refuse, "refuses"}, {"much", say_much, "a megabyte"}};

static void *serve(void *arg)
{
    struct admin *a = arg;
    while (!atomic_load(&done)) {
        struct pollfd p = {.fd = admin_fd(a), .events = POLLIN};
        if (poll(&p, 1, 20) > 0) {
            admin_serve(a);
        }
    }
    return NULL;
}

static struct admin *open_admin(pthread_t *thread)
{
    static char arg[] = "you";
    struct admin *a = NULL;
    snprintf(path, sizeof path, "/tmp/nhjc-admin-%ld.sock", (long)getpid());
    atomic_store(&done, false);
    struct result r = admin_open(path, COMMANDS, ARRAY_LEN(COMMANDS), arg, &a);
    ck_assert_msg(result_ok(r), "%s", r.text);
    ck_assert_int_eq(pthread_create(thread, NULL, serve, a), 0);
    return a;
}

static void close_admin(struct admin **a, pthread_t thread)
{
    atomic_store(&done, true);
    pthread_join(thread, NULL);
    admin_close(a);
}

START_TEST(a_command_is_answered_with_its_lines)
{
    pthread_t thread;
    struct admin *a = open_admin(&thread);
    struct buf out = BUF_INIT;
    struct result r = admin_ask(path, "hello", 5000, &out);
    ck_assert_msg(result_ok(r), "%s", r.text);
    ck_assert_str_eq(buf_str(&out), "hello you\nsecond line\n");
    buf_free(&out);
    close_admin(&a, thread);
}
END_TEST

START_TEST(a_refusal_comes_back_with_its_words)
{
    pthread_t thread;
    struct admin *a = open_admin(&thread);
    struct buf out = BUF_INIT;
    struct result r = admin_ask(path, "refuse", 5000, &out);
    ck_assert_int_eq(r.kind, ERR_SENDER);
    ck_assert_str_eq(r.text, "not today");
    r = admin_ask(path, "no such thing", 5000, &out);
    ck_assert_int_eq(r.kind, ERR_SENDER);
    ck_assert_uint_eq(out.len, 0);
    buf_free(&out);
    close_admin(&a, thread);
}
END_TEST

START_TEST(a_long_answer_arrives_whole)
{
    pthread_t thread;
    struct admin *a = open_admin(&thread);
    struct buf out = BUF_INIT;
    ck_assert(result_ok(admin_ask(path, "much", 5000, &out)));
    ck_assert_uint_eq(out.len, 1100000);
    buf_free(&out);
    close_admin(&a, thread);
}
END_TEST

START_TEST(a_silent_client_does_not_keep_the_others_out)
{
    pthread_t thread;
    struct admin *a = open_admin(&thread);
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    strcpy(to.sun_path, path);
    int silent = socket(AF_UNIX, SOCK_STREAM, 0);
    ck_assert_int_eq(connect(silent, (struct sockaddr *)&to, sizeof to), 0);
    struct buf out = BUF_INIT;
    ck_assert(result_ok(admin_ask(path, "hello", 10 * ADMIN_CLIENT_MS, &out)));
    close(silent);
    buf_free(&out);
    close_admin(&a, thread);
}
END_TEST

START_TEST(the_socket_is_the_owner_s_alone_and_goes_with_the_server)
{
    pthread_t thread;
    struct admin *a = open_admin(&thread);
    struct stat st;
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_int_eq(st.st_mode & 0777, 0600);
    close_admin(&a, thread);
    ck_assert_int_ne(stat(path, &st), 0);
    struct buf out = BUF_INIT;
    ck_assert_int_eq(admin_ask(path, "hello", 1000, &out).kind, ERR_NOT_FOUND);
    buf_free(&out);
}
END_TEST

START_TEST(a_living_server_keeps_its_socket_and_a_dead_one_loses_it)
{
    pthread_t thread;
    struct admin *a = open_admin(&thread), *second = NULL;
    ck_assert_int_eq(admin_open(path, COMMANDS, ARRAY_LEN(COMMANDS), NULL, &second).kind, ERR_CONFLICT);
    close_admin(&a, thread);
    /* a socket file without a listener, as kill -9 leaves it */
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    strcpy(at.sun_path, path);
    int left = socket(AF_UNIX, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(left, (struct sockaddr *)&at, sizeof at), 0);
    close(left);
    a = open_admin(&thread);
    close_admin(&a, thread);
}
END_TEST

START_TEST(a_path_too_long_for_a_socket_is_refused_by_name)
{
    char long_path[200];
    struct admin *a = NULL;
    memset(long_path, 'x', sizeof long_path - 1);
    long_path[0] = '/';
    long_path[sizeof long_path - 1] = '\0';
    struct result r = admin_open(long_path, COMMANDS, ARRAY_LEN(COMMANDS), NULL, &a);
    ck_assert_int_eq(r.kind, ERR_SENDER);
    ck_assert_ptr_nonnull(strstr(r.text, "107"));
}
END_TEST

UNIT_MAIN("admin_socket", a_command_is_answered_with_its_lines, a_refusal_comes_back_with_its_words,
          a_long_answer_arrives_whole, a_silent_client_does_not_keep_the_others_out,
          the_socket_is_the_owner_s_alone_and_goes_with_the_server,
          a_living_server_keeps_its_socket_and_a_dead_one_loses_it, a_path_too_long_for_a_socket_is_refused_by_name)
