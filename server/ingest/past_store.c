#include "ingest/past_store.h"

#include "base/caltime.h"

/* The constant bound is what the planner sees: with a parameter alone it expects a tenth of the table. Each part of the
 * union opens all partitions, which costs more than what it reads: the last is there only where it is asked for. */
#define AROUND                                                                                                         \
    "SELECT f.page, f.ts, f.value, f.flag FROM unnest($2::smallint[], $3::timestamptz[]) k(p, t), LATERAL "            \
    "(SELECT w.* FROM (SELECT r.page, r.ts, r.value, r.flag FROM reading_frame r WHERE r.unit_id = $1 AND r.page = "   \
    "k.p AND r.ts < k.t ORDER BY r.ts DESC LIMIT 64) w ORDER BY w.ts DESC LIMIT $4) f "                                \
    "UNION ALL SELECT f.page, f.ts, f.value, f.flag FROM unnest($5::smallint[], $6::timestamptz[]) k(p, t), LATERAL "  \
    "(SELECT w.* FROM (SELECT r.page, r.ts, r.value, r.flag FROM reading_frame r WHERE r.unit_id = $1 AND r.page = "   \
    "k.p AND r.ts > k.t ORDER BY r.ts LIMIT 64) w ORDER BY w.ts LIMIT $4) f"
static const struct db_stmt FRAMES = {"past.around", AROUND};
static const struct db_stmt FRAMES_AT = {
    "past.around_and_at",
    AROUND " UNION ALL SELECT f.page, f.ts, f.value, f.flag FROM unnest($7::smallint[], $8::timestamptz[]) k(p, t), "
           "LATERAL (SELECT * FROM reading_frame r WHERE r.unit_id = $1 AND r.page = k.p AND r.ts = k.t OFFSET 0) f"};
/* An item's last valid readings among the last 10,000 frames of its page: under the enterprise's lock a search needs an
 * end. */
static const struct db_stmt GAPS = {
    "past.gaps",
    "SELECT k.slot, f.ts, f.value, f.flag FROM unnest($2::integer[], $3::timestamptz[], $4::integer[]) k(slot, t, n), "
    "LATERAL (SELECT w.ts, w.value, coalesce(w.flag, 0::smallint) AS flag FROM (SELECT r.ts, r.value[k.slot % 128 + 1] "
    "AS value, r.flag[k.slot % 128 + 1] AS flag "
    "FROM reading_frame r WHERE r.unit_id = $1 AND r.page = k.slot / 128 AND r.ts < k.t ORDER BY r.ts DESC LIMIT "
    "10000) w "
    "WHERE w.value IS NOT NULL AND coalesce(w.flag, 0) & 1 = 0 ORDER BY w.ts DESC LIMIT k.n) f"};
static const struct db_stmt NEXT_GAPS = {
    "past.next_gaps",
    "SELECT k.slot, f.ts, f.value, f.flag FROM unnest($2::integer[], $3::timestamptz[], $4::integer[]) k(slot, t, n), "
    "LATERAL (SELECT w.ts, w.value, coalesce(w.flag, 0::smallint) AS flag FROM (SELECT r.ts, r.value[k.slot % 128 + 1] "
    "AS value, r.flag[k.slot % 128 + 1] AS flag FROM reading_frame r WHERE r.unit_id = $1 AND r.page = k.slot / 128 "
    "AND r.ts > k.t ORDER BY r.ts LIMIT 10000) w "
    "WHERE w.value IS NOT NULL AND coalesce(w.flag, 0) & 1 = 0 ORDER BY w.ts LIMIT k.n) f"};
static const struct db_stmt COMPUTED = {
    "past.computed", "SELECT total, number::numeric, looked FROM item_total($1, $2, $3, $4, $5, $6)"};
static const struct db_stmt REPORTED = {
    "past.reported",
    "SELECT k.at, r.value FROM unnest($2::integer[], $3::integer[], $4::smallint[], $5::timestamptz[]) k (at, s, t, "
    "ts), "
    "LATERAL (SELECT f.value[k.s % 128 + 1] AS value, f.flag[k.s % 128 + 1] AS flag FROM reported_frame f WHERE "
    "f.unit_id = $1 AND f.page = k.s / 128 AND f.stat_type = k.t AND f.ts = k.ts OFFSET 0) r WHERE r.value IS NOT NULL "
    "AND coalesce(r.flag, 0) & 1 = 0 ORDER BY k.at LIMIT $6"};
/* With an end, as above. */
static const struct db_stmt NEXT = {
    "past.next",
    "SELECT k.at, f.ts FROM unnest($2::integer[], $3::integer[], $4::timestamptz[]) k (at, s, ts), LATERAL "
    "(SELECT w.ts FROM (SELECT r.ts, r.value[k.s % 128 + 1] AS value, r.flag[k.s % 128 + 1] AS flag FROM reading_frame "
    "r "
    "WHERE r.unit_id = $1 AND r.page = k.s / 128 AND r.ts > k.ts ORDER BY r.ts LIMIT 10000) w "
    "WHERE w.value IS NOT NULL AND coalesce(w.flag, 0) & 1 = 0 ORDER BY w.ts LIMIT 1) f ORDER BY k.at"};

