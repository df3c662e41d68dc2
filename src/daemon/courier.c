#include "daemon/courier.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "base/stop.h"
#include "net/http_client.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum {
    NAME_SIZE = 48,
    ANSWER_MAX_BYTES = 64 * 1024,
    PAUSE_FIRST_US = 2 * 1000000,
    PAUSE_MAX_US = 300 * 1000000,
    SLICE_US = 100000,
};

#define PATIENCE_US ((int64_t)24 * 3600 * 1000000)
#define HEARTBEAT_PATIENCE_US ((int64_t)300 * 1000000)

struct parcel {
    char name[NAME_SIZE];
    char *url;
    char *body; /* NULL: a GET */
    size_t body_len;
    int64_t give_up_us; /* monotonic */
    int64_t pause_us;
};

struct courier {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct parcel *parcels[COURIER_QUEUE_MAX]; /* oldest first */
    size_t count;
    bool busy;   /* one is on its way */
    bool ending; /* the thread returns */
    uint64_t sent;
    uint64_t dropped;
    struct http_client *client;
};

static void parcel_free(struct parcel *parcel)
{
    if (parcel == NULL)
        return;
    if (parcel->url != NULL)
        explicit_bzero(parcel->url, strlen(parcel->url));
    if (parcel->body != NULL)
        explicit_bzero(parcel->body, parcel->body_len);
    free(parcel->url);
    free(parcel->body);
    free(parcel);
}

static bool deliver(struct courier *courier, const struct parcel *parcel, struct error *err)
{
    static const struct http_header json = {"Content-Type", "application/json"};
    struct http_response response;
    struct http_request request = {.method = "GET", .url = parcel->url};
    if (parcel->body != NULL)
        request = (struct http_request){.method = "POST",
                                        .url = parcel->url,
                                        .headers = &json,
                                        .header_count = 1,
                                        .body = parcel->body,
                                        .body_len = parcel->body_len};
    http_response_init(&response, ANSWER_MAX_BYTES);
    struct error failure; /* its text may name the URL, which is a secret */
    bool done = http_send(courier->client, &request, &response, &failure);
    if (!done)
        (void)error_set(err, failure.kind, "could not deliver %s: no answer (%s)", parcel->name,
                        error_kind_name(failure.kind));
    else if (response.status / 100 != 2)
        done = error_set(err, ERROR_UNAVAILABLE, "could not deliver %s: HTTP status %d",
                         parcel->name, response.status);
    http_response_release(&response);
    return done;
}

/* Waits with the lock held; wakes when something changes or the time is over. */
static void wait_for_change(struct courier *courier, int64_t wait_us)
{
    struct timespec until;
    int64_t until_us = clock_monotonic_us(&clock_system) + wait_us;
    until.tv_sec = (time_t)(until_us / 1000000);
    until.tv_nsec = (long)(until_us % 1000000) * 1000;
    (void)pthread_cond_timedwait(&courier->changed, &courier->lock, &until);
}

static void pause_before_retry(struct courier *courier, struct parcel *parcel)
{
    int64_t until_us = clock_monotonic_us(&clock_system) + parcel->pause_us / 2 +
                       (int64_t)random_below(&random_system, (uint64_t)parcel->pause_us / 2);
    parcel->pause_us = parcel->pause_us * 2 > PAUSE_MAX_US ? PAUSE_MAX_US : parcel->pause_us * 2;
    while (!courier->ending) {
        int64_t left_us = until_us - clock_monotonic_us(&clock_system);
        if (left_us <= 0)
            return;
        wait_for_change(courier, left_us);
    }
}

static void take_first(struct courier *courier)
{
    courier->count--;
    for (size_t i = 0; i < courier->count; i++)
        courier->parcels[i] = courier->parcels[i + 1];
}

/* With the lock held, except while it is on its way. */
static void carry_first(struct courier *courier)
{
    struct error err;
    struct parcel *parcel = courier->parcels[0];
    take_first(courier);
    courier->busy = true;
    for (;;) {
        (void)pthread_mutex_unlock(&courier->lock);
        bool done = deliver(courier, parcel, &err);
        (void)pthread_mutex_lock(&courier->lock);
        if (done) {
            courier->sent++;
            break;
        }
        bool over = courier->ending || clock_monotonic_us(&clock_system) >= parcel->give_up_us;
        log_event(LOG_WARNING, "alert.undelivered", "%s%s", err.text, over ? "; given up" : "");
        if (!over)
            pause_before_retry(courier, parcel);
        if (over || courier->ending) {
            courier->dropped++;
            break;
        }
    }
    courier->busy = false;
    (void)pthread_cond_broadcast(&courier->changed);
    parcel_free(parcel);
}

