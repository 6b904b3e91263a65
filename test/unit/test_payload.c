/* The readers of energyData and energyDataSet: what is read, and what is refused, with code and line. */
#include "unit.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/mem.h"
#include "payload/payload.h"

#define HEAD                                                                                                           \
    "<energyData xmlns=\"urn:nhjc:data:v1\" enterpriseCode=\"91420100000000000U\" deviceId=\"0f\" "                    \
    "uploadDate=\"2026-11-20 10:16:02\">"
#define TAIL "</energyData>"
#define RECORD_WITH(attributes) "<data dataCode=\"0000000002330011\" statDate=\"2026-11-20 10:00:00\" " attributes "/>"
#define REST "dataValue=\"12.3456\" inputType=\"4\" scope=\"1\""
#define RECORD RECORD_WITH("statType=\"0\" " REST)
#define SET_HEAD "<energyDataSet xmlns=\"urn:nhjc:data:v1\" platformCode=\"420000\" uploadDate=\"2026-11-20 10:16:02\">"
#define EITHER (PAYLOAD_ENERGY_DATA | PAYLOAD_ENERGY_DATA_SET)

struct reading_of {
    struct arena *arena;
    struct findings findings;
    struct energy_data_set set;
    struct result result;
};

static struct reading_of read_with(const void *xml, size_t len, int wanted, const struct payload_limits *limits)
{
    struct reading_of r = {.arena = arena_new(0)};
    /* an exact copy on the heap: reading one byte too far is seen by the sanitizer */
    char *copy = mem_alloc(len + 1);
    copy = memcpy(copy, xml, len);
    copy = mem_grow(copy, len ? len : 1);
    findings_init(&r.findings, r.arena);
    r.result = payload_read_data(copy, len, wanted, limits, r.arena, &r.findings, &r.set);
    mem_free(copy); /* texts must live in the arena by now */
    return r;
}

static struct reading_of read_text(const char *xml, int wanted)
{
    return read_with(xml, strlen(xml), wanted, &PAYLOAD_LIMITS_DEFAULT);
}

static void done(struct reading_of *r)
{
    arena_free(&r->arena);
}

static void expect_refusal(const void *xml, size_t len, int wanted, int code, int64_t line, const char *name)
{
    struct reading_of r = read_with(xml, len, wanted, &PAYLOAD_LIMITS_DEFAULT);
    ck_assert_msg(!result_ok(r.result), "%s: accepted", name);
    ck_assert_msg(r.result.code == code, "%s: code %d (%s)", name, r.result.code, r.result.text);
    ck_assert_msg(r.findings.count == 1 && r.findings.at[0].code == code, "%s: not one finding of the code", name);
    ck_assert_msg(r.findings.at[0].line == line, "%s: line %d", name, (int)r.findings.at[0].line);
    ck_assert_msg(r.findings.at[0].severity == SEVERITY_ERROR, "%s: severity", name);
    done(&r);
}

static bool finding_says(const char *xml, size_t len, const char *words)
{
    struct reading_of r = read_with(xml, len, EITHER, &PAYLOAD_LIMITS_DEFAULT);
    bool says = r.findings.count == 1 && strstr(r.findings.at[0].message, words);
    done(&r);
    return says;
}

START_TEST(a_document_is_read_in_full)
{
    struct reading_of r = read_text("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<!-- a meter -->\n" HEAD "\n"
                                    "  <data dataCode=\"00-00-0000-023300-11\" statType=\"2\"\n"
                                    "        statDate=\"20261101000000\" dataValue=\"-0.5\" inputType=\"7\"\n"
                                    "        scope=\"4\" valid=\"0\"/>\n" RECORD "\n" TAIL "\n<!-- end -->",
                                    PAYLOAD_ENERGY_DATA);
    ck_assert_msg(result_ok(r.result), "%s", r.result.text);
    ck_assert_ptr_null(r.set.platform_code);
    ck_assert_uint_eq(r.set.count, 1);
    ck_assert_uint_eq(r.set.records, 2);
    const struct energy_data *block = &r.set.at[0];
    ck_assert_str_eq(block->enterprise_code, "91420100000000000U");
    ck_assert_str_eq(block->device_id, "0f");
    ck_assert_str_eq(block->upload_date, "2026-11-20 10:16:02");
    ck_assert_uint_eq(block->line, 3);
    ck_assert_uint_eq(block->count, 2);
    const struct record *record = &block->records[0];
    ck_assert_str_eq(record->data_code, "00-00-0000-023300-11");
    ck_assert_uint_eq(record->data_code_len, 20);
    ck_assert_str_eq(record->data_value, "-0.5");
    ck_assert_uint_eq(record->data_value_len, 4);
    ck_assert_str_eq(record->stat_date, "20261101000000");
    ck_assert_uint_eq(record->stat_date_len, 14);
    ck_assert_int_eq(record->stat_type, 2);
    ck_assert_int_eq(record->input_type, 7);
    ck_assert_int_eq(record->scope, 4);
    ck_assert(!record->valid);
    ck_assert_uint_eq(record->line, 4); /* where the tag begins, not where it ends */
    ck_assert(block->records[1].valid);
    ck_assert_uint_eq(block->records[1].line, 7);
    ck_assert_uint_eq(r.findings.count, 0);
    done(&r);
}
END_TEST

