#include "registry/unit_load.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define UNIT_COLUMNS                                                                                                   \
    "id, code, region_code, name, industry_code, state, from_platform, period, config_version, upload_period,"         \
    " cert_fingerprint, ciphers, allow_from, next_slot, cert_former, cert_former_until, digests, device_certificates"
enum {
    U_ID,
    U_CODE,
    U_REGION,
    U_NAME,
    U_INDUSTRY,
    U_STATE,
    U_FROM,
    U_PERIOD,
    U_VERSION,
    U_UPLOAD_PERIOD,
    U_FINGERPRINT,
    U_CIPHERS,
    U_ALLOW,
    U_NEXT_SLOT,
    U_FORMER,
    U_FORMER_UNTIL,
    U_DIGESTS,
    U_DEVICE_CERTIFICATES
};

static const struct db_stmt UNITS_AFTER = {"units_after",
                                           "SELECT " UNIT_COLUMNS " FROM unit WHERE id > $1 ORDER BY id LIMIT $2"};
static const struct db_stmt UNIT_BY_CODE = {"unit_by_code", "SELECT " UNIT_COLUMNS " FROM unit WHERE code = $1"};
static const struct db_stmt UNIT_BY_ID = {"unit_by_id", "SELECT " UNIT_COLUMNS " FROM unit WHERE id = $1"};

/* By the primary key, so that a range of units is read in order without sorting. */
static const struct db_stmt ITEMS = {
    "registry_items", "SELECT i.unit_id, slot, data_code, stat_type, aggregation, scope, input_type, active, i.period,"
                      " counter_max, value_min, value_max, coalesce(i.jump_limit, u.jump_limit),"
                      " CASE WHEN i.stuck_count > 0 THEN i.stuck_count ELSE u.stuck_count END, i.name, i.unit"
                      " FROM collect_item i JOIN unit u ON u.id = i.unit_id"
                      " WHERE i.unit_id BETWEEN $1 AND $2 ORDER BY i.unit_id, i.slot"};
enum {
    I_UNIT_ID,
    I_SLOT,
    I_CODE,
    I_STAT,
    I_AGGREGATION,
    I_SCOPE,
    I_INPUT,
    I_ACTIVE,
    I_PERIOD,
    I_COUNTER_MAX,
    I_MIN,
    I_MAX,
    I_JUMP,
    I_STUCK,
    I_NAME,
    I_UNIT
};
static const struct db_stmt DEVICES = {
    "registry_devices", "SELECT unit_id, device_id, serial, secret_key FROM device WHERE unit_id BETWEEN $1 AND $2"
                        " ORDER BY unit_id, serial"};
enum { D_UNIT_ID, D_ID, D_SERIAL, D_KEY };
static const struct db_stmt BINDINGS = {"registry_bindings",
                                        "SELECT unit_id, serial, fingerprint, former, former_until FROM device_binding"
                                        " WHERE unit_id BETWEEN $1 AND $2 ORDER BY unit_id, serial"};
enum { B_UNIT_ID, B_SERIAL, B_FINGERPRINT, B_FORMER, B_FORMER_UNTIL };

/* The rows of one unit in a result ordered by unit id. */
struct span {
    const struct db_rows *rows;
    size_t first, end;
};

/* What belongs to one unit. */
struct parts {
    struct span items, devices, bindings;
};

/* One unit's memory is one block: 17,000 of them live side by side for years. */
struct block {
    uint8_t *at;
};

#define ALIGN 16
static size_t rounded(size_t n)
{
    return (n + ALIGN - 1) / ALIGN * ALIGN;
}

static void *take(struct block *b, size_t n)
{
    void *p = b->at;
    b->at += rounded(n);
    return p;
}

static const char *take_text(struct block *b, const char *text)
{
    size_t n = strlen(text) + 1;
    char *copy = (char *)b->at;
    memcpy(copy, text, n);
    b->at += n;
    return copy;
}

static size_t text_bytes(const struct db_rows *rows, size_t row, const int *columns, size_t count)
{
    size_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        sum += strlen(db_get_text(rows, row, columns[i])) + 1;
    }
    return sum;
}

