/* enterprise thresholds: what the operator sets for an enterprise or one of its items: 3204, 3205, ciphers, digest
 * methods, addresses, upload period. Read by the servers after NOTIFY. */
#include <stdio.h>
#include <string.h>

#include "admin/audit.h"
#include "base/clock.h"
#include "base/decimal.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "db/composite.h"
#include "registry/admission.h"
#include "validate/network.h"

#define OFF "off"
#define REQUIRED "required"
#define OPTIONAL "optional"

/* NULL parameters leave the column; a jump of -1 switches it off. */
static const struct db_stmt SET_UNIT = {
    "threshold_unit",
    "UPDATE unit SET jump_limit = CASE WHEN $2 < 0 THEN NULL ELSE coalesce($2, jump_limit) END, "
    "  stuck_count = coalesce($3, stuck_count), ciphers = coalesce($4, ciphers), allow_from = "
    "coalesce($5, allow_from), "
    "  upload_period = coalesce($6, upload_period), modified_at = $7, digests = coalesce($8, digests), "
    "  device_certificates = coalesce($9, device_certificates) WHERE id = $1"};
static const struct db_stmt SET_ITEM = {
    "threshold_item",
    "UPDATE collect_item SET jump_limit = CASE WHEN $2 < 0 THEN NULL ELSE coalesce($2, jump_limit) END, "
    "  stuck_count = coalesce($3, stuck_count) WHERE unit_id = $1 AND data_code = $4 AND stat_type = 0"};

struct thresholds {
    struct cli *cli;
    const char *code, *item;
    const char *ciphers, *digests, *allow; /* NULL: as they are; "": all */
    const char *device_certificates;       /* NULL: as it is */
    bool jump_given, stuck_given, period_given;
    int64_t jump, stuck, period;
    struct buf words; /* for the audit log */
};

static void bind_maybe8(struct db_params *p, bool given, int64_t v)
{
    if (given) {
        db_bind_int8(p, v);
    } else {
        db_bind_null(p, OID_INT8);
    }
}

static void bind_maybe4(struct db_params *p, bool given, int64_t v)
{
    if (given) {
        db_bind_int4(p, (int32_t)v);
    } else {
        db_bind_null(p, OID_INT4);
    }
}

static RESULT update(struct db *db, const struct thresholds *t, int32_t unit_id)
{
    struct db_params p;
    struct db_rows *rows = NULL;
    db_params_init(&p);
    db_bind_int4(&p, unit_id);
    bind_maybe8(&p, t->jump_given, t->jump);
    bind_maybe4(&p, t->stuck_given, t->stuck);
    db_bind_text(&p, t->item ? t->item : t->ciphers);
    if (!t->item) {
        db_bind_text(&p, t->allow);
        bind_maybe4(&p, t->period_given, t->period);
        db_bind_time(&p, clock_now());
        db_bind_text(&p, t->digests);
        if (t->device_certificates) {
            db_bind_bool(&p, strcmp(t->device_certificates, REQUIRED) == 0);
        } else {
            db_bind_null(&p, OID_BOOL);
        }
    }
    struct result r = db_query(db, t->item ? &SET_ITEM : &SET_UNIT, &p, &rows);
    db_params_free(&p);
    if (result_ok(r) && db_rows_affected(rows) == 0) {
        r = result_error(ERR_NOT_FOUND, 0, "没有这个采集项 / no such collect item: %s", t->item ? t->item : "");
    }
    db_rows_free(&rows);
    return r;
}

static RESULT set(struct db *db, void *arg)
{
    struct thresholds *t = arg;
    struct admission_facts facts;
    TRY(admission_read(db, t->code, &facts));
    TRY(update(db, t, facts.id));
    TRY(admission_notify(db, t->code));
    return audit_write(db, t->cli->actor, "", "enterprise.thresholds", t->code, 0, buf_str(&t->words));
}

