/* The SOAP engine over memory, without database and network: what is served, what is refused, and how. */
#include "unit.h"

#include "soap_fixture.h"

#define ACCESS "/services/access"

static struct engine *engine;
static struct soap_answer answer;

static void setup(void)
{
    memset(&seen, 0, sizeof seen);
    clock_set_fake(INT64_C(1794910562000000)); /* 2026-11-17 10:16:02 UTC */
    engine = fixture_engine("");
}

static void teardown(void)
{
    buf_free(&answer.body);
    engine_free(&engine);
    clock_set_real();
}

static const char *text(void)
{
    return buf_str(&answer.body);
}

static void post(const char *path, const char *type, const char *body)
{
    buf_free(&answer.body);
    answer = fixture_send(engine, fixture_request(path, type, body, strlen(body)));
}

static void expect(const char *part)
{
    ck_assert_msg(strstr(text(), part) != NULL, "no %s in %s", part, text());
}

static void expect_fault(int status, int code)
{
    char element[64];
    snprintf(element, sizeof element, ":code>%d</", code);
    ck_assert_msg(answer.status == status, "status %d, not %d: %s", answer.status, status, text());
    expect(":Fault>");
    expect(element);
    ck_assert_int_eq(seen.refused_code, code);
    ck_assert_int_eq(seen.refusals, 1);
    ck_assert_int_eq(seen.runs, 0);
    seen.refusals = 0;
}

static void get(const char *path, const char *query)
{
    struct net_request request = fixture_request(path, "", "", 0);
    request.method = NET_GET;
    request.query = (char *)(uintptr_t)query;
    buf_free(&answer.body);
    answer = fixture_send(engine, request);
}

/* ---- served ---- */

START_TEST(an_operation_is_run_and_answered_in_soap_11)
{
    post(ACCESS, TYPE11,
         "<?xml version=\"1.0\" encoding=\"utf-8\"?>" ENVELOPE(SOAP11, UPLOAD("<content>YWJj</content>")));
    ck_assert_int_eq(answer.status, 200);
    ck_assert_str_eq(answer.content_type, "text/xml; charset=utf-8");
    ck_assert_int_eq(seen.runs, 1);
    ck_assert_uint_eq(seen.content_len, 3);
    ck_assert_mem_eq(seen.content, "abc", 3);
    expect("<access:UploadDataResponse><access:responseCode>0</access:responseCode><access:responseMessage>已接收");
    expect("</access:responseMessage><access:platformTime>2026-11-17 18:16:02</access:platformTime><access:uploadId/>");
    expect("<access:recordsReceived>7</access:recordsReceived>");
    expect("<access:findingsTruncated>false</access:findingsTruncated></access:UploadDataResponse>");
    ck_assert_int_eq(seen.refusals, 0);
}
END_TEST

START_TEST(an_operation_is_run_and_answered_in_soap_12)
{
    post(ACCESS, TYPE12, ENVELOPE(SOAP12, CHECK));
    ck_assert_int_eq(answer.status, 200);
    ck_assert_str_eq(answer.content_type, "application/soap+xml; charset=utf-8");
    expect("xmlns:SOAP-ENV=\"" SOAP12 "\"");
    ck_assert_int_eq(seen.runs, 1);
    ck_assert_ptr_null(strstr(text(), "rpc:result"));
}
END_TEST

START_TEST(nothing_of_gsoap_shows_in_an_answer)
{
    post(ACCESS, TYPE11, ENVELOPE(SOAP11, CHECK));
    ck_assert_ptr_null(strcasestr(text(), "gsoap"));
    ck_assert_ptr_null(strstr(text(), "xmlns:xsi"));
    ck_assert_ptr_null(answer.headers);
}
END_TEST

START_TEST(texts_of_an_answer_are_escaped)
{
    post(ACCESS, TYPE11, ENVELOPE(SOAP11, CHECK));
    expect("<access:regVersion>&lt;https://province.example:8443&gt;</access:regVersion>");
}
END_TEST

START_TEST(required_texts_nobody_filled_are_empty_elements)
{
    post(ACCESS, TYPE11, ENVELOPE(SOAP11, CHECK));
    expect("<access:dicVersion/>");
}
END_TEST

START_TEST(prefixes_comments_and_blanks_do_not_matter)
{
    post(ACCESS, TYPE11,
         "<?xml version='1.0'?>\n<!-- c --><s:Envelope xmlns:s='" SOAP11 "'>\n <s:Header/>\n <s:Body>\n"
         "  <q:CheckVersion xmlns:q='urn:nhjc:access:v1'><!-- < > & -->\n   <q:deviceId>d</q:deviceId>\n  "
         "</q:CheckVersion>"
         "\n </s:Body>\n</s:Envelope>\n<?pi?>");
    ck_assert_int_eq(answer.status, 200);
    ck_assert_int_eq(seen.runs, 1);
}
END_TEST

START_TEST(a_byte_order_mark_is_accepted)
{
    post(ACCESS, TYPE11, "\xEF\xBB\xBF" ENVELOPE(SOAP11, CHECK));
    ck_assert_int_eq(answer.status, 200);
}
END_TEST

