/* basedata_csv: cells, then columns by table, then one JSON object a row. */
#include "cli/basedata_csv.h"

#include <string.h>

#include "base/decimal.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/utf8.h"

#define MAX_CELLS 64
#define CODE_LIMIT 32
#define TEXT_LIMIT 1000

static const struct basedata_list LISTS[] = {
    {"collect_class", "collect_class", false, "采集数据分类"},
    {"energy_type", "energy_type", false, "能源品种"},
    {"coal_factor", "energy_type", true, "折标煤系数（写入能源品种）"},
    {"co2_factor", "energy_type", true, "二氧化碳排放因子（写入能源品种）"},
    {"working_substance", "working_substance", false, "耗能工质"},
    {"product", "product", false, "产品"},
    {"efficiency_index", "efficiency_index", false, "能效指标"},
    {"business_index", "business_index", false, "经营指标"},
    {"other_data", "other_data", false, "其他数据"},
    {"data_usage", "data_usage", false, "数据用途"},
    {"input_type", "input_type", false, "采集来源"},
    {"stat_type", "stat_type", false, "统计类型"},
    {"scope", "scope", false, "数据范围"},
    {"consumption_level", "consumption_level", false, "能耗等级"},
    {"field", "field", false, "所属领域"},
    {"enterprise_type", "enterprise_type", false, "单位类型"},
    {"region", "region", false, "行政区划"},
    {"industry", "industry", false, "行业分类"},
    {"process", "process", false, "生产工序"},
    {"process_unit", "process_unit", false, "工序单元"},
    {"equipment_type", "equipment_type", false, "设备类型"},
    {"meter_type", "meter_type", false, "计量器具类型"},
    {"measure_unit", "measure_unit", false, "计量单位"},
};

const struct basedata_list *basedata_lists(size_t *count)
{
    *count = ARRAY_LEN(LISTS);
    return LISTS;
}

const struct basedata_list *basedata_list(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(LISTS); i++) {
        if (strcmp(LISTS[i].name, name) == 0) {
            return &LISTS[i];
        }
    }
    return NULL;
}

/* ---------------------------------------------------------------- columns */
enum kind { TEXT, CODE, NUMBER, DIGIT };

/* In the order of the export. */
static const struct {
    const char *name;
    enum kind kind;
} FIELDS[] = {{"code", CODE},
              {"name", TEXT},
              {"parent_code", CODE},
              {"unit", TEXT},
              {"precision", DIGIT},
              {"coal_factor", NUMBER},
              {"coal_factor_min", NUMBER},
              {"coal_factor_max", NUMBER},
              {"co2_factor", NUMBER},
              {"industry_code", CODE},
              {"role", TEXT},
              {"remark", TEXT}};
enum {
    F_CODE,
    F_NAME,
    F_PARENT,
    F_UNIT,
    F_PRECISION,
    F_COAL,
    F_COAL_MIN,
    F_COAL_MAX,
    F_CO2,
    F_INDUSTRY,
    FIELD_COUNT = 12
};

/* Headers of published tables. list NULL: every list but those that merge. One that is given again for the same field
 * steps in where the first one's cell is empty. */
static const struct {
    const char *list, *header;
    int field;
} COLUMNS[] = {
    {NULL, "name_zh", F_NAME},
    {"region", "parent", F_PARENT},
    {"industry", "parent", F_PARENT},
    {"energy_type", "class_code", F_PARENT},
    {"energy_type", "usual_unit", F_UNIT},
    {"energy_type", "tce_coef_default", F_COAL},
    {"energy_type", "tce_coef_min", F_COAL_MIN},
    {"energy_type", "tce_coef_max", F_COAL_MAX},
    {"working_substance", "coef_2020_kgce", F_COAL},
    {"working_substance", "kgce_per_unit", F_COAL},
    {"working_substance", "stat_code", F_CODE},
    {"consumption_level", "range_tce_per_year", F_NAME},
    {"process", "process_code", F_CODE},
    {"process", "process_name_zh", F_NAME},
    {"coal_factor", "stat_code", F_CODE},
    {"coal_factor", "tce_per_stat_unit", F_COAL},
    {"coal_factor", "kgce_min", F_COAL_MIN},
    {"coal_factor", "kgce_max", F_COAL_MAX},
    {"co2_factor", "stat_code", F_CODE},
    {"co2_factor", "tco2_per_unit", F_CO2},
};

