/* The listening socket, on loop 0: accepts and deals connections out to the loops in turn.
 *
 * Why one listener and not one per loop with SO_REUSEPORT: the kernel then spreads connections by a hash of
 * addresses; with few long-lived connections (platforms, gateways in front of many devices) that leaves loops
 * idle, and a closing listener resets the connections waiting in its own queue. */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "net/net_metrics.h"
#include "net/server.h"

#define ACCEPT_BATCH 64 /* then the loop serves its connections before the next batch */

static void deal(struct net_server *server, int fd, const struct sockaddr_storage *address)
{
    metric_add(&net_metrics.accepted, 1);
    if (atomic_fetch_add(&server->connections, 1) >= server->limits.max_connections) {
        metric_add(&net_metrics.overflow, 1);
        close(fd);
        server_connection_gone(server);
        return;
    }
    if (!server_handshake_begins(server, address)) {
        metric_add(&net_metrics.address_overflow, 1);
        close(fd);
        server_connection_gone(server);
        return;
    }
    struct loop *loop = &server->loops[server->next_loop++ % (unsigned)server->loop_count];
    if (loop->index == 0) {
        conn_open(loop, fd, address);
    } else {
        loop_give_socket(loop, fd, address);
    }
}

/* Out of descriptors or memory: stop asking until the next tick instead of spinning. */
static void pause_accepting(struct net_server *server, int error)
{
    metric_add(&net_metrics.accept_errors, 1);
    if (loop_may_log(&server->loops[0])) {
        log_write(LOG_ERROR, "net", "accept_failed", "error=%s", log_quote(strerror(error)));
    }
    uv_poll_stop(&server->listener);
    server->accept_paused = true;
}

static void on_acceptable(uv_poll_t *poll, int status, int events)
{
    struct net_server *server = poll->data;
    (void)events;
    if (status < 0) {
        return;
    }
    for (int i = 0; i < ACCEPT_BATCH; i++) {
        struct sockaddr_storage address;
        socklen_t length = sizeof(address);
        int fd = accept4(server->listen_fd, (struct sockaddr *)&address, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            deal(server, fd, &address);
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            return;
        } else if (errno != EINTR && errno != ECONNABORTED && errno != EPROTO) {
            pause_accepting(server, errno);
            return;
        }
    }
}

RESULT listener_start(struct net_server *server)
{
    int e = uv_poll_init(&server->loops[0].uv, &server->listener, server->listen_fd);
    if (e) {
        return result_error(ERR_INTERNAL, 0, "listener: %s", uv_strerror(e));
    }
    server->listener.data = server;
    server->listening = true;
    uv_poll_start(&server->listener, UV_READABLE, on_acceptable);
    return RESULT_OK;
}

static void on_listener_closed(uv_handle_t *handle)
{
    struct net_server *server = handle->data;
    close(server->listen_fd);
    server->listen_fd = -1;
}

void listener_stop(struct net_server *server)
{
    if (!server->listening) {
        return;
    }
    server->listening = false;
    uv_close((uv_handle_t *)&server->listener, on_listener_closed);
}

#define EXPIRY_EVERY_MS 10000
#define HOUR_MS INT64_C(3600000)

static void watch_expiry(struct net_server *server, int64_t now)
{
    int64_t crl = 0, certificate = 0;
    server_measure_expiry(server, &certificate, &crl);
    int stage = server_expiry_stage(certificate, crl);
    int64_t every = stage < 2 ? 24 * HOUR_MS : HOUR_MS;
    if (!stage || (stage == server->expiry_stage && now - server->expiry_warned < every)) {
        server->expiry_stage = stage;
        return;
    }
    server->expiry_stage = stage;
    server->expiry_warned = now;
    log_write(stage < 2 ? LOG_WARN : LOG_ERROR, "net", "expiry_near", "certificate_seconds=%lld crl_seconds=%lld",
              (long long)certificate, crl == INT64_MAX ? -1 : (long long)crl);
}

void listener_tick(struct net_server *server, int64_t now)
{
    if (server->accept_paused && server->listening) {
        server->accept_paused = false;
        uv_poll_start(&server->listener, UV_READABLE, on_acceptable);
    }
    metric_set(&net_metrics.queue_length, (long long)queue_length(server->queue));
    metric_set(&net_metrics.connections, atomic_load(&server->connections));
    metric_set(&net_metrics.body_memory, atomic_load(&server->body_memory));
    if (!server->expiry_seen || now - server->expiry_seen >= EXPIRY_EVERY_MS) {
        server->expiry_seen = now;
        watch_expiry(server, now);
    }
}
