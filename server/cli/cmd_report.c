/* report conformity: the conformity test of an enterprise, on the terminal, as HTML, PDF or JSON; report quality: the
 * figures by day, or by item and day. */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/caltime.h"
#include "base/clock.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "quality/report.h"

#define PDF_PROGRAM "weasyprint"

extern char **environ;

static RESULT write_all(FILE *file, const char *path, const struct buf *text)
{
    bool good = fwrite(text->data, 1, text->len, file) == text->len;
    good &= fclose(file) == 0;
    return good ? RESULT_OK : result_error(ERR_INTERNAL, 0, "%s 无法写入 / cannot be written", path);
}

static RESULT write_file(const char *path, const struct buf *text)
{
    FILE *file = fopen(path, "wb");
    if (!file)
        return result_error(ERR_SENDER, 0, "%s 无法写入 / cannot be written: %s", path, strerror(errno));
    return write_all(file, path, text);
}

/* ---- PDF: HTML goes into a file of its own, the program of the Debian package makes a PDF of it ---- */

/* Its words are of no use to the operator unless it fails; then the exit status speaks. */
static RESULT spawn_pdf(const char *html, const char *pdf)
{
    char *const words[] = {(char *)(uintptr_t)PDF_PROGRAM, (char *)(uintptr_t) "--quiet", (char *)(uintptr_t)html,
                           (char *)(uintptr_t)pdf, NULL};
    pid_t pid;
    int status = 0;
    int failed = posix_spawnp(&pid, PDF_PROGRAM, NULL, NULL, words, environ);
    if (failed == ENOENT)
        return result_error(ERR_NOT_FOUND, 0,
                            "缺少 " PDF_PROGRAM " / " PDF_PROGRAM " is missing: "
                            "apt-get install weasyprint fonts-wqy-microhei");
    if (failed)
        return result_error(ERR_INTERNAL, 0, PDF_PROGRAM ": %s", strerror(failed));
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    bool good = WIFEXITED(status) && WEXITSTATUS(status) == 0 && access(pdf, R_OK) == 0;
    return good ? RESULT_OK : result_error(ERR_INTERNAL, 0, "%s 无法生成 / could not be made by " PDF_PROGRAM, pdf);
}

static RESULT write_pdf(const char *path, const struct buf *html)
{
    const char *dir = getenv("TMPDIR");
    char *name = mem_printf("%s/nhjc-report-XXXXXX", dir && *dir ? dir : "/tmp");
    int fd = mkstemp(name);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "wb");
    struct result r =
        file ? write_all(file, name, html) : result_error(ERR_INTERNAL, 0, "%s: %s", name, strerror(errno));
    r = result_ok(r) ? spawn_pdf(name, path) : r;
    if (fd >= 0)
        unlink(name);
    mem_free(name);
    return r;
}

/* ---- what is asked for ---- */

static const struct table_column COLUMNS[] = {{"rule", "项目 rule", false},
                                              {"verdict", "结论 verdict", false},
                                              {"asked", "要求 asked for", false},
                                              {"reason", "结果 found", false},
                                              {"reasonEn", "", false}};

static void print_summary(const struct conformity *c)
{
    struct buf out = BUF_INIT;
    struct table *t = table_new(COLUMNS, ARRAY_LEN(COLUMNS));
    for (size_t i = 0; i < RULE_COUNT; i++) {
        const struct conformity_result *r = &c->results[i];
        table_text(t, r->title_zh);
        table_text(t, r->passed ? "✓ 合格 met" : "✗ 不合格 not met");
        table_text(t, r->asked_zh);
        table_text(t, r->reason_zh);
        table_text(t, r->reason_en);
    }
    table_print(t, false, &out);
    table_free(&t);
    printf("%s %s\n%s\n%s\n", c->unit.code, c->name, buf_str(&out),
           c->passed ? "✓ 合格 / passed" : "✗ 不合格 / not passed");
    if (c->pending_hours > 0)
        printf("注意 / note: 尚有 %lld 小时待汇总 / hours still to be rolled up\n", (long long)c->pending_hours);
    buf_free(&out);
}

static void print_json(const struct conformity *c)
{
    struct buf out = BUF_INIT;
    report_json(c, &out);
    fputs(buf_str(&out), stdout);
    buf_free(&out);
}

static RESULT write_documents(struct cli *cli, const struct args *args, const struct conformity *c)
{
    const char *html = args_text(args, "out"), *pdf = args_text(args, "pdf");
    if (!html && !pdf)
        return RESULT_OK;
    struct buf out = BUF_INIT;
    report_html(c, cli->config.platform_name, &out);
    struct result r = html ? write_file(html, &out) : RESULT_OK;
    r = result_ok(r) && pdf ? write_pdf(pdf, &out) : r;
    buf_free(&out);
    return r;
}

static int report(struct cli *cli, const struct args *args, int64_t from, int64_t to, struct arena *arena)
{
    struct conformity c;
    struct result r = cli_db(cli);
    r = result_ok(r) ? conformity_test(cli->db, args->words[0], from, to, arena, &c) : r;
    r = result_ok(r) ? write_documents(cli, args, &c) : r;
    if (!result_ok(r))
        return cli_failed(r);
    if (args_given(args, "json"))
        print_json(&c);
    else
        print_summary(&c);
    return c.passed ? EXIT_DONE : EXIT_FAILED; /* a script must not take a red report for a green one */
}

static RESULT read_period(const struct args *args, int64_t end, int64_t *from, int64_t *to)
{
    TRY(args_time(args, "to", end, to));
    TRY(args_time(args, "from", period_start(GRAN_DAY, *to) - 31 * INT64_C(86400) * USEC_PER_SEC, from));
    return args_span(*from, *to);
}

