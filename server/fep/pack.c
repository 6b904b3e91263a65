#include "fep/pack.h"

#include <stdbool.h>
#include <string.h>

#include "base/arena.h"
#include "base/caltime.h"
#include "base/mem.h"
#include "payload/datacode.h"
#include "payload/envelope.h"
#include "payload/payload.h"

/* What was accepted once is read again under limits that no accepted upload reaches. */
static const struct payload_limits LIMITS = {
    .depth = 1000, .attributes = 10000, .tag_bytes = (size_t)16 << 20, .records = 100000000};
static const size_t MAX_PLAIN = (size_t)1 << 30;
enum { DEFAULT_PERIOD = 900 }; /* of an enterprise that names none, by the contract */

struct pack_view {
    struct arena *arena;
    struct energy_data_set set;
    uint8_t *refused; /* bitmap over all records, NULL: none */
};

struct pack {
    enum pack_kind kind;
    struct buf xml;
    size_t records;
};

/* ---- reading ---- */

static RESULT envelope_of(const struct pack_source *s, struct envelope *e, struct buf *hex)
{
    if (s->digest_len != 33)
        return result_error(ERR_INTERNAL, 0, "存档的摘要已损坏 / archived digest has %zu bytes instead of 33",
                            s->digest_len);
    buf_append_hex(hex, s->digest + 1, 32);
    *e = (struct envelope){.encoding = (enum content_encoding)s->encoding,
                           .cipher = (enum content_cipher)s->cipher,
                           .digest_method = (enum content_digest)s->digest[0],
                           .digest_hex = buf_str(hex),
                           .key = s->key,
                           .key_len = s->key_len,
                           .max_plain = MAX_PLAIN};
    return RESULT_OK;
}

static RESULT read_records(struct pack_view *v, const struct pack_source *s, const struct envelope *e)
{
    const unsigned char *plain = NULL;
    size_t len = 0;
    unsigned char digest[32];
    TRY(envelope_open(e, s->content, s->content_len, v->arena, &plain, &len, digest));
    struct findings findings;
    findings_init(&findings, v->arena);
    return payload_read_data(plain, len, PAYLOAD_ENERGY_DATA | PAYLOAD_ENERGY_DATA_SET, &LIMITS, v->arena, &findings,
                             &v->set);
}

static void note_refused(struct pack_view *v, const struct pack_source *s)
{
    if (s->rejected_count == 0)
        return;
    v->refused = arena_alloc(v->arena, v->set.records / 8 + 1);
    for (size_t i = 0; i < s->rejected_count; i++)
        if (s->rejected[i] >= 0 && (size_t)s->rejected[i] < v->set.records)
            v->refused[s->rejected[i] / 8] |= (uint8_t)(1U << (s->rejected[i] % 8));
}

RESULT pack_open(const struct pack_source *source, struct pack_view **view)
{
    *view = NULL;
    struct pack_view *v = mem_alloc(sizeof *v);
    v->arena = arena_new(0);
    struct buf hex = BUF_INIT;
    struct envelope e;
    struct result r = envelope_of(source, &e, &hex);
    if (result_ok(r))
        r = read_records(v, source, &e);
    buf_free(&hex);
    if (!result_ok(r)) {
        pack_view_free(&v);
        return r;
    }
    note_refused(v, source);
    *view = v;
    return RESULT_OK;
}

void pack_view_free(struct pack_view **view)
{
    if (!*view)
        return;
    arena_free(&(*view)->arena);
    mem_free(*view);
    *view = NULL;
}

size_t pack_view_bytes(const struct pack_view *view)
{
    return arena_used(view->arena) + sizeof *view;
}

size_t pack_view_blocks(const struct pack_view *view)
{
    return view->set.count;
}

const char *pack_view_enterprise(const struct pack_view *view, size_t block)
{
    return view->set.at[block].enterprise_code;
}

static bool is_refused(const struct pack_view *v, size_t ordinal)
{
    return v->refused && (v->refused[ordinal / 8] >> (ordinal % 8) & 1);
}

/* Records of a block that are left; first: ordinal of its first record. */
static size_t block_count(const struct pack_view *v, const struct energy_data *block, size_t first)
{
    if (!v->refused)
        return block->count;
    size_t n = 0;
    for (size_t i = 0; i < block->count; i++)
        n += !is_refused(v, first + i);
    return n;
}

