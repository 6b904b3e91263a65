#include <string.h>

#include "base/arena.h"
#include "base/caltime.h"
#include "base/mem.h"
#include "fep/pack.h"
#include "payload/envelope.h"
#include "payload/payload.h"
#include "unit.h"

#define NS "xmlns=\"urn:nhjc:data:v1\" "
#define STEEL "914201007XXXXXXXX1"
#define GLASS "914201007XXXXXXXX2"

static void ready(void)
{
    payload_init();
    ck_assert(caltime_set_zone("Asia/Shanghai").kind == ERR_NONE);
}

/* An archived payload as ingest stores it: compressed or not, sealed or not, with its digest. */
struct archived {
    struct buf content;
    unsigned char digest[33];
    struct pack_source source;
};

static const unsigned char KEY[16] = "0123456789abcdef";

static void archive(struct archived *a, const char *xml, bool gzip, int cipher)
{
    *a = (struct archived){0};
    struct buf packed = BUF_INIT;
    a->digest[0] = DIGEST_SHA_256;
    ck_assert(envelope_digest(DIGEST_SHA_256, xml, strlen(xml), a->digest + 1).kind == ERR_NONE);
    if (gzip)
        ck_assert(envelope_gzip(xml, strlen(xml), &packed).kind == ERR_NONE);
    else
        buf_append_str(&packed, xml);
    if (cipher == CIPHER_NONE)
        buf_append(&a->content, packed.data, packed.len);
    else
        ck_assert(
            envelope_encrypt((enum content_cipher)cipher, KEY, sizeof KEY, packed.data, packed.len, &a->content).kind ==
            ERR_NONE);
    buf_free(&packed);
    a->source = (struct pack_source){.content = a->content.data,
                                     .content_len = a->content.len,
                                     .encoding = gzip ? ENCODING_GZIP : ENCODING_IDENTITY,
                                     .cipher = cipher,
                                     .digest = a->digest,
                                     .digest_len = sizeof a->digest,
                                     .key = cipher == CIPHER_NONE ? NULL : KEY,
                                     .key_len = cipher == CIPHER_NONE ? 0 : sizeof KEY};
}

static struct pack_view *view_of(const char *xml, const int32_t *rejected, size_t rejected_count)
{
    struct archived a;
    struct pack_view *view = NULL;
    archive(&a, xml, true, CIPHER_NONE);
    a.source.rejected = rejected;
    a.source.rejected_count = rejected_count;
    struct result r = pack_open(&a.source, &view);
    ck_assert_msg(r.kind == ERR_NONE, "%s", r.text);
    buf_free(&a.content);
    return view;
}

#define HEAD "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
#define SET_HEAD HEAD "<energyDataSet " NS "platformCode=\"420000\" uploadDate=\"2026-11-20 12:00:00\">\n"
#define DATE "uploadDate=\"2026-11-20 10:16:02\""
#define DATA(code, stat, date, value, more)                                                                            \
    "<data dataCode=\"" code "\" statType=\"" stat "\" statDate=\"" date "\" dataValue=\"" value                       \
    "\" inputType=\"4\" scope=\"1\"" more "/>\n"
#define PLAIN(value) DATA("0000000002330011", "0", "2026-11-20 10:00:00", value, "")

static struct pack *new_set(void)
{
    return pack_new(PACK_DATA, "420000", "2026-11-20 12:00:00");
}

/* Ends the pack and compares the XML; the digest and the compressed bytes must belong to it. */
static void finish_as(struct pack *p, const char *expected)
{
    struct buf gzip = BUF_INIT, plain = BUF_INIT, hex = BUF_INIT;
    char digest[65];
    unsigned char sum[32];
    ck_assert(pack_finish(p, &gzip, digest).kind == ERR_NONE);
    ck_assert_str_eq(buf_str(pack_xml(p)), expected);
    ck_assert(envelope_gunzip(gzip.data, gzip.len, 1 << 20, &plain).kind == ERR_NONE);
    ck_assert_str_eq(buf_str(&plain), expected);
    ck_assert(envelope_digest(DIGEST_SHA_256, plain.data, plain.len, sum).kind == ERR_NONE);
    buf_append_hex(&hex, sum, sizeof sum);
    ck_assert_str_eq(digest, buf_str(&hex));
    buf_free(&gzip);
    buf_free(&plain);
    buf_free(&hex);
}

