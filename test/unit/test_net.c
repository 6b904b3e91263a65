#include "net_client.h"

#include <openssl/core_names.h>
#include <openssl/kdf.h>

#include "base/utf8.h"
#include "net/peer_x509.h"
#include "net/server.h"

#define GET_ECHO "GET /echo HTTP/1.1\r\nHost: a\r\n\r\n"
#define GET_HOLD "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n"

/* ---- who is let in ---- */

START_TEST(a_known_client_is_answered_over_tls_1_2_and_1_3)
{
    static const struct {
        int version;
        const char *name;
    } rows[] = {{TLS1_2_VERSION, "TLSv1.2"}, {TLS1_3_VERSION, "TLSv1.3"}};
    struct fixture f;
    fixture_up(&f);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct client c = client_open(&f, "client", rows[i].version);
        ck_assert_str_eq(SSL_get_version(c.ssl), rows[i].name);
        client_expect(&c, GET_ECHO, 200, "GET /echo? ");
        client_free(&c);
    }
    ck_assert_int_eq(f.note_count, 0);
    fixture_down(&f);
}
END_TEST

struct refused_row {
    const char *client; /* certificate; NULL: none */
    int alert12, alert13;
    const char *reason;
    int code;
    const char *subject;
};

static const struct refused_row refused_rows[] = {
    {NULL, SSL_AD_HANDSHAKE_FAILURE, SSL_AD_CERTIFICATE_REQUIRED, "certificate_required", 1101, ""},
    {"expired", SSL_AD_CERTIFICATE_EXPIRED, SSL_AD_CERTIFICATE_EXPIRED, "certificate_expired", 1102, "CN=expired"},
    {"future", SSL_AD_BAD_CERTIFICATE, SSL_AD_BAD_CERTIFICATE, "certificate_not_yet_valid", 1102, "CN=future"},
    {"revoked", SSL_AD_CERTIFICATE_REVOKED, SSL_AD_CERTIFICATE_REVOKED, "certificate_revoked", 1102, "CN=revoked"},
    {"stranger", SSL_AD_UNKNOWN_CA, SSL_AD_UNKNOWN_CA, "unknown_ca", 1101, "CN=stranger"},
    {"impostor", SSL_AD_UNKNOWN_CA, SSL_AD_UNKNOWN_CA, "unknown_ca", 1101, "CN=impostor"},
    {"bare_impostor", SSL_AD_UNKNOWN_CA, SSL_AD_UNKNOWN_CA, "unknown_ca", 1101, "CN=bare_impostor"},
    {"self", SSL_AD_UNKNOWN_CA, SSL_AD_UNKNOWN_CA, "unknown_ca", 1101, "CN=self"},
    {"server", SSL_AD_UNSUPPORTED_CERTIFICATE, SSL_AD_UNSUPPORTED_CERTIFICATE, "wrong_purpose", 1101, "CN=server"},
};

static void issue_bad_certificates(const struct pki *p)
{
    pki_issue(
        p, (struct pki_spec){.file = "expired", .issuer = &p->root, .cn = "expired", .from = -2 * PKI_DAY, .to = -60});
    pki_issue(p, (struct pki_spec){.file = "future", .issuer = &p->root, .cn = "future", .from = 3600});
    pki_issue(p, (struct pki_spec){.file = "stranger", .issuer = &p->rogue, .cn = "stranger"});
    pki_issue(p, (struct pki_spec){.file = "impostor", .issuer = &p->fake, .cn = "impostor"});
    pki_issue(p,
              (struct pki_spec){.file = "bare_impostor", .issuer = &p->bare_fake, .cn = "bare_impostor", .bare = true});
    pki_issue(p, (struct pki_spec){.file = "self", .cn = "self"});
}

static void check_refused(struct fixture *f, const struct refused_row *r, int version, int n)
{
    struct client c = client_new(f, r->client, version);
    int alert = client_refusal(&c), wanted = version == TLS1_2_VERSION ? r->alert12 : r->alert13;
    struct refused_note note = fixture_refused(f, n);
    ck_assert_msg(alert == wanted, "%s: alert %d instead of %d", r->reason, alert, wanted);
    ck_assert_str_eq(note.reason, r->reason);
    ck_assert_str_eq(note.subject, r->subject);
    ck_assert_int_eq(note.code, r->code);
    client_free(&c);
}

START_TEST(a_certificate_that_does_not_hold_is_refused_with_its_alert_reason_and_code)
{
    struct fixture f;
    fixture_up(&f);
    issue_bad_certificates(&f.pki);
    int n = 0;
    for (size_t i = 0; i < ARRAY_LEN(refused_rows); i++) {
        check_refused(&f, &refused_rows[i], TLS1_2_VERSION, n++);
        check_refused(&f, &refused_rows[i], TLS1_3_VERSION, n++);
    }
    ck_assert_int_eq(f.note_count, n);
    ck_assert_int_eq(atomic_load(&f.served), 0);
    fixture_down(&f);
}
END_TEST

START_TEST(an_old_crl_lets_nobody_in_and_does_not_blame_the_client)
{
    struct fixture f;
    fixture_prepare(&f);
    ck_assert_int_eq(unlink(f.crl), 0);
    pki_crl(&f.pki, "crl.pem", &f.pki.root, 0, -60);
    fixture_start(&f);
    struct client c = client_new(&f, "client", TLS1_3_VERSION);
    ck_assert_int_eq(client_refusal(&c), SSL_AD_CERTIFICATE_UNKNOWN);
    ck_assert_str_eq(fixture_refused(&f, 0).reason, "crl_expired");
    ck_assert_int_eq(fixture_refused(&f, 0).code, 1102);
    client_free(&c);
    fixture_down(&f);
}
END_TEST

START_TEST(a_crl_signed_by_somebody_else_lets_nobody_in)
{
    struct fixture f;
    fixture_prepare(&f);
    ck_assert_int_eq(unlink(f.crl), 0);
    pki_crl(&f.pki, "crl.pem", &f.pki.bare_fake, 0, PKI_DAY); /* the root's name, another key */
    fixture_start(&f);
    struct client c = client_new(&f, "client", TLS1_3_VERSION);
    ck_assert_int_eq(client_refusal(&c), SSL_AD_CERTIFICATE_UNKNOWN);
    ck_assert_str_eq(fixture_refused(&f, 0).reason, "crl_invalid");
    client_free(&c);
    fixture_down(&f);
}
END_TEST

static void issue_below_intermediate(const struct pki *p)
{
    pki_issue(p, (struct pki_spec){.file = "below", .issuer = &p->inter, .cn = "below", .serial = 30});
    pki_issue(p, (struct pki_spec){.file = "below_revoked", .issuer = &p->inter, .cn = "below_revoked", .serial = 31});
}

START_TEST(a_client_whose_own_issuer_has_no_crl_is_refused)
{
    struct fixture f;
    fixture_up(&f);
    issue_below_intermediate(&f.pki);
    struct client c = client_new(&f, "below", TLS1_3_VERSION);
    ck_assert_int_eq(client_refusal(&c), SSL_AD_CERTIFICATE_UNKNOWN);
    ck_assert_str_eq(fixture_refused(&f, 0).reason, "crl_missing");
    client_free(&c);
    fixture_down(&f);
}
END_TEST

START_TEST(an_intermediate_that_no_crl_covers_does_not_break_logins)
{
    struct fixture f;
    fixture_prepare(&f);
    ck_assert_int_eq(unlink(f.crl), 0);
    pki_crl(&f.pki, "crl.pem", &f.pki.inter, 31, PKI_DAY); /* none of the root, which issued the intermediate */
    issue_below_intermediate(&f.pki);
    fixture_start(&f);
    struct client c = client_open(&f, "below", TLS1_3_VERSION);
    client_expect(&c, GET_ECHO, 200, "GET /echo? ");
    client_free(&c);
    c = client_new(&f, "below_revoked", TLS1_3_VERSION);
    ck_assert_int_eq(client_refusal(&c), SSL_AD_CERTIFICATE_REVOKED);
    client_free(&c);
    fixture_down(&f);
}
END_TEST

