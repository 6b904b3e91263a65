#include "quality/report.h"

#include "base/caltime.h"
#include "base/json.h"

static void put_counts(struct json *j, const struct quality_counts *c)
{
    json_int(j, "expected", c->expected);
    json_int(j, "received", quality_received(c));
    json_int(j, "onTime", quality_on_time(c));
    json_int(j, "late", c->late);
    json_int(j, "rejected", c->rejected);
    json_int(j, "invalid", c->invalid);
    json_int(j, "suspect", c->suspect);
    json_number(j, "successRate", quality_success_rate(c));
    json_number(j, "completeness", quality_completeness(c));
}

static void put_rules(struct json *j, const struct conformity *c)
{
    json_begin(j, "rules", '[');
    for (size_t i = 0; i < RULE_COUNT; i++) {
        const struct conformity_result *r = &c->results[i];
        json_begin(j, NULL, '{');
        json_text(j, "key", r->key);
        json_bool(j, "passed", r->passed);
        json_text(j, "title", r->title_zh);
        json_text(j, "asked", r->asked_zh);
        json_text(j, "reason", r->reason_zh);
        json_text(j, "reasonEn", r->reason_en);
        json_end(j, '}');
    }
    json_end(j, ']');
}

static void put_days(struct json *j, const struct conformity *c)
{
    json_begin(j, "days", '[');
    for (size_t i = 0; i < c->days.count; i++) {
        const struct quality_day *day = &c->days.at[i];
        json_begin(j, NULL, '{');
        json_time(j, "statDate", day->day);
        put_counts(j, &day->counts);
        json_int(j, "continuousDays", day->continuous_days);
        json_bool(j, "spoiled", conformity_spoiled(day));
        json_end(j, '}');
    }
    json_end(j, ']');
}

static void put_spoiled(struct json *j, const struct conformity *c)
{
    char text[CALTIME_TEXT];
    json_begin(j, "spoiledDays", '[');
    for (size_t i = 0; i < c->days.count; i++) {
        if (!conformity_spoiled(&c->days.at[i]))
            continue;
        caltime_format(c->days.at[i].day, text);
        text[10] = '\0'; /* the date alone */
        json_text(j, NULL, text);
    }
    json_end(j, ']');
}

static void put_window(struct json *j, const struct conformity *c)
{
    json_begin(j, "window", '{');
    json_int(j, "days", (int64_t)c->window_days);
    if (c->window_days > 0) {
        json_time(j, "first", c->days.at[c->window_first].day);
        json_time(j, "last", c->days.at[c->window_first + c->window_days - 1].day);
    }
    put_counts(j, &c->window);
    json_end(j, '}');
}

static void put_outages(struct json *j, const struct conformity *c)
{
    json_begin(j, "outages", '[');
    for (size_t i = 0; i < c->outage_count; i++) {
        const struct conformity_outage *o = &c->outages[i];
        json_begin(j, NULL, '{');
        json_time(j, "from", o->from);
        json_time(j, "to", o->to);
        json_int(j, "expected", o->expected);
        json_int(j, "madeUp", o->arrived);
        json_end(j, '}');
    }
    json_end(j, ']');
}

static void put_energies(struct json *j, const struct conformity *c)
{
    json_begin(j, "energies", '[');
    for (size_t i = 0; i < c->energy_count; i++) {
        const struct conformity_energy *e = &c->energies[i];
        json_begin(j, NULL, '{');
        json_text(j, "dataCode", e->data_code);
        json_int(j, "inputType", e->input_type);
        json_bool(j, "metered", e->metered);
        json_number(j, "tce", e->tce);
        json_number(j, "ownTypeTce", e->own_tce);
        json_end(j, '}');
    }
    json_end(j, ']');
}

void report_json(const struct conformity *c, struct buf *out)
{
    struct json j = {.out = out};
    json_begin(&j, NULL, '{');
    json_text(&j, "enterpriseCode", c->unit.code);
    json_text(&j, "name", c->name);
    json_text(&j, "state", c->state);
    json_time(&j, "from", c->from);
    json_time(&j, "to", c->to);
    json_time(&j, "generatedAt", c->now);
    json_bool(&j, "passed", c->passed);
    json_int(&j, "configVersion", c->config_version);
    json_int(&j, "pendingHours", c->pending_hours);
    json_int(&j, "refusedUploads", c->refused_uploads);
    json_number(&j, "tce", c->tce);
    json_number(&j, "meteredTce", c->metered_tce);
    json_number(&j, "ownTypeTce", c->own_tce);
    put_rules(&j, c);
    put_window(&j, c);
    put_spoiled(&j, c);
    put_outages(&j, c);
    put_energies(&j, c);
    put_days(&j, c);
    json_end(&j, '}');
}
