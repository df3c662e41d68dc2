/*
 * One line on a terminal that says how far a job is, rewritten twice a second by a thread of its
 * own. In a pipe, with --json or with JSON logs nothing is shown.
 */
#ifndef CLI_PROGRESS_VIEW_H
#define CLI_PROGRESS_VIEW_H

#include "base/progress.h"
#include "cli/command.h"

#include <pthread.h>

enum { PROGRESS_LINE_SIZE = 256 };

/* What the line is made of. */
struct progress_sample {
    const char *phase;
    uint64_t bytes_done;
    uint64_t bytes_total; /* 0 = unknown */
    uint64_t bytes_stored;
    uint64_t bytes_per_second; /* 0 = not known yet */
};

/* "copying  1.2 GiB of 4.0 GiB (30 %), 180.0 MiB/s, 16.0 s left, 300.0 MiB in the store" */
const char *progress_line(const struct progress_sample *sample, char out[PROGRESS_LINE_SIZE]);

struct progress_view {
    struct progress *progress; /* borrowed */
    FILE *terminal;
    bool running;
    bool ending;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
};

/* Starts the thread where there is a terminal; a thread that cannot be had is no failure. */
void progress_view_start(struct progress_view *view, struct progress *progress,
                         const struct invocation *call);
/* Ends the thread and clears the line. For CLEANUP as well: a second call does nothing. */
void progress_view_stop(struct progress_view *view);

#endif
