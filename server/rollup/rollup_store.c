#include "rollup/rollup_store.h"

#include <string.h>

#include "base/mem.h"

/* Days whose rollup promises a reading that is not there: withdrawn in the slice that asks. After so many in a row the
 * frames themselves are read to the end. */
enum { MAX_PROBES = 16 };

/* Until the end of the transaction, (5, 0) shared: coefficients and roles do not change; (6, 0) shared: readings are
 * not dropped. */
static const struct db_stmt LOCK = {"rollup.lock",
                                    "SELECT pg_advisory_xact_lock_shared(5, 0), pg_advisory_xact_lock(2, u), "
                                    "pg_advisory_xact_lock_shared(6, 0) FROM unnest($1::integer[]) u"};
static const struct db_stmt MARKS = {
    "rollup.marks",
    "SELECT m.unit_id, m.hour, m.id, m.upload_id, m.cause FROM unnest($1::integer[]) u, LATERAL (SELECT * "
    "FROM rollup_mark WHERE unit_id = u ORDER BY hour DESC, id DESC LIMIT $2) m"};
static const struct db_stmt VERSIONS = {
    "rollup.versions", "SELECT id, config_version, code, raw_from() FROM unit WHERE id = ANY ($1::integer[])"};
static const struct db_stmt REPLACEMENTS = {"rollup.replacements",
                                            "SELECT unit_id, slot, at, final_old, first_new FROM meter_replacement "
                                            "WHERE unit_id = ANY ($1::integer[]) ORDER BY unit_id, slot, at"};
static const struct db_stmt FRAMES = {
    "rollup.frames",
    "SELECT f.unit_id, f.page, f.ts, f.value, f.flag FROM unnest($1::integer[], $2::timestamptz[], $3::timestamptz[]) "
    "AS k(u, lo, hi), LATERAL (SELECT * FROM reading_frame r WHERE r.unit_id = k.u AND r.ts >= k.lo AND r.ts < k.hi "
    "OFFSET 0) f ORDER BY f.unit_id, f.page, f.ts"};

static const struct db_stmt NEXT = {
    "rollup.next",
    "SELECT f.unit_id, f.page, f.ts, f.value, f.flag FROM generate_series(0, $2 - 1) p, LATERAL "
    "(SELECT * FROM reading_frame r WHERE r.unit_id = $1 AND r.page = p AND r.ts >= $3 ORDER BY r.ts LIMIT $4) f "
    "ORDER BY f.page, f.ts"};

#define ROWS(table)                                                                                                    \
    "SELECT f.unit_id, f.page, f.ts, f.total, f.vmin, f.vmax, f.n, f.nd, f.bad, f.wide, f.late, f.suspect "            \
    "FROM unnest($1::integer[], $2::timestamptz[], $3::timestamptz[]) AS k(u, lo, hi), LATERAL (SELECT * FROM " table  \
    " r WHERE r.unit_id = k.u AND r.ts >= k.lo AND r.ts < k.hi OFFSET 0) f ORDER BY f.unit_id, f.page, f.ts"
static const struct db_stmt LEVEL[4] = {{"rollup.hours", ROWS("rollup_hour")},
                                        {"rollup.days", ROWS("rollup_day")},
                                        {"rollup.months", ROWS("rollup_month")},
                                        {"rollup.years", ROWS("rollup_year")}};

/* A row that is the same is not written: a repetition costs no WAL, and revision counts real restatements. */
#define PUT(table)                                                                                                     \
    "INSERT INTO " table " AS t (unit_id, page, ts, total, vmin, vmax, n, nd, bad, wide, late, suspect) "              \
    "SELECT * FROM unnest($1::rollup_in[]) ON CONFLICT (unit_id, page, ts) DO UPDATE SET total = excluded.total, "     \
    "vmin = excluded.vmin, vmax = excluded.vmax, n = excluded.n, nd = excluded.nd, bad = excluded.bad, "               \
    "wide = excluded.wide, late = excluded.late, suspect = excluded.suspect, revision = t.revision + 1, "              \
    "computed_at = now() WHERE (t.total, t.vmin, t.vmax, t.n, t.nd, t.bad, t.wide, t.late, t.suspect) "                \
    "IS DISTINCT FROM (excluded.total, excluded.vmin, excluded.vmax, excluded.n, excluded.nd, excluded.bad, "          \
    "excluded.wide, excluded.late, excluded.suspect)"
static const struct db_stmt PUT_LEVEL[4] = {{"rollup.put_hours", PUT("rollup_hour")},
                                            {"rollup.put_days", PUT("rollup_day")},
                                            {"rollup.put_months", PUT("rollup_month")},
                                            {"rollup.put_years", PUT("rollup_year")}};
static const struct db_stmt UNMARK = {
    "rollup.unmark",
    "DELETE FROM rollup_mark m USING unnest($1::integer[], $2::timestamptz[], $3::bigint[]) AS k(u, h, i) "
    "WHERE m.unit_id = k.u AND m.hour = k.h AND m.id = k.i"};
static const struct db_stmt ACCOUNT = {"rollup.account", "SELECT energy_day_refresh($1::integer[], $2::timestamptz[], "
                                                         "$3::bigint[], $4::integer[]::boolean[])"};
