#include "validate/config_fields.h"

#include <string.h>

#include "base/decimal.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "registry/registry.h"

#define REQUIRED true
#define OPTIONAL false
#define ANY FIELD_TEXT, 0, 0
#define SOME FIELD_TEXT, 1, 0
#define EXACTLY(n) FIELD_TEXT, n, n

static const struct field_row ENTERPRISE[] = {
    {"code", EXACTLY(18), REQUIRED},
    {"name", SOME, REQUIRED},
    {"typeCode", EXACTLY(3), REQUIRED},
    {"typeName", SOME, REQUIRED},
    {"industryCode", SOME, REQUIRED},
    {"regionCode", FIELD_DIGITS, 6, 6, REQUIRED},
    {"regionName", ANY, OPTIONAL},
    {"center", FIELD_BOOLEAN, 0, 0, REQUIRED},
    {"corporationCode", EXACTLY(18), REQUIRED},
    {"jgzh", FIELD_BOOLEAN, 0, 0, REQUIRED},
    {"energyConsumeLevel", FIELD_DIGIT, 1, 6, REQUIRED},
    {"latitude", SOME, REQUIRED},
    {"longitude", SOME, REQUIRED},
    {"phone", SOME, REQUIRED},
    {"fax", ANY, OPTIONAL},
    {"email", ANY, OPTIONAL},
    {"address", ANY, OPTIONAL},
    {"zipCode", ANY, OPTIONAL},
    {"url", ANY, OPTIONAL},
    {"fieldCode", EXACTLY(3), OPTIONAL},
    {"fieldName", ANY, OPTIONAL},
    {"corporationName", ANY, OPTIONAL},
    {"registerDate", ANY, OPTIONAL},
    {"registerPrincipal", ANY, OPTIONAL},
    {"energyOffice", ANY, OPTIONAL},
    {"energyOfficial", ANY, OPTIONAL},
    {"energyOfficialPosition", ANY, OPTIONAL},
    {"energyOfficialPhone", ANY, OPTIONAL},
    {"energyPass", FIELD_BOOLEAN, 0, 0, OPTIONAL},
    {"energyRespName", ANY, OPTIONAL},
    {"energyRespPhone", ANY, OPTIONAL},
    {"passDate", ANY, OPTIONAL},
    {"passOrg", ANY, OPTIONAL},
    {"productionLine", ANY, OPTIONAL},
    {"leadingProduct", ANY, OPTIONAL},
    {"remark", ANY, OPTIONAL},
    {"period", FIELD_INTEGER, 60, 86400, OPTIONAL},
};

static const struct field_row GROUP[] = {
    {"name", ANY, OPTIONAL}, {"address", ANY, OPTIONAL}, {"remark", ANY, OPTIONAL}};

static const struct field_row PROCESS[] = {{"processCode", EXACTLY(2), REQUIRED},
                                           {"processName", SOME, REQUIRED},
                                           {"industryCode", ANY, OPTIONAL},
                                           {"remark", ANY, OPTIONAL},
                                           {"system", FIELD_BOOLEAN, 0, 0, OPTIONAL}};

static const struct field_row PROCESS_UNIT[] = {
    {"code", EXACTLY(2), REQUIRED}, {"name", SOME, REQUIRED},    {"processCode", EXACTLY(2), REQUIRED},
    {"processName", ANY, OPTIONAL}, {"commDate", ANY, OPTIONAL}, {"designedCapacity", ANY, OPTIONAL}};

static const struct field_row EQUIPMENT[] = {
    {"deviceNo", EXACTLY(4), REQUIRED},
    {"deviceName", FIELD_TEXT, 2, 30, REQUIRED},
    {"model", FIELD_TEXT, 0, 40, OPTIONAL},
    {"location", FIELD_TEXT, 2, 30, REQUIRED},
    {"dept", FIELD_TEXT, 2, 20, REQUIRED},
    {"deviceType", EXACTLY(2), REQUIRED},
    {"usingDate", ANY, OPTIONAL},
    {"currentState", ANY, OPTIONAL},
    {"manufacturer", FIELD_TEXT, 0, 50, OPTIONAL},
    {"energyCode", EXACTLY(4), REQUIRED},
    {"energyValue", FIELD_TEXT, 0, 10, OPTIONAL},
    {"processUnitCode", EXACTLY(4), REQUIRED},
};