START_TEST(a_revoked_intermediate_takes_its_clients_with_it)
{
    struct fixture f;
    fixture_prepare(&f);
    ck_assert_int_eq(unlink(f.crl), 0);
    pki_crl(&f.pki, "crl.pem", &f.pki.inter, 0, PKI_DAY);
    pki_crl(&f.pki, "crl.pem", &f.pki.root, 2, PKI_DAY); /* the intermediate's serial */
    issue_below_intermediate(&f.pki);
    fixture_start(&f);
    struct client c = client_new(&f, "below", TLS1_3_VERSION);
    ck_assert_int_eq(client_refusal(&c), SSL_AD_CERTIFICATE_REVOKED);
    client_free(&c);
    fixture_down(&f);
}
END_TEST

START_TEST(an_intermediate_may_be_trusted_without_its_root)
{
    struct fixture f;
    fixture_prepare(&f);
    snprintf(f.ca, sizeof(f.ca), "%s/inter.pem", f.pki.dir);
    f.config.tls.crl_file = NULL;
    issue_below_intermediate(&f.pki);
    fixture_start(&f);
    struct client c = client_open(&f, "below", TLS1_3_VERSION);
    client_expect(&c, GET_ECHO, 200, "GET /echo? ");
    client_free(&c);
    c = client_new(&f, "client", TLS1_3_VERSION); /* of the root, which is not trusted here */
    ck_assert_int_eq(client_refusal(&c), SSL_AD_UNKNOWN_CA);
    client_free(&c);
    fixture_down(&f);
}
END_TEST

START_TEST(tls_below_1_2_and_weak_ciphers_are_refused)
{
    static const char *const weak[] = {"AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA256", "ECDHE-ECDSA-AES128-SHA",
                                       "ECDHE-ECDSA-AES128-CCM8"};
    struct fixture f;
    fixture_up(&f);
    long long before = metric_read("nhjc_tls_refused_total{reason=\"protocol_version\"}");
    struct client c = client_new(&f, "client", TLS1_1_VERSION);
    ck_assert_int_eq(client_refusal(&c), SSL_AD_PROTOCOL_VERSION);
    client_free(&c);
    ck_assert(metric_reaches("nhjc_tls_refused_total{reason=\"protocol_version\"}", before + 1));
    for (size_t i = 0; i < ARRAY_LEN(weak); i++) {
        c = client_new(&f, "client", TLS1_2_VERSION);
        ck_assert_int_eq(SSL_set_cipher_list(c.ssl, weak[i]), 1);
        ck_assert_int_eq(client_refusal(&c), SSL_AD_HANDSHAKE_FAILURE);
        client_free(&c);
    }
    ck_assert_int_eq(f.note_count, 0); /* not about certificates: not for the audit log */
    fixture_down(&f);
}
END_TEST

static int sessions_given;

static int count_session(SSL *ssl, SSL_SESSION *session)
{
    (void)ssl;
    (void)session;
    sessions_given++;
    return 0;
}

START_TEST(no_session_can_be_resumed)
{
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    struct fixture f;
    fixture_up(&f);
    for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
        sessions_given = 0;
        struct client c = client_new(&f, "client", versions[i]);
        SSL_CTX_set_session_cache_mode(c.ctx, SSL_SESS_CACHE_CLIENT);
        SSL_CTX_sess_set_new_cb(c.ctx, count_session);
        ck_assert_int_eq(SSL_connect(c.ssl), 1);
        client_expect(&c, GET_ECHO, 200, "GET /echo? ");
        SSL_SESSION *session = SSL_get1_session(c.ssl);
        ck_assert_int_eq(SSL_SESSION_has_ticket(session), 0);
        client_free(&c);
        ck_assert_msg(versions[i] == TLS1_2_VERSION || sessions_given == 0, "a TLS 1.3 ticket was given");
        c = client_new(&f, "client", versions[i]);
        SSL_set_session(c.ssl, session);
        ck_assert_int_eq(SSL_connect(c.ssl), 1);
        ck_assert_int_eq(SSL_session_reused(c.ssl), 0);
        client_expect(&c, GET_ECHO, 200, "GET /echo? ");
        client_free(&c);
        SSL_SESSION_free(session);
    }
    fixture_down(&f);
}
END_TEST

START_TEST(renegotiation_is_refused)
{
    struct fixture f;
    fixture_up(&f);
    struct client c = client_open(&f, "client", TLS1_2_VERSION);
    client_expect(&c, GET_ECHO, 200, "GET /echo? ");
    SSL_renegotiate(c.ssl);
    ck_assert_int_le(SSL_do_handshake(c.ssl), 0);
    ck_assert_int_eq(ERR_GET_REASON(ERR_peek_last_error()), SSL_R_NO_RENEGOTIATION);
    ERR_clear_error();
    client_free(&c);
    fixture_down(&f);
}
END_TEST

/* A record of a TLS 1.2 client with AES-128-GCM, sealed by hand: OpenSSL itself sends no alert of its own choice in the
 * middle of a handshake. Gives its length. */
static size_t seal_record(SSL *ssl, uint64_t sequence, uint8_t type, const uint8_t *text, size_t n, uint8_t *out)
{
    uint8_t master[48], seed[13 + 64] = "key expansion", keys[40], iv[12], aad[13];
    int len = 0;
    SSL_SESSION_get_master_key(SSL_get_session(ssl), master, sizeof(master));
    SSL_get_server_random(ssl, seed + 13, 32);
    SSL_get_client_random(ssl, seed + 45, 32);
    EVP_KDF *prf = EVP_KDF_fetch(NULL, "TLS1-PRF", NULL);
    EVP_KDF_CTX *kdf = EVP_KDF_CTX_new(prf);
    char digest[] = "SHA256";
    OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string("digest", digest, 0),
                           OSSL_PARAM_construct_octet_string("secret", master, sizeof(master)),
                           OSSL_PARAM_construct_octet_string("seed", seed, sizeof(seed)), OSSL_PARAM_construct_end()};
    ck_assert_int_eq(EVP_KDF_derive(kdf, keys, sizeof(keys), params), 1);
    EVP_KDF_CTX_free(kdf);
    EVP_KDF_free(prf);
    memcpy(iv, keys + 32, 4);
    for (int i = 0; i < 8; i++) {
        iv[4 + i] = aad[i] = (uint8_t)(sequence >> (56 - 8 * i));
    }
    memcpy(aad + 8, (uint8_t[]){type, 3, 3, 0, (uint8_t)n}, 5);
    memcpy(out, (uint8_t[]){type, 3, 3, 0, (uint8_t)(n + 24)}, 5);
    memcpy(out + 5, aad, 8);
    EVP_CIPHER_CTX *gcm = EVP_CIPHER_CTX_new();
    EVP_EncryptInit_ex(gcm, EVP_aes_128_gcm(), NULL, keys, iv);
    EVP_EncryptUpdate(gcm, NULL, &len, aad, sizeof(aad));
    EVP_EncryptUpdate(gcm, out + 13, &len, text, (int)n);
    EVP_EncryptFinal_ex(gcm, out + 13 + n, &len);
    EVP_CIPHER_CTX_ctrl(gcm, EVP_CTRL_GCM_GET_TAG, 16, out + 13 + n);
    EVP_CIPHER_CTX_free(gcm);
    return 13 + n + 16;
}

