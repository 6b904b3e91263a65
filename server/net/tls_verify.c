#include "net/tls_verify.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "base/mem.h"
#include "net/peer_x509.h"
#include "net/tls.h"

/* Told to the client as X509_V_ERR_CRL_PATH_VALIDATION_ERROR, which OpenSSL sends as "certificate_unknown". */
#define TELL_UNKNOWN X509_V_ERR_CRL_PATH_VALIDATION_ERROR

struct verify_row {
    int error; /* what OpenSSL found */
    int tell;  /* the error that leads to the wanted alert */
    enum refusal why;
};

static const struct verify_row verify_rows[] = {
    {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, REFUSAL_UNKNOWN_CA},
    {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, REFUSAL_UNKNOWN_CA},
    {X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, REFUSAL_UNKNOWN_CA},
    {X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, REFUSAL_UNKNOWN_CA},
    {X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, REFUSAL_UNKNOWN_CA},
    {X509_V_ERR_CERT_SIGNATURE_FAILURE, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, REFUSAL_UNKNOWN_CA},
    {X509_V_ERR_CERT_UNTRUSTED, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, REFUSAL_UNKNOWN_CA},
    {X509_V_ERR_INVALID_CA, X509_V_ERR_INVALID_CA, REFUSAL_UNKNOWN_CA},
    {X509_V_ERR_INVALID_PURPOSE, X509_V_ERR_INVALID_PURPOSE, REFUSAL_WRONG_PURPOSE},
    {X509_V_ERR_EE_KEY_TOO_SMALL, X509_V_ERR_EE_KEY_TOO_SMALL, REFUSAL_WEAK_KEY},
    {X509_V_ERR_CA_KEY_TOO_SMALL, X509_V_ERR_CA_KEY_TOO_SMALL, REFUSAL_WEAK_KEY},
    {X509_V_ERR_CA_MD_TOO_WEAK, X509_V_ERR_CA_MD_TOO_WEAK, REFUSAL_WEAK_KEY},
    {X509_V_ERR_CERT_CHAIN_TOO_LONG, X509_V_ERR_CERT_CHAIN_TOO_LONG, REFUSAL_CHAIN_TOO_LONG},
    {X509_V_ERR_PATH_LENGTH_EXCEEDED, X509_V_ERR_PATH_LENGTH_EXCEEDED, REFUSAL_CHAIN_TOO_LONG},
    {X509_V_ERR_CERT_HAS_EXPIRED, X509_V_ERR_CERT_HAS_EXPIRED, REFUSAL_CERTIFICATE_EXPIRED},
    {X509_V_ERR_CERT_NOT_YET_VALID, X509_V_ERR_CERT_NOT_YET_VALID, REFUSAL_CERTIFICATE_NOT_YET_VALID},
    {X509_V_ERR_CERT_REVOKED, X509_V_ERR_CERT_REVOKED, REFUSAL_CERTIFICATE_REVOKED},
    {X509_V_ERR_CRL_HAS_EXPIRED, TELL_UNKNOWN, REFUSAL_CRL_EXPIRED},
    {X509_V_ERR_UNABLE_TO_GET_CRL, TELL_UNKNOWN, REFUSAL_CRL_MISSING},
    {X509_V_ERR_UNABLE_TO_GET_CRL_ISSUER, TELL_UNKNOWN, REFUSAL_CRL_INVALID},
    {X509_V_ERR_CRL_SIGNATURE_FAILURE, TELL_UNKNOWN, REFUSAL_CRL_INVALID},
    {X509_V_ERR_CRL_NOT_YET_VALID, TELL_UNKNOWN, REFUSAL_CRL_INVALID},
    {X509_V_ERR_KEYUSAGE_NO_CRL_SIGN, TELL_UNKNOWN, REFUSAL_CRL_INVALID},
};

static const struct verify_row *find_row(int error)
{
    for (size_t i = 0; i < ARRAY_LEN(verify_rows); i++) {
        if (verify_rows[i].error == error) {
            return &verify_rows[i];
        }
    }
    return NULL;
}

enum refusal tls_refusal_of_x509(int error)
{
    const struct verify_row *row = find_row(error);
    return row ? row->why : REFUSAL_BAD_CERTIFICATE;
}

static void note_refusal(X509_STORE_CTX *store, int error)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct tls_session *session = SSL_get_app_data(ssl);
    if (session->why != REFUSAL_NONE) {
        return;
    }
    session->why = tls_refusal_of_x509(error);
    X509 *leaf = X509_STORE_CTX_get0_cert(store);
    session->subject = leaf ? peer_name_text(X509_get_subject_name(leaf)) : NULL;
}

int tls_verify(int ok, X509_STORE_CTX *store)
{
    if (ok) {
        return 1;
    }
    int error = X509_STORE_CTX_get_error(store);
    if (error == X509_V_ERR_UNABLE_TO_GET_CRL && X509_STORE_CTX_get_error_depth(store) > 0) {
        X509_STORE_CTX_set_error(store, X509_V_OK);
        return 1;
    }
    note_refusal(store, error);
    const struct verify_row *row = find_row(error);
    if (row) {
        X509_STORE_CTX_set_error(store, row->tell);
    }
    return 0;
}

enum refusal tls_refusal_of_handshake(void)
{
    static const struct {
        int reason;
        enum refusal why;
    } rows[] = {
        {SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE, REFUSAL_CERTIFICATE_REQUIRED},
        {SSL_R_UNSUPPORTED_PROTOCOL, REFUSAL_PROTOCOL_VERSION},
        {SSL_R_VERSION_TOO_LOW, REFUSAL_PROTOCOL_VERSION},
        {SSL_R_NO_SHARED_CIPHER, REFUSAL_NO_SHARED_CIPHER},
        {SSL_R_HTTP_REQUEST, REFUSAL_NOT_TLS},
        {SSL_R_HTTPS_PROXY_REQUEST, REFUSAL_NOT_TLS},
        {SSL_R_WRONG_VERSION_NUMBER, REFUSAL_NOT_TLS},
        {SSL_R_UNEXPECTED_EOF_WHILE_READING, REFUSAL_PEER_LEFT},
        {SSL_R_CERTIFICATE_VERIFY_FAILED, REFUSAL_BAD_CERTIFICATE},
        {SSL_R_EE_KEY_TOO_SMALL, REFUSAL_WEAK_KEY},
    };
    int reason = ERR_GET_REASON(ERR_peek_last_error());
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (rows[i].reason == reason) {
            return rows[i].why;
        }
    }
    return reason >= SSL_AD_REASON_OFFSET ? REFUSAL_PEER_ALERT : REFUSAL_PROTOCOL_ERROR;
}
