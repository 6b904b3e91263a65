/* csv: lines of comma-separated text taken apart in place.
 *
 * Form:   RFC 4180 without line feeds inside quotes; LF or CRLF; a UTF-8 byte order mark is skipped.
 * Owner:  the text belongs to the caller and is changed: cells point into it.
 * Thread: any thread. */
#ifndef NHJC_SIM_CSV_H
#define NHJC_SIM_CSV_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/result.h"

#define CSV_MAX_CELLS 1000

/* The line at *cursor, ended by a NUL; *cursor moves to the next. NULL at the end of the text. */
char *csv_line(char **cursor);
/* Cells of a line, outer blanks removed. Returns their number; at most max are stored. */
size_t csv_split(char *line, char **cells, size_t max);
/* A whole file, "-" for standard input, unpacked when it is gzip. SENDER: cannot be read, or over max bytes. */
RESULT csv_read_file(const char *path, size_t max, struct buf *text);

#endif
