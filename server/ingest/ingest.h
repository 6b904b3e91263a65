/* ingest: one upload, one transaction (design section 5).
 *
 * receipt (unique sender + messageId) -> frames -> corrections -> rollup marks -> outbox rows -> COMMIT ->
 * answer. Nothing is acknowledged before. A lost COMMIT is unknown: the receipt is looked for, then decided.
 * 40001/40P01 repeat the whole transaction a bounded number of times; class 08 reconnects and answers 9102.
 * Thread: one struct ingest per worker thread. Answer texts live in the request's arena. */
#ifndef NHJC_INGEST_INGEST_H
#define NHJC_INGEST_INGEST_H

#include "payload/envelope.h"
#include "payload/payload.h"
#include "registry/registry.h"
#include "validate/network.h"

struct ingest;

enum upload_via { VIA_DEVICE = 0, VIA_PLATFORM = 1, VIA_FILE = 2 };

struct ingest_config {
    struct registry *registry;
    const struct payload_limits *limits;
    size_t max_plain; /* 64 MB */
    int64_t future_ms;
    int64_t reported_tolerance_ppm; /* 3402 beyond this part of the computed value */
    int64_t late_grace_ms;          /* on time: by the interval's end + upload period + this */
    int destinations[8];            /* destination ids that get outbox rows */
    int destination_count;
    void (*on_marks)(int32_t unit_id, void *arg); /* after COMMIT: rollup and forwarder hints; never blocks */
    void *arg;
};

/* Takes neither config nor db; both outlive it. */
RESULT ingest_new(const struct ingest_config *config, struct db *db, struct ingest **ingest);
void ingest_free(struct ingest **ingest);

struct upload_request {
    enum upload_via via;
    const char *sender_code;                                            /* identity: enterprise code or platform code */
    int32_t sender_id;                                                  /* unit.id or platform.id */
    const char *message_id;                                             /* NULL: absent */
    const char *device_id;                                              /* via device */
    const char *enterprise_code;                                        /* via device */
    const char *platform_code;                                          /* via platform */
    const char *content_encoding, *encryption, *digest_method, *digest; /* as sent */
    const void *content;
    size_t content_len;
    const unsigned char *key; /* payload key, NULL: none */
    size_t key_len;
    const char *ciphers; /* allowed encryption names, separated by blanks; NULL or "": all */
    const char *digests; /* allowed digest methods, likewise */
    bool outdated;       /* regVersion or dicVersion is not the current one: 2108 as a warning */
    const char *peer;    /* for logs */
};

struct upload_answer {
    int code;            /* contract section 5 */
    const char *message; /* bilingual */
    char upload_id[24];  /* "" when nothing was received durably */
    bool duplicate;
    int received, stored, unchanged, corrected, suspect, rejected;
    bool findings_truncated;
    struct findings findings;
};

/* Always fills the answer; the code says how it went (an ERR_TRANSIENT database becomes 9102). */
void ingest_upload(struct ingest *in, const struct upload_request *request, struct arena *arena,
                   struct upload_answer *answer);

/* Checks messageId by contract section 7.5: 1..64 characters, no control characters, no outer blanks. */
bool message_id_valid(const char *id);
/* First 128 bits of SHA-256 of the message id, for the receipt key. */
RESULT message_id_hash(const char *id, unsigned char out[16]);

/* A whole refusal (network or communication level) for the operator's list; never fails the caller. */
void ingest_log_refused(struct db *db, const char *sender_code, const char *peer, const char *operation,
                        const char *message_id, const char *device_id, int code, const char *message);

#endif
