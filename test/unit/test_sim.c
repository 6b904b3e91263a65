#include "unit.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/caltime.h"
#include "base/clock.h"
#include "base/mem.h"
#include "payload/datacode.h"
#include "payload/envelope.h"
#include "payload/payload.h"
#include "sim/base_data.h"
#include "sim/csv.h"
#include "sim/device_state.h"
#include "sim/message.h"
#include "sim/shape.h"
#include "sim/sim_options.h"
#include "sim/source.h"
#include "sim/stats.h"

static char path[2][64];

static const char *write_text(int i, const void *bytes, size_t n)
{
    snprintf(path[i], sizeof path[i], "/tmp/nhjc-sim-XXXXXX");
    int fd = mkstemp(path[i]);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, bytes, n), (ssize_t)n);
    close(fd);
    return path[i];
}

static struct sim_source_options csv_options(const char *text)
{
    return (struct sim_source_options){.csv = write_text(0, text, strlen(text)), .from = INT64_MIN, .to = INT64_MAX};
}

static struct result open_text(const char *text, struct sim_source **s)
{
    struct sim_source_options o = csv_options(text);
    struct result r = sim_source_open(&o, s);
    unlink(o.csv);
    return r;
}

static int64_t at(const char *text)
{
    int64_t us;
    ck_assert(caltime_parse(text, strlen(text), &us));
    return us;
}

/* ---------------------------------------------------------------- csv */

START_TEST(lines_are_taken_apart_with_quotes_and_blanks)
{
    char text[] = "a, b ,\"c,\"\"d\"\"\",\r\nnext";
    char *cursor = text, *cells[8];
    size_t n = csv_split(csv_line(&cursor), cells, 8);
    ck_assert_uint_eq(n, 4);
    ck_assert_str_eq(cells[0], "a");
    ck_assert_str_eq(cells[1], "b");
    ck_assert_str_eq(cells[2], "c,\"d\"");
    ck_assert_str_eq(cells[3], "");
    ck_assert_str_eq(csv_line(&cursor), "next");
    ck_assert_ptr_null(csv_line(&cursor));
}
END_TEST

START_TEST(an_open_quote_takes_the_rest_of_the_line)
{
    char text[] = "\"a,b";
    char *cells[2];
    ck_assert_uint_eq(csv_split(text, cells, 2), 1);
    ck_assert_str_eq(cells[0], "a,b");
}
END_TEST

START_TEST(more_cells_than_room_are_counted_but_not_stored)
{
    char text[] = "1,2,3,4";
    char *cells[2];
    ck_assert_uint_eq(csv_split(text, cells, 2), 4);
    ck_assert_str_eq(cells[1], "2");
}
END_TEST

START_TEST(a_gzip_file_reads_as_its_text)
{
    struct buf packed = BUF_INIT, text = BUF_INIT;
    ck_assert(result_ok(envelope_gzip("\xEF\xBB\xBFt,a\n", 7, &packed)));
    const char *name = write_text(0, packed.data, packed.len);
    ck_assert(result_ok(csv_read_file(name, 1000, &text)));
    ck_assert_str_eq(buf_str(&text), "t,a\n");
    unlink(name);
    buf_free(&packed);
    buf_free(&text);
}
END_TEST

START_TEST(files_that_are_missing_large_or_binary_are_refused)
{
    struct buf text = BUF_INIT;
    ck_assert(!result_ok(csv_read_file("/nonexistent", 1000, &text)));
    const char *name = write_text(0, "12345", 5);
    ck_assert(!result_ok(csv_read_file(name, 4, &text)));
    unlink(name);
    buf_clear(&text);
    name = write_text(0, "1\0002", 3);
    ck_assert(!result_ok(csv_read_file(name, 1000, &text)));
    unlink(name);
    buf_free(&text);
}
END_TEST

/* ---------------------------------------------------------------- source */

