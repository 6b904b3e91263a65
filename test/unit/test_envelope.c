/* The envelope against values computed with other tools (openssl, gzip) and against itself. */
#include "unit.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/secret.h"
#include "payload/envelope.h"

#define MAX_PLAIN (1 << 20)
#define TEXT "<energyData/>"

static const unsigned char KEY16[16] = {0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77,
                                        0x88, 0x99, 0xAA, 0xBB, 0xCC, 0xDD, 0xEE, 0xFF};

static struct buf from_hex(const char *hex)
{
    struct buf b = BUF_INIT;
    buf_reserve(&b, strlen(hex) / 2);
    ENSURE(hex_decode(hex, strlen(hex), b.data));
    b.len = strlen(hex) / 2;
    return b;
}

static const char *digest_hex(enum content_digest method, const void *bytes, size_t n)
{
    static char hex[65];
    unsigned char digest[32];
    ck_assert(result_ok(envelope_digest(method, bytes, n, digest)));
    for (int i = 0; i < 32; i++) {
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    }
    return hex;
}

static struct envelope plain_envelope(void)
{
    return (struct envelope){.digest_method = DIGEST_SHA_256, .max_plain = MAX_PLAIN};
}

/* Opens and compares with `expected`; the code of the refusal, 0 when it opened to that. */
static int open_to(const struct envelope *e, const void *content, size_t n, const void *expected, size_t expected_len)
{
    struct arena *arena = arena_new(0);
    const unsigned char *plain;
    size_t len;
    unsigned char digest[32];
    struct result r = envelope_open(e, content, n, arena, &plain, &len, digest);
    int code = r.code;
    if (result_ok(r)) {
        code = len == expected_len && memcmp(plain, expected, len) == 0 ? 0 : -1;
    } else {
        ENSURE_MSG(code >= 2103 && code <= 2106, "%s", r.text);
    }
    arena_free(&arena);
    return code;
}