static void bind_keys(struct upload_store *s, const struct past_key *keys, size_t n, struct arena *arena)
{
    int16_t *page = arena_array(arena, n + 1, sizeof *page);
    int64_t *ts = arena_array(arena, n + 1, sizeof *ts);
    for (size_t i = 0; i < n; i++) {
        page[i] = keys[i].page;
        ts[i] = keys[i].ts;
    }
    db_bind_int2_array(&s->params, page, NULL, n);
    db_bind_time_array(&s->params, ts, n);
}

static void take_frame(const struct db_rows *rows, size_t row, struct past *past)
{
    int64_t *value = NULL;
    int16_t *flag = NULL;
    bool *missing = NULL, *no_flag = NULL;
    size_t width = 0, flags = 0;
    db_get_int8_array(rows, row, 2, past->arena, &value, &missing, &width);
    db_get_int2_array(rows, row, 3, past->arena, &flag, &no_flag, &flags);
    *ARENA_PUSH(past->arena, past->frames.at, past->frames.count, past->frames.cap) =
        (struct stored_frame){.unit_id = past->unit->id,
                              .page = (int16_t)db_get_int(rows, row, 0),
                              .width = (int16_t)width,
                              .ts = db_get_time(rows, row, 1),
                              .value = value,
                              .missing = missing,
                              .flag = flags == width ? flag : NULL};
}

static const struct db_stmt GENERIC = {"past.generic", "SET LOCAL plan_cache_mode = force_generic_plan"};
static const struct db_stmt AUTO = {"past.auto", "SET LOCAL plan_cache_mode = auto"};

static RESULT send(struct upload_store *s, const struct db_stmt *q)
{
    TRY(db_pipe_add(s->db, &GENERIC, NULL));
    TRY(db_pipe_add(s->db, q, &s->params));
    TRY(db_pipe_add(s->db, &AUTO, NULL));
    return db_pipe_sync(s->db);
}

static RESULT receive(struct upload_store *s, struct db_rows **rows)
{
    TRY(db_pipe_next(s->db, NULL));
    TRY(db_pipe_next(s->db, rows));
    return db_pipe_next(s->db, NULL);
}

/* Planning over hundreds of partitions costs ten times what asking does, so the plan is made once per connection; all
 * in one round trip, for the enterprise is locked meanwhile. */
static RESULT ask(struct upload_store *s, const struct db_stmt *q, struct db_rows **rows)
{
    TRY(db_pipe_begin(s->db));
    struct result r = send(s, q);
    if (result_ok(r))
        r = receive(s, rows);
    struct result end = db_pipe_end(s->db);
    r = result_ok(r) ? end : r;
    if (!result_ok(r))
        db_rows_free(rows);
    return r;
}

static RESULT read_frames(struct upload_store *s, struct past *past)
{
    if (past->before_count + past->after_count + past->at_count == 0)
        return RESULT_OK;
    db_params_reset(&s->params);
    db_bind_int4(&s->params, past->unit->id);
    bind_keys(s, past->before, past->before_count, past->arena);
    db_bind_int8(&s->params, past->depth);
    bind_keys(s, past->after, past->after_count, past->arena);
    if (past->at_count > 0)
        bind_keys(s, past->at, past->at_count, past->arena);
    struct db_rows *rows = NULL;
    TRY(ask(s, past->at_count > 0 ? &FRAMES_AT : &FRAMES, &rows));
    for (size_t i = 0; i < db_rows_count(rows); i++)
        take_frame(rows, i, past);
    db_rows_free(&rows);
    return RESULT_OK;
}

static void bind_gaps(struct upload_store *s, const struct past *past, const struct past_gap *gaps, size_t n)
{
    int32_t *slot = arena_array(past->arena, n + 1, sizeof *slot);
    int64_t *ts = arena_array(past->arena, n + 1, sizeof *ts);
    int32_t *count = arena_array(past->arena, n + 1, sizeof *count);
    for (size_t i = 0; i < n; i++) {
        slot[i] = gaps[i].slot;
        ts[i] = gaps[i].ts;
        count[i] = gaps[i].count;
    }
    db_params_reset(&s->params);
    db_bind_int4(&s->params, past->unit->id);
    db_bind_int4_array(&s->params, slot, NULL, n);
    db_bind_time_array(&s->params, ts, n);
    db_bind_int4_array(&s->params, count, NULL, n);
}

