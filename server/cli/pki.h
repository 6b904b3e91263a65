/* pki: a small certificate authority in a folder, for demos, tests and first installations.
 *
 * Folder:  ca.pem, ca.key (mode 0600), crl.pem, issued (one line a certificate). Changes are serialised by a lock
 *          on the folder and each file is replaced whole.
 * Keys:    P-256 by default, RSA-2048 on demand; serial numbers are 127 random bits.
 * Subject: C=CN, O=name, CN=name or code, UID=code (enterprises and platforms). Server certificates carry
 *          their names as SAN, always with localhost and 127.0.0.1; client certificates have CN alone. One for a single
 *          end device of an enterprise names it as SAN URI (net/peer_device.h).
 * Errors:  SENDER (bad names), NOT_FOUND (no CA, nothing issued), INTERNAL (files, OpenSSL).
 * Thread:  one at a time. OpenSSL stays in pki*.c. */
#ifndef NHJC_CLI_PKI_H
#define NHJC_CLI_PKI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/result.h"

enum pki_kind { PKI_ENTERPRISE, PKI_PLATFORM, PKI_SERVER, PKI_CLIENT };

struct pki_request {
    enum pki_kind kind;
    const char *code;   /* identity, or the server's names separated by commas; names the files */
    const char *name;   /* for O and CN; NULL: the code */
    const char *device; /* deviceSerial, of an enterprise's certificate for this device alone; NULL: none */
    bool rsa;
    int64_t not_before, not_after; /* unix microseconds */
    const char *out_dir;
};

#define PKI_PATH 512
#define PKI_DEVICE 65 /* serials of up to 64 letters, digits and .-_ : they name files */
struct pki_issued {
    char identity[128]; /* first name, or code */
    char device[PKI_DEVICE];
    char serial[41];      /* hex */
    char fingerprint[65]; /* SHA-256 of the DER, hex */
    char issuer[256];     /* RFC 2253 */
    int64_t not_after;
    char cert_path[PKI_PATH], key_path[PKI_PATH];
};

/* Makes the CA and an empty CRL. *made false: there is one already, nothing changed. */
RESULT pki_init(const char *dir, const char *name, bool rsa, int days, int crl_days, bool *made);
RESULT pki_issue(const char *dir, const struct pki_request *request, struct pki_issued *issued);

struct pki_entry {                                                                 /* a line of the index */
    char kind[16], identity[128], serial[41], fingerprint[65], device[PKI_DEVICE]; /* device "": names none */
    int64_t not_after;                                                             /* unix seconds */
    int64_t revoked_at;                                                            /* unix seconds, 0: in force */
};
/* Calls fn for every certificate issued, in order. */
RESULT pki_each(const char *dir, void (*fn)(const struct pki_entry *entry, void *arg), void *arg);
struct pki_choice { /* what was issued for the identity … */
    const char *identity;
    const char *device, *serial; /* … for this device alone, with this serial number alone; NULL: whatever */
};
/* Revokes them and rewrites the CRL; fn for each newly revoked. Revoking again is success with *count 0. */
RESULT pki_revoke(const char *dir, const struct pki_choice *which, int crl_days, int64_t now, int *count,
                  void (*fn)(const struct pki_entry *entry, void *arg), void *arg);
/* A CRL with a new term. */
RESULT pki_renew_crl(const char *dir, int crl_days);

#endif
