/* pki init|issue|revoke|list|crl: the words around pki.c. Terms are by the real clock, as TLS judges them. */
#include <stdio.h>
#include <string.h>
#include <sys/time.h>

#include "admin/audit.h"
#include "base/clock.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/pki.h"
#include "registry/registry.h"

#define DAY_US (86400 * USEC_PER_SEC)
#define CLOCK_SLACK_US (300 * USEC_PER_SEC)
#define MAX_DAYS 36500

static const struct db_stmt RECORD = {
    "cli_certificate", "INSERT INTO certificate (fingerprint, identity, serial, issuer, not_after, device) "
                       "VALUES ($1, $2, $3, $4, $5, $6) "
                       "ON CONFLICT (fingerprint) DO NOTHING"};
static const struct db_stmt REVOKE = {
    "cli_certificate_revoked",
    "UPDATE certificate SET revoked_at = now() WHERE fingerprint = $1 AND revoked_at IS NULL"};

static const struct db_stmt MARK_REVOKED = {
    "cli_certificate_marked", "UPDATE certificate SET revoked_at = now() WHERE lower(fingerprint) = lower($1) AND "
                              "revoked_at IS NULL RETURNING identity"};

static int64_t real_now(void)
{
    struct timeval tv;
    gettimeofday(&tv, NULL);
    return tv.tv_sec * USEC_PER_SEC + tv.tv_usec;
}

/* The certificate is in the CA's index either way; the table is for the platform's own lists. */
static bool database_there(struct cli *cli)
{
    struct result r = cli_db(cli);
    if (!result_ok(r)) {
        fprintf(stderr, "注意 / note: 未写入数据库 / not recorded in the database: %s\n", r.text);
    }
    return result_ok(r);
}

static void note(struct result r)
{
    if (!result_ok(r)) {
        fprintf(stderr, "注意 / note: 未写入数据库 / not recorded in the database: %s\n", r.text);
    }
}

static void record(struct cli *cli, const char *action, const char *object, const char *detail)
{
    if (database_there(cli)) {
        note(audit_write(cli->db, cli->actor, "", action, object, 0, detail));
    }
}

/* ---------------------------------------------------------------- init */
static int cmd_init(struct cli *cli, const struct args *args)
{
    const char *name = args_text(args, "name");
    int64_t days, crl_days;
    struct result r = args_int(args, "days", 1, MAX_DAYS, 3650, &days);
    r = result_ok(r) ? args_int(args, "crl-days", 1, MAX_DAYS, 3650, &crl_days) : r;
    if (!result_ok(r)) {
        return cli_wrong_usage(r);
    }
    bool made;
    r = pki_init(cli->config.pki_dir, name ? name : "NHJC demo CA", args_given(args, "rsa"), (int)days, (int)crl_days,
                 &made);
    if (!result_ok(r)) {
        return cli_failed(r);
    }
    printf("%s: %s\n", made ? "已建立 CA / CA made" : "CA 已存在，未改动 / there is a CA already, nothing changed",
           cli->config.pki_dir);
    if (made) {
        record(cli, "ca.init", name ? name : "NHJC demo CA", "");
    }
    return EXIT_DONE;
}

/* ---------------------------------------------------------------- issue */
static RESULT choose_kind(const struct args *args, struct pki_request *q)
{
    static const struct {
        const char *option;
        enum pki_kind kind;
    } KINDS[] = {
        {"enterprise", PKI_ENTERPRISE}, {"platform", PKI_PLATFORM}, {"server", PKI_SERVER}, {"client", PKI_CLIENT}};
    for (size_t i = 0; i < ARRAY_LEN(KINDS); i++) {
        const char *value = args_text(args, KINDS[i].option);
        if (value && q->code) {
            return result_error(ERR_SENDER, 0, "只能选一个 / only one of --enterprise --platform --server --client");
        }
        if (value) {
            q->code = value;
            q->kind = KINDS[i].kind;
        }
    }
    return q->code
               ? RESULT_OK
               : result_error(ERR_SENDER, 0, "须选一个 / one of --enterprise --platform --server --client is needed");
}

