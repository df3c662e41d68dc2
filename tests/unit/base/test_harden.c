#include "base/harden.h"

#include "base/cleanup.h"
#include "base/macros.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* What a child did: its wait status, and what it said on stderr. */
struct fate {
    int status;
    char said[1024];
};

static struct fate confined(int (*act)(void))
{
    struct fate fate = {0};
    struct error err;
    int pipes[2];
    assert_int_equal(pipe(pipes), 0);
    pid_t pid = fork();
    if (pid == 0) {
        (void)dup2(pipes[1], STDERR_FILENO);
        harden_process();
        _exit(harden_confine(&err) ? act() : 99);
    }
    (void)close(pipes[1]);
    size_t len = 0;
    ssize_t got;
    while ((got = read(pipes[0], fate.said + len, sizeof fate.said - 1 - len)) > 0)
        len += (size_t)got;
    (void)close(pipes[0]);
    assert_int_equal(waitpid(pid, &fate.status, 0), pid);
    return fate;
}

static int start_program(void)
{
    char name[] = "/bin/true";
    char *argv[] = {name, NULL};
    return execv(name, argv);
}

static int become_two(void)
{
    return fork() == 0 ? 0 : 1;
}

static int look_at_parent(void)
{
    return ptrace(PTRACE_ATTACH, getppid(), NULL, NULL) == 0 ? 0 : 1;
}

static int end_parent(void)
{
    return kill(getppid(), 0);
}

static int listen_for_others(void)
{
    return listen(socket(AF_INET, SOCK_STREAM, 0), 1);
}

static int new_name_space(void)
{
    return (int)syscall(SYS_unshare, 0);
}

static void test_what_is_not_on_the_list_ends_the_process_and_is_named(void **state)
{
    static const struct {
        int (*act)(void);
        long number;
    } forbidden[] = {{start_program, SYS_execve},     {become_two, SYS_clone},
                     {look_at_parent, SYS_ptrace},    {end_parent, SYS_kill},
                     {listen_for_others, SYS_listen}, {new_name_space, SYS_unshare}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(forbidden); i++) {
        char expected[64];
        struct fate fate = confined(forbidden[i].act);
        (void)snprintf(expected, sizeof expected, "mainstay: system call %ld is not one that",
                       forbidden[i].number);
        if (strstr(fate.said, expected) == NULL)
            fail_msg("expected \"%s\", got \"%s\" (status %x)", expected, fate.said,
                     (unsigned)fate.status);
        assert_non_null(strstr(fate.said, "process.seccomp"));
        assert_true(WIFSIGNALED(fate.status));
        assert_int_equal(WTERMSIG(fate.status), SIGSYS);
        assert_false(WCOREDUMP(fate.status));
    }
}

static void *nothing(void *context)
{
    return context;
}

/* Threads, files, connections, name look-ups: what jobs do. */
static int work(void)
{
    pthread_t thread;
    char path[] = "/tmp/mainstay-harden.XXXXXX";
    struct addrinfo *found = NULL;
    if (pthread_create(&thread, NULL, nothing, NULL) != 0 || pthread_join(thread, NULL) != 0)
        return 1;
    CLEANUP(close_fd) int fd = mkostemp(path, O_CLOEXEC);
    if (fd < 0 || write(fd, "x", 1) != 1 || fsync(fd) != 0 || unlink(path) != 0)
        return 2;
    if (getaddrinfo("localhost", "80", NULL, &found) != 0)
        return 3;
    freeaddrinfo(found);
    CLEANUP(close_fd) int stream = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (stream < 0)
        return 4;
    if (socket(AF_PACKET, SOCK_RAW, 0) >= 0 || errno != EAFNOSUPPORT)
        return 5;
    FILE *file = fopen("/proc/self/status", "re");
    (void)fclose(file);
    return file == NULL ? 6 : 0;
}

static void test_what_jobs_do_works(void **state)
{
    (void)state;
    struct fate fate = confined(work);
    assert_string_equal(fate.said, "");
    assert_true(WIFEXITED(fate.status));
    assert_int_equal(WEXITSTATUS(fate.status), 0);
}

/* A bit for each thing that is not as it should be. */
static int inspect(void)
{
    struct rlimit core;
    (void)getrlimit(RLIMIT_CORE, &core);
    return (core.rlim_cur != 0 || core.rlim_max != 0 ? 1 : 0) |
           (prctl(PR_GET_DUMPABLE) != 0 ? 2 : 0) |
           (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1 ? 4 : 0) | (umask(0) != 077 ? 8 : 0) |
           (prctl(PR_GET_SECCOMP) != 2 ? 16 : 0);
}

static void test_memory_and_files_are_private(void **state)
{
    (void)state;
    struct fate fate = confined(inspect);
    assert_true(WIFEXITED(fate.status));
    assert_int_equal(WEXITSTATUS(fate.status), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_not_on_the_list_ends_the_process_and_is_named),
        cmocka_unit_test(test_what_jobs_do_works),
        cmocka_unit_test(test_memory_and_files_are_private),
    };
#ifdef __SANITIZE_ADDRESS__
    (void)tests;
    (void)puts("1..0 # SKIP programs with AddressSanitizer are not confined");
    return 0;
#else
    return cmocka_run_group_tests(tests, NULL, NULL);
#endif
}
