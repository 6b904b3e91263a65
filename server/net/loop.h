/* loop: one event loop thread, its connections by state, its inbox and its deadlines.
 *
 * Deadlines: a connection waits in the list of its state, put at the end whenever its waiting begins anew. All
 *         connections of a state are granted the same time (but CONN_BODY), so the first of a list is the first
 *         to expire, and one coarse tick per loop is enough; no timer per connection.
 * Inbox:  the only door for other threads: new sockets, answers, orders. Everything else: loop only. */
#ifndef NHJC_NET_LOOP_H
#define NHJC_NET_LOOP_H

#include <pthread.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <uv.h>

#include "net/conn.h"
#include "net/exchange.h"
#include "net/tls.h"

#define LOOP_INPUT (64 * 1024)

struct conn_list {
    struct conn *first, *last;
};

struct loop_socket { /* an accepted connection on its way to its loop */
    int fd;
    struct sockaddr_storage address;
    struct loop_socket *next;
};

enum loop_order {
    LOOP_RUN,
    LOOP_DRAIN, /* end what is idle, finish what is in hand */
    LOOP_CLEAR, /* end every connection now */
    LOOP_STOP   /* and the loop itself */
};

struct loop {
    struct net_server *server;
    int index;
    pthread_t thread;
    bool started;
    uv_loop_t uv;
    uv_async_t wake;
    uv_timer_t tick;

    pthread_mutex_t lock; /* guards the three below */
    struct exchange *replies;
    struct loop_socket *sockets;
    enum loop_order order;

    enum loop_order obeyed;
    struct conn_list lists[CONN_STATES];
    int64_t log_second; /* refused connections are logged, but not a flood of them */
    int logged, suppressed;

    uint8_t input[LOOP_INPUT]; /* where reads arrive; used up within the call */
    uint8_t plain[TLS_RECORD]; /* one decrypted record */
    uint8_t piece[TLS_RECORD]; /* head and first bytes of an answer in one record */
    struct buf out;            /* records to be sent, flushed before another connection is served */
};

RESULT loop_init(struct loop *loop, struct net_server *server, int index);
RESULT loop_start(struct loop *loop);
/* Any thread; the thread has been started. */
void loop_give_socket(struct loop *loop, int fd, const struct sockaddr_storage *address);
void loop_give_reply(struct loop *loop, struct exchange *exchange);
void loop_order(struct loop *loop, enum loop_order order);
/* After LOOP_STOP: waits for the thread's end and frees. */
void loop_join(struct loop *loop);

/* Loop only. */
void loop_list_move(struct loop *loop, struct conn *conn, int from, int to);
bool loop_may_log(struct loop *loop);

#endif
