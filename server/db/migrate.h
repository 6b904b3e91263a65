/* migrate: brings a database to the version this program needs.
 *
 * Numbered forward steps (sql/NNNN_name.sql, each once, in one transaction, recorded with its
 * digest) and replaceable text (sql/replace/ *.sql: functions and views, applied again each time).
 * The SQL is compiled into the program, so the binary and its schema cannot drift apart.
 * A step whose recorded digest differs from the program's is refused: history is not edited.
 * Thread: one at a time per database (advisory lock). */
#ifndef NHJC_DB_MIGRATE_H
#define NHJC_DB_MIGRATE_H

#include "db/db.h"

/* SENDER when the database is not UTF8. CONFLICT while a server works on the database (db_use_schema) and something
 * would change. */
RESULT db_migrate(struct db *db, void (*say)(const char *line, void *arg), void *arg);
/* SENDER with what to do when the database is older or newer than the program. */
RESULT db_check_version(struct db *db);
/* What a server says on one of its connections: as long as that lasts, no migration changes the tables under it.
 * TRANSIENT while one does; SENDER when the tables are not this program's. */
RESULT db_use_schema(struct db *db);

#endif
