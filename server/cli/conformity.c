#include "cli/conformity.h"

#include <stdio.h>

#include "base/caltime.h"
#include "base/clock.h"
#include "quality/conformity.h"

static const struct db_stmt TRIAL = {"conformity_trial", "SELECT coalesce(trial_from, $2) FROM unit WHERE code = $1"};

static RESULT begin_of_trial(struct db *db, const char *code, int64_t now, int64_t *from)
{
    struct db_params p;
    struct db_rows *rows = NULL;
    db_params_init(&p);
    db_bind_text(&p, code);
    db_bind_time(&p, now);
    TRY(db_ask(db, &TRIAL, &p, &rows));
    *from = db_rows_count(rows) ? db_get_time(rows, 0, 0) : now;
    db_rows_free(&rows);
    return RESULT_OK;
}

/* Each rule that does not hold in a line of its own: together they are longer than the text of an error. */
static RESULT verdict(const struct conformity *c)
{
    for (size_t i = 0; i < RULE_COUNT && !c->passed; i++) {
        const struct conformity_result *rule = &c->results[i];
        if (!rule->passed) {
            fprintf(stderr, "  %s: %s / %s: %s\n", rule->title_zh, rule->reason_zh, rule->title_en, rule->reason_en);
        }
    }
    bool current = conformity_current(c);
    if (!current) {
        fprintf(
            stderr,
            "  最近 %d 天内没有合格日，企业已不再正常上传 / no good day in the last %d: the enterprise sends no more\n",
            CONFORMITY_RECENT_DAYS, CONFORMITY_RECENT_DAYS);
    }
    return c->passed && current
               ? RESULT_OK
               : result_error(ERR_SENDER, 0,
                              "未通过符合性测试，见 report conformity / the conformity rules do not hold, see report "
                              "conformity");
}

RESULT conformity_of_trial(struct cli *cli, const char *code)
{
    struct conformity c;
    int64_t from, now = clock_now();
    TRY(begin_of_trial(cli->db, code, now, &from));
    struct arena *arena = arena_new(0);
    struct result r = conformity_test(cli->db, code, period_start(GRAN_DAY, from), now, arena, &c);
    if (result_ok(r)) {
        r = verdict(&c);
    }
    arena_free(&arena);
    return r;
}
