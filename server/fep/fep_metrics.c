#include "fep/fep_metrics.h"

#include <pthread.h>
#include <string.h>

#include "base/mem.h"

static const struct {
    const char *name, *result, *help;
    enum metric_type type;
} SHAPES[FEP_METRICS] = {
    [FEP_M_LAG] = {"nhjc_fep_lag_seconds", NULL, "Age of the oldest upload not yet forwarded", METRIC_GAUGE},
    [FEP_M_PENDING] = {"nhjc_fep_pending_rows", NULL, "Outbox rows not yet forwarded", METRIC_GAUGE},
    [FEP_M_PARKED_NOW] = {"nhjc_fep_parked_messages", NULL, "Messages that wait for an operator", METRIC_GAUGE},
    [FEP_M_PARKED_AGE] = {"nhjc_fep_parked_oldest_seconds", NULL, "Age of the oldest upload in a parked message",
                          METRIC_GAUGE},
    [FEP_M_STUCK] = {"nhjc_fep_stuck_messages", NULL, "Messages that the destination puts off again and again",
                     METRIC_GAUGE},
    [FEP_M_LINK] = {"nhjc_fep_link_open", NULL, "1: the destination answers", METRIC_GAUGE},
    [FEP_M_ALARM] = {"nhjc_fep_link_refused", NULL, "1: the destination refuses this platform", METRIC_GAUGE},
    [FEP_M_EXPIRY] = {"nhjc_fep_certificate_seconds_left", NULL,
                      "Seconds until this platform's certificate there expires", METRIC_GAUGE},
    [FEP_M_SENT] = {"nhjc_fep_messages_total", "sent", "Tries to forward a message, by outcome", METRIC_COUNTER},
    [FEP_M_FAILED] = {"nhjc_fep_messages_total", "failed", "Tries to forward a message, by outcome", METRIC_COUNTER},
    [FEP_M_PARKED] = {"nhjc_fep_messages_total", "parked", "Tries to forward a message, by outcome", METRIC_COUNTER},
    [FEP_M_SPLIT] = {"nhjc_fep_messages_total", "split", "Tries to forward a message, by outcome", METRIC_COUNTER},
    [FEP_M_RECORDS] = {"nhjc_fep_records_total", "accepted", "Readings sent, by what the destination did",
                       METRIC_COUNTER},
    [FEP_M_REJECTED] = {"nhjc_fep_records_total", "rejected", "Readings sent, by what the destination did",
                        METRIC_COUNTER},
    [FEP_M_SEND_TIME] = {"nhjc_fep_send_seconds", NULL, "Calls that carry a message", METRIC_HISTOGRAM},
};

struct named {
    struct fep_metrics metrics;
    char *destination;
    struct named *next;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct named *all;

/* A name from the configuration file as the value of a label. */
static char *label_value(const char *name)
{
    char *copy = mem_strdup(name);
    for (char *c = copy; *c; c++)
        if (*c == '"' || *c == '\\' || *c == '\n')
            *c = '_';
    return copy;
}

static struct named *make(const char *destination)
{
    struct named *n = mem_alloc(sizeof *n);
    n->destination = mem_strdup(destination);
    char *value = label_value(destination);
    for (int i = 0; i < FEP_METRICS; i++) {
        const char *labels = SHAPES[i].result ? mem_printf("destination=\"%s\",result=\"%s\"", value, SHAPES[i].result)
                                              : mem_printf("destination=\"%s\"", value);
        struct metric m = METRIC(SHAPES[i].type, SHAPES[i].name, labels, SHAPES[i].help);
        memcpy(&n->metrics.at[i], &m, sizeof m);
    }
    mem_free(value);
    return n;
}

struct fep_metrics *fep_metrics_of(const char *destination)
{
    pthread_mutex_lock(&lock);
    struct named *n = all;
    while (n && strcmp(n->destination, destination) != 0)
        n = n->next;
    if (!n) {
        n = make(destination);
        n->next = all;
        all = n;
    }
    pthread_mutex_unlock(&lock);
    return &n->metrics;
}

void fep_count(struct fep_metrics *m, enum fep_metric which, long long n)
{
    metric_add(&m->at[which], n);
}

void fep_gauge(struct fep_metrics *m, enum fep_metric which, long long value)
{
    metric_set(&m->at[which], value);
}
