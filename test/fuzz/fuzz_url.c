/* URLs of destinations: whatever the text, parts that may go into a request as they are, or a refusal. */
#include "fuzz.h"

#include <string.h>

#include "base/mem.h"
#include "net/url.h"

static void plain(const char *text, const char *forbidden)
{
    REQUIRE(*text && strpbrk(text, forbidden) == NULL);
    for (; *text; text++) {
        REQUIRE((unsigned char)*text > 0x20 && *text != 0x7f); /* neither blank nor line end: no second header */
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = mem_strndup((const char *)data, size);
    struct url url = {0};
    if (result_ok(url_parse(text, &url))) {
        plain(url.host, "/?#@[]");
        plain(url.authority, "/?#@");
        plain(url.path, "#");
        REQUIRE(url.path[0] == '/');
        REQUIRE(strspn(url.port, "0123456789") == strlen(url.port));
        REQUIRE(atol(url.port) >= 1 && atol(url.port) <= 65535);
        url_free(&url);
    }
    mem_free(text);
    return 0;
}
