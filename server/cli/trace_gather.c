/* trace_gather: every statement asks for one chapter of the story; the archived uploads are opened and read again. */
#include <string.h>

#include "base/caltime.h"
#include "base/clock.h"
#include "base/secret.h"
#include "cli/trace.h"
#include "payload/envelope.h"
#include "payload/payload.h"
#include "registry/registry.h"

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
/* Receipts stay for ever, contents do not (retention_payload). */
static const struct db_stmt EXPIRED = {
    "trace_expired",
    "SELECT count(*) FROM upload u WHERE u.sender_id = ANY (ARRAY[$1, $2, 0]) AND u.received_at >= $3 "
    "AND u.received_at < $4 AND NOT EXISTS (SELECT FROM upload_payload p WHERE p.sender_id = u.sender_id "
    "AND p.received_at = u.received_at AND p.upload_id = u.upload_id)"};
static const struct db_stmt FINDINGS = {
    "trace_findings",
    "SELECT code, severity, line, message, coalesce(data_code, ''), coalesce(stat_type, -1), coalesce(stat_date, '') "
    "FROM upload_finding WHERE sender_id = $1 AND received_at = $2 "
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
    "SELECT granularity, stat_date, value::text, count, expected, completeness::text, source "
    "FROM bv_infodb_energydata_province WHERE enterprise_code = $1 AND data_code = $2 AND "
    "(granularity, stat_date) IN (('hour', $3), ('day', $4), ('month', $5), ('year', $6)) ORDER BY array_position("
    "ARRAY['hour','day','month','year'], granularity)"};
static const struct db_stmt RESTATED = {
    "trace_restated",
    "SELECT * FROM (SELECT restated_at, stat_date, granularity, reason, upload_id, old_value::text, new_value::text, "
    "old_tce::text, new_tce::text, old_co2::text, new_co2::text, id FROM bv_restatement WHERE unit_id = $1 "
    "AND slot = $2 AND (granularity, stat_date) IN (('day', $3), ('month', $4), ('year', $5)) "
    "ORDER BY restated_at DESC, id DESC LIMIT 50) r ORDER BY r.restated_at, r.id"};

struct gathering {
    struct db *db;
    struct trace_story *story;
    struct arena *keep;    /* the story's */
    struct arena *scratch; /* of the upload in hand */
    int32_t unit_id, platform_id, slot;
};

static const char *kept(const struct gathering *g, const struct db_rows *rows, size_t row, int col)
{
    return arena_strdup(g->keep, db_get_text(rows, row, col));
}

static RESULT find_unit(struct gathering *g)
{
    struct db_params p;
    struct db_rows *rows = NULL;
    db_params_init(&p);
    db_bind_text(&p, g->story->enterprise);
    TRY(db_ask(g->db, &UNIT, &p, &rows));
    bool found = db_rows_count(rows) == 1;
    if (found) {
        g->unit_id = (int32_t)db_get_int(rows, 0, 0);
        g->platform_id = db_is_null(rows, 0, 1) ? 0 : (int32_t)db_get_int(rows, 0, 1);
    }
    db_rows_free(&rows);
    return found ? RESULT_OK : result_error(ERR_NOT_FOUND, 0, "没有这个企业 / no such enterprise");
}

static RESULT find_item(struct gathering *g)
{
    static const char *const words[] = {"sum", "mean", "counter"};
    struct trace_story *s = g->story;
    struct db_params p;
    struct db_rows *rows = NULL;
    db_params_init(&p);
    db_bind_int4(&p, g->unit_id);
    db_bind_text(&p, s->code);
    db_bind_int2(&p, (int16_t)s->stat_type);
    TRY(db_ask(g->db, &ITEM, &p, &rows));
    s->configured = db_rows_count(rows) == 1;
    if (s->configured) {
        g->slot = (int32_t)db_get_int(rows, 0, 0);
        s->name = kept(g, rows, 0, 1);
        s->unit = kept(g, rows, 0, 2);
        s->aggregation = words[db_get_int(rows, 0, 3)];
        s->period = db_get_int(rows, 0, 4);
        s->active = db_get_bool(rows, 0, 5);
    }
    db_rows_free(&rows);
    return RESULT_OK;
}

