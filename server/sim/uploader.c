#include "sim/uploader.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/backoff.h"
#include "base/caltime.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/secret.h"
#include "payload/datacode.h"
#include "payload/finding.h"
#include "sim/base_data.h"
#include "sim/device_state.h"
#include "sim/message.h"
#include "sim/progress.h"
#include "sim/spool.h"
#include "soap/soap_client.h"

#define WINDOW 64         /* messages ahead in the spool at full speed */
#define SHOWN_FINDINGS 20 /* per answer */
#define NS INT64_C(1000000000)
#define FOREVER INT64_MAX
#define DISK_RETRY_S 1
#define COMMANDS_MAX 16 /* of one Heartbeat; the platform gives the others again */

enum state { REGISTER, RELOAD, CONFIGURE, DELIVER };

struct uploader {
    const struct sim_options *options;
    struct sim_source *source;
    struct spool *spool;
    struct soap_client *client;
    struct device_state device;
    struct base_data_head base_data; /* what lies beside the spool; no entries: nothing */
    struct sim_form form;
    struct sim_stats stats;
    struct progress progress;
    struct backoff backoff;
    enum state state;
    char config_id[65];
    struct buf config;
    /* the message being collected */
    struct buf xml;
    int building;       /* readings in it */
    int64_t built_from; /* its first slot */
    int64_t read_to;    /* the last slot ever read: what is uploaded again does not set the place back */
    bool long_enough;   /* it covers the upload period */
    bool unsynced;      /* something was appended to the spool and may not be sent yet */
    int64_t disk_retry; /* monotonic: a full disk is asked again */
    int64_t
        upload_period; /* seconds, by SET_PERIOD: a message leaves after so long though it is not full; 0: when full */
    int64_t next_beat;
    const char **cells; /* of a slot of which only some items are wanted; NULL: all are */
    bool *wanted;       /* by item */
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
    struct spool_message m = {.readings = u->building, .label = sim_source_label(u->source), .position = u->read_to};
    snprintf(m.encoding, sizeof m.encoding, "%s", u->options->encoding_name);
    snprintf(m.encryption, sizeof m.encryption, "%s", u->options->encryption_name);
    snprintf(m.digest_method, sizeof m.digest_method, "%s", u->options->digest_name);
    struct buf content = BUF_INIT;
    size_t open_len = u->xml.len;
    sim_data_end(&u->xml);
    struct result r = sim_seal(&u->form, &u->xml, m.digest, &content);
    if (result_ok(r)) {
        r = spool_append(u->spool, &m, &content);
    }
    buf_free(&content);
    if (!result_ok(r)) {
        u->xml.len = open_len; /* as it was: a full disk may have room the next time */
        return r;
    }
    buf_clear(&u->xml);
    u->building = 0;
    u->long_enough = false;
    u->unsynced = true;
    return r;
}

static RESULT flush_full(struct uploader *u)
{
    int64_t next = (int64_t)sim_source_items(u->source)->count;
    return u->long_enough || u->building + next > u->options->per_upload ? flush_message(u) : RESULT_OK;
}

static int64_t due_at(const struct uploader *u, int64_t ts)
{
    if (u->options->speed <= 0) {
        return 0;
    }
    return u->begin_ns + (int64_t)((double)(ts - u->begin_ts) * 1000.0 / u->options->speed);
}

/* The slot without the cells of items that are not wanted. */
static struct sim_slot reduced(struct uploader *u, const struct sim_slot *slot)
{
    size_t count = sim_source_items(u->source)->count;
    for (size_t i = 0; i < count; i++) {
        u->cells[i] = u->wanted[i] ? slot->cell[i] : "";
    }
    return (struct sim_slot){slot->ts, u->cells};
}

