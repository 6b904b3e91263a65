#include "ingest/past_store.h"

#include "base/caltime.h"

/* The constant bound is what the planner sees: with a parameter alone it expects a tenth of the table. */
static const struct db_stmt FRAMES = {
    "past.frames",
    "SELECT f.page, f.ts, f.value, f.flag FROM unnest($2::smallint[], $3::timestamptz[]) k(p, t), LATERAL "
    "(SELECT w.* FROM (SELECT r.page, r.ts, r.value, r.flag FROM reading_frame r WHERE r.unit_id = $1 AND r.page = k.p "
    "AND r.ts < k.t ORDER BY r.ts DESC LIMIT 64) w ORDER BY w.ts DESC LIMIT $4) f "
    "UNION ALL SELECT f.page, f.ts, f.value, f.flag FROM unnest($5::smallint[], $6::timestamptz[]) k(p, t), LATERAL "
    "(SELECT * FROM reading_frame r WHERE r.unit_id = $1 AND r.page = k.p AND r.ts = k.t OFFSET 0) f"};
/* An item's last valid readings among the last 10,000 frames of its page: under the enterprise's lock a search needs an
 * end. */
static const struct db_stmt GAPS = {
    "past.gaps",
    "SELECT k.slot, f.ts, f.value FROM unnest($2::integer[], $3::timestamptz[], $4::integer[]) k(slot, t, n), LATERAL "
    "(SELECT w.ts, w.value FROM (SELECT r.ts, r.value[k.slot % 128 + 1] AS value, r.flag[k.slot % 128 + 1] AS flag "
    "FROM reading_frame r WHERE r.unit_id = $1 AND r.page = k.slot / 128 AND r.ts < k.t ORDER BY r.ts DESC LIMIT "
    "10000) w "
    "WHERE w.value IS NOT NULL AND coalesce(w.flag, 0) & 1 = 0 ORDER BY w.ts DESC LIMIT k.n) f"};
static const struct db_stmt COMPUTED_READINGS = {
    "past.computed_readings",
    "SELECT sum(value[$3]::numeric), count(*)::numeric FROM reading_frame WHERE unit_id = $1 AND page = $2 AND ts >= "
    "$4 "
    "AND ts < $5 AND value[$3] IS NOT NULL AND (flag IS NULL OR coalesce(flag[$3], 0) & 1 = 0)"};
static const struct db_stmt COMPUTED_DAYS = {
    "past.computed_days",
    "SELECT sum(coalesce(total[$3]::numeric, wide[$3])), sum(coalesce(nd[$3], n[$3]))::numeric FROM rollup_day "
    "WHERE unit_id = $1 AND page = $2 AND ts >= $4 AND ts < $5 AND n[$3] > 0"};

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
    if (past->before_count + past->at_count == 0)
        return RESULT_OK;
    db_params_reset(&s->params);
    db_bind_int4(&s->params, past->unit->id);
    bind_keys(s, past->before, past->before_count, past->arena);
    db_bind_int8(&s->params, past->depth);
    bind_keys(s, past->at, past->at_count, past->arena);
    struct db_rows *rows = NULL;
    TRY(ask(s, &FRAMES, &rows));
    for (size_t i = 0; i < db_rows_count(rows); i++)
        take_frame(rows, i, past);
    db_rows_free(&rows);
    return RESULT_OK;
}

static void bind_gaps(struct upload_store *s, const struct past *past)
{
    size_t n = past->gap_count;
    int32_t *slot = arena_array(past->arena, n + 1, sizeof *slot);
    int64_t *ts = arena_array(past->arena, n + 1, sizeof *ts);
    int32_t *count = arena_array(past->arena, n + 1, sizeof *count);
    for (size_t i = 0; i < n; i++) {
        slot[i] = past->gaps[i].slot;
        ts[i] = past->gaps[i].ts;
        count[i] = past->gaps[i].count;
    }
    db_params_reset(&s->params);
    db_bind_int4(&s->params, past->unit->id);
    db_bind_int4_array(&s->params, slot, NULL, n);
    db_bind_time_array(&s->params, ts, n);
    db_bind_int4_array(&s->params, count, NULL, n);
}

static RESULT read_gaps(struct upload_store *s, struct past *past)
{
    if (past->gap_count == 0)
        return RESULT_OK;
    bind_gaps(s, past);
    struct db_rows *rows = NULL;
    TRY(ask(s, &GAPS, &rows));
    for (size_t i = 0; i < db_rows_count(rows); i++)
        *ARENA_PUSH(past->arena, past->points, past->point_count, past->point_cap) =
            (struct past_point){(int32_t)db_get_int(rows, i, 0), db_get_time(rows, i, 1), db_get_int(rows, i, 2)};
    db_rows_free(&rows);
    return RESULT_OK;
}

RESULT past_store_answer(struct upload_store *s, struct past *past)
{
    TRY(read_frames(s, past));
    past_find_gaps(past);
    return read_gaps(s, past);
}

static const enum granularity PERIOD[] = {GRAN_MINUTE, GRAN_DAY, GRAN_MONTH, GRAN_YEAR}; /* by statType */

RESULT past_store_computed(struct upload_store *s, const struct unit *unit, const struct reading *reported,
                           struct computed_value *out)
{
    *out = (struct computed_value){0};
    const struct item *item = unit_item(unit, reported->item->data_code, 0);
    if (!item)
        return RESULT_OK;
    bool day = reported->item->stat_type == 1 && item->aggregation != AGG_COUNTER;
    db_params_reset(&s->params);
    db_bind_int4(&s->params, unit->id);
    db_bind_int2(&s->params, (int16_t)SLOT_PAGE(item->slot));
    db_bind_int4(&s->params, SLOT_INDEX(item->slot) + 1);
    db_bind_time(&s->params, reported->ts);
    db_bind_time(&s->params, period_next(PERIOD[reported->item->stat_type], reported->ts));
    struct db_rows *rows = NULL;
    TRY(db_query(s->db, day ? &COMPUTED_READINGS : &COMPUTED_DAYS, &s->params, &rows));
    dec128 values = db_is_null(rows, 0, 1) ? 0 : db_get_integer(rows, 0, 1);
    out->known = !db_is_null(rows, 0, 0) && values > 0;
    if (out->known)
        out->value = db_get_integer(rows, 0, 0);
    if (out->known && item->aggregation == AGG_MEAN)
        out->value = decimal_div(out->value, values);
    db_rows_free(&rows);
    return RESULT_OK;
}
