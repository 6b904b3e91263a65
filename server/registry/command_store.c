#include "registry/command_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/caltime.h"
#include "base/mem.h"
#include "base/secret.h"
#include "db/composite.h"

static const struct {
    const char *kind;
    bool range, codes, value; /* range: needed; codes, value: may be (SET_PERIOD: must be) given */
} KINDS[] = {{"REUPLOAD", true, true, false},
             {"COLLECT_NOW", false, true, false},
             {"SET_PERIOD", false, true, true},
             {"RELOAD_BASE_DATA", false, false, false},
             {"REREGISTER", false, false, false}};

static const struct db_stmt ADD = {"command.add", "INSERT INTO command (command_id, unit_id, device_id, kind, from_ts, "
                                                  "to_ts, data_codes, value, created_at, created_by, addressed) "
                                                  "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $3 IS NOT NULL)"};
static const struct db_stmt TAKE = {
    "command.take",
    "WITH due AS (SELECT unit_id, command_id FROM command WHERE unit_id = $1 "
    "    AND (device_id = $2 OR device_id IS NULL OR (NOT addressed AND sent_at <= $3 - interval '1 day')) "
    "    AND (state = 'queued' OR (state = 'sent' AND sent_at <= $3 - $4 * interval '1 second')) "
    "  ORDER BY created_at, command_id LIMIT $5 FOR UPDATE SKIP LOCKED), "
    "given AS (UPDATE command c SET state = 'sent', sent_at = $3, times_sent = times_sent + 1, device_id = $2 FROM due "
    "  WHERE c.unit_id = due.unit_id AND c.command_id = due.command_id "
    "  RETURNING c.command_id, c.kind, c.from_ts, c.to_ts, c.data_codes, c.value, c.created_at) "
    "SELECT command_id, kind, from_ts, to_ts, data_codes, value FROM given ORDER BY created_at, command_id"};
static const struct db_stmt REPORT = {
    "command.report",
    "WITH told AS (UPDATE command SET state = $4, detail = $5, finished_at = $6, device_id = $2 "
    "  WHERE unit_id = $1 AND command_id = $3 AND (device_id = $2 OR device_id IS NULL) AND state IN ('queued', "
    "'sent') "
    "  RETURNING 1) "
    "SELECT EXISTS (SELECT FROM told), "
    "  (SELECT state FROM command WHERE unit_id = $1 AND command_id = $3 AND (device_id = $2 OR device_id IS NULL))"};
static const struct db_stmt CANCEL = {
    "command.cancel",
    "UPDATE command c SET state = 'cancelled', detail = $2, finished_at = $3 FROM unit u "
    "WHERE c.command_id = $1 AND c.state IN ('queued', 'sent') AND u.id = c.unit_id RETURNING u.code"};
static const struct db_stmt GAPS = {"command.gaps", "SELECT command_reupload($1, $2, $3, $4, $5)"};

bool command_kind_known(const char *kind)
{
    for (size_t i = 0; i < ARRAY_LEN(KINDS); i++) {
        if (strcmp(KINDS[i].kind, kind) == 0) {
            return true;
        }
    }
    return false;
}

static size_t kind_row(const char *kind)
{
    size_t i = 0;
    while (i < ARRAY_LEN(KINDS) && strcmp(KINDS[i].kind, kind) != 0) {
        i++;
    }
    return i;
}

static RESULT check_period(const char *value)
{
    char *end;
    long seconds = strtol(value, &end, 10);
    if (!*value || *end || seconds < 60 || seconds > 86400 || 86400 % seconds != 0) {
        return result_error(ERR_SENDER, 0,
                            "SET_PERIOD 须给出整除一天的秒数 / --value must be 60..86400 seconds that divide a day");
    }
    return RESULT_OK;
}

RESULT command_check(const struct command_row *row)
{
    size_t i = kind_row(row->kind);
    bool from = row->from != INT64_MIN, to = row->to != INT64_MIN;
    if (i == ARRAY_LEN(KINDS)) {
        return result_error(ERR_SENDER, 0, "没有这种命令 / no such kind of command: %s", row->kind);
    }
    if (KINDS[i].range != from || KINDS[i].range != to || (from && row->from >= row->to)) {
        return result_error(ERR_SENDER, 0, "%s %s / %s", row->kind,
                            KINDS[i].range ? "须有 --from 与 --to，且起早于止" : "不带 --from 与 --to",
                            KINDS[i].range ? "needs --from before --to" : "takes no --from and --to");
    }
    if ((row->code_count && !KINDS[i].codes) || (*row->value && !KINDS[i].value)) {
        return result_error(ERR_SENDER, 0, "%s 不带 --code 或 --value / takes no such option", row->kind);
    }
    return KINDS[i].value ? check_period(row->value) : RESULT_OK;
}

static void bind_time(struct db_params *p, int64_t us)
{
    if (us == INT64_MIN) {
        db_bind_null(p, OID_TIMESTAMPTZ);
    } else {
        db_bind_time(p, us);
    }
}

