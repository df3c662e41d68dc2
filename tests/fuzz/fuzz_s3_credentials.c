/* The shared credentials file, and the same bytes as a mounted key. */
#include "store/s3_credentials.h"
#include "tests/fuzz/memory_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *no_environment(const char *name)
{
    (void)name;
    return NULL;
}

static void feed(const struct s3_credentials_options *options)
{
    struct error err;
    struct s3_credentials *credentials;
    struct s3_keys keys = {0};
    if (!s3_credentials_open(options, &credentials, &err))
        return;
    if (s3_credentials_get(credentials, &keys, &err) &&
        (!secret_is_set(&keys.access_key) || !secret_is_set(&keys.secret_key)))
        abort();
    s3_keys_release(&keys);
    s3_credentials_close(credentials);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct memory_file file = memory_file_open(data, size);
    const struct s3_credentials_options shared = {
        .credentials_file = file.path, .profile = "default", .getenv = no_environment};
    const struct s3_credentials_options mounted = {
        .access_key_file = file.path, .secret_key_file = file.path, .getenv = no_environment};
    feed(&shared);
    feed(&mounted);
    memory_file_close(&file);
    return 0;
}