START_TEST(a_set_keeps_its_blocks_apart)
{
    struct reading_of r = read_text(
        SET_HEAD "\n<energyData enterpriseCode=\"91420100000000000U\" uploadDate=\"20261120101602\">" RECORD "\n" RECORD
                 "</energyData>\n<energyData enterpriseCode=\"91110000100000000R\" "
                 "deviceId=\"0a\" uploadDate=\"2026-11-20T10:16:02+08:00\"/>\n"
                 "<energyData enterpriseCode=\"91310000607200000G\" uploadDate=\"2026-11-20 10:16:02\">" RECORD
                 "</energyData></energyDataSet>",
        PAYLOAD_ENERGY_DATA_SET);
    ck_assert_msg(result_ok(r.result), "%s", r.result.text);
    ck_assert_str_eq(r.set.platform_code, "420000");
    ck_assert_str_eq(r.set.upload_date, "2026-11-20 10:16:02");
    ck_assert_uint_eq(r.set.count, 3);
    ck_assert_uint_eq(r.set.records, 3);
    ck_assert_uint_eq(r.set.at[0].count, 2);
    ck_assert_uint_eq(r.set.at[1].count, 0);
    ck_assert_uint_eq(r.set.at[2].count, 1);
    ck_assert_str_eq(r.set.at[0].device_id, "");
    ck_assert_str_eq(r.set.at[1].device_id, "0a");
    ck_assert_str_eq(r.set.at[2].enterprise_code, "91310000607200000G");
    ck_assert_uint_eq(r.set.at[0].records[1].line, 3);
    ck_assert_uint_eq(r.set.at[2].records[0].line, 5);
    done(&r);
}
END_TEST

START_TEST(spellings_that_xml_allows_are_accepted)
{
    static const char *const GOOD[] = {
        HEAD TAIL,
        "\xEF\xBB\xBF" HEAD RECORD TAIL,
        "<?xml version='1.0'?>" HEAD RECORD TAIL,
        "<?xml version='1.0' encoding='UTF-8' standalone='yes'?>" HEAD RECORD TAIL,
        HEAD "<?target some=\"<data\" ?>" RECORD TAIL,
        HEAD "<!-- <data> <!DOCTYPE x> -->" RECORD TAIL "<!-- a -->\n",
        HEAD RECORD_WITH("statType=\"0\" valid=\" true \" " REST) TAIL,
        HEAD RECORD_WITH("valid=\"1\" statType='3' " REST) TAIL,
        HEAD RECORD_WITH("statType=\"&#48;\" " REST) TAIL,
        HEAD "<data " REST " dataCode=\"x\" statType=\"1\" statDate=\"\"></data>" TAIL,
        HEAD "<![CDATA[ \n ]]>" TAIL,
        "<n:energyData xmlns:n=\"urn:nhjc:data:v1\" enterpriseCode=\"91420100000000000U\" deviceId=\"\" "
        "uploadDate=\"2026-11-20 10:16:02\"></n:energyData>",
        "<energyData xmlns=\"urn:nhjc:data:v1\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" "
        "xsi:schemaLocation=\"urn:nhjc:data:v1 data.xsd\" enterpriseCode=\"91420100000000000U\" deviceId=\"0f\" "
        "uploadDate=\"2026-11-20 10:16:02\"/>",
        "<energyData xmlns=\"urn:nhjc:data:v1\" enterpriseCode=\"重点用能单位代码共十八个字符测试六七\" "
        "deviceId=\"0f\" "
        "uploadDate=\"2026-11-20 10:16:02\"/>",
    };
    for (size_t i = 0; i < ARRAY_LEN(GOOD); i++) {
        struct reading_of r = read_text(GOOD[i], EITHER);
        ck_assert_msg(result_ok(r.result), "%zu: %s", i, r.findings.count ? r.findings.at[0].message : r.result.text);
        done(&r);
    }
}
END_TEST

START_TEST(entities_of_xml_are_resolved_in_values)
{
    struct reading_of r =
        read_text(HEAD "<data dataCode=\"&lt;&amp;&#x4e2d;\" statType=\"0\" statDate=\"a\" " REST "/>" TAIL, EITHER);
    ck_assert_msg(result_ok(r.result), "%s", r.result.text);
    ck_assert_str_eq(r.set.at[0].records[0].data_code, "<&中");
    ck_assert_uint_eq(r.set.at[0].records[0].data_code_len, 5);
    done(&r);
}
END_TEST

START_TEST(what_is_escaped_twice_is_resolved_once)
{
    static const char *const ROWS[][2] = {
        {"&amp;#38;", "&#38;"}, {"&amp;amp;", "&amp;"}, {"&#38;#38;#38;", "&#38;#38;"}};
    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        char xml[1024];
        snprintf(xml, sizeof xml,
                 "<energyData xmlns=\"urn:nhjc:data:v1\" enterpriseCode=\"91420100000000000U\" deviceId=\"%s\" "
                 "uploadDate=\"2026-11-20 10:16:02\"><data dataCode=\"%s\" statType=\"0\" statDate=\"%s\" " REST
                 "/>" TAIL,
                 ROWS[i][0], ROWS[i][0], ROWS[i][0]);
        struct reading_of r = read_text(xml, EITHER);
        ck_assert_msg(result_ok(r.result), "%s", r.result.text);
        ck_assert_str_eq(r.set.at[0].device_id, ROWS[i][1]);
        ck_assert_str_eq(r.set.at[0].records[0].data_code, ROWS[i][1]);
        ck_assert_str_eq(r.set.at[0].records[0].stat_date, ROWS[i][1]);
        done(&r);
    }
}
END_TEST

