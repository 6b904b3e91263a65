/* fill: years of plausible history of a whole province, straight through COPY, as the benchmark of storage needs it.
 *
 *   bench_fill --enterprises N --items M --years Y --raw K --step SECONDS --seconds LIMIT
 *
 * Every enterprise gets its day, month and year rows; the first K of them also readings every SECONDS and their hour
 * rows, and then the rows of all levels are the exact sums of these readings. Rows of a table come in order of time,
 * as they would have in life: a question about one item finds them far apart.
 * Years are filled backwards from the last whole one, so that what is there is without a gap when the time limit ends
 * it. The partitions are made in the transaction that fills them: with wal_level=minimal they need no log.
 * The database is where PGHOST and the like say; the schema must be there and empty. Prints one JSON object. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/caltime.h"
#include "base/clock.h"
#include "base/mem.h"
#include "db/db.h"
#include "db/wire.h"

enum { FRAME, HOUR, DAY, MONTH, YEAR, STREAMS, PAGE = 128, FLUSH = 1 << 16, MEAN_EVERY = 4 };

static const char *const TABLE[STREAMS] = {"reading_frame", "rollup_hour", "rollup_day", "rollup_month", "rollup_year"};

struct cell {
    int64_t total, min, max;
    int32_t n;
};

struct stream { /* one open COPY on a connection of its own */
    struct db *db;
    struct buf out;
    bool open;
    int64_t rows;
};

struct fill {
    int enterprises, items, years, raw, step, limit_s;
    int64_t now, began, readings, item_days;
    struct stream streams[STREAMS];
    struct cell *day, *month, *year; /* enterprises x items */
    struct cell *hour;               /* items of one enterprise */
};

static void must(struct result r)
{
    if (!result_ok(r)) {
        fprintf(stderr, "fill: %s\n", r.text);
        exit(1);
    }
}

/* ---------------------------------------------------------------- plausible numbers */
/* A value of its own for everything that is named by three numbers: nothing need be remembered. */
static uint64_t mix(uint64_t a, uint64_t b, uint64_t c)
{
    uint64_t x = a * 0x9e3779b97f4a7c15u + b * 0xbf58476d1ce4e5b9u + c * 0x94d049bb133111ebu;
    x ^= x >> 31;
    x *= 0xd6e8feb86659fd93u;
    return x ^ (x >> 32);
}

/* Scaled by 10^6: a level of the item's own, a shift in the daytime, noise of a fifth, three decimals. */
static int64_t reading_of(int unit, int item, int64_t ts)
{
    int64_t level = (int64_t)(1 + mix(7, (uint64_t)unit, (uint64_t)item) % 400) * 1000;
    int hour = (int)((ts / USEC_PER_SEC + 8 * 3600) / 3600 % 24);
    int64_t shift = hour >= 8 && hour < 20 ? level / 2 : 0;
    int64_t noise =
        (int64_t)(mix((uint64_t)unit, (uint64_t)item, (uint64_t)(ts / USEC_PER_SEC)) % (uint64_t)(level / 5));
    return (level + shift + noise) * 1000;
}

/* A day without readings in the database: as many hours of such readings would give about this. */
static void day_of(int unit, int item, int64_t ts, struct cell *c)
{
    int64_t at_noon = reading_of(unit, item, ts + 12 * 3600 * USEC_PER_SEC);
    int64_t at_night = reading_of(unit, item, ts);
    *c = (struct cell){.total = 12 * at_noon + 12 * at_night, .min = at_night, .max = at_noon, .n = 24};
}

static void cell_take(struct cell *into, const struct cell *from)
{
    into->min = into->n && into->min < from->min ? into->min : from->min;
    into->max = into->n && into->max > from->max ? into->max : from->max;
    into->total += from->total;
    into->n += from->n;
}

/* ---------------------------------------------------------------- rows */
static void stream_open(struct stream *s, const char *partition, const char *columns)
{
    char sql[256];
    snprintf(sql, sizeof sql, "COPY %s (%s) FROM STDIN (FORMAT binary)", partition, columns);
    must(db_copy_begin(s->db, sql));
    buf_append(&s->out, "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0", 19);
    s->open = true;
}

static void stream_flush(struct stream *s, size_t above)
{
    if (s->out.len > above) {
        must(db_copy_data(s->db, s->out.data, s->out.len));
        buf_clear(&s->out);
    }
}

