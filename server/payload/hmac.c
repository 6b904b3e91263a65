#include "payload/hmac.h"

#include <openssl/evp.h>
#include <openssl/params.h>

static bool digest(EVP_MAC_CTX *ctx, const void *key, size_t key_len, const struct hmac_piece *pieces, size_t count,
                   unsigned char *out)
{
    char name[] = "SHA256";
    const OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string("digest", name, 0), OSSL_PARAM_construct_end()};
    if (!ctx || !EVP_MAC_init(ctx, key, key_len, params)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (!EVP_MAC_update(ctx, pieces[i].bytes, pieces[i].len)) {
            return false;
        }
    }
    size_t len;
    return EVP_MAC_final(ctx, out, &len, HMAC_SHA256_LEN) == 1;
}

struct result hmac_sha256(const void *key, size_t key_len, const struct hmac_piece *pieces, size_t count,
                          unsigned char out[HMAC_SHA256_LEN])
{
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    EVP_MAC_CTX *ctx = mac ? EVP_MAC_CTX_new(mac) : NULL;
    bool ok = digest(ctx, key, key_len, pieces, count, out);
    EVP_MAC_CTX_free(ctx);
    EVP_MAC_free(mac);
    return ok ? RESULT_OK : result_error(ERR_INTERNAL, 0, "HMAC-SHA-256 is not available");
}
