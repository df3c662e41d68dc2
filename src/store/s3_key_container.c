/*
 * Container credentials: an agent beside the container (EKS pod identity, ECS) hands out keys.
 * Source: AWS SDKs and Tools reference, "Container credential provider".
 */
#include "base/cleanup.h"
#include "base/text.h"
#include "store/s3_key_answer.h"
#include "store/s3_key_source.h"

#include <stdlib.h>
#include <string.h>

#define RELATIVE "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"
#define FULL "AWS_CONTAINER_CREDENTIALS_FULL_URI"
#define TOKEN "AWS_CONTAINER_AUTHORIZATION_TOKEN"

static const char *const agents[] = {"169.254.170.2", "169.254.170.23", "[fd00:ec2::23]", NULL};

static const char *container_absence(const struct s3_key_setup *setup)
{
    return s3_key_has_variable(setup, RELATIVE) || s3_key_has_variable(setup, FULL)
               ? NULL
               : "AWS_CONTAINER_CREDENTIALS_FULL_URI is not set";
}

static bool find_url(const struct s3_key_setup *setup, char **out, struct error *err)
{
    CLEANUP(free_pointer) char *relative = NULL;
    CLEANUP(free_pointer) char *full = NULL;
    if (!s3_key_variable(setup, RELATIVE, &relative, err) ||
        !s3_key_variable(setup, FULL, &full, err))
        return false;
    if (relative != NULL && *relative != '/')
        return error_set(err, ERROR_USAGE, "cannot use %s: it must begin with \"/\"", RELATIVE);
    *out = relative != NULL ? text_format("http://169.254.170.2%s", relative) : TAKE(full);
    if (*out == NULL)
        return error_no_memory(err, "the URL of container credentials");
    return s3_key_check_url(*out, relative != NULL ? RELATIVE : FULL, agents, err);
}

static bool read_variable(const struct s3_key_setup *setup, const char *name, struct secret *out,
                          struct error *err)
{
    char *text;
    if (!s3_key_variable(setup, name, &text, err))
        return false;
    if (text == NULL)
        return true;
    bool done = secret_set(out, text, err);
    secret_wipe(text, strlen(text));
    free(text);
    return done;
}

/* Unset when neither variable is. A line break would begin another header. */
static bool find_token(const struct s3_key_setup *setup, struct secret *out, struct error *err)
{
    CLEANUP(free_pointer) char *file = NULL;
    if (!s3_key_variable(setup, TOKEN "_FILE", &file, err) ||
        !(file != NULL ? secret_read_issued_file(out, file, err)
                       : read_variable(setup, TOKEN, out, err)))
        return false;
    for (size_t i = 0; i < out->len; i++)
        if (out->text[i] < ' ' || out->text[i] > '~')
            return error_set(err, ERROR_USAGE, "cannot use %s: it is no text for a header",
                             file == NULL ? TOKEN : TOKEN "_FILE");
    return true;
}

static bool container_read(const struct s3_key_setup *setup, struct s3_keys *out, struct error *err)
{
    CLEANUP(free_pointer) char *url = NULL;
    CLEANUP(secret_release) struct secret token = {0};
    if (!find_url(setup, &url, err) || !find_token(setup, &token, err))
        return false;
    const struct http_header authorization = {"Authorization", token.text};
    const struct s3_key_question question = {
        .source = "the agent for container credentials",
        .ca_file = setup->ca_file,
        .direct = text_starts_with(url, "http://"),
        .timeout_us = setup->timeout_us,
        .request = {.method = "GET",
                    .url = url,
                    .headers = &authorization,
                    .header_count = secret_is_set(&token) ? 1 : 0},
        .token = &token,
    };
    struct http_response response;
    bool done = s3_key_ask(&question, &response, err) &&
                s3_key_answer_json(out, response.body.data, response.body.len, err);
    s3_key_answer_release(&response);
    return done;
}

const struct s3_key_source s3_key_container = {
    .name = "container credentials",
    .remote = true,
    .absence = container_absence,
    .read = container_read,
};
