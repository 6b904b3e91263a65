#include "soap/soap_client.h"

#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/caltime.h"
#include "base/clock.h"
#include "base/mem.h"
#include "soap/client_wire.h"

struct soap_client {
    struct tls_client *tls;
    struct client_wire *wire;
    struct buf request, answer;
    int retry_after; /* of the last answer */
};

RESULT soap_client_new(const struct tls_client_config *tls, struct soap_client **client)
{
    struct soap_client *c = mem_alloc(sizeof *c);
    struct result r = tls_client_new(tls, &c->tls);
    if (!result_ok(r)) {
        mem_free(c);
        return r;
    }
    c->wire = client_wire_new(tls->max_answer);
    *client = c;
    return RESULT_OK;
}

void soap_client_free(struct soap_client **client)
{
    struct soap_client *c = *client;
    if (!c)
        return;
    client_wire_free(&c->wire);
    tls_client_free(&c->tls);
    buf_free(&c->request);
    buf_free(&c->answer);
    mem_free(c);
    *client = NULL;
}

/* One call: *answer is a struct of the operation's response, valid until the next call. */
static RESULT call(struct soap_client *c, enum client_op op, const void *request, const void **answer)
{
    int status = 0;
    c->retry_after = 0;
    buf_clear(&c->request);
    buf_clear(&c->answer);
    TRY(client_wire_write(c->wire, op, request, &c->request));
    const struct client_op_row *row = client_op_row(op);
    TRY(tls_client_post(c->tls, SERVICES[row->service].path, wire_content_type(1), row->action, &c->request, &status,
                        &c->retry_after, &c->answer));
    return client_wire_read(c->wire, op, status, &c->answer, answer);
}

int soap_client_retry_after(const struct soap_client *c)
{
    return c->retry_after;
}

/* gSOAP's structs have no const; nothing is written through these pointers. */
static char *text_in(const char *text)
{
    return (char *)(uintptr_t)text;
}

/* A required element the other side left empty or out. */
static const char *text_out(const char *text)
{
    return text ? text : "";
}

#define COMMON(r)                                                                                                      \
    ((struct client_common){(r)->responseCode, text_out((r)->responseMessage), text_out((r)->platformTime)})

/* <prefix>_client_findings(arena, array, count) */
#define DEFINE_CLIENT_FINDINGS(prefix)                                                                                 \
    static struct client_finding *prefix##_client_findings(struct arena *a, const struct prefix##__Finding *from,      \
                                                           int count)                                                  \
    {                                                                                                                  \
        struct client_finding *to = arena_array(a, (size_t)count + 1, sizeof *to);                                     \
        for (int i = 0; i < count; i++)                                                                                \
            to[i] = (struct client_finding){.code = from[i].code,                                                      \
                                            .severity = text_out(from[i].severity),                                    \
                                            .data_code = from[i].dataCode,                                             \
                                            .stat_date = from[i].statDate,                                             \
                                            .message = text_out(from[i].message),                                      \
                                            .line = from[i].line ? (long long)*from[i].line : 0};                      \
        return to;                                                                                                     \
    }
DEFINE_CLIENT_FINDINGS(access)
DEFINE_CLIENT_FINDINGS(exchange)

/* ---- UploadData ---- */

#define UPLOAD_FIELDS(u)                                                                                               \
    .messageId = text_in((u)->message_id), .regVersion = text_in((u)->reg_version),                                    \
    .dicVersion = text_in((u)->dic_version), .contentEncoding = text_in((u)->content_encoding),                        \
    .encryption = text_in((u)->encryption), .digestMethod = text_in((u)->digest_method),                               \
    .digest = text_in((u)->digest), .content = {(u)->content, (u)->content_len}

