/* QueryData and QueryUploads against a real PostgreSQL; QueryData must give the rows of the view. */
#include "energydata.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "query/catalog.h"
#include "query/query.h"

static const unsigned char KEY[32] = "a key of this installation only";
static const char *const BOTH[] = {SECOND_UNIT, FIRST_UNIT};

struct bench {
    struct db *db;
    struct registry *registry;
    struct arena *arena;
};

static struct bench open_bench(void)
{
    struct bench b = {.db = open_db(), .arena = arena_new(0)};
    OK(registry_open(b.db, &b.registry));
    return b;
}

static void close_bench(struct bench *b)
{
    registry_close(&b->registry);
    arena_free(&b->arena);
    db_close(&b->db);
}

static int64_t instant(const char *text)
{
    int64_t us;
    ck_assert(caltime_parse(text, strlen(text), &us));
    return us;
}

static struct data_question both(enum granularity g, const char *from, const char *to)
{
    return (struct data_question){.enterprise_codes = BOTH,
                                  .enterprise_count = 2,
                                  .granularity = g,
                                  .from = instant(from),
                                  .to = instant(to),
                                  .page = {.token_key = KEY}};
}

static void set_page(struct data_question *q, int64_t size, const char *token)
{
    q->page.has_size = true;
    q->page.size = size;
    q->page.token = token;
}

/* All pages of a question, as one list. */
static struct data_answer ask_all(struct bench *b, struct data_question q, int64_t size)
{
    struct data_answer all = {0}, page = {0};
    do {
        set_page(&q, size, page.next_token);
        OK(query_data(b->db, b->registry, &q, b->arena, &page));
        ck_assert(page.count == (size_t)size || !page.next_token);
        for (size_t i = 0; i < page.count; i++) {
            *ARENA_PUSH(b->arena, all.rows, all.count, all.cap) = page.rows[i];
        }
    } while (page.next_token);
    return all;
}

static void assert_decimal(const struct db_rows *r, size_t i, int col, bool has, dec128 v, const char *name)
{
    ck_assert_msg(has == !db_is_null(r, i, col) && (!has || v == db_get_numeric(r, i, col)), "row %zu: %s", i, name);
}

static void assert_row(const struct data_row *a, const struct db_rows *r, size_t i)
{
    ck_assert_str_eq(a->enterprise_code, db_get_text(r, i, 0));
    ck_assert_str_eq(a->data_code, db_get_text(r, i, 1));
    ck_assert_int_eq(a->stat_date, db_get_time(r, i, 2));
    assert_decimal(r, i, 3, a->has_value, a->value, "value");
    assert_decimal(r, i, 4, a->has_min, a->min, "min");
    assert_decimal(r, i, 5, a->has_max, a->max, "max");
    assert_decimal(r, i, 6, a->has_avg, a->avg, "avg");
    ck_assert_int_eq(a->count, db_get_int(r, i, 7));
    ck_assert_int_eq(a->expected, db_get_int(r, i, 8));
    assert_decimal(r, i, 9, true, a->completeness, "completeness");
    ck_assert_str_eq(a->reported ? "reported" : "computed", db_get_text(r, i, 10));
    assert_decimal(r, i, 11, a->has_tce, a->tce, "tce");
    assert_decimal(r, i, 12, a->has_co2, a->co2, "co2");
}

static struct db_rows *view_rows(struct db *db, const struct data_question *q)
{
    struct db_params p;
    db_params_init(&p);
    db_bind_text(&p, granularity_name(q->granularity));
    db_bind_time(&p, q->from);
    db_bind_time(&p, q->to);
    struct db_rows *r =
        ROWS(db, &p,
             "SELECT enterprise_code, data_code, stat_date, value, min, max, avg, count, expected, completeness,"
             " source, tce, co2 FROM bv_infodb_energydata_province WHERE granularity = $1 AND stat_date >= $2"
             " AND stat_date < $3 ORDER BY enterprise_code COLLATE \"C\", data_code COLLATE \"C\", stat_date");
    db_params_free(&p);
    return r;
}

