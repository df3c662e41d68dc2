#include "store/s3_versions.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "s3_xml.h"
#include "store/s3_read.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LISTING_MAX_BYTES = 32 * 1024 * 1024, PAGE_VERSIONS_MAX = 100000 };

/* --- pages of the listing ------------------------------------------------------------------------
 */

void s3_version_release(struct s3_version *version)
{
    free(version->key);
    free(version->id);
    free(version->etag);
    *version = (struct s3_version){0};
}

void s3_version_page_release(struct s3_version_page *page)
{
    for (size_t i = 0; i < page->count; i++)
        s3_version_release(&page->versions[i]);
    free(page->versions);
    free(page->next_key);
    free(page->next_id);
    *page = (struct s3_version_page){0};
}

/* Room for one more, zeroed. */
static struct s3_version *add_version(struct s3_version_page *page)
{
    if (page->count == PAGE_VERSIONS_MAX)
        return NULL;
    if (page->count == page->capacity) {
        size_t capacity = page->capacity == 0 ? 1024 : page->capacity * 2;
        struct s3_version *versions = reallocarray(page->versions, capacity, sizeof *versions);
        if (versions == NULL)
            return NULL;
        page->versions = versions;
        page->capacity = capacity;
    }
    page->versions[page->count] = (struct s3_version){0};
    return &page->versions[page->count++];
}

static bool replace(char **to, const char *text)
{
    free(*to);
    *to = strdup(text);
    return *to != NULL;
}

static bool take_version_text(struct s3_version *version, const struct s3_xml *xml)
{
    if (s3_xml_at(xml, 3, "Key"))
        return replace(&version->key, xml->text);
    if (s3_xml_at(xml, 3, "VersionId"))
        return replace(&version->id, xml->text);
    if (s3_xml_at(xml, 3, "ETag"))
        return replace(&version->etag, xml->text);
    if (s3_xml_at(xml, 3, "Size"))
        (void)!text_to_u64(xml->text, &version->size_bytes);
    if (s3_xml_at(xml, 3, "LastModified"))
        (void)!text_to_time_us(xml->text, &version->modified_us);
    return true;
}

/* The last version of the page is the one that is being read: its end makes room for the next. */
static bool take_text(void *context, const struct s3_xml *xml)
{
    struct s3_version_page *page = context;
    struct s3_version *last = &page->versions[page->count - 1];
    if (strcmp(xml->name[0], "ListVersionsResult") != 0 || xml->depth < 2)
        return true;
    bool is_marker = strcmp(xml->name[1], "DeleteMarker") == 0;
    if (is_marker || strcmp(xml->name[1], "Version") == 0) {
        last->is_delete_marker = is_marker;
        return xml->depth > 2 ? take_version_text(last, xml) : add_version(page) != NULL;
    }
    if (s3_xml_at(xml, 2, "IsTruncated"))
        page->truncated = strcmp(xml->text, "true") == 0;
    if (s3_xml_at(xml, 2, "NextKeyMarker"))
        return replace(&page->next_key, xml->text);
    if (s3_xml_at(xml, 2, "NextVersionIdMarker"))
        return replace(&page->next_id, xml->text);
    return true;
}

bool s3_version_page_parse(struct s3_version_page *page, const void *body, size_t len,
                           struct error *err)
{
    struct s3_xml xml = {.on_text = take_text, .context = page};
    *page = (struct s3_version_page){0};
    const char *failure = add_version(page) == NULL ? "memory is short"
                                                    : s3_xml_parse(&xml, body, len);
    if (failure == NULL && strcmp(xml.name[0], "ListVersionsResult") != 0)
        failure = "it is no ListVersionsResult";
    if (failure == NULL && page->truncated && page->next_key == NULL)
        failure = "it is cut off without a marker";
    for (size_t i = 0; i + 1 < page->count && failure == NULL; i++)
        if (page->versions[i].key == NULL || page->versions[i].id == NULL ||
            page->versions[i].modified_us == 0)
            failure = "a version has no key, id or time";
    if (failure != NULL) {
        s3_version_page_release(page);
        return error_set(err, ERROR_INVALID, "cannot read the store's listing of versions: %s",
                         failure);
    }
    s3_version_release(&page->versions[--page->count]); /* the room that stayed empty */
    return true;
}

/* --- the listing ---------------------------------------------------------------------------------
 */

struct version_listing {
    struct s3_client *client;
    char *full_prefix;
    s3_version_fn visit;
    void *context;
    char last_key[STORE_KEY_MAX];
};