static const struct field_row METER[] = {
    {"meteringName", FIELD_TEXT, 1, 100, REQUIRED},
    {"meteringType", EXACTLY(8), REQUIRED},
    {"meteringLevel", FIELD_DIGIT, 1, 3, REQUIRED},
    {"meteringParameter", FIELD_TEXT, 1, 20, REQUIRED},
    {"dataCode", FIELD_CODE, 0, 0, REQUIRED},
    {"dataCodeCalculate", FIELD_DIGIT, 1, 4, REQUIRED},
    {"dataCodeRatio", FIELD_DIGIT, 1, 2, REQUIRED},
    {"manuFacturer", FIELD_TEXT, 0, 60, OPTIONAL},
    {"typeSpecification", FIELD_TEXT, 0, 50, OPTIONAL},
    {"accuracyLevel", FIELD_TEXT, 0, 50, OPTIONAL},
    {"measureRange", FIELD_TEXT, 0, 50, OPTIONAL},
    {"manageCode", FIELD_TEXT, 0, 50, OPTIONAL},
    {"calibrationState", FIELD_TEXT, 0, 10, OPTIONAL},
    {"calibrationCycle", FIELD_TEXT, 0, 10, OPTIONAL},
    {"latelyCalibration", ANY, OPTIONAL},
    {"inspectionOrganization", FIELD_TEXT, 0, 50, OPTIONAL},
    {"nextCalibration", ANY, OPTIONAL},
    {"notCalibration", FIELD_TEXT, 0, 100, OPTIONAL},
    {"installationSite", FIELD_TEXT, 0, 100, OPTIONAL},
    {"installOrg", FIELD_DIGIT, 1, 3, OPTIONAL},
    {"installDate", ANY, OPTIONAL},
    {"usrSystem", FIELD_DIGIT, 1, 2, OPTIONAL},
    {"measureState", FIELD_DIGIT, 1, 3, OPTIONAL},
    {"measureStateDate", ANY, OPTIONAL},
};

static const struct field_row PRODUCT[] = {{"productName", FIELD_TEXT, 1, 20, REQUIRED},
                                           {"productCode", FIELD_TEXT, 1, 20, REQUIRED},
                                           {"productType", FIELD_TEXT, 1, 13, REQUIRED},
                                           {"productUnit", FIELD_TEXT, 1, 10, REQUIRED}};

/* The seven segments repeat what dataCode says: required by the national list, which has no dataCode here, and left
 * optional beside it. */
static const struct field_row COLLECT_ITEM[] = {
    {"name", SOME, REQUIRED},
    {"processCode", EXACTLY(2), OPTIONAL},
    {"processUnitCode", EXACTLY(2), OPTIONAL},
    {"equipmentCode", EXACTLY(2), OPTIONAL},
    {"equipmentUnitCode", EXACTLY(2), OPTIONAL},
    {"energyClassCode", EXACTLY(2), OPTIONAL},
    {"energyTypeCode", EXACTLY(4), OPTIONAL},
    {"dataUsageCode", EXACTLY(2), OPTIONAL},
    {"inputType", FIELD_DIGIT, 1, 7, REQUIRED},
    {"dataValueMax", FIELD_DECIMAL, 0, 0, OPTIONAL},
    {"dataValueMin", FIELD_DECIMAL, 0, 0, OPTIONAL},
    {"statType", FIELD_DIGIT, 0, 3, REQUIRED},
    {"collectSystemName", ANY, OPTIONAL},
    {"scope", FIELD_DIGIT, 1, 4, REQUIRED},
    {"remark", ANY, OPTIONAL},
    {"dataCode", FIELD_CODE, 0, 0, REQUIRED},
    {"unit", FIELD_TEXT, 0, 20, OPTIONAL},
    {"aggregation", FIELD_AGGREGATION, 0, 0, REQUIRED},
    {"period", FIELD_INTEGER, 60, 86400, OPTIONAL},
    {"counterMax", FIELD_DECIMAL, 0, 0, OPTIONAL},
    {"decimals", FIELD_INTEGER, 0, 6, OPTIONAL},
};

