/* Algorithms are fetched once per process: an implicit fetch per call costs OpenSSL 3.0 more than the digest of a small
 * message, and takes locks (T7). */
#include "payload/envelope.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <string.h>

#include "base/mem.h"
#include "base/secret.h"

#define KEY_MAX 32
#define TAG_LEN 16

static const struct {
    const char *wire, *openssl;
    size_t key_len, iv_len;
    bool aead;
} CIPHERS[] = {
    [CIPHER_NONE] = {"none", NULL, 0, 0, false},
    [CIPHER_SM4_CBC] = {"SM4-CBC", "SM4-CBC", 16, 16, false},
    [CIPHER_AES_256_CBC] = {"AES-256-CBC", "AES-256-CBC", 32, 16, false},
    [CIPHER_AES_256_GCM] = {"AES-256-GCM", "AES-256-GCM", 32, 12, true},
};
static const struct {
    const char *wire, *openssl;
} DIGESTS[] = {[DIGEST_SHA_256] = {"SHA-256", "SHA256"}, [DIGEST_SM3] = {"SM3", "SM3"}};
static const char *const ENCODINGS[] = {[ENCODING_IDENTITY] = "identity", [ENCODING_GZIP] = "gzip"};

static EVP_CIPHER *ciphers[ARRAY_LEN(CIPHERS)];
static EVP_MD *digests[ARRAY_LEN(DIGESTS)];

static void fetch_all(void)
{
    for (size_t i = 0; i < ARRAY_LEN(CIPHERS); i++) {
        ciphers[i] = CIPHERS[i].openssl ? EVP_CIPHER_fetch(NULL, CIPHERS[i].openssl, NULL) : NULL;
    }
    for (size_t i = 0; i < ARRAY_LEN(DIGESTS); i++) {
        digests[i] = EVP_MD_fetch(NULL, DIGESTS[i].openssl, NULL);
    }
}

static void fetch_once(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, fetch_all);
}

/* ---- names ---- */

static struct result unknown_name(const char *what, const char *allowed)
{
    return result_error(ERR_SENDER, 2103, "%s只可为%s / %s must be one of %s", what, allowed, what, allowed);
}

RESULT encoding_from_name(const char *name, enum content_encoding *out)
{
    for (size_t i = 0; name && i < ARRAY_LEN(ENCODINGS); i++) {
        if (strcmp(name, ENCODINGS[i]) == 0) {
            *out = (enum content_encoding)i;
            return RESULT_OK;
        }
    }
    return unknown_name("contentEncoding", "identity, gzip");
}

RESULT cipher_from_name(const char *name, enum content_cipher *out)
{
    for (size_t i = 0; name && i < ARRAY_LEN(CIPHERS); i++) {
        if (strcmp(name, CIPHERS[i].wire) == 0) {
            *out = (enum content_cipher)i;
            return RESULT_OK;
        }
    }
    return unknown_name("encryption", "none, SM4-CBC, AES-256-CBC, AES-256-GCM");
}

RESULT digest_from_name(const char *name, enum content_digest *out)
{
    for (size_t i = 0; name && i < ARRAY_LEN(DIGESTS); i++) {
        if (strcmp(name, DIGESTS[i].wire) == 0) {
            *out = (enum content_digest)i;
            return RESULT_OK;
        }
    }
    return unknown_name("digestMethod", "SM3, SHA-256");
}

/* ---- digest ---- */

RESULT envelope_digest(enum content_digest method, const void *bytes, size_t n, unsigned char digest[32])
{
    fetch_once();
    unsigned int len = 0;
    if (!digests[method] || EVP_Digest(bytes, n, digest, &len, digests[method], NULL) != 1 || len != 32) {
        ERR_clear_error();
        return result_error(ERR_INTERNAL, 0, "digest %s is not available", DIGESTS[method].wire);
    }
    return RESULT_OK;
}

