#include "sim/shape.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/caltime.h"
#include "base/clock.h"
#include "base/mem.h"

#define HOUR INT64_C(3600)
#define DAY (24 * HOUR)

struct moment {      /* what the rhythm of a plant depends on */
    int64_t seconds; /* since the epoch, in the platform's zone: whole days begin at multiples of DAY */
    double hour;     /* 0 … 24, of the day */
    int weekday;     /* 0 Monday … 6 Sunday */
    double season;   /* -1 coldest … 1 hottest */
    double share;    /* of an hour that the slot lasts */
};

struct shape {
    const char *name;
    const char *columns[SHAPE_MAX_COLUMNS];
    void (*values)(const struct moment *m, double *v);
};

/* splitmix64: well-mixed bits from a counter; the same on every machine. */
static uint64_t mix(uint64_t x)
{
    x += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

/* -1 … 1 for the step-th of a series. */
static double noise(uint64_t series, int64_t step)
{
    return (double)(mix(series * UINT64_C(1000003) + (uint64_t)step) >> 11) / (double)(UINT64_C(1) << 52) - 1.0;
}

/* Noise that changes slowly: joined linearly between points `every` seconds apart. */
static double drift(uint64_t series, int64_t seconds, int64_t every)
{
    int64_t step = seconds / every;
    double f = (double)(seconds % every) / (double)every;
    return noise(series, step) * (1 - f) + noise(series, step + 1) * f;
}

/* 0 outside [from, to), 1 inside, with ramps of half an hour. */
static double shift(double hour, double from, double to)
{
    double rise = (hour - from) / 0.5, fall = (to - hour) / 0.5;
    double v = fmin(rise, fall);
    return v < 0 ? 0 : v > 1 ? 1 : v;
}

static double reactive(double kwh, double factor)
{
    return kwh * sqrt(1 / (factor * factor) - 1);
}

/* Two shifts on weekdays, one on Saturday, furnace heats of 50 minutes within them. */
static void steel_values(const struct moment *m, double *v)
{
    double work = m->weekday < 5 ? fmax(shift(m->hour, 7, 15.5), 0.85 * shift(m->hour, 15.5, 23)) : 0;
    if (m->weekday == 5) {
        work = 0.6 * shift(m->hour, 7.5, 15);
    }
    double heat = 0.55 + 0.45 * sin(2 * M_PI * (double)(m->seconds % 3000) / 3000.0);
    double load =
        14 + work * (150 + 150 * heat) * (1 + 0.25 * drift(1, m->seconds, 6 * HOUR)) + 4 * noise(2, m->seconds / 60);
    double kwh = fmax(load, 2) * m->share;
    double lag_factor = work > 0.1 ? 0.80 + 0.08 * drift(3, m->seconds, HOUR) : 0.97;
    double lead_factor = work > 0.1 ? 0.999 : 0.55 + 0.2 * drift(4, m->seconds, HOUR);
    v[0] = kwh;
    v[1] = work > 0.1 ? reactive(kwh, lag_factor) : 0;
    v[2] = work > 0.1 ? 0 : reactive(kwh, lead_factor);
    v[3] = kwh * 0.00047;
    v[4] = 100 * lag_factor;
    v[5] = 100 * lead_factor;
}

/* A float line never stops: flat gas and pull, a furnace temperature held within a few degrees. */
static void glass_values(const struct moment *m, double *v)
{
    double pull = 25.0 * (1 + 0.06 * drift(11, m->seconds, 7 * DAY) + 0.01 * drift(12, m->seconds, 2 * HOUR));
    double gas = pull * 165 * (1 + 0.015 * drift(13, m->seconds, HOUR)) * (1 - 0.02 * m->season);
    double power = 2600 + 60 * pull * (1 + 0.1 * drift(14, m->seconds, 12 * HOUR)) + 180 * m->season +
                   25 * noise(15, m->seconds / 60);
    v[0] = power * m->share;
    v[1] = gas * m->share;
    v[2] = pull * m->share;
    v[3] = 1562 + 6 * drift(16, m->seconds, 8 * HOUR) + 1.2 * noise(17, m->seconds / 60);
}

/* Office hours, cooling in summer, some heating in winter, water when people are in. */
static void office_values(const struct moment *m, double *v)
{
    double outside =
        16.5 + 12.5 * m->season + 4 * sin(2 * M_PI * (m->hour - 9) / 24) + 4 * drift(21, m->seconds, 3 * DAY);
    double people = m->weekday < 5 ? shift(m->hour, 8, 18.5) : 0.08 * shift(m->hour, 9, 17);
    double cooling = fmax(outside - 24, 0) * (0.15 + people) * 9;
    double heating = fmax(8 - outside, 0) * (0.3 + people) * 6;
    double power = 38 + 160 * people * (1 + 0.08 * drift(22, m->seconds, 2 * HOUR)) + cooling + heating +
                   3 * noise(23, m->seconds / 60);
    v[0] = fmax(power, 5) * m->share;
    v[1] = (0.12 + 2.4 * people * (1 + 0.3 * noise(24, m->seconds / 900))) * m->share;
    v[2] = outside;
}

static const struct shape SHAPES[] = {
    {"steel", {"usage_kwh", "lag_kvarh", "lead_kvarh", "co2_t", "pf_lag", "pf_lead"}, steel_values},
    {"glass", {"electricity_kwh", "gas_m3", "output_t", "temperature_c"}, glass_values},
    {"office", {"electricity_kwh", "water_m3", "temperature_c"}, office_values},
};

const struct shape *shape_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(SHAPES); i++) {
        if (strcmp(SHAPES[i].name, name) == 0) {
            return &SHAPES[i];
        }
    }
    return NULL;
}

const char *shape_names(void)
{
    return "steel, glass, office";
}

size_t shape_columns(const struct shape *shape, char *columns[SHAPE_MAX_COLUMNS])
{
    size_t n = 0;
    while (n < SHAPE_MAX_COLUMNS && shape->columns[n]) {
        columns[n] = (char *)shape->columns[n];
        n++;
    }
    return n;
}

static struct moment moment_at(int64_t ts, int32_t period)
{
    int64_t local = ts / USEC_PER_SEC + caltime_offset_seconds();
    struct civil c = caltime_civil(ts);
    struct civil new_year = {.year = c.year, .month = 1, .day = 1};
    double day = (double)(ts - caltime_instant(&new_year)) / (double)(DAY * USEC_PER_SEC);
    return (struct moment){.seconds = local,
                           .hour = (double)(local % DAY) / (double)HOUR,
                           .weekday = (int)((local / DAY + 3) % 7), /* 1970-01-01 was a Thursday */
                           .season = -cos(2 * M_PI * (day - 20) / 365.25),
                           .share = (double)period / (double)HOUR};
}

void shape_values(const struct shape *shape, int64_t ts, int32_t period, char values[SHAPE_MAX_COLUMNS][SHAPE_TEXT])
{
    double v[SHAPE_MAX_COLUMNS] = {0};
    struct moment m = moment_at(ts, period);
    shape->values(&m, v);
    for (size_t i = 0; i < SHAPE_MAX_COLUMNS && shape->columns[i]; i++) {
        snprintf(values[i], SHAPE_TEXT, "%.2f", v[i] == 0 ? 0.0 : v[i]);
    }
}
