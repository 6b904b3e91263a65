/* The facts of a conformity test. */
#include <string.h>

#include "base/caltime.h"
#include "base/clock.h"
#include "quality/conformity.h"
#include "quality/quality_store.h"

/* input_type of items that a person fills in by hand; 7 (other) is no meter either. */
#define METERED_TYPES "(1, 2, 3, 4, 6)"

static const struct db_stmt UNIT = {
    "conformity.unit", "SELECT u.id, u.code, u.upload_period, u.name, u.region_code, u.industry_code, u.state,"
                       " u.config_version, u.cert_fingerprint, d.received_at,"
                       " (SELECT count(*) FROM collect_item i WHERE i.unit_id = u.id AND i.active)"
                       " FROM unit u LEFT JOIN config_document d ON d.unit_id = u.id AND d.version = u.config_version"
                       " WHERE u.code = $1"};
static const struct db_stmt CERTIFICATE = {
    "conformity.certificate", "SELECT count(*), max(not_after) FROM certificate WHERE identity = $1"
                              " AND revoked_at IS NULL AND not_after > $2 AND ($3 = '' OR fingerprint = $3)"};
static const struct db_stmt DEVICE = {
    "conformity.device", "SELECT serial, clock_offset_ms, heartbeat_at FROM device WHERE unit_id = $1"
                         " ORDER BY heartbeat_at DESC NULLS LAST, last_seen DESC NULLS LAST, serial LIMIT 1"};
static const struct db_stmt REFUSED = {
    "conformity.refused", "SELECT count(*) FROM upload_refused WHERE sender_code = $1 AND received_at >= $2"
                          " AND received_at < $3"};
static const struct db_stmt PENDING = {"conformity.pending",
                                       "SELECT count(DISTINCT hour) FROM rollup_mark WHERE unit_id = $1"};
static const struct db_stmt HOURS = {
    "conformity.hours",
    "SELECT ts, sum((SELECT sum(v) FROM unnest(n) v))::bigint, sum((SELECT sum(v) FROM unnest(bad) v))::bigint,"
    " sum((SELECT sum(v) FROM unnest(late) v))::bigint"
    " FROM rollup_hour WHERE unit_id = $1 AND ts >= $2 AND ts < $3 GROUP BY ts ORDER BY ts"};
/* What of an energy counts: plant items of one usage, consumption before purchase, so that nothing is added twice; the
 * total of a class (0000) only stands for itself. A value reported by the month counts with the days it shares with the
 * period, and only where there is no daily figure of its data code.
 * A row by data code and input type. A day of readings (own: only of items that have a reading with a type of its own,
 * by item_values) is divided by type in standard coal cumulatively, so that the parts of a day add up to it to the last
 * digit; what is left is of the configured type. While readings wait to be rolled up they may exceed their day:
 * least().
 */
