/* Collect items: one by one, then among themselves. */
#include <stdlib.h>
#include <string.h>

#include "base/decimal.h"
#include "base/mem.h"
#include "payload/datacode.h"
#include "validate/config_fields.h"
#include "validate/config_internal.h"

/* Segments of a data code and the attributes that repeat them. */
static const struct segment {
    const char *attribute;
    size_t at, len;
} SEGMENTS[] = {
    {"processCode", 0, 2},     {"processUnitCode", 2, 2}, {"equipmentCode", 4, 2},  {"equipmentUnitCode", 6, 2},
    {"energyClassCode", 8, 2}, {"energyTypeCode", 10, 4}, {"dataUsageCode", 14, 2},
};

/* Base data list of the item segment, by collect class; classes 05 to 07 are coefficients of the items of 01 to 03. */
static const char *const ITEM_LISTS[] = {
    NULL,          "energy_type",       "energy_type",      "working_substance", "product",   "energy_type",
    "energy_type", "working_substance", "efficiency_index", "business_index",    "other_data"};

struct subject {
    struct config_run *run;
    const struct config_object *o;
    struct config_item item;
};

static void fault(const struct subject *s, int code, const char *zh, const char *en)
{
    struct arena *a = s->run->arena;
    struct finding *f = config_fault(s->run, s->o, code, arena_printf(a, "采集项%s，%s", s->item.data_code, zh),
                                     arena_printf(a, "collectItem %s, %s", s->item.data_code, en));
    f->data_code = arena_strdup(a, s->item.data_code);
    f->stat_type = s->item.stat_type;
}

/* ---- reading ---- */

static int64_t decimal_or_unset(const struct config_object *o, const char *name)
{
    const char *value = config_attribute(o, name);
    return value ? config_decimal(value) : DECIMAL_UNSET;
}

static int digit_of(const struct config_object *o, const char *name)
{
    return config_attribute(o, name)[0] - '0';
}

static bool read_code(struct config_run *run, const struct config_object *o, char code[DATACODE_LEN + 1])
{
    const char *text = config_attribute(o, "dataCode");
    if (datacode_parse(text, strlen(text), code)) {
        return true;
    }
    const char *quoted = finding_excerpt(run->arena, text);
    config_fault(run, o, 3102, arena_printf(run->arena, "dataCode“%s”", quoted),
                 arena_printf(run->arena, "dataCode \"%s\"", quoted))
        ->data_code = quoted;
    return false;
}

/* A bound that no value can pass anyway is none. */
static int64_t bound_or_unset(int64_t bound, bool upper)
{
    if (bound == DECIMAL_UNSET) {
        return bound;
    }
    bool idle = upper ? bound >= DECIMAL_LIMIT_REGISTER : bound <= -DECIMAL_LIMIT_REGISTER;
    return idle ? DECIMAL_UNSET : bound;
}

static void read_item(const struct config_run *run, const struct config_object *o, struct config_item *item)
{
    const char *period = config_attribute(o, "period"), *decimals = config_attribute(o, "decimals");
    item->line = o->line;
    item->stat_type = (int8_t)digit_of(o, "statType");
    item->scope = (int8_t)digit_of(o, "scope");
    item->input_type = (int8_t)digit_of(o, "inputType");
    item->aggregation = (int8_t)config_aggregation(config_attribute(o, "aggregation"));
    item->period = period ? config_integer(period) : run->out->period;
    item->name = config_attribute(o, "name");
    item->unit = config_attribute(o, "unit") ? config_attribute(o, "unit") : "";
    item->counter_max = decimal_or_unset(o, "counterMax");
    item->value_min = bound_or_unset(decimal_or_unset(o, "dataValueMin"), false);
    item->value_max = bound_or_unset(decimal_or_unset(o, "dataValueMax"), true);
    item->decimals = decimals ? config_integer(decimals) : -1;
}

/* ---- one by one ---- */