/* In one segment: the beginning of a request, a ClientHello, which the server refuses with an alert, and a record. */
static void send_hello_and_record(struct client *c, uint8_t type, const uint8_t *text, size_t n)
{
    uint8_t record[64], all[8192];
    char *sent = NULL;
    BIO *to = BIO_new(BIO_s_mem()), *from = BIO_new(BIO_s_mem());
    BIO_set_mem_eof_return(from, -1);
    SSL_set0_wbio(c->ssl, to);
    SSL_set0_rbio(c->ssl, from);
    client_send(c, "GET /ec");
    size_t record_len = seal_record(c->ssl, 4, type, text, n, record); /* behind Finished, two requests, ClientHello */
    SSL_renegotiate(c->ssl);
    SSL_do_handshake(c->ssl);
    size_t len = (size_t)BIO_get_mem_data(to, &sent);
    ck_assert_uint_lt(len + record_len, sizeof(all));
    memcpy(all, sent, len);
    memcpy(all + len, record, record_len);
    ck_assert_int_eq(send(c->fd, all, len + record_len, 0), (ssize_t)(len + record_len));
}

START_TEST(what_is_said_to_one_client_never_reaches_another)
{
    static const uint8_t close_notify[] = {1, 0}, rest[] = "ho HTTP/1.1\r\nHost: a\r\n\r\n";
    static const struct {
        uint8_t type;
        const uint8_t *text;
        size_t n;
    } rows[] = {{21, close_notify, 2}, {23, rest, sizeof(rest) - 1}};
    struct fixture f;
    fixture_up(&f);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct client other = client_open(&f, "client", TLS1_3_VERSION);
        struct client c = client_new(&f, "client", TLS1_2_VERSION);
        SSL_set_cipher_list(c.ssl, "ECDHE-ECDSA-AES128-GCM-SHA256");
        ck_assert_int_eq(SSL_connect(c.ssl), 1);
        client_expect(&c, GET_ECHO, 200, "GET /echo? ");
        int served = atomic_load(&f.served);
        send_hello_and_record(&c, rows[i].type, rows[i].text, rows[i].n);
        uint8_t first = 0; /* the alert is the first thing that comes back, and it comes here */
        ck_assert_int_eq(recv(c.fd, &first, 1, 0), 1);
        ck_assert_int_eq(first, 21);
        client_expect(&other, GET_ECHO, 200, "GET /echo? ");
        ck_assert_int_eq(atomic_load(&f.served), served + 1 + (int)i);
        ERR_clear_error();
        client_free(&c);
        client_free(&other);
    }
    fixture_down(&f);
}
END_TEST

START_TEST(plain_http_is_told_apart_and_closed)
{
    struct fixture f;
    fixture_up(&f);
    long long before = metric_read("nhjc_tls_refused_total{reason=\"not_tls\"}");
    int fd = client_socket(&f);
    ck_assert_int_eq(send(fd, GET_ECHO, strlen(GET_ECHO), 0), (ssize_t)strlen(GET_ECHO));
    ck_assert_int_ge(socket_until_closed(fd, 30000), 0);
    close(fd);
    ck_assert(metric_reaches("nhjc_tls_refused_total{reason=\"not_tls\"}", before + 1));
    fixture_down(&f);
}
END_TEST

START_TEST(the_worker_reads_the_certificate_as_text)
{
    struct fixture f;
    fixture_up(&f);
    pki_issue(&f.pki, (struct pki_spec){.file = "rich",
                                        .issuer = &f.pki.root,
                                        .cn = "武汉钢铁",
                                        .uid = "91420100",
                                        .uid2 = "420000",
                                        .san = "URI:urn:nhjc:unit:7,DNS:x",
                                        .serial = 255});
    struct client c = client_open(&f, "rich", 0);
    client_expect(&c, "GET /who HTTP/1.1\r\nHost: a\r\n\r\n", 200,
                  "cn=1:武汉钢铁 uid=2:91420100,420000 uri=1:urn:nhjc:unit:7 "
                  "subject=UID=420000,UID=91420100,CN=武汉钢铁 issuer=CN=Test Root serial=ff fingerprint=64");
    client_free(&c);
    fixture_down(&f);
}
END_TEST

START_TEST(a_name_is_shown_as_bounded_utf8_whatever_its_bytes)
{
    static const char gbk[] = "\xd6\xff\xb9\xfe x";
    unsigned char many[300];
    for (size_t i = 0; i < sizeof(many); i++) {
        many[i] = (unsigned char)"中"[i % 3];
    }
    X509_NAME *name = X509_NAME_new();
    X509_NAME_add_entry_by_NID(name, NID_organizationName, V_ASN1_UTF8STRING, (const unsigned char *)gbk, -1, -1, 0);
    char *text = peer_name_text(name);
    ck_assert_str_eq(text, "O=???? x");
    mem_free(text);
    /* without the check of OpenSSL's own on the length of an entry, which peers do not have to pass */
    X509_NAME_ENTRY *entry = X509_NAME_ENTRY_create_by_NID(NULL, NID_commonName, V_ASN1_UTF8STRING, many, 3);
    X509_NAME_ENTRY_set_data(entry, V_ASN1_UTF8STRING, many, sizeof(many));
    X509_NAME_add_entry(name, entry, -1, 0);
    text = peer_name_text(name); /* the bound must not fall inside a character */
    ck_assert(utf8_valid(text, strlen(text)));
    ck_assert_uint_gt(strlen(text), PEER_NAME_BYTES - 4);
    ck_assert_uint_le(strlen(text), PEER_NAME_BYTES);
    mem_free(text);
    X509_NAME_ENTRY_free(entry);
    X509_NAME_free(name);
}
END_TEST

/* ---- requests ---- */

START_TEST(one_connection_serves_one_request_after_the_other)
{
    struct fixture f;
    fixture_up(&f);
    struct client c = client_open(&f, "client", 0);
    client_expect(&c, GET_ECHO, 200, "GET /echo? ");
    client_expect(&c, "POST /echo?x=1 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", 200,
                  "POST /echo?x=1 hello");
    client_expect(&c,
                  "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n",
                  200, "POST /echo? abc");
    client_expect(&c, "DELETE /echo HTTP/1.1\r\nHost: a\r\n\r\n", 200, "OTHER /echo? ");
    client_free(&c);
    fixture_down(&f);
}
END_TEST

START_TEST(requests_sent_ahead_are_answered_in_order)
{
    enum { AHEAD = 2000 };
    struct fixture f;
    fixture_up(&f);
    struct client c = client_open(&f, "client", 0);
    struct buf all = BUF_INIT;
    for (int i = 0; i < AHEAD; i++) {
        buf_printf(&all, "POST /echo?%d HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", i);
    }
    ck_assert_int_eq(SSL_write(c.ssl, all.data, (int)all.len), (int)all.len);
    for (int i = 0; i < AHEAD; i++) {
        char wanted[64];
        struct answer a = client_read_answer(&c, false);
        snprintf(wanted, sizeof(wanted), "POST /echo?%d abc", i);
        ENSURE_MSG(a.status == 200 && strcmp(buf_str(&a.body), wanted) == 0, "%d: %d %s", i, a.status,
                   buf_str(&a.body));
        buf_free(&a.body);
    }
    buf_free(&all);
    client_free(&c);
    fixture_down(&f);
}
END_TEST

START_TEST(a_request_may_come_byte_by_byte)
{
    static const char text[] = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
    struct fixture f;
    fixture_up(&f);
    struct client c = client_open(&f, "client", 0);
    for (size_t i = 0; i < strlen(text); i++) {
        ck_assert_int_eq(SSL_write(c.ssl, text + i, 1), 1);
    }
    struct answer a = client_read_answer(&c, false);
    ck_assert_str_eq(buf_str(&a.body), "POST /echo? hello");
    buf_free(&a.body);
    client_free(&c);
    fixture_down(&f);
}
END_TEST

