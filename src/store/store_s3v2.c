#include "store/store_s3v2.h"

#include "base/cleanup.h"
#include "base/stop.h"
#include "base/text.h"
#include "net/http_client.h"
#include "store/s3_answer.h"

#include <libs3.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PAGE_KEYS = 1000 };

struct store_s3v2 {
    struct store store;
    struct s3_location location;
    struct s3_credentials *credentials;
    struct http_client *http; /* only for the time, which libs3 does not tell */
};

/* One libs3 request: what goes in, what its callbacks bring. */
struct job {
    struct store_s3v2 *s3;
    const char *verb; /* "put object" */
    const char *key;  /* below the store's prefix; NULL: the bucket */
    char *full_key;

    const char *body;
    size_t body_len;
    size_t sent;

    uint64_t offset;
    char *into;
    size_t into_size;
    size_t into_len;

    const char *marker; /* listing: behind this full key */
    struct s3_page page;

    bool has_properties;
    uint64_t content_length;
    int64_t modified_us;
    S3Status status;
    char message[S3_MESSAGE_MAX];
    char request_id[S3_ID_MAX];
};

typedef void (*run_fn)(struct job *job, const S3BucketContext *bucket);

static pthread_once_t libs3_once = PTHREAD_ONCE_INIT;
static S3Status libs3_ready;

static void libs3_start(void)
{
    libs3_ready = S3_initialize("mainstay", S3_INIT_ALL, NULL);
}

static struct store_s3v2 *from_store(struct store *store)
{
    return (struct store_s3v2 *)store;
}

static S3Status on_properties(const S3ResponseProperties *properties, void *context)
{
    struct job *job = context;
    job->has_properties = true;
    job->content_length = properties->contentLength;
    job->modified_us = properties->lastModified > 0 ? properties->lastModified * 1000000 : 0;
    (void)snprintf(job->request_id, sizeof job->request_id, "%s",
                   properties->requestId != NULL ? properties->requestId : "");
    return S3StatusOK;
}

static void on_complete(S3Status status, const S3ErrorDetails *details, void *context)
{
    struct job *job = context;
    job->status = status;
    if (details != NULL && details->message != NULL)
        (void)snprintf(job->message, sizeof job->message, "%s", details->message);
}

static int on_put_data(int size, char *to, void *context)
{
    struct job *job = context;
    size_t left = job->body_len - job->sent;
    size_t len = left < (size_t)size ? left : (size_t)size;
    if (stop_requested())
        return -1;
    if (len > 0)
        memcpy(to, job->body + job->sent, len);
    job->sent += len;
    return (int)len;
}

static S3Status on_get_data(int size, const char *from, void *context)
{
    struct job *job = context;
    if (stop_requested() || (size_t)size > job->into_size - job->into_len)
        return S3StatusAbortedByCallback;
    memcpy(job->into + job->into_len, from, (size_t)size);
    job->into_len += (size_t)size;
    return S3StatusOK;
}

static bool add_object(struct s3_page *page, const S3ListBucketContent *content)
{
    struct s3_object *object = s3_page_add(page);
    if (object == NULL)
        return false;
    object->key = strdup(content->key);
    object->size_bytes = content->size;
    object->modified_us = content->lastModified > 0 ? content->lastModified * 1000000 : 0;
    return object->key != NULL;
}

static S3Status on_list(int truncated, const char *next_marker, int count,
                        const S3ListBucketContent *contents, int prefix_count,
                        const char **prefixes, void *context)
{
    struct job *job = context;
    (void)next_marker; /* only sent with a delimiter: the last key serves */
    (void)prefix_count;
    (void)prefixes;
    if (stop_requested())
        return S3StatusAbortedByCallback;
    job->page.truncated = truncated != 0;
    for (int i = 0; i < count; i++)
        if (!add_object(&job->page, &contents[i]))
            return S3StatusOutOfMemory;
    return S3StatusOK;
}

