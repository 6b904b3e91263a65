/* Whether the server at the other end is there at all. A host without power, behind a cut cable or stopped closes no
 * socket: only its silence tells, and a slow statement is silent too. So it is asked for something that costs a healthy
 * server nothing, a second connection. PostgreSQL 15 libpq-connect (PQpingParams). */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "db/db_internal.h"

#define PATIENCE_S 5 /* for an answer to a connection attempt, unless the string says connect_timeout */

int db_patience_s(const PGconn *conn)
{
    int seconds = 0;
    PQconninfoOption *all = PQconninfo((PGconn *)conn);
    for (PQconninfoOption *o = all; o && o->keyword; o++) {
        if (strcmp(o->keyword, "connect_timeout") == 0 && o->val) {
            seconds = atoi(o->val);
        }
    }
    PQconninfoFree(all);
    return seconds > 0 ? seconds : PATIENCE_S;
}

static char *copy(const char *text)
{
    return mem_strdup(text ? text : "");
}

void db_place_note(struct db_place *place, const PGconn *conn)
{
    db_place_forget(place);
    place->host = copy(PQhost(conn));
    place->address = copy(PQhostaddr(conn));
    place->port = copy(PQport(conn));
    place->patience_s = db_patience_s(conn);
}

void db_place_forget(struct db_place *place)
{
    mem_free(place->host);
    mem_free(place->address);
    mem_free(place->port);
    *place = (struct db_place){0};
}

/* The caller's string says how to connect, the place where: what stands after dbname is fixed (connection.c). Any
 * answer will do, a refusal too. */
bool db_place_silent(const struct db_place *place, const char *conninfo)
{
    const char *const rows[][2] = {
        {"connect_timeout", "5"},           {"dbname", conninfo},  {"host", place->host},
        {"hostaddr", place->address},       {"port", place->port}, {"target_session_attrs", "any"},
        {"application_name", "nhjc probe"}, {NULL, NULL},
    };
    const char *keys[ARRAY_LEN(rows)], *values[ARRAY_LEN(rows)];
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        keys[i] = rows[i][0];
        values[i] = rows[i][1];
    }
    return place->host && PQpingParams(keys, values, 1) == PQPING_NO_RESPONSE;
}
