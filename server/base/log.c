#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/caltime.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/utf8.h"

#define LINE_MAX_BYTES 4096 /* PIPE_BUF: up to here a write to a pipe is whole as well */
#define FIELDS_MAX 3072
#define QUOTE_SLOTS 9 /* eight further texts, and the one in hand */
#define QUOTE_BYTES 200
#define QUOTE_SIZE (QUOTE_BYTES * 4 + 8)

static const char *const level_names[] = {"DEBUG", "INFO", "WARN", "ERROR"};

static atomic_int least_level = LOG_INFO;
static atomic_int log_fd = STDERR_FILENO;

static atomic_bool captured;
static pthread_mutex_t capture_lock = PTHREAD_MUTEX_INITIALIZER;
static void (*capture_fn)(const char *line, void *arg);
static void *capture_arg;

/* Text under construction in a fixed room; what does not fit is left out and remembered. */
struct room {
    char *at, *end; /* end: the last byte, kept for the NUL */
    bool full;
};

static void room_put(struct room *r, const char *bytes, size_t n)
{
    if (r->full || n > (size_t)(r->end - r->at)) {
        r->full = true;
        return;
    }
    memcpy(r->at, bytes, n);
    r->at += n;
    *r->at = 0;
}

static bool is_control(uint32_t code)
{
    return code < 0x20 || (code >= 0x7f && code <= 0x9f) || code == 0x2028 || code == 0x2029;
}

static void put_escape(struct room *r, const char *text, size_t n)
{
    char escape[20];
    for (size_t i = 0; i < n; i++) {
        if (text[i] == '\n') {
            room_put(r, "\\n", 2);
            continue;
        }
        int len = snprintf(escape, sizeof escape, "\\x%02x", (unsigned)(unsigned char)text[i]);
        room_put(r, escape, (size_t)len);
    }
}

/* Everything that could end a line, steer a terminal or is not UTF-8 is written as an escape. */
static void put_clean(struct room *r, const char *text, size_t len, bool quoting)
{
    for (size_t at = 0; at < len;) {
        uint32_t code = 0;
        size_t n = utf8_next(text + at, len - at, &code);
        if (n == 0 || is_control(code)) {
            n = n ? n : 1;
            put_escape(r, text + at, n);
        } else {
            if (quoting && (code == '"' || code == '\\')) {
                room_put(r, "\\", 1);
            }
            room_put(r, text + at, n);
        }
        at += n;
    }
}

static void put_quoted(struct room *r, const char *text, size_t most)
{
    text = text ? text : "";
    size_t whole = strlen(text), len = utf8_cut(text, whole, most);
    room_put(r, "\"", 1);
    put_clean(r, text, len, true);
    room_put(r, "\"", 1);
    if (len < whole) {
        room_put(r, "...", 3);
    }
}

const char *log_quote(const char *text)
{
    static _Thread_local char slots[QUOTE_SLOTS][QUOTE_SIZE];
    static _Thread_local unsigned next;
    char *slot = slots[next];
    next = (next + 1) % QUOTE_SLOTS;
    struct room r = {slot, slot + QUOTE_SIZE - 1, false};
    put_quoted(&r, text, QUOTE_BYTES);
    return slot;
}

void log_set_level(enum log_level level)
{
    atomic_store(&least_level, (int)level);
}

enum log_level log_level_from_name(const char *name, enum log_level otherwise)
{
    for (size_t i = 0; name && i < ARRAY_LEN(level_names); i++) {
        if (strcasecmp(name, level_names[i]) == 0) {
            return (enum log_level)i;
        }
    }
    return otherwise;
}

/* The descriptor that threads write to keeps its number: a reopened file takes its place in one step. */
static void put_in_place(int fd)
{
    int current = atomic_load(&log_fd);
    if (current == STDERR_FILENO) {
        atomic_store(&log_fd, fd);
        return;
    }
    while (dup3(fd, current, O_CLOEXEC) < 0 && (errno == EINTR || errno == EBUSY)) {
    }
    close(fd);
}