static const int UNIT_TEXTS[] = {U_NAME, U_INDUSTRY, U_FINGERPRINT, U_CIPHERS, U_ALLOW, U_FORMER, U_DIGESTS};
static const int ITEM_TEXTS[] = {I_NAME, I_UNIT};
static const int DEVICE_TEXTS[] = {D_SERIAL};
static const int BINDING_TEXTS[] = {B_SERIAL, B_FINGERPRINT, B_FORMER};

static int32_t count_slots(const struct db_rows *units, size_t row, const struct span *items)
{
    int64_t slots = db_get_int(units, row, U_NEXT_SLOT);
    for (size_t i = items->first; i < items->end; i++) {
        int64_t above = db_get_int(items->rows, i, I_SLOT) + 1;
        slots = above > slots ? above : slots;
    }
    return (int32_t)slots;
}

static size_t span_count(const struct span *s)
{
    return s->end - s->first;
}

static size_t span_texts(const struct span *s, const int *columns, size_t count)
{
    size_t n = 0;
    for (size_t i = s->first; i < s->end; i++) {
        n += text_bytes(s->rows, i, columns, count);
    }
    return n;
}

static size_t measure(const struct db_rows *units, size_t row, const struct parts *p, int32_t slots)
{
    return rounded(sizeof(struct unit)) + rounded(span_count(&p->items) * sizeof(struct item)) +
           rounded((size_t)slots * sizeof(struct item *)) + rounded(span_count(&p->devices) * sizeof(struct device)) +
           rounded(span_count(&p->bindings) * sizeof(struct device_binding)) +
           text_bytes(units, row, UNIT_TEXTS, ARRAY_LEN(UNIT_TEXTS)) +
           span_texts(&p->items, ITEM_TEXTS, ARRAY_LEN(ITEM_TEXTS)) +
           span_texts(&p->devices, DEVICE_TEXTS, ARRAY_LEN(DEVICE_TEXTS)) +
           span_texts(&p->bindings, BINDING_TEXTS, ARRAY_LEN(BINDING_TEXTS));
}

static void copy_code(char *out, size_t size, const char *text)
{
    size_t n = strlen(text);
    n = n < size ? n : size - 1;
    memcpy(out, text, n);
    out[n] = '\0';
}

static int64_t bound(const struct db_rows *r, size_t row, int col)
{
    return db_is_null(r, row, col) ? DECIMAL_UNSET : db_get_int(r, row, col);
}

static void fill_item(struct item *it, const struct db_rows *r, size_t row, struct block *b)
{
    it->slot = (int32_t)db_get_int(r, row, I_SLOT);
    copy_code(it->data_code, sizeof(it->data_code), db_get_text(r, row, I_CODE));
    it->stat_type = (int8_t)db_get_int(r, row, I_STAT);
    it->aggregation = (int8_t)db_get_int(r, row, I_AGGREGATION);
    it->scope = (int8_t)db_get_int(r, row, I_SCOPE);
    it->input_type = (int8_t)db_get_int(r, row, I_INPUT);
    it->active = db_get_bool(r, row, I_ACTIVE);
    it->period = (int32_t)db_get_int(r, row, I_PERIOD);
    it->counter_max = bound(r, row, I_COUNTER_MAX);
    it->value_min = bound(r, row, I_MIN);
    it->value_max = bound(r, row, I_MAX);
    it->jump_limit = bound(r, row, I_JUMP);
    it->stuck_count = (int32_t)db_get_int(r, row, I_STUCK);
    it->name = take_text(b, db_get_text(r, row, I_NAME));
    it->unit = take_text(b, db_get_text(r, row, I_UNIT));
}

static int by_code(const void *a, const void *b)
{
    const struct item *x = a, *y = b;
    int c = strcmp(x->data_code, y->data_code);
    return c ? c : x->stat_type - y->stat_type;
}

/* A process item (scope 2) is part of the plant item (scope 1) with the same class, type and usage: the last eight
 * digits of the code. Only quantities add up. */
static void link_parts(struct unit *u)
{
    for (size_t i = 0; i < u->item_count; i++) {
        struct item *part = &u->items[i];
        part->whole = -1;
        if (part->scope != 2 || part->stat_type != 0 || part->aggregation != AGG_SUM || !part->active)
            continue;
        char code[17] = "00000000";
        memcpy(code + 8, part->data_code + 8, 9);
        struct item *whole = (struct item *)unit_item(u, code, 0);
        if (!whole || whole->aggregation != AGG_SUM || !whole->active || whole->period != part->period)
            continue;
        part->whole = whole->slot;
        whole->has_parts = true;
    }
}

