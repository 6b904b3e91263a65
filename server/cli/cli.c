/* cli: finds the command, reads its words and the configuration, runs it. */
#include "cli/cli.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/caltime.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "db/migrate.h"
#include "payload/finding.h"

#define DEFAULT_CONFIG "/etc/nhjc/nhjcd.conf"

static const struct command_group *const GROUPS[] = {
    &SERVER_COMMANDS,    &DB_COMMANDS,      &ADMISSION_COMMANDS, &ENTERPRISE_COMMANDS, &SHOW_COMMANDS,
    &THRESHOLD_COMMANDS, &COMMAND_COMMANDS, &BASEDATA_COMMANDS,  &UPLOAD_COMMANDS,     &OUTBOX_COMMANDS,
    &RECONCILE_COMMANDS, &ROLLUP_COMMANDS,  &PKI_COMMANDS,       &AUDIT_COMMANDS,      &CONFIG_COMMANDS,
    &IMPORT_COMMANDS,    &STAT_COMMANDS,    &METER_COMMANDS,     &TRACE_COMMANDS,      &REPORT_COMMANDS,
    &STORAGE_COMMANDS};

const struct command_group *const *command_groups(size_t *count)
{
    *count = ARRAY_LEN(GROUPS);
    return GROUPS;
}

/* How many elements of argv the command's words take, 0: they differ. */
static int match(const char *words, int argc, char **argv)
{
    int used = 0;
    for (const char *p = words; *p; used++) {
        size_t len = strcspn(p, " ");
        if (used >= argc || strlen(argv[used]) != len || memcmp(argv[used], p, len) != 0) {
            return 0;
        }
        p += len + (p[len] == ' ');
    }
    return used;
}

const struct command *command_find(int argc, char **argv, int *used)
{
    for (size_t g = 0; g < ARRAY_LEN(GROUPS); g++) {
        for (int i = 0; i < GROUPS[g]->count; i++) {
            *used = match(GROUPS[g]->at[i].words, argc, argv);
            if (*used) {
                return &GROUPS[g]->at[i];
            }
        }
    }
    return NULL;
}

static void print_command(FILE *out, const struct command *c)
{
    fprintf(out, "  %s%s%s\n      %s / %s\n", c->words, *c->usage ? " " : "", c->usage, c->zh, c->en);
}

static void print_usage(FILE *out)
{
    fputs("nhjcctl " NHJC_VERSION "  省级平台运维命令 / the operator's command line\n"
          "用法 / usage: nhjcctl [-c CONF] COMMAND …    (CONF: NHJC_CONF, " DEFAULT_CONFIG ")\n"
          "              nhjcctl COMMAND --help\n\n",
          out);
    for (size_t g = 0; g < ARRAY_LEN(GROUPS); g++) {
        for (int i = 0; i < GROUPS[g]->count; i++) {
            print_command(out, &GROUPS[g]->at[i]);
        }
    }
    fputs("\n退出码 / exit code: 0 成功 done, 1 拒绝或失败 refused or failed, 2 用法错误 wrong usage\n", out);
}

static void print_command_help(FILE *out, const struct command *c)
{
    print_command(out, c);
    for (int i = 0; i < c->spec_count; i++) {
        const struct arg_spec *s = &c->specs[i];
        fprintf(out, "  --%s%s%s%s\n      %s\n", s->name, s->value ? " " : "", s->value ? s->value : "",
                s->required ? "  (必需 / needed)" : "", s->help);
    }
}

static int complain(const char *what, struct result r, int code)
{
    struct arena *a = arena_new(0);
    fprintf(stderr, "%s: %s\n", what, result_message(a, r));
    arena_free(&a);
    return code;
}

int cli_failed(struct result r)
{
    return complain("错误 / error", r, EXIT_FAILED);
}

int cli_wrong_usage(struct result r)
{
    return complain("用法错误 / wrong usage", r, EXIT_USAGE);
}

void cli_list(struct table **t, const struct args *args)
{
    struct buf out = BUF_INIT;
    table_print(*t, args_given(args, "json"), &out);
    fputs(buf_str(&out), stdout);
    buf_free(&out);
    table_free(t);
}

void cli_list_most(struct table **t, const struct args *args, int64_t most, const char *option)
{
    bool full = (int64_t)table_rows(*t) >= most;
    cli_list(t, args);
    fflush(stdout); /* the note comes last on a terminal */
    if (full) {
        fprintf(
            stderr,
            "注意 / note: 只列出 %lld 条，可能还有更多，用 --%s 放宽 / %lld rows only, there may be more: raise --%s\n",
            (long long)most, option, (long long)most, option);
    }
}

int cli_query_list(struct cli *cli, const struct args *args, const struct db_stmt *s, struct db_params *p, int64_t most,
                   struct table *(*fill)(const struct db_rows *rows))
{
    struct db_rows *rows = NULL;
    struct result r = cli_db(cli);
    r = result_ok(r) ? db_query(cli->db, s, p, &rows) : r;
    db_params_free(p);
    if (!result_ok(r)) {
        return cli_failed(r);
    }
    struct table *t = fill(rows);
    db_rows_free(&rows);
    if (most) {
        cli_list_most(&t, args, most, "limit");
    } else {
        cli_list(&t, args);
    }
    return EXIT_DONE;
}

