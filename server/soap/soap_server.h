/* soap_server: gSOAP over memory buffers: one whole request in, one whole answer out. gSOAP stops here.
 *
 * For:    the three services, SOAP 1.1 and 1.2, faults with codes, ?wsdl and ?xsd=.
 * Owner:  one struct soap_worker per worker thread: its context, arena, database connection, ingest.
 * Thread: soap_worker_* one at a time; struct soap_service is shared, immutable after start. */
#ifndef NHJC_SOAP_SOAP_SERVER_H
#define NHJC_SOAP_SOAP_SERVER_H

#include "base/buf.h"
#include "db/db.h"
#include "ingest/ingest.h"
#include "net/net.h"
#include "query/dic_version.h"
#include "registry/registry.h"
#include "validate/rate.h"

struct soap_service { /* what the operations work with */
    struct registry *registry;
    struct ingest_config ingest; /* copied into each worker's ingest; its limits hold for envelopes as well */
    struct db_config db;
    struct db_config query_db; /* may be a replica; same as db by default */
    const char *identity_rule;
    const char *platform_code; /* our own: "420000", "000000" … */
    const char *platform_name;
    const char *public_url;          /* "" : from the Host header */
    bool payload_encryption;         /* give devices a secretKey */
    bool require_dic_version;        /* 2108 refuses instead of warning */
    struct rate_limiter *rate;       /* shared by all workers; NULL: no limit (1106) */
    struct dic_version *dic_version; /* shared by all workers */
    unsigned char token_key[32];
    size_t max_body; /* of an unpacked HTTP body; 0: SOAP_BODY_LIMIT */
};
#define SOAP_BODY_LIMIT ((size_t)32 << 20) /* contract section 7.3, unpacked or not */

struct soap_worker;

RESULT soap_worker_new(const struct soap_service *service, struct soap_worker **worker);
void soap_worker_free(struct soap_worker **worker);

struct soap_answer {
    int status; /* HTTP */
    const char *content_type;
    const char *headers; /* further header lines, or NULL; the worker's, until it serves the next request */
    struct buf body;     /* given to the caller */
    bool close;
};
/* Borrows the request; always fills the answer. */
void soap_worker_serve(struct soap_worker *worker, struct net_request *request, struct soap_answer *answer);

#endif
