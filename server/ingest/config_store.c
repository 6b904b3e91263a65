#include "ingest/config_store.h"

#include <stddef.h>
#include <string.h>

#include "validate/network.h"

/* In the order of their codes, as everybody else adopts: two platforms never wait for each other. */
static const struct db_stmt ADOPT = {
    "config.adopt", "INSERT INTO unit (code, name, region_code, industry_code, state, from_platform) "
                    "SELECT u.code, u.name, u.region, u.industry, 'accepted', $5 "
                    "FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS u (code, name, region, industry) "
                    "ORDER BY u.code COLLATE \"C\" ON CONFLICT (code) DO NOTHING"};
static const struct db_stmt LOCK = {
    "config.lock", "WITH l AS MATERIALIZED (SELECT id FROM unit WHERE code = ANY ($1::text[]) ORDER BY id) "
                   "SELECT pg_advisory_xact_lock(1, id) FROM l"};
static const struct db_stmt CURRENT = {
    "config.current",
    "SELECT id, region_code, state, config_version, config_digest, next_slot FROM unit WHERE code = $1"};
static const struct db_stmt OLD_ITEMS = {
    "config.old_items", "SELECT data_code, stat_type, slot, aggregation, period, counter_max, unit FROM collect_item "
                        "WHERE unit_id = $1 ORDER BY data_code COLLATE \"C\", stat_type"};
static const struct db_stmt PUT_ITEMS = {
    "config.put_items",
    "INSERT INTO collect_item (unit_id, config_version, slot, data_code, stat_type, name, unit, aggregation, period, "
    "scope, input_type, counter_max, value_min, value_max, decimals, active) "
    "SELECT $1, $2, i.*, true FROM unnest($3::integer[], $4::text[], $5::smallint[], $6::text[], $7::text[], "
    "$8::smallint[], $9::integer[], $10::smallint[], $11::smallint[], $12::bigint[], $13::bigint[], $14::bigint[], "
    "$15::smallint[]) i ON CONFLICT (unit_id, slot) DO UPDATE SET config_version = excluded.config_version, "
    "name = excluded.name, unit = excluded.unit, aggregation = excluded.aggregation, period = excluded.period, "
    "scope = excluded.scope, input_type = excluded.input_type, counter_max = excluded.counter_max, "
    "value_min = excluded.value_min, value_max = excluded.value_max, decimals = excluded.decimals, active = true"};
static const struct db_stmt RETIRE = {
    "config.retire", "UPDATE collect_item SET active = false WHERE unit_id = $1 AND config_version <> $2 AND active"};
/* Hour by hour, one look each: reading all frames of many pages takes longer than a statement may. */
static const struct db_stmt REMARK = {
    "config.remark",
    "INSERT INTO rollup_mark (unit_id, hour, cause) SELECT $1::integer, h, 'configuration' FROM (SELECT min(e.lo) AS "
    "lo, max(e.hi) AS hi "
    "FROM unnest($2::smallint[]) p, LATERAL (SELECT min(ts) AS lo, max(ts) AS hi FROM reading_frame "
    "WHERE unit_id = $1 AND page = p) e) b, LATERAL generate_series(date_trunc('hour', b.lo), b.hi, '1 hour') h, "
    "LATERAL (SELECT FROM reading_frame r WHERE r.unit_id = $1 AND r.page = ANY ($2::smallint[]) AND r.ts >= h "
    "AND r.ts < h + interval '1 hour' LIMIT 1) f"};
/* Takes each enterprise's rollup lock: sorted before the functions are called. */
static const struct db_stmt REMEASURED = {
    "config.remeasured", "SELECT item_remeasured(k.u, k.slots), item_reaveraged(k.u, k.averages) FROM (SELECT x.u, "
                         "array_agg(x.s) FILTER (WHERE x.a = 0) AS slots, array_agg(x.s) FILTER (WHERE x.a = 1) AS "
                         "averages FROM unnest($1::integer[], $2::integer[], $3::integer[]) x (u, s, a) "
                         "GROUP BY x.u ORDER BY x.u OFFSET 0) k"};
