/* The sources that are asked over the network, against a server of the loopback, and when. */
#include "base/file.h"
#include "base/text.h"
#include "store/s3_credentials.h"
#include "store/s3_key_source.h"
#include "tests/lib/http_script.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { VARIABLES_MAX = 16 };

#define SECOND_US ((int64_t)1000000)
#define MINUTE_US (60 * SECOND_US)
#define NOON_US ((int64_t)1772366400000000) /* 2026-03-01T12:00:00Z */

static char directory[64];
static struct http_script *server;
static char environment[VARIABLES_MAX][2][256];
static _Atomic int64_t now_us;

static char *fake_getenv(const char *name)
{
    for (size_t i = 0; i < VARIABLES_MAX; i++)
        if (strcmp(environment[i][0], name) == 0)
            return environment[i][1];
    return NULL;
}

static void set_variable(const char *name, const char *value)
{
    size_t i = 0;
    while (environment[i][0][0] != '\0' && strcmp(environment[i][0], name) != 0)
        i++;
    assert_true(i < VARIABLES_MAX);
    (void)snprintf(environment[i][0], sizeof environment[i][0], "%s", name);
    (void)snprintf(environment[i][1], sizeof environment[i][1], "%s", value);
}

/* The server's URL with this path in a variable. */
static void set_url(const char *name, const char *path)
{
    char url[128];
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%d%s", http_script_port(server), path);
    set_variable(name, url);
}

/* A file in a variable. */
static void set_file(const char *name, const char *text)
{
    struct error err;
    char *path = path_join(directory, name);
    assert_true(file_write_atomic(path, text, strlen(text), 0600, &err));
    set_variable(name, path);
    free(path);
}

static int64_t clock_now(void *context)
{
    (void)context;
    return atomic_load(&now_us);
}

static void clock_sleep(void *context, int64_t wait_us)
{
    (void)context;
    (void)wait_us;
}

static uint64_t zero(void *context)
{
    (void)context;
    return 0;
}

static const struct clock test_clock = {clock_now, clock_now, clock_sleep, NULL};
static const struct random_source no_jitter = {zero, NULL};

static int set_up(void **state)
{
    (void)state;
    memset(environment, 0, sizeof environment);
    set_variable("AWS_EC2_METADATA_DISABLED", "true");
    atomic_store(&now_us, NOON_US);
    server = http_script_start();
    (void)snprintf(directory, sizeof directory, "/tmp/s3-key-source.XXXXXX");
    return mkdtemp(directory) != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    struct error err;
    (void)state;
    http_script_stop(server);
    return dir_remove_all(directory, &err) ? 0 : -1;
}

static struct s3_credentials *open_good(void)
{
    struct error err;
    struct s3_credentials *credentials;
    const struct s3_credentials_options options = {.getenv = fake_getenv,
                                                   .clock = &test_clock,
                                                   .random = &no_jitter,
                                                   .region = "eu-central-1"};
    if (!s3_credentials_open(&options, &credentials, &err))
        fail_msg("%s", err.text);
    return credentials;
}

static void expect_key(struct s3_credentials *credentials, const char *key)
{
    struct error err;
    struct s3_keys keys;
    if (!s3_credentials_get(credentials, &keys, &err))
        fail_msg("%s", err.text);
    assert_string_equal(keys.access_key.text, key);
    assert_string_equal(keys.session_token.text, "t0ken");
    s3_keys_release(&keys);
}

/* What the error says; no secret is in it. */
static struct error expect_failure(struct s3_credentials *credentials, enum error_kind kind,
                                   const char *text)
{
    struct error err = {0};
    struct s3_keys keys;
    assert_false(s3_credentials_get(credentials, &keys, &err));
    if (err.kind != kind || (strstr(err.text, text) == NULL && strstr(err.hint, text) == NULL))
        fail_msg("wanted %s and \"%s\", got %s: %s (%s)", error_kind_name(kind), text,
                 error_kind_name(err.kind), err.text, err.hint);
    assert_null(strstr(err.text, "s3cr3t"));
    return err;
}

static void expect_seen(const char *text)
{
    if (strstr(http_script_seen(server), text) == NULL)
        fail_msg("no \"%s\" in: %s", text, http_script_seen(server));
}

/* --- web identity ------------------------------------------------------------------------------
 */

static void answer_sts(const char *key, int64_t life_us)
{
    char time[TEXT_SIZE];
    char *body = text_format(
        "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>"
        "<AccessKeyId>%s</AccessKeyId><SecretAccessKey>s3cr3t</SecretAccessKey>"
        "<SessionToken>t0ken</SessionToken><Expiration>%s</Expiration></Credentials>"
        "</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>",
        key, text_time_exact_us(atomic_load(&now_us) + life_us, time));
    http_script_answer(server, "POST /", 200, body);
    free(body);
}

