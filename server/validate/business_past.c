#include "validate/business_past.h"

#include <stdlib.h>
#include <string.h>

#include "base/caltime.h"
#include "base/clock.h"
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

static void flag_reading(struct reading *r, int16_t flag, int code, const char *zh, const char *en,
                         struct findings *findings)
{
    r->flag |= flag;
    const struct record *k = r->record;
    struct finding *f = finding_add(findings, code, zh, en);
    f->line = k->line;
    f->data_code = arena_strdup(findings->arena, r->item->data_code);
    f->stat_type = k->stat_type;
    f->stat_date = arena_strndup(findings->arena, k->stat_date, k->stat_date_len);
}

/* ---- ours and the stored ones, each sorted once: an upload may hold 200,000 records ---- */

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

static int compare_key(int16_t x_page, int64_t x_ts, int16_t y_page, int64_t y_ts)
{
    if (x_page != y_page)
        return x_page < y_page ? -1 : 1;
    return x_ts < y_ts ? -1 : x_ts > y_ts;
}

static int compare_frames(const void *a, const void *b)
{
    const struct stored_frame *x = *(const struct stored_frame *const *)a;
    const struct stored_frame *y = *(const struct stored_frame *const *)b;
    return compare_key(x->page, x->ts, y->page, y->ts);
}

static int compare_keys(const void *a, const void *b)
{
    const struct past_key *x = a, *y = b;
    return compare_key(x->page, x->ts, y->page, y->ts);
}

static int compare_points_by_slot(const void *a, const void *b)
{
    const struct past_point *x = a, *y = b;
    return x->slot < y->slot ? -1 : x->slot > y->slot;
}

