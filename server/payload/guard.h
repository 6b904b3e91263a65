/* guard: what must be known about the bytes before libxml2 sees them.
 *
 * For:    libxml2 2.9.14 takes declared encodings other than UTF-8, lets overlong UTF-8 through, and needs time
 *         quadratic in the number of attributes of one tag (X3, G5). All three are settled here, in one pass each.
 * Errors: a guard_fault with code 2101, 2103 or 2106; code 0: nothing to object to.
 * Thread: any thread. Private to this folder. */
#ifndef NHJC_PAYLOAD_GUARD_H
#define NHJC_PAYLOAD_GUARD_H

#include <stddef.h>
#include <stdint.h>

#include "payload/payload.h"

struct guard_fault {
    int code;          /* 0: none */
    const uint8_t *at; /* the place; inside the text */
    const char *zh, *en;
};

/* Byte order marks, zero bytes and the XML declaration. *text and *len step over a UTF-8 byte order mark. */
struct guard_fault guard_declaration(const uint8_t **text, size_t *len);
/* UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF. */
struct guard_fault guard_utf8(const uint8_t *text, size_t len);
/* Length and number of attributes of each start tag. *tags: how many start tags there are. */
struct guard_fault guard_tags(const uint8_t *text, size_t len, const struct payload_limits *limits, size_t *tags);

#endif
