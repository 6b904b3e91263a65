/* rollup verify, rollup repair: recomputes from the readings, compares with what is stored, puts right what differs. */
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

static const struct db_stmt RAW_FROM = {"cli_raw_from", "SELECT raw_from()"};

struct verification {
    struct registry *registry;
    int64_t from, to;
    const struct rollup_repair *repair; /* NULL: only looks */
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

/* That nothing differs must not vouch for what nobody compared. */
static RESULT tell_frozen(struct cli *cli, const struct verification *v)
{
    char text[CALTIME_TEXT];
    struct db_rows *rows = NULL;
    TRY(db_query(cli->db, &RAW_FROM, NULL, &rows));
    int64_t gone = db_get_time(rows, 0, 0);
    db_rows_free(&rows);
    if (v->from < gone) {
        caltime_format(gone, text);
        fprintf(
            stderr,
            "注意 / note: %s 之前的读数已过期，其汇总不再变动，未核对 / readings before %s have expired: their rollups "
            "stay as they are and were not compared\n",
            text, text);
    }
    return RESULT_OK;
}

static RESULT verify(struct cli *cli, struct verification *v, const char *code)
{
    TRY(cli_db(cli));
    TRY(cli_known_sender(cli, code, false));
    TRY(tell_frozen(cli, v));
    TRY(registry_open(cli->db, &v->registry));
    struct db_params p;
    db_params_init(&p);
    db_bind_text(&p, code);
    struct db_rows *rows = NULL;
    struct result r = db_query(cli->db, &CODES, &p, &rows);
    db_params_free(&p);
    r = result_ok(r) ? verify_rows(cli, v, rows) : r;
    db_rows_free(&rows);
    registry_close(&v->registry);
    return r;
}

static RESULT read_span(const struct args *args, struct verification *v)
{
    static const struct civil FIRST = {.year = 2010, .month = 1, .day = 1};
    TRY(args_time(args, "from", caltime_instant(&FIRST), &v->from));
    TRY(args_time(args, "to", period_next(GRAN_YEAR, period_start(GRAN_YEAR, clock_now())), &v->to));
    return args_span(v->from, v->to);
}

/* In the transaction that marks what is to be computed again. */
static RESULT record_repair(struct db *db, const char *code, int64_t differences, void *arg)
{
    const struct cli *cli = arg;
    char detail[40];
    snprintf(detail, sizeof detail, "differences=%lld", (long long)differences);
    return audit_write(db, cli->actor, "", "rollup.repair", code, 0, detail);
}

static const char *enterprise_of(const struct args *args)
{
    const char *code = args_text(args, "enterprise");
    return code ? code : "";
}

static void print_sum(const struct verification *v, const char *zh, const char *en)
{
    printf("%lld 家企业，%lld 处差异%s / %lld enterprises, %lld differences%s\n", (long long)v->units,
           (long long)v->differences, zh, (long long)v->units, (long long)v->differences, en);
}

static int cmd_verify(struct cli *cli, const struct args *args)
{
    struct rollup_repair repair = {record_repair, cli};
    struct verification v = {.repair = args_given(args, "repair") ? &repair : NULL};
    struct result r = read_span(args, &v);
    if (!result_ok(r)) {
        return cli_wrong_usage(r);
    }
    r = verify(cli, &v, enterprise_of(args));
    if (!result_ok(r)) {
        return cli_failed(r);
    }
    bool mended = v.repair && v.differences;
    print_sum(&v, mended ? "，已修复" : "", mended ? ", repaired" : "");
    return v.differences ? EXIT_FAILED : EXIT_DONE; /* found, even if mended: a script must not miss it */
}

/* What differs is shown, put right and compared once more: done when nothing is left. */
static int cmd_repair(struct cli *cli, const struct args *args)
{
    struct rollup_repair repair = {record_repair, cli};
    bool apply = !args_given(args, "dry-run");
    struct verification found = {.repair = apply ? &repair : NULL}, left = {0};
    struct result r = read_span(args, &found);
    if (!result_ok(r)) {
        return cli_wrong_usage(r);
    }
    left.from = found.from;
    left.to = found.to;
    r = verify(cli, &found, enterprise_of(args));
    if (result_ok(r)) {
        print_sum(&found, apply ? "，正在修复" : "，未作改动", apply ? ", being repaired" : ", nothing changed");
    }
    if (result_ok(r) && apply && found.differences) {
        r = verify(cli, &left, enterprise_of(args));
        print_sum(&left, "（修复后）", " after the repair");
    }
    if (!result_ok(r)) {
        return cli_failed(r);
    }
    return left.differences ? EXIT_FAILED : EXIT_DONE;
}

#define SPAN_ARGS                                                                                                      \
    {"enterprise", "CODE", "只核对该企业 / only this enterprise", false}, {"from", "TIME", "起 / from (2010)", false}, \
    {                                                                                                                  \
        "to", "TIME", "止（不含） / to, exclusive (end of this year)", false                                           \
    }
static const struct arg_spec VERIFY_ARGS[] = {SPAN_ARGS,
                                              {"repair", NULL, "写入正确的行 / write the right rows", false}};
static const struct arg_spec REPAIR_ARGS[] = {SPAN_ARGS,
                                              {"dry-run", NULL, "只显示差异 / only show differences", false}};

static const struct command COMMANDS[] = {
    {.words = "rollup verify",
     .run = cmd_verify,
     .usage = "[--enterprise CODE] [--from T] [--to T] [--repair]",
     .zh = "由原始读数重算并核对汇总和能源核算",
     .en = "recomputes rollups and energy accounts from the readings and shows differences (exit 1)",
     COMMAND_ARGS(VERIFY_ARGS)},
    {.words = "rollup repair",
     .run = cmd_repair,
     .usage = "[--enterprise CODE] [--from T] [--to T] [--dry-run]",
     .zh = "显示并修复有差异的汇总和能源核算",
     .en = "shows rollups and energy accounts that differ, puts them right and compares again",
     COMMAND_ARGS(REPAIR_ARGS)},
};
const struct command_group ROLLUP_COMMANDS = {COMMANDS, ARRAY_LEN(COMMANDS)};
