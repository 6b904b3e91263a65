#include "net/http.h"

#include <ctype.h>
#include <http_parser.h>
#include <pthread.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/mem.h"
#include "net/http_chunk.h"

#define BODY_RESERVE ((size_t)256 * 1024) /* memory taken at once on the word of Content-Length alone */

struct http {
    const struct http_limits *limits;
    enum http_phase phase;
    struct http_refusal refusal;

    struct buf head;   /* the header block as it arrived */
    size_t line_start; /* where the current line begins in head */
    size_t lines;      /* complete lines so far, the request line included */
    bool cr;           /* the last byte was CR */
    struct buf field;  /* name of the header whose value comes next */
    unsigned seen;     /* one bit per row of header_rows */

    enum net_method method;
    bool is_head, http10, keep_alive;
    char *path, *query, *host, *content_type, *soap_action;
    bool accept_gzip, gzip_named, content_gzip, unsupported_encoding;
    bool expect_continue, expect_other;
    bool chunked, has_length;
    uint64_t length; /* announced */

    struct http_chunk chunk;
    struct buf body;
};

struct http *http_new(const struct http_limits *limits)
{
    struct http *h = mem_alloc(sizeof(*h));
    h->limits = limits;
    return h;
}

void http_free(struct http **ph)
{
    struct http *h = *ph;
    if (!h) {
        return;
    }
    mem_free(h->path);
    mem_free(h->query);
    mem_free(h->host);
    mem_free(h->content_type);
    mem_free(h->soap_action);
    buf_free(&h->head);
    buf_free(&h->field);
    buf_free(&h->body);
    mem_free(h);
    *ph = NULL;
}

enum http_phase http_phase(const struct http *h)
{
    return h->phase;
}

struct http_refusal http_refusal(const struct http *h)
{
    return h->refusal;
}

size_t http_body_length(const struct http *h)
{
    return h->body.len;
}

bool http_keep_alive(const struct http *h)
{
    return h->keep_alive && !h->http10;
}

bool http_is_head(const struct http *h)
{
    return h->is_head;
}

/* The first refusal stands: it names the cause, later ones its consequences. */
static enum http_event refuse(struct http *h, int status, const char *reason)
{
    if (h->refusal.status == 0) {
        h->refusal = (struct http_refusal){status, reason};
    }
    h->phase = FRAME_DONE;
    h->keep_alive = false;
    return FRAME_REFUSED;
}

/* ---- values of single headers ---- */

