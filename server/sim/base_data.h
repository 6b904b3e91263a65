/* base_data: the platform's lists 基础信息 as the device keeps them, a file beside the spool.
 *
 * Form:   first "# dicVersion=V entries=N", then CSV: table, code, name and what else an entry has; UTF-8.
 * Pure: text in and out. Thread: any thread. */
#ifndef NHJC_SIM_BASE_DATA_H
#define NHJC_SIM_BASE_DATA_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "soap/soap_client.h"

struct base_data_head {
    char dic_version[40];
    int64_t entries;
};

/* Appends the file; head tells what is in it. */
void base_data_write(const struct client_base_data_answer *answer, struct buf *out, struct base_data_head *head);
bool base_data_read(const struct buf *text, struct base_data_head *head); /* false: not such a file, or cut short */

#endif
