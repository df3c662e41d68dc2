/*
 * A thread that puts one chunk of WAL into the store while the next one is received. It holds one
 * job at a time; what it borrows stays untouched until wal_uploader_collect said it is done.
 */
#ifndef WALSTREAM_WAL_UPLOADER_H
#define WALSTREAM_WAL_UPLOADER_H

#include "repository/wal_archive.h"

#include <pthread.h>

struct wal_upload {
    struct wal_source source;
    const void *bytes; /* borrowed */
    size_t len;
    uint64_t start_lsn;
};

struct wal_uploader {
    const struct repository *repository;
    struct wal_upload job;
    enum { UPLOADER_IDLE, UPLOADER_BUSY, UPLOADER_DONE, UPLOADER_QUIT } state;
    bool succeeded;
    uint64_t object_bytes;
    struct error failure;
    int wake_fd; /* an eventfd: readable when a job is done */
    pthread_t thread;
    bool running;
    pthread_mutex_t lock;
    pthread_cond_t changed;
};

MUST_CHECK bool wal_uploader_open(struct wal_uploader *uploader,
                                  const struct repository *repository, struct error *err);
/* Waits for the job at hand. */
void wal_uploader_close(struct wal_uploader *uploader);

bool wal_uploader_is_idle(struct wal_uploader *uploader);
/* Only when idle. */
void wal_uploader_submit(struct wal_uploader *uploader, const struct wal_upload *job);

/* *out_done: a job has ended (it is in uploader->job, its size in object_bytes), and the uploader
 * is idle. False with its error when it failed. */
MUST_CHECK bool wal_uploader_collect(struct wal_uploader *uploader, bool *out_done,
                                     struct error *err);

#endif
