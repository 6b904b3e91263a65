/* stored_frame: a row of reading_frame as it lies in memory.
 * Owner: arrays live in the arena they were read into. Thread: immutable. */
#ifndef NHJC_VALIDATE_STORED_FRAME_H
#define NHJC_VALIDATE_STORED_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "validate/flags.h"

struct stored_frame {
    int32_t unit_id;
    int16_t page, width;
    int64_t ts;
    const int64_t *value;
    const bool *missing; /* NULL: none */
    const int16_t *flag; /* NULL: all zero */
};

struct frame_list {
    struct stored_frame *at;
    size_t count, cap;
};

static inline bool frame_has(const struct stored_frame *f, int index)
{
    return index < f->width && !(f->missing && f->missing[index]);
}

static inline bool frame_has_valid(const struct stored_frame *f, int index)
{
    return frame_has(f, index) && !(f->flag && (f->flag[index] & FLAG_INVALID));
}

#endif