static RESULT read_gaps(struct upload_store *s, const struct db_stmt *stmt, struct past *past,
                        const struct past_gap *gaps, size_t count)
{
    if (count == 0)
        return RESULT_OK;
    bind_gaps(s, past, gaps, count);
    struct db_rows *rows = NULL;
    TRY(ask(s, stmt, &rows));
    for (size_t i = 0; i < db_rows_count(rows); i++)
        *ARENA_PUSH(past->arena, past->points, past->point_count, past->point_cap) =
            (struct past_point){(int32_t)db_get_int(rows, i, 0), db_get_time(rows, i, 1), db_get_int(rows, i, 2),
                                (int16_t)db_get_int(rows, i, 3)};
    db_rows_free(&rows);
    return RESULT_OK;
}

RESULT past_store_answer(struct upload_store *s, struct past *past)
{
    TRY(read_frames(s, past));
    past_find_gaps(past);
    TRY(read_gaps(s, &GAPS, past, past->gaps, past->gap_count));
    return read_gaps(s, &NEXT_GAPS, past, past->next_gaps, past->next_gap_count);
}

static const enum granularity PERIOD[] = {GRAN_MINUTE, GRAN_DAY, GRAN_MONTH, GRAN_YEAR}; /* by statType */

RESULT past_store_computed(struct upload_store *s, const struct unit *unit, const struct period_question *q,
                           int64_t *frames, struct computed_value *out)
{
    *out = (struct computed_value){0};
    const struct item *item = unit_item(unit, q->item->data_code, 0);
    if (!item)
        return RESULT_OK;
    int64_t per_day = 86400 / item->period;
    db_params_reset(&s->params);
    db_bind_int4(&s->params, unit->id);
    db_bind_int4(&s->params, item->slot);
    db_bind_time(&s->params, q->ts);
    db_bind_time(&s->params, period_next(PERIOD[q->item->stat_type], q->ts));
    db_bind_time_array(&s->params, q->touched, q->touched_count);
    db_bind_int8(&s->params, *frames / per_day);
    struct db_rows *rows = NULL;
    TRY(db_query(s->db, &COMPUTED, &s->params, &rows));
    *frames -= db_get_int(rows, 0, 2) * per_day;
    dec128 values = db_is_null(rows, 0, 1) ? 0 : db_get_integer(rows, 0, 1);
    out->known = !db_is_null(rows, 0, 0) && values > 0;
    if (out->known)
        out->value = db_get_integer(rows, 0, 0);
    if (out->known && item->aggregation == AGG_MEAN)
        out->value = decimal_div(out->value, values);
    db_rows_free(&rows);
    return RESULT_OK;
}

/* Binds the keys' places, slots, (statTypes) and instants. */
static void bind_reports(struct upload_store *s, int32_t unit_id, const struct report_key *keys, size_t n, bool types,
                         struct arena *a)
{
    int32_t *at = arena_array(a, n + 1, sizeof *at), *slot = arena_array(a, n + 1, sizeof *slot);
    int16_t *type = arena_array(a, n + 1, sizeof *type);
    int64_t *ts = arena_array(a, n + 1, sizeof *ts);
    for (size_t i = 0; i < n; i++) {
        at[i] = (int32_t)i;
        slot[i] = keys[i].item->slot;
        type[i] = keys[i].item->stat_type;
        ts[i] = keys[i].ts;
    }
    db_params_reset(&s->params);
    db_bind_int4(&s->params, unit_id);
    db_bind_int4_array(&s->params, at, NULL, n);
    db_bind_int4_array(&s->params, slot, NULL, n);
    if (types)
        db_bind_int2_array(&s->params, type, NULL, n);
    db_bind_time_array(&s->params, ts, n);
}

RESULT past_store_reports(struct upload_store *s, int32_t unit_id, const struct report_key *keys, size_t count,
                          int64_t most, struct arena *a, struct stored_report **found, size_t *found_count)
{
    struct db_rows *rows = NULL;
    bind_reports(s, unit_id, keys, count, true, a);
    db_bind_int8(&s->params, most);
    TRY(ask(s, &REPORTED, &rows));
    *found_count = db_rows_count(rows);
    *found = arena_array(a, *found_count + 1, sizeof **found);
    for (size_t i = 0; i < *found_count; i++) {
        const struct report_key *k = &keys[db_get_int(rows, i, 0)];
        (*found)[i] =
            (struct stored_report){.item = k->item, .ts = k->ts, .value = db_get_int(rows, i, 1), .by = k->by};
    }
    db_rows_free(&rows);
    return RESULT_OK;
}

RESULT past_store_next(struct upload_store *s, int32_t unit_id, struct report_key *keys, size_t *count, struct arena *a)
{
    struct db_rows *rows = NULL;
    bind_reports(s, unit_id, keys, *count, false, a);
    TRY(ask(s, &NEXT, &rows));
    *count = db_rows_count(rows);
    for (size_t i = 0; i < *count; i++) {
        keys[i] = keys[db_get_int(rows, i, 0)]; /* ascending, so never one that was overwritten */
        keys[i].ts = db_get_time(rows, i, 1);
    }
    db_rows_free(&rows);
    return RESULT_OK;
}
