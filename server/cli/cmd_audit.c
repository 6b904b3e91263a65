/* audit list: who did what. */
#include "base/clock.h"
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

static RESULT bind(const struct args *args, struct db_params *p, int64_t *limit)
{
    const char *who = args_text(args, "who");
    int64_t from, to, day = 86400 * USEC_PER_SEC;
    TRY(args_time(args, "to", clock_now() + day, &to));
    TRY(args_time(args, "from", to - 31 * day, &from));
    TRY(args_span(from, to));
    TRY(args_int(args, "limit", 1, 100000, 50, limit));
    db_bind_time(p, from);
    db_bind_time(p, to);
    db_bind_text(p, who ? who : "");
    db_bind_int8(p, *limit);
    return RESULT_OK;
}

static int list(struct cli *cli, const struct args *args, const struct db_params *p, int64_t limit)
{
    struct db_rows *rows = NULL;
    struct result r = cli_db(cli);
    r = result_ok(r) ? db_query(cli->db, &LIST, p, &rows) : r;
    if (!result_ok(r)) {
        return cli_failed(r);
    }
    struct table *t = fill(rows);
    db_rows_free(&rows);
    cli_list_most(&t, args, limit, "limit");
    return EXIT_DONE;
}

static int cmd_list(struct cli *cli, const struct args *args)
{
    struct db_params p;
    int64_t limit = 0;
    db_params_init(&p);
    struct result r = bind(args, &p, &limit);
    int code = result_ok(r) ? list(cli, args, &p, limit) : cli_wrong_usage(r);
    db_params_free(&p);
    return code;
}

static const struct arg_spec LIST_ARGS[] = {{"who", "TEXT", "只列该操作者或对象 / only this actor or object", false},
                                            {"from", "TIME", "起 / from, default 31 days before --to", false},
                                            {"to", "TIME", "止（不含） / to, exclusive, default now", false},
                                            {"limit", "N", "条数，最新在前 / this many, newest first (50)", false},
                                            JSON_ARG};

static const struct command COMMANDS[] = {
    {.words = "audit list",
     .run = cmd_list,
     .usage = "[--who TEXT] [--from T] [--to T] [--limit N] [--json]",
     .zh = "列出审计记录",
     .en = "lists the audit log",
     COMMAND_ARGS(LIST_ARGS)},
};
const struct command_group AUDIT_COMMANDS = {COMMANDS, ARRAY_LEN(COMMANDS)};
