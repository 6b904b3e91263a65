/* net_metrics: what the edge counts. Refused handshakes by reason are in refusal.h. Thread: any. */
#ifndef NHJC_NET_NET_METRICS_H
#define NHJC_NET_NET_METRICS_H

#include "base/metrics.h"

struct net_metrics {
    struct metric accepted, connections, overflow, address_overflow, accept_errors, handshakes; /* connections */
    struct metric handshake;                                                                    /* duration */
    struct metric requests, queue_length, queue_full, body_memory;
    struct metric request_time;        /* last byte of the request to first byte of the answer */
    struct metric bytes_in, bytes_out; /* as on the wire */
    struct metric idle_closed, truncated, write_timeout, retired;
    struct metric crl_left, certificate_left; /* seconds */
};

extern struct net_metrics net_metrics;

/* Requests that net answered itself, by HTTP status and reason (of 400, all reasons together). */
void net_metrics_refused(int status, const char *reason);

#endif
