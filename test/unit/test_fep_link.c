#include <string.h>

#include "base/log.h"
#include "fep/link.h"
#include "unit.h"

static int lines;
static char last[512];

static void count_line(const char *line, void *arg)
{
    (void)arg;
    lines++;
    strncpy(last, line, sizeof last - 1);
}

static struct link fresh(void)
{
    struct link l;
    link_init(&l, "nation", 1000, 60000, 7);
    lines = 0;
    log_capture(count_line, NULL);
    return l;
}

static void done(struct link *l)
{
    log_capture(NULL, NULL);
    link_free(l);
}

START_TEST(the_way_is_probed_before_the_first_message)
{
    struct link l = fresh();
    int64_t wait;
    ck_assert_int_eq(link_use(&l, 0, &wait), LINK_PROBE);
    ck_assert(!link_opened(&l, 0, "r1", "d1"));
    ck_assert_int_eq(link_use(&l, 0, &wait), LINK_OPEN);
    char reg[64], dic[64];
    link_versions(&l, reg, dic);
    ck_assert_str_eq(reg, "r1");
    ck_assert_str_eq(dic, "d1");
    done(&l);
}
END_TEST

START_TEST(a_failure_pauses_and_then_probes)
{
    struct link l = fresh();
    int64_t wait;
    link_opened(&l, 0, "", "");
    link_failed(&l, 5000, false, false, "connection reset");
    ck_assert_int_eq(link_use(&l, 5000, &wait), LINK_PAUSED);
    ck_assert_int_gt(wait, 0);
    ck_assert_int_le(wait, 1000);
    ck_assert_int_eq(link_use(&l, 5000 + wait, &wait), LINK_PROBE);
    done(&l);
}
END_TEST

START_TEST(pauses_grow_during_an_outage_up_to_the_longest)
{
    struct link l = fresh();
    int64_t now = 0, wait, longest = 0;
    for (int i = 0; i < 200; i++) {
        link_failed(&l, now, false, true, "connection refused");
        ck_assert_int_eq(link_use(&l, now, &wait), LINK_PAUSED);
        ck_assert_int_le(wait, 60000);
        longest = wait > longest ? wait : longest;
        now += wait;
    }
    ck_assert_int_gt(longest, 30000);
    done(&l);
}
END_TEST

START_TEST(a_repeated_failure_is_logged_once_and_counted)
{
    struct link l = fresh();
    link_opened(&l, 0, "", "");
    for (int i = 0; i < 100; i++)
        link_failed(&l, i * 1000, false, true, "connection refused");
    ck_assert_int_eq(lines, 2);
    link_failed(&l, 100000, true, true, "certificate revoked");
    ck_assert_int_eq(lines, 3);
    ck_assert_ptr_nonnull(strstr(last, "link.refused"));
    ck_assert(link_opened(&l, 200000, "", ""));
    ck_assert_int_eq(lines, 4);
    ck_assert_ptr_nonnull(strstr(last, "failures=101"));
    ck_assert_ptr_nonnull(strstr(last, "closed_s=200"));
    done(&l);
}
END_TEST

START_TEST(one_messages_trouble_is_not_an_outage)
{
    struct link l = fresh();
    link_opened(&l, 0, "", "");
    link_failed(&l, 0, false, false, "503");
    ck_assert(!link_opened(&l, 1000, "", ""));
    link_failed(&l, 2000, false, false, "503");
    link_failed(&l, 3000, false, true, "connection refused");
    ck_assert(link_opened(&l, 4000, "", ""));
    done(&l);
}
END_TEST

START_TEST(a_pause_that_the_other_side_asked_for_is_kept)
{
    struct link l = fresh();
    int64_t wait;
    link_opened(&l, 0, "", "");
    link_failed(&l, 5000, false, false, "503");
    link_hold(&l, 5000, 7000);
    ck_assert_int_eq(link_use(&l, 5000, &wait), LINK_PAUSED);
    ck_assert_int_eq(wait, 7000);
    link_hold(&l, 6000, 1); /* never shorter */
    ck_assert_int_eq(link_use(&l, 6000, &wait), LINK_PAUSED);
    ck_assert_int_eq(wait, 6000);
    ck_assert_int_eq(link_use(&l, 12000, &wait), LINK_PROBE);
    done(&l);
}
END_TEST

START_TEST(new_versions_are_fetched_without_a_pause)
{
    struct link l = fresh();
    int64_t wait;
    link_opened(&l, 0, "1", "1");
    link_refresh(&l);
    ck_assert_int_eq(link_use(&l, 0, &wait), LINK_PROBE);
    done(&l);
}
END_TEST

UNIT_MAIN("fep_link", the_way_is_probed_before_the_first_message, a_failure_pauses_and_then_probes,
          pauses_grow_during_an_outage_up_to_the_longest, a_repeated_failure_is_logged_once_and_counted,
          one_messages_trouble_is_not_an_outage, a_pause_that_the_other_side_asked_for_is_kept,
          new_versions_are_fetched_without_a_pause)
