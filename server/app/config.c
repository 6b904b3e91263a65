/* config: the rows, and the few checks that a row cannot say. */
#include "app/config.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define AT(member) offsetof(struct config, member)
#define KB INT64_C(1024)
#define MB (1024 * KB)
#define SECONDS INT64_C(1000)
#define MINUTES (60 * SECONDS)
#define HOURS (60 * MINUTES)
#define DAYS (24 * HOURS)
#define YEARS (366 * DAYS)

#define TEXT(name_, fallback_, help_)                                                                                  \
    {                                                                                                                  \
        .name = #name_, .type = OPT_STRING, .offset = AT(name_), .fallback = (fallback_), .help = (help_)              \
    }
#define PATH(name_, fallback_, help_)                                                                                  \
    {                                                                                                                  \
        .name = #name_, .type = OPT_PATH, .offset = AT(name_), .fallback = (fallback_), .help = (help_)                \
    }
#define RELOADABLE_PATH(name_, fallback_, help_)                                                                       \
    {                                                                                                                  \
        .name = #name_, .type = OPT_PATH, .offset = AT(name_), .fallback = (fallback_), .reloadable = true,            \
        .help = (help_)                                                                                                \
    }
#define SECRET(name_, fallback_, help_)                                                                                \
    {                                                                                                                  \
        .name = #name_, .type = OPT_STRING, .offset = AT(name_), .fallback = (fallback_), .secret = true,              \
        .help = (help_)                                                                                                \
    }
#define NUMBER(name_, type_, fallback_, min_, max_, help_)                                                             \
    {                                                                                                                  \
        .name = #name_, .type = (type_), .offset = AT(name_), .fallback = (fallback_), .min = (min_), .max = (max_),   \
        .help = (help_)                                                                                                \
    }
#define DURATION(name_, member_, fallback_, min_, max_, help_)                                                         \
    {                                                                                                                  \
        .name = (name_), .type = OPT_DURATION_MS, .offset = AT(member_), .fallback = (fallback_), .min = (min_),       \
        .max = (max_), .help = (help_)                                                                                 \
    }
#define SWITCH(name_, fallback_, help_)                                                                                \
    {                                                                                                                  \
        .name = #name_, .type = OPT_BOOL, .offset = AT(name_), .fallback = (fallback_), .help = (help_)                \
    }

