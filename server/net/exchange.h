/* exchange: one request on its way to a worker and back as an answer.
 *
 * Owner:  made by the loop; the worker's between net_take and net_reply; then the loop's again.
 * Thread: one at a time, handed over by the queue and the loop's inbox. */
#ifndef NHJC_NET_EXCHANGE_H
#define NHJC_NET_EXCHANGE_H

#include "net/net.h"

struct conn;
struct loop;

struct exchange {
    struct net_request request; /* first: a net_request is its exchange */
    struct loop *loop;
    struct conn *conn;
    struct exchange *next; /* in the loop's inbox */
    bool is_head;          /* the answer goes without its body */
    size_t charged;        /* bytes counted against the server's body memory */
    struct buf head, body; /* the answer */
    bool close;
    bool dropped; /* nobody is going to answer: close the connection */
};

#endif