START_TEST(what_is_not_well_formed_utf8_xml_is_2101)
{
    static const struct {
        const char *name, *xml;
        int line;
    } ROWS[] = {
        {"empty", "", 1},
        {"blanks only", "  \n ", 2},
        {"text", "hello", 1},
        {"cut in a tag", HEAD "\n" RECORD "\n<data dataCo", 3},
        {"cut in a value", HEAD "\n" RECORD "\n<data dataCode=\"00", 3},
        {"cut between tags", HEAD "\n" RECORD "\n", 3},
        {"trailing garbage", HEAD "\n" TAIL "\nx", 3},
        {"two roots", HEAD TAIL "\n" HEAD TAIL, 2},
        {"crossed tags", HEAD "\n<data dataCode=\"\" statType=\"0\" statDate=\"\" " REST ">\n" TAIL, 3},
        {"attribute twice", HEAD "\n" RECORD_WITH("scope=\"1\" " REST " statType=\"0\"") TAIL, 2},
        {"no quotes", HEAD "\n<data scope=1/>" TAIL, 2},
        {"bare <", HEAD "\n<data scope=\"<\"/>" TAIL, 2},
        {"bare &", HEAD "\n<data scope=\"a & b\"/>" TAIL, 2},
        {"unknown entity", HEAD "\n\n<data scope=\"&nbsp;\"/>" TAIL, 3},
        {"unknown prefix", HEAD "\n<x:data/>" TAIL, 2},
        {"character 1", HEAD "\n<data scope=\"\1\"/>" TAIL, 2},
        {"reference to 0", HEAD "\n<data scope=\"&#0;\"/>" TAIL, 2},
        {"reference to a surrogate", HEAD "\n<data scope=\"&#xD800;\"/>" TAIL, 2},
        {"]]> in text", HEAD "\n]]>" TAIL, 2},
        {"comment without end", HEAD "\n<!-- " TAIL, 2},
        {"GBK declared", "<?xml version=\"1.0\" encoding=\"GBK\"?>\n" HEAD TAIL, 1},
        {"GB2312 declared", "<?xml version=\"1.0\" encoding='gb2312'?>\n" HEAD TAIL, 1},
        {"ISO-8859-1 declared", "<?xml version=\"1.0\" encoding = \"ISO-8859-1\" ?>\n" HEAD TAIL, 1},
        {"US-ASCII declared", "<?xml version=\"1.0\" encoding=\"US-ASCII\"?>" HEAD TAIL, 1},
        {"UTF-16 declared in ASCII", "<?xml version=\"1.0\" encoding=\"UTF-16\"?>" HEAD TAIL, 1},
        {"XML 1.1", "<?xml version=\"1.1\"?>" HEAD TAIL, 1},
        {"XML 2.0", "<?xml version=\"2.0\"?>" HEAD TAIL, 1},
        {"two byte order marks", "\xEF\xBB\xBF\xEF\xBB\xBF" HEAD TAIL, 1},
        {"Latin-1 declared behind two marks",
         "\xEF\xBB\xBF\xEF\xBB\xBF<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>" HEAD TAIL, 1},
        {"XML 1.1 behind two marks", "\xEF\xBB\xBF\xEF\xBB\xBF<?xml version=\"1.1\"?>" HEAD TAIL, 1},
        {"GBK bytes", HEAD "\n<data scope=\"\xD6\xD0\xB9\xFA\"/>" TAIL, 2},
        {"overlong slash", HEAD "\n<data scope=\"\xC0\xAF\"/>" TAIL, 2},
        {"overlong of three", HEAD "\n\n<data scope=\"\xE0\x80\xAF\"/>" TAIL, 3},
        {"surrogate bytes", HEAD "\n<data scope=\"\xED\xA0\x80\"/>" TAIL, 2},
        {"above 10FFFF", HEAD "\n<data scope=\"\xF4\x90\x80\x80\"/>" TAIL, 2},
        {"lone continuation", HEAD "\n<data scope=\"\x80\"/>" TAIL, 2},
        {"sequence cut by the end", HEAD "\n" TAIL "\n<!-- \xE4\xB8", 3},
    };
    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        expect_refusal(ROWS[i].xml, strlen(ROWS[i].xml), EITHER, 2101, ROWS[i].line, ROWS[i].name);
    }
}
END_TEST

