/* The configuration document: reader and check, and the field table against schema/config.xsd. */
#include "unit.h"

#include <libxml/parser.h>
#include <libxml/xmlschemas.h>
#include <stdio.h>
#include <string.h>

#include "base/caltime.h"
#include "base/mem.h"
#include "payload/payload.h"
#include "validate/config_check.h"
#include "validate/config_fields.h"

#define OPEN "<enterpriseConfig xmlns=\"urn:nhjc:config:v1\">\n"
#define CLOSE "</enterpriseConfig>"
#define ENTERPRISE_WITH(more)                                                                                          \
    "<enterprise code=\"91420100000000000U\" name=\"A&amp;B钢铁\" typeCode=\"100\" typeName=\"内资企业\" "       \
    "industryCode=\"C3110\" regionCode=\"420106\" center=\"false\" corporationCode=\"91420100000000000U\" "            \
    "jgzh=\"1\" energyConsumeLevel=\"4\" phone=\"027-1\" " more "/>\n"
#define PLACE "latitude=\"30.5\" longitude=\"114.3\" "
#define ENTERPRISE ENTERPRISE_WITH(PLACE)
#define PROCESS "<process processCode=\"01\" processName=\"焦化\"/>\n"
#define UNIT "<processUnit code=\"02\" name=\"1号炉\" processCode=\"01\"/>\n"
#define EQUIPMENT_OF(number, unit)                                                                                       \
    "<equipment deviceNo=\"" number "\" deviceName=\"风机\" location=\"厂区\" dept=\"动力部\" deviceType=\"03\" " \
    "energyCode=\"3300\" processUnitCode=\"" unit "\"/>\n"
#define EQUIPMENT EQUIPMENT_OF("0304", "0102")
#define METER_OF(code, more)                                                                                           \
    "<meter meteringName=\"电表\" meteringType=\"12040000\" meteringLevel=\"1\" meteringParameter=\"电力\" "       \
    "dataCode=\"" code "\" dataCodeCalculate=\"1\" dataCodeRatio=\"1\" " more "/>\n"
#define METER METER_OF("0000000002330011", "")
#define PRODUCT "<product productName=\"钢\" productCode=\"P1\" productType=\"P\" productUnit=\"t\"/>\n"
#define ITEM_OF(code, stat, scope, more)                                                                               \
    "<collectItem name=\"电力\" dataCode=\"" code "\" statType=\"" stat "\" scope=\"" scope "\" inputType=\"4\" " more \
    "/>\n"
#define ITEM ITEM_OF("0000000002330011", "0", "1", "aggregation=\"sum\"")
#define WHOLE OPEN ENTERPRISE "<group name=\"集团\"/>\n" PROCESS UNIT EQUIPMENT METER PRODUCT ITEM CLOSE
#define EITHER (PAYLOAD_CONFIG | PAYLOAD_CONFIG_SET)

struct outcome {
    struct arena *arena;
    struct findings findings;
    struct enterprise_config_set set;
    struct checked_config checked;
    struct result result;
};

static bool (*base_data)(const char *list, const char *code, void *arg);

static struct outcome run(const char *xml)
{
    struct outcome o = {.arena = arena_new(0)};
    const struct config_context ctx = {.default_period = 900, .in_base_data = base_data};
    static bool zone_set;
    if (!zone_set) { /* checking a zone takes a while */
        ENSURE(result_ok(caltime_set_zone("Asia/Shanghai")));
        zone_set = true;
    }
    findings_init(&o.findings, o.arena);
    o.result =
        payload_read_config(xml, strlen(xml), PAYLOAD_CONFIG, &PAYLOAD_LIMITS_DEFAULT, o.arena, &o.findings, &o.set);
    if (result_ok(o.result)) {
        o.result = config_check(&ctx, &o.set.at[0], &o.findings, o.arena, &o.checked);
    }
    return o;
}

static void done(struct outcome *o)
{
    arena_free(&o->arena);
}

static void accept(const char *xml, const char *name)
{
    struct outcome o = run(xml);
    ck_assert_msg(result_ok(o.result) && o.findings.count == 0, "%s: %s", name,
                  o.findings.count ? o.findings.at[0].message : o.result.text);
    done(&o);
}

