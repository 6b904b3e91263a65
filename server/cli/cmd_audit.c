/* audit list: who did what. */
#include "base/mem.h"
#include "cli/cli.h"

static const struct db_stmt LIST = {
    "cli_audit", "SELECT at, actor, peer, action, object, code, detail FROM audit_log "
                 "WHERE at >= $1 AND at < $2 AND ($3 = '' OR actor = $3 OR object = $3) ORDER BY at DESC LIMIT $4"};

static const struct table_column COLUMNS[] = {{"at", "时间 time", false},       {"actor", "谁 actor", false},
                                              {"peer", "地址 peer", false},     {"action", "操作 action", false},
                                              {"object", "对象 object", false}, {"code", "代码 code", true},
                                              {"detail", "说明 detail", false}};

static struct table *fill(const struct db_rows *rows)
{
    struct table *t = table_new(COLUMNS, ARRAY_LEN(COLUMNS));
    for (size_t i = 0; i < db_rows_count(rows); i++) {
        table_time(t, db_get_time(rows, i, 0));
        for (int c = 1; c < 5; c++) {
            table_text(t, db_get_text(rows, i, c));
        }
        table_int(t, db_get_int(rows, i, 5));
        table_text(t, db_get_text(rows, i, 6));
    }
    return t;
}

static int cmd_list(struct cli *cli, const struct args *args)
{
    struct db_params p;
    int64_t limit;
    struct result r = cli_bind_newest(args, "who", &p, &limit);
    return result_ok(r) ? cli_query_list(cli, args, &LIST, &p, limit, fill) : cli_wrong_usage(r);
}

static const struct arg_spec LIST_ARGS[] = {
    {"who", "TEXT", "只列该操作者或对象 / only this actor or object", false}, NEWEST_ARGS, JSON_ARG};

static const struct command COMMANDS[] = {
    {.words = "audit list",
     .run = cmd_list,
     .usage = "[--who TEXT] [--from T] [--to T] [--limit N] [--json]",
     .zh = "列出审计记录",
     .en = "lists the audit log",
     COMMAND_ARGS(LIST_ARGS)},
};
const struct command_group AUDIT_COMMANDS = {COMMANDS, ARRAY_LEN(COMMANDS)};
