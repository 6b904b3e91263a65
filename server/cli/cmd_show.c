/* enterprise show: everything about an enterprise on one page; the database words the cells. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cli/cli.h"

/* Every section asks with $1 = code, $2 = now by the platform's clock, and gives rows of texts. */
struct section {
    const char *key, *title;
    struct db_stmt ask;
    struct table_column columns[8];
    size_t column_count;
    bool items; /* only with --items */
};

#define INSTANT(column) "coalesce(to_char(" column ", 'YYYY-MM-DD HH24:MI:SS'), '')"
#define DECIMAL(column) "coalesce(trim_scale(" column "::numeric / 1000000)::text, '')"

static const struct section SECTIONS[] = {
    {"enterprise",
     "企业 / enterprise",
     {"show_unit",
      "SELECT v.k, v.t FROM unit u LEFT JOIN platform p ON p.id = u.from_platform, LATERAL "
      "(VALUES "
      "  ('代码 code', u.code), ('名称 name', u.name), ('区划 region', u.region_code), ('行业 "
      "industry', u.industry_code), "
      "  ('联系人 contact', u.contact), ('来源平台 via', coalesce(p.code, '')), "
      "  ('状态 state', u.state || ' ' || " INSTANT(
          "u.state_since") "), "
                           "  ('试运行 trial', CASE WHEN u.trial_from IS NULL THEN '' "
                           "ELSE " INSTANT("u.trial_from") " || ' .. ' || " INSTANT(
                               "u.trial_until") " END), "
                                                "  ('上传 upload', u.upload_time::text || ', ' || "
                                                "u.upload_period || ' s'), "
                                                "  ('配置版本 config', u.config_version::text), "
                                                "  ('采集项 items', (SELECT count(*) FILTER "
                                                "(WHERE i.active) || ' (' || count(*) FILTER "
                                                "(WHERE NOT i.active) || "
                                                "     ' retired)' FROM collect_item i WHERE "
                                                "i.unit_id = u.id)), "
                                                "  ('最近上传 last upload', coalesce((SELECT "
                                                "to_char(l.received_at, 'YYYY-MM-DD HH24:MI:SS') "
                                                "|| ', code ' || "
                                                "     l.response_code || ', ' || l.received || ' "
                                                "records' FROM upload l WHERE l.sender_id = u.id "
                                                "     ORDER BY l.received_at DESC LIMIT 1), '')), "
                                                /* through a lower platform there is no upload of its own */
                                                "  ('最近有读数的日 last day with readings', coalesce((SELECT "
                                                "to_char(max(d.ts), 'YYYY-MM-DD') FROM rollup_day d WHERE d.unit_id = "
                                                "u.id), '')), "
                                                "  ('阈值 thresholds', 'jump ' || "
                                                "coalesce(nullif(" DECIMAL(
                                                    "u.jump_limit") ", ''), '-') || ', stuck ' || "
                                                                    "     u.stuck_count), "
                                                                    "  ('加密 ciphers', "
                                                                    "coalesce(nullif(u.ciphers, "
                                                                    "''), '*')), ('设备证书 device certificates', "
                                                                    "CASE WHEN u.device_certificates THEN 'required' "
                                                                    "ELSE 'optional' END), ('摘要 digests', "
                                                                    "coalesce(nullif(u.digests, "
                                                                    "''), '*')), ('地址 allow', "
                                                                    "coalesce(nullif(u.allow_from,"
                                                                    " ''), '*'))"
                                                                    ") v (k, t) WHERE u.code = $1 "
                                                                    "AND $2::timestamptz IS NOT "
                                                                    "NULL"},
     {{"key", "项 item", false}, {"value", "内容 value", false}},
     2,
     false},
    {"history",
     "经过 / history",
     {"show_history", "SELECT to_char(at, 'YYYY-MM-DD HH24:MI:SS'), split_part(action, '.', 2), actor, detail "
                      "FROM (SELECT * FROM audit_log WHERE object = $1 AND action LIKE 'enterprise.%' AND "
                      "$2::timestamptz IS NOT NULL "
                      "      ORDER BY at DESC LIMIT 50) a ORDER BY at"},
     {{"at", "时间 time", false},
      {"step", "步骤 step", false},
      {"actor", "谁 actor", false},
      {"detail", "说明 detail", false}},
     4,
     false},
    {"certificates",
     "证书 / certificates",
     {"show_certificates",
      "SELECT c.device, c.serial, c.fingerprint, to_char(c.not_after, 'YYYY-MM-DD HH24:MI:SS'), "
      "  CASE WHEN c.revoked_at IS NOT NULL THEN '已吊销 revoked' "
      "       WHEN c.not_after <= now() THEN '已过期 expired' "
      "       WHEN u.device_certificates AND c.device = '' THEN '未指名端设备，不接受 names no device, refused' "
      "       WHEN lower(h.bound) = c.fingerprint THEN '已绑定 bound' "
      "       WHEN lower(h.former) = c.fingerprint AND h.former_until > $2 THEN '宽限至 former, until ' || "
      "            to_char(h.former_until, 'YYYY-MM-DD HH24:MI') "
      "       WHEN u.cert_fingerprint = '' AND NOT EXISTS (SELECT 1 FROM device_binding x WHERE x.unit_id = u.id) "
      "            THEN '可用 usable' ELSE '未绑定 not bound' END, "
      "  CASE WHEN c.revoked_at IS NOT NULL OR c.not_after <= now() THEN '' "
      "       WHEN c.not_after < now() + interval '7 days' THEN '!!! 7 天内到期 expires within 7 days' "
      "       WHEN c.not_after < now() + interval '30 days' THEN '!! 30 天内到期 expires within 30 days' "
      "       WHEN c.not_after < now() + interval '60 days' THEN '! 60 天内到期 expires within 60 days' ELSE "
      "'' END "
      "FROM unit u JOIN certificate c ON c.identity = u.code "
      "LEFT JOIN device_binding b ON b.unit_id = u.id AND b.serial = c.device, "
      "LATERAL (SELECT coalesce(b.fingerprint, u.cert_fingerprint) AS bound, coalesce(b.former, u.cert_former) AS "
      "former, "
      "  CASE WHEN b.unit_id IS NULL THEN u.cert_former_until ELSE b.former_until END AS former_until) h "
      "WHERE u.code = $1 ORDER BY c.device, c.not_after DESC"},
     {{"device", "端设备 device", false},
      {"serial", "序列号 serial", false},
      {"fingerprint", "指纹 SHA-256", false},
      {"notAfter", "到期 expires", false},
      {"state", "状态 state", false},
      {"warning", "提醒 warning", false}},
     6,
     false},
    {"devices",
     "端设备 / devices",
     {"show_devices",
      "SELECT d.serial, d.device_id, d.manufacturer, d.model, d.software_version, " INSTANT(
          "d.last_seen") ", "
                         "  coalesce(d.clock_offset_ms::text, ''), coalesce(d.pending_records::text, '') "
                         "FROM unit u JOIN device d ON d.unit_id = u.id WHERE u.code = $1 AND $2::timestamptz "
                         "IS NOT NULL ORDER BY d.serial"},
     {{"serial", "序列号 serial", false},
      {"deviceId", "标识 deviceId", false},
      {"manufacturer", "厂商 manufacturer", false},
      {"model", "型号 model", false},
      {"software", "软件 software", false},
      {"lastSeen", "最近 last seen", false},
      {"clockOffsetMs", "时钟差 ms", true},
      {"pending", "待传 pending", true}},
     8,
     false},
    {"commands",
     "未完成命令 / open commands",
     {"show_commands",
      "SELECT c.command_id, c.kind, " INSTANT("c.from_ts") ", " INSTANT(
          "c.to_ts") ", c.value, c.state, "
                     "  " INSTANT("c.created_at") ", c.created_by "
                                                  "FROM unit u JOIN command c ON c.unit_id = u.id WHERE u.code "
                                                  "= $1 AND $2::timestamptz IS NOT NULL "
                                                  "  AND c.state IN ('queued', 'sent') ORDER BY c.created_at"},
     {{"commandId", "命令 commandId", false},
      {"kind", "种类 kind", false},
      {"from", "起 from", false},
      {"to", "止 to", false},
      {"value", "值 value", false},
      {"state", "状态 state", false},
      {"createdAt", "下达 created", false},
      {"by", "谁 by", false}},
     8,
     false},
    {"items",
     "采集项 / items",
     {"show_items", "SELECT i.data_code, i.stat_type::text, i.name, i.unit, "
                    "(ARRAY['sum','mean','counter'])[i.aggregation + 1], "
                    "  i.period::text, CASE WHEN i.active THEN '' ELSE '停用 retired' END, "
                    "  concat_ws(' ', 'jump ' || nullif(" DECIMAL(
                        "i.jump_limit") ", ''), 'stuck ' || nullif(i.stuck_count, 0)) "
                                        "FROM unit u JOIN collect_item i ON i.unit_id = u.id WHERE u.code = $1 "
                                        "AND $2::timestamptz IS NOT NULL "
                                        "ORDER BY i.data_code, i.stat_type"},
     {{"dataCode", "编码 dataCode", false},
      {"statType", "类型 statType", true},
      {"name", "名称 name", false},
      {"unit", "单位 unit", false},
      {"aggregation", "聚合 aggregation", false},
      {"period", "周期 period", true},
      {"state", "状态 state", false},
      {"thresholds", "阈值 thresholds", false}},
     8,
     true},
};

