/* op_row: a row of the operation table from the names that soapcpp2 generated.
 *
 *   OP_SERIALIZERS(access, Register)                              once per operation, outside of functions
 *   OP_ROW(SERVICE_ACCESS, access, Register, access_register)     in the table; NULL: not served here
 *
 * Reading and writing stay typed: a wrapper per operation, no cast of function pointers. */
#ifndef NHJC_SOAP_OP_ROW_H
#define NHJC_SOAP_OP_ROW_H

#include <stddef.h>

#include "soap/engine.h"

#define OP_SAME_HEAD(type, field)                                                                                      \
    _Static_assert(offsetof(struct type, field) == offsetof(struct response_head, field), #type " begins differently")

#define OP_SERIALIZERS(prefix, name)                                                                                   \
    OP_SAME_HEAD(_##prefix##__##name##Response, responseCode);                                                         \
    OP_SAME_HEAD(_##prefix##__##name##Response, responseMessage);                                                      \
    OP_SAME_HEAD(_##prefix##__##name##Response, platformTime);                                                         \
    static void *read_##prefix##_##name(struct soap *soap, const char *tag)                                            \
    {                                                                                                                  \
        return soap_in__##prefix##__##name(soap, tag, NULL, NULL);                                                     \
    }                                                                                                                  \
    static int write_##prefix##_##name(struct soap *soap, const void *response, const char *tag)                       \
    {                                                                                                                  \
        return soap_out__##prefix##__##name##Response(soap, tag, -1, response, NULL);                                  \
    }

#define OP_ROW(service_, prefix, name_, run_)                                                                          \
    {                                                                                                                  \
        .service = (service_), .name = #name_, .tag = #prefix ":" #name_,                                              \
        .response_tag = #prefix ":" #name_ "Response", .read = read_##prefix##_##name_,                                \
        .write = write_##prefix##_##name_, .response_size = sizeof(struct _##prefix##__##name_##Response),             \
        .run = (run_)                                                                                                  \
    }

#endif
