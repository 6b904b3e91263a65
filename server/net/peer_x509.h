/* peer_x509: turns a certificate into the plain text of peer.h. */
#ifndef NHJC_NET_PEER_X509_H
#define NHJC_NET_PEER_X509_H

#include <openssl/x509.h>

#include "net/peer.h"

struct peer_cert *peer_from_x509(X509 *cert); /* gives; peer_free */
void peer_free(struct peer_cert **peer);
/* Gives RFC 2253 text, mem_free: always valid UTF-8 (other bytes read '?') of at most PEER_NAME_BYTES, for logs and the
 * database take it as it is. */
char *peer_name_text(const X509_NAME *name);
#define PEER_NAME_BYTES 255

#endif
