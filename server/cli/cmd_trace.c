/* trace ENTERPRISE CODE STATDATE: one reading's life: the uploads that carried it, what was found, its history of
 * values, the rows it is added into, and what became of it at the upper platforms. */
#include <stdio.h>
#include <string.h>

#include "base/caltime.h"
#include "base/clock.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "payload/datacode.h"
#include "payload/envelope.h"
#include "payload/payload.h"
#include "registry/registry.h"
#include "validate/flags.h"

static const struct db_stmt UNIT = {"trace_unit", "SELECT id, from_platform FROM unit WHERE code = $1"};
static const struct db_stmt ITEM = {
    "trace_item",
    "SELECT slot, name, unit, aggregation, period, active FROM collect_item WHERE unit_id = $1 AND data_code = $2 AND "
    "stat_type = $3"};
/* What may have carried it: the enterprise's own uploads, its platform's, and files. */
static const struct db_stmt CARRIERS = {
    "trace_carriers",
    "SELECT p.sender_id, p.upload_id, p.received_at, p.encoding, p.cipher, p.digest, p.content, u.message_id, u.via, "
    "coalesce((SELECT d.secret_key FROM device d WHERE d.device_id = u.device_id), "
    "(SELECT l.secret_key FROM platform l WHERE l.id = p.sender_id)) "
    "FROM upload_payload p JOIN upload u ON u.sender_id = p.sender_id AND u.received_at = p.received_at "
    "AND u.upload_id = p.upload_id WHERE p.sender_id = ANY (ARRAY[$1, $2, 0]) AND p.received_at >= $3 "
    "AND p.received_at < $4 AND (p.received_at, p.upload_id) > ($5, $6) ORDER BY p.received_at, p.upload_id LIMIT 200"};
static const struct db_stmt FINDINGS = {
    "trace_findings",
    "SELECT code, severity, line, message FROM upload_finding WHERE sender_id = $1 AND received_at = $2 "
    "AND upload_id = $3 AND line = ANY ($4::bigint[]) ORDER BY ordinal"};
/* Of an upload that was refused whole nothing is kept but this: it may have carried the reading. */
static const struct db_stmt REFUSED = {
    "trace_refused", "SELECT received_at, operation, message_id, code, message, count(*) OVER () FROM upload_refused "
                     "WHERE sender_code = $1 AND received_at >= $2 AND received_at < $3 ORDER BY received_at LIMIT 10"};
static const struct db_stmt FORWARDED = {
    "trace_forwarded",
    "SELECT d.name, coalesce(m.state, 'ready'), coalesce(m.message_id, ''), m.response_code, "
    "coalesce(m.remote_upload_id, ''), coalesce(m.response_text, ''), coalesce(m.attempts, 0) FROM outbox o "
    "JOIN destination d ON d.id = o.destination_id LEFT JOIN fep_message m ON m.id = o.message "
    "WHERE o.unit_id = $1 AND o.kind = 0 AND o.upload_id = $2 ORDER BY d.id"};
static const struct db_stmt HISTORY = {
    "trace_history",
    "SELECT received_at, upload_id, old_value, old_flag, new_value, new_flag FROM correction WHERE unit_id = $1 "
    "AND slot = $2 AND stat_type = $3 AND ts = $4 ORDER BY received_at, upload_id, ordinal"};
static const struct db_stmt STORED = {
    "trace_stored", "SELECT value[$3], coalesce(flag[$3], 0) FROM reading_frame WHERE unit_id = $1 AND page = $2 "
                    "AND ts = $4 AND value[$3] IS NOT NULL"};
static const struct db_stmt STORED_REPORTED = {
    "trace_reported", "SELECT value[$3], coalesce(flag[$3], 0) FROM reported_frame WHERE unit_id = $1 AND page = $2 "
                      "AND ts = $4 AND stat_type = $5 AND value[$3] IS NOT NULL"};
static const struct db_stmt ROWS = {
    "trace_rows",
    "SELECT granularity, stat_date, coalesce(value::text, ''), count, expected, completeness::text, source "
    "FROM bv_infodb_energydata_province WHERE enterprise_code = $1 AND data_code = $2 AND "
    "(granularity, stat_date) IN (('hour', $3), ('day', $4), ('month', $5), ('year', $6)) ORDER BY array_position("
    "ARRAY['hour','day','month','year'], granularity)"};

struct trace {
    struct cli *cli;
    const char *enterprise;
    char code[DATACODE_LEN + 1];
    int64_t ts;
    int stat_type;
    bool configured; /* without: nothing is stored, but uploads may have carried it in vain (3101, 3304) */
    int32_t unit_id, platform_id, slot;
    struct arena *arena;
    int carriers;
};

