/* Files of the import: whatever the bytes, documents within the limits, or one refusal that names no other fault. */
#include "fuzz.h"

#include "payload/archive.h"

enum { MOST = 1 << 16 };

static struct result take(const char *name, const void *document, size_t len, void *arg)
{
    size_t *count = arg;
    const unsigned char *bytes = document;
    unsigned sum = 0;
    REQUIRE(name && len <= MOST);
    for (size_t i = 0; i < len; i++) { /* every byte is there */
        sum += bytes[i];
    }
    REQUIRE(sum <= 255u * MOST);
    REQUIRE(++*count <= ARCHIVE_ENTRIES);
    return RESULT_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t count = 0;
    struct result r = archive_each(data, size, MOST, take, &count);
    REQUIRE(result_ok(r) || r.code == 2106);
    return 0;
}
