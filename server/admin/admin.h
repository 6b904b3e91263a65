/* admin: the local socket through which an operator speaks with the running server.
 *
 * Form:    a unix socket of mode 0600; the client sends one command and a line feed, the server answers "ok" or
 *          "error TEXT" on the first line, then the command's own lines, and closes.
 * Owner:   admin_open gives, admin_close takes and removes the socket's file.
 * Thread:  one at a time: the main thread polls admin_fd and calls admin_serve, so that commands run where signals
 *          are handled too and need no lock. One client is served within ADMIN_CLIENT_MS.
 * Errors:  CONFLICT when another server answers on that path. */
#ifndef NHJC_ADMIN_ADMIN_H
#define NHJC_ADMIN_ADMIN_H

#include <stddef.h>

#include "base/buf.h"
#include "base/result.h"

#define ADMIN_CLIENT_MS 2000

struct admin_command {
    const char *name;
    struct result (*run)(void *arg, struct buf *out);
    const char *help;
};

struct admin;

RESULT admin_open(const char *path, const struct admin_command *commands, size_t count, void *arg,
                  struct admin **admin);
int admin_fd(const struct admin *admin);
void admin_serve(struct admin *admin); /* after admin_fd became readable */
void admin_close(struct admin **admin);

/* The client's side: appends the lines after the first. NOT_FOUND: no server there; SENDER: its refusal. */
RESULT admin_ask(const char *path, const char *command, int timeout_ms, struct buf *answer);

#endif
