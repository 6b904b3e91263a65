/* basedata import|export|list: base data 基础信息 from and to CSV. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "admin/audit.h"
#include "base/caltime.h"
#include "base/clock.h"
#include "base/mem.h"
#include "cli/basedata_csv.h"
#include "cli/cli.h"
#include "db/composite.h"

#define DAY_US (86400 * USEC_PER_SEC)
#define FILE_LIMIT (64u << 20)
#define FEW 10 /* entries that may end without a question, whatever their share */

static const struct db_stmt IMPORT = {"basedata_import",
                                      "SELECT change, entry_code, entry_industry, entry_name, coalesce(version, 0) "
                                      "FROM base_data_import($1, $2::text::jsonb, $3, $4, $5, $6)"};
static const struct db_stmt HELD = {
    "basedata_held", "SELECT count(*) FROM base_data WHERE list = $1 AND (valid_to IS NULL OR valid_to > $2) "
                     "AND valid_to IS DISTINCT FROM valid_from"};
static const struct db_stmt VERSION = {"basedata_version", "SELECT coalesce(max(dic_version), 0) FROM base_data"};
static const struct db_stmt EXPORT = {
    "basedata_export",
    "SELECT code, name, parent_code, unit, coalesce(precision::text, ''), coalesce(trim_scale(coal_factor)::text, ''), "
    "  coalesce(trim_scale(coal_factor_min)::text, ''), coalesce(trim_scale(coal_factor_max)::text, ''), "
    "  coalesce(trim_scale(co2_factor)::text, ''), industry_code, role, remark, valid_from::text, "
    "coalesce(valid_to::text, '') "
    "FROM base_data WHERE list = $1 AND (($3 AND valid_to IS DISTINCT FROM valid_from) "
    "  OR (valid_from <= $2 AND (valid_to IS NULL OR valid_to > $2))) ORDER BY code, industry_code, valid_from"};
static const struct db_stmt LISTS = {
    "basedata_lists", "SELECT list, count(*) FILTER (WHERE valid_from <= $1 AND (valid_to IS NULL OR valid_to > $1)), "
                      "  count(*) FILTER (WHERE valid_to IS DISTINCT FROM valid_from), max(dic_version), "
                      "  coalesce(max(valid_from) FILTER (WHERE valid_to IS DISTINCT FROM valid_from)::text, '') "
                      "FROM base_data GROUP BY list ORDER BY list"};

static int32_t today(void)
{
    return (int32_t)((clock_now() + caltime_offset_seconds() * USEC_PER_SEC) / DAY_US);
}

/* --NAME DATE as a day; *given false: not said. */
static RESULT day_option(const struct args *args, const char *name, bool *given, int32_t *day)
{
    int64_t us;
    *given = args_given(args, name);
    TRY(args_time(args, name, 0, &us));
    *day = *given ? (int32_t)((us + caltime_offset_seconds() * USEC_PER_SEC) / DAY_US) : today();
    return RESULT_OK;
}

static RESULT choose_list(const char *name, const struct basedata_list **list)
{
    *list = basedata_list(name);
    return *list ? RESULT_OK
                 : result_error(ERR_SENDER, 0, "没有这个表，见 basedata list / no such list, see basedata list: %s",
                                name);
}

/* ---------------------------------------------------------------- import */
struct importing {
    struct cli *cli;
    const struct basedata_list *list;
    const char *file, *option;
    struct basedata_entries entries;
    bool since_given, dry_run, keep, force;
    int32_t since;
    size_t added, changed, removed;
    int64_t version;
    struct table *changes; /* dry run: every one */
};

static const struct table_column CHANGE_COLUMNS[] = {{"change", "变化 change", false},
                                                     {"code", "代码 code", false},
                                                     {"industryCode", "行业 industry", false},
                                                     {"name", "名称 name", false}};