START_TEST(slots_come_in_order_with_missing_cells_empty)
{
    struct sim_source *s;
    struct sim_slot slot;
    ck_assert(result_ok(open_text("t,usage_kwh,pf_lag,own\n2018-01-01 00:00,1.5,,7\n2018-01-01 00:15:00,2\n", &s)));
    ck_assert_int_eq(sim_source_period(s), 900);
    ck_assert_uint_eq(sim_source_slots(s), 2);
    const struct sim_items *items = sim_source_items(s);
    ck_assert_str_eq(items->at[0].data_code, "0000000002330010");
    ck_assert_str_eq(items->at[1].aggregation, "mean");
    ck_assert_str_eq(items->at[2].data_code, "0000000010900180");
    ck_assert(sim_source_next(s, &slot));
    ck_assert_int_eq(slot.ts, at("2018-01-01 00:00:00"));
    ck_assert_str_eq(slot.cell[0], "1.5");
    ck_assert_str_eq(slot.cell[1], "");
    ck_assert_str_eq(slot.cell[2], "7");
    ck_assert(sim_source_next(s, &slot));
    ck_assert_str_eq(slot.cell[0], "2");
    ck_assert_str_eq(slot.cell[2], "");
    ck_assert(!sim_source_next(s, &slot));
    sim_source_close(&s);
}
END_TEST

START_TEST(a_bad_line_is_named)
{
    static const struct {
        const char *text, *words;
    } bad[] = {
        {"t,a\n2018-01-01 00:00,1\nnonsense,2\n", "line 3"},
        {"t,a\n2018-01-01 00:15,1\n2018-01-01 00:00,2\n", "line 3"},
        {"t,a\n2018-01-01 00:15,1\n2018-01-01 00:15,2\n", "line 3"},
        {"t,a\n2018-02-30 00:15,1\n", "line 2"},
        {"t\n2018-01-01 00:15\n", "header"},
        {"", "header"},
        {"t,a\n2018-01-01 00:00,1\n2018-01-01 00:07,2\n", "divide"},
        {"t,usage_kwh,electricity_kwh\n2018-01-01 00:00,1,2\n", "same data code"},
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct sim_source *s;
        struct result r = open_text(bad[i].text, &s);
        ck_assert_int_eq(r.kind, ERR_SENDER);
        ck_assert_msg(strstr(r.text, bad[i].words) != NULL, "%s", r.text);
        ck_assert_ptr_null(s);
    }
}
END_TEST

START_TEST(from_and_to_choose_and_skip_goes_on)
{
    struct sim_source *s;
    struct sim_source_options o =
        csv_options("t,a\n2018-01-01 00:00,1\n2018-01-01 01:00,2\n2018-01-01 02:00,3\n2018-01-01 03:00,4\n");
    o.from = at("2018-01-01 01:00:00");
    o.to = at("2018-01-01 03:00:00");
    ck_assert(result_ok(sim_source_open(&o, &s)));
    unlink(o.csv);
    ck_assert_uint_eq(sim_source_slots(s), 2);
    ck_assert_int_eq(sim_source_period(s), 3600);
    ck_assert_uint_eq(sim_source_skip(s, INT64_MIN), 0);
    int64_t ts;
    ck_assert(sim_source_peek(s, &ts));
    ck_assert_int_eq(ts, o.from);
    ck_assert_uint_eq(sim_source_skip(s, o.from), 1);
    struct sim_slot slot;
    ck_assert(sim_source_next(s, &slot));
    ck_assert_str_eq(slot.cell[0], "3");
    ck_assert(!sim_source_peek(s, &ts));
    sim_source_close(&s);
}
END_TEST

static void label_of(const char *text, char out[300])
{
    struct sim_source *s;
    struct sim_source_options o = csv_options(text);
    char same[80];
    snprintf(same, sizeof same, "%s-dir", o.csv); /* files of one base name, in folders of their own */
    ck_assert_int_eq(mkdir(same, 0700), 0);
    char file[100];
    snprintf(file, sizeof file, "%s/data.csv", same);
    ck_assert_int_eq(rename(o.csv, file), 0);
    o.csv = file;
    ck_assert(result_ok(sim_source_open(&o, &s)));
    snprintf(out, 300, "%s", sim_source_label(s));
    sim_source_close(&s);
    unlink(file);
    rmdir(same);
}

