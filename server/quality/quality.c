#include "quality/quality_store.h"

#include <string.h>

#include "base/caltime.h"
#include "base/clock.h"
#include "base/mem.h"
#include "registry/registry.h"

#define DAY_US (INT64_C(86400) * USEC_PER_SEC)
#define FIRST_LOOK_BACK 32 /* days read at first for the run before the question; then twice as many, and so on */
#define LONGEST_LOOK_BACK 512

/* ---- figures ---- */

int64_t quality_on_time(const struct quality_counts *c)
{
    return c->valid + c->invalid - c->late;
}

int64_t quality_received(const struct quality_counts *c)
{
    return c->valid + c->invalid + c->rejected;
}

static dec128 ratio(int64_t part, int64_t whole)
{
    return whole > 0 ? decimal_div((dec128)part * DECIMAL_SCALE, whole) : 0;
}

dec128 quality_completeness(const struct quality_counts *c)
{
    return ratio(c->covered, c->expected);
}

dec128 quality_success_rate(const struct quality_counts *c)
{
    return ratio(c->valid, quality_received(c));
}

dec128 quality_on_time_rate(const struct quality_counts *c)
{
    return ratio(quality_on_time(c), c->valid + c->invalid);
}

/* Judged before rounding: 0.8999999 is not 0.9. */
bool quality_good_day(const struct quality_counts *c)
{
    return c->expected > 0 && (dec128)c->covered * DECIMAL_SCALE >= (dec128)c->expected * QUALITY_GOOD_DAY;
}

void quality_add(struct quality_counts *into, const struct quality_counts *more)
{
    into->expected += more->expected;
    into->valid += more->valid;
    into->invalid += more->invalid;
    into->covered += more->covered;
    into->late += more->late;
    into->suspect += more->suspect;
    into->rejected += more->rejected;
}

int64_t quality_due(const struct quality_item *item, int64_t day, int64_t cut)
{
    int64_t period = item->stat_type == 1 ? DAY_US : item->period * USEC_PER_SEC;
    int64_t since = item->stat_type == 1 ? period_start(GRAN_DAY, item->since) : item->since;
    int64_t end = day + DAY_US < cut ? day + DAY_US : cut;
    if (day >= item->until || end <= day || since >= end)
        return 0;
    int64_t skipped = since > day ? (since - day + period - 1) / period : 0;
    int64_t due = (end - day) / period - skipped;
    return due > 0 ? due : 0;
}

/* ---- days of one enterprise ---- */

struct span {
    struct db *db;
    const struct quality_unit *unit;
    struct quality_items *items;
    bool history; /* items know their first readings */
    int64_t from, to, cut;
    const struct page_counts **pages[2]; /* of the day in hand, by statType and page */
    size_t page_count;
    struct refused_list refused;
    quality_visitor *visit;
    void *arg;
    bool brief; /* only what makes a day good is wanted */
};

/* What came counts as expected too, so that a day is never more than complete: readings before the item was configured,
 * before they were due, or after it was retired. */
static struct quality_counts item_counts(const struct quality_item *item, const struct slot_counts *s, int64_t due)
{
    int64_t whole = item->stat_type == 1 ? 1 : 86400 / item->period;
    int64_t arrived = (int64_t)s->valid + s->invalid;
    struct quality_counts c = {.valid = s->valid, .invalid = s->invalid, .late = s->late, .suspect = s->suspect};
    arrived = arrived < whole ? arrived : whole;
    c.expected = due > arrived ? due : arrived;
    c.covered = c.valid < c.expected ? c.valid : c.expected;
    return c;
}

static const struct slot_counts *slot_of(const struct span *s, const struct quality_item *item)
{
    static const struct slot_counts none;
    size_t page = (size_t)SLOT_PAGE(item->slot), index = (size_t)SLOT_INDEX(item->slot);
    const struct page_counts *p = page < s->page_count ? s->pages[item->stat_type][page] : NULL;
    return p && index < p->width ? &p->slots[index] : &none;
}

static int64_t refused_of(const struct span *s, const struct quality_item *item, int64_t day)
{
    int64_t n = 0;
    for (size_t i = 0; i < s->refused.count; i++) {
        const struct refused_records *r = &s->refused.at[i];
        if (r->day == day && r->stat_type == item->stat_type && strcmp(r->data_code, item->data_code) == 0)
            n += r->count;
    }
    return n;
}

