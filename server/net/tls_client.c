#include "net/tls_client.h"

#include <errno.h>
#include <fcntl.h>
#include <http_parser.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/tls.h"
#include "net/url.h"

#define INPUT_BYTES (32 * 1024)
#define SEAL_AT_ONCE ((size_t)128 * 1024)
#define RETRY_AFTER_MAX 86400
#define NSEC_PER_MSEC INT64_C(1000000)

struct file_stamp {
    struct timespec changed;
    ino_t inode;
    off_t size;
};

struct tls_client {
    struct url url;
    char *files[3]; /* certificate, key, CA bundle */
    struct file_stamp stamps[3];
    int64_t connect_ms, timeout_ms;
    size_t max_answer;

    SSL_CTX *context;
    int fd; /* -1: not connected */
    struct tls_session tls;
    struct buf out; /* records not yet sent */
    uint8_t input[INPUT_BYTES];
    uint8_t plain[TLS_RECORD];
};

/* One request and its answer. */
struct call {
    const struct buf *body;
    struct buf head;
    size_t sent; /* bytes of head and body sealed so far */
    http_parser parser;
    bool value_next; /* the last header piece belonged to a value */
    struct buf field, value;
    int retry_after;
    struct buf *answer;
    size_t answer_start, max_answer;
    bool too_large, complete, keep_alive;
    bool any_byte; /* of an answer has arrived */
};

enum outcome { CALL_DONE, CALL_FAILED, CALL_STALE /* the kept connection was dead: nothing of an answer came */ };

/* ---- files ---- */

static struct file_stamp stamp_of(const char *file)
{
    struct stat st;
    if (!file || stat(file, &st) != 0) {
        return (struct file_stamp){0};
    }
    return (struct file_stamp){st.st_mtim, st.st_ino, st.st_size};
}

static bool same_stamp(const struct file_stamp *a, const struct file_stamp *b)
{
    return a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec && a->inode == b->inode &&
           a->size == b->size;
}

static RESULT load_context(struct tls_client *c)
{
    struct file_stamp now[3];
    bool changed = !c->context;
    for (int i = 0; i < 3; i++) {
        now[i] = stamp_of(c->files[i]);
        changed = changed || !same_stamp(&now[i], &c->stamps[i]);
    }
    if (!changed) {
        return RESULT_OK;
    }
    SSL_CTX *context = NULL;
    TRY(tls_client_context(c->files[0], c->files[1], c->files[2], &context));
    SSL_CTX_free(c->context);
    c->context = context;
    memcpy(c->stamps, now, sizeof(now));
    return RESULT_OK;
}

/* A renewed certificate is taken up with the next connection; while its files are half written, the former
 * one serves on. */
static void renew_context(struct tls_client *c)
{
    struct result r = load_context(c);
    if (!result_ok(r)) {
        log_result(LOG_WARN, "net", "client_files", r);
    }
}

RESULT tls_client_new(const struct tls_client_config *config, struct tls_client **out)
{
    struct tls_client *c = mem_alloc(sizeof(*c));
    *out = NULL;
    c->fd = -1;
    c->files[0] = mem_strdup(config->cert_file);
    c->files[1] = mem_strdup(config->key_file);
    c->files[2] = mem_strdup(config->ca_file);
    c->connect_ms = config->connect_ms;
    c->timeout_ms = config->timeout_ms;
    c->max_answer = config->max_answer;
    struct result r = url_parse(config->url, &c->url);
    if (result_ok(r)) {
        r = load_context(c);
    }
    if (result_ok(r)) {
        *out = c;
    } else {
        tls_client_free(&c);
    }
    return r;
}

void tls_client_free(struct tls_client **pc)
{
    struct tls_client *c = *pc;
    if (!c) {
        return;
    }
    tls_client_disconnect(c);
    SSL_CTX_free(c->context);
    url_free(&c->url);
    for (int i = 0; i < 3; i++) {
        mem_free(c->files[i]);
    }
    mem_free(c);
    *pc = NULL;
}