static RESULT refused(const char *text)
{
    return result_error(ERR_NOT_FOUND, 0, "%s", text);
}

static RESULT find_unit(struct trace *t)
{
    struct db_params p;
    db_params_init(&p);
    db_bind_text(&p, t->enterprise);
    struct db_rows *rows = NULL;
    struct result r = db_query(t->cli->db, &UNIT, &p, &rows);
    db_params_free(&p);
    TRY(r);
    bool found = db_rows_count(rows) == 1;
    if (found) {
        t->unit_id = (int32_t)db_get_int(rows, 0, 0);
        t->platform_id = db_is_null(rows, 0, 1) ? 0 : (int32_t)db_get_int(rows, 0, 1);
    }
    db_rows_free(&rows);
    return found ? RESULT_OK : refused("没有这个企业 / no such enterprise");
}

static RESULT find_item(struct trace *t)
{
    static const char *const words[] = {"sum", "mean", "counter"};
    struct db_params p;
    db_params_init(&p);
    db_bind_int4(&p, t->unit_id);
    db_bind_text(&p, t->code);
    db_bind_int2(&p, (int16_t)t->stat_type);
    struct db_rows *rows = NULL;
    struct result r = db_query(t->cli->db, &ITEM, &p, &rows);
    db_params_free(&p);
    TRY(r);
    t->configured = db_rows_count(rows) == 1;
    if (t->configured) {
        t->slot = (int32_t)db_get_int(rows, 0, 0);
        printf("采集项 item: %s %s  %s  %s  %lld s%s\n", t->code, db_get_text(rows, 0, 1), db_get_text(rows, 0, 2),
               words[db_get_int(rows, 0, 3)], (long long)db_get_int(rows, 0, 4),
               db_get_bool(rows, 0, 5) ? "" : "  已停用 retired");
    }
    db_rows_free(&rows);
    return RESULT_OK;
}

/* ---- uploads that carried it ---- */

struct carrier {
    int32_t sender_id;
    int64_t upload_id, received_at;
    int64_t lines[64];
    size_t line_count;
};

static bool is_ours(const struct trace *t, const struct energy_data *block, const struct record *r)
{
    char code[DATACODE_LEN + 1];
    int64_t ts = 0;
    if (strcmp(block->enterprise_code, t->enterprise) != 0 || r->stat_type != t->stat_type)
        return false;
    if (!datacode_parse(r->data_code, r->data_code_len, code) || strcmp(code, t->code) != 0)
        return false;
    if (!caltime_parse(r->stat_date, r->stat_date_len, &ts))
        return false;
    static const enum granularity period[] = {GRAN_MINUTE, GRAN_DAY, GRAN_MONTH, GRAN_YEAR};
    return t->stat_type == 0 ? ts == t->ts : period_start(period[t->stat_type], ts + 60 * USEC_PER_SEC) == t->ts;
}

static RESULT open_content(const struct db_rows *rows, size_t i, struct arena *a, const unsigned char **plain,
                           size_t *len)
{
    size_t n = 0, digest_len = 0, key_len = 0;
    const void *content = db_get_bytea(rows, i, 6, &n);
    const unsigned char *digest = db_get_bytea(rows, i, 5, &digest_len);
    const unsigned char *key = db_get_bytea(rows, i, 9, &key_len);
    if (digest_len != 33)
        return result_error(ERR_INTERNAL, 0, "归档的摘要已损坏 / the archived digest is damaged");
    char hex[65];
    for (int k = 0; k < 32; k++)
        snprintf(hex + 2 * k, 3, "%02x", digest[1 + k]);
    struct envelope e = {.encoding = (enum content_encoding)db_get_int(rows, i, 3),
                         .cipher = (enum content_cipher)db_get_int(rows, i, 4),
                         .digest_method = (enum content_digest)digest[0],
                         .digest_hex = hex,
                         .key = key,
                         .key_len = key_len,
                         .max_plain = (size_t)1 << 30};
    unsigned char again[32];
    return envelope_open(&e, content, n, a, plain, len, again);
}

static void print_record(const struct record *r)
{
    printf("    行 line %u: %.*s  inputType %d  scope %d%s\n", r->line, (int)r->data_value_len, r->data_value,
           r->input_type, r->scope, r->valid ? "" : "  valid=false");
}

