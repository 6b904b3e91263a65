/* alarm: looks at what an operator must hear of before it stops the platform, sets the gauges and writes the lines.
 *
 * For:    the housekeeping thread.
 * Lines:  certificates in force: one each at 60, 30 and daily from 7 days on; disk at 70 and 90 percent; partitions
 * that reach less than a month ahead (where fewer are made ahead: less than were to be made by yesterday); an archive
 * that fails; this platform's own certificate at a destination. Gauges have all figures all the time. Errors: those of
 * db. Thread: as the connection. */
#ifndef NHJC_ADMIN_ALARM_H
#define NHJC_ADMIN_ALARM_H

#include <limits.h>

#include "db/db.h"
#include "fep/fep.h"

RESULT alarm_certificates(struct db *db); /* daily */
/* Hourly: this platform's own certificate at a destination, which another CA may have issued. *told: the days
 * found last, so that each has one line; ALARM_UNTOLD at first. SENDER: the file cannot be read. */
#define ALARM_UNTOLD INT_MAX
RESULT alarm_destination(const struct fep_destination *destination, int *told);
/* Hourly. ahead: option partitions_ahead. */
RESULT alarm_storage(struct db *db, int ahead);

/* How many days partitions must reach ahead, lest it be an alarm. */
RESULT alarm_days_due(struct db *db, int ahead, int *days);

/* Bytes free and in all where the database lies: its tablespace, else the cluster's folder. -1: not on this machine, or
 * that folder is not told (that takes pg_read_all_settings, a superuser has it). */
RESULT alarm_disk(struct db *db, int64_t *free_bytes, int64_t *all_bytes);

#endif
