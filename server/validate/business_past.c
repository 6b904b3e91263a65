#include "validate/business_past.h"

#include <stdlib.h>
#include <string.h>

#include "base/caltime.h"
#include "base/decimal.h"

static bool needs_series(const struct item *item)
{
    return item->stat_type == 0 &&
           (item->aggregation == AGG_COUNTER || item->jump_limit != DECIMAL_UNSET || item->stuck_count > 0);
}

static bool needs_parts(const struct item *item)
{
    return item->stat_type == 0 && (item->has_parts || item->whole >= 0);
}

bool past_needed(const struct reading *readings, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (needs_series(readings[i].item) || needs_parts(readings[i].item))
            return true;
    return false;
}

static size_t add_page(int16_t *pages, size_t n, size_t max, int32_t slot)
{
    int16_t page = (int16_t)SLOT_PAGE(slot);
    for (size_t i = 0; i < n; i++)
        if (pages[i] == page)
            return n;
    if (n < max)
        pages[n++] = page;
    return n;
}

size_t past_pages(const struct unit *unit, const struct reading *readings, size_t count, int16_t *pages, size_t max)
{
    size_t n = 0;
    bool parts = false;
    for (size_t i = 0; i < count; i++) {
        if (needs_series(readings[i].item))
            n = add_page(pages, n, max, readings[i].item->slot);
        parts |= needs_parts(readings[i].item);
    }
    for (size_t i = 0; parts && i < unit->item_count; i++)
        if (needs_parts(&unit->items[i]))
            n = add_page(pages, n, max, unit->items[i].slot);
    return n;
}

static struct finding *flag_reading(struct reading *r, int16_t flag, int code, const char *zh, const char *en,
                                    struct findings *findings)
{
    r->flag |= flag;
    const struct record *k = r->record;
    struct finding *f = finding_add(findings, code, zh, en);
    f->line = k->line;
    f->data_code = arena_strdup(findings->arena, r->item->data_code);
    f->stat_type = k->stat_type;
    f->stat_date = arena_strndup(findings->arena, k->stat_date, k->stat_date_len);
    return f;
}

/* ---- ours and the stored ones, each sorted once: an upload may hold 200,000 records ---- */

struct past_index {
    struct reading **ours; /* those a rule wants, by (slot, ts, line order) */
    size_t our_count;
    const struct stored_frame **frames; /* by (page, ts) */
    size_t frame_count;
};

static int compare_ours(const void *a, const void *b)
{
    const struct reading *x = *(struct reading *const *)a;
    const struct reading *y = *(struct reading *const *)b;
    if (x->item->slot != y->item->slot)
        return x->item->slot < y->item->slot ? -1 : 1;
    if (x->ts != y->ts)
        return x->ts < y->ts ? -1 : 1;
    return x->ordinal < y->ordinal ? -1 : x->ordinal > y->ordinal;
}

static int compare_frames(const void *a, const void *b)
{
    const struct stored_frame *x = *(const struct stored_frame *const *)a;
    const struct stored_frame *y = *(const struct stored_frame *const *)b;
    if (x->page != y->page)
        return x->page < y->page ? -1 : 1;
    return x->ts < y->ts ? -1 : x->ts > y->ts;
}

static struct past_index make_index(struct reading *readings, size_t count, const struct frame_list *past,
                                    struct arena *arena)
{
    struct past_index x = {.ours = arena_array(arena, count + 1, sizeof(struct reading *)),
                           .frames = arena_array(arena, past->count + 1, sizeof(struct stored_frame *)),
                           .frame_count = past->count};
    for (size_t i = 0; i < count; i++)
        if (needs_series(readings[i].item) || needs_parts(readings[i].item))
            x.ours[x.our_count++] = &readings[i];
    for (size_t i = 0; i < past->count; i++)
        x.frames[i] = &past->at[i];
    qsort(x.ours, x.our_count, sizeof *x.ours, compare_ours);
    qsort(x.frames, x.frame_count, sizeof *x.frames, compare_frames);
    return x;
}

/* The first frame of a page at or after an instant. */
static size_t frame_position(const struct past_index *x, int16_t page, int64_t ts)
{
    size_t lo = 0, hi = x->frame_count;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        const struct stored_frame *f = x->frames[mid];
        if (f->page < page || (f->page == page && f->ts < ts))
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* ---- one item's readings in order of time: stored ones, and ours in their place ---- */

struct point {
    int64_t ts, value;
    uint32_t order;          /* ours come after the stored one of the same instant, in line order */
    struct reading *reading; /* NULL: stored */
    bool valid;
};

static int compare_points(const void *a, const void *b)
{
    const struct point *x = a;
    const struct point *y = b;
    if (x->ts != y->ts)
        return x->ts < y->ts ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

/* ours: the item's run in the index. */
static size_t gather(const struct past_index *x, struct reading **ours, size_t count, struct point *out)
{
    size_t n = 0;
    const struct item *item = ours[0]->item;
    int16_t page = (int16_t)SLOT_PAGE(item->slot);
    int index = SLOT_INDEX(item->slot);
    for (size_t i = frame_position(x, page, INT64_MIN); i < x->frame_count && x->frames[i]->page == page; i++)
        if (frame_has(x->frames[i], index))
            out[n++] = (struct point){x->frames[i]->ts, x->frames[i]->value[index], 0, NULL,
                                      frame_has_valid(x->frames[i], index)};
    for (size_t i = 0; i < count; i++)
        out[n++] =
            (struct point){ours[i]->ts, ours[i]->value, (uint32_t)i + 1, ours[i], (ours[i]->flag & FLAG_INVALID) == 0};
    qsort(out, n, sizeof *out, compare_points);
    return n;
}

/* The last word about an instant counts: of points with the same ts only the last stays. */
static size_t last_words(struct point *p, size_t n)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        if (kept > 0 && p[kept - 1].ts == p[i].ts)
            kept--;
        p[kept++] = p[i];
    }
    return kept;
}

