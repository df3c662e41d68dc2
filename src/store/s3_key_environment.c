#include "store/s3_key_source.h"

#include <string.h>

bool s3_key_has_variable(const struct s3_key_setup *setup, const char *name)
{
    const char *value = setup->getenv(name);
    return value != NULL && *value != '\0';
}

bool s3_key_variable(const struct s3_key_setup *setup, const char *name, char **out,
                     struct error *err)
{
    const char *value = setup->getenv(name);
    *out = value == NULL || *value == '\0' ? NULL : strdup(value);
    return *out != NULL || value == NULL || *value == '\0' ||
           error_no_memory(err, "a variable of the environment");
}

/* Sets the secret when the variable has a value. The next getenv may overwrite what this one gave.
 */
static bool take_variable(const struct s3_key_setup *setup, const char *name, struct secret *out,
                          struct error *err)
{
    const char *value = setup->getenv(name);
    return value == NULL || *value == '\0' || secret_set(out, value, err);
}

static const char *environment_absence(const struct s3_key_setup *setup)
{
    return s3_key_has_variable(setup, "AWS_ACCESS_KEY_ID") ? NULL : "AWS_ACCESS_KEY_ID is not set";
}

static bool environment_read(const struct s3_key_setup *setup, struct s3_keys *out,
                             struct error *err)
{
    if (!take_variable(setup, "AWS_ACCESS_KEY_ID", &out->access_key, err) ||
        !take_variable(setup, "AWS_SECRET_ACCESS_KEY", &out->secret_key, err) ||
        !take_variable(setup, "AWS_SESSION_TOKEN", &out->session_token, err))
        return false;
    return secret_is_set(&out->secret_key) ||
           error_set(err, ERROR_USAGE,
                     "cannot use AWS_ACCESS_KEY_ID without AWS_SECRET_ACCESS_KEY");
}

const struct s3_key_source s3_key_environment = {
    .name = "the environment",
    .absence = environment_absence,
    .read = environment_read,
};
