#include "rollup/cause.h"

#include <stdlib.h>
#include <string.h>

static bool of_coefficient(const struct mark *m)
{
    return m->cause && strcmp(m->cause, "coefficient") == 0;
}

static int compare_place(const struct mark *m, int32_t unit, int64_t hour)
{
    if (m->unit_id != unit)
        return m->unit_id < unit ? -1 : 1;
    return m->hour < hour ? -1 : m->hour > hour;
}

static int compare_mark(const void *a, const void *b)
{
    const struct mark *x = a, *y = b;
    int c = compare_place(x, y->unit_id, y->hour);
    return c ? c : x->id < y->id ? -1 : x->id > y->id;
}

void cause_add(struct cause_list *l, struct arena *a, const struct mark *mark)
{
    *ARENA_PUSH(a, l->at, l->count, l->cap) = *mark;
}

void cause_finish(struct cause_list *l)
{
    if (l->count > 0)
        qsort(l->at, l->count, sizeof *l->at, compare_mark);
}

/* The first mark at or after an hour of an enterprise. */
static size_t first_from(const struct cause_list *l, int32_t unit, int64_t hour)
{
    size_t lo = 0, hi = l->count;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (compare_place(&l->at[mid], unit, hour) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* The one made last, those of the wanted kind before the others. */
static const struct mark *last_of(const struct cause_list *l, int32_t unit, int64_t from, int64_t to, bool coefficient)
{
    const struct mark *best = NULL;
    for (size_t i = first_from(l, unit, from); i < l->count && compare_place(&l->at[i], unit, to) < 0; i++) {
        const struct mark *m = &l->at[i];
        bool wanted = of_coefficient(m) == coefficient;
        bool held = best && of_coefficient(best) == coefficient;
        if (!best || (wanted && !held) || (wanted == held && m->id > best->id))
            best = m;
    }
    return best;
}

const struct mark *cause_of_value(const struct cause_list *l, int32_t unit, int64_t from, int64_t to)
{
    return last_of(l, unit, from, to, false);
}

const struct mark *cause_of_account(const struct cause_list *l, int32_t unit, int64_t from, int64_t to)
{
    return last_of(l, unit, from, to, true);
}

bool cause_is_ruled(const struct cause_list *l, int32_t unit, int64_t from, int64_t to)
{
    const struct mark *m = last_of(l, unit, from, to, false);
    return m && of_coefficient(m);
}
