#include "daemon/process.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

enum { READ_BYTES = 16384, EXIT_CANNOT_START = 127 };

void process_init(struct process *process)
{
    *process = (struct process){.out_fd = -1};
    buf_init(&process->out, PROCESS_OUTPUT_MAX_BYTES);
}

void process_release(struct process *process)
{
    close_fd(&process->out_fd);
    buf_release(&process->out);
    process->pid = 0;
}

/* Between fork and exec: only what is safe while other threads may hold locks. */
static void become(char *const *argv, int out_fd, pid_t parent)
{
    sigset_t none;
    (void)setpgid(0, 0);
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent)
        _exit(EXIT_CANNOT_START);
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    int in_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (in_fd < 0 || dup2(in_fd, STDIN_FILENO) < 0 || dup2(out_fd, STDOUT_FILENO) < 0)
        _exit(EXIT_CANNOT_START);
    (void)execv(argv[0], argv);
    _exit(EXIT_CANNOT_START);
}

bool process_start(struct process *process, char *const *argv, struct error *err)
{
    int pipes[2];
    if (pipe2(pipes, O_CLOEXEC) != 0)
        return error_set_errno(err, errno, "could not make a pipe");
    CLEANUP(close_fd) int read_fd = pipes[0];
    CLEANUP(close_fd) int write_fd = pipes[1];
    if (fcntl(read_fd, F_SETFL, O_NONBLOCK) != 0)
        return error_set_errno(err, errno, "could not set up a pipe");
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid < 0)
        return error_set_errno(err, errno, "could not start \"%s\"", argv[0]);
    if (pid == 0)
        become(argv, write_fd, parent);
    (void)setpgid(pid, pid); /* here too: whoever comes first */
    close_fd(&process->out_fd);
    buf_clear(&process->out);
    process->pid = pid;
    process->out_fd = read_fd;
    process->cut = false;
    read_fd = -1;
    return true;
}

void process_read(struct process *process)
{
    uint8_t bytes[READ_BYTES];
    while (process->out_fd >= 0) {
        ssize_t got = read(process->out_fd, bytes, sizeof bytes);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && errno == EAGAIN)
            return;
        if (got <= 0) {
            close_fd(&process->out_fd);
            return;
        }
        size_t room = process->out.max_bytes - process->out.len;
        size_t len = (size_t)got < room ? (size_t)got : room;
        process->cut |= len < (size_t)got;
        buf_put(&process->out, bytes, len);
    }
}

void process_signal(const struct process *process, int number)
{
    if (process->pid > 0)
        (void)kill(-process->pid, number);
}

void process_ended(struct process *process)
{
    process_read(process);
    close_fd(&process->out_fd); /* somebody else may still hold the other end */
    process->pid = 0;
}

int process_exit_code(int status)
{
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
