/* utf8: reading UTF-8 one character at a time, strictly.
 *
 * For:    escaping in buf and log, counting characters of a messageId, refusing GBK in option files.
 * Strict: overlong forms, surrogates, values above U+10FFFF and cut sequences are invalid.
 * Thread: any thread. */
#ifndef NHJC_BASE_UTF8_H
#define NHJC_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The length of the character at text (1..4) and its code point; 0: invalid, or len is 0. */
size_t utf8_next(const char *text, size_t len, uint32_t *code);
bool utf8_valid(const char *text, size_t len);
/* Number of characters; SIZE_MAX when the text is not valid. */
size_t utf8_count(const char *text, size_t len);
/* The largest n <= max (and <= len) that does not cut a character of a valid text. */
size_t utf8_cut(const char *text, size_t len, size_t max);

#endif
