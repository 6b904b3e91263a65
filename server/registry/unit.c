/* Questions to one enterprise's immutable object. */
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "registry/registry.h"

static const char *const STATE_NAMES[] = {
    [UNIT_APPLIED] = "applied",     [UNIT_APPROVED] = "approved", [UNIT_CERTIFIED] = "certified",
    [UNIT_TESTING] = "testing",     [UNIT_TRIAL] = "trial",       [UNIT_ACCEPTED] = "accepted",
    [UNIT_SUSPENDED] = "suspended", [UNIT_RETIRED] = "retired",
};

const char *unit_state_name(enum unit_state s)
{
    return (size_t)s < ARRAY_LEN(STATE_NAMES) ? STATE_NAMES[s] : "";
}

bool unit_state_from_name(const char *name, enum unit_state *s)
{
    for (size_t i = 0; i < ARRAY_LEN(STATE_NAMES); i++) {
        if (strcmp(STATE_NAMES[i], name) == 0) {
            *s = (enum unit_state)i;
            return true;
        }
    }
    return false;
}

const struct device_binding *unit_binding(const struct unit *u, const char *serial)
{
    for (size_t i = 0; i < u->binding_count; i++) {
        if (strcmp(u->bindings[i].serial, serial) == 0) {
            return &u->bindings[i];
        }
    }
    return NULL;
}

bool unit_may_upload(const struct unit *u)
{
    return u->state == UNIT_TESTING || u->state == UNIT_TRIAL || u->state == UNIT_ACCEPTED;
}

void unit_release(struct unit **unit)
{
    struct unit *u = *unit;
    *unit = NULL;
    if (u && atomic_fetch_sub_explicit(&u->references, 1, memory_order_acq_rel) == 1) {
        explicit_bzero(u->devices, u->device_count * sizeof(*u->devices)); /* keys */
        mem_free(u->memory);
    }
}

/* The first item not before (code, stat type) in the order of the array. */
static size_t lower_bound(const struct unit *u, const char *data_code, int stat_type)
{
    size_t low = 0, high = u->item_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int c = strcmp(u->items[middle].data_code, data_code);
        if (c < 0 || (c == 0 && u->items[middle].stat_type < stat_type)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

const struct item *unit_item(const struct unit *u, const char *data_code, int stat_type)
{
    size_t i = lower_bound(u, data_code, stat_type);
    bool found =
        i < u->item_count && strcmp(u->items[i].data_code, data_code) == 0 && u->items[i].stat_type == stat_type;
    return found ? &u->items[i] : NULL;
}

bool unit_has_code(const struct unit *u, const char *data_code)
{
    for (size_t i = lower_bound(u, data_code, 0); i < u->item_count && strcmp(u->items[i].data_code, data_code) == 0;
         i++) {
        if (u->items[i].active) {
            return true;
        }
    }
    return false;
}

const struct device *unit_device(const struct unit *u, const char *device_id)
{
    for (size_t i = 0; i < u->device_count; i++) {
        if (strcasecmp(u->devices[i].id, device_id) == 0) {
            return &u->devices[i];
        }
    }
    return NULL;
}
