/* Which end device a certificate names: the URI alone, then whole certificates as a handshake would read them. */
#include "unit.h"

#include <openssl/x509v3.h>
#include <string.h>

#include "base/mem.h"
#include "net/peer_device.h"
#include "net/peer_x509.h"
#include "validate/network.h"

#define STEEL "91420100000000000U"
#define ENTERPRISE "urn:nhjc:enterprise:91420100000000000U"
#define LONGEST 128

/* ---- the URI ---- */

static void expect(const char *uri, size_t n, enum peer_device device, const char *serial)
{
    char got[PEER_SERIAL_SIZE];
    char *copy = mem_strndup(uri, n); /* a read past the end is noticed by the sanitizers */
    enum peer_device seen = peer_device_read(copy, n, got);
    ck_assert_msg(seen == device && strcmp(got, serial) == 0, "%.*s: %d \"%s\"", (int)n, uri, seen, got);
    mem_free(copy);
}

START_TEST(a_device_is_named_by_its_serial_as_a_uri_can_hold_it)
{
    static const struct {
        const char *uri, *serial;
    } ROWS[] = {
        {"urn:nhjc:device:it-1", "it-1"},
        {"URN:NHJC:device:it-1", "it-1"},
        {"urn:nhjc:device:A.b_c~9", "A.b_c~9"},
        {"urn:nhjc:device:SN:2024/07@1(a)", "SN:2024/07@1(a)"},
        {"urn:nhjc:device:420000", "420000"},
        {"urn:nhjc:device:" STEEL, STEEL},
        {"urn:nhjc:device:%e7%bd%91%E5%85%B31", "网关1"},
        {"urn:nhjc:device:a%20b%25", "a b%"},
        {"urn:nhjc:device:%41", "A"},
        {"urn:nhjc:device:urn:nhjc:device:x", "urn:nhjc:device:x"},
    };
    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        expect(ROWS[i].uri, strlen(ROWS[i].uri), PEER_DEVICE_NAMED, ROWS[i].serial);
    }
}
END_TEST

START_TEST(other_uris_name_no_device)
{
    static const char *const ROWS[] = {"",
                                       ENTERPRISE,
                                       "urn:nhjc:unit:device:7",
                                       "urn:nhjc:devices:7",
                                       "urn:nhjc:device-type:7",
                                       "urn:nhjc:devic",
                                       "urn:other:device:7",
                                       "https://device/urn:nhjc:device:7",
                                       "device:7",
                                       "%",
                                       "%7"};
    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        expect(ROWS[i], strlen(ROWS[i]), PEER_DEVICE_NONE, "");
    }
}
END_TEST

START_TEST(what_means_a_device_and_does_not_name_one_is_never_taken_for_none)
{
    static const char *const ROWS[] = {"urn:nhjc:device",           "urn:nhjc:device:",
                                       "urn:nhjc:Device:7",         "URN:NHJC:DEVICE:7",
                                       "urn:nhjc:dev%69ce:7",       "%75rn:nhjc:device:7",
                                       "urn%3Anhjc%3adevice%3A7",   " urn:nhjc:device:7",
                                       "%20urn:nhjc:device:7",      "\turn:nhjc:device:7",
                                       "urn:nhjc:device/7",         "urn:nhjc:device%3A7",
                                       "urn:nhjc:device 7",         "urn:nhjc:device%007",
                                       "urn:nhjc:device:a b",       "urn:nhjc:device:7\n",
                                       "urn:nhjc:device:a%",        "urn:nhjc:device:a%2",
                                       "urn:nhjc:device:%zz",       "urn:nhjc:device:%4",
                                       "urn:nhjc:device:a?=b",      "urn:nhjc:device:a#b",
                                       "urn:nhjc:device:a\\b",      "urn:nhjc:device:\"7\"",
                                       "urn:nhjc:device:%00",       "urn:nhjc:device:a%00b",
                                       "urn:nhjc:device:a%0Ab",     "urn:nhjc:device:%7f",
                                       "urn:nhjc:device:%c2%85",    "urn:nhjc:device:%ff",
                                       "urn:nhjc:device:%e7%bd",    "urn:nhjc:device:%c0%80",
                                       "urn:nhjc:device:%ed%a0%80", "urn:nhjc:device:\xe7\xbd\x91",
                                       "urn:nhjc:device\xff"};
    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        expect(ROWS[i], strlen(ROWS[i]), PEER_DEVICE_UNREADABLE, "");
    }
    expect("urn:nhjc:device:a\0b", 19, PEER_DEVICE_UNREADABLE, "");
    expect("urn:nhjc:device\0", 16, PEER_DEVICE_UNREADABLE, "");
    expect("urn:nhjc:device:ab", 16, PEER_DEVICE_UNREADABLE, ""); /* what lies behind the end is not read */
}
END_TEST