static const struct db_stmt DOCUMENT = {
    "config.document", "INSERT INTO config_document (unit_id, version, received_at, message_id, digest, content) "
                       "VALUES ($1, $2, $3, $4, $5, $6)"};
static const struct db_stmt CLEAR_OBJECTS = {"config.clear_objects", "DELETE FROM config_object WHERE unit_id = $1"};
static const struct db_stmt PUT_OBJECTS = {
    "config.objects", "INSERT INTO config_object (unit_id, element, ordinal, fields) "
                      "SELECT $1, e, o, f::jsonb FROM unnest($2::text[], $3::integer[], $4::text[]) AS x(e, o, f)"};
static const struct db_stmt UPDATE_UNIT = {
    "config.unit",
    "UPDATE unit SET config_version = $2, config_digest = $3, next_slot = $4, name = $5, industry_code = $6, "
    "period = $7, enterprise = $8::text::jsonb, modified_at = $9, "
    "region_code = CASE WHEN from_platform = $10 THEN $11 ELSE region_code END WHERE id = $1"};
static const struct db_stmt OUTBOX = {
    "config.outbox", "INSERT INTO outbox (destination_id, unit_id, kind, sender_id, upload_id, received_at) "
                     "SELECT d, $1, 1, $1, $2, $3 FROM unnest($4::integer[]) d"};
static const struct db_stmt NOTIFY = {"config.notify", "SELECT pg_notify('nhjc_registry', $1)"};

void config_canonical(const struct enterprise_config *config, struct buf *out)
{
    buf_append_str(out, "<enterpriseConfig xmlns=\"urn:nhjc:config:v1\">\n");
    for (size_t i = 0; i < config->count; i++)
        payload_write_object(&config->objects[i], out);
    buf_append_str(out, "</enterpriseConfig>\n");
}

static char *object_json(const struct config_object *o, struct arena *arena)
{
    struct buf b = BUF_INIT;
    buf_append_char(&b, '{');
    for (size_t i = 0; i < o->count; i++) {
        buf_append_str(&b, i ? "," : "");
        buf_append_json(&b, o->attributes[i].name);
        buf_append_char(&b, ':');
        buf_append_json(&b, o->attributes[i].value);
    }
    buf_append_char(&b, '}');
    char *text = arena_strndup(arena, buf_str(&b), b.len);
    buf_free(&b);
    return text;
}

/* ---- who, and which version is there ---- */

static const char **texts_of(const struct config_write *w, size_t count, size_t offset, struct arena *a)
{
    const char **texts = arena_array(a, count + 1, sizeof *texts);
    for (size_t i = 0; i < count; i++) {
        memcpy(&texts[i], (const char *)w[i].checked + offset, sizeof texts[i]);
        texts[i] = texts[i] ? texts[i] : "";
    }
    return texts;
}

static RESULT adopt(struct db *db, struct db_params *p, const struct config_write *w, size_t count, struct arena *a)
{
    static const size_t columns[] = {offsetof(struct checked_config, code), offsetof(struct checked_config, name),
                                     offsetof(struct checked_config, region_code),
                                     offsetof(struct checked_config, industry_code)};
    for (size_t i = 0; i < ARRAY_LEN(columns); i++)
        db_bind_text_array(p, texts_of(w, count, columns[i], a), count);
    db_bind_int4(p, w->from_platform);
    return db_query(db, &ADOPT, p, NULL);
}

static RESULT lock_with(struct db *db, struct db_params *p, const struct config_write *w, size_t count, struct arena *a)
{
    if (w->from_platform)
        TRY(adopt(db, p, w, count, a));
    db_params_reset(p);
    db_bind_text_array(p, texts_of(w, count, offsetof(struct checked_config, code), a), count);
    return db_query(db, &LOCK, p, NULL);
}

