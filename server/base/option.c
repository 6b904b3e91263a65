#include "base/option.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/utf8.h"

#define FILE_MAX ((size_t)4 << 20)

/* ---- values ---- */

struct unit {
    const char *suffix;
    int64_t factor;
};

static const struct unit size_units[] = {{"", 1}, {"K", 1 << 10}, {"M", 1 << 20}, {"G", 1 << 30}};
static const struct unit time_units[] = {{"", 1},
                                         {"ms", 1},
                                         {"s", 1000},
                                         {"m", 60000},
                                         {"h", 3600000},
                                         {"d", 86400000},
                                         {"y", INT64_C(366) * 86400000}}; /* a promise of years is never short */
static const struct unit plain_units[] = {{"", 1}};

static bool find_factor(const struct unit *units, size_t count, const char *suffix, int64_t *factor)
{
    for (size_t i = 0; i < count; i++) {
        if (strcasecmp(units[i].suffix, suffix) == 0) {
            *factor = units[i].factor;
            return true;
        }
    }
    return false;
}

static bool row_factor(const struct option_row *row, const char *suffix, int64_t *factor)
{
    if (row->type == OPT_SIZE) {
        return find_factor(size_units, ARRAY_LEN(size_units), suffix, factor);
    }
    if (row->type == OPT_DURATION_MS) {
        return find_factor(time_units, ARRAY_LEN(time_units), suffix, factor);
    }
    return find_factor(plain_units, ARRAY_LEN(plain_units), suffix, factor);
}

/* Digits with an optional sign; the rest of the text is the suffix. */
static bool read_digits(const char *text, int64_t *value, const char **rest)
{
    bool negative = *text == '-';
    const char *at = text + (negative || *text == '+');
    if (!isdigit((unsigned char)*at)) {
        return false;
    }
    *value = 0;
    for (; isdigit((unsigned char)*at); at++) {
        if (__builtin_mul_overflow(*value, 10, value) || __builtin_add_overflow(*value, *at - '0', value)) {
            return false;
        }
    }
    *value = negative ? -*value : *value;
    *rest = at + strspn(at, " ");
    return true;
}

static const char *expected_number(enum option_type type)
{
    return type == OPT_SIZE          ? "须为大小 / expected a size such as 512, 64K, 32M or 1G"
           : type == OPT_DURATION_MS ? "须为时长 / expected a time such as 500ms, 10s, 5m, 1h or 7d"
                                     : "须为整数 / expected a whole number";
}

static RESULT read_number(const struct option_row *row, const char *text, int64_t *out)
{
    int64_t value, factor;
    const char *suffix;
    if (!read_digits(text, &value, &suffix) || !row_factor(row, suffix, &factor) ||
        __builtin_mul_overflow(value, factor, &value)) {
        return result_error(ERR_SENDER, 0, "%s: %s", row->name, expected_number(row->type));
    }
    bool bounded = row->min != 0 || row->max != 0;
    if (bounded && (value < row->min || value > row->max)) {
        return result_error(ERR_SENDER, 0, "%s: 超出范围 / out of range %lld..%lld", row->name, (long long)row->min,
                            (long long)row->max);
    }
    *out = value;
    return RESULT_OK;
}

static RESULT read_bool(const struct option_row *row, const char *text, bool *out)
{
    static const char *const words[] = {"false", "true", "no", "yes", "off", "on", "0", "1"};
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (strcasecmp(words[i], text) == 0) {
            *out = i % 2 == 1;
            return RESULT_OK;
        }
    }
    return result_error(ERR_SENDER, 0, "%s: 须为 true 或 false / expected true or false", row->name);
}

static bool is_choice(const char *choices, const char *text)
{
    size_t len = strlen(text);
    for (const char *at = choices; at; at = strchr(at, '|'), at = at ? at + 1 : NULL) {
        if (len > 0 && strcspn(at, "|") == len && strncmp(at, text, len) == 0) {
            return true;
        }
    }
    return false;
}

static char *absolute_path(const char *dir, const char *text)
{
    if (!dir || !*dir || !*text || *text == '/') {
        return mem_strdup(text);
    }
    return mem_printf("%s/%s", dir, text);
}

static void *target_of(const struct option_row *row, void *base)
{
    return (char *)base + row->offset;
}

