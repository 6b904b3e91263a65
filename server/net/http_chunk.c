#include "net/http_chunk.h"

#include <string.h>

#include "base/mem.h"

#define CHUNK_MAX_DIGITS 15 /* fits in 60 bits; no honest size needs more */
#define CHUNK_OVERHEAD_PER_BYTE 8

void chunk_init(struct http_chunk *c, size_t max_body, size_t spare)
{
    memset(c, 0, sizeof(*c));
    c->max_body = max_body;
    c->spare = spare;
}

static int hex_value(uint8_t byte)
{
    if (byte >= '0' && byte <= '9') {
        return byte - '0';
    }
    if (byte >= 'a' && byte <= 'f') {
        return byte - 'a' + 10;
    }
    if (byte >= 'A' && byte <= 'F') {
        return byte - 'A' + 10;
    }
    return -1;
}

static enum chunk_event move(struct http_chunk *c, enum chunk_state to)
{
    c->state = to;
    return CHUNK_MORE;
}

static enum chunk_event on_size_first(struct http_chunk *c, uint8_t byte)
{
    int value = hex_value(byte);
    if (value < 0) {
        return CHUNK_MALFORMED;
    }
    c->remaining = (uint64_t)value;
    c->digits = 1;
    return move(c, CHUNK_SIZE);
}

static enum chunk_event on_size(struct http_chunk *c, uint8_t byte)
{
    int value = hex_value(byte);
    if (value >= 0) {
        c->remaining = c->remaining * 16 + (uint64_t)value;
        return ++c->digits > CHUNK_MAX_DIGITS ? CHUNK_MALFORMED : CHUNK_MORE;
    }
    if (byte == '\r') {
        return move(c, CHUNK_SIZE_LF);
    }
    /* Blanks before an extension are allowed ("bad whitespace") and seen in the field. */
    if (byte == ';' || byte == ' ' || byte == '\t') {
        return move(c, CHUNK_EXTENSION);
    }
    return CHUNK_MALFORMED;
}

/* Extensions and trailers are not used; only their bytes must not hide a line end. */
static enum chunk_event skip_line(struct http_chunk *c, uint8_t byte, enum chunk_state at_cr)
{
    if (byte == '\r') {
        return move(c, at_cr);
    }
    return (byte < 0x20 && byte != '\t') || byte == 0x7f ? CHUNK_MALFORMED : CHUNK_MORE;
}

static enum chunk_event on_extension(struct http_chunk *c, uint8_t byte)
{
    return skip_line(c, byte, CHUNK_SIZE_LF);
}

static enum chunk_event expect(struct http_chunk *c, uint8_t byte, uint8_t wanted, enum chunk_state next)
{
    return byte == wanted ? move(c, next) : CHUNK_MALFORMED;
}

static enum chunk_event on_size_lf(struct http_chunk *c, uint8_t byte)
{
    return expect(c, byte, '\n', c->remaining ? CHUNK_DATA : CHUNK_TRAILER);
}

static enum chunk_event on_data_cr(struct http_chunk *c, uint8_t byte)
{
    return expect(c, byte, '\r', CHUNK_DATA_LF);
}

static enum chunk_event on_data_lf(struct http_chunk *c, uint8_t byte)
{
    return expect(c, byte, '\n', CHUNK_SIZE_FIRST);
}

static enum chunk_event on_trailer(struct http_chunk *c, uint8_t byte)
{
    if (byte == '\r') {
        return move(c, CHUNK_LAST_LF);
    }
    c->state = CHUNK_TRAILER_LINE;
    return skip_line(c, byte, CHUNK_TRAILER_LF);
}

static enum chunk_event on_trailer_line(struct http_chunk *c, uint8_t byte)
{
    return skip_line(c, byte, CHUNK_TRAILER_LF);
}

static enum chunk_event on_trailer_lf(struct http_chunk *c, uint8_t byte)
{
    return expect(c, byte, '\n', CHUNK_TRAILER);
}

static enum chunk_event on_last_lf(struct http_chunk *c, uint8_t byte)
{
    enum chunk_event e = expect(c, byte, '\n', CHUNK_END);
    return e == CHUNK_MORE ? CHUNK_COMPLETE : e;
}

/* What one byte means in each state. CHUNK_DATA is taken in runs, CHUNK_END takes nothing. */
static enum chunk_event (*const byte_rules[])(struct http_chunk *, uint8_t) = {
    [CHUNK_SIZE_FIRST] = on_size_first, [CHUNK_SIZE] = on_size,       [CHUNK_EXTENSION] = on_extension,
    [CHUNK_SIZE_LF] = on_size_lf,       [CHUNK_DATA] = NULL,          [CHUNK_DATA_CR] = on_data_cr,
    [CHUNK_DATA_LF] = on_data_lf,       [CHUNK_TRAILER] = on_trailer, [CHUNK_TRAILER_LINE] = on_trailer_line,
    [CHUNK_TRAILER_LF] = on_trailer_lf, [CHUNK_LAST_LF] = on_last_lf, [CHUNK_END] = NULL,
};

static size_t take_data(struct http_chunk *c, const uint8_t *bytes, size_t n, struct buf *body)
{
    size_t take = n < c->remaining ? n : (size_t)c->remaining;
    buf_append(body, bytes, take);
    c->remaining -= take;
    if (c->remaining == 0) {
        c->state = CHUNK_DATA_CR;
    }
    return take;
}

static enum chunk_event take_byte(struct http_chunk *c, uint8_t byte, const struct buf *body)
{
    enum chunk_event e = byte_rules[c->state](c, byte);
    if (e != CHUNK_MORE) {
        return e;
    }
    /* Refused when announced, before the data is read. */
    if (c->state == CHUNK_DATA && c->remaining > c->max_body - body->len) {
        return CHUNK_TOO_LARGE;
    }
    if (++c->overhead > c->spare + CHUNK_OVERHEAD_PER_BYTE * (uint64_t)body->len) {
        return CHUNK_OVERHEAD;
    }
    return CHUNK_MORE;
}

enum chunk_event chunk_feed(struct http_chunk *c, const uint8_t *bytes, size_t n, size_t *used, struct buf *body)
{
    size_t i = 0;
    enum chunk_event e = c->state == CHUNK_END ? CHUNK_COMPLETE : CHUNK_MORE;
    while (i < n && e == CHUNK_MORE) {
        if (c->state == CHUNK_DATA) {
            i += take_data(c, bytes + i, n - i, body);
        } else {
            e = take_byte(c, bytes[i++], body);
        }
    }
    *used = i;
    return e;
}
