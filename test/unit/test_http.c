#include "unit.h"

#include <string.h>

#include "base/mem.h"
#include "net/http.h"

static const struct http_limits roomy = {16384, 100, 1 << 20};

struct outcome { /* of feeding one text */
    enum http_event event;
    int status;
    const char *reason;
    bool asked_to_continue;
    size_t used;
    struct net_request request; /* given when complete */
    bool keep_alive, head;
};

/* Feeds text in pieces of `step` bytes until something is decided. */
static struct outcome feed(const struct http_limits *limits, const char *text, size_t n, size_t step)
{
    struct outcome o = {.event = FRAME_MORE};
    struct http *h = http_new(limits);
    while (o.used < n && (o.event == FRAME_MORE || o.event == FRAME_CONTINUE)) {
        size_t piece = n - o.used < step ? n - o.used : step, used = 0;
        o.event = http_feed(h, (const uint8_t *)text + o.used, piece, &used);
        o.asked_to_continue = o.asked_to_continue || o.event == FRAME_CONTINUE;
        o.used += used;
        if (o.event == FRAME_MORE) {
            ENSURE(used == piece);
        }
    }
    o.status = http_refusal(h).status;
    o.reason = http_refusal(h).reason;
    o.keep_alive = http_keep_alive(h);
    o.head = http_is_head(h);
    if (o.event == FRAME_COMPLETE) {
        http_give(h, &o.request);
    }
    http_free(&h);
    return o;
}

#define HOST "Host: a\r\n"
#define CHUNKED "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"

struct refused {
    const char *name, *text;
    int status;
    const char *reason;
};