/* ---- socket ---- */

static int64_t deadline_in(int64_t ms)
{
    return clock_monotonic() + ms * NSEC_PER_MSEC;
}

static int poll_until(int fd, short events, int64_t deadline)
{
    struct pollfd p = {.fd = fd, .events = events};
    for (;;) {
        int64_t left = (deadline - clock_monotonic() + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC;
        int n = poll(&p, 1, left < 0 ? 0 : left > INT32_MAX ? INT32_MAX : (int)left);
        if (n >= 0 || errno != EINTR) {
            return n > 0 ? p.revents : n;
        }
    }
}

/* Gives a connected socket, or -1 with errno. */
static int connect_to(const struct addrinfo *a, int64_t deadline)
{
    int fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -1;
    }
    int error = connect(fd, a->ai_addr, a->ai_addrlen) == 0 ? 0 : errno;
    if (error == EINPROGRESS) {
        socklen_t length = sizeof(error);
        if (poll_until(fd, POLLOUT, deadline) <= 0) {
            error = ETIMEDOUT;
        } else {
            getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length);
        }
    }
    if (error == 0) {
        return fd;
    }
    close(fd);
    errno = error;
    return -1;
}

static RESULT open_socket(struct tls_client *c, int64_t deadline)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
    int e = getaddrinfo(c->url.host, c->url.port, &hints, &found);
    if (e) {
        return result_error(ERR_TRANSIENT, 0, "主机名无法解析 / cannot resolve %s: %s", c->url.host, gai_strerror(e));
    }
    for (struct addrinfo *a = found; a && c->fd < 0; a = a->ai_next) {
        c->fd = connect_to(a, deadline);
    }
    int error = errno;
    freeaddrinfo(found);
    if (c->fd < 0) {
        return result_error(ERR_TRANSIENT, 0, "无法连接 / cannot connect to %s: %s", c->url.authority, strerror(error));
    }
    int on = 1;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return RESULT_OK;
}

static void send_some(struct tls_client *c)
{
    ssize_t n = c->out.len ? send(c->fd, c->out.data, c->out.len, MSG_NOSIGNAL) : 0;
    if (n > 0) {
        buf_consume(&c->out, (size_t)n);
    } else if (n < 0 && errno != EAGAIN && errno != EINTR) {
        buf_clear(&c->out); /* the other side left; what it said before is still worth reading */
    }
}

static void receive_some(struct tls_client *c)
{
    ssize_t n = recv(c->fd, c->input, sizeof(c->input), 0);
    if (n > 0) {
        c->tls.pipe.in = c->input;
        c->tls.pipe.in_len = (size_t)n;
    } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        c->tls.pipe.in_end = true;
    }
}

/* Sends and receives what is possible, waiting for either. OpenSSL has used up all input before. */
static RESULT pump(struct tls_client *c, int64_t deadline)
{
    int events = poll_until(c->fd, (short)(POLLIN | (c->out.len ? POLLOUT : 0)), deadline);
    if (events == 0) {
        return result_error(ERR_TRANSIENT, 0, "连接超时 / %s: timed out", c->url.authority);
    }
    if (events < 0) {
        return result_error(ERR_TRANSIENT, 0, "等待网络时出错 / %s: poll: %s", c->url.authority, strerror(errno));
    }
    if (events & POLLOUT) {
        send_some(c);
    }
    if (events & (POLLIN | POLLHUP | POLLERR)) {
        receive_some(c);
    }
    return RESULT_OK;
}

/* ---- TLS ---- */

struct alert_row {
    int alert;
    int code; /* of the contract */
};