static const struct db_stmt ENERGY = {
    "conformity.energy",
    "WITH d AS MATERIALIZED (SELECT data_code, CASE source WHEN 'computed' THEN 0 ELSE 1 END AS stat_type,"
    "  stat_date AS ts, tce FROM bv_infodb_energydata_province WHERE enterprise_code = $2 AND granularity = 'day'"
    "  AND stat_date >= $3 AND stat_date < $4),"
    " m AS MATERIALIZED (SELECT data_code, 2 AS stat_type, stat_date AS ts, ratio6(tce * extract(epoch FROM"
    "  least(stat_date + interval '1 month', $4) - greatest(stat_date, $3)), extract(epoch FROM"
    "  stat_date + interval '1 month' - stat_date)) AS tce"
    "  FROM bv_infodb_energydata_province WHERE enterprise_code = $2 AND granularity = 'month' AND source = 'reported'"
    "  AND stat_date > $3::timestamptz - interval '1 month' AND stat_date < $4"
    "  AND data_code NOT IN (SELECT data_code FROM d)),"
    " t AS MATERIALIZED (SELECT * FROM d UNION ALL SELECT * FROM m),"
    " x AS MATERIALIZED (SELECT i.slot, i.data_code, i.stat_type, i.name, i.unit, i.input_type,"
    "  substr(i.data_code, 9, 6) AS energy, substr(i.data_code, 15, 2) AS usage, b.role"
    "  FROM (SELECT data_code, stat_type FROM t GROUP BY 1, 2 HAVING sum(tce) > 0) t"
    "  JOIN collect_item i ON i.unit_id = $1 AND i.data_code = t.data_code AND i.stat_type = t.stat_type"
    "  CROSS JOIN LATERAL (SELECT role FROM base_data WHERE list = 'data_usage' AND code = substr(i.data_code, 15, 2)"
    "   ORDER BY valid_from DESC, industry_code LIMIT 1) b"
    "  WHERE i.scope = 1 AND b.role IN ('consumption', 'purchased_consumption', 'purchase')"
    "  AND substr(i.data_code, 11, 4) <> '0000'),"
    " u AS (SELECT DISTINCT ON (energy) energy, usage FROM x ORDER BY energy, role = 'consumption' DESC, role <> "
    "'purchase' DESC, usage DESC),"
    " c AS MATERIALIZED (SELECT x.*, x.slot % 128 + 1 AS k FROM x JOIN u USING (energy, usage)),"
    " own AS MATERIALIZED (SELECT c.slot, date_trunc('day', v.ts) AS ts, v.flag >> 8 & 7 AS type,"
    "  unscale(sum(v.value)) AS quantity FROM c CROSS JOIN LATERAL item_values($1, c.slot, $3, $4) v"
    "  WHERE c.stat_type = 0 AND v.flag & 1792 <> 0 AND EXISTS (SELECT FROM reading_frame f WHERE f.unit_id = $1"
    "   AND f.page = c.slot / 128 AND f.ts >= $3 AND f.ts < $4 AND f.flag[c.k] & 1792 <> 0) GROUP BY 1, 2, 3),"
    " upto AS (SELECT slot, ts, type, sum(quantity) OVER (PARTITION BY slot, ts ORDER BY type) AS quantity FROM own),"
    " part AS (SELECT p.*, p.upto - coalesce(lag(p.upto) OVER (PARTITION BY p.slot, p.ts ORDER BY p.type), 0) AS tce"
    "  FROM (SELECT c.data_code, c.slot, o.ts, o.type, least(coalesce(energy_tce($1, o.quantity, c.data_code, c.unit,"
    "   o.ts), 0), t.tce) AS upto FROM upto o JOIN c USING (slot)"
    "   JOIN t ON t.data_code = c.data_code AND t.stat_type = 0 AND t.ts = o.ts) p),"
    " e AS (SELECT c.data_code, c.stat_type, p.type, p.tce, p.tce AS own FROM part p JOIN c USING (slot)"
    "  UNION ALL SELECT c.data_code, c.stat_type, c.input_type, t.tce - coalesce((SELECT sum(p.tce) FROM part p"
    "   WHERE p.slot = c.slot AND p.ts = t.ts), 0), 0 FROM t JOIN c USING (data_code, stat_type) WHERE t.stat_type = 0"
    "  UNION ALL SELECT c.data_code, c.stat_type, coalesce(f.type, c.input_type), t.tce,"
    "   CASE WHEN f.type IS NULL THEN 0 ELSE t.tce END FROM t JOIN c USING (data_code, stat_type)"
    "   LEFT JOIN LATERAL (SELECT nullif(r.flag[c.k] >> 8 & 7, 0) AS type FROM reported_frame r WHERE r.unit_id = $1"
    "    AND r.page = c.slot / 128 AND r.stat_type = c.stat_type AND r.ts = t.ts) f ON true WHERE t.stat_type > 0)"
    " SELECT e.data_code, min(c.name), coalesce((SELECT y.name FROM base_data y WHERE y.list = 'energy_type'"
    "  AND y.code = substr(e.data_code, 11, 4) ORDER BY y.valid_from DESC LIMIT 1), ''), e.type,"
    "  e.type IN " METERED_TYPES ", sum(e.tce), sum(e.own) FROM e JOIN c USING (data_code, stat_type)"
    " GROUP BY e.data_code, e.stat_type, e.type HAVING sum(e.tce) > 0 ORDER BY e.data_code, e.type, e.stat_type"};
