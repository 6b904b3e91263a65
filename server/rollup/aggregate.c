#include "rollup/aggregate.h"

#include <stdlib.h>
#include <string.h>

void cell_add(struct cell *c, int64_t value)
{
    if (c->m == 0 || value < c->vmin)
        c->vmin = value;
    if (c->m == 0 || value > c->vmax)
        c->vmax = value;
    c->total += value;
    c->m++;
}

void cell_merge(struct cell *into, const struct cell *lower)
{
    if (lower->m > 0) {
        if (into->m == 0 || lower->vmin < into->vmin)
            into->vmin = lower->vmin;
        if (into->m == 0 || lower->vmax > into->vmax)
            into->vmax = lower->vmax;
    }
    into->total += lower->total;
    into->m += lower->m;
    into->n += lower->n;
    into->bad += lower->bad;
    into->late += lower->late;
    into->suspect += lower->suspect;
    into->counter |= lower->counter;
}

static bool cell_empty(const struct cell *c)
{
    return c->n == 0 && c->m == 0 && c->bad == 0;
}

bool cell_equal(const struct cell *a, const struct cell *b)
{
    if (cell_empty(a) && cell_empty(b))
        return true;
    bool parts = a->n == b->n && a->m == b->m && a->bad == b->bad && a->total == b->total;
    bool marks = a->late == b->late && a->suspect == b->suspect;
    return parts && marks && (a->m == 0 || (a->vmin == b->vmin && a->vmax == b->vmax));
}

bool row_empty(const struct bucket_row *r)
{
    for (int i = 0; i < r->width; i++)
        if (!cell_empty(&r->cells[i]))
            return false;
    return true;
}

bool row_equal(const struct bucket_row *a, const struct bucket_row *b)
{
    static const struct cell nothing;
    int width = a->width > b->width ? a->width : b->width;
    for (int i = 0; i < width; i++)
        if (!cell_equal(i < a->width ? &a->cells[i] : &nothing, i < b->width ? &b->cells[i] : &nothing))
            return false;
    return true;
}

void row_widen(struct bucket_row *r, int width, struct arena *arena)
{
    if (width <= r->width)
        return;
    struct cell *wider = arena_array(arena, (size_t)width, sizeof *wider);
    if (r->width > 0)
        memcpy(wider, r->cells, (size_t)r->width * sizeof *wider);
    r->cells = wider;
    r->width = (int16_t)width;
}

void row_merge(struct bucket_row *into, const struct bucket_row *lower, struct arena *arena)
{
    row_widen(into, lower->width, arena);
    for (int i = 0; i < lower->width; i++)
        if (!cell_empty(&lower->cells[i]))
            cell_merge(&into->cells[i], &lower->cells[i]);
}

enum counter_step counter_difference(int64_t before, int64_t now, int64_t counter_max, int64_t *difference)
{
    if (now >= before) {
        *difference = now - before; /* both below 10^18 in size: no overflow */
        return COUNTER_DIFFERENCE;
    }
    if (counter_max == DECIMAL_UNSET)
        return COUNTER_RESET;
    dec128 over = (dec128)now - before + counter_max;
    if (over < 0 || over * 2 > counter_max)
        return COUNTER_RESET;
    *difference = (int64_t)over;
    return COUNTER_ROLLOVER;
}

/* ---- rows ---- */

struct bucket_row *row_list_add(struct row_list *l, struct arena *a, int32_t unit, int page, int64_t ts, int width)
{
    struct bucket_row *r = ARENA_PUSH(a, l->at, l->count, l->cap);
    *r = (struct bucket_row){.unit_id = unit, .page = (int16_t)page, .ts = ts};
    row_widen(r, width, a);
    return r;
}

static int compare_rows(const void *a, const void *b)
{
    const struct bucket_row *x = a;
    const struct bucket_row *y = b;
    if (x->unit_id != y->unit_id)
        return x->unit_id < y->unit_id ? -1 : 1;
    if (x->page != y->page)
        return x->page < y->page ? -1 : 1;
    return x->ts < y->ts ? -1 : x->ts > y->ts;
}

void row_list_sort(struct row_list *l)
{
    if (l->count > 1)
        qsort(l->at, l->count, sizeof *l->at, compare_rows);
}

struct bucket_row *row_list_find(const struct row_list *l, int32_t unit, int page, int64_t ts)
{
    struct bucket_row key = {.unit_id = unit, .page = (int16_t)page, .ts = ts};
    return l->count ? bsearch(&key, l->at, l->count, sizeof *l->at, compare_rows) : NULL;
}

/* ---- keys ---- */

void key_set_add(struct key_set *s, struct arena *a, int32_t unit, int64_t ts)
{
    if (s->count > 0 && s->at[s->count - 1].unit_id == unit && s->at[s->count - 1].ts == ts)
        return;
    *ARENA_PUSH(a, s->at, s->count, s->cap) = (struct bucket_key){unit, ts};
}

static int compare_keys(const void *a, const void *b)
{
    const struct bucket_key *x = a;
    const struct bucket_key *y = b;
    if (x->unit_id != y->unit_id)
        return x->unit_id < y->unit_id ? -1 : 1;
    return x->ts < y->ts ? -1 : x->ts > y->ts;
}

void key_set_finish(struct key_set *s)
{
    if (s->count < 2)
        return;
    qsort(s->at, s->count, sizeof *s->at, compare_keys);
    size_t n = 1;
    for (size_t i = 1; i < s->count; i++)
        if (compare_keys(&s->at[n - 1], &s->at[i]) != 0)
            s->at[n++] = s->at[i];
    s->count = n;
}

bool key_set_has(const struct key_set *s, int32_t unit, int64_t ts)
{
    struct bucket_key key = {unit, ts};
    return s->count && bsearch(&key, s->at, s->count, sizeof *s->at, compare_keys);
}

void rows_roll(const struct row_list *lower, const struct key_set *wanted, enum granularity g, struct row_list *out,
               struct arena *a)
{
    struct bucket_row *current = NULL;
    for (size_t i = 0; i < lower->count; i++) {
        const struct bucket_row *r = &lower->at[i];
        int64_t start = period_start(g, r->ts);
        bool same = current && current->unit_id == r->unit_id && current->page == r->page && current->ts == start;
        if (!same) {
            if (!key_set_has(wanted, r->unit_id, start)) {
                current = NULL;
                continue;
            }
            current = row_list_add(out, a, r->unit_id, r->page, start, r->width);
        }
        row_merge(current, r, a);
    }
    row_list_sort(out);
}
