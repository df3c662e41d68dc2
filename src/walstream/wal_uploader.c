#include "wal_uploader.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

static void put_job(struct wal_uploader *uploader)
{
    const struct wal_upload *job = &uploader->job;
    uploader->succeeded = wal_chunk_put(uploader->repository, &job->source, job->start_lsn,
                                        job->bytes, job->len, &uploader->object_bytes,
                                        &uploader->failure);
}

static void *upload_thread(void *argument)
{
    struct wal_uploader *uploader = argument;
    (void)pthread_mutex_lock(&uploader->lock);
    for (;;) {
        while (uploader->state == UPLOADER_IDLE || uploader->state == UPLOADER_DONE)
            (void)pthread_cond_wait(&uploader->changed, &uploader->lock);
        if (uploader->state == UPLOADER_QUIT)
            break;
        (void)pthread_mutex_unlock(&uploader->lock);
        put_job(uploader);
        (void)pthread_mutex_lock(&uploader->lock);
        if (uploader->state == UPLOADER_BUSY)
            uploader->state = UPLOADER_DONE;
        (void)eventfd_write(uploader->wake_fd, 1);
    }
    (void)pthread_mutex_unlock(&uploader->lock);
    return NULL;
}

bool wal_uploader_open(struct wal_uploader *uploader, const struct repository *repository,
                       struct error *err)
{
    *uploader = (struct wal_uploader){.repository = repository, .state = UPLOADER_IDLE};
    uploader->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (uploader->wake_fd < 0)
        return error_set_errno(err, errno, "could not make an event descriptor");
    (void)pthread_mutex_init(&uploader->lock, NULL);
    (void)pthread_cond_init(&uploader->changed, NULL);
    int failed = pthread_create(&uploader->thread, NULL, upload_thread, uploader);
    uploader->running = failed == 0;
    return failed == 0 || error_set_errno(err, failed, "could not start a thread");
}

void wal_uploader_close(struct wal_uploader *uploader)
{
    if (uploader->running) {
        (void)pthread_mutex_lock(&uploader->lock);
        uploader->state = UPLOADER_QUIT;
        (void)pthread_cond_broadcast(&uploader->changed);
        (void)pthread_mutex_unlock(&uploader->lock);
        (void)pthread_join(uploader->thread, NULL);
        (void)pthread_mutex_destroy(&uploader->lock);
        (void)pthread_cond_destroy(&uploader->changed);
        uploader->running = false;
    }
    if (uploader->repository != NULL && uploader->wake_fd >= 0)
        (void)close(uploader->wake_fd);
    *uploader = (struct wal_uploader){.wake_fd = -1};
}

bool wal_uploader_is_idle(struct wal_uploader *uploader)
{
    (void)pthread_mutex_lock(&uploader->lock);
    bool idle = uploader->state == UPLOADER_IDLE;
    (void)pthread_mutex_unlock(&uploader->lock);
    return idle;
}

void wal_uploader_submit(struct wal_uploader *uploader, const struct wal_upload *job)
{
    (void)pthread_mutex_lock(&uploader->lock);
    uploader->job = *job;
    uploader->state = UPLOADER_BUSY;
    (void)pthread_cond_broadcast(&uploader->changed);
    (void)pthread_mutex_unlock(&uploader->lock);
}

bool wal_uploader_collect(struct wal_uploader *uploader, bool *out_done, struct error *err)
{
    eventfd_t ignored;
    (void)pthread_mutex_lock(&uploader->lock);
    *out_done = uploader->state == UPLOADER_DONE;
    if (*out_done) {
        (void)eventfd_read(uploader->wake_fd, &ignored);
        uploader->state = UPLOADER_IDLE;
    }
    bool succeeded = uploader->succeeded;
    if (*out_done && !succeeded)
        *err = uploader->failure;
    (void)pthread_mutex_unlock(&uploader->lock);
    return !*out_done || succeeded;
}