static int64_t refused_on(const struct span *s, int64_t day)
{
    int64_t n = 0;
    for (size_t i = 0; i < s->refused.count; i++)
        n += s->refused.at[i].day == day ? s->refused.at[i].count : 0;
    return n;
}

static struct quality_counts day_counts(const struct span *s, int64_t day)
{
    struct quality_counts sum = {0}, unknown = {.rejected = refused_on(s, day)};
    for (size_t i = 0; i < s->items->count; i++) {
        const struct quality_item *item = &s->items->at[i];
        struct quality_counts c = item_counts(item, slot_of(s, item), quality_due(item, day, s->cut));
        c.rejected = unknown.rejected > 0 ? refused_of(s, item, day) : 0;
        unknown.rejected -= c.rejected;
        quality_add(&sum, &c);
        if (s->visit && (c.expected > 0 || c.rejected > 0))
            s->visit(s->arg, item, day, &c);
    }
    if (s->visit && unknown.rejected > 0)
        s->visit(s->arg, NULL, day, &unknown);
    quality_add(&sum, &unknown);
    return sum;
}

static void find_pages(struct span *s, const struct page_list *list, size_t *rolled, int64_t day)
{
    memset(s->pages[0], 0, s->page_count * sizeof *s->pages[0]);
    memset(s->pages[1], 0, s->page_count * sizeof *s->pages[1]);
    for (int stat_type = 0; stat_type < 2; stat_type++) {
        size_t *at = &rolled[stat_type];
        while (*at < list->count && list->at[*at].stat_type == stat_type && list->at[*at].day <= day) {
            const struct page_counts *p = &list->at[(*at)++];
            if (p->day == day && (size_t)p->page < s->page_count)
                s->pages[stat_type][p->page] = p;
        }
    }
}

/* counts: one element per day of the span. scratch: emptied by the caller. */
static RESULT count_days(struct span *s, struct arena *scratch, struct quality_counts *counts)
{
    struct page_list list = {0};
    size_t at[2] = {0, 0};
    unsigned wish = s->brief ? PAGES_BRIEF : 0;
    for (size_t i = 0; i < s->items->count; i++) {
        size_t pages = (size_t)SLOT_PAGE(s->items->at[i].slot) + 1;
        s->page_count = pages > s->page_count ? pages : s->page_count;
        wish |= s->items->at[i].stat_type == 1 ? PAGES_REPORTED : 0;
    }
    TRY(quality_store_pages(s->db, s->unit->id, s->from, s->to, wish, scratch, &list));
    while (at[1] < list.count && list.at[at[1]].stat_type == 0)
        at[1]++;
    s->pages[0] = arena_array(scratch, s->page_count + 1, sizeof *s->pages[0]);
    s->pages[1] = arena_array(scratch, s->page_count + 1, sizeof *s->pages[1]);
    for (int64_t day = s->from; day < s->to; day = period_next(GRAN_DAY, day)) {
        find_pages(s, &list, at, day);
        *counts++ = day_counts(s, day);
    }
    return RESULT_OK;
}

/* Before days are counted that may lie before the configuration of an item. */
static RESULT learn_history(struct span *s)
{
    bool wanted = false;
    for (size_t i = 0; i < s->items->count; i++)
        wanted |= s->items->at[i].since > s->from;
    if (s->history || !wanted)
        return RESULT_OK;
    s->history = true;
    return quality_store_history(s->db, s->unit->id, s->items);
}

/* How many good days in a row end right before s->from. */
static RESULT run_before(const struct span *asked, struct arena *scratch, int *run)
{
    struct span s = *asked;
    s.visit = NULL;
    s.brief = true;
    s.refused.count = 0;
    s.to = asked->from;
    *run = 0;
    for (int64_t days = FIRST_LOOK_BACK;; days = days < LONGEST_LOOK_BACK ? days * 2 : days) {
        s.from = s.to - days * DAY_US; /* the zone has no other days (base/caltime.h) */
        TRY(learn_history(&s));
        arena_reset(scratch);
        struct quality_counts *counts = arena_array(scratch, (size_t)days, sizeof *counts);
        TRY(count_days(&s, scratch, counts));
        for (int64_t i = days - 1; i >= 0; i--, ++*run)
            if (!quality_good_day(&counts[i]))
                return RESULT_OK;
        s.to = s.from;
    }
}

