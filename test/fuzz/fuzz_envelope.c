/* The envelope: the first byte chooses how the rest is opened as content of a stranger; then the rest is packed and
 * encrypted as content of ours, and must open to itself. */
#include "fuzz.h"

#include <string.h>

#include "base/mem.h"
#include "payload/envelope.h"

#define MAX_PLAIN 100000

static const unsigned char KEY[32] = "0123456789abcdef0123456789abcde";

static struct result open_content(const struct envelope *e, const void *content, size_t n, struct arena *arena,
                                  const unsigned char **plain, size_t *len)
{
    unsigned char digest[32];
    char *copy = mem_grow(NULL, n ? n : 1); /* exactly n bytes: one read too far is seen */
    memcpy(copy, content, n);
    struct result r = envelope_open(e, copy, n, arena, plain, len, digest);
    if (result_ok(r) && *plain == (unsigned char *)copy) {
        unsigned char *kept = arena_alloc(arena, n + 1);
        memcpy(kept, copy, n);
        *plain = kept;
    }
    mem_free(copy);
    return r;
}

static void check_round_trip(struct envelope e, const uint8_t *data, size_t size, struct arena *arena)
{
    static const char HEX[] = "0123456789abcdef";
    struct buf packed = BUF_INIT, sealed = BUF_INIT;
    unsigned char digest[32];
    char hex[65] = {0};
    const unsigned char *plain;
    size_t len;
    REQUIRE(result_ok(envelope_digest(e.digest_method, data, size, digest)));
    for (int i = 0; i < 64; i++) {
        hex[i] = HEX[i & 1 ? digest[i / 2] & 15 : digest[i / 2] >> 4];
    }
    e.digest_hex = hex;
    if (e.encoding == ENCODING_GZIP) {
        REQUIRE(result_ok(envelope_gzip(data, size, &packed)));
    } else {
        buf_append(&packed, data, size);
    }
    REQUIRE(result_ok(envelope_encrypt(e.cipher, e.key, e.key_len, packed.data, packed.len, &sealed)));
    REQUIRE(result_ok(open_content(&e, sealed.data, sealed.len, arena, &plain, &len)));
    REQUIRE(len == size && memcmp(plain, data, size) == 0);
    buf_free(&packed);
    buf_free(&sealed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > MAX_PLAIN) {
        return 0;
    }
    struct envelope e = {.encoding = data[0] & 1 ? ENCODING_GZIP : ENCODING_IDENTITY,
                         .cipher = (enum content_cipher)(data[0] >> 1 & 3),
                         .digest_method = data[0] & 8 ? DIGEST_SM3 : DIGEST_SHA_256,
                         .digest_hex = "00",
                         .key = KEY,
                         .max_plain = MAX_PLAIN};
    e.key_len = e.cipher == CIPHER_SM4_CBC || data[0] & 16 ? 16 : 32;
    struct arena *arena = arena_new(0);
    const unsigned char *plain;
    size_t len;
    struct result r = open_content(&e, data + 1, size - 1, arena, &plain, &len);
    REQUIRE(r.code == 2104 || r.code == 2105 || r.code == 2106);
    check_round_trip(e, data + 1, size - 1, arena);
    arena_free(&arena);
    return 0;
}
