#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "rollup/calc.h"
#include "rollup/cause.h"
#include "rollup/restate.h"
#include "rollup/slice.h"
#include "validate/flags.h"

struct slice {
    struct rollup_store *store;
    struct arena *arena;
    struct calc calc;
    struct mark_list marks;
    struct key_set hours, days, months, years;
    struct key_set frozen; /* days that are marked and not computed again: their accounts may have other coefficients */
    struct range_list frame_ranges;
    struct cause_list causes; /* finished: of the marks; after cascade also of the hours that follow */
    struct account_list accounts;
    struct restatement_list restated;
};

static struct result ask_before(void *arg, int32_t unit, int32_t slot, int64_t ts, bool *found, int64_t *when,
                                int64_t *value)
{
    return rollup_store_before(arg, unit, slot, ts, found, when, value);
}

/* ---- which hours ---- */

/* A reading that came after its time was over: what the period added up to cannot be computed from it alone, and stays.
 */
static void tell_frozen(const struct slice *s, size_t frozen)
{
    if (frozen > 0)
        log_write(LOG_WARN, "rollup", "frozen", "unit=%d marks=%zu", (int)s->marks.at[0].unit_id, frozen);
}

/* At least 1. */
static size_t unit_count(const struct mark_list *marks)
{
    size_t n = marks->count == 0;
    for (size_t i = 0; i < marks->count; i++)
        n += i == 0 || marks->at[i].unit_id != marks->at[i - 1].unit_id;
    return n;
}

/* Takes marks until an enterprise has so many hours, or all have so many together. Marks come by enterprise, newest
 * hour first. Those of hours whose readings are gone are taken and lead to no rows. */
static void take_hours(struct slice *s, bool *taken, size_t per_unit, size_t together)
{
    size_t of_unit = 0;
    for (size_t i = 0; i < s->marks.count; i++) {
        const struct mark *m = &s->marks.at[i];
        bool same_unit = i > 0 && m[-1].unit_id == m->unit_id;
        of_unit = same_unit ? of_unit : 0;
        if (same_unit && m[-1].hour == m->hour) {
            taken[i] = taken[i - 1];
        } else if (m->hour < s->store->raw_from) {
            taken[i] = true;
        } else if (taken[i] || (of_unit < per_unit && s->hours.count < together)) {
            if (!taken[i])
                key_set_add(&s->hours, s->arena, m->unit_id, m->hour);
            taken[i] = true;
            of_unit++;
        }
    }
}

/* Every enterprise has its share of the slice, so that one's backlog does not keep the others from being current; what
 * is left is for the backlogs. Marks that are not taken stay for the next slice. */
static bool choose_hours(struct slice *s, size_t max_hours)
{
    size_t kept = 0, frozen = 0, marks = s->marks.count, units = unit_count(&s->marks);
    bool *taken = arena_array(s->arena, marks + 1, sizeof *taken);
    take_hours(s, taken, max_hours > units ? max_hours / units : 1, SIZE_MAX);
    take_hours(s, taken, SIZE_MAX, max_hours);
    for (size_t i = 0; i < marks; i++) {
        if (!taken[i])
            continue;
        const struct mark *m = &s->marks.at[i];
        if (m->hour < s->store->raw_from) {
            key_set_add(&s->frozen, s->arena, m->unit_id, period_start(GRAN_DAY, m->hour));
            frozen++;
        }
        cause_add(&s->causes, s->arena, m);
        s->marks.at[kept++] = *m;
    }
    cause_finish(&s->causes);
    s->marks.count = kept;
    key_set_finish(&s->frozen);
    tell_frozen(s, frozen);
    key_set_finish(&s->hours);
    return kept < marks;
}

static bool has_counters(const struct unit *u)
{
    for (size_t i = 0; u && i < u->item_count; i++)
        if (u->items[i].stat_type == 0 && u->items[i].aggregation == AGG_COUNTER)
            return true;
    return false;
}

static bool has_coarse(const struct unit *u)
{
    for (size_t i = 0; u && i < u->item_count; i++)
        if (u->items[i].stat_type == 0 && item_is_coarse(&u->items[i]))
            return true;
    return false;
}

/* Energies, working substances and their coefficients: classes 01-03 and 05-07 of the plant. */
static bool item_is_accounted(const struct item *item)
{
    char class = item->data_code[9];
    return item->scope == 1 && item->data_code[8] == '0' && class >= '1' && class <= '7' && class != '4';
}