static void stream_close(struct stream *s)
{
    if (!s->open) {
        return;
    }
    wire_put16(&s->out, 0xffff);
    stream_flush(s, 0);
    must(db_copy_end(s->db, NULL));
    must(db_commit(s->db));
    s->open = false;
}

static void put_key(struct stream *s, int fields, int unit, int page, int64_t ts)
{
    wire_put16(&s->out, (uint16_t)fields);
    wire_put32(&s->out, 4);
    wire_put32(&s->out, (uint32_t)unit);
    wire_put32(&s->out, 2);
    wire_put16(&s->out, (uint16_t)page);
    wire_put32(&s->out, 8);
    wire_put64(&s->out, (uint64_t)wire_time(ts));
    s->rows++;
}

/* An array with the length that a field of a row begins with. */
static void put_longs(struct stream *s, const int64_t *v, int n)
{
    size_t at = s->out.len;
    wire_put32(&s->out, 0);
    wire_put_int8_array(&s->out, v, NULL, (size_t)n);
    wire_store32(s->out.data + at, (uint32_t)(s->out.len - at - 4));
}

static void put_ints(struct stream *s, const int32_t *v, int n)
{
    size_t at = s->out.len;
    wire_put32(&s->out, 0);
    wire_put_int4_array(&s->out, v, NULL, (size_t)n);
    wire_store32(s->out.data + at, (uint32_t)(s->out.len - at - 4));
}

static void put_cells(struct stream *s, int unit, int64_t ts, const struct cell *cells, int items)
{
    int64_t total[PAGE], min[PAGE], max[PAGE];
    int32_t n[PAGE];
    for (int page = 0; page * PAGE < items; page++) {
        int width = items - page * PAGE < PAGE ? items - page * PAGE : PAGE;
        for (int i = 0; i < width; i++) {
            const struct cell *c = &cells[page * PAGE + i];
            total[i] = c->total;
            min[i] = c->min;
            max[i] = c->max;
            n[i] = c->n;
        }
        put_key(s, 7, unit, page, ts);
        put_longs(s, total, width);
        put_longs(s, min, width);
        put_longs(s, max, width);
        put_ints(s, n, width);
    }
    stream_flush(s, FLUSH);
}

static void put_frame(struct stream *s, int unit, int64_t ts, const int64_t *value, int items)
{
    for (int page = 0; page * PAGE < items; page++) {
        int width = items - page * PAGE < PAGE ? items - page * PAGE : PAGE;
        put_key(s, 4, unit, page, ts);
        put_longs(s, value + (size_t)page * PAGE, width);
    }
    stream_flush(s, FLUSH);
}

/* ---------------------------------------------------------------- time */
static void partition(struct fill *f, int stream, int64_t at, enum granularity g)
{
    struct stream *s = &f->streams[stream];
    struct civil c = caltime_civil(at);
    char sql[512], name[64], from[CALTIME_TEXT], to[CALTIME_TEXT];
    if (g == GRAN_MONTH) {
        snprintf(name, sizeof name, "%s_%04d%02d", TABLE[stream], c.year, c.month);
    } else {
        snprintf(name, sizeof name, "%s_%04d", TABLE[stream], c.year);
    }
    stream_close(s);
    must(db_begin(s->db));
    snprintf(sql, sizeof sql, "SELECT partition_make('%s', '%s', '%s', '%s')", TABLE[stream],
             name + strlen(TABLE[stream]) + 1, caltime_format(at, from), caltime_format(period_next(g, at), to));
    must(db_exec(s->db, sql));
    stream_open(s, name, stream == FRAME ? "unit_id, page, ts, value" : "unit_id, page, ts, total, vmin, vmax, n");
}

