/* What becomes of a refusal: one log line, one count by code, one row for the operator
 * (of too many requests one a minute and identity), and an audit row where an
 * identity tried to act for another. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "admin/audit.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "payload/finding.h"
#include "soap/worker.h"

struct refusal_metrics {
    size_t count;
    const struct code_row *codes;
    struct metric *metrics;
};

static struct refusal_metrics counters;
static pthread_once_t counters_once = PTHREAD_ONCE_INIT;

static void make_counters(void)
{
    counters.codes = code_table(&counters.count);
    counters.metrics = mem_array(counters.count, sizeof *counters.metrics);
    for (size_t i = 0; i < counters.count; i++) {
        struct metric *m = &counters.metrics[i];
        m->name = "nhjc_refused_total";
        m->labels = mem_printf("code=\"%d\"", counters.codes[i].code);
        m->help = "Requests refused, by code";
        m->type = METRIC_COUNTER;
    }
}

void refusals_init(void)
{
    pthread_once(&counters_once, make_counters);
}

static void count_refusal(int code)
{
    for (size_t i = 0; i < counters.count; i++)
        if (counters.codes[i].code == code)
            metric_add(&counters.metrics[i], 1);
}

static void audit(struct engine_call *call, const char *operation, int code)
{
    struct soap_worker *w = worker_of(call);
    const char *actor = w->identity.code[0] ? w->identity.code : call->request->cert->subject;
    struct result r = audit_write(w->db, actor ? actor : "", call->request->peer, "soap.refused", operation, code, "");
    if (!result_ok(r))
        log_result(LOG_WARN, "soap", "audit_not_written", r);
}

void refusal_record(struct engine_call *call, int code, const char *message)
{
    struct soap_worker *w = worker_of(call);
    const char *operation = call->op ? call->op->name : "";
    log_write(LOG_INFO, "soap", "refused", "request=%llu peer=%s sender=%s service=%s operation=%s message=%s code=%d",
              (unsigned long long)call->request->id, call->request->peer, w->identity.code,
              SERVICES[call->service].name, operation, log_quote(call->message_id ? call->message_id : ""), code);
    count_refusal(code);
    if (code >= 9000)
        return; /* nothing is wrong with the request; and the database may be what is missing */
    if (code == 1106 && !rate_tell(w->service->rate, worker_payer(call), clock_monotonic()))
        return; /* a row for each would let the refused cost as much as the served */
    ingest_log_refused(w->db, w->identity.code, call->request->peer, operation, call->message_id, call->device_id, code,
                       message);
    if (code == 1101 || code == 1103)
        audit(call, operation, code);
}
