/* outbox_store: the SQL of outbox and fep_message: what is still to be forwarded, and the messages that carry it.
 *
 * For:    forwarder (claim, take, settle), nhjcctl (list, requeue), housekeeping (prune).
 * Rules:  a message moves only by outbox_next() (fep_state.h), asked while its row is locked. Rows of an
 *         enterprise are claimed in id order and only while none of its messages is open (leased, waiting): order
 *         per enterprise is kept whatever happens to a message. A parked message that an operator sends again
 *         keeps its id and bytes as long as nothing younger went out; otherwise its rows are packed anew, and
 *         claiming them makes ready again what was sent after them.
 * Owner:  texts and bytes of a struct fep_message are its own: fep_message_free.
 * Errors: as db.h. Thread: one at a time per connection. Units: instants in microseconds (clock_now). */
#ifndef NHJC_FEP_OUTBOX_STORE_H
#define NHJC_FEP_OUTBOX_STORE_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/result.h"
#include "db/db.h"
#include "fep/fep_state.h"
#include "fep/pack.h"

#define FEP_MESSAGE_ID 80

/* ---- what waits ---- */

struct outbox_row { /* a ready row */
    int32_t unit_id;
    char unit_code[19];
    int kind;          /* enum pack_kind */
    int32_t sender_id; /* with upload_id, received_at: the archived payload */
    int64_t id, upload_id, received_at;
    bool late; /* younger rows of its enterprise may have been sent: they are sent again after it */
    int turn;  /* 1: the first ready row of its enterprise, 2: the second … */
};

/* Enterprises with ready rows and no open message, ids after `after` first, then round from the beginning; those
 * in skip are left out. units: room for max. */
RESULT outbox_units(struct db *db, int destination, int32_t after, const int32_t *skip, size_t skip_count, size_t max,
                    int32_t *units, size_t *count);
/* Their first ready rows, at most per_unit each: the first row of each enterprise in the order of units, then the
 * second ones … *rows: given, mem_free. */
RESULT outbox_rows(struct db *db, int destination, const int32_t *units, size_t count, size_t per_unit,
                   struct outbox_row **rows, size_t *row_count);

struct outbox_payload { /* what one ready row carries */
    bool found;
    struct pack_source source;
};
/* The payloads of the first out->count of `rows` (data rows of different uploads): at least one, then as many as
 * fit into max_bytes together. They live until outbox_payloads_free. */
struct outbox_payloads {
    struct db_rows *rows;
    struct arena *arena;
    struct outbox_payload *at;
    size_t count;
};
RESULT outbox_payloads(struct db *db, const struct outbox_row *const *rows, size_t count, int64_t max_bytes,
                       struct outbox_payloads *out);
void outbox_payloads_free(struct outbox_payloads *p);

struct outbox_document { /* of a row of kind 1 */
    bool found;
    struct buf content;
    char region_code[8]; /* of the enterprise, as admitted */
    int32_t period;
};
RESULT outbox_document(struct db *db, const struct outbox_row *row, struct outbox_document *out);
void outbox_document_free(struct outbox_document *d);

/* ---- messages ---- */

struct fep_message {
    int64_t id;
    char message_id[FEP_MESSAGE_ID];
    int kind;     /* enum pack_kind */
    int attempts; /* this one included */
    int put_off;  /* answers 9xxx in a row before this attempt */
    int records;
    char digest[65];    /* hex SHA-256 of the plain XML */
    struct buf content; /* gzip */
};
void fep_message_free(struct fep_message *m);

struct outbox_claim { /* READY rows become one LEASED message; or a PARKED one without bytes, with a reason */
    int destination;
    const char *prefix; /* of the message id: "420000-1"; the rest is number and digest */
    int kind, records;
    const char *digest;
    const struct buf *content; /* NULL: cannot be made, parked with reason */
    const char *reason;
    const struct outbox_row *rows;
    size_t row_count;
    int64_t now, lease_until;
};
/* One transaction. *id 0: the rows were taken by somebody else meanwhile, nothing was stored. */
RESULT outbox_claim(struct db *db, const struct outbox_claim *claim, int64_t *id, char message_id[FEP_MESSAGE_ID]);

/* The oldest due waiting message none of whose enterprises has an older open one: leased. m->id 0: none. Those that
 * were parked come after the others; one that younger data have overtaken is released instead. */
RESULT outbox_take(struct db *db, int destination, int64_t now, int64_t lease_until, struct fep_message *m);

