/* conn: one connection of a client: TLS, framing, the request in hand, the answer.
 *
 * Shape:  one enum state; conn_move() alone changes it. Events (bytes, answer, written, expired) do what the
 *         state says and then let the connection run as far as its input allows.
 * Memory: while idle it owns its socket, OpenSSL's session without record buffers, and the peer's certificate
 *         as text. Buffers exist only while a request is under way.
 * Thread: loop only, that of conn->loop. The peer certificate is also read by the worker that holds the request,
 *         for as long as it holds it. */
#ifndef NHJC_NET_CONN_H
#define NHJC_NET_CONN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <uv.h>

#include "base/buf.h"
#include "net/exchange.h"
#include "net/http.h"
#include "net/peer.h"
#include "net/tls.h"

enum conn_state {
    CONN_HANDSHAKE, /* accepted; the client is not yet known */
    CONN_IDLE,      /* between requests: nothing of the next one has arrived */
    CONN_HEADER,    /* the first byte of a request has arrived, but not all of its header */
    CONN_BODY,      /* the header was accepted, the body is arriving */
    CONN_BUSY,      /* the whole request is with the workers; what arrives meanwhile waits, a few KB of it */
    CONN_WRITING,   /* the answer is on its way */
    CONN_LINGER,    /* the last bytes are sent and our side is shut; what arrives is dropped until the peer
                       closes too, so that no reset destroys what it has not read yet */
    CONN_CLOSED,    /* the socket is closing; freed when libuv and the worker have let go */
    CONN_STATES
};

struct conn {
    struct loop *loop;
    struct conn *prev, *next; /* in the list of its state */
    enum conn_state state;
    int64_t since;    /* loop milliseconds: when the waiting of this state began */
    int64_t accepted; /* monotonic ns */
    unsigned address; /* where its handshake is counted */
    uv_tcp_t tcp;
    uv_shutdown_t shutdown;
    struct tls_session tls;
    struct peer_cert *cert; /* NULL until the handshake is over */
    char peer[64];

    struct buf sealed;         /* arrived, not decrypted: the peer sends ahead while we are busy */
    struct buf plain;          /* decrypted, of the next request */
    struct http *http;         /* the request being framed */
    size_t charged;            /* its bytes counted against the server's body memory */
    size_t quiet;              /* bytes of TLS since the last byte of HTTP */
    struct exchange *exchange; /* the request with the workers */

    struct buf head, body; /* the answer being written */
    size_t answer_charged; /* its bytes counted against the server's body memory */
    size_t sent;           /* bytes of head and body sealed so far */
    int writes;            /* uv_writes under way */
    bool close_after;      /* no further request after this answer */
    bool unread;           /* the peer may still be sending what nobody is going to read */
    bool reading;
    bool peer_ended; /* the peer will send nothing more */
    bool tls_broken; /* OpenSSL must not be asked again */
    bool shut;       /* our side is written and shut */
    bool uv_closed;
};

/* Takes fd, and the handshake that was counted for it. */
void conn_open(struct loop *loop, int fd, const struct sockaddr_storage *address);
void conn_reply(struct exchange *exchange); /* takes the exchange back from its worker */
bool conn_expired(const struct conn *conn, int64_t now);
void conn_expire(struct conn *conn); /* its time is up */
void conn_drain(struct conn *conn);  /* end it if nothing is in hand */
void conn_abort(struct conn *conn);  /* end it now */

#endif