START_TEST(who_waits_for_continue_is_told_to_go_on_or_not_to)
{
    struct fixture f;
    fixture_up(&f);
    struct client c = client_open(&f, "client", 0);
    client_send(&c, "POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
    struct answer a = client_read_answer(&c, false);
    ck_assert_int_eq(a.status, 100);
    client_expect(&c, "hello", 200, "POST /echo? hello");
    client_expect(&c, "POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1048577\r\n\r\n", 413,
                  "413 body_too_large: 正文超过上限 / the body is larger than allowed\n");
    client_expect_close(&c);
    client_free(&c);
    c = client_open(&f, "client", 0);
    client_expect(&c, "POST /echo HTTP/1.1\r\nHost: a\r\nExpect: tea\r\nContent-Length: 5\r\n\r\n", 417,
                  "417 expectation: Expect只可为100-continue / Expect can only be 100-continue\n");
    client_expect_close(&c);
    client_free(&c);
    fixture_down(&f);
}
END_TEST

START_TEST(unreadable_requests_are_answered_and_the_connection_closed_in_good_order)
{
    static const struct {
        const char *request;
        int status;
        const char *body;
    } rows[] = {
        {"GET / HTTP/1.1\r\nX: y\r\n\r\n", 400,
         "400 host_missing: 不是规范的HTTP/1.1请求 / not a proper HTTP/1.1 request\n"},
        {"GET / HTTP/1.1\nHost: a\n\n", 400, "400 bare_lf: 不是规范的HTTP/1.1请求 / not a proper HTTP/1.1 request\n"},
        {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400,
         "400 ambiguous_length: 不是规范的HTTP/1.1请求 / not a proper HTTP/1.1 request\n"},
        {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Encoding: br\r\n\r\nx", 415,
         "415 content_encoding: Content-Encoding只可为gzip / Content-Encoding can only be gzip\n"},
        {"GET / HTTP/3.0\r\nHost: a\r\n\r\n", 505,
         "505 version: 只支持HTTP/1.0与1.1 / only HTTP/1.0 and 1.1 are served\n"},
    };
    struct fixture f;
    fixture_up(&f);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct client c = client_open(&f, "client", 0);
        client_expect(&c, rows[i].request, rows[i].status, rows[i].body);
        client_expect_close(&c);
        client_free(&c);
    }
    ck_assert_int_eq(atomic_load(&f.served), 0);
    fixture_down(&f);
}
END_TEST

START_TEST(a_client_that_goes_on_sending_still_reads_that_its_body_is_too_large)
{
    struct fixture f;
    fixture_up(&f);
    struct client c = client_open(&f, "client", 0);
    char *body = mem_alloc(1 << 16);
    client_send(&c, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2097152\r\n\r\n");
    struct pollfd answered = {.fd = c.fd, .events = POLLIN};
    ck_assert_int_eq(poll(&answered, 1, 30000), 1); /* refused, and the server has shut its side */
    usleep(50000);
    for (int i = 0; i < 32; i++) { /* a reset would fail these */
        ck_assert_int_eq(SSL_write(c.ssl, body, 1 << 16), 1 << 16);
    }
    struct answer a = client_read_answer(&c, false);
    ck_assert_int_eq(a.status, 413);
    client_expect_close(&c);
    buf_free(&a.body);
    mem_free(body);
    client_free(&c);
    fixture_down(&f);
}
END_TEST

START_TEST(a_large_answer_arrives_whole)
{
    enum { SIZE = 9000001 };
    struct fixture f;
    fixture_up(&f);
    struct client c = client_open(&f, "client", 0);
    client_send(&c, "GET /big?9000001 HTTP/1.1\r\nHost: a\r\n\r\n");
    struct answer a = client_read_answer(&c, false);
    ck_assert_int_eq(a.status, 200);
    ck_assert_uint_eq(a.body.len, SIZE);
    for (size_t i = 0; i < a.body.len; i++) {
        ENSURE(a.body.data[i] == 'x');
    }
    buf_free(&a.body);
    client_expect(&c, GET_ECHO, 200, "GET /echo? ");
    client_free(&c);
    fixture_down(&f);
}
END_TEST

START_TEST(head_gets_the_length_and_no_body)
{
    struct fixture f;
    fixture_up(&f);
    struct client c = client_open(&f, "client", 0);
    client_send(&c, "HEAD /big?100 HTTP/1.1\r\nHost: a\r\n\r\n");
    struct answer a = client_read_answer(&c, true);
    ck_assert_int_eq(a.status, 200);
    ck_assert_ptr_nonnull(strstr(a.head, "Content-Length: 100\r\n"));
    ck_assert_ptr_null(strstr(a.head, "Server:"));
    client_expect(&c, GET_ECHO, 200, "GET /echo? "); /* nothing of a body lay between */
    client_free(&c);
    fixture_down(&f);
}
END_TEST

START_TEST(the_connection_ends_when_either_side_asks_for_it)
{
    static const char *const requests[] = {
        "GET /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        "GET /echo HTTP/1.0\r\n\r\n",
        "GET /close HTTP/1.1\r\nHost: a\r\n\r\n",
    };
    struct fixture f;
    fixture_up(&f);
    for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
        struct client c = client_open(&f, "client", 0);
        client_send(&c, requests[i]);
        struct answer a = client_read_answer(&c, false);
        ck_assert_int_eq(a.status, 200);
        ck_assert_ptr_nonnull(strstr(a.head, "Connection: close\r\n"));
        buf_free(&a.body);
        client_expect_close(&c);
        client_free(&c);
    }
    fixture_down(&f);
}
END_TEST

START_TEST(a_client_that_shuts_its_side_after_the_request_still_gets_the_answer)
{
    struct fixture f;
    fixture_up(&f);
    struct client c = client_open(&f, "client", 0);
    client_send(&c, "GET /big?3000000 HTTP/1.1\r\nHost: a\r\n\r\n");
    ck_assert_int_eq(shutdown(c.fd, SHUT_WR), 0);
    struct answer a = client_read_answer(&c, false);
    ck_assert_int_eq(a.status, 200);
    ck_assert_uint_eq(a.body.len, 3000000);
    buf_free(&a.body);
    client_expect_close(&c);
    client_free(&c);
    fixture_down(&f);
}
END_TEST

/* ---- limits ---- */