/* words: in the message; NULL: any. */
static void refuse(const char *xml, int code, int64_t line, const char *words, const char *name)
{
    struct outcome o = run(xml);
    ck_assert_msg(!result_ok(o.result), "%s: accepted", name);
    ck_assert_msg(o.result.code == code && o.findings.at[0].code == code, "%s: %d %s", name, o.result.code,
                  o.findings.at[0].message);
    ck_assert_msg(o.findings.count == 1, "%s: %zu findings", name, o.findings.count);
    ck_assert_msg(o.findings.at[0].line == line, "%s: line %d", name, (int)o.findings.at[0].line);
    ck_assert_msg(!words || strstr(o.findings.at[0].message, words), "%s: %s", name, o.findings.at[0].message);
    done(&o);
}

/* ---- reading ---- */

START_TEST(a_document_is_read_into_objects_with_their_lines)
{
    struct outcome o = run(WHOLE);
    ck_assert_msg(result_ok(o.result), "%s", o.findings.count ? o.findings.at[0].message : o.result.text);
    ck_assert_uint_eq(o.set.count, 1);
    const struct enterprise_config *c = &o.set.at[0];
    ck_assert_uint_eq(c->count, 8);
    ck_assert_uint_eq(c->line, 1);
    ck_assert_str_eq(c->objects[0].element, "enterprise");
    ck_assert_str_eq(c->objects[7].element, "collectItem");
    ck_assert_uint_eq(c->objects[7].line, 9);
    ck_assert_str_eq(config_attribute(&c->objects[0], "name"), "A&B钢铁");
    ck_assert_ptr_null(config_attribute(&c->objects[0], "Name"));
    ck_assert_uint_eq(c->start, 0);
    ck_assert_uint_eq(c->length, strlen(WHOLE));
    done(&o);
}
END_TEST

START_TEST(a_set_gives_each_enterprise_its_bytes)
{
    static const char XML[] = "\xEF\xBB\xBF<c:enterpriseConfigSet xmlns:c=\"urn:nhjc:config:v1\">\n"
                              "<c:enterpriseConfig/>\n <c:enterpriseConfig >\n<c:enterprise code=\"&lt;&#10;\"/>\n"
                              "</c:enterpriseConfig >\n</c:enterpriseConfigSet>";
    struct arena *arena = arena_new(0);
    struct findings findings;
    struct enterprise_config_set set;
    findings_init(&findings, arena);
    struct result r =
        payload_read_config(XML, sizeof XML - 1, PAYLOAD_CONFIG_SET, &PAYLOAD_LIMITS_DEFAULT, arena, &findings, &set);
    ck_assert_msg(result_ok(r), "%s", r.text);
    ck_assert_uint_eq(set.count, 2);
    ck_assert_uint_eq(set.at[0].length, strlen("<c:enterpriseConfig/>"));
    ck_assert(strncmp(XML + set.at[0].start, "<c:enterpriseConfig/>", set.at[0].length) == 0);
    ck_assert_uint_eq(set.at[0].line, 2);
    ck_assert(strncmp(XML + set.at[1].start, "<c:enterpriseConfig >\n<c:e", 26) == 0);
    ck_assert(strncmp(XML + set.at[1].start + set.at[1].length - 22, "</c:enterpriseConfig >\n", 23) == 0);
    ck_assert_uint_eq(set.at[1].line, 3);
    ck_assert_uint_eq(set.at[1].objects[0].line, 4);
    ck_assert_str_eq(config_attribute(&set.at[1].objects[0], "code"), "<\n");
    arena_free(&arena);
}
END_TEST

START_TEST(what_was_read_can_be_written_and_read_again)
{
    struct outcome o = run(WHOLE);
    struct buf b = BUF_INIT, again = BUF_INIT;
    payload_write_config(&o.set.at[0], &b);
    accept(buf_str(&b), "written");
    struct outcome p = run(buf_str(&b));
    payload_write_config(&p.set.at[0], &again);
    ck_assert_str_eq(buf_str(&b), buf_str(&again));
    buf_free(&b);
    buf_free(&again);
    done(&o);
    done(&p);
}
END_TEST

