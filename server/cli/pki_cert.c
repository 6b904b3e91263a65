#include "cli/pki_cert.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include "net/peer_x509.h"

RESULT pki_cert_read(const char *path, struct peer_cert **cert)
{
    *cert = NULL;
    BIO *bio = BIO_new_file(path, "r");
    X509 *x509 = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    BIO_free_all(bio);
    ERR_clear_error();
    if (!x509) {
        return result_error(ERR_SENDER, 0, "%s 中没有 PEM 证书 / no PEM certificate in this file", path);
    }
    *cert = peer_from_x509(x509);
    X509_free(x509);
    return *cert ? RESULT_OK : result_error(ERR_SENDER, 0, "%s: 证书无法读取 / the certificate cannot be read", path);
}

void pki_cert_free(struct peer_cert **cert)
{
    peer_free(cert);
}
