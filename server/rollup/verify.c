#include <string.h>

#include "base/caltime.h"
#include "rollup/calc.h"
#include "rollup/rollup.h"
#include "rollup/slice.h"
#include "validate/flags.h"

enum { LEVELS = 4, FLUSH_HOURS = 1024, QUIET_TRIES = 5, REPORT_LINES = 1000 };

static const enum granularity GRAN[LEVELS] = {GRAN_HOUR, GRAN_DAY, GRAN_MONTH, GRAN_YEAR};

struct verify {
    struct rollup_store store;
    struct unit *unit;
    struct registry *registry;
    struct buf *report;
    int64_t differences;
    int64_t from, to;                        /* whole days */
    struct arena *day, *month, *year, *keep; /* of one; of the whole run */
    struct key_set open[LEVELS];             /* periods with marks: not final, not compared */
    struct row_list days, months;            /* of the current month, of the current year */
    struct key_set repair, wrong_days;       /* what to mark; days whose rows differ: their accounts follow */
    bool *known;                             /* registers carried from day to day, by slot */
    int64_t *last, *when;
    struct replacement_list replacements;
};

/* ---- registers ---- */

static struct result carried(void *arg, int32_t unit, int32_t slot, int64_t ts, bool *found, int64_t *when,
                             int64_t *value)
{
    struct verify *v = arg;
    *found = v->known[slot];
    *value = v->last[slot];
    *when = v->when[slot];
    return *found ? RESULT_OK : rollup_store_before(&v->store, unit, slot, ts, found, when, value);
}

static void carry(struct verify *v, const struct frame_list *frames)
{
    for (size_t i = 0; i < frames->count; i++) {
        const struct stored_frame *f = &frames->at[i];
        for (int s = 0; s < f->width; s++) {
            int32_t slot = f->page * PAGE_SLOTS + s;
            bool there = !(f->missing && f->missing[s]) && !(f->flag && (f->flag[s] & FLAG_INVALID));
            if (!there || slot >= v->unit->slot_count)
                continue;
            v->known[slot] = true;
            v->last[slot] = f->value[s];
            v->when[slot] = f->ts;
        }
    }
}

/* ---- comparing ---- */

static void describe_cell(struct buf *b, const struct cell *c)
{
    char total[DECIMAL_TEXT];
    buf_printf(b, "合计 total=%s 个数 n=%d 有值 values=%d 无效 bad=%d 补传 late=%d 存疑 suspect=%d",
               decimal_format(c->total, total), c->n, c->m, c->bad, c->late, c->suspect);
}

static void note(struct verify *v, int level, const struct bucket_row *at, const struct bucket_row *stored,
                 const struct bucket_row *right)
{
    static const struct cell nothing;
    char ts[CALTIME_TEXT];
    for (int i = 0; i < PAGE_SLOTS; i++) {
        const struct cell *s = stored && i < stored->width ? &stored->cells[i] : &nothing;
        const struct cell *r = right && i < right->width ? &right->cells[i] : &nothing;
        if (cell_equal(s, r))
            continue;
        int32_t slot = at->page * PAGE_SLOTS + i;
        const struct item *item = slot < v->unit->slot_count ? v->unit->by_slot[slot] : NULL;
        if (v->differences++ >= REPORT_LINES)
            continue;
        buf_printf(v->report, "%s %s %s %s 存储 stored: ", v->unit->code, item ? item->data_code : "?",
                   granularity_name(GRAN[level]), caltime_format(at->ts, ts));
        describe_cell(v->report, s);
        buf_append_str(v->report, " 重算 computed: ");
        describe_cell(v->report, r);
        buf_append_char(v->report, '\n');
    }
    key_set_add(&v->repair, v->keep, v->unit->id, at->ts);
    if (GRAN[level] == GRAN_DAY)
        key_set_add(&v->wrong_days, v->keep, v->unit->id, at->ts);
}

