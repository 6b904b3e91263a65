/* enterprise admit|list: a change, its audit row and the server's notice in one transaction. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "admin/audit.h"
#include "base/clock.h"
#include "base/mem.h"
#include "cli/enterprise.h"
#include "registry/admission.h"
#include "validate/network.h"

/* The short way to acceptance. A suspension is lifted only by `resume`, never by admitting again. */
static const struct db_stmt ADMIT = {
    "cli_admit",
    "INSERT INTO unit (code, name, region_code, industry_code, period, state, upload_time) "
    "VALUES ($1, $2, $3, $4, $5, 'accepted', "
    "        " SPREAD_UPLOAD_TIME ") "
    "ON CONFLICT (code) DO UPDATE SET name = excluded.name, region_code = excluded.region_code, "
    "  industry_code = excluded.industry_code, period = CASE WHEN $6 THEN excluded.period ELSE unit.period END, "
    "  state = CASE WHEN unit.state = 'suspended' THEN unit.state ELSE 'accepted' END, "
    "  state_since = CASE WHEN unit.state IN ('accepted', 'suspended') THEN unit.state_since ELSE now() END, "
    "  from_platform = NULL, modified_at = now() "
    "RETURNING state"};
static const struct db_stmt LIST = {
    "cli_units", "SELECT u.code, u.name, u.region_code, u.industry_code, u.state, u.config_version, "
                 "  (SELECT count(*) FROM collect_item i WHERE i.unit_id = u.id AND i.active), "
                 "  (SELECT count(*) FROM device d WHERE d.unit_id = u.id), u.created_at, coalesce(p.code, '') "
                 "FROM unit u LEFT JOIN platform p ON p.id = u.from_platform "
                 "WHERE ($1 = '' OR u.region_code LIKE $1 || '%') AND ($2 = '' OR u.state = $2) ORDER BY u.code"};

struct admission {
    struct cli *cli;
    const char *code, *name, *region, *industry, *reason, *was;
    int64_t period;
    bool period_given;
    char state[16];
};

static bool all(const char *text, int (*test)(int c))
{
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        if (!test(*p)) {
            return false;
        }
    }
    return true;
}

RESULT application_check(const struct application *a)
{
    if (!uscc_valid(a->code)) {
        return result_error(ERR_SENDER, 0,
                            "%s 不是有效的统一社会信用代码 / is not a unified social credit code (check digit)",
                            a->code);
    }
    if (strlen(a->region) != 6 || !all(a->region, isdigit)) {
        return result_error(ERR_SENDER, 0, "行政区划代码须为 6 位数字 / the region must be 6 digits: %s", a->region);
    }
    if (!*a->industry || strlen(a->industry) > 8 || !all(a->industry, isalnum)) {
        return result_error(ERR_SENDER, 0, "行业代码无效 / not an industry code (GB/T 4754): %s", a->industry);
    }
    if (!*a->name || strlen(a->name) > 400) {
        return result_error(ERR_SENDER, 0, "企业名称为空或过长 / the name is empty or too long");
    }
    return RESULT_OK;
}

void application_note_region(const struct cli *cli, const char *region)
{
    if (!region_covers(cli->config.platform_code, region)) {
        fprintf(stderr, "注意 / note: %s 不在本平台 %s 的行政区划内 / lies outside this platform's region\n", region,
                cli->config.platform_code);
    }
}

static RESULT check(const struct admission *a)
{
    TRY(application_check(&(struct application){a->code, a->name, a->region, a->industry}));
    if (86400 % a->period != 0) {
        return result_error(ERR_SENDER, 0, "采集周期须整除一天 / the period must divide a day: %lld",
                            (long long)a->period);
    }
    return RESULT_OK;
}

/* What the short way would undo without a word needs one: a retirement, or that a lower platform admits it. */
static RESULT may_admit(struct db *db, struct admission *a)
{
    struct admission_facts was;
    struct result r = admission_read(db, a->code, &was);
    a->was = "-";
    if (r.kind == ERR_NOT_FOUND) {
        return RESULT_OK;
    }
    TRY(r);
    a->was = unit_state_name(was.state);
    if (!a->reason && (was.state == UNIT_RETIRED || was.from_platform)) {
        return result_error(ERR_SENDER, 0, "该企业%s，须说明原因 / it is %s: --reason TEXT is needed to admit it here",
                            was.from_platform ? "经下级平台接入" : "已注销",
                            was.from_platform ? "known through a lower platform" : "retired");
    }
    return RESULT_OK;
}

static RESULT audit_admit(struct db *db, const struct admission *a)
{
    char *detail =
        mem_printf("%s -> %s; %s%s%s", a->was, a->state, a->region, a->reason ? "; " : "", a->reason ? a->reason : "");
    struct result r = audit_write(db, a->cli->actor, "", "enterprise.admit", a->code, 0, detail);
    mem_free(detail);
    return r;
}

