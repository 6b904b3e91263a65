#include <string.h>

#include "ingest/ingest.h"

/* Length of the UTF-8 sequence that starts here, 0 when it is not one; *cp gets the code point. */
static int utf8_next(const unsigned char *s, uint32_t *cp)
{
    static const struct {
        unsigned char mask, lead;
        int len;
        uint32_t min;
    } forms[] = {{0x80, 0x00, 1, 0}, {0xe0, 0xc0, 2, 0x80}, {0xf0, 0xe0, 3, 0x800}, {0xf8, 0xf0, 4, 0x10000}};
    for (size_t f = 0; f < sizeof forms / sizeof *forms; f++) {
        if ((s[0] & forms[f].mask) != forms[f].lead)
            continue;
        *cp = s[0] & (unsigned char)~forms[f].mask;
        for (int i = 1; i < forms[f].len; i++) {
            if ((s[i] & 0xc0) != 0x80)
                return 0;
            *cp = (*cp << 6) | (s[i] & 0x3f);
        }
        bool ok = *cp >= forms[f].min && *cp <= 0x10ffff && (*cp < 0xd800 || *cp > 0xdfff);
        return ok ? forms[f].len : 0;
    }
    return 0;
}

static bool is_control(uint32_t cp)
{
    return cp < 0x20 || (cp >= 0x7f && cp <= 0x9f) || cp == 0x2028 || cp == 0x2029 || cp == 0xfeff;
}

static bool is_blank(uint32_t cp)
{
    return cp == ' ' || cp == 0xa0 || cp == 0x3000 || (cp >= 0x2000 && cp <= 0x200a) || cp == 0x202f || cp == 0x205f ||
           cp == 0x1680;
}

bool message_id_valid(const char *id)
{
    if (!id || !*id)
        return false;
    int characters = 0;
    uint32_t cp = 0;
    for (const unsigned char *s = (const unsigned char *)id; *s;) {
        int n = utf8_next(s, &cp);
        if (n == 0 || is_control(cp) || ++characters > 64 || (characters == 1 && is_blank(cp)))
            return false;
        s += n;
    }
    return !is_blank(cp);
}

RESULT message_id_hash(const char *id, unsigned char out[16])
{
    unsigned char digest[32];
    TRY(envelope_digest(DIGEST_SHA_256, id, strlen(id), digest));
    memcpy(out, digest, 16);
    return RESULT_OK;
}