static const struct option_row ROWS[] = {
    TEXT(platform_code, "420000",
         "本平台的行政区划代码（GB/T 2260），000000为国家平台；GB/T 2260 code of this platform; 000000: the national "
         "platform"),
    TEXT(platform_name, "", "本平台名称，向其他平台显示；name of this platform, shown to others"),
    TEXT(timezone, "Asia/Shanghai", "平台时区（tzdata名称）；the platform's time zone (tzdata name)"),

    TEXT(listen_host, "0.0.0.0", "监听地址，IPv6用::；address to listen on; :: for IPv6"),
    NUMBER(listen_port, OPT_INT, "8443", 0, 65535,
           "监听端口，0为任一空闲端口，见port_file；port to listen on; 0: any free one, see port_file"),
    PATH(port_file, "",
         "启动后把实际端口写入此文件，空则不写；the port really bound is written here after the start; empty: nowhere"),
    NUMBER(loops, OPT_INT, "1", 1, 64, "网络循环线程数；network loop threads"),
    NUMBER(workers, OPT_INT, "4", 1, 256,
           "解析、校验、入库的线程数，每个占一个数据库连接；threads that parse, validate and store; a database "
           "connection each"),
    NUMBER(identity_workers, OPT_INT, "0", 0, 256,
           "其中同时服务同一证书的线程数，其余请求等待，0为一半；of these, so many serve one certificate at once, its "
           "other requests wait; 0: half"),
    NUMBER(query_workers, OPT_INT, "0", 0, 256,
           "其中同时应答/services/query的线程数，0为总数减一；of these, so many answer /services/query at once; 0: all "
           "but one"),
    RELOADABLE_PATH(cert_file, "", "服务器证书及证书链（PEM）；PEM of the server certificate with its chain"),
    RELOADABLE_PATH(key_file, "", "服务器私钥（PEM）；PEM of the server's key"),
    RELOADABLE_PATH(ca_file, "",
                    "受信任的客户端证书CA（PEM，可多个）；PEM bundle of CAs whose client certificates are trusted"),
    RELOADABLE_PATH(
        crl_file, "",
        "上述CA的吊销列表CRL（PEM），空则不检查吊销；PEM with the CRLs of these CAs; empty: revocation is not checked"),
    TEXT(identity_rule, "UID,CN",
         "证书中存放身份代码的属性，依次尝试；certificate attributes that hold the identity, tried in order: CN UID OU "
         "serialNumber SAN"),
    TEXT(public_url, "",
         "写入WSDL的https://主机:端口，空则用调用方所用地址；https://host:port written into the WSDL; empty: the "
         "address the caller used"),

    SECRET(database, "dbname=nhjc",
           "数据库连接串（libpq），多个主机可随主备切换；libpq connection string; several hosts follow a failover"),
    SECRET(query_database, "",
           "只读查询用的连接串，如备库，空则同database；connection string for read-only questions, e.g. a replica; "
           "empty: database"),
    DURATION("database_wait", database_wait_ms, "30s", 0, HOURS,
             "启动时等待数据库可用的时长；how long the start waits for a database that is away"),

    PATH(admin_socket, "nhjcd.sock",
         "nhjcctl status、reload、stop所用的本地套接字；unix socket for nhjcctl status, reload, stop"),
    RELOADABLE_PATH(log_file, "",
                    "日志文件，重载时重新打开，空则为标准错误；log file, reopened on reload; empty: standard error"),
    {.name = "log_level",
     .type = OPT_ENUM,
     .offset = AT(log_level),
     .fallback = "info",
     .choices = "debug|info|warn|error",
     .reloadable = true,
     .help = "写入日志的最低级别；least important lines that are written"},
    PATH(import_dir, "",
         "导入目录，放入的文件自动导入，空则没有；spool folder: files put there are imported; empty: none"),
    PATH(pki_dir, "pki", "nhjcctl pki演示CA的目录；folder of the demo CA kept by nhjcctl pki"),
    TEXT(clock_offset, "",
         "仅供测试：服务器时钟比真实时间快（3d）或慢（-2h）；tests only: the server's clock ahead (3d) or behind (-2h) "
         "the real one"),

    NUMBER(rollup_threads, OPT_INT, "1", 1, 64,
           "重算时、日、月、年汇总的线程数；threads that recompute hours, days, months, years"),
    NUMBER(rollup_slice, OPT_INT, "256", 1, 10000, "一个事务重算的小时数；hours recomputed in one transaction"),
    NUMBER(partitions_ahead, OPT_INT, "3", 1, 60, "提前建立几个月的分区；months of partitions made ahead"),
    DURATION("outbox_keep", outbox_keep_ms, "7d", 0, 3650 * DAYS,
             "已转发的条目与消息保留时长；forwarded entries and messages are kept this long"),
    DURATION("retention_raw", retention_raw_ms, "5y", DAYS, 100 * YEARS,
             "读数保留时长，汇总永久保留；到期时段的读数再来不再计入；整月删除；readings are kept this long, what they "
             "add up to for ever; later ones for a time that is over count no more; whole months go"),
    DURATION("retention_payload", retention_payload_ms, "3y", DAYS, 100 * YEARS,
             "上传原文与问题记录保留时长，回执永久保留；整月删除；uploads as they arrived and their findings are kept "
             "this long, receipts for ever; whole months go"),
    DURATION("retention_audit", retention_audit_ms, "3y", 184 * DAYS, 100 * YEARS,
             "审计日志保留时长，至少六个月；the audit log is kept this long, six months at least"),

    NUMBER(header_bytes, OPT_SIZE, "16K", KB, MB, "HTTP头部最大字节数；largest HTTP header"),
    NUMBER(header_lines, OPT_INT, "100", 10, 10000, "HTTP头部最多行数；most HTTP header lines"),
    NUMBER(body_bytes, OPT_SIZE, "32M", 64 * KB, 1024 * MB, "请求体最大字节数；largest request body"),
    NUMBER(plain_bytes, OPT_SIZE, "64M", 64 * KB, 1024 * MB, "解压后内容最大字节数；largest content once unpacked"),
    NUMBER(depth, OPT_INT, "50", 8, 1000,
           "信封与内容中元素的最大嵌套层数；deepest nesting of elements, in envelopes and in payloads"),
    NUMBER(attributes, OPT_INT, "100", 10, 10000, "一个元素最多属性数；most attributes of an element"),
    NUMBER(tag_bytes, OPT_SIZE, "64K", KB, 16 * MB, "起始标签最大字节数；largest start tag"),
    NUMBER(records, OPT_INT, "200000", 1, 100000000, "一次上传最多记录数；most records in an upload"),
    NUMBER(body_memory, OPT_SIZE, "512M", MB, 1024 * 1024 * MB,
           "同时占用的内存：请求体与尚未读走的应答，超过则答503；bodies held at once, of requests and of answers not "
           "yet read; then 503"),
    DURATION("handshake_timeout", handshake_ms, "10s", 100, HOURS, "握手与头部的时限；handshake and header within"),
    DURATION("body_timeout", body_ms, "15s", 100, HOURS, "请求体的时限；request body within"),
    DURATION("body_timeout_per_64k", body_ms_per_64k, "1s", 0, HOURS, "…每64 KB另加；… and this much more per 64 KB"),
    DURATION("idle_timeout", idle_ms, "120s", 100, DAYS,
             "保持的连接无请求多久后关闭；a kept connection without request is closed after"),
    DURATION("write_timeout", write_ms, "60s", 100, HOURS,
             "对方不读应答多久后断开；a peer that does not read its answer is dropped after"),
    NUMBER(max_connections, OPT_INT, "20000", 1, 1000000, "最多连接数；most open connections"),
    NUMBER(handshakes_per_address, OPT_INT, "2000", 0, 1000000,
           "同一地址同时进行的握手数上限，0为不限；most handshakes of one address under way at once; 0: any number"),
    DURATION("connection_age", connection_age_ms, "1h", 0, 365 * DAYS,
             "连接满此时长后随下一应答结束，0为永不；a connection this old ends with its next answer; 0: never"),
    NUMBER(max_inflight, OPT_INT, "256", 1, 100000,
           "等待处理的完整请求数上限，超过则答503；most whole requests waiting for a worker; then 503"),
    NUMBER(rate_per_minute, OPT_INT, "0", 0, 10000000,
           "同一身份每分钟请求数上限（1106），0为不限；requests an identity may make per minute (1106); 0: any"),
    DURATION("future_limit", future_ms, "5m", 0, 365 * DAYS,
             "读数时间超前时钟多久即拒绝（3302）；readings further ahead of the clock are refused (3302)"),
    DURATION("late_grace", late_grace_ms, "5m", 0, 365 * DAYS,
             "读数及时的宽限：时段结束加上传周期之后再加此时长；a reading is on time until its interval's end, the "
             "upload period and this"),
    NUMBER(reported_tolerance_ppm, OPT_INT, "50000", 0, 1000000,
           "填报值与计算值允许相差百万分之几（3402）；reported values may differ from computed ones by so many "
           "millionths (3402)"),
    DURATION("drain_timeout", drain_ms, "10s", 0, HOURS,
             "停止时等待在办请求的时长；shutdown: requests in hand may take this long"),

    SWITCH(payload_encryption, "false", "向端设备发放内容加密密钥；give devices a key for encrypted payloads"),
    SWITCH(auto_reupload, "true",
           "向端设备索要缺失的读数（REUPLOAD命令）；ask devices for readings that are missing (command REUPLOAD)"),
    DURATION("auto_reupload_every", auto_reupload_ms, "1h", SECONDS, DAYS,
             "查找缺失读数的间隔；missing readings are looked for this often"),
    NUMBER(auto_reupload_days, OPT_INT, "7", 1, 60, "…查找今天之前多少天；… in so many days before today"),
    NUMBER(auto_reupload_open, OPT_INT, "4", 1, 100,
           "…每家企业同时未完成的索要数上限；… with at most so many requests open for an enterprise"),
    SWITCH(require_dic_version, "false",
           "版本过期时拒绝（2108）而非警告；refuse outdated versions (2108) instead of warning"),
};

