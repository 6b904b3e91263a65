#include "net_client.h"

#include "net/tls_client.h"
#include "net/url.h"

/* ---- url ---- */

START_TEST(a_url_falls_into_its_parts)
{
    static const struct {
        const char *text, *host, *port, *path, *authority;
        bool address;
    } rows[] = {
        {"https://nation.example:9443/services/exchange", "nation.example", "9443", "/services/exchange",
         "nation.example:9443", false},
        {"https://a", "a", "443", "/", "a", false},
        {"HTTPS://a/b?c=d", "a", "443", "/b?c=d", "a", false},
        {"https://127.0.0.1:8443", "127.0.0.1", "8443", "/", "127.0.0.1:8443", true},
        {"https://[::1]:8443/x", "::1", "8443", "/x", "[::1]:8443", true},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct url u;
        struct result r = url_parse(rows[i].text, &u);
        ck_assert_msg(result_ok(r), "%s: %s", rows[i].text, r.text);
        ck_assert_str_eq(u.host, rows[i].host);
        ck_assert_str_eq(u.port, rows[i].port);
        ck_assert_str_eq(u.path, rows[i].path);
        ck_assert_str_eq(u.authority, rows[i].authority);
        ck_assert_int_eq(u.is_address, rows[i].address);
        url_free(&u);
    }
}
END_TEST

START_TEST(what_is_no_https_url_is_refused)
{
    static const char *const rows[] = {"",
                                       "http://a/",
                                       "https://",
                                       "https:///x",
                                       "a.example",
                                       "ftp://a/b",
                                       "https://u@a/b",
                                       "https://a:b/c",
                                       "https://a/#f",
                                       "https://a:99999/",
                                       "https://a:0/",
                                       "https://a b/",
                                       "https://a/\fb?x=1",
                                       "https://a/\x7f",
                                       "https://a/\r\nX: y"};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct url u;
        struct result r = url_parse(rows[i], &u);
        ck_assert_msg(r.kind == ERR_SENDER, "%s", rows[i]);
        url_free(&u);
    }
    struct url u;
    ck_assert_int_eq(url_parse(NULL, &u).kind, ERR_SENDER);
}
END_TEST

/* ---- against our own server ---- */

struct files {
    char url[96], cert[160], key[160], ca[160];
};

static struct tls_client_config config_for(const struct pki *p, struct files *f, const char *host, int port,
                                           const char *name)
{
    snprintf(f->url, sizeof(f->url), "https://%s:%d/echo", host, port);
    snprintf(f->cert, sizeof(f->cert), "%s/%s.pem", p->dir, name);
    snprintf(f->key, sizeof(f->key), "%s/%s.key", p->dir, name);
    snprintf(f->ca, sizeof(f->ca), "%s/root.pem", p->dir);
    return (struct tls_client_config){.url = f->url,
                                      .cert_file = f->cert,
                                      .key_file = f->key,
                                      .ca_file = f->ca,
                                      .connect_ms = 10000,
                                      .timeout_ms = 10000,
                                      .max_answer = 1 << 20};
}

static struct tls_client *client_for(const struct pki *p, const char *host, int port, const char *name)
{
    struct files files;
    struct tls_client_config config = config_for(p, &files, host, port, name);
    struct tls_client *client = NULL;
    struct result r = tls_client_new(&config, &client);
    ck_assert_msg(result_ok(r), "%s", r.text);
    return client;
}

struct reply {
    struct result r;
    int status, retry_after;
    struct buf body;
};

static struct reply post(struct tls_client *client, const char *text)
{
    struct reply reply = {0};
    struct buf body = BUF_INIT;
    buf_append_str(&body, text);
    reply.r = tls_client_post(client, NULL, "text/xml", "urn:a", &body, &reply.status, &reply.retry_after, &reply.body);
    buf_free(&body);
    return reply;
}

static void expect_post(struct tls_client *client, const char *text, const char *wanted)
{
    struct reply reply = post(client, text);
    ck_assert_msg(result_ok(reply.r), "%s", reply.r.text);
    ck_assert_int_eq(reply.status, 200);
    ck_assert_str_eq(buf_str(&reply.body), wanted);
    buf_free(&reply.body);
}

