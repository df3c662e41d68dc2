#include "store/s3_credentials.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"

#include <ctype.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { CREDENTIALS_FILE_MAX_BYTES = 256 * 1024 };

struct s3_credentials {
    char *access_key_file; /* copies of the options; NULL when not given */
    char *secret_key_file;
    char *session_token_file;
    char *credentials_file;
    char *profile;
    char *(*getenv)(const char *name);
    pthread_mutex_t lock;
    struct s3_keys keys;
};

void s3_keys_release(struct s3_keys *keys)
{
    secret_release(&keys->access_key);
    secret_release(&keys->secret_key);
    secret_release(&keys->session_token);
}

static bool both_set(const struct s3_keys *keys)
{
    return secret_is_set(&keys->access_key) && secret_is_set(&keys->secret_key);
}

static bool read_files(const struct s3_credentials *from, struct s3_keys *out, struct error *err)
{
    if (from->access_key_file == NULL || from->secret_key_file == NULL)
        return error_set(err, ERROR_USAGE,
                         "cannot use only one of access_key_file and secret_key_file");
    return secret_read_file(&out->access_key, from->access_key_file, err) &&
           secret_read_file(&out->secret_key, from->secret_key_file, err) &&
           (from->session_token_file == NULL ||
            secret_read_file(&out->session_token, from->session_token_file, err));
}

/* An empty variable counts as unset. */
static const char *environment(const struct s3_credentials *from, const char *name)
{
    const char *value = from->getenv(name);
    return value != NULL && *value != '\0' ? value : NULL;
}

/* Sets the secret when the variable has a value. The next getenv may overwrite what this one gave.
 */
static bool take_variable(const struct s3_credentials *from, const char *name, struct secret *out,
                          struct error *err)
{
    const char *value = environment(from, name);
    return value == NULL || secret_set(out, value, err);
}

static bool read_environment(const struct s3_credentials *from, struct s3_keys *out,
                             struct error *err)
{
    if (!take_variable(from, "AWS_ACCESS_KEY_ID", &out->access_key, err) ||
        !take_variable(from, "AWS_SECRET_ACCESS_KEY", &out->secret_key, err) ||
        !take_variable(from, "AWS_SESSION_TOKEN", &out->session_token, err))
        return false;
    if (!secret_is_set(&out->secret_key))
        return error_set(err, ERROR_USAGE,
                         "cannot use AWS_ACCESS_KEY_ID without AWS_SECRET_ACCESS_KEY");
    return true;
}

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

/* One "name = value" line of the wanted profile; names that are not ours are skipped. */
static bool take_setting(char *line, struct s3_keys *out, struct error *err)
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
        {"aws_access_key_id", &out->access_key},
        {"aws_secret_access_key", &out->secret_key},
        {"aws_session_token", &out->session_token},
    };
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

static bool parse_profile(char *text, const char *profile, struct s3_keys *out, struct error *err)
{
    bool wanted = false;
    char *rest = text;
    for (char *line = strsep(&rest, "\n"); line != NULL; line = strsep(&rest, "\n")) {
        line = trim(line);
        if (*line == '[')
            wanted = is_section(line, profile);
        else if (wanted && *line != '#' && *line != ';' && !take_setting(line, out, err))
            return false;
    }
    return true;
}

static bool read_shared_file(const char *path, const char *profile, struct s3_keys *out,
                             struct error *err)
{
    struct buf content;
    buf_init(&content, CREDENTIALS_FILE_MAX_BYTES);
    bool done = secret_read_private_file(path, &content, err);
    if (done) {
        buf_put_u8(&content, 0);
        done = buf_check(&content, "the credentials file", err) &&
               parse_profile((char *)content.data, profile, out, err);
    }
    secret_wipe(content.data, content.cap);
    buf_release(&content);
    if (done && !both_set(out))
        return error_set(err, ERROR_USAGE, "credentials file \"%s\" has no keys for profile \"%s\"",
                         path, profile);
    return done;
}

static char *shared_file_path(const struct s3_credentials *from)
{
    const char *path = from->credentials_file;
    if (path == NULL)
        path = environment(from, "AWS_SHARED_CREDENTIALS_FILE");
    if (path != NULL)
        return strdup(path);
    const char *home = environment(from, "HOME");
    return home == NULL ? NULL : text_format("%s/.aws/credentials", home);
}