/* ---- value, history, rows ---- */

static RESULT gather_stored(struct gathering *g)
{
    struct trace_story *s = g->story;
    struct db_params p;
    struct db_rows *rows = NULL;
    db_params_init(&p);
    db_bind_int4(&p, g->unit_id);
    db_bind_int2(&p, (int16_t)SLOT_PAGE(g->slot));
    db_bind_int4(&p, SLOT_INDEX(g->slot) + 1);
    db_bind_time(&p, s->ts);
    if (s->stat_type > 0)
        db_bind_int2(&p, (int16_t)s->stat_type);
    TRY(db_ask(g->db, s->stat_type ? &STORED_REPORTED : &STORED, &p, &rows));
    s->has_value = db_rows_count(rows) > 0;
    if (s->has_value) {
        s->value = db_get_int(rows, 0, 0);
        s->flag = (int)db_get_int(rows, 0, 1);
    }
    db_rows_free(&rows);
    return RESULT_OK;
}

static RESULT gather_history(struct gathering *g)
{
    struct trace_story *s = g->story;
    struct db_params p;
    struct db_rows *rows = NULL;
    db_params_init(&p);
    db_bind_int4(&p, g->unit_id);
    db_bind_int4(&p, g->slot);
    db_bind_int2(&p, (int16_t)s->stat_type);
    db_bind_time(&p, s->ts);
    TRY(db_ask(g->db, &HISTORY, &p, &rows));
    s->correction_count = db_rows_count(rows);
    s->corrections = arena_array(g->keep, s->correction_count, sizeof *s->corrections);
    for (size_t i = 0; i < s->correction_count; i++)
        s->corrections[i] = (struct trace_correction){.received_at = db_get_time(rows, i, 0),
                                                      .upload_id = db_get_int(rows, i, 1),
                                                      .old_value = db_get_int(rows, i, 2),
                                                      .old_flag = (int)db_get_int(rows, i, 3),
                                                      .new_value = db_get_int(rows, i, 4),
                                                      .new_flag = (int)db_get_int(rows, i, 5)};
    db_rows_free(&rows);
    return RESULT_OK;
}

static RESULT gather_rows(struct gathering *g)
{
    static const enum granularity levels[] = {GRAN_HOUR, GRAN_DAY, GRAN_MONTH, GRAN_YEAR};
    struct trace_story *s = g->story;
    struct db_params p;
    struct db_rows *rows = NULL;
    db_params_init(&p);
    db_bind_text(&p, s->enterprise);
    db_bind_text(&p, s->code);
    for (size_t i = 0; i < ARRAY_LEN(levels); i++)
        db_bind_time(&p, period_start(levels[i], s->ts));
    TRY(db_ask(g->db, &ROWS, &p, &rows));
    s->row_count = db_rows_count(rows);
    s->rows = arena_array(g->keep, s->row_count, sizeof *s->rows);
    for (size_t i = 0; i < s->row_count; i++)
        s->rows[i] = (struct trace_row){.granularity = kept(g, rows, i, 0),
                                        .stat_date = db_get_time(rows, i, 1),
                                        .value = db_is_null(rows, i, 2) ? NULL : kept(g, rows, i, 2),
                                        .count = db_get_int(rows, i, 3),
                                        .expected = db_get_int(rows, i, 4),
                                        .completeness = db_is_null(rows, i, 5) ? NULL : kept(g, rows, i, 5),
                                        .source = kept(g, rows, i, 6)};
    db_rows_free(&rows);
    return RESULT_OK;
}

