#include "store/s3_answer.h"

#include "base/text.h"
#include "s3_xml.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PAGE_OBJECTS_MAX = 100000 };

static bool take_problem_text(void *context, const struct s3_xml *xml)
{
    struct s3_problem *problem = context;
    const struct {
        const char *name;
        char *to;
        size_t size;
    } fields[] = {
        {"Code", problem->code, sizeof problem->code},
        {"Message", problem->message, sizeof problem->message},
        {"Region", problem->region, sizeof problem->region},
        {"Endpoint", problem->endpoint, sizeof problem->endpoint},
        {"RequestId", problem->request_id, sizeof problem->request_id},
    };
    if (strcmp(xml->name[0], "Error") != 0)
        return true;
    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        if (s3_xml_at(xml, 2, fields[i].name) && fields[i].to[0] == '\0')
            (void)snprintf(fields[i].to, fields[i].size, "%s", xml->text);
    return true;
}

void s3_problem_parse(struct s3_problem *problem, const void *body, size_t len)
{
    struct s3_xml xml = {.on_text = take_problem_text, .context = problem};
    (void)s3_xml_parse(&xml, body, len);
}

struct meaning {
    const char *code;
    int status; /* used when the store names no code that is in the table */
    enum error_kind kind;
    bool retryable;
    const char *hint; /* NULL: there is nothing to advise */
};

static const struct meaning meanings[] = {
    {"NoSuchKey", 0, ERROR_NOT_FOUND, false, NULL},
    {"NoSuchBucket", 0, ERROR_NOT_FOUND, false,
     "Create the bucket first, or correct its name or the endpoint in the store's URL."},
    {"NoSuchUpload", 0, ERROR_NOT_FOUND, false, NULL},
    {"PreconditionFailed", 412, ERROR_EXISTS, false, NULL},
    {"ConditionalRequestConflict", 409, ERROR_UNAVAILABLE, true, NULL},
    {"OperationAborted", 0, ERROR_UNAVAILABLE, true, NULL},
    {"AccessDenied", 403, ERROR_DENIED, false,
     "Give this key the rights of its job: `mainstay doctor --print-iam writer` prints them, also "
     "for reader, reaper, founder and runner."},
    {"AllAccessDisabled", 0, ERROR_DENIED, false, "Ask the store's provider about the account."},
    {"AccountProblem", 0, ERROR_DENIED, false, "Ask the store's provider about the account."},
    {"UserSuspended", 0, ERROR_DENIED, false, "Ask the store's provider to enable the user again."},
    {"InvalidAccessKeyId", 401, ERROR_DENIED, false,
     "The store does not know this access key: check the key and the endpoint."},
    {"SignatureDoesNotMatch", 0, ERROR_DENIED, false,
     "Check the secret key; if it is right, check the region and that no proxy changes requests."},
    {"ExpiredToken", 0, ERROR_DENIED, false, "Renew the session token."},
    {"TokenRefreshRequired", 0, ERROR_DENIED, false, "Renew the session token."},
    {"InvalidToken", 0, ERROR_DENIED, false,
     "Check the session token, or remove it for long-lived keys."},
    {"InvalidSecurity", 0, ERROR_DENIED, false, "Check the keys."},
    {"CredentialsNotSupported", 0, ERROR_DENIED, false, "Check the keys."},
    {"RequestTimeTooSkewed", 0, ERROR_DENIED, false,
     "Set this machine's clock (NTP): the store refuses requests signed with a wrong time."},
    {"RequestExpired", 0, ERROR_DENIED, false, "Set this machine's clock (NTP)."},
    {"AuthorizationHeaderMalformed", 0, ERROR_USAGE, false,
     "Set region= in the store's URL to the region of the bucket."},
    {"PermanentRedirect", 301, ERROR_USAGE, false,
     "Set endpoint= and region= in the store's URL to where the bucket is."},
    {"TemporaryRedirect", 307, ERROR_USAGE, false,
     "Set endpoint= and region= in the store's URL to where the bucket is."},
    {"Redirect", 302, ERROR_USAGE, false,
     "Set endpoint= and region= in the store's URL to where the bucket is."},
    {"IllegalLocationConstraintException", 0, ERROR_USAGE, false,
     "Set region= in the store's URL to the region of the bucket."},
    {"InvalidBucketName", 0, ERROR_USAGE, false, "Correct the bucket in the store's URL."},
    {"MethodNotAllowed", 405, ERROR_USAGE, false,
     "Check the endpoint and style= in the store's URL: this does not look like a bucket."},
    {"InvalidObjectState", 0, ERROR_REFUSED, false,
     "The object is in an archive: restore it to a readable storage class first."},
    {"QuotaExceeded", 0, ERROR_NO_SPACE, false,
     "Raise the quota, or expire snapshots that are no longer needed."},
    {"TooManyBuckets", 0, ERROR_NO_SPACE, false, NULL},
    {"EntityTooLarge", 413, ERROR_NO_SPACE, false,
     "The store takes no objects of this size: choose a smaller pack size."},
    {"InsufficientStorage", 507, ERROR_NO_SPACE, false, "Add space to the store."},
    {"StorageFull", 0, ERROR_NO_SPACE, false, "Add space to the store."},
    {"XMinioStorageFull", 0, ERROR_NO_SPACE, false, "Add space to the store."},
    {"BadDigest", 0, ERROR_UNAVAILABLE, true, "The bytes were damaged on their way."},
    {"XAmzContentSHA256Mismatch", 0, ERROR_UNAVAILABLE, true,
     "The bytes were damaged on their way."},
    {"IncompleteBody", 0, ERROR_UNAVAILABLE, true, NULL},
    {"RequestTimeout", 408, ERROR_UNAVAILABLE, true, NULL},
    {"SlowDown", 429, ERROR_UNAVAILABLE, true, NULL},
    {"TooManyRequests", 0, ERROR_UNAVAILABLE, true, NULL},
    {"Throttling", 0, ERROR_UNAVAILABLE, true, NULL},
    {"ServiceUnavailable", 503, ERROR_UNAVAILABLE, true, NULL},
    {"InternalError", 500, ERROR_UNAVAILABLE, true, NULL},
    {"BadGateway", 502, ERROR_UNAVAILABLE, true, NULL},
    {"GatewayTimeout", 504, ERROR_UNAVAILABLE, true, NULL},
    {"NotImplemented", 501, ERROR_UNSUPPORTED, false,
     "The store does not know this kind of request."},
    {"InvalidRequest", 0, ERROR_INVALID, false,
     "The store may want another signature: try signature=v4 or signature=v2 in its URL."},
    {"InvalidRange", 416, ERROR_INVALID, false, NULL},
    {"KeyTooLongError", 0, ERROR_INVALID, false, "Choose a shorter prefix in the store's URL."},
    {"NotFound", 404, ERROR_NOT_FOUND, false, NULL},
    {"BadRequest", 400, ERROR_INVALID, false,
     "Check the endpoint, region= and style= in the store's URL, and the keys."},
};

