/* Three passes, each only when the one before found nothing: what is no number cannot contradict anything.
 *   1. structure: elements, attributes, values (2103)
 *   2. the objects among themselves: processes, units, equipment, meters, products (3102, 3104, 3501)
 *   3. collect items (config_items.c) */
#include "validate/config_check.h"

#include <stdlib.h>
#include <string.h>

#include "base/caltime.h"
#include "base/decimal.h"
#include "base/mem.h"
#include "payload/datacode.h"
#include "validate/config_fields.h"
#include "validate/config_internal.h"

/* ---- reporting ---- */

struct finding *config_fault(struct config_run *run, const struct config_object *o, int code, const char *zh,
                             const char *en)
{
    struct arena *a = run->arena;
    uint32_t line = o ? o->line : run->config->line;
    if (run->code == 0) {
        run->code = code;
        run->line = line;
    }
    struct finding *f = finding_add(run->findings, code, arena_printf(a, "第%u行，%s", line, zh),
                                    arena_printf(a, "line %u, %s", line, en));
    f->line = line;
    return f;
}

/* ---- pass 1: structure ---- */

static void check_value(struct config_run *run, const struct config_object *o, const struct field_row *field,
                        const char *value)
{
    struct arena *a = run->arena;
    if (config_value_fits(field, value)) {
        return;
    }
    const char *quoted = finding_excerpt(a, value);
    if (!value[0]) {
        config_fault(run, o, 2103, arena_printf(a, "<%s>的属性%s为空（没有值时请省略该属性）", o->element, field->name),
                     arena_printf(a, "attribute %s of <%s> is empty (leave it out when there is no value)", field->name,
                                  o->element));
        return;
    }
    config_fault(
        run, o, 2103,
        arena_printf(a, "<%s>的属性%s取值“%s”不符合要求的类型、长度或取值范围", o->element, field->name, quoted),
        arena_printf(a, "attribute %s of <%s> has the value \"%s\", not of the type, length or range required",
                     field->name, o->element, quoted));
}

static void check_attributes(struct config_run *run, const struct config_object *o, const struct element_row *element)
{
    struct arena *a = run->arena;
    for (size_t i = 0; i < o->count; i++) {
        const struct field_row *field = config_field(element, o->attributes[i].name);
        if (field) {
            check_value(run, o, field, o->attributes[i].value);
            continue;
        }
        const char *name = finding_excerpt(a, o->attributes[i].name);
        config_fault(run, o, 2103, arena_printf(a, "<%s>没有属性%s", o->element, name),
                     arena_printf(a, "<%s> has no attribute %s", o->element, name));
    }
    for (size_t i = 0; i < element->field_count; i++) {
        if (element->fields[i].required && !config_attribute(o, element->fields[i].name)) {
            config_fault(run, o, 2103, arena_printf(a, "<%s>缺少属性%s", o->element, element->fields[i].name),
                         arena_printf(a, "<%s> lacks attribute %s", o->element, element->fields[i].name));
        }
    }
}

static void fault_element(struct config_run *run, const struct config_object *o, const char *zh, const char *en)
{
    const char *name = finding_excerpt(run->arena, o->element);
    config_fault(run, o, 2103, arena_printf(run->arena, "<%s>%s", name, zh),
                 arena_printf(run->arena, "<%s> %s", name, en));
}

static void check_structure(struct config_run *run)
{
    size_t kinds, seen[16] = {0};
    const struct element_row *elements = config_elements(&kinds);
    int reached = 0;
    for (size_t i = 0; i < run->config->count; i++) {
        const struct config_object *o = &run->config->objects[i];
        int kind = config_element(o->element);
        if (kind < 0) {
            fault_element(run, o, "不是配置中的元素", "is no element of a configuration");
            continue;
        }
        if (kind < reached) {
            fault_element(run, o, "的位置不对：元素须按规定的次序排列",
                          "is out of place: the elements have a fixed order");
        }
        if (elements[kind].most && seen[kind] == elements[kind].most) {
            fault_element(run, o, "只能出现一次", "may be given once only");
        }
        seen[kind]++;
        reached = kind > reached ? kind : reached;
        check_attributes(run, o, &elements[kind]);
    }
    for (size_t k = 0; k < kinds; k++) {
        if (elements[k].required && seen[k] == 0) {
            config_fault(run, NULL, 2103, arena_printf(run->arena, "缺少元素<%s>", elements[k].name),
                         arena_printf(run->arena, "element <%s> is missing", elements[k].name));
        }
    }
}

/* ---- pass 2: objects ---- */

bool config_in_base_data(const struct config_run *run, const char *list, const char *code)
{
    return !run->ctx->in_base_data || run->ctx->in_base_data(list, code, run->ctx->arg);
}

