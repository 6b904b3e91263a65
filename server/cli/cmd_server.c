/* status, health, metrics, reload, stop: words to the running server; wait: until nothing is left to do. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "admin/admin.h"
#include "base/clock.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "fep/outbox_store.h"
#include "rollup/rollup.h"

#define ANSWER_MS 15000
#define STOP_MS 120000

static RESULT ask(struct cli *cli, const char *command, struct buf *answer)
{
    return admin_ask(cli->config.admin_socket, command, ANSWER_MS, answer);
}

static int tell(struct cli *cli, const char *command)
{
    struct buf answer = BUF_INIT;
    struct result r = ask(cli, command, &answer);
    if (result_ok(r)) {
        fputs(buf_str(&answer), stdout);
    }
    buf_free(&answer);
    return result_ok(r) ? EXIT_DONE : cli_failed(r);
}

static int cmd_metrics(struct cli *cli, const struct args *args)
{
    (void)args;
    return tell(cli, "metrics");
}

static int cmd_reload(struct cli *cli, const struct args *args)
{
    (void)args;
    return tell(cli, "reload");
}

/* ---------------------------------------------------------------- status */
/* Codes are names that happen to be digits: 000000. */
static bool is_number(const char *name, const char *text)
{
    size_t n = strlen(name);
    bool code = n > 5 && strcmp(name + n - 5, "_code") == 0;
    return !code && *text && strspn(text, "0123456789") == strlen(text);
}

/* "key value" lines become the members of an object; values that are whole numbers stay bare. */
static void to_json(const char *lines, struct buf *out)
{
    buf_append_char(out, '{');
    for (bool first = true; *lines; first = false) {
        size_t key = strcspn(lines, " \n"), len = strcspn(lines, "\n");
        const char *value = lines + key + (lines[key] == ' ');
        char *name = mem_strndup(lines, key), *text = mem_strndup(value, (size_t)(lines + len - value));
        buf_append_str(out, first ? "" : ", ");
        buf_append_json(out, name);
        buf_append_str(out, ": ");
        if (is_number(name, text)) {
            buf_append_str(out, text);
        } else {
            buf_append_json(out, text);
        }
        mem_free(name);
        mem_free(text);
        lines += len + (lines[len] == '\n');
    }
    buf_append_str(out, "}\n");
}

static void show_lines(const struct buf *answer, const struct args *args)
{
    struct buf json = BUF_INIT;
    if (args_given(args, "json")) {
        to_json(buf_str(answer), &json);
    }
    fputs(buf_str(args_given(args, "json") ? &json : answer), stdout);
    buf_free(&json);
}

static int cmd_status(struct cli *cli, const struct args *args)
{
    struct buf answer = BUF_INIT;
    struct result r = ask(cli, "status", &answer);
    if (result_ok(r)) {
        show_lines(&answer, args);
    }
    buf_free(&answer);
    return result_ok(r) ? EXIT_DONE : cli_failed(r);
}

/* For probes: the exit status is the answer. */
static int cmd_health(struct cli *cli, const struct args *args)
{
    struct buf answer = BUF_INIT;
    struct result r = ask(cli, "health", &answer);
    bool well = result_ok(r) && strncmp(buf_str(&answer), "health ok\n", 10) == 0;
    if (result_ok(r)) {
        show_lines(&answer, args);
    }
    buf_free(&answer);
    return !result_ok(r) ? cli_failed(r) : well ? EXIT_DONE : EXIT_FAILED;
}

/* ---------------------------------------------------------------- stop, wait */
static void sleep_ms(long ms)
{
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    nanosleep(&t, NULL);
}

/* The server's socket goes away at the very end of its shutdown. */
static RESULT wait_gone(struct cli *cli)
{
    int64_t deadline = clock_monotonic() + STOP_MS * INT64_C(1000000);
    while (clock_monotonic() < deadline) {
        struct buf answer = BUF_INIT;
        struct result r = ask(cli, "ping", &answer);
        buf_free(&answer);
        if (r.kind == ERR_NOT_FOUND) {
            return RESULT_OK;
        }
        sleep_ms(50);
    }
    return result_error(ERR_TRANSIENT, 0, "服务器仍在运行 / the server is still running");
}

