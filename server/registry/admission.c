#include "registry/admission.h"

#include <stdio.h>
#include <string.h>

#include "base/caltime.h"
#include "base/mem.h"

const struct admission_rule ADMISSION_RULES[] = {
    {UNIT_APPLIED, "apply", UNIT_APPLIED, NEED_OWN}, /* a corrected application */
    {UNIT_APPLIED, "approve", UNIT_APPROVED, NEED_OWN},
    {UNIT_APPROVED, "certify", UNIT_CERTIFIED, NEED_OWN | NEED_CERTIFICATE},
    {UNIT_CERTIFIED, "certify", UNIT_CERTIFIED, NEED_OWN | NEED_CERTIFICATE}, /* renewals */
    {UNIT_TESTING, "certify", UNIT_TESTING, NEED_OWN | NEED_CERTIFICATE},
    {UNIT_TRIAL, "certify", UNIT_TRIAL, NEED_OWN | NEED_CERTIFICATE},
    {UNIT_ACCEPTED, "certify", UNIT_ACCEPTED, NEED_OWN | NEED_CERTIFICATE},
    {UNIT_CERTIFIED, "testing", UNIT_TESTING, NEED_OWN}, /* also by the first Register */
    {UNIT_TESTING, "trial", UNIT_TRIAL, NEED_OWN | NEED_CONFIG},
    {UNIT_TRIAL, "trial", UNIT_TRIAL, NEED_OWN | NEED_CONFIG},     /* the trial begins anew */
    {UNIT_TRIAL, "testing", UNIT_TESTING, NEED_OWN | NEED_REASON}, /* the trial is broken off */
    {UNIT_TRIAL, "accept", UNIT_ACCEPTED, NEED_OWN | NEED_CONFIG | NEED_TRIAL_OVER | NEED_CONFORMITY},
    {UNIT_CERTIFIED, "suspend", UNIT_SUSPENDED, 0},
    {UNIT_TESTING, "suspend", UNIT_SUSPENDED, 0},
    {UNIT_TRIAL, "suspend", UNIT_SUSPENDED, 0},
    {UNIT_ACCEPTED, "suspend", UNIT_SUSPENDED, 0},
    {UNIT_SUSPENDED, "resume", UNIT_SUSPENDED, 0},
    {UNIT_APPLIED, "retire", UNIT_RETIRED, NEED_REASON},
    {UNIT_APPROVED, "retire", UNIT_RETIRED, NEED_REASON},
    {UNIT_CERTIFIED, "retire", UNIT_RETIRED, NEED_REASON},
    {UNIT_TESTING, "retire", UNIT_RETIRED, NEED_REASON},
    {UNIT_TRIAL, "retire", UNIT_RETIRED, NEED_REASON},
    {UNIT_ACCEPTED, "retire", UNIT_RETIRED, NEED_REASON},
    {UNIT_SUSPENDED, "retire", UNIT_RETIRED, NEED_REASON},
    {UNIT_RETIRED, "apply", UNIT_APPLIED, NEED_OWN}, /* back again: from the beginning */
};
const size_t ADMISSION_RULE_COUNT = ARRAY_LEN(ADMISSION_RULES);

static const char *const STATES_ZH[] = {"已申请",   "已批准", "已发证", "测试中",
                                        "试运行中", "已验收", "已暂停", "已注销"};

const char *admission_state_zh(enum unit_state state)
{
    return (size_t)state < ARRAY_LEN(STATES_ZH) ? STATES_ZH[state] : "";
}

const struct admission_rule *admission_rule(enum unit_state from, const char *verb)
{
    for (size_t i = 0; i < ARRAY_LEN(ADMISSION_RULES); i++) {
        if (ADMISSION_RULES[i].from == from && strcmp(ADMISSION_RULES[i].verb, verb) == 0) {
            return &ADMISSION_RULES[i];
        }
    }
    return NULL;
}

char *admission_verbs(enum unit_state from, char out[ADMISSION_VERBS])
{
    size_t n = 0;
    out[0] = '\0';
    for (size_t i = 0; i < ARRAY_LEN(ADMISSION_RULES); i++) {
        const char *verb = ADMISSION_RULES[i].verb;
        if (ADMISSION_RULES[i].from == from && n + strlen(verb) + 2 < ADMISSION_VERBS) {
            n += (size_t)sprintf(out + n, "%s%s", n ? " " : "", verb);
        }
    }
    return out;
}

/* ---- what must hold ---- */

static RESULT refuse_step(const struct admission_facts *f, const char *verb)
{
    char verbs[ADMISSION_VERBS];
    admission_verbs(f->state, verbs);
    return result_error(ERR_SENDER, 0,
                        "当前状态为%s，不能 %s，可以：%s / the enterprise is %s: %s is not possible, only: %s",
                        admission_state_zh(f->state), verb, verbs, unit_state_name(f->state), verb, verbs);
}

static RESULT need_trial_over(const struct admission_facts *f, int64_t now)
{
    char until[CALTIME_TEXT];
    if (f->trial_until != INT64_MIN && f->trial_until <= now) {
        return RESULT_OK;
    }
    return result_error(ERR_SENDER, 0, "试运行期至 %s，尚未届满 / the trial runs until then and is not over",
                        f->trial_until == INT64_MIN ? "?" : caltime_format(f->trial_until, until));
}

static RESULT check_needs(const struct admission_facts *f, unsigned needs, const char *reason, int64_t now)
{
    if ((needs & NEED_OWN) && f->from_platform) {
        return result_error(ERR_SENDER, 0,
                            "该企业经下级平台接入，由下级平台办理 / known through a lower platform, which admits it");
    }
    if ((needs & NEED_REASON) && (!reason || !*reason)) {
        return result_error(ERR_SENDER, 0, "须说明原因 / a reason is needed: --reason TEXT");
    }
    if ((needs & NEED_CONFIG) && (f->config_version == 0 || f->items == 0)) {
        return result_error(ERR_SENDER, 0,
                            "尚未收到含采集项的配置 / no configuration with collect items was received yet");
    }
    return needs & NEED_TRIAL_OVER ? need_trial_over(f, now) : RESULT_OK;
}

RESULT admission_judge(const struct admission_facts *f, const char *verb, const char *reason, bool forced, int64_t now,
                       enum unit_state *to)
{
    const struct admission_rule *rule = admission_rule(f->state, verb);
    if (!rule) {
        return refuse_step(f, verb);
    }
    unsigned needs = rule->needs;
    if (forced) { /* what is waived must be explained */
        needs = (needs & ~(unsigned)NEEDS_WAIVED_BY_FORCE) | NEED_REASON;
    }
    TRY(check_needs(f, needs, reason, now));
    *to = strcmp(verb, "resume") == 0 ? f->before : rule->to;
    return RESULT_OK;
}

RESULT admission_judge_trial(const struct admission_facts *f, int64_t from, const char *reason, int64_t now)
{
    char since[CALTIME_TEXT];
    if (from > now) {
        return result_error(ERR_SENDER, 0, "试运行不能始于将来 / a trial does not begin in the future");
    }
    if (from < f->state_since && (!reason || !*reason)) {
        return result_error(ERR_SENDER, 0,
                            "起始早于进入当前状态的 %s，须说明原因 / it begins before the present state did: --reason "
                            "TEXT is needed",
                            caltime_format(f->state_since, since));
    }
    return RESULT_OK;
}
