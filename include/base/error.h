/*
 * What went wrong: for code (kind), for loops (retryable), for people (text, hint).
 *
 * The caller owns the struct, usually on its stack; everything is inline, so that nothing has to
 * be freed and reporting works when memory is short. A function that can fail takes
 * `struct error *err` last and returns false or NULL after filling it. On success err is untouched.
 *
 * Texts are lower case without a full stop, name the object and give the reason:
 * "could not open pack \"ab12\": permission denied". "could not" may work later, "cannot" never
 * will. A hint is one full sentence with the next step.
 */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include "base/macros.h"

#include <stdbool.h>
#include <stdint.h>

enum error_kind {
    ERROR_NONE,
    ERROR_USAGE,       /* the command line or the configuration is wrong */
    ERROR_INVALID,     /* input from outside is malformed */
    ERROR_NOT_FOUND,   /* the named object does not exist */
    ERROR_EXISTS,      /* create-only, and the object is already there */
    ERROR_CORRUPT,     /* stored data is damaged; verification failed */
    ERROR_REFUSED,     /* a safety rule says no */
    ERROR_UNSUPPORTED, /* a version or feature this build does not know */
    ERROR_DENIED,      /* authentication or authorisation */
    ERROR_UNAVAILABLE, /* the other side does not answer, or asks to slow down */
    ERROR_IO,          /* a system call failed */
    ERROR_NO_SPACE,    /* disk or quota full */
    ERROR_NO_MEMORY,   /* allocation failed, or a stated maximum was reached */
    ERROR_CANCELLED,   /* asked to stop (SIGTERM, SIGINT) */
};

struct error {
    enum error_kind kind;
    bool retryable;         /* the same call may succeed later, unchanged */
    int64_t retry_after_ms; /* the other side asked for this pause; 0 = it did not */
    char text[768];
    char hint[384];
};

/* Fills err (forgetting what it held) and returns false, so that callers can return the result. */
bool error_set(struct error *err, enum error_kind kind, const char *format, ...) FORMAT(3, 4);

/* The same with ": " and the text of errno appended; ENOENT, EEXIST, EACCES/EPERM and
 * ENOSPC/EDQUOT choose the kind, everything else is ERROR_IO. */
bool error_set_errno(struct error *err, int errno_value, const char *format, ...) FORMAT(3, 4);

/* Puts "context: " in front of the text. Each layer may do this once. Returns false. */
bool error_wrap(struct error *err, const char *format, ...) FORMAT(2, 3);

/* Sets the hint unless a lower layer knew better. Returns false. */
bool error_hint(struct error *err, const char *format, ...) FORMAT(2, 3);

/* ERROR_NO_MEMORY for one thing ("a page map"). Returns false. */
bool error_no_memory(struct error *err, const char *what);

/* Stable name for JSON and logs: "not_found". */
const char *error_kind_name(enum error_kind kind);

/* Process exit code: 0 done, 1 failed, 2 usage, 3 not found, 4 verification failed, 5 refused. */
int error_exit_code(enum error_kind kind);

/* The functions above always return false. Saying it where the compiler and the analysers see it
 * keeps them from following paths that do not exist ("used uninitialized" after a failure). */
#define error_set(...) (error_set(__VA_ARGS__), false)
#define error_set_errno(...) (error_set_errno(__VA_ARGS__), false)
#define error_wrap(...) (error_wrap(__VA_ARGS__), false)
#define error_hint(...) (error_hint(__VA_ARGS__), false)
#define error_no_memory(...) (error_no_memory(__VA_ARGS__), false)

#endif
