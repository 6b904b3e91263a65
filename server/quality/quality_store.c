#include "quality/quality_store.h"

#include <string.h>

#include "base/caltime.h"
#include "base/clock.h"
#include "payload/datacode.h"
#include "payload/finding.h"
#include "registry/registry.h"
#include "validate/flags.h"

#define UNIT_COLUMNS "SELECT id, code, upload_period FROM unit WHERE "
static const struct db_stmt UNIT_BY_CODE = {"quality.unit", UNIT_COLUMNS "code = $1"};
static const struct db_stmt UNITS_BY_REGION = {"quality.units",
                                               UNIT_COLUMNS "region_code ^@ $1 AND next_slot > 0 ORDER BY code"};
/* A retired item stopped with the first document it was not in. */
static const struct db_stmt ITEMS = {
    "quality.items",
    "SELECT i.slot, i.period, i.stat_type, i.data_code, i.name, i.since, i.active,"
    " CASE WHEN NOT i.active THEN (SELECT min(d.received_at) FROM config_document d"
    "  WHERE d.unit_id = i.unit_id AND d.version > i.config_version) END"
    " FROM collect_item i WHERE i.unit_id = $1 AND i.stat_type <= 1 ORDER BY i.data_code COLLATE \"C\", i.stat_type"};
/* Down from years to days, so that a long history costs a few rows. */
static const struct db_stmt FIRST_READINGS = {
    "quality.first_readings",
    "WITH y AS (SELECT r.page, k, min(r.ts) AS ts FROM rollup_year r, unnest(r.n) WITH ORDINALITY x (v, k)"
    "  WHERE r.unit_id = $1 AND v > 0 GROUP BY r.page, k),"
    " m AS (SELECT y.page, y.k, min(r.ts) AS ts FROM y JOIN rollup_month r ON r.unit_id = $1 AND r.page = y.page"
    "  AND r.ts >= y.ts AND r.ts < y.ts + interval '1 year' AND r.n[y.k] > 0 GROUP BY y.page, y.k)"
    " SELECT m.page * 128 + m.k - 1, min(r.ts) FROM m JOIN rollup_day r ON r.unit_id = $1 AND r.page = m.page"
    "  AND r.ts >= m.ts AND r.ts < m.ts + interval '1 month' AND r.n[m.k] > 0 GROUP BY m.page, m.k"
    " UNION ALL SELECT r.page * 128 + k - 1, min(r.ts) FROM reported_frame r, unnest(r.value) WITH ORDINALITY x (v, k)"
    "  WHERE r.unit_id = $1 AND r.stat_type = 1 AND v IS NOT NULL GROUP BY r.page, k"};
#define ROLLED_SQL(columns)                                                                                            \
    "SELECT ts, page, n, bad" columns " FROM rollup_day WHERE unit_id = $1 AND ts >= $2 AND ts < $3 ORDER BY ts, page"
static const struct db_stmt ROLLED = {"quality.rolled", ROLLED_SQL(", late, suspect")};
static const struct db_stmt ROLLED_BRIEF = {"quality.rolled_brief", ROLLED_SQL("")};
static const struct db_stmt REPORTED = {
    "quality.reported", "SELECT ts, page, value, flag FROM reported_frame"
                        " WHERE unit_id = $1 AND stat_type = 1 AND ts >= $2 AND ts < $3 ORDER BY ts, page"};
/* A record refused for a day may arrive at any time after it; a few minutes before it begins are clocks that differ. */
static const struct db_stmt REFUSED = {
    "quality.refused",
    "SELECT date_trunc('day', received_at), coalesce(data_code, ''), coalesce(stat_type, 0), coalesce(stat_date, ''),"
    " code, count(*) FROM upload_finding WHERE sender_id = $1 AND received_at >= $2::timestamptz - interval '1 day'"
    " AND severity = $3 AND coalesce(stat_type, 0) <= 1 GROUP BY 1, 2, 3, 4, 5"};