/* Words of published tables that stand for something else. */
static const struct {
    const char *list;
    int field;
    const char *word, *meaning;
} WORDS[] = {
    {"process", F_INDUSTRY, "(any)", ""},
    {"industry", F_PARENT, "0", ""},
    {"energy_type", F_PARENT, "01/02", ""}, /* the total belongs to both */
    {"energy_type", F_UNIT, "吉焦(百万千焦)", "吉焦"},
};

/* The national codes of working substances are not public: published tables have none. Local ones, from 9001 on, so
 * that they stand in nobody's way; a file that has codes keeps its own. The two tables differ in their brackets. */
static const struct {
    const char *list, *name, *code;
} LOCAL_CODES[] = {
    {"working_substance", "新水", "9001"},
    {"working_substance", "软化水", "9002"},
    {"working_substance", "除氧水", "9003"},
    {"working_substance", "压缩空气", "9004"},
    {"working_substance", "鼓风", "9005"},
    {"working_substance", "氧气", "9006"},
    {"working_substance", "氮气(做副产品时)", "9007"},
    {"working_substance", "氮气（做副产品时）", "9007"},
    {"working_substance", "氮气(做主产品时)", "9008"},
    {"working_substance", "氮气（做主产品时）", "9008"},
    {"working_substance", "二氧化碳气", "9009"},
    {"working_substance", "乙炔", "9010"},
    {"working_substance", "电石", "9011"},
};

/* Rows that a list takes: the cell must be one of the values, separated by '|'. NULL: not empty. */
static const struct {
    const char *list, *header, *values;
    bool option; /* the operator may choose another */
} FILTERS[] = {
    {"stat_type", "enumeration", "statType", false},
    {"scope", "enumeration", "scope", false},
    {"input_type", "enumeration", "inputType", false},
    {"working_substance", "kind", "working_medium", false},
    {"coal_factor", "kind", "energy|electricity_heat", false},
    {"coal_factor", "stat_code", NULL, false},
    {"coal_factor", "tce_per_stat_unit", NULL, false},
    {"coal_factor", "stat_unit", "t|10^4 m3|GJ|10^4 kWh", false}, /* the units that the energy types are counted in */
    {"co2_factor", "kind", "fuel", false},
    {"co2_factor", "stat_code", NULL, false},
    {"co2_factor", "ruleset", "GBT_32151", true},
    {"co2_factor", "unit", "t|10^4 Nm3", false},
};

/* A published number in another unit than ours: factor of ten per cell of `header`. */
static const struct {
    const char *list;
    int field;
    const char *header, *value; /* NULL: always */
    int power;
} SCALES[] = {
    {"working_substance", F_COAL, NULL, NULL, -3}, /* kgce -> tce */
    {"coal_factor", F_COAL_MIN, "stat_unit", "10^4 m3", 1},  {"coal_factor", F_COAL_MAX, "stat_unit", "10^4 m3", 1},
    {"coal_factor", F_COAL_MIN, "stat_unit", "10^4 kWh", 1}, {"coal_factor", F_COAL_MAX, "stat_unit", "10^4 kWh", 1},
};

/* ---------------------------------------------------------------- cells */
struct reader {
    const struct basedata_list *list;
    const char *option;
    const char *at, *end;
    size_t line, row_line;
    struct buf bytes; /* of the row's cells, each ended by NUL */
    size_t cells[MAX_CELLS];
    size_t count;
    struct buf head; /* of the header, kept */
    size_t heads[MAX_CELLS];
    size_t head_count;
    struct hash *seen; /* key of an entry -> its line */
    struct basedata_entries *out;
};

static RESULT at_line(size_t line, const char *what)
{
    return result_error(ERR_SENDER, 0, "第 %zu 行 / line %zu: %s", line, line, what);
}

static RESULT read_quoted(struct reader *r)
{
    for (r->at++; r->at < r->end; r->at++) {
        if (*r->at == '"' && r->at + 1 < r->end && r->at[1] == '"') {
            r->at++;
        } else if (*r->at == '"') {
            r->at++;
            return RESULT_OK;
        }
        r->line += *r->at == '\n';
        buf_append_char(&r->bytes, *r->at);
    }
    return at_line(r->row_line, "引号未闭合 / a quote is not closed");
}