struct text { /* a run of bytes inside the header block */
    const char *at;
    size_t len;
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static struct text trimmed(struct text t)
{
    while (t.len && is_blank(t.at[0])) {
        t.at++, t.len--;
    }
    while (t.len && is_blank(t.at[t.len - 1])) {
        t.len--;
    }
    return t;
}

static bool text_is(struct text t, const char *word)
{
    return t.len == strlen(word) && strncasecmp(t.at, word, t.len) == 0;
}

/* The next element of a comma-separated list, trimmed; false at its end. */
static bool next_element(struct text *list, struct text *element)
{
    if (list->len == 0) {
        return false;
    }
    const char *comma = memchr(list->at, ',', list->len);
    size_t n = comma ? (size_t)(comma - list->at) : list->len;
    *element = trimmed((struct text){list->at, n});
    list->at += comma ? n + 1 : n;
    list->len -= comma ? n + 1 : n;
    return true;
}

static void on_host(struct http *h, struct text v)
{
    for (size_t i = 0; i < v.len; i++) {
        if (!isalnum((unsigned char)v.at[i]) && !strchr(".-_:[]%", v.at[i])) {
            refuse(h, 400, "host_invalid");
        }
    }
    h->host = mem_strndup(v.at, v.len);
}

static void on_content_length(struct http *h, struct text v)
{
    uint64_t n = 0;
    if (v.len == 0) {
        refuse(h, 400, "length_malformed");
    }
    for (size_t i = 0; i < v.len; i++) {
        if (!isdigit((unsigned char)v.at[i])) {
            refuse(h, 400, "length_malformed");
        } else if (n <= UINT64_MAX / 100) { /* stays large beyond that, which is all that matters */
            n = n * 10 + (uint64_t)(v.at[i] - '0');
        }
    }
    h->has_length = true;
    h->length = n;
}

static void on_transfer_encoding(struct http *h, struct text v)
{
    if (text_is(v, "chunked")) {
        h->chunked = true;
    } else {
        refuse(h, 400, "transfer_encoding");
    }
}

static void on_content_encoding(struct http *h, struct text v)
{
    if (text_is(v, "gzip") || text_is(v, "x-gzip")) {
        h->content_gzip = true;
    } else if (v.len && !text_is(v, "identity")) {
        h->unsupported_encoding = true;
    }
}

static void on_content_type(struct http *h, struct text v)
{
    h->content_type = mem_strndup(v.at, v.len);
}

static void on_soap_action(struct http *h, struct text v)
{
    h->soap_action = mem_strndup(v.at, v.len);
}

/* "q=0", "q=0.0": not acceptable. */
static bool quality_is_zero(struct text parameters)
{
    struct text p = trimmed(parameters);
    if (p.len < 3 || (p.at[0] | 0x20) != 'q' || p.at[1] != '=') {
        return false;
    }
    for (size_t i = 2; i < p.len; i++) {
        if (p.at[i] != '0' && p.at[i] != '.') {
            return false;
        }
    }
    return true;
}

static void on_accept_encoding(struct http *h, struct text v)
{
    struct text element;
    while (next_element(&v, &element)) {
        const char *semicolon = element.len ? memchr(element.at, ';', element.len) : NULL;
        size_t n = semicolon ? (size_t)(semicolon - element.at) : element.len;
        struct text name = trimmed((struct text){element.at, n});
        if (!text_is(name, "gzip") && !text_is(name, "x-gzip") && !text_is(name, "*")) {
            continue;
        }
        bool any = text_is(name, "*");
        if (any && h->gzip_named) {
            continue; /* it stands for what was not named */
        }
        h->gzip_named = h->gzip_named || !any;
        h->accept_gzip = !semicolon || !quality_is_zero((struct text){semicolon + 1, element.len - n - 1});
    }
}

static void on_expect(struct http *h, struct text v)
{
    if (text_is(v, "100-continue")) {
        h->expect_continue = true;
    } else {
        h->expect_other = true;
    }
}

struct header_row {
    const char *name;
    bool once; /* said twice, it could be understood in two ways */
    void (*take)(struct http *h, struct text value);
};

static const struct header_row header_rows[] = {
    {"host", true, on_host},
    {"content-length", true, on_content_length},
    {"transfer-encoding", true, on_transfer_encoding},
    {"content-encoding", true, on_content_encoding},
    {"content-type", true, on_content_type},
    {"soapaction", true, on_soap_action},
    {"accept-encoding", false, on_accept_encoding},
    {"expect", false, on_expect},
};

static void take_header(struct http *h, struct text name, struct text value)
{
    for (size_t i = 0; i < ARRAY_LEN(header_rows); i++) {
        const struct header_row *row = &header_rows[i];
        if (!text_is(name, row->name)) {
            continue;
        }
        if (row->once && (h->seen & 1u << i)) {
            refuse(h, 400, "repeated_header");
        } else {
            row->take(h, trimmed(value));
        }
        h->seen |= 1u << i;
    }
}

/* ---- http-parser reads the whole block in one call, so each piece arrives whole ---- */

static bool take_target(struct http *h, struct text target)
{
    struct http_parser_url u;
    http_parser_url_init(&u);
    if (http_parser_parse_url(target.at, target.len, 0, &u) != 0 ||
        (u.field_set & (1 << UF_FRAGMENT | 1 << UF_USERINFO))) {
        return false;
    }
    struct text path = {"/", 1}, query = {"", 0};
    if (u.field_set & 1 << UF_PATH) {
        path = (struct text){target.at + u.field_data[UF_PATH].off, u.field_data[UF_PATH].len};
    }
    if (u.field_set & 1 << UF_QUERY) {
        query = (struct text){target.at + u.field_data[UF_QUERY].off, u.field_data[UF_QUERY].len};
    }
    h->path = mem_strndup(path.at, path.len);
    h->query = mem_strndup(query.at, query.len);
    return true;
}

static int parser_url(http_parser *p, const char *at, size_t len)
{
    struct http *h = p->data;
    if (p->method == HTTP_CONNECT || !take_target(h, (struct text){at, len})) {
        refuse(h, 400, "target");
    }
    return h->refusal.status != 0;
}

static int parser_field(http_parser *p, const char *at, size_t len)
{
    struct http *h = p->data;
    buf_clear(&h->field);
    buf_append(&h->field, at, len);
    return 0;
}

static int parser_value(http_parser *p, const char *at, size_t len)
{
    struct http *h = p->data;
    take_header(h, (struct text){buf_str(&h->field), h->field.len}, (struct text){at, len});
    return h->refusal.status != 0;
}

/* 1: http-parser must not look for a body; the body is counted off by us. */
static int parser_headers_complete(http_parser *p)
{
    struct http *h = p->data;
    h->keep_alive = http_should_keep_alive(p) != 0;
    h->http10 = p->http_major == 1 && p->http_minor == 0;
    if (!h->http10 && (p->http_major != 1 || p->http_minor != 1)) {
        refuse(h, 505, "version");
    }
    h->is_head = p->method == HTTP_HEAD;
    h->method = p->method == HTTP_POST ? NET_POST : p->method == HTTP_GET || h->is_head ? NET_GET : NET_OTHER;
    return 1;
}

static const struct http_parser_settings parser_settings = {
    .on_url = parser_url,
    .on_header_field = parser_field,
    .on_header_value = parser_value,
    .on_headers_complete = parser_headers_complete,
};

static const char *parser_reason(enum http_errno e)
{
    static const struct {
        enum http_errno error;
        const char *reason;
    } rows[] = {
        {HPE_INVALID_METHOD, "method"},
        {HPE_INVALID_URL, "target"},
        {HPE_INVALID_VERSION, "version"},
        {HPE_INVALID_CONSTANT, "request_line"},
        {HPE_UNEXPECTED_CONTENT_LENGTH, "ambiguous_length"},
        {HPE_INVALID_CONTENT_LENGTH, "length_malformed"},
        {HPE_INVALID_TRANSFER_ENCODING, "transfer_encoding"},
        {HPE_INVALID_HEADER_TOKEN, "header_malformed"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (rows[i].error == e) {
            return rows[i].reason;
        }
    }
    return "malformed";
}

/* What must hold between the headers, in the order in which it is looked at. */
static enum http_event judge_headers(struct http *h)
{
    if (!h->http10 && !h->host) {
        return refuse(h, 400, "host_missing");
    }
    if (h->chunked && (h->has_length || h->http10)) {
        return refuse(h, 400, "ambiguous_length");
    }
    if (h->has_length && h->length > h->limits->body_bytes) {
        return refuse(h, 413, "body_too_large");
    }
    if (h->unsupported_encoding) {
        return refuse(h, 415, "content_encoding");
    }
    if (h->expect_other) {
        return refuse(h, 417, "expectation");
    }
    return FRAME_MORE;
}

static enum http_event begin_body(struct http *h)
{
    buf_free(&h->head);
    buf_free(&h->field);
    if (!h->chunked && h->length == 0) {
        h->phase = FRAME_DONE;
        return FRAME_COMPLETE;
    }
    h->phase = FRAME_BODY;
    if (h->chunked) {
        chunk_init(&h->chunk, h->limits->body_bytes, h->limits->header_bytes);
    } else {
        buf_reserve(&h->body, h->length < BODY_RESERVE ? (size_t)h->length : BODY_RESERVE);
    }
    return h->expect_continue && !h->http10 ? FRAME_CONTINUE : FRAME_MORE;
}

/* Our own limit comes first; http-parser's, one for the whole process, would stop at 80 KB whatever is configured. */
static void lift_parser_limit(void)
{
    http_parser_set_max_header_size(UINT32_MAX);
}

static enum http_event parse_head(struct http *h)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, lift_parser_limit);
    http_parser parser;
    http_parser_init(&parser, HTTP_REQUEST);
    parser.data = h;
    size_t read = http_parser_execute(&parser, &parser_settings, buf_str(&h->head), h->head.len);
    enum http_errno error = HTTP_PARSER_ERRNO(&parser);
    if (error != HPE_OK) {
        return refuse(h, 400, parser_reason(error));
    }
    if (read != h->head.len && !parser.upgrade) {
        return refuse(h, 400, "malformed");
    }
    if (h->refusal.status) {
        return FRAME_REFUSED;
    }
    enum http_event e = judge_headers(h);
    return e == FRAME_MORE ? begin_body(h) : e;
}

