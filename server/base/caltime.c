#include "base/caltime.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"

#define DAY_SECONDS INT64_C(86400)
#define FIRST_CHECKED INT64_C(1262217600) /* 2009-12-31, a day before the first accepted instant */
#define LAST_CHECKED INT64_C(2145916800)  /* 2038-01-01 */
#define CHECK_STEP 21600                  /* no zone on record changed for less than six hours */

static char zone_name[64] = "Asia/Shanghai";
static int zone_offset = 8 * 3600;

/* A minimal installation has no tzdata; these need none. */
static const struct {
    const char *name;
    int offset;
} built_in[] = {{"Asia/Shanghai", 8 * 3600}, {"PRC", 8 * 3600}, {"UTC", 0}, {"Etc/UTC", 0}};

static bool has_tzdata(const char *name)
{
    const char *dir = getenv("TZDIR");
    char path[256], magic[4];
    int n = snprintf(path, sizeof path, "%s/%s", dir && *dir ? dir : "/usr/share/zoneinfo", name);
    if (n < 0 || (size_t)n >= sizeof path) {
        return false;
    }
    FILE *f = fopen(path, "re");
    if (!f) {
        return false;
    }
    bool ok = fread(magic, 1, 4, f) == 4 && memcmp(magic, "TZif", 4) == 0;
    fclose(f);
    return ok;
}

static void set_tz(const char *name)
{
    if (name) {
        setenv("TZ", name, 1);
    } else {
        unsetenv("TZ");
    }
    tzset();
}

static long offset_at(int64_t seconds)
{
    time_t t = (time_t)seconds;
    struct tm tm;
    localtime_r(&t, &tm);
    return tm.tm_gmtoff;
}

/* The zone's one offset; false when it has several. The environment is put back before returning. */
static bool constant_offset(const char *name, int *offset)
{
    char *saved = mem_strdup(getenv("TZ"));
    set_tz(name);
    long first = offset_at(FIRST_CHECKED);
    bool constant = true;
    for (int64_t t = FIRST_CHECKED; constant && t <= LAST_CHECKED; t += CHECK_STEP) {
        constant = offset_at(t) == first;
    }
    set_tz(saved);
    mem_free(saved);
    *offset = (int)first;
    return constant && first % 60 == 0;
}

static bool plain_name(const char *name)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-/";
    size_t n = strlen(name);
    return n > 0 && n < sizeof zone_name && strspn(name, allowed) == n && name[0] != '/';
}

static bool find_built_in(const char *name, int *offset)
{
    for (size_t i = 0; i < ARRAY_LEN(built_in); i++) {
        if (strcmp(built_in[i].name, name) == 0) {
            *offset = built_in[i].offset;
            return true;
        }
    }
    return false;
}

struct result caltime_set_zone(const char *name)
{
    int offset = 0;
    if (!name || !plain_name(name)) {
        return result_error(ERR_SENDER, 0, "时区名无效 / not the name of a time zone");
    }
    if (has_tzdata(name)) {
        if (!constant_offset(name, &offset)) {
            return result_error(ERR_SENDER, 0,
                                "时区%s在2010年后变更过时差，不能用 / time zone %s changes its offset after 2010", name,
                                name);
        }
    } else if (!find_built_in(name, &offset)) {
        return result_error(ERR_SENDER, 0, "没有时区%s / unknown time zone %s", name, name);
    }
    memmove(zone_name, name, strlen(name) + 1);
    zone_offset = offset;
    return RESULT_OK;
}

const char *caltime_zone(void)
{
    return zone_name;
}

