#include "store/s3_location.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "store/store.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { URL_MAX = 2048 };

void s3_location_release(struct s3_location *location)
{
    free(location->bucket);
    free(location->prefix);
    free(location->host);
    free(location->region);
    *location = (struct s3_location){0};
}

static bool replace(char **to, const char *text, struct error *err)
{
    char *copy = strdup(text);
    if (copy == NULL)
        return error_no_memory(err, "the URL of a store");
    free(*to);
    *to = copy;
    return true;
}

static bool is_host_char(char c)
{
    return isalnum((unsigned char)c) || strchr("-._:[]", c) != NULL;
}

static bool set_endpoint(struct s3_location *location, const char *value, struct error *err)
{
    location->tls = !text_starts_with(value, "http://");
    if (text_starts_with(value, "http://") || text_starts_with(value, "https://"))
        value = strstr(value, "//") + 2;
    CLEANUP(free_pointer) char *host = strdup(value);
    if (host == NULL)
        return error_no_memory(err, "the URL of a store");
    size_t len = strlen(host);
    if (len > 0 && host[len - 1] == '/')
        host[--len] = '\0';
    bool good = len > 0 && *host != ':';
    for (size_t i = 0; i < len; i++)
        good = good && is_host_char(host[i]);
    if (!good)
        return error_set(err, ERROR_USAGE,
                         "cannot use \"%.200s\" as endpoint: it must be HOST, HOST:PORT or an "
                         "http(s) URL without a path",
                         value);
    /* The scheme's own port is not part of the Host header. */
    const char *own_port = location->tls ? ":443" : ":80";
    if (text_ends_with(host, own_port))
        host[len - strlen(own_port)] = '\0';
    return replace(&location->host, host, err);
}

static bool set_region(struct s3_location *location, const char *value, struct error *err)
{
    bool good = *value != '\0';
    for (const char *at = value; *at != '\0'; at++)
        good = good && (isalnum((unsigned char)*at) || *at == '-' || *at == '_');
    if (!good)
        return error_set(err, ERROR_USAGE, "cannot use \"%.200s\" as region", value);
    return replace(&location->region, value, err);
}

/* For parameters with two values. */
static bool choose(const char *name, const char *value, const char *yes, const char *no, bool *out,
                   struct error *err)
{
    *out = strcmp(value, yes) == 0;
    if (!*out && strcmp(value, no) != 0)
        return error_set(err, ERROR_USAGE, "cannot use \"%.200s\" as %s: it must be %s or %s",
                         value, name, yes, no);
    return true;
}

static bool set_style(struct s3_location *location, const char *value, struct error *err)
{
    return choose("style", value, "path", "host", &location->path_style, err);
}

static bool set_signature(struct s3_location *location, const char *value, struct error *err)
{
    return choose("signature", value, "v2", "v4", &location->signature_v2, err);
}

static bool set_as_of(struct s3_location *location, const char *value, struct error *err)
{
    return (text_to_time_us(value, &location->as_of_us) && location->as_of_us > 0) ||
           error_set(err, ERROR_USAGE,
                     "cannot use \"%.100s\" as as-of: it must be a time as 2026-03-01T12:00:00Z",
                     value);
}

static const char *const parameter_names[] = {"endpoint", "region", "style", "signature", "as-of"};
static bool (*const parameter_setters[])(struct s3_location *, const char *, struct error *) = {
    set_endpoint, set_region, set_style, set_signature, set_as_of};

static bool set_parameter(struct s3_location *location, const char *name, const char *value,
                          bool given[ARRAY_LEN(parameter_names)], struct error *err)
{
    for (size_t i = 0; i < ARRAY_LEN(parameter_names); i++) {
        if (strcmp(name, parameter_names[i]) != 0)
            continue;
        if (given[i])
            return error_set(err, ERROR_USAGE, "cannot use \"%s\" twice in the URL of a store",
                             name);
        given[i] = true;
        return parameter_setters[i](location, value, err);
    }
    const char *nearest = text_nearest(name, parameter_names, ARRAY_LEN(parameter_names));
    (void)error_set(err, ERROR_USAGE, "cannot use \"%.100s\" in the URL of a store", name);
    return nearest != NULL
               ? error_hint(err, "Did you mean \"%s\"?", nearest)
               : error_hint(err, "Known parameters: endpoint, region, style, signature, as-of.");
}

