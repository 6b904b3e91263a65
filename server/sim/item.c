#include "sim/item.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "payload/datacode.h"
#include "sim/csv.h"

static const struct {
    const char *column, *code, *aggregation, *name, *unit;
} KNOWN[] = {
    {"usage_kwh", "0000000002330010", "sum", "外购电量", "kWh"},
    {"electricity_kwh", "0000000002330010", "sum", "外购电量", "kWh"},
    {"gas_m3", "0000000001150010", "sum", "外购天然气", "m3"},
    {"output_t", "0000000004010030", "sum", "产品产量", "t"},
    {"lag_kvarh", "0000000010010180", "sum", "感性无功电量", "kvarh"},
    {"lead_kvarh", "0000000010010280", "sum", "容性无功电量", "kvarh"},
    {"co2_t", "0000000010010380", "sum", "二氧化碳排放量", "t"},
    {"water_m3", "0000000010010480", "sum", "用水量", "m3"},
    {"pf_lag", "0000000010020180", "mean", "感性功率因数", "%"},
    {"pf_lead", "0000000010020280", "mean", "容性功率因数", "%"},
    {"temperature_c", "0000000010020380", "mean", "温度", "℃"},
};

static void fill(struct sim_item *item, const char *code, const char *aggregation, const char *name, const char *unit)
{
    snprintf(item->data_code, sizeof item->data_code, "%s", code);
    mem_free(item->aggregation);
    mem_free(item->name);
    mem_free(item->unit);
    item->aggregation = mem_strdup(aggregation);
    item->name = mem_strdup(name);
    item->unit = mem_strdup(unit);
}

static void fill_unknown(struct sim_item *item, unsigned number)
{
    char code[32];
    snprintf(code, sizeof code, "00000000109%03u80", number % 1000);
    fill(item, code, "sum", item->column, "");
}

void sim_items_from_columns(char *const *columns, size_t count, struct sim_items *items)
{
    unsigned unknown = 0;
    items->at = mem_array(count, sizeof *items->at);
    items->count = count;
    for (size_t i = 0; i < count; i++) {
        struct sim_item *item = &items->at[i];
        item->column = mem_strdup(columns[i]);
        for (size_t k = 0; k < ARRAY_LEN(KNOWN) && !item->name; k++) {
            if (strcmp(KNOWN[k].column, columns[i]) == 0) {
                fill(item, KNOWN[k].code, KNOWN[k].aggregation, KNOWN[k].name, KNOWN[k].unit);
            }
        }
        if (!item->name) {
            fill_unknown(item, ++unknown);
        }
    }
}

static bool aggregation_known(const char *word)
{
    return strcmp(word, "sum") == 0 || strcmp(word, "mean") == 0 || strcmp(word, "counter") == 0;
}

static RESULT override_line(struct sim_items *items, const char *path, int number, char *line)
{
    char *cell[5], code[DATACODE_LEN + 1];
    size_t n = csv_split(line, cell, ARRAY_LEN(cell));
    if (n < 3 || !datacode_parse(cell[1], strlen(cell[1]), code)) {
        return result_error(
            ERR_SENDER, 0,
            "%s 第%d行格式错误 / line %d: wanted column,dataCode,aggregation,name,unit with a data code of 16 "
            "digits",
            path, number, number);
    }
    if (!aggregation_known(cell[2])) {
        return result_error(ERR_SENDER, 0, "%s 第%d行的汇总方式错误 / line %d: aggregation is sum, mean or counter",
                            path, number, number);
    }
    for (size_t i = 0; i < items->count; i++) {
        if (strcmp(items->at[i].column, cell[0]) == 0) {
            fill(&items->at[i], code, cell[2], n > 3 && *cell[3] ? cell[3] : cell[0], n > 4 ? cell[4] : "");
        }
    }
    return RESULT_OK;
}

RESULT sim_items_override(struct sim_items *items, const char *path, char *text)
{
    int number = 0;
    for (char *cursor = text, *line; (line = csv_line(&cursor)) != NULL;) {
        number++;
        if (!*line || *line == '#' || (number == 1 && strncmp(line, "column,", 7) == 0)) {
            continue;
        }
        TRY(override_line(items, path, number, line));
    }
    return RESULT_OK;
}

void sim_items_print(const struct sim_items *items, struct buf *out)
{
    buf_append_str(out, "column,dataCode,aggregation,name,unit\n");
    for (size_t i = 0; i < items->count; i++) {
        const struct sim_item *item = &items->at[i];
        buf_printf(out, "%s,%s,%s,%s,%s\n", item->column, item->data_code, item->aggregation, item->name, item->unit);
    }
}

void sim_items_free(struct sim_items *items)
{
    for (size_t i = 0; i < items->count; i++) {
        mem_free(items->at[i].column);
        mem_free(items->at[i].aggregation);
        mem_free(items->at[i].name);
        mem_free(items->at[i].unit);
    }
    mem_free(items->at);
    *items = (struct sim_items){0};
}
