#include "unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "sim/spool.h"
#include "sim/spool_record.h"

static char dir[64];
static char journal[96];

static void make_dir(void)
{
    snprintf(dir, sizeof dir, "/tmp/nhjc-spool-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(journal, sizeof journal, "%s/journal", dir);
}

static void drop_dir(void)
{
    static const char *const names[] = {"journal", "journal.new", "lock", "device", "device.new"};
    char path[128];
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        unlink(path);
    }
    ck_assert_int_eq(rmdir(dir), 0);
}

static size_t cut;

static struct spool *open_spool(void)
{
    struct spool *s = NULL;
    struct result r = spool_open(dir, "ENTERPRISE/serial", &s, &cut);
    ck_assert_msg(result_ok(r), "%s", r.text);
    return s;
}

static void append(struct spool *s, const char *text, int64_t position, char id[65])
{
    struct buf content = BUF_INIT;
    struct spool_message m = {.encoding = "gzip",
                              .encryption = "none",
                              .digest_method = "SHA-256",
                              .readings = 3,
                              .label = "csv:a.csv",
                              .position = position};
    snprintf(m.digest, sizeof m.digest, "%064d", (int)position);
    buf_append_str(&content, text);
    ENSURE(result_ok(spool_append(s, &m, &content)));
    if (id) {
        snprintf(id, 65, "%s", m.id);
    }
    buf_free(&content);
}

static void expect_head(struct spool *s, const char *text, const char *id)
{
    const struct spool_message *m;
    struct buf content = BUF_INIT;
    ENSURE(result_ok(spool_head(s, &m, &content)));
    ENSURE(m != NULL);
    ENSURE_MSG(strcmp(buf_str(&content), text) == 0, "content is '%s'", buf_str(&content));
    if (id) {
        ck_assert_str_eq(m->id, id);
    }
    buf_free(&content);
}

static size_t file_size(void)
{
    struct stat st;
    ck_assert_int_eq(stat(journal, &st), 0);
    return (size_t)st.st_size;
}

static struct buf file_bytes(void)
{
    struct buf b = BUF_INIT;
    FILE *f = fopen(journal, "rb");
    ck_assert_ptr_nonnull(f);
    buf_reserve(&b, file_size());
    b.len = fread(b.data, 1, file_size(), f);
    fclose(f);
    return b;
}

