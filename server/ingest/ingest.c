#include "ingest/ingest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/caltime.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "ingest/internal.h"
#include "ingest/past_store.h"
#include "ingest/reports.h"
#include "validate/business.h"
#include "validate/communication.h"

enum { ATTEMPTS = 5 };

static struct metric uploads_ok =
    METRIC(METRIC_COUNTER, "nhjc_uploads_total", "result=\"accepted\"", "Uploads answered");
static struct metric uploads_part =
    METRIC(METRIC_COUNTER, "nhjc_uploads_total", "result=\"partly\"", "Uploads answered");
static struct metric uploads_dup =
    METRIC(METRIC_COUNTER, "nhjc_uploads_total", "result=\"duplicate\"", "Uploads answered");
static struct metric uploads_bad =
    METRIC(METRIC_COUNTER, "nhjc_uploads_total", "result=\"refused\"", "Uploads answered");
static struct metric readings_stored =
    METRIC(METRIC_COUNTER, "nhjc_readings_total", "result=\"stored\"", "Readings by fate");
static struct metric readings_same =
    METRIC(METRIC_COUNTER, "nhjc_readings_total", "result=\"unchanged\"", "Readings by fate");
static struct metric readings_new =
    METRIC(METRIC_COUNTER, "nhjc_readings_total", "result=\"corrected\"", "Readings by fate");
static struct metric readings_bad =
    METRIC(METRIC_COUNTER, "nhjc_readings_total", "result=\"rejected\"", "Readings by fate");
static struct metric merges =
    METRIC(METRIC_COUNTER, "nhjc_upload_merges_total", NULL, "Uploads that met stored frames");
static struct metric retries =
    METRIC(METRIC_COUNTER, "nhjc_upload_retries_total", NULL, "Upload transactions repeated");
static struct metric commit_time = METRIC(METRIC_HISTOGRAM, "nhjc_upload_commit_seconds", NULL, "Upload transactions");

RESULT ingest_new(const struct ingest_config *config, struct db *db, struct ingest **ingest)
{
    *ingest = mem_alloc(sizeof **ingest);
    (*ingest)->config = *config;
    upload_store_init(&(*ingest)->store, db);
    return RESULT_OK;
}

void ingest_free(struct ingest **ingest)
{
    if (!*ingest)
        return;
    upload_store_free(&(*ingest)->store);
    hash_free(&(*ingest)->base_data);
    mem_free(*ingest);
    *ingest = NULL;
}

/* ---- one upload on its way ---- */

struct job {
    struct ingest *in;
    const struct upload_request *request;
    struct arena *arena;
    struct upload_answer *answer;
    struct envelope envelope;
    const unsigned char *plain;
    size_t plain_len;
    struct energy_data_set set;
    struct unit **units; /* by block; references */
    int32_t *unit_ids;
    struct business_result business;
    struct frame_plan plan;
    struct stored_upload stored;
    struct upload_begun begun;
    bool *exists;                /* by frame of the plan: it was stored before */
    struct plan_change *changes; /* stored readings judged anew */
    size_t change_count, change_cap;
    bool wants_past;                /* rules against the recent past apply */
    struct findings read_findings;  /* before the readings were judged, */
    struct findings first_findings; /* and before those rules: for a repeated transaction */
};

/* Is the word in the list? An empty list (of blanks alone, or none) allows every word. */
static bool listed(const char *list, const char *word)
{
    size_t n = strlen(word);
    const char *p = list ? list + strspn(list, " ") : "";
    bool empty = !*p;
    for (; *p; p += strspn(p, " ")) {
        size_t len = strcspn(p, " ");
        if (len == n && memcmp(p, word, n) == 0)
            return true;
        p += len;
    }
    return empty;
}

