/* app: STEPS is the whole order: forwards to start, backwards to stop. */
#include "app/app.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "admin/admin.h"
#include "admin/housekeeping.h"
#include "app/config.h"
#include "app/workers.h"
#include "base/backoff.h"
#include "base/caltime.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/secret.h"
#include "db/migrate.h"
#include "fep/fep.h"
#include "import/watch.h"
#include "net/net.h"
#include "payload/payload.h"
#include "rollup/rollup.h"

#define WAIT_TELL_MS 5000 /* while the database is away, one line in so long */

struct app {
    const char *config_path;
    struct config config;
    int signals;   /* signalfd of SIGTERM, SIGINT, SIGHUP */
    struct db *db; /* of the start; closed once everything runs */
    struct registry *registry;
    struct net_server *net;
    struct rollup *rollup;
    struct fep *feps[CONFIG_MAX_DESTINATIONS];
    size_t fep_count;
    int destinations[CONFIG_MAX_DESTINATIONS]; /* ids, in order of the configuration */
    struct payload_limits limits;
    struct db_gate gate;       /* a database that is away: one worker at a time waits for it */
    struct db_gate query_gate; /* a replica that is away takes no workers from uploads */
    struct soap_service service;
    struct workers *workers;
    struct housekeeping *housekeeping;
    struct watch *watch;
    struct admin *admin;
    int64_t started_at;
    bool stopping;
    size_t steps; /* how many of STEPS are up */
};

/* ---------------------------------------------------------------- what belongs to the process */
static RESULT start_log(struct app *app)
{
    TRY(log_open(app->config.log_file));
    log_set_level(log_level_from_name(app->config.log_level, LOG_INFO));
    return RESULT_OK;
}

static RESULT start_time(struct app *app)
{
    TRY(caltime_set_zone(app->config.timezone));
    int64_t offset = config_clock_offset(&app->config);
    if (offset) {
        clock_set_offset(offset);
        log_write(LOG_WARN, "app", "clock_offset", "seconds=%lld", (long long)(offset / USEC_PER_SEC));
    }
    app->started_at = clock_now();
    return RESULT_OK;
}

/* Blocked before the first thread starts, so that every thread inherits it and main alone sees signals. */
static RESULT start_signals(struct app *app)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    signal(SIGPIPE, SIG_IGN);
    app->signals = pthread_sigmask(SIG_BLOCK, &set, NULL) == 0 ? signalfd(-1, &set, SFD_CLOEXEC) : -1;
    return app->signals >= 0 ? RESULT_OK : result_error(ERR_INTERNAL, 0, "signalfd: %s", strerror(errno));
}

static void stop_signals(struct app *app)
{
    close(app->signals);
}

/* Each connection is a descriptor; the soft limit is often 1024. */
static RESULT start_limits(struct app *app)
{
    struct rlimit limit;
    (void)app;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    payload_init();
    return RESULT_OK;
}

static void stop_limits(struct app *app)
{
    (void)app;
    payload_exit();
}

/* ---------------------------------------------------------------- database */
static struct db_config connection(const struct app *app, const char *application)
{
    return (struct db_config){
        .conninfo = app->config.database, .application = application, .statement_timeout_ms = 60000};
}

/* A pause that a signal to stop ends early. */
static bool told_to_stop(struct app *app, int64_t ms)
{
    struct pollfd p = {.fd = app->signals, .events = POLLIN};
    struct signalfd_siginfo info;
    if (poll(&p, 1, (int)ms) <= 0 || read(app->signals, &info, sizeof info) != (ssize_t)sizeof info) {
        return false;
    }
    return info.ssi_signo != SIGHUP;
}

static RESULT open_database(struct app *app)
{
    struct db_config config = connection(app, "nhjcd start");
    TRY(db_open(&config, &app->db));
    struct result r = db_check_version(app->db);
    if (!result_ok(r)) {
        db_close(&app->db);
    }
    return r.kind != ERR_SENDER
               ? r
               : result_error(r.kind, 0, "数据库与程序版本不符，升级数据库用 nhjcctl -c %s db migrate / %s",
                              app->config_path, r.text);
}

