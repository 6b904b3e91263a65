/* admission 接入: the way of an enterprise from its application to acceptance, and out again.
 *
 * Rules:  one table of {from, to, verb, what must hold}; everything else is refused with the steps that are possible.
 * Store:  admission_step reads the enterprise under a row lock, judges, changes its state and tells the servers (NOTIFY
 *         nhjc_registry), all in the caller's transaction; the caller writes the audit row there.
 * Errors: SENDER 0 with Chinese and English words where a step is refused; NOT_FOUND; those of db.
 * Thread: as the connection; the table: any thread. */
#ifndef NHJC_REGISTRY_ADMISSION_H
#define NHJC_REGISTRY_ADMISSION_H

#include "registry/registry.h"

#define ADMISSION_TRIAL_DAYS 15

enum admission_need {                       /* bits */
                      NEED_OWN = 1,         /* not known through a lower platform, which admits its own */
                      NEED_REASON = 2,      /* said by the operator, for the audit log */
                      NEED_CERTIFICATE = 4, /* bound by the caller in the same transaction */
                      NEED_CONFIG = 8,      /* a configuration with items was received */
                      NEED_TRIAL_OVER = 16, /* trial_until has passed */
                      NEED_CONFORMITY = 32  /* the conformity rules hold; judged by the caller */
};
#define NEEDS_WAIVED_BY_FORCE (NEED_CONFIG | NEED_TRIAL_OVER | NEED_CONFORMITY)

struct admission_rule {
    enum unit_state from;
    const char *verb;
    enum unit_state to; /* UNIT_SUSPENDED as `to` of resume: the state before the suspension */
    unsigned needs;
};
extern const struct admission_rule ADMISSION_RULES[];
extern const size_t ADMISSION_RULE_COUNT;

const struct admission_rule *admission_rule(enum unit_state from, const char *verb); /* NULL: not possible */
/* The verbs that are possible, separated by blanks; "" in a state that nothing leaves. Returns out. */
#define ADMISSION_VERBS 128
char *admission_verbs(enum unit_state from, char out[ADMISSION_VERBS]);
const char *admission_state_zh(enum unit_state state);

struct admission_facts { /* of an enterprise, as far as rules need them */
    int32_t id;
    enum unit_state state, before; /* before: of a suspended one */
    bool from_platform;
    int32_t config_version;
    int64_t items;       /* active */
    int64_t trial_until; /* INT64_MIN: none */
    int64_t state_since;
    char region[7];
};
/* FOR UPDATE. NOT_FOUND when there is no such enterprise. */
RESULT admission_read(struct db *db, const char *code, struct admission_facts *facts);
/* Pure. *to: the state after the step. reason may be NULL; forced waives what force may waive. */
RESULT admission_judge(const struct admission_facts *facts, const char *verb, const char *reason, bool forced,
                       int64_t now, enum unit_state *to);

/* Pure. A trial does not begin in the future; one that begins before the enterprise came into its state shortens what
 * remains of the days, which needs a reason. */
RESULT admission_judge_trial(const struct admission_facts *facts, int64_t from, const char *reason, int64_t now);

struct admission_step {
    const char *code, *verb;
    const char *reason; /* NULL: none */
    bool forced;
    int64_t now;
    int64_t trial_from;         /* verb trial: the trial begins here */
    enum unit_state from, to;   /* out */
    struct admission_facts was; /* out */
};
RESULT admission_step(struct db *db, struct admission_step *step);

/* The first Register of a certified enterprise: testing. *moved: it was this call. In a transaction of the caller. */
RESULT admission_registered(struct db *db, const char *code, int64_t now, bool *moved);

struct admission_certificate {
    const char *code;
    const char *fingerprint, *serial, *issuer; /* fingerprint: SHA-256, hex */
    const char *device;                        /* serial of the end device that it names; NULL or "": none */
    int64_t not_after, former_until;           /* the certificate bound before is good until then */
};
/* Writes it down if it is not known yet, for warnings of its end and the conformity report; binds nothing. */
RESULT admission_note_certificate(struct db *db, const struct admission_certificate *c);
/* Binds the certificate, to the device if it names one, else to the enterprise; the same again keeps the former one's
 * grace. *renewed: another one was bound before. */
RESULT admission_bind(struct db *db, const struct admission_certificate *c, bool *renewed);
RESULT admission_notify(struct db *db, const char *code);

#endif