RESULT config_lock(struct db *db, const struct config_write *writes, size_t count, struct arena *arena)
{
    if (count == 0)
        return RESULT_OK;
    struct db_params p;
    db_params_init(&p);
    struct result r = lock_with(db, &p, writes, count, arena);
    db_params_free(&p);
    return r;
}

struct current {
    int32_t version, next_slot;
    bool same;
};

/* What the document says of itself does not count here: the row says whose enterprise it is. */
static RESULT may_write(const struct config_write *w, const char *region, const char *state)
{
    if (w->from_platform && !region_covers(w->platform_code, region))
        return result_error(ERR_UNAUTHORISED, 1103, "企业不属于该平台管辖 / the enterprise is not under this platform");
    if (strcmp(state, "suspended") == 0 || strcmp(state, "retired") == 0)
        return result_error(ERR_UNAUTHORISED, 1104, "企业已停用或退出 / the enterprise is suspended or retired");
    return RESULT_OK;
}

static struct result read_row(const struct db_rows *rows, struct config_write *w, struct current *out)
{
    size_t n = 0;
    const void *digest = db_get_bytea(rows, 0, 4, &n);
    w->unit_id = (int32_t)db_get_int(rows, 0, 0);
    out->version = (int32_t)db_get_int(rows, 0, 3);
    out->next_slot = (int32_t)db_get_int(rows, 0, 5);
    out->same = n == sizeof w->digest && memcmp(digest, w->digest, n) == 0;
    return may_write(w, db_get_text(rows, 0, 1), db_get_text(rows, 0, 2));
}

static RESULT read_current(struct db *db, struct db_params *p, struct config_write *w, struct current *out)
{
    db_params_reset(p);
    db_bind_text(p, w->checked->code);
    struct db_rows *rows = NULL;
    TRY(db_query(db, &CURRENT, p, &rows));
    struct result r = db_rows_count(rows) == 1
                          ? read_row(rows, w, out)
                          : result_error(ERR_UNAUTHORISED, 1104, "本平台没有该企业 / the enterprise is not known here");
    db_rows_free(&rows);
    return r;
}

/* ---- items ---- */

struct item_slots {
    int32_t *slot;  /* by item of the new document */
    int16_t *pages; /* to be rolled up again */
    size_t page_count;
    int32_t *remeasured, *reaveraged; /* slots whose unit is another one; that show a mean now, or no longer */
    size_t remeasured_count, reaveraged_count;
};

static int compare_old(const struct db_rows *old, size_t row, const struct config_item *item)
{
    int c = strcmp(db_get_text(old, row, 0), item->data_code);
    return c ? c : (int)db_get_int(old, row, 1) - item->stat_type;
}

static bool rolls_up_differently(const struct db_rows *old, size_t row, const struct config_item *item)
{
    int64_t counter_max = db_is_null(old, row, 5) ? DECIMAL_UNSET : db_get_int(old, row, 5);
    return item->stat_type == 0 && (db_get_int(old, row, 3) != item->aggregation ||
                                    db_get_int(old, row, 4) != item->period || counter_max != item->counter_max);
}

/* A row of statType 0 is a total or a mean as its item is. */
static bool shows_otherwise(const struct db_rows *old, size_t row, const struct config_item *item)
{
    return item->stat_type == 0 && (db_get_int(old, row, 3) == AGG_MEAN) != (item->aggregation == AGG_MEAN);
}

static void note_page(struct item_slots *s, int32_t slot)
{
    int16_t page = (int16_t)SLOT_PAGE(slot);
    for (size_t i = 0; i < s->page_count; i++)
        if (s->pages[i] == page)
            return;
    s->pages[s->page_count++] = page;
}

