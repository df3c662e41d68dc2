/*
 * What this process gives up, so that a mistake in it is worth less to an attacker.
 *
 * harden_process() is for everything: no core file (RLIMIT_CORE), no reading of its memory by other
 * processes of the user (PR_SET_DUMPABLE), no new privileges by set-uid programs
 * (PR_SET_NO_NEW_PRIVS), files for nobody else (umask 077), descriptors that somebody left open for
 * no program that is started from here. Children inherit all but the second,
 * and are programs of ours or, in a drill, PostgreSQL's.
 *
 * harden_confine() is for what starts no program: the daemon's jobs (the same commands by hand or
 * by a CronJob, too) and its leader. From then on only the system calls on the list in harden.c
 * work (seccomp(2)): files, memory, threads, sockets to others. Not among them: starting or
 * becoming another program (execve, fork), other processes (kill, ptrace, process_vm_*), listening
 * for connections, other users (set*uid), mounts and name spaces, devices, kernel interfaces (bpf,
 * io_uring, keyctl, perf). Anything else ends the process by SIGSYS with a line on stderr that
 * names the call's number. Two are refused instead, because C libraries try them and have another
 * way: clone3 (ENOSYS) and sockets that are neither IP, Unix nor netlink (EAFNOSUPPORT).
 *
 *     confined      snapshot create, snapshot verify, snapshot expire, status, wal stream, notice
 *                   dispatch; mainstayd's leader
 *     not confined  mainstayd itself (it starts jobs), wal get (it forks), drills and restores
 *                   (PostgreSQL, other owners of files), what people run
 *
 * The program that prints the key of a repository (repository.key-command) is run before, and has
 * ended.
 *
 * The machine must be known: x86-64, AArch64 or RISC-V 64 with a kernel that has seccomp filters.
 */
#ifndef BASE_HARDEN_H
#define BASE_HARDEN_H

#include "base/error.h"

/* First of all in main: before threads, files and secrets. Cannot fail; what an odd kernel does not
 * know is left out. */
void harden_process(void);

/* Before the first thread. ERROR_REFUSED where it cannot be done: nobody runs unconfined who asked
 * to be confined. Programs built with AddressSanitizer stay unconfined: it traces itself. */
MUST_CHECK bool harden_confine(struct error *err);

#endif