static RESULT read_file(const char *path, struct buf *out)
{
    FILE *f = fopen(path, "rb");
    if (!f) {
        return result_error(ERR_SENDER, 0, "%s: %s", path, strerror(errno));
    }
    char block[65536];
    for (size_t n; (n = fread(block, 1, sizeof block, f)) > 0 && out->len <= FILE_LIMIT;) {
        buf_append(out, block, n);
    }
    bool failed = ferror(f) != 0;
    fclose(f);
    return failed || out->len > FILE_LIMIT
               ? result_error(ERR_SENDER, 0, "%s: 无法读取或过大 / unreadable or too large", path)
               : RESULT_OK;
}

static void count_changes(struct importing *m, const struct db_rows *rows)
{
    m->added = m->changed = m->removed = 0;
    table_free(&m->changes);
    m->changes = table_new(CHANGE_COLUMNS, ARRAY_LEN(CHANGE_COLUMNS));
    for (size_t i = 0; i < db_rows_count(rows); i++) {
        const char *change = db_get_text(rows, i, 0);
        m->added += strcmp(change, "added") == 0;
        m->changed += strcmp(change, "changed") == 0;
        m->removed += strcmp(change, "removed") == 0;
        for (int c = 0; c < 4; c++) {
            table_text(m->changes, db_get_text(rows, i, c));
        }
    }
}

static RESULT ask_import(struct db *db, struct importing *m)
{
    struct db_params p;
    struct db_rows *rows = NULL;
    db_params_init(&p);
    db_bind_text(&p, m->list->target);
    db_bind_text_n(&p, buf_str(&m->entries.json), m->entries.json.len);
    if (m->since_given) {
        db_bind_date(&p, m->since);
    } else {
        db_bind_null(&p, OID_DATE);
    }
    db_bind_date(&p, today());
    db_bind_bool(&p, !m->list->merge && !m->keep);
    db_bind_bool(&p, !m->dry_run);
    TRY(db_ask(db, &IMPORT, &p, &rows));
    count_changes(m, rows);
    db_rows_free(&rows);
    return RESULT_OK;
}

static RESULT count_held(struct db *db, const struct importing *m, int64_t *held)
{
    struct db_params p;
    struct db_rows *rows = NULL;
    db_params_init(&p);
    db_bind_text(&p, m->list->target);
    db_bind_date(&p, m->since);
    TRY(db_ask(db, &HELD, &p, &rows));
    *held = db_get_int(rows, 0, 0);
    db_rows_free(&rows);
    return RESULT_OK;
}

/* Most of a list gone at once is rather the wrong file: sections of the industries in place of all of them. */
static RESULT check_removed(const struct importing *m, int64_t held)
{
    if (m->force || m->dry_run || m->removed < FEW || (int64_t)m->removed * 2 <= held) {
        return RESULT_OK;
    }
    return result_error(
        ERR_SENDER, 0,
        "%s 的 %lld 条中有 %zu 条将失效，未导入：用 --keep 保留，或用 --force 确认 / %zu of %lld entries would "
        "end, nothing was imported: --keep keeps them, --force confirms",
        m->list->name, (long long)held, m->removed, m->removed, (long long)held);
}

static RESULT import(struct db *db, void *arg)
{
    struct importing *m = arg;
    struct db_rows *rows = NULL;
    int64_t held = 0;
    TRY(count_held(db, m, &held));
    TRY(ask_import(db, m));
    TRY(check_removed(m, held));
    TRY(db_query(db, &VERSION, NULL, &rows));
    m->version = db_get_int(rows, 0, 0);
    db_rows_free(&rows);
    if (m->dry_run || m->added + m->changed + m->removed == 0) {
        return RESULT_OK;
    }
    char *detail = mem_printf("dicVersion %lld: %zu added, %zu changed, %zu removed", (long long)m->version, m->added,
                              m->changed, m->removed);
    struct result r = audit_write(db, m->cli->actor, "", "basedata.import", m->list->name, 0, detail);
    mem_free(detail);
    return r;
}

