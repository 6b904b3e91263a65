/* pki: keys, certificates and CRLs through OpenSSL; what lies in the folder is pki_store's. */
#include "cli/pki.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/secret.h"
#include "cli/pki_store.h"
#include "net/peer_device.h"

#define CA_CERT "ca.pem"
#define CA_KEY "ca.key"
#define CRL_FILE "crl.pem"
#define DAY 86400
#define CLOCK_SLACK 300 /* seconds that clocks of devices may be behind ours */
#define MAX_NAMES 32
#define NAME_LIMIT 64 /* ub-common-name, ub-organization-name (RFC 5280) */

/* One release per kind, declared where it is acquired. */
#define AUTO(type) __attribute__((cleanup(auto_##type))) type
// NOLINTBEGIN(bugprone-macro-parentheses): the argument is a type
#define RELEASE(type, release)                                                                                         \
    static void auto_##type(type **p)                                                                                  \
    {                                                                                                                  \
        release(*p);                                                                                                   \
    }
// NOLINTEND(bugprone-macro-parentheses)
RELEASE(X509, X509_free)
RELEASE(X509_CRL, X509_CRL_free)
RELEASE(X509_REVOKED, X509_REVOKED_free)
RELEASE(X509_EXTENSION, X509_EXTENSION_free)
RELEASE(EVP_PKEY, EVP_PKEY_free)
RELEASE(BIO, BIO_free_all)
RELEASE(BIGNUM, BN_free)
RELEASE(ASN1_INTEGER, ASN1_INTEGER_free)
RELEASE(ASN1_TIME, ASN1_TIME_free)

static RESULT ssl_error(const char *what)
{
    char text[200];
    ERR_error_string_n(ERR_peek_last_error(), text, sizeof text);
    ERR_clear_error();
    return result_error(ERR_INTERNAL, 0, "OpenSSL %s: %s", what, text);
}

/* ---------------------------------------------------------------- PEM files */
static RESULT write_bio(const char *path, BIO *bio, mode_t mode)
{
    char *bytes;
    long n = BIO_get_mem_data(bio, &bytes);
    return pki_store_write(path, bytes, (size_t)n, mode);
}

static RESULT write_key(const char *path, EVP_PKEY *key)
{
    AUTO(BIO) *bio = BIO_new(BIO_s_secmem());
    if (!bio || PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) != 1) {
        return ssl_error("PEM_write_bio_PrivateKey");
    }
    return write_bio(path, bio, 0600);
}

/* chain: NULL, or the issuer to follow the leaf. */
static RESULT write_certificate(const char *path, X509 *cert, X509 *chain)
{
    AUTO(BIO) *bio = BIO_new(BIO_s_mem());
    if (!bio || PEM_write_bio_X509(bio, cert) != 1 || (chain && PEM_write_bio_X509(bio, chain) != 1)) {
        return ssl_error("PEM_write_bio_X509");
    }
    return write_bio(path, bio, 0644);
}

struct ca {
    X509 *cert;
    EVP_PKEY *key;
};

static void ca_free(struct ca *ca)
{
    X509_free(ca->cert);
    EVP_PKEY_free(ca->key);
    *ca = (struct ca){0};
}

static RESULT ca_load(const char *dir, struct ca *ca)
{
    char cert_path[PKI_PATH], key_path[PKI_PATH];
    *ca = (struct ca){0};
    pki_store_path(cert_path, dir, CA_CERT, "");
    pki_store_path(key_path, dir, CA_KEY, "");
    if (!pki_store_exists(cert_path) || !pki_store_exists(key_path)) {
        return result_error(ERR_NOT_FOUND, 0,
                            "%s 中没有 CA，先执行 nhjcctl pki init / no CA here, run nhjcctl pki init", dir);
    }
    AUTO(BIO) *cert = BIO_new_file(cert_path, "r");
    AUTO(BIO) *key = BIO_new_file(key_path, "r");
    ca->cert = cert ? PEM_read_bio_X509(cert, NULL, NULL, NULL) : NULL;
    ca->key = key ? PEM_read_bio_PrivateKey(key, NULL, NULL, NULL) : NULL;
    if (!ca->cert || !ca->key || X509_check_private_key(ca->cert, ca->key) != 1) {
        ca_free(ca);
        return ssl_error("ca.pem, ca.key");
    }
    return RESULT_OK;
}

