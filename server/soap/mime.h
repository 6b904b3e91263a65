/* mime: the parts of a multipart/related message (MTOM/XOP), in place.
 *
 * For:    the XML part and the attachments it names by xop:Include. Nothing is copied.
 * Limits: 64 parts, 16 KB of headers each. Binary, 8bit and 7bit only: nothing is decoded.
 * Codes:  2101 when the parts cannot be told apart, 2106 over a limit.
 * Pure. Thread: any thread. Parts point into the body and the header given. */
#ifndef NHJC_SOAP_MIME_H
#define NHJC_SOAP_MIME_H

#include <stddef.h>
#include <stdint.h>

#include "soap/media_type.h"
#include "soap/objection.h"

struct mime_part {
    struct media_span id;   /* Content-ID without its brackets */
    struct media_span type; /* Content-Type */
    const uint8_t *at;
    size_t len;
};

#define MIME_PARTS 64
struct mime {
    struct mime_part parts[MIME_PARTS];
    size_t count;
    size_t root; /* index of the XML part */
};

struct objection mime_split(const char *content_type, const uint8_t *body, size_t len, struct mime *out);
/* The part an href "cid:…" names, percent encoding undone. NULL: none. */
const struct mime_part *mime_find(const struct mime *m, const char *href);

#endif
