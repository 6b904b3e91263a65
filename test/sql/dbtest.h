/* dbtest: what tests with a database share. Run under test/lib/pg.sh, which makes the cluster and says where. */
#ifndef NHJC_TEST_DBTEST_H
#define NHJC_TEST_DBTEST_H

#include "../unit/unit.h"

#include "db/db.h"

#define OK(expr)                                                                                                       \
    do {                                                                                                               \
        struct result ok_result_ = (expr);                                                                             \
        ck_assert_msg(result_ok(ok_result_), "%s: %s", #expr, ok_result_.text);                                        \
    } while (0)

/* Rows of a statement written in place; the caller frees them. */
#define ROWS(db, params, text)                                                                                         \
    ({                                                                                                                 \
        static const struct db_stmt stmt_ = {"test", text};                                                            \
        struct db_rows *rows_ = NULL;                                                                                  \
        OK(db_query(db, &stmt_, params, &rows_));                                                                      \
        rows_;                                                                                                         \
    })

/* The one number of a statement written in place. */
#define NUMBER(db, text)                                                                                               \
    ({                                                                                                                 \
        struct db_rows *number_rows_ = ROWS(db, NULL, text);                                                           \
        int64_t number_ = db_get_int(number_rows_, 0, 0);                                                              \
        db_rows_free(&number_rows_);                                                                                   \
        number_;                                                                                                       \
    })

static inline struct db *open_db_with(const char *conninfo, int statement_timeout_ms, bool read_only)
{
    struct db_config config = {.conninfo = conninfo,
                               .application = "nhjc-test",
                               .statement_timeout_ms = statement_timeout_ms,
                               .read_only = read_only};
    struct db *db = NULL;
    OK(db_open(&config, &db));
    return db;
}

static inline struct db *open_db(void)
{
    return open_db_with("", 20000, false);
}

/* Like UNIT_MAIN, with what is done before each test; DBTEST_MAIN_ONCE: before all of them. */
#define DBTEST_MAIN_ONCE(name, before, ...)                                                                            \
    int main(void)                                                                                                     \
    {                                                                                                                  \
        const TTest *const tests[] = {__VA_ARGS__};                                                                    \
        return dbtest_run(name, before, true, tests, sizeof tests / sizeof tests[0]);                                  \
    }
#define DBTEST_MAIN(name, before, ...)                                                                                 \
    int main(void)                                                                                                     \
    {                                                                                                                  \
        const TTest *const tests[] = {__VA_ARGS__};                                                                    \
        return dbtest_run(name, before, false, tests, sizeof tests / sizeof tests[0]);                                 \
    }

static inline int dbtest_run(const char *name, SFun before, bool once, const TTest *const *tests, size_t count)
{
    Suite *suite = suite_create(name);
    TCase *tcase = tcase_create(name);
    tcase_set_timeout(tcase, 300);
    if (once) {
        tcase_add_unchecked_fixture(tcase, before, NULL);
    } else {
        tcase_add_checked_fixture(tcase, before, NULL);
    }
    for (size_t i = 0; i < count; i++) {
        tcase_add_test(tcase, tests[i]);
    }
    suite_add_tcase(suite, tcase);
    return unit_finish(suite);
}

#endif
