/* cli: what every command of nhjcctl works with, and the table of commands.
 *
 * Words:  operator texts are Chinese first, then English. Lists take --json.
 * Exit:   0 done, 1 refused or failed, 2 wrong usage.
 * Thread: main only. */
#ifndef NHJC_CLI_CLI_H
#define NHJC_CLI_CLI_H

#include "app/config.h"
#include "cli/args.h"
#include "cli/table.h"
#include "db/db.h"

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

struct cli {
    const char *config_path; /* "" : defaults only */
    struct config config;    /* loaded before a command that needs it runs */
    struct db *db;           /* opened by cli_db */
    char actor[80];          /* operator:NAME, for the audit log */
};

struct command {
    const char *words;                                    /* "enterprise admit" */
    int (*run)(struct cli *cli, const struct args *args); /* gives the exit code */
    const char *usage;                                    /* the words it takes: "CODE" */
    const char *zh, *en;
    const struct arg_spec *specs;
    int spec_count;
    int min_words, max_words;
    bool no_config;
};

struct command_group { /* one file per subject gives one group */
    const struct command *at;
    int count;
};
extern const struct command_group DB_COMMANDS, ENTERPRISE_COMMANDS, UPLOAD_COMMANDS, OUTBOX_COMMANDS, ROLLUP_COMMANDS,
    PKI_COMMANDS, SERVER_COMMANDS, CONFIG_COMMANDS, AUDIT_COMMANDS, IMPORT_COMMANDS, REPORT_COMMANDS,
    ADMISSION_COMMANDS, SHOW_COMMANDS, THRESHOLD_COMMANDS, BASEDATA_COMMANDS, COMMAND_COMMANDS, TRACE_COMMANDS,
    STORAGE_COMMANDS, STAT_COMMANDS, METER_COMMANDS, RECONCILE_COMMANDS;

/* All of them, in the order of the help. */
const struct command_group *const *command_groups(size_t *count);
/* The command whose words begin argv; *used: how many words. NULL: none. */
const struct command *command_find(int argc, char **argv, int *used);
/* Everything nhjcctl does, without exit(): for main and tests. */
int cli_main(int argc, char **argv);

/* The database of the configuration, its version checked; opened once, closed by cli_main. */
RESULT cli_db(struct cli *cli);
/* Without the version check, for db migrate and for the pki, which works without a database too. */
RESULT cli_db_unchecked(struct cli *cli);
/* NOT_FOUND when a list is asked of an enterprise (platforms: or a platform) that is not there: an empty answer would
 * look like one. code NULL or "": of all. */
RESULT cli_known_sender(struct cli *cli, const char *code, bool platforms);
/* "错误 / error: text" on standard error; gives EXIT_FAILED. */
int cli_failed(struct result r);
int cli_wrong_usage(struct result r); /* likewise EXIT_USAGE */
/* Prints the list and frees it. */
void cli_list(struct table **t, const struct args *args);
/* The same of at most `most` rows: a note on standard error when there may be more, naming the option. */
void cli_list_most(struct table **t, const struct args *args, int64_t most, const char *option);
/* Asks the database and prints the list that fill makes of the rows; gives the exit code. p: taken. most: --limit, as
 * in cli_list_most; 0: all rows were asked for. */
int cli_query_list(struct cli *cli, const struct args *args, const struct db_stmt *s, struct db_params *p, int64_t most,
                   struct table *(*fill)(const struct db_rows *rows));
/* The parameters of a list of what happened, newest first: $1 and $2 [--from, --to), $3 the text of the option `filter`
 * ("": all), $4 --limit, given in *limit too. SENDER: wrong usage, and nothing is bound. p: given. */
RESULT cli_bind_newest(const struct args *args, const char *filter, struct db_params *p, int64_t *limit);

#define JSON_ARG                                                                                                       \
    {                                                                                                                  \
        "json", NULL, "以 JSON 输出 / as JSON", false                                                                  \
    }
/* The options that cli_bind_newest reads besides the filter. */
#define NEWEST_ARGS                                                                                                    \
    {"from", "TIME", "起 / from, default 31 days before --to", false},                                                 \
        {"to", "TIME", "止（不含） / to, exclusive, default now", false},                                              \
    {                                                                                                                  \
        "limit", "N", "条数，最新在前 / this many, newest first (50)", false                                           \
    }
#define COMMAND_ARGS(table) .specs = (table), .spec_count = (int)ARRAY_LEN(table)

#endif