static RESULT fill(struct span *s, struct quality_counts *counts, struct arena *scratch, struct arena *arena,
                   struct quality_list *out)
{
    size_t days = (size_t)((s->to - s->from) / DAY_US);
    int run = 0;
    TRY(count_days(s, scratch, counts));
    if (quality_good_day(&counts[0]))
        TRY(run_before(s, scratch, &run));
    for (size_t i = 0; i < days; i++) {
        run = quality_good_day(&counts[i]) ? run + 1 : 0;
        if (counts[i].expected == 0 && counts[i].rejected == 0)
            continue;
        if (out->count >= QUALITY_MAX_ROWS)
            return result_error(
                ERR_LIMIT, 1107,
                "企业与天数之积超过%d，请分批查询 / more than %d days of enterprises are asked for: ask in parts",
                QUALITY_MAX_ROWS, QUALITY_MAX_ROWS);
        *ARENA_PUSH(arena, out->at, out->count, out->cap) =
            (struct quality_day){s->unit->code, s->from + (int64_t)i * DAY_US, counts[i], run};
    }
    return RESULT_OK;
}

/* Nothing is known before the first item and the first refused record, and nothing can be due after today. */
static void clip(struct span *s)
{
    int64_t first = INT64_MAX, tomorrow = period_next(GRAN_DAY, period_start(GRAN_DAY, clock_now()));
    for (size_t i = 0; i < s->items->count; i++)
        first = s->items->at[i].since < first ? s->items->at[i].since : first;
    for (size_t i = 0; i < s->refused.count; i++)
        first = s->refused.at[i].day < first ? s->refused.at[i].day : first;
    s->to = s->to < tomorrow ? s->to : tomorrow;
    first = first < s->to ? period_start(GRAN_DAY, first) : s->to;
    if (s->from < first)
        s->from = first;
    else if (s->from < s->to && period_start(GRAN_DAY, s->from) != s->from)
        s->from = period_next(GRAN_DAY, period_start(GRAN_DAY, s->from));
    if (s->from < s->to && period_start(GRAN_DAY, s->to) != s->to)
        s->to = period_next(GRAN_DAY, period_start(GRAN_DAY, s->to));
}

RESULT quality_of_unit(struct db *db, const struct quality_unit *unit, int64_t from, int64_t to, struct arena *arena,
                       quality_visitor *visit, void *arg, struct quality_list *out)
{
    struct quality_items items = {0};
    TRY(quality_store_items(db, unit->id, arena, &items));
    struct span s = {.db = db, .unit = unit, .items = &items, .from = from, .to = to, .visit = visit, .arg = arg};
    s.cut = clock_now() - (unit->upload_period + QUALITY_GRACE_S) * USEC_PER_SEC;
    TRY(learn_history(&s));
    TRY(quality_store_refused(db, unit->id, from, to, arena, &s.refused));
    clip(&s);
    if (s.from >= s.to)
        return RESULT_OK;
    struct arena *scratch = arena_new(0);
    struct quality_counts *counts = mem_array((size_t)((s.to - s.from) / DAY_US) + 1, sizeof *counts);
    struct result r = fill(&s, counts, scratch, arena, out);
    mem_free(counts);
    arena_free(&scratch);
    return r;
}

RESULT quality_find_unit(struct db *db, const char *code, struct arena *arena, struct quality_unit *out)
{
    struct quality_units units = {0};
    struct quality_question q = {.enterprise_code = code};
    TRY(quality_store_units(db, &q, arena, &units));
    if (units.count == 0)
        return result_error(ERR_NOT_FOUND, 0, "没有这个企业 / no such enterprise: %s", code);
    *out = units.at[0];
    return RESULT_OK;
}

static RESULT query_units(struct db *db, const struct quality_question *q, struct arena *arena,
                          struct quality_list *out)
{
    struct quality_units units = {0};
    /* The same few statements for each of many enterprises: planning them anew, over tables of many partitions, would
     * cost more than running them. */
    TRY(db_exec(db, "SET LOCAL plan_cache_mode = force_generic_plan"));
    TRY(quality_store_units(db, q, arena, &units));
    for (size_t i = 0; i < units.count && !arena_exceeded(arena); i++)
        TRY(quality_of_unit(db, &units.at[i], q->from, q->to, arena, NULL, NULL, out));
    return arena_exceeded(arena)
               ? result_error(ERR_LIMIT, 1107, "结果过大，请分批查询 / the answer is too large: ask in parts")
               : RESULT_OK;
}

RESULT quality_query(struct db *db, const struct quality_question *q, struct arena *arena, struct quality_list *out)
{
    TRY(db_begin_snapshot(db)); /* all rows of an answer from one state of the database */
    struct result r = query_units(db, q, arena, out);
    db_rollback(db);
    return r;
}
