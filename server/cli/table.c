/* table: cells are collected first, because widths are known only at the end. */
#include "cli/table.h"

#include <string.h>

#include "base/caltime.h"
#include "base/mem.h"

struct table {
    const struct table_column *columns;
    size_t column_count;
    char **cells;
    size_t count, cap;
};

struct table *table_new(const struct table_column *columns, size_t count)
{
    struct table *t = mem_alloc(sizeof *t);
    t->columns = columns;
    t->column_count = count;
    return t;
}

void table_free(struct table **table)
{
    struct table *t = *table;
    if (!t) {
        return;
    }
    for (size_t i = 0; i < t->count; i++) {
        mem_free(t->cells[i]);
    }
    mem_free(t->cells);
    mem_free(t);
    *table = NULL;
}

void table_text(struct table *t, const char *text)
{
    if (t->count == t->cap) {
        t->cap = t->cap ? t->cap * 2 : 64;
        t->cells = mem_grow(t->cells, t->cap * sizeof *t->cells);
    }
    t->cells[t->count++] = mem_strdup(text);
}

void table_int(struct table *t, int64_t number)
{
    char *text = mem_printf("%lld", (long long)number);
    table_text(t, text);
    mem_free(text);
}

void table_time(struct table *t, int64_t us)
{
    char text[CALTIME_TEXT];
    table_text(t, us == INT64_MIN ? NULL : caltime_format(us, text));
}

size_t table_rows(const struct table *t)
{
    return t->column_count ? t->count / t->column_count : 0;
}

static uint32_t next_code_point(const unsigned char **p)
{
    uint32_t c = *(*p)++;
    int more = c >= 0xF0 ? 3 : c >= 0xE0 ? 2 : c >= 0xC0 ? 1 : 0;
    c &= more == 3 ? 0x07 : more == 2 ? 0x0F : more == 1 ? 0x1F : 0xFF;
    for (; more > 0 && (**p & 0xC0) == 0x80; more--) {
        c = c << 6 | (*(*p)++ & 0x3F);
    }
    return c;
}

/* East Asian wide and full-width blocks that occur in names and in our own texts (Unicode annex 11). */
static bool is_wide(uint32_t c)
{
    return (c >= 0x1100 && c <= 0x115F) || (c >= 0x2E80 && c <= 0xA4CF) || (c >= 0xAC00 && c <= 0xD7A3) ||
           (c >= 0xF900 && c <= 0xFAFF) || (c >= 0xFE30 && c <= 0xFE6F) || (c >= 0xFF00 && c <= 0xFF60) ||
           (c >= 0xFFE0 && c <= 0xFFE6) || (c >= 0x20000 && c <= 0x3FFFD);
}

int text_width(const char *utf8)
{
    int width = 0;
    for (const unsigned char *p = (const unsigned char *)utf8; *p;) {
        width += is_wide(next_code_point(&p)) ? 2 : 1;
    }
    return width;
}

static const char *cell(const struct table *t, size_t row, size_t column)
{
    const char *text = t->cells[row * t->column_count + column];
    return text ? text : "";
}

static void pad(struct buf *out, int n)
{
    for (; n > 0; n--) {
        buf_append_char(out, ' ');
    }
}

static void print_cell(struct buf *out, const char *text, int width, bool right, bool last)
{
    int gap = width - text_width(text);
    pad(out, right ? gap : 0);
    buf_append_str(out, text);
    if (!last) {
        pad(out, (right ? 0 : gap) + 2);
    }
}

static void print_text(const struct table *t, struct buf *out)
{
    int *widths = mem_array(t->column_count, sizeof *widths);
    for (size_t c = 0; c < t->column_count; c++) {
        widths[c] = text_width(t->columns[c].head);
        for (size_t r = 0; r < table_rows(t); r++) {
            int width = text_width(cell(t, r, c));
            widths[c] = width > widths[c] ? width : widths[c];
        }
    }
    for (size_t r = 0; r <= table_rows(t); r++) { /* row 0 is the head */
        for (size_t c = 0; c < t->column_count; c++) {
            print_cell(out, r ? cell(t, r - 1, c) : t->columns[c].head, widths[c], t->columns[c].number,
                       c + 1 == t->column_count);
        }
        buf_append_char(out, '\n');
    }
    mem_free(widths);
}

static void print_json_cell(struct buf *out, const struct table_column *column, const char *text)
{
    buf_append_json(out, column->key);
    buf_append_str(out, ": ");
    if (!text) {
        buf_append_str(out, "null");
    } else if (column->number) {
        buf_append_str(out, text);
    } else {
        buf_append_json(out, text);
    }
}

static void print_json(const struct table *t, struct buf *out)
{
    buf_append_char(out, '[');
    for (size_t r = 0; r < table_rows(t); r++) {
        buf_append_str(out, r ? ",\n {" : "\n {");
        for (size_t c = 0; c < t->column_count; c++) {
            buf_append_str(out, c ? ", " : "");
            print_json_cell(out, &t->columns[c], t->cells[r * t->column_count + c]);
        }
        buf_append_char(out, '}');
    }
    buf_append_str(out, table_rows(t) ? "\n]\n" : "]\n");
}

void table_print(const struct table *t, bool json, struct buf *out)
{
    if (json) {
        print_json(t, out);
    } else {
        print_text(t, out);
    }
}