#define UPLOAD_ANSWER(a, r, prefix)                                                                                    \
    ((struct client_upload_answer){.common = COMMON(r),                                                                \
                                   .upload_id = text_out((r)->uploadId),                                               \
                                   .duplicate = (r)->duplicate != 0,                                                   \
                                   .received = (r)->recordsReceived,                                                   \
                                   .stored = (r)->recordsStored,                                                       \
                                   .unchanged = (r)->recordsUnchanged,                                                 \
                                   .corrected = (r)->recordsCorrected,                                                 \
                                   .suspect = (r)->recordsSuspect,                                                     \
                                   .rejected = (r)->recordsRejected,                                                   \
                                   .findings = prefix##_client_findings(a, (r)->finding, (r)->__sizefinding),          \
                                   .finding_count = (size_t)(r)->__sizefinding})

static RESULT upload_to_exchange(struct soap_client *c, const struct client_upload *u,
                                 struct client_upload_answer *answer)
{
    struct _exchange__UploadData request = {.platformCode = text_in(u->platform_code), UPLOAD_FIELDS(u)};
    const void *response = NULL;
    TRY(call(c, CLIENT_PLATFORM_UPLOAD_DATA, &request, &response));
    const struct _exchange__UploadDataResponse *r = response;
    *answer = UPLOAD_ANSWER(client_wire_arena(c->wire), r, exchange);
    return RESULT_OK;
}

static RESULT upload_to_access(struct soap_client *c, const struct client_upload *u,
                               struct client_upload_answer *answer)
{
    struct _access__UploadData request = {
        .deviceId = text_in(u->device_id), .enterpriseCode = text_in(u->enterprise_code), UPLOAD_FIELDS(u)};
    const void *response = NULL;
    TRY(call(c, CLIENT_UPLOAD_DATA, &request, &response));
    const struct _access__UploadDataResponse *r = response;
    *answer = UPLOAD_ANSWER(client_wire_arena(c->wire), r, access);
    return RESULT_OK;
}

RESULT soap_client_upload(struct soap_client *c, const struct client_upload *u, struct client_upload_answer *answer)
{
    return u->platform_code ? upload_to_exchange(c, u, answer) : upload_to_access(c, u, answer);
}

/* ---- PlatformExchange ---- */

RESULT soap_client_register_platform(struct soap_client *c, const char *code, const char *name, const char *software,
                                     struct client_platform_answer *answer)
{
    struct _exchange__RegisterPlatform request = {
        .platformCode = text_in(code), .platformName = text_in(name), .softwareVersion = text_in(software)};
    const void *response = NULL;
    TRY(call(c, CLIENT_REGISTER_PLATFORM, &request, &response));
    const struct _exchange__RegisterPlatformResponse *r = response;
    *answer = (struct client_platform_answer){.common = COMMON(r),
                                              .platform_id = text_out(r->platformId),
                                              .reg_version = text_out(r->regVersion),
                                              .dic_version = text_out(r->dicVersion)};
    return RESULT_OK;
}

RESULT soap_client_upload_enterprises(struct soap_client *c, const char *message_id, const char *platform_code,
                                      const void *content, size_t len, struct client_config_answer *answer)
{
    struct _exchange__UploadEnterprises request = {
        .messageId = text_in(message_id), .platformCode = text_in(platform_code), .content = {content, len}};
    const void *response = NULL;
    TRY(call(c, CLIENT_UPLOAD_ENTERPRISES, &request, &response));
    const struct _exchange__UploadEnterprisesResponse *r = response;
    *answer = (struct client_config_answer){
        .common = COMMON(r),
        .config_version = "",
        .findings = exchange_client_findings(client_wire_arena(c->wire), r->finding, r->__sizefinding),
        .finding_count = (size_t)r->__sizefinding};
    return RESULT_OK;
}

RESULT soap_client_platform_heartbeat(struct soap_client *c, const char *platform_code, int64_t pending,
                                      const char *oldest, struct client_common *answer)
{
    char now[CALTIME_TEXT];
    struct _exchange__Heartbeat request = {.platformCode = text_in(platform_code),
                                           .platformTime = caltime_format(clock_now(), now),
                                           .pendingUploads = pending,
                                           .oldestPending = text_in(oldest)};
    const void *response = NULL;
    TRY(call(c, CLIENT_PLATFORM_HEARTBEAT, &request, &response));
    const struct _exchange__HeartbeatResponse *r = response;
    *answer = COMMON(r);
    return RESULT_OK;
}

