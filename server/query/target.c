#include "query/target.h"

#include <stdlib.h>
#include <string.h>

#define LONGEST_HOURLY_PERIOD 3600 /* above it an item has no hour rows (contract 6.6) */

int reported_stat_type(enum granularity g)
{
    static const int stat[] = {[GRAN_DAY] = 1, [GRAN_MONTH] = 2, [GRAN_YEAR] = 3};
    return stat[g];
}

static int compare_text(const void *key, const void *element)
{
    return strcmp(key, *(const char *const *)element);
}

static bool wanted(const char *data_code, const char *const *codes, size_t count)
{
    return count == 0 || bsearch(data_code, codes, count, sizeof *codes, compare_text) != NULL;
}

static void set_source(struct source *s, const struct item *it, struct arena *a)
{
    *s = (struct source){.present = true,
                         .slot = it->slot,
                         .period = it->period,
                         .aggregation = it->aggregation,
                         .unit = arena_strdup(a, it->unit)};
}

/* Items are in order of data code and statType; returns the first of the next code. */
static size_t read_code(const struct unit *u, size_t i, enum granularity g, struct arena *a, struct target *t)
{
    const char *code = u->items[i].data_code;
    for (; i < u->item_count && strcmp(u->items[i].data_code, code) == 0; i++) {
        const struct item *it = &u->items[i];
        bool hourly = g != GRAN_HOUR || it->period <= LONGEST_HOURLY_PERIOD;
        if (it->stat_type == 0 && hourly) {
            set_source(&t->live, it, a);
        } else if (it->stat_type != 0 && it->stat_type == reported_stat_type(g)) {
            set_source(&t->reported, it, a);
        }
    }
    return i;
}

void targets_of_unit(const struct unit *u, const struct data_question *q, const char *const *codes, size_t count,
                     struct arena *a, struct target **targets, size_t *target_count)
{
    const char *enterprise = arena_strdup(a, u->code);
    *targets = arena_array(a, u->item_count + 1, sizeof **targets);
    *target_count = 0;
    for (size_t i = 0; i < u->item_count;) {
        const char *code = u->items[i].data_code;
        struct target t = {.unit_id = u->id, .enterprise_code = enterprise, .from = q->from};
        i = read_code(u, i, q->granularity, a, &t);
        if ((t.live.present || t.reported.present) && wanted(code, codes, count)) {
            t.data_code = arena_strdup(a, code);
            (*targets)[(*target_count)++] = t;
        }
    }
}
