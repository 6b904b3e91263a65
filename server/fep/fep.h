/* fep: front-end processor 前置机: forwards accepted uploads and configurations to upper platforms.
 *
 * Shape:  ingest writes one outbox row per upload, enterprise and destination in the upload's transaction. A
 *         forwarder thread per destination packs ready rows of several uploads (order per enterprise kept,
 *         configuration before the data that follows it) into one message, whose id and bytes are stored
 *         before the first try and never change; sends it with no transaction open; settles it in another.
 * States: ready -> leased -> sent | waiting(next_at) | parked; outbox_next() is the only mover (fep_state.h).
 * Refusals: a permanent refusal of a packed message is split into one message per enterprise; of a single one
 *         it is parked with the other side's words, and what follows for that enterprise goes on.
 * Recovery: a lease left by a crash is taken up with the same id and bytes; the receiver is idempotent.
 * Thread: fep_run is a thread body with its own connection; fep_hint any thread. */
#ifndef NHJC_FEP_FEP_H
#define NHJC_FEP_FEP_H

#include "base/result.h"
#include "db/db.h"

struct fep_destination {
    char *name; /* from [destination NAME] */
    char *url;  /* https://host:port : /services/exchange is added */
    char *cert_file, *key_file, *ca_file;
    char *platform_code; /* our code at the destination */
    char *platform_name;
    int64_t batch_records; /* pack up to this many readings, default 20,000 */
    int64_t retry_min_ms, retry_max_ms;
    bool active;
};

struct fep;

/* Brings the destination rows up to the configuration and gives their ids in order of the array. One that becomes
 * active, new or after a pause, gets the configuration of every enterprise queued (what was uploaded before: `nhjcctl
 * destination fill`); rows that are not in the array become inactive. At start, before uploads are taken. */
RESULT fep_destinations(struct db *db, const struct fep_destination *d, size_t count, int *ids);
RESULT fep_start(const struct fep_destination *destination, int id, const struct db_config *db, struct fep **fep);
void fep_hint(struct fep *fep);
void fep_stop(struct fep **fep);

#endif
