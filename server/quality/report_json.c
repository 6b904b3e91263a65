#include "quality/report.h"

#include "base/caltime.h"

static void put_name(struct buf *out, const char *name)
{
    buf_append_json(out, name);
    buf_append_str(out, ": ");
}

static void put_text(struct buf *out, const char *name, const char *text)
{
    put_name(out, name);
    buf_append_json(out, text);
}

static void put_time(struct buf *out, const char *name, int64_t us)
{
    char text[CALTIME_TEXT];
    put_text(out, name, caltime_format(us, text));
}

static void put_number(struct buf *out, const char *name, int64_t n)
{
    put_name(out, name);
    buf_printf(out, "%lld", (long long)n);
}

static void put_bool(struct buf *out, const char *name, bool v)
{
    put_name(out, name);
    buf_append_str(out, v ? "true" : "false");
}

static void put_decimal(struct buf *out, const char *name, dec128 v)
{
    char text[DECIMAL_TEXT];
    put_name(out, name);
    buf_append_str(out, decimal_format(v, text));
}

static void put_counts(struct buf *out, const struct quality_counts *c)
{
    put_number(out, "expected", c->expected);
    buf_append_str(out, ", ");
    put_number(out, "received", quality_received(c));
    buf_append_str(out, ", ");
    put_number(out, "onTime", quality_on_time(c));
    buf_append_str(out, ", ");
    put_number(out, "late", c->late);
    buf_append_str(out, ", ");
    put_number(out, "rejected", c->rejected);
    buf_append_str(out, ", ");
    put_number(out, "invalid", c->invalid);
    buf_append_str(out, ", ");
    put_number(out, "suspect", c->suspect);
    buf_append_str(out, ", ");
    put_decimal(out, "successRate", quality_success_rate(c));
    buf_append_str(out, ", ");
    put_decimal(out, "completeness", quality_completeness(c));
}

static void put_rules(struct buf *out, const struct conformity *c)
{
    put_name(out, "rules");
    for (size_t i = 0; i < RULE_COUNT; i++) {
        const struct conformity_result *r = &c->results[i];
        buf_append_str(out, i ? ",\n  {" : "[\n  {");
        put_text(out, "key", r->key);
        buf_append_str(out, ", ");
        put_bool(out, "passed", r->passed);
        buf_append_str(out, ", ");
        put_text(out, "title", r->title_zh);
        buf_append_str(out, ", ");
        put_text(out, "asked", r->asked_zh);
        buf_append_str(out, ", ");
        put_text(out, "reason", r->reason_zh);
        buf_append_str(out, ", ");
        put_text(out, "reasonEn", r->reason_en);
        buf_append_str(out, "}");
    }
    buf_append_str(out, "\n ]");
}

static void put_days(struct buf *out, const struct conformity *c)
{
    put_name(out, "days");
    buf_append_str(out, "[");
    for (size_t i = 0; i < c->days.count; i++) {
        const struct quality_day *day = &c->days.at[i];
        buf_append_str(out, i ? ",\n  {" : "\n  {");
        put_time(out, "statDate", day->day);
        buf_append_str(out, ", ");
        put_counts(out, &day->counts);
        buf_append_str(out, ", ");
        put_number(out, "continuousDays", day->continuous_days);
        buf_append_str(out, ", ");
        put_bool(out, "spoiled", conformity_spoiled(day));
        buf_append_str(out, "}");
    }
    buf_append_str(out, "\n ]");
}

static void put_spoiled(struct buf *out, const struct conformity *c)
{
    char text[CALTIME_TEXT];
    const char *comma = "";
    put_name(out, "spoiledDays");
    buf_append_str(out, "[");
    for (size_t i = 0; i < c->days.count; i++) {
        if (!conformity_spoiled(&c->days.at[i])) {
            continue;
        }
        buf_append_str(out, comma);
        caltime_format(c->days.at[i].day, text);
        text[10] = '\0';
        buf_append_json(out, text);
        comma = ", ";
    }
    buf_append_str(out, "]");
}

static void put_window(struct buf *out, const struct conformity *c)
{
    put_name(out, "window");
    buf_append_str(out, "{");
    put_number(out, "days", (int64_t)c->window_days);
    if (c->window_days > 0) {
        buf_append_str(out, ", ");
        put_time(out, "first", c->days.at[c->window_first].day);
        buf_append_str(out, ", ");
        put_time(out, "last", c->days.at[c->window_first + c->window_days - 1].day);
    }
    buf_append_str(out, ", ");
    put_counts(out, &c->window);
    buf_append_str(out, "}");
}

static void put_outages(struct buf *out, const struct conformity *c)
{
    put_name(out, "outages");
    buf_append_str(out, "[");
    for (size_t i = 0; i < c->outage_count; i++) {
        const struct conformity_outage *o = &c->outages[i];
        buf_append_str(out, i ? ", {" : "{");
        put_time(out, "from", o->from);
        buf_append_str(out, ", ");
        put_time(out, "to", o->to);
        buf_append_str(out, ", ");
        put_number(out, "expected", o->expected);
        buf_append_str(out, ", ");
        put_number(out, "madeUp", o->arrived);
        buf_append_str(out, "}");
    }
    buf_append_str(out, "]");
}

static void put_energies(struct buf *out, const struct conformity *c)
{
    put_name(out, "energies");
    buf_append_str(out, "[");
    for (size_t i = 0; i < c->energy_count; i++) {
        const struct conformity_energy *e = &c->energies[i];
        buf_append_str(out, i ? ", {" : "{");
        put_text(out, "dataCode", e->data_code);
        buf_append_str(out, ", ");
        put_number(out, "inputType", e->input_type);
        buf_append_str(out, ", ");
        put_bool(out, "metered", e->metered);
        buf_append_str(out, ", ");
        put_decimal(out, "tce", e->tce);
        buf_append_str(out, ", ");
        put_decimal(out, "ownTypeTce", e->own_tce);
        buf_append_str(out, "}");
    }
    buf_append_str(out, "]");
}

void report_json(const struct conformity *c, struct buf *out)
{
    buf_append_str(out, "{");
    put_text(out, "enterpriseCode", c->unit.code);
    buf_append_str(out, ", ");
    put_text(out, "name", c->name);
    buf_append_str(out, ", ");
    put_text(out, "state", c->state);
    buf_append_str(out, ",\n ");
    put_time(out, "from", c->from);
    buf_append_str(out, ", ");
    put_time(out, "to", c->to);
    buf_append_str(out, ", ");
    put_time(out, "generatedAt", c->now);
    buf_append_str(out, ",\n ");
    put_bool(out, "passed", c->passed);
    buf_append_str(out, ", ");
    put_number(out, "configVersion", c->config_version);
    buf_append_str(out, ", ");
    put_number(out, "pendingHours", c->pending_hours);
    buf_append_str(out, ", ");
    put_number(out, "refusedUploads", c->refused_uploads);
    buf_append_str(out, ", ");
    put_decimal(out, "tce", c->tce);
    buf_append_str(out, ", ");
    put_decimal(out, "meteredTce", c->metered_tce);
    buf_append_str(out, ", ");
    put_decimal(out, "ownTypeTce", c->own_tce);
    buf_append_str(out, ",\n ");
    put_rules(out, c);
    buf_append_str(out, ",\n ");
    put_window(out, c);
    buf_append_str(out, ",\n ");
    put_spoiled(out, c);
    buf_append_str(out, ",\n ");
    put_outages(out, c);
    buf_append_str(out, ",\n ");
    put_energies(out, c);
    buf_append_str(out, ",\n ");
    put_days(out, c);
    buf_append_str(out, "}\n");
}