static struct result check_digest(const struct envelope *e, const unsigned char *plain, size_t n,
                                  unsigned char digest[32])
{
    unsigned char claimed[32];
    TRY(envelope_digest(e->digest_method, plain, n, digest));
    const char *hex = e->digest_hex ? e->digest_hex : "";
    if (strlen(hex) != 64 || !hex_decode(hex, 64, claimed)) {
        return result_error(ERR_SENDER, 2104, "摘要不是64位十六进制数字 / digest is not 64 hexadecimal digits");
    }
    if (!secret_equal(claimed, digest, 32)) {
        return result_error(ERR_SENDER, 2104, "%s与原文的摘要不符 / %s of the plain content is another one",
                            DIGESTS[e->digest_method].wire, DIGESTS[e->digest_method].wire);
    }
    return RESULT_OK;
}

/* ---- encryption ---- */

/* A key of 16 bytes for a cipher of 32: the 32 lower-case hexadecimal characters of secretKey are the key. */
static bool key_for(enum content_cipher cipher, const unsigned char *key, size_t len, unsigned char out[KEY_MAX])
{
    static const char HEX[] = "0123456789abcdef";
    size_t wanted = CIPHERS[cipher].key_len;
    if (!key || (len != wanted && !(len == 16 && wanted == 32))) {
        return false;
    }
    for (size_t i = 0; len == wanted ? i < len : i < 2 * len; i++) {
        out[i] = len == wanted ? key[i] : (unsigned char)HEX[(i & 1) ? key[i / 2] & 15 : key[i / 2] >> 4];
    }
    return true;
}

/* Plain bytes to `out` (as large as the cipher text); false: wrong key, damaged or forged. */
static bool decrypt(enum content_cipher cipher, const unsigned char *key, const unsigned char *text, size_t n,
                    unsigned char *out, size_t *out_len)
{
    size_t iv_len = CIPHERS[cipher].iv_len, tag_len = CIPHERS[cipher].aead ? TAG_LEN : 0;
    const unsigned char *body = text + iv_len;
    size_t body_len = n - iv_len - tag_len;
    unsigned char tag[TAG_LEN] = {0};
    memcpy(tag, text + n - tag_len, tag_len);
    int first = 0, last = 0;
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    bool ok = ctx && EVP_DecryptInit_ex2(ctx, ciphers[cipher], key, text, NULL) == 1 &&
              (!tag_len || EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, TAG_LEN, tag) == 1) &&
              EVP_DecryptUpdate(ctx, out, &first, body, (int)body_len) == 1 &&
              EVP_DecryptFinal_ex(ctx, out + first, &last) == 1;
    EVP_CIPHER_CTX_free(ctx);
    *out_len = (size_t)first + (size_t)last;
    return ok;
}

static struct result undo_cipher(const struct envelope *e, struct arena *arena, const unsigned char **text, size_t *n)
{
    size_t least = CIPHERS[e->cipher].iv_len + TAG_LEN; /* the tag, or a block with its padding: as long */
    unsigned char key[KEY_MAX];
    fetch_once();
    if (!ciphers[e->cipher]) {
        return result_error(ERR_INTERNAL, 0, "cipher %s is not available", CIPHERS[e->cipher].wire);
    }
    if (!key_for(e->cipher, e->key, e->key_len, key)) {
        return result_error(ERR_SENDER, 2105, "没有可用于%s的密钥 / there is no key for %s", CIPHERS[e->cipher].wire,
                            CIPHERS[e->cipher].wire);
    }
    if (*n < least || *n > INT32_MAX / 2 || (!CIPHERS[e->cipher].aead && *n % 16 != 0)) {
        secret_wipe(key, sizeof key);
        return result_error(ERR_SENDER, 2105, "%s密文长度不合规 / %s cipher text has an impossible length",
                            CIPHERS[e->cipher].wire, CIPHERS[e->cipher].wire);
    }
    unsigned char *plain = arena_alloc(arena, *n + 1);
    bool ok = decrypt(e->cipher, key, *text, *n, plain, n);
    secret_wipe(key, sizeof key);
    if (!ok) {
        ERR_clear_error();
        return result_error(ERR_SENDER, 2105, "%s密文无法解密 / %s content does not decrypt", CIPHERS[e->cipher].wire,
                            CIPHERS[e->cipher].wire);
    }
    plain[*n] = 0;
    *text = plain;
    return RESULT_OK;
}