/* ---- PlatformQuery ---- */

static struct client_data_row *data_rows(struct arena *a, const struct query__DataRow *from, int count)
{
    struct client_data_row *to = arena_array(a, (size_t)count + 1, sizeof *to);
    for (int i = 0; i < count; i++)
        to[i] = (struct client_data_row){text_out(from[i].dataCode), text_out(from[i].statDate), from[i].value,
                                         from[i].count};
    return to;
}

RESULT soap_client_query_days(struct soap_client *c, const char *enterprise_code, const char *from, const char *to,
                              int page_size, const char *page_token, struct client_data_answer *answer)
{
    char *code = text_in(enterprise_code);
    struct _query__QueryData request = {.__sizeenterpriseCode = 1,
                                        .enterpriseCode = &code,
                                        .granularity = text_in("day"),
                                        .from = text_in(from),
                                        .to = text_in(to),
                                        .pageSize = &page_size,
                                        .pageToken = text_in(page_token)};
    const void *response = NULL;
    TRY(call(c, CLIENT_QUERY_DATA, &request, &response));
    const struct _query__QueryDataResponse *r = response;
    *answer = (struct client_data_answer){.common = COMMON(r),
                                          .rows = data_rows(client_wire_arena(c->wire), r->row, r->__sizerow),
                                          .row_count = (size_t)r->__sizerow,
                                          .page_token = r->pageToken};
    return RESULT_OK;
}

/* ---- DeviceAccess ---- */

RESULT soap_client_register(struct soap_client *c, const char *enterprise_code, const char *region, const char *serial,
                            const char *software, struct client_register_answer *answer)
{
    struct _access__Register request = {.enterpriseCode = text_in(enterprise_code),
                                        .regionCode = text_in(region),
                                        .deviceSerial = text_in(serial),
                                        .softwareVersion = text_in(software)};
    const void *response = NULL;
    TRY(call(c, CLIENT_REGISTER, &request, &response));
    const struct _access__RegisterResponse *r = response;
    *answer = (struct client_register_answer){.common = COMMON(r),
                                              .device_id = text_out(r->deviceId),
                                              .reg_version = text_out(r->regVersion),
                                              .dic_version = text_out(r->dicVersion),
                                              .config_version = text_out(r->configVersion),
                                              .upload_time = text_out(r->uploadTime),
                                              .secret_key = r->secretKey,
                                              .upload_period = r->uploadPeriod};
    return RESULT_OK;
}

RESULT soap_client_check_version(struct soap_client *c, const char *device_id, struct client_version_answer *answer)
{
    struct _access__CheckVersion request = {.deviceId = text_in(device_id)};
    const void *response = NULL;
    TRY(call(c, CLIENT_CHECK_VERSION, &request, &response));
    const struct _access__CheckVersionResponse *r = response;
    *answer = (struct client_version_answer){.common = COMMON(r),
                                             .reg_version = text_out(r->regVersion),
                                             .dic_version = text_out(r->dicVersion),
                                             .config_version = text_out(r->configVersion)};
    return RESULT_OK;
}

static void base_entry(const struct access__BaseDataEntry *from, struct client_base_entry *to)
{
    *to = (struct client_base_entry){.code = text_out(from->code),
                                     .name = text_out(from->name),
                                     .parent_code = from->parentCode,
                                     .unit = from->unit,
                                     .coal_factor = from->coalFactor,
                                     .coal_factor_min = from->coalFactorMin,
                                     .coal_factor_max = from->coalFactorMax,
                                     .industry_code = from->industryCode,
                                     .remark = from->remark,
                                     .precision = from->precision ? *from->precision : -1};
}

static struct client_base_table *base_tables(struct arena *a, const struct access__BaseDataTable *from, int count)
{
    struct client_base_table *to = arena_array(a, (size_t)count + 1, sizeof *to);
    for (int i = 0; i < count; i++) {
        size_t n = (size_t)from[i].__sizeentry;
        to[i] = (struct client_base_table){
            .name = text_out(from[i].name), .entries = arena_array(a, n + 1, sizeof *to[i].entries), .count = n};
        for (size_t k = 0; k < n; k++)
            base_entry(&from[i].entry[k], &to[i].entries[k]);
    }
    return to;
}