/* Each line: what is wrong, the bytes, the answer. */
static const struct refused refused[] = {
    {"bare LF after the request line", "POST / HTTP/1.1\n" HOST "\r\n", 400, "bare_lf"},
    {"bare LF after a header", "POST / HTTP/1.1\r\nHost: a\n\r\n", 400, "bare_lf"},
    {"bare CR in a header", "POST / HTTP/1.1\r\nHost: a\rb\r\n\r\n", 400, "bare_cr"},
    {"two CR", "POST / HTTP/1.1\r\r\n" HOST "\r\n", 400, "bare_cr"},
    {"bell in a value", "POST / HTTP/1.1\r\nHost: a\r\nX: \a\r\n\r\n", 400, "control_character"},
    {"DEL in a value", "POST / HTTP/1.1\r\nHost: a\r\nX: \x7f\r\n\r\n", 400, "control_character"},
    {"folded header", "POST / HTTP/1.1\r\n" HOST "X: b\r\n c\r\n\r\n", 400, "folded_header"},
    {"folded with a tab", "POST / HTTP/1.1\r\n" HOST "X: b\r\n\tc\r\n\r\n", 400, "folded_header"},
    {"blank before the colon", "POST / HTTP/1.1\r\n" HOST "Content-Length : 2\r\n\r\nhi", 400, "header_malformed"},
    {"header without colon", "POST / HTTP/1.1\r\n" HOST "nonsense\r\n\r\n", 400, "header_malformed"},
    {"header without name", "POST / HTTP/1.1\r\n" HOST ": x\r\n\r\n", 400, "header_malformed"},
    {"name that is no token", "POST / HTTP/1.1\r\n" HOST "X(y): x\r\n\r\n", 400, "header_malformed"},
    {"two blanks after the method", "POST  / HTTP/1.1\r\n" HOST "\r\n", 400, "request_line"},
    {"two blanks before the version", "POST /  HTTP/1.1\r\n" HOST "\r\n", 400, "request_line"},
    {"blank after the version", "POST / HTTP/1.1 \r\n" HOST "\r\n", 400, "request_line"},
    {"blank in the target", "POST /a b HTTP/1.1\r\n" HOST "\r\n", 400, "request_line"},
    {"target in raw UTF-8", "POST /\xe4\xb8\xad HTTP/1.1\r\n" HOST "\r\n", 400, "request_line"},
    {"no version", "GET /\r\n\r\n", 400, "request_line"},
    {"long version", "GET / HTTP/1.10\r\n" HOST "\r\n", 400, "request_line"},
    {"not HTTP", "GET / HTTQ/1.1\r\n" HOST "\r\n", 400, "request_line"},
    {"binary", "\x16\x03\x01\x02", 400, "control_character"},
    {"unknown method", "FETCH / HTTP/1.1\r\n" HOST "\r\n", 400, "method"},
    {"method in small letters", "post / HTTP/1.1\r\n" HOST "\r\n", 400, "method"},
    {"fragment", "GET /a#b HTTP/1.1\r\n" HOST "\r\n", 400, "target"},
    {"user in the target", "GET http://u@h/ HTTP/1.1\r\n" HOST "\r\n", 400, "target"},
    {"CONNECT", "CONNECT a:443 HTTP/1.1\r\n" HOST "\r\n", 400, "target"},
    {"HTTP/2", "GET / HTTP/2.0\r\n" HOST "\r\n", 505, "version"},
    {"HTTP/0.9", "GET / HTTP/0.9\r\n" HOST "\r\n", 505, "version"},
    {"HTTP/1.2", "GET / HTTP/1.2\r\n" HOST "\r\n", 505, "version"},
    {"no Host", "GET / HTTP/1.1\r\nX: y\r\n\r\n", 400, "host_missing"},
    {"two Hosts", "GET / HTTP/1.1\r\n" HOST HOST "\r\n", 400, "repeated_header"},
    {"markup in Host", "GET / HTTP/1.1\r\nHost: a\"><b\r\n\r\n", 400, "host_invalid"},
    {"two lengths", "POST / HTTP/1.1\r\n" HOST "Content-Length: 2\r\nContent-Length: 3\r\n\r\nhi", 400,
     "ambiguous_length"},
    {"the same length twice", "POST / HTTP/1.1\r\n" HOST "Content-Length: 2\r\nContent-Length: 2\r\n\r\nhi", 400,
     "ambiguous_length"},
    {"list of lengths", "POST / HTTP/1.1\r\n" HOST "Content-Length: 2, 2\r\n\r\nhi", 400, "length_malformed"},
    {"signed length", "POST / HTTP/1.1\r\n" HOST "Content-Length: +2\r\n\r\nhi", 400, "length_malformed"},
    {"negative length", "POST / HTTP/1.1\r\n" HOST "Content-Length: -2\r\n\r\nhi", 400, "length_malformed"},
    {"hex length", "POST / HTTP/1.1\r\n" HOST "Content-Length: 0x2\r\n\r\nhi", 400, "length_malformed"},
    {"empty length", "POST / HTTP/1.1\r\n" HOST "Content-Length: \r\n\r\n", 400, "length_malformed"},
    {"length beyond 64 bits", "POST / HTTP/1.1\r\n" HOST "Content-Length: 99999999999999999999\r\n\r\n", 400,
     "length_malformed"},
    {"length and chunks", "POST / HTTP/1.1\r\n" HOST "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nhi", 400,
     "ambiguous_length"},
    {"chunks and length", "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\nhi", 400,
     "ambiguous_length"},
    {"unknown transfer coding", "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip\r\n\r\n", 400, "transfer_encoding"},
    {"two transfer codings", "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip, chunked\r\n\r\n", 400,
     "transfer_encoding"},
    {"chunked twice", "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
     400, "repeated_header"},
    {"almost chunked", "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: xchunked\r\n\r\n", 400, "transfer_encoding"},
    {"chunks in HTTP/1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400, "ambiguous_length"},
    {"other expectation", "POST / HTTP/1.1\r\n" HOST "Content-Length: 2\r\nExpect: pizza\r\n\r\nhi", 417,
     "expectation"},
    {"deflate", "POST / HTTP/1.1\r\n" HOST "Content-Length: 2\r\nContent-Encoding: deflate\r\n\r\nhi", 415,
     "content_encoding"},
    {"gzip of gzip", "POST / HTTP/1.1\r\n" HOST "Content-Length: 2\r\nContent-Encoding: gzip, gzip\r\n\r\nhi", 415,
     "content_encoding"},
    {"two content types", "POST / HTTP/1.1\r\n" HOST "Content-Type: a/b\r\nContent-Type: c/d\r\n\r\n", 400,
     "repeated_header"},
    {"chunk size that is none", CHUNKED "x\r\n", 400, "chunk_malformed"},
    {"empty chunk size", CHUNKED "\r\n", 400, "chunk_malformed"},
    {"signed chunk size", CHUNKED "+5\r\nhello\r\n0\r\n\r\n", 400, "chunk_malformed"},
    {"chunk size with 0x", CHUNKED "0x5\r\nhello\r\n0\r\n\r\n", 400, "chunk_malformed"},
    {"bare LF after a chunk size", CHUNKED "5\nhello\r\n0\r\n\r\n", 400, "chunk_malformed"},
    {"no LF after a chunk size", CHUNKED "5\rXhello\r\n0\r\n\r\n", 400, "chunk_malformed"},
    {"bare LF in a chunk extension", CHUNKED "5;a\nhello\r\n0\r\n\r\n", 400, "chunk_malformed"},
    {"chunk longer than its size", CHUNKED "5\r\nhelloZZ0\r\n\r\n", 400, "chunk_malformed"},
    {"bare LF after a chunk", CHUNKED "5\r\nhello\n0\r\n\r\n", 400, "chunk_malformed"},
    {"control character in a trailer", CHUNKED "0\r\nX: \a\r\n\r\n", 400, "chunk_malformed"},
    {"bare LF after a trailer", CHUNKED "0\r\nX: y\n\r\n", 400, "chunk_malformed"},
    {"bare LF at the very end", CHUNKED "0\r\n\n", 400, "chunk_malformed"},
    {"endless chunk size", CHUNKED "0000000000000005\r\nhello\r\n", 400, "chunk_malformed"},
};

START_TEST(what_two_readers_could_understand_differently_is_refused_by_name_however_it_is_cut)
{
    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        const struct refused *r = &refused[i];
        for (size_t step = 1; step <= strlen(r->text); step++) {
            struct outcome o = feed(&roomy, r->text, strlen(r->text), step);
            ENSURE_MSG(o.event == FRAME_REFUSED, "%s: step %zu: not refused", r->name, step);
            ENSURE_MSG(o.status == r->status && strcmp(o.reason, r->reason) == 0, "%s: step %zu: %d %s", r->name, step,
                       o.status, o.reason);
            ENSURE_MSG(!o.keep_alive, "%s: connection kept", r->name);
        }
    }
}
END_TEST

