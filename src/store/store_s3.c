#include "store/store_s3.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "store/s3_changes.h"
#include "store/s3_client.h"
#include "store/s3_lock.h"
#include "store/s3_read.h"
#include "store/s3_versions.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    ERROR_BODY_MAX_BYTES = 1024 * 1024,
    LISTING_MAX_BYTES = 32 * 1024 * 1024,
    PROBE_MAX_BYTES = 64 * 1024, /* up to here a put is worth sending twice */
};

enum create_only { UNPROVEN, CONDITIONAL, LOOK_FIRST };

struct store_s3 {
    struct store store;
    struct s3_client client;
    struct store_lock lock;
    _Atomic(enum create_only) create_only;
};

static struct store_s3 *from_store(struct store *store)
{
    return (struct store_s3 *)store;
}

static void release_response(struct http_response *response)
{
    http_response_release(response);
}

static bool exists_already(const struct store_s3 *s3, const char *key, struct error *err)
{
    return error_set(err, ERROR_EXISTS,
                     "could not put object \"%s%s\" in bucket \"%s\": it exists already",
                     s3->client.location.prefix, key, s3->client.location.bucket);
}

/* HEAD carries no reason: asking for the first byte tells a missing bucket from a missing object,
 * and why access is denied. A busy store (5xx, 429) is not asked again. Returns false. */
static bool explain(struct store_s3 *s3, const struct s3_call *head_call,
                    const struct http_response *head, struct error *err)
{
    char byte;
    struct s3_call call = {.verb = head_call->verb,
                           .method = "GET",
                           .key = head_call->key,
                           .headers = {{"Range", "bytes=0-0"}},
                           .into = &byte,
                           .into_size = 1};
    if (head->status >= 500 || head->status == 429)
        return s3_client_refused(&s3->client, head_call, head, err);
    CLEANUP(release_response) struct http_response response;
    http_response_init(&response, ERROR_BODY_MAX_BYTES);
    if (!s3_client_call(&s3->client, &call, &response, err))
        return false;
    /* Two answers to one question differ when somebody else was at work in between. */
    bool same = response.status == head->status || response.status >= 500;
    return s3_client_refused(&s3->client, &call, same ? &response : head, err);
}

static bool look(struct store_s3 *s3, const char *key, bool *out_exists, struct error *err)
{
    CLEANUP(release_response) struct http_response response;
    http_response_init(&response, ERROR_BODY_MAX_BYTES);
    struct s3_call call = {.verb = "put object", .method = "HEAD", .key = key};
    if (!s3_client_call(&s3->client, &call, &response, err))
        return false;
    if (response.status != 200 && response.status != 404)
        return explain(s3, &call, &response, err);
    *out_exists = response.status == 200;
    return true;
}

struct upload {
    const char *key;
    const void *bytes;
    size_t len;
    const uint8_t *sha256;
};

/* ERROR_EXISTS for 412; anything but success is in err. */
static bool send_upload(struct store_s3 *s3, const struct upload *upload, bool conditional,
                        struct error *err)
{
    CLEANUP(release_response) struct http_response response;
    http_response_init(&response, ERROR_BODY_MAX_BYTES);
    struct s3_call call = {.verb = "put object",
                           .method = "PUT",
                           .key = upload->key,
                           .body = upload->bytes,
                           .body_len = upload->len,
                           .sha256 = upload->sha256};
    struct s3_lock_texts texts;
    bool locked = s3_lock_covers(&s3->lock, upload->key);
    size_t headers = 0;
    if (locked)
        headers = s3_lock_headers(&s3->client, &s3->lock, upload->bytes, upload->len,
                                  upload->sha256, &texts, call.headers);
    if (conditional)
        call.headers[headers] = (struct http_header){"If-None-Match", "*"};
    if (!s3_client_call(&s3->client, &call, &response, err))
        return false;
    if (response.status == 200)
        return true;
    if (response.status == 412) {
        atomic_store(&s3->create_only, CONDITIONAL);
        return exists_already(s3, upload->key, err);
    }
    return locked ? s3_lock_refused(&s3->client, &call, &response, err)
                  : s3_client_refused(&s3->client, &call, &response, err);
}

/* The object is stored; whether the condition was honoured shows when it is sent again. The bytes
 * are the same, so a store that ignores the condition does no harm. */
static void prove_condition(struct store_s3 *s3, const struct upload *upload)
{
    struct error err;
    if (send_upload(s3, upload, true, &err))
        atomic_store(&s3->create_only, LOOK_FIRST);
}

