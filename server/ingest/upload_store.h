/* upload_store: the statements of one upload's transaction, and of looking one up again.
 *
 * Two round trips in the usual case: upload_store_begin (BEGIN, the enterprises' locks, receipt, new frames) and
 * upload_store_finish (payload, marks, outbox, record, findings, corrections, COMMIT). Frames that were there
 * already cost a third one in between (upload_store_fetch).
 * Thread: one at a time. Errors: those of db.h. */
#ifndef NHJC_INGEST_UPLOAD_STORE_H
#define NHJC_INGEST_UPLOAD_STORE_H

#include "db/composite.h"
#include "ingest/frame_plan.h"
#include "ingest/ingest.h"

struct upload_store {
    struct db *db;
    struct db_params params;
    struct composite composite;
    int64_t next_id, last_id; /* block of upload ids in hand */
    uint64_t months[8];       /* known partitions of readings: bit per month since 2010 */
    uint64_t receipt_months[8];
};

#define RECEIPT_DIGEST_LEN 33 /* method byte, then the digest */

struct stored_upload { /* what is written besides the frames */
    int64_t upload_id, received_at;
    int32_t sender_id;
    int32_t unit_id; /* 0: a platform's set */
    enum upload_via via;
    const char *message_id, *device_id;
    unsigned char message_hash[16];
    unsigned char digest[RECEIPT_DIGEST_LEN];
    int encoding, cipher;
    const void *content;
    size_t content_len;
    int response_code;
    int received, suspect, rejected;
    struct frame_counts counts;
    const int32_t *rejected_ordinals;
    const struct findings *findings;
    const int32_t *lock_units; /* ascending, without repetition */
    size_t lock_count;
    bool merged; /* upload_store_merge was here */
    const int *destinations;
    int destination_count;
};

void upload_store_init(struct upload_store *s, struct db *db);
void upload_store_free(struct upload_store *s);
RESULT upload_store_next_id(struct upload_store *s, int64_t *id);
/* Partitions for every frame and for received_at; in transactions of their own. */
RESULT upload_store_partitions(struct upload_store *s, const struct frame_plan *plan, int64_t received_at);
void upload_store_forget_partitions(struct upload_store *s);

struct upload_begun {
    bool duplicate;   /* the receipt existed */
    int32_t *version; /* as long as lock_units: each one's configuration under the lock; -1: it is no more */
};
/* BEGIN, locks, versions, receipt, and (plan not NULL) the new frames in the same round trip. exists[i] is set for each
 * frame that was there already. */
RESULT upload_store_begin(struct upload_store *s, const struct stored_upload *u, const struct frame_plan *plan,
                          struct upload_begun *begun, bool *exists);
/* The new frames on their own, after a begin without a plan. */
RESULT upload_store_new_frames(struct upload_store *s, const struct frame_plan *plan, bool *exists);
/* Merges the frames marked in exists with what is stored. */
RESULT upload_store_fetch(struct upload_store *s, struct frame_plan *plan, const bool *exists);
/* Writes merged frames ahead of the rest, for a rule that compares with what is stored. */
RESULT upload_store_merge(struct upload_store *s, struct stored_upload *u, const struct frame_plan *plan,
                          const bool *exists);
/* Writes the rest and commits. *commit_sent tells whether COMMIT was on its way when an error came (P9). */
RESULT upload_store_finish(struct upload_store *s, const struct stored_upload *u, const struct frame_plan *plan,
                           const bool *exists, bool *commit_sent);

/* The first answer to (sender, message hash). *found false: no receipt. digest: as stored, with method byte. */
RESULT upload_store_lookup(struct upload_store *s, int32_t sender_id, const unsigned char hash[16], struct arena *arena,
                           bool *found, unsigned char digest[RECEIPT_DIGEST_LEN], struct upload_answer *answer);

#endif
