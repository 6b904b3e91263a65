#include "sim/uploader.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/backoff.h"
#include "base/caltime.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/secret.h"
#include "payload/finding.h"
#include "sim/device_state.h"
#include "sim/message.h"
#include "sim/progress.h"
#include "sim/spool.h"
#include "soap/soap_client.h"

#define WINDOW 64         /* messages ahead in the spool at full speed */
#define SHOWN_FINDINGS 20 /* per answer */
#define NS INT64_C(1000000000)
#define FOREVER INT64_MAX

enum state { REGISTER, CONFIGURE, DELIVER };

struct uploader {
    const struct sim_options *options;
    struct sim_source *source;
    struct spool *spool;
    struct soap_client *client;
    struct device_state device;
    struct sim_form form;
    struct sim_stats stats;
    struct progress progress;
    struct backoff backoff;
    enum state state;
    char config_id[65];
    struct buf config;
    /* the message being collected */
    struct buf xml;
    int building;     /* readings in it */
    int64_t built_to; /* its last slot */
    /* time */
    int64_t begin_ns, begin_ts;      /* the slot begin_ts falls due at begin_ns */
    int64_t next_try, failing_since; /* failing_since: of the first failure after a success; 0: none */
    struct buf content;              /* of the message being sent */
};

static volatile sig_atomic_t stop_asked;

void uploader_stop(void)
{
    stop_asked = 1;
}

struct sim_stats *uploader_stats(struct uploader *uploader)
{
    return &uploader->stats;
}

const char *uploader_device_id(const struct uploader *uploader)
{
    return uploader->device.device_id;
}

/* ---------------------------------------------------------------- collecting */

static RESULT flush_message(struct uploader *u)
{
    if (!u->building) {
        return RESULT_OK;
    }
    struct spool_message m = {.readings = u->building, .label = sim_source_label(u->source), .position = u->built_to};
    snprintf(m.encoding, sizeof m.encoding, "%s", u->options->encoding_name);
    snprintf(m.encryption, sizeof m.encryption, "%s", u->options->encryption_name);
    snprintf(m.digest_method, sizeof m.digest_method, "%s", u->options->digest_name);
    struct buf content = BUF_INIT;
    sim_data_end(&u->xml);
    struct result r = sim_seal(&u->form, &u->xml, m.digest, &content);
    if (result_ok(r)) {
        r = spool_append(u->spool, &m, &content);
    }
    buf_free(&content);
    buf_clear(&u->xml);
    u->building = 0;
    return r;
}

static int64_t due_at(const struct uploader *u, int64_t ts)
{
    if (u->options->speed <= 0) {
        return 0;
    }
    return u->begin_ns + (int64_t)((double)(ts - u->begin_ts) * 1000.0 / u->options->speed);
}

static RESULT add_slot(struct uploader *u)
{
    struct sim_slot slot;
    const struct sim_items *items = sim_source_items(u->source);
    if (!sim_source_next(u->source, &slot)) {
        return RESULT_OK;
    }
    if (!u->building) {
        buf_clear(&u->xml);
        sim_data_begin(&u->xml, &u->form, clock_now());
    }
    u->building += sim_data_slot(&u->xml, items, &slot);
    u->built_to = slot.ts;
    return u->building + (int64_t)items->count > u->options->per_upload ? flush_message(u) : RESULT_OK;
}

static bool slot_wanted(const struct uploader *u, int64_t now)
{
    int64_t ts;
    if (!sim_source_peek(u->source, &ts)) {
        return false;
    }
    if (u->options->speed <= 0) {
        return u->building || spool_pending(u->spool) < WINDOW;
    }
    return due_at(u, ts) <= now;
}

/* Slots that are due become messages on disk; one sync for all of them. */
static RESULT collect(struct uploader *u)
{
    int64_t ts, now = clock_monotonic();
    size_t before = spool_pending(u->spool);
    if (!u->device.device_id[0]) {
        return RESULT_OK;
    }
    while (slot_wanted(u, now)) {
        TRY(add_slot(u));
    }
    if (!sim_source_peek(u->source, &ts)) {
        TRY(flush_message(u));
    }
    return spool_pending(u->spool) > before ? spool_sync(u->spool) : RESULT_OK;
}

/* ---------------------------------------------------------------- answers */

/* Without a code nobody refused: it is this side that cannot go on (a server that is not trusted, an answer too long).
 */
