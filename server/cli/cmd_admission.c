/* enterprise apply|approve|certify|testing|trial|accept|suspend|resume|retire: the steps of registry/admission.h. Each
 * step, its audit row and the notice to the servers are one transaction. */
#include <stdio.h>
#include <string.h>
#include <sys/time.h>

#include "admin/audit.h"
#include "base/caltime.h"
#include "base/clock.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/conformity.h"
#include "cli/enterprise.h"
#include "cli/pki.h"
#include "cli/pki_cert.h"
#include "registry/admission.h"
#include "validate/network.h"

#define DAY_US (86400 * USEC_PER_SEC)
#define CLOCK_SLACK_US (300 * USEC_PER_SEC)

static const struct db_stmt APPLY = {"cli_apply",
                                     "INSERT INTO unit (code, name, region_code, industry_code, contact, state, "
                                     "  state_since, upload_time) "
                                     "VALUES ($1, $2, $3, $4, coalesce($5, ''), 'applied', $6, " SPREAD_UPLOAD_TIME ") "
                                     "ON CONFLICT (code) DO UPDATE SET name = excluded.name, region_code = "
                                     "  excluded.region_code, industry_code = excluded.industry_code, "
                                     "  contact = coalesce($5, unit.contact), modified_at = $6"};

struct stepping {
    struct cli *cli;
    struct admission_step step;
    const struct application *application;    /* apply */
    const char *contact;                      /* apply; NULL: as it is */
    const struct admission_certificate *bind; /* certify */
    bool made, renewed, unchanged;
};

/* ---------------------------------------------------------------- what a step does in the database */
static RESULT write_application(struct db *db, const struct stepping *s)
{
    const struct application *a = s->application;
    struct db_params p;
    db_params_init(&p);
    db_bind_text(&p, a->code);
    db_bind_text(&p, a->name);
    db_bind_text(&p, a->region);
    db_bind_text(&p, a->industry);
    db_bind_text(&p, s->contact);
    db_bind_time(&p, s->step.now);
    struct result r = db_query(db, &APPLY, &p, NULL);
    db_params_free(&p);
    return r;
}

/* An enterprise that is not known yet begins here; one that is takes the step by the table. */
static RESULT apply(struct db *db, struct stepping *s)
{
    struct result r = admission_read(db, s->step.code, &s->step.was);
    s->made = r.kind == ERR_NOT_FOUND;
    if (!s->made) {
        TRY(r);
        TRY(admission_step(db, &s->step));
    }
    TRY(write_application(db, s));
    return s->made ? admission_notify(db, s->step.code) : RESULT_OK;
}

/* suspend of what is suspended and resume of what is not change nothing and are no mistake. */
static bool nothing_to_do(const struct stepping *s, enum unit_state state)
{
    bool suspended = state == UNIT_SUSPENDED;
    return (strcmp(s->step.verb, "suspend") == 0 && suspended) ||
           (strcmp(s->step.verb, "resume") == 0 && !suspended && state != UNIT_RETIRED);
}

static RESULT audit(struct db *db, const struct stepping *s)
{
    const struct admission_step *t = &s->step;
    struct buf detail = BUF_INIT;
    char *action = mem_printf("enterprise.%s", t->verb);
    buf_printf(&detail, "%s -> %s", s->made ? "-" : unit_state_name(t->from),
               s->made ? "applied" : unit_state_name(t->to));
    if (s->bind) {
        const char *device = s->bind->device ? s->bind->device : "";
        buf_printf(&detail, "; certificate %s%s%s%s", s->bind->serial, *device ? ", device " : "", device,
                   s->renewed ? " (renewed)" : "");
    }
    if (strcmp(t->verb, "trial") == 0) {
        char from[CALTIME_TEXT], until[CALTIME_TEXT];
        buf_printf(&detail, "; %s .. %s", caltime_format(t->trial_from, from),
                   caltime_format(t->trial_from + ADMISSION_TRIAL_DAYS * DAY_US, until));
    }
    if (t->forced) {
        buf_append_str(&detail, "; forced");
    }
    if (t->reason && *t->reason) {
        buf_printf(&detail, "; %s", t->reason);
    }
    struct result r = audit_write(db, s->cli->actor, "", action, t->code, 0, buf_str(&detail));
    mem_free(action);
    buf_free(&detail);
    return r;
}

