/* result, mem, utf8, buf, arena, clock, backoff, hash, secret. */
#include "unit.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/backoff.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/result.h"
#include "base/secret.h"
#include "base/utf8.h"

/* ---- result ---- */

START_TEST(an_error_text_outlives_sixteen_further_errors)
{
    struct result first = result_error(ERR_CONFLICT, 2107, "first %d", 1);
    for (int i = 0; i < 16; i++) {
        ck_assert_int_eq(result_error(ERR_INTERNAL, 0, "later %d", i).kind, ERR_INTERNAL);
    }
    ck_assert_str_eq(first.text, "first 1");
    ck_assert_int_eq(first.code, 2107);
}
END_TEST

START_TEST(an_error_may_quote_the_error_it_wraps)
{
    struct result r = result_error(ERR_TRANSIENT, 9102, "no connection");
    for (int i = 0; i < 40; i++) {
        r = result_error(r.kind, r.code, "%.20s+%d", r.text, i);
    }
    ck_assert_str_eq(r.text, "no connection+0+1+2++39");
}
END_TEST

START_TEST(a_long_error_text_is_cut_not_overrun)
{
    char text[2000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = 0;
    struct result r = result_error(ERR_LIMIT, 1107, "%s", text);
    ck_assert_uint_lt(strlen(r.text), sizeof text);
    ck_assert_uint_ge(strlen(r.text), 200);
}
END_TEST

START_TEST(every_kind_has_its_own_name)
{
    for (int i = ERR_NONE; i <= ERR_INTERNAL; i++) {
        for (int k = ERR_NONE; k < i; k++) {
            ck_assert_str_ne(err_kind_name((enum err_kind)i), err_kind_name((enum err_kind)k));
        }
    }
    ck_assert_str_eq(err_kind_name(ERR_TRANSIENT), "transient");
    ck_assert_str_eq(err_kind_name((enum err_kind)99), "unknown");
}
END_TEST

static RESULT fails(void)
{
    return result_error(ERR_NOT_FOUND, 0, "gone");
}

static RESULT tries(bool fail, int *reached)
{
    if (fail) {
        TRY(fails());
    }
    TRY(RESULT_OK);
    *reached = 1;
    return RESULT_OK;
}

START_TEST(try_returns_the_first_error_and_passes_success)
{
    int reached = 0;
    ck_assert_int_eq(tries(true, &reached).kind, ERR_NOT_FOUND);
    ck_assert_int_eq(reached, 0);
    ck_assert(result_ok(tries(false, &reached)));
    ck_assert_int_eq(reached, 1);
}
END_TEST

/* ---- mem ---- */

START_TEST(memory_is_zeroed_and_copies_are_bounded)
{
    unsigned char *p = mem_alloc(100), *q = mem_array(10, 10);
    for (int i = 0; i < 100; i++) {
        ck_assert_int_eq(p[i] | q[i], 0);
    }
    mem_free(p);
    mem_free(q);
    char *copy = mem_strndup("abcdef", 3), *whole = mem_strndup("ab", 99), *made = mem_printf("%03d", 7);
    ck_assert_str_eq(copy, "abc");
    ck_assert_str_eq(whole, "ab");
    ck_assert_str_eq(made, "007");
    ck_assert_ptr_null(mem_strdup(NULL));
    mem_free(copy);
    mem_free(whole);
    mem_free(made);
    mem_free(mem_alloc(0));
    mem_free(NULL);
}
END_TEST

/* ---- utf8 ---- */

START_TEST(utf8_accepts_every_character_and_counts_it_once)
{
    uint32_t code;
    ck_assert_uint_eq(utf8_next("\x7f", 1, &code), 1);
    ck_assert_uint_eq(utf8_next("\xc2\x80", 2, &code), 2);
    ck_assert_uint_eq(code, 0x80);
    ck_assert_uint_eq(utf8_next("\xe0\xa0\x80", 3, &code), 3);
    ck_assert_uint_eq(code, 0x800);
    ck_assert_uint_eq(utf8_next("\xf4\x8f\xbf\xbf", 4, &code), 4);
    ck_assert_uint_eq(code, 0x10ffff);
    ck_assert_uint_eq(utf8_next("\0x", 2, &code), 1);
    ck_assert_uint_eq(utf8_count("钢a厂", strlen("钢a厂")), 3);
    ck_assert_uint_eq(utf8_count("", 0), 0);
}
END_TEST

START_TEST(utf8_refuses_overlong_cut_surrogate_and_foreign_bytes)
{
    static const char *const bad[] = {"\x80",
                                      "\xc0\x80",
                                      "\xc1\xbf",
                                      "\xc2",
                                      "\xe0\x9f\xbf",
                                      "\xe4\xb8",
                                      "\xed\xa0\x80",
                                      "\xed\xbf\xbf",
                                      "\xf0\x8f\xbf\xbf",
                                      "\xf4\x90\x80\x80",
                                      "\xf5\x80\x80\x80",
                                      "\xff",
                                      "\xb8\xd6\xb3\xa7" /* 钢厂 in GBK */,
                                      ("a\xe4\xb8"
                                       "b")};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        ck_assert_msg(!utf8_valid(bad[i], strlen(bad[i])), "text %zu was accepted", i);
    }
}
END_TEST