START_TEST(an_element_inside_a_value_is_2103_and_no_text)
{
    static const char *const BAD[] = {
        "<b>d</b>", "<b/>", "d<b/>", "<!-- --><q:b xmlns:q='urn:q'/>", "<content>d</content>", "<Body><x/></Body>"};
    for (size_t i = 0; i < ARRAY_LEN(BAD); i++) {
        char body[600];
        snprintf(
            body, sizeof body,
            "<e:Envelope xmlns:e=\"" SOAP11 "\"><e:Header><t xmlns='urn:t'><a><b><c/></b></a></t></e:Header><e:Body>"
            "<CheckVersion xmlns=\"urn:nhjc:access:v1\"><deviceId>%s</deviceId></CheckVersion></e:Body></e:Envelope>",
            BAD[i]);
        post(ACCESS, TYPE11, body);
        expect_fault(500, 2103);
    }
    post(ACCESS, TYPE11, ENVELOPE(SOAP11, "<Other xmlns=\"urn:nhjc:access:v1\"><a><b/></a></Other>"));
    expect_fault(500, 2112); /* what nobody knows may look like anything */
}
END_TEST

START_TEST(header_blocks_are_ignored_unless_they_must_be_understood)
{
#define WITH_HEADER(attribute)                                                                                         \
    "<e:Envelope xmlns:e=\"" SOAP11 "\"><e:Header><t:Trace xmlns:t=\"urn:t\"" attribute "><t:id>1</t:id></t:Trace>"    \
    "</e:Header><e:Body>" CHECK "</e:Body></e:Envelope>"
    post(ACCESS, TYPE11, WITH_HEADER(""));
    ck_assert_int_eq(answer.status, 200);
    seen.runs = 0;
    post(ACCESS, TYPE11, WITH_HEADER(" e:mustUnderstand=\"1\""));
    expect_fault(500, 2103);
    expect("<faultcode>SOAP-ENV:MustUnderstand</faultcode>");
}
END_TEST

START_TEST(refused_content_is_a_response_that_is_recorded)
{
    seen.response_code = 2104;
    post(ACCESS, TYPE11, ENVELOPE(SOAP11, UPLOAD("<content/>")));
    ck_assert_int_eq(answer.status, 200);
    expect("<access:responseCode>2104</access:responseCode><access:responseMessage>摘要不一致");
    ck_assert_int_eq(seen.refusals, 1);
    ck_assert_int_eq(seen.refused_code, 2104);
}
END_TEST

START_TEST(a_request_in_gzip_is_unpacked)
{
    const char *body = ENVELOPE(SOAP11, CHECK);
    struct buf packed = BUF_INIT;
    ck_assert(result_ok(envelope_gzip(body, strlen(body), &packed)));
    struct net_request request = fixture_request(ACCESS, TYPE11, packed.data, packed.len);
    request.content_gzip = true;
    answer = fixture_send(engine, request);
    ck_assert_int_eq(answer.status, 200);
    ck_assert_int_eq(seen.runs, 1);
    buf_free(&packed);
}
END_TEST

START_TEST(a_request_that_is_no_gzip_is_refused)
{
    struct net_request request = fixture_request(ACCESS, TYPE11, "no gzip", 7);
    request.content_gzip = true;
    answer = fixture_send(engine, request);
    expect_fault(500, 2106);
}
END_TEST

START_TEST(a_gzip_bomb_is_refused)
{
    struct buf zeros = BUF_INIT, packed = BUF_INIT;
    char *block = mem_alloc(1 << 20);
    for (int i = 0; i < 9; i++)
        buf_append(&zeros, block, 1 << 20);
    ck_assert(result_ok(envelope_gzip(zeros.data, zeros.len, &packed)));
    struct net_request request = fixture_request(ACCESS, TYPE11, packed.data, packed.len);
    request.content_gzip = true;
    answer = fixture_send(engine, request);
    expect_fault(500, 1107);
    mem_free(block);
    buf_free(&zeros);
    buf_free(&packed);
}
END_TEST

START_TEST(a_large_answer_leaves_in_gzip_for_those_who_take_it)
{
    const char *body = ENVELOPE(SOAP11, "<QueryData xmlns=\"urn:nhjc:query:v1\"><enterpriseCode>a</enterpriseCode>"
                                        "<enterpriseCode>b</enterpriseCode><granularity>day</granularity><from>x</from>"
                                        "<to>y</to></QueryData>");
    seen.rows = 100;
    post("/services/query", TYPE11, body);
    size_t plain = answer.body.len;
    ck_assert_str_eq(answer.headers, "Vary: Accept-Encoding\r\n");
    struct net_request request = fixture_request("/services/query", TYPE11, body, strlen(body));
    request.accept_gzip = true;
    buf_free(&answer.body);
    answer = fixture_send(engine, request);
    ck_assert_str_eq(answer.headers, "Content-Encoding: gzip\r\nVary: Accept-Encoding\r\n");
    ck_assert_uint_lt(answer.body.len, plain / 4);
    struct buf back = BUF_INIT;
    ck_assert(result_ok(envelope_gunzip(answer.body.data, answer.body.len, 1 << 20, &back)));
    ck_assert_uint_eq(back.len, plain);
    buf_free(&back);
    ck_assert_str_eq(seen.message_id, "2 day");
}
END_TEST

/* ---- WSDL and schemas ---- */

START_TEST(the_wsdl_carries_the_callers_address_and_its_schema)
{
    get(ACCESS, "wsdl");
    ck_assert_int_eq(answer.status, 200);
    expect("<soap:address location=\"https://province.example:8443/services/access\"/>");
    expect("<soap12:address location=\"https://province.example:8443/services/access\"/>");
    expect("targetNamespace=\"urn:nhjc:access:v1\" elementFormDefault=\"qualified\"");
    ck_assert_ptr_null(strstr(text(), "localhost"));
    ck_assert_ptr_null(strstr(text(), "xsd:import"));
}
END_TEST