static void set_string(const struct option_row *row, void *base, char *text)
{
    char **target = target_of(row, base);
    mem_free(*target);
    *target = text;
}

static RESULT set_value(const struct option_row *row, const char *text, const char *dir, void *base)
{
    switch (row->type) {
    case OPT_INT:
    case OPT_SIZE:
    case OPT_DURATION_MS:
        return read_number(row, text, target_of(row, base));
    case OPT_BOOL:
        return read_bool(row, text, target_of(row, base));
    case OPT_ENUM:
        if (!is_choice(row->choices, text)) {
            return result_error(ERR_SENDER, 0, "%s: 须为下列之一 / expected one of %s", row->name, row->choices);
        }
        break;
    case OPT_STRING:
    case OPT_PATH:
        break;
    }
    set_string(row, base, row->type == OPT_PATH ? absolute_path(dir, text) : mem_strdup(text));
    return RESULT_OK;
}

static bool holds_text(enum option_type type)
{
    return type == OPT_STRING || type == OPT_PATH || type == OPT_ENUM;
}

static RESULT set_defaults(const struct option_row *rows, size_t count, const char *dir, void *base)
{
    for (size_t i = 0; i < count; i++) {
        if (rows[i].fallback) {
            TRY(set_value(&rows[i], rows[i].fallback, dir, base));
        } else if (holds_text(rows[i].type)) {
            set_string(&rows[i], base, mem_strdup(""));
        }
    }
    return RESULT_OK;
}

/* ---- the file ---- */

/* What the lines being read belong to: the main part, or one section. */
struct part {
    const struct option_row *rows;
    size_t row_count;
    void *base;
    bool *seen; /* by row: a key given twice is a mistake of the operator */
};

struct reader {
    const struct option_set *set;
    const char *dir;
    void *target;
    struct part part;
};

static void open_part(struct reader *r, const struct option_row *rows, size_t count, void *base)
{
    mem_free(r->part.seen);
    r->part = (struct part){rows, count, base, mem_array(count, sizeof(bool))};
}

static char *trim(char *text)
{
    text += strspn(text, " \t");
    size_t n = strlen(text);
    while (n > 0 && (text[n - 1] == ' ' || text[n - 1] == '\t' || text[n - 1] == '\r')) {
        text[--n] = 0;
    }
    return text;
}

/* Cuts a comment: '#' at the beginning or after a blank. */
static void cut_comment(char *text)
{
    for (char *at = text; *at; at++) {
        if (*at == '#' && (at == text || at[-1] == ' ' || at[-1] == '\t')) {
            *at = 0;
            return;
        }
    }
}

/* A value in double quotes, in which \" and \\ stand for " and \. Rewritten in place. */
static RESULT unquote(char *text)
{
    char *to = text, *from = text + 1;
    for (; *from && *from != '"'; from++) {
        if (*from == '\\' && (from[1] == '"' || from[1] == '\\')) {
            from++;
        }
        *to++ = *from;
    }
    if (*from != '"') {
        return result_error(ERR_SENDER, 0, "缺少右引号 / closing quote is missing");
    }
    from++;
    cut_comment(from);
    bool more = *trim(from) != 0;
    *to = 0;
    return more ? result_error(ERR_SENDER, 0, "右引号后有多余内容 / text after the closing quote") : RESULT_OK;
}

static RESULT clean_value(char **value)
{
    *value = trim(*value);
    if (**value == '"') {
        return unquote(*value);
    }
    cut_comment(*value);
    *value = trim(*value);
    return RESULT_OK;
}

static RESULT read_pair(struct reader *r, char *line)
{
    char *equals = strchr(line, '=');
    if (!equals) {
        return result_error(ERR_SENDER, 0, "须为 key = value / expected \"key = value\"");
    }
    *equals = 0;
    char *key = trim(line), *value = equals + 1;
    TRY(clean_value(&value));
    for (size_t i = 0; i < r->part.row_count; i++) {
        if (strcmp(r->part.rows[i].name, key) != 0) {
            continue;
        }
        if (r->part.seen[i]) {
            return result_error(ERR_SENDER, 0, "%s: 重复 / given twice", key);
        }
        r->part.seen[i] = true;
        return set_value(&r->part.rows[i], value, r->dir, r->part.base);
    }
    return result_error(ERR_SENDER, 0, "没有这个选项 / unknown option %s", key);
}

