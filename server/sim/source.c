#include "sim/source.h"

#include <stdio.h>
#include <string.h>

#include "base/caltime.h"
#include "base/clock.h"
#include "base/mem.h"
#include "payload/envelope.h"
#include "sim/csv.h"
#include "sim/shape.h"

#define MAX_FILE (UINT64_C(1) << 30)

struct row {
    int64_t ts;
    char *rest; /* the cells behind the time, not yet split */
};

struct sim_source {
    char *label;
    struct sim_items items;
    int32_t period;
    const char **cells;
    size_t next; /* slot number */
    size_t slots;
    /* CSV */
    struct buf text;
    struct row *rows;
    size_t row_cap;
    struct buf line; /* the cells of the slot given last: rows stay whole, to be read again */
    /* shape */
    const struct shape *shape;
    int64_t first;
    char values[SHAPE_MAX_COLUMNS][SHAPE_TEXT];
};

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* "yyyy-MM-dd HH:mm" gets its seconds; the rest is as the contract's first form. */
static bool parse_time(const char *text, int64_t *ts)
{
    char full[32];
    int n = snprintf(full, sizeof full, strlen(text) == 16 ? "%s:00" : "%s", text);
    return n == 19 && full[10] == ' ' && caltime_parse(full, (size_t)n, ts);
}

static RESULT add_row(struct sim_source *s, const struct sim_source_options *o, char *line, size_t number)
{
    struct row row = {0};
    char *comma = strchr(line, ',');
    row.rest = comma ? comma + 1 : line + strlen(line);
    if (comma) {
        *comma = '\0';
    }
    char *time;
    csv_split(line, &time, 1);
    if (!parse_time(time, &row.ts)) {
        return result_error(ERR_SENDER, 0,
                            "%s 第%zu行首列不是时间 / line %zu: the first column is not a time yyyy-MM-dd HH:mm[:ss]",
                            o->csv, number, number);
    }
    if (s->slots && row.ts <= s->rows[s->slots - 1].ts) {
        return result_error(ERR_SENDER, 0, "%s 第%zu行的时间不晚于上一行 / line %zu: not later than the line before it",
                            o->csv, number, number);
    }
    if (row.ts < o->from || row.ts >= o->to) {
        return RESULT_OK;
    }
    if (s->slots == s->row_cap) {
        s->row_cap = s->row_cap ? s->row_cap * 2 : 4096;
        s->rows = mem_grow(s->rows, s->row_cap * sizeof *s->rows);
    }
    s->rows[s->slots++] = row;
    return RESULT_OK;
}

static RESULT read_header(struct sim_source *s, const struct sim_source_options *o, char *line)
{
    char **columns = mem_array(CSV_MAX_CELLS, sizeof *columns);
    size_t n = line ? csv_split(line, columns, CSV_MAX_CELLS) : 0;
    bool ok = n >= 2 && n <= CSV_MAX_CELLS;
    if (ok) {
        sim_items_from_columns(columns + 1, n - 1, &s->items);
    }
    mem_free(columns);
    return ok ? RESULT_OK
              : result_error(ERR_SENDER, 0,
                             "%s: 表头须有时间列和采集项列 / the header line needs a time column and 1 to %d items",
                             o->csv, CSV_MAX_CELLS - 1);
}

static int32_t smallest_step(const struct sim_source *s)
{
    int64_t step = 900 * USEC_PER_SEC;
    for (size_t i = 1; i < s->slots; i++) {
        int64_t d = s->rows[i].ts - s->rows[i - 1].ts;
        step = i == 1 || d < step ? d : step;
    }
    step /= USEC_PER_SEC;
    return step > 86400 ? 86400 : (int32_t)step;
}

static RESULT label_csv(struct sim_source *s, const char *path)
{
    unsigned char digest[32];
    const char *text = buf_str(&s->text);
    size_t head = strcspn(text, "\n");
    head += text[head] ? 1 + strcspn(text + head + 1, "\n") : 0;
    TRY(envelope_digest(DIGEST_SHA_256, text, head, digest));
    s->label = mem_printf("csv:%.200s:%02x%02x%02x%02x", base_name(path), digest[0], digest[1], digest[2], digest[3]);
    return RESULT_OK;
}

static RESULT open_csv(struct sim_source *s, const struct sim_source_options *o)
{
    TRY(csv_read_file(o->csv, MAX_FILE, &s->text));
    buf_append_char(&s->text, '\n');
    TRY(label_csv(s, o->csv));
    char *cursor = (char *)s->text.data;
    TRY(read_header(s, o, csv_line(&cursor)));
    size_t number = 1;
    for (char *line; (line = csv_line(&cursor)) != NULL;) {
        number++;
        if (*line) {
            TRY(add_row(s, o, line, number));
        }
    }
    s->period = o->period ? o->period : smallest_step(s);
    return RESULT_OK;
}

static RESULT open_shape(struct sim_source *s, const struct sim_source_options *o)
{
    s->shape = shape_find(o->shape);
    if (!s->shape) {
        return result_error(ERR_SENDER, 0, "没有这种负荷曲线 / no shape '%s'; there are %s", o->shape, shape_names());
    }
    struct civil begin = {.year = 2024, .month = 1, .day = 1}, end = {.year = 2025, .month = 1, .day = 1};
    int64_t from = o->from == INT64_MIN ? caltime_instant(&begin) : o->from;
    int64_t to = o->to == INT64_MAX ? caltime_instant(&end) : o->to;
    s->period = o->period ? o->period : 900;
    int64_t step = s->period * USEC_PER_SEC, day = period_start(GRAN_DAY, from);
    s->first = day + (from - day + step - 1) / step * step;
    s->slots = to > s->first ? (size_t)((to - s->first + step - 1) / step) : 0;
    char *columns[SHAPE_MAX_COLUMNS];
    size_t n = shape_columns(s->shape, columns);
    sim_items_from_columns(columns, n, &s->items);
    s->label = mem_printf("shape:%s", o->shape);
    return RESULT_OK;
}

