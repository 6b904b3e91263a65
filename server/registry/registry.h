/* registry: who may upload what: enterprises, devices, platforms, collect items, in memory.
 *
 * Shape:  one immutable struct unit per enterprise, replaced whole when something about it changes;
 *         readers hold a reference, so a swap never pulls data from under an upload.
 * Fresh:  a change made by another process (nhjcctl) arrives by NOTIFY nhjc_registry with the code
 *         ("" = everything); the housekeeping thread calls registry_reload_unit. After a lost
 *         connection everything is reloaded. An unknown code is looked up in the database once.
 * Owner:  registry_unit gives a reference: unit_release. Texts live as long as the reference.
 * Thread: any thread; loading needs a connection of the caller's own. */
#ifndef NHJC_REGISTRY_REGISTRY_H
#define NHJC_REGISTRY_REGISTRY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/result.h"
#include "db/db.h"

enum aggregation { AGG_SUM = 0, AGG_MEAN = 1, AGG_COUNTER = 2 };

/* Admission 接入; the database stores the word. */
enum unit_state {
    UNIT_APPLIED,
    UNIT_APPROVED,
    UNIT_CERTIFIED,
    UNIT_TESTING,
    UNIT_TRIAL,
    UNIT_ACCEPTED,
    UNIT_SUSPENDED,
    UNIT_RETIRED
};

#define PAGE_SLOTS 128
#define SLOT_PAGE(slot) ((slot) / PAGE_SLOTS)
#define SLOT_INDEX(slot) ((slot) % PAGE_SLOTS)
#define DECIMAL_UNSET INT64_MIN

struct item { /* one collectItem: (data code, stat type); keeps its slot for ever */
    int32_t slot;
    char data_code[17];
    int8_t stat_type;   /* 0 real time, 1 day, 2 month, 3 year */
    int8_t aggregation; /* enum aggregation */
    int8_t scope, input_type;
    bool active;                  /* false: retired, history stays, new readings are 3101 */
    int32_t period;               /* seconds; stat_type 0 only */
    int64_t counter_max;          /* scaled; DECIMAL_UNSET */
    int64_t value_min, value_max; /* scaled, inclusive; DECIMAL_UNSET */
    int64_t jump_limit;           /* 3204: scaled largest step; DECIMAL_UNSET: off */
    int32_t stuck_count;          /* 3205: equal readings in a row; 0: off */
    int32_t whole;                /* 3401: slot of the plant item this process item is a part of; -1: none */
    bool has_parts;               /* 3401: there are process items of the same energy and usage */
    const char *name, *unit;
};

struct device {
    char id[33];
    const char *serial;
    unsigned char secret_key[16];
    bool has_key;
};

struct device_binding { /* the certificate of one end device, registered or not */
    const char *serial, *fingerprint;
    const char *former; /* as cert_former and cert_former_until of the unit */
    int64_t former_until;
};

struct unit {
    atomic_int references;
    int32_t id;
    char code[19];
    char region[7];
    const char *name;
    const char *industry;
    enum unit_state state;
    bool from_platform; /* known through a lower platform, not admitted here */
    int32_t period;     /* default seconds of its items */
    int32_t config_version, upload_period;
    const char *cert_fingerprint; /* bound certificate, "" = any with the right identity */
    const char *cert_former;      /* renewal: the one bound before, "" = none … */
    int64_t cert_former_until;    /* … good until here */
    bool device_certificates;     /* only certificates that name their device may act */
    const char *ciphers;          /* allowed encryption names, space separated, "" = all */
    const char *digests;          /* allowed digest methods, likewise */
    const char *allow;            /* allow-list of addresses (CIDR, space separated), "" = any */
    struct item *items;           /* sorted by (data_code, stat_type) */
    size_t item_count;
    struct item **by_slot; /* slot -> item, slot_count entries */
    int32_t slot_count;
    struct device *devices;
    size_t device_count;
    struct device_binding *bindings;
    size_t binding_count;
    void *memory; /* arena */
};

struct registry;

RESULT registry_open(struct db *db, struct registry **registry); /* loads everything */
void registry_close(struct registry **registry);
/* NULL-able: *unit NULL when no such enterprise. db used only for a code not yet seen; may be NULL. */
RESULT registry_unit(struct registry *r, struct db *db, const char *code, struct unit **unit);
RESULT registry_unit_by_id(struct registry *r, struct db *db, int32_t id, struct unit **unit);
void unit_release(struct unit **unit);
RESULT registry_reload_unit(struct registry *r, struct db *db, const char *code);
RESULT registry_reload_all(struct registry *r, struct db *db);

const struct item *unit_item(const struct unit *u, const char *data_code, int stat_type); /* NULL: none */
bool unit_has_code(const struct unit *u, const char *data_code);                          /* any stat type, active */
const struct device *unit_device(const struct unit *u, const char *device_id);       /* hex digits in either case */
const struct device_binding *unit_binding(const struct unit *u, const char *serial); /* NULL: none */
bool unit_may_upload(const struct unit *u); /* state testing, trial or accepted (certified moves on) */
const char *unit_state_name(enum unit_state s);
bool unit_state_from_name(const char *name, enum unit_state *s);

/* Check digit of the unified social credit code, GB 32100-2015. */
bool uscc_valid(const char *code);

#endif