START_TEST(utf8_cut_never_splits_a_character)
{
    const char *text = "a钢厂";
    size_t expected[] = {0, 1, 1, 1, 4, 4, 4, 7, 7};
    for (size_t max = 0; max < ARRAY_LEN(expected); max++) {
        ck_assert_uint_eq(utf8_cut(text, strlen(text), max), expected[max]);
    }
}
END_TEST

/* ---- buf ---- */

START_TEST(buf_text_is_always_terminated)
{
    struct buf b = BUF_INIT;
    ck_assert_str_eq(buf_str(&b), "");
    buf_printf(&b, "%s %d", "a", 1);
    ck_assert_str_eq(buf_str(&b), "a 1");
    buf_append_char(&b, '!');
    buf_append_str(&b, "");
    ck_assert_str_eq(buf_str(&b), "a 1!");
    buf_clear(&b);
    ck_assert_str_eq(buf_str(&b), "");
    ck_assert_uint_eq(b.len, 0);
    buf_free(&b);
    ck_assert_str_eq(buf_str(&b), "");
}
END_TEST

START_TEST(buf_holds_what_was_appended_at_every_length)
{
    struct buf b;
    buf_init(&b);
    for (size_t n = 0; n < 3000; n++) {
        buf_append_char(&b, (char)('a' + n % 26));
        ck_assert_uint_eq(b.len, n + 1);
        ck_assert_int_eq(b.data[b.len], 0);
    }
    for (size_t n = 0; n < 3000; n++) {
        ck_assert_int_eq(b.data[n], 'a' + (int)(n % 26));
    }
    buf_free(&b);
}
END_TEST

START_TEST(buf_printf_of_any_length_around_the_room_left)
{
    for (int n = 0; n < 300; n++) {
        struct buf b = BUF_INIT;
        buf_append_str(&b, "x");
        buf_printf(&b, "%*s", n, "");
        buf_printf(&b, "%s", "y");
        ck_assert_uint_eq(b.len, (size_t)n + 2);
        ck_assert_int_eq(b.data[b.len - 1], 'y');
        buf_free(&b);
    }
}
END_TEST

START_TEST(buf_consume_drops_from_the_front)
{
    struct buf b = BUF_INIT;
    buf_append_str(&b, "abcdef");
    buf_consume(&b, 0);
    buf_consume(&b, 2);
    ck_assert_str_eq(buf_str(&b), "cdef");
    buf_consume(&b, 99);
    ck_assert_str_eq(buf_str(&b), "");
    buf_free(&b);
}
END_TEST

START_TEST(buf_steal_gives_the_bytes_away_even_when_empty)
{
    struct buf b = BUF_INIT;
    size_t len = 99;
    uint8_t *nothing = buf_steal(&b, &len);
    ck_assert_uint_eq(len, 0);
    ck_assert_str_eq((char *)nothing, "");
    buf_append_str(&b, "abc");
    uint8_t *bytes = buf_steal(&b, NULL);
    ck_assert_str_eq((char *)bytes, "abc");
    ck_assert_ptr_null(b.data);
    mem_free(nothing);
    mem_free(bytes);
}
END_TEST

