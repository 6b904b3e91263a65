#include "query/page_token.h"

#include <stdint.h>
#include <string.h>

#include "base/secret.h"
#include "payload/hmac.h"

#define MAC_LEN 16
#define TOKEN_MAX 4096 /* far beyond any position of ours */

static const char DIGITS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* base64url without padding (RFC 4648 section 5). */
static char *encode(struct arena *a, const unsigned char *p, size_t n)
{
    char *out = arena_alloc(a, (n * 8 + 5) / 6 + 1);
    uint32_t bits = 0;
    int have = 0;
    size_t len = 0;
    for (size_t i = 0; i < n; i++) {
        bits = bits << 8 | p[i];
        for (have += 8; have >= 6; have -= 6) {
            out[len++] = DIGITS[bits >> (have - 6) & 63];
        }
    }
    if (have > 0) {
        out[len++] = DIGITS[bits << (6 - have) & 63];
    }
    out[len] = '\0';
    return out;
}

/* NULL: not base64url, or not the one way to write those bytes. */
static unsigned char *decode(struct arena *a, const char *text, size_t *n)
{
    size_t len = strnlen(text, TOKEN_MAX + 1);
    unsigned char *out = arena_alloc(a, len + 1);
    uint32_t bits = 0;
    int have = 0;
    *n = 0;
    for (size_t i = 0; i < len; i++) {
        const char *digit = strchr(DIGITS, text[i]);
        if (!digit) {
            return NULL;
        }
        bits = (bits << 6 | (uint32_t)(digit - DIGITS)) & 0xFFFF;
        have += 6;
        if (have >= 8) {
            have -= 8;
            out[(*n)++] = (unsigned char)(bits >> have);
        }
    }
    bool leftover = (bits & ((1u << have) - 1)) != 0 || have >= 6;
    return len > TOKEN_MAX || leftover ? NULL : out;
}

/* The question's length goes first, so that no byte can move from the question into the position. */
static RESULT sign(const unsigned char key[32], const void *question, size_t question_len, const void *position,
                   size_t position_len, unsigned char mac[HMAC_SHA256_LEN])
{
    uint64_t length = question_len;
    const struct hmac_piece pieces[] = {{&length, sizeof length}, {question, question_len}, {position, position_len}};
    return hmac_sha256(key, 32, pieces, 3, mac);
}

char *page_token_make(struct arena *a, const unsigned char key[32], const void *question, size_t question_len,
                      const void *position, size_t position_len)
{
    unsigned char mac[HMAC_SHA256_LEN];
    if (!result_ok(sign(key, question, question_len, position, position_len, mac))) {
        return NULL;
    }
    unsigned char *bytes = arena_alloc(a, position_len + MAC_LEN);
    memcpy(bytes, position, position_len);
    memcpy(bytes + position_len, mac, MAC_LEN);
    return encode(a, bytes, position_len + MAC_LEN);
}

struct result page_token_open(struct arena *a, const unsigned char key[32], const void *question, size_t question_len,
                              const char *token, const void **position, size_t *position_len)
{
    size_t n;
    unsigned char *bytes = decode(a, token, &n);
    if (!bytes || n < MAC_LEN) {
        return result_error(ERR_SENDER, 2103, "pageToken不是本平台给出的 / pageToken is not one of this platform");
    }
    unsigned char mac[HMAC_SHA256_LEN];
    TRY(sign(key, question, question_len, bytes, n - MAC_LEN, mac));
    if (!secret_equal(mac, bytes + n - MAC_LEN, MAC_LEN)) {
        return result_error(ERR_SENDER, 2103,
                            "pageToken不是本平台给出的，或属于另一次查询 / pageToken is not one of this platform, or "
                            "of another question");
    }
    *position = bytes;
    *position_len = n - MAC_LEN;
    return RESULT_OK;
}