/* ---------------------------------------------------------------- making */
static EVP_PKEY *make_key(bool rsa)
{
    return rsa ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256");
}

static bool set_serial(X509 *cert)
{
    AUTO(BIGNUM) *bn = BN_new();
    return bn && BN_rand(bn, 127, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1 &&
           BN_to_ASN1_INTEGER(bn, X509_get_serialNumber(cert)) != NULL;
}

static bool add_name(X509_NAME *name, const char *field, const char *text)
{
    return X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8, (const unsigned char *)text, -1, -1, 0) == 1;
}

static bool add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
    AUTO(X509_EXTENSION) *ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    return ext && X509_add_ext(cert, ext, -1) == 1;
}

struct extension {
    int nid;
    const char *value;
};

static bool add_extensions(X509 *cert, X509 *issuer, const struct extension *ext, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!add_extension(cert, issuer, ext[i].nid, ext[i].value)) {
            return false;
        }
    }
    return true;
}

static bool fill(X509 *cert, EVP_PKEY *key, time_t not_before, time_t not_after)
{
    return X509_set_version(cert, X509_VERSION_3) == 1 && set_serial(cert) &&
           ASN1_TIME_set(X509_getm_notBefore(cert), not_before) && ASN1_TIME_set(X509_getm_notAfter(cert), not_after) &&
           X509_set_pubkey(cert, key) == 1;
}

static size_t characters(const char *utf8)
{
    size_t n = 0;
    for (; *utf8; utf8++) {
        n += (*utf8 & 0xC0) != 0x80;
    }
    return n;
}

static const char *name_or_code(const char *name, const char *code)
{
    return name && *name && characters(name) <= NAME_LIMIT ? name : code;
}

static bool set_subject(X509 *cert, const char *organisation, const char *cn, const char *uid)
{
    X509_NAME *name = X509_get_subject_name(cert);
    return add_name(name, "C", "CN") && add_name(name, "O", organisation) && add_name(name, "CN", cn) &&
           (!uid || add_name(name, "UID", uid));
}

static X509 *make_ca_certificate(EVP_PKEY *key, const char *name, int days)
{
    static const struct extension EXTENSIONS[] = {{NID_basic_constraints, "critical,CA:TRUE,pathlen:0"},
                                                  {NID_key_usage, "critical,keyCertSign,cRLSign"},
                                                  {NID_subject_key_identifier, "hash"}};
    time_t now = time(NULL);
    X509 *cert = X509_new();
    if (cert && fill(cert, key, now - CLOCK_SLACK, now + (time_t)days * DAY) && set_subject(cert, name, name, NULL) &&
        X509_set_issuer_name(cert, X509_get_subject_name(cert)) == 1 &&
        add_extensions(cert, cert, EXTENSIONS, ARRAY_LEN(EXTENSIONS)) && X509_sign(cert, key, EVP_sha256()) > 0) {
        return cert;
    }
    X509_free(cert);
    return NULL;
}

/* ---------------------------------------------------------------- CRL */
static bool add_revoked(X509_CRL *crl, const struct pki_entry *e)
{
    AUTO(X509_REVOKED) *revoked = X509_REVOKED_new();
    AUTO(ASN1_TIME) *at = ASN1_TIME_set(NULL, (time_t)e->revoked_at);
    BIGNUM *bn = NULL;
    if (!revoked || !at || !BN_hex2bn(&bn, e->serial)) {
        return false;
    }
    AUTO(ASN1_INTEGER) *serial = BN_to_ASN1_INTEGER(bn, NULL);
    BN_free(bn);
    if (!serial || X509_REVOKED_set_serialNumber(revoked, serial) != 1 ||
        X509_REVOKED_set_revocationDate(revoked, at) != 1 || X509_CRL_add0_revoked(crl, revoked) != 1) {
        return false;
    }
    revoked = NULL; /* the CRL's now */
    return true;
}