START_TEST(files_of_the_same_name_are_told_apart_by_their_beginning)
{
    char one[300], other[300], grown[300];
    label_of("t,a\n2023-01-01 00:00,1\n", one);
    label_of("t,a\n2024-01-01 00:00,1\n", other);
    label_of("t,a\n2023-01-01 00:00,1\n2023-01-01 00:15,2\n", grown);
    ck_assert_str_ne(one, other);
    ck_assert_str_eq(one, grown);
    ck_assert(strncmp(one, "csv:data.csv:", 13) == 0);
}
END_TEST

START_TEST(a_source_can_be_read_again)
{
    struct sim_source *s;
    struct sim_slot slot;
    ck_assert(result_ok(open_text("t,a,b\n2018-01-01 00:00,1,2\n2018-01-01 00:15,3,\n", &s)));
    for (int round = 0; round < 2; round++) {
        ck_assert_uint_eq(sim_source_left(s), 2);
        ck_assert(sim_source_next(s, &slot));
        ck_assert_str_eq(slot.cell[0], "1");
        ck_assert_str_eq(slot.cell[1], "2");
        ck_assert(sim_source_next(s, &slot));
        ck_assert_str_eq(slot.cell[1], "");
        sim_source_rewind(s);
    }
    sim_source_close(&s);
}
END_TEST

START_TEST(an_items_file_overrides_and_names_its_bad_line)
{
    struct sim_source *s;
    const char *items = "column,dataCode,aggregation,name,unit\nown,01020304-no,sum,x,y\n";
    struct sim_source_options o = csv_options("t,own\n2018-01-01 00:00,1\n");
    o.items_file = write_text(1, items, strlen(items));
    struct result r = sim_source_open(&o, &s);
    ck_assert(!result_ok(r) && strstr(r.text, "line 2"));
    unlink(o.items_file);
    items = "# note\nown,01-02-0304-023300-10,counter,总表,kWh\nelsewhere,0000000002330010,sum\n";
    o.items_file = write_text(1, items, strlen(items));
    ck_assert(result_ok(sim_source_open(&o, &s)));
    ck_assert_str_eq(sim_source_items(s)->at[0].data_code, "0102030402330010");
    ck_assert_str_eq(sim_source_items(s)->at[0].aggregation, "counter");
    ck_assert_str_eq(sim_source_items(s)->at[0].name, "总表");
    unlink(o.items_file);
    unlink(o.csv);
    sim_source_close(&s);
}
END_TEST

static void keep_line(const struct buf *line, void *arg)
{
    buf_append(arg, line->data, line->len);
}

START_TEST(a_printed_shape_read_back_is_the_same)
{
    static const char *const names[] = {"steel", "glass", "office"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct sim_source *s, *again;
        struct sim_source_options o = {
            .shape = names[i], .from = at("2024-02-28 00:00:00"), .to = at("2024-03-02 00:00:00")};
        struct buf first = BUF_INIT, second = BUF_INIT;
        ck_assert(result_ok(sim_source_open(&o, &s)));
        ck_assert_uint_eq(sim_source_slots(s), 3 * 96); /* with the leap day */
        sim_source_print(s, keep_line, &first);
        sim_source_close(&s);
        ck_assert(result_ok(open_text(buf_str(&first), &again)));
        ck_assert_int_eq(sim_source_period(again), 900);
        sim_source_print(again, keep_line, &second);
        sim_source_close(&again);
        ck_assert_str_eq(buf_str(&first), buf_str(&second));
        buf_free(&first);
        buf_free(&second);
    }
}
END_TEST

START_TEST(a_shape_is_a_whole_leap_year_of_plain_numbers)
{
    struct sim_source *s;
    struct sim_slot slot;
    struct sim_source_options o = {.shape = "steel", .from = INT64_MIN, .to = INT64_MAX};
    ck_assert(result_ok(sim_source_open(&o, &s)));
    ck_assert_uint_eq(sim_source_slots(s), 366 * 96);
    double total = 0;
    while (sim_source_next(s, &slot)) {
        for (size_t i = 0; i < sim_source_items(s)->count; i++) {
            ENSURE(strspn(slot.cell[i], "0123456789.") == strlen(slot.cell[i]));
        }
        total += strtod(slot.cell[0], NULL);
    }
    ck_assert(total > 500000 && total < 2000000);
    sim_source_close(&s);
}
END_TEST

