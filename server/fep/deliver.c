/* One message to the other side, and what becomes of it. No transaction is open while it is under way. */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "fep/fep_internal.h"

enum { SETTLE_PAUSE_MS = 500, SETTLE_TRIES_AT_STOP = 3, REFRESH_TRIES = 3 };

struct delivery {
    struct lane *lane;
    struct fep_message *m;
    struct result result;
    struct fep_reply reply;
    enum verdict verdict;
    struct outbox_outcome outcome;
    char upload_id[68];
    char reason[FEP_REPLY_TEXT]; /* the other side's words, or what failed on the way */
};

/* The database refuses bytes that are not UTF-8, and an answer may be cut or wrong in the middle. */
static void clean_text(char *out, size_t size, const char *text)
{
    size_t len = strlen(text), n = 0;
    for (size_t i = 0; i < len && n + 4 < size;) {
        uint32_t c;
        size_t step = utf8_next(text + i, len - i, &c);
        if (step)
            memcpy(out + n, text + i, step);
        else
            out[n] = '?';
        n += step ? step : 1;
        i += step ? step : 1;
    }
    out[n] = 0;
}

static int code_of(const struct delivery *d)
{
    if (result_ok(d->result))
        return d->reply.code;
    return d->result.code ? d->result.code : -1;
}

static void describe(struct delivery *d)
{
    clean_text(d->reason, sizeof d->reason, result_ok(d->result) ? d->reply.text : d->result.text);
    d->outcome = (struct outbox_outcome){.now = clock_now(), .code = code_of(d), .text = d->reason};
}

/* ---- link ---- */

static void note_link(struct fep *f, bool open, bool refused)
{
    fep_gauge(f->metrics, FEP_M_LINK, open);
    fep_gauge(f->metrics, FEP_M_ALARM, refused);
}

/* A renewed certificate is read from its file by the next binding. */
void fep_fail_link(struct lane *lane, bool alarm, bool probe, const char *reason)
{
    link_failed(&lane->fep->link, fep_monotonic_ms(), alarm, probe, reason);
    note_link(lane->fep, false, alarm);
    if (alarm && lane->bound) {
        lane->binding.free(lane->binding.self);
        lane->bound = false;
    }
}

/* Retry-After of an answer; not longer than our own longest pause. */
static void hold_link(struct fep *f, const struct fep_reply *reply)
{
    int64_t ms = (int64_t)reply->retry_after * 1000, most = f->destination.retry_max_ms;
    if (ms > 0)
        link_hold(&f->link, fep_monotonic_ms(), ms < most ? ms : most);
}

static enum verdict call_register(struct lane *lane, struct fep_reply *reply, char *reason, size_t size)
{
    *reply = (struct fep_reply){0};
    struct result r = lane->binding.register_platform(lane->binding.self, reply);
    const char *words = result_ok(r) ? reply->text : r.text;
    char text[FEP_REPLY_TEXT];
    clean_text(text, sizeof text, words);
    snprintf(reason, size, "register: %d %s", result_ok(r) ? reply->code : r.code, text);
    return verdict_of(r, reply->code);
}

bool fep_register(struct lane *lane)
{
    struct fep *f = lane->fep;
    struct fep_reply reply;
    char reason[FEP_REPLY_TEXT + 40];
    enum verdict v = call_register(lane, &reply, reason, sizeof reason);
    if (v != VERDICT_ACCEPTED) {
        fep_fail_link(lane, v != VERDICT_RETRY, true, reason);
        hold_link(f, &reply);
        return false;
    }
    note_link(f, true, false);
    f->no_heartbeat = false;
    if (link_opened(&f->link, fep_monotonic_ms(), reply.reg_version, reply.dic_version)) {
        struct result r = outbox_hasten(lane->db, f->id, clock_now());
        if (!result_ok(r))
            log_result(LOG_WARN, "fep", "hasten", r);
    }
    return true;
}

/* ---- what each verdict does ---- */

