/* outbox reconcile: does a destination hold what it was sent? Its day rows against ours, item by item (F9). */
#include <stdio.h>
#include <string.h>

#include "admin/audit.h"
#include "base/caltime.h"
#include "base/decimal.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "fep/outbox_store.h"
#include "payload/payload.h"
#include "query/query.h"
#include "soap/soap_client.h"

enum { PAGE = 10000, CONNECT_MS = 10000, TIMEOUT_MS = 60000, MAX_ANSWER = 64 << 20 };

static const struct db_stmt UNITS = {
    "reconcile.units", "SELECT code FROM unit WHERE config_version > 0 AND ($1 = '' OR code = $1) ORDER BY code"};

static const struct table_column COLUMNS[] = {{"enterprise", "企业 enterprise", false},
                                              {"dataCode", "编码 code", false},
                                              {"day", "日期 day", false},
                                              {"ownCount", "本方条数 own count", true},
                                              {"ownValue", "本方值 own value", false},
                                              {"count", "对方条数 count", true},
                                              {"value", "对方值 value", false}};

struct day { /* one item's day as one side has it */
    const char *data_code, *stat_date, *value;
    long long count;
};

struct days {
    struct day *at;
    size_t count, cap;
};

struct reconciliation {
    struct cli *cli;
    const struct fep_destination *destination;
    struct soap_client *client;
    struct registry *registry;
    struct table *table;
    const char *code; /* enterprise in hand */
    int64_t from, to;
    bool requeue;
    int64_t enterprises, differences, queued, gone;
};

static void put_day(struct days *d, struct arena *a, const struct day *day)
{
    if (d->count == d->cap) {
        size_t cap = d->cap ? d->cap * 2 : 256;
        struct day *more = arena_array(a, cap, sizeof *more);
        if (d->count)
            memcpy(more, d->at, d->count * sizeof *more);
        d->at = more;
        d->cap = cap;
    }
    d->at[d->count++] = (struct day){arena_strdup(a, day->data_code), arena_strdup(a, day->stat_date),
                                     day->value ? arena_strdup(a, day->value) : "", day->count};
}

/* ---- both sides ---- */

static RESULT own_days(struct reconciliation *r, struct arena *a, struct days *out)
{
    static const unsigned char key[32];
    struct data_question q = {.enterprise_codes = &r->code,
                              .enterprise_count = 1,
                              .granularity = GRAN_DAY,
                              .from = r->from,
                              .to = r->to,
                              .page = {.has_size = true, .size = PAGE, .token_key = key}};
    do {
        struct data_answer answer = {0};
        TRY(query_data(r->cli->db, r->registry, &q, a, &answer));
        for (size_t i = 0; i < answer.count; i++) {
            const struct data_row *row = &answer.rows[i];
            char date[CALTIME_TEXT], value[DECIMAL_TEXT];
            struct day day = {row->data_code, caltime_format(row->stat_date, date),
                              row->has_value ? decimal_format(row->value, value) : NULL, row->count};
            put_day(out, a, &day);
        }
        q.page.token = answer.next_token;
    } while (q.page.token);
    return RESULT_OK;
}

/* An enterprise that is not known there (1103: existence does not show) has no rows there. */
static RESULT other_page(struct reconciliation *r, const char *token, struct client_data_answer *answer)
{
    char from[CALTIME_TEXT], to[CALTIME_TEXT];
    caltime_format(r->from, from);
    caltime_format(r->to, to);
    struct result asked = soap_client_query_days(r->client, r->code, from, to, PAGE, token, answer);
    if (asked.code == 1103)
        return RESULT_OK;
    TRY(asked);
    if (answer->common.code != 0)
        return result_error(ERR_SENDER, answer->common.code, "%d %s", answer->common.code, answer->common.message);
    return RESULT_OK;
}

static RESULT other_days(struct reconciliation *r, struct arena *a, struct days *out)
{
    const char *token = NULL;
    do {
        struct client_data_answer answer = {0};
        TRY(other_page(r, token, &answer));
        for (size_t i = 0; i < answer.row_count; i++) {
            const struct client_data_row *row = &answer.rows[i];
            put_day(out, a, &(struct day){row->data_code, row->stat_date, row->value, row->count});
        }
        token = answer.page_token ? arena_strdup(a, answer.page_token) : NULL;
    } while (token);
    return RESULT_OK;
}

/* ---- comparison ---- */

static void show(struct reconciliation *r, const struct day *own, const struct day *other)
{
    const struct day *any = own ? own : other;
    table_text(r->table, r->code);
    table_text(r->table, any->data_code);
    table_text(r->table, any->stat_date);
    table_int(r->table, own ? own->count : 0);
    table_text(r->table, own ? own->value : "");
    table_int(r->table, other ? other->count : 0);
    table_text(r->table, other ? other->value : "");
    r->differences++;
}

static int order(const struct day *own, const struct day *other)
{
    if (!own || !other)
        return own ? -1 : 1;
    int c = strcmp(own->data_code, other->data_code);
    return c ? c : strcmp(own->stat_date, other->stat_date);
}

/* Both sides answer in the order of (data code, day). */
static void compare(struct reconciliation *r, const struct days *own, const struct days *other)
{
    size_t i = 0, k = 0;
    while (i < own->count || k < other->count) {
        const struct day *a = i < own->count ? &own->at[i] : NULL, *b = k < other->count ? &other->at[k] : NULL;
        int c = order(a, b);
        bool same = a && b && c == 0 && a->count == b->count && decimal_text_equal(a->value, b->value);
        if (!same)
            show(r, c <= 0 ? a : NULL, c >= 0 ? b : NULL);
        i += c <= 0;
        k += c >= 0;
    }
}