/* Which upload: the last of the slice's that corrected the item in the period, else the last that marked the period.
 * While a past period only fills up, its last row follows for a day: a history
 * that arrives upload by upload would else leave more rows here than readings. */
static const struct db_stmt RESTATE = {
    "rollup.restate",
    "WITH told AS MATERIALIZED (SELECT u.upload_id, u.received_at FROM "
    "(SELECT DISTINCT i.id FROM unnest($2::bigint[]) i (id)) x, "
    "LATERAL (SELECT upload_id, received_at FROM upload WHERE upload_id = x.id OFFSET 0) u), "
    "fixed AS MATERIALIZED (SELECT c.unit_id, c.slot, c.ts, c.received_at, c.upload_id FROM told, "
    "(SELECT DISTINCT unit_id FROM unnest($1::restatement_in[])) k, LATERAL (SELECT * FROM correction c "
    "WHERE c.unit_id = k.unit_id AND c.received_at = told.received_at AND c.upload_id = told.upload_id OFFSET 0) c "
    "WHERE c.stat_type = 0 AND (c.old_value <> c.new_value OR (c.old_flag # c.new_flag) & 1 = 1)), "
    "r AS MATERIALIZED (SELECT DISTINCT ON (r.unit_id, r.granularity, r.ts, r.slot) r.unit_id, r.granularity, r.ts, "
    "r.slot, unscale(r.old_value) AS old_value, unscale(r.new_value) AS new_value, r.old_n, r.new_n, "
    "coalesce(c.upload_id, r.upload_id) AS upload_id, CASE WHEN c.upload_id IS NULL THEN r.reason ELSE 'correction' "
    "END AS reason FROM unnest($1::restatement_in[]) r LEFT JOIN fixed c ON c.unit_id = r.unit_id AND c.slot = r.slot "
    "AND c.ts >= r.ts AND c.ts < r.until ORDER BY r.unit_id, r.granularity, r.ts, r.slot, c.received_at DESC NULLS "
    "LAST, c.upload_id DESC), "
    "grown AS (UPDATE restatement t SET new_value = r.new_value, new_n = r.new_n, upload_id = r.upload_id FROM r "
    "WHERE t.unit_id = r.unit_id AND t.granularity = r.granularity AND t.ts = r.ts AND t.slot = r.slot "
    "AND r.reason = t.reason AND r.reason <> 'correction' AND r.new_n > r.old_n AND t.new_n > t.old_n "
    "AND t.restated_at > now() - interval '1 day' AND t.id = (SELECT max(x.id) FROM restatement x "
    "WHERE x.unit_id = r.unit_id AND x.granularity = r.granularity AND x.ts = r.ts AND x.slot = r.slot "
    "AND x.new_n IS NOT NULL) RETURNING t.unit_id, t.granularity, t.ts, t.slot) "
    "INSERT INTO restatement (unit_id, granularity, ts, slot, old_value, new_value, old_n, new_n, upload_id, reason) "
    "SELECT r.unit_id, r.granularity, r.ts, r.slot, r.old_value, r.new_value, r.old_n, r.new_n, r.upload_id, r.reason "
    "FROM r "
    "WHERE (r.unit_id, r.granularity, r.ts, r.slot) NOT IN (SELECT g.unit_id, g.granularity, g.ts, g.slot FROM grown "
    "g)"};
static const struct db_stmt MARK = {"rollup.mark",
                                    "INSERT INTO rollup_mark (unit_id, hour, cause) SELECT $1, h, 'repair' FROM "
                                    "unnest($2::timestamptz[]) h"};

#define VALID "value[$3] IS NOT NULL AND (flag IS NULL OR coalesce(flag[$3], 0) & 1 = 0)"
static const struct db_stmt BEFORE_TODAY = {
    "rollup.before_today", "SELECT ts, value[$3] FROM reading_frame WHERE unit_id = $1 AND page = $2 AND ts >= $4 "
                           "AND ts < $5 AND " VALID " ORDER BY ts DESC LIMIT 1"};
static const struct db_stmt AFTER_TODAY = {
    "rollup.after_today", "SELECT ts, value[$3] FROM reading_frame WHERE unit_id = $1 AND page = $2 AND ts >= $4 "
                          "AND ts < $5 AND " VALID " ORDER BY ts LIMIT 1"};
static const struct db_stmt DAY_BEFORE = {
    "rollup.day_before", "SELECT ts FROM rollup_day WHERE unit_id = $1 AND page = $2 AND n[$3] > 0 AND ts < $4 "
                         "ORDER BY ts DESC LIMIT 1"};
static const struct db_stmt DAY_AFTER = {
    "rollup.day_after", "SELECT ts FROM rollup_day WHERE unit_id = $1 AND page = $2 AND n[$3] > 0 AND ts >= $4 "
                        "ORDER BY ts LIMIT 1"};
/* One index probe per enterprise instead of reading every mark. */
static const struct db_stmt MARKED = {
    "rollup.marked",
    "WITH RECURSIVE u AS ((SELECT unit_id FROM rollup_mark ORDER BY unit_id LIMIT 1) UNION ALL "
    "SELECT (SELECT m.unit_id FROM rollup_mark m WHERE m.unit_id > u.unit_id ORDER BY m.unit_id LIMIT 1) FROM u "
    "WHERE u.unit_id IS NOT NULL) SELECT unit_id FROM u WHERE unit_id IS NOT NULL AND unit_id % $2 = $1"};