static bool parse_query(struct s3_location *location, char *query, struct error *err)
{
    bool given[ARRAY_LEN(parameter_names)] = {false};
    for (char *part = strsep(&query, "&"); part != NULL; part = strsep(&query, "&")) {
        char *equals = strchr(part, '=');
        if (equals == NULL)
            return error_set(err, ERROR_USAGE,
                             "cannot use \"%.100s\" in the URL of a store: it must be name=value",
                             part);
        *equals = '\0';
        if (!store_url_decode(part) || !store_url_decode(equals + 1))
            return error_set(err, ERROR_USAGE, "cannot decode a %%-escape in the URL of a store");
        if (!set_parameter(location, part, equals + 1, given, err))
            return false;
    }
    /* Amazon wants host style; a store with an endpoint of its own rarely has names for buckets. */
    if (!given[2])
        location->path_style = given[0];
    return true;
}

static bool set_bucket(struct s3_location *location, const char *bucket, struct error *err)
{
    size_t len = strlen(bucket);
    bool good = len >= 3 && len <= 255;
    for (size_t i = 0; i < len; i++)
        good = good && (isalnum((unsigned char)bucket[i]) || strchr("-._", bucket[i]) != NULL);
    if (!good)
        return error_set(err, ERROR_USAGE,
                         "cannot use \"%.200s\" as a bucket: it must be 3 to 255 letters, digits, "
                         "\"-\", \".\" and \"_\"",
                         bucket);
    return replace(&location->bucket, bucket, err);
}

/* "a/b/" and "/a/b" become "a/b/". */
static bool set_prefix(struct s3_location *location, const char *path, struct error *err)
{
    while (*path == '/')
        path++;
    CLEANUP(free_pointer) char *copy = text_format("%s", path);
    if (copy == NULL)
        return error_no_memory(err, "the URL of a store");
    size_t len = strlen(copy);
    while (len > 0 && copy[len - 1] == '/')
        copy[--len] = '\0';
    if (len > 0 && !store_check_key(copy, err))
        return error_set(err, ERROR_USAGE,
                         "cannot use \"%.200s\" as the prefix of a store: it must be letters, "
                         "digits, \"-\", \"_\", \".\" and \"/\"",
                         copy);
    CLEANUP(free_pointer) char *prefix = text_format("%s%s", copy, len > 0 ? "/" : "");
    return prefix != NULL ? replace(&location->prefix, prefix, err)
                          : error_no_memory(err, "the URL of a store");
}

static bool set_default_endpoint(struct s3_location *location, struct error *err)
{
    location->tls = true;
    location->host = text_format("s3.%s.amazonaws.com", location->region);
    return location->host != NULL || error_no_memory(err, "the URL of a store");
}

static bool parse(struct s3_location *location, char *rest, struct error *err)
{
    char *query = strchr(rest, '?');
    if (query != NULL)
        *query++ = '\0';
    if (!store_url_decode(rest))
        return error_set(err, ERROR_USAGE, "cannot decode a %%-escape in the URL of a store");
    char *slash = strchr(rest, '/');
    bool done = set_prefix(location, slash == NULL ? "" : slash, err);
    if (slash != NULL)
        *slash = '\0';
    done = done && set_bucket(location, rest, err) && set_region(location, "us-east-1", err) &&
           (query == NULL || *query == '\0' || parse_query(location, query, err));
    if (done && location->as_of_us != 0 && location->signature_v2)
        return error_set(err, ERROR_USAGE, "cannot use as-of with signature=v2");
    return done && (location->host != NULL || set_default_endpoint(location, err));
}

bool s3_location_parse(struct s3_location *out, const char *url, struct error *err)
{
    struct s3_location location = {0};
    if (!text_starts_with(url, "s3://") || strlen(url) > URL_MAX)
        return error_set(err, ERROR_USAGE, "cannot use \"%.200s\" as the URL of an S3 store", url);
    CLEANUP(free_pointer) char *rest = strdup(url + strlen("s3://"));
    if (rest == NULL)
        return error_no_memory(err, "the URL of a store");
    if (!parse(&location, rest, err)) {
        s3_location_release(&location);
        return false;
    }
    *out = location;
    return true;
}
