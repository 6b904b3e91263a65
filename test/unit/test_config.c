#include "unit.h"

#include <string.h>

#include "app/config.h"
#include "base/clock.h"
#include "base/mem.h"

#define DESTINATION                                                                                                    \
    "[destination nation]\n"                                                                                           \
    "url = https://127.0.0.1:9443\n"                                                                                   \
    "cert_file = c.pem\nkey_file = c.key\nca_file = ca.pem\n"

static struct config loaded(const char *text)
{
    struct config c;
    struct result r = config_load_text(text, "/etc/nhjc", &c);
    ck_assert_msg(result_ok(r), "%s", r.text);
    return c;
}

/* The whole text is refused with these words, and nothing is given. */
static void refused(const char *text, const char *words)
{
    struct config c;
    struct result r = config_load_text(text, "/etc/nhjc", &c);
    ck_assert_int_eq(r.kind, ERR_SENDER);
    ck_assert_msg(strstr(r.text, words) != NULL, "\"%s\" lacks \"%s\"", r.text, words);
    ck_assert_ptr_null(c.platform_code);
    ck_assert_ptr_null(c.destinations);
}

START_TEST(limits_are_those_of_the_contract_when_the_file_says_nothing)
{
    struct config c = loaded("");
    struct net_config net;
    config_net(&c, &net);
    ck_assert_int_eq(net.limits.header_bytes, 16 << 10);
    ck_assert_int_eq(net.limits.header_lines, 100);
    ck_assert_int_eq(net.limits.body_bytes, 32 << 20);
    ck_assert_int_eq(net.limits.handshake_ms, 10000);
    ck_assert_int_eq(net.limits.body_ms, 15000);
    ck_assert_int_eq(net.limits.body_ms_per_64k, 1000);
    ck_assert_int_eq(net.limits.idle_ms, 120000);
    ck_assert_int_eq(net.limits.body_memory, 512 << 20);
    ck_assert_int_eq(net.limits.handshakes_per_address, 2000);
    ck_assert_int_eq(net.limits.max_age_ms, 3600000);
    ck_assert_int_eq(c.plain_bytes, 64 << 20);
    ck_assert_int_eq(c.depth, 50);
    ck_assert_int_eq(c.attributes, 100);
    ck_assert_int_eq(c.tag_bytes, 64 << 10);
    ck_assert_int_eq(c.records, 200000);
    ck_assert_int_eq(c.future_ms, 300000);
    ck_assert_int_eq(c.late_grace_ms, 300000);
    ck_assert_int_eq(c.reported_tolerance_ppm, 50000);
    ck_assert_str_eq(c.identity_rule, "UID,CN");
    ck_assert_str_eq(c.timezone, "Asia/Shanghai");
    config_free(&c);
}
END_TEST

START_TEST(readings_are_kept_five_years_and_a_relay_station_keeps_days)
{
    struct config c = loaded("");
    int64_t day = INT64_C(86400000);
    ck_assert_int_eq(c.retention_raw_ms, 5 * 366 * day);
    ck_assert_int_eq(c.retention_payload_ms, 3 * 366 * day);
    config_free(&c);
    c = loaded("retention_raw = 1d\nretention_payload = 1d\n");
    ck_assert_int_eq(c.retention_raw_ms, day);
    config_free(&c);
}
END_TEST

START_TEST(no_crl_file_means_no_revocation_check)
{
    struct config c = loaded("ca_file = ca.pem\n");
    struct net_config net;
    config_net(&c, &net);
    ck_assert_str_eq(net.tls.ca_file, "/etc/nhjc/ca.pem");
    ck_assert_ptr_null(net.tls.crl_file);
    config_free(&c);
    c = loaded("crl_file = crl.pem\n");
    config_net(&c, &net);
    ck_assert_str_eq(net.tls.crl_file, "/etc/nhjc/crl.pem");
    config_free(&c);
}
END_TEST

START_TEST(a_destination_inherits_our_code_and_name)
{
    struct config c = loaded("platform_code = 420100\nplatform_name = 武汉\n" DESTINATION);
    ck_assert_uint_eq(c.destination_count, 1);
    ck_assert_str_eq(c.destinations[0].name, "nation");
    ck_assert_str_eq(c.destinations[0].platform_code, "420100");
    ck_assert_str_eq(c.destinations[0].platform_name, "武汉");
    ck_assert_int_eq(c.destinations[0].batch_records, 20000);
    ck_assert_str_eq(c.destinations[0].key_file, "/etc/nhjc/c.key");
    ck_assert(c.destinations[0].active);
    config_free(&c);
    c = loaded("platform_code = 420100\n" DESTINATION "platform_code = 420000\n");
    ck_assert_str_eq(c.destinations[0].platform_code, "420000");
    config_free(&c);
}
END_TEST

START_TEST(what_a_row_cannot_say_is_checked_too)
{
    refused("platform_code = 42000\n", "platform_code");
    refused("platform_code = 42000A\n", "platform_code");
    refused("clock_offset = tomorrow\n", "clock_offset");
    refused("identity_rule = UID,EMAIL\n", "EMAIL");
    refused("identity_rule = ,\n", "identity_rule");
    refused("public_url = http://x\n", "public_url");
    refused("[destination a]\nurl = http://x\n", "https://");
    refused("[destination a]\nurl = https://x\n", "cert_file");
    refused(DESTINATION "platform_code = 1\n", "[destination nation]: platform_code");
    refused(DESTINATION "retry_min = 10m\n", "retry_min");
    refused("workers = 0\n", "workers");
    refused("body_bytes = 600M\n", "body_memory");
    refused("retention_audit = 183d\n", "retention_audit"); /* six months at least */
    refused("retention_raw = 23h\n", "retention_raw");
    refused("retention_payload = 23h\n", "retention_payload");
    refused("no_such_option = 1\n", "no_such_option");
}
END_TEST

