#include "net/net.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/secret.h"
#include "net/net_metrics.h"
#include "net/server.h"

#define BACKLOG 4096
#define SPARE_DESCRIPTORS 512 /* database, files, upstream connections */
#define DEFAULT_BODY_MEMORY (INT64_C(512) << 20)

/* ---- shared counts ---- */

void server_open_session(struct net_server *server, struct tls_session *session)
{
    /* The session takes its own reference to the context, so a reload never pulls it from under a connection. */
    pthread_mutex_lock(&server->lock);
    tls_session_open(session, server->context, true);
    pthread_mutex_unlock(&server->lock);
}

/* Where handshakes of an address are counted. Of IPv6 the network: whoever has one has all its addresses. */
unsigned server_address(const struct net_server *server, const struct sockaddr_storage *address)
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;
    uint64_t hash = 0;
    if (address->ss_family == AF_INET) {
        hash = hash_bytes(&v4->sin_addr, sizeof(v4->sin_addr), server->address_seed);
    } else if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
        hash = hash_bytes(v6->sin6_addr.s6_addr + 12, 4, server->address_seed);
    } else {
        hash = hash_bytes(&v6->sin6_addr, 8, server->address_seed);
    }
    return (unsigned)(hash % SERVER_ADDRESSES);
}

bool server_handshake_begins(struct net_server *server, const struct sockaddr_storage *address)
{
    int64_t most = server->limits.handshakes_per_address;
    atomic_int *count = &server->handshakes[server_address(server, address)];
    if (atomic_fetch_add(count, 1) >= most && most > 0) {
        atomic_fetch_sub(count, 1);
        return false;
    }
    metric_add(&net_metrics.handshakes, 1);
    return true;
}

void server_handshake_ends(struct net_server *server, unsigned address)
{
    atomic_fetch_sub(&server->handshakes[address], 1);
    metric_add(&net_metrics.handshakes, -1);
}

bool server_charge(struct net_server *server, size_t bytes)
{
    long long before = atomic_fetch_add(&server->body_memory, (long long)bytes);
    return before + (long long)bytes <= server->limits.body_memory;
}

void server_release(struct net_server *server, size_t bytes)
{
    atomic_fetch_sub(&server->body_memory, (long long)bytes);
}

static void count_down(struct net_server *server, atomic_llong *count)
{
    pthread_mutex_lock(&server->idle_lock);
    atomic_fetch_sub(count, 1);
    pthread_cond_broadcast(&server->idle);
    pthread_mutex_unlock(&server->idle_lock);
}

void server_connection_gone(struct net_server *server)
{
    count_down(server, &server->connections);
}

void server_exchange_back(struct net_server *server)
{
    count_down(server, &server->exchanges);
}

static struct timespec deadline_after(int ms)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += ms / 1000;
    t.tv_nsec += (ms % 1000) * 1000000L;
    if (t.tv_nsec >= 1000000000L) {
        t.tv_sec++;
        t.tv_nsec -= 1000000000L;
    }
    return t;
}

/* Waits until the count is zero; ms < 0: as long as it takes. */
static bool wait_for_none(struct net_server *server, atomic_llong *count, int ms)
{
    struct timespec until = deadline_after(ms < 0 ? 0 : ms);
    int e = 0;
    pthread_mutex_lock(&server->idle_lock);
    while (atomic_load(count) > 0 && e == 0) {
        e = ms < 0 ? pthread_cond_wait(&server->idle, &server->idle_lock)
                   : pthread_cond_timedwait(&server->idle, &server->idle_lock, &until);
    }
    bool none = atomic_load(count) == 0;
    pthread_mutex_unlock(&server->idle_lock);
    return none;
}

static int64_t seconds_left(int64_t until)
{
    return until ? until - (int64_t)time(NULL) : INT64_MAX;
}

void server_measure_expiry(struct net_server *server, int64_t *certificate, int64_t *crl)
{
    pthread_mutex_lock(&server->lock);
    struct tls_expiry expiry = server->expiry;
    pthread_mutex_unlock(&server->lock);
    *certificate = seconds_left(expiry.certificate);
    *crl = seconds_left(expiry.crl);
    metric_set(&net_metrics.certificate_left, *certificate);
    if (*crl != INT64_MAX) { /* without CRLs there is nothing to alarm about */
        metric_set(&net_metrics.crl_left, *crl);
    }
}

#define DAY_SECONDS INT64_C(86400)

