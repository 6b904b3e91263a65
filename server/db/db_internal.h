/* db_internal: what the files of this folder share. Not for other folders.
 *
 * connection.c  opens, loses and replaces the PGconn; waits on its socket
 * hosts.c       in which order several hosts are tried
 * silence.c     whether the server is there at all
 * error.c       SQLSTATE -> result
 * statement.c   statement cache, single statements, transactions
 * pipeline.c    several statements, one round trip
 * params.c rows.c composite.c  values to and from PostgreSQL's binary form (wire.h) */
#ifndef NHJC_DB_INTERNAL_H
#define NHJC_DB_INTERNAL_H

#include <libpq-fe.h>
#include <pthread.h>

#include "db/db.h"

/* One statement as this connection knows it. Slots live as long as the struct db. */
struct stmt_slot {
    const struct db_stmt *stmt;
    unsigned number; /* keeps names apart */
    bool prepared;
    int count; /* parameters, and their types, as prepared */
    uint32_t oids[DB_MAX_PARAMS];
    char name[32];
};

struct type_slot {
    char *name;
    uint32_t oid, array_oid;
};

enum pipe_kind { PIPE_PREPARE, PIPE_RUN, PIPE_SYNC };
struct pipe_entry { /* an answer that is still to come */
    enum pipe_kind kind;
    struct stmt_slot *slot;
};

struct pipe {
    bool open;
    struct pipe_entry *entries;
    size_t head, count, cap;
    struct result first;   /* first error of the whole pipeline */
    struct result segment; /* first error since the last sync: later statements answer with it */
    char first_text[512], segment_text[512];
};

/* The hosts of a connection string in the order in which they are tried; count 0: as the string has them. */
#define DB_HOSTS 16
struct db_hosts {
    size_t count;
    char *host, *address, *port; /* lists with commas; NULL: not in the string */
};

/* Which of the hosts a connection leads to. All zero: none. */
struct db_place {
    char *host, *address, *port;
    int patience_s; /* how long it may take to answer a connection attempt */
};

struct db {
    PGconn *conn;
    char *conninfo, *application, *options, *password;
    int statement_timeout_ms;
    bool read_only;
    const char *attrs; /* instead of the string's target_session_attrs; NULL: as it says */
    struct db_gate *gate;
    unsigned generation;
    char sqlstate[6];
    bool lost;                /* the connection is useless: the next call makes a new one */
    bool tx;                  /* a transaction was open when we last looked */
    bool tx_lost;             /* it was open when the connection went: refuse until rolled back */
    int64_t retry_at;         /* monotonic ns: no new connection before, so that a dead server is not hammered */
    struct stmt_slot **slots; /* open addressing by address of the statement */
    size_t slot_cap, slot_count;
    unsigned plan_epoch; /* part of the names of prepared statements */
    struct type_slot *types;
    size_t type_count, type_cap;
    struct pipe pipe;
    pthread_mutex_t cancel_lock; /* over the next two, which other threads read */
    PGcancel *cancel;
    struct db_place place;
};

/* connection.c */
RESULT db_ready(struct db *db, bool starts_transaction); /* reconnects when needed */
RESULT db_wait(struct db *db); /* until PQgetResult does not block, or the connection is lost */
RESULT db_wait_writable(struct db *db);
RESULT db_flush(struct db *db); /* sends what is buffered, reading meanwhile (P7) */
void db_mark_lost(struct db *db);
void db_note_transaction(struct db *db);

/* hosts.c */
void db_hosts_read(struct db_hosts *hosts, const char *conninfo);       /* gives; db_hosts_free */
void db_hosts_passed(const struct db_hosts *hosts, const PGconn *conn); /* those before conn's were silent */
void db_hosts_free(struct db_hosts *hosts);

/* silence.c */
int db_patience_s(const PGconn *conn);                          /* how long an attempt to connect may take, in s */
void db_place_note(struct db_place *place, const PGconn *conn); /* forgets the former */
void db_place_forget(struct db_place *place);
bool db_place_silent(const struct db_place *place, const char *conninfo); /* asks there; takes up to its patience */

/* error.c */
RESULT db_fail_result(struct db *db, const PGresult *res, const char *what); /* res may be NULL: lost */
RESULT db_fail_lost(struct db *db, const char *what);
RESULT db_fail_own(struct db *db, enum err_kind kind, int code, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
char *db_scrub(const struct db *db, const char *text); /* gives a copy without the password, one line */

/* statement.c */
struct stmt_slot *db_slot(struct db *db, const struct db_stmt *s);
RESULT db_slot_check(struct db *db, struct stmt_slot *slot, const struct db_params *p);
void db_slot_prepared(struct stmt_slot *slot, const struct db_params *p);
void db_forget_plans(struct db *db);
int db_send_prepare(struct db *db, struct stmt_slot *slot, const struct db_params *p);
int db_send_run(struct db *db, struct stmt_slot *slot, const struct db_params *p);
RESULT db_get_result(struct db *db, PGresult **res); /* NULL: none left */
void db_drain(struct db *db);                        /* drops what is left of a statement's results */
bool db_status_good(const PGresult *res);
/* Types of the schema and of arrays of it, once per connection. */
RESULT db_type_pair(struct db *db, const char *type, uint32_t *oid, uint32_t *array_oid);

/* rows.c */
struct db_rows *db_rows_new(PGresult *res); /* takes res */

#endif
