#include "soap/base64.h"

static const char LETTERS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* Letters carry bit 6, so that one test of four finds any other character. */
enum { BLANK = 1, PAD = 2, LETTER = 64 };
#define GROUP_OF_LETTERS (((uint32_t)LETTER << 18) + ((uint32_t)LETTER << 12) + ((uint32_t)LETTER << 6) + LETTER)

/* clang-format off */
static const uint8_t VALUE[256] = {
    [' '] = BLANK, ['\t'] = BLANK, ['\n'] = BLANK, ['\r'] = BLANK, ['='] = PAD,
    ['A'] = 64, 65, 66, 67, 68, 69, 70, 71, 72, 73, 74, 75, 76, 77, 78, 79, 80, 81, 82, 83, 84, 85, 86, 87, 88, 89,
    ['a'] = 90, 91, 92, 93, 94, 95, 96, 97, 98, 99, 100, 101, 102, 103, 104, 105, 106, 107, 108, 109, 110, 111, 112, 113, 114, 115,
    ['0'] = 116, 117, 118, 119, 120, 121, 122, 123, 124, 125,
    ['+'] = 126, ['/'] = 127,
};
/* clang-format on */

/* Whole groups without white space or padding; returns how many letters were taken. */
static size_t take_groups(struct base64_decoder *d, const uint8_t *p, size_t n)
{
    uint8_t *out = d->out + d->len;
    size_t i = 0;
    for (; i + 4 <= n; i += 4, out += 3) {
        uint32_t a = VALUE[p[i]], b = VALUE[p[i + 1]], c = VALUE[p[i + 2]], e = VALUE[p[i + 3]];
        if (!(a & b & c & e & LETTER))
            break;
        uint32_t word = (a << 18) + (b << 12) + (c << 6) + e - GROUP_OF_LETTERS;
        out[0] = (uint8_t)(word >> 16);
        out[1] = (uint8_t)(word >> 8);
        out[2] = (uint8_t)word;
    }
    d->len = (size_t)(out - d->out);
    return i;
}

static void close_group(struct base64_decoder *d)
{
    uint32_t word = d->bits << (6 * d->padding);
    for (int i = 0; i < 3 - d->padding; i++)
        d->out[d->len++] = (uint8_t)(word >> (16 - 8 * i));
    d->bits = 0;
    d->count = 0;
}

static bool take_letter(struct base64_decoder *d, uint8_t letter)
{
    uint8_t v = VALUE[letter];
    if (v == BLANK)
        return true;
    if (v == 0 || d->padding == 2 || (v == PAD ? d->count + d->padding < 2 : d->padding > 0))
        return false;
    if (v == PAD) {
        d->padding++;
    } else {
        d->bits = d->bits << 6 | (v - LETTER);
        d->count++;
    }
    if (d->count + d->padding == 4)
        close_group(d);
    return true;
}

bool base64_feed(struct base64_decoder *d, const uint8_t *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (d->count == 0 && d->padding == 0)
            i += take_groups(d, text + i, n - i);
        if (i < n && !take_letter(d, text[i]))
            return false;
    }
    return true;
}

bool base64_finish(const struct base64_decoder *d)
{
    return d->count == 0;
}

void base64_encode(const uint8_t *bytes, size_t n, char *out)
{
    size_t i = 0;
    for (; i + 3 <= n; i += 3, out += 4) {
        uint32_t word = (uint32_t)bytes[i] << 16 | (uint32_t)bytes[i + 1] << 8 | bytes[i + 2];
        out[0] = LETTERS[word >> 18];
        out[1] = LETTERS[word >> 12 & 63];
        out[2] = LETTERS[word >> 6 & 63];
        out[3] = LETTERS[word & 63];
    }
    if (i < n) {
        uint32_t word = (uint32_t)bytes[i] << 16 | (i + 1 < n ? (uint32_t)bytes[i + 1] << 8 : 0);
        out[0] = LETTERS[word >> 18];
        out[1] = LETTERS[word >> 12 & 63];
        out[2] = '=';
        out[3] = '=';
        if (i + 1 < n)
            out[2] = LETTERS[word >> 6 & 63];
    }
}
