/* texts: the WSDLs and schemas that the program carries and serves.
 * Owner: constants of the program. Thread: any thread. */
#ifndef NHJC_SOAP_TEXTS_H
#define NHJC_SOAP_TEXTS_H

#include <stdbool.h>

#include "base/buf.h"

struct text {
    const char *name; /* "access.wsdl", "data.xsd" */
    const char *bytes;
    size_t len;
};
extern const struct text TEXTS[];
extern const size_t TEXT_COUNT;

/* By file name, or by the name without its ending. NULL: no such text. */
const struct text *text_find(const char *name, const char *ending);
/* A service's WSDL with every https://localhost of its addresses replaced; base: "https://host:port". */
void text_wsdl(const struct text *wsdl, const char *base, struct buf *out);

#endif
