#include "sim/base_data.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

static const char COLUMNS[] =
    "table,code,name,parentCode,unit,precision,coalFactor,coalFactorMin,coalFactorMax,industryCode,remark\n";

static void put_cell(struct buf *out, const char *text, char end)
{
    bool quoted = text && strpbrk(text, ",\"\r\n");
    if (quoted) {
        buf_append_char(out, '"');
    }
    for (; text && *text; text++) {
        if (*text == '"') {
            buf_append_char(out, '"');
        }
        buf_append_char(out, *text);
    }
    buf_append_str(out, quoted ? "\"" : "");
    buf_append_char(out, end);
}

static void put_entry(struct buf *out, const char *table, const struct client_base_entry *e)
{
    char precision[16] = "";
    if (e->precision >= 0) {
        snprintf(precision, sizeof precision, "%d", e->precision);
    }
    const char *cells[] = {table,
                           e->code,
                           e->name,
                           e->parent_code,
                           e->unit,
                           precision,
                           e->coal_factor,
                           e->coal_factor_min,
                           e->coal_factor_max,
                           e->industry_code,
                           e->remark};
    for (size_t i = 0; i < ARRAY_LEN(cells); i++) {
        put_cell(out, cells[i], i + 1 < ARRAY_LEN(cells) ? ',' : '\n');
    }
}

void base_data_write(const struct client_base_data_answer *answer, struct buf *out, struct base_data_head *head)
{
    *head = (struct base_data_head){0};
    snprintf(head->dic_version, sizeof head->dic_version, "%s", answer->dic_version);
    for (size_t i = 0; i < answer->table_count; i++) {
        head->entries += (int64_t)answer->tables[i].count;
    }
    buf_printf(out, "# dicVersion=%s entries=%" PRId64 "\n%s", head->dic_version, head->entries, COLUMNS);
    for (size_t i = 0; i < answer->table_count; i++) {
        for (size_t k = 0; k < answer->tables[i].count; k++) {
            put_entry(out, answer->tables[i].name, &answer->tables[i].entries[k]);
        }
    }
}

/* Line ends inside quotes are no ends of entries. */
static int64_t count_entries(const char *p)
{
    int64_t n = 0;
    bool quoted = false;
    for (; *p; p++) {
        quoted ^= *p == '"';
        n += *p == '\n' && !quoted;
    }
    return n;
}

bool base_data_read(const struct buf *text, struct base_data_head *head)
{
    const char *p = buf_str(text);
    *head = (struct base_data_head){0};
    if (sscanf(p, "# dicVersion=%39s entries=%" SCNd64, head->dic_version, &head->entries) != 2) {
        return false;
    }
    const char *columns = strstr(p, COLUMNS);
    return columns && count_entries(columns + strlen(COLUMNS)) == head->entries;
}