static RESULT choose_term(const struct args *args, struct pki_request *q)
{
    int64_t days, now = real_now();
    TRY(args_int(args, "days", 1, MAX_DAYS, 730, &days));
    bool expired = args_given(args, "expired");
    TRY(args_time(args, "not-before", expired ? now - 30 * DAY_US : now - CLOCK_SLACK_US, &q->not_before));
    return args_time(args, "not-after", expired ? now - DAY_US : now + days * DAY_US, &q->not_after);
}

static RESULT check_code(const struct pki_request *q)
{
    if (q->kind == PKI_ENTERPRISE && !uscc_valid(q->code)) {
        return result_error(ERR_SENDER, 0,
                            "%s 不是有效的统一社会信用代码 / is not a unified social credit code (check digit)",
                            q->code);
    }
    if (q->kind == PKI_PLATFORM && (strlen(q->code) != 6 || strspn(q->code, "0123456789") != 6)) {
        return result_error(ERR_SENDER, 0, "平台代码须为 6 位数字 / a platform code has 6 digits: %s", q->code);
    }
    return RESULT_OK;
}

static RESULT audit_certificate(struct cli *cli, const char *action, const char *identity, const char *serial,
                                const char *device)
{
    char *detail = *device ? mem_printf("%s; device %s", serial, device) : mem_strdup(serial);
    struct result r = audit_write(cli->db, cli->actor, "", action, identity, 0, detail);
    mem_free(detail);
    return r;
}

static RESULT record_issued(struct cli *cli, const struct pki_issued *issued)
{
    struct db_params p;
    db_params_init(&p);
    db_bind_text(&p, issued->fingerprint);
    db_bind_text(&p, issued->identity);
    db_bind_text(&p, issued->serial);
    db_bind_text(&p, issued->issuer);
    db_bind_time(&p, issued->not_after);
    db_bind_text(&p, issued->device);
    TRY(db_ask(cli->db, &RECORD, &p, NULL));
    return audit_certificate(cli, "certificate.issue", issued->identity, issued->serial, issued->device);
}

static int cmd_issue(struct cli *cli, const struct args *args)
{
    struct pki_request q = {.name = args_text(args, "name"),
                            .device = args_text(args, "device"),
                            .rsa = args_given(args, "rsa"),
                            .out_dir = args_text(args, "out")};
    struct pki_issued issued;
    struct result r = choose_kind(args, &q);
    r = result_ok(r) ? choose_term(args, &q) : r;
    if (!result_ok(r)) {
        return cli_wrong_usage(r);
    }
    r = check_code(&q);
    r = result_ok(r) ? pki_issue(cli->config.pki_dir, &q, &issued) : r;
    if (!result_ok(r)) {
        return cli_failed(r);
    }
    printf("已签发 / issued: %s%s%s\n  %s\n  %s\n", issued.identity, *issued.device ? " 端设备 device " : "",
           issued.device, issued.cert_path, issued.key_path);
    if (database_there(cli)) {
        note(record_issued(cli, &issued));
    }
    return EXIT_DONE;
}

/* ---------------------------------------------------------------- revoke */
struct revocation {
    struct cli *cli;
    bool database;
};

static RESULT record_revoked(struct cli *cli, const struct pki_entry *e)
{
    struct db_params p;
    db_params_init(&p);
    db_bind_text(&p, e->fingerprint);
    TRY(db_ask(cli->db, &REVOKE, &p, NULL));
    return audit_certificate(cli, "certificate.revoke", e->identity, e->serial, e->device);
}

static void on_revoked(const struct pki_entry *e, void *arg)
{
    struct revocation *v = arg;
    printf("已吊销 / revoked: %s %s%s%s\n", e->identity, e->serial, *e->device ? " 端设备 device " : "", e->device);
    if (v->database) {
        note(record_revoked(v->cli, e));
    }
}

static int cmd_revoke(struct cli *cli, const struct args *args)
{
    int count;
    int64_t crl_days;
    struct result r = args_int(args, "crl-days", 1, MAX_DAYS, 3650, &crl_days);
    if (!result_ok(r)) {
        return cli_wrong_usage(r);
    }
    struct revocation v = {cli, database_there(cli)};
    struct pki_choice which = {args->words[0], args_text(args, "device"), args_text(args, "serial")};
    r = pki_revoke(cli->config.pki_dir, &which, (int)crl_days, real_now(), &count, on_revoked, &v);
    if (!result_ok(r)) {
        return cli_failed(r);
    }
    printf("吊销 %d 张证书，CRL 已更新；运行中的服务器需 nhjcctl reload / %d certificates revoked, CRL rewritten; a "
           "running "
           "server needs nhjcctl reload\n",
           count, count);
    return EXIT_DONE;
}