size_t pack_view_count(const struct pack_view *view, const char *enterprise_code)
{
    size_t n = 0, first = 0;
    for (size_t i = 0; i < view->set.count; i++) {
        const struct energy_data *block = &view->set.at[i];
        if (strcmp(block->enterprise_code, enterprise_code) == 0)
            n += block_count(view, block, first);
        first += block->count;
    }
    return n;
}

/* ---- writing ---- */

#define LIT(b, s) buf_append((b), (s), sizeof(s) - 1)

static bool needs_escape(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c < 0x20 || c == '&' || c == '<' || c == '>' || c == '"' || c == '\'')
            return true;
    }
    return false;
}

/* Nearly every text is plain digits: copied as it is. */
static void put_text(struct buf *b, const char *text, size_t len)
{
    if (!needs_escape(text, len)) {
        buf_append(b, text, len);
        return;
    }
    char *copy = mem_strndup(text, len);
    buf_append_xml(b, copy);
    mem_free(copy);
}

static void put_attribute(struct buf *b, const char *name, const char *text)
{
    buf_append_char(b, ' ');
    buf_append_str(b, name);
    LIT(b, "=\"");
    put_text(b, text, strlen(text));
    buf_append_char(b, '"');
}

/* A code or time that was accepted here can be read here; anything else goes on as it came and is the
 * receiver's to judge. */
static void put_code(struct buf *b, const struct record *r)
{
    char code[DATACODE_LEN + 1];
    if (datacode_parse(r->data_code, r->data_code_len, code))
        buf_append(b, code, DATACODE_LEN);
    else
        put_text(b, r->data_code, r->data_code_len);
}

static bool is_canonical_date(const char *t, size_t len)
{
    static const char FORM[] = "dddd-dd-dd dd:dd:dd";
    if (len != sizeof FORM - 1)
        return false;
    for (size_t i = 0; i < len; i++)
        if (FORM[i] == 'd' ? t[i] < '0' || t[i] > '9' : t[i] != FORM[i])
            return false;
    return true;
}

static void put_date(struct buf *b, const char *date, size_t len)
{
    char text[CALTIME_TEXT];
    int64_t us;
    if (!is_canonical_date(date, len) && caltime_parse(date, len, &us))
        buf_append_str(b, caltime_format(us, text));
    else
        put_text(b, date, len);
}

static void put_record(struct buf *b, const struct record *r)
{
    LIT(b, "<data dataCode=\"");
    put_code(b, r);
    LIT(b, "\" statType=\"");
    buf_append_char(b, (char)('0' + r->stat_type));
    LIT(b, "\" statDate=\"");
    put_date(b, r->stat_date, r->stat_date_len);
    LIT(b, "\" dataValue=\"");
    put_text(b, r->data_value, r->data_value_len);
    LIT(b, "\" inputType=\"");
    buf_append_char(b, (char)('0' + r->input_type));
    LIT(b, "\" scope=\"");
    buf_append_char(b, (char)('0' + r->scope));
    if (r->valid)
        LIT(b, "\"/>\n");
    else
        LIT(b, "\" valid=\"false\"/>\n");
}

static void put_block(struct pack *p, const struct pack_view *v, const struct energy_data *block, size_t first)
{
    size_t n = block_count(v, block, first);
    if (n == 0)
        return;
    struct buf *b = &p->xml;
    LIT(b, "<energyData");
    put_attribute(b, "enterpriseCode", block->enterprise_code);
    if (block->device_id && block->device_id[0])
        put_attribute(b, "deviceId", block->device_id);
    LIT(b, " uploadDate=\"");
    put_date(b, block->upload_date, strlen(block->upload_date));
    LIT(b, "\">\n");
    for (size_t i = 0; i < block->count; i++)
        if (!is_refused(v, first + i))
            put_record(b, &block->records[i]);
    LIT(b, "</energyData>\n");
    p->records += n;
}

