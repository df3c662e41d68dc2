/* What holds for every function that can fail: a refusal says why. For the fuzz targets. */
#ifndef FUZZ_OUTCOME_H
#define FUZZ_OUTCOME_H

#include "base/error.h"

#include <stdlib.h>

/* Gives done back. */
static inline bool outcome_check(bool done, const struct error *err)
{
    if (!done && (err->kind == ERROR_NONE || err->text[0] == '\0'))
        abort();
    return done;
}

/* For results that have nothing to be compared with: all that matters is that they were found
 * without harm. */
static inline void outcome_ignore(bool done)
{
    (void)done;
}

#endif