static struct trace_restated restated_row(const struct gathering *g, const struct db_rows *rows, size_t i)
{
    struct trace_restated r = {.restated_at = db_get_time(rows, i, 0),
                               .stat_date = db_get_time(rows, i, 1),
                               .granularity = kept(g, rows, i, 2),
                               .reason = kept(g, rows, i, 3),
                               .upload_id = db_is_null(rows, i, 4) ? 0 : db_get_int(rows, i, 4)};
    const char **numbers[] = {&r.old_value, &r.new_value, &r.old_tce, &r.new_tce, &r.old_co2, &r.new_co2};
    for (size_t k = 0; k < ARRAY_LEN(numbers); k++)
        if (!db_is_null(rows, i, (int)(5 + k)))
            *numbers[k] = kept(g, rows, i, (int)(5 + k));
    return r;
}

static RESULT gather_restated(struct gathering *g)
{
    static const enum granularity levels[] = {GRAN_DAY, GRAN_MONTH, GRAN_YEAR};
    struct trace_story *s = g->story;
    struct db_params p;
    struct db_rows *rows = NULL;
    if (s->stat_type != 0)
        return RESULT_OK;
    db_params_init(&p);
    db_bind_int4(&p, g->unit_id);
    db_bind_int4(&p, g->slot);
    for (size_t i = 0; i < ARRAY_LEN(levels); i++)
        db_bind_time(&p, period_start(levels[i], s->ts));
    TRY(db_ask(g->db, &RESTATED, &p, &rows));
    s->restated_count = db_rows_count(rows);
    s->restated = arena_array(g->keep, s->restated_count + 1, sizeof *s->restated);
    for (size_t i = 0; i < s->restated_count; i++)
        s->restated[i] = restated_row(g, rows, i);
    db_rows_free(&rows);
    return RESULT_OK;
}

/* ---- uploads that carried it ---- */

/* Is this, as it was sent, the reading asked for? */
static bool names_it(const struct trace_story *t, int stat_type, const char *sent_code, size_t code_len,
                     const char *date, size_t date_len)
{
    char code[DATACODE_LEN + 1];
    int64_t ts = 0;
    if (stat_type != t->stat_type || !datacode_parse(sent_code, code_len, code) || strcmp(code, t->code) != 0)
        return false;
    if (!caltime_parse(date, date_len, &ts))
        return false;
    static const enum granularity period[] = {GRAN_MINUTE, GRAN_DAY, GRAN_MONTH, GRAN_YEAR};
    return t->stat_type == 0 ? ts == t->ts : period_start(period[t->stat_type], ts + 60 * USEC_PER_SEC) == t->ts;
}

