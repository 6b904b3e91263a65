/* business level: each record against the registry snapshot and the clock; a refused record is refused
 * alone, with its line and reason (contract sections 4.3, 5, 6).
 *
 * In:     what payload read (texts as sent). Out: readings ready to store, in the order of the document,
 *         and findings. Conversion (text to value) is kept apart from opinion (rules as table rows).
 * Pure:   no database, no clock of its own; rules that need the recent past get it from ingest
 *         (business_past.h).
 * Thread: any thread. Output lives in the arena. */
#ifndef NHJC_VALIDATE_BUSINESS_H
#define NHJC_VALIDATE_BUSINESS_H

#include "payload/payload.h"
#include "registry/registry.h"
#include "validate/flags.h"

struct reading {
    uint32_t block;   /* index into the set's energy_data */
    uint32_t ordinal; /* of the record in the whole set, from 0 */
    const struct record *record;
    const struct item *item;
    int64_t ts;    /* start of the interval; exact period start for day, month, year */
    int64_t value; /* scaled */
    int16_t flag;
    bool placed; /* its flags of FLAG_SERIES_MASK are known for sure (business_past.h) */
};

struct business_context {
    int64_t now;       /* unix us */
    int64_t future_ms; /* 3302: 5 minutes */
    int64_t earliest;  /* 3303: 2010-01-01 00:00:00 */
};

struct business_result {
    struct reading *readings;
    size_t count, cap;
    int32_t *rejected; /* ordinals, ascending */
    size_t rejected_count, rejected_cap;
};

/* One block of records of one enterprise. first_ordinal: ordinal of its first record in the set. */
void business_check(const struct business_context *ctx, const struct unit *unit, const struct energy_data *block,
                    uint32_t block_index, uint32_t first_ordinal, struct findings *findings, struct arena *arena,
                    struct business_result *out);

#endif