static bool has_accounts(const struct unit *u)
{
    for (size_t i = 0; u && i < u->item_count; i++)
        if (item_is_accounted(&u->items[i]))
            return true;
    return false;
}

static void add_account(struct slice *s, struct bucket_key day)
{
    int64_t end = period_next(GRAN_DAY, day.ts);
    const struct mark *mark = cause_of_account(&s->causes, day.unit_id, day.ts, end);
    *ARENA_PUSH(s->arena, s->accounts.at, s->accounts.count, s->accounts.cap) =
        (struct account){.unit_id = day.unit_id,
                         .ts = day.ts,
                         .upload_id = mark ? mark->upload_id : 0,
                         .ruled = cause_is_ruled(&s->causes, day.unit_id, day.ts, end)};
}

static void add_accounts(struct slice *s, const struct key_set *days)
{
    const struct unit *unit = NULL;
    bool accounted = false;
    for (size_t i = 0; i < days->count; i++) {
        struct bucket_key key = days->at[i];
        if (!unit || unit->id != key.unit_id) {
            unit = calc_unit(&s->calc, key.unit_id);
            accounted = has_accounts(unit);
        }
        if (accounted)
            add_account(s, key);
    }
}

/* The days whose energy accounts follow from rows of this slice, and frozen ones, whose rows stay; an enterprise
 * without energies costs nothing. */
static void choose_accounts(struct slice *s)
{
    add_accounts(s, &s->days);
    add_accounts(s, &s->frozen);
}

/* Where the item's next valid reading is, as far as the frames tell. *all: the page has no frame beyond them. */
static bool next_in_frames(const struct frame_list *frames, const struct item *item, int64_t *when, bool *all)
{
    int count = 0;
    int index = SLOT_INDEX(item->slot);
    for (size_t i = 0; i < frames->count; i++) {
        const struct stored_frame *f = &frames->at[i];
        if (f->page != SLOT_PAGE(item->slot))
            continue;
        count++;
        bool there = index < f->width && !(f->missing && f->missing[index]);
        if (!there || (f->flag && (f->flag[index] & FLAG_INVALID)))
            continue;
        *when = f->ts;
        return true;
    }
    *all = count < NEXT_FRAMES;
    return false;
}

/* Each hour once: registers mostly go on in the same. */
static void add_following(struct slice *s, struct cause_list *l, const struct mark *mark, int64_t hour)
{
    if (!mark || (l->count > 0 && l->at[l->count - 1].unit_id == mark->unit_id && l->at[l->count - 1].hour == hour))
        return;
    struct mark next = *mark;
    next.hour = hour;
    cause_add(l, s->arena, &next);
}

/* A register's late reading changes the difference of the next one: its hour is computed again too. At the live edge
 * there is nothing after, and one question settles it. */
static RESULT add_next_hours(struct slice *s, const struct unit *u, int64_t hi, struct cause_list *following)
{
    struct frame_list frames = {0};
    const struct mark *mark = cause_of_value(&s->causes, u->id, period_start(GRAN_HOUR, hi - 1), hi);
    TRY(rollup_store_next_frames(s->store, u->id, SLOT_PAGE(u->slot_count - 1) + 1, hi, s->arena, &frames));
    for (size_t i = 0; i < u->item_count && frames.count > 0; i++) {
        const struct item *item = &u->items[i];
        if (item->stat_type != 0 || item->aggregation != AGG_COUNTER)
            continue;
        bool all = false;
        int64_t when = 0;
        bool found = next_in_frames(&frames, item, &when, &all);
        if (!found && !all)
            TRY(rollup_store_after(s->store, u->id, item->slot, hi, &found, &when));
        if (found) {
            key_set_add(&s->hours, s->arena, u->id, period_start(GRAN_HOUR, when));
            add_following(s, following, mark, period_start(GRAN_HOUR, when));
        }
    }
    return RESULT_OK;
}

static RESULT cascade(struct slice *s)
{
    size_t marked = s->hours.count;
    struct cause_list following = {0};
    const struct unit *unit = NULL;
    bool counters = false;
    for (size_t i = 0; i < marked; i++) {
        struct bucket_key key = s->hours.at[i];
        if (!unit || unit->id != key.unit_id) {
            unit = calc_unit(&s->calc, key.unit_id);
            counters = has_counters(unit);
        }
        int64_t hi = period_next(GRAN_HOUR, key.ts);
        bool next_marked = i + 1 < marked && s->hours.at[i + 1].unit_id == key.unit_id && s->hours.at[i + 1].ts == hi;
        if (counters && !next_marked)
            TRY(add_next_hours(s, unit, hi, &following));
    }
    for (size_t i = 0; i < following.count; i++)
        cause_add(&s->causes, s->arena, &following.at[i]);
    cause_finish(&s->causes);
    key_set_finish(&s->hours);
    return RESULT_OK;
}

