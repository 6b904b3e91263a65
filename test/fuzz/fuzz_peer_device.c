/* The URI by which a certificate names its device: a serial that Register could take, or a refusal. */
#include "fuzz.h"

#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "net/peer_device.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char serial[PEER_SERIAL_SIZE], *text = mem_array(size ? size : 1, 1); /* a zero in it does not end it */
    if (size > 0) {
        memcpy(text, data, size);
    }
    enum peer_device device = peer_device_read(text, size, serial);
    size_t n = strlen(serial);
    REQUIRE((device == PEER_DEVICE_NAMED) == (n > 0));
    REQUIRE(utf8_valid(serial, n) && utf8_count(serial, n) <= PEER_SERIAL_CHARACTERS);
    size_t prefix = strlen(PEER_DEVICE_PREFIX);
    REQUIRE(device != PEER_DEVICE_NONE || size < prefix || memcmp(text, PEER_DEVICE_PREFIX, prefix) != 0);
    mem_free(text);
    return 0;
}