START_TEST(digests_are_those_of_the_standards)
{
    ck_assert_str_eq(digest_hex(DIGEST_SHA_256, "abc", 3),
                     "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    /* GB/T 32905-2016, annex A.1 */
    ck_assert_str_eq(digest_hex(DIGEST_SM3, "abc", 3),
                     "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0");
}
END_TEST

START_TEST(names_are_those_of_the_contract_and_no_others)
{
    enum content_encoding encoding;
    enum content_cipher cipher;
    enum content_digest digest;
    ck_assert(result_ok(encoding_from_name("identity", &encoding)) && encoding == ENCODING_IDENTITY);
    ck_assert(result_ok(encoding_from_name("gzip", &encoding)) && encoding == ENCODING_GZIP);
    ck_assert(result_ok(cipher_from_name("none", &cipher)) && cipher == CIPHER_NONE);
    ck_assert(result_ok(cipher_from_name("SM4-CBC", &cipher)) && cipher == CIPHER_SM4_CBC);
    ck_assert(result_ok(cipher_from_name("AES-256-CBC", &cipher)) && cipher == CIPHER_AES_256_CBC);
    ck_assert(result_ok(cipher_from_name("AES-256-GCM", &cipher)) && cipher == CIPHER_AES_256_GCM);
    ck_assert(result_ok(digest_from_name("SM3", &digest)) && digest == DIGEST_SM3);
    ck_assert(result_ok(digest_from_name("SHA-256", &digest)) && digest == DIGEST_SHA_256);
    static const char *const OTHERS[] = {"",        "GZIP", "deflate", "None", "SM4-ECB", "AES-128-CBC",
                                         "sha-256", "MD5",  NULL};
    for (size_t i = 0; i < ARRAY_LEN(OTHERS); i++) {
        ck_assert_int_eq(encoding_from_name(OTHERS[i], &encoding).code, 2103);
        ck_assert_int_eq(cipher_from_name(OTHERS[i], &cipher).code, 2103);
        ck_assert_int_eq(digest_from_name(OTHERS[i], &digest).code, 2103);
    }
}
END_TEST

START_TEST(plain_content_is_borrowed_and_its_digest_checked_in_any_case)
{
    struct arena *arena = arena_new(0);
    struct envelope e = plain_envelope();
    const unsigned char *plain;
    unsigned char digest[32];
    size_t len;
    char hex[65];
    strcpy(hex, digest_hex(DIGEST_SHA_256, TEXT, strlen(TEXT)));
    e.digest_hex = hex;
    ck_assert(result_ok(envelope_open(&e, TEXT, strlen(TEXT), arena, &plain, &len, digest)));
    ck_assert_ptr_eq(plain, (const unsigned char *)TEXT);
    ck_assert_int_eq(digest[0] >> 4, hex[0] > '9' ? hex[0] - 'a' + 10 : hex[0] - '0');
    for (char *p = hex; *p; p++) {
        *p = *p >= 'a' ? (char)(*p - 32) : *p;
    }
    ck_assert_int_eq(open_to(&e, TEXT, strlen(TEXT), TEXT, strlen(TEXT)), 0);
    arena_free(&arena);
}
END_TEST

START_TEST(another_digest_is_2104)
{
    struct envelope e = plain_envelope();
    char hex[65];
    strcpy(hex, digest_hex(DIGEST_SHA_256, TEXT, strlen(TEXT)));
    e.digest_hex = hex;
    ck_assert_int_eq(open_to(&e, TEXT " ", strlen(TEXT) + 1, TEXT, strlen(TEXT)), 2104);
    e.digest_method = DIGEST_SM3;
    ck_assert_int_eq(open_to(&e, TEXT, strlen(TEXT), TEXT, strlen(TEXT)), 2104);
    e.digest_method = DIGEST_SHA_256;
    hex[63] = hex[63] == '0' ? '1' : '0';
    ck_assert_int_eq(open_to(&e, TEXT, strlen(TEXT), TEXT, strlen(TEXT)), 2104);
    hex[63] = 'x';
    ck_assert_int_eq(open_to(&e, TEXT, strlen(TEXT), TEXT, strlen(TEXT)), 2104);
    hex[62] = '\0';
    ck_assert_int_eq(open_to(&e, TEXT, strlen(TEXT), TEXT, strlen(TEXT)), 2104);
    e.digest_hex = NULL;
    ck_assert_int_eq(open_to(&e, TEXT, strlen(TEXT), TEXT, strlen(TEXT)), 2104);
}
END_TEST

/* Made with: printf '<energyData/>' | openssl enc -sm4-cbc -K KEY -iv IV, and -aes-256-cbc with the key 0011…ff as 32
 * characters. The IV is 000102…0f and stands in front. */
static const char SM4_HEX[] = "000102030405060708090a0b0c0d0e0f9142c156100cdbf2bd40c0a90592f234";
static const char AES_HEX[] = "000102030405060708090a0b0c0d0e0f05a254378d65682c4bf1de1f73ee7917";

START_TEST(cipher_text_of_another_tool_opens)
{
    static const struct {
        enum content_cipher cipher;
        const char *hex;
    } ROWS[] = {{CIPHER_SM4_CBC, SM4_HEX}, {CIPHER_AES_256_CBC, AES_HEX}};
    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        struct envelope e = plain_envelope();
        struct buf content = from_hex(ROWS[i].hex);
        e.cipher = ROWS[i].cipher;
        e.key = KEY16;
        e.key_len = 16;
        e.digest_hex = digest_hex(DIGEST_SHA_256, TEXT, strlen(TEXT));
        ck_assert_int_eq(open_to(&e, content.data, content.len, TEXT, strlen(TEXT)), 0);
        buf_free(&content);
    }
}
END_TEST

static const enum content_cipher ALL[] = {CIPHER_NONE, CIPHER_SM4_CBC, CIPHER_AES_256_CBC, CIPHER_AES_256_GCM};

START_TEST(what_was_packed_and_encrypted_opens_again)
{
    unsigned char key32[32];
    struct buf xml = BUF_INIT;
    memset(key32, 7, sizeof key32);
    for (int i = 0; i < 5000; i++) {
        buf_printf(&xml, "<data dataValue=\"%d\"/>\n", i * 7919 % 10007);
        if (i % 500 > 2 && i < 4999) {
            continue;
        }
        for (size_t c = 0; c < ARRAY_LEN(ALL); c++) {
            struct envelope e = plain_envelope();
            struct buf packed = BUF_INIT, sealed = BUF_INIT;
            e.encoding = ENCODING_GZIP;
            e.cipher = ALL[c];
            e.key = c & 1 ? KEY16 : key32;
            e.key_len = c & 1 ? 16 : 32;
            e.digest_method = DIGEST_SM3;
            e.digest_hex = digest_hex(DIGEST_SM3, xml.data, xml.len);
            ENSURE(result_ok(envelope_gzip(xml.data, xml.len, &packed)));
            ENSURE(result_ok(envelope_encrypt(e.cipher, e.key, e.key_len, packed.data, packed.len, &sealed)));
            ENSURE(open_to(&e, sealed.data, sealed.len, xml.data, xml.len) == 0);
            buf_free(&packed);
            buf_free(&sealed);
        }
    }
    buf_free(&xml);
}
END_TEST

