/* peer_device: the end device that a certificate names, by a URI urn:nhjc:device:SERIAL among its alternative names.
 *
 * For:    a certificate that is good for one end device of an enterprise only; judged by validate/network.h.
 * Form:   a URN (RFC 8141): "urn" and "nhjc" in either case, then device:SERIAL. SERIAL is the deviceSerial of
 * Register: 1 to 128 characters, as they are where a URI allows them, else the percent-encoded bytes of their UTF-8.
 * Closed: what begins like such a URI but is none (another case, encoded letters, blanks, a character that a URI cannot
 *         hold, control characters, no UTF-8, empty, too long) is UNREADABLE, never "no device".
 * Thread: any thread. */
#ifndef NHJC_NET_PEER_DEVICE_H
#define NHJC_NET_PEER_DEVICE_H

#include <stddef.h>

#include "net/peer.h"

#define PEER_DEVICE_PREFIX "urn:nhjc:device:"
#define PEER_SERIAL_CHARACTERS 128
#define PEER_SERIAL_SIZE (4 * PEER_SERIAL_CHARACTERS + 1)

/* The URI is n bytes from a stranger. serial: filled with text where a device is named, else "". NONE: a URI of another
 * kind. */
enum peer_device peer_device_read(const char *uri, size_t n, char serial[PEER_SERIAL_SIZE]);

#endif