static struct meaning meaning_of(const struct s3_problem *problem)
{
    for (size_t i = 0; i < ARRAY_LEN(meanings); i++)
        if (strcmp(meanings[i].code, problem->code) == 0)
            return meanings[i];
    for (size_t i = 0; i < ARRAY_LEN(meanings); i++)
        if (meanings[i].status != 0 && meanings[i].status == problem->status)
            return meanings[i];
    if (problem->status >= 500)
        return (struct meaning){.kind = ERROR_UNAVAILABLE, .retryable = true};
    return (struct meaning){.kind = ERROR_INVALID};
}

/* Where the bucket really is, and how far the clocks are apart: facts that beat general advice. */
static void add_facts(const struct s3_problem *problem, struct error *err)
{
    if (problem->region[0] != '\0' && err->kind == ERROR_USAGE)
        (void)error_hint(err, "Set region=%s in the store's URL%s%s.", problem->region,
                         problem->endpoint[0] != '\0' ? " and endpoint=" : "", problem->endpoint);
    if (problem->endpoint[0] != '\0' && err->kind == ERROR_USAGE)
        (void)error_hint(err, "Set endpoint=%s in the store's URL.", problem->endpoint);
    if (strcmp(problem->code, "RequestTimeTooSkewed") == 0 && problem->has_skew)
        (void)error_hint(err,
                         "Set this machine's clock (NTP): the clock of this machine differs from "
                         "the store's by %" PRId64 " s.",
                         problem->skew_s < 0 ? -problem->skew_s : problem->skew_s);
}

bool s3_problem_report(const struct s3_problem *problem, const char *what, struct error *err)
{
    struct meaning meaning = meaning_of(problem);
    char details[S3_ID_MAX + S3_CODE_MAX + 64];
    char message[S3_MESSAGE_MAX + 8];
    int used = problem->status == 0
                   ? 0
                   : snprintf(details, sizeof details, "HTTP %d ", problem->status);
    used += snprintf(details + used, sizeof details - (size_t)used, "%s",
                     problem->code[0] != '\0' ? problem->code
                     : meaning.code == NULL   ? "error"
                                              : meaning.code);
    if (problem->request_id[0] != '\0')
        (void)snprintf(details + used, sizeof details - (size_t)used, ", request %s",
                       problem->request_id);
    (void)snprintf(message, sizeof message, "%s%s", problem->message[0] != '\0' ? ": " : "",
                   problem->message);
    (void)error_set(err, meaning.kind, "could not %s%s (%s)", what, message, details);
    err->retryable = meaning.retryable;
    err->retry_after_ms = meaning.retryable ? problem->retry_after_ms : 0;
    add_facts(problem, err);
    if (meaning.hint != NULL)
        (void)error_hint(err, "%s", meaning.hint);
    return false;
}