static RESULT run_import(struct importing *m)
{
    struct buf bytes = BUF_INIT;
    struct result r = read_file(m->file, &bytes);
    if (result_ok(r)) {
        r = basedata_csv_read(m->list, m->option, buf_str(&bytes), bytes.len, &m->entries);
        if (!result_ok(r)) {
            r = result_error(r.kind, 0, "%s: %s", m->file, r.text);
        }
    }
    buf_free(&bytes);
    TRY(r);
    TRY(cli_db(m->cli));
    return db_transaction(m->cli->db, import, m);
}

static void report(struct importing *m, const struct args *args)
{
    bool json = args_given(args, "json"); /* then standard output is that document and nothing else */
    if (json || (m->dry_run && table_rows(m->changes))) {
        cli_list(&m->changes, args);
    }
    fprintf(
        json ? stderr : stdout,
        "%s%s: %zu 行 rows, 新增 added %zu, 变更 changed %zu, 失效 removed %zu, 未取 left aside %zu, dicVersion %lld\n",
        m->dry_run ? "（试运行 dry run）" : "", m->list->name, m->entries.count, m->added, m->changed, m->removed,
        m->entries.left_aside, (long long)m->version);
}

static int cmd_import(struct cli *cli, const struct args *args)
{
    struct importing m = {.cli = cli,
                          .file = args->words[1],
                          .option = args_text(args, "ruleset"),
                          .dry_run = args_given(args, "dry-run"),
                          .keep = args_given(args, "keep"),
                          .force = args_given(args, "force")};
    struct result r = choose_list(args->words[0], &m.list);
    r = result_ok(r) ? day_option(args, "valid-from", &m.since_given, &m.since) : r;
    if (!result_ok(r)) {
        return cli_wrong_usage(r);
    }
    r = run_import(&m);
    if (result_ok(r)) {
        report(&m, args);
    }
    buf_free(&m.entries.json);
    table_free(&m.changes);
    return result_ok(r) ? EXIT_DONE : cli_failed(r);
}

/* ---------------------------------------------------------------- export */
static const char *const EXPORT_HEAD[] = {"code",
                                          "name",
                                          "parent_code",
                                          "unit",
                                          "precision",
                                          "coal_factor",
                                          "coal_factor_min",
                                          "coal_factor_max",
                                          "co2_factor",
                                          "industry_code",
                                          "role",
                                          "remark",
                                          "valid_from",
                                          "valid_to"};

static void write_csv(const struct db_rows *rows)
{
    struct buf out = BUF_INIT;
    for (size_t c = 0; c < ARRAY_LEN(EXPORT_HEAD); c++) {
        basedata_csv_cell(&out, EXPORT_HEAD[c], c == 0);
    }
    buf_append_char(&out, '\n');
    for (size_t i = 0; i < db_rows_count(rows); i++) {
        for (size_t c = 0; c < ARRAY_LEN(EXPORT_HEAD); c++) {
            basedata_csv_cell(&out, db_get_text(rows, i, (int)c), c == 0);
        }
        buf_append_char(&out, '\n');
    }
    fwrite(out.data, 1, out.len, stdout);
    buf_free(&out);
}

static int cmd_export(struct cli *cli, const struct args *args)
{
    const struct basedata_list *list;
    bool given;
    int32_t day;
    struct result r = choose_list(args->words[0], &list);
    r = result_ok(r) ? day_option(args, "at", &given, &day) : r;
    if (!result_ok(r)) {
        return cli_wrong_usage(r);
    }
    struct db_params p;
    struct db_rows *rows = NULL;
    db_params_init(&p);
    db_bind_text(&p, list->target);
    db_bind_date(&p, day);
    db_bind_bool(&p, args_given(args, "history"));
    r = cli_db(cli);
    r = result_ok(r) ? db_query(cli->db, &EXPORT, &p, &rows) : r;
    db_params_free(&p);
    if (!result_ok(r)) {
        return cli_failed(r);
    }
    write_csv(rows);
    db_rows_free(&rows);
    return EXIT_DONE;
}

