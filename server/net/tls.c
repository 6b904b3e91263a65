#include "net/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "net/peer_x509.h"
#include "net/tls_verify.h"

#define TLS12_CIPHERS                                                                                                  \
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"                         \
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
#define TLS13_CIPHERS "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
#define TLS_GROUPS "X25519:P-256:P-384"
#define MAX_CHAIN_BYTES 32768L /* of certificates a stranger may send before we know him */
#define MAX_CHAIN_DEPTH 5
#define TLS_ERROR_TEXT 200

const char *tls_error_text(void)
{
    static _Thread_local char text[TLS_ERROR_TEXT];
    unsigned long error = ERR_peek_last_error();
    const char *reason = ERR_reason_error_string(error);
    snprintf(text, sizeof(text), "%s", reason ? reason : "connection failed");
    ERR_clear_error();
    return text;
}

/* ---- contexts ---- */

/* OpenSSL's last word on a file that cannot be opened is "system lib": why it cannot, only the system tells. */
static struct result file_error(const char *zh, const char *en, const char *file)
{
    const char *words = tls_error_text();
    const char *why = file && access(file, R_OK) != 0 ? strerror(errno) : words;
    return result_error(ERR_SENDER, 0, "%s无法使用 / cannot use the %s %s: %s", zh, en, file ? file : "-", why);
}

/* Never asks at a terminal: a key that needs a passphrase is an error. */
static int no_passphrase(char *to, int room, int writing, void *arg)
{
    (void)writing;
    (void)arg;
    if (room > 0) {
        to[0] = 0;
    }
    return -1;
}

static struct result new_context(bool server, SSL_CTX **out)
{
    SSL_CTX *ctx = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
    if (!ctx) {
        return result_error(ERR_INTERNAL, 0, "tls context: %s", tls_error_text());
    }
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION);
    SSL_CTX_set_security_level(ctx, 2);
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    /* The chain sent is the one in the file, not one built anew from the CA bundle for every handshake. */
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_NO_AUTO_CHAIN);
    SSL_CTX_set_default_passwd_cb(ctx, no_passphrase);
    if (!SSL_CTX_set_cipher_list(ctx, TLS12_CIPHERS) || !SSL_CTX_set_ciphersuites(ctx, TLS13_CIPHERS) ||
        !SSL_CTX_set1_groups_list(ctx, TLS_GROUPS)) {
        SSL_CTX_free(ctx);
        return result_error(ERR_INTERNAL, 0, "tls ciphers: %s", tls_error_text());
    }
    *out = ctx;
    return RESULT_OK;
}

