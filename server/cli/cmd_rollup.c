/* rollup verify: recomputes from the readings and compares with what is stored. */
#include <stdio.h>

#include "admin/audit.h"
#include "base/caltime.h"
#include "base/clock.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "registry/registry.h"
#include "rollup/rollup.h"

static const struct db_stmt CODES = {
    "cli_codes", "SELECT id, code FROM unit WHERE ($1 = '' OR code = $1) AND next_slot > 0 ORDER BY code"};
static const struct db_stmt KNOWN = {"cli_known", "SELECT 1 FROM unit WHERE code = $1"};

struct verification {
    struct registry *registry;
    int64_t from, to;
    bool repair;
    int64_t units, differences;
};

static RESULT verify_unit(struct cli *cli, struct verification *v, int32_t id, const char *code)
{
    struct buf report = BUF_INIT;
    int64_t differences = 0;
    struct result r = rollup_verify(cli->db, v->registry, id, v->from, v->to, v->repair, &report, &differences);
    if (result_ok(r)) {
        printf("%s: %lld 处差异 / differences\n%s", code, (long long)differences, buf_str(&report));
        v->units++;
        v->differences += differences;
    }
    buf_free(&report);
    return r;
}

static RESULT verify_rows(struct cli *cli, struct verification *v, const struct db_rows *rows)
{
    for (size_t i = 0; i < db_rows_count(rows); i++) {
        TRY(verify_unit(cli, v, (int32_t)db_get_int(rows, i, 0), db_get_text(rows, i, 1)));
    }
    return RESULT_OK;
}

static RESULT require_code(struct db *db, const struct db_params *p, const char *code)
{
    struct db_rows *rows = NULL;
    TRY(db_query(db, &KNOWN, p, &rows));
    bool known = !*code || db_rows_count(rows) > 0;
    db_rows_free(&rows);
    return known ? RESULT_OK : result_error(ERR_NOT_FOUND, 0, "没有这个企业 / no such enterprise: %s", code);
}

static RESULT verify(struct cli *cli, struct verification *v, const char *code)
{
    TRY(cli_db(cli));
    TRY(registry_open(cli->db, &v->registry));
    struct db_params p;
    db_params_init(&p);
    db_bind_text(&p, code);
    struct db_rows *rows = NULL;
    struct result r = require_code(cli->db, &p, code);
    r = result_ok(r) ? db_query(cli->db, &CODES, &p, &rows) : r;
    db_params_free(&p);
    r = result_ok(r) ? verify_rows(cli, v, rows) : r;
    db_rows_free(&rows);
    registry_close(&v->registry);
    TRY(r);
    return v->repair ? audit_write(cli->db, cli->actor, "", "rollup.repair", code, 0, "") : RESULT_OK;
}

static int cmd_verify(struct cli *cli, const struct args *args)
{
    struct verification v = {.repair = args_given(args, "repair")};
    const char *code = args_text(args, "enterprise");
    static const struct civil FIRST = {.year = 2010, .month = 1, .day = 1};
    struct result r = args_time(args, "from", caltime_instant(&FIRST), &v.from);
    r = result_ok(r) ? args_time(args, "to", period_next(GRAN_YEAR, period_start(GRAN_YEAR, clock_now())), &v.to) : r;
    if (!result_ok(r)) {
        return cli_wrong_usage(r);
    }
    r = verify(cli, &v, code ? code : "");
    if (!result_ok(r)) {
        return cli_failed(r);
    }
    printf("%lld 家企业，%lld 处差异 / %lld enterprises, %lld differences%s\n", (long long)v.units,
           (long long)v.differences, (long long)v.units, (long long)v.differences,
           v.repair && v.differences ? "，已修复 / repaired" : "");
    return v.differences ? EXIT_FAILED : EXIT_DONE; /* found, even if mended: a script must not miss it */
}

static const struct arg_spec VERIFY_ARGS[] = {{"enterprise", "CODE", "只核对该企业 / only this enterprise", false},
                                              {"from", "TIME", "起 / from (2010)", false},
                                              {"to", "TIME", "止（不含） / to, exclusive (end of this year)", false},
                                              {"repair", NULL, "写入正确的行 / write the right rows", false}};

static const struct command COMMANDS[] = {
    {.words = "rollup verify",
     .run = cmd_verify,
     .usage = "[--enterprise CODE] [--from T] [--to T] [--repair]",
     .zh = "由原始读数重算并核对汇总",
     .en = "recomputes rollups from the readings and shows differences (exit 1)",
     COMMAND_ARGS(VERIFY_ARGS)},
};
const struct command_group ROLLUP_COMMANDS = {COMMANDS, ARRAY_LEN(COMMANDS)};
