/* unit_load: rows of the database -> immutable struct unit. Inside registry only. */
#ifndef NHJC_REGISTRY_UNIT_LOAD_H
#define NHJC_REGISTRY_UNIT_LOAD_H

#include "registry/registry.h"

/* A run of units in order of id, with their items and devices, however many queries that took. */
struct unit_batch {
    struct unit **units; /* each with one reference, which belongs to who takes it from here */
    size_t count;
};

/* The first `limit` units whose id is above `after`. */
RESULT unit_load_after(struct db *db, int32_t after, int32_t limit, struct unit_batch *batch);
RESULT unit_load_code(struct db *db, const char *code, struct unit_batch *batch);
RESULT unit_load_id(struct db *db, int32_t id, struct unit_batch *batch);
void unit_batch_free(struct unit_batch *batch); /* releases what is still in it */

#endif