/* Both lists are sorted by (data code, stat type): one walk finds every item's former slot. */
static void match_items(const struct checked_config *c, const struct db_rows *old, int32_t *next_slot,
                        struct item_slots *s)
{
    size_t row = 0;
    for (size_t i = 0; i < c->item_count; i++) {
        const struct config_item *item = &c->items[i];
        while (row < db_rows_count(old) && compare_old(old, row, item) < 0)
            row++;
        if (row == db_rows_count(old) || compare_old(old, row, item) != 0) {
            s->slot[i] = (*next_slot)++;
            continue;
        }
        s->slot[i] = (int32_t)db_get_int(old, row, 2);
        if (rolls_up_differently(old, row, item))
            note_page(s, s->slot[i]);
        if (strcmp(db_get_text(old, row, 6), item->unit ? item->unit : "") != 0)
            s->remeasured[s->remeasured_count++] = s->slot[i];
        if (shows_otherwise(old, row, item))
            s->reaveraged[s->reaveraged_count++] = s->slot[i];
    }
}

static void bind_optional(struct db_params *p, const struct checked_config *c, size_t offset, struct arena *a)
{
    int64_t *v = arena_array(a, c->item_count + 1, sizeof *v);
    bool *null = arena_array(a, c->item_count + 1, sizeof *null);
    for (size_t i = 0; i < c->item_count; i++) {
        memcpy(&v[i], (const char *)&c->items[i] + offset, sizeof v[i]);
        null[i] = v[i] == DECIMAL_UNSET;
    }
    db_bind_int8_array(p, v, null, c->item_count);
}

struct item_columns {
    const char **code, **name, **unit;
    int16_t *stat, *aggregation, *scope, *input, *decimals;
    int32_t *period;
    bool *no_decimals;
};

static struct item_columns make_columns(const struct checked_config *c, struct arena *a)
{
    size_t n = c->item_count + 1;
    struct item_columns k = {.code = arena_array(a, n, sizeof *k.code),
                             .name = arena_array(a, n, sizeof *k.name),
                             .unit = arena_array(a, n, sizeof *k.unit),
                             .stat = arena_array(a, n, sizeof *k.stat),
                             .aggregation = arena_array(a, n, sizeof *k.aggregation),
                             .scope = arena_array(a, n, sizeof *k.scope),
                             .input = arena_array(a, n, sizeof *k.input),
                             .decimals = arena_array(a, n, sizeof *k.decimals),
                             .period = arena_array(a, n, sizeof *k.period),
                             .no_decimals = arena_array(a, n, sizeof *k.no_decimals)};
    for (size_t i = 0; i < c->item_count; i++) {
        const struct config_item *item = &c->items[i];
        k.code[i] = item->data_code;
        k.name[i] = item->name ? item->name : "";
        k.unit[i] = item->unit ? item->unit : "";
        k.stat[i] = item->stat_type;
        k.aggregation[i] = item->aggregation;
        k.scope[i] = item->scope;
        k.input[i] = item->input_type;
        k.decimals[i] = (int16_t)item->decimals;
        k.no_decimals[i] = item->decimals < 0;
        k.period[i] = item->period;
    }
    return k;
}

static RESULT put_items(struct db *db, struct db_params *p, const struct config_write *w, const struct item_slots *s,
                        struct arena *a)
{
    const struct checked_config *c = w->checked;
    size_t n = c->item_count;
    struct item_columns k = make_columns(c, a);
    db_params_reset(p);
    db_bind_int4(p, w->unit_id);
    db_bind_int4(p, w->version);
    db_bind_int4_array(p, s->slot, NULL, n);
    db_bind_text_array(p, k.code, n);
    db_bind_int2_array(p, k.stat, NULL, n);
    db_bind_text_array(p, k.name, n);
    db_bind_text_array(p, k.unit, n);
    db_bind_int2_array(p, k.aggregation, NULL, n);
    db_bind_int4_array(p, k.period, NULL, n);
    db_bind_int2_array(p, k.scope, NULL, n);
    db_bind_int2_array(p, k.input, NULL, n);
    bind_optional(p, c, offsetof(struct config_item, counter_max), a);
    bind_optional(p, c, offsetof(struct config_item, value_min), a);
    bind_optional(p, c, offsetof(struct config_item, value_max), a);
    db_bind_int2_array(p, k.decimals, k.no_decimals, n);
    return db_query(db, &PUT_ITEMS, p, NULL);
}