START_TEST(records_come_out_canonical_in_order_with_values_as_sent)
{
    ready();
    static const char in[] =
        HEAD "<energyData " NS "enterpriseCode=\"" STEEL "\" deviceId=\"0f0f\" " DATE ">"
             "<data valid=\"0\" scope=\"1\" inputType=\"4\" dataValue=\"+012.3400\" statDate=\"20261120100000\" "
             "statType=\"0\" dataCode=\"00-00-0000-023300-11\"/>"
             "<data dataCode=\"0000000002330011\" statType=\"1\" statDate=\"2026-11-19T16:00:00Z\" dataValue=\"-7\" "
             "inputType=\"5\" scope=\"1\" valid=\"true\"/>"
             "</energyData>";
    struct pack_view *v = view_of(in, NULL, 0);
    struct pack *p = new_set();
    pack_add_data(p, v, STEEL);
    ck_assert_uint_eq(pack_records(p), 2);
    finish_as(p, SET_HEAD
              "<energyData enterpriseCode=\"" STEEL "\" deviceId=\"0f0f\" " DATE
              ">\n" DATA("0000000002330011", "0", "2026-11-20 10:00:00", "+012.3400",
                         " valid=\"false\"") "<data dataCode=\"0000000002330011\" statType=\"1\" statDate=\"2026-11-20 "
                                             "00:00:00\" dataValue=\"-7\" "
                                             "inputType=\"5\" scope=\"1\"/>\n</energyData>\n</energyDataSet>\n");
    pack_free(&p);
    pack_view_free(&v);
}
END_TEST

static const char SET[] =
    HEAD "<energyDataSet " NS "platformCode=\"420100\" " DATE ">"
         "<energyData enterpriseCode=\"" STEEL "\" " DATE ">" PLAIN("1")
             PLAIN("2") "</energyData>"
                        "<energyData enterpriseCode=\"" GLASS "\" deviceId=\"dd\" " DATE ">" PLAIN("3") PLAIN("4")
                            PLAIN("5") "</energyData>"
                                       "<energyData enterpriseCode=\"" STEEL "\" " DATE ">" PLAIN("6")
                                           PLAIN("7") "</energyData>"
                                                      "</energyDataSet>";

START_TEST(refused_ordinals_count_over_the_whole_set)
{
    ready();
    static const int32_t rejected[] = {5, 1, 3}; /* values 6, 2, 4 */
    struct pack_view *v = view_of(SET, rejected, 3);
    ck_assert_uint_eq(pack_view_blocks(v), 3);
    ck_assert_uint_eq(pack_view_count(v, STEEL), 2);
    ck_assert_uint_eq(pack_view_count(v, GLASS), 2);
    ck_assert_uint_eq(pack_view_count(v, "914201007XXXXXXXX9"), 0);
    struct pack *p = new_set();
    pack_add_data(p, v, GLASS);
    pack_add_data(p, v, STEEL);
    finish_as(p, SET_HEAD "<energyData enterpriseCode=\"" GLASS "\" deviceId=\"dd\" " DATE ">\n" PLAIN("3")
                     PLAIN("5") "</energyData>\n<energyData enterpriseCode=\"" STEEL "\" " DATE
                                ">\n" PLAIN("1") "</energyData>\n<energyData enterpriseCode=\"" STEEL "\" " DATE
                                                 ">\n" PLAIN("7") "</energyData>\n</energyDataSet>\n");
    pack_free(&p);
    pack_view_free(&v);
}
END_TEST

START_TEST(a_block_without_a_record_left_is_left_out)
{
    ready();
    static const int32_t rejected[] = {0, 1, 5, 6, -1, 7, 2000000000};
    struct pack_view *v = view_of(SET, rejected, 7);
    struct pack *p = new_set();
    pack_add_data(p, v, STEEL);
    ck_assert_uint_eq(pack_records(p), 0);
    finish_as(p, SET_HEAD "</energyDataSet>\n");
    pack_free(&p);
    pack_view_free(&v);
}
END_TEST

