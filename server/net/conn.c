#include "net/conn.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/net_metrics.h"
#include "net/peer_x509.h"
#include "net/server.h"

#define AHEAD_BYTES ((size_t)16 * 1024)  /* what a peer may send ahead before we stop reading */
#define SLICE_BYTES ((size_t)256 * 1024) /* of an answer sealed at once; more only when these are written */
#define LINGER_MS 3000                   /* for the peer to read our last words */
#define MAX_WRITES 16                  /* records waiting to be sent: a peer that asks (key updates) and never reads */
#define MAX_QUIET ((size_t)128 * 1024) /* bytes of TLS without a byte of HTTP: more than any honest peer has to say */

/* ---- states ---- */

static bool step_handshake(struct conn *c);
static bool step_request(struct conn *c);
static void expire_handshake(struct conn *c);
static void expire_idle(struct conn *c);
static void expire_request(struct conn *c);
static void expire_writing(struct conn *c);
static void end_handshake(struct conn *c);
static void end_idle(struct conn *c);
static void end_request(struct conn *c);
static void end_linger(struct conn *c);

static const struct conn_rule {
    const char *name;
    bool (*step)(struct conn *c);     /* uses input; false: needs more, or nothing to do in this state */
    void (*expire)(struct conn *c);   /* its time is up; NULL: may take any time */
    void (*peer_end)(struct conn *c); /* the peer will send no more; NULL: matters later */
} rules[CONN_STATES] = {
    [CONN_HANDSHAKE] = {"handshake", step_handshake, expire_handshake, end_handshake},
    [CONN_IDLE] = {"idle", step_request, expire_idle, end_idle},
    [CONN_HEADER] = {"header", step_request, expire_request, end_request},
    [CONN_BODY] = {"body", step_request, expire_request, end_request},
    [CONN_BUSY] = {"busy", NULL, NULL, NULL},
    [CONN_WRITING] = {"writing", NULL, expire_writing, NULL},
    [CONN_LINGER] = {"linger", NULL, conn_abort, end_linger},
    [CONN_CLOSED] = {"closed", NULL, NULL, NULL},
};

static void touch(struct conn *c)
{
    c->since = (int64_t)uv_now(&c->loop->uv);
}

/* The one place where a connection changes its state. */
static void conn_move(struct conn *c, enum conn_state to)
{
    if (c->state == CONN_HANDSHAKE) {
        server_handshake_ends(c->loop->server, c->address);
    }
    loop_list_move(c->loop, c, (int)c->state, (int)to);
    c->state = to;
    touch(c);
}

static bool takes_requests(const struct conn *c)
{
    return c->state == CONN_IDLE || c->state == CONN_HEADER || c->state == CONN_BODY;
}

static int64_t patience_ms(const struct conn *c)
{
    const struct net_limits *l = &c->loop->server->limits;
    switch (c->state) {
    case CONN_HANDSHAKE:
    case CONN_HEADER:
        return l->handshake_ms;
    case CONN_IDLE:
        return l->idle_ms;
    case CONN_BODY: /* by what has arrived, not by what was promised: a lying length buys no time */
        return l->body_ms + l->body_ms_per_64k * (int64_t)(http_body_length(c->http) / 65536);
    case CONN_WRITING:
        return l->write_ms;
    default:
        return LINGER_MS;
    }
}

bool conn_expired(const struct conn *c, int64_t now)
{
    return rules[c->state].expire && now - c->since >= patience_ms(c);
}

void conn_expire(struct conn *c)
{
    rules[c->state].expire(c);
}

/* ---- end of life ---- */

static void release_body(struct conn *c)
{
    server_release(c->loop->server, c->charged);
    c->charged = 0;
}

static void free_request(struct conn *c)
{
    http_free(&c->http);
    release_body(c);
}

static void free_answer(struct conn *c)
{
    buf_free(&c->head);
    buf_free(&c->body);
    server_release(c->loop->server, c->answer_charged);
    c->answer_charged = 0;
    c->sent = 0;
}

