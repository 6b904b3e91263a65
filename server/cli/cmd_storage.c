/* storage: what lies on the disk, how long it lasts, what does not belong; storage expire: what is over is dropped;
 * storage pack: day rows are ordered. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/alarm.h"
#include "admin/audit.h"
#include "admin/pack.h"
#include "admin/retention.h"
#include "base/caltime.h"
#include "base/clock.h"
#include "base/mem.h"
#include "cli/cli.h"

#define DAY_US (86400 * USEC_PER_SEC)

static const struct db_stmt TABLES = {"storage.tables",
                                      "SELECT kind, tbl, parts, tuples, bytes, bytes_per_day FROM storage_tables($1) "
                                      "WHERE bytes > 0 ORDER BY array_position(ARRAY['raw', 'rollup', 'payload', "
                                      "'receipt', 'audit', 'queue', 'master'], kind), bytes DESC"};
static const struct db_stmt PER_READING = {"storage.per_reading", "SELECT storage_bytes_per_reading()"};
static const struct db_stmt FULL = {"storage.full", "SELECT storage_days_until_full($1, $2, $3, $4, $5)"};
static const struct db_stmt HORIZON = {"storage.horizon",
                                       "SELECT tbl, oldest, until, days_ahead FROM storage_horizon($1)"};
static const struct db_stmt ORPHANS = {"storage.orphans", "SELECT name, found, example FROM storage_orphans($1)"};
struct report {
    struct cli *cli;
    const struct args *args;
    struct buf json; /* {"tables": […], … */
    int64_t bytes, bytes_per_day, disk;
    bool alarm;
};

static struct retention keep_of(const struct config *config)
{
    return (struct retention){.raw_ms = config->retention_raw_ms,
                              .payload_ms = config->retention_payload_ms,
                              .audit_ms = config->retention_audit_ms};
}

/* ---------------------------------------------------------------- sections */
static void section(struct report *r, const char *key, const char *title, struct table **t)
{
    if (args_given(r->args, "json")) {
        buf_printf(&r->json, "%s\"%s\": ", r->json.len ? ", " : "", key);
        table_print(*t, true, &r->json);
        while (r->json.len && r->json.data[r->json.len - 1] == '\n') {
            r->json.len--;
        }
        table_free(t);
        return;
    }
    printf("== %s\n", title);
    cli_list(t, r->args);
    puts("");
}

static RESULT ask(struct report *r, const struct db_stmt *s, int64_t at, struct db_rows **rows)
{
    struct db_params p;
    db_params_init(&p);
    db_bind_time(&p, at);
    struct result done = db_query(r->cli->db, s, &p, rows);
    db_params_free(&p);
    return done;
}

static RESULT show_tables(struct report *r)
{
    static const struct table_column COLUMNS[] = {
        {"kind", "类别 kind", false},        {"table", "表 table", false},  {"partitions", "分区 partitions", true},
        {"rows", "行数（估计） rows", true}, {"bytes", "字节 bytes", true}, {"bytesPerDay", "日增 bytes/day", true}};
    struct db_rows *rows = NULL;
    TRY(ask(r, &TABLES, clock_now(), &rows));
    struct table *t = table_new(COLUMNS, ARRAY_LEN(COLUMNS));
    for (size_t i = 0; i < db_rows_count(rows); i++) {
        table_text(t, db_get_text(rows, i, 0));
        table_text(t, db_get_text(rows, i, 1));
        for (int c = 2; c < 6; c++) {
            table_int(t, db_get_int(rows, i, c));
        }
        r->bytes += db_get_int(rows, i, 4);
        r->bytes_per_day += db_get_int(rows, i, 5);
    }
    db_rows_free(&rows);
    section(r, "tables", "磁盘占用 / disk use", &t);
    return RESULT_OK;
}

static RESULT per_reading(struct report *r, bool *known, dec128 *bytes)
{
    struct db_rows *rows = NULL;
    TRY(db_query(r->cli->db, &PER_READING, NULL, &rows));
    *known = !db_is_null(rows, 0, 0);
    *bytes = *known ? db_get_numeric(rows, 0, 0) : 0;
    db_rows_free(&rows);
    return RESULT_OK;
}

/* What may still be written: --disk-size less what is there, or what the file system of the database has free. -1:
 * unknown. */
static RESULT room(struct report *r, int64_t *free_bytes)
{
    *free_bytes = -1;
    if (r->disk > 0) {
        *free_bytes = r->disk > r->bytes ? r->disk - r->bytes : 0;
        return RESULT_OK;
    }
    int64_t all;
    return alarm_disk(r->cli->db, free_bytes, &all);
}

