/* verdict: what an answer of the other side means for a message and for the link.
 *
 * For:    F7: transport failure, retryable, permanent are told apart here and nowhere else.
 * Source: contract section 5 (codes), soap_client.h (kinds).
 * Thread: any thread; pure. */
#ifndef NHJC_FEP_VERDICT_H
#define NHJC_FEP_VERDICT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/result.h"

enum verdict {
    VERDICT_ACCEPTED, /* 0, 2: durable at the other side */
    VERDICT_RETRY,    /* transport, 9xxx, 1106: the same message again */
    VERDICT_REFRESH,  /* 2108: register again, then the same message */
    VERDICT_LINK,     /* 1101, 1102, 1105, 2112, TLS: no message would pass; never parks */
    VERDICT_DOUBTFUL, /* 1103, 1104: of the enterprise, or of this whole platform: registration tells */
    VERDICT_REFUSED,  /* 1107, 2xxx, 3xxx: this message, whenever it is sent */
    VERDICTS
};

/* r: of the call; code: responseCode when the call succeeded. */
enum verdict verdict_of(struct result r, int code);
/* The other side does not serve the operation: asking again is pointless until it registers us anew. */
bool verdict_not_served(struct result r, int code);
const char *verdict_name(enum verdict v);

/* Pause before try `attempts` + 1: doubles from min to max, the upper half of it random. */
int64_t fep_retry_delay_ms(int attempts, int64_t min_ms, int64_t max_ms, uint64_t random);

#endif