static void refuse(struct uploader *u, int code, const char *text, enum sim_exit *exit)
{
    u->stats.last_code = u->stats.refused_code = code;
    mem_free(u->stats.refused_text);
    u->stats.refused_text = mem_strdup(text);
    *exit = code ? SIM_REFUSED : SIM_BROKEN;
}

static void retry(struct uploader *u, int code, const char *text)
{
    int64_t now = clock_monotonic();
    int64_t delay = backoff_fail(&u->backoff, now / 1000000);
    u->next_try = now + delay * 1000000;
    u->failing_since = u->failing_since ? u->failing_since : now;
    u->stats.retries++;
    u->stats.last_code = code;
    progress_note(&u->progress, "not delivered, again in %.1f s: %s", (double)delay / 1000.0, text);
}

/* The one place where an answer is judged. true: the step was done. */
static bool settled(struct uploader *u, struct result r, const struct client_common *answer, enum sim_exit *exit)
{
    int code = result_ok(r) ? answer->code : r.code;
    const char *text = result_ok(r) ? answer->message : r.text;
    const struct code_row *row = code_find(code);
    if (result_ok(r) && (code == 0 || code == 2)) {
        u->stats.last_code = code;
        u->next_try = u->failing_since = 0;
        backoff_success(&u->backoff, clock_monotonic() / 1000000);
        return true;
    }
    if (r.kind == ERR_TRANSIENT || (row && row->retryable)) {
        retry(u, code, text);
    } else {
        refuse(u, code, text, exit);
    }
    return false;
}

static void show_findings(struct uploader *u, const struct client_finding *findings, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct client_finding *f = &findings[i];
        sim_stats_finding(&u->stats, f->code);
        if (i < SHOWN_FINDINGS) {
            progress_note(&u->progress, "finding %d %s line %lld %s %s: %s", f->code, f->severity ? f->severity : "",
                          f->line, f->data_code ? f->data_code : "", f->stat_date ? f->stat_date : "",
                          f->message ? f->message : "");
        }
    }
    if (count > SHOWN_FINDINGS) {
        progress_note(&u->progress, "… and %zu further findings in this answer", count - SHOWN_FINDINGS);
    }
}

/* ---------------------------------------------------------------- steps */

static void use_device(struct uploader *u)
{
    u->form.device_id = u->device.device_id;
    u->form.key_len = device_state_key(&u->device, u->form.key);
}

static void copy_text(char *to, size_t size, const char *from)
{
    snprintf(to, size, "%s", from ? from : "");
}

/* A platform that was made anew knows neither the device nor what it sent: waiting messages carry the former deviceId
 * and would be refused for ever, and what the former platform acknowledged is not there. */
static RESULT start_over(struct uploader *u, const char *device_id)
{
    if (!u->device.device_id[0] || strcmp(u->device.device_id, device_id) == 0) {
        return RESULT_OK;
    }
    progress_note(
        &u->progress,
        "平台给出新的deviceId，从头重发 / the platform gave another deviceId: %zu waiting messages are dropped and "
        "the source is read from its beginning",
        spool_pending(u->spool));
    TRY(spool_start_over(u->spool));
    sim_source_rewind(u->source);
    buf_clear(&u->xml);
    u->building = 0;
    u->stats.skipped_slots = 0;
    return RESULT_OK;
}

static RESULT step_register(struct uploader *u, enum sim_exit *exit)
{
    const struct sim_options *o = u->options;
    struct client_register_answer answer = {0};
    struct result r =
        soap_client_register(u->client, o->enterprise, o->region, o->serial, "nhjc-sim " NHJC_VERSION, &answer);
    if (!settled(u, r, &answer.common, exit)) {
        return RESULT_OK;
    }
    TRY(start_over(u, answer.device_id ? answer.device_id : ""));
    copy_text(u->device.device_id, sizeof u->device.device_id, answer.device_id);
    copy_text(u->device.reg_version, sizeof u->device.reg_version, answer.reg_version);
    copy_text(u->device.dic_version, sizeof u->device.dic_version, answer.dic_version);
    copy_text(u->device.secret_key, sizeof u->device.secret_key, answer.secret_key);
    use_device(u);
    u->state = CONFIGURE;
    spool_new_id(u->spool, u->config_id);
    struct buf text = BUF_INIT;
    device_state_write(&u->device, &text);
    r = spool_save_state(u->spool, &text);
    secret_wipe(text.data, text.len);
    buf_free(&text);
    return r;
}