START_TEST(a_full_queue_is_told_and_the_connection_stays_usable)
{
    struct fixture f;
    fixture_prepare(&f);
    f.config.limits.max_inflight = 1;
    fixture_start(&f);
    struct client held = client_open(&f, "client", 0), queued = client_open(&f, "client", 0),
                  third = client_open(&f, "client", 0);
    client_send(&held, GET_HOLD);
    fixture_wait_held(&f); /* the only worker is busy */
    long long before = metric_read("nhjc_net_requests_total");
    client_send(&queued, GET_ECHO);
    ck_assert(metric_reaches("nhjc_net_requests_total", before + 1)); /* the only place is taken */
    client_send(&third, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi");
    struct answer a = client_read_answer(&third, false);
    ck_assert_int_eq(a.status, 503);
    ck_assert_ptr_nonnull(strstr(a.head, "Retry-After: "));
    ck_assert_ptr_null(strstr(a.head, "Connection: close"));
    buf_free(&a.body);
    fixture_release(&f);
    a = client_read_answer(&queued, false);
    ck_assert_int_eq(a.status, 200);
    buf_free(&a.body);
    client_expect(&third, GET_ECHO, 200, "GET /echo? ");
    client_free(&held);
    client_free(&queued);
    client_free(&third);
    fixture_down(&f);
}
END_TEST

START_TEST(hundreds_of_requests_ahead_of_a_full_queue_are_each_told)
{
    enum { AHEAD = 400 };
    struct fixture f;
    fixture_prepare(&f);
    f.config.limits.max_inflight = 1;
    fixture_start(&f);
    struct client held = client_open(&f, "client", 0), queued = client_open(&f, "client", 0),
                  many = client_open(&f, "client", 0);
    client_send(&held, GET_HOLD);
    fixture_wait_held(&f);
    long long before = metric_read("nhjc_net_requests_total");
    client_send(&queued, GET_ECHO);
    ck_assert(metric_reaches("nhjc_net_requests_total", before + 1));
    struct buf all = BUF_INIT;
    for (int i = 0; i < AHEAD; i++) {
        buf_append_str(&all, GET_ECHO);
    }
    ck_assert_int_eq(SSL_write(many.ssl, all.data, (int)all.len), (int)all.len);
    for (int i = 0; i < AHEAD; i++) {
        struct answer a = client_read_answer(&many, false);
        ENSURE_MSG(a.status == 503, "%d: %d", i, a.status);
        buf_free(&a.body);
    }
    buf_free(&all);
    client_free(&held);
    client_free(&queued);
    client_free(&many);
    fixture_down(&f);
}
END_TEST

START_TEST(bodies_beyond_the_memory_for_them_are_put_off)
{
    struct fixture f;
    fixture_prepare(&f);
    f.config.limits.body_memory = 100000;
    fixture_start(&f);
    struct client c = client_open(&f, "client", 0);
    char *text = mem_printf("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n%0200000d", 0);
    client_send(&c, text);
    struct answer a = client_read_answer(&c, false);
    ck_assert_int_eq(a.status, 503);
    ck_assert_str_eq(buf_str(&a.body), "503 body_memory: 平台繁忙，请稍后原样重发 / busy, send the same again later\n");
    ck_assert_ptr_nonnull(strstr(a.head, "Retry-After: "));
    buf_free(&a.body);
    client_free(&c);
    mem_free(text);
    text = mem_printf("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 90000\r\n\r\n%090000d", 0);
    c = client_open(&f, "client", 0);
    for (int i = 0; i < 5; i++) { /* memory comes back with every answer */
        client_send(&c, text);
        a = client_read_answer(&c, false);
        ck_assert_int_eq(a.status, 200);
        ck_assert_uint_eq(a.body.len, strlen("POST /echo? ") + 90000);
        buf_free(&a.body);
    }
    mem_free(text);
    client_free(&c);
    fixture_down(&f);
}
END_TEST

START_TEST(answers_beyond_the_memory_for_them_are_put_off)
{
    static const char big[] = "GET /big?20000000 HTTP/1.1\r\nHost: a\r\n\r\n";
    char some[1000];
    struct fixture f;
    fixture_prepare(&f);
    f.config.limits.body_memory = 30000000;
    fixture_start(&f);
    struct client slow = client_open(&f, "client", 0), other = client_open(&f, "client", 0);
    client_send(&slow, big);
    ck_assert_int_gt(SSL_read(slow.ssl, some, sizeof(some)), 0); /* on its way; the rest waits to be read */
    client_send(&other, big);
    struct answer a = client_read_answer(&other, false);
    ck_assert_int_eq(a.status, 503);
    ck_assert_str_eq(buf_str(&a.body),
                     "503 answer_memory: 平台繁忙，请稍后原样重发 / busy, send the same again later\n");
    ck_assert_ptr_nonnull(strstr(a.head, "Retry-After: "));
    buf_free(&a.body);
    client_expect(&other, GET_ECHO, 200, "GET /echo? "); /* a small one finds room */
    client_free(&slow);
    do { /* the memory comes back with the connection */
        buf_free(&a.body);
        client_send(&other, big);
        a = client_read_answer(&other, false);
    } while (a.status == 503);
    ck_assert_int_eq(a.status, 200);
    ck_assert_uint_eq(a.body.len, 20000000);
    buf_free(&a.body);
    client_free(&other);
    fixture_down(&f);
}
END_TEST

START_TEST(one_connection_too_many_is_closed_at_once)
{
    struct fixture f;
    fixture_prepare(&f);
    f.config.limits.max_connections = 2;
    fixture_start(&f);
    long long before = metric_read("nhjc_net_overflow_total");
    struct client a = client_open(&f, "client", 0), b = client_open(&f, "client", 0);
    int fd = client_socket(&f);
    ck_assert_int_ge(socket_until_closed(fd, 30000), 0);
    close(fd);
    ck_assert_int_eq(metric_read("nhjc_net_overflow_total"), before + 1);
    client_expect(&a, GET_ECHO, 200, "GET /echo? ");
    client_free(&a);
    client_expect(&b, GET_ECHO, 200, "GET /echo? ");
    client_free(&b);
    fixture_down(&f);
}
END_TEST

START_TEST(five_hundred_silent_sockets_do_not_delay_a_known_client)
{
    enum { SILENT = 500 };
    struct fixture f;
    fixture_prepare(&f);
    f.config.limits.handshake_ms = 600000; /* none of them goes before the client is served */
    fixture_start(&f);
    int fds[SILENT];
    for (int i = 0; i < SILENT; i++) {
        fds[i] = client_socket(&f);
        if (i % 2) { /* some begin to speak TLS and stop */
            ENSURE(send(fds[i], "\x16\x03\x01\x02\x00\x01", 6, 0) == 6);
        }
    }
    struct client c = client_open(&f, "client", 0);
    client_expect(&c, GET_ECHO, 200, "GET /echo? ");
    client_free(&c);
    for (int i = 0; i < SILENT; i++) {
        char byte;
        ENSURE(recv(fds[i], &byte, 1, MSG_DONTWAIT) == -1 && errno == EAGAIN);
        close(fds[i]);
    }
    fixture_down(&f);
}
END_TEST

START_TEST(handshakes_of_one_address_have_a_bound_and_known_clients_do_not_count)
{
    enum { MOST = 3 };
    struct fixture f;
    fixture_prepare(&f);
    f.config.limits.handshakes_per_address = MOST;
    fixture_start(&f);
    long long before = metric_read("nhjc_net_address_overflow_total");
    struct client known[MOST + 2];
    for (int i = 0; i < MOST + 2; i++) {
        known[i] = client_open(&f, "client", 0);
        client_expect(&known[i], GET_ECHO, 200, "GET /echo? ");
    }
    int fds[MOST];
    for (int i = 0; i < MOST; i++) {
        fds[i] = client_socket(&f);
    }
    ck_assert(metric_reaches("nhjc_net_handshakes", MOST));
    int fd = client_socket(&f);
    ck_assert_int_ge(socket_until_closed(fd, 30000), 0);
    close(fd);
    ck_assert_int_eq(metric_read("nhjc_net_address_overflow_total"), before + 1);
    close(fds[0]);
    int64_t until = clock_monotonic() + INT64_C(30000000000);
    while (metric_read("nhjc_net_handshakes") == MOST && clock_monotonic() < until) {
        usleep(2000);
    }
    struct client c = client_open(&f, "client", 0);
    client_expect(&c, GET_ECHO, 200, "GET /echo? ");
    client_free(&c);
    for (int i = 0; i < MOST + 2; i++) {
        client_expect(&known[i], GET_ECHO, 200, "GET /echo? ");
        client_free(&known[i]);
    }
    fixture_down(&f);
    for (int i = 1; i < MOST; i++) {
        close(fds[i]);
    }
    ck_assert_int_eq(metric_read("nhjc_net_handshakes"), 0);
}
END_TEST

static int64_t ms_since(int64_t start)
{
    return (clock_monotonic() - start) / 1000000;
}

START_TEST(a_handshake_that_does_not_end_is_cut)
{
    struct fixture f;
    fixture_prepare(&f);
    f.config.limits.handshake_ms = 200;
    fixture_start(&f);
    long long before = metric_read("nhjc_tls_refused_total{reason=\"timeout\"}");
    int64_t start = clock_monotonic(); /* not later than the server's deadline begins, however late we go on */
    int fd = client_socket(&f);
    ck_assert_int_ge(socket_until_closed(fd, 30000), 0);
    ck_assert_int_ge(ms_since(start), 190);
    close(fd);
    ck_assert_int_eq(metric_read("nhjc_tls_refused_total{reason=\"timeout\"}"), before + 1);
    fixture_down(&f);
}
END_TEST

/* Sends the text's bytes one by one, 20 ms apart, until an answer comes, which must be before the text's end. */
static void drip(struct client *c, const char *text)
{
    for (; *text; text++) {
        struct pollfd p = {.fd = c->fd, .events = POLLIN};
        ck_assert_int_eq(SSL_write(c->ssl, text, 1), 1);
        if (poll(&p, 1, 20) > 0) {
            break;
        }
    }
    ck_assert(*text);
}

START_TEST(a_header_that_drips_is_cut)
{
    struct fixture f;
    fixture_prepare(&f);
    f.config.limits.handshake_ms = 1500; /* for the handshake itself, too */
    fixture_start(&f);
    long long before = metric_read("nhjc_net_refused_total{status=\"408\",reason=\"header_timeout\"}");
    int64_t start = clock_monotonic();
    struct client c = client_open(&f, "client", 0);
    char *text = mem_printf("GET / HTTP/1.1\r\nHost: a\r\nX: %0400d", 0);
    drip(&c, text);
    ck_assert_int_ge(ms_since(start), 1490);
    ck_assert_int_eq(metric_read("nhjc_net_refused_total{status=\"408\",reason=\"header_timeout\"}"), before + 1);
    client_expect(&c, "", 408, "408 header_timeout: 请求未在限时内收完 / the request did not arrive in time\n");
    client_expect_close(&c);
    mem_free(text);
    client_free(&c);
    fixture_down(&f);
}
END_TEST

START_TEST(a_body_that_drips_is_cut_whatever_length_it_promised)
{
    struct fixture f;
    fixture_prepare(&f);
    f.config.limits.body_ms = 400;
    fixture_start(&f);
    struct client c = client_open(&f, "client", 0);
    char *text = mem_printf("%0400d", 0);
    int64_t start = clock_monotonic();
    client_send(&c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n");
    drip(&c, text);
    ck_assert_int_ge(ms_since(start), 390);
    client_expect(&c, "", 408, "408 body_timeout: 请求未在限时内收完 / the request did not arrive in time\n");
    client_expect_close(&c);
    mem_free(text);
    client_free(&c);
    fixture_down(&f);
}
END_TEST

START_TEST(a_body_that_flows_earns_its_time)
{
    struct fixture f;
    fixture_prepare(&f);
    f.config.limits.body_ms = 1500; /* what is sent first gets there in less, also on a busy machine */
    f.config.limits.body_ms_per_64k = 5000;
    fixture_start(&f);
    struct client c = client_open(&f, "client", 0);
    char *text = mem_printf("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 70005\r\n\r\n%070000d", 0);
    client_send(&c, text);
    usleep(1800000); /* over the base, within what 64 KB have earned */
    client_send(&c, "hello");
    struct answer a = client_read_answer(&c, false);
    ck_assert_int_eq(a.status, 200);
    buf_free(&a.body);
    mem_free(text);
    client_free(&c);
    fixture_down(&f);
}
END_TEST

START_TEST(an_idle_connection_is_ended_in_good_order)
{
    struct fixture f;
    fixture_prepare(&f);
    f.config.limits.idle_ms = 1000;
    fixture_start(&f);
    long long before = metric_read("nhjc_net_idle_closed_total");
    struct client c = client_open(&f, "client", 0);
    client_expect(&c, GET_ECHO, 200, "GET /echo? ");
    client_expect_close(&c);
    ck_assert_int_eq(metric_read("nhjc_net_idle_closed_total"), before + 1);
    client_free(&c);
    fixture_down(&f);
}
END_TEST

START_TEST(a_peer_that_does_not_read_its_answer_is_cut)
{
    struct fixture f;
    fixture_prepare(&f);
    f.config.limits.write_ms = 300;
    fixture_start(&f);
    long long before = metric_read("nhjc_net_write_timeout_total");
    struct client c = client_open(&f, "client", 0);
    client_send(&c, "GET /big?30000000 HTTP/1.1\r\nHost: a\r\n\r\n");
    ck_assert(metric_reaches("nhjc_net_write_timeout_total", before + 1));
    client_free(&c);
    fixture_down(&f);
}
END_TEST

START_TEST(a_peer_that_leaves_while_it_is_served_harms_nobody)
{
    struct fixture f;
    fixture_up(&f);
    struct client gone = client_open(&f, "client", 0), other = client_open(&f, "client", 0);
    client_send(&gone, GET_HOLD);
    fixture_wait_held(&f);
    struct linger reset = {.l_onoff = 1};
    setsockopt(gone.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    close(gone.fd); /* a reset */
    gone.fd = -1;
    client_free(&gone);
    fixture_release(&f);
    client_expect(&other, GET_ECHO, 200, "GET /echo? ");
    client_free(&other);
    struct client half = client_open(&f, "client", 0);
    long long before = metric_read("nhjc_net_truncated_total");
    client_send(&half, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello");
    client_free(&half); /* in the middle of its request */
    ck_assert(metric_reaches("nhjc_net_truncated_total", before + 1));
    fixture_down(&f);
}
END_TEST

START_TEST(a_peer_that_leaves_in_the_middle_of_a_large_answer_harms_nobody)
{
    struct fixture f;
    fixture_up(&f);
    for (int i = 0; i < 5; i++) {
        struct client c = client_open(&f, "client", 0);
        char some[1000];
        client_send(&c, "GET /big?20000000 HTTP/1.1\r\nHost: a\r\n\r\n");
        ck_assert_int_gt(SSL_read(c.ssl, some, sizeof(some)), 0);
        client_free(&c);
    }
    struct client c = client_open(&f, "client", 0);
    client_expect(&c, GET_ECHO, 200, "GET /echo? ");
    client_free(&c);
    fixture_down(&f);
}
END_TEST

START_TEST(a_peer_that_asks_for_new_keys_without_end_is_cut)
{
    struct fixture f;
    fixture_up(&f);
    struct client c = client_open(&f, "client", TLS1_3_VERSION);
    client_expect(&c, GET_ECHO, 200, "GET /echo? ");
    bool cut = false;
    for (int i = 0; i < 100000 && !cut; i++) {
        SSL_key_update(c.ssl, SSL_KEY_UPDATE_REQUESTED);
        cut = SSL_do_handshake(c.ssl) != 1;
    }
    ck_assert(cut);
    ERR_clear_error();
    client_free(&c);
    fixture_down(&f);
}
END_TEST

/* ---- operation ---- */

/* An answer that announces the end of the connection, and the end. */
static void expect_last_answer(struct client *c)
{
    client_send(c, GET_ECHO);
    struct answer a = client_read_answer(c, false);
    ck_assert_int_eq(a.status, 200);
    ck_assert_ptr_nonnull(strstr(a.head, "Connection: close\r\n"));
    buf_free(&a.body);
    client_expect_close(c);
}

START_TEST(a_reloaded_crl_refuses_new_connections_and_leaves_open_ones_alone)
{
    struct fixture f;
    fixture_up(&f);
    struct client c = client_open(&f, "client", 0);
    client_expect(&c, GET_ECHO, 200, "GET /echo? ");
    ck_assert_int_eq(unlink(f.crl), 0);
    pki_crl(&f.pki, "crl.pem", &f.pki.root, 20, PKI_DAY); /* "client" */
    struct result r = net_reload_tls(f.server, &f.config.tls);
    ck_assert_msg(result_ok(r), "%s", r.text);
    struct client late = client_new(&f, "client", TLS1_3_VERSION);
    ck_assert_int_eq(client_refusal(&late), SSL_AD_CERTIFICATE_REVOKED);
    client_free(&late);
    client_expect(&c, GET_ECHO, 200, "GET /echo? ");
    client_free(&c);
    fixture_down(&f);
}
END_TEST

START_TEST(a_connection_ends_after_an_answer_once_its_certificate_is_over)
{
    struct fixture f;
    fixture_up(&f);
    pki_issue(&f.pki, (struct pki_spec){.file = "short", .issuer = &f.pki.root, .cn = "short", .to = 3600});
    struct client c = client_open(&f, "short", 0), other = client_open(&f, "client", 0);
    client_expect(&c, GET_ECHO, 200, "GET /echo? ");
    clock_set_offset(INT64_C(3700) * USEC_PER_SEC);
    expect_last_answer(&c);
    client_expect(&other, GET_ECHO, 200, "GET /echo? "); /* its own lasts a day */
    client_expect(&other, GET_ECHO, 200, "GET /echo? ");
    clock_set_real();
    client_free(&c);
    client_free(&other);
    fixture_down(&f);
}
END_TEST

START_TEST(a_connection_ends_after_an_answer_once_it_is_old)
{
    struct fixture f;
    fixture_prepare(&f);
    f.config.limits.max_age_ms = 1;
    fixture_start(&f);
    struct client c = client_open(&f, "client", 0);
    int64_t until = clock_monotonic() + 2000000; /* it is older than that after the handshake and this */
    while (clock_monotonic() < until) {
        ;
    }
    expect_last_answer(&c);
    client_free(&c);
    fixture_down(&f);
}
END_TEST

static void expect_reload_error(struct fixture *f, const char *words)
{
    struct result r = net_reload_tls(f->server, &f->config.tls);
    ck_assert_int_eq(r.kind, ERR_SENDER);
    ck_assert_msg(strstr(r.text, words), "%s", r.text);
    struct client c = client_open(f, "client", 0);
    client_expect(&c, GET_ECHO, 200, "GET /echo? ");
    client_free(&c);
}

START_TEST(a_reload_that_fails_changes_nothing_and_names_the_file)
{
    struct fixture f;
    fixture_up(&f);
    snprintf(f.cert, sizeof(f.cert), "%s/absent.pem", f.pki.dir);
    expect_reload_error(&f, "certificate ");
    snprintf(f.cert, sizeof(f.cert), "%s/server.pem", f.pki.dir);
    snprintf(f.key, sizeof(f.key), "%s/root.key", f.pki.dir);
    expect_reload_error(&f, "root.key");
    snprintf(f.key, sizeof(f.key), "%s/server.key", f.pki.dir);
    pki_write_text(&f.pki, "empty.pem", "");
    snprintf(f.ca, sizeof(f.ca), "%s/empty.pem", f.pki.dir);
    expect_reload_error(&f, "CA bundle");
    snprintf(f.ca, sizeof(f.ca), "%s/root.pem", f.pki.dir);
    snprintf(f.crl, sizeof(f.crl), "%s/empty.pem", f.pki.dir);
    expect_reload_error(&f, "CRL");
    pki_write_text(&f.pki, "damaged.pem", "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n");
    snprintf(f.crl, sizeof(f.crl), "%s/damaged.pem", f.pki.dir);
    expect_reload_error(&f, "CRL");
    fixture_down(&f);
}
END_TEST

START_TEST(the_days_left_of_certificate_and_crl_are_measured)
{
    struct fixture f;
    fixture_prepare(&f);
    pki_crl(&f.pki, "crl.pem", &f.pki.rogue, 0, 3600); /* the earliest of several counts */
    fixture_start(&f);
    ck_assert_int_gt(metric_read("nhjc_tls_crl_seconds_left"), 3500);
    ck_assert_int_le(metric_read("nhjc_tls_crl_seconds_left"), 3600);
    ck_assert_int_gt(metric_read("nhjc_tls_certificate_seconds_left"), PKI_DAY - 100);
    ck_assert_int_le(metric_read("nhjc_tls_certificate_seconds_left"), PKI_DAY);
    ck_assert_int_eq(unlink(f.crl), 0);
    pki_crl(&f.pki, "crl.pem", &f.pki.root, 0, 2 * PKI_DAY);
    ck_assert(result_ok(net_reload_tls(f.server, &f.config.tls)));
    ck_assert_int_gt(metric_read("nhjc_tls_crl_seconds_left"), 2 * PKI_DAY - 100);
    pki_crl_of(&f.pki, "crl.pem", &f.pki.root, 0, -3 * PKI_DAY, -60); /* an old one left in the file hurts nobody */
    ck_assert(result_ok(net_reload_tls(f.server, &f.config.tls)));
    ck_assert_int_gt(metric_read("nhjc_tls_crl_seconds_left"), 2 * PKI_DAY - 100);
    pki_crl_of(&f.pki, "crl.pem", &f.pki.root, 0, -60, PKI_DAY); /* the newest, though not the one that lasts longest */
    ck_assert(result_ok(net_reload_tls(f.server, &f.config.tls)));
    ck_assert_int_gt(metric_read("nhjc_tls_crl_seconds_left"), PKI_DAY - 100);
    ck_assert_int_le(metric_read("nhjc_tls_crl_seconds_left"), PKI_DAY);
    fixture_down(&f);
}
END_TEST

START_TEST(connections_come_and_go_without_a_trace)
{
    struct fixture f;
    fixture_prepare(&f);
    f.config.loops = 2;
    fixture_start(&f);
    long long before = metric_read("nhjc_net_accepted_total");
    for (int i = 0; i < 150; i++) {
        struct client c = client_open(&f, "client", i % 2 ? TLS1_2_VERSION : TLS1_3_VERSION);
        if (i % 3) {
            client_expect(&c, GET_ECHO, 200, "GET /echo? ");
        }
        if (i % 5 == 0) {
            SSL_shutdown(c.ssl);
        }
        client_free(&c);
    }
    ck_assert_int_eq(metric_read("nhjc_net_accepted_total"), before + 150);
    int64_t until = clock_monotonic() + INT64_C(30000000000);
    while (metric_read("nhjc_net_connections") > 0 && clock_monotonic() < until) {
        usleep(10000);
    }
    ck_assert_int_eq(metric_read("nhjc_net_connections"), 0);
    fixture_down(&f);
}
END_TEST

struct caller {
    struct fixture *f;
    pthread_t thread;
    int good;
};

static void *call_often(void *arg)
{
    struct caller *caller = arg;
    struct client c = client_open(caller->f, "client", 0);
    for (int i = 0; i < 200; i++) {
        char request[128], wanted[64];
        snprintf(request, sizeof(request), "POST /echo?%d HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi", i);
        snprintf(wanted, sizeof(wanted), "POST /echo?%d hi", i);
        if (SSL_write(c.ssl, request, (int)strlen(request)) <= 0) {
            break;
        }
        struct answer a = client_read_answer(&c, false);
        caller->good += a.status == 200 && strcmp(buf_str(&a.body), wanted) == 0;
        buf_free(&a.body);
    }
    client_free(&c);
    return NULL;
}

START_TEST(several_loops_serve_several_clients_at_once)
{
    enum { CALLERS = 6 };
    struct fixture f;
    fixture_prepare(&f);
    f.config.loops = 3;
    fixture_start(&f);
    struct caller callers[CALLERS];
    for (int i = 0; i < CALLERS; i++) {
        callers[i] = (struct caller){.f = &f};
        ck_assert_int_eq(pthread_create(&callers[i].thread, NULL, call_often, &callers[i]), 0);
    }
    for (int i = 0; i < CALLERS; i++) {
        pthread_join(callers[i].thread, NULL);
        ck_assert_int_eq(callers[i].good, 200);
    }
    fixture_down(&f);
}
END_TEST

/* Lets the worker go on when nobody new is let in any more, which is when the drain has begun. */
static void *release_when_draining(void *arg)
{
    struct fixture *f = arg;
    for (bool open = true; open; usleep(5000)) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)f->port)};
        a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        open = connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0;
        close(fd);
    }
    fixture_release(f);
    return NULL;
}

