/* media_type: what a Content-Type header says about a SOAP message.
 * Pure. Thread: any thread. Spans point into the header given. */
#ifndef NHJC_SOAP_MEDIA_TYPE_H
#define NHJC_SOAP_MEDIA_TYPE_H

#include <stdbool.h>
#include <stddef.h>

struct media_span {
    const char *at; /* NULL: absent */
    size_t len;
};

/* A parameter's value without its quotes; names are compared without case. */
struct media_span media_parameter(const char *header, size_t len, const char *name);
bool media_is(const char *header, size_t len, const char *type); /* parameters do not matter */
bool media_span_is(struct media_span s, const char *text);       /* without case */
/* charset is absent or UTF-8. */
bool media_utf8(const char *header, size_t len);

/* 1 or 2 by text/xml and application/soap+xml, also as the type or start-info of multipart/related; 0: neither. */
int media_soap_version(const char *header, size_t len);

#endif
