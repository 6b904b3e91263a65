/* QueryData: the page's series are read in order, several in one round trip, until the page is full. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "payload/datacode.h"
#include "query/cells.h"
#include "query/page.h"

#define SERIES_PER_TRIP 64
#define DAY_US (86400 * USEC_PER_SEC)

/* The subquery is a fence: an array is unpacked once per column, however often the column is named. */
#define ROLLUP_SQL(table)                                                                                              \
    "SELECT ts, n, nd, total, wide, vmin, vmax FROM (SELECT ts, n[$3] AS n, nd[$3] AS nd, total[$3] AS total,"         \
    " wide[$3] AS wide, vmin[$3] AS vmin, vmax[$3] AS vmax FROM " table                                                \
    " WHERE unit_id = $1 AND page = $2 AND ts >= $4 AND ts < $5 ORDER BY ts OFFSET 0) r"                               \
    " WHERE n > 0 ORDER BY ts LIMIT $6"
static const struct db_stmt HOURS = {"query.hours", ROLLUP_SQL("rollup_hour")};
static const struct db_stmt DAYS = {"query.days", ROLLUP_SQL("rollup_day")};
static const struct db_stmt ALL_DAYS = {"query.all_days", /* of a stretch that is wanted whole */
                                        "SELECT ts, n, nd, total, wide, vmin, vmax FROM item_days($1, $2, $3, $4, $5)"};
static const struct db_stmt MONTHS = {"query.months", ROLLUP_SQL("rollup_month")};
static const struct db_stmt YEARS = {"query.years", ROLLUP_SQL("rollup_year")};
static const struct db_stmt READINGS = {
    "query.readings", "SELECT ts, v FROM (SELECT ts, value[$3] AS v, coalesce(flag[$3], 0) AS f FROM reading_frame"
                      " WHERE unit_id = $1 AND page = $2 AND ts >= $4 AND ts < $5 ORDER BY ts OFFSET 0) r"
                      " WHERE v IS NOT NULL AND f & 1 = 0 ORDER BY ts LIMIT $6"};
static const struct db_stmt REPORTED = {
    "query.reported", "SELECT ts, v FROM (SELECT ts, value[$3] AS v, coalesce(flag[$3], 0) AS f FROM reported_frame"
                      " WHERE unit_id = $1 AND page = $2 AND ts >= $4 AND ts < $5 AND stat_type = $6"
                      " ORDER BY ts OFFSET 0) r WHERE v IS NOT NULL AND f & 1 = 0 ORDER BY ts"};
static const struct db_stmt COEFFICIENTS = {
    "query.coefficients", "SELECT valid_from, valid_to, tce * 1000000000000000000, co2 * 1000000000000000000"
                          " FROM unit_energy_coefficients($1, $2, $3) ORDER BY valid_from DESC"};

struct level {
    const struct db_stmt *stmt;
    bool merged; /* from all days of whole periods */
};
static const struct level LEVELS[] = {
    [GRAN_MINUTE] = {&READINGS, false}, [GRAN_HOUR] = {&HOURS, false},   [GRAN_DAY] = {&DAYS, false},
    [GRAN_WEEK] = {&ALL_DAYS, true},    [GRAN_MONTH] = {&MONTHS, false}, [GRAN_QUARTER] = {&ALL_DAYS, true},
    [GRAN_YEAR] = {&YEARS, false},
};

struct run {
    struct db *db;
    struct registry *registry;
    const struct data_question *q;
    struct arena *arena;
    struct data_answer *answer;
    const char **enterprises, **codes; /* sorted, each once */
    size_t enterprise_count, code_count;
    struct page page;
    size_t want;                               /* rows: the page and one more, which tells whether there is another */
    const char *after_enterprise, *after_code; /* NULL: from the beginning */
    int64_t after_ts;
    struct target *trip[SERIES_PER_TRIP];
    size_t trip_count, trip_max;
    struct db_params params;
};

/* ---- the question ---- */
static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static size_t sort_unique(const char **texts, size_t count)
{
    size_t kept = 0;
    qsort(texts, count, sizeof *texts, compare_texts);
    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || strcmp(texts[kept - 1], texts[i]) != 0) {
            texts[kept++] = texts[i];
        }
    }
    return kept;
}