int server_expiry_stage(int64_t certificate, int64_t crl)
{
    if (certificate < 7 * DAY_SECONDS || crl < DAY_SECONDS) {
        return 2;
    }
    return certificate < 60 * DAY_SECONDS || crl < 7 * DAY_SECONDS;
}

void net_expiry(struct net_server *server, int64_t *certificate, int64_t *crl)
{
    server_measure_expiry(server, certificate, crl);
}

RESULT net_check_tls(const struct net_tls_config *tls, int64_t *certificate, int64_t *crl)
{
    SSL_CTX *context = NULL;
    struct tls_expiry expiry;
    TRY(tls_server_context(tls, &context, &expiry));
    SSL_CTX_free(context);
    *certificate = seconds_left(expiry.certificate);
    *crl = seconds_left(expiry.crl);
    return RESULT_OK;
}

/* ---- opening ---- */

static RESULT bind_to(const struct addrinfo *a, int *fd)
{
    int s = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s < 0) {
        return result_error(ERR_INTERNAL, 0, "socket: %s", strerror(errno));
    }
    int on = 1, off = 0;
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (a->ai_family == AF_INET6) { /* "::" serves IPv4 as well */
        setsockopt(s, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
    }
    if (bind(s, a->ai_addr, a->ai_addrlen) != 0 || listen(s, BACKLOG) != 0) {
        struct result r = result_error(ERR_INTERNAL, 0, "listen: %s", strerror(errno));
        close(s);
        return r;
    }
    *fd = s;
    return RESULT_OK;
}

static RESULT listen_on(const char *host, int port, int *fd)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV}, *found = NULL;
    char service[16];
    snprintf(service, sizeof(service), "%d", port);
    int e = getaddrinfo(host && host[0] ? host : NULL, service, &hints, &found);
    if (e) {
        return result_error(ERR_SENDER, 0, "监听地址无效 / address to listen on: %s: %s", host ? host : "",
                            gai_strerror(e));
    }
    struct result r = bind_to(found, fd);
    freeaddrinfo(found);
    return r;
}

static int bound_port(int fd)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } address = {.any.sa_family = AF_UNSPEC};
    socklen_t length = sizeof(address);
    if (getsockname(fd, &address.any, &length) != 0) {
        return 0;
    }
    return ntohs(address.any.sa_family == AF_INET6 ? address.v6.sin6_port : address.v4.sin_port);
}

/* Every connection is a descriptor; the shell's usual 1024 would end the service long before its own limit does. */
static void raise_descriptor_limit(int64_t connections)
{
    struct rlimit limit;
    rlim_t wanted = (rlim_t)connections + SPARE_DESCRIPTORS;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted) {
        return;
    }
    limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur < wanted) {
        log_write(LOG_WARN, "net", "few_descriptors", "limit=%llu wanted=%llu", (unsigned long long)limit.rlim_cur,
                  (unsigned long long)wanted);
    }
}

