/* refusal: why a handshake did not end in a known client; one row each with the public code and a counter.
 * Codes:  1101 no or untrusted certificate, 1102 expired or revoked (contract section 5); 0: not about a
 *         certificate, so not for the audit log.
 * Thread: any. */
#ifndef NHJC_NET_REFUSAL_H
#define NHJC_NET_REFUSAL_H

#include "base/metrics.h"

enum refusal {
    REFUSAL_NONE,
    REFUSAL_CERTIFICATE_REQUIRED, /* the client showed none */
    REFUSAL_UNKNOWN_CA,           /* no chain to a configured CA, or one whose signatures do not hold */
    REFUSAL_WRONG_PURPOSE,        /* not for client authentication */
    REFUSAL_WEAK_KEY,             /* key or signature below OpenSSL's security level 2 */
    REFUSAL_CHAIN_TOO_LONG,
    REFUSAL_BAD_CERTIFICATE, /* anything else wrong with it */
    REFUSAL_CERTIFICATE_EXPIRED,
    REFUSAL_CERTIFICATE_NOT_YET_VALID,
    REFUSAL_CERTIFICATE_REVOKED,
    REFUSAL_CRL_EXPIRED,      /* ours is too old to tell: fails closed */
    REFUSAL_CRL_MISSING,      /* CRLs are configured, but none of this certificate's issuer */
    REFUSAL_CRL_INVALID,      /* ours is not signed by the issuer, or not yet valid */
    REFUSAL_PROTOCOL_VERSION, /* below TLS 1.2 */
    REFUSAL_NO_SHARED_CIPHER,
    REFUSAL_NOT_TLS,    /* plain HTTP or noise */
    REFUSAL_PEER_ALERT, /* the client refused us */
    REFUSAL_PEER_LEFT,  /* closed or reset before the end */
    REFUSAL_TIMEOUT,
    REFUSAL_PROTOCOL_ERROR, /* any other breach of the protocol */
    REFUSAL_COUNT
};

struct refusal_row {
    const char *reason; /* as in logs, metrics and the audit log */
    int code;
    struct metric count;
};

struct refusal_row *refusal_row(enum refusal why);

#endif