static void look_into(struct trace *t, const struct db_rows *rows, size_t i, struct carrier *c)
{
    const unsigned char *plain = NULL;
    size_t len = 0;
    struct findings findings;
    struct energy_data_set set = {0};
    findings_init(&findings, t->arena);
    struct result r = open_content(rows, i, t->arena, &plain, &len);
    if (result_ok(r))
        r = payload_read_data(plain, len, PAYLOAD_ENERGY_DATA | PAYLOAD_ENERGY_DATA_SET, &PAYLOAD_LIMITS_DEFAULT,
                              t->arena, &findings, &set);
    if (!result_ok(r)) {
        printf("  %lld: 归档内容无法打开 the archived content cannot be opened: %s\n", (long long)c->upload_id, r.text);
        return;
    }
    char when[CALTIME_TEXT];
    for (size_t b = 0; b < set.count; b++)
        for (size_t k = 0; k < set.at[b].count; k++) {
            const struct record *record = &set.at[b].records[k];
            if (!is_ours(t, &set.at[b], record))
                continue;
            if (c->line_count == 0)
                printf("  %s  上传 upload %lld  消息 message %s\n", caltime_format(c->received_at, when),
                       (long long)c->upload_id, db_get_text(rows, i, 7));
            print_record(record);
            if (c->line_count < ARRAY_LEN(c->lines))
                c->lines[c->line_count++] = record->line;
        }
}

static RESULT print_findings(struct trace *t, const struct carrier *c)
{
    struct db_params p;
    db_params_init(&p);
    db_bind_int4(&p, c->sender_id);
    db_bind_time(&p, c->received_at);
    db_bind_int8(&p, c->upload_id);
    db_bind_int8_array(&p, c->lines, NULL, c->line_count);
    struct db_rows *rows = NULL;
    struct result r = db_query(t->cli->db, &FINDINGS, &p, &rows);
    db_params_free(&p);
    TRY(r);
    for (size_t i = 0; i < db_rows_count(rows); i++)
        printf("      %lld %s  行 line %lld  %s\n", (long long)db_get_int(rows, i, 0),
               finding_severity_name((enum finding_severity)db_get_int(rows, i, 1)), (long long)db_get_int(rows, i, 2),
               db_get_text(rows, i, 3));
    db_rows_free(&rows);
    return RESULT_OK;
}

static RESULT print_forwarded(struct trace *t, const struct carrier *c)
{
    struct db_params p;
    db_params_init(&p);
    db_bind_int4(&p, t->unit_id);
    db_bind_int8(&p, c->upload_id);
    struct db_rows *rows = NULL;
    struct result r = db_query(t->cli->db, &FORWARDED, &p, &rows);
    db_params_free(&p);
    TRY(r);
    for (size_t i = 0; i < db_rows_count(rows); i++) {
        printf("    转发 to %s: %s  %s  次数 attempts %lld", db_get_text(rows, i, 0), db_get_text(rows, i, 1),
               db_get_text(rows, i, 2), (long long)db_get_int(rows, i, 6));
        if (!db_is_null(rows, i, 3))
            printf("  答复 answer %lld upload %s %s", (long long)db_get_int(rows, i, 3), db_get_text(rows, i, 4),
                   db_get_text(rows, i, 5));
        printf("\n");
    }
    db_rows_free(&rows);
    return RESULT_OK;
}

static RESULT look_at(struct trace *t, const struct db_rows *rows, size_t i)
{
    arena_reset(t->arena);
    struct carrier c = {.sender_id = (int32_t)db_get_int(rows, i, 0),
                        .upload_id = db_get_int(rows, i, 1),
                        .received_at = db_get_time(rows, i, 2)};
    look_into(t, rows, i, &c);
    if (c.line_count == 0)
        return RESULT_OK;
    t->carriers++;
    TRY(print_findings(t, &c));
    return print_forwarded(t, &c);
}

static RESULT next_carriers(struct trace *t, int64_t from, int64_t to, int64_t *after, int64_t *after_id, size_t *count)
{
    struct db_params p;
    db_params_init(&p);
    db_bind_int4(&p, t->unit_id);
    db_bind_int4(&p, t->platform_id);
    const int64_t times[] = {from, to, *after};
    for (size_t i = 0; i < ARRAY_LEN(times); i++)
        db_bind_time(&p, times[i]);
    db_bind_int8(&p, *after_id);
    struct db_rows *rows = NULL;
    struct result r = db_query(t->cli->db, &CARRIERS, &p, &rows);
    db_params_free(&p);
    TRY(r);
    *count = db_rows_count(rows);
    for (size_t i = 0; i < *count && result_ok(r); i++) {
        r = look_at(t, rows, i);
        *after = db_get_time(rows, i, 2);
        *after_id = db_get_int(rows, i, 1);
    }
    db_rows_free(&rows);
    return r;
}

