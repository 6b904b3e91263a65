/* upload list: receipts, or whole refusals with --refused. */
#include <stdint.h>

#include "base/mem.h"
#include "cli/cli.h"

/* The time bounds come first: they choose the partitions. */
static const struct db_stmt UPLOADS = {
    "cli_uploads", "SELECT u.received_at, coalesce(e.code, s.code, p.code, ''), u.upload_id, u.message_id, "
                   "u.response_code, u.received, "
                   "  u.stored, u.unchanged, u.corrected, u.suspect, u.rejected, u.findings "
                   "FROM upload u LEFT JOIN unit e ON e.id = u.unit_id LEFT JOIN unit s ON s.id = u.sender_id "
                   "  LEFT JOIN platform p ON p.id = u.sender_id "
                   "WHERE u.received_at >= $1 AND u.received_at < $2 "
                   "  AND ($3 = '' OR u.sender_id IN (SELECT id FROM unit WHERE code = $3 UNION SELECT id FROM "
                   "platform WHERE code = $3) "
                   "       OR u.unit_id = (SELECT id FROM unit WHERE code = $3)) "
                   "ORDER BY u.received_at DESC, u.upload_id DESC LIMIT $4"};
static const struct db_stmt REFUSED = {
    "cli_refused", "SELECT received_at, sender_code, peer, operation, message_id, code, message FROM upload_refused "
                   "WHERE received_at >= $1 AND received_at < $2 AND ($3 = '' OR sender_code = $3) "
                   "ORDER BY received_at DESC LIMIT $4"};

static const struct table_column UPLOAD_COLUMNS[] = {{"receivedAt", "接收时间 received", false},
                                                     {"sender", "发送方 sender", false},
                                                     {"uploadId", "编号 id", false},
                                                     {"messageId", "消息 message", false},
                                                     {"responseCode", "代码 code", true},
                                                     {"received", "收 in", true},
                                                     {"stored", "存 stored", true},
                                                     {"unchanged", "未变 same", true},
                                                     {"corrected", "更正 corrected", true},
                                                     {"suspect", "可疑 suspect", true},
                                                     {"rejected", "拒绝 rejected", true},
                                                     {"findings", "问题 findings", true}};
static const struct table_column REFUSED_COLUMNS[] = {
    {"receivedAt", "时间 time", false},     {"sender", "发送方 sender", false},   {"peer", "地址 peer", false},
    {"operation", "操作 operation", false}, {"messageId", "消息 message", false}, {"code", "代码 code", true},
    {"message", "原因 reason", false}};

static struct table *uploads_table(const struct db_rows *rows)
{
    struct table *t = table_new(UPLOAD_COLUMNS, ARRAY_LEN(UPLOAD_COLUMNS));
    for (size_t i = 0; i < db_rows_count(rows); i++) {
        table_time(t, db_get_time(rows, i, 0));
        table_text(t, db_get_text(rows, i, 1));
        table_int(t, db_get_int(rows, i, 2));
        table_text(t, db_get_text(rows, i, 3));
        for (int c = 4; c < (int)ARRAY_LEN(UPLOAD_COLUMNS); c++) {
            table_int(t, db_get_int(rows, i, c));
        }
    }
    return t;
}

static struct table *refused_table(const struct db_rows *rows)
{
    struct table *t = table_new(REFUSED_COLUMNS, ARRAY_LEN(REFUSED_COLUMNS));
    for (size_t i = 0; i < db_rows_count(rows); i++) {
        table_time(t, db_get_time(rows, i, 0));
        for (int c = 1; c < 5; c++) {
            table_text(t, db_get_text(rows, i, c));
        }
        table_int(t, db_get_int(rows, i, 5));
        table_text(t, db_get_text(rows, i, 6));
    }
    return t;
}

static int cmd_list(struct cli *cli, const struct args *args)
{
    struct db_params p;
    int64_t limit;
    struct result r = cli_bind_newest(args, "enterprise", &p, &limit);
    if (!result_ok(r)) {
        return cli_wrong_usage(r);
    }
    if (args_given(args, "refused")) { /* whoever was refused may be nobody's code */
        return cli_query_list(cli, args, &REFUSED, &p, limit, refused_table);
    }
    r = cli_known_sender(cli, args_text(args, "enterprise"), true);
    if (!result_ok(r)) {
        db_params_free(&p);
        return cli_failed(r);
    }
    return cli_query_list(cli, args, &UPLOADS, &p, limit, uploads_table);
}

static const struct arg_spec LIST_ARGS[] = {
    {"enterprise", "CODE", "只列该发送方 / only this sender (enterprise or platform)", false},
    NEWEST_ARGS,
    {"refused", NULL, "列出整体拒绝的上传 / uploads that were refused as a whole", false},
    JSON_ARG};

static const struct command COMMANDS[] = {
    {.words = "upload list",
     .run = cmd_list,
     .usage = "[--enterprise CODE] [--from T] [--to T] [--limit N] [--refused] [--json]",
     .zh = "列出上传记录",
     .en = "lists upload records",
     COMMAND_ARGS(LIST_ARGS)},
};
const struct command_group UPLOAD_COMMANDS = {COMMANDS, ARRAY_LEN(COMMANDS)};
