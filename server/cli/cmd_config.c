/* config sample|check. */
#include <stdio.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "cli/cli.h"
#include "net/tls_client.h"

#define DAY_SECONDS 86400
enum { CERTIFICATE_DAYS = 60, CRL_DAYS = 7 }; /* notes begin as early as the server's own log lines */

static int cmd_sample(struct cli *cli, const struct args *args)
{
    (void)cli;
    (void)args;
    char *text = config_sample();
    fputs(text, stdout);
    mem_free(text);
    return EXIT_DONE;
}

/* ---- check: what a start would stumble over, found while the server still runs ---- */

static void note_term(const char *zh, const char *en, int64_t seconds, int64_t days)
{
    if (seconds < days * DAY_SECONDS) {
        fprintf(stderr, "注意 / note: %s还剩 %lld 天 / %s: %lld days left\n", zh, (long long)(seconds / DAY_SECONDS),
                en, (long long)(seconds / DAY_SECONDS));
    }
}

static void note_open_key(const char *file)
{
    struct stat st;
    if (stat(file, &st) == 0 && (st.st_mode & (S_IROTH | S_IWOTH))) {
        fprintf(stderr, "注意 / note: 私钥可被本机其他用户读写，应为 0600 / the key is open to other users: %s\n",
                file);
    }
}

static RESULT check_server_files(const struct config *config)
{
    struct net_config net;
    int64_t certificate = 0, crl = 0;
    config_net(config, &net);
    TRY(net_check_tls(&net.tls, &certificate, &crl));
    note_term("服务器证书", "the server's certificate", certificate, CERTIFICATE_DAYS);
    note_term("CRL", "the CRL", crl, CRL_DAYS);
    note_open_key(config->key_file);
    return RESULT_OK;
}

static RESULT check_destination(const struct fep_destination *d)
{
    struct tls_client_config config = {
        .url = d->url, .cert_file = d->cert_file, .key_file = d->key_file, .ca_file = d->ca_file};
    struct tls_client *client = NULL;
    struct result r = tls_client_new(&config, &client);
    tls_client_free(&client);
    if (!result_ok(r)) {
        return result_error(r.kind, r.code, "[destination %s]: %s", d->name, r.text);
    }
    int64_t left = 0;
    TRY(net_certificate_left(d->cert_file, &left));
    char *en = mem_printf("this platform's certificate at %s", d->name);
    note_term("转发所用证书", en, left, CERTIFICATE_DAYS);
    mem_free(en);
    note_open_key(d->key_file);
    return RESULT_OK;
}

static void note_import_dir(const char *dir)
{
    struct stat st;
    if (*dir && (stat(dir, &st) != 0 || !S_ISDIR(st.st_mode))) {
        fprintf(stderr, "注意 / note: 导入目录不存在 / import_dir is no folder: %s\n", dir);
    }
}

static RESULT check(const struct config *config)
{
    TRY(config_check_server(config));
    TRY(db_check_conninfo(config->database));
    TRY(db_check_conninfo(config->query_database));
    TRY(check_server_files(config));
    for (size_t i = 0; i < config->destination_count; i++) {
        if (config->destinations[i].active) {
            TRY(check_destination(&config->destinations[i]));
        }
    }
    note_import_dir(config->import_dir);
    return RESULT_OK;
}

static int cmd_check(struct cli *cli, const struct args *args)
{
    (void)args;
    struct result r = check(&cli->config);
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
     .zh = "检查配置文件及其中的证书、私钥、CA、CRL和连接串；请以服务的用户执行",
     .en = "checks the configuration, and the certificates, keys, CAs, CRLs and connection strings it names; "
           "run it as the service's user"},
};
const struct command_group CONFIG_COMMANDS = {COMMANDS, ARRAY_LEN(COMMANDS)};
