/* config_store: the statements that replace one enterprise's configuration.
 *
 * Runs inside the caller's transaction, under the enterprises' locks. A platform's enterprise that is not known is
 * adopted with the region the document gives, and follows it later; one that was admitted here keeps the region of
 * its admission. Items keep their slot for ever; vanished ones
 * are retired; a changed aggregation, period or register modulus marks every hour that has readings of that page
 * (contract 6.6: the whole history is rolled up again); a changed unit the days with energy accounts of the item.
 * Thread: one at a time.
 * Errors: those of db.h; UNAUTHORISED 1103 the stored enterprise is not under the platform, 1104 not known, suspended
 *         or retired. */
#ifndef NHJC_INGEST_CONFIG_STORE_H
#define NHJC_INGEST_CONFIG_STORE_H

#include "base/buf.h"
#include "db/db.h"
#include "validate/config_check.h"

struct config_write {
    const struct checked_config *checked;
    const struct enterprise_config *config; /* all objects */
    const void *document;                   /* stored as the payload */
    size_t document_len;
    unsigned char digest[32]; /* of the canonical form */
    const char *message_id;
    int32_t from_platform;     /* 0: an enterprise of our own, must exist */
    const char *platform_code; /* of from_platform */
    const int *destinations;
    int destination_count;
    int64_t now;
    /* out */
    int32_t unit_id, version;
    bool changed, remarked;
    const int32_t *remeasured, *reaveraged; /* slots whose unit is another one; that show a mean now, or no longer: for
                                               config_remeasure */
    size_t remeasured_count, reaveraged_count;
};

/* The document element with its namespace, attributes in document order: what digests and sets are made of. */
void config_canonical(const struct enterprise_config *config, struct buf *out);
/* First in the transaction: adopts what a platform brings, locks all enterprises in the order of their ids (P2). */
RESULT config_lock(struct db *db, const struct config_write *writes, size_t count, struct arena *arena);
RESULT config_store(struct db *db, struct config_write *w, struct arena *arena);
/* After all of them were stored, in the order of the enterprises' ids, as rollups lock: energy accounts of changed
 * units are marked; periods that are over and show a mean in place of a total now, or the other way round, are
 * restated. */
RESULT config_remeasure(struct db *db, const struct config_write *writes, size_t count, struct arena *arena);

#endif
