#include "unit.h"

#include <string.h>

#include "base/mem.h"
#include "registry/admission.h"
#include "registry/command_store.h"

#define NOW INT64_C(1800000000000000)

static const struct admission_facts READY = {
    .id = 1, .before = UNIT_TRIAL, .config_version = 1, .items = 3, .trial_until = NOW - 1};

static struct admission_facts in_state(enum unit_state state)
{
    struct admission_facts f = READY;
    f.state = state;
    return f;
}

static bool possible(const struct admission_facts *f, const char *verb, const char *reason, bool forced)
{
    enum unit_state to;
    return result_ok(admission_judge(f, verb, reason, forced, NOW, &to));
}

static enum unit_state after(enum unit_state from, const char *verb)
{
    struct admission_facts f = in_state(from);
    enum unit_state to = UNIT_APPLIED;
    struct result r = admission_judge(&f, verb, "why", false, NOW, &to);
    ck_assert_msg(result_ok(r), "%s from %s: %s", verb, unit_state_name(from), r.text);
    return to;
}

START_TEST(the_way_from_application_to_acceptance)
{
    static const char *const VERBS[] = {"approve", "certify", "testing", "trial", "accept"};
    enum unit_state state = UNIT_APPLIED;
    for (size_t i = 0; i < ARRAY_LEN(VERBS); i++) {
        state = after(state, VERBS[i]);
        ck_assert_int_eq(state, UNIT_APPLIED + 1 + (int)i);
    }
}
END_TEST

/* Row: state; column: apply approve certify testing trial accept suspend resume retire. */
START_TEST(every_step_that_is_not_in_the_table_is_refused)
{
    static const char *const VERBS[] = {"apply",  "approve", "certify", "testing", "trial",
                                        "accept", "suspend", "resume",  "retire"};
    static const char *const ALLOWED[] = {"110000001", "001000001", "001100101", "001010101",
                                          "001111101", "001000101", "000000011", "100000000"};
    for (int s = UNIT_APPLIED; s <= UNIT_RETIRED; s++) {
        struct admission_facts f = in_state((enum unit_state)s);
        for (size_t v = 0; v < ARRAY_LEN(VERBS); v++) {
            ck_assert_msg(possible(&f, VERBS[v], "why", false) == (ALLOWED[s][v] == '1'), "%s from %s", VERBS[v],
                          unit_state_name(f.state));
        }
        ck_assert(!possible(&f, "admit", "why", true));
    }
}
END_TEST

START_TEST(no_step_is_in_the_table_twice)
{
    for (size_t i = 0; i < ADMISSION_RULE_COUNT; i++) {
        ck_assert_ptr_eq(admission_rule(ADMISSION_RULES[i].from, ADMISSION_RULES[i].verb), &ADMISSION_RULES[i]);
    }
}
END_TEST

START_TEST(a_refusal_names_the_state_and_the_steps_there_are)
{
    struct admission_facts f = in_state(UNIT_APPROVED);
    enum unit_state to;
    struct result r = admission_judge(&f, "accept", NULL, false, NOW, &to);
    ck_assert_int_eq(r.kind, ERR_SENDER);
    ck_assert_ptr_nonnull(strstr(r.text, "已批准"));
    ck_assert_ptr_nonnull(strstr(r.text, "approved"));
    ck_assert_ptr_nonnull(strstr(r.text, "only: certify retire"));
}
END_TEST

START_TEST(acceptance_waits_for_the_end_of_the_trial)
{
    struct admission_facts f = in_state(UNIT_TRIAL);
    f.trial_until = NOW + 1;
    ck_assert(!possible(&f, "accept", NULL, false));
    f.trial_until = INT64_MIN;
    ck_assert(!possible(&f, "accept", NULL, false));
    f.trial_until = NOW;
    ck_assert(possible(&f, "accept", NULL, false));
}
END_TEST

START_TEST(force_needs_a_reason_and_waives_only_what_it_may)
{
    struct admission_facts f = in_state(UNIT_TRIAL);
    f.trial_until = NOW + 1;
    f.items = 0;
    ck_assert(!possible(&f, "accept", NULL, true));
    ck_assert(!possible(&f, "accept", "", true));
    ck_assert(possible(&f, "accept", "why", true));
    f.from_platform = true;
    ck_assert(!possible(&f, "accept", "why", true));
    f = in_state(UNIT_TESTING);
    ck_assert(!possible(&f, "accept", "why", true));
}
END_TEST