static void **items_of(const struct option_section *s, void *target)
{
    return (void **)((char *)target + s->items_offset);
}

static size_t *count_of(const struct option_section *s, void *target)
{
    return (size_t *)((char *)target + s->count_offset);
}

static char *item_at(const struct option_section *s, void *target, size_t i)
{
    return (char *)*items_of(s, target) + i * s->size;
}

static RESULT add_item(struct reader *r, const struct option_section *s, const char *name)
{
    size_t *count = count_of(s, r->target);
    for (size_t i = 0; i < *count; i++) {
        if (strcmp(*(char **)item_at(s, r->target, i), name) == 0) {
            return result_error(ERR_SENDER, 0, "小节 [%s %s] 重复 / given twice", s->kind, name);
        }
    }
    void **items = items_of(s, r->target);
    *items = mem_grow(*items, (*count + 1) * s->size);
    char *item = item_at(s, r->target, (*count)++);
    memset(item, 0, s->size);
    *(char **)item = mem_strdup(name);
    TRY(set_defaults(s->rows, s->row_count, r->dir, item));
    open_part(r, s->rows, s->row_count, item);
    return RESULT_OK;
}

static RESULT read_head(struct reader *r, char *line)
{
    cut_comment(line);
    line = trim(line);
    size_t n = strlen(line);
    if (line[n - 1] != ']') {
        return result_error(ERR_SENDER, 0, "须为 [kind name] / expected \"[kind name]\"");
    }
    line[n - 1] = 0;
    char *kind = trim(line + 1), *name = kind + strcspn(kind, " \t");
    if (*name) {
        *name++ = 0;
    }
    name = trim(name);
    for (size_t i = 0; i < r->set->section_count; i++) {
        if (strcmp(r->set->sections[i].kind, kind) == 0) {
            return *name ? add_item(r, &r->set->sections[i], name)
                         : result_error(ERR_SENDER, 0, "小节 [%s] 缺少名称 / needs a name", kind);
        }
    }
    return result_error(ERR_SENDER, 0, "没有这种小节 / unknown section [%s]", kind);
}

static RESULT read_line(struct reader *r, char *line)
{
    if (!utf8_valid(line, strlen(line))) {
        return result_error(ERR_SENDER, 0, "不是 UTF-8 / not UTF-8");
    }
    line = trim(line);
    if (*line == 0 || *line == '#') {
        return RESULT_OK;
    }
    return *line == '[' ? read_head(r, line) : read_pair(r, line);
}

static RESULT read_lines(struct reader *r, char *text, const char *label)
{
    static const char mark[] = "\xef\xbb\xbf"; /* some editors begin every UTF-8 file with it */
    if (strncmp(text, mark, 3) == 0) {
        text += 3;
    }
    for (int number = 1; text; number++) {
        char *end = strchr(text, '\n');
        if (end) {
            *end++ = 0;
        }
        struct result result = read_line(r, text);
        if (!result_ok(result)) {
            return result_error(result.kind, result.code, "%s:%d: %s", label, number, result.text);
        }
        text = end;
    }
    return RESULT_OK;
}

/* Everything happens on a copy, which takes the target's place only when the whole text was good. */
static RESULT load(const struct option_set *set, const char *text, const char *label, const char *dir, void *target)
{
    void *fresh = mem_alloc(set->size);
    char *copy = mem_strdup(text);
    struct reader r = {.set = set, .dir = dir, .target = fresh};
    struct result result = set_defaults(set->rows, set->row_count, dir, fresh);
    if (result_ok(result)) {
        open_part(&r, set->rows, set->row_count, fresh);
        result = read_lines(&r, copy, label);
    }
    if (result_ok(result)) {
        memcpy(target, fresh, set->size);
    } else {
        option_free(set, fresh);
    }
    mem_free(r.part.seen);
    mem_free(copy);
    mem_free(fresh);
    return result;
}

struct result option_load_text(const struct option_set *set, const char *text, const char *dir, void *target)
{
    return load(set, text, "options", dir, target);
}

