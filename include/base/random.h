/* Randomness as a parameter: code that jitters or names takes a source, so that tests repeat. */
#ifndef BASE_RANDOM_H
#define BASE_RANDOM_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

struct random_source {
    uint64_t (*next)(void *context);
    void *context;
};

/* The kernel's generator. */
extern const struct random_source random_system;

uint64_t random_next(const struct random_source *source);
/* Uniform in [0, limit); 0 for limit 0. */
uint64_t random_below(const struct random_source *source, uint64_t limit);
void random_fill(const struct random_source *source, void *out, size_t len);

#endif