/* Findings beyond the maximum of an upload were counted only; those that have expired are still counted there. */
static const struct db_stmt REFUSED_UNNAMED = {
    "quality.refused_unnamed",
    "SELECT date_trunc('day', u.received_at), sum(u.rejected - (SELECT count(*) FROM upload_finding f"
    "  WHERE f.sender_id = u.sender_id AND f.received_at = u.received_at AND f.upload_id = u.upload_id"
    "  AND f.severity = $4))::bigint FROM upload u WHERE u.sender_id = $1 AND u.received_at >= $2"
    " AND u.received_at < $3 AND u.rejected > 0 AND (u.findings > $5 OR NOT EXISTS (SELECT FROM upload_finding f"
    "  WHERE f.sender_id = u.sender_id AND f.received_at = u.received_at AND f.upload_id = u.upload_id)) GROUP BY 1"};

/* ---- enterprises and items ---- */

RESULT quality_store_units(struct db *db, const struct quality_question *q, struct arena *a, struct quality_units *out)
{
    struct db_params p;
    struct db_rows *rows = NULL;
    db_params_init(&p);
    db_bind_text(&p, q->enterprise_code ? q->enterprise_code : q->region_prefix);
    TRY(db_ask(db, q->enterprise_code ? &UNIT_BY_CODE : &UNITS_BY_REGION, &p, &rows));
    for (size_t i = 0; i < db_rows_count(rows); i++)
        *ARENA_PUSH(a, out->at, out->count, out->cap) =
            (struct quality_unit){.id = (int32_t)db_get_int(rows, i, 0),
                                  .code = arena_strdup(a, db_get_text(rows, i, 1)),
                                  .upload_period = (int32_t)db_get_int(rows, i, 2)};
    db_rows_free(&rows);
    return RESULT_OK;
}

static void take_items(const struct db_rows *rows, struct arena *a, struct quality_items *out)
{
    for (size_t i = 0; i < db_rows_count(rows); i++) {
        int64_t since = db_get_time(rows, i, 5);
        int64_t until = db_is_null(rows, i, 7) ? since : db_get_time(rows, i, 7);
        *ARENA_PUSH(a, out->at, out->count, out->cap) =
            (struct quality_item){.slot = (int32_t)db_get_int(rows, i, 0),
                                  .period = (int32_t)db_get_int(rows, i, 1),
                                  .stat_type = (int)db_get_int(rows, i, 2),
                                  .data_code = arena_strdup(a, db_get_text(rows, i, 3)),
                                  .name = arena_strdup(a, db_get_text(rows, i, 4)),
                                  .since = since,
                                  .until = db_get_bool(rows, i, 6) ? INT64_MAX : period_start(GRAN_DAY, until)};
    }
}

/* History counts from the first reading on, when that was on an earlier day than the configuration. */
static void move_since(const struct db_rows *rows, struct quality_items *items)
{
    for (size_t i = 0; i < db_rows_count(rows); i++) {
        int32_t slot = (int32_t)db_get_int(rows, i, 0);
        int64_t first = db_get_time(rows, i, 1);
        for (size_t k = 0; k < items->count; k++) {
            struct quality_item *item = &items->at[k];
            if (item->slot == slot && first < period_start(GRAN_DAY, item->since))
                item->since = first;
        }
    }
}

static RESULT ask_about(struct db *db, const struct db_stmt *stmt, int32_t unit, struct db_rows **rows)
{
    struct db_params p;
    db_params_init(&p);
    db_bind_int4(&p, unit);
    struct result r = db_query(db, stmt, &p, rows);
    db_params_free(&p);
    return r;
}

RESULT quality_store_items(struct db *db, int32_t unit, struct arena *a, struct quality_items *out)
{
    struct db_rows *rows = NULL;
    TRY(ask_about(db, &ITEMS, unit, &rows));
    take_items(rows, a, out);
    db_rows_free(&rows);
    return RESULT_OK;
}

