/* Opening, losing and replacing a connection; waiting on its socket. PostgreSQL 15 libpq-connect. */
#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/caltime.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "db/db_internal.h"

#define NSEC_PER_MSEC INT64_C(1000000)
#define NSEC_PER_SEC (1000 * NSEC_PER_MSEC)
#define RETRY_PAUSE_NS (200 * NSEC_PER_MSEC)
#define LOCK_TIMEOUT_MS 10000         /* sessions with a statement timeout */
#define LOCK_TIMEOUT_PATIENT_MS 60000 /* housekeeping, migrations */
#define IDLE_TIMEOUT_MS 60000         /* a transaction whose owner fell silent holds locks */
#define IDLE_TIMEOUT_PATIENT_MS 600000
#define GATE_PROBE_NS (60 * NSEC_PER_SEC) /* who tries again may take this long; then somebody else does */
#define DOUBT_TIMES 2                     /* a connection attempt's patience without a word: is the server there? */
#define ANSWER_GRACE_MS 30000             /* beyond the server's own statement_timeout the server is taken for dead */

static void on_notice(void *arg, const PGresult *res)
{
    struct db *db = arg;
    const char *severity = PQresultErrorField(res, PG_DIAG_SEVERITY_NONLOCALIZED);
    const char *text = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);
    enum log_level level = severity && strcmp(severity, "WARNING") == 0 ? LOG_WARN : LOG_DEBUG;
    log_write(level, "db", "notice", "application=%s text=%s", db->application, log_quote(text ? text : ""));
}

/* One "-c name=value"; blanks and backslashes of the value are escaped as the server's option splitter wants. */
static void add_option(struct buf *out, const char *name, const char *value)
{
    buf_printf(out, " -c %s=", name);
    for (const char *p = value; *p; p++) {
        if (*p == ' ' || *p == '\\') {
            buf_append_char(out, '\\');
        }
        buf_append_char(out, *p);
    }
}

static void add_option_ms(struct buf *out, const char *name, int ms)
{
    buf_printf(out, " -c %s=%dms", name, ms);
}

/* What the caller's own "options" say, then ours: the later wins, so ours are fixed. */
static char *make_options(const struct db *db, const char *users)
{
    struct buf out = BUF_INIT;
    bool bounded = db->statement_timeout_ms > 0;
    buf_append_str(&out, users ? users : "");
    add_option(&out, "timezone", caltime_zone());
    add_option(&out, "search_path", "public");
    add_option(&out, "jit", "off"); /* short statements over many partitions: compiling costs more than it saves */
    add_option_ms(&out, "statement_timeout", db->statement_timeout_ms);
    add_option_ms(&out, "lock_timeout", bounded ? LOCK_TIMEOUT_MS : LOCK_TIMEOUT_PATIENT_MS);
    add_option_ms(&out, "idle_in_transaction_session_timeout", bounded ? IDLE_TIMEOUT_MS : IDLE_TIMEOUT_PATIENT_MS);
    add_option(&out, "default_transaction_read_only", db->read_only ? "on" : "off");
    return (char *)buf_steal(&out, NULL);
}

/* target_session_attrs asks whether a session is read-only, and ours for questions is, by make_options, at whichever
 * host. What is meant is asked of the host itself. */
static const char *attrs_of_host(const char *attrs)
{
    static const char *const MEANT[][2] = {{"read-write", "primary"}, {"read-only", "standby"}};
    for (size_t i = 0; attrs && i < ARRAY_LEN(MEANT); i++) {
        if (strcmp(attrs, MEANT[i][0]) == 0) {
            return MEANT[i][1];
        }
    }
    return NULL;
}

/* libpq's own message quotes the string and so, perhaps, the password: it is not passed on. */
static PQconninfoOption *parse_conninfo(const char *conninfo)
{
    char *message = NULL;
    PQconninfoOption *all = PQconninfoParse(conninfo, &message);
    PQfreemem(message);
    return all;
}

#define MALFORMED "数据库连接串格式有误 / the database connection string is malformed"

RESULT db_check_conninfo(const char *conninfo)
{
    PQconninfoOption *all = parse_conninfo(conninfo);
    PQconninfoFree(all);
    return all ? RESULT_OK : result_error(ERR_SENDER, 0, "%s", MALFORMED);
}

