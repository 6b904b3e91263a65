/* Micro benchmark of the reading side: nanoseconds per record for the SAX reader and for the business rules, over an
 * upload of 200 records and over one of 100,000. Prints one JSON object; the fastest of several rounds counts. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/caltime.h"
#include "base/clock.h"
#include "base/mem.h"
#include "payload/payload.h"
#include "validate/business.h"

#define ITEMS 200

static struct unit *make_unit(void)
{
    struct unit *u = mem_alloc(sizeof *u);
    u->items = mem_array(ITEMS, sizeof *u->items);
    u->by_slot = mem_array(ITEMS, sizeof *u->by_slot);
    u->item_count = ITEMS;
    u->slot_count = ITEMS;
    for (int i = 0; i < ITEMS; i++) {
        struct item *item = &u->items[i];
        *item = (struct item){.slot = i,
                              .scope = 1,
                              .input_type = 4,
                              .active = true,
                              .period = 900,
                              .counter_max = DECIMAL_UNSET,
                              .value_min = DECIMAL_UNSET,
                              .value_max = 1000000 * DECIMAL_SCALE,
                              .name = "item",
                              .unit = ""};
        snprintf(item->data_code, sizeof item->data_code, "0000000002%04d11", i);
        u->by_slot[i] = item;
    }
    return u;
}

static struct buf make_payload(int records)
{
    struct buf b = BUF_INIT;
    buf_append_str(&b, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<energyData xmlns=\"urn:nhjc:data:v1\" "
                       "enterpriseCode=\"91420100000000000U\" deviceId=\"0f0f\" uploadDate=\"2026-11-20 10:16:02\">\n");
    for (int i = 0; i < records; i++) {
        int slot = i / ITEMS % 96;
        buf_printf(&b,
                   "<data dataCode=\"0000000002%04d11\" statType=\"0\" statDate=\"2026-11-%02d %02d:%02d:00\" "
                   "dataValue=\"%d.%04d\" inputType=\"4\" scope=\"1\"/>\n",
                   i % ITEMS, 1 + i / ITEMS / 96 % 19, slot / 4, slot % 4 * 15, i % 977, i % 9973);
    }
    buf_append_str(&b, "</energyData>\n");
    return b;
}

struct figures {
    double parse_ns, check_ns; /* per record */
};

static void round_of(const struct unit *unit, const struct buf *xml, int records, struct figures *best)
{
    struct arena *arena = arena_new(0);
    struct findings findings;
    struct energy_data_set set;
    struct business_result result = {0};
    const struct business_context ctx = {.now = INT64_C(1800000000) * USEC_PER_SEC, .future_ms = 300000};
    findings_init(&findings, arena);
    int64_t start = clock_monotonic();
    struct result r =
        payload_read_data(xml->data, xml->len, PAYLOAD_ENERGY_DATA, &PAYLOAD_LIMITS_DEFAULT, arena, &findings, &set);
    int64_t parsed = clock_monotonic();
    if (result_ok(r)) {
        business_check(&ctx, unit, &set.at[0], 0, 0, &findings, arena, &result);
    }
    int64_t checked = clock_monotonic();
    if (!result_ok(r) || result.count != (size_t)records) {
        fprintf(stderr, "%s: %zu of %d records accepted\n", r.text, result.count, records);
        exit(1);
    }
    double parse = (double)(parsed - start) / records, check = (double)(checked - parsed) / records;
    best->parse_ns = parse < best->parse_ns ? parse : best->parse_ns;
    best->check_ns = check < best->check_ns ? check : best->check_ns;
    arena_free(&arena);
}

static struct figures measure(const struct unit *unit, int records, int rounds, size_t *bytes)
{
    struct figures best = {1e12, 1e12};
    struct buf xml = make_payload(records);
    for (int i = 0; i < rounds; i++) {
        round_of(unit, &xml, records, &best);
    }
    *bytes = xml.len;
    buf_free(&xml);
    return best;
}

int main(void)
{
    static const struct {
        int records, rounds;
    } SIZES[] = {{200, 3000}, {100000, 12}};
    struct unit *unit = make_unit();
    payload_init();
    printf("{\"benchmark\":\"payload\",\"sizes\":[");
    for (size_t i = 0; i < ARRAY_LEN(SIZES); i++) {
        size_t bytes;
        struct figures f = measure(unit, SIZES[i].records, SIZES[i].rounds, &bytes);
        printf("%s{\"records\":%d,\"bytes\":%zu,\"parse_ns_per_record\":%.1f,\"business_ns_per_record\":%.1f,"
               "\"parse_us\":%.1f}",
               i ? "," : "", SIZES[i].records, bytes, f.parse_ns, f.check_ns, f.parse_ns * SIZES[i].records / 1000);
    }
    printf("]}\n");
    mem_free(unit->items);
    mem_free(unit->by_slot);
    mem_free(unit);
    payload_exit();
    return 0;
}
