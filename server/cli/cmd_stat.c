/* stat: who consumes most; stat intensity: standard coal per product and per value; restated: which past figures
 * changed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/caltime.h"
#include "base/clock.h"
#include "base/decimal.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/trace.h"
#include "query/statistics.h"

/* ---- stat ---- */

static int by_tce(const void *a, const void *b)
{
    const struct statistics_row *x = a, *y = b;
    if (x->stat_date != y->stat_date)
        return x->stat_date < y->stat_date ? -1 : 1;
    if (x->tce != y->tce)
        return x->tce > y->tce ? -1 : 1;
    return strcmp(x->key, y->key);
}

static void put_decimal(struct table *t, bool present, dec128 value)
{
    char text[DECIMAL_TEXT];
    table_text(t, present ? decimal_format(value, text) : NULL);
}

static void print_ranking(struct statistics_list *list, int64_t top, const struct args *args)
{
    static const struct table_column COLUMNS[] = {
        {"period", "时段 PERIOD", false},      {"rank", "名次 RANK", true},    {"key", "代码 KEY", false},
        {"name", "名称 NAME", false},          {"tce", "能耗 TCE", true},      {"co2", "排放 CO2", true},
        {"compareTce", "对比 COMPARED", true}, {"ratio", "增减率 RATIO", true}};
    struct table *t = table_new(COLUMNS, ARRAY_LEN(COLUMNS));
    int64_t rank = 0;
    if (list->count > 0)
        qsort(list->rows, list->count, sizeof *list->rows, by_tce);
    for (size_t i = 0; i < list->count; i++) {
        const struct statistics_row *r = &list->rows[i];
        rank = i > 0 && list->rows[i - 1].stat_date == r->stat_date ? rank + 1 : 1;
        if (rank > top)
            continue;
        table_time(t, r->stat_date);
        table_int(t, rank);
        table_text(t, r->key);
        table_text(t, r->name);
        put_decimal(t, true, r->tce);
        put_decimal(t, true, r->co2);
        put_decimal(t, r->has_compare, r->compare_tce);
        put_decimal(t, r->has_ratio, r->ratio);
    }
    cli_list(&t, args);
}

static char *prefix_of(struct arena *a, const char *region)
{
    char *prefix = arena_strdup(a, region ? region : "");
    size_t n = strlen(prefix);
    while (n >= 2 && prefix[n - 1] == '0' && prefix[n - 2] == '0')
        n -= 2;
    prefix[n] = '\0';
    return prefix;
}

static RESULT read_words(const struct args *args, struct statistics_question *q)
{
    const char *by = args_text(args, "by"), *per = args_text(args, "per"), *compare = args_text(args, "compare");
    if (!statistics_group_from_name(by ? by : "enterprise", &q->group))
        return result_error(ERR_SENDER, 0,
                            "--by 须为下列之一 / must be one of: region, industry, energyType, enterprise");
    if (!granularity_from_name(per ? per : "month", &q->granularity) || q->granularity < GRAN_DAY)
        return result_error(ERR_SENDER, 0, "--per 须为下列之一 / must be one of: day, week, month, quarter, year");
    if (!statistics_compare_from_name(compare ? compare : "yoy", &q->compare))
        return result_error(ERR_SENDER, 0, "--compare 须为下列之一 / must be one of: none, yoy, pop");
    int64_t now = period_start(q->granularity, clock_now());
    TRY(args_time(args, "from", period_start(q->granularity, now - 1), &q->from));
    TRY(args_time(args, "to", now > q->from ? now : q->from + 1, &q->to));
    return args_span(q->from, q->to);
}

static int cmd_stat(struct cli *cli, const struct args *args)
{
    struct arena *arena = arena_new(0);
    struct statistics_list list = {0};
    int64_t top = 0;
    struct statistics_question q = {.region_prefix = prefix_of(arena, args_text(args, "region")),
                                    .industry_code = args_text(args, "industry"),
                                    .energy_type = args_text(args, "energy")};
    struct result usage = read_words(args, &q);
    usage = result_ok(usage) ? args_int(args, "top", 1, STATISTICS_MOST, 20, &top) : usage;
    struct result r = result_ok(usage) ? cli_db(cli) : usage;
    r = result_ok(r) ? statistics_query(cli->db, &q, arena, &list) : r;
    if (result_ok(r))
        print_ranking(&list, top, args);
    arena_free(&arena);
    if (!result_ok(usage))
        return cli_wrong_usage(usage);
    return result_ok(r) ? EXIT_DONE : cli_failed(r);
}

/* ---- stat intensity ---- */

static const struct db_stmt INTENSITY = {
    "cli_intensity",
    "SELECT i.ts, i.kind, i.code, i.name, i.quantity, i.measure, i.tce, i.tce_per_unit FROM unit u LEFT "
    "JOIN LATERAL unit_intensity(u.id, $2, $3) i ON true WHERE u.code = $1 ORDER BY i.ts, i.kind, i.code"};

