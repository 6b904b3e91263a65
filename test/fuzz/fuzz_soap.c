/* SOAP requests and answers by bytes: whatever comes, the engine answers with a status of its own and a message that
 * passes the very guard it came through; and the client never takes for an acknowledgement what holds no responseCode.
 */
#include "fuzz.h"

#include "../unit/soap_fixture.h"
#include "base/log.h"
#include "soap/client_wire.h"

static const char *const TYPES[] = {TYPE11, TYPE12, "multipart/related; boundary=BB; start-info=\"text/xml\"",
                                    "multipart/related; boundary=BB; start=\"<r>\"; type=\"application/soap+xml\""};
static const char *const PATHS[] = {"/services/access", "/services/query", "/services/exchange"};

static struct engine *engine;
static struct client_wire *client;

static void drop(const char *line, void *arg)
{
    (void)line;
    (void)arg;
}

static void prepare(void)
{
    if (engine)
        return;
    log_capture(drop, NULL);
    engine = fixture_engine("");
    client = client_wire_new(1 << 20);
    seen.rows = 2;
}

static void serve(uint8_t choice, const uint8_t *body, size_t n)
{
    struct net_request request = fixture_request(PATHS[choice / 4 % ARRAY_LEN(PATHS)], TYPES[choice % 4], body, n);
    request.content_gzip = choice & 64;
    struct soap_answer answer = fixture_send(engine, request);
    REQUIRE(answer.status == 200 || answer.status == 400 || answer.status == 500);
    const uint8_t *text = answer.body.data;
    size_t len = answer.body.len;
    REQUIRE(len > 0 && wire_guard(&WIRE_LIMITS_DEFAULT, &text, &len, NULL).code == 0);
    buf_free(&answer.body);
}

static void receive(uint8_t choice, const uint8_t *body, size_t n)
{
    struct buf answer = BUF_INIT;
    const void *response = NULL;
    buf_append(&answer, body, n);
    enum client_op op = (enum client_op)(choice % CLIENT_OP_COUNT);
    struct result r = client_wire_read(client, op, choice & 128 ? 500 : 200, &answer, &response);
    REQUIRE(result_ok(r) == (response != NULL));
    REQUIRE(!response || strstr(buf_str(&answer), "responseCode>"));
    buf_free(&answer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    prepare();
    serve(data[0], data + 1, size - 1);
    receive(data[0], data + 1, size - 1);
    return 0;
}