START_TEST(a_trial_needs_a_configuration_with_items)
{
    struct admission_facts f = in_state(UNIT_TESTING);
    f.items = 0;
    ck_assert(!possible(&f, "trial", NULL, false));
    f.items = 1;
    ck_assert(possible(&f, "trial", NULL, false));
    f.config_version = 0;
    ck_assert(!possible(&f, "trial", NULL, false));
}
END_TEST

START_TEST(what_a_lower_platform_admits_can_only_be_stopped_here)
{
    struct admission_facts f = in_state(UNIT_ACCEPTED);
    f.from_platform = true;
    ck_assert(!possible(&f, "certify", NULL, false));
    ck_assert(possible(&f, "suspend", NULL, false));
    ck_assert(possible(&f, "retire", "why", false));
    f.state = UNIT_SUSPENDED;
    ck_assert(possible(&f, "resume", NULL, false));
}
END_TEST

START_TEST(resume_returns_to_the_state_before)
{
    ck_assert_int_eq(after(UNIT_SUSPENDED, "resume"), UNIT_TRIAL);
}
END_TEST

START_TEST(retiring_needs_a_reason)
{
    struct admission_facts f = in_state(UNIT_ACCEPTED);
    ck_assert(!possible(&f, "retire", NULL, false));
    ck_assert(possible(&f, "retire", "closed", false));
}
END_TEST

/* ---- commands ---- */

START_TEST(a_command_takes_what_its_kind_takes)
{
    const char *code[] = {"0000000002330010"};
    const struct {
        struct command_row row;
        bool good;
    } ROWS[] = {
        {{.kind = "REUPLOAD", .from = 1, .to = 2, .value = ""}, true},
        {{.kind = "REUPLOAD", .from = 1, .to = 2, .value = "", .data_codes = code, .code_count = 1}, true},
        {{.kind = "REUPLOAD", .from = 2, .to = 2, .value = ""}, false},
        {{.kind = "REUPLOAD", .from = INT64_MIN, .to = 2, .value = ""}, false},
        {{.kind = "REUPLOAD", .from = 1, .to = 2, .value = "900"}, false},
        {{.kind = "COLLECT_NOW", .from = INT64_MIN, .to = INT64_MIN, .value = ""}, true},
        {{.kind = "COLLECT_NOW", .from = 1, .to = 2, .value = ""}, false},
        {{.kind = "SET_PERIOD", .from = INT64_MIN, .to = INT64_MIN, .value = "300"}, true},
        {{.kind = "SET_PERIOD", .from = INT64_MIN, .to = INT64_MIN, .value = ""}, false},
        {{.kind = "SET_PERIOD", .from = INT64_MIN, .to = INT64_MIN, .value = "77"}, false},
        {{.kind = "SET_PERIOD", .from = INT64_MIN, .to = INT64_MIN, .value = "300s"}, false},
        {{.kind = "REREGISTER", .from = INT64_MIN, .to = INT64_MIN, .value = ""}, true},
        {{.kind = "REREGISTER", .from = INT64_MIN, .to = INT64_MIN, .value = "", .data_codes = code, .code_count = 1},
         false},
        {{.kind = "reupload", .from = 1, .to = 2, .value = ""}, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        ck_assert_msg(result_ok(command_check(&ROWS[i].row)) == ROWS[i].good, "row %zu", i);
    }
    ck_assert(command_kind_known("RELOAD_BASE_DATA"));
    ck_assert(!command_kind_known("REBOOT"));
}
END_TEST

UNIT_MAIN("admission", the_way_from_application_to_acceptance, every_step_that_is_not_in_the_table_is_refused,
          no_step_is_in_the_table_twice, a_refusal_names_the_state_and_the_steps_there_are,
          acceptance_waits_for_the_end_of_the_trial, force_needs_a_reason_and_waives_only_what_it_may,
          a_trial_needs_a_configuration_with_items, what_a_lower_platform_admits_can_only_be_stopped_here,
          resume_returns_to_the_state_before, retiring_needs_a_reason, a_command_takes_what_its_kind_takes)