static RESULT read_file(const char *path, struct buf *text)
{
    FILE *f = fopen(path, "re");
    if (!f) {
        return result_error(ERR_SENDER, 0, "%s: %s", path, strerror(errno));
    }
    size_t n = 0;
    do {
        buf_reserve(text, 65536);
        n = fread(text->data + text->len, 1, 65536, f);
        text->len += n;
        text->data[text->len] = 0;
    } while (n > 0 && text->len <= FILE_MAX);
    bool bad = ferror(f);
    fclose(f);
    if (bad || text->len > FILE_MAX) {
        return result_error(ERR_SENDER, 0, "%s: %s", path, bad ? "无法读取 / cannot be read" : "过大 / too large");
    }
    if (memchr(text->data, 0, text->len)) {
        return result_error(ERR_SENDER, 0, "%s: 不是文本文件 / not a text file", path);
    }
    return RESULT_OK;
}

static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? mem_strndup(path, slash == path ? 1 : (size_t)(slash - path)) : mem_strdup(".");
}

struct result option_load(const struct option_set *set, const char *path, void *target)
{
    if (!path) {
        return load(set, "", "defaults", NULL, target);
    }
    struct buf text = BUF_INIT;
    char *dir = folder_of(path);
    struct result result = read_file(path, &text);
    if (result_ok(result)) {
        result = load(set, buf_str(&text), path, dir, target);
    }
    buf_free(&text);
    mem_free(dir);
    return result;
}

static void free_rows(const struct option_row *rows, size_t count, void *base)
{
    for (size_t i = 0; i < count; i++) {
        if (holds_text(rows[i].type)) {
            set_string(&rows[i], base, NULL);
        }
    }
}

void option_free(const struct option_set *set, void *target)
{
    for (size_t k = 0; k < set->section_count; k++) {
        const struct option_section *s = &set->sections[k];
        for (size_t i = 0; i < *count_of(s, target); i++) {
            char *item = item_at(s, target, i);
            free_rows(s->rows, s->row_count, item);
            mem_free(*(char **)item);
        }
        mem_free(*items_of(s, target));
    }
    free_rows(set->rows, set->row_count, target);
    memset(target, 0, set->size);
}

/* ---- the sample ---- */

static void sample_value(struct buf *out, const struct option_row *row)
{
    const char *text = row->secret || !row->fallback ? "" : row->fallback;
    bool plain = strpbrk(text, "\"#\\") == NULL;
    if (plain) {
        buf_append_str(out, text);
        return;
    }
    buf_append_char(out, '"');
    for (; *text; text++) {
        if (*text == '"' || *text == '\\') {
            buf_append_char(out, '\\');
        }
        buf_append_char(out, *text);
    }
    buf_append_char(out, '"');
}

static void sample_row(struct buf *out, const struct option_row *row, bool commented)
{
    buf_printf(out, "\n# %s", row->help ? row->help : row->name);
    if (row->choices) {
        buf_printf(out, " (%s)", row->choices);
    }
    if (row->min != 0 || row->max != 0) {
        buf_printf(out, " [%lld..%lld]", (long long)row->min, (long long)row->max);
    }
    buf_append_str(out, row->reloadable ? "；可重载 reloadable\n" : "\n");
    /* A value that is not shown, or is none at all, must not be set by the sample. */
    bool off = commented || row->secret || !row->fallback;
    buf_printf(out, "%s%s = ", off ? "#" : "", row->name);
    sample_value(out, row);
    buf_append_char(out, '\n');
}

char *option_sample(const struct option_set *set)
{
    struct buf out = BUF_INIT;
    buf_append_str(
        &out,
        "# 每行“键 = 值”，值含#号或首尾空格时用双引号；key = value, a value with a '#' or with blanks at its ends goes "
        "in double quotes\n");
    for (size_t i = 0; i < set->row_count; i++) {
        sample_row(&out, &set->rows[i], false);
    }
    for (size_t k = 0; k < set->section_count; k++) {
        const struct option_section *s = &set->sections[k];
        buf_printf(&out, "\n#[%s name]\n", s->kind);
        for (size_t i = 0; i < s->row_count; i++) {
            sample_row(&out, &s->rows[i], true);
        }
    }
    return (char *)buf_steal(&out, NULL);
}