static const struct db_stmt SPAN = {
    "rollup.span", "SELECT min(lo), max(hi) FROM (SELECT DISTINCT page FROM rollup_year WHERE unit_id = $1 UNION "
                   "SELECT DISTINCT slot / 128 FROM collect_item WHERE unit_id = $1) p, LATERAL "
                   "(SELECT min(ts) lo, max(ts) hi FROM reading_frame f WHERE f.unit_id = $1 AND f.page = p.page) x"};

static const struct db_stmt RAW_FROM = {"rollup.raw_from", "SELECT raw_from()"};
static const struct db_stmt BASE = {"rollup.base",
                                    "SELECT ts, value FROM register_base WHERE unit_id = $1 AND slot = $2 AND ts < $3"};

void rollup_store_init(struct rollup_store *s, struct db *db)
{
    *s = (struct rollup_store){.db = db, .raw_from = INT64_MIN};
    db_params_init(&s->params);
}

void rollup_store_free(struct rollup_store *s)
{
    db_params_free(&s->params);
    composite_free(&s->composite);
}

static RESULT end_pipe(struct db *db, struct result r)
{
    struct result end = db_pipe_end(db);
    return result_ok(r) ? end : r;
}

/* ---- marks ---- */

static RESULT send_begin(struct rollup_store *s, const int32_t *units, size_t count, int limit)
{
    TRY(db_pipe_add(s->db, &DB_BEGIN, NULL));
    db_params_reset(&s->params);
    db_bind_int4_array(&s->params, units, NULL, count);
    TRY(db_pipe_add(s->db, &LOCK, &s->params));
    db_bind_int8(&s->params, limit);
    TRY(db_pipe_add(s->db, &MARKS, &s->params));
    db_params_reset(&s->params);
    db_bind_int4_array(&s->params, units, NULL, count);
    TRY(db_pipe_add(s->db, &VERSIONS, &s->params));
    TRY(db_pipe_add(s->db, &REPLACEMENTS, &s->params));
    return db_pipe_sync(s->db);
}

static RESULT read_marks(struct rollup_store *s, struct arena *a, struct mark_list *marks)
{
    TRY(db_pipe_next(s->db, NULL));
    TRY(db_pipe_next(s->db, NULL));
    struct db_rows *rows = NULL;
    TRY(db_pipe_next(s->db, &rows));
    for (size_t i = 0; i < db_rows_count(rows); i++)
        *ARENA_PUSH(a, marks->at, marks->count, marks->cap) =
            (struct mark){.unit_id = (int32_t)db_get_int(rows, i, 0),
                          .hour = db_get_time(rows, i, 1),
                          .id = db_get_int(rows, i, 2),
                          .upload_id = db_is_null(rows, i, 3) ? 0 : db_get_int(rows, i, 3),
                          .cause = db_is_null(rows, i, 4) ? NULL : arena_strdup(a, db_get_text(rows, i, 4))};
    db_rows_free(&rows);
    return RESULT_OK;
}

static RESULT read_versions(struct rollup_store *s, struct arena *a, struct slice_start *start)
{
    struct db_rows *rows = NULL;
    TRY(db_pipe_next(s->db, &rows));
    start->known = db_rows_count(rows);
    start->versions = arena_array(a, start->known + 1, sizeof *start->versions);
    for (size_t i = 0; i < start->known; i++)
        start->versions[i] = (struct unit_version){(int32_t)db_get_int(rows, i, 0), (int32_t)db_get_int(rows, i, 1),
                                                   arena_strdup(a, db_get_text(rows, i, 2))};
    s->raw_from = start->known > 0 ? db_get_time(rows, 0, 3) : INT64_MIN;
    db_rows_free(&rows);
    return RESULT_OK;
}

static void take_replacements(struct db_rows **rows, struct arena *a, struct replacement_list *out)
{
    for (size_t i = 0; i < db_rows_count(*rows); i++)
        *ARENA_PUSH(a, out->at, out->count, out->cap) =
            (struct meter_replacement){(int32_t)db_get_int(*rows, i, 0), (int32_t)db_get_int(*rows, i, 1),
                                       db_get_time(*rows, i, 2), db_get_int(*rows, i, 3), db_get_int(*rows, i, 4)};
    db_rows_free(rows);
}

static RESULT read_begin(struct rollup_store *s, struct arena *a, struct slice_start *start)
{
    struct db_rows *rows = NULL;
    TRY(read_marks(s, a, &start->marks));
    TRY(read_versions(s, a, start));
    TRY(db_pipe_next(s->db, &rows));
    take_replacements(&rows, a, &start->replacements);
    return RESULT_OK;
}

RESULT rollup_store_begin(struct rollup_store *s, const int32_t *units, size_t count, int limit, struct arena *a,
                          struct slice_start *start)
{
    uint32_t oid = 0;
    TRY(db_type_oid(s->db, "rollup_in", &oid)); /* before a pipeline: inside one a question has no answer yet */
    TRY(db_type_oid(s->db, "restatement_in", &oid));
    TRY(db_pipe_begin(s->db));
    struct result r = send_begin(s, units, count, limit);
    if (result_ok(r))
        r = read_begin(s, a, start);
    return end_pipe(s->db, r);
}

