#include "base/json.h"
#include "cli/trace.h"

static void put_flags(struct json *j, const char *name, int flag)
{
    const char *key, *words;
    json_begin(j, name, '[');
    for (size_t at = 0; trace_flag(flag, &at, &key, &words);)
        json_text(j, NULL, key);
    json_end(j, ']');
}

static void put_item(struct json *j, const struct trace_story *s)
{
    if (!s->configured) {
        json_null(j, "item");
        return;
    }
    json_begin(j, "item", '{');
    json_text(j, "name", s->name);
    json_text(j, "unit", s->unit);
    json_text(j, "aggregation", s->aggregation);
    json_int(j, "period", s->period);
    json_bool(j, "active", s->active);
    json_end(j, '}');
}

static void put_stored(struct json *j, const struct trace_story *s)
{
    if (!s->has_value) {
        json_null(j, "stored");
        return;
    }
    json_begin(j, "stored", '{');
    json_decimal(j, "value", s->value);
    put_flags(j, "flags", s->flag);
    json_end(j, '}');
}

static void put_corrections(struct json *j, const struct trace_story *s)
{
    json_begin(j, "corrections", '[');
    for (size_t i = 0; i < s->correction_count; i++) {
        const struct trace_correction *c = &s->corrections[i];
        json_begin(j, NULL, '{');
        json_time(j, "receivedAt", c->received_at);
        json_id(j, "uploadId", c->upload_id);
        json_decimal(j, "oldValue", c->old_value);
        put_flags(j, "oldFlags", c->old_flag);
        json_decimal(j, "newValue", c->new_value);
        put_flags(j, "newFlags", c->new_flag);
        json_end(j, '}');
    }
    json_end(j, ']');
}

static void put_rows(struct json *j, const struct trace_story *s)
{
    json_begin(j, "rows", '[');
    for (size_t i = 0; i < s->row_count; i++) {
        const struct trace_row *r = &s->rows[i];
        json_begin(j, NULL, '{');
        json_text(j, "granularity", r->granularity);
        json_time(j, "statDate", r->stat_date);
        json_text(j, "value", r->value);
        json_int(j, "count", r->count);
        json_int(j, "expected", r->expected);
        json_text(j, "completeness", r->completeness);
        json_text(j, "source", r->source);
        json_end(j, '}');
    }
    json_end(j, ']');
}

static void put_restated(struct json *j, const struct trace_story *s)
{
    json_begin(j, "restated", '[');
    for (size_t i = 0; i < s->restated_count; i++) {
        const struct trace_restated *r = &s->restated[i];
        json_begin(j, NULL, '{');
        json_time(j, "restatedAt", r->restated_at);
        json_text(j, "granularity", r->granularity);
        json_time(j, "statDate", r->stat_date);
        json_text(j, "reason", r->reason[0] ? r->reason : NULL);
        if (r->upload_id)
            json_id(j, "uploadId", r->upload_id);
        else
            json_null(j, "uploadId");
        json_text(j, "oldValue", r->old_value);
        json_text(j, "newValue", r->new_value);
        json_text(j, "oldTce", r->old_tce);
        json_text(j, "newTce", r->new_tce);
        json_text(j, "oldCo2", r->old_co2);
        json_text(j, "newCo2", r->new_co2);
        json_end(j, '}');
    }
    json_end(j, ']');
}

static void put_records(struct json *j, const struct trace_carrier *c)
{
    json_begin(j, "records", '[');
    for (size_t i = 0; i < c->record_count; i++) {
        const struct trace_record *r = &c->records[i];
        json_begin(j, NULL, '{');
        json_int(j, "line", r->line);
        json_text(j, "value", r->value);
        json_int(j, "inputType", r->input_type);
        json_int(j, "scope", r->scope);
        json_bool(j, "valid", r->valid);
        json_end(j, '}');
    }
    json_end(j, ']');
}

static void put_findings(struct json *j, const struct trace_carrier *c)
{
    json_begin(j, "findings", '[');
    for (size_t i = 0; i < c->finding_count; i++) {
        const struct trace_finding *f = &c->findings[i];
        json_begin(j, NULL, '{');
        json_int(j, "code", f->code);
        json_text(j, "severity", f->severity);
        json_int(j, "line", f->line);
        json_text(j, "message", f->message);
        json_end(j, '}');
    }
    json_end(j, ']');
}

static void put_answer(struct json *j, const struct trace_forwarded *f)
{
    if (!f->answered) {
        json_null(j, "answer");
        return;
    }
    json_begin(j, "answer", '{');
    json_int(j, "responseCode", f->response_code);
    json_text(j, "responseMessage", f->response_text);
    json_text(j, "uploadId", f->remote_upload_id);
    json_end(j, '}');
}

static void put_forwarded(struct json *j, const struct trace_carrier *c)
{
    json_begin(j, "forwarded", '[');
    for (size_t i = 0; i < c->forwarded_count; i++) {
        const struct trace_forwarded *f = &c->forwarded[i];
        json_begin(j, NULL, '{');
        json_text(j, "destination", f->destination);
        json_text(j, "state", f->state);
        json_text(j, "messageId", f->message_id[0] ? f->message_id : NULL);
        json_int(j, "attempts", f->attempts);
        put_answer(j, f);
        json_end(j, '}');
    }
    json_end(j, ']');
}

static void put_carriers(struct json *j, const struct trace_story *s)
{
    json_begin(j, "uploads", '[');
    for (size_t i = 0; i < s->carrier_count; i++) {
        const struct trace_carrier *c = &s->carriers[i];
        json_begin(j, NULL, '{');
        json_time(j, "receivedAt", c->received_at);
        json_id(j, "uploadId", c->upload_id);
        json_text(j, "messageId", c->message_id);
        json_text(j, "unreadable", c->unreadable);
        put_records(j, c);
        put_findings(j, c);
        put_forwarded(j, c);
        json_end(j, '}');
    }
    json_end(j, ']');
}

static void put_refused(struct json *j, const struct trace_story *s)
{
    json_int(j, "expiredUploads", s->expired);
    json_int(j, "refusedCount", s->refused_total);
    json_begin(j, "refused", '[');
    for (size_t i = 0; i < s->refused_count; i++) {
        const struct trace_refused *r = &s->refused[i];
        json_begin(j, NULL, '{');
        json_time(j, "receivedAt", r->received_at);
        json_text(j, "operation", r->operation);
        json_text(j, "messageId", r->message_id);
        json_int(j, "code", r->code);
        json_text(j, "message", r->message);
        json_end(j, '}');
    }
    json_end(j, ']');
}

void trace_json(const struct trace_story *s, struct buf *out)
{
    struct json j = {.out = out};
    json_begin(&j, NULL, '{');
    json_text(&j, "enterpriseCode", s->enterprise);
    json_text(&j, "dataCode", s->code);
    json_int(&j, "statType", s->stat_type);
    json_time(&j, "statDate", s->ts);
    put_item(&j, s);
    put_stored(&j, s);
    put_corrections(&j, s);
    put_rows(&j, s);
    put_restated(&j, s);
    put_carriers(&j, s);
    put_refused(&j, s);
    json_end(&j, '}');
}
