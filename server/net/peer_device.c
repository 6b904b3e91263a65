#include "net/peer_device.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/utf8.h"

#define SCHEME "urn:nhjc:" /* in either case */
#define KIND "device:"

static const char STEM[] = "urn:nhjc:device"; /* what begins so, however written, means to name a device */

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
#define UNRESERVED LETTERS "-._~"
#define PLAIN UNRESERVED "!$&'()*+,;=:@/" /* of a URN, besides percent-encoded bytes */

static int hex_digit(char c)
{
    static const char DIGITS[] = "0123456789abcdef0123456789ABCDEF";
    const char *at = c ? strchr(DIGITS, c) : NULL;
    return at ? (int)((at - DIGITS) % 16) : -1;
}

/* One byte of the text, encoded or not. The bytes it takes; *c: the byte; encoded tells which. */
static size_t take(const char *text, size_t n, char *c, bool *encoded)
{
    *encoded = n >= 3 && text[0] == '%' && hex_digit(text[1]) >= 0 && hex_digit(text[2]) >= 0;
    *c = *encoded ? (char)(hex_digit(text[1]) * 16 + hex_digit(text[2])) : text[0];
    return *encoded ? 3 : 1;
}

static bool is_one_of(const char *set, char c)
{
    return c && strchr(set, c);
}

/* Written with encoded letters, in another case, behind blanks: somebody might still read it as the name of a device.
 */
static bool means_a_device(const char *uri, size_t n)
{
    char c = ' ';
    bool encoded;
    size_t at = 0, step = 0;
    for (; at < n && (step = take(uri + at, n - at, &c, &encoded)) && (unsigned char)c <= ' '; at += step) {
    }
    for (size_t i = 0; i < strlen(STEM); i++, at += step) {
        if (at >= n) {
            return false;
        }
        step = take(uri + at, n - at, &c, &encoded);
        if (strncasecmp(&c, &STEM[i], 1) != 0) {
            return false;
        }
    }
    if (at >= n) {
        return true;
    }
    take(uri + at, n - at, &c, &encoded);
    return !is_one_of(UNRESERVED, c); /* urn:nhjc:devices:… is something else */
}

static bool readable(const char *text, size_t n)
{
    uint32_t code;
    size_t characters = 0;
    for (size_t at = 0, step = 0; at < n; at += step, characters++) {
        step = utf8_next(text + at, n - at, &code);
        if (step == 0 || code < 0x20 || (code >= 0x7F && code < 0xA0)) {
            return false;
        }
    }
    return characters > 0 && characters <= PEER_SERIAL_CHARACTERS;
}

static bool read_serial(const char *text, size_t n, char serial[PEER_SERIAL_SIZE])
{
    size_t len = 0;
    bool encoded;
    for (size_t at = 0; at < n; len++) {
        char c;
        at += take(text + at, n - at, &c, &encoded);
        if (len + 1 >= PEER_SERIAL_SIZE || (!encoded && !is_one_of(PLAIN, c))) {
            return false;
        }
        serial[len] = c;
    }
    serial[len] = '\0';
    return readable(serial, len);
}

enum peer_device peer_device_read(const char *uri, size_t n, char serial[PEER_SERIAL_SIZE])
{
    size_t scheme = strlen(SCHEME), prefix = strlen(PEER_DEVICE_PREFIX);
    serial[0] = '\0';
    if (!means_a_device(uri, n)) {
        return PEER_DEVICE_NONE;
    }
    bool named = n > prefix && strncasecmp(uri, SCHEME, scheme) == 0 && memcmp(uri + scheme, KIND, strlen(KIND)) == 0 &&
                 read_serial(uri + prefix, n - prefix, serial);
    if (!named) {
        serial[0] = '\0';
    }
    return named ? PEER_DEVICE_NAMED : PEER_DEVICE_UNREADABLE;
}