static bool fetch_page(const struct version_listing *listing, const struct s3_version_page *before,
                       struct s3_version_page *out, struct error *err)
{
    CLEANUP(http_response_release) struct http_response response;
    http_response_init(&response, LISTING_MAX_BYTES);
    struct s3_call call = {
        .verb = "list versions of bucket",
        .method = "GET",
        .params = {{"versions", ""}, {"max-keys", "1000"}, {"prefix", listing->full_prefix}}};
    if (before->next_key != NULL)
        call.params[3] = (struct s3_param){"key-marker", before->next_key};
    if (before->next_key != NULL && before->next_id != NULL)
        call.params[4] = (struct s3_param){"version-id-marker", before->next_id};
    if (!s3_client_call(listing->client, &call, &response, err))
        return false;
    if (response.status != 200)
        return s3_client_refused(listing->client, &call, &response, err);
    return s3_version_page_parse(out, response.body.data, response.body.len, err);
}

/* Keys come in order, and the versions of one key together. */
static bool visit_page(struct version_listing *listing, struct s3_version_page *page,
                       struct error *err)
{
    const struct s3_location *location = &listing->client->location;
    struct error not_a_key;
    size_t prefix_len = strlen(location->prefix);
    for (size_t i = 0; i < page->count; i++) {
        struct s3_version *version = &page->versions[i];
        if (!text_starts_with(version->key, location->prefix))
            return error_set(err, ERROR_INVALID,
                             "cannot use the listing of bucket \"%s\": key \"%.200s\" does not "
                             "begin with the prefix asked for",
                             location->bucket, version->key);
        memmove(version->key, version->key + prefix_len, strlen(version->key + prefix_len) + 1);
        if (!store_check_key(version->key, &not_a_key))
            continue;
        if (strcmp(version->key, listing->last_key) < 0)
            return error_set(
                err, ERROR_UNSUPPORTED,
                "cannot use the listing of bucket \"%s\": it is not in order at \"%s\"",
                location->bucket, version->key);
        (void)snprintf(listing->last_key, sizeof listing->last_key, "%s", version->key);
        if (!listing->visit(listing->context, version, err))
            return false;
    }
    return true;
}

static bool visit_pages(struct version_listing *listing, struct error *err)
{
    struct s3_version_page page = {0};
    bool done = true;
    for (bool more = true; done && more;) {
        struct s3_version_page next = {0};
        done = fetch_page(listing, &page, &next, err) && visit_page(listing, &next, err);
        more = next.truncated;
        if (done && more && page.next_key != NULL && strcmp(page.next_key, next.next_key) == 0 &&
            (page.next_id == NULL || next.next_id == NULL ||
             strcmp(page.next_id, next.next_id) == 0))
            done = error_set(err, ERROR_INVALID,
                             "cannot use the listing of bucket \"%s\": it does not go on",
                             listing->client->location.bucket);
        s3_version_page_release(&page);
        page = next;
    }
    s3_version_page_release(&page);
    return done;
}

bool s3_versions_list(struct s3_client *client, const char *prefix, s3_version_fn visit,
                      void *context, struct error *err)
{
    CLEANUP(free_pointer)
    char *full_prefix = text_format("%s%s", client->location.prefix, prefix);
    if (full_prefix == NULL)
        return error_no_memory(err, "a listing");
    struct version_listing listing = {
        .client = client, .full_prefix = full_prefix, .visit = visit, .context = context};
    return visit_pages(&listing, err);
}

/* --- the bucket as it was ------------------------------------------------------------------------
 */

struct as_of {
    struct store store;
    struct s3_client client;
    pthread_mutex_t lock; /* over the loading; what is loaded does not change */
    bool loaded;
    struct s3_version *found; /* in order of keys, which are relative to the prefix */
    size_t count;
    size_t capacity;
};

static struct as_of *from_store(struct store *store)
{
    return (struct as_of *)store;
}

/* Of every key the newest version that is not newer than that time. */
static bool keep_version(void *context, struct s3_version *version, struct error *err)
{
    struct as_of *as_of = context;
    struct s3_version *last = as_of->count == 0 ? NULL : &as_of->found[as_of->count - 1];
    if (version->modified_us > as_of->client.location.as_of_us)
        return true;
    if (last != NULL && strcmp(version->key, last->key) == 0) {
        /* Of two at the same time the first in the listing is the newer one. */
        if (version->modified_us > last->modified_us) {
            s3_version_release(last);
            *last = *version;
            *version = (struct s3_version){0};
        }
        return true;
    }
    if (as_of->found == NULL || as_of->count == as_of->capacity) {
        size_t capacity = as_of->capacity == 0 ? 1024 : as_of->capacity * 2;
        struct s3_version *found = reallocarray(as_of->found, capacity, sizeof *found);
        if (found == NULL)
            return error_no_memory(err, "the versions of a bucket");
        as_of->found = found;
        as_of->capacity = capacity;
    }
    assert(as_of->found != NULL);
    as_of->found[as_of->count++] = *version;
    *version = (struct s3_version){0};
    return true;
}

