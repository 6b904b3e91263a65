#include "sim/sim_options.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/caltime.h"
#include "base/mem.h"

enum kind { TEXT, NUMBER, SPEED, RATE, TIME, FLAG };

struct row {
    const char *name;
    enum kind kind;
    size_t offset;
    int64_t min, max; /* NUMBER */
};

#define AT(field) offsetof(struct sim_options, field)

static const struct row ROWS[] = {
    {"url", TEXT, AT(url), 0, 0},
    {"ca", TEXT, AT(ca), 0, 0},
    {"cert", TEXT, AT(cert), 0, 0},
    {"key", TEXT, AT(key), 0, 0},
    {"enterprise", TEXT, AT(enterprise), 0, 0},
    {"name", TEXT, AT(name), 0, 0},
    {"region", TEXT, AT(region), 0, 0},
    {"industry", TEXT, AT(industry), 0, 0},
    {"serial", TEXT, AT(serial), 0, 0},
    {"csv", TEXT, AT(csv), 0, 0},
    {"shape", TEXT, AT(shape), 0, 0},
    {"items", TEXT, AT(items), 0, 0},
    {"spool", TEXT, AT(spool), 0, 0},
    {"pki", TEXT, AT(pki), 0, 0},
    {"zone", TEXT, AT(zone), 0, 0},
    {"encoding", TEXT, AT(encoding_name), 0, 0},
    {"digest", TEXT, AT(digest_name), 0, 0},
    {"encryption", TEXT, AT(encryption_name), 0, 0},
    {"from", TIME, AT(from), 0, 0},
    {"to", TIME, AT(to), 0, 0},
    {"period", NUMBER, AT(period), 60, 86400},
    {"per-upload", NUMBER, AT(per_upload), 1, 200000},
    {"retry-min", NUMBER, AT(retry_min), 1, 3600000},
    {"retry-max", NUMBER, AT(retry_max), 1, 3600000},
    {"give-up", NUMBER, AT(give_up), 0, 31536000},
    {"timeout", NUMBER, AT(timeout), 1, 3600},
    {"progress", NUMBER, AT(progress), 0, 86400},
    {"devices", NUMBER, AT(devices), 1, 100000},
    {"parallel", NUMBER, AT(parallel), 1, 1024},
    {"seconds", NUMBER, AT(seconds), 1, 864000},
    {"print-enterprises", NUMBER, AT(print_enterprises), 1, 999999},
    {"speed", SPEED, AT(speed), 0, 0},
    {"rate", RATE, AT(rate), 0, 0},
    {"heartbeat", NUMBER, AT(heartbeat), 0, 86400},
    {"drop-head", FLAG, AT(drop_head), 0, 0},
    {"again", FLAG, AT(again), 0, 0},
    {"json", FLAG, AT(json), 0, 0},
    {"print-csv", FLAG, AT(print_csv), 0, 0},
    {"print-items", FLAG, AT(print_items), 0, 0},
    {"load", FLAG, AT(load), 0, 0},
    {"help", FLAG, AT(help), 0, 0},
};

const char *sim_options_usage(void)
{
    return "nhjc-sim: 模拟端设备 / an end device to try the platform with\n"
           "用法 / usage (全部选项 / every option: server/sim/README.md):\n"
           "\n"
           "  nhjc-sim --url https://HOST:PORT --ca FILE --cert FILE --key FILE --enterprise CODE\n"
           "           (--csv FILE | --shape steel|glass|office) [--spool DIR] [--speed N|max] [--per-upload N]\n"
           "           [--from TIME] [--to TIME] [--items FILE] [--encoding gzip|identity] [--digest SHA-256|SM3] "
           "[--json]\n"
           "      上传文件或内置负荷的读数 / uploads the readings of a file or a built-in shape\n"
           "  nhjc-sim (--csv FILE | --shape NAME) --print-csv | --print-items\n"
           "      打印读数或采集项 / prints the readings or the items\n"
           "  nhjc-sim --print-enterprises N\n"
           "      打印有效的企业代码 / prints valid enterprise codes\n"
           "  nhjc-sim --load --url URL --ca FILE --pki DIR --devices N --items M --per-upload P --parallel K "
           "--seconds S\n"
           "           [--rate N]\n"
           "      多台端设备压测 / many devices at once, for load\n"
           "\n"
           "退出码 / exit code: 0 全部确认 all acknowledged, 1 平台拒绝 refused, 2 用法错误或本端故障 wrong use or "
           "broken "
           "here,\n"
           "                   3 有未发数据 unsent messages left\n";
}

static const struct row *find_row(const char *name, size_t len)
{
    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        if (strlen(ROWS[i].name) == len && strncmp(ROWS[i].name, name, len) == 0) {
            return &ROWS[i];
        }
    }
    return NULL;
}

static bool parse_number(const struct row *row, const char *text, int64_t *out)
{
    char *end;
    errno = 0;
    long long v = strtoll(text, &end, 10);
    *out = v;
    return errno == 0 && end != text && *end == '\0' && v >= row->min && v <= row->max;
}