static void set_web_identity(void)
{
    set_url("AWS_ENDPOINT_URL_STS", "");
    set_variable("AWS_ROLE_ARN", "arn:aws:iam::1:role/backup");
    set_file("AWS_WEB_IDENTITY_TOKEN_FILE", "s3cr3t.jwt=one\n");
}

static void test_sts_is_asked_with_the_role_and_the_token_of_the_file(void **state)
{
    (void)state;
    set_web_identity();
    answer_sts("one", 60 * MINUTE_US);
    struct s3_credentials *credentials = open_good();
    assert_int_equal(http_script_count(server), 0); /* opening asks nobody */
    expect_key(credentials, "one");
    expect_key(credentials, "one");
    assert_int_equal(http_script_count(server), 1);
    expect_seen("POST / HTTP/1.1\r\n");
    expect_seen("Content-Type: application/x-www-form-urlencoded\r\n");
    expect_seen("\r\n\r\nAction=AssumeRoleWithWebIdentity&Version=2011-06-15&"
                "RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fbackup&RoleSessionName=mainstay&"
                "WebIdentityToken=s3cr3t.jwt%3Done");
    assert_null(strstr(http_script_seen(server), "Authorization"));
    s3_credentials_close(credentials);
}

static void test_keys_are_renewed_before_they_expire_with_the_token_of_then(void **state)
{
    (void)state;
    set_web_identity();
    set_variable("AWS_ROLE_SESSION_NAME", "helpdesk");
    answer_sts("one", 60 * MINUTE_US);
    struct s3_credentials *credentials = open_good();
    expect_key(credentials, "one");
    set_file("AWS_WEB_IDENTITY_TOKEN_FILE", "two");
    answer_sts("two", 120 * MINUTE_US);
    atomic_fetch_add(&now_us, 50 * MINUTE_US - 1);
    expect_key(credentials, "one");
    atomic_fetch_add(&now_us, 1); /* ten minutes are left */
    expect_key(credentials, "two");
    expect_seen("RoleSessionName=helpdesk&WebIdentityToken=two");
    s3_credentials_close(credentials);
}

static void test_valid_keys_are_used_while_sts_is_away_and_no_longer(void **state)
{
    (void)state;
    set_web_identity();
    answer_sts("one", 60 * MINUTE_US);
    struct s3_credentials *credentials = open_good();
    expect_key(credentials, "one");
    http_script_answer(server, "POST /", 503, "");
    atomic_fetch_add(&now_us, 55 * MINUTE_US);
    for (int i = 0; i < 3; i++)
        expect_key(credentials, "one");
    assert_int_equal(http_script_count(server), 2); /* not once for every request */
    atomic_fetch_add(&now_us, 30 * SECOND_US);
    expect_key(credentials, "one");
    assert_int_equal(http_script_count(server), 3);
    atomic_fetch_add(&now_us, 5 * MINUTE_US);
    struct error err = expect_failure(credentials, ERROR_UNAVAILABLE,
                                      "could not get keys from web identity");
    assert_true(err.retryable);
    answer_sts("two", 60 * MINUTE_US);
    expect_key(credentials, "two");
    s3_credentials_close(credentials);
}

static void *get_key(void *context)
{
    expect_key(context, "one");
    return NULL;
}

static void test_one_thread_renews_while_the_others_go_on(void **state)
{
    pthread_t refresher;
    (void)state;
    set_web_identity();
    answer_sts("one", 60 * MINUTE_US);
    struct s3_credentials *credentials = open_good();
    expect_key(credentials, "one");
    atomic_fetch_add(&now_us, 55 * MINUTE_US);
    http_script_hold(server, true);
    assert_int_equal(pthread_create(&refresher, NULL, get_key, credentials), 0);
    while (http_script_count(server) < 2)
        clock_sleep_us(&clock_system, 1000);
    for (int i = 0; i < 5; i++)
        expect_key(credentials, "one");
    assert_int_equal(http_script_count(server), 2);
    http_script_hold(server, false);
    pthread_join(refresher, NULL);
    s3_credentials_close(credentials);
}

static void test_threads_without_keys_wait_for_one_question(void **state)
{
    pthread_t threads[4];
    (void)state;
    set_web_identity();
    answer_sts("one", 60 * MINUTE_US);
    http_script_hold(server, true);
    struct s3_credentials *credentials = open_good();
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, get_key, credentials), 0);
    while (http_script_count(server) < 1)
        clock_sleep_us(&clock_system, 1000);
    http_script_hold(server, false);
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(http_script_count(server), 1);
    s3_credentials_close(credentials);
}