START_TEST(other_encodings_are_named)
{
    static const char GBK[] = HEAD "\n<data scope=\"\xD6\xD0\xB9\xFA\xC8\xCB\xC3\xF1\"/>" TAIL;
    static const char UTF16[] = "\xFF\xFE<\0e\0n\0e\0r\0g\0y\0", UTF16_BE[] = "\0<\0e\0n\0e\0r",
                      UTF16_BARE[] = "<\0e\0n\0";
    static const char DAMAGED[] = HEAD "\n<!-- \xE4\xB8\xAD\xE5\x9B\xFF\xE4\xBA\xBA\xE6\xB0\x91 -->" TAIL;
    ck_assert(finding_says(GBK, sizeof GBK - 1, "GBK"));
    ck_assert(finding_says(UTF16, sizeof UTF16 - 1, "UTF-16"));
    ck_assert(finding_says(UTF16_BE, sizeof UTF16_BE - 1, "UTF-16"));
    ck_assert(finding_says(UTF16_BARE, sizeof UTF16_BARE - 1, "UTF-16"));
    ck_assert(finding_says("\x1F\x8B\x08\0\0\0\0\0\0\0", 10, "gzip"));
    /* the advice names GBK always; the finding itself must not guess it here */
    ck_assert(!finding_says(DAMAGED, sizeof DAMAGED - 1, "most likely GBK"));
    ck_assert(finding_says(GBK, sizeof GBK - 1, "most likely GBK"));
    expect_refusal(UTF16, sizeof UTF16 - 1, EITHER, 2101, 1, "UTF-16 with mark");
}
END_TEST

START_TEST(a_zero_byte_is_2101)
{
    static const char XML[] = HEAD "\n<data scope=\"\0\"/>" TAIL;
    expect_refusal(XML, sizeof XML - 1, EITHER, 2101, 2, "zero byte in a value");
    static const char BETWEEN[] = HEAD "\n\0" TAIL;
    expect_refusal(BETWEEN, sizeof BETWEEN - 1, EITHER, 2101, 2, "zero byte between tags");
    static const char BEHIND[] = HEAD TAIL "\n\0<x/>";
    expect_refusal(BEHIND, sizeof BEHIND - 1, EITHER, 2101, 2, "zero byte behind the root");
}
END_TEST

START_TEST(a_dtd_is_2102_whatever_it_holds)
{
    static const struct {
        const char *name, *xml;
        int line;
    } ROWS[] = {
        {"plain", "<!DOCTYPE energyData>\n" HEAD TAIL, 1},
        {"behind the declaration", "<?xml version=\"1.0\"?>\n\n<!DOCTYPE energyData>\n" HEAD TAIL, 3},
        {"external", "\n<!DOCTYPE energyData SYSTEM \"file:///etc/passwd\">\n" HEAD TAIL, 2},
        {"public", "<!DOCTYPE a PUBLIC \"-//W3C//DTD\" \"http://127.0.0.1/a.dtd\">" HEAD TAIL, 1},
        {"entity", "<!DOCTYPE a [\n<!ENTITY x \"y\">\n]>" HEAD TAIL, 1},
        {"external entity", "<!DOCTYPE a [<!ENTITY x SYSTEM \"file:///etc/passwd\">]>" HEAD "&x;" TAIL, 1},
        {"parameter entity", "<!DOCTYPE a [<!ENTITY % x SYSTEM \"http://127.0.0.1/x\"> %x;]>" HEAD TAIL, 1},
        {"bomb",
         "<!DOCTYPE l [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\"><!ENTITY c \"&b;&b;&b;&b;&b;&b;\">"
         "<!ENTITY d \"&c;&c;&c;&c;&c;&c;&c;&c;\"><!ENTITY e \"&d;&d;&d;&d;&d;&d;&d;&d;&d;\">]>" HEAD "&e;" TAIL,
         1},
    };
    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        expect_refusal(ROWS[i].xml, strlen(ROWS[i].xml), EITHER, 2102, ROWS[i].line, ROWS[i].name);
    }
}
END_TEST

