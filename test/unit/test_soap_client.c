/* The client's half over memory: its requests are read by our engine, and answers of all kinds become results. */
#include "unit.h"

#include "soap/client_wire.h"
#include "soap_fixture.h"

static struct engine *engine;
static struct client_wire *wire;
static struct buf request, answer;

static void setup(void)
{
    memset(&seen, 0, sizeof seen);
    engine = fixture_engine("");
    wire = client_wire_new(1 << 20);
}

static void teardown(void)
{
    buf_free(&request);
    buf_free(&answer);
    client_wire_free(&wire);
    engine_free(&engine);
}

/* What the engine answers to the client's request goes into `answer`; gives the status. */
static int deliver(enum client_op op)
{
    const char *path = SERVICES[client_op_row(op)->service].path;
    struct soap_answer a = fixture_send(engine, fixture_request(path, TYPE11, request.data, request.len));
    buf_clear(&answer);
    buf_append(&answer, a.body.data, a.body.len);
    buf_free(&a.body);
    return a.status;
}

static struct result exchange(enum client_op op, const void *in, const void **out)
{
    buf_clear(&request);
    ck_assert(result_ok(client_wire_write(wire, op, in, &request)));
    int status = deliver(op);
    return client_wire_read(wire, op, status, &answer, out);
}

static struct _access__UploadData upload(const void *content, size_t len)
{
    return (struct _access__UploadData){.messageId = (char *)(uintptr_t) "a<&>\"'能",
                                        .deviceId = (char *)(uintptr_t) "d",
                                        .enterpriseCode = (char *)(uintptr_t) "914201007AAAAAAAAA",
                                        .regVersion = (char *)(uintptr_t) "1",
                                        .dicVersion = (char *)(uintptr_t) "0",
                                        .contentEncoding = (char *)(uintptr_t) "gzip",
                                        .encryption = (char *)(uintptr_t) "SM4-CBC",
                                        .digestMethod = (char *)(uintptr_t) "SM3",
                                        .digest = (char *)(uintptr_t) "ff",
                                        .content = {content, len}};
}

START_TEST(what_the_client_writes_the_server_reads)
{
    unsigned char bytes[20000];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)(i * 31);
    struct _access__UploadData u = upload(bytes, sizeof bytes);
    const void *out = NULL;
    ck_assert(result_ok(exchange(CLIENT_UPLOAD_DATA, &u, &out)));
    ck_assert_str_eq(seen.message_id, "a<&>\"'能");
    ck_assert_str_eq(seen.encryption, "SM4-CBC");
    ck_assert_uint_eq(seen.content_len, sizeof bytes);
    ck_assert_mem_eq(seen.content, bytes, sizeof bytes);
    const struct _access__UploadDataResponse *r = out;
    ck_assert_int_eq(r->responseCode, 0);
    ck_assert_int_eq(r->recordsReceived, 7);
    ck_assert_ptr_nonnull(strstr(r->responseMessage, "已接收"));
}
END_TEST

START_TEST(a_refusal_of_content_is_an_answer)
{
    struct _access__UploadData u = upload("x", 1);
    const void *out = NULL;
    seen.response_code = 2104;
    ck_assert(result_ok(exchange(CLIENT_UPLOAD_DATA, &u, &out)));
    ck_assert_int_eq(((const struct _access__UploadDataResponse *)out)->responseCode, 2104);
}
END_TEST

START_TEST(an_answer_of_9xxx_is_to_be_tried_again)
{
    struct _access__UploadData u = upload("x", 1);
    const void *out = NULL;
    seen.response_code = 9102;
    struct result r = exchange(CLIENT_UPLOAD_DATA, &u, &out);
    ck_assert_int_eq(r.kind, ERR_TRANSIENT);
    ck_assert_int_eq(r.code, 9102);
}
END_TEST

static const struct {
    struct result authorise;
    enum err_kind kind;
    int code;
} FAULTS[] = {
    {{ERR_UNAUTHORISED, 1103, "another"}, ERR_UNAUTHORISED, 1103},
    {{ERR_SENDER, 2103, "bad"}, ERR_SENDER, 2103},
    {{ERR_LIMIT, 1107, "large"}, ERR_SENDER, 1107},
    {{ERR_TRANSIENT, 9102, "away"}, ERR_TRANSIENT, 9102},
    {{ERR_INTERNAL, 0, "oops"}, ERR_TRANSIENT, 9101},
};

START_TEST(a_faults_code_decides_its_kind)
{
    struct _access__CheckVersion c = {.deviceId = (char *)(uintptr_t) "d"};
    const void *out = NULL;
    seen.authorise = FAULTS[_i].authorise;
    struct result r = exchange(CLIENT_CHECK_VERSION, &c, &out);
    ck_assert_int_eq(r.kind, FAULTS[_i].kind);
    ck_assert_int_eq(r.code, FAULTS[_i].code);
    ck_assert_ptr_nonnull(strstr(r.text, " / "));
}
END_TEST