static void assert_like_view(enum granularity g, const char *from, const char *to, size_t at_least)
{
    struct bench b = open_bench();
    struct data_question q = both(g, from, to);
    struct data_answer all = ask_all(&b, q, 10000);
    struct db_rows *r = view_rows(b.db, &q);
    ck_assert_uint_ge(db_rows_count(r), at_least);
    ck_assert_uint_eq(all.count, db_rows_count(r));
    for (size_t i = 0; i < all.count; i++) {
        assert_row(&all.rows[i], r, i);
    }
    db_rows_free(&r);
    close_bench(&b);
}

START_TEST(minute_rows_are_those_of_the_view)
{
    assert_like_view(GRAN_MINUTE, "2026-01-30 00:00:00", "2026-02-04 06:00:00", 1000);
}
END_TEST

START_TEST(hour_rows_are_those_of_the_view)
{
    assert_like_view(GRAN_HOUR, "2025-12-28 05:00:00", "2026-02-04 00:00:00", 1000);
}
END_TEST

START_TEST(day_month_and_year_rows_are_those_of_the_view)
{
    assert_like_view(GRAN_DAY, "2025-01-01 00:00:00", "2027-01-01 00:00:00", 400);
    assert_like_view(GRAN_MONTH, "2025-01-01 00:00:00", "2027-01-01 00:00:00", 20);
    assert_like_view(GRAN_YEAR, "2020-01-01 00:00:00", "2027-01-01 00:00:00", 8);
}
END_TEST

START_TEST(reported_days_show_exactly_where_no_valid_reading_is)
{
    struct bench b = open_bench();
    static const char *const code[] = {"00-00-0000-023300-10"};
    struct data_question q = both(GRAN_DAY, "2025-12-25 00:00:00", "2026-03-09 00:00:00");
    q.data_codes = code;
    q.data_code_count = 1;
    struct data_answer all = ask_all(&b, q, 1000);
    size_t reported = 0;
    for (size_t i = 0; i < all.count; i++) {
        reported += all.rows[i].reported;
        ck_assert(all.rows[i].reported == (all.rows[i].count == 0));
    }
    ck_assert_uint_eq(all.count, 148); /* every day has one row */
    ck_assert_uint_gt(reported, 6);
    ck_assert_uint_lt(reported, 60);
    close_bench(&b);
}
END_TEST

/* Electricity in kWh, its coefficients per 10,000 of them; the second enterprise has none of its own. */
static dec128 coal_of(const struct data_row *row)
{
    int64_t first = 0, second = 0;
    ck_assert(caltime_parse("2026-01-10 00:00:00", 19, &first));
    ck_assert(caltime_parse("2026-02-02 00:00:00", 19, &second));
    bool own = strcmp(row->enterprise_code, FIRST_UNIT) == 0 && row->stat_date >= first;
    int64_t per_10_million = own && row->stat_date >= second ? 3250 : own ? 2500 : 1229;
    return decimal_div(row->value * per_10_million, 10000000);
}

START_TEST(an_enterprises_own_coefficients_come_first_from_their_day_on)
{
    static const enum granularity GRANULARITIES[] = {GRAN_MINUTE, GRAN_HOUR, GRAN_DAY, GRAN_MONTH, GRAN_YEAR};
    static const char *const code[] = {"0000000002330010"};
    struct bench b = open_bench();
    for (size_t g = 0; g < ARRAY_LEN(GRANULARITIES); g++) {
        struct data_question q = both(GRANULARITIES[g], "2026-01-01 00:00:00", "2026-02-20 00:00:00");
        q.data_codes = code;
        q.data_code_count = 1;
        struct data_answer all = ask_all(&b, q, 10000);
        ck_assert_uint_gt(all.count, 1);
        for (size_t i = 0; i < all.count; i++) {
            if (!all.rows[i].reported) {
                ck_assert(all.rows[i].has_tce);
                ck_assert(all.rows[i].tce == coal_of(&all.rows[i]));
            }
        }
    }
    close_bench(&b);
}
END_TEST

