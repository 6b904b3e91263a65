/* The operator's and housekeeping's side of outbox_store.h: list, requeue, prune. */
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "db/composite.h"
#include "fep/outbox_store.h"

enum { PAGE = 1000, PRUNE_BATCH = 500 };

static const int64_t PRUNE_NS = 1000000000; /* one call goes on for about a second */

/* Columns of every list, and the key that pages go by. $1 … $3: last key; $4, $5: units; $6: destination or 0;
 * $7: upload or 0; $8: page. */
#define LIST_COLUMNS                                                                                                   \
    "SELECT o.unit_id, o.destination_id, o.id, d.name, u.code, o.kind, o.upload_id, o.received_at, "                   \
    "coalesce(m.state, CASE WHEN o.message IS NULL THEN 'ready' ELSE 'sent' END), coalesce(o.message, 0), "            \
    "coalesce(m.message_id, ''), coalesce(m.attempts, 0), m.next_at, m.settled_at, coalesce(m.response_code, -1), "    \
    "coalesce(m.response_text, ''), coalesce(m.remote_upload_id, ''), coalesce(m.records, 0) "
#define LIST_JOINS " JOIN unit u ON u.id = o.unit_id JOIN destination d ON d.id = o.destination_id "
#define LIST_WHERE                                                                                                     \
    "WHERE (o.unit_id, o.destination_id, o.id) > ($1::integer, $2::smallint, $3::bigint) "                             \
    "AND o.unit_id BETWEEN $4 AND $5 AND ($6::smallint = 0 OR o.destination_id = $6) "                                 \
    "AND ($7::bigint = 0 OR o.upload_id = $7) "
#define LIST_ORDER "ORDER BY o.unit_id, o.destination_id, o.id LIMIT $8"
#define LIST_MESSAGE(word)                                                                                             \
    LIST_COLUMNS "FROM fep_message m JOIN outbox o ON o.message = m.id" LIST_JOINS LIST_WHERE "AND m.state = '" word   \
                 "' " LIST_ORDER

static const struct db_stmt LIST_ALL = {"outboxlist.all", LIST_COLUMNS
                                        "FROM outbox o" LIST_JOINS
                                        "LEFT JOIN fep_message m ON m.id = o.message " LIST_WHERE LIST_ORDER};
static const struct db_stmt LIST_READY = {"outboxlist.ready",
                                          LIST_COLUMNS "FROM outbox o" LIST_JOINS
                                                       "LEFT JOIN fep_message m ON m.id = o.message " LIST_WHERE
                                                       "AND o.message IS NULL " LIST_ORDER};
static const struct db_stmt LIST_SENT = {"outboxlist.sent", LIST_COLUMNS
                                         "FROM outbox o" LIST_JOINS "JOIN fep_message m ON m.id = o.message " LIST_WHERE
                                         "AND m.state = 'sent' " LIST_ORDER};
static const struct db_stmt LIST_PARTLY = {"outboxlist.part", LIST_COLUMNS
                                           "FROM fep_message m JOIN outbox o ON o.message = m.id" LIST_JOINS LIST_WHERE
                                           "AND m.state = 'sent' AND m.response_code = 2 " LIST_ORDER};
/* Few of these: they are found by their message. */
static const struct db_stmt LIST_LEASED = {"outboxlist.lease", LIST_MESSAGE("leased")};
static const struct db_stmt LIST_WAITING = {"outboxlist.wait", LIST_MESSAGE("waiting")};
static const struct db_stmt LIST_PARKED = {"outboxlist.park", LIST_MESSAGE("parked")};

static const struct list_word {
    const char *word;
    const struct db_stmt *steps[5];
} LIST_WORDS[] = {
    {"", {&LIST_ALL}},          {"ready", {&LIST_READY}},
    {"leased", {&LIST_LEASED}}, {"waiting", {&LIST_WAITING}},
    {"sent", {&LIST_SENT}},     {"parked", {&LIST_PARKED}},
    {"partly", {&LIST_PARTLY}}, {"open", {&LIST_LEASED, &LIST_WAITING, &LIST_PARKED, &LIST_READY}},
};