static const struct db_stmt RAW_FROM = {"conformity.raw_from", "SELECT raw_from()"};

/* ---- who ---- */

static void take_unit(const struct db_rows *rows, struct conformity *c)
{
    enum { ID, CODE, UPLOAD_PERIOD, NAME, REGION, INDUSTRY, STATE, VERSION, FINGERPRINT, CONFIGURED, ITEMS };
    struct arena *a = c->arena;
    c->unit = (struct quality_unit){.id = (int32_t)db_get_int(rows, 0, ID),
                                    .code = arena_strdup(a, db_get_text(rows, 0, CODE)),
                                    .upload_period = (int32_t)db_get_int(rows, 0, UPLOAD_PERIOD)};
    c->name = arena_strdup(a, db_get_text(rows, 0, NAME));
    c->region = arena_strdup(a, db_get_text(rows, 0, REGION));
    c->industry = arena_strdup(a, db_get_text(rows, 0, INDUSTRY));
    c->state = arena_strdup(a, db_get_text(rows, 0, STATE));
    c->config_version = (int32_t)db_get_int(rows, 0, VERSION);
    c->bound_certificate = arena_strdup(a, db_get_text(rows, 0, FINGERPRINT));
    c->configured_at = db_is_null(rows, 0, CONFIGURED) ? INT64_MIN : db_get_time(rows, 0, CONFIGURED);
    c->active_items = db_get_int(rows, 0, ITEMS);
}

static RESULT read_unit(struct db *db, struct db_params *p, const char *code, struct conformity *c)
{
    struct db_rows *rows = NULL;
    db_params_reset(p);
    db_bind_text(p, code);
    TRY(db_query(db, &UNIT, p, &rows));
    bool found = db_rows_count(rows) > 0;
    if (found)
        take_unit(rows, c);
    db_rows_free(&rows);
    return found ? RESULT_OK : result_error(ERR_NOT_FOUND, 0, "没有这个企业 / no such enterprise: %s", code);
}

static RESULT read_certificate(struct db *db, struct db_params *p, struct conformity *c)
{
    struct db_rows *rows = NULL;
    db_params_reset(p);
    db_bind_text(p, c->unit.code);
    db_bind_time(p, c->now);
    db_bind_text(p, c->bound_certificate);
    TRY(db_query(db, &CERTIFICATE, p, &rows));
    c->certificate_count = db_get_int(rows, 0, 0);
    c->certificate_until = c->certificate_count > 0 ? db_get_time(rows, 0, 1) : INT64_MIN;
    db_rows_free(&rows);
    return RESULT_OK;
}

static RESULT read_device(struct db *db, struct db_params *p, struct conformity *c)
{
    struct db_rows *rows = NULL;
    db_params_reset(p);
    db_bind_int4(p, c->unit.id);
    TRY(db_query(db, &DEVICE, p, &rows));
    c->has_device = db_rows_count(rows) > 0;
    c->has_heartbeat = c->has_device && !db_is_null(rows, 0, 1) && !db_is_null(rows, 0, 2);
    c->device_serial = c->has_device ? arena_strdup(c->arena, db_get_text(rows, 0, 0)) : "";
    if (c->has_heartbeat) {
        c->clock_offset_ms = db_get_int(rows, 0, 1);
        c->heartbeat_at = db_get_time(rows, 0, 2);
    }
    db_rows_free(&rows);
    return RESULT_OK;
}

static RESULT read_number(struct db *db, const struct db_stmt *stmt, const struct db_params *p, int64_t *number)
{
    struct db_rows *rows = NULL;
    TRY(db_query(db, stmt, p, &rows));
    *number = db_get_int(rows, 0, 0);
    db_rows_free(&rows);
    return RESULT_OK;
}

static RESULT read_counts(struct db *db, struct db_params *p, struct conformity *c)
{
    db_params_reset(p);
    db_bind_text(p, c->unit.code);
    db_bind_time(p, c->from);
    db_bind_time(p, c->to);
    TRY(read_number(db, &REFUSED, p, &c->refused_uploads));
    db_params_reset(p);
    db_bind_int4(p, c->unit.id);
    return read_number(db, &PENDING, p, &c->pending_hours);
}

