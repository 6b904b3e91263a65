/* fep_binding: how messages reach a destination: a small interface, so that another wire form (the national
 * HTTPS/JSON one) can stand beside SOAP, and tests can stand in for the other side.
 *
 * Errors: as soap_client.h: TRANSIENT for everything that may pass, UNAUTHORISED with or without a code for the
 *         certificate or identity, SENDER with the fault's code, OK whenever the other side answered the
 *         operation: then reply->code decides (verdict.h).
 * Owner:  a binding belongs to one thread; texts in the reply are copied into it.
 * Thread: one at a time per binding; several bindings to one destination work side by side. */
#ifndef NHJC_FEP_FEP_BINDING_H
#define NHJC_FEP_FEP_BINDING_H

#include "fep/fep.h"
#include "fep/outbox_store.h"

#define FEP_REPLY_TEXT 600

struct fep_reply {
    int code;                  /* responseCode */
    char text[FEP_REPLY_TEXT]; /* responseMessage, and the codes of findings: "…; findings 3101×4" */
    char upload_id[64];
    char reg_version[64], dic_version[64]; /* of register */
    int rejected;
    int retry_after; /* seconds the other side asked for, also when the call failed; 0: none */
    bool duplicate;
};

struct fep_versions {
    const char *reg_version, *dic_version; /* as register gave them */
};

struct fep_binding {
    RESULT (*register_platform)(void *self, struct fep_reply *reply);
    RESULT (*send_data)(void *self, const struct fep_message *m, const struct fep_versions *v, struct fep_reply *reply);
    RESULT (*send_config)(void *self, const struct fep_message *m, struct fep_reply *reply);
    /* oldest: received_at, 0: nothing pending */
    RESULT (*heartbeat)(void *self, int64_t pending, int64_t oldest, struct fep_reply *reply);
    void (*free)(void *self);
    void *self;
    int timeout_ms; /* a call comes back within about this time */
};

/* Makes a binding to the destination; called in the thread that uses it. arg: of the maker. */
struct fep_binding_maker {
    RESULT (*make)(const struct fep_destination *destination, void *arg, struct fep_binding *binding);
    void *arg;
};

/* SOAP as in the contract, PlatformExchange. */
RESULT binding_soap_make(const struct fep_destination *destination, void *arg, struct fep_binding *binding);

/* As fep_start, over another wire. The maker is copied, its arg must outlive the forwarder. */
RESULT fep_start_over(const struct fep_destination *destination, int id, const struct db_config *db,
                      const struct fep_binding_maker *maker, struct fep **fep);

#endif
