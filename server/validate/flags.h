/* flags: the bits of reading_frame.flag. Shared by validation, rollup, query; see sql/README.md. */
#ifndef NHJC_VALIDATE_FLAGS_H
#define NHJC_VALIDATE_FLAGS_H

enum {
    FLAG_INVALID = 1,   /* valid=false as sent: left out of rollups */
    FLAG_JUMP = 2,      /* 3204 */
    FLAG_STUCK = 4,     /* 3205 */
    FLAG_BACKWARDS = 8, /* 3207 */
    FLAG_PARTS = 16,    /* 3401 */
    FLAG_SUSPECT_MASK = 30,
    FLAG_SERIES_MASK = 14, /* of them: what a reading's place in its series decides */
    FLAG_LATE = 32,        /* came after its interval's end + the enterprise's upload period + a grace: 补传 */
    FLAG_INPUT_SHIFT = 8,  /* bits 8..10: inputType when it differs from the item's, else 0 */
    FLAG_INPUT_MASK = 0x700
};

#endif