START_TEST(the_same_text_is_never_encrypted_alike)
{
    struct buf a = BUF_INIT, b = BUF_INIT;
    ck_assert(result_ok(envelope_encrypt(CIPHER_SM4_CBC, KEY16, 16, TEXT, strlen(TEXT), &a)));
    ck_assert(result_ok(envelope_encrypt(CIPHER_SM4_CBC, KEY16, 16, TEXT, strlen(TEXT), &b)));
    ck_assert(a.len == b.len && memcmp(a.data, b.data, a.len) != 0);
    buf_free(&a);
    buf_free(&b);
}
END_TEST

START_TEST(damaged_or_foreign_cipher_text_is_2105)
{
    unsigned char wrong[16] = {0};
    for (size_t c = 1; c < ARRAY_LEN(ALL); c++) {
        struct envelope e = plain_envelope();
        struct buf sealed = BUF_INIT;
        ck_assert(result_ok(envelope_encrypt(ALL[c], KEY16, 16, TEXT, strlen(TEXT), &sealed)));
        e.cipher = ALL[c];
        e.key = wrong;
        e.key_len = 16;
        e.digest_hex = digest_hex(DIGEST_SHA_256, TEXT, strlen(TEXT));
        /* by chance 1 in 256 wrong keys leaves a padding: then the digest differs */
        int code = open_to(&e, sealed.data, sealed.len, TEXT, strlen(TEXT));
        ck_assert_msg(code == 2105 || (code == 2104 && ALL[c] != CIPHER_AES_256_GCM), "code %d", code);
        e.key = KEY16;
        for (size_t n = 0; n < sealed.len; n++) {
            code = open_to(&e, sealed.data, n, TEXT, strlen(TEXT));
            ENSURE_MSG(code == 2105, "%zu bytes: %d", n, code);
        }
        sealed.data[sealed.len - 1] ^= 1;
        code = open_to(&e, sealed.data, sealed.len, TEXT, strlen(TEXT));
        ck_assert_msg(code == 2105 || (code == 2104 && ALL[c] != CIPHER_AES_256_GCM), "code %d", code);
        buf_free(&sealed);
    }
}
END_TEST

START_TEST(a_missing_key_or_one_of_the_wrong_length_is_2105)
{
    struct envelope e = plain_envelope();
    struct buf sealed = BUF_INIT;
    unsigned char key[64] = {0};
    ck_assert(result_ok(envelope_encrypt(CIPHER_SM4_CBC, KEY16, 16, TEXT, strlen(TEXT), &sealed)));
    e.cipher = CIPHER_SM4_CBC;
    e.digest_hex = "";
    ck_assert_int_eq(open_to(&e, sealed.data, sealed.len, "", 0), 2105);
    e.key = key;
    for (e.key_len = 0; e.key_len <= sizeof key; e.key_len += 8) {
        e.cipher = CIPHER_SM4_CBC;
        ck_assert(e.key_len == 16 || open_to(&e, sealed.data, sealed.len, "", 0) == 2105);
        ck_assert(e.key_len == 16 || !result_ok(envelope_encrypt(CIPHER_SM4_CBC, key, e.key_len, TEXT, 3, &sealed)));
        e.cipher = CIPHER_AES_256_GCM;
        ck_assert_int_eq(open_to(&e, sealed.data, sealed.len, "", 0), 2105);
    }
    buf_free(&sealed);
}
END_TEST

static int open_gzip(const void *bytes, size_t n, size_t max)
{
    struct envelope e = plain_envelope();
    e.encoding = ENCODING_GZIP;
    e.max_plain = max;
    e.digest_hex = digest_hex(DIGEST_SHA_256, TEXT TEXT, 2 * strlen(TEXT));
    return open_to(&e, bytes, n, TEXT TEXT, 2 * strlen(TEXT));
}

START_TEST(gzip_may_come_in_several_members)
{
    struct buf b = BUF_INIT;
    ck_assert(result_ok(envelope_gzip(TEXT, strlen(TEXT), &b)));
    ck_assert(result_ok(envelope_gzip(TEXT, strlen(TEXT), &b)));
    ck_assert_int_eq(open_gzip(b.data, b.len, MAX_PLAIN), 0);
    buf_free(&b);
}
END_TEST

START_TEST(what_is_not_whole_gzip_is_2106)
{
    struct buf b = BUF_INIT;
    ck_assert(result_ok(envelope_gzip(TEXT TEXT, 2 * strlen(TEXT), &b)));
    for (size_t n = 0; n < b.len; n++) {
        ENSURE(open_gzip(b.data, n, MAX_PLAIN) == 2106);
    }
    ck_assert_int_eq(open_gzip(b.data, b.len, MAX_PLAIN), 0);
    buf_append_str(&b, "x");
    ck_assert_int_eq(open_gzip(b.data, b.len, MAX_PLAIN), 2106);
    b.len--;
    b.data[b.len - 5] ^= 1; /* in the check sum */
    ck_assert_int_eq(open_gzip(b.data, b.len, MAX_PLAIN), 2106);
    ck_assert_int_eq(open_gzip("<energyData xmlns=\"urn\"/>", 25, MAX_PLAIN), 2106);
    ck_assert_int_eq(open_gzip("\x78\x9c, and so on and so on", 24, MAX_PLAIN), 2106);
    buf_free(&b);
}
END_TEST

