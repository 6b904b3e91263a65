/* command add|list|cancel: what end devices are asked to do. */
#include <stdio.h>
#include <string.h>

#include "admin/audit.h"
#include "base/clock.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "payload/datacode.h"
#include "registry/admission.h"
#include "registry/command_store.h"

#define MAX_CODES 100

static const struct db_stmt DEVICES = {"command_devices",
                                       "SELECT device_id FROM device WHERE unit_id = $1 AND ($2::text IS NULL OR "
                                       "device_id = $2 OR serial = $2) ORDER BY serial"};
static const struct db_stmt LIST = {
    "command_list",
    "SELECT c.command_id, u.code, coalesce(c.device_id, ''), c.kind, c.from_ts, c.to_ts, array_to_string(c.data_codes, "
    "' '), "
    "  c.value, c.state, c.created_at, c.sent_at, c.finished_at, c.created_by, c.detail "
    "FROM command c JOIN unit u ON u.id = c.unit_id "
    "WHERE ($1 = '' OR u.code = $1) AND (NOT $2 OR c.state IN ('queued', 'sent')) ORDER BY c.created_at DESC LIMIT $3"};

struct order {
    struct cli *cli;
    const char *code, *device;
    bool every_device;
    struct command_row row;
    const char *codes[MAX_CODES];
    char code_bytes[MAX_CODES][DATACODE_LEN + 1];
    struct buf said; /* a line per command */
};

static RESULT add_one(struct db *db, struct order *o, const struct command_order *order)
{
    char id[33];
    TRY(command_add(db, order, &o->row, id));
    buf_printf(&o->said, "%s %s %s\n", id, o->row.kind, order->device_id ? order->device_id : "*");
    char *detail = mem_printf("%s %s%s%s", id, o->row.kind, *o->row.value ? " " : "", o->row.value);
    struct result r = audit_write(db, o->cli->actor, "", "command.add", o->code, 0, detail);
    mem_free(detail);
    return r;
}

static RESULT find_devices(struct db *db, const struct order *o, int32_t unit_id, struct db_rows **rows)
{
    struct db_params p;
    db_params_init(&p);
    db_bind_int4(&p, unit_id);
    db_bind_text(&p, o->device);
    struct result r = db_query(db, &DEVICES, &p, rows);
    db_params_free(&p);
    if (result_ok(r) && db_rows_count(*rows) == 0) {
        db_rows_free(rows);
        r = result_error(ERR_NOT_FOUND, 0, "没有这样的端设备 / no such device: %s", o->device ? o->device : o->code);
    }
    return r;
}

static RESULT add_to_devices(struct db *db, struct order *o, struct command_order *order)
{
    struct db_rows *rows = NULL;
    TRY(find_devices(db, o, order->unit_id, &rows));
    struct result r = RESULT_OK;
    for (size_t i = 0; i < db_rows_count(rows) && result_ok(r); i++) {
        order->device_id = db_get_text(rows, i, 0);
        r = add_one(db, o, order);
    }
    db_rows_free(&rows);
    return r;
}

static RESULT add(struct db *db, void *arg)
{
    struct order *o = arg;
    struct admission_facts facts;
    buf_clear(&o->said);
    TRY(admission_read(db, o->code, &facts));
    if (facts.from_platform) {
        return result_error(ERR_SENDER, 0,
                            "该企业经下级平台接入 / known through a lower platform, which commands its devices");
    }
    struct command_order order = {.unit_id = facts.id, .created_by = o->cli->actor, .now = clock_now()};
    return o->device || o->every_device ? add_to_devices(db, o, &order) : add_one(db, o, &order);
}

/* "code,code": 16 digits or dashed. */
static RESULT read_codes(const char *text, struct order *o)
{
    o->row.data_codes = o->codes;
    for (const char *p = text ? text : ""; *p; p += strspn(p, ", ")) {
        size_t n = strcspn(p, ", ");
        if (o->row.code_count == MAX_CODES || !datacode_parse(p, n, o->code_bytes[o->row.code_count])) {
            return result_error(ERR_SENDER, 0, "不是组合编码，或过多 / no data code, or too many: %.*s", (int)n, p);
        }
        o->codes[o->row.code_count] = o->code_bytes[o->row.code_count];
        o->row.code_count++;
        p += n;
    }
    return RESULT_OK;
}

static RESULT read_order(const struct args *args, struct order *o)
{
    const char *value = args_text(args, "value");
    o->row.kind = args->words[1];
    o->row.value = value ? value : "";
    TRY(args_time(args, "from", INT64_MIN, &o->row.from));
    TRY(args_time(args, "to", INT64_MIN, &o->row.to));
    TRY(read_codes(args_text(args, "code"), o));
    return command_check(&o->row);
}

static int cmd_add(struct cli *cli, const struct args *args)
{
    struct order o = {.cli = cli,
                      .code = args->words[0],
                      .device = args_text(args, "device"),
                      .every_device = args_given(args, "every-device")};
    struct result r = read_order(args, &o);
    if (!result_ok(r)) {
        return cli_wrong_usage(r);
    }
    r = cli_db(cli);
    r = result_ok(r) ? db_transaction(cli->db, add, &o) : r;
    if (result_ok(r)) {
        fputs(buf_str(&o.said), stdout);
    }
    buf_free(&o.said);
    return result_ok(r) ? EXIT_DONE : cli_failed(r);
}

