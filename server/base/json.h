/* json: a JSON document written piece by piece; commas and line ends are its business, nesting the caller's.
 *
 * For:    documents for programs that are more than a list (cli/table.h).
 * Owner:  out is borrowed. Thread: one at a time. Source: RFC 8259; numbers that must stay exact go as strings. */
#ifndef NHJC_BASE_JSON_H
#define NHJC_BASE_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/decimal.h"

struct json {
    struct buf *out;
    int depth;
    bool follows; /* a value stands before the next one: it needs a comma */
};

/* name: of the member; NULL for an element of a list and for the document. kind: '{' or '['. */
void json_begin(struct json *j, const char *name, char kind);
void json_end(struct json *j, char kind);                           /* '}' or ']' */
void json_text(struct json *j, const char *name, const char *text); /* NULL: null */
void json_int(struct json *j, const char *name, int64_t n);
void json_bool(struct json *j, const char *name, bool v);
void json_null(struct json *j, const char *name);
void json_time(struct json *j, const char *name, int64_t us);        /* yyyy-MM-dd HH:mm:ss, platform zone */
void json_decimal(struct json *j, const char *name, int64_t scaled); /* base/decimal.h; as a string */
void json_number(struct json *j, const char *name, dec128 scaled);   /* likewise, bare */
void json_id(struct json *j, const char *name, int64_t id);          /* as a string: doubles hold only 53 bits */

#endif
