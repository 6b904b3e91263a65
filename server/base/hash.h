/* hash: a string-keyed table of pointers, and the 64-bit hash it uses.
 *
 * Owner:  keys are copied; values are borrowed. Thread: one at a time. */
#ifndef NHJC_BASE_HASH_H
#define NHJC_BASE_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

uint64_t hash_bytes(const void *bytes, size_t n, uint64_t seed);

struct hash;
struct hash *hash_new(void);
void hash_free(struct hash **h);
void *hash_get(const struct hash *h, const char *key);
void *hash_put(struct hash *h, const char *key, void *value); /* returns the former value or NULL */
void *hash_remove(struct hash *h, const char *key);
size_t hash_count(const struct hash *h);
/* Every entry, in no order; false from fn stops. */
void hash_each(const struct hash *h, bool (*fn)(const char *key, void *value, void *arg), void *arg);

#endif
