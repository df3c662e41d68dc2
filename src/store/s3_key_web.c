/*
 * Web identity: a token of somebody whom the account trusts (the Kubernetes API server) is turned
 * into keys by STS. Source: AWS Security Token Service API reference, AssumeRoleWithWebIdentity;
 * AWS SDKs and Tools reference, "Assume role credential provider", "STS regional endpoints".
 */
#include "base/cleanup.h"
#include "base/text.h"
#include "store/s3_key_answer.h"
#include "store/s3_key_source.h"
#include "store/s3_sign.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { FORM_MAX_BYTES = 128 * 1024 };

struct web_identity {
    char *token_file;
    char *role_arn;
    char *session_name;
    char *url;
    struct secret token;
};

static void web_identity_release(struct web_identity *web)
{
    free(web->token_file);
    free(web->role_arn);
    free(web->session_name);
    free(web->url);
    secret_release(&web->token);
}

static const char *web_absence(const struct s3_key_setup *setup)
{
    if (setup->credentials_file != NULL || setup->profile != NULL)
        return "web identity gives way to the configured credentials file";
    return s3_key_has_variable(setup, "AWS_WEB_IDENTITY_TOKEN_FILE")
               ? NULL
               : "AWS_WEB_IDENTITY_TOKEN_FILE is not set";
}

/* *out is the region of the environment, else of the store. */
static bool find_region(const struct s3_key_setup *setup, char **out, struct error *err)
{
    if (!s3_key_variable(setup, "AWS_REGION", out, err) ||
        (*out == NULL && !s3_key_variable(setup, "AWS_DEFAULT_REGION", out, err)))
        return false;
    if (*out == NULL)
        *out = strdup(setup->region == NULL ? "us-east-1" : setup->region);
    if (*out == NULL)
        return error_no_memory(err, "a region");
    for (const char *at = *out; *at != '\0'; at++)
        if (!isalnum((unsigned char)*at) && *at != '-')
            return error_set(err, ERROR_USAGE, "cannot use \"%.100s\" as region of STS", *out);
    return true;
}

static bool make_regional_url(const struct s3_key_setup *setup, char **out, struct error *err)
{
    CLEANUP(free_pointer) char *region = NULL;
    CLEANUP(free_pointer) char *style = NULL;
    if (!s3_key_variable(setup, "AWS_STS_REGIONAL_ENDPOINTS", &style, err) ||
        !find_region(setup, &region, err))
        return false;
    bool legacy = style != NULL && strcmp(style, "legacy") == 0;
    if (style != NULL && !legacy && strcmp(style, "regional") != 0)
        return error_set(err, ERROR_USAGE,
                         "cannot use AWS_STS_REGIONAL_ENDPOINTS: it must be regional or legacy");
    *out = legacy ? strdup("https://sts.amazonaws.com/")
                  : text_format("https://sts.%s.amazonaws.com%s/", region,
                                text_starts_with(region, "cn-") ? ".cn" : "");
    return *out != NULL || error_no_memory(err, "the URL of STS");
}

static bool find_url(const struct s3_key_setup *setup, char **out, struct error *err)
{
    static const char variable[] = "AWS_ENDPOINT_URL_STS";
    static const char *const nobody[] = {NULL};
    CLEANUP(free_pointer) char *endpoint = NULL;
    if (!s3_key_variable(setup, variable, &endpoint, err))
        return false;
    if (endpoint == NULL)
        return make_regional_url(setup, out, err);
    if (!s3_key_check_url(endpoint, variable, nobody, err))
        return false;
    *out = text_format("%s%s", endpoint, text_ends_with(endpoint, "/") ? "" : "/");
    return *out != NULL || error_no_memory(err, "the URL of STS");
}

static bool web_identity_find(const struct s3_key_setup *setup, struct web_identity *out,
                              struct error *err)
{
    if (!s3_key_variable(setup, "AWS_WEB_IDENTITY_TOKEN_FILE", &out->token_file, err) ||
        !s3_key_variable(setup, "AWS_ROLE_ARN", &out->role_arn, err) ||
        !s3_key_variable(setup, "AWS_ROLE_SESSION_NAME", &out->session_name, err))
        return false;
    if (out->token_file == NULL || out->role_arn == NULL)
        return error_set(err, ERROR_USAGE,
                         "cannot use AWS_WEB_IDENTITY_TOKEN_FILE without AWS_ROLE_ARN");
    return find_url(setup, &out->url, err) &&
           secret_read_issued_file(&out->token, out->token_file, err);
}

static void put_form(struct buf *form, const char *name, const char *value)
{
    buf_printf(form, "%s%s=", form->len == 0 ? "" : "&", name);
    s3_put_encoded(form, value, false);
}

/* The token goes into the body: addresses are logged on the way. */
static bool make_form(const struct web_identity *web, struct buf *form, struct error *err)
{
    if (buf_reserve(form, FORM_MAX_BYTES) == NULL)
        return error_no_memory(err, "a question to STS");
    put_form(form, "Action", "AssumeRoleWithWebIdentity");
    put_form(form, "Version", "2011-06-15");
    put_form(form, "RoleArn", web->role_arn);
    put_form(form, "RoleSessionName", web->session_name == NULL ? "mainstay" : web->session_name);
    put_form(form, "WebIdentityToken", web->token.text);
    return buf_check(form, "a question to STS", err);
}

static bool ask_sts(const struct s3_key_setup *setup, const struct web_identity *web,
                    const struct buf *form, struct s3_keys *out, struct error *err)
{
    static const struct http_header headers[] = {
        {"Content-Type", "application/x-www-form-urlencoded"}, {"Accept", "application/xml"}};
    const struct s3_key_question question = {
        .source = "STS",
        .ca_file = setup->ca_file,
        .direct = text_starts_with(web->url, "http://"),
        .timeout_us = setup->timeout_us,
        .request = {.method = "POST",
                    .url = web->url,
                    .headers = headers,
                    .header_count = ARRAY_LEN(headers),
                    .body = form->data,
                    .body_len = form->len},
        .token = &web->token,
    };
    struct http_response response;
    bool done = s3_key_ask(&question, &response, err) &&
                s3_key_answer_sts(out, response.body.data, response.body.len, err);
    s3_key_answer_release(&response);
    if (!done && err->kind == ERROR_DENIED)
        (void)error_hint(err, "Check that the role's trust policy names this service account and "
                              "the token's audience, and that the token file is renewed.");
    return done ||
           error_wrap(err, "role \"%.200s\" with token \"%.200s\"", web->role_arn, web->token_file);
}

static bool web_read(const struct s3_key_setup *setup, struct s3_keys *out, struct error *err)
{
    struct web_identity web = {0};
    struct buf form;
    buf_init(&form, FORM_MAX_BYTES);
    bool done = web_identity_find(setup, &web, err) && make_form(&web, &form, err) &&
                ask_sts(setup, &web, &form, out, err);
    secret_wipe(form.data, form.cap);
    buf_release(&form);
    web_identity_release(&web);
    return done;
}

const struct s3_key_source s3_key_web_identity = {
    .name = "web identity",
    .remote = true,
    .absence = web_absence,
    .read = web_read,
};