static const struct {
    const char *name, *xml;
    int line;
} UNKNOWN_TO_THE_SCHEMA[] = {
    {"other root", "\n<data xmlns=\"urn:nhjc:data:v1\"/>", 2},
    {"no namespace", "<energyData enterpriseCode=\"91420100000000000U\"/>", 1},
    {"other namespace", "<energyData xmlns=\"urn:nhjc:data:v2\"/>", 1},
    {"other namespace inside", HEAD "\n<data xmlns=\"\"/>" TAIL, 2},
    {"unknown element", HEAD "\n<datum/>" TAIL, 2},
    {"record in a record", HEAD "\n<data dataCode=\"\" statType=\"0\" statDate=\"\" " REST ">\n<data/></data>" TAIL, 3},
    {"block in a block", HEAD "\n" HEAD TAIL TAIL, 2},
    {"record in a set", SET_HEAD "\n" RECORD "</energyDataSet>", 2},
    {"set in a set", SET_HEAD "\n" SET_HEAD "</energyDataSet></energyDataSet>", 2},
    {"text", HEAD "\n" RECORD "12" TAIL, 2},
    {"CDATA", HEAD "\n\n<![CDATA[12]]>" TAIL, 3},
    {"unknown attribute", HEAD "\n" RECORD_WITH("statType=\"0\" colour=\"red\" " REST) TAIL, 2},
    {"qualified attribute",
     HEAD "\n" RECORD_WITH("xmlns:n=\"urn:nhjc:data:v1\" n:valid=\"true\" statType=\"0\" " REST) TAIL, 2},
    {"xml:lang", HEAD "\n" RECORD_WITH("xml:lang=\"zh\" statType=\"0\" " REST) TAIL, 2},
    {"missing dataCode", HEAD "\n<data statType=\"0\" statDate=\"\" " REST "/>" TAIL, 2},
    {"missing statType", HEAD "\n" RECORD_WITH(REST) TAIL, 2},
    {"missing statDate", HEAD "\n<data dataCode=\"\" statType=\"0\" " REST "/>" TAIL, 2},
    {"missing dataValue", HEAD "\n" RECORD_WITH("statType=\"0\" inputType=\"4\" scope=\"1\"") TAIL, 2},
    {"missing inputType", HEAD "\n" RECORD_WITH("statType=\"0\" dataValue=\"1\" scope=\"1\"") TAIL, 2},
    {"missing scope", HEAD "\n" RECORD_WITH("statType=\"0\" dataValue=\"1\" inputType=\"1\"") TAIL, 2},
    {"statType 4", HEAD "\n" RECORD_WITH("statType=\"4\" " REST) TAIL, 2},
    {"statType empty", HEAD "\n" RECORD_WITH("statType=\"\" " REST) TAIL, 2},
    {"statType blank", HEAD "\n" RECORD_WITH("statType=\" 0\" " REST) TAIL, 2},
    {"scope 0", HEAD "\n" RECORD_WITH("statType=\"0\" dataValue=\"1\" inputType=\"1\" scope=\"0\"") TAIL, 2},
    {"scope 5", HEAD "\n" RECORD_WITH("statType=\"0\" dataValue=\"1\" inputType=\"1\" scope=\"5\"") TAIL, 2},
    {"inputType 8", HEAD "\n" RECORD_WITH("statType=\"0\" dataValue=\"1\" inputType=\"8\" scope=\"1\"") TAIL, 2},
    {"inputType 10", HEAD "\n" RECORD_WITH("statType=\"0\" dataValue=\"1\" inputType=\"10\" scope=\"1\"") TAIL, 2},
    {"valid TRUE", HEAD "\n" RECORD_WITH("valid=\"TRUE\" statType=\"0\" " REST) TAIL, 2},
    {"valid 2", HEAD "\n" RECORD_WITH("valid=\"2\" statType=\"0\" " REST) TAIL, 2},
    {"valid empty", HEAD "\n" RECORD_WITH("valid=\"\" statType=\"0\" " REST) TAIL, 2},
    {"the third of three", HEAD "\n" RECORD "\n" RECORD "\n" RECORD_WITH("statType=\"9\" " REST) TAIL, 4},
    {"no deviceId",
     "<energyData xmlns=\"urn:nhjc:data:v1\" enterpriseCode=\"91420100000000000U\" "
     "uploadDate=\"2026-11-20 10:16:02\"/>",
     1},
    {"no enterpriseCode", "<energyData xmlns=\"urn:nhjc:data:v1\" deviceId=\"0f\" uploadDate=\"2026-11-20 10:16:02\"/>",
     1},
    {"short enterpriseCode",
     "<energyData xmlns=\"urn:nhjc:data:v1\" enterpriseCode=\"9142010000000000U\" deviceId=\"0f\" "
     "uploadDate=\"2026-11-20 10:16:02\"/>",
     1},
    {"no uploadDate", "<energyData xmlns=\"urn:nhjc:data:v1\" enterpriseCode=\"91420100000000000U\" deviceId=\"0f\"/>",
     1},
    {"uploadDate no time",
     "<energyData xmlns=\"urn:nhjc:data:v1\" enterpriseCode=\"91420100000000000U\" deviceId=\"0f\" "
     "uploadDate=\"2026-11-31 10:16:02\"/>",
     1},
    {"set without platformCode", "<energyDataSet xmlns=\"urn:nhjc:data:v1\" uploadDate=\"2026-11-20 10:16:02\"/>", 1},
    {"platformCode of 5",
     "<energyDataSet xmlns=\"urn:nhjc:data:v1\" platformCode=\"42000\" uploadDate=\"2026-11-20 10:16:02\"/>", 1},
    {"platformCode of letters",
     "<energyDataSet xmlns=\"urn:nhjc:data:v1\" platformCode=\"42000a\" uploadDate=\"2026-11-20 10:16:02\"/>", 1},
};

START_TEST(what_the_schema_does_not_know_is_2103)
{
    for (size_t i = 0; i < ARRAY_LEN(UNKNOWN_TO_THE_SCHEMA); i++) {
        expect_refusal(UNKNOWN_TO_THE_SCHEMA[i].xml, strlen(UNKNOWN_TO_THE_SCHEMA[i].xml), EITHER, 2103,
                       UNKNOWN_TO_THE_SCHEMA[i].line, UNKNOWN_TO_THE_SCHEMA[i].name);
    }
}
END_TEST

START_TEST(only_the_wanted_root_is_accepted)
{
    static const char SET[] = SET_HEAD "</energyDataSet>", ONE[] = HEAD TAIL;
    expect_refusal(SET, sizeof SET - 1, PAYLOAD_ENERGY_DATA, 2103, 1, "a set from a device");
    expect_refusal(ONE, sizeof ONE - 1, PAYLOAD_ENERGY_DATA_SET, 2103, 1, "a single block from a platform");
}
END_TEST

