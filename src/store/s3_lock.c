#include "store/s3_lock.h"

#include "codec/digest.h"
#include "s3_xml.h"

#include <stdio.h>
#include <string.h>

enum { ANSWER_MAX_BYTES = 64 * 1024 };

static const char *mode_name(const struct store_lock *lock)
{
    return lock->compliance ? "COMPLIANCE" : "GOVERNANCE";
}

bool s3_lock_covers(const struct store_lock *lock, const char *key)
{
    for (const char *const *prefix = lock->prefixes; store_lock_is_wanted(lock) && *prefix != NULL;
         prefix++)
        if (text_starts_with(key, *prefix))
            return true;
    return false;
}

/* RFC 4648, of exactly 32 bytes. */
static void put_base64(const uint8_t bytes[SHA256_BYTES], char out[S3_CHECKSUM_SIZE])
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t at = 0;
    for (size_t i = 0; i < SHA256_BYTES; i += 3) {
        size_t left = SHA256_BYTES - i;
        uint32_t group = (uint32_t)bytes[i] << 16 | (left > 1 ? (uint32_t)bytes[i + 1] << 8 : 0) |
                         (left > 2 ? bytes[i + 2] : 0);
        out[at++] = digits[group >> 18];
        out[at++] = digits[group >> 12 & 63];
        out[at++] = left > 1 ? digits[group >> 6 & 63] : '=';
        out[at++] = left > 2 ? digits[group & 63] : '=';
    }
    out[at] = '\0';
}

static void put_checksum(const void *bytes, size_t len, const uint8_t *sha256,
                         char out[S3_CHECKSUM_SIZE])
{
    uint8_t computed[SHA256_BYTES];
    if (sha256 == NULL) {
        digest_sha256(bytes, len, computed);
        sha256 = computed;
    }
    put_base64(sha256, out);
}

static void put_until(const struct s3_client *client, const struct store_lock *lock,
                      char out[TEXT_SIZE])
{
    (void)text_time_us(clock_now_us(&client->clock) + lock->keep_us + lock->keep_us / 4, out);
}

size_t s3_lock_headers(const struct s3_client *client, const struct store_lock *lock,
                       const void *bytes, size_t len, const uint8_t *sha256,
                       struct s3_lock_texts *texts, struct http_header *out)
{
    size_t count = 0;
    if (lock->keep_us > 0) {
        put_until(client, lock, texts->until);
        out[count++] = (struct http_header){"x-amz-object-lock-mode", mode_name(lock)};
        out[count++] = (struct http_header){"x-amz-object-lock-retain-until-date", texts->until};
    }
    if (lock->hold)
        out[count++] = (struct http_header){"x-amz-object-lock-legal-hold", "ON"};
    put_checksum(bytes, len, sha256, texts->checksum);
    out[count++] = (struct http_header){"x-amz-checksum-sha256", texts->checksum};
    return count;
}

bool s3_lock_refused(const struct s3_client *client, const struct s3_call *call,
                     const struct http_response *response, struct error *err)
{
    (void)s3_client_refused(client, call, response, err);
    if (response->status != 400)
        return false;
    err->hint[0] = '\0'; /* this is more than the table knows */
    return error_hint(err, "Locks need a bucket that was made with object lock: make one, or set "
                           "store.lock-mode to none and store.legal-hold to false.");
}

/* setting: "retention" or "legal-hold"; body: what it is to be. */
static bool put_setting(struct s3_client *client, const char *key, const char *setting,
                        const char *body, struct error *err)
{
    char checksum[S3_CHECKSUM_SIZE];
    put_checksum(body, strlen(body), NULL, checksum);
    const struct s3_call call = {.verb = "lock object",
                                 .method = "PUT",
                                 .key = key,
                                 .params = {{setting, ""}},
                                 .headers = {{"x-amz-checksum-sha256", checksum}},
                                 .body = body,
                                 .body_len = strlen(body)};
    CLEANUP(http_response_release) struct http_response response;
    http_response_init(&response, ANSWER_MAX_BYTES);
    if (!s3_client_call(client, &call, &response, err))
        return false;
    if (response.status == 200 || response.status == 204)
        return true;
    return s3_lock_refused(client, &call, &response, err);
}

/* mode: that of the object, which stays. */
static bool put_retention(struct s3_client *client, const struct store_lock *lock, const char *key,
                          const char *mode, int64_t *out_until_us, struct error *err)
{
    char body[512];
    char until[TEXT_SIZE];
    put_until(client, lock, until);
    (void)snprintf(body, sizeof body,
                   "<Retention xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
                   "<Mode>%s</Mode><RetainUntilDate>%s</RetainUntilDate></Retention>",
                   mode, until);
    if (!put_setting(client, key, "retention", body, err))
        return false;
    return text_to_time_us(until, out_until_us) ||
           error_set(err, ERROR_INVALID, "a lock's time is malformed");
}

static bool put_hold(struct s3_client *client, const char *key, struct error *err)
{
    return put_setting(client, key, "legal-hold",
                       "<LegalHold xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
                       "<Status>ON</Status></LegalHold>",
                       err);
}

/* What an object, or a version of it, has. */
struct object_lock {
    int64_t until_us;
    bool held;
    char mode[sizeof "GOVERNANCE"]; /* "": none */
};