/* A reading may be received future_limit before its instant: what was received since then holds them all. */
static RESULT queue_again(struct reconciliation *r)
{
    struct outbox_filled filled;
    int64_t since = r->from - r->cli->config.future_ms * 1000;
    TRY(outbox_fill(r->cli->db, r->destination->name, r->code, since, &filled));
    r->queued += filled.uploads;
    r->gone += filled.unreadable;
    return audit_write(r->cli->db, r->cli->actor, "", "outbox.reconcile", r->destination->name, 0, r->code);
}

static RESULT one_enterprise(struct reconciliation *r)
{
    struct arena *a = arena_new(0);
    struct days own = {0}, other = {0};
    int64_t before = r->differences;
    struct result done = own_days(r, a, &own);
    if (result_ok(done))
        done = other_days(r, a, &other);
    if (result_ok(done)) {
        compare(r, &own, &other);
        r->enterprises++;
        if (r->requeue && r->differences > before)
            done = queue_again(r);
    }
    arena_free(&a);
    return done;
}

static RESULT all_enterprises(struct reconciliation *r, const char *code)
{
    struct db_params p;
    struct db_rows *rows = NULL;
    db_params_init(&p);
    db_bind_text(&p, code ? code : "");
    struct result done = db_query(r->cli->db, &UNITS, &p, &rows);
    db_params_free(&p);
    TRY(done);
    for (size_t i = 0; i < db_rows_count(rows) && result_ok(done); i++) {
        r->code = db_get_text(rows, i, 0);
        done = one_enterprise(r);
    }
    if (result_ok(done) && code && db_rows_count(rows) == 0)
        done = result_error(ERR_NOT_FOUND, 0,
                            "没有该企业，或尚无配置 / no such enterprise, or it has no configuration yet: %s", code);
    db_rows_free(&rows);
    return done;
}

/* ---- command ---- */

static RESULT find_destination(struct reconciliation *r, const char *name)
{
    for (size_t i = 0; i < r->cli->config.destination_count; i++)
        if (strcmp(r->cli->config.destinations[i].name, name) == 0)
            r->destination = &r->cli->config.destinations[i];
    return r->destination ? RESULT_OK
                          : result_error(ERR_NOT_FOUND, 0, "配置中没有该目标 / not in the configuration: %s", name);
}

static RESULT reconcile(struct reconciliation *r, const struct args *args)
{
    payload_init();
    TRY(cli_db(r->cli));
    TRY(find_destination(r, args->words[0]));
    TRY(registry_open(r->cli->db, &r->registry));
    struct tls_client_config config = {.url = r->destination->url,
                                       .cert_file = r->destination->cert_file,
                                       .key_file = r->destination->key_file,
                                       .ca_file = r->destination->ca_file,
                                       .connect_ms = CONNECT_MS,
                                       .timeout_ms = TIMEOUT_MS,
                                       .max_answer = MAX_ANSWER};
    struct result done = soap_client_new(&config, &r->client);
    if (result_ok(done))
        done = all_enterprises(r, args_text(args, "enterprise"));
    soap_client_free(&r->client);
    registry_close(&r->registry);
    return done;
}

static RESULT read_times(const struct args *args, struct reconciliation *r)
{
    TRY(args_time(args, "from", INT64_MIN, &r->from));
    TRY(args_time(args, "to", INT64_MIN, &r->to));
    TRY(args_span(r->from, r->to));
    struct civil c = caltime_civil(r->from); /* its day's row stands at midnight: a later instant would leave it out */
    r->from = caltime_instant(&(struct civil){.year = c.year, .month = c.month, .day = c.day});
    return RESULT_OK;
}

static int cmd_reconcile(struct cli *cli, const struct args *args)
{
    struct reconciliation r = {.cli = cli, .requeue = args_given(args, "requeue")};
    struct result done = read_times(args, &r);
    if (!result_ok(done)) {
        return cli_wrong_usage(done);
    }
    r.table = table_new(COLUMNS, ARRAY_LEN(COLUMNS));
    done = reconcile(&r, args);
    if (!result_ok(done)) {
        table_free(&r.table);
        return cli_failed(done);
    }
    cli_list(&r.table, args);
    fprintf(stderr,
            "%lld 家企业，%lld 处不同，%lld 份上传重新排队 / %lld enterprises, %lld differences, %lld uploads queued "
            "again\n",
            (long long)r.enterprises, (long long)r.differences, (long long)r.queued, (long long)r.enterprises,
            (long long)r.differences, (long long)r.queued);
    if (r.gone) {
        fprintf(stderr,
                "%lld 份上传已不在档案中，未排队 / %lld uploads are no longer in the archive and were not queued\n",
                (long long)r.gone, (long long)r.gone);
    }
    return r.differences ? EXIT_FAILED : EXIT_DONE;
}

static const struct arg_spec ARGS[] = {
    {"from", "TIME", "起始日 / first day", true},
    {"to", "TIME", "截止日（不含） / day after the last", true},
    {"enterprise", "CODE", "只限该企业 / only this enterprise", false},
    {"requeue", NULL, "不同者的上传重新排队 / queues the uploads of those that differ again", false},
    JSON_ARG};

static const struct command COMMANDS[] = {
    {.words = "outbox reconcile",
     .run = cmd_reconcile,
     .usage = "DESTINATION --from TIME --to TIME [--enterprise CODE] [--requeue] [--json]",
     .zh = "逐项逐日与对方核对条数与值，有不同则退出码 1；按月、按年上报的值不核对",
     .en = "compares count and value by item and day with the destination, exit 1 when they differ; values reported by "
           "month or year are not compared",
     COMMAND_ARGS(ARGS),
     .min_words = 1,
     .max_words = 1},
};
const struct command_group RECONCILE_COMMANDS = {COMMANDS, ARRAY_LEN(COMMANDS)};