START_TEST(requests_go_over_one_kept_connection)
{
    struct fixture f;
    fixture_up(&f);
    struct tls_client *client = client_for(&f.pki, "localhost", f.port, "client");
    long long before = metric_read("nhjc_net_accepted_total");
    expect_post(client, "hello", "POST /echo? hello");
    expect_post(client, "", "POST /echo? ");
    struct buf answer = BUF_INIT;
    int status = 0;
    struct result r = tls_client_get(client, "/echo?wsdl", &status, &answer);
    ck_assert_msg(result_ok(r), "%s", r.text);
    ck_assert_str_eq(buf_str(&answer), "GET /echo?wsdl ");
    r = tls_client_get(client, "/other", &status, &answer);
    ck_assert_msg(result_ok(r), "%s", r.text);
    ck_assert_str_eq(buf_str(&answer), "GET /echo?wsdl GET /other? "); /* appended */
    buf_free(&answer);
    ck_assert_int_eq(metric_read("nhjc_net_accepted_total"), before + 1);
    tls_client_free(&client);
    ck_assert_ptr_null(client);
    tls_client_free(&client);
    fixture_down(&f);
}
END_TEST

START_TEST(large_bodies_pass_both_ways)
{
    struct fixture f;
    fixture_prepare(&f);
    f.config.limits.body_bytes = 16 << 20;
    fixture_start(&f);
    struct files files;
    struct tls_client_config config = config_for(&f.pki, &files, "127.0.0.1", f.port, "client");
    config.max_answer = 16 << 20;
    struct tls_client *client = NULL;
    ck_assert(result_ok(tls_client_new(&config, &client)));
    char *text = mem_printf("%010000000d", 0);
    struct reply reply = post(client, text);
    ck_assert_msg(result_ok(reply.r), "%s", reply.r.text);
    ck_assert_uint_eq(reply.body.len, strlen("POST /echo? ") + 10000000);
    ck_assert_str_eq(buf_str(&reply.body) + strlen("POST /echo? "), text);
    buf_free(&reply.body);
    mem_free(text);
    tls_client_free(&client);
    fixture_down(&f);
}
END_TEST

START_TEST(a_connection_the_server_ended_is_opened_anew)
{
    struct fixture f;
    fixture_prepare(&f);
    f.config.limits.idle_ms = 600; /* enough for the steps below on a busy machine */
    fixture_start(&f);
    long long before = metric_read("nhjc_net_accepted_total"), idle = metric_read("nhjc_net_idle_closed_total");
    struct tls_client *client = client_for(&f.pki, "127.0.0.1", f.port, "client");
    expect_post(client, "one", "POST /echo? one");
    ck_assert(metric_reaches("nhjc_net_idle_closed_total", idle + 1));
    expect_post(client, "two", "POST /echo? two");
    struct buf answer = BUF_INIT;
    int status = 0;
    ck_assert(result_ok(tls_client_get(client, "/close", &status, &answer)));
    buf_free(&answer);
    expect_post(client, "three", "POST /echo? three");
    ck_assert_int_eq(metric_read("nhjc_net_accepted_total"), before + 3);
    tls_client_free(&client);
    fixture_down(&f);
}
END_TEST

START_TEST(a_refused_certificate_is_unauthorised_with_the_code)
{
    static const struct {
        const char *name;
        int code;
        const char *words;
    } rows[] = {{"revoked", 1102, "certificate revoked"},
                {"expired", 1102, "certificate expired"},
                {"stranger", 1101, "unknown ca"},
                {"server", 1101, "unsupported certificate"}};
    struct fixture f;
    fixture_up(&f);
    pki_issue(&f.pki, (struct pki_spec){
                          .file = "expired", .issuer = &f.pki.root, .cn = "expired", .from = -PKI_DAY, .to = -60});
    pki_issue(&f.pki, (struct pki_spec){.file = "stranger", .issuer = &f.pki.rogue, .cn = "stranger"});
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct tls_client *client = client_for(&f.pki, "127.0.0.1", f.port, rows[i].name);
        struct reply reply = post(client, "hello");
        ck_assert_msg(reply.r.kind == ERR_UNAUTHORISED, "%s: %s", rows[i].name, reply.r.text);
        ck_assert_int_eq(reply.r.code, rows[i].code);
        ck_assert_msg(strstr(reply.r.text, rows[i].words), "%s", reply.r.text);
        ck_assert_int_eq(reply.status, 0);
        tls_client_free(&client);
    }
    fixture_down(&f);
}
END_TEST

