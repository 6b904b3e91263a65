#include "net/net_metrics.h"

#include <string.h>

#include "base/mem.h"

#define COUNTER(name, help) METRIC(METRIC_COUNTER, name, NULL, help)
#define GAUGE(name, help) METRIC(METRIC_GAUGE, name, NULL, help)

struct net_metrics net_metrics = {
    .accepted = COUNTER("nhjc_net_accepted_total", "connections accepted"),
    .connections = GAUGE("nhjc_net_connections", "connections open"),
    .overflow = COUNTER("nhjc_net_overflow_total", "connections closed at once because max_connections are open"),
    .address_overflow = COUNTER("nhjc_net_address_overflow_total",
                                "connections closed at once because handshakes_per_address are under way"),
    .handshakes = GAUGE("nhjc_net_handshakes", "handshakes under way"),
    .accept_errors = COUNTER("nhjc_net_accept_errors_total", "accept failed, e.g. no file descriptors"),
    .handshake = METRIC(METRIC_HISTOGRAM, "nhjc_tls_handshake_seconds", NULL, "accept to a known client"),
    .requests = COUNTER("nhjc_net_requests_total", "whole requests handed to workers"),
    .queue_length = GAUGE("nhjc_net_queue_length", "requests waiting for a worker"),
    .queue_full = COUNTER("nhjc_net_queue_full_total", "requests answered 503 because the queue was full"),
    .body_memory = GAUGE("nhjc_net_body_bytes", "bytes of bodies held, of requests and of answers not yet read"),
    .request_time =
        METRIC(METRIC_HISTOGRAM, "nhjc_net_request_seconds", NULL, "last byte of a request to the start of its answer"),
    .bytes_in = COUNTER("nhjc_net_received_bytes_total", "bytes received, TLS included"),
    .bytes_out = COUNTER("nhjc_net_sent_bytes_total", "bytes sent, TLS included"),
    .idle_closed = COUNTER("nhjc_net_idle_closed_total", "connections closed after the idle limit"),
    .truncated = COUNTER("nhjc_net_truncated_total", "peers that left in the middle of a request"),
    .write_timeout = COUNTER("nhjc_net_write_timeout_total", "peers that did not read their answer"),
    .retired = COUNTER("nhjc_net_retired_total",
                       "connections ended with an answer, of age or because their certificate is over"),
    .crl_left = GAUGE("nhjc_tls_crl_seconds_left", "seconds until the first CRL expires and logins fail"),
    .certificate_left = GAUGE("nhjc_tls_certificate_seconds_left", "seconds until the server certificate expires"),
};

#define ROW(n, reason_)                                                                                                \
    {                                                                                                                  \
        n, reason_,                                                                                                    \
            METRIC(METRIC_COUNTER, "nhjc_net_refused_total", "status=\"" #n "\",reason=\"" reason_ "\"",               \
                   "requests answered by net itself")                                                                  \
    }

static struct {
    int status;
    const char *reason;
    struct metric count;
} refused[] = {ROW(408, "header_timeout"),   ROW(408, "body_timeout"), ROW(413, "body_too_large"),
               ROW(415, "content_encoding"), ROW(417, "expectation"),  ROW(431, "header_bytes"),
               ROW(431, "header_lines"),     ROW(503, "busy"),         ROW(503, "body_memory"),
               ROW(503, "answer_memory"),    ROW(505, "version"),      ROW(400, "framing")};

void net_metrics_refused(int status, const char *reason)
{
    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        if (refused[i].status == status && (status == 400 || strcmp(refused[i].reason, reason) == 0)) {
            metric_add(&refused[i].count, 1);
        }
    }
}
