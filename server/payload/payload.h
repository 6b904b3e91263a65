/* payload: SAX readers of the XML payloads (contract section 3). libxml2 stops at this folder's door.
 *
 * For:    bytes and limits in, plain structs or findings with their line out. No socket, no clock, no
 *         database: tested by table, fuzzed.
 * Owner:  everything read lives in the arena given; texts point into it.
 * Errors: the RESULT says why the whole payload is refused (code 2101, 2102, 2103, 2106 with the
 *         place in text, and one finding with its line added); OK means the structs are complete.
 * Safety: never HUGE/NOENT/DTDLOAD/XINCLUDE, always NONET (X1); DOCTYPE and entity declarations stop the
 *         parser (X2, 2102); own limits for depth, attributes, tag size and records (X3); an encoding
 *         declaration other than UTF-8, XML 1.1 and invalid UTF-8 are 2101.
 * Thread: one parse at a time per arena; any thread. xmlInitParser via payload_init in main. */
#ifndef NHJC_PAYLOAD_PAYLOAD_H
#define NHJC_PAYLOAD_PAYLOAD_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/result.h"
#include "payload/finding.h"

struct payload_limits {
    size_t depth;      /* 50 */
    size_t attributes; /* 100 per tag */
    size_t tag_bytes;  /* 64 KB */
    size_t records;    /* 200,000 */
};
extern const struct payload_limits PAYLOAD_LIMITS_DEFAULT;

void payload_init(void);
void payload_exit(void);

/* ---- energyData / energyDataSet (urn:nhjc:data:v1) ---- */
struct record { /* one <data/> element; texts as sent, not yet judged */
    const char *data_code, *data_value, *stat_date;
    uint16_t data_code_len, data_value_len, stat_date_len;
    int8_t stat_type;  /* 0..3, checked by the schema rule 2103 */
    int8_t scope;      /* 1..4 */
    int8_t input_type; /* 1..7 */
    bool valid;        /* default true */
    uint32_t line;
};

struct energy_data {
    const char *enterprise_code, *device_id /* "" if absent (only inside a set) */, *upload_date;
    struct record *records;
    size_t count, cap;
    uint32_t line;
};

struct energy_data_set { /* a single energyData is a set of one with platform_code NULL */
    const char *platform_code, *upload_date;
    struct energy_data *at;
    size_t count, cap;
    size_t records; /* over all */
    uint32_t line;
};

enum payload_kind { PAYLOAD_ENERGY_DATA = 1, PAYLOAD_ENERGY_DATA_SET = 2 };

/* wanted: which root is accepted (the other is 2103); both may be or-ed. */
RESULT payload_read_data(const void *xml, size_t len, int wanted, const struct payload_limits *limits,
                         struct arena *arena, struct findings *findings, struct energy_data_set *out);

/* ---- enterpriseConfig / enterpriseConfigSet (urn:nhjc:config:v1) ----
 * Objects are kept as their attributes in the order of the document: the field table
 * (config_fields.h) says which exist, their length and whether they are required. */
struct attribute {
    const char *name, *value;
};
struct config_object {
    const char *element; /* "enterprise", "process", "collectItem" … */
    struct attribute *attributes;
    size_t count;
    uint32_t line;
};
struct enterprise_config {
    struct config_object *objects; /* document order */
    size_t count, cap;
    size_t start, length; /* bytes of this enterpriseConfig element inside the document */
    uint32_t line;
};
struct enterprise_config_set {
    struct enterprise_config *at;
    size_t count, cap;
};
enum { PAYLOAD_CONFIG = 1, PAYLOAD_CONFIG_SET = 2 };
RESULT payload_read_config(const void *xml, size_t len, int wanted, const struct payload_limits *limits,
                           struct arena *arena, struct findings *findings, struct enterprise_config_set *out);
const char *config_attribute(const struct config_object *o, const char *name); /* NULL: absent */
/* The other way: a document of its own that reads back to the same objects. For an enterprise taken out of a set: the
 * bytes [start, start + length) alone may lack the namespace declaration, which stands at the set's root. Appends. */
void payload_write_config(const struct enterprise_config *config, struct buf *out);
/* One element of it, with a line end. */
void payload_write_object(const struct config_object *o, struct buf *out);

#endif