static RESULT add_slot(struct uploader *u)
{
    struct sim_slot slot;
    const struct sim_items *items = sim_source_items(u->source);
    if (!sim_source_next(u->source, &slot)) {
        return RESULT_OK;
    }
    slot = u->cells ? reduced(u, &slot) : slot;
    if (!u->building) {
        buf_clear(&u->xml);
        sim_data_begin(&u->xml, &u->form, clock_now());
        u->built_from = slot.ts;
    }
    u->building += sim_data_slot(&u->xml, items, &slot);
    u->read_to = slot.ts > u->read_to ? slot.ts : u->read_to;
    u->long_enough = u->upload_period && slot.ts + sim_source_period(u->source) * USEC_PER_SEC - u->built_from >=
                                             u->upload_period * USEC_PER_SEC;
    return flush_full(u);
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

static RESULT collect_slots(struct uploader *u, int64_t now)
{
    int64_t ts;
    TRY(flush_full(u)); /* one that had no room on the disk comes first */
    while (slot_wanted(u, now)) {
        TRY(add_slot(u));
    }
    return sim_source_peek(u->source, &ts) ? RESULT_OK : flush_message(u);
}

/* Slots that are due become messages on disk; one sync for all of them. A full disk is waited for: what waits on it is
 * delivered meanwhile, which makes room. */
static RESULT collect(struct uploader *u)
{
    int64_t now = clock_monotonic();
    if (!u->device.device_id[0] || now < u->disk_retry) {
        return RESULT_OK;
    }
    struct result r = collect_slots(u, now);
    if (r.kind == ERR_TRANSIENT) {
        progress_note(&u->progress, "磁盘已满，稍后再试 / the disk is full, again in %d s: %s", DISK_RETRY_S, r.text);
        u->disk_retry = now + DISK_RETRY_S * NS;
        r = RESULT_OK;
    }
    TRY(r);
    if (u->unsynced) {
        TRY(spool_sync(u->spool));
        u->unsynced = false;
    }
    return RESULT_OK;
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
    progress_note(&u->progress, "未送达，%.1f 秒后重试 / not delivered, again in %.1f s: %s", (double)delay / 1000.0,
                  (double)delay / 1000.0, text);
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
            progress_note(&u->progress, "问题 / finding %d %s line %lld %s %s: %s", f->code,
                          f->severity ? f->severity : "", f->line, f->data_code ? f->data_code : "",
                          f->stat_date ? f->stat_date : "", f->message ? f->message : "");
        }
    }
    if (count > SHOWN_FINDINGS) {
        progress_note(&u->progress, "… 另有 %zu 条 / and %zu further findings in this answer", count - SHOWN_FINDINGS,
                      count - SHOWN_FINDINGS);
    }
}

/* ---------------------------------------------------------------- steps */

static void use_device(struct uploader *u)
{
    u->form.device_id = u->device.device_id;
    u->form.key_len = device_state_key(&u->device, u->form.key);
    snprintf(u->stats.dic_version, sizeof u->stats.dic_version, "%s", u->device.dic_version);
    u->stats.base_entries = u->base_data.entries;
}

static RESULT save_device(struct uploader *u)
{
    struct buf text = BUF_INIT;
    device_state_write(&u->device, &text);
    struct result r = spool_save_state(u->spool, &text);
    secret_wipe(text.data, text.len);
    buf_free(&text);
    return r;
}

/* Once downloaded, the lists are kept at the platform's version. */
static bool holds_old_base_data(const struct uploader *u)
{
    return u->base_data.entries && strcmp(u->base_data.dic_version, u->device.dic_version) != 0;
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
    u->read_to = INT64_MIN;
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
    TRY(save_device(u));
    u->state = holds_old_base_data(u) ? RELOAD : CONFIGURE;
    spool_new_id(u->spool, u->config_id);
    return RESULT_OK;
}

/* The lists first, then the version that says they are here: a crash between costs another download. */
static RESULT keep_base_data(struct uploader *u, const struct client_base_data_answer *answer)
{
    struct base_data_head head;
    struct buf text = BUF_INIT;
    base_data_write(answer, &text, &head);
    struct result r = spool_save_base_data(u->spool, &text);
    buf_free(&text);
    TRY(r);
    u->base_data = head;
    progress_note(&u->progress, "基础信息 / base data: dicVersion %s → %s, %zu 张表 tables, %" PRId64 " 条 entries",
                  u->device.dic_version, head.dic_version, answer->table_count, head.entries);
    copy_text(u->device.dic_version, sizeof u->device.dic_version, head.dic_version);
    use_device(u);
    return save_device(u);
}

/* *done: the lists are here. Otherwise the answer was judged by settled(), or gave no version. */
static RESULT download_base_data(struct uploader *u, bool *answered, bool *done, enum sim_exit *exit)
{
    struct client_base_data_answer answer = {0};
    struct result r = soap_client_download_base_data(u->client, u->device.device_id, &answer);
    *answered = settled(u, r, &answer.common, exit);
    *done = *answered && answer.dic_version[0] && answer.table_count;
    return *done ? keep_base_data(u, &answer) : RESULT_OK;
}

