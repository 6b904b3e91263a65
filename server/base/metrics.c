#include "base/metrics.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define FIRST_BUCKET_US 64

static _Atomic(struct metric *) all;

static void enlist(struct metric *m)
{
    if (atomic_load_explicit(&m->registered, memory_order_relaxed) || atomic_exchange(&m->registered, 1)) {
        return;
    }
    struct metric *head = atomic_load(&all);
    do {
        m->next = head;
    } while (!atomic_compare_exchange_weak(&all, &head, m));
}

void metric_add(struct metric *m, long long n)
{
    enlist(m);
    atomic_fetch_add_explicit(&m->value, n, memory_order_relaxed);
}

void metric_set(struct metric *m, long long value)
{
    enlist(m);
    atomic_store_explicit(&m->value, value, memory_order_relaxed);
}

/* The first bucket whose bound is not below the value; METRIC_BUCKETS when all are. */
static int bucket_of(long long microseconds)
{
    int i = 0;
    while (i < METRIC_BUCKETS && microseconds > (long long)FIRST_BUCKET_US << i) {
        i++;
    }
    return i;
}

void metric_observe(struct metric *m, long long microseconds)
{
    enlist(m);
    atomic_fetch_add_explicit(&m->bucket[bucket_of(microseconds)], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&m->sum, microseconds, memory_order_relaxed);
    atomic_fetch_add_explicit(&m->value, 1, memory_order_relaxed);
}

long long metric_value(struct metric *m)
{
    return atomic_load_explicit(&m->value, memory_order_relaxed);
}

static const char *labels_of(const struct metric *m)
{
    return m->labels ? m->labels : "";
}

static int by_family(const void *a, const void *b)
{
    const struct metric *x = *(struct metric *const *)a, *y = *(struct metric *const *)b;
    int order = strcmp(x->name, y->name);
    return order ? order : strcmp(labels_of(x), labels_of(y));
}

static void print_head(struct buf *out, const struct metric *m)
{
    static const char *const types[] = {"counter", "gauge", "histogram"};
    buf_printf(out, "# HELP %s ", m->name);
    for (const char *p = m->help ? m->help : ""; *p; p++) {
        if (*p == '\n' || *p == '\\') {
            buf_append_str(out, *p == '\n' ? "\\n" : "\\\\");
        } else {
            buf_append_char(out, *p);
        }
    }
    buf_printf(out, "\n# TYPE %s %s\n", m->name, types[m->type]);
}

static void print_seconds(struct buf *out, long long us)
{
    buf_printf(out, "%s%lld.%06lld", us < 0 ? "-" : "", llabs(us) / 1000000, llabs(us) % 1000000);
}

static void print_histogram(struct buf *out, struct metric *m)
{
    const char *labels = labels_of(m), *comma = *labels ? "," : "", *open = *labels ? "{" : "",
               *close = *labels ? "}" : "";
    long long total = 0;
    for (int i = 0; i <= METRIC_BUCKETS; i++) {
        total += atomic_load_explicit(&m->bucket[i], memory_order_relaxed);
        buf_printf(out, "%s_bucket{%s%sle=\"", m->name, labels, comma);
        if (i < METRIC_BUCKETS) {
            print_seconds(out, (long long)FIRST_BUCKET_US << i);
        } else {
            buf_append_str(out, "+Inf");
        }
        buf_printf(out, "\"} %lld\n", total);
    }
    buf_printf(out, "%s_sum%s%s%s ", m->name, open, labels, close);
    print_seconds(out, atomic_load_explicit(&m->sum, memory_order_relaxed));
    buf_printf(out, "\n%s_count%s%s%s %lld\n", m->name, open, labels, close, total);
}

static void print_metric(struct buf *out, struct metric *m)
{
    if (m->type == METRIC_HISTOGRAM) {
        print_histogram(out, m);
    } else if (m->labels && *m->labels) {
        buf_printf(out, "%s{%s} %lld\n", m->name, m->labels, metric_value(m));
    } else {
        buf_printf(out, "%s %lld\n", m->name, metric_value(m));
    }
}

/* Sorted, so that a family stands together and its head is printed once. */
void metrics_print(struct buf *out)
{
    struct metric *head = atomic_load(&all);
    size_t n = 0;
    for (struct metric *m = head; m; m = m->next) {
        n++;
    }
    struct metric **sorted = mem_array(n, sizeof(struct metric *));
    size_t i = 0;
    for (struct metric *m = head; m; m = m->next) {
        sorted[i++] = m;
    }
    qsort(sorted, n, sizeof(struct metric *), by_family);
    for (i = 0; i < n; i++) {
        if (i == 0 || strcmp(sorted[i - 1]->name, sorted[i]->name) != 0) {
            print_head(out, sorted[i]);
        }
        print_metric(out, sorted[i]);
    }
    mem_free(sorted);
}