/* Checks the string and takes from it what is needed before connecting. */
static struct result read_conninfo(struct db *db)
{
    PQconninfoOption *all = parse_conninfo(db->conninfo);
    if (!all) {
        return db_fail_own(db, ERR_SENDER, 0, MALFORMED);
    }
    const char *users = NULL;
    for (PQconninfoOption *o = all; o->keyword; o++) {
        if (strcmp(o->keyword, "options") == 0) {
            users = o->val;
        } else if (strcmp(o->keyword, "password") == 0 && o->val) {
            db->password = mem_strdup(o->val);
        } else if (strcmp(o->keyword, "target_session_attrs") == 0 && db->read_only) {
            db->attrs = attrs_of_host(o->val);
        }
    }
    db->options = make_options(db, users);
    PQconninfoFree(all);
    return RESULT_OK;
}

/* In libpq the later of two equal keywords wins, and the string is expanded where dbname stands: what
 * stands before is a default that the string may change, what stands after is fixed. */
static PGconn *connect_to(const struct db *db, const struct db_hosts *hosts)
{
    const char *const rows[][2] = {
        {"connect_timeout", "5"},
        {"keepalives", "1"},
        {"keepalives_idle", "30"},
        {"keepalives_interval", "10"},
        {"keepalives_count", "3"},
        {"tcp_user_timeout", "30000"},
        {"dbname", db->conninfo},
        {"host", hosts->host},
        {"hostaddr", hosts->address},
        {"port", hosts->port},
        {"target_session_attrs", db->attrs},
        {"application_name", db->application},
        {"client_encoding", "UTF8"},
        {"options", db->options},
        {NULL, NULL},
    };
    const char *keys[ARRAY_LEN(rows)], *values[ARRAY_LEN(rows)];
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        keys[i] = rows[i][0];
        values[i] = rows[i][1];
    }
    return PQconnectdbParams(keys, values, 1);
}

static PGconn *connect_now(const struct db *db)
{
    int64_t begin = clock_monotonic();
    struct db_hosts hosts;
    db_hosts_read(&hosts, db->conninfo);
    PGconn *conn = connect_to(db, &hosts);
    /* libpq counts whole seconds of the clock: a time-out may come almost a second early. */
    if (PQstatus(conn) == CONNECTION_OK && clock_monotonic() - begin >= (db_patience_s(conn) - 1) * NSEC_PER_SEC) {
        db_hosts_passed(&hosts, conn);
    }
    db_hosts_free(&hosts);
    return conn;
}

/* conn: the open connection; NULL: there is none any more. */
static void set_cancel(struct db *db, PGconn *conn)
{
    pthread_mutex_lock(&db->cancel_lock);
    PQfreeCancel(db->cancel);
    db->cancel = conn ? PQgetCancel(conn) : NULL;
    if (conn) {
        db_place_note(&db->place, conn);
    } else {
        db_place_forget(&db->place);
    }
    pthread_mutex_unlock(&db->cancel_lock);
}

static void drop_connection(struct db *db)
{
    set_cancel(db, NULL);
    PQfinish(db->conn);
    db->conn = NULL;
}

static void drop_types(struct db *db)
{
    for (size_t i = 0; i < db->type_count; i++) {
        mem_free(db->types[i].name);
    }
    db->type_count = 0;
}

/* Whether this connection may try: once an attempt has failed, one at a time does. */
static bool enter_gate(struct db_gate *gate)
{
    int64_t now = clock_monotonic(), until = gate ? atomic_load(&gate->closed_until) : 0;
    return until == 0 ||
           (now >= until && atomic_compare_exchange_strong(&gate->closed_until, &until, now + GATE_PROBE_NS));
}

/* A host that refuses costs nothing and is tried again soon; one that is silent may cost little of one thread's time.
 */
static void close_gate(struct db_gate *gate, int64_t took_ns)
{
    int64_t pause = 5 * took_ns > NSEC_PER_SEC ? 5 * took_ns : NSEC_PER_SEC;
    if (gate) {
        atomic_store(&gate->closed_until, clock_monotonic() + pause);
    }
}

