#include "ingest/frame_plan.h"

#include <stdlib.h>
#include <string.h>

static int compare_writes(const void *a, const void *b)
{
    const struct slot_write *x = a;
    const struct slot_write *y = b;
    int x_reported = x->stat_type != 0;
    int y_reported = y->stat_type != 0;
    if (x_reported != y_reported)
        return x_reported - y_reported;
    if (x->unit_id != y->unit_id)
        return x->unit_id < y->unit_id ? -1 : 1;
    if (x->page != y->page)
        return x->page < y->page ? -1 : 1;
    if (x->stat_type != y->stat_type)
        return x->stat_type - y->stat_type;
    if (x->ts != y->ts)
        return x->ts < y->ts ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

static bool same_frame(const struct slot_write *x, const struct slot_write *y)
{
    return x->ts == y->ts && x->page == y->page && x->stat_type == y->stat_type && x->unit_id == y->unit_id;
}

static struct slot_write verdict_write(const struct plan_change *c)
{
    return (struct slot_write){.unit_id = c->unit_id,
                               .page = (int16_t)SLOT_PAGE(c->slot),
                               .index = (int16_t)SLOT_INDEX(c->slot),
                               .flag = c->flag,
                               .verdict = true,
                               .order = UINT32_MAX,
                               .ts = c->ts};
}

static struct slot_write *sorted_writes(const struct reading *readings, size_t count, const int32_t *unit_ids,
                                        const struct plan_change *changes, size_t change_count, struct arena *arena)
{
    struct slot_write *w = arena_array(arena, count + change_count + 1, sizeof *w);
    bool sorted = true;
    for (size_t i = 0; i < count; i++) {
        const struct reading *r = &readings[i];
        w[i] = (struct slot_write){.unit_id = unit_ids[r->block],
                                   .page = (int16_t)SLOT_PAGE(r->item->slot),
                                   .index = (int16_t)SLOT_INDEX(r->item->slot),
                                   .stat_type = r->item->stat_type,
                                   .flag = r->flag,
                                   .placed = r->placed,
                                   .order = (uint32_t)i,
                                   .ts = r->ts,
                                   .value = r->value};
        if (i > 0 && sorted && compare_writes(&w[i - 1], &w[i]) > 0)
            sorted = false;
    }
    for (size_t i = 0; i < change_count; i++)
        w[count + i] = verdict_write(&changes[i]);
    if (!sorted || change_count > 0)
        qsort(w, count + change_count, sizeof *w, compare_writes);
    return w;
}

void frame_plan_build(struct frame_plan *plan, const struct reading *readings, size_t count, const int32_t *unit_ids,
                      struct arena *arena)
{
    frame_plan_build_with(plan, readings, count, unit_ids, NULL, 0, arena);
}

void frame_plan_build_with(struct frame_plan *plan, const struct reading *readings, size_t reading_count,
                           const int32_t *unit_ids, const struct plan_change *changes, size_t change_count,
                           struct arena *arena)
{
    *plan = (struct frame_plan){.arena = arena};
    const struct slot_write *w = sorted_writes(readings, reading_count, unit_ids, changes, change_count, arena);
    size_t count = reading_count + change_count;
    size_t frames = 0;
    for (size_t i = 0; i < count; i++)
        frames += i == 0 || !same_frame(&w[i - 1], &w[i]);
    plan->frames = arena_array(arena, frames ? frames : 1, sizeof *plan->frames);
    for (size_t i = 0; i < count;) {
        size_t end = i + 1;
        while (end < count && same_frame(&w[i], &w[end]))
            end++;
        struct frame *f = &plan->frames[plan->count++];
        *f = (struct frame){.unit_id = w[i].unit_id,
                            .page = w[i].page,
                            .stat_type = w[i].stat_type,
                            .ts = w[i].ts,
                            .writes = &w[i],
                            .write_count = end - i};
        plan->real_time += f->stat_type == 0;
        frame_merge(plan, f, NULL);
        i = end;
    }
}

/* The frame's arrays: wide enough for the writes and for what is stored, starting from what is stored. */
static void start_from(struct frame_plan *plan, struct frame *f, const struct frame_slots *stored)
{
    size_t width = stored ? stored->width : 0;
    for (size_t i = 0; i < f->write_count; i++)
        if ((size_t)f->writes[i].index + 1 > width)
            width = (size_t)f->writes[i].index + 1;
    f->now.width = width;
    f->now.value = arena_array(plan->arena, width, sizeof(int64_t));
    f->now.flag = arena_array(plan->arena, width, sizeof(int16_t));
    f->now.missing = arena_array(plan->arena, width, sizeof(bool));
    f->changed = arena_array(plan->arena, width, sizeof(bool));
    memset(f->now.missing, 1, width * sizeof(bool));
    if (!stored)
        return;
    memcpy(f->now.value, stored->value, stored->width * sizeof(int64_t));
    if (stored->flag)
        memcpy(f->now.flag, stored->flag, stored->width * sizeof(int16_t));
    for (size_t i = 0; i < stored->width; i++)
        f->now.missing[i] = stored->missing && stored->missing[i];
}

static int16_t verdict_flag(const struct frame *f, const struct slot_write *w)
{
    return (int16_t)((f->now.flag[w->index] & ~FLAG_SERIES_MASK) | (w->flag & FLAG_SERIES_MASK));
}

static void log_correction(struct frame_plan *plan, struct frame *f, const struct slot_write *w, int64_t new_value,
                           int16_t new_flag)
{
    if (!f->corrections)
        f->corrections = arena_array(plan->arena, f->write_count, sizeof *f->corrections);
    f->corrections[f->correction_count++] = (struct plan_correction){.unit_id = f->unit_id,
                                                                     .slot = f->page * PAGE_SLOTS + w->index,
                                                                     .stat_type = f->stat_type,
                                                                     .ts = f->ts,
                                                                     .old_value = f->now.value[w->index],
                                                                     .new_value = new_value,
                                                                     .old_flag = f->now.flag[w->index],
                                                                     .new_flag = new_flag,
                                                                     .order = w->order};
}

static void write_verdict(struct frame_plan *plan, struct frame *f, const struct slot_write *w)
{
    if (f->now.missing[w->index] || f->now.flag[w->index] == verdict_flag(f, w))
        return;
    f->counts.judged++;
    log_correction(plan, f, w, f->now.value[w->index], verdict_flag(f, w));
    f->now.flag[w->index] = verdict_flag(f, w);
}

static void write_slot(struct frame_plan *plan, struct frame *f, const struct slot_write *w)
{
    if (f->now.missing[w->index]) {
        f->counts.stored++;
    } else if (f->now.value[w->index] == w->value && ((f->now.flag[w->index] ^ w->flag) & FLAG_INVALID) == 0) {
        f->counts.unchanged++; /* the first story of a reading stays: all that a repetition may tell is its place */
        if (w->placed)
            write_verdict(plan, f, w);
        return;
    } else {
        f->counts.corrected++;
        log_correction(plan, f, w, w->value, w->flag);
    }
    bool counted = !f->now.missing[w->index] && !(f->now.flag[w->index] & FLAG_INVALID);
    f->changed[w->index] |= counted || !(w->flag & FLAG_INVALID);
    /* A correction does not make a reading late that was there in time, nor the other way round. */
    int16_t late = f->now.missing[w->index] ? w->flag & FLAG_LATE : f->now.flag[w->index] & FLAG_LATE;
    f->now.missing[w->index] = false;
    f->now.value[w->index] = w->value;
    f->now.flag[w->index] = (int16_t)((w->flag & ~FLAG_LATE) | late);
}

void frame_merge(struct frame_plan *plan, struct frame *f, const struct frame_slots *stored)
{
    f->counts = (struct frame_counts){0};
    f->correction_count = 0;
    start_from(plan, f, stored);
    for (size_t i = 0; i < f->write_count; i++)
        (f->writes[i].verdict ? write_verdict : write_slot)(plan, f, &f->writes[i]);
}

struct frame_counts frame_plan_counts(const struct frame_plan *plan)
{
    struct frame_counts sum = {0};
    for (size_t i = 0; i < plan->count; i++) {
        sum.stored += plan->frames[i].counts.stored;
        sum.unchanged += plan->frames[i].counts.unchanged;
        sum.corrected += plan->frames[i].counts.corrected;
        sum.judged += plan->frames[i].counts.judged;
    }
    return sum;
}

const int16_t *frame_flags(const struct frame *f)
{
    for (size_t i = 0; i < f->now.width; i++)
        if (!f->now.missing[i] && f->now.flag[i] != 0)
            return f->now.flag;
    return NULL;
}