static void test_refused_keys_are_renewed_but_not_without_end(void **state)
{
    struct error err;
    bool changed;
    (void)state;
    set_web_identity();
    answer_sts("one", 60 * MINUTE_US);
    struct s3_credentials *credentials = open_good();
    expect_key(credentials, "one");
    answer_sts("two", 60 * MINUTE_US);
    atomic_fetch_add(&now_us, SECOND_US);
    assert_true(s3_credentials_reload(credentials, 1, &changed, &err));
    assert_true(changed);
    expect_key(credentials, "two");
    /* New keys that are refused at once are no reason to ask for every object. */
    assert_true(s3_credentials_reload(credentials, 2, &changed, &err));
    assert_false(changed);
    assert_int_equal(http_script_count(server), 2);
    atomic_fetch_add(&now_us, SECOND_US);
    http_script_answer(server, "POST /", 400,
                       "<ErrorResponse><Error><Code>ExpiredTokenException</Code><Message>token "
                       "s3cr3t.jwt=one has expired</Message></Error></ErrorResponse>");
    assert_false(s3_credentials_reload(credentials, 2, &changed, &err));
    assert_int_equal(err.kind, ERROR_DENIED);
    assert_non_null(strstr(err.text, "ExpiredTokenException: token *** has expired, HTTP 400"));
    assert_non_null(strstr(err.text, "arn:aws:iam::1:role/backup"));
    s3_credentials_close(credentials);
}

static void test_an_sts_that_misbehaves_is_named(void **state)
{
    static char huge[70 * 1024];
    (void)state;
    set_web_identity();
    struct s3_credentials *credentials = open_good();
    http_script_answer(server, "POST /", 403,
                       "<ErrorResponse><Error><Code>AccessDenied</Code>"
                       "</Error></ErrorResponse>");
    (void)expect_failure(credentials, ERROR_DENIED, "trust policy");
    http_script_answer(server, "POST /", 400,
                       "<ErrorResponse><Error><Code>Throttling</Code>"
                       "</Error></ErrorResponse>");
    assert_true(expect_failure(credentials, ERROR_UNAVAILABLE, "Throttling").retryable);
    http_script_answer(server, "POST /", 200, "<AssumeRole");
    (void)expect_failure(credentials, ERROR_INVALID, "cannot read the answer of STS");
    http_script_answer(server, "POST /", 302, "");
    (void)expect_failure(credentials, ERROR_DENIED, "HTTP 302");
    memset(huge, ' ', sizeof huge - 1);
    http_script_answer(server, "POST /", 200, huge);
    (void)expect_failure(credentials, ERROR_INVALID, "longer than");
    answer_sts("old", -SECOND_US);
    (void)expect_failure(credentials, ERROR_DENIED, "clock");
    set_file("AWS_WEB_IDENTITY_TOKEN_FILE", "");
    (void)expect_failure(credentials, ERROR_INVALID, "is empty");
    set_variable("AWS_ROLE_ARN", "");
    (void)expect_failure(credentials, ERROR_USAGE, "without AWS_ROLE_ARN");
    s3_credentials_close(credentials);
}

static void test_the_token_goes_to_nobody_in_clear_text(void **state)
{
    (void)state;
    set_web_identity();
    struct s3_credentials *credentials = open_good();
    set_variable("AWS_ENDPOINT_URL_STS", "http://sts.example.net");
    (void)expect_failure(credentials, ERROR_REFUSED, "Use https");
    set_variable("AWS_ENDPOINT_URL_STS", "");
    set_variable("AWS_STS_REGIONAL_ENDPOINTS", "global");
    (void)expect_failure(credentials, ERROR_USAGE, "regional or legacy");
    set_variable("AWS_STS_REGIONAL_ENDPOINTS", "regional");
    set_variable("AWS_REGION", "evil.example.net/");
    (void)expect_failure(credentials, ERROR_USAGE, "region of STS");
    s3_credentials_close(credentials);
}

/* --- container credentials and instance metadata -----------------------------------------------
 */

static void answer_json(const char *request, const char *key, int64_t life_us)
{
    char time[TEXT_SIZE];
    char *body = text_format("{\"AccessKeyId\":\"%s\",\"SecretAccessKey\":\"s3cr3t\","
                             "\"Token\":\"t0ken\",\"Expiration\":\"%s\"}",
                             key, text_time_us(atomic_load(&now_us) + life_us, time));
    http_script_answer(server, request, 200, body);
    free(body);
}

