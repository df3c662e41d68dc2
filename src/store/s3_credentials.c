#include "store/s3_credentials.h"

#include "base/buf.h"
#include "base/log.h"
#include "store/s3_key_source.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { SECOND_US = 1000000, MINUTE_US = 60 * SECOND_US };

static const struct s3_key_source *const sources[] = {
    &s3_key_files,       &s3_key_environment, &s3_key_web_identity,
    &s3_key_shared_file, &s3_key_container,   &s3_key_instance,
};

struct s3_credentials {
    struct s3_key_setup setup;
    const struct s3_key_source *source;
    struct clock clock;
    struct random_source random;
    pthread_mutex_t lock; /* over everything below; not held while a remote source is asked */
    pthread_cond_t refreshed;
    bool refreshing;
    struct error failure; /* of the last attempt */
    struct s3_keys keys;
    int64_t fetched_us; /* monotonic */
    int64_t renew_us;   /* wall clock: from now on it is worth asking again */
    int64_t retry_us;   /* pause after an attempt that failed */
};

void s3_keys_release(struct s3_keys *keys)
{
    secret_release(&keys->access_key);
    secret_release(&keys->secret_key);
    secret_release(&keys->session_token);
}

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* --- the choice ----------------------------------------------------------------------------- */

/* Why each source has no keys; `last` (or NULL) is what the last one said. */
static bool set_nothing_found(const struct s3_credentials *credentials, const char *last,
                              struct error *err)
{
    struct buf reasons;
    buf_init(&reasons, 1024);
    for (size_t i = 0; i < ARRAY_LEN(sources); i++) {
        const char *reason = sources[i]->absence(&credentials->setup);
        if (reason == NULL)
            reason = last;
        buf_printf(&reasons, "%s%.300s", i == 0 ? "" : "; ", reason == NULL ? "" : reason);
    }
    const char *text = buf_text(&reasons);
    (void)error_set(err, ERROR_USAGE, "could not find the keys of the S3 store: %s",
                    text == NULL ? "memory is short" : text);
    buf_release(&reasons);
    return error_hint(err, "Set store.access-key-file and store.secret-key-file, or "
                           "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or write "
                           "~/.aws/credentials, or give this machine or pod a role.");
}

static bool choose(struct s3_credentials *credentials, struct error *err)
{
    for (size_t i = 0; i < ARRAY_LEN(sources); i++)
        if (sources[i]->absence(&credentials->setup) == NULL) {
            credentials->source = sources[i];
            return true;
        }
    return set_nothing_found(credentials, NULL, err);
}

/* --- keys and their renewal ----------------------------------------------------------------- */

static bool same_secret(const struct secret *a, const struct secret *b)
{
    if (a->text == NULL || b->text == NULL)
        return a->text == b->text;
    return strcmp(a->text, b->text) == 0;
}

static bool same_keys(const struct s3_keys *a, const struct s3_keys *b)
{
    return same_secret(&a->access_key, &b->access_key) &&
           same_secret(&a->secret_key, &b->secret_key) &&
           same_secret(&a->session_token, &b->session_token);
}

/* Takes the keys. */
static void install(struct s3_credentials *credentials, struct s3_keys *fresh)
{
    struct s3_keys *keys = &credentials->keys;
    bool other = !secret_is_set(&keys->access_key) || !same_keys(fresh, keys);
    fresh->generation = keys->generation + (other ? 1 : 0);
    s3_keys_release(keys);
    *keys = *fresh;
    *fresh = (struct s3_keys){0};
}

/* When to renew keys that were fetched just now. */
static void plan_renewal(struct s3_credentials *credentials)
{
    int64_t expires_us = credentials->keys.expires_us;
    credentials->fetched_us = clock_monotonic_us(&credentials->clock);
    credentials->renew_us = INT64_MAX;
    credentials->retry_us = 30 * (int64_t)SECOND_US;
    if (expires_us == 0)
        return;
    int64_t left_us = expires_us - clock_now_us(&credentials->clock);
    int64_t early_us = smaller(left_us / 5, 10 * (int64_t)MINUTE_US);
    uint64_t drawn_us = random_below(&credentials->random, (uint64_t)early_us / 2 + 1);
    credentials->renew_us = expires_us - early_us - (int64_t)drawn_us;
    credentials->retry_us = smaller(early_us / 4, credentials->retry_us);
}

