/* tls_verify: judges a client's certificate chain, beyond what OpenSSL does by itself.
 *
 * Revocation: the client's own certificate must be covered by a current CRL of its issuer when CRLs are
 *     configured at all (a missing or expired one refuses: fails closed). CA certificates in the chain are
 *     checked against every CRL that is there; a CA for which none was configured does not break logins.
 * Alerts: as OpenSSL sends them, but for two: a certificate whose signature does not fit the CA of that name
 *     is told "unknown_ca" like every other untrusted one (contract section 7.1); an expired or missing CRL of
 *     ours is told "certificate_unknown", because the client's certificate has not expired. */
#ifndef NHJC_NET_TLS_VERIFY_H
#define NHJC_NET_TLS_VERIFY_H

#include <openssl/ssl.h>

#include "net/refusal.h"

/* The callback of SSL_CTX_set_verify; the SSL's app data is its struct tls_session. */
int tls_verify(int ok, X509_STORE_CTX *store);
enum refusal tls_refusal_of_x509(int error);
/* Why a handshake failed, read from OpenSSL's error list. */
enum refusal tls_refusal_of_handshake(void);

#endif