/* An answer without lists is worth nothing, but no reason to keep the readings back. */
static RESULT step_reload(struct uploader *u, enum sim_exit *exit)
{
    bool answered, done;
    TRY(download_base_data(u, &answered, &done, exit));
    u->state = answered ? CONFIGURE : RELOAD;
    return RESULT_OK;
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

static void count_answer(struct uploader *u, int64_t position, const struct client_upload_answer *a)
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
    s->position = position;
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
    int64_t position = m->position;
    TRY(spool_done(u->spool, answer.common.code)); /* not marked: sent again, and counted then */
    count_answer(u, position, &answer);
    return RESULT_OK;
}

/* ---------------------------------------------------------------- commands */

struct command { /* the texts of an answer end with the next call */
    char id[40], kind[24], from[24], to[24], value[24];
    bool *wanted; /* by item, where the command names data codes; NULL: all are meant */
};

/* What became of a command; PUT_OFF: not reported, so the platform gives it again. */
enum outcome { DONE, FAILED, PUT_OFF };

static bool *wanted_items(const struct sim_items *items, const struct client_command *c)
{
    bool *wanted = mem_array(items->count + 1, sizeof *wanted);
    for (size_t k = 0; k < c->code_count; k++) {
        char code[DATACODE_LEN + 1];
        bool good = datacode_parse(c->data_codes[k], strlen(c->data_codes[k]), code);
        for (size_t i = 0; good && i < items->count; i++) {
            wanted[i] = wanted[i] || strcmp(items->at[i].data_code, code) == 0;
        }
    }
    return wanted;
}

static size_t count_wanted(const struct uploader *u, const struct command *c)
{
    size_t n = 0, count = sim_source_items(u->source)->count;
    for (size_t i = 0; i < count; i++) {
        n += !c->wanted || c->wanted[i];
    }
    return n;
}

static RESULT read_again(struct uploader *u, int64_t from, int64_t to, size_t *slots)
{
    int64_t ts;
    struct result r = RESULT_OK;
    sim_source_rewind(u->source);
    sim_source_skip(u->source, from - 1);
    for (*slots = 0; result_ok(r) && sim_source_peek(u->source, &ts) && ts < to && ts <= u->read_to; (*slots)++) {
        r = add_slot(u);
    }
    r = result_ok(r) ? flush_message(u) : r;
    sim_source_rewind(u->source);
    sim_source_skip(u->source, u->read_to);
    return r;
}

/* Slots of [from, to) that were read before are read again, into messages of their own. */
static RESULT upload_again(struct uploader *u, const struct command *c, char *detail, size_t size,
                           enum outcome *outcome)
{
    int64_t from, to;
    size_t slots = 0, items = count_wanted(u, c);
    *outcome = FAILED;
    if (!caltime_parse(c->from, strlen(c->from), &from) || !caltime_parse(c->to, strlen(c->to), &to)) {
        snprintf(detail, size, "起止不是时间 / from, to: not times");
        return RESULT_OK;
    }
    if (!items) {
        snprintf(detail, size, "没有这些采集项 / none of these items here");
        return RESULT_OK;
    }
    TRY(flush_message(u));
    u->wanted = c->wanted;
    u->cells = c->wanted ? mem_array(sim_source_items(u->source)->count, sizeof *u->cells) : NULL;
    struct result r = read_again(u, from, to, &slots);
    mem_free(u->cells);
    u->cells = NULL;
    u->wanted = NULL;
    *outcome = DONE;
    snprintf(detail, size, "%zu 个时刻 slots, %zu 项 items", slots, items);
    return r;
}

static enum outcome set_period(struct uploader *u, const struct command *c, char *detail, size_t size)
{
    char *end;
    long seconds = strtol(c->value, &end, 10);
    if (!*c->value || *end || seconds < 60 || seconds > 86400) {
        snprintf(detail, size, "周期须为60至86400秒 / 60 to 86400 seconds");
        return FAILED;
    }
    u->upload_period = seconds;
    return DONE;
}

