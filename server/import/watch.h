/* watch: the thread that takes files from the spool folder (option import_dir) of a running server.
 * Start and stop: main thread. It has a connection and an ingest of its own. */
#ifndef NHJC_IMPORT_WATCH_H
#define NHJC_IMPORT_WATCH_H

#include "import/import.h"

struct watch;

struct watch_config {
    const char *folder;
    struct db_config db;
    struct ingest_config ingest;
};

/* The folder must exist. Borrows the strings of config until watch_stop. */
RESULT watch_start(const struct watch_config *config, struct watch **watch);
void watch_stop(struct watch **watch); /* NULL inside is fine */

#endif
