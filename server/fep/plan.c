#include "fep/plan.h"

#include "base/mem.h"

void aside_free(struct aside *a)
{
    mem_free(a->at);
    *a = (struct aside){0};
}

static struct aside_unit *find(const struct aside *a, int32_t unit_id)
{
    for (size_t i = 0; i < a->count; i++)
        if (a->at[i].unit_id == unit_id)
            return &a->at[i];
    return NULL;
}

static struct aside_unit *entry(struct aside *a, int32_t unit_id)
{
    struct aside_unit *u = find(a, unit_id);
    if (u)
        return u;
    if (a->count == a->cap) {
        a->cap = a->cap ? a->cap * 2 : 16;
        a->at = mem_grow(a->at, a->cap * sizeof *a->at);
    }
    a->at[a->count] = (struct aside_unit){.unit_id = unit_id};
    return &a->at[a->count++];
}

void aside_split(struct aside *a, const struct outbox_share *shares, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct aside_unit *u = entry(a, shares[i].unit_id);
        u->how = count > 1 ? ASIDE_UNIT : ASIDE_ROW;
        if (shares[i].last_id > u->until_id)
            u->until_id = shares[i].last_id;
    }
}

void aside_refused(struct aside *a, int32_t unit_id)
{
    entry(a, unit_id)->refused = true;
}

void aside_accepted(struct aside *a, int32_t unit_id)
{
    struct aside_unit *u = find(a, unit_id);
    if (u)
        u->refused = false;
}

size_t plan_units(const struct aside *a, const int32_t *units, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (find(a, units[i]))
            return i > 0 ? i : 1;
    return count;
}

/* ---- rows ---- */

static enum pack_kind kind_of(const struct outbox_row *rows, size_t count)
{
    for (size_t i = 0; i < count && rows[i].turn == 1; i++)
        if (rows[i].kind == PACK_CONFIG)
            return PACK_CONFIG;
    return PACK_DATA;
}

/* Trouble that lies behind: the enterprise may share messages again. */
static void forget_passed(struct aside *a, const struct outbox_row *first)
{
    struct aside_unit *u = find(a, first->unit_id);
    if (u && !u->refused && first->id > u->until_id)
        *u = a->at[--a->count];
}

static bool one_row_only(const struct aside *a, const struct outbox_row *first)
{
    const struct aside_unit *u = find(a, first->unit_id);
    return u && u->how == ASIDE_ROW && first->id <= u->until_id;
}

/* Enterprises that reached a configuration row or a late one: what follows of them waits. Few at a time. */
struct stopped {
    int32_t *unit;
    size_t count;
};

static bool is_stopped(const struct stopped *s, int32_t unit_id)
{
    for (size_t i = 0; i < s->count; i++)
        if (s->unit[i] == unit_id)
            return true;
    return false;
}

static size_t data_rows(struct outbox_row *rows, size_t count)
{
    struct stopped s = {.unit = mem_array(count + 1, sizeof *s.unit)};
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (is_stopped(&s, rows[i].unit_id))
            continue;
        bool late = rows[i].late; /* goes alone: what comes next is known once it is claimed */
        bool keep = rows[i].kind == PACK_DATA && (!late || rows[i].turn == 1);
        if (!keep || late)
            s.unit[s.count++] = rows[i].unit_id;
        if (keep)
            rows[kept++] = rows[i];
    }
    mem_free(s.unit);
    return kept;
}

static size_t config_rows(struct outbox_row *rows, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count && rows[i].turn == 1; i++)
        if (rows[i].kind == PACK_CONFIG)
            rows[kept++] = rows[i];
    return kept;
}

size_t plan_rows(struct aside *a, struct outbox_row *rows, size_t count, enum pack_kind *kind)
{
    *kind = kind_of(rows, count);
    if (count == 0)
        return 0;
    if (one_row_only(a, &rows[0]))
        count = 1;
    forget_passed(a, &rows[0]);
    return *kind == PACK_CONFIG ? config_rows(rows, count) : data_rows(rows, count);
}
