/* net_client: a blocking TLS client that may misbehave, for the tests of net. Every wait has an end. */
#ifndef NHJC_TEST_NET_CLIENT_H
#define NHJC_TEST_NET_CLIENT_H

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>

#include "net_server.h"

struct client {
    int fd;
    SSL_CTX *ctx;
    SSL *ssl;
};

struct answer {
    int status; /* 0: the connection ended before an answer */
    char head[2048];
    struct buf body;
};

static inline int client_socket(const struct fixture *f)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)f->port)};
    struct timeval wait = {.tv_sec = 15};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    signal(SIGPIPE, SIG_IGN);
    return fd;
}

/* name: certificate to show, or NULL. version: TLS1_2_VERSION …; 0: the best. Connected, no handshake yet. */
static inline struct client client_new(const struct fixture *f, const char *name, int version)
{
    struct client c = {.fd = client_socket(f), .ctx = SSL_CTX_new(TLS_client_method())};
    char file[96];
    SSL_CTX_set_security_level(c.ctx, 0); /* the server is the one to refuse */
    SSL_CTX_set_min_proto_version(c.ctx, version);
    SSL_CTX_set_max_proto_version(c.ctx, version);
    if (name) {
        snprintf(file, sizeof(file), "%s.pem", name);
        ck_assert_int_eq(SSL_CTX_use_certificate_chain_file(c.ctx, pki_path(&f->pki, file)), 1);
        snprintf(file, sizeof(file), "%s.key", name);
        ck_assert_int_eq(SSL_CTX_use_PrivateKey_file(c.ctx, pki_path(&f->pki, file), SSL_FILETYPE_PEM), 1);
    }
    ck_assert_int_eq(SSL_CTX_load_verify_file(c.ctx, pki_path(&f->pki, "root.pem")), 1);
    SSL_CTX_set_verify(c.ctx, SSL_VERIFY_PEER, NULL);
    c.ssl = SSL_new(c.ctx);
    SSL_set_fd(c.ssl, c.fd);
    return c;
}

static inline void client_free(struct client *c)
{
    SSL_free(c->ssl);
    SSL_CTX_free(c->ctx);
    if (c->fd >= 0) {
        close(c->fd);
    }
    memset(c, 0, sizeof(*c));
    c->fd = -1;
}

static inline struct client client_open(const struct fixture *f, const char *name, int version)
{
    struct client c = client_new(f, name, version);
    ck_assert_int_eq(SSL_connect(c.ssl), 1);
    return c;
}

static inline void client_send(struct client *c, const char *text)
{
    ck_assert_int_eq(SSL_write(c->ssl, text, (int)strlen(text)), (int)strlen(text));
}

/* Reads one answer by its Content-Length. head_only: no body follows (HEAD). */
static inline struct answer client_read_answer(struct client *c, bool head_only)
{
    struct answer a = {0};
    size_t n = 0;
    while (n < sizeof(a.head) - 1 && !strstr(a.head, "\r\n\r\n")) {
        if (SSL_read(c->ssl, a.head + n, 1) != 1) {
            return a;
        }
        a.head[++n] = 0;
    }
    a.status = atoi(a.head + strlen("HTTP/1.1 "));
    const char *length = strstr(a.head, "Content-Length: ");
    size_t left = length && !head_only ? (size_t)atol(length + strlen("Content-Length: ")) : 0;
    char piece[16384];
    while (left > 0) {
        int got = SSL_read(c->ssl, piece, left < sizeof(piece) ? (int)left : (int)sizeof(piece));
        if (got <= 0) {
            a.status = 0;
            return a;
        }
        buf_append(&a.body, piece, (size_t)got);
        left -= (size_t)got;
    }
    return a;
}

/* One request, the answer's status and body compared. */
static inline void client_expect(struct client *c, const char *request, int status, const char *body)
{
    client_send(c, request);
    struct answer a = client_read_answer(c, false);
    ck_assert_int_eq(a.status, status);
    ck_assert_str_eq(buf_str(&a.body), body);
    buf_free(&a.body);
}

/* The server closes in good order: close_notify, then the end of the connection. */
static inline void client_expect_close(struct client *c)
{
    char byte;
    ck_assert_int_eq(SSL_read(c->ssl, &byte, 1), 0);
    ck_assert_int_eq(SSL_get_error(c->ssl, 0), SSL_ERROR_ZERO_RETURN);
}

/* Handshake, then a request as a client would send it at once. Gives the alert that came back, or -1: in TLS 1.3 a
 * client learns that it was refused only after its own handshake ended. */
static inline int client_refusal(struct client *c)
{
    char byte;
    ERR_clear_error();
    if (SSL_connect(c->ssl) == 1) {
        SSL_write(c->ssl, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 27);
        ck_assert_int_le(SSL_read(c->ssl, &byte, 1), 0);
    }
    int reason = ERR_GET_REASON(ERR_peek_last_error());
    ERR_clear_error();
    return reason > SSL_AD_REASON_OFFSET ? reason - SSL_AD_REASON_OFFSET : -1;
}

/* Milliseconds until the other side ends the connection; -1: it did not within `limit`. Drops what comes. */
static inline int64_t socket_until_closed(int fd, int64_t limit)
{
    int64_t start = clock_monotonic(), now = 0;
    char bytes[4096];
    while (now < limit) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (poll(&p, 1, (int)(limit - now)) > 0 && recv(fd, bytes, sizeof(bytes), 0) <= 0) {
            return (clock_monotonic() - start) / 1000000;
        }
        now = (clock_monotonic() - start) / 1000000;
    }
    return -1;
}

#endif
