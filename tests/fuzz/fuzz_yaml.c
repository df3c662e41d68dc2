/* Configuration files. */
#include "document/yaml.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error err;
    struct yaml_node *node;
    if (yaml_parse((const char *)data, size, "input", &node, &err))
        yaml_free(node);
    return 0;
}