static bool s3_put(struct store *store, const char *key, const void *bytes, size_t len,
                   const uint8_t *sha256, struct error *err)
{
    struct store_s3 *s3 = from_store(store);
    struct upload upload = {.key = key, .bytes = bytes, .len = len, .sha256 = sha256};
    enum create_only mode = atomic_load(&s3->create_only);
    bool exists = false;
    if (!store_check_key(key, err))
        return false;
    if (mode != CONDITIONAL && !look(s3, key, &exists, err))
        return false;
    if (exists)
        return exists_already(s3, key, err);
    if (mode == LOOK_FIRST)
        return send_upload(s3, &upload, false, err);
    if (send_upload(s3, &upload, true, err)) {
        if (mode == UNPROVEN && len <= PROBE_MAX_BYTES)
            prove_condition(s3, &upload);
        return true;
    }
    if (err->kind != ERROR_UNSUPPORTED)
        return false;
    atomic_store(&s3->create_only, LOOK_FIRST);
    /* Proven before by another thread, or by nothing: looking again costs one small request. */
    return look(s3, key, &exists, err) &&
           (exists ? exists_already(s3, key, err) : send_upload(s3, &upload, false, err));
}

static bool s3_stat(struct store *store, const char *key, struct store_object *out,
                    struct error *err);

static bool s3_get(struct store *store, const char *key, uint64_t offset, size_t want, void *out,
                   size_t *out_got, struct error *err)
{
    struct store_object object;
    if (want == 0) { /* no range says "nothing" */
        *out_got = 0;
        return s3_stat(store, key, &object, err);
    }
    return store_check_key(key, err) &&
           s3_read(&from_store(store)->client, key, NULL, offset, want, out, out_got, err);
}

static bool s3_stat(struct store *store, const char *key, struct store_object *out,
                    struct error *err)
{
    struct store_s3 *s3 = from_store(store);
    if (!store_check_key(key, err))
        return false;
    CLEANUP(release_response) struct http_response response;
    http_response_init(&response, ERROR_BODY_MAX_BYTES);
    struct s3_call call = {.verb = "inspect object", .method = "HEAD", .key = key};
    if (!s3_client_call(&s3->client, &call, &response, err))
        return false;
    if (response.status != 200)
        return explain(s3, &call, &response, err);
    const char *length = http_response_header(&response, "Content-Length");
    const char *modified = http_response_header(&response, "Last-Modified");
    struct store_object object = {.key = key};
    if (length == NULL || !text_to_u64(length, &object.size_bytes))
        return error_set(err, ERROR_INVALID,
                         "could not inspect object \"%s%s\" in bucket \"%s\": the store does not "
                         "say its size",
                         s3->client.location.prefix, key, s3->client.location.bucket);
    if (modified != NULL)
        (void)!http_date_parse(modified, &object.modified_us);
    *out = object;
    return true;
}

struct listing {
    struct store_s3 *s3;
    char *full_prefix;
    store_visit_fn visit;
    void *context;
    char last_key[STORE_KEY_MAX];
};

static bool fetch_page(const struct listing *listing, const char *continuation, struct s3_page *out,
                       struct error *err)
{
    CLEANUP(release_response) struct http_response response;
    http_response_init(&response, LISTING_MAX_BYTES);
    struct s3_call call = {
        .verb = "list bucket",
        .method = "GET",
        .params = {{"list-type", "2"}, {"max-keys", "1000"}, {"prefix", listing->full_prefix}}};
    if (continuation != NULL)
        call.params[3] = (struct s3_param){"continuation-token", continuation};
    if (!s3_client_call(&listing->s3->client, &call, &response, err))
        return false;
    if (response.status != 200)
        return s3_client_refused(&listing->s3->client, &call, &response, err);
    return s3_page_parse(out, response.body.data, response.body.len, err);
}

static bool visit_page(struct listing *listing, const struct s3_page *page, struct error *err)
{
    const struct s3_location *location = &listing->s3->client.location;
    struct error not_a_key;
    for (size_t i = 0; i < page->count; i++) {
        const struct s3_object *found = &page->objects[i];
        struct store_object object = {
            .key = found->key, .size_bytes = found->size_bytes, .modified_us = found->modified_us};
        if (!text_starts_with(object.key, location->prefix))
            return error_set(err, ERROR_INVALID,
                             "cannot use the listing of bucket \"%s\": key \"%.200s\" does not "
                             "begin with the prefix asked for",
                             location->bucket, object.key);
        object.key += strlen(location->prefix);
        if (!store_check_key(object.key, &not_a_key)) /* not ours */
            continue;
        if (strcmp(object.key, listing->last_key) <= 0)
            return error_set(err, ERROR_UNSUPPORTED,
                             "cannot use the listing of bucket \"%s\": it is not in order at "
                             "\"%s\"",
                             location->bucket, object.key);
        (void)snprintf(listing->last_key, sizeof listing->last_key, "%s", object.key);
        if (!listing->visit(listing->context, &object, err))
            return false;
    }
    return true;
}