int caltime_offset_seconds(void)
{
    return zone_offset;
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

/* Days since 1970-01-01 of a date. Years begin in March here, so that the leap day is their last. */
static int64_t days_of(int64_t year, int month, int day)
{
    int64_t y = year - (month <= 2);
    int64_t era = floor_div(y, 400), of_era = y - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static void date_of(int64_t days, struct civil *c)
{
    int64_t z = days + 719468, era = floor_div(z, 146097), of_era = z - era * 146097;
    int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
    int64_t march_month = (5 * of_year + 2) / 153;
    c->day = (int)(of_year - (153 * march_month + 2) / 5 + 1);
    c->month = (int)(march_month < 10 ? march_month + 3 : march_month - 9);
    c->year = (int)(year + era * 400 + (c->month <= 2));
}

static int64_t local_us(int64_t us)
{
    return us + zone_offset * USEC_PER_SEC;
}

struct civil caltime_civil(int64_t us)
{
    int64_t local = local_us(us), days = floor_div(local, DAY_SECONDS * USEC_PER_SEC);
    int64_t rest = local - days * DAY_SECONDS * USEC_PER_SEC;
    int second = (int)(rest / USEC_PER_SEC);
    struct civil c = {.hour = second / 3600, .minute = second / 60 % 60, .second = second % 60};
    c.micro = (int)(rest % USEC_PER_SEC);
    date_of(days, &c);
    return c;
}

static int64_t utc_instant(const struct civil *c)
{
    int64_t seconds =
        days_of(c->year, c->month, c->day) * DAY_SECONDS + (c->hour * 60 + c->minute) * INT64_C(60) + c->second;
    return seconds * USEC_PER_SEC + c->micro;
}

int64_t caltime_instant(const struct civil *c)
{
    return utc_instant(c) - zone_offset * USEC_PER_SEC;
}

int caltime_days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month < 1 || month > 12 ? 0 : days[month - 1] + (month == 2 && leap);
}

bool caltime_valid(const struct civil *c)
{
    return c->year >= 1 && c->year <= 9999 && c->day >= 1 && c->day <= caltime_days_in_month(c->year, c->month) &&
           c->hour >= 0 && c->hour <= 23 && c->minute >= 0 && c->minute <= 59 && c->second >= 0 && c->second <= 59 &&
           c->micro >= 0 && c->micro < USEC_PER_SEC;
}

/* Length of the periods that are always equally long. The epoch's weekday is Thursday: Monday is three days before. */
static const struct {
    int64_t length, origin;
} uniform[] = {
    [GRAN_MINUTE] = {60 * USEC_PER_SEC, 0},
    [GRAN_HOUR] = {3600 * USEC_PER_SEC, 0},
    [GRAN_DAY] = {DAY_SECONDS * USEC_PER_SEC, 0},
    [GRAN_WEEK] = {7 * DAY_SECONDS * USEC_PER_SEC, -(3 * DAY_SECONDS * USEC_PER_SEC)},
};

static int months_of(enum granularity g)
{
    return g == GRAN_MONTH ? 1 : g == GRAN_QUARTER ? 3 : 12;
}

/* The first instant of a month counted from year 0. */
static int64_t month_start(int64_t month)
{
    struct civil c = {
        .year = (int)floor_div(month, 12), .month = (int)(month - floor_div(month, 12) * 12) + 1, .day = 1};
    return caltime_instant(&c);
}

int64_t period_start(enum granularity g, int64_t us)
{
    if (g <= GRAN_WEEK) {
        int64_t since = local_us(us) - uniform[g].origin;
        return us - (since - floor_div(since, uniform[g].length) * uniform[g].length);
    }
    struct civil c = caltime_civil(us);
    int64_t months = months_of(g), month = (int64_t)c.year * 12 + c.month - 1;
    return month_start(floor_div(month, months) * months);
}

int64_t period_next(enum granularity g, int64_t start)
{
    if (g <= GRAN_WEEK) {
        return start + uniform[g].length;
    }
    struct civil c = caltime_civil(start);
    return month_start((int64_t)c.year * 12 + c.month - 1 + months_of(g));
}

static const char *const names[] = {"minute", "hour", "day", "week", "month", "quarter", "year"};

const char *granularity_name(enum granularity g)
{
    return (size_t)g < ARRAY_LEN(names) ? names[g] : "unknown";
}

bool granularity_from_name(const char *name, enum granularity *g)
{
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (strcmp(names[i], name) == 0) {
            *g = (enum granularity)i;
            return true;
        }
    }
    return false;
}

