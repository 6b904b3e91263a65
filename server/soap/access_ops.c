/* DeviceAccess: what end devices of enterprises call. */
#include <string.h>

#include "admin/audit.h"
#include "base/caltime.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/utf8.h"
#include "ingest/config_upload.h"
#include "net/peer_device.h"
#include "query/catalog.h"
#include "query/query.h"
#include "registry/admission.h"
#include "registry/command_store.h"
#include "registry/device_store.h"
#include "soap/marshal.h"
#include "soap/worker.h"
#include "validate/communication.h"

DEFINE_FINDINGS(access)
DEFINE_UPLOAD_ANSWER(access)
DEFINE_UPLOAD_REQUEST(access)
DEFINE_ENDPOINTS(access)
DEFINE_BASE_TABLES(access)
DEFINE_UPLOAD_RECORDS(access)

/* ---- who is calling ---- */

/* What the caller reads of its certificate and the device: around the serial that the certificate names. */
static const struct {
    const char *zh, *zh_after, *en, *en_after;
} DEVICE_WORDS[] = {
    [DEVICE_UNREADABLE] = {"证书中以" PEER_DEVICE_PREFIX "指名的端设备无法识别，或不止一个；请换发证书", "",
                           "the end device that the certificate names by " PEER_DEVICE_PREFIX
                           " cannot be read, or it names more than one; have the certificate issued anew",
                           ""},
    [DEVICE_NOT_NAMED] = {"该单位只接受指名端设备的证书，此证书没有指名；请申请为本设备签发的证书", "",
                          "this enterprise only uses certificates that name their end device and this one names none; "
                          "ask for one that is issued for the device",
                          ""},
    [DEVICE_OTHER] = {"证书是为端设备",
                      "签发的；只能以此deviceSerial注册，并使用该注册的deviceId，其他端设备须用各自的证书",
                      "the certificate is for device ",
                      ": register with this deviceSerial and use the deviceId of that registration; another device "
                      "needs its own certificate"},
};

/* serial: of the device that is acted for; NULL: not known yet. */
static RESULT check_device(struct engine_call *call, const struct unit *unit, const char *serial)
{
    const struct peer_cert *cert = call->request->cert;
    enum device_verdict v = network_judge_device(cert, unit, serial);
    if (v == DEVICE_FITS)
        return RESULT_OK;
    const char *named = v == DEVICE_OTHER ? cert->device_serial : "";
    int n = (int)utf8_cut(named, strlen(named), 128);
    call->refusal_zh = arena_printf(call->arena, "%s%.*s%s", DEVICE_WORDS[v].zh, n, named, DEVICE_WORDS[v].zh_after);
    return result_error(ERR_UNAUTHORISED, 1103, "%s%.*s%s", DEVICE_WORDS[v].en, n, named, DEVICE_WORDS[v].en_after);
}

/* The caller's own enterprise (unit_release), or NULL and why it may not act. */
static struct unit *callers_unit(struct engine_call *call, struct result *why)
{
    struct soap_worker *w = worker_of(call);
    struct unit *unit = NULL;
    *why = registry_unit(w->service->registry, w->db, w->identity.code, &unit);
    if (!result_ok(*why))
        return NULL;
    *why = network_may_upload(&w->identity, call->request->cert, call->request->peer, unit); /* NULL: 1104 */
    if (unit && (result_ok(*why) || why->code == 1103)) { /* what is wrong with the device says more than "not bound" */
        struct result device = check_device(call, unit, NULL);
        *why = result_ok(device) ? *why : device;
    }
    if (!result_ok(*why) && unit)
        unit_release(&unit);
    return unit;
}

/* As callers_unit, for requests that name an enterprise: a foreign one is refused before anything is said about it. */
static struct unit *named_unit(struct engine_call *call, const char *enterprise_code, struct result *why)
{
    if (strcmp(worker_of(call)->identity.code, enterprise_code) == 0)
        return callers_unit(call, why);
    *why = result_error(
        ERR_UNAUTHORISED, 1103,
        "证书属于另一企业，不是enterpriseCode所指的 / the certificate is of another enterprise than enterpriseCode");
    return NULL;
}