START_TEST(structure_that_is_none_is_refused_with_its_line)
{
    static const struct {
        const char *name, *xml;
        int code, line;
    } ROWS[] = {
        {"other root", "\n<enterprise xmlns=\"urn:nhjc:config:v1\"/>", 2103, 2},
        {"the set where one is wanted", "<enterpriseConfigSet xmlns=\"urn:nhjc:config:v1\"/>", 2103, 1},
        {"namespace", "<enterpriseConfig/>", 2103, 1},
        {"attribute of the root", "<enterpriseConfig xmlns=\"urn:nhjc:config:v1\" version=\"1\"/>", 2103, 1},
        {"nested object", OPEN "<enterprise>\n<group/></enterprise>" CLOSE, 2103, 3},
        {"text", OPEN ENTERPRISE "x" CLOSE, 2103, 3},
        {"qualified attribute", OPEN "<group xmlns:a=\"b\" a:name=\"c\"/>" CLOSE, 2103, 2},
        {"cut off", OPEN ENTERPRISE, 2101, 3},
        {"DTD", "<!DOCTYPE a>" WHOLE, 2102, 1},
        {"no enterprise", OPEN CLOSE, 2103, 1},
        {"two enterprises", OPEN ENTERPRISE ENTERPRISE CLOSE, 2103, 3},
        {"two groups", OPEN ENTERPRISE "<group/>\n<group/>" CLOSE, 2103, 4},
        {"order", OPEN ENTERPRISE UNIT PROCESS CLOSE, 2103, 4},
        {"unknown element", OPEN ENTERPRISE "<furnace/>" CLOSE, 2103, 3},
        {"unknown attribute", OPEN ENTERPRISE "<group colour=\"\"/>" CLOSE, 2103, 3},
        {"aggregation missing", OPEN ENTERPRISE ITEM_OF("0000000002330011", "0", "1", "") CLOSE, 2103, 3},
        {"aggregation unknown", OPEN ENTERPRISE ITEM_OF("0000000002330011", "0", "1", "aggregation=\"max\"") CLOSE,
         2103, 3},
        {"period too short",
         OPEN ENTERPRISE ITEM_OF("0000000002330011", "0", "1", "aggregation=\"sum\" period=\"30\"") CLOSE, 2103, 3},
        {"empty number",
         OPEN ENTERPRISE ITEM_OF("0000000002330011", "0", "1", "aggregation=\"sum\" dataValueMax=\"\"") CLOSE, 2103, 3},
    };
    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        refuse(ROWS[i].xml, ROWS[i].code, ROWS[i].line, NULL, ROWS[i].name);
    }
}
END_TEST

START_TEST(all_faults_of_a_document_are_reported_at_once)
{
    struct outcome o = run(OPEN ENTERPRISE "<group colour=\"\"/>\n<process/>\n" CLOSE);
    ck_assert_int_eq(o.result.code, 2103);
    ck_assert_uint_eq(o.findings.count, 3);
    ck_assert_int_eq(o.findings.at[2].line, 4);
    done(&o);
}
END_TEST

/* ---- contradictions ---- */