static void compare_levels(struct verify *v, int level, const struct row_list *stored, const struct row_list *right)
{
    for (size_t i = 0; i < stored->count; i++) {
        const struct bucket_row *s = &stored->at[i];
        const struct bucket_row *r = row_list_find(right, s->unit_id, s->page, s->ts);
        bool same = r ? row_equal(s, r) : row_empty(s);
        if (!same && !key_set_has(&v->open[level], s->unit_id, s->ts))
            note(v, level, s, s, r);
    }
    for (size_t i = 0; i < right->count; i++) {
        const struct bucket_row *r = &right->at[i];
        bool missing = !row_empty(r) && !row_list_find(stored, r->unit_id, r->page, r->ts);
        if (missing && !key_set_has(&v->open[level], r->unit_id, r->ts))
            note(v, level, r, NULL, r);
    }
}

static RESULT compare_stored(struct verify *v, int level, int64_t lo, int64_t hi, const struct row_list *right)
{
    struct range range = {v->unit->id, lo, hi};
    struct range_list ranges = {&range, 1, 1};
    struct row_list stored = {0};
    TRY(rollup_store_level(&v->store, level, &ranges, v->day, &stored));
    compare_levels(v, level, &stored, right);
    return RESULT_OK;
}

/* ---- computing a day, a month, a year ---- */

static void keep_rows(struct arena *arena, const struct row_list *rows, struct row_list *kept)
{
    for (size_t i = 0; i < rows->count; i++) {
        const struct bucket_row *r = &rows->at[i];
        struct bucket_row *k = row_list_add(kept, arena, r->unit_id, r->page, r->ts, r->width);
        memcpy(k->cells, r->cells, (size_t)r->width * sizeof *k->cells);
    }
    row_list_sort(kept);
}

static void add_coarse(struct verify *v, struct row_list *days, const struct row_list *coarse)
{
    for (size_t i = 0; i < coarse->count; i++) {
        const struct bucket_row *c = &coarse->at[i];
        struct bucket_row *d = row_list_find(days, c->unit_id, c->page, c->ts);
        if (!d)
            d = row_list_add(days, v->day, c->unit_id, c->page, c->ts, c->width);
        row_merge(d, c, v->day);
        row_list_sort(days);
    }
}

static RESULT verify_day(struct verify *v, int64_t day)
{
    arena_reset(v->day);
    struct range range = {v->unit->id, day, period_next(GRAN_DAY, day)};
    struct range_list ranges = {&range, 1, 1};
    struct frame_list frames = {0};
    struct row_list hours = {0}, coarse = {0}, days = {0};
    struct key_set wanted_hours = {0}, wanted_days = {0};
    for (int64_t h = day; h < range.hi; h = period_next(GRAN_HOUR, h))
        key_set_add(&wanted_hours, v->day, v->unit->id, h);
    key_set_add(&wanted_days, v->day, v->unit->id, day);
    TRY(rollup_store_frames(&v->store, &ranges, v->day, &frames));
    struct calc calc = {.arena = v->day, .units = &v->unit, .unit_count = 1, .before = carried, .arg = v};
    calc.replacements = v->replacements;
    TRY(calc_frames(&calc, &frames, &ranges, &wanted_hours, &wanted_days, &hours, &coarse));
    carry(v, &frames);
    rows_roll(&hours, &wanted_days, GRAN_DAY, &days, v->day);
    add_coarse(v, &days, &coarse);
    TRY(compare_stored(v, 0, day, range.hi, &hours));
    TRY(compare_stored(v, 1, day, range.hi, &days));
    keep_rows(v->month, &days, &v->days);
    return RESULT_OK;
}

/* Rolls what was kept into one period, compares it when the period was covered whole, and keeps it for the next level.
 */
static RESULT close_period(struct verify *v, int level, int64_t start, struct row_list *lower, struct arena *arena,
                           struct row_list *upper)
{
    int64_t end = period_next(GRAN[level], start);
    struct key_set wanted = {0};
    struct row_list rows = {0};
    key_set_add(&wanted, arena, v->unit->id, start);
    rows_roll(lower, &wanted, GRAN[level], &rows, arena);
    if (v->from <= start && end <= v->to)
        TRY(compare_stored(v, level, start, end, &rows));
    if (upper)
        keep_rows(v->year, &rows, upper);
    *lower = (struct row_list){0};
    arena_reset(arena);
    return RESULT_OK;
}