static RESULT read_codes(struct run *run)
{
    const struct data_question *q = run->q;
    run->enterprises = arena_array(run->arena, q->enterprise_count + 1, sizeof(char *));
    for (size_t i = 0; i < q->enterprise_count; i++) {
        run->enterprises[i] = q->enterprise_codes[i];
    }
    run->enterprise_count = sort_unique(run->enterprises, q->enterprise_count);
    run->codes = arena_array(run->arena, q->data_code_count + 1, sizeof(char *));
    for (size_t i = 0; i < q->data_code_count; i++) {
        char *code = arena_alloc(run->arena, DATACODE_LEN + 1);
        if (!datacode_parse(q->data_codes[i], strlen(q->data_codes[i]), code)) {
            return result_error(ERR_SENDER, 3102, "查询的数据编码格式不对 / a data code of the question is malformed");
        }
        run->codes[i] = code;
    }
    run->code_count = sort_unique(run->codes, q->data_code_count);
    return RESULT_OK;
}

/* Equal questions have equal bytes, whatever the order of their lists; the page is no part of the question. */
static void describe_question(const struct run *run, struct buf *out)
{
    page_put_text(out, "data");
    page_put_number(out, run->q->granularity);
    page_put_number(out, run->q->from);
    page_put_number(out, run->q->to);
    page_put_number(out, (int64_t)run->enterprise_count);
    for (size_t i = 0; i < run->enterprise_count; i++) {
        page_put_text(out, run->enterprises[i]);
    }
    for (size_t i = 0; i < run->code_count; i++) {
        page_put_text(out, run->codes[i]);
    }
}

static RESULT read_position(struct run *run)
{
    size_t at = 0;
    if (!run->page.position) {
        return RESULT_OK;
    }
    if (!page_take_text(&run->page, &at, &run->after_enterprise) ||
        !page_take_text(&run->page, &at, &run->after_code) || !page_take_number(&run->page, &at, &run->after_ts)) {
        return result_error(ERR_SENDER, 2103, "pageToken不是本平台给出的 / pageToken is not one of this platform");
    }
    return RESULT_OK;
}

/* How many series one round trip may read without reading far more rows than the page holds. */
static void plan_trips(struct run *run)
{
    int64_t now = clock_now() + DAY_US, to = run->q->to < now ? run->q->to : now;
    static const int64_t seconds[] = {
        [GRAN_MINUTE] = 900,    [GRAN_HOUR] = 3600,     [GRAN_DAY] = 86400,    [GRAN_WEEK] = 86400,
        [GRAN_MONTH] = 2592000, [GRAN_QUARTER] = 86400, [GRAN_YEAR] = 31536000};
    int64_t span = to > run->q->from ? (to - run->q->from) / USEC_PER_SEC : 0;
    int64_t trips = (int64_t)run->want / (span / seconds[run->q->granularity] + 1) + 1;
    run->trip_max = trips < SERIES_PER_TRIP ? (size_t)trips : SERIES_PER_TRIP;
}

/* ---- reading one trip ---- */
static int64_t first_start(enum granularity g, int64_t from)
{
    int64_t start = period_start(g, from);
    return start < from ? period_next(g, start) : start;
}

static void bind_source(struct run *run, const struct target *t, const struct source *s, int64_t from, int64_t to)
{
    db_params_reset(&run->params);
    db_bind_int4(&run->params, t->unit_id);
    db_bind_int2(&run->params, (int16_t)SLOT_PAGE(s->slot));
    db_bind_int4(&run->params, SLOT_INDEX(s->slot) + 1);
    db_bind_time(&run->params, from);
    db_bind_time(&run->params, to);
}

/* Whether the page has room for all days of the stretch. For a few of them the index is read in their order. */
static bool wants_all_days(const struct run *run, int64_t from, int64_t to)
{
    int64_t now = clock_now() + DAY_US;
    to = to < now ? to : now;
    return run->q->granularity == GRAN_DAY && (to - from) / DAY_US < (int64_t)run->want;
}