static bool read_lock(struct s3_client *client, const char *key, const char *version,
                      struct object_lock *out, struct error *err)
{
    struct object_lock lock = {0};
    struct s3_call call = {.verb = "inspect the lock of object", .method = "HEAD", .key = key};
    if (version != NULL)
        call.params[0] = (struct s3_param){"versionId", version};
    CLEANUP(http_response_release) struct http_response response;
    http_response_init(&response, ANSWER_MAX_BYTES);
    if (!s3_client_call(client, &call, &response, err))
        return false;
    if (response.status != 200)
        return s3_client_refused(client, &call, &response, err);
    const char *until = http_response_header(&response, "x-amz-object-lock-retain-until-date");
    const char *mode = http_response_header(&response, "x-amz-object-lock-mode");
    const char *hold = http_response_header(&response, "x-amz-object-lock-legal-hold");
    if (until != NULL && !text_to_time_us(until, &lock.until_us))
        return error_set(err, ERROR_INVALID, "cannot read the lock of object \"%s\"", key);
    if (mode != NULL)
        (void)snprintf(lock.mode, sizeof lock.mode, "%s", mode);
    lock.held = hold != NULL && strcmp(hold, "ON") == 0;
    *out = lock;
    return true;
}

bool s3_lock_until(struct s3_client *client, const char *key, const char *version,
                   int64_t *out_until_us, struct error *err)
{
    struct object_lock found;
    if (!read_lock(client, key, version, &found, err))
        return false;
    *out_until_us = found.held ? STORE_HELD_US : found.until_us;
    return true;
}

static bool renew_lock(struct s3_client *client, const struct store_lock *lock, const char *key,
                       struct object_lock *found, struct error *err)
{
    int64_t enough_us = clock_now_us(&client->clock) + lock->keep_us;
    if (lock->keep_us > 0 && found->until_us < enough_us &&
        !put_retention(client, lock, key, found->mode[0] != '\0' ? found->mode : mode_name(lock),
                       &found->until_us, err))
        return false;
    if (lock->hold && !found->held && !put_hold(client, key, err))
        return false;
    found->held = found->held || lock->hold;
    return true;
}

/* A HEAD says nothing of locks to who may not see them, and that must not pass for none. */
static bool is_unlocked(struct s3_client *client, const struct store_lock *lock, const char *key,
                        struct error *err)
{
    const char *setting = lock->keep_us > 0 ? "retention" : "legal-hold";
    const struct s3_call call = {.verb = "inspect the lock of object",
                                 .method = "GET",
                                 .key = key,
                                 .params = {{setting, ""}}};
    CLEANUP(http_response_release) struct http_response response;
    http_response_init(&response, ANSWER_MAX_BYTES);
    return s3_client_call(client, &call, &response, err) &&
           (response.status != 403 || s3_client_refused(client, &call, &response, err));
}

bool s3_lock_object(struct s3_client *client, const struct store_lock *lock, const char *key,
                    bool renew, int64_t *out_until_us, struct error *err)
{
    struct object_lock found;
    if (!read_lock(client, key, NULL, &found, err) ||
        (renew && s3_lock_covers(lock, key) && !renew_lock(client, lock, key, &found, err)))
        return false;
    if (!renew && s3_lock_covers(lock, key) && found.until_us == 0 && !found.held &&
        !is_unlocked(client, lock, key, err))
        return false;
    *out_until_us = found.held ? STORE_HELD_US : found.until_us;
    return true;
}

/* --- what the bucket is set to ------------------------------------------------------------------
 */

static bool take_setting(void *context, const struct s3_xml *xml)
{
    struct store_protection *to = context;
    uint64_t number = 0;
    (void)!text_to_u64(xml->text, &number);
    if (s3_xml_at(xml, 2, "Status") && strcmp(xml->name[0], "VersioningConfiguration") == 0)
        to->versions = strcmp(xml->text, "Enabled") == 0;
    if (s3_xml_at(xml, 2, "ObjectLockEnabled"))
        to->lockable = strcmp(xml->text, "Enabled") == 0;
    if (xml->depth >= 2 && strcmp(xml->name[xml->depth - 2], "NoncurrentVersionExpiration") == 0 &&
        s3_xml_at(xml, xml->depth, "NoncurrentDays"))
        to->noncurrent_days = number;
    return true;
}

/* A bucket without this setting answers 404. */
static bool ask_setting(struct s3_client *client, const char *name, struct store_protection *to,
                        struct error *err)
{
    struct s3_xml xml = {.on_text = take_setting, .context = to};
    const struct s3_call call = {
        .verb = "read the settings of bucket", .method = "GET", .params = {{name, ""}}};
    CLEANUP(http_response_release) struct http_response response;
    http_response_init(&response, ANSWER_MAX_BYTES);
    if (!s3_client_call(client, &call, &response, err))
        return false;
    if (response.status == 404)
        return true;
    if (response.status != 200)
        return s3_client_refused(client, &call, &response, err);
    const char *failure = s3_xml_parse(&xml, response.body.data, response.body.len);
    return failure == NULL ||
           error_set(err, ERROR_INVALID, "cannot read the setting %s of bucket \"%s\": %s", name,
                     client->location.bucket, failure);
}

bool s3_lock_protection(struct s3_client *client, const struct store_lock *lock,
                        struct store_protection *out, struct error *err)
{
    struct store_protection found = {.known = true, .lock = *lock};
    if (!ask_setting(client, "versioning", &found, err) ||
        !ask_setting(client, "object-lock", &found, err) ||
        !ask_setting(client, "lifecycle", &found, err))
        return false;
    *out = found;
    return true;
}
