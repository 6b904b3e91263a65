/* PlatformQuery: what platforms and authorised applications ask. */
#include <string.h>

#include "base/caltime.h"
#include "base/decimal.h"
#include "base/mem.h"
#include "quality/quality.h"
#include "query/catalog.h"
#include "query/query.h"
#include "query/statistics.h"
#include "registry/platform_store.h"
#include "soap/marshal.h"
#include "soap/worker.h"

/* ---- who may ask about whom ---- */

/* A platform needs no registration to ask, but a suspended one may not. */
static RESULT may_ask(struct engine_call *call, struct db **db)
{
    struct soap_worker *w = worker_of(call);
    struct platform_row row;
    bool found = false;
    TRY(worker_query_db(w, db));
    TRY(platform_find(*db, w->identity.code, &row, &found));
    if (found && row.suspended)
        return result_error(ERR_UNAUTHORISED, 1104, "平台已停用 / the platform is suspended");
    return RESULT_OK;
}

/* An enterprise nobody knows is refused like a foreign one, so that existence does not show; who may see all
 * learns that there is nothing. */
static RESULT may_ask_about(struct engine_call *call, const char *enterprise_code)
{
    struct soap_worker *w = worker_of(call);
    struct unit *unit = NULL;
    TRY(registry_unit(w->service->registry, w->db, enterprise_code, &unit));
    bool covered = unit ? region_covers(w->identity.code, unit->region) : strcmp(w->identity.code, "000000") == 0;
    if (unit)
        unit_release(&unit);
    return covered ? RESULT_OK
                   : result_error(ERR_UNAUTHORISED, 1103,
                                  "所查企业不属于该平台管辖 / an enterprise asked about is not under this platform");
}

/* "420000" stands for regions that begin with "42", "000000" for all. */
static const char *region_prefix(struct arena *a, const char *code)
{
    char *prefix = arena_strdup(a, code);
    size_t n = strlen(prefix);
    while (n >= 2 && prefix[n - 1] == '0' && prefix[n - 2] == '0')
        n -= 2;
    prefix[n] = '\0';
    return prefix;
}

/* Opens the database for a question about one enterprise, or about all that the caller covers where none is named. */
static RESULT may_ask_enterprise(struct engine_call *call, const char *enterprise_code, struct db **db,
                                 const char **prefix)
{
    TRY(may_ask(call, db));
    if (enterprise_code)
        TRY(may_ask_about(call, enterprise_code));
    *prefix = region_prefix(call->arena, worker_of(call)->identity.code);
    return RESULT_OK;
}

/* Likewise about one region, or the caller's own. */
static RESULT may_ask_region(struct engine_call *call, const char *region_code, struct db **db, const char **prefix)
{
    const char *own = worker_of(call)->identity.code;
    TRY(may_ask(call, db));
    if (region_code && !region_covers(own, region_code))
        return result_error(ERR_UNAUTHORISED, 1103,
                            "所查地区不属于该平台管辖 / the region asked about is not under this platform");
    *prefix = region_prefix(call->arena, region_code ? region_code : own);
    return RESULT_OK;
}

/* ---- QueryData ---- */

static char *decimal_text(struct arena *a, bool present, dec128 value)
{
    return present ? decimal_format(value, arena_alloc(a, DECIMAL_TEXT)) : NULL;
}

static struct query__DataRow *data_rows(struct arena *a, const struct data_answer *answer, int *count)
{
    struct query__DataRow *to = arena_array(a, answer->count + 1, sizeof *to);
    for (size_t i = 0; i < answer->count; i++) {
        const struct data_row *row = &answer->rows[i];
        to[i] = (struct query__DataRow){.enterpriseCode = unconst(row->enterprise_code),
                                        .dataCode = unconst(row->data_code),
                                        .statDate = instant_text(a, row->stat_date),
                                        .value = decimal_text(a, row->has_value, row->value),
                                        .min_ = decimal_text(a, row->has_min, row->min),
                                        .max_ = decimal_text(a, row->has_max, row->max),
                                        .avg = decimal_text(a, row->has_avg, row->avg),
                                        .count = row->count,
                                        .expected = row->expected,
                                        .completeness = decimal_text(a, true, row->completeness),
                                        .source = unconst(row->reported ? "reported" : "computed"),
                                        .tce = decimal_text(a, row->has_tce, row->tce),
                                        .co2 = decimal_text(a, row->has_co2, row->co2)};
    }
    *count = (int)answer->count;
    return to;
}