static RESULT take_step(struct db *db, void *arg)
{
    struct stepping *s = arg;
    if (s->application) {
        TRY(apply(db, s));
        return audit(db, s);
    }
    TRY(admission_read(db, s->step.code, &s->step.was));
    s->step.from = s->step.to = s->step.was.state;
    s->unchanged = nothing_to_do(s, s->step.was.state);
    if (s->unchanged) {
        return RESULT_OK;
    }
    TRY(admission_step(db, &s->step));
    if (s->bind) {
        TRY(admission_bind(db, s->bind, &s->renewed));
    }
    return audit(db, s);
}

static int run(struct stepping *s)
{
    struct result r = cli_db(s->cli);
    s->step.now = clock_now();
    r = result_ok(r) ? db_transaction(s->cli->db, take_step, s) : r;
    if (!result_ok(r)) {
        return cli_failed(r);
    }
    enum unit_state state = s->made ? UNIT_APPLIED : s->step.to;
    printf("%s: %s %s%s\n", s->step.code, unit_state_name(state), admission_state_zh(state),
           s->unchanged ? " (未变 / unchanged)" : "");
    return EXIT_DONE;
}

/* ---------------------------------------------------------------- the verbs */
static int cmd_apply(struct cli *cli, const struct args *args)
{
    struct application a = {args->words[0], args_text(args, "name"), args_text(args, "region"),
                            args_text(args, "industry")};
    struct stepping s = {.cli = cli,
                         .step = {.code = a.code, .verb = "apply"},
                         .application = &a,
                         .contact = args_text(args, "contact")};
    struct result r = application_check(&a);
    if (!result_ok(r)) {
        return cli_failed(r);
    }
    application_note_region(cli, a.region);
    return run(&s);
}

static int plain_step(struct cli *cli, const struct args *args, const char *verb, const char *reason)
{
    struct stepping s = {.cli = cli, .step = {.code = args->words[0], .verb = verb, .reason = reason}};
    return run(&s);
}

static int cmd_approve(struct cli *cli, const struct args *args)
{
    return plain_step(cli, args, "approve", args_text(args, "reason"));
}

static int cmd_testing(struct cli *cli, const struct args *args)
{
    return plain_step(cli, args, "testing", args_text(args, "reason"));
}

static int cmd_suspend(struct cli *cli, const struct args *args)
{
    return plain_step(cli, args, "suspend", args_text(args, "reason"));
}

static int cmd_resume(struct cli *cli, const struct args *args)
{
    return plain_step(cli, args, "resume", args_text(args, "reason"));
}

static int cmd_retire(struct cli *cli, const struct args *args)
{
    return plain_step(cli, args, "retire", args_text(args, "reason"));
}

static int cmd_trial(struct cli *cli, const struct args *args)
{
    struct stepping s = {.cli = cli,
                         .step = {.code = args->words[0], .verb = "trial", .reason = args_text(args, "reason")}};
    struct result r = args_time(args, "from", clock_now(), &s.step.trial_from);
    return result_ok(r) ? run(&s) : cli_wrong_usage(r);
}

/* ---------------------------------------------------------------- accept */
/* The conformity rules are judged on readings, outside of the short transaction that takes the step. */
static RESULT conforms(struct cli *cli, const char *code)
{
    struct admission_facts facts;
    enum unit_state to;
    TRY(cli_db(cli));
    TRY(admission_read(cli->db, code, &facts));
    TRY(admission_judge(&facts, "accept", NULL, false, clock_now(), &to));
    return conformity_of_trial(cli, code);
}

static int cmd_accept(struct cli *cli, const struct args *args)
{
    bool forced = args_given(args, "force");
    struct stepping s = {
        .cli = cli,
        .step = {.code = args->words[0], .verb = "accept", .reason = args_text(args, "reason"), .forced = forced}};
    struct result r = forced ? RESULT_OK : conforms(cli, args->words[0]);
    return result_ok(r) ? run(&s) : cli_failed(r);
}

/* ---------------------------------------------------------------- certify */
struct certifying {
    const char *code, *device; /* device: as asked for, NULL: none */
    struct peer_cert *read;
    struct pki_issued issued;
    struct admission_certificate bind;
};