bool s3_problem_is_about_keys(const struct s3_problem *problem, bool has_session_token)
{
    static const char *const codes[] = {"ExpiredToken", "InvalidAccessKeyId",
                                        "SignatureDoesNotMatch", "InvalidToken",
                                        "TokenRefreshRequired"};
    for (size_t i = 0; i < ARRAY_LEN(codes); i++)
        if (strcmp(problem->code, codes[i]) == 0)
            return true;
    if (has_session_token && (strcmp(problem->code, "AccessDenied") == 0 ||
                              strcmp(problem->code, "InvalidArgument") == 0))
        return true;
    /* HEAD has no body to carry a code; Amazon answers it with 400 when a token has expired. */
    return problem->code[0] == '\0' &&
           (problem->status == 400 || problem->status == 401 || problem->status == 403);
}

struct s3_object *s3_page_add(struct s3_page *page)
{
    if (page->count == PAGE_OBJECTS_MAX)
        return NULL;
    if (page->count == page->capacity) {
        size_t capacity = page->capacity == 0 ? 1024 : page->capacity * 2;
        struct s3_object *objects = reallocarray(page->objects, capacity, sizeof *objects);
        if (objects == NULL)
            return NULL;
        page->objects = objects;
        page->capacity = capacity;
    }
    page->objects[page->count] = (struct s3_object){0};
    return &page->objects[page->count++];
}

static bool take_object_text(struct s3_page *page, const struct s3_xml *xml)
{
    /* The order of a Contents' children is not promised: each one opens the object. */
    struct s3_object *object = page->count == 0 ? NULL : &page->objects[page->count - 1];
    if (object == NULL)
        return true;
    if (s3_xml_at(xml, 3, "Key")) {
        free(object->key);
        object->key = strdup(xml->text);
        return object->key != NULL;
    }
    if (s3_xml_at(xml, 3, "Size"))
        (void)!text_to_u64(xml->text, &object->size_bytes);
    if (s3_xml_at(xml, 3, "LastModified"))
        (void)!text_to_time_us(xml->text, &object->modified_us);
    return true;
}

static bool take_page_text(void *context, const struct s3_xml *xml)
{
    struct s3_page *page = context;
    if (strcmp(xml->name[0], "ListBucketResult") != 0)
        return true;
    if (xml->depth == 3 && strcmp(xml->name[1], "Contents") == 0)
        return take_object_text(page, xml);
    /* The end of one object is where room for the next is made. */
    if (s3_xml_at(xml, 2, "Contents"))
        return s3_page_add(page) != NULL;
    if (s3_xml_at(xml, 2, "IsTruncated"))
        page->truncated = strcmp(xml->text, "true") == 0;
    if (s3_xml_at(xml, 2, "NextContinuationToken")) {
        free(page->continuation);
        page->continuation = strdup(xml->text);
        return page->continuation != NULL;
    }
    return true;
}

bool s3_page_parse(struct s3_page *page, const void *body, size_t len, struct error *err)
{
    struct s3_xml xml = {.on_text = take_page_text, .context = page};
    *page = (struct s3_page){0};
    const char *failure = s3_page_add(page) == NULL ? "memory is short"
                                                    : s3_xml_parse(&xml, body, len);
    if (failure == NULL && strcmp(xml.name[0], "ListBucketResult") != 0)
        failure = "it is no ListBucketResult";
    if (failure == NULL && page->truncated && page->continuation == NULL)
        failure = "it is cut off without a continuation token";
    for (size_t i = 0; i + 1 < page->count && failure == NULL; i++)
        if (page->objects[i].key == NULL)
            failure = "an object has no key";
    if (failure != NULL) {
        s3_page_release(page);
        return error_set(err, ERROR_INVALID, "cannot read the store's listing: %s", failure);
    }
    free(page->objects[page->count - 1].key);
    page->count--; /* the room that stayed empty */
    return true;
}

void s3_page_release(struct s3_page *page)
{
    for (size_t i = 0; i < page->count; i++)
        free(page->objects[i].key);
    free(page->objects);
    free(page->continuation);
    *page = (struct s3_page){0};
}