static const struct {
    const char *name, *xml;
    int line;
    const char *words;
} CONTRADICTIONS[] = {
    {"corporation code",
     OPEN "<enterprise code=\"91420100000000000U\" name=\"a\" typeCode=\"100\" typeName=\"b\" industryCode=\"C\" "
          "regionCode=\"420106\" center=\"0\" corporationCode=\"91110000100000000R\" jgzh=\"1\" "
          "energyConsumeLevel=\"4\" phone=\"1\" " PLACE "/>" CLOSE,
     2, "corporationCode"},
    {"default period", OPEN ENTERPRISE_WITH(PLACE "period=\"700\"") CLOSE, 2, "period"},
    {"swapped place", OPEN ENTERPRISE_WITH("latitude=\"114.3\" longitude=\"30.5\"") CLOSE, 2, "swapped"},
    {"process twice", OPEN ENTERPRISE PROCESS PROCESS CLOSE, 4, "line 3"},
    {"process 00", OPEN ENTERPRISE "<process processCode=\"00\" processName=\"x\"/>" CLOSE, 3, "00"},
    {"unit twice", OPEN ENTERPRISE PROCESS UNIT UNIT CLOSE, 5, "line 4"},
    {"unit 00", OPEN ENTERPRISE PROCESS "<processUnit code=\"00\" name=\"x\" processCode=\"01\"/>" CLOSE, 4, "00"},
    {"unit of an unknown process",
     OPEN ENTERPRISE PROCESS "<processUnit code=\"02\" name=\"x\" processCode=\"03\"/>" CLOSE, 4, "03"},
    {"equipment twice", OPEN ENTERPRISE PROCESS UNIT EQUIPMENT EQUIPMENT CLOSE, 6, "line 5"},
    {"equipment of an unknown unit", OPEN ENTERPRISE PROCESS UNIT EQUIPMENT_OF("0304", "0103") CLOSE, 5, "0103"},
    {"equipment type", OPEN ENTERPRISE PROCESS UNIT EQUIPMENT_OF("0404", "0102") CLOSE, 5, "deviceType"},
    {"equipment 0000", OPEN ENTERPRISE PROCESS UNIT EQUIPMENT_OF("0000", "0102") CLOSE, 5, "0000"},
    {"product twice", OPEN ENTERPRISE PRODUCT PRODUCT CLOSE, 4, "line 3"},
    {"meter of no item", OPEN ENTERPRISE METER_OF("0000000002330012", "") ITEM CLOSE, 3, "0000000002330012"},
    {"calibration dates",
     OPEN ENTERPRISE METER_OF("0000000002330011", "latelyCalibration=\"2026-05-01 00:00:00\" "
                                                  "nextCalibration=\"2026-04-30\"") ITEM CLOSE,
     3, "nextCalibration"},
    {"item twice", OPEN ENTERPRISE ITEM ITEM CLOSE, 4, "line 3"},
    {"item twice in two forms",
     OPEN ENTERPRISE ITEM ITEM_OF("00-00-0000-023300-11", "0", "1", "aggregation=\"sum\"") CLOSE, 4, "line 3"},
    {"mean and sum of one code",
     OPEN ENTERPRISE ITEM ITEM_OF("0000000002330011", "1", "1", "aggregation=\"mean\"") CLOSE, 4, "line 3"},
    {"segment",
     OPEN ENTERPRISE ITEM_OF("0000000002330011", "0", "1", "aggregation=\"sum\" energyTypeCode=\"3400\"") CLOSE, 3,
     "energyTypeCode"},
    {"process of the item", OPEN ENTERPRISE PROCESS ITEM_OF("0300000002330011", "0", "2", "aggregation=\"sum\"") CLOSE,
     4, "03"},
    {"unit of the item",
     OPEN ENTERPRISE PROCESS UNIT ITEM_OF("0103000002330011", "0", "3", "aggregation=\"sum\"") CLOSE, 5, "0103"},
    {"equipment of the item",
     OPEN ENTERPRISE PROCESS UNIT EQUIPMENT ITEM_OF("0102030502330011", "0", "4", "aggregation=\"sum\"") CLOSE, 6,
     "01020305"},
    {"period", OPEN ENTERPRISE ITEM_OF("0000000002330011", "0", "1", "aggregation=\"sum\" period=\"7000\"") CLOSE, 3,
     "7000"},
    {"counterMax of a sum",
     OPEN ENTERPRISE ITEM_OF("0000000002330011", "0", "1", "aggregation=\"sum\" counterMax=\"10000\"") CLOSE, 3,
     "counterMax"},
    {"counterMax of zero",
     OPEN ENTERPRISE ITEM_OF("0000000002330011", "0", "1", "aggregation=\"counter\" counterMax=\"0\"") CLOSE, 3,
     "counterMax"},
    {"counter of a day", OPEN ENTERPRISE ITEM_OF("0000000002330011", "1", "1", "aggregation=\"counter\"") CLOSE, 3,
     "statType"},
    {"min over max",
     OPEN ENTERPRISE ITEM_OF("0000000002330011", "0", "1",
                             "aggregation=\"mean\" dataValueMin=\"2\" dataValueMax=\"1.999999\"") CLOSE,
     3, "dataValueMin"},
    {"sum below zero",
     OPEN ENTERPRISE ITEM_OF("0000000002330011", "0", "1", "aggregation=\"sum\" dataValueMax=\"-1\"") CLOSE, 3,
     "dataValueMax"},
    {"sum above the limit",
     OPEN ENTERPRISE ITEM_OF("0000000002330011", "0", "1", "aggregation=\"sum\" dataValueMin=\"1000000000\"") CLOSE, 3,
     "dataValueMin"},
};