static bool list_pages(struct listing *listing, struct error *err)
{
    CLEANUP(free_pointer) char *continuation = NULL;
    for (bool more = true; more;) {
        struct s3_page page = {0};
        if (!fetch_page(listing, continuation, &page, err))
            return false;
        bool done = visit_page(listing, &page, err);
        more = page.truncated;
        if (done && more && continuation != NULL && strcmp(continuation, page.continuation) == 0)
            done = error_set(err, ERROR_INVALID,
                             "cannot use the listing of bucket \"%s\": it does not go on",
                             listing->s3->client.location.bucket);
        free(continuation);
        continuation = TAKE(page.continuation);
        s3_page_release(&page);
        if (!done)
            return false;
    }
    return true;
}

static bool s3_list(struct store *store, const char *prefix, store_visit_fn visit, void *context,
                    struct error *err)
{
    struct store_s3 *s3 = from_store(store);
    CLEANUP(free_pointer)
    char *full_prefix = text_format("%s%s", s3->client.location.prefix, prefix);
    if (full_prefix == NULL)
        return error_no_memory(err, "a listing");
    struct listing listing = {
        .s3 = s3, .full_prefix = full_prefix, .visit = visit, .context = context};
    return list_pages(&listing, err);
}

static bool s3_remove(struct store *store, const char *key, struct error *err)
{
    struct store_s3 *s3 = from_store(store);
    if (!store_check_key(key, err))
        return false;
    CLEANUP(release_response) struct http_response response;
    http_response_init(&response, ERROR_BODY_MAX_BYTES);
    struct s3_call call = {.verb = "remove object", .method = "DELETE", .key = key};
    if (!s3_client_call(&s3->client, &call, &response, err))
        return false;
    if (response.status == 204 || response.status == 200)
        return true;
    struct s3_problem problem = {.status = response.status};
    s3_problem_parse(&problem, response.body.data, response.body.len);
    return strcmp(problem.code, "NoSuchKey") == 0 ||
           s3_client_refused(&s3->client, &call, &response, err);
}

static bool s3_lock(struct store *store, const char *key, bool renew, int64_t *out_until_us,
                    struct error *err)
{
    struct store_s3 *s3 = from_store(store);
    *out_until_us = 0;
    if (renew && !s3_lock_covers(&s3->lock, key))
        return true;
    return store_check_key(key, err) &&
           s3_lock_object(&s3->client, &s3->lock, key, renew, out_until_us, err);
}

static bool s3_protection(struct store *store, struct store_protection *out, struct error *err)
{
    return s3_lock_protection(&from_store(store)->client, &from_store(store)->lock, out, err);
}

static bool s3_changes(struct store *store, const char *prefix, bool removed_too,
                       store_change_fn visit, void *context, struct error *err)
{
    return s3_changes_visit(&from_store(store)->client, prefix, removed_too, visit, context, err);
}

static bool s3_time(struct store *store, int64_t *out_unix_us, struct error *err)
{
    return s3_read_time(&from_store(store)->client, out_unix_us, err);
}

static const char *s3_create_only(struct store *store)
{
    static const char *const phrases[] = {
        [UNPROVEN] = "HEAD, then PUT with If-None-Match (not proven yet)",
        [CONDITIONAL] = "If-None-Match",
        [LOOK_FIRST] = "HEAD, then PUT",
    };
    return phrases[atomic_load(&from_store(store)->create_only)];
}

static void s3_close(struct store *store)
{
    struct store_s3 *s3 = from_store(store);
    s3_client_release(&s3->client);
    free(s3);
}

static const struct store_ops s3_ops = {
    .name = "s3",
    .put = s3_put,
    .get = s3_get,
    .stat = s3_stat,
    .list = s3_list,
    .remove = s3_remove,
    .lock = s3_lock,
    .protection = s3_protection,
    .changes = s3_changes,
    .time = s3_time,
    .create_only = s3_create_only,
    .close = s3_close,
};

bool store_s3_open(const struct store_s3_options *options, struct s3_location *location,
                   struct s3_credentials *credentials, struct store **out, struct error *err)
{
    struct s3_client client = {
        .location = *location, .credentials = credentials, .clock = *options->clock};
    struct http_options http = {.ca_file = options->ca_file,
                                .connect_timeout_us = options->connect_timeout_us,
                                .stall_timeout_us = options->stall_timeout_us};
    *location = (struct s3_location){0};
    struct store_s3 *s3 = calloc(1, sizeof *s3);
    if (s3 == NULL)
        (void)error_no_memory(err, "an S3 store");
    if (s3 == NULL || !http_client_new(&http, &client.http, err)) {
        s3_client_release(&client);
        free(s3);
        return false;
    }
    if (client.location.as_of_us != 0) {
        free(s3);
        return s3_versions_open(&client, out, err);
    }
    s3->store.ops = &s3_ops;
    s3->client = client;
    s3->lock = options->lock;
    *out = &s3->store;
    return true;
}