static RESULT print_carriers(struct trace *t, int64_t from, int64_t to)
{
    printf("上传 uploads that carried it:\n");
    int64_t after = from - 1, after_id = 0;
    size_t count = 0;
    do {
        TRY(next_carriers(t, from, to, &after, &after_id, &count));
    } while (count > 0);
    if (t->carriers == 0)
        printf("  (无 none)\n");
    return RESULT_OK;
}

/* ---- value, history, rows ---- */

static void print_flags(int64_t flag)
{
    static const struct {
        int bit;
        const char *words;
    } names[] = {{FLAG_INVALID, "valid=false"},       {FLAG_JUMP, "3204 突变 jump"},
                 {FLAG_STUCK, "3205 不变 stuck"},     {FLAG_BACKWARDS, "3207 倒走 backwards"},
                 {FLAG_PARTS, "3401 分项超总 parts"}, {FLAG_LATE, "补传 late"}};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (flag & names[i].bit)
            printf("  %s", names[i].words);
    printf("\n");
}

static RESULT print_stored(struct trace *t)
{
    struct db_params p;
    db_params_init(&p);
    db_bind_int4(&p, t->unit_id);
    db_bind_int2(&p, (int16_t)SLOT_PAGE(t->slot));
    db_bind_int4(&p, SLOT_INDEX(t->slot) + 1);
    db_bind_time(&p, t->ts);
    if (t->stat_type > 0)
        db_bind_int2(&p, (int16_t)t->stat_type);
    struct db_rows *rows = NULL;
    struct result r = db_query(t->cli->db, t->stat_type ? &STORED_REPORTED : &STORED, &p, &rows);
    db_params_free(&p);
    TRY(r);
    char value[DECIMAL_TEXT];
    printf("现值 value now: ");
    if (db_rows_count(rows) == 0) {
        printf("(无 none)\n");
    } else {
        printf("%s", decimal_format(db_get_int(rows, 0, 0), value));
        print_flags(db_get_int(rows, 0, 1));
    }
    db_rows_free(&rows);
    return RESULT_OK;
}

static RESULT print_history(struct trace *t)
{
    struct db_params p;
    db_params_init(&p);
    db_bind_int4(&p, t->unit_id);
    db_bind_int4(&p, t->slot);
    db_bind_int2(&p, (int16_t)t->stat_type);
    db_bind_time(&p, t->ts);
    struct db_rows *rows = NULL;
    struct result r = db_query(t->cli->db, &HISTORY, &p, &rows);
    db_params_free(&p);
    TRY(r);
    char before[DECIMAL_TEXT], after[DECIMAL_TEXT], when[CALTIME_TEXT];
    printf("更正 corrections: %zu\n", db_rows_count(rows));
    for (size_t i = 0; i < db_rows_count(rows); i++) {
        printf("  %s  上传 upload %lld  %s%s → %s%s\n", caltime_format(db_get_time(rows, i, 0), when),
               (long long)db_get_int(rows, i, 1), decimal_format(db_get_int(rows, i, 2), before),
               db_get_int(rows, i, 3) & FLAG_INVALID ? " (valid=false)" : "",
               decimal_format(db_get_int(rows, i, 4), after),
               db_get_int(rows, i, 5) & FLAG_INVALID ? " (valid=false)" : "");
    }
    db_rows_free(&rows);
    return RESULT_OK;
}

static RESULT print_rows(struct trace *t)
{
    static const enum granularity levels[] = {GRAN_HOUR, GRAN_DAY, GRAN_MONTH, GRAN_YEAR};
    struct db_params p;
    db_params_init(&p);
    db_bind_text(&p, t->enterprise);
    db_bind_text(&p, t->code);
    for (size_t i = 0; i < ARRAY_LEN(levels); i++)
        db_bind_time(&p, period_start(levels[i], t->ts));
    struct db_rows *rows = NULL;
    struct result r = db_query(t->cli->db, &ROWS, &p, &rows);
    db_params_free(&p);
    TRY(r);
    char when[CALTIME_TEXT];
    printf("汇总 rows it is in:\n");
    for (size_t i = 0; i < db_rows_count(rows); i++)
        printf("  %-5s %s  值 value %s  个数 count %lld/%lld  完整率 completeness %s  %s\n", db_get_text(rows, i, 0),
               caltime_format(db_get_time(rows, i, 1), when), db_get_text(rows, i, 2),
               (long long)db_get_int(rows, i, 3), (long long)db_get_int(rows, i, 4), db_get_text(rows, i, 5),
               db_get_text(rows, i, 6));
    db_rows_free(&rows);
    return RESULT_OK;
}

