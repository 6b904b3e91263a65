#include "validate/communication.h"

#include <string.h>
#include <strings.h>

struct expectation {
    const char *zh, *en;          /* what is compared */
    const char *expected, *found; /* expected NULL: not checked */
};

static struct result refuse(const struct expectation *e, uint32_t line, struct findings *findings)
{
    struct arena *a = findings->arena;
    char *named = finding_excerpt(a, e->found);
    finding_add(
        findings, 2111, arena_printf(a, "第%u行，内容中的%s是“%s”，请求中的是“%s”", line, e->zh, named, e->expected),
        arena_printf(a, "line %u, the content's %s is \"%s\", the request's \"%s\"", line, e->en, named, e->expected))
        ->line = line;
    return result_error(ERR_SENDER, 2111, "第%u行的%s与请求不符 / payload line %u names another %s", line, e->zh, line,
                        e->en);
}

static bool differs(const struct expectation *e)
{
    return e->expected && (!e->found || strcmp(e->expected, e->found) != 0);
}

static struct result check_block(const struct energy_data *block, const char *enterprise_code, const char *device_id,
                                 struct findings *findings)
{
    /* hexadecimal digits are the same in either case */
    bool same_device = device_id && strcasecmp(device_id, block->device_id) == 0;
    const struct expectation expected[] = {
        {"单位代码", "enterpriseCode", enterprise_code, block->enterprise_code},
        {"deviceId", "deviceId", same_device ? NULL : device_id, block->device_id},
    };
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        if (differs(&expected[i])) {
            return refuse(&expected[i], block->line, findings);
        }
    }
    return RESULT_OK;
}

RESULT communication_check_data(const struct energy_data_set *set, const char *enterprise_code, const char *device_id,
                                const char *platform_code, struct findings *findings)
{
    if (set->platform_code) {
        const struct expectation e = {"平台代码", "platformCode", platform_code, set->platform_code};
        return differs(&e) ? refuse(&e, set->line, findings) : RESULT_OK;
    }
    for (size_t i = 0; i < set->count; i++) {
        TRY(check_block(&set->at[i], enterprise_code, device_id, findings));
    }
    return RESULT_OK;
}

bool communication_clock_off(int64_t offset_ms)
{
    return offset_ms > COMMUNICATION_CLOCK_MS || offset_ms < -COMMUNICATION_CLOCK_MS;
}