/* false: the response says 2109, in the same words whether the device is another's or nobody's (7.4); or *r says that
 * the certificate is for another device of the enterprise. From here on call->device_id names it as it is stored. */
static bool own_device(struct engine_call *call, const struct unit *unit, const char *device_id, void *response,
                       struct result *r)
{
    struct response_head *head = response;
    const struct device *device = unit_device(unit, device_id);
    call->device_id = device ? arena_strdup(call->arena, device->id) : device_id;
    *r = device ? check_device(call, unit, device->serial) : RESULT_OK;
    if (!device)
        head->responseCode = 2109;
    return device && result_ok(*r);
}

static char *version_text(struct engine_call *call, int32_t version)
{
    return arena_printf(call->arena, "%d", (int)version);
}

/* ---- registration ---- */

static const enum service_id DEVICE_SERVICES[] = {SERVICE_ACCESS};

static void fill_registered(struct engine_call *call, const struct unit *unit, const struct device_registered *d,
                            struct _access__RegisterResponse *out)
{
    struct buf hex = BUF_INIT;
    out->deviceId = arena_strdup(call->arena, d->device_id);
    out->regVersion = unconst(REG_VERSION);
    out->configVersion = version_text(call, unit->config_version);
    out->uploadTime = arena_strdup(call->arena, d->upload_time);
    out->uploadPeriod = d->upload_period;
    if (d->has_key && worker_of(call)->service->payload_encryption) {
        buf_append_hex(&hex, d->key, sizeof d->key);
        out->secretKey = arena_strdup(call->arena, buf_str(&hex));
        secret_wipe(hex.data, hex.len);
        buf_free(&hex);
    }
    out->endpoint = access_endpoints(call, DEVICE_SERVICES, ARRAY_LEN(DEVICE_SERVICES));
    out->__sizeendpoint = ARRAY_LEN(DEVICE_SERVICES);
}

/* A certified enterprise begins its tests with its first registration. */
static RESULT begin_testing(struct db *db, void *arg)
{
    struct engine_call *call = arg;
    const char *code = worker_of(call)->identity.code;
    bool moved;
    TRY(admission_registered(db, code, clock_now(), &moved));
    return moved ? audit_write(db, code, call->request->peer, "enterprise.testing", code, 0,
                               "certified -> testing; first Register")
                 : RESULT_OK;
}

/* What an outside CA issued is known only from what devices show. */
static RESULT note_certificate(struct engine_call *call, const struct unit *unit)
{
    const struct peer_cert *cert = call->request->cert;
    struct admission_certificate c = {.code = unit->code,
                                      .fingerprint = cert->fingerprint,
                                      .serial = cert->serial,
                                      .issuer = cert->issuer,
                                      .device = cert->device_serial,
                                      .not_after = cert->not_after};
    return admission_note_certificate(worker_of(call)->db, &c);
}

static RESULT register_device(struct engine_call *call, const struct unit *unit, const struct _access__Register *in,
                              struct _access__RegisterResponse *out)
{
    struct soap_worker *w = worker_of(call);
    struct device_registration d = {.unit_id = unit->id,
                                    .enterprise_code = unit->code,
                                    .serial = in->deviceSerial,
                                    .manufacturer = in->manufacturer,
                                    .model = in->model,
                                    .software_version = in->softwareVersion,
                                    .want_key = w->service->payload_encryption};
    struct device_registered registered;
    const char *dic_version = NULL;
    TRY(worker_dic_version(call, &dic_version));
    TRY(note_certificate(call, unit));
    TRY(device_register(w->db, &d, &registered));
    if (unit->state == UNIT_CERTIFIED)
        TRY(db_transaction(w->db, begin_testing, call));
    if (registered.changed || unit->state == UNIT_CERTIFIED || !unit_device(unit, registered.device_id))
        TRY(registry_reload_unit(w->service->registry, w->db, unit->code));
    fill_registered(call, unit, &registered, out);
    out->dicVersion = unconst(dic_version);
    secret_wipe(&registered, sizeof registered);
    return RESULT_OK;
}

