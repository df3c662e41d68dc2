#include "base/workers.h"

#include <pthread.h>
#include <stddef.h>
#include <unistd.h>

enum { THREADS_MAX = 64 };

struct workers {
    worker_fn run;
    void *context;
    pthread_mutex_t lock;
    bool failed;
    struct error err;
};

int workers_count(int wanted, int max)
{
    if (wanted > 0)
        return wanted < THREADS_MAX ? wanted : THREADS_MAX;
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    if (processors < 1)
        return 1;
    return processors < max ? (int)processors : max;
}

static void *run_one(void *argument)
{
    struct workers *workers = argument;
    struct error err;
    if (workers->run(workers, workers->context, &err))
        return NULL;
    (void)pthread_mutex_lock(&workers->lock);
    if (!workers->failed)
        workers->err = err;
    workers->failed = true;
    (void)pthread_mutex_unlock(&workers->lock);
    return NULL;
}

bool workers_run(int count, worker_fn run, void *context, struct error *err)
{
    pthread_t threads[THREADS_MAX];
    struct workers workers = {.run = run, .context = context};
    int started = 0;
    (void)pthread_mutex_init(&workers.lock, NULL);
    while (started < count && started < THREADS_MAX &&
           pthread_create(&threads[started], NULL, run_one, &workers) == 0)
        started++;
    if (started == 0)
        (void)run_one(&workers);
    for (int i = 0; i < started; i++)
        (void)pthread_join(threads[i], NULL);
    (void)pthread_mutex_destroy(&workers.lock);
    if (workers.failed)
        *err = workers.err;
    return !workers.failed;
}

bool workers_failed(struct workers *workers)
{
    (void)pthread_mutex_lock(&workers->lock);
    bool failed = workers->failed;
    (void)pthread_mutex_unlock(&workers->lock);
    return failed;
}
