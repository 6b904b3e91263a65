#include <string.h>

#include "fep/plan.h"
#include "unit.h"

static struct outbox_row row(int32_t unit, int64_t id, int kind, int turn)
{
    return (struct outbox_row){.unit_id = unit, .id = id, .kind = kind, .turn = turn};
}

START_TEST(configuration_goes_first_one_document_per_enterprise)
{
    struct aside a = {0};
    enum pack_kind kind;
    struct outbox_row rows[] = {row(1, 10, 0, 1), row(2, 20, 1, 1), row(3, 30, 1, 1),
                                row(1, 11, 0, 2), row(2, 21, 1, 2), row(3, 31, 0, 2)};
    ck_assert_uint_eq(plan_rows(&a, rows, 6, &kind), 2);
    ck_assert_int_eq(kind, PACK_CONFIG);
    ck_assert_int_eq(rows[0].id, 20);
    ck_assert_int_eq(rows[1].id, 30);
}
END_TEST

START_TEST(data_behind_a_configuration_row_waits_for_it)
{
    struct aside a = {0};
    enum pack_kind kind;
    struct outbox_row rows[] = {row(1, 10, 0, 1), row(2, 20, 0, 1), row(1, 11, 1, 2), row(2, 21, 0, 2),
                                row(1, 12, 0, 3), row(2, 22, 0, 3), row(1, 13, 0, 4)};
    ck_assert_uint_eq(plan_rows(&a, rows, 7, &kind), 4);
    ck_assert_int_eq(kind, PACK_DATA);
    static const int64_t ids[] = {10, 20, 21, 22};
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(rows[i].id, ids[i]);
}
END_TEST

START_TEST(a_late_row_is_the_only_one_of_its_enterprise)
{
    struct aside a = {0};
    enum pack_kind kind;
    struct outbox_row rows[] = {row(1, 10, 0, 1), row(2, 20, 0, 1), row(1, 11, 0, 2),
                                row(2, 21, 0, 2), row(1, 12, 0, 3), row(2, 22, 0, 3)};
    rows[0].late = true;
    rows[5].late = true;
    ck_assert_uint_eq(plan_rows(&a, rows, 6, &kind), 3);
    static const int64_t ids[] = {10, 20, 21};
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(rows[i].id, ids[i]);
}
END_TEST

START_TEST(after_a_split_each_enterprise_then_each_row_goes_alone)
{
    struct aside a = {0};
    enum pack_kind kind;
    struct outbox_share both[] = {{.unit_id = 1, .last_id = 12, .rows = 3}, {.unit_id = 2, .last_id = 21, .rows = 2}};
    aside_split(&a, both, 2);
    static const int32_t units[] = {1, 2, 3};
    ck_assert_uint_eq(plan_units(&a, units, 3), 1);
    static const int32_t later[] = {3, 4, 2, 5};
    ck_assert_uint_eq(plan_units(&a, later, 4), 2); /* up to the one that goes alone, which is next then */
    struct outbox_row rows[] = {row(1, 10, 0, 1), row(1, 11, 0, 2), row(1, 12, 0, 3)};
    ck_assert_uint_eq(plan_rows(&a, rows, 3, &kind), 3);
    aside_split(&a, both, 1); /* alone, and still refused */
    ck_assert_uint_eq(plan_rows(&a, rows, 3, &kind), 1);
    ck_assert_int_eq(rows[0].id, 10);
    ck_assert_uint_eq(plan_rows(&a, rows + 2, 1, &kind), 1);
    aside_free(&a);
}
END_TEST

START_TEST(trouble_that_lies_behind_is_forgotten)
{
    struct aside a = {0};
    enum pack_kind kind;
    struct outbox_share share[] = {{.unit_id = 1, .last_id = 12, .rows = 1}, {.unit_id = 2, .last_id = 5, .rows = 1}};
    aside_split(&a, share, 2);
    struct outbox_row old[] = {row(1, 12, 0, 1), row(1, 13, 0, 2)}, next[] = {row(1, 13, 0, 1), row(1, 14, 0, 2)};
    static const int32_t units[] = {1, 3};
    ck_assert_uint_eq(plan_rows(&a, old, 2, &kind), 2);
    ck_assert_uint_eq(plan_units(&a, units, 2), 1);
    ck_assert_uint_eq(plan_rows(&a, next, 2, &kind), 2);
    ck_assert_uint_eq(plan_units(&a, units, 2), 2);
    aside_free(&a);
}
END_TEST

START_TEST(an_enterprise_with_a_refused_row_stays_alone_until_it_is_accepted)
{
    struct aside a = {0};
    enum pack_kind kind;
    aside_refused(&a, 1);
    static const int32_t units[] = {1, 3};
    struct outbox_row rows[] = {row(1, 1000, 0, 1), row(1, 1001, 0, 2)};
    ck_assert_uint_eq(plan_rows(&a, rows, 2, &kind), 2);
    ck_assert_uint_eq(plan_units(&a, units, 2), 1);
    aside_accepted(&a, 1);
    ck_assert_uint_eq(plan_rows(&a, rows, 2, &kind), 2);
    ck_assert_uint_eq(plan_units(&a, units, 2), 2);
    aside_accepted(&a, 99); /* never heard of */
    aside_free(&a);
}
END_TEST

START_TEST(many_enterprises_can_stand_aside)
{
    struct aside a = {0};
    for (int32_t u = 1; u <= 1000; u++)
        aside_refused(&a, u);
    for (int32_t u = 1; u <= 1000; u++)
        ENSURE(plan_units(&a, &u, 1) == 1);
    ck_assert_uint_eq(a.count, 1000);
    aside_free(&a);
}
END_TEST

START_TEST(no_rows_make_no_plan)
{
    struct aside a = {0};
    enum pack_kind kind;
    ck_assert_uint_eq(plan_rows(&a, NULL, 0, &kind), 0);
    ck_assert_uint_eq(plan_units(&a, NULL, 0), 0);
}
END_TEST

UNIT_MAIN("plan", configuration_goes_first_one_document_per_enterprise, data_behind_a_configuration_row_waits_for_it,
          a_late_row_is_the_only_one_of_its_enterprise, after_a_split_each_enterprise_then_each_row_goes_alone,
          trouble_that_lies_behind_is_forgotten, an_enterprise_with_a_refused_row_stays_alone_until_it_is_accepted,
          many_enterprises_can_stand_aside, no_rows_make_no_plan)