START_TEST(names_and_values_of_the_sender_are_quoted_in_part_and_stay_utf8)
{
    struct buf b = BUF_INIT;
    buf_append_str(&b, HEAD "<data ");
    for (int i = 0; i < 100; i++) {
        buf_append_str(&b, "能");
    }
    buf_append_str(&b, "=\"1\"/>" TAIL);
    struct reading_of r = read_with(b.data, b.len, EITHER, &PAYLOAD_LIMITS_DEFAULT);
    ck_assert_int_eq(r.result.code, 2103);
    ck_assert(strstr(r.findings.at[0].message, "能…"));
    ck_assert(strlen(r.findings.at[0].message) < 900);
    ck_assert_ptr_null(strstr(r.result.text, "能")); /* the log gets the place only */
    done(&r);
    buf_free(&b);
}
END_TEST

static void repeat(struct buf *b, const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        buf_append_str(b, text);
    }
}

START_TEST(lines_are_exact_beyond_65535)
{
    struct buf b = BUF_INIT;
    buf_append_str(&b, HEAD "\n");
    repeat(&b, RECORD "\n", 70000);
    buf_append_str(&b, "<!-- \n\n -->\r\n\r\n" RECORD "\n");
    buf_append_str(&b, RECORD_WITH("statType=\"5\" " REST) TAIL);
    expect_refusal(b.data, b.len, EITHER, 2103, 70007, "a fault in line 70,007");
    b.len -= strlen(RECORD_WITH("statType=\"5\" " REST) TAIL);
    buf_append_str(&b, TAIL);
    struct reading_of r = read_with(b.data, b.len, EITHER, &PAYLOAD_LIMITS_DEFAULT);
    ck_assert_msg(result_ok(r.result), "%s", r.result.text);
    for (size_t i = 0; i < 70000; i++) {
        ENSURE(r.set.at[0].records[i].line == i + 2);
    }
    ck_assert_uint_eq(r.set.at[0].records[70000].line, 70006);
    done(&r);
    buf_free(&b);
}
END_TEST

/* Text in which line feeds stand wherever XML allows them, in an order drawn by chance. */
static void append_lines(struct buf *b, unsigned *state, int parts)
{
    static const char *const PARTS[] = {
        "\n",
        " \r\n",
        "<!--\n-->",
        "<![CDATA[\n \n]]>",
        "<?pi\n a=\"\n\" ?>",
        RECORD "\n",
        "<data\ndataCode=\"a\n\nb\"\n statType=\n'0' statDate=\"&#10;\n中\n\" " REST "\n></data\n>",
        "<data dataCode='\n&lt;\n' statType='1' statDate='\t\n' " REST ">\n<!--\n--></data>",
    };
    for (int i = 0; i < parts; i++) {
        *state = *state * 1103515245u + 12345u;
        size_t part = (*state >> 16) % ARRAY_LEN(PARTS);
        buf_append_str(b, PARTS[part]);
    }
}

static int64_t line_feeds(const struct buf *b)
{
    int64_t n = 0;
    for (size_t i = 0; i < b->len; i++) {
        n += b->data[i] == '\n';
    }
    return n;
}

START_TEST(the_line_is_exact_behind_whatever_holds_line_feeds)
{
    static const struct {
        const char *xml;
        int code;
    } FAULTS[] = {{"<data scope=\"<\"/>", 2101},
                  {"<x:data/>", 2101},
                  {"</data>", 2101},
                  {"]]>", 2101},
                  {"&nbsp;", 2101},
                  {"<datum\n/>", 2103},
                  {"<data\n\n/>", 2103},
                  {"text", 2103},
                  {"<![CDATA[x]]>", 2103}};
    unsigned state = 3;
    for (int round = 0; round < 2000; round++) {
        struct buf b = BUF_INIT;
        buf_append_str(&b, HEAD);
        append_lines(&b, &state, round % 23);
        int64_t line = 1 + line_feeds(&b);
        const char *fault = FAULTS[(size_t)round % ARRAY_LEN(FAULTS)].xml;
        buf_append_str(&b, fault);
        append_lines(&b, &state, 3);
        buf_append_str(&b, TAIL);
        struct reading_of r = read_with(b.data, b.len, EITHER, &PAYLOAD_LIMITS_DEFAULT);
        ENSURE_MSG(r.result.code == FAULTS[(size_t)round % ARRAY_LEN(FAULTS)].code, "%s: %d", fault, r.result.code);
        ENSURE_MSG(r.findings.at[0].line == line, "%s: line %d, not %d\n%s", fault, (int)r.findings.at[0].line,
                   (int)line, buf_str(&b));
        done(&r);
        buf_free(&b);
    }
}
END_TEST