START_TEST(contradictions_are_3501_with_the_line)
{
    for (size_t i = 0; i < ARRAY_LEN(CONTRADICTIONS); i++) {
        refuse(CONTRADICTIONS[i].xml, 3501, CONTRADICTIONS[i].line, CONTRADICTIONS[i].words, CONTRADICTIONS[i].name);
    }
}
END_TEST

START_TEST(codes_that_are_none_are_3102_and_scopes_that_contradict_them_3103)
{
    static const struct {
        const char *name, *xml;
        int code, line;
    } ROWS[] = {
        {"item", OPEN ENTERPRISE ITEM_OF("000000000233001", "0", "1", "aggregation=\"sum\"") CLOSE, 3102, 3},
        {"meter", OPEN ENTERPRISE METER_OF("00-00-0000023400-80", "") ITEM CLOSE, 3102, 3},
        {"process of letters", OPEN ENTERPRISE "<process processCode=\"A1\" processName=\"x\"/>" CLOSE, 3102, 3},
        {"equipment of letters", OPEN ENTERPRISE PROCESS UNIT EQUIPMENT_OF("03A4", "0102") CLOSE, 3102, 5},
        {"plant code as process", OPEN ENTERPRISE ITEM_OF("0000000002330011", "0", "2", "aggregation=\"sum\"") CLOSE,
         3103, 3},
        {"process code as plant",
         OPEN ENTERPRISE PROCESS ITEM_OF("0100000002330011", "0", "1", "aggregation=\"sum\"") CLOSE, 3103, 4},
        {"skipped level", OPEN ENTERPRISE ITEM_OF("0001000002330011", "0", "3", "aggregation=\"sum\"") CLOSE, 3103, 3},
    };
    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        refuse(ROWS[i].xml, ROWS[i].code, ROWS[i].line, NULL, ROWS[i].name);
    }
}
END_TEST

/* A base data that lacks the one code asked for. */
static const char *lacking_list, *lacking_code;

static bool all_but_one(const char *list, const char *code, void *arg)
{
    (void)arg;
    return strcmp(list, lacking_list) != 0 || strcmp(code, lacking_code) != 0;
}

START_TEST(segments_and_codes_outside_base_data_are_3104)
{
    static const struct {
        const char *list, *code;
        int line;
    } ROWS[] = {
        {"region", "420106", 2},       {"industry", "C3110", 2},    {"enterprise_type", "100", 2},
        {"consumption_level", "4", 2}, {"equipment_type", "03", 6}, {"meter_type", "12040000", 7},
        {"collect_class", "02", 9},    {"energy_type", "3300", 9},  {"input_type", "4", 9},
    };
    base_data = all_but_one;
    lacking_list = lacking_code = "";
    accept(WHOLE, "nothing lacking");
    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        lacking_list = ROWS[i].list;
        lacking_code = ROWS[i].code;
        refuse(WHOLE, 3104, ROWS[i].line, ROWS[i].code, ROWS[i].list);
    }
    lacking_list = "data_usage"; /* an open list */
    lacking_code = "11";
    accept(WHOLE, "unknown usage");
    base_data = NULL;
}
END_TEST

START_TEST(what_only_looks_odd_is_accepted)
{
    static const char *const GOOD[] = {
        OPEN ENTERPRISE CLOSE,
        /* no process defined at all: the codes are the platform's */
        OPEN ENTERPRISE ITEM_OF("0102030402330011", "0", "4", "aggregation=\"mean\"") CLOSE,
        OPEN ENTERPRISE PROCESS ITEM_OF("0102000002330011", "0", "3", "aggregation=\"sum\"") CLOSE,
        /* all statTypes of one code, the register in real time */
        OPEN ENTERPRISE ITEM_OF("0000000002330011", "0", "1", "aggregation=\"counter\" counterMax=\"1000000000000\"")
            ITEM_OF("0000000002330011", "1", "1", "aggregation=\"sum\"")
                ITEM_OF("0000000002330011", "3", "1", "aggregation=\"sum\"") CLOSE,
        OPEN ENTERPRISE ITEM_OF("0000000002330011", "0", "1",
                                "aggregation=\"sum\" processCode=\"00\" processUnitCode=\"00\" equipmentCode=\"00\" "
                                "equipmentUnitCode=\"00\" energyClassCode=\"02\" energyTypeCode=\"3300\" "
                                "dataUsageCode=\"11\"") CLOSE,
        OPEN ENTERPRISE_WITH("latitude=\"N30°30′\" longitude=\"E114°18′\" period=\"3600\"") CLOSE,
        OPEN ENTERPRISE METER_OF("00-00-0000-023300-11", "latelyCalibration=\"unknown\" nextCalibration=\"2026-04-30\"")
            ITEM CLOSE,
    };
    for (size_t i = 0; i < ARRAY_LEN(GOOD); i++) {
        char name[32];
        snprintf(name, sizeof name, "document %zu", i);
        accept(GOOD[i], name);
    }
}
END_TEST

