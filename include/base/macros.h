/* The only macros of the tree, apart from test assertions. */
#ifndef BASE_MACROS_H
#define BASE_MACROS_H

#include <stddef.h>

/* A caller that drops the result does not compile (with -Werror). */
#define MUST_CHECK __attribute__((warn_unused_result))

/* printf checking: position of the format, position of the first argument. */
#define FORMAT(format_at, args_at) __attribute__((format(printf, format_at, args_at)))

/* Calls fn(&variable) when the variable leaves its scope. Releases only; never commits. */
#define CLEANUP(fn) __attribute__((cleanup(fn)))

/* Hands a pointer over: gives its value and leaves NULL behind, so that CLEANUP does nothing. */
#define TAKE(pointer)                           \
    __extension__({                             \
        __typeof__(pointer) taken_ = (pointer); \
        (pointer) = NULL;                       \
        taken_;                                 \
    })

#define ARRAY_LEN(array) (sizeof(array) / sizeof((array)[0]))

#endif
