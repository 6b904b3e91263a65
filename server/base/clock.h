/* clock: what time it is; replaced by a fake in tests and by --clock in compressed-time runs.
 *
 * Units:  instants are microseconds since 1970-01-01T00:00:00Z (int64). Monotonic: nanoseconds.
 * Thread: any thread. clock_set_* before threads start, or from one test at a time. */
#ifndef NHJC_BASE_CLOCK_H
#define NHJC_BASE_CLOCK_H

#include <stdint.h>

#define USEC_PER_SEC INT64_C(1000000)

int64_t clock_now(void);             /* UTC, microseconds */
int64_t clock_monotonic(void);       /* nanoseconds, never the fake */
void clock_set_fake(int64_t now_us); /* from now on clock_now stands still at now_us */
void clock_advance(int64_t us);      /* moves the fake */
void clock_set_offset(int64_t us);   /* real clock plus a constant: a server living on another day */
void clock_set_real(void);

#endif
