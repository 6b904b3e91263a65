/* Page tokens: what was not made with the key is refused; what was made gives back the position it was made of. */
#include "fuzz.h"

#include <string.h>

#include "base/mem.h"
#include "query/page_token.h"

static const unsigned char KEY[32] = "a key that no input of ours has";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_new(0);
    const void *position = NULL;
    size_t len = 0;
    char *text = mem_strndup((const char *)data, size);
    struct result r = page_token_open(a, KEY, "q", 1, text, &position, &len);
    REQUIRE(!result_ok(r) && r.code == 2103);
    char *token = page_token_make(a, KEY, "q", 1, data, size);
    REQUIRE(result_ok(page_token_open(a, KEY, "q", 1, token, &position, &len)));
    REQUIRE(len == size && (size == 0 || memcmp(position, data, size) == 0));
    if (size > 0) { /* the same with one bit changed, wherever the input says */
        token[data[0] % strlen(token)] ^= 1;
        REQUIRE(!result_ok(page_token_open(a, KEY, "q", 1, token, &position, &len)));
    }
    mem_free(text);
    arena_free(&a);
    return 0;
}
