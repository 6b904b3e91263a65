#include "soap/texts.h"

#include <string.h>

#define PLACE "https://localhost"

const struct text *text_find(const char *name, const char *ending)
{
    size_t n = strlen(name);
    for (size_t i = 0; i < TEXT_COUNT; i++) {
        const char *rest = TEXTS[i].name + n;
        if (strncmp(TEXTS[i].name, name, n) == 0 && (strcmp(rest, ending) == 0 || (!*rest && strstr(name, ending))))
            return &TEXTS[i];
    }
    return NULL;
}

void text_wsdl(const struct text *wsdl, const char *base, struct buf *out)
{
    const char *p = wsdl->bytes, *end = p + wsdl->len, *place;
    buf_reserve(out, wsdl->len + 256);
    while ((place = memmem(p, (size_t)(end - p), PLACE, strlen(PLACE)))) {
        buf_append(out, p, (size_t)(place - p));
        buf_append_xml(out, base);
        p = place + strlen(PLACE);
    }
    buf_append(out, p, (size_t)(end - p));
}