OPERATION_FUNCTION(access_register)
{
    const struct _access__Register *in = request;
    struct result r;
    struct unit *unit = named_unit(call, in->enterpriseCode, &r);
    if (!unit)
        return r;
    if (strcmp(in->regionCode, unit->region) != 0)
        log_write(LOG_INFO, "soap", "region_differs", "enterprise=%s admitted=%s sent=%s", unit->code, unit->region,
                  log_quote(in->regionCode));
    r = check_device(call, unit, in->deviceSerial);
    if (result_ok(r))
        r = register_device(call, unit, in, response);
    unit_release(&unit);
    return r;
}

OPERATION_FUNCTION(access_check_version)
{
    const struct _access__CheckVersion *in = request;
    struct _access__CheckVersionResponse *out = response;
    const char *dic_version = NULL;
    struct result r;
    struct unit *unit = callers_unit(call, &r);
    if (!unit)
        return r;
    if (own_device(call, unit, in->deviceId, response, &r)) {
        r = worker_dic_version(call, &dic_version);
        out->regVersion = unconst(REG_VERSION);
        out->dicVersion = unconst(dic_version);
        out->configVersion = version_text(call, unit->config_version);
    }
    unit_release(&unit);
    return r;
}

static RESULT download_base_data(struct engine_call *call, const struct _access__DownloadBaseData *in,
                                 struct _access__DownloadBaseDataResponse *out)
{
    struct base_tables tables;
    const char *dic_version = NULL;
    TRY(worker_base_data(call, in->table, in->__sizetable, &tables, &dic_version));
    out->dicVersion = unconst(dic_version);
    out->table = access_base_tables(call->arena, &tables);
    out->__sizetable = (int)tables.count;
    return RESULT_OK;
}

OPERATION_FUNCTION(access_download_base_data)
{
    const struct _access__DownloadBaseData *in = request;
    struct _access__DownloadBaseDataResponse *out = response;
    struct result r;
    struct unit *unit = callers_unit(call, &r);
    if (!unit)
        return r;
    out->dicVersion = unconst(""); /* needed also where the device is not the caller's */
    if (own_device(call, unit, in->deviceId, response, &r))
        r = download_base_data(call, in, out);
    unit_release(&unit);
    return r;
}

/* ---- configuration ---- */

OPERATION_FUNCTION(access_download_enterprise)
{
    const struct _access__DownloadEnterprise *in = request;
    struct _access__DownloadEnterpriseResponse *out = response;
    struct soap_worker *w = worker_of(call);
    struct stored_document document = {0};
    struct result r;
    struct unit *unit = callers_unit(call, &r);
    if (!unit)
        return r;
    if (own_device(call, unit, in->deviceId, response, &r)) {
        r = catalog_document(w->db, unit->id, call->arena, &document);
        out->configVersion = version_text(call, document.version);
        out->content = (struct wire_bytes){document.content, document.len};
    }
    unit_release(&unit);
    return r;
}

static void upload_config(struct engine_call *call, const struct unit *unit, const struct _access__UploadConfig *in,
                          bool outdated, struct _access__UploadConfigResponse *out)
{
    struct config_request q = {.message_id = in->messageId,
                               .unit = unit,
                               .device_id = call->device_id,
                               .content = bytes_of(&in->content),
                               .content_len = in->content.len};
    struct config_answer answer;
    ingest_config(worker_of(call)->ingest, &q, call->arena, &answer);
    if (outdated && answer.code == 0)
        finding_add(&answer.findings, 2108, NULL, NULL);
    out->responseCode = answer.code;
    out->responseMessage = unconst(answer.message);
    out->configVersion = answer.config_version ? version_text(call, answer.config_version) : NULL;
    out->finding = access_findings(call->arena, &answer.findings, &out->__sizefinding);
}

static RESULT receive_config(struct engine_call *call, const struct unit *unit, const struct _access__UploadConfig *in,
                             struct _access__UploadConfigResponse *out)
{
    bool outdated = false;
    TRY(parse_message_id(in->messageId));
    struct result r;
    if (!own_device(call, unit, in->deviceId, out, &r))
        return r;
    TRY(versions_outdated(call, REG_VERSION, in->dicVersion, &outdated)); /* the request names no regVersion */
    if (outdated && worker_of(call)->service->require_dic_version)
        out->responseCode = 2108;
    else
        upload_config(call, unit, in, outdated, out);
    return RESULT_OK;
}