START_TEST(no_certificate_is_refused_as_such)
{
    struct fixture f;
    fixture_up(&f);
    struct files files;
    struct tls_client_config config = config_for(&f.pki, &files, "127.0.0.1", f.port, "client");
    config.cert_file = config.key_file = NULL;
    struct tls_client *client = NULL;
    ck_assert(result_ok(tls_client_new(&config, &client)));
    struct reply reply = post(client, "hello");
    ck_assert_int_eq(reply.r.kind, ERR_UNAUTHORISED);
    ck_assert_int_eq(reply.r.code, 1101);
    tls_client_free(&client);
    fixture_down(&f);
}
END_TEST

START_TEST(a_server_of_another_name_or_ca_is_not_spoken_to)
{
    struct fixture f;
    fixture_prepare(&f);
    pki_issue(&f.pki, (struct pki_spec){.file = "server",
                                        .issuer = &f.pki.root,
                                        .cn = "localhost",
                                        .usage = "serverAuth",
                                        .san = "DNS:other.example,IP:127.0.0.2"});
    fixture_start(&f);
    static const struct {
        const char *host, *words;
    } rows[] = {{"localhost", "ostname mismatch"}, /* the CN does not count */
                {"127.0.0.1", "IP address mismatch"}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct tls_client *client = client_for(&f.pki, rows[i].host, f.port, "client");
        struct reply reply = post(client, "hello");
        ck_assert_int_eq(reply.r.kind, ERR_UNAUTHORISED);
        ck_assert_msg(strstr(reply.r.text, rows[i].words), "%s", reply.r.text);
        tls_client_free(&client);
    }
    struct files files;
    struct tls_client_config config = config_for(&f.pki, &files, "127.0.0.1", f.port, "client");
    snprintf(files.ca, sizeof(files.ca), "%s/rogue.pem", f.pki.dir);
    struct tls_client *client = NULL;
    ck_assert(result_ok(tls_client_new(&config, &client)));
    struct reply reply = post(client, "hello");
    ck_assert_int_eq(reply.r.kind, ERR_UNAUTHORISED);
    ck_assert_msg(strstr(reply.r.text, "issuer"), "%s", reply.r.text);
    tls_client_free(&client);
    ck_assert_int_eq(atomic_load(&f.served), 0);
    fixture_down(&f);
}
END_TEST

START_TEST(a_renewed_certificate_serves_the_next_connection)
{
    struct fixture f;
    fixture_up(&f);
    struct tls_client *client = client_for(&f.pki, "127.0.0.1", f.port, "revoked");
    struct reply reply = post(client, "hello");
    ck_assert_int_eq(reply.r.kind, ERR_UNAUTHORISED);
    pki_issue(&f.pki, (struct pki_spec){.file = "revoked", .issuer = &f.pki.root, .cn = "renewed", .serial = 77});
    expect_post(client, "hello", "POST /echo? hello");
    tls_client_disconnect(client);
    pki_write_text(&f.pki, "revoked.pem", "half a certif"); /* someone is just writing it */
    expect_post(client, "again", "POST /echo? again");
    tls_client_free(&client);
    fixture_down(&f);
}
END_TEST

START_TEST(files_that_cannot_be_used_are_named)
{
    struct fixture f;
    fixture_prepare(&f);
    static const struct {
        const char *cert, *key, *ca, *words;
    } rows[] = {{"absent.pem", "client.key", "root.pem", "certificate "},
                {"client.pem", "absent.key", "root.pem", "key "},
                {"client.pem", "root.key", "root.pem", "root.key"},
                {"client.pem", "client.key", "absent.pem", "CA bundle "}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct tls_client_config config = {.url = "https://127.0.0.1:1/", .max_answer = 1};
        char cert[160], key[160], ca[160];
        snprintf(cert, sizeof(cert), "%s/%s", f.pki.dir, rows[i].cert);
        snprintf(key, sizeof(key), "%s/%s", f.pki.dir, rows[i].key);
        snprintf(ca, sizeof(ca), "%s/%s", f.pki.dir, rows[i].ca);
        config.cert_file = cert;
        config.key_file = key;
        config.ca_file = ca;
        struct tls_client *client = NULL;
        struct result r = tls_client_new(&config, &client);
        ck_assert_int_eq(r.kind, ERR_SENDER);
        ck_assert_msg(strstr(r.text, rows[i].words), "%s", r.text);
        ck_assert_ptr_null(client);
    }
    pki_free(&f.pki);
}
END_TEST