static void derive(const struct key_set *from, enum granularity g, struct key_set *to, struct arena *a)
{
    for (size_t i = 0; i < from->count; i++)
        key_set_add(to, a, from->at[i].unit_id, period_start(g, from->at[i].ts));
    key_set_finish(to);
}

static void add_range(struct range_list *l, struct arena *a, int32_t unit, int64_t lo, int64_t hi)
{
    struct range *last = l->count ? &l->at[l->count - 1] : NULL;
    if (last && last->unit_id == unit && last->hi >= lo) {
        if (hi > last->hi)
            last->hi = hi;
        return;
    }
    *ARENA_PUSH(a, l->at, l->count, l->cap) = (struct range){unit, lo, hi};
}

static void ranges_of(const struct key_set *keys, enum granularity g, struct range_list *out, struct arena *a)
{
    for (size_t i = 0; i < keys->count; i++)
        add_range(out, a, keys->at[i].unit_id, keys->at[i].ts, period_next(g, keys->at[i].ts));
}

/* Frames are needed for the hours; for enterprises with daily items for their whole days; for registers the hour before
 * as well, so that the reading before is nearly always at hand. */
static void frame_ranges(struct slice *s)
{
    const struct unit *unit = NULL;
    bool coarse = false, counters = false;
    for (size_t i = 0; i < s->hours.count; i++) {
        struct bucket_key key = s->hours.at[i];
        if (!unit || unit->id != key.unit_id) {
            unit = calc_unit(&s->calc, key.unit_id);
            coarse = has_coarse(unit);
            counters = has_counters(unit);
        }
        enum granularity g = coarse ? GRAN_DAY : GRAN_HOUR;
        int64_t start = period_start(g, key.ts);
        int64_t lo = counters ? period_start(GRAN_HOUR, start - 1) : start;
        lo = lo > s->store->raw_from ? lo : s->store->raw_from; /* what came late for a time that is over is no base */
        add_range(&s->frame_ranges, s->arena, key.unit_id, lo, period_next(g, start));
    }
}

/* ---- computing ---- */

static int compare_unit_id(const void *a, const void *b)
{
    int32_t x = (*(struct unit *const *)a)->id;
    int32_t y = (*(struct unit *const *)b)->id;
    return x < y ? -1 : x > y;
}

/* A period without a reading and without a stored row needs none. */
static void drop_needless(struct row_list *fresh, const struct row_list *stored)
{
    size_t kept = 0;
    for (size_t i = 0; i < fresh->count; i++) {
        const struct bucket_row *r = &fresh->at[i];
        if (!row_empty(r) || row_list_find(stored, r->unit_id, r->page, r->ts))
            fresh->at[kept++] = *r;
    }
    fresh->count = kept;
}

/* The stored rows of a level with those that were computed anew in their place. A stored row whose period was
 * recomputed but got no row has lost its last reading: it is written empty. */
static void replace_rows(struct slice *s, struct row_list *stored, const struct key_set *recomputed,
                         struct row_list *fresh, struct row_list *all)
{
    size_t fresh_count = fresh->count;
    for (size_t i = 0; i < stored->count; i++) {
        struct bucket_row *r = &stored->at[i];
        if (!key_set_has(recomputed, r->unit_id, r->ts)) {
            *ARENA_PUSH(s->arena, all->at, all->count, all->cap) = *r;
            continue;
        }
        struct row_list known = {fresh->at, fresh_count, fresh_count};
        if (!row_list_find(&known, r->unit_id, r->page, r->ts))
            row_list_add(fresh, s->arena, r->unit_id, r->page, r->ts, r->width);
    }
    row_list_sort(fresh);
    drop_needless(fresh, stored);
    for (size_t i = 0; i < fresh->count; i++)
        *ARENA_PUSH(s->arena, all->at, all->count, all->cap) = fresh->at[i];
    row_list_sort(all);
}

/* Days: from hours, and the coarse items' part from their readings. */
static void join_coarse(struct slice *s, struct row_list *days, const struct row_list *coarse)
{
    size_t count = days->count;
    for (size_t i = 0; i < coarse->count; i++) {
        const struct bucket_row *c = &coarse->at[i];
        struct row_list known = {days->at, count, count};
        struct bucket_row *d = row_list_find(&known, c->unit_id, c->page, c->ts);
        if (!d)
            d = row_list_add(days, s->arena, c->unit_id, c->page, c->ts, c->width);
        row_merge(d, c, s->arena);
    }
    row_list_sort(days);
}

