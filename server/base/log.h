/* log: one line per event, fields over prose: time level module event key=value ….
 *
 * Never a payload, key, password or secret at any level. Control characters of every field are
 * written as escapes, so that no line can be forged; text from outside goes through log_quote(), so
 * that no field can be forged either.
 * Output: stderr or a file reopened on reload. Lines are written whole.
 * Thread: any thread. */
#ifndef NHJC_BASE_LOG_H
#define NHJC_BASE_LOG_H

#include "base/result.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

void log_set_level(enum log_level level);
enum log_level log_level_from_name(const char *name, enum log_level otherwise);
RESULT log_open(const char *path); /* NULL or "": stderr; also reopens */

/* fmt: "peer=%s uploads=%d": fields only. A line feed in the outcome is written as \n. */
void log_write(enum log_level level, const char *module, const char *event, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* An error that ends here: logged once, with kind and code. */
void log_result(enum log_level level, const char *module, const char *event, struct result r);
/* Quoted and escaped, cut at 200 bytes; valid until the thread has quoted 8 further texts. */
const char *log_quote(const char *text);

/* Tests: lines go to fn instead. NULL restores. */
void log_capture(void (*fn)(const char *line, void *arg), void *arg);

#endif
