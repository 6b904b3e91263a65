/* base64: the letters of base64Binary to bytes and back.
 *
 * For:    content, which is most of every upload: the fast path takes four letters at a time.
 * Thread: a decoder one at a time; encoding any thread. */
#ifndef NHJC_SOAP_BASE64_H
#define NHJC_SOAP_BASE64_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct base64_decoder {
    uint8_t *out; /* borrowed; room for BASE64_ROOM(all letters fed) */
    size_t len;
    uint32_t bits; /* letters of the open group */
    int count;     /* how many */
    int padding;   /* '=' seen; after one only padding and white space may follow */
};

#define BASE64_ROOM(letters) ((letters) / 4 * 3 + 3)
#define BASE64_LENGTH(bytes) (((bytes) + 2) / 3 * 4)

/* White space is skipped. false: a letter outside the alphabet, or letters after padding. */
bool base64_feed(struct base64_decoder *d, const uint8_t *text, size_t n);
bool base64_finish(const struct base64_decoder *d); /* false: cut in the middle of a group */
/* Writes BASE64_LENGTH(n) letters. */
void base64_encode(const uint8_t *bytes, size_t n, char *out);

#endif