static void test_the_agent_is_asked_with_the_token_of_now(void **state)
{
    (void)state;
    set_url("AWS_CONTAINER_CREDENTIALS_FULL_URI", "/v1/credentials?x=y");
    set_variable("AWS_CONTAINER_AUTHORIZATION_TOKEN", "from the environment");
    answer_json("GET /v1/credentials?x=y ", "one", 60 * MINUTE_US);
    struct s3_credentials *credentials = open_good();
    expect_key(credentials, "one");
    expect_seen("Authorization: from the environment\r\n");
    set_file("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "of a file\n");
    answer_json("GET /v1/credentials", "two", 120 * MINUTE_US);
    answer_json("GET /v1/credentials?x=y ", "two", 120 * MINUTE_US);
    atomic_fetch_add(&now_us, 59 * MINUTE_US);
    expect_key(credentials, "two");
    expect_seen("Authorization: of a file\r\n");
    set_variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "");
    set_variable("AWS_CONTAINER_AUTHORIZATION_TOKEN", "s3cr3t\r\nX-Evil: 1");
    atomic_fetch_add(&now_us, 120 * MINUTE_US);
    (void)expect_failure(credentials, ERROR_USAGE, "no text for a header");
    s3_credentials_close(credentials);
}

static void test_only_this_machine_and_the_agents_are_asked_over_http(void **state)
{
    static const char *const agents[] = {"169.254.170.2", "169.254.170.23", "[fd00:ec2::23]", NULL};
    static const char *const good[] = {
        "http://localhost/x",     "http://127.0.0.1:80/x",  "http://127.9.9.9",
        "http://[::1]:8080/x",    "http://169.254.170.2/x", "http://169.254.170.23/v1/credentials",
        "http://[fd00:ec2::23]/", "https://example.net/x",  "https://10.0.0.1:8443",
    };
    static const char *const bad[] = {
        "http://example.net/",
        "http://169.254.169.254/latest",
        "http://10.0.0.1/",
        "http://127.0.0.1.example.net/",
        "http://127.1/",
        "http://127.0.0.1@example.net/",
        "http://example.net#@127.0.0.1/",
        "http://example.net\\@127.0.0.1/",
        "http://[::1]example.net/",
        "http://[fd00:ec2::2]/",
        "http://2130706433/",
        "http://localhost.example.net/",
        "http://%31%32%37.0.0.1/",
        "http://127.0.0.1:x/",
        "http://127.0.0.1:99999/",
        "http:///x",
        "ftp://127.0.0.1/",
        "127.0.0.1",
        "https://a b/",
    };
    struct error err;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        if (!s3_key_check_url(good[i], "V", agents, &err))
            fail_msg("%s", err.text);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (s3_key_check_url(bad[i], "V", agents, &err))
            fail_msg("accepted: %s", bad[i]);
}

static void test_forbidden_addresses_of_agents_are_refused(void **state)
{
    (void)state;
    set_variable("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://credentials.example.net/");
    struct s3_credentials *credentials = open_good();
    (void)expect_failure(credentials, ERROR_REFUSED, "AWS_CONTAINER_CREDENTIALS_FULL_URI");
    set_variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "@example.net/");
    (void)expect_failure(credentials, ERROR_USAGE, "must begin with");
    s3_credentials_close(credentials);
}

static void test_instance_metadata_is_version_2(void **state)
{
    (void)state;
    set_variable("AWS_EC2_METADATA_DISABLED", "");
    set_url("AWS_EC2_METADATA_SERVICE_ENDPOINT", "/");
    http_script_answer(server, "PUT /latest/api/token ", 200, "s3cr3t-session");
    http_script_answer(server, "GET /latest/meta-data/iam/security-credentials/ ", 200,
                       "backup-role\n");
    answer_json("GET /latest/meta-data/iam/security-credentials/backup-role ", "one",
                60 * MINUTE_US);
    struct s3_credentials *credentials = open_good();
    expect_key(credentials, "one");
    assert_int_equal(http_script_count(server), 3);
    expect_seen("X-aws-ec2-metadata-token: s3cr3t-session\r\n");
    /* What it says becomes part of a path. */
    http_script_answer(server, "GET /latest/meta-data/iam/security-credentials/ ", 200, "../user");
    atomic_fetch_add(&now_us, 60 * MINUTE_US);
    (void)expect_failure(credentials, ERROR_INVALID, "role's name");
    http_script_answer(server, "PUT /latest/api/token ", 403, "s3cr3t");
    (void)expect_failure(credentials, ERROR_DENIED, "HTTP 403");
    s3_credentials_close(credentials);
}