/* ---- the header block, line by line while it arrives ---- */

static bool is_token(char c)
{
    return isalnum((unsigned char)c) || (c && strchr("!#$%&'*+-.^_`|~", c));
}

/* "POST /path HTTP/1.1": one blank each, visible ASCII; http-parser judges the words. */
static const char *check_request_line(struct text line)
{
    const char *first = memchr(line.at, ' ', line.len);
    const char *last = memrchr(line.at, ' ', line.len);
    if (!first || first == last || memchr(first + 1, ' ', (size_t)(last - first - 1)) || last == first + 1) {
        return "request_line";
    }
    const char *v = last + 1;
    if (line.at + line.len - v != (ptrdiff_t)strlen("HTTP/1.1") || strncmp(v, "HTTP/", 5) != 0 ||
        !isdigit((unsigned char)v[5]) || v[6] != '.' || !isdigit((unsigned char)v[7])) {
        return "request_line";
    }
    for (size_t i = 0; i < line.len; i++) {
        if (line.at[i] < 0x20 || line.at[i] > 0x7e) {
            return "request_line";
        }
    }
    return NULL;
}

static const char *check_header_line(struct text line)
{
    if (is_blank(line.at[0])) {
        return "folded_header";
    }
    size_t n = 0;
    while (n < line.len && is_token(line.at[n])) {
        n++;
    }
    return n == 0 || n == line.len || line.at[n] != ':' ? "header_malformed" : NULL;
}