RESULT rollup_store_replacements(struct rollup_store *s, int32_t unit, struct arena *a, struct replacement_list *out)
{
    struct db_rows *rows = NULL;
    db_params_reset(&s->params);
    db_bind_int4_array(&s->params, &unit, NULL, 1);
    TRY(db_query(s->db, &REPLACEMENTS, &s->params, &rows));
    take_replacements(&rows, a, out);
    return RESULT_OK;
}

RESULT rollup_store_raw_from(struct rollup_store *s)
{
    struct db_rows *rows = NULL;
    TRY(db_query(s->db, &RAW_FROM, NULL, &rows));
    s->raw_from = db_get_time(rows, 0, 0);
    db_rows_free(&rows);
    return RESULT_OK;
}

RESULT rollup_store_mark(struct rollup_store *s, int32_t unit, const int64_t *hours, size_t count)
{
    db_params_reset(&s->params);
    db_bind_int4(&s->params, unit);
    db_bind_time_array(&s->params, hours, count);
    return db_query(s->db, &MARK, &s->params, NULL);
}

/* ---- reading ---- */

static void bind_ranges(struct rollup_store *s, const struct range_list *l, struct arena *a)
{
    int32_t *unit = arena_array(a, l->count + 1, sizeof *unit);
    int64_t *lo = arena_array(a, l->count + 1, sizeof *lo);
    int64_t *hi = arena_array(a, l->count + 1, sizeof *hi);
    for (size_t i = 0; i < l->count; i++) {
        unit[i] = l->at[i].unit_id;
        lo[i] = l->at[i].lo;
        hi[i] = l->at[i].hi;
    }
    db_params_reset(&s->params);
    db_bind_int4_array(&s->params, unit, NULL, l->count);
    db_bind_time_array(&s->params, lo, l->count);
    db_bind_time_array(&s->params, hi, l->count);
}

static void take_frames(const struct db_rows *rows, struct arena *a, struct frame_list *out)
{
    for (size_t i = 0; i < db_rows_count(rows); i++) {
        int64_t *value = NULL;
        int16_t *flag = NULL;
        bool *missing = NULL, *no_flag = NULL;
        size_t width = 0, flags = 0;
        db_get_int8_array(rows, i, 3, a, &value, &missing, &width);
        db_get_int2_array(rows, i, 4, a, &flag, &no_flag, &flags);
        *ARENA_PUSH(a, out->at, out->count, out->cap) =
            (struct stored_frame){.unit_id = (int32_t)db_get_int(rows, i, 0),
                                  .page = (int16_t)db_get_int(rows, i, 1),
                                  .width = (int16_t)width,
                                  .ts = db_get_time(rows, i, 2),
                                  .value = value,
                                  .missing = missing,
                                  .flag = flags == width ? flag : NULL};
    }
}

struct row_arrays {
    int64_t *total, *vmin, *vmax;
    int32_t *n, *nd, *bad, *late, *suspect;
    dec128 *wide;
    bool *no_total, *no_nd, *no_bad, *no_wide, *no_n, *no_min, *no_max, *no_late, *no_suspect;
    size_t width, nd_count, bad_count, wide_count, late_count, suspect_count;
};

static void take_arrays(const struct db_rows *rows, size_t i, struct arena *a, struct row_arrays *k)
{
    size_t ignored = 0;
    db_get_int8_array(rows, i, 3, a, &k->total, &k->no_total, &ignored);
    db_get_int8_array(rows, i, 4, a, &k->vmin, &k->no_min, &ignored);
    db_get_int8_array(rows, i, 5, a, &k->vmax, &k->no_max, &ignored);
    db_get_int4_array(rows, i, 6, a, &k->n, &k->no_n, &k->width);
    db_get_int4_array(rows, i, 7, a, &k->nd, &k->no_nd, &k->nd_count);
    db_get_int4_array(rows, i, 8, a, &k->bad, &k->no_bad, &k->bad_count);
    db_get_integer_array(rows, i, 9, a, &k->wide, &k->no_wide, &k->wide_count);
    db_get_int4_array(rows, i, 10, a, &k->late, &k->no_late, &k->late_count);
    db_get_int4_array(rows, i, 11, a, &k->suspect, &k->no_suspect, &k->suspect_count);
}

/* An element of an array that is absent where it is zero everywhere. */
static int32_t count_at(const int32_t *v, const bool *nulls, size_t count, size_t i)
{
    return i < count && !(nulls && nulls[i]) ? v[i] : 0;
}

static struct cell cell_of(const struct row_arrays *k, size_t i)
{
    struct cell c = {0};
    if (!k->no_n || !k->no_n[i])
        c.n = k->n[i];
    c.counter = i < k->nd_count && !(k->no_nd && k->no_nd[i]);
    c.m = c.counter ? k->nd[i] : c.n;
    c.bad = count_at(k->bad, k->no_bad, k->bad_count, i);
    c.late = count_at(k->late, k->no_late, k->late_count, i);
    c.suspect = count_at(k->suspect, k->no_suspect, k->suspect_count, i);
    if (c.m == 0)
        return c;
    if (k->no_total && k->no_total[i])
        c.total = i < k->wide_count ? k->wide[i] : 0;
    else
        c.total = k->total[i];
    c.vmin = k->vmin[i];
    c.vmax = k->vmax[i];
    return c;
}

