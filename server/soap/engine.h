/* engine: one HTTP request in, one HTTP answer out, with operations as rows of a table.
 *
 * For:    everything about SOAP that does not depend on what an operation does: paths, ?wsdl and ?xsd=, content types,
 * gzip, MIME, the guard, gSOAP, dispatch, the common beginning of responses, faults. Works without a database, so it is
 * tested over memory. Way:    path -> authorise -> content type -> unpack -> guard -> gSOAP -> operation -> answer.
 * Whatever goes wrong on the way becomes a fault with a public code and is told to `refused` once. Owner:  an engine
 * has one gSOAP context and one arena; a call lives until the answer is filled. Thread: one at a time; one engine per
 * worker thread. */
#ifndef NHJC_SOAP_ENGINE_H
#define NHJC_SOAP_ENGINE_H

#include "base/arena.h"
#include "net/net.h"
#include "soap/fault.h"
#include "soap/soap_server.h"
#include "soap/wire.h"
#include "soap/wire_guard.h"

struct engine_call;

struct engine_op {
    enum service_id service;
    const char *name;
    const char *tag, *response_tag;                    /* with prefix: "access:Register" */
    void *(*read)(struct soap *soap, const char *tag); /* soap_in_… of the request, NULL: soap->error */
    wire_write write;                                  /* soap_out_… of the response */
    size_t response_size;
    /* Fills the response, zeroed before. An error becomes a fault; a refusal of content is OK with its code in the
     * response. NULL: not served here (2112). */
    struct result (*run)(struct engine_call *call, const void *request, void *response);
};

struct engine_call {
    void *user; /* of engine_config */
    const struct net_request *request;
    enum service_id service;
    int version;                /* SOAP 1.1: 1, SOAP 1.2: 2 */
    const struct engine_op *op; /* NULL: not known yet */
    struct arena *arena;
    const char *base_url;               /* https://host:port as the caller knows us */
    const char *message_id, *device_id; /* set by operations, for the record of refusals */
    int retry_after;                    /* seconds, set by authorise with 1106 */
    const char *refusal_zh;             /* set by operations: the Chinese of the error they return; NULL: none */
};

/* How every response struct begins (checked against the generated structs in operations.c). */
struct response_head {
    int responseCode;
    char *responseMessage; /* NULL: the code's own words */
    char *platformTime;    /* filled by the engine */
};

struct engine_config {
    const struct engine_op *ops;
    size_t op_count;
    const struct wire_limits *limits;
    size_t max_body;        /* unpacked */
    const char *public_url; /* "": from the Host header */
    void *user;
    /* Before the body is looked at: may this caller use this service? */
    struct result (*authorise)(struct engine_call *call);
    /* Every fault, and every response with a code other than 0 and 2. */
    void (*refused)(struct engine_call *call, int code, const char *message);
};

struct engine;

struct engine *engine_new(const struct engine_config *config); /* config is copied, what it points to is not */
void engine_free(struct engine **engine);
/* Borrows the request; always fills the answer, whose body is given. */
void engine_serve(struct engine *engine, struct net_request *request, struct soap_answer *answer);

/* The code a client may see for an error. */
int engine_public_code(struct result r);

#endif
