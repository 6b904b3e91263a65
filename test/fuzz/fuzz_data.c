/* Data payloads: whatever the bytes, either one finding of a code of the contract, or records that the business rules
 * sort into accepted and refused without losing one. */
#include "fuzz.h"

#include <string.h>

#include "base/caltime.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "payload/payload.h"
#include "validate/business.h"

static struct item items[] = {
    {.slot = 1, .data_code = "0000000002330011", .aggregation = AGG_SUM, .scope = 1, .input_type = 4, .period = 900},
    {.slot = 0, .data_code = "0000000002330011", .stat_type = 1, .aggregation = AGG_SUM, .scope = 1, .period = 900},
    {.slot = 2, .data_code = "0101020302330020", .aggregation = AGG_COUNTER, .scope = 4, .period = 60},
};
static struct item *slots[] = {&items[1], &items[0], &items[2]};
static struct unit unit = {.items = items, .item_count = ARRAY_LEN(items), .by_slot = slots, .slot_count = 3};

static void prepare(void)
{
    static bool done;
    if (done) {
        return;
    }
    done = true;
    payload_init();
    REQUIRE(result_ok(caltime_set_zone("Asia/Shanghai")));
    for (size_t i = 0; i < ARRAY_LEN(items); i++) {
        items[i].active = true;
        items[i].name = "x";
        items[i].value_min = items[i].value_max = items[i].counter_max = DECIMAL_UNSET;
    }
}

static int64_t lines_of(const uint8_t *data, size_t size)
{
    int64_t n = 1;
    for (size_t i = 0; i < size; i++) {
        n += data[i] == '\n';
    }
    return n;
}

static void check_refusal(struct result r, const struct findings *f, int64_t lines)
{
    REQUIRE(r.code == 2101 || r.code == 2102 || r.code == 2103 || r.code == 2106);
    REQUIRE(f->count == 1 && f->at[0].code == r.code && f->at[0].line >= 1 && f->at[0].line <= lines);
    REQUIRE(utf8_valid(f->at[0].message, strlen(f->at[0].message)));
}

static void check_records(const struct energy_data *block, int64_t lines)
{
    uint32_t line = block->line;
    for (size_t i = 0; i < block->count; i++) {
        const struct record *r = &block->records[i];
        REQUIRE(r->line >= line && r->line <= lines);
        REQUIRE(strlen(r->data_code) == r->data_code_len && strlen(r->stat_date) == r->stat_date_len);
        REQUIRE(r->stat_type >= 0 && r->stat_type <= 3 && r->scope >= 1 && r->scope <= 4 && r->input_type >= 1);
        line = r->line;
    }
}

static void check_business(const struct energy_data_set *set, struct findings *f, struct arena *arena)
{
    const struct business_context ctx = {
        .now = INT64_C(1800000000) * USEC_PER_SEC, .future_ms = 300000, .earliest = INT64_C(1262275200) * USEC_PER_SEC};
    struct business_result result = {0};
    uint32_t ordinal = 0;
    for (size_t i = 0; i < set->count; i++) {
        business_check(&ctx, &unit, &set->at[i], (uint32_t)i, ordinal, f, arena, &result);
        ordinal += (uint32_t)set->at[i].count;
    }
    REQUIRE(result.count + result.rejected_count == set->records && f->errors == result.rejected_count);
    for (size_t i = 0; i < result.count; i++) {
        REQUIRE(result.readings[i].item->active && result.readings[i].ts >= ctx.earliest);
    }
    for (size_t i = 0; i < f->count; i++) {
        REQUIRE(utf8_valid(f->at[i].message, strlen(f->at[i].message)));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct payload_limits limits = {.depth = 3, .attributes = 12, .tag_bytes = 2000, .records = 50};
    struct arena *arena = arena_new(0);
    struct findings findings;
    struct energy_data_set set;
    prepare();
    findings_init(&findings, arena);
    struct result r =
        payload_read_data(data, size, PAYLOAD_ENERGY_DATA | PAYLOAD_ENERGY_DATA_SET, &limits, arena, &findings, &set);
    int64_t lines = lines_of(data, size);
    if (!result_ok(r)) {
        check_refusal(r, &findings, lines);
    } else {
        REQUIRE(utf8_valid((const char *)data, size) && findings.count == 0 && set.records <= limits.records);
        for (size_t i = 0; i < set.count; i++) {
            check_records(&set.at[i], lines);
        }
        check_business(&set, &findings, arena);
    }
    arena_free(&arena);
    return 0;
}