struct result log_open(const char *path)
{
    if (!path || !*path) {
        if (atomic_load(&log_fd) == STDERR_FILENO) {
            return RESULT_OK;
        }
        path = NULL;
    }
    int fd =
        path ? open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640) : fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    if (fd < 0) {
        return result_error(ERR_INTERNAL, 0, "无法打开日志 / cannot open log %s: %s", path ? path : "stderr",
                            strerror(errno));
    }
    put_in_place(fd);
    return RESULT_OK;
}

static void write_whole(const char *line, size_t len)
{
    while (len > 0) {
        ssize_t n = write(atomic_load(&log_fd), line, len);
        if (n < 0 && errno != EINTR) {
            return; /* nobody is left to be told */
        }
        if (n > 0) {
            line += n;
            len -= (size_t)n;
        }
    }
}

static bool give_to_capture(const char *line)
{
    if (!atomic_load(&captured)) {
        return false;
    }
    pthread_mutex_lock(&capture_lock);
    bool given = capture_fn;
    if (given) {
        capture_fn(line, capture_arg);
    }
    pthread_mutex_unlock(&capture_lock);
    return given;
}

static void put_head(struct room *r, enum log_level level, const char *module, const char *event)
{
    char head[160], stamp[CALTIME_TEXT];
    int64_t now = clock_now();
    caltime_format_iso(now, stamp); /* "2026-11-20T10:16:02" is 19 long, the offset follows */
    int n = snprintf(head, sizeof head, "%.19s.%03d%s %s ", stamp, caltime_civil(now).micro / 1000, stamp + 19,
                     level_names[level]);
    room_put(r, head, (size_t)n);
    put_clean(r, module, strlen(module), false);
    room_put(r, " ", 1);
    put_clean(r, event, strlen(event), false);
}

/* Ends the line and hands it over. Two bytes are always left for the end. */
static void finish(char *line, struct room *r)
{
    if (r->full) {
        memcpy(r->at, "...", 3);
        r->at += 3;
    }
    *r->at = 0;
    if (!give_to_capture(line)) {
        *r->at++ = '\n';
        write_whole(line, (size_t)(r->at - line));
    }
}

static bool wanted(enum log_level level)
{
    return (int)level >= atomic_load_explicit(&least_level, memory_order_relaxed);
}

void log_write(enum log_level level, const char *module, const char *event, const char *fmt, ...)
{
    if (!wanted(level)) {
        return;
    }
    int saved = errno;
    char line[LINE_MAX_BYTES], fields[FIELDS_MAX];
    struct room r = {line, line + sizeof line - 6, false};
    put_head(&r, level, module, event);
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(fields, sizeof fields, fmt, args);
    va_end(args);
    if (n > 0) {
        room_put(&r, " ", 1);
        put_clean(&r, fields, strlen(fields), false);
        r.full = r.full || (size_t)n >= sizeof fields;
    }
    finish(line, &r);
    errno = saved;
}

void log_result(enum log_level level, const char *module, const char *event, struct result res)
{
    if (!wanted(level)) {
        return;
    }
    char line[LINE_MAX_BYTES], fields[64];
    struct room r = {line, line + sizeof line - 6, false};
    put_head(&r, level, module, event);
    int n = snprintf(fields, sizeof fields, " kind=%s code=%d text=", err_kind_name(res.kind), res.code);
    room_put(&r, fields, (size_t)n);
    put_quoted(&r, res.text, 600);
    finish(line, &r);
}

void log_capture(void (*fn)(const char *line, void *arg), void *arg)
{
    pthread_mutex_lock(&capture_lock);
    capture_fn = fn;
    capture_arg = arg;
    atomic_store(&captured, fn != NULL);
    pthread_mutex_unlock(&capture_lock);
}