static RESULT admit(struct db *db, void *arg)
{
    struct admission *a = arg;
    struct db_params p;
    TRY(may_admit(db, a));
    db_params_init(&p);
    db_bind_text(&p, a->code);
    db_bind_text(&p, a->name);
    db_bind_text(&p, a->region);
    db_bind_text(&p, a->industry);
    db_bind_int4(&p, (int32_t)a->period);
    db_bind_bool(&p, a->period_given);
    struct db_rows *rows = NULL;
    struct result r = db_query(db, &ADMIT, &p, &rows);
    if (result_ok(r)) {
        snprintf(a->state, sizeof a->state, "%s", db_get_text(rows, 0, 0));
    }
    db_rows_free(&rows);
    db_params_free(&p);
    TRY(r);
    TRY(admission_notify(db, a->code));
    return audit_admit(db, a);
}

static int cmd_admit(struct cli *cli, const struct args *args)
{
    struct admission a = {.cli = cli,
                          .code = args->words[0],
                          .name = args_text(args, "name"),
                          .region = args_text(args, "region"),
                          .industry = args_text(args, "industry"),
                          .reason = args_text(args, "reason"),
                          .period_given = args_given(args, "period")};
    struct result r = args_int(args, "period", 60, 86400, 900, &a.period);
    if (!result_ok(r)) {
        return cli_wrong_usage(r);
    }
    r = check(&a);
    r = result_ok(r) ? cli_db(cli) : r;
    r = result_ok(r) ? db_transaction(cli->db, admit, &a) : r;
    if (!result_ok(r)) {
        return cli_failed(r);
    }
    application_note_region(cli, a.region);
    printf("已接入 / admitted: %s %s (%s)\n", a.code, a.name, a.state);
    if (strcmp(a.state, "suspended") == 0) {
        fprintf(stderr,
                "注意 / note: 仍为暂停状态，用 enterprise resume 恢复 / still suspended, see enterprise resume\n");
    }
    return EXIT_DONE;
}

static const struct table_column COLUMNS[] = {
    {"code", "代码 code", false},           {"name", "名称 name", false},        {"region", "区划 region", false},
    {"industry", "行业 industry", false},   {"state", "状态 state", false},      {"configVersion", "配置 config", true},
    {"items", "采集项 items", true},        {"devices", "端设备 devices", true}, {"createdAt", "登记 created", false},
    {"fromPlatform", "来源平台 via", false}};

static struct table *fill(const struct db_rows *rows)
{
    struct table *t = table_new(COLUMNS, ARRAY_LEN(COLUMNS));
    for (size_t i = 0; i < db_rows_count(rows); i++) {
        for (int c = 0; c < 5; c++) {
            table_text(t, db_get_text(rows, i, c));
        }
        for (int c = 5; c < 8; c++) {
            table_int(t, db_get_int(rows, i, c));
        }
        table_time(t, db_get_time(rows, i, 8));
        table_text(t, db_get_text(rows, i, 9));
    }
    return t;
}

static int cmd_list(struct cli *cli, const struct args *args)
{
    const char *region = args_text(args, "region"), *state = args_text(args, "state");
    enum unit_state known;
    if (state && !unit_state_from_name(state, &known)) {
        return cli_wrong_usage(result_error(ERR_SENDER, 0, "没有这个状态 / no such state: %s", state));
    }
    struct db_params p;
    db_params_init(&p);
    db_bind_text(&p, region ? region : "");
    db_bind_text(&p, state ? state : "");
    return cli_query_list(cli, args, &LIST, &p, 0, fill);
}

static const struct arg_spec ADMIT_ARGS[] = {
    {"name", "NAME", "企业名称 / the enterprise's name", true},
    {"region", "REGION", "行政区划代码，6 位 / region by GB/T 2260, 6 digits", true},
    {"industry", "INDUSTRY", "行业代码 / industry by GB/T 4754, e.g. C3110", true},
    {"period", "SECONDS", "默认采集周期 / default period of its items (900)", false},
    {"reason", "TEXT", "已注销或经下级平台接入时须说明 / needed for one that is retired or a lower platform's", false}};
static const struct arg_spec LIST_ARGS[] = {{"region", "PREFIX", "只列该区划 / only this region, e.g. 4201", false},
                                            {"state", "STATE", "只列该状态 / only this state", false},
                                            JSON_ARG};

static const struct command COMMANDS[] = {
    {.words = "enterprise admit",
     .run = cmd_admit,
     .usage = "CODE --name N --region R --industry I [--period S] [--reason TEXT]",
     .zh = "接入重点用能单位，可重复执行",
     .en = "admits an enterprise; the same again changes nothing",
     COMMAND_ARGS(ADMIT_ARGS),
     .min_words = 1,
     .max_words = 1},
    {.words = "enterprise list",
     .run = cmd_list,
     .usage = "[--region PREFIX] [--state STATE] [--json]",
     .zh = "列出重点用能单位",
     .en = "lists the enterprises",
     COMMAND_ARGS(LIST_ARGS)},
};
const struct command_group ENTERPRISE_COMMANDS = {COMMANDS, ARRAY_LEN(COMMANDS)};
