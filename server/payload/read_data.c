/* energyData and energyDataSet into records. The attributes of <data/> are read in one pass: names are interned by
 * the parser, so comparing them is comparing pointers, and they mostly come in the same order. */
#include <string.h>

#include "base/caltime.h"
#include "base/mem.h"
#include "payload/sax.h"

#define DATA_URI "urn:nhjc:data:v1"
#define NAMES_MAX 7

const struct payload_limits PAYLOAD_LIMITS_DEFAULT = {
    .depth = 50, .attributes = 100, .tag_bytes = 65536, .records = 200000};

struct rule { /* one attribute of an element */
    const char *name;
    bool required;
};

enum data_attribute { A_CODE, A_STAT_TYPE, A_DATE, A_VALUE, A_INPUT, A_SCOPE, A_VALID };
static const struct rule DATA_RULES[] = {{"dataCode", true},  {"statType", true},  {"statDate", true},
                                         {"dataValue", true}, {"inputType", true}, {"scope", true},
                                         {"valid", false}};
enum block_attribute { A_ENTERPRISE, A_DEVICE, A_BLOCK_DATE };
/* deviceId: also required, outside a set */
static const struct rule BLOCK_RULES[] = {{"enterpriseCode", true}, {"deviceId", false}, {"uploadDate", true}};
enum set_attribute { A_PLATFORM, A_SET_DATE };
static const struct rule SET_RULES[] = {{"platformCode", true}, {"uploadDate", true}};

enum element { E_RECORD, E_BLOCK, E_SET, E_COUNT };
static const struct {
    const char *name;
    const struct rule *rules;
    size_t count;
} ELEMENTS[E_COUNT] = {
    [E_RECORD] = {"data", DATA_RULES, ARRAY_LEN(DATA_RULES)},
    [E_BLOCK] = {"energyData", BLOCK_RULES, ARRAY_LEN(BLOCK_RULES)},
    [E_SET] = {"energyDataSet", SET_RULES, ARRAY_LEN(SET_RULES)},
};

struct value {
    const xmlChar *at; /* NULL: absent */
    size_t len;
};

struct reader {
    struct energy_data_set *out;
    struct record *records; /* of the whole set, one run; blocks point into it */
    size_t capacity;
    int wanted;
    const xmlChar *names[E_COUNT]; /* interned */
    const xmlChar *attributes[E_COUNT][NAMES_MAX];
    enum element open[3]; /* elements we are inside of */
    size_t open_count;
    const char *last_date; /* a device's records mostly share their statDate */
    size_t last_date_len;
};

static void begin(struct sax_run *run)
{
    struct reader *r = run->context;
    for (size_t e = 0; e < E_COUNT; e++) {
        r->names[e] = sax_intern(run, ELEMENTS[e].name);
        for (size_t i = 0; i < ELEMENTS[e].count; i++) {
            r->attributes[e][i] = sax_intern(run, ELEMENTS[e].rules[i].name);
        }
    }
    r->capacity = run->tags < run->limits->records ? run->tags : run->limits->records;
    r->records = arena_array(run->arena, r->capacity ? r->capacity : 1, sizeof *r->records);
}

static void fail(struct sax_run *run, const char *zh, const char *en)
{
    sax_fail(run, 2103, run->tag_at, zh, en);
}

static void fail_attribute(struct sax_run *run, const char *name, const char *zh, const char *en)
{
    fail(run, arena_printf(run->arena, "属性%s%s", name, zh), arena_printf(run->arena, "attribute %s %s", name, en));
}

/* ---- attributes ---- */

static int rule_of(const struct reader *r, enum element e, const struct sax_attribute *a, size_t hint)
{
    size_t count = ELEMENTS[e].count;
    const xmlChar *const *names = r->attributes[e];
    if (a->prefix) {
        return -1;
    }
    if (hint < count && names[hint] == a->name) {
        return (int)hint;
    }
    for (size_t i = 0; i < count; i++) {
        if (names[i] == a->name) {
            return (int)i;
        }
    }
    return -1;
}

/* The attributes into values[], by rule. False: refused. */
static bool collect(struct sax_run *run, enum element e, const struct sax_attribute *attributes, size_t count,
                    struct value *values)
{
    const struct reader *r = run->context;
    for (size_t i = 0; i < count; i++) {
        int rule = rule_of(r, e, &attributes[i], i);
        if (rule >= 0) {
            values[rule] = (struct value){attributes[i].value, (size_t)(attributes[i].end - attributes[i].value)};
        } else if (!sax_ignorable(&attributes[i])) {
            fail_attribute(run, sax_name(run, attributes[i].name), "不属于该元素", "is not one of this element");
            return false;
        }
    }
    for (size_t i = 0; i < ELEMENTS[e].count; i++) {
        if (!values[i].at && ELEMENTS[e].rules[i].required) {
            fail_attribute(run, ELEMENTS[e].rules[i].name, "缺失", "is missing");
            return false;
        }
    }
    return true;
}

