/* wire_bytes: base64Binary in gSOAP's structs, read and written by our own code.
 *
 * Why:    content is most of every message. gSOAP reads it letter by letter through several layers; here it is decoded
 *         straight from the request's memory, and an xop:Include is a pointer into its MIME part.
 * Owner:  ptr belongs to the gSOAP context (until soap_end) or to the request's body. NULL with len 0: empty. */
#ifndef NHJC_SOAP_WIRE_BYTES_H
#define NHJC_SOAP_WIRE_BYTES_H

#include <stddef.h>

struct wire_bytes {
    const unsigned char *ptr;
    size_t len;
};

#endif
