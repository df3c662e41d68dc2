#include "base/file.h"
#include "base/text.h"
#include "store/s3_credentials.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char directory[64];
static const char *environment[8][2];
static char answer[256];

/* The answer holds until the next question, as getenv allows. */
static char *fake_getenv(const char *name)
{
    const char *found = NULL;
    for (size_t i = 0; i < ARRAY_LEN(environment); i++)
        if (environment[i][0] != NULL && strcmp(environment[i][0], name) == 0)
            found = environment[i][1];
    (void)snprintf(answer, sizeof answer, "%s", found == NULL ? "" : found);
    return found == NULL ? NULL : answer;
}

static int make_directory(void **state)
{
    (void)state;
    memset(environment, 0, sizeof environment);
    environment[7][0] = "AWS_EC2_METADATA_DISABLED", environment[7][1] = "true";
    (void)snprintf(directory, sizeof directory, "/tmp/s3-credentials.XXXXXX");
    return mkdtemp(directory) != NULL ? 0 : -1;
}

static int remove_directory(void **state)
{
    struct error err;
    (void)state;
    return dir_remove_all(directory, &err) ? 0 : -1;
}

/* Returns the path, which the caller frees. */
static char *write_text(const char *name, const char *text)
{
    struct error err;
    char *path = path_join(directory, name);
    assert_true(file_write_atomic(path, text, strlen(text), 0600, &err));
    return path;
}

static struct s3_credentials *open_good(struct s3_credentials_options options)
{
    struct error err;
    struct s3_credentials *credentials = NULL;
    options.getenv = fake_getenv;
    if (!s3_credentials_open(&options, &credentials, &err))
        fail_msg("%s", err.text);
    return credentials;
}

static void expect(struct s3_credentials *credentials, const char *key, const char *secret,
                   const char *token)
{
    struct error err;
    struct s3_keys keys;
    assert_true(s3_credentials_get(credentials, &keys, &err));
    assert_string_equal(keys.access_key.text, key);
    assert_string_equal(keys.secret_key.text, secret);
    if (token == NULL)
        assert_false(secret_is_set(&keys.session_token));
    else
        assert_string_equal(keys.session_token.text, token);
    s3_keys_release(&keys);
}

static void test_files_come_before_the_environment_and_that_before_the_shared_file(void **state)
{
    char *key = write_text("key", "file-key\n");
    char *secret = write_text("secret", "file-secret\r\n");
    char *token = write_text("token", "file-token");
    char *shared = write_text("shared", "[default]\naws_access_key_id=shared-key\n"
                                        "aws_secret_access_key=shared-secret\n");
    struct s3_credentials_options options = {.credentials_file = shared};
    (void)state;
    struct s3_credentials *credentials = open_good(options);
    expect(credentials, "shared-key", "shared-secret", NULL);
    s3_credentials_close(credentials);

    environment[0][0] = "AWS_ACCESS_KEY_ID", environment[0][1] = "env-key";
    environment[1][0] = "AWS_SECRET_ACCESS_KEY", environment[1][1] = "env-secret";
    environment[2][0] = "AWS_SESSION_TOKEN", environment[2][1] = "env-token";
    credentials = open_good(options);
    expect(credentials, "env-key", "env-secret", "env-token");
    s3_credentials_close(credentials);

    options.access_key_file = key;
    options.secret_key_file = secret;
    options.session_token_file = token;
    credentials = open_good(options);
    expect(credentials, "file-key", "file-secret", "file-token");
    s3_credentials_close(credentials);
    free(key);
    free(secret);
    free(token);
    free(shared);
}