START_TEST(a_fault_of_the_exchange_service_is_read_too)
{
    struct _exchange__Heartbeat h = {.platformCode = (char *)(uintptr_t) "420000"};
    const void *out = NULL;
    struct result r = exchange(CLIENT_PLATFORM_HEARTBEAT, &h, &out);
    ck_assert_int_eq(r.kind, ERR_SENDER);
    ck_assert_int_eq(r.code, 2112);
}
END_TEST

#define HEAD                                                                                                           \
    "<a:responseCode>0</a:responseCode><a:responseMessage>m</a:responseMessage><a:platformTime>t</a:platformTime>"
#define RESPONSE(inside)                                                                                               \
    ENVELOPE(SOAP11, "<a:CheckVersionResponse xmlns:a=\"urn:nhjc:access:v1\">" inside "</a:CheckVersionResponse>")

static struct result read_text(int status, const char *text, const void **out)
{
    buf_clear(&answer);
    buf_append_str(&answer, text);
    return client_wire_read(wire, CLIENT_CHECK_VERSION, status, &answer, out);
}

START_TEST(elements_of_a_newer_platform_are_passed_over)
{
    const void *out = NULL;
    ck_assert(result_ok(read_text(
        200, RESPONSE(HEAD "<a:regVersion>1</a:regVersion><a:dicVersion>7</a:dicVersion><a:new><a:x/></a:new>"),
        &out)));
    const struct _access__CheckVersionResponse *r = out;
    ck_assert_str_eq(r->dicVersion, "7");
    ck_assert_ptr_null(r->configVersion);
}
END_TEST

static const struct {
    int status;
    const char *text;
    enum err_kind kind;
} NO_ANSWERS[] = {
    {200, RESPONSE("<a:responseMessage>m</a:responseMessage><a:platformTime>t</a:platformTime>"), ERR_TRANSIENT},
    {200, "", ERR_TRANSIENT},
    {200, "<html><body>proxy</body></html>", ERR_TRANSIENT},
    {200, "<html><br></html>", ERR_TRANSIENT},
    {200, "<!DOCTYPE html><html/>", ERR_TRANSIENT},
    {200, ENVELOPE(SOAP11, "<b:OtherResponse xmlns:b=\"urn:b\"/>"), ERR_TRANSIENT},
    {200, ENVELOPE(SOAP11, ""), ERR_TRANSIENT},
    {500, ENVELOPE(SOAP11, "<e:Fault><faultcode>e:Server</faultcode><faultstring>x</faultstring></e:Fault>"),
     ERR_TRANSIENT},
    {500, ENVELOPE(SOAP11, "<e:Fault><faultcode>e:Client</faultcode><faultstring>x</faultstring></e:Fault>"),
     ERR_SENDER},
    {503, "busy", ERR_TRANSIENT},
    {429, "", ERR_TRANSIENT},
    {404, "no such address", ERR_TRANSIENT},
    {403, "no", ERR_UNAUTHORISED},
    {413, "", ERR_LIMIT},
};

START_TEST(what_is_no_answer_is_not_taken_for_an_acknowledgement)
{
    const void *out = NULL;
    struct result r = read_text(NO_ANSWERS[_i].status, NO_ANSWERS[_i].text, &out);
    ck_assert_msg(r.kind == NO_ANSWERS[_i].kind, "%s: %s %s", NO_ANSWERS[_i].text, err_kind_name(r.kind), r.text);
    ck_assert_ptr_null(out);
}
END_TEST

START_TEST(actions_name_namespace_and_operation)
{
    ck_assert_str_eq(client_op_row(CLIENT_UPLOAD_DATA)->action, "\"urn:nhjc:access:v1#UploadData\"");
    ck_assert_str_eq(client_op_row(CLIENT_PLATFORM_UPLOAD_DATA)->action, "\"urn:nhjc:exchange:v1#UploadData\"");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("soap_client");
    TCase *c = tcase_create("soap_client");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_set_timeout(c, 30);
    tcase_add_test(c, what_the_client_writes_the_server_reads);
    tcase_add_test(c, a_refusal_of_content_is_an_answer);
    tcase_add_test(c, an_answer_of_9xxx_is_to_be_tried_again);
    tcase_add_loop_test(c, a_faults_code_decides_its_kind, 0, ARRAY_LEN(FAULTS));
    tcase_add_test(c, a_fault_of_the_exchange_service_is_read_too);
    tcase_add_test(c, elements_of_a_newer_platform_are_passed_over);
    tcase_add_loop_test(c, what_is_no_answer_is_not_taken_for_an_acknowledgement, 0, ARRAY_LEN(NO_ANSWERS));
    tcase_add_test(c, actions_name_namespace_and_operation);
    suite_add_tcase(s, c);
    return unit_finish(s);
}