/* Frees once libuv has closed the socket and no worker holds the request. */
static void conn_release(struct conn *c)
{
    if (!c->uv_closed || c->exchange) {
        return;
    }
    struct net_server *server = c->loop->server;
    loop_list_move(c->loop, c, CONN_CLOSED, -1);
    peer_free(&c->cert);
    mem_free(c);
    server_connection_gone(server);
}

static void on_closed(uv_handle_t *handle)
{
    struct conn *c = handle->data;
    c->uv_closed = true;
    conn_release(c);
}

void conn_abort(struct conn *c)
{
    if (c->state == CONN_CLOSED) {
        return;
    }
    conn_move(c, CONN_CLOSED);
    free_request(c);
    free_answer(c);
    buf_free(&c->sealed);
    buf_free(&c->plain);
    tls_session_close(&c->tls);
    buf_clear(&c->loop->out); /* what was to be sent to this peer must not reach the next */
    uv_close((uv_handle_t *)&c->tcp, on_closed);
}

/* ---- sending ---- */

struct pending_write {
    uv_write_t request;
    struct conn *conn;
    size_t size;
    uint8_t bytes[];
};

static void conn_run(struct conn *c);
static void write_more(struct conn *c);

static void on_written(uv_write_t *request, int status)
{
    struct pending_write *w = (struct pending_write *)request;
    struct conn *c = w->conn;
    mem_free(w);
    c->writes--;
    if (c->state == CONN_CLOSED) {
        return;
    }
    if (status < 0) {
        conn_abort(c);
        return;
    }
    if (c->state == CONN_WRITING) {
        conn_move(c, CONN_WRITING); /* progress: the time begins anew */
        write_more(c);
        conn_run(c);
    }
}

static void queue_write(struct conn *c, const uint8_t *bytes, size_t n)
{
    if (c->writes >= MAX_WRITES) {
        conn_abort(c);
        return;
    }
    struct pending_write *w = mem_alloc(sizeof(*w) + n);
    w->conn = c;
    memcpy(w->bytes, bytes, n);
    uv_buf_t piece = uv_buf_init((char *)w->bytes, (unsigned)n);
    int e = uv_write(&w->request, (uv_stream_t *)&c->tcp, &piece, 1, on_written);
    if (e < 0) {
        mem_free(w);
        conn_abort(c);
        return;
    }
    c->writes++;
}

/* Sends what OpenSSL has put into the loop's output: at once as far as the socket takes it, the rest later. */
static void conn_flush(struct conn *c)
{
    struct buf *out = &c->loop->out;
    size_t sent = 0;
    if (c->state != CONN_CLOSED && out->len && c->writes == 0) {
        uv_buf_t all = uv_buf_init((char *)out->data, (unsigned)out->len);
        int n = uv_try_write((uv_stream_t *)&c->tcp, &all, 1);
        if (n < 0 && n != UV_EAGAIN) {
            conn_abort(c);
        }
        sent = n > 0 ? (size_t)n : 0;
    }
    metric_add(&net_metrics.bytes_out, (long long)out->len);
    if (c->state != CONN_CLOSED && sent < out->len) {
        queue_write(c, out->data + sent, out->len - sent);
    }
    buf_clear(out);
}

static void on_shut(uv_shutdown_t *request, int status)
{
    struct conn *c = request->data;
    c->shut = true;
    if (c->state == CONN_LINGER && (status < 0 || c->peer_ended || !c->unread)) {
        conn_abort(c);
    }
}

/* A peer that has only shut its side may still be reading: not before ours is written and shut. */
static void end_linger(struct conn *c)
{
    if (c->shut) {
        conn_abort(c);
    }
}

static void start_reading(struct conn *c);

/* Says goodbye after what was sent; where the peer may still be sending, waits for the peer's. */
static void conn_end(struct conn *c)
{
    if (!c->tls_broken && c->cert) {
        tls_session_notify_close(&c->tls);
    }
    conn_flush(c);
    if (c->state == CONN_CLOSED) {
        return;
    }
    conn_move(c, CONN_LINGER);
    c->unread = c->unread || !c->reading; /* what we did not read would make our close a reset */
    free_request(c);
    free_answer(c);
    buf_free(&c->sealed);
    buf_free(&c->plain);
    c->shutdown.data = c;
    if (uv_shutdown(&c->shutdown, (uv_stream_t *)&c->tcp, on_shut) < 0) {
        conn_abort(c);
    } else {
        start_reading(c);
    }
}

