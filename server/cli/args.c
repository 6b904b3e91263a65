/* args: one pass over argv, then the counts. */
#include "cli/args.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/caltime.h"

static int find(const struct args *args, const char *name, size_t len)
{
    for (int i = 0; i < args->spec_count; i++) {
        if (strlen(args->specs[i].name) == len && memcmp(args->specs[i].name, name, len) == 0) {
            return i;
        }
    }
    return -1;
}

/* *taken: how many elements of argv the option used. */
static RESULT take_option(struct args *args, int left, const char *const *argv, int *taken)
{
    const char *name = argv[0] + 2;
    const char *equals = strchr(name, '=');
    int i = find(args, name, equals ? (size_t)(equals - name) : strlen(name));
    if (i < 0) {
        return result_error(ERR_SENDER, 0, "没有这个选项 / no such option: %s", argv[0]);
    }
    const struct arg_spec *spec = &args->specs[i];
    if (!spec->value && equals) {
        return result_error(ERR_SENDER, 0, "选项不带值 / takes no value: --%s", spec->name);
    }
    if (spec->value && !equals && left < 2) {
        return result_error(ERR_SENDER, 0, "选项缺少值 / needs a value: --%s %s", spec->name, spec->value);
    }
    *taken = spec->value && !equals ? 2 : 1;
    args->values[i] = !spec->value ? "" : equals ? equals + 1 : argv[1];
    return RESULT_OK;
}

static RESULT take_word(struct args *args, int max_words, const char *word)
{
    if (args->word_count >= max_words || args->word_count >= ARGS_MAX_WORDS) {
        return result_error(ERR_SENDER, 0, "参数过多 / one word too many: %s", word);
    }
    args->words[args->word_count++] = word;
    return RESULT_OK;
}

static RESULT check_complete(const struct args *args, int min_words)
{
    if (args->word_count < min_words) {
        return result_error(ERR_SENDER, 0, "缺少参数 / something is missing");
    }
    for (int i = 0; i < args->spec_count; i++) {
        if (args->specs[i].required && !args->values[i]) {
            return result_error(ERR_SENDER, 0, "缺少选项 / option needed: --%s %s", args->specs[i].name,
                                args->specs[i].value);
        }
    }
    return RESULT_OK;
}

RESULT args_parse(struct args *args, const struct arg_spec *specs, int spec_count, int min_words, int max_words,
                  int argc, const char *const *argv)
{
    memset(args, 0, sizeof *args);
    args->specs = specs;
    args->spec_count = spec_count;
    bool options = true;
    for (int i = 0; i < argc;) {
        int taken = 1;
        if (options && strcmp(argv[i], "--") == 0) {
            options = false;
        } else if (options && strncmp(argv[i], "--", 2) == 0) {
            TRY(take_option(args, argc - i, argv + i, &taken));
        } else {
            TRY(take_word(args, max_words, argv[i]));
        }
        i += taken;
    }
    return check_complete(args, min_words);
}

const char *args_text(const struct args *args, const char *name)
{
    int i = find(args, name, strlen(name));
    if (i < 0) {
        fprintf(stderr, "option --%s is not in the command's table\n", name);
        abort();
    }
    return args->values[i];
}

bool args_given(const struct args *args, const char *name)
{
    return args_text(args, name) != NULL;
}

RESULT args_int(const struct args *args, const char *name, int64_t min, int64_t max, int64_t otherwise, int64_t *out)
{
    const char *text = args_text(args, name);
    *out = otherwise;
    if (!text) {
        return RESULT_OK;
    }
    char *end;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    if (errno || end == text || *end || number < min || number > max) {
        return result_error(ERR_SENDER, 0, "须为整数 / must be a whole number %lld..%lld: --%s %s", (long long)min,
                            (long long)max, name, text);
    }
    *out = number;
    return RESULT_OK;
}

RESULT args_time(const struct args *args, const char *name, int64_t otherwise, int64_t *us)
{
    const char *text = args_text(args, name);
    *us = otherwise;
    if (!text) {
        return RESULT_OK;
    }
    size_t len = strlen(text);
    char whole[64];
    snprintf(whole, sizeof whole, "%s%s", text, len == 7 ? "-01 00:00:00" : len == 10 ? " 00:00:00" : "");
    if (!caltime_parse(whole, strlen(whole), us)) {
        return result_error(ERR_SENDER, 0, "不是时间 / not a time (yyyy-MM-dd HH:mm:ss): --%s %s", name, text);
    }
    return RESULT_OK;
}

RESULT args_span(int64_t from, int64_t to)
{
    char begin[CALTIME_TEXT], end[CALTIME_TEXT];
    if (from < to) {
        return RESULT_OK;
    }
    return result_error(ERR_SENDER, 0, "起须早于止 / --from must be before --to: %s, %s", caltime_format(from, begin),
                        caltime_format(to, end));
}
