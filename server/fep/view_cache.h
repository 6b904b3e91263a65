/* view_cache: payloads opened and read, kept while more of their enterprises are to be packed.
 *
 * For:    a lower platform's set serves a hundred outbox rows; without keeping it, it would be read as often.
 * Owner:  views belong to the cache; a view is valid until the next view_cache_trim or _drop of it.
 * Thread: one at a time. */
#ifndef NHJC_FEP_VIEW_CACHE_H
#define NHJC_FEP_VIEW_CACHE_H

#include "fep/outbox_store.h"

struct view_entry {
    int32_t sender_id;
    int64_t upload_id;
    struct pack_view *view; /* NULL: cannot be opened */
    char reason[200];       /* then why */
    uint64_t used;
};

struct view_cache {
    struct view_entry *at;
    size_t count, cap;
    uint64_t clock;
};

void view_cache_free(struct view_cache *c);
struct view_entry *view_cache_find(struct view_cache *c, const struct outbox_row *row); /* NULL: not loaded */
/* Opens the payload and keeps what came of it. */
struct view_entry *view_cache_add(struct view_cache *c, const struct outbox_row *row,
                                  const struct outbox_payload *payload);
/* The row is packed: a payload of one enterprise alone is not needed again. */
void view_cache_done(struct view_cache *c, const struct outbox_row *row);
/* Down to max_bytes, longest unused first. */
void view_cache_trim(struct view_cache *c, size_t max_bytes);

#endif