START_TEST(a_configured_address_is_stronger_than_the_host_header)
{
    engine_free(&engine);
    engine = fixture_engine("https://energy.gov.example/");
    get("/services/query", "WSDL");
    expect("location=\"https://energy.gov.example/services/query\"");
}
END_TEST

START_TEST(a_host_header_that_is_no_address_is_refused)
{
    struct net_request request = fixture_request(ACCESS, "", "", 0);
    request.method = NET_GET;
    request.query = (char *)(uintptr_t) "wsdl";
    request.host = (char *)(uintptr_t) "a\"/><evil";
    answer = fixture_send(engine, request);
    ck_assert_int_eq(answer.status, 400);
}
END_TEST

START_TEST(every_schema_is_served_byte_for_byte)
{
    static const char *const NAMES[] = {"access", "exchange", "query", "data", "config"};
    for (size_t i = 0; i < ARRAY_LEN(NAMES); i++) {
        char path[512], query[64];
        snprintf(path, sizeof path, "%s/schema/%s.xsd", getenv("NHJC_SOURCE_DIR"), NAMES[i]);
        snprintf(query, sizeof query, i % 2 ? "xsd=%s" : "xsd=%s.xsd", NAMES[i]);
        get(ACCESS, query);
        ck_assert_int_eq(answer.status, 200);
        FILE *f = fopen(path, "rb");
        ck_assert_ptr_nonnull(f);
        char *bytes = mem_alloc(answer.body.len + 1);
        ck_assert_uint_eq(fread(bytes, 1, answer.body.len + 1, f), answer.body.len);
        ck_assert_mem_eq(bytes, answer.body.data, answer.body.len);
        fclose(f);
        mem_free(bytes);
    }
}
END_TEST

START_TEST(other_addresses_and_methods_are_plain_http_errors)
{
    get(ACCESS, "xsd=../../etc/passwd");
    ck_assert_int_eq(answer.status, 404);
    get(ACCESS, "");
    ck_assert_int_eq(answer.status, 405);
    get("/services/nothing", "wsdl");
    ck_assert_int_eq(answer.status, 404);
    post("/services/access/", TYPE11, ENVELOPE(SOAP11, CHECK));
    ck_assert_int_eq(answer.status, 404);
    struct net_request request = fixture_request(ACCESS, "", "", 0);
    request.method = NET_OTHER;
    buf_free(&answer.body);
    answer = fixture_send(engine, request);
    ck_assert_int_eq(answer.status, 405);
    ck_assert_int_eq(seen.refusals, 0);
}
END_TEST

/* ---- faults ---- */

START_TEST(a_fault_of_soap_11_carries_code_level_and_words)
{
    post(ACCESS, TYPE11, ENVELOPE(SOAP11, "<Nonsense xmlns=\"urn:nhjc:access:v1\"/>"));
    expect_fault(500, 2112);
    expect("<faultcode>SOAP-ENV:Client</faultcode><faultstring>没有此操作");
    expect("<detail><access:ServiceFault><access:code>2112</access:code><access:level>communication</access:level>"
           "<access:message>");
    expect(" / no such operation");
    ck_assert_str_eq(answer.content_type, "text/xml; charset=utf-8");
}
END_TEST

START_TEST(a_fault_of_soap_12_is_status_400_for_the_senders_fault)
{
    post(ACCESS, TYPE12, ENVELOPE(SOAP12, "<Nonsense xmlns=\"urn:nhjc:access:v1\"/>"));
    expect_fault(400, 2112);
    expect("<SOAP-ENV:Value>SOAP-ENV:Sender</SOAP-ENV:Value>");
    expect("<SOAP-ENV:Detail><access:ServiceFault><access:code>2112</access:code>");
    ck_assert_str_eq(answer.content_type, "application/soap+xml; charset=utf-8");
}
END_TEST

START_TEST(a_fault_of_ours_is_status_500_and_keeps_the_inside_to_itself)
{
    seen.run = result_error(ERR_TRANSIENT, 9102, "connection to server at 10.0.0.5 refused");
    post(ACCESS, TYPE12, ENVELOPE(SOAP12, CHECK));
    ck_assert_int_eq(answer.status, 500);
    expect("SOAP-ENV:Receiver");
    expect("<access:code>9102</access:code>");
    ck_assert_ptr_null(strstr(text(), "10.0.0.5"));
    seen.run = result_error(ERR_INTERNAL, 0, "relation unit does not exist");
    post(ACCESS, TYPE11, ENVELOPE(SOAP11, CHECK));
    ck_assert_int_eq(answer.status, 500);
    expect("SOAP-ENV:Server");
    expect("<access:code>9101</access:code>");
    ck_assert_ptr_null(strstr(text(), "relation"));
}
END_TEST

START_TEST(who_may_not_use_a_service_is_refused_before_the_body_is_read)
{
    seen.authorise = result_error(ERR_UNAUTHORISED, 1101, "no usable code");
    post(ACCESS, TYPE12, "this is no XML");
    expect_fault(400, 1101);
    expect("<access:level>network</access:level>");
}
END_TEST

