/* server: the shared part behind struct net_server; immutable after net_start unless a comment says otherwise. */
#ifndef NHJC_NET_SERVER_H
#define NHJC_NET_SERVER_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/queue.h"
#include "net/http.h"
#include "net/loop.h"

#define SERVER_ADDRESSES 4096

struct net_server {
    struct net_limits limits;
    struct http_limits http_limits;
    int listen_fd, port;
    struct queue *queue;
    struct loop *loops;
    int loop_count;
    atomic_ullong next_id;
    atomic_llong connections; /* open or not yet freed */
    atomic_llong exchanges;   /* made and not yet back at their loop */
    atomic_llong body_memory;
    atomic_int handshakes[SERVER_ADDRESSES]; /* under way, by a hash of the peer's address */
    uint64_t address_seed;
    atomic_bool draining; /* answers say "Connection: close" */
    bool started, drained;

    pthread_mutex_t lock; /* guards context and expiry; changed by reload */
    SSL_CTX *context;
    struct tls_expiry expiry;
    pthread_mutex_t idle_lock;
    pthread_cond_t idle; /* connections or exchanges have become fewer */

    void (*on_refused)(int code, const char *reason, const char *peer, const char *subject, void *arg);
    void *on_refused_arg;

    /* Listener, on loop 0. */
    uv_poll_t listener;
    bool listening, accept_paused;
    unsigned next_loop;
    int64_t expiry_seen, expiry_warned; /* loop milliseconds */
    int expiry_stage;                   /* as of the last warning */
};

void server_open_session(struct net_server *server, struct tls_session *session);
/* Counts a handshake; false: this address has too many under way, and this one is not counted. */
bool server_handshake_begins(struct net_server *server, const struct sockaddr_storage *address);
unsigned server_address(const struct net_server *server, const struct sockaddr_storage *address);
void server_handshake_ends(struct net_server *server, unsigned address);
bool server_charge(struct net_server *server, size_t bytes); /* false: body memory is used up */
void server_release(struct net_server *server, size_t bytes);
/* Sets the two gauges. Seconds; INT64_MAX where nothing expires. */
void server_measure_expiry(struct net_server *server, int64_t *certificate, int64_t *crl);
/* 0: far away; 1: near, tell daily; 2: the last days, tell hourly. */
int server_expiry_stage(int64_t certificate, int64_t crl);
void server_connection_gone(struct net_server *server);
void server_exchange_back(struct net_server *server);
/* Loop 0. */
RESULT listener_start(struct net_server *server);
void listener_stop(struct net_server *server);
void listener_tick(struct net_server *server, int64_t now);

#endif
