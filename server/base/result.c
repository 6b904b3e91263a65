#include "base/result.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/mem.h"

/* One more than the promised sixteen, so that a text may be an argument of the error that wraps it. */
#define RING 17
#define TEXT_MAX 512

static _Thread_local char ring[RING][TEXT_MAX];
static _Thread_local unsigned ring_next;

static const char *const kind_names[] = {
    [ERR_NONE] = "none",           [ERR_SENDER] = "sender",     [ERR_UNAUTHORISED] = "unauthorised",
    [ERR_LIMIT] = "limit",         [ERR_CONFLICT] = "conflict", [ERR_NOT_FOUND] = "not_found",
    [ERR_TRANSIENT] = "transient", [ERR_INTERNAL] = "internal",
};

struct result result_error(enum err_kind kind, int code, const char *fmt, ...)
{
    char *text = ring[ring_next];
    ring_next = (ring_next + 1) % RING;
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, TEXT_MAX, fmt, args);
    va_end(args);
    return (struct result){kind, code, text};
}

const char *err_kind_name(enum err_kind kind)
{
    return (size_t)kind < ARRAY_LEN(kind_names) ? kind_names[kind] : "unknown";
}
