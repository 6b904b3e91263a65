/* basedata_csv: a CSV file of base data 基础信息 becomes entries for base_data_import (sql/replace/30_base_data.sql).
 *
 * Format: UTF-8, a byte order mark, quotes, CRLF and empty lines tolerated; the first line is the header. Every list
 * takes the columns of `basedata export`; published tables have names of their own for some of them, see COLUMNS and
 * FILTERS. A column that the file does not have leaves what is stored. Errors: SENDER with the line; nothing is given
 * then. Thread: any thread. */
#ifndef NHJC_CLI_BASEDATA_CSV_H
#define NHJC_CLI_BASEDATA_CSV_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/result.h"

struct basedata_list {
    const char *name;   /* as the operator says it */
    const char *target; /* list of base_data */
    bool merge;         /* the file only adds to entries: what it does not have stays */
    const char *zh;
};
const struct basedata_list *basedata_list(const char *name); /* NULL: none */
const struct basedata_list *basedata_lists(size_t *count);

struct basedata_entries {
    struct buf json; /* an array of objects */
    size_t count;
    size_t left_aside; /* rows that the list's filters do not take */
};
/* option: what a filter asks for that the operator chooses (co2_factor: the rule set); NULL: the default.
 * Free entries->json. */
RESULT basedata_csv_read(const struct basedata_list *list, const char *option, const char *text, size_t len,
                         struct basedata_entries *entries);
/* Appends a cell, quoted where needed. */
void basedata_csv_cell(struct buf *out, const char *text, bool first);

#endif
