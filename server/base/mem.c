#include "base/mem.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The log formats on the stack, but this is the one moment when not even that is to be relied on. */
static _Noreturn void out_of_memory(void)
{
    static const char line[] = "ERROR base out_of_memory action=abort\n";
    ssize_t written = write(STDERR_FILENO, line, sizeof line - 1);
    (void)written;
    abort();
}

void *mem_alloc(size_t size)
{
    void *p = calloc(1, size ? size : 1);
    if (!p) {
        out_of_memory();
    }
    return p;
}

void *mem_array(size_t count, size_t size)
{
    void *p = calloc(count ? count : 1, size ? size : 1);
    if (!p) {
        out_of_memory();
    }
    return p;
}

void *mem_grow(void *old, size_t size)
{
    void *p = realloc(old, size ? size : 1);
    if (!p) {
        out_of_memory();
    }
    return p;
}

static char *copy_text(const char *text, size_t n)
{
    char *copy = mem_grow(NULL, n + 1);
    memcpy(copy, text, n);
    copy[n] = 0;
    return copy;
}

char *mem_strndup(const char *text, size_t len)
{
    return text ? copy_text(text, strnlen(text, len)) : NULL;
}

char *mem_strdup(const char *text)
{
    return text ? copy_text(text, strlen(text)) : NULL;
}

char *mem_printf(const char *fmt, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, fmt);
    int n = vasprintf(&text, fmt, args);
    va_end(args);
    if (n < 0) {
        out_of_memory();
    }
    return text;
}

void mem_free(void *p)
{
    free(p);
}
