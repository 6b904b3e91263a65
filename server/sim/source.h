/* source: where readings come from: a CSV file or a built-in shape, slot by slot in ascending order of time.
 *
 * Owner:  sim_source_close. A slot's cells are valid until the next call on the source.
 * Errors: SENDER with file and line: not a time, out of order, a step that does not divide a day.
 * Thread: one at a time. */
#ifndef NHJC_SIM_SOURCE_H
#define NHJC_SIM_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/result.h"
#include "sim/item.h"

struct sim_source_options {
    const char *csv, *shape; /* exactly one */
    const char *items_file;  /* NULL: the table of item.c */
    int32_t period;          /* seconds; 0: from the file, 900 for a shape */
    int64_t from, to;        /* unix microseconds; INT64_MIN, INT64_MAX: open */
};

struct sim_slot {
    int64_t ts;              /* start */
    const char *const *cell; /* one text per item; "" missing */
};

struct sim_source;

RESULT sim_source_open(const struct sim_source_options *options, struct sim_source **source);
void sim_source_close(struct sim_source **source);
const struct sim_items *sim_source_items(const struct sim_source *source);
/* "shape:glass", "csv:steel.csv.gz:1f00c6a2": name and a digest of header and first row, because a base name alone
 * is shared by files that have nothing in common (2023/data.csv, 2024/data.csv). A file that only grew keeps it. */
const char *sim_source_label(const struct sim_source *source);
int32_t sim_source_period(const struct sim_source *source);
size_t sim_source_slots(const struct sim_source *source); /* all that were chosen */

/* The next slot goes to the first one later than ts. Returns how many were passed over. */
size_t sim_source_skip(struct sim_source *source, int64_t ts);
void sim_source_rewind(struct sim_source *source);                  /* to the first slot chosen */
size_t sim_source_left(const struct sim_source *source);            /* slots that follow */
bool sim_source_peek(const struct sim_source *source, int64_t *ts); /* false: at the end */
bool sim_source_next(struct sim_source *source, struct sim_slot *slot);
/* Header and all slots chosen as CSV: `--print-csv`. The source is at its end afterwards. */
void sim_source_print(struct sim_source *source, void (*write)(const struct buf *line, void *arg), void *arg);

#endif
