/* net_pki: certificates made on the spot in a folder of their own, for the tests of net.
 *
 * Every certificate NAME is DIR/NAME.pem with DIR/NAME.key; one P-256 key serves all of them, so that making them is
 * fast; only the CAs differ. pki_free removes the folder. */
#ifndef NHJC_TEST_NET_PKI_H
#define NHJC_TEST_NET_PKI_H

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "unit.h"

#define PKI_DAY 86400L

struct pki_ca {
    X509 *cert;
    EVP_PKEY *key;
};

struct pki {
    char dir[64];
    EVP_PKEY *key; /* of every certificate that is not a CA */
    struct pki_ca root, inter, rogue, fake, bare_fake;
};

struct pki_spec {
    const char *file;
    const struct pki_ca *issuer; /* NULL: signs itself */
    const char *cn, *uid, *uid2, *san, *usage;
    long from, to; /* seconds from now; to 0: a day */
    long serial;
    bool ca;
    bool bare;     /* without key identifiers */
    EVP_PKEY *key; /* NULL: the common one */
};

static inline const char *pki_path(const struct pki *p, const char *name)
{
    static _Thread_local char path[4][160];
    static _Thread_local int turn;
    char *out = path[turn++ % 4];
    snprintf(out, sizeof(path[0]), "%s/%s", p->dir, name);
    return out;
}

static inline FILE *pki_file(const struct pki *p, const char *name, const char *suffix)
{
    char file[96];
    snprintf(file, sizeof(file), "%s%s", name, suffix);
    FILE *f = fopen(pki_path(p, file), "w");
    ck_assert_ptr_nonnull(f);
    return f;
}

static inline EVP_PKEY *pki_new_key(void)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    ck_assert_ptr_nonnull(key);
    return key;
}

static inline void pki_extend(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    ck_assert_ptr_nonnull(e);
    X509_add_ext(cert, e, -1);
    X509_EXTENSION_free(e);
}

static inline void pki_name(X509 *cert, const char *type, const char *value)
{
    if (value) {
        X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), type, MBSTRING_UTF8, (const unsigned char *)value, -1,
                                   -1, 0);
    }
}

static inline void pki_extensions(X509 *cert, const struct pki_spec *s)
{
    X509 *issuer = s->issuer ? s->issuer->cert : cert;
    pki_extend(cert, issuer, NID_basic_constraints, s->ca ? "critical,CA:TRUE" : "CA:FALSE");
    if (s->ca) {
        pki_extend(cert, issuer, NID_key_usage, "critical,keyCertSign,cRLSign");
    } else {
        pki_extend(cert, issuer, NID_ext_key_usage, s->usage ? s->usage : "clientAuth");
    }
    if (s->san) {
        pki_extend(cert, issuer, NID_subject_alt_name, s->san);
    }
    if (!s->bare) {
        pki_extend(cert, issuer, NID_subject_key_identifier, "hash");
        pki_extend(cert, issuer, NID_authority_key_identifier, "keyid:always");
    }
}

/* Writes file.pem (the issuer's certificate behind it unless that is a root) and file.key; gives the certificate. */
static inline X509 *pki_make(const struct pki *p, const struct pki_spec *s)
{
    EVP_PKEY *key = s->key ? s->key : p->key;
    X509 *cert = X509_new();
    X509_set_version(cert, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), s->serial ? s->serial : 1000);
    X509_gmtime_adj(X509_getm_notBefore(cert), s->from ? s->from : -3600);
    X509_gmtime_adj(X509_getm_notAfter(cert), s->to ? s->to : PKI_DAY);
    X509_set_pubkey(cert, key);
    pki_name(cert, "CN", s->cn);
    pki_name(cert, "UID", s->uid);
    pki_name(cert, "UID", s->uid2);
    X509_set_issuer_name(cert, X509_get_subject_name(s->issuer ? s->issuer->cert : cert));
    pki_extensions(cert, s);
    ck_assert_int_gt(X509_sign(cert, s->issuer ? s->issuer->key : key, EVP_sha256()), 0);
    FILE *f = pki_file(p, s->file, ".pem");
    PEM_write_X509(f, cert);
    if (s->issuer && s->issuer == &p->inter) {
        PEM_write_X509(f, s->issuer->cert);
    }
    fclose(f);
    f = pki_file(p, s->file, ".key");
    PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL);
    fclose(f);
    return cert;
}

static inline void pki_issue(const struct pki *p, struct pki_spec s)
{
    X509_free(pki_make(p, &s));
}