START_TEST(an_unknown_shape_is_told_which_there_are)
{
    struct sim_source *s;
    struct sim_source_options o = {.shape = "cement", .from = INT64_MIN, .to = INT64_MAX};
    struct result r = sim_source_open(&o, &s);
    ck_assert(!result_ok(r) && strstr(r.text, "glass"));
}
END_TEST

/* ---------------------------------------------------------------- message */

START_TEST(the_payload_is_what_the_platform_reads)
{
    struct sim_source *s;
    struct sim_slot slot;
    struct buf xml = BUF_INIT;
    struct sim_form form = {.enterprise = "91420100MA0000015F", .device_id = "0123456789abcdef0123456789abcdef"};
    ck_assert(result_ok(open_text("t,usage_kwh,pf_lag\n2018-01-01 00:00,1.50,\n2018-01-01 00:15,2,99\n", &s)));
    sim_data_begin(&xml, &form, at("2018-01-02 08:00:00"));
    ck_assert(sim_source_next(s, &slot));
    ck_assert_int_eq(sim_data_slot(&xml, sim_source_items(s), &slot), 1);
    ck_assert(sim_source_next(s, &slot));
    ck_assert_int_eq(sim_data_slot(&xml, sim_source_items(s), &slot), 2);
    sim_data_end(&xml);
    struct arena *a = arena_new(0);
    struct findings findings;
    struct energy_data_set set;
    findings_init(&findings, a);
    payload_init();
    struct result r =
        payload_read_data(xml.data, xml.len, PAYLOAD_ENERGY_DATA, &PAYLOAD_LIMITS_DEFAULT, a, &findings, &set);
    ck_assert_msg(result_ok(r), "%s", r.text);
    ck_assert_uint_eq(set.records, 3);
    ck_assert_str_eq(set.at[0].upload_date, "2018-01-02 08:00:00");
    ck_assert_str_eq(set.at[0].device_id, form.device_id);
    const struct record *last = &set.at[0].records[2];
    ck_assert_int_eq(strncmp(last->data_code, "0000000010020180", last->data_code_len), 0);
    ck_assert_int_eq(strncmp(last->stat_date, "2018-01-01 00:15:00", last->stat_date_len), 0);
    ck_assert_int_eq(last->scope, 1);
    ck_assert(last->valid);
    arena_free(&a);
    buf_free(&xml);
    sim_source_close(&s);
}
END_TEST

START_TEST(a_value_that_is_not_a_number_travels_as_it_is)
{
    struct sim_source *s;
    struct sim_slot slot;
    struct buf xml = BUF_INIT;
    struct sim_form form = {.enterprise = "E", .device_id = "D"};
    ck_assert(result_ok(open_text("t,a\n2018-01-01 00:00,<&'>\n", &s)));
    sim_data_begin(&xml, &form, 0);
    ck_assert(sim_source_next(s, &slot));
    sim_data_slot(&xml, sim_source_items(s), &slot);
    ck_assert_ptr_nonnull(strstr(buf_str(&xml), "dataValue=\"&lt;&amp;"));
    buf_free(&xml);
    sim_source_close(&s);
}
END_TEST

