#include "soap/soap_server.h"

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "soap/worker.h"

/* Which kind of identity a service is for. */
static const enum identity_kind CALLERS[SERVICE_COUNT] = {
    [SERVICE_ACCESS] = IDENTITY_ENTERPRISE,
    [SERVICE_EXCHANGE] = IDENTITY_PLATFORM,
    [SERVICE_QUERY] = IDENTITY_PLATFORM,
};

const char *worker_payer(struct engine_call *call)
{
    struct soap_worker *w = worker_of(call);
    return w->identity.code[0] ? w->identity.code : call->request->cert->fingerprint;
}

/* The rate comes before everything that leaves a record. */
static struct result authorise(struct engine_call *call)
{
    struct soap_worker *w = worker_of(call);
    struct result r = identity_from_peer(call->request->cert, w->service->identity_rule, &w->identity);
    if (!result_ok(r))
        w->identity = (struct identity){0};
    if (!rate_allow(w->service->rate, worker_payer(call), clock_monotonic(), &call->retry_after))
        return result_error(ERR_LIMIT, 1106, "%d秒后可再次请求 / next request in %d s", call->retry_after,
                            call->retry_after);
    TRY(r);
    if (w->identity.kind != CALLERS[call->service])
        return result_error(ERR_UNAUTHORISED, 1103, "该服务的调用方须为%s / this service is for %s",
                            CALLERS[call->service] == IDENTITY_PLATFORM ? "平台" : "企业",
                            CALLERS[call->service] == IDENTITY_PLATFORM ? "platforms" : "enterprises");
    if (w->identity.kind == IDENTITY_PLATFORM && call->request->cert->device != PEER_DEVICE_NONE)
        return result_error(ERR_UNAUTHORISED, 1103,
                            "平台证书不应指名端设备 / the certificate names an end device, a platform's does not");
    return RESULT_OK;
}

static struct wire_limits envelope_limits(const struct payload_limits *configured)
{
    struct wire_limits limits = WIRE_LIMITS_DEFAULT;
    if (configured) {
        limits.depth = configured->depth;
        limits.attributes = configured->attributes;
        limits.tag_bytes = configured->tag_bytes;
    }
    return limits;
}

static struct engine *make_engine(struct soap_worker *w)
{
    w->limits = envelope_limits(w->service->ingest.limits);
    struct engine_config config = {.ops = OPERATIONS,
                                   .op_count = OPERATION_COUNT,
                                   .limits = &w->limits,
                                   .max_body = w->service->max_body ? w->service->max_body : SOAP_BODY_LIMIT,
                                   .public_url = w->service->public_url,
                                   .user = w,
                                   .authorise = authorise,
                                   .refused = refusal_record};
    return engine_new(&config);
}

RESULT soap_worker_new(const struct soap_service *service, struct soap_worker **worker)
{
    refusals_init();
    struct soap_worker *w = mem_alloc(sizeof *w);
    w->service = service;
    struct result r = db_open(&service->db, &w->db);
    if (result_ok(r))
        r = ingest_new(&service->ingest, w->db, &w->ingest);
    if (!result_ok(r)) {
        soap_worker_free(&w);
        return r;
    }
    w->engine = make_engine(w);
    *worker = w;
    return RESULT_OK;
}

void soap_worker_free(struct soap_worker **worker)
{
    struct soap_worker *w = *worker;
    if (!w)
        return;
    engine_free(&w->engine);
    ingest_free(&w->ingest);
    db_close(&w->query_db);
    db_close(&w->db);
    mem_free(w);
    *worker = NULL;
}

void soap_worker_serve(struct soap_worker *worker, struct net_request *request, struct soap_answer *answer)
{
    worker->identity = (struct identity){0};
    db_refresh(worker->db);
    if (worker->query_db)
        db_refresh(worker->query_db);
    engine_serve(worker->engine, request, answer);
}
