#include "sim/csv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "payload/envelope.h"

char *csv_line(char **cursor)
{
    char *line = *cursor;
    if (!*line) {
        return NULL;
    }
    char *end = strchr(line, '\n');
    if (end) {
        *end = '\0';
        *cursor = end + 1;
    } else {
        end = line + strlen(line);
        *cursor = end;
    }
    if (end > line && end[-1] == '\r') {
        end[-1] = '\0';
    }
    return line;
}

/* Takes the quotes off in place and returns what follows the closing quote. */
static char *unquote(char *text)
{
    char *from = text + 1, *to = text;
    while (*from && (*from != '"' || from[1] == '"')) {
        from += *from == '"' ? 1 : 0;
        *to++ = *from++;
    }
    char *rest = *from ? from + 1 : from;
    *to = '\0';
    return rest;
}

static void trim_end(char *text)
{
    size_t n = strlen(text);
    while (n && (text[n - 1] == ' ' || text[n - 1] == '\t')) {
        text[--n] = '\0';
    }
}

size_t csv_split(char *line, char **cells, size_t max)
{
    size_t count = 0;
    char *p = line;
    for (;;) {
        while (*p == ' ' || *p == '\t') {
            p++;
        }
        char *cell = p;
        bool quoted = *p == '"';
        if (quoted) {
            p = unquote(p);
        }
        p += strcspn(p, ",");
        char separator = *p;
        *p = '\0';
        if (!quoted) {
            trim_end(cell);
        }
        if (count < max) {
            cells[count] = cell;
        }
        count++;
        if (!separator) {
            return count;
        }
        p++;
    }
}

static RESULT read_stream(FILE *f, const char *path, size_t max, struct buf *out)
{
    char block[65536];
    size_t n;
    while ((n = fread(block, 1, sizeof block, f)) > 0) {
        buf_append(out, block, n);
        if (out->len > max) {
            return result_error(ERR_SENDER, 0, "%s: 文件过大 / larger than %zu bytes", path, max);
        }
    }
    if (ferror(f)) {
        return result_error(ERR_SENDER, 0, "%s: %s", path, strerror(errno));
    }
    return RESULT_OK;
}

static RESULT unpack(const char *path, size_t max, struct buf *text)
{
    struct buf plain = BUF_INIT;
    struct result r = envelope_gunzip(text->data, text->len, max, &plain);
    if (!result_ok(r)) {
        buf_free(&plain);
        return result_error(ERR_SENDER, 0, "%s: %s", path, r.text);
    }
    buf_free(text);
    *text = plain;
    return RESULT_OK;
}

RESULT csv_read_file(const char *path, size_t max, struct buf *text)
{
    bool standard = strcmp(path, "-") == 0;
    FILE *f = standard ? stdin : fopen(path, "rbe");
    if (!f) {
        return result_error(ERR_SENDER, 0, "%s: %s", path, strerror(errno));
    }
    struct result r = read_stream(f, path, max, text);
    if (!standard) {
        fclose(f);
    }
    TRY(r);
    if (text->len > 2 && text->data[0] == 0x1f && text->data[1] == 0x8b) {
        TRY(unpack(path, max, text));
    }
    if (text->len >= 3 && memcmp(text->data, "\xEF\xBB\xBF", 3) == 0) {
        buf_consume(text, 3);
    }
    if (text->len && memchr(text->data, 0, text->len)) {
        return result_error(ERR_SENDER, 0, "%s: 不是文本文件 / not a text file", path);
    }
    return RESULT_OK;
}
