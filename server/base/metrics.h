/* metrics: counters, gauges and histograms, printed in the Prometheus text format.
 *
 * For:    what happened how often. Declared static where they are counted, registered on first use.
 * Thread: any thread; counting is one atomic add. */
#ifndef NHJC_BASE_METRICS_H
#define NHJC_BASE_METRICS_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/buf.h"

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

#define METRIC_BUCKETS 20 /* histogram: powers of two of 64 us: 64us … 33 s, then +Inf */

struct metric {
    const char *name;   /* "nhjc_uploads_total" */
    const char *labels; /* "code=\"0\"" or NULL */
    const char *help;
    enum metric_type type;
    atomic_int registered;
    atomic_llong value;
    atomic_llong sum; /* histogram: microseconds */
    atomic_llong bucket[METRIC_BUCKETS + 1];
    struct metric *next;
};

#define METRIC(type_, name_, labels_, help_)                                                                           \
    {                                                                                                                  \
        .name = (name_), .labels = (labels_), .help = (help_), .type = (type_)                                         \
    }

void metric_add(struct metric *m, long long n);
void metric_set(struct metric *m, long long value);
void metric_observe(struct metric *m, long long microseconds);
long long metric_value(struct metric *m);
void metrics_print(struct buf *out);

#endif