START_TEST(a_nul_byte_in_the_header_is_refused)
{
    static const char text[] = "GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n";
    struct outcome o = feed(&roomy, text, sizeof(text) - 1, sizeof(text));
    ck_assert_int_eq(o.status, 400);
    ck_assert_str_eq(o.reason, "control_character");
}
END_TEST

struct accepted {
    const char *name, *text;
    const char *path, *query, *body;
};

static const struct accepted accepted[] = {
    {"no body", "GET /services/access?wsdl HTTP/1.1\r\n" HOST "\r\n", "/services/access", "wsdl", ""},
    {"length", "POST /a HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhello", "/a", "", "hello"},
    {"length zero", "POST /a HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n", "/a", "", ""},
    {"length with leading zeros", "POST /a HTTP/1.1\r\n" HOST "Content-Length: 005\r\n\r\nhello", "/a", "", "hello"},
    {"name in any case, blanks around the value", "POST /a HTTP/1.1\r\nhOST: \t a \r\nCONTENT-length: 5  \r\n\r\nhello",
     "/a", "", "hello"},
    {"chunks", CHUNKED "5\r\nhello\r\n1\r\n \r\n5\r\nworld\r\n0\r\n\r\n", "/", "", "hello world"},
    {"chunks, capital digits, extension, trailer",
     CHUNKED "A;x=\"y\"\r\n0123456789\r\n0 ; last\r\nX-Sum: 1\r\nY: 2\r\n\r\n", "/", "", "0123456789"},
    {"chunks with leading zeros", CHUNKED "0005\r\nhello\r\n000\r\n\r\n", "/", "", "hello"},
    {"Transfer-Encoding in capitals",
     "POST / HTTP/1.1\r\n" HOST "TRANSFER-ENCODING: CHUNKED\r\n\r\n2\r\nhi\r\n0\r\n\r\n", "/", "", "hi"},
    {"empty lines before", "\r\n\r\nGET /a HTTP/1.1\r\n" HOST "\r\n", "/a", "", ""},
    {"whole URL as target", "GET https://a:8443/b/c?d=e HTTP/1.1\r\n" HOST "\r\n", "/b/c", "d=e", ""},
    {"asterisk", "OPTIONS * HTTP/1.1\r\n" HOST "\r\n", "*", "", ""},
    {"escaped path stays", "GET /%E4%B8%AD?x=%20 HTTP/1.1\r\n" HOST "\r\n", "/%E4%B8%AD", "x=%20", ""},
    {"upgrade is ignored",
     "POST /a HTTP/1.1\r\n" HOST "Connection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 2\r\n\r\nhi", "/a", "", "hi"},
    {"bytes above 127 in a value", "GET /a HTTP/1.1\r\n" HOST "X: \xe4\xb8\xad\r\n\r\n", "/a", "", ""},
    {"HTTP/1.0 without Host", "POST /a HTTP/1.0\r\nContent-Length: 2\r\n\r\nhi", "/a", "", "hi"},
};