static const struct table_column INTENSITY_COLUMNS[] = {
    {"month", "月份 MONTH", false},      {"kind", "类别 KIND", false},         {"code", "代码 CODE", false},
    {"name", "名称 NAME", false},        {"quantity", "数量 QTY", true},       {"unit", "单位 UNIT", false},
    {"tce", "综合能源消费量 TCE", true}, {"tcePerUnit", "单耗 TCE/UNIT", true}};

static void print_intensity(const struct db_rows *rows, const struct args *args)
{
    struct table *t = table_new(INTENSITY_COLUMNS, ARRAY_LEN(INTENSITY_COLUMNS));
    for (size_t i = 0; i < db_rows_count(rows); i++) {
        if (db_is_null(rows, i, 0))
            continue; /* the enterprise has no figures */
        table_time(t, db_get_time(rows, i, 0));
        table_text(t, strcmp(db_get_text(rows, i, 1), "product") == 0 ? "产品 product" : "产值 value");
        table_text(t, db_get_text(rows, i, 2));
        table_text(t, db_get_text(rows, i, 3));
        put_decimal(t, true, db_get_numeric(rows, i, 4));
        table_text(t, db_get_text(rows, i, 5));
        put_decimal(t, true, db_get_numeric(rows, i, 6));
        put_decimal(t, true, db_get_numeric(rows, i, 7));
    }
    cli_list(&t, args);
}

static RESULT ask_intensity(struct cli *cli, const char *code, int64_t from, int64_t to, struct db_rows **rows)
{
    struct db_params p;
    TRY(cli_db(cli));
    db_params_init(&p);
    db_bind_text(&p, code);
    db_bind_time(&p, from);
    db_bind_time(&p, to);
    struct result r = db_query(cli->db, &INTENSITY, &p, rows);
    db_params_free(&p);
    if (result_ok(r) && db_rows_count(*rows) == 0)
        return result_error(ERR_NOT_FOUND, 0, "没有这个企业 / no such enterprise: %s", code);
    return r;
}

static int cmd_intensity(struct cli *cli, const struct args *args)
{
    int64_t from = 0, to = 0, year = period_start(GRAN_YEAR, clock_now());
    struct db_rows *rows = NULL;
    struct result r = args_time(args, "from", period_start(GRAN_YEAR, year - 1), &from);
    r = result_ok(r) ? args_time(args, "to", period_next(GRAN_YEAR, year), &to) : r;
    r = result_ok(r) ? args_span(from, to) : r;
    if (!result_ok(r))
        return cli_wrong_usage(r);
    r = ask_intensity(cli, args->words[0], from, to, &rows);
    if (result_ok(r))
        print_intensity(rows, args);
    db_rows_free(&rows);
    return result_ok(r) ? EXIT_DONE : cli_failed(r);
}

/* ---- restated ---- */

static const struct db_stmt RESTATED = {
    "cli_restated",
    "SELECT r.restated_at, r.enterprise_code, r.data_code, r.granularity, r.stat_date, r.old_value::text, "
    "r.new_value::text, r.old_count::text, r.new_count::text, r.old_tce::text, r.new_tce::text, r.old_co2::text, "
    "r.new_co2::text, r.reason, r.upload_id::text FROM bv_restatement r WHERE ($1 = '' OR r.enterprise_code = $1) "
    "AND r.restated_at >= $2 AND r.restated_at < $3 ORDER BY r.restated_at, r.enterprise_code, r.data_code, "
    "array_position(ARRAY['day', 'month', 'year'], r.granularity), r.stat_date, r.id LIMIT $4"};

static const struct table_column RESTATED_COLUMNS[] = {{"restatedAt", "时间 AT", false},
                                                       {"enterpriseCode", "企业 ENTERPRISE", false},
                                                       {"dataCode", "数据编码 DATA CODE", false},
                                                       {"granularity", "粒度 GRANULARITY", false},
                                                       {"statDate", "时段 PERIOD", false},
                                                       {"oldValue", "原值 OLD", true},
                                                       {"newValue", "新值 NEW", true},
                                                       {"oldCount", "原个数 OLD N", true},
                                                       {"newCount", "新个数 NEW N", true},
                                                       {"oldTce", "原标煤 OLD TCE", true},
                                                       {"newTce", "新标煤 NEW TCE", true},
                                                       {"oldCo2", "原碳排 OLD CO2", true},
                                                       {"newCo2", "新碳排 NEW CO2", true},
                                                       {"reason", "原因 REASON", false},
                                                       {"uploadId", "上传 UPLOAD", false}};

