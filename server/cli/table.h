/* table: a list for the operator, as aligned columns or as a JSON array of objects.
 * Widths count Chinese characters as two columns, as terminals do.
 * Owner: table_new gives, table_free takes; cells are copied. Thread: one at a time. */
#ifndef NHJC_CLI_TABLE_H
#define NHJC_CLI_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct table_column {
    const char *key;  /* of the JSON object */
    const char *head; /* Chinese, then English */
    bool number;      /* to the right, and bare in JSON */
};

struct table;

struct table *table_new(const struct table_column *columns, size_t count); /* columns: borrowed */
void table_free(struct table **t);
void table_text(struct table *t, const char *text); /* the next cell, row by row; NULL: empty, null in JSON */
void table_int(struct table *t, int64_t number);
void table_time(struct table *t, int64_t us); /* platform zone; INT64_MIN: empty */
size_t table_rows(const struct table *t);
/* Appends the whole list. */
void table_print(const struct table *t, bool json, struct buf *out);

int text_width(const char *utf8); /* columns on a terminal */

#endif