/* The alerts by which a server refuses our certificate. */
static const struct alert_row certificate_alerts[] = {
    {SSL_AD_BAD_CERTIFICATE, 1101},     {SSL_AD_UNSUPPORTED_CERTIFICATE, 1101}, {SSL_AD_CERTIFICATE_REVOKED, 1102},
    {SSL_AD_CERTIFICATE_EXPIRED, 1102}, {SSL_AD_CERTIFICATE_UNKNOWN, 1101},     {SSL_AD_UNKNOWN_CA, 1101},
    {SSL_AD_ACCESS_DENIED, 1101},       {SSL_AD_DECRYPT_ERROR, 1101},           {SSL_AD_CERTIFICATE_REQUIRED, 1101},
};

static const struct alert_row *certificate_alert(int alert)
{
    for (size_t i = 0; i < ARRAY_LEN(certificate_alerts); i++) {
        if (certificate_alerts[i].alert == alert) {
            return &certificate_alerts[i];
        }
    }
    return NULL;
}

static struct result tls_failure(struct tls_client *c)
{
    int reason = ERR_GET_REASON(ERR_peek_last_error());
    long verdict = SSL_get_verify_result(c->tls.ssl);
    const struct alert_row *row = certificate_alert(reason - SSL_AD_REASON_OFFSET);
    if (row) {
        return result_error(ERR_UNAUTHORISED, row->code, "对方不接受本端证书 / %s refused our certificate: %s",
                            c->url.authority, tls_error_text());
    }
    if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED) {
        ERR_clear_error();
        return result_error(ERR_UNAUTHORISED, 0, "对方证书不可信 / certificate of %s: %s", c->url.authority,
                            X509_verify_cert_error_string(verdict));
    }
    return result_error(ERR_TRANSIENT, 0, "TLS连接失败 / TLS connection to %s failed: %s", c->url.authority,
                        tls_error_text());
}

static bool set_name(SSL *ssl, const struct url *url)
{
    X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    if (url->is_address) {
        return X509_VERIFY_PARAM_set1_ip_asc(param, url->host) == 1;
    }
    return SSL_set_tlsext_host_name(ssl, url->host) == 1 && SSL_set1_host(ssl, url->host) == 1;
}

static RESULT handshake(struct tls_client *c, int64_t deadline)
{
    for (;;) {
        switch (tls_session_handshake(&c->tls)) {
        case TLS_DONE:
            return RESULT_OK;
        case TLS_MORE:
            TRY(pump(c, deadline));
            break;
        case TLS_ENDED:
            return result_error(ERR_TRANSIENT, 0, "握手时对方断开 / %s: closed during the handshake", c->url.authority);
        case TLS_FAILED:
            send_some(c); /* our alert */
            return tls_failure(c);
        }
    }
}

static RESULT open_connection(struct tls_client *c, int64_t deadline)
{
    renew_context(c);
    int64_t connected_by = deadline_in(c->connect_ms);
    connected_by = connected_by < deadline ? connected_by : deadline;
    TRY(open_socket(c, connected_by));
    tls_session_open(&c->tls, c->context, false);
    c->tls.pipe.out = &c->out;
    if (!c->tls.ssl || !set_name(c->tls.ssl, &c->url)) {
        return result_error(ERR_INTERNAL, 0, "%s: tls session", c->url.authority);
    }
    return handshake(c, connected_by);
}

void tls_client_disconnect(struct tls_client *c)
{
    if (c->fd < 0) {
        return;
    }
    if (c->tls.ssl && SSL_is_init_finished(c->tls.ssl)) {
        tls_session_notify_close(&c->tls);
        send_some(c);
    }
    tls_session_close(&c->tls);
    buf_free(&c->out);
    close(c->fd);
    c->fd = -1;
}

/* ---- the answer ---- */

static void end_header(struct call *call)
{
    if (call->value_next && call->field.len == strlen("retry-after") &&
        strncasecmp(buf_str(&call->field), "retry-after", call->field.len) == 0) {
        long seconds = strtol(buf_str(&call->value), NULL, 10);
        call->retry_after = seconds < 0 ? 0 : seconds > RETRY_AFTER_MAX ? RETRY_AFTER_MAX : (int)seconds;
    }
    if (call->value_next) {
        buf_clear(&call->field);
        buf_clear(&call->value);
    }
    call->value_next = false;
}

