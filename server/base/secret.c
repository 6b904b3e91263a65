#include "base/secret.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

void random_bytes(void *out, size_t n)
{
    uint8_t *at = out;
    while (n > 0) {
        ssize_t got = getrandom(at, n, 0);
        if (got < 0 && errno != EINTR) {
            abort(); /* without randomness no identifier or key of ours is worth anything */
        }
        if (got > 0) {
            at += got;
            n -= (size_t)got;
        }
    }
}

void random_hex(char *out, size_t bytes)
{
    random_bytes(out, bytes);
    hex_encode(out, bytes, out);
}

bool secret_equal(const void *a, const void *b, size_t n)
{
    const volatile uint8_t *x = a, *y = b;
    uint8_t difference = 0;
    for (size_t i = 0; i < n; i++) {
        difference |= x[i] ^ y[i];
    }
    return difference == 0;
}

void secret_wipe(void *p, size_t n)
{
    if (n > 0) {
        explicit_bzero(p, n);
    }
}

void hex_encode(const void *bytes, size_t n, char *out)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *p = bytes;
    for (size_t i = n; i-- > 0;) { /* from the end: no byte is written over before it was read */
        uint8_t byte = p[i];
        out[2 * i] = digits[byte >> 4];
        out[2 * i + 1] = digits[byte & 15];
    }
    out[2 * n] = 0;
}

static int nibble(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool hex_decode(const char *hex, size_t hex_len, unsigned char *out)
{
    if (hex_len % 2) {
        return false;
    }
    for (size_t i = 0; i < hex_len; i += 2) {
        int high = nibble(hex[i]), low = nibble(hex[i + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        out[i / 2] = (unsigned char)(high << 4 | low);
    }
    return true;
}
