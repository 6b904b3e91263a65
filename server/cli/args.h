/* args: the words after a command, against a table of what the command takes.
 * Owner:  everything points into argv. Errors: SENDER with Chinese and English words (exit code 2). */
#ifndef NHJC_CLI_ARGS_H
#define NHJC_CLI_ARGS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/result.h"

struct arg_spec {
    const char *name;  /* without the leading dashes */
    const char *value; /* what stands for the value in usage lines; NULL: a switch */
    const char *help;  /* Chinese, then English */
    bool required;
};

#define ARGS_MAX_OPTIONS 16
#define ARGS_MAX_WORDS 1000

struct args {
    const struct arg_spec *specs;
    int spec_count;
    const char *values[ARGS_MAX_OPTIONS]; /* by spec; a switch that is set holds "" */
    const char *words[ARGS_MAX_WORDS];    /* what is not an option */
    int word_count;
};

/* --name value, --name=value, --switch; "--" ends the options. min..max words. */
RESULT args_parse(struct args *args, const struct arg_spec *specs, int spec_count, int min_words, int max_words,
                  int argc, const char *const *argv);
/* name must be in the table (a mistake of the program otherwise: abort). NULL: not given. */
const char *args_text(const struct args *args, const char *name);
bool args_given(const struct args *args, const char *name);
/* A whole number within bounds, or otherwise when not given. */
RESULT args_int(const struct args *args, const char *name, int64_t min, int64_t max, int64_t otherwise, int64_t *out);
/* An instant in the platform zone: the forms of statDate, also yyyy-MM-dd and yyyy-MM (their first instant). */
RESULT args_time(const struct args *args, const char *name, int64_t otherwise, int64_t *us);
/* What --from and --to (or their defaults) came to. SENDER when nothing lies between them: a check of nothing would
 * report that nothing differs. */
RESULT args_span(int64_t from, int64_t to);

#endif
