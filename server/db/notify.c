/* LISTEN/NOTIFY. PostgreSQL 15 libpq-notify. */
#include <errno.h>
#include <poll.h>

#include "base/clock.h"
#include "base/mem.h"
#include "db/db_internal.h"

/* true: take another look. */
static bool wait_input(struct db *db, int64_t deadline_ns)
{
    int64_t left = (deadline_ns - clock_monotonic()) / 1000000;
    struct pollfd fd = {.fd = PQsocket(db->conn), .events = POLLIN};
    if (left <= 0) {
        return false;
    }
    return poll(&fd, 1, (int)left) > 0 || errno == EINTR;
}

static bool take(struct db *db, char **channel, char **payload)
{
    PGnotify *n = PQnotifies(db->conn);
    if (!n) {
        return false;
    }
    *channel = mem_strdup(n->relname);
    *payload = mem_strdup(n->extra);
    PQfreemem(n);
    return true;
}

struct result db_wait_notify(struct db *db, int timeout_ms, char **channel, char **payload)
{
    *channel = *payload = NULL;
    TRY(db_ready(db, false));
    int64_t deadline = clock_monotonic() + timeout_ms * INT64_C(1000000);
    do {
        if (!PQconsumeInput(db->conn)) {
            return db_fail_lost(db, "notify");
        }
        if (take(db, channel, payload)) {
            return RESULT_OK;
        }
        errno = 0;
    } while (wait_input(db, deadline));
    return RESULT_OK;
}