static void run_put(struct job *job, const S3BucketContext *bucket)
{
    const S3PutObjectHandler handler = {{on_properties, on_complete}, on_put_data};
    S3_put_object(bucket, job->full_key, job->body_len, NULL, NULL, &handler, job);
}

static void run_get(struct job *job, const S3BucketContext *bucket)
{
    const S3GetObjectHandler handler = {{on_properties, on_complete}, on_get_data};
    S3_get_object(bucket, job->full_key, NULL, job->offset, job->into_size, NULL, &handler, job);
}

static void run_head(struct job *job, const S3BucketContext *bucket)
{
    const S3ResponseHandler handler = {on_properties, on_complete};
    S3_head_object(bucket, job->full_key, NULL, &handler, job);
}

static void run_remove(struct job *job, const S3BucketContext *bucket)
{
    const S3ResponseHandler handler = {on_properties, on_complete};
    S3_delete_object(bucket, job->full_key, NULL, &handler, job);
}

static void run_list(struct job *job, const S3BucketContext *bucket)
{
    const S3ListBucketHandler handler = {{on_properties, on_complete}, on_list};
    S3_list_bucket(bucket, job->full_key, job->marker, NULL, PAGE_KEYS, NULL, &handler, job);
}

/* What libs3 reports of its own, and the answers that it gives other names than S3. */
static const struct {
    const char *code;
    S3Status status;
    int http;
} renamed[] = {
    {"TemporaryRedirect", S3StatusHttpErrorMovedTemporarily, 307},
    {"BadRequest", S3StatusHttpErrorBadRequest, 400},
    {"", S3StatusHttpErrorForbidden, 403},
    {"NotFound", S3StatusHttpErrorNotFound, 404},
    {"", S3StatusHttpErrorConflict, 409},
    {"KeyTooLongError", S3StatusErrorKeyTooLong, 0},
};

static bool set_connection_error(const struct job *job, const char *what, struct error *err)
{
    if (stop_requested())
        return error_set(err, ERROR_CANCELLED, "could not %s: asked to stop", what);
    if (job->status == S3StatusAbortedByCallback)
        return error_set(err, ERROR_INVALID, "could not %s: the answer is longer than expected",
                         what);
    if (job->status == S3StatusOutOfMemory)
        return error_no_memory(err, "a request to S3");
    (void)error_set(err, ERROR_UNAVAILABLE, "could not %s: no answer from %s (libs3: %s)", what,
                    job->s3->location.host, S3_get_status_name(job->status));
    err->retryable = true;
    return error_hint(err, "Check that the server runs and that the network and its firewalls let "
                           "this machine reach it.");
}

static void read_problem(const struct job *job, struct s3_problem *out)
{
    const char *name = S3_get_status_name(job->status);
    *out = (struct s3_problem){0};
    (void)snprintf(out->code, sizeof out->code, "%s",
                   text_starts_with(name, "Error") ? name + strlen("Error") : name);
    for (size_t i = 0; i < ARRAY_LEN(renamed); i++) {
        if (renamed[i].status != job->status)
            continue;
        (void)snprintf(out->code, sizeof out->code, "%s", renamed[i].code);
        out->status = renamed[i].http;
    }
    (void)snprintf(out->message, sizeof out->message, "%s", job->message);
    (void)snprintf(out->request_id, sizeof out->request_id, "%s", job->request_id);
}

/* Fills err from a finished job that did not succeed. Returns false. */
static bool job_refused(const struct job *job, struct error *err)
{
    char what[1024];
    struct s3_problem problem;
    const struct s3_location *location = &job->s3->location;
    if (job->key == NULL)
        (void)snprintf(what, sizeof what, "%s \"%s\"", job->verb, location->bucket);
    else
        (void)snprintf(what, sizeof what, "%s \"%s%s\" in bucket \"%s\"", job->verb,
                       location->prefix, job->key, location->bucket);
    if (job->status < S3StatusErrorAccessDenied)
        return set_connection_error(job, what, err);
    read_problem(job, &problem);
    (void)s3_problem_report(&problem, what, err);
    if (job->status == S3StatusErrorUnknown || job->status == S3StatusHttpErrorUnknown)
        return error_hint(err, "libs3 does not tell the store's reason: try signature=v4.");
    return false;
}

