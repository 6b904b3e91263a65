#include "sim/spool_record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX_LEN 33 /* "NJ1 T CCCCCCCC HHHHHHHH DDDDDDDD\n" */

static uint32_t crc32_more(uint32_t crc, const void *bytes, size_t n)
{
    const unsigned char *p = bytes;
    for (size_t i = 0; i < n; i++) {
        crc ^= p[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = (crc >> 1) ^ (UINT32_C(0xEDB88320) & (0u - (crc & 1u)));
        }
    }
    return crc;
}

static uint32_t checksum(char type, const void *head, size_t head_len, const void *data, size_t data_len)
{
    uint32_t crc = crc32_more(UINT32_MAX, &type, 1);
    crc = crc32_more(crc, head, head_len);
    return ~crc32_more(crc, data, data_len);
}

void spool_record_write(struct buf *out, char type, const struct buf *head, const void *data, size_t data_len)
{
    buf_printf(out, "NJ1 %c %08x %08zx %08zx\n", type, (unsigned)checksum(type, head->data, head->len, data, data_len),
               head->len, data_len);
    buf_append(out, head->data, head->len);
    buf_append(out, data, data_len);
    buf_append_char(out, '\n');
}

static bool hex8(const char *text, unsigned long *value)
{
    char digits[9], *end;
    memcpy(digits, text, 8);
    digits[8] = '\0';
    if (strspn(digits, "0123456789abcdef") != 8) {
        return false;
    }
    *value = strtoul(digits, &end, 16);
    return true;
}

bool spool_record_read(const void *bytes, size_t len, struct spool_record *record)
{
    const char *p = bytes;
    unsigned long crc, head, data;
    if (len < PREFIX_LEN || memcmp(p, "NJ1 ", 4) != 0 || p[5] != ' ' || p[14] != ' ' || p[23] != ' ' ||
        p[PREFIX_LEN - 1] != '\n' || !hex8(p + 6, &crc) || !hex8(p + 15, &head) || !hex8(p + 24, &data) || head > len ||
        data > len || PREFIX_LEN + head + data + 1 > len) {
        return false;
    }
    *record = (struct spool_record){.type = p[4], .head = p + PREFIX_LEN, .head_len = head, .data_len = data};
    record->data = (const unsigned char *)p + PREFIX_LEN + head;
    record->size = PREFIX_LEN + head + data + 1;
    return p[record->size - 1] == '\n' && checksum(record->type, record->head, head, record->data, data) == crc;
}

bool spool_record_field(const struct spool_record *record, const char *key, char *out, size_t size)
{
    size_t key_len = strlen(key);
    const char *p = record->head, *end = record->head + record->head_len;
    while (p < end) {
        const char *line_end = memchr(p, '\n', (size_t)(end - p));
        size_t n = (size_t)((line_end ? line_end : end) - p);
        if (n > key_len && p[key_len] == '=' && memcmp(p, key, key_len) == 0) {
            snprintf(out, size, "%.*s", (int)(n - key_len - 1), p + key_len + 1);
            return true;
        }
        p += n + 1;
    }
    return false;
}