START_TEST(pages_of_any_size_add_up_to_the_same_rows)
{
    static const struct {
        enum granularity g;
        const char *from, *to;
        int64_t size;
    } rows[] = {{GRAN_DAY, "2025-12-01 00:00:00", "2026-04-01 00:00:00", 7},
                {GRAN_DAY, "2025-12-01 00:00:00", "2026-04-01 00:00:00", 1},
                {GRAN_WEEK, "2025-12-01 00:00:00", "2026-04-01 00:00:00", 3},
                {GRAN_MINUTE, "2026-01-30 00:00:00", "2026-02-02 00:00:00", 50},
                {GRAN_MONTH, "2025-01-01 00:00:00", "2027-01-01 00:00:00", 2}};
    struct bench b = open_bench();
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct data_question q = both(rows[i].g, rows[i].from, rows[i].to);
        struct data_answer whole = ask_all(&b, q, 10000), parts = ask_all(&b, q, rows[i].size);
        ck_assert_uint_gt(whole.count, (size_t)rows[i].size);
        ck_assert_uint_eq(whole.count, parts.count);
        for (size_t j = 0; j < whole.count; j++) {
            ck_assert_str_eq(whole.rows[j].data_code, parts.rows[j].data_code);
            ck_assert_int_eq(whole.rows[j].stat_date, parts.rows[j].stat_date);
            ck_assert(whole.rows[j].value == parts.rows[j].value);
        }
    }
    close_bench(&b);
}
END_TEST

START_TEST(a_page_is_stable_when_rows_arrive_before_its_position)
{
    struct bench b = open_bench();
    static const char *const code[] = {"0000000002330010"};
    struct data_question q = both(GRAN_MINUTE, "2026-02-01 00:00:00", "2026-02-03 00:00:00");
    struct data_answer first, second;
    q.data_codes = code;
    q.data_code_count = q.enterprise_count = 1;
    set_page(&q, 20, NULL);
    OK(query_data(b.db, b.registry, &q, b.arena, &first));
    int64_t last = first.rows[19].stat_date;
    OK(db_exec(b.db,
               "UPDATE reading_frame SET value[1] = 4, flag = NULL WHERE ts >= '2026-02-01' AND ts < '2026-02-03'"));
    set_page(&q, 20, first.next_token);
    OK(query_data(b.db, b.registry, &q, b.arena, &second));
    ck_assert_int_eq(second.rows[0].stat_date, last + 900 * INT64_C(1000000));
    close_bench(&b);
}
END_TEST

/* Weeks and quarters of a sum are the sums of the view's days. */
static void assert_sums_of_days(enum granularity g)
{
    struct bench b = open_bench();
    static const char *const code[] = {"0000000002330010"};
    struct data_question q = both(g, "2025-09-29 00:00:00", "2026-04-01 00:00:00");
    q.data_codes = code;
    q.data_code_count = 1;
    struct data_answer all = ask_all(&b, q, 1000);
    struct db_params p;
    db_params_init(&p);
    db_bind_text(&p, granularity_name(g));
    struct db_rows *r =
        ROWS(b.db, &p,
             "SELECT enterprise_code, date_trunc($1, stat_date) AS t, sum(value), min(min), max(max),"
             " sum(count) FROM bv_infodb_energydata_province WHERE granularity = 'day' AND source = 'computed'"
             " AND data_code = '0000000002330010' GROUP BY 1, 2 ORDER BY 1, 2");
    ck_assert_uint_eq(all.count, db_rows_count(r));
    ck_assert_uint_ge(all.count, 4);
    for (size_t i = 0; i < all.count; i++) {
        const struct data_row *a = &all.rows[i];
        ck_assert_int_eq(a->stat_date, db_get_time(r, i, 1));
        ck_assert(a->value == db_get_numeric(r, i, 2) && a->min == db_get_numeric(r, i, 3) &&
                  a->max == db_get_numeric(r, i, 4) && !a->reported);
        ck_assert_int_eq(a->count, db_get_int(r, i, 5));
        ck_assert_int_eq(a->expected, (period_next(g, a->stat_date) - a->stat_date) / 900000000);
    }
    db_rows_free(&r);
    db_params_free(&p);
    close_bench(&b);
}

START_TEST(weeks_and_quarters_are_made_of_days)
{
    assert_sums_of_days(GRAN_WEEK);
    assert_sums_of_days(GRAN_QUARTER);
}
END_TEST

