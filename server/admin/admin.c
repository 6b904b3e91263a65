#include "admin/admin.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#define COMMAND_MAX 64

struct admin {
    int fd;
    char *path;
    const struct admin_command *commands;
    size_t count;
    void *arg;
};

static RESULT address(const char *path, struct sockaddr_un *out)
{
    *out = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof out->sun_path) {
        return result_error(ERR_SENDER, 0, "admin_socket: 路径过长 / path is longer than %zu bytes: %s",
                            sizeof out->sun_path - 1, path);
    }
    memcpy(out->sun_path, path, strlen(path) + 1);
    return RESULT_OK;
}

static RESULT connect_to(const char *path, int *fd)
{
    struct sockaddr_un to;
    TRY(address(path, &to));
    *fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (*fd >= 0 && connect(*fd, (struct sockaddr *)&to, sizeof to) == 0) {
        return RESULT_OK;
    }
    int why = errno;
    if (*fd >= 0) {
        close(*fd);
    }
    *fd = -1;
    return result_error(ERR_NOT_FOUND, 0, "没有运行中的服务器应答 / no server answers on %s: %s", path, strerror(why));
}

/* A socket file left by a crash is removed; a living server's is not. */
static RESULT clear_path(const char *path)
{
    int fd;
    if (access(path, F_OK) != 0) {
        return RESULT_OK;
    }
    if (result_ok(connect_to(path, &fd))) {
        close(fd);
        return result_error(ERR_CONFLICT, 0, "已被另一服务器占用 / another server uses admin_socket %s", path);
    }
    struct stat st;
    if (lstat(path, &st) == 0 && !S_ISSOCK(st.st_mode)) {
        return result_error(ERR_SENDER, 0, "admin_socket %s 已存在且不是套接字 / exists and is not a socket", path);
    }
    unlink(path);
    return RESULT_OK;
}

static RESULT bind_to(const char *path, int *fd)
{
    struct sockaddr_un at;
    TRY(address(path, &at));
    TRY(clear_path(path));
    *fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    /* fchmod before bind: the file never exists with a wider mode. */
    if (*fd < 0 || fchmod(*fd, 0600) != 0 || bind(*fd, (struct sockaddr *)&at, sizeof at) != 0 ||
        listen(*fd, 16) != 0) {
        struct result r = result_error(ERR_INTERNAL, 0, "admin_socket %s: %s", path, strerror(errno));
        if (*fd >= 0) {
            close(*fd);
        }
        return r;
    }
    return RESULT_OK;
}

RESULT admin_open(const char *path, const struct admin_command *commands, size_t count, void *arg, struct admin **admin)
{
    int fd = -1;
    TRY(bind_to(path, &fd));
    struct admin *a = mem_alloc(sizeof *a);
    *a = (struct admin){.fd = fd, .path = mem_strdup(path), .commands = commands, .count = count, .arg = arg};
    *admin = a;
    return RESULT_OK;
}

int admin_fd(const struct admin *admin)
{
    return admin->fd;
}

void admin_close(struct admin **admin)
{
    struct admin *a = *admin;
    if (!a) {
        return;
    }
    close(a->fd);
    unlink(a->path);
    mem_free(a->path);
    mem_free(a);
    *admin = NULL;
}

/* ---------------------------------------------------------------- one conversation */
static bool wait_for(int fd, short events, int64_t deadline)
{
    int64_t left = (deadline - clock_monotonic()) / 1000000;
    struct pollfd p = {.fd = fd, .events = events};
    return left > 0 && poll(&p, 1, (int)left) > 0;
}

static int64_t deadline_in(int ms)
{
    return clock_monotonic() + ms * INT64_C(1000000);
}

static bool read_line(int fd, char *line, size_t size, int64_t deadline)
{
    size_t used = 0;
    while (used + 1 < size && wait_for(fd, POLLIN, deadline)) {
        ssize_t n = recv(fd, line + used, size - 1 - used, MSG_DONTWAIT);
        if (n <= 0) {
            return false;
        }
        used += (size_t)n;
        line[used] = '\0';
        char *end = strpbrk(line, "\r\n");
        if (end) {
            *end = '\0';
            return true;
        }
    }
    return false;
}

