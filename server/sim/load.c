#include "sim/load.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "base/caltime.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/secret.h"
#include "net/tls_client.h"
#include "sim/message.h"
#include "sim/template.h"
#include "soap/soap_client.h"

#define NS INT64_C(1000000000)
#define ERROR_KINDS 16
#define PAUSE_MS 50 /* after "not now", unless the platform says more */

struct device {
    char code[19];
    struct tls_client *client;
    struct template *template;
    int64_t next; /* upload */
    bool ended;   /* its readings would reach the present */
};

struct error_count { /* what went wrong how often: a code, or 0 with the text of the transport */
    int code;
    char text[96];
    int64_t count;
};

struct worker {
    pthread_t thread;
    struct load *load;
    int index;
    struct result setup;
    char setup_text[200];
    int64_t uploads, readings, stored, unchanged, bytes;
    int32_t *latency; /* microseconds per acknowledged upload */
    size_t latency_count, latency_cap;
    struct error_count errors[ERROR_KINDS];
    struct buf answer;
};

struct load {
    const struct sim_options *options;
    int items;
    char run[17];
    int64_t first, start, end; /* instant of the first reading; monotonic ns */
    struct device *devices;
    struct worker *workers;
    pthread_barrier_t ready, go;
    atomic_bool failed;
};

static atomic_bool stop_asked;

void load_stop(void)
{
    atomic_store(&stop_asked, true);
}

/* ---------------------------------------------------------------- enterprise codes */