/* ---------------------------------------------------------------- list */
static const struct table_column LIST_COLUMNS[] = {
    {"list", "表 list", false},  {"name", "名称 name", false},         {"entries", "有效 valid", true},
    {"rows", "全部 rows", true}, {"dicVersion", "版本 version", true}, {"latest", "最新生效 latest", false}};

static void list_row(struct table *t, const struct basedata_list *list, const struct db_rows *rows)
{
    table_text(t, list->name);
    table_text(t, list->zh);
    for (size_t i = 0; i < db_rows_count(rows); i++) {
        if (strcmp(db_get_text(rows, i, 0), list->target) == 0) {
            for (int c = 1; c < 4; c++) {
                table_int(t, db_get_int(rows, i, c));
            }
            table_text(t, db_get_text(rows, i, 4));
            return;
        }
    }
    for (int c = 1; c < 4; c++) {
        table_int(t, 0);
    }
    table_text(t, "");
}

static struct table *list_table(const struct db_rows *rows)
{
    size_t count;
    const struct basedata_list *lists = basedata_lists(&count);
    struct table *t = table_new(LIST_COLUMNS, ARRAY_LEN(LIST_COLUMNS));
    for (size_t i = 0; i < count; i++) {
        list_row(t, &lists[i], rows);
    }
    return t;
}

static int cmd_list(struct cli *cli, const struct args *args)
{
    struct db_params p;
    db_params_init(&p);
    db_bind_date(&p, today());
    return cli_query_list(cli, args, &LISTS, &p, 0, list_table);
}

static const struct arg_spec IMPORT_ARGS[] = {
    {"valid-from", "DATE", "自该日起生效 / holds from this day; default: changes today, new entries from 2010", false},
    {"ruleset", "NAME", "co2_factor：采用的核算规则 / the rule set to take (GBT_32151)", false},
    {"keep", NULL, "文件中没有的条目保留 / entries that the file does not have stay", false},
    {"force", NULL, "允许过半条目失效 / more than half of the entries may end", false},
    {"dry-run", NULL, "只显示将有的变化 / only shows what would change", false},
    JSON_ARG};
static const struct arg_spec EXPORT_ARGS[] = {
    {"at", "DATE", "该日有效的 / valid on this day, default today", false},
    {"history", NULL, "全部历史，不能再导入 / every row there was; import does not take it", false}};
static const struct arg_spec LIST_ARGS[] = {JSON_ARG};

static const struct command COMMANDS[] = {
    {.words = "basedata import",
     .run = cmd_import,
     .usage = "LIST FILE.csv [--valid-from DATE] [--keep] [--force] [--ruleset NAME] [--dry-run] [--json]",
     .zh = "以 CSV 更新一个基础信息表",
     .en = "makes a list of base data equal to a CSV file",
     COMMAND_ARGS(IMPORT_ARGS),
     .min_words = 2,
     .max_words = 2},
    {.words = "basedata export",
     .run = cmd_export,
     .usage = "LIST [--at DATE] [--history]",
     .zh = "以 CSV 输出一个基础信息表；系数表输出的是能源品种，须导入 energy_type",
     .en =
         "writes a list as CSV that import takes; coal_factor and co2_factor write energy_type, to be imported as that",
     COMMAND_ARGS(EXPORT_ARGS),
     .min_words = 1,
     .max_words = 1},
    {.words = "basedata list",
     .run = cmd_list,
     .usage = "[--json]",
     .zh = "列出基础信息表与版本",
     .en = "lists the lists, their sizes and versions",
     COMMAND_ARGS(LIST_ARGS)},
};
const struct command_group BASEDATA_COMMANDS = {COMMANDS, ARRAY_LEN(COMMANDS)};