START_TEST(two_hundred_thousand_records_are_accepted_and_one_more_is_2106)
{
    struct buf b = BUF_INIT;
    buf_append_str(&b, HEAD "\n");
    repeat(&b, RECORD "\n", 200000);
    size_t len = b.len;
    buf_append_str(&b, TAIL);
    struct reading_of r = read_with(b.data, b.len, EITHER, &PAYLOAD_LIMITS_DEFAULT);
    ck_assert_msg(result_ok(r.result), "%s", r.result.text);
    ck_assert_uint_eq(r.set.records, 200000);
    ck_assert_uint_eq(r.set.at[0].records[199999].line, 200001);
    done(&r);
    b.len = len;
    buf_append_str(&b, RECORD TAIL);
    expect_refusal(b.data, b.len, EITHER, 2106, 200002, "200,001 records");
    buf_free(&b);
}
END_TEST

START_TEST(the_records_of_a_set_are_counted_over_all_blocks)
{
    struct payload_limits limits = PAYLOAD_LIMITS_DEFAULT;
    limits.records = 3;
    static const char BLOCK[] =
        "<energyData enterpriseCode=\"91420100000000000U\" uploadDate=\"2026-11-20 10:16:02\">" RECORD RECORD
        "</energyData>\n";
    struct buf b = BUF_INIT;
    buf_append_str(&b, SET_HEAD "\n");
    repeat(&b, BLOCK, 2);
    buf_append_str(&b, "</energyDataSet>");
    struct reading_of r = read_with(b.data, b.len, EITHER, &limits);
    ck_assert_int_eq(r.result.code, 2106);
    ck_assert_int_eq(r.result.kind, ERR_LIMIT);
    ck_assert_int_eq(r.findings.at[0].line, 3);
    done(&r);
    buf_free(&b);
}
END_TEST

START_TEST(depth_is_bounded)
{
    struct buf b = BUF_INIT;
    buf_append_str(&b, HEAD "\n" RECORD "\n");
    struct payload_limits limits = PAYLOAD_LIMITS_DEFAULT;
    limits.depth = 1;
    buf_append_str(&b, TAIL);
    struct reading_of r = read_with(b.data, b.len, EITHER, &limits);
    ck_assert_int_eq(r.result.code, 2106);
    ck_assert_int_eq(r.findings.at[0].line, 2);
    done(&r);
    /* a deep document is refused at its first element out of place, long before its depth */
    b.len = 0;
    repeat(&b, "<a>", 100000);
    expect_refusal(b.data, b.len, EITHER, 2103, 1, "100,000 levels");
    buf_free(&b);
}
END_TEST

/* Attribute floods take libxml2 2.9.14 time quadratic in their number: these would take minutes and end with the time
 * limit of a test. */
static void expect_quick_refusal(const struct buf *b, int code, int64_t line, const char *name)
{
    expect_refusal(b->data, b->len, EITHER, code, line, name);
}

static void append_attributes(struct buf *b, int n)
{
    for (int i = 0; i < n; i++) {
        buf_printf(b, " a%d=\"\"", i);
    }
}

START_TEST(an_attribute_flood_is_2106_before_it_costs_time)
{
    struct buf b = BUF_INIT;
    buf_append_str(&b, HEAD "\n<data");
    append_attributes(&b, 1000000);
    buf_append_str(&b, "/>" TAIL);
    expect_quick_refusal(&b, 2106, 2, "a million attributes");
    b.len = 0;
    buf_append_str(&b, HEAD "\n\n<data");
    for (int i = 0; i < 300000; i++) {
        buf_printf(&b, " xmlns:n%d=\"u\"", i);
    }
    buf_append_str(&b, "/>" TAIL);
    expect_quick_refusal(&b, 2106, 3, "namespace flood");
    b.len = 0;
    buf_append_str(&b, HEAD "\n<data");
    append_attributes(&b, 101);
    buf_append_str(&b, "/>" TAIL);
    expect_quick_refusal(&b, 2106, 2, "101 attributes");
    b.len = 0;
    buf_append_str(&b, HEAD "\n<data");
    append_attributes(&b, 100);
    buf_append_str(&b, "/>" TAIL);
    expect_quick_refusal(&b, 2103, 2, "100 attributes are merely unknown ones");
    buf_free(&b);
}
END_TEST

START_TEST(a_flood_behind_an_earlier_error_costs_no_time_either)
{
    /* each of these hides the tag from a scan that trusts the broken text before it */
    static const char *const BEFORE[] = {"<a b=\"<!--\"/>", "<? <!-- ?>", "<a b='<![CDATA['/>",
                                         "<a <?",           "]]><?a",     "<!-- -- "};
    for (size_t i = 0; i < ARRAY_LEN(BEFORE); i++) {
        struct buf b = BUF_INIT;
        buf_append_str(&b, HEAD "\n");
        buf_append_str(&b, BEFORE[i]);
        buf_append_str(&b, "<data");
        append_attributes(&b, 500000);
        buf_append_str(&b, "/>--> ]]> ?>" TAIL);
        struct reading_of r = read_with(b.data, b.len, EITHER, &PAYLOAD_LIMITS_DEFAULT);
        ck_assert_msg(!result_ok(r.result), "%s", BEFORE[i]);
        ck_assert_int_eq(r.findings.at[0].line, 2);
        done(&r);
        buf_free(&b);
    }
}
END_TEST