START_TEST(the_limit_of_unpacked_content_is_exact)
{
    struct buf b = BUF_INIT;
    ck_assert(result_ok(envelope_gzip(TEXT TEXT, 2 * strlen(TEXT), &b)));
    ck_assert_int_eq(open_gzip(b.data, b.len, 2 * strlen(TEXT)), 0);
    ck_assert_int_eq(open_gzip(b.data, b.len, 2 * strlen(TEXT) - 1), 2106);
    struct envelope e = plain_envelope();
    e.digest_hex = digest_hex(DIGEST_SHA_256, TEXT, strlen(TEXT));
    e.max_plain = strlen(TEXT);
    ck_assert_int_eq(open_to(&e, TEXT, strlen(TEXT), TEXT, strlen(TEXT)), 0);
    e.max_plain--;
    ck_assert_int_eq(open_to(&e, TEXT, strlen(TEXT), TEXT, strlen(TEXT)), 2106);
    buf_free(&b);
}
END_TEST

START_TEST(a_bomb_is_refused_before_it_unfolds)
{
    struct buf zeros = BUF_INIT, packed = BUF_INIT, out = BUF_INIT;
    size_t n = 8 << 20;
    buf_reserve(&zeros, n);
    memset(zeros.data, 0, n);
    ck_assert(result_ok(envelope_gzip(zeros.data, n, &packed)));
    struct result r = envelope_gunzip(packed.data, packed.len, 64 << 20, &out);
    ck_assert_int_eq(r.code, 2106);
    ck_assert_int_eq(r.kind, ERR_LIMIT);
    ck_assert_uint_eq(out.len, 0);
    ck_assert_uint_lt(out.cap, 4 << 20);
    buf_free(&zeros);
    buf_free(&packed);
    buf_free(&out);
}
END_TEST

START_TEST(uniform_but_honest_xml_is_no_bomb)
{
    struct buf xml = BUF_INIT, packed = BUF_INIT, out = BUF_INIT;
    for (int i = 0; i < 40000; i++) {
        buf_printf(&xml,
                   "<data dataCode=\"00000000023300%02d\" statType=\"0\" statDate=\"2026-11-20 10:%02d:00\" "
                   "dataValue=\"0\" inputType=\"4\" scope=\"1\"/>\n",
                   i % 100, i / 100 % 60);
    }
    ck_assert(result_ok(envelope_gzip(xml.data, xml.len, &packed)));
    struct result r = envelope_gunzip(packed.data, packed.len, 64 << 20, &out);
    ck_assert_msg(result_ok(r), "%s", r.text);
    ck_assert(out.len == xml.len && memcmp(out.data, xml.data, xml.len) == 0);
    buf_free(&xml);
    buf_free(&packed);
    buf_free(&out);
}
END_TEST

START_TEST(making_appends_behind_what_is_there)
{
    struct buf b = BUF_INIT, plain = BUF_INIT;
    buf_append_str(&b, "keep");
    buf_append_str(&plain, "keep");
    ck_assert(result_ok(envelope_gzip(TEXT, strlen(TEXT), &b)));
    ck_assert(memcmp(b.data, "keep\x1f\x8b", 6) == 0);
    ck_assert(result_ok(envelope_gunzip(b.data + 4, b.len - 4, strlen(TEXT), &plain)));
    ck_assert_str_eq(buf_str(&plain), "keep" TEXT);
    ck_assert(result_ok(envelope_encrypt(CIPHER_NONE, NULL, 0, "+", 1, &plain)));
    ck_assert_str_eq(buf_str(&plain), "keep" TEXT "+");
    buf_free(&b);
    buf_free(&plain);
}
END_TEST

UNIT_MAIN("envelope", digests_are_those_of_the_standards, names_are_those_of_the_contract_and_no_others,
          plain_content_is_borrowed_and_its_digest_checked_in_any_case, another_digest_is_2104,
          cipher_text_of_another_tool_opens, what_was_packed_and_encrypted_opens_again,
          the_same_text_is_never_encrypted_alike, damaged_or_foreign_cipher_text_is_2105,
          a_missing_key_or_one_of_the_wrong_length_is_2105, gzip_may_come_in_several_members,
          what_is_not_whole_gzip_is_2106, the_limit_of_unpacked_content_is_exact, a_bomb_is_refused_before_it_unfolds,
          uniform_but_honest_xml_is_no_bomb, making_appends_behind_what_is_there)