static bool at_end_of_cell(const struct reader *r)
{
    return r->at == r->end || *r->at == ',' || *r->at == '\n' ||
           (*r->at == '\r' && (r->at + 1 == r->end || r->at[1] == '\n'));
}

static RESULT read_cell(struct reader *r)
{
    if (r->count == MAX_CELLS) {
        return at_line(r->row_line, "列过多 / too many columns");
    }
    r->cells[r->count++] = r->bytes.len;
    if (r->at < r->end && *r->at == '"') {
        TRY(read_quoted(r));
        if (!at_end_of_cell(r)) {
            return at_line(r->line, "引号后有多余字符 / something follows a closing quote");
        }
    }
    while (!at_end_of_cell(r)) {
        if (*r->at == '"') {
            return at_line(r->line, "引号在单元格中间 / a quote inside a cell");
        }
        buf_append_char(&r->bytes, *r->at++);
    }
    buf_append_char(&r->bytes, '\0');
    return RESULT_OK;
}

/* One row with its line end. */
static RESULT read_row(struct reader *r)
{
    buf_clear(&r->bytes);
    r->count = 0;
    r->row_line = r->line;
    TRY(read_cell(r));
    while (r->at < r->end && *r->at == ',') {
        r->at++;
        TRY(read_cell(r));
    }
    r->at += r->at < r->end && *r->at == '\r';
    r->line += r->at < r->end;
    r->at += r->at < r->end;
    return RESULT_OK;
}

static const char *cell(const struct reader *r, size_t i)
{
    return (const char *)r->bytes.data + r->cells[i];
}

static const char *head(const struct reader *r, size_t i)
{
    return (const char *)r->head.data + r->heads[i];
}

/* The row's cell under this header; NULL: no such column. */
static const char *under(const struct reader *r, const char *header)
{
    for (size_t i = 0; i < r->head_count && i < r->count; i++) {
        if (strcmp(head(r, i), header) == 0) {
            return cell(r, i);
        }
    }
    return NULL;
}

static bool is_list(const struct reader *r, const char *list)
{
    return list ? strcmp(list, r->list->name) == 0 : !r->list->merge;
}

/* ---------------------------------------------------------------- from a row to fields */
/* The field's cell: our own name first (not for published tables of another shape), then the published ones. NULL: the
 * file has no such column. */
static const char *field_cell(const struct reader *r, int field)
{
    const char *found = r->list->merge ? NULL : under(r, FIELDS[field].name);
    for (size_t i = 0; i < ARRAY_LEN(COLUMNS); i++) {
        if (COLUMNS[i].field == field && is_list(r, COLUMNS[i].list) && (!found || !*found)) {
            const char *other = under(r, COLUMNS[i].header);
            found = other ? other : found;
        }
    }
    for (size_t i = 0; found && i < ARRAY_LEN(WORDS); i++) {
        if (WORDS[i].field == field && is_list(r, WORDS[i].list) && strcmp(WORDS[i].word, found) == 0) {
            found = WORDS[i].meaning;
        }
    }
    return found;
}

static const char *code_cell(const struct reader *r)
{
    const char *code = field_cell(r, F_CODE), *name = field_cell(r, F_NAME);
    for (size_t i = 0; code && !*code && name && i < ARRAY_LEN(LOCAL_CODES); i++) {
        if (is_list(r, LOCAL_CODES[i].list) && strcmp(LOCAL_CODES[i].name, name) == 0) {
            code = LOCAL_CODES[i].code;
        }
    }
    return code;
}

static bool one_of(const char *text, const char *values)
{
    for (const char *p = values; *p; p += *p == '|') {
        size_t n = strcspn(p, "|");
        if (strlen(text) == n && memcmp(text, p, n) == 0) {
            return true;
        }
        p += n;
    }
    return false;
}

static bool taken(const struct reader *r)
{
    for (size_t i = 0; i < ARRAY_LEN(FILTERS); i++) {
        const char *text = strcmp(FILTERS[i].list, r->list->name) == 0 ? under(r, FILTERS[i].header) : NULL;
        const char *values = FILTERS[i].option && r->option ? r->option : FILTERS[i].values;
        if (text && (values ? !one_of(text, values) : !*text)) {
            return false;
        }
    }
    return true;
}

