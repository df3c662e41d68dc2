/*
 * A bounded queue between threads: what keeps memory under its ceiling. Pushing waits while it is
 * full, popping while it is empty. queue_close: no more pushes; pops drain the rest, then say so.
 * queue_abort: everybody returns at once and the content is left to queue_drain.
 */
#ifndef BASE_QUEUE_H
#define BASE_QUEUE_H

#include "base/error.h"

#include <pthread.h>
#include <stddef.h>

struct queue {
    void **items;
    size_t capacity;
    size_t count;
    size_t head;
    bool closed;
    bool aborted;
    pthread_mutex_t lock;
    pthread_cond_t changed;
};

MUST_CHECK bool queue_init(struct queue *queue, size_t capacity, struct error *err);
/* No thread may be in the queue any more; items still inside are not freed. */
void queue_release(struct queue *queue);

/* False when the queue was aborted (or closed): the item still belongs to the caller. */
MUST_CHECK bool queue_push(struct queue *queue, void *item);
/* NULL when closed and empty, or aborted. */
void *queue_pop(struct queue *queue);
/* NULL when there is nothing right now. Works after abort too: for cleaning up. */
void *queue_drain(struct queue *queue);
void queue_close(struct queue *queue);
void queue_abort(struct queue *queue);

#endif