/* A database that is away at the start (a machine that boots) is waited for; a wrong one is not. */
static RESULT start_database(struct app *app)
{
    int64_t begin = clock_monotonic() / 1000000, told = begin - WAIT_TELL_MS;
    struct backoff backoff;
    backoff_init(&backoff, 100, 2000, 60000, (uint64_t)clock_now());
    for (;;) {
        struct result r = open_database(app);
        int64_t now = clock_monotonic() / 1000000;
        if (r.kind != ERR_TRANSIENT || now - begin >= app->config.database_wait_ms) {
            return r;
        }
        if (now - told >= WAIT_TELL_MS) {
            log_result(LOG_WARN, "app", "waiting_for_database", r);
            told = now;
        }
        if (told_to_stop(app, backoff_fail(&backoff, now))) {
            return result_error(ERR_TRANSIENT, 0, "told to stop while waiting for the database");
        }
    }
}

/* The start's connection is no longer needed once the threads have theirs. */
static RESULT leave_database(struct app *app)
{
    db_close(&app->db);
    return RESULT_OK;
}

static void stop_database(struct app *app)
{
    if (app->db) {
        db_close(&app->db);
    }
}

static RESULT start_partitions(struct app *app)
{
    return housekeeping_partitions(app->db, (int)app->config.partitions_ahead);
}

static RESULT start_registry(struct app *app)
{
    return registry_open(app->db, &app->registry);
}

static void stop_registry(struct app *app)
{
    registry_close(&app->registry);
}

/* The key that page tokens are signed with: made once, the same for every server of this database. */
static RESULT start_token_key(struct app *app)
{
    static const struct db_stmt MAKE = {
        "app_token_make", "INSERT INTO setting (key, value) VALUES ('token_key', $1) ON CONFLICT (key) DO NOTHING"};
    static const struct db_stmt READ = {"app_token_read", "SELECT value FROM setting WHERE key = 'token_key'"};
    char hex[2 * sizeof app->service.token_key + 1];
    random_hex(hex, sizeof app->service.token_key);
    struct db_params p;
    db_params_init(&p);
    db_bind_text(&p, hex);
    secret_wipe(hex, sizeof hex);
    TRY(db_ask(app->db, &MAKE, &p, NULL));
    struct db_rows *rows = NULL;
    TRY(db_query(app->db, &READ, NULL, &rows));
    const char *stored = db_rows_count(rows) ? db_get_text(rows, 0, 0) : "";
    bool good = strlen(stored) == sizeof hex - 1 && hex_decode(stored, sizeof hex - 1, app->service.token_key);
    db_rows_free(&rows);
    return good ? RESULT_OK : result_error(ERR_INTERNAL, 0, "setting token_key is damaged");
}

/* ---------------------------------------------------------------- threads */
static RESULT start_housekeeping(struct app *app)
{
    struct housekeeping_config config = {.db = connection(app, "nhjcd housekeeping"),
                                         .registry = app->registry,
                                         .partitions_ahead = (int)app->config.partitions_ahead,
                                         .keep = {.raw_ms = app->config.retention_raw_ms,
                                                  .payload_ms = app->config.retention_payload_ms,
                                                  .audit_ms = app->config.retention_audit_ms},
                                         .outbox_keep_ms = app->config.outbox_keep_ms,
                                         .reupload_every_ms =
                                             app->config.auto_reupload ? app->config.auto_reupload_ms : 0,
                                         .reupload_days = (int)app->config.auto_reupload_days,
                                         .reupload_open = (int)app->config.auto_reupload_open,
                                         .destinations = app->config.destinations,
                                         .destination_count = app->config.destination_count};
    config.db.statement_timeout_ms = 0; /* retention of a large month takes minutes */
    return housekeeping_start(&config, &app->housekeeping);
}

