/* command_store: what is asked of end devices 下发命令, from the operator's word to the device's result.
 *
 * Way:    queued -> sent (with a Heartbeat) -> done | failed (ReportCommand); an operator may cancel what is not
 * finished. Repeat: an answer can get lost, so a command that was sent is given again after COMMAND_RESEND_S without a
 * result; a device knows a repetition by its commandId. Device: a command without a device goes to the one that asks
 * first and is that one's from then on, until that one has asked for nothing for a day: then another may take it. The
 * platform's own requests close by themselves (sql/replace/35_command.sql). Errors: those of db; as noted. Thread: as
 * the connection. */
#ifndef NHJC_REGISTRY_COMMAND_STORE_H
#define NHJC_REGISTRY_COMMAND_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "db/db.h"

#define COMMAND_RESEND_S 300
#define COMMAND_BATCH 16    /* most that one Heartbeat carries */
#define COMMAND_DETAIL 1000 /* most characters kept of a device's words */

struct command_row {
    const char *command_id, *kind;
    int64_t from, to; /* INT64_MIN: none */
    const char **data_codes;
    size_t code_count;
    const char *value; /* "": none */
};

bool command_kind_known(const char *kind);
/* SENDER 0 with the reason when kind, range and value do not go together. value, from, to as in the row. */
RESULT command_check(const struct command_row *row);

struct command_order {
    int32_t unit_id;
    const char *device_id; /* NULL: whichever asks first */
    const char *created_by;
    int64_t now;
};
/* command_id of row is not read; command_id (33 bytes) is written. */
RESULT command_add(struct db *db, const struct command_order *order, const struct command_row *row, char *command_id);

/* What is due for the device, oldest first, marked as sent. Rows live in the arena. */
RESULT command_take(struct db *db, int32_t unit_id, const char *device_id, int64_t now, struct arena *arena,
                    struct command_row **rows, size_t *count);

enum command_outcome { COMMAND_SETTLED, COMMAND_REPEATED, COMMAND_OTHERWISE, COMMAND_UNKNOWN };
/* The device's result. Repeated: the same was told before; otherwise: it was finished or cancelled in another way. */
RESULT command_report(struct db *db, int32_t unit_id, const char *device_id, const char *command_id, bool done,
                      const char *detail, int64_t now, enum command_outcome *outcome);
/* false: there is no open command of this id. enterprise: 19 bytes, whose it was. */
RESULT command_cancel(struct db *db, const char *command_id, const char *why, int64_t now, bool *cancelled,
                      char *enterprise);

struct command_gap_limits {
    int64_t now;
    int days;     /* whole days before today that are looked at */
    int per_unit; /* open requests of the platform's own for one enterprise */
    int most;     /* new ones at once */
};
/* Queues a REUPLOAD for each gap (sql/replace/35_command.sql). */
RESULT command_reupload_gaps(struct db *db, const struct command_gap_limits *limits, int64_t *made);

#endif