/* The configuration follows: it is checked against these lists. */
static RESULT reload_base_data(struct uploader *u, char *detail, size_t size, enum outcome *outcome,
                               enum sim_exit *exit)
{
    bool answered, done;
    *outcome = PUT_OFF;
    TRY(download_base_data(u, &answered, &done, exit));
    if (!answered) {
        return RESULT_OK;
    }
    *outcome = done ? DONE : FAILED;
    if (done) {
        snprintf(detail, size, "dicVersion %s, %" PRId64 " 条 entries", u->base_data.dic_version, u->base_data.entries);
        u->state = CONFIGURE;
        spool_new_id(u->spool, u->config_id);
    } else {
        snprintf(detail, size, "答复中没有基础信息 / no base data in the answer");
    }
    return RESULT_OK;
}

static RESULT obey(struct uploader *u, const struct command *c, char *detail, size_t size, enum outcome *outcome,
                   enum sim_exit *exit)
{
    *outcome = DONE;
    snprintf(detail, size, "nhjc-sim");
    if (strcmp(c->kind, "REUPLOAD") == 0) {
        return upload_again(u, c, detail, size, outcome);
    }
    if (strcmp(c->kind, "COLLECT_NOW") == 0) {
        return flush_message(u);
    }
    if (strcmp(c->kind, "RELOAD_BASE_DATA") == 0) {
        return reload_base_data(u, detail, size, outcome, exit);
    }
    if (strcmp(c->kind, "SET_PERIOD") == 0) {
        *outcome = set_period(u, c, detail, size);
    } else if (strcmp(c->kind, "REREGISTER") == 0) {
        u->state = REGISTER;
    } else {
        *outcome = FAILED;
        snprintf(detail, size, "未知命令 / not known to nhjc-sim");
    }
    return RESULT_OK;
}

static RESULT obey_all(struct uploader *u, const struct command *commands, size_t count, enum sim_exit *exit)
{
    for (size_t i = 0; i < count; i++) {
        const struct command *c = &commands[i];
        char detail[96];
        enum outcome outcome;
        struct client_common answer = {0};
        TRY(obey(u, c, detail, sizeof detail, &outcome, exit));
        if (outcome == PUT_OFF) {
            return RESULT_OK;
        }
        progress_note(&u->progress, "平台命令 / command %s: %s, %s", c->kind, outcome == DONE ? "DONE" : "FAILED",
                      detail);
        if (!settled(
                u, soap_client_report_command(u->client, u->device.device_id, c->id, outcome == DONE, detail, &answer),
                &answer, exit)) {
            return RESULT_OK; /* the platform gives it again */
        }
        u->stats.commands++;
    }
    return RESULT_OK;
}

static RESULT step_heartbeat(struct uploader *u, enum sim_exit *exit)
{
    char now[CALTIME_TEXT];
    struct client_heartbeat_answer answer = {0};
    struct command commands[COMMANDS_MAX] = {0};
    u->next_beat = clock_monotonic() + u->options->heartbeat * NS;
    struct result r = soap_client_heartbeat(u->client, u->device.device_id, caltime_format(clock_now(), now),
                                            spool_pending_readings(u->spool), &answer);
    size_t count = answer.command_count < COMMANDS_MAX ? answer.command_count : COMMANDS_MAX;
    for (size_t i = 0; result_ok(r) && i < count; i++) {
        const struct client_command *c = &answer.commands[i];
        copy_text(commands[i].id, sizeof commands[i].id, c->id);
        copy_text(commands[i].kind, sizeof commands[i].kind, c->kind);
        copy_text(commands[i].from, sizeof commands[i].from, c->from);
        copy_text(commands[i].to, sizeof commands[i].to, c->to);
        copy_text(commands[i].value, sizeof commands[i].value, c->value);
        commands[i].wanted = c->code_count ? wanted_items(sim_source_items(u->source), c) : NULL;
    }
    r = settled(u, r, &answer.common, exit) ? obey_all(u, commands, count, exit) : RESULT_OK;
    for (size_t i = 0; i < count; i++) {
        mem_free(commands[i].wanted);
    }
    return r;
}

static bool beat_due(const struct uploader *u)
{
    return u->options->heartbeat && u->options->speed > 0 && clock_monotonic() >= u->next_beat;
}