static const struct element_row ELEMENTS[] = {
    {"enterprise", ENTERPRISE, ARRAY_LEN(ENTERPRISE), 1, REQUIRED},
    {"group", GROUP, ARRAY_LEN(GROUP), 1, OPTIONAL},
    {"process", PROCESS, ARRAY_LEN(PROCESS), 0, OPTIONAL},
    {"processUnit", PROCESS_UNIT, ARRAY_LEN(PROCESS_UNIT), 0, OPTIONAL},
    {"equipment", EQUIPMENT, ARRAY_LEN(EQUIPMENT), 0, OPTIONAL},
    {"meter", METER, ARRAY_LEN(METER), 0, OPTIONAL},
    {"product", PRODUCT, ARRAY_LEN(PRODUCT), 0, OPTIONAL},
    {"collectItem", COLLECT_ITEM, ARRAY_LEN(COLLECT_ITEM), 0, OPTIONAL},
};

const struct element_row *config_elements(size_t *count)
{
    *count = ARRAY_LEN(ELEMENTS);
    return ELEMENTS;
}

int config_element(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(ELEMENTS); i++) {
        if (strcmp(ELEMENTS[i].name, name) == 0) {
            return (int)i;
        }
    }
    return -1;
}

const struct field_row *config_field(const struct element_row *element, const char *name)
{
    for (size_t i = 0; i < element->field_count; i++) {
        if (strcmp(element->fields[i].name, name) == 0) {
            return &element->fields[i];
        }
    }
    return NULL;
}

/* ---- values ---- */

#define BLANKS " \t\r\n"

struct span {
    const char *at;
    size_t len;
};

static struct span trimmed(const char *value)
{
    const char *from = value + strspn(value, BLANKS);
    size_t len = strlen(from);
    while (len > 0 && strchr(BLANKS, from[len - 1])) {
        len--;
    }
    return (struct span){from, len};
}

static bool only_digits(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return false;
        }
    }
    return len > 0;
}

static bool fits_text(const struct field_row *f, const char *value)
{
    size_t n = utf8_count(value, strlen(value));
    return n >= (size_t)f->min && (f->max == 0 || n <= (size_t)f->max);
}

static bool fits_digit(const struct field_row *f, const char *value)
{
    return only_digits(value, strlen(value)) && value[1] == '\0' && value[0] - '0' >= f->min &&
           value[0] - '0' <= f->max;
}

static bool fits_digits(const struct field_row *f, const char *value)
{
    return strlen(value) == (size_t)f->max && only_digits(value, (size_t)f->max);
}

static bool fits_boolean(const struct field_row *f, const char *value)
{
    static const char *const WORDS[] = {"true", "false", "1", "0"};
    struct span s = trimmed(value);
    (void)f;
    for (size_t i = 0; i < ARRAY_LEN(WORDS); i++) {
        if (strlen(WORDS[i]) == s.len && strncmp(WORDS[i], s.at, s.len) == 0) {
            return true;
        }
    }
    return false;
}

/* [+-]digits; false also when it does not fit in 32 bits. */
static bool read_integer(const char *value, int32_t *out)
{
    struct span s = trimmed(value);
    bool sign = s.len > 0 && (s.at[0] == '+' || s.at[0] == '-');
    bool negative = sign && s.at[0] == '-';
    int64_t sum = 0;
    s.at += sign;
    s.len -= sign;
    if (!only_digits(s.at, s.len)) {
        return false;
    }
    for (size_t i = 0; i < s.len && sum <= INT32_MAX; i++) {
        sum = sum * 10 + (s.at[i] - '0');
    }
    *out = (int32_t)(negative ? -sum : sum);
    return sum <= INT32_MAX;
}

