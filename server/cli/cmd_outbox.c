/* outbox list|requeue, destination list|fill: what the front-end processor still has to forward. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/audit.h"
#include "base/clock.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "fep/outbox_store.h"
#include "payload/payload.h"

static const struct table_column COLUMNS[] = {{"id", "编号 id", true},
                                              {"destination", "目标 destination", false},
                                              {"enterprise", "企业 enterprise", false},
                                              {"kind", "种类 kind", false},
                                              {"uploadId", "上传 upload", false},
                                              {"receivedAt", "接收 received", false},
                                              {"state", "状态 state", false},
                                              {"message", "消息 message", true},
                                              {"attempts", "次数 tries", true},
                                              {"nextAt", "下次 next", false},
                                              {"responseCode", "代码 code", true},
                                              {"responseText", "对方答复 answer", false}};

static bool list_row(const struct outbox_entry *e, void *arg)
{
    struct table *t = arg;
    table_int(t, e->id);
    table_text(t, e->destination);
    table_text(t, e->unit_code);
    table_text(t, e->kind ? "config" : "data");
    table_int(t, e->upload_id);
    table_time(t, e->received_at);
    table_text(t, e->state);
    table_int(t, e->message);
    table_int(t, e->attempts);
    table_time(t, e->next_at ? e->next_at : INT64_MIN);
    if (e->response_code < 0) {
        table_text(t, NULL);
    } else {
        table_int(t, e->response_code);
    }
    table_text(t, e->response_text);
    return true;
}

static int cmd_list(struct cli *cli, const struct args *args)
{
    struct outbox_filter filter = {.destination = args_text(args, "destination"),
                                   .unit_code = args_text(args, "enterprise"),
                                   .state = args_text(args, "state")};
    struct result r = args_int(args, "limit", 1, 1000000, 100, &filter.limit);
    if (!result_ok(r)) {
        return cli_wrong_usage(r);
    }
    struct table *t = table_new(COLUMNS, ARRAY_LEN(COLUMNS));
    r = cli_db(cli);
    r = result_ok(r) ? outbox_list(cli->db, &filter, list_row, t) : r;
    if (!result_ok(r)) {
        table_free(&t);
        return cli_failed(r);
    }
    cli_list_most(&t, args, filter.limit, "limit");
    return EXIT_DONE;
}

static RESULT choose_messages(const struct args *args, int64_t *message)
{
    bool all = args_given(args, "all"), partly = args_given(args, "partly");
    *message = 0;
    if (all + partly + (args->word_count == 1) != 1) {
        return result_error(ERR_SENDER, 0,
                            "须给出消息号、--all 或 --partly 之一 / a message number, --all or --partly");
    }
    if (all || partly) {
        return RESULT_OK;
    }
    char *end;
    *message = strtoll(args->words[0], &end, 10);
    return *message > 0 && !*end ? RESULT_OK
                                 : result_error(ERR_SENDER, 0, "不是消息号 / not a message number: %s", args->words[0]);
}

static RESULT requeue(struct cli *cli, int64_t message, bool partly, const char *destination, int64_t *count)
{
    TRY(cli_db(cli));
    TRY(partly ? outbox_requeue_partly(cli->db, destination, clock_now(), count)
               : outbox_requeue(cli->db, message, destination, clock_now(), count));
    char object[32];
    snprintf(object, sizeof object, "%lld", (long long)message);
    return audit_write(cli->db, cli->actor, "", "outbox.requeue",
                       message  ? object
                       : partly ? "partly"
                                : "all",
                       0, destination ? destination : "");
}

static int cmd_requeue(struct cli *cli, const struct args *args)
{
    int64_t message, count = 0;
    struct result r = choose_messages(args, &message);
    if (!result_ok(r)) {
        return cli_wrong_usage(r);
    }
    r = requeue(cli, message, args_given(args, "partly"), args_text(args, "destination"), &count);
    if (!result_ok(r)) {
        return cli_failed(r);
    }
    printf("重新排队 %lld 条消息 / %lld messages queued again\n", (long long)count, (long long)count);
    return EXIT_DONE;
}

/* ---------------------------------------------------------------- destinations */
static const struct db_stmt DESTINATIONS = {"cli_destinations", "SELECT id, name, active FROM destination ORDER BY id"};

static const struct table_column DESTINATION_COLUMNS[] = {
    {"name", "名称 name", false},      {"url", "地址 url", false},      {"active", "启用 active", false},
    {"pending", "待发 pending", true}, {"parked", "搁置 parked", true}, {"oldest", "最早 oldest", false}};

static const struct fep_destination *configured(const struct cli *cli, const char *name)
{
    for (size_t i = 0; i < cli->config.destination_count; i++) {
        if (strcmp(cli->config.destinations[i].name, name) == 0) {
            return &cli->config.destinations[i];
        }
    }
    return NULL;
}