static void print_restated(const struct db_rows *rows, const struct args *args, int64_t most)
{
    struct table *t = table_new(RESTATED_COLUMNS, ARRAY_LEN(RESTATED_COLUMNS));
    const int reason = 13, last = 14;
    for (size_t i = 0; i < db_rows_count(rows); i++) {
        table_time(t, db_get_time(rows, i, 0));
        for (int c = 1; c <= 3; c++)
            table_text(t, db_get_text(rows, i, c));
        table_time(t, db_get_time(rows, i, 4));
        for (int c = 5; c < reason; c++)
            table_text(t, db_is_null(rows, i, c) ? NULL : db_get_text(rows, i, c));
        const char *why = db_get_text(rows, i, reason);
        table_text(t, args_given(args, "json") ? why : restated_words(why));
        table_text(t, db_is_null(rows, i, last) ? NULL : db_get_text(rows, i, last));
    }
    cli_list_most(&t, args, most, "most");
}

static int cmd_restated(struct cli *cli, const struct args *args)
{
    int64_t from = 0, to = 0, most = 0;
    const char *code = args_text(args, "enterprise");
    struct db_rows *rows = NULL;
    struct result r = args_time(args, "from", 0, &from);
    r = result_ok(r) ? args_time(args, "to", clock_now() + USEC_PER_SEC, &to) : r;
    r = result_ok(r) ? args_span(from, to) : r;
    r = result_ok(r) ? args_int(args, "most", 1, 100000, 1000, &most) : r;
    if (!result_ok(r))
        return cli_wrong_usage(r);
    struct db_params p;
    db_params_init(&p);
    db_bind_text(&p, code ? code : "");
    db_bind_time(&p, from);
    db_bind_time(&p, to);
    db_bind_int8(&p, most);
    r = cli_db(cli);
    r = result_ok(r) ? cli_known_sender(cli, code, false) : r;
    r = result_ok(r) ? db_query(cli->db, &RESTATED, &p, &rows) : r;
    db_params_free(&p);
    if (result_ok(r))
        print_restated(rows, args, most);
    db_rows_free(&rows);
    return result_ok(r) ? EXIT_DONE : cli_failed(r);
}

static const struct arg_spec STAT_ARGS[] = {
    {"by", "GROUP", "分组 / group by: region, industry, energyType, enterprise (enterprise)", false},
    {"per", "PERIOD", "周期 / period: day, week, month, quarter, year (month)", false},
    {"compare", "WHAT", "同比 yoy，环比 pop，不比 none（yoy） / with a year or a period before, or none (yoy)", false},
    {"region", "CODE", "该行政区划下 / under this region", false},
    {"industry", "CODE", "该行业下 / under this industry", false},
    {"energy", "CODE", "能源品种 / energy type", false},
    {"from", "TIME", "起 / from (the last whole period)", false},
    {"to", "TIME", "止（不含） / to, exclusive", false},
    {"top", "N", "每时段前 N 名 / the first N of each period (20)", false},
    JSON_ARG};
static const struct arg_spec INTENSITY_ARGS[] = {{"from", "TIME", "起 / from (last year)", false},
                                                 {"to", "TIME", "止（不含） / to, exclusive (end of this year)", false},
                                                 JSON_ARG};
static const struct arg_spec RESTATED_ARGS[] = {{"enterprise", "CODE", "只看该企业 / only this enterprise", false},
                                                {"from", "TIME", "重述时间起 / restated from", false},
                                                {"to", "TIME", "重述时间止（不含） / restated before", false},
                                                {"most", "N", "最多行数 / rows at most (1000)", false},
                                                JSON_ARG};

static const struct command COMMANDS[] = {
    {.words = "stat intensity", /* before stat: the first that matches is taken */
     .run = cmd_intensity,
     .usage = "ENTERPRISE [--from T] [--to T]",
     .zh = "单位产品和单位产值综合能耗，按月",
     .en = "standard coal per unit of product and of output value, by month",
     COMMAND_ARGS(INTENSITY_ARGS),
     .min_words = 1,
     .max_words = 1},
    {.words = "stat",
     .run = cmd_stat,
     .usage = "[--by GROUP] [--per PERIOD] [--compare WHAT] [--region CODE] [--from T] [--to T] [--top N]",
     .zh = "综合能源消费量排名，附同比或环比",
     .en = "ranking by comprehensive energy consumption, compared with a year or period before",
     COMMAND_ARGS(STAT_ARGS)},
    {.words = "restated",
     .run = cmd_restated,
     .usage = "[--enterprise CODE] [--from T] [--to T] [--most N]",
     .zh = "已结束时段中被改变的汇总值、标煤和碳排：原值、新值、时间、原因、哪次上传",
     .en = "values, standard coal and CO2 of past days, months and years that changed: old, new, when, why, by which "
           "upload",
     COMMAND_ARGS(RESTATED_ARGS)},
};
const struct command_group STAT_COMMANDS = {COMMANDS, ARRAY_LEN(COMMANDS)};