/* A line has ended (its CRLF is in head). */
static enum http_event end_line(struct http *h)
{
    struct text line = {(char *)h->head.data + h->line_start, h->head.len - h->line_start - 2};
    h->line_start = h->head.len;
    if (line.len == 0 && h->lines == 0) { /* empty lines before a request are ignored (RFC 9112 2.2) */
        buf_clear(&h->head);
        h->line_start = 0;
        return FRAME_MORE;
    }
    if (line.len == 0) {
        return parse_head(h);
    }
    const char *wrong = h->lines == 0 ? check_request_line(line) : check_header_line(line);
    if (wrong) {
        return refuse(h, 400, wrong);
    }
    if (h->lines++ > h->limits->header_lines) {
        return refuse(h, 431, "header_lines");
    }
    return FRAME_MORE;
}

/* Bytes up to at most one LF, which is the last of them. */
static const char *check_run(struct http *h, const uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint8_t byte = bytes[i];
        if (h->cr != (byte == '\n')) {
            return h->cr ? "bare_cr" : "bare_lf";
        }
        h->cr = byte == '\r';
        if ((byte < 0x20 && byte != '\t' && byte != '\r' && byte != '\n') || byte == 0x7f) {
            return "control_character";
        }
    }
    return NULL;
}

static enum http_event head_run(struct http *h, const uint8_t *bytes, size_t n)
{
    const char *wrong = check_run(h, bytes, n);
    if (wrong) {
        return refuse(h, 400, wrong);
    }
    buf_append(&h->head, bytes, n);
    return bytes[n - 1] == '\n' ? end_line(h) : FRAME_MORE;
}