START_TEST(a_drained_server_answers_what_it_has_in_hand_and_ends_the_rest)
{
    struct fixture f;
    fixture_up(&f);
    struct client idle = client_open(&f, "client", 0), busy = client_open(&f, "client", 0);
    client_expect(&idle, GET_ECHO, 200, "GET /echo? ");
    client_send(&busy, GET_HOLD);
    fixture_wait_held(&f);
    pthread_t later;
    ck_assert_int_eq(pthread_create(&later, NULL, release_when_draining, &f), 0);
    net_drain(f.server, 600000); /* far beyond this test's time: the last answer ends it */
    pthread_join(later, NULL);
    struct answer a = client_read_answer(&busy, false);
    ck_assert_int_eq(a.status, 200);
    ck_assert_ptr_nonnull(strstr(a.head, "Connection: close\r\n"));
    buf_free(&a.body);
    client_expect_close(&busy);
    client_expect_close(&idle);
    ck_assert_ptr_null(net_take(f.server, 0));
    client_free(&busy);
    client_free(&idle);
    fixture_down(&f);
}
END_TEST

START_TEST(a_drain_ends_at_its_deadline)
{
    struct fixture f;
    fixture_up(&f);
    struct client c = client_open(&f, "client", 0);
    client_send(&c, GET_HOLD);
    fixture_wait_held(&f);
    net_drain(f.server, 100); /* comes back although the worker holds the request */
    struct answer a = client_read_answer(&c, false);
    ck_assert_int_eq(a.status, 0);
    client_free(&c);
    fixture_down(&f); /* the worker answers nobody; nothing is lost or freed twice */
}
END_TEST