static void test_a_metadata_service_that_hangs_costs_a_second(void **state)
{
    (void)state;
    set_variable("AWS_EC2_METADATA_DISABLED", "");
    set_url("AWS_EC2_METADATA_SERVICE_ENDPOINT", "");
    http_script_answer(server, "PUT /", 0, "");
    struct s3_credentials *credentials = open_good();
    int64_t started_us = clock_monotonic_us(&clock_system);
    struct error err = expect_failure(credentials, ERROR_USAGE, "AWS_ACCESS_KEY_ID is not set");
    assert_non_null(strstr(err.text, "instance metadata"));
    assert_false(err.retryable);
    assert_true(clock_monotonic_us(&clock_system) - started_us < 20 * SECOND_US);
    s3_credentials_close(credentials);
}

/* --- the order ---------------------------------------------------------------------------------
 */

static void expect_first(const char *key)
{
    struct error err;
    struct s3_keys keys;
    struct s3_credentials *credentials = open_good();
    if (!s3_credentials_get(credentials, &keys, &err))
        fail_msg("%s", err.text);
    assert_string_equal(keys.access_key.text, key);
    s3_keys_release(&keys);
    s3_credentials_close(credentials);
}

static void test_sources_are_tried_in_the_order_of_the_sdks(void **state)
{
    (void)state;
    set_variable("AWS_EC2_METADATA_DISABLED", "");
    set_url("AWS_EC2_METADATA_SERVICE_ENDPOINT", "");
    http_script_answer(server, "PUT /latest/api/token", 200, "session");
    http_script_answer(server, "GET /latest/meta-data/iam/security-credentials/", 200, "role");
    answer_json("GET /latest/meta-data/iam/security-credentials/role", "instance", MINUTE_US);
    expect_first("instance");
    set_url("AWS_CONTAINER_CREDENTIALS_FULL_URI", "/agent");
    answer_json("GET /agent", "container", MINUTE_US);
    expect_first("container");
    set_file("AWS_SHARED_CREDENTIALS_FILE", "[other]\naws_access_key_id=no\n");
    expect_first("container"); /* a file without the profile is no reason to stop */
    set_file("AWS_SHARED_CREDENTIALS_FILE",
             "[default]\naws_access_key_id=shared\naws_secret_access_key=s\n");
    expect_first("shared");
    set_web_identity();
    answer_sts("web", MINUTE_US);
    expect_first("web");
    set_variable("AWS_ACCESS_KEY_ID", "environment");
    set_variable("AWS_SECRET_ACCESS_KEY", "s");
    expect_first("environment");
}

static void test_a_configured_file_comes_before_web_identity(void **state)
{
    struct error err;
    struct s3_keys keys;
    struct s3_credentials *credentials;
    (void)state;
    set_web_identity();
    set_file("shared", "[default]\naws_access_key_id=shared\naws_secret_access_key=s\n");
    const struct s3_credentials_options options = {.credentials_file = fake_getenv("shared"),
                                                   .getenv = fake_getenv};
    assert_true(s3_credentials_open(&options, &credentials, &err));
    assert_true(s3_credentials_get(credentials, &keys, &err));
    assert_string_equal(keys.access_key.text, "shared");
    s3_keys_release(&keys);
    s3_credentials_close(credentials);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_sts_is_asked_with_the_role_and_the_token_of_the_file),
        CASE(test_keys_are_renewed_before_they_expire_with_the_token_of_then),
        CASE(test_valid_keys_are_used_while_sts_is_away_and_no_longer),
        CASE(test_one_thread_renews_while_the_others_go_on),
        CASE(test_threads_without_keys_wait_for_one_question),
        CASE(test_refused_keys_are_renewed_but_not_without_end),
        CASE(test_an_sts_that_misbehaves_is_named),
        CASE(test_the_token_goes_to_nobody_in_clear_text),
        CASE(test_the_agent_is_asked_with_the_token_of_now),
        CASE(test_only_this_machine_and_the_agents_are_asked_over_http),
        CASE(test_forbidden_addresses_of_agents_are_refused),
        CASE(test_instance_metadata_is_version_2),
        CASE(test_a_metadata_service_that_hangs_costs_a_second),
        CASE(test_sources_are_tried_in_the_order_of_the_sdks),
        CASE(test_a_configured_file_comes_before_web_identity),
    };
    return cmocka_run_group_tests_name("s3_key_source", tests, NULL, NULL);
}