static RESULT check_codes(const struct sim_source *s)
{
    const struct sim_item *item = s->items.at;
    for (size_t i = 1; i < s->items.count; i++) {
        for (size_t k = 0; k < i; k++) {
            if (strcmp(item[i].data_code, item[k].data_code) == 0) {
                return result_error(
                    ERR_SENDER, 0,
                    "%s: 两列的组合编码相同 / columns %s and %s have the same data code %s; give --items", s->label,
                    item[k].column, item[i].column, item[i].data_code);
            }
        }
    }
    return RESULT_OK;
}

static RESULT read_items(struct sim_source *s, const char *path)
{
    struct buf text = BUF_INIT;
    struct result r = csv_read_file(path, MAX_FILE, &text);
    if (result_ok(r)) {
        buf_append_char(&text, '\n');
        r = sim_items_override(&s->items, path, (char *)text.data);
    }
    buf_free(&text);
    return r;
}

static RESULT open_parts(struct sim_source *s, const struct sim_source_options *o)
{
    TRY(o->csv ? open_csv(s, o) : open_shape(s, o));
    if (s->period < 60 || s->period > 86400 || 86400 % s->period != 0) {
        return result_error(
            ERR_SENDER, 0,
            "%s: 时间间隔不能整除一天 / a step of %d seconds does not divide a day (60 to 86400); give --period",
            s->label, s->period);
    }
    s->cells = mem_array(s->items.count, sizeof *s->cells);
    if (o->items_file) {
        TRY(read_items(s, o->items_file));
    }
    return check_codes(s);
}

RESULT sim_source_open(const struct sim_source_options *options, struct sim_source **source)
{
    struct sim_source *s = mem_alloc(sizeof *s);
    struct result r = open_parts(s, options);
    if (!result_ok(r)) {
        sim_source_close(&s);
    }
    *source = s;
    return r;
}

void sim_source_close(struct sim_source **source)
{
    struct sim_source *s = *source;
    if (s) {
        sim_items_free(&s->items);
        buf_free(&s->text);
        buf_free(&s->line);
        mem_free(s->rows);
        mem_free(s->cells);
        mem_free(s->label);
        mem_free(s);
        *source = NULL;
    }
}

const struct sim_items *sim_source_items(const struct sim_source *source)
{
    return &source->items;
}

const char *sim_source_label(const struct sim_source *source)
{
    return source->label;
}

int32_t sim_source_period(const struct sim_source *source)
{
    return source->period;
}

size_t sim_source_slots(const struct sim_source *source)
{
    return source->slots;
}

static int64_t slot_ts(const struct sim_source *s, size_t number)
{
    return s->shape ? s->first + (int64_t)number * s->period * USEC_PER_SEC : s->rows[number].ts;
}

size_t sim_source_skip(struct sim_source *source, int64_t ts)
{
    size_t before = source->next;
    while (source->next < source->slots && slot_ts(source, source->next) <= ts) {
        source->next++;
    }
    return source->next - before;
}

void sim_source_rewind(struct sim_source *source)
{
    source->next = 0;
}

size_t sim_source_left(const struct sim_source *source)
{
    return source->slots - source->next;
}

bool sim_source_peek(const struct sim_source *source, int64_t *ts)
{
    if (source->next >= source->slots) {
        return false;
    }
    *ts = slot_ts(source, source->next);
    return true;
}

/* A short line leaves its last items missing; cells beyond the header are not looked at. */
static void csv_cells(struct sim_source *s, const char *rest)
{
    buf_clear(&s->line);
    buf_append(&s->line, rest, strlen(rest) + 1);
    size_t n = csv_split((char *)s->line.data, (char **)s->cells, s->items.count);
    for (; n < s->items.count; n++) {
        s->cells[n] = "";
    }
}

bool sim_source_next(struct sim_source *source, struct sim_slot *slot)
{
    if (!sim_source_peek(source, &slot->ts)) {
        return false;
    }
    if (source->shape) {
        shape_values(source->shape, slot->ts, source->period, source->values);
        for (size_t i = 0; i < source->items.count; i++) {
            source->cells[i] = source->values[i];
        }
    } else {
        csv_cells(source, source->rows[source->next].rest);
    }
    source->next++;
    slot->cell = source->cells;
    return true;
}

void sim_source_print(struct sim_source *source, void (*write)(const struct buf *line, void *arg), void *arg)
{
    struct buf line = BUF_INIT;
    buf_append_str(&line, "ts_local");
    for (size_t i = 0; i < source->items.count; i++) {
        buf_printf(&line, ",%s", source->items.at[i].column);
    }
    buf_append_char(&line, '\n');
    write(&line, arg);
    char text[CALTIME_TEXT];
    for (struct sim_slot slot; sim_source_next(source, &slot);) {
        buf_clear(&line);
        buf_append_str(&line, caltime_format(slot.ts, text));
        for (size_t i = 0; i < source->items.count; i++) {
            buf_printf(&line, ",%s", slot.cell[i]);
        }
        buf_append_char(&line, '\n');
        write(&line, arg);
    }
    buf_free(&line);
}
