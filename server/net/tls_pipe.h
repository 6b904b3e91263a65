/* tls_pipe: OpenSSL's view of a connection as memory: what arrived, and where to put what must be sent.
 *
 * Why:    OpenSSL's own memory BIO keeps its largest size for ever and copies everything once more. This BIO
 *         reads straight out of the buffer the bytes arrived in and writes straight into the caller's, so an
 *         idle connection owns neither.
 * Owner:  the pipe belongs to the caller and outlives the BIO; `in` and `out` are borrowed, set around each call
 *         into OpenSSL.
 * Thread: that of the connection. */
#ifndef NHJC_NET_TLS_PIPE_H
#define NHJC_NET_TLS_PIPE_H

#include <openssl/bio.h>
#include <stdbool.h>

#include "base/buf.h"

struct tls_pipe {
    const uint8_t *in; /* arrived, not yet read by OpenSSL */
    size_t in_len;
    bool in_end;     /* the peer will send nothing more */
    struct buf *out; /* OpenSSL's records are appended here */
};

/* Gives one BIO that serves as both ends of an SSL. */
BIO *tls_pipe_bio(struct tls_pipe *pipe);

#endif