/* Otherwise a wrong type would pass by identity and rate, and cost its record every time. */
START_TEST(a_type_that_is_no_soap_does_not_come_before_identity_and_rate)
{
    seen.authorise = result_error(ERR_LIMIT, 1106, "next request in 7 s");
    post(ACCESS, "text/plain", "this is no XML");
    expect_fault(429, 1106);
    seen.authorise = RESULT_OK;
    post(ACCESS, "text/plain", "this is no XML");
    expect_fault(500, 2101);
    ck_assert_int_eq(seen.authorised, 2);
}
END_TEST

START_TEST(too_many_requests_are_told_how_long_to_wait)
{
    seen.authorise = result_error(ERR_LIMIT, 1106, "next request in 37 s");
    seen.retry_after = 37;
    post(ACCESS, TYPE11, ENVELOPE(SOAP11, CHECK));
    expect_fault(429, 1106);
    ck_assert_str_eq(answer.headers, "Retry-After: 37\r\n");
}
END_TEST

START_TEST(another_services_operation_is_unknown_here)
{
    post(ACCESS, TYPE11,
         ENVELOPE(SOAP11, "<QueryData xmlns=\"urn:nhjc:query:v1\"><enterpriseCode>a</enterpriseCode></QueryData>"));
    expect_fault(500, 2112);
    post("/services/exchange", TYPE11, ENVELOPE(SOAP11, CHECK));
    expect_fault(500, 2112);
    expect("<exchange:ServiceFault>");
    post("/services/query", TYPE11, ENVELOPE(SOAP11, CHECK));
    expect_fault(500, 2112);
}
END_TEST

START_TEST(an_operation_needs_its_namespace)
{
    post(ACCESS, TYPE11, ENVELOPE(SOAP11, "<CheckVersion><deviceId>d</deviceId></CheckVersion>"));
    expect_fault(500, 2112);
    post(ACCESS, TYPE11,
         ENVELOPE(SOAP11, "<CheckVersion xmlns=\"urn:nhjc:access:v2\"><deviceId>d</deviceId></CheckVersion>"));
    expect_fault(500, 2112);
}
END_TEST

START_TEST(an_operation_that_is_not_served_yet_says_so)
{
    post(ACCESS, TYPE11,
         ENVELOPE(SOAP11, "<ReportCommand xmlns=\"urn:nhjc:access:v1\"><deviceId>d</deviceId><commandId>c</commandId>"
                          "<result>DONE</result></ReportCommand>"));
    expect_fault(500, 2112);
    expect("ReportCommand");
}
END_TEST

/* ---- violations of the schema ---- */

static const struct {
    const char *what, *body;
} VIOLATIONS[] = {
    {"missing element", "<CheckVersion xmlns=\"urn:nhjc:access:v1\"/>"},
    {"missing element with blanks", "<CheckVersion xmlns=\"urn:nhjc:access:v1\"> </CheckVersion>"},
    {"nil", "<CheckVersion xmlns=\"urn:nhjc:access:v1\" xmlns:i=\"http://www.w3.org/2001/XMLSchema-instance\">"
            "<deviceId i:nil=\"true\"/></CheckVersion>"},
    {"twice", "<CheckVersion xmlns=\"urn:nhjc:access:v1\"><deviceId>a</deviceId><deviceId>b</deviceId></CheckVersion>"},
    {"unknown element", "<CheckVersion xmlns=\"urn:nhjc:access:v1\"><deviceId>a</deviceId><more/></CheckVersion>"},
    {"element without namespace",
     "<q:CheckVersion xmlns:q=\"urn:nhjc:access:v1\"><deviceId>a</deviceId></q:CheckVersion>"},
    {"element of another namespace",
     "<CheckVersion xmlns=\"urn:nhjc:access:v1\"><deviceId xmlns=\"urn:x\">a</deviceId></CheckVersion>"},
    {"second operation", CHECK CHECK},
    {"bad base64", UPLOAD("<content>Y*Jj</content>")},
    {"cut base64", UPLOAD("<content>YWJ</content>")},
    {"padding inside", UPLOAD("<content>YQ==YWJj</content>")},
    {"element in content", UPLOAD("<content><x>YWJj</x></content>")},
    {"content twice", UPLOAD("<content>YWJj</content><content>YWJj</content>")},
    {"no content", UPLOAD("")},
    {"empty messageId", UPLOAD_WITH("", "none", "<content/>")},
    {"messageId of 65",
     UPLOAD_WITH("12345678901234567890123456789012345678901234567890123456789012345", "none", "<content/>")},
    {"text between elements", "<CheckVersion xmlns=\"urn:nhjc:access:v1\">x<deviceId>a</deviceId></CheckVersion>"},
};

START_TEST(a_violation_of_the_schema_is_2103)
{
    char body[4096];
    snprintf(body, sizeof body, ENVELOPE(SOAP11, "%s"), VIOLATIONS[_i].body);
    post(ACCESS, TYPE11, body);
    ck_assert_msg(strstr(text(), ":code>2103<") != NULL, "%s: %s", VIOLATIONS[_i].what, text());
    expect_fault(500, 2103);
}
END_TEST

/* gSOAP takes the ordinal number of an enumeration's value for the value: texts keep it out. */
START_TEST(a_number_does_not_stand_for_a_word)
{
    post(ACCESS, TYPE11, ENVELOPE(SOAP11, UPLOAD_WITH("m", "1", "<content/>")));
    ck_assert_str_eq(seen.encryption, "1");
}
END_TEST

