#include "unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/cli.h"

/* "enterprise admit" -> argv of two. */
static int split(char *words, char **argv)
{
    int argc = 0;
    for (char *save = NULL, *p = strtok_r(words, " ", &save); p; p = strtok_r(NULL, " ", &save)) {
        argv[argc++] = p;
    }
    return argc;
}

static void each_command(void (*fn)(const struct command *c))
{
    size_t count;
    const struct command_group *const *all = command_groups(&count);
    ck_assert_uint_ge(count, 19);
    for (size_t g = 0; g < count; g++) {
        for (int i = 0; i < all[g]->count; i++) {
            fn(&all[g]->at[i]);
        }
    }
}

static void is_found(const struct command *c)
{
    char *argv[8], *words = mem_printf("%s extra", c->words);
    int used = 0, argc = split(words, argv);
    ck_assert_ptr_eq(command_find(argc, argv, &used), c);
    ck_assert_int_eq(used, argc - 1);
    mem_free(words);
}

START_TEST(every_command_is_found_by_its_words_and_hides_no_other)
{
    each_command(is_found);
    char first[] = "enterprise", second[] = "nonsense";
    char *nothing[] = {first, second};
    int used;
    ck_assert_ptr_null(command_find(2, nothing, &used));
    ck_assert_ptr_null(command_find(1, nothing, &used));
}
END_TEST

static bool has_chinese(const char *text)
{
    for (; *text; text++) {
        if ((unsigned char)*text >= 0xE4 && (unsigned char)*text <= 0xE9) {
            return true;
        }
    }
    return false;
}

static void speaks_both(const struct command *c)
{
    ck_assert_msg(has_chinese(c->zh), "%s", c->words);
    ck_assert_msg(*c->en && !has_chinese(c->en), "%s", c->words);
    ck_assert_int_le(c->spec_count, ARGS_MAX_OPTIONS);
    ck_assert_int_le(c->max_words, ARGS_MAX_WORDS);
    ck_assert_int_le(c->min_words, c->max_words);
    for (int i = 0; i < c->spec_count; i++) {
        ck_assert_msg(strstr(c->specs[i].help, " / ") != NULL, "%s --%s: %s", c->words, c->specs[i].name,
                      c->specs[i].help);
    }
}

START_TEST(every_command_and_option_is_explained_in_chinese_and_english)
{
    each_command(speaks_both);
}
END_TEST

/* The exit code of nhjcctl with these words; what it prints goes nowhere. */
static int run(const char *line)
{
    char *argv[16], *words = mem_strdup(line);
    int argc = split(words, argv);
    fflush(NULL);
    int out = dup(STDOUT_FILENO), err = dup(STDERR_FILENO), nowhere = open("/dev/null", O_WRONLY);
    dup2(nowhere, STDOUT_FILENO);
    dup2(nowhere, STDERR_FILENO);
    int code = cli_main(argc, argv);
    fflush(NULL);
    dup2(out, STDOUT_FILENO);
    dup2(err, STDERR_FILENO);
    close(out);
    close(err);
    close(nowhere);
    mem_free(words);
    return code;
}

START_TEST(wrong_usage_ends_with_2)
{
    ck_assert_int_eq(run("nhjcctl"), EXIT_USAGE);
    ck_assert_int_eq(run("nhjcctl -c"), EXIT_USAGE);
    ck_assert_int_eq(run("nhjcctl nonsense"), EXIT_USAGE);
    ck_assert_int_eq(run("nhjcctl enterprise admit"), EXIT_USAGE);
    ck_assert_int_eq(run("nhjcctl enterprise admit X --name N --region 420100"), EXIT_USAGE);
    ck_assert_int_eq(run("nhjcctl pki issue --out /tmp"), EXIT_USAGE);
    ck_assert_int_eq(run("nhjcctl pki issue --platform 420000 --enterprise X --out /tmp"), EXIT_USAGE);
    ck_assert_int_eq(run("nhjcctl outbox requeue"), EXIT_USAGE);
    ck_assert_int_eq(run("nhjcctl outbox requeue 7 --all"), EXIT_USAGE);
    ck_assert_int_eq(run("nhjcctl outbox requeue seven"), EXIT_USAGE);
    ck_assert_int_eq(run("nhjcctl upload list --limit 0"), EXIT_USAGE);
    ck_assert_int_eq(run("nhjcctl rollup verify --from yesterday"), EXIT_USAGE);
}
END_TEST

START_TEST(help_version_and_sample_end_with_0)
{
    ck_assert_int_eq(run("nhjcctl help"), EXIT_DONE);
    ck_assert_int_eq(run("nhjcctl --version"), EXIT_DONE);
    ck_assert_int_eq(run("nhjcctl config sample"), EXIT_DONE);
    ck_assert_int_eq(run("nhjcctl rollup verify --help"), EXIT_DONE);
}
END_TEST

START_TEST(what_is_refused_ends_with_1)
{
    ck_assert_int_eq(run("nhjcctl -c /nonexistent/nhjcd.conf status"), EXIT_FAILED);
    char path[] = "/tmp/nhjc-cli-XXXXXX", *line;
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    static const char TEXT[] =
        "database = host=/nonexistent\npki_dir = /nonexistent/pki\nadmin_socket = /nonexistent/s\n";
    ck_assert_int_eq(write(fd, TEXT, sizeof TEXT - 1), (ssize_t)sizeof TEXT - 1);
    close(fd);
    static const char *const REFUSED[] = {
        "status",
        "reload",
        "db check",
        "config check",
        "pki list --json extra",
        "pki issue --platform 420000 --out /tmp",
        "pki issue --enterprise 91420100MA4KXXXX0X --out /tmp",
        "enterprise admit 91420100MA4KXXXX0X --name N --region 420100 --industry C3130"};
    static const int CODES[] = {1, 1, 1, 1, 2, 1, 1, 1};
    for (size_t i = 0; i < ARRAY_LEN(REFUSED); i++) {
        line = mem_printf("nhjcctl -c %s %s", path, REFUSED[i]);
        ck_assert_msg(run(line) == CODES[i], "%s", REFUSED[i]);
        mem_free(line);
    }
    unlink(path);
}
END_TEST

UNIT_MAIN("cli", every_command_is_found_by_its_words_and_hides_no_other,
          every_command_and_option_is_explained_in_chinese_and_english, wrong_usage_ends_with_2,
          help_version_and_sample_end_with_0, what_is_refused_ends_with_1)