static struct result load_identity(SSL_CTX *ctx, const char *cert_file, const char *key_file)
{
    if (!cert_file || SSL_CTX_use_certificate_chain_file(ctx, cert_file) != 1) {
        return file_error("证书文件", "certificate file", cert_file);
    }
    if (!key_file || SSL_CTX_use_PrivateKey_file(ctx, key_file, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(ctx) != 1) {
        return file_error("私钥文件", "key file", key_file);
    }
    return RESULT_OK;
}

static struct result load_cas(SSL_CTX *ctx, const char *ca_file)
{
    if (!ca_file || SSL_CTX_load_verify_file(ctx, ca_file) != 1) {
        return file_error("CA文件", "CA bundle", ca_file);
    }
    return RESULT_OK;
}

static int64_t unix_seconds(const ASN1_TIME *time)
{
    struct tm tm;
    return time && ASN1_TIME_to_tm(time, &tm) ? (int64_t)timegm(&tm) : 0;
}

RESULT net_certificate_left(const char *file, int64_t *seconds)
{
    ERR_clear_error();
    BIO *bio = BIO_new_file(file, "r");
    X509 *certificate = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    BIO_free(bio);
    if (!certificate) {
        return file_error("证书文件", "certificate file", file);
    }
    *seconds = unix_seconds(X509_get0_notAfter(certificate)) - (int64_t)time(NULL);
    X509_free(certificate);
    return RESULT_OK;
}

/* A later one of the same issuer: OpenSSL prefers it as well. Of two made at once, the one that lasts longer. */
static bool supersedes(const X509_CRL *a, const X509_CRL *b)
{
    int64_t last_a = unix_seconds(X509_CRL_get0_lastUpdate(a)), last_b = unix_seconds(X509_CRL_get0_lastUpdate(b));
    if (X509_NAME_cmp(X509_CRL_get_issuer(a), X509_CRL_get_issuer(b)) != 0) {
        return false;
    }
    return last_a != last_b ? last_a > last_b
                            : unix_seconds(X509_CRL_get0_nextUpdate(a)) > unix_seconds(X509_CRL_get0_nextUpdate(b));
}

static bool is_superseded(STACK_OF(X509_OBJECT) * objects, const X509_CRL *crl)
{
    bool found = false;
    for (int i = 0; i < sk_X509_OBJECT_num(objects); i++) {
        const X509_CRL *other = X509_OBJECT_get0_X509_CRL(sk_X509_OBJECT_value(objects, i));
        found = found || (other && supersedes(other, crl));
    }
    return found;
}

/* When the first CRL in force ends; those that a later one of their issuer has replaced may stay in the file. */
static int64_t first_crl_end(STACK_OF(X509_OBJECT) * objects)
{
    int64_t first = 0;
    for (int i = 0; i < sk_X509_OBJECT_num(objects); i++) {
        const X509_CRL *crl = X509_OBJECT_get0_X509_CRL(sk_X509_OBJECT_value(objects, i));
        int64_t next = crl ? unix_seconds(X509_CRL_get0_nextUpdate(crl)) : 0;
        if (next && (!first || next < first) && !is_superseded(objects, crl)) {
            first = next;
        }
    }
    return first;
}

/* Adds every CRL of the file to the store. */
static struct result load_crls(SSL_CTX *ctx, const char *file)
{
    BIO *bio = BIO_new_file(file, "r");
    if (!bio) {
        return file_error("吊销列表", "CRL", file);
    }
    X509_STORE *store = SSL_CTX_get_cert_store(ctx);
    int count = 0;
    for (X509_CRL *crl; (crl = PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL)); count++) {
        X509_STORE_add_crl(store, crl);
        X509_CRL_free(crl);
    }
    BIO_free(bio);
    /* "No start line" is how the end of a PEM file looks; anything else is a damaged CRL. */
    bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
    if (!at_end || count == 0) {
        return file_error("吊销列表", "CRL", file);
    }
    ERR_clear_error();
    X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
    return RESULT_OK;
}

static bool has_crl_of(STACK_OF(X509_OBJECT) * objects, X509 *ca)
{
    for (int i = 0; i < sk_X509_OBJECT_num(objects); i++) {
        X509_CRL *crl = X509_OBJECT_get0_X509_CRL(sk_X509_OBJECT_value(objects, i));
        if (crl && X509_NAME_cmp(X509_CRL_get_issuer(crl), X509_get_subject_name(ca)) == 0) {
            return true;
        }
    }
    return false;
}

/* Said once at load: whoever holds a certificate of such a CA is going to be refused. */
static void warn_of_missing_crls(SSL_CTX *ctx)
{
    STACK_OF(X509_OBJECT) *objects = X509_STORE_get0_objects(SSL_CTX_get_cert_store(ctx));
    for (int i = 0; i < sk_X509_OBJECT_num(objects); i++) {
        X509 *ca = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(objects, i));
        if (!ca || has_crl_of(objects, ca)) {
            continue;
        }
        char *name = peer_name_text(X509_get_subject_name(ca));
        log_write(LOG_WARN, "net", "ca_without_crl", "ca=%s", log_quote(name));
        mem_free(name);
    }
}

static struct result load_server_files(SSL_CTX *ctx, const struct net_tls_config *config, struct tls_expiry *expiry)
{
    TRY(load_identity(ctx, config->cert_file, config->key_file));
    TRY(load_cas(ctx, config->ca_file));
    STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(config->ca_file);
    if (!names) {
        return file_error("CA文件", "CA bundle", config->ca_file);
    }
    SSL_CTX_set_client_CA_list(ctx, names);
    expiry->certificate = unix_seconds(X509_get0_notAfter(SSL_CTX_get0_certificate(ctx)));
    if (!config->crl_file || !config->crl_file[0]) {
        return RESULT_OK;
    }
    TRY(load_crls(ctx, config->crl_file));
    expiry->crl = first_crl_end(X509_STORE_get0_objects(SSL_CTX_get_cert_store(ctx)));
    warn_of_missing_crls(ctx);
    return RESULT_OK;
}

