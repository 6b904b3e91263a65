/* config_check: is an enterprise's configuration document complete and free of contradictions?
 *
 * Field table: names, lengths, required marks of the national field list (config_fields.h), as rows.
 * Findings: 2103 with the line for a missing or malformed attribute or a value outside an enumeration (whole
 *           refusal), 3102 malformed code segments, 3103 scope against the zero segments, 3104 segment not in base
 *           data, 3501 contradictions (process unit of an unknown process, duplicate item, collectItem whose dataCode
 *           disagrees with its segments, period that does not divide a day, min > max, counterMax without counter …).
 *           Any finding of severity error refuses the whole document.
 * Pure:     base data is asked through a callback. Thread: any thread. Output lives in the arena. */
#ifndef NHJC_VALIDATE_CONFIG_CHECK_H
#define NHJC_VALIDATE_CONFIG_CHECK_H

#include "payload/payload.h"
#include "registry/registry.h"

struct config_item {
    uint32_t line;
    char data_code[17];
    int8_t stat_type, scope, input_type, aggregation; /* enum aggregation */
    int32_t period;                                   /* seconds; default: the context's */
    const char *name, *unit;
    int64_t counter_max, value_min, value_max; /* scaled; DECIMAL_UNSET */
    int decimals;                              /* -1: not given */
};

struct checked_config {
    const char *code, *name, *region_code, *industry_code;
    int32_t period; /* default period of the enterprise */
    const struct config_object *enterprise;
    struct config_item *items; /* sorted by (data_code, stat_type) */
    size_t item_count;
};

struct config_context {
    int32_t default_period;
    /* Does `list` (e.g. "energy_type", "data_usage") hold the code? Lists that are empty accept everything. NULL: no
     * check. */
    bool (*in_base_data)(const char *list, const char *code, void *arg);
    void *arg;
};

/* Always fills findings; the RESULT is SENDER with the first error's code when the document is refused. */
RESULT config_check(const struct config_context *ctx, const struct enterprise_config *config, struct findings *findings,
                    struct arena *arena, struct checked_config *out);

#endif
