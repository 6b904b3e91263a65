#include "ingest/past_store.h"

#include "base/caltime.h"

static const struct db_stmt FRAMES = {
    "past.frames",
    "SELECT f.page, f.ts, f.value, f.flag FROM unnest($2::smallint[]) p, LATERAL ("
    "(SELECT * FROM reading_frame r WHERE r.unit_id = $1 AND r.page = p AND r.ts < $3 ORDER BY r.ts DESC LIMIT $5) "
    "UNION ALL (SELECT * FROM reading_frame r WHERE r.unit_id = $1 AND r.page = p AND r.ts >= $3 AND r.ts <= $4 "
    "ORDER BY r.ts LIMIT $6)) f"};
static const struct db_stmt COMPUTED_READINGS = {
    "past.computed_readings",
    "SELECT sum(value[$3]::numeric), count(*)::numeric FROM reading_frame WHERE unit_id = $1 AND page = $2 AND ts >= "
    "$4 "
    "AND ts < $5 AND value[$3] IS NOT NULL AND (flag IS NULL OR coalesce(flag[$3], 0) & 1 = 0)"};
static const struct db_stmt COMPUTED_DAYS = {
    "past.computed_days",
    "SELECT sum(coalesce(total[$3]::numeric, wide[$3])), sum(coalesce(nd[$3], n[$3]))::numeric FROM rollup_day "
    "WHERE unit_id = $1 AND page = $2 AND ts >= $4 AND ts < $5 AND n[$3] > 0"};

RESULT past_store_frames(struct upload_store *s, int32_t unit_id, const int16_t *pages, size_t page_count, int64_t lo,
                         int64_t hi, int before, struct arena *arena, struct frame_list *out)
{
    db_params_reset(&s->params);
    db_bind_int4(&s->params, unit_id);
    db_bind_int2_array(&s->params, pages, NULL, page_count);
    db_bind_time(&s->params, lo);
    db_bind_time(&s->params, hi);
    db_bind_int8(&s->params, before);
    db_bind_int8(&s->params, PAST_FRAMES);
    struct db_rows *rows = NULL;
    TRY(db_query(s->db, &FRAMES, &s->params, &rows));
    for (size_t i = 0; i < db_rows_count(rows); i++) {
        int64_t *value = NULL;
        int16_t *flag = NULL;
        bool *missing = NULL, *no_flag = NULL;
        size_t width = 0, flags = 0;
        db_get_int8_array(rows, i, 2, arena, &value, &missing, &width);
        db_get_int2_array(rows, i, 3, arena, &flag, &no_flag, &flags);
        *ARENA_PUSH(arena, out->at, out->count, out->cap) =
            (struct stored_frame){.unit_id = unit_id,
                                  .page = (int16_t)db_get_int(rows, i, 0),
                                  .width = (int16_t)width,
                                  .ts = db_get_time(rows, i, 1),
                                  .value = value,
                                  .missing = missing,
                                  .flag = flags == width ? flag : NULL};
    }
    db_rows_free(&rows);
    return RESULT_OK;
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
