/* dic_version: the current dicVersion 基础信息版本, known alike to all threads of a server.
 *
 * Kept for some seconds, so that not every upload asks the database. One store for all workers: were each to keep its
 * own, a device that learned a new version from one would be called outdated (2108) by the next.
 * What a later question to the database gave is never replaced by the answer to an earlier one.
 * Errors: those of db. Thread: any thread (one short lock, never held while the database is asked). */
#ifndef NHJC_QUERY_DIC_VERSION_H
#define NHJC_QUERY_DIC_VERSION_H

#include "db/db.h"

struct dic_version;

struct dic_version *dic_version_new(void);
void dic_version_free(struct dic_version **v);
/* 0 where no base data was loaded. newest: asks the database, however young the kept answer is. */
RESULT dic_version_get(struct dic_version *v, struct db *db, bool newest, int32_t *version);

#endif
