/* message: what the simulated device sends: the data payload, the configuration document, and their sealing.
 *
 * Source: contract section 3 (payloads) and 2 (order of making: XML, gzip, encrypt; digest of the plain XML).
 * Owner:  texts of sim_form are borrowed. Thread: any thread. */
#ifndef NHJC_SIM_MESSAGE_H
#define NHJC_SIM_MESSAGE_H

#include <stdint.h>

#include "base/buf.h"
#include "base/result.h"
#include "payload/envelope.h"
#include "sim/item.h"
#include "sim/source.h"

struct sim_form {
    const char *enterprise, *device_id;
    enum content_encoding encoding;
    enum content_cipher cipher;
    enum content_digest digest_method;
    unsigned char key[16];
    size_t key_len; /* 0: none */
};

/* <energyData …> … <data/> per item that has a value … </energyData>; one element a line. */
void sim_data_begin(struct buf *xml, const struct sim_form *form, int64_t upload_date);
int sim_data_slot(struct buf *xml, const struct sim_items *items, const struct sim_slot *slot); /* readings added */
void sim_data_end(struct buf *xml);

/* digest: hex and NUL. content is appended. SENDER: encryption without a key. */
RESULT sim_seal(const struct sim_form *form, const struct buf *xml, char digest[65], struct buf *content);

struct sim_profile {
    const char *enterprise, *name, *region, *industry;
};
void sim_config_document(struct buf *xml, const struct sim_profile *profile, const struct sim_items *items,
                         int32_t period);

/* 1 plant … 4 equipment, by the zero segments of a valid code. */
int sim_scope(const char *data_code);

#endif