void config_base_data(struct config_run *run, const struct config_object *o, const char *list, const char *name,
                      const char *code)
{
    struct arena *a = run->arena;
    if (code && !config_in_base_data(run, list, code)) {
        const char *quoted = finding_excerpt(a, code);
        config_fault(run, o, 3104, arena_printf(a, "%s“%s”不在基础信息表%s中", name, quoted, list),
                     arena_printf(a, "%s \"%s\" is not in base data table %s", name, quoted, list));
    }
}

/* Enters the object under a key of its own; a second one with the same key contradicts the first. */
void config_define(struct config_run *run, const struct config_object *o, const char *kind, const char *key)
{
    struct arena *a = run->arena;
    const char *full = arena_printf(a, "%s %s", kind, key);
    const struct config_object *first = hash_put(run->defined, full, (void *)(uintptr_t)o);
    if (first) {
        const char *quoted = finding_excerpt(a, key);
        config_fault(run, o, 3501, arena_printf(a, "<%s>的代码“%s”与第%u行重复", o->element, quoted, first->line),
                     arena_printf(a, "<%s> has the code \"%s\" of line %u again", o->element, quoted, first->line));
    }
    hash_put(run->defined, kind, (void *)(uintptr_t)o); /* some of the kind are defined */
}

bool config_defined(const struct config_run *run, const char *kind, const char *key)
{
    /* a document that defines none of the kind relies on the platform's tables */
    return !hash_get(run->defined, kind) || hash_get(run->defined, arena_printf(run->arena, "%s %s", kind, key));
}

/* A segment of a data code: all digits, and not all zero, which stands for the level above. */
static bool check_segment(struct config_run *run, const struct config_object *o, const char *name)
{
    struct arena *a = run->arena;
    const char *value = config_attribute(o, name);
    const char *quoted = finding_excerpt(a, value);
    if (strspn(value, "0123456789") != strlen(value)) {
        config_fault(run, o, 3102, arena_printf(a, "%s“%s”应为数字", name, quoted),
                     arena_printf(a, "%s \"%s\" must be digits", name, quoted));
        return false;
    }
    if (strspn(value, "0") == strlen(value)) {
        config_fault(run, o, 3501, arena_printf(a, "%s不能为%s（保留给上一级）", name, quoted),
                     arena_printf(a, "%s cannot be %s, which stands for the level above", name, quoted));
        return false;
    }
    return true;
}

static void need_defined(struct config_run *run, const struct config_object *o, const char *kind, const char *what_zh,
                         const char *key)
{
    struct arena *a = run->arena;
    if (!config_defined(run, kind, key)) {
        const char *quoted = finding_excerpt(a, key);
        config_fault(run, o, 3501, arena_printf(a, "<%s>所属的%s“%s”没有定义", o->element, what_zh, quoted),
                     arena_printf(a, "<%s> belongs to %s \"%s\", which is not defined", o->element, kind, quoted));
    }
}

/* A pair of coordinates in degrees; other notations are kept as they are. */
static void check_coordinates(struct config_run *run, const struct config_object *o)
{
    static const struct field_row DECIMAL = {"", FIELD_DECIMAL, 0, 0, false};
    const char *latitude = config_attribute(o, "latitude"), *longitude = config_attribute(o, "longitude");
    if (!config_value_fits(&DECIMAL, latitude) || !config_value_fits(&DECIMAL, longitude)) {
        return;
    }
    int64_t lat = config_decimal(latitude), lon = config_decimal(longitude);
    if (lat < -90 * DECIMAL_SCALE || lat > 90 * DECIMAL_SCALE || lon < -180 * DECIMAL_SCALE ||
        lon > 180 * DECIMAL_SCALE) {
        config_fault(run, o, 3501, "经纬度超出范围（纬度latitude与经度longitude是否写反？）",
                     "latitude or longitude is out of range (are the two swapped?)");
    }
}

static void check_enterprise(struct config_run *run, const struct config_object *o)
{
    struct checked_config *out = run->out;
    const char *period = config_attribute(o, "period");
    out->enterprise = o;
    out->code = config_attribute(o, "code");
    out->name = config_attribute(o, "name");
    out->region_code = config_attribute(o, "regionCode");
    out->industry_code = config_attribute(o, "industryCode");
    out->period = period ? config_integer(period) : run->ctx->default_period;
    if (strcmp(config_attribute(o, "corporationCode"), out->code) != 0) {
        config_fault(run, o, 3501, "corporationCode应与code相同", "corporationCode must equal code");
    }
    if (out->period <= 0 || 86400 % out->period != 0) {
        config_fault(run, o, 3501, "缺省周期period应能整除86400秒", "the default period must divide 86400 seconds");
    }
    check_coordinates(run, o);
    config_base_data(run, o, "region", "regionCode", out->region_code);
    config_base_data(run, o, "industry", "industryCode", out->industry_code);
    config_base_data(run, o, "enterprise_type", "typeCode", config_attribute(o, "typeCode"));
    config_base_data(run, o, "field", "fieldCode", config_attribute(o, "fieldCode"));
    config_base_data(run, o, "consumption_level", "energyConsumeLevel", config_attribute(o, "energyConsumeLevel"));
}