START_TEST(a_sealed_message_opens_again)
{
    static const enum content_digest digests[] = {DIGEST_SHA_256, DIGEST_SM3};
    static const enum content_cipher ciphers[] = {CIPHER_NONE, CIPHER_SM4_CBC, CIPHER_AES_256_CBC, CIPHER_AES_256_GCM};
    struct buf xml = BUF_INIT;
    buf_append_str(&xml, "<energyData/>\n");
    for (size_t i = 0; i < ARRAY_LEN(digests) * ARRAY_LEN(ciphers) * 2; i++) {
        struct sim_form form = {.encoding = i % 2 ? ENCODING_GZIP : ENCODING_IDENTITY,
                                .cipher = ciphers[i / 2 % 4],
                                .digest_method = digests[i / 8],
                                .key = "0123456789abcde",
                                .key_len = 16};
        struct buf content = BUF_INIT;
        char hex[65];
        ck_assert(result_ok(sim_seal(&form, &xml, hex, &content)));
        struct envelope e = {form.encoding, form.cipher, form.digest_method, hex, form.key, form.key_len, 1000};
        struct arena *a = arena_new(0);
        const unsigned char *plain;
        size_t len;
        unsigned char digest[32];
        struct result r = envelope_open(&e, content.data, content.len, a, &plain, &len, digest);
        ck_assert_msg(result_ok(r), "%zu: %s", i, r.text);
        ck_assert(len == xml.len && memcmp(plain, xml.data, len) == 0);
        arena_free(&a);
        buf_free(&content);
    }
    buf_free(&xml);
}
END_TEST

START_TEST(encryption_without_a_key_is_refused)
{
    struct sim_form form = {.cipher = CIPHER_SM4_CBC};
    struct buf xml = BUF_INIT, content = BUF_INIT;
    char hex[65];
    buf_append_str(&xml, "x");
    ck_assert_int_eq(sim_seal(&form, &xml, hex, &content).kind, ERR_SENDER);
    buf_free(&xml);
    buf_free(&content);
}
END_TEST

START_TEST(the_configuration_names_every_segment)
{
    struct sim_source *s;
    struct buf xml = BUF_INIT;
    struct sim_profile profile = {"91420100MA0000015F", "A & B", "420100", "C3120"};
    ck_assert(result_ok(open_text("t,usage_kwh\n2018-01-01 00:00,1\n2018-01-01 00:30,1\n", &s)));
    sim_config_document(&xml, &profile, sim_source_items(s), sim_source_period(s));
    struct arena *a = arena_new(0);
    struct findings findings;
    struct enterprise_config_set set;
    findings_init(&findings, a);
    payload_init();
    struct result r =
        payload_read_config(xml.data, xml.len, PAYLOAD_CONFIG, &PAYLOAD_LIMITS_DEFAULT, a, &findings, &set);
    ck_assert_msg(result_ok(r), "%s", r.text);
    ck_assert_uint_eq(set.at[0].count, 2);
    const struct config_object *enterprise = &set.at[0].objects[0], *item = &set.at[0].objects[1];
    ck_assert_str_eq(config_attribute(enterprise, "name"), "A & B");
    ck_assert_str_eq(config_attribute(item, "energyClassCode"), "02");
    ck_assert_str_eq(config_attribute(item, "energyTypeCode"), "3300");
    ck_assert_str_eq(config_attribute(item, "dataUsageCode"), "10");
    ck_assert_str_eq(config_attribute(item, "period"), "1800");
    ck_assert_str_eq(config_attribute(item, "aggregation"), "sum");
    arena_free(&a);
    buf_free(&xml);
    sim_source_close(&s);
}
END_TEST

/* ---------------------------------------------------------------- the rest */

static int columns(const char *text)
{
    int n = 0;
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        n += *p < 0x80 ? 1 : *p >= 0xe0 ? 2 : 0; /* what is Chinese takes two */
    }
    return n;
}

START_TEST(a_line_of_progress_fits_the_terminal_and_says_how_far_it_is)
{
    struct sim_stats s = {.uploads = 9999999,
                          .readings = 199999999,
                          .left = 190000001,
                          .spool_readings = 10000000,
                          .spool_messages = 9999999,
                          .retries = 9999,
                          .position = at("2018-01-29 23:45:00")};
    const int codes[] = {0, 2, 9102};
    for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
        struct buf out = BUF_INIT;
        s.last_code = codes[i];
        s.started = clock_monotonic() - INT64_C(100000000000);
        sim_stats_line(&s, &out);
        ck_assert_int_le(columns(buf_str(&out)), 79);
        ck_assert(strncmp(buf_str(&out), "2018-01-29 23:45  49%  ", 23) == 0);
        ck_assert((strstr(buf_str(&out), "9102") != NULL) == (codes[i] == 9102));
        buf_free(&out);
    }
}
END_TEST