static RESULT ask_live(struct run *run, const struct target *t)
{
    const struct level *level = &LEVELS[run->q->granularity];
    int64_t from = t->from, to = run->q->to;
    if (level->merged) { /* the days of whole periods */
        from = first_start(run->q->granularity, from);
        to = from < to ? period_next(run->q->granularity, period_start(run->q->granularity, to - 1)) : from;
    }
    bind_source(run, t, &t->live, from, to);
    if (level->merged || wants_all_days(run, from, to)) {
        return db_pipe_add(run->db, &ALL_DAYS, &run->params);
    }
    db_bind_int8(&run->params, (int64_t)run->want);
    return db_pipe_add(run->db, level->stmt, &run->params);
}

static RESULT ask_coefficients(struct run *run, const struct target *t, const struct source *s)
{
    db_params_reset(&run->params);
    db_bind_int4(&run->params, t->unit_id);
    db_bind_text(&run->params, t->data_code);
    db_bind_text(&run->params, s->unit);
    return db_pipe_add(run->db, &COEFFICIENTS, &run->params);
}

static RESULT ask(struct run *run, const struct target *t)
{
    if (t->live.present) {
        TRY(ask_live(run, t));
        TRY(ask_coefficients(run, t, &t->live));
    }
    if (t->reported.present) {
        bind_source(run, t, &t->reported, t->from, run->q->to);
        db_bind_int2(&run->params, (int16_t)reported_stat_type(run->q->granularity));
        TRY(db_pipe_add(run->db, &REPORTED, &run->params));
        TRY(ask_coefficients(run, t, &t->reported));
    }
    return RESULT_OK;
}

static RESULT take_coefficients(struct run *run, struct source *s)
{
    struct db_rows *rows;
    TRY(db_pipe_next(run->db, &rows));
    coefficients_from_rows(rows, run->arena, s);
    db_rows_free(&rows);
    return RESULT_OK;
}

static RESULT take_live(struct run *run, struct target *t, struct cell_list *cells)
{
    struct db_rows *rows;
    enum granularity g = run->q->granularity;
    TRY(db_pipe_next(run->db, &rows));
    struct cell_list stored = {0};
    if (g == GRAN_MINUTE) {
        cells_from_values(rows, run->arena, &stored);
    } else {
        cells_from_rollups(rows, run->arena, &stored);
    }
    db_rows_free(&rows);
    if (LEVELS[g].merged) {
        cells_merge(&stored, g, run->arena, cells);
    } else {
        *cells = stored;
    }
    return take_coefficients(run, &t->live);
}

static RESULT take_reported(struct run *run, struct target *t, struct cell_list *cells)
{
    struct db_rows *rows;
    TRY(db_pipe_next(run->db, &rows));
    cells_from_values(rows, run->arena, cells);
    db_rows_free(&rows);
    return take_coefficients(run, &t->reported);
}

static void add_row(struct run *run, struct data_row row)
{
    struct data_answer *answer = run->answer;
    if (answer->count < run->want) {
        *ARENA_PUSH(run->arena, answer->rows, answer->count, answer->cap) = row;
    }
}

/* Reported values stand only where nothing was computed. The computed rows may be cut at the number still wanted; then
 * the page is full before a reported value beyond the cut could come. */
static void add_rows(struct run *run, const struct target *t, const struct cell_list *live,
                     const struct cell_list *reported)
{
    enum granularity g = run->q->granularity;
    size_t i = 0;
    for (size_t j = 0; j < reported->count; j++) {
        for (; i < live->count && live->at[i].ts < reported->at[j].ts; i++) {
            add_row(run, row_of_cell(t, g, &live->at[i]));
        }
        if (i == live->count || live->at[i].ts != reported->at[j].ts) {
            add_row(run, row_of_reported(t, g, &reported->at[j]));
        }
    }
    for (; i < live->count; i++) {
        add_row(run, row_of_cell(t, g, &live->at[i]));
    }
}

static RESULT take(struct run *run, struct target *t)
{
    struct cell_list live = {0}, reported = {0};
    if (t->live.present) {
        TRY(take_live(run, t, &live));
    }
    if (t->reported.present) {
        TRY(take_reported(run, t, &reported));
    }
    add_rows(run, t, &live, &reported);
    return RESULT_OK;
}