START_TEST(texts_from_outside_stay_inside_their_attribute)
{
    ready();
    static const char in[] =
        HEAD "<energyData " NS "enterpriseCode=\"" STEEL "\" deviceId='a\"b&lt;c&amp;d' " DATE ">"
             "<data dataCode='&apos;&gt;&lt;x' statType=\"0\" statDate='\"' dataValue='1\" valid=\"false' "
             "inputType=\"4\" scope=\"1\"/></energyData>";
    struct pack_view *v = view_of(in, NULL, 0);
    struct pack *p = new_set();
    pack_add_data(p, v, STEEL);
    struct buf gzip = BUF_INIT;
    char digest[65];
    ck_assert(pack_finish(p, &gzip, digest).kind == ERR_NONE);
    struct arena *a = arena_new(0);
    struct findings f;
    findings_init(&f, a);
    struct energy_data_set set = {0};
    ck_assert(payload_read_data(pack_xml(p)->data, pack_xml(p)->len, PAYLOAD_ENERGY_DATA_SET, &PAYLOAD_LIMITS_DEFAULT,
                                a, &f, &set)
                  .kind == ERR_NONE);
    ck_assert_uint_eq(set.records, 1);
    ck_assert_str_eq(set.at[0].device_id, "a\"b<c&d");
    const struct record *r = set.at[0].records;
    ck_assert_str_eq(arena_strndup(a, r->data_code, r->data_code_len), "'><x");
    ck_assert_str_eq(arena_strndup(a, r->data_value, r->data_value_len), "1\" valid=\"false");
    ck_assert_str_eq(arena_strndup(a, r->stat_date, r->stat_date_len), "\"");
    ck_assert(r->valid);
    buf_free(&gzip);
    arena_free(&a);
    pack_free(&p);
    pack_view_free(&v);
}
END_TEST

START_TEST(sealed_payloads_are_opened_with_their_key_only)
{
    ready();
    static const char in[] =
        HEAD "<energyData " NS "enterpriseCode=\"" STEEL "\" deviceId=\"d\" " DATE ">" PLAIN("1") "</energyData>";
    static const int ciphers[] = {CIPHER_SM4_CBC, CIPHER_AES_256_CBC, CIPHER_AES_256_GCM};
    for (size_t i = 0; i < 3; i++) {
        struct archived a;
        struct pack_view *v = NULL;
        archive(&a, in, i != 1, ciphers[i]);
        ck_assert(pack_open(&a.source, &v).kind == ERR_NONE);
        ck_assert_uint_eq(pack_view_count(v, STEEL), 1);
        pack_view_free(&v);
        static const unsigned char other[16] = "another key here";
        a.source.key = other;
        ck_assert(pack_open(&a.source, &v).kind != ERR_NONE);
        ck_assert_ptr_null(v);
        a.source.key = NULL;
        a.source.key_len = 0;
        ck_assert(pack_open(&a.source, &v).kind != ERR_NONE);
        buf_free(&a.content);
    }
}
END_TEST

START_TEST(a_damaged_archive_is_noticed)
{
    ready();
    static const char in[] =
        HEAD "<energyData " NS "enterpriseCode=\"" STEEL "\" deviceId=\"d\" " DATE ">" PLAIN("1") "</energyData>";
    struct archived a;
    struct pack_view *v = NULL;
    archive(&a, in, false, CIPHER_NONE);
    char *value = strstr((char *)a.content.data, "dataValue=\"1\"");
    value[11] = '2';
    ck_assert_int_eq(pack_open(&a.source, &v).code, 2104);
    value[11] = '1';
    a.source.digest_len = 32;
    ck_assert(pack_open(&a.source, &v).kind != ERR_NONE);
    a.source.digest_len = 33;
    a.source.content_len -= 5;
    ck_assert(pack_open(&a.source, &v).kind != ERR_NONE);
    buf_free(&a.content);
}
END_TEST