START_TEST(more_destinations_than_ingest_can_serve_are_refused)
{
    struct buf text = BUF_INIT;
    for (int i = 0; i < CONFIG_MAX_DESTINATIONS; i++) {
        buf_printf(&text, "[destination d%d]\nurl=https://h\ncert_file=a\nkey_file=b\nca_file=c\n", i);
    }
    struct config c = loaded(buf_str(&text));
    ck_assert_uint_eq(c.destination_count, CONFIG_MAX_DESTINATIONS);
    config_free(&c);
    buf_append_str(&text, DESTINATION);
    refused(buf_str(&text), "destinations");
    buf_free(&text);
}
END_TEST

START_TEST(the_clock_offset_has_sign_and_unit)
{
    static const struct {
        const char *text;
        int64_t us;
    } CASES[] = {{"", 0},
                 {"3d", 3 * 86400 * USEC_PER_SEC},
                 {"+3d", 3 * 86400 * USEC_PER_SEC},
                 {"-2h", -7200 * USEC_PER_SEC},
                 {"90m", 5400 * USEC_PER_SEC},
                 {"1500ms", 1500000},
                 {"15s", 15 * USEC_PER_SEC}};
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        char *text = mem_printf("clock_offset = %s\n", CASES[i].text);
        struct config c = loaded(text);
        ck_assert_int_eq(config_clock_offset(&c), CASES[i].us);
        config_free(&c);
        mem_free(text);
    }
    refused("clock_offset = 3\n", "clock_offset");
    refused("clock_offset = --3d\n", "clock_offset");
    refused("clock_offset = 3dd\n", "clock_offset");
    refused("clock_offset = 999999999d\n", "clock_offset");
}
END_TEST

START_TEST(a_server_needs_certificate_key_and_ca)
{
    struct config c = loaded("cert_file=a\nkey_file=b\nca_file=c\n");
    ck_assert(result_ok(config_check_server(&c)));
    config_free(&c);
    static const char *const LACKING[] = {"key_file=b\nca_file=c\n", "cert_file=a\nca_file=c\n",
                                          "cert_file=a\nkey_file=b\n"};
    static const char *const NAMES[] = {"cert_file", "key_file", "ca_file"};
    for (size_t i = 0; i < ARRAY_LEN(LACKING); i++) {
        c = loaded(LACKING[i]);
        struct result r = config_check_server(&c);
        ck_assert_int_eq(r.kind, ERR_SENDER);
        ck_assert_ptr_nonnull(strstr(r.text, NAMES[i]));
        config_free(&c);
    }
}
END_TEST

static void restart_needed(const char *running, const char *wanted, const char *names)
{
    struct config a = loaded(running), b = loaded(wanted);
    struct buf out = BUF_INIT;
    config_restart_options(&a, &b, &out);
    ck_assert_str_eq(buf_str(&out), names);
    buf_free(&out);
    config_free(&a);
    config_free(&b);
}

START_TEST(a_reload_names_what_needs_a_restart)
{
    restart_needed("workers=4\n", "workers=4\n", "");
    restart_needed("cert_file=a\nlog_level=info\n", "cert_file=b\nlog_level=debug\ncrl_file=c\n", "");
    restart_needed("workers=4\n", "workers=5\nlisten_host=127.0.0.1\n", "listen_host, workers");
    restart_needed("payload_encryption=no\n", "payload_encryption=yes\n", "payload_encryption");
    restart_needed("", DESTINATION, "转发目标数 number of destinations");
    restart_needed(DESTINATION, DESTINATION "active = no\n", "destination nation");
    restart_needed(DESTINATION, DESTINATION, "");
}
END_TEST

START_TEST(every_option_is_explained_in_chinese_then_english)
{
    char *sample = config_sample(), *rest = sample;
    int told = 0;
    for (char *line; (line = strsep(&rest, "\n"));) {
        if (strncmp(line, "# ", 2) != 0)
            continue;
        char *english = strstr(line, "；");
        ck_assert_msg(english && (unsigned char)line[2] != 0, "%s", line);
        bool chinese = false;
        for (const char *p = line; p < english; p++)
            chinese |= (unsigned char)*p >= 0xe4 && (unsigned char)*p <= 0xe9;
        ck_assert_msg(chinese, "%s", line);
        ck_assert_msg(strpbrk(english, "abcdefghijklmnopqrstuvwxyz") != NULL, "%s", line);
        told++;
    }
    ck_assert_int_gt(told, 60);
    mem_free(sample);
}
END_TEST

START_TEST(the_sample_is_a_valid_file)
{
    char *sample = config_sample();
    ck_assert_ptr_nonnull(strstr(sample, "platform_code"));
    ck_assert_ptr_nonnull(strstr(sample, "partitions_ahead"));
    struct config c = loaded(sample);
    ck_assert_int_eq(c.workers, 4);
    config_free(&c);
    mem_free(sample);
}
END_TEST

UNIT_MAIN("config", limits_are_those_of_the_contract_when_the_file_says_nothing,
          readings_are_kept_five_years_and_a_relay_station_keeps_days, no_crl_file_means_no_revocation_check,
          a_destination_inherits_our_code_and_name, what_a_row_cannot_say_is_checked_too,
          more_destinations_than_ingest_can_serve_are_refused, the_clock_offset_has_sign_and_unit,
          a_server_needs_certificate_key_and_ca, a_reload_names_what_needs_a_restart, the_sample_is_a_valid_file,
          every_option_is_explained_in_chinese_then_english)