START_TEST(text_is_escaped_for_xml)
{
    struct buf b = BUF_INIT;
    buf_append_xml(&b, "<钢 a='1' & \"2\">\t\r\n\x01\xff\x7f\xef\xbf\xbf");
    ck_assert_str_eq(buf_str(&b), "&lt;钢 a=&apos;1&apos; &amp; &quot;2&quot;&gt;&#9;&#13;&#10;"
                                  "\xef\xbf\xbd\xef\xbf\xbd&#127;\xef\xbf\xbd");
    buf_free(&b);
}
END_TEST

START_TEST(text_is_escaped_for_json)
{
    struct buf b = BUF_INIT;
    buf_append_json(&b, "钢\"\\\n\t\x01</script>\xff\xe2\x80\xa8");
    ck_assert_str_eq(buf_str(&b), "\"钢\\\"\\\\\\n\\t\\u0001\\u003c/script>\xef\xbf\xbd\\u2028\"");
    buf_free(&b);
}
END_TEST

/* ---- arena ---- */

START_TEST(arena_memory_is_zeroed_aligned_and_apart)
{
    struct arena *a = arena_new(0);
    unsigned char *last = NULL;
    for (size_t n = 0; n < 3000; n += 7) {
        unsigned char *p = arena_alloc(a, n);
        ck_assert_uint_eq((uintptr_t)p % _Alignof(max_align_t), 0);
        for (size_t i = 0; i < n; i++) {
            if (p[i] != 0) {
                ck_abort_msg("not zeroed");
            }
        }
        memset(p, 0xaa, n);
        ck_assert_ptr_ne(p, last);
        last = p;
    }
    arena_free(&a);
    ck_assert_ptr_null(a);
    arena_free(&a);
}
END_TEST

START_TEST(arena_reset_gives_zeroed_memory_again_and_forgets_the_excess)
{
    struct arena *a = arena_new(1000);
    memset(arena_alloc(a, 900), 0xff, 900);
    ck_assert(!arena_exceeded(a));
    memset(arena_alloc(a, 1 << 20), 0xff, 1 << 20);
    ck_assert(arena_exceeded(a));
    ck_assert_uint_ge(arena_used(a), (1 << 20) + 900);
    arena_reset(a);
    ck_assert(!arena_exceeded(a));
    ck_assert_uint_eq(arena_used(a), 0);
    unsigned char *p = arena_alloc(a, 900);
    for (int i = 0; i < 900; i++) {
        ck_assert_int_eq(p[i], 0);
    }
    arena_free(&a);
}
END_TEST

START_TEST(arena_limit_is_exact_to_one_alignment_step)
{
    struct arena *a = arena_new(1600);
    for (int i = 0; i < 100; i++) {
        arena_alloc(a, 16);
        ck_assert(!arena_exceeded(a));
    }
    arena_alloc(a, 1);
    ck_assert(arena_exceeded(a));
    arena_free(&a);
}
END_TEST

START_TEST(arena_copies_and_prints_text_of_any_length)
{
    struct arena *a = arena_new(0);
    ck_assert_str_eq(arena_strdup(a, "abc"), "abc");
    ck_assert_str_eq(arena_strndup(a, "abcdef", 2), "ab");
    ck_assert_ptr_null(arena_strdup(a, NULL));
    ck_assert_str_eq(arena_printf(a, "%d-%s", 7, "x"), "7-x");
    ck_assert_uint_eq(strlen(arena_printf(a, "%*d", 50000, 1)), 50000);
    arena_free(&a);
}
END_TEST

START_TEST(arena_push_keeps_all_elements_while_growing)
{
    struct arena *a = arena_new(0);
    int *items = NULL;
    size_t count = 0, cap = 0;
    for (int i = 0; i < 10000; i++) {
        *ARENA_PUSH(a, items, count, cap) = i;
    }
    ck_assert_uint_eq(count, 10000);
    for (int i = 0; i < 10000; i++) {
        ck_assert_int_eq(items[i], i);
    }
    arena_free(&a);
}
END_TEST

