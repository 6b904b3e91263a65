/* device_state: what the platform told the device at registration, kept beside the spool so that collecting can go on
 * while the platform is away. Pure: text in and out. Thread: any thread. */
#ifndef NHJC_SIM_DEVICE_STATE_H
#define NHJC_SIM_DEVICE_STATE_H

#include <stdbool.h>

#include "base/buf.h"

struct device_state {
    char device_id[64], reg_version[40], dic_version[40];
    char secret_key[40]; /* hex; "" none */
};

void device_state_write(const struct device_state *state, struct buf *out);
bool device_state_read(const struct buf *text, struct device_state *state); /* false: no deviceId in it */
/* The key as bytes; 0: none, or not 32 hex digits. */
unsigned device_state_key(const struct device_state *state, unsigned char key[16]);

#endif
