/* net: TLS and HTTP/1.1 at the edge. libuv, OpenSSL and http-parser stop at this folder's door.
 *
 * For:    listeners with mutual TLS 1.2/1.3 whose whole requests are handed to worker threads.
 * Shape:  loop threads accept, run TLS over memory BIOs, frame HTTP, keep limits and deadlines; a
 *         complete request goes into a bounded queue; a worker takes it (net_take), answers once
 *         (net_reply). A slow or silent peer costs a few KB, never a thread.
 * Owner:  a taken net_request belongs to the worker until net_reply, which takes it and the body.
 * Thread: net_take and net_reply from any thread; start/stop/reload from the main thread.
 * Process: net_open ignores SIGPIPE and raises the soft limit of descriptors to what max_connections needs.
 * Limits: struct net_config; each refusal is counted (metrics) and answered as contract section 7.2. */
#ifndef NHJC_NET_NET_H
#define NHJC_NET_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/result.h"
#include "net/peer.h"

struct net_limits {
    int64_t header_bytes;           /* 16 KB */
    int64_t header_lines;           /* 100 */
    int64_t body_bytes;             /* 32 MB */
    int64_t handshake_ms;           /* handshake and header: 10 s */
    int64_t body_ms;                /* 15 s … */
    int64_t body_ms_per_64k;        /* … plus 1 s per 64 KB */
    int64_t idle_ms;                /* 120 s */
    int64_t write_ms;               /* a peer that does not read its answer: 60 s */
    int64_t max_connections;        /* 20000 */
    int64_t handshakes_per_address; /* under way at once: 2000; 0: any number */
    int64_t max_age_ms;             /* a connection this old ends after its next answer: 1 h; 0: never */
    int64_t max_inflight;           /* queue capacity, 256 */
    int64_t body_memory; /* bodies of requests and answers held at once, all connections: 503 beyond; 0: 512 MB */
};

struct net_tls_config {
    const char *cert_file, *key_file; /* PEM; chain in cert_file */
    const char *ca_file;              /* bundle of trusted CAs */
    const char *crl_file;             /* PEM, several CRLs; NULL: no revocation check */
};

struct net_config {
    const char *host; /* address to bind, e.g. "0.0.0.0", "::" */
    int port;         /* 0: any free one, see net_port */
    int loops;        /* loop threads; one accepts and deals the connections out */
    struct net_limits limits;
    struct net_tls_config tls;
};

enum net_method { NET_GET, NET_POST, NET_OTHER }; /* HEAD is a GET whose answer goes without its body */

struct net_request {
    enum net_method method;
    char *path;                /* without query */
    char *query;               /* after '?', "" if none */
    char *host;                /* Host header */
    char *content_type;        /* "" if absent */
    char *soap_action;         /* as said, with its quotes; "" if absent */
    bool accept_gzip;          /* client takes Content-Encoding: gzip */
    bool content_gzip;         /* body is gzip; net does not unpack */
    bool unsupported_encoding; /* Content-Encoding other than gzip/identity: net answers 415 itself */
    bool http10;
    struct buf body;              /* de-chunked */
    char peer[64];                /* "203.0.113.7:51022" */
    const struct peer_cert *cert; /* of the connection; valid until net_reply; never NULL */
    uint64_t id;                  /* for logs: unique per process */
    int64_t received;             /* clock_now at the last byte */
    void *connection;             /* net's own */
};

struct net_server;

/* Reads the TLS files and binds. The server runs after net_start. */
RESULT net_open(const struct net_config *config, struct net_server **server);
int net_port(const struct net_server *server);
RESULT net_start(struct net_server *server);
/* The next request, or NULL after timeout_ms or once stopped. */
struct net_request *net_take(struct net_server *server, int timeout_ms);
/* The answer to HEAD goes without its body. headers: further lines "Name: value\r\n" or NULL. Takes request and body's
 * bytes. close: end the connection. */
void net_reply(struct net_server *server, struct net_request **request, int status, const char *content_type,
               const char *headers, struct buf *body, bool close);
/* Reads certificates, CA bundle and CRLs anew; new connections use them, open ones go on until they are max_age_ms
 * old. On error the old ones stay in force. */
RESULT net_reload_tls(struct net_server *server, const struct net_tls_config *tls);
/* Whether net_open could use these files, without a server; as net_expiry what is left of them. SENDER otherwise. */
RESULT net_check_tls(const struct net_tls_config *tls, int64_t *certificate, int64_t *crl);
/* Seconds until the first certificate of a PEM file expires. SENDER when none can be read. */
RESULT net_certificate_left(const char *file, int64_t *seconds);
/* Seconds until the server's certificate and the first CRL expire; INT64_MAX: never. Any thread. */
void net_expiry(struct net_server *server, int64_t *certificate, int64_t *crl);
/* Stop accepting, end idle connections, let requests under way be answered within deadline_ms, then cut what is left.
 * Afterwards net_take gives what is still queued, then NULL at once. Ordered shutdown: net_drain, then stop workers,
 * then net_close, which waits until every taken request was replied to. */
void net_drain(struct net_server *server, int deadline_ms);
void net_close(struct net_server **server);

/* Refused handshakes end in the audit log: called on the loop with the reason ("certificate_expired",
 * code 1101/1102) and what is known of the peer. Must not block. Set before net_start. */
void net_on_refused(struct net_server *server,
                    void (*fn)(int code, const char *reason, const char *peer, const char *subject, void *arg),
                    void *arg);

#endif
