/* config sample|check. */
#include <stdio.h>

#include "base/mem.h"
#include "cli/cli.h"

static int cmd_sample(struct cli *cli, const struct args *args)
{
    (void)cli;
    (void)args;
    char *text = config_sample();
    fputs(text, stdout);
    mem_free(text);
    return EXIT_DONE;
}

/* Loading it was the check. */
static int cmd_check(struct cli *cli, const struct args *args)
{
    (void)args;
    struct result r = config_check_server(&cli->config);
    if (!result_ok(r)) {
        return cli_failed(r);
    }
    printf("配置有效 / the configuration is valid: %s\n", cli->config_path);
    return EXIT_DONE;
}

static const struct command COMMANDS[] = {
    {.words = "config sample",
     .run = cmd_sample,
     .usage = "",
     .zh = "输出带说明的配置样例",
     .en = "prints a configuration file with every option and its default",
     .no_config = true},
    {.words = "config check",
     .run = cmd_check,
     .usage = "",
     .zh = "检查配置文件",
     .en = "checks the configuration file"},
};
const struct command_group CONFIG_COMMANDS = {COMMANDS, ARRAY_LEN(COMMANDS)};
