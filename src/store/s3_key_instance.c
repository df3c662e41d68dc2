/*
 * The metadata service of an EC2 instance, version 2 only: version 1 answers whoever can make this
 * machine ask. Source: EC2 user guide, "Use the Instance Metadata Service"; AWS SDKs and Tools
 * reference, "IMDS credential provider".
 */
#include "base/cleanup.h"
#include "base/text.h"
#include "store/s3_key_answer.h"
#include "store/s3_key_source.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define ENDPOINT "AWS_EC2_METADATA_SERVICE_ENDPOINT"
#define ROLES "/latest/meta-data/iam/security-credentials/"

/* It is beside the machine, or not there. */
enum { TIMEOUT_US = 1000000, ROLE_MAX = 128 };

static const char *const services[] = {"169.254.169.254", "[fd00:ec2::254]", NULL};

static const char *instance_absence(const struct s3_key_setup *setup)
{
    const char *disabled = setup->getenv("AWS_EC2_METADATA_DISABLED");
    return disabled != NULL && strcasecmp(disabled, "true") == 0
               ? "AWS_EC2_METADATA_DISABLED is set"
               : NULL;
}

static bool find_endpoint(const struct s3_key_setup *setup, char **out, struct error *err)
{
    CLEANUP(free_pointer) char *mode = NULL;
    if (!s3_key_variable(setup, ENDPOINT, out, err) ||
        !s3_key_variable(setup, ENDPOINT "_MODE", &mode, err))
        return false;
    if (*out == NULL)
        *out = text_format("http://%s", services[mode != NULL && strcasecmp(mode, "ipv6") == 0]);
    if (*out == NULL)
        return error_no_memory(err, "the URL of instance metadata");
    size_t len = strlen(*out);
    if (len > 0 && (*out)[len - 1] == '/')
        (*out)[len - 1] = '\0';
    return s3_key_check_url(*out, ENDPOINT, services, err);
}

/* One request; the first line of the answer goes to `line`, or the keys in it to `keys`. */
struct visit {
    const char *endpoint;
    const char *method;
    const char *path;
    struct http_header header;
    const struct secret *token;
    struct secret *line;
    struct s3_keys *keys;
};

static bool take_line(const struct buf *body, struct secret *out, struct error *err)
{
    char text[ROLE_MAX * 4];
    size_t len = 0;
    while (len < body->len && body->data[len] > ' ' && body->data[len] <= '~')
        len++;
    if (len == 0 || len >= sizeof text)
        return error_set(err, ERROR_INVALID, "instance metadata: cannot read the answer");
    memcpy(text, body->data, len);
    text[len] = '\0';
    bool done = secret_set(out, text, err);
    secret_wipe(text, sizeof text);
    return done;
}

static bool pay_visit(const struct visit *visit, struct error *err)
{
    CLEANUP(free_pointer) char *url = text_format("%s%s", visit->endpoint, visit->path);
    if (url == NULL)
        return error_no_memory(err, "the URL of instance metadata");
    const struct s3_key_question question = {.source = "instance metadata",
                                             .direct = true,
                                             .timeout_us = TIMEOUT_US,
                                             .request = {.method = visit->method,
                                                         .url = url,
                                                         .headers = &visit->header,
                                                         .header_count = 1},
                                             .token = visit->token};
    struct http_response response;
    bool done = s3_key_ask(&question, &response, err);
    if (done)
        done = visit->keys != NULL
                   ? s3_key_answer_json(visit->keys, response.body.data, response.body.len, err)
                   : take_line(&response.body, visit->line, err);
    s3_key_answer_release(&response);
    return done;
}

/* The name of a role becomes part of a path. */
static bool check_role(const struct secret *role, struct error *err)
{
    bool good = role->len <= ROLE_MAX && strcmp(role->text, "..") != 0;
    for (const char *at = role->text; *at != '\0'; at++)
        good = good && (isalnum((unsigned char)*at) || strchr("+=,.@_-", *at) != NULL);
    return good || error_set(err, ERROR_INVALID, "instance metadata: cannot use the role's name");
}

static bool read_role(const char *endpoint, const struct secret *token, struct s3_keys *out,
                      struct error *err)
{
    CLEANUP(secret_release) struct secret role = {0};
    struct visit visit = {.endpoint = endpoint,
                          .method = "GET",
                          .path = ROLES,
                          .header = {"X-aws-ec2-metadata-token", token->text},
                          .token = token,
                          .line = &role};
    if (!pay_visit(&visit, err) || !check_role(&role, err))
        return false;
    CLEANUP(free_pointer) char *path = text_format("%s%s", ROLES, role.text);
    if (path == NULL)
        return error_no_memory(err, "the URL of instance metadata");
    visit.path = path;
    visit.keys = out;
    return pay_visit(&visit, err);
}

static bool instance_read(const struct s3_key_setup *setup, struct s3_keys *out, struct error *err)
{
    CLEANUP(free_pointer) char *endpoint = NULL;
    CLEANUP(secret_release) struct secret token = {0};
    if (!find_endpoint(setup, &endpoint, err))
        return false;
    const struct visit visit = {.endpoint = endpoint,
                                .method = "PUT",
                                .path = "/latest/api/token",
                                .header = {"X-aws-ec2-metadata-token-ttl-seconds", "300"},
                                .line = &token};
    return pay_visit(&visit, err) && read_role(endpoint, &token, out, err);
}

const struct s3_key_source s3_key_instance = {
    .name = "instance metadata",
    .remote = true,
    .absence = instance_absence,
    .read = instance_read,
};
