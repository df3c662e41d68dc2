/* The file of a drill's assertions. */
#include "drill/drill_assertion.h"
#include "tests/fuzz/outcome.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
const char *__lsan_default_suppressions(void);

/* libfyaml 0.7 loses a buffer of its own on some malformed texts. */
const char *__lsan_default_suppressions(void)
{
    return "leak:libfyaml";
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error err;
    struct drill_assertions assertions;
    if (outcome_check(drill_assertions_parse((const char *)data, size, "input", &assertions, &err),
                      &err))
        drill_assertions_release(&assertions);
    return 0;
}
