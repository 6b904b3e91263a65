#include "unit.h"
#include "validate/rate.h"

#include <stdio.h>

#define SECOND INT64_C(1000000000)

START_TEST(a_minutes_worth_at_once_then_one_by_one)
{
    struct rate_limiter *r = rate_new(60);
    int wait = 0;
    for (int i = 0; i < 60; i++)
        ck_assert(rate_allow(r, "a", 1000 * SECOND, &wait));
    ck_assert(!rate_allow(r, "a", 1000 * SECOND, &wait));
    ck_assert_int_ge(wait, 1);
    ck_assert(rate_allow(r, "b", 1000 * SECOND, &wait)); /* others are not touched */
    ck_assert(rate_allow(r, "a", 1001 * SECOND, &wait));
    ck_assert(!rate_allow(r, "a", 1001 * SECOND, &wait));
    rate_free(&r);
    ck_assert_ptr_null(r);
}
END_TEST

START_TEST(a_refusal_is_to_be_recorded_once_a_minute_and_identity)
{
    struct rate_limiter *r = rate_new(60);
    ck_assert(rate_tell(r, "a", 1 * SECOND)); /* a clock that has only begun */
    ck_assert(!rate_tell(r, "a", 60 * SECOND));
    ck_assert(rate_tell(r, "b", 60 * SECOND));
    ck_assert(rate_tell(r, "a", 61 * SECOND));
    ck_assert(!rate_tell(r, "a", 62 * SECOND));
    rate_free(&r);
    ck_assert(rate_tell(NULL, "a", 0));
}
END_TEST

START_TEST(no_limit_allows_everything)
{
    struct rate_limiter *r = rate_new(0);
    int wait = 0;
    for (int i = 0; i < 100000; i++)
        ck_assert(rate_allow(r, "a", 0, &wait));
    rate_free(&r);
}
END_TEST

START_TEST(quiet_identities_are_forgotten_and_busy_ones_are_not)
{
    struct rate_limiter *r = rate_new(1);
    int wait = 0;
    char name[32];
    ck_assert(rate_allow(r, "busy", 100 * SECOND, &wait));
    for (int i = 0; i < 60000; i++) {
        snprintf(name, sizeof name, "n%d", i);
        ck_assert(rate_allow(r, name, 1 * SECOND, &wait));
    }
    for (int i = 0; i < 60000; i++) { /* a new generation sweeps the old one */
        snprintf(name, sizeof name, "m%d", i);
        ck_assert(rate_allow(r, name, 120 * SECOND, &wait));
    }
    ck_assert(!rate_allow(r, "busy", 120 * SECOND, &wait));
    rate_free(&r);
}
END_TEST

UNIT_MAIN("rate", a_minutes_worth_at_once_then_one_by_one, a_refusal_is_to_be_recorded_once_a_minute_and_identity,
          no_limit_allows_everything, quiet_identities_are_forgotten_and_busy_ones_are_not)