RESULT command_add(struct db *db, const struct command_order *o, const struct command_row *row, char *command_id)
{
    struct db_params p;
    random_hex(command_id, 16);
    db_params_init(&p);
    db_bind_text(&p, command_id);
    db_bind_int4(&p, o->unit_id);
    db_bind_text(&p, o->device_id);
    db_bind_text(&p, row->kind);
    bind_time(&p, row->from);
    bind_time(&p, row->to);
    db_bind_text_array(&p, row->data_codes, row->code_count);
    db_bind_text(&p, row->value);
    db_bind_time(&p, o->now);
    db_bind_text(&p, o->created_by);
    struct result r = db_query(db, &ADD, &p, NULL);
    db_params_free(&p);
    return r;
}

static int64_t get_time(const struct db_rows *rows, size_t i, int col)
{
    return db_is_null(rows, i, col) ? INT64_MIN : db_get_time(rows, i, col);
}

static void read_row(const struct db_rows *rows, size_t i, struct arena *a, struct command_row *out)
{
    out->command_id = arena_strdup(a, db_get_text(rows, i, 0));
    out->kind = arena_strdup(a, db_get_text(rows, i, 1));
    out->from = get_time(rows, i, 2);
    out->to = get_time(rows, i, 3);
    db_get_text_array(rows, i, 4, a, &out->data_codes, &out->code_count);
    out->value = arena_strdup(a, db_get_text(rows, i, 5));
}

RESULT command_take(struct db *db, int32_t unit_id, const char *device_id, int64_t now, struct arena *arena,
                    struct command_row **out, size_t *count)
{
    struct db_params p;
    struct db_rows *rows = NULL;
    *out = NULL;
    *count = 0;
    db_params_init(&p);
    db_bind_int4(&p, unit_id);
    db_bind_text(&p, device_id);
    db_bind_time(&p, now);
    db_bind_int4(&p, COMMAND_RESEND_S);
    db_bind_int4(&p, COMMAND_BATCH);
    TRY(db_ask(db, &TAKE, &p, &rows));
    *count = db_rows_count(rows);
    *out = arena_array(arena, *count + 1, sizeof **out);
    for (size_t i = 0; i < *count; i++) {
        read_row(rows, i, arena, &(*out)[i]);
    }
    db_rows_free(&rows);
    return RESULT_OK;
}

/* How many bytes hold at most n characters of UTF-8. */
static size_t cut(const char *text, size_t n)
{
    size_t i = 0;
    for (; text[i] && n > 0; n--) {
        i++;
        while (((unsigned char)text[i] & 0xC0) == 0x80) {
            i++;
        }
    }
    return i;
}

RESULT command_report(struct db *db, int32_t unit_id, const char *device_id, const char *command_id, bool done,
                      const char *detail, int64_t now, enum command_outcome *outcome)
{
    struct db_params p;
    struct db_rows *rows = NULL;
    const char *state = done ? "done" : "failed";
    detail = detail ? detail : "";
    db_params_init(&p);
    db_bind_int4(&p, unit_id);
    db_bind_text(&p, device_id);
    db_bind_text(&p, command_id);
    db_bind_text(&p, state);
    db_bind_text_n(&p, detail, cut(detail, COMMAND_DETAIL));
    db_bind_time(&p, now);
    TRY(db_ask(db, &REPORT, &p, &rows));
    *outcome = db_get_bool(rows, 0, 0)                       ? COMMAND_SETTLED
               : db_is_null(rows, 0, 1)                      ? COMMAND_UNKNOWN
               : strcmp(db_get_text(rows, 0, 1), state) == 0 ? COMMAND_REPEATED
                                                             : COMMAND_OTHERWISE;
    db_rows_free(&rows);
    return RESULT_OK;
}

RESULT command_cancel(struct db *db, const char *command_id, const char *why, int64_t now, bool *cancelled,
                      char *enterprise)
{
    struct db_params p;
    struct db_rows *rows = NULL;
    db_params_init(&p);
    db_bind_text(&p, command_id);
    db_bind_text(&p, why);
    db_bind_time(&p, now);
    TRY(db_ask(db, &CANCEL, &p, &rows));
    *cancelled = db_rows_count(rows) > 0;
    snprintf(enterprise, 19, "%s", *cancelled ? db_get_text(rows, 0, 0) : "");
    db_rows_free(&rows);
    return RESULT_OK;
}

RESULT command_reupload_gaps(struct db *db, const struct command_gap_limits *l, int64_t *made)
{
    struct db_params p;
    struct db_rows *rows = NULL;
    int64_t today = period_start(GRAN_DAY, l->now);
    db_params_init(&p);
    db_bind_time(&p, today - l->days * INT64_C(86400000000));
    db_bind_time(&p, today);
    db_bind_time(&p, l->now);
    db_bind_int4(&p, l->per_unit);
    db_bind_int4(&p, l->most);
    TRY(db_ask(db, &GAPS, &p, &rows));
    *made = db_get_int(rows, 0, 0);
    db_rows_free(&rows);
    return RESULT_OK;
}