static const struct db_stmt FIND_UNIT = {"outboxlist.unit", "SELECT id FROM unit WHERE code = $1"};
static const struct db_stmt FIND_NAME = {"outboxlist.dest", "SELECT id FROM destination WHERE name = $1"};
static const struct db_stmt PARKED = {
    "outboxpark.find", "SELECT id, content IS NULL, state = 'sent' FROM fep_message WHERE (state = 'parked' AND NOT $4 "
                       " OR state = 'sent' AND response_code = 2 AND ($4 OR id = $1)) AND ($1::bigint = 0 OR id = $1) "
                       "AND ($2::smallint = 0 OR destination_id = $2) AND id > $3 ORDER BY id LIMIT 1000"};
/* What is younger than a parked row of its enterprise. */
#define HELD                                                                                                           \
    "WITH held AS MATERIALIZED (SELECT o.destination_id, o.unit_id, min(o.id) AS id FROM fep_message m "               \
    " JOIN outbox o ON o.message = m.id WHERE m.state = 'parked' "                                                     \
    " OR m.state IN ('leased', 'waiting') AND m.requeued_at IS NOT NULL GROUP BY 1, 2), "
#define NOT_HELD                                                                                                       \
    "NOT EXISTS (SELECT 1 FROM held h WHERE h.unit_id = o.unit_id AND h.destination_id = o.destination_id "            \
    "AND h.id < o.id) "
/* The oldest messages are the ones to go: only they are looked at, however long the table is. */
static const struct db_stmt PRUNE_ROWS = {
    "outboxprune.rows", HELD
    "old AS (SELECT id, state, settled_at FROM fep_message WHERE state <> 'parked' ORDER BY id LIMIT $2), "
    "gone AS (DELETE FROM fep_message m USING old WHERE m.id = old.id AND old.state = 'sent' AND m.state = 'sent' "
    " AND old.settled_at < $1 RETURNING m.id), "
    "mine AS (SELECT o.unit_id, o.destination_id, o.id FROM outbox o JOIN gone ON o.message = gone.id WHERE " NOT_HELD
    "), "
    "row_gone AS (DELETE FROM outbox o USING mine r WHERE o.unit_id = r.unit_id AND o.destination_id = "
    " r.destination_id AND o.id = r.id) SELECT count(*) FROM gone"};
/* Rows that were held when their message went, and are not any more. */
static const struct db_stmt PRUNE_LEFT = {
    "outboxprune.left",
    HELD "old AS (SELECT o.unit_id, o.destination_id, o.id FROM outbox o WHERE o.message < "
         " (SELECT coalesce(min(id), 9223372036854775807) FROM fep_message WHERE state <> 'parked') "
         " AND NOT EXISTS (SELECT 1 FROM fep_message m WHERE m.id = o.message) AND $1::timestamptz IS NOT NULL "
         " AND " NOT_HELD "LIMIT $2), "
         "gone AS (DELETE FROM outbox o USING old WHERE o.unit_id = old.unit_id AND o.destination_id = "
         " old.destination_id AND o.id = old.id RETURNING 1) SELECT count(*) FROM gone"};
static const struct db_stmt PRUNE_CONTENT = {
    "outboxprune.byte",
    "WITH old AS (SELECT id FROM fep_message WHERE state = 'sent' AND content IS NOT NULL AND settled_at < $1 "
    " ORDER BY settled_at LIMIT $2), "
    "done AS (UPDATE fep_message m SET content = NULL FROM old WHERE m.id = old.id AND m.state = 'sent' RETURNING 1) "
    "SELECT count(*) FROM done"};

/* ---- list ---- */

struct listing {
    const struct outbox_filter *filter;
    bool (*fn)(const struct outbox_entry *entry, void *arg);
    void *arg;
    int32_t first_unit, last_unit, unit; /* and the last key */
    int16_t destination, at_destination;
    int64_t at_id, given;
    bool stopped;
};