static void test_the_profile_chooses_the_section(void **state)
{
    char *shared = write_text("shared", "# comment = x\n[default]\n"
                                        "aws_access_key_id = d-key\naws_secret_access_key = d\n"
                                        "[ other]\naws_access_key_id = no\n"
                                        "[backup]\n  aws_access_key_id\t=  b-key \n; x = y\n"
                                        "region = eu\naws_secret_access_key=b=/+secret\n"
                                        "aws_session_token = b-token\n[default]");
    (void)state;
    struct s3_credentials *credentials = open_good(
        (struct s3_credentials_options){.credentials_file = shared, .profile = "backup"});
    expect(credentials, "b-key", "b=/+secret", "b-token");
    s3_credentials_close(credentials);

    environment[0][0] = "AWS_SHARED_CREDENTIALS_FILE", environment[0][1] = shared;
    environment[1][0] = "AWS_PROFILE", environment[1][1] = "backup";
    credentials = open_good((struct s3_credentials_options){0});
    expect(credentials, "b-key", "b=/+secret", "b-token");
    s3_credentials_close(credentials);
    free(shared);
}

static void expect_refusal(struct s3_credentials_options options, enum error_kind kind,
                           const char *text)
{
    struct error err;
    struct s3_credentials *credentials;
    options.getenv = fake_getenv;
    assert_false(s3_credentials_open(&options, &credentials, &err));
    if (err.kind != kind || (strstr(err.text, text) == NULL && strstr(err.hint, text) == NULL))
        fail_msg("wanted \"%s\", got %s: %s (%s)", text, error_kind_name(err.kind), err.text,
                 err.hint);
    assert_null(strstr(err.text, "s3cr3t"));
}

static void test_missing_keys_say_where_they_may_be(void **state)
{
    char *shared = write_text("shared", "[default]\naws_secret_access_key = s3cr3t\n");
    char *key = write_text("key", "k");
    (void)state;
    expect_refusal((struct s3_credentials_options){0}, ERROR_USAGE, "AWS_ACCESS_KEY_ID");
    environment[0][0] = "HOME", environment[0][1] = directory;
    expect_refusal((struct s3_credentials_options){0}, ERROR_USAGE, "~/.aws/credentials");
    expect_refusal((struct s3_credentials_options){.credentials_file = shared}, ERROR_USAGE,
                   "no keys for profile \"default\"");
    expect_refusal((struct s3_credentials_options){.credentials_file = "/nowhere/at/all"},
                   ERROR_NOT_FOUND, "/nowhere/at/all");
    expect_refusal((struct s3_credentials_options){.access_key_file = key}, ERROR_USAGE,
                   "only one of");
    environment[0][0] = "AWS_ACCESS_KEY_ID", environment[0][1] = "k";
    expect_refusal((struct s3_credentials_options){0}, ERROR_USAGE, "AWS_SECRET_ACCESS_KEY");
    free(shared);
    free(key);
}

static bool reload(struct s3_credentials *credentials, uint64_t used_generation)
{
    struct error err;
    bool changed;
    if (!s3_credentials_reload(credentials, used_generation, &changed, &err))
        fail_msg("%s", err.text);
    return changed;
}

static void test_reloading_sees_new_keys_once(void **state)
{
    char *key = write_text("key", "key-1");
    char *secret = write_text("secret", "secret-1");
    (void)state;
    struct s3_credentials *credentials = open_good(
        (struct s3_credentials_options){.access_key_file = key, .secret_key_file = secret});
    assert_false(reload(credentials, 1));
    free(write_text("secret", "secret-2"));
    assert_true(reload(credentials, 1));
    expect(credentials, "key-1", "secret-2", NULL);
    /* Another thread was refused with the old ones: new ones are there already. */
    assert_true(reload(credentials, 1));
    assert_false(reload(credentials, 2));
    /* A file that is just being replaced is no reason to forget the keys. */
    free(write_text("secret", ""));
    assert_false(reload(credentials, 2));
    expect(credentials, "key-1", "secret-2", NULL);
    s3_credentials_close(credentials);
    free(key);
    free(secret);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            test_files_come_before_the_environment_and_that_before_the_shared_file, make_directory,
            remove_directory),
        cmocka_unit_test_setup_teardown(test_the_profile_chooses_the_section, make_directory,
                                        remove_directory),
        cmocka_unit_test_setup_teardown(test_missing_keys_say_where_they_may_be, make_directory,
                                        remove_directory),
        cmocka_unit_test_setup_teardown(test_reloading_sees_new_keys_once, make_directory,
                                        remove_directory),
    };
    return cmocka_run_group_tests_name("s3_credentials", tests, NULL, NULL);
}