START_TEST(sixty_four_chinese_characters_are_a_message_id)
{
#define EIGHT "能能能能能能能能"
    post(ACCESS, TYPE11,
         ENVELOPE(SOAP11, UPLOAD_WITH(EIGHT EIGHT EIGHT EIGHT EIGHT EIGHT EIGHT EIGHT, "none", "<content/>")));
    ck_assert_int_eq(answer.status, 200);
    ck_assert_uint_eq(strlen(seen.message_id), 192);
    seen.runs = 0;
    post(ACCESS, TYPE11,
         ENVELOPE(SOAP11, UPLOAD_WITH(EIGHT EIGHT EIGHT EIGHT EIGHT EIGHT EIGHT EIGHT "x", "none", "<content/>")));
    expect_fault(500, 2103);
}
END_TEST

/* ---- the bytes before gSOAP ---- */

static const struct {
    const char *what;
    int code;
    const char *type, *body;
} BAD_BYTES[] = {
    {"nothing", 2101, TYPE11, ""},
    {"no XML", 2101, TYPE11, "hello"},
    {"HTTP inside", 2101, TYPE11, "POST /services/access HTTP/1.1\r\n\r\n" ENVELOPE(SOAP11, CHECK)},
    {"cut off", 2101, TYPE11, "<e:Envelope xmlns:e=\"" SOAP11 "\"><e:Body>" CHECK "</e:Body>"},
    {"tags crossed", 2101, TYPE11, "<e:Envelope xmlns:e=\"" SOAP11 "\"><e:Body>" CHECK "</e:Envelope></e:Body>"},
    {"a second root", 2101, TYPE11, ENVELOPE(SOAP11, CHECK) "<x/>"},
    {"text after the root", 2101, TYPE11, ENVELOPE(SOAP11, CHECK) "x"},
    {"DTD", 2102, TYPE11, "<!DOCTYPE e [<!ENTITY x \"y\">]>" ENVELOPE(SOAP11, CHECK)},
    {"DTD after the declaration", 2102, TYPE11,
     "<?xml version=\"1.0\"?>\n<!DOCTYPE e SYSTEM \"http://x/\">" ENVELOPE(SOAP11, CHECK)},
    {"DTD inside", 2102, TYPE11, ENVELOPE(SOAP11, "<!DOCTYPE x>" CHECK)},
    {"entity", 2101, TYPE11,
     ENVELOPE(SOAP11, "<CheckVersion xmlns=\"urn:nhjc:access:v1\"><deviceId>&x;</deviceId></CheckVersion>")},
    {"HTML entity", 2101, TYPE11,
     ENVELOPE(SOAP11, "<CheckVersion xmlns=\"urn:nhjc:access:v1\"><deviceId>&nbsp;</deviceId></CheckVersion>")},
    {"bare ampersand", 2101, TYPE11,
     ENVELOPE(SOAP11, "<CheckVersion xmlns=\"urn:nhjc:access:v1\"><deviceId>a & b</deviceId></CheckVersion>")},
    {"reference to NUL", 2101, TYPE11,
     ENVELOPE(SOAP11, "<CheckVersion xmlns=\"urn:nhjc:access:v1\"><deviceId>&#0;</deviceId></CheckVersion>")},
    {"reference to a surrogate", 2101, TYPE11,
     ENVELOPE(SOAP11, "<CheckVersion xmlns=\"urn:nhjc:access:v1\"><deviceId>&#xD800;</deviceId></CheckVersion>")},
    {"GBK declared", 2101, TYPE11, "<?xml version=\"1.0\" encoding=\"GBK\"?>" ENVELOPE(SOAP11, CHECK)},
    {"GB2312 declared, ASCII bytes", 2101, TYPE11, "<?xml version='1.0' encoding='gb2312' ?>" ENVELOPE(SOAP11, CHECK)},
    {"a later declaration", 2101, TYPE11, ENVELOPE(SOAP11, "<?xml version='1.0' encoding='gbk'?>" CHECK)},
    {"GBK in the content type", 2101, "text/xml; charset=GBK", ENVELOPE(SOAP11, CHECK)},
    {"XML 1.1", 2101, TYPE11, "<?xml version=\"1.1\"?>" ENVELOPE(SOAP11, CHECK)},
    {"GBK bytes", 2101, TYPE11,
     ENVELOPE(SOAP11,
              "<CheckVersion xmlns=\"urn:nhjc:access:v1\"><deviceId>\xC4\xDC\xD4\xB4</deviceId></CheckVersion>")},
    {"overlong slash", 2101, TYPE11,
     ENVELOPE(SOAP11, "<CheckVersion xmlns=\"urn:nhjc:access:v1\"><deviceId>\xC0\xAF</deviceId></CheckVersion>")},
    {"surrogate bytes", 2101, TYPE11,
     ENVELOPE(SOAP11, "<CheckVersion xmlns=\"urn:nhjc:access:v1\"><deviceId>\xED\xA0\x80</deviceId></CheckVersion>")},
    {"control character", 2101, TYPE11,
     ENVELOPE(SOAP11, "<CheckVersion xmlns=\"urn:nhjc:access:v1\"><deviceId>\x01</deviceId></CheckVersion>")},
    {"UTF-16 mark", 2101, TYPE11, "\xFF\xFE<"},
    {"not SOAP", 2103, TYPE11, "<html/>"},
    {"an unknown SOAP", 2103, TYPE11, ENVELOPE("http://www.w3.org/2999/soap", CHECK)},
    {"an operation without its envelope", 2103, TYPE11, CHECK},
    {"no body", 2103, TYPE11, "<e:Envelope xmlns:e=\"" SOAP11 "\"/>"},
    {"no operation", 2112, TYPE11, ENVELOPE(SOAP11, "")},
    {"an empty body", 2112, TYPE11, "<e:Envelope xmlns:e=\"" SOAP11 "\"><e:Body/></e:Envelope>"},
    {"JSON", 2101, "application/json", "{}"},
    {"no content type", 2101, "", ENVELOPE(SOAP11, CHECK)},
    {"undeclared prefix", 2112, TYPE11,
     ENVELOPE(SOAP11, "<z:CheckVersion><z:deviceId>d</z:deviceId></z:CheckVersion>")},
};

