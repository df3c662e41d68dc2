#include "drill_internal.h"

#include "base/cleanup.h"
#include "base/stop.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

enum { GROUPS_MAX = 64, EXIT_NOT_STARTED = 127, WAIT_US = 20000, END_TIMEOUT_US = 5000000 };

/* Everything that the child needs: made before the fork, because other threads may hold locks. */
struct launch {
    const struct drill_process *process;
    union { /* execve takes what it does not change */
        const char *const *given;
        char *const *taken;
    } argv;
    char **environment;
    gid_t groups[GROUPS_MAX];
    int group_count;
    int output_fd;
    pid_t parent;
};

/* Without PGPORT, PGDATA, PGOPTIONS and the like of whoever started the drill: the server and the
 * tools must see the scratch directory and nothing else. */
static char **clean_environment(void)
{
    size_t count = 0;
    while (environ[count] != NULL)
        count++;
    char **out = calloc(count + 1, sizeof *out);
    size_t kept = 0;
    for (size_t i = 0; out != NULL && i < count; i++)
        if (!text_starts_with(environ[i], "PG"))
            out[kept++] = environ[i];
    return out;
}

static void find_groups(struct launch *launch)
{
    const struct drill_process *process = launch->process;
    const struct passwd *entry = process->change_user ? getpwuid(process->uid) : NULL;
    launch->group_count = GROUPS_MAX;
    if (entry == NULL ||
        getgrouplist(entry->pw_name, process->gid, launch->groups, &launch->group_count) < 0)
        launch->group_count = 0;
}

/* After the fork: only what is safe in a signal handler. */
static void become(const struct launch *launch)
{
    const struct drill_process *process = launch->process;
    struct sigaction standard = {.sa_handler = SIG_DFL};
    sigset_t none;
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)sigaction(SIGPIPE, &standard, NULL);
    (void)setsid();
    if (process->change_user && (setgroups((size_t)launch->group_count, launch->groups) != 0 ||
                                 setgid(process->gid) != 0 || setuid(process->uid) != 0))
        _exit(EXIT_NOT_STARTED);
    /* Behind setuid, which forgets it. Who died before that is not our parent any more. */
    if (prctl(PR_SET_PDEATHSIG, process->death_signal) != 0 || getppid() != launch->parent)
        _exit(EXIT_NOT_STARTED);
    if (dup2(launch->output_fd, STDOUT_FILENO) < 0 || dup2(launch->output_fd, STDERR_FILENO) < 0 ||
        chdir(process->directory) != 0)
        _exit(EXIT_NOT_STARTED);
    (void)execve(process->argv[0], launch->argv.taken, launch->environment);
    _exit(EXIT_NOT_STARTED);
}

bool drill_process_start(const struct drill_process *process, pid_t *out_pid, struct error *err)
{
    struct launch launch = {
        .process = process, .argv = {.given = process->argv}, .parent = getpid()};
    CLEANUP(close_fd)
    int fd = open(process->output, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return error_set_errno(err, errno, "could not open \"%s\"", process->output);
    launch.output_fd = fd;
    launch.environment = clean_environment();
    if (launch.environment == NULL)
        return error_no_memory(err, "an environment");
    find_groups(&launch);
    pid_t pid = fork();
    if (pid == 0)
        become(&launch);
    free(launch.environment);
    if (pid < 0)
        return error_set_errno(err, errno, "could not start \"%s\"", process->argv[0]);
    *out_pid = pid;
    return true;
}

static void end_process(pid_t pid)
{
    (void)kill(pid, SIGTERM);
    for (int64_t waited_us = 0; waited_us < END_TIMEOUT_US; waited_us += WAIT_US) {
        if (waitpid(pid, NULL, WNOHANG) != 0)
            return;
        struct timespec pause = {.tv_nsec = WAIT_US * 1000L};
        (void)nanosleep(&pause, NULL);
    }
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
}

bool drill_process_run(const struct drill_process *process, const struct clock *clock,
                       int64_t timeout_us, int *out_status, struct error *err)
{
    pid_t pid;
    int status;
    if (!drill_process_start(process, &pid, err))
        return false;
    int64_t deadline_us = clock_monotonic_us(clock) + timeout_us;
    for (;;) {
        pid_t ended = waitpid(pid, &status, WNOHANG);
        if (ended == pid)
            break;
        if (!stop_check(err)) {
            end_process(pid);
            return false;
        }
        if (clock_monotonic_us(clock) > deadline_us) {
            end_process(pid);
            return error_set(err, ERROR_UNAVAILABLE, "\"%s\" did not end in time",
                             process->argv[0]);
        }
        clock_sleep_us(clock, WAIT_US);
    }
    *out_status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    if (*out_status == EXIT_NOT_STARTED)
        return error_set(err, ERROR_IO, "could not start \"%s\"", process->argv[0]);
    return true;
}
