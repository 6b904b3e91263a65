/* hmac: HMAC-SHA-256 of a few pieces of bytes. Source: RFC 2104 by OpenSSL EVP_MAC.
 * Thread: any thread. */
#ifndef NHJC_PAYLOAD_HMAC_H
#define NHJC_PAYLOAD_HMAC_H

#include <stddef.h>

#include "base/result.h"

#define HMAC_SHA256_LEN 32

struct hmac_piece {
    const void *bytes;
    size_t len;
};

/* The pieces are taken as one run of bytes: lengths that may vary belong into a piece of their own.
 * Errors: INTERNAL when the library has no such algorithm. */
RESULT hmac_sha256(const void *key, size_t key_len, const struct hmac_piece *pieces, size_t count,
                   unsigned char out[HMAC_SHA256_LEN]);

#endif