static void take_rows(const struct db_rows *rows, struct arena *a, struct row_list *out)
{
    for (size_t i = 0; i < db_rows_count(rows); i++) {
        struct row_arrays k = {0};
        take_arrays(rows, i, a, &k);
        struct bucket_row *r = row_list_add(out, a, (int32_t)db_get_int(rows, i, 0), (int)db_get_int(rows, i, 1),
                                            db_get_time(rows, i, 2), (int)k.width);
        for (size_t c = 0; c < k.width; c++)
            r->cells[c] = cell_of(&k, c);
    }
}

static RESULT next_rows(struct rollup_store *s, struct arena *a, struct row_list *out)
{
    struct db_rows *rows = NULL;
    TRY(db_pipe_next(s->db, &rows));
    take_rows(rows, a, out);
    db_rows_free(&rows);
    return RESULT_OK;
}

static RESULT send_reads(struct rollup_store *s, const struct range_list *frames, const struct range_list levels[3],
                         struct arena *a)
{
    bind_ranges(s, frames, a);
    TRY(db_pipe_add(s->db, &FRAMES, &s->params));
    for (int i = 0; i < 3; i++) {
        bind_ranges(s, &levels[i], a);
        TRY(db_pipe_add(s->db, &LEVEL[i], &s->params));
    }
    return db_pipe_sync(s->db);
}

static RESULT read_all(struct rollup_store *s, struct arena *a, struct frame_list *out, struct row_list rows[3])
{
    struct db_rows *r = NULL;
    TRY(db_pipe_next(s->db, &r));
    take_frames(r, a, out);
    db_rows_free(&r);
    for (int i = 0; i < 3; i++)
        TRY(next_rows(s, a, &rows[i]));
    return RESULT_OK;
}

RESULT rollup_store_read(struct rollup_store *s, const struct range_list *frames, const struct range_list levels[3],
                         struct arena *a, struct frame_list *out, struct row_list rows[3])
{
    TRY(db_pipe_begin(s->db));
    struct result r = send_reads(s, frames, levels, a);
    if (result_ok(r))
        r = read_all(s, a, out, rows);
    return end_pipe(s->db, r);
}

RESULT rollup_store_level(struct rollup_store *s, int level, const struct range_list *ranges, struct arena *a,
                          struct row_list *out)
{
    bind_ranges(s, ranges, a);
    struct db_rows *rows = NULL;
    TRY(db_query(s->db, &LEVEL[level], &s->params, &rows));
    take_rows(rows, a, out);
    db_rows_free(&rows);
    return RESULT_OK;
}

RESULT rollup_store_frames(struct rollup_store *s, const struct range_list *ranges, struct arena *a,
                           struct frame_list *out)
{
    bind_ranges(s, ranges, a);
    struct db_rows *rows = NULL;
    TRY(db_query(s->db, &FRAMES, &s->params, &rows));
    take_frames(rows, a, out);
    db_rows_free(&rows);
    return RESULT_OK;
}

/* ---- writing ---- */

static bool fits64(dec128 v)
{
    return v >= INT64_MIN && v <= INT64_MAX;
}

struct out_arrays {
    int64_t total[PAGE_SLOTS], vmin[PAGE_SLOTS], vmax[PAGE_SLOTS];
    int32_t n[PAGE_SLOTS], nd[PAGE_SLOTS], bad[PAGE_SLOTS], late[PAGE_SLOTS], suspect[PAGE_SLOTS];
    dec128 wide[PAGE_SLOTS];
    bool no_total[PAGE_SLOTS], no_value[PAGE_SLOTS], no_n[PAGE_SLOTS], no_nd[PAGE_SLOTS], no_bad[PAGE_SLOTS],
        no_wide[PAGE_SLOTS], no_late[PAGE_SLOTS], no_suspect[PAGE_SLOTS];
    bool any_nd, any_bad, any_wide, any_late, any_suspect;
};

static void put_cell(struct out_arrays *o, int i, const struct cell *c)
{
    bool fits = fits64(c->total);
    o->no_value[i] = c->m == 0;
    o->no_total[i] = c->m == 0 || !fits;
    o->no_wide[i] = c->m == 0 || fits;
    o->no_n[i] = c->n == 0;
    o->no_nd[i] = !c->counter || c->n == 0;
    o->no_bad[i] = c->bad == 0;
    o->no_late[i] = c->late == 0;
    o->no_suspect[i] = c->suspect == 0;
    o->total[i] = fits ? (int64_t)c->total : 0;
    o->wide[i] = c->total;
    o->vmin[i] = c->vmin;
    o->vmax[i] = c->vmax;
    o->n[i] = c->n;
    o->nd[i] = c->m;
    o->bad[i] = c->bad;
    o->late[i] = c->late;
    o->suspect[i] = c->suspect;
    o->any_nd |= !o->no_nd[i];
    o->any_bad |= !o->no_bad[i];
    o->any_wide |= !o->no_wide[i];
    o->any_late |= !o->no_late[i];
    o->any_suspect |= !o->no_suspect[i];
}

