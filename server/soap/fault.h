/* fault: SOAP 1.1 and 1.2 faults with the public code in their detail.
 *
 * Written by hand, not by gSOAP: nothing but our own words can leave this way (G20).
 * Pure. Thread: any thread. */
#ifndef NHJC_SOAP_FAULT_H
#define NHJC_SOAP_FAULT_H

#include "soap/wire.h"

enum fault_party { FAULT_SENDER, FAULT_RECEIVER, FAULT_VERSION, FAULT_UNDERSTAND };

struct fault {
    enum fault_party party;
    int code;            /* contract section 5 */
    const char *message; /* Chinese, then English */
};

/* Appends the whole envelope; returns the HTTP status. */
int fault_write(const struct fault *f, enum service_id service, int version, struct buf *out);

#endif
