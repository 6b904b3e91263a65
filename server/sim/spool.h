/* spool: messages on disk until the platform has acknowledged them.
 *
 * Shape:  DIR/journal is append-only: messages, marks of delivery, positions in the sources; DIR/lock keeps a second
 *         process out. A message's id and bytes are on disk (spool_sync) before its first try and never change.
 * Crash:  a record cut short or damaged ends the journal: it and what follows are cut off at the next open. Nothing of
 *         it can have been sent, because sending follows spool_sync. A delivery mark that got lost costs one repeat.
 * Ids:    unique for ever: random per spool, numbered, random per message, so that even a spool that lost its end
 *         never uses an id again.
 * Owner:  spool_close. Texts of a message belong to the spool until it is done.
 * Errors: TRANSIENT: the disk is full, nothing has changed, try again; INTERNAL: the disk; CONFLICT: in use, or of
 * another enterprise or device. Thread: one at a time. */
#ifndef NHJC_SIM_SPOOL_H
#define NHJC_SIM_SPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/result.h"

struct spool;

struct spool_message {
    uint64_t number; /* given by spool_append */
    char id[65];     /* given by spool_append */
    char encoding[12], encryption[16], digest_method[12], digest[65];
    int readings;
    const char *label; /* which source the readings are of */
    int64_t position;  /* instant of the last slot in it: the source was read up to here */
};

/* Makes the folder when missing. owner: "ENTERPRISE/SERIAL". *cut: bytes of a torn end that were dropped. */
RESULT spool_open(const char *dir, const char *owner, struct spool **spool, size_t *cut);
void spool_close(struct spool **spool);

RESULT spool_append(struct spool *spool, struct spool_message *message, const struct buf *content);
RESULT spool_sync(struct spool *spool); /* after this, what was appended may be sent */

size_t spool_pending(const struct spool *spool); /* messages */
int64_t spool_pending_readings(const struct spool *spool);
/* The oldest message and its content; NULL when none. content is cleared first. */
RESULT spool_head(struct spool *spool, const struct spool_message **message, struct buf *content);
/* The oldest message was delivered, with this response code. Shortens the journal now and then. */
RESULT spool_done(struct spool *spool, int code);

/* How far a source was read; INT64_MIN: never. spool_forget lets it begin again. */
int64_t spool_position(const struct spool *spool, const char *label);
void spool_forget(struct spool *spool, const char *label);
/* Waiting messages and all positions are gone, on the disk too: they were meant for a platform that is no more.
 * TRANSIENT: only in memory yet; call again. */
RESULT spool_start_over(struct spool *spool);

/* A fresh id that belongs to this spool, for messages that need no journal. */
void spool_new_id(struct spool *spool, char id[65]);

/* Small state beside the journal ("device"): key=value lines, replaced whole, readable by the owner alone. */
RESULT spool_save_state(struct spool *spool, const struct buf *text);
RESULT spool_load_state(struct spool *spool, struct buf *text); /* empty when there is none */
/* The lists of the platform beside it ("base-data"), likewise. */
RESULT spool_save_base_data(struct spool *spool, const struct buf *text);
RESULT spool_load_base_data(struct spool *spool, struct buf *text);

#endif
