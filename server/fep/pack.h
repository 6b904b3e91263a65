/* pack: the XML of one message to an upper platform, made from archived payloads. Bytes in, bytes out: no
 * database, no clock.
 *
 * For:    energyDataSet from uploads as they arrived (their refused records left out, one enterprise's blocks
 *         of a set picked out), enterpriseConfigSet from stored configuration documents.
 * Form:   canonical: data codes as 16 digits, statDate as yyyy-MM-dd HH:mm:ss in the platform zone, values and
 *         validity as sent, records in the order of the upload, uploads in the order they are added.
 * Owner:  pack_new gives, pack_free takes; a pack_view lives until pack_view_free and may be appended to
 *         several packs (an upload of a lower platform holds many enterprises).
 * Errors: pack_open: the payload cannot be opened or read any more (2101 … 2106): the row is for the
 *         operator, not for another try. Texts hold no content.
 * Thread: one at a time per pack and view. */
#ifndef NHJC_FEP_PACK_H
#define NHJC_FEP_PACK_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/result.h"

enum pack_kind { PACK_DATA = 0, PACK_CONFIG = 1 };

struct pack_source { /* one archived payload; everything is borrowed */
    const void *content;
    size_t content_len;
    int encoding, cipher;        /* enum content_encoding, content_cipher */
    const unsigned char *digest; /* method byte and 32 bytes, as upload_payload.digest */
    size_t digest_len;
    const unsigned char *key; /* only where cipher is not none */
    size_t key_len;
    const int32_t *rejected; /* ordinals over the whole payload, any order */
    size_t rejected_count;
};

struct pack_view; /* one payload, opened and read */

RESULT pack_open(const struct pack_source *source, struct pack_view **view);
void pack_view_free(struct pack_view **view);
size_t pack_view_bytes(const struct pack_view *view);  /* memory held */
size_t pack_view_blocks(const struct pack_view *view); /* enterprises' blocks in it */
const char *pack_view_enterprise(const struct pack_view *view, size_t block);
/* Records of this enterprise that were not refused. */
size_t pack_view_count(const struct pack_view *view, const char *enterprise_code);

struct pack;

struct pack *pack_new(enum pack_kind kind, const char *platform_code, const char *upload_date);
void pack_free(struct pack **pack);
/* Appends the enterprise's blocks; blocks without a record left are left out. */
void pack_add_data(struct pack *pack, const struct pack_view *view, const char *enterprise_code);

struct pack_admission { /* what this platform knows better than the document */
    const char *region_code;
    int32_t period; /* seconds, where the document names none */
};
/* Appends the document element of a stored enterpriseConfig: its own bytes; written anew only where <enterprise> names
 * another region than the admission, or leaves out a period that is not the contract's default, which the other side
 * could not know. admission NULL: nothing is known. */
RESULT pack_add_config(struct pack *pack, const void *document, size_t len, const struct pack_admission *admission);
size_t pack_records(const struct pack *pack); /* records, or documents */
size_t pack_bytes(const struct pack *pack);   /* of the XML so far */

/* Ends the document: *gzip gets the compressed bytes (appended), digest the hex SHA-256 of the plain ones. */
RESULT pack_finish(struct pack *pack, struct buf *gzip, char digest[65]);
/* The plain XML; complete after pack_finish. */
const struct buf *pack_xml(const struct pack *pack);

#endif