START_TEST(only_periods_that_begin_in_the_range_are_given)
{
    struct bench b = open_bench();
    static const char *const code[] = {"0000000010020180"};
    static const struct {
        enum granularity g;
        const char *from, *to;
        size_t rows;
    } cases[] = {
        {GRAN_WEEK, "2026-01-06 00:00:00", "2026-01-12 00:00:00", 0}, /* Tuesday to Monday, exclusive */
        {GRAN_WEEK, "2026-01-05 00:00:00", "2026-01-05 00:00:01", 1},
        {GRAN_MONTH, "2026-01-01 00:00:01", "2026-02-01 00:00:00", 0},
        {GRAN_MONTH, "2026-01-01 00:00:00", "2026-02-01 00:00:01", 2},
        {GRAN_YEAR, "2025-06-01 00:00:00", "2026-01-01 00:00:01", 1},
        {GRAN_QUARTER, "2026-01-02 00:00:00", "2026-04-01 00:00:00", 0},
        {GRAN_DAY, "2026-01-02 00:00:00", "2026-01-02 00:00:00", 0},
        {GRAN_DAY, "2026-01-03 00:00:00", "2026-01-02 00:00:00", 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct data_question q = both(cases[i].g, cases[i].from, cases[i].to);
        q.data_codes = code;
        q.data_code_count = 1;
        q.enterprise_codes = BOTH + 1;
        q.enterprise_count = 1;
        ck_assert_msg(ask_all(&b, q, 10).count == cases[i].rows, "case %zu", i);
    }
    close_bench(&b);
}
END_TEST

START_TEST(unknown_enterprises_and_codes_give_no_rows_and_malformed_ones_a_reason)
{
    struct bench b = open_bench();
    static const char *const nobody[] = {"91420100000000009X", FIRST_UNIT, FIRST_UNIT};
    static const char *const none[] = {"0000000002999999"}, *const bad[] = {"00-00-0000-023300"};
    struct data_question q = both(GRAN_YEAR, "2020-01-01 00:00:00", "2027-01-01 00:00:00");
    struct data_answer answer;
    q.enterprise_codes = nobody;
    q.enterprise_count = 3; /* one unknown, one named twice */
    ck_assert_uint_eq(ask_all(&b, q, 100).count, 2 * 4 + 1);
    q.data_codes = none;
    q.data_code_count = 1;
    ck_assert_uint_eq(ask_all(&b, q, 100).count, 0);
    q.data_codes = bad;
    struct result r = query_data(b.db, b.registry, &q, b.arena, &answer);
    ck_assert_int_eq(r.kind, ERR_SENDER);
    ck_assert_int_eq(r.code, 3102);
    close_bench(&b);
}
END_TEST

START_TEST(a_token_of_another_question_is_2103)
{
    struct bench b = open_bench();
    struct data_question q = both(GRAN_DAY, "2026-01-01 00:00:00", "2026-02-01 00:00:00");
    struct data_answer answer;
    set_page(&q, 5, NULL);
    OK(query_data(b.db, b.registry, &q, b.arena, &answer));
    const char *token = answer.next_token;
    ck_assert_ptr_nonnull(token);
    static const char *const swapped[] = {FIRST_UNIT, SECOND_UNIT, FIRST_UNIT};
    q.enterprise_codes = swapped; /* the same question in other words */
    q.enterprise_count = 3;
    set_page(&q, 9, token);
    OK(query_data(b.db, b.registry, &q, b.arena, &answer));
    q.enterprise_count = 1;
    ck_assert_int_eq(query_data(b.db, b.registry, &q, b.arena, &answer).code, 2103);
    q.enterprise_count = 3;
    q.to += 1;
    ck_assert_int_eq(query_data(b.db, b.registry, &q, b.arena, &answer).code, 2103);
    q.from = q.to + 1; /* an empty range does not excuse a forged token */
    ck_assert_int_eq(query_data(b.db, b.registry, &q, b.arena, &answer).code, 2103);
    set_page(&q, 10001, NULL);
    ck_assert_int_eq(query_data(b.db, b.registry, &q, b.arena, &answer).code, 2103);
    close_bench(&b);
}
END_TEST

START_TEST(totals_beyond_64_bits_are_exact)
{
    struct bench b = open_bench();
    OK(db_exec(b.db, "UPDATE rollup_year SET total[1] = NULL, wide = ARRAY[123456789012345678901234567890]"
                     " WHERE unit_id = 1 AND page = 0 AND ts = '2026-01-01'"));
    static const char *const code[] = {"0000000002330010"};
    struct data_question q = both(GRAN_YEAR, "2026-01-01 00:00:00", "2027-01-01 00:00:00");
    q.data_codes = code;
    q.data_code_count = 1;
    q.enterprise_codes = BOTH + 1;
    q.enterprise_count = 1;
    struct data_answer all = ask_all(&b, q, 10);
    char text[DECIMAL_TEXT];
    ck_assert_uint_eq(all.count, 1);
    ck_assert_str_eq(decimal_format(all.rows[0].value, text), "123456789012345678901234.56789");
    struct db_rows *r = view_rows(b.db, &q);
    size_t i = 0;
    while (strcmp(db_get_text(r, i, 1), code[0]) != 0) {
        i++;
    }
    assert_row(&all.rows[0], r, i);
    db_rows_free(&r);
    close_bench(&b);
}
END_TEST

/* A coefficient of more decimals than a value has, in an item's unit that is a small part of it. */
START_TEST(coefficients_are_not_rounded_before_they_are_used)
{
    struct bench b = open_bench();
    OK(db_exec(b.db, "UPDATE unit_coefficient SET value = 2.512345678901234 WHERE energy = '023300' AND ts = "
                     "'2026-01-10'; UPDATE rollup_month SET total[1] = 987654321000000 WHERE unit_id = 1 AND page = 0 "
                     "AND ts = '2026-02-01'"));
    close_bench(&b);
    assert_like_view(GRAN_MONTH, "2026-02-01 00:00:00", "2026-03-01 00:00:00", 2);
}
END_TEST

/* ---- uploads ---- */
static const char UPLOADS[] =
    "INSERT INTO platform (id, code, platform_id, name) VALUES (70, '420100', 'p', '武汉');"
    "SELECT partition_ensure('receipt', timestamptz '2026-01-01'), partition_ensure('receipt', timestamptz "
    "'2026-02-01');"
    "INSERT INTO upload (sender_id, upload_id, received_at, unit_id, device_id, message_id, response_code, received, "
    "stored,"
    " unchanged, corrected, suspect, rejected) SELECT CASE g % 3 WHEN 0 THEN 1 WHEN 1 THEN 2 ELSE 70 END, 1000 + g,"
    " timestamptz '2026-01-31' + g / 2 * interval '1 minute', CASE g % 3 WHEN 0 THEN 1 WHEN 1 THEN 2 END,"
    " CASE WHEN g % 3 < 2 THEN 'dev' || g % 2 END, 'm' || g, 0, 9, 4, 2, 1, 3, 2 FROM generate_series(0, 2999) g";

static struct upload_question uploads(int32_t sender, const char *enterprise, const char *region, const char *device)
{
    return (struct upload_question){.sender_id = sender,
                                    .enterprise_code = enterprise,
                                    .region_prefix = region,
                                    .device_id = device,
                                    .from = instant("2026-01-31 00:00:00"),
                                    .to = instant("2026-02-02 00:00:00"),
                                    .page = {.has_size = true, .size = 333, .token_key = KEY}};
}

/* Counts the rows of all pages and checks their order. */
static size_t count_uploads(struct bench *b, struct upload_question q)
{
    struct upload_list page = {0};
    size_t count = 0;
    int64_t last_time = 0;
    long last_id = 0;
    do {
        q.page.token = page.next_token;
        OK(query_uploads(b->db, &q, b->arena, &page));
        for (size_t i = 0; i < page.count; i++, count++) {
            long id = strtol(page.rows[i].upload_id, NULL, 10);
            int64_t time = page.rows[i].received_at;
            ck_assert(time > last_time || (time == last_time && id > last_id));
            last_time = time;
            last_id = id;
        }
    } while (page.next_token);
    return count;
}

START_TEST(uploads_are_given_in_order_of_arrival_by_sender_enterprise_region_and_device)
{
    struct bench b = open_bench();
    ck_assert_uint_eq(count_uploads(&b, uploads(1, NULL, "", NULL)), 1000);
    ck_assert_uint_eq(count_uploads(&b, uploads(1, NULL, "", "dev0")), 500);
    ck_assert_uint_eq(count_uploads(&b, uploads(1, NULL, "", "other")), 0);
    ck_assert_uint_eq(count_uploads(&b, uploads(0, SECOND_UNIT, "", NULL)), 1000);
    ck_assert_uint_eq(count_uploads(&b, uploads(0, NULL, "", NULL)), 3000);
    ck_assert_uint_eq(count_uploads(&b, uploads(0, NULL, "42", NULL)), 3000);
    ck_assert_uint_eq(count_uploads(&b, uploads(0, NULL, "4201", NULL)), 2000);
    ck_assert_uint_eq(count_uploads(&b, uploads(0, NULL, "43", NULL)), 0);
    struct upload_question q = uploads(0, NULL, "", NULL);
    q.to = instant("2026-01-31 00:01:00");
    ck_assert_uint_eq(count_uploads(&b, q), 2);
    q.from = q.to;
    ck_assert_uint_eq(count_uploads(&b, q), 0);
    close_bench(&b);
}
END_TEST

START_TEST(an_upload_row_holds_the_receipt)
{
    struct bench b = open_bench();
    struct upload_list list;
    struct upload_question q = uploads(2, NULL, "", NULL);
    OK(query_uploads(b.db, &q, b.arena, &list));
    const struct upload_row *row = &list.rows[0];
    ck_assert_str_eq(row->upload_id, "1001");
    ck_assert_str_eq(row->message_id, "m1");
    ck_assert_str_eq(row->enterprise_code, SECOND_UNIT);
    ck_assert_int_eq(row->received_at, instant("2026-01-31 00:00:00"));
    ck_assert(row->received == 9 && row->stored == 4 && row->unchanged == 2 && row->corrected == 1 &&
              row->suspect == 3 && row->rejected == 2 && row->response_code == 0);
    q = uploads(70, NULL, "", NULL);
    OK(query_uploads(b.db, &q, b.arena, &list));
    ck_assert_str_eq(list.rows[0].enterprise_code, "");
    q.page.token = list.next_token;
    q.sender_id = 2;
    ck_assert_int_eq(query_uploads(b.db, &q, b.arena, &list).code, 2103);
    close_bench(&b);
}
END_TEST

START_TEST(enterprises_are_paged_by_code_and_a_token_belongs_to_its_question)
{
    struct bench b = open_bench();
    struct enterprise_question q = {.region_prefix = "", .modified_since = INT64_MIN, .page = {.token_key = KEY}};
    struct enterprise_list all, page = {0};
    OK(catalog_enterprises(b.db, &q, b.arena, &all));
    ck_assert_uint_ge(all.count, 2);
    ck_assert_ptr_null(all.next_token);
    q.page.has_size = true;
    q.page.size = 1;
    for (size_t i = 0; i < all.count; i++) {
        q.page.token = page.next_token;
        OK(catalog_enterprises(b.db, &q, b.arena, &page));
        ck_assert_uint_eq(page.count, 1);
        ck_assert_str_eq(page.rows[0].code, all.rows[i].code);
        ck_assert(i == 0 || strcmp(all.rows[i - 1].code, all.rows[i].code) < 0);
        ck_assert((page.next_token != NULL) == (i + 1 < all.count));
    }
    q.industry_code = "C"; /* another question */
    ck_assert_int_eq(catalog_enterprises(b.db, &q, b.arena, &page).code, 2103);
    q.page.token = NULL;
    q.page.size = 0;
    ck_assert_int_eq(catalog_enterprises(b.db, &q, b.arena, &page).code, 2103);
    close_bench(&b);
}
END_TEST

static void before(void)
{
    log_set_level(LOG_ERROR);
    energydata_make();
    struct db *db = open_db();
    OK(db_exec(db, UPLOADS));
    db_close(&db);
}

DBTEST_MAIN_ONCE("query", before, minute_rows_are_those_of_the_view, hour_rows_are_those_of_the_view,
                 day_month_and_year_rows_are_those_of_the_view, reported_days_show_exactly_where_no_valid_reading_is,
                 an_enterprises_own_coefficients_come_first_from_their_day_on,
                 pages_of_any_size_add_up_to_the_same_rows, a_page_is_stable_when_rows_arrive_before_its_position,
                 weeks_and_quarters_are_made_of_days, only_periods_that_begin_in_the_range_are_given,
                 unknown_enterprises_and_codes_give_no_rows_and_malformed_ones_a_reason,
                 a_token_of_another_question_is_2103, totals_beyond_64_bits_are_exact,
                 coefficients_are_not_rounded_before_they_are_used,
                 uploads_are_given_in_order_of_arrival_by_sender_enterprise_region_and_device,
                 an_upload_row_holds_the_receipt, enterprises_are_paged_by_code_and_a_token_belongs_to_its_question)
