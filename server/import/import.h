/* import: readings that come as files instead of requests (the seed's Province folder).
 *
 * Forms:  energyData or energyDataSet as XML, gzip, or zip with many of them. The same validation and transaction as an
 *         upload over the wire; idempotent by content: the messageId is made from the document's SHA-256.
 * Result: FILE.result.txt beside the file, one part per document: code, counts, findings with their lines.
 * Spool:  import_spool takes the files of a folder in order of name; done ones move to done/, broken ones to broken/
 * with their result, a further one of the same name with a number behind it; a file refused for now (9xxx), or that
 * cannot be read or moved, stays and does not stop the others. Names beginning with a dot or ending in .part are left
 * alone: write under such a name, then rename. Thread: one at a time per ingest. */
#ifndef NHJC_IMPORT_IMPORT_H
#define NHJC_IMPORT_IMPORT_H

#include "base/arena.h"
#include "ingest/ingest.h"

struct import_total {
    int files, documents, refused; /* refused: documents refused whole, or files that could not be unpacked */
    int again;                     /* files to be tried again later */
    long long received, stored, unchanged, corrected, suspect, rejected;
};

/* Files of a spool whose trouble was told: it is told once for each state of a file, then counted. Zeroed before use;
 * kept from look to look by whoever looks again. */
struct import_told {
    uint64_t *at;
    size_t count;
};
void import_told_free(struct import_told *told);

struct import_config {
    struct import_told *told; /* borrowed; NULL: tell each time */
    struct ingest *ingest;
    struct registry *registry;
    struct db *db;
    size_t max_plain;
    const struct payload_limits *limits;
};

/* One file. The result file is written unless the content could not be judged now (TRANSIENT, kept for later). */
RESULT import_file(const struct import_config *config, const char *path, struct import_total *total);
RESULT import_spool(const struct import_config *config, const char *folder, struct import_total *total);

#endif