START_TEST(bytes_that_must_not_reach_an_operation_are_refused)
{
    post(ACCESS, BAD_BYTES[_i].type, BAD_BYTES[_i].body);
    ck_assert_msg(seen.refused_code == BAD_BYTES[_i].code, "%s: %d %s", BAD_BYTES[_i].what, seen.refused_code, text());
    expect_fault(500, BAD_BYTES[_i].code);
}
END_TEST

static void post_made(void (*make)(struct buf *b))
{
    struct buf b = BUF_INIT;
    buf_append_str(&b, "<e:Envelope xmlns:e=\"" SOAP11 "\"><e:Body>");
    make(&b);
    buf_append_str(&b, "</e:Body></e:Envelope>");
    post(ACCESS, TYPE11, buf_str(&b));
    buf_free(&b);
}

static void many_attributes(struct buf *b)
{
    buf_append_str(b, "<CheckVersion xmlns=\"urn:nhjc:access:v1\"");
    for (int i = 0; i < 100; i++)
        buf_printf(b, " a%d=\"\"", i);
    buf_append_str(b, "><deviceId>d</deviceId></CheckVersion>");
}

/* Few in each tag, but ever new ones: gSOAP remembers every name it has seen. */
static void many_names(struct buf *b)
{
    buf_append_str(b, "<QueryData xmlns=\"urn:nhjc:access:v1\">");
    for (int i = 0; i < 300; i++)
        buf_printf(b, "<x a%d=\"\" xmlns:p%d=\"urn:x\"/>", i, i);
    buf_append_str(b, "</QueryData>");
}

static void a_long_tag(struct buf *b)
{
    buf_append_str(b, "<CheckVersion xmlns=\"urn:nhjc:access:v1\" a=\"");
    for (int i = 0; i < 65536; i++)
        buf_append_char(b, 'x');
    buf_append_str(b, "\"><deviceId>d</deviceId></CheckVersion>");
}

static void deep_nesting(struct buf *b)
{
    for (int i = 0; i < 49; i++)
        buf_append_str(b, "<a>");
    for (int i = 0; i < 49; i++)
        buf_append_str(b, "</a>");
}

START_TEST(a_flood_of_attributes_is_a_limit)
{
    post_made(many_attributes);
    expect_fault(500, 2106);
}
END_TEST

START_TEST(a_flood_of_attribute_names_is_a_limit)
{
    post_made(many_names);
    expect_fault(500, 2106);
}
END_TEST

START_TEST(a_giant_tag_is_a_limit)
{
    post_made(a_long_tag);
    expect_fault(500, 2106);
}
END_TEST

START_TEST(deep_nesting_is_a_limit)
{
    post_made(deep_nesting);
    expect_fault(500, 2106);
}
END_TEST

static void a_deep_header(struct buf *b, int depth)
{
    buf_append_str(b, "<e:Envelope xmlns:e=\"" SOAP11 "\"><e:Header>");
    for (int i = 0; i < depth; i++)
        buf_append_str(b, "<a>");
    for (int i = 0; i < depth; i++)
        buf_append_str(b, "</a>");
    buf_append_str(b, "</e:Header><e:Body>" CHECK "</e:Body></e:Envelope>");
}

START_TEST(the_depth_is_the_one_configured)
{
    static const struct wire_limits deep = {.depth = 200, .attributes = 100, .tag_bytes = 65536, .names = 256};
    struct buf b = BUF_INIT;
    engine_free(&engine);
    engine = fixture_limited("", &deep);
    a_deep_header(&b, 198);
    post(ACCESS, TYPE11, buf_str(&b));
    ck_assert_msg(answer.status == 200, "%s", text());
    seen.runs = 0;
    buf_clear(&b);
    a_deep_header(&b, 199);
    post(ACCESS, TYPE11, buf_str(&b));
    expect_fault(500, 2106);
    buf_free(&b);
}
END_TEST

/* ---- content ---- */

static const struct {
    const char *xml, *bytes;
} CONTENTS[] = {
    {"<content/>", ""},
    {"<content></content>", ""},
    {"<content>YQ==</content>", "a"},
    {"<content>YWI=</content>", "ab"},
    {"<content> Y W\r\nJ\tj </content>", "abc"},
    {"<content>YWJj&#13;\nZGVm&#xD;&#10;</content>", "abcdef"},
    {"<content><![CDATA[YWJj]]></content>", "abc"},
    {"<content>YW<!-- </content> -->Jj<?x?></content>", "abc"},
    {"<c:content xmlns:c=\"urn:nhjc:access:v1\">YWJj</c:content>", "abc"},
};

START_TEST(base64_is_read_however_it_is_written)
{
    char body[4096];
    snprintf(body, sizeof body, ENVELOPE(SOAP11, UPLOAD("%s")), CONTENTS[_i].xml);
    post(ACCESS, TYPE11, body);
    ck_assert_msg(answer.status == 200, "%s: %s", CONTENTS[_i].xml, text());
    ck_assert_uint_eq(seen.content_len, strlen(CONTENTS[_i].bytes));
    ck_assert_mem_eq(seen.content, CONTENTS[_i].bytes, seen.content_len);
}
END_TEST

