/* tls: the TLS policy of this program and one session over memory. OpenSSL stops at this file, tls_pipe,
 * tls_verify and peer.
 *
 * Policy: TLS 1.2 and 1.3; TLS 1.2 only with ECDHE and an AEAD cipher; certificates on both sides; no tickets,
 *         no session cache, no early data, no renegotiation, no compression: every connection checks the
 *         certificate and the CRL anew (pitfall T4).
 * Thread: contexts: any thread (OpenSSL counts references). A session: one at a time.
 * Errors: SENDER for files that cannot be used (the operator's), with file name and OpenSSL's words. */
#ifndef NHJC_NET_TLS_H
#define NHJC_NET_TLS_H

#include <openssl/ssl.h>
#include <stdbool.h>

#include "base/buf.h"
#include "base/result.h"
#include "net/net.h"
#include "net/refusal.h"
#include "net/tls_pipe.h"

#define TLS_RECORD 16384 /* the most plain bytes one record holds: the piece in which answers are sealed */

struct tls_expiry {           /* unix seconds; 0: never */
    int64_t certificate, crl; /* of the server's certificate; the earliest nextUpdate of each issuer's newest CRL */
};

/* Gives a context for a server. */
RESULT tls_server_context(const struct net_tls_config *config, SSL_CTX **ctx, struct tls_expiry *expiry);
/* Gives a context for a client. */
RESULT tls_client_context(const char *cert_file, const char *key_file, const char *ca_file, SSL_CTX **ctx);

enum tls_step {
    TLS_DONE,  /* the step is complete (handshake over, bytes read or written) */
    TLS_MORE,  /* needs more bytes from the peer */
    TLS_ENDED, /* the peer said close_notify, or the connection ended */
    TLS_FAILED /* fatal; an alert may be waiting in the output */
};

struct tls_session {
    SSL *ssl;
    struct tls_pipe pipe;
    enum refusal why; /* set when the handshake failed */
    char *subject;    /* of a refused certificate, RFC 2253; NULL when none was seen */
};

/* In place: `s` must not move while the session lives. */
void tls_session_open(struct tls_session *s, SSL_CTX *ctx, bool server);
void tls_session_close(struct tls_session *s);
/* Reads from s->pipe.in, appends what must be sent to s->pipe.out. */
enum tls_step tls_session_handshake(struct tls_session *s);
enum tls_step tls_session_read(struct tls_session *s, uint8_t *to, size_t room, size_t *n);
enum tls_step tls_session_write(struct tls_session *s, const uint8_t *bytes, size_t n); /* n > 0 */
void tls_session_notify_close(struct tls_session *s);
/* The last error of OpenSSL in words, for a log line; clears OpenSSL's list. */
const char *tls_error_text(void);

#endif