START_TEST(requests_that_no_worker_took_are_dropped_at_the_end)
{
    struct fixture f;
    fixture_up(&f);
    atomic_store(&f.stop, true);
    pthread_join(f.worker, NULL);
    atomic_store(&f.working, false);
    long long before = metric_read("nhjc_net_requests_total");
    struct client c = client_open(&f, "client", 0);
    client_send(&c, GET_ECHO);
    ck_assert(metric_reaches("nhjc_net_requests_total", before + 1));
    net_drain(f.server, 50);
    fixture_down(&f);
    ck_assert_int_eq(client_read_answer(&c, false).status, 0);
    client_free(&c);
}
END_TEST

START_TEST(a_server_may_be_closed_without_having_started)
{
    struct fixture f;
    fixture_prepare(&f);
    struct result r = net_open(&f.config, &f.server);
    ck_assert_msg(result_ok(r), "%s", r.text);
    ck_assert_int_gt(net_port(f.server), 0);
    struct net_config second = f.config;
    struct net_server *taken = NULL;
    second.port = net_port(f.server);
    r = net_open(&second, &taken);
    ck_assert(!result_ok(r));
    ck_assert_ptr_null(taken);
    net_close(&f.server);
    net_close(&f.server);
    pki_free(&f.pki);
}
END_TEST