static RESULT exchange(struct run *run)
{
    for (size_t i = 0; i < run->trip_count; i++) {
        TRY(ask(run, run->trip[i]));
    }
    TRY(db_pipe_sync(run->db));
    for (size_t i = 0; i < run->trip_count; i++) {
        TRY(take(run, run->trip[i]));
    }
    return RESULT_OK;
}

static RESULT make_trip(struct run *run)
{
    if (run->trip_count == 0) {
        return RESULT_OK;
    }
    TRY(db_pipe_begin(run->db));
    struct result r = exchange(run);
    struct result ended = db_pipe_end(run->db);
    run->trip_count = 0;
    return result_ok(r) ? ended : r;
}

/* ---- all series in order ---- */
static bool page_full(const struct run *run)
{
    return run->answer->count >= run->want || arena_exceeded(run->arena);
}

static RESULT add_series(struct run *run, struct target *t)
{
    int c = run->after_enterprise ? strcmp(t->enterprise_code, run->after_enterprise) : 1;
    int d = c == 0 ? strcmp(t->data_code, run->after_code) : c;
    if (d < 0) {
        return RESULT_OK;
    }
    if (d == 0) {
        t->from = run->after_ts + 1;
    }
    run->trip[run->trip_count++] = t;
    return run->trip_count == run->trip_max ? make_trip(run) : RESULT_OK;
}

static RESULT walk_unit(struct run *run, const char *code)
{
    struct unit *u = NULL;
    TRY(registry_unit(run->registry, run->db, code, &u));
    if (!u) {
        return RESULT_OK;
    }
    struct target *targets;
    size_t count;
    targets_of_unit(u, run->q, run->codes, run->code_count, run->arena, &targets, &count);
    unit_release(&u);
    for (size_t i = 0; i < count && !page_full(run); i++) {
        TRY(add_series(run, &targets[i]));
    }
    return RESULT_OK;
}

static RESULT walk(struct run *run)
{
    for (size_t i = 0; i < run->enterprise_count && !page_full(run); i++) {
        if (!run->after_enterprise || strcmp(run->enterprises[i], run->after_enterprise) >= 0) {
            TRY(walk_unit(run, run->enterprises[i]));
        }
    }
    TRY(page_full(run) ? RESULT_OK : make_trip(run));
    return arena_exceeded(run->arena)
               ? result_error(ERR_LIMIT, 1107, "结果过大，请减小分页 / the answer is too large: ask for smaller pages")
               : RESULT_OK;
}

/* One snapshot for the whole page: its rows were all true at the same moment. */
static RESULT walk_in_snapshot(struct run *run)
{
    TRY(db_begin_snapshot(run->db));
    struct result r = walk(run);
    db_rollback(run->db);
    return r;
}

static RESULT finish_page(struct run *run)
{
    struct data_answer *answer = run->answer;
    if (answer->count <= run->page.size) {
        return RESULT_OK;
    }
    answer->count = run->page.size;
    const struct data_row *last = &answer->rows[answer->count - 1];
    struct buf position = BUF_INIT;
    page_put_text(&position, last->enterprise_code);
    page_put_text(&position, last->data_code);
    page_put_number(&position, last->stat_date);
    struct result r = page_next(run->arena, &run->page, &position, &answer->next_token);
    buf_free(&position);
    return r;
}

static RESULT answer_question(struct run *run, const struct buf *question)
{
    TRY(page_open(run->arena, &run->q->page, question, &run->page));
    TRY(read_position(run));
    run->want = run->page.size + 1;
    if (run->q->from >= run->q->to) {
        return RESULT_OK;
    }
    plan_trips(run);
    TRY(walk_in_snapshot(run));
    return finish_page(run);
}

struct result query_data(struct db *db, struct registry *registry, const struct data_question *q, struct arena *arena,
                         struct data_answer *answer)
{
    *answer = (struct data_answer){0};
    struct run run = {.db = db, .registry = registry, .q = q, .arena = arena, .answer = answer};
    struct buf question = BUF_INIT;
    TRY(read_codes(&run));
    describe_question(&run, &question);
    db_params_init(&run.params);
    struct result r = answer_question(&run, &question);
    db_params_free(&run.params);
    buf_free(&question);
    return r;
}