/* ---- clock ---- */

START_TEST(the_fake_clock_moves_only_when_told)
{
    clock_set_fake(5 * USEC_PER_SEC);
    ck_assert_int_eq(clock_now(), 5 * USEC_PER_SEC);
    ck_assert_int_eq(clock_now(), 5 * USEC_PER_SEC);
    clock_advance(7);
    ck_assert_int_eq(clock_now(), 5 * USEC_PER_SEC + 7);
    clock_set_real();
    ck_assert_int_gt(clock_now(), INT64_C(1600000000) * USEC_PER_SEC);
}
END_TEST

START_TEST(an_offset_clock_runs_on_another_day)
{
    clock_set_real();
    int64_t offset = -INT64_C(365) * 86400 * USEC_PER_SEC, before = clock_now() + offset;
    clock_set_offset(offset);
    int64_t now = clock_now();
    clock_set_real();
    int64_t after = clock_now() + offset;
    ck_assert_int_ge(now, before);
    ck_assert_int_le(now, after);
}
END_TEST

START_TEST(the_monotonic_clock_ignores_the_fake)
{
    int64_t before = clock_monotonic();
    clock_set_fake(0);
    int64_t after = clock_monotonic();
    clock_set_real();
    ck_assert_int_ge(after, before);
    ck_assert_int_lt(after - before, INT64_C(60000000000));
}
END_TEST

/* ---- backoff ---- */

START_TEST(backoff_doubles_its_ceiling_up_to_the_maximum)
{
    struct backoff b;
    backoff_init(&b, 100, 1000, 5000, 1);
    static const int64_t ceilings[] = {100, 200, 400, 800, 1000, 1000};
    for (size_t i = 0; i < ARRAY_LEN(ceilings); i++) {
        int64_t delay = backoff_fail(&b, 0);
        ck_assert_int_eq(b.current_ms, ceilings[i]);
        ck_assert_int_ge(delay, 1);
        ck_assert_int_le(delay, ceilings[i]);
    }
}
END_TEST

START_TEST(backoff_spreads_its_delays_over_the_whole_range)
{
    struct backoff b;
    backoff_init(&b, 1000, 1000, 0, 42);
    int tenth[10] = {0};
    for (int i = 0; i < 10000; i++) {
        tenth[(backoff_fail(&b, 0) - 1) / 100]++;
    }
    for (int i = 0; i < 10; i++) {
        ck_assert_int_gt(tenth[i], 800);
        ck_assert_int_lt(tenth[i], 1200);
    }
}
END_TEST

START_TEST(backoff_with_another_seed_gives_other_delays)
{
    struct backoff a, b;
    backoff_init(&a, 1 << 20, 1 << 20, 0, 1);
    backoff_init(&b, 1 << 20, 1 << 20, 0, 2);
    int same = 0;
    for (int i = 0; i < 100; i++) {
        same += backoff_fail(&a, 0) == backoff_fail(&b, 0);
    }
    ck_assert_int_lt(same, 5);
}
END_TEST

static void fail_often(struct backoff *b)
{
    for (int i = 0; i < 5; i++) {
        backoff_fail(b, 0);
    }
}

START_TEST(one_success_does_not_make_backoff_fast_again)
{
    struct backoff b;
    backoff_init(&b, 100, 1000, 5000, 1);
    fail_often(&b);
    backoff_success(&b, 10);
    backoff_fail(&b, 20);
    ck_assert_int_eq(b.current_ms, 1000);
    backoff_fail(&b, 100000); /* long after, but nothing had succeeded meanwhile */
    ck_assert_int_eq(b.current_ms, 1000);
}
END_TEST

START_TEST(a_stable_period_makes_backoff_fast_again)
{
    struct backoff b;
    backoff_init(&b, 100, 1000, 5000, 1);
    fail_often(&b);
    backoff_success(&b, 1000);
    backoff_success(&b, 5999);
    ck_assert_int_eq(b.current_ms, 1000);
    backoff_success(&b, 6000);
    ck_assert_int_eq(b.current_ms, 0);
    backoff_fail(&b, 6001);
    ck_assert_int_eq(b.current_ms, 100);
}
END_TEST