/* How long the room lasts; -1: not known, or for ever. */
static RESULT days_left(struct report *r, int64_t left, int64_t *days)
{
    struct retention keep = keep_of(&r->cli->config);
    struct db_params p;
    struct db_rows *rows = NULL;
    *days = -1;
    if (left < 0) {
        return RESULT_OK;
    }
    db_params_init(&p);
    db_bind_time(&p, clock_now());
    db_bind_int8(&p, left);
    db_bind_int8(&p, keep.raw_ms);
    db_bind_int8(&p, keep.payload_ms);
    db_bind_int8(&p, keep.audit_ms);
    TRY(db_ask(r->cli->db, &FULL, &p, &rows));
    *days = db_is_null(rows, 0, 0) ? -1 : db_get_int(rows, 0, 0);
    db_rows_free(&rows);
    return RESULT_OK;
}

static void number_row(struct table *t, const char *key, const char *words, int64_t value)
{
    table_text(t, key);
    table_text(t, words);
    if (value < 0) {
        table_text(t, NULL);
    } else {
        table_int(t, value);
    }
}

static RESULT show_forecast(struct report *r)
{
    static const struct table_column COLUMNS[] = {
        {"name", "项 name", false}, {"meaning", "含义 meaning", false}, {"value", "值 value", true}};
    int64_t left = -1, days = -1;
    bool known = false;
    dec128 each = 0;
    TRY(room(r, &left));
    TRY(days_left(r, left, &days));
    TRY(per_reading(r, &known, &each));
    struct table *t = table_new(COLUMNS, ARRAY_LEN(COLUMNS));
    number_row(t, "bytes", "合计字节 / bytes in all", r->bytes);
    number_row(t, "bytesPerDay", "近30天（不足则自首日起）日均增长 / growth per day, last 30 days or since the first",
               r->bytes_per_day);
    number_row(t, "bytesPer1000Readings", "每千条读数字节（含索引） / bytes per 1000 readings with index",
               known ? (int64_t)(each / 1000) : -1);
    number_row(t, "bytesFree", "可用字节 / bytes free", left);
    number_row(t, "daysUntilFull", "预计写满天数（计入到期删除） / days until full, what expires by then counted",
               days);
    r->alarm |= days >= 0 && days < 30;
    section(r, "forecast", "预测 / forecast", &t);
    return RESULT_OK;
}

static RESULT show_horizon(struct report *r)
{
    static const struct table_column COLUMNS[] = {{"table", "表 table", false},
                                                  {"oldest", "最早 oldest", false},
                                                  {"until", "直到 until", false},
                                                  {"daysAhead", "提前天数 days ahead", true},
                                                  {"alarm", "告警 alarm", false}};
    struct db_rows *rows = NULL;
    int due = 0;
    TRY(alarm_days_due(r->cli->db, (int)r->cli->config.partitions_ahead, &due));
    TRY(ask(r, &HORIZON, clock_now(), &rows));
    struct table *t = table_new(COLUMNS, ARRAY_LEN(COLUMNS));
    for (size_t i = 0; i < db_rows_count(rows); i++) {
        bool low = db_get_int(rows, i, 3) < due;
        table_text(t, db_get_text(rows, i, 0));
        table_time(t, db_is_null(rows, i, 1) ? INT64_MIN : db_get_time(rows, i, 1));
        table_time(t, db_is_null(rows, i, 2) ? INT64_MIN : db_get_time(rows, i, 2));
        table_int(t, db_get_int(rows, i, 3));
        table_text(t, low ? "分区不足 / too few partitions" : "");
        r->alarm |= low;
    }
    db_rows_free(&rows);
    section(r, "horizon", "分区 / partitions", &t);
    return RESULT_OK;
}

static RESULT show_orphans(struct report *r)
{
    static const struct table_column COLUMNS[] = {
        {"name", "检查 check", false}, {"found", "发现 found", true}, {"example", "例 example", false}};
    struct db_rows *rows = NULL;
    int64_t since = args_given(r->args, "all") ? 0 : clock_now() - 31 * DAY_US;
    TRY(ask(r, &ORPHANS, since, &rows));
    struct table *t = table_new(COLUMNS, ARRAY_LEN(COLUMNS));
    for (size_t i = 0; i < db_rows_count(rows); i++) {
        table_text(t, db_get_text(rows, i, 0));
        table_int(t, db_get_int(rows, i, 1));
        table_text(t, db_is_null(rows, i, 2) ? NULL : db_get_text(rows, i, 2));
        r->alarm |= db_get_int(rows, i, 1) > 0;
    }
    db_rows_free(&rows);
    section(r, "orphans", "孤儿数据 / what does not belong", &t);
    return RESULT_OK;
}

/* ---------------------------------------------------------------- retention */
static const struct table_column STEP_COLUMNS[] = {{"kind", "类别 kind", false},
                                                   {"partition", "分区 partition", false},
                                                   {"until", "数据止于 until", false},
                                                   {"bytes", "字节 bytes", true},
                                                   {"held", "保留原因 kept because", false}};

static void add_step(const struct retention_step *step, void *arg)
{
    struct table *t = arg;
    table_text(t, step->kind);
    table_text(t, step->partition);
    table_time(t, step->until);
    table_int(t, step->bytes);
    table_text(t, step->held);
}