static bool check_expiry(const struct s3_credentials *credentials, const struct s3_keys *keys,
                         struct error *err)
{
    if (keys->expires_us == 0 || keys->expires_us > clock_now_us(&credentials->clock))
        return true;
    (void)error_set(err, ERROR_DENIED, "its keys have expired already");
    return error_hint(err, "Check this machine's clock (NTP).");
}

/* A machine without any keys is no EC2 instance whose service is away. */
static bool explain(const struct s3_credentials *credentials, struct error *err)
{
    const struct error why = *err;
    if (credentials->source == &s3_key_instance && credentials->keys.generation == 0 &&
        why.kind == ERROR_UNAVAILABLE)
        return set_nothing_found(credentials, why.text, err);
    return error_wrap(err, "could not get keys from %s", credentials->source->name);
}

/* Without the lock. The caller releases out also after a failure. */
static bool fetch(const struct s3_credentials *credentials, struct s3_keys *out, struct error *err)
{
    return (credentials->source->read(&credentials->setup, out, err) &&
            check_expiry(credentials, out, err)) ||
           explain(credentials, err);
}

/* Asks the remote source, with the lock released meanwhile. */
static bool renew(struct s3_credentials *credentials, struct error *err)
{
    struct s3_keys fresh = {0};
    credentials->refreshing = true;
    pthread_mutex_unlock(&credentials->lock);
    bool done = fetch(credentials, &fresh, err);
    pthread_mutex_lock(&credentials->lock);
    credentials->refreshing = false;
    if (done) {
        install(credentials, &fresh);
        plan_renewal(credentials);
        log_event(LOG_DEBUG, "store.keys", "new keys from %s", credentials->source->name);
    } else {
        credentials->failure = *err;
        credentials->renew_us = clock_now_us(&credentials->clock) + credentials->retry_us;
    }
    pthread_cond_broadcast(&credentials->refreshed);
    s3_keys_release(&fresh);
    return done;
}

static bool are_usable(const struct s3_credentials *credentials)
{
    const struct s3_keys *keys = &credentials->keys;
    return secret_is_set(&keys->access_key) &&
           (keys->expires_us == 0 || keys->expires_us > clock_now_us(&credentials->clock));
}

/* Under the lock. True when another thread brought new keys, else with its error. */
static bool wait_for_other(struct s3_credentials *credentials, struct error *err)
{
    uint64_t generation = credentials->keys.generation;
    while (credentials->refreshing)
        pthread_cond_wait(&credentials->refreshed, &credentials->lock);
    if (are_usable(credentials) || credentials->keys.generation != generation)
        return true;
    *err = credentials->failure;
    return false;
}

/* Under the lock. */
static bool make_usable(struct s3_credentials *credentials, struct error *err)
{
    bool usable = are_usable(credentials);
    bool is_due = !usable || clock_now_us(&credentials->clock) >= credentials->renew_us;
    if (!credentials->source->remote || !is_due || (usable && credentials->refreshing))
        return true;
    if (credentials->refreshing)
        return wait_for_other(credentials, err);
    return renew(credentials, err) || are_usable(credentials);
}

static bool copy_secret(struct secret *to, const struct secret *from, struct error *err)
{
    return !secret_is_set(from) || secret_set(to, from->text, err);
}

static bool copy_keys(const struct s3_keys *keys, struct s3_keys *out, struct error *err)
{
    struct s3_keys copy = {.expires_us = keys->expires_us, .generation = keys->generation};
    if (!copy_secret(&copy.access_key, &keys->access_key, err) ||
        !copy_secret(&copy.secret_key, &keys->secret_key, err) ||
        !copy_secret(&copy.session_token, &keys->session_token, err)) {
        s3_keys_release(&copy);
        return false;
    }
    *out = copy;
    return true;
}