/* ---------------------------------------------------------------- list */
static const struct table_column COLUMNS[] = {{"commandId", "命令 commandId", false},
                                              {"enterprise", "企业 enterprise", false},
                                              {"deviceId", "端设备 device", false},
                                              {"kind", "种类 kind", false},
                                              {"from", "起 from", false},
                                              {"to", "止 to", false},
                                              {"dataCodes", "编码 codes", false},
                                              {"value", "值 value", false},
                                              {"state", "状态 state", false},
                                              {"createdAt", "下达 created", false},
                                              {"sentAt", "送达 sent", false},
                                              {"finishedAt", "完成 finished", false},
                                              {"by", "谁 by", false},
                                              {"detail", "说明 detail", false}};
static const bool IS_TIME[ARRAY_LEN(COLUMNS)] = {[4] = true, [5] = true, [9] = true, [10] = true, [11] = true};

static struct table *fill(const struct db_rows *rows)
{
    struct table *t = table_new(COLUMNS, ARRAY_LEN(COLUMNS));
    for (size_t i = 0; i < db_rows_count(rows); i++) {
        for (int c = 0; c < (int)ARRAY_LEN(COLUMNS); c++) {
            if (IS_TIME[c]) {
                table_time(t, db_is_null(rows, i, c) ? INT64_MIN : db_get_time(rows, i, c));
            } else {
                table_text(t, db_get_text(rows, i, c));
            }
        }
    }
    return t;
}

static int cmd_list(struct cli *cli, const struct args *args)
{
    int64_t limit;
    const char *code = args->word_count ? args->words[0] : "";
    struct result r = args_int(args, "limit", 1, 100000, 100, &limit);
    if (!result_ok(r)) {
        return cli_wrong_usage(r);
    }
    r = cli_known_sender(cli, code, false);
    if (!result_ok(r)) {
        return cli_failed(r);
    }
    struct db_params p;
    db_params_init(&p);
    db_bind_text(&p, code);
    db_bind_bool(&p, args_given(args, "open"));
    db_bind_int8(&p, limit);
    return cli_query_list(cli, args, &LIST, &p, limit, fill);
}

/* ---------------------------------------------------------------- cancel */
struct cancelling {
    struct cli *cli;
    const char *id, *why;
};

static RESULT cancel(struct db *db, void *arg)
{
    struct cancelling *c = arg;
    bool cancelled;
    char code[19];
    TRY(command_cancel(db, c->id, c->why, clock_now(), &cancelled, code));
    return cancelled ? audit_write(db, c->cli->actor, "", "command.cancel", code, 0, c->id)
                     : result_error(ERR_NOT_FOUND, 0, "没有未完成的这个命令 / no open command of this id: %s", c->id);
}

static int cmd_cancel(struct cli *cli, const struct args *args)
{
    const char *reason = args_text(args, "reason");
    struct cancelling c = {cli, args->words[0], reason ? reason : ""};
    struct result r = cli_db(cli);
    r = result_ok(r) ? db_transaction(cli->db, cancel, &c) : r;
    if (!result_ok(r)) {
        return cli_failed(r);
    }
    printf("已取消 / cancelled: %s\n", c.id);
    return EXIT_DONE;
}

static const struct arg_spec ADD_ARGS[] = {
    {"from", "TIME", "REUPLOAD：起 / from", false},
    {"to", "TIME", "REUPLOAD：止（不含） / to, exclusive", false},
    {"code", "DATACODE[,DATACODE…]", "只对这些编码 / only these codes; default all", false},
    {"value", "SECONDS", "SET_PERIOD：周期 / the period", false},
    {"device", "SERIAL|ID", "给该端设备 / for this device; default: whichever asks first", false},
    {"every-device", NULL, "给其每台端设备 / one for each of its devices", false}};
static const struct arg_spec LIST_ARGS[] = {{"open", NULL, "只列未完成的 / only what is not finished", false},
                                            {"limit", "N", "条数，最新在前 / this many, newest first (100)", false},
                                            JSON_ARG};
static const struct arg_spec CANCEL_ARGS[] = {{"reason", "TEXT", "原因 / why", false}};

static const struct command COMMANDS[] = {
    {.words = "command add",
     .run = cmd_add,
     .usage =
         "CODE REUPLOAD|COLLECT_NOW|SET_PERIOD|RELOAD_BASE_DATA|REREGISTER [--from T --to T] [--code C,…] [--value S]",
     .zh = "向端设备下达命令，随心跳送达",
     .en = "queues a command, given with the next Heartbeat",
     COMMAND_ARGS(ADD_ARGS),
     .min_words = 2,
     .max_words = 2},
    {.words = "command list",
     .run = cmd_list,
     .usage = "[CODE] [--open] [--limit N] [--json]",
     .zh = "列出命令及结果",
     .en = "lists commands and what became of them",
     COMMAND_ARGS(LIST_ARGS),
     .max_words = 1},
    {.words = "command cancel",
     .run = cmd_cancel,
     .usage = "ID [--reason TEXT]",
     .zh = "取消未完成的命令",
     .en = "cancels a command that is not finished",
     COMMAND_ARGS(CANCEL_ARGS),
     .min_words = 1,
     .max_words = 1},
};
const struct command_group COMMAND_COMMANDS = {COMMANDS, ARRAY_LEN(COMMANDS)};