RESULT tls_server_context(const struct net_tls_config *config, SSL_CTX **out, struct tls_expiry *expiry)
{
    SSL_CTX *ctx = NULL;
    ERR_clear_error();
    *expiry = (struct tls_expiry){0};
    TRY(new_context(true, &ctx));
    SSL_CTX_set_num_tickets(ctx, 0);
    SSL_CTX_set_max_cert_list(ctx, MAX_CHAIN_BYTES);
    SSL_CTX_set_verify_depth(ctx, MAX_CHAIN_DEPTH);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, tls_verify);
    /* An operator may trust a provincial CA without the root above it. */
    X509_STORE_set_flags(SSL_CTX_get_cert_store(ctx), X509_V_FLAG_PARTIAL_CHAIN);
    struct result r = load_server_files(ctx, config, expiry);
    if (!result_ok(r)) {
        SSL_CTX_free(ctx);
        return r;
    }
    *out = ctx;
    return RESULT_OK;
}

RESULT tls_client_context(const char *cert_file, const char *key_file, const char *ca_file, SSL_CTX **out)
{
    SSL_CTX *ctx = NULL;
    ERR_clear_error();
    TRY(new_context(false, &ctx));
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_verify_depth(ctx, MAX_CHAIN_DEPTH);
    struct result r = load_cas(ctx, ca_file);
    if (result_ok(r) && cert_file && cert_file[0]) {
        r = load_identity(ctx, cert_file, key_file);
    }
    if (!result_ok(r)) {
        SSL_CTX_free(ctx);
        return r;
    }
    *out = ctx;
    return RESULT_OK;
}

/* ---- sessions ---- */

void tls_session_open(struct tls_session *s, SSL_CTX *ctx, bool server)
{
    *s = (struct tls_session){0};
    s->ssl = SSL_new(ctx);
    if (!s->ssl) {
        return;
    }
    BIO *bio = tls_pipe_bio(&s->pipe);
    SSL_set_bio(s->ssl, bio, bio);
    SSL_set_app_data(s->ssl, s);
    if (server) {
        SSL_set_accept_state(s->ssl);
    } else {
        SSL_set_connect_state(s->ssl);
    }
}

void tls_session_close(struct tls_session *s)
{
    SSL_free(s->ssl);
    mem_free(s->subject);
    *s = (struct tls_session){0};
}

static enum tls_step step_of(struct tls_session *s, int outcome)
{
    switch (SSL_get_error(s->ssl, outcome)) {
    case SSL_ERROR_NONE:
        return TLS_DONE;
    case SSL_ERROR_WANT_READ:
        return TLS_MORE;
    case SSL_ERROR_ZERO_RETURN:
        return TLS_ENDED;
    default:
        break;
    }
    return ERR_GET_REASON(ERR_peek_last_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING ? TLS_ENDED : TLS_FAILED;
}

enum tls_step tls_session_handshake(struct tls_session *s)
{
    ERR_clear_error();
    enum tls_step step = step_of(s, SSL_do_handshake(s->ssl));
    if (step == TLS_ENDED || step == TLS_FAILED) {
        s->why = s->why != REFUSAL_NONE ? s->why : tls_refusal_of_handshake();
    }
    return step;
}

enum tls_step tls_session_read(struct tls_session *s, uint8_t *to, size_t room, size_t *n)
{
    ERR_clear_error();
    return step_of(s, SSL_read_ex(s->ssl, to, room, n));
}

enum tls_step tls_session_write(struct tls_session *s, const uint8_t *bytes, size_t n)
{
    ERR_clear_error();
    size_t written = 0;
    return step_of(s, SSL_write_ex(s->ssl, bytes, n, &written));
}

void tls_session_notify_close(struct tls_session *s)
{
    ERR_clear_error();
    SSL_shutdown(s->ssl);
    ERR_clear_error();
}