static void check_jump(const struct item *item, const struct point *before, const struct point *p,
                       struct findings *findings)
{
    dec128 step = (dec128)p->value - before->value;
    if (item->jump_limit == DECIMAL_UNSET || (step < 0 ? -step : step) <= item->jump_limit)
        return;
    char was[DECIMAL_TEXT], is[DECIMAL_TEXT];
    decimal_format(before->value, was);
    decimal_format(p->value, is);
    char *zh = arena_printf(findings->arena, "由 %s 突变为 %s", was, is);
    char *en = arena_printf(findings->arena, "from %s to %s", was, is);
    flag_reading(p->reading, FLAG_JUMP, 3204, zh, en, findings);
}

static void check_stuck(const struct item *item, int equal, const struct point *p, struct findings *findings)
{
    if (item->stuck_count <= 0 || equal < item->stuck_count)
        return;
    char *zh = arena_printf(findings->arena, "连续 %d 次读数相同", equal);
    char *en = arena_printf(findings->arena, "%d equal readings in a row", equal);
    flag_reading(p->reading, FLAG_STUCK, 3205, zh, en, findings);
}

static void check_backwards(const struct item *item, const struct point *before, const struct point *p,
                            struct findings *findings)
{
    if (item->aggregation != AGG_COUNTER || p->value >= before->value)
        return;
    dec128 over = (dec128)p->value - before->value + item->counter_max;
    bool rollover = item->counter_max != DECIMAL_UNSET && over >= 0 && over * 2 <= item->counter_max;
    if (rollover)
        return;
    char was[DECIMAL_TEXT], is[DECIMAL_TEXT];
    decimal_format(before->value, was);
    decimal_format(p->value, is);
    char *zh = arena_printf(findings->arena, "表底由 %s 退到 %s，按换表或清零处理，该段差值不计", was, is);
    char *en = arena_printf(findings->arena, "register fell from %s to %s; taken as a reset, the difference is dropped",
                            was, is);
    flag_reading(p->reading, FLAG_BACKWARDS, 3207, zh, en, findings);
}

static void check_series(const struct item *item, const struct point *p, size_t n, struct findings *findings)
{
    const struct point *before = NULL;
    int equal = 0;
    for (size_t i = 0; i < n; i++) {
        if (!p[i].valid)
            continue;
        equal = before && before->value == p[i].value ? equal + 1 : 1;
        if (p[i].reading && before) {
            check_jump(item, before, &p[i], findings);
            check_backwards(item, before, &p[i], findings);
        }
        if (p[i].reading)
            check_stuck(item, equal, &p[i], findings);
        before = &p[i];
    }
}

static size_t run_of_item(const struct past_index *x, size_t start)
{
    size_t end = start + 1;
    while (end < x->our_count && x->ours[end]->item == x->ours[start]->item)
        end++;
    return end;
}

static void check_all_series(const struct past_index *x, struct findings *findings, struct arena *arena)
{
    struct point *points = arena_array(arena, x->our_count + x->frame_count + 1, sizeof *points);
    for (size_t i = 0; i < x->our_count;) {
        size_t end = run_of_item(x, i);
        if (needs_series(x->ours[i]->item)) {
            size_t n = last_words(points, gather(x, &x->ours[i], end - i, points));
            check_series(x->ours[i]->item, points, n, findings);
        }
        i = end;
    }
}

/* ---- 3401: the parts against the whole ---- */

/* The last of our readings of a slot at an instant, NULL: none. */
static struct reading *our_reading(const struct past_index *x, int32_t slot, int64_t ts)
{
    size_t lo = 0, hi = x->our_count;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        const struct reading *r = x->ours[mid];
        if (r->item->slot < slot || (r->item->slot == slot && r->ts <= ts))
            lo = mid + 1;
        else
            hi = mid;
    }
    struct reading *r = lo > 0 ? x->ours[lo - 1] : NULL;
    return r && r->item->slot == slot && r->ts == ts ? r : NULL;
}

