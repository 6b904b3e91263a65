#include "unit.h"

#include <pthread.h>
#include <string.h>

#include "base/metrics.h"

static const char *print(struct buf *out)
{
    buf_clear(out);
    metrics_print(out);
    return buf_str(out);
}

START_TEST(a_family_has_its_head_once_before_all_its_members)
{
    static struct metric zero = METRIC(METRIC_COUNTER, "t_family_total", "code=\"0\"", "Uploads by code."),
                         two = METRIC(METRIC_COUNTER, "t_family_total", "code=\"2\"", "Uploads by code."),
                         near = METRIC(METRIC_GAUGE, "t_family", NULL, "A name that begins alike.");
    struct buf out = BUF_INIT;
    metric_add(&two, 5);
    metric_set(&near, -3);
    metric_add(&zero, 1);
    metric_add(&zero, 1);
    ck_assert_ptr_nonnull(strstr(print(&out), "# HELP t_family A name that begins alike.\n"
                                              "# TYPE t_family gauge\n"
                                              "t_family -3\n"
                                              "# HELP t_family_total Uploads by code.\n"
                                              "# TYPE t_family_total counter\n"
                                              "t_family_total{code=\"0\"} 2\n"
                                              "t_family_total{code=\"2\"} 5\n"));
    ck_assert_int_eq(metric_value(&zero), 2);
    buf_free(&out);
}
END_TEST

START_TEST(a_metric_is_printed_from_its_first_use_on)
{
    static struct metric m = METRIC(METRIC_COUNTER, "t_first_total", NULL, "With \\ and\nline feed.");
    struct buf out = BUF_INIT;
    if (!atomic_load(&m.registered)) {
        ck_assert_ptr_null(strstr(print(&out), "t_first_total"));
    }
    metric_add(&m, 0);
    ck_assert_ptr_nonnull(strstr(print(&out), "# HELP t_first_total With \\\\ and\\nline feed.\n"
                                              "# TYPE t_first_total counter\nt_first_total 0\n"));
    buf_free(&out);
}
END_TEST

START_TEST(a_histogram_counts_upwards_and_ends_with_everything)
{
    static struct metric m = METRIC(METRIC_HISTOGRAM, "t_seconds", "op=\"x\"", "Time.");
    struct buf out = BUF_INIT;
    metric_observe(&m, 0);
    metric_observe(&m, 64);
    metric_observe(&m, 65);
    metric_observe(&m, 1000000);
    metric_observe(&m, 40000000); /* beyond the last bound of 33.55 s */
    const char *text = print(&out);
    ck_assert_ptr_nonnull(strstr(text, "# TYPE t_seconds histogram\n"
                                       "t_seconds_bucket{op=\"x\",le=\"0.000064\"} 2\n"
                                       "t_seconds_bucket{op=\"x\",le=\"0.000128\"} 3\n"
                                       "t_seconds_bucket{op=\"x\",le=\"0.000256\"} 3\n"));
    ck_assert_ptr_nonnull(strstr(text, "t_seconds_bucket{op=\"x\",le=\"0.524288\"} 3\n"
                                       "t_seconds_bucket{op=\"x\",le=\"1.048576\"} 4\n"));
    ck_assert_ptr_nonnull(strstr(text, "t_seconds_bucket{op=\"x\",le=\"33.554432\"} 4\n"
                                       "t_seconds_bucket{op=\"x\",le=\"+Inf\"} 5\n"
                                       "t_seconds_sum{op=\"x\"} 41.000129\n"
                                       "t_seconds_count{op=\"x\"} 5\n"));
    ck_assert_int_eq(metric_value(&m), 5);
    buf_free(&out);
}
END_TEST

START_TEST(a_histogram_without_labels_is_well_formed)
{
    static struct metric m = METRIC(METRIC_HISTOGRAM, "t_plain_seconds", NULL, "Time.");
    struct buf out = BUF_INIT;
    metric_observe(&m, 1);
    const char *text = print(&out);
    ck_assert_ptr_nonnull(strstr(text, "\nt_plain_seconds_bucket{le=\"+Inf\"} 1\n"
                                       "t_plain_seconds_sum 0.000001\nt_plain_seconds_count 1\n"));
    buf_free(&out);
}
END_TEST

enum { THREADS = 4, EACH = 20000 };

static struct metric shared[THREADS + 1];

static void *count(void *arg)
{
    struct metric *own = arg;
    for (int i = 0; i < EACH; i++) {
        metric_add(own, 1);
        metric_add(&shared[THREADS], 1);
    }
    return NULL;
}

START_TEST(threads_register_and_count_without_loss_while_printing)
{
    static const char *const labels[] = {"n=\"0\"", "n=\"1\"", "n=\"2\"", "n=\"3\"", "n=\"all\""};
    pthread_t threads[THREADS];
    struct buf out = BUF_INIT;
    for (int i = 0; i <= THREADS; i++) {
        shared[i] = (struct metric)METRIC(METRIC_COUNTER, "t_threads_total", labels[i], "Counted by threads.");
    }
    for (int i = 0; i < THREADS; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, count, &shared[i]), 0);
    }
    for (int i = 0; i < 50; i++) {
        print(&out);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    ck_assert_ptr_nonnull(strstr(print(&out), "t_threads_total{n=\"0\"} 20000\n"
                                              "t_threads_total{n=\"1\"} 20000\n"
                                              "t_threads_total{n=\"2\"} 20000\n"
                                              "t_threads_total{n=\"3\"} 20000\n"
                                              "t_threads_total{n=\"all\"} 80000\n"));
    buf_free(&out);
}
END_TEST

UNIT_MAIN("metrics", a_family_has_its_head_once_before_all_its_members, a_metric_is_printed_from_its_first_use_on,
          a_histogram_counts_upwards_and_ends_with_everything, a_histogram_without_labels_is_well_formed,
          threads_register_and_count_without_loss_while_printing)