static RESULT destination_row(struct cli *cli, const struct db_rows *rows, size_t i, struct table *t)
{
    const char *name = db_get_text(rows, i, 1);
    const struct fep_destination *d = configured(cli, name);
    struct outbox_lag lag;
    TRY(outbox_lag(cli->db, (int)db_get_int(rows, i, 0), &lag));
    table_text(t, name);
    table_text(t, d ? d->url : "(不在配置中 / not in the configuration)");
    table_text(t, d && d->active && db_get_bool(rows, i, 2) ? "yes" : "no");
    table_int(t, lag.pending);
    table_int(t, lag.parked);
    table_time(t, lag.oldest ? lag.oldest : INT64_MIN);
    return RESULT_OK;
}

static RESULT destination_rows(struct cli *cli, struct table *t)
{
    struct db_rows *rows = NULL;
    TRY(cli_db(cli));
    TRY(db_query(cli->db, &DESTINATIONS, NULL, &rows));
    struct result r = RESULT_OK;
    for (size_t i = 0; i < db_rows_count(rows) && result_ok(r); i++) {
        r = destination_row(cli, rows, i, t);
    }
    db_rows_free(&rows);
    return r;
}

static int cmd_destinations(struct cli *cli, const struct args *args)
{
    struct table *t = table_new(DESTINATION_COLUMNS, ARRAY_LEN(DESTINATION_COLUMNS));
    struct result r = destination_rows(cli, t);
    if (!result_ok(r)) {
        table_free(&t);
        return cli_failed(r);
    }
    cli_list(&t, args);
    return EXIT_DONE;
}

/* ---------------------------------------------------------------- fill */
static RESULT fill(struct cli *cli, const struct args *args, int64_t from, struct outbox_filled *filled)
{
    const char *code = args_text(args, "enterprise");
    payload_init();
    TRY(cli_db(cli));
    TRY(outbox_fill(cli->db, args->words[0], code, from, filled));
    return audit_write(cli->db, cli->actor, "", "destination.fill", args->words[0], 0, code ? code : "all");
}

static int cmd_fill(struct cli *cli, const struct args *args)
{
    int64_t from;
    struct outbox_filled filled;
    struct result r = args_time(args, "from", INT64_MIN, &from);
    if (!result_ok(r)) {
        return cli_wrong_usage(r);
    }
    r = fill(cli, args, from, &filled);
    if (!result_ok(r)) {
        return cli_failed(r);
    }
    printf(
        "%lld 家企业的配置与 %lld 份上传已排队 / the configurations of %lld enterprises and %lld uploads are queued\n",
        (long long)filled.enterprises, (long long)filled.uploads, (long long)filled.enterprises,
        (long long)filled.uploads);
    if (filled.unreadable) {
        printf("%lld 份上传已不在档案中，未排队 / %lld uploads are no longer in the archive and were not queued\n",
               (long long)filled.unreadable, (long long)filled.unreadable);
    }
    return EXIT_DONE;
}

static const struct arg_spec LIST_ARGS[] = {
    {"destination", "NAME", "只列该目标 / only this destination", false},
    {"enterprise", "CODE", "只列该企业 / only this enterprise", false},
    {"state", "STATE",
     "ready leased waiting sent parked，open=未送达，partly=部分被拒 / open: all but sent; partly: sent, not all taken",
     false},
    {"limit", "N", "条数 / this many (100)", false},
    JSON_ARG};
static const struct arg_spec REQUEUE_ARGS[] = {
    {"all", NULL, "全部搁置的消息 / every parked message", false},
    {"partly", NULL, "全部部分被拒的消息 / every message taken in part", false},
    {"destination", "NAME", "只限该目标 / only of this destination", false}};
static const struct arg_spec DESTINATION_ARGS[] = {JSON_ARG};
static const struct arg_spec FILL_ARGS[] = {{"from", "TIME", "此时起接收的上传 / uploads received since then", true},
                                            {"enterprise", "CODE", "只限该企业 / only of this enterprise", false}};

static const struct command COMMANDS[] = {
    {.words = "outbox list",
     .run = cmd_list,
     .usage = "[--destination NAME] [--enterprise CODE] [--state STATE] [--limit N] [--json]",
     .zh = "列出转发队列",
     .en = "lists what is to be forwarded",
     COMMAND_ARGS(LIST_ARGS)},
    {.words = "outbox requeue",
     .run = cmd_requeue,
     .usage = "MESSAGE|--all|--partly [--destination NAME]",
     .zh = "重发被永久拒绝或部分被拒的消息",
     .en = "tries again what was parked, or taken only in part",
     COMMAND_ARGS(REQUEUE_ARGS),
     .max_words = 1},
    {.words = "destination list",
     .run = cmd_destinations,
     .usage = "[--json]",
     .zh = "列出转发目标及积压",
     .en = "lists the destinations and what waits for them",
     COMMAND_ARGS(DESTINATION_ARGS)},
    {.words = "destination fill",
     .run = cmd_fill,
     .usage = "NAME --from TIME [--enterprise CODE]",
     .zh = "把早先的配置与上传重新排队发往该目标",
     .en = "queues configurations and earlier uploads for a destination",
     COMMAND_ARGS(FILL_ARGS),
     .min_words = 1,
     .max_words = 1},
};
const struct command_group OUTBOX_COMMANDS = {COMMANDS, ARRAY_LEN(COMMANDS)};
