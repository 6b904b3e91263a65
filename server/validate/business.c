#include "validate/business.h"

#include <string.h>

#include "base/caltime.h"
#include "base/clock.h"
#include "base/decimal.h"
#include "base/mem.h"
#include "payload/datacode.h"

#define MINUTE (60 * USEC_PER_SEC)
#define DAY_SECONDS 86400

/* What is remembered from record to record: a device sends its items in the same order every time, and many of them
 * for one instant. */
struct checking {
    const struct business_context *ctx;
    const struct unit *unit;
    struct findings *findings;
    struct arena *arena;
    const struct item *last; /* item of the record before; NULL: none */
    const char *date;        /* the last statDate read, */
    size_t date_len;         /* and */
    int64_t date_ts;         /* what it means */
    bool date_good;
};

/* A record after conversion, before judgement. */
struct judged {
    const struct checking *c;
    const struct record *record;
    bool code_good, item_elsewhere; /* elsewhere: the code is configured, with another statType */
    char code[DATACODE_LEN + 1];
    const struct item *item; /* NULL: not configured or retired */
    bool retired;
    enum decimal_status number;
    int64_t value;
    bool date_good;
    int64_t sent_ts; /* statDate as sent */
    int64_t ts;      /* start of its period */
};

/* ---- conversion: the item ---- */

static int compare_item(const struct item *item, const char *code, int stat_type)
{
    int order = memcmp(item->data_code, code, DATACODE_LEN);
    return order ? order : item->stat_type - stat_type;
}

