/* What the files of this folder share, and nobody else sees. */
#ifndef NHJC_INGEST_INTERNAL_H
#define NHJC_INGEST_INTERNAL_H

#include "ingest/ingest.h"
#include "ingest/upload_store.h"
#include "validate/config_check.h"

struct ingest {
    struct ingest_config config;
    struct upload_store store;
    struct hash *base_data; /* "list/code" valid in the version and on the day below, for 3104 */
    int32_t dic_version, dic_day;
};

/* The code a client sees for an error: a public one, or "busy, the same messageId again later". */
int ingest_public_code(struct result r);
/* Base data of the current dicVersion behind ctx->in_base_data. */
RESULT ingest_config_context(struct ingest *in, struct config_context *ctx);

#endif
