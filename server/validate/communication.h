/* communication level: does the payload belong to the request that carried it? (contract sections 5, 7.4)
 * 2111 payload names another enterprise, device or platform; 2110 the device's clock. Thread: any thread. */
#ifndef NHJC_VALIDATE_COMMUNICATION_H
#define NHJC_VALIDATE_COMMUNICATION_H

#include "payload/payload.h"

/* NULL expectations are not checked. A set's blocks are checked against the platform code only. */
RESULT communication_check_data(const struct energy_data_set *set, const char *enterprise_code, const char *device_id,
                                const char *platform_code, struct findings *findings);

#define COMMUNICATION_CLOCK_MS 300000
/* 2110: off by more than the limit, either way. */
bool communication_clock_off(int64_t offset_ms);

#endif
