#include "net/peer_x509.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/utf8.h"
#include "net/peer_device.h"

/* Names come from strangers: a UTF8String holds what bytes it likes. */
static char *text_of_bytes(const char *bytes, size_t n)
{
    char *text = mem_strndup(bytes, n);
    uint32_t code;
    for (size_t i = 0, step = 0; i < n; i += step) {
        step = utf8_next(text + i, n - i, &code);
        if (step == 0 || code == 0) {
            text[i] = '?';
            step = 1;
        }
    }
    text[utf8_cut(text, n, PEER_NAME_BYTES)] = '\0';
    return text;
}

char *peer_name_text(const X509_NAME *name)
{
    BIO *bio = BIO_new(BIO_s_mem());
    X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB);
    char *bytes = NULL;
    long n = BIO_get_mem_data(bio, &bytes);
    char *text = n > 0 ? text_of_bytes(bytes, (size_t)n) : mem_strdup("");
    BIO_free(bio);
    return text;
}

/* A value with a NUL inside, or that is not text, counts but reads as "": nothing may match half of it. */
static void add_value(struct peer_values *values, const ASN1_STRING *string)
{
    if (values->count++ >= PEER_MAX_VALUES) {
        return;
    }
    unsigned char *utf8 = NULL;
    int n = ASN1_STRING_to_UTF8(&utf8, string);
    bool whole = n >= 0 && !memchr(utf8, 0, (size_t)n);
    values->at[values->count - 1] = whole ? mem_strndup((char *)utf8, (size_t)n) : mem_strdup("");
    OPENSSL_free(utf8);
}

static void add_subject_values(struct peer_values *values, const X509_NAME *name, int nid)
{
    for (int i = -1; (i = X509_NAME_get_index_by_NID(name, nid, i)) >= 0;) {
        add_value(values, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, i)));
    }
}

/* A second device would leave open which one the certificate is for. */
static void add_device(struct peer_cert *peer, enum peer_device device, const char *serial)
{
    peer->device = peer->device == PEER_DEVICE_NONE ? device : PEER_DEVICE_UNREADABLE;
    mem_free(peer->device_serial);
    peer->device_serial = peer->device == PEER_DEVICE_NAMED ? mem_strdup(serial) : NULL;
}

static void add_uri(struct peer_cert *peer, const ASN1_STRING *uri)
{
    char serial[PEER_SERIAL_SIZE];
    const char *bytes = (const char *)ASN1_STRING_get0_data(uri);
    enum peer_device device = peer_device_read(bytes, (size_t)ASN1_STRING_length(uri), serial);
    if (device == PEER_DEVICE_NONE) {
        add_value(&peer->san_uri, uri);
    } else {
        add_device(peer, device, serial);
    }
}

/* Alternative names that are there but cannot be read might name a device. */
static void add_uris(struct peer_cert *peer, X509 *cert)
{
    int found = -1;
    GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, &found, NULL);
    if (!names && found != -1) {
        add_device(peer, PEER_DEVICE_UNREADABLE, "");
    }
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type == GEN_URI) {
            add_uri(peer, name->d.uniformResourceIdentifier);
        }
    }
    GENERAL_NAMES_free(names);
}

static int64_t instant(const ASN1_TIME *time)
{
    struct tm tm;
    return ASN1_TIME_to_tm(time, &tm) ? (int64_t)timegm(&tm) * USEC_PER_SEC : 0;
}

static char *serial_text(X509 *cert)
{
    const ASN1_INTEGER *serial = X509_get0_serialNumber(cert);
    struct buf hex = BUF_INIT;
    size_t n = 0;
    buf_append_hex(&hex, ASN1_STRING_get0_data(serial), (size_t)ASN1_STRING_length(serial));
    char *text = (char *)buf_steal(&hex, &n);
    return text ? text : mem_strdup("");
}

static void fingerprint(X509 *cert, char out[65])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int n = 0;
    if (!X509_digest(cert, EVP_sha256(), digest, &n)) {
        n = 0;
    }
    hex_encode(digest, n <= 32 ? n : 32, out);
}

struct peer_cert *peer_from_x509(X509 *cert)
{
    struct peer_cert *peer = mem_alloc(sizeof(*peer));
    const X509_NAME *subject = X509_get_subject_name(cert);
    add_subject_values(&peer->cn, subject, NID_commonName);
    add_subject_values(&peer->uid, subject, NID_userId);
    add_subject_values(&peer->ou, subject, NID_organizationalUnitName);
    add_subject_values(&peer->serial_number, subject, NID_serialNumber);
    add_uris(peer, cert);
    peer->subject = peer_name_text(subject);
    peer->issuer = peer_name_text(X509_get_issuer_name(cert));
    peer->serial = serial_text(cert);
    fingerprint(cert, peer->fingerprint);
    peer->not_before = instant(X509_get0_notBefore(cert));
    peer->not_after = instant(X509_get0_notAfter(cert));
    return peer;
}

static void free_values(struct peer_values *values)
{
    for (int i = 0; i < PEER_MAX_VALUES; i++) {
        mem_free(values->at[i]);
    }
}

void peer_free(struct peer_cert **pp)
{
    struct peer_cert *peer = *pp;
    if (!peer) {
        return;
    }
    free_values(&peer->cn);
    free_values(&peer->uid);
    free_values(&peer->ou);
    free_values(&peer->serial_number);
    free_values(&peer->san_uri);
    mem_free(peer->device_serial);
    mem_free(peer->subject);
    mem_free(peer->issuer);
    mem_free(peer->serial);
    mem_free(peer);
    *pp = NULL;
}