static RESULT steps(struct cli *cli, bool dry_run, struct table **t)
{
    struct retention keep = keep_of(&cli->config);
    *t = table_new(STEP_COLUMNS, ARRAY_LEN(STEP_COLUMNS));
    struct result r = retention_run(cli->db, &keep, cli->actor, dry_run, add_step, *t);
    if (!result_ok(r)) {
        table_free(t);
    }
    return r;
}

static RESULT show_due(struct report *r)
{
    struct table *t = NULL;
    TRY(steps(r->cli, true, &t));
    section(r, "due", "到期分区 / partitions past their retention", &t);
    return RESULT_OK;
}

static RESULT show(struct report *r)
{
    TRY(cli_db(r->cli));
    TRY(show_tables(r));
    TRY(show_forecast(r));
    TRY(show_horizon(r));
    TRY(show_due(r));
    return show_orphans(r);
}

static bool parse_size(const char *text, int64_t *bytes)
{
    char *end = NULL;
    errno = 0;
    long long n = strtoll(text, &end, 10);
    int shift = 0;
    if (*end) {
        static const char SUFFIX[] = "KMGT";
        const char *at = strchr(SUFFIX, *end);
        if (!at || end[1]) {
            return false;
        }
        shift = 10 * (int)(at - SUFFIX + 1);
    }
    if (end == text || errno || n <= 0 || n > INT64_MAX >> shift) {
        return false;
    }
    *bytes = (int64_t)n << shift;
    return true;
}

static int cmd_storage(struct cli *cli, const struct args *args)
{
    struct report r = {.cli = cli, .args = args};
    const char *size = args_text(args, "disk-size");
    if (size && !parse_size(size, &r.disk)) {
        return cli_wrong_usage(result_error(ERR_SENDER, 0, "--disk-size: 如 500G / for example 500G"));
    }
    struct result done = show(&r);
    if (result_ok(done) && args_given(args, "json")) {
        printf("{%s}\n", buf_str(&r.json));
    }
    buf_free(&r.json);
    if (!result_ok(done)) {
        return cli_failed(done);
    }
    return r.alarm ? EXIT_FAILED : EXIT_DONE; /* a script must not miss it */
}

static int cmd_expire(struct cli *cli, const struct args *args)
{
    struct table *t = NULL;
    struct result r = cli_db(cli);
    r = result_ok(r) ? steps(cli, args_given(args, "dry-run"), &t) : r;
    if (!result_ok(r)) {
        return cli_failed(r);
    }
    cli_list(&t, args);
    return EXIT_DONE;
}

/* ---------------------------------------------------------------- pack */
static void tell_month(const struct pack_month *month, void *arg)
{
    size_t *count = arg;
    printf("%s  %lld 行 / rows\n", month->month, (long long)month->rows);
    fflush(stdout);
    (*count)++;
}

static RESULT pack(struct cli *cli)
{
    size_t count = 0;
    TRY(cli_db(cli));
    TRY(pack_run(cli->db, cli->actor, 0, tell_month, &count));
    printf("%zu 个月已整理 / months packed\n", count);
    return RESULT_OK;
}

static int cmd_pack(struct cli *cli, const struct args *args)
{
    (void)args;
    struct result r = pack(cli);
    return result_ok(r) ? EXIT_DONE : cli_failed(r);
}

static const struct arg_spec STORAGE_ARGS[] = {
    JSON_ARG,
    {"disk-size", "SIZE", "数据库可用的磁盘，如 500G；缺省为所在文件系统的剩余空间 / what the database may take, 500G",
     false},
    {"all", NULL, "检查全部上传，不限近31天 / check all uploads, not only those of 31 days", false}};
static const struct arg_spec EXPIRE_ARGS[] = {
    JSON_ARG, {"dry-run", NULL, "只显示将删除的分区 / only shows what would be dropped", false}};

/* The longer words first: the search takes the first command whose words fit. */
static const struct command COMMANDS[] = {
    {.words = "storage expire",
     .run = cmd_expire,
     .usage = "[--dry-run] [--json]",
     .zh = "删除超过保存期限的分区（汇总永久保留）",
     .en = "drops partitions past their retention (rollups stay for ever)",
     COMMAND_ARGS(EXPIRE_ARGS)},
    {.words = "storage pack",
     .run = cmd_pack,
     .usage = "",
     .zh = "立即将往月日汇总按企业重排，多年查询更快（服务器平时自动逐月进行；不影响上传和查询）",
     .en = "orders day rows of past months by enterprise now (the server does it too, by and by): faster over years"},
    {.words = "storage",
     .run = cmd_storage,
     .usage = "[--disk-size SIZE] [--all] [--json]",
     .zh = "磁盘占用、增长预测、分区与孤儿数据检查",
     .en = "disk use, growth and forecast, partitions, what does not belong (exit 1: alarm)",
     COMMAND_ARGS(STORAGE_ARGS)},
};
const struct command_group STORAGE_COMMANDS = {COMMANDS, ARRAY_LEN(COMMANDS)};
