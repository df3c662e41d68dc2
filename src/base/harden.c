#include "base/harden.h"

#include "base/macros.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

void harden_process(void)
{
    struct rlimit none = {0, 0};
    (void)setrlimit(RLIMIT_CORE, &none);
    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    (void)close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
    (void)umask(077);
}

/* ---- the list ---- */

#if defined(__x86_64__)
#define MACHINE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define MACHINE AUDIT_ARCH_AARCH64
#elif defined(__riscv) && __riscv_xlen == 64
#define MACHINE AUDIT_ARCH_RISCV64
#endif

#ifdef __SANITIZE_ADDRESS__
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

#ifdef MACHINE

/* clang-format off */
static const int allowed[] = {
    /* data: first, because it is asked for most */
    SYS_read,
    SYS_write,
    SYS_pread64,
    SYS_pwrite64,
    SYS_readv,
    SYS_writev,
    SYS_preadv,
    SYS_pwritev,
    SYS_recvfrom,
    SYS_sendto,
    SYS_recvmsg,
    SYS_sendmsg,
    SYS_recvmmsg,
    SYS_sendmmsg,
    SYS_sendfile,
    SYS_copy_file_range,
    /* waiting and time */
    SYS_futex,
    SYS_ppoll,
    SYS_pselect6,
    SYS_epoll_create1,
    SYS_epoll_ctl,
    SYS_epoll_pwait,
    SYS_eventfd2,
    SYS_timerfd_create,
    SYS_timerfd_settime,
    SYS_clock_gettime,
    SYS_clock_getres,
    SYS_clock_nanosleep,
    SYS_nanosleep,
    SYS_gettimeofday,
    SYS_restart_syscall,
    /* memory; executable too: name services and character sets are libraries that are loaded late
     */
    SYS_mmap,
    SYS_munmap,
    SYS_mremap,
    SYS_mprotect,
    SYS_madvise,
    SYS_brk,
    SYS_mlock,
    SYS_munlock,
    SYS_membarrier,
    /* files */
    SYS_openat,
    SYS_close,
    SYS_close_range,
    SYS_lseek,
    SYS_fstat,
    SYS_newfstatat,
    SYS_statx,
    SYS_faccessat,
    SYS_faccessat2,
    SYS_readlinkat,
    SYS_getdents64,
    SYS_fcntl,
    SYS_flock,
    SYS_dup,
    SYS_dup3,
    SYS_pipe2,
    SYS_ftruncate,
    SYS_fallocate,
    SYS_fsync,
    SYS_fdatasync,
    SYS_sync_file_range,
    SYS_fadvise64,
    SYS_mkdirat,
    SYS_renameat2,
    SYS_linkat,
    SYS_unlinkat,
    SYS_fchmod,
    SYS_fchmodat,
    SYS_utimensat,
    SYS_umask,
    SYS_statfs,
    SYS_fstatfs,
    SYS_getcwd,
    SYS_ioctl,
    /* connections to others */
    SYS_connect,
    SYS_bind,
    SYS_shutdown,
    SYS_getsockname,
    SYS_getpeername,
    SYS_setsockopt,
    SYS_getsockopt,
    SYS_socketpair,
    /* threads, signals to itself, what it is, its end */
    SYS_set_robust_list,
    SYS_get_robust_list,
    SYS_set_tid_address,
    SYS_sched_yield,
    SYS_sched_getaffinity,
    SYS_sched_getparam,
    SYS_sched_getscheduler,
    SYS_rt_sigaction,
    SYS_rt_sigprocmask,
    SYS_rt_sigreturn,
    SYS_rt_sigtimedwait,
    SYS_rt_sigsuspend,
    SYS_sigaltstack,
    SYS_tgkill,
    SYS_getpid,
    SYS_gettid,
    SYS_getppid,
    SYS_getpgid,
    SYS_getsid,
    SYS_getuid,
    SYS_geteuid,
    SYS_getgid,
    SYS_getegid,
    SYS_getresuid,
    SYS_getresgid,
    SYS_getgroups,
    SYS_getcpu,
    SYS_getrandom,
    SYS_uname,
    SYS_sysinfo,
    SYS_prlimit64,
    SYS_getrusage,
    SYS_times,
    SYS_prctl,
    SYS_exit,
    SYS_exit_group,
#ifdef SYS_rseq
    SYS_rseq,
#endif
#ifdef SYS_futex_waitv
    SYS_futex_waitv,
#endif
#ifdef SYS_renameat /* not on RISC-V */
    SYS_renameat,
    SYS_getrlimit,
#endif
#ifdef __x86_64__ /* the older names of what is above */
    SYS_open,
    SYS_stat,
    SYS_lstat,
    SYS_access,
    SYS_readlink,
    SYS_getdents,
    SYS_dup2,
    SYS_pipe,
    SYS_mkdir,
    SYS_rmdir,
    SYS_rename,
    SYS_link,
    SYS_unlink,
    SYS_chmod,
    SYS_poll,
    SYS_select,
    SYS_epoll_create,
    SYS_epoll_wait,
    SYS_eventfd,
    SYS_time,
    SYS_getpgrp,
    SYS_arch_prctl,
#endif
};
/* clang-format on */