static int power_of_ten(const struct reader *r, int field)
{
    int power = 0;
    for (size_t i = 0; i < ARRAY_LEN(SCALES); i++) {
        if (SCALES[i].field != field || strcmp(SCALES[i].list, r->list->name) != 0) {
            continue;
        }
        const char *text = SCALES[i].header ? under(r, SCALES[i].header) : NULL;
        bool own = SCALES[i].field == F_COAL && r->list->merge == false && under(r, FIELDS[field].name);
        power = !own && (!SCALES[i].header || (text && strcmp(text, SCALES[i].value) == 0)) ? SCALES[i].power : power;
    }
    return power;
}

static RESULT bad_cell(const struct reader *r, int field, const char *text, const char *what)
{
    return result_error(ERR_SENDER, 0, "第 %zu 行 / line %zu: %s \"%.60s\": %s", r->row_line, r->row_line,
                        FIELDS[field].name, text, what);
}

static RESULT append_number(struct reader *r, int field, const char *text)
{
    char plain[DECIMAL_TEXT];
    int64_t value;
    enum decimal_status s = decimal_parse(text, strlen(text), &value);
    if ((s != DECIMAL_OK && s != DECIMAL_ROUNDED) || value < 0) {
        return bad_cell(r, field, text, "不是非负数 / not a number from 0 up");
    }
    dec128 scaled = value;
    int power = power_of_ten(r, field);
    for (; power > 0; power--) {
        scaled *= 10;
    }
    for (; power < 0; power++) {
        scaled = decimal_div(scaled, 10);
    }
    if (scaled >= (dec128)1000000000000 * 1000000) {
        return bad_cell(r, field, text, "过大 / too large");
    }
    buf_append_str(&r->out->json, decimal_format(scaled, plain));
    return RESULT_OK;
}

static bool plain_code(const char *text)
{
    size_t n = strlen(text);
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        if (*p <= ' ' || *p == 0x7F) {
            return false;
        }
    }
    return n <= CODE_LIMIT;
}

/* The codes of form 205-1 (01-39) in the order of the energy types: 02-05 are kinds of raw coal. */
static bool energy_of_stat_code(const char *text, char out[5])
{
    if (strlen(text) != 2 || strspn(text, "0123456789") != 2) {
        return false;
    }
    bool coal = text[0] == '0' && text[1] >= '2' && text[1] <= '5';
    memcpy(out, coal ? (char[5]){'0', '1', text[0], text[1], 0} : (char[5]){text[0], text[1], '0', '0', 0}, 5);
    return true;
}

static RESULT append_value(struct reader *r, int field, const char *text)
{
    struct buf *out = &r->out->json;
    char energy[5];
    switch (FIELDS[field].kind) {
    case NUMBER:
        if (*text) {
            return append_number(r, field, text);
        }
        buf_append_str(out, "null");
        return RESULT_OK;
    case DIGIT:
        if (*text && (strlen(text) != 1 || *text < '0' || *text > '6')) {
            return bad_cell(r, field, text, "须为 0-6 / must be 0..6");
        }
        buf_append_str(out, *text ? text : "null");
        return RESULT_OK;
    case CODE:
        if (!plain_code(text)) {
            return bad_cell(r, field, text, "不是代码 / not a code");
        }
        if (field == F_CODE && r->list->merge) {
            if (!energy_of_stat_code(text, energy)) {
                return bad_cell(r, field, text, "不是统计代码 / not a two-digit statistical code");
            }
            text = energy;
        }
        break;
    case TEXT:
        if (utf8_count(text, strlen(text)) > TEXT_LIMIT) {
            return bad_cell(r, field, text, "过长 / too long");
        }
        break;
    }
    buf_append_json(out, text);
    return RESULT_OK;
}

/* *fresh false: a published table's second row for the same entry, left aside. */
static RESULT note_entry(struct reader *r, const char *code, bool *fresh)
{
    const char *industry = field_cell(r, F_INDUSTRY);
    char *key = mem_printf("%s\n%s", code, industry ? industry : "");
    void *before = hash_get(r->seen, key);
    *fresh = !before;
    if (*fresh) {
        hash_put(r->seen, key, (void *)(uintptr_t)r->row_line);
    }
    mem_free(key);
    if (before && !r->list->merge) {
        return result_error(ERR_SENDER, 0,
                            "第 %zu 行 / line %zu: 代码 %s 与第 %zu 行重复 / the code is that of line %zu", r->row_line,
                            r->row_line, code, (size_t)(uintptr_t)before, (size_t)(uintptr_t)before);
    }
    return RESULT_OK;
}