START_TEST(a_serial_has_as_many_characters_as_a_registration_takes)
{
    struct buf uri = BUF_INIT, serial = BUF_INIT;
    for (size_t i = 0; i < LONGEST; i++) { /* the longest there is: four bytes each, each encoded */
        buf_append_str(&uri, i ? "%F0%9F%8F%AD" : PEER_DEVICE_PREFIX "%F0%9F%8F%AD");
        buf_append_str(&serial, "\xF0\x9F\x8F\xAD");
    }
    expect(buf_str(&uri), uri.len, PEER_DEVICE_NAMED, buf_str(&serial));
    buf_append_str(&uri, "x");
    expect(buf_str(&uri), uri.len, PEER_DEVICE_UNREADABLE, "");
    buf_clear(&uri);
    buf_append_str(&uri, PEER_DEVICE_PREFIX);
    for (size_t i = 0; i < LONGEST; i++)
        buf_append_str(&uri, "x");
    expect(buf_str(&uri), uri.len, PEER_DEVICE_NAMED, buf_str(&uri) + strlen(PEER_DEVICE_PREFIX));
    for (size_t i = 0; i < 200000; i++) {
        buf_append_str(&uri, "x");
        if (i == 0)
            expect(buf_str(&uri), uri.len, PEER_DEVICE_UNREADABLE, "");
    }
    expect(buf_str(&uri), uri.len, PEER_DEVICE_UNREADABLE, "");
    buf_free(&uri);
    buf_free(&serial);
}
END_TEST

/* ---- certificates ---- */

static X509 *certificate(void)
{
    X509 *cert = X509_new();
    X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "UID", MBSTRING_UTF8, (const unsigned char *)STEEL, -1, -1,
                               0);
    return cert;
}

static void add_uri(GENERAL_NAMES *names, const char *uri, size_t n)
{
    GENERAL_NAME *name = GENERAL_NAME_new();
    ASN1_IA5STRING *text = ASN1_IA5STRING_new();
    ASN1_STRING_set(text, uri, (int)n);
    GENERAL_NAME_set0_value(name, GEN_URI, text);
    sk_GENERAL_NAME_push(names, name);
}

static struct peer_cert *peer_with(const char *const *uris, size_t count)
{
    X509 *cert = certificate();
    GENERAL_NAMES *names = GENERAL_NAMES_new();
    for (size_t i = 0; i < count; i++)
        add_uri(names, uris[i], strlen(uris[i]));
    if (count > 0)
        X509_add1_ext_i2d(cert, NID_subject_alt_name, names, 0, 0);
    GENERAL_NAMES_free(names);
    struct peer_cert *peer = peer_from_x509(cert);
    X509_free(cert);
    return peer;
}

static void expect_peer(const char *const *uris, size_t count, enum peer_device device, const char *serial, int others)
{
    struct peer_cert *peer = peer_with(uris, count);
    ck_assert_int_eq(peer->device, device);
    if (serial)
        ck_assert_str_eq(peer->device_serial, serial);
    else
        ck_assert_ptr_null(peer->device_serial);
    ck_assert_int_eq(peer->san_uri.count, others);
    peer_free(&peer);
}

#define PEER(device, serial, others, ...)                                                                              \
    expect_peer((const char *const[]){__VA_ARGS__}, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *),       \
                device, serial, others)