/* Runs with the current keys, and once more when these were refused and others have come. True when
 * the request was run; job->status says how it ended. */
static bool job_run(struct job *job, run_fn run, struct error *err)
{
    const struct s3_location *location = &job->s3->location;
    for (bool again = false;; again = true) {
        struct s3_keys keys = {0};
        struct s3_problem problem;
        if (!stop_check(err) || !s3_credentials_get(job->s3->credentials, &keys, err))
            return false;
        const S3BucketContext bucket = {
            location->host,       location->bucket,
            S3ProtocolHTTP,       location->path_style ? S3UriStylePath : S3UriStyleVirtualHost,
            keys.access_key.text, keys.secret_key.text};
        uint64_t generation = keys.generation;
        job->sent = 0;
        job->into_len = 0;
        job->has_properties = false;
        run(job, &bucket);
        s3_keys_release(&keys);
        read_problem(job, &problem);
        if (again || job->status == S3StatusOK || !s3_problem_is_about_keys(&problem, false))
            return true;
        bool changed;
        if (!s3_credentials_reload(job->s3->credentials, generation, &changed, err))
            return false;
        if (!changed)
            return true;
    }
}

static void job_release(struct job *job)
{
    s3_page_release(&job->page);
    free(job->full_key);
}

/* key is a key or a prefix. */
static bool job_init(struct job *job, struct store *store, const char *verb, const char *key,
                     struct error *err)
{
    struct store_s3v2 *s3 = from_store(store);
    *job = (struct job){.s3 = s3, .verb = verb, .key = key};
    job->full_key = text_format("%s%s", s3->location.prefix, key);
    return job->full_key != NULL || error_no_memory(err, "a request to S3");
}

static bool is_missing(const struct job *job)
{
    return job->status == S3StatusErrorNoSuchKey || job->status == S3StatusHttpErrorNotFound;
}

/* HEAD carries no reason: asking for the first byte tells a missing bucket from a missing object,
 * and why access is denied. Returns false. */
static bool explain(struct job *job, struct error *err)
{
    char byte;
    S3Status head = job->status;
    job->into = &byte;
    job->into_size = 1;
    bool ran = head <= S3StatusErrorUnknown || job_run(job, run_get, err);
    job->into = NULL;
    if (!ran)
        return false;
    bool other = job->status == S3StatusOK ||
                 (is_missing(job) && head != S3StatusHttpErrorNotFound);
    if (other) /* a busy store's 5xx has no name of its own without a body */
        job->status = head == S3StatusHttpErrorUnknown ? S3StatusErrorInternalError : head;
    return job_refused(job, err);
}

static bool v2_put(struct store *store, const char *key, const void *bytes, size_t len,
                   const uint8_t *sha256, struct error *err)
{
    CLEANUP(job_release) struct job job = {0};
    (void)sha256; /* libs3 2.0 signs no payload; the caller's hash is checked when it is read */
    if (!store_check_key(key, err) || !job_init(&job, store, "put object", key, err) ||
        !job_run(&job, run_head, err))
        return false;
    if (job.status == S3StatusOK)
        return error_set(err, ERROR_EXISTS,
                         "could not put object \"%s\" in bucket \"%s\": it exists already",
                         job.full_key, job.s3->location.bucket);
    if (!is_missing(&job))
        return explain(&job, err);
    job.body = bytes;
    job.body_len = len;
    job.message[0] = '\0';
    if (!job_run(&job, run_put, err))
        return false;
    return job.status == S3StatusOK || job_refused(&job, err);
}