/* The first frame of a page at or after an instant. */
static size_t frame_position(const struct past *p, int16_t page, int64_t ts)
{
    size_t lo = 0, hi = p->sorted_count;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        const struct stored_frame *f = p->sorted[mid];
        if (f->page < page || (f->page == page && f->ts < ts))
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* Where the readings of the item at `start` end. By slot: blocks may have been judged by two equal snapshots. */
static size_t run_of_item(const struct past *p, size_t start)
{
    size_t end = start + 1;
    while (end < p->our_count && p->ours[end]->item->slot == p->ours[start]->item->slot)
        end++;
    return end;
}

/* ---- what is asked ---- */

static int32_t wanted_before(const struct item *item)
{
    return item->stuck_count > 1 ? item->stuck_count : 1;
}

/* The verdict on a reading rests on so many before it, so it follows to as many after a changed one. */
static int32_t wanted_after(const struct item *item)
{
    return item->stuck_count > 2 ? item->stuck_count - 1 : 1;
}

static int64_t period_us(const struct item *item)
{
    return item->period * USEC_PER_SEC;
}

/* The next stretch of readings, from *from on, between whose neighbours nothing can be stored; false: no more. One of
 * invalid readings counts, too: the next stored reading may have lost its predecessor. */
static bool next_stretch(const struct past *p, size_t *from, size_t end, int64_t *start, int64_t *stop)
{
    if (*from == end)
        return false;
    size_t next = *from + 1;
    while (next < end && p->ours[next]->ts - p->ours[next - 1]->ts <= period_us(p->ours[next]->item))
        next++;
    *start = p->ours[*from]->ts;
    *stop = p->ours[next - 1]->ts;
    *from = next;
    return true;
}

static size_t sort_keys(struct past_key *keys, size_t n)
{
    if (n == 0)
        return 0; /* keys is NULL then, which qsort may not be given */
    qsort(keys, n, sizeof *keys, compare_keys);
    size_t kept = 0;
    for (size_t i = 0; i < n; i++)
        if (kept == 0 || compare_keys(&keys[kept - 1], &keys[i]) != 0)
            keys[kept++] = keys[i];
    return kept;
}

static size_t bounded(struct past *p, size_t n, size_t most)
{
    p->incomplete |= n > most;
    return n < most ? n : most;
}

/* The frames before and after each stretch. A slot may be missing in the nearest few of them. */
static void ask_around(struct past *p)
{
    enum { LEAST_DEPTH = 8 };
    size_t cap = 0, after_cap = 0;
    p->depth = LEAST_DEPTH;
    for (size_t i = 0, end; i < p->our_count; i = end) {
        const struct item *item = p->ours[i]->item;
        end = run_of_item(p, i);
        int64_t start, stop;
        if (!needs_series(item))
            continue;
        p->depth = wanted_before(item) > p->depth ? wanted_before(item) : p->depth;
        for (size_t from = i; next_stretch(p, &from, end, &start, &stop);) {
            int16_t page = (int16_t)SLOT_PAGE(item->slot);
            *ARENA_PUSH(p->arena, p->before, p->before_count, cap) = (struct past_key){page, start};
            *ARENA_PUSH(p->arena, p->after, p->after_count, after_cap) = (struct past_key){page, stop};
        }
    }
    p->depth = p->depth < PAST_DEPTH ? p->depth : PAST_DEPTH;
    p->before_count = sort_keys(p->before, p->before_count);
    p->before_count = bounded(p, p->before_count, PAST_FRAMES / (size_t)p->depth);
    p->after_count = sort_keys(p->after, p->after_count);
    p->after_count = bounded(p, p->after_count, PAST_FRAMES / (size_t)p->depth);
}

static size_t pages_of_parts(const struct unit *unit, int16_t *pages, size_t max)
{
    size_t n = 0;
    for (size_t i = 0; i < unit->item_count; i++) {
        int16_t page = (int16_t)SLOT_PAGE(unit->items[i].slot);
        size_t k = 0;
        while (k < n && pages[k] != page)
            k++;
        if (needs_parts(&unit->items[i]) && k == n && n < max)
            pages[n++] = page;
    }
    return n;
}

/* The frames in which the other parts and the whole lie. */
static void ask_at(struct past *p)
{
    enum { MOST_PAGES = 64 };
    int16_t pages[MOST_PAGES];
    size_t page_count = pages_of_parts(p->unit, pages, MOST_PAGES), cap = 0;
    for (size_t i = 0; i < p->our_count; i++)
        for (size_t k = 0; needs_parts(p->ours[i]->item) && k < page_count; k++)
            *ARENA_PUSH(p->arena, p->at, p->at_count, cap) = (struct past_key){pages[k], p->ours[i]->ts};
    p->at_count = sort_keys(p->at, p->at_count);
    p->at_count = p->at_count < PAST_FRAMES ? p->at_count : PAST_FRAMES;
}

void past_open(struct past *p, const struct unit *unit, struct reading **readings, size_t count, struct arena *arena)
{
    *p = (struct past){.unit = unit, .arena = arena, .ours = arena_array(arena, count + 1, sizeof *p->ours)};
    for (size_t i = 0; i < count; i++)
        if (needs_series(readings[i]->item) || needs_parts(readings[i]->item))
            p->ours[p->our_count++] = readings[i];
    if (p->our_count == 0)
        return;
    qsort(p->ours, p->our_count, sizeof *p->ours, compare_ours);
    ask_around(p);
    ask_at(p);
}

static void sort_frames(struct past *p)
{
    p->sorted = arena_array(p->arena, p->frames.count + 1, sizeof *p->sorted);
    for (size_t i = 0; i < p->frames.count; i++)
        p->sorted[i] = &p->frames.at[i];
    qsort(p->sorted, p->frames.count, sizeof *p->sorted, compare_frames);
    for (size_t i = 0; i < p->frames.count; i++)
        if (p->sorted_count == 0 || compare_frames(&p->sorted[p->sorted_count - 1], &p->sorted[i]) != 0)
            p->sorted[p->sorted_count++] = p->sorted[i];
}

/* Do the frames before an instant hold what the item wants? They do also when the page has no more of them. */
static bool frames_suffice(const struct past *p, const struct item *item, int64_t ts)
{
    int16_t page = (int16_t)SLOT_PAGE(item->slot);
    size_t i = frame_position(p, page, ts);
    int32_t found = 0;
    for (int looked = 0; looked < p->depth; looked++) {
        if (i == 0 || p->sorted[i - 1]->page != page)
            return true;
        found += frame_has_valid(p->sorted[--i], SLOT_INDEX(item->slot));
    }
    return found >= wanted_before(item);
}

/* And those after it. */
static bool next_frames_suffice(const struct past *p, const struct item *item, int64_t ts)
{
    int16_t page = (int16_t)SLOT_PAGE(item->slot);
    size_t i = frame_position(p, page, ts + 1);
    int32_t found = 0;
    for (int looked = 0; looked < p->depth; looked++, i++) {
        if (i == p->sorted_count || p->sorted[i]->page != page)
            return true;
        found += frame_has_valid(p->sorted[i], SLOT_INDEX(item->slot));
    }
    return found >= wanted_after(item);
}

void past_find_gaps(struct past *p)
{
    size_t cap = 0, next_cap = 0;
    sort_frames(p);
    for (size_t i = 0, end; i < p->our_count; i = end) {
        const struct item *item = p->ours[i]->item;
        end = run_of_item(p, i);
        int64_t start, stop;
        if (!needs_series(item))
            continue;
        for (size_t from = i; next_stretch(p, &from, end, &start, &stop);) {
            if (!frames_suffice(p, item, start))
                *ARENA_PUSH(p->arena, p->gaps, p->gap_count, cap) =
                    (struct past_gap){item->slot, start, wanted_before(item)};
            if (!next_frames_suffice(p, item, stop))
                *ARENA_PUSH(p->arena, p->next_gaps, p->next_gap_count, next_cap) =
                    (struct past_gap){item->slot, stop, wanted_after(item)};
        }
    }
    p->gap_count = bounded(p, p->gap_count, PAST_GAPS);
    p->next_gap_count = bounded(p, p->next_gap_count, PAST_GAPS);
}

/* ---- one item's readings in order of time: stored ones, and ours in their place ---- */

struct point {
    int64_t ts, value;
    uint32_t order;          /* ours come after the stored one of the same instant, in line order */
    struct reading *reading; /* NULL: stored */
    bool valid;
    int16_t flag; /* of a stored one: as it is … */
    int16_t now;  /* … and of FLAG_SERIES_MASK, as it is judged */
};

static int compare_points(const void *a, const void *b)
{
    const struct point *x = a;
    const struct point *y = b;
    if (x->ts != y->ts)
        return x->ts < y->ts ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

static size_t gather_stored(const struct past *p, const struct item *item, struct point *out)
{
    size_t n = 0, lo = 0, hi = p->point_count;
    int16_t page = (int16_t)SLOT_PAGE(item->slot);
    int index = SLOT_INDEX(item->slot);
    for (size_t i = frame_position(p, page, INT64_MIN); i < p->sorted_count && p->sorted[i]->page == page; i++)
        if (frame_has(p->sorted[i], index))
            out[n++] = (struct point){.ts = p->sorted[i]->ts,
                                      .value = p->sorted[i]->value[index],
                                      .valid = frame_has_valid(p->sorted[i], index),
                                      .flag = p->sorted[i]->flag ? p->sorted[i]->flag[index] : 0};
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (p->points[mid].slot < item->slot)
            lo = mid + 1;
        else
            hi = mid;
    }
    for (; lo < p->point_count && p->points[lo].slot == item->slot; lo++)
        out[n++] = (struct point){
            .ts = p->points[lo].ts, .value = p->points[lo].value, .valid = true, .flag = p->points[lo].flag};
    return n;
}

/* ours: the item's run. */
static size_t gather(const struct past *p, struct reading **ours, size_t count, struct point *out)
{
    size_t n = gather_stored(p, ours[0]->item, out);
    for (size_t i = 0; i < count; i++)
        out[n++] = (struct point){.ts = ours[i]->ts,
                                  .value = ours[i]->value,
                                  .order = (uint32_t)i + 1,
                                  .reading = ours[i],
                                  .valid = (ours[i]->flag & FLAG_INVALID) == 0};
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

struct series { /* one item on its way through time */
    const struct item *item;
    struct findings *findings;
    const struct point *before;    /* the valid reading before, NULL: none, or none that is known for sure */
    const struct reading *changed; /* the last of ours: what a stored reading is judged again for */
    int equal;                     /* so many equal readings in a row */
};

/* Of a stored reading a flag that it has already is no news; its finding bears the line of the reading that changed its
 * place. */
static void doubt(const struct series *s, struct point *p, int16_t flag, int code, const char *zh, const char *en)
{
    char date[CALTIME_TEXT];
    p->now |= flag;
    if (p->reading) {
        flag_reading(p->reading, flag, code, zh, en, s->findings);
        return;
    }
    if (p->flag & flag)
        return;
    struct arena *a = s->findings->arena;
    struct finding *f = finding_add(s->findings, code, arena_printf(a, "此前入库的读数：%s", zh),
                                    arena_printf(a, "a reading stored before: %s", en));
    f->line = s->changed->record->line;
    f->data_code = arena_strdup(a, s->item->data_code);
    f->stat_type = s->item->stat_type;
    f->stat_date = arena_strdup(a, caltime_format(p->ts, date));
}

static void check_jump(const struct series *s, struct point *p)
{
    dec128 step = (dec128)p->value - s->before->value;
    if (s->item->jump_limit == DECIMAL_UNSET || (step < 0 ? -step : step) <= s->item->jump_limit)
        return;
    char was[DECIMAL_TEXT], is[DECIMAL_TEXT];
    decimal_format(s->before->value, was);
    decimal_format(p->value, is);
    char *zh = arena_printf(s->findings->arena, "由 %s 突变为 %s", was, is);
    char *en = arena_printf(s->findings->arena, "from %s to %s", was, is);
    doubt(s, p, FLAG_JUMP, 3204, zh, en);
}

static void check_stuck(const struct series *s, struct point *p)
{
    if (s->item->stuck_count <= 0 || s->equal < s->item->stuck_count)
        return;
    char *zh = arena_printf(s->findings->arena, "连续 %d 次读数相同", s->equal);
    char *en = arena_printf(s->findings->arena, "%d equal readings in a row", s->equal);
    doubt(s, p, FLAG_STUCK, 3205, zh, en);
}

static void check_backwards(const struct series *s, struct point *p)
{
    const struct item *item = s->item;
    if (item->aggregation != AGG_COUNTER || p->value >= s->before->value)
        return;
    dec128 over = (dec128)p->value - s->before->value + item->counter_max;
    bool rollover = item->counter_max != DECIMAL_UNSET && over >= 0 && over * 2 <= item->counter_max;
    if (rollover)
        return;
    char was[DECIMAL_TEXT], is[DECIMAL_TEXT];
    decimal_format(s->before->value, was);
    decimal_format(p->value, is);
    char *zh = arena_printf(s->findings->arena, "表底由 %s 退到 %s，按换表或清零处理，该段差值不计", was, is);
    char *en = arena_printf(s->findings->arena,
                            "register fell from %s to %s; taken as a reset, the difference is "
                            "dropped",
                            was, is);
    doubt(s, p, FLAG_BACKWARDS, 3207, zh, en);
}

static void judge_point(const struct series *s, struct point *p)
{
    if (s->before) {
        check_jump(s, p);
        check_backwards(s, p);
    }
    check_stuck(s, p);
}

static void note_change(struct past *past, const struct item *item, const struct point *p)
{
    if ((p->flag & FLAG_SERIES_MASK) != p->now)
        *ARENA_PUSH(past->arena, past->changes, past->change_count, past->change_cap) =
            (struct past_change){item->slot, p->ts, p->value, p->now};
}

/* Not all that lies between readings more than a period apart is known where more was wanted than may be asked: then
 * what follows such a gap is not judged, and stored readings not again. */
static void check_series(struct past *past, const struct item *item, struct point *p, size_t n,
                         struct findings *findings)
{
    struct series s = {.item = item, .findings = findings};
    int32_t follow = 0; /* so many stored readings have one of ours among those their verdict rests on */
    for (size_t i = 0; i < n; i++) {
        if (p[i].reading) {
            s.changed = p[i].reading;
            follow = wanted_after(item);
        }
        if (!p[i].valid)
            continue;
        if (past->incomplete && s.before && p[i].ts - s.before->ts > period_us(item))
            s.before = NULL;
        s.equal = s.before && s.before->value == p[i].value ? s.equal + 1 : 1;
        if (p[i].reading) {
            judge_point(&s, &p[i]);
            p[i].reading->placed = !past->incomplete;
        } else if (follow > 0) {
            follow--;
            if (!past->incomplete) {
                judge_point(&s, &p[i]);
                note_change(past, item, &p[i]);
            }
        }
        s.before = &p[i];
    }
}

static void check_all_series(struct past *p, struct findings *findings)
{
    struct point *points = arena_array(p->arena, p->our_count + p->sorted_count + p->point_count + 1, sizeof *points);
    for (size_t i = 0, end; i < p->our_count; i = end) {
        const struct item *item = p->ours[i]->item;
        end = run_of_item(p, i);
        if (!needs_series(item))
            continue;
        size_t n = last_words(points, gather(p, &p->ours[i], end - i, points));
        check_series(p, item, points, n, findings);
    }
}

/* ---- 3401: the parts against the whole ---- */

/* The last of our readings of a slot at an instant, NULL: none. */
static struct reading *our_reading(const struct past *p, int32_t slot, int64_t ts)
{
    size_t lo = 0, hi = p->our_count;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        const struct reading *r = p->ours[mid];
        if (r->item->slot < slot || (r->item->slot == slot && r->ts <= ts))
            lo = mid + 1;
        else
            hi = mid;
    }
    struct reading *r = lo > 0 ? p->ours[lo - 1] : NULL;
    return r && r->item->slot == slot && r->ts == ts ? r : NULL;
}

/* The value of an item at an instant: the last of ours, else the stored one; false: none that is valid. */
static bool value_at(const struct past *p, const struct item *item, int64_t ts, int64_t *value, struct reading **ours)
{
    *ours = our_reading(p, item->slot, ts);
    if (*ours) {
        *value = (*ours)->value;
        return ((*ours)->flag & FLAG_INVALID) == 0;
    }
    int16_t page = (int16_t)SLOT_PAGE(item->slot);
    int index = SLOT_INDEX(item->slot);
    size_t i = frame_position(p, page, ts);
    if (i == p->sorted_count || p->sorted[i]->page != page || p->sorted[i]->ts != ts ||
        !frame_has_valid(p->sorted[i], index))
        return false;
    *value = p->sorted[i]->value[index];
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
static void check_whole(const struct past *p, const struct whole_at *w, const struct item *const *parts,
                        size_t part_count, struct findings *findings)
{
    int64_t total = 0, value = 0;
    dec128 sum = 0;
    struct reading *blamed = NULL, *ours = NULL;
    if (!value_at(p, w->whole, w->ts, &total, &blamed))
        return;
    for (size_t i = 0; i < part_count; i++) {
        if (parts[i]->whole != w->whole->slot || !value_at(p, parts[i], w->ts, &value, &ours))
            continue;
        sum += value;
        blamed = blamed ? blamed : ours;
    }
    if (sum > total && blamed)
        blame(blamed, sum, total, findings);
}

static size_t list_wholes(const struct past *p, struct whole_at *out)
{
    size_t n = 0;
    for (size_t i = 0; i < p->our_count; i++) {
        const struct item *item = p->ours[i]->item;
        if (!needs_parts(item))
            continue;
        out[n++] = (struct whole_at){item->whole >= 0 ? p->unit->by_slot[item->whole] : item, p->ours[i]->ts};
    }
    qsort(out, n, sizeof *out, compare_wholes);
    size_t kept = 0;
    for (size_t i = 0; i < n; i++)
        if (kept == 0 || compare_wholes(&out[kept - 1], &out[i]) != 0)
            out[kept++] = out[i];
    return kept;
}

static void check_all_parts(const struct past *p, struct findings *findings)
{
    const struct unit *unit = p->unit;
    const struct item **parts = arena_array(p->arena, unit->item_count + 1, sizeof *parts);
    size_t part_count = 0;
    for (size_t i = 0; i < unit->item_count; i++)
        if (unit->items[i].whole >= 0)
            parts[part_count++] = &unit->items[i];
    if (part_count == 0)
        return;
    struct whole_at *wholes = arena_array(p->arena, p->our_count + 1, sizeof *wholes);
    size_t n = list_wholes(p, wholes);
    for (size_t i = 0; i < n; i++)
        check_whole(p, &wholes[i], parts, part_count, findings);
}

void past_check(struct past *p, struct findings *findings)
{
    if (p->point_count > 0)
        qsort(p->points, p->point_count, sizeof *p->points, compare_points_by_slot);
    check_all_series(p, findings);
    check_all_parts(p, findings);
}

/* ---- 3402 ---- */

static bool differs(int64_t reported, dec128 computed, int64_t tolerance_ppm)
{
    dec128 difference = reported - computed;
    dec128 size = computed < 0 ? -computed : computed;
    difference = difference < 0 ? -difference : difference;
    return difference * 1000000 > size * tolerance_ppm;
}

void past_check_reported(const struct reading *r, const struct computed_value *computed, int64_t tolerance_ppm,
                         struct findings *findings)
{
    if (!computed->known || (r->flag & FLAG_INVALID) || !differs(r->value, computed->value, tolerance_ppm))
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

void past_check_stored_report(const struct stored_report *report, const struct computed_value *computed,
                              int64_t tolerance_ppm, struct findings *findings)
{
    static const char *const ZH[] = {"", "日值", "月值", "年值"}, *const EN[] = {"", "day", "month", "year"};
    if (!computed->known || !differs(report->value, computed->value, tolerance_ppm))
        return;
    int stat_type = report->item->stat_type;
    char reported[DECIMAL_TEXT], right[DECIMAL_TEXT], date[CALTIME_TEXT];
    decimal_format(report->value, reported);
    decimal_format(computed->value, right);
    struct finding *f = finding_add(
        findings, 3402,
        arena_printf(findings->arena, "此前上报的%s %s 与本次数据入库后由实时数据计算的 %s 不符", ZH[stat_type],
                     reported, right),
        arena_printf(findings->arena, "the %s value %s reported before differs from %s, computed with these readings",
                     EN[stat_type], reported, right));
    f->line = report->by->record->line;
    f->data_code = arena_strdup(findings->arena, report->item->data_code);
    f->stat_type = stat_type;
    f->stat_date = arena_strdup(findings->arena, caltime_format(report->ts, date));
}
