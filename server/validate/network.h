/* network level: who is calling, and may that identity act for this enterprise? (contract section 1)
 *
 * The certificate was verified by net; here its text becomes an identity by a configurable rule, and the
 * identity is held against the registry. Fails closed: no usable identity, no service (T1).
 * Errors: UNAUTHORISED 1101 (no or several usable identities), 1103 (acts for another), 1104 (not admitted,
 *         suspended), 1105 (address not in the allow-list), LIMIT 1106 (too many requests).
 * Thread: any thread. */
#ifndef NHJC_VALIDATE_NETWORK_H
#define NHJC_VALIDATE_NETWORK_H

#include "base/result.h"
#include "net/peer.h"
#include "registry/registry.h"

enum identity_kind { IDENTITY_ENTERPRISE, IDENTITY_PLATFORM };

struct identity {
    enum identity_kind kind;
    char code[19]; /* 18-character USCC, or 6-digit platform code */
};

/* rule: comma-separated list tried in order, of CN, UID, OU, serialNumber, SAN; default "UID,CN". The first
 * attribute that is present decides; it must hold exactly one usable code. */
RESULT identity_from_peer(const struct peer_cert *cert, const char *rule, struct identity *out);

/* Does a platform's code cover a region? "420000" covers 42xxxx, "420100" covers 4201xx, "000000" all. */
bool region_covers(const char *platform_code, const char *region_code);

/* May this identity upload for the unit (state, binding, address)? peer: "ip:port". */
RESULT network_may_upload(const struct identity *id, const struct peer_cert *cert, const char *peer,
                          const struct unit *unit);

/* Does the end device that the certificate names fit? Every other answer is a 1103. */
enum device_verdict {
    DEVICE_FITS,
    DEVICE_UNREADABLE, /* the certificate names one, but not readably or not just one */
    DEVICE_NOT_NAMED,  /* the enterprise is set to certificates that name theirs */
    DEVICE_OTHER       /* it names another one than serial */
};
/* serial: the deviceSerial that is registered, or that the deviceId was registered with; NULL: not known yet. */
enum device_verdict network_judge_device(const struct peer_cert *cert, const struct unit *unit, const char *serial);

/* allow: space-separated CIDRs; empty allows all. */
bool address_allowed(const char *allow, const char *peer);

#endif