/* The lanes look again then, not only at their next poll. */
static void note_retry(struct fep *f, int64_t ms)
{
    int64_t at = clock_monotonic() + ms * 1000000;
    pthread_mutex_lock(&f->claims);
    if (!f->retry_at || at < f->retry_at)
        f->retry_at = at;
    pthread_mutex_unlock(&f->claims);
}

static void later(struct delivery *d, bool alarm)
{
    const struct fep_destination *c = &d->lane->fep->destination;
    int64_t ms = fep_retry_delay_ms(d->m->attempts, c->retry_min_ms, c->retry_max_ms, d->lane->random++ * 2654435761U);
    d->outcome.event = FEP_FAIL;
    d->outcome.next_at = d->outcome.now + ms * 1000;
    note_retry(d->lane->fep, ms);
    fep_count(d->lane->fep->metrics, FEP_M_FAILED, 1);
    fep_fail_link(d->lane, alarm, false, d->reason);
    hold_link(d->lane->fep, &d->reply);
}

static void on_link(struct delivery *d)
{
    later(d, true);
}

/* Our versions are old: learn the new ones, and the same message again. */
static void on_refresh(struct delivery *d)
{
    if (d->m->attempts >= REFRESH_TRIES) {
        later(d, true);
        return;
    }
    link_refresh(&d->lane->fep->link);
    fep_count(d->lane->fep->metrics, FEP_M_FAILED, 1);
    d->outcome.event = FEP_FAIL;
    d->outcome.next_at = d->outcome.now;
}

static void on_accepted(struct delivery *d)
{
    struct fep *f = d->lane->fep;
    d->outcome.event = FEP_RECEIPT;
    clean_text(d->upload_id, sizeof d->upload_id, d->reply.upload_id);
    d->outcome.upload_id = d->upload_id[0] ? d->upload_id : NULL;
    fep_count(f->metrics, FEP_M_SENT, 1);
    fep_count(f->metrics, FEP_M_RECORDS, d->m->kind == PACK_DATA ? d->m->records - d->reply.rejected : 0);
    link_worked(&f->link, fep_monotonic_ms());
    fep_count(f->metrics, FEP_M_REJECTED, d->reply.rejected);
    log_write(d->reply.code ? LOG_WARN : LOG_DEBUG, "fep", d->reply.code ? "message.partly" : "message.sent",
              "destination=%s message=%s records=%d rejected=%d code=%d duplicate=%d attempts=%d",
              log_quote(f->destination.name), d->m->message_id, d->m->records, d->reply.rejected, d->reply.code,
              d->reply.duplicate, d->m->attempts);
}

static void settle_shares(struct delivery *d, const struct outbox_share *shares, size_t count, bool alone)
{
    struct fep *f = d->lane->fep;
    d->outcome.event = alone ? FEP_REFUSE : FEP_SPLIT;
    pthread_mutex_lock(&f->claims);
    if (alone)
        aside_refused(&f->aside, shares[0].unit_id);
    else
        aside_split(&f->aside, shares, count);
    pthread_mutex_unlock(&f->claims);
    fep_count(f->metrics, alone ? FEP_M_PARKED : FEP_M_SPLIT, 1);
    log_write(alone ? LOG_ERROR : LOG_WARN, "fep", alone ? "message.parked" : "message.split",
              "destination=%s message=%s code=%d enterprise=%s enterprises=%zu", log_quote(f->destination.name),
              d->m->message_id, d->outcome.code, shares[0].unit_code, count);
    link_worked(&f->link, fep_monotonic_ms());
}

/* One row is parked, or waits on when it may not be; several are divided. Without the shares nothing is decided: try
 * again later. */
static void divide(struct delivery *d, bool park)
{
    struct outbox_share *shares = NULL;
    size_t count = 0;
    struct result r = outbox_shares(d->lane->db, d->m->id, &shares, &count);
    bool alone = count == 1 && shares[0].rows == 1;
    if (!result_ok(r) || count == 0 || (alone && !park))
        later(d, false);
    else
        settle_shares(d, shares, count, alone);
    mem_free(shares);
}

static void on_refused(struct delivery *d)
{
    divide(d, true);
}