static int cmd_conformity(struct cli *cli, const struct args *args)
{
    int64_t from, to;
    struct result r = read_period(args, period_start(GRAN_DAY, clock_now()), &from, &to);
    if (!result_ok(r))
        return cli_wrong_usage(r);
    struct arena *arena = arena_new(0);
    int code = report(cli, args, from, to, arena);
    arena_free(&arena);
    return code;
}

/* ---- report quality: the figures themselves ---- */

static const struct table_column DAY_COLUMNS[] = {{"enterpriseCode", "企业 enterprise", false},
                                                  {"dataCode", "组合编码 data code", false},
                                                  {"statType", "类型 type", true},
                                                  {"statDate", "日期 day", false},
                                                  {"expected", "应收 expected", true},
                                                  {"received", "收到 received", true},
                                                  {"onTime", "及时 on time", true},
                                                  {"late", "迟到 late", true},
                                                  {"invalid", "无效 invalid", true},
                                                  {"rejected", "拒绝 rejected", true},
                                                  {"suspect", "可疑 suspect", true},
                                                  {"successRate", "成功率 success", true},
                                                  {"completeness", "完整率 complete", true},
                                                  {"continuousDays", "连续 in a row", true}};

static void put_figures(struct table *t, int64_t day, const struct quality_counts *c)
{
    char text[DECIMAL_TEXT];
    table_time(t, day);
    table_int(t, c->expected);
    table_int(t, quality_received(c));
    table_int(t, quality_on_time(c));
    table_int(t, c->late);
    table_int(t, c->invalid);
    table_int(t, c->rejected);
    table_int(t, c->suspect);
    table_text(t, decimal_format(quality_success_rate(c), text));
    table_text(t, decimal_format(quality_completeness(c), text));
}

struct item_rows {
    struct table *table;
    const char *enterprise;
};

/* A row of a known item; refused records of none have no data code. */
static void put_item_day(void *arg, const struct quality_item *item, int64_t day, const struct quality_counts *c)
{
    struct item_rows *rows = arg;
    table_text(rows->table, rows->enterprise);
    table_text(rows->table, item ? item->data_code : NULL);
    if (item)
        table_int(rows->table, item->stat_type);
    else
        table_text(rows->table, NULL);
    put_figures(rows->table, day, c);
    table_text(rows->table, NULL);
}

static void put_days(struct table *t, const struct quality_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        table_text(t, list->at[i].enterprise_code);
        table_text(t, NULL);
        table_text(t, NULL);
        put_figures(t, list->at[i].day, &list->at[i].counts);
        table_int(t, list->at[i].continuous_days);
    }
}

static RESULT list_quality(struct cli *cli, const struct args *args, struct quality_question *q, struct arena *arena,
                           struct table *t)
{
    struct quality_list list = {0};
    struct quality_unit unit;
    TRY(cli_db(cli));
    TRY(quality_find_unit(cli->db, q->enterprise_code, arena, &unit));
    if (!args_given(args, "items")) {
        TRY(quality_query(cli->db, q, arena, &list));
        put_days(t, &list);
        return RESULT_OK;
    }
    struct item_rows rows = {t, unit.code};
    return quality_of_unit(cli->db, &unit, q->from, q->to, arena, put_item_day, &rows, &list);
}

static int cmd_quality(struct cli *cli, const struct args *args)
{
    struct quality_question q = {.enterprise_code = args->words[0]};
    struct result r = read_period(args, clock_now(), &q.from, &q.to);
    if (!result_ok(r))
        return cli_wrong_usage(r);
    struct arena *arena = arena_new(0);
    struct table *t = table_new(DAY_COLUMNS, ARRAY_LEN(DAY_COLUMNS));
    r = list_quality(cli, args, &q, arena, t);
    arena_free(&arena);
    if (result_ok(r))
        cli_list(&t, args);
    table_free(&t);
    return result_ok(r) ? EXIT_DONE : cli_failed(r);
}

static const struct arg_spec CONFORMITY_ARGS[] = {
    {"from", "TIME", "起始日 / first day, default 31 days before --to", false},
    {"to", "TIME", "截止日（不含） / to, exclusive, default today", false},
    {"out", "FILE.html", "写入 HTML 报告 / writes the report as HTML", false},
    {"pdf", "FILE.pdf", "写入 PDF 报告 / writes the report as PDF (weasyprint)", false},
    JSON_ARG};

static const struct arg_spec QUALITY_ARGS[] = {
    {"from", "TIME", "起始日 / first day, default 31 days before --to", false},
    {"to", "TIME", "截止日（不含） / to, exclusive, default now", false},
    {"items", NULL, "逐采集数据项 / by item and day", false},
    JSON_ARG};

static const struct command COMMANDS[] = {
    {.words = "report conformity",
     .run = cmd_conformity,
     .usage = "CODE [--from T] [--to T] [--out FILE.html] [--pdf FILE.pdf] [--json]",
     .zh = "数据接入符合性测试报告，不合格时退出码为 1",
     .en = "conformity test of an enterprise's data (exit 1 when a rule is not met)",
     COMMAND_ARGS(CONFORMITY_ARGS),
     .min_words = 1,
     .max_words = 1},
    {.words = "report quality",
     .run = cmd_quality,
     .usage = "CODE [--from T] [--to T] [--items] [--json]",
     .zh = "逐日（逐项）数据质量",
     .en = "data quality by day, or by item and day",
     COMMAND_ARGS(QUALITY_ARGS),
     .min_words = 1,
     .max_words = 1},
};
const struct command_group REPORT_COMMANDS = {COMMANDS, ARRAY_LEN(COMMANDS)};
