/* meter: a register's meter was exchanged: recorded, withdrawn, listed. */
#include <stdio.h>
#include <string.h>

#include "admin/audit.h"
#include "base/caltime.h"
#include "base/decimal.h"
#include "cli/cli.h"
#include "payload/datacode.h"

static const struct db_stmt FIND_UNIT = {"cli_meter_unit", "SELECT id FROM unit WHERE code = $1"};
static const struct db_stmt REPLACE = {"cli_meter_replace", "SELECT meter_replace($1, $2, $3, $4, $5)"};
static const struct db_stmt WITHDRAW = {"cli_meter_withdraw", "SELECT meter_withdraw($1, $2, $3)"};
static const struct db_stmt LIST = {
    "cli_meter_list",
    "SELECT u.code, i.data_code, i.name, r.at, r.final_old * 0.000001, r.first_new * 0.000001, r.recorded_at "
    "FROM meter_replacement r JOIN unit u ON u.id = r.unit_id JOIN collect_item i ON i.unit_id = r.unit_id AND "
    "i.slot = r.slot WHERE $1 = '' OR u.code = $1 ORDER BY u.code, i.data_code, r.at"};

struct exchange {
    const struct cli *cli;
    const char *code; /* enterprise */
    char data_code[DATACODE_LEN + 1];
    int64_t at, final_old, first_new;
    bool withdraw;
};

static RESULT find_unit(struct db *db, const char *code, int32_t *id)
{
    struct db_params p;
    struct db_rows *rows = NULL;
    db_params_init(&p);
    db_bind_text(&p, code);
    struct result r = db_query(db, &FIND_UNIT, &p, &rows);
    db_params_free(&p);
    bool found = result_ok(r) && db_rows_count(rows) == 1;
    *id = found ? (int32_t)db_get_int(rows, 0, 0) : 0;
    db_rows_free(&rows);
    TRY(r);
    return found ? RESULT_OK : result_error(ERR_NOT_FOUND, 0, "没有这个企业 / no such enterprise: %s", code);
}

static RESULT change(struct db *db, const struct exchange *e, int32_t unit)
{
    struct db_params p;
    struct db_rows *rows = NULL;
    db_params_init(&p);
    db_bind_int4(&p, unit);
    db_bind_text(&p, e->data_code);
    db_bind_time(&p, e->at);
    if (!e->withdraw) {
        db_bind_int8(&p, e->final_old);
        db_bind_int8(&p, e->first_new);
    }
    struct result r = db_query(db, e->withdraw ? &WITHDRAW : &REPLACE, &p, &rows);
    db_params_free(&p);
    bool done = result_ok(r) && db_get_bool(rows, 0, 0);
    db_rows_free(&rows);
    TRY(r);
    return done ? RESULT_OK
                : result_error(ERR_NOT_FOUND, 0,
                               e->withdraw ? "没有这条换表记录 / no such replacement: %s"
                                           : "没有这个累计量（counter）采集项 / no such register (counter): %s",
                               e->data_code);
}

static RESULT apply(struct db *db, void *arg)
{
    struct exchange *e = arg;
    int32_t unit = 0;
    char at[CALTIME_TEXT], before[DECIMAL_TEXT], after[DECIMAL_TEXT], detail[200];
    TRY(find_unit(db, e->code, &unit));
    TRY(change(db, e, unit));
    int n = snprintf(detail, sizeof detail, "dataCode=%s at=%s", e->data_code, caltime_format(e->at, at));
    if (!e->withdraw)
        snprintf(detail + n, sizeof detail - (size_t)n, " finalOld=%s firstNew=%s",
                 decimal_format(e->final_old, before), decimal_format(e->first_new, after));
    return audit_write(db, e->cli->actor, "", e->withdraw ? "meter.withdraw" : "meter.replace", e->code, 0, detail);
}

/* ---- reading the words ---- */

static RESULT read_register(const struct args *args, const char *name, int64_t *out)
{
    const char *text = args_text(args, name);
    return decimal_parse(text, strlen(text), out) == DECIMAL_OK && *out >= 0
               ? RESULT_OK
               : result_error(ERR_SENDER, 0, "须为不小于 0 的读数 / a register, not negative: --%s %s", name, text);
}

static RESULT read_exchange(const struct args *args, struct exchange *e)
{
    e->code = args->words[0];
    if (!datacode_parse(args->words[1], strlen(args->words[1]), e->data_code))
        return result_error(ERR_SENDER, 0, "组合编码有误 / malformed data code: %s", args->words[1]);
    TRY(args_time(args, "at", 0, &e->at));
    if (e->withdraw)
        return RESULT_OK;
    TRY(read_register(args, "final-old", &e->final_old));
    return read_register(args, "first-new", &e->first_new);
}