static RESULT retire_items(struct db *db, struct db_params *p, const struct config_write *w)
{
    db_params_reset(p);
    db_bind_int4(p, w->unit_id);
    db_bind_int4(p, w->version);
    return db_query(db, &RETIRE, p, NULL);
}

static RESULT remark_pages(struct db *db, struct db_params *p, struct config_write *w, const struct item_slots *s)
{
    if (s->page_count == 0)
        return RESULT_OK;
    w->remarked = true;
    db_params_reset(p);
    db_bind_int4(p, w->unit_id);
    db_bind_int2_array(p, s->pages, NULL, s->page_count);
    return db_query(db, &REMARK, p, NULL);
}

static RESULT replace_items(struct db *db, struct db_params *p, struct config_write *w, struct current *now,
                            struct arena *a)
{
    size_t n = w->checked->item_count;
    struct item_slots s = {.slot = arena_array(a, n + 1, sizeof *s.slot),
                           .pages = arena_array(a, n + 1, sizeof *s.pages),
                           .remeasured = arena_array(a, n + 1, sizeof *s.remeasured),
                           .reaveraged = arena_array(a, n + 1, sizeof *s.reaveraged)};
    db_params_reset(p);
    db_bind_int4(p, w->unit_id);
    struct db_rows *old = NULL;
    TRY(db_query(db, &OLD_ITEMS, p, &old));
    match_items(w->checked, old, &now->next_slot, &s);
    db_rows_free(&old);
    TRY(put_items(db, p, w, &s, a));
    TRY(retire_items(db, p, w));
    w->remeasured = s.remeasured;
    w->remeasured_count = s.remeasured_count;
    w->reaveraged = s.reaveraged;
    w->reaveraged_count = s.reaveraged_count;
    return remark_pages(db, p, w, &s);
}

/* ---- document, objects, unit, outbox ---- */

static RESULT put_document(struct db *db, struct db_params *p, const struct config_write *w)
{
    db_params_reset(p);
    db_bind_int4(p, w->unit_id);
    db_bind_int4(p, w->version);
    db_bind_time(p, w->now);
    db_bind_text(p, w->message_id);
    db_bind_bytea(p, w->digest, sizeof w->digest);
    db_bind_bytea(p, w->document, w->document_len);
    return db_query(db, &DOCUMENT, p, NULL);
}

static RESULT put_objects(struct db *db, struct db_params *p, const struct config_write *w, struct arena *a)
{
    db_params_reset(p);
    db_bind_int4(p, w->unit_id);
    TRY(db_query(db, &CLEAR_OBJECTS, p, NULL));
    size_t n = w->config->count;
    const char **element = arena_array(a, n + 1, sizeof *element);
    const char **fields = arena_array(a, n + 1, sizeof *fields);
    int32_t *ordinal = arena_array(a, n + 1, sizeof *ordinal);
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        const struct config_object *o = &w->config->objects[i];
        if (strcmp(o->element, "collectItem") == 0)
            continue; /* has a table of its own */
        element[kept] = o->element;
        ordinal[kept] = (int32_t)i;
        fields[kept++] = object_json(o, a);
    }
    db_bind_text_array(p, element, kept);
    db_bind_int4_array(p, ordinal, NULL, kept);
    db_bind_text_array(p, fields, kept);
    return db_query(db, &PUT_OBJECTS, p, NULL);
}