static void stop_housekeeping(struct app *app)
{
    housekeeping_stop(&app->housekeeping);
}

static RESULT start_net_open(struct app *app)
{
    struct net_config config;
    config_net(&app->config, &config);
    TRY(net_open(&config, &app->net));
    app->config.listen_port = net_port(app->net); /* a file that now names the port is no change */
    net_on_refused(app->net, housekeeping_refused, app->housekeeping);
    return RESULT_OK;
}

static void stop_net_open(struct app *app)
{
    net_close(&app->net);
}

static RESULT start_rollup(struct app *app)
{
    struct rollup_config config = {.threads = (int)app->config.rollup_threads,
                                   .hours_per_slice = (int)app->config.rollup_slice};
    struct db_config db = connection(app, "nhjcd rollup");
    return rollup_start(&config, &db, app->registry, &app->rollup);
}

static void stop_rollup(struct app *app)
{
    rollup_stop(&app->rollup);
}

static void stop_feps(struct app *app)
{
    while (app->fep_count > 0) {
        fep_stop(&app->feps[--app->fep_count]);
    }
}

static RESULT start_fep(struct app *app, size_t i, const struct db_config *db)
{
    if (!app->config.destinations[i].active) {
        return RESULT_OK;
    }
    TRY(fep_start(&app->config.destinations[i], app->destinations[i], db, &app->feps[app->fep_count]));
    app->fep_count++;
    return RESULT_OK;
}

static RESULT start_feps(struct app *app)
{
    struct db_config db = connection(app, "nhjcd fep");
    struct result r =
        fep_destinations(app->db, app->config.destinations, app->config.destination_count, app->destinations);
    for (size_t i = 0; i < app->config.destination_count && result_ok(r); i++) {
        r = start_fep(app, i, &db);
    }
    if (!result_ok(r)) {
        stop_feps(app);
    }
    return r;
}

/* After a commit, on the worker's thread: whoever goes on with the data is told. */
static void on_marks(int32_t unit_id, void *arg)
{
    struct app *app = arg;
    rollup_hint(app->rollup, unit_id);
    for (size_t i = 0; i < app->fep_count; i++) {
        fep_hint(app->feps[i]);
    }
}

static void fill_ingest(struct app *app, struct ingest_config *ingest)
{
    const struct config *c = &app->config;
    app->limits = (struct payload_limits){.depth = (size_t)c->depth,
                                          .attributes = (size_t)c->attributes,
                                          .tag_bytes = (size_t)c->tag_bytes,
                                          .records = (size_t)c->records};
    *ingest = (struct ingest_config){.registry = app->registry,
                                     .limits = &app->limits,
                                     .max_plain = (size_t)c->plain_bytes,
                                     .future_ms = c->future_ms,
                                     .reported_tolerance_ppm = c->reported_tolerance_ppm,
                                     .late_grace_ms = c->late_grace_ms,
                                     .on_marks = on_marks,
                                     .arg = app};
    for (size_t i = 0; i < c->destination_count; i++) {
        if (c->destinations[i].active) {
            ingest->destinations[ingest->destination_count++] = app->destinations[i];
        }
    }
}

static void fill_service(struct app *app)
{
    const struct config *c = &app->config;
    struct soap_service *s = &app->service;
    s->registry = app->registry;
    fill_ingest(app, &s->ingest);
    s->db = connection(app, "nhjcd worker");
    s->db.gate = &app->gate;
    s->query_db = connection(app, "nhjcd query");
    s->query_db.conninfo = *c->query_database ? c->query_database : c->database;
    s->query_db.read_only = true;
    s->query_db.gate = &app->query_gate;
    s->identity_rule = c->identity_rule;
    s->platform_code = c->platform_code;
    s->platform_name = c->platform_name;
    s->public_url = c->public_url;
    s->payload_encryption = c->payload_encryption;
    s->require_dic_version = c->require_dic_version;
    s->rate = rate_new(c->rate_per_minute);
    s->dic_version = dic_version_new();
    s->max_body = (size_t)c->body_bytes;
}

