/* The URI by which a certificate names its device: a serial that Register could take, or a refusal. */
#include "fuzz.h"

#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "net/peer_device.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char serial[PEER_SERIAL_SIZE], *text = mem_strndup((const char *)data, size);
    enum peer_device device = peer_device_read(text, size, serial);
    size_t n = strlen(serial);
    REQUIRE((device == PEER_DEVICE_NAMED) == (n > 0));
    REQUIRE(utf8_valid(serial, n) && utf8_count(serial, n) <= PEER_SERIAL_CHARACTERS);
    REQUIRE(device != PEER_DEVICE_NONE || strncmp(text, PEER_DEVICE_PREFIX, strlen(PEER_DEVICE_PREFIX)) != 0);
    mem_free(text);
    return 0;
}
