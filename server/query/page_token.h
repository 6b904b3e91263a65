/* page_token: opaque, tamper-proof positions for paging.
 * token = base64url(position bytes, 16 bytes of HMAC-SHA-256 over question digest and position).
 * Errors: SENDER 2103 for a forged, damaged or foreign token. Thread: any thread. */
#ifndef NHJC_QUERY_PAGE_TOKEN_H
#define NHJC_QUERY_PAGE_TOKEN_H

#include <stddef.h>

#include "base/arena.h"
#include "base/result.h"

char *page_token_make(struct arena *a, const unsigned char key[32], const void *question, size_t question_len,
                      const void *position, size_t position_len);
RESULT page_token_open(struct arena *a, const unsigned char key[32], const void *question, size_t question_len,
                       const char *token, const void **position, size_t *position_len);

#endif