static void write_file(const void *bytes, size_t n)
{
    FILE *f = fopen(journal, "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(bytes, 1, n, f), n);
    fclose(f);
}

START_TEST(a_message_survives_a_restart_with_its_id_and_bytes)
{
    char id[65];
    make_dir();
    struct spool *s = open_spool();
    append(s, "first", 100, id);
    append(s, "second", 200, NULL);
    ck_assert(result_ok(spool_sync(s)));
    spool_close(&s);
    s = open_spool();
    ck_assert_uint_eq(cut, 0);
    ck_assert_uint_eq(spool_pending(s), 2);
    ck_assert_int_eq(spool_pending_readings(s), 6);
    ck_assert_int_eq(spool_position(s, "csv:a.csv"), 200);
    expect_head(s, "first", id);
    const struct spool_message *m;
    struct buf content = BUF_INIT;
    ck_assert(result_ok(spool_head(s, &m, &content)));
    ck_assert_str_eq(m->encoding, "gzip");
    ck_assert_str_eq(m->digest_method, "SHA-256");
    ck_assert_int_eq(m->digest[61], '1');
    buf_free(&content);
    spool_close(&s);
    drop_dir();
}
END_TEST

START_TEST(a_delivered_message_does_not_come_back)
{
    make_dir();
    struct spool *s = open_spool();
    append(s, "first", 100, NULL);
    append(s, "second", 200, NULL);
    ck_assert(result_ok(spool_done(s, 0)));
    spool_close(&s);
    s = open_spool();
    ck_assert_uint_eq(spool_pending(s), 1);
    expect_head(s, "second", NULL);
    ck_assert(result_ok(spool_done(s, 2)));
    spool_close(&s);
    s = open_spool();
    ck_assert_uint_eq(spool_pending(s), 0);
    ck_assert_int_eq(spool_position(s, "csv:a.csv"), 200);
    spool_close(&s);
    drop_dir();
}
END_TEST

START_TEST(a_journal_cut_at_any_byte_keeps_every_whole_record)
{
    make_dir();
    struct spool *s = open_spool();
    size_t ends[4];
    for (int i = 0; i < 4; i++) {
        char text[16];
        snprintf(text, sizeof text, "message %d", i);
        append(s, text, i, NULL);
        ends[i] = file_size();
    }
    spool_close(&s);
    struct buf whole = file_bytes();
    size_t header = ends[0] - (ends[1] - ends[0]);
    for (size_t n = header; n <= whole.len; n++) {
        size_t expected = 0;
        while (expected < 4 && ends[expected] <= n) {
            expected++;
        }
        write_file(whole.data, n);
        s = open_spool();
        ENSURE(spool_pending(s) == expected);
        ENSURE(cut == n - (expected ? ends[expected - 1] : header));
        append(s, "after", 9, NULL);
        spool_close(&s);
        s = open_spool();
        ENSURE(cut == 0 && spool_pending(s) == expected + 1);
        spool_close(&s);
    }
    buf_free(&whole);
    drop_dir();
}
END_TEST

START_TEST(a_damaged_byte_ends_the_journal_there)
{
    make_dir();
    struct spool *s = open_spool();
    append(s, "first", 1, NULL);
    size_t end = file_size();
    append(s, "second", 2, NULL);
    append(s, "third", 3, NULL);
    spool_close(&s);
    struct buf whole = file_bytes();
    for (size_t at = end; at < end + (whole.len - end) / 2; at++) {
        whole.data[at] ^= 0x20;
        write_file(whole.data, whole.len);
        s = open_spool();
        ENSURE(spool_pending(s) == 1 && cut == whole.len - end);
        ENSURE(spool_position(s, "csv:a.csv") == 1);
        spool_close(&s);
        whole.data[at] ^= 0x20;
    }
    buf_free(&whole);
    drop_dir();
}
END_TEST

START_TEST(ids_never_repeat_even_when_the_end_was_lost)
{
    char lost[65], again[65];
    make_dir();
    struct spool *s = open_spool();
    append(s, "first", 1, NULL);
    size_t end = file_size();
    append(s, "second", 2, lost);
    spool_close(&s);
    ck_assert_int_eq(truncate(journal, (off_t)end), 0);
    s = open_spool();
    append(s, "other", 2, again);
    ck_assert_str_ne(lost, again);
    ck_assert_int_eq(strncmp(lost, again, 12), 0); /* same spool */
    spool_close(&s);
    drop_dir();
}
END_TEST

START_TEST(an_empty_journal_is_shortened_and_numbers_go_on)
{
    char big[70000], before[65], after[65];
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    make_dir();
    struct spool *s = open_spool();
    for (int i = 0; i < 70; i++) { /* 4.9 MB: over the bound */
        append(s, big, i, before);
    }
    append(s, "kept", 70, NULL);
    for (int i = 0; i < 70; i++) {
        ENSURE(result_ok(spool_done(s, 0)));
    }
    ck_assert_uint_gt(file_size(), 4 << 20);
    expect_head(s, "kept", NULL);
    ck_assert(result_ok(spool_done(s, 0)));
    ck_assert_uint_lt(file_size(), 1000);
    append(s, "next", 71, after);
    ck_assert_int_eq(strncmp(after + 13, "00000072", 8), 0);
    spool_close(&s);
    s = open_spool();
    ck_assert_uint_eq(spool_pending(s), 1);
    expect_head(s, "next", after);
    ck_assert_int_eq(spool_position(s, "csv:a.csv"), 71);
    spool_close(&s);
    drop_dir();
}
END_TEST

START_TEST(a_sparse_journal_keeps_what_waits_when_shortened)
{
    char big[1 << 20], id[65];
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    make_dir();
    struct spool *s = open_spool();
    for (int i = 0; i < 66; i++) {
        append(s, big, i, NULL);
    }
    append(s, "waits", 66, id);
    for (int i = 0; i < 66; i++) {
        ENSURE(result_ok(spool_done(s, 0)));
    }
    ck_assert_uint_lt(file_size(), 20 << 20);
    ck_assert_uint_eq(spool_pending(s), 1);
    expect_head(s, "waits", id);
    spool_close(&s);
    s = open_spool();
    expect_head(s, "waits", id);
    spool_close(&s);
    drop_dir();
}
END_TEST

START_TEST(a_second_process_and_another_owner_are_kept_out)
{
    make_dir();
    struct spool *s = open_spool(), *other = NULL;
    struct result r = spool_open(dir, "ENTERPRISE/serial", &other, &cut);
    ck_assert_int_eq(r.kind, ERR_CONFLICT);
    ck_assert_ptr_null(other);
    append(s, "kept", 1, NULL);
    spool_close(&s);
    r = spool_open(dir, "OTHER/serial", &other, &cut);
    ck_assert_int_eq(r.kind, ERR_CONFLICT);
    ck_assert_ptr_nonnull(strstr(r.text, "ENTERPRISE/serial"));
    s = open_spool();
    ck_assert_uint_eq(spool_pending(s), 1);
    spool_close(&s);
    drop_dir();
}
END_TEST

START_TEST(state_is_replaced_whole_and_private)
{
    struct buf text = BUF_INIT;
    struct stat st;
    char path[96];
    make_dir();
    struct spool *s = open_spool();
    ck_assert(result_ok(spool_load_state(s, &text)));
    ck_assert_uint_eq(text.len, 0);
    buf_append_str(&text, "deviceId=a long first state\n");
    ck_assert(result_ok(spool_save_state(s, &text)));
    buf_clear(&text);
    buf_append_str(&text, "deviceId=b\n");
    ck_assert(result_ok(spool_save_state(s, &text)));
    buf_clear(&text);
    ck_assert(result_ok(spool_load_state(s, &text)));
    ck_assert_str_eq(buf_str(&text), "deviceId=b\n");
    snprintf(path, sizeof path, "%s/device", dir);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_int_eq(st.st_mode & 077, 0);
    buf_free(&text);
    spool_close(&s);
    drop_dir();
}
END_TEST

START_TEST(a_spool_that_starts_over_has_no_messages_and_no_positions)
{
    char before[65], after[65];
    make_dir();
    struct spool *s = open_spool();
    append(s, "a", 5, before);
    append(s, "b", 6, NULL);
    ck_assert(result_ok(spool_start_over(s)));
    ck_assert_uint_eq(spool_pending(s), 0);
    ck_assert_int_eq(spool_position(s, "csv:a.csv"), INT64_MIN);
    spool_close(&s);
    s = open_spool();
    ck_assert_uint_eq(spool_pending(s), 0);
    ck_assert_int_eq(spool_pending_readings(s), 0);
    ck_assert_int_eq(spool_position(s, "csv:a.csv"), INT64_MIN);
    append(s, "c", 7, after);
    expect_head(s, "c", after);
    ck_assert_str_ne(before, after);
    spool_close(&s);
    drop_dir();
}
END_TEST

START_TEST(positions_are_kept_per_source_and_can_be_forgotten)
{
    make_dir();
    struct spool *s = open_spool();
    append(s, "a", 5, NULL);
    ck_assert_int_eq(spool_position(s, "csv:b.csv"), INT64_MIN);
    ck_assert_int_eq(spool_position(s, "csv:a.csv"), 5);
    spool_forget(s, "csv:a.csv");
    ck_assert_int_eq(spool_position(s, "csv:a.csv"), INT64_MIN);
    spool_close(&s);
    drop_dir();
}
END_TEST

START_TEST(a_record_of_lies_is_not_read)
{
    static const char *const lies[] = {"",
                                       "NJ1",
                                       "NJ1 M 00000000 00000000 00000000\n",
                                       "NJ1 M 00000000 ffffffff ffffffff\n\n",
                                       "NJ1 M 00000000 -0000001 00000000\n\n",
                                       "NJ2 M 00000000 00000000 00000000\n\n"};
    struct spool_record r;
    for (size_t i = 0; i < ARRAY_LEN(lies); i++) {
        ck_assert(!spool_record_read(lies[i], strlen(lies[i]), &r));
    }
}
END_TEST

UNIT_MAIN("sim_spool", a_message_survives_a_restart_with_its_id_and_bytes, a_delivered_message_does_not_come_back,
          a_journal_cut_at_any_byte_keeps_every_whole_record, a_damaged_byte_ends_the_journal_there,
          ids_never_repeat_even_when_the_end_was_lost, an_empty_journal_is_shortened_and_numbers_go_on,
          a_sparse_journal_keeps_what_waits_when_shortened, a_second_process_and_another_owner_are_kept_out,
          state_is_replaced_whole_and_private, a_spool_that_starts_over_has_no_messages_and_no_positions,
          positions_are_kept_per_source_and_can_be_forgotten, a_record_of_lies_is_not_read)