static int cmd_stop(struct cli *cli, const struct args *args)
{
    (void)args;
    struct buf answer = BUF_INIT;
    struct result r = ask(cli, "stop", &answer);
    buf_free(&answer);
    r = result_ok(r) ? wait_gone(cli) : r;
    if (!result_ok(r)) {
        return cli_failed(r);
    }
    puts("已停止 / stopped");
    return EXIT_DONE;
}

static const struct db_stmt DESTINATIONS = {"cli_active_destinations", "SELECT id FROM destination WHERE active"};

struct backlog {
    int64_t marks, pending, parked;
};

static RESULT measure(struct db *db, struct backlog *b)
{
    int64_t oldest;
    struct db_rows *rows = NULL;
    *b = (struct backlog){0};
    TRY(rollup_backlog(db, &b->marks, &oldest));
    TRY(db_query(db, &DESTINATIONS, NULL, &rows));
    struct result r = RESULT_OK;
    for (size_t i = 0; i < db_rows_count(rows) && result_ok(r); i++) {
        struct outbox_lag lag;
        r = outbox_lag(db, (int)db_get_int(rows, i, 0), &lag);
        b->pending += result_ok(r) ? lag.pending : 0;
        b->parked += result_ok(r) ? lag.parked : 0;
    }
    db_rows_free(&rows);
    return r;
}

static RESULT wait_idle(struct cli *cli, int64_t seconds, struct backlog *b)
{
    int64_t deadline = clock_monotonic() + seconds * INT64_C(1000000000);
    TRY(cli_db(cli));
    for (;;) {
        TRY(measure(cli->db, b));
        if (b->marks == 0 && b->pending == 0) {
            return RESULT_OK;
        }
        if (clock_monotonic() >= deadline) {
            return result_error(ERR_TRANSIENT, 0, "仍有积压 / still busy: 汇总 rollup marks %lld, 转发 to forward %lld",
                                (long long)b->marks, (long long)b->pending);
        }
        sleep_ms(100);
    }
}

static int cmd_wait(struct cli *cli, const struct args *args)
{
    int64_t seconds;
    struct backlog b;
    struct result r = args_int(args, "timeout", 0, 86400, 60, &seconds);
    if (!result_ok(r)) {
        return cli_wrong_usage(r);
    }
    r = wait_idle(cli, seconds, &b);
    if (!result_ok(r)) {
        return cli_failed(r);
    }
    printf("汇总与转发已完成 / rolled up and forwarded%s\n", b.parked ? "" : ", nothing parked");
    if (b.parked) {
        printf(
            "但有 %lld 条消息被对方永久拒绝 / but %lld messages are parked, see nhjcctl outbox list --state parked\n",
            (long long)b.parked, (long long)b.parked);
    }
    return EXIT_DONE;
}

static const struct arg_spec STATUS_ARGS[] = {JSON_ARG};
static const struct arg_spec WAIT_ARGS[] = {{"timeout", "SECONDS", "最长等待 / at most this long (60)", false}};

static const struct command COMMANDS[] = {
    {.words = "status",
     .run = cmd_status,
     .usage = "[--json]",
     .zh = "服务器运行状态",
     .en = "how the server is doing",
     COMMAND_ARGS(STATUS_ARGS)},
    {.words = "health",
     .run = cmd_health,
     .usage = "[--json]",
     .zh = "服务器是否正常：数据库、证书与 CRL、积压（退出码 0 正常，1 不正常），供探活使用",
     .en = "is it fit for work: database, certificates and CRL, backlog (exit 0 or 1), for probes",
     COMMAND_ARGS(STATUS_ARGS)},
    {.words = "metrics",
     .run = cmd_metrics,
     .usage = "",
     .zh = "Prometheus 格式的指标",
     .en = "counters in the Prometheus text format"},
    {.words = "reload",
     .run = cmd_reload,
     .usage = "",
     .zh = "重新读取证书、CRL 与可重载选项",
     .en = "reads certificates, CRLs and reloadable options anew"},
    {.words = "stop", .run = cmd_stop, .usage = "", .zh = "有序停止服务器", .en = "stops the server in order"},
    {.words = "wait",
     .run = cmd_wait,
     .usage = "[--timeout SECONDS]",
     .zh = "等待汇总与转发完成",
     .en = "waits until everything is rolled up and forwarded",
     COMMAND_ARGS(WAIT_ARGS)},
};
const struct command_group SERVER_COMMANDS = {COMMANDS, ARRAY_LEN(COMMANDS)};
