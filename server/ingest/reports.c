#include "ingest/reports.h"

#include <string.h>

#include "base/caltime.h"
#include "base/clock.h"
#include "ingest/past_store.h"

/* So many reported values, periods asked about, and stored readings looked at for one upload. */
enum { MOST_VALUES = 500, MOST_KEYS = 20000, MOST_FRAMES = 200000 };

static const enum granularity PERIOD[] = {GRAN_MINUTE, GRAN_DAY, GRAN_MONTH, GRAN_YEAR}; /* by statType */

/* ---- which periods of which reported items the upload touches ---- */

struct siblings { /* of a real-time item: the reported items of the same code, and the last period noted of each */
    const struct item *item[4];
    int64_t noted[4];
};

struct touch {
    struct reports *r;
    const struct unit *unit;
    struct siblings *by_slot; /* of the enterprise's real-time items; NULL: nothing is reported beside any */
    struct report_key *keys, *registers;
    size_t count, cap, register_count, register_cap;
};

/* Items are sorted by code and statType: what belongs together lies together. */
static void find_siblings(struct touch *t)
{
    const struct unit *u = t->unit;
    const struct item *real_time = NULL;
    for (size_t i = 0; i < u->item_count; i++) {
        const struct item *item = &u->items[i];
        if (item->stat_type == 0) {
            real_time = item;
            continue;
        }
        if (!real_time || strcmp(real_time->data_code, item->data_code) != 0)
            continue;
        if (!t->by_slot)
            t->by_slot = arena_array(t->r->plan->arena, (size_t)u->slot_count + 1, sizeof *t->by_slot);
        t->by_slot[real_time->slot].item[item->stat_type] = item;
        t->by_slot[real_time->slot].noted[item->stat_type] = INT64_MIN;
    }
}

/* The reported periods in which an instant of the item lies. Frames of a page come in order of time. */
static void note_periods(struct touch *t, int32_t slot, int64_t ts, const struct reading *by)
{
    struct siblings *s = &t->by_slot[slot];
    for (int type = 1; type <= 3; type++) {
        int64_t start = s->item[type] ? period_start(PERIOD[type], ts) : 0;
        if (!s->item[type] || s->noted[type] == start || period_next(PERIOD[type], start) > t->r->now)
            continue;
        s->noted[type] = start;
        *ARENA_PUSH(t->r->plan->arena, t->keys, t->count, t->cap) = (struct report_key){s->item[type], start, by};
    }
}

static bool any_sibling(const struct siblings *s)
{
    return s->item[1] || s->item[2] || s->item[3];
}

/* The next reading of a register has another difference, too; of a day's readings that of the last one is enough. */
static void note_register(struct touch *t, const struct item *item, int64_t ts, const struct reading *by)
{
    struct report_key key = {item, ts, by};
    struct report_key *last = t->register_count ? &t->registers[t->register_count - 1] : NULL;
    if (last && last->item == item && period_start(GRAN_DAY, last->ts) == period_start(GRAN_DAY, ts))
        *last = key;
    else
        *ARENA_PUSH(t->r->plan->arena, t->registers, t->register_count, t->register_cap) = key;
}

static void touch_frame(struct touch *t, const struct frame *f)
{
    for (size_t i = 0; i < f->write_count; i++) {
        const struct slot_write *w = &f->writes[i];
        int32_t slot = f->page * PAGE_SLOTS + w->index;
        if (w->verdict || !f->changed[w->index] || slot >= t->unit->slot_count || !any_sibling(&t->by_slot[slot]))
            continue;
        const struct reading *by = &t->r->readings[w->order];
        note_periods(t, slot, f->ts, by);
        if (by->item->aggregation == AGG_COUNTER)
            note_register(t, by->item, f->ts, by);
    }
}

/* ---- which of them have a reported value ---- */

static int compare_frames(const struct frame *f, const struct unit *u, const struct item *item, int64_t ts)
{
    int16_t page = (int16_t)SLOT_PAGE(item->slot);
    if (f->unit_id != u->id)
        return f->unit_id < u->id ? -1 : 1;
    if (f->page != page)
        return f->page < page ? -1 : 1;
    if (f->stat_type != item->stat_type)
        return f->stat_type < item->stat_type ? -1 : 1;
    return f->ts < ts ? -1 : f->ts > ts;
}

/* Is the value one of this upload's? Then it is compared as such. */
static bool sent_now(const struct frame_plan *plan, const struct unit *u, const struct stored_report *s)
{
    size_t lo = plan->real_time, hi = plan->count;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (compare_frames(&plan->frames[mid], u, s->item, s->ts) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo == plan->count || compare_frames(&plan->frames[lo], u, s->item, s->ts) != 0)
        return false;
    const struct frame *f = &plan->frames[lo];
    for (size_t i = 0; i < f->write_count; i++)
        if (f->writes[i].index == SLOT_INDEX(s->item->slot))
            return true;
    return false;
}