static const struct db_stmt BUSY = {
    "rollup.busy", "SELECT EXISTS (SELECT FROM reading_frame WHERE unit_id = $1 AND ts >= $2 AND ts < $3) OR "
                   "EXISTS (SELECT FROM rollup_hour WHERE unit_id = $1 AND ts >= $2 AND ts < $3) OR "
                   "EXISTS (SELECT FROM rollup_day WHERE unit_id = $1 AND ts >= $2 AND ts < $3)"};

/* Is there anything in the month? Years between two stretches of history need not be walked day by day. */
static RESULT month_busy(struct verify *v, int64_t month, bool *busy)
{
    struct db_rows *rows = NULL;
    db_params_reset(&v->store.params);
    db_bind_int4(&v->store.params, v->unit->id);
    db_bind_time(&v->store.params, month);
    db_bind_time(&v->store.params, period_next(GRAN_MONTH, month));
    TRY(db_query(v->store.db, &BUSY, &v->store.params, &rows));
    *busy = db_get_bool(rows, 0, 0);
    db_rows_free(&rows);
    return RESULT_OK;
}

static RESULT verify_days(struct verify *v)
{
    bool busy = true;
    for (int64_t day = v->from; day < v->to;) {
        int64_t next = period_next(GRAN_DAY, day);
        if (day == v->from || day == period_start(GRAN_MONTH, day))
            TRY(month_busy(v, period_start(GRAN_MONTH, day), &busy));
        if (busy)
            TRY(verify_day(v, day));
        if (period_start(GRAN_MONTH, next) != period_start(GRAN_MONTH, day))
            TRY(close_period(v, 2, period_start(GRAN_MONTH, day), &v->days, v->month, &v->months));
        if (period_start(GRAN_YEAR, next) != period_start(GRAN_YEAR, day))
            TRY(close_period(v, 3, period_start(GRAN_YEAR, day), &v->months, v->year, NULL));
        day = next;
    }
    return RESULT_OK;
}

/* ---- marks that are still to be worked off ---- */

static RESULT flush_marks(struct verify *v)
{
    bool left = true;
    while (left)
        TRY(rollup_slice(v->store.db, v->registry, v->unit->id, FLUSH_HOURS, &left));
    return RESULT_OK;
}

static const struct db_stmt OPEN_HOURS = {"rollup.open_hours",
                                          "SELECT DISTINCT hour FROM rollup_mark WHERE unit_id = $1"};

static RESULT read_open(struct verify *v)
{
    struct db_rows *rows = NULL;
    db_params_reset(&v->store.params);
    db_bind_int4(&v->store.params, v->unit->id);
    TRY(db_query(v->store.db, &OPEN_HOURS, &v->store.params, &rows));
    for (int level = 0; level < LEVELS; level++) {
        v->open[level].count = 0;
        for (size_t i = 0; i < db_rows_count(rows); i++)
            key_set_add(&v->open[level], v->keep, v->unit->id, period_start(GRAN[level], db_get_time(rows, i, 0)));
        key_set_finish(&v->open[level]);
    }
    db_rows_free(&rows);
    return RESULT_OK;
}

/* A snapshot in which nothing is marked, if the enterprise gives us one; else marked periods are left out. */
static RESULT quiet_snapshot(struct verify *v)
{
    for (int tries = 0; tries < QUIET_TRIES; tries++) {
        TRY(flush_marks(v));
        TRY(db_begin_snapshot(v->store.db));
        TRY(read_open(v));
        if (v->open[0].count == 0 || tries == QUIET_TRIES - 1)
            break;
        db_rollback(v->store.db);
    }
    return RESULT_OK;
}

static RESULT choose_span(struct verify *v, int64_t from, int64_t to, bool *any)
{
    int64_t first = 0, last = 0;
    TRY(rollup_store_span(&v->store, v->unit->id, any, &first, &last));
    *any = *any && last >= v->store.raw_from;
    if (!*any)
        return RESULT_OK;
    first = period_start(GRAN_YEAR, first);
    first = first > v->store.raw_from ? first : v->store.raw_from; /* what lies before is frozen */
    last = period_next(GRAN_YEAR, period_start(GRAN_YEAR, last));
    v->from = period_start(GRAN_DAY, from > first ? from : first);
    v->to = to < last ? to : last;
    if (v->to != period_start(GRAN_DAY, v->to))
        v->to = period_next(GRAN_DAY, period_start(GRAN_DAY, v->to));
    return RESULT_OK;
}

