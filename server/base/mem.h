/* mem: allocation that never returns NULL.
 *
 * Why: every input is bounded before memory is taken for it (limits in net, payload and arena), so
 * running out of memory means the machine is out of memory. Then the process logs one line and
 * aborts; nothing acknowledged is lost (the acknowledgement follows the commit), and the service
 * manager starts it again.
 * Thread: any thread. */
#ifndef NHJC_BASE_MEM_H
#define NHJC_BASE_MEM_H

#include <stddef.h>

#define MEM_NEVER_NULL __attribute__((returns_nonnull))

MEM_NEVER_NULL void *mem_alloc(size_t size);               /* gives zeroed bytes; free with mem_free */
MEM_NEVER_NULL void *mem_array(size_t count, size_t size); /* as mem_alloc, overflow checked */
MEM_NEVER_NULL void *mem_grow(void *old, size_t size);     /* takes old, gives the larger; new bytes undefined */
char *mem_strdup(const char *text);                        /* gives a copy; NULL stays NULL */
char *mem_strndup(const char *text, size_t len);
MEM_NEVER_NULL char *mem_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void mem_free(void *p); /* NULL is fine */

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#endif
