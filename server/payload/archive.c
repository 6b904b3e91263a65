#include "payload/archive.h"

#include <string.h>
#include <zip.h>

#include "base/log.h"
#include "base/mem.h"
#include "payload/envelope.h"

typedef struct result (*document_fn)(const char *name, const void *document, size_t len, void *arg);

static RESULT unpack_gzip(const void *bytes, size_t n, size_t max, document_fn fn, void *arg)
{
    struct buf plain = BUF_INIT;
    struct result r = envelope_gunzip(bytes, n, max, &plain);
    if (result_ok(r))
        r = fn("", plain.data, plain.len, arg);
    buf_free(&plain);
    return r;
}

/* The size a zip promises is not trusted: reading stops at the bound. */
static RESULT read_entry(zip_t *zip, zip_uint64_t index, size_t max, struct buf *out)
{
    zip_file_t *file = zip_fopen_index(zip, index, 0);
    if (!file)
        return result_error(ERR_SENDER, 2106,
                            "压缩包内文件无法打开（已加密或损坏） / zip entry cannot be opened (encrypted or damaged)");
    zip_int64_t got = 0;
    do {
        buf_reserve(out, 65536);
        got = zip_fread(file, out->data + out->len, 65536);
        out->len += got > 0 ? (size_t)got : 0;
    } while (got > 0 && out->len <= max);
    zip_fclose(file);
    if (got < 0)
        return result_error(ERR_SENDER, 2106, "压缩包内文件已损坏 / zip entry is damaged");
    return out->len > max
               ? result_error(ERR_LIMIT, 2106, "压缩包内文件大于规定的字节数 / zip entry is larger than %zu bytes", max)
               : RESULT_OK;
}

static RESULT each_entry(zip_t *zip, size_t max, document_fn fn, void *arg)
{
    zip_int64_t count = zip_get_num_entries(zip, 0);
    if (count > ARCHIVE_ENTRIES)
        return result_error(ERR_LIMIT, 2106, "压缩包内文件过多 / zip holds more than %d files", ARCHIVE_ENTRIES);
    struct buf plain = BUF_INIT;
    struct result r = RESULT_OK;
    for (zip_int64_t i = 0; i < count && result_ok(r); i++) {
        const char *name = zip_get_name(zip, (zip_uint64_t)i, 0);
        if (!name || !*name || name[strlen(name) - 1] == '/')
            continue;
        buf_clear(&plain);
        r = read_entry(zip, (zip_uint64_t)i, max, &plain);
        if (result_ok(r))
            r = fn(name, plain.data, plain.len, arg);
    }
    buf_free(&plain);
    return r;
}

static RESULT unpack_zip(const void *bytes, size_t n, size_t max, document_fn fn, void *arg)
{
    zip_error_t error;
    zip_error_init(&error);
    zip_source_t *source = zip_source_buffer_create(bytes, n, 0, &error);
    zip_t *zip = source ? zip_open_from_source(source, ZIP_RDONLY, &error) : NULL;
    if (!zip) {
        if (source)
            zip_source_free(source);
        zip_error_fini(&error);
        return result_error(ERR_SENDER, 2106, "不是可读的zip文件 / not a readable zip file");
    }
    struct result r = each_entry(zip, max, fn, arg);
    zip_discard(zip);
    zip_error_fini(&error);
    return r;
}

static bool starts_with(const void *bytes, size_t n, const char *magic, size_t len)
{
    return n >= len && memcmp(bytes, magic, len) == 0;
}

RESULT archive_each(const void *bytes, size_t n, size_t max, document_fn fn, void *arg)
{
    if (starts_with(bytes, n, "\x1f\x8b", 2))
        return unpack_gzip(bytes, n, max, fn, arg);
    if (starts_with(bytes, n, "PK\x03\x04", 4) || starts_with(bytes, n, "PK\x05\x06", 4))
        return unpack_zip(bytes, n, max, fn, arg);
    if (n > max)
        return result_error(ERR_LIMIT, 2106, "文件大于规定的字节数 / file is larger than %zu bytes", max);
    return fn("", bytes, n, arg);
}