static inline void pki_ca(const struct pki *p, struct pki_ca *ca, struct pki_spec s)
{
    s.ca = true;
    s.key = ca->key = pki_new_key();
    ca->cert = pki_make(p, &s);
}

/* Appends ca's CRL to DIR/NAME. last, next: seconds from now; serial 0: revokes nobody. */
static inline void pki_crl_of(const struct pki *p, const char *name, const struct pki_ca *ca, long serial, long last,
                              long next)
{
    X509_CRL *crl = X509_CRL_new();
    X509_CRL_set_version(crl, X509_CRL_VERSION_2);
    X509_CRL_set_issuer_name(crl, X509_get_subject_name(ca->cert));
    ASN1_TIME *now = X509_gmtime_adj(NULL, last), *until = X509_gmtime_adj(NULL, next);
    X509_CRL_set1_lastUpdate(crl, now);
    X509_CRL_set1_nextUpdate(crl, until);
    if (serial) {
        X509_REVOKED *r = X509_REVOKED_new();
        ASN1_INTEGER *number = ASN1_INTEGER_new();
        ASN1_INTEGER_set(number, serial);
        X509_REVOKED_set_serialNumber(r, number);
        X509_REVOKED_set_revocationDate(r, now);
        X509_CRL_add0_revoked(crl, r);
        ASN1_INTEGER_free(number);
    }
    X509_CRL_sort(crl);
    ck_assert_int_gt(X509_CRL_sign(crl, ca->key, EVP_sha256()), 0);
    FILE *f = fopen(pki_path(p, name), "a");
    PEM_write_X509_CRL(f, crl);
    fclose(f);
    ASN1_TIME_free(now);
    ASN1_TIME_free(until);
    X509_CRL_free(crl);
}

static inline void pki_crl(const struct pki *p, const char *name, const struct pki_ca *ca, long serial, long next)
{
    pki_crl_of(p, name, ca, serial, -2 * PKI_DAY, next);
}

static inline void pki_write_text(const struct pki *p, const char *name, const char *text)
{
    FILE *f = fopen(pki_path(p, name), "w");
    fputs(text, f);
    fclose(f);
}

#define PKI_REVOKED_SERIAL 66L

/* The usual folder: root.pem trusted; inter.pem below it; rogue, fake and bare_fake not to be trusted, the last two
 * with the root's name. crl.pem revokes "revoked". */
static inline void pki_new(struct pki *p)
{
    memset(p, 0, sizeof(*p));
    strcpy(p->dir, "/tmp/nhjc-net-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(p->dir));
    p->key = pki_new_key();
    pki_ca(p, &p->root, (struct pki_spec){.file = "root", .cn = "Test Root", .serial = 1});
    pki_ca(p, &p->inter,
           (struct pki_spec){.file = "inter", .cn = "Test Intermediate", .issuer = &p->root, .serial = 2});
    pki_ca(p, &p->rogue, (struct pki_spec){.file = "rogue", .cn = "Rogue Root", .serial = 3});
    pki_ca(p, &p->fake, (struct pki_spec){.file = "fake", .cn = "Test Root", .serial = 1});
    pki_ca(p, &p->bare_fake, (struct pki_spec){.file = "bare_fake", .cn = "Test Root", .serial = 1, .bare = true});
    pki_issue(p, (struct pki_spec){.file = "server",
                                   .issuer = &p->root,
                                   .cn = "server",
                                   .usage = "serverAuth",
                                   .san = "DNS:localhost,IP:127.0.0.1",
                                   .serial = 10});
    pki_issue(p, (struct pki_spec){
                     .file = "client", .issuer = &p->root, .cn = "client", .uid = "914200000000000001", .serial = 20});
    pki_issue(p,
              (struct pki_spec){.file = "revoked", .issuer = &p->root, .cn = "revoked", .serial = PKI_REVOKED_SERIAL});
    pki_crl(p, "crl.pem", &p->root, PKI_REVOKED_SERIAL, PKI_DAY);
}

static inline void pki_free_ca(struct pki_ca *ca)
{
    X509_free(ca->cert);
    EVP_PKEY_free(ca->key);
}

static inline void pki_free(struct pki *p)
{
    char command[96];
    snprintf(command, sizeof(command), "rm -rf '%s'", p->dir);
    ck_assert_int_eq(system(command), 0);
    EVP_PKEY_free(p->key);
    pki_free_ca(&p->root);
    pki_free_ca(&p->inter);
    pki_free_ca(&p->rogue);
    pki_free_ca(&p->fake);
    pki_free_ca(&p->bare_fake);
}

#endif
