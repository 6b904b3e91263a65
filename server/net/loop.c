#include "net/loop.h"

#include <openssl/crypto.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "net/server.h"

#define LOOP_STACK ((size_t)1024 * 1024) /* said here because libuv 1.44 leaves it to the platform (pitfall U3) */
#define TICK_MIN_MS 5
#define TICK_MAX_MS INT64_C(250)
#define LOG_PER_SECOND 20

void loop_list_move(struct loop *loop, struct conn *conn, int from, int to)
{
    if (from >= 0) {
        struct conn_list *list = &loop->lists[from];
        *(conn->prev ? &conn->prev->next : &list->first) = conn->next;
        *(conn->next ? &conn->next->prev : &list->last) = conn->prev;
    }
    conn->prev = conn->next = NULL;
    if (to >= 0) {
        struct conn_list *list = &loop->lists[to];
        conn->prev = list->last;
        *(list->last ? &list->last->next : &list->first) = conn;
        list->last = conn;
    }
}

bool loop_may_log(struct loop *loop)
{
    int64_t second = (int64_t)uv_now(&loop->uv) / 1000;
    if (second != loop->log_second) {
        if (loop->suppressed) {
            log_write(LOG_WARN, "net", "refusals_not_logged", "count=%d", loop->suppressed);
        }
        loop->log_second = second;
        loop->logged = loop->suppressed = 0;
    }
    if (loop->logged++ < LOG_PER_SECOND) {
        return true;
    }
    loop->suppressed++;
    return false;
}

/* ---- deadlines ---- */

static void expire_list(struct loop *loop, enum conn_state state, int64_t now)
{
    struct conn *next;
    for (struct conn *c = loop->lists[state].first; c; c = next) {
        next = c->next;
        if (conn_expired(c, now)) {
            conn_expire(c);
        } else if (state != CONN_BODY) { /* only there a later one may expire before an earlier one */
            break;
        }
    }
}

static void on_tick(uv_timer_t *timer)
{
    struct loop *loop = timer->data;
    int64_t now = (int64_t)uv_now(&loop->uv);
    for (int state = 0; state < CONN_CLOSED; state++) {
        expire_list(loop, (enum conn_state)state, now);
    }
    if (loop->index == 0) {
        listener_tick(loop->server, now);
    }
}

/* An eighth of the shortest limit: fine enough to keep it, coarse enough to cost nothing. */
static uint64_t tick_ms(const struct net_limits *l)
{
    const int64_t limits[] = {l->handshake_ms, l->body_ms, l->idle_ms, l->write_ms};
    int64_t shortest = TICK_MAX_MS * 8;
    for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
        shortest = limits[i] < shortest ? limits[i] : shortest;
    }
    return (uint64_t)(shortest / 8 < TICK_MIN_MS ? TICK_MIN_MS : shortest / 8);
}

/* ---- inbox ---- */

void loop_give_socket(struct loop *loop, int fd, const struct sockaddr_storage *address)
{
    struct loop_socket *s = mem_alloc(sizeof(*s));
    s->fd = fd;
    s->address = *address;
    pthread_mutex_lock(&loop->lock);
    s->next = loop->sockets;
    loop->sockets = s;
    pthread_mutex_unlock(&loop->lock);
    uv_async_send(&loop->wake);
}

void loop_give_reply(struct loop *loop, struct exchange *exchange)
{
    pthread_mutex_lock(&loop->lock);
    exchange->next = loop->replies;
    bool first = !exchange->next;
    loop->replies = exchange;
    /* Only the first wakes the loop, which then takes all. Inside the lock, so that the loop cannot have seen
     * this answer, ended and freed its wake handle before we use it. */
    if (first) {
        uv_async_send(&loop->wake);
    }
    pthread_mutex_unlock(&loop->lock);
}

void loop_order(struct loop *loop, enum loop_order order)
{
    pthread_mutex_lock(&loop->lock);
    if (order > loop->order) {
        loop->order = order;
    }
    uv_async_send(&loop->wake);
    pthread_mutex_unlock(&loop->lock);
}

static void for_each_conn(struct loop *loop, void (*fn)(struct conn *))
{
    for (int state = 0; state < CONN_CLOSED; state++) {
        struct conn *next;
        for (struct conn *c = loop->lists[state].first; c; c = next) {
            next = c->next;
            fn(c);
        }
    }
}

static void obey(struct loop *loop, enum loop_order order)
{
    loop->obeyed = order;
    if (loop->index == 0) {
        listener_stop(loop->server);
    }
    for_each_conn(loop, order == LOOP_DRAIN ? conn_drain : conn_abort);
    if (order == LOOP_STOP) {
        uv_close((uv_handle_t *)&loop->tick, NULL);
        uv_close((uv_handle_t *)&loop->wake, NULL);
    }
}

static void take_sockets(struct loop *loop, struct loop_socket *sockets)
{
    while (sockets) {
        struct loop_socket *s = sockets;
        sockets = s->next;
        conn_open(loop, s->fd, &s->address);
        mem_free(s);
    }
}

static void take_replies(struct exchange *replies)
{
    while (replies) {
        struct exchange *e = replies;
        replies = e->next;
        conn_reply(e);
    }
}

/* Wakes are merged by libuv, so each takes everything there is (pitfall U2). */
static void on_wake(uv_async_t *async)
{
    struct loop *loop = async->data;
    pthread_mutex_lock(&loop->lock);
    struct loop_socket *sockets = loop->sockets;
    struct exchange *replies = loop->replies;
    enum loop_order order = loop->order;
    loop->sockets = NULL;
    loop->replies = NULL;
    pthread_mutex_unlock(&loop->lock);
    take_sockets(loop, sockets);
    take_replies(replies);
    if (order > loop->obeyed) {
        obey(loop, order);
    }
}

/* ---- life ---- */

RESULT loop_init(struct loop *loop, struct net_server *server, int index)
{
    loop->server = server;
    loop->index = index;
    pthread_mutex_init(&loop->lock, NULL);
    int e = uv_loop_init(&loop->uv);
    if (e) {
        return result_error(ERR_INTERNAL, 0, "loop: %s", uv_strerror(e));
    }
    uv_async_init(&loop->uv, &loop->wake, on_wake);
    uv_timer_init(&loop->uv, &loop->tick);
    loop->wake.data = loop->tick.data = loop;
    return RESULT_OK;
}

static void *loop_body(void *arg)
{
    struct loop *loop = arg;
    uint64_t tick = tick_ms(&loop->server->limits);
    uv_timer_start(&loop->tick, on_tick, tick, tick);
    uv_run(&loop->uv, UV_RUN_DEFAULT);
    OPENSSL_thread_stop(); /* pitfall T6 */
    return NULL;
}

RESULT loop_start(struct loop *loop)
{
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, LOOP_STACK);
    int e = pthread_create(&loop->thread, &attributes, loop_body, loop);
    pthread_attr_destroy(&attributes);
    if (e) {
        return result_error(ERR_INTERNAL, 0, "loop thread: %s", strerror(e));
    }
    loop->started = true;
    return RESULT_OK;
}

void loop_join(struct loop *loop)
{
    if (loop->started) {
        pthread_join(loop->thread, NULL);
    } else {
        uv_run(&loop->uv, UV_RUN_DEFAULT); /* obeys the order to stop */
    }
    uv_loop_close(&loop->uv);
    pthread_mutex_destroy(&loop->lock);
    buf_free(&loop->out);
}
