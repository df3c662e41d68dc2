/* Releasing functions for CLEANUP(). They take the address of the variable and cannot fail. */
#ifndef BASE_CLEANUP_H
#define BASE_CLEANUP_H

#include <stdlib.h>
#include <unistd.h>

/* For any heap pointer: CLEANUP(free_pointer) char *text = NULL; */
static inline void free_pointer(void *address)
{
    void **pointer = address;
    free(*pointer);
    *pointer = NULL;
}

/* Written files are closed explicitly and checked before; then the variable is -1. */
static inline void close_fd(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
}

#endif