static struct net_server *new_server(const struct net_config *config)
{
    struct net_server *server = mem_alloc(sizeof(*server));
    pthread_condattr_t monotonic;
    server->limits = config->limits;
    if (server->limits.body_memory <= 0) {
        server->limits.body_memory = DEFAULT_BODY_MEMORY;
    }
    server->http_limits = (struct http_limits){(size_t)config->limits.header_bytes, (size_t)config->limits.header_lines,
                                               (size_t)config->limits.body_bytes};
    random_bytes(&server->address_seed, sizeof(server->address_seed));
    server->listen_fd = -1;
    server->queue = queue_new((size_t)config->limits.max_inflight);
    pthread_mutex_init(&server->lock, NULL);
    pthread_mutex_init(&server->idle_lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&server->idle, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return server;
}

static RESULT open_loops(struct net_server *server, int count)
{
    count = count > 0 ? count : 1;
    server->loops = mem_array((size_t)count, sizeof(*server->loops));
    for (int i = 0; i < count; i++) {
        TRY(loop_init(&server->loops[i], server, i));
        server->loop_count++;
    }
    return RESULT_OK;
}

static RESULT open_parts(struct net_server *server, const struct net_config *config)
{
    int64_t certificate = 0, crl = 0;
    TRY(tls_server_context(&config->tls, &server->context, &server->expiry));
    server_measure_expiry(server, &certificate, &crl);
    TRY(listen_on(config->host, config->port, &server->listen_fd));
    server->port = bound_port(server->listen_fd);
    return open_loops(server, config->loops);
}

RESULT net_open(const struct net_config *config, struct net_server **out)
{
    *out = NULL;
    signal(SIGPIPE, SIG_IGN); /* a peer that left is an error code, not the end of the process (pitfall G14) */
    raise_descriptor_limit(config->limits.max_connections);
    struct net_server *server = new_server(config);
    struct result r = open_parts(server, config);
    if (result_ok(r)) {
        *out = server;
    } else {
        net_close(&server);
    }
    return r;
}

int net_port(const struct net_server *server)
{
    return server->port;
}

void net_on_refused(struct net_server *server,
                    void (*fn)(int code, const char *reason, const char *peer, const char *subject, void *arg),
                    void *arg)
{
    server->on_refused = fn;
    server->on_refused_arg = arg;
}

RESULT net_start(struct net_server *server)
{
    TRY(listener_start(server));
    server->started = true;
    for (int i = 0; i < server->loop_count; i++) {
        TRY(loop_start(&server->loops[i]));
    }
    log_write(LOG_INFO, "net", "listening", "port=%d loops=%d", server->port, server->loop_count);
    return RESULT_OK;
}

RESULT net_reload_tls(struct net_server *server, const struct net_tls_config *tls)
{
    SSL_CTX *context = NULL;
    struct tls_expiry expiry;
    TRY(tls_server_context(tls, &context, &expiry));
    pthread_mutex_lock(&server->lock);
    SSL_CTX *former = server->context;
    server->context = context;
    server->expiry = expiry;
    pthread_mutex_unlock(&server->lock);
    SSL_CTX_free(former); /* sessions hold their own references */
    int64_t certificate = 0, crl = 0;
    server_measure_expiry(server, &certificate, &crl);
    log_write(LOG_INFO, "net", "tls_reloaded", "certificate_seconds=%lld crl_seconds=%lld", (long long)certificate,
              crl == INT64_MAX ? -1 : (long long)crl);
    return RESULT_OK;
}

/* ---- requests and answers ---- */

struct net_request *net_take(struct net_server *server, int timeout_ms)
{
    struct exchange *e = queue_pop(server->queue, timeout_ms);
    return e ? &e->request : NULL;
}

void net_reply(struct net_server *server, struct net_request **request, int status, const char *content_type,
               const char *headers, struct buf *body, bool close)
{
    struct exchange *e = (struct exchange *)*request;
    *request = NULL;
    e->close = e->close || close || atomic_load(&server->draining);
    if (body) {
        e->body = *body;
        *body = BUF_INIT;
    }
    http_answer_head(&e->head, clock_now(), status, content_type, headers, e->body.len, e->close);
    if (e->is_head) {
        buf_free(&e->body);
    }
    loop_give_reply(e->loop, e);
}

/* ---- closing ---- */

static void order_all(struct net_server *server, enum loop_order order)
{
    for (int i = 0; i < server->loop_count; i++) {
        loop_order(&server->loops[i], order);
    }
}

void net_drain(struct net_server *server, int deadline_ms)
{
    if (server->drained) {
        return;
    }
    server->drained = true;
    atomic_store(&server->draining, true);
    if (server->started) {
        order_all(server, LOOP_DRAIN);
        bool all = wait_for_none(server, &server->connections, deadline_ms);
        long long left = atomic_load(&server->connections);
        order_all(server, LOOP_CLEAR);
        log_write(all ? LOG_INFO : LOG_WARN, "net", "drained", "connections_cut=%lld", left);
    }
    queue_close(server->queue);
}

/* Requests that no worker took. */
static void drop_untaken(struct net_server *server)
{
    for (struct exchange *e; (e = queue_pop(server->queue, 0));) {
        e->dropped = true;
        loop_give_reply(e->loop, e);
    }
}

static void stop_loops(struct net_server *server)
{
    order_all(server, LOOP_STOP);
    for (int i = 0; i < server->loop_count; i++) {
        loop_join(&server->loops[i]);
    }
}

void net_close(struct net_server **pserver)
{
    struct net_server *server = *pserver;
    if (!server) {
        return;
    }
    net_drain(server, 0);
    drop_untaken(server);
    wait_for_none(server, &server->exchanges, -1);
    stop_loops(server);
    if (server->listen_fd >= 0) {
        close(server->listen_fd);
    }
    SSL_CTX_free(server->context);
    queue_free(&server->queue);
    pthread_cond_destroy(&server->idle);
    pthread_mutex_destroy(&server->idle_lock);
    pthread_mutex_destroy(&server->lock);
    mem_free(server->loops);
    mem_free(server);
    *pserver = NULL;
}
