#include "base/clock.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <time.h>

static atomic_bool standing; /* value is the time itself; otherwise an offset to the real one */
static _Atomic int64_t value;

static int64_t real_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * USEC_PER_SEC + t.tv_nsec / 1000;
}

int64_t clock_now(void)
{
    int64_t set = atomic_load(&value);
    return atomic_load(&standing) ? set : real_now() + set;
}

int64_t clock_monotonic(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

void clock_set_fake(int64_t now_us)
{
    atomic_store(&value, now_us);
    atomic_store(&standing, true);
}

void clock_advance(int64_t us)
{
    atomic_fetch_add(&value, us);
}

void clock_set_offset(int64_t us)
{
    atomic_store(&standing, false);
    atomic_store(&value, us);
}

void clock_set_real(void)
{
    clock_set_offset(0);
}