/* ---- days and items ---- */

static void add_item(void *arg, const struct quality_item *item, int64_t day, const struct quality_counts *counts)
{
    struct conformity *c = arg;
    (void)day;
    for (size_t i = 0; item && i < c->item_count; i++) {
        const struct quality_item *known = c->items[i].item;
        if (known->stat_type == item->stat_type && strcmp(known->data_code, item->data_code) == 0) {
            quality_add(&c->items[i].counts, counts);
            return;
        }
    }
    if (item)
        *ARENA_PUSH(c->arena, c->items, c->item_count, c->item_cap) = (struct conformity_item){item, *counts};
}

static RESULT read_days(struct db *db, struct conformity *c)
{
    int64_t today = period_start(GRAN_DAY, c->now);
    c->to = c->to < today ? c->to : today;
    if (c->from < c->to)
        TRY(quality_of_unit(db, &c->unit, c->from, c->to, c->arena, NULL, NULL, &c->days));
    conformity_choose_window(c);
    if (c->window_days == 0)
        return RESULT_OK;
    struct quality_list again = {0};
    int64_t from = c->days.at[c->window_first].day, last = c->days.at[c->window_first + c->window_days - 1].day;
    return quality_of_unit(db, &c->unit, from, period_next(GRAN_DAY, last), c->arena, add_item, c, &again);
}

/* ---- outages ---- */

struct span { /* an hour, or a day where nothing is measured by the hour */
    int64_t from, to, expected, arrived, late;
};

/* Readings an hour should hold, of the items in use with hours. */
static int64_t expected_in_hour(const struct quality_items *items, int64_t hour)
{
    int64_t n = 0;
    for (size_t i = 0; i < items->count; i++) {
        const struct quality_item *item = &items->at[i];
        bool used = item->stat_type == 0 && item->period <= 3600 && item->since <= hour && hour < item->until;
        n += used ? 3600 / item->period : 0;
    }
    return n;
}

/* A run of spans without anything in time, of which something came late, is an outage when spans in time lie before and
 * after it: history sent afterwards is not one. Spans that never came belong to it: what was missing must be made up.
 */
static void find_outages(const struct span *spans, size_t count, struct conformity *c)
{
    struct conformity_outage open = {0};
    bool seen_in_time = false;
    for (size_t i = 0; i < count; i++) {
        const struct span *s = &spans[i];
        if (s->late < s->arrived) {
            if (seen_in_time && open.arrived > 0)
                *ARENA_PUSH(c->arena, c->outages, c->outage_count, c->outage_cap) = open;
            open = (struct conformity_outage){0};
            seen_in_time = true;
            continue;
        }
        if (s->arrived == 0 && s->expected == 0)
            continue; /* nothing was due */
        open.from = open.to ? open.from : s->from;
        open.to = s->to;
        open.arrived += s->arrived;
        open.expected += s->expected;
    }
}

/* Every hour of the period, also those without a row. */
static size_t fill_hours(const struct db_rows *rows, const struct quality_items *items, const struct conformity *c,
                         struct span *out)
{
    const int64_t hour_us = 3600 * USEC_PER_SEC;
    size_t n = 0, row = 0;
    for (int64_t hour = c->from; hour < c->to; hour += hour_us) {
        struct span *s = &out[n++];
        *s = (struct span){.from = hour, .to = hour + hour_us, .expected = expected_in_hour(items, hour)};
        if (row < db_rows_count(rows) && db_get_time(rows, row, 0) == hour) {
            s->arrived = db_get_int(rows, row, 1) + db_get_int(rows, row, 2);
            s->late = db_get_int(rows, row++, 3);
        }
    }
    return n;
}