struct pack *pack_new(enum pack_kind kind, const char *platform_code, const char *upload_date)
{
    struct pack *p = mem_alloc(sizeof *p);
    p->kind = kind;
    LIT(&p->xml, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    if (kind == PACK_CONFIG) {
        LIT(&p->xml, "<enterpriseConfigSet xmlns=\"urn:nhjc:config:v1\">\n");
        return p;
    }
    LIT(&p->xml, "<energyDataSet xmlns=\"urn:nhjc:data:v1\"");
    put_attribute(&p->xml, "platformCode", platform_code);
    put_attribute(&p->xml, "uploadDate", upload_date);
    LIT(&p->xml, ">\n");
    return p;
}

void pack_free(struct pack **pack)
{
    if (!*pack)
        return;
    buf_free(&(*pack)->xml);
    mem_free(*pack);
    *pack = NULL;
}

void pack_add_data(struct pack *pack, const struct pack_view *view, const char *enterprise_code)
{
    size_t first = 0;
    for (size_t i = 0; i < view->set.count; i++) {
        const struct energy_data *block = &view->set.at[i];
        if (strcmp(block->enterprise_code, enterprise_code) == 0)
            put_block(pack, view, block, first);
        first += block->count;
    }
}

/* ---- configuration ---- */

static struct config_object *enterprise_of(struct enterprise_config *config)
{
    for (size_t i = 0; i < config->count; i++)
        if (strcmp(config->objects[i].element, "enterprise") == 0)
            return &config->objects[i];
    return NULL;
}

static void set_attribute(struct config_object *o, const char *name, const char *value, struct arena *arena)
{
    for (size_t i = 0; i < o->count; i++) {
        if (strcmp(o->attributes[i].name, name) == 0) {
            o->attributes[i].value = value;
            return;
        }
    }
    struct attribute *more = arena_array(arena, o->count + 1, sizeof *more);
    memcpy(more, o->attributes, o->count * sizeof *more);
    more[o->count++] = (struct attribute){name, value};
    o->attributes = more;
}

/* true: the document says something else now. */
static bool apply_admission(struct enterprise_config *config, const struct pack_admission *a, struct arena *arena)
{
    struct config_object *o = enterprise_of(config);
    if (!o || !a)
        return false;
    const char *region = config_attribute(o, "regionCode");
    bool moved = region && strcmp(region, a->region_code) != 0;
    bool paced = !config_attribute(o, "period") && a->period != DEFAULT_PERIOD;
    if (moved)
        set_attribute(o, "regionCode", a->region_code, arena);
    if (paced)
        set_attribute(o, "period", arena_printf(arena, "%d", a->period), arena);
    return moved || paced;
}

/* Without the XML declaration, which has no place inside a set. */
static void write_anew(struct buf *xml, const struct enterprise_config *config)
{
    struct buf b = BUF_INIT;
    payload_write_config(config, &b);
    const char *element = strchr(buf_str(&b), '\n') + 1;
    buf_append_str(xml, element);
    buf_free(&b);
}

static void put_config(struct pack *pack, const char *document, struct enterprise_config *config,
                       const struct pack_admission *admission, struct arena *arena)
{
    if (apply_admission(config, admission, arena)) {
        write_anew(&pack->xml, config);
    } else {
        buf_append(&pack->xml, document + config->start, config->length);
        buf_append_char(&pack->xml, '\n');
    }
    pack->records++;
}

RESULT pack_add_config(struct pack *pack, const void *document, size_t len, const struct pack_admission *admission)
{
    struct arena *arena = arena_new(0);
    struct findings findings;
    findings_init(&findings, arena);
    struct enterprise_config_set set = {0};
    struct result r = payload_read_config(document, len, PAYLOAD_CONFIG, &LIMITS, arena, &findings, &set);
    if (result_ok(r) && (set.count != 1 || set.at[0].start + set.at[0].length > len))
        r = result_error(ERR_INTERNAL, 0,
                         "存储的配置不是一个enterpriseConfig / stored configuration is not one enterpriseConfig");
    if (result_ok(r))
        put_config(pack, document, &set.at[0], admission, arena);
    arena_free(&arena);
    return r;
}

size_t pack_records(const struct pack *pack)
{
    return pack->records;
}

size_t pack_bytes(const struct pack *pack)
{
    return pack->xml.len;
}

RESULT pack_finish(struct pack *pack, struct buf *gzip, char digest[65])
{
    if (pack->kind == PACK_CONFIG)
        LIT(&pack->xml, "</enterpriseConfigSet>\n");
    else
        LIT(&pack->xml, "</energyDataSet>\n");
    unsigned char sum[32];
    TRY(envelope_digest(DIGEST_SHA_256, pack->xml.data, pack->xml.len, sum));
    struct buf hex = BUF_INIT;
    buf_append_hex(&hex, sum, sizeof sum);
    memcpy(digest, buf_str(&hex), 65);
    buf_free(&hex);
    return envelope_gzip(pack->xml.data, pack->xml.len, gzip);
}

const struct buf *pack_xml(const struct pack *pack)
{
    return &pack->xml;
}