START_TEST(the_state_of_a_device_is_read_back)
{
    struct device_state state = {"0123456789abcdef0123456789abcdef", "3", "7", "000102030405060708090a0b0c0d0e0f"},
                        back;
    struct buf text = BUF_INIT;
    unsigned char key[16];
    device_state_write(&state, &text);
    ck_assert(device_state_read(&text, &back));
    ck_assert_str_eq(back.device_id, state.device_id);
    ck_assert_str_eq(back.dic_version, "7");
    ck_assert_uint_eq(device_state_key(&back, key), 16);
    ck_assert_uint_eq(key[15], 15);
    buf_clear(&text);
    ck_assert(!device_state_read(&text, &back));
    ck_assert_uint_eq(device_state_key(&back, key), 0);
    buf_free(&text);
}
END_TEST

#define UPLOAD "--url", "https://h", "--ca", "a", "--cert", "b", "--key", "c", "--enterprise", "E"

static struct result parse(struct sim_options *o, int argc, const char *const *argv)
{
    return sim_options_parse(argc, (char **)argv, o);
}

START_TEST(options_have_defaults_and_are_checked)
{
    struct sim_options o;
    const char *good[] = {"nhjc-sim", UPLOAD, "--csv=f", "--speed", "3600", "--from", "2018-01-01", "--json"};
    ck_assert(result_ok(parse(&o, ARRAY_LEN(good), good)));
    ck_assert_str_eq(o.csv, "f");
    ck_assert(o.json && o.speed == 3600);
    ck_assert_int_eq(o.per_upload, 200);
    ck_assert_int_eq(o.encoding, ENCODING_GZIP);
    ck_assert_int_eq(o.from, at("2018-01-01 00:00:00"));
    const char *zones[][2] = {{"--zone", "UTC"}, {"--zone=UTC", "--json"}};
    for (size_t i = 0; i < ARRAY_LEN(zones); i++) {
        const char *zone[] = {"nhjc-sim", UPLOAD, "--csv=f", "--from", "2018-01-01 08:00", zones[i][0], zones[i][1]};
        ck_assert(result_ok(parse(&o, ARRAY_LEN(zone), zone)));
        ck_assert_int_eq(o.from, INT64_C(1514793600) * 1000000); /* 08:00 there, not in Shanghai */
    }
    const char *max[] = {"nhjc-sim", UPLOAD, "--shape", "glass", "--speed", "max"};
    ck_assert(result_ok(parse(&o, ARRAY_LEN(max), max)) && o.speed == 0);
}
END_TEST

START_TEST(wrong_options_are_named)
{
    static const struct {
        const char *argv[5];
        int argc;
        const char *words;
    } bad[] = {
        {{"nhjc-sim", "--wrong"}, 2, "--wrong"},
        {{"nhjc-sim", "--csv"}, 2, "--csv needs"},
        {{"nhjc-sim", "--csv", "f"}, 3, "--url is missing"},
        {{"nhjc-sim", "--per-upload", "0"}, 3, "--per-upload"},
        {{"nhjc-sim", "--speed", "-1"}, 3, "--speed"},
        {{"nhjc-sim", "--from", "yesterday"}, 3, "--from"},
        {{"nhjc-sim", "--from", "2018-13-01"}, 3, "--from"},
        {{"nhjc-sim", "--json=1"}, 2, "no value"},
        {{"nhjc-sim", "--csv", "f", "--shape", "glass"}, 5, "either"},
        {{"nhjc-sim", "--encoding", "zip"}, 3, "zip"},
        {{"nhjc-sim", "--load"}, 2, "--load needs"},
        {{"nhjc-sim", "stray"}, 2, "stray"},
    };
    struct sim_options o;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct result r = parse(&o, bad[i].argc, bad[i].argv);
        ck_assert_int_eq(r.kind, ERR_SENDER);
        ck_assert_msg(strstr(r.text, bad[i].words) != NULL, "%zu: %s", i, r.text);
    }
}
END_TEST