static enum http_event feed_head(struct http *h, const uint8_t *bytes, size_t n, size_t *used)
{
    enum http_event e = FRAME_MORE;
    while (*used < n && e == FRAME_MORE && h->phase == FRAME_HEADER) {
        size_t room = h->limits->header_bytes - h->head.len;
        if (room == 0) {
            return refuse(h, 431, "header_bytes");
        }
        size_t run = n - *used < room ? n - *used : room;
        const uint8_t *lf = memchr(bytes + *used, '\n', run);
        run = lf ? (size_t)(lf - bytes - *used) + 1 : run;
        e = head_run(h, bytes + *used, run);
        *used += run;
    }
    return e;
}

/* ---- the body ---- */

static enum http_event feed_chunked(struct http *h, const uint8_t *bytes, size_t n, size_t *used)
{
    switch (chunk_feed(&h->chunk, bytes, n, used, &h->body)) {
    case CHUNK_MORE:
        return FRAME_MORE;
    case CHUNK_COMPLETE:
        h->phase = FRAME_DONE;
        return FRAME_COMPLETE;
    case CHUNK_TOO_LARGE:
        return refuse(h, 413, "body_too_large");
    case CHUNK_OVERHEAD:
        return refuse(h, 400, "chunk_overhead");
    case CHUNK_MALFORMED:
        break;
    }
    return refuse(h, 400, "chunk_malformed");
}

static enum http_event feed_counted(struct http *h, const uint8_t *bytes, size_t n, size_t *used)
{
    uint64_t missing = h->length - h->body.len;
    *used = n < missing ? n : (size_t)missing;
    buf_append(&h->body, bytes, *used);
    if (h->body.len < h->length) {
        return FRAME_MORE;
    }
    h->phase = FRAME_DONE;
    return FRAME_COMPLETE;
}

enum http_event http_feed(struct http *h, const uint8_t *bytes, size_t n, size_t *used)
{
    *used = 0;
    if (h->phase == FRAME_DONE) {
        return h->refusal.status ? FRAME_REFUSED : FRAME_COMPLETE;
    }
    enum http_event e = FRAME_MORE;
    if (h->phase == FRAME_HEADER) {
        e = feed_head(h, bytes, n, used);
    }
    if (e != FRAME_MORE || h->phase != FRAME_BODY || *used == n) {
        return e;
    }
    size_t more = 0;
    e = h->chunked ? feed_chunked(h, bytes + *used, n - *used, &more)
                   : feed_counted(h, bytes + *used, n - *used, &more);
    *used += more;
    return e;
}

/* ---- the outcome ---- */

static char *give_text(char **text)
{
    char *given = *text ? *text : mem_strdup("");
    *text = NULL;
    return given;
}

void http_give(struct http *h, struct net_request *r)
{
    r->method = h->method;
    r->path = give_text(&h->path);
    r->query = give_text(&h->query);
    r->host = give_text(&h->host);
    r->content_type = give_text(&h->content_type);
    r->soap_action = give_text(&h->soap_action);
    r->accept_gzip = h->accept_gzip;
    r->content_gzip = h->content_gzip;
    r->unsupported_encoding = h->unsupported_encoding;
    r->http10 = h->http10;
    r->body = h->body;
    h->body = BUF_INIT;
}

void http_request_clear(struct net_request *r)
{
    mem_free(r->path);
    mem_free(r->query);
    mem_free(r->host);
    mem_free(r->content_type);
    mem_free(r->soap_action);
    buf_free(&r->body);
    r->path = r->query = r->host = r->content_type = r->soap_action = NULL;
}

void http_answer_head(struct buf *out, int64_t now, int status, const char *content_type, const char *headers,
                      size_t body_length, bool close)
{
    char date[48];
    struct tm tm;
    time_t seconds = (time_t)(now / 1000000);
    strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&seconds, &tm));
    buf_printf(out, "HTTP/1.1 %d %s\r\nDate: %s\r\n", status, http_status_str((enum http_status)status), date);
    if (content_type && content_type[0]) {
        buf_printf(out, "Content-Type: %s\r\n", content_type);
    }
    buf_printf(out, "Content-Length: %zu\r\n%s%s\r\n", body_length, headers ? headers : "",
               close ? "Connection: close\r\n" : "");
}