/* ---- answers ---- */

static size_t answer_left(const struct conn *c)
{
    return c->head.len + c->body.len - c->sent;
}

/* The next piece of head and body; joined in the loop's memory where the two meet, so that a small answer is
 * one record. */
static const uint8_t *next_piece(struct conn *c, size_t *n)
{
    *n = answer_left(c) < TLS_RECORD ? answer_left(c) : TLS_RECORD;
    if (c->sent >= c->head.len) {
        return c->body.data + (c->sent - c->head.len);
    }
    size_t of_head = c->head.len - c->sent < *n ? c->head.len - c->sent : *n;
    memcpy(c->loop->piece, c->head.data + c->sent, of_head);
    if (*n > of_head) {
        memcpy(c->loop->piece + of_head, c->body.data, *n - of_head);
    }
    return c->loop->piece;
}

static bool seal_slice(struct conn *c)
{
    for (size_t sealed = 0; sealed < SLICE_BYTES && answer_left(c) > 0;) {
        size_t n = 0;
        const uint8_t *piece = next_piece(c, &n);
        if (tls_session_write(&c->tls, piece, n) != TLS_DONE) {
            c->tls_broken = true;
            return false;
        }
        c->sent += n;
        sealed += n;
    }
    return true;
}

static void answered(struct conn *c)
{
    free_answer(c);
    if (c->close_after || c->loop->obeyed >= LOOP_DRAIN) {
        conn_end(c);
    } else {
        conn_move(c, CONN_IDLE);
    }
}

static void write_more(struct conn *c)
{
    while (c->state == CONN_WRITING && c->writes == 0 && answer_left(c) > 0) {
        if (!seal_slice(c)) {
            conn_abort(c);
            return;
        }
        conn_flush(c);
    }
    if (c->state == CONN_WRITING && c->writes == 0) {
        answered(c);
    }
}

/* The answer stands in head and body. */
static void begin_answer(struct conn *c)
{
    free_request(c);
    c->sent = 0;
    conn_move(c, CONN_WRITING);
    write_more(c);
}

/* For whoever reads the answer: the reason is the word of the metric, these are the words for people. */
static const struct {
    int status;
    const char *words;
} ANSWER_WORDS[] = {
    {400, "不是规范的HTTP/1.1请求 / not a proper HTTP/1.1 request"},
    {408, "请求未在限时内收完 / the request did not arrive in time"},
    {413, "正文超过上限 / the body is larger than allowed"},
    {415, "Content-Encoding只可为gzip / Content-Encoding can only be gzip"},
    {417, "Expect只可为100-continue / Expect can only be 100-continue"},
    {431, "请求头超过上限 / the header is larger than allowed"},
    {503, "平台繁忙，请稍后原样重发 / busy, send the same again later"},
    {505, "只支持HTTP/1.0与1.1 / only HTTP/1.0 and 1.1 are served"},
};

static const char *answer_words(int status)
{
    for (size_t i = 0; i < ARRAY_LEN(ANSWER_WORDS); i++) {
        if (ANSWER_WORDS[i].status == status) {
            return ANSWER_WORDS[i].words;
        }
    }
    return "";
}

/* An answer of net's own: a line for whoever looks at it, never SOAP (contract section 7.2). */
static void answer_itself(struct conn *c, int status, const char *reason, const char *headers, bool close)
{
    net_metrics_refused(status, reason);
    if (loop_may_log(c->loop)) {
        log_write(LOG_INFO, "net", "request_refused", "peer=%s status=%d reason=%s subject=%s", c->peer, status, reason,
                  log_quote(c->cert->subject));
    }
    bool head_only = c->http && http_is_head(c->http);
    close = close || atomic_load(&c->loop->server->draining);
    buf_printf(&c->body, "%d %s: %s\n", status, reason, answer_words(status));
    http_answer_head(&c->head, clock_now(), status, "text/plain; charset=utf-8", headers, c->body.len, close);
    if (head_only) {
        buf_free(&c->body);
    }
    c->close_after = close;
    begin_answer(c);
}

