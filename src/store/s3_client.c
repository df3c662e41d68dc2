#include "store/s3_client.h"

#include "base/text.h"
#include "codec/digest.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    ADDRESS_MAX_BYTES = 8192,
    OWN_HEADERS = 5, /* Host, date, payload hash, session token, Authorization */
};

/* What must live as long as the request: texts that its parts point to. */
struct prepared {
    struct buf path;
    struct buf query;
    struct buf url;
    struct buf host;
    struct buf authorization;
    char hash[SHA256_HEX_SIZE];
    char date[TEXT_SIZE];
    int64_t time_us;
    struct http_header headers[S3_CALL_HEADERS + OWN_HEADERS];
    size_t header_count;
};

static void prepared_init(struct prepared *prepared)
{
    *prepared = (struct prepared){0};
    buf_init(&prepared->path, ADDRESS_MAX_BYTES);
    buf_init(&prepared->query, ADDRESS_MAX_BYTES);
    buf_init(&prepared->url, 3 * ADDRESS_MAX_BYTES);
    buf_init(&prepared->host, ADDRESS_MAX_BYTES);
    buf_init(&prepared->authorization, ADDRESS_MAX_BYTES);
}

static void prepared_release(struct prepared *prepared)
{
    buf_release(&prepared->path);
    buf_release(&prepared->query);
    buf_release(&prepared->url);
    buf_release(&prepared->host);
    buf_release(&prepared->authorization);
}

static bool prepare_address(const struct s3_location *location, const struct s3_call *call,
                            struct prepared *out, struct error *err)
{
    size_t params = 0;
    while (params < S3_CALL_PARAMS && call->params[params].name != NULL)
        params++;
    s3_put_query(&out->query, call->params, params);
    buf_put_u8(&out->path, '/');
    if (location->path_style) {
        s3_put_encoded(&out->path, location->bucket, false);
        if (call->key != NULL)
            buf_put_u8(&out->path, '/');
    }
    if (call->key != NULL) {
        s3_put_encoded(&out->path, location->prefix, true);
        s3_put_encoded(&out->path, call->key, true);
    }
    if (!location->path_style)
        buf_printf(&out->host, "%s.", location->bucket);
    buf_printf(&out->host, "%s", location->host);
    if (buf_text(&out->path) == NULL || buf_text(&out->query) == NULL ||
        buf_text(&out->host) == NULL)
        return error_no_memory(err, "the address of a request");
    buf_printf(&out->url, "%s://%s%s%s%s", location->tls ? "https" : "http", buf_text(&out->host),
               buf_text(&out->path), params > 0 ? "?" : "", buf_text(&out->query));
    return buf_text(&out->url) != NULL || error_no_memory(err, "the address of a request");
}

static void add_header(struct prepared *to, const char *name, const char *value)
{
    assert(to->header_count < ARRAY_LEN(to->headers));
    to->headers[to->header_count++] = (struct http_header){.name = name, .value = value};
}

static void prepare_hash(const struct s3_call *call, struct prepared *out)
{
    uint8_t computed[SHA256_BYTES];
    const uint8_t *hash = call->sha256;
    if (hash == NULL) {
        digest_sha256(call->body_len == 0 ? "" : call->body, call->body_len, computed);
        hash = computed;
    }
    text_hex(hash, SHA256_BYTES, out->hash);
}

static void prepare_headers(const struct s3_client *client, const struct s3_call *call,
                            const struct s3_keys *keys, struct prepared *out)
{
    out->time_us = clock_now_us(&client->clock);
    (void)text_time_compact_us(out->time_us, out->date);
    add_header(out, "Host", buf_text(&out->host));
    add_header(out, "x-amz-date", out->date);
    add_header(out, "x-amz-content-sha256", out->hash);
    if (secret_is_set(&keys->session_token))
        add_header(out, "x-amz-security-token", keys->session_token.text);
    for (size_t i = 0; i < S3_CALL_HEADERS && call->headers[i].name != NULL; i++)
        add_header(out, call->headers[i].name, call->headers[i].value);
}