static RESULT step_configure(struct uploader *u, enum sim_exit *exit)
{
    struct client_config_answer answer = {0};
    struct result r = soap_client_upload_config(u->client, u->config_id, u->device.device_id, u->options->enterprise,
                                                u->device.dic_version, u->config.data, u->config.len, &answer);
    if (result_ok(r)) {
        show_findings(u, answer.findings, answer.finding_count);
    }
    if (settled(u, r, &answer.common, exit)) {
        u->state = DELIVER;
    }
    return RESULT_OK;
}

static void count_answer(struct uploader *u, const struct spool_message *m, const struct client_upload_answer *a)
{
    struct sim_stats *s = &u->stats;
    s->uploads++;
    s->duplicates += a->duplicate ? 1 : 0;
    s->readings += a->received;
    s->stored += a->stored;
    s->unchanged += a->unchanged;
    s->corrected += a->corrected;
    s->suspect += a->suspect;
    s->rejected += a->rejected;
    s->position = m->position;
}

static RESULT step_deliver(struct uploader *u, enum sim_exit *exit)
{
    const struct spool_message *m;
    TRY(spool_head(u->spool, &m, &u->content));
    struct client_upload upload = {.message_id = m->id,
                                   .device_id = u->device.device_id,
                                   .enterprise_code = u->options->enterprise,
                                   .reg_version = u->device.reg_version,
                                   .dic_version = u->device.dic_version,
                                   .content_encoding = m->encoding,
                                   .encryption = m->encryption,
                                   .digest_method = m->digest_method,
                                   .digest = m->digest,
                                   .content = u->content.data,
                                   .content_len = u->content.len};
    struct client_upload_answer answer = {0};
    struct result r = soap_client_upload(u->client, &upload, &answer);
    if (result_ok(r)) {
        show_findings(u, answer.findings, answer.finding_count);
    }
    if (!settled(u, r, &answer.common, exit)) {
        return RESULT_OK;
    }
    count_answer(u, m, &answer);
    return spool_done(u->spool, answer.common.code);
}

static RESULT step(struct uploader *u, enum sim_exit *exit)
{
    switch (u->state) {
    case REGISTER:
        return step_register(u, exit);
    case CONFIGURE:
        return step_configure(u, exit);
    case DELIVER:
        return spool_pending(u->spool) ? step_deliver(u, exit) : RESULT_OK;
    }
    return RESULT_OK;
}

/* ---------------------------------------------------------------- the run */

/* Everything chosen is acknowledged; an empty choice still registers and configures. */
static bool finished(const struct uploader *u)
{
    int64_t ts;
    return u->state == DELIVER && !spool_pending(u->spool) && !u->building && !sim_source_peek(u->source, &ts);
}

static int64_t next_event(const struct uploader *u)
{
    int64_t ts, due = FOREVER;
    if (u->device.device_id[0] && sim_source_peek(u->source, &ts) && u->options->speed > 0) {
        due = due_at(u, ts);
    }
    bool to_do = u->state != DELIVER || spool_pending(u->spool);
    int64_t try_at = to_do ? u->next_try : FOREVER;
    return due < try_at ? due : try_at;
}

static void sleep_until(struct uploader *u, int64_t when)
{
    int64_t now = clock_monotonic(), wait = when - now;
    if (wait > NS / 5) {
        wait = NS / 5; /* progress goes on, and a signal is seen */
    }
    if (wait > 0) {
        struct timespec t = {.tv_sec = wait / NS, .tv_nsec = wait % NS};
        nanosleep(&t, NULL);
    }
    u->stats.spool_messages = (int64_t)spool_pending(u->spool);
    u->stats.spool_readings = spool_pending_readings(u->spool) + u->building;
    progress_show(&u->progress, &u->stats);
}

static bool given_up(struct uploader *u)
{
    int64_t limit = u->options->give_up * NS;
    if (!limit || !u->failing_since || clock_monotonic() - u->failing_since < limit) {
        return false;
    }
    progress_note(&u->progress,
                  "nothing was acknowledged for %" PRId64 " s: giving up, what is unsent stays in the spool",
                  u->options->give_up);
    return true;
}

