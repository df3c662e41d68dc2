#include "base/buf.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"
#include "store/s3_key_source.h"

#include <ctype.h>
#include <string.h>

enum { CREDENTIALS_FILE_MAX_BYTES = 256 * 1024 };

static const char *files_absence(const struct s3_key_setup *setup)
{
    return setup->access_key_file != NULL || setup->secret_key_file != NULL
               ? NULL
               : "no key files are configured";
}

static bool files_read(const struct s3_key_setup *setup, struct s3_keys *out, struct error *err)
{
    if (setup->access_key_file == NULL || setup->secret_key_file == NULL)
        return error_set(err, ERROR_USAGE,
                         "cannot use only one of access_key_file and secret_key_file");
    return secret_read_file(&out->access_key, setup->access_key_file, err) &&
           secret_read_file(&out->secret_key, setup->secret_key_file, err) &&
           (setup->session_token_file == NULL ||
            secret_read_file(&out->session_token, setup->session_token_file, err));
}

const struct s3_key_source s3_key_files = {
    .name = "files",
    .absence = files_absence,
    .read = files_read,
};

/* Cuts white space off both ends, in place. */
static char *trim(char *text)
{
    while (isspace((unsigned char)*text))
        text++;
    size_t len = strlen(text);
    while (len > 0 && isspace((unsigned char)text[len - 1]))
        len--;
    text[len] = '\0';
    return text;
}

/* What one profile says. */
struct profile {
    const char *name;
    struct s3_keys *keys;
    bool has_role;
};

/* One "name = value" line of the wanted profile; names that are not ours are skipped. */
static bool take_setting(char *line, struct profile *profile, struct error *err)
{
    char *equals = strchr(line, '=');
    if (equals == NULL)
        return true;
    *equals = '\0';
    const char *name = trim(line);
    const char *value = trim(equals + 1);
    const struct {
        const char *name;
        struct secret *to;
    } settings[] = {
        {"aws_access_key_id", &profile->keys->access_key},
        {"aws_secret_access_key", &profile->keys->secret_key},
        {"aws_session_token", &profile->keys->session_token},
    };
    if (strcmp(name, "role_arn") == 0)
        profile->has_role = true;
    for (size_t i = 0; i < ARRAY_LEN(settings); i++)
        if (strcmp(name, settings[i].name) == 0)
            return secret_set(settings[i].to, value, err);
    return true;
}

/* True for "[name]" and "[profile name]". */
static bool is_section(const char *line, const char *profile)
{
    size_t len = strlen(line);
    const char *name = line + 1;
    if (text_starts_with(name, "profile "))
        name += strlen("profile ");
    return line[len - 1] == ']' && strlen(profile) == len - 1 - (size_t)(name - line) &&
           strncmp(name, profile, strlen(profile)) == 0;
}

static bool parse_profile(char *text, struct profile *profile, struct error *err)
{
    bool wanted = false;
    char *rest = text;
    for (char *line = strsep(&rest, "\n"); line != NULL; line = strsep(&rest, "\n")) {
        line = trim(line);
        if (*line == '[')
            wanted = is_section(line, profile->name);
        else if (wanted && *line != '#' && *line != ';' && !take_setting(line, profile, err))
            return false;
    }
    return true;
}

static bool no_keys(const char *path, const struct profile *profile, struct error *err)
{
    (void)error_set(err, ERROR_USAGE, "credentials file \"%s\" has no keys for profile \"%s\"",
                    path, profile->name);
    return profile->has_role &&
           error_hint(err, "Its role_arn is not followed: use keys, or AWS_ROLE_ARN with "
                           "AWS_WEB_IDENTITY_TOKEN_FILE.");
}

static bool read_shared_file(const char *path, struct profile *profile, struct error *err)
{
    struct buf content;
    buf_init(&content, CREDENTIALS_FILE_MAX_BYTES);
    bool done = secret_read_private_file(path, &content, err);
    if (done) {
        buf_put_u8(&content, 0);
        done = buf_check(&content, "the credentials file", err) &&
               parse_profile((char *)content.data, profile, err);
    }
    secret_wipe(content.data, content.cap);
    buf_release(&content);
    if (done &&
        !(secret_is_set(&profile->keys->access_key) && secret_is_set(&profile->keys->secret_key)))
        return no_keys(path, profile, err);
    return done;
}

/* NULL with err filled when there is none. */
static char *shared_file_path(const struct s3_key_setup *setup, struct error *err)
{
    char *home = NULL;
    char *path = NULL;
    if (setup->credentials_file != NULL) {
        path = strdup(setup->credentials_file);
        if (path == NULL)
            (void)error_no_memory(err, "a path");
        return path;
    }
    if (!s3_key_variable(setup, "AWS_SHARED_CREDENTIALS_FILE", &path, err) || path != NULL ||
        !s3_key_variable(setup, "HOME", &home, err))
        return path;
    path = home == NULL ? NULL : text_format("%s/.aws/credentials", home);
    if (path == NULL)
        (void)error_set(err, ERROR_NOT_FOUND, "no home directory");
    free(home);
    return path;
}

static bool shared_read(const struct s3_key_setup *setup, struct s3_keys *out, struct error *err)
{
    CLEANUP(free_pointer) char *path = shared_file_path(setup, err);
    CLEANUP(free_pointer) char *name = NULL;
    if (path == NULL ||
        (setup->profile == NULL && !s3_key_variable(setup, "AWS_PROFILE", &name, err)))
        return false;
    struct profile profile = {.name = setup->profile, .keys = out};
    if (profile.name == NULL)
        profile.name = name == NULL ? "default" : name;
    return read_shared_file(path, &profile, err);
}

/* What nobody configured may be missing; a file that is there but cannot be read is an error. */
static const char *shared_absence(const struct s3_key_setup *setup)
{
    struct error err;
    struct s3_keys keys = {0};
    if (setup->credentials_file != NULL || setup->profile != NULL)
        return NULL;
    bool done = shared_read(setup, &keys, &err);
    s3_keys_release(&keys);
    if (done || (err.kind != ERROR_NOT_FOUND && err.kind != ERROR_USAGE))
        return NULL;
    return err.kind == ERROR_NOT_FOUND ? "there is no shared credentials file"
                                       : "the shared credentials file has no keys for the profile";
}

const struct s3_key_source s3_key_shared_file = {
    .name = "the shared credentials file",
    .absence = shared_absence,
    .read = shared_read,
};