static void *carry(void *context)
{
    struct courier *courier = context;
    (void)pthread_mutex_lock(&courier->lock);
    while (!courier->ending) {
        if (courier->count > 0)
            carry_first(courier);
        else
            (void)pthread_cond_wait(&courier->changed, &courier->lock);
    }
    (void)pthread_mutex_unlock(&courier->lock);
    return NULL;
}

static void courier_free(struct courier *courier)
{
    for (size_t i = 0; i < courier->count; i++)
        parcel_free(courier->parcels[i]);
    http_client_free(courier->client);
    (void)pthread_cond_destroy(&courier->changed);
    (void)pthread_mutex_destroy(&courier->lock);
    free(courier);
}

bool courier_start(struct courier **out, struct error *err)
{
    const struct http_options options = {.stall_timeout_us = 10 * 1000000};
    pthread_condattr_t monotonic;
    struct courier *courier = calloc(1, sizeof *courier);
    if (courier == NULL)
        return error_no_memory(err, "a courier");
    (void)pthread_mutex_init(&courier->lock, NULL);
    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&courier->changed, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
    bool done = http_client_new(&options, &courier->client, err);
    if (done && pthread_create(&courier->thread, NULL, carry, courier) != 0)
        done = error_set(err, ERROR_NO_MEMORY, "could not start a thread");
    if (!done) {
        courier_free(courier);
        return false;
    }
    *out = courier;
    return true;
}

void courier_stop(struct courier *courier, int64_t patience_us)
{
    if (courier == NULL)
        return;
    int64_t until_us = clock_monotonic_us(&clock_system) + patience_us;
    (void)pthread_mutex_lock(&courier->lock);
    while ((courier->count > 0 || courier->busy) && clock_monotonic_us(&clock_system) < until_us &&
           !stop_requested())
        wait_for_change(courier, SLICE_US);
    courier->ending = true;
    (void)pthread_cond_broadcast(&courier->changed);
    (void)pthread_mutex_unlock(&courier->lock);
    stop_request(); /* ends a request that hangs */
    (void)pthread_join(courier->thread, NULL);
    courier_free(courier);
}

static bool enqueue(struct courier *courier, const char *name, const char *url,
                    const struct buf *body, int64_t patience_us, struct error *err)
{
    struct parcel *parcel = calloc(1, sizeof *parcel);
    if (parcel == NULL)
        return error_no_memory(err, "an alert");
    (void)snprintf(parcel->name, sizeof parcel->name, "%s", name);
    parcel->give_up_us = clock_monotonic_us(&clock_system) + patience_us;
    parcel->pause_us = PAUSE_FIRST_US;
    parcel->url = strdup(url);
    if (body != NULL) {
        parcel->body = malloc(body->len + 1);
        parcel->body_len = body->len;
    }
    if (parcel->url == NULL || (body != NULL && parcel->body == NULL)) {
        parcel->body_len = 0;
        parcel_free(parcel);
        return error_no_memory(err, "an alert");
    }
    if (body != NULL)
        memcpy(parcel->body, body->data, body->len);
    (void)pthread_mutex_lock(&courier->lock);
    if (courier->count == COURIER_QUEUE_MAX) {
        parcel_free(courier->parcels[0]);
        take_first(courier);
        courier->dropped++;
    }
    courier->parcels[courier->count++] = parcel;
    (void)pthread_cond_broadcast(&courier->changed);
    (void)pthread_mutex_unlock(&courier->lock);
    return true;
}

bool courier_post(struct courier *courier, const char *name, const char *url,
                  const struct buf *body, struct error *err)
{
    return enqueue(courier, name, url, body, PATIENCE_US, err);
}

bool courier_get(struct courier *courier, const char *name, const char *url, struct error *err)
{
    return enqueue(courier, name, url, NULL, HEARTBEAT_PATIENCE_US, err);
}

void courier_counts(struct courier *courier, uint64_t *out_sent, uint64_t *out_dropped)
{
    (void)pthread_mutex_lock(&courier->lock);
    *out_sent = courier->sent;
    *out_dropped = courier->dropped;
    (void)pthread_mutex_unlock(&courier->lock);
}
