/* marshal: our answers into the structs soapcpp2 generated.
 *
 * The services have types of the same shape under names of their own; the macros make one function for each. */
#ifndef NHJC_SOAP_MARSHAL_H
#define NHJC_SOAP_MARSHAL_H

#include "payload/finding.h"
#include "query/base_data.h"
#include "soap/worker.h"

/* gSOAP's structs have no const; nothing is written through these pointers. */
static inline char *unconst(const char *text)
{
    return (char *)(uintptr_t)text;
}

/* Optional elements are absent rather than empty. */
static inline char *filled(const char *text)
{
    return text && *text ? unconst(text) : NULL;
}

static inline LONG64 *arena_long(struct arena *a, int64_t v)
{
    LONG64 *p = arena_alloc(a, sizeof *p);
    *p = v;
    return p;
}

static inline int *arena_int(struct arena *a, int v)
{
    int *p = arena_alloc(a, sizeof *p);
    *p = v;
    return p;
}

/* <prefix>_findings(arena, findings, &count): the finding elements of a response. */
#define DEFINE_FINDINGS(prefix)                                                                                        \
    static struct prefix##__Finding *prefix##_findings(struct arena *a, const struct findings *from, int *count)       \
    {                                                                                                                  \
        struct prefix##__Finding *to = arena_array(a, from->count + 1, sizeof *to);                                    \
        for (size_t i = 0; i < from->count; i++) {                                                                     \
            const struct finding *f = &from->at[i];                                                                    \
            const struct code_row *row = code_find(f->code);                                                           \
            to[i].level = unconst(finding_level_name(row ? row->level : LEVEL_PLATFORM));                              \
            to[i].code = f->code;                                                                                      \
            to[i].severity = unconst(finding_severity_name(f->severity));                                              \
            to[i].line = f->line > 0 ? arena_long(a, f->line) : NULL;                                                  \
            to[i].dataCode = unconst(f->data_code);                                                                    \
            to[i].statType = f->stat_type >= 0 ? arena_int(a, f->stat_type) : NULL;                                    \
            to[i].statDate = unconst(f->stat_date);                                                                    \
            to[i].message = unconst(f->message);                                                                       \
        }                                                                                                              \
        *count = (int)from->count;                                                                                     \
        return to;                                                                                                     \
    }

/* <prefix>_upload_answer(arena, answer, response) */
#define DEFINE_UPLOAD_ANSWER(prefix)                                                                                   \
    static void prefix##_upload_answer(struct arena *a, const struct upload_answer *from,                              \
                                       struct _##prefix##__UploadDataResponse *to)                                     \
    {                                                                                                                  \
        to->responseCode = from->code;                                                                                 \
        to->responseMessage = unconst(from->message);                                                                  \
        to->uploadId = arena_strdup(a, from->upload_id);                                                               \
        to->duplicate = (enum xsd__boolean)from->duplicate;                                                            \
        to->recordsReceived = from->received;                                                                          \
        to->recordsStored = from->stored;                                                                              \
        to->recordsUnchanged = from->unchanged;                                                                        \
        to->recordsCorrected = from->corrected;                                                                        \
        to->recordsSuspect = from->suspect;                                                                            \
        to->recordsRejected = from->rejected;                                                                          \
        to->findingsTruncated = (enum xsd__boolean)from->findings_truncated;                                           \
        to->finding = prefix##_findings(a, &from->findings, &to->__sizefinding);                                       \
    }

/* <prefix>_upload_request(request): what the requests of both services have in common. */
#define DEFINE_UPLOAD_REQUEST(prefix)                                                                                  \
    static struct upload_request prefix##_upload_request(const struct _##prefix##__UploadData *in)                     \
    {                                                                                                                  \
        return (struct upload_request){.message_id = in->messageId,                                                    \
                                       .content_encoding = in->contentEncoding,                                        \
                                       .encryption = in->encryption,                                                   \
                                       .digest_method = in->digestMethod,                                              \
                                       .digest = in->digest,                                                           \
                                       .content = bytes_of(&in->content),                                              \
                                       .content_len = in->content.len};                                                \
    }