/* What the operator did not allow for the enterprise. Encryption "none" is one like the others. */
static RESULT check_methods(struct job *j)
{
    const struct upload_request *q = j->request;
    const struct {
        const char *zh, *en, *word, *allowed;
    } METHODS[] = {{"加密方式", "encryption", q->encryption, q->ciphers},
                   {"摘要算法", "digestMethod", q->digest_method, q->digests}};
    for (size_t i = 0; i < ARRAY_LEN(METHODS); i++) {
        if (listed(METHODS[i].allowed, METHODS[i].word))
            continue;
        finding_add(&j->answer->findings, 2105,
                    arena_printf(j->arena, "平台没有为该企业开放%s%s，可用：%s", METHODS[i].zh, METHODS[i].word,
                                 METHODS[i].allowed),
                    arena_printf(j->arena, "%s %s is not allowed for this enterprise, allowed: %s", METHODS[i].en,
                                 METHODS[i].word, METHODS[i].allowed));
        return result_error(ERR_SENDER, 2105, "没有开放%s%s / %s %s is not allowed", METHODS[i].zh, METHODS[i].word,
                            METHODS[i].en, METHODS[i].word);
    }
    return RESULT_OK;
}

static RESULT check_request(struct job *j)
{
    const struct upload_request *q = j->request;
    if (!message_id_valid(q->message_id))
        return result_error(ERR_SENDER, 2103,
                            "messageId须为1至64个字符，首尾无空格，不含控制字符 / messageId must be 1..64 characters "
                            "without control characters or outer blanks");
    TRY(encoding_from_name(q->content_encoding, &j->envelope.encoding));
    TRY(cipher_from_name(q->encryption, &j->envelope.cipher));
    TRY(digest_from_name(q->digest_method, &j->envelope.digest_method));
    j->envelope.digest_hex = q->digest ? q->digest : "";
    j->envelope.key = q->key;
    j->envelope.key_len = q->key_len;
    j->envelope.max_plain = j->in->config.max_plain;
    return RESULT_OK;
}

static RESULT open_envelope(struct job *j)
{
    struct stored_upload *u = &j->stored;
    u->digest[0] = (unsigned char)j->envelope.digest_method;
    TRY(envelope_open(&j->envelope, j->request->content, j->request->content_len, j->arena, &j->plain, &j->plain_len,
                      u->digest + 1));
    return message_id_hash(j->request->message_id, u->message_hash);
}

static RESULT read_payload(struct job *j)
{
    const struct upload_request *q = j->request;
    int wanted = q->via == VIA_DEVICE     ? PAYLOAD_ENERGY_DATA
                 : q->via == VIA_PLATFORM ? PAYLOAD_ENERGY_DATA_SET
                                          : PAYLOAD_ENERGY_DATA | PAYLOAD_ENERGY_DATA_SET;
    struct findings *f = &j->answer->findings;
    TRY(payload_read_data(j->plain, j->plain_len, wanted, j->in->config.limits, j->arena, f, &j->set));
    return communication_check_data(&j->set, q->enterprise_code, q->device_id, q->platform_code, f);
}

/* A device's clock ahead of ours will soon make future readings; an old uploadDate is only an upload that waited. */
static void warn_clock(struct job *j)
{
    const struct energy_data_set *s = &j->set;
    const char *date = s->upload_date ? s->upload_date : s->count > 0 ? s->at[0].upload_date : NULL;
    int64_t sent = 0;
    if (!date || !caltime_parse(date, strlen(date), &sent) || sent <= clock_now() + j->in->config.future_ms * 1000)
        return;
    struct finding *f = finding_add(&j->answer->findings, 2110, arena_printf(j->arena, "uploadDate 为 %s", date),
                                    arena_printf(j->arena, "uploadDate is %s", date));
    f->line = s->count > 0 ? s->at[0].line : 1;
    f->stat_type = -1;
}

/* ---- whose readings are these ---- */

/* Refuses the whole message and names the block. */
static RESULT refuse_block(struct job *j, const struct energy_data *block, int code, const char *zh, const char *en)
{
    char *detail_zh = arena_printf(j->arena, "企业%s%s", log_quote(block->enterprise_code), zh);
    char *detail_en = arena_printf(j->arena, "enterprise %s %s", log_quote(block->enterprise_code), en);
    struct finding *f = finding_add(&j->answer->findings, code, detail_zh, detail_en);
    f->line = block->line;
    f->stat_type = -1;
    return result_error(ERR_UNAUTHORISED, code, "%s", detail_en);
}

static RESULT may_carry(struct job *j, const struct energy_data *block, const struct unit *u)
{
    if (j->request->via == VIA_PLATFORM && !region_covers(j->request->sender_code, u->region))
        return refuse_block(j, block, 1103, "不属于该平台管辖", "is not under this platform");
    if (!unit_may_upload(u))
        return refuse_block(j, block, 1104, "未准入或已停用", "is not admitted or is suspended");
    return RESULT_OK;
}