/* Decimal digits, at least width of them. Returns the place after them. */
static char *put_number(char *at, int value, int width)
{
    char digits[12];
    int n = 0;
    unsigned left = value < 0 ? -(unsigned)value : (unsigned)value;
    for (; left > 0 || n < width; left /= 10) {
        digits[n++] = (char)('0' + left % 10);
    }
    if (value < 0) {
        *at++ = '-';
    }
    while (n > 0) {
        *at++ = digits[--n];
    }
    return at;
}

static char *put_civil(char *at, const struct civil *c, char between)
{
    const int fields[] = {c->year, c->month, c->day, c->hour, c->minute, c->second};
    const char after[] = {'-', '-', between, ':', ':'};
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        at = put_number(at, fields[i], i == 0 ? 4 : 2);
        if (i < ARRAY_LEN(after)) {
            *at++ = after[i];
        }
    }
    return at;
}

char *caltime_format(int64_t us, char out[CALTIME_TEXT])
{
    struct civil c = caltime_civil(us);
    *put_civil(out, &c, ' ') = 0;
    return out;
}

char *caltime_format_iso(int64_t us, char out[CALTIME_TEXT])
{
    struct civil c = caltime_civil(us);
    char *at = put_civil(out, &c, 'T');
    int minutes = abs(zone_offset) / 60;
    *at++ = zone_offset < 0 ? '-' : '+';
    at = put_number(at, minutes / 60, 2);
    *at++ = ':';
    *put_number(at, minutes % 60, 2) = 0;
    return out;
}

static bool read_digits(const char *text, int count, int *out)
{
    int value = 0;
    for (int i = 0; i < count; i++) {
        unsigned digit = (unsigned char)text[i] - (unsigned)'0';
        if (digit > 9) {
            return false;
        }
        value = value * 10 + (int)digit;
    }
    *out = value;
    return true;
}

/* Reads date and time of day whose fields begin at these places. */
static bool read_civil(const char *text, const unsigned char at[6], struct civil *c)
{
    int *const rest[] = {&c->month, &c->day, &c->hour, &c->minute, &c->second};
    if (!read_digits(text + at[0], 4, &c->year)) {
        return false;
    }
    for (size_t i = 0; i < ARRAY_LEN(rest); i++) {
        if (!read_digits(text + at[i + 1], 2, rest[i])) {
            return false;
        }
    }
    c->micro = 0;
    return caltime_valid(c);
}

/* "Z" or "+hh:mm", at most 14 hours as in XML Schema. */
static bool read_offset(const char *text, size_t len, int *seconds)
{
    int hours, minutes;
    *seconds = 0;
    if (len == 1) {
        return *text == 'Z';
    }
    if (len != 6 || (*text != '+' && *text != '-') || text[3] != ':' || !read_digits(text + 1, 2, &hours) ||
        !read_digits(text + 4, 2, &minutes) || minutes > 59 || hours * 60 + minutes > 14 * 60) {
        return false;
    }
    *seconds = (hours * 60 + minutes) * (*text == '-' ? -60 : 60);
    return true;
}

#define COMPACT_LEN 14 /* yyyyMMddHHmmss */
#define DASHED_LEN 19  /* yyyy-MM-dd HH:mm:ss */

static bool has_dashes(const char *text, size_t len, int *offset)
{
    if (len < DASHED_LEN || text[4] != '-' || text[7] != '-' || text[13] != ':' || text[16] != ':') {
        return false;
    }
    return text[10] == ' ' ? len == DASHED_LEN
                           : text[10] == 'T' && read_offset(text + DASHED_LEN, len - DASHED_LEN, offset);
}

bool caltime_parse(const char *text, size_t len, int64_t *us)
{
    static const unsigned char compact[6] = {0, 4, 6, 8, 10, 12}, dashed[6] = {0, 5, 8, 11, 14, 17};
    struct civil c;
    int offset = zone_offset;
    bool ok = len == COMPACT_LEN ? read_civil(text, compact, &c)
                                 : has_dashes(text, len, &offset) && read_civil(text, dashed, &c);
    if (ok) {
        *us = utc_instant(&c) - offset * USEC_PER_SEC;
    }
    return ok;
}
