#include "fuzz.h"

#include <string.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/utf8.h"

static void no_raw(const char *text, const char *forbidden)
{
    REQUIRE(utf8_valid(text, strlen(text)));
    REQUIRE(strpbrk(text, forbidden) == NULL);
    for (; *text; text++) {
        REQUIRE((unsigned char)*text >= 0x20 && *text != 0x7f);
    }
}

/* No text, whatever it holds, leaves the quotes, the element or the line it was put into. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    char *text = mem_strndup((const char *)data, size);
    struct buf out = BUF_INIT;
    buf_append_xml(&out, text);
    no_raw(buf_str(&out), "<>\"'");
    buf_clear(&out);
    buf_append_json(&out, text);
    no_raw(buf_str(&out), "<");
    const char *quoted = log_quote(text);
    no_raw(quoted, "");
    REQUIRE(strlen(quoted) <= 900);
    buf_free(&out);
    mem_free(text);
    return 0;
}