static RESULT resolve_units(struct job *j)
{
    size_t n = j->set.count;
    j->units = arena_array(j->arena, n + 1, sizeof(struct unit *));
    j->unit_ids = arena_array(j->arena, n + 1, sizeof *j->unit_ids);
    for (size_t b = 0; b < n; b++) {
        const char *code = j->set.at[b].enterprise_code;
        TRY(registry_unit(j->in->config.registry, j->in->store.db, code, &j->units[b]));
        if (!j->units[b])
            return refuse_block(j, &j->set.at[b], 1104, "未在本平台登记", "is not known here");
        TRY(may_carry(j, &j->set.at[b], j->units[b]));
        j->unit_ids[b] = j->units[b]->id;
    }
    return RESULT_OK;
}

static int compare_id(const void *a, const void *b)
{
    return *(const int32_t *)a < *(const int32_t *)b ? -1 : *(const int32_t *)a > *(const int32_t *)b;
}

/* The enterprises to lock, ascending so that two senders never wait for each other (P2). */
static void list_locks(struct job *j)
{
    int32_t *ids = arena_array(j->arena, j->set.count + 1, sizeof *ids);
    memcpy(ids, j->unit_ids, j->set.count * sizeof *ids);
    qsort(ids, j->set.count, sizeof *ids, compare_id);
    size_t n = 0;
    for (size_t i = 0; i < j->set.count; i++)
        if (n == 0 || ids[n - 1] != ids[i])
            ids[n++] = ids[i];
    j->stored.lock_units = ids;
    j->stored.lock_count = n;
}

/* ---- business level ---- */

/* The end of what a reading covers: its interval, or its day, month, year. */
static int64_t interval_end(const struct reading *r)
{
    static const enum granularity period[] = {GRAN_MINUTE, GRAN_DAY, GRAN_MONTH, GRAN_YEAR};
    int stat_type = r->item->stat_type;
    return stat_type == 0 ? r->ts + r->item->period * USEC_PER_SEC : period_next(period[stat_type], r->ts);
}

/* What the quality figures call late is decided once, when a reading first arrives. */
static void flag_late(struct job *j, int64_t now)
{
    for (size_t i = 0; i < j->business.count; i++) {
        struct reading *r = &j->business.readings[i];
        int64_t due =
            interval_end(r) + j->units[r->block]->upload_period * USEC_PER_SEC + j->in->config.late_grace_ms * 1000;
        if (now > due)
            r->flag |= FLAG_LATE;
    }
}

static void judge(struct job *j)
{
    j->answer->findings = j->read_findings;
    j->business = (struct business_result){0};
    const struct civil first = {2010, 1, 1, 0, 0, 0, 0};
    struct business_context ctx = {
        .now = clock_now(), .future_ms = j->in->config.future_ms, .earliest = caltime_instant(&first)};
    uint32_t ordinal = 0;
    for (size_t b = 0; b < j->set.count; b++) {
        business_check(&ctx, j->units[b], &j->set.at[b], (uint32_t)b, ordinal, &j->answer->findings, j->arena,
                       &j->business);
        ordinal += (uint32_t)j->set.at[b].count;
    }
    flag_late(j, ctx.now);
    j->stored.received = (int)j->set.records;
    j->stored.rejected = (int)j->business.rejected_count;
    j->stored.rejected_ordinals = j->business.rejected;
    j->stored.response_code = j->business.rejected_count > 0 ? 2 : 0;
    j->wants_past = past_needed(j->business.readings, j->business.count);
    j->first_findings = j->answer->findings;
    frame_plan_build(&j->plan, j->business.readings, j->business.count, j->unit_ids, j->arena);
}

static RESULT describe(struct job *j)
{
    const struct upload_request *q = j->request;
    struct stored_upload *u = &j->stored;
    u->received_at = clock_now();
    u->sender_id = q->sender_id;
    u->unit_id = q->via == VIA_PLATFORM || j->stored.lock_count != 1 ? 0 : j->unit_ids[0];
    u->via = q->via;
    u->message_id = q->message_id;
    u->device_id = q->device_id;
    u->encoding = j->envelope.encoding;
    u->cipher = j->envelope.cipher;
    u->content = q->content;
    u->content_len = q->content_len;
    u->findings = &j->answer->findings;
    u->destinations = j->in->config.destinations;
    u->destination_count = j->in->config.destination_count;
    return upload_store_next_id(&j->in->store, &u->upload_id);
}

