/* datacode: the combined data code 组合编码, 16 digits or the dashed 20-character form.
 *
 * Segments: process 2, process unit 2, equipment type 2, equipment number 2, collect class 2, item 4,
 *           usage 2 (reference codes README). scope 1 plant: process, unit, equipment all zero;
 *           2 process: unit and equipment zero; 3 unit: equipment zero; 4 equipment: all set.
 * Thread: any thread. */
#ifndef NHJC_PAYLOAD_DATACODE_H
#define NHJC_PAYLOAD_DATACODE_H

#include <stdbool.h>
#include <stddef.h>

#define DATACODE_LEN 16

/* false: malformed (3102). out: 16 digits and a NUL. */
bool datacode_parse(const char *text, size_t len, char out[DATACODE_LEN + 1]);
/* "PP-UU-EEEE-CCTTTT-NN" and a NUL. */
void datacode_dashed(const char code[DATACODE_LEN], char out[21]);
/* 1..4 by the zero segments; 0 when they contradict each other (e.g. unit set, process zero). */
int datacode_scope(const char code[DATACODE_LEN]);

#endif
