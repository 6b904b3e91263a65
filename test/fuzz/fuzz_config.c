/* Configuration payloads: read, checked, written and read again to the same objects. */
#include "fuzz.h"

#include <string.h>

#include "base/caltime.h"
#include "base/utf8.h"
#include "payload/payload.h"
#include "validate/config_check.h"

static void prepare(void)
{
    static bool done;
    if (!done) {
        done = true;
        payload_init();
        REQUIRE(result_ok(caltime_set_zone("Asia/Shanghai")));
    }
}

static struct result read_config(const void *xml, size_t len, struct arena *arena, struct enterprise_config_set *set)
{
    const struct payload_limits limits = {.depth = 4, .attributes = 40, .tag_bytes = 4000, .records = 60};
    struct findings findings;
    findings_init(&findings, arena);
    struct result r =
        payload_read_config(xml, len, PAYLOAD_CONFIG | PAYLOAD_CONFIG_SET, &limits, arena, &findings, set);
    REQUIRE(result_ok(r) == (findings.count == 0));
    return r;
}

static bool same_objects(const struct config_object *a, const struct config_object *b)
{
    bool same = strcmp(a->element, b->element) == 0 && a->count == b->count;
    for (size_t i = 0; same && i < a->count; i++) {
        same = strcmp(a->attributes[i].name, b->attributes[i].name) == 0 &&
               strcmp(a->attributes[i].value, b->attributes[i].value) == 0;
    }
    return same;
}

/* Writing makes tags longer where it escapes: only what still fits comes back. */
static void check_round_trip(const struct enterprise_config *c, struct arena *arena)
{
    struct buf b = BUF_INIT;
    struct enterprise_config_set again;
    payload_write_config(c, &b);
    struct result r = read_config(b.data, b.len, arena, &again);
    REQUIRE(result_ok(r) || r.code == 2106);
    if (result_ok(r)) {
        REQUIRE(again.count == 1 && again.at[0].count == c->count);
        for (size_t i = 0; i < c->count; i++) {
            REQUIRE(same_objects(&c->objects[i], &again.at[0].objects[i]));
        }
    }
    buf_free(&b);
}

static void check_findings(const struct enterprise_config *c, struct arena *arena)
{
    const struct config_context ctx = {.default_period = 900};
    struct checked_config checked;
    struct findings findings;
    findings_init(&findings, arena);
    struct result r = config_check(&ctx, c, &findings, arena, &checked);
    REQUIRE(result_ok(r) == (findings.errors == 0));
    REQUIRE(result_ok(r) || findings.at[0].code == r.code);
    for (size_t i = 0; i < findings.count; i++) {
        REQUIRE(findings.at[i].line > 0 && utf8_valid(findings.at[i].message, strlen(findings.at[i].message)));
    }
    for (size_t i = 1; result_ok(r) && i < checked.item_count; i++) {
        const struct config_item *before = &checked.items[i - 1], *item = &checked.items[i];
        int order = strcmp(before->data_code, item->data_code);
        REQUIRE(order < 0 || (order == 0 && before->stat_type < item->stat_type));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_new(0);
    struct enterprise_config_set set;
    prepare();
    if (result_ok(read_config(data, size, arena, &set))) {
        for (size_t i = 0; i < set.count; i++) {
            const struct enterprise_config *c = &set.at[i];
            REQUIRE(c->start + c->length <= size && data[c->start] == '<' && data[c->start + c->length - 1] == '>');
            check_round_trip(c, arena);
            check_findings(c, arena);
        }
    }
    arena_free(&arena);
    return 0;
}
