#include "store/s3_read.h"

#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { ERROR_BODY_MAX_BYTES = 1024 * 1024 };

/* "bytes 0-9/443" */
static bool parse_content_range(const char *text, uint64_t *out_first, uint64_t *out_last,
                                uint64_t *out_total)
{
    char copy[80];
    if (text == NULL || !text_starts_with(text, "bytes ") || strlen(text) >= sizeof copy)
        return false;
    (void)snprintf(copy, sizeof copy, "%s", text + strlen("bytes "));
    char *dash = strchr(copy, '-');
    char *slash = strchr(copy, '/');
    if (dash == NULL || slash == NULL)
        return false;
    *dash = '\0';
    *slash = '\0';
    return text_to_u64(copy, out_first) && text_to_u64(dash + 1, out_last) &&
           text_to_u64(slash + 1, out_total);
}

/* A store that answers another range than asked for must not be believed. */
static bool is_range_asked_for(const struct http_response *response, uint64_t offset, size_t want)
{
    uint64_t first = 0;
    uint64_t last = 0;
    uint64_t total = 0;
    if (response->status == 200) /* the range was ignored: right only if it was the whole object */
        return offset == 0;
    if (!parse_content_range(http_response_header(response, "Content-Range"), &first, &last,
                             &total))
        return false;
    uint64_t left = offset < total ? total - offset : 0;
    return first == offset && last >= first && last - first + 1 == response->into_len &&
           response->into_len == (left < want ? left : want);
}

bool s3_read(struct s3_client *client, const char *key, const char *version, uint64_t offset,
             size_t want, void *out, size_t *out_got, struct error *err)
{
    char range[64];
    uint64_t last = offset > UINT64_MAX - (want - 1) ? UINT64_MAX : offset + want - 1;
    (void)snprintf(range, sizeof range, "bytes=%" PRIu64 "-%" PRIu64, offset, last);
    CLEANUP(http_response_release) struct http_response response;
    http_response_init(&response, ERROR_BODY_MAX_BYTES);
    struct s3_call call = {.verb = "get object",
                           .method = "GET",
                           .key = key,
                           .headers = {{"Range", range}},
                           .into = out,
                           .into_size = want};
    if (version != NULL)
        call.params[0] = (struct s3_param){"versionId", version};
    if (!s3_client_call(client, &call, &response, err))
        return false;
    if (response.status == 416) { /* at or behind the end */
        *out_got = 0;
        return true;
    }
    if (response.status != 206 && response.status != 200)
        return s3_client_refused(client, &call, &response, err);
    if (!is_range_asked_for(&response, offset, want))
        return error_set(err, ERROR_INVALID,
                         "could not get object \"%s%s\" in bucket \"%s\": the store answered "
                         "another range than %s",
                         client->location.prefix, key, client->location.bucket, range);
    *out_got = response.into_len;
    return true;
}

bool s3_read_time(struct s3_client *client, int64_t *out_unix_us, struct error *err)
{
    CLEANUP(http_response_release) struct http_response response;
    http_response_init(&response, ERROR_BODY_MAX_BYTES);
    struct s3_call call = {.verb = "ask for the time of bucket", .method = "HEAD"};
    if (!s3_client_call(client, &call, &response, err))
        return false;
    const char *date = http_response_header(&response, "Date");
    return (date != NULL && http_date_parse(date, out_unix_us)) ||
           error_set(err, ERROR_UNSUPPORTED, "the store of bucket \"%s\" does not tell its time",
                     client->location.bucket);
}
