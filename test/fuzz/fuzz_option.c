#include "fuzz.h"

#include <stddef.h>
#include <string.h>

#include "base/mem.h"
#include "base/option.h"

struct item {
    char *name, *path;
};

struct options {
    char *text, *mode;
    int64_t size, time;
    bool flag;
    void *items;
    size_t item_count;
};

static const struct option_row item_rows[] = {
    {.name = "path", .type = OPT_PATH, .offset = offsetof(struct item, path), .fallback = "x"},
};
static const struct option_row rows[] = {
    {.name = "text", .type = OPT_STRING, .offset = offsetof(struct options, text)},
    {.name = "mode", .type = OPT_ENUM, .offset = offsetof(struct options, mode), .fallback = "a", .choices = "a|b"},
    {.name = "size", .type = OPT_SIZE, .offset = offsetof(struct options, size), .fallback = "1K"},
    {.name = "time",
     .type = OPT_DURATION_MS,
     .offset = offsetof(struct options, time),
     .fallback = "1s",
     .max = 100000},
    {.name = "flag", .type = OPT_BOOL, .offset = offsetof(struct options, flag), .fallback = "no"},
};
static const struct option_section sections[] = {
    {.kind = "item",
     .rows = item_rows,
     .row_count = ARRAY_LEN(item_rows),
     .size = sizeof(struct item),
     .items_offset = offsetof(struct options, items),
     .count_offset = offsetof(struct options, item_count)},
};
static const struct option_set set = {.rows = rows,
                                      .row_count = ARRAY_LEN(rows),
                                      .sections = sections,
                                      .section_count = ARRAY_LEN(sections),
                                      .size = sizeof(struct options)};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = mem_strndup((const char *)data, size);
    struct options o = {0};
    if (size > 0 && result_ok(option_load_text(&set, text, "/etc", &o))) {
        REQUIRE(o.text && o.mode && o.time >= 0 && o.time <= 100000);
        option_free(&set, &o);
    }
    mem_free(text);
    return 0;
}
