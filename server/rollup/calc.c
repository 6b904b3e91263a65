#include "rollup/calc.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "validate/flags.h"

bool item_is_coarse(const struct item *item)
{
    return item->period > 3600;
}

static int compare_unit(const void *key, const void *element)
{
    int32_t id = *(const int32_t *)key;
    const struct unit *u = *(struct unit *const *)element;
    return id < u->id ? -1 : id > u->id;
}

const struct unit *calc_unit(const struct calc *c, int32_t unit_id)
{
    struct unit *const *u =
        c->unit_count ? bsearch(&unit_id, c->units, c->unit_count, sizeof(struct unit *), compare_unit) : NULL;
    return u ? *u : NULL;
}

/* What is carried from frame to frame of one page: the rows being filled and the registers. */
struct walk {
    struct calc *c;
    const struct unit *unit;
    const struct range *range;
    struct bucket_row *hour, *day;
    bool known[PAGE_SLOTS];
    int64_t last[PAGE_SLOTS], when[PAGE_SLOTS];
    bool asked[PAGE_SLOTS];
};

static const struct item *item_at(const struct unit *u, int page, int index)
{
    int32_t slot = page * PAGE_SLOTS + index;
    return u && slot < u->slot_count ? u->by_slot[slot] : NULL;
}

/* The register before this reading. At the first one of a stretch the database is asked as well: it knows of readings
 * between the stretches, but not yet of those this very run is about to roll up. The later of the two counts. */
static RESULT register_before(struct walk *w, const struct stored_frame *f, int i)
{
    if (w->asked[i] || (w->known[i] && w->when[i] >= w->range->lo))
        return RESULT_OK;
    w->asked[i] = true;
    bool found = false;
    int64_t when = 0, value = 0;
    TRY(w->c->before(w->c->arg, f->unit_id, f->page * PAGE_SLOTS + i, w->range->lo, &found, &when, &value));
    if (!found || (w->known[i] && w->when[i] >= when))
        return RESULT_OK;
    w->known[i] = true;
    w->when[i] = when;
    w->last[i] = value;
    return RESULT_OK;
}

static bool add_step(int64_t before, int64_t now, const struct item *item, int64_t *used)
{
    int64_t difference = 0;
    if (counter_difference(before, now, item->counter_max, &difference) == COUNTER_RESET)
        return false;
    *used += difference;
    return true;
}

/* What the register says was used since the reading before. false: it was reset. */
static bool used_since(const struct walk *w, const struct stored_frame *f, int i, const struct item *item,
                       int64_t *used)
{
    const struct replacement_list *l = &w->c->replacements;
    int64_t period = item->period * USEC_PER_SEC, before = w->last[i];
    bool any = false;
    *used = 0;
    for (size_t n = 0; n < l->count; n++) {
        const struct meter_replacement *r = &l->at[n];
        bool between = r->at >= w->when[i] + period && r->at < f->ts + period;
        if (!between || r->unit_id != f->unit_id || r->slot != f->page * PAGE_SLOTS + i)
            continue;
        any |= add_step(before, r->final_old, item, used);
        before = r->first_new;
    }
    return add_step(before, f->value[i], item, used) || any;
}

static RESULT add_register(struct walk *w, const struct stored_frame *f, int i, const struct item *item,
                           struct cell *cell)
{
    int64_t difference = 0;
    if (cell) { /* a reading that only leads up to the wanted periods needs no predecessor */
        TRY(register_before(w, f, i));
        cell->counter = true;
    }
    if (cell && w->known[i] && used_since(w, f, i, item, &difference))
        cell_add(cell, difference);
    w->known[i] = true;
    w->when[i] = f->ts;
    w->last[i] = f->value[i];
    return RESULT_OK;
}

/* Invalid readings came late or in time, and are doubted or not, like valid ones. */
static void count_flags(struct cell *cell, int flag)
{
    cell->late += (flag & FLAG_LATE) != 0;
    cell->suspect += (flag & FLAG_SUSPECT_MASK) != 0;
}

static RESULT add_slot(struct walk *w, const struct stored_frame *f, int i)
{
    const struct item *item = item_at(w->unit, f->page, i);
    if (!item || (f->missing && f->missing[i]))
        return RESULT_OK;
    struct bucket_row *row = item_is_coarse(item) ? w->day : w->hour;
    struct cell *cell = row ? &row->cells[i] : NULL;
    if (cell && f->flag)
        count_flags(cell, f->flag[i]);
    if (f->flag && (f->flag[i] & FLAG_INVALID)) {
        if (cell)
            cell->bad++;
        return RESULT_OK;
    }
    if (cell)
        cell->n++;
    if (item->aggregation == AGG_COUNTER)
        return add_register(w, f, i, item, cell);
    if (cell)
        cell_add(cell, f->value[i]);
    return RESULT_OK;
}

static struct bucket_row *row_for(struct row_list *list, struct calc *c, const struct stored_frame *f, int64_t start,
                                  const struct key_set *wanted)
{
    struct bucket_row *last = list->count ? &list->at[list->count - 1] : NULL;
    if (last && last->unit_id == f->unit_id && last->page == f->page && last->ts == start) {
        row_widen(last, f->width, c->arena);
        return last;
    }
    if (!key_set_has(wanted, f->unit_id, start))
        return NULL;
    return row_list_add(list, c->arena, f->unit_id, f->page, start, f->width);
}

static bool same_page(const struct stored_frame *a, const struct stored_frame *b)
{
    return a->unit_id == b->unit_id && a->page == b->page;
}

/* The stretch a frame belongs to: frames and ranges are both sorted, but pages repeat the ranges. */
static const struct range *range_of(const struct range_list *ranges, const struct stored_frame *f)
{
    size_t lo = 0, hi = ranges->count;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        const struct range *r = &ranges->at[mid];
        if (r->unit_id < f->unit_id || (r->unit_id == f->unit_id && r->hi <= f->ts))
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < ranges->count ? &ranges->at[lo] : NULL;
}

static void enter_range(struct walk *w, const struct range *range)
{
    w->range = range;
    memset(w->asked, 0, sizeof w->asked);
}

RESULT calc_frames(struct calc *c, const struct frame_list *frames, const struct range_list *ranges,
                   const struct key_set *wanted_hours, const struct key_set *wanted_days, struct row_list *hours,
                   struct row_list *coarse_days)
{
    struct walk w = {.c = c};
    for (size_t i = 0; i < frames->count; i++) {
        const struct stored_frame *f = &frames->at[i];
        if (i == 0 || !same_page(&frames->at[i - 1], f)) {
            w.unit = calc_unit(c, f->unit_id);
            memset(w.known, 0, sizeof w.known);
            w.range = NULL;
        }
        if (!w.range || f->ts >= w.range->hi)
            enter_range(&w, range_of(ranges, f));
        w.hour = row_for(hours, c, f, period_start(GRAN_HOUR, f->ts), wanted_hours);
        w.day = row_for(coarse_days, c, f, period_start(GRAN_DAY, f->ts), wanted_days);
        for (int s = 0; s < f->width; s++)
            TRY(add_slot(&w, f, s));
    }
    row_list_sort(hours);
    row_list_sort(coarse_days);
    return RESULT_OK;
}