RESULT cli_bind_newest(const struct args *args, const char *filter, struct db_params *p, int64_t *limit)
{
    const char *text = args_text(args, filter);
    int64_t from, to, day = 86400 * USEC_PER_SEC;
    TRY(args_time(args, "to", clock_now() + day, &to));
    TRY(args_time(args, "from", to - 31 * day, &from));
    TRY(args_span(from, to));
    TRY(args_int(args, "limit", 1, 100000, 50, limit));
    db_params_init(p);
    db_bind_time(p, from);
    db_bind_time(p, to);
    db_bind_text(p, text ? text : "");
    db_bind_int8(p, *limit);
    return RESULT_OK;
}

RESULT cli_db_unchecked(struct cli *cli)
{
    if (cli->db) {
        return RESULT_OK;
    }
    struct db_config config = {.conninfo = cli->config.database, .application = "nhjcctl"};
    return db_open(&config, &cli->db);
}

RESULT cli_db(struct cli *cli)
{
    TRY(cli_db_unchecked(cli));
    struct result r = db_check_version(cli->db);
    return r.kind == ERR_SENDER ? result_error(r.kind, r.code, "数据库与程序版本不符 / %s", r.text) : r;
}

static const struct db_stmt KNOWN = {"cli_known", "SELECT 1 FROM unit WHERE code = $1 UNION ALL "
                                                  "SELECT 1 FROM platform WHERE code = $1 AND $2 LIMIT 1"};

RESULT cli_known_sender(struct cli *cli, const char *code, bool platforms)
{
    if (!code || !*code) {
        return RESULT_OK;
    }
    struct db_params p;
    struct db_rows *rows = NULL;
    TRY(cli_db(cli));
    db_params_init(&p);
    db_bind_text(&p, code);
    db_bind_bool(&p, platforms);
    TRY(db_ask(cli->db, &KNOWN, &p, &rows));
    bool known = db_rows_count(rows) > 0;
    db_rows_free(&rows);
    return known ? RESULT_OK : result_error(ERR_NOT_FOUND, 0, "没有这个企业 / no such enterprise: %s", code);
}

/* The person at the keyboard, also behind sudo. */
static void name_actor(struct cli *cli)
{
    const char *name = getenv("SUDO_USER");
    if (!name || !*name) {
        name = getenv("USER");
    }
    if (!name || !*name) {
        struct passwd *pw = getpwuid(getuid());
        name = pw ? pw->pw_name : "unknown";
    }
    snprintf(cli->actor, sizeof cli->actor, "operator:%.60s", name);
}

static RESULT load_config(struct cli *cli)
{
    TRY(config_load(*cli->config_path ? cli->config_path : NULL, &cli->config));
    TRY(caltime_set_zone(cli->config.timezone));
    int64_t offset = config_clock_offset(&cli->config);
    if (offset) {
        clock_set_offset(offset);
    }
    return RESULT_OK;
}

static bool wants_help(int argc, char **argv)
{
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            return true;
        }
    }
    return false;
}

static int run(struct cli *cli, const struct command *command, int argc, char **argv)
{
    if (wants_help(argc, argv)) {
        print_command_help(stdout, command);
        return EXIT_DONE;
    }
    struct args args;
    struct result r = args_parse(&args, command->specs, command->spec_count, command->min_words, command->max_words,
                                 argc, (const char *const *)argv);
    if (!result_ok(r)) {
        int code = cli_wrong_usage(r);
        print_command(stderr, command);
        return code;
    }
    r = command->no_config ? RESULT_OK : load_config(cli);
    if (!result_ok(r)) {
        return cli_failed(r);
    }
    return command->run(cli, &args);
}

/* Options before the command. Gives how many elements of argv they take, or -1. */
static int read_global_options(struct cli *cli, int argc, char **argv)
{
    const char *env = getenv("NHJC_CONF");
    cli->config_path = env && *env ? env : access(DEFAULT_CONFIG, R_OK) == 0 ? DEFAULT_CONFIG : "";
    if (argc < 1 || (strcmp(argv[0], "-c") != 0 && strcmp(argv[0], "--config") != 0)) {
        return 0;
    }
    if (argc < 2) {
        return -1;
    }
    cli->config_path = argv[1];
    return 2;
}

static int run_words(struct cli *cli, int argc, char **argv)
{
    int used = read_global_options(cli, argc, argv);
    argc -= used > 0 ? used : 0;
    argv += used > 0 ? used : 0;
    if (used < 0 || argc < 1) {
        print_usage(stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[0], "--version") == 0) {
        puts("nhjcctl " NHJC_VERSION);
        return EXIT_DONE;
    }
    if (strcmp(argv[0], "help") == 0 || strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0) {
        print_usage(stdout);
        return EXIT_DONE;
    }
    const struct command *command = command_find(argc, argv, &used);
    if (!command) {
        return cli_wrong_usage(result_error(ERR_SENDER, 0,
                                            "没有这个命令，见 nhjcctl help / no such command, see nhjcctl help: %s%s%s",
                                            argv[0], argc > 1 ? " " : "", argc > 1 ? argv[1] : ""));
    }
    return run(cli, command, argc - used, argv + used);
}

int cli_main(int argc, char **argv)
{
    struct cli cli = {0};
    log_set_level(LOG_WARN);
    name_actor(&cli);
    int code = run_words(&cli, argc - 1, argv + 1);
    if (cli.db) {
        db_close(&cli.db);
    }
    config_free(&cli.config);
    if (fflush(stdout) != 0 && code == EXIT_DONE) {
        code = cli_failed(result_error(ERR_INTERNAL, 0, "写标准输出失败 / cannot write to standard output"));
    }
    return code;
}