static const struct item *search_item(const struct unit *u, const char *code, int stat_type)
{
    size_t low = 0, high = u->item_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = compare_item(&u->items[middle], code, stat_type);
        if (order == 0) {
            return &u->items[middle];
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}

static bool is_item(const struct item *item, const char *code, int stat_type)
{
    return item && compare_item(item, code, stat_type) == 0;
}

/* Guesses before searching: the next one of the configuration (slots are given in its order), the next one by code,
 * the same one again. */
static const struct item *find_item(const struct checking *c, const char *code, int stat_type)
{
    const struct unit *u = c->unit;
    if (c->last) {
        int32_t slot = c->last->slot + 1;
        if (slot < u->slot_count && is_item(u->by_slot[slot], code, stat_type)) {
            return u->by_slot[slot];
        }
        if (c->last + 1 < u->items + u->item_count && is_item(c->last + 1, code, stat_type)) {
            return c->last + 1;
        }
        if (is_item(c->last, code, stat_type)) {
            return c->last;
        }
    }
    return search_item(u, code, stat_type);
}

static bool other_stat_type(const struct unit *u, const char *code)
{
    for (int stat_type = 0; stat_type <= 3; stat_type++) {
        const struct item *item = search_item(u, code, stat_type);
        if (item && item->active) {
            return true;
        }
    }
    return false;
}

static void convert_code(struct checking *c, struct judged *j)
{
    const struct record *r = j->record;
    j->code_good = datacode_parse(r->data_code, r->data_code_len, j->code);
    if (!j->code_good) {
        return;
    }
    const struct item *item = find_item(c, j->code, r->stat_type);
    if (item && item->active) {
        c->last = item;
        j->item = item;
        return;
    }
    j->retired = item != NULL;
    j->item_elsewhere = other_stat_type(c->unit, j->code);
}

/* ---- conversion: the time ---- */

static const enum granularity PERIOD_OF[] = {GRAN_MINUTE, GRAN_DAY, GRAN_MONTH, GRAN_YEAR}; /* by statType; 0: none */

static void convert_date(struct checking *c, struct judged *j)
{
    const struct record *r = j->record;
    bool same = c->date == r->stat_date && c->date_len == r->stat_date_len;
    if (!same) {
        c->date = r->stat_date;
        c->date_len = r->stat_date_len;
        c->date_good = caltime_parse(r->stat_date, r->stat_date_len, &c->date_ts);
    }
    j->date_good = c->date_good;
    j->sent_ts = j->ts = c->date_ts;
    if (j->date_good && r->stat_type > 0) { /* a minute early is still this period's start */
        j->ts = period_start(PERIOD_OF[r->stat_type], j->sent_ts + MINUTE);
    }
}

/* ---- opinion: the rules, in the order in which they are asked; the first broken one is the finding ---- */

static bool code_malformed(const struct judged *j)
{
    return !j->code_good;
}

static bool scope_contradicts(const struct judged *j)
{
    return datacode_scope(j->code) != j->record->scope;
}

static bool period_not_configured(const struct judged *j)
{
    return j->item_elsewhere;
}

static bool item_unknown(const struct judged *j)
{
    return !j->item;
}

static bool not_a_number(const struct judged *j)
{
    return j->number == DECIMAL_MALFORMED;
}

static bool beyond_limit(const struct judged *j)
{
    int64_t limit = j->item->aggregation == AGG_COUNTER ? DECIMAL_LIMIT_REGISTER : DECIMAL_LIMIT_QUANTITY;
    return j->number == DECIMAL_TOO_LARGE || j->value >= limit || j->value <= -limit;
}

static bool negative(const struct judged *j)
{
    return j->value < 0 && j->item->aggregation != AGG_MEAN;
}

static bool outside_bounds(const struct judged *j)
{
    const struct item *item = j->item;
    return (item->value_min != DECIMAL_UNSET && j->value < item->value_min) ||
           (item->value_max != DECIMAL_UNSET && j->value > item->value_max);
}

static bool not_a_time(const struct judged *j)
{
    return !j->date_good;
}

static bool off_grid(const struct judged *j)
{
    if (j->record->stat_type > 0) {
        return j->sent_ts - j->ts > MINUTE; /* never more than a minute early, by how ts was found */
    }
    int64_t local = j->ts + caltime_offset_seconds() * USEC_PER_SEC;
    int64_t of_day = local % (DAY_SECONDS * USEC_PER_SEC);
    return of_day % (j->item->period * USEC_PER_SEC) != 0;
}

static bool in_future(const struct judged *j)
{
    const struct business_context *ctx = j->c->ctx;
    int64_t tolerance = j->record->stat_type > 0 ? 0 : ctx->future_ms * 1000; /* a period must have begun */
    return j->ts > ctx->now + tolerance;
}

static bool too_early(const struct judged *j)
{
    return j->ts < j->c->ctx->earliest;
}

/* ---- words: where and what, for the report ---- */

struct words {
    const char *zh, *en;
};

#define WORDS(j, zh_, en_, ...)                                                                                        \
    ((struct words){arena_printf((j)->c->arena, "第%u行，" zh_, (j)->record->line, __VA_ARGS__),                       \
                    arena_printf((j)->c->arena, "line %u, " en_, (j)->record->line, __VA_ARGS__)})

static const char *quote(const struct judged *j, const char *text)
{
    return finding_excerpt(j->c->arena, text);
}

static struct words about_code(const struct judged *j)
{
    const char *code = quote(j, j->record->data_code);
    if (j->retired) {
        return WORDS(j, "dataCode“%s”已在新的配置中停用", "dataCode \"%s\" was retired by a later configuration", code);
    }
    return WORDS(j, "dataCode“%s”", "dataCode \"%s\"", code);
}

static struct words about_scope(const struct judged *j)
{
    int scope = datacode_scope(j->code);
    if (scope == 0) {
        return WORDS(j, "dataCode“%s”跳过了一级（上一级为零而下一级不为零）",
                     "dataCode \"%s\" skips a level: one segment is zero and a lower one is not", j->code);
    }
    return WORDS(j, "scope为%d，而dataCode“%s”属于%d", "scope is %d, but dataCode \"%s\" is of scope %d",
                 j->record->scope, j->code, scope);
}

static struct words about_stat_type(const struct judged *j)
{
    return WORDS(j, "dataCode“%s”没有配置statType %d", "dataCode \"%s\" is not configured for statType %d", j->code,
                 j->record->stat_type);
}

static struct words about_value(const struct judged *j)
{
    return WORDS(j, "dataValue“%s”（%s）", "dataValue \"%s\" (%s)", quote(j, j->record->data_value), j->item->name);
}

static struct words about_limit(const struct judged *j)
{
    const char *limit = j->item->aggregation == AGG_COUNTER ? "1000000000000" : "1000000000";
    return WORDS(j, "dataValue“%s”的绝对值应小于%s（%s）", "dataValue \"%s\" must be below %s in magnitude (%s)",
                 quote(j, j->record->data_value), limit, j->item->name);
}

static const char *bound(const struct judged *j, int64_t value)
{
    char text[DECIMAL_TEXT];
    return value == DECIMAL_UNSET ? "-" : arena_strdup(j->c->arena, decimal_format(value, text));
}

static struct words about_bounds(const struct judged *j)
{
    return WORDS(j, "dataValue“%s”不在%s至%s之间（%s）", "dataValue \"%s\" is not within %s to %s (%s)",
                 quote(j, j->record->data_value), bound(j, j->item->value_min), bound(j, j->item->value_max),
                 j->item->name);
}

static struct words about_date(const struct judged *j)
{
    return WORDS(j, "statDate“%s”", "statDate \"%s\"", quote(j, j->record->stat_date));
}

static struct words about_grid(const struct judged *j)
{
    static const char *const ZH[] = {"", "一日", "一月", "一年"}, *const EN[] = {"", "a day", "a month", "a year"};
    int stat_type = j->record->stat_type;
    const char *date = quote(j, j->record->stat_date);
    if (stat_type > 0) {
        return (struct words){
            arena_printf(j->c->arena, "第%u行，statDate“%s”不是%s的开始", j->record->line, date, ZH[stat_type]),
            arena_printf(j->c->arena, "line %u, statDate \"%s\" does not begin %s", j->record->line, date,
                         EN[stat_type])};
    }
    return WORDS(j, "statDate“%s”与%d秒的周期不对齐", "statDate \"%s\" is off the grid of %d seconds", date,
                 j->item->period);
}

static struct words about_now(const struct judged *j)
{
    char now[CALTIME_TEXT];
    return WORDS(j, "statDate“%s”，平台时间%s", "statDate \"%s\", the platform's time is %s",
                 quote(j, j->record->stat_date), caltime_format(j->c->ctx->now, now));
}

/* ---- the rules, in the order in which they are asked: what a later one looks at, an earlier one has found good.
 * The first broken one is the record's finding. ---- */

static const struct {
    int code;
    bool (*broken)(const struct judged *j);
    struct words (*words)(const struct judged *j);
} RULES[] = {
    {3102, code_malformed, about_code},
    {3103, scope_contradicts, about_scope},
    {3304, period_not_configured, about_stat_type},
    {3101, item_unknown, about_code},
    {3201, not_a_number, about_value},
    {3202, beyond_limit, about_limit},
    {3206, negative, about_value},
    {3202, outside_bounds, about_bounds},
    {3301, not_a_time, about_date},
    {3301, off_grid, about_grid},
    {3302, in_future, about_now},
    {3303, too_early, about_date},
};

static void report(struct checking *c, const struct judged *j, int code, struct words (*words)(const struct judged *))
{
    const struct record *r = j->record;
    bool counted_only = findings_full(c->findings);
    struct words w = counted_only ? (struct words){0} : words(j);
    struct finding *f = finding_add(c->findings, code, w.zh, w.en);
    if (!counted_only) {
        f->line = r->line;
        f->data_code = j->code_good ? r->data_code : quote(j, r->data_code);
        f->stat_type = r->stat_type;
        f->stat_date = quote(j, r->stat_date);
    }
}

/* True: the record may be stored. */
static bool judge(struct checking *c, const struct judged *j)
{
    for (size_t i = 0; i < ARRAY_LEN(RULES); i++) {
        if (RULES[i].broken(j)) {
            report(c, j, RULES[i].code, RULES[i].words);
            return false;
        }
    }
    if (j->number == DECIMAL_ROUNDED) {
        report(c, j, 3203, about_value);
    }
    return true;
}

/* ---- the block ---- */

static int16_t flags_of(const struct judged *j)
{
    int flag = j->record->valid ? 0 : FLAG_INVALID;
    if (j->record->input_type != j->item->input_type) {
        flag |= j->record->input_type << FLAG_INPUT_SHIFT;
    }
    return (int16_t)flag;
}

static void reserve_readings(struct business_result *out, size_t more, struct arena *arena)
{
    if (out->cap - out->count >= more) {
        return;
    }
    size_t cap = out->count + (more > out->cap ? more : out->cap);
    struct reading *larger = arena_array(arena, cap, sizeof *larger);
    if (out->count > 0) {
        memcpy(larger, out->readings, out->count * sizeof *larger);
    }
    out->readings = larger;
    out->cap = cap;
}

static void convert(struct checking *c, const struct record *record, struct judged *j)
{
    *j = (struct judged){.c = c, .record = record};
    convert_code(c, j);
    j->number = decimal_parse(record->data_value, record->data_value_len, &j->value);
    convert_date(c, j);
}

void business_check(const struct business_context *ctx, const struct unit *unit, const struct energy_data *block,
                    uint32_t block_index, uint32_t first_ordinal, struct findings *findings, struct arena *arena,
                    struct business_result *out)
{
    struct checking c = {.ctx = ctx, .unit = unit, .findings = findings, .arena = arena};
    reserve_readings(out, block->count, arena);
    for (size_t i = 0; i < block->count; i++) {
        struct judged j;
        uint32_t ordinal = first_ordinal + (uint32_t)i;
        convert(&c, &block->records[i], &j);
        if (!judge(&c, &j)) {
            *ARENA_PUSH(arena, out->rejected, out->rejected_count, out->rejected_cap) = (int32_t)ordinal;
            continue;
        }
        out->readings[out->count++] = (struct reading){.block = block_index,
                                                       .ordinal = ordinal,
                                                       .record = j.record,
                                                       .item = j.item,
                                                       .ts = j.ts,
                                                       .value = j.value,
                                                       .flag = flags_of(&j)};
    }
}