static RESULT compute(struct slice *s, struct row_list out[4])
{
    struct range_list levels[3] = {{0}};
    struct frame_list frames = {0};
    struct row_list stored[3] = {{0}};
    struct row_list all[3] = {{0}};
    struct row_list coarse = {0};
    ranges_of(&s->days, GRAN_DAY, &levels[0], s->arena);
    ranges_of(&s->months, GRAN_MONTH, &levels[1], s->arena);
    ranges_of(&s->years, GRAN_YEAR, &levels[2], s->arena);
    TRY(rollup_store_read(s->store, &s->frame_ranges, levels, s->arena, &frames, stored));
    TRY(calc_frames(&s->calc, &frames, &s->frame_ranges, &s->hours, &s->days, &out[0], &coarse));
    replace_rows(s, &stored[0], &s->hours, &out[0], &all[0]);
    rows_roll(&all[0], &s->days, GRAN_DAY, &out[1], s->arena);
    join_coarse(s, &out[1], &coarse);
    replace_rows(s, &stored[1], &s->days, &out[1], &all[1]);
    rows_roll(&all[1], &s->months, GRAN_MONTH, &out[2], s->arena);
    replace_rows(s, &stored[2], &s->months, &out[2], &all[2]);
    rows_roll(&all[2], &s->years, GRAN_YEAR, &out[3], s->arena);
    restate_rows(&s->calc, &s->causes, &s->years, stored, out, &s->restated);
    return RESULT_OK;
}

/* The enterprises as the marks need them: a configuration that committed before a mark is never newer than ours. */
static RESULT take_units(struct slice *s, struct registry *registry, const struct unit_version *versions, size_t count)
{
    s->calc.units = arena_array(s->arena, count + 1, sizeof *s->calc.units);
    for (size_t i = 0; i < count; i++) {
        struct unit *u = NULL;
        TRY(registry_unit_by_id(registry, s->store->db, versions[i].unit_id, &u));
        if (u && u->config_version < versions[i].config_version) {
            unit_release(&u);
            TRY(registry_reload_unit(registry, s->store->db, versions[i].code));
            TRY(registry_unit_by_id(registry, s->store->db, versions[i].unit_id, &u));
        }
        if (u)
            s->calc.units[s->calc.unit_count++] = u;
    }
    qsort(s->calc.units, s->calc.unit_count, sizeof *s->calc.units, compare_unit_id);
    return RESULT_OK;
}

static RESULT run(struct slice *s, struct registry *registry, const int32_t *units, size_t count, int max_hours,
                  bool *left)
{
    struct slice_start start = {0};
    TRY(rollup_store_begin(s->store, units, count, max_hours * 4, s->arena, &start));
    TRY(take_units(s, registry, start.versions, start.known));
    s->marks = start.marks;
    s->calc.replacements = start.replacements;
    *left = choose_hours(s, (size_t)max_hours) || s->marks.count >= (size_t)max_hours * 4;
    if (s->marks.count == 0) {
        db_rollback(s->store->db);
        return RESULT_OK;
    }
    TRY(cascade(s));
    derive(&s->hours, GRAN_DAY, &s->days, s->arena);
    derive(&s->days, GRAN_MONTH, &s->months, s->arena);
    derive(&s->months, GRAN_YEAR, &s->years, s->arena);
    frame_ranges(s);
    struct row_list out[4] = {{0}};
    TRY(compute(s, out));
    choose_accounts(s);
    struct slice_work work = {out, &s->accounts, &s->restated, &s->marks};
    return rollup_store_finish(s->store, &work);
}

RESULT slice_run(struct rollup_store *store, struct registry *registry, const int32_t *units, size_t count,
                 int max_hours, struct arena *arena, bool *left, size_t *hours)
{
    struct slice s = {.store = store, .arena = arena};
    s.calc = (struct calc){.arena = arena, .before = ask_before, .arg = store};
    *left = false;
    struct result r = run(&s, registry, units, count, max_hours, left);
    if (!result_ok(r))
        db_rollback(store->db);
    *hours = result_ok(r) ? s.hours.count : 0;
    for (size_t i = 0; i < s.calc.unit_count; i++)
        unit_release(&s.calc.units[i]);
    return r;
}
