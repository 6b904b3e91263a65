/* Every operation of the interface: a new one is a row here and a function. */
#include "soap/op_row.h"

#include "base/mem.h"
#include "soap/worker.h"

#define ACCESS(X)                                                                                                      \
    X(SERVICE_ACCESS, access, Register, access_register)                                                               \
    X(SERVICE_ACCESS, access, CheckVersion, access_check_version)                                                      \
    X(SERVICE_ACCESS, access, DownloadBaseData, access_download_base_data)                                             \
    X(SERVICE_ACCESS, access, DownloadEnterprise, access_download_enterprise)                                          \
    X(SERVICE_ACCESS, access, UploadConfig, access_upload_config)                                                      \
    X(SERVICE_ACCESS, access, UploadData, access_upload_data)                                                          \
    X(SERVICE_ACCESS, access, QueryUploads, access_query_uploads)                                                      \
    X(SERVICE_ACCESS, access, Heartbeat, access_heartbeat)                                                             \
    X(SERVICE_ACCESS, access, ReportCommand, access_report_command)

#define EXCHANGE(X)                                                                                                    \
    X(SERVICE_EXCHANGE, exchange, RegisterPlatform, exchange_register_platform)                                        \
    X(SERVICE_EXCHANGE, exchange, CheckVersion, exchange_check_version)                                                \
    X(SERVICE_EXCHANGE, exchange, DownloadBaseData, exchange_download_base_data)                                       \
    X(SERVICE_EXCHANGE, exchange, UploadEnterprises, exchange_upload_enterprises)                                      \
    X(SERVICE_EXCHANGE, exchange, UploadData, exchange_upload_data)                                                    \
    X(SERVICE_EXCHANGE, exchange, Heartbeat, exchange_heartbeat)

#define QUERY(X)                                                                                                       \
    X(SERVICE_QUERY, query, QueryEnterprises, query_enterprises_op)                                                    \
    X(SERVICE_QUERY, query, QueryData, query_data_op)                                                                  \
    X(SERVICE_QUERY, query, QueryStatistics, query_statistics_op)                                                      \
    X(SERVICE_QUERY, query, QueryQuality, query_quality_op)                                                            \
    X(SERVICE_QUERY, query, QueryUploads, query_uploads_op)

#define SERIALIZERS(service, prefix, name, run) OP_SERIALIZERS(prefix, name)
#define ROW(service, prefix, name, run) OP_ROW(service, prefix, name, run),

ACCESS(SERIALIZERS)
EXCHANGE(SERIALIZERS)
QUERY(SERIALIZERS)

const struct engine_op OPERATIONS[] = {ACCESS(ROW) EXCHANGE(ROW) QUERY(ROW)};
const size_t OPERATION_COUNT = ARRAY_LEN(OPERATIONS);
