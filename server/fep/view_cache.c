#include "fep/view_cache.h"

#include <stdio.h>

#include "base/mem.h"

void view_cache_free(struct view_cache *c)
{
    for (size_t i = 0; i < c->count; i++)
        pack_view_free(&c->at[i].view);
    mem_free(c->at);
    *c = (struct view_cache){0};
}

struct view_entry *view_cache_find(struct view_cache *c, const struct outbox_row *row)
{
    for (size_t i = 0; i < c->count; i++) {
        struct view_entry *e = &c->at[i];
        if (e->upload_id == row->upload_id && e->sender_id == row->sender_id) {
            e->used = ++c->clock;
            return e;
        }
    }
    return NULL;
}

struct view_entry *view_cache_add(struct view_cache *c, const struct outbox_row *row,
                                  const struct outbox_payload *payload)
{
    if (c->count == c->cap) {
        c->cap = c->cap ? c->cap * 2 : 64;
        c->at = mem_grow(c->at, c->cap * sizeof *c->at);
    }
    struct view_entry *e = &c->at[c->count++];
    *e = (struct view_entry){.sender_id = row->sender_id, .upload_id = row->upload_id, .used = ++c->clock};
    struct result r = payload->found
                          ? pack_open(&payload->source, &e->view)
                          : result_error(ERR_NOT_FOUND, 0, "存档中已无原文 / payload is no longer in the archive");
    if (!result_ok(r))
        snprintf(e->reason, sizeof e->reason, "无法打包 / cannot be packed: %s", r.text);
    return e;
}

static void drop(struct view_cache *c, struct view_entry *e)
{
    pack_view_free(&e->view);
    *e = c->at[--c->count];
}

void view_cache_done(struct view_cache *c, const struct outbox_row *row)
{
    struct view_entry *e = view_cache_find(c, row);
    if (e && (!e->view || pack_view_blocks(e->view) <= 1))
        drop(c, e);
}

static size_t bytes_held(const struct view_cache *c)
{
    size_t n = 0;
    for (size_t i = 0; i < c->count; i++)
        n += c->at[i].view ? pack_view_bytes(c->at[i].view) : 0;
    return n;
}

static struct view_entry *longest_unused(struct view_cache *c)
{
    struct view_entry *oldest = &c->at[0];
    for (size_t i = 1; i < c->count; i++)
        if (c->at[i].used < oldest->used)
            oldest = &c->at[i];
    return oldest;
}

void view_cache_trim(struct view_cache *c, size_t max_bytes)
{
    size_t held = bytes_held(c);
    while (c->count > 0 && (held > max_bytes || c->count > 1024)) {
        struct view_entry *e = longest_unused(c);
        held -= e->view ? pack_view_bytes(e->view) : 0;
        drop(c, e);
    }
}