static bool read_shared(const struct s3_credentials *from, struct s3_keys *out, struct error *err)
{
    CLEANUP(free_pointer) char *path = shared_file_path(from);
    const char *profile = from->profile;
    if (profile == NULL)
        profile = environment(from, "AWS_PROFILE"); /* the last one asked for */
    bool done = path != NULL
                    ? read_shared_file(path, profile == NULL ? "default" : profile, out, err)
                    : error_set(err, ERROR_NOT_FOUND, "no home directory");
    if (done || err->kind != ERROR_NOT_FOUND || from->credentials_file != NULL)
        return done;
    (void)error_set(err, ERROR_USAGE, "could not find the keys of the S3 store");
    return error_hint(err, "Set access_key_file and secret_key_file, or AWS_ACCESS_KEY_ID and "
                           "AWS_SECRET_ACCESS_KEY, or write ~/.aws/credentials.");
}

/* On failure the caller releases what was read so far. */
static bool read_keys(const struct s3_credentials *from, struct s3_keys *out, struct error *err)
{
    if (from->access_key_file != NULL || from->secret_key_file != NULL)
        return read_files(from, out, err);
    if (environment(from, "AWS_ACCESS_KEY_ID") != NULL)
        return read_environment(from, out, err);
    return read_shared(from, out, err);
}

static bool copy_text(char **to, const char *text)
{
    *to = text == NULL ? NULL : strdup(text);
    return text == NULL || *to != NULL;
}

bool s3_credentials_open(const struct s3_credentials_options *options, struct s3_credentials **out,
                         struct error *err)
{
    struct s3_credentials *credentials = calloc(1, sizeof *credentials);
    if (credentials == NULL)
        return error_no_memory(err, "credentials");
    credentials->getenv = options->getenv != NULL ? options->getenv : getenv;
    (void)pthread_mutex_init(&credentials->lock, NULL);
    if (!copy_text(&credentials->access_key_file, options->access_key_file) ||
        !copy_text(&credentials->secret_key_file, options->secret_key_file) ||
        !copy_text(&credentials->session_token_file, options->session_token_file) ||
        !copy_text(&credentials->credentials_file, options->credentials_file) ||
        !copy_text(&credentials->profile, options->profile)) {
        s3_credentials_close(credentials);
        return error_no_memory(err, "credentials");
    }
    if (!read_keys(credentials, &credentials->keys, err)) {
        s3_credentials_close(credentials);
        return false;
    }
    *out = credentials;
    return true;
}

static bool copy_secret(struct secret *to, const struct secret *from, struct error *err)
{
    return !secret_is_set(from) || secret_set(to, from->text, err);
}

bool s3_credentials_get(struct s3_credentials *credentials, struct s3_keys *out, struct error *err)
{
    struct s3_keys copy = {0};
    pthread_mutex_lock(&credentials->lock);
    const struct s3_keys *keys = &credentials->keys;
    bool done = copy_secret(&copy.access_key, &keys->access_key, err) &&
                copy_secret(&copy.secret_key, &keys->secret_key, err) &&
                copy_secret(&copy.session_token, &keys->session_token, err);
    copy.generation = keys->generation;
    pthread_mutex_unlock(&credentials->lock);
    if (!done) {
        s3_keys_release(&copy);
        return false;
    }
    *out = copy;
    return true;
}

static bool same_secret(const struct secret *a, const struct secret *b)
{
    if (a->text == NULL || b->text == NULL)
        return a->text == b->text;
    return strcmp(a->text, b->text) == 0;
}

bool s3_credentials_reload(struct s3_credentials *credentials, uint64_t used_generation)
{
    struct error ignored;
    struct s3_keys fresh = {0};
    pthread_mutex_lock(&credentials->lock);
    struct s3_keys *keys = &credentials->keys;
    if (keys->generation == used_generation && read_keys(credentials, &fresh, &ignored) &&
        !(same_secret(&fresh.access_key, &keys->access_key) &&
          same_secret(&fresh.secret_key, &keys->secret_key) &&
          same_secret(&fresh.session_token, &keys->session_token))) {
        fresh.generation = used_generation + 1;
        s3_keys_release(keys);
        *keys = fresh;
        fresh = (struct s3_keys){0};
    }
    bool changed = keys->generation != used_generation;
    pthread_mutex_unlock(&credentials->lock);
    s3_keys_release(&fresh);
    return changed;
}

void s3_credentials_close(struct s3_credentials *credentials)
{
    if (credentials == NULL)
        return;
    s3_keys_release(&credentials->keys);
    pthread_mutex_destroy(&credentials->lock);
    free(credentials->access_key_file);
    free(credentials->secret_key_file);
    free(credentials->session_token_file);
    free(credentials->credentials_file);
    free(credentials->profile);
    free(credentials);
}