/* Numbers grow with time: a later CRL has the greater one (RFC 5280 section 5.2.3). */
static bool number_crl(X509_CRL *crl)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    AUTO(ASN1_INTEGER) *number = ASN1_INTEGER_new();
    return number && ASN1_INTEGER_set_int64(number, now.tv_sec * INT64_C(1000000) + now.tv_nsec / 1000) == 1 &&
           X509_CRL_add1_ext_i2d(crl, NID_crl_number, number, 0, 0) == 1;
}

static bool identify_crl(X509_CRL *crl, X509 *issuer)
{
    X509V3_CTX ctx;
    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, issuer, NULL, NULL, crl, 0);
    AUTO(X509_EXTENSION) *ext = X509V3_EXT_conf_nid(NULL, &ctx, NID_authority_key_identifier, "keyid:always");
    return ext && X509_CRL_add_ext(crl, ext, -1) == 1;
}

static bool fill_crl(X509_CRL *crl, const struct ca *ca, const struct pki_index *index, int days)
{
    time_t now = time(NULL);
    AUTO(ASN1_TIME) *last = ASN1_TIME_set(NULL, now - CLOCK_SLACK);
    AUTO(ASN1_TIME) *next = ASN1_TIME_set(NULL, now + (time_t)days * DAY);
    if (!last || !next || X509_CRL_set_version(crl, X509_CRL_VERSION_2) != 1 ||
        X509_CRL_set_issuer_name(crl, X509_get_subject_name(ca->cert)) != 1 ||
        X509_CRL_set1_lastUpdate(crl, last) != 1 || X509_CRL_set1_nextUpdate(crl, next) != 1 ||
        !identify_crl(crl, ca->cert) || !number_crl(crl)) {
        return false;
    }
    for (size_t i = 0; i < index->count; i++) {
        if (index->at[i].revoked_at && !add_revoked(crl, &index->at[i])) {
            return false;
        }
    }
    return X509_CRL_sort(crl) == 1 && X509_CRL_sign(crl, ca->key, EVP_sha256()) > 0;
}

static RESULT write_crl(const char *dir, const struct ca *ca, const struct pki_index *index, int days)
{
    char path[PKI_PATH];
    pki_store_path(path, dir, CRL_FILE, "");
    AUTO(X509_CRL) *crl = X509_CRL_new();
    AUTO(BIO) *bio = BIO_new(BIO_s_mem());
    if (!crl || !bio || !fill_crl(crl, ca, index, days) || PEM_write_bio_X509_CRL(bio, crl) != 1) {
        return ssl_error("X509_CRL");
    }
    return write_bio(path, bio, 0644);
}

/* ---------------------------------------------------------------- pki init */
static RESULT make_ca(const char *dir, const char *name, bool rsa, int days, int crl_days)
{
    char cert_path[PKI_PATH], key_path[PKI_PATH];
    pki_store_path(cert_path, dir, CA_CERT, "");
    pki_store_path(key_path, dir, CA_KEY, "");
    struct ca ca = {.key = make_key(rsa)};
    ca.cert = ca.key ? make_ca_certificate(ca.key, name, days) : NULL;
    struct pki_index empty = {0};
    struct result r = ca.cert ? write_key(key_path, ca.key) : ssl_error("X509");
    r = result_ok(r) ? write_crl(dir, &ca, &empty, crl_days) : r;
    /* The certificate last: a folder with ca.pem is complete. */
    r = result_ok(r) ? write_certificate(cert_path, ca.cert, NULL) : r;
    ca_free(&ca);
    return r;
}