START_TEST(a_giant_tag_is_2106)
{
    struct buf b = BUF_INIT;
    buf_append_str(&b, HEAD "\n<data dataCode=\"");
    repeat(&b, "0", 70000);
    buf_append_str(&b, "\"/>" TAIL);
    expect_quick_refusal(&b, 2106, 2, "a value of 70,000 bytes");
    b.len = 0;
    buf_append_str(&b, HEAD "\n<");
    repeat(&b, "a", 3000000);
    expect_quick_refusal(&b, 2106, 2, "a name without end");
    b.len = 0;
    buf_append_str(&b, HEAD "\n</energyData");
    repeat(&b, " ", 70000);
    buf_append_str(&b, ">");
    expect_quick_refusal(&b, 2106, 2, "an end tag of blanks");
    buf_free(&b);
}
END_TEST

START_TEST(long_texts_that_are_no_tags_are_fine)
{
    struct buf b = BUF_INIT;
    buf_append_str(&b, HEAD "\n<!-- <data ");
    repeat(&b, "a=\"\" ", 50000);
    buf_append_str(&b, "-->");
    repeat(&b, " \n", 100000);
    buf_append_str(&b, "<?pi <data ");
    repeat(&b, "a=\"\" ", 50000);
    buf_append_str(&b, "?>" RECORD TAIL);
    struct reading_of r = read_with(b.data, b.len, EITHER, &PAYLOAD_LIMITS_DEFAULT);
    ck_assert_msg(result_ok(r.result), "%s", r.findings.count ? r.findings.at[0].message : "");
    ck_assert_uint_eq(r.set.at[0].records[0].line, 100002);
    done(&r);
    buf_free(&b);
}
END_TEST

START_TEST(a_long_value_is_kept_and_its_length_is_clipped_at_16_bits)
{
    struct payload_limits limits = PAYLOAD_LIMITS_DEFAULT;
    limits.tag_bytes = 200000;
    struct buf b = BUF_INIT;
    buf_append_str(&b, HEAD "<data dataCode=\"");
    repeat(&b, "0", 65536 + 16);
    buf_append_str(&b, "\" statType=\"0\" statDate=\"\" " REST "/>" TAIL);
    struct reading_of r = read_with(b.data, b.len, EITHER, &limits);
    ck_assert_msg(result_ok(r.result), "%s", r.result.text);
    ck_assert_uint_eq(r.set.at[0].records[0].data_code_len, 65535);
    done(&r);
    buf_free(&b);
}
END_TEST

START_TEST(a_small_arena_refuses_a_large_document)
{
    struct buf b = BUF_INIT;
    buf_append_str(&b, HEAD);
    repeat(&b, RECORD, 5000);
    buf_append_str(&b, TAIL);
    struct arena *arena = arena_new(100000);
    struct findings findings;
    struct energy_data_set set;
    findings_init(&findings, arena);
    struct result r = payload_read_data(b.data, b.len, EITHER, &PAYLOAD_LIMITS_DEFAULT, arena, &findings, &set);
    ck_assert_int_eq(r.code, 2106);
    ck_assert_int_eq(r.kind, ERR_LIMIT);
    arena_free(&arena);
    buf_free(&b);
}
END_TEST

START_TEST(every_prefix_of_a_document_is_refused_without_harm)
{
    static const char XML[] = "\xEF\xBB\xBF<?xml version=\"1.0\" encoding=\"UTF-8\"?><!-- 中 -->" HEAD
                              "<?p i?>\n" RECORD "<![CDATA[ ]]><!-- x -->" TAIL;
    for (size_t n = 0; n + 1 < sizeof XML - 1; n++) {
        struct reading_of r = read_with(XML, n, EITHER, &PAYLOAD_LIMITS_DEFAULT);
        ENSURE_MSG(!result_ok(r.result), "accepted at %zu bytes", n);
        ENSURE_MSG(r.result.code == 2101 && r.findings.count == 1, "%zu bytes: %d", n, r.result.code);
        done(&r);
    }
}
END_TEST

UNIT_MAIN("payload", a_document_is_read_in_full, a_set_keeps_its_blocks_apart, spellings_that_xml_allows_are_accepted,
          entities_of_xml_are_resolved_in_values, what_is_escaped_twice_is_resolved_once,
          what_is_not_well_formed_utf8_xml_is_2101, other_encodings_are_named, a_zero_byte_is_2101,
          a_dtd_is_2102_whatever_it_holds, what_the_schema_does_not_know_is_2103, only_the_wanted_root_is_accepted,
          names_and_values_of_the_sender_are_quoted_in_part_and_stay_utf8, lines_are_exact_beyond_65535,
          the_line_is_exact_behind_whatever_holds_line_feeds,
          two_hundred_thousand_records_are_accepted_and_one_more_is_2106,
          the_records_of_a_set_are_counted_over_all_blocks, depth_is_bounded,
          an_attribute_flood_is_2106_before_it_costs_time, a_flood_behind_an_earlier_error_costs_no_time_either,
          a_giant_tag_is_2106, long_texts_that_are_no_tags_are_fine,
          a_long_value_is_kept_and_its_length_is_clipped_at_16_bits, a_small_arena_refuses_a_large_document,
          every_prefix_of_a_document_is_refused_without_harm)
