/* wire: one gSOAP context over memory buffers. Everything of this folder that touches gSOAP goes through here.
 *
 * For:    envelope bytes in, the first element of the body ready to be read; a struct out, envelope bytes ready to be
 * sent. Safety: SOAP_XML_STRICT, SOAP_XML_TREE, SOAP_C_UTFSTRING, bounded (G3, G7, G8); bytes must have passed
 * wire_guard. No socket, no file, no HTTP: gSOAP's own are replaced by functions that refuse. Owner:  wire_open's
 * context is freed by wire_close; what was read lives until wire_end. Thread: one at a time. */
#ifndef NHJC_SOAP_WIRE_H
#define NHJC_SOAP_WIRE_H

#include "base/buf.h"
#include "soap/mime.h"
#include "wireH.h"

enum service_id { SERVICE_ACCESS, SERVICE_EXCHANGE, SERVICE_QUERY, SERVICE_COUNT };

struct service_row {
    const char *name; /* "access": also the prefix and the file name */
    const char *path; /* "/services/access" */
    const char *ns;   /* "urn:nhjc:access:v1" */
};
extern const struct service_row SERVICES[SERVICE_COUNT];

/* What the context reads from and writes to; soap->user points here. */
struct wire_io {
    const uint8_t *in;
    size_t in_len, in_pos;
    const struct mime *mime; /* NULL: no attachments */
    struct buf *out;
};

/* A server reads strictly (2103); a client takes elements it does not know, for the other side may be newer. */
enum wire_reading { WIRE_STRICT, WIRE_LENIENT };

struct soap *wire_open(size_t max_bytes, enum wire_reading reading);
void wire_close(struct soap **soap);
void wire_end(struct soap *soap); /* gives back what the last message took */

/* Reads envelope and header up to the first element of the body. 0 or gSOAP's error. io is borrowed until wire_end. */
int wire_read_begin(struct soap *soap, struct wire_io *io, enum service_id service);
int wire_read_end(struct soap *soap);

/* The element in an envelope of SOAP 1.1 (1) or 1.2 (2), appended to io->out. write: soap_out_… of the element. */
typedef int (*wire_write)(struct soap *soap, const void *element, const char *tag);
int wire_write_message(struct soap *soap, struct wire_io *io, enum service_id service, int version, wire_write write,
                       const void *element, const char *tag);
/* The beginning and end of an envelope, for what is not a gSOAP struct. */
void wire_envelope_begin(struct buf *out, enum service_id service, int version);
void wire_envelope_end(struct buf *out);
const char *wire_content_type(int version); /* with charset */

#endif