/* NULL where nothing of the kind is in the page. */
static void put_counts(struct composite *c, bool any, const int32_t *v, const bool *nulls, size_t n)
{
    if (any)
        composite_int4_array(c, v, nulls, n);
    else
        composite_null(c, OID_INT4_ARRAY);
}

static void composite_bucket(struct composite *c, const struct bucket_row *r)
{
    struct out_arrays o;
    o.any_nd = o.any_bad = o.any_wide = o.any_late = o.any_suspect = false;
    for (int i = 0; i < r->width; i++)
        put_cell(&o, i, &r->cells[i]);
    size_t w = (size_t)r->width;
    composite_row(c, 12);
    composite_int4(c, r->unit_id);
    composite_int2(c, r->page);
    composite_time(c, r->ts);
    composite_int8_array(c, o.total, o.no_total, w);
    composite_int8_array(c, o.vmin, o.no_value, w);
    composite_int8_array(c, o.vmax, o.no_value, w);
    composite_int4_array(c, o.n, o.no_n, w);
    put_counts(c, o.any_nd, o.nd, o.no_nd, w);
    put_counts(c, o.any_bad, o.bad, o.no_bad, w);
    if (o.any_wide)
        composite_integer_array(c, o.wide, o.no_wide, w);
    else
        composite_null(c, OID_NUMERIC_ARRAY);
    put_counts(c, o.any_late, o.late, o.no_late, w);
    put_counts(c, o.any_suspect, o.suspect, o.no_suspect, w);
}

static RESULT add_rows(struct rollup_store *s, int level, const struct row_list *rows)
{
    TRY(composite_begin(&s->composite, s->db, "rollup_in"));
    for (size_t i = 0; i < rows->count; i++)
        composite_bucket(&s->composite, &rows->at[i]);
    db_params_reset(&s->params);
    composite_bind(&s->composite, &s->params);
    return db_pipe_add(s->db, &PUT_LEVEL[level], &s->params);
}

static RESULT add_unmark(struct rollup_store *s, const struct mark_list *marks)
{
    int32_t *unit = mem_array(marks->count + 1, sizeof *unit);
    int64_t *hour = mem_array(marks->count + 1, sizeof *hour);
    int64_t *id = mem_array(marks->count + 1, sizeof *id);
    for (size_t i = 0; i < marks->count; i++) {
        unit[i] = marks->at[i].unit_id;
        hour[i] = marks->at[i].hour;
        id[i] = marks->at[i].id;
    }
    db_params_reset(&s->params);
    db_bind_int4_array(&s->params, unit, NULL, marks->count);
    db_bind_time_array(&s->params, hour, marks->count);
    db_bind_int8_array(&s->params, id, NULL, marks->count);
    mem_free(unit);
    mem_free(hour);
    mem_free(id);
    return db_pipe_add(s->db, &UNMARK, &s->params);
}

static RESULT add_accounts(struct rollup_store *s, const struct account_list *days)
{
    int32_t *unit = mem_array(days->count, sizeof *unit), *ruled = mem_array(days->count, sizeof *ruled);
    int64_t *ts = mem_array(days->count, sizeof *ts), *upload = mem_array(days->count, sizeof *upload);
    bool *none = mem_array(days->count, sizeof *none);
    for (size_t i = 0; i < days->count; i++) {
        unit[i] = days->at[i].unit_id;
        ts[i] = days->at[i].ts;
        upload[i] = days->at[i].upload_id;
        none[i] = upload[i] == 0;
        ruled[i] = days->at[i].ruled;
    }
    db_params_reset(&s->params);
    db_bind_int4_array(&s->params, unit, NULL, days->count);
    db_bind_time_array(&s->params, ts, days->count);
    db_bind_int8_array(&s->params, upload, none, days->count);
    db_bind_int4_array(&s->params, ruled, NULL, days->count);
    mem_free(unit);
    mem_free(ts);
    mem_free(upload);
    mem_free(none);
    mem_free(ruled);
    return db_pipe_add(s->db, &ACCOUNT, &s->params);
}

static void composite_value(struct composite *c, bool present, dec128 value)
{
    if (present)
        composite_numeric(c, value);
    else
        composite_null(c, OID_NUMERIC);
}

/* The codes of sql/0011_energy.sql, as statType has them. */
static int16_t restated_code(enum granularity g)
{
    static const int16_t code[] = {[GRAN_DAY] = 1, [GRAN_MONTH] = 2, [GRAN_YEAR] = 3};
    return code[g];
}

static void bind_uploads(struct rollup_store *s, const struct mark_list *marks)
{
    int64_t *upload = mem_array(marks->count + 1, sizeof *upload);
    size_t n = 0;
    for (size_t i = 0; i < marks->count; i++)
        if (marks->at[i].upload_id != 0 && (n == 0 || upload[n - 1] != marks->at[i].upload_id))
            upload[n++] = marks->at[i].upload_id;
    db_bind_int8_array(&s->params, upload, NULL, n);
    mem_free(upload);
}