START_TEST(the_summary_is_json_with_every_count)
{
    struct sim_stats s = {.uploads = 1234567,
                          .readings = 5,
                          .rejected = 1,
                          .position = INT64_MIN,
                          .started = clock_monotonic(),
                          .refused_code = 1104,
                          .refused_text = mem_strdup("未接入 \"x\"")};
    struct buf out = BUF_INIT;
    sim_stats_finding(&s, 3101);
    sim_stats_finding(&s, 3101);
    sim_stats_json(&s, "E", "D", &out);
    ck_assert_ptr_nonnull(strstr(buf_str(&out), "\"uploads\":1234567,"));
    ck_assert_ptr_nonnull(strstr(buf_str(&out), "\"findings\":{\"3101\":2}"));
    ck_assert_ptr_nonnull(strstr(buf_str(&out), "\"refused\":{\"code\":1104,\"message\":\"未接入 \\\"x\\\"\"}"));
    buf_clear(&out);
    sim_stats_text(&s, "E", &out);
    ck_assert_ptr_nonnull(strstr(buf_str(&out), "1,234,567 uploads"));
    buf_free(&out);
    sim_stats_free(&s);
}
END_TEST

START_TEST(base_data_read_back_tell_version_and_count_and_a_torn_file_is_none)
{
    struct client_base_entry fuels[] = {{.code = "1", .name = "煤,\"原\"", .precision = 2},
                                        {.code = "2", .name = "a\nb", .unit = "t", .precision = -1}};
    struct client_base_table tables[] = {{"energy_type", fuels, 2}, {"region", NULL, 0}};
    struct client_base_data_answer answer = {.dic_version = "7", .tables = tables, .table_count = 2};
    struct base_data_head wrote, read;
    struct buf text = BUF_INIT;
    ck_assert(!base_data_read(&text, &read));
    base_data_write(&answer, &text, &wrote);
    ck_assert_ptr_nonnull(strstr(buf_str(&text), "\nenergy_type,1,\"煤,\"\"原\"\"\",,,2,,,,,\n"));
    ck_assert(base_data_read(&text, &read));
    ck_assert_str_eq(read.dic_version, "7");
    ck_assert_int_eq(read.entries, 2);
    ck_assert_int_eq(wrote.entries, 2);
    for (size_t len = 0; len + 1 < text.len; len++) {
        struct buf part = BUF_INIT;
        buf_append(&part, text.data, len);
        ck_assert_msg(!base_data_read(&part, &read), "%zu bytes", len);
        buf_free(&part);
    }
    buf_free(&text);
}
END_TEST

UNIT_MAIN("sim", base_data_read_back_tell_version_and_count_and_a_torn_file_is_none,
          lines_are_taken_apart_with_quotes_and_blanks, an_open_quote_takes_the_rest_of_the_line,
          more_cells_than_room_are_counted_but_not_stored, a_gzip_file_reads_as_its_text,
          files_that_are_missing_large_or_binary_are_refused, slots_come_in_order_with_missing_cells_empty,
          a_bad_line_is_named, from_and_to_choose_and_skip_goes_on,
          files_of_the_same_name_are_told_apart_by_their_beginning, a_source_can_be_read_again,
          an_items_file_overrides_and_names_its_bad_line, a_printed_shape_read_back_is_the_same,
          a_shape_is_a_whole_leap_year_of_plain_numbers, an_unknown_shape_is_told_which_there_are,
          the_payload_is_what_the_platform_reads, a_value_that_is_not_a_number_travels_as_it_is,
          a_sealed_message_opens_again, encryption_without_a_key_is_refused, the_configuration_names_every_segment,
          the_state_of_a_device_is_read_back, a_line_of_progress_fits_the_terminal_and_says_how_far_it_is,
          options_have_defaults_and_are_checked, wrong_options_are_named, the_summary_is_json_with_every_count)
