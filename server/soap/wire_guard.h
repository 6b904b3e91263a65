/* wire_guard: what must be known about an envelope before gSOAP sees it (G5, G6).
 *
 * For:    gSOAP takes a DOCTYPE, foreign encodings and damaged UTF-8 silently, and needs time quadratic in the number
 * of attributes of a tag. One pass over the bytes settles all of it; what gSOAP then reads has balanced tags, legal
 * characters and references, and bounded tags and depth. Codes:  2101 not well-formed, not UTF-8, or another encoding
 * declared; 2102 DTD; 2106 limit exceeded. Pure. Thread: any thread. */
#ifndef NHJC_SOAP_WIRE_GUARD_H
#define NHJC_SOAP_WIRE_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "soap/objection.h"

struct wire_limits {
    size_t depth;      /* 50 elements */
    size_t attributes; /* 100 per tag */
    size_t tag_bytes;  /* 64 KB */
    size_t names;      /* 256 different attribute names in a message, at most WIRE_NAMES_MAX */
};
#define WIRE_NAMES_MAX 512
extern const struct wire_limits WIRE_LIMITS_DEFAULT;

/* *text and *len step over a UTF-8 byte order mark. *nested (may be NULL): an element stands inside a parameter of the
 * operation other than content: in a request, where no parameter has any, gSOAP would take its tags for text. */
struct objection wire_guard(const struct wire_limits *limits, const uint8_t **text, size_t *len, bool *nested);

#endif