START_TEST(content_of_every_length_survives)
{
    unsigned char bytes[300];
    char letters[BASE64_LENGTH(sizeof bytes) + 1];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)(i * 37 + 11);
    for (size_t n = 0; n <= sizeof bytes; n += n < 20 ? 1 : 47) {
        char body[4096];
        base64_encode(bytes, n, letters);
        letters[BASE64_LENGTH(n)] = 0;
        snprintf(body, sizeof body, ENVELOPE(SOAP11, UPLOAD("<content>%s</content>")), letters);
        post(ACCESS, TYPE11, body);
        ck_assert_uint_eq(seen.content_len, n);
        ck_assert_mem_eq(seen.content, bytes, n);
    }
}
END_TEST

START_TEST(content_is_written_as_base64)
{
    post(ACCESS, TYPE11,
         ENVELOPE(SOAP11,
                  "<DownloadEnterprise xmlns=\"urn:nhjc:access:v1\"><deviceId>d</deviceId></DownloadEnterprise>"));
    expect("<access:content>YW55IGNhcm5hbCBwbGVhcw==</access:content>");
}
END_TEST

/* ---- MTOM ---- */

#define INCLUDE(href)                                                                                                  \
    "<content><i:Include xmlns:i=\"http://www.w3.org/2004/08/xop/include\" href=\"" href "\"/></content>"
#define PART(id, type, bytes)                                                                                          \
    "--BB\r\nContent-Type: " type "\r\nContent-Transfer-Encoding: binary\r\nContent-ID: <" id ">\r\n\r\n" bytes "\r\n"
#define XOP_TYPE "application/xop+xml; charset=UTF-8; type=\"text/xml\""
#define MTOM_TYPE                                                                                                      \
    "multipart/related; boundary=\"BB\"; type=\"application/xop+xml\"; start=\"<root@x>\"; start-info=\"text/xml\""

START_TEST(an_attachment_is_the_content)
{
    post(ACCESS, MTOM_TYPE,
         "preamble\r\n" PART("root@x", XOP_TYPE, ENVELOPE(SOAP11, UPLOAD(INCLUDE("cid:a%40b"))))
             PART("a@b", "application/octet-stream", "raw \r\n--B bytes") "--BB--\r\n");
    ck_assert_msg(answer.status == 200, "%s", text());
    ck_assert_uint_eq(seen.content_len, 15);
    ck_assert_mem_eq(seen.content, "raw \r\n--B bytes", 15);
}
END_TEST

START_TEST(an_attachment_works_in_soap_12_too)
{
    post(ACCESS,
         "Multipart/Related; boundary=BB; type=\"application/xop+xml\"; start-info=\"application/soap+xml; "
         "action=\\\"x\\\"\"",
         PART("root@x", "application/xop+xml; type=\"application/soap+xml\"",
              ENVELOPE(SOAP12, UPLOAD(INCLUDE("cid:1")))) PART("1", "application/octet-stream", "") "--BB--");
    ck_assert_msg(answer.status == 200, "%s", text());
    ck_assert_str_eq(answer.content_type, "application/soap+xml; charset=utf-8");
    ck_assert_uint_eq(seen.content_len, 0);
}
END_TEST

START_TEST(the_xml_part_may_come_last_when_start_names_it)
{
    post(ACCESS, MTOM_TYPE,
         PART("1", "application/octet-stream", "xyz")
             PART("root@x", XOP_TYPE, ENVELOPE(SOAP11, UPLOAD(INCLUDE("cid:1")))) "--BB--");
    ck_assert_msg(answer.status == 200, "%s", text());
    ck_assert_mem_eq(seen.content, "xyz", 3);
}
END_TEST

static const struct {
    int code;
    const char *type, *body;
} BAD_PARTS[] = {
    {2103, MTOM_TYPE, PART("root@x", XOP_TYPE, ENVELOPE(SOAP11, UPLOAD(INCLUDE("cid:none")))) "--BB--"},
    {2103, MTOM_TYPE, PART("root@x", XOP_TYPE, ENVELOPE(SOAP11, UPLOAD(INCLUDE("cid:root@x")))) "--BB--"},
    {2103, MTOM_TYPE, PART("root@x", XOP_TYPE, ENVELOPE(SOAP11, UPLOAD(INCLUDE("file:///etc/passwd")))) "--BB--"},
    {2103, TYPE11, ENVELOPE(SOAP11, UPLOAD(INCLUDE("cid:1")))},
    {2101, MTOM_TYPE, PART("other", XOP_TYPE, ENVELOPE(SOAP11, CHECK)) "--BB--"},
    {2101, MTOM_TYPE, "--BB\r\nContent-ID: <root@x>\r\n\r\n" ENVELOPE(SOAP11, CHECK)},
    {2101, MTOM_TYPE, "--BB--\r\n"},
    {2101, MTOM_TYPE, ""},
    {2101, "multipart/related; type=\"text/xml\"", ENVELOPE(SOAP11, CHECK)},
    {2101, MTOM_TYPE, PART("root@x", "application/xop+xml; charset=GBK", ENVELOPE(SOAP11, CHECK)) "--BB--"},
    {2102, MTOM_TYPE, PART("root@x", XOP_TYPE, "<!DOCTYPE x>" ENVELOPE(SOAP11, CHECK)) "--BB--"},
    {2101, MTOM_TYPE, "--BB\r\nContent-ID: <root@x>\r\nContent-Transfer-Encoding: base64\r\n\r\nPGE+\r\n--BB--"},
};