static RESULT ask(struct cli *cli, const struct section *s, const char *code, struct db_rows **rows)
{
    struct db_params p;
    db_params_init(&p);
    db_bind_text(&p, code);
    db_bind_time(&p, clock_now());
    struct result r = db_query(cli->db, &s->ask, &p, rows);
    db_params_free(&p);
    return r;
}

static void print_section(const struct section *s, const struct db_rows *rows, bool json, struct buf *out)
{
    struct table *t = table_new(s->columns, s->column_count);
    for (size_t i = 0; i < db_rows_count(rows); i++) {
        for (size_t c = 0; c < s->column_count; c++) {
            const char *text = db_get_text(rows, i, (int)c);
            table_text(t, json && s->columns[c].number && !*text ? NULL : text);
        }
    }
    if (json) {
        buf_printf(out, "%s\"%s\": ", out->len > 1 ? ",\n" : "", s->key);
        table_print(t, true, out);
    } else {
        buf_printf(out, "%s== %s\n", out->len ? "\n" : "", s->title);
        table_print(t, false, out);
    }
    table_free(&t);
}

static RESULT show(struct cli *cli, const char *code, bool items, bool json, struct buf *out)
{
    TRY(cli_db(cli));
    for (size_t i = 0; i < ARRAY_LEN(SECTIONS); i++) {
        struct db_rows *rows = NULL;
        if (SECTIONS[i].items && !items) {
            continue;
        }
        TRY(ask(cli, &SECTIONS[i], code, &rows));
        size_t count = db_rows_count(rows);
        if (i > 0 || count > 0) {
            print_section(&SECTIONS[i], rows, json, out);
        }
        db_rows_free(&rows);
        if (i == 0 && count == 0) {
            return result_error(ERR_NOT_FOUND, 0, "没有这个企业 / no such enterprise: %s", code);
        }
    }
    return RESULT_OK;
}

static int cmd_show(struct cli *cli, const struct args *args)
{
    bool json = args_given(args, "json");
    struct buf out = BUF_INIT;
    buf_append_str(&out, json ? "{" : "");
    struct result r = show(cli, args->words[0], args_given(args, "items"), json, &out);
    if (result_ok(r)) {
        printf("%s%s", buf_str(&out), json ? "}\n" : "");
    }
    buf_free(&out);
    return result_ok(r) ? EXIT_DONE : cli_failed(r);
}

static const struct arg_spec SHOW_ARGS[] = {{"items", NULL, "并列出采集项 / with its collect items", false}, JSON_ARG};

static const struct command COMMANDS[] = {
    {.words = "enterprise show",
     .run = cmd_show,
     .usage = "CODE [--items] [--json]",
     .zh = "一页列出企业的全部情况",
     .en = "everything about an enterprise on one page",
     COMMAND_ARGS(SHOW_ARGS),
     .min_words = 1,
     .max_words = 1},
};
const struct command_group SHOW_COMMANDS = {COMMANDS, ARRAY_LEN(COMMANDS)};