bool s3_credentials_get(struct s3_credentials *credentials, struct s3_keys *out, struct error *err)
{
    pthread_mutex_lock(&credentials->lock);
    bool done = make_usable(credentials, err) && copy_keys(&credentials->keys, out, err);
    pthread_mutex_unlock(&credentials->lock);
    return done;
}

/* Under the lock. */
static void reread(struct s3_credentials *credentials)
{
    struct error ignored;
    struct s3_keys fresh = {0};
    if (credentials->source->read(&credentials->setup, &fresh, &ignored))
        install(credentials, &fresh);
    s3_keys_release(&fresh);
}

bool s3_credentials_reload(struct s3_credentials *credentials, uint64_t used_generation,
                           bool *out_changed, struct error *err)
{
    bool done = true;
    pthread_mutex_lock(&credentials->lock);
    bool same = credentials->keys.generation == used_generation;
    int64_t age_us = clock_monotonic_us(&credentials->clock) - credentials->fetched_us;
    if (same && !credentials->source->remote)
        reread(credentials);
    else if (same && credentials->refreshing)
        done = wait_for_other(credentials, err);
    else if (same && age_us >= SECOND_US)
        done = renew(credentials, err);
    *out_changed = done && credentials->keys.generation != used_generation;
    pthread_mutex_unlock(&credentials->lock);
    return done;
}

/* --- open and close ------------------------------------------------------------------------- */

static bool copy_setup(struct s3_key_setup *to, const struct s3_credentials_options *options)
{
    const struct {
        char **to;
        const char *from;
    } texts[] = {
        {&to->access_key_file, options->access_key_file},
        {&to->secret_key_file, options->secret_key_file},
        {&to->session_token_file, options->session_token_file},
        {&to->credentials_file, options->credentials_file},
        {&to->profile, options->profile},
        {&to->ca_file, options->ca_file},
        {&to->region, options->region},
    };
    to->getenv = options->getenv != NULL ? options->getenv : getenv;
    to->timeout_us = options->timeout_us > 0 ? options->timeout_us : 10 * (int64_t)SECOND_US;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        *texts[i].to = texts[i].from == NULL ? NULL : strdup(texts[i].from);
        if (texts[i].from != NULL && *texts[i].to == NULL)
            return false;
    }
    return true;
}

static bool read_static(struct s3_credentials *credentials, struct error *err)
{
    struct s3_keys fresh = {0};
    bool done = credentials->source->read(&credentials->setup, &fresh, err);
    if (done)
        install(credentials, &fresh);
    s3_keys_release(&fresh);
    return done;
}

bool s3_credentials_open(const struct s3_credentials_options *options, struct s3_credentials **out,
                         struct error *err)
{
    struct s3_credentials *credentials = calloc(1, sizeof *credentials);
    if (credentials == NULL)
        return error_no_memory(err, "credentials");
    credentials->clock = options->clock != NULL ? *options->clock : clock_system;
    credentials->random = options->random != NULL ? *options->random : random_system;
    (void)pthread_mutex_init(&credentials->lock, NULL);
    (void)pthread_cond_init(&credentials->refreshed, NULL);
    bool copied = copy_setup(&credentials->setup, options);
    if (!copied)
        (void)error_no_memory(err, "credentials");
    if (!copied || !choose(credentials, err) ||
        (!credentials->source->remote && !read_static(credentials, err))) {
        s3_credentials_close(credentials);
        return false;
    }
    *out = credentials;
    return true;
}

void s3_credentials_close(struct s3_credentials *credentials)
{
    if (credentials == NULL)
        return;
    struct s3_key_setup *setup = &credentials->setup;
    s3_keys_release(&credentials->keys);
    pthread_cond_destroy(&credentials->refreshed);
    pthread_mutex_destroy(&credentials->lock);
    free(setup->access_key_file);
    free(setup->secret_key_file);
    free(setup->session_token_file);
    free(setup->credentials_file);
    free(setup->profile);
    free(setup->ca_file);
    free(setup->region);
    free(credentials);
}
