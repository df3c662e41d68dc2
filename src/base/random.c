#include "base/random.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

static uint64_t system_next(void *context)
{
    uint64_t value;
    (void)context;
    /* Requests of up to 256 bytes are never short; only a missing system call could fail. */
    while (getrandom(&value, sizeof value, 0) != (ssize_t)sizeof value) {
        if (errno != EINTR)
            abort();
    }
    return value;
}

const struct random_source random_system = {.next = system_next};

uint64_t random_next(const struct random_source *source)
{
    return source->next(source->context);
}

uint64_t random_below(const struct random_source *source, uint64_t limit)
{
    /* The bias of the remainder is below 2^-32 for every limit we use (pauses, samples). */
    return limit == 0 ? 0 : random_next(source) % limit;
}

void random_fill(const struct random_source *source, void *out, size_t len)
{
    uint8_t *to = out;
    while (len > 0) {
        uint64_t value = random_next(source);
        size_t part = len < sizeof value ? len : sizeof value;
        memcpy(to, &value, part);
        to += part;
        len -= part;
    }
}