static RESULT update_unit(struct db *db, struct db_params *p, const struct config_write *w, const struct current *now,
                          struct arena *a)
{
    const struct checked_config *c = w->checked;
    db_params_reset(p);
    db_bind_int4(p, w->unit_id);
    db_bind_int4(p, w->version);
    db_bind_bytea(p, w->digest, sizeof w->digest);
    db_bind_int4(p, now->next_slot);
    db_bind_text(p, c->name ? c->name : "");
    db_bind_text(p, c->industry_code ? c->industry_code : "");
    db_bind_int4(p, c->period);
    db_bind_text(p, c->enterprise ? object_json(c->enterprise, a) : "{}");
    db_bind_time(p, w->now);
    db_bind_int4(p, w->from_platform);
    db_bind_text(p, c->region_code);
    return db_query(db, &UPDATE_UNIT, p, NULL);
}

static RESULT put_outbox(struct db *db, struct db_params *p, const struct config_write *w)
{
    if (w->destination_count == 0)
        return RESULT_OK;
    db_params_reset(p);
    db_bind_int4(p, w->unit_id);
    db_bind_int8(p, w->version);
    db_bind_time(p, w->now);
    db_bind_int4_array(p, w->destinations, NULL, (size_t)w->destination_count);
    return db_query(db, &OUTBOX, p, NULL);
}

static RESULT notify(struct db *db, struct db_params *p, const struct config_write *w)
{
    db_params_reset(p);
    db_bind_text(p, w->checked->code);
    return db_query(db, &NOTIFY, p, NULL);
}

static RESULT store_with(struct db *db, struct db_params *p, struct config_write *w, struct arena *arena)
{
    struct current now = {0};
    TRY(read_current(db, p, w, &now));
    w->remeasured_count = w->reaveraged_count = 0;
    w->changed = !now.same;
    w->version = now.version + (w->changed ? 1 : 0);
    if (!w->changed)
        return RESULT_OK;
    TRY(replace_items(db, p, w, &now, arena));
    TRY(put_document(db, p, w));
    TRY(put_objects(db, p, w, arena));
    TRY(update_unit(db, p, w, &now, arena));
    TRY(put_outbox(db, p, w));
    return notify(db, p, w);
}

RESULT config_store(struct db *db, struct config_write *w, struct arena *arena)
{
    struct db_params p;
    db_params_init(&p);
    struct result r = store_with(db, &p, w, arena);
    db_params_free(&p);
    return r;
}

/* ---- what follows from other items ---- */

struct slot_columns {
    int32_t *unit, *slot, *average;
    size_t count;
};

static void add_slots(struct slot_columns *k, int32_t unit, const int32_t *slots, size_t count, bool average)
{
    for (size_t i = 0; i < count; i++, k->count++) {
        k->unit[k->count] = unit;
        k->slot[k->count] = slots[i];
        k->average[k->count] = average;
    }
}

/* Quantities stay as they are; what they come to in standard coal, or are shown as, does not. */
RESULT config_remeasure(struct db *db, const struct config_write *writes, size_t count, struct arena *arena)
{
    size_t total = 0;
    for (size_t i = 0; i < count; i++)
        total += writes[i].remeasured_count + writes[i].reaveraged_count;
    if (total == 0)
        return RESULT_OK;
    struct slot_columns k = {.unit = arena_array(arena, total, sizeof *k.unit),
                             .slot = arena_array(arena, total, sizeof *k.slot),
                             .average = arena_array(arena, total, sizeof *k.average)};
    for (size_t i = 0; i < count; i++) {
        add_slots(&k, writes[i].unit_id, writes[i].remeasured, writes[i].remeasured_count, false);
        add_slots(&k, writes[i].unit_id, writes[i].reaveraged, writes[i].reaveraged_count, true);
    }
    struct db_params p;
    db_params_init(&p);
    db_bind_int4_array(&p, k.unit, NULL, k.count);
    db_bind_int4_array(&p, k.slot, NULL, k.count);
    db_bind_int4_array(&p, k.average, NULL, k.count);
    struct result r = db_query(db, &REMEASURED, &p, NULL);
    db_params_free(&p);
    return r;
}
