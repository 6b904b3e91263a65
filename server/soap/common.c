/* What several operations need: current versions, addresses, and parameters that need reading. */
#include <string.h>

#include "base/caltime.h"
#include "base/clock.h"
#include "payload/envelope.h"
#include "query/catalog.h"
#include "soap/worker.h"

#define NS_PER_SEC INT64_C(1000000000)

enum { VERSION_SECONDS = 3 }; /* a new dicVersion is told to devices this late at most */

RESULT worker_dic_version(struct engine_call *call, const char **text)
{
    struct soap_worker *w = worker_of(call);
    int64_t now = clock_monotonic();
    if (w->dic_version_at == 0 || now - w->dic_version_at > VERSION_SECONDS * NS_PER_SEC) {
        TRY(catalog_dic_version(w->db, &w->dic_version));
        w->dic_version_at = now;
    }
    *text = arena_printf(call->arena, "%d", (int)w->dic_version);
    return RESULT_OK;
}

RESULT worker_query_db(struct soap_worker *w, struct db **db)
{
    if (!w->query_db)
        TRY(db_open(&w->service->query_db, &w->query_db));
    *db = w->query_db;
    return RESULT_OK;
}

enum { MOST_TABLES = 100 }; /* asked for at once */

RESULT worker_base_data(struct engine_call *call, char **names, int count, struct base_tables *tables,
                        const char **dic_version)
{
    struct soap_worker *w = worker_of(call);
    int64_t local = clock_now() + caltime_offset_seconds() * INT64_C(1000000);
    if (count > MOST_TABLES)
        return result_error(ERR_SENDER, 2103, "table最多%d个 / table: at most %d names", MOST_TABLES, MOST_TABLES);
    w->dic_version_at = 0; /* not an older version than the entries: the device would load them again */
    TRY(worker_dic_version(call, dic_version));
    return base_data_query(w->db, (const char *const *)names, (size_t)count, (int32_t)(local / INT64_C(86400000000)),
                           call->arena, tables);
}

char *worker_endpoint(struct engine_call *call, enum service_id service)
{
    const char *base = call->base_url ? call->base_url : "https://localhost";
    return arena_printf(call->arena, "%s%s", base, SERVICES[service].path);
}

RESULT parse_instant(const char *name, const char *text, int64_t *us)
{
    if (!caltime_parse(text, strlen(text), us))
        return result_error(ERR_SENDER, 2103,
                            "%s不是yyyy-MM-dd HH:mm:ss形式的时间 / %s is not a time of the form yyyy-MM-dd HH:mm:ss",
                            name, name);
    return RESULT_OK;
}

RESULT parse_message_id(const char *message_id)
{
    if (!message_id_valid(message_id))
        return result_error(ERR_SENDER, 2103,
                            "messageId须为1至64个字符，首尾无空格，不含控制字符 / messageId must be 1..64 characters "
                            "without control characters or outer blanks");
    return RESULT_OK;
}

RESULT parse_upload_words(const char *message_id, const char *encoding, const char *encryption, const char *digest)
{
    enum content_encoding e;
    enum content_cipher c;
    enum content_digest d;
    TRY(parse_message_id(message_id));
    TRY(encoding_from_name(encoding, &e));
    TRY(cipher_from_name(encryption, &c));
    return digest_from_name(digest, &d);
}

RESULT parse_page(const struct soap_worker *w, const int *size, const char *token, struct page_request *page)
{
    if (size && (*size < 1 || *size > 10000))
        return result_error(ERR_SENDER, 2103, "pageSize须为1至10000 / pageSize must be 1..10000");
    *page = (struct page_request){
        .has_size = size != NULL, .size = size ? *size : 0, .token = token, .token_key = w->service->token_key};
    return RESULT_OK;
}

char *instant_text(struct arena *a, int64_t us)
{
    return caltime_format(us, arena_alloc(a, CALTIME_TEXT));
}

RESULT versions_outdated(struct engine_call *call, const char *reg_version, const char *dic_version, bool *outdated)
{
    const char *current = NULL;
    TRY(worker_dic_version(call, &current));
    *outdated = strcmp(reg_version, REG_VERSION) != 0 || strcmp(dic_version, current) != 0;
    return RESULT_OK;
}
