/* config_upload: one enterprise's configuration document replaces the former one (UploadConfig,
 * UploadEnterprises).
 *
 * The document is checked whole (config_check.h in validate); a new version is stored only when its digest
 * differs from the last. Items keep their slot for ever; vanished ones are retired; a changed aggregation or
 * period marks the item's whole history for recomputation. One transaction: document, objects, items, marks,
 * outbox row (kind 1), receipt, NOTIFY; then the registry's unit is reloaded before the answer leaves.
 * The same message again gets the first answer's code and version and changes nothing, also after a younger one; other
 * content under its id is 2107 (contract 4.1, 4.2).
 * Thread: one at a time per connection. */
#ifndef NHJC_INGEST_CONFIG_UPLOAD_H
#define NHJC_INGEST_CONFIG_UPLOAD_H

#include "ingest/ingest.h"

struct config_request {
    const char *message_id;
    const struct unit *unit; /* device's enterprise; NULL: a platform's set */
    const char *device_id;
    const char *platform_code; /* set: every enterprise's region must lie under it */
    int32_t platform_party;    /* platform.id, 0 for a device */
    const void *content;       /* plain XML */
    size_t content_len;
};

struct config_answer {
    int code;
    const char *message;
    int32_t config_version;
    struct findings findings;
};

void ingest_config(struct ingest *in, const struct config_request *request, struct arena *arena,
                   struct config_answer *answer);

#endif