static void fill_items(struct unit *u, const struct span *s, struct block *text)
{
    for (size_t i = 0; i < u->item_count; i++) {
        fill_item(&u->items[i], s->rows, s->first + i, text);
    }
    qsort(u->items, u->item_count, sizeof(*u->items), by_code);
    for (size_t i = 0; i < u->item_count; i++) {
        u->by_slot[u->items[i].slot] = &u->items[i];
    }
    link_parts(u);
}

static void fill_devices(struct unit *u, const struct span *s, struct block *text)
{
    for (size_t i = 0; i < u->device_count; i++) {
        struct device *d = &u->devices[i];
        size_t key_len, row = s->first + i;
        const void *key = db_get_bytea(s->rows, row, D_KEY, &key_len);
        copy_code(d->id, sizeof(d->id), db_get_text(s->rows, row, D_ID));
        d->serial = take_text(text, db_get_text(s->rows, row, D_SERIAL));
        d->has_key = key && key_len == sizeof(d->secret_key);
        if (d->has_key) {
            memcpy(d->secret_key, key, key_len);
        }
    }
}

static void fill_bindings(struct unit *u, const struct span *s, struct block *text)
{
    for (size_t i = 0; i < u->binding_count; i++) {
        struct device_binding *b = &u->bindings[i];
        size_t row = s->first + i;
        b->serial = take_text(text, db_get_text(s->rows, row, B_SERIAL));
        b->fingerprint = take_text(text, db_get_text(s->rows, row, B_FINGERPRINT));
        b->former = take_text(text, db_get_text(s->rows, row, B_FORMER));
        b->former_until = db_is_null(s->rows, row, B_FORMER_UNTIL) ? 0 : db_get_time(s->rows, row, B_FORMER_UNTIL);
    }
}

static void fill_unit(struct unit *u, const struct db_rows *r, size_t row, struct block *text)
{
    u->id = (int32_t)db_get_int(r, row, U_ID);
    copy_code(u->code, sizeof(u->code), db_get_text(r, row, U_CODE));
    copy_code(u->region, sizeof(u->region), db_get_text(r, row, U_REGION));
    u->name = take_text(text, db_get_text(r, row, U_NAME));
    u->industry = take_text(text, db_get_text(r, row, U_INDUSTRY));
    if (!unit_state_from_name(db_get_text(r, row, U_STATE), &u->state)) {
        u->state = UNIT_SUSPENDED; /* a word this program does not know: not more than a suspended one may */
    }
    u->from_platform = !db_is_null(r, row, U_FROM);
    u->period = (int32_t)db_get_int(r, row, U_PERIOD);
    u->config_version = (int32_t)db_get_int(r, row, U_VERSION);
    u->upload_period = (int32_t)db_get_int(r, row, U_UPLOAD_PERIOD);
    u->cert_fingerprint = take_text(text, db_get_text(r, row, U_FINGERPRINT));
    u->device_certificates = db_get_bool(r, row, U_DEVICE_CERTIFICATES);
    u->ciphers = take_text(text, db_get_text(r, row, U_CIPHERS));
    u->digests = take_text(text, db_get_text(r, row, U_DIGESTS));
    u->allow = take_text(text, db_get_text(r, row, U_ALLOW));
    u->cert_former = take_text(text, db_get_text(r, row, U_FORMER));
    u->cert_former_until = db_is_null(r, row, U_FORMER_UNTIL) ? 0 : db_get_time(r, row, U_FORMER_UNTIL);
}