static RESULT note_next(struct touch *t)
{
    if (t->register_count == 0)
        return RESULT_OK;
    t->register_count = t->register_count < MOST_KEYS ? t->register_count : MOST_KEYS;
    TRY(past_store_next(t->r->store, t->unit->id, t->registers, &t->register_count, t->r->plan->arena));
    for (size_t i = 0; i < t->register_count; i++)
        note_periods(t, t->registers[i].item->slot, t->registers[i].ts, t->registers[i].by);
    return RESULT_OK;
}

static RESULT find_reports(struct touch *t)
{
    struct reports *r = t->r;
    struct stored_report *found = NULL;
    size_t count = 0, first = r->found_count;
    TRY(note_next(t));
    if (t->count == 0 || r->found_count >= MOST_VALUES)
        return RESULT_OK;
    t->count = t->count < MOST_KEYS ? t->count : MOST_KEYS;
    TRY(past_store_reports(r->store, t->unit->id, t->keys, t->count, MOST_VALUES - (int64_t)r->found_count,
                           r->plan->arena, &found, &count));
    for (size_t i = 0; i < count; i++) {
        bool again = false; /* a register's next reading may lead to a period that is known already */
        for (size_t k = first; k < r->found_count && !again; k++)
            again = r->found[k].report.item == found[i].item && r->found[k].report.ts == found[i].ts;
        if (!again && !sent_now(r->plan, t->unit, &found[i]))
            *ARENA_PUSH(r->plan->arena, r->found, r->found_count, r->found_cap) =
                (struct unit_report){t->unit, found[i]};
    }
    return RESULT_OK;
}

/* Whose frame it is, by one of its readings; NULL: it only holds verdicts. */
static const struct unit *unit_of(const struct reports *r, const struct frame *f)
{
    for (size_t i = 0; i < f->write_count; i++)
        if (!f->writes[i].verdict)
            return r->units[r->readings[f->writes[i].order].block];
    return NULL;
}

RESULT reports_open(struct reports *r, bool *any)
{
    const struct frame_plan *plan = r->plan;
    for (size_t i = 0, end; i < plan->real_time; i = end) {
        struct touch t = {.r = r, .unit = unit_of(r, &plan->frames[i])};
        end = i + 1;
        if (!t.unit)
            continue;
        find_siblings(&t);
        for (end = i; end < plan->real_time && plan->frames[end].unit_id == t.unit->id; end++)
            if (t.by_slot)
                touch_frame(&t, &plan->frames[end]);
        TRY(find_reports(&t));
    }
    *any = r->found_count > 0 || plan->real_time < plan->count;
    return RESULT_OK;
}

/* ---- comparing ---- */

/* The instants at which the upload changes a real-time item, before the end of a period: one a day. */
static void find_touched(const struct reports *r, const struct unit *u, struct period_question *q)
{
    const struct item *item = unit_item(u, q->item->data_code, 0);
    int64_t end = period_next(PERIOD[q->item->stat_type], q->ts), *touched = NULL;
    size_t n = 0, cap = 0;
    for (size_t i = 0; item && i < r->plan->real_time; i++) {
        const struct frame *f = &r->plan->frames[i];
        size_t index = (size_t)SLOT_INDEX(item->slot);
        bool ours = f->unit_id == u->id && f->page == SLOT_PAGE(item->slot) && f->ts < end && index < f->now.width;
        if (!ours || !f->changed[index])
            continue;
        if (n == 0 || period_start(GRAN_DAY, touched[n - 1]) != period_start(GRAN_DAY, f->ts))
            *ARENA_PUSH(r->plan->arena, touched, n, cap) = f->ts;
    }
    q->touched = touched;
    q->touched_count = n;
}

static RESULT computed_for(struct reports *r, const struct unit *u, const struct item *item, int64_t ts,
                           int64_t *frames, struct computed_value *out)
{
    struct period_question q = {.item = item, .ts = ts};
    find_touched(r, u, &q);
    return past_store_computed(r->store, u, &q, frames, out);
}

RESULT reports_check(struct reports *r, struct findings *findings)
{
    struct computed_value computed;
    int64_t frames = MOST_FRAMES;
    int asked = 0;
    for (size_t i = 0; i < r->reading_count && asked < MOST_VALUES; i++) {
        const struct reading *k = &r->readings[i];
        if (k->item->stat_type == 0 || period_next(PERIOD[k->item->stat_type], k->ts) > r->now)
            continue;
        TRY(computed_for(r, r->units[k->block], k->item, k->ts, &frames, &computed));
        past_check_reported(k, &computed, r->tolerance_ppm, findings);
        asked++;
    }
    for (size_t i = 0; i < r->found_count && asked < MOST_VALUES; i++) {
        const struct stored_report *s = &r->found[i].report;
        TRY(computed_for(r, r->found[i].unit, s->item, s->ts, &frames, &computed));
        past_check_stored_report(s, &computed, r->tolerance_ppm, findings);
        asked++;
    }
    return RESULT_OK;
}