static bool send_all(int fd, const char *bytes, size_t n, int64_t deadline)
{
    while (n > 0 && wait_for(fd, POLLOUT, deadline)) {
        ssize_t done = send(fd, bytes, n, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (done < 0) {
            return false;
        }
        bytes += done;
        n -= (size_t)done;
    }
    return n == 0;
}

static void list_commands(const struct admin *a, struct buf *out)
{
    for (size_t i = 0; i < a->count; i++) {
        buf_printf(out, "%s  %s\n", a->commands[i].name, a->commands[i].help);
    }
}

static RESULT run(const struct admin *a, const char *line, struct buf *out)
{
    if (strcmp(line, "help") == 0) {
        list_commands(a, out);
        return RESULT_OK;
    }
    for (size_t i = 0; i < a->count; i++) {
        if (strcmp(a->commands[i].name, line) == 0) {
            return a->commands[i].run(a->arg, out);
        }
    }
    return result_error(ERR_SENDER, 0, "没有这个命令，见 help / no such command, try help");
}

static void answer(const struct admin *a, int fd, const char *line)
{
    struct buf body = BUF_INIT, whole = BUF_INIT;
    struct result r = run(a, line, &body);
    if (result_ok(r)) {
        buf_append_str(&whole, "ok\n");
    } else {
        buf_printf(&whole, "error %s\n", r.text);
    }
    buf_append(&whole, buf_str(&body), body.len);
    send_all(fd, buf_str(&whole), whole.len, deadline_in(ADMIN_CLIENT_MS));
    buf_free(&body);
    buf_free(&whole);
}

void admin_serve(struct admin *a)
{
    char line[COMMAND_MAX];
    int fd = accept4(a->fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0) {
        return;
    }
    if (read_line(fd, line, sizeof line, deadline_in(ADMIN_CLIENT_MS))) {
        log_write(LOG_DEBUG, "admin", "command", "command=%s", log_quote(line));
        answer(a, fd, line);
    }
    close(fd);
}

/* ---------------------------------------------------------------- the client's side */
static RESULT read_answer(int fd, int64_t deadline, struct buf *all)
{
    char piece[8192];
    while (wait_for(fd, POLLIN, deadline)) {
        ssize_t n = recv(fd, piece, sizeof piece, MSG_DONTWAIT);
        if (n == 0) {
            return RESULT_OK;
        }
        if (n < 0 && errno != EINTR && errno != EAGAIN) {
            return result_error(ERR_TRANSIENT, 0, "服务器中断了连接 / the server broke off: %s", strerror(errno));
        }
        buf_append(all, piece, n > 0 ? (size_t)n : 0);
    }
    return result_error(ERR_TRANSIENT, 0, "服务器未及时应答 / the server did not answer in time");
}

static RESULT split_answer(const struct buf *all, struct buf *answer)
{
    const char *text = buf_str(all), *end = strchr(text, '\n');
    if (!end) {
        return result_error(ERR_TRANSIENT, 0, "服务器中断了连接 / the server broke off");
    }
    if (strncmp(text, "error ", 6) == 0) {
        return result_error(ERR_SENDER, 0, "%.*s", (int)(end - text - 6), text + 6);
    }
    buf_append_str(answer, end + 1);
    return RESULT_OK;
}

RESULT admin_ask(const char *path, const char *command, int timeout_ms, struct buf *answer)
{
    int fd;
    int64_t deadline = deadline_in(timeout_ms);
    TRY(connect_to(path, &fd));
    struct buf all = BUF_INIT;
    char *line = mem_printf("%s\n", command);
    struct result r =
        send_all(fd, line, strlen(line), deadline)
            ? read_answer(fd, deadline, &all)
            : result_error(ERR_TRANSIENT, 0, "服务器未及时接收命令 / the server did not take the command in time");
    mem_free(line);
    close(fd);
    r = result_ok(r) ? split_answer(&all, answer) : r;
    buf_free(&all);
    return r;
}
