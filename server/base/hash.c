#include "base/hash.h"

#include <string.h>

#include "base/mem.h"
#include "base/secret.h"

/* SipHash-1-3 keyed by the seed: keys come from outside, and nobody shall be able to choose keys
 * that fall into one place of the table. */
static uint64_t rotate(uint64_t x, int by)
{
    return x << by | x >> (64 - by);
}

static void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[2] += v[3];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] = rotate(v[0], 32);
    v[2] += v[1];
    v[0] += v[3];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] = rotate(v[2], 32);
}

static void sip_word(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    sip_round(v);
    v[0] ^= word;
}

uint64_t hash_bytes(const void *bytes, size_t n, uint64_t seed)
{
    uint64_t k0 = seed, k1 = rotate(seed, 29) ^ UINT64_C(0x5bd1e9955bd1e995);
    uint64_t v[4] = {k0 ^ UINT64_C(0x736f6d6570736575), k1 ^ UINT64_C(0x646f72616e646f6d),
                     k0 ^ UINT64_C(0x6c7967656e657261), k1 ^ UINT64_C(0x7465646279746573)};
    const uint8_t *p = bytes;
    uint64_t word;
    size_t left = n;
    for (; left >= 8; left -= 8, p += 8) {
        memcpy(&word, p, 8);
        sip_word(v, word);
    }
    word = 0;
    if (left > 0) {
        memcpy(&word, p, left);
    }
    sip_word(v, word | (uint64_t)n << 56);
    v[2] ^= 0xff;
    sip_round(v);
    sip_round(v);
    sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

struct slot {
    char *key; /* NULL: empty */
    uint64_t code;
    void *value;
};

struct hash {
    uint64_t seed;
    size_t count, cap; /* cap: a power of two, at most three quarters of it used */
    struct slot *slots;
};

struct hash *hash_new(void)
{
    struct hash *h = mem_alloc(sizeof *h);
    random_bytes(&h->seed, sizeof h->seed);
    h->cap = 16;
    h->slots = mem_array(h->cap, sizeof *h->slots);
    return h;
}

void hash_free(struct hash **h)
{
    if (!*h) {
        return;
    }
    for (size_t i = 0; i < (*h)->cap; i++) {
        mem_free((*h)->slots[i].key);
    }
    mem_free((*h)->slots);
    mem_free(*h);
    *h = NULL;
}

/* Where the key is, or the empty place where it would go. */
static struct slot *find(const struct hash *h, const char *key, uint64_t code)
{
    for (size_t i = code & (h->cap - 1);; i = (i + 1) & (h->cap - 1)) {
        struct slot *s = &h->slots[i];
        if (!s->key || (s->code == code && strcmp(s->key, key) == 0)) {
            return s;
        }
    }
}

static uint64_t code_of(const struct hash *h, const char *key)
{
    return hash_bytes(key, strlen(key), h->seed);
}

void *hash_get(const struct hash *h, const char *key)
{
    return find(h, key, code_of(h, key))->value;
}

static void double_table(struct hash *h)
{
    struct slot *old = h->slots;
    size_t old_cap = h->cap;
    h->cap = old_cap * 2;
    h->slots = mem_array(h->cap, sizeof *h->slots);
    for (size_t i = 0; i < old_cap; i++) {
        if (old[i].key) {
            *find(h, old[i].key, old[i].code) = old[i];
        }
    }
    mem_free(old);
}

void *hash_put(struct hash *h, const char *key, void *value)
{
    if (h->count + 1 > h->cap / 4 * 3) {
        double_table(h);
    }
    uint64_t code = code_of(h, key);
    struct slot *s = find(h, key, code);
    void *former = s->value;
    if (!s->key) {
        s->key = mem_strdup(key);
        s->code = code;
        h->count++;
    }
    s->value = value;
    return former;
}

/* Closes the gap at i: entries that were pushed past it move back, so that no tombstones are needed. */
static void close_gap(struct hash *h, size_t i)
{
    size_t mask = h->cap - 1;
    for (size_t k = (i + 1) & mask; h->slots[k].key; k = (k + 1) & mask) {
        size_t home = h->slots[k].code & mask;
        if (((k - home) & mask) >= ((k - i) & mask)) {
            h->slots[i] = h->slots[k];
            i = k;
        }
    }
    h->slots[i] = (struct slot){0};
}

void *hash_remove(struct hash *h, const char *key)
{
    struct slot *s = find(h, key, code_of(h, key));
    if (!s->key) {
        return NULL;
    }
    void *value = s->value;
    mem_free(s->key);
    close_gap(h, (size_t)(s - h->slots));
    h->count--;
    return value;
}

size_t hash_count(const struct hash *h)
{
    return h->count;
}

void hash_each(const struct hash *h, bool (*fn)(const char *key, void *value, void *arg), void *arg)
{
    for (size_t i = 0; i < h->cap; i++) {
        if (h->slots[i].key && !fn(h->slots[i].key, h->slots[i].value, arg)) {
            return;
        }
    }
}