static inline const void *bytes_of(const struct wire_bytes *b)
{
    return b->ptr ? b->ptr : (const unsigned char *)"";
}

/* <prefix>_upload_records(arena, list, &count): the record elements of QueryUploads. */
#define DEFINE_UPLOAD_RECORDS(prefix)                                                                                  \
    static struct prefix##__UploadRecord *prefix##_upload_records(struct arena *a, const struct upload_list *from,     \
                                                                  int *count)                                          \
    {                                                                                                                  \
        struct prefix##__UploadRecord *to = arena_array(a, from->count + 1, sizeof *to);                               \
        for (size_t i = 0; i < from->count; i++) {                                                                     \
            const struct upload_row *row = &from->rows[i];                                                             \
            to[i].uploadId = arena_strdup(a, row->upload_id);                                                          \
            to[i].messageId = unconst(row->message_id);                                                                \
            to[i].receivedAt = instant_text(a, row->received_at);                                                      \
            to[i].recordsReceived = row->received;                                                                     \
            to[i].recordsStored = row->stored;                                                                         \
            to[i].recordsUnchanged = row->unchanged;                                                                   \
            to[i].recordsCorrected = row->corrected;                                                                   \
            to[i].recordsSuspect = row->suspect;                                                                       \
            to[i].recordsRejected = row->rejected;                                                                     \
            to[i].responseCode = row->response_code;                                                                   \
        }                                                                                                              \
        *count = (int)from->count;                                                                                     \
        return to;                                                                                                     \
    }

/* <prefix>_endpoints(call, list of services, count) */
#define DEFINE_ENDPOINTS(prefix)                                                                                       \
    static struct prefix##__Endpoint *prefix##_endpoints(struct engine_call *call, const enum service_id *services,    \
                                                         size_t count)                                                 \
    {                                                                                                                  \
        struct prefix##__Endpoint *to = arena_array(call->arena, count, sizeof *to);                                   \
        for (size_t i = 0; i < count; i++) {                                                                           \
            to[i].name = unconst(SERVICES[services[i]].name);                                                          \
            to[i].url = worker_endpoint(call, services[i]);                                                            \
        }                                                                                                              \
        return to;                                                                                                     \
    }

/* <prefix>_base_tables(arena, tables): the table elements of DownloadBaseData. */
#define DEFINE_BASE_TABLES(prefix)                                                                                     \
    static void prefix##_base_entry(struct arena *a, const struct base_entry *from,                                    \
                                    struct prefix##__BaseDataEntry *to)                                                \
    {                                                                                                                  \
        to->code = unconst(from->code);                                                                                \
        to->name = unconst(from->name);                                                                                \
        to->parentCode = filled(from->parent_code);                                                                    \
        to->unit = filled(from->unit);                                                                                 \
        to->precision = from->precision >= 0 ? arena_int(a, from->precision) : NULL;                                   \
        to->coalFactor = unconst(from->coal_factor);                                                                   \
        to->coalFactorMin = unconst(from->coal_factor_min);                                                            \
        to->coalFactorMax = unconst(from->coal_factor_max);                                                            \
        to->industryCode = filled(from->industry_code);                                                                \
        to->remark = filled(from->remark);                                                                             \
    }                                                                                                                  \
    static struct prefix##__BaseDataTable *prefix##_base_tables(struct arena *a, const struct base_tables *from)       \
    {                                                                                                                  \
        struct prefix##__BaseDataTable *to = arena_array(a, from->count + 1, sizeof *to);                              \
        for (size_t i = 0; i < from->count; i++) {                                                                     \
            to[i].name = unconst(from->at[i].name);                                                                    \
            to[i].__sizeentry = (int)from->at[i].count;                                                                \
            to[i].entry = arena_array(a, from->at[i].count + 1, sizeof *to[i].entry);                                  \
            for (size_t k = 0; k < from->at[i].count; k++)                                                             \
                prefix##_base_entry(a, &from->at[i].entries[k], &to[i].entry[k]);                                      \
        }                                                                                                              \
        return to;                                                                                                     \
    }

#endif