static void refuse_request(struct conn *c, int status, const char *reason)
{
    static const struct {
        int status;
        const char *headers;
    } extra[] = {{415, "Accept-Encoding: gzip\r\n"}, {503, "Retry-After: 5\r\n"}};
    const char *headers = NULL;
    for (size_t i = 0; i < ARRAY_LEN(extra); i++) {
        if (extra[i].status == status) {
            headers = extra[i].headers;
        }
    }
    c->unread = true;
    answer_itself(c, status, reason, headers, true);
}

/* ---- requests ---- */

/* A client that writes in two steps without TCP_NODELAY waits for our acknowledgement before the second; the kernel
 * would delay that by 40 ms. */
static void acknowledge_now(struct conn *c)
{
    int fd = -1, on = 1;
    if (uv_fileno((uv_handle_t *)&c->tcp, &fd) == 0) {
        setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof(on));
    }
}

/* A certificate is judged in the handshake alone: a connection kept for ever would outlive its end, its revocation, and
 * the CA's. So it ends politely with an answer; a client that goes on connects anew. A reload itself ends none
 * (contract section 1). */
static bool is_stale(const struct conn *c)
{
    int64_t most = c->loop->server->limits.max_age_ms, age = (clock_monotonic() - c->accepted) / 1000000;
    return c->cert->not_after <= clock_now() || (most > 0 && age >= most);
}

static struct exchange *make_exchange(struct conn *c)
{
    struct exchange *e = mem_alloc(sizeof(*e));
    http_give(c->http, &e->request);
    memcpy(e->request.peer, c->peer, sizeof(c->peer));
    e->request.cert = c->cert;
    e->request.id = atomic_fetch_add(&c->loop->server->next_id, 1) + 1;
    e->request.received = clock_now();
    e->request.connection = c;
    e->loop = c->loop;
    e->conn = c;
    e->is_head = http_is_head(c->http);
    bool stale = is_stale(c);
    metric_add(&net_metrics.retired, stale);
    e->close = stale || !http_keep_alive(c->http);
    e->charged = c->charged;
    return e;
}

static void free_exchange(struct exchange *e)
{
    server_release(e->loop->server, e->charged);
    http_request_clear(&e->request);
    buf_free(&e->head);
    buf_free(&e->body);
    mem_free(e);
}

static void submit(struct conn *c)
{
    struct net_server *server = c->loop->server;
    struct exchange *e = make_exchange(c);
    c->charged = 0;
    atomic_fetch_add(&server->exchanges, 1);
    c->exchange = e;
    conn_move(c, CONN_BUSY);
    bool was_close = e->close;
    if (queue_push(server->queue, e)) { /* from here on it is the worker's */
        metric_add(&net_metrics.requests, 1);
        http_free(&c->http);
        return;
    }
    c->exchange = NULL;
    free_exchange(e);
    server_exchange_back(server);
    metric_add(&net_metrics.queue_full, 1);
    answer_itself(c, 503, "busy", "Retry-After: 5\r\n", was_close);
}

static void send_continue(struct conn *c)
{
    static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
    if (tls_session_write(&c->tls, (const uint8_t *)text, strlen(text)) == TLS_DONE) {
        conn_flush(c);
    } else {
        conn_abort(c);
    }
}

/* Counts the body's memory; false: there is no more, and the request is refused. */
static bool charge_body(struct conn *c)
{
    size_t held = http_body_length(c->http);
    if (held <= c->charged) {
        return true;
    }
    size_t more = held - c->charged;
    c->charged = held;
    if (server_charge(c->loop->server, more)) {
        return true;
    }
    refuse_request(c, 503, "body_memory");
    return false;
}

