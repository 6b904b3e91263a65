/* audit: who did what, for the record (table audit_log).
 *
 * For:    operator commands, refused identities, refused handshakes, reloads.
 * Errors: those of db. Inside a transaction of the caller it is part of it. A missing partition of the month is
 *         made only outside a transaction (housekeeping makes them ahead).
 * Thread: as the connection. */
#ifndef NHJC_ADMIN_AUDIT_H
#define NHJC_ADMIN_AUDIT_H

#include "db/db.h"

/* actor: certificate identity or "operator:NAME"; peer "ip:port" or ""; object: what was acted on; code: contract
 * section 5 or 0; detail: never a payload, key or password. */
RESULT audit_write(struct db *db, const char *actor, const char *peer, const char *action, const char *object, int code,
                   const char *detail);

#endif
