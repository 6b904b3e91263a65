/* template: a prepared UploadData request whose moving parts are patched in place.
 *
 * The SOAP envelope and the payload keep their length: records have fixed-width dates and values, the digest is hex,
 * the messageId is zero-padded. Base64 of the payload is written anew each time; nothing else is copied. Owner:
 * template_free. The request bytes are valid until the next template_fill. Thread: one at a time. */
#ifndef NHJC_SIM_TEMPLATE_H
#define NHJC_SIM_TEMPLATE_H

#include <stdint.h>

#include "base/buf.h"
#include "base/result.h"

struct template_config {
    const char *enterprise, *device_id, *reg_version, *dic_version;
    const char *run; /* 16 characters that make messageIds of this run unique */
    int items;       /* of the enterprise: template_code */
    int readings;    /* per upload */
    int64_t first;   /* instant of the first reading, unix microseconds */
    int32_t period;  /* seconds */
};

struct template;

struct template *template_new(const struct template_config *config);
void template_free(struct template **t);
/* The upload-th request (from 0): readings upload*readings … in order of time, then item. Asked for the same upload
 * again it gives the same bytes: a repeat must not look like other content. */
RESULT template_fill(struct template *t, int64_t upload, const struct buf **request);
/* Instant of the last reading of that upload. */
int64_t template_last(const struct template *t, int64_t upload);

/* The code of the n-th item (from 0). As in a real enterprise some items are energies: every tenth, up to
 * TEMPLATE_ENERGIES, is of class 01 or 02, bought or consumed, so that energy accounting has its work; the rest is
 * class 10. */
#define TEMPLATE_ENERGIES 20
void template_code(int n, char code[17]);
const char *template_unit(int n); /* "" for what is no energy */
int template_energies(int items); /* how many of the first items are */

#endif
