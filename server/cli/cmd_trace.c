/* trace ENTERPRISE CODE STATDATE: one reading's life: the uploads that carried it, what was found, its history of
 * values, the rows it is added into, and what became of it at the upper platforms. */
#include <stdio.h>
#include <string.h>

#include "base/caltime.h"
#include "base/clock.h"
#include "cli/cli.h"
#include "cli/trace.h"
#include "payload/payload.h"

/* The forms of statDate, and a day alone for its first instant. */
static bool read_instant(const char *text, int64_t *ts)
{
    char day[CALTIME_TEXT];
    if (strlen(text) == 10 && text[4] == '-') {
        snprintf(day, sizeof day, "%s 00:00:00", text);
        text = day;
    }
    return caltime_parse(text, strlen(text), ts);
}

static RESULT read_words(const struct args *args, struct trace_story *s)
{
    int64_t stat = 0, day = 86400 * USEC_PER_SEC;
    s->enterprise = args->words[0];
    if (!datacode_parse(args->words[1], strlen(args->words[1]), s->code))
        return result_error(ERR_SENDER, 0, "数据编码须为 16 位数字 / not a data code: %s", args->words[1]);
    if (!read_instant(args->words[2], &s->ts))
        return result_error(ERR_SENDER, 0, "时间须为 yyyy-MM-dd[ HH:mm:ss] / not an instant: %s", args->words[2]);
    TRY(args_int(args, "stat-type", 0, 3, 0, &stat));
    s->stat_type = (int)stat;
    TRY(args_time(args, "from", s->ts - day, &s->from)); /* nothing carries it earlier, but for a clock ahead */
    TRY(args_time(args, "to", clock_now() + day, &s->to));
    return args_span(s->from, s->to);
}

static RESULT tell(struct cli *cli, const struct args *args, struct arena *a, struct trace_story *s)
{
    TRY(cli_db(cli));
    TRY(trace_gather(cli->db, a, s));
    struct buf out = BUF_INIT;
    if (args_given(args, "json"))
        trace_json(s, &out);
    else
        trace_text(s, &out);
    fputs(buf_str(&out), stdout);
    buf_free(&out);
    return trace_found(s) ? RESULT_OK
                          : result_error(ERR_NOT_FOUND, 0,
                                         "该企业没有这个采集项，也没有上传带过它 / the enterprise has no "
                                         "such item, and no upload carried it");
}

static int trace_run(struct cli *cli, const struct args *args)
{
    struct trace_story story = {0};
    struct result r = read_words(args, &story);
    if (!result_ok(r))
        return cli_wrong_usage(r);
    payload_init();
    struct arena *a = arena_new(0);
    r = tell(cli, args, a, &story);
    arena_free(&a);
    payload_exit();
    return result_ok(r) ? EXIT_DONE : cli_failed(r);
}

static const struct arg_spec SPECS[] = {{"stat-type", "0..3", "0 实时 1 日 2 月 3 年 / default 0", false},
                                        {"from", "TIME", "只看此后收到的上传 / only uploads received from here", false},
                                        {"to", "TIME", "只看此前收到的上传 / only uploads received before", false},
                                        JSON_ARG};
static const struct command COMMANDS[] = {
    {.words = "trace",
     .run = trace_run,
     .usage = "ENTERPRISE CODE STATDATE [--json]",
     .zh = "一个读数的一生：携带它的上传、问题、更正、汇总行、转发与上级答复",
     .en = "one reading's life: uploads, findings, corrections, rows, forwarding and the upper platform's answer",
     COMMAND_ARGS(SPECS),
     .min_words = 3,
     .max_words = 3},
};
const struct command_group TRACE_COMMANDS = {COMMANDS, (int)ARRAY_LEN(COMMANDS)};