START_TEST(what_expires_is_told_a_week_and_two_months_ahead)
{
    const int64_t day = 86400;
    ck_assert_int_eq(server_expiry_stage(61 * day, INT64_MAX), 0);
    ck_assert_int_eq(server_expiry_stage(59 * day, INT64_MAX), 1);
    ck_assert_int_eq(server_expiry_stage(6 * day, INT64_MAX), 2);
    ck_assert_int_eq(server_expiry_stage(INT64_MAX, 8 * day), 0);
    ck_assert_int_eq(server_expiry_stage(INT64_MAX, 6 * day), 1);
    ck_assert_int_eq(server_expiry_stage(INT64_MAX, day - 1), 2);
    ck_assert_int_eq(server_expiry_stage(-1, INT64_MAX), 2);
}
END_TEST

UNIT_MAIN(
    "net", what_expires_is_told_a_week_and_two_months_ahead, a_known_client_is_answered_over_tls_1_2_and_1_3,
    a_certificate_that_does_not_hold_is_refused_with_its_alert_reason_and_code,
    an_old_crl_lets_nobody_in_and_does_not_blame_the_client, a_crl_signed_by_somebody_else_lets_nobody_in,
    a_client_whose_own_issuer_has_no_crl_is_refused, an_intermediate_that_no_crl_covers_does_not_break_logins,
    a_revoked_intermediate_takes_its_clients_with_it, an_intermediate_may_be_trusted_without_its_root,
    tls_below_1_2_and_weak_ciphers_are_refused, no_session_can_be_resumed, renegotiation_is_refused,
    what_is_said_to_one_client_never_reaches_another, plain_http_is_told_apart_and_closed,
    the_worker_reads_the_certificate_as_text, a_name_is_shown_as_bounded_utf8_whatever_its_bytes,
    one_connection_serves_one_request_after_the_other, requests_sent_ahead_are_answered_in_order,
    a_request_may_come_byte_by_byte, who_waits_for_continue_is_told_to_go_on_or_not_to,
    unreadable_requests_are_answered_and_the_connection_closed_in_good_order,
    a_client_that_goes_on_sending_still_reads_that_its_body_is_too_large, a_large_answer_arrives_whole,
    head_gets_the_length_and_no_body, the_connection_ends_when_either_side_asks_for_it,
    a_client_that_shuts_its_side_after_the_request_still_gets_the_answer,
    a_full_queue_is_told_and_the_connection_stays_usable, hundreds_of_requests_ahead_of_a_full_queue_are_each_told,
    bodies_beyond_the_memory_for_them_are_put_off, answers_beyond_the_memory_for_them_are_put_off,
    one_connection_too_many_is_closed_at_once, five_hundred_silent_sockets_do_not_delay_a_known_client,
    handshakes_of_one_address_have_a_bound_and_known_clients_do_not_count, a_handshake_that_does_not_end_is_cut,
    a_header_that_drips_is_cut, a_body_that_drips_is_cut_whatever_length_it_promised, a_body_that_flows_earns_its_time,
    an_idle_connection_is_ended_in_good_order, a_peer_that_does_not_read_its_answer_is_cut,
    a_peer_that_leaves_while_it_is_served_harms_nobody, a_peer_that_leaves_in_the_middle_of_a_large_answer_harms_nobody,
    a_peer_that_asks_for_new_keys_without_end_is_cut, a_reloaded_crl_refuses_new_connections_and_leaves_open_ones_alone,
    a_connection_ends_after_an_answer_once_its_certificate_is_over, a_connection_ends_after_an_answer_once_it_is_old,
    a_reload_that_fails_changes_nothing_and_names_the_file, the_days_left_of_certificate_and_crl_are_measured,
    connections_come_and_go_without_a_trace, several_loops_serve_several_clients_at_once,
    a_drained_server_answers_what_it_has_in_hand_and_ends_the_rest, a_drain_ends_at_its_deadline,
    requests_that_no_worker_took_are_dropped_at_the_end, a_server_may_be_closed_without_having_started)