static int64_t real_now(void)
{
    struct timeval tv;
    gettimeofday(&tv, NULL);
    return tv.tv_sec * USEC_PER_SEC + tv.tv_usec;
}

/* The device is the one that the certificate names; the words may say it again. */
static RESULT take_device(struct certifying *c)
{
    if (c->read->device == PEER_DEVICE_UNREADABLE) {
        return result_error(ERR_SENDER, 0,
                            "证书指名的端设备无法识别 / the certificate names its device unreadably, or several");
    }
    c->bind.device = c->read->device_serial;
    if (c->device && (!c->bind.device || strcmp(c->device, c->bind.device) != 0)) {
        return result_error(ERR_SENDER, 0, "证书指名的端设备不是 %s / the certificate does not name this device: %s",
                            c->device, c->bind.device ? c->bind.device : "-");
    }
    return RESULT_OK;
}

/* The certificate must give exactly this enterprise as its identity, by the rule that the server goes by. */
static RESULT read_certificate(struct cli *cli, const char *path, struct certifying *c)
{
    struct identity id;
    TRY(pki_cert_read(path, &c->read));
    TRY(identity_from_peer(c->read, cli->config.identity_rule, &id));
    if (strcmp(id.code, c->code) != 0) {
        return result_error(ERR_SENDER, 0, "证书属于 %s，不是 %s / the certificate is of another identity", id.code,
                            c->code);
    }
    if (c->read->not_after <= real_now()) {
        return result_error(ERR_SENDER, 0, "证书已过期 / the certificate has expired");
    }
    c->bind.fingerprint = c->read->fingerprint;
    c->bind.serial = c->read->serial;
    c->bind.issuer = c->read->issuer;
    c->bind.not_after = c->read->not_after;
    return take_device(c);
}

/* Only for an enterprise that may have one: a certificate that was issued is in the world. */
static RESULT may_certify(struct cli *cli, const char *code)
{
    struct admission_facts facts;
    enum unit_state to;
    TRY(cli_db(cli));
    TRY(admission_read(cli->db, code, &facts));
    return admission_judge(&facts, "certify", NULL, false, clock_now(), &to);
}

static RESULT issue_certificate(struct cli *cli, const char *out_dir, int64_t days, struct certifying *c)
{
    int64_t now = real_now();
    struct pki_request q = {.kind = PKI_ENTERPRISE,
                            .code = c->code,
                            .device = c->device,
                            .not_before = now - CLOCK_SLACK_US,
                            .not_after = now + days * DAY_US,
                            .out_dir = out_dir};
    TRY(pki_issue(cli->config.pki_dir, &q, &c->issued));
    c->bind.fingerprint = c->issued.fingerprint;
    c->bind.serial = c->issued.serial;
    c->bind.issuer = c->issued.issuer;
    c->bind.not_after = c->issued.not_after;
    c->bind.device = c->issued.device;
    printf("已签发 / issued: %s\n  %s\n", c->issued.cert_path, c->issued.key_path);
    return RESULT_OK;
}

static int certify(struct cli *cli, const struct args *args, int64_t grace, int64_t days)
{
    struct certifying c = {.code = args->words[0], .device = args_text(args, "device")};
    const char *file = args_text(args, "cert"), *out = args_text(args, "out");
    c.bind.code = c.code;
    c.bind.former_until = clock_now() + grace * DAY_US;
    struct result r = may_certify(cli, c.code);
    if (result_ok(r)) {
        r = file ? read_certificate(cli, file, &c) : issue_certificate(cli, out, days, &c);
    }
    struct stepping s = {.cli = cli, .step = {.code = c.code, .verb = "certify"}, .bind = &c.bind};
    int code = result_ok(r) ? run(&s) : cli_failed(r);
    if (code == EXIT_DONE) {
        const char *former = grace ? "；原证书在宽限期内仍有效 / the former one stays good for the grace"
                                   : "；原证书即刻失效 / the former one is refused from now on";
        printf("%s %s%s\n", "已绑定证书 / bound:", c.bind.fingerprint, s.renewed ? former : "");
    }
    pki_cert_free(&c.read);
    return code;
}