/* Put off again and again although the way is open: it is this message. Divided, it holds up only the row that is the
 * reason; nothing is parked without a refusal. */
static void on_retry(struct delivery *d)
{
    if (d->outcome.code < 9000 || d->m->put_off + 1 < OUTBOX_STUCK_TRIES) {
        later(d, false);
        return;
    }
    divide(d, false);
    hold_link(d->lane->fep, &d->reply);
}

/* 1103, 1104 may mean an enterprise or this platform as a whole: whoever may register may send. */
static void on_doubtful(struct delivery *d)
{
    struct fep_reply reply;
    char reason[FEP_REPLY_TEXT + 40];
    enum verdict v = call_register(d->lane, &reply, reason, sizeof reason);
    if (v == VERDICT_ACCEPTED)
        on_refused(d);
    else
        later(d, v != VERDICT_RETRY);
}

static void (*const ON_VERDICT[VERDICTS])(struct delivery *d) = {
    [VERDICT_ACCEPTED] = on_accepted, [VERDICT_RETRY] = on_retry,       [VERDICT_REFRESH] = on_refresh,
    [VERDICT_LINK] = on_link,         [VERDICT_DOUBTFUL] = on_doubtful, [VERDICT_REFUSED] = on_refused,
};

/* ---- sending and settling ---- */

static void call(struct delivery *d)
{
    struct lane *lane = d->lane;
    char reg[64], dic[64];
    link_versions(&lane->fep->link, reg, dic);
    struct fep_versions versions = {reg, dic};
    int64_t start = clock_monotonic();
    d->result = d->m->kind == PACK_CONFIG ? lane->binding.send_config(lane->binding.self, d->m, &d->reply)
                                          : lane->binding.send_data(lane->binding.self, d->m, &versions, &d->reply);
    metric_observe(&lane->fep->metrics->at[FEP_M_SEND_TIME], (clock_monotonic() - start) / 1000);
    d->verdict = verdict_of(d->result, d->reply.code);
    describe(d);
}

/* Everything in it had been refused at intake: there is nothing to say to the other side. */
static void skip_empty(struct delivery *d)
{
    snprintf(d->reason, sizeof d->reason, "nothing left to forward");
    d->outcome = (struct outbox_outcome){.event = FEP_RECEIPT, .now = clock_now(), .code = 0, .text = d->reason};
}

/* An answer in hand is not lost to a database that is away for a while. */
static RESULT settle(struct delivery *d)
{
    struct fep *f = d->lane->fep;
    enum fep_state to;
    struct result r;
    for (int tries = 1;; tries++) {
        r = outbox_settle(d->lane->db, d->m->id, &d->outcome, &to);
        if (result_ok(r) || r.kind != ERR_TRANSIENT || (fep_stopping(f) && tries >= SETTLE_TRIES_AT_STOP))
            return r;
        if (tries == 1)
            log_result(LOG_WARN, "fep", "settle", r);
        fep_sleep(f, SETTLE_PAUSE_MS);
    }
}

/* An enterprise that had been refused is accepted again: it may share messages with others. */
static void accept_again(struct lane *lane)
{
    pthread_mutex_lock(&lane->fep->claims);
    aside_accepted(&lane->fep->aside, lane->alone);
    pthread_mutex_unlock(&lane->fep->claims);
}

void fep_deliver(struct lane *lane)
{
    struct delivery d = {.lane = lane, .m = &lane->message};
    if (d.m->records == 0) {
        skip_empty(&d);
    } else {
        call(&d);
        ON_VERDICT[d.verdict](&d);
    }
    if (d.outcome.event == FEP_RECEIPT)
        accept_again(lane);
    struct result r = settle(&d);
    pthread_mutex_lock(&lane->fep->claims);
    lane->message.id = 0;
    pthread_mutex_unlock(&lane->fep->claims);
    if (!result_ok(r)) { /* the hands are empty before anybody looks for lost leases */
        fep_fail_link(lane, false, false, r.text);
        fep_want_recovery(lane->fep);
    }
}
