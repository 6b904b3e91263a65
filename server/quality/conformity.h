/* conformity: the conformity test of data access 数据接入符合性测试: is what an enterprise sent fit for acceptance?
 *
 * For:    `nhjcctl report conformity`; acceptance after the trial.
 * How:    facts are read from the database (conformity_read), then judged by a table of rules without it
 *         (conformity_judge), so that every rule can be tried on made-up facts.
 * Window: shares are judged over the longest run of good days in the period, the latest of equal ones: a spoiled day
 *         is named, begins the run anew, and does not stand in the way for ever.
 * Errors: those of db; NOT_FOUND for an enterprise nobody knows.
 * Owner:  everything lives in the caller's arena. Thread: as the connection. */
#ifndef NHJC_QUALITY_CONFORMITY_H
#define NHJC_QUALITY_CONFORMITY_H

#include "quality/quality.h"

/* What acceptance asks for (README.md). Ratios scaled by 10^6. */
#define CONFORMITY_DAYS 15
#define CONFORMITY_SUCCESS (DECIMAL_SCALE * 999 / 1000)
#define CONFORMITY_COMPLETENESS (DECIMAL_SCALE * 95 / 100)
#define CONFORMITY_ON_TIME (DECIMAL_SCALE * 90 / 100)
#define CONFORMITY_METERED (DECIMAL_SCALE * 80 / 100)
#define CONFORMITY_CLOCK_MS 300000 /* as finding 2110 */
#define CONFORMITY_OUTAGE_FILL (DECIMAL_SCALE * 9 / 10)
#define CONFORMITY_SEEN_DAYS 2   /* a heartbeat this long before the end of the period still tells something */
#define CONFORMITY_RECENT_DAYS 3 /* of the trial, for acceptance: the last good day is no older than this */

enum conformity_rule_id {
    RULE_CERTIFICATE,
    RULE_CONFIGURATION,
    RULE_CONTINUOUS,
    RULE_SUCCESS,
    RULE_COMPLETENESS,
    RULE_ON_TIME,
    RULE_MAKE_UP,
    RULE_CLOCK,
    RULE_METERED,
    RULE_COUNT
};

struct conformity_result {
    const char *key;                 /* "continuousDays": of JSON */
    const char *title_zh, *title_en; /* what is judged */
    const char *asked_zh, *asked_en; /* what is asked for */
    const char *reason_zh, *reason_en;
    bool passed;
};

struct conformity_outage { /* hours in which nothing came in time and something late, between hours that came in time */
    int64_t from, to;      /* whole days where no item has hours */
    int64_t arrived, expected;
};

struct conformity_item {
    const struct quality_item *item;
    struct quality_counts counts; /* over the window */
};

struct conformity_energy { /* what the readings of one data code and input type contribute to the 80 % rule */
    const char *data_code, *name, *energy;
    int input_type; /* the reading's own where it was sent with another than the configured one, else that */
    bool metered;
    dec128 tce, own_tce; /* own_tce: of tce, by readings with an input type of their own */
};

struct conformity {
    struct arena *arena;
    int64_t now, from, to;
    /* who */
    struct quality_unit unit;
    const char *name, *region, *industry, *state;
    /* certificate */
    const char *bound_certificate; /* fingerprint, "" none */
    int64_t certificate_count;     /* known, neither revoked nor over, fit for the binding */
    int64_t certificate_until;     /* of the one that lasts longest */
    /* configuration */
    int32_t config_version;
    int64_t configured_at, active_items;
    /* device */
    bool has_device, has_heartbeat;
    const char *device_serial;
    int64_t clock_offset_ms, heartbeat_at; /* of the device whose heartbeat came last */
    /* days */
    struct quality_list days; /* of the period, whole days only */
    size_t window_first, window_days;
    struct quality_counts period, window;
    struct conformity_item *items; /* of the window, in order of data code */
    size_t item_count, item_cap;
    struct conformity_outage *outages;
    size_t outage_count, outage_cap;
    struct conformity_energy *energies;
    size_t energy_count, energy_cap;
    dec128 tce, metered_tce, own_tce;
    int64_t raw_from;        /* readings before are gone, and with them their own input types; 0: none are */
    int64_t refused_uploads; /* as a whole, in the period */
    int64_t pending_hours;   /* still to be rolled up: the figures are not final */
    /* verdict */
    struct conformity_result results[RULE_COUNT];
    bool passed;
};

/* The period's days that begin in [from, to) and are over. */
RESULT conformity_read(struct db *db, const char *enterprise_code, int64_t from, int64_t to, struct arena *arena,
                       struct conformity *out);
/* Chooses the window among c->days and adds up its counts. Pure. */
void conformity_choose_window(struct conformity *c);
/* Fills results and passed. Pure. */
void conformity_judge(struct conformity *c);
/* All of it. */
RESULT conformity_test(struct db *db, const char *enterprise_code, int64_t from, int64_t to, struct arena *arena,
                       struct conformity *out);

/* Is there a good day among the last CONFORMITY_RECENT_DAYS of the period: does the enterprise still send? Pure. */
bool conformity_current(const struct conformity *c);
/* Days of the period that are not good: the reasons why a run ended. */
bool conformity_spoiled(const struct quality_day *day);

#endif
