/* pki_cert: what a certificate in a PEM file says, as the server would read it in a handshake. OpenSSL stays in
 * pki_cert.c. */
#ifndef NHJC_CLI_PKI_CERT_H
#define NHJC_CLI_PKI_CERT_H

#include "base/result.h"
#include "net/peer.h"

/* The first certificate of the file. *cert: given, pki_cert_free. SENDER when there is none. */
RESULT pki_cert_read(const char *path, struct peer_cert **cert);
void pki_cert_free(struct peer_cert **cert);

#endif
