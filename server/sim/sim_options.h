/* sim_options: the command line of nhjc-sim as rows of a table (README.md says what each means).
 *
 * Owner:  texts belong to argv. Errors: SENDER with the option's name. Thread: main. */
#ifndef NHJC_SIM_OPTIONS_H
#define NHJC_SIM_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/result.h"
#include "payload/envelope.h"

struct sim_options {
    const char *url, *ca, *cert, *key;
    const char *enterprise, *name, *region, *industry, *serial;
    const char *csv, *shape, *items, *spool, *pki, *zone;
    const char *encoding_name, *digest_name, *encryption_name;
    enum content_encoding encoding;
    enum content_digest digest;
    enum content_cipher encryption;
    int64_t from, to; /* unix microseconds; INT64_MIN, INT64_MAX: open */
    int64_t period, per_upload, retry_min, retry_max, give_up, timeout, progress;
    int64_t devices, parallel, seconds, print_enterprises;
    double speed;      /* times real time; 0: as fast as possible */
    double rate;       /* --load: uploads per second in all; 0: no limit */
    int64_t heartbeat; /* seconds, with a clock (speed); 0: none */
    bool again, drop_head, json, print_csv, print_items, load, help;
};

RESULT sim_options_parse(int argc, char **argv, struct sim_options *options);
const char *sim_options_usage(void);

#endif