static struct result undo_gzip(const struct envelope *e, struct arena *arena, const unsigned char **text, size_t *n)
{
    struct buf plain = BUF_INIT;
    struct result r = envelope_gunzip(*text, *n, e->max_plain, &plain);
    if (result_ok(r)) {
        unsigned char *copy = arena_alloc(arena, plain.len + 1);
        memcpy(copy, buf_str(&plain), plain.len);
        *text = copy;
        *n = plain.len;
    }
    buf_free(&plain);
    return r;
}

RESULT envelope_open(const struct envelope *e, const void *content, size_t len, struct arena *arena,
                     const unsigned char **plain, size_t *plain_len, unsigned char digest[32])
{
    const unsigned char *text = content;
    if (e->cipher != CIPHER_NONE) {
        TRY(undo_cipher(e, arena, &text, &len));
    }
    if (e->encoding == ENCODING_GZIP) {
        TRY(undo_gzip(e, arena, &text, &len));
    }
    if (len > e->max_plain || arena_exceeded(arena)) {
        return result_error(ERR_LIMIT, 2106, "内容解压后超过限值 / content unpacks to more than allowed");
    }
    TRY(check_digest(e, text, len, digest));
    *plain = text;
    *plain_len = len;
    return RESULT_OK;
}

static bool encrypt(enum content_cipher cipher, const unsigned char *key, const void *plain, size_t n,
                    unsigned char *out, size_t *out_len)
{
    size_t iv_len = CIPHERS[cipher].iv_len, tag_len = CIPHERS[cipher].aead ? TAG_LEN : 0;
    int first = 0, last = 0;
    random_bytes(out, iv_len);
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    bool ok = ctx && EVP_EncryptInit_ex2(ctx, ciphers[cipher], key, out, NULL) == 1 &&
              EVP_EncryptUpdate(ctx, out + iv_len, &first, plain, (int)n) == 1 &&
              EVP_EncryptFinal_ex(ctx, out + iv_len + first, &last) == 1;
    size_t body = (size_t)first + (size_t)last;
    ok = ok && (!tag_len || EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, TAG_LEN, out + iv_len + body) == 1);
    EVP_CIPHER_CTX_free(ctx);
    *out_len = iv_len + body + tag_len;
    return ok;
}

RESULT envelope_encrypt(enum content_cipher cipher, const unsigned char *key, size_t key_len, const void *plain,
                        size_t n, struct buf *out)
{
    unsigned char full[KEY_MAX];
    size_t made = 0;
    if (cipher == CIPHER_NONE) {
        buf_append(out, plain, n);
        return RESULT_OK;
    }
    fetch_once();
    if (!ciphers[cipher] || n > INT32_MAX / 2 || !key_for(cipher, key, key_len, full)) {
        return result_error(ERR_SENDER, 2105,
                            "无法用%s加密：没有密钥或内容过长 / cannot encrypt with %s: no such key or too long",
                            CIPHERS[cipher].wire, CIPHERS[cipher].wire);
    }
    buf_reserve(out, n + 16 + 16 + TAG_LEN + 1);
    bool ok = encrypt(cipher, full, plain, n, out->data + out->len, &made);
    secret_wipe(full, sizeof full);
    if (!ok) {
        ERR_clear_error();
        return result_error(ERR_INTERNAL, 0, "%s failed", CIPHERS[cipher].wire);
    }
    out->len += made;
    out->data[out->len] = 0;
    return RESULT_OK;
}