static RESULT start_workers(struct app *app)
{
    fill_service(app);
    const struct config *c = &app->config;
    struct turns *turns = turns_new((int)c->workers, (int)c->identity_workers, (int)c->query_workers);
    return workers_start(&app->service, app->net, (int)c->workers, turns, &app->workers);
}

static void stop_workers(struct app *app)
{
    workers_stop(&app->workers);
    rate_free(&app->service.rate);
    dic_version_free(&app->service.dic_version);
}

static RESULT start_watch(struct app *app)
{
    if (!*app->config.import_dir) {
        return RESULT_OK;
    }
    struct watch_config config = {.folder = app->config.import_dir, .db = connection(app, "nhjcd import")};
    fill_ingest(app, &config.ingest);
    return watch_start(&config, &app->watch);
}

static void stop_watch(struct app *app)
{
    watch_stop(&app->watch);
}

/* ---------------------------------------------------------------- reload */
static void swap(char **a, char **b)
{
    char *t = *a;
    *a = *b;
    *b = t;
}

/* Only what may change while running moves over: other modules hold pointers into the rest. */
static void adopt(struct config *running, struct config *wanted)
{
    swap(&running->cert_file, &wanted->cert_file);
    swap(&running->key_file, &wanted->key_file);
    swap(&running->ca_file, &wanted->ca_file);
    swap(&running->crl_file, &wanted->crl_file);
    swap(&running->log_file, &wanted->log_file);
    swap(&running->log_level, &wanted->log_level);
}

/* Asked before anything changes, for log_open comes last. May leave an empty file. */
static RESULT log_usable(const char *path)
{
    FILE *f = *path ? fopen(path, "ae") : NULL;
    if (*path && !f) {
        return result_error(ERR_SENDER, 0, "无法打开日志 / cannot open log %s: %s", path, strerror(errno));
    }
    if (f) {
        fclose(f);
    }
    return RESULT_OK;
}

static RESULT apply(struct app *app, struct config *wanted, struct buf *out)
{
    struct net_config net;
    TRY(config_check_server(wanted));
    config_net(wanted, &net);
    TRY(log_usable(wanted->log_file));
    TRY(net_reload_tls(app->net, &net.tls));
    TRY(log_open(wanted->log_file));
    log_set_level(log_level_from_name(wanted->log_level, LOG_INFO));
    adopt(&app->config, wanted);
    buf_append_str(out, "已重新读取证书、CRL 与可重载选项 / certificates, CRLs and reloadable options are read anew\n");
    struct buf names = BUF_INIT;
    config_restart_options(&app->config, wanted, &names);
    if (names.len) {
        buf_printf(out, "重启后才生效 / only a restart applies: %s\n", buf_str(&names));
    }
    buf_free(&names);
    return RESULT_OK;
}

/* The log may have been rotated, whatever is wrong with the rest of the configuration. */
static void reopen_log(struct app *app)
{
    struct result r = log_open(app->config.log_file);
    if (!result_ok(r)) {
        log_result(LOG_ERROR, "app", "log_not_reopened", r);
    }
}

static RESULT reload(void *arg, struct buf *out)
{
    struct app *app = arg;
    struct config wanted;
    struct result r = config_load(app->config_path, &wanted);
    if (result_ok(r)) {
        r = apply(app, &wanted, out);
        config_free(&wanted);
    }
    if (result_ok(r)) {
        log_write(LOG_INFO, "app", "reloaded", "config=%s", app->config_path);
    } else {
        reopen_log(app);
        log_result(LOG_ERROR, "app", "reload_refused", r);
    }
    housekeeping_audit(app->housekeeping, "operator", "", "server.reload", 0, result_ok(r) ? "done" : "refused");
    return r;
}