static RESULT add_restated(struct rollup_store *s, const struct restatement_list *list, const struct mark_list *marks)
{
    TRY(composite_begin(&s->composite, s->db, "restatement_in"));
    for (size_t i = 0; i < list->count; i++) {
        const struct restatement *r = &list->at[i];
        composite_row(&s->composite, 11);
        composite_int4(&s->composite, r->unit_id);
        composite_int2(&s->composite, restated_code(r->granularity));
        composite_time(&s->composite, r->ts);
        composite_time(&s->composite, period_next(r->granularity, r->ts));
        composite_int4(&s->composite, r->slot);
        composite_value(&s->composite, r->had_value, r->old_value);
        composite_value(&s->composite, r->has_value, r->new_value);
        composite_int4(&s->composite, r->old_n);
        composite_int4(&s->composite, r->new_n);
        if (r->upload_id)
            composite_int8(&s->composite, r->upload_id);
        else
            composite_null(&s->composite, OID_INT8);
        composite_text(&s->composite, r->reason);
    }
    db_params_reset(&s->params);
    composite_bind(&s->composite, &s->params);
    bind_uploads(s, marks);
    return db_pipe_add(s->db, &RESTATE, &s->params);
}

static RESULT send_finish(struct rollup_store *s, const struct slice_work *work, int *statements)
{
    for (int level = 0; level < 4; level++) {
        if (work->rows[level].count == 0)
            continue;
        TRY(add_rows(s, level, &work->rows[level]));
        ++*statements;
    }
    if (work->accounts->count > 0) {
        TRY(add_accounts(s, work->accounts));
        ++*statements;
    }
    if (work->restated->count > 0) {
        TRY(add_restated(s, work->restated, work->marks));
        ++*statements;
    }
    TRY(add_unmark(s, work->marks));
    TRY(db_pipe_add(s->db, &DB_COMMIT, NULL));
    *statements += 2;
    return db_pipe_sync(s->db);
}

RESULT rollup_store_finish(struct rollup_store *s, const struct slice_work *work)
{
    TRY(db_pipe_begin(s->db));
    int statements = 0;
    struct result r = send_finish(s, work, &statements);
    for (int i = 0; i < statements && result_ok(r); i++)
        r = db_pipe_next(s->db, NULL);
    return end_pipe(s->db, r);
}

/* ---- are the accounts right ---- */

static const struct db_stmt ACCOUNT_DIFFERENCES = {
    "rollup.account_differences", "SELECT ts, kind, what, coalesce(nullif(stored, ''), 'nothing'), "
                                  "coalesce(nullif(computed, ''), 'nothing') FROM energy_differences($1, $2, $3)"};

static bool follows_from_day(const struct db_rows *rows, size_t i, int32_t unit, const struct key_set *wrong_days)
{
    return strcmp(db_get_text(rows, i, 1), "month") != 0 && key_set_has(wrong_days, unit, db_get_time(rows, i, 0));
}

RESULT rollup_store_account_differences(struct rollup_store *s, int32_t unit, int64_t from, int64_t to,
                                        const struct key_set *wrong_days, struct buf *report, size_t most_lines,
                                        struct arena *a, struct key_set *days, int64_t *differences)
{
    char ts[CALTIME_TEXT];
    struct db_rows *rows = NULL;
    size_t lines = 0;
    db_params_reset(&s->params);
    db_bind_int4(&s->params, unit);
    db_bind_time(&s->params, from);
    db_bind_time(&s->params, to);
    TRY(db_query(s->db, &ACCOUNT_DIFFERENCES, &s->params, &rows));
    for (size_t i = 0; i < db_rows_count(rows); i++) {
        if (follows_from_day(rows, i, unit, wrong_days))
            continue;
        key_set_add(days, a, unit, db_get_time(rows, i, 0));
        if (lines++ < most_lines)
            buf_printf(report, "%s %s %s 存储 stored: %s 重算 computed: %s\n", db_get_text(rows, i, 1),
                       db_get_text(rows, i, 2), caltime_format(db_get_time(rows, i, 0), ts), db_get_text(rows, i, 3),
                       db_get_text(rows, i, 4));
    }
    *differences += (int64_t)lines;
    db_rows_free(&rows);
    return RESULT_OK;
}

/* ---- registers around a gap ---- */

static void bind_slot(struct rollup_store *s, int32_t unit, int32_t slot)
{
    db_params_reset(&s->params);
    db_bind_int4(&s->params, unit);
    db_bind_int2(&s->params, (int16_t)SLOT_PAGE(slot));
    db_bind_int4(&s->params, SLOT_INDEX(slot) + 1);
}

static RESULT probe_frames(struct rollup_store *s, const struct db_stmt *stmt, int32_t unit, int32_t slot, int64_t lo,
                           int64_t hi, bool *found, int64_t *ts, int64_t *value)
{
    bind_slot(s, unit, slot);
    db_bind_time(&s->params, lo);
    db_bind_time(&s->params, hi);
    struct db_rows *rows = NULL;
    TRY(db_query(s->db, stmt, &s->params, &rows));
    *found = db_rows_count(rows) == 1;
    if (*found) {
        *ts = db_get_time(rows, 0, 0);
        *value = db_get_int(rows, 0, 1);
    }
    db_rows_free(&rows);
    return RESULT_OK;
}