#undef AT
#define AT(member) offsetof(struct fep_destination, member)

static const struct option_row DESTINATION_ROWS[] = {
    TEXT(url, "",
         "接收转发数据的平台https://主机:端口；https://host:port of the platform that receives what this one accepted"),
    PATH(
        cert_file, "",
        "本平台在对方所用的客户端证书及证书链（PEM）；PEM of this platform's client certificate there, with its chain"),
    PATH(key_file, "", "其私钥（PEM）；PEM of its key"),
    PATH(ca_file, "",
         "签发对方服务器证书的CA（PEM，可多个）；PEM bundle of CAs that the destination's server certificate may come "
         "from"),
    TEXT(platform_code, "",
         "本平台在对方的代码，空则用全局platform_code；this platform's code there; empty: platform_code of the whole "
         "file"),
    TEXT(platform_name, "",
         "本平台在对方的名称，空则用全局platform_name；this platform's name there; empty: platform_name of the whole "
         "file"),
    NUMBER(batch_records, OPT_INT, "20000", 1, 200000,
           "一条消息最多装入的读数个数；pack up to this many readings into one message"),
    DURATION("retry_min", retry_min_ms, "1s", 10, HOURS, "失败后最短间隔；shortest pause after a failure"),
    DURATION("retry_max", retry_max_ms, "5m", 10, DAYS, "失败后最长间隔；longest pause after failures"),
    SWITCH(active, "true", "false：不再为其排队，也不发送；false: nothing new is queued for it and nothing is sent"),
};