RESULT pki_init(const char *dir, const char *name, bool rsa, int days, int crl_days, bool *made)
{
    char path[PKI_PATH];
    int lock = -1;
    *made = false;
    if (!*name || characters(name) > NAME_LIMIT) {
        return result_error(ERR_SENDER, 0,
                            "CA 名称为空或超过 64 个字符 / the CA's name is empty or over 64 characters");
    }
    TRY(pki_store_lock(dir, &lock));
    pki_store_path(path, dir, CA_CERT, "");
    struct result r = RESULT_OK;
    if (!pki_store_exists(path)) {
        r = make_ca(dir, name, rsa, days, crl_days);
        *made = result_ok(r);
    }
    pki_store_unlock(&lock);
    return r;
}

/* ---------------------------------------------------------------- pki issue */
struct names {
    char text[1024]; /* the list, cut into words */
    const char *at[MAX_NAMES];
    size_t count;
};

static bool is_safe_name(const char *name)
{
    static const char ALLOWED[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_:*";
    return *name && *name != '.' && *name != '-' && strlen(name) < 128 && strspn(name, ALLOWED) == strlen(name);
}

static RESULT add_server_name(struct names *names, const char *name)
{
    if (!is_safe_name(name) || names->count == MAX_NAMES) {
        return result_error(ERR_SENDER, 0, "名称无效 / not a usable name: %s", name);
    }
    for (size_t i = 0; i < names->count; i++) {
        if (strcmp(names->at[i], name) == 0) {
            return RESULT_OK;
        }
    }
    names->at[names->count++] = name;
    return RESULT_OK;
}

/* It becomes part of a URI, of an extension's text and of file names. */
static RESULT check_device(const struct pki_request *q)
{
    static const char ALLOWED[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_";
    const char *d = q->device;
    if (!d) {
        return RESULT_OK;
    }
    if (q->kind != PKI_ENTERPRISE) {
        return result_error(ERR_SENDER, 0,
                            "只有企业的证书可以指名端设备 / only an enterprise's certificate names a device");
    }
    bool safe = *d && *d != '.' && *d != '-' && strlen(d) < PKI_DEVICE && strspn(d, ALLOWED) == strlen(d);
    return safe ? RESULT_OK
                : result_error(
                      ERR_SENDER, 0,
                      "端设备序列号须为 1 至 64 个字母、数字或 . - _，以字母、数字或 _ 开头 / a device's serial "
                      "has 1 to 64 letters, digits, '.', '-' or '_', the first no '.' or '-'");
}

static RESULT split_names(const struct pki_request *q, struct names *names)
{
    if (strlen(q->code) >= sizeof names->text) {
        return result_error(ERR_SENDER, 0, "名称过长 / names too long");
    }
    memcpy(names->text, q->code, strlen(q->code) + 1);
    if (q->kind != PKI_SERVER) {
        return add_server_name(names, names->text);
    }
    char *save = NULL;
    for (char *p = strtok_r(names->text, ",", &save); p; p = strtok_r(NULL, ",", &save)) {
        TRY(add_server_name(names, p));
    }
    if (names->count == 0) {
        return result_error(ERR_SENDER, 0, "缺少服务器名 / a server name is needed");
    }
    TRY(add_server_name(names, "localhost"));
    return add_server_name(names, "127.0.0.1");
}

static bool is_address(const char *name)
{
    unsigned char bytes[16];
    return inet_pton(AF_INET, name, bytes) == 1 || inet_pton(AF_INET6, name, bytes) == 1;
}

static void print_san(const struct names *names, char *out, size_t size)
{
    size_t used = 0;
    for (size_t i = 0; i < names->count && used < size; i++) {
        used += (size_t)snprintf(out + used, size - used, "%s%s:%s", i ? "," : "",
                                 is_address(names->at[i]) ? "IP" : "DNS", names->at[i]);
    }
}

static bool extend(X509 *cert, X509 *issuer, const struct pki_request *q, const struct names *names)
{
    const struct extension common[] = {
        {NID_basic_constraints, "critical,CA:FALSE"},
        {NID_key_usage, q->rsa ? "critical,digitalSignature,keyEncipherment" : "critical,digitalSignature"},
        {NID_ext_key_usage, q->kind == PKI_SERVER ? "serverAuth" : "clientAuth"},
        {NID_subject_key_identifier, "hash"},
        {NID_authority_key_identifier, "keyid:always"}};
    char san[2048] = "";
    if (q->kind == PKI_SERVER) {
        print_san(names, san, sizeof san);
    } else if (q->device) {
        snprintf(san, sizeof san, "URI:" PEER_DEVICE_PREFIX "%s", q->device);
    }
    return add_extensions(cert, issuer, common, ARRAY_LEN(common)) &&
           (!*san || add_extension(cert, issuer, NID_subject_alt_name, san));
}

static X509 *make_certificate(const struct ca *ca, EVP_PKEY *key, const struct pki_request *q,
                              const struct names *names)
{
    const char *code = names->at[0], *name = name_or_code(q->name, code);
    bool coded = q->kind == PKI_ENTERPRISE || q->kind == PKI_PLATFORM;
    X509 *cert = X509_new();
    if (cert && fill(cert, key, (time_t)(q->not_before / USEC_PER_SEC), (time_t)(q->not_after / USEC_PER_SEC)) &&
        set_subject(cert, name, coded ? name : code, coded ? code : NULL) &&
        X509_set_issuer_name(cert, X509_get_subject_name(ca->cert)) == 1 && extend(cert, ca->cert, q, names) &&
        X509_sign(cert, ca->key, EVP_sha256()) > 0) {
        return cert;
    }
    X509_free(cert);
    return NULL;
}

static bool describe(X509 *cert, const struct pki_request *q, const char *identity, struct pki_issued *out)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int n = 0;
    AUTO(BIO) *issuer = BIO_new(BIO_s_mem());
    const ASN1_INTEGER *serial = X509_get0_serialNumber(cert);
    if (!issuer || X509_digest(cert, EVP_sha256(), digest, &n) != 1 || n != 32 || serial->length > 20 ||
        X509_NAME_print_ex(issuer, X509_get_issuer_name(cert), 0,
                           XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB) < 0) {
        return false;
    }
    hex_encode(digest, n, out->fingerprint);
    hex_encode(serial->data, (size_t)serial->length, out->serial);
    char *text;
    long len = BIO_get_mem_data(issuer, &text);
    snprintf(out->issuer, sizeof out->issuer, "%.*s", (int)len, text);
    snprintf(out->identity, sizeof out->identity, "%s", identity);
    snprintf(out->device, sizeof out->device, "%s", q->device ? q->device : "");
    out->not_after = q->not_after;
    return true;
}

static const char *const KIND_NAMES[] = {"enterprise", "platform", "server", "client"};

static RESULT record(const char *dir, const struct pki_request *q, const struct pki_issued *issued)
{
    struct pki_entry e = {.not_after = issued->not_after / USEC_PER_SEC};
    snprintf(e.kind, sizeof e.kind, "%s", KIND_NAMES[q->kind]);
    memcpy(e.identity, issued->identity, sizeof e.identity);
    memcpy(e.serial, issued->serial, sizeof e.serial);
    memcpy(e.fingerprint, issued->fingerprint, sizeof e.fingerprint);
    memcpy(e.device, issued->device, sizeof e.device);
    return pki_index_append(dir, &e);
}

/* The index first: what leaves this function can be revoked. */
static RESULT sign_and_store(const char *dir, const struct ca *ca, const struct pki_request *q,
                             const struct names *names, struct pki_issued *out)
{
    AUTO(EVP_PKEY) *key = make_key(q->rsa);
    AUTO(X509) *cert = key ? make_certificate(ca, key, q, names) : NULL;
    if (!cert || !describe(cert, q, names->at[0], out)) {
        return ssl_error("X509");
    }
    TRY(record(dir, q, out));
    char file[256]; /* CODE, CODE-SERIAL */
    snprintf(file, sizeof file, "%s%s%s", names->at[0], q->device ? "-" : "", q->device ? q->device : "");
    pki_store_path(out->cert_path, q->out_dir, file, ".pem");
    pki_store_path(out->key_path, q->out_dir, file, ".key");
    TRY(write_key(out->key_path, key));
    return write_certificate(out->cert_path, cert, ca->cert);
}

RESULT pki_issue(const char *dir, const struct pki_request *q, struct pki_issued *issued)
{
    struct names names = {.count = 0};
    struct ca ca;
    int lock = -1, out_lock = -1;
    memset(issued, 0, sizeof *issued);
    TRY(split_names(q, &names));
    TRY(check_device(q));
    if (q->not_after <= q->not_before) {
        return result_error(ERR_SENDER, 0, "有效期颠倒 / the term ends before it begins");
    }
    TRY(ca_load(dir, &ca));
    struct result r = pki_store_lock(dir, &lock);
    if (result_ok(r) && strcmp(dir, q->out_dir) != 0) {
        r = pki_store_lock(q->out_dir, &out_lock); /* makes it, too */
    }
    r = result_ok(r) ? sign_and_store(dir, &ca, q, &names, issued) : r;
    pki_store_unlock(&out_lock);
    pki_store_unlock(&lock);
    ca_free(&ca);
    return r;
}

/* ---------------------------------------------------------------- pki revoke, list */
RESULT pki_each(const char *dir, void (*fn)(const struct pki_entry *entry, void *arg), void *arg)
{
    struct pki_index index;
    TRY(pki_index_load(dir, &index));
    for (size_t i = 0; i < index.count; i++) {
        fn(&index.at[i], arg);
    }
    pki_index_free(&index);
    return RESULT_OK;
}

static bool is_chosen(const struct pki_entry *e, const struct pki_choice *which)
{
    return strcmp(e->identity, which->identity) == 0 && (!which->device || strcmp(e->device, which->device) == 0) &&
           (!which->serial || strcmp(e->serial, which->serial) == 0);
}

/* Who is revoked and counted, and who is told of each. */
struct revoking {
    const struct pki_choice *which;
    int64_t now;
    int *count;
    void (*fn)(const struct pki_entry *entry, void *arg);
    void *arg;
};

static RESULT mark(struct pki_index *index, const struct revoking *r)
{
    const struct pki_choice *which = r->which;
    bool known = false;
    for (size_t i = 0; i < index->count; i++) {
        struct pki_entry *e = &index->at[i];
        if (!is_chosen(e, which)) {
            continue;
        }
        known = true;
        if (!e->revoked_at) {
            e->revoked_at = r->now / USEC_PER_SEC;
            (*r->count)++;
            r->fn(e, r->arg);
        }
    }
    return known ? RESULT_OK
                 : result_error(ERR_NOT_FOUND, 0, "没有为其签发过证书 / no certificate was issued for: %s%s%s",
                                which->identity, which->device ? " " : "", which->device ? which->device : "");
}

/* The one way to a new CRL: nobody else changes the index meanwhile. r: NULL, nobody is revoked. */
static RESULT rewrite_crl(const char *dir, const struct revoking *r, int crl_days)
{
    struct ca ca;
    struct pki_index index = {0};
    int lock = -1;
    TRY(ca_load(dir, &ca));
    struct result done = pki_store_lock(dir, &lock);
    done = result_ok(done) ? pki_index_load(dir, &index) : done;
    if (r) {
        done = result_ok(done) ? mark(&index, r) : done;
        done = result_ok(done) ? pki_index_save(dir, &index) : done;
    }
    done = result_ok(done) ? write_crl(dir, &ca, &index, crl_days) : done;
    pki_index_free(&index);
    pki_store_unlock(&lock);
    ca_free(&ca);
    return done;
}

RESULT pki_revoke(const char *dir, const struct pki_choice *which, int crl_days, int64_t now, int *count,
                  void (*fn)(const struct pki_entry *entry, void *arg), void *arg)
{
    const struct revoking r = {which, now, count, fn, arg};
    *count = 0;
    return rewrite_crl(dir, &r, crl_days);
}

RESULT pki_renew_crl(const char *dir, int crl_days)
{
    return rewrite_crl(dir, NULL, crl_days);
}