/* ---------------------------------------------------------------- mark-revoked */
struct marking {
    struct cli *cli;
    const char *fingerprint, *reason;
    char identity[64];
};

static RESULT mark_revoked(struct db *db, void *arg)
{
    struct marking *m = arg;
    struct db_params p;
    struct db_rows *rows = NULL;
    db_params_init(&p);
    db_bind_text(&p, m->fingerprint);
    TRY(db_ask(db, &MARK_REVOKED, &p, &rows));
    bool found = db_rows_count(rows) > 0;
    if (found) {
        snprintf(m->identity, sizeof m->identity, "%s", db_get_text(rows, 0, 0));
    }
    db_rows_free(&rows);
    return found ? audit_write(db, m->cli->actor, "", "certificate.revoke", m->identity, 0, m->reason ? m->reason : "")
                 : result_error(ERR_NOT_FOUND, 0, "没有这张有效证书 / no certificate in force has this fingerprint: %s",
                                m->fingerprint);
}

/* Of another CA's certificate: that CA's CRL keeps it out, this keeps the platform's own records true. */
static int cmd_mark_revoked(struct cli *cli, const struct args *args)
{
    struct marking m = {.cli = cli, .fingerprint = args->words[0], .reason = args_text(args, "reason")};
    struct result r = cli_db(cli);
    r = result_ok(r) ? db_transaction(cli->db, mark_revoked, &m) : r;
    if (!result_ok(r)) {
        return cli_failed(r);
    }
    printf("已标记吊销；拒绝连接由其 CA 的 CRL 决定 / marked as revoked; its CA's CRL is what refuses it: %s\n",
           m.identity);
    return EXIT_DONE;
}

/* ---------------------------------------------------------------- list, crl */
static const struct table_column COLUMNS[] = {
    {"kind", "种类 kind", false},          {"identity", "身份 identity", false}, {"device", "端设备 device", false},
    {"serial", "序列号 serial", false},    {"notAfter", "到期 expires", false},  {"revokedAt", "吊销 revoked", false},
    {"fingerprint", "指纹 SHA-256", false}};

static void list_entry(const struct pki_entry *e, void *arg)
{
    struct table *t = arg;
    table_text(t, e->kind);
    table_text(t, e->identity);
    table_text(t, e->device);
    table_text(t, e->serial);
    table_time(t, e->not_after * USEC_PER_SEC);
    table_time(t, e->revoked_at ? e->revoked_at * USEC_PER_SEC : INT64_MIN);
    table_text(t, e->fingerprint);
}

static int cmd_list(struct cli *cli, const struct args *args)
{
    struct table *t = table_new(COLUMNS, ARRAY_LEN(COLUMNS));
    struct result r = pki_each(cli->config.pki_dir, list_entry, t);
    if (!result_ok(r)) {
        table_free(&t);
        return cli_failed(r);
    }
    cli_list(&t, args);
    return EXIT_DONE;
}

static int cmd_crl(struct cli *cli, const struct args *args)
{
    int64_t crl_days;
    struct result r = args_int(args, "crl-days", 1, MAX_DAYS, 3650, &crl_days);
    if (!result_ok(r)) {
        return cli_wrong_usage(r);
    }
    r = pki_renew_crl(cli->config.pki_dir, (int)crl_days);
    if (!result_ok(r)) {
        return cli_failed(r);
    }
    printf(
        "CRL 已更新；运行中的服务器需 nhjcctl reload / rewritten; a running server needs nhjcctl reload: %s/crl.pem\n",
        cli->config.pki_dir);
    record(cli, "crl.renew", "", "");
    return EXIT_DONE;
}

#define CRL_DAYS_ARG                                                                                                   \
    {                                                                                                                  \
        "crl-days", "N", "CRL 有效天数 / the CRL's term in days (3650); when it ends nobody gets in", false            \
    }

