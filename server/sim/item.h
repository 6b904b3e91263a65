/* item: the collect items of the simulated enterprise: a column of the source, its data code and meaning.
 *
 * Known columns have fixed codes (table in item.c, and in README.md); others get codes of class 10 in their order.
 * Owner:  sim_items_free. Thread: any thread once made. */
#ifndef NHJC_SIM_ITEM_H
#define NHJC_SIM_ITEM_H

#include <stddef.h>

#include "base/buf.h"
#include "base/result.h"

struct sim_item {
    char *column;
    char data_code[17];
    char *aggregation; /* "sum", "mean", "counter" */
    char *name, *unit; /* "" if unknown */
};

struct sim_items {
    struct sim_item *at;
    size_t count;
};

void sim_items_from_columns(char *const *columns, size_t count, struct sim_items *items);
/* Lines `column,dataCode,aggregation,name,unit` replace what the table says; text is changed. SENDER: the line is
 * named. Columns that the source does not have are allowed: one file may serve several sources. */
RESULT sim_items_override(struct sim_items *items, const char *path, char *text);
void sim_items_print(const struct sim_items *items, struct buf *out); /* in the form that override reads */
void sim_items_free(struct sim_items *items);

#endif