static RESULT print_refused(struct trace *t, int64_t from, int64_t to)
{
    struct db_params p;
    db_params_init(&p);
    db_bind_text(&p, t->enterprise);
    db_bind_time(&p, from);
    db_bind_time(&p, to);
    struct db_rows *rows = NULL;
    struct result r = db_query(t->cli->db, &REFUSED, &p, &rows);
    db_params_free(&p);
    TRY(r);
    char when[CALTIME_TEXT];
    size_t n = db_rows_count(rows);
    if (n > 0)
        printf("期间整体拒绝的上传（内容不保存） uploads refused whole meanwhile, their content is not kept: %lld\n",
               (long long)db_get_int(rows, 0, 5));
    for (size_t i = 0; i < n; i++)
        printf("  %s  %s  消息 message %s  %lld %s\n", caltime_format(db_get_time(rows, i, 0), when),
               db_get_text(rows, i, 1), db_get_text(rows, i, 2), (long long)db_get_int(rows, i, 3),
               db_get_text(rows, i, 4));
    db_rows_free(&rows);
    return RESULT_OK;
}

static RESULT print_value(struct trace *t)
{
    if (!t->configured) {
        printf("采集项 item: %s 未配置 not configured\n", t->code);
        return RESULT_OK;
    }
    TRY(print_stored(t));
    TRY(print_history(t));
    return print_rows(t);
}

static RESULT print_all(struct trace *t, int64_t from, int64_t to)
{
    TRY(cli_db(t->cli));
    TRY(find_unit(t));
    TRY(find_item(t));
    TRY(print_value(t));
    TRY(print_carriers(t, from, to));
    TRY(print_refused(t, from, to));
    return t->configured || t->carriers > 0 ? RESULT_OK
                                            : refused("该企业没有这个采集项，也没有上传带过它 / the enterprise has no "
                                                      "such item, and no upload carried it");
}

/* The forms of statDate, and a day alone for its first instant. */
static bool read_instant(const char *text, int64_t *ts)
{
    char day[CALTIME_TEXT];
    if (strlen(text) == 10 && text[4] == '-') {
        snprintf(day, sizeof day, "%s 00:00:00", text);
        text = day;
    }
    return caltime_parse(text, strlen(text), ts);
}

static RESULT read_words(const struct args *args, struct trace *t, int64_t *from, int64_t *to)
{
    int64_t stat = 0;
    t->enterprise = args->words[0];
    if (!datacode_parse(args->words[1], strlen(args->words[1]), t->code))
        return result_error(ERR_SENDER, 0, "数据编码须为 16 位数字 / not a data code: %s", args->words[1]);
    if (!read_instant(args->words[2], &t->ts))
        return result_error(ERR_SENDER, 0, "时间须为 yyyy-MM-dd[ HH:mm:ss] / not an instant: %s", args->words[2]);
    TRY(args_int(args, "stat-type", 0, 3, 0, &stat));
    t->stat_type = (int)stat;
    int64_t day = 86400 * USEC_PER_SEC;
    TRY(args_time(args, "from", t->ts - day,
                  from)); /* nothing carries a reading before its time, but for a clock ahead */
    return args_time(args, "to", clock_now() + day, to);
}

static int trace_run(struct cli *cli, const struct args *args)
{
    struct trace t = {.cli = cli};
    int64_t from = 0, to = 0;
    struct result r = read_words(args, &t, &from, &to);
    if (!result_ok(r))
        return cli_wrong_usage(r);
    payload_init();
    t.arena = arena_new(0);
    r = print_all(&t, from, to);
    arena_free(&t.arena);
    payload_exit();
    return result_ok(r) ? EXIT_DONE : cli_failed(r);
}

static const struct arg_spec SPECS[] = {{"stat-type", "0..3", "0 实时 1 日 2 月 3 年 / default 0", false},
                                        {"from", "TIME", "只看此后收到的上传 / only uploads received from here", false},
                                        {"to", "TIME", "只看此前收到的上传 / only uploads received before", false}};
static const struct command COMMANDS[] = {
    {.words = "trace",
     .run = trace_run,
     .usage = "ENTERPRISE CODE STATDATE",
     .zh = "一个读数的一生：携带它的上传、问题、更正、汇总行、转发与上级答复",
     .en = "one reading's life: uploads, findings, corrections, rows, forwarding and the upper platform's answer",
     COMMAND_ARGS(SPECS),
     .min_words = 3,
     .max_words = 3},
};
const struct command_group TRACE_COMMANDS = {COMMANDS, (int)ARRAY_LEN(COMMANDS)};
