/* Manifests of adapters. */
#include "ticket/adapter.h"

#include <stdint.h>
#include <stdlib.h>

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
    struct adapter *adapter;
    if (!adapter_manifest_load((const char *)data, size, "input", &adapter, &err))
        return 0;
    if (*adapter->name == '\0' || adapter->chunk <= 0)
        abort();
    adapter_free(adapter);
    return 0;
}
