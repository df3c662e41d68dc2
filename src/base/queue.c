#include "base/queue.h"

#include <stdlib.h>

bool queue_init(struct queue *queue, size_t capacity, struct error *err)
{
    *queue = (struct queue){.capacity = capacity};
    queue->items = calloc(capacity, sizeof *queue->items);
    if (queue->items == NULL)
        return error_no_memory(err, "a queue");
    (void)pthread_mutex_init(&queue->lock, NULL);
    (void)pthread_cond_init(&queue->changed, NULL);
    return true;
}

void queue_release(struct queue *queue)
{
    if (queue->items == NULL)
        return;
    free(queue->items);
    queue->items = NULL;
    (void)pthread_mutex_destroy(&queue->lock);
    (void)pthread_cond_destroy(&queue->changed);
}

bool queue_push(struct queue *queue, void *item)
{
    (void)pthread_mutex_lock(&queue->lock);
    while (queue->count == queue->capacity && !queue->closed && !queue->aborted)
        (void)pthread_cond_wait(&queue->changed, &queue->lock);
    bool open = !queue->closed && !queue->aborted;
    if (open) {
        queue->items[(queue->head + queue->count) % queue->capacity] = item;
        queue->count++;
        (void)pthread_cond_broadcast(&queue->changed);
    }
    (void)pthread_mutex_unlock(&queue->lock);
    return open;
}

static void *take_first(struct queue *queue)
{
    if (queue->count == 0)
        return NULL;
    void *item = queue->items[queue->head];
    queue->head = (queue->head + 1) % queue->capacity;
    queue->count--;
    (void)pthread_cond_broadcast(&queue->changed);
    return item;
}

void *queue_pop(struct queue *queue)
{
    (void)pthread_mutex_lock(&queue->lock);
    while (queue->count == 0 && !queue->closed && !queue->aborted)
        (void)pthread_cond_wait(&queue->changed, &queue->lock);
    void *item = queue->aborted ? NULL : take_first(queue);
    (void)pthread_mutex_unlock(&queue->lock);
    return item;
}

void *queue_drain(struct queue *queue)
{
    (void)pthread_mutex_lock(&queue->lock);
    void *item = take_first(queue);
    (void)pthread_mutex_unlock(&queue->lock);
    return item;
}

void queue_close(struct queue *queue)
{
    (void)pthread_mutex_lock(&queue->lock);
    queue->closed = true;
    (void)pthread_cond_broadcast(&queue->changed);
    (void)pthread_mutex_unlock(&queue->lock);
}

void queue_abort(struct queue *queue)
{
    (void)pthread_mutex_lock(&queue->lock);
    queue->aborted = true;
    (void)pthread_cond_broadcast(&queue->changed);
    (void)pthread_mutex_unlock(&queue->lock);
}