START_TEST(items_come_out_sorted_and_converted)
{
    struct outcome o = run(OPEN ENTERPRISE_WITH(PLACE "period=\" 3600 \"")
                               ITEM_OF("0000000002330012", "0", "1",
                                       "aggregation=\"counter\" period=\"60\" counterMax=\"99999.9\" decimals=\"2\" "
                                       "unit=\"kWh\"") ITEM_OF("00-00-0000-023300-11", "2", "1", "aggregation=\"sum\"")
                                   ITEM_OF("0000000002330011", "0", "1",
                                           "aggregation=\"sum\" dataValueMin=\"-.5\" dataValueMax=\"+5.\"") CLOSE);
    ck_assert_msg(result_ok(o.result), "%s", o.findings.count ? o.findings.at[0].message : "");
    const struct checked_config *c = &o.checked;
    ck_assert_str_eq(c->code, "91420100000000000U");
    ck_assert_str_eq(c->name, "A&B钢铁");
    ck_assert_str_eq(c->region_code, "420106");
    ck_assert_str_eq(c->industry_code, "C3110");
    ck_assert_int_eq(c->period, 3600);
    ck_assert_ptr_eq(c->enterprise, &o.set.at[0].objects[0]);
    ck_assert_uint_eq(c->item_count, 3);
    ck_assert_str_eq(c->items[0].data_code, "0000000002330011");
    ck_assert_int_eq(c->items[0].stat_type, 0);
    ck_assert_int_eq(c->items[0].value_min, -500000);
    ck_assert_int_eq(c->items[0].value_max, 5000000);
    ck_assert_int_eq(c->items[0].period, 3600);
    ck_assert_int_eq(c->items[0].decimals, -1);
    ck_assert_int_eq(c->items[0].counter_max, DECIMAL_UNSET);
    ck_assert_str_eq(c->items[0].unit, "");
    ck_assert_uint_eq(c->items[0].line, 5);
    ck_assert_int_eq(c->items[1].stat_type, 2);
    ck_assert_str_eq(c->items[2].data_code, "0000000002330012");
    ck_assert_int_eq(c->items[2].aggregation, AGG_COUNTER);
    ck_assert_int_eq(c->items[2].period, 60);
    ck_assert_int_eq(c->items[2].counter_max, INT64_C(99999900000));
    ck_assert_int_eq(c->items[2].decimals, 2);
    ck_assert_int_eq(c->items[2].input_type, 4);
    ck_assert_int_eq(c->items[2].scope, 1);
    ck_assert_str_eq(c->items[2].unit, "kWh");
    done(&o);
}
END_TEST

START_TEST(bounds_are_read_exactly_and_cut_where_no_value_reaches)
{
    static const struct {
        const char *text;
        int64_t scaled;
    } ROWS[] = {
        {"0", 0},
        {"-0", 0},
        {"1.5", 1500000},
        {" 1.5\n", 1500000},
        {"+.000001", 1},
        {"-.0000005", 0},
        {"-.0000015", -2},
        {"00000000000000000000000000000000000000000000000000000000000000000000000000000007", 7000000},
        {"1.00000000000000000000000000000000000000000000000000000000000000000000000000000000000001", 1000000},
        {"999999999999.999999", INT64_C(999999999999999999)},
        {"1000000000000", INT64_C(1000000000000000000)},
        {"999999999999.9999999", INT64_C(1000000000000000000)},
        {"-99999999999999999999999999999999999999999999999999999999", -INT64_C(1000000000000000000)},
    };
    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        ck_assert_msg(config_decimal(ROWS[i].text) == ROWS[i].scaled, "%s: %lld", ROWS[i].text,
                      (long long)config_decimal(ROWS[i].text));
    }
}
END_TEST

