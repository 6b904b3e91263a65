/* worker: what the operations work with; one per thread. Private to this folder. */
#ifndef NHJC_SOAP_WORKER_H
#define NHJC_SOAP_WORKER_H

#include "query/base_data.h"
#include "query/query.h"
#include "soap/engine.h"
#include "validate/network.h"

struct soap_worker {
    const struct soap_service *service;
    struct db *db;
    struct db *query_db; /* opened by the first question, see worker_query_db */
    struct ingest *ingest;
    struct engine *engine;
    struct wire_limits limits; /* of an envelope */
    struct identity identity;  /* of the request in hand */
};

static inline struct soap_worker *worker_of(struct engine_call *call)
{
    return call->user;
}

/* Whose account a request is on: its identity, or its certificate where that holds none. */
const char *worker_payer(struct engine_call *call);
/* dicVersion as text in the call's arena. Some seconds old at most, and never older than what another worker told. */
RESULT worker_dic_version(struct engine_call *call, const char **text);
RESULT worker_query_db(struct soap_worker *w, struct db **db);
/* DownloadBaseData: the lists asked for as they are valid today, with the dicVersion that they have at least. */
RESULT worker_base_data(struct engine_call *call, char **names, int count, struct base_tables *tables,
                        const char **dic_version);
/* Where the caller reaches a service of ours. */
char *worker_endpoint(struct engine_call *call, enum service_id service);

/* ---- refusals.c: every refusal is logged, counted by code and recorded; 1101 and 1103 are also audited ---- */
void refusals_init(void);
void refusal_record(struct engine_call *call, int code, const char *message);

/* ---- common.c: parameters that several operations have; errors are SENDER 2103 ---- */
RESULT parse_instant(const char *name, const char *text, int64_t *us);
/* At most so many, and none of them xsi:nil, which gSOAP leaves as a hole in the list. */
RESULT parse_list(const char *name, char *const *list, int count, int most);
RESULT parse_message_id(const char *message_id);
/* messageId and the three enumerations of UploadData. */
RESULT parse_upload_words(const char *message_id, const char *encoding, const char *encryption, const char *digest);
/* The elements from and to of a question: [*from_us, *to_us). */
RESULT parse_range(const char *from, const char *to, int64_t *from_us, int64_t *to_us);
/* pageSize and pageToken as they came, NULL where absent; the question itself judges them. Borrows token. */
struct page_request page_request_of(const struct soap_worker *w, const int *size, const char *token);
char *instant_text(struct arena *a, int64_t us);
/* regVersion or dicVersion is not the current one (2108). */
RESULT versions_outdated(struct engine_call *call, const char *reg_version, const char *dic_version, bool *outdated);

#define REG_VERSION "1" /* of the registration interface; a change would need other messages */

/* ---- the table ---- */
extern const struct engine_op OPERATIONS[];
extern const size_t OPERATION_COUNT;

#define OPERATION_FUNCTION(name) struct result name(struct engine_call *call, const void *request, void *response)
OPERATION_FUNCTION(access_register);
OPERATION_FUNCTION(access_check_version);
OPERATION_FUNCTION(access_download_base_data);
OPERATION_FUNCTION(access_download_enterprise);
OPERATION_FUNCTION(access_upload_config);
OPERATION_FUNCTION(access_upload_data);
OPERATION_FUNCTION(access_query_uploads);
OPERATION_FUNCTION(access_heartbeat);
OPERATION_FUNCTION(access_report_command);
OPERATION_FUNCTION(exchange_register_platform);
OPERATION_FUNCTION(exchange_check_version);
OPERATION_FUNCTION(exchange_download_base_data);
OPERATION_FUNCTION(exchange_upload_enterprises);
OPERATION_FUNCTION(exchange_upload_data);
OPERATION_FUNCTION(exchange_heartbeat);
OPERATION_FUNCTION(query_enterprises_op);
OPERATION_FUNCTION(query_data_op);
OPERATION_FUNCTION(query_uploads_op);
OPERATION_FUNCTION(query_quality_op);
OPERATION_FUNCTION(query_statistics_op);

#endif