/* *id 0 when the name is NULL; an unknown name is the operator's error. */
static RESULT id_of(struct db *db, const struct db_stmt *s, const char *name, int64_t *id)
{
    *id = 0;
    if (!name || !name[0])
        return RESULT_OK;
    struct db_params p;
    struct db_rows *rows = NULL;
    db_params_init(&p);
    db_bind_text(&p, name);
    TRY(db_ask(db, s, &p, &rows));
    bool found = db_rows_count(rows) == 1;
    *id = found ? db_get_int(rows, 0, 0) : 0;
    db_rows_free(&rows);
    return found ? RESULT_OK : result_error(ERR_NOT_FOUND, 0, "没有这个企业或目标 / no such enterprise or destination");
}

static RESULT resolve(struct db *db, struct listing *l)
{
    int64_t unit = 0, destination = 0;
    TRY(id_of(db, &FIND_UNIT, l->filter->unit_code, &unit));
    TRY(id_of(db, &FIND_NAME, l->filter->destination, &destination));
    l->first_unit = (int32_t)unit;
    l->last_unit = unit ? (int32_t)unit : INT32_MAX;
    l->destination = (int16_t)destination;
    return RESULT_OK;
}

static void read_entry(const struct db_rows *r, size_t i, struct outbox_entry *e)
{
    *e = (struct outbox_entry){.id = db_get_int(r, i, 2),
                               .destination = db_get_text(r, i, 3),
                               .unit_code = db_get_text(r, i, 4),
                               .kind = (int)db_get_int(r, i, 5),
                               .upload_id = db_get_int(r, i, 6),
                               .received_at = db_get_time(r, i, 7),
                               .state = db_get_text(r, i, 8),
                               .message = db_get_int(r, i, 9),
                               .message_id = db_get_text(r, i, 10),
                               .attempts = (int)db_get_int(r, i, 11),
                               .next_at = db_is_null(r, i, 12) ? 0 : db_get_time(r, i, 12),
                               .settled_at = db_is_null(r, i, 13) ? 0 : db_get_time(r, i, 13),
                               .response_code = (int)db_get_int(r, i, 14),
                               .response_text = db_get_text(r, i, 15),
                               .remote_upload_id = db_get_text(r, i, 16),
                               .records = (int)db_get_int(r, i, 17)};
}

static void give_page(struct listing *l, const struct db_rows *rows)
{
    for (size_t i = 0; i < db_rows_count(rows) && !l->stopped; i++) {
        struct outbox_entry e;
        read_entry(rows, i, &e);
        l->given++;
        l->stopped = !l->fn(&e, l->arg) || l->given == l->filter->limit;
        l->unit = (int32_t)db_get_int(rows, i, 0);
        l->at_destination = (int16_t)db_get_int(rows, i, 1);
        l->at_id = e.id;
    }
}

static RESULT list_page(struct db *db, const struct db_stmt *s, struct listing *l, size_t *n)
{
    struct db_params p;
    struct db_rows *rows = NULL;
    db_params_init(&p);
    db_bind_int4(&p, l->unit);
    db_bind_int2(&p, l->at_destination);
    db_bind_int8(&p, l->at_id);
    db_bind_int4(&p, l->first_unit);
    db_bind_int4(&p, l->last_unit);
    db_bind_int2(&p, l->destination);
    db_bind_int8(&p, l->filter->upload_id);
    db_bind_int8(&p, PAGE);
    TRY(db_ask(db, s, &p, &rows));
    *n = db_rows_count(rows);
    give_page(l, rows);
    db_rows_free(&rows);
    return RESULT_OK;
}

static RESULT list_step(struct db *db, const struct db_stmt *s, struct listing *l)
{
    l->unit = 0;
    l->at_destination = 0;
    l->at_id = 0;
    size_t n = PAGE;
    while (n == PAGE && !l->stopped)
        TRY(list_page(db, s, l, &n));
    return RESULT_OK;
}

static const struct list_word *find_word(const char *state)
{
    for (size_t i = 0; i < ARRAY_LEN(LIST_WORDS); i++)
        if (strcmp(LIST_WORDS[i].word, state ? state : "") == 0)
            return &LIST_WORDS[i];
    return NULL;
}