static int on_field(http_parser *p, const char *at, size_t n)
{
    struct call *call = p->data;
    end_header(call);
    buf_append(&call->field, at, n);
    return 0;
}

static int on_value(http_parser *p, const char *at, size_t n)
{
    struct call *call = p->data;
    call->value_next = true;
    buf_append(&call->value, at, n);
    return 0;
}

static int on_headers_complete(http_parser *p)
{
    end_header(p->data);
    return 0;
}

static int on_body(http_parser *p, const char *at, size_t n)
{
    struct call *call = p->data;
    if (call->answer->len - call->answer_start + n > call->max_answer) {
        call->too_large = true;
        return 1;
    }
    buf_append(call->answer, at, n);
    return 0;
}

static int on_message_complete(http_parser *p)
{
    struct call *call = p->data;
    if (p->status_code < 200) { /* "100 Continue": the answer proper follows */
        return 0;
    }
    call->complete = true;
    call->keep_alive = http_should_keep_alive(p);
    http_parser_pause(p, 1);
    return 0;
}

static const struct http_parser_settings answer_settings = {
    .on_header_field = on_field,
    .on_header_value = on_value,
    .on_headers_complete = on_headers_complete,
    .on_body = on_body,
    .on_message_complete = on_message_complete,
};

static RESULT take_answer(struct tls_client *c, struct call *call, const uint8_t *bytes, size_t n)
{
    call->any_byte = call->any_byte || n > 0;
    size_t used = http_parser_execute(&call->parser, &answer_settings, (const char *)bytes, n);
    if (call->too_large) {
        return result_error(ERR_LIMIT, 0, "对方的应答过长 / %s: answer over %zu bytes", c->url.authority,
                            call->max_answer);
    }
    if (call->complete) {
        call->keep_alive = call->keep_alive && used == n;
        return RESULT_OK;
    }
    enum http_errno e = HTTP_PARSER_ERRNO(&call->parser);
    if (e != HPE_OK || call->parser.upgrade) {
        return result_error(ERR_TRANSIENT, 0, "对方的应答不是HTTP / %s: answer is not HTTP: %s", c->url.authority,
                            http_errno_name(e));
    }
    return RESULT_OK;
}

/* The connection ended. Without a length that is how an answer ends, but only if the server said goodbye:
 * a cut connection must not pass for a whole answer. */
static RESULT take_end(struct tls_client *c, struct call *call)
{
    if (call->any_byte && SSL_get_shutdown(c->tls.ssl) & SSL_RECEIVED_SHUTDOWN) {
        TRY(take_answer(c, call, (const uint8_t *)"", 0));
    }
    if (call->complete) {
        return RESULT_OK;
    }
    return result_error(ERR_TRANSIENT, 0, "应答未完对方即断开 / %s: closed before the answer was complete",
                        c->url.authority);
}

/* ---- one request ---- */

static bool seal_piece(struct tls_client *c, struct call *call)
{
    size_t head_left = call->head.len > call->sent ? call->head.len - call->sent : 0;
    size_t body_at = call->sent + head_left - call->head.len;
    size_t body_left = call->body->len - body_at;
    size_t of_head = head_left < TLS_RECORD ? head_left : TLS_RECORD;
    size_t of_body = body_left < TLS_RECORD - of_head ? body_left : TLS_RECORD - of_head;
    if (of_head) {
        memcpy(c->plain, call->head.data + call->sent, of_head);
    }
    if (of_body) {
        memcpy(c->plain + of_head, call->body->data + body_at, of_body);
    }
    call->sent += of_head + of_body;
    return tls_session_write(&c->tls, c->plain, of_head + of_body) == TLS_DONE;
}

static bool seal_request(struct tls_client *c, struct call *call)
{
    size_t total = call->head.len + call->body->len;
    while (call->sent < total && c->out.len < SEAL_AT_ONCE) {
        if (!seal_piece(c, call)) {
            return false;
        }
    }
    return true;
}