/* ---- reading the words ---- */
static RESULT read_jump(const struct args *args, struct thresholds *t)
{
    const char *text = args_text(args, "jump");
    t->jump_given = text != NULL;
    if (!text) {
        return RESULT_OK;
    }
    t->jump = -1;
    if (strcmp(text, OFF) == 0) {
        return RESULT_OK;
    }
    enum decimal_status s = decimal_parse(text, strlen(text), &t->jump);
    return s == DECIMAL_OK && t->jump > 0
               ? RESULT_OK
               : result_error(ERR_SENDER, 0, "须为正数或 off / a positive number or off: --jump %s", text);
}

struct vocabulary { /* of a list of names */
    const char *names[5], *zh;
};
static const struct vocabulary CIPHERS = {{"none", "SM4-CBC", "AES-256-CBC", "AES-256-GCM"}, "加密方式"};
static const struct vocabulary DIGESTS = {{"SM3", "SHA-256"}, "摘要算法"};

static bool knows(const struct vocabulary *v, const char *name, size_t n)
{
    for (size_t i = 0; v->names[i]; i++) {
        if (strlen(v->names[i]) == n && memcmp(v->names[i], name, n) == 0) {
            return true;
        }
    }
    return false;
}

static RESULT unknown_name(const struct vocabulary *v, const char *name, size_t n)
{
    struct buf known = BUF_INIT;
    for (size_t i = 0; v->names[i]; i++) {
        buf_printf(&known, "%s%s", i ? " " : "", v->names[i]);
    }
    struct result r = result_error(ERR_SENDER, 0, "未知的%s / none of %s: %.*s", v->zh, buf_str(&known), (int)n, name);
    buf_free(&known);
    return r;
}

/* "SM4-CBC,AES-256-GCM" -> separated by blanks, every name known; "all" -> "". *list: points into out then. */
static RESULT read_names(const struct vocabulary *v, const char **list, char *out, size_t size)
{
    if (!*list) {
        return RESULT_OK;
    }
    if (strlen(*list) >= size) {
        return unknown_name(v, *list, strlen(*list));
    }
    snprintf(out, size, "%s", strcmp(*list, "all") == 0 ? "" : *list);
    *list = out;
    for (char *p = out; *p; p += strspn(p, " ")) {
        size_t n = strcspn(p, ", ");
        if (!knows(v, p, n)) {
            return unknown_name(v, p, n);
        }
        p += n;
        *p = *p == ',' ? ' ' : *p;
    }
    return RESULT_OK;
}

/* A malformed entry would match nobody and lock the enterprise out: each must match an address of its own. */
static RESULT read_allow(struct thresholds *t, char *out, size_t size)
{
    if (!t->allow) {
        return RESULT_OK;
    }
    snprintf(out, size, "%s", strcmp(t->allow, "all") == 0 ? "" : t->allow);
    t->allow = out;
    for (char *p = out; *p; p++) {
        *p = *p == ',' ? ' ' : *p;
    }
    for (const char *p = out + strspn(out, " "); *p; p += strspn(p, " ")) {
        char entry[64], peer[80];
        size_t n = strcspn(p, " ");
        snprintf(entry, sizeof entry, "%.*s", (int)n, p);
        snprintf(peer, sizeof peer, "[%.*s]:1", (int)strcspn(entry, "/"), entry);
        if (n >= sizeof entry || !address_allowed(entry, peer)) {
            return result_error(ERR_SENDER, 0, "不是地址或网段 / neither address nor network: %.*s", (int)n, p);
        }
        p += n;
    }
    return RESULT_OK;
}

static RESULT check_device_certificates(const char *word)
{
    return !word || strcmp(word, REQUIRED) == 0 || strcmp(word, OPTIONAL) == 0
               ? RESULT_OK
               : result_error(ERR_SENDER, 0,
                              "须为 " REQUIRED " 或 " OPTIONAL " / one of " REQUIRED " and " OPTIONAL
                              ": --device-certificates %s",
                              word);
}

#define LIST_TEXT 1024
struct lists { /* what the lists of t point into */
    char ciphers[LIST_TEXT], digests[LIST_TEXT], allow[LIST_TEXT];
};