static struct result not_reachable(struct db *db)
{
    struct result r = db_fail_own(db, ERR_TRANSIENT, 9102, "database not reachable a moment ago");
    memcpy(db->sqlstate, "08001", 6);
    return r;
}

static struct result open_connection(struct db *db)
{
    int64_t begin = clock_monotonic();
    if (!enter_gate(db->gate)) {
        return not_reachable(db);
    }
    drop_connection(db);
    db->conn = connect_now(db);
    if (PQstatus(db->conn) != CONNECTION_OK) {
        struct result r = db_fail_lost(db, "connect");
        db->retry_at = clock_monotonic() + RETRY_PAUSE_NS;
        close_gate(db->gate, clock_monotonic() - begin);
        return r;
    }
    if (db->gate) {
        atomic_store(&db->gate->closed_until, 0);
    }
    PQsetnonblocking(db->conn, 1);
    PQsetNoticeReceiver(db->conn, on_notice, db);
    set_cancel(db, db->conn);
    db->lost = db->tx = db->tx_lost = false;
    db->generation++;
    db_forget_plans(db);
    drop_types(db);
    return RESULT_OK;
}

static struct result reconnect(struct db *db)
{
    if (clock_monotonic() < db->retry_at) {
        return not_reachable(db);
    }
    bool tx_lost = db->tx_lost;
    struct result r = open_connection(db);
    if (result_ok(r)) {
        log_write(LOG_INFO, "db", "reconnected", "application=%s generation=%u", db->application, db->generation);
    } else {
        db->tx_lost = tx_lost;
    }
    return r;
}

struct result db_ready(struct db *db, bool starts_transaction)
{
    if (db->pipe.open) {
        return db_fail_own(db, ERR_INTERNAL, 0, "statement outside the open pipeline");
    }
    if (db->tx_lost && !starts_transaction) {
        struct result r = db_fail_own(db, ERR_TRANSIENT, 9102, "the transaction was lost with its connection");
        memcpy(db->sqlstate, "08006", 6);
        return r;
    }
    db->tx_lost = false;
    return db->lost ? reconnect(db) : RESULT_OK;
}

void db_mark_lost(struct db *db)
{
    if (!db->lost) {
        db->tx_lost = db->tx;
    }
    db->lost = true;
    db->tx = false;
}

void db_note_transaction(struct db *db)
{
    if (!db->lost) {
        PGTransactionStatusType s = PQtransactionStatus(db->conn);
        db->tx = s == PQTRANS_INTRANS || s == PQTRANS_INERROR;
    }
}

bool db_in_transaction(const struct db *db)
{
    return db->tx || db->tx_lost;
}

/* Waits for the socket; 0 means the time is over. */
static int wait_socket(struct db *db, short events, int64_t deadline_ns)
{
    struct pollfd fd = {.fd = PQsocket(db->conn), .events = events};
    int timeout = -1;
    if (deadline_ns > 0) {
        int64_t left = deadline_ns - clock_monotonic();
        timeout = left <= 0 ? 0 : (int)(left / NSEC_PER_MSEC) + 1;
    }
    int n;
    do {
        n = poll(&fd, 1, timeout);
    } while (n < 0 && errno == EINTR);
    return n < 0 ? n : fd.revents;
}

/* Whether the server has ended the connection while nobody used it. What it said before is read first. */
static bool ended_meanwhile(struct db *db)
{
    enum { READS = 16 }; /* more is not said to a silent session; the next statement reads the rest */
    for (int i = 0; i < READS; i++) {
        struct pollfd fd = {.fd = PQsocket(db->conn), .events = POLLIN};
        if (poll(&fd, 1, 0) <= 0) {
            return false;
        }
        if (!PQconsumeInput(db->conn)) {
            return true;
        }
    }
    return false;
}

void db_refresh(struct db *db)
{
    if (!db->lost && !db->pipe.open && !db_in_transaction(db) && ended_meanwhile(db)) {
        db_mark_lost(db);
    }
    if (db->lost && !db->tx_lost) {
        struct result r = db_ready(db, true);
        (void)r; /* the first statement tells it */
    }
}

static int64_t answer_deadline(const struct db *db)
{
    if (db->statement_timeout_ms <= 0) {
        return 0;
    }
    return clock_monotonic() + (db->statement_timeout_ms + ANSWER_GRACE_MS) * NSEC_PER_MSEC;
}

