/* progress: what the person at the terminal sees: one line that is rewritten, or plain lines now and then.
 * Everything goes to standard error; standard output is for results. Thread: one at a time. */
#ifndef NHJC_SIM_PROGRESS_H
#define NHJC_SIM_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "sim/stats.h"

struct progress {
    bool terminal;
    bool open;        /* a rewritten line stands on the screen */
    int64_t every_ns; /* plain lines; 0: none */
    int64_t last;     /* clock_monotonic of the last line */
};

void progress_init(struct progress *p, int64_t seconds);
void progress_show(struct progress *p, const struct sim_stats *stats); /* when it is time */
void progress_note(struct progress *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void progress_end(struct progress *p, const struct sim_stats *stats);

#endif
