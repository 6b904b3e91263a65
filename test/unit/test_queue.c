#include "unit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/queue.h"

static void *item(uintptr_t n)
{
    return (void *)n;
}

START_TEST(a_full_queue_refuses_one_more_and_keeps_the_order)
{
    struct queue *q = queue_new(3);
    for (int round = 0; round < 5; round++) { /* around the ring */
        ck_assert(queue_push(q, item(1)));
        ck_assert(queue_push(q, item(2)));
        ck_assert(queue_push(q, item(3)));
        ck_assert(!queue_push(q, item(4)));
        ck_assert_uint_eq(queue_length(q), 3);
        ck_assert_ptr_eq(queue_pop(q, 0), item(1));
        ck_assert(queue_push(q, item(5)));
        ck_assert_ptr_eq(queue_pop(q, 0), item(2));
        ck_assert_ptr_eq(queue_pop(q, -1), item(3));
        ck_assert_ptr_eq(queue_pop(q, 1000), item(5));
        ck_assert_ptr_null(queue_pop(q, 0));
    }
    queue_free(&q);
    ck_assert_ptr_null(q);
    queue_free(&q);
}
END_TEST

START_TEST(pop_gives_up_after_its_time_and_not_before)
{
    struct queue *q = queue_new(1);
    int64_t before = clock_monotonic();
    ck_assert_ptr_null(queue_pop(q, 20));
    ck_assert_int_ge(clock_monotonic() - before, INT64_C(20000000));
    queue_free(&q);
}
END_TEST

START_TEST(a_closed_queue_takes_nothing_and_gives_what_it_holds)
{
    struct queue *q = queue_new(4);
    ck_assert(queue_push(q, item(1)));
    ck_assert(!queue_closed(q));
    queue_close(q);
    ck_assert(queue_closed(q));
    ck_assert(!queue_push(q, item(2)));
    ck_assert_ptr_eq(queue_pop(q, -1), item(1));
    ck_assert_ptr_null(queue_pop(q, -1)); /* closed and empty: no waiting for ever */
    queue_free(&q);
}
END_TEST

enum { PRODUCERS = 3, CONSUMERS = 3, EACH = 20000, ALL = PRODUCERS * EACH };

struct traffic {
    struct queue *queue;
    atomic_ullong sum;
    atomic_int popped;
};

static void *produce(void *arg)
{
    struct traffic *t = arg;
    for (uintptr_t i = 1; i <= EACH;) {
        i += queue_push(t->queue, item(i)) ? 1 : 0;
    }
    return NULL;
}

static void *consume(void *arg)
{
    struct traffic *t = arg;
    for (void *p; (p = queue_pop(t->queue, -1)) != NULL;) {
        atomic_fetch_add(&t->sum, (unsigned long long)(uintptr_t)p);
        atomic_fetch_add(&t->popped, 1);
    }
    return NULL;
}

START_TEST(many_threads_pass_every_item_exactly_once)
{
    struct traffic t = {.queue = queue_new(16)};
    pthread_t producers[PRODUCERS], consumers[CONSUMERS];
    for (int i = 0; i < CONSUMERS; i++) {
        ck_assert_int_eq(pthread_create(&consumers[i], NULL, consume, &t), 0);
    }
    for (int i = 0; i < PRODUCERS; i++) {
        ck_assert_int_eq(pthread_create(&producers[i], NULL, produce, &t), 0);
    }
    for (int i = 0; i < PRODUCERS; i++) {
        pthread_join(producers[i], NULL);
    }
    queue_close(t.queue);
    for (int i = 0; i < CONSUMERS; i++) {
        pthread_join(consumers[i], NULL);
    }
    ck_assert_int_eq(atomic_load(&t.popped), ALL);
    ck_assert(atomic_load(&t.sum) == (unsigned long long)ALL * (EACH + 1) / 2);
    queue_free(&t.queue);
}
END_TEST

START_TEST(closing_wakes_every_waiting_thread)
{
    struct traffic t = {.queue = queue_new(1)};
    pthread_t waiting[CONSUMERS];
    for (int i = 0; i < CONSUMERS; i++) {
        ck_assert_int_eq(pthread_create(&waiting[i], NULL, consume, &t), 0);
    }
    queue_close(t.queue);
    for (int i = 0; i < CONSUMERS; i++) {
        ck_assert_int_eq(pthread_join(waiting[i], NULL), 0);
    }
    ck_assert_int_eq(atomic_load(&t.popped), 0);
    queue_free(&t.queue);
}
END_TEST

UNIT_MAIN("queue", a_full_queue_refuses_one_more_and_keeps_the_order, pop_gives_up_after_its_time_and_not_before,
          a_closed_queue_takes_nothing_and_gives_what_it_holds, many_threads_pass_every_item_exactly_once,
          closing_wakes_every_waiting_thread)
