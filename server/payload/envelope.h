/* envelope: what surrounds the XML in `content`: encryption, compression, digest.
 *
 * Order of making: XML, gzip, encrypt; undone in reverse, every step bounded. OpenSSL EVP and zlib are
 * used here only.
 * Errors: 2105 cannot decrypt, 2106 cannot decompress or limit exceeded, 2104 digest differs, 2103
 *         unknown algorithm name.
 * Thread: any thread. Output: *plain borrows content when nothing had to be undone, else arena memory. */
#ifndef NHJC_PAYLOAD_ENVELOPE_H
#define NHJC_PAYLOAD_ENVELOPE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/result.h"

enum content_encoding { ENCODING_IDENTITY, ENCODING_GZIP };
enum content_cipher { CIPHER_NONE, CIPHER_SM4_CBC, CIPHER_AES_256_CBC, CIPHER_AES_256_GCM };
enum content_digest { DIGEST_SHA_256, DIGEST_SM3 };

RESULT encoding_from_name(const char *name, enum content_encoding *out);
RESULT cipher_from_name(const char *name, enum content_cipher *out);
RESULT digest_from_name(const char *name, enum content_digest *out);

struct envelope {
    enum content_encoding encoding;
    enum content_cipher cipher;
    enum content_digest digest_method;
    const char *digest_hex;   /* as sent, any case */
    const unsigned char *key; /* NULL unless cipher != none */
    size_t key_len;           /* 16 for SM4; 16 or 32 for AES-256 (see README) */
    size_t max_plain;         /* 64 MB */
};
/* Undoes encryption and compression and checks the digest. digest: 32 bytes out, of the plain XML by
 * the method named. */
RESULT envelope_open(const struct envelope *e, const void *content, size_t len, struct arena *arena,
                     const unsigned char **plain, size_t *plain_len, unsigned char digest[32]);
RESULT envelope_digest(enum content_digest method, const void *bytes, size_t n, unsigned char digest[32]);
/* The making side, for forwarder and simulator: appends to out. */
RESULT envelope_gzip(const void *plain, size_t n, struct buf *out);
RESULT envelope_gunzip(const void *bytes, size_t n, size_t max, struct buf *out);
RESULT envelope_encrypt(enum content_cipher cipher, const unsigned char *key, size_t key_len, const void *plain,
                        size_t n, struct buf *out);

#endif
