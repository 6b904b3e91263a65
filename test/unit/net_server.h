/* net_server: a real server on a loopback port with one worker of known habits, for the tests of net.
 *
 * Paths: /echo answers "METHOD path?query body"; /big?N answers N bytes 'x'; /hold answers when the test lets it go
 *        (fixture_release); /close ends the connection after its answer; /who answers with the certificate. */
#ifndef NHJC_TEST_NET_SERVER_H
#define NHJC_TEST_NET_SERVER_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "net/net.h"
#include "net_pki.h"

#define MAX_REFUSED 64

struct refused_note {
    int code;
    char reason[48], subject[128];
};

struct fixture {
    struct pki pki;
    struct net_config config;
    char cert[160], key[160], ca[160], crl[160];
    struct net_server *server;
    int port;
    pthread_t worker;
    atomic_bool stop, working;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool released;
    int held; /* requests that wait in /hold */
    atomic_int served;
    struct refused_note notes[MAX_REFUSED];
    int note_count;
};

static inline void fixture_note(int code, const char *reason, const char *peer, const char *subject, void *arg)
{
    struct fixture *f = arg;
    (void)peer;
    pthread_mutex_lock(&f->lock);
    if (f->note_count < MAX_REFUSED) {
        struct refused_note *n = &f->notes[f->note_count++];
        n->code = code;
        snprintf(n->reason, sizeof(n->reason), "%s", reason);
        snprintf(n->subject, sizeof(n->subject), "%s", subject);
    }
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
}

static inline void fixture_hold(struct fixture *f)
{
    pthread_mutex_lock(&f->lock);
    f->held++;
    pthread_cond_broadcast(&f->changed);
    while (!f->released) {
        pthread_cond_wait(&f->changed, &f->lock);
    }
    f->held--;
    pthread_mutex_unlock(&f->lock);
}

static inline void fixture_wait_held(struct fixture *f)
{
    pthread_mutex_lock(&f->lock);
    while (f->held == 0) {
        pthread_cond_wait(&f->changed, &f->lock);
    }
    pthread_mutex_unlock(&f->lock);
}

static inline void fixture_release(struct fixture *f)
{
    pthread_mutex_lock(&f->lock);
    f->released = true;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
}

static inline void fixture_who(const struct peer_cert *c, struct buf *body)
{
    buf_printf(body, "cn=%d:%s uid=%d:%s,%s uri=%d:%s subject=%s issuer=%s serial=%s fingerprint=%zu", c->cn.count,
               c->cn.at[0] ? c->cn.at[0] : "", c->uid.count, c->uid.at[0] ? c->uid.at[0] : "",
               c->uid.at[1] ? c->uid.at[1] : "", c->san_uri.count, c->san_uri.at[0] ? c->san_uri.at[0] : "", c->subject,
               c->issuer, c->serial, strlen(c->fingerprint));
}

static inline void fixture_serve(struct fixture *f, struct net_request *r)
{
    static const char *const methods[] = {"GET", "POST", "OTHER"};
    struct buf body = BUF_INIT;
    bool end = strcmp(r->path, "/close") == 0;
    if (strcmp(r->path, "/hold") == 0) {
        fixture_hold(f);
    }
    if (strcmp(r->path, "/who") == 0) {
        fixture_who(r->cert, &body);
    } else if (strcmp(r->path, "/big") == 0) {
        size_t n = (size_t)atol(r->query);
        char *text = mem_alloc(n + 1);
        memset(text, 'x', n);
        buf_append(&body, text, n);
        mem_free(text);
    } else {
        buf_printf(&body, "%s %s?%s ", methods[r->method], r->path, r->query);
        buf_append(&body, r->body.data, r->body.len);
    }
    atomic_fetch_add(&f->served, 1);
    net_reply(f->server, &r, 200, "text/plain", NULL, &body, end);
}

static inline void *fixture_work(void *arg)
{
    struct fixture *f = arg;
    while (!atomic_load(&f->stop)) {
        struct net_request *r = net_take(f->server, 20);
        if (r) {
            fixture_serve(f, r);
        }
    }
    return NULL;
}

/* Folder and configuration; change f->config before fixture_start. */
static inline void fixture_prepare(struct fixture *f)
{
    memset(f, 0, sizeof(*f));
    pki_new(&f->pki);
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->changed, NULL);
    snprintf(f->cert, sizeof(f->cert), "%s/server.pem", f->pki.dir);
    snprintf(f->key, sizeof(f->key), "%s/server.key", f->pki.dir);
    snprintf(f->ca, sizeof(f->ca), "%s/root.pem", f->pki.dir);
    snprintf(f->crl, sizeof(f->crl), "%s/crl.pem", f->pki.dir);
    f->config = (struct net_config){
        .host = "127.0.0.1",
        .loops = 1,
        .limits = {.header_bytes = 16384,
                   .header_lines = 100,
                   .body_bytes = 1 << 20,
                   .handshake_ms = 10000,
                   .body_ms = 15000,
                   .body_ms_per_64k = 1000,
                   .idle_ms = 60000,
                   .write_ms = 20000,
                   .max_connections = 2000,
                   .max_inflight = 64},
        .tls = {.cert_file = f->cert, .key_file = f->key, .ca_file = f->ca, .crl_file = f->crl},
    };
}

static inline void fixture_start_worker(struct fixture *f)
{
    ck_assert_int_eq(pthread_create(&f->worker, NULL, fixture_work, f), 0);
    atomic_store(&f->working, true);
}

static inline void fixture_start(struct fixture *f)
{
    struct result r = net_open(&f->config, &f->server);
    ck_assert_msg(result_ok(r), "%s", r.text);
    net_on_refused(f->server, fixture_note, f);
    r = net_start(f->server);
    ck_assert_msg(result_ok(r), "%s", r.text);
    f->port = net_port(f->server);
    fixture_start_worker(f);
}

static inline void fixture_up(struct fixture *f)
{
    fixture_prepare(f);
    fixture_start(f);
}

static inline void fixture_down(struct fixture *f)
{
    fixture_release(f);
    net_drain(f->server, 2000);
    atomic_store(&f->stop, true);
    if (atomic_load(&f->working)) {
        pthread_join(f->worker, NULL);
    }
    net_close(&f->server);
    ck_assert_ptr_null(f->server);
    pthread_mutex_destroy(&f->lock);
    pthread_cond_destroy(&f->changed);
    pki_free(&f->pki);
}

/* The reason of the n-th refused handshake that concerned a certificate, waiting for it. */
static inline struct refused_note fixture_refused(struct fixture *f, int n)
{
    struct refused_note note;
    pthread_mutex_lock(&f->lock);
    while (f->note_count <= n) {
        pthread_cond_wait(&f->changed, &f->lock);
    }
    note = f->notes[n];
    pthread_mutex_unlock(&f->lock);
    return note;
}

/* The value of a metric by its line in the printed text; 0 when it has not been counted yet. */
static inline long long metric_read(const char *name)
{
    struct buf text = BUF_INIT;
    metrics_print(&text);
    long long value = 0;
    size_t n = strlen(name);
    for (const char *line = buf_str(&text); line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, name, n) == 0 && line[n] == ' ') {
            value = atoll(line + n + 1);
        }
    }
    buf_free(&text);
    return value;
}

/* Waits until the metric has grown to at least `value`. */
static inline bool metric_reaches(const char *name, long long value)
{
    int64_t until = clock_monotonic() + INT64_C(30000000000);
    while (metric_read(name) < value && clock_monotonic() < until) {
        usleep(2000);
    }
    return metric_read(name) >= value;
}

#endif