/* The readings of one enterprise on one day, and their hours. */
static void fill_readings(struct fill *f, int unit, int64_t day, struct cell *of_day)
{
    int64_t value[PAGE * 64];
    int64_t end = period_next(GRAN_DAY, day);
    for (int64_t hour = day; hour < end; hour += 3600 * USEC_PER_SEC) {
        memset(f->hour, 0, (size_t)f->items * sizeof *f->hour);
        for (int64_t ts = hour; ts < hour + 3600 * USEC_PER_SEC; ts += f->step * USEC_PER_SEC) {
            for (int i = 0; i < f->items; i++) {
                value[i] = reading_of(unit, i, ts);
                struct cell one = {value[i], value[i], value[i], 1};
                cell_take(&f->hour[i], &one);
            }
            put_frame(&f->streams[FRAME], unit, ts, value, f->items);
            f->readings += f->items;
        }
        put_cells(&f->streams[HOUR], unit, hour, f->hour, f->items);
        for (int i = 0; i < f->items; i++) {
            cell_take(&of_day[i], &f->hour[i]);
        }
    }
}

static void fill_day(struct fill *f, int64_t day)
{
    size_t cells = (size_t)f->enterprises * (size_t)f->items;
    memset(f->day, 0, cells * sizeof *f->day);
    for (int u = 0; u < f->enterprises; u++) {
        struct cell *c = f->day + (size_t)u * (size_t)f->items;
        if (u < f->raw) {
            fill_readings(f, u + 1, day, c);
        }
        for (int i = 0; i < f->items; i++) {
            if (u >= f->raw) {
                day_of(u + 1, i, day, &c[i]);
            }
            cell_take(&f->month[(size_t)u * (size_t)f->items + (size_t)i], &c[i]);
        }
        put_cells(&f->streams[DAY], u + 1, day, c, f->items);
    }
    f->item_days += (int64_t)cells;
}

static void close_level(struct fill *f, int stream, int64_t ts, struct cell *cells, struct cell *upper)
{
    for (int u = 0; u < f->enterprises; u++) {
        put_cells(&f->streams[stream], u + 1, ts, cells + (size_t)u * (size_t)f->items, f->items);
    }
    size_t count = (size_t)f->enterprises * (size_t)f->items;
    for (size_t i = 0; i < count && upper; i++) {
        cell_take(&upper[i], &cells[i]);
    }
    memset(cells, 0, count * sizeof *cells);
}

static void fill_year(struct fill *f, int64_t year)
{
    int64_t end = period_next(GRAN_YEAR, year);
    partition(f, DAY, year, GRAN_YEAR);
    for (int s = MONTH; s <= YEAR; s++) {
        must(db_begin(f->streams[s].db));
        stream_open(&f->streams[s], TABLE[s], "unit_id, page, ts, total, vmin, vmax, n");
    }
    for (int64_t month = year; month < end; month = period_next(GRAN_MONTH, month)) {
        if (f->raw > 0) {
            partition(f, FRAME, month, GRAN_MONTH);
            partition(f, HOUR, month, GRAN_MONTH);
        }
        int64_t next = period_next(GRAN_MONTH, month);
        for (int64_t day = month; day < next; day = period_next(GRAN_DAY, day)) {
            fill_day(f, day);
        }
        close_level(f, MONTH, month, f->month, f->year);
    }
    close_level(f, YEAR, year, f->year, NULL);
    for (int s = 0; s < STREAMS; s++) {
        stream_close(&f->streams[s]);
    }
}

/* ---------------------------------------------------------------- enterprises */
/* Regions and industries as a province has them; items: every fourth a mean, the others quantities of 40 process units.
 */
static void fill_master(struct fill *f)
{
    char sql[4096];
    snprintf(sql, sizeof sql,
             "INSERT INTO unit (id, code, name, region_code, industry_code, state, next_slot, config_version, period)"
             " SELECT g, 'BENCH' || lpad(g::text, 13, '0'), '企业' || g, '42' || lpad((1 + g %% 13)::text, 2, '0')"
             " || lpad((1 + g / 13 %% 8)::text, 2, '0'), (ARRAY['C3120','C2611','C3011','D4411','C2511'])[1 + g %% 5],"
             " 'accepted', %d, 1, %d FROM generate_series(1, %d) g;"
             "INSERT INTO collect_item (unit_id, slot, data_code, stat_type, name, unit, aggregation, period, scope,"
             " input_type, config_version, since) SELECT u, i, lpad((i / 4)::text, 2, '0') || '000000' ||"
             " (ARRAY['02330011','01010011','02320011','08000180'])[1 + i %% 4], 0, '数据项' || i,"
             " (ARRAY['kWh','吨','吉焦',''])[1 + i %% 4], (i %% %d = %d)::integer, %d, CASE WHEN i < 4 THEN 1 ELSE 2 "
             "END, 4, 1,"
             " '2010-01-01' FROM generate_series(1, %d) u, generate_series(0, %d) i",
             f->items, f->step, f->enterprises, MEAN_EVERY, MEAN_EVERY - 1, f->step, f->enterprises, f->items - 1);
    must(db_exec(f->streams[YEAR].db, sql));
}