struct outbox_outcome { /* what happened to a message */
    enum fep_event event;
    int64_t now, next_at;
    int code;         /* responseCode or fault code, -1: none */
    const char *text; /* the other side's words, or ours about the transport */
    const char *upload_id;
};
/* Moves the message. *to: where it is now; a message that is gone stays gone (FEP_READY). */
RESULT outbox_settle(struct db *db, int64_t id, const struct outbox_outcome *outcome, enum fep_state *to);

struct outbox_share { /* one enterprise's part of a message */
    int32_t unit_id;
    char unit_code[19];
    int64_t last_id; /* of its rows */
    int64_t rows;
};
/* *shares: given, mem_free. */
RESULT outbox_shares(struct db *db, int64_t id, struct outbox_share **shares, size_t *count);

/* Leased messages whose holder is gone (lease before `before`, not in `mine`) become due. */
RESULT outbox_recover(struct db *db, int destination, int64_t before, const int64_t *mine, size_t mine_count,
                      int64_t now, size_t *count);
/* After an outage: waiting messages need not sit out the pause that the outage gave them. */
RESULT outbox_hasten(struct db *db, int destination, int64_t now);

enum { OUTBOX_STUCK_TRIES = 8 };
struct outbox_lag {
    int64_t pending;       /* rows not yet at the other side, parked ones not counted */
    int64_t parked;        /* messages */
    int64_t oldest;        /* received_at of the oldest pending row, 0: none */
    int64_t parked_oldest; /* of the oldest row of a parked message, 0: none */
    int64_t stuck;         /* open messages tried OUTBOX_STUCK_TRIES times and more */
};
RESULT outbox_lag(struct db *db, int destination, struct outbox_lag *lag);

/* One forwarder per destination and database: true while this connection holds the right. */
RESULT outbox_own(struct db *db, int destination, bool *owner);

/* ---- for the operator ---- */

struct outbox_filter {
    const char *destination; /* name; NULL: all */
    const char *unit_code;   /* NULL: all */
    const char *state; /* "ready" … "parked", "open" (all but sent), "partly" (sent, not all taken); NULL: all */
    int64_t upload_id; /* 0: all */
    int64_t limit;     /* 0: no limit */
};

struct outbox_entry { /* texts live during the callback */
    int64_t id;
    const char *destination, *unit_code;
    int kind;
    int64_t upload_id; /* kind 1: configuration version */
    int64_t received_at;
    const char *state;
    int64_t message; /* fep_message.id, 0: ready */
    const char *message_id;
    int attempts;
    int64_t next_at;    /* 0: none */
    int64_t settled_at; /* 0: none */
    int response_code;  /* -1: no answer yet */
    const char *response_text, *remote_upload_id;
    int records; /* of the whole message */
};

/* Rows in id order; fetched in pages, so any number may be listed. false from fn stops. */
RESULT outbox_list(struct db *db, const struct outbox_filter *filter,
                   bool (*fn)(const struct outbox_entry *entry, void *arg), void *arg);
/* Parked messages are tried again with the same id and bytes; one that could never be made, or that younger data of
 * its enterprise have overtaken, is made anew from its rows. message 0: all parked ones (of the destination named,
 * NULL: of every); a message that was sent but taken only in part (code 2) must be named, and is made anew, because its
 * id is used up. NOT_FOUND: no such parked message. */
RESULT outbox_requeue(struct db *db, int64_t message, const char *destination, int64_t now, int64_t *count);
/* The same for all messages that were taken only in part. */
RESULT outbox_requeue_partly(struct db *db, const char *destination, int64_t now, int64_t *count);

struct outbox_filled {
    int64_t enterprises, uploads;
    int64_t unreadable; /* uploads the archive does not hold any more; a set of several enterprises is one */
};
/* Queues the configuration and all uploads received since `from` that the archive still holds, in the order they came,
 * of one enterprise (unit_code) or of all: for a destination that was added later, or did not store what it answered
 * for. What was sent before goes once more, so that the last word stays the last; the other side counts it as
 * unchanged. One transaction per enterprise; it may be run again. NOT_FOUND: no such active destination, enterprise. */
RESULT outbox_fill(struct db *db, const char *destination, const char *unit_code, int64_t from,
                   struct outbox_filled *filled);
/* Housekeeping, in small transactions: bytes of messages sent before content_before go, messages sent before
 * rows_before go with their rows; but rows of an enterprise that are younger than a parked message of it stay, because
 * they must follow when the operator sends that again. Stops after about a second; *more tells whether something is
 * left. */
RESULT outbox_prune(struct db *db, int64_t content_before, int64_t rows_before, int64_t *removed, bool *more);

#endif