RESULT quality_store_history(struct db *db, int32_t unit, struct quality_items *items)
{
    struct db_rows *rows = NULL;
    TRY(ask_about(db, &FIRST_READINGS, unit, &rows));
    move_since(rows, items);
    db_rows_free(&rows);
    return RESULT_OK;
}

/* ---- what is there ---- */

static void bind_range(struct db_params *p, int32_t unit, int64_t from, int64_t to)
{
    db_params_init(p);
    db_bind_int4(p, unit);
    db_bind_time(p, from);
    db_bind_time(p, to);
}

static struct page_counts *add_page(struct page_list *l, struct arena *a, const struct db_rows *rows, size_t row,
                                    int stat_type, size_t width)
{
    struct page_counts *page = ARENA_PUSH(a, l->at, l->count, l->cap);
    *page = (struct page_counts){.day = db_get_time(rows, row, 0),
                                 .page = (int16_t)db_get_int(rows, row, 1),
                                 .stat_type = stat_type,
                                 .width = width,
                                 .slots = arena_array(a, width + 1, sizeof(struct slot_counts))};
    return page;
}

/* Adds an array of counts to one figure of every slot; the array may be absent. */
static void take_counts(const struct db_rows *rows, size_t row, int col, struct arena *a, struct page_counts *page,
                        size_t figure)
{
    int32_t *v = NULL;
    bool *nulls = NULL;
    size_t n = 0;
    db_get_int4_array(rows, row, col, a, &v, &nulls, &n);
    for (size_t i = 0; i < n && i < page->width; i++)
        if (!(nulls && nulls[i]))
            *(int32_t *)((char *)&page->slots[i] + figure) = v[i];
}

static void take_rolled(const struct db_rows *rows, bool brief, struct arena *a, struct page_list *out)
{
    enum { N = 2, BAD, LATE, SUSPECT };
    for (size_t i = 0; i < db_rows_count(rows); i++) {
        struct page_counts *page = add_page(out, a, rows, i, 0, PAGE_SLOTS);
        take_counts(rows, i, N, a, page, offsetof(struct slot_counts, valid));
        take_counts(rows, i, BAD, a, page, offsetof(struct slot_counts, invalid));
        if (brief)
            continue;
        take_counts(rows, i, LATE, a, page, offsetof(struct slot_counts, late));
        take_counts(rows, i, SUSPECT, a, page, offsetof(struct slot_counts, suspect));
    }
}

static void take_reported(const struct db_rows *rows, struct arena *a, struct page_list *out)
{
    for (size_t i = 0; i < db_rows_count(rows); i++) {
        int64_t *value = NULL;
        int16_t *flag = NULL;
        bool *missing = NULL, *no_flag = NULL;
        size_t width = 0, flags = 0;
        db_get_int8_array(rows, i, 2, a, &value, &missing, &width);
        db_get_int2_array(rows, i, 3, a, &flag, &no_flag, &flags);
        struct page_counts *page = add_page(out, a, rows, i, 1, width);
        for (size_t k = 0; k < width; k++) {
            if (missing && missing[k])
                continue;
            int bits = k < flags && !(no_flag && no_flag[k]) ? flag[k] : 0;
            page->slots[k] = (struct slot_counts){.valid = !(bits & FLAG_INVALID),
                                                  .invalid = (bits & FLAG_INVALID) != 0,
                                                  .late = (bits & FLAG_LATE) != 0,
                                                  .suspect = (bits & FLAG_SUSPECT_MASK) != 0};
        }
    }
}

RESULT quality_store_pages(struct db *db, int32_t unit, int64_t from, int64_t to, unsigned wish, struct arena *a,
                           struct page_list *out)
{
    struct db_params p;
    struct db_rows *rolled = NULL, *reported = NULL;
    bind_range(&p, unit, from, to);
    struct result r = db_query(db, wish & PAGES_BRIEF ? &ROLLED_BRIEF : &ROLLED, &p, &rolled);
    if (result_ok(r) && (wish & PAGES_REPORTED))
        r = db_query(db, &REPORTED, &p, &reported);
    if (result_ok(r)) {
        take_rolled(rolled, wish & PAGES_BRIEF, a, out);
        if (reported)
            take_reported(reported, a, out);
    }
    db_rows_free(&rolled);
    db_rows_free(&reported);
    db_params_free(&p);
    return r;
}