/* One digit from 'low' to 'high', else -1 and the upload is refused. */
static int8_t digit(struct sax_run *run, const struct value *v, const char *name, char low, char high)
{
    if (v->len == 1 && v->at[0] >= low && v->at[0] <= high) {
        return (int8_t)(v->at[0] - '0');
    }
    fail_attribute(run, name, arena_printf(run->arena, "的取值应为%c至%c", low, high),
                   arena_printf(run->arena, "must be %c to %c", low, high));
    return -1;
}

static bool is_blank(xmlChar c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* xs:boolean, outer blanks included. */
static bool truth(struct sax_run *run, struct value v)
{
    static const struct {
        const char *text;
        bool truth;
    } WORDS[] = {{"true", true}, {"1", true}, {"false", false}, {"0", false}};
    if (!v.at) {
        return true;
    }
    for (; v.len && is_blank(v.at[0]); v.at++, v.len--) {
    }
    for (; v.len && is_blank(v.at[v.len - 1]); v.len--) {
    }
    for (size_t i = 0; i < ARRAY_LEN(WORDS); i++) {
        if (strlen(WORDS[i].text) == v.len && memcmp(WORDS[i].text, v.at, v.len) == 0) {
            return WORDS[i].truth;
        }
    }
    fail_attribute(run, "valid", "的取值应为true、false、1或0", "must be true, false, 1 or 0");
    return false;
}

static uint16_t clip(size_t len) /* a longer text is malformed at its first 65,535 bytes already */
{
    return (uint16_t)(len < UINT16_MAX ? len : UINT16_MAX);
}

static char *put(char *to, const struct value *v)
{
    memcpy(to, v->at, v->len);
    to[v->len] = '\0';
    return to + v->len + 1;
}

static const char *share_date(struct sax_run *run, const struct value *v)
{
    struct reader *r = run->context;
    if (!r->last_date || r->last_date_len != v->len || memcmp(r->last_date, v->at, v->len) != 0) {
        r->last_date = sax_copy(run, v->at, v->len);
        r->last_date_len = v->len;
    }
    return r->last_date;
}

static void copy_texts(struct sax_run *run, const struct value *v, struct record *record)
{
    char *room = sax_room(run, v[A_CODE].len + v[A_VALUE].len + 2);
    record->data_code = room;
    record->data_value = put(room, &v[A_CODE]);
    put(room + v[A_CODE].len + 1, &v[A_VALUE]);
    record->stat_date = share_date(run, &v[A_DATE]);
    record->data_code_len = clip(v[A_CODE].len);
    record->data_value_len = clip(v[A_VALUE].len);
    record->stat_date_len = clip(v[A_DATE].len);
}

/* ---- elements ---- */

static void start_record(struct sax_run *run, const struct sax_attribute *attributes, size_t count)
{
    struct reader *r = run->context;
    struct value v[NAMES_MAX] = {{0}};
    if (r->out->records == run->limits->records) {
        sax_fail(run, 2106, run->tag_at, "数据记录过多，请分成几次上传", "too many records, split the upload");
        return;
    }
    if (!collect(run, E_RECORD, attributes, count, v)) {
        return;
    }
    struct record *record = &r->records[r->out->records];
    copy_texts(run, v, record);
    record->stat_type = digit(run, &v[A_STAT_TYPE], "statType", '0', '3');
    record->scope = digit(run, &v[A_SCOPE], "scope", '1', '4');
    record->input_type = digit(run, &v[A_INPUT], "inputType", '1', '7');
    record->valid = truth(run, v[A_VALID]);
    record->line = sax_line(run, run->tag_at);
    r->out->records++;
    struct energy_data *block = &r->out->at[r->out->count - 1];
    block->count++;
    block->cap++;
}

static const char *upload_date(struct sax_run *run, const struct value *v)
{
    int64_t us;
    if (!caltime_parse((const char *)v->at, v->len, &us)) {
        fail_attribute(run, "uploadDate", "不是有效时间，应如2026-11-20 10:16:02",
                       "is not a time such as 2026-11-20 10:16:02");
        return "";
    }
    return sax_copy(run, v->at, v->len);
}

/* Characters, not bytes. */
static size_t characters(const struct value *v)
{
    size_t n = 0;
    for (size_t i = 0; i < v->len; i++) {
        n += (v->at[i] & 0xC0) != 0x80;
    }
    return n;
}

static void start_block(struct sax_run *run, const struct sax_attribute *attributes, size_t count)
{
    struct reader *r = run->context;
    struct value v[NAMES_MAX] = {{0}};
    if (!collect(run, E_BLOCK, attributes, count, v)) {
        return;
    }
    if (!v[A_DEVICE].at && r->open_count == 0) {
        fail_attribute(run, "deviceId", "缺失", "is missing");
        return;
    }
    if (characters(&v[A_ENTERPRISE]) != 18) {
        fail_attribute(run, "enterpriseCode", "应为18位统一社会信用代码",
                       "must be the 18-character unified social credit code");
        return;
    }
    struct energy_data *block = ARENA_PUSH(run->arena, r->out->at, r->out->count, r->out->cap);
    *block = (struct energy_data){.records = r->records + r->out->records, .device_id = ""};
    block->enterprise_code = sax_copy(run, v[A_ENTERPRISE].at, v[A_ENTERPRISE].len);
    if (v[A_DEVICE].at) {
        block->device_id = sax_copy(run, v[A_DEVICE].at, v[A_DEVICE].len);
    }
    block->upload_date = upload_date(run, &v[A_BLOCK_DATE]);
    block->line = sax_line(run, run->tag_at);
}

static bool is_platform_code(const struct value *v)
{
    size_t digits = 0;
    for (; digits < v->len && v->at[digits] >= '0' && v->at[digits] <= '9'; digits++) {
    }
    return v->len == 6 && digits == 6;
}

static void start_set(struct sax_run *run, const struct sax_attribute *attributes, size_t count)
{
    struct reader *r = run->context;
    struct value v[NAMES_MAX] = {{0}};
    if (!collect(run, E_SET, attributes, count, v)) {
        return;
    }
    if (!is_platform_code(&v[A_PLATFORM])) {
        fail_attribute(run, "platformCode", "应为6位数字", "must be 6 digits");
        return;
    }
    r->out->line = sax_line(run, run->tag_at);
    r->out->platform_code = sax_copy(run, v[A_PLATFORM].at, v[A_PLATFORM].len);
    r->out->upload_date = upload_date(run, &v[A_SET_DATE]);
}

/* Which element may stand here? At the top what is wanted; inside, the next one down. */
static bool fits(const struct reader *r, enum element e)
{
    if (r->open_count == 0) {
        return (e == E_BLOCK && (r->wanted & PAYLOAD_ENERGY_DATA)) ||
               (e == E_SET && (r->wanted & PAYLOAD_ENERGY_DATA_SET));
    }
    return r->open[r->open_count - 1] != E_RECORD && e + 1 == r->open[r->open_count - 1];
}

static void fail_place(struct sax_run *run, const xmlChar *name)
{
    const struct reader *r = run->context;
    const char *where = r->open_count ? ELEMENTS[r->open[r->open_count - 1]].name : NULL;
    char *zh = where ? arena_printf(run->arena, "<%s>内不允许出现<%s>", where, sax_name(run, name))
                     : arena_printf(run->arena, "根元素不应是<%s>", sax_name(run, name));
    char *en = where ? arena_printf(run->arena, "<%s> has no place inside <%s>", sax_name(run, name), where)
                     : arena_printf(run->arena, "<%s> is not the root element expected here", sax_name(run, name));
    fail(run, zh, en);
}

static void on_element(struct sax_run *run, const xmlChar *name, const struct sax_attribute *attributes, size_t count)
{
    static void (*const START[E_COUNT])(struct sax_run *, const struct sax_attribute *, size_t) = {
        [E_RECORD] = start_record, [E_BLOCK] = start_block, [E_SET] = start_set};
    struct reader *r = run->context;
    enum element e = E_RECORD;
    while (e < E_COUNT && r->names[e] != name) {
        e++;
    }
    if (e == E_COUNT || !fits(r, e)) {
        fail_place(run, name);
        return;
    }
    START[e](run, attributes, count);
    r->open[r->open_count++] = e;
}

static void on_element_end(struct sax_run *run, const xmlChar *name)
{
    struct reader *r = run->context;
    (void)name;
    r->open_count--;
}

static const struct sax_reader READER = {.uri = DATA_URI, .begin = begin, .start = on_element, .end = on_element_end};

RESULT payload_read_data(const void *xml, size_t len, int wanted, const struct payload_limits *limits,
                         struct arena *arena, struct findings *findings, struct energy_data_set *out)
{
    *out = (struct energy_data_set){0};
    struct reader r = {.out = out, .wanted = wanted};
    struct sax_run run = {.reader = &READER, .context = &r, .limits = limits, .arena = arena, .findings = findings};
    return sax_parse(&run, xml, len);
}
