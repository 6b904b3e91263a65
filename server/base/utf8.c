#include "base/utf8.h"

/* By lead byte: how many bytes follow, the bits of the lead, the least code point allowed. */
static const struct {
    uint8_t first, last, more, mask;
    uint32_t least;
} forms[] = {
    {0x00, 0x7f, 0, 0x7f, 0},
    {0xc2, 0xdf, 1, 0x1f, 0x80},
    {0xe0, 0xef, 2, 0x0f, 0x800},
    {0xf0, 0xf4, 3, 0x07, 0x10000},
};

static bool acceptable(uint32_t code, uint32_t least)
{
    return code >= least && code <= 0x10ffff && !(code >= 0xd800 && code <= 0xdfff);
}

size_t utf8_next(const char *text, size_t len, uint32_t *code)
{
    const uint8_t *p = (const uint8_t *)text;
    for (size_t i = 0; len > 0 && i < sizeof forms / sizeof forms[0]; i++) {
        if (p[0] < forms[i].first || p[0] > forms[i].last) {
            continue;
        }
        size_t more = forms[i].more;
        if (more >= len) {
            return 0;
        }
        uint32_t value = p[0] & forms[i].mask;
        for (size_t k = 1; k <= more; k++) {
            if ((p[k] & 0xc0) != 0x80) {
                return 0;
            }
            value = value << 6 | (p[k] & 0x3f);
        }
        *code = value;
        return acceptable(value, forms[i].least) ? more + 1 : 0;
    }
    return 0;
}

size_t utf8_count(const char *text, size_t len)
{
    size_t count = 0;
    for (size_t at = 0; at < len; count++) {
        uint32_t code;
        size_t n = utf8_next(text + at, len - at, &code);
        if (n == 0) {
            return SIZE_MAX;
        }
        at += n;
    }
    return count;
}

bool utf8_valid(const char *text, size_t len)
{
    return utf8_count(text, len) != SIZE_MAX;
}

size_t utf8_cut(const char *text, size_t len, size_t max)
{
    if (len <= max) {
        return len;
    }
    size_t n = max;
    while (n > 0 && ((uint8_t)text[n] & 0xc0) == 0x80) {
        n--;
    }
    return n;
}