/* A long report is cut; that is told, or what is repaired would be more than what was shown. */
static void tell_unlisted(struct verify *v, size_t from)
{
    int64_t listed = 0;
    for (const char *at = buf_str(v->report) + from; (at = strchr(at, '\n')) != NULL; at++)
        listed++;
    if (listed < v->differences)
        buf_printf(v->report, "另有 %lld 处未列出 / %lld more are not listed\n", (long long)(v->differences - listed),
                   (long long)(v->differences - listed));
}

static RESULT mark_and_record(struct verify *v, const struct rollup_repair *repair)
{
    for (size_t i = 0; i < v->repair.count; i++)
        TRY(rollup_store_mark(&v->store, v->unit->id, &v->repair.at[i].ts, 1));
    return repair->record ? repair->record(v->store.db, v->unit->code, v->differences, repair->arg) : RESULT_OK;
}

static RESULT apply(struct verify *v, const struct rollup_repair *repair)
{
    if (v->differences == 0)
        return RESULT_OK;
    TRY(db_begin(v->store.db));
    struct result r = mark_and_record(v, repair);
    r = result_ok(r) ? db_commit(v->store.db) : r;
    if (!result_ok(r))
        db_rollback(v->store.db);
    TRY(r);
    return flush_marks(v);
}

static RESULT run(struct verify *v, int64_t from, int64_t to, const struct rollup_repair *repair)
{
    bool any = false;
    TRY(quiet_snapshot(v));
    struct result r = rollup_store_raw_from(&v->store);
    if (result_ok(r))
        r = rollup_store_replacements(&v->store, v->unit->id, v->keep, &v->replacements);
    if (result_ok(r))
        r = choose_span(v, from, to, &any);
    if (result_ok(r) && any)
        r = verify_days(v);
    key_set_finish(&v->wrong_days);
    if (result_ok(r) && any)
        r = rollup_store_account_differences(&v->store, v->unit->id, v->from, v->to, &v->wrong_days, v->report,
                                             REPORT_LINES, v->keep, &v->repair, &v->differences);
    db_rollback(v->store.db); /* it only read */
    TRY(r);
    return repair ? apply(v, repair) : RESULT_OK;
}

/* While it lasts no readings are dropped. The lock is the session's: a snapshot taken under it knows what is gone. */
static RESULT run_undisturbed(struct verify *v, int64_t from, int64_t to, const struct rollup_repair *repair)
{
    TRY(db_exec(v->store.db, "SELECT pg_advisory_lock_shared(6, 0)"));
    struct result r = run(v, from, to, repair);
    struct result unlocked = db_exec(v->store.db, "SELECT pg_advisory_unlock_shared(6, 0)");
    return result_ok(r) ? unlocked : r;
}

RESULT rollup_verify(struct db *db, struct registry *registry, int32_t unit_id, int64_t from, int64_t to,
                     const struct rollup_repair *repair, struct buf *report, int64_t *differences)
{
    *differences = 0;
    struct verify v = {.registry = registry,
                       .report = report,
                       .day = arena_new(0),
                       .month = arena_new(0),
                       .year = arena_new(0),
                       .keep = arena_new(0)};
    rollup_store_init(&v.store, db);
    struct result r = registry_unit_by_id(registry, db, unit_id, &v.unit);
    size_t reported = report->len;
    if (result_ok(r) && v.unit) {
        v.known = arena_array(v.keep, (size_t)v.unit->slot_count + 1, sizeof *v.known);
        v.last = arena_array(v.keep, (size_t)v.unit->slot_count + 1, sizeof *v.last);
        v.when = arena_array(v.keep, (size_t)v.unit->slot_count + 1, sizeof *v.when);
        r = run_undisturbed(&v, from, to, repair);
        tell_unlisted(&v, reported);
        *differences = v.differences;
        unit_release(&v.unit);
    }
    rollup_store_free(&v.store);
    arena_free(&v.day);
    arena_free(&v.month);
    arena_free(&v.year);
    arena_free(&v.keep);
    return r;
}