START_TEST(nobody_there_is_transient)
{
    struct fixture f;
    fixture_prepare(&f);
    struct tls_client *client = client_for(&f.pki, "127.0.0.1", 1, "client");
    struct reply reply = post(client, "hello");
    ck_assert_int_eq(reply.r.kind, ERR_TRANSIENT);
    ck_assert_msg(strstr(reply.r.text, "refused"), "%s", reply.r.text);
    tls_client_free(&client);
    pki_free(&f.pki);
}
END_TEST

/* ---- against a server that plays its part from a script ---- */

enum ending { STAYS, SAYS_GOODBYE, CUTS };

struct act {            /* one request on one connection */
    const char *answer; /* NULL: none */
    enum ending ending;
};

struct play {
    struct pki pki;
    const struct act *acts;
    size_t count;
    int listen_fd, port;
    atomic_int connections, requests;
    pthread_t thread;
};

static void read_request(SSL *ssl, struct play *play)
{
    struct buf text = BUF_INIT;
    char piece[4096];
    for (int n; (n = SSL_read(ssl, piece, sizeof(piece))) > 0;) {
        buf_append(&text, piece, (size_t)n);
        const char *end = strstr(buf_str(&text), "\r\n\r\n"), *length = strstr(buf_str(&text), "Content-Length: ");
        if (end && text.len >= (size_t)(end + 4 - buf_str(&text)) + (length ? (size_t)atol(length + 16) : 0)) {
            atomic_fetch_add(&play->requests, 1);
            break;
        }
    }
    buf_free(&text);
}

/* Plays acts until the connection ends; gives the number of acts played. */
static size_t play_connection(struct play *play, int fd, SSL_CTX *ctx, size_t next)
{
    SSL *ssl = SSL_new(ctx);
    SSL_set_fd(ssl, fd);
    bool open = SSL_accept(ssl) == 1;
    atomic_fetch_add(&play->connections, 1);
    while (open && next < play->count) {
        const struct act *act = &play->acts[next++];
        read_request(ssl, play);
        if (act->answer) {
            SSL_write(ssl, act->answer, (int)strlen(act->answer));
        }
        open = act->ending == STAYS;
        if (act->ending == SAYS_GOODBYE) {
            SSL_shutdown(ssl);
        }
    }
    char byte;
    if (open) { /* the last act: until the client goes */
        SSL_read(ssl, &byte, 1);
    }
    SSL_free(ssl);
    close(fd);
    return next;
}

static void *play_all(void *arg)
{
    struct play *play = arg;
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    SSL_CTX_use_certificate_chain_file(ctx, pki_path(&play->pki, "server.pem"));
    SSL_CTX_use_PrivateKey_file(ctx, pki_path(&play->pki, "server.key"), SSL_FILETYPE_PEM);
    SSL_CTX_set_num_tickets(ctx, 0);
    for (size_t next = 0; next < play->count;) {
        int fd = accept(play->listen_fd, NULL, NULL);
        if (fd < 0) {
            break;
        }
        next = play_connection(play, fd, ctx, next);
    }
    SSL_CTX_free(ctx);
    return NULL;
}

static void play_begin(struct play *play, const struct act *acts, size_t count)
{
    memset(play, 0, sizeof(*play));
    signal(SIGPIPE, SIG_IGN);
    pki_new(&play->pki);
    play->acts = acts;
    play->count = count;
    play->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in a = {.sin_family = AF_INET};
    socklen_t n = sizeof(a);
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ck_assert_int_eq(bind(play->listen_fd, (struct sockaddr *)&a, sizeof(a)), 0);
    ck_assert_int_eq(listen(play->listen_fd, 8), 0);
    getsockname(play->listen_fd, (struct sockaddr *)&a, &n);
    play->port = ntohs(a.sin_port);
    ck_assert_int_eq(pthread_create(&play->thread, NULL, play_all, play), 0);
}

static void play_end(struct play *play)
{
    shutdown(play->listen_fd, SHUT_RDWR);
    pthread_join(play->thread, NULL);
    close(play->listen_fd);
    pki_free(&play->pki);
}

static struct tls_client *audience(struct play *play, int timeout_ms, size_t max_answer)
{
    struct files files;
    struct tls_client_config config = config_for(&play->pki, &files, "127.0.0.1", play->port, "client");
    config.timeout_ms = timeout_ms;
    config.max_answer = max_answer;
    struct tls_client *client = NULL;
    struct result r = tls_client_new(&config, &client);
    ck_assert_msg(result_ok(r), "%s", r.text);
    return client;
}