/* ---- what was refused ---- */

/* A date that is no date, lies in the future or before all time names no day: then the day of arrival counts. So it is
 * whatever else the record was refused for: that may have been found first. */
static int64_t day_meant(const struct db_rows *rows, size_t i)
{
    static const struct civil first = {.year = 2010, .month = 1, .day = 1};
    const char *text = db_get_text(rows, i, 3);
    int64_t code = db_get_int(rows, i, 4), arrival = period_start(GRAN_DAY, db_get_time(rows, i, 0)), ts;
    if (code == 3302 || code == 3303 || !caltime_parse(text, strlen(text), &ts))
        return arrival;
    bool possible = ts >= caltime_instant(&first) && period_start(GRAN_DAY, ts) <= period_next(GRAN_DAY, arrival);
    return possible ? period_start(GRAN_DAY, ts) : arrival;
}

/* The code as items have it: findings quote it as it was sent, which may be the dashed form. */
static const char *refused_code(const char *text, struct arena *a)
{
    char code[DATACODE_LEN + 1];
    return arena_strdup(a, datacode_parse(text, strlen(text), code) ? code : text);
}

static void take_refused(const struct db_rows *rows, int64_t from, int64_t to, struct arena *a,
                         struct refused_list *out)
{
    for (size_t i = 0; i < db_rows_count(rows); i++) {
        int64_t day = day_meant(rows, i);
        if (day < from || day >= to)
            continue;
        *ARENA_PUSH(a, out->at, out->count, out->cap) =
            (struct refused_records){.day = day,
                                     .data_code = refused_code(db_get_text(rows, i, 1), a),
                                     .stat_type = (int)db_get_int(rows, i, 2),
                                     .count = db_get_int(rows, i, 5)};
    }
}

static void take_unnamed(const struct db_rows *rows, struct arena *a, struct refused_list *out)
{
    for (size_t i = 0; i < db_rows_count(rows); i++)
        *ARENA_PUSH(a, out->at, out->count, out->cap) = (struct refused_records){
            .day = period_start(GRAN_DAY, db_get_time(rows, i, 0)), .data_code = "", .count = db_get_int(rows, i, 1)};
}

static RESULT ask_refused(struct db *db, int32_t unit, int64_t from, struct db_rows **rows)
{
    struct db_params p;
    db_params_init(&p);
    db_bind_int4(&p, unit);
    db_bind_time(&p, from);
    db_bind_int2(&p, SEVERITY_ERROR);
    struct result r = db_query(db, &REFUSED, &p, rows);
    db_params_free(&p);
    return r;
}

static RESULT ask_unnamed(struct db *db, int32_t unit, int64_t from, int64_t to, struct db_rows **rows)
{
    struct db_params p;
    bind_range(&p, unit, from, to);
    db_bind_int2(&p, SEVERITY_ERROR);
    db_bind_int4(&p, FINDINGS_MAX);
    struct result r = db_query(db, &REFUSED_UNNAMED, &p, rows);
    db_params_free(&p);
    return r;
}

RESULT quality_store_refused(struct db *db, int32_t unit, int64_t from, int64_t to, struct arena *a,
                             struct refused_list *out)
{
    struct db_rows *named = NULL, *unnamed = NULL;
    struct result r = ask_refused(db, unit, from, &named);
    r = result_ok(r) ? ask_unnamed(db, unit, from, to, &unnamed) : r;
    if (result_ok(r)) {
        take_refused(named, from, to, a, out);
        take_unnamed(unnamed, a, out);
    }
    db_rows_free(&named);
    db_rows_free(&unnamed);
    return r;
}
