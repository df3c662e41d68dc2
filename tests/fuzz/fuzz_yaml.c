/* Configuration files. */
#include "document/yaml.h"

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
    struct yaml_node *node;
    if (yaml_parse((const char *)data, size, "input", &node, &err))
        yaml_free(node);
    return 0;
}