static int cmd_certify(struct cli *cli, const struct args *args)
{
    int64_t grace, days;
    struct result r = args_int(args, "grace", 0, 3650, 30, &grace);
    r = result_ok(r) ? args_int(args, "days", 1, 36500, 730, &days) : r;
    if (result_ok(r) && args_given(args, "cert") == args_given(args, "out")) {
        r = result_error(ERR_SENDER, 0, "须选 --cert 或 --out 之一 / one of --cert FILE and --out DIR is needed");
    }
    return result_ok(r) ? certify(cli, args, grace, days) : cli_wrong_usage(r);
}

/* ---------------------------------------------------------------- the table */
#define REASON_ARG(needed_)                                                                                            \
    {                                                                                                                  \
        "reason", "TEXT", "原因，写入审计 / why, for the audit log", (needed_)                                         \
    }
static const struct arg_spec APPLY_ARGS[] = {
    {"name", "NAME", "企业名称 / the enterprise's name", true},
    {"region", "REGION", "行政区划代码，6 位 / region by GB/T 2260, 6 digits", true},
    {"industry", "INDUSTRY", "行业代码 / industry by GB/T 4754, e.g. C3110", true},
    {"contact", "TEXT", "联系人与电话 / whom to call", false}};
static const struct arg_spec REASON_ARGS[] = {REASON_ARG(false)};
static const struct arg_spec RETIRE_ARGS[] = {REASON_ARG(true)};
static const struct arg_spec TRIAL_ARGS[] = {
    {"from", "TIME", "试运行开始（默认现在），早于测试开始须说明原因 / begin, default now; before the tests: --reason",
     false},
    REASON_ARG(false)};
static const struct arg_spec ACCEPT_ARGS[] = {
    {"force", NULL, "不看符合性结论，须说明原因 / whatever the conformity rules say; needs --reason", false},
    REASON_ARG(false)};
static const struct arg_spec CERTIFY_ARGS[] = {
    {"cert", "FILE", "绑定该 PEM 证书 / binds this certificate", false},
    {"out", "DIR", "由演示 CA 签发到该目录 / issues from the demo CA into this folder", false},
    {"device", "SERIAL", "只供该端设备使用的证书 / a certificate for this deviceSerial alone", false},
    {"days", "N", "签发的有效天数 / term of what is issued (730)", false},
    {"grace", "DAYS", "续期时原证书继续有效的天数 / renewal: the former one stays good this long (30)", false}};

#define STEP(verb_, run_, usage_, zh_, en_, args_)                                                                     \
    {                                                                                                                  \
        .words = "enterprise " verb_, .run = (run_), .usage = (usage_), .zh = (zh_), .en = (en_), COMMAND_ARGS(args_), \
        .min_words = 1, .max_words = 1                                                                                 \
    }
static const struct command COMMANDS[] = {
    STEP("apply", cmd_apply, "CODE --name N --region R --industry I [--contact TEXT]", "登记接入申请",
         "takes down an application", APPLY_ARGS),
    STEP("approve", cmd_approve, "CODE [--reason TEXT]", "批准申请", "approves the application", REASON_ARGS),
    STEP("certify", cmd_certify, "CODE --cert FILE|--out DIR [--device SERIAL] [--grace DAYS]",
         "签发或绑定证书，再次执行即续期", "issues or binds the certificate; again: renewal", CERTIFY_ARGS),
    STEP("testing", cmd_testing, "CODE [--reason TEXT]", "开始测试（首次注册时自动进入）；试运行中：退回测试",
         "begins testing (the first Register does, too); from the trial: back to testing", REASON_ARGS),
    STEP("trial", cmd_trial, "CODE [--from TIME --reason TEXT]", "开始 15 天试运行", "begins the trial of 15 days",
         TRIAL_ARGS),
    STEP("accept", cmd_accept, "CODE [--force --reason TEXT]", "验收，须满足符合性规则",
         "accepts it, if the conformity rules hold", ACCEPT_ARGS),
    STEP("suspend", cmd_suspend, "CODE [--reason TEXT]", "暂停接收其上传", "refuses its uploads (1104) until resumed",
         REASON_ARGS),
    STEP("resume", cmd_resume, "CODE [--reason TEXT]", "恢复到暂停前的状态", "back to the state before the suspension",
         REASON_ARGS),
    STEP("retire", cmd_retire, "CODE --reason TEXT", "注销，历史保留", "retires it; its history stays", RETIRE_ARGS),
};
const struct command_group ADMISSION_COMMANDS = {COMMANDS, ARRAY_LEN(COMMANDS)};