OPERATION_FUNCTION(access_upload_config)
{
    const struct _access__UploadConfig *in = request;
    call->message_id = in->messageId;
    struct result r;
    struct unit *unit = named_unit(call, in->enterpriseCode, &r);
    if (!unit)
        return r;
    r = receive_config(call, unit, in, response);
    unit_release(&unit);
    return r;
}

/* ---- readings ---- */

static void upload_data(struct engine_call *call, const struct unit *unit, const struct _access__UploadData *in,
                        bool outdated, struct _access__UploadDataResponse *out)
{
    const struct device *device = unit_device(unit, in->deviceId);
    struct upload_request q = access_upload_request(in);
    struct upload_answer answer;
    q.via = VIA_DEVICE;
    q.sender_code = unit->code;
    q.sender_id = unit->id;
    q.device_id = call->device_id;
    q.enterprise_code = in->enterpriseCode;
    q.key = device->has_key ? device->secret_key : NULL;
    q.key_len = device->has_key ? sizeof device->secret_key : 0;
    q.ciphers = unit->ciphers;
    q.digests = unit->digests;
    q.peer = call->request->peer;
    q.outdated = outdated;
    ingest_upload(worker_of(call)->ingest, &q, call->arena, &answer);
    access_upload_answer(call->arena, &answer, out);
}

static RESULT receive_data(struct engine_call *call, const struct unit *unit, const struct _access__UploadData *in,
                           struct _access__UploadDataResponse *out)
{
    bool outdated = false;
    TRY(parse_upload_words(in->messageId, in->contentEncoding, in->encryption, in->digestMethod));
    struct result r;
    if (!own_device(call, unit, in->deviceId, out, &r))
        return r;
    TRY(versions_outdated(call, in->regVersion, in->dicVersion, &outdated));
    if (outdated && worker_of(call)->service->require_dic_version)
        out->responseCode = 2108;
    else
        upload_data(call, unit, in, outdated, out);
    return RESULT_OK;
}

OPERATION_FUNCTION(access_upload_data)
{
    const struct _access__UploadData *in = request;
    call->message_id = in->messageId;
    struct result r;
    struct unit *unit = named_unit(call, in->enterpriseCode, &r);
    if (!unit)
        return r;
    r = receive_data(call, unit, in, response);
    unit_release(&unit);
    return r;
}

static RESULT query_own_uploads(struct engine_call *call, const struct unit *unit,
                                const struct _access__QueryUploads *in, struct _access__QueryUploadsResponse *out)
{
    struct soap_worker *w = worker_of(call);
    struct upload_question q = {
        .sender_id = unit->id, .region_prefix = "", .page = page_request_of(w, in->pageSize, in->pageToken)};
    struct upload_list list = {0};
    TRY(parse_range(in->from, in->to, &q.from, &q.to));
    struct db *db = NULL;
    TRY(worker_query_db(w, &db));
    TRY(query_uploads(db, &q, call->arena, &list));
    out->record = access_upload_records(call->arena, &list, &out->__sizerecord);
    out->pageToken = unconst(list.next_token);
    return RESULT_OK;
}

OPERATION_FUNCTION(access_query_uploads)
{
    const struct _access__QueryUploads *in = request;
    struct result r;
    struct unit *unit = callers_unit(call, &r);
    if (!unit)
        return r;
    if (own_device(call, unit, in->deviceId, response, &r))
        r = query_own_uploads(call, unit, in, response);
    unit_release(&unit);
    return r;
}

/* ---- sign of life ---- */

/* A clock that is off is no refusal: the response says so and the device corrects itself by clockOffsetMs. */
static void warn_clock(struct engine_call *call, int64_t offset_ms, struct _access__HeartbeatResponse *out)
{
    if (!communication_clock_off(offset_ms))
        return;
    long long seconds = (long long)(offset_ms / 1000);
    out->responseMessage = code_message(call->arena, 2110, arena_printf(call->arena, "2110，偏差 %lld 秒", seconds),
                                        arena_printf(call->arena, "2110, off by %lld s", seconds));
}