START_TEST(a_long_quiet_success_counts_as_stable_at_the_next_failure)
{
    struct backoff b;
    backoff_init(&b, 100, 1000, 5000, 1);
    fail_often(&b);
    backoff_success(&b, 1000);
    backoff_fail(&b, 900000);
    ck_assert_int_eq(b.current_ms, 100);
}
END_TEST

/* ---- hash ---- */

START_TEST(hash_bytes_depends_on_every_byte_the_length_and_the_seed)
{
    unsigned char bytes[64] = {0};
    for (size_t n = 0; n < sizeof bytes; n++) {
        uint64_t before = hash_bytes(bytes, n, 1);
        ck_assert_uint_eq(hash_bytes(bytes, n, 1), before);
        ck_assert_uint_ne(hash_bytes(bytes, n, 2), before);
        ck_assert_uint_ne(hash_bytes(bytes, n + 1, 1), before);
        for (size_t i = 0; i < n; i++) {
            bytes[i] ^= 1;
            ck_assert_uint_ne(hash_bytes(bytes, n, 1), before);
            bytes[i] ^= 1;
        }
    }
}
END_TEST

static bool sum_values(const char *key, void *value, void *arg)
{
    (void)key;
    *(uintptr_t *)arg += (uintptr_t)value;
    return true;
}

static bool stop_at_once(const char *key, void *value, void *arg)
{
    (void)key;
    (void)value;
    ++*(int *)arg;
    return false;
}

START_TEST(hash_agrees_with_a_plain_array_under_random_use)
{
    enum { KEYS = 500 };
    static void *expected[KEYS];
    memset(expected, 0, sizeof expected);
    struct hash *h = hash_new();
    size_t count = 0;
    unsigned random = 12345;
    for (int step = 0; step < 100000; step++) {
        random = random * 1664525 + 1013904223;
        unsigned k = (random >> 8) % KEYS, op = (random >> 24) % 3;
        char key[16];
        snprintf(key, sizeof key, "key-%u", k);
        if (op == 0) {
            void *value = (void *)(uintptr_t)(step + 1);
            ck_assert(hash_put(h, key, value) == expected[k]);
            count += expected[k] == NULL;
            expected[k] = value;
        } else if (op == 1) {
            ck_assert(hash_remove(h, key) == expected[k]);
            count -= expected[k] != NULL;
            expected[k] = NULL;
        } else {
            ck_assert(hash_get(h, key) == expected[k]);
        }
        ck_assert_uint_eq(hash_count(h), count);
    }
    uintptr_t sum = 0, expected_sum = 0;
    for (int k = 0; k < KEYS; k++) {
        expected_sum += (uintptr_t)expected[k];
    }
    hash_each(h, sum_values, &sum);
    ck_assert_uint_eq(sum, expected_sum);
    int calls = 0;
    hash_each(h, stop_at_once, &calls);
    ck_assert_int_eq(calls, 1);
    hash_free(&h);
    ck_assert_ptr_null(h);
    hash_free(&h);
}
END_TEST

START_TEST(hash_copies_its_keys)
{
    struct hash *h = hash_new();
    char key[] = "abc";
    int value;
    hash_put(h, key, &value);
    key[0] = 'x';
    ck_assert_ptr_eq(hash_get(h, "abc"), &value);
    ck_assert_ptr_null(hash_get(h, "xbc"));
    ck_assert_ptr_null(hash_remove(h, "xbc"));
    hash_free(&h);
}
END_TEST

/* ---- secret ---- */

START_TEST(random_hex_is_lower_case_digits_and_differs_each_time)
{
    char a[33], b[33];
    random_hex(a, 16);
    random_hex(b, 16);
    ck_assert_uint_eq(strlen(a), 32);
    ck_assert_uint_eq(strspn(a, "0123456789abcdef"), 32);
    ck_assert_str_ne(a, b);
}
END_TEST