static void check_segments(const struct subject *s)
{
    struct arena *a = s->run->arena;
    for (size_t i = 0; i < ARRAY_LEN(SEGMENTS); i++) {
        const char *given = config_attribute(s->o, SEGMENTS[i].attribute);
        const char *in_code = s->item.data_code + SEGMENTS[i].at;
        int len = (int)SEGMENTS[i].len;
        if (given && strncmp(given, in_code, SEGMENTS[i].len) != 0) {
            const char *quoted = finding_excerpt(a, given);
            fault(s, 3501, arena_printf(a, "%s“%s”与编码中的“%.*s”不一致", SEGMENTS[i].attribute, quoted, len, in_code),
                  arena_printf(a, "%s \"%s\" disagrees with \"%.*s\" in the code", SEGMENTS[i].attribute, quoted, len,
                               in_code));
        }
    }
}

static void check_scope(const struct subject *s)
{
    struct arena *a = s->run->arena;
    int scope = datacode_scope(s->item.data_code);
    if (scope == s->item.scope) {
        return;
    }
    if (scope == 0) {
        fault(s, 3103, "编码跳过了一级（上一级为零而下一级不为零）",
              "the code skips a level: one segment is zero and a lower one is not");
        return;
    }
    fault(s, 3103, arena_printf(a, "scope为%d，而编码属于%d", s->item.scope, scope),
          arena_printf(a, "scope is %d, the code is of scope %d", s->item.scope, scope));
}

/* Process, unit and equipment named by the code must be defined in the document, level by level. */
static void check_levels(const struct subject *s)
{
    static const struct {
        const char *kind, *zh;
        size_t digits;
    } LEVELS[] = {{"process", "工序", 2}, {"processUnit", "工序单元", 4}, {"equipment", "设备", 8}};
    struct arena *a = s->run->arena;
    int scope = datacode_scope(s->item.data_code);
    for (int i = 0; i + 1 < scope; i++) {
        const char *key = arena_strndup(a, s->item.data_code, LEVELS[i].digits);
        if (!config_defined(s->run, LEVELS[i].kind, key)) {
            fault(s, 3501, arena_printf(a, "编码中的%s“%s”没有定义", LEVELS[i].zh, key),
                  arena_printf(a, "%s \"%s\" of the code is not defined", LEVELS[i].kind, key));
            return;
        }
    }
}

/* Data usages are an open list: not asked for. */
static void check_base_data(const struct subject *s)
{
    struct arena *a = s->run->arena;
    const char *class_code = arena_strndup(a, s->item.data_code + 8, 2);
    size_t class_number = (size_t)((class_code[0] - '0') * 10 + (class_code[1] - '0'));
    config_base_data(s->run, s->o, "collect_class", "energyClassCode", class_code);
    if (class_number > 0 && class_number < ARRAY_LEN(ITEM_LISTS)) {
        config_base_data(s->run, s->o, ITEM_LISTS[class_number], "energyTypeCode",
                         arena_strndup(a, s->item.data_code + 10, 4));
    }
    config_base_data(s->run, s->o, "input_type", "inputType", arena_printf(a, "%d", s->item.input_type));
}

static void check_period(const struct subject *s)
{
    if (86400 % s->item.period != 0) {
        fault(s, 3501, arena_printf(s->run->arena, "周期period %d秒不能整除一天（86400秒）", s->item.period),
              arena_printf(s->run->arena, "a period of %d seconds does not divide a day of 86400", s->item.period));
    }
}

static void check_counter(const struct subject *s)
{
    const struct config_item *item = &s->item;
    if (item->aggregation == AGG_COUNTER && item->stat_type != 0) {
        fault(s, 3501, "累计表读数（counter）只能用于实时数据（statType 0），日、月、年值请用sum",
              "a counter can only be read in real time (statType 0); day, month and year values are sum");
    }
    if (item->counter_max == DECIMAL_UNSET) {
        return;
    }
    if (item->aggregation != AGG_COUNTER) {
        fault(s, 3501, "counterMax只用于aggregation为counter的采集项",
              "counterMax belongs to aggregation counter only");
    } else if (item->counter_max <= 0) {
        fault(s, 3501, "counterMax应大于零", "counterMax must be greater than zero");
    }
}