static RESULT step(struct uploader *u, enum sim_exit *exit)
{
    switch (u->state) {
    case REGISTER:
        return step_register(u, exit);
    case RELOAD:
        return step_reload(u, exit);
    case CONFIGURE:
        return step_configure(u, exit);
    case DELIVER:
        break;
    }
    if (beat_due(u)) {
        return step_heartbeat(u, exit);
    }
    return spool_pending(u->spool) && !u->unsynced ? step_deliver(u, exit) : RESULT_OK;
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
    u->stats.left = (int64_t)(sim_source_left(u->source) * sim_source_items(u->source)->count);
    progress_show(&u->progress, &u->stats);
}

static bool given_up(struct uploader *u)
{
    int64_t limit = u->options->give_up * NS;
    if (!limit || !u->failing_since || clock_monotonic() - u->failing_since < limit) {
        return false;
    }
    progress_note(&u->progress,
                  "长时间无法送达，停止；未发数据留在缓存 / nothing was acknowledged for %" PRId64
                  " s: giving up, what is unsent stays in the spool",
                  u->options->give_up);
    return true;
}

RESULT uploader_run(struct uploader *u, enum sim_exit *exit)
{
    *exit = SIM_DONE;
    while (*exit == SIM_DONE && !finished(u)) {
        TRY(collect(u));
        if (clock_monotonic() >= u->next_try) {
            struct result r = step(u, exit);
            if (r.kind == ERR_TRANSIENT) { /* the disk is full: the step is repeated */
                retry(u, 0, r.text);
                r = RESULT_OK;
            }
            TRY(r);
        }
        sleep_until(u, next_event(u));
        if (stop_asked || given_up(u)) {
            *exit = *exit == SIM_DONE && finished(u) ? SIM_DONE : SIM_UNFINISHED;
            break;
        }
    }
    u->stats.spool_messages = (int64_t)spool_pending(u->spool);
    u->stats.spool_readings = spool_pending_readings(u->spool);
    u->stats.left = (int64_t)(sim_source_left(u->source) * sim_source_items(u->source)->count);
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
        progress_note(
            &u->progress,
            "缓存日志末尾残缺，已截去 / the journal ended in a torn record: %zu bytes, never sent, were cut off", cut);
    }
    struct buf text = BUF_INIT;
    r = spool_load_base_data(u->spool, &text);
    if (result_ok(r) && text.len && !base_data_read(&text, &u->base_data)) {
        u->base_data = (struct base_data_head){.dic_version = "?", .entries = 1}; /* damaged: loaded again */
    }
    buf_clear(&text);
    r = result_ok(r) ? spool_load_state(u->spool, &text) : r;
    if (result_ok(r) && device_state_read(&text, &u->device)) {
        use_device(u);
    }
    secret_wipe(text.data, text.len);
    buf_free(&text);
    return r;
}

/* The way out of a message that the platform will never take. */
static RESULT drop_head(struct uploader *u)
{
    const struct spool_message *m;
    TRY(spool_head(u->spool, &m, &u->content));
    if (!u->options->drop_head || !m) {
        return RESULT_OK;
    }
    char text[CALTIME_TEXT];
    progress_note(&u->progress, "放弃最早的消息 / the oldest message is given up: %s, %d readings, %s up to %s", m->id,
                  m->readings, m->label, caltime_format(m->position, text));
    u->stats.dropped = m->readings;
    return spool_done(u->spool, -1);
}

static void find_place(struct uploader *u)
{
    const char *label = sim_source_label(u->source);
    if (u->options->again) {
        spool_forget(u->spool, label);
    }
    int64_t position = spool_position(u->spool, label);
    u->stats.skipped_slots = (int64_t)sim_source_skip(u->source, position);
    u->read_to = position;
    if (position != INT64_MIN) {
        char text[CALTIME_TEXT];
        progress_note(&u->progress, "此前已读到 / %s was read up to %s before; %zu messages wait in the spool", label,
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
    u->read_to = INT64_MIN;
    u->stats.position = INT64_MIN;
    u->stats.started = clock_monotonic();
    u->form = (struct sim_form){.enterprise = options->enterprise,
                                .encoding = options->encoding,
                                .cipher = options->encryption,
                                .digest_method = options->digest};
    backoff_init(&u->backoff, options->retry_min, options->retry_max, 10000, seed);
    progress_init(&u->progress, options->progress);
    struct result r = open_spool(u);
    r = result_ok(r) ? drop_head(u) : r;
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
