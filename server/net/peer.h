/* peer: what a verified client certificate says, as plain text.
 * Owner: belongs to its connection. Thread: immutable, any thread while the request is held. */
#ifndef NHJC_NET_PEER_H
#define NHJC_NET_PEER_H

#include <stdint.h>

#define PEER_MAX_VALUES 4

struct peer_values { /* all values of one attribute, in order of the certificate, UTF-8 */
    int count;       /* may exceed PEER_MAX_VALUES: then there are too many to trust */
    char *at[PEER_MAX_VALUES];
};

enum peer_device { PEER_DEVICE_NONE, PEER_DEVICE_NAMED, PEER_DEVICE_UNREADABLE };

struct peer_cert {
    struct peer_values cn, uid, ou, serial_number;
    struct peer_values san_uri; /* without those that name a device: their serial could read as an identity */
    enum peer_device device; /* does it name its end device (peer_device.h)? UNREADABLE also where it names several */
    char *device_serial;     /* NAMED: the deviceSerial, else NULL */
    char *subject;           /* RFC 2253, for logs */
    char *issuer;
    char *serial;                  /* lower-case hex of the DER bytes */
    char fingerprint[65];          /* SHA-256 of the DER, hex */
    int64_t not_before, not_after; /* unix microseconds */
};

#endif