static RESULT read_words(const struct args *args, struct thresholds *t, struct lists *lists)
{
    TRY(read_jump(args, t));
    t->stuck_given = args_given(args, "stuck");
    TRY(args_int(args, "stuck", 0, 100000, 0, &t->stuck));
    t->period_given = args_given(args, "upload-period");
    TRY(args_int(args, "upload-period", 10, 86400, 900, &t->period));
    TRY(read_names(&CIPHERS, &t->ciphers, lists->ciphers, LIST_TEXT));
    TRY(read_names(&DIGESTS, &t->digests, lists->digests, LIST_TEXT));
    TRY(read_allow(t, lists->allow, LIST_TEXT));
    TRY(check_device_certificates(t->device_certificates));
    bool of_unit = t->device_certificates || t->ciphers || t->digests || t->allow || t->period_given;
    if (t->item && of_unit) {
        return result_error(ERR_SENDER, 0, "采集项只有 --jump 与 --stuck / an item has only --jump and --stuck");
    }
    if (!t->jump_given && !t->stuck_given && !of_unit) {
        return result_error(ERR_SENDER, 0, "没有要设置的内容 / nothing to set");
    }
    return RESULT_OK;
}

static void word(struct buf *out, const char *name, const char *value)
{
    if (value) {
        buf_printf(out, "%s%s %s", out->len ? ", " : "", name, *value ? value : "all");
    }
}

static int cmd_thresholds(struct cli *cli, const struct args *args)
{
    static const char *const NAMES[] = {"item", "jump", "stuck", "upload-period", "device-certificates"};
    struct lists lists;
    struct thresholds t = {.cli = cli,
                           .code = args->words[0],
                           .item = args_text(args, "item"),
                           .ciphers = args_text(args, "ciphers"),
                           .digests = args_text(args, "digests"),
                           .allow = args_text(args, "allow"),
                           .device_certificates = args_text(args, "device-certificates")};
    struct result r = read_words(args, &t, &lists);
    if (!result_ok(r)) {
        return cli_wrong_usage(r);
    }
    for (size_t i = 0; i < ARRAY_LEN(NAMES); i++) {
        word(&t.words, NAMES[i], args_text(args, NAMES[i]));
    }
    word(&t.words, "ciphers", t.ciphers);
    word(&t.words, "digests", t.digests);
    word(&t.words, "allow", t.allow);
    r = cli_db(cli);
    r = result_ok(r) ? db_transaction(cli->db, set, &t) : r;
    if (result_ok(r)) {
        printf("%s: %s\n", t.code, buf_str(&t.words));
    }
    buf_free(&t.words);
    return result_ok(r) ? EXIT_DONE : cli_failed(r);
}

static const struct arg_spec THRESHOLD_ARGS[] = {
    {"item", "DATACODE", "只对该采集项 / only this collect item", false},
    {"jump", "NUMBER|off", "突变阈值 3204 / largest step between neighbours", false},
    {"stuck", "N", "连续相同次数 3205，0 关 / equal readings in a row, 0: off", false},
    {"ciphers", "NAME[,NAME…]|all", "允许的加密方式 / allowed encryption", false},
    {"digests", "NAME[,NAME…]|all", "允许的摘要算法 SM3、SHA-256 / allowed digest methods", false},
    {"allow", "CIDR[,CIDR…]|all", "允许的地址 / allowed addresses", false},
    {"device-certificates", REQUIRED "|" OPTIONAL, "只接受指名端设备的证书 / only certificates that name their device",
     false},
    {"upload-period", "SECONDS", "上传周期 / upload period told to its devices", false}};

static const struct command COMMANDS[] = {
    {.words = "enterprise thresholds",
     .run = cmd_thresholds,
     .usage = "CODE [--item DATACODE] [--jump N|off] [--stuck N] [--ciphers …] [--digests …] [--allow CIDR,…] "
              "[--device-certificates required|optional] [--upload-period S]",
     .zh = "设置校验阈值、加密方式、摘要算法、地址、设备证书、上传周期",
     .en = "sets thresholds, ciphers, digest methods, addresses, certificates by device, upload period",
     COMMAND_ARGS(THRESHOLD_ARGS),
     .min_words = 1,
     .max_words = 1},
};
const struct command_group THRESHOLD_COMMANDS = {COMMANDS, ARRAY_LEN(COMMANDS)};
