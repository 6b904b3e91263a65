/* client_wire: requests to bytes, answers to structs or errors; soap_client without the network.
 *
 * Errors: those soap_client.h promises. An answer is read leniently: an upper platform may be newer and add elements,
 * but a response without its responseCode is no acknowledgement. Owner:  what was read lives until the next write or
 * read. Thread: one at a time. */
#ifndef NHJC_SOAP_CLIENT_WIRE_H
#define NHJC_SOAP_CLIENT_WIRE_H

#include "base/arena.h"
#include "base/result.h"
#include "soap/wire.h"

enum client_op {
    CLIENT_REGISTER,
    CLIENT_CHECK_VERSION,
    CLIENT_DOWNLOAD_BASE_DATA,
    CLIENT_UPLOAD_CONFIG,
    CLIENT_UPLOAD_DATA,
    CLIENT_HEARTBEAT,
    CLIENT_REPORT_COMMAND,
    CLIENT_REGISTER_PLATFORM,
    CLIENT_UPLOAD_ENTERPRISES,
    CLIENT_PLATFORM_UPLOAD_DATA,
    CLIENT_PLATFORM_HEARTBEAT,
    CLIENT_QUERY_DATA,
    CLIENT_OP_COUNT
};

struct client_op_row {
    enum service_id service;
    const char *action;             /* SOAPAction, quoted */
    const char *tag, *response_tag; /* with prefix */
    wire_write write;
    void *(*read)(struct soap *soap, const char *tag);
};
const struct client_op_row *client_op_row(enum client_op op);

struct client_wire;

struct client_wire *client_wire_new(size_t max_answer);
void client_wire_free(struct client_wire **wire);
struct arena *client_wire_arena(struct client_wire *wire);

/* request: the generated struct of the operation. Appends the envelope. */
RESULT client_wire_write(struct client_wire *wire, enum client_op op, const void *request, struct buf *out);
/* *response: the generated struct of the operation's response. */
RESULT client_wire_read(struct client_wire *wire, enum client_op op, int status, const struct buf *answer,
                        const void **response);

#endif