static bool is_ours(const struct trace_story *t, const struct energy_data *block, const struct record *r)
{
    return strcmp(block->enterprise_code, t->enterprise) == 0 &&
           names_it(t, r->stat_type, r->data_code, r->data_code_len, r->stat_date, r->stat_date_len);
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
    hex_encode(digest + 1, 32, hex);
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

static void keep_record(struct gathering *g, struct trace_carrier *c, const struct record *r)
{
    struct trace_record *kept_one = ARENA_PUSH(g->keep, c->records, c->record_count, c->record_cap);
    *kept_one = (struct trace_record){.line = r->line,
                                      .value = arena_strndup(g->keep, r->data_value, r->data_value_len),
                                      .input_type = r->input_type,
                                      .scope = r->scope,
                                      .valid = r->valid};
}

/* A document without line breaks has all its records on one line. */
static void note_neighbour(struct trace_carrier *c, const struct record *other)
{
    for (size_t i = 0; i < c->record_count; i++)
        c->records[i].beside_others |= c->records[i].line == other->line;
}

static void look_into(struct gathering *g, const struct db_rows *rows, size_t i, struct trace_carrier *c)
{
    const unsigned char *plain = NULL;
    size_t len = 0;
    struct findings findings;
    struct energy_data_set set = {0};
    arena_reset(g->scratch);
    findings_init(&findings, g->scratch);
    struct result r = open_content(rows, i, g->scratch, &plain, &len);
    if (result_ok(r))
        r = payload_read_data(plain, len, PAYLOAD_ENERGY_DATA | PAYLOAD_ENERGY_DATA_SET, &PAYLOAD_LIMITS_DEFAULT,
                              g->scratch, &findings, &set);
    if (!result_ok(r)) {
        c->unreadable = arena_strdup(g->keep, r.text);
        return;
    }
    for (size_t b = 0; b < set.count; b++)
        for (size_t k = 0; k < set.at[b].count; k++)
            if (is_ours(g->story, &set.at[b], &set.at[b].records[k]))
                keep_record(g, c, &set.at[b].records[k]);
    for (size_t b = 0; b < set.count && c->record_count > 0; b++)
        for (size_t k = 0; k < set.at[b].count; k++)
            if (!is_ours(g->story, &set.at[b], &set.at[b].records[k]))
                note_neighbour(c, &set.at[b].records[k]);
}

/* A finding is of its line's record; where others lie on the line, of the one that it names. */
static bool is_about(const struct trace_story *t, const struct trace_carrier *c, const struct db_rows *rows, size_t i)
{
    const char *code = db_get_text(rows, i, 4), *date = db_get_text(rows, i, 6);
    int64_t line = db_get_int(rows, i, 2);
    for (size_t k = 0; k < c->record_count; k++)
        if (c->records[k].line == line && !c->records[k].beside_others)
            return true;
    return names_it(t, (int)db_get_int(rows, i, 5), code, strlen(code), date, strlen(date));
}

static RESULT gather_findings(struct gathering *g, int32_t sender_id, struct trace_carrier *c)
{
    int64_t *lines = arena_array(g->scratch, c->record_count, sizeof *lines);
    for (size_t i = 0; i < c->record_count; i++)
        lines[i] = c->records[i].line;
    struct db_params p;
    struct db_rows *rows = NULL;
    db_params_init(&p);
    db_bind_int4(&p, sender_id);
    db_bind_time(&p, c->received_at);
    db_bind_int8(&p, c->upload_id);
    db_bind_int8_array(&p, lines, NULL, c->record_count);
    TRY(db_ask(g->db, &FINDINGS, &p, &rows));
    c->findings = arena_array(g->keep, db_rows_count(rows), sizeof *c->findings);
    for (size_t i = 0; i < db_rows_count(rows); i++)
        if (is_about(g->story, c, rows, i))
            c->findings[c->finding_count++] =
                (struct trace_finding){.code = db_get_int(rows, i, 0),
                                       .severity = finding_severity_name((enum finding_severity)db_get_int(rows, i, 1)),
                                       .words = finding_severity_words((enum finding_severity)db_get_int(rows, i, 1)),
                                       .line = db_get_int(rows, i, 2),
                                       .message = kept(g, rows, i, 3)};
    db_rows_free(&rows);
    return RESULT_OK;
}

static RESULT gather_forwarded(struct gathering *g, struct trace_carrier *c)
{
    struct db_params p;
    struct db_rows *rows = NULL;
    db_params_init(&p);
    db_bind_int4(&p, g->unit_id);
    db_bind_int8(&p, c->upload_id);
    TRY(db_ask(g->db, &FORWARDED, &p, &rows));
    c->forwarded_count = db_rows_count(rows);
    c->forwarded = arena_array(g->keep, c->forwarded_count, sizeof *c->forwarded);
    for (size_t i = 0; i < c->forwarded_count; i++)
        c->forwarded[i] = (struct trace_forwarded){.destination = kept(g, rows, i, 0),
                                                   .state = kept(g, rows, i, 1),
                                                   .message_id = kept(g, rows, i, 2),
                                                   .answered = !db_is_null(rows, i, 3),
                                                   .response_code = db_get_int(rows, i, 3),
                                                   .remote_upload_id = kept(g, rows, i, 4),
                                                   .response_text = kept(g, rows, i, 5),
                                                   .attempts = db_get_int(rows, i, 6)};
    db_rows_free(&rows);
    return RESULT_OK;
}

static RESULT look_at(struct gathering *g, const struct db_rows *rows, size_t i)
{
    struct trace_carrier c = {.received_at = db_get_time(rows, i, 2), .upload_id = db_get_int(rows, i, 1)};
    look_into(g, rows, i, &c);
    if (c.record_count == 0 && !c.unreadable)
        return RESULT_OK;
    c.message_id = kept(g, rows, i, 7);
    if (!c.unreadable) {
        TRY(gather_findings(g, (int32_t)db_get_int(rows, i, 0), &c));
        TRY(gather_forwarded(g, &c));
    }
    struct trace_carrier *kept_one =
        ARENA_PUSH(g->keep, g->story->carriers, g->story->carrier_count, g->story->carrier_cap);
    *kept_one = c;
    return RESULT_OK;
}

static RESULT next_carriers(struct gathering *g, int64_t *after, int64_t *after_id, size_t *count)
{
    const int64_t times[] = {g->story->from, g->story->to, *after};
    struct db_params p;
    struct db_rows *rows = NULL;
    db_params_init(&p);
    db_bind_int4(&p, g->unit_id);
    db_bind_int4(&p, g->platform_id);
    for (size_t i = 0; i < ARRAY_LEN(times); i++)
        db_bind_time(&p, times[i]);
    db_bind_int8(&p, *after_id);
    TRY(db_ask(g->db, &CARRIERS, &p, &rows));
    *count = db_rows_count(rows);
    struct result r = RESULT_OK;
    for (size_t i = 0; i < *count && result_ok(r); i++) {
        r = look_at(g, rows, i);
        *after = db_get_time(rows, i, 2);
        *after_id = db_get_int(rows, i, 1);
    }
    db_rows_free(&rows);
    return r;
}

static RESULT gather_carriers(struct gathering *g)
{
    int64_t after = g->story->from - 1, after_id = 0;
    size_t count = 0;
    do {
        TRY(next_carriers(g, &after, &after_id, &count));
    } while (count > 0);
    return RESULT_OK;
}

static RESULT gather_expired(struct gathering *g)
{
    struct db_params p;
    struct db_rows *rows = NULL;
    db_params_init(&p);
    db_bind_int4(&p, g->unit_id);
    db_bind_int4(&p, g->platform_id);
    db_bind_time(&p, g->story->from);
    db_bind_time(&p, g->story->to);
    TRY(db_ask(g->db, &EXPIRED, &p, &rows));
    g->story->expired = db_get_int(rows, 0, 0);
    db_rows_free(&rows);
    return RESULT_OK;
}

static RESULT gather_refused(struct gathering *g)
{
    struct trace_story *s = g->story;
    struct db_params p;
    struct db_rows *rows = NULL;
    db_params_init(&p);
    db_bind_text(&p, s->enterprise);
    db_bind_time(&p, s->from);
    db_bind_time(&p, s->to);
    TRY(db_ask(g->db, &REFUSED, &p, &rows));
    s->refused_count = db_rows_count(rows);
    s->refused_total = s->refused_count ? db_get_int(rows, 0, 5) : 0;
    s->refused = arena_array(g->keep, s->refused_count, sizeof *s->refused);
    for (size_t i = 0; i < s->refused_count; i++)
        s->refused[i] = (struct trace_refused){.received_at = db_get_time(rows, i, 0),
                                               .operation = kept(g, rows, i, 1),
                                               .message_id = kept(g, rows, i, 2),
                                               .code = db_get_int(rows, i, 3),
                                               .message = kept(g, rows, i, 4)};
    db_rows_free(&rows);
    return RESULT_OK;
}

static RESULT gather_all(struct gathering *g)
{
    TRY(find_unit(g));
    TRY(find_item(g));
    if (g->story->configured) {
        TRY(gather_stored(g));
        TRY(gather_history(g));
        TRY(gather_rows(g));
        TRY(gather_restated(g));
    }
    TRY(gather_carriers(g));
    TRY(gather_expired(g));
    return gather_refused(g);
}

RESULT trace_gather(struct db *db, struct arena *a, struct trace_story *story)
{
    struct gathering g = {.db = db, .story = story, .keep = a, .scratch = arena_new(0)};
    struct result r = gather_all(&g);
    arena_free(&g.scratch);
    return r;
}