/* ---- the transaction ---- */

enum outcome { OUTCOME_STORED, OUTCOME_DUPLICATE, OUTCOME_RECONFIGURED };

static void fill_answer(struct job *j)
{
    struct upload_answer *a = j->answer;
    const struct stored_upload *u = &j->stored;
    snprintf(a->upload_id, sizeof a->upload_id, "%lld", (long long)u->upload_id);
    a->code = u->response_code;
    a->received = u->received;
    a->stored = u->counts.stored;
    a->unchanged = u->counts.unchanged;
    a->corrected = u->counts.corrected;
    a->suspect = u->suspect;
    a->rejected = u->rejected;
    a->findings_truncated = a->findings.dropped > 0;
}

/* The same content under the method of the first upload? The encoding around it does not matter. */
static RESULT same_content(const struct job *j, const unsigned char first[RECEIPT_DIGEST_LEN], bool *same)
{
    unsigned char mine[32];
    TRY(envelope_digest((enum content_digest)first[0], j->plain, j->plain_len, mine));
    *same = memcmp(mine, first + 1, sizeof mine) == 0;
    return RESULT_OK;
}

/* Answers a replay with the stored answer, other content with 2107. *found false: no receipt (yet). */
static RESULT answer_replay(struct job *j, bool *found)
{
    unsigned char first[RECEIPT_DIGEST_LEN];
    struct upload_answer before = {0};
    TRY(upload_store_lookup(&j->in->store, j->request->sender_id, j->stored.message_hash, j->arena, found, first,
                            &before));
    if (!*found)
        return RESULT_OK;
    bool same = false;
    TRY(same_content(j, first, &same));
    if (!same)
        return result_error(ERR_CONFLICT, 2107, "该messageId已用于不同的内容 / messageId was used with other content");
    *j->answer = before;
    return RESULT_OK;
}

/* A connection lost around COMMIT leaves the outcome unknown: the receipt knows (P9). */
static RESULT after_lost_commit(struct job *j, struct result lost, enum outcome *outcome)
{
    unsigned char first[RECEIPT_DIGEST_LEN];
    struct upload_answer before = {0};
    bool found = false;
    db_rollback(j->in->store.db); /* until then the lost transaction is all the connection speaks of */
    TRY(upload_store_lookup(&j->in->store, j->request->sender_id, j->stored.message_hash, j->arena, &found, first,
                            &before));
    if (!found)
        return lost; /* TRANSIENT: the caller tries again */
    char mine[24];
    snprintf(mine, sizeof mine, "%lld", (long long)j->stored.upload_id);
    *outcome = strcmp(mine, before.upload_id) == 0 ? OUTCOME_STORED : OUTCOME_DUPLICATE;
    return RESULT_OK;
}

/* ---- rules against the past, under the lock ---- */

struct owned { /* a reading and whose it is */
    int32_t unit_id;
    size_t at;
};

