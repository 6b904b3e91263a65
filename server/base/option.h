/* option: the configuration file as rows of a table.
 *
 * Form:   UTF-8, "key = value", "[kind name]" begins a section (e.g. [destination nation]). '#' at the
 *         beginning of a line or after a blank begins a comment. A value may stand in double quotes
 *         (\" and \\ inside). Relative paths are taken from the folder of the file.
 * Errors: option_load checks the whole file before anything is changed: unknown key, bad value, out
 *         of range, each with file and line; a bad file changes nothing.
 * Owner:  string targets are owned by the option set's struct and freed by option_free.
 * Thread: one at a time. */
#ifndef NHJC_BASE_OPTION_H
#define NHJC_BASE_OPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/result.h"

enum option_type { OPT_STRING, OPT_PATH, OPT_INT, OPT_BOOL, OPT_SIZE, OPT_DURATION_MS, OPT_ENUM };

struct option_row {
    const char *name;
    enum option_type type;
    size_t offset;        /* of the target in the struct: char* / int64_t / bool */
    const char *fallback; /* default, as text; NULL: empty string */
    int64_t min, max;     /* INT, SIZE (bytes; suffix K M G), DURATION (suffix ms s m h d y, none: ms); both 0: any */
    const char *choices;  /* ENUM: "a|b|c"; target is char* */
    bool reloadable;
    bool secret;      /* never printed */
    const char *help; /* one line: 中文；English */
};

struct option_section { /* a [kind name] section and its rows */
    const char *kind;
    const struct option_row *rows;
    size_t row_count;
    size_t size;         /* bytes of one element; the first member must be char *name */
    size_t items_offset; /* in the main struct: void *items, then size_t count */
    size_t count_offset;
};

struct option_set {
    const struct option_row *rows;
    size_t row_count;
    const struct option_section *sections;
    size_t section_count;
    size_t size; /* bytes of the main struct */
};

/* Fills *target (zeroed by the caller) with defaults, then the file. path NULL: defaults only. */
RESULT option_load(const struct option_set *set, const char *path, void *target);
RESULT option_load_text(const struct option_set *set, const char *text, const char *dir, void *target);
void option_free(const struct option_set *set, void *target);
/* All rows with defaults and help, as a sample file. Gives text (mem_free). */
char *option_sample(const struct option_set *set);

#endif