START_TEST(configurations_are_wrapped_byte_for_byte)
{
    ready();
    static const char first[] = "\xEF\xBB\xBF<?xml version='1.0' encoding='utf-8'?>\n<!-- 配置 -->\n"
                                "<enterpriseConfig xmlns='urn:nhjc:config:v1'>\r\n  <enterprise a='1'/><!-- x -->\n"
                                "</enterpriseConfig>\n<!-- after -->";
    static const char second[] = "<c:enterpriseConfig xmlns:c=\"urn:nhjc:config:v1\"><c:enterprise a=\"&amp;\"/>"
                                 "</c:enterpriseConfig>";
    struct pack *p = pack_new(PACK_CONFIG, "420000", "");
    struct result r = pack_add_config(p, first, sizeof first - 1, NULL);
    ck_assert_msg(r.kind == ERR_NONE, "%s", r.text);
    r = pack_add_config(p, second, sizeof second - 1, NULL);
    ck_assert_msg(r.kind == ERR_NONE, "%s", r.text);
    ck_assert_uint_eq(pack_records(p), 2);
    finish_as(p, HEAD "<enterpriseConfigSet xmlns=\"urn:nhjc:config:v1\">\n"
                      "<enterpriseConfig xmlns='urn:nhjc:config:v1'>\r\n  <enterprise a='1'/><!-- x -->\n"
                      "</enterpriseConfig>\n"
                      "<c:enterpriseConfig xmlns:c=\"urn:nhjc:config:v1\"><c:enterprise a=\"&amp;\"/>"
                      "</c:enterpriseConfig>\n</enterpriseConfigSet>\n");
    struct arena *a = arena_new(0);
    struct findings f;
    findings_init(&f, a);
    struct enterprise_config_set set = {0};
    ck_assert(payload_read_config(pack_xml(p)->data, pack_xml(p)->len, PAYLOAD_CONFIG_SET, &PAYLOAD_LIMITS_DEFAULT, a,
                                  &f, &set)
                  .kind == ERR_NONE);
    ck_assert_uint_eq(set.count, 2);
    arena_free(&a);
    pack_free(&p);
}
END_TEST

/* The lines of one document with this <enterprise>, packed with the admission 420100, 300 seconds. */
static void expect_enterprise(const char *given, int period, const char *expected)
{
    struct pack *p = pack_new(PACK_CONFIG, "420000", "2026-11-20 10:16:02");
    char *document = mem_printf("<?xml version='1.0'?><enterpriseConfig xmlns='urn:nhjc:config:v1'><enterprise %s/>"
                                "<meter a='&lt;'/></enterpriseConfig>",
                                given);
    struct pack_admission admission = {"420100", period};
    struct result r = pack_add_config(p, document, strlen(document), &admission);
    ck_assert_msg(result_ok(r), "%s", r.text);
    ck_assert_msg(strstr(buf_str(pack_xml(p)), expected), "%s", buf_str(pack_xml(p)));
    ck_assert_uint_eq(pack_records(p), 1);
    mem_free(document);
    pack_free(&p);
}

START_TEST(what_only_the_admission_knows_goes_with_the_configuration)
{
    ready();
    expect_enterprise("regionCode='420100' period='60'", 300, "<enterprise regionCode='420100' period='60'/><meter");
    expect_enterprise("regionCode='420100'", 900, "<enterprise regionCode='420100'/><meter");
    expect_enterprise("regionCode='420100'", 300, "<enterprise regionCode=\"420100\" period=\"300\"/>");
    expect_enterprise("regionCode='430100' n='x' period='60'", 300,
                      "<enterprise regionCode=\"420100\" n=\"x\" period=\"60\"/>\n  <meter a=\"&lt;\"/>");
}
END_TEST

START_TEST(what_is_no_configuration_adds_nothing)
{
    ready();
    static const char *const bad[] = {"", "<enterpriseConfig", "<enterpriseConfigSet xmlns='urn:nhjc:config:v1'/>",
                                      "<!DOCTYPE a><enterpriseConfig xmlns='urn:nhjc:config:v1'/>"};
    struct pack *p = pack_new(PACK_CONFIG, "420000", "");
    for (size_t i = 0; i < 4; i++)
        ck_assert_msg(pack_add_config(p, bad[i], strlen(bad[i]), NULL).kind != ERR_NONE, "%s", bad[i]);
    ck_assert_uint_eq(pack_records(p), 0);
    finish_as(p, HEAD "<enterpriseConfigSet xmlns=\"urn:nhjc:config:v1\">\n</enterpriseConfigSet>\n");
    pack_free(&p);
}
END_TEST

UNIT_MAIN("pack", records_come_out_canonical_in_order_with_values_as_sent, refused_ordinals_count_over_the_whole_set,
          a_block_without_a_record_left_is_left_out, texts_from_outside_stay_inside_their_attribute,
          sealed_payloads_are_opened_with_their_key_only, a_damaged_archive_is_noticed,
          configurations_are_wrapped_byte_for_byte, what_only_the_admission_knows_goes_with_the_configuration,
          what_is_no_configuration_adds_nothing)