static int compare_owned(const void *a, const void *b)
{
    const struct owned *x = a, *y = b;
    if (x->unit_id != y->unit_id)
        return x->unit_id < y->unit_id ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

static RESULT check_past_of(struct job *j, const struct owned *owned, size_t count)
{
    struct reading **readings = arena_array(j->arena, count, sizeof(struct reading *));
    for (size_t i = 0; i < count; i++)
        readings[i] = &j->business.readings[owned[i].at];
    struct past past;
    past_open(&past, j->units[readings[0]->block], readings, count, j->arena);
    if (past.our_count == 0)
        return RESULT_OK;
    TRY(past_store_answer(&j->in->store, &past));
    past_check(&past, &j->answer->findings);
    for (size_t i = 0; i < past.change_count; i++)
        *ARENA_PUSH(j->arena, j->changes, j->change_count, j->change_cap) =
            (struct plan_change){past.unit->id, past.changes[i].slot, past.changes[i].ts, past.changes[i].flag};
    return RESULT_OK;
}

/* By enterprise, not by block: an enterprise may have several in a set, and they see each other. */
static RESULT check_past(struct job *j)
{
    struct reading *r = j->business.readings;
    size_t n = j->business.count;
    struct owned *owned = arena_array(j->arena, n + 1, sizeof *owned);
    j->answer->findings = j->first_findings;
    j->change_count = 0;
    for (size_t i = 0; i < n; i++) {
        r[i].flag &= (int16_t)~FLAG_SUSPECT_MASK;
        owned[i] = (struct owned){j->unit_ids[r[i].block], i};
    }
    qsort(owned, n, sizeof *owned, compare_owned);
    for (size_t i = 0; i < n;) {
        size_t end = i + 1;
        while (end < n && owned[end].unit_id == owned[i].unit_id)
            end++;
        TRY(check_past_of(j, &owned[i], end - i));
        i = end;
    }
    frame_plan_build_with(&j->plan, r, n, j->unit_ids, j->changes, j->change_count, j->arena);
    j->exists = arena_array(j->arena, j->plan.count + 1, sizeof *j->exists); /* there may be more of them now */
    return RESULT_OK;
}

/* Reported values and what the readings add up to, written so that they can be asked together. */
static RESULT check_reports(struct job *j)
{
    struct reports reports = {.store = &j->in->store,
                              .plan = &j->plan,
                              .readings = j->business.readings,
                              .reading_count = j->business.count,
                              .units = j->units,
                              .tolerance_ppm = j->in->config.reported_tolerance_ppm,
                              .now = clock_now()};
    bool any = false;
    TRY(reports_open(&reports, &any));
    if (!any)
        return RESULT_OK;
    TRY(upload_store_merge(&j->in->store, &j->stored, &j->plan, j->exists));
    return reports_check(&reports, &j->answer->findings);
}

static int count_suspect(const struct job *j)
{
    int suspect = 0;
    for (size_t i = 0; i < j->business.count; i++)
        suspect += (j->business.readings[i].flag & FLAG_SUSPECT_MASK) != 0;
    return suspect;
}

/* ---- a configuration that changed since the readings were judged ---- */

static bool judged_by(const struct job *j, const struct upload_begun *begun, size_t block)
{
    const struct unit *u = j->units[block];
    const int32_t *at = bsearch(&u->id, j->stored.lock_units, j->stored.lock_count, sizeof u->id, compare_id);
    return at && begun->version[at - j->stored.lock_units] == u->config_version;
}

/* Were the readings judged by the configurations in force? */
static bool all_judged_by(const struct job *j, const struct upload_begun *begun)
{
    for (size_t b = 0; b < j->set.count; b++)
        if (!judged_by(j, begun, b))
            return false;
    return true;
}

static void release_units(struct job *j)
{
    for (size_t b = 0; j->units && b < j->set.count; b++)
        if (j->units[b])
            unit_release(&j->units[b]);
}

static RESULT judge_again(struct job *j)
{
    struct registry *registry = j->in->config.registry;
    j->answer->findings = j->read_findings; /* those of the first judgement hold no more */
    for (size_t b = 0; b < j->set.count; b++)
        if (!judged_by(j, &j->begun, b))
            TRY(registry_reload_unit(registry, j->in->store.db, j->units[b]->code));
    release_units(j);
    TRY(resolve_units(j));
    list_locks(j);
    judge(j);
    return RESULT_OK;
}

/* Receipt and frames: in one round trip, or in two with the rules against the past between them. */
static RESULT begin(struct job *j, enum outcome *outcome)
{
    struct upload_store *s = &j->in->store;
    struct upload_begun *begun = &j->begun;
    begun->version = arena_array(j->arena, j->stored.lock_count + 1, sizeof *begun->version);
    TRY(upload_store_begin(s, &j->stored, j->wants_past ? NULL : &j->plan, begun, j->exists));
    *outcome = begun->duplicate ? OUTCOME_DUPLICATE : all_judged_by(j, begun) ? OUTCOME_STORED : OUTCOME_RECONFIGURED;
    if (*outcome != OUTCOME_STORED || !j->wants_past)
        return RESULT_OK;
    TRY(check_past(j));
    return upload_store_new_frames(s, &j->plan, j->exists);
}

static RESULT finish(struct job *j, enum outcome *outcome)
{
    struct upload_store *s = &j->in->store;
    bool commit_sent = false;
    struct result r = upload_store_finish(s, &j->stored, &j->plan, j->exists, &commit_sent);
    if (result_ok(r) || !commit_sent || r.code != 9102)
        return r;
    return after_lost_commit(j, r, outcome);
}

static RESULT transact(struct job *j, enum outcome *outcome)
{
    struct upload_store *s = &j->in->store;
    j->exists = arena_array(j->arena, j->plan.count + 1, sizeof *j->exists);
    for (size_t i = 0; i < j->plan.count; i++)
        frame_merge(&j->plan, &j->plan.frames[i], NULL);
    TRY(upload_store_partitions(s, &j->plan, j->stored.received_at));
    TRY(begin(j, outcome));
    if (*outcome != OUTCOME_STORED) {
        db_rollback(s->db);
        return RESULT_OK;
    }
    j->stored.merged = false;
    TRY(upload_store_fetch(s, &j->plan, j->exists));
    if (!j->wants_past)
        j->answer->findings = j->first_findings;
    TRY(check_reports(j));
    j->stored.suspect = count_suspect(j);
    j->stored.counts = frame_plan_counts(&j->plan);
    metric_add(&merges, j->stored.counts.unchanged + j->stored.counts.corrected > 0);
    return finish(j, outcome);
}

/* Partitions can vanish by retention behind our back: SQLSTATE 23514 "no partition of relation found". */
static bool worth_repeating(struct job *j, struct result r)
{
    const char *state = db_sqlstate(j->in->store.db);
    if (strcmp(state, "23514") == 0) {
        upload_store_forget_partitions(&j->in->store);
        return true;
    }
    /* lock_timeout, statement_timeout: this try has taken all the time a sender waits, and a worker with it. */
    bool waited = strcmp(state, "55P03") == 0 || strcmp(state, "57014") == 0;
    return r.kind == ERR_TRANSIENT && !waited;
}

static RESULT store(struct job *j)
{
    struct result r = RESULT_OK;
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        enum outcome outcome = OUTCOME_STORED;
        r = transact(j, &outcome);
        if (result_ok(r) && outcome == OUTCOME_STORED) {
            fill_answer(j);
            return r;
        }
        if (result_ok(r) && outcome == OUTCOME_RECONFIGURED) {
            TRY(judge_again(j));
            continue;
        }
        bool found = false;
        if (result_ok(r)) {
            r = answer_replay(j, &found);
            if (found || !result_ok(r))
                return r;
            continue; /* the other connection rolled back: the id is free again */
        }
        bool again = worth_repeating(j, r);
        db_rollback(j->in->store.db);
        if (!again)
            return r;
        metric_add(&retries, 1);
    }
    return result_ok(r) ? result_error(ERR_TRANSIENT, 9101, "receipt contended") : r;
}

