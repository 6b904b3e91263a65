/* housekeeping: the thread that keeps the server's surroundings in order, with a connection of its own.
 *
 * Always:  LISTEN nhjc_registry -> registry_reload_unit; everything is reloaded after a lost connection. Refused
 *          handshakes and reloads go from a bounded queue into the audit log.
 * By time: partitions ahead, partitions past their retention dropped, forwarded entries pruned, gauges for metrics,
 *          day rows of past months packed (pack.h), alarms (alarm.h), statistics of partitioned tables, devices asked
 *          for readings that are missing, a new dicVersion on the day on which entries of the base data begin or end.
 *
 * Errors:  logged; a database that is away is tried again with backoff, the queue keeps its entries meanwhile. A job
 * that fails by itself (a timeout too) is tried again in a minute and keeps no other waiting; an entry that the
 *          database refuses for good is counted, logged and given up.
 *
 * Thread:  housekeeping_audit, _refused, _status from any thread, never block. Start and stop: main. */
#ifndef NHJC_ADMIN_HOUSEKEEPING_H
#define NHJC_ADMIN_HOUSEKEEPING_H

#include "admin/retention.h"
#include "db/db.h"
#include "fep/fep.h"
#include "registry/registry.h"

struct housekeeping;

struct housekeeping_config {
    struct db_config db; /* without statement timeout: a large month takes its time to go */
    struct registry *registry;
    int partitions_ahead; /* months */
    int64_t outbox_keep_ms;
    struct retention keep;     /* all zero: nothing is dropped */
    int64_t reupload_every_ms; /* 0: devices are never asked for what is missing */
    int reupload_days, reupload_open;
    const struct fep_destination *destinations; /* whose certificates are watched; borrowed until the stop */
    size_t destination_count;
};

RESULT housekeeping_start(const struct housekeeping_config *config, struct housekeeping **h);
/* An audit row, written soon by the thread. A full queue drops and counts. NULL texts are empty. */
void housekeeping_audit(struct housekeeping *h, const char *actor, const char *peer, const char *action, int code,
                        const char *detail);
/* The same for net_on_refused; arg: the struct housekeeping. */
void housekeeping_refused(int code, const char *reason, const char *peer, const char *subject, void *arg);
/* Waits for no job: its statement is cancelled. Entries in hand are written. */
void housekeeping_stop(struct housekeeping **h);

/* "key value" lines about what waits, as of the last look (every few seconds). */
void housekeeping_status(struct buf *out);
/* The same after "database ok|away|full" (full: for a minute after it was out of disk, memory or connections), the
 * seconds since the last round (a long job: no new round) and failed jobs. false: the database is not ok. */
bool housekeeping_health(struct housekeeping *h, struct buf *out);

/* Partitions from two months back to `ahead` months ahead of the platform's clock. */
RESULT housekeeping_partitions(struct db *db, int ahead);

#endif