static char *instant_or_null(struct arena *a, int64_t us)
{
    return us == INT64_MIN ? NULL : instant_text(a, us);
}

static RESULT give_commands(struct engine_call *call, const struct unit *unit, const char *device_id,
                            struct _access__HeartbeatResponse *out)
{
    struct command_row *rows;
    size_t count;
    TRY(command_take(worker_of(call)->db, unit->id, device_id, clock_now(), call->arena, &rows, &count));
    out->command = arena_array(call->arena, count + 1, sizeof *out->command);
    out->__sizecommand = (int)count;
    for (size_t i = 0; i < count; i++) {
        out->command[i] = (struct access__Command){.commandId = unconst(rows[i].command_id),
                                                   .kind = unconst(rows[i].kind),
                                                   .from = instant_or_null(call->arena, rows[i].from),
                                                   .to = instant_or_null(call->arena, rows[i].to),
                                                   .__sizedataCode = (int)rows[i].code_count,
                                                   .dataCode = (char **)(uintptr_t)rows[i].data_codes,
                                                   .value = filled(rows[i].value)};
    }
    return RESULT_OK;
}

static RESULT heartbeat(struct engine_call *call, const struct unit *unit, const struct _access__Heartbeat *in,
                        struct _access__HeartbeatResponse *out)
{
    int64_t device_time;
    const char *dic_version = NULL;
    TRY(parse_instant("deviceTime", in->deviceTime, &device_time));
    TRY(worker_dic_version(call, &dic_version));
    /* From the last byte of the request, so that our own work does not count; whole seconds, as deviceTime has. */
    int64_t offset_ms = (call->request->received - device_time) / 1000;
    struct device_sign sign = {.unit_id = unit->id,
                               .device_id = call->device_id,
                               .software_version = in->softwareVersion,
                               .clock_offset_ms = offset_ms,
                               .pending_records = in->pendingRecords ? *in->pendingRecords : -1};
    TRY(device_seen(worker_of(call)->db, &sign));
    TRY(give_commands(call, unit, call->device_id, out));
    out->clockOffsetMs = offset_ms;
    out->regVersion = unconst(REG_VERSION);
    out->dicVersion = unconst(dic_version);
    out->configVersion = version_text(call, unit->config_version);
    out->uploadPeriod = unit->upload_period;
    warn_clock(call, offset_ms, out);
    return RESULT_OK;
}

OPERATION_FUNCTION(access_heartbeat)
{
    const struct _access__Heartbeat *in = request;
    struct result r;
    struct unit *unit = callers_unit(call, &r);
    if (!unit)
        return r;
    if (own_device(call, unit, in->deviceId, response, &r))
        r = heartbeat(call, unit, in, response);
    unit_release(&unit);
    return r;
}

/* Telling the same result again is no mistake: the first answer may have been lost. */
static RESULT report_command(struct engine_call *call, const struct unit *unit, const struct _access__ReportCommand *in)
{
    enum command_outcome outcome;
    bool done = strcmp(in->result, "DONE") == 0;
    if (!done && strcmp(in->result, "FAILED") != 0)
        return result_error(ERR_SENDER, 2103, "result须为DONE或FAILED / result is neither DONE nor FAILED");
    TRY(command_report(worker_of(call)->db, unit->id, call->device_id, in->commandId, done, in->detail, clock_now(),
                       &outcome));
    if (outcome == COMMAND_UNKNOWN)
        return result_error(ERR_SENDER, 2103,
                            "commandId不是给该端设备的命令 / commandId is not that of a command for this device");
    if (outcome == COMMAND_OTHERWISE)
        log_write(LOG_INFO, "soap", "command_settled_before", "enterprise=%s command=%s", unit->code,
                  log_quote(in->commandId));
    return RESULT_OK;
}

OPERATION_FUNCTION(access_report_command)
{
    const struct _access__ReportCommand *in = request;
    struct result r;
    struct unit *unit = callers_unit(call, &r);
    if (!unit)
        return r;
    if (own_device(call, unit, in->deviceId, response, &r))
        r = report_command(call, unit, in);
    unit_release(&unit);
    return r;
}
