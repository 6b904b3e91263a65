#include "ingest/config_upload.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "ingest/config_store.h"
#include "ingest/internal.h"

struct config_job {
    struct ingest *in;
    const struct config_request *request;
    struct arena *arena;
    struct config_answer *answer;
    struct enterprise_config_set set;
    struct config_write *writes; /* one per enterprise */
    unsigned char message_hash[16];
    unsigned char digest[RECEIPT_DIGEST_LEN]; /* of the whole content */
};

/* What a configuration's receipt holds in place of an upload: the version that was answered, negative. */
static const struct db_stmt RECEIPT = {"config.receipt",
                                       "INSERT INTO receipt (sender_id, message_hash, upload_id, received_at, digest) "
                                       "VALUES ($1, encode($2, 'hex')::uuid, $3, $4, $5) ON CONFLICT DO NOTHING"};
static const struct db_stmt RECEIVED = {
    "config.received",
    "SELECT upload_id, digest FROM receipt WHERE sender_id = $1 AND message_hash = encode($2, 'hex')::uuid"};

static RESULT refuse_at(struct config_job *j, uint32_t line, int code, enum err_kind kind, const char *zh,
                        const char *en)
{
    struct finding *f = finding_add(&j->answer->findings, code, zh, en);
    f->line = line;
    f->stat_type = -1;
    return result_error(kind, code, "%s", en);
}

static void warn_at(struct config_job *j, uint32_t line, const char *zh, const char *en)
{
    struct finding *f = finding_add(&j->answer->findings, 3501, zh, en);
    f->severity = SEVERITY_WARNING;
    f->line = line;
    f->stat_type = -1;
}

static RESULT check_owner(struct config_job *j, const struct enterprise_config *config, const struct checked_config *c)
{
    const struct config_request *q = j->request;
    if (q->unit && strcmp(c->code, q->unit->code) != 0)
        return refuse_at(j, config->line, 2111, ERR_SENDER, "配置文档属于另一企业",
                         "the document names another enterprise");
    if (q->platform_code && !region_covers(q->platform_code, c->region_code))
        return refuse_at(j, config->line, 1103, ERR_UNAUTHORISED, "企业所在地区不属于该平台管辖",
                         "the enterprise's region is not under this platform");
    if (q->unit && strcmp(c->region_code, q->unit->region) != 0)
        warn_at(j, c->enterprise->line, "regionCode 与准入登记不一致，以登记为准",
                "regionCode differs from the admission, which stays in force");
    if (q->platform_code && !uscc_valid(c->code)) /* the platform below admitted it: not ours to refuse */
        warn_at(j, c->enterprise->line, "code 的校验码不符合 GB 32100", "code has a wrong check digit (GB 32100)");
    return RESULT_OK;
}

static RESULT prepare_document(struct config_job *j, const struct enterprise_config *config, struct config_write *w)
{
    struct buf canonical = BUF_INIT;
    config_canonical(config, &canonical);
    struct result r = envelope_digest(DIGEST_SHA_256, canonical.data, canonical.len, w->digest);
    if (j->request->platform_code) { /* inside a set the element may lean on the set's namespace declarations */
        w->document = arena_strndup(j->arena, buf_str(&canonical), canonical.len);
        w->document_len = canonical.len;
    } else {
        w->document = j->request->content;
        w->document_len = j->request->content_len;
    }
    buf_free(&canonical);
    return r;
}

static RESULT check_one(struct config_job *j, size_t i)
{
    const struct enterprise_config *config = &j->set.at[i];
    struct config_context ctx = {.default_period = j->request->unit ? j->request->unit->period : 900};
    struct checked_config *checked = arena_alloc(j->arena, sizeof *checked);
    TRY(ingest_config_context(j->in, &ctx));
    TRY(config_check(&ctx, config, &j->answer->findings, j->arena, checked));
    TRY(check_owner(j, config, checked));
    struct config_write *w = &j->writes[i];
    *w = (struct config_write){.checked = checked,
                               .config = config,
                               .message_id = j->request->message_id,
                               .from_platform = j->request->platform_party,
                               .platform_code = j->request->platform_code,
                               .destinations = j->in->config.destinations,
                               .destination_count = j->in->config.destination_count,
                               .now = clock_now()};
    return prepare_document(j, config, w);
}

static RESULT check_message(struct config_job *j)
{
    const struct config_request *q = j->request;
    if (!message_id_valid(q->message_id))
        return refuse_at(j, 0, 2103, ERR_SENDER, "messageId 须为 1 至 64 个字符，不含控制字符，首尾无空白",
                         "messageId must be 1..64 characters without control characters or outer blanks");
    j->digest[0] = DIGEST_SHA_256;
    TRY(envelope_digest(DIGEST_SHA_256, q->content, q->content_len, j->digest + 1));
    return message_id_hash(q->message_id, j->message_hash);
}

static RESULT read_and_check(struct config_job *j)
{
    const struct config_request *q = j->request;
    int wanted = q->platform_code ? PAYLOAD_CONFIG_SET : PAYLOAD_CONFIG;
    TRY(payload_read_config(q->content, q->content_len, wanted, j->in->config.limits, j->arena, &j->answer->findings,
                            &j->set));
    j->writes = arena_array(j->arena, j->set.count + 1, sizeof *j->writes);
    for (size_t i = 0; i < j->set.count; i++)
        TRY(check_one(j, i));
    return RESULT_OK;
}