START_TEST(a_certificate_names_one_device_or_none_wherever_it_stands)
{
    expect_peer(NULL, 0, PEER_DEVICE_NONE, NULL, 0);
    PEER(PEER_DEVICE_NONE, NULL, 1, ENTERPRISE);
    PEER(PEER_DEVICE_NAMED, "7", 0, "urn:nhjc:device:7");
    PEER(PEER_DEVICE_NAMED, "7", 6, "a:1", "a:2", "a:3", "a:4", "a:5", "a:6",
         "urn:nhjc:device:7"); /* beyond the values kept */
    PEER(PEER_DEVICE_UNREADABLE, NULL, 0, "urn:nhjc:device:7", "urn:nhjc:device:8");
    PEER(PEER_DEVICE_UNREADABLE, NULL, 0, "urn:nhjc:device:7", "urn:nhjc:device:7");
    PEER(PEER_DEVICE_UNREADABLE, NULL, 0, "urn:nhjc:device:7", "urn:nhjc:device:");
    PEER(PEER_DEVICE_UNREADABLE, NULL, 0, "urn:nhjc:device:%", "urn:nhjc:device:7");
    PEER(PEER_DEVICE_UNREADABLE, NULL, 0, "urn:nhjc:device:1", "urn:nhjc:device:2", "urn:nhjc:device:3");
}
END_TEST

START_TEST(alternative_names_that_cannot_be_read_are_not_taken_for_none)
{
    X509 *broken = certificate(), *twice = certificate(), *nul = certificate();
    ASN1_OCTET_STRING *bytes = ASN1_OCTET_STRING_new();
    ASN1_OCTET_STRING_set(bytes, (const unsigned char *)"\x30\x7fjunk", 6);
    X509_EXTENSION *e = X509_EXTENSION_create_by_NID(NULL, NID_subject_alt_name, 0, bytes);
    X509_add_ext(broken, e, -1);
    X509_EXTENSION_free(e);
    ASN1_OCTET_STRING_free(bytes);
    GENERAL_NAMES *names = GENERAL_NAMES_new();
    add_uri(names, "urn:nhjc:device:7", 17);
    X509_add1_ext_i2d(twice, NID_subject_alt_name, names, 0, X509V3_ADD_APPEND);
    X509_add1_ext_i2d(twice, NID_subject_alt_name, names, 0, X509V3_ADD_APPEND);
    add_uri(names, "urn:nhjc:device:7\0", 18);
    GENERAL_NAME_free(sk_GENERAL_NAME_shift(names));
    X509_add1_ext_i2d(nul, NID_subject_alt_name, names, 0, 0);
    GENERAL_NAMES_free(names);
    X509 *const odd[] = {broken, twice, nul};
    for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
        struct peer_cert *peer = peer_from_x509(odd[i]);
        ck_assert_msg(peer->device == PEER_DEVICE_UNREADABLE && !peer->device_serial, "certificate %zu", i);
        peer_free(&peer);
        X509_free(odd[i]);
    }
}
END_TEST

START_TEST(the_name_of_a_device_is_no_identity)
{
    static const char *const URIS[] = {"urn:nhjc:device:420000", ENTERPRISE};
    struct identity id;
    struct peer_cert *both = peer_with(URIS, 2), *alone = peer_with(URIS, 1);
    ck_assert(result_ok(identity_from_peer(both, "SAN", &id)));
    ck_assert_str_eq(id.code, STEEL);
    ck_assert_str_eq(both->device_serial, "420000");
    ck_assert_int_eq(identity_from_peer(alone, "SAN", &id).code, 1101);
    ck_assert(result_ok(identity_from_peer(alone, "SAN,UID", &id)));
    ck_assert_str_eq(id.code, STEEL);
    peer_free(&both);
    peer_free(&alone);
}
END_TEST

UNIT_MAIN("peer_device", a_device_is_named_by_its_serial_as_a_uri_can_hold_it, other_uris_name_no_device,
          what_means_a_device_and_does_not_name_one_is_never_taken_for_none,
          a_serial_has_as_many_characters_as_a_registration_takes,
          a_certificate_names_one_device_or_none_wherever_it_stands,
          alternative_names_that_cannot_be_read_are_not_taken_for_none, the_name_of_a_device_is_no_identity)
