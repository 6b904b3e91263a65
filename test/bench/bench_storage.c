/* bench_storage: asks a filled database (fill.c) what the server would ask it, through the server's own modules, and
 * prints the times as one JSON object. The database is where PGHOST and the like say. bench_storage --enterprises N
 * --items M --raw K --from YEAR --years Y --what PART: 0 QueryData, 1 one late reading, 2 … QueryStatistics.
 * Whoever starts it restarts the database before. Cold: the system's file cache is emptied before the question (only
 * root may), and nobody asked for those rows since the restart; plans and catalog are there for QueryData, not for
 * statistics. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/caltime.h"
#include "base/clock.h"
#include "base/mem.h"
#include "query/query.h"
#include "query/statistics.h"
#include "registry/registry.h"
#include "rollup/rollup.h"

enum { ASKED = 41 }; /* questions of a kind, each about another enterprise */

struct bench {
    long enterprises, items, raw, from, years, what;
    struct db *db;
    struct registry *registry;
    struct arena *arena;
};

static void must(struct result r)
{
    if (!result_ok(r)) {
        fprintf(stderr, "bench_storage: %s\n", r.text);
        exit(1);
    }
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double ms_since(int64_t start)
{
    return (double)(clock_monotonic() - start) / 1e6;
}

static void print_times(const char *name, double *ms, size_t n)
{
    qsort(ms, n, sizeof *ms, compare);
    printf("\"%s\": {\"median\": %.2f, \"p90\": %.2f, \"max\": %.2f, \"of\": %zu}", name, ms[n / 2], ms[n * 9 / 10],
           ms[n - 1], n);
}

/* false: nobody but root may, and what follows is not cold. */
static bool empty_file_cache(void)
{
    FILE *f = fopen("/proc/sys/vm/drop_caches", "w");
    bool done = f && fputs("3\n", f) >= 0;
    return f && fclose(f) == 0 && done;
}

static int64_t new_year(long year)
{
    struct civil c = {.year = (int)year, .month = 1, .day = 1};
    return caltime_instant(&c);
}

/* ---------------------------------------------------------------- QueryData */
static size_t ask_days(struct bench *b, long unit, long item, double *ms)
{
    static const unsigned char key[32];
    char enterprise[32], code[32];
    static const char *const kinds[] = {"02330011", "01010011", "02320011", "08000180"}; /* as in fill.c */
    snprintf(enterprise, sizeof enterprise, "BENCH%013ld", unit);
    snprintf(code, sizeof code, "%02ld000000%s", item / 4, kinds[item % 4]);
    const char *enterprises[] = {enterprise}, *codes[] = {code};
    struct data_question q = {.enterprise_codes = enterprises,
                              .enterprise_count = 1,
                              .data_codes = codes,
                              .data_code_count = 1,
                              .granularity = GRAN_DAY,
                              .from = new_year(b->from),
                              .to = new_year(b->from + b->years),
                              .page = {.has_size = true, .size = 10000, .token_key = key}};
    struct data_answer answer = {0};
    arena_reset(b->arena);
    int64_t start = clock_monotonic();
    must(query_data(b->db, b->registry, &q, b->arena, &answer));
    *ms = ms_since(start);
    return answer.count;
}

static void bench_days(struct bench *b)
{
    double ms[ASKED], again[ASKED], ignored;
    size_t rows = 0;
    bool cold = true;
    ask_days(b, 1, 0, &ignored); /* the connection's plans */
    for (long i = 0; i < ASKED; i++) {
        long unit = 1 + (i * 7919 + 13) % b->enterprises, item = (i * 31) % b->items;
        cold = empty_file_cache() && cold;
        rows = ask_days(b, unit, item, &ms[i]);
        ask_days(b, unit, item, &again[i]);
    }
    printf("\"rows\": %zu, \"cold\": %s, ", rows, cold ? "true" : "false");
    print_times("coldMs", ms, ASKED);
    printf(", ");
    print_times("warmMs", again, ASKED);
}

/* ---------------------------------------------------------------- QueryStatistics */
struct asked { /* of the province, in the last filled year, with a year before */
    const char *name;
    enum statistics_group group;
    enum granularity granularity;
    int months; /* from the beginning of the year */
};

static size_t ask_statistics(struct bench *b, const struct asked *a, double *ms)
{
    struct civil end = {.year = (int)(b->from + b->years - 1), .month = a->months % 12 + 1, .day = 1};
    end.year += a->months / 12;
    struct statistics_question q = {.group = a->group,
                                    .region_prefix = "42",
                                    .granularity = a->granularity,
                                    .from = new_year(b->from + b->years - 1),
                                    .to = caltime_instant(&end),
                                    .compare = COMPARE_YOY};
    struct statistics_list answer = {0};
    arena_reset(b->arena);
    int64_t start = clock_monotonic();
    must(statistics_query(b->db, &q, b->arena, &answer));
    *ms = ms_since(start);
    return answer.count;
}

static const struct asked QUESTIONS[] = {{"cities by month", GROUP_REGION, GRAN_MONTH, 12},
                                         {"industries by month", GROUP_INDUSTRY, GRAN_MONTH, 12},
                                         {"energy types by month", GROUP_ENERGY_TYPE, GRAN_MONTH, 12},
                                         {"cities by day, a month", GROUP_REGION, GRAN_DAY, 1},
                                         {"cities by week, a year", GROUP_REGION, GRAN_WEEK, 12}};

static void bench_statistics(struct bench *b, const struct asked *a)
{
    enum { TIMES = 7 };
    double first, ms[TIMES];
    bool cold = empty_file_cache();
    size_t rows = ask_statistics(b, a, &first);
    for (int i = 0; i < TIMES; i++) {
        ask_statistics(b, a, &ms[i]);
    }
    printf("\"name\": \"%s\", \"rows\": %zu, \"cold\": %s, ", a->name, rows, cold ? "true" : "false");
    print_times("coldMs", &first, 1);
    printf(", ");
    print_times("warmMs", ms, TIMES);
}

/* ---------------------------------------------------------------- one late reading */
static const struct db_stmt CORRECT = {"bench.correct",
                                       "WITH f AS (UPDATE reading_frame SET value[1] = value[1] + 1000000"
                                       " WHERE unit_id = $1 AND page = 0 AND ts = $2 RETURNING unit_id, ts)"
                                       " INSERT INTO rollup_mark (unit_id, hour) SELECT unit_id, ts FROM f"};
static const struct db_stmt TOUCHED = {
    "bench.touched",
    "SELECT (SELECT count(*) FROM rollup_hour WHERE unit_id = $1 AND ts = $2 AND revision > 1),"
    " (SELECT count(*) FROM rollup_day WHERE unit_id = $1 AND ts = date_trunc('day', $2) AND revision > 1),"
    " (SELECT count(*) FROM rollup_month WHERE unit_id = $1 AND ts = date_trunc('month', $2) AND revision > 1),"
    " (SELECT count(*) FROM rollup_year WHERE unit_id = $1 AND ts = date_trunc('year', $2) AND revision > 1)"};

static void bench_late(struct bench *b)
{
    double write[ASKED], roll[ASKED];
    int64_t rows[4] = {0};
    for (long i = 0; i < ASKED; i++) {
        int32_t unit = (int32_t)(1 + i % b->raw);
        int64_t hour = new_year(b->from) + (i * 211 + 5) * 3600 * USEC_PER_SEC;
        struct db_params p;
        db_params_init(&p);
        db_bind_int4(&p, unit);
        db_bind_time(&p, hour);
        int64_t start = clock_monotonic();
        must(db_query(b->db, &CORRECT, &p, NULL));
        write[i] = ms_since(start);
        bool left = false;
        start = clock_monotonic();
        must(rollup_slice(b->db, b->registry, unit, 256, &left));
        roll[i] = ms_since(start);
        struct db_rows *touched = NULL;
        must(db_query(b->db, &TOUCHED, &p, &touched));
        for (int level = 0; level < 4; level++) {
            rows[level] = db_get_int(touched, 0, level);
        }
        db_rows_free(&touched);
        db_params_free(&p);
    }
    print_times("storeMs", write, ASKED);
    printf(", ");
    print_times("rollupMs", roll, ASKED);
    printf(", \"rows\": {\"hour\": %lld, \"day\": %lld, \"month\": %lld, \"year\": %lld}", (long long)rows[0],
           (long long)rows[1], (long long)rows[2], (long long)rows[3]);
}

static void read_arguments(struct bench *b, int argc, char **argv)
{
    long *const to[] = {&b->enterprises, &b->items, &b->raw, &b->from, &b->years, &b->what};
    static const struct option options[] = {{"enterprises", required_argument, NULL, 0},
                                            {"items", required_argument, NULL, 1},
                                            {"raw", required_argument, NULL, 2},
                                            {"from", required_argument, NULL, 3},
                                            {"years", required_argument, NULL, 4},
                                            {"what", required_argument, NULL, 5},
                                            {0}};
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (c == '?') {
            exit(2);
        }
        *to[c] = strtol(optarg, NULL, 10);
    }
}

int main(int argc, char **argv)
{
    struct bench b = {.arena = arena_new(0)};
    read_arguments(&b, argc, argv);
    must(caltime_set_zone("Asia/Shanghai"));
    struct db_config config = {.conninfo = "", .application = "bench-storage"};
    must(db_open(&config, &b.db));
    must(registry_open(b.db, &b.registry));
    printf("{");
    if (b.what == 0) {
        bench_days(&b);
    } else if (b.what == 1) {
        bench_late(&b);
    } else if (b.what - 2 < (long)ARRAY_LEN(QUESTIONS)) {
        bench_statistics(&b, &QUESTIONS[b.what - 2]);
    }
    puts("}");
    registry_close(&b.registry);
    db_close(&b.db);
    arena_free(&b.arena);
    return 0;
}