START_TEST(a_request_reads_the_same_however_it_is_cut_and_leaves_the_next_one_alone)
{
    for (size_t i = 0; i < ARRAY_LEN(accepted); i++) {
        const struct accepted *a = &accepted[i];
        char *text = mem_printf("%sGET /next HTTP/1.1\r\n", a->text);
        for (size_t step = 1; step <= strlen(text); step++) {
            struct outcome o = feed(&roomy, text, strlen(text), step);
            ENSURE_MSG(o.event == FRAME_COMPLETE, "%s: step %zu: %d %s", a->name, step, o.status, o.reason);
            ENSURE_MSG(o.used == strlen(a->text), "%s: took %zu bytes", a->name, o.used);
            ENSURE_MSG(strcmp(o.request.path, a->path) == 0, "%s: %s", a->name, o.request.path);
            ENSURE_MSG(strcmp(o.request.query, a->query) == 0, "%s: %s", a->name, o.request.query);
            ENSURE_MSG(o.request.body.len == strlen(a->body) &&
                           memcmp(buf_str(&o.request.body), a->body, strlen(a->body)) == 0,
                       "%s: body", a->name);
            http_request_clear(&o.request);
        }
        mem_free(text);
    }
}
END_TEST

START_TEST(an_unfinished_request_asks_for_more)
{
    for (size_t i = 0; i < ARRAY_LEN(accepted); i++) {
        for (size_t n = 0; n < strlen(accepted[i].text); n++) {
            struct outcome o = feed(&roomy, accepted[i].text, n, n + 1);
            ENSURE_MSG(o.event == FRAME_MORE, "%s: %zu bytes", accepted[i].name, n);
        }
    }
}
END_TEST

static struct outcome feed_whole(const struct http_limits *limits, const char *text)
{
    return feed(limits, text, strlen(text), strlen(text));
}

START_TEST(headers_are_handed_over_as_they_were_said)
{
    struct outcome o =
        feed_whole(&roomy, "POST /a HTTP/1.1\r\nHost: [::1]:8443\r\nContent-Type: text/xml; charset=utf-8\r\n"
                           "SOAPAction: \"urn:x\"\r\nAccept-Encoding: br, gzip;q=0.5\r\n"
                           "Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\nhi");
    ck_assert_int_eq(o.event, FRAME_COMPLETE);
    ck_assert_int_eq(o.request.method, NET_POST);
    ck_assert_str_eq(o.request.host, "[::1]:8443");
    ck_assert_str_eq(o.request.content_type, "text/xml; charset=utf-8");
    ck_assert_str_eq(o.request.soap_action, "\"urn:x\"");
    ck_assert(o.request.accept_gzip);
    ck_assert(o.request.content_gzip);
    ck_assert(!o.request.http10);
    ck_assert(o.keep_alive);
    http_request_clear(&o.request);
}
END_TEST

START_TEST(absent_headers_are_empty_texts)
{
    struct outcome o = feed_whole(&roomy, "PUT / HTTP/1.0\r\n\r\n");
    ck_assert_int_eq(o.event, FRAME_COMPLETE);
    ck_assert_int_eq(o.request.method, NET_OTHER);
    ck_assert_str_eq(o.request.host, "");
    ck_assert_str_eq(o.request.content_type, "");
    ck_assert_str_eq(o.request.soap_action, "");
    ck_assert(!o.request.accept_gzip);
    ck_assert(!o.request.content_gzip);
    ck_assert(o.request.http10);
    http_request_clear(&o.request);
}
END_TEST