RESULT uploader_run(struct uploader *u, enum sim_exit *exit)
{
    *exit = SIM_DONE;
    while (*exit == SIM_DONE && !finished(u)) {
        TRY(collect(u));
        if (clock_monotonic() >= u->next_try) {
            TRY(step(u, exit));
        }
        sleep_until(u, next_event(u));
        if (stop_asked || given_up(u)) {
            *exit = *exit == SIM_DONE && finished(u) ? SIM_DONE : SIM_UNFINISHED;
            break;
        }
    }
    u->stats.spool_messages = (int64_t)spool_pending(u->spool);
    u->stats.spool_readings = spool_pending_readings(u->spool);
    u->stats.complete = *exit == SIM_DONE;
    progress_end(&u->progress, &u->stats);
    return RESULT_OK;
}

/* ---------------------------------------------------------------- open and close */

static RESULT open_spool(struct uploader *u)
{
    size_t cut;
    char *owner = mem_printf("%s/%s", u->options->enterprise, u->options->serial);
    struct result r = spool_open(u->options->spool, owner, &u->spool, &cut);
    mem_free(owner);
    TRY(r);
    if (cut) {
        progress_note(&u->progress, "the journal ended in a torn record: %zu bytes, never sent, were cut off", cut);
    }
    struct buf text = BUF_INIT;
    r = spool_load_state(u->spool, &text);
    if (result_ok(r) && device_state_read(&text, &u->device)) {
        use_device(u);
    }
    secret_wipe(text.data, text.len);
    buf_free(&text);
    return r;
}

static void find_place(struct uploader *u)
{
    const char *label = sim_source_label(u->source);
    if (u->options->again) {
        spool_forget(u->spool, label);
    }
    int64_t position = spool_position(u->spool, label);
    u->stats.skipped_slots = (int64_t)sim_source_skip(u->source, position);
    if (position != INT64_MIN) {
        char text[CALTIME_TEXT];
        progress_note(&u->progress, "%s was read up to %s before; %zu messages wait in the spool", label,
                      caltime_format(position, text), spool_pending(u->spool));
    }
    u->begin_ns = clock_monotonic();
    if (!sim_source_peek(u->source, &u->begin_ts)) {
        u->begin_ts = 0;
    }
}

static RESULT open_client(struct uploader *u)
{
    const struct sim_options *o = u->options;
    const char *host = strstr(o->url, "://");
    bool has_path = host && strchr(host + 3, '/');
    char *url = mem_printf("%s%s", o->url, has_path ? "" : "/services/access");
    struct tls_client_config config = {.url = url,
                                       .cert_file = o->cert,
                                       .key_file = o->key,
                                       .ca_file = o->ca,
                                       .connect_ms = 10000,
                                       .timeout_ms = (int)o->timeout * 1000,
                                       .max_answer = 16 << 20};
    struct result r = soap_client_new(&config, &u->client);
    mem_free(url);
    return r;
}

static void make_config(struct uploader *u)
{
    const struct sim_options *o = u->options;
    char *name = o->name ? NULL : mem_printf("nhjc-sim %s", o->enterprise);
    struct sim_profile profile = {o->enterprise, o->name ? o->name : name, o->region, o->industry};
    sim_config_document(&u->config, &profile, sim_source_items(u->source), sim_source_period(u->source));
    mem_free(name);
}

RESULT uploader_open(const struct sim_options *options, struct sim_source *source, struct uploader **uploader)
{
    struct uploader *u = mem_alloc(sizeof *u);
    uint64_t seed;
    random_bytes(&seed, sizeof seed);
    u->options = options;
    u->source = source;
    u->stats.position = INT64_MIN;
    u->stats.started = clock_monotonic();
    u->form = (struct sim_form){.enterprise = options->enterprise,
                                .encoding = options->encoding,
                                .cipher = options->encryption,
                                .digest_method = options->digest};
    backoff_init(&u->backoff, options->retry_min, options->retry_max, 10000, seed);
    progress_init(&u->progress, options->progress);
    struct result r = open_spool(u);
    if (result_ok(r)) {
        find_place(u);
        make_config(u);
        r = open_client(u);
    }
    if (!result_ok(r)) {
        uploader_close(&u);
    }
    *uploader = u;
    return r;
}

void uploader_close(struct uploader **uploader)
{
    struct uploader *u = *uploader;
    if (!u) {
        return;
    }
    soap_client_free(&u->client);
    spool_close(&u->spool);
    buf_free(&u->config);
    buf_free(&u->xml);
    buf_free(&u->content);
    sim_stats_free(&u->stats);
    secret_wipe(&u->device, sizeof u->device);
    secret_wipe(&u->form, sizeof u->form);
    mem_free(u);
    *uploader = NULL;
}