START_TEST(answers_are_read_in_every_form_http_1_1_allows)
{
    static const struct act acts[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", STAYS},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\nT: u\r\n\r\n", STAYS},
        {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", STAYS},
        {"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello", SAYS_GOODBYE},
        {"HTTP/1.1 200 OK\r\n\r\nhello", SAYS_GOODBYE}, /* no length: up to the end */
        {"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", SAYS_GOODBYE},
    };
    struct play play;
    play_begin(&play, acts, ARRAY_LEN(acts));
    struct tls_client *client = audience(&play, 10000, 100);
    for (size_t i = 0; i < ARRAY_LEN(acts); i++) {
        expect_post(client, "question", "hello");
    }
    ck_assert_int_eq(atomic_load(&play.connections), 3);
    tls_client_free(&client);
    play_end(&play);
}
END_TEST

START_TEST(status_and_retry_after_are_handed_over)
{
    static const struct act acts[] = {
        {"HTTP/1.1 503 Busy\r\nX: 1\r\nretry-AFTER: 17\r\nContent-Length: 4\r\n\r\nbusy", STAYS},
        {"HTTP/1.1 429 Slow\r\nRetry-After: Wed, 21 Oct 2026 07:28:00 GMT\r\nContent-Length: 0\r\n\r\n", STAYS},
        {"HTTP/1.1 503 Busy\r\nRetry-After: 99999999999999999999\r\nContent-Length: 0\r\n\r\n", STAYS},
        {"HTTP/1.1 500 Fault\r\nContent-Length: 5\r\n\r\nfault", STAYS},
    };
    static const struct {
        int status, retry_after;
    } wanted[] = {{503, 17}, {429, 0}, {503, 86400}, {500, 0}};
    struct play play;
    play_begin(&play, acts, ARRAY_LEN(acts));
    struct tls_client *client = audience(&play, 10000, 100);
    for (size_t i = 0; i < ARRAY_LEN(acts); i++) {
        struct reply reply = post(client, "question");
        ck_assert_msg(result_ok(reply.r), "%s", reply.r.text);
        ck_assert_int_eq(reply.status, wanted[i].status);
        ck_assert_int_eq(reply.retry_after, wanted[i].retry_after);
        buf_free(&reply.body);
    }
    tls_client_free(&client);
    play_end(&play);
}
END_TEST

START_TEST(a_request_is_sent_again_only_on_a_kept_connection_and_before_any_byte_of_an_answer)
{
    static const struct act acts[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\none", STAYS},
        {NULL, CUTS}, /* took the second request and left: sent again */
        {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\ntwo", STAYS},
        {"HTTP/1.1 200 OK\r\nContent-Le", CUTS}, /* half an answer: not sent again */
        {NULL, CUTS},                            /* a new connection: not sent again */
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nthree", STAYS},
    };
    struct play play;
    play_begin(&play, acts, ARRAY_LEN(acts));
    struct tls_client *client = audience(&play, 10000, 100);
    expect_post(client, "1", "one");
    expect_post(client, "2", "two");
    ck_assert_int_eq(atomic_load(&play.requests), 3);
    for (int i = 0; i < 2; i++) {
        struct reply reply = post(client, "3");
        ck_assert_int_eq(reply.r.kind, ERR_TRANSIENT);
        ck_assert_int_eq(reply.status, 0);
        ck_assert_uint_eq(reply.body.len, 0);
        ck_assert_int_eq(atomic_load(&play.requests), 4 + i);
        buf_free(&reply.body);
    }
    expect_post(client, "3", "three");
    tls_client_free(&client);
    play_end(&play);
}
END_TEST

START_TEST(an_answer_may_fill_its_limit_to_the_brim_and_not_one_more)
{
    static const struct act acts[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", STAYS},
        {"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello!", CUTS},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n3\r\nlo!\r\n0\r\n\r\n", CUTS},
    };
    struct play play;
    play_begin(&play, acts, ARRAY_LEN(acts));
    struct tls_client *client = audience(&play, 10000, 5);
    expect_post(client, "question", "hello");
    for (int i = 0; i < 2; i++) {
        struct reply reply = post(client, "question");
        ck_assert_int_eq(reply.r.kind, ERR_LIMIT);
        ck_assert_uint_eq(reply.body.len, 0);
        buf_free(&reply.body);
    }
    tls_client_free(&client);
    play_end(&play);
}
END_TEST

START_TEST(a_cut_connection_never_passes_for_a_whole_answer)
{
    static const struct act acts[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello", SAYS_GOODBYE},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", SAYS_GOODBYE},
        {"HTTP/1.1 200 OK\r\n\r\nhello", CUTS}, /* no length, no goodbye */
        {"nonsense\r\n\r\n", SAYS_GOODBYE},
        {"", SAYS_GOODBYE},
    };
    struct play play;
    play_begin(&play, acts, ARRAY_LEN(acts));
    struct tls_client *client = audience(&play, 10000, 100);
    for (size_t i = 0; i < ARRAY_LEN(acts); i++) {
        struct reply reply = post(client, "question");
        ck_assert_msg(reply.r.kind == ERR_TRANSIENT, "%zu: %d", i, reply.r.kind);
        ck_assert_uint_eq(reply.body.len, 0);
        buf_free(&reply.body);
    }
    ck_assert_int_eq(atomic_load(&play.requests), 5);
    tls_client_free(&client);
    play_end(&play);
}
END_TEST