/* ---------------------------------------------------------------- what the admin socket understands */
static RESULT status(void *arg, struct buf *out)
{
    struct app *app = arg;
    char time[CALTIME_TEXT];
    buf_printf(out, "server nhjcd %s\npid %ld\nplatform_code %s\nplatform_name %s\n", NHJC_VERSION, (long)getpid(),
               app->config.platform_code, app->config.platform_name);
    buf_printf(out, "listen %s\nport %d\n", app->config.listen_host, net_port(app->net));
    buf_printf(out, "started %s\n", caltime_format(app->started_at, time));
    buf_printf(out, "platform_time %s\n", caltime_format(clock_now(), time));
    buf_printf(out, "uptime_s %lld\n", (long long)((clock_now() - app->started_at) / USEC_PER_SEC));
    buf_printf(out, "workers %d\nrollup_threads %d\ndestinations %zu\n", (int)app->config.workers,
               (int)app->config.rollup_threads, app->fep_count);
    housekeeping_status(out);
    return RESULT_OK;
}

static void days_line(struct buf *out, const char *key, int64_t seconds)
{
    if (seconds != INT64_MAX) {
        buf_printf(out, "%s %lld\n", key, (long long)(seconds / 86400));
    }
}

/* Nothing here waits for the database: a probe must answer when it is away. */
static RESULT health(void *arg, struct buf *out)
{
    struct app *app = arg;
    struct buf lines = BUF_INIT;
    int64_t certificate, crl;
    net_expiry(app->net, &certificate, &crl);
    bool well = housekeeping_health(app->housekeeping, &lines) && certificate > 0 && crl > 0;
    days_line(&lines, "certificate_days", certificate);
    days_line(&lines, "crl_days", crl);
    buf_printf(out, "health %s\n%s", well ? "ok" : "failed", buf_str(&lines));
    buf_free(&lines);
    return RESULT_OK;
}

static RESULT metrics(void *arg, struct buf *out)
{
    (void)arg;
    metrics_print(out);
    return RESULT_OK;
}

static RESULT stop(void *arg, struct buf *out)
{
    struct app *app = arg;
    app->stopping = true;
    buf_append_str(out, "正在停止 / stopping\n");
    return RESULT_OK;
}

static RESULT ping(void *arg, struct buf *out)
{
    (void)arg;
    buf_append_str(out, "pong\n");
    return RESULT_OK;
}

static const struct admin_command COMMANDS[] = {
    {"status", status, "how the server is doing, one value a line"},
    {"health", health, "is it fit for work, one value a line"},
    {"metrics", metrics, "counters in the Prometheus text format"},
    {"reload", reload, "certificates, CRLs and reloadable options anew"},
    {"stop", stop, "ordered shutdown"},
    {"ping", ping, "pong"},
};

static RESULT start_admin(struct app *app)
{
    return admin_open(app->config.admin_socket, COMMANDS, ARRAY_LEN(COMMANDS), app, &app->admin);
}

static void stop_admin(struct app *app)
{
    admin_close(&app->admin);
}

/* ---------------------------------------------------------------- open for business */
static RESULT start_net(struct app *app)
{
    return net_start(app->net);
}

static void stop_net(struct app *app)
{
    net_drain(app->net, (int)app->config.drain_ms);
}

static RESULT write_port(const char *path, int port)
{
    char *beside = mem_printf("%s.new", path);
    FILE *f = fopen(beside, "we");
    bool ok = f && fprintf(f, "%d\n", port) > 0;
    ok = (!f || fclose(f) == 0) && ok;
    ok = ok && rename(beside, path) == 0;
    mem_free(beside);
    return ok ? RESULT_OK : result_error(ERR_INTERNAL, 0, "port_file %s: %s", path, strerror(errno));
}

static RESULT start_port_file(struct app *app)
{
    log_write(LOG_INFO, "app", "started", "version=%s platform=%s host=%s port=%d", NHJC_VERSION,
              app->config.platform_code, app->config.listen_host, net_port(app->net));
    return *app->config.port_file ? write_port(app->config.port_file, net_port(app->net)) : RESULT_OK;
}

