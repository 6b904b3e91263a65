/* enterpriseConfig and enterpriseConfigSet into generic objects: structure only. Which elements and attributes exist
 * is the field table's business (validate/config_fields.h). */
#include <string.h>

#include "base/mem.h"
#include "payload/sax.h"

#define CONFIG_URI "urn:nhjc:config:v1"

enum { LEVEL_NONE, LEVEL_SET, LEVEL_CONFIG, LEVEL_OBJECT };

struct reader {
    struct enterprise_config_set *out;
    int wanted;
    int level;
    bool in_set;
    size_t objects;
    const xmlChar *set_name, *config_name;
};

static void begin(struct sax_run *run)
{
    struct reader *r = run->context;
    r->set_name = sax_intern(run, "enterpriseConfigSet");
    r->config_name = sax_intern(run, "enterpriseConfig");
}

static void fail(struct sax_run *run, const char *zh, const char *en)
{
    sax_fail(run, 2103, run->tag_at, zh, en);
}

static struct enterprise_config *current(const struct reader *r)
{
    return &r->out->at[r->out->count - 1];
}

/* ---- the two outer elements ---- */

static void refuse_attributes(struct sax_run *run, const xmlChar *name, const struct sax_attribute *attributes,
                              size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!sax_ignorable(&attributes[i])) {
            fail(run,
                 arena_printf(run->arena, "<%s>没有属性%s", sax_name(run, name), sax_name(run, attributes[i].name)),
                 arena_printf(run->arena, "<%s> has no attribute %s", sax_name(run, name),
                              sax_name(run, attributes[i].name)));
            return;
        }
    }
}

static void start_config(struct sax_run *run)
{
    struct reader *r = run->context;
    size_t offset = run->tag_at;
    struct enterprise_config *c = ARENA_PUSH(run->arena, r->out->at, r->out->count, r->out->cap);
    *c = (struct enterprise_config){.start = offset + run->skipped, .line = sax_line(run, offset)};
    r->level = LEVEL_CONFIG;
}

/* ---- objects ---- */

static void copy_attributes(struct sax_run *run, const struct sax_attribute *from, size_t count,
                            struct config_object *o)
{
    o->attributes = arena_array(run->arena, count ? count : 1, sizeof *o->attributes);
    for (size_t i = 0; i < count; i++) {
        if (sax_ignorable(&from[i])) {
            continue;
        }
        if (from[i].prefix) {
            fail(
                run, arena_printf(run->arena, "属性%s不应带命名空间前缀", sax_name(run, from[i].name)),
                arena_printf(run->arena, "attribute %s must not have a namespace prefix", sax_name(run, from[i].name)));
            return;
        }
        struct attribute *a = &o->attributes[o->count++];
        a->name = sax_copy(run, from[i].name, strlen((const char *)from[i].name));
        a->value = sax_copy(run, from[i].value, (size_t)(from[i].end - from[i].value));
    }
}

static void start_object(struct sax_run *run, const xmlChar *name, const struct sax_attribute *attributes, size_t count)
{
    struct reader *r = run->context;
    struct enterprise_config *c = current(r);
    if (r->objects++ == run->limits->records) {
        sax_fail(run, 2106, run->tag_at, "配置对象过多", "too many objects");
        return;
    }
    struct config_object *o = ARENA_PUSH(run->arena, c->objects, c->count, c->cap);
    *o = (struct config_object){.line = sax_line(run, run->tag_at)};
    o->element = sax_copy(run, name, strlen((const char *)name));
    copy_attributes(run, attributes, count, o);
    r->level = LEVEL_OBJECT;
}

static void on_root(struct sax_run *run, const xmlChar *name, const struct sax_attribute *attributes, size_t count)
{
    struct reader *r = run->context;
    if (name == r->set_name && (r->wanted & PAYLOAD_CONFIG_SET)) {
        r->level = LEVEL_SET;
        r->in_set = true;
    } else if (name == r->config_name && (r->wanted & PAYLOAD_CONFIG)) {
        start_config(run);
    } else {
        fail(run, arena_printf(run->arena, "根元素不应是<%s>", sax_name(run, name)),
             arena_printf(run->arena, "<%s> is not the root element expected here", sax_name(run, name)));
        return;
    }
    refuse_attributes(run, name, attributes, count);
}

static void on_element(struct sax_run *run, const xmlChar *name, const struct sax_attribute *attributes, size_t count)
{
    struct reader *r = run->context;
    if (r->level == LEVEL_NONE) {
        on_root(run, name, attributes, count);
    } else if (r->level == LEVEL_SET && name == r->config_name) {
        start_config(run);
        refuse_attributes(run, name, attributes, count);
    } else if (r->level == LEVEL_CONFIG) {
        start_object(run, name, attributes, count);
    } else {
        fail(run, arena_printf(run->arena, "此处不允许出现<%s>", sax_name(run, name)),
             arena_printf(run->arena, "<%s> has no place here", sax_name(run, name)));
    }
}

static void on_element_end(struct sax_run *run, const xmlChar *name)
{
    struct reader *r = run->context;
    (void)name;
    if (r->level == LEVEL_CONFIG) {
        struct enterprise_config *c = current(r);
        c->length = sax_offset(run) + run->skipped - c->start;
    }
    r->level = r->level == LEVEL_CONFIG && !r->in_set ? LEVEL_NONE : r->level - 1;
}

static const struct sax_reader READER = {.uri = CONFIG_URI, .begin = begin, .start = on_element, .end = on_element_end};

RESULT payload_read_config(const void *xml, size_t len, int wanted, const struct payload_limits *limits,
                           struct arena *arena, struct findings *findings, struct enterprise_config_set *out)
{
    *out = (struct enterprise_config_set){0};
    struct reader r = {.out = out, .wanted = wanted};
    struct sax_run run = {.reader = &READER, .context = &r, .limits = limits, .arena = arena, .findings = findings};
    return sax_parse(&run, xml, len);
}

const char *config_attribute(const struct config_object *o, const char *name)
{
    for (size_t i = 0; i < o->count; i++) {
        if (strcmp(o->attributes[i].name, name) == 0) {
            return o->attributes[i].value;
        }
    }
    return NULL;
}

void payload_write_object(const struct config_object *o, struct buf *out)
{
    buf_printf(out, "<%s", o->element);
    for (size_t i = 0; i < o->count; i++) {
        buf_printf(out, " %s=\"", o->attributes[i].name);
        buf_append_xml(out, o->attributes[i].value);
        buf_append_char(out, '"');
    }
    buf_append_str(out, "/>\n");
}

void payload_write_config(const struct enterprise_config *config, struct buf *out)
{
    buf_append_str(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<enterpriseConfig xmlns=\"" CONFIG_URI "\">\n");
    for (size_t i = 0; i < config->count; i++) {
        buf_append_str(out, "  ");
        payload_write_object(&config->objects[i], out);
    }
    buf_append_str(out, "</enterpriseConfig>\n");
}
