/*
 * A child of the daemon: started without a shell, in a process group of its own, its stdout read
 * into memory up to a stated maximum (what is beyond is thrown away), its stderr ours. A child
 * whose daemon died is sent SIGTERM by the kernel.
 */
#ifndef DAEMON_PROCESS_H
#define DAEMON_PROCESS_H

#include "base/buf.h"
#include "base/error.h"

#include <sys/types.h>

enum { PROCESS_OUTPUT_MAX_BYTES = 1024 * 1024 };

struct process {
    pid_t pid;      /* 0 = none */
    int out_fd;     /* not blocking; -1 = closed */
    struct buf out; /* what it printed so far */
    bool cut;       /* it printed more than that */
};

void process_init(struct process *process);
/* Ends nothing: the pid must have been waited for. */
void process_release(struct process *process);

/* argv[0] is a path. What the former child printed is forgotten. */
MUST_CHECK bool process_start(struct process *process, char *const *argv, struct error *err);
/* Takes what is there to read. */
void process_read(struct process *process);
/* Sends a signal to the child's group; nothing without a child. */
void process_signal(const struct process *process, int number);
/* The child was waited for: reads the rest, closes the pipe. */
void process_ended(struct process *process);

/* Of a status of waitpid, as shells give it: the exit code, or 128 + the signal. */
int process_exit_code(int status);

#endif