static RESULT outages_by_hour(struct db *db, struct db_params *p, const struct quality_items *items,
                              struct conformity *c)
{
    struct db_rows *rows = NULL;
    db_params_reset(p);
    db_bind_int4(p, c->unit.id);
    db_bind_time(p, c->from);
    db_bind_time(p, c->to);
    TRY(db_query(db, &HOURS, p, &rows));
    struct span *spans = arena_array(c->arena, (size_t)((c->to - c->from) / (3600 * USEC_PER_SEC)) + 1, sizeof *spans);
    size_t count = fill_hours(rows, items, c, spans);
    db_rows_free(&rows);
    find_outages(spans, count, c);
    return RESULT_OK;
}

static void outages_by_day(struct conformity *c)
{
    struct span *spans = arena_array(c->arena, c->days.count + 1, sizeof *spans);
    for (size_t i = 0; i < c->days.count; i++) {
        const struct quality_day *day = &c->days.at[i];
        spans[i] = (struct span){day->day, period_next(GRAN_DAY, day->day), day->counts.expected,
                                 day->counts.valid + day->counts.invalid, day->counts.late};
    }
    find_outages(spans, c->days.count, c);
}

static RESULT read_outages(struct db *db, struct db_params *p, struct conformity *c)
{
    struct quality_items items = {0};
    bool hours = false;
    TRY(quality_store_items(db, c->unit.id, c->arena, &items));
    TRY(quality_store_history(db, c->unit.id, &items));
    for (size_t i = 0; i < items.count; i++)
        hours |= items.at[i].stat_type == 0 && items.at[i].period <= 3600 && items.at[i].until > c->from;
    if (hours)
        return outages_by_hour(db, p, &items, c);
    outages_by_day(c);
    return RESULT_OK;
}

/* ---- energy ---- */

static RESULT read_energy(struct db *db, struct db_params *p, struct conformity *c)
{
    struct db_rows *rows = NULL;
    db_params_reset(p);
    db_bind_int4(p, c->unit.id);
    db_bind_text(p, c->unit.code);
    db_bind_time(p, c->from);
    db_bind_time(p, c->to);
    TRY(db_query(db, &ENERGY, p, &rows));
    for (size_t i = 0; i < db_rows_count(rows); i++) {
        struct conformity_energy *e = ARENA_PUSH(c->arena, c->energies, c->energy_count, c->energy_cap);
        *e = (struct conformity_energy){.data_code = arena_strdup(c->arena, db_get_text(rows, i, 0)),
                                        .name = arena_strdup(c->arena, db_get_text(rows, i, 1)),
                                        .energy = arena_strdup(c->arena, db_get_text(rows, i, 2)),
                                        .input_type = (int)db_get_int(rows, i, 3),
                                        .metered = db_get_bool(rows, i, 4),
                                        .tce = db_get_numeric(rows, i, 5),
                                        .own_tce = db_get_numeric(rows, i, 6)};
        c->tce += e->tce;
        c->own_tce += e->own_tce;
        c->metered_tce += e->metered ? e->tce : 0;
    }
    db_rows_free(&rows);
    TRY(db_query(db, &RAW_FROM, NULL, &rows));
    c->raw_from = db_get_time(rows, 0, 0);
    db_rows_free(&rows);
    return RESULT_OK;
}

static RESULT read_facts(struct db *db, struct db_params *p, const char *code, struct conformity *c)
{
    TRY(read_unit(db, p, code, c));
    TRY(read_certificate(db, p, c));
    TRY(read_device(db, p, c));
    TRY(read_counts(db, p, c));
    TRY(read_days(db, c));
    if (c->from >= c->to)
        return RESULT_OK;
    TRY(read_outages(db, p, c));
    return read_energy(db, p, c);
}

RESULT conformity_read(struct db *db, const char *enterprise_code, int64_t from, int64_t to, struct arena *arena,
                       struct conformity *out)
{
    *out = (struct conformity){
        .arena = arena, .now = clock_now(), .from = period_start(GRAN_DAY, from), .to = period_start(GRAN_DAY, to)};
    struct db_params p;
    db_params_init(&p);
    struct result r = db_begin_snapshot(db); /* one state of the database for all figures of the report */
    if (result_ok(r)) {
        r = read_facts(db, &p, enterprise_code, out);
        db_rollback(db);
    }
    db_params_free(&p);
    return r;
}