static bool sign(const struct s3_client *client, const struct s3_call *call,
                 const struct s3_keys *keys, struct prepared *prepared, struct error *err)
{
    struct s3_signing signing = {.method = call->method,
                                 .path = buf_text(&prepared->path),
                                 .query = buf_text(&prepared->query),
                                 .headers = prepared->headers,
                                 .header_count = prepared->header_count,
                                 .payload_hash = prepared->hash,
                                 .region = client->location.region,
                                 .service = "s3",
                                 .time_us = prepared->time_us,
                                 .access_key = keys->access_key.text,
                                 .secret_key = &keys->secret_key};
    if (!s3_sign(&signing, &prepared->authorization, err))
        return false;
    const char *authorization = buf_text(&prepared->authorization);
    if (authorization == NULL)
        return error_no_memory(err, "an Authorization header");
    add_header(prepared, "Authorization", authorization);
    return true;
}

static bool send_once(struct s3_client *client, const struct s3_call *call,
                      const struct s3_keys *keys, struct http_response *response, struct error *err)
{
    struct prepared prepared;
    prepared_init(&prepared);
    prepare_hash(call, &prepared);
    bool done = prepare_address(&client->location, call, &prepared, err);
    if (done) {
        prepare_headers(client, call, keys, &prepared);
        done = sign(client, call, keys, &prepared, err);
    }
    if (done) {
        struct http_request request = {.method = call->method,
                                       .url = buf_text(&prepared.url),
                                       .headers = prepared.headers,
                                       .header_count = prepared.header_count,
                                       .body = call->body,
                                       .body_len = call->body_len,
                                       .into = call->into,
                                       .into_size = call->into_size};
        done = http_send(client->http, &request, response, err);
    }
    prepared_release(&prepared);
    return done;
}

static void describe(const struct s3_client *client, const struct s3_call *call, char *out,
                     size_t out_size)
{
    if (call->key == NULL)
        (void)snprintf(out, out_size, "%s \"%s\"", call->verb, client->location.bucket);
    else
        (void)snprintf(out, out_size, "%s \"%s%s\" in bucket \"%s\"", call->verb,
                       client->location.prefix, call->key, client->location.bucket);
}

/* Secret and signature appear in no answer we know, and bodies that are not XML are not shown. */
static void read_problem(const struct s3_client *client, const struct http_response *response,
                         struct s3_problem *out)
{
    const struct {
        const char *name;
        char *to;
        size_t size;
    } headers[] = {
        {"x-amz-request-id", out->request_id, sizeof out->request_id},
        {"x-amz-bucket-region", out->region, sizeof out->region},
    };
    int64_t date_us;
    const char *date = http_response_header(response, "Date");
    *out = (struct s3_problem){.status = response->status,
                               .retry_after_ms = http_retry_after_ms(response)};
    for (size_t i = 0; i < ARRAY_LEN(headers); i++) {
        const char *value = http_response_header(response, headers[i].name);
        if (value != NULL)
            (void)snprintf(headers[i].to, headers[i].size, "%s", value);
    }
    s3_problem_parse(out, response->body.data, response->body.len);
    if (date != NULL && http_date_parse(date, &date_us)) {
        out->has_skew = true;
        out->skew_s = (date_us - clock_now_us(&client->clock)) / 1000000;
    }
}

bool s3_client_call(struct s3_client *client, const struct s3_call *call,
                    struct http_response *response, struct error *err)
{
    char what[1024];
    describe(client, call, what, sizeof what);
    for (bool again = false;; again = true) {
        struct s3_keys keys = {0};
        struct s3_problem problem;
        if (!s3_credentials_get(client->credentials, &keys, err))
            return false;
        uint64_t generation = keys.generation;
        bool has_token = secret_is_set(&keys.session_token);
        bool done = send_once(client, call, &keys, response, err);
        s3_keys_release(&keys);
        if (!done)
            return error_wrap(err, "could not %s", what);
        if (response->status < 400 || again)
            return true;
        read_problem(client, response, &problem);
        bool changed = false;
        if (s3_problem_is_about_keys(&problem, has_token) &&
            !s3_credentials_reload(client->credentials, generation, &changed, err))
            return error_wrap(err, "could not %s: the store refused the keys", what);
        if (!changed)
            return true;
    }
}

bool s3_client_refused(const struct s3_client *client, const struct s3_call *call,
                       const struct http_response *response, struct error *err)
{
    char what[1024];
    struct s3_problem problem;
    describe(client, call, what, sizeof what);
    read_problem(client, response, &problem);
    return s3_problem_report(&problem, what, err);
}

void s3_client_release(struct s3_client *client)
{
    http_client_free(client->http);
    s3_credentials_close(client->credentials);
    s3_location_release(&client->location);
}