static RESULT data_question_of(struct engine_call *call, const struct _query__QueryData *in, struct data_question *q)
{
    *q = (struct data_question){.enterprise_codes = (const char *const *)in->enterpriseCode,
                                .enterprise_count = (size_t)in->__sizeenterpriseCode,
                                .data_codes = (const char *const *)in->dataCode,
                                .data_code_count = (size_t)in->__sizedataCode,
                                .page = page_request_of(worker_of(call), in->pageSize, in->pageToken)};
    if (!granularity_from_name(in->granularity, &q->granularity))
        return result_error(
            ERR_SENDER, 2103,
            "granularity取值不在允许之列 / granularity is none of minute, hour, day, week, month, quarter, year");
    return parse_range(in->from, in->to, &q->from, &q->to);
}

enum { MOST_CODES = 10000 }; /* as many as rows fit on the largest page; each enterprise is looked up */

OPERATION_FUNCTION(query_data_op)
{
    const struct _query__QueryData *in = request;
    struct _query__QueryDataResponse *out = response;
    struct data_question q;
    struct data_answer answer = {0};
    struct db *db = NULL;
    TRY(may_ask(call, &db));
    TRY(parse_list("enterpriseCode", in->enterpriseCode, in->__sizeenterpriseCode, MOST_CODES));
    TRY(parse_list("dataCode", in->dataCode, in->__sizedataCode, MOST_CODES));
    for (int i = 0; i < in->__sizeenterpriseCode; i++)
        TRY(may_ask_about(call, in->enterpriseCode[i]));
    TRY(data_question_of(call, in, &q));
    TRY(query_data(db, worker_of(call)->service->registry, &q, call->arena, &answer));
    out->row = data_rows(call->arena, &answer, &out->__sizerow);
    out->pageToken = unconst(answer.next_token);
    return RESULT_OK;
}

/* ---- QueryUploads ---- */

DEFINE_UPLOAD_RECORDS(query)

/* Here a record says whose it is, unless the upload was about several. */
static struct query__UploadRecord *named_records(struct arena *a, const struct upload_list *list, int *count)
{
    struct query__UploadRecord *to = query_upload_records(a, list, count);
    for (size_t i = 0; i < list->count; i++)
        to[i].enterpriseCode = filled(list->rows[i].enterprise_code);
    return to;
}

OPERATION_FUNCTION(query_uploads_op)
{
    const struct _query__QueryUploads *in = request;
    struct _query__QueryUploadsResponse *out = response;
    struct upload_question q = {.enterprise_code = in->enterpriseCode,
                                .page = page_request_of(worker_of(call), in->pageSize, in->pageToken)};
    struct upload_list list = {0};
    struct db *db = NULL;
    TRY(may_ask_enterprise(call, in->enterpriseCode, &db, &q.region_prefix));
    TRY(parse_range(in->from, in->to, &q.from, &q.to));
    TRY(query_uploads(db, &q, call->arena, &list));
    out->record = named_records(call->arena, &list, &out->__sizerecord);
    out->pageToken = unconst(list.next_token);
    return RESULT_OK;
}

/* ---- QueryEnterprises ---- */

static struct query__EnterpriseRow *enterprise_rows(struct arena *a, const struct enterprise_list *list, int *count)
{
    struct query__EnterpriseRow *to = arena_array(a, list->count + 1, sizeof *to);
    for (size_t i = 0; i < list->count; i++) {
        const struct enterprise_row *row = &list->rows[i];
        to[i] = (struct query__EnterpriseRow){.enterpriseCode = unconst(row->code),
                                              .name = unconst(row->name),
                                              .regionCode = unconst(row->region_code),
                                              .industryCode = unconst(row->industry_code),
                                              .state = unconst(row->state),
                                              .configVersion = arena_printf(a, "%d", (int)row->config_version),
                                              .modifiedAt = instant_text(a, row->modified_at)};
    }
    *count = (int)list->count;
    return to;
}

OPERATION_FUNCTION(query_enterprises_op)
{
    const struct _query__QueryEnterprises *in = request;
    struct _query__QueryEnterprisesResponse *out = response;
    struct enterprise_question q = {.industry_code = in->industryCode,
                                    .modified_since = INT64_MIN,
                                    .page = page_request_of(worker_of(call), in->pageSize, in->pageToken)};
    struct enterprise_list list = {0};
    struct db *db = NULL;
    TRY(may_ask_region(call, in->regionCode, &db, &q.region_prefix));
    if (in->modifiedSince)
        TRY(parse_instant("modifiedSince", in->modifiedSince, &q.modified_since));
    TRY(catalog_enterprises(db, &q, call->arena, &list));
    out->enterprise = enterprise_rows(call->arena, &list, &out->__sizeenterprise);
    out->pageToken = unconst(list.next_token);
    return RESULT_OK;
}