static RESULT append_entry(struct reader *r)
{
    struct buf *out = &r->out->json;
    buf_append_str(out, r->out->count++ ? ",\n{" : "\n{");
    for (int f = 0, written = 0; f < FIELD_COUNT; f++) {
        const char *text = f == F_CODE ? code_cell(r) : field_cell(r, f);
        if (text) {
            buf_printf(out, "%s\"%s\":", written++ ? "," : "", FIELDS[f].name);
            TRY(append_value(r, f, text));
        }
    }
    buf_append_char(out, '}');
    return RESULT_OK;
}

static RESULT take_row(struct reader *r)
{
    if (r->count == 1 && !*cell(r, 0)) {
        return RESULT_OK; /* an empty line */
    }
    if (r->count != r->head_count) {
        return result_error(ERR_SENDER, 0,
                            "第 %zu 行 / line %zu: %zu 列，表头 %zu 列 / as many columns as the header are needed",
                            r->row_line, r->row_line, r->count, r->head_count);
    }
    if (!taken(r)) {
        r->out->left_aside++;
        return RESULT_OK;
    }
    const char *code = code_cell(r), *name = field_cell(r, F_NAME);
    if (!*code || (name && !*name)) {
        return at_line(r->row_line, *code ? "名称为空 / the name is empty" : "代码为空 / the code is empty");
    }
    bool fresh;
    TRY(note_entry(r, code, &fresh));
    r->out->left_aside += !fresh;
    return fresh ? append_entry(r) : RESULT_OK;
}

/* ---------------------------------------------------------------- the file */
static RESULT take_header(struct reader *r)
{
    TRY(read_row(r));
    buf_append(&r->head, r->bytes.data, r->bytes.len);
    memcpy(r->heads, r->cells, sizeof r->heads);
    r->head_count = r->count;
    for (size_t i = 0; i < r->count; i++) {
        for (size_t j = 0; j < i; j++) {
            if (strcmp(cell(r, i), cell(r, j)) == 0) {
                return result_error(ERR_SENDER, 0, "第 1 行 / line 1: 列名重复 / two columns are named %.60s",
                                    cell(r, i));
            }
        }
    }
    if (!field_cell(r, F_CODE) || (!r->list->merge && !field_cell(r, F_NAME))) {
        return at_line(1, "缺少代码列或名称列 / the columns code and name are needed");
    }
    return RESULT_OK;
}

static RESULT check_bytes(const char *text, size_t len)
{
    size_t line = 1;
    for (size_t i = 0; i < len;) {
        uint32_t c;
        size_t n = utf8_next(text + i, len - i, &c);
        if (n == 0 || c == 0) {
            return at_line(line, "不是 UTF-8 / not UTF-8 (GBK?)");
        }
        line += c == '\n';
        i += n;
    }
    return RESULT_OK;
}

static RESULT read_all(struct reader *r)
{
    TRY(check_bytes(r->at, (size_t)(r->end - r->at)));
    TRY(take_header(r));
    buf_append_char(&r->out->json, '[');
    while (r->at < r->end) {
        TRY(read_row(r));
        TRY(take_row(r));
    }
    buf_append_str(&r->out->json, "\n]");
    return r->out->count ? RESULT_OK : at_line(r->line, "没有适用的行 / no row of this file fits the list");
}

RESULT basedata_csv_read(const struct basedata_list *list, const char *option, const char *text, size_t len,
                         struct basedata_entries *entries)
{
    *entries = (struct basedata_entries){.json = BUF_INIT};
    if (len >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0) {
        text += 3;
        len -= 3;
    }
    struct reader r = {
        .list = list, .option = option, .at = text, .end = text + len, .line = 1, .seen = hash_new(), .out = entries};
    struct result result = read_all(&r);
    hash_free(&r.seen);
    buf_free(&r.bytes);
    buf_free(&r.head);
    if (!result_ok(result)) {
        buf_free(&entries->json);
        entries->count = 0;
    }
    return result;
}

void basedata_csv_cell(struct buf *out, const char *text, bool first)
{
    buf_append_str(out, first ? "" : ",");
    if (!text[strcspn(text, "\",\r\n")]) {
        buf_append_str(out, text);
        return;
    }
    buf_append_char(out, '"');
    for (; *text; text++) {
        buf_append_str(out, *text == '"' ? "\"" : "");
        buf_append_char(out, *text);
    }
    buf_append_char(out, '"');
}