static void drop_deleted(struct as_of *as_of)
{
    size_t kept = 0;
    for (size_t i = 0; i < as_of->count; i++) {
        if (as_of->found[i].is_delete_marker)
            s3_version_release(&as_of->found[i]);
        else
            as_of->found[kept++] = as_of->found[i];
    }
    as_of->count = kept;
}

static void forget(struct as_of *as_of)
{
    for (size_t i = 0; i < as_of->count; i++)
        s3_version_release(&as_of->found[i]);
    as_of->count = 0;
}

static bool load(struct as_of *as_of, struct error *err)
{
    pthread_mutex_lock(&as_of->lock);
    if (!as_of->loaded) {
        as_of->loaded = s3_versions_list(&as_of->client, "", keep_version, as_of, err);
        if (as_of->loaded)
            drop_deleted(as_of);
        else
            forget(as_of);
    }
    bool loaded = as_of->loaded;
    pthread_mutex_unlock(&as_of->lock);
    return loaded;
}

static int compare_key(const void *key, const void *version)
{
    return strcmp(key, ((const struct s3_version *)version)->key);
}

static bool find(struct as_of *as_of, const char *key, const struct s3_version **out,
                 struct error *err)
{
    if (!store_check_key(key, err) || !load(as_of, err))
        return false;
    *out = bsearch(key, as_of->found, as_of->count, sizeof *as_of->found, compare_key);
    return *out != NULL ||
           error_set(err, ERROR_NOT_FOUND,
                     "could not find object \"%s%s\" in bucket \"%s\" as of that time",
                     as_of->client.location.prefix, key, as_of->client.location.bucket);
}

static bool refuse(const char *key, struct error *err)
{
    return error_set(err, ERROR_REFUSED,
                     "cannot change object \"%s\": the store was opened as of a time, to be read",
                     key);
}

static bool as_of_put(struct store *store, const char *key, const void *bytes, size_t len,
                      const uint8_t *sha256, struct error *err)
{
    (void)store;
    (void)bytes;
    (void)len;
    (void)sha256;
    return refuse(key, err);
}

static bool as_of_get(struct store *store, const char *key, uint64_t offset, size_t want, void *out,
                      size_t *out_got, struct error *err)
{
    const struct s3_version *version;
    if (!find(from_store(store), key, &version, err))
        return false;
    *out_got = 0;
    return want == 0 ||
           s3_read(&from_store(store)->client, key, version->id, offset, want, out, out_got, err);
}

static bool as_of_stat(struct store *store, const char *key, struct store_object *out,
                       struct error *err)
{
    const struct s3_version *version;
    if (!find(from_store(store), key, &version, err))
        return false;
    *out = (struct store_object){
        .key = key, .size_bytes = version->size_bytes, .modified_us = version->modified_us};
    return true;
}

static bool as_of_list(struct store *store, const char *prefix, store_visit_fn visit, void *context,
                       struct error *err)
{
    struct as_of *as_of = from_store(store);
    if (!load(as_of, err))
        return false;
    for (size_t i = 0; i < as_of->count; i++) {
        const struct s3_version *version = &as_of->found[i];
        const struct store_object object = {.key = version->key,
                                            .size_bytes = version->size_bytes,
                                            .modified_us = version->modified_us};
        if (text_starts_with(version->key, prefix) && !visit(context, &object, err))
            return false;
    }
    return true;
}

static bool as_of_remove(struct store *store, const char *key, struct error *err)
{
    (void)store;
    return refuse(key, err);
}

static bool as_of_time(struct store *store, int64_t *out_unix_us, struct error *err)
{
    return s3_read_time(&from_store(store)->client, out_unix_us, err);
}

static const char *as_of_create_only(struct store *store)
{
    (void)store;
    return "read-only";
}

static void as_of_close(struct store *store)
{
    struct as_of *as_of = from_store(store);
    forget(as_of);
    free(as_of->found);
    pthread_mutex_destroy(&as_of->lock);
    s3_client_release(&as_of->client);
    free(as_of);
}

static const struct store_ops as_of_ops = {
    .name = "s3 as of a time",
    .put = as_of_put,
    .get = as_of_get,
    .stat = as_of_stat,
    .list = as_of_list,
    .remove = as_of_remove,
    .time = as_of_time,
    .create_only = as_of_create_only,
    .close = as_of_close,
};

bool s3_versions_open(struct s3_client *client, struct store **out, struct error *err)
{
    struct as_of *as_of = calloc(1, sizeof *as_of);
    if (as_of == NULL) {
        s3_client_release(client);
        return error_no_memory(err, "an S3 store");
    }
    *as_of = (struct as_of){.store = {.ops = &as_of_ops}, .client = *client};
    (void)pthread_mutex_init(&as_of->lock, NULL);
    *out = &as_of->store;
    return true;
}