START_TEST(random_hex_uses_every_digit_everywhere)
{
    int seen[32][128] = {{0}};
    char text[33];
    for (int i = 0; i < 2000; i++) {
        random_hex(text, 16);
        for (int k = 0; k < 32; k++) {
            seen[k][(unsigned char)text[k]]++;
        }
    }
    for (int k = 0; k < 32; k++) {
        for (const char *d = "0123456789abcdef"; *d; d++) {
            if (!seen[k][(unsigned char)*d]) {
                ck_abort_msg("digit %c never came at place %d", *d, k);
            }
        }
    }
}
END_TEST

START_TEST(hex_reads_back_what_was_written_and_nothing_else)
{
    unsigned char bytes[256], back[256];
    for (int i = 0; i < 256; i++) {
        bytes[i] = (unsigned char)i;
    }
    struct buf hex = BUF_INIT;
    buf_append_hex(&hex, bytes, sizeof bytes);
    ck_assert(hex_decode(buf_str(&hex), hex.len, back));
    ck_assert_mem_eq(bytes, back, sizeof bytes);
    ck_assert(hex_decode("aBcD", 4, back));
    ck_assert_int_eq(back[0], 0xab);
    ck_assert(hex_decode("", 0, back));
    ck_assert(!hex_decode("abc", 3, back));
    ck_assert(!hex_decode("0g", 2, back));
    ck_assert(!hex_decode("0:", 2, back));
    ck_assert(!hex_decode(" 1", 2, back));
    buf_free(&hex);
}
END_TEST

START_TEST(secrets_compare_by_all_bytes_and_are_wiped)
{
    unsigned char a[32] = {1, 2, 3}, b[32] = {1, 2, 3};
    ck_assert(secret_equal(a, b, sizeof a));
    for (size_t i = 0; i < sizeof a; i++) {
        b[i] ^= 0x80;
        ck_assert(!secret_equal(a, b, sizeof a));
        b[i] ^= 0x80;
    }
    ck_assert(secret_equal(a, b, 0));
    secret_wipe(a, sizeof a);
    unsigned char zero[32] = {0};
    ck_assert_mem_eq(a, zero, sizeof a);
    secret_wipe(NULL, 0);
}
END_TEST

UNIT_MAIN("base", an_error_text_outlives_sixteen_further_errors, an_error_may_quote_the_error_it_wraps,
          a_long_error_text_is_cut_not_overrun, every_kind_has_its_own_name,
          try_returns_the_first_error_and_passes_success, memory_is_zeroed_and_copies_are_bounded,
          utf8_accepts_every_character_and_counts_it_once, utf8_refuses_overlong_cut_surrogate_and_foreign_bytes,
          utf8_cut_never_splits_a_character, buf_text_is_always_terminated, buf_holds_what_was_appended_at_every_length,
          buf_printf_of_any_length_around_the_room_left, buf_consume_drops_from_the_front,
          buf_steal_gives_the_bytes_away_even_when_empty, text_is_escaped_for_xml, text_is_escaped_for_json,
          arena_memory_is_zeroed_aligned_and_apart, arena_reset_gives_zeroed_memory_again_and_forgets_the_excess,
          arena_limit_is_exact_to_one_alignment_step, arena_copies_and_prints_text_of_any_length,
          arena_push_keeps_all_elements_while_growing, the_fake_clock_moves_only_when_told,
          an_offset_clock_runs_on_another_day, the_monotonic_clock_ignores_the_fake,
          backoff_doubles_its_ceiling_up_to_the_maximum, backoff_spreads_its_delays_over_the_whole_range,
          backoff_with_another_seed_gives_other_delays, one_success_does_not_make_backoff_fast_again,
          a_stable_period_makes_backoff_fast_again, a_long_quiet_success_counts_as_stable_at_the_next_failure,
          hash_bytes_depends_on_every_byte_the_length_and_the_seed, hash_agrees_with_a_plain_array_under_random_use,
          hash_copies_its_keys, random_hex_is_lower_case_digits_and_differs_each_time,
          random_hex_uses_every_digit_everywhere, hex_reads_back_what_was_written_and_nothing_else,
          secrets_compare_by_all_bytes_and_are_wiped)