static bool parse_factor(const char *text, double *out)
{
    char *end;
    *out = strtod(text, &end);
    return end != text && *end == '\0' && *out >= 0 && *out <= 1e12;
}

/* "yyyy-MM-dd" and "yyyy-MM-dd HH:mm" are filled up to the full form. */
static bool parse_time(const char *text, int64_t *out)
{
    static const char rest[] = "0000-00-00 00:00:00";
    size_t n = strlen(text);
    if (n != 10 && n != 16 && n != 19) {
        return false;
    }
    char full[sizeof rest];
    memcpy(full, rest, sizeof rest);
    memcpy(full, text, n);
    return full[10] == ' ' && caltime_parse(full, sizeof rest - 1, out);
}

static bool set_value(const struct row *row, const char *value, struct sim_options *o)
{
    void *target = (char *)o + row->offset;
    switch (row->kind) {
    case TEXT:
        *(const char **)target = value;
        return true;
    case NUMBER:
        return parse_number(row, value, target);
    case SPEED:
        *(double *)target = 0;
        return strcmp(value, "max") == 0 || parse_factor(value, target);
    case RATE:
        return parse_factor(value, target);
    case TIME:
        return parse_time(value, target);
    case FLAG:
        break;
    }
    return false;
}

static RESULT parse_argument(int argc, char **argv, int *i, struct sim_options *o)
{
    const char *arg = argv[*i];
    const char *equals = strchr(arg, '=');
    size_t len = equals ? (size_t)(equals - arg) : strlen(arg);
    const struct row *row = len > 2 && strncmp(arg, "--", 2) == 0 ? find_row(arg + 2, len - 2) : NULL;
    if (!row) {
        return result_error(ERR_SENDER, 0, "未知参数 / unknown argument '%s'; --help shows the options", arg);
    }
    if (row->kind == FLAG) {
        *(bool *)((char *)o + row->offset) = true;
        return equals ? result_error(ERR_SENDER, 0, "--%s 不带值 / --%s takes no value", row->name, row->name)
                      : RESULT_OK;
    }
    const char *value = equals ? equals + 1 : *i + 1 < argc ? argv[++*i] : NULL;
    if (!value) {
        return result_error(ERR_SENDER, 0, "--%s 缺少值 / --%s needs a value", row->name, row->name);
    }
    if (!set_value(row, value, o)) {
        return result_error(ERR_SENDER, 0, "--%s: '%s' 无效 / is not possible", row->name, value);
    }
    return RESULT_OK;
}

static void set_defaults(struct sim_options *o)
{
    *o = (struct sim_options){.region = "420100",
                              .industry = "C3120",
                              .serial = "nhjc-sim",
                              .spool = "nhjc-sim.spool",
                              .zone = "Asia/Shanghai",
                              .encoding_name = "gzip",
                              .digest_name = "SHA-256",
                              .encryption_name = "none",
                              .from = INT64_MIN,
                              .to = INT64_MAX,
                              .per_upload = 200,
                              .retry_min = 200,
                              .retry_max = 30000,
                              .timeout = 30,
                              .progress = 5,
                              .heartbeat = 60,
                              .devices = 16,
                              .parallel = 8,
                              .seconds = 10};
}

static RESULT check_upload(const struct sim_options *o)
{
    const char *const needed[] = {o->url, o->ca, o->cert, o->key, o->enterprise};
    static const char *const names[] = {"url", "ca", "cert", "key", "enterprise"};
    for (size_t i = 0; i < ARRAY_LEN(needed); i++) {
        if (!needed[i]) {
            return result_error(ERR_SENDER, 0, "缺少 --%s / --%s is missing; --help shows the options", names[i],
                                names[i]);
        }
    }
    return RESULT_OK;
}

static RESULT check(struct sim_options *o)
{
    TRY(encoding_from_name(o->encoding_name, &o->encoding));
    TRY(digest_from_name(o->digest_name, &o->digest));
    TRY(cipher_from_name(o->encryption_name, &o->encryption));
    if (o->help || o->print_enterprises) {
        return RESULT_OK;
    }
    if (o->load) {
        return o->url && o->ca && o->pki ? RESULT_OK
                                         : result_error(ERR_SENDER, 0, "缺少参数 / --load needs --url, --ca and --pki");
    }
    if (!o->csv == !o->shape) {
        return result_error(ERR_SENDER, 0, "--csv 与 --shape 须选其一 / give either --csv FILE or --shape NAME");
    }
    return o->print_csv || o->print_items ? RESULT_OK : check_upload(o);
}

/* The zone decides what --from and --to mean, wherever it stands on the line. */
static RESULT set_zone(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "--zone=", 7) == 0) {
            return caltime_set_zone(argv[i] + 7);
        }
        if (strcmp(argv[i], "--zone") == 0 && i + 1 < argc) {
            return caltime_set_zone(argv[i + 1]);
        }
    }
    return caltime_set_zone("Asia/Shanghai");
}

RESULT sim_options_parse(int argc, char **argv, struct sim_options *options)
{
    set_defaults(options);
    TRY(set_zone(argc, argv));
    for (int i = 1; i < argc; i++) {
        TRY(parse_argument(argc, argv, &i, options));
    }
    return check(options);
}
