#include "base/text.h"
#include "store/s3_key_answer.h"
#include "store/s3_key_source.h"

#include <string.h>
#include <strings.h>

enum { ANSWER_MAX_BYTES = 64 * 1024, HOST_MAX = 256 };

/* A refusal may repeat what it was sent. */
static void mask(char *text, const struct secret *token)
{
    if (token == NULL || !secret_is_set(token) || token->len < 3)
        return;
    for (char *at = strstr(text, token->text); at != NULL; at = strstr(at, token->text)) {
        memcpy(at, "***", 3);
        memmove(at + 3, at + token->len, strlen(at + token->len) + 1);
        at += 3;
    }
}

static bool refused(const struct s3_key_question *question, const struct http_response *response,
                    struct error *err)
{
    char problem[S3_KEY_PROBLEM_MAX];
    bool later = response->status >= 500 || response->status == 429;
    s3_key_answer_problem(response->body.data, response->body.len, problem);
    /* STS says with 400 that it is asked too often, or that it could not ask the issuer. */
    later = later || strstr(problem, "Throttling") != NULL ||
            strstr(problem, "IDPCommunicationError") != NULL;
    mask(problem, question->token);
    (void)error_set(err, later ? ERROR_UNAVAILABLE : ERROR_DENIED, "%s refuses: %s%sHTTP %d",
                    question->source, problem, problem[0] == '\0' ? "" : ", ", response->status);
    err->retryable = later;
    err->retry_after_ms = later ? http_retry_after_ms(response) : 0;
    return false;
}

bool s3_key_ask(const struct s3_key_question *question, struct http_response *response,
                struct error *err)
{
    const struct http_options options = {.ca_file = question->ca_file,
                                         .connect_timeout_us = question->timeout_us,
                                         .stall_timeout_us = question->timeout_us,
                                         .total_timeout_us = question->timeout_us,
                                         .direct = question->direct};
    struct http_client *client;
    http_response_init(response, ANSWER_MAX_BYTES);
    /* All of it at once: memory that grows leaves copies of keys behind. */
    if (buf_reserve(&response->body, ANSWER_MAX_BYTES) == NULL)
        return error_no_memory(err, "an answer");
    if (!http_client_new(&options, &client, err))
        return false;
    bool done = http_send(client, &question->request, response, err);
    http_client_free(client);
    if (!done)
        return error_wrap(err, "%s", question->source);
    return response->status == 200 || refused(question, response, err);
}

void s3_key_answer_release(struct http_response *response)
{
    secret_wipe(response->body.data, response->body.cap);
    secret_wipe(response->headers.data, response->headers.cap);
    http_response_release(response);
}

/* The host of a URL without its port, IPv6 in brackets; false for what is no plain authority. */
static bool take_host(const char *authority, char out[HOST_MAX])
{
    size_t len = strcspn(authority, "/?#");
    size_t host_len = *authority == '[' ? strcspn(authority, "]") + 1 : strcspn(authority, ":/?#");
    if (len == 0 || host_len > len || host_len >= HOST_MAX)
        return false;
    for (size_t i = 0; i < len; i++)
        if (authority[i] <= ' ' || authority[i] > '~' || strchr("@\\%", authority[i]) != NULL)
            return false;
    uint64_t port;
    char digits[8] = "";
    if (host_len < len) {
        if (authority[host_len] != ':' || len - host_len - 1 >= sizeof digits)
            return false;
        memcpy(digits, authority + host_len + 1, len - host_len - 1);
        if (!text_to_u64(digits, &port) || port == 0 || port > UINT16_MAX)
            return false;
    }
    memcpy(out, authority, host_len);
    out[host_len] = '\0';
    return true;
}

/* Dotted decimal with 127 in front; other spellings of it are not accepted. */
static bool is_this_machine(const char *host)
{
    int dots = 0;
    if (strcasecmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0)
        return true; /* libcurl resolves "localhost" itself */
    if (!text_starts_with(host, "127.") || strspn(host, "0123456789.") != strlen(host))
        return false;
    for (const char *at = host; *at != '\0'; at++)
        dots += *at == '.';
    return dots == 3;
}

bool s3_key_check_url(const char *url, const char *variable, const char *const *hosts,
                      struct error *err)
{
    char host[HOST_MAX];
    bool tls = text_starts_with(url, "https://");
    if ((!tls && !text_starts_with(url, "http://")) || !take_host(strstr(url, "//") + 2, host))
        return error_set(err, ERROR_USAGE, "cannot use %s: it must be an http(s) URL with a host",
                         variable);
    if (tls || is_this_machine(host))
        return true;
    for (; *hosts != NULL; hosts++)
        if (strcmp(host, *hosts) == 0)
            return true;
    (void)error_set(err, ERROR_REFUSED,
                    "cannot use %s: host \"%s\" is not of this machine, and http is not encrypted",
                    variable, host);
    return error_hint(err, "Use https.");
}