static RESULT read_answer(struct tls_client *c, struct call *call)
{
    while (!call->complete) {
        size_t n = 0;
        switch (tls_session_read(&c->tls, c->plain, sizeof(c->plain), &n)) {
        case TLS_DONE:
            TRY(take_answer(c, call, c->plain, n));
            break;
        case TLS_MORE:
            return RESULT_OK;
        case TLS_ENDED:
            return take_end(c, call);
        case TLS_FAILED:
            return tls_failure(c);
        }
    }
    return RESULT_OK;
}

static RESULT transfer(struct tls_client *c, struct call *call, int64_t deadline)
{
    while (!call->complete) {
        if (!seal_request(c, call)) {
            return tls_failure(c);
        }
        TRY(pump(c, deadline));
        TRY(read_answer(c, call));
    }
    size_t total = call->head.len + call->body->len;
    call->keep_alive = call->keep_alive && call->sent == total && c->out.len == 0;
    return RESULT_OK;
}

/* Has the server closed the kept connection, or said anything unasked? Both make it useless. */
static bool is_stale(struct tls_client *c)
{
    return poll_until(c->fd, POLLIN, 0) != 0;
}

static void reset_call(struct call *call)
{
    http_parser_init(&call->parser, HTTP_RESPONSE);
    call->parser.data = call;
    call->sent = 0;
}

static RESULT run_call(struct tls_client *c, struct call *call, int64_t deadline)
{
    if (c->fd >= 0 && is_stale(c)) {
        tls_client_disconnect(c);
    }
    bool kept = c->fd >= 0;
    reset_call(call);
    struct result r = kept ? RESULT_OK : open_connection(c, deadline);
    if (result_ok(r)) {
        r = transfer(c, call, deadline);
    }
    /* Closed by the server just when we began to send: it read nothing, so the request may be sent again, once. */
    if (r.kind == ERR_TRANSIENT && kept && !call->any_byte && clock_monotonic() < deadline) {
        tls_client_disconnect(c);
        reset_call(call);
        r = open_connection(c, deadline);
        if (result_ok(r)) {
            r = transfer(c, call, deadline);
        }
    }
    if (!result_ok(r) || !call->keep_alive) {
        tls_client_disconnect(c);
    }
    return r;
}

static RESULT request(struct tls_client *c, struct call *call, int *status, int *retry_after)
{
    call->answer_start = call->answer->len;
    call->max_answer = c->max_answer;
    *status = 0;
    struct result r = run_call(c, call, deadline_in(c->timeout_ms));
    if (!result_ok(r)) {
        call->answer->len = call->answer_start; /* half an answer is none */
    } else {
        *status = (int)call->parser.status_code;
        if (retry_after) {
            *retry_after = call->retry_after;
        }
    }
    buf_free(&call->head);
    buf_free(&call->field);
    buf_free(&call->value);
    return r;
}

RESULT tls_client_post(struct tls_client *c, const char *path, const char *content_type, const char *soap_action,
                       const struct buf *body, int *status, int *retry_after, struct buf *answer)
{
    struct call call = {.body = body, .answer = answer};
    if (retry_after) {
        *retry_after = 0;
    }
    buf_printf(&call.head, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n",
               path ? path : c->url.path, c->url.authority, content_type, body->len);
    if (soap_action) {
        buf_printf(&call.head, "SOAPAction: \"%s\"\r\n", soap_action);
    }
    buf_append_str(&call.head, "\r\n");
    return request(c, &call, status, retry_after);
}

RESULT tls_client_get(struct tls_client *c, const char *path, int *status, struct buf *answer)
{
    static const struct buf no_body;
    struct call call = {.body = &no_body, .answer = answer};
    buf_printf(&call.head, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", path ? path : c->url.path, c->url.authority);
    return request(c, &call, status, NULL);
}