static void on_frame(struct conn *c, enum http_event event)
{
    if (c->state == CONN_HEADER && http_phase(c->http) == FRAME_BODY) {
        conn_move(c, CONN_BODY);
        acknowledge_now(c);
    }
    if (event == FRAME_REFUSED) {
        struct http_refusal why = http_refusal(c->http);
        refuse_request(c, why.status, why.reason);
    } else if (!charge_body(c)) {
        return;
    } else if (event == FRAME_CONTINUE) {
        send_continue(c);
    } else if (event == FRAME_COMPLETE) {
        submit(c);
    }
}

static void take_plain(struct conn *c, const uint8_t *bytes, size_t n)
{
    c->quiet = 0;
    while (n > 0 && takes_requests(c)) {
        if (c->state == CONN_IDLE) {
            c->http = http_new(&c->loop->server->http_limits);
            conn_move(c, CONN_HEADER);
        }
        size_t used = 0;
        enum http_event event = http_feed(c->http, bytes, n, &used);
        bytes += used;
        n -= used;
        on_frame(c, event);
    }
    if (n > 0) {
        c->unread = c->unread || c->close_after;
    }
    if (n > 0 && (c->state == CONN_BUSY || c->state == CONN_WRITING) && !c->close_after) {
        buf_append(&c->plain, bytes, n); /* the beginning of the next request */
    }
}

/* OpenSSL has given up: what it has to say is in the output. */
static void break_tls(struct conn *c)
{
    c->tls_broken = c->unread = true;
    if (loop_may_log(c->loop)) {
        log_write(LOG_INFO, "net", "tls_error", "peer=%s error=%s", c->peer, log_quote(tls_error_text()));
    }
    conn_end(c);
}

static bool read_record(struct conn *c)
{
    size_t n = 0;
    enum tls_step step = tls_session_read(&c->tls, c->loop->plain, sizeof(c->loop->plain), &n);
    if (step != TLS_FAILED && c->loop->out.len) { /* the answer to a key update, the refusal of a renegotiation */
        conn_flush(c);
    }
    if (c->state == CONN_CLOSED) {
        return false;
    }
    switch (step) {
    case TLS_DONE:
        take_plain(c, c->loop->plain, n);
        return true;
    case TLS_MORE:
        return false;
    case TLS_ENDED:
        c->peer_ended = true;
        return false;
    case TLS_FAILED:
        break;
    }
    break_tls(c);
    return false;
}

static bool step_request(struct conn *c)
{
    if (c->plain.len == 0) {
        return read_record(c);
    }
    struct buf held = c->plain;
    c->plain = BUF_INIT;
    take_plain(c, held.data, held.len);
    buf_free(&held);
    return true;
}

static void expire_idle(struct conn *c)
{
    metric_add(&net_metrics.idle_closed, 1);
    conn_end(c);
}

static void expire_request(struct conn *c)
{
    refuse_request(c, 408, c->state == CONN_BODY ? "body_timeout" : "header_timeout");
}

static void expire_writing(struct conn *c)
{
    metric_add(&net_metrics.write_timeout, 1);
    if (loop_may_log(c->loop)) {
        log_write(LOG_INFO, "net", "write_timeout", "peer=%s left=%zu", c->peer, answer_left(c));
    }
    conn_abort(c);
}

static void end_idle(struct conn *c)
{
    conn_end(c);
}

static void end_request(struct conn *c)
{
    metric_add(&net_metrics.truncated, 1);
    if (loop_may_log(c->loop)) {
        log_write(LOG_INFO, "net", "request_truncated", "peer=%s state=%s body=%zu", c->peer, rules[c->state].name,
                  http_body_length(c->http));
    }
    conn_abort(c);
}

/* ---- handshake ---- */

static void note_refused(struct conn *c, enum refusal why)
{
    struct refusal_row *row = refusal_row(why);
    struct net_server *server = c->loop->server;
    metric_add(&row->count, 1);
    const char *subject = c->tls.subject ? c->tls.subject : "";
    if (loop_may_log(c->loop)) {
        log_write(row->code ? LOG_WARN : LOG_INFO, "net", "handshake_refused", "peer=%s reason=%s code=%d subject=%s",
                  c->peer, row->reason, row->code, log_quote(subject));
    }
    if (row->code && server->on_refused) {
        server->on_refused(row->code, row->reason, c->peer, subject, server->on_refused_arg);
    }
}