START_TEST(broken_attachments_are_refused)
{
    post(ACCESS, BAD_PARTS[_i].type, BAD_PARTS[_i].body);
    expect_fault(500, BAD_PARTS[_i].code);
}
END_TEST

START_TEST(one_request_leaves_nothing_for_the_next)
{
    for (int i = 0; i < 50; i++) {
        post(ACCESS, i % 2 ? TYPE11 : TYPE12,
             i % 3 ? ENVELOPE(SOAP11, CHECK) : "<e:Envelope xmlns:e=\"" SOAP12 "\"><e:Body><CheckVersion x='");
        ck_assert_int_eq(answer.status, i % 3 ? 200 : i % 2 ? 500 : 400);
    }
    ck_assert_int_eq(seen.refusals, 17);
}
END_TEST

static TCase *new_case(Suite *s, const char *name)
{
    TCase *c = tcase_create(name);
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_set_timeout(c, 30);
    suite_add_tcase(s, c);
    return c;
}

static void add_served(Suite *s)
{
    TCase *c = new_case(s, "served");
    tcase_add_test(c, an_operation_is_run_and_answered_in_soap_11);
    tcase_add_test(c, an_operation_is_run_and_answered_in_soap_12);
    tcase_add_test(c, nothing_of_gsoap_shows_in_an_answer);
    tcase_add_test(c, texts_of_an_answer_are_escaped);
    tcase_add_test(c, required_texts_nobody_filled_are_empty_elements);
    tcase_add_test(c, prefixes_comments_and_blanks_do_not_matter);
    tcase_add_test(c, a_byte_order_mark_is_accepted);
    tcase_add_test(c, an_element_inside_a_value_is_2103_and_no_text);
    tcase_add_test(c, header_blocks_are_ignored_unless_they_must_be_understood);
    tcase_add_test(c, refused_content_is_a_response_that_is_recorded);
    tcase_add_test(c, a_request_in_gzip_is_unpacked);
    tcase_add_test(c, a_request_that_is_no_gzip_is_refused);
    tcase_add_test(c, a_gzip_bomb_is_refused);
    tcase_add_test(c, a_large_answer_leaves_in_gzip_for_those_who_take_it);
    tcase_add_test(c, the_wsdl_carries_the_callers_address_and_its_schema);
    tcase_add_test(c, a_configured_address_is_stronger_than_the_host_header);
    tcase_add_test(c, a_host_header_that_is_no_address_is_refused);
    tcase_add_test(c, every_schema_is_served_byte_for_byte);
    tcase_add_test(c, other_addresses_and_methods_are_plain_http_errors);
    tcase_add_test(c, one_request_leaves_nothing_for_the_next);
}

static void add_faults(Suite *s)
{
    TCase *c = new_case(s, "faults");
    tcase_add_test(c, a_fault_of_soap_11_carries_code_level_and_words);
    tcase_add_test(c, a_fault_of_soap_12_is_status_400_for_the_senders_fault);
    tcase_add_test(c, a_fault_of_ours_is_status_500_and_keeps_the_inside_to_itself);
    tcase_add_test(c, who_may_not_use_a_service_is_refused_before_the_body_is_read);
    tcase_add_test(c, a_type_that_is_no_soap_does_not_come_before_identity_and_rate);
    tcase_add_test(c, too_many_requests_are_told_how_long_to_wait);
    tcase_add_test(c, the_depth_is_the_one_configured);
    tcase_add_test(c, another_services_operation_is_unknown_here);
    tcase_add_test(c, an_operation_needs_its_namespace);
    tcase_add_test(c, an_operation_that_is_not_served_yet_says_so);
    tcase_add_loop_test(c, a_violation_of_the_schema_is_2103, 0, ARRAY_LEN(VIOLATIONS));
    tcase_add_test(c, a_number_does_not_stand_for_a_word);
    tcase_add_test(c, sixty_four_chinese_characters_are_a_message_id);
    tcase_add_loop_test(c, bytes_that_must_not_reach_an_operation_are_refused, 0, ARRAY_LEN(BAD_BYTES));
    tcase_add_test(c, a_flood_of_attributes_is_a_limit);
    tcase_add_test(c, a_flood_of_attribute_names_is_a_limit);
    tcase_add_test(c, a_giant_tag_is_a_limit);
    tcase_add_test(c, deep_nesting_is_a_limit);
}

static void add_content(Suite *s)
{
    TCase *c = new_case(s, "content");
    tcase_add_loop_test(c, base64_is_read_however_it_is_written, 0, ARRAY_LEN(CONTENTS));
    tcase_add_test(c, content_of_every_length_survives);
    tcase_add_test(c, content_is_written_as_base64);
    tcase_add_test(c, an_attachment_is_the_content);
    tcase_add_test(c, an_attachment_works_in_soap_12_too);
    tcase_add_test(c, the_xml_part_may_come_last_when_start_names_it);
    tcase_add_loop_test(c, broken_attachments_are_refused, 0, ARRAY_LEN(BAD_PARTS));
}

int main(void)
{
    Suite *s = suite_create("soap");
    add_served(s);
    add_faults(s);
    add_content(s);
    return unit_finish(s);
}