RESULT outbox_list(struct db *db, const struct outbox_filter *filter,
                   bool (*fn)(const struct outbox_entry *entry, void *arg), void *arg)
{
    const struct list_word *w = find_word(filter->state);
    if (!w)
        return result_error(ERR_SENDER, 0,
                            "状态须为下列之一 / state is one of ready, leased, waiting, sent, parked, partly, open");
    struct listing l = {.filter = filter, .fn = fn, .arg = arg};
    TRY(resolve(db, &l));
    for (size_t i = 0; w->steps[i] && !l.stopped; i++)
        TRY(list_step(db, w->steps[i], &l));
    return RESULT_OK;
}

/* ---- requeue ---- */

struct requeue {
    int64_t message, destination, after, now, count;
    bool partly;
    size_t found;
};

static RESULT requeue_one(struct db *db, struct requeue *q, int64_t id, bool without_bytes, bool sent)
{
    struct outbox_outcome o = {.event = sent ? FEP_RENEW : without_bytes ? FEP_REMAKE : FEP_REQUEUE, .now = q->now};
    enum fep_state to;
    TRY(outbox_settle(db, id, &o, &to));
    q->count += to == FEP_WAITING || to == FEP_READY;
    q->after = id;
    return RESULT_OK;
}

static RESULT requeue_page(struct db *db, struct requeue *q)
{
    struct db_params p;
    struct db_rows *rows = NULL;
    db_params_init(&p);
    db_bind_int8(&p, q->message);
    db_bind_int2(&p, (int16_t)q->destination);
    db_bind_int8(&p, q->after);
    db_bind_bool(&p, q->partly);
    TRY(db_ask(db, &PARKED, &p, &rows));
    q->found = db_rows_count(rows);
    struct result r = RESULT_OK;
    for (size_t i = 0; i < q->found && result_ok(r); i++)
        r = requeue_one(db, q, db_get_int(rows, i, 0), db_get_bool(rows, i, 1), db_get_bool(rows, i, 2));
    db_rows_free(&rows);
    return r;
}

static RESULT requeue_all(struct db *db, struct requeue *q, const char *destination, int64_t *count)
{
    *count = 0;
    TRY(id_of(db, &FIND_NAME, destination, &q->destination));
    while (q->found)
        TRY(requeue_page(db, q));
    *count = q->count;
    return RESULT_OK;
}

RESULT outbox_requeue(struct db *db, int64_t message, const char *destination, int64_t now, int64_t *count)
{
    struct requeue q = {.message = message, .now = now, .found = 1};
    TRY(requeue_all(db, &q, destination, count));
    return message && !q.count ? result_error(ERR_NOT_FOUND, 0, "没有这条搁置的消息 / no such parked message")
                               : RESULT_OK;
}

RESULT outbox_requeue_partly(struct db *db, const char *destination, int64_t now, int64_t *count)
{
    struct requeue q = {.now = now, .partly = true, .found = 1};
    return requeue_all(db, &q, destination, count);
}

/* ---- prune ---- */

static RESULT prune_batch(struct db *db, const struct db_stmt *s, int64_t before, int64_t *n)
{
    struct db_params p;
    struct db_rows *rows = NULL;
    db_params_init(&p);
    db_bind_time(&p, before);
    db_bind_int8(&p, PRUNE_BATCH);
    TRY(db_ask(db, s, &p, &rows));
    *n = db_get_int(rows, 0, 0);
    db_rows_free(&rows);
    return RESULT_OK;
}

RESULT outbox_prune(struct db *db, int64_t content_before, int64_t rows_before, int64_t *removed, bool *more)
{
    int64_t stop = clock_monotonic() + PRUNE_NS, rows = 1, left = 1, bytes = 1;
    *removed = 0;
    while ((rows || left || bytes) && clock_monotonic() < stop) {
        TRY(prune_batch(db, &PRUNE_ROWS, rows_before, &rows));
        TRY(prune_batch(db, &PRUNE_LEFT, rows_before, &left));
        TRY(prune_batch(db, &PRUNE_CONTENT, content_before, &bytes));
        *removed += rows;
    }
    *more = rows || left || bytes;
    return RESULT_OK;
}