static struct unit *make_unit(const struct db_rows *units, size_t row, const struct parts *p)
{
    int32_t slots = count_slots(units, row, &p->items);
    size_t size = measure(units, row, p, slots);
    uint8_t *memory = mem_alloc(size);
    struct block b = {memory};
    struct unit *u = take(&b, sizeof(*u));
    u->memory = memory;
    atomic_init(&u->references, 1);
    u->item_count = span_count(&p->items);
    u->device_count = span_count(&p->devices);
    u->binding_count = span_count(&p->bindings);
    u->slot_count = slots;
    u->items = take(&b, u->item_count * sizeof(struct item));
    u->by_slot = take(&b, (size_t)slots * sizeof(struct item *));
    u->devices = take(&b, u->device_count * sizeof(struct device));
    u->bindings = take(&b, u->binding_count * sizeof(struct device_binding));
    fill_unit(u, units, row, &b);
    fill_items(u, &p->items, &b);
    fill_devices(u, &p->devices, &b);
    fill_bindings(u, &p->bindings, &b);
    return u;
}

/* Moves the span to the rows of this unit; both results are in order of unit id. */
static void advance(struct span *s, int64_t unit_id)
{
    size_t count = db_rows_count(s->rows);
    s->first = s->end;
    while (s->first < count && db_get_int(s->rows, s->first, 0) < unit_id) {
        s->first++;
    }
    s->end = s->first;
    while (s->end < count && db_get_int(s->rows, s->end, 0) == unit_id) {
        s->end++;
    }
}

static struct result query_range(struct db *db, const struct db_stmt *s, const struct db_rows *units,
                                 struct db_rows **rows)
{
    struct db_params p;
    db_params_init(&p);
    db_bind_int4(&p, (int32_t)db_get_int(units, 0, U_ID));
    db_bind_int4(&p, (int32_t)db_get_int(units, db_rows_count(units) - 1, U_ID));
    struct result r = db_query(db, s, &p, rows);
    db_params_free(&p);
    return r;
}

static void make_batch(const struct db_rows *units, struct parts *p, struct unit_batch *batch)
{
    batch->count = db_rows_count(units);
    batch->units = mem_array(batch->count, sizeof(struct unit *));
    for (size_t i = 0; i < batch->count; i++) {
        int64_t id = db_get_int(units, i, U_ID);
        advance(&p->items, id);
        advance(&p->devices, id);
        advance(&p->bindings, id);
        batch->units[i] = make_unit(units, i, p);
    }
}

static struct result load(struct db *db, const struct db_stmt *s, const struct db_params *p, struct unit_batch *batch)
{
    static const struct db_stmt *const ASK[] = {&ITEMS, &DEVICES, &BINDINGS};
    struct db_rows *units = NULL, *rows[ARRAY_LEN(ASK)] = {NULL};
    *batch = (struct unit_batch){0};
    TRY(db_query(db, s, p, &units));
    struct result r = RESULT_OK;
    bool any = db_rows_count(units) > 0;
    for (size_t i = 0; any && i < ARRAY_LEN(ASK) && result_ok(r); i++) {
        r = query_range(db, ASK[i], units, &rows[i]);
    }
    if (any && result_ok(r)) {
        struct parts parts = {{rows[0], 0, 0}, {rows[1], 0, 0}, {rows[2], 0, 0}};
        make_batch(units, &parts, batch);
    }
    for (size_t i = ARRAY_LEN(ASK); i > 0; i--) {
        db_rows_free(&rows[i - 1]);
    }
    db_rows_free(&units);
    return r;
}

struct result unit_load_after(struct db *db, int32_t after, int32_t limit, struct unit_batch *batch)
{
    struct db_params p;
    db_params_init(&p);
    db_bind_int4(&p, after);
    db_bind_int4(&p, limit);
    struct result r = load(db, &UNITS_AFTER, &p, batch);
    db_params_free(&p);
    return r;
}

struct result unit_load_code(struct db *db, const char *code, struct unit_batch *batch)
{
    struct db_params p;
    db_params_init(&p);
    db_bind_text(&p, code);
    struct result r = load(db, &UNIT_BY_CODE, &p, batch);
    db_params_free(&p);
    return r;
}

struct result unit_load_id(struct db *db, int32_t id, struct unit_batch *batch)
{
    struct db_params p;
    db_params_init(&p);
    db_bind_int4(&p, id);
    struct result r = load(db, &UNIT_BY_ID, &p, batch);
    db_params_free(&p);
    return r;
}

void unit_batch_free(struct unit_batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        unit_release(&batch->units[i]);
    }
    mem_free(batch->units);
    *batch = (struct unit_batch){0};
}