/* ---- outcome ---- */

static RESULT read_and_store(struct job *j)
{
    TRY(check_methods(j));
    TRY(read_payload(j));
    warn_clock(j);
    if (j->request->outdated)
        finding_add(&j->answer->findings, 2108, NULL, NULL);
    TRY(resolve_units(j));
    list_locks(j);
    j->read_findings = j->answer->findings;
    judge(j);
    TRY(describe(j));
    int64_t start = clock_monotonic();
    struct result r = store(j);
    metric_observe(&commit_time, (clock_monotonic() - start) / 1000);
    return r;
}

/* Refused now, because an enterprise was suspended meanwhile, say; but accepted before, and only the answer was lost:
 * then that answer stands (contract 4.1). */
static RESULT or_first_answer(struct job *j, struct result refusal)
{
    bool found = false;
    struct result r = answer_replay(j, &found);
    return found && result_ok(r) ? RESULT_OK : refusal;
}

static RESULT run(struct job *j)
{
    TRY(check_request(j));
    TRY(open_envelope(j));
    struct result r = read_and_store(j);
    bool refused = !result_ok(r) && r.kind != ERR_TRANSIENT && r.kind != ERR_INTERNAL && r.code != 2107;
    return refused ? or_first_answer(j, r) : r;
}

int ingest_public_code(struct result r)
{
    if (r.kind == ERR_TRANSIENT && r.code == 0)
        return 9101;
    return r.code && code_find(r.code) ? r.code : 9101;
}