static const char DIGITS[] = "0123456789ABCDEFGHJKLMNPQRTUWXY";      /* GB 32100: without I, O, S, V, Z */
static const char VALUES[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"; /* GB 11714 */

void load_enterprise(unsigned n, char code[19])
{
    static const int weight[] = {3, 7, 9, 10, 5, 8, 4, 2};
    int sum = 0, factor = 1;
    snprintf(code, 19, "91420100LD%06u", n % 1000000);
    for (int i = 0; i < 8; i++) {
        sum += (int)(strchr(VALUES, code[8 + i]) - VALUES) * weight[i];
    }
    code[16] = "0123456789X0"[11 - sum % 11];
    sum = 0;
    for (int i = 0; i < 17; i++) {
        sum += (int)(strchr(DIGITS, code[i]) - DIGITS) * factor;
        factor = factor * 3 % 31;
    }
    code[17] = DIGITS[(31 - sum % 31) % 31];
    code[18] = '\0';
}

/* ---------------------------------------------------------------- counting */

static void count_error(struct worker *w, int code, const char *text)
{
    for (int i = 0; i < ERROR_KINDS; i++) {
        struct error_count *e = &w->errors[i];
        if (!e->count || (e->code == code && (code || strncmp(e->text, text, sizeof e->text - 1) == 0))) {
            e->code = code;
            snprintf(e->text, sizeof e->text, "%s", text);
            e->count++;
            return;
        }
    }
    w->errors[ERROR_KINDS - 1].count++;
}

static void count_latency(struct worker *w, int64_t ns)
{
    if (w->latency_count == w->latency_cap) {
        w->latency_cap = w->latency_cap ? w->latency_cap * 2 : 4096;
        w->latency = mem_grow(w->latency, w->latency_cap * sizeof *w->latency);
    }
    int64_t us = ns / 1000;
    w->latency[w->latency_count++] = us > INT32_MAX ? INT32_MAX : (int32_t)us;
}

/* The number in <…name>number<; -1: absent. Answers are of our own making: no entities, no attributes there. */
static int64_t number_in(const char *answer, const char *name)
{
    const char *p = strstr(answer, name);
    return p && p[strlen(name)] == '>' ? strtoll(p + strlen(name) + 1, NULL, 10) : -1;
}

/* ---------------------------------------------------------------- set-up */

static void client_config(const struct load *l, const char *code, char **cert, char **key, char **url,
                          struct tls_client_config *c)
{
    const struct sim_options *o = l->options;
    *cert = mem_printf("%s/%s.pem", o->pki, code);
    *key = mem_printf("%s/%s.key", o->pki, code);
    *url = mem_printf("%s/services/access", o->url);
    *c = (struct tls_client_config){.url = *url,
                                    .cert_file = *cert,
                                    .key_file = *key,
                                    .ca_file = o->ca,
                                    .connect_ms = 10000,
                                    .timeout_ms = (int)o->timeout * 1000,
                                    .max_answer = 4 << 20};
}

static void free_texts(char *a, char *b, char *c)
{
    mem_free(a);
    mem_free(b);
    mem_free(c);
}

static struct sim_items make_items(int count)
{
    struct sim_items items = {.at = mem_array((size_t)count, sizeof *items.at), .count = (size_t)count};
    for (int i = 0; i < count; i++) {
        struct sim_item *item = &items.at[i];
        template_code(i, item->data_code);
        item->column = mem_printf("item%d", i);
        item->name = mem_printf("采集项%d", i);
        item->unit = mem_strdup(template_unit(i));
        item->aggregation = mem_strdup(i % 5 == 4 ? "mean" : "sum");
    }
    return items;
}

static RESULT answered(struct result r, const struct client_common *answer, const char *what)
{
    TRY(r);
    return answer->code == 0 ? RESULT_OK
                             : result_error(ERR_SENDER, answer->code, "%s: %d %s", what, answer->code, answer->message);
}

static RESULT configure(struct load *l, struct soap_client *client, const char *code,
                        const struct client_register_answer *device)
{
    struct sim_items items = make_items(l->items);
    struct buf document = BUF_INIT;
    struct sim_profile profile = {code, code, l->options->region, l->options->industry};
    struct client_config_answer answer = {0};
    sim_config_document(&document, &profile, &items, (int32_t)l->options->period);
    struct result r = answered(soap_client_upload_config(client, l->run, device->device_id, code, device->dic_version,
                                                         document.data, document.len, &answer),
                               &answer.common, "UploadConfig");
    buf_free(&document);
    sim_items_free(&items);
    return r;
}

static RESULT register_device(struct load *l, struct soap_client *client, struct device *d)
{
    struct client_register_answer answer = {0};
    TRY(answered(soap_client_register(client, d->code, l->options->region, l->options->serial, "nhjc-sim " NHJC_VERSION,
                                      &answer),
                 &answer.common, "Register"));
    struct template_config config = {.enterprise = d->code,
                                     .device_id = answer.device_id,
                                     .reg_version = answer.reg_version,
                                     .dic_version = answer.dic_version,
                                     .run = l->run,
                                     .items = l->items,
                                     .readings = (int)l->options->per_upload,
                                     .first = l->first,
                                     .period = (int32_t)l->options->period};
    d->template = template_new(&config);
    char device_id[64], dic_version[64];
    snprintf(device_id, sizeof device_id, "%s", answer.device_id);
    snprintf(dic_version, sizeof dic_version, "%s", answer.dic_version);
    answer.device_id = device_id; /* the next call ends the answer's texts */
    answer.dic_version = dic_version;
    return configure(l, client, d->code, &answer);
}

/* Registers and configures once over a short connection, then opens the one that is kept. */
static RESULT setup_device(struct load *l, struct device *d)
{
    char *cert, *key, *url;
    struct tls_client_config config;
    struct soap_client *client = NULL;
    client_config(l, d->code, &cert, &key, &url, &config);
    struct result r = soap_client_new(&config, &client);
    if (result_ok(r)) {
        r = register_device(l, client, d);
    }
    soap_client_free(&client);
    if (result_ok(r)) {
        r = tls_client_new(&config, &d->client);
    }
    free_texts(cert, key, url);
    return r;
}

/* ---------------------------------------------------------------- the load */

static void wait_until(int64_t when)
{
    int64_t wait = when - clock_monotonic();
    if (wait > 0) {
        struct timespec t = {.tv_sec = wait / NS, .tv_nsec = wait % NS};
        nanosleep(&t, NULL);
    }
}

static void take_answer(struct worker *w, struct device *d, int status, int retry_after, size_t bytes, int64_t latency)
{
    const char *answer = buf_str(&w->answer);
    int64_t code = number_in(answer, "responseCode");
    if (status == 200 && (code == 0 || code == 2)) {
        w->uploads++;
        w->readings += w->load->options->per_upload;
        w->stored += number_in(answer, "recordsStored");
        w->unchanged += number_in(answer, "recordsUnchanged");
        w->bytes += (int64_t)bytes;
        count_latency(w, latency);
        d->next++;
        return;
    }
    char text[96];
    snprintf(text, sizeof text, "HTTP %d", status);
    count_error(w, code > 0 ? (int)code : 0, text);
    wait_until(clock_monotonic() + (retry_after > 0 ? retry_after * NS : PAUSE_MS * INT64_C(1000000)));
}

static RESULT send_one(struct worker *w, struct device *d, int64_t planned)
{
    const struct buf *request;
    int status = 0, retry_after = 0;
    TRY(template_fill(d->template, d->next, &request));
    int64_t begin = planned ? planned : clock_monotonic();
    buf_clear(&w->answer);
    struct result r = tls_client_post(d->client, NULL, "text/xml; charset=utf-8", "urn:nhjc:access:v1#UploadData",
                                      request, &status, &retry_after, &w->answer);
    if (!result_ok(r)) {
        count_error(w, r.code, r.text);
        wait_until(clock_monotonic() + PAUSE_MS * INT64_C(1000000));
        return RESULT_OK;
    }
    take_answer(w, d, status, retry_after, request->len, clock_monotonic() - begin);
    return RESULT_OK;
}

/* This worker's next device that still has readings of the past to send; NULL: none. */
static struct device *next_device(struct worker *w, int64_t *turn)
{
    const struct sim_options *o = w->load->options;
    int64_t mine = (o->devices - w->index + o->parallel - 1) / o->parallel;
    for (int64_t tried = 0; tried < mine; tried++) {
        struct device *d = &w->load->devices[w->index + (*turn)++ % mine * o->parallel];
        d->ended = d->ended || template_last(d->template, d->next) > clock_now() - 60 * USEC_PER_SEC;
        if (!d->ended) {
            return d;
        }
    }
    return NULL;
}

static RESULT run_devices(struct worker *w)
{
    struct load *l = w->load;
    struct device *d;
    int64_t turn = 0, planned = 0;
    for (int64_t n = 0; (d = next_device(w, &turn)) != NULL && !atomic_load(&stop_asked); n++) {
        if (l->options->rate > 0) {
            planned = l->start + (int64_t)((double)(n * l->options->parallel + w->index) / l->options->rate * 1e9);
            wait_until(planned < l->end ? planned : l->end);
        }
        if (clock_monotonic() >= l->end) {
            break;
        }
        TRY(send_one(w, d, planned));
    }
    return RESULT_OK;
}

static RESULT setup_devices(struct worker *w)
{
    const struct sim_options *o = w->load->options;
    for (int64_t i = w->index; i < o->devices; i += o->parallel) {
        TRY(setup_device(w->load, &w->load->devices[i]));
    }
    return RESULT_OK;
}

static void *worker_main(void *arg)
{
    struct worker *w = arg;
    w->setup = setup_devices(w);
    if (!result_ok(w->setup)) {
        atomic_store(&w->load->failed, true);
    }
    snprintf(w->setup_text, sizeof w->setup_text, "%s", w->setup.text);
    pthread_barrier_wait(&w->load->ready);
    pthread_barrier_wait(&w->load->go);
    if (!atomic_load(&w->load->failed)) {
        struct result r = run_devices(w);
        if (!result_ok(r)) {
            count_error(w, r.code, r.text);
        }
    }
    return NULL;
}

/* ---------------------------------------------------------------- the result */

static int by_value(const void *a, const void *b)
{
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return x < y ? -1 : x > y;
}

static double percentile(const int32_t *sorted, size_t n, double share)
{
    size_t i = (size_t)(share * (double)n);
    return n ? (double)sorted[i < n ? i : n - 1] / 1000.0 : 0;
}

static void add_worker(struct worker *sum, const struct worker *w)
{
    sum->uploads += w->uploads;
    sum->readings += w->readings;
    sum->stored += w->stored;
    sum->unchanged += w->unchanged;
    sum->bytes += w->bytes;
    sum->latency = mem_grow(sum->latency, (sum->latency_count + w->latency_count + 1) * sizeof *sum->latency);
    if (w->latency_count) {
        memcpy(sum->latency + sum->latency_count, w->latency, w->latency_count * sizeof *sum->latency);
    }
    sum->latency_count += w->latency_count;
    for (int i = 0; i < ERROR_KINDS; i++) {
        for (int64_t k = 0; k < w->errors[i].count; k++) {
            count_error(sum, w->errors[i].code, w->errors[i].text);
        }
    }
}

static double cpu_seconds(const struct rusage *u)
{
    return (double)u->ru_utime.tv_sec + (double)u->ru_stime.tv_sec +
           (double)(u->ru_utime.tv_usec + u->ru_stime.tv_usec) / 1e6;
}

static void write_errors(const struct worker *sum, struct buf *json)
{
    buf_append_str(json, ",\"errors\":[");
    for (int i = 0; i < ERROR_KINDS && sum->errors[i].count; i++) {
        buf_printf(json, "%s{\"code\":%d,\"count\":%" PRId64 ",\"text\":", i ? "," : "", sum->errors[i].code,
                   sum->errors[i].count);
        buf_append_json(json, sum->errors[i].text);
        buf_append_char(json, '}');
    }
    buf_append_char(json, ']');
}

static void write_json(const struct load *l, struct worker *sum, double seconds, double cpu, struct buf *json)
{
    const struct sim_options *o = l->options;
    qsort(sum->latency, sum->latency_count, sizeof *sum->latency, by_value);
    const int32_t *us = sum->latency;
    size_t n = sum->latency_count;
    double uploads = (double)sum->uploads, per = sum->uploads ? 1e6 / uploads : 0;
    buf_printf(json,
               "{\"devices\":%" PRId64 ",\"items\":%d,\"energyItems\":%d,\"readingsPerUpload\":%" PRId64
               ",\"parallel\":%" PRId64 ",\"rate\":%g",
               o->devices, l->items, template_energies(l->items), o->per_upload, o->parallel, o->rate);
    buf_printf(json,
               ",\"seconds\":%.3f,\"uploads\":%" PRId64 ",\"readings\":%" PRId64 ",\"stored\":%" PRId64
               ",\"unchanged\":%" PRId64,
               seconds, sum->uploads, sum->readings, sum->stored, sum->unchanged);
    buf_printf(json, ",\"uploadsPerSecond\":%.1f,\"readingsPerSecond\":%.0f", uploads / seconds,
               (double)sum->readings / seconds);
    buf_printf(json, ",\"latencyMs\":{\"p50\":%.3f,\"p90\":%.3f,\"p99\":%.3f,\"max\":%.3f}", percentile(us, n, 0.5),
               percentile(us, n, 0.9), percentile(us, n, 0.99), percentile(us, n, 1));
    buf_printf(json, ",\"generatorCpuSeconds\":%.3f,\"generatorUsPerUpload\":%.1f,\"requestBytes\":%.0f", cpu,
               cpu * per, (double)sum->bytes * per / 1e6);
    write_errors(sum, json);
    buf_append_str(json, "}\n");
}

static void finish(struct load *l, const struct rusage *before, struct buf *json)
{
    struct worker sum = {0};
    struct rusage after;
    double seconds = (double)(clock_monotonic() - l->start) / 1e9;
    getrusage(RUSAGE_SELF, &after);
    for (int64_t i = 0; i < l->options->parallel; i++) {
        add_worker(&sum, &l->workers[i]);
    }
    write_json(l, &sum, seconds, cpu_seconds(&after) - cpu_seconds(before), json);
    mem_free(sum.latency);
}

static RESULT start_workers(struct load *l)
{
    int64_t n = l->options->parallel;
    l->workers = mem_array((size_t)n, sizeof *l->workers);
    pthread_barrier_init(&l->ready, NULL, (unsigned)n + 1);
    pthread_barrier_init(&l->go, NULL, (unsigned)n + 1);
    for (int64_t i = 0; i < n; i++) {
        l->workers[i].load = l;
        l->workers[i].index = (int)i;
        if (pthread_create(&l->workers[i].thread, NULL, worker_main, &l->workers[i]) != 0) {
            /* Those already started wait at the barrier: only the end of the process releases them. */
            return result_error(ERR_INTERNAL, 0, "无法启动线程 / cannot start %" PRId64 " threads", n);
        }
    }
    return RESULT_OK;
}

static RESULT setup_result(const struct load *l)
{
    for (int64_t i = 0; i < l->options->parallel; i++) {
        const struct worker *w = &l->workers[i];
        if (!result_ok(w->setup)) {
            return result_error(w->setup.kind, w->setup.code, "%s", w->setup_text);
        }
    }
    return RESULT_OK;
}

static RESULT run_workers(struct load *l, struct buf *json)
{
    struct rusage before;
    TRY(start_workers(l));
    pthread_barrier_wait(&l->ready);
    fputs("nhjc-sim: 全部端设备已注册，开始 / load begins\n", stderr); /* who measures starts his clocks */
    getrusage(RUSAGE_SELF, &before);
    l->start = clock_monotonic();
    l->end = l->start + l->options->seconds * NS;
    pthread_barrier_wait(&l->go);
    for (int64_t i = 0; i < l->options->parallel; i++) {
        pthread_join(l->workers[i].thread, NULL);
    }
    struct result r = setup_result(l);
    if (result_ok(r)) {
        finish(l, &before, json);
    }
    return r;
}

static void free_load(struct load *l)
{
    for (int64_t i = 0; i < l->options->devices; i++) {
        tls_client_free(&l->devices[i].client);
        template_free(&l->devices[i].template);
    }
    for (int64_t i = 0; l->workers && i < l->options->parallel; i++) {
        mem_free(l->workers[i].latency);
        buf_free(&l->workers[i].answer);
    }
    mem_free(l->workers);
    mem_free(l->devices);
}

/* Every device keeps a connection. */
static RESULT raise_open_files(int64_t devices)
{
    struct rlimit limit;
    rlim_t wanted = (rlim_t)devices + 64;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted) {
        return RESULT_OK;
    }
    limit.rlim_cur = wanted;
    limit.rlim_max = limit.rlim_max < wanted ? wanted : limit.rlim_max; /* root may */
    return setrlimit(RLIMIT_NOFILE, &limit) == 0
               ? RESULT_OK
               : result_error(ERR_INTERNAL, 0,
                              "可打开的文件太少 / too few open files for %" PRId64 " devices: ulimit -n", devices);
}

RESULT load_run(const struct sim_options *options, struct buf *json)
{
    struct sim_options o = *options;
    o.parallel = o.parallel > o.devices ? o.devices : o.parallel;
    o.period = o.period ? o.period : 60;
    struct load l = {.options = &o, .items = o.items ? atoi(o.items) : 100};
    if (l.items < 1 || l.items > 99 * 99) {
        return result_error(ERR_SENDER, 0,
                            "--load 的 --items 为 1 至 9801 / --items of --load is a number from 1 to 9801");
    }
    TRY(raise_open_files(o.devices));
    random_hex(l.run, 8);
    int64_t from = o.from == INT64_MIN ? clock_now() - 60 * 86400 * USEC_PER_SEC : o.from;
    l.first = period_start(GRAN_DAY, from);
    l.devices = mem_array((size_t)o.devices, sizeof *l.devices);
    for (int64_t i = 0; i < o.devices; i++) {
        load_enterprise((unsigned)i + 1, l.devices[i].code);
    }
    struct result r = run_workers(&l, json);
    free_load(&l);
    return r;
}