/* The client is known; from here on the worker reads its certificate as text. */
static void handshake_done(struct conn *c)
{
    X509 *cert = SSL_get0_peer_certificate(c->tls.ssl);
    if (!cert) { /* cannot be: verification demands one. Fails closed. */
        note_refused(c, REFUSAL_CERTIFICATE_REQUIRED);
        conn_abort(c);
        return;
    }
    c->cert = peer_from_x509(cert);
    metric_observe(&net_metrics.handshake, (clock_monotonic() - c->accepted) / 1000);
    log_write(LOG_DEBUG, "net", "connected", "peer=%s tls=%s cipher=%s subject=%s", c->peer,
              SSL_get_version(c->tls.ssl), SSL_get_cipher_name(c->tls.ssl), log_quote(c->cert->subject));
    c->quiet = 0;
    conn_move(c, CONN_IDLE);
    acknowledge_now(c);
    if (c->loop->obeyed >= LOOP_DRAIN) {
        conn_end(c);
    }
}

static bool step_handshake(struct conn *c)
{
    enum tls_step step = tls_session_handshake(&c->tls);
    conn_flush(c);
    if (c->state == CONN_CLOSED || step == TLS_MORE) {
        return false;
    }
    if (step == TLS_DONE) {
        handshake_done(c);
        return true;
    }
    /* The alert is on its way; lingering makes sure that the client gets to read it. */
    note_refused(c, c->tls.why);
    c->tls_broken = c->unread = true;
    conn_end(c);
    return false;
}

static void expire_handshake(struct conn *c)
{
    note_refused(c, REFUSAL_TIMEOUT);
    conn_abort(c);
}

static void end_handshake(struct conn *c)
{
    note_refused(c, REFUSAL_PEER_LEFT);
    conn_abort(c);
}

/* ---- events ---- */

/* Lets the connection go on as far as its input allows. A loop, not a recursion: a peer may have sent hundreds of
 * small requests ahead. */
static void conn_run(struct conn *c)
{
    struct buf held = c->sealed;
    c->sealed = BUF_INIT;
    struct tls_pipe *pipe = &c->tls.pipe;
    if (c->state != CONN_CLOSED && held.len) {
        pipe->in = held.data;
        pipe->in_len = held.len;
    }
    while (rules[c->state].step && rules[c->state].step(c)) {
        ;
    }
    if ((c->state == CONN_BUSY || c->state == CONN_WRITING) && pipe->in_len) {
        buf_append(&c->sealed, pipe->in, pipe->in_len);
    }
    pipe->in = NULL;
    pipe->in_len = 0;
    buf_free(&held);
    if (c->peer_ended && rules[c->state].peer_end) {
        rules[c->state].peer_end(c);
    }
    start_reading(c);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *room)
{
    (void)suggested;
    struct conn *c = handle->data;
    *room = uv_buf_init((char *)c->loop->input, sizeof(c->loop->input));
}

static void stop_reading(struct conn *c)
{
    uv_read_stop((uv_stream_t *)&c->tcp);
    c->reading = false;
}

static void take_input(struct conn *c, const uint8_t *bytes, size_t n)
{
    metric_add(&net_metrics.bytes_in, (long long)n);
    c->quiet += n;
    if (c->quiet > MAX_QUIET && c->state != CONN_LINGER) {
        conn_abort(c);
        return;
    }
    if (!rules[c->state].step) {
        c->unread = c->unread || c->close_after;
        if (c->state == CONN_LINGER || c->close_after) {
            return;
        }
        buf_append(&c->sealed, bytes, n);
        if (c->sealed.len >= AHEAD_BYTES) {
            stop_reading(c);
        }
        return;
    }
    c->tls.pipe.in = bytes;
    c->tls.pipe.in_len = n;
    conn_run(c);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *room)
{
    struct conn *c = stream->data;
    if (c->state == CONN_CLOSED || n == 0) {
        return;
    }
    if (n > 0) {
        take_input(c, (const uint8_t *)room->base, (size_t)n);
        return;
    }
    c->peer_ended = true;
    c->reading = false;
    if (rules[c->state].peer_end) {
        rules[c->state].peer_end(c);
    }
    if (n != UV_EOF) { /* reset: nobody is left to answer */
        conn_abort(c);
    }
}

