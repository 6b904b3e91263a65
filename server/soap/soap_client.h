/* soap_client: calls of another platform's services, for the front-end processor, its reconciliation and the
 * simulator. gSOAP makes and reads the messages; tls_client carries them.
 *
 * Errors: TRANSIENT: try the same message again (transport, 5xx, 429, 9xxx); UNAUTHORISED: certificate or
 *         1xxx fault; anything else answered by the other side is OK with its responseCode, or SENDER with
 *         the fault's code. result.text holds the other side's words.
 * Thread: one at a time. Texts of answers live until the next call on the same client. */
#ifndef NHJC_SOAP_SOAP_CLIENT_H
#define NHJC_SOAP_SOAP_CLIENT_H

#include "base/result.h"
#include "net/tls_client.h"

struct soap_client;

RESULT soap_client_new(const struct tls_client_config *tls, struct soap_client **client);
void soap_client_free(struct soap_client **client);
/* Retry-After of the last call's HTTP answer in seconds, 0: none. */
int soap_client_retry_after(const struct soap_client *c);

struct client_common { /* the beginning of every response */
    int code;
    const char *message, *platform_time;
};

struct client_upload { /* UploadData of either service */
    const char *message_id;
    const char *device_id, *enterprise_code; /* DeviceAccess */
    const char *platform_code;               /* PlatformExchange when not NULL */
    const char *reg_version, *dic_version;
    const char *content_encoding, *encryption, *digest_method, *digest;
    const void *content;
    size_t content_len;
};
struct client_finding {
    int code;
    const char *severity, *data_code, *stat_date, *message;
    long long line;
};
struct client_upload_answer {
    struct client_common common;
    const char *upload_id;
    bool duplicate;
    int received, stored, unchanged, corrected, suspect, rejected;
    struct client_finding *findings;
    size_t finding_count;
};
RESULT soap_client_upload(struct soap_client *c, const struct client_upload *u, struct client_upload_answer *answer);

struct client_platform_answer {
    struct client_common common;
    const char *platform_id, *reg_version, *dic_version;
};
RESULT soap_client_register_platform(struct soap_client *c, const char *code, const char *name, const char *software,
                                     struct client_platform_answer *answer);
RESULT soap_client_platform_heartbeat(struct soap_client *c, const char *platform_code, int64_t pending,
                                      const char *oldest, struct client_common *answer);

struct client_data_row {
    const char *data_code, *stat_date, *value; /* value NULL: none */
    long long count;
};
struct client_data_answer {
    struct client_common common;
    struct client_data_row *rows;
    size_t row_count;
    const char *page_token; /* NULL: the end */
};
/* PlatformQuery.QueryData: one enterprise's day rows of [from, to), in the order of the contract. */
RESULT soap_client_query_days(struct soap_client *c, const char *enterprise_code, const char *from, const char *to,
                              int page_size, const char *page_token, struct client_data_answer *answer);

struct client_register_answer {
    struct client_common common;
    const char *device_id, *reg_version, *dic_version, *config_version, *upload_time, *secret_key;
    int upload_period;
};
RESULT soap_client_register(struct soap_client *c, const char *enterprise_code, const char *region, const char *serial,
                            const char *software, struct client_register_answer *answer);
struct client_version_answer {
    struct client_common common;
    const char *reg_version, *dic_version, *config_version;
};
RESULT soap_client_check_version(struct soap_client *c, const char *device_id, struct client_version_answer *answer);
struct client_base_entry { /* what an entry does not have is NULL, precision -1 */
    const char *code, *name, *parent_code, *unit, *coal_factor, *coal_factor_min, *coal_factor_max, *industry_code,
        *remark;
    int precision;
};
struct client_base_table {
    const char *name;
    struct client_base_entry *entries;
    size_t count;
};
struct client_base_data_answer {
    struct client_common common;
    const char *dic_version;
    struct client_base_table *tables;
    size_t table_count;
};
/* Every table. */
RESULT soap_client_download_base_data(struct soap_client *c, const char *device_id,
                                      struct client_base_data_answer *answer);
struct client_config_answer {
    struct client_common common;
    const char *config_version;
    struct client_finding *findings;
    size_t finding_count;
};
RESULT soap_client_upload_config(struct soap_client *c, const char *message_id, const char *device_id,
                                 const char *enterprise_code, const char *dic_version, const void *content, size_t len,
                                 struct client_config_answer *answer);
struct client_command {
    const char *id, *kind, *from, *to, *value;
    const char *const *data_codes; /* none: all */
    size_t code_count;
};
struct client_heartbeat_answer {
    struct client_common common;
    long long clock_offset_ms;
    const char *reg_version, *dic_version, *config_version;
    int upload_period;
    struct client_command *commands;
    size_t command_count;
};
RESULT soap_client_heartbeat(struct soap_client *c, const char *device_id, const char *device_time, long long pending,
                             struct client_heartbeat_answer *answer);
RESULT soap_client_upload_enterprises(struct soap_client *c, const char *message_id, const char *platform_code,
                                      const void *content, size_t len, struct client_config_answer *answer);
RESULT soap_client_report_command(struct soap_client *c, const char *device_id, const char *command_id, bool done,
                                  const char *detail, struct client_common *answer);

#endif