RESULT soap_client_download_base_data(struct soap_client *c, const char *device_id,
                                      struct client_base_data_answer *answer)
{
    struct _access__DownloadBaseData request = {.deviceId = text_in(device_id)};
    const void *response = NULL;
    TRY(call(c, CLIENT_DOWNLOAD_BASE_DATA, &request, &response));
    const struct _access__DownloadBaseDataResponse *r = response;
    *answer =
        (struct client_base_data_answer){.common = COMMON(r),
                                         .dic_version = text_out(r->dicVersion),
                                         .tables = base_tables(client_wire_arena(c->wire), r->table, r->__sizetable),
                                         .table_count = (size_t)r->__sizetable};
    return RESULT_OK;
}

RESULT soap_client_upload_config(struct soap_client *c, const char *message_id, const char *device_id,
                                 const char *enterprise_code, const char *dic_version, const void *content, size_t len,
                                 struct client_config_answer *answer)
{
    struct _access__UploadConfig request = {.messageId = text_in(message_id),
                                            .deviceId = text_in(device_id),
                                            .enterpriseCode = text_in(enterprise_code),
                                            .dicVersion = text_in(dic_version),
                                            .content = {content, len}};
    const void *response = NULL;
    TRY(call(c, CLIENT_UPLOAD_CONFIG, &request, &response));
    const struct _access__UploadConfigResponse *r = response;
    *answer = (struct client_config_answer){
        .common = COMMON(r),
        .config_version = text_out(r->configVersion),
        .findings = access_client_findings(client_wire_arena(c->wire), r->finding, r->__sizefinding),
        .finding_count = (size_t)r->__sizefinding};
    return RESULT_OK;
}

static struct client_command *commands(struct arena *a, const struct access__Command *from, int count)
{
    struct client_command *to = arena_array(a, (size_t)count + 1, sizeof *to);
    for (int i = 0; i < count; i++)
        to[i] = (struct client_command){.id = text_out(from[i].commandId),
                                        .kind = text_out(from[i].kind),
                                        .from = from[i].from,
                                        .to = from[i].to,
                                        .value = from[i].value,
                                        .data_codes = (const char *const *)from[i].dataCode,
                                        .code_count = (size_t)from[i].__sizedataCode};
    return to;
}

RESULT soap_client_heartbeat(struct soap_client *c, const char *device_id, const char *device_time, long long pending,
                             struct client_heartbeat_answer *answer)
{
    LONG64 count = pending;
    struct _access__Heartbeat request = {
        .deviceId = text_in(device_id), .deviceTime = text_in(device_time), .pendingRecords = &count};
    const void *response = NULL;
    TRY(call(c, CLIENT_HEARTBEAT, &request, &response));
    const struct _access__HeartbeatResponse *r = response;
    *answer =
        (struct client_heartbeat_answer){.common = COMMON(r),
                                         .clock_offset_ms = r->clockOffsetMs,
                                         .reg_version = text_out(r->regVersion),
                                         .dic_version = text_out(r->dicVersion),
                                         .config_version = text_out(r->configVersion),
                                         .upload_period = r->uploadPeriod,
                                         .commands = commands(client_wire_arena(c->wire), r->command, r->__sizecommand),
                                         .command_count = (size_t)r->__sizecommand};
    return RESULT_OK;
}

RESULT soap_client_report_command(struct soap_client *c, const char *device_id, const char *command_id, bool done,
                                  const char *detail, struct client_common *answer)
{
    struct _access__ReportCommand request = {.deviceId = text_in(device_id),
                                             .commandId = text_in(command_id),
                                             .result = text_in(done ? "DONE" : "FAILED"),
                                             .detail = text_in(detail)};
    const void *response = NULL;
    TRY(call(c, CLIENT_REPORT_COMMAND, &request, &response));
    const struct _access__ReportCommandResponse *r = response;
    *answer = COMMON(r);
    return RESULT_OK;
}