/* ---- QueryQuality ---- */

static struct query__QualityRow *quality_rows(struct arena *a, const struct quality_list *list, int *count)
{
    struct query__QualityRow *to = arena_array(a, list->count + 1, sizeof *to);
    for (size_t i = 0; i < list->count; i++) {
        const struct quality_day *row = &list->at[i];
        const struct quality_counts *c = &row->counts;
        to[i] = (struct query__QualityRow){.enterpriseCode = unconst(row->enterprise_code),
                                           .statDate = instant_text(a, row->day),
                                           .expected = c->expected,
                                           .received = quality_received(c),
                                           .onTime = quality_on_time(c),
                                           .late = c->late,
                                           .rejected = c->rejected,
                                           .successRate = decimal_text(a, true, quality_success_rate(c)),
                                           .completeness = decimal_text(a, true, quality_completeness(c)),
                                           .continuousDays = row->continuous_days};
    }
    *count = (int)list->count;
    return to;
}

OPERATION_FUNCTION(query_quality_op)
{
    const struct _query__QueryQuality *in = request;
    struct _query__QueryQualityResponse *out = response;
    struct quality_question q = {.enterprise_code = in->enterpriseCode};
    struct quality_list list = {0};
    struct db *db = NULL;
    TRY(may_ask_enterprise(call, in->enterpriseCode, &db, &q.region_prefix));
    TRY(parse_range(in->from, in->to, &q.from, &q.to));
    TRY(quality_query(db, &q, call->arena, &list));
    out->row = quality_rows(call->arena, &list, &out->__sizerow);
    return RESULT_OK;
}

/* ---- QueryStatistics ---- */

static struct query__StatisticsRow *statistics_rows(struct arena *a, const struct statistics_list *list, int *count)
{
    struct query__StatisticsRow *to = arena_array(a, list->count + 1, sizeof *to);
    for (size_t i = 0; i < list->count; i++) {
        const struct statistics_row *row = &list->rows[i];
        to[i] = (struct query__StatisticsRow){.key = unconst(row->key),
                                              .name = unconst(row->name),
                                              .statDate = instant_text(a, row->stat_date),
                                              .value = decimal_text(a, row->has_value, row->value),
                                              .unit = row->has_value ? unconst(row->unit) : NULL,
                                              .tce = decimal_text(a, true, row->tce),
                                              .co2 = decimal_text(a, true, row->co2),
                                              .compareTce = decimal_text(a, row->has_compare, row->compare_tce),
                                              .ratio = decimal_text(a, row->has_ratio, row->ratio)};
    }
    *count = (int)list->count;
    return to;
}

static RESULT statistics_question_of(const struct _query__QueryStatistics *in, struct statistics_question *q)
{
    if (!statistics_group_from_name(in->groupBy, &q->group))
        return result_error(ERR_SENDER, 2103,
                            "groupBy取值不在允许之列 / groupBy is none of region, industry, energyType, enterprise");
    if (!statistics_compare_from_name(in->compare, &q->compare))
        return result_error(ERR_SENDER, 2103, "compare取值不在允许之列 / compare is none of none, yoy, pop");
    if (!granularity_from_name(in->granularity, &q->granularity))
        return result_error(ERR_SENDER, 2103,
                            "granularity取值不在允许之列 / granularity is none of day, week, month, quarter, year");
    return parse_range(in->from, in->to, &q->from, &q->to);
}

OPERATION_FUNCTION(query_statistics_op)
{
    const struct _query__QueryStatistics *in = request;
    struct _query__QueryStatisticsResponse *out = response;
    struct statistics_question q = {.industry_code = in->industryCode, .energy_type = in->energyTypeCode};
    struct statistics_list list = {0};
    struct db *db = NULL;
    TRY(may_ask_region(call, in->regionCode, &db, &q.region_prefix));
    TRY(statistics_question_of(in, &q));
    TRY(statistics_query(db, &q, call->arena, &list));
    out->row = statistics_rows(call->arena, &list, &out->__sizerow);
    return RESULT_OK;
}