START_TEST(a_server_that_does_not_answer_in_time_is_given_up)
{
    static const struct act acts[] = {{NULL, STAYS}};
    struct play play;
    play_begin(&play, acts, ARRAY_LEN(acts));
    struct tls_client *client = audience(&play, 300, 100);
    int64_t start = clock_monotonic();
    struct reply reply = post(client, "question");
    int64_t ms = (clock_monotonic() - start) / 1000000;
    ck_assert_int_eq(reply.r.kind, ERR_TRANSIENT);
    ck_assert_msg(strstr(reply.r.text, "timed out"), "%s", reply.r.text);
    ck_assert_int_ge(ms, 290);
    tls_client_free(&client);
    play_end(&play);
}
END_TEST

START_TEST(a_server_that_does_not_shake_hands_in_time_is_given_up)
{
    struct play play;
    play_begin(&play, NULL, 0); /* the system accepts, nobody speaks */
    struct files files;
    struct tls_client_config config = config_for(&play.pki, &files, "127.0.0.1", play.port, "client");
    config.connect_ms = 200;
    struct tls_client *client = NULL;
    ck_assert(result_ok(tls_client_new(&config, &client)));
    struct reply reply = post(client, "question"); /* without its deadline this waits for ever */
    ck_assert_int_eq(reply.r.kind, ERR_TRANSIENT);
    tls_client_free(&client);
    play_end(&play);
}
END_TEST

START_TEST(an_answer_before_the_end_of_the_request_is_taken)
{
    struct fixture f;
    fixture_prepare(&f);
    f.config.limits.body_bytes = 1000;
    fixture_start(&f);
    struct tls_client *client = client_for(&f.pki, "127.0.0.1", f.port, "client");
    char *text = mem_printf("%03000000d", 0);
    struct reply reply = post(client, text);
    ck_assert_msg(result_ok(reply.r), "%s", reply.r.text);
    ck_assert_int_eq(reply.status, 413);
    buf_free(&reply.body);
    mem_free(text);
    expect_post(client, "small", "POST /echo? small"); /* on a new connection */
    tls_client_free(&client);
    fixture_down(&f);
}
END_TEST

UNIT_MAIN("tls_client", a_url_falls_into_its_parts, what_is_no_https_url_is_refused,
          requests_go_over_one_kept_connection, large_bodies_pass_both_ways,
          a_connection_the_server_ended_is_opened_anew, a_refused_certificate_is_unauthorised_with_the_code,
          no_certificate_is_refused_as_such, a_server_of_another_name_or_ca_is_not_spoken_to,
          a_renewed_certificate_serves_the_next_connection, files_that_cannot_be_used_are_named,
          nobody_there_is_transient, answers_are_read_in_every_form_http_1_1_allows,
          status_and_retry_after_are_handed_over,
          a_request_is_sent_again_only_on_a_kept_connection_and_before_any_byte_of_an_answer,
          an_answer_may_fill_its_limit_to_the_brim_and_not_one_more, a_cut_connection_never_passes_for_a_whole_answer,
          a_server_that_does_not_answer_in_time_is_given_up, a_server_that_does_not_shake_hands_in_time_is_given_up,
          an_answer_before_the_end_of_the_request_is_taken)
