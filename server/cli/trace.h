/* trace: one reading's life as structures, gathered from the database and told as text or as JSON.
 *
 * For:    nhjcctl trace. trace_gather fills in what trace_text and trace_json tell.
 * Owner:  everything in a story lives in the arena that trace_gather was given, and as long; enterprise is borrowed.
 *         The caller has called payload_init.
 * Errors: NOT_FOUND without such an enterprise; those of the database. An archive that cannot be opened is part of the
 *         story, and so is an item that nobody configured.
 * Units:  times in microseconds, values scaled like dec128 (base/decimal.h).
 * Thread: one at a time. */
#ifndef NHJC_CLI_TRACE_H
#define NHJC_CLI_TRACE_H

#include "base/arena.h"
#include "base/buf.h"
#include "db/db.h"
#include "payload/datacode.h"

struct trace_correction {
    int64_t received_at, upload_id, old_value, new_value;
    int old_flag, new_flag;
};

struct trace_row { /* of the view: a period that the reading is added into */
    const char *granularity;
    int64_t stat_date;
    const char *value; /* NULL: none */
    int64_t count, expected;
    const char *completeness, *source;
};

struct trace_restated { /* of a period that the reading is added into; numbers as text, NULL: none */
    int64_t restated_at, stat_date;
    const char *granularity, *reason;
    const char *old_value, *new_value, *old_tce, *new_tce, *old_co2, *new_co2;
    int64_t upload_id; /* 0: none caused it */
};

struct trace_record { /* the reading as it stands in an upload */
    int64_t line;
    const char *value;
    int input_type, scope;
    bool valid;
    bool beside_others; /* on its line there are other records */
};

struct trace_finding {
    int64_t code, line;
    const char *severity, *words, *message; /* words: severity for people */
};

struct trace_forwarded {
    const char *destination, *state, *message_id;
    int64_t attempts;
    bool answered;
    int64_t response_code;
    const char *remote_upload_id, *response_text;
};

struct trace_carrier {
    int64_t received_at, upload_id;
    const char *message_id;
    const char *unreadable; /* why the archived content cannot be opened; NULL: it was, and holds the records */
    struct trace_record *records;
    size_t record_count, record_cap;
    struct trace_finding *findings;
    size_t finding_count;
    struct trace_forwarded *forwarded;
    size_t forwarded_count;
};

struct trace_refused { /* an upload refused whole: it may have carried the reading */
    int64_t received_at;
    const char *operation, *message_id, *message;
    int64_t code;
};

struct trace_story {
    /* what is asked for */
    const char *enterprise;
    char code[DATACODE_LEN + 1];
    int64_t ts;
    int stat_type;
    int64_t from, to; /* uploads received in [from, to) */
    /* what is told */
    bool configured; /* without: nothing is stored, but uploads may have carried it in vain (3101, 3304) */
    const char *name, *unit, *aggregation;
    int64_t period;
    bool active;
    bool has_value;
    int64_t value;
    int flag;
    struct trace_correction *corrections;
    size_t correction_count;
    struct trace_row *rows;
    size_t row_count;
    struct trace_restated *restated; /* the last of them, in the order of time */
    size_t restated_count;
    struct trace_carrier *carriers;
    size_t carrier_count, carrier_cap;
    int64_t expired;               /* uploads of which the archive holds nothing any more: any may have carried it */
    struct trace_refused *refused; /* the first of them */
    size_t refused_count;
    int64_t refused_total;
};

RESULT trace_gather(struct db *db, struct arena *a, struct trace_story *story);
bool trace_found(const struct trace_story *story); /* the item is configured, or an upload carried it */

/* Both append the whole story; trace_json one JSON object, described in cli/README.md. */
void trace_text(const struct trace_story *story, struct buf *out);
void trace_json(const struct trace_story *story, struct buf *out);

/* The words for the n-th bit of a flag that is set, beginning with *at = 0; false: no further one. */
bool trace_flag(int flag, size_t *at, const char **key, const char **words);
/* The words for why a period was restated: Chinese, then the reason itself. */
const char *restated_words(const char *reason);

#endif
