/* spool_record: one record of the spool's journal as bytes.
 *
 * Form:   "NJ1 T CCCCCCCC HHHHHHHH DDDDDDDD\n" head data "\n": type, CRC-32 of type, head and data, lengths in hex;
 * head is key=value lines, so that a journal can be read with a pager. Pure:   bytes in, structs out; no file. Thread:
 * any thread. */
#ifndef NHJC_SIM_SPOOL_RECORD_H
#define NHJC_SIM_SPOOL_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct spool_record {
    char type; /* H journal, M message, D delivered, P position */
    const char *head;
    size_t head_len;
    const unsigned char *data;
    size_t data_len;
    size_t size; /* of the whole record */
};

void spool_record_write(struct buf *out, char type, const struct buf *head, const void *data, size_t data_len);
/* false: not one whole record with the right checksum. */
bool spool_record_read(const void *bytes, size_t len, struct spool_record *record);
/* The value of a key of the head, copied and cut to size; false: absent. */
bool spool_record_field(const struct spool_record *record, const char *key, char *out, size_t size);

#endif
