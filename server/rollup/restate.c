#include "rollup/restate.h"

#include "base/clock.h"
#include "base/log.h"

#define GRACE (INT64_C(86400) * USEC_PER_SEC)

struct restating {
    const struct calc *calc;
    const struct cause_list *causes;
    struct restatement_list *out;
    int64_t now;
    size_t left_out;
};

static bool is_over(const struct restating *r, enum granularity g, int64_t ts)
{
    return period_next(g, ts) + GRACE <= r->now;
}

static dec128 shown(const struct cell *c, const struct item *item)
{
    return item->aggregation == AGG_MEAN && c->m > 0 ? decimal_div(c->total, c->m) : c->total;
}

static void name_cause(const struct restating *r, struct restatement *x)
{
    const struct mark *mark = cause_of_value(r->causes, x->unit_id, x->ts, period_next(x->granularity, x->ts));
    x->upload_id = mark ? mark->upload_id : 0;
    x->reason = !mark ? "" : mark->cause ? mark->cause : x->upload_id ? "late" : "";
}

static void compare_cell(struct restating *r, enum granularity g, const struct bucket_row *at, int32_t slot,
                         const struct item *item, const struct cell *was, const struct cell *is)
{
    struct restatement x = {.unit_id = at->unit_id,
                            .slot = slot,
                            .granularity = g,
                            .ts = at->ts,
                            .had_value = was->m > 0,
                            .has_value = is->m > 0,
                            .old_value = shown(was, item),
                            .new_value = shown(is, item),
                            .old_n = was->n,
                            .new_n = is->n};
    bool same = x.had_value == x.has_value && (!x.had_value || x.old_value == x.new_value);
    if (was->n == 0 || same)
        return;
    if (r->out->count == RESTATED_PER_SLICE) {
        r->left_out++;
        return;
    }
    name_cause(r, &x);
    *ARENA_PUSH(r->calc->arena, r->out->at, r->out->count, r->out->cap) = x;
}

static void compare_rows(struct restating *r, enum granularity g, const struct bucket_row *was,
                         const struct bucket_row *is)
{
    static const struct cell nothing;
    const struct unit *unit = calc_unit(r->calc, is->unit_id);
    for (int i = 0; unit && i < was->width; i++) {
        int32_t slot = is->page * PAGE_SLOTS + i;
        const struct item *item = slot < unit->slot_count ? unit->by_slot[slot] : NULL;
        if (item)
            compare_cell(r, g, is, slot, item, &was->cells[i], i < is->width ? &is->cells[i] : &nothing);
    }
}

static void compare_level(struct restating *r, enum granularity g, const struct row_list *stored,
                          const struct row_list *fresh)
{
    for (size_t i = 0; i < fresh->count; i++) {
        const struct bucket_row *is = &fresh->at[i];
        const struct bucket_row *was =
            is_over(r, g, is->ts) ? row_list_find(stored, is->unit_id, is->page, is->ts) : NULL;
        if (was)
            compare_rows(r, g, was, is);
    }
}

/* Stored years are not read: they are what the stored months add up to. */
static void compare_years(struct restating *r, const struct key_set *years, const struct row_list *months,
                          const struct row_list *fresh)
{
    struct key_set over = {0};
    struct row_list stored = {0};
    for (size_t i = 0; i < years->count; i++)
        if (is_over(r, GRAN_YEAR, years->at[i].ts))
            key_set_add(&over, r->calc->arena, years->at[i].unit_id, years->at[i].ts);
    key_set_finish(&over);
    if (over.count == 0)
        return;
    rows_roll(months, &over, GRAN_YEAR, &stored, r->calc->arena);
    compare_level(r, GRAN_YEAR, &stored, fresh);
}

void restate_rows(const struct calc *calc, const struct cause_list *causes, const struct key_set *years,
                  const struct row_list stored[3], const struct row_list fresh[4], struct restatement_list *out)
{
    struct restating r = {.calc = calc, .causes = causes, .out = out, .now = clock_now()};
    compare_years(&r, years, &stored[2], &fresh[3]);
    compare_level(&r, GRAN_MONTH, &stored[2], &fresh[2]);
    compare_level(&r, GRAN_DAY, &stored[1], &fresh[1]);
    if (r.left_out > 0)
        log_write(LOG_WARN, "rollup", "restatements_left_out", "count=%zu", r.left_out);
}