/* ---- the field table against the schema ---- */

static void quiet(void *arg, const char *fmt, ...)
{
    (void)arg, (void)fmt;
}

static xmlSchemaPtr load_schema(void)
{
    char path[512];
    const char *top = getenv("NHJC_SOURCE_DIR");
    ck_assert_msg(top != NULL, "NHJC_SOURCE_DIR is not set");
    snprintf(path, sizeof path, "%s/schema/config.xsd", top);
    xmlSchemaParserCtxtPtr parser = xmlSchemaNewParserCtxt(path);
    xmlSchemaPtr schema = xmlSchemaParse(parser);
    xmlSchemaFreeParserCtxt(parser);
    ck_assert_msg(schema != NULL, "%s does not load", path);
    return schema;
}

static bool schema_accepts(xmlSchemaPtr schema, const char *xml)
{
    xmlDocPtr doc = xmlReadMemory(xml, (int)strlen(xml), NULL, NULL, XML_PARSE_NOERROR | XML_PARSE_NONET);
    ENSURE_MSG(doc, "%s", xml);
    xmlSchemaValidCtxtPtr ctxt = xmlSchemaNewValidCtxt(schema);
    xmlSchemaSetValidErrors(ctxt, quiet, quiet, NULL);
    int status = xmlSchemaValidateDoc(ctxt, doc);
    xmlSchemaFreeValidCtxt(ctxt);
    xmlFreeDoc(doc);
    return status == 0;
}

/* Beyond the schema: what is judged with a code of its own. */
static bool table_accepts(const char *xml)
{
    struct outcome o = run(xml);
    bool accepted = result_ok(o.result) || (o.result.code != 2103);
    /* the schema knows the form of a data code, the server says 3102 */
    for (size_t i = 0; i < o.findings.count; i++) {
        accepted = accepted && !(o.findings.at[i].code == 3102 && strstr(o.findings.at[i].message, "dataCode"));
    }
    done(&o);
    return accepted;
}

/* WHOLE with one attribute of one element set to `value`, or left out (NULL). */
static char *changed(struct arena *a, const char *element, const char *name, const char *value)
{
    struct outcome o = run(WHOLE);
    struct enterprise_config *c = &o.set.at[0];
    struct buf b = BUF_INIT;
    for (size_t i = 0; i < c->count; i++) {
        struct config_object *object = &c->objects[i];
        if (strcmp(object->element, element) != 0) {
            continue;
        }
        struct attribute *more = arena_array(o.arena, object->count + 1, sizeof *more);
        size_t n = 0;
        for (size_t k = 0; k < object->count; k++) {
            if (strcmp(object->attributes[k].name, name) != 0) {
                more[n++] = object->attributes[k];
            }
        }
        if (value) {
            more[n++] = (struct attribute){name, value};
        }
        object->attributes = more;
        object->count = n;
    }
    payload_write_config(c, &b);
    char *xml = arena_strdup(a, buf_str(&b));
    buf_free(&b);
    done(&o);
    return xml;
}

static const char *repeated(struct arena *a, const char *text, int n)
{
    struct buf b = BUF_INIT;
    for (int i = 0; i < n; i++) {
        buf_append_str(&b, text);
    }
    char *copy = arena_strdup(a, buf_str(&b));
    buf_free(&b);
    return copy;
}

static void compare(xmlSchemaPtr schema, struct arena *a, const char *element, const char *name, const char *value)
{
    const char *xml = changed(a, element, name, value);
    bool by_schema = schema_accepts(schema, xml), by_table = table_accepts(xml);
    ENSURE_MSG(by_schema == by_table, "<%s %s=\"%s\">: the schema %s it, the table %s it", element, name,
               value ? value : "(absent)", by_schema ? "accepts" : "refuses", by_table ? "accepts" : "refuses");
}

