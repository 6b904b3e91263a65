/* caltime: civil dates and periods in the platform's time zone.
 *
 * For:    period edges (left-closed), reading and writing of statDate, week/quarter at query time.
 * Zone:   one fixed offset from UTC per process (caltime_set_zone). Asia/Shanghai has been +08:00
 *         without summer time since 1991-09-15 (tzdata), and the first accepted instant is 2010;
 *         a zone whose offset changes after 2010 is refused at start instead of being half right.
 * Units:  instants are microseconds since 1970-01-01T00:00:00Z.
 * Thread: any thread after caltime_set_zone. */
#ifndef NHJC_BASE_CALTIME_H
#define NHJC_BASE_CALTIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/result.h"

enum granularity { GRAN_MINUTE, GRAN_HOUR, GRAN_DAY, GRAN_WEEK, GRAN_MONTH, GRAN_QUARTER, GRAN_YEAR };

struct civil {
    int year, month, day, hour, minute, second, micro;
};

/* Name as in tzdata ("Asia/Shanghai"). ERR_SENDER for unknown zones and zones with changes since 2010. */
RESULT caltime_set_zone(const char *name);
const char *caltime_zone(void);
int caltime_offset_seconds(void);

struct civil caltime_civil(int64_t us);         /* in the platform zone */
int64_t caltime_instant(const struct civil *c); /* fields must be valid */
bool caltime_valid(const struct civil *c);      /* a real date and time of day (no leap second) */
int caltime_days_in_month(int year, int month);

int64_t period_start(enum granularity g, int64_t us);   /* first instant of the period that holds us */
int64_t period_next(enum granularity g, int64_t start); /* first instant of the following period */
const char *granularity_name(enum granularity g);       /* "minute" … */
bool granularity_from_name(const char *name, enum granularity *g);

#define CALTIME_TEXT 32
/* "yyyy-MM-dd HH:mm:ss" in the platform zone. Returns out. */
char *caltime_format(int64_t us, char out[CALTIME_TEXT]);
char *caltime_format_iso(int64_t us, char out[CALTIME_TEXT]); /* with offset, for logs and JSON */

/* The three forms of the contract (section 7.6): "yyyy-MM-dd HH:mm:ss", "yyyyMMddHHmmss",
 * "yyyy-MM-ddTHH:mm:ss" with Z or +hh:mm; nothing else. false: not one of them. */
bool caltime_parse(const char *text, size_t len, int64_t *us);

#endif