/* ---- as a filter ---- */

enum { PROGRAM_MAX = 2 * ARRAY_LEN(allowed) + 32 };

struct program {
    struct sock_filter code[PROGRAM_MAX];
    unsigned short len;
};

static void put(struct program *program, struct sock_filter instruction)
{
    program->code[program->len++] = instruction;
}

static void put_load(struct program *program, size_t offset)
{
    put(program, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset));
}

static void put_return(struct program *program, uint32_t verdict)
{
    put(program, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, verdict));
}

/* What follows is the verdict if the value that was loaded is this one. */
static void put_if(struct program *program, long value, uint32_t verdict)
{
    put(program, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)value, 0, 1));
    put_return(program, verdict);
}

/* The low half of an argument; the kernel reads no more of those that are looked at here. */
static size_t argument(size_t at)
{
    size_t low = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? 0 : sizeof(uint32_t);
    return offsetof(struct seccomp_data, args) + at * sizeof(uint64_t) + low;
}

static void put_sockets(struct program *program)
{
    static const int families[] = {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK};
    enum { LEN = 2 + 2 * ARRAY_LEN(families) };
    put(program, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, LEN));
    put_load(program, argument(0));
    for (size_t i = 0; i < ARRAY_LEN(families); i++)
        put_if(program, families[i], SECCOMP_RET_ALLOW);
    put_return(program, SECCOMP_RET_ERRNO | EAFNOSUPPORT);
}

/* A thread, not a process. */
static void put_threads(struct program *program)
{
    put_if(program, SYS_clone3, SECCOMP_RET_ERRNO | ENOSYS);
    put(program, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 4));
    put_load(program, argument(0));
    put(program, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, CLONE_THREAD, 0, 1));
    put_return(program, SECCOMP_RET_ALLOW);
    put_return(program, SECCOMP_RET_TRAP);
}

static void make_program(struct program *program)
{
    program->len = 0;
    put_load(program, offsetof(struct seccomp_data, arch));
    put(program, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MACHINE, 1, 0));
    put_return(program, SECCOMP_RET_KILL_PROCESS);
    put_load(program, offsetof(struct seccomp_data, nr));
    for (size_t i = 0; i < ARRAY_LEN(allowed); i++)
        put_if(program, allowed[i], SECCOMP_RET_ALLOW);
    put_sockets(program);
    put_threads(program);
    put_return(program, SECCOMP_RET_TRAP);
}

/* ---- what happens to others ---- */

/* Only what is safe in a signal handler. The default action then ends the process, as the kernel
 * would have done, so that whoever waits for it sees SIGSYS. */
static void on_forbidden_call(int number, siginfo_t *info, void *context)
{
    static const char begin[] = "mainstay: system call ";
    static const char end[] =
        " is not one that this job may make: it ends here\n"
        "Set process.seccomp to \"no\" (MAINSTAY_PROCESS_SECCOMP=no, mainstayd "
        "--no-seccomp) if this system needs it.\n";
    char digits[12];
    size_t at = sizeof digits;
    unsigned left = (unsigned)info->si_syscall;
    (void)context;
    do {
        digits[--at] = (char)('0' + left % 10);
        left /= 10;
    } while (left > 0 && at > 0);
    if (write(STDERR_FILENO, begin, sizeof begin - 1) < 0 ||
        write(STDERR_FILENO, digits + at, sizeof digits - at) < 0 ||
        write(STDERR_FILENO, end, sizeof end - 1) < 0)
        _exit(128 + number);
    struct sigaction standard = {.sa_handler = SIG_DFL};
    sigset_t this_one;
    (void)sigemptyset(&this_one);
    (void)sigaddset(&this_one, number);
    (void)sigaction(number, &standard, NULL);
    (void)pthread_sigmask(SIG_UNBLOCK, &this_one, NULL);
    (void)raise(number);
    _exit(128 + number);
}

static bool refuse(struct error *err)
{
    (void)error_set(err, ERROR_REFUSED, "could not limit the system calls of this process: %s",
                    strerrordesc_np(errno));
    return error_hint(err, "Set process.seccomp to \"no\" (MAINSTAY_PROCESS_SECCOMP=no, mainstayd "
                           "--no-seccomp) where the kernel cannot do it.");
}

bool harden_confine(struct error *err)
{
    struct program program;
    struct sigaction action = {.sa_sigaction = on_forbidden_call, .sa_flags = SA_SIGINFO};
    if (SANITIZED)
        return true;
    make_program(&program);
    const struct sock_fprog filter = {.len = program.len, .filter = program.code};
    if (sigaction(SIGSYS, &action, NULL) != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0)
        return refuse(err);
    return true;
}

#else

bool harden_confine(struct error *err)
{
    (void)error_set(err, ERROR_REFUSED,
                    "cannot limit the system calls of this process: the machine is not known");
    return error_hint(err, "Set process.seccomp to \"no\" (MAINSTAY_PROCESS_SECCOMP=no, mainstayd "
                           "--no-seccomp).");
}

#endif