static void stop_port_file(struct app *app)
{
    if (*app->config.port_file) {
        unlink(app->config.port_file);
    }
}

/* ---------------------------------------------------------------- the order */
static const struct step {
    const char *name;
    struct result (*start)(struct app *app);
    void (*stop)(struct app *app); /* NULL: nothing to undo */
} STEPS[] = {
    {"log", start_log, NULL},
    {"clock", start_time, NULL},
    {"signals", start_signals, stop_signals},
    {"limits", start_limits, stop_limits},
    {"admin socket", start_admin, stop_admin}, /* early: it also says whether another server runs here */
    {"database", start_database, stop_database},
    {"partitions", start_partitions, NULL},
    {"token key", start_token_key, NULL},
    {"registry", start_registry, stop_registry},
    {"housekeeping", start_housekeeping, stop_housekeeping}, /* before net: it takes refused handshakes to the end */
    {"listener", start_net_open, stop_net_open},             /* binds; nothing is accepted yet */
    {"rollup", start_rollup, stop_rollup},
    {"front-end processor", start_feps, stop_feps},
    {"workers", start_workers, stop_workers},
    {"import folder", start_watch, stop_watch},
    {"database connection of the start", leave_database, NULL},
    {"network", start_net, stop_net}, /* backwards this comes first: drain, then join the workers */
    {"port file", start_port_file, stop_port_file},
};

static void stop_steps(struct app *app)
{
    while (app->steps > 0) {
        const struct step *s = &STEPS[--app->steps];
        if (s->stop) {
            s->stop(app);
        }
    }
}

static RESULT start_steps(struct app *app)
{
    for (; app->steps < ARRAY_LEN(STEPS); app->steps++) {
        struct result r = STEPS[app->steps].start(app);
        if (!result_ok(r)) {
            return result_error(r.kind, r.code, "%s: %s", STEPS[app->steps].name, r.text);
        }
    }
    return RESULT_OK;
}

static void release(struct app **app)
{
    config_free(&(*app)->config);
    secret_wipe((*app)->service.token_key, sizeof(*app)->service.token_key);
    mem_free(*app);
    *app = NULL;
}

RESULT app_start(const char *config_path, struct app **out)
{
    struct app *app = mem_alloc(sizeof *app);
    app->config_path = config_path;
    struct result r = config_load(config_path, &app->config);
    r = result_ok(r) ? config_check_server(&app->config) : r;
    r = result_ok(r) ? start_steps(app) : r;
    if (!result_ok(r)) {
        stop_steps(app);
        release(&app);
        return r;
    }
    *out = app;
    return RESULT_OK;
}

static void take_signal(struct app *app)
{
    struct signalfd_siginfo info;
    if (read(app->signals, &info, sizeof info) != (ssize_t)sizeof info) {
        return;
    }
    if (info.ssi_signo != SIGHUP) {
        log_write(LOG_INFO, "app", "stopping", "signal=%u", info.ssi_signo);
        app->stopping = true;
        return;
    }
    struct buf out = BUF_INIT;
    struct result r = reload(app, &out);
    (void)r; /* logged there; nobody waits for an answer */
    buf_free(&out);
}

void app_run(struct app *app)
{
    struct pollfd fds[] = {{.fd = app->signals, .events = POLLIN}, {.fd = admin_fd(app->admin), .events = POLLIN}};
    while (!app->stopping) {
        if (poll(fds, ARRAY_LEN(fds), -1) <= 0) {
            continue;
        }
        if (fds[0].revents) {
            take_signal(app);
        }
        if (fds[1].revents) {
            admin_serve(app->admin);
        }
    }
}

void app_stop(struct app **app)
{
    stop_steps(*app);
    log_write(LOG_INFO, "app", "stopped", "uptime_s=%lld",
              (long long)((clock_now() - (*app)->started_at) / USEC_PER_SEC));
    release(app);
}