static int number(const char *text, int min, int max, const char *name)
{
    char *end = NULL;
    long v = strtol(text, &end, 10);
    if (*end || v < min || v > max) {
        fprintf(stderr, "fill: --%s: a number from %d to %d\n", name, min, max);
        exit(2);
    }
    return (int)v;
}

static void read_arguments(struct fill *f, int argc, char **argv)
{
    const struct {
        const char *name;
        int *to, min, max;
    } known[] = {{"enterprises", &f->enterprises, 1, 100000},
                 {"items", &f->items, 1, 396},
                 {"years", &f->years, 1, 30},
                 {"raw", &f->raw, 0, 100000},
                 {"step", &f->step, 60, 3600},
                 {"seconds", &f->limit_s, 1, 86400}};
    struct option options[ARRAY_LEN(known) + 1] = {0};
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        options[i] = (struct option){known[i].name, required_argument, NULL, (int)i};
    }
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (c == '?') {
            exit(2);
        }
        *known[c].to = number(optarg, known[c].min, known[c].max, known[c].name);
    }
    if (optind < argc || 3600 % f->step != 0 || f->raw > f->enterprises) {
        fputs("fill: a step must divide the hour, and --raw is at most --enterprises\n", stderr);
        exit(2);
    }
}

static void prepare(struct fill *f)
{
    size_t cells = (size_t)f->enterprises * (size_t)f->items;
    f->day = mem_alloc(cells * sizeof *f->day);
    f->month = mem_alloc(cells * sizeof *f->month);
    f->year = mem_alloc(cells * sizeof *f->year);
    f->hour = mem_alloc((size_t)f->items * sizeof *f->hour);
    must(caltime_set_zone("Asia/Shanghai"));
    struct db_config config = {.conninfo = "", .application = "bench-fill"};
    for (int s = 0; s < STREAMS; s++) {
        must(db_open(&config, &f->streams[s].db));
    }
    fill_master(f);
}

static int64_t seconds(const struct fill *f)
{
    return (clock_monotonic() - f->began) / 1000000000;
}

int main(int argc, char **argv)
{
    struct fill f = {.enterprises = 3000, .items = 100, .years = 5, .raw = 10, .step = 900, .limit_s = 300};
    read_arguments(&f, argc, argv);
    f.began = clock_monotonic();
    prepare(&f);
    int64_t to = period_start(GRAN_YEAR, clock_now()), year = to, longest = 0, before = 0;
    int filled = 0;
    for (; filled < f.years && seconds(&f) + longest <= f.limit_s; filled++) {
        year = period_start(GRAN_YEAR, year - 1);
        fill_year(&f, year);
        longest = seconds(&f) - before > longest ? seconds(&f) - before : longest;
        before = seconds(&f);
        fprintf(stderr, "fill: %d, %lld s\n", caltime_civil(year).year, (long long)before);
    }
    char from_text[CALTIME_TEXT], to_text[CALTIME_TEXT];
    printf(
        "{\"enterprises\": %d, \"items\": %d, \"years\": %d, \"from\": \"%s\", \"to\": \"%s\", \"rawEnterprises\": %d,"
        " \"stepSeconds\": %d, \"readings\": %lld, \"itemDays\": %lld, \"seconds\": %lld, \"rows\": {",
        f.enterprises, f.items, filled, caltime_format(year, from_text), caltime_format(to, to_text), f.raw, f.step,
        (long long)f.readings, (long long)f.item_days, (long long)seconds(&f));
    for (int s = 0; s < STREAMS; s++) {
        printf("%s\"%s\": %lld", s ? ", " : "", TABLE[s], (long long)f.streams[s].rows);
        buf_free(&f.streams[s].out);
        db_close(&f.streams[s].db);
    }
    puts("}}");
    mem_free(f.day);
    mem_free(f.month);
    mem_free(f.year);
    mem_free(f.hour);
    return 0;
}