static const struct option_section SECTIONS[] = {
    {.kind = "destination",
     .rows = DESTINATION_ROWS,
     .row_count = ARRAY_LEN(DESTINATION_ROWS),
     .size = sizeof(struct fep_destination),
     .items_offset = offsetof(struct config, destinations),
     .count_offset = offsetof(struct config, destination_count)},
};

static const struct option_set SET = {.rows = ROWS,
                                      .row_count = ARRAY_LEN(ROWS),
                                      .sections = SECTIONS,
                                      .section_count = ARRAY_LEN(SECTIONS),
                                      .size = sizeof(struct config)};

static bool platform_code_valid(const char *code)
{
    return strlen(code) == 6 && strspn(code, "0123456789") == 6;
}

/* "3d", "-90m", "1500ms": a sign, a number, a unit. */
static bool parse_offset(const char *text, int64_t *us)
{
    static const struct {
        const char *unit;
        int64_t us;
    } UNITS[] = {{"ms", 1000}, {"s", 1000000}, {"m", 60000000}, {"h", 3600000000}, {"d", 86400000000}};
    *us = 0;
    if (!*text) {
        return true;
    }
    bool negative = *text == '-';
    text += *text == '-' || *text == '+';
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 9) {
        return false;
    }
    int64_t number = strtoll(text, NULL, 10);
    for (size_t i = 0; i < ARRAY_LEN(UNITS); i++) {
        if (strcmp(text + digits, UNITS[i].unit) == 0 && number <= 36500 * (86400000000 / UNITS[i].us)) {
            *us = (negative ? -number : number) * UNITS[i].us;
            return true;
        }
    }
    return false;
}

