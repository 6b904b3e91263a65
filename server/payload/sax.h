/* sax: one run of libxml2's SAX2 parser over a whole document in memory, with our limits and our words.
 *
 * For:    what both readers share: guard, parser set-up, place of a tag, the first failure and its finding.
 * Owner:  a run borrows text, limits, arena and findings; sax_parse frees the parser before it returns.
 * Lines:  counted here from the bytes, at the '<' of the tag: exact at any size (the library keeps 16 bits in its
 *         tree, and stands behind the attributes when it calls).
 * Thread: one at a time. Private to this folder. */
#ifndef NHJC_PAYLOAD_SAX_H
#define NHJC_PAYLOAD_SAX_H

#include <libxml/parser.h>

#include "payload/payload.h"

struct sax_attribute { /* the five pointers libxml2 gives per attribute */
    const xmlChar *name, *prefix, *uri, *value, *end;
};

struct sax_run;
struct sax_reader {
    const char *uri;                    /* namespace of every element */
    void (*begin)(struct sax_run *run); /* names can be interned: the dictionary is there */
    void (*start)(struct sax_run *run, const xmlChar *name, const struct sax_attribute *attributes, size_t count);
    void (*end)(struct sax_run *run, const xmlChar *name);
};

struct sax_run {
    const struct sax_reader *reader;
    void *context; /* the reader's own */
    const struct payload_limits *limits;
    struct arena *arena;
    struct findings *findings;

    const uint8_t *text; /* behind a byte order mark */
    size_t len;
    size_t skipped; /* bytes of the byte order mark */
    size_t tags;    /* start tags in the text, from the guard */
    size_t depth;
    size_t tag_at; /* of the start tag being reported */
    xmlParserCtxtPtr parser;
    const xmlChar *uri;   /* interned */
    size_t line_at, line; /* line of the byte at line_at, counted so far */
    char *pool;           /* room for copied texts */
    size_t pool_left;
    struct result failure;
};

/* Reads run->text; the caller has set reader, context, limits, arena, findings. */
RESULT sax_parse(struct sax_run *run, const void *xml, size_t len);

/* Inside a callback; run->tag_at is the offset of the '<' of the start tag being reported. */
const xmlChar *sax_intern(struct sax_run *run, const char *name);
size_t sax_offset(const struct sax_run *run); /* of the byte after what was read */
uint32_t sax_line(struct sax_run *run, size_t offset);
char *sax_copy(struct sax_run *run, const xmlChar *from, size_t n); /* NUL-terminated, in the arena */
/* Room for n bytes of text in the arena. */
char *sax_room(struct sax_run *run, size_t n);
/* A name of the sender's for use in a message. */
char *sax_name(struct sax_run *run, const xmlChar *name);
/* xsi:schemaLocation and its sister: every schema allows them, and they mean nothing here. */
bool sax_ignorable(const struct sax_attribute *a);
/* Ends the parse; only the first failure counts. The words: what is wrong there. */
void sax_fail(struct sax_run *run, int code, size_t offset, const char *zh, const char *en);
static inline bool sax_failed(const struct sax_run *run)
{
    return run->failure.kind != ERR_NONE;
}

#endif