static int run_exchange(struct cli *cli, const struct args *args, bool withdraw)
{
    struct exchange e = {.cli = cli, .withdraw = withdraw};
    struct result usage = read_exchange(args, &e);
    if (!result_ok(usage))
        return cli_wrong_usage(usage);
    struct result r = cli_db(cli);
    r = result_ok(r) ? db_transaction(cli->db, apply, &e) : r;
    if (!result_ok(r))
        return cli_failed(r);
    puts(withdraw ? "已撤销换表记录，相关时段将重新汇总 / replacement withdrawn; what it touches is rolled up again"
                  : "已登记换表，相关时段将重新汇总 / replacement recorded; what it touches is rolled up again");
    return EXIT_DONE;
}

static int cmd_replace(struct cli *cli, const struct args *args)
{
    return run_exchange(cli, args, false);
}

static int cmd_withdraw(struct cli *cli, const struct args *args)
{
    return run_exchange(cli, args, true);
}

/* ---- list ---- */

static void put_decimal(struct table *t, const struct db_rows *rows, size_t row, int col)
{
    char text[DECIMAL_TEXT];
    table_text(t, decimal_format(db_get_numeric(rows, row, col), text));
}

static struct table *fill(const struct db_rows *rows)
{
    static const struct table_column COLUMNS[] = {{"enterpriseCode", "企业 ENTERPRISE", false},
                                                  {"dataCode", "数据编码 DATA CODE", false},
                                                  {"name", "名称 NAME", false},
                                                  {"at", "换表时间 AT", false},
                                                  {"finalOld", "旧表止数 FINAL OLD", true},
                                                  {"firstNew", "新表起数 FIRST NEW", true},
                                                  {"recordedAt", "登记时间 RECORDED", false}};
    struct table *t = table_new(COLUMNS, ARRAY_LEN(COLUMNS));
    for (size_t i = 0; i < db_rows_count(rows); i++) {
        for (int c = 0; c < 3; c++)
            table_text(t, db_get_text(rows, i, c));
        table_time(t, db_get_time(rows, i, 3));
        put_decimal(t, rows, i, 4);
        put_decimal(t, rows, i, 5);
        table_time(t, db_get_time(rows, i, 6));
    }
    return t;
}

static int cmd_list(struct cli *cli, const struct args *args)
{
    const char *code = args_text(args, "enterprise");
    struct result r = cli_known_sender(cli, code, false);
    if (!result_ok(r)) {
        return cli_failed(r);
    }
    struct db_params p;
    db_params_init(&p);
    db_bind_text(&p, code ? code : "");
    return cli_query_list(cli, args, &LIST, &p, 0, fill);
}

static const struct arg_spec REPLACE_ARGS[] = {{"at", "TIME", "换表时间 / when the meter was exchanged", true},
                                               {"final-old", "X", "旧表止数 / the old meter's last register", true},
                                               {"first-new", "Y", "新表起数 / the new meter's first register", true}};
static const struct arg_spec WITHDRAW_ARGS[] = {{"at", "TIME", "换表时间 / as recorded", true}};
static const struct arg_spec LIST_ARGS[] = {{"enterprise", "CODE", "只看该企业 / only this enterprise", false},
                                            JSON_ARG};

static const struct command COMMANDS[] = {
    {.words = "meter replace",
     .run = cmd_replace,
     .usage = "ENTERPRISE DATACODE --at T --final-old X --first-new Y",
     .zh = "登记换表：旧表止数和新表起数，用量分段计算",
     .en = "records that a register's meter was exchanged: what was used is each meter's part",
     COMMAND_ARGS(REPLACE_ARGS),
     .min_words = 2,
     .max_words = 2},
    {.words = "meter withdraw",
     .run = cmd_withdraw,
     .usage = "ENTERPRISE DATACODE --at T",
     .zh = "撤销一条换表记录",
     .en = "takes a recorded replacement back",
     COMMAND_ARGS(WITHDRAW_ARGS),
     .min_words = 2,
     .max_words = 2},
    {.words = "meter list",
     .run = cmd_list,
     .usage = "[--enterprise CODE]",
     .zh = "列出换表记录",
     .en = "lists recorded replacements",
     COMMAND_ARGS(LIST_ARGS)},
};
const struct command_group METER_COMMANDS = {COMMANDS, ARRAY_LEN(COMMANDS)};