/* ---- receipts ---- */

static void bind_receipt_key(struct db_params *p, const struct config_job *j)
{
    const struct config_request *q = j->request;
    db_params_init(p);
    db_bind_int4(p, q->unit ? q->unit->id : q->platform_party);
    db_bind_bytea(p, j->message_hash, sizeof j->message_hash);
}

/* *found: this message took effect before; the answer has its version then. Other content is 2107. */
static RESULT look_up(struct config_job *j, bool *found)
{
    struct db_params p;
    struct db_rows *rows = NULL;
    bind_receipt_key(&p, j);
    struct result r = db_query(j->in->store.db, &RECEIVED, &p, &rows);
    db_params_free(&p);
    TRY(r);
    *found = db_rows_count(rows) > 0;
    if (*found) {
        size_t n = 0;
        const void *first = db_get_bytea(rows, 0, 1, &n);
        j->answer->config_version = (int32_t)-db_get_int(rows, 0, 0);
        if (n != sizeof j->digest || memcmp(first, j->digest, n) != 0)
            r = result_error(ERR_CONFLICT, 2107, "该messageId已用于其他内容 / messageId was used with other content");
    }
    db_rows_free(&rows);
    return r;
}

static RESULT put_receipt(struct db *db, const struct config_job *j)
{
    struct db_params p;
    struct db_rows *rows = NULL;
    bind_receipt_key(&p, j);
    db_bind_int8(&p, j->set.count ? -(int64_t)j->writes[0].version : 0);
    db_bind_time(&p, clock_now());
    db_bind_bytea(&p, j->digest, sizeof j->digest);
    TRY(db_ask(db, &RECEIPT, &p, &rows));
    bool stored = db_rows_affected(rows) == 1;
    db_rows_free(&rows);
    return stored ? RESULT_OK : result_error(ERR_TRANSIENT, 9101, "the same message is being stored twice at once");
}

/* ---- writing ---- */

static struct result refuse_write(struct config_job *j, size_t i, struct result r)
{
    uint32_t line = j->set.at[i].line;
    if (r.code == 1103)
        return refuse_at(j, line, 1103, r.kind, "企业不属于该平台管辖", "the enterprise is not under this platform");
    if (r.code == 1104)
        return refuse_at(j, line, 1104, r.kind, "企业未准入或已停用", "the enterprise is not admitted or is suspended");
    return r;
}

static struct result write_all(struct db *db, void *arg)
{
    struct config_job *j = arg;
    TRY(config_lock(db, j->writes, j->set.count, j->arena));
    for (size_t i = 0; i < j->set.count; i++) {
        struct result r = config_store(db, &j->writes[i], j->arena);
        if (!result_ok(r))
            return refuse_write(j, i, r);
    }
    TRY(config_remeasure(db, j->writes, j->set.count, j->arena));
    return put_receipt(db, j);
}

/* The committed configuration is in force before the answer leaves. */
static RESULT publish(struct config_job *j)
{
    for (size_t i = 0; i < j->set.count; i++) {
        const struct config_write *w = &j->writes[i];
        if (!w->changed)
            continue;
        TRY(registry_reload_unit(j->in->config.registry, j->in->store.db, w->checked->code));
        if (j->in->config.on_marks)
            j->in->config.on_marks(w->unit_id, j->in->config.arg);
    }
    return RESULT_OK;
}

/* The receipt is asked although the document is refused now: what was accepted once keeps its answer. */
static RESULT run(struct config_job *j)
{
    bool before = false;
    TRY(check_message(j));
    struct result checked = read_and_check(j);
    TRY(look_up(j, &before));
    if (before) {
        if (!result_ok(checked))
            findings_init(&j->answer->findings, j->arena);
        return RESULT_OK;
    }
    TRY(checked);
    TRY(db_transaction(j->in->store.db, write_all, j));
    if (j->set.count > 0)
        j->answer->config_version = j->writes[0].version;
    return publish(j);
}

static const char *message_of(struct config_job *j)
{
    struct findings *f = &j->answer->findings;
    for (size_t i = 0; i < f->count; i++)
        if (f->at[i].code == j->answer->code && f->at[i].severity == SEVERITY_ERROR)
            return f->at[i].message;
    return code_message(j->arena, j->answer->code, NULL, NULL);
}

void ingest_config(struct ingest *in, const struct config_request *request, struct arena *arena,
                   struct config_answer *answer)
{
    *answer = (struct config_answer){0};
    findings_init(&answer->findings, arena);
    struct config_job j = {.in = in, .request = request, .arena = arena, .answer = answer};
    struct result r = run(&j);
    if (!result_ok(r)) {
        answer->config_version = 0;
        answer->code = ingest_public_code(r);
        if (r.kind == ERR_INTERNAL)
            log_result(LOG_ERROR, "ingest", "config_failed", r);
    }
    answer->message = message_of(&j);
}
