/* What several operations need: current versions, addresses, and parameters that need reading. */
#include <stdlib.h>
#include <string.h>

#include "base/caltime.h"
#include "base/clock.h"
#include "payload/envelope.h"
#include "query/catalog.h"
#include "soap/worker.h"

static RESULT dic_version_text(struct engine_call *call, bool newest, const char **text)
{
    struct soap_worker *w = worker_of(call);
    int32_t version = 0;
    TRY(dic_version_get(w->service->dic_version, w->db, newest, &version));
    *text = arena_printf(call->arena, "%d", (int)version);
    return RESULT_OK;
}

RESULT worker_dic_version(struct engine_call *call, const char **text)
{
    return dic_version_text(call, false, text);
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
    TRY(parse_list("table", names, count, MOST_TABLES));
    /* not an older version than the entries: the device would load them again */
    TRY(dic_version_text(call, true, dic_version));
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

RESULT parse_list(const char *name, char *const *list, int count, int most)
{
    if (count > most)
        return result_error(ERR_SENDER, 2103, "%s最多%d个 / %s: at most %d", name, most, name, most);
    for (int i = 0; i < count; i++)
        if (!list[i])
            return result_error(ERR_SENDER, 2103, "%s不得为nil / %s must not be nil", name, name);
    return RESULT_OK;
}

RESULT parse_range(const char *from, const char *to, int64_t *from_us, int64_t *to_us)
{
    TRY(parse_instant("from", from, from_us));
    return parse_instant("to", to, to_us);
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

struct page_request page_request_of(const struct soap_worker *w, const int *size, const char *token)
{
    return (struct page_request){
        .has_size = size != NULL, .size = size ? *size : 0, .token = token, .token_key = w->service->token_key};
}

char *instant_text(struct arena *a, int64_t us)
{
    return caltime_format(us, arena_alloc(a, CALTIME_TEXT));
}

RESULT versions_outdated(struct engine_call *call, const char *reg_version, const char *dic_version, bool *outdated)
{
    const char *current = NULL;
    TRY(worker_dic_version(call, &current));
    /* a version above ours is no outdated one: it was told by another server, or read after an import of this second */
    if (strtol(dic_version, NULL, 10) > strtol(current, NULL, 10))
        TRY(dic_version_text(call, true, &current));
    *outdated = strcmp(reg_version, REG_VERSION) != 0 || strcmp(dic_version, current) != 0;
    return RESULT_OK;
}