/* The words of the finding that tells of the refusal; one is made when nothing told of it yet: alone, because what was
 * found in records that are not stored would only mislead, and a thousand of them would leave no room for it. */
static const char *refusal_message(struct job *j, struct result r)
{
    struct findings *f = &j->answer->findings;
    for (size_t i = 0; i < f->count; i++)
        if (f->at[i].code == j->answer->code)
            return f->at[i].message;
    bool ours = r.kind == ERR_INTERNAL || r.kind == ERR_TRANSIENT; /* nothing of our inside goes out */
    findings_init(f, j->arena);
    struct finding *added = finding_add_text(f, j->answer->code, ours ? NULL : arena_strdup(j->arena, r.text));
    added->stat_type = -1;
    return added->message;
}

static void refuse(struct job *j, struct result r)
{
    struct upload_answer *a = j->answer;
    a->code = ingest_public_code(r);
    if (r.kind == ERR_INTERNAL)
        log_result(LOG_ERROR, "ingest", "upload_failed", r);
    if (!a->message)
        a->message = refusal_message(j, r);
    a->findings_truncated = a->findings.dropped > 0;
    metric_add(&uploads_bad, 1);
}

static void count_accepted(const struct job *j)
{
    const struct upload_answer *a = j->answer;
    if (a->duplicate) {
        metric_add(&uploads_dup, 1);
        return;
    }
    metric_add(a->code == 0 ? &uploads_ok : &uploads_part, 1);
    metric_add(&readings_stored, a->stored);
    metric_add(&readings_same, a->unchanged);
    metric_add(&readings_new, a->corrected);
    metric_add(&readings_bad, a->rejected);
}

static void tell_others(const struct job *j)
{
    if (!j->in->config.on_marks || j->answer->duplicate || j->answer->stored + j->answer->corrected == 0)
        return;
    for (size_t i = 0; i < j->stored.lock_count; i++)
        j->in->config.on_marks(j->stored.lock_units[i], j->in->config.arg);
}

void ingest_upload(struct ingest *in, const struct upload_request *request, struct arena *arena,
                   struct upload_answer *answer)
{
    *answer = (struct upload_answer){0};
    findings_init(&answer->findings, arena);
    struct job j = {.in = in, .request = request, .arena = arena, .answer = answer};
    struct result r = run(&j);
    if (result_ok(r)) {
        answer->message = code_message(arena, answer->code, NULL, NULL);
        count_accepted(&j);
        tell_others(&j);
    } else {
        refuse(&j, r);
    }
    release_units(&j);
}

/* ---- whole refusals ---- */

static const struct db_stmt REFUSED = {
    "upload.refused",
    "INSERT INTO upload_refused (received_at, sender_code, peer, operation, message_id, device_id, code, message) "
    "VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"};
static const struct db_stmt ENSURE_RECEIPT = {"upload.partition_now", "SELECT partition_ensure('receipt', $1)"};

static RESULT insert_refused(struct db *db, int64_t now, const char *const texts[5], int code, const char *message)
{
    struct db_params p;
    db_params_init(&p);
    db_bind_time(&p, now);
    for (int i = 0; i < 5; i++)
        db_bind_text(&p, texts[i] ? texts[i] : "");
    db_bind_int4(&p, code);
    db_bind_text(&p, message ? message : "");
    struct result r = db_query(db, &REFUSED, &p, NULL);
    db_params_free(&p);
    return r;
}

static RESULT ensure_receipts(struct db *db, int64_t now)
{
    struct db_params p;
    db_params_init(&p);
    db_bind_time(&p, now);
    struct result r = db_query(db, &ENSURE_RECEIPT, &p, NULL);
    db_params_free(&p);
    return r;
}

void ingest_log_refused(struct db *db, const char *sender_code, const char *peer, const char *operation,
                        const char *message_id, const char *device_id, int code, const char *message)
{
    const char *const texts[5] = {sender_code, peer, operation, message_id, device_id};
    int64_t now = clock_now();
    struct result r = insert_refused(db, now, texts, code, message);
    if (!result_ok(r) && strcmp(db_sqlstate(db), "23514") == 0) {
        r = ensure_receipts(db, now);
        if (result_ok(r))
            r = insert_refused(db, now, texts, code, message);
    }
    if (!result_ok(r))
        log_result(LOG_WARN, "ingest", "refusal_not_recorded", r);
}
