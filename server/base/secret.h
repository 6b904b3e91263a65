/* secret: identifiers and key material, and comparing them in constant time.
 * Source: getrandom(2). Thread: any thread. */
#ifndef NHJC_BASE_SECRET_H
#define NHJC_BASE_SECRET_H

#include <stdbool.h>
#include <stddef.h>

void random_bytes(void *out, size_t n);
void random_hex(char *out, size_t bytes); /* writes 2*bytes digits and a NUL */
bool secret_equal(const void *a, const void *b, size_t n);
void secret_wipe(void *p, size_t n);
/* Lower-case digits and a NUL; bytes may lie where out begins. */
void hex_encode(const void *bytes, size_t n, char *out);
bool hex_decode(const char *hex, size_t hex_len, unsigned char *out); /* false: odd or not hex */

#endif
