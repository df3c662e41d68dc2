/* Bytes that are read a few at a time. */
#ifndef FUZZ_STEP_SOURCE_H
#define FUZZ_STEP_SOURCE_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct source {
    const uint8_t *next;
    size_t left;
    size_t step;
};

static bool read_step(void *context, void *out, size_t size, size_t *out_got, struct error *err)
{
    struct source *source = context;
    size_t len = source->left < source->step ? source->left : source->step;
    (void)err;
    if (len > size)
        len = size;
    memcpy(out, source->next, len);
    source->next += len;
    source->left -= len;
    *out_got = len;
    return true;
}

#endif
