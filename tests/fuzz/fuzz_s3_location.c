/* URLs of stores. */
#include "base/cleanup.h"
#include "store/s3_location.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error err;
    struct s3_location location;
    CLEANUP(free_pointer) char *url = strndup((const char *)data, size);
    if (url == NULL)
        abort();
    if (!s3_location_parse(&location, url, &err))
        return 0;
    size_t len = strlen(location.prefix);
    if (*location.bucket == '\0' || *location.host == '\0' ||
        (len > 0 && location.prefix[len - 1] != '/'))
        abort();
    s3_location_release(&location);
    return 0;
}