static void start_reading(struct conn *c)
{
    if (c->reading || c->peer_ended || c->state == CONN_CLOSED || c->sealed.len >= AHEAD_BYTES) {
        return;
    }
    c->reading = uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read) == 0;
    if (!c->reading) {
        conn_abort(c);
    }
}

/* The worker's answer goes on its way, if there is memory to hold it until the peer has read it. */
static void take_answer(struct conn *c, struct exchange *e)
{
    c->head = e->head;
    c->body = e->body;
    c->close_after = e->close;
    e->head = e->body = BUF_INIT;
    free_exchange(e); /* the request's bytes go first */
    c->answer_charged = c->body.len;
    if (server_charge(c->loop->server, c->answer_charged)) {
        begin_answer(c);
        return;
    }
    free_answer(c);
    answer_itself(c, 503, "answer_memory", "Retry-After: 5\r\n", c->close_after);
}

void conn_reply(struct exchange *e)
{
    struct conn *c = e->conn;
    struct net_server *server = e->loop->server;
    c->exchange = NULL;
    if (c->state == CONN_BUSY && !e->dropped) {
        metric_observe(&net_metrics.request_time, clock_now() - e->request.received);
        take_answer(c, e);
        conn_run(c);
    } else {
        free_exchange(e);
        conn_abort(c);
        conn_release(c);
    }
    server_exchange_back(server);
}

void conn_drain(struct conn *c)
{
    if (c->state == CONN_HANDSHAKE) {
        conn_abort(c);
    } else if (c->state == CONN_IDLE) {
        conn_end(c);
    }
}

/* "203.0.113.7:51022", "[2001:db8::7]:51022"; an IPv4 address that came through an IPv6 socket as the former. */
static void peer_text(const struct sockaddr_storage *address, char *out, size_t room)
{
    char ip[INET6_ADDRSTRLEN] = "?";
    if (address->ss_family == AF_INET) {
        const struct sockaddr_in *a = (const struct sockaddr_in *)address;
        uv_ip4_name(a, ip, sizeof(ip));
        snprintf(out, room, "%s:%u", ip, ntohs(a->sin_port));
        return;
    }
    const struct sockaddr_in6 *a = (const struct sockaddr_in6 *)address;
    uv_ip6_name(a, ip, sizeof(ip));
    if (IN6_IS_ADDR_V4MAPPED(&a->sin6_addr)) {
        snprintf(out, room, "%s:%u", ip + strlen("::ffff:"), ntohs(a->sin6_port));
    } else {
        snprintf(out, room, "[%s]:%u", ip, ntohs(a->sin6_port));
    }
}

void conn_open(struct loop *loop, int fd, const struct sockaddr_storage *address)
{
    struct conn *c = mem_alloc(sizeof(*c));
    c->loop = loop;
    c->accepted = clock_monotonic();
    c->state = CONN_HANDSHAKE;
    c->address = server_address(loop->server, address);
    loop_list_move(loop, c, -1, CONN_HANDSHAKE);
    touch(c);
    peer_text(address, c->peer, sizeof(c->peer));
    uv_tcp_init(&loop->uv, &c->tcp);
    c->tcp.data = c;
    server_open_session(loop->server, &c->tls);
    c->tls.pipe.out = &loop->out; /* flushed before any other connection is served */
    if (uv_tcp_open(&c->tcp, fd) != 0) {
        close(fd);
        conn_abort(c);
        return;
    }
    uv_tcp_nodelay(&c->tcp, 1);
    if (!c->tls.ssl || loop->obeyed >= LOOP_DRAIN) {
        conn_abort(c);
    } else {
        start_reading(c);
    }
}