START_TEST(gzip_answers_are_taken_only_by_who_says_so)
{
    static const struct {
        const char *value;
        bool accepted;
    } rows[] = {{"gzip", true},
                {"x-gzip", true},
                {"*", true},
                {"deflate, gzip", true},
                {"GZIP;q=1.0", true},
                {"gzip; q=0.001", true},
                {"gzip;q=0", false},
                {"gzip; q=0.000", false},
                {"deflate", false},
                {"", false},
                {"gzipped", false},
                {"identity;q=1, *;q=0", false},
                {"gzip;q=0, *", false},
                {"*, gzip;q=0", false},
                {"*;q=0, gzip", true},
                {"x-gzip;q=0,*;q=1", false}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char *text = mem_printf("GET / HTTP/1.1\r\n" HOST "Accept-Encoding: %s\r\n\r\n", rows[i].value);
        struct outcome o = feed_whole(&roomy, text);
        ENSURE_MSG(o.event == FRAME_COMPLETE && o.request.accept_gzip == rows[i].accepted, "%s", rows[i].value);
        http_request_clear(&o.request);
        mem_free(text);
    }
}
END_TEST

START_TEST(the_connection_is_kept_as_the_request_says_and_never_in_http_1_0)
{
    static const struct {
        const char *text;
        bool kept;
    } rows[] = {
        {"GET / HTTP/1.1\r\n" HOST "\r\n", true},
        {"GET / HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", false},
        {"GET / HTTP/1.1\r\n" HOST "Connection: x, Close\r\n\r\n", false},
        {"GET / HTTP/1.1\r\n" HOST "Connection: keep-alive\r\n\r\n", true},
        {"GET / HTTP/1.0\r\n" HOST "Connection: keep-alive\r\n\r\n", false},
        {"GET / HTTP/1.0\r\n\r\n", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct outcome o = feed_whole(&roomy, rows[i].text);
        ENSURE_MSG(o.event == FRAME_COMPLETE && o.keep_alive == rows[i].kept, "%s", rows[i].text);
        http_request_clear(&o.request);
    }
}
END_TEST

START_TEST(head_is_a_get_whose_answer_has_no_body)
{
    struct outcome o = feed_whole(&roomy, "HEAD / HTTP/1.1\r\n" HOST "\r\n");
    ck_assert_int_eq(o.request.method, NET_GET);
    ck_assert(o.head);
    http_request_clear(&o.request);
    o = feed_whole(&roomy, "GET / HTTP/1.1\r\n" HOST "\r\n");
    ck_assert_int_eq(o.request.method, NET_GET);
    ck_assert(!o.head);
    http_request_clear(&o.request);
}
END_TEST

START_TEST(continue_is_said_after_the_header_passed_and_not_before)
{
    struct outcome o =
        feed_whole(&roomy, "POST / HTTP/1.1\r\n" HOST "Expect: 100-Continue\r\nContent-Length: 2\r\n\r\nhi");
    ck_assert(o.asked_to_continue);
    ck_assert_int_eq(o.event, FRAME_COMPLETE);
    http_request_clear(&o.request);

    struct http_limits tiny = {16384, 100, 1};
    o = feed_whole(&tiny, "POST / HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    ck_assert(!o.asked_to_continue);
    ck_assert_int_eq(o.status, 413);

    o = feed_whole(&roomy, "POST / HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 0\r\n\r\n");
    ck_assert(!o.asked_to_continue); /* there is nothing to wait for */
    ck_assert_int_eq(o.event, FRAME_COMPLETE);
    http_request_clear(&o.request);

    o = feed_whole(&roomy, "POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi");
    ck_assert(!o.asked_to_continue); /* HTTP/1.0 does not know it */
    ck_assert_int_eq(o.event, FRAME_COMPLETE);
    http_request_clear(&o.request);
}
END_TEST

START_TEST(the_header_may_fill_its_bytes_to_the_brim_and_not_one_more)
{
    char *text = mem_printf("GET / HTTP/1.1\r\n" HOST "X: %0*d\r\n\r\n", 300, 0);
    struct http_limits limits = {strlen(text), 100, 10};
    for (size_t step = 1; step <= strlen(text); step += 7) {
        struct outcome o = feed(&limits, text, strlen(text), step);
        ENSURE_MSG(o.event == FRAME_COMPLETE, "step %zu: %s", step, o.reason);
        http_request_clear(&o.request);
    }
    limits.header_bytes--;
    for (size_t step = 1; step <= strlen(text); step += 7) {
        struct outcome o = feed(&limits, text, strlen(text), step);
        ENSURE_MSG(o.status == 431 && strcmp(o.reason, "header_bytes") == 0, "step %zu: %d", step, o.status);
    }
    mem_free(text);
}
END_TEST

START_TEST(a_header_that_never_ends_is_refused_at_the_limit)
{
    struct buf text = BUF_INIT;
    buf_append_str(&text, "GET / HTTP/1.1\r\nX: ");
    while (text.len < roomy.header_bytes) {
        buf_append_char(&text, 'x');
    }
    struct outcome o = feed(&roomy, buf_str(&text), text.len, 1000);
    ck_assert_int_eq(o.event, FRAME_MORE);
    buf_append_char(&text, 'x');
    o = feed(&roomy, buf_str(&text), text.len, 1000);
    ck_assert_int_eq(o.status, 431);
    buf_free(&text);
}
END_TEST

static char *with_header_lines(int lines)
{
    struct buf text = BUF_INIT;
    buf_append_str(&text, "GET / HTTP/1.1\r\n" HOST);
    for (int i = 1; i < lines; i++) {
        buf_printf(&text, "X-%d: y\r\n", i);
    }
    buf_append_str(&text, "\r\n");
    size_t n = 0;
    return (char *)buf_steal(&text, &n);
}

START_TEST(a_hundred_header_lines_pass_and_a_hundred_and_one_do_not)
{
    char *text = with_header_lines(100);
    struct outcome o = feed_whole(&roomy, text);
    ck_assert_int_eq(o.event, FRAME_COMPLETE);
    http_request_clear(&o.request);
    mem_free(text);
    text = with_header_lines(101);
    o = feed_whole(&roomy, text);
    ck_assert_int_eq(o.status, 431);
    ck_assert_str_eq(o.reason, "header_lines");
    mem_free(text);
}
END_TEST

START_TEST(an_announced_body_over_the_limit_is_refused_before_it_is_read)
{
    struct http_limits limits = {16384, 100, 5};
    struct outcome o = feed_whole(&limits, "POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhello");
    ck_assert_int_eq(o.event, FRAME_COMPLETE);
    http_request_clear(&o.request);
    static const char *const over[] = {"6", "4294967296", "1844674407370955160"};
    for (size_t i = 0; i < ARRAY_LEN(over); i++) {
        char *text = mem_printf("POST / HTTP/1.1\r\n" HOST "Content-Length: %s\r\n\r\n", over[i]);
        o = feed_whole(&limits, text);
        ck_assert_int_eq(o.status, 413);
        ck_assert_str_eq(o.reason, "body_too_large");
        mem_free(text);
    }
}
END_TEST

START_TEST(chunks_may_fill_the_body_to_the_brim_and_not_one_more)
{
    struct http_limits limits = {16384, 100, 5};
    struct outcome o = feed_whole(&limits, CHUNKED "3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n");
    ck_assert_int_eq(o.event, FRAME_COMPLETE);
    http_request_clear(&o.request);
    o = feed_whole(&limits, CHUNKED "3\r\nhel\r\n3\r\n"); /* by its size alone, before its bytes */
    ck_assert_int_eq(o.status, 413);
    o = feed_whole(&limits, CHUNKED "fffffffffffffff\r\n");
    ck_assert_int_eq(o.status, 413);
}
END_TEST

START_TEST(chunks_that_carry_next_to_nothing_are_refused)
{
    struct http_limits limits = {200, 100, 1 << 20};
    struct buf text = BUF_INIT;
    buf_append_str(&text, CHUNKED "1;");
    for (int i = 0; i < 200; i++) {
        buf_append_char(&text, 'x');
    }
    struct outcome o = feed(&limits, buf_str(&text), text.len, 10);
    ck_assert_int_eq(o.status, 400);
    ck_assert_str_eq(o.reason, "chunk_overhead");
    buf_free(&text);

    buf_append_str(&text, CHUNKED); /* one byte a chunk is dear, but honest */
    for (int i = 0; i < 10000; i++) {
        buf_append_str(&text, "1\r\nx\r\n");
    }
    buf_append_str(&text, "0\r\n\r\n");
    o = feed(&limits, buf_str(&text), text.len, 1000);
    ck_assert_int_eq(o.event, FRAME_COMPLETE);
    ck_assert_uint_eq(o.request.body.len, 10000);
    http_request_clear(&o.request);
    buf_free(&text);
}
END_TEST

START_TEST(nothing_is_taken_after_the_end)
{
    struct http *h = http_new(&roomy);
    size_t used = 0;
    static const char text[] = "GET / HTTP/1.1\r\n" HOST "\r\n";
    ck_assert_int_eq(http_feed(h, (const uint8_t *)text, strlen(text), &used), FRAME_COMPLETE);
    ck_assert_int_eq(http_feed(h, (const uint8_t *)text, strlen(text), &used), FRAME_COMPLETE);
    ck_assert_uint_eq(used, 0);
    http_free(&h);
    h = http_new(&roomy);
    ck_assert_int_eq(http_feed(h, (const uint8_t *)"\n", 1, &used), FRAME_REFUSED);
    ck_assert_int_eq(http_feed(h, (const uint8_t *)text, strlen(text), &used), FRAME_REFUSED);
    ck_assert_uint_eq(used, 0);
    http_free(&h);
    ck_assert_ptr_null(h);
    http_free(&h);
}
END_TEST

START_TEST(a_header_as_large_as_configured_is_read)
{
    static const struct http_limits wide = {.header_bytes = 1 << 20, .header_lines = 100, .body_bytes = 10};
    char *text = mem_printf("GET / HTTP/1.1\r\n" HOST "X: %0300000d\r\n\r\n", 0);
    struct outcome o = feed_whole(&wide, text);
    ck_assert_int_eq(o.event, FRAME_COMPLETE);
    http_request_clear(&o.request);
    mem_free(text);
}
END_TEST

START_TEST(an_answer_has_a_length_and_no_banner)
{
    struct buf out = BUF_INIT;
    http_answer_head(&out, INT64_C(1794910562000000), 503, "text/xml", "Retry-After: 5\r\n", 7, true);
    ck_assert_str_eq(buf_str(&out), "HTTP/1.1 503 Service Unavailable\r\nDate: Tue, 17 Nov 2026 10:16:02 GMT\r\n"
                                    "Content-Type: text/xml\r\n"
                                    "Content-Length: 7\r\nRetry-After: 5\r\nConnection: close\r\n\r\n");
    buf_clear(&out);
    http_answer_head(&out, 0, 200, NULL, NULL, 0, false);
    ck_assert_str_eq(buf_str(&out),
                     "HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nContent-Length: 0\r\n\r\n");
    buf_free(&out);
}
END_TEST

UNIT_MAIN("http", what_two_readers_could_understand_differently_is_refused_by_name_however_it_is_cut,
          a_nul_byte_in_the_header_is_refused, a_request_reads_the_same_however_it_is_cut_and_leaves_the_next_one_alone,
          an_unfinished_request_asks_for_more, headers_are_handed_over_as_they_were_said,
          absent_headers_are_empty_texts, gzip_answers_are_taken_only_by_who_says_so,
          the_connection_is_kept_as_the_request_says_and_never_in_http_1_0, head_is_a_get_whose_answer_has_no_body,
          a_header_as_large_as_configured_is_read, continue_is_said_after_the_header_passed_and_not_before,
          the_header_may_fill_its_bytes_to_the_brim_and_not_one_more, a_header_that_never_ends_is_refused_at_the_limit,
          a_hundred_header_lines_pass_and_a_hundred_and_one_do_not,
          an_announced_body_over_the_limit_is_refused_before_it_is_read,
          chunks_may_fill_the_body_to_the_brim_and_not_one_more, chunks_that_carry_next_to_nothing_are_refused,
          nothing_is_taken_after_the_end, an_answer_has_a_length_and_no_banner)