static void check_process(struct config_run *run, const struct config_object *o)
{
    if (check_segment(run, o, "processCode")) {
        config_define(run, o, "process", config_attribute(o, "processCode"));
    }
}

static void check_process_unit(struct config_run *run, const struct config_object *o)
{
    const char *process = config_attribute(o, "processCode");
    if (!check_segment(run, o, "processCode") || !check_segment(run, o, "code")) {
        return;
    }
    need_defined(run, o, "process", "工序", process);
    config_define(run, o, "processUnit", arena_printf(run->arena, "%s%s", process, config_attribute(o, "code")));
}

static void check_equipment(struct config_run *run, const struct config_object *o)
{
    const char *unit = config_attribute(o, "processUnitCode"), *number = config_attribute(o, "deviceNo");
    if (!check_segment(run, o, "processUnitCode") || !check_segment(run, o, "deviceNo")) {
        return;
    }
    if (strncmp(number, config_attribute(o, "deviceType"), 2) != 0) {
        config_fault(run, o, 3501, "deviceNo的前两位应等于deviceType", "deviceNo must begin with deviceType");
    }
    need_defined(run, o, "processUnit", "工序单元", unit);
    config_base_data(run, o, "equipment_type", "deviceType", config_attribute(o, "deviceType"));
    config_define(run, o, "equipment", arena_printf(run->arena, "%s%s", unit, number));
}

static void check_product(struct config_run *run, const struct config_object *o)
{
    config_define(run, o, "product", config_attribute(o, "productCode"));
}

/* "2026-03-01", with or without a time behind it, into an order; false: in a form of its own, which is not judged. */
static bool date_order(const char *text, int64_t *us)
{
    char full[20];
    if (!text || strlen(text) < 10) {
        return false;
    }
    memcpy(full, text, 10);
    memcpy(full + 10, " 00:00:00", 10);
    return caltime_parse(full, 19, us);
}

static void check_calibration(struct config_run *run, const struct config_object *o)
{
    int64_t last, next;
    if (date_order(config_attribute(o, "latelyCalibration"), &last) &&
        date_order(config_attribute(o, "nextCalibration"), &next) && next < last) {
        config_fault(run, o, 3501, "下次检定日期nextCalibration早于最近检定日期latelyCalibration",
                     "nextCalibration is before latelyCalibration");
    }
}

static void check_meter(struct config_run *run, const struct config_object *o)
{
    char code[DATACODE_LEN + 1];
    const char *text = config_attribute(o, "dataCode");
    if (!datacode_parse(text, strlen(text), code)) {
        const char *quoted = finding_excerpt(run->arena, text);
        config_fault(run, o, 3102, arena_printf(run->arena, "dataCode“%s”", quoted),
                     arena_printf(run->arena, "dataCode \"%s\"", quoted));
        return;
    }
    if (!hash_get(run->defined, arena_printf(run->arena, "collectItem %s", code))) {
        config_fault(run, o, 3501, arena_printf(run->arena, "计量器具所计入的dataCode %s没有配置为采集项", code),
                     arena_printf(run->arena, "the meter counts for dataCode %s, which is no collectItem here", code));
    }
    config_base_data(run, o, "meter_type", "meteringType", config_attribute(o, "meteringType"));
    check_calibration(run, o);
}

static void check_objects(struct config_run *run)
{
    /* meters last: they refer to collect items, which stand behind them */
    static const struct {
        const char *element;
        void (*check)(struct config_run *, const struct config_object *);
    } CHECKS[] = {{"enterprise", check_enterprise},
                  {"process", check_process},
                  {"processUnit", check_process_unit},
                  {"equipment", check_equipment},
                  {"product", check_product},
                  {"collectItem", config_item_check},
                  {"meter", check_meter}};
    for (size_t k = 0; k < ARRAY_LEN(CHECKS); k++) {
        for (size_t i = 0; i < run->config->count; i++) {
            if (strcmp(run->config->objects[i].element, CHECKS[k].element) == 0) {
                CHECKS[k].check(run, &run->config->objects[i]);
            }
        }
    }
    config_items_check_together(run);
}

RESULT config_check(const struct config_context *ctx, const struct enterprise_config *config, struct findings *findings,
                    struct arena *arena, struct checked_config *out)
{
    *out = (struct checked_config){0};
    struct config_run run = {.ctx = ctx, .config = config, .findings = findings, .arena = arena, .out = out};
    check_structure(&run);
    if (run.code == 0) {
        run.defined = hash_new();
        check_objects(&run);
        hash_free(&run.defined);
    }
    return run.code ? result_error(ERR_SENDER, run.code,
                                   "配置被拒绝，第一处在第%u行 / configuration refused, first at line %u", run.line,
                                   run.line)
                    : RESULT_OK;
}
