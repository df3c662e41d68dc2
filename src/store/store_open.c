#include "store/store_open.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "store/s3_credentials.h"
#include "store/s3_location.h"
#include "store/store_local.h"
#include "store/store_memory.h"
#include "store/store_meter.h"
#include "store/store_retry.h"
#include "store/store_s3.h"
#include "store/store_s3v2.h"
#include "store/store_trace.h"

#include <stdlib.h>
#include <string.h>

static bool open_s3(const struct store_options *options, struct store **out, struct error *err)
{
    struct s3_location location;
    struct s3_credentials *credentials;
    struct s3_credentials_options from = {.access_key_file = options->access_key_file,
                                          .secret_key_file = options->secret_key_file,
                                          .session_token_file = options->session_token_file,
                                          .credentials_file = options->credentials_file,
                                          .profile = options->profile,
                                          .ca_file = options->ca_file,
                                          .timeout_us = options->connect_timeout_us,
                                          .clock = options->clock,
                                          .random = options->random,
                                          .getenv = options->getenv};
    const struct clock *clock = options->clock != NULL ? options->clock : &clock_system;
    if (!s3_location_parse(&location, options->url, err))
        return false;
    from.region = location.region;
    if (!s3_credentials_open(&from, &credentials, err)) {
        s3_location_release(&location);
        return false;
    }
    if (location.signature_v2 && store_lock_is_wanted(&options->lock)) {
        s3_credentials_close(credentials);
        s3_location_release(&location);
        return error_set(err, ERROR_UNSUPPORTED, "cannot lock objects with signature=v2");
    }
    if (location.signature_v2) {
        const struct store_s3v2_options v2 = {.connect_timeout_us = options->connect_timeout_us,
                                              .stall_timeout_us = options->stall_timeout_us};
        return store_s3v2_open(&v2, &location, credentials, out, err);
    }
    const struct store_s3_options v4 = {.ca_file = options->ca_file,
                                        .connect_timeout_us = options->connect_timeout_us,
                                        .stall_timeout_us = options->stall_timeout_us,
                                        .clock = clock,
                                        .lock = options->lock};
    return store_s3_open(&v4, &location, credentials, out, err);
}

static bool open_file_url(const char *url, struct store **out, struct error *err)
{
    CLEANUP(free_pointer) char *path = strdup(url + strlen("file://"));
    if (path == NULL)
        return error_no_memory(err, "the URL of a store");
    if (!store_url_decode(path))
        return error_set(err, ERROR_USAGE, "cannot decode a %%-escape in the URL of a store");
    return store_local_open(path, out, err);
}

static bool open_driver(const struct store_options *options, struct store **out, struct error *err)
{
    const char *url = options->url;
    if (strcmp(url, "memory:") == 0)
        return store_memory_open(out, err);
    if (text_starts_with(url, "s3://"))
        return open_s3(options, out, err);
    if (store_lock_is_wanted(&options->lock))
        return error_set(err, ERROR_UNSUPPORTED,
                         "cannot lock objects in \"%.200s\": only S3 buckets have object lock",
                         url);
    if (text_starts_with(url, "file:///"))
        return open_file_url(url, out, err);
    if (url[0] == '/')
        return store_local_open(url, out, err);
    (void)error_set(err, ERROR_USAGE, "cannot use \"%.200s\" as the URL of a store", url);
    return error_hint(err, "Use an absolute path, file:///path, or "
                           "s3://bucket/prefix?endpoint=HOST&region=REGION.");
}

bool store_open(const struct store_options *options, struct store **out, struct error *err)
{
    struct store *store;
    const struct store_retry_options retry = {
        .total_us = options->retry_total_us, .clock = options->clock, .random = options->random};
    if (!open_driver(options, &store, err))
        return false;
    /* Within the retries: every attempt counts, and has its line. */
    char *(*environment)(const char *name) = options->getenv != NULL ? options->getenv : getenv;
    struct meter *meter = meter_inherit(environment(METER_VARIABLE));
    if (meter != NULL && !store_meter_open(store, meter, options->clock, &store, err))
        return false;
    if (options->trace && !store_trace_open(store, options->clock, &store, err))
        return false;
    return store_retry_open(store, &retry, out, err);
}