static bool v2_stat(struct store *store, const char *key, struct store_object *out,
                    struct error *err)
{
    CLEANUP(job_release) struct job job = {0};
    if (!store_check_key(key, err) || !job_init(&job, store, "inspect object", key, err) ||
        !job_run(&job, run_head, err))
        return false;
    if (job.status == S3StatusOK) {
        *out = (struct store_object){
            .key = key, .size_bytes = job.content_length, .modified_us = job.modified_us};
        return true;
    }
    return explain(&job, err);
}

/* libs3 says OK when a body ends too early. */
static bool is_whole(const struct job *job)
{
    return job->has_properties && job->content_length == job->into_len;
}

static bool v2_get(struct store *store, const char *key, uint64_t offset, size_t want, void *out,
                   size_t *out_got, struct error *err)
{
    struct store_object object;
    CLEANUP(job_release) struct job job = {0};
    if (want == 0) { /* libs3 reads 0 as "to the end" */
        *out_got = 0;
        return v2_stat(store, key, &object, err);
    }
    if (!store_check_key(key, err) || !job_init(&job, store, "get object", key, err))
        return false;
    job.offset = offset;
    job.into = out;
    job.into_size = want;
    if (!job_run(&job, run_get, err))
        return false;
    if (job.status == S3StatusErrorInvalidRange) { /* at or behind the end */
        *out_got = 0;
        return true;
    }
    if (job.status != S3StatusOK)
        return job_refused(&job, err);
    if (!is_whole(&job)) {
        (void)error_set(err, ERROR_UNAVAILABLE,
                        "could not get object \"%s\" in bucket \"%s\": the answer broke off",
                        job.full_key, job.s3->location.bucket);
        err->retryable = true;
        return false;
    }
    *out_got = job.into_len;
    return true;
}

struct listing {
    const struct s3_location *location;
    store_visit_fn visit;
    void *context;
    char last_key[STORE_KEY_MAX];
};

static bool visit_page(struct listing *listing, const struct s3_page *page, struct error *err)
{
    struct error not_a_key;
    size_t skip = strlen(listing->location->prefix);
    for (size_t i = 0; i < page->count; i++) {
        const struct s3_object *found = &page->objects[i];
        if (!text_starts_with(found->key, listing->location->prefix))
            continue;
        struct store_object object = {.key = found->key + skip,
                                      .size_bytes = found->size_bytes,
                                      .modified_us = found->modified_us};
        if (!store_check_key(object.key, &not_a_key)) /* not ours */
            continue;
        if (strcmp(object.key, listing->last_key) <= 0)
            return error_set(err, ERROR_UNSUPPORTED,
                             "cannot use the listing of bucket \"%s\": it is not in order at "
                             "\"%s\"",
                             listing->location->bucket, object.key);
        (void)snprintf(listing->last_key, sizeof listing->last_key, "%s", object.key);
        if (!listing->visit(listing->context, &object, err))
            return false;
    }
    return true;
}

static bool v2_list(struct store *store, const char *prefix, store_visit_fn visit, void *context,
                    struct error *err)
{
    struct listing listing = {
        .location = &from_store(store)->location, .visit = visit, .context = context};
    CLEANUP(free_pointer) char *marker = NULL;
    for (bool more = true; more;) {
        CLEANUP(job_release) struct job job = {0};
        if (!job_init(&job, store, "list bucket", prefix, err))
            return false;
        job.key = NULL;
        job.marker = marker;
        if (!job_run(&job, run_list, err))
            return false;
        if (job.status != S3StatusOK)
            return job_refused(&job, err);
        if (!visit_page(&listing, &job.page, err))
            return false;
        more = job.page.truncated && job.page.count > 0;
        if (!more)
            break;
        free(marker);
        marker = strdup(job.page.objects[job.page.count - 1].key);
        if (marker == NULL)
            return error_no_memory(err, "a listing");
    }
    return true;
}