/* Until the socket is ready, the deadline is over (0: none), or the server has been found not to be there. */
static int wait_watching(struct db *db, short events, int64_t deadline_ns, const char **why)
{
    const int64_t doubt_ns = INT64_C(1) * DOUBT_TIMES * db->place.patience_s * NSEC_PER_SEC;
    for (;;) {
        int64_t look = clock_monotonic() + doubt_ns;
        bool last = deadline_ns > 0 && deadline_ns < look;
        int revents = wait_socket(db, events, last ? deadline_ns : look);
        if (revents != 0) {
            return revents;
        }
        *why = last ? "no answer in time" : "the server fell silent";
        if (last || db_place_silent(&db->place, db->conninfo)) {
            return wait_socket(db, events, 1); /* perhaps it spoke meanwhile */
        }
    }
}

/* Reads whenever something can be read, whatever we came for: if both ends only wrote, both would stop. */
static struct result serve_socket(struct db *db, short events, int64_t deadline_ns)
{
    const char *why = "";
    int revents = wait_watching(db, events, deadline_ns, &why);
    if (revents == 0) {
        return db_fail_lost(db, why);
    }
    if (revents < 0 || ((revents & ~POLLOUT) && !PQconsumeInput(db->conn))) {
        return db_fail_lost(db, "read");
    }
    return RESULT_OK;
}

struct result db_wait(struct db *db)
{
    int64_t deadline = answer_deadline(db);
    while (PQisBusy(db->conn)) {
        int unsent = PQflush(db->conn);
        if (unsent < 0) {
            return db_fail_lost(db, "send");
        }
        TRY(serve_socket(db, unsent ? POLLIN | POLLOUT : POLLIN, deadline));
    }
    return RESULT_OK;
}

struct result db_wait_writable(struct db *db)
{
    return serve_socket(db, POLLIN | POLLOUT, answer_deadline(db));
}

struct result db_flush(struct db *db)
{
    int unsent;
    while ((unsent = PQflush(db->conn)) > 0) {
        TRY(db_wait_writable(db));
    }
    return unsent < 0 ? db_fail_lost(db, "send") : RESULT_OK;
}

struct result db_open(const struct db_config *config, struct db **out)
{
    *out = NULL;
    struct db *db = mem_alloc(sizeof(*db));
    pthread_mutex_init(&db->cancel_lock, NULL);
    db->conninfo = mem_strdup(config->conninfo ? config->conninfo : "");
    db->application = mem_strdup(config->application ? config->application : "nhjc");
    db->statement_timeout_ms = config->statement_timeout_ms;
    db->read_only = config->read_only;
    db->gate = config->gate;
    struct result r = read_conninfo(db);
    if (result_ok(r)) {
        r = open_connection(db);
    }
    if (!result_ok(r)) {
        db_close(&db);
        return r;
    }
    *out = db;
    return r;
}

static void wipe_free(char *secret)
{
    if (secret) {
        explicit_bzero(secret, strlen(secret));
    }
    mem_free(secret);
}

void db_close(struct db **handle)
{
    struct db *db = *handle;
    *handle = NULL;
    if (!db) {
        return;
    }
    drop_connection(db);
    drop_types(db);
    for (size_t i = 0; i < db->slot_cap; i++) {
        mem_free(db->slots[i]);
    }
    mem_free(db->slots);
    mem_free(db->types);
    mem_free(db->pipe.entries);
    mem_free(db->options);
    mem_free(db->application);
    wipe_free(db->password);
    wipe_free(db->conninfo);
    pthread_mutex_destroy(&db->cancel_lock);
    mem_free(db);
}

unsigned db_generation(const struct db *db)
{
    return db->generation;
}

/* PQcancel waits without end for a server that does not answer; who waits for the statement finds that out itself. */
void db_cancel(struct db *db)
{
    char ignored[256]; /* libpq's words; the cancelled statement tells the rest */
    pthread_mutex_lock(&db->cancel_lock);
    if (db->cancel && !db_place_silent(&db->place, db->conninfo)) {
        PQcancel(db->cancel, ignored, sizeof(ignored));
    }
    pthread_mutex_unlock(&db->cancel_lock);
}
