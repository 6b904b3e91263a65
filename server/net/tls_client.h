/* tls_client: a blocking HTTPS client with a client certificate, for the front-end processor and the
 * simulator. OpenSSL stops here.
 *
 * Keep-alive: one connection per handle, opened when needed, kept, reopened once if the peer closed it
 *         between requests (only when no byte of an answer was read).
 * Checks: the server's chain against ca_file and its name (DNS or IP of the URL) are always verified; the name must
 *         stand among the SANs, the CN does not count.
 * Files:  read by tls_client_new, which fails with SENDER if they cannot be used; files that have changed since are
 * read again before the next connection, and the former ones serve on while the new ones cannot be read. Thread: one at
 * a time. Time:   connect_ms for connection and handshake, timeout_ms for the whole call; but resolving a host name
 * takes as long as the system's resolver does. Errors: TRANSIENT for everything that may pass (connect, timeout, reset,
 * an answer that is cut or not HTTP), UNAUTHORISED for an untrusted server, or when the server refused our certificate
 * (code 1101 or 1102, by its alert), LIMIT for an answer over max_answer. On an error *status is 0 and nothing is
 * appended. */
#ifndef NHJC_NET_TLS_CLIENT_H
#define NHJC_NET_TLS_CLIENT_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/result.h"

struct tls_client_config {
    const char *url; /* https://host:port/path ; the path is the default of tls_client_post */
    const char *cert_file, *key_file, *ca_file;
    int connect_ms, timeout_ms; /* whole request */
    size_t max_answer;
};

struct tls_client;

RESULT tls_client_new(const struct tls_client_config *config, struct tls_client **client);
void tls_client_free(struct tls_client **client);
/* path NULL: that of the url. body borrowed. *answer appended. *status: HTTP status; *retry_after s or 0. */
RESULT tls_client_post(struct tls_client *client, const char *path, const char *content_type, const char *soap_action,
                       const struct buf *body, int *status, int *retry_after, struct buf *answer);
RESULT tls_client_get(struct tls_client *client, const char *path, int *status, struct buf *answer);
void tls_client_disconnect(struct tls_client *client);

#endif