static bool v2_remove(struct store *store, const char *key, struct error *err)
{
    CLEANUP(job_release) struct job job = {0};
    if (!store_check_key(key, err) || !job_init(&job, store, "remove object", key, err) ||
        !job_run(&job, run_remove, err))
        return false;
    return job.status == S3StatusOK || job.status == S3StatusErrorNoSuchKey ||
           job_refused(&job, err);
}

/* libs3 hides the Date header; an unsigned request gets one as well, whatever its status. */
static bool v2_time(struct store *store, int64_t *out_unix_us, struct error *err)
{
    struct store_s3v2 *s3 = from_store(store);
    CLEANUP(free_pointer) char *url = text_format("http://%s/", s3->location.host);
    if (url == NULL)
        return error_no_memory(err, "a URL");
    struct http_request request = {.method = "HEAD", .url = url};
    struct http_response response;
    http_response_init(&response, 4096);
    bool done = http_send(s3->http, &request, &response, err);
    const char *date = done ? http_response_header(&response, "Date") : NULL;
    if (done && (date == NULL || !http_date_parse(date, out_unix_us)))
        done = error_set(err, ERROR_UNSUPPORTED, "the store at %s does not tell its time",
                         s3->location.host);
    http_response_release(&response);
    return done;
}

static const char *v2_create_only(struct store *store)
{
    (void)store;
    return "HEAD, then PUT";
}

static void v2_close(struct store *store)
{
    struct store_s3v2 *s3 = from_store(store);
    http_client_free(s3->http);
    s3_credentials_close(s3->credentials);
    s3_location_release(&s3->location);
    free(s3);
}

static const struct store_ops v2_ops = {
    .name = "s3v2",
    .put = v2_put,
    .get = v2_get,
    .stat = v2_stat,
    .list = v2_list,
    .remove = v2_remove,
    .time = v2_time,
    .create_only = v2_create_only,
    .close = v2_close,
};

/* What libs3 cannot do safely is refused before anything is sent. */
static bool check_options(const struct s3_location *location, struct s3_credentials *credentials,
                          struct error *err)
{
    struct s3_keys keys = {0};
    pthread_once(&libs3_once, libs3_start);
    if (libs3_ready != S3StatusOK)
        return error_set(err, ERROR_IO, "could not start libs3: %s",
                         S3_get_status_name(libs3_ready));
    if (location->tls) {
        (void)error_set(err, ERROR_UNSUPPORTED,
                        "cannot use signature=v2 over https: libs3 does not verify certificates");
        return error_hint(err, "Use signature=v4, or endpoint=http:// to a TLS proxy on this "
                               "machine.");
    }
    if (!s3_credentials_get(credentials, &keys, err))
        return false;
    bool has_token = secret_is_set(&keys.session_token);
    s3_keys_release(&keys);
    if (has_token)
        return error_set(err, ERROR_UNSUPPORTED, "cannot use a session token with signature=v2");
    return true;
}

bool store_s3v2_open(const struct store_s3v2_options *options, struct s3_location *location,
                     struct s3_credentials *credentials, struct store **out, struct error *err)
{
    struct store_s3v2 *s3 = calloc(1, sizeof *s3);
    struct http_options http = {.connect_timeout_us = options->connect_timeout_us,
                                .stall_timeout_us = options->stall_timeout_us};
    if (s3 == NULL) {
        s3_credentials_close(credentials);
        s3_location_release(location);
        return error_no_memory(err, "an S3 store");
    }
    *s3 = (struct store_s3v2){
        .store = {.ops = &v2_ops}, .location = *location, .credentials = credentials};
    *location = (struct s3_location){0};
    if (!check_options(&s3->location, credentials, err) ||
        !http_client_new(&http, &s3->http, err)) {
        v2_close(&s3->store);
        return false;
    }
    *out = &s3->store;
    return true;
}