static bool fits_integer(const struct field_row *f, const char *value)
{
    int32_t n;
    return read_integer(value, &n) && n >= f->min && n <= f->max;
}

/* xs:decimal: unlike a dataValue it may begin or end with its point. */
static bool fits_decimal(const struct field_row *f, const char *value)
{
    struct span s = trimmed(value);
    bool sign = s.len > 0 && (s.at[0] == '+' || s.at[0] == '-');
    const char *at = s.at + sign, *end = s.at + s.len;
    const char *point = memchr(at, '.', (size_t)(end - at));
    size_t whole = (size_t)((point ? point : end) - at), part = point ? (size_t)(end - point - 1) : 0;
    (void)f;
    return whole + part > 0 && (whole == 0 || only_digits(at, whole)) && (part == 0 || only_digits(point + 1, part));
}

static bool fits_anything(const struct field_row *f, const char *value)
{
    (void)f, (void)value;
    return true;
}

static bool fits_aggregation(const struct field_row *f, const char *value)
{
    (void)f;
    return config_aggregation(value) >= 0;
}

bool config_value_fits(const struct field_row *field, const char *value)
{
    static bool (*const FITS[])(const struct field_row *, const char *) = {
        [FIELD_TEXT] = fits_text,       [FIELD_DIGIT] = fits_digit,
        [FIELD_DIGITS] = fits_digits,   [FIELD_BOOLEAN] = fits_boolean,
        [FIELD_INTEGER] = fits_integer, [FIELD_DECIMAL] = fits_decimal,
        [FIELD_CODE] = fits_anything,   [FIELD_AGGREGATION] = fits_aggregation};
    return FITS[field->type](field, value);
}

int32_t config_integer(const char *value)
{
    int32_t n = 0;
    return read_integer(value, &n) ? n : 0;
}

int64_t config_decimal(const char *value)
{
    char text[64]; /* 10^12 has 13 digits; what is longer is either leading zeros or too large or more decimals */
    struct span s = trimmed(value);
    bool negative = s.len > 0 && s.at[0] == '-';
    s.at += s.len > 0 && (negative || s.at[0] == '+');
    s.len = strcspn(s.at, BLANKS);
    while (s.len > 1 && s.at[0] == '0' && s.at[1] != '.') {
        s.at++;
        s.len--;
    }
    size_t whole = strcspn(s.at, "." BLANKS);
    if (whole > 12) {
        return negative ? -DECIMAL_LIMIT_REGISTER : DECIMAL_LIMIT_REGISTER;
    }
    size_t n = 0, part = s.len > whole + 1 ? s.len - whole - 1 : 0;
    text[n++] = '0'; /* so that ".5" and "5." are numbers to the exact parser as well */
    memcpy(text + n, s.at, whole);
    n += whole;
    text[n++] = '.';
    size_t kept = part < 40 ? part : 40;
    memcpy(text + n, s.at + whole + 1, kept);
    n += kept;
    text[n++] = '0';
    int64_t scaled;
    if (decimal_parse(text, n, &scaled) == DECIMAL_TOO_LARGE) {
        scaled = DECIMAL_LIMIT_REGISTER;
    }
    return negative ? -scaled : scaled;
}

int config_aggregation(const char *value)
{
    static const char *const NAMES[] = {[AGG_SUM] = "sum", [AGG_MEAN] = "mean", [AGG_COUNTER] = "counter"};
    for (size_t i = 0; i < ARRAY_LEN(NAMES); i++) {
        if (strcmp(NAMES[i], value) == 0) {
            return (int)i;
        }
    }
    return -1;
}
