/* fep_metrics: the counters and gauges of one destination, by its name.
 * Owner: made once per name and kept to the end of the process: a restarted forwarder goes on counting.
 * Thread: any thread. */
#ifndef NHJC_FEP_FEP_METRICS_H
#define NHJC_FEP_FEP_METRICS_H

#include "base/metrics.h"

enum fep_metric {
    FEP_M_LAG,     /* age of the oldest pending row, seconds (F8) */
    FEP_M_PENDING, /* rows */
    FEP_M_PARKED_NOW,
    FEP_M_PARKED_AGE, /* of the oldest parked row, seconds */
    FEP_M_STUCK,      /* messages that the other side puts off again and again */
    FEP_M_LINK,       /* 1 open, 0 closed */
    FEP_M_ALARM,      /* 1: refused, an operator has to look */
    FEP_M_EXPIRY,     /* seconds until our certificate there expires; set by the alarms */
    FEP_M_SENT,       /* messages, by what became of a try */
    FEP_M_FAILED,
    FEP_M_PARKED,
    FEP_M_SPLIT,
    FEP_M_RECORDS,  /* accepted by the other side */
    FEP_M_REJECTED, /* refused by it one by one, in messages that count as sent */
    FEP_M_SEND_TIME,
    FEP_METRICS
};

struct fep_metrics {
    struct metric at[FEP_METRICS];
};

struct fep_metrics *fep_metrics_of(const char *destination);
void fep_count(struct fep_metrics *m, enum fep_metric which, long long n);
void fep_gauge(struct fep_metrics *m, enum fep_metric which, long long value);

#endif