/* The value of an item at an instant: the last of ours, else the stored one; false: none that is valid. */
static bool value_at(const struct past_index *x, const struct item *item, int64_t ts, int64_t *value,
                     struct reading **ours)
{
    *ours = our_reading(x, item->slot, ts);
    if (*ours) {
        *value = (*ours)->value;
        return ((*ours)->flag & FLAG_INVALID) == 0;
    }
    int16_t page = (int16_t)SLOT_PAGE(item->slot);
    int index = SLOT_INDEX(item->slot);
    size_t i = frame_position(x, page, ts);
    if (i == x->frame_count || x->frames[i]->page != page || x->frames[i]->ts != ts ||
        !frame_has_valid(x->frames[i], index))
        return false;
    *value = x->frames[i]->value[index];
    return true;
}

struct whole_at { /* one plant item at one instant */
    const struct item *whole;
    int64_t ts;
};

static int compare_wholes(const void *a, const void *b)
{
    const struct whole_at *x = a;
    const struct whole_at *y = b;
    if (x->whole->slot != y->whole->slot)
        return x->whole->slot < y->whole->slot ? -1 : 1;
    return x->ts < y->ts ? -1 : x->ts > y->ts;
}

static void blame(struct reading *blamed, dec128 sum, int64_t total, struct findings *findings)
{
    char parts[DECIMAL_TEXT], all[DECIMAL_TEXT];
    decimal_format(sum, parts);
    decimal_format(total, all);
    char *zh = arena_printf(findings->arena, "工序合计 %s 大于全厂 %s", parts, all);
    char *en = arena_printf(findings->arena, "the processes sum to %s, the plant has %s", parts, all);
    flag_reading(blamed, FLAG_PARTS, 3401, zh, en, findings);
}

/* The finding goes to the plant reading when it is ours, else to the first of our parts. */
static void check_whole(const struct past_index *x, const struct whole_at *w, const struct item *const *parts,
                        size_t part_count, struct findings *findings)
{
    int64_t total = 0, value = 0;
    dec128 sum = 0;
    struct reading *blamed = NULL, *ours = NULL;
    if (!value_at(x, w->whole, w->ts, &total, &blamed))
        return;
    for (size_t i = 0; i < part_count; i++) {
        if (parts[i]->whole != w->whole->slot || !value_at(x, parts[i], w->ts, &value, &ours))
            continue;
        sum += value;
        blamed = blamed ? blamed : ours;
    }
    if (sum > total && blamed)
        blame(blamed, sum, total, findings);
}

static size_t list_wholes(const struct unit *unit, const struct past_index *x, struct whole_at *out)
{
    size_t n = 0;
    for (size_t i = 0; i < x->our_count; i++) {
        const struct item *item = x->ours[i]->item;
        if (!needs_parts(item))
            continue;
        out[n++] = (struct whole_at){item->whole >= 0 ? unit->by_slot[item->whole] : item, x->ours[i]->ts};
    }
    qsort(out, n, sizeof *out, compare_wholes);
    size_t kept = 0;
    for (size_t i = 0; i < n; i++)
        if (kept == 0 || compare_wholes(&out[kept - 1], &out[i]) != 0)
            out[kept++] = out[i];
    return kept;
}

static void check_all_parts(const struct unit *unit, const struct past_index *x, struct findings *findings,
                            struct arena *arena)
{
    const struct item **parts = arena_array(arena, unit->item_count + 1, sizeof *parts);
    size_t part_count = 0;
    for (size_t i = 0; i < unit->item_count; i++)
        if (unit->items[i].whole >= 0)
            parts[part_count++] = &unit->items[i];
    if (part_count == 0)
        return;
    struct whole_at *wholes = arena_array(arena, x->our_count + 1, sizeof *wholes);
    size_t n = list_wholes(unit, x, wholes);
    for (size_t i = 0; i < n; i++)
        check_whole(x, &wholes[i], parts, part_count, findings);
}

void past_check(const struct unit *unit, struct reading *readings, size_t count, const struct frame_list *past,
                struct findings *findings, struct arena *arena)
{
    struct past_index x = make_index(readings, count, past, arena);
    check_all_series(&x, findings, arena);
    check_all_parts(unit, &x, findings, arena);
}

/* ---- 3402 ---- */

void past_check_reported(const struct reading *r, const struct computed_value *computed, int64_t tolerance_ppm,
                         struct findings *findings)
{
    if (!computed->known || (r->flag & FLAG_INVALID))
        return;
    dec128 difference = r->value - computed->value;
    dec128 size = computed->value < 0 ? -computed->value : computed->value;
    difference = difference < 0 ? -difference : difference;
    if (difference * 1000000 <= size * tolerance_ppm)
        return;
    char reported[DECIMAL_TEXT], right[DECIMAL_TEXT];
    decimal_format(r->value, reported);
    decimal_format(computed->value, right);
    struct finding *f =
        finding_add(findings, 3402, arena_printf(findings->arena, "上报 %s，平台由实时数据计算 %s", reported, right),
                    arena_printf(findings->arena, "reported %s, computed %s", reported, right));
    f->line = r->record->line;
    f->data_code = arena_strdup(findings->arena, r->item->data_code);
    f->stat_type = r->record->stat_type;
    f->stat_date = arena_strndup(findings->arena, r->record->stat_date, r->record->stat_date_len);
}
