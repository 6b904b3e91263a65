/* import FILE…: readings that come as files, through the same validation and transaction as an upload. */
#include <stdio.h>

#include "admin/audit.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "import/import.h"

static const struct db_stmt DESTINATIONS = {"cli_destinations",
                                            "SELECT id FROM destination WHERE active ORDER BY id LIMIT 8"};

static RESULT read_destinations(struct db *db, struct ingest_config *config)
{
    struct db_rows *rows = NULL;
    TRY(db_query(db, &DESTINATIONS, NULL, &rows));
    for (size_t i = 0; i < db_rows_count(rows); i++)
        config->destinations[config->destination_count++] = (int)db_get_int(rows, i, 0);
    db_rows_free(&rows);
    return RESULT_OK;
}

/* The servers' rollups are told once; what each document marked is found then. */
static const struct db_stmt MARKED = {"cli_import_marked", "SELECT pg_notify('nhjc_rollup', '')"};

static RESULT import_all(struct import_config *config, const struct args *args, struct import_total *total)
{
    for (int i = 0; i < args->word_count; i++)
        TRY(import_file(config, args->words[i], total));
    return RESULT_OK;
}

static RESULT run_import(struct cli *cli, const struct args *args, struct import_total *total)
{
    const struct config *c = &cli->config;
    struct payload_limits limits = {(size_t)c->depth, (size_t)c->attributes, (size_t)c->tag_bytes, (size_t)c->records};
    struct ingest_config ingest = {.limits = &limits,
                                   .max_plain = (size_t)c->plain_bytes,
                                   .future_ms = c->future_ms,
                                   .reported_tolerance_ppm = c->reported_tolerance_ppm,
                                   .late_grace_ms = c->late_grace_ms};
    struct import_config config = {.db = cli->db, .max_plain = (size_t)c->plain_bytes, .limits = &limits};
    TRY(read_destinations(cli->db, &ingest));
    TRY(registry_open(cli->db, &config.registry));
    ingest.registry = config.registry;
    struct result r = ingest_new(&ingest, cli->db, &config.ingest);
    if (result_ok(r))
        r = import_all(&config, args, total);
    if (total->stored + total->corrected > 0) {
        struct result told = db_query(cli->db, &MARKED, NULL, NULL);
        r = result_ok(r) ? told : r;
    }
    ingest_free(&config.ingest);
    registry_close(&config.registry);
    return r;
}

/* Each document is a transaction of its own with a receipt; this says who brought them. */
static RESULT audit(struct cli *cli, const struct import_total *t)
{
    char *detail = mem_printf("%d files, %d documents, %d refused; %lld received, %lld stored, %lld corrected, "
                              "%lld rejected",
                              t->files, t->documents, t->refused, t->received, t->stored, t->corrected, t->rejected);
    struct result r = audit_write(cli->db, cli->actor, "", "import", "", 0, detail);
    mem_free(detail);
    return r;
}

static void print_total(const struct import_total *t)
{
    printf("文件 files %d  文档 documents %d  拒绝 refused %d  稍后再试 try again %d\n"
           "收 received %lld  存 stored %lld  未变 unchanged %lld  更正 corrected %lld  可疑 suspect %lld  拒收 "
           "rejected %lld\n"
           "结果在各文件旁的 .result.txt / the result stands beside each file as .result.txt\n",
           t->files, t->documents, t->refused, t->again, t->received, t->stored, t->unchanged, t->corrected, t->suspect,
           t->rejected);
}

static int import_run(struct cli *cli, const struct args *args)
{
    struct import_total total = {0};
    payload_init();
    struct result r = cli_db(cli);
    if (result_ok(r)) {
        r = run_import(cli, args, &total);
        struct result told = total.documents > 0 ? audit(cli, &total) : RESULT_OK;
        r = result_ok(r) ? told : r;
    }
    print_total(&total);
    payload_exit();
    if (!result_ok(r))
        return cli_failed(r);
    return total.refused + total.again > 0 ? EXIT_FAILED : EXIT_DONE;
}

static const struct command COMMANDS[] = {
    {.words = "import",
     .run = import_run,
     .usage = "FILE…",
     .zh = "导入 energyData / energyDataSet 文件（XML、gzip、zip），结果写在文件旁",
     .en = "import energyData / energyDataSet files (XML, gzip, zip); the result is written beside each",
     .min_words = 1,
     .max_words = ARGS_MAX_WORDS},
};
const struct command_group IMPORT_COMMANDS = {COMMANDS, (int)ARRAY_LEN(COMMANDS)};