/* No outer blanks: XML Schema steps over them in numbers, and so do we, but libxml2 2.9.14 does not always. */
static const char *const VALUES[] = {"",
                                     " ",
                                     "0",
                                     "1",
                                     "2",
                                     "3",
                                     "4",
                                     "5",
                                     "6",
                                     "7",
                                     "8",
                                     "9",
                                     "00",
                                     "01",
                                     "true",
                                     "false",
                                     "TRUE",
                                     "60",
                                     "59",
                                     "86400",
                                     "86401",
                                     "900",
                                     "+900",
                                     "9e2",
                                     "-1",
                                     "1.5",
                                     ".5",
                                     "5.",
                                     ".",
                                     "-",
                                     "+",
                                     "1,5",
                                     "sum",
                                     "mean",
                                     "counter",
                                     "Sum",
                                     "max",
                                     "420106",
                                     "42010a",
                                     "100",
                                     "0304",
                                     "0102",
                                     "12040000",
                                     "0000000002330011",
                                     "00-00-0000-023300-11",
                                     "000000000233001",
                                     "00-00-0000-0233-0011",
                                     "99999999999999999999",
                                     "电",
                                     "电力",
                                     "2026-11-20",
                                     NULL};

START_TEST(table_and_schema_accept_the_same_values_of_every_attribute)
{
    base_data = NULL;
    xmlSchemaPtr schema = load_schema();
    size_t kinds;
    const struct element_row *elements = config_elements(&kinds);
    struct arena *a = arena_new(0);
    ck_assert(schema_accepts(schema, WHOLE) && table_accepts(WHOLE));
    for (size_t e = 0; e < kinds; e++) {
        for (size_t f = 0; f < elements[e].field_count; f++) {
            const struct field_row *field = &elements[e].fields[f];
            for (size_t v = 0; v < ARRAY_LEN(VALUES); v++) {
                compare(schema, a, elements[e].name, field->name, VALUES[v]);
            }
            for (int n = field->type == FIELD_TEXT ? 1 : 130; n < 130; n += n < 4 ? 1 : 1 + n / 8) {
                compare(schema, a, elements[e].name, field->name, repeated(a, "能", n));
            }
            if (field->type == FIELD_TEXT && field->max > 0) {
                compare(schema, a, elements[e].name, field->name, repeated(a, "能", field->max));
                compare(schema, a, elements[e].name, field->name, repeated(a, "x", field->max + 1));
            }
            arena_reset(a);
        }
        compare(schema, a, elements[e].name, "anotherName", "1");
    }
    arena_free(&a);
    xmlSchemaFree(schema);
}
END_TEST

START_TEST(table_and_schema_agree_on_which_elements_stand_where)
{
    static const char *const PARTS[] = {ENTERPRISE, "<group/>\n", PROCESS, UNIT,    EQUIPMENT,
                                        METER,      PRODUCT,      ITEM,    "<x/>\n"};
    xmlSchemaPtr schema = load_schema();
    unsigned state = 11;
    for (int round = 0; round < 3000; round++) {
        struct buf b = BUF_INIT;
        buf_append_str(&b, OPEN);
        /* ascending often enough that good documents come up too */
        size_t at = 0;
        for (int n = 0; n < 6; n++) {
            state = state * 1103515245u + 12345u;
            unsigned draw = state >> 16;
            at = draw % 8 == 0 ? draw / 8 % ARRAY_LEN(PARTS) : at;
            buf_append_str(&b, PARTS[at]);
            at += at + 1 < ARRAY_LEN(PARTS) - 1 && draw % 3;
        }
        buf_append_str(&b, CLOSE);
        ENSURE_MSG(schema_accepts(schema, buf_str(&b)) == table_accepts(buf_str(&b)), "%s", buf_str(&b));
        buf_free(&b);
    }
    xmlSchemaFree(schema);
}
END_TEST

UNIT_MAIN("config_check", a_document_is_read_into_objects_with_their_lines, a_set_gives_each_enterprise_its_bytes,
          what_was_read_can_be_written_and_read_again, structure_that_is_none_is_refused_with_its_line,
          all_faults_of_a_document_are_reported_at_once, contradictions_are_3501_with_the_line,
          codes_that_are_none_are_3102_and_scopes_that_contradict_them_3103,
          segments_and_codes_outside_base_data_are_3104, what_only_looks_odd_is_accepted,
          items_come_out_sorted_and_converted, bounds_are_read_exactly_and_cut_where_no_value_reaches,
          table_and_schema_accept_the_same_values_of_every_attribute,
          table_and_schema_agree_on_which_elements_stand_where)
