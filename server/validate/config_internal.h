/* config_internal: what the two files of the configuration check share. Private to this folder. */
#ifndef NHJC_VALIDATE_CONFIG_INTERNAL_H
#define NHJC_VALIDATE_CONFIG_INTERNAL_H

#include "base/hash.h"
#include "validate/config_check.h"

struct config_read {
    struct config_item item;
    const struct config_object *o;
};

struct config_run {
    const struct config_context *ctx;
    const struct enterprise_config *config;
    struct findings *findings;
    struct arena *arena;
    struct checked_config *out;
    struct config_read *read; /* collect items and where they came from */
    size_t read_count, read_cap;
    struct hash *defined; /* "process 01" -> object; "process" -> some object of the kind */
    int code;             /* of the first error; 0: none */
    uint32_t line;
};

/* o NULL: about the document. */
struct finding *config_fault(struct config_run *run, const struct config_object *o, int code, const char *zh,
                             const char *en);
bool config_in_base_data(const struct config_run *run, const char *list, const char *code);
/* 3104 unless the list holds the code; code NULL: nothing to look up. */
void config_base_data(struct config_run *run, const struct config_object *o, const char *list, const char *name,
                      const char *code);
void config_define(struct config_run *run, const struct config_object *o, const char *kind, const char *key);
bool config_defined(const struct config_run *run, const char *kind, const char *key);

void config_item_check(struct config_run *run, const struct config_object *o);
void config_items_check_together(struct config_run *run);

#endif
