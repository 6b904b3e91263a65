/* archive: the plain documents inside a file: XML as it is, gzip, or zip with many. libzip and zlib stop here.
 *
 * Limits: every document is unpacked to `max` bytes at most, a zip holds up to ARCHIVE_ENTRIES files; beyond: LIMIT
 * 2106. Errors: 2106 for what cannot be unpacked. Folders inside a zip are passed over. Owner:  bytes handed to fn are
 * valid during the call. Thread: any thread. */
#ifndef NHJC_PAYLOAD_ARCHIVE_H
#define NHJC_PAYLOAD_ARCHIVE_H

#include "base/result.h"

#include <stddef.h>

enum { ARCHIVE_ENTRIES = 10000 };

/* fn gets each document with its name inside the archive ("" for a plain or gzip file); its first error ends the walk.
 */
RESULT archive_each(const void *bytes, size_t n, size_t max,
                    struct result (*fn)(const char *name, const void *document, size_t len, void *arg), void *arg);

#endif
