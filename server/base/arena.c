#include "base/arena.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

#define FIRST_BLOCK ((size_t)8 << 10)
#define LARGEST_BLOCK ((size_t)1 << 20)

struct block {
    struct block *older;
    size_t size, used;
    alignas(max_align_t) unsigned char bytes[];
};

struct arena {
    struct block *newest; /* the oldest of the chain is the one that reset keeps */
    size_t limit, used;
};

static struct block *block_new(struct block *older, size_t size)
{
    struct block *block = mem_grow(NULL, sizeof *block + size);
    *block = (struct block){.older = older, .size = size};
    return block;
}

struct arena *arena_new(size_t soft_limit)
{
    struct arena *a = mem_alloc(sizeof *a);
    a->limit = soft_limit;
    a->newest = block_new(NULL, FIRST_BLOCK);
    return a;
}

void arena_reset(struct arena *a)
{
    while (a->newest->older) {
        struct block *block = a->newest;
        a->newest = block->older;
        mem_free(block);
    }
    a->newest->used = 0;
    a->used = 0;
}

void arena_free(struct arena **a)
{
    if (!*a) {
        return;
    }
    arena_reset(*a);
    mem_free((*a)->newest);
    mem_free(*a);
    *a = NULL;
}

/* Blocks double, so that a large request costs few allocations and a small one little memory. */
static struct block *block_for(struct arena *a, size_t size)
{
    struct block *block = a->newest;
    if (size <= block->size - block->used) {
        return block;
    }
    size_t next = block->size >= LARGEST_BLOCK / 2 ? LARGEST_BLOCK : block->size * 2;
    a->newest = block_new(block, size > next ? size : next);
    return a->newest;
}

static void *take(struct arena *a, size_t size)
{
    if (size > SIZE_MAX / 2) {
        mem_array(SIZE_MAX, SIZE_MAX); /* impossible: ends as mem says */
    }
    size_t rounded = (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
    struct block *block = block_for(a, rounded);
    void *p = block->bytes + block->used;
    block->used += rounded;
    a->used += rounded;
    return p;
}

void *arena_alloc(struct arena *a, size_t size)
{
    return memset(take(a, size ? size : 1), 0, size);
}

void *arena_array(struct arena *a, size_t count, size_t size)
{
    size_t bytes;
    return arena_alloc(a, __builtin_mul_overflow(count, size, &bytes) ? SIZE_MAX : bytes);
}

static char *copy_text(struct arena *a, const char *text, size_t n)
{
    char *copy = take(a, n + 1);
    memcpy(copy, text, n);
    copy[n] = 0;
    return copy;
}

char *arena_strndup(struct arena *a, const char *text, size_t len)
{
    return text ? copy_text(a, text, strnlen(text, len)) : NULL;
}

char *arena_strdup(struct arena *a, const char *text)
{
    return text ? copy_text(a, text, strlen(text)) : NULL;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    size_t size = n < 0 ? 1 : (size_t)n + 1;
    char *text = arena_alloc(a, size);
    vsnprintf(text, size, fmt, again);
    va_end(again);
    return text;
}

size_t arena_used(const struct arena *a)
{
    return a->used;
}

bool arena_exceeded(const struct arena *a)
{
    return a->limit > 0 && a->used > a->limit;
}

void *arena_grow_(struct arena *a, void *items, size_t count, size_t *cap, size_t size)
{
    size_t larger = *cap ? *cap * 2 : 8;
    void *grown = arena_array(a, larger, size);
    if (count > 0) {
        memcpy(grown, items, count * size);
    }
    *cap = larger;
    return grown;
}
