/* PlatformExchange: what the front-end processor of a lower platform calls. */
#include <string.h>

#include "base/caltime.h"
#include "base/mem.h"
#include "ingest/config_upload.h"
#include "registry/platform_store.h"
#include "soap/marshal.h"
#include "soap/worker.h"

DEFINE_FINDINGS(exchange)
DEFINE_UPLOAD_ANSWER(exchange)
DEFINE_UPLOAD_REQUEST(exchange)
DEFINE_ENDPOINTS(exchange)
DEFINE_BASE_TABLES(exchange)

/* ---- who is calling ---- */

static RESULT own_code(struct engine_call *call, const char *platform_code)
{
    if (strcmp(worker_of(call)->identity.code, platform_code) != 0)
        return result_error(
            ERR_UNAUTHORISED, 1103,
            "证书所属平台与platformCode不符 / the certificate is of another platform than platformCode");
    return RESULT_OK;
}

static RESULT admitted(const struct platform_row *row, bool found)
{
    if (!found)
        return result_error(
            ERR_UNAUTHORISED, 1104,
            "平台尚未注册，请先调用RegisterPlatform / the platform has not registered; call RegisterPlatform first");
    if (row->suspended)
        return result_error(ERR_UNAUTHORISED, 1104, "平台已停用 / the platform is suspended");
    return RESULT_OK;
}

/* The calling platform, registered and not suspended. */
static RESULT callers_platform(struct engine_call *call, const char *platform_code, struct platform_row *row)
{
    bool found = false;
    TRY(own_code(call, platform_code));
    TRY(platform_find(worker_of(call)->db, platform_code, row, &found));
    return admitted(row, found);
}

/* ---- operations ---- */

static const enum service_id PLATFORM_SERVICES[] = {SERVICE_EXCHANGE, SERVICE_QUERY};

OPERATION_FUNCTION(exchange_register_platform)
{
    const struct _exchange__RegisterPlatform *in = request;
    struct _exchange__RegisterPlatformResponse *out = response;
    struct platform_row row;
    const char *dic_version = NULL;
    TRY(own_code(call, in->platformCode));
    TRY(platform_register(worker_of(call)->db, in->platformCode, in->platformName, in->softwareVersion, &row));
    TRY(admitted(&row, true));
    TRY(worker_dic_version(call, &dic_version));
    out->platformId = arena_strdup(call->arena, row.platform_id);
    out->regVersion = unconst(REG_VERSION);
    out->dicVersion = unconst(dic_version);
    out->endpoint = exchange_endpoints(call, PLATFORM_SERVICES, ARRAY_LEN(PLATFORM_SERVICES));
    out->__sizeendpoint = ARRAY_LEN(PLATFORM_SERVICES);
    return RESULT_OK;
}

OPERATION_FUNCTION(exchange_check_version)
{
    const struct _exchange__CheckVersion *in = request;
    struct _exchange__CheckVersionResponse *out = response;
    struct platform_row row;
    const char *dic_version = NULL;
    TRY(callers_platform(call, in->platformCode, &row));
    TRY(worker_dic_version(call, &dic_version));
    out->regVersion = unconst(REG_VERSION);
    out->dicVersion = unconst(dic_version);
    return RESULT_OK;
}

OPERATION_FUNCTION(exchange_download_base_data)
{
    const struct _exchange__DownloadBaseData *in = request;
    struct _exchange__DownloadBaseDataResponse *out = response;
    struct platform_row row;
    struct base_tables tables;
    const char *dic_version = NULL;
    TRY(callers_platform(call, in->platformCode, &row));
    TRY(worker_base_data(call, in->table, in->__sizetable, &tables, &dic_version));
    out->dicVersion = unconst(dic_version);
    out->table = exchange_base_tables(call->arena, &tables);
    out->__sizetable = (int)tables.count;
    return RESULT_OK;
}

OPERATION_FUNCTION(exchange_upload_enterprises)
{
    const struct _exchange__UploadEnterprises *in = request;
    struct _exchange__UploadEnterprisesResponse *out = response;
    struct platform_row row;
    call->message_id = in->messageId;
    TRY(callers_platform(call, in->platformCode, &row));
    TRY(parse_message_id(in->messageId));
    struct config_request q = {.message_id = in->messageId,
                               .platform_code = in->platformCode,
                               .platform_party = row.id,
                               .content = bytes_of(&in->content),
                               .content_len = in->content.len};
    struct config_answer answer;
    ingest_config(worker_of(call)->ingest, &q, call->arena, &answer);
    out->responseCode = answer.code;
    out->responseMessage = unconst(answer.message);
    out->finding = exchange_findings(call->arena, &answer.findings, &out->__sizefinding);
    return RESULT_OK;
}

static void upload_data(struct engine_call *call, const struct platform_row *row,
                        const struct _exchange__UploadData *in, bool outdated,
                        struct _exchange__UploadDataResponse *out)
{
    struct upload_request q = exchange_upload_request(in);
    struct upload_answer answer;
    q.via = VIA_PLATFORM;
    q.sender_code = worker_of(call)->identity.code;
    q.sender_id = row->id;
    q.platform_code = in->platformCode;
    q.key = row->key_len ? row->key : NULL;
    q.key_len = row->key_len;
    q.peer = call->request->peer;
    q.outdated = outdated;
    ingest_upload(worker_of(call)->ingest, &q, call->arena, &answer);
    exchange_upload_answer(call->arena, &answer, out);
}

OPERATION_FUNCTION(exchange_upload_data)
{
    const struct _exchange__UploadData *in = request;
    struct _exchange__UploadDataResponse *out = response;
    struct platform_row row;
    bool outdated = false;
    call->message_id = in->messageId;
    TRY(callers_platform(call, in->platformCode, &row));
    TRY(parse_upload_words(in->messageId, in->contentEncoding, in->encryption, in->digestMethod));
    TRY(versions_outdated(call, in->regVersion, in->dicVersion, &outdated));
    if (outdated && worker_of(call)->service->require_dic_version)
        out->responseCode = 2108;
    else
        upload_data(call, &row, in, outdated, out);
    return RESULT_OK;
}

OPERATION_FUNCTION(exchange_heartbeat)
{
    (void)response; /* the common part is all of it */
    const struct _exchange__Heartbeat *in = request;
    struct platform_row row;
    int64_t sent, oldest = INT64_MIN;
    TRY(callers_platform(call, in->platformCode, &row));
    TRY(parse_instant("platformTime", in->platformTime, &sent));
    if (in->oldestPending)
        TRY(parse_instant("oldestPending", in->oldestPending, &oldest));
    return platform_seen(worker_of(call)->db, row.id, in->pendingUploads, oldest);
}