/* Values from *low to *high could be stored whatever the bounds. */
static void possible_range(const struct config_item *item, int64_t *low, int64_t *high)
{
    int64_t limit = item->aggregation == AGG_COUNTER ? DECIMAL_LIMIT_REGISTER : DECIMAL_LIMIT_QUANTITY;
    *high = limit - 1;
    *low = item->aggregation == AGG_MEAN ? 1 - limit : 0;
}

static void check_bounds(const struct subject *s)
{
    const struct config_item *item = &s->item;
    int64_t low, high;
    possible_range(item, &low, &high);
    bool both = item->value_min != DECIMAL_UNSET && item->value_max != DECIMAL_UNSET;
    if (both && item->value_min > item->value_max) {
        fault(s, 3501, "dataValueMin大于dataValueMax", "dataValueMin is greater than dataValueMax");
    } else if ((item->value_min != DECIMAL_UNSET && item->value_min > high) ||
               (item->value_max != DECIMAL_UNSET && item->value_max < low)) {
        fault(s, 3501, "上下限之间没有任何可接收的值", "no acceptable value lies within dataValueMin and dataValueMax");
    }
}

void config_item_check(struct config_run *run, const struct config_object *o)
{
    static void (*const CHECKS[])(const struct subject *) = {
        check_segments, check_scope, check_levels, check_base_data, check_period, check_counter, check_bounds};
    struct subject s = {.run = run, .o = o};
    if (!read_code(run, o, s.item.data_code)) {
        return;
    }
    read_item(run, o, &s.item);
    for (size_t i = 0; i < ARRAY_LEN(CHECKS); i++) {
        CHECKS[i](&s);
    }
    hash_put(run->defined, arena_printf(run->arena, "collectItem %s", s.item.data_code), (void *)(uintptr_t)o);
    *ARENA_PUSH(run->arena, run->read, run->read_count, run->read_cap) = (struct config_read){s.item, o};
}

/* ---- among themselves ---- */

static int compare_read(const void *a, const void *b)
{
    const struct config_read *x = a, *y = b;
    int order = strcmp(x->item.data_code, y->item.data_code);
    if (order == 0) {
        order = x->item.stat_type - y->item.stat_type;
    }
    return order ? order : (x->o > y->o) - (x->o < y->o); /* objects lie in the order of the document */
}

static void check_neighbours(struct config_run *run, const struct config_read *before, const struct config_read *read)
{
    struct arena *a = run->arena;
    struct subject s = {.run = run, .o = read->o, .item = read->item};
    if (strcmp(before->item.data_code, read->item.data_code) != 0) {
        return;
    }
    if (before->item.stat_type == read->item.stat_type) {
        fault(&s, 3501, arena_printf(a, "statType %d与第%u行重复", read->item.stat_type, before->o->line),
              arena_printf(a, "statType %d is given in line %u already", read->item.stat_type, before->o->line));
    } else if ((before->item.aggregation == AGG_MEAN) != (read->item.aggregation == AGG_MEAN)) {
        fault(&s, 3501,
              arena_printf(a, "同一编码在第%u行按另一种方式汇总（瞬时值mean与用量不能并存）", before->o->line),
              arena_printf(a, "line %u aggregates the same code the other way (mean and quantity exclude each other)",
                           before->o->line));
    }
}

void config_items_check_together(struct config_run *run)
{
    struct checked_config *out = run->out;
    if (run->read_count == 0) {
        return;
    }
    qsort(run->read, run->read_count, sizeof *run->read, compare_read);
    out->items = arena_array(run->arena, run->read_count, sizeof *out->items);
    out->item_count = run->read_count;
    for (size_t i = 0; i < run->read_count; i++) {
        out->items[i] = run->read[i].item;
        if (i > 0) {
            check_neighbours(run, &run->read[i - 1], &run->read[i]);
        }
    }
}
