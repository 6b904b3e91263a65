/* nhjc-sim: an end device to try the platform with; README.md tells what it does. */
#include <signal.h>
#include <stdio.h>

#include "payload/finding.h"
#include "payload/payload.h"
#include "sim/load.h"
#include "sim/sim_options.h"
#include "sim/source.h"
#include "sim/uploader.h"

/* The first signal ends the run in order, the second at once. */
static void on_signal(int number)
{
    uploader_stop();
    load_stop();
    signal(number, SIG_DFL);
}

static void watch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static int broken(struct result r)
{
    struct arena *a = arena_new(0);
    fprintf(stderr, "nhjc-sim: %s\n", result_message(a, r));
    arena_free(&a);
    return SIM_BROKEN;
}

static void write_out(const struct buf *text, void *arg)
{
    (void)arg;
    fwrite(text->data, 1, text->len, stdout);
}

static int flushed(int status)
{
    if (fflush(stdout) != 0 || ferror(stdout)) {
        perror("nhjc-sim: standard output");
        return SIM_BROKEN;
    }
    return status;
}

static int print_enterprises(const struct sim_options *o)
{
    char code[19];
    for (int64_t i = 1; i <= o->print_enterprises; i++) {
        load_enterprise((unsigned)i, code);
        puts(code);
    }
    return flushed(SIM_DONE);
}

static int run_load(const struct sim_options *o)
{
    struct buf json = BUF_INIT;
    struct result r = load_run(o, &json);
    write_out(&json, NULL);
    buf_free(&json);
    return result_ok(r) ? flushed(SIM_DONE) : broken(r);
}

static void print_summary(const struct sim_options *o, struct uploader *u)
{
    struct buf text = BUF_INIT;
    if (o->json) {
        sim_stats_json(uploader_stats(u), o->enterprise, uploader_device_id(u), &text);
    } else {
        sim_stats_text(uploader_stats(u), o->enterprise, &text);
    }
    write_out(&text, NULL);
    if (o->json && uploader_stats(u)->refused_text) {
        buf_clear(&text);
        sim_stats_refusal(uploader_stats(u), &text);
        fprintf(stderr, "nhjc-sim: %s", buf_str(&text));
    }
    buf_free(&text);
}

static int run_device(const struct sim_options *o, struct sim_source *source)
{
    struct uploader *u = NULL;
    enum sim_exit exit = SIM_DONE;
    struct result r = uploader_open(o, source, &u);
    if (!result_ok(r)) {
        return broken(r);
    }
    r = uploader_run(u, &exit);
    print_summary(o, u);
    uploader_close(&u);
    return result_ok(r) ? flushed((int)exit) : broken(r);
}

static int print_items(const struct sim_source *source)
{
    struct buf text = BUF_INIT;
    sim_items_print(sim_source_items(source), &text);
    write_out(&text, NULL);
    buf_free(&text);
    return flushed(SIM_DONE);
}

static int run_source(const struct sim_options *o)
{
    struct sim_source_options wanted = {.csv = o->csv,
                                        .shape = o->shape,
                                        .items_file = o->items,
                                        .period = (int32_t)o->period,
                                        .from = o->from,
                                        .to = o->to};
    struct sim_source *source;
    struct result r = sim_source_open(&wanted, &source);
    if (!result_ok(r)) {
        return broken(r);
    }
    int status = SIM_DONE;
    if (o->print_items) {
        status = print_items(source);
    } else if (o->print_csv) {
        sim_source_print(source, write_out, NULL);
        status = flushed(SIM_DONE);
    } else {
        status = run_device(o, source);
    }
    sim_source_close(&source);
    return status;
}

int main(int argc, char **argv)
{
    struct sim_options options;
    struct result r = sim_options_parse(argc, argv, &options);
    if (!result_ok(r)) {
        return broken(r);
    }
    if (options.help) {
        fputs(sim_options_usage(), stdout);
        return flushed(SIM_DONE);
    }
    watch_signals();
    if (options.print_enterprises) {
        return print_enterprises(&options);
    }
    return options.load ? run_load(&options) : run_source(&options);
}