static RESULT check_identity_rule(const char *rule)
{
    static const char *const KNOWN[] = {"CN", "UID", "OU", "serialNumber", "SAN"};
    size_t found = 0;
    for (const char *p = rule; *p;) {
        size_t len = strcspn(p, ", ");
        bool known = len == 0;
        for (size_t i = 0; i < ARRAY_LEN(KNOWN); i++) {
            known |= strlen(KNOWN[i]) == len && memcmp(KNOWN[i], p, len) == 0;
        }
        if (!known) {
            return result_error(ERR_SENDER, 0,
                                "identity_rule: %.*s 不在可用属性之中 / is not one of CN UID OU serialNumber SAN",
                                (int)len, p);
        }
        found += len > 0;
        p += len + strspn(p + len, ", ");
    }
    return found ? RESULT_OK : result_error(ERR_SENDER, 0, "identity_rule 为空 / identity_rule is empty");
}

static void inherit(char **value, const char *from)
{
    if (!*value || !**value) {
        mem_free(*value);
        *value = mem_strdup(from);
    }
}

static RESULT check_destination(const struct config *config, struct fep_destination *d)
{
    inherit(&d->platform_code, config->platform_code);
    inherit(&d->platform_name, config->platform_name);
    if (strncmp(d->url, "https://", 8) != 0) {
        return result_error(ERR_SENDER, 0, "[destination %s]: url 须以 https:// 开头 / url must begin with https://",
                            d->name);
    }
    if (!platform_code_valid(d->platform_code)) {
        return result_error(ERR_SENDER, 0,
                            "[destination %s]: platform_code 须为 6 位数字 / platform_code must be 6 digits", d->name);
    }
    if (!*d->cert_file || !*d->key_file || !*d->ca_file) {
        return result_error(ERR_SENDER, 0,
                            "[destination %s]: 须给出证书、私钥与 CA / cert_file, key_file and ca_file are needed",
                            d->name);
    }
    if (d->retry_min_ms > d->retry_max_ms) {
        return result_error(ERR_SENDER, 0, "[destination %s]: retry_min 大于 retry_max / retry_min is above retry_max",
                            d->name);
    }
    return RESULT_OK;
}

static RESULT check(struct config *config)
{
    int64_t offset;
    if (!platform_code_valid(config->platform_code)) {
        return result_error(ERR_SENDER, 0, "platform_code 须为 6 位数字 / platform_code must be 6 digits");
    }
    if (!parse_offset(config->clock_offset, &offset)) {
        return result_error(
            ERR_SENDER, 0,
            "clock_offset: 须为数字加 ms s m h d / a number with ms, s, m, h or d is needed, e.g. 3d or -2h");
    }
    if (*config->public_url && strncmp(config->public_url, "https://", 8) != 0) {
        return result_error(ERR_SENDER, 0, "public_url 须以 https:// 开头 / public_url must begin with https://");
    }
    if (config->body_memory < config->body_bytes) {
        return result_error(
            ERR_SENDER, 0,
            "body_memory 小于 body_bytes / body_memory is below body_bytes: the largest body would never be taken");
    }
    TRY(check_identity_rule(config->identity_rule));
    if (config->destination_count > CONFIG_MAX_DESTINATIONS) {
        return result_error(ERR_SENDER, 0, "转发目标过多 / more than %d destinations", CONFIG_MAX_DESTINATIONS);
    }
    for (size_t i = 0; i < config->destination_count; i++) {
        TRY(check_destination(config, &config->destinations[i]));
    }
    return RESULT_OK;
}

static RESULT finish(struct result loaded, const char *path, struct config *config)
{
    struct result r = result_ok(loaded) ? check(config) : loaded;
    if (result_ok(r)) {
        return r;
    }
    config_free(config);
    if (!result_ok(loaded) || !path) {
        return r;
    }
    return result_error(r.kind, r.code, "%s: %s", path, r.text);
}

RESULT config_load(const char *path, struct config *config)
{
    memset(config, 0, sizeof *config);
    return finish(option_load(&SET, path, config), path, config);
}

