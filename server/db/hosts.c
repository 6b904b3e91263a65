/* In which order the hosts of a connection string are tried. libpq begins with the first every time, and a host that is
 * silent costs every connection the whole connect_timeout. Those that were passed over like that are tried last for a
 * minute, by all connections of the process. PostgreSQL 15 libpq-connect (multiple hosts). */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "db/db_internal.h"

#define AVOID_NS (60 * INT64_C(1000000000))
#define REMEMBERED 16

static struct {
    pthread_mutex_t lock;
    struct {
        char name[200];
        int64_t until; /* monotonic */
    } at[REMEMBERED];
    unsigned next;
} avoided = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void avoid(const char *name)
{
    pthread_mutex_lock(&avoided.lock);
    unsigned i = avoided.next++ % REMEMBERED;
    snprintf(avoided.at[i].name, sizeof avoided.at[i].name, "%s", name);
    avoided.at[i].until = clock_monotonic() + AVOID_NS;
    pthread_mutex_unlock(&avoided.lock);
}

static bool is_avoided(const char *name)
{
    bool found = false;
    int64_t now = clock_monotonic();
    pthread_mutex_lock(&avoided.lock);
    for (size_t i = 0; i < REMEMBERED && !found; i++) {
        found = now < avoided.at[i].until && strcmp(avoided.at[i].name, name) == 0;
    }
    pthread_mutex_unlock(&avoided.lock);
    return found;
}

/* ---- lists with commas, as libpq reads them ---- */
static size_t elements(const char *list)
{
    size_t n = list && *list ? 1 : 0;
    for (const char *p = list; n > 0 && *p; p++) {
        n += *p == ',';
    }
    return n;
}

/* Element i, and how long it is; beyond the end: empty. */
static const char *element(const char *list, size_t i, int *length)
{
    const char *p = list ? list : "";
    for (; i > 0 && *p; p++) {
        i -= *p == ',';
    }
    *length = (int)strcspn(p, ",");
    return p;
}

static void append(struct buf *out, const char *list, size_t i, bool first)
{
    int length;
    const char *p = element(list, i, &length);
    buf_printf(out, "%s%.*s", first ? "" : ",", length, p);
}

/* One port is everybody's. */
static size_t port_index(const struct db_hosts *hosts, size_t i)
{
    return elements(hosts->port) > 1 ? i : 0;
}

static void name_host(const struct db_hosts *hosts, size_t i, char *out, size_t size)
{
    int host, address, port;
    const char *h = element(hosts->host, i, &host);
    const char *a = element(hosts->address, i, &address);
    const char *p = element(hosts->port, port_index(hosts, i), &port);
    snprintf(out, size, "%.*s %.*s %.*s", host, h, address, a, port, p);
}

/* ---- the order ---- */
static char *in_order(const char *list, const size_t *order, size_t n)
{
    struct buf out = BUF_INIT;
    if (elements(list) < 2) { /* none, or one for all */
        return list ? mem_strdup(list) : NULL;
    }
    for (size_t i = 0; i < n; i++) {
        append(&out, list, order[i], i == 0);
    }
    return (char *)buf_steal(&out, NULL);
}

static void avoided_last(struct db_hosts *hosts)
{
    char name[200];
    size_t order[DB_HOSTS], n = 0;
    for (int last = 0; last < 2; last++) {
        for (size_t i = 0; i < hosts->count; i++) {
            name_host(hosts, i, name, sizeof name);
            if (is_avoided(name) == (last == 1)) {
                order[n++] = i;
            }
        }
    }
    struct db_hosts sorted = {.count = n,
                              .host = in_order(hosts->host, order, n),
                              .address = in_order(hosts->address, order, n),
                              .port = in_order(hosts->port, order, n)};
    db_hosts_free(hosts);
    *hosts = sorted;
}

void db_hosts_read(struct db_hosts *hosts, const char *conninfo)
{
    PQconninfoOption *all = PQconninfoParse(conninfo, NULL);
    *hosts = (struct db_hosts){0};
    for (PQconninfoOption *o = all; o && o->keyword; o++) {
        char **to = strcmp(o->keyword, "host") == 0       ? &hosts->host
                    : strcmp(o->keyword, "hostaddr") == 0 ? &hosts->address
                    : strcmp(o->keyword, "port") == 0     ? &hosts->port
                                                          : NULL;
        if (to && o->val) {
            *to = mem_strdup(o->val);
        }
    }
    PQconninfoFree(all);
    hosts->count = elements(hosts->address) > 0 ? elements(hosts->address) : elements(hosts->host);
    if (hosts->count < 2 || hosts->count > DB_HOSTS) {
        db_hosts_free(hosts); /* nothing to choose from */
        return;
    }
    avoided_last(hosts);
}

void db_hosts_free(struct db_hosts *hosts)
{
    mem_free(hosts->host);
    mem_free(hosts->address);
    mem_free(hosts->port);
    *hosts = (struct db_hosts){0};
}

static bool is_element(const char *list, size_t i, const char *text)
{
    int length;
    const char *p = element(list, i, &length);
    return elements(list) == 0 || (strlen(text) == (size_t)length && strncmp(p, text, (size_t)length) == 0);
}

static bool leads_to(const PGconn *conn, const struct db_hosts *hosts, size_t i)
{
    return is_element(hosts->host, i, PQhost(conn)) && is_element(hosts->address, i, PQhostaddr(conn)) &&
           is_element(hosts->port, port_index(hosts, i), PQport(conn));
}

void db_hosts_passed(const struct db_hosts *hosts, const PGconn *conn)
{
    char name[200];
    for (size_t i = 0; i < hosts->count && !leads_to(conn, hosts, i); i++) {
        name_host(hosts, i, name, sizeof name);
        avoid(name);
    }
}
