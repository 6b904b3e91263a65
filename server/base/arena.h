/* arena: memory of one request, given back in one go, with an upper bound.
 *
 * Owner:  everything taken from an arena belongs to it and is valid until arena_reset/arena_free.
 * Errors: none per call. When the bound is passed, the arena remembers it (arena_exceeded) and
 *         keeps answering, so that callers check once per step instead of at each call; the bound
 *         is soft by at most what is taken between two checks.
 * Thread: one at a time. */
#ifndef NHJC_BASE_ARENA_H
#define NHJC_BASE_ARENA_H

#include <stdbool.h>
#include <stddef.h>

#include "base/mem.h"

struct arena;

MEM_NEVER_NULL struct arena *arena_new(size_t soft_limit); /* bytes; 0: no bound */
void arena_free(struct arena **a);
void arena_reset(struct arena *a);                              /* keeps the first block for the next request */
MEM_NEVER_NULL void *arena_alloc(struct arena *a, size_t size); /* zeroed, aligned for any type */
MEM_NEVER_NULL void *arena_array(struct arena *a, size_t count, size_t size);
char *arena_strdup(struct arena *a, const char *text);
char *arena_strndup(struct arena *a, const char *text, size_t len);
MEM_NEVER_NULL char *arena_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
size_t arena_used(const struct arena *a);
bool arena_exceeded(const struct arena *a);

/* A growing array inside an arena: pass &items, &count, &cap. Returns the new last element. */
#define ARENA_PUSH(a, items, count, cap)                                                                               \
    ((count) == (cap) ? ((items) = arena_grow_((a), (items), (count), &(cap), sizeof(*(items))), &(items)[(count)++])  \
                      : &(items)[(count)++])
MEM_NEVER_NULL void *arena_grow_(struct arena *a, void *items, size_t count, size_t *cap, size_t size);

#endif
