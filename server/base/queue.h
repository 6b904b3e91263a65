/* queue: a bounded queue of pointers between threads.
 *
 * For:    hand-over from loop to workers. Full is an answer (503 at the edge), never a wait.
 * Owner:  the queue borrows the pointers; whoever pops owns what they point to.
 * Thread: any thread, many producers and many consumers. */
#ifndef NHJC_BASE_QUEUE_H
#define NHJC_BASE_QUEUE_H

#include <stdbool.h>
#include <stddef.h>

struct queue;

struct queue *queue_new(size_t capacity);
void queue_free(struct queue **q);
bool queue_push(struct queue *q, void *item);     /* false: full, or closed */
void *queue_pop(struct queue *q, int timeout_ms); /* NULL: nothing in time, or closed and empty; <0 waits */
void queue_close(struct queue *q);                /* wakes all; what is inside can still be popped */
bool queue_closed(struct queue *q);
size_t queue_length(struct queue *q);

#endif