RESULT config_load_text(const char *text, const char *dir, struct config *config)
{
    memset(config, 0, sizeof *config);
    return finish(option_load_text(&SET, text, dir, config), NULL, config);
}

void config_free(struct config *config)
{
    option_free(&SET, config);
    memset(config, 0, sizeof *config);
}

char *config_sample(void)
{
    return option_sample(&SET);
}

void config_net(const struct config *config, struct net_config *out)
{
    *out = (struct net_config){
        .host = config->listen_host,
        .port = (int)config->listen_port,
        .loops = (int)config->loops,
        .limits = {.header_bytes = config->header_bytes,
                   .header_lines = config->header_lines,
                   .body_bytes = config->body_bytes,
                   .handshake_ms = config->handshake_ms,
                   .body_ms = config->body_ms,
                   .body_ms_per_64k = config->body_ms_per_64k,
                   .idle_ms = config->idle_ms,
                   .write_ms = config->write_ms,
                   .max_connections = config->max_connections,
                   .handshakes_per_address = config->handshakes_per_address,
                   .max_age_ms = config->connection_age_ms,
                   .max_inflight = config->max_inflight,
                   .body_memory = config->body_memory},
        .tls = {.cert_file = config->cert_file,
                .key_file = config->key_file,
                .ca_file = config->ca_file,
                .crl_file = *config->crl_file ? config->crl_file : NULL},
    };
}

RESULT config_check_server(const struct config *config)
{
    const struct {
        const char *name, *value;
    } needed[] = {{"cert_file", config->cert_file},
                  {"key_file", config->key_file},
                  {"ca_file", config->ca_file},
                  {"database", config->database},
                  {"admin_socket", config->admin_socket}};
    for (size_t i = 0; i < ARRAY_LEN(needed); i++) {
        if (!*needed[i].value) {
            return result_error(ERR_SENDER, 0, "缺少选项 %s / option %s is needed", needed[i].name, needed[i].name);
        }
    }
    return RESULT_OK;
}

int64_t config_clock_offset(const struct config *config)
{
    int64_t us;
    return parse_offset(config->clock_offset, &us) ? us : 0;
}

static bool row_equal(const struct option_row *row, const void *a, const void *b)
{
    const char *x = (const char *)a + row->offset, *y = (const char *)b + row->offset;
    switch (row->type) {
    case OPT_STRING:
    case OPT_PATH:
    case OPT_ENUM:
        return strcmp(*(char *const *)x, *(char *const *)y) == 0;
    case OPT_BOOL:
        return *(const bool *)x == *(const bool *)y;
    default:
        return *(const int64_t *)x == *(const int64_t *)y;
    }
}

static void name_option(struct buf *out, size_t before, const char *kind, const char *name)
{
    buf_printf(out, "%s%s%s", out->len > before ? ", " : "", kind, name);
}

static bool destination_equal(const struct fep_destination *a, const struct fep_destination *b)
{
    bool equal = strcmp(a->name, b->name) == 0;
    for (size_t i = 0; i < ARRAY_LEN(DESTINATION_ROWS); i++) {
        equal = equal && row_equal(&DESTINATION_ROWS[i], a, b);
    }
    return equal;
}

void config_restart_options(const struct config *running, const struct config *wanted, struct buf *out)
{
    size_t before = out->len;
    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        if (!ROWS[i].reloadable && !row_equal(&ROWS[i], running, wanted)) {
            name_option(out, before, "", ROWS[i].name);
        }
    }
    size_t common =
        running->destination_count < wanted->destination_count ? running->destination_count : wanted->destination_count;
    for (size_t i = 0; i < common; i++) {
        if (!destination_equal(&running->destinations[i], &wanted->destinations[i])) {
            name_option(out, before, "destination ", wanted->destinations[i].name);
        }
    }
    if (running->destination_count != wanted->destination_count) {
        name_option(out, before, "", "转发目标数 number of destinations");
    }
}
