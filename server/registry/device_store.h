/* device_store: end devices 端设备 of admitted enterprises, in the database.
 *
 * For:    Register and Heartbeat. The registry (registry.h) holds what uploads need; after a registration that
 *         changed something the caller reloads the unit there, other processes learn by NOTIFY.
 * Errors: those of db. Thread: as the connection. */
#ifndef NHJC_REGISTRY_DEVICE_STORE_H
#define NHJC_REGISTRY_DEVICE_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "db/db.h"

struct device_registration {
    int32_t unit_id;
    const char *enterprise_code; /* for the notification */
    const char *serial;
    const char *manufacturer, *model, *software_version; /* NULL: what was known stays */
    bool want_key;                                       /* payload encryption is on */
};

struct device_registered {
    char device_id[33];
    bool has_key;
    unsigned char key[16];
    char upload_time[16]; /* HH:mm:ss */
    int32_t upload_period;
    bool changed; /* a new device, or one that got its key just now */
};

/* Idempotent per (enterprise, serial): the same call gives the same id and key. */
RESULT device_register(struct db *db, const struct device_registration *d, struct device_registered *out);

struct device_sign { /* of life */
    int32_t unit_id;
    const char *device_id;
    const char *software_version; /* NULL: not told */
    int64_t clock_offset_ms;
    int64_t pending_records; /* -1: not told */
};
RESULT device_seen(struct db *db, const struct device_sign *sign);

#endif
