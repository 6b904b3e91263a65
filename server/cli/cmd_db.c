/* db migrate, db version. */
#include <stdio.h>

#include "base/mem.h"
#include "cli/cli.h"
#include "db/migrate.h"

static void say(const char *line, void *arg)
{
    (void)arg;
    puts(line);
}

static RESULT migrate(struct cli *cli)
{
    TRY(cli_db_unchecked(cli));
    return db_migrate(cli->db, say, NULL);
}

static int cmd_migrate(struct cli *cli, const struct args *args)
{
    (void)args;
    struct result r = migrate(cli);
    if (!result_ok(r)) {
        return cli_failed(r);
    }
    puts("数据库已是最新 / the database is up to date");
    return EXIT_DONE;
}

static int cmd_check(struct cli *cli, const struct args *args)
{
    (void)args;
    struct result r = cli_db(cli);
    if (!result_ok(r)) {
        return cli_failed(r);
    }
    puts("数据库版本相符 / the database has the version this program needs");
    return EXIT_DONE;
}

static const struct command COMMANDS[] = {
    {.words = "db migrate",
     .run = cmd_migrate,
     .usage = "",
     .zh = "建立或升级数据库",
     .en = "makes or upgrades the database's tables"},
    {.words = "db check",
     .run = cmd_check,
     .usage = "",
     .zh = "检查数据库版本",
     .en = "does the database fit this program?"},
};
const struct command_group DB_COMMANDS = {COMMANDS, ARRAY_LEN(COMMANDS)};
