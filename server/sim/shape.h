/* shape: built-in load shapes, so that a plant can be simulated without any file.
 *
 * Pure:   a value depends on shape, column and instant alone: every run, and every part of a run, gives the same text.
 * Values: plausible, not measured: day and week rhythm, seasons, slow drift and noise, two decimals.
 * Thread: any thread. */
#ifndef NHJC_SIM_SHAPE_H
#define NHJC_SIM_SHAPE_H

#include <stddef.h>
#include <stdint.h>

struct shape;

#define SHAPE_TEXT 24
#define SHAPE_MAX_COLUMNS 8

const struct shape *shape_find(const char *name); /* NULL: unknown */
const char *shape_names(void);                    /* "steel, glass, office" */
size_t shape_columns(const struct shape *shape, char *columns[SHAPE_MAX_COLUMNS]);
/* The values of all columns in the slot that begins at ts (unix microseconds) and lasts `period` seconds. */
void shape_values(const struct shape *shape, int64_t ts, int32_t period, char values[SHAPE_MAX_COLUMNS][SHAPE_TEXT]);

#endif
