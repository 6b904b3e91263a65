#include "sim/progress.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"

#define TERMINAL_EVERY INT64_C(200000000) /* ns */

void progress_init(struct progress *p, int64_t seconds)
{
    *p = (struct progress){.terminal = isatty(STDERR_FILENO) == 1, .every_ns = seconds * INT64_C(1000000000)};
    p->last = clock_monotonic();
}

static void write_line(struct progress *p, const struct sim_stats *stats)
{
    struct buf line = BUF_INIT;
    sim_stats_line(stats, &line);
    fprintf(stderr, p->terminal ? "\r\033[K%s" : "%s\n", buf_str(&line));
    fflush(stderr);
    buf_free(&line);
    p->open = p->terminal;
    p->last = clock_monotonic();
}

void progress_show(struct progress *p, const struct sim_stats *stats)
{
    int64_t every = p->terminal && p->every_ns ? TERMINAL_EVERY : p->every_ns;
    if (every && clock_monotonic() - p->last >= every) {
        write_line(p, stats);
    }
}

static void close_line(struct progress *p)
{
    if (p->open) {
        fputc('\n', stderr);
        p->open = false;
    }
}

void progress_note(struct progress *p, const char *fmt, ...)
{
    va_list args;
    close_line(p);
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fputc('\n', stderr);
}

void progress_end(struct progress *p, const struct sim_stats *stats)
{
    if (p->every_ns && p->terminal) {
        write_line(p, stats);
    }
    close_line(p);
}