static RESULT probe_day(struct rollup_store *s, const struct db_stmt *stmt, int32_t unit, int32_t slot, int64_t ts,
                        bool *found, int64_t *day)
{
    bind_slot(s, unit, slot);
    db_bind_time(&s->params, ts);
    struct db_rows *rows = NULL;
    TRY(db_query(s->db, stmt, &s->params, &rows));
    *found = db_rows_count(rows) == 1;
    if (*found)
        *day = db_get_time(rows, 0, 0);
    db_rows_free(&rows);
    return RESULT_OK;
}

/* What was remembered when the readings went. */
static RESULT remembered(struct rollup_store *s, int32_t unit, int32_t slot, int64_t ts, bool *found, int64_t *when,
                         int64_t *value)
{
    *found = false;
    if (s->raw_from == INT64_MIN)
        return RESULT_OK;
    db_params_reset(&s->params);
    db_bind_int4(&s->params, unit);
    db_bind_int4(&s->params, slot);
    db_bind_time(&s->params, ts);
    struct db_rows *rows = NULL;
    TRY(db_query(s->db, &BASE, &s->params, &rows));
    *found = db_rows_count(rows) == 1;
    if (*found) {
        *when = db_get_time(rows, 0, 0);
        *value = db_get_int(rows, 0, 1);
    }
    db_rows_free(&rows);
    return RESULT_OK;
}

RESULT rollup_store_before(struct rollup_store *s, int32_t unit, int32_t slot, int64_t ts, bool *found, int64_t *when,
                           int64_t *value)
{
    int64_t day = period_start(GRAN_DAY, ts - 1);
    int64_t hi = ts;
    day = period_start(GRAN_DAY, day - 1); /* today and the day before without asking the rollup */
    for (int tries = 0; tries < MAX_PROBES; tries++) {
        int64_t lo = day > s->raw_from ? day : s->raw_from;
        TRY(probe_frames(s, &BEFORE_TODAY, unit, slot, lo, hi, found, when, value));
        if (*found)
            return RESULT_OK;
        hi = day;
        if (hi <= s->raw_from)
            break;
        TRY(probe_day(s, &DAY_BEFORE, unit, slot, hi, found, &day));
        if (!*found)
            break;
        if (tries + 1 == MAX_PROBES)
            TRY(probe_frames(s, &BEFORE_TODAY, unit, slot, s->raw_from, hi, found, when, value));
    }
    return *found ? RESULT_OK : remembered(s, unit, slot, ts, found, when, value);
}

RESULT rollup_store_after(struct rollup_store *s, int32_t unit, int32_t slot, int64_t ts, bool *found, int64_t *when)
{
    int64_t lo = ts;
    int64_t hi = period_next(GRAN_DAY, period_next(GRAN_DAY, period_start(GRAN_DAY, ts)));
    int64_t value = 0, day = 0;
    for (int tries = 0; tries < MAX_PROBES; tries++) {
        TRY(probe_frames(s, &AFTER_TODAY, unit, slot, lo, hi, found, when, &value));
        if (*found)
            return RESULT_OK;
        TRY(probe_day(s, &DAY_AFTER, unit, slot, hi, found, &day));
        if (!*found)
            return RESULT_OK;
        lo = day;
        hi = period_next(GRAN_DAY, day);
    }
    return probe_frames(s, &AFTER_TODAY, unit, slot, lo, INT64_MAX, found, when, &value);
}

RESULT rollup_store_next_frames(struct rollup_store *s, int32_t unit, int pages, int64_t from, struct arena *a,
                                struct frame_list *out)
{
    db_params_reset(&s->params);
    db_bind_int4(&s->params, unit);
    db_bind_int4(&s->params, pages);
    db_bind_time(&s->params, from);
    db_bind_int8(&s->params, NEXT_FRAMES);
    struct db_rows *rows = NULL;
    TRY(db_query(s->db, &NEXT, &s->params, &rows));
    take_frames(rows, a, out);
    db_rows_free(&rows);
    return RESULT_OK;
}

/* ---- who has marks, how long is the history ---- */

RESULT rollup_store_marked_units(struct rollup_store *s, int part, int parts, int32_t **units, size_t *count)
{
    db_params_reset(&s->params);
    db_bind_int4(&s->params, part);
    db_bind_int4(&s->params, parts);
    struct db_rows *rows = NULL;
    TRY(db_query(s->db, &MARKED, &s->params, &rows));
    *count = db_rows_count(rows);
    *units = mem_array(*count + 1, sizeof **units);
    for (size_t i = 0; i < *count; i++)
        (*units)[i] = (int32_t)db_get_int(rows, i, 0);
    db_rows_free(&rows);
    return RESULT_OK;
}

RESULT rollup_store_span(struct rollup_store *s, int32_t unit, bool *found, int64_t *first, int64_t *last)
{
    db_params_reset(&s->params);
    db_bind_int4(&s->params, unit);
    struct db_rows *rows = NULL;
    TRY(db_query(s->db, &SPAN, &s->params, &rows));
    *found = db_rows_count(rows) == 1 && !db_is_null(rows, 0, 0);
    if (*found) {
        *first = db_get_time(rows, 0, 0);
        *last = db_get_time(rows, 0, 1);
    }
    db_rows_free(&rows);
    return RESULT_OK;
}
