/* gzip with bounds. A member may inflate to at most `max` bytes, and past the first megabyte by no more than
 * RATIO_MAX: our XML compresses 10 to 100 times, deflate's own ceiling of 1,032 is reached by bombs only. */
#include <string.h>
#include <zlib.h>

#include "base/mem.h"
#include "payload/envelope.h"

#define WINDOW_GZIP (15 + 16)
#define RATIO_MAX 600
#define RATIO_FREE (1u << 20)
#define STEP 65536

struct inflating {
    z_stream z;
    struct buf *out;
    size_t start, max, input;
};

static struct result refuse_format(const unsigned char *bytes, size_t n)
{
    if (n && bytes[0] == '<') {
        return result_error(ERR_SENDER, 2106,
                            "内容是未压缩的XML，contentEncoding应为identity / content is plain XML, not gzip data: "
                            "contentEncoding should be identity");
    }
    if (n > 1 && (bytes[0] & 0x0F) == 8 && (bytes[0] * 256 + bytes[1]) % 31 == 0) {
        return result_error(ERR_SENDER, 2106,
                            "内容是zlib（deflate）数据，不是gzip / content is zlib (deflate) data, not gzip data");
    }
    return result_error(ERR_SENDER, 2106, "内容不是gzip数据 / content is not gzip data");
}

static bool beyond_bounds(const struct inflating *in)
{
    size_t plain = in->out->len - in->start, taken = in->input - in->z.avail_in;
    return plain > in->max || (plain > RATIO_FREE && plain / RATIO_MAX > taken);
}

/* One member to its end; the next may follow at once. */
static struct result inflate_member(struct inflating *in)
{
    for (;;) {
        size_t room = in->out->cap - in->out->len > STEP ? in->out->cap - in->out->len - 1 : STEP;
        buf_reserve(in->out, room);
        in->z.next_out = in->out->data + in->out->len;
        in->z.avail_out = (uInt)room;
        int status = inflate(&in->z, Z_NO_FLUSH);
        in->out->len += room - in->z.avail_out;
        if (beyond_bounds(in)) {
            return result_error(ERR_LIMIT, 2106, "内容解压后超过限值 / content unpacks to more than allowed");
        }
        if (status == Z_STREAM_END) {
            return RESULT_OK;
        }
        if (status == Z_MEM_ERROR) { /* not the sender's fault */
            return result_error(ERR_INTERNAL, 0, "zlib has no memory");
        }
        if (status != Z_OK || (in->z.avail_in == 0 && in->z.avail_out > 0)) {
            return result_error(ERR_SENDER, 2106,
                                in->z.avail_in ? "gzip数据已损坏 / gzip data is damaged"
                                               : "gzip数据不完整 / gzip data is cut off");
        }
    }
}

static struct result inflate_all(struct inflating *in)
{
    for (;;) {
        TRY(inflate_member(in));
        if (in->z.avail_in == 0) {
            return RESULT_OK;
        }
        if (in->z.next_in[0] != 0x1F || inflateReset(&in->z) != Z_OK) {
            return result_error(ERR_SENDER, 2106, "gzip数据之后还有多余内容 / there is something after the gzip data");
        }
    }
}

RESULT envelope_gunzip(const void *bytes, size_t n, size_t max, struct buf *out)
{
    const unsigned char *p = bytes;
    if (n < 18 || p[0] != 0x1F || p[1] != 0x8B) { /* 10 bytes of header, 8 of trailer */
        return refuse_format(p, n);
    }
    if (n > UINT32_MAX) {
        return result_error(ERR_LIMIT, 2106, "内容过大 / content is too large");
    }
    struct inflating in = {.out = out, .start = out->len, .max = max, .input = n};
    in.z.next_in = (Bytef *)(uintptr_t)p;
    in.z.avail_in = (uInt)n;
    if (inflateInit2(&in.z, WINDOW_GZIP) != Z_OK) {
        return result_error(ERR_INTERNAL, 0, "zlib does not start");
    }
    struct result r = inflate_all(&in);
    inflateEnd(&in.z);
    if (!result_ok(r)) {
        out->len = in.start;
    } else {
        buf_reserve(out, 1);
        out->data[out->len] = 0;
    }
    return r;
}

RESULT envelope_gzip(const void *plain, size_t n, struct buf *out)
{
    z_stream z = {0};
    if (n > UINT32_MAX / 2) {
        return result_error(ERR_LIMIT, 2106, "内容过大 / content is too large");
    }
    if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, WINDOW_GZIP, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
        return result_error(ERR_INTERNAL, 0, "zlib does not start");
    }
    size_t room = deflateBound(&z, n);
    buf_reserve(out, room + 1);
    z.next_in = (Bytef *)(uintptr_t)plain;
    z.avail_in = (uInt)n;
    z.next_out = out->data + out->len;
    z.avail_out = (uInt)room;
    int status = deflate(&z, Z_FINISH);
    out->len += room - z.avail_out;
    out->data[out->len] = 0;
    deflateEnd(&z);
    return status == Z_STREAM_END ? RESULT_OK : result_error(ERR_INTERNAL, 0, "zlib does not finish");
}