static const struct arg_spec INIT_ARGS[] = {{"name", "NAME", "CA 名称 / the CA's name", false},
                                            {"rsa", NULL, "用 RSA-2048 代替 P-256 / RSA-2048 instead of P-256", false},
                                            {"days", "N", "有效天数 / term in days (3650)", false},
                                            CRL_DAYS_ARG};
static const struct arg_spec ISSUE_ARGS[] = {
    {"enterprise", "CODE", "企业证书，统一社会信用代码 / for an enterprise", false},
    {"platform", "CODE", "平台证书，6 位代码 / for a platform", false},
    {"server", "NAME[,NAME…]", "服务器证书，域名或地址 / for a server: DNS names, addresses", false},
    {"client", "NAME", "不带身份代码的客户端证书 / a client without an identity code", false},
    {"device", "SERIAL", "企业证书只供该端设备使用 / an enterprise's: good for this deviceSerial alone", false},
    {"out", "DIR", "写入 DIR/CODE.pem 与 .key；有 --device 时为 DIR/CODE-SERIAL.pem 与 .key / where the files go",
     true},
    {"name", "NAME", "名称 (O, CN) / name in the subject", false},
    {"rsa", NULL, "用 RSA-2048 代替 P-256 / RSA-2048 instead of P-256", false},
    {"days", "N", "有效天数 / term in days (730)", false},
    {"not-before", "TIME", "起始时刻 / begin of the term", false},
    {"not-after", "TIME", "终止时刻 / end of the term", false},
    {"expired", NULL, "签发已过期的证书，用于测试 / one that has expired, for tests", false}};
static const struct arg_spec REVOKE_ARGS[] = {{"device", "SERIAL", "只吊销该端设备的证书 / only this device's", false},
                                              {"serial", "HEX", "只吊销该序列号 / only this serial number", false},
                                              CRL_DAYS_ARG};
static const struct arg_spec MARK_ARGS[] = {{"reason", "TEXT", "原因，写入审计 / why, for the audit log", false}};
static const struct arg_spec LIST_ARGS[] = {JSON_ARG};
static const struct arg_spec CRL_ARGS[] = {CRL_DAYS_ARG};

static const struct command COMMANDS[] = {
    {.words = "pki init",
     .run = cmd_init,
     .usage = "[--name N] [--rsa] [--days N]",
     .zh = "建立演示 CA",
     .en = "makes the demo CA",
     COMMAND_ARGS(INIT_ARGS)},
    {.words = "pki issue",
     .run = cmd_issue,
     .usage = "--enterprise CODE [--device SERIAL]|--platform CODE|--server NAME[,NAME…]|--client NAME --out DIR "
              "[--rsa] [--days N]",
     .zh = "签发证书",
     .en = "issues a certificate with its key",
     COMMAND_ARGS(ISSUE_ARGS)},
    {.words = "pki revoke",
     .run = cmd_revoke,
     .usage = "CODE [--device SERIAL] [--serial HEX]",
     .zh = "吊销其全部（或一台端设备的）证书并更新 CRL",
     .en = "revokes what was issued for CODE, or one device of it; rewrites the CRL",
     COMMAND_ARGS(REVOKE_ARGS),
     .min_words = 1,
     .max_words = 1},
    {.words = "pki mark-revoked",
     .run = cmd_mark_revoked,
     .usage = "FINGERPRINT [--reason TEXT]",
     .zh = "登记其他 CA 的证书已被吊销",
     .en = "notes that another CA revoked a certificate",
     COMMAND_ARGS(MARK_ARGS),
     .min_words = 1,
     .max_words = 1},
    {.words = "pki list",
     .run = cmd_list,
     .usage = "[--json]",
     .zh = "列出签发的证书",
     .en = "lists issued certificates",
     COMMAND_ARGS(LIST_ARGS)},
    {.words = "pki crl",
     .run = cmd_crl,
     .usage = "[--crl-days N]",
     .zh = "重写 CRL（续期）",
     .en = "rewrites the CRL with a new term",
     COMMAND_ARGS(CRL_ARGS)},
};
const struct command_group PKI_COMMANDS = {COMMANDS, ARRAY_LEN(COMMANDS)};
